"""A service's virtual switch over its connection: what is durable when, who is told what, and what comes back."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Mapping
from typing import Any

import pytest
from service_bench import Bench, Disk, controller, flow, objects, scenario, until

from segue.model.program import FIRST_GROUP
from segue.model.view import FlowRecord
from segue.openflow import ALL_TABLES, FlowMod, FlowModCommand
from segue.openflow import protocol as of
from segue.openflow.channel import Channel, OpenFlowError, dial, listen
from segue.openflow.wire import V10, V13, V14, V15
from segue.server.service_counts import Counts
from segue.server.service_doors import Controller
from segue.server.service_flows import listed
from segue.server.services import Unwritable
from segue.store.base import Transaction

GROUP = of.GroupMod(of.GroupCommand.ADD, 7, of.GroupType.ALL, (of.Bucket((of.Output(2),), bucket_id=1),))
METER = of.MeterMod(of.MeterCommand.ADD, 3, (of.MeterDrop(rate=5, burst_size=5),), of.MeterFlags.PKTPS)


async def refused(channel: Channel, msg: Any) -> str:
    with pytest.raises(OpenFlowError) as refusal:
        await channel.request(msg)
    assert refusal.value.name is not None
    return refusal.value.name


async def bundle(channel: Channel, *messages: Any) -> None:
    flags = int(of.BundleFlags.ATOMIC | of.BundleFlags.ORDERED)
    await channel.request(of.BundleControl(1, of.BundleControlType.OPEN_REQUEST, flags))
    for message in messages:
        channel.send(of.BundleAddMessage(1, message, flags))
    await channel.request(of.BundleControl(1, of.BundleControlType.COMMIT_REQUEST, flags))


async def flows_of(channel: Channel) -> list[Any]:
    return list((await channel.request(of.FlowDescRequest())).flows)


# -- what is in force when --------------------------------------------------------------------------------------------


@scenario
async def test_a_barrier_waits_for_the_disk_and_for_every_node_that_is_connected(b: Bench) -> None:
    async with controller() as peer:
        channel = await b.connected(peer)
        b.nodes["n2"].answers.clear()
        channel.send(flow(1))
        barrier = asyncio.create_task(channel.barrier(30))
        await b.until(lambda: b.nodes["n1"].injected())
        await asyncio.sleep(0.2)
        assert not barrier.done() and any("/flow/" in key for key in b.kept())
        b.nodes["n2"].answers.set()
        await barrier
        assert b.nodes["n1"].injected() == b.nodes["n2"].injected() != {}
        b.nodes["n2"].answers.clear()
        channel.send(flow(2))
        barrier = asyncio.create_task(channel.barrier(30))
        await asyncio.sleep(0.2)
        assert not barrier.done()
        await b.nodes["n2"].end()  # who is not there is not waited for
        await barrier


@scenario
async def test_nothing_is_answered_or_told_before_it_is_on_the_disk(b: Bench, caplog: pytest.LogCaptureFixture) -> None:
    disk = Disk(b.store)
    async with controller() as peer:
        channel = await b.connected(peer)
        await b.settled()
        disk.full = True
        channel.send(flow(1))
        barrier = asyncio.create_task(channel.barrier(30))
        await b.until(lambda: "cannot be written" in caplog.text)
        assert await refused_at_once(channel, flow(2)) == "OFPFMFC_UNKNOWN"
        with pytest.raises(OpenFlowError):
            await bundle(channel, flow(3))
        assert "nothing can be kept now: the disk" in caplog.text
        assert not barrier.done() and not b.nodes["n1"].injected()
        disk.full = False
        await barrier
        assert len(b.nodes["n1"].injected()) == 1
        assert await channel.request(flow(2)) is None


@scenario
async def test_who_waits_for_the_disk_hears_that_it_is_full(b: Bench) -> None:
    disk = Disk(b.store)
    disk.full = True
    b.room.replace(0, [flow(1)], V15)
    with pytest.raises(Unwritable, match="nothing can be kept now"):
        await asyncio.wait_for(b.room.durable(b.room.sequence), 5)
    disk.full = False
    await asyncio.wait_for(b.room.in_store(b.room.sequence), 5)
    assert len(b.nodes["n1"].injected()) == 1


async def refused_at_once(channel: Channel, msg: FlowMod) -> str:
    """Where no barrier would be answered."""
    heard: list[Any] = []
    before, channel.on_event = channel.on_event, heard.append
    channel.send(msg)
    await until(lambda: heard)
    channel.on_event = before
    return str(OpenFlowError(heard[0].error, version=channel.version).name)


@scenario
async def test_what_a_nodes_switch_refuses_comes_back_as_an_error_and_is_gone(
    b: Bench, caplog: pytest.LogCaptureFixture
) -> None:
    async with controller() as peer:
        channel = await b.connected(peer)
        await channel.request(flow(1))
        b.nodes["n2"].refuses = lambda key: "too many tables" if key.endswith("/2") else ""
        channel.send(flow(2, flags=int(of.FlowModFlags.SEND_FLOW_REM)))
        await b.until(lambda: any(type(event).__name__ == "Refused" for event in peer.heard))
        await channel.barrier()
        assert [one.priority for one in b.room.datapath.flows] == [1]
        assert len(b.nodes["n1"].injected()) == len(b.nodes["n2"].injected()) == 1
        assert not any(key.endswith("/flow/2") for key in b.kept())
        await b.until(lambda: peer.messages(of.FlowRemoved))
        assert "service s, nodes: the switch of node n2 refuses a flow of table 0: too many tables" in caplog.text


@scenario
async def test_a_group_that_a_switch_refuses_is_said_until_it_does_not(b: Bench) -> None:
    async with controller() as peer:
        channel = await b.connected(peer)
        b.nodes["n1"].refuses = lambda key: "no" if key == f"group/{FIRST_GROUP}" else ""
        await channel.request(GROUP)
        assert b.room.refused == {("n1", "group 7"): "no"}
        b.nodes["n1"].refuses = lambda _: ""
        await channel.request(flow(1))
        assert b.room.refused == {}


@scenario
async def test_a_node_that_does_not_count_keeps_no_other_service_waiting(b: Bench) -> None:
    """One of the flows that go is to be reported with its counts, which no node tells."""
    b.apply("services: {t: {hook: egress, attach: [port/c], permissions: {drop: true}}}")
    async with controller() as peer:
        channel = await b.connected(peer)
        await channel.request(flow(1, flags=int(of.FlowModFlags.SEND_FLOW_REM)))
        b.nodes["n1"].answers.clear()
        channel.send(FlowMod(command=FlowModCommand.DELETE, table_id=ALL_TABLES))
        await asyncio.sleep(0.05)
        other = b.services.by_name["t"]
        began = time.monotonic()
        other.carry_out([(flow(1), V15)])
        await asyncio.wait_for(other.in_store(other.sequence), 2)
        assert time.monotonic() - began < 1
        assert b.nodes["n2"].injected().keys() >= {f"flow/{other.key}/1"}
        b.nodes["n1"].answers.set()
        await b.until(lambda: peer.messages(of.FlowRemoved))


@scenario
async def test_a_node_that_counts_nonsense_holds_up_nothing(b: Bench) -> None:
    b.nodes["n1"].counts["service-counts"] = {"flow": "many"}
    async with controller() as peer:
        channel = await b.connected(peer)
        await channel.request(flow(1, flags=int(of.FlowModFlags.SEND_FLOW_REM)))
        await channel.request(FlowMod(command=FlowModCommand.DELETE, table_id=ALL_TABLES))
        assert not b.nodes["n2"].injected()
        await b.until(lambda: peer.messages(of.FlowRemoved))


@scenario
async def test_the_end_of_a_flow_is_told_once_with_what_all_nodes_counted(b: Bench) -> None:
    key = b.room.key
    for name, packets in (("n1", 5), ("n2", 7)):
        b.nodes[name].counts["service-counts"] = {f"flow/{key}/1": (packets, 10 * packets, 0.0, 0.0)}
    async with controller() as peer:
        channel = await b.connected(peer)
        await channel.request(flow(1, flags=int(of.FlowModFlags.SEND_FLOW_REM)))
        await channel.request(FlowMod(command=FlowModCommand.DELETE, table_id=ALL_TABLES))
        await b.until(lambda: peer.messages(of.FlowRemoved))
        await channel.barrier()
        (told,) = peer.messages(of.FlowRemoved)
        assert (told.packet_count, told.byte_count) == (12, 120)


@scenario
async def test_nodes_are_not_asked_what_flows_have_counted_that_were_put_just_now(b: Bench) -> None:
    asked: list[str] = []

    async def answer(what: str, args: Mapping[str, str]) -> dict[str, Any]:
        asked.append(what)
        return {
            "n1": {f"flow/{b.room.key}/{one.number}": (one.priority, 60, 0.0, 9.0) for one in b.room.datapath.flows}
        }

    b.room.counts = Counts(answer)
    b.room.carry_out([(flow(9, table_id=1), V15)])
    new = b.room.replace(0, [flow(1), flow(2)], V15)
    assert [(one.mod.priority, one.packets) for one in await listed(b.room, 0, new)] == [(2, 0), (1, 0)]
    assert asked == []
    new = b.room.replace(0, [flow(1), flow(3)], V15)  # of which one was there
    assert [(one.mod.priority, one.packets) for one in await listed(b.room, 0, new)] == [(3, 3), (1, 1)]
    new = b.room.replace(0, [flow(1, cookie=5)], V15)  # another one, which counts on
    assert [(one.mod.cookie, one.packets) for one in await listed(b.room, 0, new)] == [(5, 1)]
    assert len(asked) == 2
    new = b.room.replace(0, [], V15)
    assert await listed(b.room, 0, new) == [] and len(asked) == 2
    assert [(one.mod.table_id, one.packets) for one in await listed(b.room, None)] == [(1, 9)]


# -- what is refused --------------------------------------------------------------------------------------------------


@scenario
async def test_a_bundle_is_carried_out_whole_or_not_at_all(b: Bench) -> None:
    async with controller() as peer:
        channel = await b.connected(peer)
        with pytest.raises(OpenFlowError):
            await bundle(channel, flow(1), GROUP, flow(2, of.Group(99)), flow(3))
        assert not len(b.room.datapath.flows) and not b.room.datapath.groups
        await bundle(channel, flow(1), GROUP, flow(2, of.Group(7)))
        await channel.barrier()
        assert len(b.nodes["n1"].injected()) == 2 and len(b.nodes["n1"].injected("group")) == 1


@scenario
async def test_no_more_flows_than_the_quota(b: Bench) -> None:
    async with controller() as peer:
        channel = await b.connected(peer)
        for priority in range(20):
            await channel.request(flow(priority + 1))
        assert await refused(channel, flow(21)) == "OFPFMFC_TABLE_FULL"
        assert await channel.request(flow(20, cookie=5)) is None  # takes the place of one
        assert len(b.nodes["n1"].injected()) == 20


@scenario
async def test_of_two_controllers_the_slave_changes_nothing(b: Bench) -> None:
    async with controller(V14) as peer:
        first = await b.connected(peer)
        waiting = await listen("ptcp:0:127.0.0.1", b.room.controllers.attach, side="switch", versions=(V14,))
        heard: list[Any] = []
        second = await dial(
            waiting.addresses[0], versions=(V14,), on_channel=lambda one: setattr(one, "on_event", heard.append)
        )
        waiting.close()
        role = of.ControllerRole
        await first.request(of.RoleRequest(role.MASTER, 1))
        await second.request(of.RoleRequest(role.SLAVE, 1))
        assert await refused(second, flow(1)) == "OFPBRC_IS_SLAVE"
        assert not len(b.room.datapath.flows)
        await second.request(of.RoleRequest(role.MASTER, 2))
        assert await second.request(flow(1)) is None
        assert await refused(first, flow(2)) == "OFPBRC_IS_SLAVE"
        second.close()


HELLO_15 = bytes.fromhex("0600000800000001")


async def raw(b: Bench, *parts: bytes) -> bytes:
    """What a controller hears that sends these octets, until it is left."""
    heard = asyncio.Event()
    data = b""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal data
        for part in parts:
            writer.write(part)
        try:
            async with asyncio.timeout(1):
                while more := await reader.read(1 << 16):
                    data += more
        except (TimeoutError, ConnectionError):
            pass
        writer.close()
        heard.set()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    b.room.access.connect(Controller(f"tcp:127.0.0.1:{port}"))
    await asyncio.wait_for(heard.wait(), 15)
    b.room.access.connect(None)
    server.close()
    return data


@scenario
async def test_garbage_changes_nothing_and_keeps_nobody_out(b: Bench, caplog: pytest.LogCaptureFixture) -> None:
    """Octets that are no OpenFlow, lengths that cannot be, versions that there are not, and what no switch is told."""
    await raw(b, b"GET / HTTP/1.1\r\n\r\n" * 10)
    await raw(b, bytes(range(256)) * 100)
    await raw(b, bytes.fromhex("0900000800000001"))  # OpenFlow of a version to come
    await raw(b, bytes.fromhex("0200000800000001"))  # 1.1, which services do not speak
    answers = await raw(b, HELLO_15, bytes.fromhex("060e000400000002"))  # a length shorter than its header
    answers += await raw(b, HELLO_15, bytes.fromhex("060effff00000002") + b"\xff" * 65527)  # as long as can be
    answers += await raw(b, HELLO_15, bytes.fromhex("06630008000000aa"))  # a type that there is not
    assert bytes.fromhex("000000aa00010001") in answers  # OFPET_BAD_REQUEST, OFPBRC_BAD_TYPE
    assert not len(b.room.datapath.flows)
    assert "a message that cannot be read" in caplog.text and "127.0.0.1" in caplog.text
    async with controller() as peer:
        channel = await b.connected(peer)
        assert await channel.request(flow(1)) is None


@scenario
async def test_what_is_not_permitted_is_logged_with_who_and_why(b: Bench, caplog: pytest.LogCaptureFixture) -> None:
    async with controller(V13) as peer:
        channel = await b.connected(peer)
        assert await refused(channel, flow(1, of.SetField("eth_src", 1), of.Output(2))) == "OFPBAC_EPERM"
        assert await refused(channel, flow(1, of.Output(3))) == "OFPBAC_BAD_OUT_PORT"
        assert f"service s, {peer.target}" in caplog.text and "ask for eth_src among rewrite" in caplog.text


@scenario
async def test_all_four_versions_are_spoken(b: Bench) -> None:
    for version in (V10, V13, V14, V15):
        async with controller(version) as peer:
            channel = await b.connected(peer)
            assert channel.version == version
            features = await channel.request(of.FeaturesRequest())
            assert features.datapath_id == 0x5E00_0000_0000 | b.room.key
        b.room.access.connect(None)


# -- tokens -----------------------------------------------------------------------------------------------------------


@scenario
async def test_a_new_token_puts_out_who_came_by_the_old_one(b: Bench) -> None:
    old = b.room.access.renew(None)
    assert b.room.access.wrong(old) == ""
    async with controller() as peer:
        channel = await b.connected(peer)
        await channel.request(flow(1))
        new = b.room.access.renew(None)
        await asyncio.wait_for(channel.wait_closed(), 5)
        assert "not the secret" in b.room.access.wrong(old) and b.room.access.wrong(new) == ""
        again = await peer.called()  # the registered controller is called anew, and finds all as it was
        assert len(await flows_of(again)) == 1
        assert old.partition(".")[2].encode() not in b"".join(b.kept().values())
        assert new.partition(".")[2].encode() not in b"".join(b.kept().values())


@scenario
async def test_a_token_that_expires_puts_its_holder_out_and_leaves_the_flows(
    b: Bench, caplog: pytest.LogCaptureFixture
) -> None:
    async with controller() as peer:
        b.room.access.connect(Controller(peer.target))
        token = b.room.access.renew(1.0)
        channel = await peer.called()
        while not channel.connected:
            channel = await peer.called()
        await channel.request(flow(1))
        assert b.room.access.wrong(token) == ""
        await asyncio.wait_for(channel.wait_closed(), 5)
        assert "expired" in b.room.access.wrong(token) and not b.room.access.holds()
        assert "service s: its token has expired" in caplog.text
        assert len(b.nodes["n1"].injected()) == 1
        await asyncio.sleep(0.5)
        assert peer.channels.empty()  # and it is not called any more


@scenario
async def test_revoking_removes_all_that_came_by_the_token_at_once(b: Bench) -> None:
    token = b.room.access.renew(None)
    about = next(iter(b.kept()))
    async with controller() as peer:
        channel = await b.connected(peer)
        for msg in (GROUP, METER, flow(1), flow(2, of.Group(7)), flow(3, of.MeterAction(3), of.Output(0xFFFFFFFA))):
            await channel.request(msg)
        assert len(b.nodes["n1"].injected()) == 3 and len(b.nodes["n1"].injected("meter")) == 3
        b.room.access.revoke()
        await b.settled()
        for node in b.nodes.values():
            assert not node.injected() and not node.injected("group")
            assert node.injected("meter").keys() == {f"meter/{b.room.about.meter}", f"meter/{b.room.about.copy_meter}"}
            assert not any(key.startswith("flow/") for key in node.records)
        assert list(b.kept()) == [about]
        await asyncio.wait_for(channel.wait_closed(), 5)
        assert "revoked" in b.room.access.wrong(token)
        await asyncio.sleep(0.5)
        assert peer.channels.empty()
    await b.restart()
    assert "revoked" in b.room.access.wrong(token) and b.room.about.controller is None


# -- what comes back --------------------------------------------------------------------------------------------------


@scenario
async def test_a_restart_brings_all_back(b: Bench) -> None:
    token = b.room.access.renew(3600)
    async with controller() as peer:
        channel = await b.connected(peer)
        for msg in (GROUP, METER, flow(1), flow(2, of.Group(7)), flow(3, of.MeterAction(3), of.Output(0xFFFFFFFA))):
            await channel.request(msg)
        features = await channel.request(of.FeaturesRequest())
        flows = [(one.priority, one.match, one.instructions) for one in await flows_of(channel)]
        records = {name: dict(node.records) for name, node in b.nodes.items()}
        ports, kept = dict(b.room.about.numbers), b.kept()
        await b.restart()
        again = await peer.called()
        await b.settled()
        assert {name: node.records for name, node in b.nodes.items()} == records
        assert b.room.about.numbers == ports and b.kept() == kept
        assert b.room.access.wrong(token) == ""
        assert await again.request(of.FeaturesRequest()) == features
        assert [(one.priority, one.match, one.instructions) for one in await flows_of(again)] == flows
        assert await again.request(flow(4)) is None


@scenario
async def test_port_numbers_stay_and_are_nobody_elses_over_restarts(b: Bench) -> None:
    numbers = {one.name: number for number, one in b.room.datapath.scope.elements.items()}
    b.apply("services: {s: {hook: ingress, attach: [port/c]}}")
    await b.settled()
    await b.restart()
    assert [one.name for one in b.room.datapath.scope.elements.values()] == ["c"]
    assert b.room.datapath.scope.elements.keys().isdisjoint(numbers.values())
    b.apply("services: {s: {hook: ingress, attach: [port/a, port/b, port/c]}}")
    now = {one.name: number for number, one in b.room.datapath.scope.elements.items()}
    assert {name: now[name] for name in numbers} == numbers


@scenario
async def test_a_flow_that_is_not_permitted_any_more_is_gone_from_disk_and_nodes(b: Bench) -> None:
    b.room.carry_out([(flow(1), V15), (flow(2, of.Output(2)), V15)])
    await b.settled()
    before = b.kept()
    b.apply("services: {s: {hook: ingress, attach: [port/a, port/b], permissions: {drop: true}}}")
    await b.settled()
    assert [record.rule.priority for record in b.nodes["n1"].injected().values() if isinstance(record, FlowRecord)] == [
        1
    ]
    assert sum("/flow/" in key for key in b.kept()) == 1
    b.store.commit(Transaction(puts=before))  # as if the server had died before it came to that
    await b.restart()
    await b.settled()
    assert sum("/flow/" in key for key in b.kept()) == 1 == len(b.nodes["n1"].injected())


@scenario
async def test_what_a_crash_leaves_of_a_deleted_service_goes_at_the_next_start(b: Bench) -> None:
    b.room.carry_out([(flow(1), V15), (GROUP, V15)])
    await b.settled()
    key = b.room.key
    b.services._forget = lambda prefix: None  # type: ignore[method-assign]  # the server dies in between
    b.conductor.apply({("service", "s"): None})
    assert any(f"/{key}/flow/" in one for one in b.kept())
    await b.restart()
    assert b.kept() == {}
    b.apply("services: {s: {hook: ingress, attach: [port/a]}}")
    assert b.room.key != key and not len(b.room.datapath.flows) and b.room.access.kept is None


@scenario
async def test_a_service_that_is_deleted_takes_all_along_and_hangs_up(b: Bench) -> None:
    async with controller() as peer:
        channel = await b.connected(peer)
        await channel.request(flow(1))
        await channel.request(GROUP)
        b.conductor.apply({("service", "s"): None})
        await b.until(lambda: not any(node.injected() or node.injected("group") for node in b.nodes.values()))
        await asyncio.wait_for(channel.wait_closed(), 5)
        await b.until(lambda: not b.kept())
        assert b.services.numbers.meters._taken == set()


@scenario
async def test_who_has_called_is_put_out_with_the_service(b: Bench) -> None:
    b.room.access.connect(Controller("ptcp:0:127.0.0.1"))
    door = b.room.access.door
    assert door is not None
    await b.until(lambda: door.address.startswith("tcp:"))
    callers = [await dial(door.address, versions=(V15,)) for _ in range(2)]
    assert await callers[0].request(flow(1)) is None
    b.conductor.apply({("service", "s"): None})
    for channel in callers:
        await asyncio.wait_for(channel.wait_closed(), 5)
    with pytest.raises(OSError, match=r"refused|failed"):
        await dial(door.address, versions=(V15,))


@scenario
async def test_what_is_being_written_of_a_service_that_is_deleted_does_not_stay(b: Bench) -> None:
    disk = Disk(b.store)
    b.apply("services: {t: {hook: ingress, attach: [port/a], permissions: {drop: true}}}")
    await b.settled()
    disk.go.clear()
    b.services.by_name["t"].carry_out([(flow(1), V15)])
    await b.until(disk.busy.is_set)
    b.conductor.apply({("service", "t"): None})
    disk.go.set()
    b.room.carry_out([(flow(2), V15)])
    await b.settled()
    assert [key for key in b.kept() if "/flow/" in key] == [f"injected/{b.room.key}/flow/1"]
    assert not [key for key in b.kept() if not key.startswith(f"injected/{b.room.key}")]
    assert list(b.nodes["n1"].injected()) == [f"flow/{b.room.key}/1"]


@scenario
async def test_flows_follow_to_a_node_that_gets_an_element(b: Bench) -> None:
    b.conductor.apply(objects("services: {s: {hook: ingress, attach: [port/a], permissions: {drop: true}}}"))
    b.room.carry_out([(flow(1), V15)])
    await b.settled()
    assert b.nodes["n1"].injected() and not b.nodes["n2"].injected()
    b.apply("ports: {a: {network: web, node: n2, address: 10.0.0.10}}")
    await b.until(lambda: b.nodes["n2"].injected() and not b.nodes["n1"].injected())
