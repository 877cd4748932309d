"""How many tables Open vSwitch may look up for one packet that meets a service: a bound, from the rules that it has.

The switch gives a packet up after 4,096 lookups, with all its copies. Where one packet goes to ports of many, these
share that number, and services at one must not use up what the others need (``networks``).

A packet meets one rule of a table at most, so that what counts of a table is the rule that makes the most. Of each rule
there is only its shape, and what is said changes only where a shape comes or goes: of thousands of rules that come and
go, most are of a shape that is there.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import msgspec

from segue.compile.rules.tally import Tally
from segue.model.limits import MAX_COPIES_OF_PACKET
from segue.model.of_services import TABLES, service_of
from segue.model.program import AnyAction, Clone, Next, Rule, ToGroup

GATE = 1
"""Once; packets of a service that has something looked at come there twice (``services``)."""
WITHOUT_RULES = GATE + 1
"""The gate, and the service's first table."""
SENT = 2
"""Of a packet that a rule sends: stages ``redirect`` and ``deliver``."""
BY_GROUP = 3
"""The same, where a group sends it: ``group_copy`` comes before the others."""


class Shape(msgspec.Struct, frozen=True, gc=False):
    """Of a rule: its table, the one where packets go on (empty: none), how many packets it sends, and how many groups
    it names."""

    table: str
    onward: str
    sent: int
    groups: int

    @property
    def cost(self) -> int:
        return SENT * self.sent + BY_GROUP * self.groups


class Lookups:
    """Feed it the rules that come and go; ``settle`` says of which services the bound is another."""

    def __init__(self) -> None:
        self._shapes: Tally[Shape] = Tally()
        """How many rules there are of each."""

    def change(self, rule: Rule, by: int) -> None:
        """``by``: 1 for a rule that comes, -1 for one that goes."""
        service = service_of(rule)
        if service is not None:
            self._shapes.count(service, _shape(rule), by)

    def settle(self) -> dict[int, int | None]:
        """By service, of those where it may be another than when this was last asked; None: it has no rules."""
        return {key: _bound(shapes) if shapes else None for key, shapes in self._shapes.settle().items()}


def _shape(rule: Rule) -> Shape:
    onward = ""
    sent = 0
    groups = 0
    for action in _flat(rule.actions):
        if isinstance(action, ToGroup):
            groups += 1
        elif isinstance(action, Next):
            if action.stage in TABLES:
                onward = action.stage
            else:
                sent += 1
    return Shape(rule.stage, onward, sent, groups)


def _flat(actions: Iterable[AnyAction]) -> Iterator[AnyAction]:
    for action in actions:
        if isinstance(action, Clone):
            yield from _flat(action.actions)
        else:
            yield action


def _bound(shapes: Iterable[Shape]) -> int:
    tables = {"service_0"}
    sending: dict[str, int] = {}
    grouped = False
    for shape in shapes:
        tables.add(shape.table)
        if shape.onward:
            tables.add(shape.onward)
        sending[shape.table] = max(sending.get(shape.table, 0), shape.cost)
        grouped = grouped or bool(shape.groups)
    return GATE + len(tables) + sum(sending.values()) + (MAX_COPIES_OF_PACKET * BY_GROUP if grouped else 0)
