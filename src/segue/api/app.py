"""The HTTP application, and the process that serves it."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import ssl
from collections.abc import AsyncIterator, Callable, Sequence
from typing import Any

import uvicorn
from litestar import Litestar
from litestar.datastructures import State
from litestar.types import ASGIApp, Receive, Send

from segue.api.agents import agent
from segue.api.auth import Access, Gate
from segue.api.connections import bounded
from segue.api.description import openapi
from segue.api.errors import answer
from segue.api.events import events
from segue.api.neutron import NeutronAPI
from segue.api.objects import Resources
from segue.api.permission import room
from segue.api.refusals import Refusals
from segue.api.resources import Intents
from segue.api.service_tokens import ByService
from segue.api.services import Services
from segue.api.target import in_origin_form
from segue.server.service import Service

LARGEST_BODY = 65 << 20
"""Bytes; the intent parser's own limit, 64 MiB, gives the better message."""
LARGEST_MESSAGE = 256 << 20
"""Bytes in one message of an agent: the flows of a large switch, asked for, come in one."""
HANDSHAKE = 10.0
"""Seconds that TLS may take to begin."""


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
        route_handlers=[Intents, Resources, Services, events, openapi, agent],
        state=State({"service": service, "refusals": Refusals()}),
        lifespan=[running],
        exception_handlers={Exception: answer},
        request_max_body_size=LARGEST_BODY,
        openapi_config=None,
        logging_config=None,
    )


def doors(service: Service) -> ASGIApp:
    """The native API and Neutron's, by their paths."""
    native, neutron = application(service), NeutronAPI(lambda: service.neutron)

    async def answer(scope: Any, receive: Receive, send: Send) -> None:
        theirs = scope["type"] == "http" and room(scope["path"]) in ("neutron", "versions")
        await (neutron if theirs else native)(scope, receive, send)

    return answer


class _Server(uvicorn.Server):
    """Says when it is ready. TLS is spoken on all sockets but those of unix, which go nowhere else."""

    def __init__(
        self,
        config: uvicorn.Config,
        ready: Callable[[], None],
        tls: ssl.SSLContext | None,
        ending: Callable[[], None],
    ) -> None:
        super().__init__(config)
        self._ready = ready
        self._ending = ending
        self._tls = tls

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        secure = [bound for bound in sockets or () if self._tls is not None and bound.family != socket.AF_UNIX]
        await super().startup([bound for bound in sockets or () if bound not in secure])
        if not self.started:
            return
        for bound in secure:
            server = await asyncio.get_running_loop().create_server(
                self._protocol, sock=bound, ssl=self._tls, backlog=self.config.backlog, ssl_handshake_timeout=HANDSHAKE
            )
            self.servers.append(server)
        self._ready()

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        self._ending()  # of answers that have no end of their own
        await super().shutdown(sockets)

    def _protocol(self) -> asyncio.Protocol:
        made: asyncio.Protocol = self.config.http_protocol_class(  # type: ignore[call-arg]
            config=self.config, server_state=self.server_state, app_state=self.lifespan.state
        )
        return made


async def serve(
    service: Service,
    sockets: Sequence[socket.socket],
    ready: Callable[[], None],
    access: Access | None = None,
    tls: ssl.SSLContext | None = None,
    connections: int = 0,
) -> None:
    """Serve on ``sockets``, which are bound, until a signal ends the process.

    ``access``: who may ask; everybody without it. ``connections``: how many at a time; 0: any number.
    """
    config = uvicorn.Config(
        in_origin_form(Gate(doors(service), access or Access(), injected=ByService(service.injected))),
        http=bounded(connections),
        log_config=None,
        access_log=False,
        proxy_headers=False,  # anybody could say to be somebody else
        ws="websockets-sansio",
        ws_max_size=LARGEST_MESSAGE,
        ws_ping_interval=10,
        ws_ping_timeout=60,
        lifespan="on",
        timeout_graceful_shutdown=2,
    )
    await _Server(config, ready, tls, service.end_streams).serve(list(sockets))
