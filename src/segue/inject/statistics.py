"""Statistics and descriptions of what a virtual switch holds, for the version of the controller that asks.

A counter that nobody keeps reads all ones, as OpenFlow has it (1.5.1 section 7.3.5). OpenFlow 1.5 has flows' counters
in lists (section 7.2.4), and what is not in one is unknown: so those are given whole, with counters that are 0.
"""

from __future__ import annotations

from typing import Any, Final

import msgspec

from segue.inject.changes import Removed
from segue.inject.counts import Counted, Counts, GroupCount, MeterCount
from segue.inject.datapath import Datapath
from segue.inject.errors import Refusal
from segue.inject.features import table_stats
from segue.inject.flow import Flow
from segue.inject.flow_mods import own_match
from segue.inject.ports import describe, sayable
from segue.inject.said import bucket_in, instructions_in, match_in, newest
from segue.inject.scope import Element
from segue.inject.table import Selection
from segue.model.stages import SERVICE_TABLES
from segue.openflow import (
    ALL_GROUPS,
    ALL_TABLES,
    ANY_GROUP,
    ANY_PORT,
    V10,
    V12,
    V13,
    V14,
    V15,
    AggregateStatsReply,
    ApplyActions,
    BucketCounter,
    FlowDesc,
    FlowDescReply,
    FlowDescRequest,
    FlowRemoved,
    FlowRemovedReason,
    FlowStats,
    FlowStatsReply,
    GroupDesc,
    GroupDescReply,
    GroupStats,
    GroupStatsReply,
    Message,
    MeterBandStats,
    MeterDesc,
    MeterDescReply,
    MeterStats,
    MeterStatsReply,
    PortDescReply,
    PortStats,
    PortStatsEthernet,
    PortStatsReply,
    TableStatsReply,
)
from segue.openflow.protocol.meters import ALL_METERS
from segue.openflow.stats import Stats

_UNKNOWN: Final = 0xFFFFFFFFFFFFFFFF
_UNKNOWN_TIME: Final = 0xFFFFFFFF
_NO_COUNT: Final[Counted] = (0, 0)


def flow_removed(gone: Removed, version: int, count: Counted, now: float) -> FlowRemoved | None:
    """What a controller of ``version`` is told when a flow ends; None where the version cannot say its table."""
    flow, reason = gone.flow, gone.reason
    if version == V10 and flow.table:
        return None
    if (reason == FlowRemovedReason.GROUP_DELETE and version == V10) or (
        reason == FlowRemovedReason.METER_DELETE and version < V14
    ):
        reason = FlowRemovedReason.DELETE
    seconds, nanoseconds = age(flow.created, now)
    return FlowRemoved(
        match=match_in(flow.match, version),
        cookie=flow.cookie,
        priority=flow.priority,
        reason=reason,
        table_id=flow.table,
        duration_sec=seconds,
        duration_nsec=nanoseconds,
        idle_timeout=flow.idle_timeout,
        hard_timeout=flow.hard_timeout if version >= V12 else 0,
        packet_count=count[0],
        byte_count=count[1],
        stats=_counters(seconds, nanoseconds, count) if version >= V15 else {},
    )


def flows(datapath: Datapath, msg: Any, version: int, counts: Counts, now: float) -> Message:
    """Of single flows, or their descriptions."""
    found = _selected(datapath, msg, version)
    if isinstance(msg, FlowDescRequest):
        return FlowDescReply(flows=[_described(flow, counts, now) for flow in found])
    return FlowStatsReply(flows=[_counted(flow, version, counts, now) for flow in found])


def aggregate(datapath: Datapath, msg: Any, version: int, counts: Counts) -> Message:
    """The sums over flows."""
    found = _selected(datapath, msg, version)
    kept = [counts.flows.get(flow.number, _NO_COUNT) for flow in found]
    packets, octets = sum(packets for packets, _ in kept), sum(octets for _, octets in kept)
    listed = {"flow_count": len(found), "packet_count": packets, "byte_count": octets}
    return AggregateStatsReply(packets, octets, len(found), stats=listed if version >= V15 else {})


def tables(datapath: Datapath, version: int, counts: Counts) -> Message:
    """What is in each table."""
    matched = dict.fromkeys(range(SERVICE_TABLES), 0)
    for flow in datapath.flows:
        matched[flow.table] += counts.flows.get(flow.number, _NO_COUNT)[0]
    return TableStatsReply(
        stats=[
            table_stats(datapath.scope, number, version, datapath.flows.counts.get(number, 0), matched[number])
            for number in range(1 if version == V10 else SERVICE_TABLES)
        ]
    )


def port_descriptions(datapath: Datapath, msg: Any, version: int) -> Message:
    """Of one port or of all."""
    return PortDescReply(ports=[describe(one, version) for one in _ports(datapath, msg.port_no, version)])


def ports(datapath: Datapath, msg: Any, version: int, counts: Counts) -> Message:
    """Packets from and to the network's ports, the service's or not."""
    return PortStatsReply(stats=[_port(one, version, counts) for one in _ports(datapath, msg.port_no, version)])


def groups(datapath: Datapath, msg: Any, version: int, counts: Counts, now: float) -> Message:
    """Of one group or of all."""
    stats = []
    for number in _group_numbers(datapath, msg.group_id):
        entry, count = datapath.groups[number], counts.groups.get(number, GroupCount())
        seconds, nanoseconds = age(entry.created, now) if version >= V13 else (0, 0)
        kept = count.buckets + (_NO_COUNT,) * (len(entry.said.buckets) - len(count.buckets))
        stats.append(
            GroupStats(
                group_id=number,
                ref_count=len(datapath.flows.using_group(number)),
                packet_count=count.packets,
                byte_count=count.octets,
                duration_sec=seconds,
                duration_nsec=nanoseconds,
                bucket_stats=[BucketCounter(*one) for one in kept[: len(entry.said.buckets)]],
            )
        )
    return GroupStatsReply(stats=stats)


def group_descriptions(datapath: Datapath, msg: Any, version: int) -> Message:
    """Of all groups, in OpenFlow 1.5 perhaps of one."""
    described = []
    for number in _group_numbers(datapath, msg.group_id):
        said = datapath.groups[number].said
        buckets = said.buckets
        if said.version != version or version < V15:
            buckets = tuple([bucket_in(bucket, version) for bucket in buckets])
        described.append(GroupDesc(number, said.type, buckets, said.properties if version >= V15 else ()))
    return GroupDescReply(groups=described)


def meters(datapath: Datapath, msg: Any, version: int, counts: Counts, now: float) -> Message:
    """Of one meter or of all."""
    stats = []
    for number in _meter_numbers(datapath, msg.meter_id):
        entry, count = datapath.meters[number], counts.meters.get(number, MeterCount())
        seconds, nanoseconds = age(entry.created, now)
        uses = len(datapath.flows.using_meter(number))
        kept = count.bands + (_NO_COUNT,) * (len(entry.bands) - len(count.bands))
        one = MeterStats(
            meter_id=number,
            packet_in_count=count.packets,
            byte_in_count=count.octets,
            duration_sec=seconds,
            duration_nsec=nanoseconds,
            band_stats=[MeterBandStats(*band) for band in kept[: len(entry.bands)]],
        )
        stats.append(msgspec.structs.replace(one, **{"ref_count" if version >= V15 else "flow_count": uses}))
    return MeterStatsReply(stats=stats)


def meter_descriptions(datapath: Datapath, msg: Any) -> Message:
    """Of one meter or of all."""
    held = [datapath.meters[number] for number in _meter_numbers(datapath, msg.meter_id)]
    return MeterDescReply(meters=[MeterDesc(one.number, one.bands, one.flags) for one in held])


def age(created: float, now: float) -> tuple[int, int]:
    """Seconds and nanoseconds; clocks that were put back make nothing younger than nothing."""
    lived = max(0.0, now - created)
    return int(lived), int(lived % 1 * 1_000_000_000)


# -- underneath --------------------------------------------------------------------------------------------------------


def _selected(datapath: Datapath, msg: Any, version: int) -> list[Flow]:
    if SERVICE_TABLES <= msg.table_id < ALL_TABLES:
        raise Refusal("OFPBRC_BAD_TABLE_ID", f"a service has the tables 0 to {SERVICE_TABLES - 1}")
    match, _ = own_match(msg.match, version)
    cookie_mask = msg.cookie_mask if version > V10 else 0
    group = msg.out_group if version > V10 else ANY_GROUP
    return datapath.flows.select(Selection(match, msg.table_id, msg.out_port, group, msg.cookie, cookie_mask))


def _counted(flow: Flow, version: int, counts: Counts, now: float) -> FlowStats:
    packets, octets = counts.flows.get(flow.number, _NO_COUNT)
    seconds, nanoseconds = age(flow.created, now)
    match = match_in(flow.match, version)
    if version >= V15:
        return FlowStats(
            match=match,
            table_id=flow.table,
            priority=flow.priority,
            duration_sec=seconds,
            duration_nsec=nanoseconds,
            packet_count=packets,
            byte_count=octets,
            stats=_counters(seconds, nanoseconds, (packets, octets)),
        )
    said = instructions_in(flow.instructions, flow.match, version)
    return FlowStats(
        match=match,
        actions=[action for one in said if isinstance(one, ApplyActions) for action in one.actions]
        if version == V10
        else (),
        instructions=() if version == V10 else said,
        table_id=flow.table,
        priority=flow.priority,
        cookie=flow.cookie,
        duration_sec=seconds,
        duration_nsec=nanoseconds,
        idle_timeout=flow.idle_timeout,
        hard_timeout=flow.hard_timeout,
        flags=flow.flags if version >= V13 else 0,
        importance=flow.importance if version == V14 else 0,
        packet_count=packets,
        byte_count=octets,
    )


def _described(flow: Flow, counts: Counts, now: float) -> FlowDesc:
    packets, octets = counts.flows.get(flow.number, _NO_COUNT)
    seconds, nanoseconds = age(flow.created, now)
    return FlowDesc(
        **newest(flow),
        duration_sec=seconds,
        duration_nsec=nanoseconds,
        packet_count=packets,
        byte_count=octets,
        stats=_counters(seconds, nanoseconds, (packets, octets)),
    )


def _counters(seconds: int, nanoseconds: int, count: Counted) -> Stats:
    """In the form of OpenFlow 1.5."""
    return {"duration": (seconds, nanoseconds), "packet_count": count[0], "byte_count": count[1]}


def _ports(datapath: Datapath, number: int, version: int) -> list[Element]:
    elements = datapath.scope.elements
    if number == ANY_PORT:
        return [elements[one] for one in sorted(elements) if sayable(elements[one], version)]
    if number not in elements:
        raise Refusal("OFPBRC_BAD_PORT", f"the service has no port {number:#x}")
    return [elements[number]]


def _port(element: Element, version: int, counts: Counts) -> PortStats:
    count = counts.ports.get(element.number)
    rx, tx = (count.rx, count.tx) if count is not None else ((_UNKNOWN, _UNKNOWN), (_UNKNOWN, _UNKNOWN))
    more: dict[str, Any] = dict.fromkeys(("rx_dropped", "tx_dropped", "rx_errors", "tx_errors"), _UNKNOWN)
    errors = dict.fromkeys(("rx_frame_err", "rx_over_err", "rx_crc_err", "collisions"), _UNKNOWN)
    if version >= V14:
        more["properties"] = (PortStatsEthernet(**errors),)
    else:
        more |= errors
    if version >= V13:
        more |= {"duration_sec": _UNKNOWN_TIME, "duration_nsec": _UNKNOWN_TIME}
    return PortStats(element.number, rx[0], tx[0], rx[1], tx[1], **more)


def _group_numbers(datapath: Datapath, number: int) -> list[int]:
    """Of a group that is not there nothing is told, as Open vSwitch does."""
    if number == ALL_GROUPS:
        return sorted(datapath.groups)
    return [number] if number in datapath.groups else []


def _meter_numbers(datapath: Datapath, number: int) -> list[int]:
    if number == ALL_METERS:
        return sorted(datapath.meters)
    if number not in datapath.meters:
        raise Refusal("OFPMMFC_UNKNOWN_METER", f"there is no meter {number}")
    return [number]
