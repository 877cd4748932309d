"""One injected service: its virtual switch, and what else there is of it as long as it is declared.

What a controller changes is changed in memory at once, and gathered; the services' writer (``services``) makes it
durable, and then tells the nodes. A barrier is answered when that is done and every node that is connected has
answered. What needs the nodes' counts, statistics and the end of flows, waits for them in a task of its own.

    channel --> controllers --> Datapath --> pending --> services --> store; published --> nodes
                    ^                                                                        |
                    +------------- packet-in, flow-removed, port-status, refusals -----------+
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable, Coroutine, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from typing import TYPE_CHECKING, Any

from segue.compile.views import ServiceInfo
from segue.inject import packets, saved
from segue.inject.changes import Changes
from segue.inject.datapath import Datapath
from segue.inject.errors import Refusal
from segue.openflow import protocol as of
from segue.openflow.declare import Message
from segue.openflow.sparing import Sparing
from segue.openflow.switch_side import SwitchSide
from segue.server.service_access import About, Access
from segue.server.service_controllers import Controllers
from segue.server.service_counts import Counts
from segue.server.service_log import Lines
from segue.server.service_packets import Out, Packets
from segue.server.service_pending import DISK, Pending
from segue.server.service_published import NO_FLOW, OfOne, Published
from segue.server.service_scope import limits_of, scope_of
from segue.server.service_time import Time

if TYPE_CHECKING:
    from segue.server.services import Services

log = logging.getLogger(__name__)


class Room:
    def __init__(self, services: Services, info: ServiceInfo, about: About) -> None:
        self._services = services
        self.info = info
        self.about = about
        self.access = Access(self, services)
        self.datapath = Datapath(scope_of(info, about), services.numbers)
        self.counts = Counts(lambda what, args: services.ask(info.key, what, args))
        self.lines = Lines(info.name)
        self.controllers = Controllers(self, services)
        self.packets = Packets(self, services)
        self.pending = Pending(self, services)
        self.published = Published(self)
        self._time = Time(self)
        self.refused: dict[tuple[str, str], str] = {}
        """By node and group or meter, by the service's own number: why the node's switch will not take it now."""
        self.lost = 0
        """Packet-ins that were left out because they came too fast, or were not read."""
        self.watchers: set[Callable[[of.PacketIn | None], None]] = set()
        """Each gets the packets for its controllers, and None at the end."""
        self.closed = False
        self._tasks: set[asyncio.Task[None]] = set()
        self._failed = Sparing(log)

    @property
    def key(self) -> int:
        return self.info.key

    @property
    def name(self) -> str:
        return self.info.name

    @property
    def side(self) -> SwitchSide:
        """Its end of the connections that there are."""
        return self.controllers.side

    # -- its life ----------------------------------------------------------------------------------------------------

    def load(self, entries: Mapping[str, bytes]) -> None:
        """What the store has of it: its flows, groups and meters."""
        changes = saved.load(self.datapath, entries)
        self.published.publish(changes)
        self._time.anew()
        for kind, found in (("group", changes.groups), ("meter", changes.meters)):
            for number, entry in found.items():
                if entry is not None:
                    text = "service %s: the switches' number of its %s %d was another's; it has a new one"
                    log.warning(text, self.name, kind, number)
        # What is not permitted any more goes from the store as well.
        self.gather(Changes(flows=changes.flows, groups=changes.groups, meters=changes.meters))

    def changed(self, info: ServiceInfo) -> OfOne:
        """What is declared, or where its elements are, is another. The answer is what nodes can be told at once: rules
        of what is durable, and that is not being changed."""
        before, limits_before = self.datapath.scope, limits_of(self.info, self.about)
        numbers = dict(self.about.numbers)
        self.info = info
        scope = scope_of(info, self.about)
        changes = self.datapath.rescope(scope)
        at_once: OfOne = {}
        if self.pending.settled and not (changes.flows or changes.groups or changes.meters):
            at_once = self.published.publish(changes)
        else:
            self.gather(changes, ends=True)
        if numbers != self.about.numbers:
            self._services.save(self)
        if limits_of(info, self.about) != limits_before:
            self._services.schedule(self)
        self.controllers.ports(before, scope)
        return at_once

    def close(self) -> None:
        """For good: the service is gone, or the server ends."""
        self.closed = True
        self.pending.close()
        self._time.close()
        for task in self._tasks:
            task.cancel()
        self.access.close()
        self.end_streams()

    def end_streams(self) -> None:
        """Whoever watches its packets hears that there are no more."""
        for watcher in tuple(self.watchers):
            watcher(None)

    # -- whoever asks over HTTP --------------------------------------------------------------------------------------

    def turn(self) -> AbstractAsyncContextManager[None]:
        """The service's, for what takes its time and is said by no channel."""
        return self._services.turns.turn(self.key)

    def replace(self, table: int, mods: Sequence[of.FlowMod], version: int) -> int:
        """Has a table hold these flows, and no others. The answer is the number from which on they are new. Raises
        Refusal."""
        self._services.check_writable()
        new = self.datapath.following
        self.gather(self.datapath.replace(table, mods, version, time.time()))
        return new

    def carry_out(self, messages: Sequence[tuple[Message, int]]) -> None:
        """Messages, each of its version: all of them or none. Packets go last: what is among them in whatever place is
        on the disk before. Raises Refusal."""
        self._services.check_writable()
        out: list[Out] = []
        with self.datapath.transaction() as changes:
            for number, (msg, version) in enumerate(messages):
                try:
                    if not isinstance(msg, of.PacketOut):
                        self.datapath.apply(msg, version, time.time())
                    elif sent := packets.packet_out(self.datapath.scope, msg, version):
                        out.append(sent)
                except Refusal as refusal:
                    raise refusal.of("messages", number) from None
            self.packets.check(out)
        self.gather(changes)
        self.packets.send(out)

    def send(self, msg: of.PacketOut, version: int) -> None:
        """One packet, behind what has been said by now. Raises Refusal."""
        sent = packets.packet_out(self.datapath.scope, msg, version)
        out = [sent] if sent else []
        self.packets.check(out)
        self.packets.send(out)

    # -- changes -----------------------------------------------------------------------------------------------------

    @property
    def sequence(self) -> int:
        """Of its last change; what is waited for."""
        return self.pending.sequence

    def gather(self, changes: Changes, *, ends: bool = False) -> None:
        """``ends``: what is gone goes from nodes even if that cannot be written."""
        if not changes and not changes.removed:
            return
        self.pending.add(changes)
        for number, flow in changes.flows.items():
            if flow is None:
                self.controllers.take(number)
        self.published.note(changes, ends=ends)
        self._time.take(changes)
        self._services.schedule(self)

    async def in_store(self, sequence: int) -> None:
        """All changes up to ``sequence`` are durable. Raises Gone."""
        await self.pending.in_store(sequence)

    async def durable(self, sequence: int, within: float = DISK) -> None:
        """The same for who cannot wait without end. Raises Unwritable where it is not on the disk yet, Gone."""
        await self.pending.durable(sequence, within)

    async def in_force(self, sequence: int) -> None:
        """Every node that is connected, and has elements of the service, has answered them too. Raises Gone."""
        await self.pending.in_force(sequence)

    def wrote(self, sequence: int, changes: Changes, revision: int) -> None:
        """``changes``, the last of them ``sequence``, are durable, and nodes were told by ``revision``."""
        self.pending.wrote(sequence, revision)
        self.controllers.release()
        self.controllers.ended(changes.removed)

    def refuse(self, node: str, kind: str, number: int, reason: str) -> str:
        """The switch of ``node`` will not take a rule, by the number of its flow, a group or a meter, by the switches'
        number: the service is told, and the rule goes. The answer is what stays, as ``refused`` has it; else empty."""
        if kind != "flow" or number == NO_FLOW:
            entries = self.datapath.groups if kind == "group" else self.datapath.meters
            own = next((own for own, entry in entries.items() if entry.switch == number), None)
            own_meters = {("meter", self.about.meter): "packet-ins", ("flow", NO_FLOW): "copies by groups"}
            limited = own_meters.get((kind, number), "copies")
            what = f"{kind} {own}" if own is not None else f"the meter of its {limited}"
            if self.refused.get((node, what)) != reason:
                self.lines.warn(None, f"the switch of node {node} refuses {what}: {reason}")
                self.refused[node, what] = reason
            return what
        flow = self.datapath.flows.by_number.get(number)
        if flow is None:
            return ""
        self.lines.warn(None, f"the switch of node {node} refuses a flow of table {flow.table}: {reason}")
        asked = self.controllers.take(number)
        self.gather(self.datapath.remove([number], of.FlowRemovedReason.DELETE))
        self.controllers.refused(asked)
        return ""

    # -- tasks -------------------------------------------------------------------------------------------------------

    def spawn(self, work: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._done)
        return task

    def _done(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        if not task.cancelled() and (error := task.exception()) is not None and not isinstance(error, ConnectionError):
            self._failed(self.name, logging.ERROR, "service %s", self.name, exc_info=error)
