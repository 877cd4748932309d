"""A service's flows as whoever asks over HTTP is told them."""

from __future__ import annotations

import time

import msgspec

from segue.inject.flow import Flow
from segue.inject.said import instructions_in, match_in
from segue.openflow.protocol import FlowMod
from segue.openflow.wire import V15
from segue.server.service_room import Room


class Listed(msgspec.Struct, frozen=True):
    """``mod`` would add it; ``age`` in seconds."""

    mod: FlowMod
    packets: int
    octets: int
    age: float


async def listed(room: Room) -> list[Listed]:
    """All that there are, with what they have counted by now, by table and falling priority."""
    await room.in_store(room.sequence)
    counts = (await room.counts.flows()).counts
    now = time.time()
    found = sorted(room.datapath.flows, key=lambda flow: (flow.table, -flow.priority, flow.number))
    return [Listed(_mod(flow), *counts.get(flow.number, (0, 0)), max(0.0, now - flow.created)) for flow in found]


def _mod(flow: Flow) -> FlowMod:
    return FlowMod(
        match=match_in(flow.match, V15),
        instructions=instructions_in(flow.instructions, flow.match, V15),
        table_id=flow.table,
        priority=flow.priority,
        cookie=flow.cookie,
        idle_timeout=flow.idle_timeout,
        hard_timeout=flow.hard_timeout,
        flags=flow.flags,
        importance=flow.importance,
    )
