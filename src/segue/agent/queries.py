"""What the server may ask of an agent.

counters {"fresh", "chain"}         -> {"live": {name: [packets, bytes]}, "retired": {...}}
flows                               -> [Flow]: Segue's flows on the switch, with stage, owner and counts
trace {"flow", "packet", "actions"} -> {"text"}: the switch's own ofproto/trace, which changes nothing
ports                               -> {"ports": {logical port: OpenFlow port}, "tunnels": {binding: OpenFlow port}}
"""

from __future__ import annotations

from pathlib import Path

import msgspec

from segue.agent.keeper import Keeper
from segue.agent.switch_link import SwitchLink
from segue.drivers.ovs.control import appctl
from segue.model.protocol import Query
from segue.model.stages import STAGES
from segue.verify.rule_text import action_words, match_words

_encode = msgspec.json.Encoder().encode


class Flow(msgspec.Struct, frozen=True):
    """One of Segue's flows, in words."""

    stage: str
    priority: int
    owner: str
    packets: int
    bytes: int
    match: str
    actions: str


class Queries:
    def __init__(self, keeper: Keeper, rundir: Path, bridge: str, link: SwitchLink) -> None:
        self._keeper = keeper
        self._rundir = rundir
        self._bridge = bridge
        self._link = link

    async def ask(self, query: Query) -> bytes:
        """The encoded result. Raises with a message for people."""
        match query.what:
            case "counters":
                if query.args.get("fresh"):
                    # Open vSwitch adds up what its datapath has counted a few times a second.
                    await appctl(self._rundir, "revalidator/wait")
                live, retired = await self._keeper.counters(query.args.get("chain", ""))
                return _encode({"live": live, "retired": retired})
            case "flows":
                return _encode(await self._flows())
            case "trace":
                return _encode({"text": await self._trace(query.args)})
            case "ports":
                return _encode({"ports": self._link.ports, "tunnels": self._link.tunnels})
        raise ValueError(f"this agent cannot answer {query.what!r}; is it older than the server?")

    async def _flows(self) -> list[Flow]:
        counted = await self._keeper.counts_by_cookie([stage.name for stage in STAGES])
        flows = []
        for key, (packets, octets) in counted.items():
            rule = self._keeper.rules.get(key)
            if rule is not None:
                flows.append(
                    Flow(rule.stage, rule.priority, rule.owner, packets, octets, match_words(rule), action_words(rule))
                )
        order = {stage.name: number for number, stage in enumerate(STAGES)}
        flows.sort(key=lambda flow: (order[flow.stage], -flow.priority, flow.match))
        return flows

    async def _trace(self, args: dict[str, str]) -> str:
        what = "ofproto/trace-packet-out" if args.get("actions") else "ofproto/trace"
        more = [args[name] for name in ("packet", "actions") if args.get(name)]
        return await appctl(self._rundir, what, self._bridge, args["flow"], *more)
