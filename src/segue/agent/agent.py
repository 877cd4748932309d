"""The agent's parts, wired.

server --Sync--> keeper <--bindings, tunnels-- OVSDB
   ^               |
   +---Applied-----+--bundles--> OpenFlow
   |
   +---Punted, Send--- punts --> OpenFlow, by a connection of its own
"""

from __future__ import annotations

import asyncio
import logging
import ssl
from collections.abc import Callable
from pathlib import Path

from segue.agent.keeper import Keeper
from segue.agent.peers import Peers
from segue.agent.punts import Punts
from segue.agent.queries import Queries
from segue.agent.server_link import ServerLink
from segue.agent.switch_link import SwitchLink
from segue.model.protocol import Applied, FromAgent, Seen, Sync
from segue.model.view import PeerRecord

log = logging.getLogger(__name__)


class Agent:
    """``url`` of the server; the node's ``name``; ``bridge`` in the Open vSwitch whose sockets are in ``rundir``.

    ``token``, ``tls``: see ServerLink."""

    def __init__(
        self,
        url: str,
        name: str,
        rundir: Path,
        bridge: str,
        token: Callable[[], str] = str,
        tls: ssl.SSLContext | None = None,
    ) -> None:
        self._peers = Peers(rundir)
        self._keeper = Keeper(self._report, self._peers.settled)
        self._switch = SwitchLink(rundir, bridge, self._keeper, self._peers.switch_restarted)
        queries = Queries(self._keeper, rundir, bridge, self._switch)
        self._punts = Punts(rundir, bridge, self._keeper, lambda: self._server.stir(), self._switch.ports)
        self._keeper.stepped = self._punts.stir
        self._server = ServerLink(url, name, self._sync, queries.ask, self._welcome, self._punts, token, tls)

    async def run(self) -> None:
        """Until cancelled, or refused by the server (ServerRefused)."""
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self._keeper.run())
            tasks.create_task(self._switch.run())
            tasks.create_task(self._punts.run())
            tasks.create_task(self._peers.run())
            tasks.create_task(self._seen())
            tasks.create_task(self._server.run())

    def _sync(self, message: Sync) -> None:
        for key, record in message.records.items():
            if key.startswith("peer/"):
                self._peers.set(key.removeprefix("peer/"), record.address if isinstance(record, PeerRecord) else None)
        self._keeper.sync(message)

    def _report(self, message: Applied) -> None:
        self._server.say(message)

    def _welcome(self) -> list[FromAgent]:
        return [Seen(sorted(self._switch.ports))]

    async def _seen(self) -> None:
        while True:
            await self._switch.changed.wait()
            self._switch.changed.clear()
            self._server.say(Seen(sorted(self._switch.ports)))
