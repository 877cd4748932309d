"""How many copies one packet may cause in a service's tables: of each table's flows the one that makes the most counts.

A packet meets one flow of a table at most, so that the sum over the tables bounds what it may cause, whatever the flows
match. Copies cost everybody on a node, those that the meter drops too; Open vSwitch gives a packet up, besides, that
causes thousands.

A change costs what it is about: of each table there is how many of its flows make how many copies. Flows of a table
that name the same groups equally often, and copy as much besides, are of one kind; a group's change is an addition for
each kind that names it.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Final, NamedTuple

from segue.inject.errors import Refusal
from segue.model.limits import MAX_COPIES_OF_PACKET
from segue.model.program import Clone, Rule, ToGroup

Change = tuple[int, int, int, int]
"""Of some flows of a table: the table, how many copies each has made, and will, and how many flows they are."""


class Makes(NamedTuple):
    """What a rule makes of a packet, whatever its groups send: ``plain`` copies of its own, and those of groups, by the
    switches' numbers in order, each as often as it is named. Of what leaves one that stands ``apart`` the first is not
    measured: that is not a copy, but the packet."""

    plain: int = 0
    groups: tuple[int, ...] = ()
    apart: tuple[int, ...] = ()


NOTHING: Final = Makes()


def of_rule(rule: Rule | None) -> Makes:
    plain = 0
    groups: list[int] = []
    apart: list[int] = []
    for action in rule.actions if rule is not None else ():
        if not isinstance(action, Clone):
            continue
        for one in action.actions:
            if isinstance(one, ToGroup):
                (apart if action.apart else groups).append(one.group)
                break
        else:
            plain += 1
    return Makes(plain, tuple(sorted(groups)), tuple(sorted(apart))) if plain or groups or apart else NOTHING


def count(makes: Makes, leaving: Mapping[int, int]) -> int:
    """How many copies that is. ``leaving``: how many packets leave each group for one that comes."""
    made = makes.plain
    for group in makes.groups:
        made += leaving.get(group, 0)
    for group in makes.apart:
        made += max(0, leaving.get(group, 0) - 1)
    return made


class _Kind:
    """So many ``flows`` of a table that make the same by groups, and how many ``copies`` each of them makes now."""

    __slots__ = ("copies", "flows", "makes", "table")

    def __init__(self, table: int, makes: Makes, copies: int) -> None:
        self.table = table
        self.makes = makes
        self.copies = copies
        self.flows = 0

    def then(self, group: int, before: int, after: int) -> int:
        """How many copies each would make, were what leaves a group another number."""
        copies = self.copies + self.makes.groups.count(group) * (after - before)
        if self.makes.apart:
            copies += self.makes.apart.count(group) * (max(0, after - 1) - max(0, before - 1))
        return copies


class Copies:
    def __init__(self) -> None:
        self.leaving: dict[int, int] = {}
        """By the switches' number of a group: how many packets leave it for one that comes, where any do."""
        self.most: dict[int, int] = {}
        """By table: the copies of the flow that makes the most, where there are any."""
        self._flows: dict[int, dict[int, int]] = {}
        """By table: how many flows make so many copies, of those that make any."""
        self._kinds: dict[tuple[int, Makes], _Kind] = {}
        self._naming: dict[int, set[_Kind]] = {}
        """By the switches' number of a group."""

    @property
    def total(self) -> int:
        return sum(self.most.values())

    def naming(self, group: int) -> int:
        """How many kinds of flows name the group: what its change costs."""
        return len(self._naming.get(group, ()))

    def change(self, table: int, before: Makes, after: Makes) -> None:
        """A flow of the table makes something else."""
        was = count(before, self.leaving) if before is not NOTHING else 0
        made = count(after, self.leaving) if after is not NOTHING else 0
        if before.groups or before.apart:
            self._forget(table, before)
        if after.groups or after.apart:
            self._remember(table, after, made)
        if was == made:
            return
        self._move(table, was, made, 1)
        most = self.most.get(table, 0)
        if made > most:
            self.most[table] = made
        elif was == most and was not in self._flows[table]:
            self._settle(table)

    def leave(self, group: int, leaving: int) -> None:
        """So many packets leave the group from now on."""
        before = self.leaving.get(group, 0)
        if leaving:
            self.leaving[group] = leaving
        else:
            self.leaving.pop(group, None)
        tables = set()
        for kind in self._naming.get(group, ()):
            made = kind.then(group, before, leaving)
            if made != kind.copies:
                self._move(kind.table, kind.copies, made, kind.flows)
                kind.copies = made
                tables.add(kind.table)
        for table in tables:
            self._settle(table)

    def check_leaving(self, group: int, leaving: int) -> None:
        """Refusal if there would be too many copies, were it so many."""
        before = self.leaving.get(group, 0)
        self.check(
            (kind.table, kind.copies, kind.then(group, before, leaving), kind.flows)
            for kind in self._naming.get(group, ())
        )

    def check(self, changes: Iterable[Change]) -> None:
        """Refusal if after these there would be too many."""
        then: dict[int, dict[int, int]] = {}
        for table, before, after, flows in changes:
            if before == after:
                continue
            there = then.get(table)
            if there is None:
                there = then[table] = dict(self._flows.get(table, {}))
            there[after] = there.get(after, 0) + flows
            there[before] = there.get(before, 0) - flows
        if not then:
            return
        most = self.most | {
            table: max((copies for copies, flows in there.items() if flows > 0), default=0)
            for table, there in then.items()
        }
        total = sum(most.values())
        # What only grows less is fine, however much there is.
        if total > MAX_COPIES_OF_PACKET and total > self.total:
            tables = ", ".join(f"{copies} in table {table}" for table, copies in sorted(most.items()) if copies)
            most_text = f"{MAX_COPIES_OF_PACKET} is the most, all tables together; send to fewer ports"
            raise Refusal("OFPBAC_TOO_MANY", f"one packet would be copied {total} times ({tables}); {most_text}")

    # -- underneath ------------------------------------------------------------------------------------------------

    def _move(self, table: int, before: int, after: int, number: int) -> None:
        """Some flows make ``after`` copies and not ``before``; `most` is to be settled."""
        flows = self._flows.setdefault(table, {})
        if after:
            flows[after] = flows.get(after, 0) + number
        if before:
            flows[before] -= number
            if not flows[before]:
                del flows[before]

    def _settle(self, table: int) -> None:
        flows = self._flows[table]
        if flows:
            self.most[table] = max(flows)  # so many different numbers as there may be copies, and not more
        else:
            del self._flows[table]
            self.most.pop(table, None)

    def _remember(self, table: int, makes: Makes, copies: int) -> None:
        kind = self._kinds.get((table, makes))
        if kind is None:
            kind = self._kinds[table, makes] = _Kind(table, makes, copies)
            for group in {*makes.groups, *makes.apart}:
                self._naming.setdefault(group, set()).add(kind)
        kind.flows += 1

    def _forget(self, table: int, makes: Makes) -> None:
        kind = self._kinds[table, makes]
        kind.flows -= 1
        if kind.flows:
            return
        del self._kinds[table, makes]
        for group in {*makes.groups, *makes.apart}:
            naming = self._naming[group]
            naming.remove(kind)
            if not naming:
                del self._naming[group]
