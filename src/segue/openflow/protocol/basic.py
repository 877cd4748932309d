"""What every version begins with and shares: hello, echo, barrier, errors.

A hello's contents are the only ones that may not lead to an error: whoever reads it may be older than whoever sent it
(OpenFlow 1.5.1 section 7.5.1: implementations must be prepared to receive unspecified contents). So elements are read
as long as they look like elements, in every version, and what comes then stays as `data`.
"""

from collections.abc import Iterable, Sequence
from struct import Struct
from typing import Any, Final

from segue.openflow import declare as w
from segue.openflow.codec import CODEC
from segue.openflow.declare import Message, Record, member, message, unknown
from segue.openflow.names import Numbers
from segue.openflow.wire import V10, V11, V12, V15, EncodeError, ProtocolError

EXPERIMENTER_ERROR: Final = 0xFFFF
HELLO_ELEMENT: Final = w.family("hello element", inside=False, bad_length="OFPBRC_BAD_LEN")

_HEAD: Final = Struct(">HH")
_WORD: Final = Struct(">I")


class HelloElementType(Numbers, prefix="OFPHET_"):
    VERSIONBITMAP = 1


class ErrorType(Numbers, prefix="OFPET_"):
    HELLO_FAILED = 0
    BAD_REQUEST = 1
    BAD_ACTION = 2
    BAD_INSTRUCTION = 3
    BAD_MATCH = 4
    FLOW_MOD_FAILED = 5
    GROUP_MOD_FAILED = 6
    PORT_MOD_FAILED = 7
    TABLE_MOD_FAILED = 8
    QUEUE_OP_FAILED = 9
    SWITCH_CONFIG_FAILED = 10
    ROLE_REQUEST_FAILED = 11
    METER_MOD_FAILED = 12
    TABLE_FEATURES_FAILED = 13
    BAD_PROPERTY = 14
    ASYNC_CONFIG_FAILED = 15
    FLOW_MONITOR_FAILED = 16
    BUNDLE_FAILED = 17
    EXPERIMENTER = EXPERIMENTER_ERROR


class ErrorType10(Numbers, prefix="OFPET_"):
    HELLO_FAILED = 0
    BAD_REQUEST = 1
    BAD_ACTION = 2
    FLOW_MOD_FAILED = 3
    PORT_MOD_FAILED = 4
    QUEUE_OP_FAILED = 5


class HelloElement(Record, frozen=True, gc=False):
    """Part of a hello (OpenFlow 1.3.1 section A.5.1)."""


@unknown(HELLO_ELEMENT)
class UnknownHelloElement(HelloElement, frozen=True, gc=False):
    """An element that nobody declared: the octets behind its type and length, without padding (OpenFlow 1.5.1 section
    7.5.1)."""

    type: int
    data: bytes = b""


class _Words:
    """Numbers of 32 bits up to the end."""

    def encode(self, value: Sequence[int], version: int) -> bytes:  # noqa: ARG002
        return b"".join([_WORD.pack(word) for word in value])

    def decode(self, data: bytes, offset: int, end: int, version: int) -> tuple[tuple[int, ...], int]:  # noqa: ARG002
        if (end - offset) % 4:
            raise ProtocolError(f"{end - offset} bytes of bitmaps at {offset}")
        return tuple([word for (word,) in _WORD.iter_unpack(data[offset:end])]), end

    def to_json(self, value: Sequence[int], version: int) -> Any:  # noqa: ARG002
        return list(value)

    def from_json(self, obj: Any, version: int) -> Any:  # noqa: ARG002
        from segue.openflow.as_json import number_from_json  # which imports messages

        if not isinstance(obj, list):
            raise EncodeError(f"a list of numbers is wanted, not {obj!r:.60}")
        return tuple(number_from_json(word, 32, None, f"[{n}]") for n, word in enumerate(obj))

    def schema(self) -> dict[str, Any]:
        return {"type": "array", "items": {"type": "integer", "minimum": 0, "maximum": 0xFFFFFFFF}}


@member(HELLO_ELEMENT, "OFPHET_VERSIONBITMAP", {V10: HelloElementType.VERSIONBITMAP})
class VersionBitmap(HelloElement, frozen=True, gc=False):
    """The versions that the sender speaks: bit n of the first word is wire version n, the second word goes on at 32
    (OpenFlow 1.5.1 section 7.5.1). Each word has 32 bits."""

    bitmaps: Sequence[int] = ()

    WIRE = (w.custom("bitmaps", _Words()),)

    @classmethod
    def of(cls, versions: Iterable[int]) -> "VersionBitmap":
        """The bitmap of these wire versions."""
        whole = sum(1 << version for version in set(versions))
        return cls(tuple(whole >> at & 0xFFFFFFFF for at in range(0, max(whole.bit_length(), 1), 32)))

    @property
    def versions(self) -> frozenset[int]:
        return frozenset(32 * n + bit for n, word in enumerate(self.bitmaps) for bit in range(32) if word >> bit & 1)


class _Elements:
    """Hello elements as far as there are any."""

    def encode(self, value: Sequence[HelloElement], version: int) -> bytes:
        encoders = CODEC.encoders_of(HELLO_ELEMENT, version)
        return b"".join([encoders[type(element)](element) for element in value])

    def decode(self, data: bytes, offset: int, end: int, version: int) -> tuple[tuple[HelloElement, ...], int]:
        read = CODEC.reader_of_many(HELLO_ELEMENT, version)
        found: list[HelloElement] = []
        while end - offset >= 4:
            _, length = _HEAD.unpack_from(data, offset)
            after = offset + length + -length % 8
            if length < 4 or after > end:
                break
            try:
                found += read(data, offset, after)
            except ProtocolError:
                break
            offset = after
        return tuple(found), offset

    def to_json(self, value: Sequence[HelloElement], version: int) -> Any:  # noqa: ARG002
        return [
            {"type": "OFPHET_VERSIONBITMAP", "bitmaps": list(element.bitmaps)}
            if isinstance(element, VersionBitmap)
            else {"type": element.type, "data": element.data.hex()}
            for element in value
            if isinstance(element, (VersionBitmap, UnknownHelloElement))
        ]

    def from_json(self, obj: Any, version: int) -> Any:
        from segue.openflow.as_json import record_from_json  # which imports messages

        if not isinstance(obj, list):
            raise EncodeError(f"a list of elements is wanted, not {obj!r:.60}")
        return tuple(record_from_json(HELLO_ELEMENT, one, version, f"[{n}]") for n, one in enumerate(obj))

    def schema(self) -> dict[str, Any]:
        known = {"type": {"const": "OFPHET_VERSIONBITMAP"}, "bitmaps": _Words().schema()}
        other = {"type": {"type": "integer"}, "data": {"type": "string", "pattern": "^([0-9a-fA-F]{2})*$"}}
        forms = [
            {"type": "object", "properties": form, "required": ["type"], "additionalProperties": False}
            for form in (known, other)
        ]
        return {"type": "array", "items": {"oneOf": forms}}


@message("OFPT_HELLO", {V10: 0})
class Hello(Message, frozen=True, gc=False):
    """The first message of both sides (OpenFlow 1.5.1 section 7.5.1). `data` is what follows the elements and is
    none."""

    elements: Sequence[HelloElement] = ()
    data: bytes = b""

    WIRE = (w.custom("elements", _Elements()), w.data("data"))


def hello_versions(msg: Hello, header_version: int) -> frozenset[int]:
    """The wire versions that the sender of a hello speaks: those of its bitmap, or, if it sent none, all up to that
    of the header, as version 1.0 wants it. They may be ones that this library does not know."""
    for element in msg.elements:
        if isinstance(element, VersionBitmap):
            return element.versions
    return frozenset(range(V10, header_version + 1))


@message("OFPT_ECHO_REQUEST", {V10: 2})
class EchoRequest(Message, frozen=True, gc=False):
    """Asks whether the other side is there; `data` comes back (OpenFlow 1.5.1 section 7.5.2)."""

    data: bytes = b""

    WIRE = (w.data("data"),)


@message("OFPT_ECHO_REPLY", {V10: 3})
class EchoReply(Message, frozen=True, gc=False):
    """The answer, with the request's `data` unchanged (OpenFlow 1.5.1 section 7.5.3)."""

    data: bytes = b""

    WIRE = (w.data("data"),)


@message("OFPT_BARRIER_REQUEST", {V10: 18, V11: 20})
class BarrierRequest(Message, frozen=True, gc=False):
    """Everything before it is to be done before anything behind it (OpenFlow 1.5.1 section 7.3.7)."""


@message("OFPT_BARRIER_REPLY", {V10: 19, V11: 21})
class BarrierReply(Message, frozen=True, gc=False):
    """Everything before the request has been done (OpenFlow 1.5.1 section 7.3.7; 1.0.0 section 5.3.7)."""


class _ErrorExperimenter:
    """The experimenter's number, there only behind the type 0xffff, which stands 4 octets before (1.2 and later)."""

    def encode(self, value: int | None, version: int) -> bytes:
        if value is None:
            return b""
        if version < V12:
            raise EncodeError("Error.experimenter: experimenters' errors came with OpenFlow 1.2")
        if not 0 <= value <= 0xFFFFFFFF:
            raise EncodeError(f"Error.experimenter: {value} is not within 0..{0xFFFFFFFF}")
        return _WORD.pack(value)

    def decode(self, data: bytes, offset: int, end: int, version: int) -> tuple[int | None, int]:
        if version < V12 or data[offset - 4 : offset - 2] != b"\xff\xff":
            return None, offset
        if end - offset < 4:
            raise ProtocolError(f"{end - offset} bytes of an experimenter's error")
        return int.from_bytes(data[offset : offset + 4], "big"), offset + 4

    def to_json(self, value: int | None, version: int) -> Any:  # noqa: ARG002
        return value

    def from_json(self, obj: Any, version: int) -> Any:  # noqa: ARG002
        return None if obj is None else int(obj)

    def schema(self) -> dict[str, Any]:
        return {"type": ["integer", "null"], "minimum": 0, "maximum": 0xFFFFFFFF}


@message("OFPT_ERROR", {V10: 1})
class Error(Message, frozen=True, gc=False):
    """What went wrong (OpenFlow 1.5.1 section 7.5.4). `data` is at least 64 octets of the message that failed, if it
    was that long; text, of a hello.

    The names of `type` and `code` are in `errors`. Of an experimenter's error (`type` 0xffff, OpenFlow 1.2 and later)
    `code` is its `exp_type` and `experimenter` says whose; for all others `experimenter` is None.
    """

    type: int
    code: int
    data: bytes = b""
    experimenter: int | None = None

    WIRE = (
        w.u16("type", ErrorType10, until=V10),
        w.u16("type", ErrorType, since=V11, until=V15),
        w.u16("code"),
        w.custom("experimenter", _ErrorExperimenter()),
        w.data("data"),
    )

    def __post_init__(self) -> None:
        if self.experimenter is not None and self.type != EXPERIMENTER_ERROR:
            raise EncodeError(f"Error.experimenter: only errors of type 0xffff have one, and this is {self.type:#x}")
