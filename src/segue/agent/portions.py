"""What is yet to be told to a switch, and what of it goes together. Pure.

The network's own changes go first, with those of services that are small. A service of which much has changed goes by
itself, behind them, and the network's and others' small changes come before the next such one: so whoever changes
something waits for one service's large change at the most, and each service's goes to the switch whole.

A service that hooks hand packets to from now on goes with the network's own changes, however much it is: without its
rules the packets would pass as if it were not there.
"""

from __future__ import annotations

from collections.abc import Container, Iterable, Mapping

import msgspec

from segue.compile.rules.graph import Changes
from segue.model.program import Group, Meter, Rule, SetField
from segue.model.stages import BY_NAME, SERVICE

LARGE = 500
"""So many changes of one service go by themselves: some hundredths of a second."""
MOST = 2 * LARGE
"""Beyond so many changes others' wait for their turn."""
NETWORK = ""
"""Stands for the network among the owners."""
GROUP, METER = "group", "meter"


class Portion(msgspec.Struct, eq=False):
    """What goes to the switch at once. ``owners``: whose it is; ``since``: the last revision without any of it.
    ``clear``: rules that were refused, as in ``Plan``."""

    owners: set[str]
    since: int
    heard: int
    changes: Changes = msgspec.field(default_factory=lambda: Changes({}, {}, {}, {}))
    clear: list[Rule] = []

    @property
    def size(self) -> int:
        of = self.changes
        return len(of.added) + len(of.removed) + len(of.groups) + len(of.meters) + len(self.clear)

    def add(self, rule: Rule, key: int) -> None:
        if self.changes.removed.pop(key, None) is None:
            self.changes.added[key] = rule

    def remove(self, rule: Rule, key: int) -> None:
        if self.changes.added.pop(key, None) is None:
            self.changes.removed[key] = rule

    def join(self, other: Portion) -> None:
        """Of other owners."""
        self.owners |= other.owners
        self.since, self.heard = min(self.since, other.since), min(self.heard, other.heard)
        self.changes.added.update(other.changes.added)
        self.changes.removed.update(other.changes.removed)
        self.changes.groups.update(other.changes.groups)
        self.changes.meters.update(other.changes.meters)
        self.clear += other.clear


class Portions:
    """Feed it changes of the program; ``take`` says what the switch is told next."""

    def __init__(self) -> None:
        self._of: dict[str, Portion] = {}
        """By owner, in the order in which they came; owners of one number have one together."""
        self._owners: dict[tuple[str, int], str] = {}
        """Whose a group or meter is that the program has."""
        self._since = -1, 0
        self._large = False
        """It is the turn of a large one."""

    def __bool__(self) -> bool:
        return bool(self._of)

    def add(
        self, changes: Changes, now: tuple[int, int], services: Mapping[int, str], clear: Iterable[Rule] = ()
    ) -> None:
        """``now``: the revision up to which all is known, and the same as what was heard. ``services``: owners by the
        service's key. ``clear``: see ``Portion``."""
        before, self._since = self._since, now
        for key, rule in changes.removed.items():
            self._portion(_owner(rule), before).remove(rule, key)
        for key, rule in changes.added.items():
            self._portion(_owner(rule), before).add(rule, key)
        for rule in clear:
            self._portion(_owner(rule), before).clear.append(rule)
        for number, group in changes.groups.items():
            self._numbered(GROUP, number, group, before).changes.groups[number] = group
        for number, meter in changes.meters.items():
            self._numbered(METER, number, meter, before).changes.meters[number] = meter
        for key in _newly_handed(changes):
            self._join(NETWORK, services.get(key, NETWORK))

    def forget(self, changes: Changes, now: tuple[int, int]) -> None:
        """The switch is to be compared with the program, of which this is the last change: nothing else is to be
        told."""
        self._since = now
        self._of.clear()
        for number, group in changes.groups.items():
            self._own(GROUP, number, group)
        for number, meter in changes.meters.items():
            self._own(METER, number, meter)

    def anew(self) -> None:
        """Revisions count anew: what waits is of none of them."""
        self._since = -1, self._since[1]
        for portion in self._of.values():
            portion.since = -1

    def take(self) -> Portion | None:
        """What the switch is told next; None if there is nothing."""
        portions = list(dict.fromkeys(self._of.values()))
        large = [one for one in portions if one.size >= LARGE and NETWORK not in one.owners]
        if large and (self._large or len(large) == len(portions)):
            self._large = False
            return self._taken(large[0])
        self._large = bool(large)
        together: Portion | None = self._of.get(NETWORK)
        for one in portions:
            if one is together or one.size >= LARGE:
                continue
            if together is None:
                together = one
            elif together.size + one.size <= MOST:
                self._taken(one)
                together.join(one)
        return None if together is None else self._taken(together)

    @property
    def network(self) -> bool:
        """Whether there is anything of the network's own."""
        return NETWORK in self._of

    @property
    def behind(self) -> dict[str, int]:
        """By service: the revision up to which the switch has been told, where it has not been told all."""
        return {owner: portion.since for owner, portion in self._of.items() if owner != NETWORK}

    def tried(self, heard: int) -> int:
        """Up to what the switch has been told all, if no more than ``heard`` is known."""
        return min((heard, *(portion.heard for portion in self._of.values())))

    # -- underneath ------------------------------------------------------------------------------------------------

    def _portion(self, owner: str, since: tuple[int, int]) -> Portion:
        portion = self._of.get(owner)
        if portion is None:
            portion = self._of[owner] = Portion({owner}, *since)
        return portion

    def _own(self, kind: str, number: int, value: Group | Meter | None) -> str | None:
        """Keeps in mind whose it is now, and says whose it was."""
        was = self._owners.pop((kind, number), None)
        if value is not None:
            self._owners[kind, number] = value.owner
        return was

    def _numbered(self, kind: str, number: int, value: Group | Meter | None, since: tuple[int, int]) -> Portion:
        """Whatever is to be told of one number goes together, whosever it was and is: the switch has one of each."""
        was = self._own(kind, number, value)
        owner = was or NETWORK if value is None else value.owner
        portion = self._portion(owner, since)
        for other, one in list(self._of.items()):
            if one is not portion and (other == was or number in _numbers(one.changes, kind)):
                self._join(owner, other)
        return portion

    def _join(self, one: str, other: str) -> None:
        kept, gone = self._of.get(one), self._of.get(other)
        if kept is None or gone is None or kept is gone:
            return
        kept.join(gone)
        for owner in gone.owners:
            self._of[owner] = kept

    def _taken(self, portion: Portion) -> Portion:
        for owner in portion.owners:
            self._of.pop(owner, None)
        return portion


def _owner(rule: Rule) -> str:
    return rule.owner if BY_NAME[rule.stage].injected else NETWORK


def _numbers(changes: Changes, kind: str) -> Container[int]:
    return changes.groups if kind == GROUP else changes.meters


def _newly_handed(changes: Changes) -> set[int]:
    """The services that rules of the network hand packets to which none did before."""
    before = {rule.identity: _handed(rule) for rule in changes.removed.values() if not BY_NAME[rule.stage].injected}
    found: set[int] = set()
    for rule in changes.added.values():
        if not BY_NAME[rule.stage].injected:
            found |= _handed(rule) - before.get(rule.identity, set())
    return found


def _handed(rule: Rule) -> set[int]:
    return {value for field, value in rule.match if field == SERVICE and isinstance(value, int)} | {
        action.value for action in rule.actions if isinstance(action, SetField) and action.field == SERVICE
    }
