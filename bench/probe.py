"""A flow of packets that is watched: when does the first one arrive that a function has stamped?

Sender and receiver are processes in the hosts' namespaces, so that nothing else delays them; all clocks here are the
machine's monotonic one, in nanoseconds. They are driven by lines on standard input, and answer by lines:

    send:   ``on PORT`` / ``off``; a datagram every PERIOD from that source port
    recv:   says ``plain PORT TIME`` and ``stamped PORT TIME`` for the first of either kind from each source port
"""

from __future__ import annotations

import itertools
import select
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from types import TracebackType
from typing import IO

from bench.chains import ADDED_SOURCE, SERVER_PORT, ChainFabric
from segue.lab.apps import trail

PERIOD = 0.0002
"""Seconds."""
SERVER = "10.0.1.1"


def send() -> None:
    sequence = itertools.count()
    waiting = select.poll()
    waiting.register(sys.stdin, select.POLLIN)
    sock: socket.socket | None = None
    while True:
        if waiting.poll(0 if sock else None):
            words = sys.stdin.readline().split()
            if sock is not None:
                sock.close()
                sock = None
            if not words:
                return
            if words[0] == "on":
                sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
                sock.bind(("", int(words[1])))
        if sock is not None:
            sock.sendto(trail.payload(next(sequence)), (SERVER, SERVER_PORT))
            time.sleep(PERIOD)


def receive() -> None:
    sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    sock.bind(("", SERVER_PORT))
    print("ready", flush=True)
    seen: dict[int, str] = {}
    while True:
        data, sender = sock.recvfrom(2048)
        now = time.monotonic_ns()
        found = trail.parse(data)
        if found is None:
            continue
        kind = "stamped" if found[1] else "plain"
        if seen.get(sender[1]) != kind:
            seen[sender[1]] = kind
            print(kind, sender[1], now, flush=True)


class Probe:
    """The watched flow in one fabric."""

    def __init__(self, fabric: ChainFabric) -> None:
        self._sender = self._start(fabric, "client0", "send")
        self._receiver = self._start(fabric, "server", "recv")
        assert self._line().strip() == "ready"

    def _start(self, fabric: ChainFabric, member: str, role: str) -> subprocess.Popen[str]:
        command = [sys.executable, "-m", "bench.probe", role]
        process: subprocess.Popen[str] = fabric.lab.popen(
            member, command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, bufsize=1
        )
        return process

    def __enter__(self) -> Probe:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        for process in (self._sender, self._receiver):
            process.kill()
            process.wait()

    def first_steered(self, number: int, change: Callable[[], int]) -> tuple[int, int]:
        """Sends the flow that ``chains.one_more(number)`` is for, and, while it flows, does ``change``, which gives the
        time at which it began; returns that, and the time at which the first steered packet arrived."""
        self._tell(f"on {ADDED_SOURCE + number}")
        try:
            self._until("plain", number)
            time.sleep(0.05)
            return change(), self._until("stamped", number)
        finally:
            self._tell("off")

    def _tell(self, line: str) -> None:
        assert self._sender.stdin is not None
        print(line, file=self._sender.stdin, flush=True)

    def _until(self, kind: str, number: int) -> int:
        while True:
            said, port, at = self._line().split()
            if said == kind and int(port) == ADDED_SOURCE + number:
                return int(at)

    def _line(self) -> str:
        output: IO[str] | None = self._receiver.stdout
        assert output is not None
        if not select.select([output], [], [], 30)[0]:
            raise TimeoutError("no packet arrived within 30 s")
        return output.readline()


if __name__ == "__main__":
    {"send": send, "recv": receive}[sys.argv[1]]()
