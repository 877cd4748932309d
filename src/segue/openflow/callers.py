"""Who has called at one address: so many at the most, whoever they are.

Where there are too many, whoever has waited longest without a hello makes room. So nobody keeps others out by calling
and saying nothing, and who has been let in stays. Where all have said hello nobody else is let in. Nobody fills the log
by calling.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from typing import Any, Protocol, TypeVar

from segue.openflow.sparing import Sparing

log = logging.getLogger("segue.openflow")

CROWDED = "too many others have called since, and it has not said hello"


class Caller(Protocol):
    """A channel, as far as it matters here."""

    on_close: Callable[[str], None] | None

    @property
    def introduced(self) -> bool: ...

    @property
    def lost(self) -> str | None: ...

    def abort(self, reason: str = ...) -> None: ...


C = TypeVar("C", bound=Caller)


class Callers:
    """``most``: 0 for any number, and as many lines of the log. ``target``: where they call."""

    def __init__(self, most: int, target: str) -> None:
        self._most = most
        self._target = target
        self._spare = Sparing(log)
        self._there: dict[Caller, Callable[[], object]] = {}
        """In the order in which they came."""

    def room(self) -> bool:
        """Whether another may come; makes room if it can."""
        if not self._most or len(self._there) < self._most:
            return True
        self._there = {caller: end for caller, end in self._there.items() if caller.lost is None}
        over = 1 + len(self._there) - self._most
        going = [caller for caller in self._there if not caller.introduced][: max(0, over)]
        for caller in going:
            caller.abort(CROWDED)
            self._there.pop(caller)()
        return len(going) >= over

    def add(self, caller: C, end: Callable[[], object] = bool) -> C:
        """``end`` ends, besides, what has yet to connect it."""
        if self._most:
            self._there[caller] = end
        return caller

    def log(self, level: int, text: str, *args: Any) -> None:
        """What is to be said of one of them."""
        if self._most:
            self._spare(f"calls at {self._target}", level, text, *args)
        else:
            log.log(level, text, *args)


class TurnedAway(asyncio.Protocol):
    """A call for which there is no room."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        transport.abort()
