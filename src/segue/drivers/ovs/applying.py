"""How a plan gets to a switch whole, and what becomes of what it refuses.

    meters made or changed -> one bundle: groups, rules, groups that go -> meters that go

Meters have no place in Open vSwitch's bundles. A rule needs its meter before it comes and a meter is needed until its
rules are gone, so meters have this order; packets meet the rules of before or those of after.

A bundle in which something of an injected service is refused is tried again without that. A service of which more and
more is refused costs everybody no more tries: its changes are told one by one, behind the others' bundle and all at
once, and the switch takes what it takes. Whatever else is refused refuses the plan.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable

import msgspec

from segue.drivers.ovs import groups
from segue.drivers.ovs.render import addition, removal, stray, vacation
from segue.model.of_services import of_service
from segue.model.plan import Plan, Refused, meters_of
from segue.model.program import Group, Meter, Rule
from segue.openflow import protocol as of
from segue.openflow.client import OpenFlowClient, OpenFlowError
from segue.openflow.connection import Refused as Refusal
from segue.openflow.declare import Message
from segue.openflow.protocol import FlowMod
from segue.openflow.wire import EncodeError

FEW = 2
"""A service of which so many are refused is told apart."""
MANY = 8
"""After so many tries all services are."""
_EXISTS, _UNKNOWN = "OFPMMFC_METER_EXISTS", "OFPMMFC_UNKNOWN_METER"


class Entry(msgspec.Struct, eq=False):
    """A message, and the rule, group or meter of a service that it is about; None where it is about anything else.
    ``number``: a rule's cookie, else the group's or meter's own. ``owner``: the service. ``puts``: whether something is
    lacking if it is refused."""

    message: Message
    about: Rule | Group | Meter | None = None
    number: int = 0
    owner: str = ""
    puts: bool = True


class Applying:
    """Of one connection to one switch."""

    def __init__(self, client: OpenFlowClient) -> None:
        self._client = client
        self.meters: set[int] = set()
        """Those that the switch is known to have."""
        self._tried: dict[int, Entry] = {}
        self._errors: list[tuple[Entry, OpenFlowError | EncodeError]] = []

    async def apply(self, plan: Plan) -> Refused:
        """What was refused of services; all the rest is in force. Raises OpenFlowError if anything else was."""
        refused = Refused({}, {}, {})
        await self._set_meters(plan.meters, refused)
        await self._bundle(_entries(plan, refused), refused)
        await self._each([Entry(groups.meter_removal(number)) for number in plan.meters_gone])
        self.meters.difference_update(plan.meters_gone)
        return refused

    def take(self, event: Refusal) -> bool:
        """Whether the error is about one of the messages told one by one."""
        entry = self._tried.get(event.xid)
        if entry is not None:
            self._errors.append((entry, OpenFlowError(event.error, entry.message)))
        return entry is not None

    async def _set_meters(self, meters: Iterable[Meter], refused: Refused) -> None:
        entries = [Entry(self._meter_mod(meter), meter, meter.number, meter.owner) for meter in meters]
        wrong = await self._each(entries)
        again = []
        for entry, error in wrong:
            assert isinstance(entry.about, Meter)
            if getattr(error, "name", "") in (_EXISTS, _UNKNOWN):  # somebody else has removed or made it
                self.meters ^= {entry.number}
                again.append(Entry(self._meter_mod(entry.about), entry.about, entry.number, entry.owner))
            else:
                refused.meters[entry.number] = str(error)
        for entry, error in await self._each(again):
            refused.meters[entry.number] = str(error)
        self.meters |= {entry.number for entry in entries} - refused.meters.keys()

    def _meter_mod(self, meter: Meter) -> of.MeterMod:
        there = meter.number in self.meters
        return groups.meter_mod(meter, of.MeterCommand.MODIFY if there else of.MeterCommand.ADD)

    async def _bundle(self, entries: list[Entry], refused: Refused) -> None:
        tries: Counter[str] = Counter()
        apart: set[str] = set()
        together = entries
        while together:
            try:
                await self._client.bundle([entry.message for entry in together])
                break
            except (OpenFlowError, EncodeError) as error:
                if error.index is None or together[error.index].about is None:
                    raise
                wrong = together.pop(error.index)
                _leave(wrong, error, refused)
                tries[wrong.owner] += 1
                if tries[wrong.owner] >= FEW:
                    apart.add(wrong.owner)
                if tries.total() >= MANY:
                    apart |= {entry.owner for entry in together if entry.about is not None}
                together = [entry for entry in together if entry.about is None or entry.owner not in apart]
                entries = [entry for entry in entries if entry is not wrong]
        for entry, why in await self._each([e for e in entries if e.about is not None and e.owner in apart]):
            _leave(entry, why, refused)

    async def _each(self, entries: Iterable[Entry]) -> list[tuple[Entry, OpenFlowError | EncodeError]]:
        """Tell the switch one after the other, in one round trip. Which it refused, and why."""
        self._tried, self._errors = {}, []
        for entry in entries:
            try:
                self._tried[await self._client.send(entry.message)] = entry
            except EncodeError as error:
                self._errors.append((entry, error))
        if self._tried:
            await self._client.barrier()
        self._tried = {}
        return self._errors


def _entries(plan: Plan, refused: Refused) -> list[Entry]:
    """The bundle: removals before additions, so that an addition with the same match is not removed again."""
    anew = {rule.identity for rule in plan.replaced.values()}
    entries: list[Entry] = []
    for group in plan.groups:
        try:
            entries.append(Entry(groups.group_mod(group), group, group.number, group.owner))
        except (ValueError, KeyError) as error:
            refused.groups[group.number] = str(error)
    entries += [_removing(removal(key, rule), rule) for key, rule in plan.remove.items()]
    entries += [_removing(vacation(rule), rule) for rule in plan.clear]
    entries += [Entry(stray(table, key)) for table, key in plan.stray]
    for key, rule in plan.add.items():
        entry = _adding(key, rule, rule.identity in anew, refused)
        if entry is not None:
            entries.append(entry)
    return entries + [Entry(groups.group_removal(number)) for number in plan.groups_gone]


def _adding(key: int, rule: Rule, anew: bool, refused: Refused) -> Entry | None:
    if not of_service(rule):
        return Entry(addition(key, rule, anew))
    # Open vSwitch would take the rule without its meter, and hold back no packet.
    for number in meters_of(rule.actions) & refused.meters.keys():
        refused.rules[key] = f"it names meter {number}: {refused.meters[number]}"
        return None
    try:
        return Entry(addition(key, rule, anew), rule, key, rule.owner)
    except (ValueError, KeyError) as error:
        refused.rules[key] = str(error)
        return None


def _removing(message: FlowMod, rule: Rule) -> Entry:
    if of_service(rule):
        return Entry(message, rule, owner=rule.owner, puts=False)
    return Entry(message, puts=False)


def _leave(entry: Entry, error: Exception, refused: Refused) -> None:
    if not entry.puts:
        return
    match entry.about:
        case Rule():
            refused.rules[entry.number] = str(error)
        case Group():
            refused.groups[entry.number] = str(error)
