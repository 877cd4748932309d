"""One stage's rules, found by what a packet shows.

Rules that match the same bits of the same fields lie in one dictionary keyed by those bits (tuple space search;
Srinivasan, Suri and Varghese, SIGCOMM 1999): the cost of a lookup is the number of different shapes of match in
the stage, whatever the number of rules and priorities.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from segue.model.program import Match, Rule
from segue.verify.fields import ETHERNET, FIELDS, is_header

Shape = tuple[tuple[str, int], ...]
"""Field names with masks."""
Key = tuple[int, ...]


class Ambiguous(Exception):
    """Two rules of one stage and priority match one packet, or are one rule to a switch, and do different things.

    Which of them applies is not defined (OpenFlow 1.5 section 5.3).
    """


def shape_of(match: Match) -> tuple[Shape, Key]:
    """Which bits a match looks at and what it wants there, the implied packet type included."""
    shape: list[tuple[str, int]] = []
    key: list[int] = []
    header = False
    typed = False
    for name, wanted in match:
        value, mask = wanted if isinstance(wanted, tuple) else (wanted, (1 << FIELDS[name].width) - 1)
        if value & ~mask:
            raise ValueError(f"match on {name}: {value:#x} has bits outside the mask {mask:#x}")
        shape.append((name, mask))
        key.append(value)
        header = header or is_header(name)
        typed = typed or name == "packet_type"
    if header and not typed:
        shape.append(("packet_type", 0xFFFFFFFF))
        key.append(ETHERNET)
    return tuple(shape), tuple(key)


class Table:
    """Mutable. Lists of rules under one key are in order of falling priority, and so are the shapes by highest."""

    def __init__(self) -> None:
        self._shapes: dict[Shape, dict[Key, list[Rule]]] = {}
        self._highest: dict[Shape, int] = {}
        self._order: list[Shape] | None = None

    def add(self, rule: Rule) -> bool:
        """Whether the rule is new. Raises Ambiguous where the same match and priority does something else."""
        shape, key = shape_of(rule.match)
        rules = self._shapes.setdefault(shape, {}).setdefault(key, [])
        at = 0
        for at, other in enumerate(rules):  # noqa: B007
            if other.priority < rule.priority:
                break
            if other.priority == rule.priority:
                if other.actions != rule.actions:
                    raise Ambiguous(
                        f"stage {rule.stage}, priority {rule.priority}: {other.owner} and {rule.owner} "
                        "match the same packets and do different things"
                    )
                return False
        else:
            at = len(rules)
        rules.insert(at, rule)
        if rule.priority > self._highest.get(shape, -1):
            self._highest[shape] = rule.priority
            self._order = None
        return True

    def remove(self, rule: Rule) -> None:
        """Raises KeyError where there is no such rule."""
        shape, key = shape_of(rule.match)
        by_key = self._shapes.get(shape, {})
        rules = by_key.get(key, [])
        held = [other for other in rules if other.priority == rule.priority and other.actions == rule.actions]
        if not held:
            raise KeyError(rule.identity)
        rules.remove(held[0])
        if not rules:
            del by_key[key]
            if not by_key:
                del self._shapes[shape], self._highest[shape]
                self._order = None
        # A highest priority that is now too high costs a needless probe and nothing else.

    def lookup(self, fields: Mapping[str, int]) -> Rule | None:
        """The rule that applies to a packet with these fields. Raises Ambiguous."""
        if self._order is None:
            self._order = sorted(self._shapes, key=lambda shape: -self._highest[shape])
        best: Rule | None = None
        for shape in self._order:
            if best is not None and self._highest[shape] < best.priority:
                break
            key = []
            for name, mask in shape:
                value = fields.get(name)
                if value is None:
                    break
                key.append(value & mask)
            else:
                rules = self._shapes[shape].get(tuple(key))
                if not rules:
                    continue
                found = rules[0]
                if best is None or found.priority > best.priority:
                    best = found
                elif found.priority == best.priority and found.actions != best.actions:
                    raise Ambiguous(
                        f"stage {found.stage}, priority {found.priority}: {best.owner} and {found.owner} "
                        "both match and do different things"
                    )
        return best

    def __iter__(self) -> Iterator[Rule]:
        for by_key in self._shapes.values():
            for rules in by_key.values():
                yield from rules
