"""A lab's control plane: ``segue up`` in the background, found again by its record."""

from __future__ import annotations

import contextlib
import os
import re
import sys
import time
from collections.abc import Callable
from pathlib import Path

import msgspec

from segue.lab.errors import LabError
from segue.lab.lab import Lab, silent
from segue.lab.processes import ProcessRecord, alive, end_records, record_of
from segue.lab.processes import start as spawn
from segue.lab.state import DEFAULT_ROOT, LabState

READY = 20.0
"""Seconds that the server may take to come up."""
_SERVING = re.compile(r"serving on (\S+)")


class Control(msgspec.Struct, frozen=True):
    process: ProcessRecord
    url: str


def running(name: str, *, root: Path = DEFAULT_ROOT) -> Control | None:
    """The lab's control plane, if it runs."""
    with contextlib.suppress(OSError, msgspec.MsgspecError):
        control = msgspec.json.decode(_file(root, name).read_bytes(), type=Control)
        if alive(control.process):
            return control
    return None


def start(lab: Lab, listen: str, progress: Callable[[str], None] = silent) -> str:
    """Start it unless it runs; returns the server's URL. Raises LabError with what it said."""
    name, root = lab.spec.name, lab.state.root
    control = running(name, root=root)
    if control is not None:
        return control.url
    log = lab.state.path / "log" / "segue.log"
    log.parent.mkdir(parents=True, exist_ok=True)
    log.write_bytes(b"")
    progress(f"starting the server and {len(lab.spec.nodes)} agents")
    command = [sys.executable, "-m", "segue", "up", "--lab", name, "--listen", listen]
    child = spawn(command, env=dict(os.environ), log=log)
    record = record_of(child.pid, "", "control", "segue up")
    if record is None:
        raise LabError(f"segue up ended at once: {_tail(log)}")
    _file(root, name).write_bytes(msgspec.json.encode(Control(record, "")))
    until = time.monotonic() + READY
    while time.monotonic() < until:
        served = _SERVING.search(log.read_text(errors="replace"))
        if served:
            _file(root, name).write_bytes(msgspec.json.encode(Control(record, served[1])))
            return served[1]
        if child.poll() is not None or "cannot listen" in _tail(log):
            break
        time.sleep(0.02)
    stop(name, root=root)
    raise LabError(f"the lab's server did not come up: {_tail(log)}")


def stop(name: str, *, root: Path = DEFAULT_ROOT) -> None:
    """End it; agents end with their namespaces."""
    control = running(name, root=root)
    if control is not None:
        end_records([control.process], grace=8.0)
    _file(root, name).unlink(missing_ok=True)


def _file(root: Path, name: str) -> Path:
    return LabState(root, name).path / "control.json"


def _tail(log: Path) -> str:
    return " / ".join(log.read_text(errors="replace").strip().splitlines()[-3:]) or "it said nothing"
