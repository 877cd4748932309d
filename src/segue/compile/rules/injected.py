"""The rules, groups and meters of injected services on one node, which come ready from the server.

They take no part in the node's graph: nothing is derived from them but how much they cost (``lookups``) and which
headers they are about (``regards``), and thousands of them may change in a second. What is kept is which record each
came from, so that one that the switch refuses can be left out by itself: no service may hold up another, or the
network. So nothing here raises for what a record says: a rule that breaks its stage's contract is left out as if the
switch had refused it, and so is one that names a group or meter which is not there.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import TypeVar

import msgspec

from segue.compile.rules.lookups import Lookups
from segue.compile.rules.regards import Regards
from segue.model import stages
from segue.model.program import AnyAction, Clone, Group, Meter, Rule, ToGroup, ToService, UseMeter, cookie
from segue.model.view import FlowRecord, GroupRecord, MeterRecord

KINDS = frozenset({"flow", "group", "meter"})
"""The kinds of records that come here: what is before the first slash of their keys."""

V = TypeVar("V")

InjectedRecord = FlowRecord | GroupRecord | MeterRecord
Needs = tuple[str, ...]
"""Record keys of the groups and meters that something names."""


class Changed(msgspec.Struct, frozen=True):
    """What came and went: rules by cookie; groups and meters by number, as they are now, or None. A group or meter that
    was there before is to be changed in place, for the switch removes what names one that goes."""

    added: dict[int, Rule]
    removed: dict[int, Rule]
    groups: dict[int, Group | None]
    meters: dict[int, Meter | None]


class _Part(msgspec.Struct, frozen=True, gc=False):
    """A record as it is dealt with here. ``number``: a rule's cookie, else the group's or meter's own."""

    number: int
    value: Rule | Group | Meter
    needs: Needs
    fault: str = ""


class Injected:
    """Feed it records; ``settle`` tells what came and went. ``refuse`` what the switch will not take."""

    def __init__(self) -> None:
        self.rules: dict[int, Rule] = {}
        """What the switch is to hold, by cookie."""
        self.groups: dict[int, Group] = {}
        self.meters: dict[int, Meter] = {}
        self.lookups = Lookups()
        """Of what the switch is to hold: how much it costs."""
        self.regards = Regards()
        """Of what the switch is to hold: which headers it is about."""
        self._parts: dict[str, _Part] = {}
        self._in: set[str] = set()
        """Keys of what is in the program."""
        self._was: dict[str, _Part | None] = {}
        """Of keys touched since the last ``settle``: what was in the program then."""
        self._origins: dict[int, tuple[str, ...]] = {}
        """By cookie: the keys of the records that a rule in the program comes from."""
        self._users: dict[str, dict[str, None]] = {}
        """By key of a group or meter, there or not: the keys of what names it."""
        self._refused: dict[str, str] = {}
        self._out: dict[str, str] = {}
        """By key: what was left out when all was last settled, and why."""

    def record(self, key: str, record: InjectedRecord | None) -> None:
        """Set the record at ``key`` (``flow/3/17``, ``group/NUMBER``, ``meter/NUMBER``), or remove it."""
        old = self._parts.get(key)
        if (None if old is None else old.value) == (None if record is None else _value(record)):
            return
        new = None if record is None else _part(key, record)
        self._touch(key)
        self._refused.pop(key, None)
        for need in old.needs if old else ():
            users = self._users[need]
            del users[key]
            if not users:
                del self._users[need]
        if new is None:
            del self._parts[key]
        else:
            self._parts[key] = new
            for need in new.needs:
                self._users.setdefault(need, {})[key] = None
        for user in self._users.get(key, ()):
            # Perhaps it was refused for what this was.
            self._touch(user)
            self._refused.pop(user, None)

    def refuse(self, key: str, why: str) -> None:
        """The switch will not take what comes from ``key``: it is left out until that record is another or gone."""
        if key in self._parts:
            self._refused[key] = why
            self._touch(key)

    def retry(self) -> None:
        """Forget what was refused: the switch is another."""
        for key in self._refused:
            self._touch(key)
        self._refused.clear()

    @property
    def refused(self) -> dict[str, str]:
        """By record key: what has been left out, and why."""
        return dict(self._out)

    def origin(self, number: int) -> str | None:
        """The key of the record that the rule with cookie ``number`` comes from."""
        keys = self._origins.get(number)
        return keys[0] if keys else None

    def settle(self) -> Changed:
        self._decide()
        changed = Changed({}, {}, {}, {})
        for key, old in self._was.items():
            new = self._parts[key] if key in self._in else None
            if new is None and key in self._parts:
                self._out[key] = self._why(key)
            else:
                self._out.pop(key, None)
            if old == new:
                continue
            if key.startswith("flow/"):
                self._change_rule(key, old, new, changed)
            else:
                self._change_other(old, new, changed)
        self._was.clear()
        return changed

    def _touch(self, key: str) -> None:
        if key not in self._was:
            self._was[key] = self._parts[key] if key in self._in else None

    def _decide(self) -> None:
        """Which records are in the program: first what must go, and all that names it; then what can come."""
        todo = list(self._was)
        while todo:
            key = todo.pop()
            if key in self._in and not self._fit(key):
                self._in.discard(key)
                todo.extend(self._touched_users(key))
        todo = list(self._was)
        while todo:
            key = todo.pop()
            if key not in self._in and self._fit(key):
                self._in.add(key)
                todo.extend(self._touched_users(key))

    def _touched_users(self, key: str) -> Iterator[str]:
        for user in self._users.get(key, ()):
            self._touch(user)
            yield user

    def _fit(self, key: str) -> bool:
        part = self._parts.get(key)
        return (
            part is not None
            and not part.fault
            and key not in self._refused
            and all(need in self._in for need in part.needs)
        )

    def _why(self, key: str) -> str:
        part = self._parts[key]
        if reason := part.fault or self._refused.get(key):
            return reason
        lacking = [need.replace("/", " ") for need in part.needs if need not in self._in]
        return f"it names what is not there: {', '.join(lacking)}"

    def _change_rule(self, key: str, old: _Part | None, new: _Part | None, changed: Changed) -> None:
        if old is not None:
            keys = tuple(other for other in self._origins[old.number] if other != key)
            if keys:
                self._origins[old.number] = keys
            else:
                del self._origins[old.number]
                gone = self.rules.pop(old.number)
                self.lookups.change(gone, -1)
                self.regards.change(gone, -1)
                if changed.added.pop(old.number, None) is None:
                    changed.removed[old.number] = gone
        if new is not None:
            assert isinstance(new.value, Rule)
            keys = self._origins.get(new.number, ())
            self._origins[new.number] = (*keys, key)
            if not keys:
                self.rules[new.number] = new.value
                self.lookups.change(new.value, 1)
                self.regards.change(new.value, 1)
                if changed.removed.pop(new.number, None) is None:
                    changed.added[new.number] = new.value

    def _change_other(self, old: _Part | None, new: _Part | None, changed: Changed) -> None:
        part = new or old
        assert part is not None
        value = new.value if new else None
        if isinstance(part.value, Group):
            group = value if isinstance(value, Group) else None
            changed.groups[part.number] = group
            _put(self.groups, part.number, group)
            self.regards.change_group(part.number, group)
        elif isinstance(part.value, Meter):
            meter = value if isinstance(value, Meter) else None
            changed.meters[part.number] = meter
            _put(self.meters, part.number, meter)


def _put(into: dict[int, V], number: int, value: V | None) -> None:
    if value is None:
        into.pop(number, None)
    else:
        into[number] = value


def _value(record: InjectedRecord) -> Rule | Group | Meter:
    match record:
        case FlowRecord(rule):
            return rule
        case GroupRecord(group):
            return group
        case MeterRecord(meter):
            return meter


def _part(key: str, record: InjectedRecord) -> _Part:
    match record:
        case FlowRecord(rule):
            return _Part(cookie(rule), rule, _needs(rule.actions), _fault(stages.check_injected, rule))
        case GroupRecord(group):
            actions = tuple(action for bucket in group.buckets for action in bucket.actions)
            fault = _fault(stages.check_group, group) or _misnamed(key, group.number)
            return _Part(group.number, group, _needs(actions), fault)
        case MeterRecord(meter):
            fault = _fault(stages.check_meter, meter) or _misnamed(key, meter.number)
            return _Part(meter.number, meter, (), fault)


def _fault(check: Callable[[V], None], value: V) -> str:
    try:
        check(value)
    except stages.OutOfContract as fault:
        return str(fault)
    return ""


def _misnamed(key: str, number: int) -> str:
    return "" if key.partition("/")[2] == str(number) else f"the record {key} is of number {number}"


def _needs(actions: tuple[AnyAction, ...]) -> Needs:
    return tuple(dict.fromkeys(_named(actions)))


def _named(actions: Iterable[AnyAction]) -> Iterator[str]:
    for action in actions:
        match action:
            case ToGroup(group):
                yield f"group/{group}"
            case UseMeter(meter):
                yield f"meter/{meter}"
            case ToService(meter=meter) if meter:
                yield f"meter/{meter}"
            case Clone(inner):
                yield from _named(inner)
