"""The agent's second connection to its bridge: packets to and from injected services, apart from everything else, so
that a flood of them delays no change of the program.

Up: what rules of services send (``drivers.ovs.punt``), by way of bounded queues, as fast as the server takes it. What
is to be dropped there costs no more than knowing whose it is, and little is read in one turn of the loop.
Down: packets of services for the switch to process, each once the keeper has tried what the server said before it of
the network and of the packet's service; packets of other services go ahead.
Packets may be lost: while the switch or the server is away, and when they come faster than they go.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Protocol

import msgspec

from segue.drivers.ovs.punt import CONTROLLER_ID, punted
from segue.drivers.ovs.punt_frames import Frames, Raw
from segue.drivers.ovs.render import action, written
from segue.model.fair import Fair, Whose
from segue.model.protocol import Punted, Send
from segue.openflow import protocol as of
from segue.openflow.client import ClientEvent, Disconnected, OpenFlowClient, OpenFlowError
from segue.openflow.connection import Received, Refused
from segue.openflow.wire import CONTROLLER, EncodeError, ProtocolError

log = logging.getLogger(__name__)

SHORTEST, LONGEST = 0.1, 1.0
"""Seconds between attempts to connect."""
MOST_SENT = 1024
MOST_OCTETS = 16 << 20
"""Packets of one service, and octets of all, that wait to be sent down."""
AT_ONCE = 64
"""Packets between two barriers: the switch is asked no faster than it can."""
ALL_REASONS = 0x3F
MOST_READ = 1 << 14
"""Octets that are read in one turn of the loop: a millisecond's work at the most, behind which others have theirs."""


class Tried(Protocol):
    """The keeper, as far as packets wait for it. ``Punts.stir`` is called when more was tried."""

    @property
    def heard(self) -> int: ...

    def tried(self, service: int) -> int: ...

    def whose(self, service: int) -> Whose: ...


class Early(msgspec.Struct, frozen=True):
    """A packet that came when so much was ``heard``."""

    message: Send
    heard: int
    service: int
    data: bytes
    lost: int = 0


class Punts:
    """``bridge`` in the Open vSwitch whose sockets are in ``rundir``. ``told`` is called when there is something to
    ``take``. ``ports``: the logical ports that have an interface on the bridge, and its OpenFlow port."""

    def __init__(
        self,
        rundir: Path,
        bridge: str,
        keeper: Tried,
        told: Callable[[], None],
        ports: Mapping[str, int],
    ) -> None:
        self._target = f"unix:{rundir / bridge}.mgmt"
        self._keeper = keeper
        self._told = told
        self._ports = ports
        self._up: Fair[Punted | Raw] = Fair(keeper.whose)
        self._down: Fair[Early] = Fair(keeper.whose, MOST_SENT, MOST_OCTETS)
        self._some = asyncio.Event()
        self._client: OpenFlowClient | None = None
        self.forget: Callable[[], None] = self._up.clear
        self.connected = asyncio.Event()

    async def run(self) -> None:
        """Stay connected, until cancelled."""
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self._connect())
            tasks.create_task(self._send())

    def send(self, message: Send) -> None:
        """Send it, unless too many of its service wait already; services take turns."""
        self._down.put(Early(message, self._keeper.heard, message.service, message.data))
        self._some.set()

    def stir(self) -> None:
        """Packets that wait may go now."""
        self._some.set()

    # -- up --------------------------------------------------------------------------------------------------------

    async def _connect(self) -> None:
        pause = SHORTEST
        while True:
            client = OpenFlowClient(self._target, on_event=self._event)
            try:
                await client.connect(asynchronous=True)
                await self._listen(client)
                pause = SHORTEST
                self._client = client
                self.connected.set()
                await client.wait_closed()
            except (OpenFlowError, ProtocolError, TimeoutError, OSError) as error:
                log.debug("packets of services: %s", error)
            finally:
                self._client = None
                self.connected.clear()
                with contextlib.suppress(ConnectionError):
                    await client.close()
            await asyncio.sleep(pause)
            pause = min(pause * 2, LONGEST)

    async def _listen(self, client: OpenFlowClient) -> None:
        """These packets, and nothing else that a switch says of itself."""
        await client.request(of.SetPacketInFormat(of.PacketInFormat.NXT_PACKET_IN2))
        nothing = (
            of.AsyncPortStatusMaster,
            of.AsyncPortStatusSlave,
            of.AsyncFlowRemovedMaster,
            of.AsyncFlowRemovedSlave,
        )
        wanted = (of.AsyncPacketInMaster(ALL_REASONS), of.AsyncPacketInSlave(ALL_REASONS))
        await client.request(of.SetAsync(properties=(*wanted, *(kind(0) for kind in nothing))))
        await client.request(of.SetControllerId(CONTROLLER_ID))
        if (channel := client.channel) is not None:
            channel.most_read = MOST_READ
            channel.pump = Frames(self._put, channel.receive_frame)

    def _put(self, packet: Punted | Raw) -> None:
        self._up.put(packet)
        self._told()

    def take(self) -> Punted | None:
        """The next packet for the server."""
        while (one := self._up.take()) is not None:
            packet = one if isinstance(one, Punted) else one.read()
            if packet is not None:
                return packet
        return None

    def _event(self, event: ClientEvent) -> None:
        match event:
            case Received(message=of.NxPacketIn2() as message):
                packet = punted(message)
                if packet is not None:
                    self._put(packet)
            case Refused(error=error):
                log.warning("a packet of a service was refused: %s", OpenFlowError(error))
            case Disconnected(reason=reason):
                log.debug("packets of services: %s", reason)

    # -- down ------------------------------------------------------------------------------------------------------

    async def _send(self) -> None:
        while True:
            await self._some.wait()
            self._some.clear()
            while batch := self._batch():
                await self._pass(batch)

    def _batch(self) -> list[Send]:
        batch: list[Send] = []
        while len(batch) < AT_ONCE and (packet := self._down.take_if(self._may_go)) is not None:
            if lost := packet.lost + packet.message.lost:
                log.warning("%d packets of service %d came too fast", lost, packet.service)
            batch.append(packet.message)
        return batch

    def _may_go(self, packet: Early) -> bool:
        return packet.heard <= self._keeper.tried(packet.service)

    async def _pass(self, batch: list[Send]) -> None:
        client = self._client
        if client is None:
            return
        try:
            for message in batch:
                in_port = self._ports.get(message.source) if message.source else CONTROLLER
                if in_port is None:
                    continue  # the port has gone
                try:
                    actions = [action(one) for one in written(message.actions)]
                    await client.send(of.PacketOut(in_port=in_port, actions=actions, data=message.data))
                except (EncodeError, ValueError, KeyError) as error:
                    log.warning("a packet of a service cannot be sent: %s", error)
            await client.barrier()
        except (OpenFlowError, ProtocolError, OSError) as error:
            log.debug("packets of services: %s", error)
