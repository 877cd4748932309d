"""The relations of a node's graph, by name, so that each family's file can say what it reads and emits."""

from __future__ import annotations

import msgspec

from segue.engine import Context, Graph, Relation
from segue.model.encapsulation import Encapsulations
from segue.model.path import Path
from segue.model.program import AnyAction, Match, Rule, cookie
from segue.model.view import (
    Binding,
    ClassifyRecord,
    HookRecord,
    NetworkRecord,
    PathRecord,
    PeerRecord,
    PortRecord,
    RouterRecord,
    SelfRecord,
    ServiceRecord,
    Turn,
)


class Wiring:
    """Inputs are keyed as their records are; see each relation's comment for what the derived ones hold."""

    def __init__(self, graph: Graph, encapsulations: Encapsulations) -> None:
        self.encapsulations = encapsulations
        self.me: Relation[str, SelfRecord] = graph.input("self")
        self.peer: Relation[str, PeerRecord] = graph.input("peer")
        self.network: Relation[int, NetworkRecord] = graph.input("network")
        self.port: Relation[int, PortRecord] = graph.input("port")
        self.router: Relation[int, RouterRecord] = graph.input("router")
        self.path: Relation[int, PathRecord] = graph.input("path")
        self.classify: Relation[int, ClassifyRecord] = graph.input("classify")
        self.hook: Relation[str, HookRecord] = graph.input("hook")
        self.service: Relation[int, ServiceRecord] = graph.input("service")
        self.binding: Relation[str, Binding] = graph.input("binding")
        self.lookups: Relation[int, int] = graph.input("lookups")
        """By service key: how many lookups its rules here take of one packet at most, if it has any (``lookups``)."""
        self.regards: Relation[int, tuple[str, ...]] = graph.input("regards")
        """By service key: the headers that its rules and groups here match or write, if there are any (``regards``)."""

        self.rule: Relation[int, Rule] = graph.relation("rule", watched=True)
        """By cookie."""
        self.missing: Relation[int, str] = graph.relation("missing", watched=True)
        """By path id: what the path lacks on this node before it can carry packets."""
        self.apart: Relation[str, str] = graph.relation("apart", watched=True)
        """By node's name: why there can be no tunnel to it from here, in words that follow the name."""
        self.named: Relation[str, int] = graph.relation("named")
        """By port name: the keys of ports of that name on this node, as records and paths have them. There are several
        while paths drain whose port was deleted, and perhaps declared anew."""
        self.attached: Relation[int, str] = graph.relation("attached")
        """By port key: the name of a port that belongs on this node."""
        self.function: Relation[int, tuple[str, ...]] = graph.relation("function")
        """By port key: encapsulations that the function behind it reads; () where it is proxied."""
        self.comeback: Relation[int, Comeback] = graph.relation("comeback")
        """By port key: the paths that come back from a function that routes, and keeps no mark."""
        self.marked: Relation[int, bool] = graph.relation("marked")
        """By network key: paths end here whose packets lost their source MAC."""
        self.readdressed: Relation[int, bool] = graph.relation("readdressed")
        """By network key: paths end here whose packets lost their destination MAC to a function."""
        self.outlet: Relation[int, tuple[int, int, bool]] = graph.relation("outlet")
        """By network key: (port key, OpenFlow port, whether services are attached to it at egress) of the network's
        ports here, for flooding."""
        self.served: Relation[int, tuple[int, ...]] = graph.relation("served")
        """By port key: the services that are attached to it at egress."""
        self.looked: Relation[int, bool] = graph.relation("looked")
        """By service key: its packets come to the gate twice, as there is something for the switch to look at."""
        self.unheard: Relation[int, tuple[str, int, int]] = graph.relation("unheard", watched=True)
        """By network key: its name, how many of its ports here get no copies of what is for many, as too many services
        are at them, and how many of them have services."""
        self.receives: Relation[int, bool] = graph.relation("receives")
        """By port key: services may send packets to it."""
        self.hooked: Relation[tuple[str, int], Met] = graph.relation("hooked")
        """By hook and network key: the routers with services there."""


class Met(msgspec.Struct, frozen=True, array_like=True, order=True):
    """How a hook knows the packets of an element (what the register ``ELEMENT`` holds), and the services that they
    meet."""

    element: int
    match: Match
    turns: tuple[Turn, ...]


class Comeback(msgspec.Struct, frozen=True, array_like=True):
    """A path whose packets leave a function here; ``index`` is that of what follows. ``rewrites``: the function may
    change what packets are told apart by."""

    path: Path
    index: int
    rewrites: bool


def emit_rule(
    ctx: Context,
    wiring: Wiring,
    stage: str,
    priority: int,
    match: Match,
    actions: tuple[AnyAction, ...],
    owner: str,
    counter: str = "",
) -> None:
    rule = Rule(stage, priority, match, actions, owner, counter)
    ctx.emit(wiring.rule, cookie(rule), rule)
