"""A load balancer that sees the first packet of each connection, and none after it.

Clients connect to its address. It has two switches of the network's, both with the clients' ports: what these send
passes `forth`, what they get passes `back`. A connection's first packet comes to it from `forth`. It chooses a server,
and puts a flow in either switch, by which client and server speak with each other directly, from node to node.

``python examples/services/balancer.py [CONNECTIONS]`` shows it.
"""

from __future__ import annotations

import json
import sys
import threading
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from statistics import median
from struct import unpack_from
from typing import Any, NamedTuple
from zlib import crc32

from common import Place, Service, brought_up, conducted, say, title, verdict

from segue.openflow import CONTROLLER, NORMAL, TABLE, App, FlowMod, Output, PacketIn, PacketOut, SetField, SwitchUp
from segue.packet.addresses import derived_mac

FILE = Path(__file__).with_name("balancer.yaml")
CLIENTS = ("client1", "client2")
AT_ONCE = 32
"""Connections of either client that are under way at a time."""
IDLE = 120
"""Seconds without a packet after which the switches forget a connection."""
TCP = {"eth_type": 0x0800, "ip_proto": 6}
SYN = (0x02, 0x12)
"""The flags of a connection's first packet: SYN, and not ACK. Others do not come here even while a switch still does
with some what its flows said a moment ago."""


class Host(NamedTuple):
    ip: str
    mac: int


OWN = Host("10.0.0.100", derived_mac("port", "balancer"))
SERVERS = [Host(f"10.0.0.2{i}", derived_mac("port", f"server{i}")) for i in (1, 2, 3)]


class Balancer:
    """``forth`` and ``back``: datapath ids of its switches. ``own``: whom clients believe to speak with."""

    def __init__(self, forth: int, back: int, own: Host, servers: Sequence[Host]) -> None:
        self.app = App("balancer", table_miss=False)
        self.ready = threading.Event()
        self.packets = 0
        """That it has seen."""

        @self.app.on(SwitchUp)
        async def up(switch, event):  # type: ignore[no-untyped-def]
            if switch.id == forth:
                await switch.request(
                    FlowMod({**TCP, "ipv4_dst": own.ip, "tcp_flags": SYN}, [Output(CONTROLLER)], priority=1)
                )
                self.ready.set()

        @self.app.on(PacketIn)
        async def connects(switch, msg):  # type: ignore[no-untyped-def]
            self.packets += 1
            client, _, port, service = unpack_from("!IIHH", msg.data, 26)
            # The same one for the same connection: its first packet may have been sent twice.
            server = servers[crc32(msg.data[26:36]) % len(servers)]
            asks = {**TCP, "ipv4_src": client, "ipv4_dst": own.ip, "tcp_src": port, "tcp_dst": service}
            answers = {**TCP, "ipv4_src": server.ip, "ipv4_dst": client, "tcp_src": service, "tcp_dst": port}
            to_server = SetField("eth_dst", server.mac), SetField("ipv4_dst", server.ip), Output(NORMAL)
            to_client = SetField("eth_src", own.mac), SetField("ipv4_src", own.ip), Output(NORMAL)
            # The way back is there before anything can come along it.
            ways = switch.controller.switches
            await ways[back].request(FlowMod(answers, to_client, priority=2, idle_timeout=IDLE))
            return [
                FlowMod({**asks, "in_port": msg.in_port}, to_server, priority=2, idle_timeout=IDLE),
                PacketOut(in_port=msg.in_port, actions=[Output(TABLE)], data=msg.data),
            ]


def switch_of(service: Service) -> int:
    """Its datapath id."""
    return int(service.ask("GET")["datapath_id"], 16)


def connect(place: Place, own: Host, count: int) -> dict[str, Any]:
    """``count`` connections, an equal share from each client; what both have found."""

    def of(client: str) -> dict[str, Any]:
        words = ["ask", own.ip, "80", str(count // len(CLIENTS)), str(AT_ONCE)]
        program = str(FILE.with_name("connections.py"))
        found: dict[str, Any] = json.loads(place.exec(client, sys.executable, program, *words, timeout=600))
        return found

    with ThreadPoolExecutor() as pool:
        found = list(pool.map(of, CLIENTS))
    servers = {name: sum(one["servers"].get(name, 0) for one in found) for one in found for name in one["servers"]}
    return {
        "seconds": max(one["seconds"] for one in found),
        "servers": dict(sorted(servers.items())),
        "errors": [one["errors"] for one in found if one["errors"]],
        "retransmitted": sum(one["retransmitted"] for one in found),
        "first": sorted(seconds for one in found for seconds in one["first"]),
        "later": sorted(seconds for one in found for seconds in one["later"]),
    }


def received(place: Place, host: str) -> int:
    """Packets that have come to a host's port."""
    return int(place.exec(host, "cat", "/sys/class/net/eth0/statistics/rx_packets"))


def times(seconds: list[float]) -> str:
    if not seconds:
        return "none"
    return f"median {median(seconds) * 1e3:.2f} ms, 99 of 100 within {seconds[len(seconds) * 99 // 100] * 1e3:.2f} ms"


def main() -> int:
    count = int(sys.argv[1]) if len(sys.argv) > 1 else 1000
    title("A network of three nodes with two clients, three servers, and a balancer")
    place = brought_up(FILE)
    forth, back = Service(place, "forth"), Service(place, "back")
    for service in (forth, back):
        service.put([])  # what an earlier run has left
    balancer = Balancer(switch_of(forth), switch_of(back), OWN, SERVERS)
    with conducted(balancer.app, forth, back) as controller:
        balancer.ready.wait(15)
        title(f"{count} connections to {OWN.ip}, {AT_ONCE} of either client at a time")
        before = received(place, "balancer")
        found = connect(place, OWN, count)
        say(f"  answered by:              {found['servers']}; not at all: {found['errors'] or 'none'}")
        say(f"  connections per second:   {count / found['seconds']:.0f}")
        say(f"  a connection's first packet and its answer:  {times(found['first'])}")
        say(f"  a later one and its answer:                  {times(found['later'])}")

        title("What passed the balancer")
        after = received(place, "balancer")
        flows = forth.flows(), back.flows()
        first = [flow for flow in flows[0] if flow["priority"] == 1]
        wired = [flow for flow in flows[0] if flow["priority"] == 2]
        later = sum(flow["packet_count"] for way in flows for flow in way) - first[0]["packet_count"]
        say(f"  packets that it saw:      {balancer.packets}, of them sent a second time: {found['retransmitted']}")
        say(f"  that its flow counted:    {first[0]['packet_count']}")
        say(f"  packets at its own port:  {after - before}")
        say(f"  its flows:                {len(wired)} forth, {len(flows[1])} back; packets in them: {later}")
        refusals = controller.refusals
    status = verdict(
        {
            "every connection was answered, by all servers": sum(found["servers"].values()) == count
            and len(found["servers"]) == len(SERVERS),
            "it saw a packet of each, the first": 0 <= balancer.packets - count <= found["retransmitted"],
            "its own port got none": after == before,
            "there is a flow either way for each": len(wired) == len(flows[1]) == count,
            "all else went by them": later > 8 * count,
            "nothing was refused to it": not refusals,
        }
    )
    say(f"""
The network is still up, and its flows stay until nothing has met them for {IDLE} seconds; no new ones come. Try:
  export SEGUE_SERVER={place.url}
  segue service list                                     both services, their ports and flows
  segue lab exec --lab balancer client1 ip neigh         what the client knows of {OWN.ip}
  examples/services/balancer.py 10000                    the balancer again
  make clean                                             remove all of it
(`segue` is .venv/bin/segue)""")
    return status


if __name__ == "__main__":
    sys.exit(main())
