"""Group and meter modifications (OpenFlow 1.5.1 sections 6.7, 6.8, 7.3.4.3 and 7.3.4.5).

Groups lead to no groups and through no meters (`translate.group`), so with a group or a meter go the flows that use it,
and nothing else.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

import msgspec

from segue.inject import buckets
from segue.inject.changes import Changes, GroupEntry, GroupSaid, MeterEntry
from segue.inject.errors import Refusal
from segue.inject.said import bucket_in
from segue.inject.state import State
from segue.openflow import (
    ALL_GROUPS,
    V15,
    FlowRemovedReason,
    GroupCommand,
    GroupMod,
    MeterCommand,
    MeterMod,
    MeterNumber,
)
from segue.openflow.protocol.groups import ALL_BUCKETS
from segue.openflow.protocol.meters import ALL_METERS

GROUPS: Final = 256
"""How many groups a service can have."""
METERS: Final = 32
"""How many meters a service can have: switches have few, for all services together."""
LEFT: Final = 8_192
"""Numbers of meters that no service takes for its own: they are for the packet-ins and copies of services to come."""
_LAST_GROUP: Final = 0xFFFFFF00
_WHOLE: Final = (GroupCommand.ADD, GroupCommand.MODIFY, GroupCommand.DELETE)
_BUCKETS: Final = (GroupCommand.INSERT_BUCKET, GroupCommand.REMOVE_BUCKET)


def group_mod(state: State, msg: GroupMod, version: int, now: float) -> Changes:
    """Adds, changes or removes groups. Refusal, and then nothing has changed."""
    command, number = msg.command, msg.group_id
    if command not in _WHOLE and not (version >= V15 and command in _BUCKETS):
        raise Refusal("OFPGMFC_BAD_COMMAND", f"this version has no command of a group mod with the number {command}")
    if version >= V15 and command in _WHOLE and msg.command_bucket_id != ALL_BUCKETS:
        raise Refusal("OFPGMFC_BAD_BUCKET", "the command is about the whole group: command_bucket_id has to be ALL")
    if command == GroupCommand.DELETE:
        return _delete_groups(state, number)
    if number > _LAST_GROUP:
        raise Refusal("OFPGMFC_INVALID_GROUP", f"a group's number is at most {_LAST_GROUP:#x}, not {number:#x}")
    if command in _BUCKETS:
        buckets.check_place(msg.command_bucket_id, command == GroupCommand.INSERT_BUCKET)
    given = buckets.given(msg.buckets, version)
    old = state.groups.get(number)
    if command == GroupCommand.ADD:
        if old is not None:
            raise Refusal("OFPGMFC_GROUP_EXISTS", f"there is a group {number}; modify it, or delete it first")
        if len(state.groups) >= GROUPS:
            raise Refusal("OFPGMFC_OUT_OF_GROUPS", f"a service has at most {GROUPS} groups; delete one")
    elif old is None:
        raise Refusal("OFPGMFC_UNKNOWN_GROUP", f"there is no group {number}; add it")
    if old is None or command not in _BUCKETS:
        said = GroupSaid(number, msg.type, given, tuple(msg.properties), version)
    else:
        held = tuple([bucket_in(bucket, version) for bucket in old.said.buckets])
        if command == GroupCommand.INSERT_BUCKET:
            held = buckets.insert(held, given, msg.command_bucket_id)
        else:
            held = buckets.remove(held, msg.command_bucket_id)
        said = msgspec.structs.replace(old.said, buckets=held, version=version)
    changes = Changes()
    if old is None:
        made = state.make_group(said, 0)  # so that no number is taken for what is refused
        switch = state.take(state.numbers.groups, "OFPGMFC_OUT_OF_GROUPS")
        state.put_group(GroupEntry(said, now, switch, msgspec.structs.replace(made, number=switch)), changes)
    else:
        made = state.make_group(said, old.switch)
        state.check_group_copies(made)
        state.put_group(GroupEntry(said, old.created, old.switch, made), changes)
    return state.done(changes)


def _delete_groups(state: State, number: int) -> Changes:
    if number != ALL_GROUPS and number > _LAST_GROUP:
        raise Refusal("OFPGMFC_INVALID_GROUP", f"a group's number is at most {_LAST_GROUP:#x}, or ALL")
    changes = Changes()
    drop_groups(state, set(state.groups) if number == ALL_GROUPS else {number} & state.groups.keys(), changes)
    return state.done(changes)


def drop_groups(state: State, groups: Iterable[int], changes: Changes) -> None:
    """Removes groups, and the flows that lead to them."""
    for number in sorted(groups):
        for flow in sorted(state.flows.using_group(number)):
            state.drop_flow(state.flows.by_number[flow], FlowRemovedReason.GROUP_DELETE, changes)
        state.drop_group(number, changes)


def meter_mod(state: State, msg: MeterMod, now: float) -> Changes:
    """Adds, changes or removes meters. Refusal, and then nothing has changed."""
    command, number, bands = msg.command, msg.meter_id, tuple(msg.bands)
    changes = Changes()
    if command == MeterCommand.DELETE:
        drop_meters(state, set(state.meters) if number == ALL_METERS else {number} & state.meters.keys(), changes)
        return state.done(changes)
    if command not in (MeterCommand.ADD, MeterCommand.MODIFY):
        raise Refusal("OFPMMFC_BAD_COMMAND", f"no command of a meter mod has the number {command}")
    if not 1 <= number <= MeterNumber.MAX:
        raise Refusal("OFPMMFC_INVALID_METER", f"a service's meters have numbers from 1 to {int(MeterNumber.MAX):#x}")
    old = state.meters.get(number)
    if command == MeterCommand.ADD and old is not None:
        raise Refusal("OFPMMFC_METER_EXISTS", f"there is a meter {number}; modify it, or delete it first")
    if command == MeterCommand.MODIFY and old is None:
        raise Refusal("OFPMMFC_UNKNOWN_METER", f"there is no meter {number}; add it")
    if old is None:
        if len(state.meters) >= METERS:
            raise Refusal("OFPMMFC_OUT_OF_METERS", f"a service has at most {METERS} meters; delete one")
        made = state.make_meter(number, msg.flags, bands, 0)
        switch = state.take(state.numbers.meters, "OFPMMFC_OUT_OF_METERS", LEFT)
        made = msgspec.structs.replace(made, number=switch)
        entry = MeterEntry(number, msg.flags, bands, now, switch, made)
    else:
        made = state.make_meter(number, msg.flags, bands, old.switch)
        entry = msgspec.structs.replace(old, flags=msg.flags, bands=bands, made=made)
    state.put_meter(entry, changes)
    return state.done(changes)


def drop_meters(state: State, meters: Iterable[int], changes: Changes) -> None:
    """Removes meters, and the flows that go through them."""
    for number in sorted(meters):
        for flow in sorted(state.flows.using_meter(number)):
            state.drop_flow(state.flows.by_number[flow], FlowRemovedReason.METER_DELETE, changes)
        state.drop_meter(number, changes)
