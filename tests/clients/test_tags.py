"""Tags by HTTP, with the statuses that Neutron gives."""

from __future__ import annotations

import json
from typing import Any
from urllib.error import HTTPError
from urllib.request import Request, urlopen

import pytest

from clients import ask, serving


@pytest.fixture
def network(server: str, nothing_left: None) -> str:
    made: str = ask(server, "POST", "networks", {"network": {"name": "web"}})["network"]["id"]
    return f"{server}/v2.0/networks/{made}"


def status(method: str, url: str, body: Any = None) -> tuple[int, Any]:
    data = None if body is None else json.dumps(body).encode()
    try:
        with urlopen(Request(url, data, method=method), timeout=20) as answer:
            text = answer.read()
            return answer.status, json.loads(text) if text else None
    except HTTPError as error:
        with error:
            return error.code, json.loads(error.read())["NeutronError"]["type"]


def test_all_tags_at_once(network: str) -> None:
    assert status("GET", f"{network}/tags") == (200, {"tags": []})
    assert status("PUT", f"{network}/tags", {"tags": ["red", "blue"]}) == (200, {"tags": ["red", "blue"]})
    assert status("POST", f"{network}/tags", {"tags": ["red", "green"]}) == (200, {"tags": ["red", "blue", "green"]})
    assert status("GET", network)[1]["network"]["tags"] == ["red", "blue", "green"]
    assert status("DELETE", f"{network}/tags") == (204, None)
    assert status("GET", f"{network}/tags") == (200, {"tags": []})


def test_one_tag_at_a_time(network: str) -> None:
    assert status("GET", f"{network}/tags/red") == (404, "TagNotFound")
    for _ in range(2):
        assert status("PUT", f"{network}/tags/red") == (201, None)
    assert status("PUT", f"{network}/tags/a%20b") == (201, None)
    assert status("GET", f"{network}/tags/red") == (204, None)
    assert status("GET", f"{network}/tags") == (200, {"tags": ["red", "a b"]})
    assert status("DELETE", f"{network}/tags/red") == (204, None)
    assert status("DELETE", f"{network}/tags/red") == (404, "TagNotFound")


@pytest.mark.parametrize(
    "body", [{}, {"tags": "red"}, {"tags": [1]}, {"tags": ["x" * 256]}, {"tags": None}, [], "red", 7]
)
def test_what_is_no_list_of_tags_is_refused(network: str, body: Any) -> None:
    for method in ("PUT", "POST"):
        assert status(method, f"{network}/tags", body) == (400, "HTTPBadRequest")
    assert status("PUT", f"{network}/tags/{'x' * 256}") == (400, "HTTPBadRequest")


def test_only_what_is_there_and_takes_tags_has_them(server: str, network: str) -> None:
    missing = f"{server}/v2.0/networks/00000000-0000-4000-8000-000000000000/tags"
    assert status("GET", missing) == status("PUT", missing, {"tags": []}) == (404, "NetworkNotFound")
    assert status("GET", f"{server}/v2.0/sfc/port_chains/x/tags")[0] == 404
    assert status("PATCH", f"{network}/tags")[0] == 405
    assert status("GET", f"{network}/tags/a/b")[0] == 404


def test_tags_are_kept(tmp_path_factory: pytest.TempPathFactory) -> None:
    directory = str(tmp_path_factory.mktemp("kept"))
    with serving("--data", directory) as url:
        id = ask(url, "POST", "networks", {"network": {"tags": ["a"]}})["network"]["id"]
        assert status("PUT", f"{url}/v2.0/networks/{id}/tags/b") == (201, None)
    with serving("--data", directory) as url:
        assert ask(url, "GET", f"networks/{id}")["network"]["tags"] == ["a", "b"]
