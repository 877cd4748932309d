"""Servers as they are run, with options of the test's own."""

from __future__ import annotations

import contextlib
import http.client
import json
import re
import socket
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import urlsplit


class Answer(NamedTuple):
    status: int
    headers: dict[str, str]
    body: Any


class Running:
    """A server in ``directory``, where its unix socket and its log are."""

    def __init__(self, url: str, directory: Path, process: subprocess.Popen[str]) -> None:
        self.url, self.directory, self.process = url, directory, process
        parts = urlsplit(url)
        assert parts.hostname and parts.port
        self.address = (parts.hostname, parts.port)

    def log(self) -> str:
        return (self.directory / "log").read_text()

    def connect(self, *, unix: bool = False) -> http.client.HTTPConnection:
        connection = http.client.HTTPConnection(*self.address, timeout=20)
        if unix:
            connection.sock = socket.socket(socket.AF_UNIX)
            connection.sock.connect(str(self.directory / "sock"))
        return connection

    def ask(
        self, path: str, method: str = "GET", body: bytes | None = None, unix: bool = False, **headers: str
    ) -> Answer:
        with contextlib.closing(self.connect(unix=unix)) as connection:
            connection.request(method, path, body, {name.replace("_", "-"): value for name, value in headers.items()})
            answer = connection.getresponse()
            data = answer.read()
        said = {name.lower(): value for name, value in answer.getheaders()}
        return Answer(answer.status, said, json.loads(data) if data[:1] in (b"{", b"[") else data)


@contextlib.contextmanager
def running(*options: str) -> Iterator[Running]:
    """Short paths, for the socket's sake."""
    with tempfile.TemporaryDirectory(prefix="segue-") as name:
        directory = Path(name)
        words = ["--listen", "127.0.0.1:0", "--data", name, "--socket", f"{name}/sock", *options]
        with (directory / "log").open("w") as log:
            command = [sys.executable, "-m", "segue", "server", *words]
            process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=log, text=True)
        try:
            assert process.stdout is not None
            said = re.search(r"serving on (\S+)", process.stdout.readline())
            assert said, (directory / "log").read_text()
            yield Running(said[1], directory, process)
        finally:
            process.terminate()
            process.wait(10)
            assert process.stdout is not None
            process.stdout.close()


class Tokens:
    """A file of tokens, and the command that changes it."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __call__(self, *words: str) -> str:
        command = [sys.executable, "-m", "segue", "token", *words, "--file", str(self.path)]
        return subprocess.run(command, check=True, capture_output=True, text=True).stdout.strip()

    def make(self, role: str, project: str = "web", *more: str) -> str:
        return self("create", "--role", role, "--project", project, *more)
