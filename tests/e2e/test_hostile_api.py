"""Peers that are wrong, hostile, slow or many: each gets a clear answer, and costs nobody else anything.

A server alone, and clients and agents that the test itself plays: no root, no switch.
"""

from __future__ import annotations

import contextlib
import http.client
import ipaddress
import json
import random
import socket
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from websockets.exceptions import ConnectionClosed
from websockets.sync.client import ClientConnection, unix_connect

from segue.model.protocol import PROTOCOL

from .fabric import ApiError, Fabric

MB = 1 << 20
BASE = {
    "nodes": ["n1", "n2"],
    "networks": {"web": "10.0.0.0/16"},
    "ports": {
        "client": {"network": "web", "node": "n1", "address": "10.0.0.10"},
        "server": {"network": "web", "node": "n2", "address": "10.0.0.20"},
    },
    "instances": {"a": "n2", "b": "n2"},
}


class Server(Fabric):
    """A server with no network to lead."""

    def __enter__(self) -> Server:
        self.start_server()
        return self

    def close(self) -> None:
        for name in list(self.processes):
            self.kill(name)

    def resident(self) -> int:
        """Bytes of memory that the server has."""
        text = Path(f"/proc/{self.processes['server'].pid}/status").read_text()
        return int(next(line for line in text.splitlines() if line.startswith("VmRSS")).split()[1]) * 1024

    def connect(self, timeout: float = 20) -> socket.socket:
        sock = socket.socket(socket.AF_UNIX)
        sock.settimeout(timeout)
        sock.connect(self.socket)
        return sock

    def raw(self, method: str, path: str, body: bytes = b"", headers: dict[str, str] | None = None) -> tuple[int, str]:
        """Status and text of whatever comes back, though the server may answer before it has read all."""
        connection = http.client.HTTPConnection("segue", timeout=60)
        connection.sock = self.connect(60)
        try:
            connection.putrequest(method, path, skip_accept_encoding=True)
            for name, value in {"content-length": str(len(body)), **(headers or {})}.items():
                connection.putheader(name, value)
            connection.endheaders()
            with contextlib.suppress(BrokenPipeError, ConnectionResetError):
                connection.send(body)
            response = connection.getresponse()
            return response.status, response.read().decode()
        finally:
            connection.close()

    def refused(self, method: str, path: str, body: bytes = b"", **headers: str) -> tuple[int, str]:
        """Status and error; every refusal is JSON with an error that fits on a page."""
        status, text = self.raw(method, path, body, headers)
        assert 400 <= status < 600, (status, text)
        error = json.loads(text)["error"]
        assert isinstance(error, str) and 0 < len(error) < 5000, error[:200]
        return status, error

    def agent(self) -> ClientConnection:
        return unix_connect(self.socket, "ws://segue/v1/agent", compression=None, max_size=None)

    @contextlib.contextmanager
    def registered(self, node: str) -> Iterator[ClientConnection]:
        with self.agent() as connection:
            connection.send(register(node))
            yield connection


def register(node: str, protocol: int = PROTOCOL) -> bytes:
    return json.dumps({"type": "register", "node": node, "protocol": protocol, "version": "test"}).encode()


def said(connection: ClientConnection) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(connection.recv(10))
    return found


def addresses(connection: ClientConnection) -> set[str]:
    """Of the ports that the next message tells of."""
    records = said(connection).get("records", {})
    ports = [record for key, record in records.items() if key.startswith("port/") and record]
    return {str(ipaddress.ip_address(value)) for port in ports for family, value in port[6] if family == 4}


def refusal(connection: ClientConnection) -> str:
    """Why the server refuses this agent; then it has hung up."""
    found = said(connection)
    assert found["type"] == "refuse", found
    with pytest.raises(ConnectionClosed):
        connection.recv(10)
    return str(found["reason"])


@pytest.fixture(scope="module")
def running() -> Iterator[Server]:
    with Server() as server:
        yield server


@pytest.fixture
def server(running: Server) -> Server:
    running.apply(BASE, wait=0, ready=False)
    return running


def alive(server: Server) -> None:
    begun = time.monotonic()
    assert {port["name"] for port in server.get("/v1/objects/port")} >= {"client", "server"}
    assert time.monotonic() - begun < 8, "the server is slow to answer"


# -- requests ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("GET", "/elsewhere", 404),
        ("GET", "/nope", 404),
        ("GET", "/v1/nope", 404),
        ("GET", "/v1/objects/chain/nope", 404),
        ("GET", "/v1/objects/colour", 404),
        ("GET", "/v1/objects/chain/..%2f..%2fetc%2fpasswd", 404),
        ("GET", "/v1/objects/chain/%00", 404),
        ("GET", "/v1/flows/nope", 404),
        ("GET", "/v1/trace", 400),
        ("GET", "/v1/trace?flow=rubbish", 400),
        ("GET", "/v1/text?form=xml", 400),
        ("PUT", "/v1/apply", 405),
        ("GET", "/v1/apply", 405),
        ("POST", "/v1/apply?wait=soon", 400),
        ("POST", "/v1/apply?wait=-1", 400),
        ("POST", "/v1/apply?wait=nan", 400),
        ("POST", "/v1/apply?wait=1e9", 400),
        ("POST", "/v1/apply?dry_run=perhaps", 400),
    ],
)
def test_every_refusal_is_json_and_says_why(server: Server, method: str, path: str, status: int) -> None:
    assert server.refused(method, path)[0] == status


@pytest.mark.parametrize(
    "body",
    [b"\xff\xfe", b"\0", b"{", b"]", b"- [", b"[]", b'"text"', b"17", b"chains: 17", b"chains: [1, 2]", b"a: &x [*x]"],
    ids=repr,
)
def test_bodies_that_are_no_intent(server: Server, body: bytes) -> None:
    assert server.refused("POST", "/v1/apply", body)[0] == 400
    assert server.refused("POST", "/v1/delete-file", body)[0] == 400


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{",
        b"[]",
        b"{}",
        b'{"refs": 1}',
        b'{"refs": [["chain"]]}',
        b'{"refs": [["chain", 5]]}',
        b'{"refs": [null]}',
    ],
    ids=repr,
)
def test_deletions_that_are_none(server: Server, body: bytes) -> None:
    assert server.refused("POST", "/v1/delete", body, **{"content-type": "application/json"})[0] == 400


def test_random_bytes(server: Server) -> None:
    rng = random.Random(3)
    for _ in range(40):
        body = rng.randbytes(rng.randint(1, 2000))
        assert server.refused("POST", "/v1/apply", body)[0] == 400
    alive(server)


@pytest.mark.parametrize(("opening", "closing"), [("[", "]"), ('{"a":', "}")])
def test_deep_nesting(server: Server, opening: str, closing: str) -> None:
    deep = (opening * 200_000 + "1" + closing * 200_000).encode()
    for path in ("/v1/apply", "/v1/delete", "/v1/delete-file"):
        assert server.refused("POST", path, deep, **{"content-type": "application/json"})[0] == 400
    alive(server)


def test_names_of_ten_thousand_characters(server: Server) -> None:
    name = "x" * 10_000
    status, error = server.refused("POST", "/v1/apply", json.dumps({"networks": {name: "10.1.0.0/24"}}).encode())
    assert status == 400 and "10000 characters long" in error
    status, error = server.refused("POST", "/v1/apply", json.dumps({"ports": {"p": {"network": name}}}).encode())
    assert status == 400 and "10000 characters long" in error
    assert server.refused("GET", f"/v1/objects/chain/{name}")[0] == 404
    assert server.refused("GET", f"/v1/objects/{name}")[0] == 404
    refs = json.dumps({"refs": [["chain", name]]}).encode()
    assert server.refused("POST", "/v1/delete", refs, **{"content-type": "application/json"})[0] == 404
    assert server.refused("GET", f"/v1/trace?flow={name}")[0] == 400
    assert server.raw("POST", f"/v1/apply?source={name}", b"chains: 17")[0] == 400
    with contextlib.suppress(ConnectionError):  # so long an address is not read to its end
        assert server.raw("GET", f"/v1/objects/chain/{'y' * 300_000}")[0] in (400, 414, 431)
    alive(server)


def test_bodies_beyond_64_mib(server: Server) -> None:
    before = server.resident()
    for size, expected in ((64 * MB + 1, 400), (66 * MB, 413), (90 * MB, 413)):
        status, error = server.refused("POST", "/v1/apply", b" " * size)
        assert status == expected and "64 MiB; split it" in error, error
    # One that only says that it is large is not waited for.
    with server.connect() as sock:
        sock.sendall(b"POST /v1/apply HTTP/1.1\r\nhost: x\r\ncontent-length: 999999999999\r\n\r\n")
        assert b" 413 " in sock.recv(4096)
    # One that does not say how large it is, is cut off.
    with server.connect(60) as sock:
        sock.sendall(b"POST /v1/apply HTTP/1.1\r\nhost: x\r\ntransfer-encoding: chunked\r\n\r\n")
        chunk = b"%x\r\n" % MB + b" " * MB + b"\r\n"
        with contextlib.suppress(BrokenPipeError, ConnectionResetError):
            for _ in range(100):
                sock.sendall(chunk)
        assert b" 413 " in sock.recv(4096)
    alive(server)
    assert server.resident() - before < 400 * MB


def test_half_requests_cost_nobody_else(server: Server) -> None:
    halves = [server.connect() for _ in range(300)]
    try:
        for sock in halves:
            sock.sendall(b"POST /v1/apply HTTP/1.1\r\nhost: x\r\ncontent-length: 100\r\n\r\nchains:")
        alive(server)
        assert server.apply(BASE, wait=0, ready=False)["changes"] == []
    finally:
        for sock in halves:
            sock.close()
    alive(server)


# -- agents ------------------------------------------------------------------------------------------------------------

GARBAGE: list[str | bytes] = [
    "text where bytes belong",
    b"",
    b"\xff\x00\x01",
    b"{",
    b"null",
    b"[" * 100_000,
    b'{"type": "register"}',
    b'{"type": "register", "node": 7, "protocol": 1, "version": "x"}',
    b'{"type": "nonsense"}',
]


@pytest.mark.parametrize("garbage", GARBAGE, ids=lambda g: repr(g)[:30])
def test_garbage_instead_of_a_registration(server: Server, garbage: str | bytes) -> None:
    with server.agent() as connection:
        connection.send(garbage)
        assert "not an agent's message" in refusal(connection)
    alive(server)


@pytest.mark.parametrize("garbage", GARBAGE, ids=lambda g: repr(g)[:30])
def test_garbage_behind_a_registration(server: Server, garbage: str | bytes) -> None:
    with server.registered("n1") as connection:
        assert said(connection)["type"] == "sync"
        connection.send(garbage)
        assert "not an agent's message" in refusal(connection)
    server.until(lambda: state(server, "n1") == "absent", "the server to miss n1")


def state(server: Server, node: str) -> str:
    nodes = server.get("/v1/status?count=false")["nodes"]
    return str(next(found["state"] for found in nodes if found["name"] == node))


def test_who_does_not_register_first_is_refused(server: Server) -> None:
    with server.agent() as connection:
        connection.send(b'{"type": "seen", "ports": []}')
        assert refusal(connection) == "an agent registers first"


@pytest.mark.parametrize("name", ["x" * 10_000, "", "../n1", "n 1", "\0"], ids=lambda name: name[:5])
def test_a_name_that_no_node_can_have_is_refused(server: Server, name: str) -> None:
    with server.agent() as connection:
        connection.send(register(name))
        reason = refusal(connection)
    assert "name" in reason and len(reason) < 300, reason


def test_another_protocol_is_refused_with_both_numbers(server: Server) -> None:
    with server.agent() as connection:
        connection.send(register("n1", PROTOCOL + 7))
        reason = refusal(connection)
    assert f"speaks protocol {PROTOCOL}" in reason and f"the agent {PROTOCOL + 7}" in reason


def test_the_second_agent_of_a_node_takes_over(server: Server) -> None:
    with server.registered("n1") as first, server.registered("n1") as second:
        assert said(first)["type"] == "sync"
        assert "another agent has registered for node n1" in refusal(first)
        whole = said(second)
        assert whole["type"] == "sync" and whole["whole"]
        second.send(json.dumps({"type": "applied", "epoch": whole["epoch"], "revision": whole["revision"]}).encode())
        server.until(lambda: state(server, "n1") == "ready", "n1 to be ready")
    server.until(lambda: state(server, "n1") == "absent", "the server to miss n1")


def test_an_agent_that_boasts_is_believed_no_more_than_it_was_told(server: Server) -> None:
    with server.registered("n2") as boaster:
        whole = said(boaster)
        boast = {"type": "applied", "epoch": whole["epoch"], "revision": 1 << 60, "missing": {"99": ["x"]}}
        boaster.send(json.dumps(boast).encode())
        server.until(lambda: state(server, "n2") == "ready", "n2 to be ready")
        chain = {"match": {"from": "server", "to": "client", "protocol": "udp"}, "through": ["a"]}
        waiting = server.apply({"chains": {"boasted": chain}}, wait=0.2, ready=False)["waiting"]
        assert any("n2" in reason for reason in waiting), waiting
    server.delete(("chain", "boasted"), wait=0)


def test_answers_that_are_none_spoil_no_status(server: Server) -> None:
    with server.registered("n1") as liar:

        def lie() -> None:
            with contextlib.suppress(ConnectionClosed, TimeoutError):
                while True:
                    told = json.loads(liar.recv(5))
                    if told["type"] == "query":
                        liar.send(json.dumps({"type": "answer", "id": told["id"], "result": ["nonsense"]}).encode())

        thread = threading.Thread(target=lie, daemon=True)
        thread.start()
        status = server.status()
        assert any("n1" in reason for reason in status["unread"]), status["unread"]
        liar.close()
        thread.join(10)


def test_many_agents_of_unknown_nodes_leave_nothing_behind(server: Server) -> None:
    def strangers(numbers: range) -> None:
        for number in numbers:
            with server.registered(f"stranger{number}") as connection:
                connection.send(json.dumps({"type": "seen", "ports": [f"p{number}-{i}" for i in range(1000)]}).encode())
                connection.ping().wait(10)

    strangers(range(100))
    before = server.resident()
    strangers(range(100, 400))
    assert server.resident() - before < 10 * MB
    alive(server)


def test_an_agent_that_never_reads_costs_nobody_else(server: Server) -> None:
    """It registers, and then lets everything lie, while its node's view changes all the time."""
    with server.connect() as deaf, server.registered("n2") as other:
        deaf.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        deaf.sendall(
            b"GET /v1/agent HTTP/1.1\r\nhost: segue\r\nupgrade: websocket\r\nconnection: upgrade\r\n"
            b"sec-websocket-version: 13\r\nsec-websocket-key: MDEyMzQ1Njc4OWFiY2RlZg==\r\n\r\n"
        )
        assert b" 101 " in deaf.recv(200)
        payload = register("n1")
        mask = b"\0\0\0\0"
        deaf.sendall(bytes([0x82, 0x80 | len(payload)]) + mask + payload)
        server.until(lambda: state(server, "n1") != "absent", "n1 to be registered")
        whole = said(other)
        assert whole["type"] == "sync"

        def change(number: int) -> None:
            ports = {
                f"p{i}": {"network": "web", "node": "n1", "address": f"10.0.{1 + i // 200}.{1 + (number + i) % 200}"}
                for i in range(1000)
            }
            ports["server"] = {"network": "web", "node": "n2", "address": f"10.0.100.{number % 200}"}
            server.apply({"ports": ports}, wait=0, ready=False)

        for number in range(20):
            change(number)
        before, slowest = server.resident(), 0.0
        for number in range(20, 100):
            begun = time.monotonic()
            change(number)
            while f"10.0.100.{number}" not in addresses(other):
                pass
            slowest = max(slowest, time.monotonic() - begun)
        assert slowest < 15, f"the other agent waited {slowest:.1f} s"
        assert server.resident() - before < 5 * MB
        begun = time.monotonic()
        assert any("n1" in reason for reason in server.status()["unread"])
        assert time.monotonic() - begun < 15
    names = [f"p{i}" for i in range(1000)]
    server.delete(*(("port", name) for name in names), wait=0)


# -- many at once ------------------------------------------------------------------------------------------------------


def pair(tag: int) -> dict[str, Any]:
    """Two chains, their classifiers and groups, that must always carry one tag."""

    def chain(source: str, to: str) -> dict[str, Any]:
        match = {"from": source, "to": to, "protocol": "udp", "source_ports": tag}
        return {"match": match, "through": [["a", "b"] if tag % 2 else ["b", "a"]], "precedence": tag}

    return {"chains": {"left": chain("client", "server"), "right": chain("server", "client")}}


def consistent(objects: dict[str, Any]) -> int | None:
    """The tag of all, or None when neither chain is there. Fails on anything in between."""
    chains = {chain["name"]: chain for chain in objects["chain"] if chain["name"] in ("left", "right")}
    owned = [thing for kind in ("classifier", "group") for thing in objects[kind] if thing.get("owner")]
    if not chains:
        assert not owned, owned
        return None
    assert len(chains) == 2 and len(owned) == 4, (chains, owned)
    tags = {tuple(thing["source_ports"]) for thing in objects["classifier"]}
    assert len(tags) == 1, tags
    (tag,) = {low for low, _ in tags}
    members = ["a", "b"] if tag % 2 else ["b", "a"]
    assert all(group["instances"] == members for group in objects["group"]), (tag, objects["group"])
    assert {chain["precedence"] for chain in chains.values()} == {tag}, (tag, chains)
    return tag


def test_twenty_writers_never_leave_a_mixture(server: Server) -> None:
    stop = threading.Event()
    seen: set[int | None] = set()

    def write(writer: int) -> int:
        rng, done = random.Random(writer), 0
        for number in range(12):
            try:
                if rng.random() < 0.2:
                    server.delete(("chain", "left"), ("chain", "right"), wait=0)
                else:
                    server.apply(pair(1000 + writer * 100 + number), wait=0, ready=False)
                done += 1
            except ApiError as error:
                assert error.status == 404, error  # another writer has deleted them
        return done

    def read() -> None:
        while not stop.is_set():
            seen.add(consistent(server.get("/v1/objects")))

    with ThreadPoolExecutor(24) as pool:
        readers = [pool.submit(read) for _ in range(2)]
        writers = [pool.submit(write, number) for number in range(20)]
        assert sum(writer.result() for writer in writers) > 100
        stop.set()
        for reader in readers:
            reader.result()
    assert len(seen) > 10
    last = consistent(server.get("/v1/objects"))
    server.kill("server")
    server.start_server()
    assert consistent(server.get("/v1/objects")) == last
    if last is not None:
        server.delete(("chain", "left"), ("chain", "right"), wait=0)
