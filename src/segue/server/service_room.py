"""One injected service: its virtual switch, and the controllers that are connected to it.

What a controller changes is changed in memory at once, and gathered; the services' writer (``services``) makes it
durable, and then tells the nodes. A barrier is answered when that is done and every node that is connected has
answered. What needs the nodes' counts, statistics and the end of flows, waits for them in a task of its own.

What ends for good, because its token is revoked, its time is over, or it is not permitted any more, is taken from nodes
even while it cannot be written (``sweep``), and what is being written then does not bring it there again. What a
controller removes waits: in its place it may have put something else, and both are in force together or neither is.

    channel --> SwitchSide --> serve --> Datapath --> gathered --> services --> store, nodes
                    ^                                                             |
                    +--- packet-in, flow-removed, port-status, refusals ----------+
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import time
from collections.abc import Callable, Coroutine, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from typing import TYPE_CHECKING, Any

import msgspec

from segue.compile.views import ServiceInfo
from segue.inject import packets, ports, replies, saved
from segue.inject.changes import Changes, Removed
from segue.inject.datapath import Datapath
from segue.inject.errors import Refusal
from segue.inject.scope import Element, Scope
from segue.model.hooks import HOOKS
from segue.model.program import Band, Meter
from segue.model.stages import ROUTER_ELEMENT
from segue.model.view import AnyRecord, FlowRecord, GroupRecord, MeterRecord
from segue.openflow import protocol as of
from segue.openflow.bundle_state import BundleError, Committed
from segue.openflow.channel import Channel
from segue.openflow.connection import Event, Garbled, Received, Refused
from segue.openflow.declare import Message
from segue.openflow.protocol.errors import error_message
from segue.openflow.switch_side import SwitchSide
from segue.server.service_access import ENDED, About, Access
from segue.server.service_answers import Answers
from segue.server.service_counts import Counts
from segue.server.service_packets import Packets
from segue.server.service_time import Time

if TYPE_CHECKING:
    from segue.server.services import Services

log = logging.getLogger(__name__)

MOST_GATHERED = 5_000
"""Changes that wait to be written; while there are more, nothing more is read from the controller."""
LOOK = 0.2
"""Seconds between two looks whether the store can be written."""
DISK = 10.0
"""Seconds in which the disk is to have what was changed, for who waits for an answer."""
LINES = 5.0
"""Lines of the log a second about what a service is refused."""


class Gone(ConnectionError):
    """The service was deleted while somebody waited for it."""


class Room:
    def __init__(self, services: Services, info: ServiceInfo, about: About) -> None:
        self._services = services
        self.info = info
        self.about = about
        self.access = Access(self, services)
        self.datapath = Datapath(self._scope(), services.numbers)
        self.side = SwitchSide(self._serve, carry_out=self._carry_out)
        self.gathered = Changes()
        self.revision = 0
        """By which the nodes were told of its last change."""
        self.sequence = 0
        """Of its changes; ``written`` is the last one that is durable and told."""
        self.written = 0
        self.counts = Counts(lambda what, args: services.ask(info.key, what, args))
        self.published: dict[str, AnyRecord] = {}
        """What every node with elements of it is to hold besides, by record key; all of it is durable."""
        self.refused: dict[tuple[str, str], str] = {}
        """By node and group or meter, by the service's own number: why the node's switch will not take it now."""
        self.lost = 0
        """Packet-ins that were left out because they came too fast, or were not read."""
        self.last_counts: dict[int, tuple[int, int]] | None = None
        """What its flows had counted when the first of those that are gathered was to end; None: nobody asked."""
        self.watchers: set[Callable[[of.PacketIn | None], None]] = set()
        """Each gets the packets for its controllers, and None at the end."""
        self.packets = Packets(self, services)
        self.answers = Answers(self)
        self._time = Time(self)
        self._ended: set[str] = set()
        """What nodes must not have any more, by record key, and the store may have yet."""
        self._moved = asyncio.Event()
        self.closed = False
        self._tasks: set[asyncio.Task[None]] = set()
        self._asking_last: asyncio.Task[None] | None = None
        self._taken_counts: dict[int, tuple[int, int]] = {}
        """``last_counts`` as they were for what is being written."""
        self._xids: dict[int, tuple[Channel, int]] = {}
        self._held: set[Channel] = set()
        self._lines, self._since, self._left_out = LINES, 0.0, 0

    # -- what it is --------------------------------------------------------------------------------------------------

    @property
    def key(self) -> int:
        return self.info.key

    @property
    def name(self) -> str:
        return self.info.name

    def _scope(self) -> Scope:
        declared = self.info.declared
        wanted = {(one.key | ROUTER_ELEMENT if one.kind == "router" else one.key): one for one in self.info.elements}
        self.about.numbers = ports.number(self.about.numbers, wanted)
        elements = {}
        for register, one in wanted.items():
            number = self.about.numbers.get(register)
            if number is not None:
                up = one.kind == "router" or bool(one.node)
                elements[number] = Element(number, one.kind, one.name, one.key, one.mac, one.node, up, one.network)
        permissions = declared.permissions
        if not self.about.meter:  # packets to the controller without a limit would be at the cost of all others
            permissions = msgspec.structs.replace(permissions, packet_in=False)
        gone = frozenset(number for register, number in self.about.numbers.items() if register not in wanted)
        return Scope(
            declared.name,
            self.info.key,
            HOOKS[declared.hook],
            permissions,
            elements,
            declared.flows,
            self.about.meter if declared.permissions.packet_in else 0,
            gone,
        )

    def changed(self, info: ServiceInfo) -> dict[str, AnyRecord | None]:
        """What is declared, or where its elements are, is another. The answer is what nodes can be told at once: rules
        of what is durable, and that is not being changed."""
        before = self.datapath.scope
        meter_before = self.meter
        numbers = dict(self.about.numbers)
        self.info = info
        scope = self._scope()
        changes = self.datapath.rescope(scope)
        at_once: dict[str, AnyRecord | None] = {}
        if self.written == self.sequence and not (changes.flows or changes.groups or changes.meters):
            at_once = self.publish(changes)
        else:
            self.gather(changes, ends=True)
        if numbers != self.about.numbers:
            self._services.save(self)
        if self.meter != meter_before:
            self._services.schedule(self)
        for channel in self.side.channels:
            for status in ports.status(before, scope, channel.version):
                if channel in self.side.due(status):
                    channel.send(status, 0)
        return at_once

    @property
    def meter(self) -> Meter | None:
        """Of what goes to its controller."""
        declared = self.info.declared
        if not self.about.meter or not declared.permissions.packet_in:
            return None
        rate = max(1, declared.packet_ins)
        return Meter(self.about.meter, True, (Band(rate, max(10, rate // 10)),), f"service/{self.name}")

    def load(self, entries: Mapping[str, bytes]) -> None:
        """What the store has of it: its flows, groups and meters."""
        changes = saved.load(self.datapath, entries)
        self.publish(changes)
        self._time.anew()
        for kind, found in (("group", changes.groups), ("meter", changes.meters)):
            for number, entry in found.items():
                if entry is not None:
                    text = "service %s: the switches' number of its %s %d was another's; it has a new one"
                    log.warning(text, self.name, kind, number)
        # What is not permitted any more goes from the store as well.
        self.gather(Changes(flows=changes.flows, groups=changes.groups, meters=changes.meters))

    def publish(self, changes: Changes) -> dict[str, AnyRecord | None]:
        """What nodes are to be told now that ``changes`` are durable, by record key."""
        ours = self._records(changes)
        for key in ours.keys() & self._ended:
            if ours[key] is None:
                self._ended.discard(key)
            else:
                del ours[key]  # it has ended since
        if self.about.meter:
            key, own = f"meter/{self.about.meter}", self.meter
            limit = None if own is None else MeterRecord(own)
            if self.published.get(key) != limit:
                ours[key] = limit
        self._keep(ours)
        return ours

    def sweep(self) -> dict[str, AnyRecord | None]:
        """What nodes are to be told while nothing can be written: what has ended, and whose end is counted."""
        if not self._ended or not self.counted_last():
            return {}
        ours: dict[str, AnyRecord | None] = {key: None for key in self._ended if key in self.published}
        self._keep(ours)
        return ours

    def _records(self, changes: Changes) -> dict[str, AnyRecord | None]:
        ours: dict[str, AnyRecord | None] = {}
        for number, rule in changes.rules.items():
            ours[f"flow/{self.key}/{number}"] = None if rule is None else FlowRecord(rule)
        for number, group in changes.switch_groups.items():
            ours[f"group/{number}"] = None if group is None else GroupRecord(group)
        for number, meter in changes.switch_meters.items():
            ours[f"meter/{number}"] = None if meter is None else MeterRecord(meter)
        return ours

    def _keep(self, ours: Mapping[str, AnyRecord | None]) -> None:
        for key, record in ours.items():
            if record is None:
                self.published.pop(key, None)
            else:
                self.published[key] = record

    # -- its controllers -------------------------------------------------------------------------------------------

    def close(self) -> None:
        """For good: the service is gone, or the server ends."""
        self.closed = True
        self._moved.set()
        self._time.close()
        for task in self._tasks:
            task.cancel()
        self.access.close()
        self.end_streams()

    def end_streams(self) -> None:
        """Whoever watches its packets hears that there are no more."""
        for watcher in tuple(self.watchers):
            watcher(None)

    def attach(self, channel: Channel) -> None:
        """A controller has connected."""
        log.info("service %s: controller %s connected", self.name, channel.peer)
        before = channel.on_close

        def closed(reason: str) -> None:
            self._left(channel)
            if before is not None:
                before(reason)

        channel.on_close = closed
        self.side.attach(channel)
        self._services.turns.attach(self.key, channel)

    def _left(self, channel: Channel) -> None:
        self._held.discard(channel)
        self._services.turns.release(channel, self)
        self._xids = {number: one for number, one in self._xids.items() if one[0] is not channel}
        self.answers.gone(channel)

    def turn(self) -> AbstractAsyncContextManager[None]:
        """The service's, for what takes its time and is said by no channel."""
        return self._services.turns.turn(self.key)

    def put_out(self) -> None:
        """Ends all connections; what has come by them and was not read yet is not taken."""
        for channel in self.side.channels:
            channel.close(ENDED)

    # -- what they say ---------------------------------------------------------------------------------------------

    def _serve(self, channel: Channel, event: Event) -> None:
        if isinstance(event, Garbled):
            self._log(channel, f"a message that cannot be read: {event.reason}")
        elif isinstance(event, Received):
            try:
                self._received(channel, event)
            except Refusal as refusal:
                self._log(channel, str(refusal))
                channel.refuse(event, refusal.error)
        elif isinstance(event, Refused):
            self._log(channel, f"refuses what it was told: {event}")

    def _received(self, channel: Channel, event: Received) -> None:
        """Raises Refusal."""
        msg = event.message
        self._check_token(channel)
        if isinstance(msg, (of.FlowMod, of.GroupMod, of.MeterMod, of.TableMod, of.PortMod)):
            self._services.check_writable()
            self._changed(channel, event, self.datapath.apply(msg, channel.version, time.time()))
        elif isinstance(msg, of.PacketOut):
            self.packets.send(msg, channel.version)
        elif isinstance(msg, of.BarrierRequest):
            self.answers.barrier(channel, event.xid)
            self._hold(channel)
        elif isinstance(msg, of.SetConfig):
            self.answers.miss = msg.miss_send_len
        elif replies.needs_counts(msg):
            self.answers.count(channel, event)
        else:
            for reply in replies.answer(self.datapath, msg, channel.version, self.answers.miss):
                channel.send(reply, event.xid)

    def _check_token(self, channel: Channel) -> None:
        """What was read before the token ended, and waited since, is not done. Raises Refusal."""
        if channel.lost is not None or not self.access.holds():
            raise Refusal("OFPBRC_EPERM", ENDED)

    def _hold(self, channel: Channel) -> None:
        """Reads no more while too much waits."""
        if (len(self.gathered.flows) > MOST_GATHERED or self.answers.full) and channel not in self._held:
            self._held.add(channel)
            self._services.turns.hold(channel, self)

    def release(self) -> None:
        """Reads on, if there is room again."""
        if self._held and len(self.gathered.flows) <= MOST_GATHERED // 2 and self.answers.slack:
            for channel in self._held:
                self._services.turns.release(channel, self)
            self._held.clear()

    def _changed(self, channel: Channel, event: Received, changes: Changes) -> None:
        self._xids.update({number: (channel, event.xid) for number, flow in changes.flows.items() if flow is not None})
        self.gather(changes)
        self._hold(channel)

    def _carry_out(self, channel: Channel, committed: Committed) -> None:
        """A bundle. Raises BundleError."""
        out: list[of.PacketOut] = []
        try:
            self._check_token(channel)
            self._services.check_writable()
            with self.datapath.transaction() as changes:
                for msg, xid in committed.messages:
                    if isinstance(msg, of.PacketOut):
                        out.append(msg)
                    else:
                        try:
                            self.datapath.apply(msg, channel.version, time.time())
                        except Refusal as refusal:
                            self._log(channel, f"in a bundle: {refusal}")
                            channel.refuse(Received(msg, xid), refusal.error)
                            raise
        except Refusal as refusal:
            raise BundleError(refusal.text, "OFPBFC_MSG_FAILED") from None
        self.gather(changes)
        for msg in out:
            self.packets.send(msg, channel.version)

    # -- the same over HTTP ----------------------------------------------------------------------------------------

    def replace(self, table: int, mods: Sequence[of.FlowMod], version: int) -> None:
        """Has a table hold these flows, and no others. Raises Refusal."""
        self._services.check_writable()
        self.gather(self.datapath.replace(table, mods, version, time.time()))

    def carry_out(self, messages: Sequence[tuple[Message, int]]) -> None:
        """Messages, each of its version: all of them or none. Raises Refusal."""
        self._services.check_writable()
        out: list[tuple[of.PacketOut, int]] = []
        with self.datapath.transaction() as changes:
            for number, (msg, version) in enumerate(messages):
                try:
                    if isinstance(msg, of.PacketOut):
                        packets.packet_out(self.datapath.scope, msg, version)  # refused before anything is done
                        out.append((msg, version))
                    else:
                        self.datapath.apply(msg, version, time.time())
                except Refusal as refusal:
                    raise Refusal(refusal.error, f"messages[{number}]: {refusal.text}") from None
        self.gather(changes)
        for msg, version in out:
            self.packets.send(msg, version)

    # -- changes ---------------------------------------------------------------------------------------------------

    def gather(self, changes: Changes, *, ends: bool = False) -> None:
        """``ends``: what is gone goes from nodes even if that cannot be written."""
        if not changes and not changes.removed:
            return
        self.sequence += 1
        self.gathered.update(changes)
        for number, flow in changes.flows.items():
            if flow is None:
                self._xids.pop(number, None)
        for key, record in self._records(changes).items():
            if record is not None:
                self._ended.discard(key)
            elif ends:
                self._ended.add(key)
        self._time.take(changes)
        self._services.schedule(self)

    def take(self) -> tuple[int, Changes]:
        """What is to be written now."""
        taken, self.gathered = self.gathered, Changes()
        self._taken_counts, self.last_counts = self.last_counts or {}, None
        return self.sequence, taken

    def counted_last(self) -> bool:
        """Whether it is known what flows have counted that are about to end, and whose end somebody is to hear of. If
        not, it is asked for: nodes know it only while they have them."""
        if not (self.gathered.removed or self.gathered.reset) or self.last_counts is not None:
            return True
        if self._asking_last is None:
            self._asking_last = self.spawn(self._count_last())
        return False

    async def _count_last(self) -> None:
        counts: dict[int, tuple[int, int]] = {}
        try:
            counts = (await self.counts.flows()).counts
            self.counts.anew(self.gathered.reset)
        finally:  # whatever nodes answer, what was changed is written
            self.last_counts, self._asking_last = counts, None
            if not self.closed:
                self._services.schedule(self)

    def wrote(self, sequence: int, revision: int) -> None:
        """All changes up to ``sequence`` are durable, and nodes were told by ``revision``."""
        self.written = max(self.written, sequence)
        self.revision = max(self.revision, revision)
        self._moved.set()
        self._moved = asyncio.Event()
        self.release()

    async def in_store(self, sequence: int) -> None:
        """Raises Gone."""
        while self.written < sequence:
            self._check_there()
            await self._moved.wait()

    async def durable(self, sequence: int, within: float = DISK) -> None:
        """The same for who cannot wait without end. Raises Unwritable where it is not on the disk yet, Gone."""
        end = time.monotonic() + within
        while self.written < sequence:
            self._check_there()
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._moved.wait(), min(LOOK, max(0.0, end - time.monotonic())))
            if self.written < sequence:
                self._services.check_writable()
                if time.monotonic() >= end:
                    self._services.too_slow(within)

    def _check_there(self) -> None:
        if self.closed:
            raise Gone(f"service {self.name!r} was deleted, or the server ends")

    async def in_force(self, sequence: int) -> None:
        """Every node that is connected, and has elements of the service, holds all changes up to ``sequence``. Raises
        Gone."""
        await self.in_store(sequence)
        await self._services.acknowledged(self.key, self.revision)

    def gone(self, removed: list[Removed]) -> None:
        """Flows have ended: whoever is to hear of it does."""
        now = time.time()
        for one in removed:
            counts = self._taken_counts.get(one.flow.number, (0, 0))
            for channel in self.side.channels:
                message = replies.flow_removed(one, channel.version, counts, now)
                if message is not None and channel in self.side.due(message):
                    channel.send(message, 0)

    def refuse(self, node: str, kind: str, number: int, reason: str) -> None:
        """The switch of ``node`` will not take a rule, by the number of its flow, a group or a meter, by the switches'
        number: the service is told, and the rule goes."""
        if kind != "flow":
            entries = self.datapath.groups if kind == "group" else self.datapath.meters
            own = next((own for own, entry in entries.items() if entry.switch == number), None)
            what = f"{kind} {own}" if own is not None else "the meter of its packet-ins"
            if self.refused.get((node, what)) != reason:
                self._log(None, f"the switch of node {node} refuses {what}: {reason}")
                self.refused[node, what] = reason
            return
        flow = self.datapath.flows.by_number.get(number)
        if flow is None:
            return
        self._log(None, f"the switch of node {node} refuses a flow of table {flow.table}: {reason}")
        channel, xid = self._xids.pop(number, (None, 0))
        self.gather(self.datapath.remove([number], of.FlowRemovedReason.DELETE))
        for told in self.side.channels:
            told.send(error_message(told.version, "OFPFMFC_UNKNOWN"), xid if told is channel else 0)

    # -- tasks -----------------------------------------------------------------------------------------------------

    def spawn(self, work: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._done)
        return task

    def _done(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        if not task.cancelled() and (error := task.exception()) is not None and not isinstance(error, ConnectionError):
            log.error("service %s", self.name, exc_info=error)

    def _log(self, channel: Channel | None, what: str) -> None:
        """Who and what; a few lines a second."""
        now = time.monotonic()
        self._lines = min(LINES, self._lines + (now - self._since) * LINES)
        self._since = now
        if self._lines < 1:
            self._left_out += 1
            return
        self._lines -= 1
        more = f" ({self._left_out} like it were not logged)" if self._left_out else ""
        self._left_out = 0
        log.warning("service %s, %s: %s%s", self.name, channel.peer if channel else "nodes", what, more)
