"""A whole Segue network for a test: a lab, the server, and an agent on every node, each a process of its own.

Names carry the test's pid, so that runs do not meet; everything is removed at the end, and what a killed run left
behind is in the way of nobody.
"""

from __future__ import annotations

import contextlib
import http.client
import itertools
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any
from urllib.parse import quote

from segue.lab.lab import Lab
from segue.lab.spec import LabHost, LabNode, LabPort, LabSpec
from segue.packet.addresses import derived_mac, format_mac

PYTHON = sys.executable
_numbers = itertools.count(1)


def mac_of(port: str) -> str:
    """The MAC that Segue gives a port which declares none."""
    return format_mac(derived_mac("port", port))


def host(name: str, node: str, *addresses: str, run: Sequence[str] = (), gateways: Sequence[str] = ()) -> LabHost:
    """A host with one port, named like it, at eth0. ``addresses`` with prefix length."""
    port = LabPort(name, mac_of(name), tuple(addresses), tuple(gateways))
    return LabHost(name, node, (port,), tuple(run))


def function(name: str, node: str, app: str, *arguments: str) -> LabHost:
    """A bump in the wire between ports NAME-in and NAME-out: ``python -m segue.lab.apps.APP``."""
    ports = tuple(
        LabPort(f"{name}-{way}", mac_of(f"{name}-{way}"), interface=f"{name}-{way}"[:15]) for way in ("in", "out")
    )
    command = " ".join([PYTHON, "-m", f"segue.lab.apps.{app}", "--in", ports[0].interface, "--out", ports[1].interface])
    return LabHost(name, node, ports, (" ".join([command, *arguments]),))


class ApiError(Exception):
    def __init__(self, status: int, body: dict[str, Any]) -> None:
        super().__init__(f"{status}: {body.get('error', body)}")
        self.status = status
        self.body = body


class _Unix(http.client.HTTPConnection):
    def __init__(self, path: str, timeout: float) -> None:
        super().__init__("segue", timeout=timeout)
        self._path = path

    def connect(self) -> None:
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.sock.settimeout(self.timeout)
        self.sock.connect(self._path)


class Fabric:
    """``with Fabric(hosts=[...]) as f: f.apply({...})``. Nodes are n1 to nN, at 192.0.2.1 and up."""

    def __init__(self, hosts: Sequence[LabHost] = (), nodes: int = 3, drain: float = 1.0) -> None:
        name = f"t{os.getpid()}_{next(_numbers)}"
        self.nodes = [f"n{i}" for i in range(1, nodes + 1)]
        lab_nodes = tuple(LabNode(node, f"192.0.2.{i}", i) for i, node in enumerate(self.nodes, 1))
        self.directory = Path(tempfile.mkdtemp(prefix="segue-test-"))
        self.lab = Lab(LabSpec(name, lab_nodes, tuple(hosts)))
        self.drain = drain
        self.socket = str(self.directory / "s")
        self.data = self.directory / "data"
        self.processes: dict[str, subprocess.Popen[bytes]] = {}

    def __enter__(self) -> Fabric:
        try:
            self.lab.up()
            self.start_server()
            for node in self.nodes:
                self.start_agent(node)
        except BaseException:
            self.close()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        for name in list(self.processes):
            self.kill(name)
        self.lab.down()
        shutil.rmtree(self.directory, ignore_errors=True)

    # -- processes -------------------------------------------------------------------------------------------------

    def _start(self, name: str, command: list[str]) -> None:
        with (self.directory / f"{name}.log").open("ab") as log:
            self.processes[name] = subprocess.Popen(command, stdout=log, stderr=log, stdin=subprocess.DEVNULL)

    def server_command(self, socket: str) -> list[str]:
        arguments = ["--listen", "127.0.0.1:0", "--data", str(self.data), "--socket", socket]
        return [PYTHON, "-m", "segue", "server", *arguments, "--drain", str(self.drain)]

    def start_server(self) -> None:
        self._start("server", self.server_command(self.socket))
        self.until(self._reachable, "the server to answer")

    def _reachable(self) -> bool:
        with contextlib.suppress(OSError):
            self.get("/v1/objects/chain")
            return True
        return False

    def agent_command(self, node: str) -> list[str]:
        arguments = ["--server", f"unix:{self.socket}", "agent", "--node", node]
        rundir = ["--rundir", str(self.lab.node_rundir(node)), "--bridge", "br-int"]
        return self.lab.argv(node, [PYTHON, "-m", "segue", *arguments, *rundir])

    def start_agent(self, node: str) -> None:
        self._start(node, self.agent_command(node))

    def kill(self, name: str, number: int = signal.SIGKILL) -> None:
        """End ``server`` or the agent of a node."""
        process = self.processes.pop(name)
        process.send_signal(number)
        process.wait(10)

    def log(self, name: str) -> str:
        return (self.directory / f"{name}.log").read_text(errors="replace")

    # -- the API ---------------------------------------------------------------------------------------------------

    def request(self, method: str, path: str, body: bytes | None = None, timeout: float = 60) -> Any:
        connection = _Unix(self.socket, timeout)
        try:
            connection.request(method, path, body)
            response = connection.getresponse()
            text = response.read()
        finally:
            connection.close()
        answer = json.loads(text) if text else None
        if response.status >= 400:
            raise ApiError(response.status, answer)
        return answer

    def get(self, path: str) -> Any:
        return self.request("GET", path)

    def apply(self, intent: Mapping[str, Any] | str, wait: float = 15.0, ready: bool = True) -> dict[str, Any]:
        """Apply a dict (or YAML text); unless ``ready`` is False, fail if it is not in force within ``wait``."""
        text = intent if isinstance(intent, str) else json.dumps(intent)
        answer: dict[str, Any] = self.request("POST", f"/v1/apply?source=test&wait={wait}", text.encode())
        if ready:
            assert answer["ready"], f"{answer['waiting']}\n{self._logs()}"
        return answer

    def delete(self, *refs: tuple[str, str], wait: float = 15.0) -> dict[str, Any]:
        connection = _Unix(self.socket, 60)
        body = json.dumps({"refs": refs}).encode()
        connection.request("POST", f"/v1/delete?wait={wait}", body, {"content-type": "application/json"})
        response = connection.getresponse()
        answer: dict[str, Any] = json.loads(response.read())
        if response.status >= 400:
            raise ApiError(response.status, answer)
        return answer

    def status(self, chain: str | None = None) -> dict[str, Any]:
        answer: dict[str, Any] = self.get("/v1/status" + (f"?chain={quote(chain)}" if chain else ""))
        return answer

    def counters(self, chain: str) -> dict[tuple[str, str, str], int]:
        """Packets by (direction, step, instance)."""
        found = self.status(chain)["chains"][0]["counters"]
        return {(c["direction"], c["step"], c["instance"]): c["packets"] for c in found}

    def until(self, condition: Any, what: str, within: float = 20.0) -> Any:
        end = time.monotonic() + within
        while time.monotonic() < end:
            value = condition()
            if value:
                return value
            time.sleep(0.02)
        raise AssertionError(f"waited {within} s for {what}\n{self._logs()}")

    def _logs(self) -> str:
        return "\n".join(f"--- {name}\n{self.log(name)[-2000:]}" for name in self.processes)

    def agents_ready(self) -> bool:
        return all(node["state"] == "ready" for node in self.status()["nodes"])

    # -- the network -----------------------------------------------------------------------------------------------

    def exec(
        self, member: str, *command: str, timeout: float = 30, stdin: str = ""
    ) -> subprocess.CompletedProcess[str]:
        return self.lab.exec(member, list(command), timeout=timeout, stdin=stdin)

    def python(self, member: str, code: str, *arguments: str, timeout: float = 30) -> str:
        done = self.exec(member, PYTHON, "-c", code, *arguments, timeout=timeout)
        assert done.returncode == 0, done.stderr
        return done.stdout

    def vsctl(self, node: str, *arguments: str) -> str:
        done = self.exec(node, "ovs-vsctl", "--timeout=10", *arguments)
        assert done.returncode == 0, done.stderr
        return done.stdout

    def restart_database(self, node: str) -> None:
        """kill -9 of the node's ovsdb-server, and another in its place."""
        state, switch = self.lab.state, self.lab._switch(node)
        for record in [p for p in state.processes() if (p.owner, p.role) == (node, "ovsdb")]:
            switch.stop(record, kill9=True)
            state.forget(record)
        state.remember(switch.start_database())

    def flows(self, node: str) -> str:
        return self.exec(node, "ovs-ofctl", "-O", "OpenFlow15", "dump-flows", "br-int").stdout
