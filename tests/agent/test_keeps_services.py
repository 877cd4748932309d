"""What the server tells of injected services is on a real switch, and stays there; what the switch will not have is
left out alone."""

from __future__ import annotations

import asyncio
import contextlib
import re

import pytest
from agent_scene import BRIDGE, Server, dump, flows, go, met, rule, running, serving, table

from openflow.open_vswitch import OpenVSwitch
from segue.agent.agent import Agent
from segue.model.program import (
    FIRST_GROUP,
    FIRST_METER,
    Band,
    Bucket,
    Clone,
    DecTtl,
    Group,
    Meter,
    Next,
    PopVlan,
    PushVlan,
    SetField,
    SetQueue,
    ToGroup,
    ToService,
    UseMeter,
)
from segue.model.stages import SERVICE_METADATA, TARGET_PORT, VERDICT
from segue.model.view import AnyRecord, FlowRecord, GroupRecord, MeterRecord, ServiceRecord

pytestmark = pytest.mark.root

G, M = FIRST_GROUP, FIRST_METER
TAKEN = SetField(VERDICT, 0)
OUT = (SetField(TARGET_PORT, 3), Next("redirect"))
BUCKETS = (
    Bucket((SetField("eth_dst", 0x020000000003), *OUT), 3),
    Bucket((SetField("ip_dscp", 10), DecTtl(), SetQueue(4), *OUT), 1),
    Bucket((PushVlan(), SetField("vlan_vid", 0x1064), PopVlan(), SetField(SERVICE_METADATA, 5, 0xFF), *OUT), 0),
    Bucket((SetField("in_port", 0), *OUT)),
)


def group(number: int = G, kind: str = "select", buckets: tuple[Bucket, ...] = BUCKETS) -> GroupRecord:
    return GroupRecord(Group(number, kind, buckets, "service/s7"))


def meter(number: int = M, rate: int = 10, burst: int = 0, packets: bool = True) -> MeterRecord:
    return MeterRecord(Meter(number, packets, (Band(rate, burst),), "service/s7"))


def program() -> dict[str, AnyRecord | None]:
    return {
        f"group/{G}": group(),
        f"group/{G + 1}": group(G + 1, "all", ()),
        f"group/{G + 2}": group(G + 2, "indirect", (Bucket(OUT),)),
        f"meter/{M}": meter(),
        f"meter/{M + 1}": meter(M + 1, 1000, 50, packets=False),
        **flows(
            7,
            (
                rule(7, UseMeter(M), Next("service_1")),
                rule(7, Clone((ToGroup(G),), apart=True), ToGroup(G + 2), TAKEN, table=1, eth_type=0x800, ip_proto=17),
                rule(7, ToService(7, 1, 0x77, 0, 0xFFFF, M), TAKEN, table=1),
            ),
        ),
    }


def everything(ovs: OpenVSwitch) -> tuple[str, str, str]:
    """Groups, meters and flows of service 7, but for what is counted."""
    target = ovs.management(BRIDGE)
    counted = re.compile(r"(duration|n_packets|n_bytes|idle_age|hard_age)=[^, ]*,? ?")
    found = [ovs.ofctl(6, what, target) for what in ("dump-groups", "dump-meters")]
    lines = [*(one.splitlines()[1:] for one in found), counted.sub("", dump(ovs, 7)).splitlines()[1:]]
    groups, meters, rules = ("\n".join(sorted(one)) for one in lines)
    return groups, meters, rules


async def settle(ovs: OpenVSwitch, wanted: tuple[str, str, str]) -> None:
    for _ in range(100):
        await asyncio.sleep(0.05)
        with contextlib.suppress(AssertionError):  # the switch may be on its way back
            if everything(ovs) == wanted:
                return
    assert everything(ovs) == wanted


def ages(ovs: OpenVSwitch, what: str) -> list[float]:
    return [float(age) for age in re.findall(r"duration[=:]([0-9.]+)", ovs.ofctl(6, what, ovs.management(BRIDGE)))]


def test_groups_and_meters_are_there_and_come_back_when_the_switch_is_killed(ovs: OpenVSwitch) -> None:
    async def scene(server: Server, agent: Agent) -> None:
        said = await server.hold(program())
        assert said.refused == {}
        before = everything(ovs)
        assert [before[0].count("group_id="), before[1].count("meter="), before[2].count("cookie=")] == [3, 2, 3], (
            before
        )
        assert re.search(
            r"type=select,selection_method=hash,fields\([^)]*\),bucket=bucket_id:0,weight:3,", before[0]
        ), before[0]
        ovs.signal("ovs-vswitchd")
        ovs.start_switch()
        await settle(ovs, before)

    go(ovs, scene)


def test_a_restarted_agent_finds_groups_and_meters_as_they_should_be_and_leaves_them(ovs: OpenVSwitch) -> None:
    async def main() -> None:
        async with serving(ovs) as server:
            async with running(ovs, server):
                await server.hold(program())
                before = everything(ovs)
                await asyncio.sleep(1.5)
            server.records[f"group/{G + 1}"] = group(G + 1, "indirect", (Bucket(()),))
            async with running(ovs, server):
                after = everything(ovs)
        assert after[1:] == before[1:]
        assert "type=indirect" in after[0]
        assert after[0].replace("type=indirect,bucket=bucket_id:0,actions=drop", "type=all") == before[0]
        # What is put again begins to count again.
        assert sorted(age > 1.4 for age in ages(ovs, "dump-group-stats")) == [True, True, True]
        assert all(age > 1.4 for age in ages(ovs, "meter-stats"))
        assert all(age > 1.4 for age in ages(ovs, "dump-flows"))

    asyncio.run(asyncio.wait_for(main(), 60))


@pytest.mark.parametrize(
    "by_hand",
    [
        ("del-groups", f"group_id={G}"),
        ("del-groups",),
        ("mod-group", f"group_id={G + 1},type=all,bucket=actions=drop"),
        ("add-group", f"group_id={G + 9},type=all"),
        ("del-meter", f"meter={M}"),
        ("del-meters",),
        ("mod-meter", f"meter={M + 1},kbps,band=type=drop,rate=5"),
        ("add-meter", f"meter={M + 9},kbps,band=type=drop,rate=5"),
    ],
    ids=lambda words: " ".join(words),
)
def test_what_somebody_does_to_groups_and_meters_is_undone_at_once(ovs: OpenVSwitch, by_hand: tuple[str, ...]) -> None:
    async def scene(server: Server, agent: Agent) -> None:
        await server.hold(program())
        before = everything(ovs)
        ovs.ofctl(6, by_hand[0], ovs.management(BRIDGE), *by_hand[1:])
        assert everything(ovs) != before
        await settle(ovs, before)

    go(ovs, scene)


def test_groups_and_meters_with_other_numbers_are_left_alone(ovs: OpenVSwitch) -> None:
    async def scene(server: Server, agent: Agent) -> None:
        target = ovs.management(BRIDGE)
        for number in (5, G - 1, G + (1 << 24)):
            ovs.ofctl(6, "add-group", target, f"group_id={number},type=all")
        for number in (5, M - 1, M + 0x8000):
            ovs.ofctl(6, "add-meter", target, f"meter={number},kbps,band=type=drop,rate=5")
        await server.hold(program())
        ovs.ofctl(6, "del-groups", target, f"group_id={G}")
        await asyncio.sleep(0.5)
        held = everything(ovs)
        assert held[0].count("group_id=") == 6
        assert held[1].count("meter=") == 5

    go(ovs, scene)


def test_a_meter_that_is_put_back_holds_packets_back_again(ovs: OpenVSwitch) -> None:
    """Open vSwitch binds a rule to the meter that it has when the rule comes, under numbers of its own; a rule that
    sends to the controller through one outlives it."""

    async def scene(server: Server, agent: Agent) -> None:
        first = {f"meter/{M}": meter(), f"meter/{M + 1}": meter(M + 1, 1_000_000)}
        await server.hold({**first, **flows(7, (rule(7, ToService(7, 0, 1, 1, 64, M)),))})
        target = ovs.management(BRIDGE)
        # The numbers are given anew, the other way round.
        ovs.ofctl(6, "del-meters", target)
        for number in (M + 1, M):
            ovs.ofctl(6, "add-meter", target, f"meter={number},pktps,band=type=drop,rate=10")
        await asyncio.sleep(0.5)
        await server.hold()
        for _ in range(300):
            await server.send(*met(7))
        await asyncio.sleep(1)
        counted = await server.ask("meter-counts", numbers=f"{M}")
        assert counted[str(M)]["packets"] == 300, counted

    go(ovs, scene)


BAD = SetField("tcp_dst", 80)
"""Open vSwitch wants a match that says TCP."""


def test_a_rule_that_the_switch_refuses_is_left_out_alone_and_reported(ovs: OpenVSwitch) -> None:
    async def scene(server: Server, agent: Agent) -> None:
        good = [rule(7, Next("service_1"), priority=n) for n in range(1, 20)]
        bad = rule(8, BAD, Next("service_1"))
        said = await server.hold({**flows(7, good), **flows(8, (rule(8, priority=3), bad)), f"group/{G}": group()})
        assert list(said.refused) == ["flow/8/2"]
        assert "OFPBAC_MATCH_INCONSISTENT" in said.refused["flow/8/2"]
        assert dump(ovs, 7).count("cookie=") == 19
        assert dump(ovs, 8).count("cookie=") == 1
        # Another record of the same key is another matter.
        right = rule(8, BAD, Next("service_1"), eth_type=0x800, ip_proto=6)
        said = await server.hold({"flow/8/2": FlowRecord(right)})
        assert said.refused == {}
        assert dump(ovs, 8).count("cookie=") == 2

    go(ovs, scene)


def test_where_the_gate_cannot_look_at_headers_the_service_is_served_all_the_same(ovs: OpenVSwitch) -> None:
    """A switch without room for more rules in that table: the service's own are there, and packets come to them."""

    def gates() -> int:
        return ovs.ofctl(6, "dump-flows", ovs.management(BRIDGE), f"table={table('service_gate')}").count("cookie=")

    async def scene(server: Server, agent: Agent) -> None:
        services = {f"service/{key}": ServiceRecord(f"s{key}", key, "egress", ()) for key in (7, 8)}
        await server.hold({**services, **flows(8, (rule(8, eth_src=1),))})
        assert gates() == 5
        bridge, number = ("bridge", BRIDGE), table("service_gate")
        full = ("--id=@t", "create", "Flow_Table", "flow_limit=5", "--", "set", *bridge, f"flow_tables:{number}=@t")
        await asyncio.to_thread(ovs.vsctl, "--", *full)
        mine = flows(7, (rule(7, eth_type=0x800, ipv4_src=1), rule(7, priority=3, eth_src=1)))
        said = await server.hold(mine)
        assert (said.refused, gates(), dump(ovs, 7).count("cookie=")) == ({}, 5, 4)
        # One of those that go was never there.
        said = await server.hold({"flow/7/1": None})
        assert (said.refused, gates(), dump(ovs, 7).count("cookie=")) == ({}, 5, 3)
        agent._keeper.disturbed({(table("service_0"), 0)})
        said = await server.hold({"flow/7/3": FlowRecord(rule(7, priority=4))})
        assert (said.refused, gates(), dump(ovs, 7).count("cookie=")) == ({}, 5, 4)
        await asyncio.to_thread(ovs.vsctl, "remove", *bridge, "flow_tables", f"{number}")
        agent._keeper._retry_refused()
        said = await server.hold({"flow/7/3": None})
        assert (said.refused, gates(), dump(ovs, 7).count("cookie=")) == ({}, 6, 4)
        said = await server.hold(dict.fromkeys(mine))
        assert (said.refused, gates()) == ({}, 5)

    go(ovs, scene)


def test_what_a_refused_rule_was_to_replace_is_gone(ovs: OpenVSwitch) -> None:
    async def scene(server: Server, agent: Agent) -> None:
        await server.hold(flows(7, (rule(7, TAKEN, eth_type=0x800), rule(7, Next("service_1"), priority=5))))
        assert dump(ovs, 7).count("cookie=") == 2
        said = await server.hold({"flow/7/1": FlowRecord(rule(7, BAD, Next("service_1"), eth_type=0x800))})
        assert list(said.refused) == ["flow/7/1"]
        assert dump(ovs, 7).count("cookie=") == 1
        assert "priority=5" in dump(ovs, 7)

    go(ovs, scene)


def test_hundreds_of_refused_rules_cost_a_few_round_trips(ovs: OpenVSwitch, monkeypatch: pytest.MonkeyPatch) -> None:
    from segue.openflow.client import OpenFlowClient

    bundles, barriers = [], []
    bundle, barrier = OpenFlowClient.bundle, OpenFlowClient.barrier

    async def counting_bundle(self: OpenFlowClient, mods: list[object]) -> None:
        bundles.append(len(mods))
        await bundle(self, mods)  # type: ignore[arg-type]

    async def counting_barrier(self: OpenFlowClient) -> None:
        barriers.append(None)
        await barrier(self)

    async def scene(server: Server, agent: Agent) -> None:
        monkeypatch.setattr(OpenFlowClient, "bundle", counting_bundle)
        monkeypatch.setattr(OpenFlowClient, "barrier", counting_barrier)
        bad = [rule(8, BAD, Next("service_1"), priority=n) for n in range(1, 301)]
        lost = [rule(8, ToGroup(G + 77), priority=n, table=1) for n in range(1, 301)]
        fine = [rule(8, Next("service_1"), priority=n, table=2) for n in ()] + [rule(8, priority=7, table=3)]
        others = [rule(service, Next("service_1")) for service in range(100, 150)]
        told = flows(8, (*bad, *lost, *fine))
        for number, one in enumerate(others):
            told[f"flow/{100 + number}/1"] = FlowRecord(one)
        said = await server.hold(told)
        assert len(said.refused) == 600
        assert dump(ovs, 8).count("cookie=") == 1
        assert dump(ovs, 120).count("cookie=") == 1
        assert len(bundles) + len(barriers) <= 8, (bundles, barriers)

    go(ovs, scene)


def test_many_services_with_one_refused_rule_each_cost_a_few_round_trips(
    ovs: OpenVSwitch, monkeypatch: pytest.MonkeyPatch
) -> None:
    from segue.openflow.client import OpenFlowClient

    bundles = []
    bundle = OpenFlowClient.bundle

    async def counting_bundle(self: OpenFlowClient, mods: list[object]) -> None:
        bundles.append(len(mods))
        await bundle(self, mods)  # type: ignore[arg-type]

    async def scene(server: Server, agent: Agent) -> None:
        monkeypatch.setattr(OpenFlowClient, "bundle", counting_bundle)
        told: dict[str, AnyRecord | None] = {}
        for service in range(100, 200):
            told |= flows(service, (rule(service, BAD), rule(service, priority=2)))
        said = await server.hold(told)
        assert sorted(said.refused) == sorted(f"flow/{service}/1" for service in range(100, 200))
        assert all(dump(ovs, service).count("cookie=") == 1 for service in (100, 150, 199))
        assert len(bundles) <= 12, bundles

    go(ovs, scene)


def test_a_refused_meter_takes_with_it_what_goes_through_it_and_nothing_else(ovs: OpenVSwitch) -> None:
    async def scene(server: Server, agent: Agent) -> None:
        told = {f"meter/{M}": meter(rate=0), f"meter/{M + 1}": meter(M + 1)}
        rules = (
            rule(7, UseMeter(M), Next("service_1")),
            rule(7, ToService(7, 0, 1, 1, 64, M), priority=5),
            rule(7, UseMeter(M + 1), Next("service_1"), priority=3),
        )
        said = await server.hold({**told, **flows(7, rules)})
        assert sorted(said.refused) == ["flow/7/1", "flow/7/2", f"meter/{M}"]
        assert "OFPMMFC_BAD_RATE" in said.refused[f"meter/{M}"]
        assert dump(ovs, 7).count("cookie=") == 1
        said = await server.hold({f"meter/{M}": meter()})
        assert said.refused == {}
        assert dump(ovs, 7).count("cookie=") == 3

    go(ovs, scene)


def test_a_refused_group_goes_with_the_rules_that_name_it(ovs: OpenVSwitch) -> None:
    async def scene(server: Server, agent: Agent) -> None:
        said = await server.hold({**program(), **flows(8, (rule(8, ToGroup(G)),))})
        assert said.refused == {}
        # An indirect group has one bucket.
        two = group(G, "indirect", (Bucket(OUT), Bucket(OUT)))
        said = await server.hold({f"group/{G}": two})
        assert sorted(said.refused) == ["flow/7/2", "flow/8/1", f"group/{G}"]
        assert "OFPGMFC" in said.refused[f"group/{G}"]
        assert dump(ovs, 7).count("cookie=") == 2
        assert everything(ovs)[0].count("group_id=") == 2
        said = await server.hold({f"group/{G}": group()})
        assert said.refused == {}
        assert dump(ovs, 7).count("cookie=") == 3
        assert dump(ovs, 8).count("cookie=") == 1

    go(ovs, scene)


def test_a_meter_in_a_bucket_is_refused_because_the_switch_would_pass_over_it(ovs: OpenVSwitch) -> None:
    async def scene(server: Server, agent: Agent) -> None:
        through = group(G, "all", (Bucket((UseMeter(M), *OUT)),))
        said = await server.hold({f"meter/{M}": meter(), f"group/{G}": through, **flows(7, (rule(7, ToGroup(G)),))})
        assert sorted(said.refused) == ["flow/7/1", f"group/{G}"]

    go(ovs, scene)


def test_a_service_that_goes_leaves_nothing(ovs: OpenVSwitch) -> None:
    async def scene(server: Server, agent: Agent) -> None:
        empty = everything(ovs)
        told = program()
        await server.hold(told)
        assert everything(ovs) != empty
        await server.hold(dict.fromkeys(told))
        assert everything(ovs) == empty == ("", "", "")

    go(ovs, scene)
