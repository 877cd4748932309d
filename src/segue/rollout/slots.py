"""Which slot belongs to which instance, so that a change moves no flow that it need not move.

A step hashes a flow to a slot by highest random weight: the slot whose own hash with the flow is highest. An instance
has as many slots as its weight. An instance that leaves leaves its slots empty, and only flows that chose those
choose again; one that comes takes empty slots first, then new ones at the end, and only flows that now choose those
move, to it. (Thaler and Ravishankar, "A Name-Based Mapping Scheme for Rendezvous", 1996.)
"""

from __future__ import annotations

from collections.abc import Sequence
from math import gcd

from segue.model.path import EMPTY, Hop, Step

MOST_SLOTS = 64
"""Open vSwitch compares all links up to here; beyond, it hashes iteratively and a leaving link moves other flows."""


def shares(weights: Sequence[int]) -> list[int]:
    """How many slots each weight gets: in proportion, at least one, MOST_SLOTS together at most where that is
    possible. All weights are positive."""
    divisor = gcd(*weights)
    result = [weight // divisor for weight in weights]
    total = sum(result)
    if total > MOST_SLOTS:
        result = [max(1, share * MOST_SLOTS // total) for share in result]
    return result


def assign(hops: Sequence[Hop], previous: Step | None) -> tuple[int, ...]:
    """Slots for ``hops`` (indexes into them, or EMPTY), as near as can be to those of ``previous``."""
    names = [hop.instance for hop in hops]
    missing = dict(zip(names, shares([hop.weight for hop in hops]), strict=True))
    index = {name: number for number, name in enumerate(names)}
    slots: list[int] = []
    for old in previous.slots if previous else ():
        name = previous.hops[old].instance if previous and old != EMPTY else ""
        if missing.get(name, 0) > 0:
            missing[name] -= 1
            slots.append(index[name])
        else:
            slots.append(EMPTY)
    empty = iter([slot for slot, hop in enumerate(slots) if hop == EMPTY])
    for name, count in missing.items():
        for _ in range(count):
            slot = next(empty, None)
            if slot is None:
                slots.append(index[name])
            else:
                slots[slot] = index[name]
    while slots[-1] == EMPTY:
        slots.pop()
    if len(slots) > MOST_SLOTS:
        # Too many for the switch's exact choice: begin anew, without holes.
        slots = [hop for hop in slots if hop != EMPTY]
    return tuple(slots)
