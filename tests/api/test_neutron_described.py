"""The networking API does what its OpenAPI description says, whatever it is asked; judged by schemathesis."""

from __future__ import annotations

import random
import uuid
from collections.abc import Iterator
from itertools import count
from typing import Any

import msgspec
import pytest
import requests
from api_server import Running, running
from described import CHECKS, MODES, NEGATIVE, ask_many, operations, wrong_as_sent
from jsonschema import Draft202012Validator
from neutron_asgi import at
from neutron_fuzz import LEAVES, Fuzz

from segue.api.neutron_openapi import description
from segue.neutron.attributes import KINDS
from segue.neutron.errors import Fault
from segue.neutron.schema import kept, taken
from segue.neutron.shape import Rejected

OPERATIONS = operations(description())
EXAMPLES = 6
"""Of each operation, good and bad each."""
REFERS = {"ingress": "port", "egress": "port", "logical_source_port": "port", "logical_destination_port": "port"}
NATIVE = b"""
nodes: [n1]
networks: {office: {cidr: 10.9.0.0/24, gateway: 10.9.0.1}, lab: {cidr: 2001:db8::/64, gateway: 2001:db8::1}}
ports: {desk: {network: office, node: n1, address: 10.9.0.10}, door: {network: office, node: n1, address: 10.9.0.11}}
instances: {box: n1}
classifiers: {both: {source_port: desk, destination_port: door}}
chains: {plain: {match: {from: door, to: desk, protocol: icmp}, through: [box]}}
routers: {way: [office, lab]}
"""


@pytest.fixture(scope="module")
def live() -> Iterator[Running]:
    with running() as server:
        yield server


class World:
    """Objects that are there, so that requests find some."""

    def __init__(self, server: Running) -> None:
        self.server, self.rng = server, random.Random(6)

    def ids(self, kind: str) -> list[str]:
        return [one["id"] for one in self.server.ask(at(kind) + "?fields=id").body[KINDS[kind].plural]]

    def make(self, kind: str, **values: Any) -> str:
        answer = self.server.ask(at(kind), "POST", msgspec.json.encode({kind: values}))
        assert answer.status == 201, answer
        return str(answer.body[kind]["id"])

    def furnish(self) -> None:
        """One of each kind at least, declared ones as well, and of chains no others."""
        for kind in ("service_graph", "port_chain"):
            for id in self.ids(kind):
                assert self.server.ask(at(kind, id), "DELETE").status == 204
        assert self.server.ask("/v1/apply", "POST", NATIVE).status == 200
        quota = msgspec.json.encode({"quota": dict.fromkeys(KINDS, -1)})
        assert self.server.ask("/v2.0/quotas/admin", "PUT", quota).status == 200
        network = self.make("network")
        subnet = self.make("subnet", network_id=network, cidr="10.0.0.0/24", ip_version=4)
        ports = [self.make("port", network_id=network, device_id="vm", tags=["x"]) for _ in range(4)]
        router = self.make("router")
        body = msgspec.json.encode({"subnet_id": subnet})
        assert self.server.ask(at("router", f"{router}/add_router_interface"), "PUT", body).status == 200
        aware = {"correlation": "nsh"}
        pairs = [
            self.make("port_pair", ingress=i, egress=ports[0], service_function_parameters=aware) for i in ports[:2]
        ]
        groups = [self.make("port_pair_group", port_pairs=[pair]) for pair in pairs]
        classifiers = [self.make("flow_classifier", logical_source_port=port, protocol="tcp") for port in ports[2:]]
        chains = [
            self.make("port_chain", port_pair_groups=[group], flow_classifiers=some, chain_parameters=aware)
            for group, some in zip(groups, (classifiers[:1], []), strict=True)
        ]
        self.make("service_graph", port_chains={chains[0]: chains[1:]})
        self.there = {kind: self.ids(kind) for kind in KINDS}

    def settle(self, name: str, value: Any) -> Any:
        """What is generated, with ids of objects that are there in place of every other id."""
        kind = REFERS.get(name, name.removesuffix("s").removesuffix("_id"))
        if isinstance(value, dict):
            return {
                (self._id(key, name) if name == "port_chains" else key): self.settle(
                    name if name == "port_chains" else key, inner
                )
                for key, inner in value.items()
            }
        if isinstance(value, list):
            return [self.settle(name, inner) for inner in value]
        return self._id(value, kind if kind in KINDS else name)

    def _id(self, value: Any, name: str) -> Any:
        kind = name.removesuffix("s").removesuffix("_id")
        if not isinstance(value, str) or kind not in KINDS or self.rng.random() < 0.3 or not self.there[kind]:
            return value
        try:
            uuid.UUID(value)
        except ValueError:
            return value
        return self.rng.choice(self.there[kind])


@pytest.fixture
def world(live: Running) -> World:
    made = World(live)
    made.furnish()
    return made


@pytest.mark.slow
@pytest.mark.parametrize("mode", MODES, ids=lambda mode: mode.value)
@pytest.mark.parametrize("name", OPERATIONS)
def test_every_answer_is_as_described(world: World, name: str, mode: Any) -> None:
    operation = OPERATIONS[name]
    bad = mode is NEGATIVE
    if bad and not (operation.query or operation.body):
        return  # any text is a path
    kind = next((kind for kind in KINDS.values() if operation.path.startswith(f"{at(kind)}/{{id}}")), None)
    turn = count(1)

    def ask(case: Any) -> None:
        if kind is not None and not bad and next(turn) % 3:
            case.path_parameters["id"] = world.rng.choice(world.there[kind.name])
        if not bad and case.body:
            case.body = world.settle("", case.body)
        case.call_and_validate(base_url=world.server.url, checks=CHECKS, timeout=20)

    assert ask_many(operation, mode, EXAMPLES, ask)
    assert "Traceback" not in world.server.log()


@pytest.mark.parametrize(
    ("name", "query", "right"),
    [
        ("listPortPairs", "name=5&page_reverse=", True),
        ("listPortPairs", "fields=&fields=id&colour=red", True),
        ("listPortPairs", "limit=-1", False),
        ("listPortPairs", "limit=1&name=x&limit=1", False),
        ("listPortPairs", "page_reverse=%5B%5D", False),
        ("listNetworks", "admin_state_up=true&admin_state_up=5", False),
        ("createNetwork", '{"network": {"name": "5"}}', True),
        ("createNetwork", '{"network": {"name": 5}}', False),
        ("createNetwork", '{"network": {"mtu": NaN}}', False),
        ("createNetwork", "", False),
    ],
)
def test_a_request_is_judged_as_it_was_sent(name: str, query: str, right: bool) -> None:
    made = requests.Request("POST", f"http://x{OPERATIONS[name].path}", headers={"Content-Type": "application/json"})
    if name == "createNetwork":
        made.data = query
    else:
        made.url += f"?{query}"
    assert (not wrong_as_sent(OPERATIONS[name], made.prepare())) is right


@pytest.mark.slow
def test_a_method_that_there_is_not_is_answered_as_described(live: Running) -> None:
    for path, item in description()["paths"].items():
        there = {method.upper() for method in item if method != "parameters"}
        for method in {"GET", "POST", "PUT", "DELETE", "PATCH"} - there:
            answer = live.ask(path.format(alias="sfc", project="red", id="x", tag="x"), method)
            allowed = set(answer.headers["allow"].split(", "))
            assert (answer.status, allowed) == (405, there | ({"HEAD"} if "GET" in there else set())), (path, method)


def test_what_is_there_is_shown_as_described(live: Running, world: World) -> None:
    parts = description()["components"]["schemas"]
    for kind in KINDS.values():
        one = Draft202012Validator(parts["".join(word.capitalize() for word in kind.name.split("_"))])
        listed = live.ask(at(kind)).body[kind.plural]
        assert len(listed) > (kind.name != "service_graph")
        for each in listed:
            one.validate(each)
            assert live.ask(at(kind, each["id"])).body.keys() == {kind.name}


def test_the_description_is_served(live: Running) -> None:
    assert live.ask("/v2.0/openapi.json").body == description()


def test_what_a_converter_takes_and_keeps_is_what_it_says() -> None:
    fuzz = Fuzz(random.Random(7), {}, {})
    values = [value for value in LEAVES if not str(value).startswith("\0raw")]
    passed = 0
    for kind in KINDS.values():
        for attribute in kind.attributes:
            asked = Draft202012Validator(taken(attribute.convert))
            shown = Draft202012Validator(kept(attribute.convert), format_checker=Draft202012Validator.FORMAT_CHECKER)
            usual = fuzz.values(kind, "POST").get(attribute.name)
            for value in [*values, usual, *(fuzz.leaf(attribute.name) for _ in range(100))]:
                try:
                    found = attribute.convert(value)
                except (Fault, Rejected):
                    continue
                asked.validate(value)
                shown.validate(found)
                passed += 1
    assert passed > 1000
