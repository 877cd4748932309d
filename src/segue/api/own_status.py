"""How a chain is, for whoever asks: which chains a word stands for, and what of them a project is told of its own.

A project is told of its chain what is its own: state, reasons, paths, counters. Of nodes, which are their operator's,
it is told no addresses, and not where its paths go; reasons say ``a node``, but where they say on which two nodes a
port pair's ports are. The networking API's ``status_reason`` names nodes, as ``binding:host_id`` does there. Of other
projects' chains and networks that its own touches, neither tells.
"""

from __future__ import annotations

import re

import msgspec

from segue.api.bodies import BranchBody, ChainStatus, PathBody
from segue.model.intent import Objects
from segue.neutron.caller import Caller
from segue.neutron.discretion import discreet
from segue.neutron.state import State
from segue.server.conductor import Conductor
from segue.server.neutron import Neutron

_NODE = re.compile(r"\bnode ('?)([A-Za-z0-9][A-Za-z0-9._-]*)\1")
UNREAD = "not all counters could be read; an administrator sees which"
REFUSED = "a switch refuses something; an administrator sees what"


def named(neutron: Neutron, word: str, caller: Caller | None) -> list[str]:
    """The chains, by their API's ids, that are called so, have this id, or else this label; in order. ``caller``: who
    has own ones alone, and finds no others; None: who sees all."""
    if not word:
        return []
    state = neutron.state
    id = neutron.id_of_chain(word)
    found = state.get("port_chain", id)
    if found is not None and (caller is None or _owns(caller, found["project_id"])):
        return [id]
    chains = {id: state.get("port_chain", id) for id in state.named("port_chain", word)}
    return sorted(
        id for id, chain in chains.items() if chain and (caller is None or _owns(caller, chain["project_id"]))
    )


def hidden(chain: ChainStatus, caller: Caller, conductor: Conductor, state: State) -> ChainStatus:
    """What a project is told of its chain. ``state``: of the networking API."""
    objects = conductor.declared.objects
    into = [name for name in chain.into if _is_own(caller, objects, "chain", name)]
    return msgspec.structs.replace(
        chain,
        reasons=list(dict.fromkeys(discreet(state, caller, _reason(reason, conductor)) for reason in chain.reasons)),
        paths=[_path(path, caller, objects) for path in chain.paths],
        into=into,
    )


def _path(path: PathBody, caller: Caller, objects: Objects) -> PathBody:
    steps = [
        msgspec.structs.replace(step, instances=[msgspec.structs.replace(hop, node="") for hop in step.instances])
        for step in path.steps
    ]
    into = [BranchBody(one.path, one.chain) for one in path.into if _is_own(caller, objects, "chain", one.chain)]
    network = path.network if _is_own(caller, objects, "network", path.network) else ""
    return msgspec.structs.replace(path, steps=steps, into=into, network=network)


def _reason(reason: str, conductor: Conductor) -> str:
    """With ``a node`` for a node's name, and without what a switch said, which may be about anything."""

    def name(match: re.Match[str]) -> str:
        found = match[2] if conductor.knows(match[2]) else match[2].rstrip(".")
        return f"a node{match[2][len(found) :]}" if conductor.knows(found) else match[0]

    node = _NODE.match(reason)
    if node is not None and conductor.errors.get(node[2], "\0") in reason:
        return REFUSED
    return _NODE.sub(name, reason)


def _is_own(caller: Caller, objects: Objects, kind: str, name: str) -> bool:
    value = objects.get((kind, name))
    return value is not None and _owns(caller, value.project)


def _owns(caller: Caller, project: str) -> bool:
    return bool(caller.project) and project == caller.project
