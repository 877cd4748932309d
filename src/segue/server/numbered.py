"""The numbers of chains and groups that the networking API did not make: ``chain_id`` and ``group_id``.

networking-sfc gives each chain and each group the lowest number that no other has. What the API makes has it in its
record; for what ``segue apply`` declares it is kept in the store, as ``number/KIND/ID``, and goes with the object. As
in ``order``, numbers are given before it is known whether a change can be, and hold once it is durable (``keep``);
else they are given back (``drop``).
"""

from __future__ import annotations

from collections.abc import Iterable
from urllib.parse import quote, unquote

from segue.neutron.rules_chains import MAX_CHAIN_ID
from segue.neutron.state import State
from segue.store.base import Store

Key = tuple[str, str]
"""Kind and id, as Neutron has them."""

ROOM = "number/"
LAST = {"port_chain": MAX_CHAIN_ID, "port_pair_group": 1 << 31}
ATTRIBUTES = {"port_chain": "chain_id", "port_pair_group": "group_id"}


class Numbered:
    def __init__(self, store: Store) -> None:
        self._held: dict[Key, int] = {}
        for key, item in store.snapshot(ROOM).items.items():
            kind, _, id = key.removeprefix(ROOM).partition("/")
            self._held[kind, unquote(id)] = int(item.value)
        self._taken = {kind: {n for key, n in self._held.items() if key[0] == kind} for kind in LAST}
        self._unwritten: set[Key] = set()
        """Those of what came without a change that had them in it: they go into the store with the next one."""
        self._coming: dict[Key, int] = {}
        self._going: set[Key] = set()

    def of(self, kind: str, id: str) -> int:
        """0 where it has none here."""
        return self._held.get((kind, id), 0)

    def needed(self, kind: str, id: str, state: State) -> int:
        """The number of what is there now, also where no change of its own brought it; 0 where all are taken."""
        self.before([(kind, id)], state)
        return self.of(kind, id)

    def before(self, keys: Iterable[Key], state: State) -> None:
        """These are there already, those without a number too."""
        self.change(keys, (), state)
        self._unwritten |= self._coming.keys()
        self.keep(written=False)

    def change(self, coming: Iterable[Key], going: Iterable[Key], state: State) -> dict[str, bytes | None]:
        """What goes into the store with a change. ``state``: who has which number now."""
        given = {kind: {n for key, n in self._coming.items() if key[0] == kind} for kind in LAST}
        free = dict.fromkeys(LAST, 1)
        for key in coming:
            kind, id = key
            if kind not in LAST or key in self._coming or (state.get(kind, id) or {}).get(ATTRIBUTES[kind]):
                continue
            taken = state.chain_ids if kind == "port_chain" else state.group_ids
            held = self._held.get(key)
            if held is not None and taken.owner(held) is None:
                continue
            number = taken.lowest_free(free[kind], LAST[kind])
            while number is not None and (number in given[kind] or number in self._taken[kind]):
                number = taken.lowest_free(number + 1, LAST[kind])
            if number is not None:
                self._coming[key] = number
                free[kind] = number + 1
        self._going.update(key for key in going if key in self._held)
        written = self._coming | {key: self._held[key] for key in self._unwritten - self._going}
        puts: dict[str, bytes | None] = {_key(key): b"%d" % number for key, number in written.items()}
        return puts | {_key(key): None for key in self._going}

    def keep(self, *, written: bool = True) -> None:
        """The change is durable."""
        for key in [*self._going, *self._coming]:
            if key in self._held:
                self._taken[key[0]].discard(self._held.pop(key))
        for key in self._coming.keys() - self._going:
            self._held[key] = self._coming[key]
            self._taken[key[0]].add(self._coming[key])
        if written:
            self._unwritten.clear()
        self.drop()

    def drop(self) -> None:
        self._coming, self._going = {}, set()


def _key(key: Key) -> str:
    return f"{ROOM}{key[0]}/{quote(key[1], safe='')}"
