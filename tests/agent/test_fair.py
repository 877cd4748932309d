"""Packets that wait for the server: bounded, in turn, and none lost without being counted."""

from __future__ import annotations

import asyncio
from collections import Counter
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from segue.agent.punts import MOST_SENT, Punts
from segue.model.fair import ABOUT_ONE, Fair
from segue.model.protocol import Punted, Send


def packet(service: int, number: int = 0, size: int = 10) -> Punted:
    return Punted(service, 1, 0, number, 1, size, bytes(size))


def taken(fair: Fair) -> list[tuple[int, int, int]]:
    """(service, number, lost) of all that wait."""
    found = []
    while (one := fair.take()) is not None:
        found.append((one.service, one.cookie, one.lost))
    return found


def test_services_take_turns_and_each_keeps_its_order() -> None:
    fair = Fair(most_of_one=10)
    for service, number in ((1, 1), (1, 2), (1, 3), (2, 4), (3, 5), (3, 6)):
        fair.put(packet(service, number))
    assert [one[:2] for one in taken(fair)] == [(1, 1), (2, 4), (3, 5), (1, 2), (3, 6), (1, 3)]
    assert fair.octets == len(fair) == 0


def test_a_full_queue_loses_its_own_packets_and_says_how_many() -> None:
    fair = Fair(most_of_one=2)
    for number in range(7):
        fair.put(packet(1, number))
    fair.put(packet(2, 9))
    assert taken(fair) == [(1, 0, 5), (2, 9, 0), (1, 1, 0)]
    fair.put(packet(1, 10))
    assert taken(fair) == [(1, 10, 0)]


def test_beyond_the_octets_of_all_the_one_with_the_most_loses() -> None:
    fair = Fair(most_of_one=100, most_octets=10_000)
    for number in range(9):
        fair.put(packet(1, number, 1000 - ABOUT_ONE))
    fair.put(packet(2, 20, 3000 - ABOUT_ONE))
    assert fair.octets == 10_000
    assert taken(fair) == [(1, 0, 2), (2, 20, 0), *((1, number, 0) for number in range(1, 7))]


def test_what_waited_for_one_who_is_gone_is_counted_as_lost() -> None:
    fair = Fair(most_of_one=2)
    for number in range(3):
        fair.put(packet(1, number))
    fair.clear()
    assert (fair.take(), fair.octets, len(fair)) == (None, 0, 0)
    fair.put(packet(1, 5))
    assert taken(fair) == [(1, 5, 3)]


Steps = st.lists(st.one_of(st.none(), st.tuples(st.integers(1, 4), st.integers(0, 400))), max_size=80)


@given(Steps)
def test_every_packet_is_taken_or_counted_and_bounds_hold(steps: list[tuple[int, int] | None]) -> None:
    fair = Fair(most_of_one=5, most_octets=3000)
    put: Counter[int] = Counter()
    heard: Counter[int] = Counter()
    for number, step in enumerate(steps):
        if step is None:
            if (one := fair.take()) is not None:
                heard[one.service] += 1 + one.lost
        else:
            put[step[0]] += 1
            fair.put(packet(step[0], number, step[1]))
        assert fair.octets <= 3000
    for service in range(1, 5):
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
