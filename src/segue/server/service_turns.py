"""What controllers of services say, in turns: all services together take about half of the loop at the most.

A message is carried out as it comes while little has been spent. Beyond that what was read waits, its connection is
read no further, and the loop has others to see to, for as long as the messages have taken. What waits is carried out
in the order of its service; of services, the one that has spent the least is next, so that one whose messages take
long holds up itself.
"""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections import deque
from collections.abc import AsyncGenerator, Callable
from typing import Any

from segue.openflow.channel import Channel

SLICE = 0.02
"""Seconds that messages may take in one go."""
SHARE = 0.5
"""Of the time, for all services together."""
MOST_READ = 1 << 14
"""Octets of one controller that are read at a time."""

Work = Callable[[], bool]
"""Whether it is done; if not, somebody else does it who has been woken."""


class Turns:
    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._waiting: dict[int, deque[tuple[Channel | None, Work]]] = {}
        """By service; none is empty."""
        self._spent: dict[int, float] = {}
        """By service: seconds, which fade."""
        self._all = 0.0
        self._at = clock()
        self._timer: asyncio.TimerHandle | None = None
        self._held: dict[Channel, set[object]] = {}

    # -- a service's controllers -----------------------------------------------------------------------------------

    def attach(self, service: int, channel: Channel) -> None:
        """From now on what the channel tells comes in turn."""
        channel.most_read = MOST_READ
        handle = channel.on_event
        assert handle is not None

        def told(event: Any) -> None:
            if self._free(service):
                with self._taken(service):
                    handle(event)
                return

            def work() -> bool:
                try:
                    handle(event)
                except Exception as error:  # what is done wrong is not the end of the others
                    text = f"{channel.peer}: what it said could not be carried out"
                    asyncio.get_running_loop().call_exception_handler({"message": text, "exception": error})
                return True

            self._put(service, channel, work)

        channel.on_event = told

    def hold(self, channel: Channel, why: object) -> None:
        """Reads no more until nobody holds it."""
        if channel not in self._held:
            self._held[channel] = set()
            channel.hold()
        self._held[channel].add(why)

    def release(self, channel: Channel, why: object) -> None:
        whys = self._held.get(channel)
        if whys is not None:
            whys.discard(why)
            if not whys:
                del self._held[channel]
                channel.release()

    # -- whoever asks over HTTP ------------------------------------------------------------------------------------

    @contextlib.asynccontextmanager
    async def turn(self, service: int) -> AsyncGenerator[None]:
        """Waits for the service's turn; what is done within counts. Nothing is awaited there."""
        if not self._free(service):
            mine: asyncio.Future[None] = asyncio.get_running_loop().create_future()

            def wake() -> bool:
                if mine.done():
                    return True
                mine.set_result(None)
                return False

            self._put(service, None, wake)
            await mine
        with self._taken(service):
            yield

    def forget(self, service: int) -> None:
        """The service is gone: what its controllers said is not carried out."""
        for channel, work in self._waiting.pop(service, ()):
            if channel is None:
                work()
            else:
                self.release(channel, self)
        self._spent.pop(service, None)

    # -- underneath ------------------------------------------------------------------------------------------------

    def _free(self, service: int) -> bool:
        self._fade()
        return self._all < SLICE and service not in self._waiting

    def _fade(self) -> None:
        now = self._clock()
        gone, self._at = (now - self._at) * SHARE, now
        self._all = max(0.0, self._all - gone)
        self._spent = {service: spent - gone for service, spent in self._spent.items() if spent > gone}

    @contextlib.contextmanager
    def _taken(self, service: int) -> Any:
        start = self._clock()
        try:
            yield
        finally:
            seconds = self._clock() - start
            self._all += seconds
            self._spent[service] = self._spent.get(service, 0.0) + seconds

    def _put(self, service: int, channel: Channel | None, work: Work) -> None:
        self._waiting.setdefault(service, deque()).append((channel, work))
        if channel is not None:
            self.hold(channel, self)
        self._wind()

    def _wind(self) -> None:
        if self._timer is None and self._waiting:
            delay = max(0.0, self._all - SLICE / 2) / SHARE
            self._timer = asyncio.get_running_loop().call_later(delay, self._run)

    def _run(self) -> None:
        self._timer = None
        self._fade()
        while self._waiting and self._all < SLICE:
            service = min(self._waiting, key=lambda one: self._spent.get(one, 0.0))
            queue = self._waiting[service]
            channel, work = queue.popleft()
            if not queue:
                del self._waiting[service]
            with self._taken(service):
                done = work()
            if channel is not None and not any(channel is one for one, _ in queue):
                self.release(channel, self)
            if not done:
                break
            self._fade()
        self._wind()
