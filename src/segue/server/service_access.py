"""Who may program a service's virtual switch: its token, and the controller that its holder has registered."""

from __future__ import annotations

import asyncio
import logging
import secrets
import time
from typing import TYPE_CHECKING

import msgspec

from segue.inject import token
from segue.inject.token import Kept
from segue.openflow.channel import Channel
from segue.server.service_doors import Controller, Door

if TYPE_CHECKING:
    from segue.server.service_room import Room
    from segue.server.services import Services

log = logging.getLogger(__name__)

ENDED = "the service's token no longer holds"
LONGEST = 86_400.0
"""Seconds that a timer runs at most; then it is wound again."""


class About(msgspec.Struct, omit_defaults=True):
    """What the store keeps of a service beside what is declared and its flows. ``numbers``: of its virtual ports, by
    the register of the element; ``meter``: the switches' meter for its packet-ins, ``copy_meter``: that for its
    copies."""

    name: str
    numbers: dict[int, int] = {}
    meter: int = 0
    copy_meter: int = 0
    token: Kept | None = None
    controller: Controller | None = None


class Access:
    """Of one service. A token that expires puts its holder out, and what was set up stays; one that is revoked takes
    all of it along."""

    def __init__(self, room: Room, services: Services) -> None:
        self._room = room
        self._services = services
        self._expires: asyncio.TimerHandle | None = None
        self.door: Door | None = None

    @property
    def kept(self) -> Kept | None:
        return self._room.about.token

    def wrong(self, text: str) -> str:
        """Why ``text`` is not the service's token; empty where it is."""
        return token.wrong(self._room.key, self.kept, text, time.time())

    def holds(self) -> bool:
        """Whether there is a token that is good for something."""
        kept = self.kept
        return kept is not None and not kept.revoked and (kept.expires is None or time.time() < kept.expires)

    def renew(self, lasts: float | None) -> str:
        """A new token, shown this once; the one before holds no more, and who came in by it is put out. ``lasts``:
        seconds."""
        secret = secrets.token_bytes(token.SECRET_BYTES)
        text, self._room.about.token = token.mint(self._room.key, self.kept, secret, time.time(), lasts)
        self._services.save(self._room)
        self.open()
        return text

    def revoke(self) -> None:
        """The token holds no more, and all that came by it is gone: flows, groups, meters, the controller."""
        if self.kept is not None:
            self._room.about.token = msgspec.structs.replace(self.kept, revoked=True)
        self._room.about.controller = None
        self._services.save(self._room)
        self.close()
        self._room.packets.forget()
        self._room.gather(self._room.datapath.clear(), ends=True)

    def connect(self, controller: Controller | None) -> None:
        """Its controller is another, or none."""
        self._room.about.controller = controller
        self._services.save(self._room)
        self.open()

    def open(self) -> None:
        """Calls the controller, or waits for it, if there is one, and ends what was before."""
        self.close()
        if self._room.closed:
            return
        controller, kept = self._room.about.controller, self.kept
        if controller is not None and self.holds():
            self.door = door = Door(
                controller,
                lambda channel: self._came(door, channel),
                self._services.tls,
                self._services.reach_of(self._room),
                self._room.name,
            )
            door.open()
        if kept is not None and kept.expires is not None and self.holds():
            delay = min(max(0.0, kept.expires - time.time()), LONGEST)
            self._expires = asyncio.get_running_loop().call_later(delay, self._look)

    def close(self) -> None:
        """Ends all connections."""
        if self.door is not None:
            self.door.close()
            self.door = None
        if self._expires is not None:
            self._expires.cancel()
            self._expires = None
        self._room.controllers.put_out()

    def _came(self, door: Door, channel: Channel) -> None:
        """Who had been let in and has said hello only now comes by a door that may be closed."""
        if self.door is door and self.holds():
            self._room.controllers.attach(channel)
        else:
            channel.close(ENDED)

    def _look(self) -> None:
        if not self.holds():
            log.warning(
                "service %s: its token has expired; its flows stay, and nobody can change them until it has a new one",
                self._room.name,
            )
            self.close()
        else:
            self.open()
