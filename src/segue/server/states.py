"""How chains and nodes are, watched for all who want to know, by one look at a time.

A look goes over all of them, and computes the state of those alone to which something has happened (``remembered``). It
happens only while somebody follows and something has moved, never holds the event loop for long, and takes a tenth of
its time at most. Who follows keeps the number of the last state that it was told.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Iterator

import msgspec

from segue.model.intent import Ref
from segue.server.conductor import Conductor
from segue.server.status import chain_state, node_state

PAUSE = 0.1
"""Seconds between two looks, at least."""
SHARE = 9
"""How much longer than a look the pause after it is."""
AT_ONCE = 50
"""Objects that are looked at before others may run."""


class State(msgspec.Struct, frozen=True):
    """``revision``: that of the object whose state it is."""

    revision: int
    state: str
    reasons: tuple[str, ...]


class States:
    def __init__(self, conductor: Conductor) -> None:
        self._conductor = conductor
        self.current: dict[Ref, State] = {}
        self._number = 0
        self._numbers: dict[Ref, int] = {}
        """When each became what it is, by number; the newest last."""
        self._task: asyncio.Task[None] | None = None
        self._followers = 0
        self._moved = asyncio.Event()
        self._next: asyncio.Future[None] | None = None

    @contextlib.asynccontextmanager
    async def followed(self) -> AsyncIterator[None]:
        """While this is entered there are looks; the first has happened."""
        self._followers += 1
        if self._task is None:
            self._conductor.moved.followers.add(self._moved)
            self._moved.set()
            self._task = asyncio.create_task(self._run())
        try:
            while not self._number:
                await asyncio.wait([self.later()])
            yield
        finally:
            self._followers -= 1
            if not self._followers:
                self._stop()

    def _stop(self) -> None:
        self._conductor.moved.followers.discard(self._moved)
        if self._task is not None:
            self._task.cancel()
        self._task = None
        self._number = 0
        self.current, self._numbers = {}, {}

    def later(self) -> asyncio.Future[None]:
        """Done with the next look that finds something; never to be cancelled, as it is everybody's."""
        if self._next is None or self._next.done():
            self._next = asyncio.get_running_loop().create_future()
        return self._next

    def wake(self) -> None:
        if self._next is not None and not self._next.done():
            self._next.set_result(None)

    def after(self, number: int) -> tuple[int, list[Ref]]:
        """Whose state became another after ``number``, in that order, and the newest number."""
        return self._number, list(self._newer(number))[::-1]

    def _newer(self, number: int) -> Iterator[Ref]:
        for ref, at in reversed(self._numbers.items()):
            if at <= number:
                return
            yield ref

    async def _run(self) -> None:
        loop = asyncio.get_running_loop()
        while True:
            await self._moved.wait()
            self._moved.clear()
            began = loop.time()
            await self._look()
            await asyncio.sleep(max(PAUSE, SHARE * (loop.time() - began)))

    async def _look(self) -> None:
        before = self._number
        objects = self._conductor.declared.objects
        for position, ref in enumerate([ref for ref in objects if ref[0] in ("chain", "node")], 1):
            if position % AT_ONCE == 0:
                await asyncio.sleep(0)
            state = self._state(ref)
            if state is not None and state != self.current.get(ref):
                self.current[ref] = state
                self._number += 1
                self._numbers.pop(ref, None)
                self._numbers[ref] = self._number
        for ref in self.current.keys() - self._conductor.declared.objects.keys():
            del self.current[ref], self._numbers[ref]
        self._number = self._number or 1
        if self._number != before:
            self.wake()

    def _state(self, ref: Ref) -> State | None:
        """None: it has gone meanwhile."""
        kind, name = ref
        if ref not in self._conductor.declared.objects:
            return None
        if kind == "chain":
            state, reasons = chain_state(self._conductor, name)
        else:
            state, reason = node_state(self._conductor, name)
            reasons = [reason] if reason else []
        return State(self._conductor.history.revisions.get(ref, 0), state, tuple(reasons))
