"""Round trips of datagrams between two hosts: ``python -m bench.injected.pong echo PORT`` or ``ask ADDRESS PORT``.

``ask`` reads lines ``COUNT same|fresh`` and answers with a JSON list of nanoseconds, None for what was lost. ``fresh``:
each datagram is from a source port of its own, so that the switch has not met its flow. ``pour`` reads how many seconds
it is to send small datagrams as fast as it can, to two thousand ports by turns; it says how many, and what processor
time they took.
"""

from __future__ import annotations

import json
import socket
import sys
import time

LOST = 2.0
"""Seconds without an answer."""
SIZE = 64
POURED = 2_000


def echo(port: int) -> None:
    sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    sock.bind(("", port))
    print("ready", flush=True)
    while True:
        data, sender = sock.recvfrom(2048)
        sock.sendto(data, sender)


def ask(address: str, port: int) -> None:
    kept = _socket()
    print("ready", flush=True)
    for line in sys.stdin:
        count, kind = line.split()
        found = [_trip(kept if kind == "same" else _socket(), address, port, n) for n in range(int(count))]
        print(json.dumps(found), flush=True)


def _socket() -> socket.socket:
    sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    sock.bind(("", 0))
    sock.settimeout(LOST)
    return sock


def _trip(sock: socket.socket, address: str, port: int, number: int) -> int | None:
    data = number.to_bytes(8, "big").ljust(SIZE, b"\0")
    begun = time.perf_counter_ns()
    sock.sendto(data, (address, port))
    try:
        while sock.recv(2048) != data:
            pass  # a late answer to one that was given up
    except TimeoutError:
        return None
    return time.perf_counter_ns() - begun


def pour(address: str) -> None:
    sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    print("ready", flush=True)
    for line in sys.stdin:
        begun, sent = time.monotonic(), 0
        processor = time.process_time()
        while time.monotonic() < begun + float(line):
            for _ in range(64):
                sock.sendto(b"\0" * SIZE, (address, 10_000 + sent % POURED))
                sent += 1
        print(json.dumps([sent, time.process_time() - processor]), flush=True)


if __name__ == "__main__":
    {"echo": lambda: echo(int(sys.argv[2])), "ask": lambda: ask(sys.argv[2], int(sys.argv[3]))}.get(
        sys.argv[1], lambda: pour(sys.argv[2])
    )()
