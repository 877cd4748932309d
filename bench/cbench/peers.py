"""The controllers that are measured. Each runs a learning switch, on an address it is given, as one process."""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Callable

import msgspec

from bench.cbench import build

KEN = str(build.HERE / "ken.py")


class Peer(msgspec.Struct):
    """``command``: of the version ("1.0" or "1.3"), the host and the port. ``switches``: the most that it serves."""

    name: str
    command: Callable[[str, str, int], list[str]]
    environment: dict[str, str] = {}
    switches: int = 1 << 16


def _ken(package: str, application: str) -> Callable[[str, str, int], list[str]]:
    def command(version: str, host: str, port: int) -> list[str]:
        python = build.os_ken() if package == "os_ken" else build.ryu()
        stock = [str(build.stock_applications())] if (package, application) == ("os_ken", "stock") else []
        return [str(python), KEN, package, application, version, host, str(port), *stock]

    return command


def _testcontroller(_version: str, host: str, port: int) -> list[str]:
    program = shutil.which("ovs-testcontroller") or "ovs-testcontroller"
    return [program, "--unixctl=none", "--verbose=off", f"ptcp:{port}:{host}"]


def _segue(*options: str) -> Callable[[str, str, int], list[str]]:
    def command(_version: str, host: str, port: int) -> list[str]:
        run = ["openflow", "run", "learning-switch", "--listen", f"ptcp:{host}:{port}"]
        return [sys.executable, "-m", "segue", *run, *options]

    return command


TESTCONTROLLER = "ovs-testcontroller"

PEERS = (
    Peer("Segue, compiled core", _segue()),
    Peer("Segue, pure Python", _segue(), {"SEGUE_PURE_PYTHON": "1"}),
    Peer("os-ken 4.2.2, lean", _ken("os_ken", "lean")),
    Peer("os-ken 4.2.2, stock", _ken("os_ken", "stock")),
    Peer("Ryu 4.34, lean", _ken("ryu", "lean")),
    Peer("Ryu 4.34, stock", _ken("ryu", "stock")),
    Peer(TESTCONTROLLER, _testcontroller, switches=16),
)
SPINNING = Peer("Segue, compiled core, spinning", _segue("--spin"))


def environment(peer: Peer) -> dict[str, str]:
    """The benchmark's own, without what would change how Python runs."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("PYTHON", "SEGUE_"))}
    return {**kept, "PYTHONWARNINGS": "ignore", **peer.environment}
