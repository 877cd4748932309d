"""The server's parts, wired."""

from __future__ import annotations

import asyncio
import logging

from segue.openflow.channel import Tls
from segue.server.agents import Agents
from segue.server.conductor import Conductor
from segue.server.counted import Counted
from segue.server.neutron import Neutron
from segue.server.news import News
from segue.server.reach import ANYWHERE, Reach
from segue.server.records import load
from segue.server.service_limits import UNTOLD, ProjectLimits
from segue.server.services import Services
from segue.server.tracing import Tracer
from segue.store.base import Store, StoreError, Transaction

log = logging.getLogger(__name__)

COUNT_EVERY = 10.0
"""Seconds between readings of counters that nobody asked for, so that a switch that begins anew loses little."""


class Service:
    """``tls``: what controllers of injected services are met with by ``ssl``; ``ports``: where those of projects may
    call; ``limits``: what those of projects may ask for; ``reach``: where controllers are called."""

    def __init__(
        self,
        store: Store,
        drain: float,
        tls: Tls = None,
        ports: range = range(0),
        limits: ProjectLimits = UNTOLD,
        reach: Reach = ANYWHERE,
    ) -> None:
        self._store = store
        self.conductor = Conductor(store, drain)
        self.counted = Counted(load(store.snapshot("counted/")).counted)
        self.agents = Agents(self.conductor, self.counted)
        self.neutron = Neutron(store, self.conductor)
        self.injected = Services(store, self.conductor, self.agents, tls, ports, limits, reach)
        self.news = News(store, self.conductor)
        self.tracer = Tracer(self.conductor, self.agents)

    def end_streams(self) -> None:
        """Answers that have no end of their own get one: the server is about to end."""
        self.news.close()
        self.injected.end_streams()

    async def run(self) -> None:
        """Until cancelled."""
        self.conductor.advance()
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self.injected.run())
            tasks.create_task(self._count())

    async def _count(self) -> None:
        while True:
            await asyncio.sleep(COUNT_EVERY)
            await self.agents.count()
            self.keep_counts()

    def keep_counts(self) -> None:
        """Counts of what is gone outlive the server; a full disk costs no more than those."""
        writes = self.counted.changed()
        if not writes:
            return
        try:
            self._store.commit(Transaction(puts=writes.puts))
        except StoreError as error:
            log.warning("counters were not kept: %s", error)
        else:
            self.counted.written()
