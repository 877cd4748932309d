"""Compilation alone: one more chain, from its objects to the rules of every node, with few and many already there.

What the server and all agents compute for it is computed here, one after the other, in one process: the chain's target,
the records of each node, their rules; for both phases of the change. No store, no socket, no switch.
"""

from __future__ import annotations

import json
import time
from collections.abc import Mapping

from bench.chains import intent, one_more
from bench.report import Table, progress, ratio, spread
from segue.compile.rules import NodeCompiler
from segue.compile.views import ViewCompiler
from segue.encap import available
from segue.intent import parse
from segue.model.intent import Object, Ref
from segue.model.path import Target
from segue.model.view import TUNNEL_GPE, TUNNEL_PLAIN, AnyRecord
from segue.rollout import Rollouts
from segue.server.records import IDENTIFIED

NODES = ("n1", "n2", "n3")
BOUND = {"n1": ("server",), "n2": ("fw-in", "fw-out"), "n3": ("client0",)}
Views = Mapping[tuple[str, str], AnyRecord | None]


class Compilers:
    """The server's, and each node's, with ``count`` chains in force."""

    def __init__(self, count: int) -> None:
        self.count = count
        self.views = ViewCompiler(available())
        self.nodes = {node: NodeCompiler(available()) for node in NODES}
        for node, ports in BOUND.items():
            for number, name in enumerate((TUNNEL_PLAIN, TUNNEL_GPE, *ports), 1):
                self.nodes[node].bind(name, number)
        self.rollouts = Rollouts(drain=0)
        self.revision = 0
        self.rules = 0
        self.declare(objects(intent(count)))

    def declare(self, wanted: Mapping[Ref, Object | None]) -> None:
        for number, (ref, value) in enumerate(wanted.items(), self.revision << 20):
            if ref[0] in IDENTIFIED and value is not None:
                self.views.identity(ref, number % (1 << 20) + 1)
            self.views.object(ref, value)
        changes = self.views.settle()
        assert not changes.problems, changes.problems
        self.compile(changes.views)
        self.roll_out(changes.targets)

    def roll_out(self, targets: Mapping[str, Target | None]) -> None:
        """Both phases, and at once: every node has what it was told when it is asked."""
        self.rollouts.want(targets)
        while progressed := self.rollouts.take():
            for key, path in progressed.paths.items():
                self.views.path(key, path)
            for key, entries in progressed.live.items():
                self.views.live(key, entries)
            self.revision += 1
            self.compile(self.views.settle().views)
            withdrawn = [key for key, entries in progressed.live.items() if entries is None]
            self.rollouts.published(self.revision, progressed.paths, withdrawn)
            for node in NODES:
                self.rollouts.acknowledged(node, self.revision, {})
            self.rollouts.advance(self.revision, self.nodes_of)

    def nodes_of(self, _: int) -> set[str]:
        return set(NODES)

    def compile(self, views: Views) -> None:
        for (node, key), record in views.items():
            self.nodes[node].record(key, record)
        for compiler in self.nodes.values():
            changes = compiler.settle()
            self.rules += len(changes.added) - len(changes.removed)


def objects(body: Mapping[str, object]) -> dict[Ref, Object | None]:
    return dict(parse(json.dumps(body), "bench").objects)


def run(quick: bool) -> list[Table]:
    sizes = (10, 100, 1000) if quick else (10, 1000, 10000)
    rounds = 5 if quick else 100
    subjects = []
    for size in sizes:
        progress(f"compile: {size} chains")
        subjects.append(Compilers(size))
    taken: dict[int, list[float]] = {size: [] for size in sizes}
    for number in range(rounds):
        for subject in subjects:
            more = objects(one_more(number))
            begun = time.perf_counter()
            subject.declare(more)
            taken[subject.count].append(1000 * (time.perf_counter() - begun))
            subject.declare(dict.fromkeys(more))
    rows = [
        ["time", *(spread(taken[size], "ms") for size in sizes)],
        ["ratio", *(ratio(taken[size], taken[sizes[0]]) for size in sizes)],
        ["rules on the three nodes", *(f"{subject.rules:,}" for subject in subjects)],
    ]
    note = (
        f"One more chain, from objects to the rules of three nodes, both phases of its rollout; what server and agents "
        f"compute, one after the other. {rounds} rounds; median (first to ninth decile)."
    )
    return [Table("compile alone", ["", *(f"{size:,} chains" for size in sizes)], rows, note)]
