"""An IDS on a tap: it sees copies and nothing else, so that what it sees has arrived; and it shuts out whoever attacks.

The IDS reads the frames at its port, as any sniffer does. What it wants done it says over HTTP: a whole table of flows,
with the token of its service. ``python examples/services/ids.py`` shows it; with ``--watch`` the IDS runs until Ctrl-C.
"""

from __future__ import annotations

import json
import selectors
import socket
import sys
import threading
from pathlib import Path
from typing import Any

from common import Place, Service, brought_up, say, title, until, verdict, watch

FILE = Path(__file__).with_name("ids.yaml")
SERVER = "10.0.0.20"
PATTERN = b"/etc/passwd"
"""What an attack is known by."""
_ALL = 0x0003
"""ETH_P_ALL."""


class Ids:
    """Reads copies at ``tap`` in a thread of its own, and has ``service`` shut the ports that attacks come from."""

    def __init__(self, tap: socket.socket, service: Service) -> None:
        self.copies = self.attacks = 0
        self.blocked: list[str] = []
        """The names of the ports that it has shut."""
        self.told: list[str] = []
        self._tap = tap
        self._service = service
        self.flows: list[dict[str, Any]] = []
        """What it has put into the table."""
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._read, name="ids", daemon=True)

    def __enter__(self) -> Ids:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        self._thread.join(5)
        self._tap.close()

    def _read(self) -> None:
        with selectors.DefaultSelector() as ready:
            ready.register(self._tap, selectors.EVENT_READ)
            while not self._over.is_set():
                if ready.select(0.1):
                    frame = self._tap.recv(65536)
                    self.copies += 1
                    if PATTERN in frame:
                        self.attacks += 1
                        self._shut_out(frame[6:12])

    def _shut_out(self, mac: bytes) -> None:
        """The port with this address. Which port that is the virtual switch says."""
        for port in self._service.ask("GET")["ports"]:
            if port["mac"] == mac.hex(":") and port["name"] not in self.blocked:
                self.flows.append({"priority": 100, "match": {"in_port": port["number"]}, "instructions": []})
                self._service.put(self.flows)
                self.blocked.append(port["name"])
                self.told.append(f"{port['name']} attacked, and is shut out")


def tap_of(place: Place) -> socket.socket:
    """All that comes to the interface of the IDS."""
    tap = place.within("ids", lambda: socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(_ALL)))
    tap.bind(("ids", 0))
    return tap


def get(place: Place, host: str, path: str = "/") -> str:
    """The first line of the answer; empty where there is none."""
    words = ["curl", "-sI", "--path-as-is", "--max-time", "1", f"http://{SERVER}{path}"]
    line = place.exec(host, *words, shown=True).partition("\n")[0].strip()
    say(f"  {line or 'nothing, for 1 second'}")
    return line


def sent(place: Place) -> int:
    """How many packets the IDS's interface has sent."""
    return int(place.exec("ids", "cat", "/sys/class/net/ids/statistics/tx_packets"))


def main() -> int:
    title("A network of three nodes: vm1 on n1, vm2 on n2, a web server on n3; an IDS on n2 gets copies")
    place = brought_up(FILE)
    service = Service(place, "alarm")
    service.put([])  # what an earlier run has left
    with Ids(tap_of(place), service) as ids:
        return watch("IDS", ids.told) if "--watch" in sys.argv else story(place, service, ids)


def story(place: Place, service: Service, ids: Ids) -> int:
    title("Both ask for a page; the IDS sees copies of what they send, the server's answers come by themselves")
    both = [get(place, "vm1"), get(place, "vm2")]
    copies = ids.copies
    say(f"  copies that the IDS has seen: {copies}; packets that it has sent: {sent(place)}")

    title("vm1 attacks; the attack arrives, for an IDS holds up nothing, and is vm1's last")
    attack = get(place, "vm1", "/../../etc/passwd")
    until(lambda: ids.blocked, "the IDS to shut somebody out")
    say(f"  the IDS has seen {ids.attacks} packets with {PATTERN.decode()}, and shut out {ids.blocked}")
    say(f"  it has PUT at /v1/services/alarm/flows/0: {json.dumps({'flows': ids.flows})}")

    title("vm1 tries again")
    seen, dropped = ids.copies, service.packets()
    again = get(place, "vm1")
    more = service.packets() - dropped
    say(f"  copies that came to the IDS meanwhile: {ids.copies - seen}; packets that n1 dropped: {more}")
    unseen = ids.copies == seen

    title("vm2 goes on")
    neighbour = get(place, "vm2")
    status = verdict(
        {
            "both were answered, and the IDS saw them": all(both) and copies > 0,
            "the attack was answered too": bool(attack),
            "vm1 alone is shut out": ids.blocked == ["vm1"],
            "nothing of vm1 is seen any more": not again and unseen,
            "its packets end where they enter": more > 0,
            "vm2 is served, and watched": bool(neighbour) and ids.copies > seen,
            "the IDS has sent no packet": sent(place) == 0,
        }
    )
    say(f"""
The network is still up, and vm1 is still shut out. Try, with its address in SEGUE_SERVER={place.url}:
  segue trace 'vm1 > server tcp 40000 > 80'              where its packets end
  segue lab exec --lab ids ids tcpdump -ni ids           the copies, in another terminal
  examples/services/ids.py --watch                       the IDS again, until Ctrl-C; it begins with nobody shut out
  segue lab exec --lab ids vm2 curl -I --path-as-is http://{SERVER}/../../etc/passwd
  make clean                                             remove all of it
(`segue` is .venv/bin/segue)""")
    return status


if __name__ == "__main__":
    sys.exit(main())
