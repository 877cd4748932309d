"""What is yet to be told to a switch, and what of it goes together. Pure.

Two kinds of portions take turns, while there is something for both. One is the network's own changes, however much they
are, with those of services that are small: the oldest of these in any case, others while there is room. The other is a
service of which much has changed, the oldest by itself. So the network's changes, which wait when it is the turn of a
large one, wait for that one alone, each service's go to the switch whole, and every service's turn comes.

Where the switch refuses something, what is left to be told of it (the place of a refused rule is to be cleared) counts
as part of the portion that was refused: until it is told, the switch does not hold what that portion was to bring. If
it is small, a large one that would be next gives its turn up for it, once.

A service that hooks hand packets to from now on goes with the network's own changes, however much it is: without its
rules the packets would pass as if it were not there.
"""

from __future__ import annotations

from collections.abc import Container, Mapping

import msgspec

from segue.compile.rules.graph import Changes
from segue.model.of_services import of_service
from segue.model.program import Group, Meter, Rule, SetField
from segue.model.stages import SERVICE

LARGE = 500
"""So many changes of one service go by themselves: some hundredths of a second."""
MOST = 2 * LARGE
"""Beyond so many changes those of small ones wait that are not the oldest."""
NETWORK = ""
"""Stands for the network among the owners."""
GROUP, METER = "group", "meter"


class Portion(msgspec.Struct, eq=False):
    """What goes to the switch at once. ``owners``: whose it is; ``since``: the last revision without any of it.
    ``clear``: by cookie, rules that were refused, as in ``Plan``."""

    owners: set[str]
    since: int
    heard: int
    changes: Changes = msgspec.field(default_factory=lambda: Changes({}, {}, {}, {}))
    clear: dict[int, Rule] = {}

    @property
    def size(self) -> int:
        of = self.changes
        return len(of.added) + len(of.removed) + len(of.groups) + len(of.meters) + len(self.clear)

    def add(self, rule: Rule, key: int) -> None:
        # The switch does not have what it has refused, though it was told.
        if self.changes.removed.pop(key, None) is None or key in self.clear:
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
        self.clear.update(other.clear)


class Portions:
    """Feed it changes of the program; ``take`` says what the switch is told next."""

    def __init__(self) -> None:
        self._of: dict[str, Portion] = {}
        """By owner, in the order in which they came; owners of one number have one together."""
        self._owners: dict[tuple[str, int], str] = {}
        """Whose a group or meter is that the program has."""
        self._since = -1, 0
        self._out: dict[str, tuple[int, int]] = {}
        """By owner, of what was taken last: the last revision without any of it, and the same as what was heard."""
        self._large = False
        """It is the turn of a large one."""
        self._gave_up = False
        """It was, and the turn was given up."""

    def __bool__(self) -> bool:
        return bool(self._of)

    def add(self, changes: Changes, now: tuple[int, int], services: Mapping[int, str]) -> None:
        """``now``: the revision up to which all is known, and the same as what was heard. ``services``: owners by the
        service's key."""
        before, self._since = self._since, now
        for key, rule in changes.removed.items():
            self._portion(told_with(rule), before).remove(rule, key)
        for key, rule in changes.added.items():
            self._portion(told_with(rule), before).add(rule, key)
        for number, group in changes.groups.items():
            self._numbered(GROUP, number, group, before).changes.groups[number] = group
        for number, meter in changes.meters.items():
            self._numbered(METER, number, meter, before).changes.meters[number] = meter
        for key in _newly_handed(changes):
            self._join(NETWORK, services.get(key, NETWORK))

    def refused(
        self, changes: Changes, now: tuple[int, int], services: Mapping[int, str], clear: Mapping[int, Rule]
    ) -> None:
        """Of what was taken last the switch has refused something. ``changes``: what goes with it, and what has come
        meanwhile. ``clear``: see ``Portion``."""
        before = self._since
        self.add(changes, now, services)
        for key, rule in clear.items():
            self._portion(told_with(rule), before).clear[key] = rule
        for owner, (since, heard) in self._out.items():
            if owner != NETWORK and (portion := self._of.get(owner)) is not None:
                portion.since, portion.heard = min(portion.since, since), min(portion.heard, heard)
        if self._large and not self._gave_up:
            self._large, self._gave_up = False, True

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
        self._out = {}
        networks = self._of.get(NETWORK)
        services = [one for one in dict.fromkeys(self._of.values()) if one is not networks]
        large = [one for one in services if one.size >= LARGE]
        small = [one for one in services if one.size < LARGE]
        if large and (self._large or not (small or networks)):
            self._large = self._gave_up = False
            return self._taken(large[0])
        self._large = bool(large)
        together = None if networks is None else self._taken(networks)
        for one in small:
            if together is None:
                together = self._taken(one)
            elif one is small[0] or together.size + one.size <= MOST:
                together.join(self._taken(one))
        return together

    @property
    def network(self) -> bool:
        """Whether there is anything of the network's own."""
        return NETWORK in self._of

    @property
    def behind(self) -> dict[str, int]:
        """By service: the revision up to which the switch has been told, where it has not been told all."""
        return {owner: portion.since for owner, portion in self._of.items() if owner != NETWORK}

    @property
    def untried(self) -> dict[str, int]:
        """By owner: up to what that was heard the switch has been told all, where it has not been told all."""
        return {owner: portion.heard for owner, portion in self._of.items()}

    @property
    def out(self) -> dict[str, int]:
        """The same of what was taken last."""
        return {owner: heard for owner, (_, heard) in self._out.items()}

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
            if self._of.pop(owner, None) is not None:
                self._out[owner] = portion.since, portion.heard
        return portion


def told_with(rule: Rule) -> str:
    """With whose changes the rule goes to the switch."""
    return rule.owner if of_service(rule) else NETWORK


def _numbers(changes: Changes, kind: str) -> Container[int]:
    return changes.groups if kind == GROUP else changes.meters


def _newly_handed(changes: Changes) -> set[int]:
    """The services that rules of the network hand packets to which none did before."""
    before = {rule.identity: _handed(rule) for rule in changes.removed.values() if not of_service(rule)}
    found: set[int] = set()
    for rule in changes.added.values():
        if not of_service(rule):
            found |= _handed(rule) - before.get(rule.identity, set())
    return found


def _handed(rule: Rule) -> set[int]:
    return {value for field, value in rule.match if field == SERVICE and isinstance(value, int)} | {
        action.value for action in rule.actions if isinstance(action, SetField) and action.field == SERVICE
    }
