"""What flows of injected services count that begin anew, while their rules at the switches count on."""

from __future__ import annotations

from typing import Any

from service_bench import Bench, flow, scenario

from segue.openflow import FlowMod, FlowModCommand, FlowModFlags
from segue.openflow.wire import V13, V15

ANEW = flow(1, flags=int(FlowModFlags.RESET_COUNTS))
AWAY = FlowMod(command=FlowModCommand.DELETE)


def counted(b: Bench, **packets: int | None) -> None:
    """What the nodes' switches say of flow 1; None: that they do not have it."""
    for node, count in packets.items():
        said = {} if count is None else {f"flow/{b.room.key}/1": (count, 60 * count, 0.0, 0.0)}
        b.nodes[node].counts["service-counts"] = said


async def told(b: Bench) -> Any:
    """What is told of flow 1."""
    return (await b.room.counts.flows()).counts.get(1)


async def began_anew(b: Bench) -> None:
    """There is flow 1, which began anew when the nodes had counted 5 and 7 packets."""
    b.room.carry_out([(flow(1), V13)])
    await b.settled()
    counted(b, n1=5, n2=7)
    assert await told(b) == (12, 720)
    b.room.carry_out([(ANEW, V13)])
    await b.settled()
    assert await told(b) == (0, 0)


@scenario
async def test_a_flow_that_began_anew_does_not_count_what_was_before_after_a_restart(b: Bench) -> None:
    await began_anew(b)
    await b.restart()
    counted(b, n1=6, n2=9)
    await b.until(lambda: all(node.injected() for node in b.nodes.values()))
    assert await told(b) == (3, 180)


@scenario
async def test_a_switch_that_was_restarted_counts_beside_one_that_was_not(b: Bench) -> None:
    await began_anew(b)
    counted(b, n1=2, n2=8)
    assert await told(b) == (3, 180)
    counted(b, n1=9, n2=8)
    assert await told(b) == (10, 600)
    b.room.carry_out([(flow(2), V15)])  # with which it is written that n1 has begun anew
    await b.settled()
    await b.restart()
    counted(b, n1=9, n2=8)
    await b.until(lambda: all(node.injected() for node in b.nodes.values()))
    assert await told(b) == (10, 600)


@scenario
async def test_what_a_node_that_was_away_counted_before_is_not_counted_when_it_is_back(b: Bench) -> None:
    await began_anew(b)
    counted(b, n2=None)
    node = b.nodes.pop("n1")
    await node.end()
    assert await told(b) is None
    b.nodes["n1"] = type(node)(b.agents, b.conductor, "n1")
    counted(b, n1=6)
    await b.until(b.nodes["n1"].injected)
    assert await told(b) == (1, 60)


@scenario
async def test_one_that_begins_anew_as_its_counts_have_just_been_read_does_so(b: Bench) -> None:
    b.room.carry_out([(flow(1), V13), (flow(2), V13)])
    await b.settled()
    counted(b, n1=5, n2=7)
    b.room.carry_out([(flow(2, flags=int(FlowModFlags.RESET_COUNTS)), V13)])
    while not b.room.pending.counted_last():
        await b.room.counts.flows()
    b.room.carry_out([(ANEW, V13)])
    await b.settled()
    assert await told(b) == (0, 0)


@scenario
async def test_nothing_is_kept_of_what_a_flow_had_counted_that_is_gone(b: Bench) -> None:
    await began_anew(b)
    assert any("/count/1" in key for key in b.kept())
    b.room.carry_out([(AWAY, V13)])
    await b.settled()
    assert not any("/count/" in key for key in b.kept())
