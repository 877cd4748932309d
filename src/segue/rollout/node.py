"""One switch: what it holds against what it should hold.

A rule's cookie is a digest of the rule, so a switch's cookies alone say what differs. What was replaced in place (same
stage, priority and match) is only added: the switch puts it in the old one's stead. All of a plan goes into one
bundle, so no packet meets half of it; but for meters, which have no place in Open vSwitch's bundles.

Groups and meters are compared by what they are, for they have no cookies. A switch that loses one removes the rules
that name it, except those that name a meter for packets to the controller: these go on without any. So what names a
meter that has to be made anew is put again.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TypeVar

from segue.model.plan import Held, Plan, meters_of
from segue.model.program import Group, Meter, Rule
from segue.model.stages import PATH

V = TypeVar("V")

OF_ONE_PATH = ("steer", "branch", "pick", "unwrap_index")
"""Stages whose rules each name one path."""


def change(
    added: Mapping[int, Rule],
    removed: Mapping[int, Rule],
    groups: Mapping[int, Group | None] | None = None,
    meters: Mapping[int, Meter | None] | None = None,
    clear: Iterable[Rule] = (),
) -> Plan:
    """The plan for a change of the program on a switch that holds the program of before. ``groups`` and ``meters``: as
    they are now, or None. ``clear``: rules that the switch has refused, in whose places it may hold what was before."""
    counted = {rule.identity: (rule.counter, rule.begun) for rule in added.values()}
    gone = {key: rule for key, rule in removed.items() if rule.identity not in counted}
    replaced = {
        key: rule
        for key, rule in removed.items()
        if rule.identity in counted and counted[rule.identity] != (rule.counter, rule.begun)
    }
    return Plan(
        dict(added),
        gone,
        (),
        replaced,
        tuple(rule for rule in clear if rule.identity not in counted),
        *_sorted_out(groups or {}),
        *_sorted_out(meters or {}),
    )


def _sorted_out(changed: Mapping[int, V | None]) -> tuple[tuple[V, ...], tuple[int, ...]]:
    """(what is to be there, the numbers of what is to go)."""
    there = tuple(value for value in changed.values() if value is not None)
    return there, tuple(number for number, value in changed.items() if value is None)


def felt(added: Mapping[int, Rule], removed: Mapping[int, Rule]) -> bool:
    """Whether packets that flow now may be meant by the change, and not only those of paths that are not yet, or no
    longer, in use: a rule takes another's place, or one comes or goes that is not of one path."""
    replaced = {rule.identity for rule in removed.values()}
    changed = (*added.values(), *removed.values())
    return any(rule.identity in replaced for rule in added.values()) or not all(map(_of_one_path, changed))


def _of_one_path(rule: Rule) -> bool:
    if rule.stage in OF_ONE_PATH:
        return True
    fields = dict(rule.match)
    # Behind a function a path is known by its header, or by the mark in the source address.
    return rule.stage == "path_return" and bool(fields.get(PATH) or "eth_src" in fields)


def difference(
    desired: Mapping[int, Rule],
    held: Held,
    tables: Mapping[str, int],
    groups: Mapping[int, Group] | None = None,
    meters: Mapping[int, Meter] | None = None,
) -> Plan:
    """The plan for a switch that holds ``held``; ``tables``: stage -> table number."""
    groups, meters = groups or {}, meters or {}
    lost = meters.keys() - held.meters.keys()
    wanted = {(tables[rule.stage], key): rule for key, rule in desired.items()}
    add = {
        place[1]: rule
        for place, rule in wanted.items()
        if place not in held.flows or (lost and not lost.isdisjoint(meters_of(rule.actions)))
    }
    return Plan(
        add,
        stray=tuple(sorted(place for place in held.flows if place not in wanted)),
        groups=tuple(group for number, group in groups.items() if not held.groups.get(number)),
        groups_gone=tuple(sorted(held.groups.keys() - groups.keys())),
        meters=tuple(meter for number, meter in meters.items() if not held.meters.get(number)),
        meters_gone=tuple(sorted(held.meters.keys() - meters.keys())),
    )


def conflicts(rules: Iterable[Rule]) -> list[tuple[Rule, Rule]]:
    """Pairs of rules of one identity that do different things: the switch could hold only one of them."""
    seen: dict[object, Rule] = {}
    found = []
    for rule in rules:
        other = seen.setdefault(rule.identity, rule)
        if other.actions != rule.actions:
            found.append((other, rule))
    return found
