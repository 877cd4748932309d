"""Keeps the tunnels' neighbors resolved.

The userspace datapath needs a tunnel peer's MAC address, and loses the packets that come before it knows it. It learns
addresses from answers that it happens to see, which is not always in time. So the node's own kernel is made to resolve
every peer when it becomes known, and from time to time after (a datagram to the discard port, RFC 863), and what the
kernel knows is told to the datapath, which would forget a neighbor not used for 15 minutes.

Behind a router of the underlay it is the router's address that is resolved. To a peer with no route there is nothing to
resolve; whether there is one now is asked as often as for a peer that does not answer.

Where the kernel is the datapath, it resolves by itself, and there is nobody to tell: that is no error.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import logging
import socket
from pathlib import Path

from segue.drivers.ovs.control import ControlError, appctl
from segue.packet.addresses import parse_ip

log = logging.getLogger(__name__)

DISCARD = 9
EVERY = 60.0
UNRESOLVED_EVERY = 2.0
"""Seconds."""
PATIENCE = 1.0
"""Seconds in which a peer that is there should have answered."""


class Peers:
    """``rundir``: where the node's Open vSwitch has its sockets."""

    def __init__(self, rundir: Path) -> None:
        self._rundir = rundir
        self._addresses: dict[str, str] = {}
        self._resolving: set[asyncio.Task[None]] = set()
        self._unresolved: set[str] = set()

    def set(self, name: str, address: str | None) -> None:
        if address is None:
            self._addresses.pop(name, None)
        elif self._addresses.get(name) != address:
            self._addresses[name] = address
            self._begin(address)

    def _begin(self, address: str) -> None:
        task = asyncio.create_task(self._resolve(address))
        self._resolving.add(task)
        task.add_done_callback(self._resolving.discard)

    async def settled(self) -> None:
        """Returns when peers that became known are resolved, or have had their time."""
        if self._resolving:
            await asyncio.wait(self._resolving)

    def switch_restarted(self) -> None:
        """The datapath may have forgotten everything."""
        for address in self._addresses.values():
            self._begin(address)

    async def run(self) -> None:
        while True:
            for _ in range(round(EVERY / UNRESOLVED_EVERY)):
                await asyncio.sleep(UNRESOLVED_EVERY)
                for address in self._unresolved & set(self._addresses.values()):
                    await self._resolve(address)
            for address in list(self._addresses.values()):
                await self._resolve(address)

    async def _resolve(self, address: str) -> None:
        greet(address)
        end = asyncio.get_running_loop().time() + PATIENCE
        way = await next_hop(address)
        while way is not None and asyncio.get_running_loop().time() <= end:
            mac = await neighbor(*way)
            if mac is not None:
                with contextlib.suppress(ControlError):
                    await appctl(self._rundir, "tnl/neigh/set", *way, mac)
                self._unresolved.discard(address)
                return
            await asyncio.sleep(0.005)
        self._unresolved.add(address)


def greet(address: str) -> None:
    """Best effort: while the underlay is down nothing else would pass either."""
    family = socket.AF_INET if parse_ip(address)[0] == 4 else socket.AF_INET6
    with contextlib.suppress(OSError), socket.socket(family, socket.SOCK_DGRAM) as s:
        s.setblocking(False)
        s.sendto(b"", (address, DISCARD))


async def next_hop(address: str) -> tuple[str, str] | None:
    """By which device the kernel reaches ``address``, and whose MAC it needs there; None without a route."""
    route = await _ip("route", "get", address)
    if not route or "dev" not in route[0]:
        return None
    return route[0]["dev"], route[0].get("gateway", address)


async def neighbor(device: str, address: str) -> str | None:
    """The MAC of ``address`` as the kernel knows it."""
    for entry in await _ip("neigh", "show", "to", address, "dev", device):
        if "lladdr" in entry and "FAILED" not in entry.get("state", ()):
            return entry["lladdr"]
    return None


async def _ip(*arguments: str) -> list[dict[str, str]]:
    process = await asyncio.create_subprocess_exec(
        "ip", "-j", *arguments, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.DEVNULL
    )
    output, _ = await process.communicate()
    found: list[dict[str, str]] = json.loads(output or b"[]")
    return found
