"""Stays connected to the server, and carries what both sides say.

Packets of injected services are not queued here: one is taken from where it waits when there is nothing else to say.
The server is asked now and then whether it has read those before (a ping, which it answers in turn), so that only few
stand before whatever else is said, however slowly it reads.
"""

from __future__ import annotations

import asyncio
import logging
import ssl
from collections import deque
from collections.abc import Awaitable, Callable
from typing import Any, Protocol
from urllib.parse import urlsplit

import msgspec
from websockets.asyncio.client import ClientConnection, connect, unix_connect
from websockets.exceptions import InvalidStatus, WebSocketException
from websockets.http11 import Response

from segue import __version__
from segue.model.protocol import (
    PROTOCOL,
    Answer,
    FromAgent,
    FromServer,
    Punted,
    Query,
    Refuse,
    Register,
    Send,
    Sync,
)

log = logging.getLogger(__name__)

SHORTEST, LONGEST = 0.1, 5.0
MOST = 1 << 30
"""Bytes in one message: a node's whole view comes in one."""
AHEAD = 16
"""Packets that are told before the server is asked whether it has read them."""

_encode = msgspec.json.Encoder().encode
_decode: msgspec.json.Decoder[FromServer] = msgspec.json.Decoder(FromServer)


class ServerRefused(Exception):
    """The server will not have this agent; its reason."""


class Packets(Protocol):
    """Packets of services, both ways."""

    def take(self) -> Punted | None:
        """The next one for the server."""

    def forget(self) -> None:
        """None of those that wait now is to be told."""

    def send(self, message: Send) -> None:
        """One from the server."""


class ServerLink:
    """``url``: http://HOST:PORT, https://HOST:PORT or unix:/PATH. ``tls``: for https.

    ``welcome`` gives what to say first on each connection, ``token`` what to show before it; empty: nothing.
    """

    def __init__(
        self,
        url: str,
        node: str,
        sync: Callable[[Sync], None],
        ask: Callable[[Query], Awaitable[bytes]],
        welcome: Callable[[], list[FromAgent]],
        packets: Packets,
        token: Callable[[], str] = str,
        tls: ssl.SSLContext | None = None,
    ) -> None:
        self._url = url
        self._node = node
        self._sync = sync
        self._ask = ask
        self._welcome = welcome
        self._packets = packets
        self._token = token
        self._tls = tls
        self._outgoing: deque[FromAgent] | None = None
        self._some = asyncio.Event()

    def say(self, message: FromAgent) -> None:
        """Send now if connected. What is lost with a connection is said anew on the next one, by ``welcome``."""
        if self._outgoing is not None:
            self._outgoing.append(message)
            self._some.set()

    def stir(self) -> None:
        """There are packets to be taken."""
        self._some.set()

    async def run(self) -> None:
        """Connect, and connect again. Raises ServerRefused."""
        pause = SHORTEST
        while True:
            try:
                async with self._connect() as connection:
                    log.info("connected to the server at %s", self._url)
                    pause = SHORTEST
                    await self._session(connection)
            except InvalidStatus as error:
                log.warning("server %s lets nobody in: %s", self._url, _why(error.response))
            except (OSError, WebSocketException, msgspec.DecodeError) as error:
                log.warning("server %s: %s", self._url, error or type(error).__name__)
            finally:
                self._outgoing = None
            await asyncio.sleep(pause)
            pause = min(pause * 2, LONGEST)

    def _connect(self) -> connect:
        options: dict[str, Any] = {"max_size": MOST, "ping_interval": 10, "ping_timeout": 30, "compression": None}
        if token := self._token():
            options["additional_headers"] = {"Authorization": f"Bearer {token}"}
        if self._url.startswith("unix:"):
            return unix_connect(self._url.removeprefix("unix:"), "ws://segue/v1/agent", **options)
        parts = urlsplit(self._url)
        scheme = "wss" if parts.scheme == "https" else "ws"
        if scheme == "wss" and self._tls is not None:
            options["ssl"] = self._tls
        return connect(f"{scheme}://{parts.netloc}/v1/agent", **options)

    async def _session(self, connection: ClientConnection) -> None:
        outgoing: deque[FromAgent] = deque((Register(self._node, PROTOCOL, __version__), *self._welcome()))
        self._outgoing = outgoing
        self._packets.forget()
        self._some.set()
        sender = asyncio.create_task(self._send(connection, outgoing))
        queries: set[asyncio.Task[None]] = set()
        try:
            async for data in connection:
                told = _decode.decode(data if isinstance(data, bytes) else data.encode())
                match told:
                    case Sync():
                        self._sync(told)
                    case Query():
                        task = asyncio.create_task(self._answer(told))
                        queries.add(task)
                        task.add_done_callback(queries.discard)
                    case Send():
                        self._packets.send(told)
                    case Refuse(reason=reason):
                        raise ServerRefused(reason)
        finally:
            sender.cancel()
            for task in queries:
                task.cancel()

    async def _send(self, connection: ClientConnection, outgoing: deque[FromAgent]) -> None:
        told = 0
        read: asyncio.Future[float] | None = None
        while True:
            message: FromAgent | None = None
            if outgoing:
                message = outgoing.popleft()
            elif read is None or read.done():
                if told >= AHEAD:
                    told, read = 0, asyncio.ensure_future(await connection.ping())
                    read.add_done_callback(self._stirred)
                    continue
                message = self._packets.take()
                told += message is not None
            if message is None:
                await self._some.wait()
                self._some.clear()
            else:
                await connection.send(_encode(message))

    def _stirred(self, read: asyncio.Future[float]) -> None:
        if not read.cancelled():
            read.exception()  # the connection has ended, which whoever reads it hears of
        self._some.set()

    async def _answer(self, query: Query) -> None:
        try:
            self.say(Answer(query.id, msgspec.Raw(await self._ask(query))))
        except Exception as error:  # whatever went wrong here, the asker hears of it
            self.say(Answer(query.id, error=str(error) or type(error).__name__))


def _why(refusal: Response) -> str:
    try:
        return str(msgspec.json.decode(refusal.body or b"")["error"])[:300]
    except (msgspec.DecodeError, KeyError, TypeError):
        return f"HTTP status {refusal.status_code}"
