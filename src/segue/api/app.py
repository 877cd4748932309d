"""The HTTP application, and the process that serves it."""

from __future__ import annotations

import asyncio
import contextlib
import socket
from collections.abc import AsyncIterator, Callable, Sequence

import uvicorn
from litestar import Litestar
from litestar.datastructures import State

from segue.api.agents import agent
from segue.api.errors import answer
from segue.api.resources import Intents
from segue.server.service import Service

LARGEST_BODY = 65 << 20
"""Bytes; the intent parser's own limit, 64 MiB, gives the better message."""
LARGEST_MESSAGE = 256 << 20
"""Bytes in one message of an agent: the flows of a large switch, asked for, come in one."""


def application(service: Service) -> Litestar:
    @contextlib.asynccontextmanager
    async def running(_: Litestar) -> AsyncIterator[None]:
        task = asyncio.create_task(service.run())
        try:
            yield
        finally:
            task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await task
            service.keep_counts()

    return Litestar(
        route_handlers=[Intents, agent],
        state=State({"service": service}),
        lifespan=[running],
        exception_handlers={Exception: answer},
        request_max_body_size=LARGEST_BODY,
        openapi_config=None,
        logging_config=None,
    )


class _Server(uvicorn.Server):
    """Says when it is ready."""

    def __init__(self, config: uvicorn.Config, ready: Callable[[], None]) -> None:
        super().__init__(config)
        self._ready = ready

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        if self.started:
            self._ready()


async def serve(service: Service, sockets: Sequence[socket.socket], ready: Callable[[], None]) -> None:
    """Serve on ``sockets``, which are bound, until a signal ends the process."""
    config = uvicorn.Config(
        application(service),
        log_config=None,
        access_log=False,
        ws="websockets-sansio",
        ws_max_size=LARGEST_MESSAGE,
        ws_ping_interval=10,
        ws_ping_timeout=60,
        lifespan="on",
        timeout_graceful_shutdown=2,
    )
    await _Server(config, ready).serve(list(sockets))
