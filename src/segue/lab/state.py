"""What a lab leaves on disk, so that any later command can find, mend or remove it.

    ROOT/.LAB.lock            held by whoever changes the lab, and by the children that are making it
    ROOT/LAB/record.json      what the lab is to be, and how far it has come: ``making`` until it is whole
    ROOT/LAB/proc/*.json      one file per process
    ROOT/LAB/log/HOST.log     what a host's commands print
    ROOT/LAB/run/HOST/        the host's own directory, for what its commands write
    ROOT/LAB/NODE/            the node's Open vSwitch

The lock is a flock(2): a killed holder lets go of it, unless a child of its is still at work, and then the
next command rightly waits for that child.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import shutil
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Literal

import msgspec

from segue.lab.errors import LabError
from segue.lab.processes import ProcessRecord, boot_id
from segue.lab.spec import LabSpec

DEFAULT_ROOT = Path("/run/segue/lab")


class LabRecord(msgspec.Struct, frozen=True):
    spec: LabSpec
    phase: Literal["making", "up", "removing"]
    boot: str


class LabState:
    def __init__(self, root: Path, lab: str) -> None:
        self.root = root
        self.lab = lab
        self.path = root / lab

    def node(self, name: str) -> Path:
        return self.path / name

    def log(self, host: str) -> Path:
        return self.path / "log" / f"{host}.log"

    def own(self, host: str) -> Path:
        return self.path / "run" / host

    def make_directories(self, spec: LabSpec) -> None:
        for path in (self.path / "log", self.path / "proc", *(self.node(n.name) for n in spec.nodes)):
            path.mkdir(parents=True, exist_ok=True)

    def read(self) -> LabRecord | None:
        """None when there is no lab, or its making was cut off before the record."""
        try:
            return msgspec.json.decode((self.path / "record.json").read_bytes(), type=LabRecord)
        except (OSError, msgspec.MsgspecError):
            return None

    def write(self, spec: LabSpec, phase: Literal["making", "up", "removing"]) -> None:
        self.path.mkdir(parents=True, exist_ok=True)
        _replace(self.path / "record.json", msgspec.json.encode(LabRecord(spec, phase, boot_id())))

    def remember(self, record: ProcessRecord) -> None:
        _replace(self._file(record), msgspec.json.encode(record))

    def forget(self, record: ProcessRecord) -> None:
        self._file(record).unlink(missing_ok=True)

    def processes(self) -> list[ProcessRecord]:
        found = []
        for path in sorted((self.path / "proc").glob("*.json")):
            with contextlib.suppress(OSError, msgspec.MsgspecError):
                found.append(msgspec.json.decode(path.read_bytes(), type=ProcessRecord))
        return found

    def remove(self) -> None:
        if self.path.exists():
            shutil.rmtree(self.path)

    @contextlib.contextmanager
    def locked(self, patience: float, progress: Callable[[str], None]) -> Iterator[int]:
        """Holds the lab's lock and gives its file descriptor; raises LabError after ``patience`` seconds."""
        self.root.mkdir(parents=True, exist_ok=True)
        path = self.root / f".{self.lab}.lock"
        until, told = time.monotonic() + patience, False
        while True:
            fd = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
            try:
                fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
                if _same_file(fd, path):
                    break
            except BlockingIOError:
                if time.monotonic() > until:
                    os.close(fd)
                    raise LabError(f"another command is changing lab {self.lab!r}; try again later") from None
                if not told:
                    progress(f"waiting for another command that is changing lab {self.lab}")
                    told = True
                time.sleep(0.05)
            os.close(fd)
        try:
            yield fd
        finally:
            if not self.path.exists():
                path.unlink(missing_ok=True)  # safe: whoever waits on this file compares it with the path
            os.close(fd)

    def _file(self, record: ProcessRecord) -> Path:
        return self.path / "proc" / f"{record.owner}.{record.role}.{record.pid}.json"


def _same_file(fd: int, path: Path) -> bool:
    try:
        there = path.stat()
    except OSError:
        return False
    return os.path.samestat(os.fstat(fd), there)


def _replace(path: Path, data: bytes) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_name(f".{path.name}.{os.getpid()}.part")
    part.write_bytes(data)
    part.replace(path)
