"""What readers are told: listings, changes, states; from where; and what is left when they go."""

from __future__ import annotations

import asyncio
import contextlib
import json
from collections.abc import AsyncGenerator, Callable
from pathlib import Path
from typing import Any

import pytest

from segue.intent import parse
from segue.model.intent import Object, Ref
from segue.server.conductor import Conductor
from segue.server.news import Event, News, Scope
from segue.store.base import Transaction
from segue.store.sqlite import SqliteStore

BASE = """
nodes: {n1: 192.0.2.1}
networks: {web: 10.0.0.0/24}
ports: {client: {network: web, node: n1, address: 10.0.0.10}}
instances: {a: n1}
"""
CHAIN = "chains: {loud: {match: {from: client, protocol: udp}, through: [a]}}"
QUIET = 30.0
"""Seconds: no beat within a test."""


class Desk:
    def __init__(self, directory: Path, kept: int) -> None:
        self.store = SqliteStore(directory, kept=kept)
        self.conductor = Conductor(self.store, 0.0)
        self.news = News(self.store, self.conductor)
        self.readings: list[Reading] = []

    def apply(self, text: str) -> None:
        self.conductor.apply(dict(parse(text, "test").objects))

    def remove(self, *refs: Ref) -> None:
        gone: dict[Ref, Object | None] = dict.fromkeys(refs)
        self.conductor.apply(gone)

    def read(self, since: int | None = None, scope: Scope = Scope(), beat: float = QUIET) -> Reading:  # noqa: B008
        self.readings.append(Reading(self.news.follow(scope, since, beat)))
        return self.readings[-1]


class Reading:
    def __init__(self, batches: AsyncGenerator[list[Event], None]) -> None:
        self.batches = batches
        self.seen: list[Event] = []

    async def next(self) -> list[Event]:
        async with asyncio.timeout(5):
            batch = await anext(self.batches)
        self.seen += batch
        return batch

    async def until(self, what: str, **wanted: Any) -> dict[str, Any]:
        """Read on to the first event like this; its data."""
        while True:
            for event in await self.next():
                data: dict[str, Any] = json.loads(event.data)
                if event.what == what and wanted.items() <= data.items():
                    return data

    def told(self) -> list[str]:
        return [_short(event) for event in self.seen]


def _short(event: Event) -> str:
    data = json.loads(event.data)
    return f"{event.what} {data['kind']}/{data['name']}" if "kind" in data else event.what


@pytest.fixture
def run(tmp_path: Path) -> Callable[..., None]:
    def go(scenario: Callable[[Desk], Any], kept: int = 1000) -> None:
        async def main() -> None:
            desk = Desk(tmp_path, kept)
            try:
                await scenario(desk)
            finally:
                for reading in desk.readings:
                    await reading.batches.aclose()
                desk.store.close()

        asyncio.run(main())

    return go


def test_a_listing_comes_first_then_what_happens(run: Any) -> None:
    async def scenario(desk: Desk) -> None:
        desk.apply("nodes: {n1: 192.0.2.1}\nnetworks: {web: 10.0.0.0/24}")
        reading = desk.read()
        assert await reading.until("listed") == {"revision": 1, "count": 3}
        assert reading.told() == ["added node/n1", "added network/web", "added subnet/web", "listed"]
        await reading.until("status")
        desk.apply("nodes: {n2: 192.0.2.2}")
        assert (await reading.until("added"))["object"] == {"name": "n2", "address": "192.0.2.2"}
        desk.apply("nodes: {n2: 192.0.2.3}")
        assert (await reading.until("changed"))["object"] == {"name": "n2", "address": "192.0.2.3"}
        desk.remove(("node", "n2"))
        assert await reading.until("removed") == {"kind": "node", "name": "n2"}
        numbers = [event.revision for event in reading.seen if event.what != "status"]
        assert numbers == [None, None, None, 1, 2, 3, 4]

    run(scenario)


def test_a_revision_is_resumed_whole_or_not(run: Any) -> None:
    async def scenario(desk: Desk) -> None:
        desk.apply("nodes: {n1: 192.0.2.1}")
        desk.apply("nodes: {n2: 192.0.2.2, n3: 192.0.2.3}\nnetworks: {web: 10.0.0.0/24}")
        reading = desk.read(since=1, scope=Scope("node"))
        await reading.until("added", name="n3")
        changes = [event for event in reading.seen if event.what != "status"]
        assert [(_short(event), event.revision) for event in changes] == [("added node/n2", None), ("added node/n3", 2)]

    run(scenario)


def test_one_who_resumes_is_told_what_happened_and_how_all_is(run: Any) -> None:
    async def scenario(desk: Desk) -> None:
        desk.apply("nodes: {n1: 192.0.2.1}")
        desk.apply("nodes: {n2: 192.0.2.2}")
        desk.remove(("node", "n2"))
        reading = desk.read(since=1)
        await reading.until("removed")
        assert await reading.until("status") if "status node/n1" not in reading.told() else True
        told = reading.told()
        assert [one for one in told if not one.startswith("status")] == ["added node/n2", "removed node/n2"]
        assert "status node/n1" in told

    run(scenario)


def test_a_scope_is_exact(run: Any) -> None:
    async def scenario(desk: Desk) -> None:
        desk.apply("networks: {a: 10.0.0.0/24, ab: 10.0.1.0/24}")
        reading = desk.read(scope=Scope("network", "a"))
        await reading.until("listed")
        desk.apply("networks: {ab: 10.0.2.0/24, abc: 10.0.3.0/24}")
        desk.remove(("network", "ab"))
        desk.remove(("network", "a"))
        await reading.until("removed")
        assert reading.told() == ["added network/a", "listed", "removed network/a"]

    run(scenario)


@pytest.mark.parametrize("since", [0, 999])
def test_who_is_too_far_behind_or_ahead_is_given_a_listing_anew(run: Any, since: int) -> None:
    async def scenario(desk: Desk) -> None:
        for last in range(1, 6):
            desk.apply(f"nodes: {{n{last}: 192.0.2.{last}}}")
        reading = desk.read(since)
        assert "cannot watch" in (await reading.until("reset"))["reason"]
        assert (await reading.until("listed"))["count"] == 5
        assert reading.told()[0] == "reset"
        desk.apply("nodes: {n9: 192.0.2.9}")
        await reading.until("added", name="n9")

    run(scenario, kept=2)


def test_a_reader_that_falls_behind_on_the_way_begins_anew(run: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("segue.store.feed.REMEMBERED", 2)

    async def scenario(desk: Desk) -> None:
        reading = desk.read()
        await reading.until("listed")
        for number in range(1, 30):
            desk.apply(f"nodes: {{n{number}: 192.0.2.{number}}}")
            await asyncio.sleep(0.001)
        await reading.until("reset")
        assert (await reading.until("listed"))["count"] == 29

    run(scenario, kept=2)


def test_states_of_chains_and_nodes_are_told_with_their_reasons(run: Any) -> None:
    async def scenario(desk: Desk) -> None:
        desk.conductor.listen("n1", lambda revision, records: None)
        desk.apply(BASE)
        reading = desk.read(scope=Scope("chain"))
        await reading.until("listed")
        desk.apply(CHAIN)
        status = (await reading.until("status"))["status"]
        assert status["state"] == "preparing"
        assert status["reasons"]

        async def acknowledge(missing: dict[int, list[str]]) -> None:
            for _ in range(10):
                desk.conductor.applied("n1", desk.conductor.revision, missing, "")
                await asyncio.sleep(0.001)

        await acknowledge({})
        assert (await reading.until("status"))["status"] == {"state": "ready", "reasons": []}
        await acknowledge({16: ["a has no interface"]})
        status = (await reading.until("status"))["status"]
        assert status["state"] == "impaired"
        assert "a has no interface" in status["reasons"][0]
        assert [one for one in reading.told() if "chain" not in one] == ["listed"]

    run(scenario)


def test_no_state_comes_before_its_object(run: Any) -> None:
    async def scenario(desk: Desk) -> None:
        other = desk.read()
        await other.until("listed")
        reading = desk.read(since=0)
        for number in range(1, 40):
            desk.apply(f"nodes: {{n{number}: 192.0.2.{number}}}")
        await other.until("status", name="n39")
        await reading.until("status", name="n39")
        told = reading.told()
        for number in range(1, 40):
            assert told.index(f"added node/n{number}") < told.index(f"status node/n{number}")

    run(scenario)


def test_silence_is_broken_though_others_have_news(run: Any) -> None:
    async def scenario(desk: Desk) -> None:
        reading = desk.read(scope=Scope("chain"), beat=0.2)
        await reading.until("listed")
        stop = asyncio.get_running_loop().time() + 1.0

        async def others() -> None:
            number = 0
            while asyncio.get_running_loop().time() < stop:
                number += 1
                desk.apply(f"nodes: {{n1: 192.0.2.{number}}}")
                await asyncio.sleep(0.05)

        busy = asyncio.create_task(others())
        assert [await reading.next() for _ in range(3)] == [[], [], []]
        assert not busy.done()
        await busy

    run(scenario)


def test_a_reader_that_goes_leaves_nothing(run: Any) -> None:
    async def scenario(desk: Desk) -> None:
        desk.apply("nodes: {n1: 192.0.2.1}")
        before = asyncio.all_tasks()
        readings = [desk.read() for _ in range(20)]
        for reading in readings:
            await reading.until("status")
        waiting = [asyncio.create_task(reading.next()) for reading in readings]
        await asyncio.sleep(0.05)
        assert len(desk.conductor.moved.followers) == 1
        for task in waiting:
            task.cancel()
        await asyncio.gather(*waiting, return_exceptions=True)
        for reading in readings:
            await reading.batches.aclose()
        await asyncio.sleep(0.05)
        assert asyncio.all_tasks() == before
        assert not desk.conductor.moved.followers
        assert not desk.news.states.current
        assert not desk.store._feed._wakes
        again = desk.read()
        await again.until("status")

    run(scenario)


def test_all_readers_end_when_the_server_does(run: Any) -> None:
    async def scenario(desk: Desk) -> None:
        reading = desk.read()
        await reading.until("listed")
        waiting = asyncio.create_task(reading.next())
        await asyncio.sleep(0.05)
        desk.news.close()
        with pytest.raises(StopAsyncIteration):
            await waiting

    run(scenario)


def test_revisions_of_objects_outlive_the_server(run: Any, tmp_path: Path) -> None:
    async def scenario(desk: Desk) -> None:
        desk.apply("nodes: {n1: 192.0.2.1}")
        desk.apply("nodes: {n2: 192.0.2.2}")
        desk.store.commit(Transaction(puts={"counted/n1/x": b"[1,2]"}))
        desk.apply("nodes: {n1: 192.0.2.9}")
        held = dict(desk.conductor.history.revisions)
        assert held == {("node", "n1"): 4, ("node", "n2"): 2}
        assert Conductor(desk.store, 0.0).history.revisions == held

    run(scenario)


def test_a_change_that_is_not_kept_is_no_news(run: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    async def scenario(desk: Desk) -> None:
        desk.apply("nodes: {n1: 192.0.2.1}")
        with monkeypatch.context() as patch, contextlib.suppress(OSError):
            patch.setattr(desk.store, "commit", _broken)
            desk.apply("nodes: {n1: 192.0.2.9, n2: 192.0.2.2}")
        assert desk.conductor.history.revisions == {("node", "n1"): 1}

    run(scenario)


def _broken(_: Transaction) -> int:
    raise OSError("no disk")
