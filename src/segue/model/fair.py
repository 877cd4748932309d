"""Packets of injected services that wait for the next who takes them, the server's or the switch's: one queue for each
service, all bounded, taken in turn.

What comes to a full queue is dropped and counted, so a service that gets more than the server takes loses packets of
its own, and delays others by one packet at the most. Pure.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from typing import Any, Generic, Protocol, TypeVar

import msgspec

MOST_OF_ONE = 128
"""Packets of one service that wait."""
MOST_OCTETS = 16 << 20
"""Of all packets that wait. Beyond it the service with the most loses one."""
ABOUT_ONE = 200
"""Octets that a packet costs besides its own."""


class Packet(Protocol):
    """A frozen struct. ``lost``: how many of the service were lost since the one before."""

    @property
    def service(self) -> int: ...

    @property
    def data(self) -> bytes: ...

    @property
    def lost(self) -> int: ...


P = TypeVar("P", bound=Packet)


class _Queue:
    __slots__ = ("lost", "octets", "waiting")

    def __init__(self) -> None:
        self.waiting: deque[Any] = deque()
        self.octets = 0
        self.lost = 0


class Fair(Generic[P]):
    def __init__(self, most_of_one: int = MOST_OF_ONE, most_octets: int = MOST_OCTETS) -> None:
        self._most_of_one = most_of_one
        self._most_octets = most_octets
        self._queues: dict[int, _Queue] = {}
        """By service; a queue is forgotten when nothing waits and nothing is lost."""
        self._turns: deque[int] = deque()
        """Services of which something waits, the next one first."""
        self.octets = 0

    def __len__(self) -> int:
        return sum(len(queue.waiting) for queue in self._queues.values())

    def put(self, packet: P) -> None:
        queue = self._queues.get(packet.service)
        if queue is None:
            queue = self._queues[packet.service] = _Queue()
        if len(queue.waiting) >= self._most_of_one:
            queue.lost += 1
            return
        if not queue.waiting:
            self._turns.append(packet.service)
        queue.waiting.append(packet)
        self._weigh(queue, packet, 1)
        while self.octets > self._most_octets:
            self._drop()

    def take(self) -> P | None:
        """The next one in turn, with how many of its service were lost since the last one that was taken."""
        if not self._turns:
            return None
        service = self._turns.popleft()
        queue = self._queues[service]
        packet: P = queue.waiting.popleft()
        self._weigh(queue, packet, -1)
        lost, queue.lost = queue.lost, 0
        if queue.waiting:
            self._turns.append(service)
        else:
            del self._queues[service]
        return msgspec.structs.replace(packet, lost=lost) if lost else packet  # type: ignore[type-var]

    def take_if(self, may: Callable[[P], bool]) -> P | None:
        """The next one in turn that ``may`` be taken. A service's packets keep their order."""
        for _ in range(len(self._turns)):
            if may(self._queues[self._turns[0]].waiting[0]):
                return self.take()
            self._turns.rotate(-1)
        return None

    def clear(self) -> None:
        """What waits is for somebody who is gone: it is lost."""
        for queue in self._queues.values():
            queue.lost += len(queue.waiting)
            queue.waiting.clear()
            queue.octets = 0
        self._turns.clear()
        self.octets = 0

    def _drop(self) -> None:
        service, queue = max(self._queues.items(), key=lambda item: item[1].octets)
        self._weigh(queue, queue.waiting.pop(), -1)
        queue.lost += 1
        if not queue.waiting:
            self._turns.remove(service)

    def _weigh(self, queue: _Queue, packet: Packet, sign: int) -> None:
        octets = sign * (len(packet.data) + ABOUT_ONE)
        queue.octets += octets
        self.octets += octets
