"""Flow removed, flow and aggregate statistics, flow descriptions, against Open vSwitch."""

from typing import Any

import pytest

from segue.openflow import codec
from segue.openflow.protocol.actions import Output
from segue.openflow.protocol.flows import (
    AggregateStatsReply,
    AggregateStatsRequest,
    FlowDesc,
    FlowDescReply,
    FlowDescRequest,
    FlowRemoved,
    FlowStats,
    FlowStatsReply,
    FlowStatsRequest,
)
from segue.openflow.protocol.instructions import ApplyActions, GotoTable
from segue.openflow.wire import V10, V11, V12, V13, V14, V15, VERSIONS

from .judged import Row, check, check_mutilated, parameters, refuse

MATCH: dict[str, Any] = {"in_port": 3, "eth_type": 0x0800, "ipv4_dst": 0x0A000001}
MIDDLE = (V11, V12, V13, V14)
ACTIONS = (Output(4),)
INSTRUCTIONS = (ApplyActions(ACTIONS), GotoTable(9))
STATS: dict[str, Any] = {"duration": (5, 6), "idle_time": (1, 2), "packet_count": 8, "byte_count": 9}
GONE: dict[str, Any] = {"match": MATCH, "cookie": 7, "priority": 8, "reason": 2, "idle_timeout": 10}
LIVED: dict[str, Any] = {"duration_sec": 5, "duration_nsec": 6, "packet_count": 8, "byte_count": 9}
GONE_SAID = "reason=delete"
LIVED_SAID = "cookie:0x7 duration5.000000006s"
ENTRY: dict[str, Any] = {"match": MATCH, "table_id": 1, "priority": 2, "cookie": 3, **LIVED}
ENTRY_SAID = "cookie=0x3, duration=5.000000006s, table=1, n_packets=8, n_bytes=9,"
MATCH_SAID = "in_port=3,nw_dst=10.0.0.1"

ROWS: list[Row] = [
    (FlowRemoved(**GONE, **LIVED), (V10,), f"{GONE_SAID} {LIVED_SAID} idle10 pkts8 bytes9"),
    (FlowRemoved(**GONE, **LIVED, table_id=6), (V11,), f"{GONE_SAID} table_id=6 {LIVED_SAID} idle10 pkts8"),
    (
        FlowRemoved(**GONE, **LIVED, table_id=6, hard_timeout=11),
        (V12, V13, V14),
        f"{GONE_SAID} table_id=6 {LIVED_SAID} idle10 hard11 pkts8 bytes9",
    ),
    (
        FlowRemoved(**GONE, **LIVED, table_id=6, hard_timeout=11, stats=STATS),
        (V15,),
        f"{GONE_SAID} table_id=6 {LIVED_SAID} idle10 hard11 pkts8 bytes9",
    ),
    (FlowStatsRequest(MATCH, 1, 2), (V10,), f"table=1 out_port=2 ip,{MATCH_SAID}"),
    (FlowStatsRequest(MATCH, 1, 2, 3, 0x10, 0xF0), MIDDLE, f"table=1 out_port=2 ip,{MATCH_SAID}"),
    (FlowStatsRequest(MATCH, 1, 2, 3, 0x10, 0xF0), (V15,), None),
    (
        FlowDescRequest(MATCH, 1, 2, 3, 0x10, 0xF0),
        (V15,),
        f"FLOW request (OF1.5) (xid=0x2a): table=1 out_port=2 ip,{MATCH_SAID}",
    ),
    (AggregateStatsRequest(MATCH, 1), VERSIONS, f"AGGREGATE request{{}}: table=1 ip,{MATCH_SAID}"),
    (AggregateStatsReply(1, 2, 3), (V10, *MIDDLE), "packet_count=1 byte_count=2 flow_count=3"),
    (
        AggregateStatsReply(1, 2, 3, {"packet_count": 1, "byte_count": 2, "flow_count": 3}),
        (V15,),
        "packet_count=1 byte_count=2 flow_count=3",
    ),
    (FlowStatsReply((FlowStats(actions=ACTIONS, **ENTRY),) * 2, 1), (V10,), f"{ENTRY_SAID} priority=2,ip,{MATCH_SAID}"),
    (
        FlowStatsReply((FlowStats(instructions=INSTRUCTIONS, **ENTRY),) * 2),
        MIDDLE,
        "actions=output:4,goto_table:9",
    ),
    (FlowStatsReply((FlowStats(instructions=INSTRUCTIONS, flags=1, **ENTRY),)), (V13, V14), "send_flow_rem"),
    (FlowStatsReply((FlowStats(importance=77, hard_timeout=5, **ENTRY),)), (V14,), "hard_timeout=5, importance=77"),
    (FlowStatsReply((FlowStats(MATCH, table_id=1, priority=2, reason=1, stats=STATS, **LIVED),) * 2), (V15,), None),
    (
        FlowDescReply(
            (
                FlowDesc(instructions=INSTRUCTIONS, stats=STATS, idle_timeout=4, flags=1, importance=6, **ENTRY),
                FlowDesc(MATCH, **LIVED, stats=STATS),
            )
        ),
        (V15,),
        f"{ENTRY_SAID} idle_timeout=4, send_flow_rem importance=6, idle_age=1, priority=2,ip,{MATCH_SAID}",
    ),
    (FlowStatsReply(), VERSIONS, None),
]


@pytest.mark.parametrize(("message", "version", "said"), parameters(ROWS))
def test_there_and_back(message: FlowRemoved, version: int, said: str | None) -> None:
    name = "" if version == V10 else f" (OF1.{version - 1})"
    check(message, version, said and said.replace("{}", f"{name} (xid=0x2a)"))


def test_mutilated() -> None:
    check_mutilated(ROWS)


def test_counters_stand_in_fields_and_in_stats() -> None:
    read, _, _ = codec.decode(codec.encode(FlowRemoved(**GONE, **LIVED), 1, V15))
    assert read.stats == {"duration": (5, 6), "packet_count": 8, "byte_count": 9}
    assert (read.duration_sec, read.duration_nsec, read.packet_count, read.byte_count) == (5, 6, 8, 9)
    read, _, _ = codec.decode(codec.encode(FlowRemoved(stats={"packet_count": 1}, packet_count=2), 1, V15))
    assert (read.stats, read.packet_count) == ({"packet_count": 1}, 1)
    read, _, _ = codec.decode(codec.encode(AggregateStatsReply(flow_count=4), 1, V15))
    assert (read.stats, read.flow_count) == ({"flow_count": 4}, 4)
    refuse(FlowRemoved(stats=STATS), V14, "stats: OpenFlow 1.4 has no such field")


def test_what_follows_the_match_of_a_request_stays() -> None:
    check(AggregateStatsRequest(rest=bytes(8)), V15, "AGGREGATE request (OF1.5)")
    refuse(AggregateStatsRequest(rest=bytes(8)), V14, "rest")


def test_short_for_apply_actions() -> None:
    of_1_3, of_1_5 = FlowStatsReply((FlowStats(actions=ACTIONS),)), FlowDescReply((FlowDesc(actions=ACTIONS),))
    for version, reply in ((V13, of_1_3), (V15, of_1_5)):
        read, _, _ = codec.decode(codec.encode(reply, 1, version))
        assert read.flows[0].instructions == (ApplyActions(ACTIONS),)
    refuse(FlowStatsReply((FlowStats(actions=ACTIONS),)), V15, "actions")
