"""What one injected service answers later: barriers, and requests for what nodes have counted.

Barriers are answered in the order in which they came, each when all before it is in force. Who sends more than may wait
is read no further until some are answered, and refused none.
"""

from __future__ import annotations

import asyncio
import time
from collections import deque
from collections.abc import Coroutine, Mapping
from typing import TYPE_CHECKING, Any

from segue.inject import replies
from segue.inject.counts import GroupCount, Known, MeterCount, PortCount
from segue.inject.errors import Refusal
from segue.openflow import protocol as of
from segue.openflow.channel import Channel
from segue.openflow.connection import Received
from segue.openflow.declare import Message

if TYPE_CHECKING:
    from segue.server.service_room import Room

MOST_REQUESTS = 256
"""Requests of a service that wait for nodes; more are refused until some are answered."""
MOST_BARRIERS = 256
"""Barriers of a service that wait; while there are more, nothing more is read from who sends them."""


class Answers:
    def __init__(self, room: Room) -> None:
        self._room = room
        self._requests: set[asyncio.Task[None]] = set()
        self._barriers: deque[tuple[int, Channel, int]] = deque()
        self._answering: asyncio.Task[None] | None = None
        self.miss = 128
        """Octets of a packet that a packet-in has at most, by the last SET_CONFIG."""

    # -- barriers --------------------------------------------------------------------------------------------------

    @property
    def full(self) -> bool:
        return len(self._barriers) > MOST_BARRIERS

    @property
    def slack(self) -> bool:
        """Whether there is room for so many that it pays to read on."""
        return len(self._barriers) <= MOST_BARRIERS // 2

    def barrier(self, channel: Channel, xid: int) -> None:
        self._barriers.append((self._room.sequence, channel, xid))
        if self._answering is None:
            self._answering = self._room.spawn(self._answer())

    def gone(self, channel: Channel) -> None:
        """It waits for nothing any more."""
        self._barriers = deque(one for one in self._barriers if one[1] is not channel)

    async def _answer(self) -> None:
        try:
            while self._barriers:
                sequence = self._barriers[0][0]
                await self._room.in_force(sequence)
                while self._barriers and self._barriers[0][0] <= sequence:
                    _, channel, xid = self._barriers.popleft()
                    channel.send(of.BarrierReply(), xid)
                self._room.controllers.release()
        finally:
            self._answering = None

    # -- statistics ------------------------------------------------------------------------------------------------

    def count(self, channel: Channel, event: Received) -> None:
        """Raises Refusal where too much waits already."""
        if len(self._requests) >= MOST_REQUESTS:
            raise Refusal("OFPBRC_EPERM", f"{MOST_REQUESTS} requests of this service wait already; wait for answers")
        self._spawn(self._counted(channel, event))

    def _spawn(self, work: Coroutine[Any, Any, None]) -> None:
        task = self._room.spawn(work)
        self._requests.add(task)
        task.add_done_callback(self._requests.discard)

    async def _counted(self, channel: Channel, event: Received) -> None:
        room = self._room
        await room.in_store(room.sequence)
        known = await self._known(event.message)
        try:
            async with room.turn():
                found = replies.answer(room.datapath, event.message, channel.version, self.miss, known, time.time())
        except Refusal as refusal:
            channel.refuse(event, refusal.error)
            return
        for reply in found:
            channel.send(reply, event.xid)
            await channel.drain()

    async def _known(self, request: Message) -> Known:
        """What nodes have counted, as far as the answer tells of it; by the service's own numbers."""
        counts, datapath = self._room.counts, self._room.datapath
        match request:
            case of.PortStatsRequest():
                by_key = await counts.ports()
                elements = datapath.scope.elements.items()
                return Known(
                    ports={n: _port(by_key[e.key]) for n, e in elements if e.kind == "port" and e.key in by_key}
                )
            case of.GroupStatsRequest():
                switch = {entry.switch: number for number, entry in datapath.groups.items()}
                groups = await counts.groups(switch)
                return Known(groups={switch[n]: GroupCount(*_parts(one, "buckets")) for n, one in groups.items()})
            case of.MeterStatsRequest():
                switch = {entry.switch: number for number, entry in datapath.meters.items()}
                meters = await counts.meters(switch)
                return Known(meters={switch[n]: MeterCount(*_parts(one, "bands")) for n, one in meters.items()})
        return Known(flows=(await counts.flows()).counts)


def _port(counted: Mapping[str, int]) -> PortCount:
    return PortCount((counted["rx_packets"], counted["rx_bytes"]), (counted["tx_packets"], counted["tx_bytes"]))


def _parts(counted: Mapping[str, Any], parts: str) -> tuple[int, int, tuple[tuple[int, int], ...]]:
    return counted["packets"], counted["bytes"], tuple([(one[0], one[1]) for one in counted[parts]])
