"""Controllers that others wrote, each a process in an environment of its own, for services to be programmed by.

``scripts/install test`` makes the environment: Faucet with its os-ken, os-ken's stock applications, and Ryu. What is
run is what their own commands run, unmodified: ``osken-manager APPLICATION``, ``faucet``, ``ryu-manager APPLICATION``.
"""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from itertools import permutations
from pathlib import Path
from typing import Any

import pytest

from .fabric import Fabric, host

TOP = Path(__file__).parents[2]
ENVIRONMENT = TOP / ".venv-controllers"
OPTIONS = ["--ofp-listen-host", "127.0.0.1", "--ofp-tcp-listen-port"]

# Its web server, which the manager loads even where there is nothing to serve, expects a name of an older eventlet.
RYU = (
    "import sys, eventlet.wsgi as wsgi; wsgi.__dict__.setdefault('ALREADY_HANDLED', object())\n"
    "from ryu.cmd.manager import main; sys.exit(main())"
)

OWN = "own"
"""The service's name."""

ADDRESSES = {f"c{number}": f"10.0.0.{number}" for number in range(1, 5)}
"""Of four hosts on two nodes."""
NODES = {"c1": "n1", "c2": "n2", "c3": "n1", "c4": "n2"}
INTENT: dict[str, Any] = {
    "nodes": ["n1", "n2"],
    "networks": {"web": ["10.0.0.0/24"]},
    "ports": {name: {"network": "web", "node": NODES[name], "addresses": [ADDRESSES[name]]} for name in ADDRESSES},
}


def needed() -> None:
    """Skips the tests of a module where nothing is installed."""
    if not (ENVIRONMENT / "bin" / "osken-manager").exists():
        pytest.skip("there are no controllers: run scripts/install test", allow_module_level=True)


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


class Controller:
    """A process that listens at ``port``. ``log`` is what it has written so far."""

    def __init__(
        self, command: Sequence[str], port: int, environment: Mapping[str, str] | None = None, directory: str = ""
    ) -> None:
        self.port = port
        self._log = tempfile.NamedTemporaryFile(suffix=".log")  # noqa: SIM115  # closed by stop
        kept = {name: value for name, value in os.environ.items() if not name.startswith("PYTHON")}
        bin = str(ENVIRONMENT / "bin")
        env = {**kept, "PATH": f"{bin}:{kept['PATH']}", "PYTHONUNBUFFERED": "1", "PYTHONWARNINGS": "ignore"}
        self.process = subprocess.Popen(
            command,
            env=env | dict(environment or {}),
            stdin=subprocess.DEVNULL,
            stdout=self._log,
            stderr=self._log,
            cwd=directory or None,
        )
        try:
            self._await_port()
        except BaseException:
            self.stop()
            raise

    def __enter__(self) -> Controller:
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    @property
    def target(self) -> str:
        """Where Segue is to call it."""
        return f"tcp:127.0.0.1:{self.port}"

    @property
    def log(self) -> str:
        return Path(self._log.name).read_text(errors="replace")

    def stop(self, number: int = signal.SIGKILL) -> None:
        if self.process.poll() is None:
            self.process.send_signal(number)
        self.process.wait(10)
        self._log.close()

    def _await_port(self) -> None:
        end = time.monotonic() + 30
        while time.monotonic() < end:
            assert self.process.poll() is None, self.log
            if _listening(self.port):
                return
            time.sleep(0.05)
        raise AssertionError(f"nothing listens at {self.port}\n{self.log}")


def _listening(port: int) -> bool:
    """Without connecting: a controller would take that for a switch."""
    rows = [line.split() for line in Path("/proc/net/tcp").read_text().splitlines()[1:]]
    return any(row[1].endswith(f":{port:04X}") and row[3] == "0A" for row in rows)


def os_ken(application: str, *options: str, environment: Mapping[str, str] | None = None) -> Controller:
    """An application of os-ken by its module, or the path of a file."""
    port = free_port()
    program = str(ENVIRONMENT / "bin" / "osken-manager")
    return Controller([program, *OPTIONS, str(port), *options, application], port, environment)


def ryu(application: str) -> Controller:
    """An application of Ryu by its module."""
    port = free_port()
    program = str(ENVIRONMENT / "bin" / "python")
    return Controller([program, "-c", RYU, *OPTIONS, str(port), application], port)


def faucet(configuration: Mapping[str, Any], directory: Path) -> Controller:
    """Faucet; its own log is ``directory / "faucet.log"``."""
    (directory / "faucet.yaml").write_text(json.dumps(configuration))  # JSON is YAML
    port = free_port()
    environment = {
        "FAUCET_CONFIG": str(directory / "faucet.yaml"),
        "FAUCET_LOG": str(directory / "faucet.log"),
        "FAUCET_EXCEPTION_LOG": str(directory / "exceptions.log"),
        "FAUCET_PROMETHEUS_PORT": str(free_port()),
        "FAUCET_PROMETHEUS_ADDR": "127.0.0.1",
    }
    options = ["--ryu-ofp-listen-host=127.0.0.1", f"--ryu-ofp-tcp-listen-port={port}"]
    program = str(ENVIRONMENT / "bin" / "faucet")
    return Controller([program, *options], port, environment, str(directory))


class Serviced(Fabric):
    """Four hosts on two nodes, and a service at their network."""

    def __init__(self) -> None:
        super().__init__([host(name, NODES[name], f"{ADDRESSES[name]}/24") for name in ADDRESSES], nodes=2)

    def __enter__(self) -> Serviced:
        super().__enter__()
        try:
            self.apply(INTENT)
        except BaseException:
            self.close()
            raise
        return self

    @contextmanager
    def service(self, permissions: Mapping[str, Any], hook: str = "ingress") -> Iterator[dict[int, str]]:
        """A service ``own`` with a token, for as long; its ports' names by their numbers."""
        declared = {"hook": hook, "attach": ["network/web"], "permissions": permissions}
        self.apply({"services": {OWN: declared}})
        try:
            self.request("POST", f"/v1/services/{OWN}/token", b"{}")
            yield {port["number"]: port["name"] for port in self.said()["ports"]}
        finally:
            self.delete(("service", OWN))

    def said(self, what: str = "") -> dict[str, Any]:
        found: dict[str, Any] = self.get(f"/v1/services/{OWN}{what}")
        return found

    def controlled(self, target: str) -> None:
        """Has Segue call the controller, and waits until it has."""
        self.request("PUT", f"/v1/services/{OWN}/controller", json.dumps({"target": target}).encode())
        self.until(lambda: self.said()["controller"]["connected"], "the controller to answer")

    def flows_of_service(self) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = self.said("/flows")["flows"]
        return found

    def reaches(self, one: str, other: str, count: int = 1) -> bool:
        """Whether pings are answered, all of them."""
        command = ("ping", "-n", "-c", str(count), "-i", "0.05", "-W", "2", ADDRESSES[other])
        return self.exec(one, *command).returncode == 0

    def pairs(self, at_once: int = 1) -> dict[tuple[str, str], bool]:
        """Which hosts reach which; so many pings are under way ``at_once``."""
        every = list(permutations(ADDRESSES, 2))
        with ThreadPoolExecutor(at_once) as pool:
            return dict(zip(every, pool.map(lambda pair: self.reaches(*pair), every), strict=True))
