"""Sequenced traffic: ``send`` makes it at a steady rate, ``recv`` logs what arrives (the format is trail's).

The sender keeps to its timetable: what is late because the processor was away goes out in a burst, so that the
count over a second is right. A packet that the kernel refuses is not in the log, and not counted as sent.
"""

from __future__ import annotations

import argparse
import contextlib
import select
import signal
import socket
import sys
import time
from pathlib import Path
from types import FrameType

from segue.lab.apps import trail
from segue.lab.apps.udp import answer, receive, server, widen

_BURST = 256
_TICK = 0.001
_FLUSH = 0.05
"""Seconds after which records are on disk at the latest."""


class _Until:
    """Becomes true with SIGTERM or SIGINT."""

    def __init__(self) -> None:
        self.over = False
        signal.signal(signal.SIGTERM, self._end)
        signal.signal(signal.SIGINT, self._end)

    def _end(self, _number: int, _frame: FrameType | None) -> None:
        self.over = True


def port_range(text: str) -> range:
    low, _, high = text.partition("-")
    ports = range(int(low), int(high or low) + 1)
    if not ports or ports[0] < 0 or ports[-1] > 65535:
        raise argparse.ArgumentTypeError(f"{text!r} is no range of ports")
    return ports


class _Sender:
    """Source ports take turns: the sequence modulo their number says which."""

    def __init__(self, options: argparse.Namespace) -> None:
        family = socket.AF_INET6 if ":" in options.to else socket.AF_INET
        self._target = (options.to, options.port)
        self._size = options.size
        self._log = trail.SentLog(options.log)
        self._replies = trail.ReceivedLog(options.replies) if options.replies else None
        self._poll = select.poll()
        self._sockets: list[tuple[socket.socket, int]] = []
        for port in options.ports:
            sock = socket.socket(family, socket.SOCK_DGRAM)
            sock.setblocking(False)
            widen(sock)
            sock.bind(("", port))
            self._sockets.append((sock, sock.getsockname()[1]))
            self._poll.register(sock, select.POLLIN)
        self._by_fd = {sock.fileno(): (sock, port) for sock, port in self._sockets}
        self.next = self.refused = self.answered = 0

    def send_next(self) -> None:
        sock, port = self._sockets[self.next % len(self._sockets)]
        now = time.monotonic_ns()
        try:
            sock.sendto(trail.payload(self.next, self._size), self._target)
        except OSError:
            self.refused += 1
        else:
            self._log.add(self.next, now, port)
        self.next += 1

    def take_replies(self, patience: float) -> None:
        """Logs what has come back; ``patience``: seconds to wait for the first."""
        for fd, _ in self._poll.poll(patience * 1000):
            sock, port = self._by_fd[fd]
            with contextlib.suppress(BlockingIOError, ConnectionError):
                for _ in range(_BURST):
                    found = trail.parse(sock.recv(65535))
                    if found is not None and self._replies is not None:
                        self._replies.add(found[0], time.monotonic_ns(), port, found[1])
                        self.answered += 1

    def flush(self) -> None:
        self._log.flush()
        if self._replies is not None:
            self._replies.flush()


def send(options: argparse.Namespace) -> None:
    until, sender = _Until(), _Sender(options)
    last = int(options.rate * options.duration) if options.duration else sys.maxsize
    begun = flushed = time.monotonic()
    while not until.over and sender.next < last:
        now = time.monotonic()
        due = min(int((now - begun) * options.rate) + 1, last, sender.next + _BURST)
        while sender.next < due:
            sender.send_next()
        sender.take_replies(0)
        if now - flushed > _FLUSH:
            sender.flush()
            flushed = now
        time.sleep(_TICK)
    ending = time.monotonic() + (options.linger if options.replies else 0)
    while (rest := ending - time.monotonic()) > 0:
        sender.take_replies(rest)
    sender.flush()
    print(f"sent {sender.next - sender.refused} refused {sender.refused} answered {sender.answered}", flush=True)


def recv(options: argparse.Namespace) -> None:
    until = _Until()
    try:
        sock = server(options.port)
    except OSError as error:
        sys.exit(f"port {options.port}: {error}")
    sock.setblocking(False)
    poll = select.poll()
    poll.register(sock, select.POLLIN)
    log = trail.ReceivedLog(options.log)
    received = strange = 0
    flushed = time.monotonic()
    while not until.over:
        poll.poll(_FLUSH * 1000)
        with contextlib.suppress(BlockingIOError):
            for _ in range(_BURST):
                data, beside, sender = receive(sock)
                found = trail.parse(data)
                if found is None:
                    strange += 1
                    continue
                log.add(found[0], time.monotonic_ns(), sender[1], found[1])
                received += 1
                if options.echo:
                    answer(sock, data, beside, sender)
        if time.monotonic() - flushed > _FLUSH:
            log.flush()
            flushed = time.monotonic()
    log.close()
    print(f"received {received} strange {strange}", flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description="Sends or receives sequenced packets.")
    commands = parser.add_subparsers(required=True)
    sender = commands.add_parser("send")
    sender.add_argument("--to", required=True, metavar="ADDRESS", help="IPv4 or IPv6")
    sender.add_argument("--port", type=int, required=True)
    sender.add_argument("--ports", type=port_range, default=range(1), metavar="LOW-HIGH", help="source ports")
    sender.add_argument("--rate", type=float, default=1000.0, help="packets per second")
    sender.add_argument("--duration", type=float, default=0.0, help="seconds; until SIGTERM when not given")
    sender.add_argument("--size", type=int, default=trail.SMALLEST, help="payload bytes")
    sender.add_argument("--log", type=Path, required=True)
    sender.add_argument("--replies", type=Path, help="log what comes back")
    sender.add_argument("--linger", type=float, default=0.3, help="seconds to wait for the last replies")
    sender.set_defaults(do=send)
    receiver = commands.add_parser("recv")
    receiver.add_argument("--port", type=int, required=True)
    receiver.add_argument("--log", type=Path, required=True)
    receiver.add_argument("--echo", action="store_true", help="send every packet back")
    receiver.set_defaults(do=recv)
    options = parser.parse_args()
    options.do(options)


if __name__ == "__main__":
    main()
