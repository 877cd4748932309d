"""Service graphs of the networking API: declared with what of them can be built, kept, seen and deleted from both
sides."""

from __future__ import annotations

from typing import Any

import pytest
from test_neutron import ADMIN, Bench, refusal, run

from segue.intent import dump, parse
from segue.model.intent import Branch, Graph
from segue.neutron.names import id_of
from segue.server.conductor import Refused

__all__ = ["run"]
APPLIED = """
networks: {web: 10.0.0.0/24}
ports: {client: {network: web, node: n1, address: 10.0.0.10}}
instances: {first: {node: n2, aware: nsh}, second: {node: n3, aware: nsh}}
chains:
  one: {match: {from: client, protocol: tcp, destination_ports: 1}, through: [first]}
  two: {match: {from: client, protocol: tcp, destination_ports: 2}, through: [second]}
graphs: {fork: {branch: {one: [two]}}}
"""


def chains(b: Bench, *numbers: int, **parameters: Any) -> list[str]:
    """Chains with an aware function each, for TCP to these ports."""
    network, found = b.network(), []
    source = b.port(network, "n1")
    for number in numbers:
        span = {"destination_port_range_min": number, "destination_port_range_max": number}
        classifier = b.create("flow_classifier", logical_source_port=source, protocol="tcp", **span)["id"]
        ends = [b.port(network, "n2", f"function {number}") for _ in range(2)]
        aware = {"correlation": "nsh"}
        pair = b.create("port_pair", ingress=ends[0], egress=ends[1], service_function_parameters=aware)["id"]
        group = b.create("port_pair_group", port_pairs=[pair])["id"]
        values = {"port_pair_groups": [group], "flow_classifiers": [classifier]}
        found.append(b.create("port_chain", **values, chain_parameters={"correlation": "nsh", **parameters})["id"])
    return found


def test_a_graph_is_declared_and_survives_a_restart(run: Any) -> None:
    async def scenario(b: Bench) -> None:
        one, two, three = chains(b, 1, 2, 3)
        graph = b.create("service_graph", name="fork", port_chains={one: [two, three]})["id"]
        ref = ("graph", graph)
        branches = (Branch(one, (two, three)),)
        assert b.objects[ref] == Graph(name=graph, label="fork", project="shop", branches=branches, exclusive=True)
        assert parse(dump(b.objects), "again").objects == b.objects
        with pytest.raises(Refused):
            b.delete(("chain", two))
        # While one of them cannot be built, the rest is; the API shows what was asked for.
        group = b.neutron.state.get("port_chain", three)["port_pair_groups"][0]  # type: ignore[index]
        pairs = b.neutron.state.get("port_pair_group", group)["port_pairs"]  # type: ignore[index]
        b.update("port_pair_group", group, port_pairs=[])
        for _ in range(2):
            assert b.objects[ref].branches == (Branch(one, (two,)),)  # type: ignore[attr-defined]
            shown = b.neutron.state.get("service_graph", graph)
            assert shown is not None
            assert shown["port_chains"] == {one: [two, three]}
            await b.calm()
            b.reopen()
        b.update("port_pair_group", group, port_pairs=pairs)
        assert b.objects[ref].branches == (Branch(one, (two, three)),)  # type: ignore[attr-defined]
        b.neutron.delete(ADMIN, "service_graph", graph)
        assert ref not in b.objects
        b.neutron.delete(ADMIN, "port_chain", two)

    run(scenario)


def test_a_graph_that_is_deleted_natively_is_gone_from_the_api(run: Any) -> None:
    async def scenario(b: Bench) -> None:
        one, two = chains(b, 1, 2)
        graph = b.create("service_graph", port_chains={one: [two]})["id"]
        b.delete(("graph", graph))
        assert b.neutron.state.get("service_graph", graph) is None
        assert not any("graph" in key for key in b.records())
        b.neutron.delete(ADMIN, "port_chain", two)

    run(scenario)


def test_an_applied_graph_is_shown_guards_its_chains_and_is_deleted_by_the_api(run: Any) -> None:
    async def scenario(b: Bench) -> None:
        b.apply(APPLIED)
        graph = id_of("graph", "fork")
        shown = b.neutron.show(ADMIN, "service_graph", graph)
        assert (shown["name"], shown["port_chains"]) == ("fork", {id_of("chain", "one"): [id_of("chain", "two")]})
        fault = refusal(lambda: b.neutron.delete(ADMIN, "port_chain", id_of("chain", "two")))
        assert (fault.status, fault.type) == (409, "ServiceGraphPortChainInUse")
        before = b.neutron.state.resources()
        b.reopen()
        assert b.neutron.state.resources() == before
        assert b.update("service_graph", graph, name="knife")["name"] == "knife"
        assert b.objects["graph", "fork"].label == "knife"
        b.neutron.delete(ADMIN, "service_graph", graph)
        assert ("graph", "fork") not in b.objects

    run(scenario)


def test_a_graph_that_cannot_be_is_refused_with_the_reason(run: Any) -> None:
    async def scenario(b: Bench) -> None:
        one, two = chains(b, 1, 2, symmetric=True)
        before = b.neutron.state.resources()
        fault = refusal(lambda: b.create("service_graph", port_chains={one: [two]}))
        assert (fault.status, fault.type) == (409, "SegueRefused")
        assert "is symmetric" in fault.message
        assert b.neutron.state.resources() == before

    run(scenario)
