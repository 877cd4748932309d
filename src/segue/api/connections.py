"""How many connections there may be, and how long one may be silent: uvicorn's protocol, bounded.

Both hold for TCP alone. A unix socket is the administrator's and the agents' way in when all others are taken.
"""

from __future__ import annotations

import asyncio
import logging
from typing import Any

from uvicorn.protocols.http.auto import AutoHTTPProtocol

log = logging.getLogger(__name__)

SILENCE = 15.0
"""Seconds after which a connection that asks for nothing is ended; within twice that time."""
_FULL = b'{"error": "the server has as many connections as it may; try again"}'
_ANSWER = (
    b"HTTP/1.1 503 Service Unavailable\r\nconnection: close\r\nretry-after: 1\r\ncontent-type: application/json\r\n"
    b"content-length: %d\r\n\r\n%s" % (len(_FULL), _FULL)
)


def bounded(most: int) -> type[asyncio.Protocol]:
    """A class for uvicorn's ``http``. ``most``: connections at a time; 0: any number."""
    made: type[asyncio.Protocol] = type("_Bounded", (_Bounded,), {"most": most})
    return made


class _Bounded(AutoHTTPProtocol):  # type: ignore[valid-type, misc]
    """``connections`` are those of the whole server, WebSockets included."""

    most = 0
    full = False
    """Whether it was said; once for each time that it comes about."""

    def connection_made(self, transport: Any) -> None:
        super().connection_made(transport)
        self._last: object = None
        self._left: int | None = None
        self._timer: asyncio.TimerHandle | None = None
        if self.client is None:
            return
        kind = type(self)
        if kind.most and len(self.connections) > kind.most:
            if not kind.full:
                log.warning("there are %d connections, as many as there may be; %s was refused", kind.most, self.client)
            kind.full = True
            transport.write(_ANSWER)
            transport.close()
            return
        kind.full = False
        self._timer = self.loop.call_later(SILENCE, self._look)

    def connection_lost(self, exc: Exception | None) -> None:
        if self._timer is not None:
            self._timer.cancel()
        super().connection_lost(exc)

    def _look(self) -> None:
        """A request that never comes to an end of its head is none; a body is the application's to wait for."""
        if self.transport.get_protocol() is not self:  # a WebSocket by now
            return
        idle = self.cycle is None or self.cycle.response_complete
        if self.transport.is_closing():
            left = self.transport.get_write_buffer_size()
            if left == self._left:  # nobody takes what is left of an answer
                self.transport.abort()
                return
            self._left = left
        elif idle and self.cycle is self._last:
            self.transport.close()
        self._last = self.cycle
        self._timer = self.loop.call_later(SILENCE, self._look)
