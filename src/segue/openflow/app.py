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

The overloads of `App.on` let a type checker see a handler that takes another event, or another number of arguments, or
returns what cannot be sent; what they cannot see of an untyped function, its number of arguments, is looked at when
it is entered.
"""

import weakref
from collections.abc import Awaitable, Callable, Iterable, Sequence
from typing import TYPE_CHECKING, Any, Final, TypeVar, overload

import msgspec

from segue.openflow.declare import Message
from segue.openflow.events import Refused

if TYPE_CHECKING:
    from segue.openflow.controller import Controller
    from segue.openflow.switch import Switch

# Flags of code objects; the module `inspect`, which has the names, takes long to load.
_COROUTINE: Final = 0x80
_VARARGS: Final = 0x04
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

Result = Message | Sequence[Message] | Handled | None
"""What a handler may return."""

E = TypeVar("E")
E1 = TypeVar("E1")
E2 = TypeVar("E2")
E3 = TypeVar("E3")
OfSwitch = TypeVar("OfSwitch", bound=Message | SwitchUp | SwitchDown | TopologyChanged | Refused)
OfController = TypeVar("OfController", bound=Started | Stopping)
T = TypeVar("T", bound="Switch | Controller")
R = TypeVar("R", bound=Message | Sequence[Message] | Handled | Awaitable[Result] | None)


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

    def __init__(
        self, name: str, *, needs: Iterable[str] = (), after: Iterable[str] = (), table_miss: bool = True
    ) -> None:
        self.name = name
        self.needs = tuple(needs)
        """Names of applications that this one cannot do without."""
        self.after = (*self.needs, *after)
        """Names of applications that are to hear of events before this one, if they are there at all."""
        self.table_miss = table_miss
        """Whether packets that no flow matches are to come to it, if it hears of packet-ins."""
        self.handlers: list[Handler] = []
        self._states: list[weakref.WeakKeyDictionary[Any, Any]] = []

    @overload
    def on(  # type: ignore[overload-overlap]
        self, event: type[OfController], /, *, blocking: bool = False
    ) -> Callable[[Callable[["Controller", OfController], R]], Callable[["Controller", OfController], R]]: ...
    @overload
    def on(  # type: ignore[overload-overlap]
        self, event: type[OfSwitch], /, *, blocking: bool = False
    ) -> Callable[[Callable[["Switch", OfSwitch], R]], Callable[["Switch", OfSwitch], R]]: ...
    @overload
    def on(
        self, event: type[E], /, *, blocking: bool = False
    ) -> Callable[[Callable[[T, E], R]], Callable[[T, E], R]]: ...
    @overload
    def on(
        self, event: type[E1], other: type[E2], /, *, blocking: bool = False
    ) -> Callable[[Callable[[T, E1 | E2], R]], Callable[[T, E1 | E2], R]]: ...
    @overload
    def on(
        self, event: type[E1], other: type[E2], third: type[E3], /, *, blocking: bool = False
    ) -> Callable[[Callable[[T, E1 | E2 | E3], R]], Callable[[T, E1 | E2 | E3], R]]: ...
    @overload
    def on(
        self, *events: type[Any], blocking: bool = False
    ) -> Callable[[Callable[[T, Any], R]], Callable[[T, Any], R]]: ...
    def on(self, *events: type[Any], blocking: bool = False) -> Callable[[Any], Any]:
        """Has the decorated function called for events of these classes."""
        for event in events:
            if not isinstance(event, type):
                if len(events) == 1 and hasattr(event, "__code__"):
                    raise TypeError(f"@{self.name}.on: write @app.on(PacketIn), with the events that it is to hear of")
                raise TypeError(f"@{self.name}.on: {event!r} is not a class of events, such as PacketIn")
        if not events:
            raise TypeError(f"@{self.name}.on: which events? Such as @app.on(PacketIn)")

        def enter(function: Any) -> Any:
            asynchronous = bool(getattr(getattr(function, "__code__", None), "co_flags", 0) & _COROUTINE)
            if asynchronous and blocking:
                raise TypeError(f"{function!r}: a coroutine function does not block")
            wrong = _other_arguments(function)
            if wrong is not None:
                raise TypeError(f"@{self.name}.on: {wrong}; a handler takes two, such as (switch, msg)")
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


def _other_arguments(function: Any) -> str | None:
    """What is wrong with the arguments of a function that cannot be called with two; None for one that can, or that
    does not say."""
    code = getattr(function, "__code__", None)
    if code is None:
        return None if callable(function) else f"{function!r} is no function"
    bound = 1 if getattr(function, "__self__", None) is not None else 0
    names = code.co_varnames[bound : code.co_argcount]
    most = len(names)
    least = most - len(function.__defaults__ or ())
    only = code.co_varnames[code.co_argcount : code.co_argcount + code.co_kwonlyargcount]
    missing = [name for name in only if name not in (function.__kwdefaults__ or {})]
    if least <= 2 and (most >= 2 or code.co_flags & _VARARGS) and not missing:
        return None
    return f"{function.__qualname__} takes the arguments ({', '.join([*names, *missing])})"
