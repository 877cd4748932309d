"""The native resources: declare, read, delete; how things are; what a packet would meet."""

from __future__ import annotations

from typing import Any, Literal

import msgspec
from litestar import Controller, Request, get, post
from litestar.datastructures import State
from litestar.exceptions import PermissionDeniedException

from segue import __version__
from segue.api.admitted import caller_of
from segue.api.bodies import (
    AppliedBody,
    BranchBody,
    ChainStatus,
    CounterBody,
    DeleteBody,
    FlowBody,
    HopBody,
    NodeStatus,
    PathBody,
    StatusBody,
    StepBody,
    read,
)
from segue.api.declaring import Wait, change, find, known, no_such, service_of
from segue.api.files import FILES, merged, read_files
from segue.api.own_status import UNREAD, hidden, named
from segue.api.permission import sees_all
from segue.intent import Document, dump, parse
from segue.model.counters import Count
from segue.model.intent import Graph, Object, Objects, Ref
from segue.model.path import Path, index_of
from segue.neutron.caller import Caller
from segue.server.agents import NoAnswer
from segue.server.conductor import Conductor
from segue.server.service import Service
from segue.server.status import chain_state, counters_by_chain, node_state, proxy

Counted = dict[str, list[tuple[str, str, str, Count]]]


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
        return await change(service_of(state).conductor, merged(documents), documents, dry_run, wait)

    @post("/delete", status_code=200)
    async def delete(
        self, request: Request[Any, Any, State], state: State, dry_run: bool = False, wait: Wait = 0.0
    ) -> AppliedBody:
        """Deletes objects by kind and name, with what they declared inside themselves."""
        data = read(await request.body(), DeleteBody, 'write {"refs": [["port", "NAME"], ...]}')
        conductor = service_of(state).conductor
        for kind, name in data.refs:
            find(conductor, kind, name)
        gone: dict[Ref, Object | None] = dict.fromkeys([(kind, name) for kind, name in data.refs])
        return await change(conductor, gone, [], dry_run, wait)

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
        conductor = service_of(state).conductor
        here = [ref for ref in merged(documents) if ref in conductor.declared.objects]
        return await change(conductor, dict.fromkeys(here), [], dry_run, wait)

    @get("/text", media_type="text/plain")
    async def text(
        self, state: State, kind: str | None = None, name: str | None = None, form: Literal["yaml", "json"] = "yaml"
    ) -> str:
        """Objects as a text that can be applied again."""
        conductor = service_of(state).conductor
        if kind is not None:
            known(kind)
            if name is not None:
                find(conductor, kind, name)
        objects = conductor.declared.objects
        chosen = {ref: o for ref, o in objects.items() if kind in (None, ref[0]) and name in (None, ref[1])}
        return dump(chosen, form)

    @get("/status")
    async def status(
        self, request: Request[Any, Any, State], state: State, chain: str | None = None, count: bool = True
    ) -> StatusBody:
        """``count``: read the counters of all nodes first; without, none are given. ``chain``: a name, or an id of the
        networking API; or, where there is none of that, the label of one or more."""
        service = service_of(state)
        conductor = service.conductor
        caller = caller_of(request.scope)
        whose = None if sees_all(caller) else caller
        if whose is not None and chain is None:
            raise PermissionDeniedException("the whole network is not shown to a project; ask for a chain: ?chain=NAME")
        names = _chains(service, chain, whose)
        if not names and chain is not None:
            raise no_such("chain", chain)
        only = names[0] if chain is not None and len(names) == 1 else ""
        unread = await service.agents.count(only, fresh=True) if count else []
        counted = counters_by_chain(service.counted.totals()) if count else {}
        branches = _branches(conductor.declared.objects)
        chains = [_chain(service, name, counted, branches) for name in _chains(service, chain, whose)]
        if whose is not None:
            chains = [hidden(one, whose, conductor, service.neutron.state) for one in chains]
            return StatusBody(__version__, conductor.stored, [], chains, [UNREAD] if unread else [])
        objects = conductor.declared.objects
        nodes = [
            NodeStatus(name, *node_state(conductor, name), conductor.sent.get(name, 0), conductor.acked.get(name, 0))
            for kind, name in sorted(objects)
            if kind == "node"
        ]
        return StatusBody(__version__, conductor.stored, nodes, chains, unread)

    @get("/flows/{node:str}")
    async def flows(self, node: str, state: State) -> list[FlowBody]:
        service = service_of(state)
        find(service.conductor, "node", node)
        found = await service.agents.ask(node, "flows", within=60)
        try:
            return msgspec.convert(found, list[FlowBody])
        except msgspec.ValidationError as error:
            raise NoAnswer(f"node {node} answers what are no flows: {error}") from None

    @get("/trace")
    async def trace(self, flow: str, state: State, live: bool = False) -> dict[str, Any]:
        traced = await service_of(state).tracer.trace(flow, live)
        return msgspec.structs.asdict(traced)


async def _documents(request: Request[Any, Any, State], source: str) -> list[Document]:
    body = await request.body()
    return read_files(body) if request.content_type[0] == FILES else [parse(body, source)]


def _chains(service: Service, word: str | None, whose: Caller | None) -> list[str]:
    """All chains, or those that ``word`` stands for, by their declared names; in order."""
    if word is None:
        return sorted(ref[1] for ref in service.conductor.declared.objects if ref[0] == "chain")
    return sorted(service.neutron.name_of_chain(id) for id in named(service.neutron, word, whose))


def _chain(service: Service, name: str, counted: Counted, branches: dict[str, list[str]]) -> ChainStatus:
    """One that is declared; or one that the networking API has and that cannot be declared yet."""
    conductor = service.conductor
    declared = conductor.declared.objects.get(("chain", name))
    if declared is None:
        known = service.neutron.state.get("port_chain", name)
        _, reasons = service.neutron.status_of(name)
        return ChainStatus(name, "impaired", reasons, [], [], [], known["name"] if known else "")
    condition, reasons = chain_state(conductor, name)
    counters = [
        CounterBody(direction, step, instance, *number) for direction, step, instance, number in counted.get(name, ())
    ]
    paths = [_path(conductor, path) for path in conductor.rollouts.paths_of(name)]
    return ChainStatus(name, condition, reasons, paths, counters, branches.get(name, []), declared.label)


def _branches(objects: Objects) -> dict[str, list[str]]:
    """By chain: those that follow it in a graph."""
    graphs = [value for value in objects.values() if isinstance(value, Graph)]
    return {branch.chain: list(branch.into) for graph in graphs for branch in graph.branches}


def _path(conductor: Conductor, path: Path) -> PathBody:
    steps = [
        StepBody(
            index_of(number),
            step.group,
            [
                HopBody(hop.instance, hop.node, proxy(conductor, hop, path, step.tap), step.slots.count(i))
                for i, hop in enumerate(step.hops)
            ],
        )
        for number, step in enumerate(path.spec.steps)
    ]
    spec = path.spec
    into = [BranchBody(key, chain) for key, chain in dict.fromkeys((one.path, one.chain) for one in spec.onward)]
    return PathBody(path.id, spec.chain, spec.direction, spec.encapsulation, spec.network_name, path.phase, steps, into)
