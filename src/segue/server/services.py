"""The injected services: their rooms, what the store keeps of them, and what nodes are told.

    injected/KEY            what is kept of a service (service_access.About): port numbers, token, controller
    injected/KEY/flow/N     one of its flows; likewise group/N and meter/N

A service is declared like any object; here is what its application does with it. One writer gathers what all services
have changed, makes it durable in one transaction, and then tells the nodes: so what nodes hold is in the store, and a
crash leaves a change out whole, or it is continued. While the store cannot be written, services are refused changes.

One thing does not wait for the store: what has ended for good, by a revoked token, by its time, by a permission that is
gone, leaves the nodes at once where it cannot be written, as more harm is in a flow that stays than in one that is gone
too early. If the server dies before it could be written, it comes back at the next start: what was timed ends again at
once; a token holds again, with all that came by it, until it is revoked anew. So a revocation is answered with success
only once it is durable; else with 503, and whoever revokes knows that the token may come back.

Numbers of groups and meters at the switches are those of all services together. At the start all that the store has are
reserved before any is given; of two services that have one, the second is given another.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import Any, NoReturn

import msgspec

from segue.compile.views import ServiceInfo
from segue.inject import saved
from segue.inject.changes import Changes
from segue.inject.errors import Refusal
from segue.inject.rooms import Numbers
from segue.model.fair import Whose
from segue.model.program import AnyAction
from segue.model.protocol import Punted, Send
from segue.model.view import AnyRecord
from segue.openflow.channel import Tls
from segue.server import service_nodes
from segue.server.agents import Agents, NoAnswer
from segue.server.conductor import Conductor
from segue.server.reach import ANYWHERE, Reach
from segue.server.service_access import About
from segue.server.service_limits import UNTOLD, ProjectLimits
from segue.server.service_nodes import Told
from segue.server.service_published import OfOne, owner_of
from segue.server.service_room import Room
from segue.server.service_turns import Turns
from segue.store.base import Snapshot, Store, StoreError, Transaction

log = logging.getLogger(__name__)

PREFIX = "injected/"
GATHER = 0.001
"""Seconds in which changes are gathered into one transaction."""
RETRY = 1.0
"""Seconds before what could not be written is tried again."""
ASKING = 5.0
"""Seconds in which a node must tell what it has counted for a service."""

_encode = msgspec.json.Encoder().encode
_about = msgspec.json.Decoder(About)
_METERS = {"meter": "packet-ins", "copy_meter": "copies"}
"""The fields of ``About`` with meters of the switches that every service gets, and what they limit."""

Records = dict[tuple[str, str], AnyRecord | None]


class Unwritable(Refusal):
    """What was asked for would not be on the disk."""


class Services:
    """The conductor's injector. ``tls``: for controllers that are called, or call, by ``ssl``. ``ports``: those at
    which services of projects may wait for their controllers. ``limits``: what projects may ask for. ``reach``: where
    controllers are called."""

    def __init__(
        self,
        store: Store,
        conductor: Conductor,
        agents: Agents,
        tls: Tls = None,
        ports: range = range(0),
        limits: ProjectLimits = UNTOLD,
        reach: Reach = ANYWHERE,
    ) -> None:
        self._store = store
        self._conductor = conductor
        self._agents = agents
        self.tls = tls
        self.ports = ports
        self.limits = limits
        self.reach = reach
        self.turns = Turns(self.whose)
        self.numbers = Numbers()
        self.rooms: dict[int, Room] = {}
        self.by_name: dict[str, Room] = {}
        self._nodes: dict[int, set[str]] = {}
        """By service: the nodes that hold it."""
        self._left: dict[int, dict[str, int]] = {}
        """By service: nodes that may have yet to drop it, and the revision that told them to."""
        self._dirty: dict[int, Room] = {}
        self._saving: dict[int, Room] = {}
        self._wake = asyncio.Event()
        self._trouble: StoreError | None = None
        self._running = False
        self._leaving: dict[int, dict[str, AnyRecord]] = {}
        """By service that is gone: what nodes may still hold of it."""
        self._short: dict[int, Room] = {}
        """Services for whose packet-ins or copies there was no meter; they get one when one is free."""
        self._at_once: dict[int, OfOne] = {}
        """By service: what its nodes are told with what the conductor tells them next."""
        self._disk: ThreadPoolExecutor | None = None
        """asyncio's own threads may all be waiting for the names of controllers."""
        self._kept = _kept(store.snapshot(PREFIX))
        for kept in self._kept.values():
            if kept.about:
                about = _about.decode(kept.about)
                for field in _METERS:
                    self.numbers.meters.reserve(getattr(about, field))
            saved.reserve(self.numbers, kept.entries)
        agents.punted = self.punted
        agents.whose = self.whose
        conductor.injector = self
        self._forget_strays()
        self.numbers.groups.settle()
        self.numbers.meters.settle()

    # -- what is declared ------------------------------------------------------------------------------------------

    def services(self, changed: Mapping[str, ServiceInfo | None]) -> None:
        """By name, as the conductor tells it."""
        for name, info in changed.items():
            room = self.by_name.get(name)
            if room is not None and (info is None or info.key != room.key):
                self._remove(room)
                room = None
            if info is None:
                continue
            if room is None:
                self._add(info)
            else:
                before = room.info.declared.project
                self._tell(room, room.changed(info))
                if info.declared.project != before and self._running:
                    room.access.open()  # where its controller may be called is another's

    def _tell(self, room: Room, records: OfOne) -> None:
        if records:
            self._at_once.setdefault(room.key, {}).update(records)
            self.schedule(room)  # if the conductor has nothing to tell

    def _add(self, info: ServiceInfo) -> None:
        kept = self._kept.pop(info.key, None)
        about = _about.decode(kept.about) if kept and kept.about else About(info.name)
        new = kept is None
        lacking = []
        for field, what in _METERS.items():
            number = before = getattr(about, field)
            try:
                if number:
                    self.numbers.meters.claim(number)
            except ValueError:
                log.warning("service %s: the meter of its %s was another's; it has a new one", info.name, what)
                number = 0
            number = number or self.numbers.meters.take() or 0
            if not number:
                log.warning("service %s: there is no meter for its %s until another service frees one", info.name, what)
                lacking.append(what)
            setattr(about, field, number)
            new = new or number != before
        room = Room(self, info, about)
        if lacking:
            self._short[info.key] = room
        self.rooms[info.key] = self.by_name[info.name] = room
        if kept is not None:
            room.load(kept.entries)
        if new:
            self.save(room)
        if self._running:
            room.access.open()

    def _remove(self, room: Room) -> None:
        """The service is gone, with all that it had."""
        room.close()
        self.turns.forget(room.key)
        room.datapath.clear()
        if self._nodes.get(room.key):
            self._leaving[room.key] = room.published.records
        del self.rooms[room.key], self.by_name[room.name]
        for field in _METERS:
            self.numbers.meters.give(getattr(room.about, field))
        self._dirty.pop(room.key, None)
        self._saving.pop(room.key, None)
        self._short.pop(room.key, None)
        self._at_once.pop(room.key, None)
        self._left.pop(room.key, None)
        self._forget(f"{PREFIX}{room.key}")
        self._supply()

    def _supply(self) -> None:
        """Services that lack a meter get what is free."""
        while self._short and (number := self.numbers.meters.take()) is not None:
            _, room = self._short.popitem()
            lacking = [field for field in _METERS if not getattr(room.about, field)]
            setattr(room.about, lacking[0], number)
            if len(lacking) > 1:
                self._short[room.key] = room
            self._tell(room, room.changed(room.info))
            self.save(room)

    def _forget_strays(self) -> None:
        """What a crash has left of services that are not declared any more."""
        for key in list(self._kept):
            del self._kept[key]
            self._forget(f"{PREFIX}{key}")

    def _forget(self, prefix: str) -> None:
        keys = [key for key in self._store.snapshot(prefix).items if key == prefix or key.startswith(f"{prefix}/")]
        if keys:
            try:
                self._store.commit(Transaction(deletes=tuple(keys)))
            except StoreError as error:
                log.warning("what is left of a service stays in the store until the next start: %s", error)

    # -- what nodes hold -------------------------------------------------------------------------------------------

    def beyond(self, changes: Mapping[tuple[str, str], AnyRecord | None]) -> Records:
        """What goes with changes of the nodes' views: a node that gets a service gets all that is its."""
        more: Records = {}
        for (node, key), record in changes.items():
            kind, _, rest = key.partition("/")
            if kind != "service":
                continue
            service = int(rest)
            nodes = self._nodes.setdefault(service, set())
            room = self.rooms.get(service)
            published = room.published.records if room is not None else self._leaving.get(service, {})
            if record is None:
                nodes.discard(node)
                if room is not None:
                    self._leave(room, node)
                more.update({(node, one): None for one in (*published, *self._at_once.get(service, ()))})
            elif node not in nodes:
                nodes.add(node)
                self._left.get(service, {}).pop(node, None)
                more.update({(node, one): value for one, value in published.items()})
            if not nodes:
                del self._nodes[service]
                self._leaving.pop(service, None)
        return {**more, **self._due()}

    def _leave(self, room: Room, node: str) -> None:
        """The node is about to be told that it has nothing of the service any more."""
        left = self._left.get(room.key, {})
        still = service_nodes.lacking(self._conductor, room.name, left)
        self._left[room.key] = {**{one: left[one] for one in still}, node: self._conductor.revision + 1}

    def _due(self) -> Records:
        """What can be told at once, to the nodes that hold it."""
        due, self._at_once = self._at_once, {}
        return {
            (node, key): record
            for service, ours in due.items()
            for node in self._nodes.get(service, ())
            for key, record in ours.items()
        }

    def refused(self, node: str, refused: Mapping[str, str]) -> None:
        """``node``'s switch will not take these records."""
        owners = self._owners() if any(not key.startswith("flow/") for key in refused) else {}
        still: set[tuple[int, str]] = set()
        for key, reason in refused.items():
            kind, _, rest = key.partition("/")
            found = self.rooms.get(int(rest.partition("/")[0])) if kind == "flow" else owners.get(key)
            if found is not None and (what := found.refuse(node, kind, int(rest.rpartition("/")[2]), reason)):
                still.add((found.key, what))
        for room in self.rooms.values():
            if room.refused:
                room.refused = {
                    where: reason
                    for where, reason in room.refused.items()
                    if where[0] != node or (room.key, where[1]) in still
                }

    def _owners(self) -> dict[str, Room]:
        """By record key: whose the groups and meters of the switches are."""
        owners: dict[str, Room] = {}
        for room in self.rooms.values():
            owners.update({f"group/{entry.switch}": room for entry in room.datapath.groups.values()})
            meters = (entry.switch for entry in room.datapath.meters.values())
            owners.update({f"meter/{one}": room for one in (room.about.meter, room.about.copy_meter, *meters)})
        return owners

    # -- writing ---------------------------------------------------------------------------------------------------

    def check_writable(self) -> None:
        """Raises Refusal while what was changed cannot be kept."""
        if self._trouble is not None:
            raise Unwritable("OFPFMFC_UNKNOWN", f"nothing can be kept now: {self._trouble}")

    def too_slow(self, seconds: float) -> NoReturn:
        raise Unwritable("OFPFMFC_UNKNOWN", f"the disk has not taken it in {seconds:g} s, and may yet")

    def schedule(self, room: Room) -> None:
        self._dirty[room.key] = room
        self._wake.set()

    def save(self, room: Room) -> None:
        """What is kept of it beside flows has changed."""
        room.pending.sequence += 1
        self._saving[room.key] = room
        self.schedule(room)

    async def run(self) -> None:
        """Until cancelled."""
        self._running = True
        self._disk = ThreadPoolExecutor(1, "segue services")
        for room in self.rooms.values():
            room.access.open()
        try:
            while True:
                await self._wake.wait()
                await asyncio.sleep(GATHER)
                self._wake.clear()
                await self._write()
        finally:
            self._running = False
            self._disk.shutdown(wait=False)
            for room in list(self.rooms.values()):
                room.close()

    async def _write(self) -> None:
        dirty, self._dirty = self._dirty, {}
        saving, self._saving = self._saving, {}
        # A node that does not say what was counted must not keep other services waiting.
        batches = [(room, *room.pending.take()) for room in dirty.values() if room.pending.counted_last()]
        puts: dict[str, bytes] = {}
        deletes: dict[str, None] = {}
        for room in saving.values():
            puts[f"{PREFIX}{room.key}"] = _encode(room.about)
        for room, _, changes in batches:
            for key, value in saved.writes(changes):
                where = f"{PREFIX}{room.key}/{key}"
                if value is None:
                    deletes[where] = None
                else:
                    puts[where] = value
        if puts or deletes:
            transaction = Transaction(puts=puts, deletes=tuple(deletes))
            while True:
                try:
                    await asyncio.get_running_loop().run_in_executor(self._disk, self._store.commit, transaction)
                except StoreError as error:
                    if self._trouble is None:
                        log.warning("changes of services cannot be written, and are tried again: %s", error)
                    self._trouble = error
                    self._sweep()
                    await asyncio.sleep(RETRY)
                else:
                    self._trouble = None
                    break
        self._publish(batches)
        for room, sequence, changes in batches:
            room.wrote(sequence, changes, self._conductor.revision)
        self._supply()

    def _sweep(self) -> None:
        """What has ended goes from the nodes while it cannot be written."""
        records: Records = {}
        for room in self.rooms.values():
            self._to_nodes(records, room, room.published.sweep())
        if records:
            self._conductor.publish(records)

    def _publish(self, batches: list[tuple[Room, int, Changes]]) -> None:
        records = self._due()
        for room, _, changes in batches:
            if self.rooms.get(room.key) is not room:
                self._forget(f"{PREFIX}{room.key}")  # it went while this was written
                continue
            self._to_nodes(records, room, room.published.publish(changes))
        if records:
            self._conductor.publish(records)

    def _to_nodes(self, records: Records, room: Room, ours: OfOne) -> None:
        """Adds what its nodes are told. The number of a group or meter that is gone may be another service's now."""
        owner = f"service/{room.name}"
        for node in self._nodes.get(room.key, ()):
            view: Mapping[str, AnyRecord] = self._conductor.views.get(node, {})
            for key, record in ours.items():
                there = None if record is not None else records.get((node, key)) or view.get(key)
                if there is None or owner_of(there, owner) == owner:
                    records[node, key] = record

    async def acknowledged(self, service: int, revision: int) -> None:
        """Every node that has an agent and holds the service has what it was told by ``revision``, or has said why it
        does not."""
        await service_nodes.answered(self._conductor, self._name(service), lambda: self.told(service, revision))

    async def confirmed(self, name: str, told: Told, within: float) -> list[str]:
        """The nodes that may not hold it when all that are connected do, or ``within`` seconds are over."""
        return await service_nodes.confirmed(self._conductor, name, told, within)

    def told(self, service: int, revision: int) -> Told:
        """The nodes that ``revision`` told of the service; and those that were told to drop it, and may have yet to."""
        return {**self._left.get(service, {}), **dict.fromkeys(self._nodes.get(service, ()), revision)}

    def failing(self, service: int) -> list[str]:
        """The nodes with something of the service that say that they cannot take what they are told now."""
        return [node for node in self.nodes(service) if node in self._conductor.errors]

    def said(self, nodes: list[str], *, named: bool) -> list[str]:
        """Why these do not hold it, in words; ``named``: for who may know of nodes."""
        return service_nodes.words(self._conductor, nodes, named=named)

    def _name(self, service: int) -> str:
        room = self.rooms.get(service)
        return room.name if room is not None else ""

    # -- nodes -----------------------------------------------------------------------------------------------------

    def end_streams(self) -> None:
        """The server is about to end."""
        for room in self.rooms.values():
            room.end_streams()

    def reach_of(self, room: Room) -> Reach:
        """Where its controller may be called."""
        return self.reach.guarded() if room.info.declared.project else self.reach

    def whose(self, service: int) -> Whose:
        room = self.rooms.get(service)
        return (room.info.declared.project if room is not None else "") or service

    def nodes(self, service: int) -> list[str]:
        return sorted(self._nodes.get(service, ()))

    async def ask(self, service: int, what: str, args: Mapping[str, str]) -> dict[str, Any]:
        """By node what it answers; "" is there if some node does not."""
        answers: dict[str, Any] = {}
        asked = {"service": str(service), **args}

        async def one(node: str) -> None:
            try:
                answers[node] = await self._agents.ask(node, what, asked, ASKING)
            except NoAnswer:
                answers[""] = None

        await asyncio.gather(*(one(node) for node in self.nodes(service)))
        return answers

    def send(self, service: int, node: str, actions: tuple[AnyAction, ...], data: bytes, source: str) -> None:
        if service in self.rooms:
            self._agents.send(node, Send(actions, data, source, service))

    def unsent(self, service: int) -> int:
        """How many of its packet-outs came too fast for the agents."""
        return self._agents.unsent(service)

    def punted(self, packet: Punted) -> None:
        room = self.rooms.get(packet.service)
        if room is not None:
            room.packets.punted(packet)


class Kept(msgspec.Struct):
    """What the store has of one service. ``entries``: its flows, groups and meters by their key in it."""

    about: bytes = b""
    entries: dict[str, bytes] = {}


def _kept(snapshot: Snapshot) -> dict[int, Kept]:
    found: dict[int, Kept] = {}
    for key, item in snapshot.items.items():
        service, _, rest = key.removeprefix(PREFIX).partition("/")
        kept = found.setdefault(int(service), Kept())
        if rest:
            kept.entries[rest] = item.value
        else:
            kept.about = item.value
    return found
