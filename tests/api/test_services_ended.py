"""Nothing is taken by a token that has ended: revoked, replaced, expired; however late what was sent by it comes."""

from __future__ import annotations

import json
import socket
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from api_server import Tokens
from service_api import FLOWS, Projects, projects, until

ADD = {"type": "OFPT_FLOW_MOD", "command": "OFPFC_ADD", "table_id": 0, **FLOWS[0]}
REQUESTS = {
    "flows": ("PUT", "flows/0?wait=0", {"flows": FLOWS}),
    "controller": ("PUT", "controller", {"target": "tcp:127.0.0.1:1"}),
    "messages": ("POST", "messages?wait=0", {"messages": [ADD]}),
}


@pytest.fixture(scope="module")
def ask(tokens: Tokens, admin: str) -> Iterator[Projects]:
    with projects(tokens, admin, "--services-networks", "127.0.0.0/8") as made:
        made.made("red", "eye", attach=["port/red-1"], permissions={"drop": True})
        yield made


class Late:
    """A request without the last octet of its body."""

    def __init__(self, ask: Projects, token: str, method: str, path: str, body: Any) -> None:
        data = json.dumps(body).encode()
        self._socket = socket.create_connection(("127.0.0.1", ask.server.address[1]), 20)
        head = (
            f"{method} {path} HTTP/1.1\r\nHost: 127.0.0.1\r\nAuthorization: Bearer {token}\r\n"
            f"Content-Type: application/json\r\nContent-Length: {len(data)}\r\nConnection: close\r\n\r\n"
        )
        self._socket.sendall(head.encode() + data[:-1])
        self._last = data[-1:]

    def end(self) -> int:
        """The answer's status."""
        self._socket.sendall(self._last)
        answer = self._socket.makefile("rb").read()
        self._socket.close()
        return int(answer.split()[1])


def late(ask: Projects) -> dict[str, Late]:
    made = {
        what: Late(ask, ask.who["eye"], method, f"/v1/services/eye/{path}", body)
        for what, (method, path, body) in REQUESTS.items()
    }
    time.sleep(0.2)
    return made


def nothing_there(ask: Projects) -> bool:
    said = ask("red", "GET", "/v1/services/eye").body
    return (said["flows"], said["controller"]) == (0, None)


def test_what_comes_while_the_token_holds_is_taken(ask: Projects) -> None:
    assert {what: one.end() for what, one in late(ask).items()} == dict.fromkeys(REQUESTS, 200)
    assert ask("red", "GET", "/v1/services/eye").body["flows"] == 2
    ask("red", "DELETE", "/v1/services/eye/token")
    assert nothing_there(ask)
    ask.who["eye"] = ask("red", "POST", "/v1/services/eye/token").body["token"]


def test_what_comes_after_the_token_was_revoked_is_not(ask: Projects) -> None:
    requests = late(ask)
    assert ask("red", "DELETE", "/v1/services/eye/token").status == 202
    assert {what: one.end() for what, one in requests.items()} == dict.fromkeys(REQUESTS, 401)
    assert nothing_there(ask)
    ask.who["eye"] = ask("red", "POST", "/v1/services/eye/token").body["token"]
    assert nothing_there(ask)


def test_what_comes_after_there_was_a_new_token_is_not(ask: Projects) -> None:
    requests = late(ask)
    ask.who["eye"] = ask("red", "POST", "/v1/services/eye/token").body["token"]
    assert {what: one.end() for what, one in requests.items()} == dict.fromkeys(REQUESTS, 401)
    assert nothing_there(ask)


def test_what_comes_after_the_token_expired_is_not(ask: Projects) -> None:
    ask.who["eye"] = ask("red", "POST", "/v1/services/eye/token", {"expires_in": 0.5}).body["token"]
    requests = late(ask)
    time.sleep(0.4)
    assert {what: one.end() for what, one in requests.items()} == dict.fromkeys(REQUESTS, 401)
    assert nothing_there(ask)


def test_what_a_project_sends_by_a_token_that_has_ended_meanwhile_is_not_taken(ask: Projects, tokens: Tokens) -> None:
    token = tokens.make("member", "red", "--id", "late")
    body = {"name": "x", "hook": "ingress"}
    native = Late(ask, token, "POST", "/v1/services", body)
    neutron = Late(ask, token, "POST", "/v2.0/networks", {"network": {"name": "late"}})
    time.sleep(0.2)
    tokens("revoke", "late")
    until(lambda: ask(token, "GET", "/v1/services").status == 401)
    assert (native.end(), neutron.end()) == (401, 401)
    assert ask("red", "GET", "/v1/services/x").status == 404
    assert ask("red", "GET", "/v2.0/networks?name=late").body["networks"] == []


OWNED = {
    "attach": ("PUT", {"attach": []}),
    "token": ("POST", {}),
    "controller": ("PUT", {"target": "tcp:127.0.0.1:1"}),
    "flows/0?wait=0": ("PUT", {"flows": FLOWS}),
}


@pytest.mark.parametrize(("whose", "status"), [("", 404), ("blue", 404), ("red", 409)])
def test_what_comes_after_the_service_was_deleted_is_not_done_to_the_next_of_its_name(
    ask: Projects, whose: str, status: int
) -> None:
    ask.made("red", "ear", attach=["port/red-1"], permissions={"drop": True})
    requests = [
        Late(ask, ask.who["red"], method, f"/v1/services/ear/{path}", body) for path, (method, body) in OWNED.items()
    ]
    time.sleep(0.2)
    ask("red", "DELETE", "/v1/services/ear")
    if whose:
        ask.made(whose, "ear", attach=[f"port/{whose}-1"], permissions={"drop": True})
    before = ask("admin", "GET", "/v1/services").body
    assert [one.end() for one in requests] == [status] * len(OWNED)
    assert ask("admin", "GET", "/v1/services").body == before
    if whose:
        ask("admin", "DELETE", "/v1/services/ear")


def test_who_waits_for_a_new_service_that_is_deleted_meanwhile_hears_that_it_is_not_there(ask: Projects) -> None:
    path = "/v1/services?wait=2"
    new = Late(ask, ask.who["red"], "POST", path, {"name": "ear", "hook": "ingress", "attach": ["port/red-1"]})
    with ThreadPoolExecutor(1) as other:
        answer = other.submit(new.end)
        until(lambda: ask("red", "GET", "/v1/services/ear").status == 200)
        ask("red", "DELETE", "/v1/services/ear")
        assert answer.result() == 404


def test_a_port_that_a_service_is_attached_to_stays_and_whose_service_it_is_is_not_said(ask: Projects) -> None:
    network = ask("blue", "POST", "/v2.0/networks", {"network": {"name": "n"}}).body["network"]["id"]
    port = ask("blue", "POST", "/v2.0/ports", {"port": {"network_id": network}}).body["port"]["id"]
    name = next(one["name"] for one in ask("admin", "GET", "/v1/objects/port").body if port in one["name"])
    ask.made("admin", "watcher", attach=[f"port/{name}"])
    answer = ask("blue", "DELETE", f"/v2.0/ports/{port}")
    assert answer.status == 409 and "detached first" in answer.body["NeutronError"]["message"]
    assert "watcher" not in json.dumps(answer.body) and "watcher" in ask.server.log()
    ask("admin", "DELETE", "/v1/services/watcher")
    ask.made("blue", "own", attach=[f"port/{name}"])
    answer = ask("blue", "DELETE", f"/v2.0/ports/{port}")
    assert answer.status == 409 and "service own (attach)" in answer.body["NeutronError"]["message"]
    ask("blue", "DELETE", "/v1/services/own")
    assert ask("blue", "DELETE", f"/v2.0/ports/{port}").status == 204
