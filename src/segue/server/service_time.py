"""What time does to the flows of one injected service: looks when the next could end, and asks nodes if it was idle."""

from __future__ import annotations

import asyncio
import math
import time
from typing import TYPE_CHECKING

from segue.inject import expiry
from segue.inject.changes import Changes

if TYPE_CHECKING:
    from segue.server.service_room import Room

SHORTEST = 0.05
"""Seconds between two looks at what time removes."""
REST = 4.0
"""Nodes that were asked how long flows have been idle are left alone for so many times what that has taken."""


class Time:
    def __init__(self, room: Room) -> None:
        self._room = room
        self._expiry = expiry.Expiry(room.datapath)
        self._asked: set[int] = set()
        """Flows that may have been idle for long enough."""
        self._asking: asyncio.Task[None] | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._timer_for = 0.0

    def anew(self) -> None:
        """The datapath has other flows than those that it was told of."""
        self._expiry = expiry.Expiry(self._room.datapath)

    def take(self, changes: Changes) -> None:
        """After every change of the datapath."""
        self._expiry.take(changes)
        self._wind()

    def close(self) -> None:
        if self._timer is not None:
            self._timer.cancel()

    def _wind(self) -> None:
        when = self._expiry.next
        if self._timer is not None and when is not None and self._timer_for <= when:
            return  # it looks early enough
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        if when is not None:
            self._timer_for = when
            delay = max(SHORTEST, when - time.time())
            self._timer = asyncio.get_running_loop().call_later(delay, self._look)

    def _look(self) -> None:
        self._timer = None
        due = self._expiry.due(time.time())
        self._room.gather(due.changes, ends=True)
        self._asked.update(due.ask)
        if self._asked and self._asking is None:
            self._asking = self._room.spawn(self._idle())
        self._wind()

    async def _idle(self) -> None:
        """Asks the nodes how long flows have been idle. They tell of all flows at once, so the more there are, the more
        are asked about together."""
        try:
            while self._asked:
                asked, self._asked = self._asked, set()
                before, start = time.time(), time.monotonic()
                counts = await self._room.counts.flows()
                if counts.complete:
                    idle = {number: counts.idle.get(number, math.inf) for number in asked}
                    self._room.gather(self._expiry.heard(before, idle), ends=True)
                    self._wind()
                await asyncio.sleep(REST * (time.monotonic() - start))
        finally:
            self._asking = None
