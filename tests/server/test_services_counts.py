"""Flows of injected services that begin to count anew: nodes are told of each time, once, whatever happens between."""

from __future__ import annotations

from typing import Any

from service_bench import Bench, controller, flow, scenario

from segue.model.program import cookie
from segue.model.view import FlowRecord
from segue.openflow import FlowMod, FlowModCommand, FlowModFlags
from segue.openflow import protocol as of
from segue.openflow.wire import V13, V15

ANEW = int(FlowModFlags.RESET_COUNTS)
TOLD = int(FlowModFlags.SEND_FLOW_REM)
AWAY = FlowMod(command=FlowModCommand.DELETE)


class Counting(dict[str, Any]):
    """What a switch says that counts by cookie; a rule that is new to it has counted nothing."""

    def __init__(self, b: Bench, node: str) -> None:
        self._by_cookie: dict[int, int] = {}
        self._node = b.nodes[node]
        self._node.counts = self

    def get(self, what: str, default: Any = None) -> Any:
        if what != "service-counts":
            return default
        return {key: (self.packets(key), 60 * self.packets(key), 0.0, 0.0) for key in self._node.injected()}

    def _of(self, key: str) -> int:
        record = self._node.records[key]
        assert isinstance(record, FlowRecord)
        return cookie(record.rule)

    def packets(self, key: str) -> int:
        return self._by_cookie.get(self._of(key), 0)

    def meet(self, b: Bench, packets: int) -> None:
        """Flow 1 has counted so many more."""
        key = f"flow/{b.room.key}/1"
        self._by_cookie[self._of(key)] = self.packets(key) + packets


async def told(b: Bench) -> Any:
    """What is told of flow 1."""
    return (await b.room.counts.flows()).counts.get(1)


def begun(b: Bench, node: str) -> int:
    """Of flow 1, as the node was told."""
    record = b.nodes[node].injected()[f"flow/{b.room.key}/1"]
    assert isinstance(record, FlowRecord)
    return record.rule.begun


async def began_anew(b: Bench) -> tuple[Counting, Counting]:
    """There is flow 1, which began anew when the nodes had counted 5 and 7 packets."""
    b.room.carry_out([(flow(1), V13)])
    await b.settled()
    switches = Counting(b, "n1"), Counting(b, "n2")
    for switch, packets in zip(switches, (5, 7), strict=True):
        switch.meet(b, packets)
    assert await told(b) == (12, 720)
    b.room.carry_out([(flow(1, flags=ANEW), V13)])
    await b.settled()
    assert await told(b) == (0, 0)
    return switches


@scenario
async def test_a_flow_that_began_anew_counts_on_when_the_server_is_there_again(b: Bench) -> None:
    one, other = await began_anew(b)
    one.meet(b, 1)
    other.meet(b, 2)
    before = dict(b.nodes["n1"].injected())
    await b.restart()
    await b.until(lambda: all(node.injected() for node in b.nodes.values()))
    assert b.nodes["n1"].injected() == b.nodes["n2"].injected() == before
    assert begun(b, "n1") == 1
    b.room.carry_out([(flow(1, flags=ANEW), V13)])
    await b.settled()
    assert begun(b, "n1") == 2


@scenario
async def test_a_switch_that_was_restarted_counts_beside_one_that_was_not(b: Bench) -> None:
    one, other = await began_anew(b)
    one.meet(b, 9)
    other.meet(b, 1)
    assert await told(b) == (10, 600)
    Counting(b, "n1").meet(b, 2)
    assert await told(b) == (3, 180)


@scenario
async def test_a_node_that_was_away_is_told_how_often_a_flow_began_anew(b: Bench) -> None:
    _, other = await began_anew(b)
    node = b.nodes.pop("n1")
    await node.end()
    b.room.carry_out([(flow(1, of.Output(0xFFFFFFFA), flags=ANEW), V13)])
    other.meet(b, 3)
    b.nodes["n1"] = type(node)(b.agents, b.conductor, "n1")
    await b.until(b.nodes["n1"].injected)
    await b.settled()
    assert begun(b, "n1") == begun(b, "n2") == 2


@scenario
async def test_one_that_begins_anew_as_its_counts_have_just_been_read_does_so(b: Bench) -> None:
    b.room.carry_out([(flow(1), V13), (flow(2, flags=TOLD), V13)])
    await b.settled()
    one = Counting(b, "n1")
    one.meet(b, 5)
    b.room.carry_out([(FlowMod(flow(2).match, command=FlowModCommand.DELETE), V13)])
    while not b.room.pending.counted_last():
        await b.room.counts.flows()
    b.room.carry_out([(flow(1, flags=ANEW), V13)])
    await b.settled()
    assert await told(b) == (0, 0)
    one.meet(b, 1)
    assert await told(b) == (1, 60)


@scenario
async def test_one_that_begins_anew_as_its_counts_are_read_counts_what_comes_after(b: Bench) -> None:
    b.room.carry_out([(flow(1), V13)])
    await b.settled()
    one = Counting(b, "n1")
    one.meet(b, 5)
    b.nodes["n2"].answers.clear()  # it is asked, and answers late
    reading = b.room.spawn(_read(b))
    b.room.carry_out([(flow(1, flags=ANEW), V13)])
    await b.until(lambda: begun(b, "n1"))
    one.meet(b, 2)
    assert not reading.done()
    b.nodes["n2"].answers.set()
    await reading
    await b.settled()
    assert await told(b) == (2, 120)


async def _read(b: Bench) -> None:
    await b.room.counts.flows()


@scenario
async def test_nobody_is_asked_what_was_counted_before_a_flow_begins_anew(b: Bench) -> None:
    b.room.carry_out([(flow(1), V13)])
    await b.settled()
    b.nodes["n1"].answers.clear()
    b.room.carry_out([(flow(1, flags=ANEW), V13)])
    await b.until(lambda: begun(b, "n1"), 2)
    b.nodes["n1"].answers.set()


@scenario
async def test_a_flow_that_began_anew_and_went_at_once_has_counted_nothing(b: Bench) -> None:
    b.room.carry_out([(flow(1, flags=TOLD), V15)])
    await b.settled()
    Counting(b, "n1").meet(b, 5)
    async with controller() as peer:
        await b.connected(peer)
        b.room.carry_out([(flow(1, flags=TOLD | ANEW), V15), (AWAY, V15)])
        await b.until(lambda: peer.messages(of.FlowRemoved))
        (gone,) = peer.messages(of.FlowRemoved)
        assert (gone.packet_count, gone.byte_count) == (0, 0)


@scenario
async def test_nothing_is_kept_of_what_flows_have_counted(b: Bench) -> None:
    await began_anew(b)
    key = b.room.key
    assert sorted(b.kept()) == [f"injected/{key}", f"injected/{key}/flow/1"]
