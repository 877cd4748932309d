"""Whose turn it is, of services that want more than there is; by a clock that moves when somebody works or waits."""

from __future__ import annotations

import asyncio
import selectors
from collections import Counter
from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from segue.server.service_shares import Shares
from segue.server.service_turns import SHARE, Turns

PROJECTS = {**dict.fromkeys(range(1, 101), "many"), 200: "one", 201: "other", 300: "", 301: "", 302: ""}
"""Of services, by key."""


class Clock(selectors.DefaultSelector):
    """Of a loop in which no time passes but this: what somebody works, and what all wait."""

    def __init__(self) -> None:
        super().__init__()
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now

    def select(self, timeout: float | None = None) -> Any:
        self.now += timeout or 0.0
        return super().select(0)


class Talker:
    """A channel, as far as its turns are concerned. ``done``: who was heard, and what, by all of them."""

    peer = "test"

    def __init__(self, scene: Scene, service: int, seconds: float) -> None:
        self.held = False

        def handle(event: object) -> None:
            scene.done.append((service, event))
            scene.spent[service] += seconds
            scene.clock.now += seconds

        self.on_event: Callable[[object], None] = handle
        scene.turns.attach(service, self)  # type: ignore[arg-type]

    def hold(self) -> None:
        self.held = True

    def release(self) -> None:
        self.held = False


class Scene:
    def __init__(self, clock: Clock) -> None:
        self.clock = clock
        self.projects = dict(PROJECTS)
        self.turns = Turns(lambda service: self.projects[service] or service, clock)
        self.done: list[tuple[int, object]] = []
        self.spent: Counter[int] = Counter()

    def talk(self, service: int, messages: int, seconds: float = 0.005) -> Talker:
        """Has a controller of the service say so many messages at once, which take so long each."""
        talker = Talker(self, service, seconds)
        for number in range(messages):
            talker.on_event(number)
        return talker

    def share(self, *services: int) -> float:
        """Of all that was spent."""
        return sum(self.spent[one] for one in services) / self.spent.total()


def scenario(test: Callable[[Scene], Awaitable[None]]) -> Callable[[], None]:
    def ran() -> None:
        clock = Clock()

        def made() -> asyncio.AbstractEventLoop:
            loop = asyncio.SelectorEventLoop(clock)
            loop.time = clock  # type: ignore[method-assign]
            return loop

        async def main() -> None:
            await test(Scene(clock))

        with asyncio.Runner(loop_factory=made) as runner:
            runner.run(main())

    ran.__name__ = test.__name__  # type: ignore[attr-defined]
    return ran


@scenario
async def test_a_service_whose_messages_take_long_holds_up_itself_and_not_the_others(s: Scene) -> None:
    slow = s.talk(1, 6, 0.05)
    assert s.done == [(1, 0)] and slow.held
    quick = s.talk(200, 3, 0.0)
    await asyncio.sleep(0.35)
    assert len(s.done) < 9  # half of it rest
    await asyncio.sleep(0.5)
    assert s.done[1:4] == [(200, 0), (200, 1), (200, 2)]
    assert [event for service, event in s.done if service == 1] == list(range(6))
    assert not slow.held and not quick.held


@scenario
async def test_who_is_held_for_two_reasons_is_read_when_both_are_gone(s: Scene) -> None:
    channel: Any = Talker(s, 1, 0.0)
    s.turns.hold(channel, 1)
    s.turns.hold(channel, 2)
    s.turns.release(channel, 1)
    assert channel.held
    s.turns.release(channel, 2)
    assert not channel.held


@pytest.mark.parametrize("seconds", [0.001, 0.005, 0.05])
def test_a_project_gets_no_more_for_having_many_services(seconds: float) -> None:
    @scenario
    async def run(s: Scene) -> None:
        for service in range(1, 101):
            s.talk(service, 100, seconds)
        s.talk(200, 5000, seconds)
        await asyncio.sleep(10)
        assert s.share(200) == pytest.approx(0.5, abs=0.02)
        assert s.spent.total() == pytest.approx(10 * SHARE, abs=0.2)

    run()


@pytest.mark.parametrize("seconds", [0.001, 0.005, 0.05])
def test_services_of_a_project_get_the_same_of_its_share(seconds: float) -> None:
    """Also where each of their messages takes longer than all may in one go."""

    @scenario
    async def run(s: Scene) -> None:
        for service in range(1, 21):
            s.talk(service, 500, seconds)
        s.talk(200, 5000, seconds)
        s.spent.clear()
        await asyncio.sleep(15)
        most, least = (find(s.spent[service] for service in range(1, 21)) for find in (max, min))
        assert most - least <= 2.5 * seconds
        assert s.share(200) == pytest.approx(0.5, abs=0.02)

    run()


@scenario
async def test_a_service_of_no_project_counts_as_a_project(s: Scene) -> None:
    for service in (1, 2, 3, 4, 200, 300, 301):
        s.talk(service, 5000)
    await asyncio.sleep(40)
    for services in ((1, 2, 3, 4), (200,), (300,), (301,)):
        assert s.share(*services) == pytest.approx(0.25, abs=0.01)


@scenario
async def test_who_comes_late_gets_as_much_as_the_others_from_then_on_and_no_more(s: Scene) -> None:
    s.talk(1, 5000)
    s.talk(200, 5000)
    await asyncio.sleep(10)
    s.spent.clear()
    s.talk(201, 5000)
    s.talk(2, 5000)
    await asyncio.sleep(10)
    for services in ((1, 2), (200,), (201,)):
        assert s.share(*services) == pytest.approx(1 / 3, abs=0.02)
    assert s.share(1) == pytest.approx(s.share(2), abs=0.02)


@scenario
async def test_what_was_spent_while_nobody_else_wanted_any_is_not_held_against_who_did(s: Scene) -> None:
    s.talk(1, 1000)
    await asyncio.sleep(20)
    assert s.spent[1] == pytest.approx(5)
    s.talk(1, 1, 3.0)
    await asyncio.sleep(20)
    s.spent.clear()
    s.talk(200, 5000)
    s.talk(1, 5000)
    await asyncio.sleep(2)
    assert s.share(1) == pytest.approx(0.5, abs=0.02)


@scenario
async def test_who_asks_over_http_waits_for_the_same_turn_and_does_not_pass_what_waits(s: Scene) -> None:
    async def ask(service: int) -> None:
        while True:
            async with s.turns.turn(service):
                s.spent[service] += 1
                s.clock.now += 0.005

    s.spent[200] = 0
    s.talk(200, 5000, 0.005)
    s.spent.clear()
    asking = [asyncio.create_task(ask(service)) for service in range(1, 31)]
    await asyncio.sleep(20)
    for task in asking:
        task.cancel()
    asked = sum(count for service, count in s.spent.items() if service != 200)
    assert asked * 0.005 == pytest.approx(s.spent[200], rel=0.05)
    assert max(s.spent[service] for service in range(1, 31)) <= min(s.spent[service] for service in range(1, 31)) + 2


@scenario
async def test_a_service_that_is_given_to_another_project_is_heard_in_its_order(s: Scene) -> None:
    s.projects[201] = "one"
    s.talk(200, 5000)
    talker = s.talk(201, 100)
    await asyncio.sleep(0.1)
    s.projects[201] = "other"
    for number in range(100, 120):
        talker.on_event(number)
    await asyncio.sleep(3)
    assert [event for service, event in s.done if service == 201] == list(range(120))
    s.spent.clear()
    s.talk(201, 5000)
    s.talk(1, 5000)
    await asyncio.sleep(5)
    assert s.share(201) == pytest.approx(1 / 3, abs=0.02)


@scenario
async def test_what_waits_of_a_service_that_goes_is_not_carried_out_and_nothing_is_kept_of_it(s: Scene) -> None:
    talker = s.talk(1, 100)
    s.talk(2, 20)
    await asyncio.sleep(0.1)
    before = s.spent[1]
    s.turns.forget(1)
    assert not talker.held
    await asyncio.sleep(1)
    assert s.spent[1] == before and s.spent[2] == pytest.approx(20 * 0.005)
    s.talk(200, 1)
    assert s.turns._waiting == {} and s.turns._counted == {} and not s.turns._held


@scenario
async def test_nothing_is_kept_of_who_is_no_further_than_others(s: Scene) -> None:
    s.talk(200, 5000)
    for service in (*range(1, 101), 300, 301):
        s.talk(service, 1)
    await asyncio.sleep(5)
    assert s.turns._waiting.keys() == {"one"}
    assert s.turns._projects._had.keys() | s.turns._services.keys() == {"one"}


def test_who_comes_again_has_had_what_it_had_while_others_wait() -> None:
    shares: Shares[str] = Shares()
    for _ in range(3):
        assert shares.next(["a", "b"]) == "a"
        shares.take("a", 2.0)
        assert shares.next(["a", "b"]) == "b"
        shares.take("b", 1.0)
        assert shares.next(["a", "b"]) == "b"
        shares.take("b", 1.0)
        shares.settle()
    shares.take(shares.next(["a", "b"]), 1.0)
    shares.settle()
    assert "a" in shares or "b" in shares
    assert shares.next(["a", "c", "b"]) == "c"  # as far as the two were
