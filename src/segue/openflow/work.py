"""What comes of handlers: messages that are sent, tasks and threads, and failures, which are told with their names.

A switch has so many handlers under way that take their time, and no more (`AT_ONCE`). What comes when as many are
under way waits in its lane, and while something waits there the switch is not read from. There is one exception: a
handler that waits for a reply would wait in vain, so while one does reading goes on. When `MOST_WAITING` wait, packets
that come then are dropped, as the switch would drop them if it had to keep them; when four times as many do, with
messages that are no packets, nothing is read any more, and requests time out.
"""

import asyncio
import logging
import time
from collections import deque
from collections.abc import Awaitable, Callable, Iterable, Sequence
from typing import Any, Final

from segue.openflow.app import App, Handler
from segue.openflow.channel import Channel, ConnectionLost
from segue.openflow.codec import encode
from segue.openflow.declare import HOMES, MESSAGES, Message
from segue.openflow.dispatch import Answer, messages_of
from segue.openflow.protocol.packets import PacketIn

log = logging.getLogger("segue.openflow")

AT_ONCE: Final = 64
"""Coroutines and threads that one switch may have under way."""
MOST_WAITING: Final = 4096
"""Events that may wait for these while reading goes on for the sake of replies."""


class Lane:
    """The handlers of one switch that take their time. `start` begins one, whose end is told by `done`."""

    __slots__ = ("_asking", "_channels", "_held", "_start", "_waiting", "dropped", "running")

    def __init__(self, start: Callable[[Handler, Any], None]) -> None:
        self.running = 0
        self.dropped = 0
        """Packet-ins that a handler was to hear of and did not."""
        self._start = start
        self._waiting: deque[tuple[Handler, Any]] = deque()
        self._asking = 0
        self._held = False
        self._channels: list[Channel] = []

    def join(self, channel: Channel) -> None:
        """Another connection of the switch."""
        self._channels = [other for other in self._channels if other.lost is None]
        self._channels.append(channel)
        if self._held:
            channel.hold()

    def put(self, handler: Handler, event: Any) -> None:
        if self.running < AT_ONCE:
            self.running += 1
            self._start(handler, event)
        elif self._asking and len(self._waiting) >= MOST_WAITING and isinstance(event, PacketIn):
            if not self.dropped:
                log.warning("%s: it does not keep up, and packets are dropped", handler)
            self.dropped += 1
        else:
            self._waiting.append((handler, event))
            self._regulate()

    def done(self) -> None:
        """One that was running has ended."""
        self.running -= 1
        if self._waiting and self.running < AT_ONCE:
            self.running += 1
            self._start(*self._waiting.popleft())
        self._regulate()

    def asks(self, more: int) -> None:
        """So many more handlers wait for replies."""
        self._asking += more
        self._regulate()

    def _regulate(self) -> None:
        stop = bool(self._waiting) and (not self._asking or len(self._waiting) > 4 * MOST_WAITING)
        if stop != self._held:
            self._held = stop
            for channel in self._channels:
                channel.hold() if stop else channel.release()


class Work:
    """Of one controller. A target is a switch, or the controller itself: only a switch has a `lane` and can be sent
    something."""

    def __init__(self) -> None:
        self.failures = 0
        """Exceptions that handlers have raised, and answers that could not be sent."""
        self.slow_at = 0.0
        """When a handler was last told of that took long (perf_counter)."""
        self._tasks: set[asyncio.Task[None]] = set()
        self._spawned: dict[asyncio.Task[None], App] = {}

    # -- answers ---------------------------------------------------------------------------------------------------

    def deliver(self, target: Any, answers: Iterable[Answer]) -> None:
        for handler, messages in answers:
            self.send(handler, target, messages)

    def send(self, handler: Handler, target: Any, messages: Sequence[Message]) -> None:
        """Sends all of a handler's answer, or tells why none of it."""
        if not messages:
            return
        try:
            if not hasattr(target, "lane"):
                raise TypeError("it returned messages for an event that is about no switch")
            if len(messages) > 1:
                for msg in messages:
                    if HOMES.get(msg.__class__) is MESSAGES:  # what has parts is not bound to one message's length
                        encode(msg, 0, target.version)
            target.send(*messages)
        except Exception as e:
            self.failed(handler, target, e)

    def failed(self, handler: Handler, target: Any, error: BaseException) -> None:
        self.failures += 1
        log.error("%s failed for %r: %s", handler, target, error, exc_info=_trace(error))

    def slow(self, handler: Handler | str, target: Any, seconds: float) -> None:
        self.slow_at = time.perf_counter()
        advice = "let it be a coroutine, or blocking=True"
        log.warning("%s held everything up for %.2f s, for %r; %s", handler, seconds, target, advice)

    # -- what takes its time ---------------------------------------------------------------------------------------

    def beside(self, handler: Handler, target: Any, event: Any) -> None:
        lane: Lane | None = getattr(target, "lane", None)
        if lane is None:
            self._begin(handler, target, event)
        else:
            lane.put(handler, event)

    def follow(self, handler: Handler, target: Any, result: Awaitable[Any]) -> None:
        lane: Lane | None = getattr(target, "lane", None)
        if lane is not None:
            lane.running += 1
        self._task(self._run(handler, target, lambda: result))

    def lane(self, switch: Any) -> Lane:
        return Lane(lambda handler, event: self._begin(handler, switch, event))

    def spawn(self, app: App, work: Awaitable[Any]) -> asyncio.Task[None]:
        """Runs a task that ends with the application at the latest."""
        task = self._task(self._attend(app, work))
        self._spawned[task] = app
        task.add_done_callback(lambda task: self._spawned.pop(task, None))
        return task

    def run(self, work: Awaitable[None]) -> None:
        """Something of the controller's own."""
        self._task(work)

    def end(self, apps: Iterable[App]) -> None:
        """Ends the tasks that these applications spawned."""
        apps = tuple(apps)
        for task, app in list(self._spawned.items()):
            if app in apps:
                task.cancel()

    async def settle(self, seconds: float) -> None:
        """Waits for the handlers that are under way, but not for what was spawned."""
        tasks = [task for task in self._tasks if task not in self._spawned]
        if tasks:
            await asyncio.wait(tasks, timeout=seconds)

    async def cancel(self) -> None:
        """Ends everything that is still under way."""
        while self._tasks:
            tasks = list(self._tasks)
            for task in tasks:
                task.cancel()
            await asyncio.wait(tasks, timeout=1.0)
            self._tasks.difference_update(tasks)

    def _begin(self, handler: Handler, target: Any, event: Any) -> None:
        def begin() -> Awaitable[Any]:
            if handler.blocking:
                return asyncio.get_running_loop().run_in_executor(None, handler.function, target, event)
            made: Awaitable[Any] = handler.function(target, event)
            return made

        self._task(self._run(handler, target, begin))

    def _task(self, work: Any) -> asyncio.Task[None]:
        task: asyncio.Task[None] = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return task

    async def _run(self, handler: Handler, target: Any, begin: Callable[[], Awaitable[Any]]) -> None:
        try:
            self.send(handler, target, messages_of(await begin()))
        except ConnectionLost as e:
            log.info("%s gave up for %r: %s", handler, target, e)
        except Exception as e:
            self.failed(handler, target, e)
        finally:
            lane: Lane | None = getattr(target, "lane", None)
            if lane is not None:
                lane.done()

    async def _attend(self, app: App, work: Awaitable[Any]) -> None:
        try:
            await work
        except Exception as e:
            self.failures += 1
            log.error("%s: a task failed: %s", app.name, e, exc_info=_trace(e))


def _trace(error: BaseException) -> Any:
    return (type(error), error, error.__traceback__)
