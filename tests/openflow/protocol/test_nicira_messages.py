"""Open vSwitch's own messages, against Open vSwitch."""

from typing import Any

import pytest

from segue.openflow import codec
from segue.openflow.protocol import nicira_conntrack as ct
from segue.openflow.protocol import nicira_messages as n
from segue.openflow.protocol import nicira_packets as p
from segue.openflow.protocol import nicira_tables as t
from segue.openflow.protocol.actions import Output
from segue.openflow.wire import V10, V11, V12, V13, V14, V15, VERSIONS, EncodeError

from .judged import Row, check, check_mutilated, parameters, refuse

FRAME = bytes.fromhex("5054000000065054000000050806") + bytes(46)
NXM: dict[str, Any] = {"reg0": 5, "eth_type": 0x0800, "ipv4_dst": 0x0A000001}
NXM_SAID = "ip,reg0=0x5,nw_dst=10.0.0.1"
ACTIONS = (Output(4),)
LIVED: dict[str, Any] = {"duration_sec": 5, "duration_nsec": 6}
COUNTED: dict[str, Any] = {"packet_count": 8, "byte_count": 9}
PROPERTIES = (
    p.PacketInPacket(FRAME),
    p.PacketInFullLen(99),
    p.PacketInBufferId(0x114),
    p.PacketInTableId(7),
    p.PacketInCookie(0xFEDCBA9876543210),
    p.PacketInReasonProperty(1),
    p.PacketInMetadata({"metadata": 0x5A5A5A5A5A5A5A5A}),
    p.PacketInUserdata(b"\1\2\3\4\5"),
)
CONTINUATION = p.PacketInContinuation(bytes.fromhex("80070008000000ff"))
PACKET_SAID = (
    "table_id=7 cookie=0xfedcba9876543210 total_len=99 metadata=0x5a5a5a5a5a5a5a5a (via action) data_len=60 "
    "buffer=0x00000114"
)
V4 = 0xFFFF << 32
TUPLE = (ct.CtTupleSrc(V4 | 0x0A000001), ct.CtTupleDst(V4 | 0x0A000002), ct.CtTupleSrcPort(1), ct.CtTupleDstPort(2))
TUPLE_SAID = "ct_nw_src=10.0.0.1,ct_nw_dst=10.0.0.2,ct_tp_src=1,ct_tp_dst=2"
ICMP = (ct.CtTupleSrc(1), ct.CtTupleIcmpId(5), ct.CtTupleIcmpType(8), ct.CtTupleIcmpCode(1))
LATER = (ct.CtMark(1), ct.CtMarkMask(3), ct.CtLabels(1 << 127), ct.CtLabelsMask((1 << 128) - 1))
MAPS = (t.TlvMap(0xFFFF, 0, 4, 0), t.TlvMap(0xFFFE, 1, 8, 2))
MAPS_SAID = "0xffff 0 4 tun_metadata0 0xfffe 0x1 8 tun_metadata2"
IPFIX = (1, 2, 3, 4, 5, 6, 7, 8, 9, 10)
IPFIX_SAID = "flows=1, current flows=2, sampled pkts=3, ipv4 ok=4, ipv6 ok=5, tx pkts=9 pkts errs=6, ipv4 errs=7"

ROWS: list[Row] = [
    (n.SetFlowFormat(2), (V10,), "format=nxm"),
    (n.NxFlowMod(NXM, ACTIONS, 0, 7, 8, 9, 10, 1), (V10,), f"priority=7,{NXM_SAID} cookie:0x8 idle:9 hard:10"),
    (n.NxFlowMod({}, (), 4, 7, 8, out_port=5, buffer_id=3), VERSIONS, "priority=7 cookie:0x8 buf:0x3 out_port:5"),
    (
        n.NxFlowRemoved(NXM, 7, 8, 2, 4, **LIVED, idle_timeout=9, **COUNTED),
        VERSIONS,
        f"priority=8,{NXM_SAID} reason=delete table_id=3 cookie:0x7 duration5.000000006s idle9 pkts8 bytes9",
    ),
    (n.FlowModTableId(1), VERSIONS, "enable"),
    (n.FlowModTableId(0), VERSIONS, "disable"),
    (n.FlowAge(), VERSIONS, "FLOW_AGE"),
    (n.NxFlowStatsRequest(NXM, 3, 4), (V10,), f"table=3 out_port=4 {NXM_SAID}"),
    (n.NxAggregateStatsRequest(NXM, 3, 4), (V10,), f"table=3 out_port=4 {NXM_SAID}"),
    (
        n.NxFlowStatsReply(
            (
                n.NxFlowStats(NXM, ACTIONS, 1, 2, 3, **LIVED, idle_age=11, hard_age=4, **COUNTED),
                n.NxFlowStats({"in_port_nxm": 1}, (), hard_timeout=4, idle_timeout=5),
            ),
            1,
        ),
        (V10,),
        "cookie=0x3, duration=5.000000006s, table=1, n_packets=8, n_bytes=9, idle_age=10, hard_age=3, priority=2,"
        f"{NXM_SAID} actions=output:4 cookie=0x0, duration=0s, table=0, n_packets=0, n_bytes=0, idle_timeout=5, "
        "hard_timeout=4, priority=0,in_port=1 actions=drop",
    ),
    (n.NxAggregateStatsReply(1, 2, 3), (V10,), "packet_count=1 byte_count=2 flow_count=3"),
    (p.SetPacketInFormat(1), VERSIONS, "format=nxt_packet_in"),
    (p.SetPacketInFormat(2), VERSIONS, "format=nxt_packet_in2"),
    (
        p.NxPacketIn(0x114, 64, 1, 7, 9, {"reg0": 5, "in_port_nxm": 3}, FRAME),
        VERSIONS,
        "table_id=7 cookie=0x9 total_len=64 reg0=0x5,in_port=3 (via action) data_len=60 buffer=0x00000114",
    ),
    (p.NxPacketIn2(PROPERTIES), VERSIONS, f"{PACKET_SAID} userdata=01.02.03.04.05"),
    (p.NxPacketIn2((*PROPERTIES, CONTINUATION)), VERSIONS, PACKET_SAID),
    (p.NxPacketIn2((p.UnknownPacketInProperty(99, b"odd"),)), VERSIONS, None),
    (p.Resume((*PROPERTIES[:-1], CONTINUATION)), VERSIONS, f"NXT_RESUME{{}}: {PACKET_SAID}"),
    (ct.CtFlushZone(9), VERSIONS, "zone_id=9"),
    (ct.CtFlush(17, (ct.CtOrigTuple(TUPLE),)), VERSIONS, f"zone=0 '{TUPLE_SAID},ct_nw_proto=17' '"),
    (
        ct.CtFlush(6, (ct.CtOrigTuple(TUPLE), ct.CtReplyTuple(TUPLE), ct.CtZoneId(13))),
        VERSIONS,
        f"zone=13 '{TUPLE_SAID},ct_nw_proto=6' '{TUPLE_SAID}'",
    ),
    (ct.CtFlush(58, (ct.CtReplyTuple(ICMP),)), VERSIONS, "icmp_id=5,icmp_type=8,icmp_code=1"),
    (ct.CtFlush(0, LATER), VERSIONS, None),
    (
        ct.CtFlush(0, (ct.UnknownCtFlushProperty(99, b"odd"), ct.CtOrigTuple((ct.UnknownCtTupleProperty(98, b"2"),)))),
        VERSIONS,
        None,
    ),
    (t.TlvTableMod(0, MAPS), VERSIONS, "ADD mapping table: class type length match field"),
    (t.TlvTableMod(2), VERSIONS, "CLEAR"),
    (t.TlvTableRequest(), VERSIONS, "NXT_TLV_TABLE_REQUEST"),
    (t.TlvTableReply(256, 64, MAPS), VERSIONS, "max option space=256 max fields=64"),
    (t.IpfixBridgeStatsRequest(), VERSIONS, "NXST_IPFIX_BRIDGE request"),
    (t.IpfixBridgeStatsReply(*IPFIX), VERSIONS, IPFIX_SAID),
    (t.IpfixFlowStatsRequest(), VERSIONS, "NXST_IPFIX_FLOW request"),
    (t.IpfixFlowStatsReply((t.IpfixStats(*IPFIX, 1), t.IpfixStats(*IPFIX, 2)), 0), VERSIONS, f"id 2: {IPFIX_SAID}"),
]


@pytest.mark.parametrize(("message", "version", "said"), parameters(ROWS))
def test_there_and_back(message: n.NxFlowMod, version: int, said: str | None) -> None:
    name = "" if version == V10 else f" (OF1.{version - 1})"
    check(message, version, said and said.replace("{}", f"{name} (xid=0x2a)"))


def test_mutilated() -> None:
    check_mutilated(ROWS)


def test_a_packet_goes_back() -> None:
    packet_in = p.NxPacketIn2((*PROPERTIES, CONTINUATION))
    assert p.Resume.of(packet_in) == p.Resume((*PROPERTIES[:-1], CONTINUATION))
    other = p.Resume.of(packet_in, b"other", {"metadata": 1})
    assert other.properties[0] == p.PacketInPacket(b"other")
    assert p.PacketInMetadata({"metadata": 1}) in other.properties
    assert packet_in.find(p.PacketInCookie) == PROPERTIES[4]
    with pytest.raises(EncodeError, match="no continuation"):
        p.Resume.of(p.NxPacketIn2(PROPERTIES))


def test_pipeline_fields_are_oxm_since_1_2() -> None:
    message = p.NxPacketIn2((p.PacketInMetadata({"in_port": 3}),))
    for version in (V12, V13, V14, V15):
        assert codec.encode(message, 1, version)[16:] == bytes.fromhex("0006000c80000004000000030000 0000")
        assert codec.decode(codec.encode(message, 1, version))[0] == message


def test_what_a_version_has_not() -> None:
    refuse(n.SetFlowFormat(2), V11, "has no SetFlowFormat")
    refuse(n.NxFlowStatsRequest(), V11, "has no NxFlowStatsRequest")
    refuse(n.NxFlowMod(out_port=0x10000), V13, "cannot be said in 16 bits")
    refuse(ct.CtFlush(0, (ct.CtLabels(1 << 128),)), V13, "128 bits")
