"""A live server does what its OpenAPI description says, whatever it is asked; judged by schemathesis."""

from __future__ import annotations

import contextlib
import math
from collections.abc import Iterator
from typing import Any

import pytest
from api_server import Running, running
from described import CHECKS, MODES, NEGATIVE, ask_many, operations
from schemathesis.checks import not_a_server_error

from segue.api.description import description
from segue.model.intent import KINDS

OPERATIONS = operations(description())
INTENT = """
nodes: {n1: 192.0.2.1}
networks: {web: {cidr: 10.0.0.0/24, gateway: 10.0.0.1}, lan: {cidr: 10.0.1.0/24, gateway: 10.0.1.1}}
routers: {r: {subnets: [web, lan], routes: [{destination: 0.0.0.0/0, via: 10.0.0.9}]}}
ports:
  client: {network: web, node: n1, address: 10.0.0.10, allowed: [10.0.9.0/24]}
instances: {ids: n1}
groups: {some: [ids]}
chains:
  loud: {match: {from: client, protocol: tcp, destination_ports: 80-90}, through: [some], symmetric: true}
services:
  ips: {hook: ingress, attach: [port/client], permissions: {drop: true}}
"""
EXAMPLES = 12
"""Of each operation, good and bad each."""


@pytest.fixture(scope="module")
def live() -> Iterator[Running]:
    with running() as server:
        yield server


def test_every_operation_is_tried() -> None:
    names = {
        operation["operationId"]
        for item in description()["paths"].values()
        for method, operation in item.items()
        if method != "parameters"
    }
    assert OPERATIONS.keys() == names


@pytest.mark.slow
@pytest.mark.parametrize("mode", MODES, ids=lambda mode: mode.value)
@pytest.mark.parametrize("name", OPERATIONS)
def test_every_answer_is_as_described(live: Running, name: str, mode: Any) -> None:
    operation = OPERATIONS[name]
    if mode is NEGATIVE and not (operation.query or operation.path_parameters or operation.body or operation.headers):
        return  # there is nothing in it that could be bad

    def ask(case: Any) -> None:
        _at_once(case.query)
        if name in ("followEvents", "followPacketIns"):
            _begun(case, live)
        else:
            case.call_and_validate(base_url=live.url, checks=CHECKS, timeout=20)

    assert ask_many(operation, mode, EXAMPLES, ask)
    assert "Traceback" not in live.log()


@pytest.mark.slow
def test_what_is_there_is_answered_as_described(opened: Running) -> None:
    """Generated names are seldom those of objects; here every object is read, put, and deleted."""

    def ask(name: str, status: int, **parts: Any) -> Any:
        checks = [check for check in CHECKS if status < 500 or check is not not_a_server_error]
        answer = OPERATIONS[name].Case(**parts).call_and_validate(base_url=opened.url, checks=checks, timeout=20)
        assert answer.status_code == status, (name, parts, answer.text)
        return answer.json() if answer.content else None

    ask("apply", 200, body=INTENT.encode(), media_type="application/yaml")
    found = ask("listAll", 200)
    assert sum(bool(some) for some in found.values()) >= 9
    for kind, some in found.items():
        struct = KINDS[kind].__name__
        for one in some:
            path = {"name": one["name"]}
            assert ask(f"get{struct}", 200, path_parameters=path) == one
            assert ask(f"put{struct}", 200, path_parameters=path, body=one)["changes"] == []
            tag = {"If-None-Match": "*"}
            ask(f"put{struct}", 412, path_parameters=path, body=one, headers=tag)
        if some:
            assert len(ask(f"list{struct}s", 200, query={"limit": 1})) == 1
    assert len(ask("getStatus", 200)["chains"]) == 1
    ask("getFlows", 503, path_parameters={"node": "n1"})
    _a_service(ask)
    for kind in reversed(found):
        for one in found[kind]:
            if "owner" not in one:
                ask(f"delete{KINDS[kind].__name__}", 200, path_parameters={"name": one["name"]})
                ask(f"delete{KINDS[kind].__name__}", 404, path_parameters={"name": one["name"]})
    assert not any(ask("listAll", 200).values())


def _a_service(ask: Any) -> None:
    path: dict[str, Any] = {"name": "ips"}
    assert [one["name"] for one in ask("listInjected", 200)] == ["ips"]
    ask("registerService", 409, body={"name": "ips", "hook": "egress"})
    ask("registerService", 201, body={"name": "dpi", "hook": "egress", "attach": ["network/web"]})
    ask("attachService", 200, path_parameters={"name": "dpi"}, body={"attach": []})
    ask("deregisterService", 204, path_parameters={"name": "dpi"})
    ask("makeServiceToken", 201, path_parameters=path, body={"expires_in": 60})
    told = ask("connectController", 200, path_parameters=path, body={"target": "ptcp:0"})
    assert told["controller"]["target"] == "ptcp:0:127.0.0.1" and told["token"]["state"] == "valid"
    ask("disconnectController", 204, path_parameters=path)
    flows = [{"priority": 1, "match": {"eth_type": 0x800}}, {"priority": 2, "match": {"eth_src": "02:00:00:00:00:01"}}]
    put = ask("putServiceTable", 200, path_parameters={**path, "table": 3}, body={"flows": flows}, query={"wait": 0})
    assert [one["priority"] for one in put["flows"]] == [2, 1]
    there = ask("getServiceFlows", 200, path_parameters=path, query={"table": 3})["flows"]
    assert [{**one, "duration": 0} for one in there] == [{**one, "duration": 0} for one in put["flows"]]
    message = {"type": "OFPT_FLOW_MOD", "command": "OFPFC_DELETE", "table_id": "OFPTT_ALL"}
    ask("sendServiceMessages", 200, path_parameters=path, body={"messages": [message]}, query={"wait": 0})
    assert ask("getServiceFlows", 200, path_parameters=path)["flows"] == []
    ask("sendServiceMessages", 409, path_parameters=path, body={"messages": [{"type": "OFPT_HELLO"}]})
    told = ask("revokeServiceToken", 202, path_parameters=path, query={"wait": 0})
    assert told["waiting"] == ["node n1 has no agent connected"]
    assert ask("getInjected", 200, path_parameters=path)["token"]["state"] == "revoked"


def _at_once(query: dict[str, Any] | None) -> None:
    """Nothing is to be waited for long: no agent is there, so it would be in vain."""
    with contextlib.suppress(TypeError, ValueError, KeyError):
        if query and math.isfinite(wait := float(query["wait"])) and 0 < wait <= 600:
            query["wait"] = 0.01


def _begun(case: Any, live: Running) -> None:
    """Of an answer without end the beginning is judged."""
    import requests

    sent = case.as_transport_kwargs(base_url=live.url)
    with requests.request(**sent, stream=True, timeout=20) as answer:
        assert str(answer.status_code) in case.operation.definition.raw["responses"]
        assert answer.status_code < 500
        stream = answer.headers["content-type"] == "text/event-stream"
        assert stream == (answer.status_code == 200)
