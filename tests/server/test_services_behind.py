"""Who waits for a service of which nodes do not hold all yet."""

from __future__ import annotations

import asyncio

from service_bench import SERVICE, Bench, flow, scenario

from segue.model.protocol import Applied
from segue.openflow.wire import V15
from segue.server.service_room import Room


async def waits(room: Room) -> bool:
    """Whether what was changed is not said to be in force."""
    try:
        await asyncio.wait_for(room.in_force(room.sequence), 0.2)
    except TimeoutError:
        return True
    return False


def say(b: Bench, revision: int, behind: dict[str, int]) -> None:
    for node in b.nodes.values():
        node.session.incoming(Applied(b.conductor.epoch, revision, behind=behind))


@scenario
async def test_a_service_that_is_behind_keeps_no_other_waiting_and_is_waited_for_itself(b: Bench) -> None:
    b.apply(SERVICE.replace("  s:", "  t:"))
    s, t = b.room, b.services.by_name["t"]
    await t.in_force(t.sequence)
    for node in b.nodes.values():
        node.answers.clear()
    before = b.conductor.revision
    for room in (s, t):
        room.replace(0, [flow(1), flow(2)], V15)
        await room.in_store(room.sequence)
    now = b.conductor.revision
    assert await waits(s) and await waits(t)
    say(b, now, {"service/s": before})
    assert not await waits(t)
    assert await waits(s)
    # Nodes hold the network's part of it.
    assert b.conductor.acked == dict.fromkeys(b.nodes, now)
    say(b, now, {})
    assert not await waits(s)


@scenario
async def test_a_node_that_is_behind_no_longer_counts_when_its_agent_is_gone(b: Bench) -> None:
    now = b.conductor.revision
    say(b, now, {"service/s": 0})
    assert b.conductor.holds("n1", "s") == 0
    await b.nodes["n1"].end()
    assert b.conductor.holds("n1", "s") == b.conductor.holds("n1", "t") == -1
    assert (b.conductor.holds("n2", "s"), b.conductor.holds("n2", "t")) == (0, now)
