"""An agent between a server of the test's own and a real Open vSwitch."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable, Iterable, Mapping
from pathlib import Path
from typing import Any

import msgspec
from websockets.asyncio.server import ServerConnection, unix_serve
from websockets.exceptions import ConnectionClosed

from openflow.open_vswitch import OpenVSwitch
from segue.agent.agent import Agent
from segue.model.program import AnyAction, Next, Rule, SetField, match
from segue.model.protocol import Answer, Applied, FromAgent, FromServer, Punted, Query, Send, Sync
from segue.model.stages import ELEMENT, SERVICE, SERVICE_METADATA, TABLE, VERDICT
from segue.model.view import AnyRecord, FlowRecord, SelfRecord

BRIDGE = "br"
ME = {"self": SelfRecord("n", 1, "10.0.0.1")}
FRAME = bytes.fromhex("020000000002 020000000001 0800") + bytes(range(50))
_encode = msgspec.json.Encoder().encode
_decode: msgspec.json.Decoder[FromAgent] = msgspec.json.Decoder(FromAgent)


class Server:
    """Tells the agent that is connected; ``punted`` and ``applied`` are what it said. Reads while ``reads`` is set."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.records: dict[str, AnyRecord] = dict(ME)
        self.revision = 0
        self.applied: list[Applied] = []
        self.punted: list[Punted] = []
        self.reads = asyncio.Event()
        self.reads.set()
        self._answers: dict[int, asyncio.Future[Answer]] = {}
        self._agent: ServerConnection | None = None
        self._news = asyncio.Event()

    async def serve(self, socket: ServerConnection) -> None:
        await socket.recv()
        self._agent = socket
        await self._say(Sync("e", self.revision, True, dict(self.records)))
        while True:
            try:
                data = await socket.recv()
            except ConnectionClosed:
                return
            message = _decode.decode(data)
            match message:
                case Applied():
                    self.applied.append(message)
                case Punted():
                    self.punted.append(message)
                case Answer(id=number):
                    self._answers.pop(number).set_result(message)
            self._news.set()
            await self.reads.wait()

    async def _say(self, message: FromServer) -> None:
        assert self._agent is not None
        await self._agent.send(_encode(message))

    async def tell(self, records: Mapping[str, AnyRecord | None]) -> None:
        self.revision += 1
        for key, record in records.items():
            if record is None:
                self.records.pop(key, None)
            else:
                self.records[key] = record
        await self._say(Sync("e", self.revision, False, dict(records)))

    async def hold(self, records: Mapping[str, AnyRecord | None] | None = None) -> Applied:
        """Tell, if there is something to tell, and wait until the switch holds all; what the agent says then."""
        if records is not None:
            await self.tell(records)
        await self.until(lambda: self.holds(self.revision))
        assert not self.applied[-1].error, self.applied[-1].error
        return self.applied[-1]

    def holds(self, revision: int) -> bool:
        """Whether the switch does, and no service is behind."""
        return bool(self.applied) and self.applied[-1].revision >= revision and not self.applied[-1].behind

    async def until(self, true: Callable[[], bool], within: float = 10.0) -> None:
        async with asyncio.timeout(within):
            while not true():
                self._news.clear()
                await self._news.wait()

    async def send(self, *actions: AnyAction, data: bytes = FRAME) -> None:
        await self._say(Send(actions, data))

    async def ask(self, what: str, **args: str) -> Any:
        number = len(self._answers) + 1000
        future = self._answers[number] = asyncio.get_running_loop().create_future()
        await self._say(Query(number, what, args))
        answer = await asyncio.wait_for(future, 10)
        assert not answer.error, answer.error
        return msgspec.json.decode(answer.result)


@contextlib.asynccontextmanager
async def serving(ovs: OpenVSwitch) -> AsyncIterator[Server]:
    server = Server(ovs.directory / "server")
    async with unix_serve(server.serve, str(server.path), max_size=1 << 30):
        try:
            yield server
        finally:
            server.reads.set()


@contextlib.asynccontextmanager
async def running(ovs: OpenVSwitch, server: Server) -> AsyncIterator[Agent]:
    """An agent, until its switch holds what the server has to tell."""
    server.applied.clear()
    agent = Agent(f"unix:{server.path}", "n", ovs.directory, BRIDGE)
    task = asyncio.create_task(agent.run())
    try:
        await server.until(lambda: any(not one.error for one in server.applied))
        async with asyncio.timeout(10):
            await agent._punts.connected.wait()
        yield agent
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


def go(ovs: OpenVSwitch, scene: Callable[[Server, Agent], Any], within: float = 60) -> None:
    async def main() -> None:
        async with asyncio.timeout(within), serving(ovs) as server, running(ovs, server) as agent:
            await scene(server, agent)

    asyncio.run(main())


def rule(service: int, *actions: AnyAction, priority: int = 10, table: int = 0, **fields: int) -> Rule:
    return Rule(f"service_{table}", priority, match({SERVICE: service, **fields}), actions, f"service/s{service}")


def flows(service: int, rules: Iterable[Rule]) -> dict[str, AnyRecord | None]:
    return {f"flow/{service}/{number}": FlowRecord(one) for number, one in enumerate(rules, 1)}


def met(service: int, element: int = 0, metadata: int = 0) -> tuple[AnyAction, ...]:
    """Makes a packet one that a service has been handed."""
    return (
        SetField(SERVICE, service),
        SetField(ELEMENT, element),
        SetField(VERDICT, 1),
        SetField(SERVICE_METADATA, metadata),
        Next("service_0"),
    )


def dump(ovs: OpenVSwitch, service: int) -> str:
    """The service's flows as the switch has them."""
    return ovs.ofctl(6, "dump-flows", ovs.management(BRIDGE), f"reg7={service}")


def table(stage: str) -> int:
    return TABLE[stage]
