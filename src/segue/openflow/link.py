"""A connection on its socket, for asyncio, without who waits for what (`channel`): reading, writing, liveness, the end.

- Reading is into one buffer for all sockets of a loop (`loop_share`), and so is their timer; an idle one is small.
- What handlers send while messages are read goes out in one write at the end; anything else in one at the end of the
  loop's turn.
- While more than `READ_STOPS` octets wait to be written nothing is read, so a peer that makes us answer has to read
  the answers. It is more than what makes `drain` wait: who only sends with care does not stop the reading, or two
  such ends would wait for each other. A pump does nothing but answer, so that reading stops as soon as its answers
  wait. A peer that takes nothing for as long as silence may last, or behind by `MOST_UNSENT`, is given up.
- `pump`, if set, is a faster loop: it gets all that is read, and gives back by `receive_frame` what it does not handle.
"""

import asyncio
from collections.abc import Callable, Iterable
from typing import Any, Final, Protocol

from segue.openflow.connection import Connection, Event, Prepared, Received
from segue.openflow.declare import Message
from segue.openflow.endpoint import Endpoint
from segue.openflow.loop_share import LONG, Share, share_of
from segue.openflow.wire import ProtocolError

WRITE_WAITS: Final = 1 << 15
"""Octets waiting to be written above which `drain` waits, and a pump's connection is not read."""
READ_STOPS: Final = 1 << 18
"""Octets waiting to be written above which nothing is read."""
MOST_UNSENT: Final = 1 << 25
"""Octets waiting to be written above which the peer is given up: who sends so much must wait for `drain`."""
LINGER: Final = 2.0
"""Seconds that a closed connection has for what is still to be written."""
_WRITE_SOON: Final = 1 << 16


class ConnectionLost(ConnectionError):
    """The connection ended; what was asked for and not answered may or may not have been done."""


class PumpLike(Protocol):
    """A faster loop (`pump.Pump`, or the compiled core's). `stopped` is set when the connection ends. By `pending`,
    the octets of a message that is not whole yet, one that never ends is noticed."""

    stopped: bool

    @property
    def pending(self) -> int: ...

    def feed(self, view: Any, /) -> bytes | None: ...


class Link(asyncio.BufferedProtocol):
    """One connection. `on_event` is called, in the event loop, with whatever answers nothing: Received, Refused,
    Garbled; `on_close` once, with the reason, for people; `on_slow` with the pump and the seconds, when it has held
    everybody up for longer than `LONG`. `connection.observe` sees all but what `pump` handles."""

    __slots__ = (
        "__weakref__",
        "_busy",
        "_cause",
        "_direct",
        "_entry",
        "_flooded",
        "_flushing",
        "_gone",
        "_loop",
        "_lost",
        "_name",
        "_passed",
        "_passed_at",
        "_paused",
        "_share",
        "_transport",
        "_writable",
        "_written",
        "connection",
        "on_close",
        "on_event",
        "on_slow",
        "pump",
    )

    def __init__(
        self,
        connection: Connection,
        loop: asyncio.AbstractEventLoop,
        *,
        name: str = "",
    ) -> None:
        self.connection = connection
        self.on_event: Callable[[Any], None] | None = None
        self.on_close: Callable[[str], None] | None = None
        self.on_slow: Callable[[Any, float], None] | None = None
        self.pump: PumpLike | None = None
        self._name = name
        self._loop = loop
        self._share: Share = share_of(loop)
        self._transport: Any = None
        self._entry: list[Any] | None = None
        self._lost: str | None = None
        self._cause: Exception | None = None
        self._gone: asyncio.Future[None] | None = None
        self._busy = False
        self._flushing = False
        self._paused = False
        self._direct: Any = None
        self._flooded = False
        self._written = 0
        self._passed = 0
        self._passed_at = 0.0
        self._writable: asyncio.Future[None] | None = None

    def __repr__(self) -> str:
        return f"<{type(self).__name__.lower()} {self.peer}{'' if self._lost is None else ', closed'}>"

    @property
    def version(self) -> int:
        """The wire number of the version agreed on, 0 before that."""
        return self.connection.version

    @property
    def peer(self) -> str:
        """The other end's address, as a target."""
        if self._name or self._transport is None:
            return self._name or "nobody"
        address = self._transport.get_extra_info("peername")
        if isinstance(address, tuple):
            secure = self._transport.get_extra_info("sslcontext") is not None
            return str(Endpoint("tcp", address[0], address[1], secure=secure))
        return f"unix:{address}" if address else "unix"

    @property
    def certificate(self) -> dict[str, Any] | None:
        """The other end's, as `ssl.SSLSocket.getpeercert` tells of it; None without TLS."""
        return None if self._transport is None else self._transport.get_extra_info("peercert")

    @property
    def introduced(self) -> bool:
        """Whether both have said hello, whatever has become of it since."""
        return self.connection.ready

    @property
    def connected(self) -> bool:
        return self.connection.ready and self._lost is None

    @property
    def lost(self) -> str | None:
        """Why the connection ended; None while it has not."""
        return self._lost

    @property
    def cause(self) -> Exception | None:
        """The peer's violation of the protocol that ended the connection, if that was it."""
        return self._cause

    @property
    def unsent(self) -> int:
        """Octets that wait to be written."""
        waiting: int = 0 if self._transport is None else self._transport.get_write_buffer_size()
        return waiting + self.connection.unsent

    # -- sending ---------------------------------------------------------------------------------------------------

    def send(self, msg: Message, xid: int | None = None) -> int:
        """Sends without waiting for an answer and returns the xid; an error about it comes as `Refused`.

        EncodeError if it cannot be said. A connection that has ended takes nothing, and the xid is 0. Who sends much
        waits for `drain` now and then.
        """
        if self._lost is not None:
            return 0
        xid = self.connection.send(msg, xid)
        self._soon()
        return xid

    def prepare(self, messages: Iterable[Message]) -> list[Prepared]:
        """What `queue` takes: messages that can be said, with their xids and octets. EncodeError if one cannot."""
        if self._lost is not None:
            return []
        prepare = self.connection.prepare
        return [prepare(msg) for msg in messages]

    def queue(self, prepared: Iterable[Prepared]) -> None:
        """Sends what was prepared."""
        if self._lost is not None:
            return
        for one in prepared:
            self.connection.queue(one)
        self._soon()

    def refuse(self, event: Received, code_name: str) -> None:
        """Answers a request with an error."""
        if self._lost is None:
            self.connection.refuse(event.xid, event.message, code_name)
            self._soon()

    async def drain(self) -> None:
        """Waits until the peer takes what is to be written. ConnectionLost."""
        self._live()
        if self.connection.unsent:
            self._flush()
        while self._writable is not None:
            await asyncio.shield(self._writable)
        self._live()

    def flush(self) -> None:
        """Writes what was sent now, not at the end of the loop's turn."""
        if self._lost is None:
            self._flush()

    # -- the end ---------------------------------------------------------------------------------------------------

    def close(self, reason: str = "closed here") -> None:
        """Ends the connection, after what was sent is written; whoever still waits gets ConnectionLost."""
        self._lose(reason)

    def abort(self, reason: str = "closed here") -> None:
        """Ends the connection at once."""
        self._lose(reason)
        if self._transport is not None:
            self._transport.abort()

    async def aclose(self, reason: str = "closed here") -> None:
        """Ends the connection, and waits until what was sent is written, `LINGER` seconds at the most."""
        self._lose(reason)
        await self.wait_closed()

    async def wait_closed(self) -> str:
        """Waits for the end of the connection, and says why it ended."""
        if self._transport is not None or self._lost is None:
            if self._gone is None:
                self._gone = self._loop.create_future()
            await asyncio.shield(self._gone)
        return self._lost or ""

    # -- reading ---------------------------------------------------------------------------------------------------

    def receive_frame(self, frame: bytes) -> bytes:
        """What is to be sent for one whole message, for a pump that does not handle it. ProtocolError."""
        events = self.connection.receive_frame(frame, self._share.clock())
        for event in events:
            self._dispatch(event)
        return self.connection.data_to_send()

    def _receive(self, view: memoryview) -> None:
        """Without a pump."""
        events: list[Event] = []
        wrong: ProtocolError | None = None
        self._busy = True
        try:
            self.connection.receive_data(view, self._share.clock(), events)
        except ProtocolError as e:
            wrong = e
        finally:
            for event in events:
                self._dispatch(event)
            self._busy = False
        self._received(wrong)

    def _received(self, wrong: ProtocolError | None) -> None:
        """Writes what came of a read, or ends."""
        if self._lost is None:
            self._flush()
        elif self._transport is not None:
            self._transport.close()  # by a handler, whose answers and those before it are written
        if wrong is not None:
            self._lose(str(wrong), wrong)

    def _tell(self, event: Event) -> None:
        if self.on_event is not None:
            self._call(self.on_event, event)

    def _call(self, function: Callable[[Any], None], argument: Any) -> None:
        """What the application does wrong is not the connection's end."""
        try:
            function(argument)
        except Exception as e:
            message = f"{self.peer}: {getattr(function, '__qualname__', function)} failed for {argument!r:.200}"
            self._loop.call_exception_handler({"message": message, "exception": e})

    # -- what a channel adds ---------------------------------------------------------------------------------------

    def _dispatch(self, event: Event) -> None:
        """An event of the connection's."""
        raise NotImplementedError

    def _fail(self, error: ConnectionLost) -> None:
        """The connection has ended: tells whoever waits for an answer."""

    def _lagging(self) -> bool:
        """Whether to stop reading because what was read is not taken."""
        return False

    # -- underneath ------------------------------------------------------------------------------------------------

    def _live(self) -> Connection:
        if self._lost is not None:
            raise ConnectionLost(f"{self.peer}: {self._lost}")
        return self.connection

    def _soon(self) -> None:
        if self._busy:
            return
        if self.connection.unsent >= _WRITE_SOON:
            self._flush()
        elif not self._flushing:
            self._flushing = True
            self._loop.call_soon(self._flush_now)

    def _flush_now(self) -> None:
        self._flushing = False
        if self._lost is None:
            self._flush()

    def _flush(self) -> None:
        if self.connection.unsent and self._transport is not None:
            self._write(self.connection.data_to_send())

    def _write(self, data: bytes) -> None:
        transport = self._transport
        if transport is None:
            return
        transport.write(data)
        if self._writable is None:
            return
        self._written += len(data)
        waiting = transport.get_write_buffer_size()
        if waiting > MOST_UNSENT:
            self._lose(f"the peer does not read: {waiting} octets wait for it", abort=True)
        elif waiting > READ_STOPS and not self._flooded:
            self._flooded = True
            self._regulate()

    def _regulate(self) -> None:
        """Stops reading, or goes on with it: while too much is to be written, and while what was read is not taken."""
        stop = self._flooded or self._lagging()
        if stop == self._paused or self._lost is not None or self._transport is None:
            return
        self._paused = stop
        if not stop:
            self._excuse(self._share.clock())
        if self._direct is not None:
            (self._direct.pause if stop else self._direct.resume)()
        elif stop:
            self._transport.pause_reading()
        else:
            self._transport.resume_reading()

    def read_directly(self) -> None:
        """From now on what comes is read where the loop spins, if it does; see `spin`."""
        from segue.openflow.spin import direct

        if self._transport is not None and not self._paused and self._direct is None:
            self._direct = direct(self._loop, self._transport, self.get_buffer, self.buffer_updated)

    def _excuse(self, now: float) -> None:
        """That nothing is heard is our own doing."""
        self.connection.alive(now)
        if self.connection.begun is not None:
            self.connection.begun = now

    def due(self, now: float) -> float | None:
        """For `loop_share`: liveness. Returns when to look again."""
        if self._transport is None:
            return None
        if self._lost is not None:
            self._transport.abort()
            return None
        connection = self.connection
        if self._writable is not None:
            passed = self._written - self._transport.get_write_buffer_size()
            if passed != self._passed:
                self._passed, self._passed_at = passed, now
            elif now - self._passed_at >= connection.echo_interval + connection.echo_timeout:
                seconds = now - self._passed_at
                self._lose(f"the peer has not read for {seconds:.1f} seconds", abort=True)
                return None
        if self._paused and connection.ready:
            self._excuse(now)
        for event in connection.handle_timer(now):
            self._dispatch(event)
        if self._lost is not None:
            return None if self._transport is None else now + LINGER
        self._flush()
        due = connection.next_timer()
        return None if due is None else min(due, now + connection.echo_interval)

    def _lose(self, reason: str, cause: Exception | None = None, *, abort: bool = False) -> None:
        if self._lost is not None:
            return
        self._flush()
        if self._lost is not None:
            return
        self._lost = reason
        self._cause = cause
        if self.pump is not None:
            self.pump.stopped = True
            self.pump = None
        if self._direct is not None:
            self._direct.close()
            self._direct = None
        self._fail(ConnectionLost(f"{self.peer}: {reason}"))
        self._let_write()
        if self._entry is not None:
            self._share.leave(self._entry)
            self._entry = None
        if self._transport is None:
            self._let_go()
        elif abort:
            self._transport.abort()
        else:
            if not self._busy:
                self._transport.close()
            self._entry = self._share.enter(self._loop, self._share.clock() + LINGER, self)
        self._loop.call_soon(self._closed)

    def _closed(self) -> None:
        on_close, self.on_close = self.on_close, None
        if on_close is not None:
            self._call(on_close, self._lost or "")
        self.on_event = None

    def _let_go(self) -> None:
        if self._gone is not None and not self._gone.done():
            self._gone.set_result(None)

    def _let_write(self) -> None:
        writable, self._writable = self._writable, None
        if writable is not None and not writable.done():
            writable.set_result(None)

    # -- asyncio's side --------------------------------------------------------------------------------------------

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = transport
        if self._lost is not None:
            self._transport.abort()
            return
        transport.set_write_buffer_limits(high=WRITE_WAITS)  # type: ignore[attr-defined]
        connection = self.connection
        first = min(connection.handshake_timeout, connection.echo_interval)
        self._entry = self._share.enter(self._loop, self._share.clock() + first, self)
        self._flush()

    def get_buffer(self, sizehint: int) -> memoryview:  # noqa: ARG002
        return self._share.turn

    def buffer_updated(self, nbytes: int) -> None:
        """With a pump, all that is done for each message of a switch that sends one at a time is here."""
        if self._lost is not None:
            return
        view, pump = self._share.buffer[:nbytes], self.pump
        if pump is None:
            self._receive(view)
            return
        connection, clock = self.connection, self._share.clock
        before = 0
        if connection.begun is not None:
            if rest := connection.take_rest():  # of before there was a pump
                view = memoryview(rest + view)
            before = pump.pending
        wrong: ProtocolError | None = None
        self._busy = True
        connection.heard = now = clock()
        connection.asked = None
        try:
            out = pump.feed(view)
            if after := pump.pending:
                if not before or after < before + len(view):  # a message ended since
                    connection.begun = now
            else:
                connection.begun = None
            if out:
                self._write(out)
                if self._writable is not None and not self._flooded:
                    self._flooded = True  # answers wait: nothing more is read until the peer takes them
                    self._regulate()
        except ProtocolError as e:
            wrong = e
        finally:
            self._busy = False
        if wrong is not None or self._lost is not None or connection.unsent:
            self._received(wrong)
        seconds = clock() - now
        if seconds > LONG and self.on_slow is not None:
            self.on_slow(pump, seconds)

    def pause_writing(self) -> None:
        if self._writable is None and self._lost is None:
            self._writable = self._loop.create_future()
            self._passed, self._passed_at = -1, self._share.clock()

    def resume_writing(self) -> None:
        self._let_write()
        if self._flooded:
            self._flooded = False
            self._regulate()

    def connection_lost(self, exc: Exception | None) -> None:
        transport, self._transport = self._transport, None
        if transport is not None and not self._name:
            self._transport, self._name = transport, ""
            self._name = self.peer
            self._transport = None
        self._lose(f"the peer closed the connection{f': {exc}' if exc else ''}")
        if self._entry is not None:
            self._share.leave(self._entry)
            self._entry = None
        self._let_go()
