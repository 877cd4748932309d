"""Sees, from outside, when switches get new flows: a connection of its own to each, with a flow monitor."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Callable
from types import TracebackType

import msgspec

from bench.chains import ChainFabric
from segue.model.stages import TABLE
from segue.openflow.client import ClientEvent, OpenFlowClient
from segue.openflow.connection import Received
from segue.openflow.protocol import (
    FlowMonitor,
    FlowMonitorFlags,
    FlowMonitorReply,
    FlowMonitorRequest,
    FlowUpdateFull,
)


class Seen(msgspec.Struct, frozen=True):
    """``time``: monotonic, ns."""

    time: int
    node: str
    stages: frozenset[str]


_STAGE = {number: name for name, number in TABLE.items()}


class Watcher:
    """Of some of a fabric's nodes; ``since(t)`` lists what has been seen."""

    def __init__(self, fabric: ChainFabric, nodes: list[str]) -> None:
        self._targets = {node: f"unix:{fabric.lab.node_rundir(node) / 'br-int'}.mgmt" for node in nodes}
        self._seen: list[Seen] = []
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)
        self._clients: list[OpenFlowClient] = []

    def __enter__(self) -> Watcher:
        self._thread.start()
        asyncio.run_coroutine_threadsafe(self._connect(), self._loop).result(30)
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        asyncio.run_coroutine_threadsafe(self._close(), self._loop).result(30)
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()

    def since(self, begun: int) -> list[Seen]:
        return [seen for seen in self._seen if seen.time > begun]

    def flipped(self, begun: int, within: float = 5.0) -> list[Seen]:
        """As ``since``, once a classifier is among them: packets may be steered before this thread has heard why."""
        end = time.monotonic() + within
        while not any("classify" in seen.stages for seen in self.since(begun)):
            if time.monotonic() > end:
                raise RuntimeError("no switch told of a new classifier")
            time.sleep(0.001)
        return self.since(begun)

    async def _connect(self) -> None:
        for node, target in self._targets.items():
            client = OpenFlowClient(target, on_event=self._taker(node))
            self._clients.append(client)
            await client.connect(asynchronous=True)
            await client.request(FlowMonitorRequest([FlowMonitor(monitor_id=1, flags=FlowMonitorFlags.ADD)]))

    async def _close(self) -> None:
        for client in self._clients:
            await client.close()

    def _taker(self, node: str) -> Callable[[ClientEvent], None]:
        def take(event: ClientEvent) -> None:
            now = time.monotonic_ns()
            if isinstance(event, Received) and isinstance(event.message, FlowMonitorReply):
                updates = event.message.updates
                stages = frozenset(_STAGE[update.table_id] for update in updates if isinstance(update, FlowUpdateFull))
                if stages:
                    self._seen.append(Seen(now, node, stages))

        return take
