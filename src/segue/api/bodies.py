"""What the native API takes and gives, as structs; the command line reads the same JSON."""

from __future__ import annotations

from typing import Any, Literal, TypeVar

import msgspec
from litestar.exceptions import ClientException

Body = TypeVar("Body")


def read(body: bytes | msgspec.Raw, kind: type[Body], hint: str) -> Body:
    """Raises ClientException, whose end is ``hint``."""
    try:
        return msgspec.json.decode(body, type=kind)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise ClientException(f"body: {error}; {hint}") from None


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
    """``ready``: in force on every node. ``waiting``: why not yet. ``revision``: the store's, with the change in it, as
    entity tags and events have it: ``/v1/events?since=`` it tells what came behind."""

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


class BranchBody(msgspec.Struct):
    """``path`` is 0 while the chain has none that fits."""

    path: int
    chain: str


class PathBody(msgspec.Struct):
    """A path as it is rendered. ``proxy`` of an instance says how the path survives the visit. ``into``: the paths
    along which packets may go on behind its last step, as a service graph says."""

    id: int
    chain: str
    direction: str
    encapsulation: str
    network: str
    phase: str
    steps: list[StepBody]
    into: list[BranchBody]


class CounterBody(msgspec.Struct):
    """``name`` is what is counted: an instance of a step, or empty for the chain itself."""

    direction: str
    step: str
    instance: str
    packets: int
    bytes: int


class ChainStatus(msgspec.Struct):
    """``state``: ready, preparing (the old paths still carry everything), or impaired (something is missing).
    ``into``: the chains that may take its packets behind its last step, as a service graph says."""

    name: str
    state: str
    reasons: list[str]
    paths: list[PathBody]
    counters: list[CounterBody]
    into: list[str]
    label: str = ""


class FlowBody(msgspec.Struct):
    """A flow on a node's switch. ``owner``: KIND/NAME of the object on whose account it is there."""

    stage: str
    priority: int
    owner: str
    packets: int
    bytes: int
    match: str
    actions: str


class NodeStatus(msgspec.Struct):
    """``state``: ready, behind (at work), failed (its switch refuses something), or absent (no agent). ``told``: the
    number of the last update that the server had for the node; ``holds``: of the last that its switch is known to hold.
    Updates are counted anew in each run of the server; a revision is something else."""

    name: str
    state: str
    reason: str
    told: int
    holds: int


class StatusBody(msgspec.Struct):
    """``version``: of the server's program. ``revision``: the store's, as entity tags and events have it."""

    version: str
    revision: int
    nodes: list[NodeStatus]
    chains: list[ChainStatus]
    unread: list[str]
    """Counters that could not be read, and why."""


class StateBody(msgspec.Struct):
    """Of a chain: ready, preparing, or impaired; of a node: ready, behind, failed, or absent."""

    state: Literal["ready", "preparing", "impaired", "behind", "failed", "absent"]
    reasons: list[str]


class EventBody(msgspec.Struct):
    """The data of an event ``added``, ``changed``, ``removed`` or ``status``. ``object``: as it is now; where it was
    added or changed. ``status``: how it is now; where that changed."""

    kind: str
    name: str
    object: dict[str, Any] | msgspec.UnsetType = msgspec.UNSET
    status: StateBody | msgspec.UnsetType = msgspec.UNSET


class ListedBody(msgspec.Struct):
    """The data of an event ``listed``. ``revision``: the store's, as of which the listing is; ``count``: of objects."""

    revision: int
    count: int


class ResetBody(msgspec.Struct):
    """The data of an event ``reset``: what was told before is to be forgotten, and a listing follows."""

    reason: str
