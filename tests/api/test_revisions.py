"""What is called a revision is the store's, wherever the API says one; what nodes hold is told by other numbers."""

from __future__ import annotations

import json
import time
from typing import Any

from api_server import Running
from websockets.sync.client import connect

from segue.model.protocol import PROTOCOL


def put(server: Running, path: str, body: dict[str, Any]) -> tuple[int, int]:
    """(the revision that the answer gives, the one in the entity tag)"""
    answer = server.ask(f"/v1/objects/{path}", "PUT", json.dumps(body).encode())
    assert answer.status in (200, 201), answer
    return answer.body["revision"], int(answer.headers["etag"].strip('"'))


def status(server: Running) -> dict[str, Any]:
    found: dict[str, Any] = server.ask("/v1/status").body
    return found


def listed(server: Running) -> int:
    """The revision as of which events list what there is."""
    connection = server.connect()
    connection.request("GET", "/v1/events?kind=network")
    answer = connection.getresponse()
    try:
        while True:
            if answer.readline() == b"event: listed\n":
                return int(json.loads(answer.readline().removeprefix(b"data: "))["revision"])
    finally:
        connection.close()


def test_answers_entity_tags_and_events_agree(opened: Running) -> None:
    for name in ("a", "b"):
        revision, tag = put(opened, f"network/{name}", {})
        assert revision == tag == status(opened)["revision"] == listed(opened)
    again, tag = put(opened, "network/a", {})  # nothing changes
    assert (again, tag) == (revision, revision - 1)
    asked = opened.ask("/v1/objects/network/c?dry_run=true", "PUT", b"{}")
    assert asked.body["revision"] == revision
    refs = json.dumps({"refs": [["network", "a"], ["network", "b"]]}).encode()
    gone = opened.ask("/v1/delete", "POST", refs, Content_Type="application/json")
    assert gone.body["revision"] == revision + 1 == listed(opened)


def test_a_node_holds_what_it_was_told(opened: Running) -> None:
    put(opened, "node/n1", {"address": "192.0.2.1"})

    def node() -> dict[str, Any]:
        (found,) = status(opened)["nodes"]
        assert "revision" not in found
        return dict(found)

    try:
        with connect(f"ws://{opened.address[0]}:{opened.address[1]}/v1/agent") as agent:
            agent.send(json.dumps({"type": "register", "node": "n1", "protocol": PROTOCOL, "version": "x"}).encode())
            whole = json.loads(agent.recv(10))
            before = node()
            assert (before["state"], before["holds"]) == ("behind", 0) and before["told"] > 0
            applied = {"type": "applied", "epoch": whole["epoch"], "revision": whole["revision"]}
            agent.send(json.dumps(applied).encode())
            until = time.monotonic() + 10
            while node()["state"] != "ready" and time.monotonic() < until:
                time.sleep(0.05)
            assert node()["holds"] == node()["told"] == before["told"]
    finally:
        opened.ask("/v1/objects/node/n1", "DELETE")
