"""Streams of sequenced packets between a lab's hosts, and what became of every packet.

Each stream has a sender and a receiver of its own (``segue.lab.apps.traffic``), whose logs say when each packet was
sent, when it arrived, and which functions it met. A stream that is echoed comes back to where it came from.
"""

from __future__ import annotations

import contextlib
import itertools
import signal
import subprocess
import time
from collections.abc import Sequence
from dataclasses import dataclass, field

from segue.lab.apps import trail

from .fabric import PYTHON, Fabric

SETTLE = 0.7
"""Seconds after the last packet was sent in which all must arrive; a starved machine needs more than a switch."""
_numbers = itertools.count(1)


@dataclass(frozen=True)
class Stream:
    """``ports``: the source ports, LOW-HIGH, which take turns. ``rate``: packets per second."""

    name: str
    sender: str
    receiver: str
    to: str
    port: int
    rate: float
    ports: str = "20000-20003"
    echo: bool = False


@dataclass
class Packet:
    """Times in nanoseconds of the monotonic clock. ``back``: the reply's, where the stream is echoed."""

    sequence: int
    port: int
    sent: int
    arrived: int = 0
    trail: tuple[int, ...] = ()
    returned: int = 0
    back: tuple[int, ...] = ()


@dataclass
class Result:
    """``packets`` as sent. ``lost`` and ``lost_back`` list those that did not arrive, or whose reply did not."""

    stream: Stream
    packets: list[Packet]
    duplicates: int
    lost: list[Packet] = field(default_factory=list)
    lost_back: list[Packet] = field(default_factory=list)

    def whole(self) -> None:
        """Fail unless every packet, and every reply, came once."""
        assert self.packets, f"stream {self.stream.name} sent nothing"
        complaint = f"stream {self.stream.name}: of {len(self.packets)} packets"
        assert not self.lost, f"{complaint} {len(self.lost)} lost, {_span(self.lost)}"
        assert not self.lost_back, f"{complaint} {len(self.lost_back)} replies lost, {_span(self.lost_back)}"
        assert not self.duplicates, f"{complaint} {self.duplicates} duplicates"

    def trails(self) -> set[tuple[int, ...]]:
        return {packet.trail for packet in self.packets if packet.arrived}

    @property
    def outage(self) -> float:
        """Seconds between the first and the last lost packet."""
        return (self.lost[-1].sent - self.lost[0].sent) / 1e9 if self.lost else 0.0


def _span(lost: list[Packet]) -> str:
    times = ", ".join(f"{packet.sent / 1e9:.3f}" for packet in lost[:5])
    return f"sequences {lost[0].sequence} to {lost[-1].sequence} (sent at {times}{' ...' if len(lost) > 5 else ''})"


class Traffic:
    """``with Traffic(fabric, streams) as traffic: ...; results = traffic.stop()``. Every stream flows from the start
    until ``stop``; before it begins its sender and receiver are there, so none of its packets has an excuse."""

    def __init__(self, fabric: Fabric, streams: Sequence[Stream]) -> None:
        self._fabric = fabric
        self._streams = list(streams)
        self._senders: list[subprocess.Popen[bytes]] = []
        self._receivers: list[subprocess.Popen[bytes]] = []
        self._directory = fabric.directory / f"traffic{next(_numbers)}"
        self._directory.mkdir()
        self.begun = 0

    def __enter__(self) -> Traffic:
        for stream in self._streams:
            log = self._log(stream, "rx")
            self._receivers.append(
                self._run(
                    *(stream.receiver, "recv", "--port", str(stream.port), "--log", log),
                    *(["--echo"] if stream.echo else []),
                )
            )
        self._fabric.until(lambda: all(self._written(stream, "rx") for stream in self._streams), "receivers")
        self.begun = time.monotonic_ns()
        for stream in self._streams:
            arguments = ["--to", stream.to, "--port", str(stream.port), "--ports", stream.ports]
            arguments += ["--rate", str(stream.rate), "--log", self._log(stream, "tx")]
            arguments += ["--replies", self._log(stream, "back"), "--linger", str(SETTLE)] if stream.echo else []
            self._senders.append(self._run(stream.sender, "send", *arguments))
        # Eight bytes of heading, then packets: under way.
        self._fabric.until(lambda: all(self._written(stream, "tx") > 8 for stream in self._streams), "senders", 5)
        return self

    def __exit__(self, *_: object) -> None:
        for process in (*self._senders, *self._receivers):
            if process.poll() is None:
                process.kill()
                process.wait(10)

    def stop(self) -> dict[str, Result]:
        """End all, and say what became of the packets, by stream."""
        for process in self._senders:
            process.send_signal(signal.SIGTERM)
        for process in self._senders:
            process.wait(10)
        time.sleep(SETTLE)
        for process in self._receivers:
            process.send_signal(signal.SIGTERM)
        for process in self._receivers:
            process.wait(10)
        return {stream.name: self._result(stream) for stream in self._streams}

    def _run(self, member: str, *arguments: str) -> subprocess.Popen[bytes]:
        with (self._directory / "log").open("ab") as log:
            command = [PYTHON, "-m", "segue.lab.apps.traffic", *arguments]
            return self._fabric.lab.popen(member, command, stdin=subprocess.DEVNULL, stdout=log, stderr=log)

    def _log(self, stream: Stream, what: str) -> str:
        return str(self._directory / f"{stream.name}.{what}")

    def _written(self, stream: Stream, what: str) -> int:
        with contextlib.suppress(OSError):
            return (self._directory / f"{stream.name}.{what}").stat().st_size
        return 0

    def _result(self, stream: Stream) -> Result:
        packets = {
            sent.sequence: Packet(sent.sequence, sent.port, sent.time)
            for sent in trail.read_sent(self._directory / f"{stream.name}.tx")
        }
        duplicates = 0
        for arrival in trail.read_received(self._directory / f"{stream.name}.rx"):
            packet = packets[arrival.sequence]
            duplicates += bool(packet.arrived)
            packet.arrived, packet.trail = arrival.time, arrival.trail
        lost_back: list[Packet] = []
        if stream.echo:
            for arrival in trail.read_received(self._directory / f"{stream.name}.back"):
                packet = packets[arrival.sequence]
                duplicates += bool(packet.returned)
                packet.returned, packet.back = arrival.time, arrival.trail
            lost_back = [packet for packet in packets.values() if packet.arrived and not packet.returned]
        lost = [packet for packet in packets.values() if not packet.arrived]
        return Result(stream, list(packets.values()), duplicates, lost, lost_back)
