"""The stream of events as it goes over a connection."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import socket
import time
from collections.abc import AsyncGenerator, Iterator
from typing import Any

import pytest
import uvicorn
from api_server import Running, Tokens, running

from segue.api import connections, events
from segue.server.news import Event


@contextlib.contextmanager
def stream(server: Running, query: str = "", *headers: str) -> Iterator[socket.socket]:
    with socket.create_connection(server.address, timeout=10) as connection:
        lines = [f"GET /v1/events{query} HTTP/1.0", "Host: segue", *headers, "", ""]
        connection.sendall("\r\n".join(lines).encode())
        yield connection


def until(connection: socket.socket, wanted: str) -> str:
    text = ""
    while wanted not in text:
        part = connection.recv(65536)
        assert part, text
        text += part.decode()
    return text


def put(server: Running, name: str, address: str) -> None:
    answer = server.ask(f"/v1/objects/node/{name}", "PUT", json.dumps({"address": address}).encode())
    assert answer.status in (200, 201), answer


def test_a_stream_says_what_there_is_and_what_happens() -> None:
    with running() as server:
        put(server, "n1", "192.0.2.1")
        with stream(server) as connection:
            text = until(connection, '"absent"')
            assert "content-type: text/event-stream" in text
            assert 'event: added\ndata: {"kind":"node","name":"n1"' in text
            assert 'id: 1\nevent: listed\ndata: {"revision":1,"count":1}\n\n' in text
            put(server, "n1", "192.0.2.2")
            text = until(connection, "\n\n")
            assert text.startswith('id: 2\nevent: changed\ndata: {"kind":"node","name":"n1","object":')


def test_a_stream_goes_on_where_it_broke_off_even_over_a_restart(tmp_path: Any) -> None:
    with running("--data", str(tmp_path)) as server:
        for number in (1, 2, 3):
            put(server, f"n{number}", f"192.0.2.{number}")
        with stream(server, "?since=0", "Last-Event-ID: 2") as connection:
            text = until(connection, "id: 3\n")
            assert "added" in text
            assert "id: 2" not in text
    with running("--data", str(tmp_path)) as server:
        with stream(server, "", "Last-Event-ID: 2") as connection:
            text = until(connection, "192.0.2.3")
            assert "n3" in text
            assert 'added\ndata: {"kind":"node","name":"n1"' not in text
            assert "reset" not in text


@pytest.mark.parametrize(
    ("query", "header", "status"),
    [
        ("?since=-1", "", 400),
        ("?since=soon", "", 400),
        ("?name=x", "", 400),
        ("?kind=colour", "", 404),
        ("?kind=node&name=%00", "", 400),
        ("?kind=node&name=", "", 400),
        ("?kind=node&name=a/b", "", 400),
        ("", "Last-Event-ID: x", 400),
        ("", "Last-Event-ID: \u00b2", 400),
        ("", "Last-Event-ID: " + "9" * 5000, 400),
    ],
)
def test_what_is_no_place_in_it_is_refused(opened: Running, query: str, header: str, status: int) -> None:
    with socket.create_connection(opened.address, timeout=10) as connection:
        lines = [f"GET /v1/events{query} HTTP/1.0", "Host: segue", *([header] if header else []), "", ""]
        connection.sendall("\r\n".join(lines).encode("latin-1"))
        text = connection.makefile("rb").read().decode()
    assert text.startswith(f"HTTP/1.1 {status} ")
    assert '"error"' in text


def test_many_readers_leave_nothing_behind(opened: Running) -> None:
    descriptors = f"/proc/{opened.process.pid}/fd"
    put(opened, "n1", "192.0.2.1")
    before = len(os.listdir(descriptors))  # noqa: PTH208
    with contextlib.ExitStack() as all_:
        some = [all_.enter_context(stream(opened)) for _ in range(100)]
        for connection in some:
            until(connection, "listed")
        put(opened, "n1", "192.0.2.9")
        for connection in some:
            until(connection, "192.0.2.9")
        assert len(os.listdir(descriptors)) > 100  # noqa: PTH208
    end = time.monotonic() + 5
    while len(os.listdir(descriptors)) > before and time.monotonic() < end:  # noqa: PTH208
        time.sleep(0.05)
    assert len(os.listdir(descriptors)) <= before  # noqa: PTH208


def test_a_server_with_readers_stops_at_once() -> None:
    with running() as server, stream(server) as connection:
        until(connection, "listed")
        server.process.terminate()
        server.process.wait(20)
        assert connection.recv(100) == b""
        assert "graceful shutdown exceeded" not in server.log(), "they were waited for, and cut off"


def test_a_stream_ends_with_its_token(guarded: Running, tokens: Tokens) -> None:
    token = tokens.make("reader", "admin", "--id", "watcher")
    with stream(guarded) as connection:
        assert "401" in until(connection, "\r\n")
    with stream(guarded, "", f"Authorization: Bearer {token}") as connection:
        until(connection, "listed")
        tokens("revoke", "watcher")
        connection.settimeout(5)
        while connection.recv(65536):
            pass


def test_a_reader_that_takes_nothing_is_left(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(events, "PATIENCE", 0.1)
    closed: list[bool] = []

    async def batches() -> AsyncGenerator[list[Event], None]:
        try:
            while True:
                yield [Event("removed", b"{}")]
        finally:
            closed.append(True)

    async def send(message: Any) -> None:
        if b"removed" in message.get("body", b""):
            await asyncio.Event().wait()

    async def receive() -> Any:
        await asyncio.Event().wait()

    async def main() -> None:
        async with asyncio.timeout(5):
            await events.Stream(batches())({}, receive, send)
        assert closed == [True]
        assert len(asyncio.all_tasks()) == 1

    asyncio.run(main())


def test_the_connection_of_a_reader_that_takes_nothing_is_cut(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """And one that takes it slowly is not."""
    monkeypatch.setattr(events, "PATIENCE", 0.3)
    monkeypatch.setattr(connections, "SILENCE", 0.4)
    size = 8 << 20

    async def app(scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] == "lifespan":
            return
        if scope["path"] == "/large":
            await send({"type": "http.response.start", "status": 200, "headers": []})
            await send({"type": "http.response.body", "body": bytes(size)})
            return
        await events.Stream(endless())(scope, receive, send)

    async def endless() -> AsyncGenerator[list[Event], None]:
        while True:
            yield [Event("removed", b" " * 4096)]

    async def main() -> None:
        config = uvicorn.Config(app, http=connections.bounded(9), log_config=None, lifespan="off", access_log=False)
        server = uvicorn.Server(config)
        listening = socket.create_server(("127.0.0.1", 0))
        serving = asyncio.create_task(server.serve([listening]))
        address = listening.getsockname()
        with socket.create_connection(address) as deaf:
            deaf.sendall(b"GET / HTTP/1.0\r\n\r\n")
            reader, writer = await asyncio.open_connection(*address, limit=1 << 16)
            writer.write(b"GET /large HTTP/1.0\r\n\r\n")
            taken = 0
            while part := await reader.read(1 << 18):
                taken += len(part)
                await asyncio.sleep(0.05)
            writer.close()
            assert taken > size
            async with asyncio.timeout(10):
                while server.server_state.connections:  # noqa: ASYNC110
                    await asyncio.sleep(0.05)
        server.should_exit = True
        await serving

    asyncio.run(main())
    assert "took nothing" in caplog.text
