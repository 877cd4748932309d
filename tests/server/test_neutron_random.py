"""Random requests, native changes, full disks and restarts: the API's state and what is declared always agree."""

from __future__ import annotations

import asyncio
import contextlib
import random
from pathlib import Path
from typing import Any

import pytest
from test_neutron import ADMIN, APPLIED, NODES, Bench

from segue.neutron.attributes import KINDS
from segue.neutron.errors import Fault
from segue.neutron.names import KIND_OF, id_of
from segue.server.conductor import Refused
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
                state = b.neutron.state
                b.reopen()
                assert b.neutron.state.resources() == state.resources()
                assert b.neutron.state.indexes() == state.indexes()
        b.store.close()
        return happened

    assert len(asyncio.run(main())) > 12
