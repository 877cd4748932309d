"""Open vSwitch's connection tracking: ct, address translation within it, and forgetting (lib/ofp-actions.c,
`nx_action_conntrack` and `nx_action_nat`)."""

from collections.abc import Sequence
from struct import Struct
from typing import Any, Final

from segue.openflow import declare as w
from segue.openflow.declare import Record, experimenter_member
from segue.openflow.names import Flags, Numbers
from segue.openflow.protocol.families import ACTION, Action
from segue.openflow.protocol.nicira_forms import NumberOrSubfield, Subfield, check_keys, within
from segue.openflow.wire import NICIRA, EncodeError, ProtocolError

_ZONE: Final = NumberOrSubfield(2)
_PRESENT: Final = Struct(">H")


class CtFlags(Flags, prefix="NX_CT_F_"):
    COMMIT = 1
    FORCE = 2


class CtTable(Numbers, prefix="NX_CT_RECIRC_"):
    NONE = 0xFF


class CtAlg(Numbers, prefix="IPPORT_"):
    """The application whose helper looks at the connection, by its well-known port."""

    FTP = 21
    TFTP = 69


class NatFlags(Flags, prefix="NX_NAT_F_"):
    SRC = 1
    DST = 2
    PERSISTENT = 4
    PROTO_HASH = 8
    PROTO_RANDOM = 16


@experimenter_member(ACTION, "NXAST_CT", NICIRA, 35)
class Ct(Action, frozen=True, gc=False):
    """Sends the packet through the connection tracker of `zone`, a number or the part of a field that has it (16 bits;
    lib/ofp-actions.c, NXAST_CT).

    With a `recirc_table` a copy goes on there, with the connection's state. `actions` (address translation; loads of
    ct_mark and ct_label) are executed on the connection, which COMMIT keeps. `recirc_table` 0xff is none, `alg` 0 no
    helper.
    """

    flags: int = 0
    zone: int | Subfield = 0
    recirc_table: int = CtTable.NONE
    actions: Sequence[Action] = ()
    alg: int = 0

    WIRE = (
        w.u16("flags", CtFlags),
        w.custom("zone", _ZONE),
        w.u8("recirc_table", CtTable),
        w.pad(3),
        w.u16("alg", CtAlg),
        w.many("actions", ACTION),
    )


@experimenter_member(ACTION, "NXAST_CT_CLEAR", NICIRA, 43)
class CtClear(Action, frozen=True, gc=False):
    """Forgets the connection's state (lib/ofp-actions.c, NXAST_CT_CLEAR)."""

    WIRE = (w.pad(6),)


class NatRange(Record, frozen=True, gc=False):
    """Addresses (integers) and ports that take the place of the packet's: from `min` to `max`, both included
    (lib/ofp-actions.c, NXAST_NAT).

    None is not there: no `max`, then `min` alone; no ports, then any.
    """

    ipv4_min: int | None = None
    ipv4_max: int | None = None
    ipv6_min: int | None = None
    ipv6_max: int | None = None
    proto_min: int | None = None
    proto_max: int | None = None


# In the order of the bits of `range_present` and of the octets: octets, and the field whose text JSON has.
_PARTS: Final = {
    "ipv4_min": (4, "ipv4_src"),
    "ipv4_max": (4, "ipv4_src"),
    "ipv6_min": (16, "ipv6_src"),
    "ipv6_max": (16, "ipv6_src"),
    "proto_min": (2, "tcp_src"),
    "proto_max": (2, "tcp_src"),
}


class _Range:
    """A bit map of what is there, then that."""

    def encode(self, value: NatRange, version: int) -> bytes:  # noqa: ARG002
        present, octets = 0, []
        for bit, (name, (size, _)) in enumerate(_PARTS.items()):
            number = getattr(value, name)
            if number is not None:
                if not 0 <= number < 1 << 8 * size:
                    raise EncodeError(f"NatRange.{name}: {number:#x} is not within {size} octets")
                present |= 1 << bit
                octets.append(number.to_bytes(size, "big"))
        return b"".join((_PRESENT.pack(present), *octets))

    def decode(self, data: bytes, offset: int, end: int, version: int) -> tuple[NatRange, int]:  # noqa: ARG002
        within(offset, 2, end)
        (present,) = _PRESENT.unpack_from(data, offset)
        if present >> len(_PARTS):
            raise ProtocolError(f"a range of addresses with parts {present:#x}", "OFPBAC_BAD_ARGUMENT")
        offset += 2
        found: list[int | None] = []
        for bit, (size, _) in enumerate(_PARTS.values()):
            if present >> bit & 1:
                within(offset, size, end)
                found.append(int.from_bytes(data[offset : offset + size], "big"))
                offset += size
            else:
                found.append(None)
        return NatRange(*found), offset

    def to_json(self, value: NatRange, version: int) -> Any:  # noqa: ARG002
        from segue.openflow.field_text import value_to_json  # text is the slow path

        given = {name: getattr(value, name) for name in _PARTS}
        return {name: value_to_json(_PARTS[name][1], number) for name, number in given.items() if number is not None}

    def from_json(self, obj: Any, version: int) -> NatRange:  # noqa: ARG002
        from segue.openflow.field_text import value_from_json

        check_keys(obj, set(), frozenset(_PARTS))
        found = {name: value_from_json(_PARTS[name][1], given) for name, given in obj.items()}
        for name, number in found.items():
            if not isinstance(number, int):
                raise EncodeError(f"{name}: {obj[name]!r} has a mask")
        return NatRange(**found)  # type: ignore[arg-type]

    def schema(self) -> dict[str, Any]:
        address = {"type": "string", "description": "IP address"}
        port = {"type": "integer", "minimum": 0, "maximum": 0xFFFF}
        properties = {name: port if size == 2 else address for name, (size, _) in _PARTS.items()}
        return {"type": "object", "properties": properties, "additionalProperties": False}


@experimenter_member(ACTION, "NXAST_NAT", NICIRA, 36)
class Nat(Action, frozen=True, gc=False):
    """Address translation, in the actions of `Ct`: of the source or of the destination into `range`; without either
    flag, as the connection that the packet belongs to has it (lib/ofp-actions.c, NXAST_NAT)."""

    flags: int = 0
    range: NatRange = NatRange()

    WIRE = (w.pad(2), w.u16("flags", NatFlags), w.custom("range", _Range()))
