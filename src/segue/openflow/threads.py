"""Threads for handlers that block: some at the most for each handler, made when they are needed, gone when idle.

They are not those of asyncio's executor, which others use too, and not of `concurrent.futures`, which waits for its
threads when the process ends: what hangs in one of these ends with the process.
"""

import asyncio
import threading
from collections import deque
from collections.abc import Callable
from typing import Any, Final

IDLE: Final = 10.0
"""Seconds without work after which a thread ends."""

Outcome = tuple[Any, BaseException | None]


class Threads:
    """`most` of them."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._calls: deque[tuple[asyncio.Future[Outcome], Callable[..., Any], tuple[Any, ...]]] = deque()
        self._changed = threading.Condition()
        self._idle = 0
        self._count = 0

    def call(self, function: Callable[..., Any], *args: Any) -> asyncio.Future[Outcome]:
        """What the function returns, or what it raises: an exception of its own is not one of the future's."""
        future: asyncio.Future[Outcome] = asyncio.get_running_loop().create_future()
        with self._changed:
            self._calls.append((future, function, args))
            if self._idle >= len(self._calls):
                self._changed.notify()
            elif self._count < self._most:
                self._count += 1
                threading.Thread(target=self._work, daemon=True, name="segue handler").start()
        return future

    def _work(self) -> None:
        while True:
            with self._changed:
                if not self._calls:
                    self._idle += 1
                    self._changed.wait_for(lambda: bool(self._calls), IDLE)
                    self._idle -= 1
                if not self._calls:
                    self._count -= 1
                    return
                future, function, args = self._calls.popleft()
            outcome: Outcome
            try:
                outcome = function(*args), None
            except BaseException as e:
                outcome = None, e
            try:
                future.get_loop().call_soon_threadsafe(_settle, future, outcome)
            except RuntimeError:  # the loop has ended meanwhile
                outcome = None, None
            del future, function, args, outcome


def _settle(future: asyncio.Future[Outcome], outcome: Outcome) -> None:
    if not future.done():
        future.set_result(outcome)
