"""What happens, as server-sent events (https://html.spec.whatwg.org/multipage/server-sent-events.html)."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncGenerator
from typing import Annotated, Any

from litestar import Request, get
from litestar.datastructures import State
from litestar.exceptions import ClientException
from litestar.params import Parameter
from litestar.types import ASGIApp, Receive, Send

from segue.api.declaring import known, no_null, service_of
from segue.intent.problems import Bad
from segue.intent.values import check_name
from segue.server.news import Event, Scope

log = logging.getLogger(__name__)

BEAT = 15.0
"""Seconds of silence before a comment says that the server is still there."""
PATIENCE = 60.0
"""Seconds in which a reader must take what it is sent."""
_HEADERS = [(b"content-type", b"text/event-stream"), (b"cache-control", b"no-store"), (b"x-accel-buffering", b"no")]

Since = Annotated[int | None, Parameter(ge=0)]


@get("/v1/events", media_type="text/event-stream")
async def events(
    request: Request[Any, Any, State],
    state: State,
    since: Since = None,
    kind: str | None = None,
    name: str | None = None,
) -> ASGIApp:
    """``Last-Event-ID`` is what a reader sends that was broken off; it goes before ``since``."""
    no_null(request, "since", since)
    last = request.headers.get("last-event-id", "")
    if kind is not None:
        known(kind)
    elif name is not None:
        raise ClientException("a name needs a kind: names are unique within one")
    if name is not None:
        try:
            check_name(name)
        except Bad as bad:
            raise ClientException(f"the {kind}'s name {bad.message}; {bad.hint}") from None
    if last:
        if not (last.isascii() and last.isdecimal() and len(last) < 20):
            raise ClientException("Last-Event-ID is a revision: a number, as this server sent it")
        since = int(last)
    return Stream(service_of(state).news.follow(Scope(kind, name), since, BEAT))


class Stream:
    """The whole answer, an ASGI application. Everything of it ends with the connection, with the stream, or with a
    reader that takes nothing for too long."""

    def __init__(self, batches: AsyncGenerator[list[Event], None]) -> None:
        self._batches = batches

    async def __call__(self, scope: Any, receive: Receive, send: Send) -> None:  # noqa: ARG002
        tasks = [asyncio.create_task(_gone(receive)), asyncio.create_task(self._send(send))]
        try:
            await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for task in tasks:
                task.cancel()
            for ended in await asyncio.gather(*tasks, return_exceptions=True):
                if isinstance(ended, Exception) and not isinstance(ended, OSError):
                    log.error("a stream of events failed", exc_info=ended)
            await self._batches.aclose()

    async def _send(self, send: Send) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": _HEADERS})
        await send({"type": "http.response.body", "body": b":\n\n", "more_body": True})
        async for batch in self._batches:
            body = b"".join(map(_frame, batch)) or b":\n\n"
            try:
                async with asyncio.timeout(PATIENCE):
                    await send({"type": "http.response.body", "body": body, "more_body": True})
            except TimeoutError:
                log.warning("a reader of events took nothing for %g s, and was left", PATIENCE)
                return
        await send({"type": "http.response.body", "body": b"", "more_body": False})


async def _gone(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass


def _frame(event: Event) -> bytes:
    number = b"" if event.revision is None else b"id: %d\n" % event.revision
    return b"%sevent: %s\ndata: %s\n\n" % (number, event.what.encode(), event.data)
