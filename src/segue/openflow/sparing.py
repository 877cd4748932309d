"""A log that is not flooded: of one kind of news so many lines in a second, and then how many more there were."""

import asyncio
import logging
import time
from collections.abc import Callable
from typing import Any, Final

LINES: Final = 3
"""Lines of one kind in an interval."""
INTERVAL: Final = 1.0
"""Seconds."""
_MOST_KINDS: Final = 1024
_FEW_KINDS: Final = 64
"""So many may be known for longer than they need to."""


class Sparing:
    """`key` says what kind of news it is: a handler's, or a peer's."""

    def __init__(self, log: logging.Logger, clock: Callable[[], float] = time.monotonic) -> None:
        self._log = log
        self._clock = clock
        self._told: dict[Any, list[Any]] = {}  # key -> [when the interval began, lines, how many more, level]
        self._sweeping = False

    def __call__(self, key: Any, level: int, text: str, *args: Any, exc_info: Any = None) -> None:
        now = self._clock()
        found = self._told.get(key)
        if found is None or now - found[0] >= INTERVAL:
            self._tell(key)
            if len(self._told) >= _MOST_KINDS:
                self._told = {one: told for one, told in self._told.items() if told[2]}
            found = self._told[key] = [now, 0, 0, level]
            if len(self._told) > _FEW_KINDS and not self._sweeping:
                self._sweeping = self._later(self._sweep)
        if found[1] < LINES:
            found[1] += 1
            self._log.log(level, text, *args, exc_info=exc_info)
            return
        found[2] += 1
        found[3] = max(found[3], level)
        if found[2] == 1:
            self._later(self._tell, key)  # without a loop it is told with the next line

    def _later(self, call: Callable[..., None], *args: Any) -> bool:
        try:
            asyncio.get_running_loop().call_later(INTERVAL, call, *args)
        except RuntimeError:
            return False
        return True

    def _sweep(self) -> None:
        """Forgets those whose interval is over: a thousand switches that came at once were as many kinds."""
        now = self._clock()
        self._told = {one: told for one, told in self._told.items() if told[2] or now - told[0] < INTERVAL}
        self._sweeping = len(self._told) > _FEW_KINDS and self._later(self._sweep)

    def _tell(self, key: Any) -> None:
        found = self._told.pop(key, None)
        if found is not None and found[2]:
            self._log.log(found[3], "%s: %d more such lines are left out", key, found[2])
