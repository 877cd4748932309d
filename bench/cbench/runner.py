"""One measurement: a fresh controller on one processor, the generator on another, and what came out.

The processor time and the memory of the controller are read by the generator itself, at the moments when its measured
interval begins and ends. Everything that was started is ended, by its own process id.
"""

from __future__ import annotations

import os
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import msgspec

from bench.cbench.build import generator
from bench.cbench.peers import Peer, environment

HOST = "127.0.0.1"
START = 60  # seconds until a controller listens


class RunError(Exception):
    """A run whose figures say nothing: wrong answers, switches that were not served, a controller that ended."""


class Result(msgspec.Struct):
    """What the generator prints; memory in KiB, latencies in microseconds (zero unless the mode is latency).

    ``least`` and ``most``: packet-ins answered, of the switch with the fewest and of that with the most.
    """

    seconds: float
    sent: int
    answered: int
    flow_mods: int
    packet_outs: int
    wrong: int
    first_wrong: str
    lost: int
    unanswered: int
    least: int
    most: int
    handshake_seconds: float
    ready: int
    ready_seconds: float
    closed: int
    ok: bool
    cpu_seconds: float = 0
    rss_before: int = 0
    rss_connected: int = 0
    rss_end: int = 0
    rss_peak: int = 0
    p50_us: float = 0
    p99_us: float = 0
    max_us: float = 0

    @property
    def handled(self) -> float:
        """Packet-ins answered per second of the controller's processor time."""
        return self.answered / self.cpu_seconds if self.cpu_seconds else 0.0


def measure(peer: Peer, version: str, *options: str) -> Result:
    """Run ``peer`` against the generator with these options of it. RunError: see there."""
    program = generator()
    controller_cpu, generator_cpu = _processors()
    with controller(peer, version, controller_cpu) as (process, port):
        pids = [argument for pid in _family(process.pid) for argument in ("--pid", str(pid))]
        arguments = ["--version", version, "--cpu", str(generator_cpu), *pids, *options]
        done = subprocess.run(
            [str(program), HOST, str(port), *arguments], capture_output=True, text=True, timeout=1200, check=False
        )
    if not done.stdout:
        raise RunError(f"{peer.name}: {done.stderr.strip()}")
    result = msgspec.json.decode(done.stdout, type=Result)
    if not result.ok:
        raise RunError(f"{peer.name}: {done.stderr.strip() or 'nothing was answered'}")
    return result


@contextmanager
def controller(peer: Peer, version: str, cpu: int) -> Iterator[tuple[subprocess.Popen[bytes], int]]:
    """The controller's process, once it listens, and its port."""
    port = _free_port()
    command = peer.command(version, HOST, port)
    with tempfile.TemporaryFile() as told:
        process = subprocess.Popen(
            ["taskset", "-c", str(cpu), *command],
            env=environment(peer),
            stdin=subprocess.DEVNULL,
            stdout=told,
            stderr=told,
        )
        try:
            limit = time.monotonic() + START
            while not _listens(port):
                if process.poll() is not None or time.monotonic() > limit:
                    told.seek(0)
                    said = told.read().decode(errors="replace").strip().splitlines()
                    raise RunError(f"{peer.name} does not listen: {said[-1] if said else 'no output'}")
                time.sleep(0.02)
            yield process, port
        finally:
            process.terminate()
            try:
                process.wait(5)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()


def _processors() -> tuple[int, int]:
    usable = sorted(os.sched_getaffinity(0))
    return usable[0], usable[-1]


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind((HOST, 0))
        return int(probe.getsockname()[1])


def _listens(port: int) -> bool:
    """By the kernel's table: a connection would be one switch too many."""
    tables = [Path("/proc/net/tcp"), Path("/proc/net/tcp6")]
    rows = (row.split() for table in tables if table.exists() for row in table.read_text().splitlines()[1:])
    return any(row[3] == "0A" and int(row[1].rpartition(":")[2], 16) == port for row in rows)


def _family(pid: int) -> list[int]:
    """A process and its descendants."""
    found = [pid]
    for parent in found:
        for children in Path(f"/proc/{parent}/task").glob("*/children"):
            found.extend(int(child) for child in children.read_text().split())
    return found
