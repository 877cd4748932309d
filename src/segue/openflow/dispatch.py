"""Who hears of what: applications in their order, and an event's way through their handlers.

Pure but for a clock, with which a handler that holds everybody up is found. What comes of a handler besides messages
is its host's business (`work`): exceptions, and whatever takes its time.
"""

import time
from collections.abc import Awaitable, Callable, Iterable, Sequence
from typing import Any, Final, Protocol

from segue.openflow.app import App, Handled, Handler
from segue.openflow.declare import MESSAGES, Message
from segue.openflow.loop_share import LONG
from segue.openflow.protocol.flows import FlowRemoved
from segue.openflow.protocol.packets import PacketIn

HOT: Final = (PacketIn, FlowRemoved)
"""Messages that come unasked and in numbers, and about which the controller itself need know nothing."""

Answer = tuple[Handler, Sequence[Message]]


class Host(Protocol):
    """Who takes care of what is not an answer. `target` is the switch, or the controller."""

    def failed(self, handler: Handler, target: Any, error: BaseException) -> None: ...

    def slow(self, handler: Handler, target: Any, seconds: float) -> None: ...

    def beside(self, handler: Handler, target: Any, event: Any) -> None:
        """Calls a handler that may take its time."""

    def follow(self, handler: Handler, target: Any, result: Awaitable[Any]) -> None:
        """A plain function returned something to be waited for."""


class Dispatch:
    """Of applications that are in order already."""

    def __init__(self, apps: Iterable[App], host: Host) -> None:
        self.apps = tuple(apps)
        self.last: Sequence[Answer] = ()
        """What the last call of this came to, by handlers."""
        self._host = host
        self._handlers: dict[type[Any], tuple[Handler, ...]] = {}

    def handlers(self, event: type[Any]) -> tuple[Handler, ...]:
        """Those that hear of events of this class, in order."""
        found = self._handlers.get(event)
        if found is None:
            found = tuple(one for app in self.apps for one in app.handlers if issubclass(event, one.event))
            self._handlers[event] = found
        return found

    def answers(self, target: Any, event: Any) -> list[Answer]:
        """Tells every handler of the event, and collects what they answer at once."""
        answers: list[Answer] = []
        host, clock = self._host, time.perf_counter
        begun = clock()
        for handler in self.handlers(event.__class__):
            if handler.asynchronous or handler.blocking:
                host.beside(handler, target, event)
                continue
            try:
                result = handler.function(target, event)
            except (KeyboardInterrupt, SystemExit):
                raise
            except BaseException as e:  # also what would cancel a task: nobody cancelled this one
                result = None
                host.failed(handler, target, e)
            now = clock()
            if now - begun > LONG:
                host.slow(handler, target, now - begun)
            begun = now
            if result is not None:
                messages = self.taken(handler, target, result)
                if messages:
                    answers.append((handler, messages))
                if result.__class__ is Handled:
                    break
        return answers

    def taken(self, handler: Handler, target: Any, result: Any) -> Sequence[Message]:
        """What a handler returned, as messages; the host hears of what is something else."""
        try:
            if hasattr(result, "__await__"):
                self._host.follow(handler, target, result)
                return ()
            return messages_of(result)
        except TypeError as e:
            self._host.failed(handler, target, e)
            return ()

    def __call__(self, switch: Any, event: Any) -> Sequence[Message]:
        """The same for a pump, which wants messages alone; `last` says whose they were."""
        self.last = ()
        self.last = answers = self.answers(switch, event)
        if len(answers) == 1:
            return answers[0][1]
        return [msg for _, messages in answers for msg in messages]

    def hears_misses(self) -> bool:
        """Whether an application wants the packets that no flow matches."""
        return any(handler.app.table_miss for handler in self.handlers(PacketIn))

    def alone(self, event: type[Any]) -> Handler | None:
        """The handler, if there is but one and it answers at once."""
        handlers = self.handlers(event)
        return handlers[0] if len(handlers) == 1 and not handlers[0].beside else None

    def hot(self, version: int) -> dict[int, Callable[[Any, Any], Any] | None]:
        """message type -> what a pump is to call: one plain function as it is; several, or one that takes its time, by
        way of this; None where nobody hears of it."""
        found: dict[int, Callable[[Any, Any], Any] | None] = {}
        for event in HOT:
            number = MESSAGES.entries[event].number(version)
            if number is not None:
                alone = self.alone(event)
                found[number] = alone.function if alone is not None else self if self.handlers(event) else None
        return found


def in_order(apps: Iterable[App]) -> list[App]:
    """The applications as they are to hear of events: as given, but each behind those that it names in `after`.

    ValueError when two have one name, when one needs another that is not there, or when they wait for each other.
    """
    left, done = list(apps), []
    names = [app.name for app in left]
    for app in left:
        if names.count(app.name) > 1:
            raise ValueError(f"two applications are called {app.name!r}")
        missing = [need for need in app.needs if need not in names]
        if missing:
            raise ValueError(f"{app.name} needs {', '.join(missing)}, which is not there")
    while left:
        waiting = {app.name for app in left}
        ready = next((app for app in left if not waiting.intersection(app.after)), None)
        if ready is None:
            raise ValueError(f"applications wait for each other: {', '.join(sorted(waiting))}")
        left.remove(ready)
        done.append(ready)
    return done


def messages_of(result: Any) -> Sequence[Message]:
    """What a handler returned, as messages. TypeError for what cannot be sent."""
    if result is None:
        return ()
    if isinstance(result, Message):
        return (result,)
    messages = result.messages if isinstance(result, Handled) else result
    if not isinstance(messages, (list, tuple)):
        raise TypeError(f"it returned {result!r:.80}: None, a message, or a list of messages is wanted")
    for n, one in enumerate(messages):
        if not isinstance(one, Message):
            raise TypeError(f"it returned {one!r:.80} among what is to be sent, which is not a message (element {n})")
    return messages
