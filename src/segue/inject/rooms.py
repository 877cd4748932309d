"""The numbers by which nodes' switches know the groups and meters of services: one room for all services.

Numbers are taken in turn, so that one that was given back is not soon another's: a packet that is under way while rules
change meets the old meaning or none.
"""

from __future__ import annotations

from segue.model.program import FIRST_GROUP, FIRST_METER, METERS

GROUPS = 1 << 24
"""How many groups there are for all services together."""


class Room:
    """Numbers from ``first`` on, ``count`` of them."""

    def __init__(self, first: int, count: int) -> None:
        self._first = first
        self._count = count
        self._next = 0
        self._taken: set[int] = set()
        self._reserved: set[int] = set()

    def __len__(self) -> int:
        """How many are taken."""
        return len(self._taken)

    def take(self, leave: int = 0) -> int | None:
        """None if ``leave`` are left, or fewer."""
        if len(self._taken) >= self._count - leave:
            return None
        while (number := self._first + self._next) in self._taken:
            self._next = (self._next + 1) % self._count
        self._taken.add(number)
        self._next = (self._next + 1) % self._count
        return number

    def reserve(self, number: int) -> None:
        """Somebody will claim this one, if there is such a number: until then nobody is given it."""
        if self._is_one(number) and number not in self._taken:
            self._taken.add(number)
            self._reserved.add(number)

    def claim(self, number: int) -> None:
        """Somebody has this one already: it was read from the store. ValueError if it is another's."""
        if number in self._reserved:
            self._reserved.discard(number)
        elif self._is_one(number) and number not in self._taken:
            self._taken.add(number)
        else:
            raise ValueError(f"number {number:#x} is not free")

    def settle(self) -> None:
        """All have claimed what they have: what is reserved and was not claimed is nobody's."""
        self._taken -= self._reserved
        self._reserved.clear()

    def give(self, number: int) -> None:
        self._taken.discard(number)

    def _is_one(self, number: int) -> bool:
        return self._first <= number < self._first + self._count


class Numbers:
    """The rooms of all services together."""

    def __init__(self) -> None:
        self.groups = Room(FIRST_GROUP, GROUPS)
        self.meters = Room(FIRST_METER, METERS)
