"""How many copies one packet may cause in a service's tables: of each table's flows the one that makes the most counts.

A packet meets one flow of a table at most, so that the sum over the tables bounds what it may cause, whatever the flows
match. Copies cost everybody on a node, those that the meter drops too; Open vSwitch gives a packet up, besides, that
causes thousands.

A change costs what it is about: of each table there is how many of its flows make how many copies.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Final

from segue.inject.errors import Refusal
from segue.model.program import Clone, Rule, ToGroup

MAX_COPIES: Final = 64
"""Of one packet, in all of a service's tables together."""

Change = tuple[int, int, int]
"""Of a flow: its table, how many copies it has made, and will."""


def of_rule(rule: Rule | None, groups: Mapping[int, int]) -> int:
    """How many copies the rule makes. ``groups``: how many packets leave each, by the switches' number."""
    made = 0
    for action in rule.actions if rule is not None else ():
        if not isinstance(action, Clone):
            continue
        group = next((one.group for one in action.actions if isinstance(one, ToGroup)), None)
        if group is None:
            made += 1
        else:  # what is not measured as it leaves for the group is not a copy, but the packet
            made += max(0, groups.get(group, 0) - action.apart)
    return made


class Copies:
    def __init__(self) -> None:
        self._flows: dict[int, dict[int, int]] = {}
        """By table: how many flows make so many copies, of those that make any."""
        self.most: dict[int, int] = {}
        """By table: the copies of the flow that makes the most, where there are any."""

    @property
    def total(self) -> int:
        return sum(self.most.values())

    def change(self, table: int, before: int, after: int) -> None:
        if before == after:
            return
        flows = self._flows.setdefault(table, {})
        if after:
            flows[after] = flows.get(after, 0) + 1
        if before:
            flows[before] -= 1
            if not flows[before]:
                del flows[before]
        if not flows:
            del self._flows[table]
            self.most.pop(table, None)
        elif after > self.most.get(table, 0):
            self.most[table] = after
        elif before == self.most[table] and before not in flows:
            self.most[table] = max(flows)  # so many different numbers as there may be copies, and not more

    def check(self, changes: Iterable[Change]) -> None:
        """Refusal if after these there would be too many."""
        some = [change for change in changes if change[1] != change[2]]
        if not some:
            return
        for table, before, after in some:
            self.change(table, before, after)
        total, most = self.total, dict(self.most)
        for table, before, after in some:
            self.change(table, after, before)
        # What only grows less is fine, however much there is.
        if total > MAX_COPIES and total > self.total:
            tables = ", ".join(f"{copies} in table {table}" for table, copies in sorted(most.items()))
            text = f"one packet would be copied {total} times ({tables}); {MAX_COPIES} is the most, all tables together"
            raise Refusal("OFPBAC_TOO_MANY", f"{text}; send to fewer ports")
