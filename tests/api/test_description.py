"""The OpenAPI description says what is there: routes, parameters, schemas, names."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import jsonschema
import msgspec
import pytest
from api_server import Running
from litestar.handlers import HTTPRouteHandler
from litestar.routes import HTTPRoute

from segue.api.app import application
from segue.api.description import EXAMPLES, INTENT, description
from segue.intent import parse
from segue.intent.problems import PLURALS
from segue.model.intent import KINDS
from segue.server.service import Service
from segue.store.sqlite import SqliteStore

pytestmark = pytest.mark.filterwarnings("ignore:.*(inferred style|body marker)")
SAID = description()
INJECTED = {"self", "state", "request", "data"}
"""Of a handler's parameters: what is none of the request's."""


@pytest.fixture(scope="module")
def handlers(tmp_path_factory: pytest.TempPathFactory) -> dict[tuple[str, str], HTTPRouteHandler]:
    """Of the native API, by path and method."""
    store = SqliteStore(tmp_path_factory.mktemp("store"))
    app = application(Service(store, 0.0))
    store.close()
    return {
        (re.sub(r":\w+}", "}", route.path_format), method): handler
        for route in app.routes
        if isinstance(route, HTTPRoute) and route.path.startswith("/v1/")
        for handler in route.route_handlers
        for method in handler.http_methods - {"OPTIONS"}
    }


def operations() -> Iterator[tuple[str, str, dict[str, Any], list[Any]]]:
    for path, item in SAID["paths"].items():
        for method, operation in item.items():
            if method != "parameters":
                yield path, method, operation, [*item.get("parameters", ()), *operation.get("parameters", ())]


def _template(path: str) -> str:
    return re.sub(rf"/objects/({'|'.join(KINDS)})\b", "/objects/{kind}", path)


def test_it_names_the_routes_that_there_are(handlers: dict[tuple[str, str], HTTPRouteHandler]) -> None:
    assert {(_template(path), method.upper()) for path, method, _, _ in operations()} == set(handlers)


def test_it_names_the_query_parameters_that_there_are(handlers: dict[tuple[str, str], HTTPRouteHandler]) -> None:
    for path, method, operation, parameters in operations():
        taken = handlers[_template(path), method.upper()].parsed_fn_signature.parameters.keys() - INJECTED
        in_path = set(re.findall(r"{(\w+)}", _template(path)))
        said = {one["name"] for one in parameters if one["in"] == "query"}
        assert said == taken - in_path, operation["operationId"]


def test_every_operation_has_a_name_of_its_own() -> None:
    names = [operation["operationId"] for _, _, operation, _ in operations()]
    assert len(set(names)) == len(names) == 10 + 13 + 4 * len(KINDS)
    assert {"putChain", "getChain", "listChains", "deleteChain", "followEvents"} <= set(names)


def test_every_operation_says_how_it_is_refused() -> None:
    for _, method, operation, _ in operations():
        assert {"400", "401", "403", "429", "503"} <= operation["responses"].keys()
        if method in ("put", "delete") or operation["operationId"] == "apply":
            assert "409" in operation["responses"]


def test_every_reference_leads_somewhere() -> None:
    found = set(re.findall(r'"\$ref":"#/components/(\w+)/(\w+)"', msgspec.json.encode(SAID).decode()))
    assert len(found) > 40
    for room, name in found:
        assert name in SAID["components"][room]
    used = {name for room, name in found if room == "schemas"}
    assert SAID["components"]["schemas"].keys() - used == {"EventBody", "ListedBody", "ResetBody"}


def test_every_schema_is_one() -> None:
    for schema in SAID["components"]["schemas"].values():
        jsonschema.Draft202012Validator.check_schema(schema)


@pytest.mark.parametrize("kind", KINDS)
def test_examples_are_as_described_and_taken(kind: str) -> None:
    plural = next(plural for plural, one in PLURALS.items() if one == kind)
    schema = {"$ref": f"#/components/schemas/{KINDS[kind].__name__}Fields", "components": SAID["components"]}
    jsonschema.validate(EXAMPLES[kind], schema)
    assert parse(msgspec.json.encode({plural: {"x": EXAMPLES[kind]}}), "example").objects
    assert parse(INTENT, "example").objects


def test_a_server_gives_what_is_committed(opened: Running) -> None:
    answer = opened.ask("/v1/openapi.json")
    assert answer.headers["content-type"] == "application/json"
    written = (Path(__file__).parents[2] / "docs" / "openapi.json").read_bytes()
    assert answer.body == msgspec.json.decode(written)
