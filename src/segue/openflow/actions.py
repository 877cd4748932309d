"""Actions as values, and their wire form.

OpenFlow 1.5.1 section 7.2.6 for the standard ones; Open vSwitch's own (experimenter 0x2320, `nicira-ext.h` and
ovs-actions(7)) for `resubmit`, `multipath`, `encap`, `decap` and `dec_nsh_ttl`. Every action is `type length ...` and a
multiple of eight long. An action that is not known here, or has a shape that is not, becomes `Raw` and is sent
again byte for byte, so that reading a switch and writing it back changes nothing.

Encoding looks the class up once and packs with structs made at import; most actions take no other way.
"""

from collections.abc import Callable, Iterable
from struct import Struct
from struct import error as StructError  # noqa: N812
from typing import Any, Final, Literal, get_args

import msgspec

from segue.openflow.fields import FIELDS, NICIRA, Field
from segue.openflow.match import decode_field, encode_field
from segue.openflow.wire import IN_PORT, MAX_PORT, PADDING, EncodeError, ProtocolError

HashFields = Literal[
    "eth_src", "symmetric_l4", "symmetric_l3l4", "symmetric_l3l4+udp", "nw_src", "nw_dst", "symmetric_l3"
]
LinkAlgorithm = Literal["modulo_n", "hash_threshold", "hrw", "iter_hash"]
PacketType = Literal["ethernet", "nsh", "mpls", "mpls_mc"]

TO_CONTROLLER_WHOLE: Final = 0xFFFF
USE_NEXT_PROTO: Final = 0xFFFE

_HASH_FIELDS: Final[tuple[HashFields, ...]] = get_args(HashFields)
_ALGORITHMS: Final[tuple[LinkAlgorithm, ...]] = get_args(LinkAlgorithm)
_PACKET_TYPES: Final[dict[PacketType, int]] = {"ethernet": 0, "nsh": 0x1894F, "mpls": 0x18847, "mpls_mc": 0x18848}


class Output(msgspec.Struct, frozen=True, gc=False):
    """To a port; `max_len` octets of the packet go along where the port is CONTROLLER."""

    port: int
    max_len: int = TO_CONTROLLER_WHOLE


class Group(msgspec.Struct, frozen=True, gc=False):
    id: int


class SetField(msgspec.Struct, frozen=True, gc=False):
    field: str
    value: int
    mask: int | None = None


class Move(msgspec.Struct, frozen=True, gc=False):
    """Copies bits between fields (OFPAT_COPY_FIELD); offsets count from the low end."""

    src: str
    dst: str
    n_bits: int
    src_ofs: int = 0
    dst_ofs: int = 0


class Resubmit(msgspec.Struct, frozen=True, gc=False):
    """Looks the packet up in another table, then goes on here; `port` stands for its ingress port meanwhile."""

    table: int
    port: int = IN_PORT


class PushVlan(msgspec.Struct, frozen=True, gc=False):
    eth_type: int = 0x8100


class PopVlan(msgspec.Struct, frozen=True, gc=False):
    pass


class PushMpls(msgspec.Struct, frozen=True, gc=False):
    eth_type: int = 0x8847


class PopMpls(msgspec.Struct, frozen=True, gc=False):
    """`eth_type` is what the packet is afterwards."""

    eth_type: int


class SetMplsTtl(msgspec.Struct, frozen=True, gc=False):
    ttl: int


class DecMplsTtl(msgspec.Struct, frozen=True, gc=False):
    pass


class SetNwTtl(msgspec.Struct, frozen=True, gc=False):
    ttl: int


class DecNwTtl(msgspec.Struct, frozen=True, gc=False):
    pass


class DecNshTtl(msgspec.Struct, frozen=True, gc=False):
    pass


class Encap(msgspec.Struct, frozen=True, gc=False):
    """Puts a header before the packet. `md_type` belongs to "nsh"; None leaves it to the switch (which takes 1)."""

    packet_type: PacketType
    md_type: int | None = None


class Decap(msgspec.Struct, frozen=True, gc=False):
    """Takes the outermost header off; `packet_type` (namespace << 16 | type) is what is below it."""

    packet_type: int = USE_NEXT_PROTO


class Multipath(msgspec.Struct, frozen=True, gc=False):
    """Chooses a link, 0 to `n_links` - 1, by a hash of `fields`, and writes it to `n_bits` of `dst`."""

    fields: HashFields
    basis: int
    algorithm: LinkAlgorithm
    n_links: int
    arg: int
    dst: str
    dst_ofs: int = 0
    n_bits: int = 32


class Raw(msgspec.Struct, frozen=True, gc=False):
    """An action kept as it came: the whole of it, header included."""

    data: bytes


Action = (
    Output
    | Group
    | SetField
    | Move
    | Resubmit
    | PushVlan
    | PopVlan
    | PushMpls
    | PopMpls
    | SetMplsTtl
    | DecMplsTtl
    | SetNwTtl
    | DecNwTtl
    | DecNshTtl
    | Encap
    | Decap
    | Multipath
    | Raw
)

# OpenFlow 1.5.1 section 7.2.6, enum ofp_action_type, and Open vSwitch's NXAST numbers.
_OUTPUT, _SET_MPLS_TTL, _DEC_MPLS_TTL, _PUSH_VLAN, _POP_VLAN, _PUSH_MPLS, _POP_MPLS = 0, 15, 16, 17, 18, 19, 20
_GROUP, _SET_NW_TTL, _DEC_NW_TTL, _SET_FIELD, _COPY_FIELD, _EXPERIMENTER = 22, 23, 24, 25, 28, 0xFFFF
_NX_MULTIPATH, _NX_RESUBMIT_TABLE, _NX_ENCAP, _NX_DECAP, _NX_DEC_NSH_TTL = 10, 14, 46, 47, 48

_HEAD: Final = Struct(">HH")
_PLAIN: Final = Struct(">HH4x")
_WITH_U8: Final = Struct(">HHB3x")
_WITH_U16: Final = Struct(">HHH2x")
_WITH_U32: Final = Struct(">HHI")
_OUTPUT_S: Final = Struct(">HHIH6x")
_COPY_S: Final = Struct(">HHHHH2x")
_NX: Final = Struct(">HHIH")
_NX_PLAIN: Final = Struct(">HHIH6x")
_NX_RESUBMIT_S: Final = Struct(">HHIHHB3x")
_NX_ENCAP_S: Final = Struct(">HHIHHI")
_NX_DECAP_S: Final = Struct(">HHIH2xI")
_NX_MULTIPATH_S: Final = Struct(">HHIHHH2xHHI2xH4s")
_ED_PROP_MD_TYPE: Final = Struct(">HBBB3x")
_ED_CLASS_NSH, _ED_MD_TYPE = 4, 1

_SHORT_PORTS: Final = 0xFF00


def _short_port(port: int) -> int:
    """A port in the 16 bits of OpenFlow 1.0, as Open vSwitch's own actions still say it."""
    if port < _SHORT_PORTS or MAX_PORT <= port <= 0xFFFFFFFF:
        return port & 0xFFFF
    raise EncodeError(f"port {port:#x} cannot be said in 16 bits")


def _long_port(port: int) -> int:
    return port if port < _SHORT_PORTS else port | 0xFFFF0000


def _field(name: str) -> Field:
    field = FIELDS.get(name)
    if field is None:
        raise EncodeError(f"no field is called {name!r}")
    return field


def _check_bits(field: Field, offset: int, n_bits: int) -> None:
    if offset < 0 or n_bits < 1 or offset + n_bits > field.bits:
        raise EncodeError(f"{field.name} has {field.bits} bits, not {n_bits} from {offset} on")


def _set_field(a: SetField) -> bytes:
    oxm = encode_field(a.field, a.value, a.mask)
    length = 4 + len(oxm)
    pad = -length % 8
    return _HEAD.pack(_SET_FIELD, length + pad) + oxm + PADDING[pad]


def _move(a: Move) -> bytes:
    src, dst = _field(a.src), _field(a.dst)
    _check_bits(src, a.src_ofs, a.n_bits)
    _check_bits(dst, a.dst_ofs, a.n_bits)
    oxm = src.header() + dst.header()
    length = _COPY_S.size + len(oxm)
    pad = -length % 8
    return _COPY_S.pack(_COPY_FIELD, length + pad, a.n_bits, a.src_ofs, a.dst_ofs) + oxm + PADDING[pad]


def _encap(a: Encap) -> bytes:
    packet_type = _PACKET_TYPES.get(a.packet_type)
    if packet_type is None:
        raise EncodeError(f"encap: no packet type is called {a.packet_type!r}")
    if a.md_type is None:
        return _NX_ENCAP_S.pack(_EXPERIMENTER, 16, NICIRA, _NX_ENCAP, 0, packet_type)
    if a.packet_type != "nsh":
        raise EncodeError(f"encap: {a.packet_type} has no metadata type")
    return _NX_ENCAP_S.pack(_EXPERIMENTER, 24, NICIRA, _NX_ENCAP, 0, packet_type) + _ED_PROP_MD_TYPE.pack(
        _ED_CLASS_NSH, _ED_MD_TYPE, 5, a.md_type
    )


def _multipath(a: Multipath) -> bytes:
    dst = _field(a.dst)
    _check_bits(dst, a.dst_ofs, a.n_bits)
    header = dst.nxm_header()
    if header is None or a.n_bits > 64 or a.dst_ofs > 0x3FF:
        raise EncodeError(f"multipath cannot write {a.n_bits} bits of {a.dst}")
    if a.fields not in _HASH_FIELDS or a.algorithm not in _ALGORITHMS:
        raise EncodeError(f"multipath: {a.fields!r} with {a.algorithm!r} is no way to choose")
    return _NX_MULTIPATH_S.pack(
        _EXPERIMENTER,
        32,
        NICIRA,
        _NX_MULTIPATH,
        _HASH_FIELDS.index(a.fields),
        a.basis,
        _ALGORITHMS.index(a.algorithm),
        a.n_links - 1,
        a.arg,
        a.dst_ofs << 6 | a.n_bits - 1,
        header,
    )


def _raw(a: Raw) -> bytes:
    if len(a.data) < 8 or len(a.data) % 8 or int.from_bytes(a.data[2:4], "big") != len(a.data):
        raise EncodeError("a raw action must be whole: its own length, a multiple of eight")
    return a.data


_DEC_NSH_TTL_BYTES: Final = _NX_PLAIN.pack(_EXPERIMENTER, 16, NICIRA, _NX_DEC_NSH_TTL)
_POP_VLAN_BYTES: Final = _PLAIN.pack(_POP_VLAN, 8)
_DEC_NW_TTL_BYTES: Final = _PLAIN.pack(_DEC_NW_TTL, 8)
_DEC_MPLS_TTL_BYTES: Final = _PLAIN.pack(_DEC_MPLS_TTL, 8)

_ENCODE: Final[dict[type[Any], Callable[[Any], bytes]]] = {
    Output: lambda a: _OUTPUT_S.pack(_OUTPUT, 16, a.port, a.max_len),
    Group: lambda a: _WITH_U32.pack(_GROUP, 8, a.id),
    SetField: _set_field,
    Move: _move,
    Resubmit: lambda a: _NX_RESUBMIT_S.pack(
        _EXPERIMENTER, 16, NICIRA, _NX_RESUBMIT_TABLE, _short_port(a.port), a.table
    ),
    PushVlan: lambda a: _WITH_U16.pack(_PUSH_VLAN, 8, a.eth_type),
    PopVlan: lambda _: _POP_VLAN_BYTES,
    PushMpls: lambda a: _WITH_U16.pack(_PUSH_MPLS, 8, a.eth_type),
    PopMpls: lambda a: _WITH_U16.pack(_POP_MPLS, 8, a.eth_type),
    SetMplsTtl: lambda a: _WITH_U8.pack(_SET_MPLS_TTL, 8, a.ttl),
    DecMplsTtl: lambda _: _DEC_MPLS_TTL_BYTES,
    SetNwTtl: lambda a: _WITH_U8.pack(_SET_NW_TTL, 8, a.ttl),
    DecNwTtl: lambda _: _DEC_NW_TTL_BYTES,
    DecNshTtl: lambda _: _DEC_NSH_TTL_BYTES,
    Encap: _encap,
    Decap: lambda a: _NX_DECAP_S.pack(_EXPERIMENTER, 16, NICIRA, _NX_DECAP, a.packet_type),
    Multipath: _multipath,
    Raw: _raw,
}


def encode_actions(actions: Iterable[Action]) -> bytes:
    """An action list. EncodeError names the value that does not fit."""
    try:
        return b"".join([_ENCODE[action.__class__](action) for action in actions])
    except StructError as e:
        raise EncodeError(f"an action has a value out of its range: {e}") from None
    except KeyError as e:
        raise EncodeError(f"not an action: {e}") from None


def _decode_set_field(data: bytes, offset: int, end: int) -> Action | None:
    name, value, mask, _ = decode_field(data, offset + 4, end)
    return SetField(name, value, mask)


def _decode_move(data: bytes, offset: int, end: int) -> Action | None:
    if end - offset < _COPY_S.size + 8:
        return None
    _, _, n_bits, src_ofs, dst_ofs = _COPY_S.unpack_from(data, offset)
    src, after = _header_name(data, offset + _COPY_S.size)
    dst, after = _header_name(data, after)
    return Move(src, dst, n_bits, src_ofs, dst_ofs) if src and dst and after <= end else None


def _header_name(data: bytes, offset: int) -> tuple[str | None, int]:
    after = offset + (8 if data[offset : offset + 2] == b"\xff\xff" else 4)
    return _BY_HEADER.get(data[offset:after]), after


_BY_HEADER: Final = {f.header(): f.name for f in FIELDS.values()} | {
    header: f.name for f in FIELDS.values() if (header := f.nxm_header()) is not None
}


def _decode_encap(data: bytes, offset: int, end: int) -> Action | None:
    *_, hdr_size, packet_type = _NX_ENCAP_S.unpack_from(data, offset)
    name = next((name for name, number in _PACKET_TYPES.items() if number == packet_type), None)
    if name is None or hdr_size:
        return None
    if end - offset == 16:
        return Encap(name)
    if end - offset == 24:
        prop_class, kind, length, md_type = _ED_PROP_MD_TYPE.unpack_from(data, offset + 16)
        if (prop_class, kind, length) == (_ED_CLASS_NSH, _ED_MD_TYPE, 5):
            return Encap(name, md_type)
    return None


def _decode_multipath(data: bytes, offset: int, end: int) -> Action | None:
    if end - offset != 32:
        return None
    *_, fields, basis, algorithm, max_link, arg, ofs_nbits, header = _NX_MULTIPATH_S.unpack_from(data, offset)
    dst = _BY_HEADER.get(header)
    if dst is None or fields >= len(_HASH_FIELDS) or algorithm >= len(_ALGORITHMS):
        return None
    ofs, n_bits = ofs_nbits >> 6, (ofs_nbits & 0x3F) + 1
    return Multipath(_HASH_FIELDS[fields], basis, _ALGORITHMS[algorithm], max_link + 1, arg, dst, ofs, n_bits)


def _decode_nx(data: bytes, offset: int, end: int) -> Action | None:
    if end - offset < 16:
        return None
    _, _, vendor, subtype = _NX.unpack_from(data, offset)
    if vendor != NICIRA:
        return None
    if subtype == _NX_RESUBMIT_TABLE and end - offset == 16:
        *_, port, table = _NX_RESUBMIT_S.unpack_from(data, offset)
        return Resubmit(table, _long_port(port))
    if subtype == _NX_DECAP and end - offset == 16:
        return Decap(_NX_DECAP_S.unpack_from(data, offset)[-1])
    if subtype == _NX_DEC_NSH_TTL and end - offset == 16:
        return DecNshTtl()
    if subtype == _NX_ENCAP:
        return _decode_encap(data, offset, end)
    if subtype == _NX_MULTIPATH:
        return _decode_multipath(data, offset, end)
    return None


def _decode_output(data: bytes, offset: int, end: int) -> Action | None:
    if end - offset != 16:
        return None
    _, _, port, max_len = _OUTPUT_S.unpack_from(data, offset)
    return Output(port, max_len)


# type -> (struct, class) for those that are eight octets with one number or none, else a function.
_SIMPLE: Final[dict[int, tuple[Struct, Callable[..., Action]]]] = {
    _GROUP: (_WITH_U32, Group),
    _PUSH_VLAN: (_WITH_U16, PushVlan),
    _POP_VLAN: (_PLAIN, PopVlan),
    _PUSH_MPLS: (_WITH_U16, PushMpls),
    _POP_MPLS: (_WITH_U16, PopMpls),
    _SET_MPLS_TTL: (_WITH_U8, SetMplsTtl),
    _DEC_MPLS_TTL: (_PLAIN, DecMplsTtl),
    _SET_NW_TTL: (_WITH_U8, SetNwTtl),
    _DEC_NW_TTL: (_PLAIN, DecNwTtl),
}
_DECODE: Final[dict[int, Callable[[bytes, int, int], Action | None]]] = {
    _OUTPUT: _decode_output,
    _SET_FIELD: _decode_set_field,
    _COPY_FIELD: _decode_move,
    _EXPERIMENTER: _decode_nx,
}


def decode_actions(data: bytes, offset: int = 0, end: int | None = None) -> tuple[Action, ...]:
    """The actions that fill `data` from `offset` to `end`. ProtocolError on a length that lies."""
    if end is None:
        end = len(data)
    actions: list[Action] = []
    while offset < end:
        if end - offset < 8:
            raise ProtocolError(f"{end - offset} bytes of an action at {offset}")
        kind, length = _HEAD.unpack_from(data, offset)
        after = offset + length
        if length < 8 or length % 8 or after > end:
            raise ProtocolError(f"action of type {kind} at {offset} claims {length} bytes of {end - offset}")
        action: Action | None = None
        read = _DECODE.get(kind)
        if read is not None:
            action = read(data, offset, after)
        elif length == 8 and (simple := _SIMPLE.get(kind)) is not None:
            action = simple[1](*simple[0].unpack_from(data, offset)[2:])
        actions.append(Raw(data[offset:after]) if action is None else action)
        offset = after
    return tuple(actions)
