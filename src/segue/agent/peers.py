"""Keeps the tunnels' neighbors resolved.

The userspace datapath learns a tunnel peer's MAC address from ARP replies that it forwards, and a packet that comes
before is lost. So the node's own kernel speaks to every peer when it becomes known, and from time to time after: a
datagram to the discard port (RFC 863), which makes the kernel resolve the address through the switch.
"""

from __future__ import annotations

import asyncio
import contextlib
import socket

from segue.packet.addresses import parse_ip

DISCARD = 9
EVERY = 60.0
"""Seconds; Open vSwitch forgets a neighbor that was not used for 15 minutes."""


class Peers:
    def __init__(self) -> None:
        self._addresses: dict[str, str] = {}

    def set(self, name: str, address: str | None) -> None:
        if address is None:
            self._addresses.pop(name, None)
        elif self._addresses.get(name) != address:
            self._addresses[name] = address
            greet(address)

    def greet_all(self) -> None:
        for address in self._addresses.values():
            greet(address)

    async def run(self) -> None:
        while True:
            await asyncio.sleep(EVERY)
            self.greet_all()


def greet(address: str) -> None:
    """Best effort: while the underlay is down nothing else would pass either."""
    family = socket.AF_INET if parse_ip(address)[0] == 4 else socket.AF_INET6
    with contextlib.suppress(OSError), socket.socket(family, socket.SOCK_DGRAM) as s:
        s.setblocking(False)
        s.sendto(b"", (address, DISCARD))
