"""A switch that does as a script says, for tests of channels."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable, Coroutine
from typing import Any

from segue.openflow.channel import Channel, listen
from segue.openflow.connection import Event, Received
from segue.openflow.protocol.basic import (
    BarrierReply,
    BarrierRequest,
)
from segue.openflow.protocol.switch import FeaturesReply, FeaturesRequest


def run(main: Callable[[], Coroutine[Any, Any, None]], seconds: float = 20) -> None:
    async def bounded() -> None:
        async with asyncio.timeout(seconds):
            await main()

    asyncio.run(bounded())


async def until(happened: Callable[[], bool]) -> None:
    while not happened():  # noqa: ASYNC110
        await asyncio.sleep(0.005)


class Switch:
    """A switch that answers as `handle` says; barriers and features by itself."""

    def __init__(self, handle: Callable[["Switch", Any, int], Any] | None = None) -> None:
        self.handle = handle
        self.channels: list[Channel] = []
        self.seen: list[Any] = []
        self.reasons: list[str] = []

    def opened(self, channel: Channel) -> None:
        self.channels.append(channel)
        channel.on_event = lambda event: self.event(channel, event)
        channel.on_close = self.reasons.append

    def event(self, channel: Channel, event: Event) -> None:
        if not isinstance(event, Received):
            return
        msg, xid = event.message, event.xid
        self.seen.append(msg)
        self.channel = channel
        if self.handle is not None and self.handle(self, msg, xid):
            return
        if isinstance(msg, BarrierRequest):
            channel.send(BarrierReply(), xid)
        elif isinstance(msg, FeaturesRequest):
            channel.send(FeaturesReply(5), xid)


@contextlib.asynccontextmanager
async def serving(switch: Switch, target: str = "ptcp:0:127.0.0.1", **settings: Any) -> AsyncIterator[str]:
    listener = await listen(target, switch.opened, side="switch", **settings)
    try:
        yield listener.addresses[0]
    finally:
        listener.close()
        for channel in switch.channels:
            channel.abort()
