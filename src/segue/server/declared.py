"""What has been declared: the objects, who owns whom, and their numeric identities."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from segue.model.intent import Object, Objects, Ref
from segue.server.records import IDENTIFIED, Writes

After = dict[Ref, Object | None]
"""Objects as they are to be; None: gone."""


class Declared:
    def __init__(self, objects: Objects, ids: dict[Ref, int], next_id: dict[str, int]) -> None:
        self.objects = objects
        self.ids = ids
        self._next = next_id
        self._owned: dict[str, set[Ref]] = {}
        for ref, value in objects.items():
            self._own(ref, value)

    def effect(self, wanted: Mapping[Ref, Object | None]) -> After:
        """What would really change. What an object declared inside itself before, and does not now, goes with it."""
        complete: After = {}
        owners = list(wanted)
        for kind, name in owners:
            for ref in self._owned.get(f"{kind}/{name}", ()):
                if ref not in wanted and ref not in complete:
                    complete[ref] = None
                    owners.append(ref)
        complete.update(wanted)
        return {ref: value for ref, value in complete.items() if self.objects.get(ref) != value}

    def owned(self, ref: Ref) -> Iterator[Ref]:
        """What is declared inside an object, and inside that."""
        for inner in self._owned.get(f"{ref[0]}/{ref[1]}", ()):
            yield inner
            yield from self.owned(inner)

    def identities(self, after: After) -> dict[Ref, int | None]:
        """New numbers for new objects that have one, None for those that go. Numbers are not used twice."""
        changed: dict[Ref, int | None] = {}
        for ref, value in after.items():
            kind = ref[0]
            if kind not in IDENTIFIED:
                continue
            if value is None:
                changed[ref] = None
            elif ref not in self.ids:
                changed[ref] = self._next.get(kind, 1)
                self._next[kind] = self._next.get(kind, 1) + 1
        return changed

    def commit(self, after: After, identities: Mapping[Ref, int | None], writes: Writes) -> None:
        """Take the change in, and write it down."""
        for ref, value in after.items():
            old = self.objects.pop(ref, None)
            if old is not None and old.owner:
                self._owned[old.owner].discard(ref)
            if value is not None:
                self.objects[ref] = value
                self._own(ref, value)
            writes.object(ref, value)
        for ref, key in identities.items():
            if key is None:
                self.ids.pop(ref, None)
            else:
                self.ids[ref] = key
                writes.next_id(ref[0], self._next[ref[0]])
            writes.identity(ref, key)

    def _own(self, ref: Ref, value: Object) -> None:
        if value.owner:
            self._owned.setdefault(value.owner, set()).add(ref)
