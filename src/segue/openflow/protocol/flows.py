"""Flow entries that went, and those that are there: flow removed, flow and aggregate statistics, flow descriptions.

Until OpenFlow 1.4 a flow's counters are fields; 1.5 has a list of statistics (OXS) instead, in any order and none
obligatory. Here `stats` is that list, and the fields stand beside it in every version: filled from the list when it
is read, added to it when it is written. Flow entries with their actions are OFPMP_FLOW until 1.4
(`FlowStatsRequest`); 1.5 gave this number to `FlowDescRequest`, and its OFPMP_FLOW_STATS brings counters alone.
"""

from collections.abc import Sequence

from segue.openflow import declare as w
from segue.openflow.declare import Message, Record, message, reply, request
from segue.openflow.match import MatchLike
from segue.openflow.names import Numbers
from segue.openflow.protocol.families import ACTION, Action, Instruction
from segue.openflow.protocol.flow_mod import FlowModFlags, GroupId, TableId
from segue.openflow.stats import Stats
from segue.openflow.wire import ALL_TABLES, ANY_GROUP, ANY_PORT, V10, V11, V12, V13, V14, V15


class FlowRemovedReason(Numbers, prefix="OFPRR_"):
    IDLE_TIMEOUT = 0
    HARD_TIMEOUT = 1
    DELETE = 2
    GROUP_DELETE = 3  # 1.1 and later
    METER_DELETE = 4  # 1.4 and later
    EVICTION = 5  # 1.4 and later


class FlowStatsReason(Numbers, prefix="OFPFSR_"):
    STATS_REQUEST = 0
    STAT_TRIGGER = 1


_COUNTERS = ("duration_sec", "duration_nsec", "packet_count", "byte_count")


@message("OFPT_FLOW_REMOVED", {V10: 11})
class FlowRemoved(Message, frozen=True, gc=False):
    """A flow entry with OFPFF_SEND_FLOW_REM is gone (OpenFlow 1.5.1 section 7.4.2; 1.0.0 section 5.4.2).

    `idle_timeout` and `hard_timeout` (told since 1.2) are in seconds, as the entry was added, 0 for none; it lived
    `duration_sec` seconds and `duration_nsec` nanoseconds and counted `packet_count` packets and `byte_count` octets,
    all ones where the switch does not know. `priority` is 0 to 65535. `table_id` came with 1.1.
    """

    match: MatchLike = {}
    cookie: int = 0
    priority: int = 0
    reason: int = 0
    table_id: int = 0
    duration_sec: int = 0
    duration_nsec: int = 0
    idle_timeout: int = 0
    hard_timeout: int = 0
    packet_count: int = 0
    byte_count: int = 0
    stats: Stats = {}

    WIRE = (
        w.match("match", until=V10),
        w.u8("table_id", since=V15),
        w.u8("reason", FlowRemovedReason, since=V15),
        w.u64("cookie", until=V14),
        w.u16("priority"),
        w.u8("reason", FlowRemovedReason, until=V14),
        w.pad(1, until=V10),
        w.u8("table_id", since=V11, until=V14),
        w.u32("duration_sec", until=V14),
        w.u32("duration_nsec", until=V14),
        w.u16("idle_timeout"),
        w.pad(2, until=V11),
        w.u16("hard_timeout", since=V12),
        w.u64("packet_count", until=V14),
        w.u64("byte_count", until=V14),
        w.u64("cookie", since=V15),
        w.match("match", since=V11),
        w.counters("stats", *_COUNTERS, since=V15),
    )


class _Selection(Record, frozen=True, gc=False):
    """Which flow entries are asked for (OpenFlow 1.5.1 section 7.3.5): those at least as specific as `match`, of one
    table or all (0xff), and as restricted by `out_port`, `out_group` (ANY: not) and the bits of `cookie` that
    `cookie_mask` has (1.1 and later; 0: not). `rest` is what follows the match in 1.5: nothing, but Open vSwitch reads
    such requests."""

    match: MatchLike = {}
    table_id: int = ALL_TABLES
    out_port: int = ANY_PORT
    out_group: int = ANY_GROUP
    cookie: int = 0
    cookie_mask: int = 0
    rest: bytes = b""
    flags: int = 0

    WIRE = (
        w.match("match", until=V10),
        w.u8("table_id", TableId),
        w.pad(1, until=V10),
        w.pad(3, since=V11),
        w.port("out_port"),
        w.u32("out_group", GroupId, since=V11),
        w.pad(4, since=V11),
        w.u64("cookie", since=V11),
        w.u64("cookie_mask", since=V11),
        w.match("match", since=V11),
        w.data("rest", since=V15),
    )


@request({V10: "OFPST_FLOW", V13: "OFPMP_FLOW", V15: "OFPMP_FLOW_STATS"}, {V10: 1, V15: 17})
class FlowStatsRequest(_Selection, Message, frozen=True, gc=False):
    """Asks for flow entries, in OpenFlow 1.5 for their counters only (OpenFlow 1.5.1 section 7.3.5, OFPMP_FLOW_STATS;
    1.3.5 section 7.3.5.2; 1.0.0 section 5.3.5)."""


class FlowStats(Record, frozen=True, gc=False):
    """One flow entry (OpenFlow 1.5.1 section 7.3.5, OFPMP_FLOW_STATS; 1.3.5 section 7.3.5.2; 1.0.0 section 5.3.5).
    `idle_timeout` and `hard_timeout` are in seconds, 0 for none; `priority` is 0 to 65535; the entry has been there for
    `duration_sec` seconds and `duration_nsec` nanoseconds and has counted `packet_count` packets and `byte_count`
    octets, all ones where the switch does not know. `actions` in OpenFlow 1.0, `instructions` in 1.1 to 1.4, neither in
    1.5; `flags` since 1.3 and `importance`, 0 to 65535, in 1.4; `reason` is why 1.5 tells of it."""

    match: MatchLike = {}
    actions: Sequence[Action] = ()
    instructions: Sequence[Instruction] = ()
    table_id: int = 0
    priority: int = 0
    cookie: int = 0
    duration_sec: int = 0
    duration_nsec: int = 0
    idle_timeout: int = 0
    hard_timeout: int = 0
    flags: int = 0
    importance: int = 0
    packet_count: int = 0
    byte_count: int = 0
    reason: int = 0
    stats: Stats = {}

    WIRE = (
        w.length(),
        w.pad(2, since=V15),
        w.u8("table_id"),
        w.pad(1, until=V14),
        w.u8("reason", FlowStatsReason, since=V15),
        w.match("match", until=V10),
        w.u32("duration_sec", until=V14),
        w.u32("duration_nsec", until=V14),
        w.u16("priority"),
        w.u16("idle_timeout", until=V14),
        w.u16("hard_timeout", until=V14),
        w.pad(6, until=V12),
        w.u16("flags", FlowModFlags, since=V13, until=V14),
        w.pad(4, since=V13, until=V13),
        w.u16("importance", since=V14, until=V14),
        w.pad(2, since=V14, until=V14),
        w.u64("cookie", until=V14),
        w.u64("packet_count", until=V14),
        w.u64("byte_count", until=V14),
        w.match("match", since=V11),
        w.many("actions", ACTION, until=V10),
        w.instructions("instructions", "actions", since=V11, until=V14),
        w.counters("stats", *_COUNTERS, since=V15),
    )


@reply({V10: "OFPST_FLOW", V13: "OFPMP_FLOW", V15: "OFPMP_FLOW_STATS"}, {V10: 1, V15: 17})
class FlowStatsReply(Message, frozen=True, gc=False):
    """Flow entries; more follow in another reply if `flags` has OFPMPF_REPLY_MORE (OpenFlow 1.5.1 section 7.3.5,
    OFPMP_FLOW_STATS; 1.3.5 section 7.3.5.2; 1.0.0 section 5.3.5)."""

    flows: Sequence[FlowStats] = ()
    flags: int = 0

    WIRE = (w.many("flows", FlowStats),)


@request("OFPMP_FLOW_DESC", {V15: 1})
class FlowDescRequest(_Selection, Message, frozen=True, gc=False):
    """Asks for flow entries with their instructions (OpenFlow 1.5.1 section 7.3.5, OFPMP_FLOW_DESC)."""


class FlowDesc(Record, frozen=True, gc=False):
    """One flow entry in OpenFlow 1.5 (OpenFlow 1.5.1 section 7.3.5, OFPMP_FLOW_DESC). `idle_timeout` and `hard_timeout`
    are in seconds, 0 for none; `priority` is 0 to 65535; the entry has been there for `duration_sec` seconds and
    `duration_nsec` nanoseconds and has counted `packet_count` packets and `byte_count` octets, all ones where the
    switch does not know. `importance` is 0 to 65535, the lowest evicted first."""

    match: MatchLike = {}
    actions: Sequence[Action] = ()
    instructions: Sequence[Instruction] = ()
    table_id: int = 0
    priority: int = 0
    cookie: int = 0
    duration_sec: int = 0
    duration_nsec: int = 0
    idle_timeout: int = 0
    hard_timeout: int = 0
    flags: int = 0
    importance: int = 0
    packet_count: int = 0
    byte_count: int = 0
    stats: Stats = {}

    WIRE = (
        w.length(),
        w.pad(2),
        w.u8("table_id"),
        w.pad(1),
        w.u16("priority"),
        w.u16("idle_timeout"),
        w.u16("hard_timeout"),
        w.u16("flags", FlowModFlags),
        w.u16("importance"),
        w.u64("cookie"),
        w.match("match"),
        w.counters("stats", *_COUNTERS),
        w.instructions("instructions", "actions"),
    )


@reply("OFPMP_FLOW_DESC", {V15: 1})
class FlowDescReply(Message, frozen=True, gc=False):
    """Flow entries; more follow in another reply if `flags` has OFPMPF_REPLY_MORE (OpenFlow 1.5.1 section 7.3.5,
    OFPMP_FLOW_DESC)."""

    flows: Sequence[FlowDesc] = ()
    flags: int = 0

    WIRE = (w.many("flows", FlowDesc),)


@request({V10: "OFPST_AGGREGATE", V13: "OFPMP_AGGREGATE", V15: "OFPMP_AGGREGATE_STATS"}, {V10: 2})
class AggregateStatsRequest(_Selection, Message, frozen=True, gc=False):
    """Asks for the sums over flow entries (OpenFlow 1.5.1 section 7.3.5, OFPMP_AGGREGATE_STATS; 1.3.5 section 7.3.5.3;
    1.0.0 section 5.3.5)."""


@reply({V10: "OFPST_AGGREGATE", V13: "OFPMP_AGGREGATE", V15: "OFPMP_AGGREGATE_STATS"}, {V10: 2})
class AggregateStatsReply(Message, frozen=True, gc=False):
    """How many flow entries there are, and the sums of their counters (OpenFlow 1.5.1 section 7.3.5,
    OFPMP_AGGREGATE_STATS; 1.3.5 section 7.3.5.3; 1.0.0 section 5.3.5): `flow_count` entries (0 to 2**32 - 1),
    `packet_count` packets, `byte_count` octets; all ones where the switch does not know."""

    packet_count: int = 0
    byte_count: int = 0
    flow_count: int = 0
    stats: Stats = {}
    flags: int = 0

    WIRE = (
        w.u64("packet_count", until=V14),
        w.u64("byte_count", until=V14),
        w.u32("flow_count", until=V14),
        w.pad(4, until=V14),
        w.counters("stats", "packet_count", "byte_count", "flow_count", since=V15),
    )
