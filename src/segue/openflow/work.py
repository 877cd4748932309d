"""What comes of handlers: messages that are sent, tasks and threads, and failures, which are told with their names.

Those that take their time are begun in the lanes of their switch (`lanes`), or of the controller where the event is
about no switch. Many messages at a time are handed over piecewise, while the switch takes them.
"""

import asyncio
import logging
import time
from collections.abc import Awaitable, Iterable, Sequence
from typing import Any, Final

from segue.openflow.app import App, Handler
from segue.openflow.channel import ConnectionLost
from segue.openflow.declare import Message
from segue.openflow.dispatch import Answer, messages_of
from segue.openflow.lanes import Begin, Lanes
from segue.openflow.sparing import Sparing
from segue.openflow.threads import Threads
from segue.openflow.wire import V15

log = logging.getLogger("segue.openflow")

PIECE: Final = 256
"""Messages that are handed over at once; of more, the switch takes some before the next come."""
_UNSENT: Final = 1 << 17
THREADS: Final = 32
"""Threads that one handler may have, for all switches."""


class Work:
    """Of one controller. A target is a switch, or the controller itself: only a switch has a `lane` and can be sent
    something."""

    def __init__(self) -> None:
        self.failures = 0
        """Exceptions that handlers have raised, and answers that could not be sent."""
        self.slow_at = 0.0
        """When a handler was last told of that took long (monotonic)."""
        self.tell = Sparing(log)
        self._tasks: set[asyncio.Task[None]] = set()
        self._spawned: dict[asyncio.Task[None], App] = {}
        self._threads: dict[Handler, Threads] = {}
        self._own = Lanes(V15, None, self)

    # -- answers ---------------------------------------------------------------------------------------------------

    def deliver(self, target: Any, answers: Iterable[Answer]) -> None:
        for handler, messages in answers:
            self.send(handler, target, messages)

    def send(self, handler: Handler, target: Any, messages: Sequence[Message]) -> None:
        """Sends all of a handler's answer, or tells why none of it. Much of it is sent by and by."""
        if len(messages) > PIECE:
            self._task(self._send(handler, target, messages))
            return
        if not messages:
            return
        try:
            _check_switch(target)
            target.send(*messages)
        except Exception as e:
            self.failed(handler, target, e)

    async def _send(self, handler: Handler, target: Any, messages: Sequence[Message]) -> None:
        """The same, but does not hold everybody up while there is much to send, nor send more than is taken."""
        if len(messages) <= PIECE:
            self.send(handler, target, messages)
            return
        try:
            _check_switch(target)
            channel = target.channel
            pieces = []
            for n in range(0, len(messages), PIECE):
                pieces.append(channel.prepare(messages[n : n + PIECE]))
                await asyncio.sleep(0)
            pieces.reverse()
            while pieces:
                for one in pieces.pop():
                    channel.queue((one,))
                    if channel.unsent > _UNSENT:
                        await target.drain()
                await asyncio.sleep(0)
        except ConnectionLost as e:
            self.tell(str(handler), logging.INFO, "%s gave up for %r: %s", handler, target, e)
        except Exception as e:
            self.failed(handler, target, e)

    def failed(self, handler: Handler, target: Any, error: BaseException) -> None:
        self.failures += 1
        what = str(error) or type(error).__name__
        trace = (type(error), error, error.__traceback__)
        self.tell(str(handler), logging.ERROR, "%s failed for %r: %s", handler, target, what, exc_info=trace)

    def slow(self, handler: Handler | str, target: Any, seconds: float) -> None:
        self.slow_at = time.monotonic()
        advice = "let it be a coroutine, or blocking=True"
        text = "%s held everything up for %.2f s, for %r; %s"
        self.tell(f"{handler} is slow", logging.WARNING, text, handler, seconds, target, advice)

    # -- what takes its time ---------------------------------------------------------------------------------------

    def beside(self, handler: Handler, target: Any, event: Any) -> None:
        def begin() -> Awaitable[Any]:
            made: Awaitable[Any] = handler.function(target, event)
            return made

        def call() -> Awaitable[Any]:
            return self._call(handler, target, event)

        self._lanes_of(target).put(handler, event, call if handler.blocking else begin)

    def follow(self, handler: Handler, target: Any, result: Awaitable[Any]) -> None:
        if not self._lanes_of(target).put(handler, None, lambda: result):
            end = getattr(result, "close", None) or getattr(result, "cancel", None)
            if end is not None:
                end()

    def lanes(self, switch: Any) -> Lanes:
        return Lanes(switch.version, switch, self)

    def _lanes_of(self, target: Any) -> Lanes:
        found: Lanes = getattr(target, "lanes", self._own)
        return found

    def start(self, handler: Handler, target: Any, begin: Begin, lanes: Lanes) -> None:
        """For lanes: runs what they begin."""
        self._task(self._run(handler, target, begin, lanes))

    def dropped(self, handler: Handler, target: Any) -> None:
        """For lanes: an event that a handler does not hear of."""
        text = "%s does not keep up for %r, and does not hear of everything"
        self.tell(f"{handler} misses events", logging.WARNING, text, handler, target or "the controller")

    async def _call(self, handler: Handler, target: Any, event: Any) -> Any:
        """In a thread."""
        threads = self._threads.get(handler)
        if threads is None:
            threads = self._threads[handler] = Threads(THREADS)
        result, error = await threads.call(handler.function, target, event)
        if error is not None:
            self.failed(handler, target, error)
        return result

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
        for handler in [one for one in self._threads if one.app in apps]:
            del self._threads[handler]  # its threads end when they have nothing to do

    async def settle(self, seconds: float) -> None:
        """Waits for the handlers that are under way, but not for what was spawned."""
        tasks = [task for task in self._tasks if task not in self._spawned]
        if tasks:
            await asyncio.wait(tasks, timeout=seconds)

    async def cancel(self, seconds: float) -> None:
        """Ends everything that is still under way; what does not let itself be ended is left."""
        end = time.monotonic() + seconds
        while self._tasks and (left := end - time.monotonic()) > 0:
            for task in self._tasks:
                task.cancel()
            await asyncio.wait(list(self._tasks), timeout=min(left, 0.25))

    def _task(self, work: Any) -> asyncio.Task[None]:
        task: asyncio.Task[None] = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return task

    async def _run(self, handler: Handler, target: Any, begin: Begin, lanes: Lanes) -> None:
        goes_on = True
        try:
            await self._send(handler, target, messages_of(await begin()))
        except ConnectionLost as e:
            self.tell(str(handler), logging.INFO, "%s gave up for %r: %s", handler, target, e)
        except Exception as e:
            self.failed(handler, target, e)
        except BaseException as e:
            if not isinstance(e, asyncio.CancelledError) or _cancelled():
                goes_on = False
                raise
            self.failed(handler, target, e)  # its own
        finally:
            lanes.done(handler, goes_on=goes_on)

    async def _attend(self, app: App, work: Awaitable[Any]) -> None:
        try:
            await work
        except asyncio.CancelledError as e:
            if _cancelled():
                raise
            self._task_failed(app, e)
        except Exception as e:
            self._task_failed(app, e)

    def _task_failed(self, app: App, error: BaseException) -> None:
        self.failures += 1
        what = str(error) or type(error).__name__
        trace = (type(error), error, error.__traceback__)
        self.tell(app.name, logging.ERROR, "%s: a task failed: %s", app.name, what, exc_info=trace)


def _cancelled() -> bool:
    """Whether somebody wants this task to end."""
    task = asyncio.current_task()
    return task is not None and task.cancelling() > 0


def _check_switch(target: Any) -> None:
    if not hasattr(target, "channel"):
        raise TypeError("it returned messages for an event that is about no switch")
