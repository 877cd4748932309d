"""Packets from a real switch to injected services, and from services to the switch."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest
from agent_scene import BRIDGE, FRAME, Server, flows, go, met, rule

from openflow.open_vswitch import OpenVSwitch
from segue.agent.agent import Agent
from segue.model.program import (
    FIRST_GROUP,
    FIRST_METER,
    Band,
    Bucket,
    Group,
    Meter,
    Next,
    SetField,
    ToGroup,
    ToService,
    UseMeter,
)
from segue.model.protocol import Punted
from segue.model.stages import INJECTED, ROUTER_ELEMENT, SOURCE_PORT, TARGET_PORT, VERDICT
from segue.model.view import (
    FlowRecord,
    GroupRecord,
    HookRecord,
    MeterRecord,
    NetworkRecord,
    PortRecord,
    ServiceRecord,
    Turn,
)

pytestmark = pytest.mark.root

G, M = FIRST_GROUP, FIRST_METER
TAKEN = SetField(VERDICT, 0)
OUT = (SetField(TARGET_PORT, 3), Next("redirect"))


def test_a_packet_comes_with_all_that_the_service_is_to_know(ovs: OpenVSwitch) -> None:
    async def scene(server: Server, agent: Agent) -> None:
        await server.hold(
            flows(
                7,
                (
                    rule(7, ToService(7, 3, 0xFEDCBA9876543210, 0, 20), TAKEN, eth_type=0x800),
                    rule(7, ToService(7, 0, 1), TAKEN, priority=1),
                    rule(9, ToService(9, 15, (1 << 64) - 1, 1, 0), TAKEN, priority=1),
                ),
            )
        )
        other = FRAME[:12] + b"\x88\xb5" + FRAME[14:]
        await server.send(*met(7, ROUTER_ELEMENT | 0xABCDEF, 0x1122334455667788))
        await server.send(*met(7, 3, 5 << 32), data=other)
        await server.send(*met(9, 4, 6))
        await server.until(lambda: len(server.punted) == 3)
        whole = len(FRAME)
        # Each service's come in order.
        assert sorted(server.punted, key=lambda packet: packet.service) == [
            Punted(7, ROUTER_ELEMENT | 0xABCDEF, 3, 0xFEDCBA9876543210, 0, whole, FRAME[:20], 0x1122334455667788),
            Punted(7, 3, 0, 1, 1, whole, other, 5 << 32),
            Punted(9, 4, 15, (1 << 64) - 1, 1, whole, b"", 6),
        ]

    go(ovs, scene)


def test_a_meter_bounds_how_many_come_of_one_service_and_not_of_another(ovs: OpenVSwitch) -> None:
    async def scene(server: Server, agent: Agent) -> None:
        meter = MeterRecord(Meter(M, True, (Band(20),), "service/s7"))
        rules = (rule(7, ToService(7, 0, 1, meter=M), TAKEN), rule(8, ToService(8, 0, 1), TAKEN))
        await server.hold({f"meter/{M}": meter, **flows(7, rules)})
        for _ in range(5):
            for _ in range(100):
                await server.send(*met(7))
            await server.send(*met(8))
            await asyncio.sleep(0.2)
        await asyncio.sleep(0.3)
        mine = [packet.service for packet in server.punted]
        assert mine.count(8) == 5
        # Twenty at once, and twenty a second.
        assert 20 <= mine.count(7) <= 70, mine.count(7)

    go(ovs, scene)


@pytest.mark.slow
def test_a_flood_that_the_server_does_not_read_takes_no_more_memory_and_no_others_place(ovs: OpenVSwitch) -> None:
    flood, size = 100_000, 1400

    async def scene(server: Server, agent: Agent) -> None:
        rules = (rule(7, ToService(7, 0, 1), TAKEN), rule(8, ToService(8, 0, 1), TAKEN))
        await server.hold(flows(7, rules))
        await server.send(*met(7))
        await server.until(lambda: len(server.punted) == 1)
        server.reads.clear()
        await server.send(*met(7))  # the server stops reading behind this one
        big = FRAME + bytes(size - len(FRAME))
        seen = await count(agent)
        before = resident()
        await pour(ovs, big, flood)
        await server.send(*met(8, 5))
        await asyncio.sleep(0.5)
        grown = resident() - before
        came = seen[0]
        assert came > flood // 10, came
        assert grown < 30 << 20, grown
        # A change takes effect meanwhile; it is only not heard of.
        told = len(server.punted)
        server.reads.set()
        await server.until(lambda: any(packet.service == 8 for packet in server.punted))
        await asyncio.sleep(0.5)
        behind = [packet for packet in server.punted[told:] if packet.service == 7]
        assert len(behind) < 2000
        assert sum(packet.lost for packet in behind) + len(behind) == pytest.approx(came, abs=3)

    go(ovs, scene, within=200)


def test_what_else_is_said_stands_behind_few_packets(ovs: OpenVSwitch) -> None:
    async def scene(server: Server, agent: Agent) -> None:
        await server.hold(flows(7, (rule(7, ToService(7, 0, 1), TAKEN),)))
        await server.send(*met(7))
        await server.until(lambda: len(server.punted) == 1)
        server.reads.clear()
        await server.send(*met(7))  # the server stops reading behind this one
        await server.until(lambda: len(server.punted) == 2)
        seen = await count(agent)
        await pour(ovs, FRAME, 3_000)
        before = seen[0], len(server.punted), len(server.applied)
        await server.tell({"flow/7/2": FlowRecord(rule(7, TAKEN, priority=20, eth_type=0x88B5))})
        await asyncio.sleep(0.5)
        told = asyncio.create_task(server.until(lambda: len(server.applied) > before[2]))
        await asyncio.sleep(0)
        server.reads.set()
        await told
        assert before[0] > 300, before
        assert len(server.punted) - before[1] < 100

    go(ovs, scene)


def resident() -> int:
    """Octets of memory that this process has."""
    return int(Path("/proc/self/statm").read_text().split()[1]) * 4096


async def count(agent: Agent) -> list[int]:
    """How many packets the agent has got from the switch, from now on."""
    seen = [0]
    put = agent._punts._up.put

    def counting(packet: Punted) -> None:
        seen[0] += packet.service == 7
        put(packet)

    agent._punts._up.put = counting  # type: ignore[method-assign]
    return seen


async def pour(ovs: OpenVSwitch, frame: bytes, count: int) -> None:
    """Packets for service 7, as fast as the switch takes them, by a connection of their own."""
    from segue.drivers.ovs.render import action
    from segue.openflow.client import OpenFlowClient
    from segue.openflow.protocol import PacketOut

    async with OpenFlowClient(ovs.management(BRIDGE)) as client:
        packet = PacketOut(actions=[action(one) for one in met(7, 3, 9)], data=frame)
        assert client.channel is not None
        for number in range(count):
            client.channel.send(packet)
            if number % 100 == 0:
                await client.channel.drain()
                await asyncio.sleep(0)
        await client.barrier()


def port(key: int, node: str = "n") -> PortRecord:
    return PortRecord(f"p{key}", key, 5, node, 0x020000000000 + key, ((4, 0x0A000000 + key),), False, ())


def attach(ovs: OpenVSwitch, key: int) -> None:
    name = f"p{key}"
    interface = ("--", "set", "interface", name, "type=internal", f"external_ids:iface-id=p{key}")
    ovs.vsctl("add-port", BRIDGE, name, *interface)
    ovs.run("ip", "link", "set", name, "up")


async def hears(ovs: OpenVSwitch, key: int, packets: int) -> None:
    for _ in range(200):
        counts = ovs.ofctl(6, "dump-ports", ovs.management(BRIDGE), f"p{key}")
        if int(counts.partition("tx pkts=")[2].partition(",")[0]) >= packets:
            return
        await asyncio.sleep(0.02)
    raise AssertionError(counts)


def test_a_service_sends_to_its_own_port_and_into_the_pipeline_past_itself(ovs: OpenVSwitch) -> None:
    async def scene(server: Server, agent: Agent) -> None:
        ovs.run("sysctl", "-qw", "net.ipv6.conf.default.disable_ipv6=1")  # or the ports would say something themselves
        for key in (2, 3):
            attach(ovs, key)
        records = {
            "network/5": NetworkRecord("net", 5, ("n",), (), 0),
            "port/2": port(2),
            "port/3": port(3),
            "service/7": ServiceRecord("s7", 7, "ingress", ((3, "p3", "n"), (2, "p2", "n"))),
            "hook/ingress:port:2": HookRecord("ingress", "port", 2, (Turn(100, "s7", 7),)),
            **flows(7, (rule(7, ToService(7, 0, 1), TAKEN),)),
        }
        await server.hold(records)
        await asyncio.sleep(0.2)
        base = await server.ask("service-port-counts", service="7")
        assert sorted(base) == ["2", "3"]
        # Straight to its own port.
        await server.send(SetField(TARGET_PORT, 3), Next("redirect"))
        await hears(ovs, 3, base["3"]["tx_packets"] + 1)
        # As if port 2 had sent it: the service, which sees what port 2 sends, is passed by.
        to_port_3 = bytes.fromhex("020000000003 020000000002 0800") + FRAME[14:]
        into = (SetField("metadata", 5), SetField(SOURCE_PORT, 2))
        await server.send(*into, SetField(INJECTED, 7), Next("ingress"), data=to_port_3)
        await hears(ovs, 3, base["3"]["tx_packets"] + 2)
        assert server.punted == []
        await server.send(*into, Next("ingress"), data=to_port_3)
        await server.until(lambda: len(server.punted) == 1)
        assert server.punted[0].element == 2
        now = await server.ask("service-port-counts", service="7")
        assert now["3"]["tx_packets"] - base["3"]["tx_packets"] == 2
        assert now["3"]["tx_bytes"] - base["3"]["tx_bytes"] == len(FRAME) + len(to_port_3)
        assert await server.ask("service-port-counts", service="8") == {}

    go(ovs, scene)


def test_a_packet_is_sent_behind_what_was_told_before_it(ovs: OpenVSwitch) -> None:
    async def scene(server: Server, agent: Agent) -> None:
        for number in range(40):
            await server.tell(flows(7, (rule(7, ToService(7, 0, number), TAKEN),)))
            await server.send(*met(7))
            await server.until(lambda: bool(server.punted))
            assert server.punted.pop().cookie == number

    go(ovs, scene)


def test_packets_go_on_when_the_switch_was_away(ovs: OpenVSwitch) -> None:
    async def scene(server: Server, agent: Agent) -> None:
        await server.hold(flows(7, (rule(7, ToService(7, 0, 1), TAKEN),)))
        ovs.signal("ovs-vswitchd")
        for _ in range(5000):
            await server.send(*met(7))
        ovs.start_switch()
        for _ in range(100):
            await asyncio.sleep(0.05)
            await server.send(*met(7, 9))
            if server.punted:
                break
        assert server.punted[0].element == 9

    go(ovs, scene)


def test_a_packet_that_the_switch_refuses_does_not_stop_those_behind_it(ovs: OpenVSwitch) -> None:
    async def scene(server: Server, agent: Agent) -> None:
        await server.hold(flows(7, (rule(7, ToService(7, 0, 1), TAKEN),)))
        await server.send(SetField("tcp_dst", 1 << 20))
        await server.send(SetField("no_such_field", 1))
        await server.send(SetField("reg200", 1))
        await server.send(*met(7))
        await server.until(lambda: len(server.punted) == 1)

    go(ovs, scene)


def test_what_a_service_counts_is_told_by_record_and_of_it_alone(ovs: OpenVSwitch) -> None:
    async def scene(server: Server, agent: Agent) -> None:
        rules = (rule(7, TAKEN, eth_type=0x800), rule(7, TAKEN, priority=1))
        await server.hold({**flows(7, rules), **flows(8, (rule(8, TAKEN),))})
        await server.send(*met(7))
        await server.send(*met(7))
        await asyncio.sleep(1.2)  # Open vSwitch tells whole seconds
        counts = await server.ask("service-counts", service="7")
        assert sorted(counts) == ["flow/7/1", "flow/7/2"]
        packets, octets, idle, alive = counts["flow/7/1"]
        assert (packets, octets) == (2, 2 * len(FRAME))
        assert 1 <= idle < alive < 10
        packets, octets, idle, alive = counts["flow/7/2"]
        assert (packets, octets) == (0, 0)
        assert 1 <= idle < alive < 10
        assert sorted(await server.ask("service-counts", service="9")) == []
        listed = [flow for flow in await server.ask("flows") if flow["stage"] == "service_0"]
        assert sorted(flow["match"] for flow in listed) == ["eth_type=0x800, service=7", "service=7", "service=8"]

    go(ovs, scene)


def test_what_groups_and_meters_count_is_told_by_number(ovs: OpenVSwitch) -> None:
    async def scene(server: Server, agent: Agent) -> None:
        buckets = (Bucket((SetField("ip_dscp", 1), *OUT)), Bucket(OUT))
        records = {f"group/{G + n}": GroupRecord(Group(G + n, "all", buckets, "service/s7")) for n in range(20)}
        records |= {f"meter/{M + n}": MeterRecord(Meter(M + n, True, (Band(3),), "service/s7")) for n in range(20)}
        rules = (rule(7, UseMeter(M), ToGroup(G + 1), TAKEN, eth_type=0x800),)
        assert (await server.hold({**records, **flows(7, rules)})).refused == {}
        for _ in range(10):
            await server.send(*met(7))
        await asyncio.sleep(0.2)
        for asked in ((0, 1), range(20)):
            groups = await server.ask("group-counts", numbers=" ".join(str(G + n) for n in asked))
            meters = await server.ask("meter-counts", numbers=" ".join(str(M + n) for n in asked))
            assert sorted(groups) == sorted(str(G + n) for n in asked)
            assert sorted(meters) == sorted(str(M + n) for n in asked)
            passed = groups[str(G + 1)]["packets"]
            dropped = meters[str(M)]["bands"][0][0]
            assert meters[str(M)]["packets"] == 10
            assert 4 <= dropped <= 7
            assert 3 <= passed <= 10
            assert groups[str(G + 1)]["bytes"] == passed * len(FRAME)
            assert [bucket[0] for bucket in groups[str(G + 1)]["buckets"]] == [passed, passed]
            assert groups[str(G)]["packets"] == meters[str(M + 1)]["packets"] == 0
            assert groups[str(G + 1)]["users"] == 1
            assert groups[str(G)]["users"] == 0
        assert await server.ask("group-counts", numbers=str(G + 99)) == {}
        assert await server.ask("meter-counts", numbers=str(M + 99)) == {}

    go(ovs, scene)
