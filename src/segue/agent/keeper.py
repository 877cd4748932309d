"""Keeps one switch like the program.

Level-triggered: what the switch should hold comes from the records and bindings as they are now; what it holds is
read from it. After a (re)connection, and whenever others have changed Segue's flows, all is compared; in between the
changes of the program are enough. Nothing is done before the server has told the node's view, so a restarted agent
never clears a switch that forwards.

What the switch will not take of an injected service is left out, and told to the server by record; all the rest is in
force. It is tried again when its record changes, on another switch, and from time to time.

Changes go to the switch in portions (``portions``), so that others wait for one large one of a service at the most. A
comparison puts right all at once. The server is told of a revision when the network's part of it is there, and which
services are behind: also one of which something was refused, until what is left to be told of it is there.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Iterable, Mapping

from segue.agent.portions import NETWORK, Portions
from segue.compile.rules import NodeCompiler
from segue.compile.rules.graph import Changes
from segue.drivers.ovs.switch import Place, Switch
from segue.encap import available
from segue.model.counters import Count, add, counts_for
from segue.model.fair import Whose
from segue.model.plan import Plan, Refused
from segue.model.program import Group, Meter, Rule
from segue.model.protocol import Applied, Sync
from segue.model.stages import TABLE
from segue.model.view import ServiceRecord
from segue.openflow.client import OpenFlowError
from segue.rollout import change, difference, felt

log = logging.getLogger(__name__)

RETRY = 1.0
"""Seconds before a plan that the switch refused is tried again."""
RETRY_REFUSED = 60.0
"""Seconds before what it refused of services is tried again: it may have room by then."""
FOREIGN = 0.1
"""Seconds in which other flows than Segue's may come before Segue's are looked at."""
GATHER = 0.003
"""Seconds in which more may come where something has come during a step: who waits for an answer before the next change
is not held up, and a stream of changes empties older switches' caches fewer times."""
NO_SWITCH = "its agent is not connected to its switch"


class Keeper:
    """``report`` is called with what the server is to be told, once ``settled`` has returned."""

    def __init__(self, report: Callable[[Applied], None], settled: Callable[[], Awaitable[None]]) -> None:
        self.compiler = NodeCompiler(available())
        self._report = report
        self._settled = settled
        self._keys: set[str] = set()
        self._revision = -1
        self._epoch = ""
        self._told: Applied | None = None
        self._switch: Switch | None = None
        self._compare = True
        self._suspect: set[Place] = set()
        self._look: asyncio.TimerHandle | None = None
        self._again: asyncio.TimerHandle | None = None
        self._lacks = False
        """Rules of services were refused that are of no record: they stay in the program."""
        self._work = asyncio.Event()
        self.heard = 0
        """How often the server has said something."""
        self._done = 0
        """Of that so much has been tried, but for ``_untried``: by owner, up to what his has."""
        self._untried: dict[str, int] = {}
        self.stepped: Callable[[], None] = lambda: None
        """Called whenever ``tried`` may be more."""
        self._portions = Portions()
        self._retired: dict[str, Count] = {}
        self.services: dict[str, ServiceRecord] = {}
        """Injected services with elements here, by record key."""
        self.rules: dict[int, Rule] = {}
        """The program as last compiled, by cookie."""

    # -- what is wanted ------------------------------------------------------------------------------------------

    def sync(self, message: Sync) -> None:
        """Take in what the server says."""
        if message.whole:
            for key in self._keys - message.records.keys():
                self.compiler.record(key, None)
                self.services.pop(key, None)
            self._keys = set(message.records)
            self._told = None
            self._portions.anew()
        for key, record in message.records.items():
            self.compiler.record(key, record)
            if record is None:
                self._keys.discard(key)
                self.services.pop(key, None)
            else:
                self._keys.add(key)
            if isinstance(record, ServiceRecord):
                self.services[key] = record
        self._epoch, self._revision = message.epoch, message.revision
        self.heard += 1
        self._work.set()

    def tried(self, service: int) -> int:
        """Up to what that was ``heard`` the switch holds what concerns the service of this key, the network's part and
        its own, or has not taken it. Of a service that is not known here: everything."""
        record = self.services.get(f"service/{service}")
        owners = self._untried if record is None else (NETWORK, f"service/{record.name}")
        return min((self._done, *(self._untried.get(owner, self._done) for owner in owners)))

    def whose(self, service: int) -> Whose:
        """The project of the service of this key, or the key where it is in none, or not known here."""
        record = self.services.get(f"service/{service}")
        return record.project if record is not None and record.project else service

    def bind(self, name: str, ofport: int | None) -> None:
        self.compiler.bind(name, ofport)
        self._work.set()

    # -- the switch ----------------------------------------------------------------------------------------------

    def attach(self, switch: Switch | None) -> None:
        """The connected switch, or None when the connection has ended."""
        self._switch = switch
        self._compare = True
        if switch is not None:
            self.compiler.retry()
        self._work.set()

    def disturbed(self, places: set[Place]) -> None:
        """Somebody else changed these flows: they are looked at anew. None: others than Segue's, which may have taken
        the place of some; who adds many is not answered one by one."""
        if places:
            self._suspect |= places
            self._look_now()
        elif self._look is None:
            self._look = asyncio.get_running_loop().call_later(FOREIGN, self._look_now)

    def _look_now(self) -> None:
        if self._look is not None:
            self._look.cancel()
            self._look = None
        self._compare = True
        self._work.set()

    def _retry_refused(self) -> None:
        self._again = None
        self.compiler.retry()
        self._compare |= self._lacks
        self._lacks = False
        self._work.set()

    async def run(self) -> None:
        """Work until cancelled."""
        while True:
            if self._work.is_set():
                await asyncio.sleep(GATHER)
            await self._work.wait()
            self._work.clear()
            if self._revision < 0:
                continue
            epoch, revision, switch, heard = self._epoch, self._revision, self._switch, self.heard
            try:
                try:
                    done = await self._step(switch)
                finally:
                    self._tell_tried(heard, self._portions.untried)
            except OpenFlowError as error:
                log.error("%s", error)
                self._tell(Applied(epoch, revision, {}, f"its switch refuses a change: {error}"))
                asyncio.get_running_loop().call_later(RETRY, self._work.set)
            except (ConnectionError, OSError) as error:
                log.warning("the switch is gone: %s", error)
                if self._switch is switch:
                    self.attach(None)
            else:
                if self._portions:
                    self._work.set()
                if not done:
                    self._tell(Applied(epoch, revision, {}, NO_SWITCH))
                elif not self._portions.network:
                    refused, behind = self.compiler.refused, self._portions.behind
                    missing = dict(self.compiler.missing())
                    await self._settled()
                    self._tell(Applied(epoch, revision, missing, "", refused, behind))
                    if (refused or self._lacks) and self._again is None:
                        self._again = asyncio.get_running_loop().call_later(RETRY_REFUSED, self._retry_refused)

    def _tell_tried(self, heard: int, but: dict[str, int]) -> None:
        self._done, self._untried = heard, but
        self.stepped()

    async def _step(self, switch: Switch | None) -> bool:
        """Bring the switch to the program as it is now, or nearer to it by a portion; False while there is no
        switch."""
        changes = self._changes()
        if switch is None:
            self._compare = True
            self._portions.forget(changes, self._now())
            return False
        compare, self._compare = self._compare, False
        suspect, self._suspect = self._suspect, set()
        try:
            if compare:
                self._portions.forget(changes, self._now())
                # What others may have changed is put there again; what should not be there is removed as found.
                changed = {found for found in suspect if found[1] in self.rules}
                groups, meters = self.compiler.groups, self.compiler.meters
                held = await switch.observe(groups, meters)
                held.flows.difference_update(changed)
                await self._apply_all(switch, difference(self.rules, held, TABLE, groups, meters))
            else:
                self._portions.add(changes, self._now(), self._owners())
                await self._apply_next(switch)
        except BaseException:
            self._suspect |= suspect
            self._compare = True
            raise
        return True

    async def _apply_all(self, switch: Switch, plan: Plan) -> None:
        while plan and (refused := await self._apply(switch, plan, felt_now=True)):
            changes, clear = self._refuse(refused)
            self._portions.forget(changes, self._now())
            plan = _plan(changes, clear.values())

    async def _apply_next(self, switch: Switch) -> None:
        portion = self._portions.take()
        # Who has nothing to be told need not wait for this portion.
        self._tell_tried(self.heard, self._portions.untried | self._portions.out)
        if portion is None:
            return
        changes = portion.changes
        plan = _plan(changes, portion.clear.values())
        felt_now = bool(changes.groups) or felt(changes.added, changes.removed)
        if plan and (refused := await self._apply(switch, plan, felt_now=felt_now)):
            changes, clear = self._refuse(refused)
            self._portions.refused(changes, self._now(), self._owners(), clear)

    async def _apply(self, switch: Switch, plan: Plan, *, felt_now: bool) -> Refused:
        await self._retire(switch, plan)
        return await switch.apply(plan, felt=felt_now)

    def _owners(self) -> Mapping[int, str]:
        return {record.key: f"service/{record.name}" for record in self.services.values()}

    def _now(self) -> tuple[int, int]:
        return self._revision, self.heard

    def _changes(self) -> Changes:
        changes = self.compiler.settle()
        for key in changes.removed:
            self.rules.pop(key, None)
        self.rules.update(changes.added)
        return changes

    def _refuse(self, refused: Refused) -> tuple[Changes, dict[int, Rule]]:
        """Leave out what the switch would not take. What goes with it, and the rules that were refused: in their places
        the switch may hold others. Each call leaves more out, so that this comes to an end; a rule that is of no record
        stays in the program, and a comparison tells the switch of it again."""
        others = {f"group/{number}": why for number, why in refused.groups.items()}
        others |= {f"meter/{number}": why for number, why in refused.meters.items()}
        for record, why in others.items():
            self.compiler.refuse(record, why)
        example = next(iter((*others.values(), *refused.rules.values())))
        log.warning("left out of injected services: %d, as %s", len(others) + len(refused.rules), example)
        clear = {key: self.rules[key] for key in refused.rules if key in self.rules}
        self._lacks |= any(self.compiler.origin(key) is None for key in clear)
        added: dict[int, Rule] = {}
        removed: dict[int, Rule] = {}
        groups: dict[int, Group | None] = {}
        meters: dict[int, Meter | None] = {}
        while True:
            for key, why in refused.rules.items():
                # Several records may ask for one rule.
                if origin := self.compiler.origin(key):
                    self.compiler.refuse(origin, why)
            more = self._changes()
            added |= more.added
            removed |= more.removed
            groups |= more.groups
            meters |= more.meters
            if not any(self.compiler.origin(key) for key in refused.rules):
                return Changes(added, removed, groups, meters), clear

    def _tell(self, message: Applied) -> None:
        if message != self._told:
            self._told = message
            self._report(message)

    # -- counters ------------------------------------------------------------------------------------------------

    async def _retire(self, switch: Switch, plan: Plan) -> None:
        """Remember what rules counted that are about to go."""
        leaving = (*plan.remove.items(), *plan.replaced.items())
        going = {key: rule for key, rule in leaving if rule.counter}
        if not going:
            return
        last = await switch.counters_of(going)
        for key, rule in going.items():
            if key in last:
                self._retired[rule.counter] = add(self._retired.get(rule.counter, (0, 0)), last[key])

    async def counters(self, chain: str = "") -> tuple[dict[str, Count], dict[str, Count]]:
        """(live, retired since last asked) by counter name; live ones of ``chain`` alone where it is given.

        Raises ConnectionError without a switch.
        """
        switch = self.connected()
        if chain:
            counting = {key: rule for key, rule in self.rules.items() if counts_for(rule.counter, chain)}
            read = await switch.counters_of(counting)
        else:
            read = await switch.counted()
        live: dict[str, Count] = {}
        for key, count in read.items():
            rule = self.rules.get(key)
            if rule is not None and rule.counter and (not chain or counts_for(rule.counter, chain)):
                live[rule.counter] = add(live.get(rule.counter, (0, 0)), count)
        retired, self._retired = self._retired, {}
        return live, retired

    async def counts_by_cookie(self, stages: Iterable[str]) -> dict[int, Count]:
        """What the switch's flows have counted. Raises ConnectionError without a switch."""
        return await self.connected().counters(stages)

    def connected(self) -> Switch:
        """Raises ConnectionError without a switch."""
        if self._switch is None:
            raise ConnectionError("the agent is not connected to its switch")
        return self._switch


def _plan(changes: Changes, clear: Iterable[Rule]) -> Plan:
    return change(changes.added, changes.removed, changes.groups, changes.meters, clear)
