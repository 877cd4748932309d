"""A stateful firewall in a chain that lets go of large transfers: they skip it, in the middle, without a break.

The firewall's own ruleset (bypass.nft) says which connections are large. The program below, its *service*, is an
OpenFlow controller: at the ports where such a connection enters the network it puts a flow for each direction, which
sends its packets straight to the other port, past the chain, but for those that begin or end a connection. Flows that
nothing has met for a while go by themselves; if the connection is not over, its next packets pass the firewall.

``python examples/services/bypass.py`` shows it; with ``--watch`` the program runs until Ctrl-C, for you to try it.
"""

from __future__ import annotations

import asyncio
import itertools
import json
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

from common import Place, Service, brought_up, conducted, say, title, until, verdict, watch

from segue.openflow import (
    NORMAL,
    App,
    FlowMod,
    FlowModFlags,
    FlowRemoved,
    Output,
    SetField,
    Stopping,
    SwitchDown,
    SwitchUp,
)
from segue.openflow.controller import Controller, Switch

FILE = Path(__file__).with_name("bypass.yaml")
SERVER = "10.0.2.20"
PORT = 40000
"""The client's, of the large transfer and of what it asks afterwards: so only time tells the two apart."""
IDLE = 3
"""Seconds without a packet after which a connection is one as any other again."""
FIN, SYN, RST = 1, 2, 4
LOOK = 0.1
"""Seconds between two looks at what the firewall calls large."""


class Direction(NamedTuple):
    """Of a connection, as the firewall tells of it. ``mac``: of who sends."""

    mac: str
    source: str
    source_port: int
    destination: str
    destination_port: int

    def __str__(self) -> str:
        return f"{self.source}:{self.source_port} to {self.destination}:{self.destination_port}"

    @property
    def back(self) -> tuple[str, int, str, int]:
        return (self.destination, self.destination_port, self.source, self.source_port)


class Bypass:
    """``large`` says which directions of connections may skip the function, ``forget`` takes one off that list;
    ``app`` is to be run by an OpenFlow controller."""

    def __init__(self, large: Callable[[], set[Direction]], forget: Callable[[Direction], None]) -> None:
        self.app = App("bypass")
        self.skipping: dict[int, Direction] = {}
        """By the cookie of their flows."""
        self.ended: list[FlowRemoved] = []
        """The flows that have gone, with what they have counted."""
        self.told: list[str] = []
        self._large = large
        self._forget = forget
        self._cookies = itertools.count(1)
        self._one_at_a_time = asyncio.Lock()
        self._switch: Switch | None = None

        @self.app.on(SwitchUp)
        async def up(switch: Switch, event: SwitchUp) -> None:
            self._switch = switch
            switch.send(*always())
            while self._switch is switch:
                async with self._one_at_a_time:
                    await self._look(switch)
                await asyncio.sleep(LOOK)

        @self.app.on(SwitchDown)
        def down(switch: Switch, event: SwitchDown) -> None:
            self._switch = None

        @self.app.on(Stopping)
        def stopping(controller: Controller, event: Stopping) -> None:
            self._switch = None

        @self.app.on(FlowRemoved)
        async def removed(switch: Switch, msg: FlowRemoved) -> None:
            async with self._one_at_a_time:
                if msg.cookie in self.skipping:
                    await asyncio.to_thread(self._forget, self.skipping[msg.cookie])
                    self.told.append(f"{self.skipping.pop(msg.cookie)} is over: {msg.byte_count:,} bytes")
                    self.ended.append(msg)

    async def _look(self, switch: Switch) -> None:
        large = await asyncio.to_thread(self._large)
        ports = {port.hw_addr: port.port_no for port in switch.ports.values()}
        senders = {one[1:]: one for one in large}
        for one in large.difference(self.skipping.values()):
            peer = senders.get(one.back)  # once both directions are there, each names the other's address
            if peer is not None:
                cookie = next(self._cookies)
                self.skipping[cookie] = one
                self.told.append(f"{one} skips the firewall")
                switch.send(straight(one, peer, ports, cookie))


def always() -> list[FlowMod]:
    """How connections begin and end the function always sees: so it knows which there are."""
    tcp = {"eth_type": 0x0800, "ip_proto": 6}
    return [FlowMod({**tcp, "tcp_flags": (flag, flag)}, (Output(NORMAL),), priority=100) for flag in (FIN, SYN, RST)]


def straight(one: Direction, peer: Direction, ports: dict[int, int], cookie: int) -> FlowMod:
    """What ``one`` sends goes to the port of ``peer``, addressed to it as the router would have done."""
    there = int(peer.mac.replace(":", ""), 16)
    match: dict[str, int | str | tuple[int, int]] = {
        "in_port": ports[int(one.mac.replace(":", ""), 16)],
        "eth_type": 0x0800,
        "ip_proto": 6,
        "ipv4_src": one.source,
        "ipv4_dst": one.destination,
        "tcp_src": one.source_port,
        "tcp_dst": one.destination_port,
    }
    actions = (SetField("eth_dst", there), Output(ports[there]))
    return FlowMod(match, actions, priority=10, idle_timeout=IDLE, cookie=cookie, flags=FlowModFlags.SEND_FLOW_REM)


def large_in(place: Place) -> set[Direction]:
    """What the firewall's set holds."""
    ruleset = json.loads(place.exec("firewall", "nft", "-j", "list", "set", "inet", "firewall", "large"))
    elements = next(entry["set"] for entry in ruleset["nftables"] if "set" in entry).get("elem", [])
    return {Direction(*one.get("elem", one).get("val", one)["concat"]) for one in elements}


def forget_in(place: Place, one: Direction) -> None:
    """The firewall's set has it no more, until its next packet there."""
    element = f"{{ {' . '.join(map(str, one))} }}"
    place.exec("firewall", "nft", "delete", "element", "inet", "firewall", "large", element)


def large_flows(service: Service) -> list[dict[str, Any]]:
    """Those of large transfers."""
    return [flow for flow in service.flows() if flow["idle_timeout"]]


def seen(place: Place) -> int:
    """How many bytes have come to the firewall."""
    words = place.exec("firewall", "nft", "list", "counter", "inet", "firewall", "seen").split()
    return int(words[words.index("bytes") + 1])


class Transfer:
    """The client fetches ``large``, no faster than 10 MB a second, so that there is time to look."""

    def __init__(self, place: Place) -> None:
        self._place = place
        self._file = place.lab.state.own("client") / "large"
        command = ["curl", "-s", "--limit-rate", "10M", "--max-time", "60", "--local-port", str(PORT)]
        command += ["-o", str(self._file), f"http://{SERVER}/large"]
        say(f"$ segue lab exec --lab {place.name} client {' '.join(command)}")
        self._file.parent.mkdir(parents=True, exist_ok=True)
        self._file.unlink(missing_ok=True)
        self._process = place.lab.popen("client", command, stdout=subprocess.DEVNULL)

    @property
    def over(self) -> bool:
        return self._process.poll() is not None

    @property
    def pid(self) -> int:
        return self._process.pid

    @property
    def received(self) -> int:
        return self._file.stat().st_size if self._file.exists() else 0

    def digests(self) -> tuple[str, str]:
        """Of what the server has, and of what the client has got."""
        sums = [self._place.exec(host, "sh", "-c", 'sha256sum < "$LAB_DIR/large"') for host in ("server", "client")]
        return sums[0].split()[0], sums[1].split()[0]


def get_small(place: Place, *options: str) -> str:
    return place.exec(
        "client", "curl", "-s", "--max-time", "10", *options, f"http://{SERVER}/small", shown=True
    ).strip()


def main() -> int:
    title("A network of three nodes: a client on n1, a server on n3, and between them a stateful firewall on n2")
    place = brought_up(FILE)
    service = Service(place, "fast")
    service.put([])  # what an earlier run has left
    place.exec("firewall", "nft", "flush", "set", "inet", "firewall", "large")
    bypass = Bypass(lambda: large_in(place), lambda one: forget_in(place, one))
    with conducted(bypass.app, service):
        return watch("program", bypass.told) if "--watch" in sys.argv else story(place, service, bypass)


def story(place: Place, service: Service, bypass: Bypass) -> int:
    title("Something small; it passes the firewall")
    before = seen(place)
    small = get_small(place)
    through = seen(place) - before
    say(f"  {small!r}; bytes that came to the firewall: {through}")

    title("A large transfer, 50 MB; the firewall lets go of it at 2 MB")
    before, rows = seen(place), []
    transfer = Transfer(place)
    say("  received     bytes at the firewall")
    while not transfer.over:
        time.sleep(0.5)
        rows.append((transfer.received, seen(place) - before))
        say(f"  {rows[-1][0]:>10,}   {rows[-1][1]:>10,}" + ("" if len(bypass.skipping) < 2 else "   skips it"))
    sent, got = transfer.digests()
    say(f"  digest at the server {sent[:16]}, at the client {got[:16]}")

    title(f"It is over; {IDLE} s later its flows are")
    until(lambda: len(bypass.ended) == 2, "the flows to time out", IDLE + 15)
    for flow in bypass.ended:
        way = f"went straight from port {flow.match['in_port']}"
        say(f"  {flow.packet_count:>6} packets, {flow.byte_count:>10,} bytes, {way}")
    left = large_flows(service)

    title("The client's next connection, from the same port of its; it passes the firewall")
    before = seen(place)
    again = get_small(place, "--local-port", str(PORT))
    back = seen(place) - before
    say(f"  {again!r}; bytes that came to the firewall: {back}")
    size = transfer.received
    still = [at for received, at in rows if received > size // 2]
    status = verdict(
        {
            "what is small passes the firewall": small == "hello" and through > 0,
            "the transfer came whole": sent == got,
            "the firewall saw its beginning": 0 < rows[0][1] < size // 2,
            "and then nothing of it but its end": still[-1] - still[0] < 10_000,
            "the rest went by the service's flows": sum(flow.byte_count for flow in bypass.ended) > size // 2,
            "they are gone": not left,
            "the next connection passes the firewall": again == "hello" and back > 0,
        }
    )
    say(f"""
The network is still up. Try, with its address in SEGUE_SERVER={place.url}:
  examples/services/bypass.py --watch                    the program again, until Ctrl-C
  segue lab exec --lab bypass client curl --limit-rate 10M -o /dev/null http://{SERVER}/large
  segue lab exec --lab bypass firewall nft list ruleset  what the firewall has seen, and what it calls large
  segue delete service fast                              and it sees all of it again
  make clean                                             remove all of it
(`segue` is .venv/bin/segue)""")
    return status


if __name__ == "__main__":
    sys.exit(main())
