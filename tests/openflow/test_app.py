"""Applications without a controller: what is declared, in which order they hear, and what comes of their answers."""

import functools
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from segue.openflow import (
    FLOOD,
    HANDLED,
    VERSIONS,
    App,
    BarrierRequest,
    Error,
    FlowMod,
    FlowRemoved,
    Handled,
    Message,
    Output,
    PacketIn,
    PacketOut,
    PortStatus,
    SwitchDown,
    SwitchUp,
)
from segue.openflow import dispatch as dispatching
from segue.openflow.app import Handler
from segue.openflow.dispatch import Dispatch, in_order, messages_of


class Host:
    """Writes down what it is told."""

    def __init__(self) -> None:
        self.told: list[tuple[str, str, Any]] = []

    def failed(self, handler: Handler, target: Any, error: BaseException) -> None:
        self.told.append(("failed", str(handler), error))

    def slow(self, handler: Handler, target: Any, seconds: float) -> None:
        self.told.append(("slow", str(handler), seconds))

    def beside(self, handler: Handler, target: Any, event: Any) -> None:
        self.told.append(("beside", str(handler), event))

    def follow(self, handler: Handler, target: Any, result: Any) -> None:
        result.close()
        self.told.append(("follow", str(handler), result))


def answering(name: str, *answers: Any, after: tuple[str, ...] = ()) -> App:
    """An application with a handler of packet-ins for each answer."""
    app = App(name, after=after)
    for answer in answers:
        app.on(PacketIn)(lambda switch, msg, answer=answer: answer)
    return app


A, B, C = BarrierRequest(), FlowMod(priority=2), FlowMod(priority=3)


def test_a_function_stays_what_it_is_and_is_entered_for_each_event() -> None:
    app = App("x")

    @app.on(SwitchUp, PacketIn)
    def both(switch: Any, event: Any) -> None:
        """Text."""

    assert both.__name__ == "both"
    assert both.__doc__ == "Text."
    assert [(handler.event, handler.function) for handler in app.handlers] == [(SwitchUp, both), (PacketIn, both)]
    assert str(app.handlers[0]).startswith("x: ")
    assert str(app.handlers[0]).endswith("both")


@pytest.mark.parametrize("events", [(), ("PacketIn",), (PacketIn(),), (PacketIn, 3)])
def test_what_is_no_class_of_events_is_refused_at_once(events: tuple[Any, ...]) -> None:
    with pytest.raises(TypeError, match=r"^@x\.on: "):
        App("x").on(*events)


def test_coroutine_functions_are_known_and_do_not_block() -> None:
    app = App("x")

    async def slow(switch: Any, msg: Any) -> None: ...

    app.on(PacketIn)(slow)
    app.on(PacketIn, blocking=True)(lambda switch, msg: None)
    assert [(one.asynchronous, one.blocking) for one in app.handlers] == [(True, False), (False, True)]
    with pytest.raises(TypeError, match="does not block"):
        app.on(PacketIn, blocking=True)(slow)


@pytest.mark.parametrize(
    ("function", "words"),
    [
        (lambda switch: None, r"takes the arguments \(switch\)"),
        (lambda: None, r"takes the arguments \(\)"),
        (lambda switch, msg, other: None, r"takes the arguments \(switch, msg, other\)"),
        (lambda switch, msg, *, word: None, r"takes the arguments \(switch, msg, word\)"),
        (3, "3 is no function"),
    ],
)
def test_who_cannot_be_called_with_two_arguments_is_refused_at_once(function: Any, words: str) -> None:
    with pytest.raises(TypeError, match=rf"^@x\.on: .*{words}; a handler takes two, such as \(switch, msg\)$"):
        App("x").on(PacketIn)(function)


def test_other_signatures_that_take_two_arguments_are_fine() -> None:
    class Object:
        def method(self, switch: Any, msg: Any) -> None: ...

        @classmethod
        def of_class(cls, switch: Any, msg: Any, more: int = 1) -> None: ...

        def __call__(self, switch: Any, msg: Any) -> None: ...

    app = App("x")
    functions: list[Any] = [
        Object().method,
        Object.of_class,
        Object(),
        print,
        lambda *args: None,
        lambda a, *rest: None,
    ]
    for function in functions:
        app.on(PacketIn)(function)
    assert len(app.handlers) == 6


def test_without_parentheses_it_says_what_to_write() -> None:
    with pytest.raises(TypeError, match=r"write @app\.on\(PacketIn\)"):

        @App("x").on  # type: ignore[call-overload]
        def handler(switch: Any, msg: Any) -> None: ...


TYPED = """
from segue.openflow import App, FlowMod, FlowRemoved, Message, PacketIn, PortStatus, Started, SwitchUp
from segue.openflow.controller import Controller, Switch

app = App("typed")


class News: ...


@app.on(PacketIn)
def plain(switch: Switch, msg: PacketIn) -> list[FlowMod] | None: ...


@app.on(PacketIn)
async def later(switch: Switch, msg: Message) -> FlowMod: ...


@app.on(PacketIn, FlowRemoved)
def both(switch: Switch, msg: PacketIn | FlowRemoved) -> None: ...


@app.on(Started)
def started(controller: Controller, event: Started) -> None: ...


@app.on(News)
def news(controller: Controller, event: News) -> None: ...


def returns(switch: Switch, msg: PacketIn) -> None:
    both(switch, msg)
"""
WRONG = [
    "@app.on(PacketIn)\ndef x(switch: Switch, msg: FlowRemoved) -> None: ...",
    "@app.on(PacketIn)\ndef x(switch: Switch) -> None: ...",
    "@app.on(PacketIn)\ndef x(switch: Switch, msg: PacketIn) -> int: ...",
    "@app.on(PacketIn)\ndef x(switch: Switch, msg: PacketIn) -> list[int]: ...",
    "@app.on(PacketIn)\nasync def x(switch: Switch, msg: PacketIn) -> int: ...",
    "@app.on(PacketIn, SwitchUp)\ndef x(switch: Switch, msg: PacketIn) -> None: ...",
    "@app.on(News)\ndef x(switch: Switch, msg: PacketIn) -> None: ...",
    "@app.on(PacketIn)\ndef x(switch: Controller, msg: PacketIn) -> None: ...",
    "@app.on\ndef x(switch: Switch, msg: PacketIn) -> None: ...",
]


def test_a_type_checker_sees_handlers_that_do_not_fit(tmp_path: Path) -> None:
    file = tmp_path / "typed.py"
    file.write_text(TYPED + "\n\n" + "\n\n\n".join(WRONG).replace("def x", "def x{}").format(*range(len(WRONG))) + "\n")
    words = ("--strict", "--no-error-summary", "--disable-error-code=empty-body", str(file))
    done = subprocess.run([sys.executable, "-m", "mypy", *words], capture_output=True, text=True)
    found = {int(match[1]) for match in re.finditer(r"typed\.py:(\d+): error", done.stdout)}
    first = TYPED.count("\n") + 3
    assert found == {first + 4 * n for n in range(len(WRONG))}, done.stdout


def test_order_is_as_given_but_behind_those_named() -> None:
    first, second, third = App("first", after=["third", "absent"]), App("second"), App("third")
    assert in_order([first, second, third]) == [second, third, first]
    assert in_order([first, second]) == [first, second]
    needing = App("needing", needs=["second"])
    assert in_order([needing, second]) == [second, needing]


@pytest.mark.parametrize(
    ("apps", "words"),
    [
        ([App("a"), App("a")], "two applications are called 'a'"),
        ([App("a", after=["b"]), App("b", after=["a"])], "wait for each other: a, b"),
        ([App("a", needs=["b", "c"]), App("c")], "a needs b, which is not there"),
    ],
)
def test_what_does_not_go_together_is_refused(apps: list[App], words: str) -> None:
    with pytest.raises(ValueError, match=words):
        in_order(apps)


def test_all_hear_and_their_answers_come_in_order() -> None:
    host = Host()
    made = Dispatch(in_order([answering("late", C, after=("early",)), answering("early", A, None, [B])]), host)
    assert [list(messages) for _, messages in made.answers(None, PacketIn())] == [[A], [B], [C]]
    assert made(None, PacketIn()) == [A, B, C]
    assert [handler.app.name for handler, _ in made.last] == ["early", "early", "late"]
    assert made(None, BarrierRequest()) == []
    assert host.told == []


def test_handled_ends_it_within_an_application_and_between_them() -> None:
    host = Host()
    for handled, sent in ((Handled(A, B), [A, B]), (HANDLED, [])):
        for apps in ([answering("a", handled, C)], [answering("a", handled), answering("b", C)]):
            assert list(Dispatch(apps, host)(None, PacketIn())) == sent
    assert host.told == []


def test_what_throws_or_answers_nonsense_is_named_and_harms_no_other() -> None:
    def broken(switch: Any, msg: Any) -> None:
        raise KeyError("x")

    app = App("bad")
    app.on(PacketIn)(broken)
    host = Host()
    made = Dispatch([app, answering("worse", 5, [A, "text"], Handled("text"), "text"), answering("good", A)], host)  # type: ignore[arg-type]
    assert made(None, PacketIn()) == []  # `Handled` ends it, whatever it holds
    assert [kind for kind, _, _ in host.told] == ["failed"] * 4
    good = Dispatch([app, answering("worse", 5), answering("good", A)], host)
    assert list(good(None, PacketIn())) == [A]
    assert host.told[0][1].startswith("bad: ")
    assert all(name.startswith("worse: ") for _, name, _ in host.told[1:4])
    assert "'text' among what is to be sent" in str(host.told[2][2])
    assert str(host.told[2][2]).endswith("(element 1)")


def test_what_takes_its_time_is_left_to_the_host() -> None:
    app, host = App("x"), Host()

    @app.on(PacketIn)
    async def slow(switch: Any, msg: Any) -> None: ...

    @app.on(PacketIn)
    def decorated(switch: Any, msg: Any) -> Any:
        return slow(switch, msg)

    app.on(PacketIn)(functools.partial(lambda word, switch, msg: A, "word"))
    app.on(PacketIn, blocking=True)(lambda switch, msg: B)
    assert list(Dispatch([app], host)(None, PacketIn())) == [A]
    assert [kind for kind, _, _ in host.told] == ["beside", "follow", "beside"]
    assert all(isinstance(str(handler), str) for handler in app.handlers)


def test_a_handler_that_takes_long_is_named_and_no_other(monkeypatch: pytest.MonkeyPatch) -> None:
    now = [0.0]
    app, host = App("x"), Host()

    @app.on(PacketIn)
    def quick(switch: Any, msg: Any) -> None:
        now[0] += dispatching.LONG

    @app.on(PacketIn)
    def slow(switch: Any, msg: Any) -> None:
        now[0] += 1.5

    app.on(PacketIn)(lambda switch, msg: None)
    monkeypatch.setattr(dispatching.time, "perf_counter", lambda: now[0])
    Dispatch([app], host)(None, PacketIn())
    assert [(kind, seconds) for kind, _, seconds in host.told] == [("slow", 1.5)]
    assert host.told[0][1].endswith("slow")


def test_a_base_class_means_all_that_are_derived_from_it() -> None:
    app, heard = App("x"), list[type]()
    app.on(Message)(lambda switch, msg: heard.append(type(msg)))
    made = Dispatch([app], Host())
    for event in (PacketIn(), Error(1, 1), SwitchUp(), SwitchDown("")):
        made(None, event)
    assert heard == [PacketIn, Error]


@pytest.mark.parametrize("version", VERSIONS)
def test_one_plain_function_is_hot_as_it_is(version: int) -> None:
    def alone(switch: Any, msg: Any) -> None: ...

    app = App("x")
    app.on(PacketIn)(alone)
    app.on(PortStatus, Error)(alone)
    made = Dispatch([app], Host())
    assert made.hot(version) == {10: alone, 11: None}
    app.on(FlowRemoved, blocking=True)(alone)
    several = Dispatch([app, answering("y", A)], Host())
    assert several.hot(version) == {10: several, 11: several}


def test_messages_of() -> None:
    assert list(messages_of(None)) == list(messages_of(HANDLED)) == []
    assert messages_of(A) == messages_of(Handled(A)) == (A,)
    for wrong in ("text", {A: 1}, iter([A]), 3, PacketIn, [None], (x for x in ())):
        with pytest.raises(TypeError):
            messages_of(wrong)


def test_state_is_kept_for_each_controller_until_it_is_dropped() -> None:
    class Controller: ...

    app = App("x")
    one_of, other_of = app.state(list), app.state(dict)
    first, second = Controller(), Controller()
    one_of(first).append(1)
    other_of(first)["x"] = 1
    assert one_of(first) == [1]
    assert one_of(second) == []
    app.forget(first)
    assert one_of(first) == []
    assert other_of(first) == {}


def test_answering_needs_no_version() -> None:
    kept = PacketIn(buffer_id=7, in_port=3, data=b"x" * 20)
    whole = PacketIn(in_port=3, data=b"x" * 20)
    assert PacketOut.answering(kept, [Output(FLOOD)]) == PacketOut(7, 3, [Output(FLOOD)])
    assert PacketOut.answering(whole) == PacketOut(in_port=3, data=whole.data)
