"""The agents that are connected: what each is still to be told, and what it was asked.

What is to be told is held by record key, the newest value of each, so an agent that reads slowly costs no more than one
view of its node, and is told everything once.
"""

from __future__ import annotations

import asyncio
import itertools
from collections import Counter
from collections.abc import Callable, Mapping
from typing import Any

import msgspec

from segue.intent.problems import Bad
from segue.intent.values import check_name
from segue.model.fair import Fair, Whose
from segue.model.protocol import (
    PROTOCOL,
    Answer,
    Applied,
    Counters,
    FromAgent,
    FromServer,
    Punted,
    Query,
    Register,
    Seen,
    Send,
    Sync,
)
from segue.model.view import AnyRecord
from segue.server.conductor import Conductor
from segue.server.counted import Counted

COUNTING = 3.0
"""Seconds in which a node must tell its counters: whoever asks how things are waits for the slowest."""


MOST_SENDS = 1_000
"""Packets of one service that wait to be sent to an agent; more are lost, as in any queue, and counted."""
SENDS_AT_ONCE = 64
"""Packets that are handed to the socket before it is looked whose turn it is."""


class NoAnswer(Exception):
    """An agent could not answer; says which and why."""


class Session:
    """One agent's connection. ``outgoing`` is awaited by whoever writes to the socket."""

    def __init__(
        self,
        conductor: Conductor,
        counted: Counted,
        node: str,
        punted: Callable[[Punted], None],
        whose: Callable[[int], Whose],
    ) -> None:
        self.node = node
        self._punted = punted
        self.replaced = False
        self._conductor = conductor
        self._counted = counted
        self._wake = asyncio.Event()
        self._pending: dict[str, AnyRecord | None] = dict(conductor.listen(node, self._told))
        self._whole = True
        self._queries: list[Query] = []
        self._sends: Fair[Send] = Fair(whose, MOST_SENDS)
        self.unsent: Counter[int] = Counter()
        """By service: packets that came too fast."""
        self._asked: dict[int, asyncio.Future[Any]] = {}
        self._numbers = itertools.count(1)
        self._wake.set()

    def _told(self, revision: int, records: Mapping[str, AnyRecord | None]) -> None:  # noqa: ARG002
        self._pending.update(records)
        self._wake.set()

    async def outgoing(self) -> list[FromServer]:
        """What to send next, as soon as there is something."""
        await self._wake.wait()
        self._wake.clear()
        messages: list[FromServer] = []
        # A node that nobody has declared is told nothing: an agent that was pointed at the wrong server, or a server at
        # the wrong store, must not clear a switch that forwards.
        if self._conductor.knows(self.node) if self._whole else self._pending:
            records, self._pending = self._pending, {}
            messages.append(Sync(self._conductor.epoch, self._conductor.revision, self._whole, records))
            self._whole = False
        queries, self._queries = self._queries, []
        sends = self._turns()
        return [*messages, *queries, *sends]

    def send(self, packet: Send) -> None:
        """Goes behind all that the agent was told before; services take turns."""
        self._sends.put(packet)
        self._wake.set()

    def _turns(self) -> list[Send]:
        sends: list[Send] = []
        while len(sends) < SENDS_AT_ONCE and (packet := self._sends.take()) is not None:
            if packet.lost:
                self.unsent[packet.service] += packet.lost
            sends.append(packet)
        if len(self._sends):
            self._wake.set()
        return sends

    def replace(self) -> None:
        """Another agent has registered for the node: what this one says no longer counts, and it is to hear so."""
        self.replaced = True
        self._wake.set()

    def incoming(self, message: FromAgent) -> None:
        if self.replaced:
            return
        match message:
            case Applied(epoch=epoch, revision=revision, missing=missing, error=error, refused=refused, behind=behind):
                if epoch == self._conductor.epoch:
                    self._conductor.applied(self.node, revision, missing, error, refused, behind)
            case Seen(ports=ports):
                self._conductor.seen(self.node, ports)
            case Counters(live=live, retired=retired):
                self._counted.report(self.node, live, retired)
            case Punted():
                self._punted(message)
            case Answer(id=number, result=result, error=error):
                asked = self._asked.pop(number, None)
                if asked is not None and not asked.done():
                    if error:
                        asked.set_exception(NoAnswer(f"node {self.node}: {error}"))
                    else:
                        asked.set_result(bytes(result))

    async def ask(self, what: str, args: dict[str, str], within: float) -> Any:
        number = next(self._numbers)
        future = self._asked[number] = asyncio.get_running_loop().create_future()
        self._queries.append(Query(number, what, args))
        self._wake.set()
        try:
            async with asyncio.timeout(within):
                return msgspec.json.decode(await future)
        except TimeoutError:
            # Who does not even read is not asked more and more.
            self._queries = [query for query in self._queries if query.id != number]
            raise NoAnswer(f"node {self.node} did not answer within {within:g} s") from None
        finally:
            self._asked.pop(number, None)

    def close(self) -> None:
        self._conductor.unlisten(self.node, self._told)
        for future in self._asked.values():
            if not future.done():
                future.set_exception(NoAnswer(f"node {self.node}: its agent has gone"))


class Agents:
    """By node. A new connection for a node takes the place of the old one, which may be a dead machine's."""

    def __init__(self, conductor: Conductor, counted: Counted) -> None:
        self._conductor = conductor
        self._counted = counted
        self._sessions: dict[str, Session] = {}
        self._unsent: Counter[int] = Counter()
        """By service: packets that came too fast for agents which are gone."""
        self.punted: Callable[[Punted], None] = _nobody
        """Gets packets for injected services."""
        self.whose: Callable[[int], Whose] = _itself
        """Says whose turn an injected service has, as ``Fair`` asks it."""

    def register(self, message: Register) -> Session | str:
        """A session, or why there is none."""
        if message.protocol != PROTOCOL:
            return f"this server speaks protocol {PROTOCOL}, the agent {message.protocol}; run the same version of both"
        try:
            check_name(message.node)
        except Bad as error:
            return f"its node {error}; {error.hint}"
        before = self._sessions.get(message.node)
        if before is not None:
            before.replace()
        session = Session(
            self._conductor,
            self._counted,
            message.node,
            lambda packet: self.punted(packet),
            lambda service: self.whose(service),
        )
        self._sessions[message.node] = session
        return session

    def gone(self, session: Session) -> None:
        session.close()
        self._unsent.update(session.unsent)
        if self._sessions.get(session.node) is session:
            del self._sessions[session.node]

    @property
    def nodes(self) -> list[str]:
        return sorted(self._sessions)

    def send(self, node: str, packet: Send) -> None:
        """Has the node's switch process a packet; lost while it has no agent."""
        if (session := self._sessions.get(node)) is not None:
            session.send(packet)

    def unsent(self, service: int) -> int:
        """How many packets of a service came too fast for the agents."""
        return self._unsent[service] + sum(session.unsent[service] for session in self._sessions.values())

    async def ask(self, node: str, what: str, args: dict[str, str] | None = None, within: float = 10.0) -> Any:
        """Raises NoAnswer."""
        session = self._sessions.get(node)
        if session is None:
            raise NoAnswer(f"node {node} has no agent connected")
        return await session.ask(what, args or {}, within)

    async def count(self, chain: str = "", fresh: bool = False) -> list[str]:
        """Read all counters anew, or those of ``chain``; returns what could not be read. ``fresh``: what switches have
        yet to add up, too."""
        args = {"chain": chain} if chain else {}
        if fresh:
            args["fresh"] = "yes"

        async def one(node: str) -> str | None:
            try:
                counters = msgspec.convert(await self.ask(node, "counters", args, COUNTING), Counters)
            except NoAnswer as error:
                return str(error)
            except msgspec.ValidationError as error:
                return f"node {node} answers what are no counters: {error}"
            self._counted.report(node, counters.live, counters.retired, chain)
            return None

        found = await asyncio.gather(*(one(node) for node in self.nodes))
        return [problem for problem in found if problem]


def _itself(service: int) -> Whose:
    return service


def _nobody(packet: Punted) -> None:
    """Where there are no services, no packet is for one."""
