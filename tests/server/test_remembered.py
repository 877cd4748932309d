"""A chain's status is computed once, again when something has happened to it, and never shown as it was before that."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import pytest
from test_neutron import ADMIN, APPLIED, Bench, run

from segue.neutron.names import id_of
from segue.server import status as of_chains
from segue.server.conductor import Conductor
from segue.server.states import States
from segue.server.status import chain_state, computed_chain_state
from segue.store.base import StoreFull, Transaction

AWARE = {"correlation": "mpls"}
__all__ = ["run"]

Run = Callable[[Callable[[Bench], Any]], None]


def chain_over(b: Bench, network: str, node: str, number: int = 1) -> dict[str, Any]:
    """A chain of one function on ``node``, for UDP from port ``number``."""
    source = b.port(network, "n1")
    ports = {"source_port_range_min": number, "source_port_range_max": number}
    classifier = b.create("flow_classifier", logical_source_port=source, protocol="udp", **ports)["id"]
    ends = [b.port(network, node, f"function {number}") for _ in range(2)]
    pair = b.create("port_pair", ingress=ends[0], egress=ends[1], service_function_parameters=AWARE)["id"]
    group = b.create("port_pair_group", port_pairs=[pair])["id"]
    return b.create("port_chain", port_pair_groups=[group], flow_classifiers=[classifier])


def counted(b: Bench, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The chains whose status is computed, from now on."""
    computed: list[str] = []
    compute = b.neutron._compute

    def count(chain: str, name: str) -> tuple[str, list[str]]:
        computed.append(chain)
        return compute(chain, name)

    monkeypatch.setattr(b.neutron, "_compute", count)
    return computed


def look(b: Bench) -> dict[str, tuple[str, list[str]]]:
    """Every status; none of them, and no chain's state, may be another than what would be computed now."""
    for kind, name in b.objects:
        if kind == "chain":
            assert chain_state(b.conductor, name) == computed_chain_state(b.conductor, name)
    shown = {chain["id"]: b.neutron.status_of(chain["id"]) for chain in b.neutron.state.all("port_chain")}
    compute = type(b.neutron)._compute
    for chain, status in shown.items():
        assert status == compute(b.neutron, chain, b.neutron._names.name("chain", chain))
    return shown


def test_chains_to_which_nothing_happens_are_computed_once(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    async def scenario(b: Bench) -> None:
        b.neutron.set_quota(ADMIN.project, {"port_chain": -1, "port_pair_group": -1})
        network = b.network()
        nodes = ("n1", "n2", "n2", "n3", "n3")
        chains = [chain_over(b, network, node, number)["id"] for number, node in enumerate(nodes, 1)]
        alone = b.create("port_chain", port_pair_groups=[b.create("port_pair_group")["id"]])["id"]
        await b.calm()
        computed = counted(b, monkeypatch)
        assert sorted(status for status, _ in look(b).values()) == ["ACTIVE"] * 5 + ["DOWN"]
        assert sorted(computed) == sorted(chains)  # the other was when it was made
        assert alone in look(b)
        computed.clear()
        for _ in range(3):
            await b.calm()  # what acknowledges nothing new changes nothing
            look(b)
        assert computed == []
        b.update("port_chain", chains[0], name="x")
        b.create("network", name="other")
        look(b)
        assert computed == [chains[0]]
        computed.clear()
        path = b.conductor.rollouts.paths_of(chains[1])[0].id
        b.conductor.applied("n2", b.conductor.revision, {path: ["port x has no interface"]}, "")
        assert look(b)[chains[1]] == ("DOWN", ["port x has no interface"])
        assert computed == [chains[1]]
        computed.clear()
        b.delete(("chain", chains[3]))
        look(b)
        assert computed == []

    run(scenario)


def test_all_who_ask_how_a_chain_is_are_told_what_was_computed_once(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    async def scenario(b: Bench) -> None:
        network = b.network()
        ids = [chain_over(b, network, node, number)["id"] for number, node in enumerate(("n2", "n3"), 1)]
        await b.calm()
        computed: list[str] = []

        def count(conductor: Conductor, name: str) -> tuple[str, list[str]]:
            computed.append(name)
            return computed_chain_state(conductor, name)

        monkeypatch.setattr(of_chains, "computed_chain_state", count)
        names = [b.neutron.name_of_chain(id) for id in ids]
        b.conductor.remembered.clear()
        states = States(b.conductor)
        await states._look()
        for id, name in zip(ids, names, strict=True):
            state, reasons = chain_state(b.conductor, name)
            reasons.append("what one who asks makes of it")
            assert (state, b.neutron.status_of(id)) == ("ready", ("ACTIVE", []))
            assert states.current["chain", name].state == "ready"
            assert chain_state(b.conductor, name) == ("ready", [])
        assert sorted(computed) == sorted(names)
        computed.clear()
        path = b.conductor.rollouts.paths_of(names[0])[0].id
        b.conductor.applied("n2", b.conductor.revision, {path: ["port x has no interface"]}, "")
        await states._look()
        assert (states.current["chain", names[0]].state, states.current["chain", names[1]].state) == (
            "impaired",
            "ready",
        )
        assert chain_state(b.conductor, names[0]) == ("impaired", ["port x has no interface"])
        assert b.neutron.status_of(ids[0]) == ("DOWN", ["port x has no interface"])
        assert computed == [names[0]]

    run(scenario)


def test_chains_that_wait_are_computed_when_what_they_wait_for_comes(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    async def scenario(b: Bench) -> None:
        network = b.network()
        one, two = chain_over(b, network, "n2", 1)["id"], chain_over(b, network, "n3", 2)["id"]
        computed = counted(b, monkeypatch)
        assert {status for status, _ in look(b).values()} == {"BUILD"}
        computed.clear()
        for _ in range(3):
            b.conductor.applied("n3", 1, {}, "")  # an old revision: both wait for n1 and n2 as before
            computed.clear()
            look(b)
            b.conductor.applied("n9", b.conductor.revision, {}, "")
            look(b)
        assert one not in computed
        for _ in range(4):
            for node in ("n1", "n2", "n3"):
                b.conductor.applied(node, b.conductor.revision, {}, "")
                look(b)
                await asyncio.sleep(0)
                look(b)
        assert {status for status, _ in look(b).values()} == {"ACTIVE"}
        assert {one, two} <= set(computed)

    run(scenario)


def test_a_state_that_nobody_asks_for_besides_is_not_stale(run: Run) -> None:
    """What the networking API says of the same chain is kept with nodes of its own."""

    async def scenario(b: Bench) -> None:
        name = b.neutron.name_of_chain(chain_over(b, b.network(), "n2")["id"])
        b.conductor.remembered.clear()  # what the answer to its creation has left
        seen = []
        for node in ("n3", "n2", "n1", "n1", "n2", "n3"):
            seen.append(chain_state(b.conductor, name))
            assert seen[-1] == computed_chain_state(b.conductor, name)
            b.conductor.applied(node, b.conductor.revision, {}, "")
            assert chain_state(b.conductor, name) == computed_chain_state(b.conductor, name)
            await asyncio.sleep(0)
        assert len({tuple(reasons) for _, reasons in seen}) > 2
        assert (seen[0][0], chain_state(b.conductor, name)) == ("preparing", ("ready", []))

    run(scenario)


def test_whatever_happens_to_nodes_is_seen(run: Run) -> None:
    async def scenario(b: Bench) -> None:
        chain = chain_over(b, b.network(), "n2")["id"]
        assert look(b)[chain][0] == "BUILD"
        await b.calm()
        assert look(b)[chain] == ("ACTIVE", [])
        listener = b.conductor._listeners["n2"]
        b.conductor.applied("n2", b.conductor.revision, {}, "no room for flows")
        assert look(b)[chain] == ("BUILD", ["node n2 cannot go on: no room for flows"])
        b.conductor.applied("n2", b.conductor.revision, {}, "no room at all")
        assert look(b)[chain] == ("BUILD", ["node n2 cannot go on: no room at all"])
        b.conductor.applied("n2", 0, {}, "")
        assert look(b)[chain] == ("BUILD", ["node n2 is at work"])
        b.conductor.applied("n2", b.conductor.revision, {}, "")
        assert look(b)[chain] == ("ACTIVE", [])
        b.conductor.unlisten("n2", listener)
        assert look(b)[chain] == ("BUILD", ["node n2 has no agent connected"])
        b.conductor.listen("n2", listener)
        assert look(b)[chain] == ("BUILD", ["node n2 is at work"])
        await b.calm()
        b.reopen()  # nothing says any more which revision the chain needs
        await b.calm()
        assert look(b)[chain] == ("ACTIVE", [])
        b.conductor.applied("n2", b.conductor.revision, {}, "no room")
        assert look(b)[chain] == ("DOWN", ["node n2: no room"])
        b.conductor.applied("n2", b.conductor.revision, {}, "")
        assert look(b)[chain] == ("ACTIVE", [])

    run(scenario)


def test_whatever_happens_to_the_parts_of_a_chain_is_seen(run: Run) -> None:
    async def scenario(b: Bench) -> None:
        network = b.network()
        chain = chain_over(b, network, "n2")
        id, group, classifier = chain["id"], chain["port_pair_groups"][0], chain["flow_classifiers"][0]
        (pair,) = b.neutron.state.get("port_pair_group", group)["port_pairs"]  # type: ignore[index]
        other = b.create("port_pair_group")["id"]

        def now() -> str:
            status, reasons = look(b)[id]
            return status if status != "DOWN" else reasons[0]

        assert now() == "BUILD"
        b.update("port_pair_group", group, port_pairs=[])
        assert now() == f"port pair group {group} has no port pair"
        b.update("port_pair_group", group, port_pairs=[pair])
        assert now() == "BUILD"
        b.update("port_chain", id, port_pair_groups=[other])
        assert now() == f"port pair group {other} has no port pair"
        b.update("port_chain", id, port_pair_groups=[group], flow_classifiers=[])
        assert now() == "it has no flow classifier"
        b.update("port_chain", id, flow_classifiers=[classifier])
        assert now() == "BUILD"
        # A port whose node comes to be declared, and one that is seen.
        ends = [b.port(network, host, "late") for host in ("n9", "")]
        late = b.create("port_pair", ingress=ends[0], egress=ends[1], service_function_parameters=AWARE)["id"]
        b.update("port_pair_group", group, port_pairs=[late])
        assert now().startswith(f"nobody knows on which node port {ends[0]} is") or "is a function on one node" in now()
        b.apply("nodes: {n9: 192.0.2.9}")
        look(b)
        b.conductor.seen("n9", ends)
        await asyncio.sleep(0)
        assert now() == "BUILD"
        # A chain that follows another in a graph, which cannot be built any more.
        first = chain_over(b, network, "n3", 2)
        b.create("service_graph", port_chains={first["id"]: [id]})
        assert now() == "BUILD"
        b.update("port_pair_group", first["port_pair_groups"][0], port_pairs=[])
        assert now().startswith("no chain that leads to it in service graph")

    run(scenario)


def test_a_graph_of_chains_that_are_records_alone_is_seen(run: Run) -> None:
    async def scenario(b: Bench) -> None:
        network = b.network()
        one, two = chain_over(b, network, "n2", 1), chain_over(b, network, "n3", 2)
        for chain in (one, two):
            b.update("port_pair_group", chain["port_pair_groups"][0], port_pairs=[])
        before = look(b)
        graph = b.create("service_graph", port_chains={one["id"]: [two["id"]]})["id"]
        assert "no chain that leads to it" in look(b)[two["id"]][1][-1]
        b.neutron.delete(ADMIN, "service_graph", graph)
        assert look(b) == before

    run(scenario)


def test_a_refusal_by_the_conductor_is_seen_when_it_comes_and_when_it_goes(run: Run) -> None:
    async def scenario(b: Bench) -> None:
        b.apply(APPLIED.replace("udp}", "udp, source_ports: 2345}, symmetric: true"))
        client = b.neutron.state.get("port", id_of("port", "client"))
        assert client is not None
        empty = b.create("port_pair_group")["id"]
        classifier = b.create(
            "flow_classifier",
            protocol="udp",
            logical_source_port=client["id"],
            logical_destination_port=id_of("port", "server"),
            **{f"source_port_range_{end}": 1 for end in ("min", "max")},
            **{f"destination_port_range_{end}": 2345 for end in ("min", "max")},
        )["id"]
        chain = b.create("port_chain", port_pair_groups=[empty], flow_classifiers=[classifier])["id"]
        assert look(b)[chain] == ("DOWN", [f"port pair group {empty} has no port pair"])
        # Its function is declared, and it would take what answers the applied chain takes.
        b.apply("ports: {in: {network: web}, out: {network: web}}\ninstances: {fn: {ingress: in, egress: out}}")
        b.update("port_pair_group", empty, port_pairs=[id_of("instance", "fn")])
        look(b)
        b.conductor.seen("n2", ["in", "out"])
        look(b)
        await asyncio.sleep(0)
        status, reasons = look(b)[chain]
        assert status == "DOWN" and "match the same packets" in reasons[0], reasons
        b.delete(("chain", "loud"))
        await asyncio.sleep(0)
        assert look(b)[chain][0] == "BUILD"

    run(scenario)


def test_a_step_that_cannot_be_written_is_not_told_as_taken(run: Run) -> None:
    async def scenario(b: Bench) -> None:
        chain = chain_over(b, b.network(), "n2")["id"]
        commit = b.store.commit

        def full(_: Transaction) -> int:
            raise StoreFull("there")

        b.store.commit = full  # type: ignore[method-assign]
        for node in ("n1", "n2", "n3"):
            b.conductor.applied(node, b.conductor.revision, {}, "")
            look(b)
        b.store.commit = commit  # type: ignore[method-assign]
        look(b)
        b.conductor.advance()
        look(b)
        await b.calm()
        assert look(b)[chain] == ("ACTIVE", [])
        b.store.commit = full  # type: ignore[method-assign]
        with pytest.raises(StoreFull):
            b.update("port_chain", chain, flow_classifiers=[])
        look(b)  # all begins again from the store
        b.store.commit = commit  # type: ignore[method-assign]
        await b.calm()
        assert look(b)[chain] == ("ACTIVE", [])
        b.store.commit = full  # type: ignore[method-assign]
        with pytest.raises(StoreFull):
            b.apply("networks: {other: 10.5.0.0/24}")
        look(b)
        b.store.commit = commit  # type: ignore[method-assign]
        await b.calm()
        assert look(b)[chain] == ("ACTIVE", [])

    run(scenario)


def test_others_run_while_many_are_computed(run: Run) -> None:
    async def scenario(b: Bench) -> None:
        b.neutron.set_quota(ADMIN.project, {"port_chain": -1, "port_pair_group": -1})
        chains = [
            b.create("port_chain", port_pair_groups=[b.create("port_pair_group")["id"]])["id"] for _ in range(170)
        ]
        turns = 0

        async def count() -> None:
            nonlocal turns
            while True:
                turns += 1
                await asyncio.sleep(0)

        b.conductor.remembered.clear()
        other = asyncio.create_task(count())
        await b.neutron.catch_up(chains)
        assert turns == 3
        await b.neutron.catch_up(chains)
        assert turns == 3
        b.neutron.delete(ADMIN, "port_chain", chains[0])
        await b.neutron.catch_up(chains)
        other.cancel()
        known = [b.conductor.remembered.get(chain, "status") is not None for chain in chains[:2]]
        assert known == [False, True]

    run(scenario)
