"""OpenStack's own clients against servers as they are run: where the clients are, and how tests speak through them."""

from __future__ import annotations

import contextlib
import json
import re
import shlex
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple
from urllib.request import Request, urlopen

HERE = Path(__file__).parent
ENVIRONMENT = HERE.parent.parent / ".venv-clients"
PYTHON = ENVIRONMENT / "bin" / "python"


class Ran(NamedTuple):
    status: int
    out: str
    err: str


class SdkFault(Exception):
    def __init__(self, type: str, status: int | None, message: str) -> None:
        super().__init__(f"{type} {status}: {message}")
        self.type, self.status, self.message = type, status, message


class Clients:
    """The process of ``driver.py``."""

    def __init__(self) -> None:
        if not PYTHON.exists():
            raise AssertionError(f"{ENVIRONMENT.name} is not there; scripts/install test makes it")
        command = [str(PYTHON), "-W", "ignore", str(HERE / "driver.py")]
        self._process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        assert self._read() == {"ready": True}

    def ask(self, **asked: Any) -> dict[str, Any]:
        assert self._process.stdin is not None
        print(json.dumps(asked), file=self._process.stdin, flush=True)
        return self._read()

    def _read(self) -> dict[str, Any]:
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        assert line, "the clients' process has ended"
        answer: dict[str, Any] = json.loads(line)
        return answer

    def end(self) -> None:
        assert self._process.stdin is not None and self._process.stdout is not None
        self._process.stdin.close()
        self._process.wait(10)
        self._process.stdout.close()


class OpenStack:
    """The ``openstack`` command, as it is typed. What it shows is asked for as JSON; what it refuses, as its words."""

    def __init__(self, clients: Clients, url: str, token: str | None = None) -> None:
        self._clients, self._url, self._token = clients, url, token

    def run(self, line: str) -> Ran:
        return Ran(**self._clients.ask(url=self._url, token=self._token, openstack=shlex.split(line)))

    def __call__(self, line: str) -> None:
        """For commands that show nothing."""
        ran = self.run(line)
        assert ran.status == 0 and not ran.out, ran

    def show(self, line: str) -> Any:
        ran = self.run(f"{line} -f json")
        assert ran.status == 0, ran
        return json.loads(ran.out)

    def id(self, line: str) -> str:
        """For commands that make something."""
        shown = self.show(line)
        found: str = shown["ID" if "ID" in shown else "id"]
        return found

    def names(self, line: str) -> list[str]:
        return sorted(row["Name"] for row in self.show(line))

    def refused(self, line: str) -> str:
        ran = self.run(line)
        assert ran.status != 0, ran
        return ran.out + ran.err


class Sdk:
    """``sdk.create_network(name="web")`` is ``connection.network.create_network(name="web")``, its result as dicts."""

    def __init__(self, clients: Clients, url: str, token: str | None = None) -> None:
        self._clients, self._url, self._token = clients, url, token

    def __getattr__(self, name: str) -> Callable[..., Any]:
        def call(*words: Any, **options: Any) -> Any:
            asked = {"sdk": name, "words": words, "options": options}
            answer = self._clients.ask(url=self._url, token=self._token, **asked)
            if "fault" in answer:
                raise SdkFault(**answer["fault"])
            return answer["value"]

        return call


@contextlib.contextmanager
def serving(*options: str) -> Iterator[str]:
    """The address of a server with a directory of its own."""
    with tempfile.TemporaryDirectory(prefix="segue-") as name:
        log = Path(name) / "log"
        command = [sys.executable, "-m", "segue", "server", "--listen", "127.0.0.1:0", "--data", name, *options]
        with log.open("w") as written:
            process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=written, text=True)
        try:
            assert process.stdout is not None
            said = re.search(r"serving on (\S+)", process.stdout.readline())
            assert said, log.read_text()
            yield said[1]
            assert "Traceback" not in log.read_text(), log.read_text()
        finally:
            process.terminate()
            process.wait(10)
            assert process.stdout is not None
            process.stdout.close()


KINDS = ("service_graphs", "port_chains", "port_pair_groups", "port_pairs", "flow_classifiers")
IN_ORDER = (*(f"sfc/{kind}" for kind in KINDS), "routers", "ports", "subnets", "networks")
"""In which everything can be deleted."""


def empty(url: str) -> None:
    """Delete all that there is, interfaces of routers with their routers' subnets; of a server without tokens."""
    for port in ask(url, "GET", "ports?device_owner=network:router_interface")["ports"]:
        ask(url, "PUT", f"routers/{port['device_id']}/remove_router_interface", {"port_id": port["id"]})
    for path in IN_ORDER:
        for found in ask(url, "GET", f"{path}?fields=id")[path.rpartition("/")[2]]:
            ask(url, "DELETE", f"{path}/{found['id']}")


def ask(url: str, method: str, path: str, body: Any = None) -> Any:
    """``path``: below /v2.0."""
    data = None if body is None else json.dumps(body).encode()
    with urlopen(Request(f"{url}/v2.0/{path}", data, method=method), timeout=20) as answer:
        text = answer.read()
    return json.loads(text) if text else None


def token(file: Path, role: str, project: str) -> str:
    words = ["token", "create", "--file", str(file), "--role", role, "--project", project]
    command = [sys.executable, "-m", "segue", *words]
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout.strip()
