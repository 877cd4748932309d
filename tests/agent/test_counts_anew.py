"""What begins to count anew does so on a real switch, once; what is only changed counts on."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Iterable

import msgspec
import pytest
from agent_scene import Server, dump, flows, go, met, rule, running, serving

from openflow.open_vswitch import OpenVSwitch
from segue.agent.agent import Agent
from segue.model.program import Next, Rule, SetField
from segue.model.stages import VERDICT
from segue.model.view import AnyRecord, FlowRecord

pytestmark = pytest.mark.root

TAKEN = SetField(VERDICT, 0)
ON = Next("service_1")
FIRST, SECOND, THIRD = rule(7, ON), rule(7, Next("service_2"), table=1), rule(7, TAKEN, table=2)
"""Packets go from one to the next."""


def told(*rules: Rule) -> dict[str, AnyRecord | None]:
    return flows(7, rules)


def anew(one: Rule, begun: int, *actions: Next | SetField) -> Rule:
    return msgspec.structs.replace(one, begun=begun, actions=actions or one.actions)


def counted(ovs: OpenVSwitch) -> list[int]:
    """Packets by table, as the switch says."""
    found = re.findall(r"table=(\d+), n_packets=(\d+)", re.sub(r"duration=[^,]*, ", "", dump(ovs, 7)))
    return [int(packets) for _, packets in sorted(found, key=lambda one: int(one[0]))]


async def meet(ovs: OpenVSwitch, server: Server, wanted: Iterable[int]) -> None:
    """Two packets, after which it has counted this."""
    for _ in range(2):
        await server.send(*met(7))
    for _ in range(100):
        if counted(ovs) == list(wanted):
            return
        await asyncio.sleep(0.05)
    assert counted(ovs) == list(wanted)


def test_what_begins_anew_counts_from_nothing_and_what_is_changed_counts_on(ovs: OpenVSwitch) -> None:
    async def main() -> None:
        async with serving(ovs) as server:
            async with running(ovs, server) as agent:
                await server.hold(told(FIRST, SECOND, THIRD))
                await meet(ovs, server, (2, 2, 2))
                read = asked(agent)
                changed = anew(SECOND, 0, SetField("eth_dst", 5), Next("service_2"))
                # The first begins anew as it is, the second is another, the third is both.
                other = anew(THIRD, 1, SetField("eth_dst", 5), TAKEN)
                assert (await server.hold(told(anew(FIRST, 1), changed, other))).refused == {}
                assert counted(ovs) == [0, 2, 0]
                await meet(ovs, server, (2, 4, 2))
                await server.hold({"flow/7/1": FlowRecord(anew(FIRST, 2))})
                assert counted(ovs) == [0, 4, 2]
                assert not read  # nobody adds up what such rules have counted
                await meet(ovs, server, (2, 6, 4))
            async with running(ovs, server):
                await server.hold()
                assert counted(ovs) == [2, 6, 4]
                counts = await server.ask("service-counts", service="7")
                assert [counts[f"flow/7/{number}"][0] for number in (1, 2, 3)] == [2, 6, 4]

    asyncio.run(asyncio.wait_for(main(), 60))


def asked(agent: Agent) -> list[object]:
    """What it asks its switch of what single rules have counted."""
    found: list[object] = []
    switch = agent._keeper.connected()
    before = switch.counters_of

    async def counters_of(rules: dict[int, Rule]) -> dict[int, tuple[int, int]]:
        found.append(rules)
        return await before(rules)

    switch.counters_of = counters_of  # type: ignore[method-assign, assignment]
    return found


def test_what_began_anew_while_its_agent_was_away_does_so_when_it_is_back(ovs: OpenVSwitch) -> None:
    async def main() -> None:
        async with serving(ovs) as server:
            async with running(ovs, server):
                await server.hold(told(FIRST, SECOND, THIRD))
                await meet(ovs, server, (2, 2, 2))
            server.records["flow/7/1"] = FlowRecord(anew(FIRST, 1))
            async with running(ovs, server):
                await server.hold()
                assert counted(ovs) == [0, 2, 2]

    asyncio.run(asyncio.wait_for(main(), 60))


def test_what_begins_anew_many_times_at_once_counts_from_nothing(ovs: OpenVSwitch) -> None:
    async def scene(server: Server, agent: Agent) -> None:
        await server.hold(told(FIRST, SECOND, THIRD))
        await meet(ovs, server, (2, 2, 2))
        for begun in range(1, 10):
            await server.tell({"flow/7/2": FlowRecord(anew(SECOND, begun))})
        await server.hold()
        assert counted(ovs) == [2, 0, 2]
        await meet(ovs, server, (4, 2, 4))

    go(ovs, scene)
