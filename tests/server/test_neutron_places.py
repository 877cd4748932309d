"""Where ports of the networking API are: at hosts that become nodes, and where their interfaces are seen."""

from __future__ import annotations

import asyncio
from typing import Any

from test_neutron import ADMIN, Bench, run

__all__ = ["run"]


def test_a_port_whose_interface_is_seen_lets_its_chain_be_built(run: Any) -> None:
    async def scenario(b: Bench) -> None:
        chain = b.chain(b.network(), "elsewhere")
        assert chain["status"] == "DOWN"
        assert "there is no node 'elsewhere'" in chain["status_reason"][0]
        ports = [port["id"] for port in b.neutron.state.all("port") if port["binding:host_id"] == "elsewhere"]
        b.conductor.seen("n2", ports)
        await asyncio.sleep(0.001)
        assert ("chain", chain["id"]) in b.objects

    run(scenario)


def test_a_function_whose_ports_are_seen_one_by_one_is_declared_when_both_are(run: Any) -> None:
    async def scenario(b: Bench) -> None:
        chain = b.chain(b.network(), "elsewhere")
        ports = [port["id"] for port in b.neutron.state.all("port") if port["binding:host_id"] == "elsewhere"]
        (pair,) = (pair["id"] for pair in b.neutron.state.all("port_pair"))
        b.update("port", ports[0], **{"binding:host_id": "n2"})
        assert ("instance", pair) not in b.objects
        b.conductor.seen("n2", ports)
        await asyncio.sleep(0.001)
        assert ("instance", pair) in b.objects
        assert ("chain", chain["id"]) in b.objects
        assert b.neutron.status_of(chain["id"])[0] != "DOWN"

    run(scenario)


def test_a_node_that_is_declared_later_has_its_ports(run: Any) -> None:
    async def scenario(b: Bench) -> None:
        chain = b.chain(b.network(), "n9")
        assert ("chain", chain["id"]) not in b.objects
        b.apply("nodes: {n9: 192.0.2.99}")
        await asyncio.sleep(0.001)
        assert ("chain", chain["id"]) in b.objects
        assert sum(getattr(value, "node", None) == "n9" for value in b.objects.values()) == 2

    run(scenario)


def test_a_port_that_cannot_be_at_its_host_keeps_no_other_from_its_own(run: Any) -> None:
    """The host becomes a node when one function's ports would be on two."""

    async def scenario(b: Bench) -> None:
        network = b.network()
        ends = [b.port(network, "n9", "function") for _ in range(2)]
        b.create("port_pair", ingress=ends[0], egress=ends[1])
        inside, outside = (b.port(network, node, "apart") for node in ("", "n9"))
        b.create("port_pair", ingress=inside, egress=outside)
        other = b.port(network, "n9", "other")
        b.conductor.seen("n3", [b.neutron._names.name("port", inside)])
        assert b.neutron.show(ADMIN, "port", outside)["binding:host_id"] == "n9"
        b.apply("nodes: {n9: 192.0.2.9}")
        await b.calm()
        hosts = {id: b.neutron.show(ADMIN, "port", id)["binding:host_id"] for id in (inside, outside, other)}
        assert hosts == {inside: "", outside: "", other: "n9"}
        assert all(b.objects["port", b.neutron._names.name("port", id)].node == "n9" for id in ends)
        b.reopen()
        assert {id: b.neutron.show(ADMIN, "port", id)["binding:host_id"] for id in hosts} == hosts

    run(scenario)
