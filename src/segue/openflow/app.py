"""Controller applications: what they want to hear of, and what they say to it.

    app = App("hello")

    @app.on(PacketIn)
    def packet_in(switch, msg):
        return PacketOut.answering(msg, [Output(FLOOD)])

A handler gets the switch and the event: a message's class, or one of the controller's own below, or any class of which
an application `emit`s instances. It returns what is to be sent to that switch: None, a message, or a list or tuple of
messages. `Handled(...)` says besides that applications behind this one are not to hear of the event. A coroutine
function runs as a task of its own; `blocking=True` runs a plain function in a thread; both may take their time.

Applications return what they want; they do not send. (They can, `switch.send` is there, where an event is not the
reason.) Several applications hear of an event in the order in which they were given to the controller.
"""

from collections.abc import Callable, Iterable, Sequence
from typing import Any, Final, TypeVar

import msgspec

from segue.openflow.declare import HOMES, MESSAGES, Message

_COROUTINE: Final = 0x80  # CO_COROUTINE; the module `inspect`, which has the name, takes long to load
H = TypeVar("H", bound=Callable[..., Any])


class SwitchUp(msgspec.Struct, frozen=True, gc=False):
    """A switch said who it is: from now on its messages arrive. What the handler returns is the first it is sent."""


class SwitchDown(msgspec.Struct, frozen=True, gc=False):
    """A switch has gone; `reason` is for people. What the handler returns goes nowhere."""

    reason: str


class TopologyChanged(msgspec.Struct, frozen=True, gc=False):
    """Addresses may be behind other ports of this switch than before: what was learnt of them is no longer true."""


class Started(msgspec.Struct, frozen=True, gc=False):
    """The controller runs. The handler gets the controller in the place of a switch."""


class Stopping(msgspec.Struct, frozen=True, gc=False):
    """The controller is about to stop. The handler gets the controller in the place of a switch."""


class Handled:
    """The event ends here: applications behind this one do not hear of it. The messages are sent."""

    __slots__ = ("messages",)

    def __init__(self, *messages: Message) -> None:
        self.messages = messages


HANDLED: Final = Handled()


class Handler(msgspec.Struct, frozen=True, eq=False):
    """One function of one application."""

    app: "App"
    event: type[Any]
    function: Callable[..., Any]
    asynchronous: bool
    blocking: bool


class App:
    """A set of handlers with a name. Modules that `segue openflow run` loads have one, called `app`."""

    def __init__(self, name: str, *, needs: Iterable[str] = (), after: Iterable[str] = ()) -> None:
        self.name = name
        self.needs = tuple(needs)
        """Applications that this one cannot do without."""
        self.after = (*self.needs, *after)
        """Applications that are to hear of events before this one, if they are there at all."""
        self.handlers: list[Handler] = []

    def on(self, *events: type[Any], blocking: bool = False) -> Callable[[H], H]:
        """Has the decorated function called for events of these classes."""
        for event in events:
            if not isinstance(event, type):
                raise TypeError(f"@{self.name}.on: {event!r} is not a class of events, such as PacketIn")
        if not events:
            raise TypeError(f"@{self.name}.on: which events? Such as @app.on(PacketIn)")

        def enter(function: H) -> H:
            asynchronous = bool(getattr(getattr(function, "__code__", None), "co_flags", 0) & _COROUTINE)
            if asynchronous and blocking:
                raise TypeError(f"{function.__qualname__}: a coroutine function does not block")
            for event in events:
                self.handlers.append(Handler(self, event, function, asynchronous, blocking))
            return function

        return enter

    def __repr__(self) -> str:
        return f"App({self.name!r})"


def in_order(apps: Sequence[App]) -> list[App]:
    """The applications as they are to hear of events: as given, but each behind those that it names in `after`.

    ValueError when two have one name, or when they wait for each other.
    """
    names = [app.name for app in apps]
    for name in names:
        if names.count(name) > 1:
            raise ValueError(f"two applications are called {name!r}")
    left, done = list(apps), []
    while left:
        waiting = {app.name for app in left}
        ready = next((app for app in left if not waiting.intersection(app.after)), None)
        if ready is None:
            raise ValueError(f"applications wait for each other: {', '.join(sorted(waiting))}")
        left.remove(ready)
        done.append(ready)
    return done


Failed = Callable[[Handler, Any, BaseException], None]
Aside = Callable[[Handler, Any, Any], None]


class Dispatch:
    """Who hears of what: made of the applications once, asked at every event.

    `failed(handler, switch, exception)` is told of each exception; `aside(handler, switch, event)` runs handlers that
    take their time (coroutines, threads), whose answers are sent when they have them.
    """

    def __init__(self, apps: Sequence[App], failed: Failed, aside: Aside) -> None:
        self.apps = in_order(apps)
        self._failed = failed
        self._aside = aside
        self._by_event: dict[type[Any], tuple[Handler, ...]] = {}
        for app in self.apps:
            for handler in app.handlers:
                self._by_event[handler.event] = (*self._by_event.get(handler.event, ()), handler)

    def handlers(self, event: type[Any]) -> tuple[Handler, ...]:
        return self._by_event.get(event, ())

    def __call__(self, switch: Any, event: Any) -> list[Message]:
        """Tells every handler of the event, and collects what they answer at once."""
        answers: list[Message] = []
        for handler in self._by_event.get(event.__class__, ()):
            if handler.asynchronous or handler.blocking:
                self._aside(handler, switch, event)
                continue
            try:
                result = handler.function(switch, event)
                if result is None:
                    continue
                answers += messages_of(result)
            except Exception as e:
                self._failed(handler, switch, e)
                continue
            if result.__class__ is Handled:
                break
        return answers

    def hot(self, version: int) -> dict[int, Callable[[Any, Any], Any]]:
        """message type -> what is called for it, for the types that somebody hears of and that answer nothing of ours.
        One plain function is called as it is; several, or one that takes its time, by way of this."""
        found: dict[int, Callable[[Any, Any], Any]] = {}
        for event, handlers in self._by_event.items():
            if HOMES.get(event) is not MESSAGES or event.__name__ not in UNASKED:
                continue
            entry = MESSAGES.entries[event]
            number = entry.number(version)
            if number is None or entry.key is not None:
                continue
            alone = len(handlers) == 1 and not handlers[0].asynchronous and not handlers[0].blocking
            found[number] = handlers[0].function if alone else self
        return found


UNASKED: Final = frozenset({"PacketIn", "FlowRemoved", "PortStatus"})
"""Messages that a switch sends by itself and often: those that need no look at the state of the connection."""


def messages_of(result: Any) -> Sequence[Message]:
    """What a handler returned, as messages. TypeError for what cannot be sent."""
    if result is None:
        return ()
    if isinstance(result, Message):
        return (result,)
    if isinstance(result, Handled):
        return result.messages
    if isinstance(result, (list, tuple)):
        for one in result:
            if not isinstance(one, Message):
                raise TypeError(f"a handler returned {one!r:.80} among what is to be sent, which is not a message")
        return result
    raise TypeError(f"a handler returned {result!r:.80}: None, a message, or a list of messages is wanted")
