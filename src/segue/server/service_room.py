"""One injected service: its virtual switch, and the controllers that are connected to it.

What a controller changes is changed in memory at once, and gathered; the services' writer (``services``) makes it
durable, and then tells the nodes. A barrier is answered when that is done and every node that is connected has
answered. What needs the nodes' counts, statistics and the end of flows, waits for them in a task of its own.

    channel --> SwitchSide --> serve --> Datapath --> gathered --> services --> store, nodes
                    ^                                                             |
                    +--- packet-in, flow-removed, port-status, refusals ----------+
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import math
import time
from collections import deque
from collections.abc import Callable, Coroutine, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import msgspec

from segue.compile.views import ServiceInfo
from segue.inject import expiry, packets, ports, replies, saved
from segue.inject.changes import Changes, Removed
from segue.inject.counts import GroupCount, Known, MeterCount, PortCount
from segue.inject.datapath import Datapath
from segue.inject.errors import Refusal
from segue.inject.scope import Element, Scope
from segue.model.hooks import HOOKS
from segue.model.program import Band, Meter
from segue.model.protocol import Punted
from segue.model.stages import ROUTER_ELEMENT
from segue.model.view import AnyRecord, FlowRecord, GroupRecord, MeterRecord
from segue.openflow import protocol as of
from segue.openflow.bundle_state import BundleError, Committed
from segue.openflow.channel import Channel
from segue.openflow.connection import Event, Garbled, Received, Refused
from segue.openflow.declare import Message
from segue.openflow.protocol.errors import error_message
from segue.openflow.switch_side import SwitchSide
from segue.openflow.wire import V15
from segue.server.service_access import About, Access
from segue.server.service_counts import Counts
from segue.server.service_doors import ended

if TYPE_CHECKING:
    from segue.server.services import Services

log = logging.getLogger(__name__)

MOST_UNSENT = 1 << 20
"""Octets that wait for a controller; while there are more, packet-ins are left out."""
MOST_GATHERED = 5_000
"""Changes that wait to be written; while there are more, nothing more is read from the controller."""
MOST_REQUESTS = 256
"""Requests of a service that wait for nodes; more are refused until some are answered."""
MOST_OUT = 1_024
"""Packets of a service that wait for what was said before them to be durable; more are refused."""
LOOK = 0.2
"""Seconds between two looks whether the store can be written."""
SHORTEST = 0.05
"""Seconds between two looks at what time removes."""
REST = 4.0
"""Nodes that were asked how long flows have been idle are left alone for so many times what that has taken."""
LINES = 5.0
"""Lines of the log a second about what a service is refused."""


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
        self._moved = asyncio.Event()
        self.closed = False
        self._tasks: set[asyncio.Task[None]] = set()
        self._requests: set[asyncio.Task[None]] = set()
        self._out: deque[tuple[int, list[packets.Sending]]] = deque()
        self._sending: asyncio.Task[None] | None = None
        self._asking_last: asyncio.Task[None] | None = None
        self._taken_counts: dict[int, tuple[int, int]] = {}
        """``last_counts`` as they were for what is being written."""
        self._xids: dict[int, tuple[Channel, int]] = {}
        self._held: set[Channel] = set()
        self._miss = 128
        self._expiry = expiry.Expiry(self.datapath)
        self._asked: set[int] = set()
        """Flows that may have been idle for long enough."""
        self._asking: asyncio.Task[None] | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._timer_for = 0.0
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

    def changed(self, info: ServiceInfo) -> None:
        """What is declared, or where its elements are, is another."""
        before = self.datapath.scope
        meter_before = self.meter
        numbers = dict(self.about.numbers)
        self.info = info
        scope = self._scope()
        self.gather(self.datapath.rescope(scope))
        if numbers != self.about.numbers:
            self._services.save(self)
        if self.meter != meter_before:
            self._services.schedule(self)
        for channel in self.side.channels:
            for status in ports.status(before, scope, channel.version):
                if channel in self.side.due(status):
                    channel.send(status, 0)

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
        self._expiry = expiry.Expiry(self.datapath)
        # What is not permitted any more goes from the store as well.
        self.gather(Changes(flows=changes.flows, groups=changes.groups, meters=changes.meters))

    def publish(self, changes: Changes) -> dict[str, AnyRecord | None]:
        """What nodes are to be told now that ``changes`` are durable, by record key."""
        ours: dict[str, AnyRecord | None] = {}
        for number, rule in changes.rules.items():
            ours[f"flow/{self.key}/{number}"] = None if rule is None else FlowRecord(rule)
        for number, group in changes.switch_groups.items():
            ours[f"group/{number}"] = None if group is None else GroupRecord(group)
        for number, meter in changes.switch_meters.items():
            ours[f"meter/{number}"] = None if meter is None else MeterRecord(meter)
        if self.about.meter:
            key, own = f"meter/{self.about.meter}", self.meter
            limit = None if own is None else MeterRecord(own)
            if self.published.get(key) != limit:
                ours[key] = limit
        for key, record in ours.items():
            if record is None:
                self.published.pop(key, None)
            else:
                self.published[key] = record
        return ours

    # -- its controllers -------------------------------------------------------------------------------------------

    def close(self) -> None:
        """For good: the service is gone, or the server ends."""
        self.closed = True
        if self._timer is not None:
            self._timer.cancel()
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
        self.side.attach(channel)

    def put_out(self) -> None:
        """Ends all connections."""
        for channel in self.side.channels:
            self.spawn(ended(channel))

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
        if isinstance(msg, (of.FlowMod, of.GroupMod, of.MeterMod, of.TableMod, of.PortMod)):
            self._services.check_writable()
            self._changed(channel, event, self.datapath.apply(msg, channel.version, time.time()))
        elif isinstance(msg, of.PacketOut):
            self.packet_out(msg, channel.version)
        elif isinstance(msg, of.BarrierRequest):
            self._later(self._barrier(channel, event.xid, self.sequence))
        elif isinstance(msg, of.SetConfig):
            self._miss = msg.miss_send_len
        elif replies.needs_counts(msg):
            self._later(self._counted(channel, event))
        else:
            for reply in replies.answer(self.datapath, msg, channel.version, self._miss):
                channel.send(reply, event.xid)

    def _changed(self, channel: Channel, event: Received, changes: Changes) -> None:
        for number, flow in changes.flows.items():
            if flow is None:
                self._xids.pop(number, None)
            else:
                self._xids[number] = (channel, event.xid)
        self.gather(changes)
        if len(self.gathered.flows) > MOST_GATHERED and channel not in self._held:
            self._held.add(channel)
            channel.hold()

    def _carry_out(self, channel: Channel, committed: Committed) -> None:
        """A bundle. Raises BundleError."""
        out: list[of.PacketOut] = []
        try:
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
            self.packet_out(msg, channel.version)

    def packet_out(self, msg: of.PacketOut, version: int) -> None:
        """Raises Refusal."""
        sent = packets.packet_out(self.datapath.scope, msg, version)
        if not sent:
            return
        if len(self._out) >= MOST_OUT:
            raise Refusal("OFPBRC_EPERM", f"{MOST_OUT} packets of this service wait to be sent already; say them again")
        self._out.append((self.sequence, sent))
        if self._sending is None:
            self._sending = self.spawn(self._send_out())

    async def _send_out(self) -> None:
        """Each behind what was said before it: the packet may meet the flows that came with it."""
        try:
            while self._out:
                await self.in_store(self._out[0][0])
                for node, actions, data in self._out.popleft()[1]:
                    self._services.send(node, actions, data, packets.sender(self.datapath.scope, actions))
        finally:
            self._sending = None

    async def _barrier(self, channel: Channel, xid: int, sequence: int) -> None:
        await self.in_force(sequence)
        channel.send(of.BarrierReply(), xid)

    async def _counted(self, channel: Channel, event: Received) -> None:
        """A request for statistics."""
        await self.in_store(self.sequence)
        known = await self.known(event.message)
        try:
            found = replies.answer(self.datapath, event.message, channel.version, self._miss, known, time.time())
        except Refusal as refusal:
            channel.refuse(event, refusal.error)
            return
        for reply in found:
            channel.send(reply, event.xid)
            await channel.drain()

    async def known(self, request: Message) -> Known:
        """What nodes have counted, as far as the answer tells of it; by the service's own numbers."""
        counts = self.counts
        match request:
            case of.PortStatsRequest():
                by_key = await counts.ports()
                elements = self.datapath.scope.elements.items()
                return Known(
                    ports={n: _port(by_key[e.key]) for n, e in elements if e.kind == "port" and e.key in by_key}
                )
            case of.GroupStatsRequest():
                switch = {entry.switch: number for number, entry in self.datapath.groups.items()}
                groups = await counts.groups(switch)
                return Known(groups={switch[n]: GroupCount(*_parts(one, "buckets")) for n, one in groups.items()})
            case of.MeterStatsRequest():
                switch = {entry.switch: number for number, entry in self.datapath.meters.items()}
                meters = await counts.meters(switch)
                return Known(meters={switch[n]: MeterCount(*_parts(one, "bands")) for n, one in meters.items()})
        return Known(flows=(await counts.flows()).counts)

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
            self.packet_out(msg, version)

    # -- changes ---------------------------------------------------------------------------------------------------

    def gather(self, changes: Changes) -> None:
        if not changes and not changes.removed:
            return
        self.sequence += 1
        self.gathered.update(changes)
        self._expiry.take(changes)
        self._services.schedule(self)
        self._wind()

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
        if len(self.gathered.flows) <= MOST_GATHERED // 2:
            for channel in self._held:
                channel.release()
            self._held.clear()

    async def in_store(self, sequence: int) -> None:
        while self.written < sequence:
            await self._moved.wait()

    async def durable(self, sequence: int) -> None:
        """The same for who cannot wait without end. Raises Unwritable where it is not on the disk yet."""
        while self.written < sequence:
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._moved.wait(), LOOK)
            if self.written < sequence:
                self._services.check_writable()

    async def in_force(self, sequence: int) -> None:
        """Every node that is connected, and has elements of the service, holds all changes up to ``sequence``."""
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

    # -- time ------------------------------------------------------------------------------------------------------

    def _wind(self) -> None:
        """Flows end some time: looks when the next could."""
        when = self._expiry.next
        if self._timer is not None and when is not None and self._timer_for <= when:
            return  # it looks early enough
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        if when is not None:
            self._timer_for = when
            delay = max(SHORTEST, when - time.time())
            self._timer = asyncio.get_running_loop().call_later(delay, self._look)

    def _look(self) -> None:
        self._timer = None
        due = self._expiry.due(time.time())
        self.gather(due.changes)
        self._asked.update(due.ask)
        if self._asked and self._asking is None:
            self._asking = self.spawn(self._idle())
        self._wind()

    async def _idle(self) -> None:
        """Asks the nodes how long flows have been idle. They tell of all flows at once, so the more there are, the more
        are asked about together."""
        try:
            while self._asked:
                asked, self._asked = self._asked, set()
                before, start = time.time(), time.monotonic()
                counts = await self.counts.flows()
                if counts.complete:
                    idle = {number: counts.idle.get(number, math.inf) for number in asked}
                    self.gather(self._expiry.heard(before, idle))
                    self._wind()
                await asyncio.sleep(REST * (time.monotonic() - start))
        finally:
            self._asking = None

    # -- packets ---------------------------------------------------------------------------------------------------

    def punted(self, packet: Punted) -> None:
        """A node has a packet for its controllers."""
        self.lost += packet.lost
        scope = self.datapath.scope
        if not scope.permissions.packet_in:
            return
        for channel in self.side.channels:
            if channel.unsent > MOST_UNSENT:
                self.lost += 1
                continue
            message = packets.packet_in(scope, packet, channel.version)
            if message is not None and channel in self.side.due(message):
                channel.send(message, 0)
        if self.watchers and (message := packets.packet_in(scope, packet, V15)) is not None:
            for watcher in tuple(self.watchers):
                watcher(message)

    # -- tasks -----------------------------------------------------------------------------------------------------

    def _later(self, work: Coroutine[Any, Any, None]) -> None:
        """Raises Refusal where too much waits already."""
        if len(self._requests) >= MOST_REQUESTS:
            work.close()
            raise Refusal("OFPBRC_EPERM", f"{MOST_REQUESTS} requests of this service wait already; wait for answers")
        task = self.spawn(work)
        self._requests.add(task)
        task.add_done_callback(self._requests.discard)

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


def _port(counted: Mapping[str, int]) -> PortCount:
    return PortCount((counted["rx_packets"], counted["rx_bytes"]), (counted["tx_packets"], counted["tx_bytes"]))


def _parts(counted: Mapping[str, Any], parts: str) -> tuple[int, int, tuple[tuple[int, int], ...]]:
    return counted["packets"], counted["bytes"], tuple([(one[0], one[1]) for one in counted[parts]])
