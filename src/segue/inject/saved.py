"""What the store keeps of a virtual switch: `flow/NUMBER`, `group/NUMBER` and `meter/NUMBER`, each with bytes.

Everything that a service said is kept as it said it: instructions, buckets and bands in the bytes of the OpenFlow
version that they were said in, so that nothing is lost; matches, which may be of another version, by name. What nodes
are told is not kept, but translated again: permissions or elements may be others by then.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any, Final

import msgspec

from segue.inject.buckets import given
from segue.inject.changes import Changes, GroupEntry, GroupSaid, MeterEntry
from segue.inject.datapath import Datapath
from segue.inject.errors import Refusal
from segue.inject.flow import Flow, instructions_of
from segue.inject.rooms import Numbers, Room
from segue.inject.table import place
from segue.openflow import (
    V10,
    V13,
    V15,
    ApplyActions,
    FlowMod,
    GroupCommand,
    GroupMod,
    MeterCommand,
    MeterMod,
    decode,
    encode,
)
from segue.openflow.match import Read

FLOW, GROUP, METER = "flow/", "group/", "meter/"


class _Flow(msgspec.Struct, array_like=True):
    """``said``: a flow mod with the instructions and nothing else."""

    table: int
    priority: int
    match: dict[str, int | tuple[int, int]]
    cookie: int
    idle_timeout: int
    hard_timeout: int
    flags: int
    importance: int
    created: float
    version: int
    said: bytes
    begun: int = 0


class _Group(msgspec.Struct, array_like=True):
    """``said``: a group mod; ``ids``: the numbers of its buckets, which not every version says."""

    switch: int
    created: float
    version: int
    ids: list[int]
    said: bytes


class _Meter(msgspec.Struct, array_like=True):
    """``said``: a meter mod of OpenFlow 1.3, which all later versions say alike."""

    switch: int
    created: float
    said: bytes


_encode: Final = msgspec.json.Encoder().encode  # integers of 128 bits are beyond MessagePack
_flow: Final = msgspec.json.Decoder(_Flow).decode
_group: Final = msgspec.json.Decoder(_Group).decode
_meter: Final = msgspec.json.Decoder(_Meter).decode


def writes(changes: Changes) -> Iterator[tuple[str, bytes | None]]:
    """What is to be written, by key; None for what is to be removed."""
    for number, flow in changes.flows.items():
        yield f"{FLOW}{number}", None if flow is None else _flow_bytes(flow)
    for number, group in changes.groups.items():
        yield f"{GROUP}{number}", None if group is None else _group_bytes(group)
    for number, meter in changes.meters.items():
        yield f"{METER}{number}", None if meter is None else _meter_bytes(meter)


def reserve(numbers: Numbers, entries: Mapping[str, bytes]) -> None:
    """Has the numbers of switches that were written kept for who loads this."""
    for key, data in entries.items():
        if key.startswith(GROUP):
            numbers.groups.reserve(_group(data).switch)
        elif key.startswith(METER):
            numbers.meters.reserve(_meter(data).switch)


def load(datapath: Datapath, entries: Mapping[str, bytes]) -> Changes:
    """Fills a datapath that holds nothing with what was written, and has its numbers claimed. The answer is what nodes
    are to be told, and what is to be written: None for what is not permitted any more, and groups and meters whose
    number at the switches is another's, with a new one. ValueError: it is not what `writes` has written."""
    changes = Changes()
    found: dict[str, list[tuple[int, bytes]]] = {FLOW: [], GROUP: [], METER: []}
    for key, data in entries.items():
        kind, _, rest = key.rpartition("/")
        if f"{kind}/" in found:
            found[f"{kind}/"].append((int(rest), data))
    _load_meters(datapath, sorted(found[METER]), changes)
    _load_groups(datapath, sorted(found[GROUP]), changes)
    _load_flows(datapath, sorted(found[FLOW]), changes)
    return changes


def _load_flows(datapath: Datapath, found: Iterable[tuple[int, bytes]], changes: Changes) -> None:
    for number, data in found:
        flow = _flow_of(number, data)
        datapath.following = max(datapath.following, number + 1)
        try:
            rule = datapath.rule(flow)
            datapath.check_copies([(flow, rule)])
        except Refusal:
            changes.flows[number] = None
            continue
        told = Changes()
        datapath.put_flow(flow, place(flow.match), rule, told)
        changes.rules.update(told.rules)


def _load_meters(datapath: Datapath, found: Iterable[tuple[int, bytes]], changes: Changes) -> None:
    for number, data in found:
        kept = _meter(data)
        mod: Any = decode(kept.said)[0]
        bands = tuple(mod.bands)
        switch = _claimed(datapath.numbers.meters, kept.switch)
        try:
            if switch is None:
                raise Refusal("OFPMMFC_OUT_OF_METERS", "its number is another's, and there is no other")
            made = datapath.make_meter(number, mod.flags, bands, switch)
        except Refusal:
            if switch is not None:
                datapath.numbers.meters.give(switch)
            changes.meters[number] = None
            continue
        told = Changes()
        datapath.put_meter(MeterEntry(number, mod.flags, bands, kept.created, switch, made), told)
        changes.switch_meters.update(told.switch_meters)
        if switch != kept.switch:
            changes.meters.update(told.meters)


def _load_groups(datapath: Datapath, found: Iterable[tuple[int, bytes]], changes: Changes) -> None:
    for number, data in found:
        kept = _group(data)
        mod: Any = decode(kept.said)[0]
        pairs = zip(given(mod.buckets, kept.version), kept.ids, strict=True)
        buckets = tuple([msgspec.structs.replace(bucket, bucket_id=own) for bucket, own in pairs])
        said = GroupSaid(number, mod.type, buckets, tuple(mod.properties), kept.version)
        switch = _claimed(datapath.numbers.groups, kept.switch)
        try:
            if switch is None:
                raise Refusal("OFPGMFC_OUT_OF_GROUPS", "its number is another's, and there is no other")
            made = datapath.make_group(said, switch)
        except Refusal:
            if switch is not None:
                datapath.numbers.groups.give(switch)
            changes.groups[number] = None
            continue
        told = Changes()
        datapath.put_group(GroupEntry(said, kept.created, switch, made), told)
        changes.switch_groups.update(told.switch_groups)
        if switch != kept.switch:
            changes.groups.update(told.groups)


def _claimed(room: Room, number: int) -> int | None:
    """The number, or another in its place if it is not free; None if there is none."""
    try:
        room.claim(number)
    except ValueError:
        return room.take()
    return number


def _flow_bytes(flow: Flow) -> bytes:
    if flow.version > V10:
        mod = FlowMod(instructions=flow.instructions)
    else:
        mod = FlowMod(
            actions=[one for part in flow.instructions if isinstance(part, ApplyActions) for one in part.actions]
        )
    match: dict[str, Any] = dict(flow.match)
    kept = _Flow(
        flow.table,
        flow.priority,
        match,
        flow.cookie,
        flow.idle_timeout,
        flow.hard_timeout,
        flow.flags,
        flow.importance,
        flow.created,
        flow.version,
        encode(mod, 0, flow.version),
        flow.begun,
    )
    return _encode(kept)


def _flow_of(number: int, data: bytes) -> Flow:
    kept = _flow(data)
    mod: Any = decode(kept.said)[0]
    match: dict[str, Read] = kept.match
    return Flow(
        kept.table,
        kept.priority,
        match,
        instructions_of(mod),
        kept.cookie,
        kept.idle_timeout,
        kept.hard_timeout,
        kept.flags,
        kept.importance,
        kept.created,
        number,
        kept.version,
        kept.begun,
    )


def _group_bytes(entry: GroupEntry) -> bytes:
    said = entry.said
    ids = [bucket.bucket_id for bucket in said.buckets]
    buckets = said.buckets
    if said.version < V15:
        buckets = tuple([msgspec.structs.replace(bucket, bucket_id=0) for bucket in buckets])
    mod = GroupMod(GroupCommand.ADD, said.number, said.type, buckets, properties=said.properties)
    return _encode(_Group(entry.switch, entry.created, said.version, ids, encode(mod, 0, said.version)))


def _meter_bytes(entry: MeterEntry) -> bytes:
    mod = MeterMod(MeterCommand.ADD, entry.number, entry.bands, entry.flags)
    return _encode(_Meter(entry.switch, entry.created, encode(mod, 0, V13)))
