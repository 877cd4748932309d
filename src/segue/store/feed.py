"""Brings committed revisions from the committing thread to watchers on event loops.

The engine's lock is held while the disk is waited for, so a watcher that asked the engine for each revision
would stop its event loop for as long as the disk takes. Watchers therefore read the newest revisions from
memory, here; only one that is further behind than this memory reaches has to ask the engine, in a thread.

A watcher holds nothing but the number of the last revision it saw, so a slow one costs no memory.
"""

import asyncio
import threading
from collections.abc import AsyncGenerator, Callable
from contextlib import suppress
from typing import TypeAlias

from .base import Change

# How many changes (not revisions) are remembered: enough for every watcher that keeps up, a few megabytes.
REMEMBERED = 4096

Batch: TypeAlias = list[tuple[int, list[Change]]]


class Feed:
    """The newest revisions, and the watchers to wake. `publish` and `close` may come from any thread."""

    def __init__(self, revision: int) -> None:
        self._revision = revision
        self._recent: dict[int, list[Change]] = {}  # consecutive revisions, the newest last
        self._size = 0
        self._lock = threading.Lock()
        self._wakes: dict[asyncio.AbstractEventLoop, set[asyncio.Event]] = {}
        self._closed = False

    def publish(self, revision: int, changes: list[Change]) -> None:
        """Tell the watchers of a durable revision; called in the order of revisions."""
        with self._lock:
            self._recent[revision] = changes
            self._size += len(changes)
            while self._size > REMEMBERED:
                self._size -= len(self._recent.pop(next(iter(self._recent))))
            self._revision = revision
            self._wake()

    def close(self) -> None:
        with self._lock:
            self._closed = True
            self._wake()

    async def follow(
        self, prefix: str, seen: int, older: Callable[[str, int], tuple[int, Batch]]
    ) -> AsyncGenerator[tuple[int, list[Change]], None]:
        """Give every revision after `seen` with its changes under `prefix`, until closed.

        `older(prefix, seen)` runs in a thread and gives some revisions from the engine's log, with the number
        of the last one it looked at.
        """
        loop = asyncio.get_running_loop()
        event = asyncio.Event()
        with self._lock:
            self._wakes.setdefault(loop, set()).add(event)
        try:
            while not self._closed:
                event.clear()
                if seen == self._revision:
                    await event.wait()
                elif (changes := self._recent.get(seen + 1)) is not None:
                    seen += 1
                    if mine := [change for change in changes if change.key.startswith(prefix)]:
                        yield seen, mine
                else:
                    seen, batch = await asyncio.to_thread(older, prefix, seen)
                    for revision, changes in batch:
                        yield revision, changes
        finally:
            with self._lock:
                self._wakes[loop].discard(event)
                if not self._wakes[loop]:
                    del self._wakes[loop]

    def _wake(self) -> None:
        for loop, events in self._wakes.items():
            with suppress(RuntimeError):  # a loop that was closed has no watcher left to wake
                loop.call_soon_threadsafe(_set_all, tuple(events))


def _set_all(events: tuple[asyncio.Event, ...]) -> None:
    for event in events:
        event.set()
