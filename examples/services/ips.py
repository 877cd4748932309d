"""An IPS in a chain that shuts out, at its own port, the machine that attacks.

The IPS is two things that do not know of one another's making: a filter (``iptables -j NFQUEUE`` and the program below,
as Suricata or Snort do it), and a *service* of the network: an OpenFlow switch with the machines' ports, of which the
same program is the controller. What it puts there is in force where the packets of these ports enter the network.

``python examples/services/ips.py`` shows it; with ``--watch`` the IPS runs until Ctrl-C, for you to try it.
"""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path

from common import Place, Service, brought_up, conducted, say, title, until, verdict, watch
from nfqueue import ACCEPT, DROP, Queue

from segue.openflow import App, FlowMod, Started, Stopping, SwitchDown, SwitchUp
from segue.openflow.controller import Controller, Switch

FILE = Path(__file__).with_name("ips.yaml")
SERVER = "10.0.2.20"
PATTERN = b"${jndi:"
"""What an attack is known by: a request that has it makes old versions of Log4j load a program from elsewhere."""


class Ips:
    """Decides on the packets of ``queue``; ``app`` is to be run by an OpenFlow controller."""

    def __init__(self, queue: Queue) -> None:
        self.app = App("ips")
        self.seen = self.attacks = 0
        self.blocked: list[str] = []
        """The names of the ports that it has shut."""
        self.told: list[str] = []
        self._queue = queue
        self._switch: Switch | None = None

        @self.app.on(Started)
        def started(controller: Controller, event: Started) -> None:
            asyncio.get_running_loop().add_reader(queue, self._look)

        @self.app.on(Stopping)
        def stopping(controller: Controller, event: Stopping) -> None:
            asyncio.get_running_loop().remove_reader(queue)

        @self.app.on(SwitchUp)
        def up(switch: Switch, event: SwitchUp) -> None:
            self._switch = switch

        @self.app.on(SwitchDown)
        def down(switch: Switch, event: SwitchDown) -> None:
            self._switch = None

    def _look(self) -> None:
        for packet in self._queue.packets():
            self.seen += 1
            attack = PATTERN in packet.data
            self._queue.decide(packet, DROP if attack else ACCEPT)
            if attack:
                self.attacks += 1
                self._shut_out(packet.mac)

    def _shut_out(self, mac: bytes) -> None:
        """At the port with this address, which nobody but that port's machine can send from."""
        if self._switch is None:
            return  # its packets are filtered all the same
        for port in self._switch.ports.values():
            if port.hw_addr == int.from_bytes(mac) and port.name not in self.blocked:
                self._switch.send(FlowMod({"in_port": port.port_no}, (), priority=100))
                self.blocked.append(port.name)
                self.told.append(f"{port.name} attacked, and is shut out")


def get(place: Place, host: str, path: str = "/") -> bool:
    """Whether the host was answered."""
    words = ["curl", "-gsI", "--max-time", "1", f"http://{SERVER}{path}"]
    return place.exec(host, *words, shown=True).startswith("HTTP/")


def met(place: Place) -> dict[str, int]:
    """How many packets from either machine have come to the IPS's host, as its iptables counts them."""
    found = {}
    for machine in ("vm1", "vm2"):
        line = place.exec("ips", "iptables", "-nvxL", machine).splitlines()[2]
        found[machine] = int(line.split()[0])
    return found


def main() -> int:
    title("A network of three nodes: vm1 and vm2 on n1, a web server on n3, and between them an IPS on n2")
    place = brought_up(FILE)
    service = Service(place, "quarantine")
    service.put([])  # what an earlier run has left
    queue = place.within("ips", Queue)
    ips = Ips(queue)
    with conducted(ips.app, service):
        return watch("IPS", ips.told) if "--watch" in sys.argv else story(place, service, ips)


def story(place: Place, service: Service, ips: Ips) -> int:
    title("Both ask for a page; what they send passes the IPS")
    both = [answered(get(place, "vm1")), answered(get(place, "vm2"))]
    before = met(place)
    say(f"  packets that came to the IPS: {before}; its program has decided on {ips.seen}")

    title("vm1 attacks; the IPS drops that packet, and shuts out vm1 at its port on n1")
    attack = answered(get(place, "vm1", "/?name=${jndi:ldap://example/x}"))
    until(service.flows, "the flow")
    say(f"  the IPS has seen {ips.attacks} packets with {PATTERN.decode()!r}, and shut out {ips.blocked}")
    for flow in service.flows():
        say(f"  its flow: {flow['match']}, no action: drop")

    title("vm1 tries again, and anything else it can think of")
    shut, dropped = met(place), service.packets()
    again = answered(get(place, "vm1"))
    other = answered("1 received" in place.exec("vm1", "ping", "-c", "1", "-W", "1", "10.0.1.12", shown=True))
    after, more = met(place), service.packets()
    say(f"  packets that came to the IPS meanwhile: {after['vm1'] - shut['vm1']}; that n1 dropped: {more - dropped}")

    title("vm2 goes on")
    neighbour = answered(get(place, "vm2"))
    last = met(place)
    say(f"  packets of vm2 that came to the IPS: {last['vm2'] - after['vm2']}")
    status = verdict(
        {
            "both were answered, by way of the IPS": all(both) and min(before.values()) > 0,
            "the attack was not": not attack and ips.attacks > 0,
            "vm1 alone is shut out": ips.blocked == ["vm1"],
            "nothing of vm1 comes to the IPS or to vm2 any more": not (again or other) and last["vm1"] == shut["vm1"],
            "its packets end where they enter": more > dropped,
            "vm2 is served, by way of the IPS": neighbour and last["vm2"] > after["vm2"],
        }
    )
    say(f"""
The network is still up, and vm1 is still shut out. Try:
  export SEGUE_SERVER={place.url}
  segue trace 'vm1 > server tcp 40000 > 80'              where its packets end
  segue lab exec --lab ips ips iptables -nvL             what has come to the IPS
  examples/services/ips.py --watch                       the IPS again, until Ctrl-C; it begins with nobody shut out
  segue lab exec --lab ips vm2 curl -gI 'http://{SERVER}/?${{jndi:'
  make clean                                             remove all of it
(`segue` is .venv/bin/segue)""")
    return status


def answered(it_was: bool) -> bool:
    say("  answered" if it_was else "  nothing, for 1 second")
    return it_was


if __name__ == "__main__":
    sys.exit(main())
