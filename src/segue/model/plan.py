"""What takes one switch from the program that it holds to the one that it should hold."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import msgspec

from segue.model.program import AnyAction, Clone, Group, Meter, Rule, ToService, UseMeter


class Held(msgspec.Struct, frozen=True):
    """What a switch holds of Segue's: flows as (table, cookie); groups and meters by number, and whether each is as it
    should be."""

    flows: set[tuple[int, int]]
    groups: dict[int, bool] = {}
    meters: dict[int, bool] = {}


class Plan(msgspec.Struct, frozen=True):
    """Rules are by cookie, which is a digest: who has made it hands it on. ``stray``: (table, cookie) of Segue's own on
    the switch that no rule known here explains. ``replaced``: rules in whose place others are added that count as
    something else, or have begun anew, so that counting begins anew there. ``clear``: whatever of Segue's stands in the
    places of these rules goes. ``groups`` and ``meters`` are made, or changed in place; ``groups_gone`` and
    ``meters_gone`` are numbers."""

    add: Mapping[int, Rule] = {}
    remove: Mapping[int, Rule] = {}
    stray: tuple[tuple[int, int], ...] = ()
    replaced: Mapping[int, Rule] = {}
    clear: tuple[Rule, ...] = ()
    groups: tuple[Group, ...] = ()
    groups_gone: tuple[int, ...] = ()
    meters: tuple[Meter, ...] = ()
    meters_gone: tuple[int, ...] = ()

    def __bool__(self) -> bool:
        return bool(
            self.add
            or self.remove
            or self.stray
            or self.clear
            or self.groups
            or self.groups_gone
            or self.meters
            or self.meters_gone
        )


class Refused(msgspec.Struct, frozen=True):
    """What a switch would not take of injected services, and why: rules by cookie, groups and meters by number."""

    rules: dict[int, str] = {}
    groups: dict[int, str] = {}
    meters: dict[int, str] = {}

    def __bool__(self) -> bool:
        return bool(self.rules or self.groups or self.meters)


def meters_of(actions: Iterable[AnyAction]) -> set[int]:
    """The meters that actions name."""
    found: set[int] = set()
    for action in actions:
        match action:
            case UseMeter(meter=meter) | ToService(meter=meter) if meter:
                found.add(meter)
            case Clone(actions=inner):
                found |= meters_of(inner)
    return found
