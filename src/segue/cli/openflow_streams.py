"""Streams to the ends that people name, with TLS or without: calling, and being called.

Who calls is taken in by a loop of our own: asyncio's servers say nothing when TLS fails, and people who set up
certificates want to know."""

from __future__ import annotations

import asyncio
import socket
import ssl
from collections.abc import Awaitable, Callable

from segue.cli.openflow_sockets import name_of_peer
from segue.cli.openflow_tls import why
from segue.cli.terminal import complain
from segue.openflow.endpoint import Endpoint

_PATIENCE = 10.0
_PAUSE = 0.5

Streams = tuple[asyncio.StreamReader, asyncio.StreamWriter]


async def connect(where: Endpoint, tls: ssl.SSLContext | None) -> Streams:
    """Raises OSError, TimeoutError."""
    calling = (
        asyncio.open_unix_connection(where.path)
        if where.kind == "unix"
        else asyncio.open_connection(where.host, where.port, ssl=tls)
    )
    return await asyncio.wait_for(calling, _PATIENCE)


async def serve(
    bound: socket.socket,
    tls: ssl.SSLContext | None,
    called: Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]],
) -> None:
    """Takes in whoever calls, for ever; ended by cancelling, which cancels what runs for callers too."""
    loop = asyncio.get_running_loop()
    bound.setblocking(False)
    tasks: set[asyncio.Task[None]] = set()

    async def one(link: socket.socket) -> None:
        name = name_of_peer(link)
        try:
            streams = await _streams(link, tls)
        except (OSError, TimeoutError) as error:
            complain(f"{name}: {why(error)}")
            link.close()
        else:
            await called(*streams)

    try:
        while True:
            try:
                link, _ = await loop.sock_accept(bound)
            except OSError as error:  # such as too many open files
                complain(f"cannot take a call: {why(error)}")
                await asyncio.sleep(_PAUSE)
                continue
            task = loop.create_task(one(link))
            tasks.add(task)
            task.add_done_callback(tasks.discard)
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


async def _streams(link: socket.socket, tls: ssl.SSLContext | None) -> Streams:
    loop = asyncio.get_running_loop()
    reader = asyncio.StreamReader()
    protocol = asyncio.StreamReaderProtocol(reader)
    patience = _PATIENCE if tls is not None else None
    transport, _ = await loop.connect_accepted_socket(lambda: protocol, link, ssl=tls, ssl_handshake_timeout=patience)
    return reader, asyncio.StreamWriter(transport, protocol, reader, loop)
