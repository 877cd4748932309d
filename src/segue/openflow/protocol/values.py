"""Items that several messages share: lists of plain numbers, and single OXM entries."""

from struct import Struct
from typing import Any, Final

from segue.openflow import declare as w
from segue.openflow.declare import Record
from segue.openflow.wire import EncodeError, ProtocolError

_LETTERS: Final = {1: "B", 4: "I"}


class Integers:
    """Numbers of `octets` octets (1 or 4) each: exactly `count` of them, or, without it, as many as there is room
    for."""

    def __init__(self, octets: int, count: int | None = None) -> None:
        self.octets = octets
        self.count = count

    def encode(self, value: Any, version: int) -> bytes:  # noqa: ARG002
        if self.count is not None and len(value) != self.count:
            raise EncodeError(f"{len(value)} numbers where {self.count} are wanted")
        limit = (1 << 8 * self.octets) - 1
        for number in value:
            if not isinstance(number, int) or not 0 <= number <= limit:
                raise EncodeError(f"{number!r} is not a number within 0..{limit}")
        return Struct(f">{len(value)}{_LETTERS[self.octets]}").pack(*value)

    def decode(self, data: bytes, offset: int, end: int, version: int) -> tuple[Any, int]:  # noqa: ARG002
        room = end - offset
        count = room // self.octets if self.count is None else self.count
        after = offset + count * self.octets
        if after > end or (self.count is None and after != end):
            raise ProtocolError(f"{room} bytes at {offset} for numbers of {self.octets} each", "OFPBPC_BAD_LEN")
        return Struct(f">{count}{_LETTERS[self.octets]}").unpack_from(data, offset), after

    def to_json(self, value: Any, version: int) -> Any:  # noqa: ARG002
        return list(value)

    def from_json(self, obj: Any, version: int) -> Any:
        if not isinstance(obj, list):
            raise EncodeError(f"{obj!r} is not a list of numbers")
        self.encode(obj, version)
        return tuple(obj)

    def schema(self) -> dict[str, Any]:
        number = {"type": "integer", "minimum": 0, "maximum": (1 << 8 * self.octets) - 1}
        made: dict[str, Any] = {"type": "array", "items": number}
        return made if self.count is None else made | {"minItems": self.count, "maxItems": self.count}


class OptionalWord:
    """A number of 32 bits and as many of padding at the end, which not every switch sends: None where it is missing."""

    def encode(self, value: Any, version: int) -> bytes:
        return b"" if value is None else WORDS.encode((value, 0), version)

    def decode(self, data: bytes, offset: int, end: int, version: int) -> tuple[Any, int]:  # noqa: ARG002
        if offset == end:
            return None, end
        if end - offset < 8:
            raise ProtocolError(f"8 bytes wanted at {offset}, {end - offset} there")
        return int.from_bytes(data[offset : offset + 4], "big"), offset + 8

    def to_json(self, value: Any, version: int) -> Any:  # noqa: ARG002
        return value

    def from_json(self, obj: Any, version: int) -> Any:
        self.encode(obj, version)
        return obj

    def schema(self) -> dict[str, Any]:
        return {"type": ["integer", "null"], "minimum": 0, "maximum": 0xFFFFFFFF}


BYTES: Final = Integers(1)
WORDS: Final = Integers(4)
FOUR_WORDS: Final = Integers(4, 4)
OPTIONAL_WORD: Final = OptionalWord()


class OxmField(Record, frozen=True, gc=False):
    """One field and its value, where they are no match: a field may stand in a list more than once (OpenFlow 1.5.1
    section 7.2.3)."""

    field: str
    value: int
    mask: int | None = None

    WIRE = (w.oxm("field", "value", "mask"),)
