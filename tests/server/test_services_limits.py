"""What one service can cost others: its share of the loop, and of the way down to nodes."""

from __future__ import annotations

import asyncio
import time
from collections import Counter

import msgspec
import pytest
from service_bench import Bench, controller, flow, scenario

from segue.agent.keeper import Keeper
from segue.api.service_bodies import said
from segue.inject.errors import Refusal
from segue.model.intent import Permissions, Service
from segue.model.program import Band
from segue.model.protocol import Send, Sync
from segue.model.view import MeterRecord
from segue.openflow import protocol as of
from segue.openflow.wire import NORMAL, V15
from segue.server.agents import MOST_SENDS, SENDS_AT_ONCE
from segue.server.service_limits import ProjectLimits
from segue.server.service_room import Room

MANY = 10_000
WIDE = {"eth_type": 0x800, "ipv4_src": (0x0B000000, 0xFF000000)}
"""Covers none of the flows, and has to be compared with all."""
PLACE = {"eth_type": 0x800, "ipv4_src": (0x0A000000, 0xFFFFFF00)}
"""Of the first of them."""


def removal(**match: object) -> of.FlowMod:
    settings = {"table_id": 255, "out_port": 0xFFFFFFFF, "out_group": 0xFFFFFFFF}
    return of.FlowMod(command=of.FlowModCommand.DELETE, match=dict(match), **settings)  # type: ignore[arg-type]


async def filled(b: Bench) -> None:
    """As many flows as a project's service may have."""
    b.apply(f"services: {{s: {{hook: ingress, attach: [port/a], flows: {MANY}, permissions: {{drop: true}}}}}}")
    where = [{"eth_type": 0x800, "ipv4_src": (0x0A000000 + (n << 8), 0xFFFFFF00)} for n in range(MANY)]
    for first in range(0, MANY, 1000):
        b.room.carry_out([(flow(1, match=match), V15) for match in where[first : first + 1000]])
        await b.settled()


async def longest_pause(seconds: float) -> tuple[float, float]:
    """Of the loop, and how much of the time it had for others."""
    end = time.monotonic() + seconds
    longest, stood, before = 0.0, 0.0, time.monotonic()
    while before < end:
        await asyncio.sleep(0.001)
        now = time.monotonic()
        longest = max(longest, now - before)
        stood += max(0.0, now - before - 0.004)
        before = now
    return longest, 1 - stood / seconds


@scenario
async def test_removals_that_look_at_all_flows_leave_half_of_the_loop_to_others(b: Bench) -> None:
    await filled(b)
    async with controller() as peer:
        channel = await b.connected(peer)
        for _ in range(250):
            channel.send(removal(**WIDE))
        asked = asyncio.ensure_future(channel.barrier(60))
        longest, others = await longest_pause(2)
        assert not asked.done()  # there is work all the time
        assert longest < 0.4 and others > 0.3, (longest, others)
        asked.cancel()
        assert len(b.room.datapath.flows) == MANY


@scenario
async def test_what_waits_for_its_turn_is_carried_out_in_its_order_and_whole(b: Bench) -> None:
    b.apply("services: {s: {hook: ingress, attach: [port/a], flows: 3000, permissions: {drop: true}}}")
    b.services.turns._all = 1.0  # as if all of it were spent
    async with controller() as peer:
        channel = await b.connected(peer)
        for number in range(1, 2001):
            channel.send(flow(number))
        channel.send(removal(eth_type=0x800, ip_proto=6, tcp_dst=5))
        channel.send(flow(5, cookie=9))
        await channel.barrier(30)
        cookies = {one.priority: one.cookie for one in b.room.datapath.flows}
        assert cookies == {number: 9 * (number == 5) for number in range(1, 2001)}
        assert not b.services.turns._held and not b.services.turns._waiting


@scenario
async def test_services_wait_for_their_turn_by_project(b: Bench) -> None:
    for name in ("t", "u"):
        b.apply(f"services: {{{name}: {{project: red, hook: ingress}}}}")
    rooms = [b.services.by_name[name] for name in ("s", "t", "u")]
    b.services.turns._all = 0.1  # as if all of it were spent

    async def ask(room: Room) -> None:
        async with room.turn():
            pass

    asking = [asyncio.create_task(ask(room)) for room in rooms]
    await asyncio.sleep(0)
    assert b.services.turns._waiting.keys() == {b.room.key, "red"}
    await asyncio.gather(*asking)


@scenario
async def test_packets_wait_for_an_agent_and_at_it_in_turns_by_project(b: Bench) -> None:
    b.apply("ports: {mine: {project: red, network: web, node: n1, address: 10.0.0.13}}")
    for name in ("t", "u"):
        b.apply(f"services: {{{name}: {{project: red, hook: ingress, attach: [port/mine]}}}}")
    keys = {name: b.services.by_name[name].key for name in ("s", "t", "u")}
    node = b.nodes["n1"]
    for name in ("t", "u", "s"):
        for number in range(3):
            b.services.send(keys[name], "n1", (), bytes([number]), "")
    await b.until(lambda: len(node.sent) == 9)
    names = {key: name for name, key in keys.items()}
    assert [names[one.service] for one in node.sent] == list("tsustsutu")
    keeper = Keeper(lambda applied: None, asyncio.Event().wait)  # type: ignore[arg-type]
    keeper.sync(Sync("e", 1, True, dict(node.records)))
    assert [keeper.whose(keys[name]) for name in ("s", "t", "u")] == [keys["s"], "red", "red"]


@scenario
async def test_messages_that_go_together_compare_no_more_than_can_be_borne(b: Bench) -> None:
    await filled(b)
    with pytest.raises(Refusal, match="send them in parts"):
        b.room.carry_out(
            [
                (flow(1, match=PLACE), V15),
                *[(removal(**WIDE), V15)] * 60,
            ]
        )
    assert len(b.room.datapath.flows) == MANY
    b.room.carry_out([(removal(**WIDE), V15)] * 40)
    b.room.carry_out([(flow(1, match=PLACE, cookie=7), V15)])
    wide = removal(eth_type=0x800, ipv4_src=(0x0A000000, 0xFF000000))
    by_cookie = msgspec.structs.replace(wide, cookie=7, cookie_mask=(1 << 64) - 1)
    b.room.carry_out([(by_cookie, V15)] * 200)
    assert len(b.room.datapath.flows) == MANY - 1


# -- down to nodes -----------------------------------------------------------------------------------------------------


@scenario
async def test_a_service_that_sends_too_much_loses_its_own_packets_alone_and_they_are_counted(b: Bench) -> None:
    node = b.nodes["n1"]
    b.apply("services: {t: {hook: ingress}}")
    s, t = b.room.key, b.services.by_name["t"].key
    await asyncio.sleep(0.05)
    for number in range(MOST_SENDS + 500):
        b.services.send(s, "n1", (), number.to_bytes(4), "")
    b.services.send(t, "n1", (), b"other", "")
    await b.until(lambda: len(node.sent) == MOST_SENDS + 1)
    assert Counter(one.service for one in node.sent) == {s: MOST_SENDS, t: 1}
    assert [one.data for one in node.sent].index(b"other") <= 1  # its turn comes next
    assert (b.services.unsent(s), b.services.unsent(t)) == (500, 0)
    await node.end()
    assert b.services.unsent(s) == 500


@scenario
async def test_what_waits_for_an_agent_is_handed_over_in_parts(b: Bench) -> None:
    node = b.nodes["n1"]
    await node.end()
    session = type(node)(b.agents, b.conductor, "n1")
    session.task.cancel()
    await asyncio.sleep(0)
    for number in range(200):
        session.session.send(Send((), number.to_bytes(4), "", 1))
    first = [one for one in await session.session.outgoing() if isinstance(one, Send)]
    session.session.send(Send((), b"other", "", 2))
    then = [one for one in await session.session.outgoing() if isinstance(one, Send)]
    assert len(first) == len(then) == SENDS_AT_ONCE and then[1].data == b"other"


# -- what is lost ------------------------------------------------------------------------------------------------------


@scenario
async def test_packets_that_switches_drop_are_lost_too(b: Bench) -> None:
    meter = b.room.about.meter
    for name, dropped in (("n1", 70), ("n2", 5)):
        bands = [[dropped, 60 * dropped]]
        b.nodes[name].counts["meter-counts"] = {str(meter): {"packets": 99, "bytes": 99, "bands": bands}}
    b.room.lost = 3
    await b.room.counts.read_dropped(meter)
    assert said(b.room, b.services, whole=True).lost == 78
    b.nodes["n2"].answers.clear()
    start = time.monotonic()
    await b.room.counts.read_dropped(meter)  # nobody waits long for it
    assert time.monotonic() - start < 2
    assert said(b.room, b.services, whole=True).lost == 78
    b.nodes["n2"].answers.set()


# -- what projects may ask for -----------------------------------------------------------------------------------------


def test_a_project_is_told_what_it_cannot_have() -> None:
    limits = ProjectLimits(flows=10, packet_ins=5, permit=frozenset({"drop"}))
    assert limits.wrong(Service(name="s", hook="ingress", flows=10, packet_ins=5, permissions=Permissions(True))) == ""
    texts = {
        "at most 10 flows here, not 11": Service(name="s", hook="ingress", flows=11, packet_ins=0),
        "at most 10000 copies a second here, not 10001": Service(
            name="s", hook="ingress", flows=1, packet_ins=1, copies=10_001, permissions=Permissions(redirect=True)
        ),
        "at most 5 packet-ins a second here, not 6": Service(name="s", hook="ingress", flows=1, packet_ins=6),
        "permit its services to copy": Service(
            name="s", hook="ingress", flows=1, packet_ins=1, permissions=Permissions(copy=True)
        ),
        "permit its services to rewrite": Service(
            name="s", hook="ingress", flows=1, packet_ins=1, permissions=Permissions(rewrite=("eth_dst",))
        ),
    }
    for text, wanted in texts.items():
        assert text in limits.wrong(wanted)


@scenario
async def test_copies_are_measured_where_there_may_be_some(b: Bench) -> None:
    """With none, what makes copies is refused, and what made them goes."""
    declared = "services: {s: {hook: ingress, attach: [port/a, port/b], copies: %d, permissions: {%s: true}}}"
    key, limits = f"meter/{b.room.about.copy_meter}", f"flow/{b.room.key}/0"
    group = of.GroupMod(of.GroupCommand.ADD, 7, of.GroupType.ALL, [of.Bucket([of.Output(2)], bucket_id=1)])
    copying = of.FlowMod(match={"in_port": 1}, actions=[of.Output(2), of.Output(NORMAL)])  # type: ignore[arg-type]
    for copies, band in ((500, Band(500, 256)), (20_000, Band(20_000, 2_000))):
        b.apply(declared % (copies, "copy"))
        b.room.carry_out([(copying, V15)])
        await asyncio.wait_for(b.room.in_force(b.room.sequence), 5)
        found = b.nodes["n1"].records[key]
        assert isinstance(found, MeterRecord) and found.meter.packets and found.meter.bands == (band,)
        assert limits not in b.nodes["n1"].records
    b.room.carry_out([(group, V15)])
    await asyncio.wait_for(b.room.in_force(b.room.sequence), 5)
    assert limits in b.nodes["n1"].records
    b.apply(declared % (0, "copy"))
    await b.until(lambda: not {key, limits, f"flow/{b.room.key}/1"} & b.nodes["n1"].records.keys())
    with pytest.raises(Refusal) as refused:
        b.room.carry_out([(copying, V15)])
    assert refused.value.error == "OFPBAC_EPERM"
    b.apply(declared % (500, "drop"))
    await b.settled()
    assert key not in b.nodes["n1"].records
