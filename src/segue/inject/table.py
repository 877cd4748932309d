"""The flow tables of one virtual switch: flows by number, by table, priority and match, and by what they name.

Matches are sorted into shelves by the names of their fields, with masks and without, and there by priority. So an add
looks at one dictionary; a removal of an exact match, of one cookie or of everything does not look at others; and only
what may cover, or overlaps with the same priority, is compared, field by field. Nothing here knows whether a flow is
permitted.

A mask is which bits a match looks at. Open vSwitch looks a packet up once for each mask that its table has, whosever
flows those are, so they are counted.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Final

import msgspec

from segue.inject.flow import Flow
from segue.openflow import (
    ALL,
    ALL_TABLES,
    ANY_GROUP,
    ANY_PORT,
    FLOOD,
    Action,
    ApplyActions,
    Enqueue,
    Group,
    Instruction,
    Meter,
    MeterAction,
    Output,
    WriteActions,
)
from segue.openflow.fields import FIELDS
from segue.openflow.match import MatchLike, Read, Value

Names = tuple[str, ...]
Values = tuple[Read, ...]

_ORDERS: Final[dict[Names, tuple[Names, tuple[int, ...] | None]]] = {}
_REMEMBERED: Final = 4096
_NOTHING: Final[frozenset[int]] = frozenset()
_NONE: Final[dict[Values, int]] = {}
_FLOODS: Final = (FLOOD, ALL)
_WHOLE: Final = (1 << 64) - 1
EVERY: Final = 0
"""Among the ports that a flow names: all that there are, as in a flood. No port has this number."""


class Place(msgspec.Struct, frozen=True, gc=False):
    """A match in the form in which equal ones are equal: names sorted, full masks and empty ones gone."""

    names: Names
    values: Values
    masked: bool

    @property
    def mask(self) -> tuple[Names, tuple[int | None, ...]]:
        """Which bits of which fields; None for all of a field's."""
        if not self.masked:
            return self.names, ()
        return self.names, tuple([value[1] if isinstance(value, tuple) else None for value in self.values])


class Selection(msgspec.Struct, frozen=True):
    """Which flows are meant (OpenFlow 1.5.1 section 6.4): those whose match is at least as narrow as ``match``, in one
    table or all, that lead to a port or group unless ANY, and whose cookie agrees where ``cookie_mask`` has bits."""

    match: MatchLike = {}
    table: int = ALL_TABLES
    out_port: int = ANY_PORT
    out_group: int = ANY_GROUP
    cookie: int = 0
    cookie_mask: int = 0

    def admits(self, flow: Flow) -> bool:
        """All that does not concern match and table."""
        if self.cookie_mask and (flow.cookie ^ self.cookie) & self.cookie_mask:
            return False
        if self.out_port == ANY_PORT and self.out_group == ANY_GROUP:
            return True
        actions = actions_of(flow.instructions)
        if self.out_port != ANY_PORT and self.out_port not in ports_of(actions):
            return False
        groups = {action.group_id for action in actions if isinstance(action, Group)}
        return self.out_group == ANY_GROUP or self.out_group in groups


class _Shelf:
    """The flows of one table whose matches name the same fields. Without ``masked`` all values are whole, and two
    different matches never overlap."""

    __slots__ = ("flows", "masked", "names")

    def __init__(self, names: Names, masked: bool) -> None:
        self.names = frozenset(names)
        self.masked = masked
        self.flows: dict[int, dict[Values, int]] = {}
        """By priority; none is empty."""


class Flows:
    """All tables of one virtual switch."""

    def __init__(self) -> None:
        self.by_number: dict[int, Flow] = {}
        self.counts: dict[int, int] = {}
        """How many flows each table has; tables without are not there."""
        self.compared = 0
        """Flows that were compared with a match, ever: what selecting has cost."""
        self._shelves: dict[int, dict[tuple[Names, bool], _Shelf]] = {}
        self._masks: dict[tuple[int, Names, tuple[int | None, ...]], int] = {}
        """How many flows there are by table and mask; none is 0."""
        self._ports: dict[int, set[int]] = {}
        self._groups: dict[int, set[int]] = {}
        self._meters: dict[int, set[int]] = {}
        self._cookies: dict[int, int | set[int]] = {}
        """The flow of a cookie, or the flows."""

    def __len__(self) -> int:
        return len(self.by_number)

    def __iter__(self) -> Iterator[Flow]:
        return iter(self.by_number.values())

    @property
    def masks(self) -> int:
        """How many there are, over all tables."""
        return len(self._masks)

    def has_mask(self, table: int, at: Place) -> bool:
        """Whether some flow of the table has the mask of this match."""
        return (table, *at.mask) in self._masks

    def find(self, table: int, priority: int, at: Place) -> Flow | None:
        """The flow of exactly this match and priority."""
        shelf = self._shelves.get(table, {}).get((at.names, at.masked))
        number = None if shelf is None else shelf.flows.get(priority, _NONE).get(at.values)
        return None if number is None else self.by_number[number]

    def put(self, flow: Flow, at: Place) -> None:
        """Adds a flow, or changes the one of its number, whose table, priority and match are the same."""
        number = flow.number
        old = self.by_number.get(number)
        self.by_number[number] = flow
        if old is not None:
            if old.cookie != flow.cookie:
                self._uncookie(old)
                self._cookie(flow)
            if old.instructions is not flow.instructions:
                self._forget(old)
                self._remember(flow)
            return
        shelves = self._shelves.setdefault(flow.table, {})
        shelf = shelves.get((at.names, at.masked))
        if shelf is None:
            shelf = shelves[at.names, at.masked] = _Shelf(at.names, at.masked)
        shelf.flows.setdefault(flow.priority, {})[at.values] = number
        self.counts[flow.table] = self.counts.get(flow.table, 0) + 1
        mask = (flow.table, *at.mask)
        self._masks[mask] = self._masks.get(mask, 0) + 1
        self._cookie(flow)
        self._remember(flow)

    def remove(self, number: int) -> Flow:
        """Takes a flow out. KeyError if there is none of this number."""
        flow = self.by_number.pop(number)
        at = place(flow.match)
        shelves = self._shelves[flow.table]
        shelf = shelves[at.names, at.masked]
        del shelf.flows[flow.priority][at.values]
        if not shelf.flows[flow.priority]:
            del shelf.flows[flow.priority]
        if not shelf.flows:
            del shelves[at.names, at.masked]
        self.counts[flow.table] -= 1
        if not self.counts[flow.table]:
            del self.counts[flow.table]
        mask = (flow.table, *at.mask)
        self._masks[mask] -= 1
        if not self._masks[mask]:
            del self._masks[mask]
        self._uncookie(flow)
        self._forget(flow)
        return flow

    def overlaps(self, table: int, priority: int, match: MatchLike, at: Place) -> bool:
        """Whether a packet could meet both this match and a flow's of the same priority."""
        for shelf in self._shelves.get(table, {}).values():
            same = shelf.flows.get(priority)
            if same is None:
                continue
            if not at.masked and not shelf.masked and shelf.names == frozenset(at.names):
                if at.values in same:
                    return True
                continue
            self.compared += len(same)
            for number in same.values():
                if _overlap(match, self.by_number[number].match):
                    return True
        return False

    def select(self, selection: Selection) -> list[Flow]:
        """The flows that are meant, in the order of their numbers."""
        whole = selection.table == ALL_TABLES
        if selection.cookie_mask == _WHOLE:
            found: Iterable[Flow] = self._of_cookie(selection)
        elif not selection.match and whole:
            found = self.by_number.values()
        else:
            tables = sorted(self._shelves) if whole else (selection.table,)
            at = place(selection.match)
            found = [flow for table in tables for flow in self._covered(table, selection.match, at)]
        if selection.cookie_mask or selection.out_port != ANY_PORT or selection.out_group != ANY_GROUP:
            found = [flow for flow in found if selection.admits(flow)]
        return sorted(found, key=_number)

    def naming_ports(self, ports: Iterable[int]) -> set[int]:
        """The numbers of the flows that lead to or match one of these ports, or all ports."""
        return set().union(*(self._ports.get(port, _NOTHING) for port in (EVERY, *ports)))

    def using_group(self, group: int) -> frozenset[int]:
        """The numbers of the flows that lead to the group."""
        return frozenset(self._groups.get(group, _NOTHING))

    def using_meter(self, meter: int) -> frozenset[int]:
        """The numbers of the flows that go through the meter."""
        return frozenset(self._meters.get(meter, _NOTHING))

    # -- underneath ------------------------------------------------------------------------------------------------

    def _of_cookie(self, selection: Selection) -> list[Flow]:
        numbers = self._cookies.get(selection.cookie, _NOTHING)
        flows = [self.by_number[number] for number in ((numbers,) if isinstance(numbers, int) else numbers)]
        self.compared += len(flows)
        match, table = selection.match, selection.table
        return [flow for flow in flows if table in (ALL_TABLES, flow.table) and covers(match, flow.match)]

    def _cookie(self, flow: Flow) -> None:
        numbers = self._cookies.setdefault(flow.cookie, flow.number)
        if isinstance(numbers, set):
            numbers.add(flow.number)
        elif numbers != flow.number:
            self._cookies[flow.cookie] = {numbers, flow.number}

    def _uncookie(self, flow: Flow) -> None:
        numbers = self._cookies[flow.cookie]
        if isinstance(numbers, set):
            numbers.remove(flow.number)
        if isinstance(numbers, int) or not numbers:
            del self._cookies[flow.cookie]

    def _covered(self, table: int, match: MatchLike, at: Place) -> Iterator[Flow]:
        wanted = frozenset(at.names)
        for shelf in self._shelves.get(table, {}).values():
            if not wanted <= shelf.names:
                continue
            if not at.masked and wanted == shelf.names:
                for same in shelf.flows.values():
                    number = same.get(at.values)
                    if number is not None:
                        yield self.by_number[number]
                continue
            for same in shelf.flows.values():
                self.compared += len(same)
                for number in same.values():
                    flow = self.by_number[number]
                    if covers(match, flow.match):
                        yield flow

    def _remember(self, flow: Flow) -> None:
        number = flow.number
        for index, key in self._named(flow):
            numbers = index.get(key)
            if numbers is None:
                index[key] = {number}
            else:
                numbers.add(number)

    def _forget(self, flow: Flow) -> None:
        for index, key in self._named(flow):
            numbers = index.get(key, _NOTHING)
            if flow.number in numbers:
                index[key].remove(flow.number)
                if not index[key]:
                    del index[key]

    def _named(self, flow: Flow) -> list[tuple[dict[int, set[int]], int]]:
        """What a flow leads to or matches, as indices and keys; some perhaps twice."""
        found = []
        came = flow.match.get("in_port")
        if came is not None:
            found.append((self._ports, came if isinstance(came, int) else EVERY))
        for instruction in flow.instructions:
            if isinstance(instruction, (ApplyActions, WriteActions)):
                for action in instruction.actions:
                    if isinstance(action, (Output, Enqueue)):
                        found.append((self._ports, EVERY if action.port in _FLOODS else action.port))
                    elif isinstance(action, Group):
                        found.append((self._groups, action.group_id))
                    elif isinstance(action, MeterAction):
                        found.append((self._meters, action.meter_id))
            elif isinstance(instruction, Meter):
                found.append((self._meters, instruction.meter_id))
        return found


def place(match: MatchLike) -> Place:
    """Where a match stands that is in its normal form (`flow_mods.own_match`)."""
    values: Values = tuple(match.values())  # type: ignore[arg-type]
    names = tuple(match)
    known = _ORDERS.get(names)
    if known is None:
        ordered = tuple(sorted(names))
        known = ordered, None if ordered == names else tuple(names.index(name) for name in ordered)
        if len(_ORDERS) >= _REMEMBERED:
            _ORDERS.clear()
        _ORDERS[names] = known
    names, order = known
    if order is not None:
        values = tuple([values[at] for at in order])
    return Place(names, values, tuple in map(type, values))


def covers(wide: MatchLike, narrow: MatchLike) -> bool:
    """Whether every packet that meets ``narrow`` meets ``wide``, field by field (OpenFlow 1.5.1 section 6.4)."""
    for name, wanted in wide.items():
        given = narrow.get(name)
        if given == wanted:
            continue
        if given is None:
            if isinstance(wanted, tuple) and not wanted[1]:
                continue
            return False
        value, mask = _bits(name, wanted)
        its, own = _bits(name, given)
        if mask & ~own or (value ^ its) & mask:
            return False
    return True


def _overlap(one: MatchLike, other: MatchLike) -> bool:
    for name, given in one.items():
        another = other.get(name)
        if another is None or another == given:
            continue
        value, mask = _bits(name, given)
        its, own = _bits(name, another)
        if (value ^ its) & mask & own:
            return False
    return True


def _bits(name: str, given: Value) -> tuple[int, int]:
    """Value and mask; kept matches have no text."""
    assert not isinstance(given, str)
    return given if isinstance(given, tuple) else (given, FIELDS[name].limit)


def actions_of(instructions: Iterable[Instruction]) -> list[Action]:
    """All actions of a flow, those at once and those at the end."""
    found: list[Action] = []
    for instruction in instructions:
        if isinstance(instruction, (ApplyActions, WriteActions)):
            found += instruction.actions
    return found


def ports_of(actions: Iterable[Action]) -> set[int]:
    """The ports that actions send to, reserved ones as they are."""
    return {action.port for action in actions if isinstance(action, (Output, Enqueue))}


def _number(flow: Flow) -> int:
    return flow.number
