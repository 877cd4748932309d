"""Keeps one switch like the program.

Level-triggered: what the switch should hold comes from the records and bindings as they are now; what it holds is
read from it. After a (re)connection, and whenever others have changed Segue's flows, all is compared; in between the
changes of the program are enough. Nothing is done before the server has told the node's view, so a restarted agent
never clears a switch that forwards.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Iterable

from segue.compile.rules import NodeCompiler
from segue.drivers.ovs.switch import Place, Switch, place
from segue.encap import available
from segue.model.counters import Count, add, counts_for
from segue.model.plan import Plan
from segue.model.program import Rule
from segue.model.protocol import Applied, Sync
from segue.model.stages import TABLE
from segue.openflow.client import OpenFlowError
from segue.rollout import change, difference, felt

log = logging.getLogger(__name__)

RETRY = 1.0
"""Seconds before a plan that the switch refused is tried again."""
FOREIGN = 0.1
"""Seconds in which other flows than Segue's may come before Segue's are looked at."""
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
        self._work = asyncio.Event()
        self._retired: dict[str, Count] = {}
        self.rules: dict[int, Rule] = {}
        """The program as last compiled, by cookie."""

    # -- what is wanted ------------------------------------------------------------------------------------------

    def sync(self, message: Sync) -> None:
        """Take in what the server says."""
        if message.whole:
            for key in self._keys - message.records.keys():
                self.compiler.record(key, None)
            self._keys = set(message.records)
            self._told = None
        for key, record in message.records.items():
            self.compiler.record(key, record)
            if record is None:
                self._keys.discard(key)
            else:
                self._keys.add(key)
        self._epoch, self._revision = message.epoch, message.revision
        self._work.set()

    def bind(self, name: str, ofport: int | None) -> None:
        self.compiler.bind(name, ofport)
        self._work.set()

    # -- the switch ----------------------------------------------------------------------------------------------

    def attach(self, switch: Switch | None) -> None:
        """The connected switch, or None when the connection has ended."""
        self._switch = switch
        self._compare = True
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

    async def run(self) -> None:
        """Work until cancelled."""
        while True:
            await self._work.wait()
            self._work.clear()
            if self._revision < 0:
                continue
            epoch, revision, switch = self._epoch, self._revision, self._switch
            try:
                done = await self._step(switch)
            except OpenFlowError as error:
                log.error("%s", error)
                self._tell(Applied(epoch, revision, {}, f"its switch refuses a change: {error}"))
                asyncio.get_running_loop().call_later(RETRY, self._work.set)
            except (ConnectionError, OSError) as error:
                log.warning("the switch is gone: %s", error)
                if self._switch is switch:
                    self.attach(None)
            else:
                if done:
                    await self._settled()
                    self._tell(Applied(epoch, revision, dict(self.compiler.missing())))
                else:
                    self._tell(Applied(epoch, revision, {}, NO_SWITCH))

    async def _step(self, switch: Switch | None) -> bool:
        """Bring the switch to the program as it is now; False while there is no switch."""
        changes = self.compiler.settle()
        for key in changes.removed:
            self.rules.pop(key, None)
        self.rules.update(changes.added)
        if switch is None:
            self._compare = True
            return False
        compare, self._compare = self._compare, False
        suspect, self._suspect = self._suspect, set()
        try:
            if compare:
                # What others may have changed is put there again; what should not be there is removed as found.
                changed = {found for found in suspect if found[1] in self.rules}
                plan = difference(self.rules, await switch.observe() - changed, TABLE)
            else:
                plan = change(changes.added, changes.removed)
            if plan:
                await self._retire(switch, plan)
                await switch.apply(plan, felt=compare or felt(changes.added, changes.removed))
        except BaseException:
            self._suspect |= suspect
            self._compare = True
            raise
        return True

    def _tell(self, message: Applied) -> None:
        if message != self._told:
            self._told = message
            self._report(message)

    # -- counters ------------------------------------------------------------------------------------------------

    async def _retire(self, switch: Switch, plan: Plan) -> None:
        """Remember what rules counted that are about to go."""
        going = {place(rule)[1]: rule for rule in (*plan.remove, *plan.replaced) if rule.counter}
        if not going:
            return
        last = await switch.counters_of(going.values())
        for key, rule in going.items():
            if key in last:
                self._retired[rule.counter] = add(self._retired.get(rule.counter, (0, 0)), last[key])

    async def counters(self, chain: str = "") -> tuple[dict[str, Count], dict[str, Count]]:
        """(live, retired since last asked) by counter name; live ones of ``chain`` alone where it is given.

        Raises ConnectionError without a switch.
        """
        switch = self._connected()
        if chain:
            read = await switch.counters_of([rule for rule in self.rules.values() if counts_for(rule.counter, chain)])
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
        return await self._connected().counters(stages)

    def _connected(self) -> Switch:
        if self._switch is None:
            raise ConnectionError("the agent is not connected to its switch")
        return self._switch
