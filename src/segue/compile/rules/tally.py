"""How often each of some things is there, by injected service; and of which services the things are others."""

from __future__ import annotations

from collections.abc import Hashable, Mapping
from typing import Generic, TypeVar

K = TypeVar("K", bound=Hashable)


class Tally(Generic[K]):
    """``count`` what comes and goes; ``settle`` says what there is now, where it is not what there was."""

    def __init__(self) -> None:
        self._counts: dict[int, dict[K, int]] = {}
        """None is empty, and no number is 0."""
        self._touched: set[int] = set()

    def count(self, service: int, what: K, by: int) -> None:
        """``by``: how many there are more; negative: less."""
        counts = self._counts.setdefault(service, {})
        before = counts.get(what, 0)
        if before + by:
            counts[what] = before + by
        else:
            del counts[what]
            if not counts:
                del self._counts[service]
        if not before or not before + by:
            self._touched.add(service)

    def settle(self) -> Mapping[int, Mapping[K, int]]:
        """Of those services where things have come or gone since this was last asked, in the order of their keys."""
        touched, self._touched = self._touched, set()
        return {service: self._counts.get(service, {}) for service in sorted(touched)}
