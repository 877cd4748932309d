"""Who of several that share something is next: whoever has had the least. Pure.

What counts is what each has had while others had some as well: who comes late, or again, begins with what the one had
before it who was served last. So nobody saves up for a burst by being away, and nobody is kept waiting later for what
it took while nobody else wanted any (start-time fair queueing).
"""

from __future__ import annotations

from collections.abc import Hashable, Iterable
from typing import Generic, TypeVar

K = TypeVar("K", bound=Hashable)


class Shares(Generic[K]):
    def __init__(self) -> None:
        self._had: dict[K, float] = {}
        self._last = 0.0
        """What the one had before it that was served last; who waits has had as much at least."""

    def next(self, waiting: Iterable[K]) -> K:
        """Of those with the least the first."""
        return min(waiting, key=self._of)

    def take(self, who: K, amount: float) -> None:
        """``who`` has been served. Where others wait it was the ``next``."""
        self._last = self._of(who)
        self._had[who] = self._last + amount

    def settle(self) -> None:
        """Keeps in mind only those that have had more than who would come now."""
        self._had = {who: had for who, had in self._had.items() if had > self._last}

    def __contains__(self, who: K) -> bool:
        """Whether it is kept in mind."""
        return who in self._had

    def _of(self, who: K) -> float:
        return max(self._had.get(who, 0.0), self._last)
