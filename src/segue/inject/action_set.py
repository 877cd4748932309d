"""The action set: in which order its actions are done, and which of them at all (OpenFlow 1.5.1 section 5.6)."""

from __future__ import annotations

from collections.abc import Hashable, Iterable
from typing import Final

from segue.openflow.protocol import actions as of
from segue.openflow.protocol.families import Action

_RANKS: Final[dict[type[Action], int]] = {
    of.PopVlan: 1,
    of.StripVlan: 1,
    of.PushVlan: 2,
    of.DecNwTtl: 3,
    of.SetQueue: 5,
    of.MeterAction: 5,
    of.Group: 6,
    of.Output: 7,
    of.Enqueue: 7,
}
_SETS: Final = 4


def in_order(actions: Iterable[Action]) -> list[Action]:
    """What a set with these actions, written one after the other, does: of each type the last one, of set-field the
    last one for each field; in the set's own order; and no output where there is a group."""
    kept: dict[Hashable, Action] = {}
    for action in actions:
        key: Hashable = type(action)
        if isinstance(action, of.SetField):
            key = (of.SetField, action.field)
        elif isinstance(action, (of.Output, of.Enqueue)):
            key = of.Output
        elif isinstance(action, (of.PopVlan, of.StripVlan)):
            key = of.PopVlan
        kept.pop(key, None)
        kept[key] = action
    if of.Group in kept:
        kept.pop(of.Output, None)
    return sorted(kept.values(), key=lambda action: _RANKS.get(type(action), _SETS))
