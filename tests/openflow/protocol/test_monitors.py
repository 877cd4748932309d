"""Flow monitors of all three kinds, against Open vSwitch."""

from typing import Any

import pytest

from segue.openflow import codec
from segue.openflow.protocol import monitors as m
from segue.openflow.protocol.actions import Output
from segue.openflow.protocol.instructions import ApplyActions
from segue.openflow.wire import V10, V11, V12, V13, V14, V15

from .judged import Row, check, check_mutilated, parameters, refuse

OLD = (V10, V11, V12)
NEW = (V14, V15)
MATCH: dict[str, Any] = {"in_port": 3, "eth_type": 0x0800, "ipv4_dst": 0x0A000001}
NXM: dict[str, Any] = {"reg0": 5, "eth_type": 0x0800, "ipv4_dst": 0x0A000001}
ACTIONS = (Output(4),)
INSTRUCTIONS = (ApplyActions(ACTIONS),)
ABOUT: dict[str, Any] = {"table_id": 5, "priority": 6, "cookie": 7, "idle_timeout": 8, "hard_timeout": 9}
ABOUT_SAID = "table=5 idle_timeout=8 hard_timeout=9 cookie=0x7 ip,"
MATCH_SAID = "in_port=3,nw_dst=10.0.0.1"
NXM_SAID = "reg0=0x5,nw_dst=10.0.0.1"

ROWS: list[Row] = [
    (
        m.FlowMonitorRequest((m.FlowMonitor(0x11, MATCH), m.FlowMonitor(0x12, {}, 14, 1, 3, 4, 5))),
        NEW,
        f"id=17 flags=initial,add,delete,modify,actions ip,{MATCH_SAID} id=18 flags=add,delete,modify out_port=4 "
        "out_group=5 table=3",
    ),
    (m.FlowMonitorRequest((m.FlowMonitor(0x11, command=2),)), NEW, "id=17 command=delete"),
    (
        m.FlowMonitorReply(
            (
                m.FlowUpdateInitial(MATCH, (), INSTRUCTIONS, **ABOUT),
                m.FlowUpdateAdded(MATCH, (), INSTRUCTIONS, **ABOUT),
                m.FlowUpdateModified({}, (), INSTRUCTIONS),
                m.FlowUpdateRemoved(MATCH, reason=2, **ABOUT),
                m.FlowUpdateAbbrev(0x1234),
            ),
            1,
        ),
        NEW,
        f"event=INITIAL {ABOUT_SAID}{MATCH_SAID} actions=output:4 event=ADDED {ABOUT_SAID}{MATCH_SAID} "
        f"actions=output:4 event=MODIFIED table=0 cookie=0 actions=output:4 event=DELETED reason=delete {ABOUT_SAID}"
        f"{MATCH_SAID} event=ABBREV xid=0x1234",
    ),
    (m.FlowMonitorReply((m.FlowUpdatePaused(),)), NEW, "event=PAUSED"),
    (m.FlowMonitorReply((m.FlowUpdateResumed(), m.UnknownFlowUpdate(9, b"1234"))), NEW, None),
    (m.NxFlowMonitorRequest((m.NxFlowMonitor(0x11, NXM), m.NxFlowMonitor(0x12, {}, 0x2E, 3, 4))), OLD, NXM_SAID),
    (
        m.NxFlowMonitorRequest((m.NxFlowMonitor(0x12, {}, 0x2E, 3, 4),)),
        OLD,
        "flags=add,delete,modify,own out_port=4 table=3",
    ),
    (m.OnfFlowMonitorRequest((m.NxFlowMonitor(0x11, MATCH), m.NxFlowMonitor(1, {}, 0x2E, 3, 4))), (V13,), MATCH_SAID),
    (m.OnfFlowMonitorRequest((m.NxFlowMonitor(0x11, m.BareMatch(MATCH)), m.NxFlowMonitor(0x12))), (V13,), None),
    (
        m.NxFlowMonitorReply(
            (
                m.NxFlowUpdateAdded(NXM, ACTIONS, **ABOUT),
                m.NxFlowUpdateDeleted(NXM, reason=1, **ABOUT),
                m.NxFlowUpdateModified(NXM, ACTIONS, **ABOUT),
                m.NxFlowUpdateAbbrev(0x1234),
            )
        ),
        OLD,
        f"event=ADDED {ABOUT_SAID}{NXM_SAID} actions=output:4 event=DELETED reason=hard {ABOUT_SAID}{NXM_SAID} "
        f"event=MODIFIED {ABOUT_SAID}{NXM_SAID} actions=output:4 event=ABBREV xid=0x1234",
    ),
    (
        m.OnfFlowMonitorReply(
            (
                m.NxFlowUpdateAdded(MATCH, (), INSTRUCTIONS, **ABOUT),
                m.NxFlowUpdateDeleted(MATCH, reason=1, **ABOUT),
                m.NxFlowUpdateAbbrev(0x1234),
            )
        ),
        (V13,),
        f"event=ADDED {ABOUT_SAID}{MATCH_SAID} actions=output:4 event=DELETED reason=hard {ABOUT_SAID}{MATCH_SAID} "
        "event=ABBREV xid=0x1234",
    ),
    (m.NxFlowMonitorReply((m.UnknownNxFlowUpdate(9, b"1234"),)), OLD, None),
    (m.NxFlowMonitorCancel(0x11), OLD, "id=17"),
    (m.OnfFlowMonitorCancel(0x11), (V13,), "id=17"),
    (m.NxFlowMonitorPaused(), OLD, "FLOW_MONITOR_PAUSED"),
    (m.OnfFlowMonitorPaused(), (V13,), "FLOW_MONITOR_PAUSED"),
    (m.NxFlowMonitorResumed(), OLD, "FLOW_MONITOR_RESUMED"),
    (m.OnfFlowMonitorResumed(), (V13,), "FLOW_MONITOR_RESUMED"),
]


@pytest.mark.parametrize(("message", "version", "said"), parameters(ROWS))
def test_there_and_back(message: m.FlowMonitorRequest, version: int, said: str | None) -> None:
    check(message, version, said)


def test_mutilated() -> None:
    check_mutilated(ROWS)


def test_the_match_of_1_3_in_both_forms() -> None:
    whole = codec.encode(m.OnfFlowMonitorRequest((m.NxFlowMonitor(0x11, {"in_port": 3}),)), 1, V13)
    assert whole[30:32] == b"\0\x0c"
    assert whole[40:] == bytes.fromhex("0001000c800000040000000300000000")
    bare = codec.encode(m.OnfFlowMonitorRequest((m.NxFlowMonitor(0x11, m.BareMatch(in_port=3)),)), 1, V13)
    assert bare[30:32] == b"\0\x08"
    assert bare[40:] == bytes.fromhex("8000000400000003")
    assert isinstance(codec.decode(bare)[0].monitors[0].match, m.BareMatch)
    assert not isinstance(codec.decode(whole)[0].monitors[0].match, m.BareMatch)


def test_what_a_version_has_not() -> None:
    refuse(m.FlowMonitorRequest(), V13, "has no FlowMonitorRequest")
    refuse(m.NxFlowMonitorRequest(), V13, "has no NxFlowMonitorRequest")
    refuse(m.OnfFlowMonitorReply(), V14, "has no OnfFlowMonitorReply")
    refuse(m.NxFlowMonitorReply((m.NxFlowUpdateAdded(instructions=INSTRUCTIONS),)), V10, "instructions")
