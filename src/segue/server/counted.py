"""What was counted, over all nodes and restarts.

Agents report what rules on their switch have counted, and what rules had counted that are gone. A reading that is
lower than the one before means that the switch began anew; what it had counted before is kept. Readings of rules
that are gone are written to the store, so that they outlive the server.
"""

from __future__ import annotations

from collections.abc import Mapping

from segue.model.counters import Count, add, counts_for, less
from segue.server.records import Writes


class Counted:
    """By (node, counter name)."""

    def __init__(self, kept: dict[tuple[str, str], Count]) -> None:
        self._kept = kept
        self._live: dict[str, dict[str, Count]] = {}
        self._dirty: set[tuple[str, str]] = set()

    def report(self, node: str, live: Mapping[str, Count], retired: Mapping[str, Count], chain: str = "") -> None:
        """``live`` are all of the node's counters, or those of ``chain``."""
        before = dict(self._live.get(node, {}))
        for name, count in retired.items():
            self._keep(node, name, count)
            if name in before:
                before[name] = less(before[name], count)
        asked = {name for name in before if not chain or counts_for(name, chain)}
        for name in asked:
            last = before.pop(name)
            if last[0] > live.get(name, (0, 0))[0]:
                self._keep(node, name, last)
        self._live[node] = before | dict(live)

    def _keep(self, node: str, name: str, count: Count) -> None:
        self._kept[node, name] = add(self._kept.get((node, name), (0, 0)), count)
        self._dirty.add((node, name))

    def totals(self) -> dict[str, Count]:
        """By counter name, over all nodes."""
        totals: dict[str, Count] = {}
        for (_, name), count in self._kept.items():
            totals[name] = add(totals.get(name, (0, 0)), count)
        for counts in self._live.values():
            for name, count in counts.items():
                totals[name] = add(totals.get(name, (0, 0)), count)
        return totals

    def changed(self) -> Writes:
        """Kept counts that ``written`` has not been told of."""
        writes = Writes()
        for node, name in self._dirty:
            writes.counted(node, name, self._kept[node, name])
        return writes

    def written(self) -> None:
        self._dirty.clear()
