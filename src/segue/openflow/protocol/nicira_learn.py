"""Open vSwitch's learn action: packets make flow entries (lib/ofp-actions.c, `nx_action_learn`).

The new entry's matches and actions are said by specifications, one after the other: a header of 16 bits (source,
destination and a number of bits), then the source, which is a part of a field or an immediate value in whole 16-bit
words, then the destination, again a part of a field. A header of zeros, and zeros behind it, fill the action up.
"""

from collections.abc import Sequence
from struct import Struct
from typing import Any, ClassVar, Final

from segue.openflow import declare as w
from segue.openflow.declare import Record, experimenter_member
from segue.openflow.match import encode_nxm_id
from segue.openflow.names import Flags
from segue.openflow.protocol.families import ACTION, Action
from segue.openflow.protocol.nicira_forms import (
    check_keys,
    name_from_json,
    number_from_json,
    read_field,
    read_short_field,
    within,
    write_short_field,
)
from segue.openflow.wire import NICIRA, EncodeError, ProtocolError

_N_BITS: Final = 0x03FF
_IMMEDIATE: Final = 1 << 13
_MATCH: Final = 0
_LOAD: Final = 1 << 11
_OUTPUT: Final = 2 << 11
_BITS_OF_HEADER: Final = _IMMEDIATE | 3 << 11 | _N_BITS
_U16: Final = Struct(">H")


class LearnFlags(Flags, prefix="NX_LEARN_F_"):
    SEND_FLOW_REM = 1
    DELETE_LEARNED = 2
    WRITE_RESULT = 4


class LearnSpec(Record, frozen=True, gc=False):
    """One thing that the learned entry has; see the classes below (lib/ofp-actions.c, NXAST_LEARN)."""

    DESTINATION: ClassVar[int]


class _LearnField(LearnSpec, frozen=True, gc=False):
    """What the entry does with `n_bits` bits (1 to 1023) of the field `dst` (lib/ofp-actions.c, NXAST_LEARN)."""

    dst: str
    src: str | int
    n_bits: int
    dst_ofs: int = 0
    src_ofs: int = 0


class LearnMatch(_LearnField, frozen=True, gc=False):
    """The entry matches `n_bits` bits (1 to 1023) of the field `dst`, from bit `dst_ofs` on (lib/ofp-actions.c,
    NXAST_LEARN).

    They are what the packet has in the field `src`, from bit `src_ofs` on, or the number `src`.
    """

    DESTINATION = _MATCH


class LearnLoad(_LearnField, frozen=True, gc=False):
    """The entry sets `n_bits` bits (1 to 1023) of the field `dst`, from bit `dst_ofs` on (lib/ofp-actions.c,
    NXAST_LEARN).

    They are what the packet has in the field `src`, from bit `src_ofs` on, or the number `src`.
    """

    DESTINATION = _LOAD


class LearnOutput(LearnSpec, frozen=True, gc=False):
    """The entry sends to the port that the packet has in `n_bits` bits of the field `src`, from bit `src_ofs` on
    (lib/ofp-actions.c, NXAST_LEARN). `n_bits` is 1 to 1023 bits."""

    DESTINATION = _OUTPUT

    src: str
    n_bits: int
    src_ofs: int = 0


_KINDS: Final[dict[int, type[_LearnField]]] = {_MATCH: LearnMatch, _LOAD: LearnLoad}
_NAMES: Final[dict[str, type[LearnSpec]]] = {
    "NX_LEARN_DST_MATCH": LearnMatch,
    "NX_LEARN_DST_LOAD": LearnLoad,
    "NX_LEARN_DST_OUTPUT": LearnOutput,
}
_SPELLINGS: Final = {kind: name for name, kind in _NAMES.items()}


class _Specs:
    """The specifications, up to the end of the action."""

    def encode(self, value: Sequence[LearnSpec], version: int) -> bytes:  # noqa: ARG002
        return b"".join([_write(spec) for spec in value])

    def decode(self, data: bytes, offset: int, end: int, version: int) -> tuple[tuple[LearnSpec, ...], int]:  # noqa: ARG002
        specs: list[LearnSpec] = []
        while end - offset >= 2:
            (header,) = _U16.unpack_from(data, offset)
            if not header:
                break
            spec, offset = _read(header, data, offset + 2, end)
            specs.append(spec)
        if any(data[offset:end]):
            raise ProtocolError(
                f"octets behind the specifications of a learn action at {offset}", "OFPBAC_BAD_ARGUMENT"
            )
        return tuple(specs), end

    def to_json(self, value: Sequence[LearnSpec], version: int) -> Any:  # noqa: ARG002
        return [_to_json(spec) for spec in value]

    def from_json(self, obj: Any, version: int) -> tuple[LearnSpec, ...]:  # noqa: ARG002
        if not isinstance(obj, list):
            raise EncodeError(f"a list of specifications is wanted, not {obj!r:.60}")
        return tuple(_from_json(one) for one in obj)

    def schema(self) -> dict[str, Any]:
        number = {"type": "integer", "minimum": 0, "maximum": 0xFFFF}
        properties: dict[str, Any] = {
            "type": {"enum": list(_NAMES)},
            "n_bits": {"type": "integer", "minimum": 1, "maximum": _N_BITS},
            "src": {"type": "string", "description": "name of a match field"},
            "src_ofs": number,
            "value": {"anyOf": [{"type": "integer", "minimum": 0}, {"type": "string"}]},
            "dst": {"type": "string", "description": "name of a match field"},
            "dst_ofs": number,
        }
        one = {
            "type": "object",
            "properties": properties,
            "required": ["type", "n_bits"],
            "additionalProperties": False,
        }
        return {"type": "array", "items": one}


def _write(spec: Any) -> bytes:
    if not isinstance(spec, (LearnMatch, LearnLoad, LearnOutput)):
        raise EncodeError(f"{type(spec).__name__} is no specification of a learn action")
    if not 1 <= spec.n_bits <= _N_BITS:
        raise EncodeError(f"{type(spec).__name__}: {spec.n_bits} bits are not within 1..{_N_BITS}")
    header = spec.DESTINATION | spec.n_bits
    if isinstance(spec.src, str):
        source = write_short_field(spec.src) + _offset(spec.src_ofs)
    elif isinstance(spec, LearnOutput):
        raise EncodeError(f"LearnOutput: a learned entry takes its port from a field, not from {spec.src!r}")
    else:
        if not 0 <= spec.src < 1 << spec.n_bits:
            raise EncodeError(f"{type(spec).__name__}: {spec.src:#x} is not of {spec.n_bits} bits")
        if spec.src_ofs:
            raise EncodeError(f"{type(spec).__name__}: a number has no src_ofs")
        header |= _IMMEDIATE
        source = spec.src.to_bytes(_octets(spec.n_bits), "big")
    if isinstance(spec, LearnOutput):
        return _U16.pack(header) + source
    return _U16.pack(header) + source + write_short_field(spec.dst) + _offset(spec.dst_ofs)


def _octets(n_bits: int) -> int:
    return (n_bits + 15) // 16 * 2


def _offset(ofs: int) -> bytes:
    if not 0 <= ofs <= 0xFFFF:
        raise EncodeError(f"the first bit, {ofs}, is not within 0..65535")
    return _U16.pack(ofs)


def _read(header: int, data: bytes, offset: int, end: int) -> tuple[LearnSpec, int]:
    destination, n_bits = header & 3 << 11, header & _N_BITS
    immediate = bool(header & _IMMEDIATE)
    if header & ~_BITS_OF_HEADER or not n_bits or destination > (_LOAD if immediate else _OUTPUT):
        raise ProtocolError(f"a specification of a learn action begins with {header:#06x}", "OFPBAC_BAD_ARGUMENT")
    source: str | int
    src_ofs = 0
    if immediate:
        size = _octets(n_bits)
        within(offset, size, end)
        source = int.from_bytes(data[offset : offset + size], "big")
        offset += size
        if source >> n_bits:
            raise ProtocolError(
                f"an immediate value of a learn action, {source:#x}, has more than {n_bits} bits", "OFPBAC_BAD_ARGUMENT"
            )
    else:
        source, src_ofs, offset = _read_part(data, offset, end)
        if destination == _OUTPUT:
            return LearnOutput(source, n_bits, src_ofs), offset
    dst, dst_ofs, offset = _read_part(data, offset, end)
    return _KINDS[destination](dst, source, n_bits, dst_ofs, src_ofs), offset


def _read_part(data: bytes, offset: int, end: int) -> tuple[str, int, int]:
    within(offset, 6, end)
    name, offset = read_short_field(data, offset, end)
    return name, _U16.unpack_from(data, offset)[0], offset + 2


def _to_json(spec: Any) -> dict[str, Any]:
    from segue.openflow.as_json import number_to_json  # text is the slow path

    said: dict[str, Any] = {"type": _SPELLINGS[type(spec)], "n_bits": spec.n_bits}
    if isinstance(spec.src, str):
        said |= {"src": spec.src, "src_ofs": spec.src_ofs}
    else:
        said["value"] = number_to_json(spec.src)
    if not isinstance(spec, LearnOutput):
        said |= {"dst": spec.dst, "dst_ofs": spec.dst_ofs}
    return said


def _from_json(obj: Any) -> LearnSpec:
    kind = _NAMES.get(str(obj.get("type"))) if isinstance(obj, dict) else None
    if kind is None:
        raise EncodeError(f"a specification of a learn action has one of these types: {', '.join(_NAMES)}")
    if kind is LearnOutput:
        check_keys(obj, {"type", "n_bits", "src"}, frozenset({"src_ofs"}))
    elif "value" in obj:
        check_keys(obj, {"type", "n_bits", "value", "dst"}, frozenset({"dst_ofs"}))
    else:
        check_keys(obj, {"type", "n_bits", "src", "dst"}, frozenset({"src_ofs", "dst_ofs"}))
    n_bits = number_from_json(obj["n_bits"], 10)
    source = number_from_json(obj["value"], _N_BITS) if "value" in obj else name_from_json(obj["src"])
    src_ofs = number_from_json(obj.get("src_ofs", 0), 16)
    if kind is LearnOutput:
        return LearnOutput(name_from_json(obj["src"]), n_bits, src_ofs)
    dst_ofs = number_from_json(obj.get("dst_ofs", 0), 16)
    both = LearnMatch if kind is LearnMatch else LearnLoad
    return both(name_from_json(obj["dst"]), source, n_bits, dst_ofs, src_ofs)


class _Result:
    """The header of the field for the result, which is there if the flags, sixteen octets before it, say so."""

    def encode(self, value: str | None, version: int) -> bytes:  # noqa: ARG002
        return b"" if value is None else encode_nxm_id(value)

    def decode(self, data: bytes, offset: int, end: int, version: int) -> tuple[str | None, int]:  # noqa: ARG002
        if not data[offset - 15] & LearnFlags.WRITE_RESULT:
            return None, offset
        return read_field(data, offset, end)

    def to_json(self, value: str | None, version: int) -> Any:  # noqa: ARG002
        return value

    def from_json(self, obj: Any, version: int) -> str | None:  # noqa: ARG002
        return None if obj is None else name_from_json(obj)

    def schema(self) -> dict[str, Any]:
        return {"type": ["string", "null"], "description": "name of a match field"}


_SPECS: Final = _Specs()


@experimenter_member(ACTION, "NXAST_LEARN", NICIRA, 16)
class Learn(Action, frozen=True, gc=False):
    """Adds or changes an entry of `table_id`, 0 to 254, of what `specs` say (lib/ofp-actions.c, NXAST_LEARN).
    `idle_timeout`, `hard_timeout`, `fin_idle_timeout` and `fin_hard_timeout` are in seconds, 0 for none; the `fin_`
    ones apply when a TCP connection ends. `priority` is 0 to 65535."""

    specs: Sequence[LearnSpec] = ()
    table_id: int = 1
    priority: int = 0x8000
    idle_timeout: int = 0
    hard_timeout: int = 0
    fin_idle_timeout: int = 0
    fin_hard_timeout: int = 0
    cookie: int = 0
    flags: int = 0

    WIRE = (
        w.u16("idle_timeout"),
        w.u16("hard_timeout"),
        w.u16("priority"),
        w.u64("cookie"),
        w.u16("flags", LearnFlags),
        w.u8("table_id"),
        w.pad(1),
        w.u16("fin_idle_timeout"),
        w.u16("fin_hard_timeout"),
        w.custom("specs", _SPECS),
    )


@experimenter_member(ACTION, "NXAST_LEARN2", NICIRA, 45)
class Learn2(Action, frozen=True, gc=False):
    """`Learn` with at most `limit` entries (0: any number; lib/ofp-actions.c, NXAST_LEARN2). Bit `result_dst_ofs` of
    the field `result_dst` says whether the entry was learned; it is there if, and only if, the flags have WRITE_RESULT.
    `idle_timeout`, `hard_timeout`, `fin_idle_timeout` and `fin_hard_timeout` are in seconds, 0 for none; the `fin_`
    ones apply when a TCP connection ends. `priority` is 0 to 65535."""

    specs: Sequence[LearnSpec] = ()
    table_id: int = 1
    priority: int = 0x8000
    idle_timeout: int = 0
    hard_timeout: int = 0
    fin_idle_timeout: int = 0
    fin_hard_timeout: int = 0
    cookie: int = 0
    flags: int = 0
    limit: int = 0
    result_dst: str | None = None
    result_dst_ofs: int = 0

    WIRE = (
        w.u16("idle_timeout"),
        w.u16("hard_timeout"),
        w.u16("priority"),
        w.u64("cookie"),
        w.u16("flags", LearnFlags),
        w.u8("table_id"),
        w.pad(1),
        w.u16("fin_idle_timeout"),
        w.u16("fin_hard_timeout"),
        w.u32("limit"),
        w.u16("result_dst_ofs"),
        w.pad(2),
        w.custom("result_dst", _Result()),
        w.custom("specs", _SPECS),
    )

    def __post_init__(self) -> None:
        # No writer of one field sees the other, and without the one the other would be read as something else.
        if bool(self.flags & LearnFlags.WRITE_RESULT) != (self.result_dst is not None):
            raise EncodeError("Learn2: result_dst and the flag NX_LEARN_F_WRITE_RESULT go together")
