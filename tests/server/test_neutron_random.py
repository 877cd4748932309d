"""Random requests, native changes, full disks and restarts: the API's state and what is declared always agree, lists
are in the order in which objects came, and no status that is remembered is another than what would be computed."""

from __future__ import annotations

import asyncio
import contextlib
import random
from pathlib import Path
from typing import Any

import pytest
from test_neutron import ADMIN, APPLIED, NODES, Bench

from segue.intent import parse
from segue.neutron.attributes import KINDS
from segue.neutron.body import create_values
from segue.neutron.errors import Fault
from segue.neutron.names import KIND_OF, id_of
from segue.server.conductor import Refused
from segue.server.status import chain_state, computed_chain_state
from segue.store.base import StoreFull, Transaction

NOBODY = "00000000-0000-4000-8000-000000000000"


class Requests:
    def __init__(self, bench: Bench, rng: random.Random) -> None:
        self.b, self.rng = bench, rng
        self.all = [getattr(self, name) for name in sorted(vars(Requests)) if name.startswith("do_")]

    def ids(self, kind: str) -> list[str]:
        return [resource["id"] for resource in self.b.neutron.state.all(kind)] or [NOBODY]

    def one(self, kind: str) -> str:
        return self.rng.choice(self.ids(kind))

    def some(self, kind: str) -> list[str]:
        ids = self.ids(kind)
        return self.rng.sample(ids, min(len(ids), self.rng.randint(0, 2)))

    def host(self) -> dict[str, str]:
        return {"binding:host_id": self.rng.choice([*NODES, "", "n9"])}

    def kind(self) -> str:
        return self.rng.choice([kind for kind in KINDS if kind != "service_graph"])

    def do_network(self) -> None:
        number = self.rng.randrange(200)
        network = self.b.create("network", name=f"net{number}")["id"]
        self.b.create("subnet", network_id=network, cidr=f"10.{number}.0.0/24", ip_version=4)

    def do_port(self) -> None:
        for _ in range(2):
            self.b.create("port", network_id=self.one("network"), device_id="vm", **self.host())

    def do_bind(self) -> None:
        self.b.update("port", self.one("port"), **self.host())

    def do_classifier(self) -> None:
        number = self.rng.randrange(1000)
        ends = {"logical_source_port": self.rng.choice([self.one("port"), None])}
        ports = {"source_port_range_min": number, "source_port_range_max": number}
        self.b.create("flow_classifier", protocol="tcp", **ends, **ports)

    def do_pair(self) -> None:
        ingress = self.one("port")
        egress = self.rng.choice([ingress, self.one("port")])
        weight = {"weight": self.rng.randrange(3)}
        self.b.create("port_pair", ingress=ingress, egress=egress, service_function_parameters=weight)

    def do_group(self) -> None:
        fields = {"lb_fields": self.rng.choice([[], ["ip_src"], ["udp_dst"]])}
        tap = self.rng.random() < 0.2
        pairs = self.some("port_pair")
        self.b.create("port_pair_group", port_pairs=pairs, tap_enabled=tap, port_pair_group_parameters=fields)

    def do_chain(self) -> None:
        symmetric = {"symmetric": self.rng.random() < 0.3}
        groups = self.some("port_pair_group") or [self.one("port_pair_group")]
        classifiers = self.some("flow_classifier")
        self.b.create("port_chain", port_pair_groups=groups, flow_classifiers=classifiers, chain_parameters=symmetric)

    def do_members(self) -> None:
        self.b.update("port_pair_group", self.one("port_pair_group"), port_pairs=self.some("port_pair"))

    def do_packets(self) -> None:
        self.b.update("port_chain", self.one("port_chain"), flow_classifiers=self.some("flow_classifier"))

    def do_rename(self) -> None:
        kind = self.kind()
        self.b.update(kind, self.one(kind), name=self.rng.choice(["x", "upper", "loud", "y\n"]))

    def do_delete(self) -> None:
        kind = self.kind()
        self.b.neutron.delete(ADMIN, kind, self.one(kind))

    def do_subnet(self) -> None:
        cidr = f"172.16.{self.rng.randrange(200)}.0/24"
        self.b.create("subnet", network_id=self.one("network"), cidr=cidr, ip_version=4, gateway_ip=None)

    def do_several(self) -> None:
        bodies = [{"name": f"several {self.rng.randrange(99)}"} for _ in range(3)]
        values = [create_values("network", {"network": body}, ADMIN) for body in bodies]
        self.b.neutron.create(ADMIN, "network", values)

    def do_graph(self) -> None:
        one, two = self.one("port_chain"), self.one("port_chain")
        self.b.create("service_graph", port_chains={one: [two]})

    def do_quota(self) -> None:
        project = self.rng.choice("abcde")
        if self.rng.random() < 0.3:
            self.b.neutron.reset_quota(project)
        else:
            self.b.neutron.set_quota(project, {"port": self.rng.randrange(99)})

    def do_acknowledge(self) -> None:
        conductor = self.b.conductor
        paths = self.rng.sample(sorted(conductor.rollouts.paths), min(2, len(conductor.rollouts.paths)))
        missing = {path: [self.rng.choice(["port x has no interface", "no copies: y"])] for path in paths}
        revision = self.rng.randint(max(0, conductor.revision - 3), conductor.revision)
        error = self.rng.choice(["", "", "", "the switch is gone"])
        conductor.applied(self.rng.choice(NODES), revision, self.rng.choice([{}, missing]), error)

    def do_agent(self) -> None:
        """One goes, or comes again."""
        node, conductor = self.rng.choice(NODES), self.b.conductor
        listener = conductor._listeners.get(node)
        if listener is None:
            conductor.listen(node, lambda revision, records: None)
        else:
            conductor.unlisten(node, listener)

    def do_advance(self) -> None:
        self.b.conductor.advance()

    def do_try(self) -> None:
        """What is said and not done leaves no trace."""
        self.b.conductor.apply(dict(parse("networks: {tried: 10.250.0.0/24}", "test").objects), dry_run=True)

    def do_router(self) -> None:
        self.b.create("router", name="r")

    def do_attach(self) -> None:
        port = self.b.create("port", network_id=self.one("network"), **self.host())["id"]
        body = self.rng.choice([{"subnet_id": self.one("subnet")}, {"port_id": port}])
        self.b.neutron.add_router_interface(ADMIN, self.one("router"), body)

    def do_detach(self) -> None:
        router = self.one("router")
        for port in self.b.neutron.state.interfaces_of_router(router):
            self.b.neutron.remove_router_interface(ADMIN, router, {"port_id": port["id"]})

    def do_native_delete(self) -> None:
        self.b.delete(self.rng.choice([ref for ref in self.b.objects if ref[0] != "node"] or [("network", "web")]))

    def do_native_apply(self) -> None:
        self.b.apply(self.rng.choice([APPLIED, "nodes: {n9: 192.0.2.9}"]))

    def do_see(self) -> None:
        ports = [name for kind, name in self.b.objects if kind == "port"] or ["x"]
        self.b.conductor.seen(self.rng.choice(NODES), [self.rng.choice(ports)])


def check(b: Bench) -> None:
    resources, records = b.neutron.state.resources(), b.records()
    declared = {(KIND_OF[kind], id_of(kind, name)) for kind, name in b.objects if kind != "node"}
    assert declared <= resources.keys()
    known = {key for key in resources if f"neutron/{key[0]}/{key[1]}" in records}
    assert len(known) == len(records)
    lone = {group for chain in b.neutron.state.all("port_chain") for group in chain["port_pair_groups"]}
    assert {id for _, id in resources.keys() - declared - known} <= lone
    for chain in b.neutron.state.all("port_chain"):
        name = b.neutron._names.name("chain", chain["id"])
        assert b.neutron.status_of(chain["id"]) == b.neutron._compute(chain["id"], name)
    for kind, name in b.objects:
        if kind == "chain":
            assert chain_state(b.conductor, name) == computed_chain_state(b.conductor, name)


def listed(b: Bench) -> dict[str, list[str]]:
    state = b.neutron.state
    found = {kind: [one["id"] for one in state.all(kind)] for kind in KINDS}
    found |= {f"{kind} of shop": [one["id"] for one in state.all(kind, "shop")] for kind in KINDS}
    found |= {f"{kind} named loud": list(state.named(kind, "loud")) for kind in KINDS}
    return found | {"quotas": [project for project, _ in b.neutron.quotas()]}


@pytest.mark.parametrize("seed", range(4))
def test_the_api_and_what_is_declared_agree(tmp_path: Path, seed: int) -> None:
    rng = random.Random(seed)

    def full(transaction: Transaction) -> int:
        raise StoreFull("there")

    async def main() -> set[str]:
        b = Bench(tmp_path)
        b.neutron.set_quota("shop", dict.fromkeys(KINDS, -1))
        b.apply(APPLIED)
        happened: set[str] = set()
        for number in range(200):
            request: Any = rng.choice(Requests(b, rng).all)
            commit = b.store.commit
            if rng.random() < 0.05:
                b.store.commit = full  # type: ignore[method-assign]
            with contextlib.suppress(Fault, Refused, StoreFull):
                request()
                happened.add(request.__name__)
            b.store.commit = commit  # type: ignore[method-assign]
            await asyncio.sleep(0)
            check(b)
            if number % 7 == 0:
                await b.calm(2)
            if number % 10 == 0:
                state, before = b.neutron.state, listed(b)
                b.reopen()
                assert listed(b) == before
                check(b)
                assert b.neutron.state.resources() == state.resources()
                assert b.neutron.state.indexes() == state.indexes()
        b.store.close()
        return happened

    assert len(asyncio.run(main())) > 20
