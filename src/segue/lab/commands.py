"""Running things inside a lab's namespaces: a person's command, and a host's background commands.

A background command is *settled* when it has used no processor time for a moment: by then a server has opened
its sockets. One that ends with an error before that was started wrongly, and its log says why; one that ends
with success was a set-up step.
"""

from __future__ import annotations

import os
import re
import shlex
import shutil
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

from segue.lab import names, namespace
from segue.lab.errors import LabError
from segue.lab.processes import ProcessRecord, cpu_time, inhabitants, record_of, start
from segue.lab.spec import LabHost, LabSpec
from segue.lab.state import LabState
from segue.lab.switch import environment, tail

_SHELL = re.compile(r"[|&;<>()$`*?\[\]#~{}!\\\n]|^\s*\w+=")
_LEAST, _MOST, _QUIET = 0.25, 3.0, 0.15
"""Seconds: watched at least, at most, and idle for so long."""


def enter(lab: str, member: str, argv: Sequence[str]) -> list[str]:
    return ["ip", "netns", "exec", names.namespace(lab, member), *argv]


def environment_of(state: LabState, spec: LabSpec, member: str) -> dict[str, str]:
    """The caller's environment, this interpreter first in PATH, and what the member adds. A node's speaks
    to its own switch; a host's names its own directory, which goes with the lab."""
    here = str(Path(sys.executable).parent)
    path = os.environ.get("PATH", os.defpath)
    env = {**os.environ, "PATH": path if path.startswith(here + ":") else f"{here}:{path}"}
    if any(n.name == member for n in spec.nodes):
        return {**env, **environment(state.node(member))}
    return {**env, "LAB_DIR": str(state.own(member)), **host_named(spec, member).env}


def host_named(spec: LabSpec, name: str) -> LabHost:
    for host in spec.hosts:
        if host.name == name:
            return host
    raise LabError(f"lab {spec.name!r} has no host {name!r}")


class Started:
    def __init__(self, host: str, command: str, child: subprocess.Popen[bytes], record: ProcessRecord | None):
        self.host, self.command, self.child, self.record = host, command, child, record


def start_commands(state: LabState, spec: LabSpec, host: LabHost, env: Mapping[str, str]) -> list[Started]:
    started = []
    state.own(host.name).mkdir(parents=True, exist_ok=True)
    for command in host.run:
        log = state.log(host.name)
        words = enter(spec.name, host.name, _words(command, env))
        child = start(words, env=env, log=log, cwd=spec.directory or None)
        record = record_of(child.pid, host.name, "run", command)
        if record is not None:
            state.remember(record)
        started.append(Started(host.name, command, child, record))
    return started


def _words(command: str, env: Mapping[str, str]) -> list[str]:
    """A plain program is started itself, so that the recorded process is that program and no shell before it;
    whatever needs a shell gets one."""
    if not _SHELL.search(command):
        words = shlex.split(command)
        if words and shutil.which(words[0], path=env.get("PATH")):
            return words
    return ["/bin/sh", "-c", command]


def settle(state: LabState, lab: str, started: Sequence[Started]) -> None:
    """Returns when all are settled; raises LabError when one has failed."""
    if not started:
        return
    places = [namespace.path_of(names.namespace(lab, name)) for name in {s.host for s in started}]
    begun = idle_since = time.monotonic()
    used: dict[int, int] = {}
    while True:
        time.sleep(0.03)
        for one in started:
            status = one.child.poll()
            if status:
                raise LabError(_obituary(state, one, status))
            if status == 0 and one.record is not None:
                state.forget(one.record)
                one.record = None
        now, using = time.monotonic(), {p: cpu_time(p) for p in inhabitants(places)}
        if using != used:
            used, idle_since = using, now
        if now - begun >= _MOST or (now - begun >= _LEAST and now - idle_since >= _QUIET):
            return


def _obituary(state: LabState, one: Started, status: int) -> str:
    how = f"was ended by signal {-status}" if status < 0 else f"ended with status {status}"
    said = tail(state.log(one.host)) or "(it printed nothing)"
    return f"host {one.host!r}: {one.command!r} {how} at once; its log ends:\n{said}"
