"""What controllers of services say, in turns: all services together take about half of the loop at the most.

A message is carried out as it comes while little has been spent and nothing waits. Beyond that what was read waits, its
connection is read no further, and the loop has others to see to, for as long as the messages have taken. What waits is
carried out in the order of its service. The project that has spent the least is next, and of its services the one that
has: so a service whose messages take long holds up itself before others of its project, and a project gets no more for
having many services.

A service of no project counts as a project of its own. Those are the operator's, who is bound by no limit elsewhere
either, and have nothing in common but that: as one project, each would be held up by what another of them does.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import time
from collections import deque
from collections.abc import AsyncGenerator, Callable
from typing import Any

from segue.model.fair import Whose
from segue.openflow.channel import Channel
from segue.openflow.sparing import Sparing
from segue.server.service_shares import Shares

log = logging.getLogger(__name__)

SLICE = 0.02
"""Seconds that messages may take in one go."""
SHARE = 0.5
"""Of the time, for all services together."""
MOST_READ = 1 << 14
"""Octets of one controller that are read at a time."""

Work = Callable[[], bool]
"""Whether it is done; if not, somebody else does it who has been woken."""


class Turns:
    """``whose``: the project of a service, by the service's key, or the key where it has none."""

    def __init__(self, whose: Callable[[int], Whose], clock: Callable[[], float] = time.monotonic) -> None:
        self._of = whose
        self._clock = clock
        self._waiting: dict[Whose, dict[int, deque[tuple[Channel | None, Work]]]] = {}
        """By project, by service; none is empty."""
        self._counted: dict[int, Whose] = {}
        """By service of which something waits: the project with which it does, as that may become another."""
        self._projects: Shares[Whose] = Shares()
        self._services: dict[Whose, Shares[int]] = {}
        """By project: what its services have spent."""
        self._all = 0.0
        self._at = clock()
        self._timer: asyncio.TimerHandle | None = None
        self._held: dict[Channel, set[object]] = {}
        self._failed = Sparing(log)

    # -- a service's controllers -----------------------------------------------------------------------------------

    def attach(self, service: int, channel: Channel) -> None:
        """From now on what the channel tells comes in turn."""
        channel.most_read = MOST_READ
        handle = channel.on_event
        assert handle is not None

        def done(event: Any) -> None:
            try:
                handle(event)
            except Exception:  # what is done wrong is not the end of the others, and does not fill the log
                text = "%s: what it said could not be carried out"
                self._failed(f"service {service}", logging.ERROR, text, channel.peer, exc_info=True)

        def told(event: Any) -> None:
            if self._free():
                with self._taken(service):
                    done(event)
                return

            def work() -> bool:
                done(event)
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
        if not self._free():
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
        for channel, work in self._drop(self._whose(service), service):
            if channel is None:
                work()
            else:
                self.release(channel, self)

    # -- underneath ------------------------------------------------------------------------------------------------

    def _whose(self, service: int) -> Whose:
        if service in self._counted:
            return self._counted[service]
        return self._of(service)

    def _free(self) -> bool:
        """Whether what comes now is carried out at once. It does not pass what waits, whosever that is."""
        self._fade()
        return self._all < SLICE and not self._waiting

    def _fade(self) -> None:
        now = self._clock()
        gone, self._at = (now - self._at) * SHARE, now
        self._all = max(0.0, self._all - gone)
        if not self._all and not self._waiting:  # nobody has had any at the cost of others
            self._projects, self._services = Shares(), {}

    @contextlib.contextmanager
    def _taken(self, service: int) -> Any:
        whose = self._whose(service)
        start = self._clock()
        try:
            yield
        finally:
            seconds = self._clock() - start
            self._all += seconds
            self._projects.take(whose, seconds)
            self._services.setdefault(whose, Shares()).take(service, seconds)

    def _put(self, service: int, channel: Channel | None, work: Work) -> None:
        whose = self._counted.setdefault(service, self._whose(service))
        self._waiting.setdefault(whose, {}).setdefault(service, deque()).append((channel, work))
        if channel is not None:
            self.hold(channel, self)
        self._wind()

    def _drop(self, whose: Whose, service: int) -> deque[tuple[Channel | None, Work]]:
        """Of this service nothing waits any more."""
        self._counted.pop(service, None)
        services = self._waiting.get(whose, {})
        queue = services.pop(service, deque())
        if not services:
            self._waiting.pop(whose, None)
        return queue

    def _wind(self) -> None:
        if self._timer is None and self._waiting:
            delay = max(0.0, self._all - SLICE / 2) / SHARE
            self._timer = asyncio.get_running_loop().call_later(delay, self._run)

    def _next(self) -> tuple[Whose, int]:
        whose = self._projects.next(self._waiting)
        return whose, self._services.setdefault(whose, Shares()).next(self._waiting[whose])

    def _run(self) -> None:
        self._timer = None
        self._fade()
        while self._waiting and self._all < SLICE:
            whose, service = self._next()
            queue = self._waiting[whose][service]
            channel, work = queue.popleft()
            with self._taken(service):
                done = work()
            if not queue:
                self._drop(whose, service)
            if channel is not None and not any(channel is one for one, _ in queue):
                self.release(channel, self)
            if not done:
                break
            self._fade()
        self._settle()
        self._wind()

    def _settle(self) -> None:
        """Forgets who has had no more than others."""
        self._projects.settle()
        services, self._services = self._services, {}
        for whose, shares in services.items():
            if whose in self._waiting or whose in self._projects:
                shares.settle()
                self._services[whose] = shares
