"""What one virtual switch holds, and the only ways in which it changes: each is told to `Changes`, and undone by a
transaction that fails.

Whoever calls has found out before that nothing will be refused; so a message is carried out whole, or not at all.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from functools import partial
from typing import Any, Final

from segue.inject import copies, groups, translate
from segue.inject.changes import Changes, GroupEntry, GroupSaid, MeterEntry, Removed
from segue.inject.errors import Refusal
from segue.inject.flow import Flow
from segue.inject.rooms import Numbers, Room
from segue.inject.scope import Scope
from segue.inject.table import Flows, Place, place
from segue.model.limits import MAX_COPIES_OF_PACKET
from segue.model.program import Group, Meter, Rule
from segue.openflow import (
    FlowModFlags,
    FlowRemovedReason,
    GroupCommand,
    GroupMod,
    MeterBand,
    MeterCommand,
    MeterMod,
)


class _Every(dict[int, int]):
    def get(self, key: int, default: Any = None) -> Any:  # noqa: ARG002
        return key


_EVERY: Final = _Every()
"""Switches' numbers as if there were all groups, or meters, that can be asked for."""


MOST_COMPARED: Final = 500_000
"""Flows that the messages of one transaction may be compared with: half a second."""
CHANGED: Final = 4
"""A kind of flows that leads to a group which changes (`copies`) costs as much as so many compared ones."""
PASSES: Final = 4
"""So many times all flows may be compared in any case."""


class State:
    """``scope`` is what the service may do and which ports it has, ``numbers`` the rooms of all services."""

    def __init__(self, scope: Scope, numbers: Numbers) -> None:
        self.scope = scope
        self.numbers = numbers
        self.flows = Flows()
        self.rules: dict[int, Rule] = {}
        """The flows that are in force, as nodes have them, by the flow's number."""
        self.groups: dict[int, GroupEntry] = {}
        self.meters: dict[int, MeterEntry] = {}
        self.following = 1
        """The number of the next flow."""
        self.copies = copies.Copies()
        """What the rules in force make."""
        self._makes: dict[int, copies.Makes] = {}
        """By the flow's number: what it makes copies by, where it makes any, or leads to groups."""
        self._switch_groups: dict[int, int] = {}
        self._switch_meters: dict[int, int] = {}
        self._undo: list[Callable[[], object]] | None = None
        self._later: list[Callable[[], object]] = []
        self._collected = Changes()
        self._bound = 0

    @contextmanager
    def transaction(self) -> Iterator[Changes]:
        """Until the end of the block every change is collected in what is given; an exception undoes all of them.
        Blocks do not nest."""
        if self._undo is not None:
            raise RuntimeError("a transaction within a transaction")
        self._undo, self._later, self._collected = [partial(setattr, self, "following", self.following)], [], Changes()
        self._bound = self.flows.compared + max(MOST_COMPARED, PASSES * len(self.flows))
        try:
            yield self._collected
        except BaseException:
            undo, self._undo = self._undo, None
            for step in reversed(undo):
                step()
            raise
        self._undo = None
        for step in self._later:
            step()

    def done(self, changes: Changes) -> Changes:
        """The end of every change."""
        if self._undo is not None:
            self._collected.update(changes)
        return changes

    def selected(self) -> None:
        """Behind every selection. Refusal where those of a transaction, which nothing comes between, take too long."""
        if self._undo is not None and self.flows.compared > self._bound:
            raise Refusal("OFPBRC_EPERM", "these messages compare too many flows in one go; send them in parts")

    def put_scope(self, scope: Scope) -> None:
        if self._undo is not None:
            self._undo.append(partial(setattr, self, "scope", self.scope))
        self.scope = scope

    # -- flows -----------------------------------------------------------------------------------------------------

    def rule(self, flow: Flow) -> Rule | None:
        """What nodes get for a flow; None while it matches a port that is not there. Refusal if it is not
        permitted."""
        return translate.rule(self.scope, flow, self._switch_groups, self._switch_meters)

    def check(self, flow: Flow) -> None:
        """Refusal if the flow would not be permitted, whatever groups and meters there were."""
        translate.rule(self.scope, flow, _EVERY, _EVERY)

    def check_copies(self, flows: Iterable[tuple[Flow, Rule | None]]) -> None:
        """Refusal if packets would be copied too often, were these the rules of these flows."""
        leaving = self.copies.leaving
        self.copies.check(
            (
                flow.table,
                copies.count(self._made_by(flow.number), leaving),
                copies.count(copies.of_rule(rule), leaving),
                1,
            )
            for flow, rule in flows
        )

    def check_group_copies(self, made: Group) -> None:
        """Refusal if they would be, were the group like this. All kinds of flows that lead to it are looked at where
        that makes a difference."""
        leaving = groups.copies(made)
        if leaving == self.copies.leaving.get(made.number, 0):
            return
        self.flows.compared += CHANGED * self.copies.naming(made.number)
        self.selected()
        self.copies.check_leaving(made.number, leaving)

    def _made_by(self, number: int) -> copies.Makes:
        return self._makes.get(number, copies.NOTHING)

    def put_flow(self, flow: Flow, at: Place, rule: Rule | None, changes: Changes) -> None:
        """Adds a flow, or changes the one of its number."""
        number = flow.number
        if self._undo is not None:
            old = self.flows.by_number.get(number)
            self._undo.append(partial(self.flows.remove, number) if old is None else partial(self.flows.put, old, at))
        self.flows.put(flow, at)
        changes.flows[number] = flow
        self.enforce(flow, rule, changes)

    def drop_flow(self, flow: Flow, reason: int, changes: Changes) -> None:
        number = flow.number
        self.flows.remove(number)
        if self._undo is not None:
            self._undo.append(partial(self.flows.put, flow, place(flow.match)))
        changes.flows[number] = None
        self.enforce(flow, None, changes)
        if flow.flags & FlowModFlags.SEND_FLOW_REM:
            changes.removed.append(Removed(flow, reason))

    def enforce(self, flow: Flow, rule: Rule | None, changes: Changes) -> None:
        """What nodes get for a flow from now on."""
        number = flow.number
        self._tally(flow.table, number, copies.of_rule(rule))
        if self._undo is not None:
            self._undo.append(partial(_set, self.rules, number, self.rules.get(number)))
        if rule is None:
            self.rules.pop(number, None)
        else:
            self.rules[number] = rule
        changes.rules[number] = rule

    def _tally(self, table: int, number: int, makes: copies.Makes) -> None:
        before = self._made_by(number)
        if makes == before:
            return
        if self._undo is not None:
            self._undo.append(partial(self._retally, table, number, before))
        self._retally(table, number, makes)

    def _retally(self, table: int, number: int, makes: copies.Makes) -> None:
        self.copies.change(table, self._made_by(number), makes)
        if makes == copies.NOTHING:
            del self._makes[number]
        else:
            self._makes[number] = makes

    def remake_flow(self, flow: Flow, changes: Changes) -> None:
        """Translates a flow again, and removes it if it is not permitted any more. What it may copy is looked at when
        all are remade (`remaking`)."""
        try:
            rule = self.rule(flow)
        except Refusal:
            self.drop_flow(flow, FlowRemovedReason.DELETE, changes)
            return
        if rule != self.rules.get(flow.number):
            self.enforce(flow, rule, changes)

    @contextmanager
    def remaking(self, changes: Changes) -> Iterator[None]:
        """Flows and groups that change in the block are not looked at before its end: one may make room for another.
        If packets are copied too often then, flows go that have come to make more copies: in the order of their
        numbers, those that leave no room for themselves beside the ones before and all that make no more."""
        makes, leaving = dict(self._makes), dict(self.copies.leaving)
        yield
        if self.copies.total <= MAX_COPIES_OF_PACKET:
            return
        now = self.copies.leaving
        grown = [
            (self.flows.by_number[number], made)
            for number, made in sorted(self._makes.items())
            if copies.count(made, now) > copies.count(makes.get(number, copies.NOTHING), leaving)
        ]
        for flow, _ in grown:
            self._tally(flow.table, flow.number, copies.NOTHING)
        for flow, made in grown:
            try:
                self.check_copies([(flow, self.rules[flow.number])])
            except Refusal:
                self.drop_flow(flow, FlowRemovedReason.DELETE, changes)
            else:
                self._tally(flow.table, flow.number, made)

    # -- groups ----------------------------------------------------------------------------------------------------

    def make_group(self, entry: GroupSaid, switch: int) -> Group:
        """What nodes get for a group. Refusal if it is not permitted."""
        mod = GroupMod(GroupCommand.ADD, entry.number, entry.type, entry.buckets, properties=entry.properties)
        return translate.group(self.scope, mod, switch, self._switch_groups, self._switch_meters, entry.version)

    def put_group(self, entry: GroupEntry, changes: Changes) -> None:
        """Adds a group, or changes it."""
        self._forget_group(entry.number)
        self.groups[entry.number] = entry
        self._switch_groups[entry.number] = entry.switch
        changes.groups[entry.number] = entry
        changes.switch_groups[entry.switch] = entry.made
        self._leave(entry.switch, groups.copies(entry.made))

    def _leave(self, switch: int, leaving: int) -> None:
        before = self.copies.leaving.get(switch, 0)
        if leaving == before:
            return
        if self._undo is not None:
            self._undo.append(partial(self.copies.leave, switch, before))
        self.copies.leave(switch, leaving)

    def drop_group(self, number: int, changes: Changes) -> None:
        self._forget_group(number)
        entry = self.groups.pop(number)
        del self._switch_groups[number]
        self._leave(entry.switch, 0)
        changes.groups[number] = None
        changes.switch_groups[entry.switch] = None
        self._give(self.numbers.groups, entry.switch)

    def _forget_group(self, number: int) -> None:
        if self._undo is not None:
            self._undo.append(partial(_set, self.groups, number, self.groups.get(number)))
            self._undo.append(partial(_set, self._switch_groups, number, self._switch_groups.get(number)))

    # -- meters ----------------------------------------------------------------------------------------------------

    def make_meter(self, number: int, flags: int, bands: tuple[MeterBand, ...], switch: int) -> Meter:
        """What nodes get for a meter. Refusal if it is not permitted."""
        return translate.meter(self.scope, MeterMod(MeterCommand.ADD, number, bands, flags), switch)

    def put_meter(self, entry: MeterEntry, changes: Changes) -> None:
        """Adds a meter, or changes it."""
        self._forget_meter(entry.number)
        self.meters[entry.number] = entry
        self._switch_meters[entry.number] = entry.switch
        changes.meters[entry.number] = entry
        changes.switch_meters[entry.switch] = entry.made

    def drop_meter(self, number: int, changes: Changes) -> None:
        self._forget_meter(number)
        entry = self.meters.pop(number)
        del self._switch_meters[number]
        changes.meters[number] = None
        changes.switch_meters[entry.switch] = None
        self._give(self.numbers.meters, entry.switch)

    def _forget_meter(self, number: int) -> None:
        if self._undo is not None:
            self._undo.append(partial(_set, self.meters, number, self.meters.get(number)))
            self._undo.append(partial(_set, self._switch_meters, number, self._switch_meters.get(number)))

    # -- numbers of switches ---------------------------------------------------------------------------------------

    def take(self, room: Room, error: str, leave: int = 0) -> int:
        """A number that is given back if the transaction fails. Refusal if no more than ``leave`` are left."""
        number = room.take(leave)
        if number is None:
            raise Refusal(error, "the network has no room for more; delete what is not needed")
        if self._undo is not None:
            self._undo.append(partial(room.give, number))
        return number

    def _give(self, room: Room, number: int) -> None:
        """Gives a number back as soon as that cannot be undone."""
        if self._undo is None:
            room.give(number)
        else:
            self._later.append(partial(room.give, number))


def _set(into: dict[int, Any], key: int, value: Any) -> None:
    if value is None:
        into.pop(key, None)
    else:
        into[key] = value
