"""Relations, and families of units that derive one from others; a change recomputes what it reaches.

A *relation* maps keys to sets of values. Some relations are inputs, set from outside, one value to a key. A
*family* is a function over the keys of one relation: for each key there, a *unit* runs ``function(context, key)``,
reads whatever it needs through the context, and emits values into other relations. The graph remembers what each
unit read and emitted. When a cell (one key of one relation) changes, the units that read it run again; what a
unit no longer emits is withdrawn. A cell that ends with the set of values that it began with changes nothing
further, which is what keeps a small change small.

    input -> family -> relation -> family -> ... -> relation (watched: its changes are reported)

Families run in the order in which they were declared, and may read only inputs and what earlier families emit:
so one pass settles everything, and the result does not depend on the order of changes. That makes the definition of
correct simple, and the tests check it: the incremental result equals that of a new graph with the same inputs.

A cell holds each value with the number of units that emit it, so values must be hashable and immutable. For
relations that thousands of units emit into under one key, only the appearance or disappearance of a value counts as a
change: readers of "which nodes have ports of this network" do not run for each port.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterable, Iterator, KeysView
from typing import Any, Generic, TypeVar

K = TypeVar("K", bound=Hashable)
V = TypeVar("V", bound=Hashable)


class Relation(Generic[K, V]):
    """A named mapping from keys to sets of values. Create through Graph; read through Context or its methods."""

    __slots__ = ("_cells", "_readers", "before", "name", "rank", "watched")

    def __init__(self, name: str, rank: int, watched: bool) -> None:
        self.name = name
        self.rank = rank
        """The index of the last family that emits into it; -1 for inputs."""
        self.watched = watched
        self.before: dict[K, dict[V, bool]] = {}
        """Of a watched relation, since it was last reported: for each value touched, whether it was there."""
        self._cells: dict[K, dict[V, int]] = {}
        self._readers: dict[K, set[tuple[int, Any]]] = {}

    def values(self, key: K) -> KeysView[V] | tuple[()]:
        """The values at ``key``, in the order of their first emission (not a stable order: sort before use)."""
        cell = self._cells.get(key)
        return cell.keys() if cell else ()

    def get(self, key: K) -> V | None:
        """The one value at ``key``, or None."""
        cell = self._cells.get(key)
        return next(iter(cell)) if cell else None

    def __iter__(self) -> Iterator[K]:
        return iter(self._cells)

    def __contains__(self, key: object) -> bool:
        return key in self._cells

    def items(self) -> Iterator[tuple[K, V]]:
        for key, cell in self._cells.items():
            for value in cell:
                yield key, value

    def __len__(self) -> int:
        return len(self._cells)


class Delta(Generic[K, V]):
    """What changed in a watched relation: for each key, the values that came and the values that went."""

    __slots__ = ("added", "removed")

    def __init__(self) -> None:
        self.added: list[tuple[K, V]] = []
        self.removed: list[tuple[K, V]] = []

    def __bool__(self) -> bool:
        return bool(self.added or self.removed)


_Touched = dict[tuple[Relation[Any, Any], Any], dict[Any, bool]]


class _Unit:
    __slots__ = ("emits", "reads")

    def __init__(self) -> None:
        self.reads: tuple[tuple[Relation[Any, Any], Any], ...] = ()
        self.emits: tuple[tuple[Relation[Any, Any], Any, Any], ...] = ()


class _Family:
    __slots__ = ("dirty", "function", "name", "over", "units")

    def __init__(self, name: str, over: Relation[Any, Any], function: Callable[[Context, Any], None]) -> None:
        self.name = name
        self.over = over
        self.function = function
        self.units: dict[Any, _Unit] = {}
        self.dirty: dict[Any, None] = {}


class Context:
    """What a unit sees of the graph while it runs. Reads are remembered; emissions take effect when it returns."""

    __slots__ = ("_emits", "_rank", "_reads")

    def __init__(self, rank: int) -> None:
        self._rank = rank
        self._reads: dict[tuple[Relation[Any, Any], Any], None] = {}
        self._emits: dict[tuple[Relation[Any, Any], Any, Any], None] = {}

    def _note(self, relation: Relation[Any, Any], key: Any) -> None:
        if relation.rank >= self._rank:
            raise RuntimeError(f"family {self._rank} reads {relation.name}, which is settled only later")
        self._reads[relation, key] = None

    def get(self, relation: Relation[K, V], key: K) -> V | None:
        """The one value at ``key``, or None."""
        self._note(relation, key)
        return relation.get(key)

    def values(self, relation: Relation[K, V], key: K) -> KeysView[V] | tuple[()]:
        """All values at ``key``; sort them where their order matters."""
        self._note(relation, key)
        return relation.values(key)

    def emit(self, relation: Relation[K, V], key: K, value: V) -> None:
        self._emits[relation, key, value] = None


class Graph:
    """See the head of this file. Not safe for use from several threads at once."""

    def __init__(self) -> None:
        self._families: list[_Family] = []
        self._over: dict[Relation[Any, Any], list[int]] = {}
        self._relations: list[Relation[Any, Any]] = []
        self.runs = 0
        """Units run so far, for tests and measurements."""

    def input(self, name: str) -> Relation[Any, Any]:
        """A relation that is set from outside with ``set``."""
        return self._relation(name, -1, False)

    def relation(self, name: str, watched: bool = False) -> Relation[Any, Any]:
        """A relation that families emit into; declare it before the first of them."""
        return self._relation(name, len(self._families), watched)

    def _relation(self, name: str, rank: int, watched: bool) -> Relation[Any, Any]:
        relation: Relation[Any, Any] = Relation(name, rank, watched)
        self._relations.append(relation)
        return relation

    def family(
        self,
        name: str,
        over: Relation[K, Any],
        function: Callable[[Context, K], None],
        emits: Iterable[Relation[Any, Any]],
    ) -> None:
        """Declare: for each key of ``over``, run ``function(context, key)``; it emits into ``emits`` alone."""
        rank = len(self._families)
        if over.rank >= rank:
            raise RuntimeError(f"family {name} runs over {over.name}, which is settled only later")
        for relation in emits:
            relation.rank = rank
        self._families.append(_Family(name, over, function))
        self._over.setdefault(over, []).append(rank)

    def set(self, relation: Relation[K, V], key: K, value: V | None) -> None:
        """Set an input to ``value``, or remove it (None). Takes effect at the next ``settle``."""
        if relation.rank != -1:
            raise RuntimeError(f"{relation.name} is derived; only inputs are set")
        cell = relation._cells.get(key)
        old = next(iter(cell)) if cell else None
        if old == value:
            return
        if value is None:
            del relation._cells[key]
        else:
            relation._cells[key] = {value: 1}
        self._touched(relation, key)

    def _touched(self, relation: Relation[Any, Any], key: Any) -> None:
        families = self._families
        for rank in self._over.get(relation, ()):
            families[rank].dirty[key] = None
        for rank, unit in relation._readers.get(key, ()):
            families[rank].dirty[unit] = None

    def settle(self) -> dict[str, Delta[Any, Any]]:
        """Run what changes have reached; returns the changes of each watched relation by name."""
        for rank, family in enumerate(self._families):
            while family.dirty:
                dirty, family.dirty = family.dirty, {}
                # For each value that these units touch, whether it was there: what ends as it began has not changed.
                touched: _Touched = {}
                for key in dirty:
                    self._run(rank, family, key, touched)
                for (relation, key), values in touched.items():
                    cell = relation._cells.get(key, {})
                    changed = {value: was for value, was in values.items() if (value in cell) != was}
                    if changed:
                        if relation.watched:
                            before = relation.before.setdefault(key, {})
                            for value, was in changed.items():
                                before.setdefault(value, was)
                        self._touched(relation, key)
        return self._deltas()

    def _run(self, rank: int, family: _Family, key: Any, touched: _Touched) -> None:
        unit = family.units.get(key)
        context = Context(rank)
        if key in family.over._cells:
            family.function(context, key)
            self.runs += 1
        elif unit is None:
            return
        old = unit or _Unit()
        reads, emits = tuple(context._reads), tuple(context._emits)
        if reads != old.reads:
            me = (rank, key)
            for relation, cell_key in old.reads:
                if (relation, cell_key) not in context._reads:
                    readers = relation._readers[cell_key]
                    readers.discard(me)
                    if not readers:
                        del relation._readers[cell_key]
            for relation, cell_key in reads:
                relation._readers.setdefault(cell_key, set()).add(me)
        if emits != old.emits:
            before = set(old.emits)
            for emission in emits:
                if emission not in before:
                    self._count(emission, 1, touched)
            for emission in old.emits:
                if emission not in context._emits:
                    self._count(emission, -1, touched)
        if key in family.over._cells:
            if unit is None:
                unit = family.units[key] = _Unit()
            unit.reads, unit.emits = reads, emits
        else:
            family.units.pop(key, None)

    def _count(self, emission: tuple[Relation[Any, Any], Any, Any], by: int, touched: _Touched) -> None:
        relation, key, value = emission
        cell = relation._cells.setdefault(key, {})
        count = cell.get(value, 0)
        touched.setdefault((relation, key), {}).setdefault(value, count > 0)
        if count + by:
            cell[value] = count + by
        else:
            del cell[value]
            if not cell:
                del relation._cells[key]

    def _deltas(self) -> dict[str, Delta[Any, Any]]:
        result: dict[str, Delta[Any, Any]] = {}
        for relation in self._relations:
            if not relation.watched:
                continue
            delta: Delta[Any, Any] = Delta()
            for key, before in relation.before.items():
                now = relation.values(key)
                delta.added.extend((key, value) for value, was in before.items() if not was and value in now)
                delta.removed.extend((key, value) for value, was in before.items() if was and value not in now)
            relation.before.clear()
            result[relation.name] = delta
        return result
