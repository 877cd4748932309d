"""A server's services with their store, nodes that answer as they are told to, and controllers of their own."""

from __future__ import annotations

import asyncio
import contextlib
import threading
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import Any

import msgspec

from segue.intent import parse
from segue.model.intent import Object, Ref
from segue.model.protocol import PROTOCOL, Answer, Applied, Query, Register, Send, Sync
from segue.model.view import AnyRecord
from segue.openflow import FlowMod
from segue.openflow import protocol as of
from segue.openflow.channel import Channel, Listener, listen
from segue.openflow.connection import Event
from segue.openflow.wire import V15
from segue.server.agents import Agents, Session
from segue.server.conductor import Conductor
from segue.server.counted import Counted
from segue.server.service_doors import Controller
from segue.server.service_room import Room
from segue.server.services import Services
from segue.store.base import StoreFull, Transaction
from segue.store.sqlite import SqliteStore

NETWORK = """
nodes: {n1: 192.0.2.1, n2: 192.0.2.2}
networks: {web: 10.0.0.0/24}
ports:
  a: {network: web, node: n1, address: 10.0.0.10}
  b: {network: web, node: n2, address: 10.0.0.11}
  c: {network: web, node: n2, address: 10.0.0.12}
"""
SERVICE = """
services:
  s:
    hook: ingress
    attach: [port/a, port/b]
    flows: 20
    permissions: {drop: true, redirect: true, copy: true, meter: true, packet_in: true, mark: true}
"""


async def until(true: Callable[[], Any], within: float = 10.0) -> None:
    async with asyncio.timeout(within):
        while not true():  # noqa: ASYNC110  what is waited for tells nobody
            await asyncio.sleep(0.01)


def objects(text: str) -> dict[Ref, Object | None]:
    return dict(parse(text, "test").objects)


class Node:
    """An agent. While ``answers`` it holds what it is told; ``refuses``: by record key, what its switch will not take;
    ``counts``: what it says of its switch, by query."""

    def __init__(self, agents: Agents, conductor: Conductor, name: str) -> None:
        session = agents.register(Register(name, PROTOCOL, "test"))
        assert isinstance(session, Session)
        self.session = session
        self._agents, self._conductor = agents, conductor
        self.records: dict[str, AnyRecord] = {}
        self.sent: list[Send] = []
        self.refuses: Callable[[str], str] = lambda _: ""
        self.counts: dict[str, Any] = {}
        self.answers = asyncio.Event()
        self.answers.set()
        self.task = asyncio.get_running_loop().create_task(self._run())

    async def _run(self) -> None:
        while True:
            for message in await self.session.outgoing():
                if isinstance(message, Sync):
                    self.records = {} if message.whole else self.records
                    for key, record in message.records.items():
                        if record is None:
                            self.records.pop(key, None)
                        else:
                            self.records[key] = record
                    await self.answers.wait()
                    refused = {key: why for key in self.records if (why := self.refuses(key))}
                    self.session.incoming(Applied(message.epoch, message.revision, refused=refused))
                elif isinstance(message, Query):
                    await self.answers.wait()
                    found = msgspec.json.encode(self.counts.get(message.what, {}))
                    self.session.incoming(Answer(message.id, msgspec.Raw(found)))
                elif isinstance(message, Send):
                    self.sent.append(message)

    def injected(self, kind: str = "flow") -> dict[str, AnyRecord]:
        """Without the rule by which the server measures what groups copy."""
        return {key: one for key, one in self.records.items() if key.startswith(f"{kind}/") and key[-2:] != "/0"}

    async def end(self) -> None:
        self.task.cancel()
        await asyncio.gather(self.task, return_exceptions=True)
        self._agents.gone(self.session)


class Peer:
    """A controller that waits to be called. ``heard``: what answers nothing."""

    def __init__(self, listener: Listener, channels: asyncio.Queue[Channel], heard: list[Event]) -> None:
        self.listener, self.channels, self.heard = listener, channels, heard
        self.target = listener.addresses[0]

    async def called(self) -> Channel:
        return await asyncio.wait_for(self.channels.get(), 10)

    def messages(self, kind: type[Any]) -> list[Any]:
        found = [getattr(event, "message", None) for event in self.heard]
        return [message for message in found if isinstance(message, kind)]


@contextlib.asynccontextmanager
async def controller(*versions: int) -> AsyncIterator[Peer]:
    channels: asyncio.Queue[Channel] = asyncio.Queue()
    heard: list[Event] = []

    def opened(channel: Channel) -> None:
        channel.on_event = heard.append
        channels.put_nowait(channel)

    listener = await listen("ptcp:0:127.0.0.1", opened, versions=versions or (V15,))
    try:
        yield Peer(listener, channels, heard)
    finally:
        listener.close()


class Bench:
    def __init__(self, directory: Path) -> None:
        self.directory = directory

    async def open(self) -> None:
        self.store = SqliteStore(self.directory)
        self.conductor = Conductor(self.store, 0.0)
        self.agents = Agents(self.conductor, Counted({}))
        self.services = Services(self.store, self.conductor, self.agents, None)
        self.task = asyncio.get_running_loop().create_task(self.services.run())
        self.nodes = {name: Node(self.agents, self.conductor, name) for name in ("n1", "n2")}

    async def close(self) -> None:
        self.task.cancel()
        await asyncio.gather(self.task, return_exceptions=True)
        for node in self.nodes.values():
            await node.end()
        self.store.close()

    async def restart(self) -> None:
        await self.close()
        await self.open()

    def apply(self, text: str) -> None:
        self.conductor.apply(objects(text))

    @property
    def room(self) -> Room:
        return self.services.by_name["s"]

    def kept(self) -> dict[str, bytes]:
        """What the store has of services."""
        return {key: item.value for key, item in self.store.snapshot("injected/").items.items()}

    async def connected(self, peer: Peer) -> Channel:
        self.room.access.connect(Controller(peer.target))
        return await peer.called()

    async def settled(self) -> None:
        await asyncio.wait_for(self.room.in_force(self.room.sequence), 10)

    async def until(self, true: Callable[[], Any], within: float = 10.0) -> None:
        await until(true, within)


class Disk:
    """The store's, which can be full; and slow, for flows: it waits for ``go`` with them."""

    def __init__(self, store: SqliteStore) -> None:
        self._commit = store.commit
        self.full = False
        self.busy, self.go = threading.Event(), threading.Event()
        self.go.set()
        store.commit = self.commit  # type: ignore[method-assign]

    def commit(self, transaction: Transaction) -> int:
        if self.full:
            raise StoreFull("no room on the disk")
        if any("/flow/" in key for key in transaction.puts):
            self.busy.set()
            self.go.wait(10)
        return self._commit(transaction)


def scenario(test: Callable[..., Awaitable[None]]) -> Callable[..., None]:
    """With the network, the service ``s``, its token, and two nodes that answer."""

    def ran(tmp_path: Path, caplog: Any) -> None:
        async def main() -> None:
            bench = Bench(tmp_path)
            await bench.open()
            try:
                bench.apply(NETWORK)
                bench.apply(SERVICE)
                bench.room.access.renew(None)
                async with asyncio.timeout(50):
                    await bench.settled()
                    if test.__code__.co_argcount == 1:  # type: ignore[attr-defined]
                        await test(bench)
                    else:
                        await test(bench, caplog)
            finally:
                await bench.close()

        asyncio.run(main())

    ran.__name__ = test.__name__  # type: ignore[attr-defined]
    return ran


def flow(priority: int, *actions: of.Action, **more: Any) -> FlowMod:
    """Drops, unless it has actions."""
    settings: dict[str, Any] = {"match": {"eth_type": 0x800, "ip_proto": 6, "tcp_dst": priority}, **more}
    instructions = (of.ApplyActions(actions),) if actions else ()
    return FlowMod(priority=priority, instructions=instructions, **settings)
