"""``segue get --watch``, as a process: what it prints, how it comes back, how it ends."""

from __future__ import annotations

import contextlib
import json
import re
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from queue import Empty, Queue
from threading import Thread
from typing import IO

import pytest
from cli_session import Ran, Session

from segue.cli.main import main
from segue.cli.watch import AsTable, Event, events


class Watching:
    """The command, with its lines as they come."""

    def __init__(self, url: str, *words: str) -> None:
        command = [sys.executable, "-m", "segue", "get", *words, "--server", url]
        self.process = subprocess.Popen(
            command,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            # Whoever was started in the background ignores Ctrl-C, and so would this.
            preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
        )
        assert self.process.stdout is not None
        assert self.process.stderr is not None
        self.out, self.err = _lines(self.process.stdout), _lines(self.process.stderr)

    def __enter__(self) -> Watching:
        return self

    def __exit__(self, *_: object) -> None:
        self.process.kill()
        self.process.wait()

    def until(self, pattern: str, lines: Queue[str] | None = None) -> list[str]:
        """Lines up to the first that matches."""
        seen: list[str] = []
        while not (seen and re.search(pattern, seen[-1])):
            try:
                seen.append((lines or self.out).get(timeout=20))
            except Empty:
                raise AssertionError(f"{pattern} did not come after {seen}") from None
        return seen

    def interrupted(self) -> int:
        self.process.send_signal(signal.SIGINT)
        return self.process.wait(10)


def _lines(stream: IO[str]) -> Queue[str]:
    lines: Queue[str] = Queue()

    def read() -> None:
        with stream:
            for line in stream:
                lines.put(line.rstrip("\n"))

    Thread(target=read, daemon=True).start()
    return lines


@contextlib.contextmanager
def serving(directory: Path, port: int) -> Iterator[str]:
    words = ["--listen", f"127.0.0.1:{port}", "--data", str(directory), "--socket", str(directory / "sock")]
    with (directory / "log").open("w") as log:
        process = subprocess.Popen(
            [sys.executable, "-m", "segue", "server", *words], stdout=subprocess.PIPE, stderr=log, text=True
        )
    try:
        assert process.stdout is not None
        said = re.search(r"serving on (\S+)", process.stdout.readline())
        assert said, (directory / "log").read_text()
        yield said[1]
    finally:
        process.terminate()
        process.wait(10)
        assert process.stdout is not None
        process.stdout.close()


def test_a_table_and_then_a_line_for_each_change(segue: Session) -> None:
    segue("apply", "--no-wait", "-", stdin="nodes: {n1: 192.0.2.1}")
    with Watching(segue.url, "nodes", "-w") as watching:
        assert watching.until("^status") == [
            "NODE  ADDRESS    ENCAPSULATIONS",
            "n1    192.0.2.1  nsh, mpls",
            "status   node/n1  absent: no agent connected; its switch goes on forwarding as it is",
        ]
        segue("apply", "--no-wait", "-", stdin="nodes: {n2: 192.0.2.2}")
        assert watching.until("^status") == [
            "added    node/n2  address: 192.0.2.2; encapsulations: nsh, mpls",
            "status   node/n2  absent: no agent connected; its switch goes on forwarding as it is",
        ]
        segue("apply", "--no-wait", "-", stdin="nodes: {n2: {address: 192.0.2.3, label: second}}")
        assert watching.until("^changed") == [
            'changed  node/n2  label: default -> "second"; address: "192.0.2.2" -> "192.0.2.3"'
        ]
        segue("delete", "--no-wait", "node/n2")
        assert watching.until("^removed") == ["removed  node/n2"]
        assert watching.interrupted() == 130
        assert watching.err.empty()


def test_json_is_one_object_a_line(segue: Session) -> None:
    with Watching(segue.url, "network", "web", "-w", "-o", "json") as watching:
        (listed,) = watching.until("listed")
        assert json.loads(listed)["count"] == 0
        segue("apply", "--no-wait", "-", stdin="networks: {web: 10.0.0.0/24, lan: 10.0.1.0/24}")
        (added,) = watching.until("added")
        assert json.loads(added) == {"event": "added", "kind": "network", "name": "web", "object": {"name": "web"}}


def test_a_lost_connection_is_made_again_and_nothing_is_missed() -> None:
    with tempfile.TemporaryDirectory(prefix="segue-") as name, socket.socket() as chosen:
        directory = Path(name)
        chosen.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        chosen.bind(("127.0.0.1", 0))
        port = chosen.getsockname()[1]
        chosen.close()
        with serving(directory, port) as url:
            _segue("apply", "--no-wait", "-", url=url, text="networks: {web: 10.0.0.0/24}")
            watching = Watching(url, "all", "--watch")
            watching.until("^web +web")
        with watching:
            (said,) = watching.until("trying again", watching.err)
            assert said.startswith("segue: ")
            time.sleep(2)  # it tries again and again, and says so once
            with serving(directory, port):
                # As soon as it is there, before the watching one has come back, or after.
                _segue("apply", "--no-wait", "-", url=url, text="networks: {web: {}, lan: 10.0.1.0/24}")
                _segue("delete", "--no-wait", "subnet/lan", url=url)
                assert len(watching.until("connected to .* again", watching.err)) == 1
                seen = watching.until("removed  subnet/lan")
                assert {line.split()[1] for line in seen} == {"network/lan", "subnet/web", "subnet/lan"}
                assert watching.interrupted() == 130


def _segue(*words: str, url: str, text: str = "") -> None:
    command = [sys.executable, "-m", "segue", *words, "--server", url]
    subprocess.run(command, input=text, text=True, check=True, capture_output=True, timeout=20)


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("paths", "-w"), "paths cannot be watched"),
        (("all", "x", "-w"), "takes no name"),
        (("chains", "-w", "-o", "yaml"), "write: -o json"),
        (("chains", "-w", "-o", "name"), "write: -o json"),
    ],
)
def test_what_cannot_be_watched_is_refused(nowhere: Session, words: tuple[str, ...], said: str) -> None:
    ran: Ran = nowhere("get", *words)
    assert (ran.status, said in ran.err) == (2, True)


def test_without_a_server_it_does_not_wait(nowhere: Session) -> None:
    begun = time.monotonic()
    assert nowhere("get", "chains", "-w").status == 1
    assert time.monotonic() - begun < 20


def test_what_is_no_stream_is_no_server(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listening:

        def answer() -> None:
            connection, _ = listening.accept()
            with connection:
                connection.recv(4096)
                connection.sendall(b"HTTP/1.0 404 Not Found\r\n\r\n<html>")

        Thread(target=answer, daemon=True).start()
        port = listening.getsockname()[1]
        assert main(["get", "chains", "-w", "--server", f"http://127.0.0.1:{port}"]) == 1
    assert "not as a Segue server does" in capsys.readouterr().err


def test_the_stream_is_read_as_its_specification_says() -> None:
    text = b':\n\nid: 7\nevent: listed\ndata: {"a":\ndata: 1}\n\ndata: {}\n\nevent: x\n\nid:8\ndata:{}\n\ndata: {"cut"'
    assert list(events(text.split(b"\n"))) == [
        None,
        Event("listed", {"a": 1}, "7"),
        Event("message", {}, "7"),
        Event("message", {}, "8"),
    ]


def test_a_listing_that_comes_anew_is_told_by_its_difference(capsys: pytest.CaptureFixture[str]) -> None:
    shown = AsTable(["node"], lambda rows: print(rows), lambda kind, row: row["address"])

    def added(name: str, address: str) -> Event:
        return Event("added", {"kind": "node", "name": name, "object": {"name": name, "address": address}}, "")

    def status(name: str, state: str) -> Event:
        return Event("status", {"kind": "node", "name": name, "status": {"state": state, "reasons": []}}, "")

    listed = Event("listed", {}, "1")
    for event in (added("a", "1"), added("b", "2"), added("c", "3"), listed, status("a", "ready"), status("b", "x")):
        shown.event(event)
    capsys.readouterr()
    for event in (Event("reset", {}, "1"), added("a", "1"), added("b", "9"), added("d", "4")):
        shown.event(event)
    for event in (listed, status("a", "ready"), status("b", "x"), status("d", "ready"), status("a", "absent")):
        shown.event(event)
    assert capsys.readouterr().out.splitlines() == [
        "removed  node/c",
        'changed  node/b  address: "2" -> "9"',
        "added    node/d  4",
        "status   node/a  absent",
    ]
