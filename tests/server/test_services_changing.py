"""Services that come to another project, go, and take each other's place, while something of them is under way."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from service_bench import SERVICE, Bench, Disk, Node, controller, flow, scenario

from segue.api.service_bodies import said
from segue.inject.errors import Refusal
from segue.model.program import FIRST_GROUP, FIRST_METER
from segue.model.protocol import Applied
from segue.model.view import MeterRecord
from segue.openflow import protocol as of
from segue.openflow.connection import Received
from segue.openflow.wire import CONTROLLER, V15
from segue.server.service_controllers import GONE
from segue.server.service_doors import Controller

DATA = bytes.fromhex("ffffffffffff0200000000010806") + bytes(46)
OUT = of.PacketOut(data=DATA, in_port=CONTROLLER, actions=[of.Output(1)])
METER = of.MeterMod(of.MeterCommand.ADD, 3, (of.MeterDrop(rate=5, burst_size=5),), of.MeterFlags.PKTPS)
NO_METER = of.MeterMod(of.MeterCommand.DELETE, 3)
OTHER = "services: {t: {hook: ingress, attach: [port/a], permissions: {meter: true, copy: true}%s}}"
PUNT = flow(1, of.Output(CONTROLLER))


# -- to another project, and away --------------------------------------------------------------------------------------


@scenario
async def test_where_a_controller_may_be_called_is_judged_anew_for_another_project(b: Bench) -> None:
    async with controller() as peer:
        channel = await b.connected(peer)
        await channel.request(flow(1))
        b.apply("services: {s: {project: red, hook: ingress}}")
        await asyncio.wait_for(channel.wait_closed(), 5)
        door = b.room.access.door
        assert door is not None
        await b.until(lambda: "the server's own machine" in door.trouble)
        assert peer.channels.empty() and "the server's own machine" in door.told


@scenario
async def test_of_a_service_that_is_gone_nobody_is_called_and_nothing_is_sent_or_kept(b: Bench) -> None:
    b.apply(OTHER.replace("attach: [port/a], ", "") % "")
    room, key = b.room, b.room.key
    for name in ("s", "t"):  # the second is attached to nothing, and so no node hears of it
        b.conductor.apply({("service", name): None})
    assert b.services._leaving == {}
    room.access.connect(Controller("ptcp:0:127.0.0.1"))
    assert room.access.door is None
    b.services.send(key, "n1", (), DATA, "")
    await asyncio.sleep(0.1)
    assert not b.nodes["n1"].sent
    await b.until(lambda: not b.kept())


# -- nodes and packets -------------------------------------------------------------------------------------------------


@scenario
async def test_what_an_agent_said_is_no_answer_of_the_next_one(b: Bench) -> None:
    old = b.nodes["n2"]
    old.answers.clear()
    b.room.replace(0, [flow(1)], V15)
    await b.until(lambda: len(b.nodes["n1"].injected()) == 1)
    old.session.incoming(Applied(b.conductor.epoch, b.conductor.revision, {}, "its switch is away"))
    await b.settled()
    b.nodes["n2"] = Node(b.agents, b.conductor, "n2")
    b.nodes["n2"].answers.clear()
    old.task.cancel()
    with pytest.raises(TimeoutError):
        await asyncio.wait_for(b.room.in_force(b.room.sequence), 0.3)
    b.nodes["n2"].answers.set()
    await b.settled()


@scenario
async def test_a_packet_in_the_place_of_one_that_is_forgotten_waits_for_its_own_flows(b: Bench) -> None:
    disk = Disk(b.store)
    kept: list[bool] = []
    b.services.send = lambda *_: kept.append(f"injected/{b.room.key}/flow/2" in b.kept())  # type: ignore[method-assign]
    disk.go.clear()
    b.room.carry_out([(flow(1), V15), (OUT, V15)])
    await b.until(disk.busy.is_set)
    b.room.packets.forget()
    b.room.carry_out([(flow(2), V15), (OUT, V15)])
    disk.go.set()
    await b.until(lambda: kept)
    assert kept == [True]


@scenario
async def test_what_a_controller_said_that_has_gone_is_not_said_to_fail_for_its_token(b: Bench, caplog: Any) -> None:
    async with controller() as peer:
        await b.connected(peer)
        await b.until(lambda: b.room.side.channels)
        (channel,) = b.room.side.channels
        tell = channel.on_event
        assert tell is not None
        channel.close("it is enough")
        tell(Received(flow(1), 5))
        assert not b.room.datapath.flows
        assert GONE in caplog.text and "token no longer holds" not in caplog.text


# -- numbers of the switches, and what these refuse --------------------------------------------------------------------


@scenario
async def test_a_meter_that_two_services_hand_over_is_there_for_the_second(b: Bench) -> None:
    b.apply(OTHER % "")
    t = b.services.by_name["t"]
    b.room.carry_out([(METER, V15)])
    await b.settled()
    number = b.room.datapath.meters[3].switch
    b.services.schedule(t)  # it comes first in what is written
    b.room.carry_out([(NO_METER, V15)])
    b.services.numbers.meters._next = number - FIRST_METER
    t.carry_out([(METER, V15)])
    assert t.datapath.meters[3].switch == number
    await b.settled()
    await asyncio.wait_for(t.in_force(t.sequence), 5)
    record = b.nodes["n1"].records[f"meter/{number}"]
    assert isinstance(record, MeterRecord) and record.meter.owner == "service/t"
    assert f"meter/{number}" not in b.nodes["n2"].records  # which has nothing of the second


@scenario
async def test_what_a_switch_goes_on_refusing_is_logged_once(b: Bench, caplog: Any) -> None:
    group = of.GroupMod(of.GroupCommand.ADD, 7)
    b.nodes["n1"].refuses = lambda key: "no" if key == f"group/{FIRST_GROUP}" else ""
    b.room.carry_out([(group, V15)])
    await b.settled()
    for number in (1, 2, 3):
        b.room.carry_out([(flow(number), V15)])
        await b.settled()
        assert b.room.refused == {("n1", "group 7"): "no"}
    assert caplog.text.count("the switch of node n1 refuses group 7: no") == 1


# -- none at all -------------------------------------------------------------------------------------------------------


@scenario
async def test_a_service_with_no_packet_ins_has_none_and_gets_them_when_it_may_have_some(b: Bench) -> None:
    b.room.carry_out([(PUNT, V15)])
    await b.settled()
    b.apply(SERVICE.replace("flows: 20", "flows: 20\n    packet_ins: 0"))
    await b.settled()
    assert not b.room.datapath.flows and f"meter/{b.room.about.meter}" not in b.nodes["n1"].records
    with pytest.raises(Refusal, match="permission packet_in"):
        b.room.carry_out([(PUNT, V15)])
    b.apply(SERVICE)
    b.room.carry_out([(PUNT, V15)])
    await b.settled()
    assert f"meter/{b.room.about.meter}" in b.nodes["n1"].records


@scenario
async def test_a_service_that_wants_no_copies_lacks_no_meter_for_them(b: Bench) -> None:
    meters = b.services.numbers.meters
    meters._count = len(meters)
    for more, lacks in ((", copies: 0", 0), (", copies: 1", 1)):
        b.apply(OTHER % more)
        refused = said(b.services.by_name["t"], b.services, whole=True).refused
        assert len(refused) == lacks, refused
