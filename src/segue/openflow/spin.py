"""An adaptive spin: before the event loop sleeps in the kernel it looks for a while whether something comes.

Waking up costs more than handling a message. Where a controller has a processor of its own, asking the kernel again
and again for some tens of microseconds finds the next message sooner. It gives up by itself: a spin that found nothing
is not repeated until messages come close together again, so an idle controller costs nothing.
"""

import asyncio
import selectors
import time
from typing import Any


class SpinSelector(selectors.DefaultSelector):
    """Spins up to `spin` seconds before it blocks."""

    def __init__(self, spin: float = 50e-6) -> None:
        super().__init__()
        self._spin = spin
        self._worth = True

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, Any]]:
        look = super().select
        if timeout is not None and timeout <= 0:
            return look(0)
        clock = time.perf_counter
        begun = clock()
        if self._worth:
            end = begun + (self._spin if timeout is None else min(self._spin, timeout))
            while True:
                found = look(0)
                now = clock()
                if found or (timeout is not None and now - begun >= timeout):
                    return found
                if now >= end:
                    break
            self._worth = False
            if timeout is not None:
                timeout -= now - begun
        found = look(timeout)
        # Something came soon after the spin was over: the next may come within it.
        if found and clock() - begun < 4 * self._spin:
            self._worth = True
        return found


def spinning_loop(spin: float = 50e-6) -> asyncio.AbstractEventLoop:
    """An event loop that spins; for `asyncio.Runner(loop_factory=...)`."""
    return asyncio.SelectorEventLoop(SpinSelector(spin))
