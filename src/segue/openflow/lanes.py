"""Handlers that take their time, of one switch: a lane for each, so that one that is slow harms no other.

A lane has so many under way (`AT_ONCE`, or `THREADS_AT_ONCE` of those that block), and then so many waiting, in number
and in octets. What comes beyond that this handler does not hear of, and it is counted. Reading goes on in any case: a
switch that is not read from could not answer those that wait for its replies, and other handlers want its messages.
"""

from collections import deque
from collections.abc import Awaitable, Callable
from typing import Any, Final, Protocol

from segue.openflow.app import Handler
from segue.openflow.codec import encode
from segue.openflow.declare import Message
from segue.openflow.protocol.packets import PacketIn

AT_ONCE: Final = 64
"""Coroutines of one handler that one switch may have under way."""
THREADS_AT_ONCE: Final = 4
"""Threads of one handler that one switch may occupy."""
MOST_WAITING: Final = 4096
MOST_OCTETS: Final = 4 << 20
"""What may wait for these, of one handler and one switch."""

Begin = Callable[[], Awaitable[Any]]
"""Begins a handler, or hands over what it began."""


class Starter(Protocol):
    """Who runs what lanes begin. `target` is the switch, or whatever else they are of."""

    def start(self, handler: Handler, target: Any, begin: Begin, lanes: "Lanes") -> None:
        """Runs it, and tells the end by `done`."""

    def dropped(self, handler: Handler, target: Any) -> None:
        """There is an event that this handler does not hear of."""


class Lane:
    """One handler of one switch."""

    __slots__ = ("octets", "running", "waiting")

    def __init__(self) -> None:
        self.running = 0
        self.octets = 0
        self.waiting: deque[tuple[Begin, int]] = deque()


class Lanes:
    """Those of one switch."""

    __slots__ = ("_lanes", "_starter", "_target", "dropped", "version")

    def __init__(self, version: int, target: Any, starter: Starter) -> None:
        self.version = version
        self.dropped = 0
        """Events that a handler was to hear of and did not."""
        self._target = target
        self._starter = starter
        self._lanes: dict[Handler, Lane] = {}

    @property
    def running(self) -> int:
        """Handlers that are under way."""
        return sum(lane.running for lane in self._lanes.values())

    @property
    def waiting(self) -> int:
        return sum(len(lane.waiting) for lane in self._lanes.values())

    def put(self, handler: Handler, event: Any, begin: Begin) -> bool:
        """False for one that is not begun, now or later."""
        lane = self._lanes.get(handler)
        if lane is None:
            lane = self._lanes[handler] = Lane()
        if lane.running < (THREADS_AT_ONCE if handler.blocking else AT_ONCE):
            lane.running += 1
            self._starter.start(handler, self._target, begin, self)
            return True
        if len(lane.waiting) < MOST_WAITING:
            octets = size(event, self.version)
            if lane.octets + octets <= MOST_OCTETS:
                lane.octets += octets
                lane.waiting.append((begin, octets))
                return True
        self.dropped += 1
        self._starter.dropped(handler, self._target)
        return False

    def done(self, handler: Handler, *, goes_on: bool = True) -> None:
        """One that was running has ended. If that was because all ends, nothing more is begun."""
        lane = self._lanes[handler]
        if not goes_on:
            self.dropped += len(lane.waiting)
            lane.waiting.clear()
        if lane.waiting:
            begin, octets = lane.waiting.popleft()
            lane.octets -= octets
            self._starter.start(handler, self._target, begin, self)
            return
        lane.running -= 1
        if not lane.running:
            del self._lanes[handler]


def size(event: Any, version: int) -> int:
    """The octets that an event occupies, or about as many."""
    if event.__class__ is PacketIn:
        return 128 + len(event.data)
    if not isinstance(event, Message):
        return 128
    try:
        return 128 + len(encode(event, 0, version))
    except ValueError:  # one of parts that were put together
        return 0x10000
