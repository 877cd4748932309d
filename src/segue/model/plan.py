"""What takes one switch from the program that it holds to the one that it should hold."""

from __future__ import annotations

import msgspec

from segue.model.program import Rule


class Plan(msgspec.Struct, frozen=True):
    """``stray``: (table, cookie) of Segue's own on the switch that no rule known here explains. ``replaced``: rules in
    whose place others are added that count as something else, so that counting begins anew there."""

    add: tuple[Rule, ...] = ()
    remove: tuple[Rule, ...] = ()
    stray: tuple[tuple[int, int], ...] = ()
    replaced: tuple[Rule, ...] = ()

    def __bool__(self) -> bool:
        return bool(self.add or self.remove or self.stray)
