"""What the server's operator lets services of projects have, as projects meet it over HTTP."""

from __future__ import annotations

import http.client
from collections.abc import Iterator

import msgspec
import pytest
from api_server import Tokens
from hypothesis import given
from hypothesis import strategies as st
from service_api import FLOWS, Projects, projects, until

from segue.api.services import AT_ONCE, MOST_MESSAGES, MOST_STREAMS, OCTETS_AT_ONCE, _pieces

OPTIONS = (
    *("--services-flows", "50", "--services-packet-ins", "20", "--services-per-project", "3"),
    *("--services-permit", "drop,packet_in", "--services-listen", "45711-45712"),
    *("--services-networks", "127.0.0.0/30"),
)


@pytest.fixture(scope="module")
def ask(tokens: Tokens, admin: str) -> Iterator[Projects]:
    with projects(tokens, admin, *OPTIONS) as made:
        limited = {"flows": 50, "packet_ins": 20, "permissions": {"drop": True, "packet_in": True}}
        made.made("red", "eye", attach=["port/red-1"], **limited)
        yield made


@pytest.mark.parametrize(
    ("wanted", "said"),
    [
        ({"flows": 51}, "at most 50 flows"),
        ({}, "at most 50 flows"),  # the default is more
        ({"flows": 5, "packet_ins": 21}, "at most 20 packet-ins"),
        ({"flows": 5, "packet_ins": 1, "permissions": {"copy": True}}, "cannot permit its services to copy"),
        (
            {"flows": 5, "packet_ins": 1, "permissions": {"rewrite": ["eth_dst"]}},
            "cannot permit its services to rewrite",
        ),
    ],
)
def test_a_project_s_service_has_no_more_than_the_operator_gives(
    ask: Projects, wanted: dict[str, object], said: str
) -> None:
    body = {"name": "more", "hook": "ingress", **wanted}
    answer = ask("red", "POST", "/v1/services", body)
    assert answer.status == 403 and said in answer.body["error"], answer
    assert ask("admin", "GET", "/v1/services/more").status == 404
    for project in ("", "red"):  # administrators are free, also on a project's behalf
        answer = ask("admin", "POST", "/v1/services", {**body, "project": project})
        assert answer.status == 201, answer
        if project:  # what it was given it keeps
            assert ask("red", "PUT", "/v1/services/more/attach", {"attach": ["port/red-1"]}).status == 200
        assert ask("admin", "DELETE", "/v1/services/more").status == 204


def test_a_project_has_so_many_services_and_no_more(ask: Projects) -> None:
    small = {"hook": "ingress", "flows": 1, "packet_ins": 1}
    for number in range(3):
        assert ask("blue", "POST", "/v1/services", {"name": f"b{number}", **small}).status == 201
    answer = ask("blue", "POST", "/v1/services", {"name": "b3", **small})
    assert answer.status == 409 and "has 3 services, and may have 3" in answer.body["error"]
    for number in range(3):
        assert ask("blue", "DELETE", f"/v1/services/b{number}").status == 204


def test_a_name_that_is_taken_is_not_said_to_be_whose(ask: Projects) -> None:
    answer = ask("blue", "POST", "/v1/services", {"name": "eye", "hook": "ingress"})
    assert (answer.status, answer.body["error"]) == (409, "the name 'eye' is taken; take another name")


def test_streams_of_packets_are_as_many_as_can_be_borne(ask: Projects) -> None:
    path = "/v1/services/eye/packet-ins"

    def opened() -> int:
        """The status; what is answered 200 stays open."""
        connection = ask.server.connect()
        connection.request("GET", path, headers={"X-Auth-Token": ask.who["eye"]})
        answer = connection.getresponse()
        if answer.status != 200:
            said.append(answer.read().decode())
        open_ones.append(connection)
        return answer.status

    open_ones: list[http.client.HTTPConnection] = []
    said: list[str] = []
    try:
        for _ in range(MOST_STREAMS):
            assert opened() == 200
        until(lambda: opened() == 429)
        assert f"{MOST_STREAMS} streams of this service's packets are open already" in said[0]
        while open_ones:
            open_ones.pop().close()
        until(lambda: opened() == 200)
    finally:
        for connection in open_ones:
            connection.close()


def test_requests_are_as_large_as_can_be_borne(ask: Projects) -> None:
    message = {"type": "OFPT_FLOW_MOD", **FLOWS[0]}
    answer = ask("eye", "POST", "/v1/services/eye/messages", {"messages": [message] * (MOST_MESSAGES + 1)})
    assert answer.status == 400 and "send them in parts" in answer.body["error"]
    answer = ask("eye", "PUT", "/v1/services/eye/flows/0", {"flows": [{"priority": n} for n in range(51)]})
    assert answer.status == 409 and "may have 50 flows, and these are 51" in answer.body["error"]
    answer = ask("eye", "PUT", "/v1/services/eye/flows/0", b" " * ((16 << 20) + 1))
    assert answer.status == 400 and "larger than 16 MiB" in answer.body["error"]
    answer = ask("eye", "PUT", "/v1/services/eye/flows/0", b'{"flows": [' + b"[]," * 600_000 + b"[]]}")
    assert answer.status == 400 and "more than 1000000 values" in answer.body["error"]
    answer = ask("eye", "PUT", "/v1/services/eye/flows/0", b'{"flows": [{}, [' + b"[]," * 400_000 + b"[]]]}")
    assert answer.status == 400 and "flows[1]: it is larger than 256 KiB" in answer.body["error"]
    answer = ask("eye", "PUT", "/v1/services/eye/flows/0", {"flows": [{}, 7]})
    assert answer.status == 400 and "flows[1]" in answer.body["error"] and "object" in answer.body["error"]
    for who, method, path in (
        ("eye", "PUT", "/eye/controller"),
        ("red", "PUT", "/eye/attach"),
        ("red", "POST", "/eye/token"),
        ("red", "POST", ""),
    ):
        answer = ask(who, method, f"/v1/services{path}", b" " * ((1 << 20) + 1))
        assert answer.status == 400 and "larger than 1 MiB" in answer.body["error"], answer


def test_a_body_that_does_not_say_its_length_is_read_no_further_than_it_may_be(ask: Projects) -> None:
    connection = ask.server.connect()
    try:
        connection.putrequest("POST", "/v1/services")
        connection.putheader("X-Auth-Token", ask.who["red"])
        connection.putheader("Transfer-Encoding", "chunked")
        connection.endheaders()
        for _ in range(17):
            connection.send(b"10000\r\n" + b" " * 0x10000 + b"\r\n")
        connection.sock.settimeout(20)  # there is no last chunk
        answer = connection.getresponse()
        assert answer.status == 400 and b"larger than 1 MiB" in answer.read()
    finally:
        connection.close()


@given(st.lists(st.integers(0, 50_000), max_size=250))
def test_what_is_read_in_one_go_is_little(sizes: list[int]) -> None:
    found = [msgspec.Raw(bytes(size)) for size in sizes]
    pieces = list(_pieces(found))
    assert [one for piece in pieces for one in piece] == list(enumerate(found))
    for piece in pieces:
        assert 0 < len(piece) <= AT_ONCE
        assert sum(len(bytes(one)) for _, one in piece[:-1]) < OCTETS_AT_ONCE


def test_a_project_waits_where_its_own_machine_calls_alone(ask: Projects) -> None:
    for who in ("red", "eye"):
        answer = ask(who, "PUT", "/v1/services/eye/controller", {"target": "ptcp:45711:0.0.0.0"})
        assert answer.status == 400 and "whoever reaches" in answer.body["error"], answer
    answer = ask("eye", "PUT", "/v1/services/eye/controller", {"target": "ptcp:45711", "name": "ips"})
    assert answer.status == 400 and "is that of a certificate" in answer.body["error"], answer
    answer = ask("eye", "PUT", "/v1/services/eye/controller", {"target": "ptcp:45711"})
    assert answer.status == 200 and answer.body["controller"]["name"] == ""
    assert ask("eye", "DELETE", "/v1/services/eye/controller").status == 204


@pytest.mark.parametrize("who", ["admin", "red", "eye"])
def test_controllers_are_called_where_the_operator_has_said_alone(ask: Projects, who: str) -> None:
    for target in ("tcp:127.0.0.4:6653", "tcp:192.0.2.1:6653", "tcp:[::1]:6653"):
        answer = ask(who, "PUT", "/v1/services/eye/controller", {"target": target})
        assert answer.status == 400, answer
        assert "in the networks where this server calls controllers: 127.0.0.0/30" in answer.body["error"]
        assert ask("eye", "GET", "/v1/services/eye").body["controller"] is None
    for target, trouble in (
        ("tcp:127.0.0.3:1", "no openflow"),
        ("tcp:0x7f000004:1", "127.0.0.0/30"),
    ):  # the last is a name
        assert ask(who, "PUT", "/v1/services/eye/controller", {"target": target}).status == 200
        until(lambda: trouble in ask("eye", "GET", "/v1/services/eye").body["controller"]["trouble"].lower())  # noqa: B023
        assert ask("eye", "DELETE", "/v1/services/eye/controller").status == 204
