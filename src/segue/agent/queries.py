"""What the server may ask of an agent.

counters {"fresh", "chain"}         -> {"live": {name: [packets, bytes]}, "retired": {...}}
flows                               -> [Flow]: Segue's flows on the switch, with stage, owner and counts
trace {"flow", "packet", "actions"} -> {"text"}: the switch's own ofproto/trace, which changes nothing
ports                               -> {"ports": {logical port: OpenFlow port}, "tunnels": {binding: OpenFlow port}}

Of injected services, of which ``service`` is the key:

service-counts {"service"}          -> {record key of a flow: [packets, bytes, seconds idle, seconds that it is there]}
service-port-counts {"service"}     -> {key of an own port here: {rx_packets, tx_packets, rx_bytes, ...}}
group-counts {"numbers"}            -> {number: {packets, bytes, seconds, users, buckets: [[packets, bytes], ...]}}
meter-counts {"numbers"}            -> {number: {packets, bytes, seconds, users, bands: [[packets, bytes], ...]}}

``numbers`` are the switch's, with spaces between them. What the switch does not have is not in the answer. ``rx`` is
what the port has sent into the switch.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import msgspec

from segue.agent.keeper import Keeper
from segue.agent.switch_link import SwitchLink
from segue.drivers.ovs.control import appctl
from segue.model.protocol import Query
from segue.model.stages import STAGES
from segue.openflow.protocol import GroupStats, MeterStats
from segue.verify.rule_text import action_words, match_words

PORT_COUNTERS = tuple(f"{way}_{what}" for what in ("packets", "bytes", "dropped", "errors") for way in ("rx", "tx"))

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
            case "service-counts":
                return _encode(await self._service_counts(int(query.args["service"])))
            case "service-port-counts":
                return _encode(await self._port_counts(query.args["service"]))
            case "group-counts":
                return _encode(await self._group_counts(_numbers(query.args)))
            case "meter-counts":
                return _encode(await self._meter_counts(_numbers(query.args)))
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

    async def _service_counts(self, service: int) -> dict[str, tuple[int, int, float, float]]:
        counts = {}
        for flow in await self._keeper.connected().flows_of(service):
            key = self._keeper.compiler.origin(flow.cookie)
            if key is not None:
                alive = flow.duration_sec + flow.duration_nsec / 1e9
                match flow.stats.get("idle_time"):
                    case (seconds, nanoseconds):
                        idle = seconds + nanoseconds / 1e9
                    case _:
                        idle = alive
                counts[key] = (flow.packet_count, flow.byte_count, idle, alive)
        return counts

    async def _port_counts(self, service: str) -> dict[int, dict[str, int]]:
        record = self._keeper.services.get(f"service/{service}")
        here = {
            self._link.ports[name]: key for key, name, _ in (record.ports if record else ()) if name in self._link.ports
        }
        counted = await self._keeper.connected().ports_counted(here)
        return {here[stats.port_no]: {name: getattr(stats, name) for name in PORT_COUNTERS} for stats in counted}

    async def _group_counts(self, numbers: set[int]) -> dict[int, dict[str, Any]]:
        counted = await self._keeper.connected().groups_counted(numbers)
        return {
            stats.group_id: _counts(stats.packet_count, stats.byte_count, stats)
            | {"buckets": [(bucket.packet_count, bucket.byte_count) for bucket in stats.bucket_stats]}
            for stats in counted
        }

    async def _meter_counts(self, numbers: set[int]) -> dict[int, dict[str, Any]]:
        counted = await self._keeper.connected().meters_counted(numbers)
        return {
            stats.meter_id: _counts(stats.packet_in_count, stats.byte_in_count, stats)
            | {"bands": [(band.packet_band_count, band.byte_band_count) for band in stats.band_stats]}
            for stats in counted
        }

    async def _trace(self, args: dict[str, str]) -> str:
        what = "ofproto/trace-packet-out" if args.get("actions") else "ofproto/trace"
        more = [args[name] for name in ("packet", "actions") if args.get(name)]
        return await appctl(self._rundir, what, self._bridge, args["flow"], *more)


def _numbers(args: Mapping[str, str]) -> set[int]:
    return {int(word) for word in args["numbers"].split()}


def _counts(packets: int, octets: int, stats: GroupStats | MeterStats) -> dict[str, Any]:
    seconds = stats.duration_sec + stats.duration_nsec / 1e9
    return {"packets": packets, "bytes": octets, "seconds": seconds, "users": stats.ref_count}
