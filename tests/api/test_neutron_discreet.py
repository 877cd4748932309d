"""What a project is told of the whole network's state, where its own objects and others' get in each other's way."""

from __future__ import annotations

import asyncio
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from neutron_asgi import Front, Said, at, run

from segue.api.errors import answer
from segue.api.own_status import REFUSED
from segue.intent import parse
from segue.neutron.names import id_of

WAY = "something of another project is in the way"
OVERLAPPING = """
networks: {green-net: {cidr: 10.5.0.0/24, project: red}}
ports:
  green-in: {network: green-net, node: n1, address: 10.5.0.9, project: red}
  green-out: {network: green-net, node: n1, address: 10.5.0.10, project: red}
instances: {green-fw: {port: desk, project: blue}}
chains:
  green-way:
    match: {from: green-out, to: green-in, protocol: udp, source_ports: 1000, destination_ports: 5}
    through: [green-fw]
    symmetric: true
    project: blue
"""


async def _overlapping(front: Front, host: str = "n1") -> dict[str, Any]:
    """A chain of red's that would take answers which one of blue's has, of an operator's file."""
    front.conductor.apply(dict(parse(OVERLAPPING, "test").objects))
    network = id_of("network", "green-net")
    function = [
        (await front.make("port", "red", network_id=network, device_id="vm", **{"binding:host_id": host}))["id"]
        for _ in range(2)
    ]
    pair = (await front.make("port_pair", "red", ingress=function[0], egress=function[1]))["id"]
    group = (await front.make("port_pair_group", "red", port_pairs=[pair]))["id"]
    packets: dict[str, Any] = {"protocol": "udp", "logical_source_port": id_of("port", "green-in")}
    for side, number in (("source", 5), ("destination", 1000)):
        packets |= {f"{side}_port_range_min": number, f"{side}_port_range_max": number}
    classifier = (await front.make("flow_classifier", "red", **packets))["id"]
    return {"port_pair_groups": [group], "flow_classifiers": [classifier]}


async def _asked(front: Front, token: str, chain: dict[str, Any]) -> Said:
    owner = {} if token == "red" else {"project_id": "red"}
    return await front.ask("POST", at("port_chain"), {"port_chain": chain | owner}, token)


def test_the_conductors_refusal_names_no_chain_of_another_project(tmp_path: Path) -> None:
    async def scenario(front: Front) -> None:
        chain = await _overlapping(front)
        mine, theirs = await _asked(front, "red", chain), await _asked(front, "admin", chain)
        for said in (mine, theirs):
            assert (said.status, said.body["NeutronError"]["type"]) == (409, "SegueRefused"), said
        assert "green-way" in theirs.body["NeutronError"]["message"]
        assert WAY in mine.body["NeutronError"]["message"] and b"green" not in mine.data

    run(tmp_path / "data", scenario)


async def _reasons(front: Front, token: str, id: str) -> list[list[str]]:
    """As the chain itself has them, and a list of chains."""
    one = (await front.ask("GET", at("port_chain", id), None, token)).body["port_chain"]
    (listed,) = (await front.ask("GET", f"{at('port_chain')}?id={id}", None, token)).body["port_chains"]
    return [one["status_reason"], listed["status_reason"]]


def test_what_keeps_a_chain_from_being_built_is_not_named_either(tmp_path: Path) -> None:
    async def scenario(front: Front) -> None:
        chain = await _overlapping(front, "")
        made = (await _asked(front, "red", chain)).body["port_chain"]
        assert made["status"] == "DOWN" and len(made["status_reason"]) == 2, made
        ports = [one["id"] for one in front.neutron.state.all("port", "red") if one["device_id"] == "vm"]
        front.conductor.seen("n1", ports)
        await asyncio.sleep(0.01)
        for reasons in await _reasons(front, "admin", made["id"]):
            assert "chain 'green-way' match the same packets" in reasons[0]
        for reasons in await _reasons(front, "red", made["id"]):
            assert reasons == [f"chain {made['id']} (classifiers): {WAY}"]
        said = await front.ask("PUT", at("port_chain", made["id"]), {"port_chain": {"description": "d"}}, "red")
        assert said.status == 409 and WAY in said.body["NeutronError"]["message"] and b"green" not in said.data

    run(tmp_path / "data", scenario)


def test_what_a_switch_says_is_for_administrators(tmp_path: Path) -> None:
    async def scenario(front: Front) -> None:
        ids = await front.furnish("red")
        front.conductor.applied("n2", 0, {}, "no room for group 7 of chain green-way")
        (chain, *_) = ids["port_chain"]
        for reasons in await _reasons(front, "admin", chain):
            assert f"chain {chain}: node n2 cannot go on: no room for group 7 of chain green-way" in reasons
        for reasons in await _reasons(front, "red", chain):
            assert f"chain {chain}: node n2 cannot go on: {REFUSED}" in reasons
            assert "green-way" not in str(reasons)
        said = await front.ask("PUT", at("port_chain", chain), {"port_chain": {"description": "d"}}, "red")
        assert said.status == 200 and said.body["port_chain"]["status_reason"] and b"green-way" not in said.data

    run(tmp_path / "data", scenario)


def test_an_error_of_the_servers_own_names_nothing() -> None:
    refusals = SimpleNamespace(say=lambda *_: None)
    request = SimpleNamespace(scope={}, app=SimpleNamespace(state=SimpleNamespace(refusals=refusals)))
    made = answer(request, KeyError("chain", "green-way"))  # type: ignore[arg-type]
    assert (made.status_code, made.content.error) == (500, "the server failed: KeyError; its log says more")
