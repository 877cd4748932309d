"""A connection on its socket, with requests and answers: `Channel`, of either end; and how to come by one.

`dial` calls a peer, `Dialer` calls again whenever the connection ends, with growing pauses and some chance in them so
that a thousand switches do not all come at the same moment; `listen` waits to be called. `on_channel` gets each
channel when both sides have agreed on a version, and before anything that comes behind the hello: it sets `on_event`
and the like.
"""

import asyncio
import contextlib
import errno
import logging
import os
import random
import socket
import ssl
import stat
from collections.abc import AsyncGenerator, Callable, Iterable
from pathlib import Path
from typing import Any, Final, Literal

from segue.openflow.callers import Callers, TurnedAway
from segue.openflow.connection import (
    Connection,
    Dead,
    Event,
    Failed,
    Garbled,
    Ready,
    Received,
    Refused,
    Replied,
)
from segue.openflow.declare import Message
from segue.openflow.endpoint import Certificates, Endpoint, active, passive
from segue.openflow.limits import LIMITS, Limits
from segue.openflow.link import ConnectionLost, Link
from segue.openflow.pairing import MORE
from segue.openflow.protocol.basic import BarrierRequest, Error
from segue.openflow.protocol.errors import error_message, error_name, type_name
from segue.openflow.reached import Resolve, reached
from segue.openflow.replies import typed
from segue.openflow.wire import V14, V15, VERSIONS, ProtocolError

__all__ = ["Channel", "ConnectionLost", "Dialer", "Listener", "OpenFlowError", "dial", "listen"]

log = logging.getLogger("segue.openflow")

BACKLOG: Final = 4096
"""Callers that may wait to be accepted: a thousand switches come at once when a controller starts."""
_ACCEPTED: Final = 32
"""Callers that are accepted in one turn of the loop: while one introduces itself it occupies more than later."""
_PARTS_AHEAD: Final = 8
_MOST_PARTS_AHEAD: Final = 1024

Side = Literal["controller", "switch"]
Tls = Certificates | ssl.SSLContext | None


class OpenFlowError(Exception):
    """The peer refused a message. `index` is its place among the messages of a bundle, if it was one of those; `name`
    the error code's name in the specification, or None."""

    def __init__(
        self, error: Error, request: Message | None = None, index: int | None = None, *, version: int = V15
    ) -> None:
        self.error = error
        self.request = request
        self.index = index
        self.version = version
        self.name = error_name(version, error)
        what = "a message" if request is None else type(request).__name__
        place = "" if index is None else f" number {index} of the bundle"
        kind = type_name(version, error.type) or f"type {error.type:#x}"
        super().__init__(f"the switch refused {what}{place}: {kind} {self.name or f'code {error.code}'}")


class Channel(Link):
    """One connection. `on_event` is called, in the event loop, with whatever answers nothing: Received, Refused,
    Garbled. `most_read`, if it is set: the most octets that are read, and handled, in one turn of the loop."""

    __slots__ = ("_held", "_on_open", "_streams", "_waiting", "most_read")

    def __init__(
        self,
        connection: Connection,
        loop: asyncio.AbstractEventLoop,
        on_open: Callable[["Channel"], None] | None = None,
        *,
        name: str = "",
    ) -> None:
        super().__init__(connection, loop, name=name)
        self._on_open = on_open
        self._waiting: dict[int, asyncio.Future[Any]] | None = None
        self._streams: dict[int, asyncio.Queue[Any]] | None = None
        self._held = False
        self.most_read = 0

    @typed
    async def request(self, msg: Message, timeout: float | None = 10.0) -> Any:  # noqa: ASYNC109
        """The reply; None for a message that has none, once a barrier says that it was carried out.

        A flow monitor is asked for with a barrier too, for the reason that `protocol.monitors` gives. Raises
        OpenFlowError, ConnectionLost, TimeoutError, EncodeError, and ProtocolError for a reply that cannot be read.
        """
        async with asyncio.timeout(timeout):
            future, xid = self._post(msg)
            try:
                reply = self.connection.answered_by(type(msg))
                silent = self.connection.may_stay_silent(type(msg))
                if reply is not None and not silent:
                    await self.drain()
                    return await future
                await self.barrier(None)
                if future.done():
                    return future.result()
                if silent:
                    why = "OFPMOFC_UNKNOWN" if self.version >= V14 else "OFPBRC_EPERM"
                    raise OpenFlowError(error_message(self.version, why), msg, version=self.version)
                return None
            finally:
                self._forget(xid, future)

    def ask(self, msg: Message) -> asyncio.Future[Any]:
        """The reply to come, of a message that has one, without a limit of time. ConnectionLost, EncodeError. Where a
        thousand are asked at a time, this takes less memory than `request`."""
        return self._post(msg)[0]

    def hold(self) -> None:
        """Reads no more until `release`: who handles what was read has enough of it."""
        self._held = True
        self._regulate()

    def release(self) -> None:
        self._held = False
        self._regulate()

    async def barrier(self, timeout: float | None = 10.0) -> None:  # noqa: ASYNC109
        """Returns when the peer has carried out everything sent before."""
        await self.request(BarrierRequest(), timeout)

    async def stream(self, msg: Message) -> AsyncGenerator[Any, None]:
        """The parts of a multipart reply as they arrive. While they are not taken, reading stops."""
        connection = self._live()
        xid = connection.send(msg, stream=True)
        parts: asyncio.Queue[Any] = asyncio.Queue()
        if self._streams is None:
            self._streams = {}
        self._streams[xid] = parts
        try:
            self._soon()
            await self.drain()
            more = True
            while more:
                part = await parts.get()
                self._regulate()
                if isinstance(part, Exception):
                    raise part
                more = bool(getattr(part, "flags", 0) & MORE)
                yield part
        finally:
            del self._streams[xid]
            if not self._streams:
                self._streams = None
            connection.forget(xid)
            self._regulate()

    def get_buffer(self, sizehint: int) -> memoryview:  # noqa: ARG002
        share = self._share
        if self.most_read:
            return share.buffer[: self.most_read]
        return share.piece if self._streams else share.turn

    # -- underneath ------------------------------------------------------------------------------------------------

    def _dispatch(self, event: Event) -> None:
        if self._lost is not None:
            return
        cls = event.__class__
        if cls is Received:
            self._tell(event)
        elif isinstance(event, Replied):
            self._settle(event.xid, event.reply)
        elif isinstance(event, Refused):
            if self._waits(event.xid):
                self._settle(event.xid, OpenFlowError(event.error, event.request, version=self.version))
            else:
                self._tell(event)
        elif isinstance(event, Failed):
            self._settle(event.xid, ProtocolError(event.reason))
        elif isinstance(event, Garbled):
            self._tell(event)
        elif isinstance(event, Ready):
            if self._on_open is not None:
                on_open, self._on_open = self._on_open, None
                self._call(on_open, self)
        elif isinstance(event, Dead):
            what = "been silent" if self.connection.ready else "not said hello"
            what = "not finished a message" if event.unfinished else what
            self._lose(f"the peer has {what} for {event.silence:.1f} seconds", abort=True)

    def _waits(self, xid: int) -> bool:
        return (self._waiting is not None and xid in self._waiting) or (
            self._streams is not None and xid in self._streams
        )

    def _settle(self, xid: int, answer: Any) -> None:
        """Gives whoever waits for `xid` the reply, or the exception."""
        parts = None if self._streams is None else self._streams.get(xid)
        if parts is not None:
            parts.put_nowait(answer)
            self._regulate()
            return
        future = self._take(xid)
        if future is not None and not future.done():
            if isinstance(answer, Exception):
                future.set_exception(answer)
            else:
                future.set_result(answer)

    def _post(self, msg: Message) -> tuple[asyncio.Future[Any], int]:
        self._live()
        xid = self.send(msg)
        future = self._loop.create_future()
        if self._waiting is None:
            self._waiting = {}
        self._waiting[xid] = future
        self._regulate()
        return future, xid

    def _take(self, xid: int) -> asyncio.Future[Any] | None:
        if self._waiting is None:
            return None
        future = self._waiting.pop(xid, None)
        if not self._waiting:
            self._waiting = None
        return future

    def _forget(self, xid: int, future: asyncio.Future[Any]) -> None:
        self._take(xid)
        self.connection.forget(xid)
        if not future.done():
            future.cancel()
        elif not future.cancelled():
            future.exception()  # marks it as seen
        self._regulate()

    def _fail(self, error: ConnectionLost) -> None:
        for future in (self._waiting or {}).values():
            if not future.done():
                future.set_exception(error)
        self._waiting = None
        for parts in (self._streams or {}).values():
            parts.put_nowait(error)

    def _lagging(self) -> bool:
        """A stream's consumer takes its time; bearable for longer if somebody waits for something else meanwhile."""
        if self._held or not self._streams:
            return self._held
        ahead = max(parts.qsize() for parts in self._streams.values())
        return ahead >= (_MOST_PARTS_AHEAD if self._waiting else _PARTS_AHEAD)


# -- calling and being called --------------------------------------------------------------------------------------


class _Factory:
    """Makes the connections of one dialer or listener, which share what is the same in all."""

    def __init__(
        self,
        *,
        side: Side = "controller",
        versions: Iterable[int] = VERSIONS,
        echo_interval: float = 5.0,
        echo_timeout: float = 10.0,
        handshake_timeout: float = 10.0,
        limits: Limits = LIMITS,
        on_made: Callable[[Channel], None] | None = None,
    ) -> None:
        self.on_made = on_made
        self.settings: dict[str, Any] = {
            "side": side,
            "versions": frozenset(versions),
            "echo_interval": echo_interval,
            "echo_timeout": echo_timeout,
            "handshake_timeout": handshake_timeout,
            "limits": limits,
        }
        Connection(0.0, **self.settings)  # tells at once if the versions are none

    def __call__(self, on_open: Callable[[Channel], None] | None, name: str = "") -> Channel:
        loop = asyncio.get_running_loop()
        channel = Channel(Connection(loop.time(), **self.settings), loop, on_open, name=name)
        if self.on_made is not None:
            self.on_made(channel)
        return channel


def _context(endpoint: Endpoint, tls: Tls, *, server: bool) -> ssl.SSLContext | None:
    if not endpoint.secure:
        return None
    if tls is None:
        raise ValueError(f"{endpoint} needs certificates: a certificate, its key, and the authority's certificate")
    return tls.context(server=server) if isinstance(tls, Certificates) else tls


async def dial(
    target: str,
    *,
    tls: Tls = None,
    timeout: float = 10.0,  # noqa: ASYNC109
    on_channel: Callable[[Channel], None] | None = None,
    **settings: Any,
) -> Channel:
    """Calls a peer and agrees on a version with it. `settings` are those of `Connection`; `on_channel` sees the channel
    before anything behind the hello, and `on_made`, which may be among the settings, before the hello.

    OSError if nobody is there, ConnectionLost if the peer goes away, ProtocolError (VersionError) if it speaks
    something else, TimeoutError after `timeout` seconds, ValueError for a target that is none.
    """
    endpoint = active(target)
    return await _dial(endpoint, _context(endpoint, tls, server=False), _Factory(**settings), on_channel, timeout)


async def _dial(
    endpoint: Endpoint,
    context: ssl.SSLContext | None,
    factory: _Factory,
    on_channel: Callable[[Channel], None] | None,
    timeout: float,  # noqa: ASYNC109
    resolve: Resolve | None = None,
) -> Channel:
    loop = asyncio.get_running_loop()
    opened: asyncio.Future[None] = loop.create_future()

    def ready(channel: Channel) -> None:
        if not opened.done():
            opened.set_result(None)
        if on_channel is not None:
            on_channel(channel)

    def closed(reason: str) -> None:
        if not opened.done():
            opened.set_exception(channel.cause or ConnectionLost(f"{endpoint}: {reason}"))

    channel = factory(ready, str(endpoint))
    channel.on_close = closed
    try:
        async with asyncio.timeout(timeout):
            if endpoint.kind == "unix":
                await loop.create_unix_connection(lambda: channel, endpoint.path)
            elif resolve is None:
                await loop.create_connection(lambda: channel, endpoint.host, endpoint.port, ssl=context)
            else:
                sock = await reached(await resolve(endpoint.host, endpoint.port), endpoint.port)
                name = None if context is None else endpoint.host
                await loop.create_connection(lambda: channel, sock=sock, ssl=context, server_hostname=name)
            await opened
    except BaseException as e:
        channel.on_close = None
        opened.cancel()
        late = isinstance(e, (TimeoutError, asyncio.CancelledError)) and not getattr(e, "errno", None)
        channel.abort("it was not connected in time" if late else str(e) or type(e).__name__)
        raise
    if channel.on_close is closed:
        channel.on_close = None
    return channel


class Dialer:
    """Keeps a connection to a peer: calls it, and calls again when that failed or the connection has ended.

    The pauses between attempts double from `shortest` to `longest` seconds, each made shorter by up to a half by chance
    (`random` gives numbers from 0 to 1), and begin anew after a connection that lasted for `steady` seconds: a peer
    that takes calls and ends them at once is called no more often than one that takes none. `resolve` is asked each
    time for the addresses to be called. `called` is what the log calls it, if not by its target.
    """

    def __init__(
        self,
        target: str,
        on_channel: Callable[[Channel], None],
        *,
        tls: Tls = None,
        timeout: float = 10.0,
        shortest: float = 0.25,
        longest: float = 8.0,
        steady: float = 5.0,
        random: Callable[[], float] = random.random,
        resolve: Resolve | None = None,
        called: str = "",
        **settings: Any,
    ) -> None:
        self.target = target
        self._called = called or target
        self.channel: Channel | None = None
        """The connection, if there is one now."""
        self.failure: str | None = None
        """Why there is none, since the last attempt."""
        self._on_channel = on_channel
        self._timeout = timeout
        self._pauses = (shortest, longest)
        self._steady = steady
        self._random = random
        self._resolve = resolve
        self._endpoint = active(target)
        self._context = _context(self._endpoint, tls, server=False)
        self._factory = _Factory(**settings)
        self._task: asyncio.Task[None] | None = None

    def start(self) -> None:
        """Begins to call, in the running loop."""
        if self._task is None:
            self._task = asyncio.get_running_loop().create_task(self._run())

    def close(self) -> None:
        """Calls no more, and ends the connection."""
        if self._task is not None:
            self._task.cancel()
        if self.channel is not None:
            self.channel.close()

    async def aclose(self) -> None:
        """The same, and waits for the connection's end."""
        self.close()
        if self._task is not None:
            with contextlib.suppress(asyncio.CancelledError):
                await self._task
        if self.channel is not None:
            await self.channel.wait_closed()

    async def _run(self) -> None:
        shortest, longest = self._pauses
        pause = shortest
        loop = asyncio.get_running_loop()
        while True:
            since = None
            try:
                self.channel = await _dial(
                    self._endpoint, self._context, self._factory, self._on_channel, self._timeout, self._resolve
                )
                self.failure = None
                since = loop.time()
                self.failure = await self.channel.wait_closed()
            except Exception as e:  # whatever it is: who keeps a connection must not end silently
                if self.failure is None:
                    log.warning("%s: %s", self._called, str(e) or type(e).__name__)
                self.failure = str(e) or type(e).__name__
            self.channel = None
            if since is not None and loop.time() - since >= self._steady:
                pause = shortest
            await asyncio.sleep(pause * (1 - self._random() / 2))
            pause = min(2 * pause, longest)


class _Shaking(asyncio.Protocol):
    """A call at a TLS port. The event loop says to nobody that a handshake failed, unless it is done apart, on a
    connection that is accepted already."""

    def __init__(
        self, channel: Channel, context: ssl.SSLContext, timeout: float, tasks: set[Any], callers: Callers
    ) -> None:
        self._channel, self._context, self._timeout, self._tasks = channel, context, timeout, tasks
        self._callers = callers

    def connection_made(self, transport: Any) -> None:
        peer = transport.get_extra_info("peername")
        accepted = socket.socket(fileno=os.dup(transport.get_extra_info("socket").fileno()))
        transport.abort()  # before it reads; the connection is the other descriptor's
        task = asyncio.get_running_loop().create_task(self._shake(accepted, peer))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        self._callers.add(self._channel, task.cancel)

    async def _shake(self, accepted: socket.socket, peer: Any) -> None:
        try:
            await asyncio.get_running_loop().connect_accepted_socket(
                lambda: self._channel, accepted, ssl=self._context, ssl_handshake_timeout=self._timeout
            )
        except Exception as e:
            name = Endpoint("tcp", peer[0], peer[1], secure=True) if peer else "ssl"
            self._callers.log(logging.WARNING, "%s: no TLS connection: %s", name, e or type(e).__name__)
            self._channel.on_close = None
            self._channel.abort(str(e))
        except BaseException:
            accepted.close()
            raise


class Listener:
    """Where peers call. `addresses` are the targets that they can call, `ports` the TCP ports."""

    def __init__(self, server: asyncio.Server, endpoint: Endpoint, tasks: set[Any]) -> None:
        self._server = server
        self._endpoint = endpoint
        self._tasks = tasks
        self._inode = _inode(endpoint.path) if endpoint.kind == "unix" else None
        self.addresses: list[str] = []
        self.ports: list[int] = []
        for bound in server.sockets:
            address = bound.getsockname()
            if endpoint.kind == "unix":
                self.addresses.append(f"unix:{endpoint.path}")
            else:
                self.addresses.append(str(Endpoint("tcp", address[0], address[1], secure=endpoint.secure)))
                self.ports.append(address[1])

    def close(self) -> None:
        """Takes no more calls; connections that are there stay."""
        inode, self._inode = self._inode, None
        if inode is not None and inode == _inode(self._endpoint.path):
            with contextlib.suppress(OSError):
                Path(self._endpoint.path).unlink()
        self._server.close()
        for task in self._tasks:
            task.cancel()

    async def wait_closed(self) -> None:
        await self._server.wait_closed()


def _inode(path: str) -> tuple[int, int] | None:
    try:
        found = os.stat(path)  # noqa: PTH116
    except OSError:
        return None
    return found.st_dev, found.st_ino


def _bound(path: str) -> socket.socket:
    """A socket at `path`, in place of one at which nobody answers. OSError (EADDRINUSE) if somebody does."""
    taken = OSError(errno.EADDRINUSE, "somebody listens there already", path)
    with contextlib.suppress(FileNotFoundError):
        if stat.S_ISSOCK(Path(path).stat().st_mode):
            with socket.socket(socket.AF_UNIX) as probe:
                probe.setblocking(False)
                try:
                    probe.connect(path)
                except ConnectionRefusedError:
                    Path(path).unlink()
                except BlockingIOError:
                    raise taken from None
                else:
                    raise taken
    bound = socket.socket(socket.AF_UNIX)
    try:
        bound.setblocking(False)
        bound.bind(path)
    except BaseException:
        bound.close()
        raise
    return bound


async def listen(
    target: str,
    on_channel: Callable[[Channel], None],
    *,
    tls: Tls = None,
    backlog: int = BACKLOG,
    most: int = 0,
    **settings: Any,
) -> Listener:
    """Waits to be called at `ptcp:PORT[:HOST]`, `pssl:PORT[:HOST]` or `punix:PATH`. `settings` are those of
    `Connection`, and `on_made`, which sees a channel before it says hello. `most`: how many may be there (`callers`).

    OSError if the address is taken, ValueError for a target that is none or versions that nobody speaks.
    """
    endpoint = passive(target)
    context = _context(endpoint, tls, server=True)
    make = _Factory(**settings)
    loop = asyncio.get_running_loop()
    name = f"unix:{endpoint.path}" if endpoint.kind == "unix" else ""
    tasks: set[Any] = set()
    callers = Callers(most, target)

    def accept() -> Channel:
        channel = make(on_channel, name)
        channel.on_close = lambda reason: callers.log(logging.INFO, "%s: %s", channel.peer, reason)
        return channel

    def answer() -> asyncio.BaseProtocol:
        if not callers.room():
            return TurnedAway()
        if context is not None:
            return _Shaking(accept(), context, make.settings["handshake_timeout"], tasks, callers)
        return callers.add(accept())

    if endpoint.kind == "unix":
        server = await loop.create_unix_server(answer, sock=_bound(endpoint.path), backlog=_ACCEPTED)
    else:
        server = await loop.create_server(
            answer, endpoint.host or None, endpoint.port, backlog=_ACCEPTED, reuse_address=True
        )
    for bound in server.sockets:  # asyncio has one number for what the kernel holds and for what a turn accepts
        with socket.socket(fileno=os.dup(bound.fileno())) as same:
            same.listen(backlog)
    return Listener(server, endpoint, tasks)
