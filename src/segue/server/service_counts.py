"""What nodes' switches have counted for one service, added up. Where a flow begins to count anew, they do."""

from __future__ import annotations

import asyncio
import contextlib
from collections import Counter
from collections.abc import Awaitable, Callable, Iterable, Mapping
from typing import Any

import msgspec

SOON = 1.0
"""Seconds in which nodes tell what their meters have dropped, or it is not waited for."""

Ask = Callable[[str, Mapping[str, str]], Awaitable[dict[str, Any]]]
"""(what, arguments) -> by node what it answers; "" is there if some node has not answered."""


class Flows(msgspec.Struct, frozen=True):
    """``counts``: (packets, bytes) by flow number, over all nodes; ``idle``: seconds since the last packet, of the node
    that had it last. ``complete``: every node with elements of the service has answered."""

    counts: dict[int, tuple[int, int]]
    idle: dict[int, float]
    complete: bool


class Counts:
    """Several who want to know of flows at once are answered together."""

    def __init__(self, ask: Ask) -> None:
        self._ask = ask
        self._next: asyncio.Task[Flows] | None = None
        self.dropped = 0
        """Packets that the switches' own meter of packet-ins has dropped, as last read."""

    async def flows(self) -> Flows:
        """What is counted at some time after the call."""
        if self._next is None:
            self._next = asyncio.get_running_loop().create_task(self._flows())
        return await asyncio.shield(self._next)

    async def _flows(self) -> Flows:
        await asyncio.sleep(0)  # whoever asks in this turn of the loop is answered too
        self._next = None
        answers = await self._ask("service-counts", {})
        counts: dict[int, tuple[int, int]] = {}
        idle: dict[int, float] = {}
        for answer in _answered(answers):
            for key, (packets, octets, seconds, _) in answer.items():
                number = int(key.rpartition("/")[2])
                before = counts.get(number, (0, 0))
                counts[number] = (before[0] + packets, before[1] + octets)
                idle[number] = min(idle.get(number, seconds), seconds)
        return Flows(counts, idle, "" not in answers)

    async def ports(self) -> dict[int, Counter[str]]:
        """By the port's key in the network: its interface's counters, by name."""
        found: dict[int, Counter[str]] = {}
        for answer in _answered(await self._ask("service-port-counts", {})):
            for key, counted in answer.items():
                found.setdefault(int(key), Counter()).update(counted)
        return found

    async def groups(self, numbers: Iterable[int]) -> dict[int, dict[str, Any]]:
        """By the switches' number: packets, bytes, and [packets, bytes] of each bucket."""
        return await self._added("group-counts", numbers, "buckets")

    async def meters(self, numbers: Iterable[int]) -> dict[int, dict[str, Any]]:
        """By the switches' number: packets, bytes, and [packets, bytes] of each band."""
        return await self._added("meter-counts", numbers, "bands")

    async def read_dropped(self, meter: int) -> None:
        """Reads ``dropped`` anew, of the switches' ``meter``. What is not answered soon stays as it was."""
        if not meter:
            return
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(SOON):
                found = await self.meters([meter])
                self.dropped = sum(packets for one in found.values() for packets, _ in one["bands"])

    async def _added(self, what: str, numbers: Iterable[int], parts: str) -> dict[int, dict[str, Any]]:
        asked = " ".join(map(str, numbers))
        found: dict[int, dict[str, Any]] = {}
        if not asked:
            return found
        for answer in _answered(await self._ask(what, {"numbers": asked})):
            for key, one in answer.items():
                total = found.setdefault(int(key), {"packets": 0, "bytes": 0, parts: [[0, 0] for _ in one[parts]]})
                total["packets"] += one["packets"]
                total["bytes"] += one["bytes"]
                for mine, theirs in zip(total[parts], one[parts], strict=False):
                    mine[0] += theirs[0]
                    mine[1] += theirs[1]
        return found


def _answered(answers: Mapping[str, Any]) -> list[dict[str, Any]]:
    return [answer for node, answer in answers.items() if node]
