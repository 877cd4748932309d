"""One switch: what it holds against what it should hold.

A rule's cookie is a digest of the rule, so a switch's cookies alone say what differs. What was replaced in place (same
stage, priority and match) is only added: the switch puts it in the old one's stead. All of a plan goes into one
bundle, so no packet meets half of it.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Set

from segue.model.plan import Plan
from segue.model.program import Rule
from segue.model.stages import PATH

OF_ONE_PATH = ("steer", "branch", "pick", "unwrap_index")
"""Stages whose rules each name one path."""


def change(added: Mapping[int, Rule], removed: Mapping[int, Rule]) -> Plan:
    """The plan for a change of the program on a switch that holds the program of before."""
    counted = {rule.identity: rule.counter for rule in added.values()}
    gone = tuple(rule for rule in removed.values() if rule.identity not in counted)
    replaced = tuple(rule for rule in removed.values() if counted.get(rule.identity, rule.counter) != rule.counter)
    return Plan(tuple(added.values()), gone, (), replaced)


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


def difference(desired: Mapping[int, Rule], observed: Set[tuple[int, int]], tables: Mapping[str, int]) -> Plan:
    """The plan for a switch that holds ``observed``, as (table, cookie); ``tables``: stage -> table number."""
    wanted = {(tables[rule.stage], key): rule for key, rule in desired.items()}
    add = tuple(rule for place, rule in wanted.items() if place not in observed)
    stray = tuple(sorted(place for place in observed if place not in wanted))
    return Plan(add, (), stray)


def conflicts(rules: Iterable[Rule]) -> list[tuple[Rule, Rule]]:
    """Pairs of rules of one identity that do different things: the switch could hold only one of them."""
    seen: dict[object, Rule] = {}
    found = []
    for rule in rules:
        other = seen.setdefault(rule.identity, rule)
        if other.actions != rule.actions:
            found.append((other, rule))
    return found
