"""The controllers that are connected to one injected service: what they say, and what they are told.

Whatever needs no node is answered here, changes in memory alone; barriers and counts are answered later (``answers``).
While too much waits nothing more is read from who sends it.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Iterable
from typing import TYPE_CHECKING

from segue.inject import ports, replies
from segue.inject.changes import Changes, Removed
from segue.inject.errors import Refusal
from segue.inject.scope import Scope
from segue.openflow import protocol as of
from segue.openflow.bundle_state import BundleError, Committed
from segue.openflow.channel import Channel
from segue.openflow.connection import Event, Garbled, Received, Refused
from segue.openflow.protocol.errors import error_message
from segue.openflow.sparing import Sparing
from segue.openflow.switch_side import SwitchSide
from segue.server.service_access import ENDED
from segue.server.service_answers import Answers

if TYPE_CHECKING:
    from segue.server.service_room import Room
    from segue.server.services import Services

log = logging.getLogger(__name__)

GONE = "the connection has ended before this was carried out, which it is not"
MOST_GATHERED = 5_000
"""Changes that wait to be written; while there are more, nothing more is read from the controller."""


class Controllers:
    def __init__(self, room: Room, services: Services) -> None:
        self._room = room
        self._services = services
        self.side = SwitchSide(self._serve, carry_out=self._carry_out)
        self.answers = Answers(room)
        self._news = Sparing(log)
        self._held: set[Channel] = set()
        self._xids: dict[int, tuple[Channel, int]] = {}
        """By flow that nodes may refuse yet: who asked for it."""

    # -- who they are ------------------------------------------------------------------------------------------------

    def attach(self, channel: Channel) -> None:
        """A controller has connected."""
        who = self._room.name, channel.peer
        self._news(f"service {self._room.name}", logging.INFO, "service %s: controller %s connected", *who)
        before = channel.on_close

        def closed(reason: str) -> None:
            self._left(channel)
            if before is not None:
                before(reason)

        channel.on_close = closed
        self.side.attach(channel)
        self._services.turns.attach(self._room.key, channel)

    def _left(self, channel: Channel) -> None:
        self._held.discard(channel)
        self._services.turns.release(channel, self)
        self._xids = {number: one for number, one in self._xids.items() if one[0] is not channel}
        self.answers.gone(channel)

    def put_out(self) -> None:
        """Ends all connections; what has come by them and was not read yet is not taken."""
        for channel in self.side.channels:
            channel.close(ENDED)

    # -- what they say -----------------------------------------------------------------------------------------------

    def _serve(self, channel: Channel, event: Event) -> None:
        if isinstance(event, Garbled):
            self._room.lines.warn(channel, f"a message that cannot be read: {event.reason}")
        elif isinstance(event, Received):
            try:
                self._received(channel, event)
            except Refusal as refusal:
                self._room.lines.warn(channel, str(refusal))
                channel.refuse(event, refusal.error)
        elif isinstance(event, Refused):
            self._room.lines.warn(channel, f"refuses what it was told: {event}")

    def _received(self, channel: Channel, event: Received) -> None:
        """Raises Refusal."""
        msg, datapath = event.message, self._room.datapath
        self._check_token(channel)
        if isinstance(msg, (of.FlowMod, of.GroupMod, of.MeterMod, of.TableMod, of.PortMod)):
            self._services.check_writable()
            self._changed(channel, event, datapath.apply(msg, channel.version, time.time()))
        elif isinstance(msg, of.PacketOut):
            self._room.send(msg, channel.version)
        elif isinstance(msg, of.BarrierRequest):
            self.answers.barrier(channel, event.xid)
            self._hold(channel)
        elif isinstance(msg, of.SetConfig):
            self.answers.miss = msg.miss_send_len
        elif replies.needs_counts(msg):
            self.answers.count(channel, event)
        else:
            for reply in replies.answer(datapath, msg, channel.version, self.answers.miss):
                channel.send(reply, event.xid)

    def _check_token(self, channel: Channel) -> None:
        """What was read before the token ended, or the connection, and waited since, is not done. Raises Refusal."""
        if not self._room.access.holds():
            raise Refusal("OFPBRC_EPERM", ENDED)
        if channel.lost is not None:
            raise Refusal("OFPBRC_EPERM", GONE)

    def _changed(self, channel: Channel, event: Received, changes: Changes) -> None:
        self._xids.update({number: (channel, event.xid) for number, flow in changes.flows.items() if flow is not None})
        self._room.gather(changes)
        self._hold(channel)

    def _carry_out(self, channel: Channel, committed: Committed) -> None:
        """A bundle. Raises BundleError."""
        try:
            self._check_token(channel)
            self._room.carry_out([(msg, channel.version) for msg, _ in committed.messages])
        except Refusal as refusal:
            self._room.lines.warn(channel, f"in a bundle: {refusal}")
            if refusal.index is not None:
                channel.refuse(Received(*committed.messages[refusal.index]), refusal.error)
            raise BundleError(refusal.text, "OFPBFC_MSG_FAILED") from None

    def _hold(self, channel: Channel) -> None:
        """Reads no more while too much waits."""
        full = len(self._room.pending.gathered.flows) > MOST_GATHERED or self.answers.full
        if full and channel not in self._held:
            self._held.add(channel)
            self._services.turns.hold(channel, self)

    def release(self) -> None:
        """Reads on, if there is room again."""
        slack = len(self._room.pending.gathered.flows) <= MOST_GATHERED // 2 and self.answers.slack
        if self._held and slack:
            for channel in self._held:
                self._services.turns.release(channel, self)
            self._held.clear()

    # -- what they are told ------------------------------------------------------------------------------------------

    def ports(self, before: Scope, now: Scope) -> None:
        """The service's ports are others than they were ``before``."""
        for channel in self.side.channels:
            for status in ports.status(before, now, channel.version):
                if channel in self.side.due(status):
                    channel.send(status, 0)

    def ended(self, removed: Iterable[Removed]) -> None:
        """Flows have ended: whoever is to hear of it does."""
        now = time.time()
        for one in removed:
            counts = self._room.pending.counted(one.flow.number)
            for channel in self.side.channels:
                message = replies.flow_removed(one, channel.version, counts, now)
                if message is not None and channel in self.side.due(message):
                    channel.send(message, 0)

    def refused(self, asked: tuple[Channel, int] | None) -> None:
        """Nodes would not take a flow; ``asked``: as ``take`` has it."""
        for channel in self.side.channels:
            xid = asked[1] if asked is not None and asked[0] is channel else 0
            channel.send(error_message(channel.version, "OFPFMFC_UNKNOWN"), xid)

    def take(self, number: int) -> tuple[Channel, int] | None:
        """Who asked for a flow, by which message; forgotten then."""
        return self._xids.pop(number, None)
