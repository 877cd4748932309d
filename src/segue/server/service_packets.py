"""Packets of one injected service: those that nodes have for its controllers, and those that these send."""

from __future__ import annotations

import asyncio
from collections import deque
from typing import TYPE_CHECKING

from segue.inject import packets
from segue.inject.errors import Refusal
from segue.model.protocol import Punted
from segue.openflow.protocol import PacketOut
from segue.openflow.wire import V15

if TYPE_CHECKING:
    from segue.server.service_room import Room
    from segue.server.services import Services

MOST_UNSENT = 1 << 20
"""Octets that wait for a controller; while there are more, packet-ins are left out."""
MOST_OUT = 1_024
"""Packets of a service that wait for what was said before them to be durable; more are refused."""


class Packets:
    def __init__(self, room: Room, services: Services) -> None:
        self._room = room
        self._services = services
        self._out: deque[tuple[int, list[packets.Sending]]] = deque()
        self._sending: asyncio.Task[None] | None = None

    def send(self, msg: PacketOut, version: int) -> None:
        """Raises Refusal."""
        sent = packets.packet_out(self._room.datapath.scope, msg, version)
        if not sent:
            return
        if len(self._out) >= MOST_OUT:
            raise Refusal("OFPBRC_EPERM", f"{MOST_OUT} packets of this service wait to be sent already; say them again")
        self._out.append((self._room.sequence, sent))
        if self._sending is None:
            self._sending = self._room.spawn(self._send())

    async def _send(self) -> None:
        """Each behind what was said before it: the packet may meet the flows that came with it."""
        try:
            while self._out:
                await self._room.in_store(self._out[0][0])
                if self._out:  # they may be forgotten meanwhile
                    for node, actions, data in self._out.popleft()[1]:
                        source = packets.sender(self._room.datapath.scope, actions)
                        self._services.send(self._room.key, node, actions, data, source)
        finally:
            self._sending = None

    def forget(self) -> None:
        """What waits to be sent is not."""
        self._out.clear()

    def punted(self, packet: Punted) -> None:
        """A node has a packet for its controllers."""
        self._room.lost += packet.lost
        scope = self._room.datapath.scope
        if not scope.permissions.packet_in:
            return
        side = self._room.side
        for channel in side.channels:
            if channel.unsent > MOST_UNSENT:
                self._room.lost += 1
                continue
            message = packets.packet_in(scope, packet, channel.version)
            if message is not None and channel in side.due(message):
                channel.send(message, 0)
        if self._room.watchers and (message := packets.packet_in(scope, packet, V15)) is not None:
            for watcher in tuple(self._room.watchers):
                watcher(message)
