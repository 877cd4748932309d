"""What the compiler computes step by step is what it would compute from nothing, whatever the steps were.

States, not scripts: each named intent is brought to its end once, with paths, places and bindings, and becomes a set of
inputs of the two graphs. Tests then walk between such sets, a few inputs at a time and in any order, through
combinations that nobody would declare: a chain before its functions, paths on nodes that are not there.
"""

from __future__ import annotations

from collections.abc import Hashable, Iterable
from functools import cache
from typing import Any

from declared_services import served
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from states import TEXTS, objects
from strategies import intents, many
from worlds import World

from segue.compile.rules import NodeCompiler
from segue.compile.views import ViewCompiler
from segue.encap import available
from segue.model.intent import Objects, Ref
from segue.model.view import AnyRecord
from segue.server.conductor import Refused
from segue.server.records import IDENTIFIED

CHECKED = settings(deadline=None, max_examples=many(50), suppress_health_check=[HealthCheck.too_slow])

Inputs = dict[tuple[Hashable, ...], Any]
"""By what is set: ("object", ref), ("identity", ref), ("location", port), ("path", id), ("live", id) of the server's
graph, ("bind", node, name) of a node's."""
Step = list[tuple[tuple[Hashable, ...], Any]]
NUMBERS: dict[tuple[int, Ref], int] = {}


def numbered(declared: Objects, life: int) -> dict[Ref, int]:
    """All states are of one world, where no two things ever have the same number, and what is deleted and declared anew
    begins another ``life``."""
    return {ref: NUMBERS.setdefault((life, ref), len(NUMBERS) + 1) for ref in declared if ref[0] in IDENTIFIED}


def inputs(declared: Objects, life: int = 0) -> Inputs:
    """All that the graphs are given when the intent is in force."""
    world = World(numbers=numbered(declared, life))
    world.become(declared)
    world.settle()
    found: Inputs = {("object", ref): value for ref, value in world.objects.items()}
    found |= {("identity", ref): number for ref, number in numbered(declared, life).items()}
    found |= {("location", name): node for name, node in world.conductor.locations.items()}
    found |= {("path", key): path for key, path in world.conductor.rollouts.paths.items()}
    found |= {("live", key): entries for key, entries in world.conductor.rollouts.live.items()}
    for node in world.nodes.values():
        found |= {("bind", node.name, name): ofport for name, ofport in node.bound.items()}
    return found


@cache
def named(name: str, life: int = 0) -> Inputs:
    return inputs(objects(name), life)


class Both:
    """The server's graph and those of the nodes, which are told what the server's tells them."""

    def __init__(self) -> None:
        self.server = ViewCompiler(available())
        self.nodes: dict[str, NodeCompiler] = {}
        self.told: dict[tuple[str, str], AnyRecord] = {}
        self.switches: dict[str, set[int]] = {}
        """By node: the cookies that it holds, if it goes by what it is told of changes."""
        self.targets: dict[str, Any] = {}
        self.services: dict[str, Any] = {}
        self.problems: list[Any] = []

    def node(self, name: str) -> NodeCompiler:
        return self.nodes.setdefault(name, NodeCompiler(available()))

    def change(self, step: Iterable[tuple[tuple[Hashable, ...], Any]]) -> None:
        for (kind, *where), value in step:
            if kind == "bind":
                self.node(where[0]).bind(where[1], value)  # type: ignore[arg-type]
            else:
                getattr(self.server, str(kind))(*where, value)
        changes = self.server.settle()
        self.problems = changes.problems
        for name, target in changes.targets.items():
            if target is None:
                del self.targets[name]
            else:
                self.targets[name] = target
        for name, info in changes.services.items():
            if info is None:
                del self.services[name]
            else:
                self.services[name] = info
        for (node, key), record in changes.views.items():
            self.node(node).record(key, record)
            if record is None:
                del self.told[node, key]
            else:
                self.told[node, key] = record
        for name, compiler in self.nodes.items():
            rules = compiler.settle()
            held = self.switches.setdefault(name, set())
            held.difference_update(rules.removed)
            held.update(rules.added)

    def state(self) -> dict[str, object]:
        """Everything that is compiled."""
        return {
            "problems": self.problems,
            "targets": self.server.targets(),
            "services": self.server.services(),
            "views": {(node, key): record for node in self.nodes for key, record in self.server.view(node).items()},
            "rules": {name: frozenset(compiler.rules) for name, compiler in self.nodes.items() if compiler.program()},
            "missing": {name: compiler.missing() for name, compiler in self.nodes.items() if compiler.missing()},
        }

    def check_told(self) -> None:
        """Whoever goes by changes alone knows all."""
        assert self.targets == self.server.targets()
        assert self.services == self.server.services()
        views = {(node, key): record for node in self.nodes for key, record in self.server.view(node).items()}
        assert self.told == views
        for name, compiler in self.nodes.items():
            assert self.switches[name] == compiler.program().keys()


def from_nothing(everything: Inputs) -> dict[str, object]:
    fresh = Both()
    fresh.change(everything.items())
    return fresh.state()


def difference(old: Inputs, new: Inputs) -> Step:
    gone = [(where, None) for where in old if where not in new]
    return gone + [(where, value) for where, value in new.items() if old.get(where) != value]


def unlike(found: Any, wanted: Any) -> Any:
    """Where two states differ, in short."""
    if isinstance(wanted, dict):
        return {
            key: unlike(found.get(key), wanted.get(key)) for key in found | wanted if found.get(key) != wanted.get(key)
        }
    return sorted(set(found) ^ set(wanted), key=repr) if isinstance(wanted, frozenset) else (found, wanted)


class Walk:
    """Takes steps, and compares after each."""

    def __init__(self) -> None:
        self.both = Both()
        self.now: Inputs = {}

    def take(self, step: Step) -> None:
        for where, value in step:
            if value is None:
                self.now.pop(where, None)
            else:
                self.now[where] = value
        self.both.change(step)
        self.both.check_told()
        expected, found = from_nothing(self.now), self.both.state()
        for what, wanted in expected.items():
            assert found[what] == wanted, (what, unlike(found[what], wanted))


@st.composite
def pieces(draw: st.DrawFn, step: Step, most: int = 6) -> list[Step]:
    """The step in several, in any order."""
    shuffled = draw(st.permutations(step))
    ends = sorted(draw(st.lists(st.integers(0, len(step)), max_size=most - 1)))
    return [list(shuffled[a:b]) for a, b in zip([0, *ends], [*ends, len(step)], strict=True) if a < b]


@CHECKED
@given(st.data())
def test_walks_between_named_states(data: st.DataObject) -> None:
    walk = Walk()
    lives = st.tuples(st.sampled_from(sorted(TEXTS)), st.integers(0, 1))
    for name, life in data.draw(st.lists(lives, min_size=1, max_size=4)):
        for step in data.draw(pieces(difference(walk.now, named(name, life)))):
            walk.take(step)
        assert walk.now == named(name, life)


@CHECKED
@given(st.data())
def test_walks_between_random_intents(data: st.DataObject) -> None:
    walk = Walk()
    for declared in data.draw(st.lists(intents().flatmap(served), min_size=1, max_size=3)):
        try:
            goal = inputs(declared)
        except Refused:
            # Not to be declared, and to be computed all the same.
            goal = {("object", ref): value for ref, value in declared.items()}
            goal |= {("identity", ref): number for ref, number in numbered(declared, 0).items()}
        for step in data.draw(pieces(difference(walk.now, goal))):
            walk.take(step)


@CHECKED
@given(st.data())
def test_the_way_does_not_matter(data: st.DataObject) -> None:
    """Reversed, split and squashed, a walk ends the same; and there and back is where it began."""
    first, second = data.draw(st.permutations(sorted(TEXTS)))[:2]
    there, back = difference(named(first), named(second)), difference(named(second), named(first))
    ends = []
    for way in ([there], [there[::-1]], [[one] for one in there], data.draw(pieces(there))):
        both = Both()
        both.change(named(first).items())
        before = both.state()
        for step in way:
            both.change(step)
        ends.append(both.state())
        both.change(back)
        both.check_told()
        assert both.state() == before
    assert all(end == ends[0] for end in ends)
    assert ends[0] == from_nothing(named(second))


@CHECKED
@given(st.data())
def test_what_does_not_change_is_not_told(data: st.DataObject) -> None:
    """A change there and back between two settlements tells nobody anything."""
    first, second = data.draw(st.permutations(sorted(TEXTS)))[:2]
    both = Both()
    both.change(named(first).items())
    there = difference(named(first), named(second))
    for (kind, *where), value in [*there, *difference(named(second), named(first))]:
        if kind != "bind":
            getattr(both.server, str(kind))(*where, value)
    changes = both.server.settle()
    assert (changes.targets, changes.views, changes.services) == ({}, {}, {})
