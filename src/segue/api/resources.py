"""The native resources: declare, read, delete; how things are; what a packet would meet."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Annotated, Any, Literal

import msgspec
from litestar import Controller, Request, get, post
from litestar.datastructures import State
from litestar.params import Parameter

from segue import __version__
from segue.api.bodies import (
    AppliedBody,
    ChainStatus,
    ChangeBody,
    CounterBody,
    DeleteBody,
    HopBody,
    NodeStatus,
    PathBody,
    StatusBody,
    StepBody,
)
from segue.api.errors import NotFound, Unsound
from segue.api.files import FILES, merged, read_files
from segue.intent import Document, diff, dump, parse
from segue.intent.values import MAX_NAME
from segue.model.intent import KINDS, Object, Ref
from segue.model.path import Path, index_of
from segue.server.conductor import Conductor, Outcome, Refused
from segue.server.service import Service
from segue.server.status import chain_state, counters_by_chain, node_state, proxy

Wait = Annotated[float, Parameter(ge=0, le=600)]


def _service(state: State) -> Service:
    service: Service = state.service
    return service


class Intents(Controller):
    path = "/v1"

    @post("/apply", status_code=200)
    async def apply(
        self,
        request: Request[Any, Any, State],
        state: State,
        source: str = "-",
        dry_run: bool = False,
        wait: Wait = 0.0,
    ) -> AppliedBody:
        """The body is YAML or JSON text, ``source`` its name in messages; or several texts, see ``read_files``.

        ``wait``: seconds until in force.
        """
        documents = await _documents(request, source)
        return await _change(_service(state).conductor, merged(documents), documents, dry_run, wait)

    @post("/delete", status_code=200)
    async def delete(self, data: DeleteBody, state: State, dry_run: bool = False, wait: Wait = 0.0) -> AppliedBody:
        """Deletes objects by kind and name, with what they declared inside themselves."""
        conductor = _service(state).conductor
        for kind, name in data.refs:
            _find(conductor, kind, name)
        gone: dict[Ref, Object | None] = dict.fromkeys([(kind, name) for kind, name in data.refs])
        return await _change(conductor, gone, [], dry_run, wait)

    @post("/delete-file", status_code=200)
    async def delete_file(
        self,
        request: Request[Any, Any, State],
        state: State,
        source: str = "-",
        dry_run: bool = False,
        wait: Wait = 0.0,
    ) -> AppliedBody:
        """Deletes what the body declares and is there."""
        documents = await _documents(request, source)
        conductor = _service(state).conductor
        here = [ref for ref in merged(documents) if ref in conductor.declared.objects]
        return await _change(conductor, dict.fromkeys(here), [], dry_run, wait)

    @get("/objects")
    async def everything(self, state: State) -> dict[str, Any]:
        objects = _service(state).conductor.declared.objects
        return {kind: [_builtins(o) for (k, n), o in objects.items() if k == kind] for kind in KINDS}

    @get("/objects/{kind:str}")
    async def listing(self, kind: str, state: State) -> list[dict[str, Any]]:
        _known(kind)
        objects = _service(state).conductor.declared.objects
        return [_builtins(value) for ref, value in sorted(objects.items()) if ref[0] == kind]

    @get("/objects/{kind:str}/{name:str}")
    async def one(self, kind: str, name: str, state: State) -> dict[str, Any]:
        return _builtins(_find(_service(state).conductor, kind, name))

    @get("/text", media_type="text/plain")
    async def text(
        self, state: State, kind: str | None = None, name: str | None = None, form: Literal["yaml", "json"] = "yaml"
    ) -> str:
        """Objects as a text that can be applied again."""
        conductor = _service(state).conductor
        if kind is not None:
            _known(kind)
            if name is not None:
                _find(conductor, kind, name)
        objects = conductor.declared.objects
        chosen = {ref: o for ref, o in objects.items() if kind in (None, ref[0]) and name in (None, ref[1])}
        return dump(chosen, form)

    @get("/status")
    async def status(self, state: State, chain: str | None = None, count: bool = True) -> StatusBody:
        """``count``: read the counters of all nodes first; without, none are given."""
        service = _service(state)
        conductor = service.conductor
        if chain is not None:
            _find(conductor, "chain", chain)
        unread = await service.agents.count(chain or "", fresh=True) if count else []
        counted = counters_by_chain(service.counted.totals()) if count else {}
        objects = conductor.declared.objects
        names = sorted(name for kind, name in objects if kind == "chain" and chain in (None, name))
        chains = []
        for name in names:
            condition, reasons = chain_state(conductor, name)
            counters = [
                CounterBody(direction, step, instance, *number)
                for direction, step, instance, number in counted.get(name, ())
            ]
            paths = [_path(conductor, path) for path in conductor.rollouts.paths_of(name)]
            chains.append(ChainStatus(name, condition, reasons, paths, counters))
        nodes = [
            NodeStatus(name, *node_state(conductor, name), conductor.acked.get(name, 0))
            for kind, name in sorted(objects)
            if kind == "node"
        ]
        return StatusBody(__version__, conductor.revision, nodes, chains, unread)

    @get("/flows/{node:str}")
    async def flows(self, node: str, state: State) -> list[dict[str, Any]]:
        service = _service(state)
        _find(service.conductor, "node", node)
        found: list[dict[str, Any]] = await service.agents.ask(node, "flows", within=60)
        return found

    @get("/trace")
    async def trace(self, flow: str, state: State, live: bool = False) -> dict[str, Any]:
        traced = await _service(state).tracer.trace(flow, live)
        return msgspec.structs.asdict(traced)


async def _documents(request: Request[Any, Any, State], source: str) -> list[Document]:
    body = await request.body()
    return read_files(body) if request.content_type[0] == FILES else [parse(body, source)]


async def _change(
    conductor: Conductor, wanted: Mapping[Ref, Any], documents: Sequence[Document], dry_run: bool, wait: float
) -> AppliedBody:
    try:
        outcome = conductor.apply(wanted, dry_run=dry_run)
    except Refused as refused:
        raise Unsound(refused, documents) from None
    waiting: list[str] = []
    if not dry_run:
        waiting = await conductor.settled(outcome, wait) if wait else conductor.waiting(outcome)
    return AppliedBody(_changes(outcome), outcome.revision, not waiting, waiting)


def _changes(outcome: Outcome) -> list[ChangeBody]:
    after = {ref: value for ref, value in outcome.after.items() if value is not None}
    return [ChangeBody(c.what, c.kind, c.name, str(c)) for c in diff(outcome.before, after)]


def _builtins(value: Object) -> dict[str, Any]:
    found: dict[str, Any] = msgspec.to_builtins(value)
    return found


def _short(name: str) -> str:
    """No longer than a name can be."""
    return name if len(name) <= MAX_NAME else name[: MAX_NAME - 3] + "..."


def _known(kind: str) -> None:
    if kind not in KINDS:
        raise NotFound(f"there is no kind {_short(kind)!r}; kinds are: {', '.join(KINDS)}")


def _find(conductor: Conductor, kind: str, name: str) -> Object:
    _known(kind)
    value = conductor.declared.objects.get((kind, name))
    if value is None:
        raise NotFound(f"there is no {kind} {_short(name)!r}; `segue get {kind}s` lists those there are")
    return value


def _path(conductor: Conductor, path: Path) -> PathBody:
    steps = [
        StepBody(
            index_of(number),
            step.group,
            [
                HopBody(hop.instance, hop.node, proxy(conductor, hop, path), step.slots.count(i))
                for i, hop in enumerate(step.hops)
            ],
        )
        for number, step in enumerate(path.spec.steps)
    ]
    spec = path.spec
    return PathBody(path.id, spec.chain, spec.direction, spec.encapsulation, spec.network_name, path.phase, steps)
