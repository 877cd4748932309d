"""Switches and controllers that say what a test tells them to, on loopback."""

from __future__ import annotations

import contextlib
import re
import socket
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

from segue.cli.openflow_frames import Frames

PATIENCE = 15.0


class Command:
    """`segue openflow ...` in a process; `port` is where it listens."""

    def __init__(self, *words: str, listens: bool = True) -> None:
        self.process = subprocess.Popen(
            [sys.executable, "-m", "segue", "openflow", *words],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        self.said = ""
        if listens:
            assert self.process.stderr is not None
            self.said = self.process.stderr.readline()
            found = re.search(r"ptcp:(\d+)", self.said)
            assert found, self.said + self.process.stderr.read()
            self.port = int(found[1])

    def line(self) -> str:
        assert self.process.stdout is not None
        return self.process.stdout.readline()

    def end(self) -> tuple[int, str, str]:
        """Waits for its end."""
        out, err = self.process.communicate(timeout=PATIENCE)
        return self.process.returncode, out, self.said + err

    def __enter__(self) -> Command:
        return self

    def __exit__(self, *_: object) -> None:
        if self.process.poll() is None:
            self.process.terminate()
        with contextlib.suppress(ValueError):
            self.process.communicate(timeout=PATIENCE)


class Peer:
    """One end of a connection, message by message."""

    def __init__(self, link: socket.socket) -> None:
        self.link = link
        self.link.settimeout(PATIENCE)
        self._frames = Frames()
        self._found: list[bytes] = []

    def send(self, *messages: bytes) -> None:
        self.link.sendall(b"".join(messages))

    def hear(self) -> bytes:
        """The next message, empty at the end."""
        while not self._found:
            data = self.link.recv(65536)
            if not data:
                return b""
            self._found = [frame.data for frame in self._frames.feed(data)]
        return self._found.pop(0)

    def __enter__(self) -> Peer:
        return self

    def __exit__(self, *_: object) -> None:
        self.link.close()


def call(port: int) -> Peer:
    return Peer(socket.create_connection(("127.0.0.1", port), PATIENCE))


class Listener:
    def __init__(self) -> None:
        self.socket = socket.create_server(("127.0.0.1", 0))
        self.socket.settimeout(PATIENCE)
        self.port: int = self.socket.getsockname()[1]

    def accept(self) -> Peer:
        return Peer(self.socket.accept()[0])

    def __enter__(self) -> Listener:
        return self

    def __exit__(self, *_: object) -> None:
        self.socket.close()


@contextlib.contextmanager
def answering(answer: Callable[[bytes], bytes], first: bytes = b"") -> Iterator[tuple[int, list[bytes]]]:
    """A peer that answers each message with what `answer` makes of it, on every connection; its port, and what it
    heard."""
    heard: list[bytes] = []

    def serve(link: socket.socket) -> None:
        with Peer(link) as peer, contextlib.suppress(OSError):
            peer.send(first)
            while message := peer.hear():
                heard.append(message)
                peer.send(answer(message))

    def accept() -> None:
        with contextlib.suppress(OSError):
            while True:
                link, _ = listener.socket.accept()
                threading.Thread(target=serve, args=(link,), daemon=True).start()

    with Listener() as listener:
        listener.socket.settimeout(None)
        thread = threading.Thread(target=accept, daemon=True)
        thread.start()
        try:
            yield listener.port, heard
        finally:
            with contextlib.suppress(OSError):
                listener.socket.shutdown(socket.SHUT_RDWR)
            thread.join(PATIENCE)


def temporary(path: Path, text: str) -> str:
    path.write_text(text)
    return str(path)
