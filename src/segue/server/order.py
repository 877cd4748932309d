"""In which order the networking API's objects came, by a number of each in the store: ``came/KIND/ID``.

Numbers are given before it is known whether a change can be, and hold once it is durable (``keep``); else they are
given back (``drop``). What came before there were such numbers is before all others, in the order of its keys.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from urllib.parse import quote, unquote

from segue.store.base import Store

Key = tuple[str, str]
"""Kind and id, as Neutron has them."""

ROOM = "came/"


class Order:
    def __init__(self, store: Store) -> None:
        self._numbers: dict[Key, int] = {}
        for key, item in store.snapshot(ROOM).items.items():
            kind, _, id = key.removeprefix(ROOM).partition("/")
            self._numbers[kind, unquote(id)] = int(item.value)
        self._last = max(self._numbers.values(), default=0)
        self._coming: dict[Key, int] = {}
        self._going: set[Key] = set()

    def of(self, key: Key) -> float:
        """What is just coming is the last."""
        return self._numbers.get(key, math.inf)

    def before(self, keys: Iterable[Key]) -> None:
        """These were there before all that has a number."""
        for key in keys:
            self._numbers.setdefault(key, 0)

    def change(self, coming: Iterable[Key], going: Iterable[Key]) -> dict[str, bytes | None]:
        """What goes into the store with a change; what has a number keeps it."""
        for key in coming:
            if key not in self._numbers:
                self._coming.setdefault(key, self._last + len(self._coming) + 1)
        self._going.update(going)
        puts: dict[str, bytes | None] = {_key(key): b"%d" % number for key, number in self._coming.items()}
        return puts | {_key(key): None for key in self._going}

    def keep(self) -> None:
        """The change is durable."""
        self._numbers.update(self._coming)
        self._last += len(self._coming)
        for key in self._going:
            self._numbers.pop(key, None)
        self.drop()

    def drop(self) -> None:
        self._coming, self._going = {}, set()


def _key(key: Key) -> str:
    return f"{ROOM}{key[0]}/{quote(key[1], safe='')}"
