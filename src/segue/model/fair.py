"""Packets of injected services that wait for the next who takes them, the server's or the switch's: one queue for each
service, all bounded, taken in turn: the projects', and of each project its services'.

What comes to a full queue is dropped and counted, so a service that gets more than the server takes loses packets of
its own, and a project delays others by one packet at the most, however many services it has. Pure.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from typing import Any, Generic, Protocol, TypeVar

import msgspec

MOST_OF_ONE = 128
"""Packets of one service that wait."""
MOST_OCTETS = 16 << 20
"""Of all packets that wait. Beyond it the project with the most loses one, of its service with the most."""
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


Whose = str | int
"""A project by its name, or a service that has none by its key."""


class _Queue:
    """Of a service. ``whose``: with whom it has its turn while something waits, as that may become another's."""

    __slots__ = ("lost", "octets", "waiting", "whose")

    def __init__(self) -> None:
        self.waiting: deque[Any] = deque()
        self.whose: Whose = 0
        self.octets = 0
        self.lost = 0


class _Project:
    """``turns``: its services of which something waits, the next one first."""

    __slots__ = ("octets", "turns")

    def __init__(self) -> None:
        self.turns: deque[int] = deque()
        self.octets = 0


class Fair(Generic[P]):
    """``whose``: the project of a service, by the service's key, or the key where it has none."""

    def __init__(
        self, whose: Callable[[int], Whose], most_of_one: int = MOST_OF_ONE, most_octets: int = MOST_OCTETS
    ) -> None:
        self._whose = whose
        self._most_of_one = most_of_one
        self._most_octets = most_octets
        self._queues: dict[int, _Queue] = {}
        """By service; a queue is forgotten when nothing waits and nothing is lost."""
        self._projects: dict[Whose, _Project] = {}
        """Of which something waits."""
        self._turns: deque[Whose] = deque()
        """The same, the next one first."""
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
            queue.whose = self._whose(packet.service)
            if queue.whose not in self._projects:
                self._projects[queue.whose] = _Project()
                self._turns.append(queue.whose)
            self._projects[queue.whose].turns.append(packet.service)
        queue.waiting.append(packet)
        self._weigh(queue, packet, 1)
        while self.octets > self._most_octets:
            self._drop()

    def take(self) -> P | None:
        """The next one in turn, with how many of its service were lost since the last one that was taken."""
        if not self._turns:
            return None
        whose = self._turns.popleft()
        project = self._projects[whose]
        service = project.turns.popleft()
        queue = self._queues[service]
        packet: P = queue.waiting.popleft()
        self._weigh(queue, packet, -1)
        lost, queue.lost = queue.lost, 0
        if queue.waiting:
            project.turns.append(service)
        else:
            del self._queues[service]
        if project.turns:
            self._turns.append(whose)
        else:
            del self._projects[whose]
        return msgspec.structs.replace(packet, lost=lost) if lost else packet  # type: ignore[type-var]

    def take_if(self, may: Callable[[P], bool]) -> P | None:
        """The next one in turn that ``may`` be taken. A service's packets keep their order."""
        for _ in range(len(self._turns)):
            services = self._projects[self._turns[0]].turns
            for _ in range(len(services)):
                if may(self._queues[services[0]].waiting[0]):
                    return self.take()
                services.rotate(-1)
            self._turns.rotate(-1)
        return None

    def clear(self) -> None:
        """What waits is for somebody who is gone: it is lost."""
        for queue in self._queues.values():
            queue.lost += len(queue.waiting)
            queue.waiting.clear()
            queue.octets = 0
        self._projects.clear()
        self._turns.clear()
        self.octets = 0

    def _drop(self) -> None:
        whose, project = max(self._projects.items(), key=lambda item: item[1].octets)
        service = max(project.turns, key=lambda service: self._queues[service].octets)
        queue = self._queues[service]
        self._weigh(queue, queue.waiting.pop(), -1)
        queue.lost += 1
        if not queue.waiting:
            project.turns.remove(service)
        if not project.turns:
            self._turns.remove(whose)
            del self._projects[whose]

    def _weigh(self, queue: _Queue, packet: Packet, sign: int) -> None:
        octets = sign * (len(packet.data) + ABOUT_ONE)
        queue.octets += octets
        self._projects[queue.whose].octets += octets
        self.octets += octets
