"""A service that causes packet-ins as fast as the switch can make them, and what another's flow-mods take meanwhile.

One service sends every packet of its port to its controller; a host sends there as fast as it may, each datagram to
another port. ``quiet`` is attached elsewhere on the same node: its controller sends a flow-mod and a barrier, again and
again. The same flood, where the service drops all of it, tells what of it is the packets' doing, whoever sends them:
Open vSwitch's userspace datapath forwards and takes flow-mods in one thread.
"""

from __future__ import annotations

import os
import time
from pathlib import Path
from statistics import median, quantiles
from typing import Any

from tests.e2e.fabric import mac_of

from bench.injected.network import CLIENT, EVERYTHING, NODE, SERVER, Flow, Network
from bench.injected.packets import Hosted
from bench.injected.programs import Program
from bench.report import Table, figure, progress, spread
from segue.model.limits import DEFAULT_PACKET_INS, MAX_PACKET_INS

FLOODER = "flooder"
RATES = {"default": DEFAULT_PACKET_INS, "most": MAX_PACKET_INS}
"""Packet-ins a second that the service may cause."""
CONDITIONS = {
    "no flood": "",
    "flood, all of it dropped by its service": "drop",
    f"flood, packet-ins at the default limit of {DEFAULT_PACKET_INS:,} /s": "default",
    f"flood, packet-ins at the greatest limit of {MAX_PACKET_INS:,} /s": "most",
}
BEHIND = 10
"""How nice the flood's sender is: the switch and the controllers come first, so that it is they that are measured."""
LEAST = 1_000
"""Packets a second that a flood has at least."""
_TICKS = os.sysconf("SC_CLK_TCK")


class Sample:
    """Of one measurement: ``latencies`` in ms; packets per second; shares of a processor."""

    def __init__(self) -> None:
        self.latencies: list[float] = []
        self.met = 0.0
        self.heard = 0.0
        self.shares: dict[str, float] = {}


def flows(kind: str) -> list[Flow]:
    to_controller = {"type": "OFPAT_OUTPUT", "port": "OFPP_CONTROLLER", "max_len": 128}
    apply = {"type": "OFPIT_APPLY_ACTIONS", "actions": [to_controller]}
    return [{"priority": 1, "match": {}, "instructions": [] if kind == "drop" else [apply]}]


def run(quick: bool) -> list[Table]:
    rounds, seconds = (3, 2.0) if quick else (7, 3.0)
    noisy: dict[str, Any] = {"hook": "ingress", "permissions": EVERYTHING}
    services = {name: {**noisy, "packet_ins": rate} for name, rate in RATES.items()}
    services["drop"] = noisy
    quiet = {"quiet": {**noisy, "attach": [f"port/{CLIENT}", f"port/{SERVER}"], "flows": 100_000}}
    taken: dict[str, list[Sample]] = {}
    with (
        Network({FLOODER: "10.0.0.3"}) as network,
        Program(network, "own") as program,
        Program(network, "sink") as sink,
    ):
        network.declare({**quiet, **services})
        switch = network.controlled("quiet", program.port)
        program.wait_for(switch)
        for name in services:
            network.fill(name, flows(name))
            sink.wait_for(network.controlled(name, sink.port))
        # The service takes everything, what asks for addresses too.
        neighbor = (network.addresses[SERVER], "lladdr", mac_of(SERVER), "dev", "eth0")
        network.exec(FLOODER, "ip", "neigh", "replace", *neighbor)
        with Hosted(network, FLOODER, "pour", network.addresses[SERVER], nice=BEHIND) as flooder:
            for number in range(rounds):
                progress(f"services: flood, round {number + 1} of {rounds}")
                for name, kind in CONDITIONS.items():
                    program.clear(switch)
                    if kind:
                        network.attach(kind, FLOODER)
                    taken.setdefault(name, []).append(_measured(network, program, sink, switch, flooder, kind, seconds))
                    if kind:
                        network.attach(kind)
    return [_table(taken, rounds, seconds)]


def _measured(
    network: Network, program: Program, sink: Program, switch: int, flooder: Hosted, kind: str, seconds: float
) -> Sample:
    found = Sample()
    pids = {"server": network.processes["server"].pid, "agent": network.processes[NODE].pid, "switch": _switch(network)}
    if kind:
        met, since = _met(network, kind), time.monotonic()
        flooder.tell(str(seconds + 1.0))
        time.sleep(0.5)
    heard, before, begun = sink.packets(), {name: _used(pid) for name, pid in pids.items()}, time.monotonic()
    number = 0
    while time.monotonic() < begun + seconds:
        found.latencies.append(1000 * program.add(switch, 1, number))
        number += 1
    lasted = time.monotonic() - begun
    found.shares = {name: (_used(pid) - before[name]) / lasted for name, pid in pids.items()}
    found.heard = (sink.packets() - heard) / lasted
    if kind:
        _, processor = flooder.answer()
        found.shares["sender"] = processor / (seconds + 1.0)
        found.met = (_met(network, kind) - met) / (time.monotonic() - since)
        if found.met < LEAST or (kind != "drop" and not found.heard):
            raise RuntimeError(f"{kind}: {found.met:.0f} packets/s, {found.heard:.0f} packet-ins/s: no flood")
    return found


def _met(network: Network, service: str) -> int:
    """How many packets the service's flows have met."""
    return sum(flow["packet_count"] for flow in network.get(f"/v1/services/{service}/flows")["flows"])


def _switch(network: Network) -> int:
    return int((network.lab.node_rundir(NODE) / "ovs-vswitchd.pid").read_text())


def _used(pid: int) -> float:
    """Seconds of processor time."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / _TICKS


def _table(taken: dict[str, list[Sample]], rounds: int, seconds: float) -> Table:
    base = [median(one.latencies) for one in taken["no flood"]]
    rows = []
    for name, samples in taken.items():
        middles = [median(one.latencies) for one in samples]
        lasts = [quantiles(one.latencies, n=100, method="inclusive")[-1] for one in samples]
        shares = {who: median(one.shares[who] for one in samples) for who in samples[0].shares}
        rows.append(
            [
                name,
                spread(middles, "ms"),
                f"{median(middles) / median(base):.2f}",
                figure(median(lasts), "ms"),
                figure(median(one.met for one in samples), "/s"),
                figure(median(one.heard for one in samples), "/s"),
                ", ".join(f"{who} {100 * share:.0f} %" for who, share in shares.items()),
            ]
        )
    note = (
        f"A flow-mod and its barrier, one after the other, of one service, while another on the same node is flooded "
        f"for {seconds:g} s; {rounds} interleaved rounds; the median over the rounds of each round's median and 99th "
        f"percentile (first to ninth decile). The flood's sender has niceness {BEHIND}; counted is what the flooded "
        f"service met. Last column: shares of a processor."
    )
    columns = ["", "flow-mod and barrier", "to no flood", "99th percentile", "flood", "packet-ins heard", "processor"]
    return Table("services: another service floods its controller", columns, rows, note)
