"""The two servers as processes on one processor, each with a directory of its own on the project's disk."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import msgspec

from bench.cbench.build import CACHE, neutron
from bench.nsfc.client import HOST, Call

START = 120.0
"""Seconds until a server answers."""
PROJECT = "admin"
"""Whose the objects are; of everybody, where there is no authentication."""


class RunError(Exception):
    """A server that did not start or ended, or a wrong answer: there is no figure."""


class Result(msgspec.Struct):
    """``seconds`` by the wall clock, ``processor``: of the server's processor time; latencies in microseconds."""

    seconds: float
    processor: float
    latencies: dict[str, list[float]]
    ids: dict[str, str]

    @property
    def calls(self) -> int:
        return sum(len(each) for each in self.latencies.values())

    @property
    def every(self) -> list[float]:
        return [one for each in self.latencies.values() for one in each]


class Server:
    """One that answers. ``ids``: what was made there, by name."""

    def __init__(self, port: int, pids: Sequence[int], cpu: int) -> None:
        self.port, self.pids, self.cpu = port, pids, cpu
        self.ids: dict[str, str] = {}

    def run(self, *scripts: Sequence[Call]) -> Result:
        """Each script by a client of its own, all at the same time."""
        order = {"port": self.port, "pids": self.pids, "cpu": self.cpu, "ids": self.ids, "scripts": scripts}
        command = [sys.executable, "-m", "bench.nsfc.client"]
        done = subprocess.run(
            command, input=json.dumps(order), capture_output=True, text=True, timeout=1800, check=False
        )
        if done.returncode:
            raise RunError(done.stderr.strip()[-2000:])
        result = msgspec.json.decode(done.stdout, type=Result)
        self.ids = result.ids
        return result

    def ask(self, method: str, path: str, body: Any) -> None:
        url, octets = f"http://{HOST}:{self.port}{path}", json.dumps(body).encode()
        with urllib.request.urlopen(urllib.request.Request(url, octets, method=method), timeout=60) as answer:
            answer.read()


@contextmanager
def segue(quotas: dict[str, int], node: str = "") -> Iterator[Server]:
    """``node``: is declared, and has no agent."""
    with _directory() as directory:
        port = _free_port()
        listen = ["--listen", f"{HOST}:{port}", "--data", str(directory), "--rate", "0"]
        with _process([sys.executable, "-m", "segue", "server", *listen], port, {}, directory) as server:
            server.ask("PUT", f"/v2.0/quotas/{PROJECT}", {"quota": quotas})
            if node:
                server.ask("POST", "/v1/apply", {"nodes": {node: {"address": "192.0.2.1"}}})
            yield server


@contextmanager
def reference(durable: bool) -> Iterator[Server]:
    """Neutron with networking-sfc, by uWSGI in one process. ``durable``: what it acknowledges is on the disk."""
    python = neutron()
    with _directory() as directory:
        prepare = [str(python), str(Path(__file__).with_name("reference.py")), str(directory), str(durable).lower()]
        done = subprocess.run(prepare, capture_output=True, text=True, timeout=300, check=False)
        if done.returncode:
            raise RunError(f"Neutron's database: {done.stderr.strip()[-2000:]}")
        port = _free_port()
        environment = {"OS_NEUTRON_CONFIG_DIR": str(directory), "OS_NEUTRON_CONFIG_FILES": "neutron.conf"}
        listen = ["--http11-socket", f"{HOST}:{port}", "--so-keepalive", "--tcp-nodelay"]
        serve = ["--module", "neutron.wsgi.api:application", "--enable-threads", "--disable-logging", "--need-app"]
        command = [str(python.with_name("uwsgi")), *listen, *serve, "--buffer-size", "65535"]
        with _process(command, port, environment, directory) as server:
            yield server


@contextmanager
def _process(command: Sequence[str], port: int, environment: dict[str, str], directory: Path) -> Iterator[Server]:
    ours, theirs = processors()
    log = directory / "log"
    with log.open("w") as output:
        process = subprocess.Popen(
            ["taskset", "-c", str(ours), *command],
            env={**os.environ, **environment},
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
        )
        try:
            _wait(process, port, log)
            yield Server(port, [process.pid], theirs)
        finally:
            process.terminate()
            try:
                process.wait(5)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()


def _wait(process: subprocess.Popen[bytes], port: int, log: Path) -> None:
    end = time.monotonic() + START
    while time.monotonic() < end and process.poll() is None:
        try:
            with urllib.request.urlopen(f"http://{HOST}:{port}/", timeout=START) as answer:
                answer.read()
                return
        except OSError:
            time.sleep(0.1)
    raise RunError(f"a server does not answer: {log.read_text()[-2000:]}")


def processors() -> tuple[int, int]:
    """The server's and the client's."""
    usable = sorted(os.sched_getaffinity(0))
    return usable[0], usable[-1]


def synced() -> float:
    """Seconds that the disk takes to make an append of 4 KiB durable: the median of a hundred."""
    times = []
    with _directory() as directory, (directory / "probe").open("wb", buffering=0) as file:
        for _ in range(100):
            begun = time.perf_counter()
            file.write(bytes(4096))
            os.fdatasync(file.fileno())
            times.append(time.perf_counter() - begun)
    return sorted(times)[len(times) // 2]


@contextmanager
def _directory() -> Iterator[Path]:
    CACHE.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="networking-", dir=CACHE) as name:
        yield Path(name)


def _free_port() -> int:
    with socket.socket() as sock:
        sock.bind((HOST, 0))
        return int(sock.getsockname()[1])
