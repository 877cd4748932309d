"""Which slot belongs to which instance, so that a change moves no flow that it need not move.

A step hashes a flow to a slot by highest random weight: the slot whose own hash with the flow is highest. An instance
has slots in proportion to its weight. An instance that leaves leaves its slots empty, and only flows that chose those
choose again; one that comes takes empty slots first, then new ones at the end, and only flows that now choose those
move, to it. (Thaler and Ravishankar, "A Name-Based Mapping Scheme for Rendezvous", 1996.)
"""

from __future__ import annotations

from collections.abc import Sequence
from math import gcd

from segue.model.path import EMPTY, Hop, Step

MOST_SLOTS = 64
"""Open vSwitch compares all links up to here; beyond, it hashes iteratively and a leaving link moves other flows."""


NEAR = 1 / 16
"""How far a share may be from what the weight asks for, when only others have left."""


def shares(weights: Sequence[int]) -> list[int]:
    """How many slots each weight gets: in proportion, at least one, MOST_SLOTS together at most where that is
    possible. All weights are positive."""
    divisor = gcd(*weights)
    result = [weight // divisor for weight in weights]
    total = sum(result)
    if total > MOST_SLOTS:
        result = [max(1, share * MOST_SLOTS // total) for share in result]
        while sum(result) > MOST_SLOTS and max(result) > 1:
            result[result.index(max(result))] -= 1
    return result


def _kept(hops: Sequence[Hop], previous: Step | None) -> list[int]:
    """How many slots each of ``hops`` gets. Who was there with the same weight keeps its number, so that who leaves
    moves nobody else's flows; those who come get as many as fits beside them. Where that would be too far from the
    weights, all are counted anew."""
    weights = [hop.weight for hop in hops]
    anew = shares(weights)
    known = {hop.instance: (hop.weight, number) for number, hop in enumerate(previous.hops)} if previous else {}
    held = [0] * len(hops)
    for number, hop in enumerate(hops):
        weight, before = known.get(hop.instance, (0, 0))
        if previous and weight == hop.weight:
            held[number] = previous.slots.count(before)
    slots, weight = sum(held), sum(hop.weight for hop, count in zip(hops, held, strict=True) if count)
    if not slots:
        return anew
    result = [count or max(1, (2 * slots * w + weight) // (2 * weight)) for count, w in zip(held, weights, strict=True)]
    near = max(_error(anew, weights), NEAR if all(held) else 1 / MOST_SLOTS)
    return result if sum(result) <= MOST_SLOTS and _error(result, weights) <= near else anew


def _error(slots: Sequence[int], weights: Sequence[int]) -> float:
    """How far the worst share is from what its weight asks for."""
    total, weight = sum(slots), sum(weights)
    return max(abs(count / total - own / weight) for count, own in zip(slots, weights, strict=True))


def assign(hops: Sequence[Hop], previous: Step | None) -> tuple[int, ...]:
    """Slots for ``hops`` (indexes into them, or EMPTY), as near as can be to those of ``previous``."""
    names = [hop.instance for hop in hops]
    missing = dict(zip(names, _kept(hops, previous), strict=True))
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
    # Only slots that are empty since now may go from the end. Flows that met an empty one before have chosen again, and
    # would choose otherwise without it.
    empty_before = {slot for slot, hop in enumerate(previous.slots if previous else ()) if hop == EMPTY}
    while slots[-1] == EMPTY and len(slots) - 1 not in empty_before:
        slots.pop()
    if len(hops) == 1:
        return (0,)
    if len(slots) > MOST_SLOTS:
        # Too many for the switch's exact choice: begin anew, without holes.
        slots = [hop for hop in slots if hop != EMPTY]
    return tuple(slots)
