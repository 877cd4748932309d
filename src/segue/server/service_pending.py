"""Changes of one injected service on their way: gathered, on the disk, in force; and who waits for that.

What was changed in memory is gathered here until the services' writer takes it. Flows that end may be about to be told
of with what they have counted; nodes know that only while they have them, so they are asked before it is written.
"""

from __future__ import annotations

import asyncio
import contextlib
import time
from typing import TYPE_CHECKING

from segue.inject.changes import Changes
from segue.inject.flow import Flow
from segue.model.view import FlowRecord

if TYPE_CHECKING:
    from segue.server.service_room import Room
    from segue.server.services import Services

LOOK = 0.2
"""Seconds between two looks whether the store can be written."""
DISK = 10.0
"""Seconds in which the disk is to have what was changed, for who waits for an answer."""


class Gone(ConnectionError):
    """The service was deleted while somebody waited for it."""


class Pending:
    def __init__(self, room: Room, services: Services) -> None:
        self._room = room
        self._services = services
        self.gathered = Changes()
        """Waits to be written."""
        self.sequence = 0
        """Of its changes; ``_written`` is the last one that is durable and told."""
        self._written = 0
        self._revision = 0
        """By which the nodes were told of its last change."""
        self._moved = asyncio.Event()
        self._last: dict[int, tuple[int, int]] | None = None
        """What its flows had counted when the first of those that are gathered was to end; None: nobody asked."""
        self._taken: dict[int, tuple[int, int]] = {}
        """``_last`` as it was for what is being written."""
        self._asking: asyncio.Task[None] | None = None

    @property
    def settled(self) -> bool:
        """Whether all there is is durable and told."""
        return self._written == self.sequence

    @property
    def revision(self) -> int:
        """By which the nodes were told of its last change that is durable."""
        return self._revision

    # -- on its way --------------------------------------------------------------------------------------------------

    def add(self, changes: Changes) -> None:
        self.sequence += 1
        self.gathered.update(changes)

    def take(self) -> tuple[int, Changes]:
        """What is to be written now."""
        taken, self.gathered = self.gathered, Changes()
        self._taken, self._last = self._last or {}, None
        for one in taken.removed:
            if self._not_begun(one.flow):
                self._taken.pop(one.flow.number, None)
        return self.sequence, taken

    def _not_begun(self, flow: Flow) -> bool:
        """Whether nodes were never told that the flow has begun to count anew: what they have counted was before."""
        record = self._room.published.records.get(f"flow/{self._room.key}/{flow.number}")
        return isinstance(record, FlowRecord) and record.rule.begun != flow.begun

    def counted(self, number: int) -> tuple[int, int]:
        """What a flow that is gone by what was taken had counted."""
        return self._taken.get(number, (0, 0))

    def counted_last(self) -> bool:
        """Whether it is known what flows have counted that are about to end, and whose end somebody is to hear of. If
        not, it is asked for: nodes know it only while they have them."""
        if not self.gathered.removed or self._last is not None:
            return True
        if self._asking is None:
            self._asking = self._room.spawn(self._count_last())
        return False

    async def _count_last(self) -> None:
        counts: dict[int, tuple[int, int]] = {}
        try:
            counts = (await self._room.counts.flows()).counts
        finally:  # whatever nodes answer, what was changed is written
            self._last, self._asking = counts, None
            if not self._room.closed:
                self._services.schedule(self._room)

    def wrote(self, sequence: int, revision: int) -> None:
        """All changes up to ``sequence`` are durable, and nodes were told by ``revision``."""
        self._written = max(self._written, sequence)
        self._revision = max(self._revision, revision)
        self._moved.set()
        self._moved = asyncio.Event()

    # -- who waits -----------------------------------------------------------------------------------------------------

    def close(self) -> None:
        """The room is closed: who waits hears so."""
        self._moved.set()

    async def in_store(self, sequence: int) -> None:
        """Raises Gone."""
        while self._written < sequence:
            self._check_there()
            await self._moved.wait()

    async def durable(self, sequence: int, within: float = DISK) -> None:
        """The same for who cannot wait without end. Raises Unwritable where it is not on the disk yet, Gone."""
        end = time.monotonic() + within
        while self._written < sequence:
            self._check_there()
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._moved.wait(), min(LOOK, max(0.0, end - time.monotonic())))
            if self._written < sequence:
                self._services.check_writable()
                if time.monotonic() >= end:
                    self._services.too_slow(within)

    async def in_force(self, sequence: int) -> None:
        """Every node that is connected, and has elements of the service, has answered all changes up to ``sequence``
        (``service_nodes``). Raises Gone."""
        await self.in_store(sequence)
        await self._services.acknowledged(self._room.key, self._revision)

    def _check_there(self) -> None:
        if self._room.closed:
            raise Gone(f"service {self._room.name!r} was deleted, or the server ends")
