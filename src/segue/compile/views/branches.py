"""Graphs, checked; and what comes to a chain from the chains before it.

Behind its last step a packet is as if its source had just sent it, in the network where it started. So a chain that
follows others in a graph has a path in each network where their packets start. What starts where is found by going
back to the chains that take packets where they come in.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise

from segue.compile.views.entries import Direction
from segue.compile.views.mapping import readings
from segue.compile.views.wiring import Origin, PortInfo, Wiring, complain
from segue.engine import Context
from segue.model.intent import Chain, Graph
from segue.model.path import Entry


def graph(ctx: Context, w: Wiring, name: str) -> None:
    declared = ctx.get(w.graph, name)
    assert declared is not None
    ref = ("graph", name)
    chains = list(dict.fromkeys(one for branch in declared.branches for one in (branch.chain, *branch.into)))
    known = {one: found for one in chains if (found := ctx.get(w.chain, one)) is not None}
    for one in chains:
        ctx.emit(w.graph_of, one, name)
        if one not in known:
            complain(ctx, w, ref, "branches", f"there is no chain {one!r}")
        elif known[one].symmetric:
            message = f"chain {one!r} is symmetric, and an answer does not show which branches its flow took; "
            complain(ctx, w, ref, "branches", message + "write symmetric: false, and give answers chains of their own")
    for first, second in pairwise(known.values()):
        if first.encapsulation != second.encapsulation:
            message = (
                f"chain {first.name!r} uses {first.encapsulation} and chain {second.name!r} {second.encapsulation}; "
            )
            complain(ctx, w, ref, "branches", message + "all chains of a graph must use the same encapsulation")
    for branch in declared.branches:
        for one in branch.into:
            ctx.emit(w.behind, one, branch.chain)
            ctx.emit(w.onward, branch.chain, one)
            if declared.exclusive:
                ctx.emit(w.inner, one, name)
    circle = _circle(declared)
    if circle:
        message = f"packets would go in a circle: {' > '.join(circle)}; take one of these branches away"
        complain(ctx, w, ref, "branches", message)


def graphs_of_chain(ctx: Context, w: Wiring, chain: str) -> None:
    """Runs over ``graph_of``: a chain is in one graph at most."""
    graphs = sorted(ctx.values(w.graph_of, chain))
    for name in graphs[1:]:
        message = f"chain {chain!r} is in graph {graphs[0]!r} too; take it out of one, or make one graph of both"
        complain(ctx, w, ("graph", name), "branches", message)


def _circle(declared: Graph) -> list[str]:
    """Chains of which each leads to the next and the last is the first; empty where there are none."""
    onward: dict[str, list[str]] = {}
    for branch in declared.branches:
        onward.setdefault(branch.chain, []).extend(branch.into)
    done: set[str] = set()
    for start in onward:
        way: list[str] = []
        todo = [(start, iter(onward[start]))] if start not in done else []
        while todo:
            here, rest = todo[-1]
            if len(way) < len(todo):
                way.append(here)
            one = next(rest, None)
            if one is None:
                done.add(way.pop())
                todo.pop()
            elif one in way:
                return [*way[way.index(one) :], one]
            elif one not in done:
                todo.append((one, iter(onward.get(one, ()))))
    return []


def origins(ctx: Context, w: Wiring, name: str) -> None:
    """Runs over ``graph``: what goes through each of its chains that others follow. Each is looked at anew until
    nothing more is found, so that a circle, which is refused, does no harm."""
    declared = ctx.get(w.graph, name)
    assert declared is not None
    behind: dict[str, list[str]] = {}
    for branch in declared.branches:
        behind.setdefault(branch.chain, [])
        for one in branch.into:
            behind.setdefault(one, []).append(branch.chain)
    ways = {one: list(_ways(ctx, w, found)) for one in behind if (found := ctx.get(w.chain, one)) is not None}
    inner = {one for branch in declared.branches for one in branch.into} if declared.exclusive else set()
    through = {
        one: {_start(way, *start) for way in all_ways for start in way.entries() if one not in inner}
        for one, all_ways in ways.items()
    }
    todo = list(ways)
    while todo:
        one = todo.pop()
        coming = {origin for source in behind[one] for origin in through.get(source, ())} - through[one]
        starts = {start for start in map(_place, coming) if any(_takes(way, *start) for way in ways[one])}
        taken = {origin for origin in coming if _place(origin) in starts}
        if taken:
            through[one] |= taken
            todo.extend(other for other in ways if one in behind[other])
    for branch in declared.branches:
        for origin in through.get(branch.chain, ()):
            ctx.emit(w.origin, branch.chain, origin)
        networks = sorted({origin.name for origin in through.get(branch.chain, ())})
        for one in branch.into:
            if networks and ways.get(one) and not any(way.meets(name) for way in ways[one] for name in networks):
                message = (
                    f"chain {one!r} never takes packets of chain {branch.chain!r}, which start in network "
                    f"{', '.join(map(repr, networks))}: its classifiers mean another; change them, or the branch"
                )
                complain(ctx, w, ("graph", name), "branches", message)


def _ways(ctx: Context, w: Wiring, chain: Chain) -> Iterator[Direction]:
    for name in chain.classifiers:
        classifier = ctx.get(w.classifier, name)
        if classifier is not None:
            yield from readings(ctx, w, chain, classifier, True)


def _start(way: Direction, network: str, entry: Entry) -> Origin:
    return Origin(network, entry.network, entry.headers.ethertype, way.port)


def _place(origin: Origin) -> tuple[str, int, int]:
    return origin.name, origin.network, origin.ethertype


def _takes(way: Direction, name: str, network: int, ethertype: int) -> bool:
    return any(True for _ in way.entries_behind("", name, network, ethertype))


def entries_behind(ctx: Context, w: Wiring, chain: Chain, source: str) -> Iterator[tuple[str, Entry]]:
    """(network name, entry) for what ``chain`` takes at the end of chain ``source``."""
    starts = set(map(_place, ctx.values(w.origin, source)))
    for way in _ways(ctx, w, chain):
        for name, network, ethertype in sorted(starts):
            for entry in way.entries_behind(source, name, network, ethertype):
                yield name, entry


def ports_behind(ctx: Context, w: Wiring, source: str, network: int) -> set[PortInfo | None]:
    """The ports that packets of ``network`` come from that come to the end of chain ``source``."""
    return {origin.port for origin in ctx.values(w.origin, source) if origin.network == network}


def unaware_before(ctx: Context, w: Wiring, chain: str) -> str | None:
    """An instance that packets may have met before they come to ``chain``, and that knows nothing of paths."""
    todo, seen = sorted(ctx.values(w.behind, chain)), {chain}
    while todo:
        one = todo.pop()
        declared = ctx.get(w.chain, one)
        if one in seen or declared is None:
            continue
        seen.add(one)
        todo += sorted(ctx.values(w.behind, one))
        for name in declared.groups:
            group = ctx.get(w.group, name)
            for member in (group.instances if group else (name,)) if not (group and group.tap) else ():
                instance = ctx.get(w.instance, member)
                if instance is not None and instance.aware is None and instance.weight:
                    return member
    return None
