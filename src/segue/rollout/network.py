"""A change over all nodes, in two phases.

A changed chain gets new paths, with ids of their own. While they are in phase ``prepare`` every node on them learns
them; no packet enters. When all of them have said that they hold them, the classifiers flip: new paths become
``active``, old ones ``drain``. A packet's path id is written once, where it enters, so it goes all the way along one
path (Reitblatt et al., "Abstractions for Network Update", SIGCOMM 2012). Old paths are removed a drain time after the
nodes where packets entered have said that none enter any more.

A chain that others follow in a graph has paths that lead on to theirs, by id. So it changes with them, though its own
steps stay as they are: what the id with which a packet enters says, the packet goes through to the end of the graph.
A path that others led to is removed a drain time after the last of those.

Chains that change together flip together, because a packet that leaves one chain may belong to the other; a
rollout is the set of such chains. One that waits for a node does not hold up others.

A step looks only at rollouts and draining paths to which something has happened since the last one (``waits``).

Nothing here does I/O or reads a clock. Callers give acknowledgements and the time, and carry out what ``take``
returns: first to the store, then to the nodes.
"""

from __future__ import annotations

import heapq
from collections.abc import Callable, Iterable, Mapping
from typing import TypeVar

import msgspec

from segue.model.path import FIRST_PATH_ID, LAST_PATH_ID, NO_COPIES, Entry, Path, PathSpec, Step, Target
from segue.rollout.slots import assign
from segue.rollout.waits import Behind, Cause, Lacks, Unpublished, Waits

Wanted = tuple[tuple[int, tuple[Entry, ...]], ...]
"""(path id, packets that are to enter it), in the order of the target's paths."""


K = TypeVar("K")


class Progress(msgspec.Struct):
    """Changes to carry out. None: remove."""

    paths: dict[int, Path | None]
    live: dict[int, tuple[Entry, ...] | None]
    pending: dict[str, int | None]
    """By chain: the number of its rollout, or None when it is done."""

    def __bool__(self) -> bool:
        return bool(self.paths or self.live or self.pending)


class NoPathIds(Exception):
    """All path ids are in use."""


def _silent(_: str) -> str:
    return "has no agent connected"


def _nobody(_: str) -> None:
    pass


class Rollouts:
    """``drain``: seconds between the last entry into a path and its removal. ``stirred`` is called with each chain of
    which something here has become another, but for nodes' acknowledgements."""

    def __init__(self, drain: float, stirred: Callable[[str], None] = _nobody) -> None:
        self.drain = drain
        self._stirred = stirred
        self.paths: dict[int, Path] = {}
        self.live: dict[int, tuple[Entry, ...]] = {}
        self._of_chain: dict[str, set[int]] = {}
        self._led: dict[int, set[int]] = {}
        """By path: the paths that lead on to it."""
        self.cursor = FIRST_PATH_ID
        """The id that is tried next."""
        self._pending: dict[str, int] = {}
        self._chains: dict[int, set[str]] = {}
        self._wanted: dict[str, Wanted] = {}
        self._number = 0
        self._published: dict[int, int] = {}
        """By path: the revision by which its nodes were told of it."""
        self._withdrawn: dict[int, int] = {}
        """By draining path: the revision by which its entries were withdrawn."""
        self._deadline: dict[int, float] = {}
        self._ends: list[tuple[float, int]] = []
        """The deadlines, as a heap; those of paths that are gone, too."""
        self._flips, self._drains = Waits(), Waits()
        """What rollouts wait for, and paths that drain."""
        self._acked: dict[str, int] = {}
        self._missing: dict[str, Mapping[int, list[str]]] = {}
        self._changes = Progress({}, {}, {})

    # -- what is known from before ------------------------------------------------------------------------------

    def load(
        self,
        paths: Iterable[Path],
        live: Mapping[int, tuple[Entry, ...]],
        pending: Mapping[str, int],
        targets: Mapping[str, Target],
        cursor: int = FIRST_PATH_ID,
    ) -> None:
        """After a restart: what the store holds; ``cursor`` as it was. Nobody has acknowledged anything yet."""
        self.cursor = cursor
        for path in paths:
            self._know(path)
        self.live.update(live)
        for chain, number in pending.items():
            self._number = max(self._number, number)
            self._pending[chain] = number
            self._chains.setdefault(number, set()).add(chain)
        for chain in _last_first({chain: targets.get(chain) for chain in pending}):
            target = targets.get(chain)
            self._wanted[chain] = tuple(
                (path.id, spec.entries)
                for spec in map(self._led_on, target.paths if target else ())
                for path in self._open(chain)
                if _alike(path.spec, spec)
            )
        self.stir()

    # -- what is asked for ---------------------------------------------------------------------------------------

    def want(self, targets: Mapping[str, Target | None], after: Iterable[str] = ()) -> None:
        """These chains, together, are to become this; None: they are to go. Those that lead on to them are among them.
        ``after``: chains that these may not flip before, because they still take packets that these are to take."""
        together: set[str] = set()
        for chain in _last_first(targets):
            target = targets[chain]
            wanted = self._match(chain, target)
            kept = {key for key, _ in wanted}
            for path in self._open(chain):
                if path.phase == "prepare" and path.id not in kept:
                    self._set(path.id, None)  # superseded before any packet entered it
            self._wanted[chain] = wanted
            if dict(wanted) != self._entering(chain) or chain in self._pending:
                together.add(chain)
        if not together:
            return
        together.update(chain for chain in after if chain in self._pending)
        for number in {self._pending[chain] for chain in together if chain in self._pending}:
            together |= self._chains.pop(number)
            self._flips.drop(number)
        self._number += 1
        self._chains[self._number] = together
        self._flips.stir([self._number])
        for chain in together:
            self._pending[chain] = self._changes.pending[chain] = self._number
            self._stirred(chain)

    def _match(self, chain: str, target: Target | None) -> Wanted:
        """The target's paths among those that exist; new ones where there are none like them."""
        wanted = []
        for spec in map(self._led_on, target.paths if target else ()):
            path = next((p for p in self._open(chain) if _alike(p.spec, spec)), None)
            if path is None:
                path = Path(self._allocate(), self._with_slots(spec), "prepare")
                self._set(path.id, path)
            elif path.phase == "prepare" and path.spec.entries != spec.entries:
                self._set(path.id, _replace(path, entries=spec.entries))
            wanted.append((path.id, spec.entries))
        return tuple(wanted)

    def _led_on(self, spec: PathSpec) -> PathSpec:
        """With the ids of the paths that it leads to: those that are wanted of the other chains."""
        if not spec.onward:
            return spec
        found = []
        for onward in spec.onward:
            keys = [key for key, _ in self._wanted.get(onward.chain, ())]
            if onward.chain not in self._wanted:
                keys = [path.id for path in self._open(onward.chain)]
            fit = (key for key in keys if _carries(self.paths[key].spec, spec.network, onward.headers.ethertype))
            found.append(msgspec.structs.replace(onward, path=next(fit, 0)))
        return msgspec.structs.replace(spec, onward=tuple(found))

    def _with_slots(self, spec: PathSpec) -> PathSpec:
        """Slots follow those of the chain's newest path with the same group, in either direction: both directions of
        a flow must choose alike."""
        newest: dict[str, Step] = {}
        for path in sorted(self._open(spec.chain), key=lambda path: path.id):
            for step in path.spec.steps:
                newest[step.group] = step
        steps = tuple(
            msgspec.structs.replace(step, slots=assign(step.hops, newest.get(step.group))) for step in spec.steps
        )
        return msgspec.structs.replace(spec, steps=steps)

    def _allocate(self) -> int:
        """Ids come round again only after all others, long after the last packet with the old meaning."""
        for _ in range(LAST_PATH_ID):
            candidate = self.cursor
            self.cursor = FIRST_PATH_ID if candidate == LAST_PATH_ID else candidate + 1
            if candidate not in self.paths:
                return candidate
        raise NoPathIds(f"all {LAST_PATH_ID - FIRST_PATH_ID + 1} path ids are in use")

    # -- what nodes say ------------------------------------------------------------------------------------------

    def published(self, revision: int, paths: Iterable[int], withdrawn: Iterable[int]) -> None:
        """The changes taken before have gone out as ``revision``."""
        for key in paths:
            if self._published.setdefault(key, revision) == revision:
                self.placed([key])
        for key in withdrawn:
            if self._withdrawn.setdefault(key, revision) == revision:
                self._drains.stir([key])

    def placed(self, paths: Iterable[int]) -> None:
        """The nodes of these paths may be others than they were."""
        for key in paths:
            path = self.paths.get(key)
            if path is None:
                continue
            self._drains.stir([key])
            chain = path.spec.chain
            self._stirred(chain)
            if chain in self._pending:
                self._flips.stir([self._pending[chain]])

    def stir(self) -> None:
        """The next step looks at all."""
        self._flips.stir(self._chains)
        self._drains.stir(self._withdrawn)

    def acknowledged(self, node: str, revision: int, missing: Mapping[int, list[str]]) -> None:
        """``node``'s switch holds all up to ``revision``; ``missing``: what its paths lack there."""
        before = self._missing.get(node, {})
        self._acked[node] = revision
        self._missing[node] = missing
        self._flips.acknowledged(node, revision)
        self._drains.acknowledged(node, revision)
        for key in before.keys() | missing.keys():
            if before.get(key) != missing.get(key):
                self._flips.found(node, key)
                if key in self.paths:
                    self._stirred(self.paths[key].spec.chain)

    def lost(self, node: str) -> None:
        """The node's agent has gone; what it said before no longer counts."""
        self._acked.pop(node, None)

    # -- what follows --------------------------------------------------------------------------------------------

    def advance(self, now: float, nodes_of: Callable[[int], set[str]]) -> None:
        """Flip what is ready, remove what has drained. Where ``nodes_of`` gives another answer than before, it is said
        (``placed``, ``stir``)."""
        for number in self._flips.due():
            if number not in self._chains:
                continue
            cause = self._in_the_way(number, nodes_of)
            if cause is None:
                self._flips.drop(number)
                self._flip(number)
            else:
                self._flips.wait(number, cause)
        while self._ends and now >= self._ends[0][0]:
            end, key = heapq.heappop(self._ends)
            if self._deadline.get(key) == end:
                self._set(key, None)
        for key in self._drains.due():
            if key not in self._withdrawn or key in self._deadline or key in self._led:
                continue
            behind = self._behind(key, self._withdrawn[key], nodes_of)
            if behind is None:
                self._drains.drop(key)
                self._deadline[key] = now + self.drain
                heapq.heappush(self._ends, (now + self.drain, key))
            else:
                self._drains.wait(key, behind)

    def next_deadline(self) -> float | None:
        while self._ends and self._deadline.get(self._ends[0][1]) != self._ends[0][0]:
            heapq.heappop(self._ends)
        return self._ends[0][0] if self._ends else None

    def _in_the_way(self, number: int, nodes_of: Callable[[int], set[str]]) -> Cause | None:
        """Something for which a rollout waits; None: it can flip."""
        for chain in self._chains[number]:
            for key, _ in self._wanted.get(chain, ()):
                if self.paths[key].phase != "prepare":
                    continue
                revision = self._published.get(key)
                behind = self._behind(key, revision or 0, nodes_of)
                if behind is not None:
                    return behind
                for node in nodes_of(key):
                    if revision is None:
                        return Unpublished()
                    if not all(reason.startswith(NO_COPIES) for reason in self._missing[node].get(key, ())):
                        return Lacks(node, key)
        return None

    def _behind(self, key: int, revision: int, nodes_of: Callable[[int], set[str]]) -> Behind | None:
        """A node of the path that has not said that it holds ``revision``."""
        for node in nodes_of(key):
            if self._acked.get(node, -1) < revision:
                return Behind(node, revision)
        return None

    def _flip(self, number: int) -> None:
        for chain in self._chains.pop(number):
            wanted = dict(self._wanted[chain])
            for path in self._open(chain):
                if path.id in wanted:
                    self._set(path.id, _replace(path, "active", wanted[path.id]))
                    self._enter(path.id, wanted[path.id])
                else:
                    self._set(path.id, _replace(path, "drain"))
                    self._enter(path.id, None)
            del self._pending[chain]
            self._changes.pending[chain] = None
            self._stirred(chain)

    def waiting(
        self, chain: str, nodes_of: Callable[[int], set[str]], why: Callable[[str], str] = _silent
    ) -> list[str]:
        """Why the chain's new paths cannot carry packets yet, in words; empty when they can. ``why`` says of a node
        that it does something, or does not, where it has not said what it holds."""
        reasons = []
        for key, _ in self._wanted.get(chain, ()):
            if self.paths[key].phase != "prepare":
                continue
            revision = self._published.get(key)
            for node in sorted(nodes_of(key)):
                if node not in self._acked:
                    reasons.append(f"node {node} {why(node)}")
                elif revision is None or self._acked[node] < revision:
                    reasons.append(f"node {node} has not installed path {key} yet")
                else:
                    lacking = self._missing[node].get(key, ())
                    reasons.extend(reason for reason in lacking if not reason.startswith(NO_COPIES))
        return list(dict.fromkeys(reasons))

    def awaited(self, chain: str, nodes_of: Callable[[int], set[str]]) -> set[str]:
        """The nodes whose next acknowledgement may change what ``waiting`` says."""
        return {
            node
            for key, _ in self._wanted.get(chain, ())
            if self.paths[key].phase == "prepare"
            for node in nodes_of(key)
            if self._acked.get(node, -1) < self._published.get(key, 0)
        }

    def is_pending(self, chain: str) -> bool:
        return chain in self._pending

    def lacking(self, chain: str, phase: str = "active") -> list[str]:
        """What the chain's active paths lack on their nodes, or those in another phase."""
        return [
            reason
            for key in sorted(self._of_chain.get(chain, ()))
            if self.paths[key].phase == phase
            for missing in self._missing.values()
            for reason in missing.get(key, ())
        ]

    def entered(self) -> Iterable[tuple[str, Entry]]:
        """What enters chains that are to change: (chain, entry)."""
        for chain in self._pending:
            for entries in self._entering(chain).values():
                for entry in entries:
                    yield chain, entry

    def paths_of(self, chain: str) -> list[Path]:
        return [self.paths[key] for key in sorted(self._of_chain.get(chain, ()))]

    def take(self) -> Progress:
        """The changes since the last ``take``."""
        changes, self._changes = self._changes, Progress({}, {}, {})
        return changes

    # -- bookkeeping ---------------------------------------------------------------------------------------------

    def _open(self, chain: str) -> list[Path]:
        found = (self.paths[key] for key in sorted(self._of_chain.get(chain, ())))
        return [path for path in found if path.phase != "drain"]

    def _entering(self, chain: str) -> dict[int, tuple[Entry, ...]]:
        return {key: self.live[key] for key in self._of_chain.get(chain, ()) if key in self.live}

    def _set(self, key: int, path: Path | None) -> None:
        if path is not None:
            self._know(path)
        else:
            spec = self.paths.pop(key).spec
            _withdraw(self._of_chain, spec.chain, key)
            self._stirred(spec.chain)
            for other in {onward.path for onward in spec.onward}:
                _withdraw(self._led, other, key)
                self._drains.stir([other])
            for known in (self._published, self._withdrawn, self._deadline):
                known.pop(key, None)
        self._changes.paths[key] = path

    def _know(self, path: Path) -> None:
        self.paths[path.id] = path
        self._stirred(path.spec.chain)
        self._of_chain.setdefault(path.spec.chain, set()).add(path.id)
        for onward in path.spec.onward:
            self._led.setdefault(onward.path, set()).add(path.id)

    def _enter(self, key: int, entries: tuple[Entry, ...] | None) -> None:
        if entries == self.live.get(key):
            return
        if entries is None:
            del self.live[key]
        else:
            self.live[key] = entries
        self._changes.live[key] = entries


def _withdraw(sets: dict[K, set[int]], key: K, value: int) -> None:
    sets[key].discard(value)
    if not sets[key]:
        del sets[key]


def _replace(path: Path, phase: str | None = None, entries: tuple[Entry, ...] | None = None) -> Path:
    spec = path.spec if entries is None else msgspec.structs.replace(path.spec, entries=entries)
    return Path(path.id, spec, phase or path.phase)


def _alike(one: PathSpec, other: PathSpec) -> bool:
    """Whether packets could not tell them apart behind the classifiers."""
    return _essence(one) == _essence(other)


def _essence(spec: PathSpec) -> tuple[object, ...]:
    steps = tuple(msgspec.structs.replace(step, slots=()) for step in spec.steps)
    return (spec.direction, spec.encapsulation, spec.network, spec.ethertype, spec.source_mac, steps, spec.onward)


def _carries(spec: PathSpec, network: int, ethertype: int) -> bool:
    return spec.direction == "forward" and spec.network == network and spec.ethertype in (0, ethertype)


def _last_first(targets: Mapping[str, Target | None]) -> list[str]:
    """The chains, each behind those of them that it leads to."""
    ordered: dict[str, None] = {}
    for first in targets:
        todo = [first]
        opened: set[str] = set()
        while todo:
            chain = todo[-1]
            target = targets[chain]
            leads = {onward.chain for spec in (target.paths if target else ()) for onward in spec.onward}
            further = [one for one in sorted(leads) if one in targets and one not in ordered and one not in opened]
            if chain in ordered or chain in opened or not further:
                ordered[todo.pop()] = None
            else:
                opened.add(chain)
                todo.extend(further)
    return list(ordered)
