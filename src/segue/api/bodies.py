"""What the native API takes and gives, as structs; the command line reads the same JSON."""

from __future__ import annotations

import msgspec


class ProblemBody(msgspec.Struct, omit_defaults=True):
    """``text`` is the whole sentence, with file and line where they are known."""

    text: str
    source: str = ""
    line: int | None = None
    where: str = ""


class ErrorBody(msgspec.Struct, omit_defaults=True):
    """Every refusal looks like this."""

    error: str
    problems: list[ProblemBody] = []


class ChangeBody(msgspec.Struct):
    """``what``: add, change, remove. ``fields``: (name, old, new)."""

    what: str
    kind: str
    name: str
    text: str


class AppliedBody(msgspec.Struct):
    """``ready``: in force on every node. ``waiting``: why not yet."""

    changes: list[ChangeBody]
    revision: int
    ready: bool
    waiting: list[str]


class DeleteBody(msgspec.Struct):
    """``refs``: (kind, name)."""

    refs: list[tuple[str, str]]


class HopBody(msgspec.Struct):
    instance: str
    node: str
    proxy: str
    weight: int


class StepBody(msgspec.Struct):
    index: int
    group: str
    instances: list[HopBody]


class PathBody(msgspec.Struct):
    """A path as it is rendered. ``proxy`` of an instance says how the path survives the visit."""

    id: int
    chain: str
    direction: str
    encapsulation: str
    network: str
    phase: str
    steps: list[StepBody]


class CounterBody(msgspec.Struct):
    """``name`` is what is counted: an instance of a step, or empty for the chain itself."""

    direction: str
    step: str
    instance: str
    packets: int
    bytes: int


class ChainStatus(msgspec.Struct):
    """``state``: ready, preparing (the old paths still carry everything), or impaired (something is missing)."""

    name: str
    state: str
    reasons: list[str]
    paths: list[PathBody]
    counters: list[CounterBody]


class NodeStatus(msgspec.Struct):
    """``state``: ready, behind (at work), failed (its switch refuses something), or absent (no agent)."""

    name: str
    state: str
    reason: str
    revision: int


class StatusBody(msgspec.Struct):
    version: str
    revision: int
    nodes: list[NodeStatus]
    chains: list[ChainStatus]
    unread: list[str]
    """Counters that could not be read, and why."""
