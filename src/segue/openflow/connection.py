"""One OpenFlow connection without its socket: bytes and the time go in, events and bytes to send come out.

What it holds true (OpenFlow 1.5.1 sections 6.3 and 7.5.1):

- Messages are cut from the stream by the length in their header, however the bytes are split.
- Each side says hello first; only 1.5 is offered, and a peer that does not speak it is refused with an error.
- An echo request is answered at once. When nothing was heard for `echo_interval` seconds one is sent, and when
  nothing came for `echo_timeout` more the connection is dead; any byte at all is a sign of life.
- A reply finds its request by xid, and so does an error. A request without a reply (a flow mod) is remembered until
  a later barrier is answered, which says that it was carried out.
- Replies in parts are put together, unless the request was sent with `stream=True`: then each part is an event.

`ProtocolError` is raised for what cannot be OpenFlow 1.5; the caller then sends what `data_to_send` still holds (an
error for the peer) and closes. Nothing here reads a clock.
"""

from collections import OrderedDict
from collections.abc import Sequence
from typing import Any, Final

import msgspec

from segue.openflow import multipart
from segue.openflow.messages import (
    AggregateReply,
    AggregateRequest,
    BarrierReply,
    BarrierRequest,
    BundleControl,
    EchoReply,
    EchoRequest,
    Error,
    FeaturesReply,
    FeaturesRequest,
    FlowMod,
    FlowMonitorReply,
    FlowMonitorRequest,
    FlowStatsReply,
    FlowStatsRequest,
    GetConfigReply,
    GetConfigRequest,
    Hello,
    Message,
    PortDescReply,
    PortDescRequest,
    decode,
    encode,
    encode_bundle_adds,
)
from segue.openflow.wire import HEADER, HEADER_LEN, VERSION, ProtocolError

REPLY_TO: Final[dict[type[Any], type[Any]]] = {
    AggregateRequest: AggregateReply,
    BarrierRequest: BarrierReply,
    BundleControl: BundleControl,
    EchoRequest: EchoReply,
    FeaturesRequest: FeaturesReply,
    FlowMonitorRequest: FlowMonitorReply,
    FlowStatsRequest: FlowStatsReply,
    GetConfigRequest: GetConfigReply,
    PortDescRequest: PortDescReply,
}
"""The class of the reply to each class of request; other messages have none."""

REMEMBERED: Final = 16384
_HELLO_FAILED: Final = 0


class Ready(msgspec.Struct, frozen=True):
    """Both sides said hello and agree on `version`."""

    version: int


class Received(msgspec.Struct, frozen=True):
    """A message that answers nothing: port status, flow removed, packet in, flow monitor update, or unknown."""

    message: Message
    xid: int


class Replied(msgspec.Struct, frozen=True):
    """The reply to `request`, whole, or one part of it (`more` says that others follow)."""

    request: Message
    reply: Message
    xid: int
    more: bool = False


class Refused(msgspec.Struct, frozen=True):
    """The peer's error. `request` is the message it is about, None if that is no longer remembered."""

    error: Error
    xid: int
    request: Message | None


class Dead(msgspec.Struct, frozen=True):
    """The peer has been silent for too long."""

    silence: float


Event = Ready | Received | Replied | Refused | Dead


class VersionError(ProtocolError):
    """The peer does not speak OpenFlow 1.5; `versions` are those it does."""

    def __init__(self, versions: tuple[int, ...]) -> None:
        self.versions = versions
        names = ", ".join(f"1.{version - 1}" for version in versions) or "none"
        super().__init__(f"the peer does not speak OpenFlow 1.5 (it speaks {names})")


class _Pending:
    __slots__ = ("parts", "request", "stream")

    def __init__(self, request: Message, stream: bool) -> None:
        self.request = request
        self.stream = stream
        self.parts: list[Any] = []


class Connection:
    """The state of one connection, begun at `now` (seconds of any clock that only goes forward)."""

    def __init__(self, now: float, *, echo_interval: float = 5.0, echo_timeout: float = 10.0) -> None:
        self.echo_interval = echo_interval
        self.echo_timeout = echo_timeout
        self.ready = False
        self._input = bytearray()
        self._output: list[bytes] = []
        self._next_xid = 1
        self._heard = now
        self._asked: float | None = None
        self._dead = False
        self._pending: dict[int, _Pending] = {}
        self._unanswered: OrderedDict[int, Message] = OrderedDict()
        self._output.append(encode(Hello(), self._take_xids(1)))

    # -- out -------------------------------------------------------------------------------------------------------

    def send(self, msg: Message, *, stream: bool = False) -> int:
        """Queues a message and returns its xid; EncodeError if it cannot be said, and then nothing is queued."""
        xid = self._take_xids(1)
        self._output.append(encode(msg, xid))
        if msg.__class__ in REPLY_TO:
            self._pending[xid] = _Pending(msg, stream)
        else:
            if len(self._unanswered) >= REMEMBERED:
                self._unanswered.popitem(last=False)
            self._unanswered[xid] = msg
        return xid

    def send_bundle_adds(self, mods: Sequence[FlowMod], bundle_id: int, flags: int) -> range:
        """Queues the flow mods as additions to a bundle. The range of their xids tells which one an error is about."""
        first = self._take_xids(len(mods))
        self._output.append(encode_bundle_adds(mods, bundle_id, flags, first))
        return range(first, first + len(mods))

    def data_to_send(self) -> bytes:
        """All bytes queued since the last call."""
        data = b"".join(self._output)
        self._output.clear()
        return data

    def forget(self, xid: int) -> None:
        """The caller no longer waits for the reply to `xid`; what still comes of it is dropped."""
        self._pending.pop(xid, None)

    # -- in --------------------------------------------------------------------------------------------------------

    def receive_data(self, data: bytes | bytearray | memoryview, now: float) -> list[Event]:
        """What the bytes mean. ProtocolError (VersionError) ends the connection."""
        self._heard = now
        self._asked = None
        buffer = self._input
        buffer += data
        events: list[Event] = []
        offset, size = 0, len(buffer)
        try:
            while size - offset >= HEADER_LEN:
                length = HEADER.unpack_from(buffer, offset)[2]
                if length < HEADER_LEN:
                    raise ProtocolError(f"a header says {length} bytes, less than its own")
                if size - offset < length:
                    break
                raw = bytes(buffer[offset : offset + length])
                offset += length
                msg, xid = decode(raw)
                self._handle(msg, xid, events)
        finally:
            del buffer[:offset]
        return events

    def _handle(self, msg: Message, xid: int, events: list[Event]) -> None:
        if not self.ready:
            self._handshake(msg, xid, events)
        elif isinstance(msg, EchoRequest):
            self._output.append(encode(EchoReply(msg.data), xid))
        elif isinstance(msg, Error):
            self._refused(msg, xid, events)
        elif (pending := self._pending.get(xid)) is not None and REPLY_TO[pending.request.__class__] is msg.__class__:
            self._replied(pending, msg, xid, events)
        elif not isinstance(msg, _REPLIES):
            events.append(Received(msg, xid))

    def _handshake(self, msg: Message, xid: int, events: list[Event]) -> None:
        if isinstance(msg, Error):
            raise ProtocolError(f"the peer refused the connection: {msg}")
        if not isinstance(msg, Hello):
            raise ProtocolError(f"{msg.__class__.__name__} before a hello")
        if VERSION not in msg.versions:
            self._output.append(encode(Error(_HELLO_FAILED, 0, b"OpenFlow 1.5 only"), xid))
            raise VersionError(msg.versions)
        self.ready = True
        events.append(Ready(VERSION))

    def _refused(self, error: Error, xid: int, events: list[Event]) -> None:
        pending = self._pending.pop(xid, None)
        request = pending.request if pending is not None else self._unanswered.pop(xid, None)
        events.append(Refused(error, xid, request))

    def _replied(self, pending: _Pending, msg: Message, xid: int, events: list[Event]) -> None:
        more = bool(getattr(msg, "more", False))
        if pending.stream:
            events.append(Replied(pending.request, msg, xid, more))
        else:
            pending.parts.append(msg)
            if not more:
                events.append(Replied(pending.request, multipart.join(pending.parts), xid))
        if not more:
            del self._pending[xid]
            if isinstance(msg, BarrierReply):
                self._carried_out(xid)

    def _carried_out(self, barrier: int) -> None:
        for xid in [xid for xid in self._unanswered if (barrier - xid) & 0xFFFFFFFF < 1 << 31]:
            del self._unanswered[xid]

    # -- time ------------------------------------------------------------------------------------------------------

    def next_timer(self) -> float | None:
        """When `handle_timer` is next to be called; None once the peer is dead."""
        if self._dead:
            return None
        if self._asked is not None:
            return self._asked + self.echo_timeout
        return self._heard + self.echo_interval

    def handle_timer(self, now: float) -> list[Event]:
        """Asks a silent peer for a sign of life, and gives up on one that does not answer."""
        if self._dead:
            return []
        if self._asked is not None:
            if now < self._asked + self.echo_timeout:
                return []
            self._dead = True
            return [Dead(now - self._heard)]
        if now >= self._heard + self.echo_interval:
            self._asked = now
            if self.ready:
                self._output.append(encode(EchoRequest(), self._take_xids(1)))
        return []

    def alive(self, now: float) -> None:
        """The caller knows that silence is its own doing (it stopped reading): start the wait anew."""
        self._heard = now
        self._asked = None

    def _take_xids(self, count: int) -> int:
        """The first of `count` numbers in a row that no message in flight has; 0 is the switch's own."""
        if self._next_xid + count > 0xFFFFFFFF:
            self._next_xid = 1
        first = self._next_xid
        self._next_xid += count
        return first


_REPLIES: Final = tuple(cls for cls in set(REPLY_TO.values()) if cls is not FlowMonitorReply)
