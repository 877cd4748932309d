"""A client that costs little: plain sockets, kept open, one call at a time on each. It is a process of its own.

Reads a job as JSON from standard input, and prints what came of it. What a call is, is in ``calls.py``; here it is a
list of label, method, path, body, the status that is expected, and how many objects a list is to have. ``<NAME>`` in a
path or a body stands for the id of what was made with that name. A wrong answer ends the run with a message.

A call's time is from the first octet sent to the last one received. Lists are read and counted after the last call.
"""

from __future__ import annotations

import json
import os
import re
import selectors
import socket
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

HOST = "127.0.0.1"
SILENCE = 300.0
"""Seconds without any answer, after which nothing more is expected."""
_REFERENCE = re.compile(r"<([\w.-]+)>")
_LENGTH = re.compile(rb"\r\ncontent-length: *(\d+)", re.IGNORECASE)

Call = tuple[str, str, str, str, int, int]


class WrongAnswer(Exception):
    pass


class Visitor:
    """One connection with its calls."""

    def __init__(self, job: Job, port: int, calls: Sequence[Call]) -> None:
        self.job = job
        self.sock = socket.create_connection((HOST, port))
        self.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._host = f"{HOST}:{port}"
        self._calls = iter(calls)
        self._call: Call | None = None
        self._parts: list[bytes] = []
        self._missing = -1
        self._head = b""
        self._begun = 0

    def ask(self) -> bool:
        """Send the next call; whether there is one."""
        self._call = next(self._calls, None)
        if self._call is None:
            self.sock.close()
            return False
        _, method, path, body, _, _ = self._call
        path, octets = self.job.filled(path), self.job.filled(body).encode()
        head = f"{method} {path} HTTP/1.1\r\nHost: {self._host}\r\nAccept: application/json\r\n"
        if octets:
            head += f"Content-Type: application/json\r\nContent-Length: {len(octets)}\r\n"
        self._parts, self._missing, self._head = [], -1, b""
        self._begun = time.perf_counter_ns()
        self.sock.sendall(head.encode() + b"\r\n" + octets)
        return True

    def hear(self) -> bool:
        """Take what has come; whether the answer is whole."""
        data = self.sock.recv(1 << 20)
        if not data:
            raise WrongAnswer(f"the connection was closed in {self._call}")
        if self._missing < 0:
            self._head += data
            head, end, data = self._head.partition(b"\r\n\r\n")
            if not end:
                return False
            length = _LENGTH.search(head)
            if length is None and head[9:12] != b"204":
                raise WrongAnswer(f"no length: {head!r}")
            self._head, self._missing = head, int(length[1]) if length else 0
        self._parts.append(data)
        self._missing -= len(data)
        if self._missing > 0:
            return False
        self.job.note(self._call, time.perf_counter_ns() - self._begun, self._head, b"".join(self._parts))
        return True


class Job:
    def __init__(self, ids: dict[str, str]) -> None:
        self.ids = ids
        self.latencies: dict[str, list[float]] = {}
        self._lists: list[tuple[str, int, bytes]] = []

    def filled(self, text: str) -> str:
        return _REFERENCE.sub(lambda found: self.ids[found[1]], text)

    def note(self, call: Call | None, nanoseconds: int, head: bytes, body: bytes) -> None:
        assert call is not None
        label, method, path, _, status, count = call
        if int(head[9:12]) != status:
            raise WrongAnswer(f"{method} {path}: {head[:40]!r} {body[:500]!r}")
        self.latencies.setdefault(label, []).append(nanoseconds / 1000)
        if method == "POST":
            for made in json.loads(body).values():
                self.ids.update((one["name"], one["id"]) for one in (made if isinstance(made, list) else [made]))
        elif count >= 0:
            self._lists.append((path, count, body))

    def check(self) -> None:
        """That every list had what it was to have."""
        for path, count, body in self._lists:
            found = len(next(value for key, value in json.loads(body).items() if not key.endswith("_links")))
            if found != count:
                raise WrongAnswer(f"{path}: {found} objects in place of {count}")


def processor_time(pids: Sequence[int]) -> float:
    """Seconds, of all threads; to the nanosecond where ``stat`` has hundredths."""
    threads = [thread for pid in pids for thread in Path(f"/proc/{pid}/task").iterdir()]
    return sum(int((thread / "schedstat").read_text().split()[0]) for thread in threads) / 1e9


def run(order: dict[str, Any]) -> dict[str, Any]:
    os.sched_setaffinity(0, {order["cpu"]})
    job = Job(order["ids"])
    visitors = [Visitor(job, order["port"], calls) for calls in order["scripts"]]
    waiting = selectors.DefaultSelector()
    used, begun = processor_time(order["pids"]), time.perf_counter()
    for visitor in visitors:
        if visitor.ask():
            waiting.register(visitor.sock, selectors.EVENT_READ, visitor)
    while waiting.get_map():
        ready = waiting.select(SILENCE)
        if not ready:
            raise WrongAnswer(f"no answer within {SILENCE:g} s")
        for key, _ in ready:
            if key.data.hear():
                sock = key.fileobj
                if not key.data.ask():
                    waiting.unregister(sock)
    seconds, used = time.perf_counter() - begun, processor_time(order["pids"]) - used
    job.check()
    return {"seconds": seconds, "processor": used, "latencies": job.latencies, "ids": job.ids}


if __name__ == "__main__":
    try:
        json.dump(run(json.load(sys.stdin)), sys.stdout)
    except (WrongAnswer, OSError, KeyError) as failure:
        sys.exit(f"{type(failure).__name__}: {failure}")
