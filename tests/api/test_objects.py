"""Objects as resources: put, preconditions, pages."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Iterator
from typing import Any

import pytest
from api_server import Answer, Running


class Client:
    def __init__(self, server: Running) -> None:
        self.server = server

    def put(self, ref: str, fields: Any, query: str = "", **headers: str) -> Answer:
        return self.server.ask(f"/v1/objects/{ref}{query}", "PUT", json.dumps(fields).encode(), **headers)

    def get(self, ref: str, **headers: str) -> Answer:
        return self.server.ask(f"/v1/objects/{ref}", **headers)

    def delete(self, ref: str, query: str = "", **headers: str) -> Answer:
        return self.server.ask(f"/v1/objects/{ref}{query}", "DELETE", **headers)


@pytest.fixture
def client(opened: Running) -> Iterator[Client]:
    """Nothing is declared, before and after."""
    made = Client(opened)
    yield made
    refs = [[kind, one["name"]] for kind, some in made.get("").body.items() for one in some]
    gone = opened.ask("/v1/delete", "POST", json.dumps({"refs": refs}).encode())
    assert gone.status == 200, gone


def test_a_put_makes_changes_and_repeats(client: Client) -> None:
    made = client.put("node/n1", {"address": "192.0.2.1"})
    assert (made.status, [c["what"] for c in made.body["changes"]]) == (201, ["add"])
    assert made.headers["location"] == "/v1/objects/node/n1"
    again = client.put("node/n1", {"address": "192.0.2.1"})
    assert (again.status, again.body["changes"], again.headers["etag"]) == (200, [], made.headers["etag"])
    changed = client.put("node/n1", {"address": "192.0.2.2"})
    assert (changed.status, [c["what"] for c in changed.body["changes"]]) == (200, ["change"])
    assert int(changed.headers["etag"].strip('"')) == int(made.headers["etag"].strip('"')) + 1
    assert client.get("node/n1").headers["etag"] == changed.headers["etag"]


def test_a_dry_run_changes_nothing(client: Client) -> None:
    tried = client.put("node/n1", {"address": "192.0.2.1"}, "?dry_run=true")
    assert (tried.status, len(tried.body["changes"])) == (200, 1)
    assert "etag" not in tried.headers
    assert client.get("node/n1").status == 404
    client.put("node/n1", {"address": "192.0.2.1"})
    assert client.delete("node/n1", "?dry_run=true").status == 200
    assert client.get("node/n1").status == 200


@pytest.mark.parametrize("text", ["null", "", "None"])
@pytest.mark.parametrize("path", ["objects/chain?limit=", "events?since=", "services/ips/flows?table="])
def test_a_number_in_a_query_is_no_null(client: Client, path: str, text: str) -> None:
    with contextlib.closing(client.server.connect()) as connection:
        connection.request("GET", f"/v1/{path}{text}")
        refused = connection.getresponse()
        assert refused.status == 400  # a stream of events would have no end to read
        name = path.partition("?")[2].removesuffix("=")
        assert json.loads(refused.read())["error"].startswith(f"{name}: ")


def test_what_was_got_can_be_put(client: Client) -> None:
    client.put("node/n1", {"address": "192.0.2.1"})
    client.put("network/web", {"cidr": "10.0.0.0/24", "gateway": "10.0.0.1"})
    client.put("port/client", {"network": "web", "node": "n1", "address": "10.0.0.10"})
    client.put("instance/ids", {"node": "n1"})
    client.put("chain/loud", {"match": {"from": "client", "protocol": "tcp"}, "through": ["ids"]})
    before = client.get("").body
    for kind, some in before.items():
        for one in some:
            answer = client.put(f"{kind}/{one['name']}", one)
            assert (answer.status, answer.body["changes"]) == (200, []), answer
    assert client.get("").body == before
    assert sum(map(len, before.values())) > 6


def test_what_is_declared_inside_is_replaced_and_deleted_with_it(client: Client) -> None:
    client.put("network/web", {"subnets": ["10.0.0.0/24", "10.0.1.0/24"]})
    assert [one["cidr"] for one in client.get("subnet").body] == ["10.0.0.0/24", "10.0.1.0/24"]
    client.put("network/web", {"label": "kept"})
    assert len(client.get("subnet").body) == 2
    client.put("network/web", {"cidr": "10.0.2.0/24"})
    assert [one["cidr"] for one in client.get("subnet").body] == ["10.0.2.0/24"]
    assert client.delete("network/web").status == 200
    assert client.get("subnet").body == []


def test_only_one_of_two_changes_is_made(client: Client) -> None:
    tag = client.put("node/n1", {"address": "192.0.2.1"}).headers["etag"]
    assert client.put("node/n1", {"address": "192.0.2.2"}, If_Match=tag).status == 200
    lost = client.put("node/n1", {"address": "192.0.2.3"}, If_Match=tag)
    assert lost.status == 412
    assert client.get("node/n1").headers["etag"] in lost.body["error"]
    assert client.get("node/n1").body["address"] == "192.0.2.2"
    assert client.delete("node/n1", If_Match=tag).status == 412
    assert client.delete("node/n1", If_Match=f'"0", {client.get("node/n1").headers["etag"]}').status == 200


@pytest.mark.parametrize(
    ("there", "header", "value", "status"),
    [
        (True, "If-None-Match", "*", 412),
        (False, "If-None-Match", "*", 201),
        (True, "If-Match", "*", 200),
        (False, "If-Match", "*", 412),
        (False, "If-Match", '"1"', 412),
        (True, "If-Match", "nonsense", 412),
        (True, "If-None-Match", "nonsense", 200),
    ],
)
def test_preconditions(client: Client, there: bool, header: str, value: str, status: int) -> None:
    if there:
        client.put("node/n1", {"address": "192.0.2.1"})
    assert client.put("node/n1", {"address": "192.0.2.1"}, **{header: value}).status == status


def test_a_weak_tag_is_good_for_reading_only(client: Client) -> None:
    tag = client.put("node/n1", {"address": "192.0.2.1"}).headers["etag"]
    assert client.get("node/n1", If_None_Match=f"W/{tag}").status == 304
    assert client.get("node/n1", If_None_Match='"0"').status == 200
    assert client.put("node/n1", {"address": "192.0.2.2"}, If_Match=f"W/{tag}").status == 412


def test_pages_are_followed_to_the_end(client: Client) -> None:
    for number in range(5):
        client.put(f"node/n{number}", {"address": f"192.0.2.{number}"})
    path, names = "node?limit=2", []
    while path:
        answer = client.get(path)
        names += [one["name"] for one in answer.body]
        path = answer.headers.get("link", "").partition("objects/")[2].partition(">")[0]
    assert names == ["n0", "n1", "n2", "n3", "n4"]
    assert len(client.get("node").body) == 5


@pytest.mark.parametrize(
    ("ref", "body", "status", "said"),
    [
        ("node/n1", b"{", 400, "no JSON"),
        ("node/n1", b"[]", 400, "JSON object"),
        ("node/n1", b'{"address": "192.0.2.1", "name": "n2"}', 400, "not that of the path"),
        ("node/n1", b'{"address": "\xff"}', 400, "no JSON"),
        ("node/n1", b'{"addres": "192.0.2.1"}', 400, 'there is no field "addres"'),
        ("node/%20", b'{"address": "192.0.2.1"}', 400, "name"),
        ("colour/red", b"{}", 404, "there is no kind"),
        ("subnet/s", b'{"network": "nope", "cidr": "10.0.0.0/24"}', 409, "there is no network"),
        ("node/n1", b"[" * 5000, 400, ""),
        ("node/n1", b'{"address": ' + b"[" * 500 + b"]" * 500 + b"}", 400, ""),
        ("node/n1?wait=601", b'{"address": "192.0.2.1"}', 400, ""),
    ],
)
def test_what_is_wrong_is_refused_in_words(client: Client, ref: str, body: bytes, status: int, said: str) -> None:
    answer = client.server.ask(f"/v1/objects/{ref}", "PUT", body)
    assert (answer.status, said in answer.body["error"]) == (status, True), answer
    assert client.get("node").body == []


def test_what_others_refer_to_is_not_deleted(client: Client) -> None:
    client.put("network/web", {})
    client.put("subnet/s", {"network": "web", "cidr": "10.0.0.0/24"})
    assert client.delete("network/web").status == 409
    assert client.delete("network/nope").status == 404


@pytest.mark.parametrize(
    ("path", "allowed"),
    [
        ("objects/node", {"GET"}),
        ("objects/node/n1", {"GET", "PUT", "DELETE"}),
        ("apply", {"POST"}),
        ("events", {"GET"}),
    ],
)
def test_a_method_that_there_is_not_is_told_which_there_are(client: Client, path: str, allowed: set[str]) -> None:
    refused = client.server.ask(f"/v1/{path}", "PATCH", b"{}")
    assert refused.status == 405
    assert set(refused.headers["allow"].split(", ")) == allowed | {"OPTIONS"}


@pytest.mark.parametrize("body", [b'{"refs": [["node", "n\xb2"]]}', b'"\xa8"', b"\xff\xfe{\x00}\x00"])
def test_a_body_that_is_no_utf_8_is_refused(client: Client, body: bytes) -> None:
    for path in ("/v1/delete", "/v1/delete-file", "/v1/apply"):
        assert client.server.ask(path, "POST", body).status == 400


def test_all_objects_are_in_the_order_of_names(client: Client) -> None:
    for name in ("b", "c", "a"):
        client.put(f"network/{name}", {})
    assert [one["name"] for one in client.get("").body["network"]] == ["a", "b", "c"]
    assert [one["name"] for one in client.get("network").body] == ["a", "b", "c"]
