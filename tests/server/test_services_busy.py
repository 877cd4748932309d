"""An injected service that has much under way at once, as one with a flow for each connection has."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Any

from service_bench import Bench, Disk, controller, flow, scenario

from segue.openflow import CONTROLLER, Output, PacketOut
from segue.openflow.connection import Refused
from segue.server.service_counts import Counts


@scenario
async def test_packets_wait_for_what_was_said_before_them_and_none_is_refused(b: Bench) -> None:
    disk = Disk(b.store)
    async with controller() as peer:
        channel = await b.connected(peer)
        await b.settled()
        disk.busy.clear()
        disk.go.clear()
        channel.send(flow(1))
        await b.until(disk.busy.is_set)
        for number in range(500):
            channel.send(PacketOut(in_port=CONTROLLER, actions=[Output(2)], data=number.to_bytes(60)))
        await asyncio.sleep(0.3)
        assert b.nodes["n2"].sent == [] and not b.nodes["n2"].injected()
        disk.go.set()
        await b.until(lambda: len(b.nodes["n2"].sent) == 500)
        assert [int.from_bytes(one.data) for one in b.nodes["n2"].sent] == list(range(500))
        assert len(b.nodes["n2"].injected()) == 1
        assert not [event for event in peer.heard if isinstance(event, Refused)]


@scenario
async def test_nodes_are_not_kept_busy_with_telling_how_long_flows_have_been_idle(b: Bench) -> None:
    asked: list[float] = []
    idle = 0.0

    async def slow(what: str, args: Mapping[str, str]) -> dict[str, Any]:
        asked.append(asyncio.get_running_loop().time())
        await asyncio.sleep(0.1)
        return {"n1": {f"flow/{b.room.key}/{one.number}": (1, 60, idle, 9.0) for one in b.room.datapath.flows}}

    b.room.counts = Counts(slow)
    async with controller() as peer:
        channel = await b.connected(peer)
        for number in range(15):  # so that one of them is due at any time
            await channel.request(flow(number + 1, idle_timeout=1))
            await asyncio.sleep(0.06)
        await asyncio.sleep(3)
        assert 2 <= len(asked) <= 10  # a fifth of the time at most
        assert len(b.room.datapath.flows) == 15
        idle = 100.0
        await b.until(lambda: not b.room.datapath.flows, 15)
