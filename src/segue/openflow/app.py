"""Controller applications: what they want to hear of, and what they say to it.

    app = App("hello")

    @app.on(PacketIn)
    def packet_in(switch, msg):
        return PacketOut.answering(msg, [Output(FLOOD)])

A handler gets the switch and the event: a message, or one of the controller's own events below, or whatever an
application `emit`s. It hears of the classes that it names and of what is derived from them (`Message` is all
messages). It returns what is to be sent to that switch: None, a message, or a list or tuple of messages, which are
sent all or not at all. `Handled(...)` says besides that handlers behind this one are not to hear of the event. A
coroutine function runs as a task of its own; `blocking=True` runs a plain function in a thread; both may take their
time, and their answers are sent when they have them.

Applications return what they want; they do not send. (They can: `switch.send` is there, where an event is not the
reason. What a handler sends that way goes out behind the answers to what was read together with its message.)
"""

import weakref
from collections.abc import Callable, Iterable
from typing import Any, Final, TypeVar

import msgspec

from segue.openflow.declare import Message

_COROUTINE: Final = 0x80  # CO_COROUTINE; the module `inspect`, which has the name, takes long to load
H = TypeVar("H", bound=Callable[..., Any])
S = TypeVar("S")


class SwitchUp(msgspec.Struct, frozen=True, gc=False):
    """A switch said who it is: from now on its messages arrive. What the handler returns is the first it is sent."""


class SwitchDown(msgspec.Struct, frozen=True, gc=False):
    """A switch has gone, or the application is taken out; `reason` is for people. What the handler returns is sent if
    the switch is still there."""

    reason: str


class TopologyChanged(msgspec.Struct, frozen=True, gc=False):
    """Addresses may be behind other ports of this switch than before: what was learnt of them is no longer true."""


class Started(msgspec.Struct, frozen=True, gc=False):
    """The controller runs, and the application with it. The handler gets the controller in the place of a switch."""


class Stopping(msgspec.Struct, frozen=True, gc=False):
    """The controller is about to stop, or the application is taken out. The handler gets the controller in the place
    of a switch."""


class Handled:
    """The event ends here: handlers behind this one do not hear of it. The messages are sent.

    It is for handlers that answer at once: by the time that a coroutine or a thread returns it, others have heard.
    """

    __slots__ = ("messages",)

    def __init__(self, *messages: Message) -> None:
        self.messages = messages


HANDLED: Final = Handled()


class Handler(msgspec.Struct, frozen=True, eq=False):
    """One function of one application, for one class of events."""

    app: "App"
    event: type[Any]
    function: Callable[..., Any]
    asynchronous: bool
    blocking: bool

    @property
    def beside(self) -> bool:
        """Whether it may take its time."""
        return self.asynchronous or self.blocking

    def __str__(self) -> str:
        return f"{self.app.name}: {getattr(self.function, '__qualname__', None) or repr(self.function)}"


class App:
    """A set of handlers with a name. Modules that `segue openflow run` loads have one, called `app`."""

    def __init__(self, name: str, *, needs: Iterable[str] = (), after: Iterable[str] = ()) -> None:
        self.name = name
        self.needs = tuple(needs)
        """Names of applications that this one cannot do without."""
        self.after = (*self.needs, *after)
        """Names of applications that are to hear of events before this one, if they are there at all."""
        self.handlers: list[Handler] = []
        self._states: list[weakref.WeakKeyDictionary[Any, Any]] = []

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
                raise TypeError(f"{function!r}: a coroutine function does not block")
            for event in events:
                self.handlers.append(Handler(self, event, function, asynchronous, blocking))
            return function

        return enter

    def state(self, make: Callable[[], S]) -> Callable[[Any], S]:
        """A function that gives what the application keeps for a controller: `make()` when it is first asked for, and
        the same again until the application is taken out.

        links_of = app.state(Links)
        ... links_of(switch.controller)
        """
        kept: weakref.WeakKeyDictionary[Any, S] = weakref.WeakKeyDictionary()
        self._states.append(kept)

        def of(controller: Any) -> S:
            found = kept.get(controller)
            if found is None:
                found = kept[controller] = make()
            return found

        return of

    def forget(self, controller: Any) -> None:
        """Drops what it keeps for the controller."""
        for kept in self._states:
            kept.pop(controller, None)

    def __repr__(self) -> str:
        return f"App({self.name!r})"
