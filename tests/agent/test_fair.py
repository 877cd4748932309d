"""Packets that wait for the server: bounded, in turn, and none lost without being counted."""

from __future__ import annotations

import asyncio
from collections import Counter
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from segue.agent.punts import MOST_SENT, Punts
from segue.model.fair import ABOUT_ONE, Fair, Whose
from segue.model.protocol import Punted, Send


def packet(service: int, number: int = 0, size: int = 10) -> Punted:
    return Punted(service, 1, 0, number, 1, size, bytes(size))


def itself(service: int) -> Whose:
    """Nobody has a project."""
    return service


def tens(service: int) -> Whose:
    """Services below 10 are in one project."""
    return "one" if service < 10 else service


def taken(fair: Fair) -> list[tuple[int, int, int]]:
    """(service, number, lost) of all that wait."""
    found = []
    while (one := fair.take()) is not None:
        found.append((one.service, one.cookie, one.lost))
    return found


def test_services_take_turns_and_each_keeps_its_order() -> None:
    fair = Fair(itself, most_of_one=10)
    for service, number in ((1, 1), (1, 2), (1, 3), (2, 4), (3, 5), (3, 6)):
        fair.put(packet(service, number))
    assert [one[:2] for one in taken(fair)] == [(1, 1), (2, 4), (3, 5), (1, 2), (3, 6), (1, 3)]
    assert fair.octets == len(fair) == 0


def test_projects_take_turns_and_of_each_its_services() -> None:
    fair = Fair(tens, most_of_one=10)
    for service, number in ((1, 1), (1, 2), (2, 3), (3, 4), (10, 5), (10, 6), (11, 7)):
        fair.put(packet(service, number))
    assert [one[1] for one in taken(fair)] == [1, 5, 7, 3, 6, 4, 2]
    assert fair.octets == len(fair) == 0


def test_a_service_of_which_something_waits_keeps_its_turn_when_it_is_given_away() -> None:
    projects: dict[int, Whose] = {1: "one", 2: "one"}
    fair = Fair(projects.__getitem__)
    for service, number in ((1, 1), (1, 2), (2, 3)):
        fair.put(packet(service, number))
    projects[1] = "other"
    fair.put(packet(1, 4))
    assert taken(fair) == [(1, 1, 0), (2, 3, 0), (1, 2, 0), (1, 4, 0)]
    fair.put(packet(2, 5))
    fair.put(packet(2, 6))
    fair.put(packet(1, 7))
    assert taken(fair) == [(2, 5, 0), (1, 7, 0), (2, 6, 0)]


def test_what_may_be_taken_is_found_in_turn() -> None:
    fair = Fair(tens)
    for service, number in ((1, 1), (2, 2), (2, 3), (10, 4), (11, 5)):
        fair.put(packet(service, number))
    order = []
    while (one := fair.take_if(lambda one: one.service in (2, 11))) is not None:
        order.append(one.cookie)
    assert order == [2, 5, 3]
    assert sorted(one[1] for one in taken(fair)) == [1, 4]


def test_beyond_the_octets_of_all_a_project_loses_for_all_its_services() -> None:
    fair = Fair(tens, most_of_one=100, most_octets=10_000)
    for service in range(1, 9):
        fair.put(packet(service, service, 1000 - ABOUT_ONE))
    for number in range(3):
        fair.put(packet(10, 20 + number, 1000 - ABOUT_ONE))
    assert fair.octets == 10_000
    found = taken(fair)
    assert [one[1] for one in found if one[0] == 10] == [20, 21, 22]
    assert len(found) == 10


def test_a_full_queue_loses_its_own_packets_and_says_how_many() -> None:
    fair = Fair(itself, most_of_one=2)
    for number in range(7):
        fair.put(packet(1, number))
    fair.put(packet(2, 9))
    assert taken(fair) == [(1, 0, 5), (2, 9, 0), (1, 1, 0)]
    fair.put(packet(1, 10))
    assert taken(fair) == [(1, 10, 0)]


def test_beyond_the_octets_of_all_the_one_with_the_most_loses() -> None:
    fair = Fair(itself, most_of_one=100, most_octets=10_000)
    for number in range(9):
        fair.put(packet(1, number, 1000 - ABOUT_ONE))
    fair.put(packet(2, 20, 3000 - ABOUT_ONE))
    assert fair.octets == 10_000
    assert taken(fair) == [(1, 0, 2), (2, 20, 0), *((1, number, 0) for number in range(1, 7))]


def test_what_waited_for_one_who_is_gone_is_counted_as_lost() -> None:
    fair = Fair(itself, most_of_one=2)
    for number in range(3):
        fair.put(packet(1, number))
    fair.clear()
    assert (fair.take(), fair.octets, len(fair)) == (None, 0, 0)
    fair.put(packet(1, 5))
    assert taken(fair) == [(1, 5, 3)]


Steps = st.lists(st.one_of(st.booleans(), st.tuples(st.integers(8, 11), st.integers(0, 400))), max_size=80)
"""A service and octets of its packet; or one is taken, the next (True) or the next of an even service."""


@given(Steps)
def test_every_packet_is_taken_or_counted_and_bounds_hold(steps: list[tuple[int, int] | bool]) -> None:
    fair = Fair(tens, most_of_one=5, most_octets=3000)
    put: Counter[int] = Counter()
    heard: Counter[int] = Counter()
    for number, step in enumerate(steps):
        if isinstance(step, bool):
            one = fair.take() if step else fair.take_if(lambda one: one.service % 2 == 0)
            if one is not None:
                heard[one.service] += 1 + one.lost
        else:
            put[step[0]] += 1
            fair.put(packet(step[0], number, step[1]))
        assert fair.octets <= 3000
    for service in range(8, 12):
        fair.put(packet(service, 0, 0))
        put[service] += 1
    while (one := fair.take()) is not None:
        heard[one.service] += 1 + one.lost
    assert heard == put
    assert (fair.octets, len(fair)) == (0, 0)


class Keeper:
    """``late``: by service, how much of what was heard is tried, where that is not all."""

    def __init__(self) -> None:
        self.heard = 1
        self.late: dict[int, int] = {}

    def tried(self, service: int) -> int:
        return self.late.get(service, self.heard)

    def whose(self, service: int) -> Whose:
        return service


def sending(directory: Path, keeper: Keeper) -> tuple[Punts, list[Send]]:
    """And what is sent to the switch."""

    async def passed(batch: list[Send]) -> None:
        sent.extend(batch)

    sent: list[Send] = []
    punts = Punts(directory, "br", keeper, lambda: None, {})
    punts._pass = passed  # type: ignore[method-assign]
    return punts, sent


def test_packets_for_the_switch_wait_in_turns_too(caplog: pytest.LogCaptureFixture, tmp_path: Path) -> None:
    async def main() -> None:
        punts, sent = sending(tmp_path, Keeper())
        for number in range(MOST_SENT + 30):
            punts.send(Send((), number.to_bytes(4), "", 1))
        punts.send(Send((), b"other", "", 2))
        task = asyncio.create_task(punts._send())
        async with asyncio.timeout(5):
            while len(sent) < MOST_SENT + 1:  # noqa: ASYNC110  nobody tells
                await asyncio.sleep(0.001)
        task.cancel()
        assert sent[1].data == b"other"
        assert [one.data for one in sent if one.service == 1] == [n.to_bytes(4) for n in range(MOST_SENT)]

    asyncio.run(main())
    assert "30 packets of service 1 came too fast" in caplog.text


def test_packets_for_the_switch_wait_for_their_own_service_alone(
    caplog: pytest.LogCaptureFixture, tmp_path: Path
) -> None:
    async def main() -> None:
        keeper = Keeper()
        punts, sent = sending(tmp_path, keeper)
        task = asyncio.create_task(punts._send())
        punts.send(Send((), b"early", "", 1))
        keeper.heard, keeper.late[1] = 2, 1
        punts.send(Send((), b"late", "", 1))
        for number in range(2 * MOST_SENT):
            punts.send(Send((), number.to_bytes(4), "", 2))
            if number % 100 == 0:
                await asyncio.sleep(0.001)
        await asyncio.sleep(0.01)
        assert [one.data for one in sent if one.service == 1] == [b"early"]
        assert [one.data for one in sent if one.service == 2] == [n.to_bytes(4) for n in range(2 * MOST_SENT)]
        # What comes later does not delay it once more.
        keeper.heard, keeper.late[1] = 3, 2
        punts.send(Send((), b"last", "", 1))
        punts.stir()
        await asyncio.sleep(0.01)
        assert [one.data for one in sent if one.service == 1] == [b"early", b"late"]
        task.cancel()

    asyncio.run(main())
    assert not caplog.text
