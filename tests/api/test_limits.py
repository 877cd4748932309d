"""How much one caller may ask for: how large, how deep, how often, and over how many connections."""

from __future__ import annotations

import contextlib
import http.client
import json
import socket
import time
from typing import Any

import pytest
from api_server import Running, running
from hypothesis import given
from hypothesis import strategies as st

from segue.api.limits import DEEPEST, LARGEST_NEUTRON, Buckets, depth, whence

# -- as values --------------------------------------------------------------------------------------------------------


def test_a_bucket_lets_through_its_burst_and_then_its_rate() -> None:
    buckets = Buckets(rate=10, burst=3)
    assert [buckets.take("a", 0.0) for _ in range(5)] == [0, 0, 0, 0.1, 0.1]
    assert buckets.take("b", 0.0) == 0
    assert [buckets.take("a", 0.1), buckets.take("a", 0.1)] == [0, pytest.approx(0.1)]
    assert [buckets.take("a", 100.0) == 0 for _ in range(4)] == [True, True, True, False]


def test_a_bucket_of_rate_0_has_no_limit() -> None:
    buckets = Buckets(rate=0, burst=0)
    assert not any(buckets.take("a", 0.0) for _ in range(1000)) and len(buckets) == 0


def test_buckets_of_many_callers_do_not_grow_without_end() -> None:
    buckets = Buckets(rate=0.001, burst=1, most=10)
    for number in range(1000):
        buckets.take("always", 0.0)
        buckets.take(str(number), 0.0)
    assert len(buckets) == 10
    assert buckets.take("always", 0.0) > 0  # whoever still asks is not forgotten


def test_a_neighbourhood_of_ipv6_is_one_caller() -> None:
    assert whence("2001:db8::1") == whence("2001:db8::ffff:1") != whence("2001:db8:0:1::1")
    assert whence("::ffff:192.0.2.1") == whence("192.0.2.1") != whence("192.0.2.2")


def _depth(value: Any) -> int:
    inside = list(value.values()) if isinstance(value, dict) else value if isinstance(value, list) else None
    return 0 if inside is None else 1 + max(map(_depth, inside), default=0)


TEXTS = st.text(alphabet='[]{}"\\a\n\u00e9')
VALUES = st.recursive(
    TEXTS | st.integers(), lambda inner: st.lists(inner) | st.dictionaries(TEXTS, inner), max_leaves=20
)


@given(VALUES, st.booleans())
def test_depth_is_what_a_parser_finds(value: Any, ascii_: bool) -> None:
    assert depth(json.dumps(value, ensure_ascii=ascii_).encode()) == _depth(value)


@pytest.mark.parametrize("text", [b'"' + b'\\"' * 500_000, b'"' * 1_000_000, b"[" * 1_000_000, b'"a\\' * 300_000])
def test_depth_takes_no_longer_for_what_is_no_json(text: bytes) -> None:
    begin = time.process_time()
    depth(text)
    assert time.process_time() - begin < 10  # a tenth of a second; many minutes where it begins anew at each quote


# -- a server ---------------------------------------------------------------------------------------------------------


def fault(answer: Any) -> tuple[int, str]:
    return answer.status, answer.body["NeutronError"]["type"]


def test_a_neutron_body_may_have_a_mebibyte(opened: Running) -> None:
    big = b'{"network": "' + b"x" * LARGEST_NEUTRON + b'"}'
    assert fault(opened.ask("/v2.0/networks", "POST", big)) == (413, "HTTPRequestEntityTooLarge")
    fits = b'{"network": "' + b"x" * (LARGEST_NEUTRON - 15) + b'"}'
    assert len(fits) == LARGEST_NEUTRON
    assert opened.ask("/v2.0/networks", "POST", fits).status in (400, 404, 405)
    assert opened.ask("/v1/apply", "POST", b"# " + big + b"\nnetworks: {}").status == 200


def test_a_body_that_does_not_say_its_length_is_counted(opened: Running) -> None:
    with contextlib.closing(opened.connect()) as connection:
        parts = iter([b'"' + b"x" * 70_000] * 20)
        connection.request("POST", "/v2.0/networks", parts, encode_chunked=True)
        answer = connection.getresponse()
        assert (answer.status, json.loads(answer.read())["NeutronError"]["type"]) == (413, "HTTPRequestEntityTooLarge")


def test_a_body_may_not_be_deep(opened: Running) -> None:
    for nested in (DEEPEST + 1, 100_000):
        answer = opened.ask("/v2.0/networks", "POST", b"[" * nested + b"]" * nested)
        assert fault(answer) == (400, "MalformedRequestBody") and "nested" in answer.body["NeutronError"]["message"]
    answer = opened.ask("/v2.0/networks", "POST", b"[" * DEEPEST + b"]" * DEEPEST)
    assert b"nested" not in json.dumps(str(answer.body)).encode()
    assert opened.ask("/v1/delete", "POST", b"[" * 100_000 + b"]" * 100_000).status == 400
    assert opened.ask("/v1/apply", "POST", b"[" * 100_000 + b"]" * 100_000).status == 400


def test_one_caller_is_slowed_down_and_the_unix_socket_is_not() -> None:
    with running("--rate", "5") as server:

        def statuses(connection: http.client.HTTPConnection, path: str = "/v1/objects/node") -> list[int]:
            found = []
            for _ in range(100):
                connection.request("GET", path)
                answer = connection.getresponse()
                data = answer.read()
                found.append(answer.status)
                if answer.status == 429:
                    assert int(answer.headers["Retry-After"]) >= 1
                    assert "too many requests" in str(json.loads(data))
            return found

        with contextlib.closing(server.connect()) as connection:
            found = statuses(connection)
            assert found[:10] == [200] * 10 and found.count(429) > 30
            assert statuses(connection, "/v2.0/networks").count(429) > 30
            time.sleep(0.5)
            connection.request("GET", "/v1/objects/node")
            assert connection.getresponse().status == 200
        with contextlib.closing(server.connect(unix=True)) as connection:
            assert statuses(connection) == [200] * 100
    with running("--rate", "0") as server, contextlib.closing(server.connect()) as connection:
        for _ in range(300):
            connection.request("GET", "/v1/objects/node")
            answer = connection.getresponse()
            answer.read()
            assert answer.status == 200


def test_there_are_so_many_connections_and_no_more() -> None:
    with running("--connections", "3") as server:
        with contextlib.ExitStack() as stack:
            held = [stack.enter_context(socket.create_connection(server.address)) for _ in range(3)]
            time.sleep(0.2)
            with socket.create_connection(server.address, 5) as one_more:
                assert one_more.recv(1000).startswith(b"HTTP/1.1 503 ")
            assert server.ask("/v1/objects", unix=True).status == 200
            held[0].sendall(b"GET /v1/objects HTTP/1.1\r\nHost: x\r\n\r\n")
            assert held[0].recv(1000).startswith(b"HTTP/1.1 200 ")
        time.sleep(0.2)
        assert server.ask("/v1/objects").status == 200
        assert "as many as there may be" in server.log()


@pytest.mark.slow
def test_a_connection_that_asks_for_nothing_is_ended(opened: Running) -> None:
    with socket.create_connection(opened.address, 90) as silent, socket.create_connection(opened.address, 90) as slow:
        slow.sendall(b"GET /v1/objects HTTP/1.1\r\nHost: x\r\n\r\n")
        received = b""
        while b"\r\n\r\n{" not in received or not received.endswith(b"}"):
            received += slow.recv(4000)
        slow.sendall(b"GET /v1/objects HTTP/1.1\r\n")
        assert silent.recv(1) == b"" and slow.recv(1) == b""


def test_answers_on_a_connection_that_stays_are_not_held_back(opened: Running) -> None:
    """By Nagle's algorithm, which waits for the acknowledgement of the head, 40 ms, before it sends the body."""
    with contextlib.closing(opened.connect()) as connection:
        took = []
        for _ in range(50):
            begin = time.monotonic()
            connection.request("GET", "/v1/objects/node")
            connection.getresponse().read()
            took.append(time.monotonic() - begin)
        assert sorted(took)[10] < 0.035, "of most; the kernel acknowledges the first few at once in any case"
