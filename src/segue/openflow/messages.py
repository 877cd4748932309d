"""Messages as values: `encode` and `decode` (OpenFlow 1.5.1 section 7).

One class per message, and one table that says which number each has and which functions write and read it; the
larger families have files of their own (`flow`, `port`, `monitor`, `multipart`). Numbers in messages stay numbers, so
that one that a later switch invents passes through. A message of a type that is not known becomes `Unknown`.
"""

from collections.abc import Callable, Iterable, Sequence
from enum import IntEnum
from struct import Struct
from struct import error as StructError  # noqa: N812
from typing import Any, Final

import msgspec

from segue.openflow import errors, multipart
from segue.openflow.actions import Action, decode_actions, encode_actions
from segue.openflow.flow import (
    Command,
    Counters,
    FlowEntry,
    FlowFilter,
    FlowMod,
    FlowRemoved,
    RemovedReason,
    decode_flow_mod,
    decode_flow_removed,
    encode_flow_mod,
    encode_flow_removed,
)
from segue.openflow.match import Match, Value, decode_match, encode_match
from segue.openflow.monitor import (
    FlowMonitorPaused,
    FlowMonitorReply,
    FlowMonitorRequest,
    FlowMonitorResumed,
    FlowUpdate,
    FlowUpdateAbbrev,
    MonitorCommand,
    UpdateEvent,
)
from segue.openflow.multipart import (
    AggregateReply,
    AggregateRequest,
    FlowStatsReply,
    FlowStatsRequest,
    PortDescReply,
    PortDescRequest,
)
from segue.openflow.port import (
    Port,
    PortReason,
    PortStatus,
    decode_port_status,
    encode_port_status,
)
from segue.openflow.wire import (
    HEADER,
    HEADER_LEN,
    MAX_LEN,
    NO_BUFFER,
    VERSION,
    EncodeError,
    ProtocolError,
    message,
    need,
)

__all__ = [
    "AggregateReply",
    "AggregateRequest",
    "BarrierReply",
    "BarrierRequest",
    "BundleAdd",
    "BundleControl",
    "BundleType",
    "Command",
    "Counters",
    "EchoReply",
    "EchoRequest",
    "Error",
    "FeaturesReply",
    "FeaturesRequest",
    "FlowEntry",
    "FlowFilter",
    "FlowMod",
    "FlowMonitorPaused",
    "FlowMonitorReply",
    "FlowMonitorRequest",
    "FlowMonitorResumed",
    "FlowRemoved",
    "FlowStatsReply",
    "FlowStatsRequest",
    "FlowUpdate",
    "FlowUpdateAbbrev",
    "GetConfigReply",
    "GetConfigRequest",
    "Hello",
    "Message",
    "MonitorCommand",
    "PacketIn",
    "PacketOut",
    "Port",
    "PortDescReply",
    "PortDescRequest",
    "PortReason",
    "PortStatus",
    "RemovedReason",
    "SetConfig",
    "Unknown",
    "UpdateEvent",
    "decode",
    "encode",
    "encode_bundle_adds",
]

ATOMIC: Final = 1
ORDERED: Final = 2


class BundleType(IntEnum):
    OPEN_REQUEST = 0
    OPEN_REPLY = 1
    CLOSE_REQUEST = 2
    CLOSE_REPLY = 3
    COMMIT_REQUEST = 4
    COMMIT_REPLY = 5
    DISCARD_REQUEST = 6
    DISCARD_REPLY = 7


class Hello(msgspec.Struct, frozen=True, gc=False):
    """OFPT_HELLO: the wire versions that the sender speaks (0x06 is 1.5)."""

    versions: tuple[int, ...] = (VERSION,)


class Error(msgspec.Struct, frozen=True, gc=False):
    """OFPT_ERROR. `data` is the start of the message that was refused (or a text, where a hello failed)."""

    type: int
    code: int
    data: bytes = b""
    experimenter: int | None = None

    @property
    def type_name(self) -> str:
        return errors.type_name(self.type)

    @property
    def code_name(self) -> str:
        return errors.code_name(self.type, self.code, self.experimenter)

    def __str__(self) -> str:
        return f"{self.type_name} {self.code_name}"


class EchoRequest(msgspec.Struct, frozen=True, gc=False):
    data: bytes = b""


class EchoReply(msgspec.Struct, frozen=True, gc=False):
    data: bytes = b""


class FeaturesRequest(msgspec.Struct, frozen=True, gc=False):
    pass


class FeaturesReply(msgspec.Struct, frozen=True, gc=False):
    datapath_id: int
    n_buffers: int = 0
    n_tables: int = 0
    auxiliary_id: int = 0
    capabilities: int = 0


class GetConfigRequest(msgspec.Struct, frozen=True, gc=False):
    pass


class GetConfigReply(msgspec.Struct, frozen=True, gc=False):
    """How fragments are treated (`flags`), and how much of a packet goes to the controller on a table miss."""

    flags: int = 0
    miss_send_len: int = 128


class SetConfig(msgspec.Struct, frozen=True, gc=False):
    """Open vSwitch sends no asynchronous message over a management socket until `miss_send_len` is not 0."""

    flags: int = 0
    miss_send_len: int = 128


class PacketIn(msgspec.Struct, frozen=True, gc=False):
    """`match` holds the pipeline fields, in_port among them. `total_len` is the frame's, of which `data` has a part."""

    data: bytes
    match: dict[str, Value]
    reason: int = 0
    table_id: int = 0
    cookie: int = 0
    total_len: int = 0
    buffer_id: int = NO_BUFFER


class PacketOut(msgspec.Struct, frozen=True, gc=False):
    """`match` may hold pipeline fields only; Open vSwitch wants `in_port` (CONTROLLER will do)."""

    data: bytes
    actions: Sequence[Action] = ()
    match: Match = msgspec.field(default_factory=dict)
    buffer_id: int = NO_BUFFER


class BarrierRequest(msgspec.Struct, frozen=True, gc=False):
    pass


class BarrierReply(msgspec.Struct, frozen=True, gc=False):
    pass


class BundleControl(msgspec.Struct, frozen=True, gc=False):
    bundle_id: int
    type: int
    flags: int = ATOMIC | ORDERED


class BundleAdd(msgspec.Struct, frozen=True, gc=False):
    """`message` is a whole message whose xid is this one's too (section 7.3.9)."""

    bundle_id: int
    message: bytes
    flags: int = ATOMIC | ORDERED


class Unknown(msgspec.Struct, frozen=True, gc=False):
    """A message of another type, kept: `body` is what follows its header."""

    type: int
    body: bytes = b""


Message = (
    Hello
    | Error
    | EchoRequest
    | EchoReply
    | FeaturesRequest
    | FeaturesReply
    | GetConfigRequest
    | GetConfigReply
    | SetConfig
    | PacketIn
    | FlowRemoved
    | PortStatus
    | PacketOut
    | FlowMod
    | FlowStatsRequest
    | AggregateRequest
    | PortDescRequest
    | FlowMonitorRequest
    | FlowStatsReply
    | AggregateReply
    | PortDescReply
    | FlowMonitorReply
    | BarrierRequest
    | BarrierReply
    | BundleControl
    | BundleAdd
    | Unknown
)

_HELLO_ELEMENT: Final = Struct(">HHI")
_PAIR: Final = Struct(">HH")
_ERROR_EXPERIMENTER: Final = Struct(">HHI")
_FEATURES: Final = Struct(">QIBB2xI4x")
_PACKET_IN: Final = Struct(">IHBBQ")
_PACKET_OUT: Final = Struct(">IH2x")
_BUNDLE: Final = Struct(">IHH")
_ADD_WHOLE: Final = Struct(">BBHIIHHBBHI")
_HELLO, _BUNDLE_ADD, _FLOW_MOD = 0, 34, 14


def encode(msg: Message, xid: int = 0) -> bytes:
    """The whole message. EncodeError if a value does not fit, or it would be longer than 65,535 octets."""
    if isinstance(msg, Unknown):
        return message(msg.type, msg.body, xid)
    try:
        kind, write = _WRITE[msg.__class__]
        return message(kind, write(msg), xid)
    except (StructError, OverflowError) as e:
        raise EncodeError(f"{msg.__class__.__name__}: {e}") from None


def encode_bundle_adds(mods: Iterable[FlowMod], bundle_id: int, flags: int, xid: int) -> bytes:
    """OFPT_BUNDLE_ADD_MESSAGE for each of `mods`, one after another; their xids count up from `xid`.

    EncodeError says which one cannot be said (`index`).
    """
    parts: list[bytes] = []
    for index, mod in enumerate(mods):
        try:
            body = encode_flow_mod(mod)
            inner = HEADER_LEN + len(body)
            outer = inner + 16
            if outer > MAX_LEN:
                raise EncodeError(f"flow mod of {inner} bytes does not fit a bundle")
        except EncodeError as e:
            e.index = index
            raise
        parts.append(
            _ADD_WHOLE.pack(
                VERSION, _BUNDLE_ADD, outer, xid + index, bundle_id, 0, flags, VERSION, _FLOW_MOD, inner, xid + index
            )
        )
        parts.append(body)
    return b"".join(parts)


def decode(data: bytes) -> tuple[Message, int]:
    """One whole message, as its header delimits it, and its xid. ProtocolError if it is not one."""
    need(data, 0, HEADER_LEN, "header")
    version, kind, length, xid = HEADER.unpack_from(data)
    if length != len(data):
        raise ProtocolError(f"header says {length} bytes, {len(data)} there")
    if version != VERSION and kind != _HELLO and kind != _ERROR:
        raise ProtocolError(f"message of type {kind} in version {version:#x}")
    read = _READ.get(kind)
    msg = None if read is None else read(data)
    return (Unknown(kind, data[HEADER_LEN:]) if msg is None else msg), xid


def _encode_hello(m: Hello) -> bytes:
    bitmap = sum(1 << version for version in set(m.versions))
    return _HELLO_ELEMENT.pack(1, 8, bitmap)


def _decode_hello(data: bytes) -> Hello:
    """Section 7.5.1: a bitmap of versions, or (from those before 1.3) just the header's own and all below."""
    offset = HEADER_LEN
    while len(data) - offset >= 4:
        kind, length = _PAIR.unpack_from(data, offset)
        if length < 4 or length > len(data) - offset:
            raise ProtocolError(f"hello element of type {kind} claims {length} bytes of {len(data) - offset}")
        if kind == 1 and length >= 8:
            words = [int.from_bytes(data[at : at + 4], "big") for at in range(offset + 4, offset + length - 3, 4)]
            versions = [32 * n + bit for n, word in enumerate(words) for bit in range(32) if word >> bit & 1]
            return Hello(tuple(versions))
        offset += length + -length % 8
    return Hello(tuple(range(1, data[0] + 1)))


def _encode_error(m: Error) -> bytes:
    if m.experimenter is not None:
        return _ERROR_EXPERIMENTER.pack(m.type, m.code, m.experimenter) + m.data
    return _PAIR.pack(m.type, m.code) + m.data


def _decode_error(data: bytes) -> Error:
    need(data, HEADER_LEN, 4, "error")
    kind, code = _PAIR.unpack_from(data, HEADER_LEN)
    if kind == errors.EXPERIMENTER_ERROR:
        need(data, HEADER_LEN, 8, "error")
        return Error(kind, code, data[16:], int.from_bytes(data[12:16], "big"))
    return Error(kind, code, data[12:])


def _decode_features(data: bytes) -> FeaturesReply:
    need(data, HEADER_LEN, _FEATURES.size, "features reply")
    return FeaturesReply(*_FEATURES.unpack_from(data, HEADER_LEN))


def _config(data: bytes) -> tuple[int, int]:
    need(data, HEADER_LEN, 4, "switch configuration")
    flags, miss_send_len = _PAIR.unpack_from(data, HEADER_LEN)
    return flags, miss_send_len


def _encode_packet_in(m: PacketIn) -> bytes:
    fixed = _PACKET_IN.pack(m.buffer_id, m.total_len, m.reason, m.table_id, m.cookie)
    return fixed + encode_match(m.match) + b"\0\0" + m.data


def _decode_packet_in(data: bytes) -> PacketIn:
    need(data, HEADER_LEN, _PACKET_IN.size, "packet in")
    buffer_id, total_len, reason, table_id, cookie = _PACKET_IN.unpack_from(data, HEADER_LEN)
    match, offset = decode_match(data, HEADER_LEN + _PACKET_IN.size)
    need(data, offset, 2, "packet in")
    return PacketIn(data[offset + 2 :], match, reason, table_id, cookie, total_len, buffer_id)


def _encode_packet_out(m: PacketOut) -> bytes:
    actions = encode_actions(m.actions)
    return _PACKET_OUT.pack(m.buffer_id, len(actions)) + encode_match(m.match) + actions + m.data


def _decode_packet_out(data: bytes) -> PacketOut:
    need(data, HEADER_LEN, _PACKET_OUT.size, "packet out")
    buffer_id, actions_len = _PACKET_OUT.unpack_from(data, HEADER_LEN)
    match, offset = decode_match(data, HEADER_LEN + _PACKET_OUT.size)
    need(data, offset, actions_len, "actions of packet out")
    end = offset + actions_len
    return PacketOut(data[end:], decode_actions(data, offset, end), match, buffer_id)


def _decode_bundle_control(data: bytes) -> BundleControl:
    need(data, HEADER_LEN, _BUNDLE.size, "bundle control")
    return BundleControl(*_BUNDLE.unpack_from(data, HEADER_LEN))


def _decode_bundle_add(data: bytes) -> BundleAdd:
    """Properties after the message (section 7.3.9) are left out: none are defined that Open vSwitch knows."""
    need(data, HEADER_LEN, _BUNDLE.size + HEADER_LEN, "bundle add")
    bundle_id, _, flags = _BUNDLE.unpack_from(data, HEADER_LEN)
    offset = HEADER_LEN + _BUNDLE.size
    length = HEADER.unpack_from(data, offset)[2]
    if length < HEADER_LEN or offset + length > len(data):
        raise ProtocolError(f"bundled message claims {length} bytes of {len(data) - offset}")
    return BundleAdd(bundle_id, data[offset : offset + length], flags)


def _nothing(_: object) -> bytes:
    return b""


_ERROR: Final = 1
_MULTIPART_REQUEST, _MULTIPART_REPLY = 18, 19

_WRITE: Final[dict[type[Any], tuple[int, Callable[[Any], bytes]]]] = {
    Hello: (_HELLO, _encode_hello),
    Error: (_ERROR, _encode_error),
    EchoRequest: (2, lambda m: m.data),
    EchoReply: (3, lambda m: m.data),
    FeaturesRequest: (5, _nothing),
    FeaturesReply: (
        6,
        lambda m: _FEATURES.pack(m.datapath_id, m.n_buffers, m.n_tables, m.auxiliary_id, m.capabilities),
    ),
    GetConfigRequest: (7, _nothing),
    GetConfigReply: (8, lambda m: _PAIR.pack(m.flags, m.miss_send_len)),
    SetConfig: (9, lambda m: _PAIR.pack(m.flags, m.miss_send_len)),
    PacketIn: (10, _encode_packet_in),
    FlowRemoved: (11, encode_flow_removed),
    PortStatus: (12, encode_port_status),
    PacketOut: (13, _encode_packet_out),
    FlowMod: (_FLOW_MOD, encode_flow_mod),
    FlowStatsRequest: (_MULTIPART_REQUEST, multipart.encode_request),
    AggregateRequest: (_MULTIPART_REQUEST, multipart.encode_request),
    PortDescRequest: (_MULTIPART_REQUEST, multipart.encode_request),
    FlowMonitorRequest: (_MULTIPART_REQUEST, multipart.encode_request),
    FlowStatsReply: (_MULTIPART_REPLY, multipart.encode_reply),
    AggregateReply: (_MULTIPART_REPLY, multipart.encode_reply),
    PortDescReply: (_MULTIPART_REPLY, multipart.encode_reply),
    FlowMonitorReply: (_MULTIPART_REPLY, multipart.encode_reply),
    BarrierRequest: (20, _nothing),
    BarrierReply: (21, _nothing),
    BundleControl: (33, lambda m: _BUNDLE.pack(m.bundle_id, m.type, m.flags)),
    BundleAdd: (_BUNDLE_ADD, lambda m: _BUNDLE.pack(m.bundle_id, 0, m.flags) + m.message),
}
_READ: Final[dict[int, Callable[[bytes], Message | None]]] = {
    _HELLO: _decode_hello,
    _ERROR: _decode_error,
    2: lambda data: EchoRequest(data[HEADER_LEN:]),
    3: lambda data: EchoReply(data[HEADER_LEN:]),
    5: lambda _: FeaturesRequest(),
    6: _decode_features,
    7: lambda _: GetConfigRequest(),
    8: lambda data: GetConfigReply(*_config(data)),
    9: lambda data: SetConfig(*_config(data)),
    10: _decode_packet_in,
    11: decode_flow_removed,
    12: decode_port_status,
    13: _decode_packet_out,
    _FLOW_MOD: decode_flow_mod,
    _MULTIPART_REQUEST: multipart.decode_request,
    _MULTIPART_REPLY: multipart.decode_reply,
    20: lambda _: BarrierRequest(),
    21: lambda _: BarrierReply(),
    33: _decode_bundle_control,
    _BUNDLE_ADD: _decode_bundle_add,
}
