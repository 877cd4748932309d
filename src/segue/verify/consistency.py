"""Whether a switch would take a rule at all.

OpenFlow lets a rule touch a header field only where its own match proves that the packet has it (OpenFlow 1.5
sections 7.2.3.6 and 7.2.6: OFPBMC_BAD_PREREQ, OFPBAC_MATCH_INCONSISTENT). Open vSwitch follows the proof through the
actions (ofpact_check in lib/ofp-actions.c): behind ``PushMpls`` and ``PopMpls`` the protocol is no longer known, behind
``Decap`` of anything but Ethernet nothing is.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

from segue.model.program import (
    AnyAction,
    Clone,
    Decap,
    DecTtl,
    Encap,
    Move,
    Multipath,
    PopMpls,
    PopVlan,
    PushMpls,
    PushVlan,
    Rule,
    SetField,
)
from segue.packet.addresses import ETH_IPV4, ETH_IPV6, ETH_MPLS, ETH_NSH
from segue.verify.fields import ETHERNET, FIELDS, LABEL_FIELDS, PIPELINE_ZEROS, bare, is_mpls, network_view


def refusal(rule: Rule) -> str | None:
    """Why Open vSwitch would refuse ``rule``, or None."""
    return next(_complaints(rule), None)


@dataclass
class _Known:
    """What a match proves. Fields that it leaves open read zero, as in Open vSwitch's check."""

    packet_type: int
    frame_type: int
    """The ethertype while the packet has an Ethernet header; without one the packet type says it."""
    values: dict[str, int]
    tags: int = 0

    @property
    def eth_type(self) -> int:
        return self.packet_type & 0xFFFF if self.packet_type >> 16 == 1 else self.frame_type

    @property
    def fields(self) -> set[str]:
        names = {"packet_type", *PIPELINE_ZEROS}
        if self.packet_type == ETHERNET:
            names |= {"eth_src", "eth_dst", "eth_type", "vlan_vid", "vlan_pcp"}
        if is_mpls(self.eth_type):
            names |= set(LABEL_FIELDS)
        return names | network_view(self.eth_type, self.values).keys()


def _complaints(rule: Rule) -> Iterator[str]:
    values: dict[str, int] = {}
    for name, wanted in rule.match:
        if name not in FIELDS:
            yield f"there is no field {name!r}"
            return
        value, mask = wanted if isinstance(wanted, tuple) else (wanted, (1 << FIELDS[name].width) - 1)
        if not 0 <= value <= mask < 1 << FIELDS[name].width or value & ~mask:
            yield f"match on {name}: {value:#x}/{mask:#x} does not fit {FIELDS[name].width} bits"
        if mask != (1 << FIELDS[name].width) - 1 and not FIELDS[name].maskable:
            yield f"match on part of {name}"
        values[name] = value
    tags = int(bool(values.get("vlan_vid", 0) & 0x1000))
    known = _Known(values.get("packet_type", ETHERNET), values.get("eth_type", 0), values, tags)
    for name in values:
        if name not in known.fields:
            yield f"match on {name} without what it presupposes"
    for action in rule.actions:
        yield from _action(action, known)


def _action(action: AnyAction, known: _Known) -> Iterator[str]:
    match action:
        case SetField(name, value, mask):
            yield from _written(name, known)
            if name in FIELDS and not 0 <= value <= (mask or value) < 1 << FIELDS[name].width:
                yield f"{name} has {FIELDS[name].width} bits: {value:#x} does not fit"
            elif mask is not None and not FIELDS[name].maskable:
                yield f"part of {name} written"
        case Move(source, target, bits, low, to):
            if source not in known.fields:
                yield f"move from {source}, which the match does not promise"
            yield from _written(target, known)
            for name, offset in ((source, low), (target, to)):
                if name in FIELDS and not 0 < bits <= FIELDS[name].width - offset:
                    yield f"move of {bits} bits from bit {offset} of {name}"
        case Clone(actions):
            copy = replace(known, values=dict(known.values))
            for one in actions:
                yield from _action(one, copy)
        case Multipath(_, links, register):
            yield from _written(register, known)
            if not 1 <= links <= 1 << 16:
                yield f"multipath over {links} links"
        case DecTtl():
            if known.eth_type not in (ETH_IPV4, ETH_IPV6):
                yield "TTL of a packet that the match does not say is IP"
        case PushVlan():
            if known.tags > 1:
                yield "a third VLAN tag"
            known.tags += 1
        case PopVlan():
            if not known.tags:
                yield "VLAN tag popped that the match does not promise"
            known.tags = max(0, known.tags - 1)
        case PushMpls():
            if known.packet_type != ETHERNET:
                yield "label pushed onto what is not Ethernet"
            known.frame_type = ETH_MPLS
            known.values.pop("ip_proto", None)
        case PopMpls(ethertype):
            if known.packet_type != ETHERNET or not is_mpls(known.eth_type):
                yield "label popped that the match does not promise"
            known.frame_type = ethertype
        case Encap("nsh"):
            known.packet_type, known.frame_type = bare(ETH_NSH), ETH_NSH
            known.values.pop("ip_proto", None)
        case Encap("ethernet"):
            known.packet_type = ETHERNET
        case Encap(header):
            yield f"encap {header}"
        case Decap():
            if known.packet_type == ETHERNET:
                known.packet_type = bare(known.eth_type)
            else:
                known.packet_type, known.frame_type = -1, -1


def _written(name: str, known: _Known) -> Iterator[str]:
    if name not in known.fields or (name in ("vlan_vid", "vlan_pcp") and not known.tags):
        yield f"{name} written, which the match does not promise"
    elif not FIELDS[name].writable:
        yield f"{name} cannot be written"
