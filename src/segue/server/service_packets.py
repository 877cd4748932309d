"""Packets of one injected service: those that nodes have for its controllers, and those that these send."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Sequence
from typing import TYPE_CHECKING

from segue.inject import packets
from segue.inject.errors import Busy
from segue.model.protocol import Punted
from segue.openflow.wire import V15

if TYPE_CHECKING:
    from segue.server.service_room import Room
    from segue.server.services import Services

MOST_UNSENT = 1 << 20
"""Octets that wait for a controller; while there are more, packet-ins are left out."""
MOST_OUT = 1_024
"""Packets of a service that wait for what was said before them to be durable; more are refused."""
MOST_OUT_OCTETS = 4 << 20
"""Of all of them."""
ABOUT_ONE = 200
"""Octets that a packet costs besides its own."""

Out = list[packets.Sending]
"""One packet, for each node that is to send it; not empty."""


class Packets:
    def __init__(self, room: Room, services: Services) -> None:
        self._room = room
        self._services = services
        self._out: deque[tuple[int, Out]] = deque()
        self._octets = 0
        self._sending: asyncio.Task[None] | None = None

    def check(self, more: Sequence[Out]) -> None:
        """Raises Busy where these have no room."""
        if not more:
            return
        number, octets = len(more), sum(map(_weight, more))
        if number + len(self._out) <= MOST_OUT and octets + self._octets <= MOST_OUT_OCTETS:
            return
        most = f"{MOST_OUT} packets and {MOST_OUT_OCTETS >> 20} MiB"
        if number > MOST_OUT or octets > MOST_OUT_OCTETS:
            raise Busy("OFPBRC_EPERM", f"at most {most} of a service wait to be sent; send these in parts")
        raise Busy("OFPBRC_EPERM", f"{most} of a service wait to be sent at most, and do so; say it again later")

    def send(self, sent: Sequence[Out]) -> None:
        """Behind what has been said by now. ``check`` has said that there is room."""
        for one in sent:
            self._out.append((self._room.sequence, one))
            self._octets += _weight(one)
        if sent and self._sending is None:
            self._sending = self._room.spawn(self._send())

    async def _send(self) -> None:
        """Each behind what was said before it: the packet may meet the flows that came with it."""
        try:
            while self._out:
                sequence = self._out[0][0]
                await self._room.in_store(sequence)
                if self._out and self._out[0][0] <= sequence:  # they may be forgotten meanwhile, and others wait
                    one = self._out.popleft()[1]
                    self._octets -= _weight(one)
                    for node, actions, data in one:
                        source = packets.sender(self._room.datapath.scope, actions)
                        self._services.send(self._room.key, node, actions, data, source)
        finally:
            self._sending = None

    def forget(self) -> None:
        """What waits to be sent is not."""
        self._out.clear()
        self._octets = 0

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


def _weight(one: Out) -> int:
    return len(one[0][2]) + ABOUT_ONE
