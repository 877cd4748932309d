"""One bridge of Open vSwitch as the agent sees it: what of Segue's it holds, and how that is changed.

Only flows with Segue's cookie mark, and groups and meters with Segue's numbers, are read, compared or removed. A flow
monitor, and the switch's word of others' requests, tell at once when somebody else removes or changes one, so that
repair does not wait for a periodic look.
"""

from __future__ import annotations

import contextlib
from collections import Counter
from collections.abc import Callable, Collection, Iterable, Mapping
from typing import Any

from segue.drivers.ovs.applying import Applying
from segue.drivers.ovs.cache import Cache
from segue.drivers.ovs.groups import own_group, own_meter, same_group, same_meter
from segue.drivers.ovs.render import COUNTED, OWN
from segue.model.plan import Held, Plan, Refused
from segue.model.program import COOKIE_MARK, COOKIE_MARK_MASK, Group, Meter, Rule
from segue.model.stages import SERVICE, TABLE
from segue.openflow import connection
from segue.openflow.client import ClientEvent, Disconnected, OpenFlowClient, OpenFlowError
from segue.openflow.connection import Received
from segue.openflow.protocol import (
    AsyncRequestForwardMaster,
    AsyncRequestForwardSlave,
    FlowDesc,
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
    GroupDescRequest,
    GroupId,
    GroupMod,
    GroupStats,
    GroupStatsRequest,
    MeterCommand,
    MeterDescRequest,
    MeterMod,
    MeterNumber,
    MeterStats,
    MeterStatsRequest,
    PortStats,
    PortStatsRequest,
    RequestForward,
    RequestForwardMask,
    SetAsync,
)
from segue.openflow.wire import ANY_PORT

Place = tuple[int, int]
"""(table, cookie): where a flow is and what it is."""
EXACT = (1 << 64) - 1
MOST_ASKED = 100
"""Beyond so many flows, whole tables are read instead of one after the other."""
FEW_ASKED = 10
"""Up to so many groups, meters or ports are asked for one after the other."""
TABLES = frozenset(TABLE.values())


class Switch:
    """Connect, ``observe``, then ``apply`` plans. ``disturbed`` is called when others change Segue's flows, with their
    places, or with none when others' flows may stand in their places now; ``gone`` when the connection ends."""

    def __init__(
        self, target: str, cache: Cache, disturbed: Callable[[set[Place]], None], gone: Callable[[str], None]
    ) -> None:
        self._client = OpenFlowClient(target, on_event=self._event)
        self._applying = Applying(self._client)
        self._cache = cache
        self._disturbed = disturbed
        self._gone = gone
        self._remade: Counter[int] = Counter()
        """How often others have made or removed one of Segue's meters since what names it was put again."""
        self._looked: Counter[int] = Counter()
        """The same when the switch was last looked at."""

    async def connect(self) -> None:
        """Raises OSError, ConnectionLost, TimeoutError, ProtocolError or OpenFlowError."""
        await self._client.connect(asynchronous=True)
        await self._cache.examine()
        # The first answer ends the request; later updates arrive as events.
        flags = FlowMonitorFlags.ADD | FlowMonitorFlags.REMOVED | FlowMonitorFlags.MODIFY
        await self._client.request(FlowMonitorRequest([FlowMonitor(monitor_id=1, flags=flags)]))
        both = int(RequestForwardMask.GROUP_MOD | RequestForwardMask.METER_MOD)
        await self._client.request(
            SetAsync(properties=(AsyncRequestForwardMaster(both), AsyncRequestForwardSlave(both)))
        )

    async def close(self) -> None:
        with contextlib.suppress(ConnectionError):
            await self._client.close()

    async def observe(self, groups: Mapping[int, Group], meters: Mapping[int, Meter]) -> Held:
        """Everything of Segue's on the bridge; ``groups`` and ``meters`` are those that should be there."""
        found: set[Place] = set()
        request = FlowDescRequest(cookie=OWN[0], cookie_mask=OWN[1])
        async for flows in self._client.flow_stats(request):
            found.update((flow.table_id, flow.cookie) for flow in flows)
        held = Held(found, {}, {})
        for group in (await self._client.request(GroupDescRequest())).groups:
            if own_group(number := group.group_id):
                held.groups[number] = number in groups and same_group(groups[number], group)
        try:
            there = (await self._client.request(MeterDescRequest())).meters
        except OpenFlowError:  # a datapath without meters
            there = ()
        for meter in there:
            if own_meter(number := meter.meter_id):
                held.meters[number] = number in meters and same_meter(meters[number], meter)
        self._applying.meters = set(held.meters)
        self._looked = self._remade.copy()
        for number in self._remade.keys() & meters.keys():
            held.meters.pop(number, None)
        return held

    async def apply(self, plan: Plan, *, felt: bool = True) -> Refused:
        """The whole plan: every packet meets the flows of before or those of after. ``felt``: traffic that flows now
        may be meant.

        What is refused of injected services is left out, and said. Raises OpenFlowError, which says what was refused
        and why, when anything else was; then no flow and no group was changed.
        """
        if felt:
            await self._cache.prepare()
        refused = await self._applying.apply(plan)
        self._remade -= self._looked
        self._looked.clear()
        return refused

    async def counters(self, stages: Iterable[str]) -> dict[int, tuple[int, int]]:
        """(packets, bytes) by cookie, of Segue's flows in ``stages``."""
        requests = [FlowDescRequest(table_id=TABLE[stage], cookie=OWN[0], cookie_mask=OWN[1]) for stage in stages]
        return await self._count(requests)

    async def counted(self) -> dict[int, tuple[int, int]]:
        """(packets, bytes) by cookie, of all flows that count for something."""
        return await self._count([FlowDescRequest(cookie=COUNTED[0], cookie_mask=COUNTED[1])])

    async def counters_of(self, rules: Mapping[int, Rule]) -> dict[int, tuple[int, int]]:
        """(packets, bytes) by cookie, of these, by cookie too: the switch finds a flow by its whole one without a
        search."""
        if len(rules) > MOST_ASKED:
            return await self.counted()
        return await self._count(
            FlowDescRequest(table_id=TABLE[rule.stage], cookie=key, cookie_mask=EXACT) for key, rule in rules.items()
        )

    async def flows_of(self, service: int) -> list[FlowDesc]:
        """The flows of one injected service, with what they have counted; the switch sends no others."""
        request = FlowDescRequest(match={SERVICE: service}, cookie=OWN[0], cookie_mask=OWN[1])
        return [flow async for flows in self._client.flow_stats(request) for flow in flows]

    async def groups_counted(self, numbers: Collection[int]) -> list[GroupStats]:
        found = await self._of_each(numbers, lambda n: GroupStatsRequest(n), int(GroupId.ALL))
        return [stats for reply in found for stats in reply.stats if stats.group_id in numbers]

    async def meters_counted(self, numbers: Collection[int]) -> list[MeterStats]:
        found = await self._of_each(numbers, lambda n: MeterStatsRequest(n), int(MeterNumber.ALL))
        return [stats for reply in found for stats in reply.stats if stats.meter_id in numbers]

    async def ports_counted(self, numbers: Collection[int]) -> list[PortStats]:
        """What went in (``rx``) and out at these OpenFlow ports."""
        found = await self._of_each(numbers, lambda n: PortStatsRequest(n), ANY_PORT)
        return [stats for reply in found for stats in reply.stats if stats.port_no in numbers]

    async def _of_each(self, numbers: Collection[int], request: Callable[[int], Any], every: int) -> list[Any]:
        """Replies about each, or one about all where that is less to ask. What is not there is left out."""
        replies = []
        for number in numbers if len(numbers) <= FEW_ASKED else (every,):
            with contextlib.suppress(OpenFlowError):
                replies.append(await self._client.request(request(number)))
        return replies

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
        elif isinstance(event, connection.Refused):
            self._applying.take(event)
        elif isinstance(event, Received) and isinstance(event.message, RequestForward):
            self._others_did(event.message.request)
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

    def _others_did(self, request: object) -> None:
        """Somebody has asked for a change of groups or meters, perhaps Segue's. A meter that was removed and made again
        looks as before, but rules are bound to the one that was: Open vSwitch has other numbers for meters inside."""
        match request:
            case GroupMod(group_id=number) if not own_group(number) and number != GroupId.ALL:
                return
            case MeterMod(meter_id=number) if not own_meter(number) and number != MeterNumber.ALL:
                return
            case MeterMod(meter_id=number, command=command) if command != MeterCommand.MODIFY:
                self._remade.update(self._applying.meters if number == MeterNumber.ALL else (number,))
        self._disturbed(set())


def _may_hide_another(update: FlowUpdate) -> bool:
    """A flow that was put where one of Segue's was is reported as itself alone; a switch that had to stop reporting
    does not say what it left out."""
    if isinstance(update, (FlowUpdateAdded, FlowUpdateModified)):
        return update.table_id in TABLES
    return isinstance(update, FlowUpdateResumed)
