"""An adaptive spin: before the event loop sleeps in the kernel it looks for a while whether something comes.

Waking up costs more than handling a message. Where a controller has a processor of its own, asking the kernel again
and again for some tens of microseconds finds the next message sooner. It gives up by itself: a spin that found nothing
is not repeated until messages come close together again, so an idle controller costs nothing.

What is asked again and again is the kernel's epoll object itself. To ask `selectors` for it would take longer than the
kernel does, and that is time in which a message waits.
"""

import asyncio
import os
import select
import selectors
import time
from typing import Any, Final

Found = list[tuple[selectors.SelectorKey, int]]

_NOT_READ: Final = ~select.EPOLLIN
_NOT_WRITE: Final = ~select.EPOLLOUT


class SpinSelector(selectors.EpollSelector):
    """Spins up to `spin` seconds before it blocks."""

    def __init__(self, spin: float = 50e-6) -> None:
        super().__init__()
        self._spin = spin
        self._worth = True
        self._keys: dict[int, selectors.SelectorKey] = {}
        self._own = select.epoll.fromfd(os.dup(self.fileno()))

    def register(self, fileobj: Any, events: int, data: Any = None) -> selectors.SelectorKey:
        key = super().register(fileobj, events, data)
        self._keys[key.fd] = key
        return key

    def unregister(self, fileobj: Any) -> selectors.SelectorKey:
        key = super().unregister(fileobj)
        self._keys.pop(key.fd, None)
        return key

    def modify(self, fileobj: Any, events: int, data: Any = None) -> selectors.SelectorKey:
        key = super().modify(fileobj, events, data)
        self._keys[key.fd] = key
        return key

    def close(self) -> None:
        self._own.close()
        super().close()

    def select(self, timeout: float | None = None) -> Found:
        poll = self._own.poll
        if timeout is not None and timeout <= 0:
            return self._found(poll(0))
        clock = time.perf_counter
        begun = clock()
        if self._worth:
            end = begun + (self._spin if timeout is None else min(self._spin, timeout))
            while True:
                if events := poll(0):
                    return self._found(events)
                if clock() >= end:
                    break
            self._worth = False
            if timeout is not None and (timeout := timeout + begun - clock()) <= 0:
                return []
        found = super().select(timeout)
        # Something came soon after the spin was over: the next may come within it.
        if found and clock() - begun < 4 * self._spin:
            self._worth = True
        return found

    def _found(self, events: list[tuple[int, int]]) -> Found:
        """As `selectors` tells it: whatever is not the one thing alone is the other too, errors among them."""
        found = []
        for fd, event in events:
            key = self._keys.get(fd)
            if key is not None:
                mask = (event & _NOT_READ and selectors.EVENT_WRITE) | (event & _NOT_WRITE and selectors.EVENT_READ)
                found.append((key, mask & key.events))
        return found


def spinning_loop(spin: float = 50e-6) -> asyncio.AbstractEventLoop:
    """An event loop that spins; for `asyncio.Runner(loop_factory=...)`."""
    return asyncio.SelectorEventLoop(SpinSelector(spin))
