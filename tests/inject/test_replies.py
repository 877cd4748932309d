"""What a virtual switch answers, as parties that we did not write read it: Open vSwitch's `ofp-print` and os-ken."""

from __future__ import annotations

import re
import shutil
from random import Random
from typing import Any

import pytest

from inject import random_mods
from inject.scenes import ELEMENTS, NONE, SERVICE, scope
from openflow.oracles import ofctl
from segue.inject import features, ports, replies
from segue.inject.changes import Removed
from segue.inject.counts import GroupCount, Known, MeterCount, PortCount
from segue.inject.datapath import Datapath
from segue.inject.errors import Refusal
from segue.inject.flow import Flow
from segue.inject.rooms import Numbers
from segue.inject.said import newest
from segue.openflow import VERSIONS, Message, decode, encode
from segue.openflow import protocol as of
from segue.openflow.pairing import encode_parts
from segue.openflow.wire import V10, V11, V12, V13, V14, V15

UNKNOWN = 0xFFFFFFFFFFFFFFFF
NOT_KNOWN = (of.FlowStatsRequest, of.BundleFeaturesRequest, of.MeterFeaturesRequest)
"""To whose replies in OpenFlow 1.5 Open vSwitch has no reader, or that of 1.4."""
needs_ofctl = pytest.mark.skipif(shutil.which("ovs-ofctl") is None, reason="Open vSwitch is not installed")


def filled(seed: int = 1, wanted: int = 60, only: int = 0) -> Datapath:
    rng, switch = Random(seed), Datapath(scope(), Numbers())
    for number in random_mods.GROUPS:
        switch.apply(of.GroupMod(0, number, 1, [of.Bucket([of.Output(1)], number)]), V13, 1.0)
    for number in random_mods.METERS:
        switch.apply(of.MeterMod(0, number, [of.MeterDrop(100)]), V13, 1.0)
    while len(switch.flows) < wanted:
        version = only or random_mods.version(rng)
        mod = random_mods.flow_mod(rng, version)
        if mod.command < 3:
            try:
                switch.apply(decode(encode(mod, 0, version))[0], version, 1.0)
            except Refusal:
                continue
    return switch


def requests(version: int) -> list[Message]:
    """All that are answered in a version."""
    found: list[Message] = [of.FeaturesRequest(), of.GetConfigRequest(), of.DescRequest()]
    found += [of.FlowStatsRequest(), of.AggregateStatsRequest(), of.TableStatsRequest(), of.PortStatsRequest()]
    found += [of.QueueStatsRequest(0xFFFFFFFC if version == V10 else 0xFFFFFFFF)]
    if version < V14:
        found.append(of.QueueGetConfigRequest(1))
    if version >= V11:
        found += [of.GroupStatsRequest(), of.GroupDescRequest()]
    if version >= V12:
        found.append(of.GroupFeaturesRequest())
    if version >= V13:
        found += [of.PortDescRequest(), of.MeterStatsRequest(), of.MeterDescRequest(), of.MeterFeaturesRequest()]
        found.append(of.TableFeaturesRequest())
    if version >= V14:
        found += [of.TableDescRequest(), of.QueueDescRequest()]
    if version >= V15:
        found += [of.FlowDescRequest(), of.BundleFeaturesRequest()]
    return found


def counts(switch: Datapath) -> Known:
    return Known(
        {number: (number, 100 * number) for number in switch.flows.by_number},
        {number: GroupCount(5, 600, ((5, 600),)) for number in switch.groups},
        {number: MeterCount(7, 800, ((1, 100),)) for number in switch.meters},
        {1: PortCount((11, 1100), (22, 2200))},
    )


def ask(switch: Datapath, msg: Message, version: int, now: float = 3.5) -> Any:
    (reply,) = replies.answer(switch, msg, version, 128, counts(switch), now)
    parts = [decode(part)[0] for part in encode_parts(reply, 1, version)]
    return parts[0]


@needs_ofctl
@pytest.mark.parametrize("version", VERSIONS)
def test_open_vswitch_reads_every_reply(version: int) -> None:
    switch = filled()
    for msg in requests(version):
        if version == V15 and isinstance(msg, NOT_KNOWN):
            continue
        for reply in replies.answer(switch, msg, version, 128, counts(switch), 3.5):
            for part in encode_parts(reply, 1, version):
                assert "***" not in (text := ofctl.ofp_print(part)), text


@pytest.mark.parametrize("version", [V10, V12, V13, V14, V15])
def test_os_ken_reads_every_reply(version: int) -> None:
    parser = pytest.importorskip("os_ken.ofproto.ofproto_parser")
    protocol = pytest.importorskip("os_ken.ofproto.ofproto_protocol")
    datapath = protocol.ProtocolDesc(version=version)
    switch = filled()
    for msg in requests(version):
        for reply in replies.answer(switch, msg, version, 128, counts(switch), 3.5):
            for part in encode_parts(reply, 1, version):
                number, kind, length, xid = parser.header(part)
                read = parser.msg(datapath, number, kind, length, xid, part)
                assert read is not None
                if isinstance(msg, of.FlowStatsRequest) and version == V13:
                    assert len(read.body) == len(switch.flows)


@pytest.mark.parametrize("version", VERSIONS)
def test_features_say_who_and_what(version: int) -> None:
    reply = ask(filled(), of.FeaturesRequest(), version)
    assert reply.datapath_id == features.DATAPATHS | SERVICE
    assert reply.n_tables == (1 if version == V10 else 16) and reply.n_buffers == 0
    assert [port.port_no for port in reply.ports] == ([1, 2, 3, 4] if version < V13 else [])


@pytest.mark.parametrize("version", VERSIONS)
def test_every_controller_is_told_of_the_flows_of_all(version: int) -> None:
    switch = filled()
    found = ask(switch, of.FlowDescRequest() if version == V15 else of.FlowStatsRequest(), version).flows
    assert len(found) == len(switch.flows)
    for said, flow in zip(found, switch.flows.by_number.values(), strict=True):
        assert (said.priority, said.cookie, said.table_id) == (flow.priority, flow.cookie, flow.table)
        assert (said.packet_count, said.byte_count) == (flow.number, 100 * flow.number)
        assert (said.duration_sec, said.duration_nsec) == (2, 500_000_000)
        if version >= V12:
            assert dict(said.match) == dict(flow.match)


def test_flows_that_were_said_in_a_version_are_told_in_it_as_they_were() -> None:
    for version in (V10, V11, V13, V14, V15):
        switch = filled(2, 30, version)
        found = ask(switch, of.FlowDescRequest() if version == V15 else of.FlowStatsRequest(), version).flows
        for said, flow in zip(found, switch.flows.by_number.values(), strict=True):
            actions = of.FlowMod(actions=said.actions, instructions=said.instructions)
            assert replies.statistics.instructions_in(flow.instructions, flow.match, version) == flow.instructions
            mod = of.FlowMod(match=said.match, actions=actions.actions, instructions=actions.instructions)
            assert decode(encode(mod, 0, version))[0].match == flow.match


def test_openflow_1_5_tells_counters_that_are_0() -> None:
    switch = filled()
    nothing = {"packet_count": 0, "byte_count": 0}
    gone = Removed(next(iter(switch.flows)), of.FlowRemovedReason.DELETE)
    told = [(replies.flow_removed(gone, V15, (0, 0), 1.0), {"duration": (0, 0), **nothing})]
    for msg in (of.FlowStatsRequest(), of.FlowDescRequest()):
        (reply,) = replies.answer(switch, msg, V15, now=1.0)
        told += [(one, {"duration": (0, 0), **nothing}) for one in decode(encode(reply, 1, V15))[0].flows]
    (sums,) = replies.answer(switch, of.AggregateStatsRequest(), V15)
    told.append((sums, {"flow_count": len(switch.flows), **nothing}))
    assert len(told) == 2 * len(switch.flows) + 2
    for one, wanted in told:
        read = decode(encode(one, 1, V15))[0] if isinstance(one, Message) else one
        assert dict(read.stats) == wanted


@needs_ofctl
def test_open_vswitch_reads_counters_that_are_0() -> None:
    switch = filled()
    for msg, wanted in (
        (of.FlowDescRequest(), "n_packets=0, n_bytes=0"),
        (of.AggregateStatsRequest(), "packet_count=0 byte_count=0"),
    ):
        (reply,) = replies.answer(switch, msg, V15)
        assert wanted in ofctl.ofp_print(encode_parts(reply, 1, V15)[0])


def test_statistics_are_of_what_was_asked_for() -> None:
    switch = filled()
    for rng in map(Random, range(200)):
        version = random_mods.version(rng)
        mod = random_mods.flow_mod(rng, version)
        if mod.command != 3 or mod.flags:
            continue
        table = 255 if version == V10 else mod.table_id
        cookies = {} if version == V10 else {"cookie": mod.cookie, "cookie_mask": mod.cookie_mask}
        group = {} if version == V10 else {"out_group": mod.out_group}
        asked = of.FlowStatsRequest(match=mod.match, table_id=table, out_port=mod.out_port, **group, **cookies)
        found = ask(switch, asked, version).flows
        sums = ask(switch, of.AggregateStatsRequest(mod.match, table, mod.out_port, **group, **cookies), version)
        assert sums.flow_count == len(found)
        assert sums.packet_count == sum(one.packet_count for one in found)
        with switch.transaction():
            gone = switch.flow_mod(mod, version, 0.0).flows
            kept = len(gone)
        assert kept == len(found)
        switch = filled()


def test_tables_say_what_is_in_them() -> None:
    switch = filled()
    stats = ask(switch, of.TableStatsRequest(), V13).stats
    assert [one.active_count for one in stats] == [switch.flows.counts.get(table, 0) for table in range(16)]
    assert sum(one.matched_count for one in stats) == sum(switch.flows.by_number)
    assert {one.lookup_count for one in stats} == {UNKNOWN}


def test_ports_that_nobody_counts_say_so() -> None:
    stats = {one.port_no: one for one in ask(filled(), of.PortStatsRequest(), V13).stats}
    assert (stats[1].rx_packets, stats[1].tx_bytes) == (11, 2200)
    assert stats[2].rx_packets == stats[2].tx_dropped == UNKNOWN
    assert [one.port_no for one in ask(filled(), of.PortStatsRequest(3), V10).stats] == [3]


def test_groups_and_meters_say_who_uses_them() -> None:
    switch = filled()
    for one in ask(switch, of.GroupStatsRequest(), V13).stats:
        assert one.ref_count == len(switch.flows.using_group(one.group_id)) and one.packet_count == 5
    for one in ask(switch, of.MeterStatsRequest(), V13).stats:
        assert one.flow_count == len(switch.flows.using_meter(one.meter_id)) and one.packet_in_count == 7
    assert [one.group_id for one in ask(switch, of.GroupDescRequest(2), V15).groups] == [2]
    weights = {one.group_id: one.buckets[0].properties for one in ask(switch, of.GroupDescRequest(), V15).groups}
    assert weights[3] == (of.BucketWeight(3),)


def test_table_features_are_what_the_service_may() -> None:
    told = ask(filled(), of.TableFeaturesRequest(), V13).tables
    assert [one.table_id for one in told] == list(range(16)) and {one.max_entries for one in told} == {1000}
    last = {type(one): one for one in told[-1].properties}
    assert not last[of.TableNextTables].table_ids
    assert of.InstructionType.GOTO_TABLE not in [one.type for one in last[of.TableInstructions].instruction_ids]
    behind = Datapath(scope("forward"), Numbers())
    for switch, may in ((filled(), True), (behind, False)):
        first = {type(one): one for one in ask(switch, of.TableFeaturesRequest(), V13).tables[0].properties}
        assert ("ipv4_src" in first[of.TableApplySetfield].oxm_ids) is may
    poor = Datapath(scope(permissions=NONE), Numbers())
    said = {type(one): one for one in ask(poor, of.TableFeaturesRequest(), V13).tables[0].properties}
    assert said[of.TableApplySetfield].oxm_ids == ("metadata",)
    assert [one.type for one in said[of.TableApplyActions].action_ids] == [
        of.ActionType.OUTPUT,
        of.ActionType.SET_FIELD,
    ]


@pytest.mark.parametrize("version", [V13, V14, V15])
def test_what_is_told_of_a_table_may_be_asked_for_and_not_more(version: int) -> None:
    switch = filled()
    told = ask(switch, of.TableFeaturesRequest(), version).tables
    assert ask(switch, of.TableFeaturesRequest(tables=told), version).tables == told
    more = of.TableFeatures(0, max_entries=10, properties=[of.TableApplySetfield(("tunnel_id",))])
    assert refused(switch, of.TableFeaturesRequest(tables=[more]), version) == "OFPTFFC_EPERM"
    large = of.TableFeatures(0, max_entries=100_000)
    assert refused(switch, of.TableFeaturesRequest(tables=[large]), version) == "OFPTFFC_EPERM"
    assert refused(switch, of.TableFeaturesRequest(tables=[of.TableFeatures(16)]), version) == "OFPTFFC_BAD_TABLE"


def test_a_table_may_be_asked_to_do_less() -> None:
    """As Faucet does: some of the fields, whole ones where they can be masked, and table-miss entries said apart."""
    switch = filled()
    properties: list[of.TableFeatureProperty] = [
        of.TableMatch(("eth_dst/m", "eth_src", "in_port", "vlan_vid")),
        of.TableInstructionsMiss([of.InstructionId(of.InstructionType.GOTO_TABLE)]),
        of.TableNextTables((1, 2)),
        of.TableNextTablesMiss((3,)),
        of.TableApplySetfieldMiss(()),
        of.TableApplyActionsMiss([of.ActionId(of.ActionType.OUTPUT)]),
    ]
    less = of.TableFeatures(0, "vlan", properties, max_entries=32, capabilities=3)
    told = ask(switch, of.TableFeaturesRequest(), V13).tables
    assert ask(switch, of.TableFeaturesRequest(tables=[less]), V13).tables == told
    for property in (
        of.TableNextTablesMiss((0,)),
        of.TableApplySetfieldMiss(("tunnel_id",)),
        of.TableInstructionsMiss([of.InstructionId(77)]),
        of.TableMatch(("eth_type/m",)),
    ):
        more = of.TableFeatures(0, properties=[property])
        assert refused(switch, of.TableFeaturesRequest(tables=[more])) == "OFPTFFC_EPERM"
    # What 1.3 says of nothing, later versions say of eviction and warnings.
    assert refused(switch, of.TableFeaturesRequest(tables=[of.TableFeatures(0, capabilities=4)])) == "OFPTFFC_EPERM"
    asks = of.TableFeatures(0, capabilities=int(of.TableConfig.EVICTION))
    assert refused(switch, of.TableFeaturesRequest(tables=[asks]), V14) == "OFPTFFC_EPERM"


def refused(switch: Datapath, msg: Message, version: int = V13) -> str:
    with pytest.raises(Refusal) as raised:
        replies.answer(switch, msg, version)
    return raised.value.error


def test_what_there_is_not_is_refused() -> None:
    switch = filled()
    assert refused(switch, of.FlowStatsRequest(table_id=16)) == "OFPBRC_BAD_TABLE_ID"
    assert refused(switch, of.PortStatsRequest(77)) == "OFPBRC_BAD_PORT"
    assert refused(switch, of.MeterStatsRequest(77)) == "OFPMMFC_UNKNOWN_METER"
    assert refused(switch, of.QueueStatsRequest(77)) == "OFPQOFC_BAD_PORT"
    assert refused(switch, of.QueueStatsRequest(queue_id=3)) == "OFPQOFC_BAD_QUEUE"
    assert refused(switch, of.QueueDescRequest(queue_id=3)) == "OFPQOFC_BAD_QUEUE"
    assert refused(switch, of.FlowMonitorRequest()) == "OFPBRC_BAD_MULTIPART"
    assert refused(switch, of.NxFlowStatsRequest()) == "OFPBRC_BAD_EXPERIMENTER"
    assert refused(switch, of.EchoReply()) == "OFPBRC_BAD_TYPE"


def test_the_end_of_a_flow_is_told_in_every_version() -> None:
    switch = Datapath(scope(), Numbers())
    mod = of.FlowMod(match={"eth_type": 0x86DD, "ipv6_dst": 1}, flags=1, cookie=9, idle_timeout=5, hard_timeout=6)
    switch.apply(mod, V13, 1.0)
    (flow,) = switch.flows
    for version in VERSIONS:
        said = replies.flow_removed(Removed(flow, of.FlowRemovedReason.METER_DELETE), version, (3, 400), 3.25)
        read = decode(encode(said, 0, version))[0]
        assert (read.packet_count, read.byte_count, read.cookie, read.idle_timeout) == (3, 400, 9, 5)
        assert (read.duration_sec, read.duration_nsec) == (2, 250_000_000)
        assert read.reason == (4 if version >= V14 else 2)
        assert read.match == (flow.match if version >= V12 else {"eth_type": 0x86DD})


def test_ports_that_come_and_go_are_told() -> None:
    before, less = scope(), {number: one for number, one in ELEMENTS.items() if number != 2}
    down = less | {1: ELEMENTS[1].__class__(1, "port", "web", 11, 0x020000000001, "", False, 100)}
    for version in VERSIONS:
        told = ports.status(before, scope(elements=down), version)
        assert [(one.reason, one.desc.port_no) for one in told] == [(1, 2), (2, 1)]
        assert not told[1].desc.up and decode(encode(told[1], 0, version))[0] == told[1]
        assert not ports.status(before, before, version)


def test_long_names_of_ports_are_told_apart() -> None:
    names = {ports.describe(ELEMENTS[1].__class__(1, "port", f"a-very-long-name-{n}", 1), V13).name for n in range(9)}
    assert len(names) == 9 and all(re.fullmatch(r".{1,15}", name) for name in names)


def test_what_is_said_of_a_flow_adds_the_same_flow_again() -> None:
    match = {"eth_type": 0x800, "ip_proto": 6, "tcp_dst": 80}
    flags = int(of.FlowModFlags.SEND_FLOW_REM | of.FlowModFlags.RESET_COUNTS)
    was = Flow(3, 7, match, (of.GotoTable(5),), 9, 11, 13, flags, 17, version=V15)
    mod = of.FlowMod(**newest(was))
    assert (
        Flow(
            mod.table_id,
            mod.priority,
            mod.match,
            mod.instructions,  # type: ignore[arg-type]
            mod.cookie,
            mod.idle_timeout,
            mod.hard_timeout,
            mod.flags,
            mod.importance,
            version=V15,
        )
        == was
    )
    told = of.FlowDesc(**newest(was))
    assert all(getattr(told, name) == getattr(mod, name) for name in newest(was))
