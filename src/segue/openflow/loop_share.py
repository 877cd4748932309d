"""What all channels of one event loop share: the buffer that sockets are read into, and one timer.

Reading is done by the loop, which hands over what it read before it reads again: one buffer is enough for any number
of sockets, of TLS's too. Each channel is due at some time, nearly always one that will have moved on by then, because
it was heard from; so there is one heap of due times and one timer for its head, and a channel is looked at no more
often than it would time out.
"""

import asyncio
import heapq
import time
import weakref
from collections.abc import Callable
from typing import Any, Final, Protocol

READ_SIZE: Final = 1 << 18
LEAST_READ: Final = 1 << 14
FEW: Final = 16
"""Connections that may each be read `READ_SIZE` octets at once. Of more, each is read less: so their turns are even,
and what is answered to those who take no answers stays little in all."""
LONG: Final = 0.25
"""Seconds after which it is told who holds the loop up."""
PIECE: Final = 1 << 16
"""What is read at once where each octet means much work, as in the lists of flows: it holds the loop for so long."""
SPACING: Final = 0.02
"""Seconds between two looks at the heap: many channels that are due at nearly the same time are one wake-up."""


class Due(Protocol):
    def due(self, now: float) -> float | None:
        """Does what is due at `now`; returns when to come again, None for never."""


class Share:
    """Of one loop. An entry of the heap is [when, order, who], with None for who has gone."""

    __slots__ = ("_heap", "_last", "_members", "_order", "_timer", "buffer", "clock", "piece", "turn")

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        plain = getattr(loop.time, "__func__", None) is asyncio.BaseEventLoop.time
        self.clock: Callable[[], float] = time.monotonic if plain else loop.time
        """The loop's time."""
        self.buffer = memoryview(bytearray(READ_SIZE))
        self.piece = self.buffer[:PIECE]
        self.turn = self.buffer
        """What one connection is read into."""
        self._members = 0
        self._heap: list[list[Any]] = []
        self._order = 0
        self._timer: asyncio.TimerHandle | None = None
        self._last = 0.0

    def enter(self, loop: asyncio.AbstractEventLoop, when: float, who: Due) -> list[Any]:
        """Has `who.due` called at `when` or a little later. The entry is for `leave`."""
        self._order += 1
        self._count(1)
        entry = [when, self._order, who]
        heapq.heappush(self._heap, entry)
        if self._heap[0] is entry:
            self._arm(loop)
        return entry

    def leave(self, entry: list[Any]) -> None:
        if entry[2] is not None:
            self._count(-1)
        entry[2] = None
        heap = self._heap
        while heap and heap[0][2] is None:
            heapq.heappop(heap)
        if not heap and self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _count(self, change: int) -> None:
        self._members += change
        size = max(LEAST_READ, READ_SIZE * FEW // max(FEW, self._members))
        if size != len(self.turn):
            self.turn = self.buffer[:size]
            self.piece = self.turn[:PIECE]

    def _arm(self, loop: asyncio.AbstractEventLoop) -> None:
        if self._timer is not None:
            self._timer.cancel()
        self._timer = loop.call_at(max(self._heap[0][0], self._last + SPACING), self._look, loop)

    def _look(self, loop: asyncio.AbstractEventLoop) -> None:
        self._timer = None
        heap = self._heap
        now = self._last = loop.time()
        try:
            while heap and heap[0][0] <= now:
                entry = heapq.heappop(heap)
                when = None if entry[2] is None else entry[2].due(now)
                if when is not None and entry[2] is not None:
                    entry[0] = max(when, now + SPACING / 2)
                    heapq.heappush(heap, entry)
        finally:
            if heap:
                self._arm(loop)


_SHARES: Final["weakref.WeakKeyDictionary[asyncio.AbstractEventLoop, Share]"] = weakref.WeakKeyDictionary()


def share_of(loop: asyncio.AbstractEventLoop) -> Share:
    share = _SHARES.get(loop)
    if share is None:
        for other in list(_SHARES):
            if other.is_closed():
                del _SHARES[other]
        share = _SHARES[loop] = Share(loop)
    return share
