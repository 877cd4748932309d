"""A thousand services of a hundred flows each on one node: installed, changed, begun anew, and passed by packets.

Each is attached to a port of its own, the first to those of two hosts, whose packets are measured. The same is measured
before, with the first one alone.
"""

from __future__ import annotations

import http.client
import json
import socket
from statistics import quantiles
from typing import Any

from bench.coldstart import Clock
from bench.injected.network import CLIENT, EVERYTHING, NODE, SERVER, Network, passing
from bench.injected.packets import Trips
from bench.injected.programs import Program
from bench.memory import held
from bench.report import Table, figure, progress, spread

FLOWS = 100
CHANGES = 40
TRIPS = 3_000
LASTING = 300.0
"""Seconds until all is in force again, at most."""

Row = dict[str, str]


def services(count: int) -> dict[str, Any]:
    declared = {"hook": "ingress", "permissions": EVERYTHING, "flows": 10 * FLOWS}
    own = {f"s{n}": {**declared, "attach": [f"port/p{n}"]} for n in range(1, count)}
    return {"s0": {**declared, "attach": [f"port/{CLIENT}", f"port/{SERVER}"]}, **own}


def ports(count: int) -> dict[str, Any]:
    return {
        f"p{n}": {"network": "web", "node": NODE, "address": f"10.0.{1 + n // 250}.{n % 250}"} for n in range(count)
    }


def run(quick: bool) -> list[Table]:
    count = 100 if quick else 1_000
    rows: dict[int, Row] = {}
    with Network() as network, Program(network, "own") as program:
        network.declare(services(1), ports(count))
        network.fill("s0", passing(FLOWS))
        switch = network.controlled("s0", program.port)
        program.wait_for(switch)
        progress("services: 1 service")
        rows[1] = _used(network, program, switch, 0)
        progress(f"services: {count} services are declared")
        clock = Clock()
        network.declare(services(count), ports(count), wait=LASTING)
        declared = clock.seconds()
        progress(f"services: {(count - 1) * FLOWS} flows are installed")
        clock = Clock()
        _install(network, count)
        installed = clock.seconds()
        rate = figure((count - 1) * FLOWS / installed, "/s")
        rows[count] = {
            "declared, and in force": figure(declared, "s"),
            f"{FLOWS} flows put into each by HTTP, and in force": f"{figure(installed, 's')}, {rate}",
            **_used(network, program, switch, CHANGES),
            **_anew(network, program, switch),
        }
    names = [*rows[count]]
    table = [[name, *(row.get(name, "—") for row in rows.values())] for name in names]
    note = (
        f"Services of {FLOWS} flows each on one node, each attached to a port of its own, the first to those of two "
        f"hosts. Flows are put by one client, a service at a time over one connection; memory is the proportional set "
        f"size. What is killed is killed with SIGKILL, and timed until all is in force again and seen to be."
    )
    return [Table("services: many", ["", *(f"{size:,} service{'s' * (size > 1)}" for size in rows)], table, note)]


def _install(network: Network, count: int) -> None:
    """All but the first get their flows."""
    connection = http.client.HTTPConnection("segue", timeout=LASTING)
    connection.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    connection.sock.settimeout(LASTING)
    connection.sock.connect(network.socket)
    for number in range(1, count):
        body = json.dumps({"flows": passing(FLOWS, number * FLOWS)})
        connection.request("PUT", f"/v1/services/s{number}/flows/0?wait=0", body)
        answer = connection.getresponse()
        said = answer.read()
        if answer.status != 200:
            raise RuntimeError(f"s{number}: {answer.status} {said[:300]!r}")
        if number % 100 == 0:
            progress(f"services: {number * FLOWS} flows are told")
    connection.close()
    network.in_force()
    _all_there(network, count * FLOWS)


def _all_there(network: Network, least: int) -> int:
    network.until(lambda: network.switch_flows() >= least, "all flows to be on the switch", within=LASTING)
    return network.switch_flows()


def _used(network: Network, program: Program, switch: int, first: int) -> Row:
    memory = {name: held(network, of) for name, of in (("server", "server"), ("agent", NODE))}
    changes = [1000 * program.add(switch, 1, first + number) for number in range(CHANGES)]
    with Trips(network) as trips:
        trips.take(200)
        found = trips.take(TRIPS)
    return {
        **{f"memory: {name}": size for name, size in memory.items()},
        "one more flow-mod, until its barrier is answered": spread(changes, "ms"),
        "round trip of a packet: median": spread(found, "µs"),
        "round trip of a packet: 99th percentile": figure(quantiles(found, n=100)[-1], "µs"),
        "flows on the switch": f"{network.switch_flows():,}",
    }


def _anew(network: Network, program: Program, switch: int) -> Row:
    flows = network.switch_flows()
    found: Row = {}
    progress("services: another server")
    network.kill("server")
    clock = Clock()
    network.start_server()
    found["server anew: first answer"] = figure(clock.seconds(), "s")
    network.in_force()
    found["server anew: agent back, and compared"] = figure(clock.seconds(), "s")
    program.wait_for(switch)
    program.add(switch, 1, 3 * CHANGES)
    found["server anew: a controller's flow-mod in force"] = figure(clock.seconds(), "s")
    progress("services: another agent")
    network.kill(NODE)
    network.until(lambda: network.agent_state() == "absent", "the server to miss the agent")
    clock = Clock()
    network.start_agent(NODE)
    network.in_force()
    found["agent anew: compared, nothing to change"] = figure(clock.seconds(), "s")
    progress("services: another switch")
    clock = Clock()
    network.lab.restart_switch(NODE, kill9=True)
    _all_there(network, flows + 1)
    found["switch anew: all flows in force"] = figure(clock.seconds(), "s")
    return found
