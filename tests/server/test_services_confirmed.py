"""What counts as answered by a node, and what as confirmed: of switches that are away or refuse, and absent agents."""

from __future__ import annotations

import asyncio

from service_bench import NETWORK, SERVICE, Bench, controller, flow, scenario

from segue.model.protocol import Applied
from segue.openflow.wire import V15

WHY = "its switch refuses a change: OFPFMFC_TABLE_FULL"


def fail(b: Bench, node: str) -> None:
    """Its agent says of the last that it was told why it is not so."""
    b.nodes[node].session.incoming(Applied(b.conductor.epoch, b.conductor.revision, {}, WHY))


async def unconfirmed(b: Bench, within: float) -> list[str]:
    await b.room.durable(b.room.sequence)
    return await b.services.confirmed("s", b.services.told(b.room.key, b.room.pending.revision), within)


@scenario
async def test_a_node_that_failed_before_has_not_answered_what_comes_now(b: Bench) -> None:
    async with controller() as peer:
        channel = await b.connected(peer)
        n2 = b.nodes["n2"]
        n2.answers.clear()
        fail(b, "n2")
        channel.send(flow(1))
        barrier = asyncio.create_task(channel.barrier())
        await b.until(lambda: len(b.nodes["n1"].injected()) == 1)
        await asyncio.sleep(0.2)
        assert not barrier.done(), "it was answered for a node that has not"
        fail(b, "n2")  # of this change
        await asyncio.wait_for(barrier, 5)
        assert b.services.said(b.services.failing(b.room.key), named=True) == [f"node n2 cannot go on: {WHY}"]
        told = b.services.said(b.services.failing(b.room.key), named=False)
        assert told == ["1 node: the switch is away, or refuses a change"], "what it refuses may be another's"
        n2.answers.set()
        await b.until(lambda: not b.services.failing(b.room.key))
        assert len(n2.injected()) == 1


@scenario
async def test_a_node_that_fails_and_one_that_is_silent_have_confirmed_nothing(b: Bench) -> None:
    b.room.replace(0, [flow(1)], V15)
    await b.settled()
    for node in b.nodes.values():
        node.answers.clear()
    b.room.access.revoke()
    await b.room.durable(b.room.sequence)
    fail(b, "n2")
    assert await unconfirmed(b, 0.2) == ["n1", "n2"]
    assert b.services.said(["n1", "n2"], named=True) == ["node n1 is at work", f"node n2 cannot go on: {WHY}"]
    for node in b.nodes.values():
        node.answers.set()
    assert await unconfirmed(b, 5) == []
    assert not b.nodes["n1"].injected() and not b.nodes["n2"].injected()


@scenario
async def test_a_node_without_an_agent_is_named_and_not_waited_for(b: Bench) -> None:
    b.room.replace(0, [flow(1)], V15)
    await b.settled()
    await b.nodes["n2"].end()
    b.room.access.revoke()
    begun = asyncio.get_running_loop().time()
    assert await unconfirmed(b, 10) == ["n2"]
    assert asyncio.get_running_loop().time() - begun < 5
    assert b.services.said(["n2"], named=True) == ["node n2 has no agent connected"]
    assert b.services.said(["n2"], named=False) == ["1 node: no agent connected"]


@scenario
async def test_a_node_that_was_told_to_drop_the_service_has_to_confirm_it_too(b: Bench) -> None:
    b.room.replace(0, [flow(1)], V15)
    await b.settled()
    b.nodes["n2"].answers.clear()
    b.apply(SERVICE.replace("[port/a, port/b]", "[port/a]"))
    assert b.services.nodes(b.room.key) == ["n1"]
    b.room.access.revoke()
    assert await unconfirmed(b, 0.2) == ["n2"]
    b.nodes["n2"].answers.set()
    assert await unconfirmed(b, 5) == []
    b.apply(SERVICE)  # it has it again, and is not remembered as one that has left
    await b.settled()
    assert await unconfirmed(b, 5) == []
    b.apply(SERVICE.replace("[port/a, port/b]", "[]"))
    b.apply(NETWORK)
    assert await unconfirmed(b, 5) == []


@scenario
async def test_a_node_that_is_no_longer_declared_is_waited_for_by_nobody(b: Bench) -> None:
    b.nodes["n2"].answers.clear()
    b.apply(SERVICE.replace("[port/a, port/b]", "[port/a]"))
    gone = {("port", "b"): None, ("port", "c"): None, ("node", "n2"): None}
    b.conductor.apply(gone)
    b.room.access.revoke()
    assert await unconfirmed(b, 0.5) == []
