"""Network namespaces: made, entered and removed.

Settings inside a namespace are written by a thread that has entered it (setns(2) moves one thread): writing a
dozen sysctls costs microseconds that way, where a process for each would cost milliseconds. Commands that a
person sees run under ``ip netns exec``, which mounts the matching ``/sys``.
"""

from __future__ import annotations

import ctypes
import os
import threading
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import TypeVar

from segue.lab.errors import LabError
from segue.lab.processes import run

_DIRECTORY = Path("/run/netns")
_CLONE_NEWNET = 0x40000000
_libc = ctypes.CDLL(None, use_errno=True)
T = TypeVar("T")


def path_of(name: str) -> Path:
    return _DIRECTORY / name


def existing(prefix: str) -> list[str]:
    if not _DIRECTORY.is_dir():
        return []
    return sorted(p.name for p in _DIRECTORY.iterdir() if p.name.startswith(prefix))


def is_live(name: str) -> bool:
    """Whether a namespace is mounted there: a maker that was killed may have left a bare file."""
    try:
        return path_of(name).stat().st_dev != _DIRECTORY.stat().st_dev
    except OSError:
        return False


def inside(name: str, work: Callable[[], T]) -> T:
    """Calls ``work`` in a thread of its own that has entered the namespace; the caller's stays where it is."""
    future: Future[T] = Future()

    def body() -> None:
        try:
            with path_of(name).open("rb") as handle:
                if _libc.setns(handle.fileno(), _CLONE_NEWNET):
                    raise LabError(f"namespace {name}: {os.strerror(ctypes.get_errno())}")
            future.set_result(work())
        except BaseException as error:
            future.set_exception(error)

    thread = threading.Thread(target=body, name=f"in-{name}")
    thread.start()
    thread.join()
    return future.result()


def parallel(jobs: Iterable[Callable[[], object]]) -> None:
    """All jobs run to their end; then the first error, if any, is raised."""
    waiting = list(jobs)
    if not waiting:
        return
    with ThreadPoolExecutor(max_workers=8) as pool:
        futures = [pool.submit(job) for job in waiting]
    for future in futures:
        future.result()


def sysctl(settings: Iterable[tuple[str, str]]) -> None:
    """Pairs of a path under ``/proc/sys/net`` and a value; in the calling thread's namespace."""
    for path, value in settings:
        try:
            (Path("/proc/sys/net") / path).write_text(value)
        except FileNotFoundError:
            if not path.startswith("ipv6/"):  # a kernel without IPv6 has none of these to turn off
                raise


def batch(lines: Sequence[str], *, pass_fds: Sequence[int] = (), force: bool = False) -> None:
    """``ip -batch``: one process for all the lines. Raises LabError naming the line that failed."""
    if not lines:
        return
    argv = ["ip", *(["-force"] if force else []), "-batch", "-"]
    try:
        run(argv, stdin="\n".join(lines) + "\n", pass_fds=pass_fds)
    except LabError as error:
        if force:
            return
        number = str(error).rpartition("Command failed -:")[2]
        line = lines[int(number) - 1] if number.isdigit() and 0 < int(number) <= len(lines) else "?"
        raise LabError(f"{error} (ip {line})") from error


def remove(names: Sequence[str]) -> None:
    batch([f"netns del {n}" for n in names], force=True)
    left = [n for n in names if path_of(n).exists()]
    if left:
        raise LabError(f"namespaces {', '.join(left)} cannot be removed")
