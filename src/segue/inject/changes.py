"""What a virtual switch answers a change with: what is to be stored, told to nodes, and told to controllers."""

from __future__ import annotations

import msgspec

from segue.inject.flow import Flow
from segue.model.program import Group, Meter, Rule
from segue.openflow import Bucket, GroupProperty, MeterBand


class GroupSaid(msgspec.Struct, frozen=True):
    """A group as a service said it, in the words of OpenFlow ``version``, by its own ``number``. Buckets are numbered,
    also where the version does not."""

    number: int
    type: int
    buckets: tuple[Bucket, ...]
    properties: tuple[GroupProperty, ...]
    version: int


class GroupEntry(msgspec.Struct, frozen=True):
    """A group of a service. ``switch`` is the number by which nodes' switches know it, ``made`` what they get."""

    said: GroupSaid
    created: float
    switch: int
    made: Group

    @property
    def number(self) -> int:
        return self.said.number


class MeterEntry(msgspec.Struct, frozen=True):
    """A meter of a service; numbers as for groups, ``flags`` OpenFlow's (OFPMF_)."""

    number: int
    flags: int
    bands: tuple[MeterBand, ...]
    created: float
    switch: int
    made: Meter


class Removed(msgspec.Struct, frozen=True):
    """A flow with OFPFF_SEND_FLOW_REM is gone: controllers are to hear of it (`replies.flow_removed`)."""

    flow: Flow
    reason: int


class Changes(msgspec.Struct):
    """``flows``, ``groups`` and ``meters`` are the service's own, by its own numbers, None for what is gone: they are
    what is stored. ``rules``, ``switch_groups`` and ``switch_meters`` are what nodes are told: rules by the flow's
    number (None: no node is to have it), the others by the numbers that switches know.
    """

    flows: dict[int, Flow | None] = {}
    groups: dict[int, GroupEntry | None] = {}
    meters: dict[int, MeterEntry | None] = {}
    rules: dict[int, Rule | None] = {}
    switch_groups: dict[int, Group | None] = {}
    switch_meters: dict[int, Meter | None] = {}
    removed: list[Removed] = []

    def __bool__(self) -> bool:
        return bool(self.flows or self.groups or self.meters or self.rules or self.switch_groups or self.switch_meters)

    def update(self, later: Changes) -> None:
        """What ``later`` changed on top of this."""
        self.flows.update(later.flows)
        self.groups.update(later.groups)
        self.meters.update(later.meters)
        self.rules.update(later.rules)
        self.switch_groups.update(later.switch_groups)
        self.switch_meters.update(later.switch_meters)
        self.removed += later.removed
