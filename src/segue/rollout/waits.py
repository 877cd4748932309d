"""Who waits for what, so that a step looks at those alone to whom something has happened.

Whoever waits, waits for everything that is in the way; it is kept here by one of these causes, whichever was found
first. While that one stands nothing else can set it free, so nobody looks at it. When the cause goes it is *due*: it is
looked at, and goes on, or has another cause. What is due without a cause (it is new, or its nodes are others) is put
here by ``stir``. To be due in vain does no harm; not to be due, when all that was in the way has gone, would be to wait
for ever.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right, insort
from collections.abc import Iterable

import msgspec


class Behind(msgspec.Struct, frozen=True):
    """``node`` has not said that it holds ``revision``."""

    node: str
    revision: int


class Lacks(msgspec.Struct, frozen=True):
    """``node`` says that it lacks something of ``path``."""

    node: str
    path: int


class Unpublished(msgspec.Struct, frozen=True):
    """Nodes have not been told yet; whoever tells them stirs."""


Cause = Behind | Lacks | Unpublished


class Waits:
    """Of numbers, which stand for rollouts, or for paths."""

    def __init__(self) -> None:
        self._due: set[int] = set()
        self._causes: dict[int, Cause] = {}
        self._by_cause: dict[Cause, set[int]] = {}
        self._revisions: dict[str, list[int]] = {}
        """By node: the revisions for which it is waited, in order."""

    def stir(self, numbers: Iterable[int]) -> None:
        self._due.update(numbers)

    def due(self) -> list[int]:
        """Those to be looked at, in order; each must then ``wait``, go away (``drop``), or be stirred again."""
        found, self._due = sorted(self._due), set()
        return found

    def wait(self, number: int, cause: Cause) -> None:
        if self._causes.get(number) == cause:
            return
        self.drop(number)
        self._causes[number] = cause
        if cause not in self._by_cause:
            self._by_cause[cause] = set()
            if isinstance(cause, Behind):
                insort(self._revisions.setdefault(cause.node, []), cause.revision)
        self._by_cause[cause].add(number)

    def drop(self, number: int) -> None:
        """It waits for nothing any more."""
        cause = self._causes.pop(number, None)
        if cause is None:
            return
        self._by_cause[cause].discard(number)
        if self._by_cause[cause]:
            return
        del self._by_cause[cause]
        if isinstance(cause, Behind):
            revisions = self._revisions[cause.node]
            del revisions[bisect_left(revisions, cause.revision)]
            if not revisions:
                del self._revisions[cause.node]

    def acknowledged(self, node: str, revision: int) -> None:
        revisions = self._revisions.get(node, [])
        reached = revisions[: bisect_right(revisions, revision)]
        if not reached:
            return
        del revisions[: len(reached)]
        if not revisions:
            del self._revisions[node]
        for each in reached:
            self._over(Behind(node, each))

    def found(self, node: str, path: int) -> None:
        """``node`` lacks something else of ``path`` than it did, or nothing."""
        self._over(Lacks(node, path))

    def _over(self, cause: Cause) -> None:
        numbers = self._by_cause.pop(cause, set())
        self._due |= numbers
        for number in numbers:
            del self._causes[number]
