"""The client and a real Open vSwitch: what is sent is what is there, by its own tools and by our reading."""

import asyncio
import re
import time
from collections.abc import Awaitable, Callable

import pytest

from segue.openflow import monitor
from segue.openflow.actions import (
    Action,
    Decap,
    Encap,
    Multipath,
    Output,
    PopMpls,
    PushMpls,
    Resubmit,
    SetField,
    encode_actions,
)
from segue.openflow.client import ClientEvent, Disconnected, OpenFlowClient, OpenFlowError
from segue.openflow.connection import Received, VersionError
from segue.openflow.fields import FIELDS
from segue.openflow.flow import SEND_FLOW_REM, FlowEntry
from segue.openflow.match import canonical
from segue.openflow.messages import (
    AggregateReply,
    AggregateRequest,
    Command,
    EchoReply,
    EchoRequest,
    FlowMod,
    FlowMonitorReply,
    FlowMonitorRequest,
    FlowRemoved,
    FlowStatsRequest,
    FlowUpdate,
    FlowUpdateAbbrev,
    MonitorCommand,
    PacketIn,
    PacketOut,
    PortDescRequest,
    PortReason,
    PortStatus,
    RemovedReason,
    Unknown,
    UpdateEvent,
    encode,
)
from segue.openflow.wire import CONTROLLER, LOCAL

from .conftest import Switch
from .samples import FRAME
from .test_actions import ACTIONS
from .test_fields import FOREIGN, MATCHES, prerequisites

pytestmark = pytest.mark.root


def run(
    switch: Switch,
    script: Callable[[OpenFlowClient], Awaitable[None]],
    *,
    on_event: Callable[[ClientEvent], None] | None = None,
    asynchronous: bool = False,
) -> None:
    async def main() -> None:
        client = OpenFlowClient(switch.target, on_event=on_event)
        await client.connect(asynchronous=asynchronous)
        try:
            async with asyncio.timeout(60):
                await script(client)
        finally:
            await client.close()

    asyncio.run(main())


async def until(happened: Callable[[], bool]) -> None:
    """Some things a switch tells of after the barrier's reply."""
    async with asyncio.timeout(10):
        while not happened():  # noqa: ASYNC110
            await asyncio.sleep(0.01)


async def dump(client: OpenFlowClient, request: FlowStatsRequest | None = None) -> list[FlowEntry]:
    return [flow async for part in client.flow_stats(request) for flow in part]


AS_SENT = ("table_id", "priority", "cookie", "idle_timeout", "hard_timeout", "flags", "importance", "goto_table")


def same(mod: FlowMod, flow: FlowEntry) -> bool:
    return (
        all(getattr(mod, name) == getattr(flow, name) for name in AS_SENT)
        and canonical(mod.match) == canonical(flow.match)
        and tuple(mod.actions) == flow.actions
        and mod.other_instructions == flow.other_instructions
    )


def service_path(n: int) -> list[FlowMod]:
    """The kinds of flows that service chains are made of, of path `n`."""
    nsh = (Encap("nsh"), SetField("nsh_spi", n), SetField("nsh_si", 255), SetField("nsh_c1", n))
    ethernet = (Encap("ethernet"), SetField("eth_src", 0x020000000000 + n), SetField("eth_dst", 0x020000000001))
    choose = Multipath("symmetric_l3l4+udp", 0, "hrw", 4, 0, "reg1", 0, 32)
    classified = {"in_port": 1, "eth_type": 0x0800, "ipv4_src": n, "ipv4_dst": (0x0A000000, 0xFF000000)}
    return [
        FlowMod(table_id=10, priority=100, cookie=n, match=classified, actions=(choose, Resubmit(11), Output(2))),
        FlowMod(table_id=11, cookie=n, match={"metadata": n}, actions=(*nsh, *ethernet, Output(2))),
        FlowMod(
            table_id=12,
            cookie=n,
            match={"eth_type": 0x894F, "nsh_spi": n, "nsh_si": 255, "reg0": (n & 0xFF, 0xFF)},
            actions=(SetField("nsh_si", 254),),
            goto_table=13,
        ),
        FlowMod(table_id=13, cookie=n, match={"packet_type": 0x1894F, "nsh_spi": n}, actions=(Decap(), Output(1))),
        FlowMod(
            table_id=14,
            cookie=n,
            match={"eth_type": 0x8847, "mpls_label": n, "mpls_bos": 1, "xreg1": n},
            actions=(PopMpls(0x0800), PushMpls(), SetField("mpls_label", n + 1), Output(2)),
        ),
    ]


TEXT = re.compile(r"cookie=(0x[0-9a-f]+|0), duration=\S+ table=(\d+), n_packets=0, n_bytes=0, idle_age=\d+, (.*)")


def test_a_bundle_of_twenty_thousand(switch: Switch) -> None:
    mods = [mod for n in range(1, 4001) for mod in service_path(n)]

    async def script(client: OpenFlowClient) -> None:
        begin = time.perf_counter()
        for mod in mods:
            encode(mod, 1)
        encoded = time.perf_counter()
        await client.bundle(mods)
        installed = time.perf_counter()
        flows = await dump(client)
        read = time.perf_counter()
        print(f"flow mods encoded per second: {len(mods) / (encoded - begin):,.0f}")
        print(f"flow mods installed per second: {len(mods) / (installed - encoded):,.0f}")
        print(f"flows read per second: {len(mods) / (read - installed):,.0f}")
        assert len(flows) == len(mods)
        by_identity = {(flow.table_id, flow.cookie): flow for flow in flows}
        for mod in mods:
            assert same(mod, by_identity[mod.table_id, mod.cookie]), mod

    run(switch, script)
    lines = [match.groups() for match in map(TEXT.search, switch.ofctl("dump-flows", "BR").splitlines()) if match]
    assert len(lines) == len(mods)
    theirs = {(int(table), int(cookie, 16)): text for cookie, table, text in lines}
    for n in (1, 77, 4000):
        source = f"{n >> 24}.{n >> 16 & 255}.{n >> 8 & 255}.{n & 255}"
        assert [theirs[table, n] for table in range(10, 15)] == [
            f"priority=100,ip,in_port=1,nw_src={source},nw_dst=10.0.0.0/8"
            " actions=multipath(symmetric_l3l4+udp,0,hrw,4,0,NXM_NX_REG1[]),resubmit(,11),output:2",
            f"metadata={n:#x} actions=encap(nsh),set_field:{n:#x}->nsh_spi,set_field:255->nsh_si,"
            f"set_field:{n:#x}->nsh_c1,encap(ethernet),set_field:02:00:00:00:{n >> 8:02x}:{n & 255:02x}->eth_src,"
            "set_field:02:00:00:00:00:01->eth_dst,output:2",
            f"reg0={n & 255:#x}/0xff,dl_type=0x894f,nsh_spi={n:#x},nsh_si=255"
            " actions=set_field:254->nsh_si,goto_table:13",
            f"packet_type=(1,0x894f),nsh_spi={n:#x} actions=decap(),output:1",
            f"mpls,reg2=0,reg3={n:#x},mpls_label={n},mpls_bos=1"
            f" actions=pop_mpls:0x0800,push_mpls:0x8847,set_field:{n + 1}->mpls_label,output:2",
        ]


def test_a_bundle_with_one_bad_flow_installs_none(switch: Switch) -> None:
    async def script(client: OpenFlowClient) -> None:
        await client.bundle([FlowMod(table_id=3, match={"in_port": 1})])
        good = [mod for n in range(1, 201) for mod in service_path(n)]
        for bad, reason in (
            (FlowMod(match={"tcp_dst": 80}), "OFPET_BAD_MATCH OFPBMC_BAD_PREREQ"),
            (FlowMod(table_id=255), "OFPFMFC_BAD_TABLE_ID"),
            (FlowMod(actions=(Output(0x12345),)), "OFPBAC_BAD_OUT_PORT"),
            (FlowMod(actions=(SetField("ipv4_dst", 1),)), "OFPBAC_MATCH_INCONSISTENT"),
        ):
            with pytest.raises(OpenFlowError, match=reason) as e:
                await client.bundle([FlowMod(command=Command.DELETE, table_id=255), *good[:500], bad, *good[500:]])
            assert (e.value.index, e.value.request) == (501, bad)
            assert await client.request(AggregateRequest()) == AggregateReply(1, 0, 0)
        # Refused at the commit only: the first of two that overlap is already among the flows of this bundle.
        overlap = FlowMod(table_id=4, match={"in_port": 2}, flags=2)
        with pytest.raises(OpenFlowError, match="OFPFMFC_OVERLAP") as e:
            await client.bundle([*good, FlowMod(table_id=4), overlap])
        assert e.value.index == len(good) + 1
        assert await client.request(AggregateRequest()) == AggregateReply(1, 0, 0)
        await client.bundle(good)
        assert await client.request(AggregateRequest()) == AggregateReply(1 + len(good), 0, 0)

    run(switch, script)


def test_every_field_comes_back(switch: Switch) -> None:
    """Whatever the table of fields has; `canonical` says where meaning and bytes differ.

    Open vSwitch 3.1 gives `tun_erspan_*` and `tun_gtpu_*` masks of its own, and keeps `dp_hash` and `recirc_id`
    to itself.
    """
    mods = [
        FlowMod(table_id=n % 200, cookie=n, match={**prerequisites(name), name: value})
        for n, (name, value, _) in enumerate(MATCHES, 1)
        if not name.startswith(("tun_erspan", "tun_gtpu", "dp_hash", "recirc_id"))
    ]

    async def script(client: OpenFlowClient) -> None:
        await client.bundle(mods)
        flows = {flow.cookie: flow for flow in await dump(client)}
        assert len(flows) == len(mods)
        for mod in mods:
            found = canonical(flows[mod.cookie].match)
            wanted = canonical(mod.match)
            vlan = {"vlan_tci", "vlan_vid", "vlan_pcp"}
            if vlan & set(wanted):
                assert vlan & set(found)
            else:
                assert found == wanted

    run(switch, script)


def test_every_action_comes_back(switch: Switch) -> None:
    refused: dict[str, Action] = {}

    async def script(client: OpenFlowClient) -> None:
        for n, (match, action, _) in enumerate(ACTIONS, 1):
            mod = FlowMod(table_id=n % 200, priority=n, cookie=n, match=match, actions=(action,))
            try:
                await client.request(mod)
            except OpenFlowError as e:
                refused[f"{e.error.code_name} {action}"] = action
                continue
            (flow,) = await dump(client, FlowStatsRequest(cookie=n, cookie_mask=(1 << 64) - 1))
            assert flow.actions == (action,)
            assert encode_actions(flow.actions) == encode_actions((action,))

    run(switch, script)
    assert [name.split(" ")[0] for name in refused] == ["OFPBAC_BAD_OUT_GROUP"], refused


def test_foreign_fields_are_refused_with_their_name(switch: Switch) -> None:
    async def script(client: OpenFlowClient) -> None:
        for name in sorted(FOREIGN):
            with pytest.raises(OpenFlowError, match="OFPBMC_BAD_FIELD"):
                await client.request(FlowMod(match={**prerequisites(name), name: FIELDS[name].limit}))

    run(switch, script)


def test_requests_mean_their_filter(switch: Switch) -> None:
    async def script(client: OpenFlowClient) -> None:
        await client.bundle(
            [
                FlowMod(table_id=t, cookie=t << 8 | n, match={"in_port": n}, actions=(Output(n),))
                for t in (1, 2)
                for n in (1, 2)
            ]
        )
        every = (1 << 64) - 1

        async def cookies(**what: object) -> list[int]:
            flows = await dump(client, FlowStatsRequest(**what))  # type: ignore[arg-type]
            aggregate = await client.request(AggregateRequest(**what))  # type: ignore[arg-type]
            assert aggregate.flow_count == len(flows)
            return sorted(flow.cookie for flow in flows)

        assert await cookies() == [0x101, 0x102, 0x201, 0x202]
        assert await cookies(table_id=2) == [0x201, 0x202]
        assert await cookies(cookie=0x102, cookie_mask=every) == [0x102]
        assert await cookies(cookie=0x200, cookie_mask=0xFF00) == [0x201, 0x202]
        assert await cookies(match={"in_port": 1}) == [0x101, 0x201]
        assert await cookies(out_port=2) == [0x102, 0x202]
        await client.request(FlowMod(command=Command.DELETE, table_id=255, cookie=0x200, cookie_mask=0xFF00))
        assert await cookies() == [0x101, 0x102]
        await client.request(FlowMod(command=Command.DELETE_STRICT, table_id=1, match={"in_port": 1}))
        assert await cookies() == [0x102]
        await client.request(FlowMod(command=Command.MODIFY, table_id=1, actions=(Output(1),)))
        assert await cookies(out_port=1) == [0x102]

    run(switch, script)


def test_ports_and_their_changes(switch: Switch) -> None:
    events: list[ClientEvent] = []

    async def script(client: OpenFlowClient) -> None:
        ports = {port.name: port for port in (await client.request(PortDescRequest())).ports}
        assert {name: port.number for name, port in ports.items()} == {"br0": LOCAL, "p1": 1, "p2": 2}
        assert (await client.request(PortDescRequest(2))).ports == (ports["p2"],)
        add = ("add-port", "br0", "p9", "--", "set", "interface", "p9", "type=internal", "ofport_request=9")
        await asyncio.to_thread(switch.vsctl, *add)
        await asyncio.to_thread(switch.vsctl, "del-port", "br0", "p9")
        await client.barrier()

    try:
        run(switch, script, on_event=events.append, asynchronous=True)
    finally:
        switch.vsctl("--if-exists", "del-port", "br0", "p9")
    changes = [e.message for e in events if isinstance(e, Received) and isinstance(e.message, PortStatus)]
    assert [(m.reason, m.port.number, m.port.name) for m in changes] == [
        (PortReason.ADD, 9, "p9"),
        (PortReason.DELETE, 9, "p9"),
    ]


def test_without_asking_there_are_no_events(switch: Switch) -> None:
    events: list[ClientEvent] = []

    async def script(client: OpenFlowClient) -> None:
        await client.request(FlowMod(flags=SEND_FLOW_REM))
        await client.request(FlowMod(command=Command.DELETE))

    run(switch, script, on_event=events.append)
    assert events == [Disconnected("closed here")]


def test_flow_removed(switch: Switch) -> None:
    events: list[ClientEvent] = []
    mod = FlowMod(
        table_id=3, priority=7, match={"reg3": 5}, cookie=9, idle_timeout=60, hard_timeout=90, flags=SEND_FLOW_REM
    )

    async def script(client: OpenFlowClient) -> None:
        await client.request(mod)
        await client.request(FlowMod(command=Command.DELETE, table_id=3))
        await until(lambda: bool(events))

    run(switch, script, on_event=events.append, asynchronous=True)
    (removed,) = [e.message for e in events if isinstance(e, Received) and isinstance(e.message, FlowRemoved)]
    assert canonical(removed.match) == mod.match
    assert (removed.table_id, removed.priority, removed.cookie, removed.reason) == (3, 7, 9, RemovedReason.DELETE)
    assert (removed.idle_timeout, removed.hard_timeout) == (60, 90)
    assert removed.counters.packet_count == 0
    assert removed.counters.duration is not None
    assert 0 <= removed.counters.duration < 5


def test_flow_monitor(switch: Switch) -> None:
    events: list[ClientEvent] = []

    async def script(client: OpenFlowClient) -> None:
        await client.request(FlowMod(table_id=5, priority=1, match={"in_port": 1}, cookie=1, actions=(Output(2),)))
        reply = await client.request(FlowMonitorRequest(monitor_id=1, table_id=5))
        assert reply.updates == (FlowUpdate(UpdateEvent.INITIAL, 5, 1, {"in_port": 1}, (Output(2),), None, 1),)
        for refused in (
            FlowMonitorRequest(monitor_id=1),
            FlowMonitorRequest(monitor_id=2, flags=monitor.ADD | monitor.NO_ABBREV),
            FlowMonitorRequest(monitor_id=3, command=MonitorCommand.DELETE),
        ):
            with pytest.raises(OpenFlowError, match="OFPET_FLOW_MONITOR_FAILED"):
                await client.request(refused)
        events.clear()
        xid = await client.send(FlowMod(table_id=5, match={"in_port": 2}))
        await client.barrier()
        assert events == [Received(FlowMonitorReply((FlowUpdateAbbrev(xid),)), 0)]
        events.clear()
        add = "table=5,priority=7,cookie=0xabc,in_port=2,idle_timeout=60,actions=output:1,goto_table:6"
        await asyncio.to_thread(switch.ofctl, "add-flow", "BR", add)
        await asyncio.to_thread(switch.ofctl, "mod-flows", "BR", "table=5,cookie=0xabc/-1,actions=output:2")
        await asyncio.to_thread(switch.ofctl, "--strict", "del-flows", "BR", "table=5,priority=7,in_port=2")
        await client.barrier()
        updates = [u for e in events for u in e.message.updates]
        match = {"in_port": 2}
        assert updates == [
            FlowUpdate(UpdateEvent.ADDED, 5, 7, match, (Output(1, 0),), 6, 0xABC, 0, 60),
            FlowUpdate(UpdateEvent.MODIFIED, 5, 7, match, (Output(2, 0),), None, 0xABC, 0, 60),
            FlowUpdate(UpdateEvent.REMOVED, 5, 7, match, updates[2].actions, None, 0xABC, RemovedReason.DELETE, 60),
        ]
        events.clear()
        await client.request(FlowMonitorRequest(monitor_id=1, command=MonitorCommand.DELETE))
        await asyncio.to_thread(switch.ofctl, "add-flow", "BR", add)
        await client.barrier()
        assert events == []

    run(switch, script, on_event=events.append)


def test_own_changes_in_full(switch: Switch) -> None:
    events: list[ClientEvent] = []

    async def script(client: OpenFlowClient) -> None:
        flags = monitor.ADD | monitor.INSTRUCTIONS | monitor.ONLY_OWN
        await client.request(FlowMonitorRequest(monitor_id=1, flags=flags))
        await client.request(FlowMod(table_id=5, priority=7, match={"in_port": 2}, actions=(Output(1),)))

    run(switch, script, on_event=events.append)
    update = FlowUpdate(UpdateEvent.ADDED, 5, 7, {"in_port": 2}, (Output(1),))
    assert events[:-1] == [Received(FlowMonitorReply((update,)), 0)]


def test_packets_in_and_out(switch: Switch) -> None:
    events: list[ClientEvent] = []

    async def script(client: OpenFlowClient) -> None:
        mod = FlowMod(table_id=0, cookie=5, match={"in_port": 1}, actions=(SetField("metadata", 7), Output(CONTROLLER)))
        await client.request(mod)
        await client.request(PacketOut(FRAME, (Resubmit(0),), {"in_port": 1}))
        await until(lambda: bool(events))

    run(switch, script, on_event=events.append, asynchronous=True)
    (packet,) = [e.message for e in events if isinstance(e, Received) and isinstance(e.message, PacketIn)]
    assert (packet.data, packet.total_len, packet.cookie, packet.table_id) == (FRAME, len(FRAME), 5, 0)
    assert packet.match == {"in_port": 1, "metadata": 7}


def test_counters_count(switch: Switch) -> None:
    async def script(client: OpenFlowClient) -> None:
        await client.request(FlowMod(table_id=3, cookie=1))
        for _ in range(3):
            await client.request(PacketOut(FRAME, (Resubmit(3),), {"in_port": CONTROLLER}))
        (flow,) = await dump(client, FlowStatsRequest(table_id=3))
        assert (flow.counters.packet_count, flow.counters.byte_count) == (3, 3 * len(FRAME))
        assert await client.request(AggregateRequest(table_id=3)) == AggregateReply(1, 3, 3 * len(FRAME))

    run(switch, script)


def test_echo_and_what_is_unknown(switch: Switch) -> None:
    async def script(client: OpenFlowClient) -> None:
        assert await client.request(EchoRequest(b"hello")) == EchoReply(b"hello")
        with pytest.raises(OpenFlowError, match="OFPBRC_BAD_TYPE"):
            await client.request(Unknown(99))

    run(switch, script)


def test_a_bridge_without_openflow_15(switch: Switch) -> None:
    async def main() -> None:
        with pytest.raises(VersionError) as e:
            await OpenFlowClient(switch.target).connect()
        assert e.value.versions == (1, 4)

    switch.vsctl("set", "bridge", "br0", "protocols=OpenFlow10,OpenFlow13")
    try:
        asyncio.run(main())
    finally:
        switch.vsctl("set", "bridge", "br0", "protocols=OpenFlow10,OpenFlow13,OpenFlow14,OpenFlow15")


def test_a_bridge_that_goes_away(switch: Switch) -> None:
    async def script(client: OpenFlowClient) -> None:
        await asyncio.to_thread(switch.vsctl, "del-br", "br8")
        assert "closed the connection" in await client.wait_closed()

    switch.vsctl("add-br", "br8", "--", "set", "bridge", "br8", "datapath_type=netdev", "protocols=OpenFlow15")
    events: list[ClientEvent] = []
    run(Switch(switch.directory, "br8"), script, on_event=events.append)
    assert [e.__class__ for e in events] == [Disconnected]


def test_the_loop_is_not_held_by_many_flows(switch: Switch) -> None:
    """Another task goes on while 100,000 flows are written and read; how it fared is recorded."""
    mods = [FlowMod(table_id=1, cookie=n, match={"reg0": n}, actions=(Output(1),)) for n in range(100_000)]
    late: list[float] = []

    async def beat() -> None:
        while True:
            before = time.perf_counter()
            await asyncio.sleep(0.005)
            late.append(time.perf_counter() - before - 0.005)

    async def script(client: OpenFlowClient) -> None:
        heart = asyncio.create_task(beat())
        begin = time.perf_counter()
        await client.bundle(mods)
        installed = time.perf_counter()
        beats = len(late)
        assert sum([len(part) async for part in client.flow_stats()]) == len(mods)
        read = time.perf_counter()
        heart.cancel()
        assert beats > 10
        assert len(late) - beats > 10
        print(f"of 100,000 flow mods, installed per second: {round(len(mods) / (installed - begin))}")
        print(f"of 100,000 flows, read per second: {round(len(mods) / (read - installed))}")
        print(f"longest hold of the loop, ms: {round(1000 * max(late), 1)}")

    run(switch, script)
