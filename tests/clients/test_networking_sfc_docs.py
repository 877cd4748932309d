"""Every command of docs/networking-sfc.md is run, in order, as it is written there; only the port is another."""

from __future__ import annotations

import ast
import contextlib
import os
import re
import shlex
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from clients import ENVIRONMENT, PYTHON, Clients, OpenStack, ask, serving

pytestmark = pytest.mark.slow

PAGE = Path(__file__).parent.parent.parent / "docs" / "networking-sfc.md"
FENCE = re.compile(r"^```(\w+)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
ADDRESS = "http://127.0.0.1:9696"


class Shell:
    """Where the page's lines are run: the directory and the environment stay from one to the next."""

    def __init__(self, directory: Path, clients: Clients) -> None:
        self._directory, self._clients = directory, clients
        self._servers = contextlib.ExitStack()
        self.url = ""
        programs = f"{Path(sys.executable).parent}:{ENVIRONMENT / 'bin'}"
        self._environment = {"PATH": f"{programs}:{os.environ['PATH']}", "PYTHONWARNINGS": "ignore"}

    def run(self, line: str) -> str:
        """What a line prints."""
        words = shlex.split(line)
        if words[:2] == ["segue", "server"]:
            self._servers.close()
            listen = words.index("--listen")
            options = [word.replace("./", f"{self._directory}/") for word in words[2:listen] + words[listen + 2 :]]
            again = ["--listen", self.url.removeprefix("http://")] if self.url else []  # the same port as before
            self.url = self._servers.enter_context(serving(*options, *again))
            return ""
        if words[0] == "openstack" and self._environment["OS_AUTH_TYPE"] == "none":
            ran = OpenStack(self._clients, self.url).run(shlex.join(words[1:]))
            assert ran.status == 0, (line, ran)
            return ran.out
        script = f"{line.replace(ADDRESS, self.url)}\nstatus=$?\nenv -0 > {self._directory}/environment\nexit $status"
        command, where = ["bash", "-c", script], {"cwd": self._directory, "env": self._environment}
        told = subprocess.run(command, **where, capture_output=True, text=True, timeout=60)
        assert told.returncode == (1 if line == "segue status" else 0), (line, told)  # 1: not all is in force
        pairs = (self._directory / "environment").read_text().rstrip("\0").split("\0")
        self._environment = dict(pair.split("=", 1) for pair in pairs)
        return told.stdout

    def python(self, block: str) -> str:
        command = [str(PYTHON), "-W", "ignore", "-c", block.replace(ADDRESS, self.url)]
        return subprocess.run(command, check=True, capture_output=True, text=True, timeout=60).stdout

    def end(self) -> None:
        self._servers.close()


@pytest.fixture
def shell(tmp_path: Path, clients: Clients) -> Iterator[Shell]:
    started = Shell(tmp_path, clients)
    yield started
    started.end()


def test_the_page_does_what_it_says(shell: Shell) -> None:
    said, programs = {}, []
    for kind, block in FENCE.findall(PAGE.read_text()):
        if kind == "python":
            programs.append(block)
            continue
        assert kind == "sh"
        for line in filter(None, block.splitlines()):
            said[line] = shell.run(line)
    assert "Service Function Chaining" in said["openstack extension list --network"]
    assert "checked" in said["segue get chains"] and "has no agent connected" in said["segue status"]
    asked, native = (answer for line, answer in said.items() if line.startswith("curl"))
    assert '"status":"BUILD"' in asked and "has no agent connected" in asked
    assert '"label":"checked"' in native and '"state":"preparing"' in native
    (group,) = ask(shell.url, "GET", "sfc/port_pair_groups")["port_pair_groups"]
    shown, mapped = map(shell.python, programs)
    assert shown == f"checked ['{group['id']}']\n"
    assert ast.literal_eval(mapped)["egress_n_tuple"]["source_ip_prefix"] == "10.0.0.99/32"
    assert "egress: {source_prefix: 10.0.0.99/32, source_ports: [1024, 65535]}" in shell.run("segue get groups -o yaml")


def test_the_real_command_takes_its_settings_from_the_environment(shell: Shell) -> None:
    shell.run("segue server --listen 127.0.0.1:9696 --data ./chains")
    shell.run(f"export OS_AUTH_TYPE=none OS_ENDPOINT={ADDRESS}")
    ask(shell.url, "POST", "networks", {"network": {"name": "web"}})
    assert shell.run("env openstack network list -f value -c Name") == "web\n"
