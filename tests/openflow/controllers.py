"""A controller and switches that do as a test says, in one process, over real sockets."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable, Sequence
from typing import Any

from segue.openflow import (
    FLOOD,
    V13,
    App,
    BarrierReply,
    BarrierRequest,
    FeaturesReply,
    FeaturesRequest,
    Output,
    PacketIn,
    PacketOut,
    Port,
    PortDescReply,
    PortDescRequest,
)
from segue.openflow.channel import Channel, dial
from segue.openflow.connection import Event, Received, Refused
from segue.openflow.controller import Controller


class Peer:
    """A switch with two ports, or with those that it is given, in as many parts as `parts` says."""

    def __init__(
        self,
        datapath_id: int = 1,
        *,
        auxiliary_id: int = 0,
        ports: Sequence[Port] = (Port(1, name="one"), Port(2, name="two")),
        handle: Callable[["Peer", Any, int], bool | None] | None = None,
    ) -> None:
        self.datapath_id = datapath_id
        self.auxiliary_id = auxiliary_id
        self.ports = ports
        self.handle = handle
        self.seen: list[Any] = []
        self.reason: str | None = None
        self.channel: Channel

    async def connect(self, target: str, version: int, **settings: Any) -> "Peer":
        await dial(target, side="switch", versions={version}, on_channel=self._opened, **settings)
        return self

    def _opened(self, channel: Channel) -> None:
        self.channel = channel
        channel.on_event = self._event
        channel.on_close = self._closed

    def _closed(self, reason: str) -> None:
        self.reason = reason

    def _event(self, event: Event) -> None:
        if isinstance(event, Refused):
            self.seen.append(event.error)
        if not isinstance(event, Received):
            return
        msg, xid = event.message, event.xid
        self.seen.append(msg)
        if self.handle is not None and self.handle(self, msg, xid):
            return
        version = self.channel.version
        if isinstance(msg, FeaturesRequest):
            ports = () if version >= V13 else tuple(self.ports)
            self.channel.send(FeaturesReply(self.datapath_id, 0, 2, ports=ports, auxiliary_id=self.auxiliary_id), xid)
        elif isinstance(msg, PortDescRequest):
            for n, port in enumerate(self.ports):
                self.channel.send(PortDescReply((port,), flags=int(n + 1 < len(self.ports))), xid)
        elif isinstance(msg, BarrierRequest):
            self.channel.send(BarrierReply(), xid)

    def packet_in(self, octet: int = 0, **fields: Any) -> PacketIn:
        """Sends one, of 20 octets; returns it."""
        msg = PacketIn(in_port=1, data=bytes([octet]) * 20, total_len=20, **fields)
        self.channel.send(msg)
        return msg

    def got(self, cls: type[Any]) -> list[Any]:
        return [msg for msg in self.seen if isinstance(msg, cls)]


@contextlib.asynccontextmanager
async def running(
    apps: Sequence[App], *, connecting: Sequence[str] = (), **options: Any
) -> AsyncIterator[tuple[Controller, str]]:
    """A controller, and the target to call. It sends no flow for what no flow matches unless it is told to."""
    options.setdefault("table_miss", False)
    controller = Controller(apps, **options)
    (target,) = await controller.start(["ptcp:0:127.0.0.1"], connecting)
    try:
        yield controller, target
    finally:
        await controller.stop()


async def up(controller: Controller, peer: Peer, target: str, version: int, **settings: Any) -> Peer:
    """The peer, once the controller's applications know it."""
    await peer.connect(target, version, **settings)
    while peer.datapath_id not in controller.switches and peer.reason is None:  # noqa: ASYNC110
        await asyncio.sleep(0.002)
    return peer


def hearing(*events: type[Any], name: str = "hearing") -> tuple[App, list[tuple[Any, Any]]]:
    """An application that writes down what it hears of."""
    app, heard = App(name), []
    app.on(*events)(lambda switch, event: heard.append((switch, event)))
    return app, heard


def hub() -> App:
    app = App("hub")
    app.on(PacketIn)(lambda switch, msg: PacketOut.answering(msg, [Output(FLOOD)]))
    return app
