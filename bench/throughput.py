"""What a chain costs the packets that it carries, for each encapsulation, against the same path without a chain.

    direct     client - n3 ===== n1 - server                         what the chain's detour adds is not its fault
    by hand    client - n3 ===== n2 - router - n2 ===== n1 - server  the same nodes, a visit to a namespace, no chain
    chain      client - n3 ===== n2 - bridge - n2 ===== n1 - server  with each encapsulation

``by hand`` is what people do without chains: two networks, and a Linux router between them. The function of the
chains is a Linux bridge, the cheapest bump in the wire that there is. The same three again with all of it on one node,
where nothing is encapsulated. Bulk TCP goes there this way, and its acknowledgements directly in all cases; and small
datagrams, as many as arrive. Sender, receiver and all switches share the machine's processors, so a ratio is one of
cost.
"""

from __future__ import annotations

import json
import time
from typing import Any

from tests.e2e.fabric import Fabric, host, mac_of

from bench.report import Table, progress, ratio, spread
from segue.lab.spec import LabHost, LabPort

PORTS = {"nsh": 5201, "mpls": 5202, "none": 5203}
"""Server ports: which chain a packet enters is in its destination port."""
PLACES = {"remote": ("n3", "n2", "n1"), "local": ("n1", "n1", "n1")}
"""Client, function, server."""
SMALL = 64
"""Bytes of payload."""
ATTEMPTS = 3
"""iperf3 begins with a single datagram, and gives up when that is lost, as after a flood it may be."""


def bridge(name: str, node: str) -> LabHost:
    """Between NAME-in and NAME-out, the kernel's bridge, which learns nothing and asks nothing."""
    ports = tuple(LabPort(f"{name}-{w}", mac_of(f"{name}-{w}"), interface=f"{name}-{w}"[:15]) for w in ("in", "out"))
    both = " && ".join(f"ip link set {port.interface} master br0" for port in ports)
    make = f"ip link add br0 type bridge mcast_snooping 0 ageing_time 0 && {both} && ip link set br0 up"
    return LabHost(name, node, ports, (make,))


def router(name: str, node: str, *addresses: str) -> LabHost:
    ports = tuple(
        LabPort(f"{name}-{number}", mac_of(f"{name}-{number}"), (address,), interface=f"eth{number}")
        for number, address in enumerate(addresses)
    )
    return LabHost(name, node, ports, forward=True)


class Place:
    """One client, function, router and server, their addresses numbered by ``number``."""

    def __init__(self, name: str, number: int) -> None:
        self.name = name
        self.client, self.middle, self.server = PLACES[name]
        self.near, self.far = f"10.{number}.0", f"10.{number}.1"

    def hosts(self) -> list[LabHost]:
        way = f"ip route add {self.far}.0/24 via {self.near}.3"
        # Each bound to its address, for UDP answers come from there.
        listen = tuple(f"iperf3 -s -B {address} -p {port}" for address, port in self.ways().values())
        client = host(f"{self.name}-client", self.client, f"{self.near}.1/24", run=[way])
        ports = (
            LabPort(f"{self.name}-server", mac_of(f"{self.name}-server"), (f"{self.near}.2/24",), interface="eth0"),
            LabPort(f"{self.name}-beyond", mac_of(f"{self.name}-beyond"), (f"{self.far}.2/24",), interface="eth1"),
        )
        server = LabHost(f"{self.name}-server", self.server, ports, listen)
        between = router(f"{self.name}-router", self.middle, f"{self.near}.3/24", f"{self.far}.3/24")
        return [client, server, between, bridge(f"{self.name}-fw", self.middle)]

    def intent(self) -> dict[str, Any]:
        """Networks, ports, and a chain for each encapsulation."""
        name, near, far = self.name, f"{self.name}-near", f"{self.name}-far"
        beyond = [f"{self.near}.0/24"]
        ports = {
            f"{name}-client": (near, self.client, f"{self.near}.1", [f"{self.far}.0/24"]),
            f"{name}-server": (near, self.server, f"{self.near}.2", [f"{self.far}.0/24"]),
            f"{name}-beyond": (far, self.server, f"{self.far}.2", []),
            f"{name}-router-0": (near, self.middle, f"{self.near}.3", [f"{self.far}.0/24"]),
            f"{name}-router-1": (far, self.middle, f"{self.far}.3", beyond),
        }
        chains = {}
        for encapsulation in ("nsh", "mpls"):
            for protocol in ("tcp", "udp"):
                match = {"from": f"{name}-client", "to": f"{name}-server", "protocol": protocol}
                chains[f"{name}-{encapsulation}-{protocol}"] = {
                    "match": match | {"destination_ports": PORTS[encapsulation]},
                    "through": [f"{name}-fw"],
                    "encapsulation": encapsulation,
                }
        return {
            "networks": {near: f"{self.near}.0/24", far: f"{self.far}.0/24"},
            "ports": {
                port: {"network": network, "node": node, "address": address, "allowed": allowed}
                for port, (network, node, address, allowed) in ports.items()
            },
            "instances": {f"{name}-fw": self.middle},
            "chains": chains,
        }

    def ways(self) -> dict[str, tuple[str, int]]:
        """By what is measured: where to send."""
        server = f"{self.near}.2"
        return {
            "direct": (server, PORTS["none"]),
            "by hand": (f"{self.far}.2", PORTS["none"]),
            "chain, nsh": (server, PORTS["nsh"]),
            "chain, mpls": (server, PORTS["mpls"]),
        }


def measure(fabric: Fabric, place: Place, way: tuple[str, int], kind: str, seconds: float) -> float:
    """Gigabits per second of TCP's payload, or thousands of datagrams per second, that arrived."""
    address, port = way
    command = ["iperf3", "-c", address, "-p", str(port), "-t", str(seconds), "-O", "0.5", "-J"]
    if kind == "udp":
        command += ["-u", "-b", "0", "-l", str(SMALL)]
    for _ in range(ATTEMPTS):
        done = fabric.exec(f"{place.name}-client", *command, timeout=seconds + 60)
        answer = json.loads(done.stdout)
        if "error" not in answer:
            break
        time.sleep(1.0)
    else:
        raise RuntimeError(f"iperf3: {answer['error']}")
    if kind == "tcp":
        return float(answer["end"]["sum_received"]["bits_per_second"]) / 1e9
    total = answer["end"]["sum"]
    return float((total["packets"] - total["lost_packets"]) / total["seconds"]) / 1e3


UNITS = {"tcp": ("TCP", "Gb/s"), "udp": (f"UDP, {SMALL} bytes", "kpps")}


def run(quick: bool) -> list[Table]:
    rounds, seconds = (2, 1.0) if quick else (12, 3.0)
    places = [Place(name, number) for number, name in enumerate(PLACES, 1)]
    taken: dict[tuple[str, str, str], list[float]] = {}
    with Fabric([host for place in places for host in place.hosts()], drain=0.2) as fabric:
        for place in places:
            fabric.apply({"nodes": fabric.nodes} | place.intent())
        for number in range(rounds):
            for kind in UNITS:
                for place in places:
                    progress(f"throughput: round {number + 1} of {rounds}, {kind}, {place.name}")
                    for name, way in place.ways().items():
                        found = measure(fabric, place, way, kind, seconds)
                        taken.setdefault((kind, place.name, name), []).append(found)
        _check(fabric)
    return [_table(kind, taken, rounds, seconds) for kind in UNITS]


def _check(fabric: Fabric) -> None:
    """Whether the chains were what carried the packets, by their counters."""
    for chain in fabric.status()["chains"]:
        left = [c["packets"] for c in chain["counters"] if c["step"] == "left"]
        if sum(left) < 1000:
            raise RuntimeError(f"chain {chain['name']} carried {left} packets: nothing was measured")


def _table(kind: str, taken: dict[tuple[str, str, str], list[float]], rounds: int, seconds: float) -> Table:
    title, unit = UNITS[kind]
    rows = []
    for place in PLACES:
        by_hand = taken[kind, place, "by hand"]
        for (of, where, name), values in taken.items():
            if (of, where) == (kind, place):
                direct = ratio(values, taken[kind, place, "direct"])
                rows.append([f"{place}: {name}", spread(values, unit), direct, ratio(values, by_hand)])
    note = (
        f"What arrived; {rounds} rounds of {seconds:g} s each, in turns; median (first to ninth decile). `direct`: two "
        f"nodes, no function. `by hand`: the chain's nodes, with a Linux router in the function's place and no chain. "
        f"`local`: all of it on one node."
    )
    return Table(f"throughput: {title}", ["", "median", "to direct", "to by hand"], rows, note)
