"""Names the application of a connection by its first packets, marks what follows, and sees no more of it.

Its flow for what nothing is known of is the table's last: to the controller, and on. Once it knows the application it
puts a flow for either direction before that one: with the application's DSCP and, where it has one, through its meter.

``python examples/services/dpi.py`` shows it.
"""

from __future__ import annotations

import socket
import sys
import threading
import time
from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from pathlib import Path
from struct import unpack_from
from typing import NamedTuple

from common import Place, Service, brought_up, conducted, say, title, verdict

from segue.openflow import (
    CONTROLLER,
    NORMAL,
    App,
    FlowMod,
    FlowModFlags,
    FlowRemoved,
    GotoTable,
    MeterAction,
    MeterCommand,
    MeterDrop,
    MeterFlags,
    MeterMod,
    MeterNumber,
    Output,
    PacketIn,
    SetField,
    SwitchUp,
)

FILE = Path(__file__).with_name("dpi.yaml")
SERVER, PORT = "10.0.0.20", 9000
TCP = {"eth_type": 0x0800, "ip_proto": 6}
IDLE = 60
PATIENCE = 8
"""Once either side has sent so many packets, nobody looks any more what it is that they speak."""
SETTLING, SECONDS = 1.0, 2.0
"""How long a client listens until it looks, and while it does."""
ETH_P_IP = socket.htons(0x0800)


End = tuple[int, int]
"""An address and a port."""
Connection = frozenset[End]


class Application(NamedTuple):
    """``says``: what one side begins with. ``dscp``: RFC 4594, RFC 8622. ``rate``: kbit/s at most, 0 for any."""

    says: bytes
    dscp: int
    rate: int = 0


APPLICATIONS = {
    "ssh": Application(b"SSH-2.0-", 18),
    "http": Application(b"GET ", 10),
    "bittorrent": Application(b"\x13BitTorrent protocol", 1, 4000),
    "other": Application(b"", 0),
}
SAYINGS = {
    "ssh": b"SSH-2.0-OpenSSH_9.2p1 Debian-2+deb12u3\r\n",
    "http": b"GET / HTTP/1.1\r\nHost: 10.0.0.20\r\n\r\n",
    "bittorrent": b"\x13BitTorrent protocol" + bytes(48),
    "other": b"\0\0\0\x2dhello",
}
METERS = {name: number for number, name in enumerate(APPLICATIONS, 1) if APPLICATIONS[name].rate}


class Dpi:
    def __init__(self) -> None:
        self.app = App("dpi", table_miss=False)
        self.ready = threading.Event()
        self.packets: Counter[int] = Counter()
        """That it has seen, by the client's port."""
        self.named: dict[Connection, str] = {}
        """Those in whose packets there are flows now."""
        looked: Counter[tuple[End, End]] = Counter()

        @self.app.on(SwitchUp)
        async def up(switch, event):  # type: ignore[no-untyped-def]
            miss = FlowMod({}, [Output(CONTROLLER), Output(NORMAL)], table_id=1, priority=0)
            none = MeterMod(MeterCommand.DELETE, meter_id=MeterNumber.ALL)  # that an earlier run has left
            switch.send(none, *map(limit, METERS), miss, FlowMod(TCP, instructions=[GotoTable(1)]))
            await switch.barrier()
            self.ready.set()

        @self.app.on(PacketIn)
        def packet_in(switch, msg):  # type: ignore[no-untyped-def]
            one, other = ends(msg.data)
            connection = frozenset((one, other))
            self.packets[max(one[1], other[1])] += 1
            if connection in self.named:
                return None  # it came before the flows
            looked[one, other] += 1
            name = application(msg.data)
            if not name and min(looked[one, other], looked[other, one]) < PATIENCE:
                return None
            del looked[one, other], looked[other, one]
            self.named[connection] = name or "other"
            return [*flows(name or "other", one, other)]

        @self.app.on(FlowRemoved)
        def removed(switch, msg):  # type: ignore[no-untyped-def]
            way = msg.match
            one, other = (way["ipv4_src"], way["tcp_src"]), (way["ipv4_dst"], way["tcp_dst"])
            self.named.pop(frozenset((one, other)), None)


def ends(frame: bytes) -> tuple[End, End]:
    """Address and port that a packet comes from, and those that it goes to."""
    source, destination, from_port, to_port = unpack_from("!IIHH", frame, 26)
    return (source, from_port), (destination, to_port)


def flows(name: str, one: End, other: End) -> Iterator[FlowMod]:
    """One for either direction. They keep a connection from the table's last flow, and so from the controller."""
    dscp, rate = APPLICATIONS[name].dscp, APPLICATIONS[name].rate
    actions = [*([MeterAction(METERS[name])] if rate else []), SetField("ip_dscp", dscp), Output(NORMAL)]
    for source, destination in ((one, other), (other, one)):
        way = {"ipv4_src": source[0], "ipv4_dst": destination[0], "tcp_src": source[1], "tcp_dst": destination[1]}
        yield FlowMod(
            {**TCP, **way}, actions, table_id=1, priority=1, idle_timeout=IDLE, flags=FlowModFlags.SEND_FLOW_REM
        )


def limit(name: str) -> MeterMod:
    rate = APPLICATIONS[name].rate
    bands = [MeterDrop(rate, burst_size=rate // 10)]
    return MeterMod(MeterCommand.ADD, meter_id=METERS[name], flags=MeterFlags.KBPS | MeterFlags.BURST, bands=bands)


def application(frame: bytes) -> str:
    """The name of the application whose first words are in a packet; empty if they are nobody's."""
    payload = 14 + (frame[14] & 15) * 4
    payload += (frame[payload + 12] >> 4) * 4
    known = APPLICATIONS.items()
    return next((name for name, one in known if one.says and frame.startswith(one.says, payload)), "")


class Seen:
    """What comes to a host, by the client's port: octets of each DSCP, and the DSCP that came last."""

    def __init__(self, place: Place, host: str) -> None:
        self.octets: defaultdict[int, Counter[int]] = defaultdict(Counter)
        self.last: dict[int, int] = {}
        self._socket = place.within(host, lambda: socket.socket(socket.AF_PACKET, socket.SOCK_DGRAM, ETH_P_IP))
        threading.Thread(target=self._run, daemon=True).start()

    def _run(self) -> None:
        while True:
            packet, where = self._socket.recvfrom(1 << 16)
            if where[2] == socket.PACKET_OUTGOING or packet[9] != socket.IPPROTO_TCP:
                continue
            port, dscp = max(unpack_from("!HH", packet, (packet[0] & 15) * 4)), packet[1] >> 2
            self.octets[port][dscp] += len(packet)
            self.last[port] = dscp


class Heard(NamedTuple):
    """Of one connection. ``rate``: kbit/s that came to the client once it was named. ``first`` and ``later``: packets
    that the service has seen until then, and after. ``marks``: the DSCPs that either side then got."""

    name: str
    rate: float
    first: int
    later: int
    marks: set[int]


def serve(place: Place) -> None:
    """A server that talks to whoever says a word, as fast as it can; what it is told does not matter."""
    listener = place.within("server", lambda: socket.create_server(("", PORT)))

    def talk(connection: socket.socket) -> None:
        with connection:
            try:
                connection.recv(1000)
                while True:
                    connection.sendall(bytes(10_000))
            except OSError:
                pass  # the client has heard enough

    def accept() -> None:
        while True:
            threading.Thread(target=talk, args=(listener.accept()[0],), daemon=True).start()

    threading.Thread(target=accept, daemon=True).start()


def listen(place: Place, dpi: Dpi, says: bytes, sides: Sequence[Seen]) -> Heard:
    """What comes of saying this to the server."""
    with place.within("client", lambda: socket.create_connection((SERVER, PORT), timeout=10)) as connection:
        connection.sendall(says)
        port = connection.getsockname()[1]
        receive(connection, SETTLING)
        name = next((name for both, name in dpi.named.items() if any(end[1] == port for end in both)), "")
        first, before = dpi.packets[port], [Counter(side.octets[port]) for side in sides]
        rate = receive(connection, SECONDS) * 8 / 1000 / SECONDS
        later = dpi.packets[port] - first
        marks = {dscp for side, then in zip(sides, before, strict=True) for dscp in side.octets[port] - then}
    return Heard(name, rate, first, later, marks)


def receive(connection: socket.socket, seconds: float) -> int:
    """How many octets came meanwhile."""
    octets, end = 0, time.monotonic() + seconds
    while time.monotonic() < end:
        octets += len(connection.recv(1 << 16))
    return octets


def main() -> int:
    title("A network of two nodes, with a client on one and a server on the other")
    place = brought_up(FILE)
    service = Service(place, "dpi")
    for table in (0, 1):
        service.put([], table)  # what an earlier run has left
    dpi = Dpi()
    sides = [Seen(place, "client"), Seen(place, "server")]
    serve(place)
    with conducted(dpi.app, service) as controller:
        dpi.ready.wait(15)
        title(f"Four connections to {SERVER}, port {PORT}: what the client says first is all that tells them apart")
        heard = {}
        for name, says in SAYINGS.items():
            heard[name] = one = listen(place, dpi, says, sides)
            say(f"  {says[:20]!r}")
            say(f"    named {one.name}; {one.first} packets of it were seen, and then {one.later}")
            say(f"    DSCPs that came: {sorted(one.marks)}; {one.rate / 1000:.1f} Mbit/s")
        title("Its flows")
        listed = [flow for flow in service.flows() if flow["table_id"] == 1]
        for flow in listed:
            where = (
                "what is not known"
                if not flow["match"]
                else f"port {max(flow['match'][p] for p in ('tcp_src', 'tcp_dst'))}"
            )
            say(f"  {where}: {flow['packet_count']} packets")
        refusals = controller.refusals
    limited = APPLICATIONS["bittorrent"].rate
    status = verdict(
        {
            "each was named by what was said": all(one.name == name for name, one in heard.items()),
            "both sides get its mark, and no other": all(
                one.marks == {APPLICATIONS[name].dscp} for name, one in heard.items()
            ),
            f"bittorrent has {limited / 1000:g} Mbit/s and no more": limited / 8
            < heard["bittorrent"].rate
            < limited * 1.1,
            "the others have more": all(one.rate > 2 * limited for name, one in heard.items() if name != "bittorrent"),
            "no packet was seen once a connection was named": not any(one.later for one in heard.values()),
            "nothing was refused to it": not refusals,
        }
    )
    say(f"""
The network is still up. Try:
  export SEGUE_SERVER={place.url}
  segue service list                                     the service, its ports and flows
  segue trace 'client > server tcp 40000 > {PORT}'       what a packet of no known connection meets
  examples/services/dpi.py                               the same again
  make clean                                             remove all of it
(`segue` is .venv/bin/segue)""")
    return status


if __name__ == "__main__":
    sys.exit(main())
