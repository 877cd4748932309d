"""What injected services are promised when the disk, the names of hosts, or numbers fail them, and at their end."""

from __future__ import annotations

import asyncio
import threading
import time
from typing import Any

import msgspec
import pytest
from service_bench import Bench, Disk, controller, flow, scenario

from segue.inject.group_mods import LEFT, METERS
from segue.inject.rooms import Room
from segue.model import program
from segue.model.program import FIRST_METER
from segue.openflow import ALL_TABLES, CONTROLLER, FlowMod, FlowModCommand, PacketOut
from segue.openflow import protocol as of
from segue.openflow.connection import Received, Refused
from segue.openflow.wire import V15
from segue.server.service_answers import MOST_BARRIERS
from segue.server.service_doors import Controller
from segue.server.service_pending import Gone
from segue.server.services import Unwritable
from segue.store.base import Transaction

METER = of.MeterMod(of.MeterCommand.ADD, 3, (of.MeterDrop(rate=5, burst_size=5),), of.MeterFlags.PKTPS)
OTHER = "services: {t: {hook: ingress, attach: [port/a], permissions: {drop: true}}}"
NAMES = "services: {%s: {hook: ingress, attach: [port/a], permissions: {packet_in: true, meter: true}}}"


# -- the end of a token -----------------------------------------------------------------------------------------------


@scenario
async def test_what_was_read_before_the_token_ended_and_waited_since_is_not_done(b: Bench) -> None:
    async with controller() as peer:
        await b.connected(peer)
        await b.until(lambda: b.room.side.channels)
        (channel,) = b.room.side.channels
        tell = channel.on_event
        assert tell is not None
        b.room.access.revoke()
        tell(Received(flow(1), 5))
        assert not b.room.datapath.flows
        b.room.access.renew(None)
        tell(Received(flow(2), 6))  # nor by the next one's
        assert not b.room.datapath.flows


@scenario
async def test_who_was_accepted_and_says_hello_after_the_end_is_not_let_in(b: Bench) -> None:
    b.room.access.connect(Controller("ptcp:0:127.0.0.1"))
    door = b.room.access.door
    assert door is not None
    await b.until(lambda: door.address.startswith("tcp:"))
    host, port = door.address.removeprefix("tcp:").split(":")
    reader, writer = await asyncio.open_connection(host, int(port))
    await reader.read(8)
    b.room.access.revoke()
    b.room.access.renew(None)
    hello, add = bytes.fromhex("0600000800000001"), bytes.fromhex("060e0038") + bytes(52)
    writer.write(hello + add)
    await asyncio.wait_for(reader.read(), 5)
    assert not b.room.side.channels and not b.room.datapath.flows
    writer.close()


@scenario
async def test_packets_that_wait_to_be_sent_are_not_once_the_token_is_revoked(b: Bench) -> None:
    disk = Disk(b.store)
    disk.go.clear()
    b.room.carry_out([(flow(1), V15), (PacketOut(in_port=CONTROLLER, actions=[of.Output(2)], data=bytes(60)), V15)])
    await b.until(disk.busy.is_set)
    b.room.access.revoke()
    disk.go.set()
    await b.settled()
    assert b.nodes["n2"].sent == [] and not b.nodes["n1"].injected() and not b.nodes["n2"].injected()


# -- a full disk ------------------------------------------------------------------------------------------------------


@scenario
async def test_while_the_disk_is_full_what_has_ended_leaves_the_nodes(b: Bench) -> None:
    """And what a controller removed stays until that is written: something else may be to take its place."""
    disk = Disk(b.store)
    b.apply("services: {t: {hook: egress, attach: [port/a, port/b], permissions: {drop: true}}}")
    other = b.services.by_name["t"]
    b.room.carry_out([(flow(1), V15), (METER, V15)])
    other.carry_out([(flow(1, hard_timeout=1), V15), (flow(2), V15), (flow(3), V15)])
    await b.settled()
    await asyncio.wait_for(other.in_force(other.sequence), 5)
    disk.full = True
    other.carry_out([(FlowMod(command=FlowModCommand.DELETE, match=flow(3).match, table_id=ALL_TABLES), V15)])
    b.room.access.revoke()
    with pytest.raises(Unwritable):
        await b.room.durable(b.room.sequence)
    left = {f"flow/{other.key}/2", f"flow/{other.key}/3"}
    await b.until(lambda: all(node.injected().keys() == left for node in b.nodes.values()), 8)
    meters = {f"meter/{n}" for room in (b.room, other) for n in (room.about.meter, room.about.copy_meter)}
    assert all(node.injected("meter").keys() <= meters for node in b.nodes.values())
    disk.full = False
    await asyncio.wait_for(other.in_force(other.sequence), 5)
    assert b.nodes["n1"].injected().keys() == {f"flow/{other.key}/2"}
    assert sum("/flow/" in key for key in b.kept()) == 1


@scenario
async def test_what_is_being_written_when_it_ends_does_not_come_to_the_nodes(b: Bench) -> None:
    disk = Disk(b.store)
    told: list[str] = []
    publish = b.conductor.publish

    def noted(changes: Any) -> int:
        told.extend(key for (_, key), record in changes.items() if record is not None)
        return publish(changes)

    b.conductor.publish = noted  # type: ignore[method-assign]
    disk.go.clear()
    b.room.carry_out([(flow(1), V15)])
    await b.until(disk.busy.is_set)
    b.room.access.revoke()
    disk.go.set()
    await b.settled()
    assert told == [] and not any("/flow/" in key for key in b.kept())


@scenario
async def test_names_of_hosts_that_nobody_knows_hold_up_no_write(b: Bench) -> None:
    """They are asked for in asyncio's threads, of which there are few."""
    stuck = threading.Event()
    loop = asyncio.get_running_loop()
    asked = [loop.run_in_executor(None, stuck.wait, 20) for _ in range(64)]
    try:
        b.room.carry_out([(flow(1), V15)])
        await asyncio.wait_for(b.room.in_store(b.room.sequence), 5)
    finally:
        stuck.set()
        await asyncio.gather(*asked)


# -- waiting ----------------------------------------------------------------------------------------------------------


@scenario
async def test_who_waits_for_a_service_that_is_deleted_hears_of_it(b: Bench) -> None:
    disk = Disk(b.store)
    b.apply(OTHER)
    await b.settled()
    room = b.services.by_name["t"]
    disk.go.clear()
    room.carry_out([(flow(1), V15)])
    waiting = [asyncio.create_task(wait(room.sequence)) for wait in (room.durable, room.in_store, room.in_force)]
    await b.until(disk.busy.is_set)
    b.conductor.apply({("service", "t"): None})
    found = await asyncio.wait_for(asyncio.gather(*waiting, return_exceptions=True), 5)
    disk.go.set()
    assert [type(one) for one in found] == [Gone] * 3


@scenario
async def test_who_waits_for_a_slow_disk_is_answered_in_time(b: Bench) -> None:
    disk = Disk(b.store)
    disk.go.clear()
    b.room.carry_out([(flow(1), V15)])
    began = time.monotonic()
    with pytest.raises(Unwritable, match=r"the disk has not taken it in 0\.5 s"):
        await b.room.durable(b.room.sequence, 0.5)
    assert time.monotonic() - began < 2
    disk.go.set()
    await b.settled()


@scenario
async def test_any_number_of_barriers_is_answered_in_order_and_reading_stops_meanwhile(b: Bench) -> None:
    answered: list[int] = []
    async with controller() as peer:
        channel = await b.connected(peer)

        async def ask(number: int) -> None:
            await channel.barrier(30)
            answered.append(number)

        b.nodes["n2"].answers.clear()
        channel.send(flow(1))
        barriers = [asyncio.create_task(ask(number)) for number in range(4 * MOST_BARRIERS)]
        await asyncio.sleep(0.2)
        assert not answered
        b.nodes["n2"].answers.set()
        await asyncio.gather(*barriers)
        assert answered == list(range(4 * MOST_BARRIERS))
        b.nodes["n2"].answers.clear()
        channel.send(flow(2))
        for _ in range(20_000):
            channel.send(of.BarrierRequest())
        channel.send(flow(3))
        waiting = b.room.controllers.answers
        await b.until(lambda: waiting.full)
        await asyncio.sleep(0.3)
        assert len(waiting._barriers) < 5_000  # what two reads may bring
        assert len(b.room.datapath.flows) == 2
        b.nodes["n2"].answers.set()
        await b.until(lambda: len(b.room.datapath.flows) == 3, 20)
        assert not [event for event in peer.heard if isinstance(event, Refused)]


@scenario
async def test_nothing_is_kept_of_flows_that_ended_and_channels_that_went(b: Bench) -> None:
    async with controller() as peer:
        channel = await b.connected(peer)
        for number in range(5):
            await channel.request(flow(number + 1, hard_timeout=1))
        await channel.request(flow(9))
        await b.until(lambda: len(b.room.datapath.flows) == 1)
        assert len(b.room.controllers._xids) == 1
        b.room.access.connect(None)
        await asyncio.wait_for(channel.wait_closed(), 5)
        await b.until(lambda: not b.room.side.channels)
        assert not b.room.controllers._xids


# -- numbers ----------------------------------------------------------------------------------------------------------


@scenario
async def test_a_service_whose_record_was_not_written_takes_no_number_that_another_has(b: Bench) -> None:
    for name in ("y", "z"):
        b.apply(NAMES % name)
        room = b.services.by_name[name]
        room.carry_out([(METER, V15)])
        await asyncio.wait_for(room.in_force(room.sequence), 5)
    b.services.save = lambda room: None  # type: ignore[method-assign]  # the server dies before it is written
    b.apply(NAMES % "a")

    def numbers_of(name: str) -> tuple[int, int]:
        about = b.services.by_name[name].about
        return about.meter, about.copy_meter

    kept = {name: numbers_of(name) for name in ("s", "y", "z")}
    await b.restart()
    assert {name: numbers_of(name) for name in ("s", "y", "z")} == kept
    rooms = b.services.by_name.values()
    numbers = [number for room in rooms for number in (room.about.meter, room.about.copy_meter)] + [
        one.switch for room in rooms for one in room.datapath.meters.values()
    ]
    assert len(set(numbers)) == len(numbers) == 10 and 0 not in numbers
    assert len(b.services.numbers.meters) == 10


@scenario
async def test_a_number_that_two_have_is_the_firsts_and_the_server_starts(
    b: Bench, caplog: pytest.LogCaptureFixture
) -> None:
    b.apply(NAMES % "t")
    room = b.services.by_name["t"]
    for one in (b.room, room):
        one.carry_out([(METER, V15), (of.GroupMod(of.GroupCommand.ADD, 7), V15)] if one is b.room else [(METER, V15)])
        await asyncio.wait_for(one.in_force(one.sequence), 5)
    about = f"injected/{room.key}"
    same = msgspec.json.decode(b.kept()[about]) | {"meter": b.room.about.meter}
    meter = b.kept()[f"injected/{b.room.key}/meter/3"]
    b.store.commit(Transaction(puts={about: msgspec.json.encode(same), f"{about}/meter/3": meter}))
    for _ in range(2):
        await b.restart()
        await b.settled()
        rooms = [b.room, b.services.by_name["t"]]
        numbers = [one.about.meter for one in rooms] + [one.datapath.meters[3].switch for one in rooms]
        assert len(set(numbers)) == 4, numbers
        await asyncio.wait_for(rooms[1].in_force(rooms[1].sequence), 5)
    text = caplog.text
    assert "service t: the meter of its packet-ins was another's" in text
    assert "service t: the switches' number of its meter 3 was another's" in text
    assert text.count("was another's") == 2  # the second start finds all in order


@scenario
async def test_a_service_without_a_meter_for_its_packet_ins_says_so_and_gets_the_next_that_is_free(
    b: Bench, caplog: pytest.LogCaptureFixture
) -> None:
    room = b.services.numbers.meters
    room._count = len(room)
    b.apply(NAMES % "t")
    late = b.services.by_name["t"]
    assert late.about.meter == 0 and not late.datapath.scope.permissions.packet_in
    assert "service t: there is no meter for its packet-ins" in caplog.text
    assert late.about.copy_meter == 0 and "service t: there is no meter for its copies" in caplog.text
    b.conductor.apply({("service", "s"): None})
    number = late.about.meter
    assert number and late.datapath.scope.permissions.packet_in
    await asyncio.wait_for(late.in_force(late.sequence), 5)
    assert f"meter/{number}" in b.nodes["n1"].records
    await b.restart()
    assert b.services.by_name["t"].about.meter == number
    assert b.services.by_name["t"].about.copy_meter not in (0, number)


def test_the_last_meters_are_for_packet_ins() -> None:
    room = Room(FIRST_METER, program.METERS)
    taken = 0
    while room.take(LEFT) is not None:
        taken += 1
    assert taken == program.METERS - LEFT > METERS * 700
    assert room.take() is not None


# -- elements that come and go ----------------------------------------------------------------------------------------


@scenario
async def test_a_flow_of_a_port_that_is_attached_again_is_there_with_the_port(b: Bench) -> None:
    b.room.carry_out([(flow(1, match={"in_port": 1}), V15)])
    await b.settled()
    alone = "services: {s: {hook: ingress, attach: [%s], permissions: {drop: true}}}"
    b.apply(alone % "port/b")
    await b.settled()
    await b.until(lambda: not any(node.injected() for node in b.nodes.values()))
    before = b.conductor.revision
    b.apply(alone % "port/a, port/b")
    assert b.conductor.revision == before + 1
    assert f"flow/{b.room.key}/1" in b.conductor.views["n2"]
    await asyncio.sleep(0.1)
    assert b.conductor.revision == before + 1
