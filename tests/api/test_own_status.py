"""A project asks how its own chains are: state, reasons, paths and counters, and nothing of anybody else."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest
from api_server import Tokens
from service_api import Projects, projects

from segue.api.bodies import BranchBody, ChainStatus, CounterBody, PathBody
from segue.api.own_status import hidden
from segue.model.intent import Chain, Network, Node
from segue.neutron.caller import Caller
from segue.neutron.names import id_of
from segue.neutron.state import State

CHAINS = """
nodes: {far-away: 192.0.2.77}
networks: {yard: {project: green, cidr: 10.5.0.0/24}}
ports:
  red-far: {network: red-net, node: far-away, addresses: [10.0.0.12], project: red}
  blue-2: {network: blue-net, node: far-away, addresses: [10.1.0.11], project: blue}
  green: {network: yard, node: far-away, project: green}
instances:
  red-fw: {node: far-away, project: red}
  blue-fw: {node: n1, project: blue}
chains:
  red-way: {match: {from: red-1, protocol: tcp}, through: [red-fw], project: red, label: guarded}
  red-on: {match: {from: red-far, protocol: udp}, through: [red-fw], project: red}
  blue-way: {match: {from: blue-1, protocol: tcp}, through: [blue-fw], project: blue, label: guarded}
  blue-on: {match: {from: blue-2, protocol: udp}, through: [blue-fw], project: blue}
  green-way: {match: {from: green, protocol: tcp}, through: [red-fw], label: red-way, project: green}
graphs: {fork: {branch: {red-way: [red-on]}}}
"""


@pytest.fixture(scope="module")
def ask(tokens: Tokens, admin: str) -> Iterator[Projects]:
    with projects(tokens, admin) as made:
        answer = made.server.ask(
            "/v1/apply", "POST", CHAINS.encode(), X_Auth_Token=admin, Content_Type="application/yaml"
        )
        assert answer.status == 200, answer
        yield made


def status(ask: Projects, who: str, chain: str) -> Any:
    answer = ask(who, "GET", f"/v1/status?chain={chain}")
    assert answer.status == 200, answer
    return answer.body


@pytest.mark.parametrize("who", ["red", "red-reader"])
@pytest.mark.parametrize("word", ["red-way", id_of("chain", "red-way"), "guarded"])
def test_a_project_sees_its_own_chain(ask: Projects, who: str, word: str) -> None:
    told = status(ask, who, word)
    (chain,) = told["chains"]
    assert (chain["name"], chain["label"], chain["state"], chain["into"]) == (
        "red-way",
        "guarded",
        "preparing",
        ["red-on"],
    )
    assert chain["reasons"] == ["a node has no agent connected"]
    (path,) = chain["paths"]
    assert path["network"] == "red-net" and [one["chain"] for one in path["into"]] in ([], ["red-on"])
    (step,) = path["steps"]
    (hop,) = step["instances"]
    assert (hop["instance"], hop["node"]) == ("red-fw", "") and hop["proxy"].startswith("by ")
    assert told["nodes"] == [] and told["unread"] == []
    for secret in ("far-away", "n1", "192.0.2", "blue", "green"):
        assert secret not in json.dumps(told)


def test_an_administrator_sees_all_of_it(ask: Projects) -> None:
    told = status(ask, "admin", id_of("chain", "red-way"))
    (chain,) = told["chains"]
    assert [hop["node"] for hop in chain["paths"][0]["steps"][0]["instances"]] == ["far-away"]
    assert {node["name"] for node in told["nodes"]} == {"n1", "far-away"}
    assert [chain["name"] for chain in status(ask, "admin", "guarded")["chains"]] == ["blue-way", "red-way"]


@pytest.mark.parametrize("who", ["blue", "blue-reader"])
@pytest.mark.parametrize("word", ["red-way", id_of("chain", "red-way"), "red-on", "green-way", "nowhere", ""])
def test_a_foreign_chain_is_not_there(ask: Projects, who: str, word: str) -> None:
    answer = ask(who, "GET", f"/v1/status?chain={word}")
    assert answer.status == 404
    assert answer.body == {"error": f"there is no chain {word!r}; `segue get chains` lists those there are"}


def test_a_project_asks_for_a_chain_and_not_for_the_network(ask: Projects) -> None:
    for who in ("red", "red-reader"):
        for path in ("/v1/status", "/v1/status?count=false"):
            assert ask(who, "GET", path).status == 403
    assert ask("admin", "GET", "/v1/status").status == 200


def test_a_chain_that_lacks_something_is_there_too(ask: Projects) -> None:
    group = ask("red", "POST", "/v2.0/sfc/port_pair_groups", {"port_pair_group": {"name": "none"}}).body
    chain = {"name": "bare", "port_pair_groups": [group["port_pair_group"]["id"]]}
    made = ask("red", "POST", "/v2.0/sfc/port_chains", {"port_chain": chain}).body["port_chain"]
    for word in (made["id"], "bare"):
        (told,) = status(ask, "red", word)["chains"]
        assert (told["name"], told["label"], told["state"]) == (made["id"], "bare", "impaired")
        assert "it has no flow classifier" in told["reasons"]
        assert ask("blue", "GET", f"/v1/status?chain={word}").status == 404


class World:
    """What ``hidden`` asks of the conductor."""

    def __init__(self) -> None:
        objects = [
            Node(name="n1", address="192.0.2.1"),
            Network(name="theirs", project="blue"),
            Network(name="ours", project="red"),
            Chain(name="ours", classifiers=("c",), groups=("g",), project="red"),
            Chain(name="theirs", classifiers=("d",), groups=("g",), project="blue"),
        ]
        kinds = {Node: "node", Network: "network", Chain: "chain"}
        self.objects = {(kinds[type(one)], one.name): one for one in objects}
        self.declared = self
        self.errors = {"n1": "no room for a group of 192.0.2.9"}

    def knows(self, node: str) -> bool:
        return ("node", node) in self.objects


def test_counters_and_reasons_are_told_without_nodes() -> None:
    counters = [CounterBody("forward", "entered", "", 5, 500), CounterBody("forward", "g", "fw", 5, 500)]
    into = [BranchBody(7, "ours"), BranchBody(8, "theirs")]
    paths = [PathBody(3, "ours", "forward", "nsh", name, "active", [], into) for name in ("ours", "theirs")]
    reasons = [
        "node n1: no room for a group of 192.0.2.9",
        "node n1 cannot go on: no room for a group of 192.0.2.9",
        "port fw-in has no interface on node n1 (external_ids:iface-id=fw-in)",
        "node n1 has no tunnel to node n1 yet",
        "it goes by node n1.",
        "chain ours (encapsulation): node 'n1' has no mpls; there is no node 'n9'",
        "chain ours (classifiers): chain 'theirs' takes the same packets",
    ]
    theirs = {"project_id": "blue", "port_pair_groups": [], "flow_classifiers": []}
    state = State({("port_chain", id_of("chain", "theirs")): theirs})
    chain = ChainStatus("ours", "impaired", reasons, paths, counters, ["ours", "theirs"])
    told = hidden(chain, Caller("red"), World(), state)  # type: ignore[arg-type]
    assert told.counters == counters and told.state == "impaired"
    assert told.reasons == [
        "a switch refuses something; an administrator sees what",
        "port fw-in has no interface on a node (external_ids:iface-id=fw-in)",
        "a node has no tunnel to a node yet",
        "it goes by a node.",
        "chain ours (encapsulation): a node has no mpls; there is no node 'n9'",
        "chain ours (classifiers): something of another project is in the way",
    ]
    assert told.into == ["ours"]
    assert [(path.network, path.into) for path in told.paths] == [("ours", into[:1]), ("", into[:1])]
