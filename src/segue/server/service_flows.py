"""A service's flows as whoever asks over HTTP is told them."""

from __future__ import annotations

import math
import time

import msgspec

from segue.inject.flow import Flow
from segue.inject.said import newest
from segue.openflow.protocol import FlowMod
from segue.server.service_room import Room


class Listed(msgspec.Struct, frozen=True):
    """``mod`` would add it; ``age`` in seconds."""

    mod: FlowMod
    packets: int
    octets: int
    age: float


async def listed(room: Room, table: int | None, new: float = math.inf) -> list[Listed]:
    """All of a table, or that there are, with what they have counted by now, by table and falling priority. ``new``:
    flows from this number on were put just now, and have counted nothing; nodes are asked only if there are others."""
    await room.in_store(room.sequence)
    counts = {}
    if any(flow.number < new for flow in _flows(room, table)):
        counts = (await room.counts.flows()).counts
    now = time.time()
    found = sorted(_flows(room, table), key=lambda flow: (flow.table, -flow.priority, flow.number))
    return [
        Listed(FlowMod(**newest(flow)), *counts.get(flow.number, (0, 0)), max(0.0, now - flow.created))
        for flow in found
    ]


def _flows(room: Room, table: int | None) -> list[Flow]:
    return [flow for flow in room.datapath.flows if table in (None, flow.table)]
