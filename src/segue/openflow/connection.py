"""One OpenFlow connection without its socket, of either end: bytes and the time go in, events and bytes to send come
out.

What it holds true (OpenFlow 1.5.1 sections 6.3 and 7.5; the same in all versions but for what is said here):

- Messages are cut from the stream by the length in their header, however the bytes are split.
- Each side says hello first, in the highest version that it offers, with a bitmap of all when that is 1.3 or later.
  The version is the highest in both bitmaps, or without two bitmaps the lesser one of both headers (or, where only the
  peer sent one, the highest in it that we speak, as Open vSwitch reads it). A peer with which there is none is told so
  by an error, and a peer that does not say hello in time is dead.
- An echo request is answered at once. When nothing was heard for `echo_interval` seconds one is sent, and when
  nothing came for `echo_timeout` more the connection is dead; any byte at all is a sign of life.
- A reply finds its request by xid, and so does an error. A message without a reply (a flow mod) is remembered for
  a while, until a later barrier says that it was carried out; when an error comes later than that, what it quotes is
  read instead. A reply that nobody waits for is dropped, so an xid that a peer makes up does no harm.
- Replies in parts are put together, unless the request was sent with `stream=True`: then each part is an event. A
  switch puts requests in parts together too.
- A message in another version, or one that a switch cannot read, is answered with the error that the specification
  names, and the connection goes on; a controller does not answer what it cannot read, and nobody answers an error
  with an error.

`ProtocolError` is raised for what ends the connection; the caller then sends what `data_to_send` still holds (an
error for the peer) and closes. Nothing here reads a clock. Whatever a peer can make this keep is bounded by `Limits`.
`observe`, if set, is shown every message that comes and, when `data_to_send` gives it away, every one that goes.
"""

from collections.abc import Iterable, Sequence
from typing import Any, Final, Literal

from segue.openflow.codec import READERS, encode
from segue.openflow.declare import HOMES, REPLIES, REQUESTS, Message
from segue.openflow.events import Dead, Event, Failed, Garbled, Ready, Received, Refused, Replied, VersionError, names
from segue.openflow.limits import LIMITS, Bucket, Limits, Recent
from segue.openflow.observe import Observer, show_each
from segue.openflow.pairing import (
    MORE,
    Assembly,
    Pairs,
    Pending,
    continued,
    encode_parts,
    join,
    kind_of,
    pairs,
    whole,
)
from segue.openflow.protocol.basic import (
    BarrierReply,
    EchoReply,
    EchoRequest,
    Error,
    Hello,
    VersionBitmap,
    hello_versions,
)
from segue.openflow.protocol.bundles import BundleAddMessage, OnfBundleAddMessage
from segue.openflow.protocol.errors import error_data, error_message
from segue.openflow.wire import HEADER, HEADER_LEN, V13, VERSIONS, EncodeError, ProtocolError

__all__ = [
    "Connection",
    "Dead",
    "Event",
    "Failed",
    "Garbled",
    "Limits",
    "Ready",
    "Received",
    "Refused",
    "Replied",
    "VersionError",
]

LAST_XID: Final = 0x7FFFFFFF
"""Of those that a connection gives out. The upper half is for messages that are sent past it (`pump`)."""
QUOTED: Final = 256
"""Octets of a message that an error about it quotes; 64 is the least (section 7.5.4)."""
_HELLO, _ERROR = 0, 1
_HELLO_FAILED: Final = 0
_NOTHING: Final = bytearray()
_NO_OUTPUT: Final[list[bytes]] = []
_NONE_PENDING: Final[dict[int, Pending]] = {}
"""What is empty in most connections at most times is one object for all, which nobody writes to."""

Prepared = tuple[int, bytes, Message]
"""A message with its xid and its octets, to be queued later."""


class Connection:
    """The state of one connection, begun at `now` (seconds of any clock that only goes forward). `versions` are wire
    numbers. `version` is 0 until both sides are `ready`."""

    __slots__ = (
        "_assemblies",
        "_dead",
        "_errors",
        "_held",
        "_next_xid",
        "_output",
        "_pairs",
        "_peer_versions",
        "_pending",
        "_readers",
        "_recent",
        "_rest",
        "_since",
        "_wanted",
        "asked",
        "begun",
        "echo_interval",
        "echo_timeout",
        "handshake_timeout",
        "heard",
        "limits",
        "observe",
        "ready",
        "switch",
        "unsent",
        "version",
        "versions",
    )

    def __init__(
        self,
        now: float,
        *,
        side: Literal["controller", "switch"] = "controller",
        versions: Iterable[int] = frozenset(VERSIONS),
        echo_interval: float = 5.0,
        echo_timeout: float = 10.0,
        handshake_timeout: float = 10.0,
        limits: Limits = LIMITS,
    ) -> None:
        self.versions = versions if isinstance(versions, frozenset) else frozenset(versions)
        if not self.versions or not self.versions.issubset(VERSIONS):
            raise ValueError(f"versions {sorted(self.versions)}: one at least, and none but {VERSIONS} can be spoken")
        self.switch = side == "switch"
        self.echo_interval = echo_interval
        self.echo_timeout = echo_timeout
        self.handshake_timeout = handshake_timeout
        self.limits = limits
        self.observe: Observer | None = None
        self.ready = False
        self.version = 0
        self.unsent = 0
        """Octets that `data_to_send` would give."""
        self._readers: Any = None
        self._pairs: Pairs | None = None
        self._rest = _NOTHING
        self._wanted = 0
        self._output = _NO_OUTPUT
        self._next_xid = 1
        self._peer_versions = 0
        self._since = now
        self.heard = now
        self.asked: float | None = None
        """When anything was heard last, and when it was asked for a sign of life since."""
        self._dead = False
        self.begun: float | None = None
        """When a message began to come that is not whole yet."""
        self._errors: Bucket | None = None
        self._held = 0
        self._pending = _NONE_PENDING
        self._recent: Recent | None = None
        self._assemblies: dict[int, Assembly] | None = None
        highest = max(self.versions)
        elements = (VersionBitmap.of(self.versions),) if highest >= V13 else ()
        self._write(encode(Hello(elements), self.take_xids(1), highest))

    @property
    def peer_versions(self) -> frozenset[int]:
        """The wire versions that the peer's hello named, of those that fit a header; empty before it came."""
        bits = self._peer_versions
        return frozenset(version for version in range(bits.bit_length()) if bits >> version & 1)

    # -- out -------------------------------------------------------------------------------------------------------

    def send(self, msg: Message, xid: int | None = None, *, stream: bool = False) -> int:
        """Queues a message and returns its xid: `xid`, which a switch's reply has from the request, or a new one.

        EncodeError if it cannot be said, and then nothing is queued. A multipart message that is too long for one
        goes in parts. RuntimeError before a version is agreed.
        """
        prepared = self.prepare(msg, xid)
        self.queue(prepared, stream=stream)
        return prepared[0]

    def prepare(self, msg: Message, xid: int | None = None) -> Prepared:
        """The first half of `send`: all that can go wrong, and nothing is queued yet."""
        if self._pairs is None:
            raise RuntimeError("nothing can be sent before both sides have said hello")
        if xid is None:
            xid = self.take_xids(1)
            while xid in self._pending:
                xid = self.take_xids(1)
        if HOMES.get(msg.__class__) in (REPLIES, REQUESTS):
            parts = encode_parts(msg, xid, self.version)
            return xid, parts[0] if len(parts) == 1 else b"".join(parts), msg
        return xid, encode(msg, xid, self.version), msg

    def queue(self, prepared: Prepared, *, stream: bool = False) -> None:
        """The second half of `send`."""
        xid, data, msg = prepared
        cls = msg.__class__
        self._write(data)
        if self.switch:
            if cls is EchoRequest:
                self._await(xid, Pending(msg, EchoReply, stream, 0))
            return
        reply = self._pairs.reply_to.get(cls)  # type: ignore[union-attr]
        if reply is not None:
            self.forget(xid)  # a caller's own xid may be that of a request that still waits
            self._await(xid, Pending(msg, reply, stream, 0 if self._recent is None else self._recent.count))
        else:
            if self._recent is None:
                self._recent = Recent()
            self._recent.add(xid, len(data), msg, self.limits)

    def send_bundle_adds(self, mods: Sequence[Message], bundle_id: int, flags: int) -> range:
        """Queues messages as additions to a bundle. The range of their xids tells which one an error is about.

        EncodeError (its `index` says about which) if one cannot be said, and then none is queued.
        """
        first = self.take_xids(len(mods))
        addition = OnfBundleAddMessage if self.version == V13 else BundleAddMessage
        made = []
        for index, mod in enumerate(mods):
            try:
                made.append(encode(addition(bundle_id, mod, flags), first + index, self.version))
            except EncodeError as e:
                e.index = index
                raise
        self._write(b"".join(made))
        return range(first, first + len(mods))

    def refuse(self, xid: int, request: Message | bytes, code_name: str) -> None:
        """Answers a request with an error, named as in the specification (`OFPBRC_BAD_TYPE`)."""
        data = request if isinstance(request, bytes) else encode_parts(request, xid, self.version)[0]
        self._write(encode(error_message(self.version, code_name, data[:QUOTED]), xid, self.version))

    def data_to_send(self) -> bytes:
        """All bytes queued since the last call."""
        output = self._output
        if not output:
            return b""
        data = output[0] if len(output) == 1 else b"".join(output)
        self._output = _NO_OUTPUT
        self.unsent = 0
        if self.observe is not None:
            show_each(self.observe, "out", data)
        return data

    def forget(self, xid: int) -> None:
        """The caller no longer waits for the reply to `xid`; what still comes of it is dropped."""
        pending = self._pending.pop(xid, None)
        if pending is not None:
            self._held -= pending.size
        if not self._pending:
            self._pending = _NONE_PENDING

    def answered_by(self, cls: type[Any]) -> type[Any] | None:
        """The class of the reply to messages of `cls`, None if they have none. UnknownMessage stands for a reply that
        nobody declared."""
        return None if self._pairs is None else self._pairs.reply_to.get(cls)

    def may_stay_silent(self, cls: type[Any]) -> bool:
        """Whether a switch may refuse messages of `cls` by saying nothing."""
        return self._pairs is not None and cls in self._pairs.silent

    def take_xids(self, count: int) -> int:
        """The first of `count` numbers in a row that no message in flight has; 0 is the switch's own."""
        if self._next_xid + count > LAST_XID:
            self._next_xid = 1
        first = self._next_xid
        self._next_xid += count
        return first

    def _write(self, data: bytes) -> None:
        if self._output:
            self._output.append(data)
        else:
            self._output = [data]
        self.unsent += len(data)

    def _await(self, xid: int, pending: Pending) -> None:
        if self._pending:
            self._pending[xid] = pending
        else:
            self._pending = {xid: pending}

    def _error(self, frame: bytes, error: str) -> bool:
        """Tells the peer what is wrong with its message, unless that is itself an error."""
        if frame[1] == _ERROR:
            return False
        self.refuse(int.from_bytes(frame[4:8], "big"), frame, error)
        return True

    # -- in --------------------------------------------------------------------------------------------------------

    def receive_data(
        self, data: bytes | bytearray | memoryview, now: float, events: list[Event] | None = None
    ) -> list[Event]:
        """What the bytes mean. ProtocolError (VersionError) ends the connection; what came before it is then in
        `events`, if the caller gave that list."""
        self.heard = now
        self.asked = None
        if events is None:
            events = []
        if self._rest:
            rest = self._rest
            rest += data
            if len(rest) < self._wanted:
                return events
            data = bytes(rest)
            self._rest = _NOTHING
            self.begun = None
        elif data.__class__ is not bytes:
            data = bytes(data)
        offset, size = 0, len(data)
        wanted = HEADER_LEN
        while size - offset >= HEADER_LEN:
            wanted = data[offset + 2] << 8 | data[offset + 3]
            if wanted < HEADER_LEN:
                raise ProtocolError(f"a header says {wanted} bytes, less than its own")
            after = offset + wanted
            if after > size:
                break
            self._message(data, offset, after, now, events)
            offset = after
            wanted = HEADER_LEN
        if offset < size:
            self._rest = bytearray(data[offset:])
            self._wanted = wanted
            self.begun = now
        return events

    def receive_frame(self, frame: bytes, now: float) -> list[Event]:
        """What one whole message means; for a caller that cuts them out of the stream itself."""
        if len(frame) < HEADER_LEN or frame[2] << 8 | frame[3] != len(frame):
            raise ProtocolError(f"{len(frame)} bytes that are not one message")
        self.heard = now
        self.asked = None
        events: list[Event] = []
        self._message(frame, 0, len(frame), now, events)
        return events

    def take_rest(self) -> bytes:
        """The beginning of a message whose end did not come yet, for a caller that goes on by `receive_frame`."""
        if not self._rest:
            return b""
        rest = bytes(self._rest)
        self._rest = _NOTHING
        self.begun = None
        return rest

    def _message(self, data: bytes, offset: int, after: int, now: float, events: list[Event]) -> None:
        if self.observe is not None:
            self.observe("in", data[offset:after])
        version, kind, _, xid = HEADER.unpack_from(data, offset)
        if not self.ready:
            self._handshake(data[offset:after], version, kind, xid, events)
            return
        if version != self.version:
            if kind != _HELLO:
                reason = f"a message of version {version:#x} on a connection of {self.version:#x}"
                self._garbled(data[offset:after], "OFPBRC_BAD_VERSION", reason, True, now, events)
            return
        try:
            msg = self._readers[kind](data, offset, after)
        except ProtocolError as e:
            frame = data[offset:after]
            self._unreadable(frame, kind, xid, self._within(frame, kind, e), now, events)
            return
        cls = msg.__class__
        pending = self._pending.get(xid) if self._pending else None
        if pending is not None and pending.reply is cls:
            self._replied(pending, msg, xid, after - offset, events)
        elif cls is EchoRequest:
            self._write(encode(EchoReply(msg.data), xid, self.version))
        elif cls is Error:
            self._refused(msg, xid, events)
        elif self.switch:
            self._asked_for(msg, cls, xid, after - offset, now, events)
        elif kind != _HELLO and cls not in self._pairs.answers:  # type: ignore[union-attr]
            events.append(Received(msg, xid))

    def _handshake(self, frame: bytes, version: int, kind: int, xid: int, events: list[Event]) -> None:
        own = max(self.versions)
        spoken = version if version in VERSIONS else own
        if kind == _ERROR:
            text = frame[HEADER_LEN + 4 :].decode("ascii", "backslashreplace")[:200]
            raise ProtocolError(f"the peer refused the connection: {text or 'it does not say why'}")
        if kind != _HELLO:
            self._write(encode(error_message(spoken, "OFPBRC_BAD_TYPE", frame[:QUOTED]), xid, spoken))
            raise ProtocolError(f"a message of type {kind} before a hello", "OFPBRC_BAD_TYPE")
        try:
            hello = READERS[spoken][_HELLO](frame, 0, len(frame))
        except ProtocolError:
            hello = Hello()  # what is behind the header may be of a version to come
        theirs = hello_versions(hello, version)
        self._peer_versions = sum(1 << known for known in theirs if known < 256)
        told = any(isinstance(element, VersionBitmap) for element in hello.elements)
        if told and own >= V13:
            common = self.versions & theirs
        elif told:  # it takes us to speak all up to our header's, and so does Open vSwitch
            common = frozenset(v for v in self.versions & theirs if v <= version)
        else:
            common = self.versions & {min(own, version)}
        if not common:
            text = f"OpenFlow {names(self.versions)} is spoken here"
            self._write(encode(error_message(spoken, "OFPHFC_INCOMPATIBLE", text.encode("ascii")), xid, spoken))
            raise VersionError(self.versions, tuple(sorted(theirs)))
        self.version = max(common)
        self.ready = True
        self._readers = READERS[self.version]
        self._pairs = pairs(self.version)
        events.append(Ready(self.version))

    def _garbled(self, frame: bytes, error: str, reason: str, answer: bool, now: float, events: list[Event]) -> None:
        answered = answer and self._error(frame, error)
        events.append(Garbled(error, frame[:QUOTED], reason, answered))
        if self._errors is None:
            self._errors = Bucket()
        if self._errors.add(now, self.limits):
            seconds = self.limits.errors_time
            raise ProtocolError(f"too many messages in {seconds:g} seconds cannot be read; the last: {reason}", error)

    def _within(self, frame: bytes, kind: int, error: ProtocolError) -> ProtocolError:
        """The same error, with places counted from the beginning of the message and not of what was read with it."""
        try:
            self._readers[kind](frame, 0, len(frame))
        except ProtocolError as own:
            return own
        return error

    def _unreadable(self, frame: bytes, kind: int, xid: int, e: ProtocolError, now: float, events: list[Event]) -> None:
        pending = self._pending.get(xid)
        if pending is not None and kind in (_ERROR, kind_of(pending.reply, self.version)):
            self.forget(xid)
            events.append(Failed(pending.request, xid, f"the reply cannot be read: {e}"))
        self._garbled(frame, e.error, str(e), self.switch, now, events)

    def _refused(self, error: Error, xid: int, events: list[Event]) -> None:
        if error.type == _HELLO_FAILED:
            text = error.data.decode("ascii", "backslashreplace")[:200]
            raise ProtocolError(f"the peer refused the connection: {text or 'it does not say why'}")
        pending = self._pending.get(xid)
        self.forget(xid)
        request = None if pending is None else pending.request
        if pending is None and self._recent is not None:
            request = self._recent.find(xid)
        quoted = error_data(self.version, error)
        if request is None and whole(quoted, xid, self.version) and quoted[1] != _ERROR:
            try:
                request = self._readers[quoted[1]](quoted, 0, len(quoted))
            except ProtocolError:
                request = None
        events.append(Refused(error, xid, request))

    def _replied(self, pending: Pending, msg: Any, xid: int, size: int, events: list[Event]) -> None:
        multipart = HOMES.get(pending.reply) is REPLIES
        more = multipart and bool(msg.flags & MORE)
        if not more:
            self.forget(xid)
        if pending.stream:
            events.append(Replied(pending.request, msg, xid, more))
            return
        if not more and not pending.parts:
            events.append(Replied(pending.request, msg, xid))
            if msg.__class__ is BarrierReply and self._recent is not None:
                self._recent.carried_out(pending.mark)
            return
        limits, octets = self.limits, pending.size + size
        field = continued(pending.reply, self.version)
        if field is None:
            reason = f"{msg.__class__.__name__} came in parts, which it has none of"
        elif len(pending.parts) >= limits.parts or octets > limits.of(pending.reply):
            reason = f"the reply is longer than {limits.parts} parts or {limits.of(pending.reply)} octets"
        elif more and self._held + size > limits.assembled_together:
            reason = f"what comes in parts is longer than {limits.assembled_together} octets together"
        else:
            pending.parts.append(msg)
            if more:
                pending.size = octets
                self._held += size
            else:
                events.append(Replied(pending.request, join(pending.parts, field), xid))
            return
        self.forget(xid)
        events.append(Failed(pending.request, xid, reason))

    # -- requests in parts, at a switch ----------------------------------------------------------------------------

    def _asked_for(self, msg: Any, cls: type[Any], xid: int, size: int, now: float, events: list[Event]) -> None:
        if cls is Hello or cls is EchoReply:
            return
        multipart = self.version >= V13 and HOMES.get(cls) is REQUESTS
        assemblies = self._assemblies
        if not multipart or not (msg.flags & MORE or (assemblies and xid in assemblies)):
            events.append(Received(msg, xid))
            return
        if assemblies is None:
            assemblies = self._assemblies = {}
        assembly = assemblies.get(xid)
        error = ""
        if assembly is None:
            if len(assemblies) >= self.limits.assemblies:
                self._give_up(
                    min(assemblies, key=lambda other: assemblies[other].heard), "OFPBRC_MULTIPART_BUFFER_OVERFLOW"
                )
            if continued(cls, self.version) is None:
                error = "OFPBRC_BAD_MULTIPART"
            assembly = assemblies[xid] = Assembly()
        assembly.heard = now
        if assembly.parts is not None and not error:
            assembly.size += size
            self._held += size
            assembly.parts.append(msg)
            if assembly.parts[0].__class__ is not cls:
                error = "OFPBRC_BAD_MULTIPART"
            elif (
                len(assembly.parts) > self.limits.parts
                or assembly.size > self.limits.assembled
                or self._held > self.limits.assembled_together
            ):
                error = "OFPBRC_MULTIPART_BUFFER_OVERFLOW"
        if error:
            self._held -= assembly.size
            assembly.parts, assembly.size = None, 0
            self.refuse(xid, msg, error)
        if msg.flags & MORE:
            return
        del assemblies[xid]
        self._held -= assembly.size
        if assembly.parts is not None:
            field = continued(cls, self.version)
            assert field is not None
            events.append(Received(join(assembly.parts, field), xid))

    def _late_parts(self, now: float) -> None:
        for xid, assembly in list((self._assemblies or {}).items()):
            if now >= assembly.heard + self.limits.assembly_time:
                self._give_up(xid, "OFPBRC_MULTIPART_REQUEST_TIMEOUT")

    def _give_up(self, xid: int, error: str) -> None:
        assert self._assemblies is not None
        assembly = self._assemblies.pop(xid)
        self._held -= assembly.size
        if assembly.parts:
            self.refuse(xid, assembly.parts[0], error)

    # -- time ------------------------------------------------------------------------------------------------------

    def next_timer(self) -> float | None:
        """When `handle_timer` is next to be called; None once the peer is dead."""
        if self._dead:
            return None
        if not self.ready:
            return self._since + self.handshake_timeout
        due = self.heard + self.echo_interval if self.asked is None else self.asked + self.echo_timeout
        if self._assemblies:
            first = min(assembly.heard for assembly in self._assemblies.values())
            due = min(due, first + self.limits.assembly_time)
        return due if self.begun is None else min(due, self.begun + self.echo_interval + self.echo_timeout)

    def handle_timer(self, now: float) -> list[Event]:
        """Asks a silent peer for a sign of life, and gives up on one that does not answer."""
        if self._dead:
            return []
        if not self.ready:
            if now < self._since + self.handshake_timeout:
                return []
            self._dead = True
            return [Dead(now - self._since)]
        if self._assemblies:
            self._late_parts(now)
        if self.begun is not None and now >= self.begun + self.echo_interval + self.echo_timeout:
            self._dead = True
            return [Dead(now - self.begun, unfinished=True)]
        if self.asked is not None:
            if now < self.asked + self.echo_timeout:
                return []
            self._dead = True
            return [Dead(now - self.heard)]
        if now >= self.heard + self.echo_interval:
            self.asked = now
            self._write(encode(EchoRequest(), self.take_xids(1), self.version))
        return []

    def alive(self, now: float) -> None:
        """The peer was heard by other means, or silence is the caller's own doing (it stopped reading): start the wait
        anew. A hello is still awaited no longer than before, and so is the end of a message."""
        self.heard = now
        self.asked = None
