"""A packet as Open vSwitch sees it: the fields it shows now, and what lies hidden beneath.

Headers hide each other. Under an MPLS label neither addresses nor ports can be matched, under an NSH header
nothing of the inner packet can; taking the outer header off shows them again. The fields beside the packet (registers,
input port, tunnel) last as long as the packet is in one switch.

Packets are values: every change makes another one. Of a label stack only the top shows, bottom-of-stack is what
the position says, and of several VLAN tags Open vSwitch by default sees only the outermost (vlan-limit 1).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import NamedTuple

from segue.packet.addresses import ETH_IPV6, ETH_MPLS, ETH_NSH
from segue.verify.fields import (
    ETH_VLAN,
    ETHERNET,
    FIELDS,
    LABEL_FIELDS,
    PAIRS,
    PIPELINE_ZEROS,
    Layer,
    bare,
    format_value,
    is_mpls,
    network_view,
)

MAX_LABELS = 3
"""As many labels as Open vSwitch can see or push onto (FLOW_MAX_MPLS_LABELS)."""

NEXT_PROTOCOL = {bare(0x0800): 1, bare(ETH_IPV6): 2, ETHERNET: 3, bare(ETH_NSH): 4}
"""NSH's next protocol by what is carried (RFC 8300 section 2.2)."""

FIRST_NSH_TTL = 63
FIRST_NSH_INDEX = 255

NOTHING_INSIDE = "the NSH header carries nothing that is known"


class Impossible(Exception):
    """The packet is such that the switch gives up on it, with all that the running translation has sent."""


class Undefined(Exception):
    """A rule does to the packet what has no meaning here, and in a switch one by accident of when it writes headers:
    labels on a packet without an Ethernet header, a label taken off again by which it was another packet, a field
    of a label that is not there."""


class ReadOnly(ValueError):
    """The field cannot be written; a switch refuses a rule that tries."""


class Label(NamedTuple):
    """One MPLS label stack entry but for its bottom-of-stack bit (RFC 3032 section 2.1)."""

    label: int
    tc: int = 0
    ttl: int = 64


@dataclass(frozen=True)
class Frame:
    """The bytes on the wire. ``eth_type`` is that of what follows the Ethernet header and VLAN tags.

    ``tags``: VLAN tag control words, outermost first, above them the tag's ethertype where it is not 0x8100.
    ``labels``: outermost first. ``network``: fields of the headers below, which are those of ethertype ``protocol``.
    ``inner``: what an NSH header carries. ``payload``: the rest. ``pushed``: how many of the labels this switch has put
    on; ``tagged``: how many of the tags.
    """

    packet_type: int
    eth_type: int
    eth_src: int = 0
    eth_dst: int = 0
    tags: tuple[int, ...] = ()
    labels: tuple[Label, ...] = ()
    protocol: int = 0
    network: Mapping[str, int] = field(default_factory=dict)
    inner: Frame | None = None
    payload: bytes = b""
    pushed: int = 0
    tagged: int = 0

    @cached_property
    def view(self) -> dict[str, int]:
        """The fields that this frame shows."""
        eth_type = self.eth_type if len(self.tags) - self.tagged < 2 else ETH_VLAN
        view = {"packet_type": self.packet_type, "eth_type": eth_type}
        if self.packet_type == ETHERNET:
            view.update(eth_src=self.eth_src, eth_dst=self.eth_dst, vlan_vid=0)
            if self.tags:
                view["vlan_vid"] = 0x1000 | self.tags[0] & 0xFFF
                view["vlan_pcp"] = self.tags[0] >> 13 & 7
        if is_mpls(eth_type):
            top = self.labels[0] if self.labels else Label(0, 0, 0)
            bottom = int(len(self.labels) == 1)
            view.update(zip(LABEL_FIELDS, (top.label, top.tc, bottom, top.ttl), strict=True))
        else:
            readable = self.protocol == eth_type and not self.labels
            view.update(network_view(eth_type, self.network if readable else {}))
        return view


@dataclass(frozen=True)
class Packet:
    """A frame with the pipeline's fields, of which ``pipeline`` holds those that are not zero."""

    frame: Frame
    pipeline: Mapping[str, int] = field(default_factory=dict)

    @staticmethod
    def of(
        fields: Mapping[str, int],
        *,
        tags: Iterable[int] = (),
        labels: Iterable[Label] = (),
        inner: Packet | None = None,
        payload: bytes = b"",
    ) -> Packet:
        """A packet from its fields, those missing being zero.

        ``eth_type`` names what is beneath tags and labels. Without ``packet_type`` it is an Ethernet packet.
        ``inner`` is for NSH and sets the next protocol. Raises ValueError for a field that such a packet has
        not, or that is too large.
        """
        for name, value in fields.items():
            if name not in FIELDS:
                raise ValueError(f"there is no field {name!r}")
            if not 0 <= value < 1 << FIELDS[name].width:
                raise ValueError(f"{name} has {FIELDS[name].width} bits; {value:#x} does not fit")
        kind = fields.get("packet_type", ETHERNET)
        protocol = fields.get("eth_type", kind & 0xFFFF)
        stack = tuple(labels)
        network = {name: value for name, value in fields.items() if FIELDS[name].layer is Layer.NETWORK}
        if protocol == ETH_NSH:
            network.setdefault("nsh_mdtype", 1)
            if inner is not None:
                network["nsh_np"] = NEXT_PROTOCOL[inner.frame.packet_type]
        frame = Frame(
            packet_type=kind,
            eth_type=ETH_MPLS if stack else protocol,
            eth_src=fields.get("eth_src", 0),
            eth_dst=fields.get("eth_dst", 0),
            tags=tuple(tags),
            labels=stack,
            protocol=protocol,
            network=network,
            inner=None if inner is None else inner.frame,
            payload=payload,
        )
        shown = {**PIPELINE_ZEROS, **replace(frame, eth_type=protocol, labels=(), tags=()).view}
        absent = [name for name in fields if name not in shown]
        if absent:
            raise ValueError(f"a packet of ethertype {protocol:#06x} with these fields has no {absent[0]}")
        pipeline = {n: v for n, v in fields.items() if FIELDS[n].layer is Layer.PIPELINE and v}
        return Packet(frame, pipeline)

    @cached_property
    def fields(self) -> Mapping[str, int]:
        """Every field that can be matched now, with its value."""
        shown = {**PIPELINE_ZEROS, **self.pipeline, **self.frame.view}
        for name, (high, low) in PAIRS.items():
            shown[name] = shown[high] << 32 | shown[low]
        return shown

    @property
    def on_wire(self) -> Packet:
        """The packet once it has left the switch."""
        return Packet(replace(self.frame, pushed=0, tagged=0))

    def set(self, name: str, value: int, mask: int | None = None) -> Packet:
        """With ``value`` written under ``mask``; unchanged where the packet has no such field.

        Raises ReadOnly, Undefined for a label's field without a label or a tag that would be half a tag, ValueError
        for a value that is too large.
        """
        entry = FIELDS[name]
        if not entry.writable:
            raise ReadOnly(f"{name} cannot be written")
        if not 0 <= value < 1 << entry.width:
            raise ValueError(f"{name} has {entry.width} bits; {value:#x} does not fit")
        old = self.fields.get(name)
        if old is None or (self.fields.get("ip_frag", 0) & 2 and name.endswith(("p_src", "p_dst"))):
            return self
        new = value if mask is None else old & ~mask | value & mask
        frame = self.frame
        match entry.layer:
            case Layer.PIPELINE:
                if name in PAIRS:
                    high, low = PAIRS[name]
                    return Packet(frame, {**self.pipeline, high: new >> 32, low: new & 0xFFFFFFFF})
                return Packet(frame, {**self.pipeline, name: new})
            case Layer.LINK:
                if name in ("eth_src", "eth_dst"):
                    frame = replace(frame, eth_src=new) if name == "eth_src" else replace(frame, eth_dst=new)
                else:
                    frame = self._tag(name, new)
            case Layer.LABEL:
                if not frame.labels:
                    raise Undefined(f"{name} written where no label is left")
                part = name.removeprefix("mpls_")
                frame = replace(frame, labels=(frame.labels[0]._replace(**{part: new}), *frame.labels[1:]))
            case Layer.NETWORK:
                if frame.protocol != frame.eth_type:
                    return self
                frame = replace(frame, network={**frame.network, name: new})
        return Packet(frame, self.pipeline)

    def _tag(self, name: str, new: int) -> Frame:
        """With another VLAN, or its priority; a VLAN on a packet without a tag makes it one."""
        frame = self._few_tags()
        first = frame.tags[0] if frame.tags else 0
        if name == "vlan_pcp":
            return replace(frame, tags=(first & ~0xE000 | new << 13, *frame.tags[1:]))
        if not new & 0x1000:
            raise Undefined("a VLAN written without the bit that says that there is one")
        made = 0 if frame.tags else 1
        return replace(frame, tags=(first & ~0x1FFF | new & 0xFFF, *frame.tags[1:]), tagged=frame.tagged + made)

    def push_tag(self, ethertype: int) -> Packet:
        """With one more VLAN tag, of VLAN 0. Raises Undefined for a third."""
        frame = self._few_tags()
        if len(frame.tags) > 1:
            raise Undefined("a third VLAN tag")
        tag = (0 if ethertype == ETH_VLAN else ethertype) << 16
        return Packet(replace(frame, tags=(tag, *frame.tags), tagged=frame.tagged + 1), self.pipeline)

    def pop_tag(self) -> Packet:
        """Without the outermost VLAN tag, if there is one."""
        frame = self._few_tags()
        if not frame.tags:
            return self
        return Packet(replace(frame, tags=frame.tags[1:], tagged=max(0, frame.tagged - 1)), self.pipeline)

    def _few_tags(self) -> Frame:
        frame = self.frame
        if frame.packet_type != ETHERNET or len(frame.tags) - frame.tagged > 1:
            raise Undefined("a VLAN tag on or off what has more than the switch reads, or no Ethernet header")
        return frame

    def push_label(self) -> Packet:
        """With one more MPLS label: a copy of the top one, or else made from the IP header as Open vSwitch does.

        Raises Impossible on a fourth label, Undefined without an Ethernet header.
        """
        frame = self._labelled_ethernet()
        if frame.labels and is_mpls(frame.eth_type):
            if len(frame.labels) >= MAX_LABELS:
                raise Impossible(f"more than {MAX_LABELS} MPLS labels")
            label = frame.labels[0]
        else:
            view = frame.view
            explicit_null = 2 if frame.eth_type == ETH_IPV6 else 0
            label = Label(explicit_null, view.get("ip_dscp", 0) & 7, view.get("nw_ttl", 0) or 64)
        labels = (label, *frame.labels)
        return Packet(replace(frame, eth_type=ETH_MPLS, labels=labels, pushed=frame.pushed + 1), self.pipeline)

    def pop_label(self, ethertype: int) -> Packet:
        """Without the top label; what follows is taken for ``ethertype``. Unchanged where there is no label.

        Any ethertype but MPLS takes the whole stack off, not the top alone: so does Open vSwitch (commit_mpls_action
        in lib/odp-util.c). Raises Impossible where the stack is deeper than the switch can see, Undefined without an
        Ethernet header.
        """
        frame = self._labelled_ethernet()
        if not frame.labels or not is_mpls(frame.eth_type):
            return self
        if len(frame.labels) > MAX_LABELS:
            raise Impossible(f"cannot pop a stack of more than {MAX_LABELS} MPLS labels")
        rest = frame.labels[1:] if is_mpls(ethertype) else ()
        if frame.pushed and ethertype != (ETH_MPLS if rest else frame.protocol):
            raise Undefined(f"a label pushed and popped again to {ethertype:#06x}, which the packet was not")
        frame = replace(frame, eth_type=ethertype, labels=rest, pushed=min(max(frame.pushed - 1, 0), len(rest)))
        return Packet(frame, self.pipeline)

    def encap_nsh(self) -> Packet:
        """Inside an NSH header of MD type 1. Raises Impossible for packets that NSH cannot carry here."""
        carried = NEXT_PROTOCOL.get(self.frame.packet_type)
        if carried is None:
            kind = format_value("packet_type", self.frame.packet_type)
            raise Impossible(f"cannot put a packet of type {kind} into NSH")
        network = {"nsh_mdtype": 1, "nsh_np": carried, "nsh_ttl": FIRST_NSH_TTL, "nsh_si": FIRST_NSH_INDEX}
        frame = Frame(bare(ETH_NSH), ETH_NSH, protocol=ETH_NSH, network=network, inner=self.on_wire.frame)
        return Packet(frame, self.pipeline)

    def encap_ethernet(self) -> Packet:
        """Behind an Ethernet header with zero addresses. Raises Impossible for a packet that has one."""
        if self.frame.packet_type == ETHERNET:
            raise Impossible("cannot put an Ethernet packet straight into Ethernet")
        return Packet(replace(self.frame, packet_type=ETHERNET, eth_src=0, eth_dst=0), self.pipeline)

    def decap(self) -> Packet:
        """Without the outermost Ethernet or NSH header. Raises Impossible for others, and under a VLAN tag; Undefined
        for a label stack."""
        frame = self.frame
        if frame.packet_type == ETHERNET:
            if frame.tags:
                raise Impossible("cannot take off an Ethernet header with a VLAN tag")
            frame = replace(frame, packet_type=bare(frame.eth_type), eth_src=0, eth_dst=0)
        elif frame.packet_type == bare(ETH_NSH):
            if frame.inner is None:
                raise Impossible(NOTHING_INSIDE)
            frame = frame.inner
        elif is_mpls(frame.packet_type & 0xFFFF):
            raise Undefined("decap of a label stack; pop_mpls takes labels off")
        else:
            kind = format_value("packet_type", frame.packet_type)
            raise Impossible(f"decap does not know packets of type {kind}")
        return Packet(frame, self.pipeline)

    def _labelled_ethernet(self) -> Frame:
        if self.frame.packet_type != ETHERNET:
            raise Undefined("a label on or off a packet without an Ethernet header")
        return self.frame
