"""What nodes' switches have counted for one service, added up.

Switches go on counting where a flow begins anew (OFPFF_RESET_COUNTS). So what each had counted by then is kept, here
and in the store (`count/NUMBER`), until the node says that it has begun anew itself, or has the flow no more.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections import Counter
from collections.abc import Awaitable, Callable, Iterable, Iterator, Mapping
from typing import Any, Final

import msgspec

from segue.inject.changes import Changes

SOON = 1.0
"""Seconds in which nodes tell what their meters have dropped, or it is not waited for."""

Ask = Callable[[str, Mapping[str, str]], Awaitable[dict[str, Any]]]
"""(what, arguments) -> by node what it answers; "" is there if some node has not answered."""
COUNT: Final = "count/"
Count = tuple[int, int]
"""Packets and bytes."""

_kept: Final = msgspec.json.Decoder(dict[str, Count]).decode


class Flows(msgspec.Struct, frozen=True):
    """``counts``: (packets, bytes) by flow number, over all nodes; ``idle``: seconds since the last packet, of the node
    that had it last. ``complete``: every node with elements of the service has answered."""

    counts: dict[int, Count]
    idle: dict[int, float]
    complete: bool


class Counts:
    """Several who want to know of flows at once are answered together."""

    def __init__(self, ask: Ask) -> None:
        self._ask = ask
        self._next: asyncio.Task[Flows] | None = None
        self._last: dict[str, dict[int, Count]] = {}
        """By node and flow number, as last read."""
        self._before: dict[int, dict[str, Count]] = {}
        """By flow number and node: what its rule had counted when it was told to count anew."""
        self._unwritten: set[int] = set()
        """Flows of which the store has another ``_before``."""
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
        counts: dict[int, Count] = {}
        idle: dict[int, float] = {}
        said: dict[str, dict[int, Count]] = {}
        for node, answer in answers.items():
            if not node:
                continue
            said[node] = {}
            for key, (packets, octets, seconds, _) in answer.items():
                number = int(key.rpartition("/")[2])
                said[node][number] = (packets, octets)
                before = self._since(number, node, packets)
                more = counts.get(number, (0, 0))
                counts[number] = (more[0] + packets - before[0], more[1] + max(0, octets - before[1]))
                idle[number] = min(idle.get(number, seconds), seconds)
        for number, by_node in list(self._before.items()):
            for node in by_node.keys() & said.keys():
                if number not in said[node]:
                    self._drop(number, node)
        complete = "" not in answers
        self._last = said if complete else self._last | said
        return Flows(counts, idle, complete)

    def _since(self, number: int, node: str, packets: int) -> Count:
        """What a node's rule had counted when its flow began anew: nothing, if the node has begun anew since."""
        before = self._before.get(number, {}).get(node, (0, 0))
        if packets >= before[0]:
            return before
        self._drop(number, node)
        return (0, 0)

    def _drop(self, number: int, node: str) -> None:
        by_node = self._before[number]
        del by_node[node]
        if not by_node:
            del self._before[number]
        self._unwritten.add(number)

    def anew(self, numbers: Iterable[int]) -> None:
        """These flows count from nothing now (OFPFF_RESET_COUNTS), that is, from what was last read."""
        for number in numbers:
            known = {node: counts[number] for node, counts in self._last.items() if number in counts}
            if known:
                self._before[number] = self._before.get(number, {}) | known
                self._unwritten.add(number)

    def load(self, entries: Mapping[str, bytes]) -> None:
        """What the store has of it."""
        for key, data in entries.items():
            if key.startswith(COUNT):
                self._before[int(key.removeprefix(COUNT))] = _kept(data)

    def writes(self, changes: Changes) -> Iterator[tuple[str, bytes | None]]:
        """What is to be written together with ``changes``, by key; None for what is to be removed."""
        for number, flow in changes.flows.items():
            if flow is None and self._before.pop(number, None) is not None:
                self._unwritten.add(number)
        unwritten, self._unwritten = self._unwritten, set()
        for number in unwritten:
            before = self._before.get(number)
            yield f"{COUNT}{number}", None if before is None else msgspec.json.encode(before)

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
