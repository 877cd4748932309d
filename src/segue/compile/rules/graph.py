"""The wiring of a node's graph, drawn where it is wired.

    path, port ---> named (read by path and interface)

    self ----+-> static ------------------------------------------------+
    path ----+-> path ----+-> attached, function, comeback, missing     |
    binding -+            +-> marked, unframed, readdressed             |
    peer ----+                 |            |                           |
    port ----+-> port <--------+            +-> comeback --------------+-> rule
    network -+-> network <- outlet <- interface <- attached, function --+
    router ----> router ------------------------------------------------+
    classify --> classify ----------------------------------------------+

``rule`` is watched: its changes are what the switch must be told. Each rule is checked against its stage's contract
before it is reported.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import msgspec

from segue.compile.rules.networks import network
from segue.compile.rules.paths import classify, comeback, path, path_names
from segue.compile.rules.ports import interface, port, port_name
from segue.compile.rules.routers import router
from segue.compile.rules.static import static
from segue.compile.rules.wiring import Wiring
from segue.engine import Graph, Relation
from segue.model import stages
from segue.model.encapsulation import Encapsulations
from segue.model.program import Rule
from segue.model.view import AnyRecord, Binding


class Changes(msgspec.Struct, frozen=True):
    """Rules by cookie that came and went."""

    added: dict[int, Rule]
    removed: dict[int, Rule]


class NodeCompiler:
    """Feed it records and bindings; ``settle`` tells which rules came and went."""

    def __init__(self, encapsulations: Encapsulations) -> None:
        graph = self._graph = Graph()
        w = self._wiring = Wiring(graph, encapsulations)
        graph.family("static", w.me, lambda ctx, key: static(ctx, w, key), [w.rule])
        graph.family("port name", w.port, lambda ctx, key: port_name(ctx, w, key), [w.named])
        graph.family("path names", w.path, lambda ctx, key: path_names(ctx, w, key), [w.named])
        graph.family(
            "path",
            w.path,
            lambda ctx, key: path(ctx, w, key),
            [w.rule, w.attached, w.function, w.comeback, w.missing, w.marked, w.unframed, w.readdressed],
        )
        graph.family("comeback", w.comeback, lambda ctx, key: comeback(ctx, w, key), [w.rule])
        graph.family("port", w.port, lambda ctx, key: port(ctx, w, key), [w.rule, w.attached])
        graph.family("interface", w.attached, lambda ctx, key: interface(ctx, w, key), [w.rule, w.outlet])
        graph.family("network", w.network, lambda ctx, key: network(ctx, w, key), [w.rule])
        graph.family("router", w.router, lambda ctx, key: router(ctx, w, key), [w.rule])
        graph.family("classify", w.classify, lambda ctx, key: classify(ctx, w, key), [w.rule])
        self._by_prefix: dict[str, Relation[Any, Any]] = {
            "self": w.me,
            "peer": w.peer,
            "network": w.network,
            "port": w.port,
            "router": w.router,
            "path": w.path,
            "classify": w.classify,
        }

    def record(self, key: str, record: AnyRecord | None) -> None:
        """Set the record at ``key`` (``port/12``), or remove it."""
        kind, _, rest = key.partition("/")
        relation = self._by_prefix[kind]
        name: str | int = "self" if kind == "self" else rest if kind == "peer" else int(rest)
        self._graph.set(relation, name, record)

    def bind(self, name: str, ofport: int | None) -> None:
        """A logical port's interface, or a tunnel, is at ``ofport`` on this switch, or is gone."""
        binding = None if ofport is None else Binding(name, ofport)
        self._graph.set(self._wiring.binding, name, binding)

    def settle(self) -> Changes:
        delta = self._graph.settle()["rule"]
        added = dict(delta.added)
        # Two owners may ask for the same rule; it goes when both have gone.
        removed = {key: rule for key, rule in delta.removed if key not in self._wiring.rule}
        for rule in added.values():
            stages.check(rule)
        return Changes(added, removed)

    @property
    def rules(self) -> Iterable[Rule]:
        return (rule for _, rule in self._wiring.rule.items())

    def program(self) -> dict[int, Rule]:
        """The whole program: rules by cookie."""
        return dict(self._wiring.rule.items())

    def missing(self) -> Mapping[int, list[str]]:
        """By path id: what is not there yet for the path to carry packets."""
        relation = self._wiring.missing
        return {key: sorted(relation.values(key)) for key in relation}
