"""How things are, read from the conductor."""

from __future__ import annotations

from segue.model.counters import Count
from segue.model.path import Hop, Path
from segue.server.conductor import Conductor


def chain_state(conductor: Conductor, name: str) -> tuple[str, list[str]]:
    """(state, reasons) of a declared chain: ``ready``, ``preparing`` or ``impaired``. Computed when something has
    happened to it, for whoever asks first."""
    known: tuple[str, list[str]] | None = conductor.remembered.get(name, "state")
    if known is None:
        known = computed_chain_state(conductor, name)
        conductor.remembered.keep(name, "state", known, conductor.awaited(name))
    state, reasons = known
    return state, list(reasons)


def computed_chain_state(conductor: Conductor, name: str) -> tuple[str, list[str]]:
    """What it is made of, the conductor and its rollouts know, and have it forgotten when that changes."""
    rollouts = conductor.rollouts
    if rollouts.is_pending(name):
        return "preparing", rollouts.waiting(name, conductor.nodes_of, conductor.why)
    lacking = rollouts.lacking(name)
    nodes = {node for path in rollouts.paths_of(name) for node in conductor.nodes_of(path.id)}
    lacking += [f"node {node}: {conductor.errors[node]}" for node in sorted(nodes) if node in conductor.errors]
    if lacking:
        return "impaired", list(dict.fromkeys(lacking))
    return "ready", []


def node_state(conductor: Conductor, name: str) -> tuple[str, str]:
    """(state, reason): ``ready``, ``behind``, ``failed`` or ``absent``."""
    if name not in conductor.connected:
        return "absent", "no agent connected; its switch goes on forwarding as it is"
    if name in conductor.errors:
        return "failed", conductor.errors[name]
    if conductor.acked.get(name, -1) < conductor.sent.get(name, 0):
        return "behind", "at work"
    return "ready", ""


def proxy(conductor: Conductor, hop: Hop, path: Path, tap: bool) -> str:
    """How the path survives a visit to the function."""
    if tap:
        return f"none: gets copies, with {path.spec.encapsulation}" if hop.aware else "none: gets copies"
    if hop.aware:
        return f"none: aware of {path.spec.encapsulation}"
    if hop.mode == "bridge":
        return "by MAC: the source address carries path and index inside"
    spec = path.spec
    mine = (spec.chain, spec.direction, spec.network, spec.ethertype)
    others = [
        use
        for use in conductor.compiler.uses(hop.instance)
        if use.egress == hop.egress and (use.chain, use.direction, use.network, use.ethertype) != mine
    ]
    if others and all(spec.ethertype and use.ethertype not in (0, spec.ethertype) for use in others):
        return "by port and EtherType: other paths leave by the same port with another"
    if others:
        return "by re-classification: several paths leave by this port, and their classifiers are disjoint"
    return "by port: packets that leave it belong to this path"


def counters_by_chain(totals: dict[str, Count]) -> dict[str, list[tuple[str, str, str, Count]]]:
    """By chain: (direction, step, instance, count), in the order of a packet's way through it."""
    order = {"entered": 0, "visited": 1, "left": 2}
    found: dict[str, list[tuple[str, int, str, str, Count]]] = {}
    for name, count in totals.items():
        if name.startswith("service/"):
            continue
        what, chain, direction, *rest = name.split("/")
        step, instance = rest if rest else (what, "")
        found.setdefault(chain, []).append((direction, order[what], step, instance, count))
    return {
        chain: [(direction, step, instance, count) for direction, _, step, instance, count in sorted(counted)]
        for chain, counted in found.items()
    }
