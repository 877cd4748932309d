"""The conductor without a network: nodes are acknowledged by hand."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from segue.intent import parse
from segue.model.intent import Objects
from segue.model.view import ClassifyRecord, PathRecord
from segue.server.conductor import Conductor, Outcome, Refused
from segue.store.base import StoreFull, Transaction
from segue.store.sqlite import SqliteStore

BASE = """
nodes: [n1, n2, n3]
networks: {web: 10.0.0.0/24}
ports:
  client: {network: web, node: n1, address: 10.0.0.10}
  server: {network: web, node: n3, address: 10.0.0.20}
instances: {a: n2, b: n2}
"""
CHAIN = "chains: {loud: {match: {from: server, to: client, protocol: udp}, through: [%s]}}"
NODES = ("n1", "n2", "n3")


def objects(text: str) -> Objects:
    return dict(parse(text, "test").objects)


class Bench:
    """A conductor with its store, and nodes that acknowledge when told to."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.open()

    def open(self) -> None:
        self.store = SqliteStore(self.directory)
        self.conductor = Conductor(self.store, 0.0)
        for node in NODES:
            self.conductor.listen(node, lambda revision, records: None)

    def reopen(self) -> None:
        self.store.close()
        self.open()

    def apply(self, text: str, **options: Any) -> Outcome:
        return self.conductor.apply(dict(objects(text)), **options)

    def acknowledge(self, *nodes: str, missing: dict[int, list[str]] | None = None) -> None:
        for node in nodes or NODES:
            self.conductor.applied(node, self.conductor.revision, missing or {}, "")

    async def calm(self, rounds: int = 8) -> None:
        for _ in range(rounds):
            self.acknowledge()
            await asyncio.sleep(0.001)

    def entering(self, node: str) -> list[int]:
        return sorted(r.path for r in self.conductor.views.get(node, {}).values() if isinstance(r, ClassifyRecord))

    def paths(self, node: str) -> dict[int, str]:
        views = self.conductor.views.get(node, {}).values()
        return {r.path.id: r.path.phase for r in views if isinstance(r, PathRecord)}


@pytest.fixture
def run(tmp_path: Path) -> Iterator[Callable[[Callable[[Bench], Any]], None]]:
    def go(scenario: Callable[[Bench], Any]) -> None:
        async def main() -> None:
            bench = Bench(tmp_path)
            try:
                await scenario(bench)
            finally:
                bench.store.close()

        asyncio.run(main())

    yield go


def test_packets_enter_only_when_every_node_on_the_path_holds_it(run: Any) -> None:
    async def scenario(b: Bench) -> None:
        b.apply(BASE)
        await b.calm()
        outcome = b.apply(CHAIN % "a")
        assert b.paths("n2") == {16: "prepare"}
        b.acknowledge("n2")
        await asyncio.sleep(0.005)
        assert b.entering("n3") == []
        assert any("n3" in reason for reason in b.conductor.waiting(outcome))
        b.acknowledge("n3")
        await asyncio.sleep(0.005)
        assert b.entering("n3") == [16]
        await b.calm()
        assert b.conductor.waiting(outcome) == []

    run(scenario)


def test_a_changed_chain_flips_and_the_old_path_drains(run: Any) -> None:
    async def scenario(b: Bench) -> None:
        b.apply(BASE + CHAIN % "a")
        await b.calm()
        b.apply(CHAIN % "b")
        assert b.paths("n2") == {16: "active", 17: "prepare"}
        assert b.entering("n3") == [16]
        b.acknowledge("n2", "n3")
        await asyncio.sleep(0.005)
        assert b.entering("n3") == [17]
        assert b.paths("n2") == {16: "drain", 17: "active"}
        await b.calm()
        assert b.paths("n2") == {17: "active"}

    run(scenario)


def test_a_missing_interface_holds_a_path_back(run: Any) -> None:
    async def scenario(b: Bench) -> None:
        b.apply(BASE + CHAIN % "a")
        for _ in range(3):
            b.acknowledge("n1", "n3")
            b.acknowledge("n2", missing={16: ["port a-in has no interface"]})
            await asyncio.sleep(0.005)
        assert b.entering("n3") == []
        assert b.conductor.rollouts.waiting("loud", b.conductor.nodes_of) == ["port a-in has no interface"]
        await b.calm()
        assert b.entering("n3") == [16]

    run(scenario)


def test_a_refused_change_leaves_nothing(run: Any) -> None:
    async def scenario(b: Bench) -> None:
        b.apply(BASE + CHAIN % "a")
        await b.calm()
        revision, items = b.conductor.revision, b.store.snapshot("").items
        with pytest.raises(Refused, match="there is no group or instance 'c'"):
            b.apply("ports: {x: {network: web, node: n1, address: 10.0.0.77}}\n" + CHAIN % "c")
        assert b.conductor.revision == revision
        assert b.store.snapshot("").items == items
        b.apply(CHAIN % "b")  # and goes on working
        await b.calm()
        assert list(b.paths("n2").values()) == ["active"]

    run(scenario)


def test_an_address_is_one_nodes_alone_however_it_is_written(run: Any) -> None:
    async def scenario(b: Bench) -> None:
        b.apply("nodes: {v6: '2001:db8::1'}")
        with pytest.raises(Refused, match="2001:0db8:0::1 is also the address of node 'v6'"):
            b.apply("nodes: {v6b: '2001:0db8:0::1'}")
        b.apply("nodes: {v6: '2001:DB8::1', v6b: '2001:db8::2'}")

    run(scenario)


def test_what_is_in_use_cannot_be_deleted(run: Any) -> None:
    async def scenario(b: Bench) -> None:
        b.apply(BASE + CHAIN % "a")
        with pytest.raises(Refused, match="there is no port 'client'"):
            b.conductor.apply({("port", "client"): None})
        with pytest.raises(Refused, match="no group or instance 'a'"):
            b.conductor.apply({("instance", "a"): None})

    run(scenario)


def test_the_same_twice_changes_nothing(run: Any) -> None:
    async def scenario(b: Bench) -> None:
        b.apply(BASE + CHAIN % "a")
        await b.calm()
        revision = b.store.revision
        outcome = b.apply(BASE + CHAIN % "a")
        assert outcome.after == {}
        assert b.store.revision == revision

    run(scenario)


def test_a_dry_run_changes_nothing(run: Any) -> None:
    async def scenario(b: Bench) -> None:
        outcome = b.apply(BASE + CHAIN % "a", dry_run=True)
        assert ("chain", "loud") in outcome.after
        assert b.conductor.declared.objects == {}
        assert b.store.revision == 0
        assert b.apply(BASE).after.keys() == objects(BASE).keys()

    run(scenario)


def test_owned_objects_go_with_their_owner(run: Any) -> None:
    async def scenario(b: Bench) -> None:
        b.apply(BASE + CHAIN % "a")
        assert ("classifier", "loud-1") in b.conductor.declared.objects
        b.conductor.apply({("chain", "loud"): None})
        assert ("classifier", "loud-1") not in b.conductor.declared.objects
        await b.calm()
        assert b.paths("n2") == {}

    run(scenario)


def test_overlapping_chains_are_refused_and_precedence_mends_it(run: Any) -> None:
    async def scenario(b: Bench) -> None:
        b.apply(BASE + CHAIN % "a")
        other = "chains: {quiet: {match: {from: server, protocol: udp, destination_ports: 80}, through: [b]%s}}"
        with pytest.raises(Refused, match="give one chain a higher precedence"):
            b.apply(other % "")
        b.apply(other % ", precedence: 200")

    run(scenario)


def test_a_router_is_no_way_round_a_chain(run: Any) -> None:
    """Whoever says only where packets go means them wherever they come from."""

    async def scenario(b: Bench) -> None:
        b.apply(
            """
            nodes: [n1, n2, n3]
            networks:
              web: {cidr: 10.0.0.0/24, gateway: 10.0.0.1}
              far: {cidr: 10.1.0.0/24, gateway: 10.1.0.1}
              apart: 10.2.0.0/24
            routers: {r: [web, far]}
            ports: {server: {network: web, node: n3, address: 10.0.0.20}}
            instances: {a: n2}
            chains: {c: {match: {to: server, protocol: udp}, through: [a]}}
            """
        )
        paths = b.conductor.rollouts.paths_of("c")
        assert sorted(path.spec.network_name for path in paths) == ["far", "web"]
        b.apply("chains: {c: {match: {to: server, protocol: udp, network: web}, through: [a]}}")
        await b.calm()
        assert [path.spec.network_name for path in b.conductor.rollouts.paths_of("c")] == ["web"]

    run(scenario)


def test_a_restart_continues_where_it_was(run: Any) -> None:
    async def scenario(b: Bench) -> None:
        b.apply(BASE + CHAIN % "a")
        await b.calm()
        before = {node: dict(b.conductor.views[node]) for node in NODES}
        b.reopen()
        assert {node: dict(b.conductor.views[node]) for node in NODES} == before
        b.apply(CHAIN % "b")
        b.reopen()  # in the middle of a rollout
        assert b.paths("n2") == {16: "active", 17: "prepare"}
        await b.calm()
        assert b.paths("n2") == {17: "active"}
        assert b.entering("n3") == [17]
        b.apply(CHAIN % "a")
        await asyncio.sleep(0)
        await b.calm()
        assert b.entering("n3") == [18]

    run(scenario)


def test_a_path_id_is_not_used_again_soon_after_a_restart(run: Any) -> None:
    async def scenario(b: Bench) -> None:
        b.apply(BASE + CHAIN % "a")
        await b.calm()
        b.conductor.apply({("chain", "loud"): None})
        await b.calm()
        assert b.paths("n2") == {}
        b.reopen()
        b.apply(CHAIN % "b")
        assert list(b.paths("n2")) == [17]

    run(scenario)


def test_a_full_disk_refuses_and_changes_nothing(run: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    async def scenario(b: Bench) -> None:
        b.apply(BASE + CHAIN % "a")
        await b.calm()
        views = {node: dict(b.conductor.views[node]) for node in NODES}

        def full(_: Transaction) -> int:
            raise StoreFull("the disk")

        with monkeypatch.context() as patch:
            patch.setattr(b.store, "commit", full)
            with pytest.raises(StoreFull):
                b.apply(CHAIN % "b")
        assert {node: dict(b.conductor.views[node]) for node in NODES} == views
        b.apply(CHAIN % "b")
        await b.calm()
        assert list(b.paths("n2").values()) == ["active"]

    run(scenario)


def test_chains_that_change_together_flip_together(run: Any) -> None:
    """Packets that leave one chain for another may not fall between them."""
    chain = "%s: {match: {from: server, protocol: udp, destination_ports: %%s}, through: [%s]}"
    two = "chains: {" + chain % ("x", "a") + ", " + chain % ("y", "b") + "}"

    async def scenario(b: Bench) -> None:
        b.apply(BASE + two % (80, 90))
        await b.calm()
        first = b.entering("n3")
        b.apply(two % (90, 80))  # only classifiers change: paths stay, and both flip at once
        await asyncio.sleep(0.005)
        records = [r for r in b.conductor.views["n3"].values() if isinstance(r, ClassifyRecord)]
        assert sorted(r.path for r in records) == first
        ports = {r.chain: r.entries[0].headers.destination_ports for r in records}
        assert ports == {"x": (90, 90), "y": (80, 80)}

    run(scenario)


def test_a_port_that_was_there_before_it_was_declared_is_placed_at_once(run: Any) -> None:
    async def scenario(b: Bench) -> None:
        b.conductor.seen("n1", ["client"])
        text = BASE.replace("client: {network: web, node: n1,", "client: {network: web,")
        b.apply(text, dry_run=True)
        b.apply(text)
        record = next(r for r in b.conductor.views["n1"].values() if getattr(r, "name", "") == "client")
        assert record.node == "n1"  # type: ignore[union-attr]
        b.reopen()
        record = next(r for r in b.conductor.views["n1"].values() if getattr(r, "name", "") == "client")
        assert record.node == "n1"  # type: ignore[union-attr]

    run(scenario)


def test_a_port_without_a_node_is_placed_where_it_appears(run: Any) -> None:
    async def scenario(b: Bench) -> None:
        b.apply(BASE.replace("client: {network: web, node: n1,", "client: {network: web,"))
        b.conductor.seen("n1", ["client"])
        record = next(r for k, r in b.conductor.views["n1"].items() if getattr(r, "name", "") == "client")
        assert record.node == "n1"  # type: ignore[union-attr]
        b.conductor.seen("n2", ["client"])
        record = next(r for k, r in b.conductor.views["n2"].items() if getattr(r, "name", "") == "client")
        assert record.node == "n2"  # type: ignore[union-attr]

    run(scenario)
