"""Injected services over HTTP: what their projects do, and what they do themselves with their tokens."""

from __future__ import annotations

import contextlib
import json
import re
import socket
import threading
import time
from collections.abc import Iterator
from typing import Any

import msgspec
import pytest
from api_server import Running, Tokens
from service_api import FLOWS, Projects, projects, until
from websockets.sync.client import connect

from segue.model.protocol import PROTOCOL, FromServer, Punted, Register, Sync
from segue.model.view import ServiceRecord
from segue.server.service_doors import UNREACHED


@pytest.fixture(scope="module")
def ask(tokens: Tokens, admin: str) -> Iterator[Projects]:
    with projects(tokens, admin, "--services-listen", "45701-45702", "--services-networks", "127.0.0.0/8") as made:
        made.made("red", "eye", attach=["port/red-1"], permissions={"drop": True, "packet_in": True})
        yield made


# -- whose token it is -----------------------------------------------------------------------------------------------


def test_a_service_is_let_in_to_its_own_alone(ask: Projects) -> None:
    ask.made("red", "other", attach=["port/red-2"])
    assert ask("eye", "GET", "/v1/services/eye").body["name"] == "eye"
    assert ask("eye", "GET", "//v1//services/eye/flows").status == 200
    for method, path in (
        ("GET", "/v1/services/other"),
        ("PUT", "/v1/services/other/flows/0"),
        ("GET", "/v1/services"),
        ("GET", "/v1/services/"),
        ("POST", "/v1/services"),
        ("GET", "/v1/objects"),
        ("GET", "/v1/status"),
        ("GET", "/v2.0/networks"),
        ("GET", "/v1/services/nothere"),
        ("GET", "/elsewhere"),
    ):
        answer = ask("eye", method, path, {})
        assert answer.status == 403, (method, path, answer)
        assert "service eye" in str(answer.body)
    for method, path in (("DELETE", ""), ("PUT", "/attach"), ("POST", "/token"), ("DELETE", "/token")):
        assert ask("eye", method, f"/v1/services/eye{path}", {"attach": []}).status == 403
    assert ask("red", "DELETE", "/v1/services/other").status == 204


def test_a_token_is_taken_where_there_is_no_authentication_too(opened: Running) -> None:
    """There whoever shows none is an administrator, by every way; who shows one is the service, and no more."""
    for path, body in (("/v1/services", {"name": "bare", "hook": "egress"}), ("/v1/services/bare/token", {})):
        answer = opened.ask(path, "POST", json.dumps(body).encode())
    token = answer.body["token"]
    try:
        for unix in (False, True):
            for headers in ({"X_Auth_Token": token}, {"Authorization": f"Bearer {token}"}):
                assert opened.ask("/v1/services/bare", unix=unix, **headers).status == 200
                assert opened.ask("/v1/objects", unix=unix, **headers).status == 403
                assert opened.ask("/v1/services", unix=unix, **headers).status == 403
            assert opened.ask("/v1/objects", unix=unix).status == 200
            wrong = opened.ask("/v1/services/bare", unix=unix, X_Auth_Token=token[:-2] + "xx")
            assert wrong.status == 401 and "www-authenticate" in wrong.headers
    finally:
        assert opened.ask("/v1/services/bare", "DELETE").status == 204
    assert opened.ask("/v1/services/bare", X_Auth_Token=token).status == 401
    assert "service bare: service-" in opened.log() and "there is no such service" in opened.log()


def test_wrong_revoked_and_expired_tokens_are_refused_and_the_log_says_whose_and_why(ask: Projects) -> None:
    old = ask.made("red", "short", attach=["port/red-1"])
    new = ask("red", "POST", "/v1/services/short/token", {"expires_in": 1.2}).body["token"]
    assert ask(old, "GET", "/v1/services/short").status == 401
    assert ask(new, "GET", "/v1/services/short").status == 200
    time.sleep(1.3)
    assert ask(new, "GET", "/v1/services/short").status == 401
    assert ask("red", "GET", "/v1/services/short").body["token"]["state"] == "expired"
    last = ask("red", "POST", "/v1/services/short/token").body["token"]
    assert ask("red", "DELETE", "/v1/services/short/token").status == 202
    assert ask(last, "GET", "/v1/services/short").status == 401
    assert ask("red", "GET", "/v1/services/short").body["token"]["state"] == "revoked"
    log = ask.server.log()
    for why in ("not the secret of the service's token, which is its number 2", "expired", "revoked"):
        assert any("127.0.0.1" in line and "service short:" in line and why in line for line in log.splitlines()), why
    assert old.partition(".")[2] not in log and last.partition(".")[2] not in log


def test_who_guesses_is_answered_slowly(tokens: Tokens, admin: str) -> None:
    with projects(tokens, admin) as ask:
        right = ask.made("red", "eye", attach=["port/red-1"])
        statuses = [ask("service-1-1.guess", "GET", "/v1/services/eye").status for _ in range(40)]
        assert statuses[:20] == [401] * 20 and statuses[-1] == 429
        assert ask(right, "GET", "/v1/services/eye").status == 200


class Stream:
    """Of packet-ins, read by a thread of its own."""

    def __init__(self, ask: Projects, token: str, path: str) -> None:
        self._socket = socket.create_connection(ask.server.address, 10)
        self._socket.sendall(f"GET {path} HTTP/1.0\r\nHost: x\r\nX-Auth-Token: {token}\r\n\r\n".encode())
        self.data = b""
        self.ended = threading.Event()
        threading.Thread(target=self._read, daemon=True).start()

    def _read(self) -> None:
        with contextlib.suppress(OSError):
            while part := self._socket.recv(1 << 16):
                self.data += part
        self.ended.set()


@pytest.mark.parametrize("how", ["rotated", "revoked", "deleted", "expired"])
def test_a_stream_ends_with_the_token_that_opened_it(ask: Projects, how: str) -> None:
    token = ask.made("red", "brief", attach=["port/red-1"])
    if how == "expired":
        token = ask("red", "POST", "/v1/services/brief/token", {"expires_in": 1.5}).body["token"]
    stream = Stream(ask, token, "/v1/services/brief/packet-ins")
    until(lambda: b"200 OK" in stream.data)
    if how == "rotated":
        ask("red", "POST", "/v1/services/brief/token")
    elif how == "revoked":
        ask("red", "DELETE", "/v1/services/brief/token")
    elif how == "deleted":
        ask("red", "DELETE", "/v1/services/brief")
    assert stream.ended.wait(5)
    ask("red", "DELETE", "/v1/services/brief")


def test_packets_for_the_service_come_by_its_stream_and_those_of_others_do_not(ask: Projects, tokens: Tokens) -> None:
    other = ask.made("red", "deaf", attach=["port/red-1"], permissions={"packet_in": True})
    keys = {name: int(ask.who[name].split("-")[1]) for name in ("eye", "deaf")}
    streams = {name: Stream(ask, ask.who[name], f"/v1/services/{name}/packet-ins") for name in ("eye", "deaf")}
    until(lambda: all(b"200 OK" in stream.data for stream in streams.values()))
    agent = {"X-Auth-Token": tokens.make("agent", "admin")}
    with connect(f"ws://127.0.0.1:{ask.server.address[1]}/v1/agent", additional_headers=agent) as link:
        link.send(msgspec.json.encode(Register("n1", PROTOCOL, "test")))
        told = msgspec.json.decode(link.recv(10), type=FromServer)
        assert isinstance(told, Sync)
        record = told.records[f"service/{keys['eye']}"]
        assert isinstance(record, ServiceRecord)
        frame = bytes(range(60))
        for element in (record.ports[0][0], 12345):  # the second is not attached
            link.send(msgspec.json.encode(Punted(keys["eye"], element, 2, 7, 1, 1500, frame)))
        link.send(msgspec.json.encode(Punted(9999, record.ports[0][0], 2, 7, 1, 60, frame)))  # there is none
        until(lambda: b"event: packet-in" in streams["eye"].data)
    time.sleep(0.2)
    said = re.findall(rb"^data: (.*)$", streams["eye"].data, re.MULTILINE)
    packet = json.loads(said[0])
    assert len(said) == 1 and packet["data"] == frame.hex()
    assert (packet["match"]["in_port"], packet["table_id"], packet["cookie"], packet["total_len"]) == (1, 2, 7, 1500)
    assert b"packet-in\n" not in streams["deaf"].data and other
    ask("red", "DELETE", "/v1/services/deaf")


# -- what is declared --------------------------------------------------------------------------------------------------


def test_a_project_registers_attaches_and_deletes_its_own(ask: Projects) -> None:
    answer = ask("red", "POST", "/v1/services", {"name": "mine", "hook": "forward", "attach": ["network/red-net"]})
    assert answer.status == 201 and answer.body["project"] == "red"
    assert [port["name"] for port in answer.body["ports"]] == ["red-1", "red-2"]
    assert answer.body["nodes"] == [] and all(port["node"] == "" for port in answer.body["ports"])
    assert ask("admin", "GET", "/v1/services/mine").body["nodes"] == ["n1"]
    answer = ask("red", "PUT", "/v1/services/mine/attach", {"attach": ["router/red-router", "port/red-2"]})
    assert [(port["kind"], port["number"]) for port in answer.body["ports"]] == [("port", 2), ("router", 3)]
    assert ask("red-reader", "GET", "/v1/services/mine").status == 200
    assert "mine" in [one["name"] for one in ask("red-reader", "GET", "/v1/services").body]
    assert ask("red-reader", "DELETE", "/v1/services/mine").status == 403
    assert ask("red-reader", "GET", "/v1/services/mine/packet-ins").status == 403
    assert ask("red", "DELETE", "/v1/services/mine").status == 204
    assert ask("red", "GET", "/v1/services/mine").status == 404


@pytest.mark.parametrize("kind", ["port", "network", "router"])
def test_what_is_anothers_and_what_is_not_there_are_refused_alike(ask: Projects, kind: str) -> None:
    theirs = {"port": "blue-1", "network": "blue-net", "router": "blue-router"}[kind]
    hook = "forward"
    for name in (theirs, "nowhere"):
        answer = ask("red", "POST", "/v1/services", {"name": "x", "hook": hook, "attach": [f"{kind}/{name}"]})
        assert answer.status == 409
        assert answer.body["error"] == f"service \"x\": attach: there is no {kind} '{name}' in project 'red'"
        text = f"services: {{x: {{hook: {hook}, attach: [{kind}/{name}], project: red}}}}".encode()
        answer = ask.server.ask("/v1/apply", "POST", text, X_Auth_Token=ask.who["admin"])
        assert answer.status == 409
        assert f"attach: there is no {kind} '{name}' in project 'red'" in answer.body["error"]
    body = {"hook": hook, "attach": [f"{kind}/{theirs}"]}
    assert ask("admin", "PUT", "/v1/objects/service/x", body).status == 201  # in no project: an administrator's
    assert ask("admin", "PUT", "/v1/objects/service/x", {**body, "project": "red"}).status == 409
    assert ask("admin", "DELETE", "/v1/objects/service/x").status == 200


def test_what_becomes_anothers_cannot_while_a_service_is_attached(ask: Projects) -> None:
    ask.made("red", "holds", attach=["port/red-2"])
    port = ask("admin", "GET", "/v1/objects/port/red-2").body
    answer = ask("admin", "PUT", "/v1/objects/port/red-2", {**port, "project": "blue"})
    assert answer.status == 409 and "there is no port 'red-2' in project 'red'" in answer.body["error"]
    ask("red", "DELETE", "/v1/services/holds")


def test_of_its_own_network_a_service_meets_no_port_of_another_project(ask: Projects) -> None:
    ask.made("red", "host", attach=["network/shared"])
    assert [port["name"] for port in ask("red", "GET", "/v1/services/host").body["ports"]] == ["host"]
    ask("red", "DELETE", "/v1/services/host")
    ask.made("admin", "all", attach=["network/shared"])
    assert [port["name"] for port in ask("admin", "GET", "/v1/services/all").body["ports"]] == ["guest", "host"]
    ask("admin", "DELETE", "/v1/services/all")


def test_a_name_that_is_taken_is_refused_and_nothing_says_by_whom(ask: Projects) -> None:
    answer = ask("blue", "POST", "/v1/services", {"name": "eye", "hook": "ingress"})
    assert answer.status == 409 and answer.body == {"error": "the name 'eye' is taken; take another name"}


@pytest.mark.parametrize(
    ("body", "said"),
    [
        (b"", "write {name: NAME"),
        (b"[]", "write {name: NAME"),
        (b"\xff", "write {name: NAME"),
        ({"hook": "ingress"}, "a service needs a name"),
        ({"name": 5, "hook": "ingress"}, "a service needs a name"),
        ({"name": "a b", "hook": "ingress"}, "a b"),
        ({"name": "x"}, "hook"),
        ({"name": "x", "hook": "nat"}, "hook"),
        ({"name": "x", "hook": "ingress", "colour": "red"}, "colour"),
        ({"name": "x", "hook": "ingress", "permissions": {"fly": True}}, "fly"),
        ({"name": "x", "hook": "ingress", "attach": ["red-1"]}, "red-1"),
        ({"name": "x", "hook": "ingress", "flows": -1}, "flows"),
    ],
)
def test_a_registration_that_is_wrong_is_refused_with_what_to_write(ask: Projects, body: Any, said: str) -> None:
    answer = ask("red", "POST", "/v1/services", body)
    assert answer.status == 400 and said in answer.body["error"]


def test_a_project_cannot_register_for_another(ask: Projects) -> None:
    answer = ask("red", "POST", "/v1/services", {"name": "x", "hook": "ingress", "project": "blue"})
    assert answer.status == 403 and "leave project out" in answer.body["error"]


# -- what a service does -----------------------------------------------------------------------------------------------


def test_a_table_is_put_whole_and_the_same_again_writes_nothing(ask: Projects) -> None:
    path = "/v1/services/eye/flows/2?wait=0"
    put = ask("eye", "PUT", path, {"flows": FLOWS})
    assert put.status == 200 and [one["priority"] for one in put.body["flows"]] == [10, 5]
    revision = ask("admin", "GET", "/v1/status?count=false").body["revision"]
    assert ask("eye", "PUT", path, {"flows": FLOWS}).status == 200
    there = ask("eye", "GET", "/v1/services/eye/flows?table=2").body
    assert ask("eye", "PUT", path, there).status == 200  # what was read can be put
    ask.server.ask("/v1/objects/node/probe", "PUT", b"{}", X_Auth_Token=ask.who["admin"])
    after = ask("admin", "PUT", "/v1/objects/node/probe", {"address": "192.0.2.9"}).body["revision"]
    assert after == revision + 1, "something was written in between"
    assert ask("admin", "DELETE", "/v1/objects/node/probe").status == 200
    assert [one["priority"] for one in ask("eye", "PUT", path, {"flows": FLOWS[:1]}).body["flows"]] == [10]
    assert ask("eye", "PUT", path, {"flows": []}).body["flows"] == []


@pytest.mark.parametrize(
    ("body", "status", "said"),
    [
        (b"x", 400, '"flows"'),
        ({"flows": {}}, 400, "flows"),
        ({"flows": [1]}, 400, "flows"),
        ({"flows": [{"match": {"colour": 1}}]}, 400, "flows[0]: "),
        ({"flows": [{"type": "OFPT_HELLO"}]}, 400, "flows[0]"),
        ({"flows": [{"version": "1.3"}]}, 400, "OpenFlow 1.5"),
        ({"flows": [{"table_id": 3}]}, 409, "table 0"),
        ({"flows": [{"match": {"metadata": 1, "tunnel_id": 5}}]}, 409, "tunnel_id"),
        ({"flows": [{"match": {"in_port": 7}}]}, 409, "no port"),
        ({"flows": [*FLOWS, {"instructions": [{"type": "OFPIT_GOTO_TABLE", "table_id": 0}]}]}, 409, "table"),
        (
            {
                "flows": [
                    {
                        "instructions": [
                            {
                                "type": "OFPIT_APPLY_ACTIONS",
                                "actions": [{"type": "OFPAT_SET_FIELD", "field": {"ip_dscp": 3}}],
                            }
                        ]
                    }
                ]
            },
            403,
            "not permitted to mark",
        ),
    ],
)
def test_flows_that_are_wrong_are_refused_whole(ask: Projects, body: Any, status: int, said: str) -> None:
    answer = ask("eye", "PUT", "/v1/services/eye/flows/0?wait=0", body)
    assert answer.status == status and said in answer.body["error"], answer
    assert ask("eye", "GET", "/v1/services/eye/flows").body["flows"] == []


def test_messages_are_carried_out_all_or_none(ask: Projects) -> None:
    add = {"type": "OFPT_FLOW_MOD", "command": "OFPFC_ADD", "table_id": 0, **FLOWS[0]}
    bad = {"type": "OFPT_FLOW_MOD", "command": "OFPFC_ADD", "table_id": 99, "priority": 1}
    path = "/v1/services/eye/messages?wait=0"
    answer = ask("eye", "POST", path, {"messages": [add, bad]})
    assert answer.status == 409 and re.fullmatch(r"messages\[1\]: .*\(OFPFMFC_BAD_TABLE_ID\)", answer.body["error"])
    assert ask("eye", "GET", "/v1/services/eye/flows").body["flows"] == []
    old = {"version": "1.0", "type": "OFPT_FLOW_MOD", "command": "OFPFC_ADD", "match": {"dl_type": 2054}, "actions": []}
    assert ask("eye", "POST", path, {"messages": [add, old]}).status == 200
    assert len(ask("eye", "GET", "/v1/services/eye/flows").body["flows"]) == 2
    wipe = {"type": "OFPT_FLOW_MOD", "command": "OFPFC_DELETE", "table_id": "OFPTT_ALL"}
    assert ask("eye", "POST", path, {"messages": [wipe]}).status == 200
    answer = ask("eye", "POST", path, {"messages": [{"type": "OFPT_NOTHING"}]})
    assert answer.status == 400 and answer.body["error"].startswith("messages[0]: ")


@pytest.mark.parametrize(
    ("who", "target", "said"),
    [
        ("eye", "unix:/var/run/x", "on the server's machine"),
        ("admin", "punix:/var/run/x", "on the server's machine"),
        ("eye", "tcp:", "names no host"),
        ("eye", "http://192.0.2.1", "write tcp:HOST:PORT"),
        ("eye", "ssl:192.0.2.1:6653", "--services-certificate"),
        ("eye", "ptcp:45703", "45701 to 45702"),
        ("eye", "ptcp:0", "45701 to 45702"),
        ("red", "ptcp:22", "45701 to 45702"),
        ("eye", "tcp:" + "x" * 400, "at most"),
    ],
)
def test_a_controller_that_cannot_be_is_refused(ask: Projects, who: str, target: str, said: str) -> None:
    answer = ask(who, "PUT", "/v1/services/eye/controller", {"target": target})
    assert answer.status == 400 and said in answer.body["error"]
    assert ask("eye", "GET", "/v1/services/eye").body["controller"] is None


def test_neither_log_nor_answer_has_a_line_of_whoever_registers(ask: Projects) -> None:
    forged = "2026-11-20 00:00:00,000 segue.api.auth: forged"
    for target in (f"tcp:[h\n{forged}]:1", f"tcp:h\n{forged}:1", f"tcp:h:1\n{forged}", f"\n{forged}"):
        answer = ask("eye", "PUT", "/v1/services/eye/controller", {"target": target})
        assert answer.status == 400 and "\n" not in answer.body["error"], answer
        assert ask("eye", "PUT", "/v1/services/eye/controller", {"target": "tcp:h:1", "name": target}).status == 400
        assert ask("eye", "DELETE", f"/v1/services/eye/flows/%0a{forged.replace(' ', '%20')}").status in (404, 405)
    assert not any(line.startswith(forged) for line in ask.server.log().splitlines())


def test_the_log_says_who_has_registered_which_controller(ask: Projects) -> None:
    assert ask("eye", "PUT", "/v1/services/eye/controller", {"target": "tcp:127.0.0.1:9"}).status == 200
    assert ask("red", "DELETE", "/v1/services/eye/controller").status == 204
    when = r"^\d{4}-\d\d-\d\d [\d:,]+ segue\.api\.services: service eye: "
    log = ask.server.log()
    who = r"service/eye of project 'red' at 127\.0\.0\.1 registers the controller tcp:127\.0\.0\.1:9$"
    assert re.search(when + who, log, re.MULTILINE), log[-2000:]
    assert re.search(when + r".* of project 'red' at 127\.0\.0\.1 has no controller any more$", log, re.MULTILINE)
    for what in ("registers it", "makes its token 1"):
        assert re.search(f"{when}.* of project 'red' at 127\\.0\\.0\\.1 {what}$", log, re.MULTILINE), what


def test_versions_of_a_controller_are_those_that_services_speak(ask: Projects) -> None:
    answer = ask("eye", "PUT", "/v1/services/eye/controller", {"target": "tcp:127.0.0.1:1", "versions": ["1.1"]})
    assert answer.status == 400 and "1.1" in answer.body["error"]


def test_a_controller_is_waited_for_and_the_trouble_of_calling_one_is_told(ask: Projects) -> None:
    told = ask("eye", "PUT", "/v1/services/eye/controller", {"target": "ptcp:45701", "versions": ["1.3"]}).body
    assert told["controller"]["target"] == "ptcp:45701:127.0.0.1"

    def heard() -> bool:
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", 45701), 5) as caller:
            return caller.recv(8)[:2] == b"\x04\x00"
        return False

    until(heard)
    ask("eye", "PUT", "/v1/services/eye/controller", {"target": "tcp:127.0.0.1:1"})
    until(lambda: "refused" in ask("admin", "GET", "/v1/services/eye").body["controller"]["trouble"].lower())
    for who in ("eye", "red"):
        assert ask(who, "GET", "/v1/services/eye").body["controller"]["trouble"] == UNREACHED
    assert "service eye: its controller at tcp:127.0.0.1:1: " in ask.server.log()
    with pytest.raises(OSError, match="refused"):
        socket.create_connection(("127.0.0.1", 45701), 5)
    assert ask("eye", "DELETE", "/v1/services/eye/controller").status == 204
    assert ask("eye", "GET", "/v1/services/eye").body["controller"] is None


def test_a_project_is_told_how_many_nodes_have_not_confirmed_and_an_administrator_which(ask: Projects) -> None:
    for who, said in (("red", "1 node: no agent connected"), ("admin", "node n1 has no agent connected")):
        ask.made("red", "brief", attach=["port/red-1"])
        answer = ask(who, "DELETE", "/v1/services/brief/token")
        assert (answer.status, answer.body) == (202, {"waiting": [said]})
        answer = ask(who, "DELETE", "/v1/services/brief?wait=1")
        assert (answer.status, answer.body) == (202, {"waiting": [said]})
    ask.made("red", "brief")
    assert ask("red", "DELETE", "/v1/services/brief/token").status == 204, "it is on no node"
    assert ask("red", "DELETE", "/v1/services/brief?wait=1").status == 204


@pytest.mark.parametrize("span", [0, -1, 1e300, "soon", True])
def test_a_span_that_no_token_can_last_is_refused(ask: Projects, span: Any) -> None:
    assert ask("red", "POST", "/v1/services/eye/token", {"expires_in": span}).status == 400
    assert ask("eye", "GET", "/v1/services/eye").status == 200  # and the one that there is holds
