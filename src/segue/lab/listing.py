"""What labs there are, and how they fare, by what is found rather than by what was hoped."""

from __future__ import annotations

from pathlib import Path

from msgspec import Struct

from segue.lab import names, namespace
from segue.lab.processes import ProcessRecord, alive
from segue.lab.state import DEFAULT_ROOT, LabState


class ProcessStatus(Struct, frozen=True):
    command: str
    pid: int
    alive: bool


class MemberStatus(Struct, frozen=True):
    """A node (``node`` is its own name) or a host. ``namespace``: whether it is there."""

    name: str
    node: str
    namespace: bool
    processes: tuple[ProcessStatus, ...]


class LabStatus(Struct, frozen=True):
    """``phase``: ``making``, ``up``, ``removing``, or ``unknown`` when the record is lost."""

    name: str
    phase: str
    nodes: tuple[MemberStatus, ...]
    hosts: tuple[MemberStatus, ...]


def list_labs(root: Path = DEFAULT_ROOT) -> list[LabStatus]:
    if not root.is_dir():
        return []
    found = sorted(p.name for p in root.iterdir() if p.is_dir() and not p.name.startswith("."))
    return [_status(LabState(root, name)) for name in found]


def _status(state: LabState) -> LabStatus:
    record = state.read()
    if record is None:
        return LabStatus(state.lab, "unknown", (), ())
    processes = state.processes()

    def member(name: str, node: str) -> MemberStatus:
        mine = tuple(_process(p) for p in processes if p.owner == name)
        return MemberStatus(name, node, namespace.is_live(names.namespace(state.lab, name)), mine)

    nodes = tuple(member(n.name, n.name) for n in record.spec.nodes)
    hosts = tuple(member(h.name, h.node) for h in record.spec.hosts)
    return LabStatus(state.lab, record.phase, nodes, hosts)


def _process(record: ProcessRecord) -> ProcessStatus:
    return ProcessStatus(record.command, record.pid, alive(record))
