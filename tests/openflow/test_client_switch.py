"""The client, and connections in every version, with a real Open vSwitch in a namespace of its own."""

import asyncio
import tempfile
import time
from collections.abc import Awaitable, Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from segue.openflow.channel import Channel, dial, listen
from segue.openflow.client import ClientEvent, Disconnected, OpenFlowClient, OpenFlowError
from segue.openflow.codec import UnknownMessage
from segue.openflow.connection import Received, Refused, VersionError
from segue.openflow.protocol.actions import Output, SetField
from segue.openflow.protocol.basic import EchoReply, EchoRequest
from segue.openflow.protocol.flow_mod import FlowMod, FlowModCommand
from segue.openflow.protocol.flows import (
    AggregateStatsRequest,
    FlowDescRequest,
    FlowRemoved,
)
from segue.openflow.protocol.monitors import (
    FlowMonitor,
    FlowMonitorReply,
    FlowMonitorRequest,
    FlowUpdateAbbrev,
    FlowUpdateInitial,
    NxFlowMonitor,
    NxFlowMonitorRequest,
    OnfFlowMonitorRequest,
)
from segue.openflow.protocol.ports import PortDescRequest, PortStatus
from segue.openflow.protocol.roles import RoleRequest
from segue.openflow.protocol.switch import DescRequest, FeaturesRequest
from segue.openflow.wire import LOCAL, V10, V12, V13, V14, V15, VERSION_NAMES, VERSIONS

from .open_vswitch import PROTOCOLS, OpenVSwitch

pytestmark = pytest.mark.root

ALL = ",".join(PROTOCOLS.values())


@dataclass
class Bridge:
    open_vswitch: OpenVSwitch
    bridge: str = "br0"

    @property
    def target(self) -> str:
        return self.open_vswitch.management(self.bridge)

    def vsctl(self, *words: str) -> str:
        return self.open_vswitch.vsctl(*words)

    def ofctl(self, *words: str) -> str:
        """ovs-ofctl with `BR` standing for the bridge."""
        return self.open_vswitch.ofctl(V15, *(self.target if word == "BR" else word for word in words))

    def wipe(self) -> None:
        self.ofctl("del-flows", "BR")


@pytest.fixture(scope="module")
def ovs() -> Iterator[Bridge]:
    with tempfile.TemporaryDirectory(prefix="segue-of-") as directory, OpenVSwitch(Path(directory)) as made:
        switch = Bridge(made)
        switch.vsctl(
            *("add-br", "br0", "--"),
            *("set", "bridge", "br0", "datapath_type=netdev", "fail_mode=secure"),
            *(f"protocols={ALL}", "other-config:datapath-id=00000000005e90e5"),
        )
        for number in (1, 2):
            add = ("add-port", "br0", f"p{number}", "--", "set", "interface", f"p{number}", "type=internal")
            switch.vsctl(*add, f"ofport_request={number}")
        yield switch


@pytest.fixture
def switch(ovs: Bridge) -> Iterator[Bridge]:
    """The same switch, with no flows."""
    ovs.wipe()
    yield ovs
    ovs.wipe()


Script = Callable[[OpenFlowClient], Awaitable[None]]


def run(
    switch: Bridge,
    script: Script,
    *,
    version: int = V15,
    on_event: Callable[[ClientEvent], None] | None = None,
    asynchronous: bool = False,
) -> None:
    async def main() -> None:
        client = OpenFlowClient(switch.target, version=version, on_event=on_event)
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


async def count(client: OpenFlowClient) -> int:
    reply = await client.request(AggregateStatsRequest())
    return int(reply.flow_count)


def flow(n: int) -> FlowMod:
    return FlowMod({"in_port": 1, "eth_type": 0x0800, "ipv4_src": n}, (Output(2),), cookie=n, priority=100)


@pytest.mark.parametrize("version", VERSIONS, ids=VERSION_NAMES.get)
def test_every_version(switch: Bridge, version: int) -> None:
    async def script(client: OpenFlowClient) -> None:
        assert client.version == version
        assert client.features.datapath_id == 0x5E90E5
        assert await client.request(EchoRequest(b"hello")) == EchoReply(b"hello")
        assert (await client.request(DescRequest())).mfr_desc == "Nicira, Inc."
        for n in range(1000):
            await client.send(flow(n))
        await client.barrier()
        assert await count(client) == 1000
        flows = [one async for part in client.flow_stats() for one in part]
        assert sorted(one.cookie for one in flows) == list(range(1000))
        with pytest.raises(OpenFlowError) as e:
            await client.request(UnknownMessage(99))
        assert e.value.name == "OFPBRC_BAD_TYPE"
        await client.request(FlowMod(command=FlowModCommand.DELETE, table_id=0 if version < V12 else 0xFF))
        assert await count(client) == 0

    run(switch, script, version=version)


@pytest.mark.parametrize("version", [V13, V14, V15], ids=VERSION_NAMES.get)
def test_a_bundle_with_one_bad_flow_installs_none(switch: Bridge, version: int) -> None:
    async def script(client: OpenFlowClient) -> None:
        await client.bundle([FlowMod({"in_port": 1}, table_id=3)])
        good = [flow(n) for n in range(1000)]
        for bad, reason in (
            (FlowMod({"tcp_dst": 80}), "OFPET_BAD_MATCH OFPBMC_BAD_PREREQ"),
            (FlowMod(table_id=255), "OFPFMFC_BAD_TABLE_ID"),
            (FlowMod(actions=(Output(0x12345),)), "OFPBAC_BAD_OUT_PORT"),
            (FlowMod(actions=(SetField("ipv4_dst", 1),)), "OFPBAC_MATCH_INCONSISTENT"),
        ):
            clear = FlowMod(command=FlowModCommand.DELETE, table_id=255)
            with pytest.raises(OpenFlowError, match=reason) as e:
                await client.bundle([clear, *good[:500], bad, *good[500:]])
            assert (e.value.index, e.value.request) == (501, bad)
            assert await count(client) == 1
        # Refused at the commit only: the first of two that overlap is already among the flows of this bundle.
        overlap = FlowMod({"in_port": 2}, table_id=4, flags=2)
        with pytest.raises(OpenFlowError, match="OFPFMFC_OVERLAP") as e:
            await client.bundle([*good, FlowMod(table_id=4), overlap])
        assert e.value.index == len(good) + 1
        assert await count(client) == 1
        await client.bundle(good)
        assert await count(client) == 1 + len(good)

    run(switch, script, version=version)


def test_ports_and_their_changes(switch: Bridge) -> None:
    events: list[ClientEvent] = []

    async def script(client: OpenFlowClient) -> None:
        ports = {port.name: port for port in (await client.request(PortDescRequest())).ports}
        assert {name: port.port_no for name, port in ports.items()} == {"br0": LOCAL, "p1": 1, "p2": 2}
        add = ("add-port", "br0", "p9", "--", "set", "interface", "p9", "type=internal", "ofport_request=9")
        await asyncio.to_thread(switch.vsctl, *add)
        await asyncio.to_thread(switch.vsctl, "del-port", "br0", "p9")
        await client.barrier()

    try:
        run(switch, script, on_event=events.append, asynchronous=True)
    finally:
        switch.vsctl("--if-exists", "del-port", "br0", "p9")
    changes = [e.message for e in events if isinstance(e, Received) and isinstance(e.message, PortStatus)]
    assert [(m.reason, m.desc.port_no, m.desc.name) for m in changes] == [(0, 9, "p9"), (1, 9, "p9")]


def test_without_asking_there_are_no_events(switch: Bridge) -> None:
    events: list[ClientEvent] = []

    async def script(client: OpenFlowClient) -> None:
        await client.request(FlowMod(flags=1))
        await client.request(FlowMod(command=FlowModCommand.DELETE))

    run(switch, script, on_event=events.append)
    assert events == [Disconnected("closed here")]


def test_flow_removed(switch: Bridge) -> None:
    events: list[ClientEvent] = []

    async def script(client: OpenFlowClient) -> None:
        await client.request(FlowMod({"reg3": 5}, table_id=3, priority=7, cookie=9, idle_timeout=60, flags=1))
        await client.request(FlowMod(command=FlowModCommand.DELETE, table_id=3))
        await until(lambda: bool(events))

    run(switch, script, on_event=events.append, asynchronous=True)
    (removed,) = [e.message for e in events if isinstance(e, Received) and isinstance(e.message, FlowRemoved)]
    assert (removed.table_id, removed.priority, removed.cookie, removed.reason) == (3, 7, 9, 2)


def test_flow_monitor(switch: Bridge) -> None:
    events: list[ClientEvent] = []

    async def script(client: OpenFlowClient) -> None:
        await client.request(FlowMod({"in_port": 1}, (Output(2),), table_id=5, priority=1, cookie=1))
        reply = await client.request(FlowMonitorRequest((FlowMonitor(1, table_id=5),)))
        (update,) = reply.updates
        assert isinstance(update, FlowUpdateInitial)
        assert (update.table_id, update.priority, update.match, update.cookie) == (5, 1, {"in_port": 1}, 1)
        for refused in (FlowMonitor(1), FlowMonitor(2, flags=2 | 32), FlowMonitor(3, command=2)):
            with pytest.raises(OpenFlowError, match="OFPET_FLOW_MONITOR_FAILED"):
                await client.request(FlowMonitorRequest((refused,)))
        events.clear()
        xid = await client.send(FlowMod({"in_port": 2}, table_id=5))
        await client.barrier()
        assert events == [Received(FlowMonitorReply((FlowUpdateAbbrev(xid),)), 0)]

    run(switch, script, on_event=events.append)


def test_monitors_before_1_4(switch: Bridge) -> None:
    for version, request in ((V10, NxFlowMonitorRequest), (V12, NxFlowMonitorRequest), (V13, OnfFlowMonitorRequest)):
        events: list[ClientEvent] = []

        async def script(client: OpenFlowClient, request: Any = request) -> None:
            await client.request(FlowMod({"in_port": 1}, (Output(2),), cookie=1))
            reply = await client.request(request((NxFlowMonitor(7),)))
            assert [update.cookie for update in reply.updates] == [1]
            await client.request(FlowMod({"in_port": 2}))
            await client.request(FlowMod(command=FlowModCommand.DELETE))

        run(switch, script, version=version, on_event=events.append)
        assert [event.__class__ for event in events] == [Received, Received, Disconnected], VERSION_NAMES[version]


def test_a_switch_of_another_version(switch: Bridge) -> None:
    async def main() -> None:
        with pytest.raises(VersionError) as e:
            await OpenFlowClient(switch.target).connect()
        assert e.value.versions == (V10, V13)
        channel = await dial(switch.target, versions={V10, V13, V15})
        assert channel.version == V13
        await channel.aclose()
        channel = await dial(switch.target, versions={V10, V12})  # no bitmap: the lesser of the headers
        await channel.aclose()

    switch.vsctl("set", "bridge", "br0", "protocols=OpenFlow10,OpenFlow13")
    try:
        asyncio.run(main())
    finally:
        switch.vsctl("set", "bridge", "br0", f"protocols={ALL}")


def test_a_bridge_that_goes_away(switch: Bridge) -> None:
    async def script(client: OpenFlowClient) -> None:
        await asyncio.to_thread(switch.vsctl, "del-br", "br8")
        assert "closed the connection" in await client.wait_closed()

    switch.vsctl("add-br", "br8", "--", "set", "bridge", "br8", "datapath_type=netdev", "protocols=OpenFlow15")
    events: list[ClientEvent] = []
    run(Bridge(switch.open_vswitch, "br8"), script, on_event=events.append)
    assert [e.__class__ for e in events] == [Disconnected]


@pytest.mark.parametrize("version", VERSIONS, ids=VERSION_NAMES.get)
def test_being_called_by_a_switch(switch: Bridge, version: int) -> None:
    """As a controller: the bridge calls us, is asked, tells of errors with the messages that they are about."""

    async def main() -> None:
        opened: asyncio.Future[Channel] = asyncio.get_running_loop().create_future()
        listener = await listen(
            f"punix:{switch.open_vswitch.directory}/controller", opened.set_result, versions={version}
        )
        await asyncio.to_thread(switch.vsctl, "set-controller", "br0", listener.addresses[0])
        async with asyncio.timeout(20):
            channel = await opened
            events: list[Any] = []
            channel.on_event = events.append
            assert channel.version == version
            assert (await channel.request(FeaturesRequest())).datapath_id == 0x5E90E5
            if version >= V12:
                reply = await channel.request(RoleRequest(2, 5))
                assert (reply.role, reply.generation_id) == (2, 5)
                with pytest.raises(OpenFlowError, match="OFPRRFC_STALE"):
                    await channel.request(RoleRequest(2, 4))
            mods = [
                FlowMod({"in_port": 1}, (Output(2),), priority=n, buffer_id=77 if n == 5 else 0xFFFFFFFF)
                for n in range(9)
            ]
            xids = [channel.send(mod) for mod in mods]
            await channel.barrier()
            refused = [event for event in events if isinstance(event, Refused)]
            assert [(event.xid, event.request) for event in refused] in ([], [(xids[5], mods[5])])
        listener.close()
        await channel.aclose()

    try:
        asyncio.run(main())
    finally:
        switch.vsctl("del-controller", "br0")


def test_the_loop_is_not_held_by_many_flows(switch: Bridge) -> None:
    """Another task goes on while many flows are written and read; how it fared is recorded."""
    mods = [FlowMod({"reg0": n}, (Output(1),), table_id=1, cookie=n) for n in range(50_000)]
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
        assert sum([len(part) async for part in client.flow_stats(FlowDescRequest())]) == len(mods)
        read = time.perf_counter()
        heart.cancel()
        assert beats > 10
        assert len(late) - beats > 10
        print(f"flow mods installed per second: {round(len(mods) / (installed - begin))}")
        print(f"flows read per second: {round(len(mods) / (read - installed))}")
        print(f"longest hold of the loop, ms: {round(1000 * max(late), 1)}")

    run(switch, script)
