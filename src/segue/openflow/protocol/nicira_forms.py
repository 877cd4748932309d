"""Forms that several of Open vSwitch's actions share (include/openflow/nicira-ext.h, lib/ofp-actions.c).

Fields are named by the header of their NXM entry. Older actions leave exactly four octets for it, in which a field of
an experimenter (NSH's, for one) cannot be said; a header of zeros means "no field" where that is allowed. Newer ones
take headers of eight octets too. A part of a field is the field, its first bit and the number of bits.
"""

from collections.abc import Mapping
from struct import Struct
from typing import Any, Final

from segue.openflow.declare import Record
from segue.openflow.generate import write_ofs_nbits
from segue.openflow.match import decode_nxm_id, encode_nxm_id
from segue.openflow.wire import EncodeError, ProtocolError, long_port, short_port

_NO_FIELD: Final = bytes(4)
_HEADER_LEN: Final = 4


class Subfield(Record, frozen=True, gc=False):
    """`n_bits` bits (1 to 64) of a field from its bit `ofs` on, 0 being the least significant one (lib/ofp-actions.c,
    `ofs_nbits`)."""

    field: str
    ofs: int
    n_bits: int


def within(offset: int, length: int, end: int) -> None:
    """ProtocolError unless `length` octets from `offset` on end within the action."""
    if end - offset < length:
        raise ProtocolError(
            f"{length} bytes of an action wanted at {offset}, {max(0, end - offset)} there", "OFPBAC_BAD_LEN"
        )


def read_field(data: bytes, offset: int, end: int) -> tuple[str, int]:
    """The header of a field at `offset`, which must not have the mask bit: a name, and where it ends."""
    name, masked, after = decode_nxm_id(data, offset, end)
    if masked:
        raise ProtocolError(f"{name} at {offset} is named with a mask", "OFPBMC_BAD_MASK")
    return name, after


def write_short_field(name: str) -> bytes:
    """A header in four octets."""
    header = encode_nxm_id(name)
    if len(header) != _HEADER_LEN:
        raise EncodeError(f"{name}: {_HEADER_LEN} octets are there to name a field, and this one takes {len(header)}")
    return header


def read_short_field(data: bytes, offset: int, end: int) -> tuple[str, int]:
    """A header in four octets: a name, and where it ends."""
    within(offset, _HEADER_LEN, end)
    return read_field(data, offset, offset + _HEADER_LEN)


class _Name:
    """JSON of what is the name of a field."""

    def to_json(self, value: str, version: int) -> Any:  # noqa: ARG002
        return value

    def from_json(self, obj: Any, version: int) -> str:  # noqa: ARG002
        return name_from_json(obj)

    def schema(self) -> dict[str, Any]:
        return {"type": "string", "description": "name of a match field"}


class ShortField(_Name):
    """The header of a field, always four octets."""

    def encode(self, value: str, version: int) -> bytes:  # noqa: ARG002
        return write_short_field(value)

    def decode(self, data: bytes, offset: int, end: int, version: int) -> tuple[str, int]:  # noqa: ARG002
        return read_short_field(data, offset, end)


class PaddedField(_Name):
    """The header of a field, four octets or eight, and zeros up to `size` octets."""

    def __init__(self, size: int) -> None:
        self.size = size

    def encode(self, value: str, version: int) -> bytes:  # noqa: ARG002
        return encode_nxm_id(value).ljust(self.size, b"\0")

    def decode(self, data: bytes, offset: int, end: int, version: int) -> tuple[str, int]:  # noqa: ARG002
        within(offset, self.size, end)
        return read_field(data, offset, offset + self.size)[0], offset + self.size


class NumberOrSubfield:
    """A number, or the part of a field that has it: a header in four octets, zeros for a number, then `size` octets,
    which are the number, or offset and length of the part."""

    def __init__(self, size: int) -> None:
        self.size = size

    def encode(self, value: int | Subfield, version: int) -> bytes:  # noqa: ARG002
        if isinstance(value, Subfield):
            place = write_ofs_nbits(value.ofs, value.n_bits).to_bytes(2, "big")
            return write_short_field(value.field) + place.ljust(self.size, b"\0")
        if not 0 <= value < 1 << 8 * self.size:
            raise EncodeError(f"{value} is not within 0..{(1 << 8 * self.size) - 1}")
        return _NO_FIELD + value.to_bytes(self.size, "big")

    def decode(self, data: bytes, offset: int, end: int, version: int) -> tuple[int | Subfield, int]:  # noqa: ARG002
        middle = offset + _HEADER_LEN
        after = middle + self.size
        within(offset, after - offset, end)
        if data[offset:middle] == _NO_FIELD:
            return int.from_bytes(data[middle:after], "big"), after
        name, _ = read_field(data, offset, middle)
        place = int.from_bytes(data[middle : middle + 2], "big")
        return Subfield(name, place >> 6, (place & 63) + 1), after

    def to_json(self, value: int | Subfield, version: int) -> Any:  # noqa: ARG002
        if isinstance(value, Subfield):
            return {"field": value.field, "ofs": value.ofs, "n_bits": value.n_bits}
        return value

    def from_json(self, obj: Any, version: int) -> int | Subfield:  # noqa: ARG002
        if isinstance(obj, Mapping):
            check_keys(obj, {"field", "ofs", "n_bits"})
            return Subfield(
                name_from_json(obj["field"]), number_from_json(obj["ofs"], 10), number_from_json(obj["n_bits"], 7)
            )
        return number_from_json(obj, 8 * self.size)

    def schema(self) -> dict[str, Any]:
        ofs = {"type": "integer", "minimum": 0, "maximum": 1023}
        n_bits = {"type": "integer", "minimum": 1, "maximum": 64}
        part = {
            "type": "object",
            "properties": {"field": {"type": "string"}, "ofs": ofs, "n_bits": n_bits},
            "required": ["field", "ofs", "n_bits"],
            "additionalProperties": False,
        }
        return {"anyOf": [{"type": "integer", "minimum": 0, "maximum": (1 << 8 * self.size) - 1}, part]}


class Shorts:
    """Numbers of 16 bits each, up to the end; with `ports`, port numbers."""

    def __init__(self, *, ports: bool) -> None:
        self.ports = ports

    def encode(self, value: Any, version: int) -> bytes:  # noqa: ARG002
        numbers = [short_port(port) for port in value] if self.ports else value
        for number in numbers:
            if not 0 <= number <= 0xFFFF:
                raise EncodeError(f"{number} is not within 0..65535")
        return Struct(f">{len(numbers)}H").pack(*numbers)

    def decode(self, data: bytes, offset: int, end: int, version: int) -> tuple[tuple[int, ...], int]:  # noqa: ARG002
        count = (end - offset) // 2
        numbers = Struct(f">{count}H").unpack_from(data, offset)
        return tuple(map(long_port, numbers)) if self.ports else numbers, offset + 2 * count

    def to_json(self, value: Any, version: int) -> Any:  # noqa: ARG002
        from segue.openflow.as_json import ReservedPort, number_to_json  # text is the slow path

        return [number_to_json(number, ReservedPort if self.ports else None) for number in value]

    def from_json(self, obj: Any, version: int) -> tuple[int, ...]:  # noqa: ARG002
        from segue.openflow.as_json import ReservedPort

        if not isinstance(obj, list):
            raise EncodeError(f"a list of numbers is wanted, not {obj!r:.60}")
        if self.ports:
            return tuple(number_from_json(one, 32, ReservedPort) for one in obj)
        return tuple(number_from_json(one, 16) for one in obj)

    def schema(self) -> dict[str, Any]:
        number: dict[str, Any] = {"type": "integer", "minimum": 0, "maximum": 0xFFFFFFFF if self.ports else 0xFFFF}
        return {"type": "array", "items": {"anyOf": [number, {"type": "string"}]} if self.ports else number}


# -- JSON ----------------------------------------------------------------------------------------------------------


def check_keys(obj: Any, required: set[str], optional: frozenset[str] = frozenset()) -> None:
    """EncodeError unless `obj` is an object of these members."""
    if not isinstance(obj, Mapping):
        raise EncodeError(f"an object is wanted, not {obj!r:.60}")
    missing = sorted(required - obj.keys())
    strange = sorted(map(str, obj.keys() - required - optional))
    if missing or strange:
        what = f"{', '.join(missing)} missing" if missing else f"there is no {', '.join(strange)}"
        raise EncodeError(f"{what}; members are {', '.join(sorted(required | optional))}")


def name_from_json(obj: Any) -> str:
    """The name of a field."""
    if not isinstance(obj, str):
        raise EncodeError(f"{obj!r:.60} is not the name of a field")
    return obj


def number_from_json(obj: Any, bits: int, names: Any = None) -> int:
    """A number of so many bits, or its name."""
    from segue.openflow import as_json

    return as_json.number_from_json(obj, bits, names, "")


SHORT_FIELD: Final = ShortField()
