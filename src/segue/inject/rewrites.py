"""Writing header fields: what a service must be permitted for each, and what the match must say first.

| field | permission |
| --- | --- |
| `metadata` | none: it is the service's own |
| `ip_dscp` | `mark` |
| `vlan_vid`, `vlan_pcp`, and pushing and popping tags | `vlan` among `rewrite` |
| others of `model.intent.REWRITES` | themselves among `rewrite`, but for what is `NOT_REWRITTEN` at the hook |
| all others | there is none: ARP, ND and ICMP are how hosts find and believe each other |

No MAC address is written that could be a mark (`model.marks`): the network alone says which path a packet is on.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from segue.inject.errors import Refusal
from segue.inject.matches import PRESENT
from segue.inject.scope import Scope
from segue.model.intent import NOT_REWRITTEN, REWRITES, SOURCES
from segue.model.marks import MARK, MARK_MASK
from segue.model.program import SetField
from segue.model.stages import SERVICE_METADATA
from segue.openflow.field_text import value_from_json
from segue.openflow.fields import FIELDS, lookup
from segue.openflow.wire import EncodeError

_VLAN: Final = frozenset({"vlan_vid", "vlan_pcp"})
_MACS: Final = frozenset({"eth_src", "eth_dst"})
_A_TAG: Final = "vlan_vid (0x1000/0x1000 for any tag)"
MAX_TAGS: Final = 2
"""VLAN tags that Open vSwitch keeps account of."""
ANY_HEADER: Final = frozenset(FIELDS) & (
    {*REWRITES, *_VLAN, "ip_dscp", "ipv6_flabel", "icmpv4_type", "icmpv4_code", "icmpv6_type", "icmpv6_code"}
    | {"arp_op", "arp_spa", "arp_tpa", "arp_sha", "arp_tha", "ipv6_nd_target", "ipv6_nd_sll", "ipv6_nd_tll"}
)
"""What Open vSwitch can write in a header: a service may do all of it to a packet that it makes itself."""


@dataclass
class Known:
    """What is known of the packet at this point of the actions. ``later``: it is a fragment without a header of its
    transport. ``certain``: whether prerequisites can be asked for; they cannot of a group, which any packet may meet
    (Open vSwitch then looks at the packet itself)."""

    eth_type: int | None = None
    ip_proto: int | None = None
    icmpv6_type: int | None = None
    tags: int = 0
    untagged: bool = False
    later: bool = False
    certain: bool = True

    def push(self) -> None:
        if self.tags >= MAX_TAGS:
            raise Refusal("OFPBAC_BAD_TAG", f"push_vlan: a packet has {MAX_TAGS} tags at most")
        self.tags += 1
        self.untagged = False

    def pop(self) -> None:
        if self.certain and not self.tags:
            raise Refusal("OFPBAC_MATCH_INCONSISTENT", f"pop_vlan: match {_A_TAG} too")
        self.tags = max(0, self.tags - 1)
        self.untagged = False

    def lacks(self, name: str) -> str:
        """What the match would have to say besides for ``name`` to be written; empty if it says it."""
        if not self.certain or name == "metadata":
            return ""
        if name in _VLAN:
            return "" if self.tags else _A_TAG
        for need, some in FIELDS[name].prerequisites:
            value = {"eth_type": self.eth_type, "ip_proto": self.ip_proto, "icmpv6_type": self.icmpv6_type}
            if need == "ip_proto" and self.later:
                return "ip_frag of whole packets or first fragments"
            if need in value and value[need] not in some:
                return f"{need} {' or '.join(f'{one:#x}' for one in some)}"
        return ""


def permit(scope: Scope, field: str) -> None:
    """Refusal unless the service may write ``field`` of packets (``vlan``: push and pop tags)."""
    if field == "metadata":
        return
    permissions = scope.permissions
    if field == "ip_dscp":
        if not permissions.mark:
            raise Refusal("OFPBAC_EPERM", f"ip_dscp: service {scope.name!r} is not permitted to mark; ask for it")
        return
    wanted = "vlan" if field in _VLAN else field
    if wanted not in REWRITES:
        raise Refusal("OFPBAC_EPERM", f"{field}: no service may write it; services may write {', '.join(REWRITES)}")
    if wanted not in permissions.rewrite:
        given = ", ".join(permissions.rewrite) or "nothing"
        raise Refusal(
            "OFPBAC_EPERM",
            f"{field}: service {scope.name!r} is permitted to rewrite {given}; ask for {wanted} among rewrite",
        )
    if wanted in NOT_REWRITTEN.get(scope.hook.name, ()):
        why = "source addresses are proven behind hook ingress, and not to be written"
        instead = "do it at ingress or egress"
        if wanted not in SOURCES:
            why = "packets of others come here, which nobody may send elsewhere by a new destination"
            instead = "rewrite at ingress, pre-routing or egress, or output to a port of your own"
        raise Refusal("OFPBAC_EPERM", f"{field}: {why} at hook {scope.hook.name}; {instead}")


def field_of(name: str) -> str:
    """The plain name of a field that an action wants to write. Refusal: there is none that could be."""
    known = lookup(name)
    plain = known[0].name if known else name
    if plain in ANY_HEADER or plain in ("metadata", "nw_tos"):
        return plain
    if known is None or plain not in FIELDS:
        raise Refusal("OFPBAC_BAD_SET_TYPE", f"{name}: there is no such field here; use OpenFlow's basic ones")
    raise Refusal("OFPBAC_BAD_SET_TYPE", f"{name} cannot be written; services may write {', '.join(REWRITES)}")


def write(known: Known, name: str, given: int | str, mask: int | None = None) -> SetField | None:
    """The action that writes a field, None where it writes no bit. Refusal: a value that the field cannot have, or a
    match that does not say that the packet has it (OFPBAC_MATCH_INCONSISTENT)."""
    field, value, mask = *_value(name, given), mask
    if field == "nw_tos":
        if value & 3 or mask is not None:
            raise Refusal("OFPBAC_BAD_SET_ARGUMENT", f"{name}: write ip_dscp, which has its upper six bits")
        field, value = "ip_dscp", value >> 2
    limit, size = FIELDS[field].limit, FIELDS[field].size
    if not 0 <= value <= limit:
        raise Refusal("OFPBAC_BAD_SET_ARGUMENT", f"{name}: {value:#x} is not within 0..{limit:#x}")
    if mask is not None:
        if not 0 <= mask < 1 << 8 * size or (mask & limit != limit and not FIELDS[field].maskable):
            raise Refusal("OFPBAC_BAD_SET_MASK", f"{name} cannot be written under mask {mask:#x}; write all of it")
        if value & ~mask:
            raise Refusal("OFPBAC_BAD_SET_ARGUMENT", f"{name}: {value:#x} has bits outside of its mask; clear them")
        mask &= limit
    if field == "vlan_vid" and not (value & PRESENT and (mask is None or mask & PRESENT)):
        raise Refusal("OFPBAC_BAD_SET_ARGUMENT", f"vlan_vid: write {value | PRESENT:#x} (with OFPVID_PRESENT)")
    if field in _MACS and _could_be_mark(value, limit if mask is None else mask):
        raise Refusal("OFPBAC_EPERM", f"{name}: addresses 0a:5e:* are the network's own marks; write another")
    if field == "arp_op" and value > 0xFF:
        raise Refusal("OFPBAC_BAD_SET_ARGUMENT", f"arp_op: {value:#x} is not within 0..0xff")
    lacking = known.lacks(field)
    if lacking:
        raise Refusal("OFPBAC_MATCH_INCONSISTENT", f"{name}: nothing says that the packet has it; match {lacking} too")
    if mask == 0:
        return None
    return SetField(SERVICE_METADATA if field == "metadata" else field, value, None if mask == limit else mask)


def _could_be_mark(value: int, mask: int) -> bool:
    """Whether an address of which these bits are written could become a mark by it."""
    return bool(mask & MARK_MASK) and value & MARK_MASK == MARK & mask


def _value(name: str, given: int | str) -> tuple[str, int]:
    field = field_of(name)
    if isinstance(given, int):
        return field, given
    try:
        value = value_from_json(field, given)
    except EncodeError as error:
        raise Refusal("OFPBAC_BAD_SET_ARGUMENT", str(error)) from None
    if isinstance(value, tuple):
        raise Refusal("OFPBAC_BAD_SET_ARGUMENT", f"{name}: {given} has a mask; give it as the action's own")
    return field, value
