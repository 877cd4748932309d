"""The conductor: takes declarations, keeps them, and leads the network to them step by step.

A change is first tried: objects go into the graph, and if that shows a problem they come out again and the change
is refused whole. Then it is written, with the identities and paths that it needs, in one transaction; only when that
is durable is it acknowledged, and told to agents. So what an agent hears of is in the store, and a crash at any
point leaves either nothing of a change or all of it, to be continued.

One thread, no locks: every method runs to its end in the event loop, and the store's commit is waited for in line.
"""

from __future__ import annotations

import asyncio
import logging
import secrets
from collections.abc import Callable, Iterable, Mapping
from itertools import chain as chained
from typing import Protocol

import msgspec

from segue.compile.overlap import OverlapIndex, entries_overlap
from segue.compile.views import Problem, ViewChanges, ViewCompiler
from segue.encap import available
from segue.model.intent import Object, Objects, Ref
from segue.model.path import FIRST_PATH_ID, Entry, Target
from segue.model.view import AnyRecord
from segue.rollout import Progress, Rollouts
from segue.server.beyond import Beyond, Injector, Told
from segue.server.declared import After, Declared
from segue.server.history import History, Movement
from segue.server.records import Writes, load
from segue.server.remembered import Remembered
from segue.store.base import Store, StoreError, Transaction

log = logging.getLogger(__name__)

View = dict[str, AnyRecord]
Listener = Callable[[int, Mapping[str, AnyRecord | None]], None]
"""Told of each revision's changes for one node."""
Targets = dict[str, Target | None]
Beside = Mapping[str, bytes | None]
"""Keys that others keep in the store, and what is to be there; None deletes."""
NONE: Mapping[str, str] = {}
NOBODY: Mapping[str, int] = {}
RETRY = 1.0
"""Seconds before a step that could not be written is tried again."""


class Refused(Exception):
    """A change that cannot be; nothing of it was done."""

    def __init__(self, problems: list[Problem]) -> None:
        super().__init__("\n".join(str(problem) for problem in problems))
        self.problems = problems


class Overlap(Problem, frozen=True):
    """Why a chain cannot be: ``other`` takes the same packets at the same precedence."""

    other: str


class Companion(Protocol):
    """Who keeps more about declared objects than is declared."""

    def beside(self, after: After) -> Beside:
        """What goes into the store with a change. Raises Refused if the change cannot be."""

    def changed(self, refs: Iterable[Ref]) -> None:
        """These objects are durably not what they were, or not where."""


class Outcome(msgspec.Struct, frozen=True):
    """What changed, from what; the chains that roll out; the revision by which ``nodes`` are told."""

    before: Objects
    after: After
    chains: tuple[str, ...]
    revision: int
    nodes: frozenset[str] = frozenset()


class Conductor:
    """``drain``: seconds that an old path stays after the last packet entered it."""

    def __init__(self, store: Store, drain: float) -> None:
        self._store = store
        self._drain = drain
        self.epoch = secrets.token_hex(4)
        self.revision = 0
        self._listeners: dict[str, Listener] = {}
        self.moved = Movement()
        self.history = History()
        self._timer: asyncio.TimerHandle | None = None
        self._seen: dict[str, frozenset[str]] = {}
        """By node: the ports whose interfaces its agent has seen."""
        self.companion: Companion | None = None
        self._beyond = Beyond()
        self.remembered = Remembered()
        self._load()

    @property
    def stored(self) -> int:
        """The store's revision. ``revision`` is another: the number of the last update for nodes."""
        return self._store.revision

    def _load(self) -> None:
        """Everything from the store, anew."""
        self.remembered.clear()
        snapshot = self._store.snapshot("")
        self.history.load(snapshot)
        state = load(snapshot)
        self.declared = Declared(state.objects, state.ids, state.next_id)
        self.locations = state.locations
        self.sent: dict[str, int] = {}
        """By node: the last revision that had something for it."""
        self.acked: dict[str, int] = {}
        self._behind: dict[str, Mapping[str, int]] = {}
        """By node that has acknowledged something: services of which it holds less, and up to which revision."""
        self._flipped: dict[str, tuple[int, frozenset[str]]] = {}
        """By chain: the revision by which nodes were told of its last flip, and which nodes."""
        self.errors: dict[str, str] = {}
        """By node: what its agent says is wrong with the switch."""
        self.failed: dict[str, int] = {}
        """By node with an error: the last revision that its agent has said it of."""
        self.views: dict[str, View] = {}
        self.compiler = ViewCompiler(available())
        self.rollouts = Rollouts(self._drain, self.remembered.forget)
        self._held = Progress({}, {}, {})
        """Steps of rollouts that the store has yet to take."""
        self._overlaps = OverlapIndex()
        self._targets: dict[str, Target] = {}
        self._leading: dict[str, set[str]] = {}
        """By chain: the chains that lead on to it in a graph."""
        for ref, number in state.ids.items():
            self.compiler.identity(ref, number)
        for ref, value in state.objects.items():
            self.compiler.object(ref, value)
        for port, node in state.locations.items():
            self.compiler.location(port, node)
        for key, path in state.paths.items():
            self.compiler.path(key, path)
        for key, entries in state.live.items():
            self.compiler.live(key, entries)
        changes = self.compiler.settle()
        self._problems = set(changes.problems)
        """What is wrong by no fault of the next change, as when a function's interfaces have moved."""
        for name, target in changes.targets.items():
            self._put_target(name, target)
        self.rollouts.load(
            state.paths.values(), state.live, state.pending, self._targets, state.next_id.get("path", FIRST_PATH_ID)
        )
        self._beyond.anew(changes.services)
        self._publish(self._beyond.records | changes.views)
        drained = [key for key, path in state.paths.items() if path.phase == "drain"]
        self.rollouts.published(self.revision, state.paths, drained)

    def _reload(self) -> None:
        """Memory goes back to what the store holds. The nodes are told all of it again: to them nothing has changed."""
        self._load()
        for node in self._listeners:
            self.views.setdefault(node, {})

    # -- declarations --------------------------------------------------------------------------------------------

    def apply(
        self, wanted: Mapping[Ref, Object | None], *, dry_run: bool = False, beside: Beside | None = None
    ) -> Outcome:
        """Make these objects so; None deletes. Whole or not at all: raises Refused or StoreError.

        ``beside`` is written in the same transaction, also when no object changes, and not when the change is refused.
        """
        after = self.declared.effect(wanted)
        writes = Writes()
        writes.beside({**(self.companion.beside(after) if self.companion else {}), **(beside or {})})
        before = {ref: self.declared.objects[ref] for ref in after if ref in self.declared.objects}
        # Chains that were asked for before, and are still on their way.
        under_way = {name for kind, name in wanted if kind == "chain" and self.rollouts.is_pending(name)}
        if not after:
            if writes and not dry_run:
                self._store.commit(Transaction(puts=writes.puts, deletes=tuple(writes.deletes)))
            return Outcome(before, after, tuple(sorted(under_way)), self.revision, frozenset(self.sent))
        try:
            return self._apply(before, after, under_way, writes, dry_run)
        except Refused:
            raise
        except BaseException:
            self._reload()
            raise

    def _apply(self, before: Objects, after: After, under_way: set[str], writes: Writes, dry_run: bool) -> Outcome:
        identities = self.declared.identities(after)
        places = self._places(after)
        for ref, number in identities.items():
            self.compiler.identity(ref, number)
        for port, node in places.items():
            self.compiler.location(port, node)
        for ref, value in after.items():
            self.compiler.object(ref, value)
        changes = self.compiler.settle()
        targets = self._targets_of(changes.targets, after)
        new = [problem for problem in changes.problems if problem not in self._problems]
        problems = new + self._unowned(after) + self._overlapping(targets)
        if problems or dry_run:
            for ref in identities:
                self.compiler.identity(ref, self.declared.ids.get(ref))
            for port in places:
                self.compiler.location(port, self.locations.get(port))
            for ref in after:
                self.compiler.object(ref, before.get(ref))
            self.compiler.settle()
            if problems:
                raise Refused(problems)
            return Outcome(before, after, tuple(sorted(targets)), self.revision)
        self.declared.commit(after, identities, writes)
        self.locations.update(places)
        for port, node in places.items():
            writes.location(port, node)
        for name, target in targets.items():
            self._put_target(name, target)
        targets = self._with_leading(targets)
        self.rollouts.want(targets, self._in_the_way(targets))
        nodes = self._carry_out(writes, changes)
        self.history.note(self._store.revision, before, after)
        self._problems = set(changes.problems)
        self._felt(after)
        if self.companion:
            self.companion.changed(after)
        return Outcome(before, after, tuple(sorted(under_way | targets.keys())), self.revision, nodes)

    def _felt(self, after: After) -> None:
        """Chains are declared by other objects; whether a node is declared, ``nodes_of`` asks."""
        for kind, name in after:
            if kind == "chain":
                self.remembered.forget(name)
            elif kind == "node":
                self.remembered.clear()
                self.rollouts.stir()

    def _places(self, after: After) -> dict[str, str]:
        """Where the interfaces are of new ports that do not say it."""
        places = {}
        for (kind, name), value in after.items():
            if kind == "port" and getattr(value, "node", "") is None:
                for node in sorted(node for node, ports in self._seen.items() if name in ports):
                    places[name] = node
        return places

    def _targets_of(self, changed: Targets, after: After) -> Targets:
        """What chains ask for now. A chain that exists but asks for nothing has a problem, and keeps what it has."""
        targets = {
            name: target
            for name, target in changed.items()
            if target is not None or after.get(("chain", name), self.declared.objects.get(("chain", name))) is None
        }
        return {name: target for name, target in targets.items() if target != self._targets.get(name)}

    def _unowned(self, after: After) -> list[Problem]:
        """What says that it was declared inside another object goes with that one; so it must be there."""
        problems = []
        for (kind, name), value in after.items():
            if value is None or not value.owner:
                continue
            owner, _, owner_name = value.owner.partition("/")
            ref = (owner, owner_name)
            if after.get(ref, self.declared.objects.get(ref)) is None:
                problems.append(Problem(kind, name, "owner", f"there is no {owner} {owner_name!r}"))
        return problems

    def _overlapping(self, targets: Targets) -> list[Problem]:
        """Classifiers of different chains at one precedence may not match one packet."""
        old = {name: self._targets.get(name) for name in targets}
        problems: dict[Problem, None] = {}
        for name in targets:
            self._index(name, old[name], False)
        for name, target in targets.items():
            for entry in _entries(target):
                for other, theirs in self._overlaps.conflicts(name, entry):
                    where = f" behind chain {entry.behind!r}" if entry.behind else ""
                    message = (
                        f"classifier {entry.classifier!r} and {theirs.classifier!r} of chain {other!r} match the same "
                        f"packets{where}, both at precedence {entry.precedence}; give one chain a higher precedence"
                    )
                    problems[Overlap("chain", name, "classifiers", message, other)] = None
            self._index(name, target, True)
        for name, target in targets.items():
            self._index(name, target, False)
            self._index(name, old[name], True)
        return list(problems)

    def _with_leading(self, targets: Targets) -> Targets:
        """With the chains that lead on to these, as they are: their paths lead to these chains' paths."""
        found: Targets = dict(targets)
        todo = list(targets)
        while todo:
            for name in sorted(self._leading.get(todo.pop(), ())):
                if name not in found:
                    found[name] = self._targets[name]
                    todo.append(name)
        return found

    def _in_the_way(self, targets: Targets) -> set[str]:
        """Chains that are to change, but until then take packets that these are to take at the same precedence."""
        coming = [entry for target in targets.values() for entry in _entries(target)]
        return {
            chain
            for chain, entry in self.rollouts.entered()
            if any(entry.precedence == new.precedence and entries_overlap(entry, new) for new in coming)
        }

    def _index(self, name: str, target: Target | None, present: bool) -> None:
        change = self._overlaps.add if present else self._overlaps.remove
        for entry in _entries(target):
            change(name, entry)

    def _put_target(self, name: str, target: Target | None) -> None:
        old = self._targets.pop(name, None)
        self._index(name, old, False)
        for other in _leads_to(old):
            self._leading[other].discard(name)
        if target is not None:
            self._targets[name] = target
            self._index(name, target, True)
        for other in _leads_to(target):
            self._leading.setdefault(other, set()).add(name)

    # -- nodes ---------------------------------------------------------------------------------------------------

    def listen(self, node: str, listener: Listener) -> View:
        """From now on ``listener`` is told what changes for ``node``; returns what it is to hold now."""
        self._listeners[node] = listener
        self._silent(node)
        self.failed.pop(node, None)  # an agent before this one has said it
        self.sent.setdefault(node, self.revision)
        self.moved.set()
        return self.views.setdefault(node, {})

    def unlisten(self, node: str, listener: Listener) -> None:
        if self._listeners.get(node) == listener:
            del self._listeners[node]
            self._silent(node)
            self.errors.pop(node, None)
            self.failed.pop(node, None)
            self._seen.pop(node, None)
            if not self.views.get(node):
                self.views.pop(node, None)
                self.sent.pop(node, None)
            self.moved.set()

    def _silent(self, node: str) -> None:
        """What ``node`` has said no longer counts."""
        self.acked.pop(node, None)
        self._behind.pop(node, None)
        self.rollouts.lost(node)
        self.remembered.clear()

    def why(self, node: str) -> str:
        """Why ``node`` does not hold what it was told, as a predicate."""
        if node in self.errors:
            return f"cannot go on: {self.errors[node]}"
        return "is at work" if node in self._listeners else "has no agent connected"

    def knows(self, node: str) -> bool:
        """Whether ``node`` is declared."""
        return ("node", node) in self.declared.objects

    @property
    def connected(self) -> frozenset[str]:
        return frozenset(self._listeners)

    def applied(
        self,
        node: str,
        revision: int,
        missing: Mapping[int, list[str]],
        error: str,
        refused: Mapping[str, str] = NONE,
        behind: Mapping[str, int] = NOBODY,
    ) -> None:
        """``node``'s switch holds everything up to ``revision`` but what it has ``refused`` of services, and what is
        yet to come of those that are ``behind``; or says why it does not."""
        if error:
            self.failed[node] = min(revision, self.revision)
            if self.errors.get(node) != error or node in self.acked:
                self.errors[node] = error
                self._silent(node)
        else:
            held = min(revision, self.revision)
            self.failed.pop(node, None)
            if self.errors.pop(node, None) is not None or held < self.acked.get(node, held):
                self.remembered.clear()
            self.acked[node] = held
            self._behind[node] = behind
            self.rollouts.acknowledged(node, held, missing)
            self._beyond.refused(node, refused)
            self.remembered.heard(node)
        self.moved.set()
        self.advance()

    def holds(self, node: str, service: str) -> int:
        """The revision up to which ``node`` holds what is of the network, and of the service; -1 if none is known."""
        held = self.acked.get(node, -1)
        return min(held, self._behind.get(node, {}).get(f"service/{service}", held))

    def seen(self, node: str, ports: list[str]) -> None:
        """Interfaces of these ports are on ``node``'s switch. Places ports that do not say where they are."""
        self._seen[node] = frozenset(ports)
        writes = Writes()
        moved: list[Ref] = []
        for name in ports:
            port = self.declared.objects.get(("port", name))
            if port is None or getattr(port, "node", None) is not None or self.locations.get(name) == node:
                continue
            self.locations[name] = node
            self.compiler.location(name, node)
            writes.location(name, node)
            moved.append(("port", name))
        if not writes:
            return
        changes = self.compiler.settle()
        targets = self._targets_of(changes.targets, {})
        for name, target in targets.items():
            self._put_target(name, target)
        try:
            targets = self._with_leading(targets)
            self.rollouts.want(targets, self._in_the_way(targets))
            self._carry_out(writes, changes)
        except StoreError as error:
            log.warning("where ports are cannot be written, and is tried again: %s", error)
            self._reload()
            asyncio.get_running_loop().call_later(RETRY, self._seen_again, node, ports)
        else:
            self._problems = set(changes.problems)
            if self.companion:
                self.companion.changed(moved)

    def _seen_again(self, node: str, ports: list[str]) -> None:
        if node in self._listeners:
            self.seen(node, ports)

    # -- steps ---------------------------------------------------------------------------------------------------

    def advance(self) -> None:
        """Take the steps of rollouts that can be taken now. One that cannot be written is tried again."""
        loop = asyncio.get_running_loop()
        self.rollouts.advance(loop.time(), self.nodes_of)
        again = bool(self._held)
        try:
            self._carry_out(Writes(), None)
        except StoreError as error:
            if not again:
                log.warning("a step of a rollout cannot be written, and is tried again: %s", error)
            deadline: float | None = loop.time() + RETRY
        else:
            deadline = self.rollouts.next_deadline()
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        if deadline is not None:
            self._timer = loop.call_at(deadline, self.advance)

    def nodes_of(self, path: int) -> set[str]:
        key = f"path/{path}"
        return {node for node, view in self.views.items() if key in view and ("node", node) in self.declared.objects}

    def _carry_out(self, writes: Writes, derived: ViewChanges | None) -> frozenset[str]:
        """Write what rollouts changed, with ``writes``; then derive the rest, and tell the nodes: those are returned.

        Raises StoreError; then nobody was told anything, and what rollouts changed is kept for the next time.
        """
        progress = self._held = _then(self._held, self.rollouts.take())
        for path_id, path in progress.paths.items():
            writes.path(path_id, path)
        if progress.paths:
            writes.next_id("path", self.rollouts.cursor)
        for path_id, entries in progress.live.items():
            writes.live(path_id, entries)
        for name, number in progress.pending.items():
            writes.pending(name, number)
        if writes:
            self._store.commit(Transaction(puts=writes.puts, deletes=tuple(writes.deletes)))
        self._held = Progress({}, {}, {})
        told = dict(derived.views) if derived else {}
        self._beyond.services(derived.services if derived else {})
        if progress:
            for path_id, path in progress.paths.items():
                self.compiler.path(path_id, path)
            for path_id, entries in progress.live.items():
                self.compiler.live(path_id, entries)
            told.update(self.compiler.settle().views)
        nodes = self._publish(told)
        withdrawn = [key for key, entries in progress.live.items() if entries is None]
        paths = [key for key, path in progress.paths.items() if path is not None]
        self.rollouts.published(self.revision, paths, withdrawn)
        self._flipped.update(
            {name: (self.revision, nodes) for name, number in progress.pending.items() if number is None}
        )
        for name in progress.pending:
            self.remembered.forget(name)
        if progress:
            # A step may have made the next one possible: paths without nodes to wait for flip at once.
            asyncio.get_running_loop().call_soon(self.advance)
        self.moved.set()
        return nodes

    @property
    def injector(self) -> Injector | None:
        """Who adds to what nodes are told. Set once; it hears at once of all services that there are."""
        return self._beyond.injector

    @injector.setter
    def injector(self, injector: Injector) -> None:
        self.publish(self._beyond.begin(injector, self.compiler.services(), self.views))

    def publish(self, changes: Told) -> int:
        """Tell the nodes of records that are not the compiler's; returns the revision that has them."""
        self._beyond.keep(changes)
        self._tell(changes)
        return self.revision

    def _publish(self, changes: Told) -> frozenset[str]:
        return self._tell(self._beyond.added(changes))

    def _tell(self, changes: Told) -> frozenset[str]:
        """Tell the nodes what changes for them; returns which those are."""
        if not changes:
            return frozenset()
        self.revision += 1
        by_node: dict[str, dict[str, AnyRecord | None]] = {}
        for (node, key), record in changes.items():
            view = self.views.setdefault(node, {})
            if record is None:
                view.pop(key, None)
            else:
                view[key] = record
            by_node.setdefault(node, {})[key] = record
        self.rollouts.placed({int(key[5:]) for _, key in changes if key.startswith("path/")})
        for node, records in by_node.items():
            self.sent[node] = self.revision
            if node in self._listeners:
                self._listeners[node](self.revision, records)
        return frozenset(by_node)

    # -- waiting -------------------------------------------------------------------------------------------------

    def waiting(self, outcome: Outcome) -> list[str]:
        """Why ``outcome`` is not in force everywhere yet; empty when it is."""
        reasons = []
        for name in outcome.chains:
            if self.rollouts.is_pending(name):
                reasons += [f"chain {name}: {r}" for r in self.rollouts.waiting(name, self.nodes_of, self.why)] or [
                    f"chain {name}: waits for chains that change with it"
                ]
        told = dict.fromkeys(outcome.nodes, outcome.revision)
        # A chain is in force when nodes hold not only its paths, but also what lets packets in.
        for name in outcome.chains:
            revision, nodes = self._flipped.get(name, (0, frozenset()))
            told.update({node: max(revision, told.get(node, 0)) for node in nodes})
        for node, revision in sorted(told.items()):
            if self.knows(node) and self.acked.get(node, -1) < min(self.sent.get(node, 0), revision):
                reasons.append(f"node {node} {self.why(node)}")
        return list(dict.fromkeys(reasons))

    def awaited(self, chain: str) -> set[str]:
        """The nodes whose next acknowledgement may change what ``waiting`` says of a chain."""
        revision, nodes = self._flipped.get(chain, (0, frozenset()))
        behind = {node for node in nodes if self.acked.get(node, -1) < revision}
        return behind | self.rollouts.awaited(chain, self.nodes_of)

    async def settled(self, outcome: Outcome, within: float) -> list[str]:
        """Wait until ``outcome`` is in force everywhere; returns why it is not when ``within`` seconds are over."""
        loop = asyncio.get_running_loop()
        end = loop.time() + within
        while (reasons := self.waiting(outcome)) and (left := end - loop.time()) > 0:
            self.moved.clear()
            try:
                await asyncio.wait_for(self.moved.wait(), min(left, 1.0))
            except TimeoutError:
                continue
        return reasons


def _entries(target: Target | None) -> Iterable[Entry]:
    return chained.from_iterable(spec.entries for spec in target.paths) if target else ()


def _leads_to(target: Target | None) -> set[str]:
    return {onward.chain for spec in (target.paths if target else ()) for onward in spec.onward}


def _then(first: Progress, second: Progress) -> Progress:
    return Progress(first.paths | second.paths, first.live | second.live, first.pending | second.pending)
