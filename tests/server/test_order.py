"""Lists are in the order in which objects came, whoever made them, and after a restart too."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from test_neutron import ADMIN, APPLIED, Bench, refusal, run

from segue.intent import parse
from segue.neutron.attributes import KINDS
from segue.neutron.body import create_values
from segue.neutron.caller import Caller
from segue.neutron.names import id_of
from segue.neutron.query import list_resources
from segue.store.base import StoreFull, Transaction

__all__ = ["run"]

Run = Callable[[Callable[[Bench], Any]], None]
MEMBER = Caller("shop")
LONE = """
networks: {lone: 10.9.0.0/24}
ports: {in: {network: lone, node: n1}, out: {network: lone, node: n1}, from: {network: lone, node: n2}}
instances: {single: {ingress: in, egress: out}}
"""


def listed(b: Bench) -> dict[str, list[str]]:
    """What requests for lists are answered, by kind: everybody's, a project's, and those of one name."""
    found = {}
    for kind in KINDS:
        for who, caller, query in (("all", ADMIN, []), ("own", MEMBER, []), ("x", ADMIN, [("name", "x")])):
            (resources, *_) = list_resources(b.neutron.state, caller, kind, query, "http://h").values()
            found[f"{kind} {who}"] = [one["id"] for one in resources]
    for network in b.neutron.state.all("network"):
        found[f"subnets of {network['id']}"] = network["subnets"]
    return found | {"quotas": [project for project, _ in b.neutron.quotas()]}


def names(b: Bench, kind: str) -> list[str]:
    return [one["name"] for one in b.neutron.state.all(kind)]


def test_a_restart_changes_no_list(run: Run) -> None:
    async def scenario(b: Bench) -> None:
        b.neutron.set_quota(ADMIN.project, dict.fromkeys(KINDS, -1))
        for number in range(6):
            network = b.create("network", name=f"net {number}")["id"]
            for inner in range(3):
                cidr = f"10.{number}.{9 - inner}.0/24"
                b.create("subnet", network_id=network, cidr=cidr, ip_version=4, name="x" if inner else "y")
            ends = [b.port(network, "n1", f"vm {number}", name="x") for _ in range(2)]
            packets = {"logical_source_port": ends[0], "protocol": "tcp", **source(number)}
            classifier = b.create("flow_classifier", **packets)["id"]
            pair = b.create("port_pair", ingress=ends[0], egress=ends[1])["id"]
            group = b.create("port_pair_group", port_pairs=[pair], name="x")["id"]
            b.create("port_chain", port_pair_groups=[group], flow_classifiers=[classifier][: number % 2], name="x")
            b.create("router", name="x")
            b.create("service_graph", port_chains={})
            b.neutron.set_quota("zyxwvu"[number], {"port": 5})
        b.apply(APPLIED)
        several = [create_values("network", {"network": {"name": f"bulk {n}"}}, ADMIN) for n in range(5)]
        b.neutron.create(ADMIN, "network", several)
        b.apply("networks: {a: 10.77.0.0/24, z: 10.78.0.0/24, m: 10.79.0.0/24}")
        made = [f"net {n}" for n in range(6)] + ["web"] + [f"bulk {n}" for n in range(5)] + ["a", "z", "m"]
        assert names(b, "network") == made
        before = listed(b)
        assert before["quotas"] == [ADMIN.project, *"zyxwvu"]
        for _ in range(2):
            b.reopen()
            assert listed(b) == before
        b.create("network", name="last")
        assert names(b, "network") == [*made, "last"]

    run(scenario)


def source(number: int) -> dict[str, int]:
    return {"source_port_range_min": number + 1, "source_port_range_max": number + 1}


def test_what_changes_keeps_its_place_and_what_comes_again_is_the_last(run: Run) -> None:
    async def scenario(b: Bench) -> None:
        ids = [b.create("network", name=name)["id"] for name in "abc"]
        subnets = [b.create("subnet", network_id=ids[0], cidr=f"10.{n}.0.0/24", ip_version=4)["id"] for n in (3, 2, 1)]
        b.apply("networks: {d: 10.7.0.0/24}")
        b.update("network", ids[0], name="x")
        b.update("subnet", subnets[0], name="x")
        b.update("network", id_of("network", "d"), name="x")
        b.update("network", ids[1], name="x")
        expected = [ids[0], ids[1], id_of("network", "d")]
        for _ in range(2):
            assert listed(b)["network x"] == expected
            assert listed(b)["network own"] == [*ids]
            assert listed(b)[f"subnets of {ids[0]}"] == subnets
            b.reopen()
        b.delete(("network", "d"), ("subnet", "d"))
        b.create("network", name="e")
        b.apply("networks: {d: 10.7.0.0/24}")
        for _ in range(2):
            assert names(b, "network") == ["x", "x", "c", "e", "d"]
            b.reopen()

    run(scenario)


def test_what_is_refused_or_not_written_takes_no_place_and_loses_none(
    run: Run,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async def scenario(b: Bench) -> None:
        ids = [b.create("network", name=name)["id"] for name in "abc"]

        def full(_: Transaction) -> int:
            raise StoreFull("there")

        with monkeypatch.context() as patched:
            patched.setattr(b.store, "commit", full)
            for call in (
                lambda: b.neutron.delete(ADMIN, "network", ids[0]),
                lambda: b.create("network", name="x"),
                lambda: b.apply("networks: {x: 10.7.0.0/24}"),
            ):
                with pytest.raises(StoreFull):
                    call()
        assert names(b, "network") == ["a", "b", "c"]
        b.conductor.apply(dict(parse("networks: {y: 10.8.0.0/24}", "test").objects), dry_run=True)
        refusal(lambda: b.neutron.delete(ADMIN, "network", "00000000-0000-4000-8000-000000000000"))
        b.create("network", name="d")
        b.apply("networks: {y: 10.8.0.0/24, x: 10.7.0.0/24}")
        for _ in range(2):
            assert names(b, "network") == ["a", "b", "c", "d", "y", "x"]
            b.reopen()

    run(scenario)


def test_a_group_that_an_instance_stands_for_keeps_its_place(run: Run) -> None:
    async def scenario(b: Bench) -> None:
        b.create("port_pair_group", name="first")
        b.apply(LONE)
        b.create("port_pair_group", name="last")
        b.apply("chains: {c: {match: {from: from, protocol: tcp}, through: [single]}}")
        for _ in range(2):
            assert names(b, "port_pair_group") == ["first", "single", "last"]
            b.reopen()

    run(scenario)


def test_what_came_before_there_were_numbers_is_first(run: Run) -> None:
    async def scenario(b: Bench) -> None:
        old = sorted(b.create("network", name=name)["id"] for name in "abc")
        b.apply("networks: {d: 10.7.0.0/24}")
        b.store.commit(Transaction(deletes=tuple(b.store.snapshot("came/").items)))
        b.reopen()
        new = b.create("network", name="new")["id"]
        for _ in range(2):
            assert [one["id"] for one in b.neutron.state.all("network")] == [*old, id_of("network", "d"), new]
            b.reopen()

    run(scenario)


def test_nothing_is_kept_of_what_is_gone(run: Run) -> None:
    async def scenario(b: Bench) -> None:
        chain = b.chain(b.network(), "n2")["id"]
        b.apply(APPLIED)
        b.delete(("chain", "loud"))
        b.delete(("chain", chain))
        numbered = set(b.store.snapshot("came/").items)
        assert numbered == {f"came/{kind}/{id}" for kind, id in b.neutron.state.resources()}

    run(scenario)
