"""Processes of a lab: started with a record on disk, ended only when they are surely the lab's own.

A pid alone names nobody, for the kernel uses it again. A record holds the pid with the process's start time
(field 22 of ``/proc/PID/stat``, proc(5)) and the boot it belongs to. To end a process, first a pidfd is
opened (it holds on to that one process, pidfd_open(2)), then the record or the namespace is compared, and
only then the signal goes through the pidfd: between comparison and signal nothing can change hands.

Records do not find everything: whoever is killed between starting a process and writing its record leaves an
orphan, and commands start children. So the processes *inside the lab's namespaces* are found as well.
"""

from __future__ import annotations

import contextlib
import os
import select
import signal
import subprocess
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path

import msgspec

from segue.lab.errors import LabError

_children: dict[int, subprocess.Popen[bytes]] = {}
"""Our own children, held so that they can be reaped and their exit status read."""


class ProcessRecord(msgspec.Struct, frozen=True):
    """``start``: clock ticks after boot. ``owner``: the node or host. ``role``: ovsdb, vswitchd, run, capture."""

    pid: int
    start: int
    boot: str
    owner: str
    role: str
    command: str


def boot_id() -> str:
    return Path("/proc/sys/kernel/random/boot_id").read_text().strip()


def _stat(pid: int) -> list[str] | None:
    try:
        text = Path(f"/proc/{pid}/stat").read_text()
    except OSError:
        return None
    return text[text.rindex(")") + 2 :].split()


def start_time(pid: int) -> int | None:
    """Clock ticks after boot; None when there is no such process, or only its zombie."""
    fields = _stat(pid)
    return None if fields is None or fields[0] in "ZX" else int(fields[19])


def cpu_time(pid: int) -> int:
    fields = _stat(pid)
    return 0 if fields is None else int(fields[11]) + int(fields[12])


def alive(record: ProcessRecord) -> bool:
    return start_time(record.pid) == record.start and record.boot == boot_id()


def record_of(pid: int, owner: str, role: str, command: str) -> ProcessRecord | None:
    start = start_time(pid)
    return None if start is None else ProcessRecord(pid, start, boot_id(), owner, role, command)


def run(
    argv: Sequence[str],
    *,
    stdin: str = "",
    env: Mapping[str, str] | None = None,
    pass_fds: Sequence[int] = (),
    timeout: float = 60,
) -> str:
    """A short command; gives its output, raises LabError with its complaint."""
    try:
        done = subprocess.run(
            argv, input=stdin, env=env, pass_fds=pass_fds, timeout=timeout, text=True, capture_output=True
        )
    except FileNotFoundError as error:
        raise LabError(f"{argv[0]} is not installed") from error
    except subprocess.TimeoutExpired as error:
        raise LabError(f"{' '.join(argv)[:200]}: no answer within {timeout:g} s") from error
    if done.returncode:
        complaint = (done.stderr or done.stdout).strip() or f"exit status {done.returncode}"
        raise LabError(f"{' '.join(argv)[:200]}: {complaint}")
    return done.stdout


def start(argv: Sequence[str], *, env: Mapping[str, str], log: Path, cwd: str | None = None) -> subprocess.Popen[bytes]:
    """A background process in a session of its own; both its outputs are appended to ``log``."""
    with log.open("ab") as out:
        child = subprocess.Popen(
            argv, env=env, cwd=cwd, stdin=subprocess.DEVNULL, stdout=out, stderr=out, start_new_session=True
        )
    _children[child.pid] = child
    return child


def reap() -> None:
    for pid, child in list(_children.items()):
        if child.poll() is not None:
            del _children[pid]


def namespace_id(path: Path) -> tuple[int, int] | None:
    try:
        found = path.stat()
    except OSError:
        return None
    return found.st_dev, found.st_ino


def _identities(namespaces: Iterable[Path]) -> set[tuple[int, int] | None]:
    """Never the machine's own, whatever may be mounted under a lab's name."""
    return {namespace_id(p) for p in namespaces} - {None, namespace_id(Path("/proc/1/ns/net"))}


def inhabitants(namespaces: Iterable[Path]) -> list[int]:
    """The pids of all processes whose network namespace is one of these, our own ancestors excepted."""
    wanted = _identities(namespaces)
    if not wanted:
        return []
    spared = _ancestors()
    pids = [int(entry.name) for entry in Path("/proc").iterdir() if entry.name.isdigit()]
    return [p for p in pids if p not in spared and namespace_id(Path(f"/proc/{p}/ns/net")) in wanted]


def _ancestors() -> set[int]:
    found, pid = set(), os.getpid()
    while pid and pid not in found:
        found.add(pid)
        fields = _stat(pid)
        pid = int(fields[1]) if fields else 0
    return found


def end_records(records: Iterable[ProcessRecord], *, first: int = signal.SIGTERM, grace: float = 2.0) -> None:
    by_pid = {r.pid: r for r in records}
    _end(by_pid, lambda pid: alive(by_pid[pid]), first, grace)


def end_inhabitants(namespaces: Sequence[Path], *, first: int = signal.SIGTERM, grace: float = 2.0) -> None:
    """Ends everything inside; a process may be starting another at this moment, hence the rounds."""
    wanted = _identities(namespaces)
    for _ in range(20):
        pids = inhabitants(namespaces)
        if not pids:
            return
        _end(pids, lambda pid: namespace_id(Path(f"/proc/{pid}/ns/net")) in wanted, first, grace)
    raise LabError(f"processes {inhabitants(namespaces)} do not end")


def _end(pids: Iterable[int], ours: Callable[[int], bool], first: int, grace: float) -> None:
    with contextlib.ExitStack() as stack:
        held: set[int] = set()
        for pid in pids:
            try:
                fd = os.pidfd_open(pid)
            except OSError:
                continue
            stack.callback(os.close, fd)
            if ours(pid):
                held.add(fd)
        for number, patience in ((first, grace), (signal.SIGKILL, 5.0)):
            for fd in held:
                with contextlib.suppress(ProcessLookupError):
                    signal.pidfd_send_signal(fd, number)
            held = _wait(held, patience)
        reap()
        if held:
            raise LabError(f"{len(held)} processes do not end, even when killed")


def _wait(fds: set[int], patience: float) -> set[int]:
    """Those that have not ended in time. A pidfd becomes readable when its process ends."""
    poll, left, until = select.poll(), set(fds), time.monotonic() + patience
    for fd in left:
        poll.register(fd, select.POLLIN)
    while left and (rest := until - time.monotonic()) > 0:
        for fd, _ in poll.poll(rest * 1000):
            poll.unregister(fd)
            left.discard(fd)
    return left
