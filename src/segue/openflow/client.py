"""An asyncio client for one switch, over `unix:PATH` (a bridge's `.mgmt` socket) or `tcp:HOST:PORT`.

The connection's rules are in `connection`; here are its socket, its timer, and who waits for what. Writing waits for
the socket to drain, so a bundle of any length takes bounded memory. Reading happens in pieces of 64 KiB, so that
no answer, however long, holds the event loop for more than what one piece takes to decode; while a consumer of
`flow_stats` lags behind, reading stops.

A bundle (OpenFlow 1.5.1 section 7.3.9) is opened, filled, and sealed with a barrier before it is committed: a switch
that refuses an addition keeps the bundle without it, so committing before every answer is in would install the
rest. The barrier's reply comes after all refusals; only if there was none is the bundle committed.
"""

import asyncio
import contextlib
import itertools
from collections.abc import AsyncGenerator, Callable, Sequence
from typing import Any, Final

import msgspec

from segue.openflow.connection import REPLY_TO, Connection, Dead, Event, Ready, Received, Refused, Replied
from segue.openflow.errors import FLOW_MONITOR_FAILED
from segue.openflow.messages import (
    ATOMIC,
    ORDERED,
    BarrierRequest,
    BundleControl,
    BundleType,
    Error,
    FeaturesReply,
    FeaturesRequest,
    FlowEntry,
    FlowMod,
    FlowMonitorRequest,
    FlowStatsRequest,
    GetConfigReply,
    GetConfigRequest,
    Message,
    SetConfig,
)
from segue.openflow.wire import EncodeError, ProtocolError

_READ_SIZE: Final = 1 << 16
_ADDS_AT_ONCE: Final = 256
_PARTS_AHEAD: Final = 8


class OpenFlowError(Exception):
    """A switch refused a message. `index` is its place among the flow mods of a bundle, if it was one of those."""

    def __init__(self, error: Error, request: Message | None = None, index: int | None = None) -> None:
        self.error = error
        self.request = request
        self.index = index
        what = "a message" if request is None else request.__class__.__name__
        place = "" if index is None else f" number {index} of the bundle"
        super().__init__(f"the switch refused {what}{place}: {error}")


class ConnectionLost(ConnectionError):
    """The connection ended; what was asked for and not answered may or may not have been done."""


class Disconnected(msgspec.Struct, frozen=True):
    """The last event of a connection; `reason` is for people."""

    reason: str


ClientEvent = Received | Refused | Disconnected


class _Bundle:
    """The additions in flight of one bundle, and the first refusal of one."""

    def __init__(self, mods: Sequence[FlowMod]) -> None:
        self.mods = mods
        self.ranges: list[tuple[range, int]] = []
        self.refusal: OpenFlowError | None = None

    def take(self, event: Refused) -> bool:
        """Whether the error is about one of the additions."""
        for xids, start in self.ranges:
            if event.xid in xids:
                index = start + event.xid - xids.start
                if self.refusal is None:
                    self.refusal = OpenFlowError(event.error, self.mods[index], index)
                return True
        return False


class _Socket(asyncio.BufferedProtocol):
    """Hands the client what the socket reads, in pieces, and keeps it from writing faster than the socket takes."""

    def __init__(self, client: "OpenFlowClient") -> None:
        self.client = client
        self.transport: asyncio.Transport | None = None
        self.writable = asyncio.Event()
        self.writable.set()
        self.gone = asyncio.Event()
        self._buffer = memoryview(bytearray(_READ_SIZE))

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self.transport = transport
        self.client._begin(self)

    def get_buffer(self, sizehint: int) -> memoryview:  # noqa: ARG002
        return self._buffer

    def buffer_updated(self, nbytes: int) -> None:
        self.client._receive(self._buffer[:nbytes])

    def pause_writing(self) -> None:
        self.writable.clear()

    def resume_writing(self) -> None:
        self.writable.set()

    def connection_lost(self, exc: Exception | None) -> None:
        self.writable.set()
        self.gone.set()
        self.client._lose(f"the switch closed the connection{f': {exc}' if exc else ''}")


class OpenFlowClient:
    """One connection to one switch. `on_event` is called, in the event loop, with whatever answers nothing."""

    def __init__(
        self,
        target: str,
        *,
        on_event: Callable[[ClientEvent], None] | None = None,
        echo_interval: float = 5.0,
        echo_timeout: float = 10.0,
        connect_timeout: float = 10.0,
    ) -> None:
        self.target = target
        self.features: FeaturesReply | None = None
        self._on_event = on_event
        self._echo = (echo_interval, echo_timeout)
        self._connect_timeout = connect_timeout
        self._loop: asyncio.AbstractEventLoop | None = None
        self._socket: _Socket | None = None
        self._connection: Connection | None = None
        self._ready: asyncio.Future[None] | None = None
        self._waiting: dict[int, asyncio.Future[Any]] = {}
        self._streams: dict[int, asyncio.Queue[Any]] = {}
        self._bundles: list[_Bundle] = []
        self._bundle_ids = itertools.count(1)
        self._timer: asyncio.TimerHandle | None = None
        self._paused = False
        self._lost: str | None = None
        self._closed = asyncio.Event()

    async def __aenter__(self) -> "OpenFlowClient":
        await self.connect()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    @property
    def connected(self) -> bool:
        return self._connection is not None and self._connection.ready and self._lost is None

    # -- life ------------------------------------------------------------------------------------------------------

    async def connect(self, *, asynchronous: bool = False) -> FeaturesReply:
        """Connects and shakes hands. `asynchronous` asks a management socket for port status and the like too.

        OSError if there is no switch, ConnectionLost if it goes away meanwhile, ProtocolError if it does not speak
        OpenFlow 1.5, TimeoutError if it does not answer in `connect_timeout` seconds.
        """
        if self._loop is not None:
            raise RuntimeError("a client connects once; make another")
        self._loop = loop = asyncio.get_running_loop()
        self._ready = loop.create_future()
        kind, _, rest = self.target.partition(":")
        try:
            async with asyncio.timeout(self._connect_timeout):
                if kind == "unix":
                    await loop.create_unix_connection(lambda: _Socket(self), rest)
                elif kind == "tcp":
                    host, _, port = rest.rpartition(":")
                    await loop.create_connection(lambda: _Socket(self), host.strip("[]"), int(port))
                else:
                    raise ValueError(f"{self.target!r} is neither unix:PATH nor tcp:HOST:PORT")
                await self._ready
                features: FeaturesReply = await self.request(FeaturesRequest())
                if asynchronous:
                    config: GetConfigReply = await self.request(GetConfigRequest())
                    await self.request(SetConfig(config.flags, config.miss_send_len or 128))
        except BaseException as e:
            self._lose(f"could not connect: {e}")
            raise
        self.features = features
        return features

    async def close(self) -> None:
        """Ends the connection; whoever still waits gets ConnectionLost."""
        self._lose("closed here")
        if self._socket is not None:
            try:
                async with asyncio.timeout(1):
                    await self._socket.gone.wait()
            except TimeoutError:
                assert self._socket.transport is not None
                self._socket.transport.abort()

    async def wait_closed(self) -> str:
        """Waits for the end of the connection, and says why it ended."""
        await self._closed.wait()
        return self._lost or ""

    # -- requests --------------------------------------------------------------------------------------------------

    async def request(self, msg: Message) -> Any:
        """The reply; None for a message that has none, once a barrier says that it was carried out.

        A flow monitor is asked for with a barrier too, for the reason that `monitor` gives.
        OpenFlowError if the switch refuses, ConnectionLost, EncodeError.
        """
        xid, future = self._post(msg)
        try:
            if msg.__class__ in REPLY_TO and not isinstance(msg, FlowMonitorRequest):
                await self._drain()
                return await future
            await self.barrier()
            if future.done():
                return future.result()
            if isinstance(msg, FlowMonitorRequest):
                raise OpenFlowError(Error(FLOW_MONITOR_FAILED, 0), msg)
            return None
        finally:
            self._forget(xid, future)

    async def send(self, msg: Message) -> int:
        """Sends without waiting for an answer and returns the xid; an error about it comes as `Refused`."""
        xid = self._live().send(msg)
        self._flush()
        await self._drain()
        return xid

    async def barrier(self) -> None:
        """Returns when the switch has carried out everything sent before."""
        await self.request(BarrierRequest())

    async def bundle(self, mods: Sequence[FlowMod], *, flags: int = ATOMIC | ORDERED) -> None:
        """Carries out all of `mods`, or none.

        OpenFlowError says which one the switch refused (`index`) and why; EncodeError which one cannot be said (its
        `index`). In both cases none took effect. ConnectionLost after all were sent leaves it open.
        """
        if not mods:
            return
        bundle_id = next(self._bundle_ids)
        state = _Bundle(mods)
        self._bundles.append(state)
        opened, opening = self._post(BundleControl(bundle_id, BundleType.OPEN_REQUEST, flags))
        committing = False
        try:
            for start in range(0, len(mods), _ADDS_AT_ONCE):
                await self._add(state, start, bundle_id, flags)
                if state.refusal is not None or (opening.done() and opening.exception() is not None):
                    break
            await self.barrier()
            await opening
            if state.refusal is not None:
                raise state.refusal
            committing = True
            await self.request(BundleControl(bundle_id, BundleType.COMMIT_REQUEST, flags))
        except OpenFlowError as e:
            if not committing:
                with contextlib.suppress(OpenFlowError):
                    await self.request(BundleControl(bundle_id, BundleType.DISCARD_REQUEST, flags))
            raise state.refusal or e from None
        except (EncodeError, asyncio.CancelledError):
            if not committing and self.connected:
                self._live().send(BundleControl(bundle_id, BundleType.DISCARD_REQUEST, flags))
                self._flush()
            raise
        finally:
            self._forget(opened, opening)
            self._bundles.remove(state)

    async def _add(self, state: _Bundle, start: int, bundle_id: int, flags: int) -> None:
        chunk = state.mods[start : start + _ADDS_AT_ONCE]
        try:
            xids = self._live().send_bundle_adds(chunk, bundle_id, flags)
        except EncodeError as e:
            if e.index is not None:
                e.index += start
            raise
        state.ranges.append((xids, start))
        self._flush()
        await self._drain()
        await asyncio.sleep(0)

    async def flow_stats(self, request: FlowStatsRequest | None = None) -> AsyncGenerator[tuple[FlowEntry, ...], None]:
        """The flows that `request` means (all, if None), some hundreds at a time, as they arrive."""
        xid = self._live().send(request or FlowStatsRequest(), stream=True)
        parts: asyncio.Queue[Any] = asyncio.Queue()
        self._streams[xid] = parts
        try:
            self._flush()
            await self._drain()
            more = True
            while more:
                part = await parts.get()
                self._pause_or_resume()
                if isinstance(part, Exception):
                    raise part
                more = part.more
                if part.flows:
                    yield part.flows
        finally:
            del self._streams[xid]
            if self._connection is not None:
                self._connection.forget(xid)
            self._pause_or_resume()

    # -- underneath ------------------------------------------------------------------------------------------------

    def _live(self) -> Connection:
        if self._lost is not None:
            raise ConnectionLost(f"{self.target}: {self._lost}")
        if self._connection is None:
            raise ConnectionLost(f"{self.target}: not connected")
        return self._connection

    def _post(self, msg: Message) -> tuple[int, asyncio.Future[Any]]:
        """Sends a message; the future gets its reply or its refusal, until `_forget`."""
        connection = self._live()
        assert self._loop is not None
        xid = connection.send(msg)
        future = self._waiting[xid] = self._loop.create_future()
        self._pause_or_resume()
        self._flush()
        return xid, future

    def _forget(self, xid: int, future: asyncio.Future[Any]) -> None:
        self._waiting.pop(xid, None)
        if self._connection is not None:
            self._connection.forget(xid)
        if not future.done():
            future.cancel()
        elif not future.cancelled():
            future.exception()  # marks it as seen
        self._pause_or_resume()

    def _flush(self) -> None:
        if self._connection is None or self._socket is None or self._socket.transport is None:
            return
        data = self._connection.data_to_send()
        if data:
            self._socket.transport.write(data)

    async def _drain(self) -> None:
        if self._socket is not None and not self._socket.writable.is_set():
            await self._socket.writable.wait()
        self._live()

    def _pause_or_resume(self) -> None:
        """Stops reading while a stream's consumer lags, unless somebody waits for something else meanwhile."""
        lagging = not self._waiting and any(parts.qsize() >= _PARTS_AHEAD for parts in self._streams.values())
        if lagging == self._paused or self._lost is not None or self._socket is None:
            return
        self._paused = lagging
        assert self._socket.transport is not None
        if lagging:
            self._socket.transport.pause_reading()
        else:
            self._socket.transport.resume_reading()

    def _begin(self, socket: _Socket) -> None:
        assert self._loop is not None
        self._socket = socket
        self._connection = Connection(self._loop.time(), echo_interval=self._echo[0], echo_timeout=self._echo[1])
        if self._lost is not None and socket.transport is not None:
            socket.transport.abort()
            return
        self._flush()
        self._tick()

    def _tick(self) -> None:
        assert self._loop is not None
        assert self._connection is not None
        now = self._loop.time()
        if self._paused:
            self._connection.alive(now)
        for event in self._connection.handle_timer(now):
            self._dispatch(event)
        self._flush()
        due = self._connection.next_timer()
        if due is not None and self._lost is None:
            self._timer = self._loop.call_at(due, self._tick)

    def _receive(self, data: memoryview) -> None:
        if self._connection is None or self._loop is None or self._lost is not None:
            return
        try:
            for event in self._connection.receive_data(data, self._loop.time()):
                self._dispatch(event)
        except ProtocolError as e:
            self._flush()
            self._lose(str(e), e)
            return
        self._flush()
        self._pause_or_resume()

    def _dispatch(self, event: Event) -> None:
        if isinstance(event, Replied):
            parts = self._streams.get(event.xid)
            if parts is not None:
                parts.put_nowait(event.reply)
            elif (future := self._waiting.pop(event.xid, None)) is not None and not future.done():
                future.set_result(event.reply)
        elif isinstance(event, Refused):
            if not self._refused(event):
                self._tell(event)
        elif isinstance(event, Received):
            self._tell(event)
        elif isinstance(event, Ready):
            if self._ready is not None and not self._ready.done():
                self._ready.set_result(None)
        elif isinstance(event, Dead):
            self._lose(f"the switch has been silent for {event.silence:.1f} seconds", abort=True)

    def _refused(self, event: Refused) -> bool:
        future = self._waiting.pop(event.xid, None)
        if future is not None:
            if not future.done():
                future.set_exception(OpenFlowError(event.error, event.request))
            return True
        parts = self._streams.get(event.xid)
        if parts is not None:
            parts.put_nowait(OpenFlowError(event.error, event.request))
            return True
        return any(state.take(event) for state in self._bundles)

    def _tell(self, event: ClientEvent) -> None:
        if self._on_event is None:
            return
        try:
            self._on_event(event)
        except Exception as e:
            assert self._loop is not None
            self._loop.call_exception_handler({"message": f"on_event failed for {event!r:.200}", "exception": e})

    def _lose(self, reason: str, cause: Exception | None = None, *, abort: bool = False) -> None:
        if self._lost is not None:
            return
        was_ready = self._connection is not None and self._connection.ready
        self._lost = reason
        if self._timer is not None:
            self._timer.cancel()
        error = ConnectionLost(f"{self.target}: {reason}")
        if self._ready is not None and not self._ready.done():
            self._ready.set_exception(cause or error)
            self._ready.exception()
        for future in self._waiting.values():
            if not future.done():
                future.set_exception(error)
        self._waiting.clear()
        for parts in self._streams.values():
            parts.put_nowait(error)
        if self._socket is not None:
            self._socket.writable.set()
            if self._socket.transport is not None:
                if abort:
                    self._socket.transport.abort()
                else:
                    self._socket.transport.close()
        self._closed.set()
        if was_ready:
            self._tell(Disconnected(reason))
