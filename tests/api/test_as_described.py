"""A live server does what its OpenAPI description says, whatever it is asked; judged by schemathesis."""

from __future__ import annotations

import contextlib
import math
import os
from collections.abc import Iterator
from typing import Any

import pytest
import schemathesis
from api_server import Running, running
from hypothesis import HealthCheck, Phase, given, settings
from schemathesis.checks import not_a_server_error
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
    status_code_conformance,
)

from segue.api.description import description
from segue.model.intent import KINDS

SCHEMA = schemathesis.openapi.from_dict(description())
OPERATIONS = {found.ok().definition.raw["operationId"]: found.ok() for found in SCHEMA.get_all_operations()}
CHECKS = [
    not_a_server_error,
    status_code_conformance,
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
]
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
"""
EXAMPLES = int(os.environ.get("SEGUE_EXAMPLES", "12"))
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
@pytest.mark.parametrize("mode", list(schemathesis.GenerationMode), ids=lambda mode: mode.value)
@pytest.mark.parametrize("name", OPERATIONS)
def test_every_answer_is_as_described(live: Running, name: str, mode: schemathesis.GenerationMode) -> None:
    operation = OPERATIONS[name]
    bad = mode is schemathesis.GenerationMode.NEGATIVE
    if bad and not (operation.query or operation.path_parameters or operation.body or operation.headers):
        return  # there is nothing in it that could be bad
    asked = 0

    @settings(
        max_examples=EXAMPLES,
        derandomize=True,
        database=None,
        deadline=None,
        suppress_health_check=list(HealthCheck),
        phases=(Phase.explicit, Phase.generate),
    )
    @given(case=operation.as_strategy(generation_mode=mode))
    def ask(case: Any) -> None:
        nonlocal asked
        asked += 1
        _at_once(case.query)
        if name == "followEvents":
            _begun(case, live)
        else:
            case.call_and_validate(base_url=live.url, checks=CHECKS, timeout=20)

    ask()
    assert asked
    assert "Traceback" not in live.log()


@pytest.mark.slow
def test_what_is_there_is_answered_as_described(opened: Running) -> None:
    """Generated names are seldom those of objects; here every object is read, put, and deleted."""

    def ask(name: str, status: int, **parts: Any) -> Any:
        checks = [check for check in CHECKS if status < 500 or check is not not_a_server_error]
        answer = OPERATIONS[name].Case(**parts).call_and_validate(base_url=opened.url, checks=checks, timeout=20)
        assert answer.status_code == status, (name, parts, answer.text)
        return answer.json()

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
    for kind in reversed(found):
        for one in found[kind]:
            if "owner" not in one:
                ask(f"delete{KINDS[kind].__name__}", 200, path_parameters={"name": one["name"]})
                ask(f"delete{KINDS[kind].__name__}", 404, path_parameters={"name": one["name"]})
    assert not any(ask("listAll", 200).values())


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
