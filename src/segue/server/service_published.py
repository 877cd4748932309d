"""What nodes are to hold of one injected service, beside its own record: its rules, groups and meters.

What ends for good, because its token is revoked, its time is over, or it is not permitted any more, is taken from nodes
even while it cannot be written (``sweep``), and what is being written then does not bring it there again. What a
controller removes waits: in its place it may have put something else, and both are in force together or neither is.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from segue.inject.changes import Changes
from segue.inject.groups import measure
from segue.model.view import AnyRecord, FlowRecord, GroupRecord, MeterRecord
from segue.server.service_scope import limits_of

if TYPE_CHECKING:
    from segue.server.service_room import Room

OfOne = dict[str, AnyRecord | None]
"""By record key; None: it is gone."""
NO_FLOW = 0
"""In place of a flow's number: the rule that measures what the service's groups copy."""


def owner_of(record: AnyRecord, default: str) -> str:
    """Whose a group or meter of the switches is."""
    match record:
        case GroupRecord(group):
            return group.owner
        case MeterRecord(meter):
            return meter.owner
    return default


class Published:
    def __init__(self, room: Room) -> None:
        self._room = room
        self.records: dict[str, AnyRecord] = {}
        """What every node with elements of it is to hold, by record key; all of it is durable."""
        self._ended: set[str] = set()
        """What nodes must not have any more, by record key, and the store may have yet."""

    def note(self, changes: Changes, *, ends: bool) -> None:
        """``changes`` are to be written. ``ends``: what is gone goes from nodes even if that cannot be."""
        for key, record in self._of(changes).items():
            if record is not None:
                self._ended.discard(key)
            elif ends:
                self._ended.add(key)

    def publish(self, changes: Changes) -> OfOne:
        """What nodes are to be told now that ``changes`` are durable."""
        ours = self._of(changes)
        for key in ours.keys() & self._ended:
            if ours[key] is None:
                self._ended.discard(key)
            else:
                del ours[key]  # it has ended since
        for key, record in self._own().items():
            if self.records.get(key) != record:
                ours[key] = record
        self._keep(ours)
        return ours

    def sweep(self) -> OfOne:
        """What nodes are to be told while nothing can be written: what has ended, and whose end is counted."""
        if not self._ended or not self._room.pending.counted_last():
            return {}
        ours: OfOne = {key: None for key in self._ended if key in self.records}
        self._keep(ours)
        return ours

    def _own(self) -> OfOne:
        """What is there besides what the service has said: its limits."""
        room = self._room
        ours: OfOne = {}
        for number, meter in limits_of(room.info, room.about).items():
            ours[f"meter/{number}"] = None if meter is None else MeterRecord(meter)
        rule = measure(room.datapath.scope) if room.datapath.groups else None
        ours[f"flow/{room.key}/{NO_FLOW}"] = None if rule is None else FlowRecord(rule)
        return ours

    def _of(self, changes: Changes) -> OfOne:
        ours: OfOne = {}
        for number, rule in changes.rules.items():
            ours[f"flow/{self._room.key}/{number}"] = None if rule is None else FlowRecord(rule)
        for number, group in changes.switch_groups.items():
            ours[f"group/{number}"] = None if group is None else GroupRecord(group)
        for number, meter in changes.switch_meters.items():
            ours[f"meter/{number}"] = None if meter is None else MeterRecord(meter)
        return ours

    def _keep(self, ours: Mapping[str, AnyRecord | None]) -> None:
        for key, record in ours.items():
            if record is None:
                self.records.pop(key, None)
            else:
                self.records[key] = record
