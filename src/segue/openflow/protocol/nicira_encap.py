"""Open vSwitch's encap and decap: generic headers outside of the packet (lib/ofp-actions.c, `nx_action_encap`;
include/openvswitch/ofp-ed-props.h, after the ONF's extension EXT-382).

Packet types are `namespace << 16 | type` as in the match field packet_type: namespace 0 with type 0 is Ethernet,
namespace 1 has Ethertypes. A property is `class:u16 type:u8 len:u8`; `len` counts these, and up to a multiple of eight
follow zeros that it does not count.
"""

from collections.abc import Sequence
from struct import Struct
from typing import Any, Final

from segue.openflow import declare as w
from segue.openflow.declare import Record, experimenter_member
from segue.openflow.names import Numbers
from segue.openflow.protocol.families import ACTION, Action
from segue.openflow.protocol.nicira_forms import check_keys, number_from_json
from segue.openflow.wire import NICIRA, V13, EncodeError, ProtocolError, padded

_HEAD: Final = Struct(">HBB")
_NSH_MD_TYPE: Final = Struct(">HBBB")
_NSH_TLV: Final = Struct(">HBBHBB")
_NSH: Final = 4
_MD_TYPE: Final = 1
_TLV: Final = 2


class PacketType(Numbers, prefix="PT_"):
    ETH = 0
    USE_NEXT_PROTO = 0xFFFE  # decap only: what the removed header says
    IPV4 = 1 << 16 | 0x0800
    IPV6 = 1 << 16 | 0x86DD
    MPLS = 1 << 16 | 0x8847
    MPLS_MC = 1 << 16 | 0x8848
    NSH = 1 << 16 | 0x894F


class EdPropClass(Numbers, prefix="OFPPPC_"):
    BASIC = 0
    MPLS = 1
    GRE = 2
    GTP = 3
    NSH = 4
    EXPERIMENTER = 0xFFFF


class EdProp(Record, frozen=True, gc=False):
    """A property of the header that is added (ofp-ed-props.h, ONF extension EXT-382)."""


class EdPropNshMdType(EdProp, frozen=True, gc=False):
    """The NSH's metadata type: 1 for four words, 2 for TLVs (`OFPPPT_PROP_NSH_MDTYPE`; ofp-ed-props.h, ONF extension
    EXT-382)."""

    md_type: int


class EdPropNshTlv(EdProp, frozen=True, gc=False):
    """A TLV of an NSH of metadata type 2 (`OFPPPT_PROP_NSH_TLV`); `data` has 240 octets at most here, 127 in an NSH
    (ofp-ed-props.h, ONF extension EXT-382)."""

    tlv_class: int
    tlv_type: int
    data: bytes = b""


class UnknownEdProp(EdProp, frozen=True, gc=False):
    """Any other property: the octets, 251 at most, that its length counts behind the header (ofp-ed-props.h, ONF
    extension EXT-382)."""

    prop_class: int
    type: int
    data: bytes = b""


class _Props:
    """Properties, up to the end of the action."""

    def encode(self, value: Sequence[EdProp], version: int) -> bytes:  # noqa: ARG002
        return b"".join([_write(prop) for prop in value])

    def decode(self, data: bytes, offset: int, end: int, version: int) -> tuple[tuple[EdProp, ...], int]:  # noqa: ARG002
        props: list[EdProp] = []
        while offset < end:
            if end - offset < _HEAD.size:
                raise ProtocolError(f"{end - offset} bytes of an encap property", "OFPBAC_BAD_LEN")
            prop_class, kind, length = _HEAD.unpack_from(data, offset)
            after = offset + length + -length % 8
            if length < _HEAD.size or after > end:
                raise ProtocolError(f"an encap property claims {length} bytes of {end - offset}", "OFPBAC_BAD_LEN")
            props.append(_read(prop_class, kind, data[offset + _HEAD.size : offset + length]))
            offset = after
        return tuple(props), offset

    def to_json(self, value: Sequence[EdProp], version: int) -> Any:  # noqa: ARG002
        return [_to_json(prop) for prop in value]

    def from_json(self, obj: Any, version: int) -> tuple[EdProp, ...]:  # noqa: ARG002
        if not isinstance(obj, list):
            raise EncodeError(f"a list of properties is wanted, not {obj!r:.60}")
        return tuple(_from_json(one) for one in obj)

    def schema(self) -> dict[str, Any]:
        octet = {"type": "integer", "minimum": 0, "maximum": 0xFF}
        number = {"type": "integer", "minimum": 0, "maximum": 0xFFFF}
        properties: dict[str, Any] = {
            "type": {"anyOf": [{"enum": ["OFPPPT_PROP_NSH_MDTYPE", "OFPPPT_PROP_NSH_TLV"]}, octet]},
            "prop_class": {"anyOf": [number, {"enum": list(EdPropClass.all_names())}]},
            "md_type": octet,
            "tlv_class": number,
            "tlv_type": octet,
            "data": {"type": "string", "pattern": "^([0-9a-fA-F]{2})*$"},
        }
        one = {"type": "object", "properties": properties, "required": ["type"], "additionalProperties": False}
        return {"type": "array", "items": one}


def _write(prop: Any) -> bytes:
    for name, bits in _BITS.get(type(prop), {}).items():
        if not 0 <= getattr(prop, name) < 1 << bits:
            raise EncodeError(f"{type(prop).__name__}.{name}: {getattr(prop, name)} is not within 0..{(1 << bits) - 1}")
    if isinstance(prop, EdPropNshMdType):
        return padded(_NSH_MD_TYPE.pack(_NSH, _MD_TYPE, _NSH_MD_TYPE.size, prop.md_type))
    if isinstance(prop, EdPropNshTlv):
        data = padded(prop.data)
        length = _fit(prop, _NSH_TLV.size + len(data))
        return _NSH_TLV.pack(_NSH, _TLV, length, prop.tlv_class, prop.tlv_type, len(prop.data)) + data
    if isinstance(prop, UnknownEdProp):
        length = _fit(prop, _HEAD.size + len(prop.data))
        return padded(_HEAD.pack(prop.prop_class, prop.type, length) + prop.data)
    raise EncodeError(f"{type(prop).__name__} is no property of encap")


_BITS: Final[dict[type[EdProp], dict[str, int]]] = {
    EdPropNshMdType: {"md_type": 8},
    EdPropNshTlv: {"tlv_class": 16, "tlv_type": 8},
    UnknownEdProp: {"prop_class": 16, "type": 8},
}


def _fit(prop: Any, length: int) -> int:
    if length > 0xFF:
        raise EncodeError(f"{type(prop).__name__}.data has {len(prop.data)} octets, more than the property can carry")
    return length


def _read(prop_class: int, kind: int, data: bytes) -> EdProp:
    if prop_class == _NSH and kind == _MD_TYPE and len(data) == 1:
        return EdPropNshMdType(data[0])
    if prop_class == _NSH and kind == _TLV and len(data) >= 4:
        size, value = data[3], data[4:]
        if len(value) == size + -size % 8 and not any(value[size:]):
            return EdPropNshTlv(data[0] << 8 | data[1], data[2], bytes(value[:size]))
    return UnknownEdProp(prop_class, kind, bytes(data))


def _to_json(prop: Any) -> dict[str, Any]:
    from segue.openflow.as_json import number_to_json  # text is the slow path

    if isinstance(prop, EdPropNshMdType):
        return {"type": "OFPPPT_PROP_NSH_MDTYPE", "md_type": prop.md_type}
    if isinstance(prop, EdPropNshTlv):
        said = {"type": "OFPPPT_PROP_NSH_TLV", "tlv_class": prop.tlv_class, "tlv_type": prop.tlv_type}
        return {**said, "data": prop.data.hex()}
    return {"type": prop.type, "prop_class": number_to_json(prop.prop_class, EdPropClass), "data": prop.data.hex()}


def _from_json(obj: Any) -> EdProp:
    from segue.openflow.as_json import octets_from_json

    kind = obj.get("type") if isinstance(obj, dict) else None
    if kind == "OFPPPT_PROP_NSH_MDTYPE":
        check_keys(obj, {"type", "md_type"})
        return EdPropNshMdType(number_from_json(obj["md_type"], 8))
    if kind == "OFPPPT_PROP_NSH_TLV":
        check_keys(obj, {"type", "tlv_class", "tlv_type"}, frozenset({"data"}))
        data = octets_from_json(obj.get("data", ""), "data")
        return EdPropNshTlv(number_from_json(obj["tlv_class"], 16), number_from_json(obj["tlv_type"], 8), data)
    check_keys(obj, {"type", "prop_class"}, frozenset({"data"}))
    data = octets_from_json(obj.get("data", ""), "data")
    return UnknownEdProp(number_from_json(obj["prop_class"], 16, EdPropClass), number_from_json(kind, 8), data)


@experimenter_member(ACTION, "NXAST_ENCAP", NICIRA, 46, since=V13)
class Encap(Action, frozen=True, gc=False):
    """Adds a header; the packet is of `new_pkt_type` then (lib/ofp-actions.c, NXAST_ENCAP, ONF extension EXT-382).
    `hdr_size` is the header's size in octets, 0 for any."""

    new_pkt_type: int
    props: Sequence[EdProp] = ()
    hdr_size: int = 0

    WIRE = (w.u16("hdr_size"), w.u32("new_pkt_type", PacketType), w.custom("props", _Props()))


@experimenter_member(ACTION, "NXAST_DECAP", NICIRA, 47, since=V13)
class Decap(Action, frozen=True, gc=False):
    """Removes the outermost header; what is left is of `new_pkt_type` (lib/ofp-actions.c, NXAST_DECAP). 0xfffe lets the
    removed header say that."""

    new_pkt_type: int = PacketType.USE_NEXT_PROTO

    WIRE = (w.pad(2), w.u32("new_pkt_type", PacketType))


@experimenter_member(ACTION, "NXAST_DEC_NSH_TTL", NICIRA, 48, since=V13)
class DecNshTtl(Action, frozen=True, gc=False):
    """Takes one off the NSH's time to live (lib/ofp-actions.c, NXAST_DEC_NSH_TTL)."""

    WIRE = (w.pad(6),)
