"""One bridge of Open vSwitch as the agent sees it: which of Segue's flows it holds, and how they are changed.

Only flows with Segue's cookie mark are read, compared or removed. A flow monitor tells at once when somebody else
removes or changes one, so that repair does not wait for a periodic look.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Collection, Iterable

from segue.drivers.ovs.cache import Cache
from segue.drivers.ovs.render import COUNTED, OWN, flow_mods
from segue.model.plan import Plan
from segue.model.program import COOKIE_MARK, COOKIE_MARK_MASK, Rule, cookie
from segue.model.stages import TABLE
from segue.openflow.client import ClientEvent, Disconnected, OpenFlowClient
from segue.openflow.connection import Received
from segue.openflow.protocol import (
    FlowDescRequest,
    FlowMonitor,
    FlowMonitorFlags,
    FlowMonitorReply,
    FlowMonitorRequest,
    FlowUpdate,
    FlowUpdateAbbrev,
    FlowUpdateAdded,
    FlowUpdateFull,
    FlowUpdateModified,
    FlowUpdateResumed,
)

Place = tuple[int, int]
"""(table, cookie): where a flow is and what it is."""
EXACT = (1 << 64) - 1
MOST_ASKED = 100
"""Beyond so many flows, whole tables are read instead of one after the other."""
TABLES = frozenset(TABLE.values())


class Switch:
    """Connect, ``observe``, then ``apply`` plans. ``disturbed`` is called when others change Segue's flows, with their
    places, or with none when others' flows may stand in their places now; ``gone`` when the connection ends."""

    def __init__(
        self, target: str, cache: Cache, disturbed: Callable[[set[Place]], None], gone: Callable[[str], None]
    ) -> None:
        self._client = OpenFlowClient(target, on_event=self._event)
        self._cache = cache
        self._disturbed = disturbed
        self._gone = gone

    async def connect(self) -> None:
        """Raises OSError, ConnectionLost, TimeoutError, ProtocolError or OpenFlowError."""
        await self._client.connect(asynchronous=True)
        await self._cache.examine()
        # The first answer ends the request; later updates arrive as events.
        flags = FlowMonitorFlags.ADD | FlowMonitorFlags.REMOVED | FlowMonitorFlags.MODIFY
        await self._client.request(FlowMonitorRequest([FlowMonitor(monitor_id=1, flags=flags)]))

    async def close(self) -> None:
        with contextlib.suppress(ConnectionError):
            await self._client.close()

    async def observe(self) -> set[Place]:
        """Every flow of Segue's on the bridge."""
        found: set[Place] = set()
        request = FlowDescRequest(cookie=OWN[0], cookie_mask=OWN[1])
        async for flows in self._client.flow_stats(request):
            found.update((flow.table_id, flow.cookie) for flow in flows)
        return found

    async def apply(self, plan: Plan, *, felt: bool = True) -> None:
        """The whole plan in one bundle: every packet meets the flows of before or those of after. ``felt``: traffic
        that flows now may be meant.

        Raises OpenFlowError, which says what was refused and why, when nothing was changed.
        """
        if felt:
            await self._cache.prepare()
        await self._client.bundle(flow_mods(plan))

    async def counters(self, stages: Iterable[str]) -> dict[int, tuple[int, int]]:
        """(packets, bytes) by cookie, of Segue's flows in ``stages``."""
        requests = [FlowDescRequest(table_id=TABLE[stage], cookie=OWN[0], cookie_mask=OWN[1]) for stage in stages]
        return await self._count(requests)

    async def counted(self) -> dict[int, tuple[int, int]]:
        """(packets, bytes) by cookie, of all flows that count for something."""
        return await self._count([FlowDescRequest(cookie=COUNTED[0], cookie_mask=COUNTED[1])])

    async def counters_of(self, rules: Collection[Rule]) -> dict[int, tuple[int, int]]:
        """(packets, bytes) by cookie, of these. The switch finds a flow by its whole cookie without a search."""
        if len(rules) > MOST_ASKED:
            return await self.counted()
        places = map(place, rules)
        return await self._count(FlowDescRequest(table_id=t, cookie=key, cookie_mask=EXACT) for t, key in places)

    async def _count(self, requests: Iterable[FlowDescRequest]) -> dict[int, tuple[int, int]]:
        found: dict[int, tuple[int, int]] = {}
        for request in requests:
            async for flows in self._client.flow_stats(request):
                for flow in flows:
                    found[flow.cookie] = (flow.packet_count, flow.byte_count)
        return found

    def _event(self, event: ClientEvent) -> None:
        if isinstance(event, Disconnected):
            self._gone(event.reason)
        elif isinstance(event, Received) and isinstance(event.message, FlowMonitorReply):
            # What this connection does itself is reported in short form; what is left, others did.
            others = [update for update in event.message.updates if not isinstance(update, FlowUpdateAbbrev)]
            places = {
                (update.table_id, update.cookie)
                for update in others
                if isinstance(update, FlowUpdateFull) and update.cookie & COOKIE_MARK_MASK == COOKIE_MARK
            }
            if places or any(map(_may_hide_another, others)):
                self._disturbed(places)


def _may_hide_another(update: FlowUpdate) -> bool:
    """A flow that was put where one of Segue's was is reported as itself alone; a switch that had to stop reporting
    does not say what it left out."""
    if isinstance(update, (FlowUpdateAdded, FlowUpdateModified)):
        return update.table_id in TABLES
    return isinstance(update, FlowUpdateResumed)


def place(rule: Rule) -> Place:
    return (TABLE[rule.stage], cookie(rule))
