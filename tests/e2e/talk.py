"""Packets sent and received by the test itself, from within a lab's namespaces: nothing stands between it and the
wire that could lose, repair or explain away what arrives.
"""

from __future__ import annotations

import contextlib
import select
import socket
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

from segue.lab import namespace
from segue.lab.apps import trail
from segue.lab.spec import LabHost, LabPort

from .fabric import PYTHON, Fabric, mac_of

ADDER = Path(__file__).with_name("adder.py")
QUIET = 0.25
"""Seconds without a packet after which no more are expected."""
ROUND = 50
"""Datagrams sent at once."""
Arrival = tuple[socket.socket, bytes, Any]
"""(where, data, sender)."""


def adder(name: str, node: str, identity: int, encap: str = "none", arms: int = 2) -> LabHost:
    """A function that adds 1 and leaves its id (see adder.py), between NAME-in and NAME-out, or at NAME."""
    names = [f"{name}-in", f"{name}-out"] if arms == 2 else [name]
    ports = tuple(LabPort(n, mac_of(n), interface=n[:15]) for n in names)
    command = f"{PYTHON} {ADDER} --in {ports[0].interface} --encap {encap} --id {identity}"
    return LabHost(name, node, ports, (command + (f" --out {ports[1].interface}" if arms == 2 else ""),))


def added(payload: bytes, times: int) -> bytes:
    return bytes((byte + times) % 256 for byte in payload)


def apply(fabric: Fabric, intent: Mapping[str, Any]) -> None:
    """Applied, in force, and no packet any more treated by what a switch remembers of before."""
    fabric.apply(intent)
    settle(fabric)


def delete(fabric: Fabric, *refs: tuple[str, str]) -> None:
    fabric.delete(*refs)
    settle(fabric)


def settle(fabric: Fabric) -> None:
    """A switch goes over its cache of decisions soon after a change of its flows; this waits until it has."""
    waiting = []
    for node in fabric.nodes:
        control = str(fabric.lab.node_rundir(node) / "ovs-vswitchd.ctl")
        waiting.append(fabric.lab.popen(node, ["ovs-appctl", "-t", control, "revalidator/wait"]))
    assert all(process.wait(20) == 0 for process in waiting)


def udp(fabric: Fabric, member: str, port: int = 0, family: int = 4) -> socket.socket:
    """A UDP socket in ``member``, bound to any address."""

    def make() -> socket.socket:
        sock = socket.socket(socket.AF_INET if family == 4 else socket.AF_INET6, socket.SOCK_DGRAM)
        sock.setsockopt(socket.SOL_SOCKET, 33, 4 << 20)  # SO_RCVBUFFORCE
        if family == 6:
            sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
        sock.setblocking(False)
        sock.bind(("", port))
        return sock

    return namespace.inside(fabric.lab.namespace(member), make)


def gather(socks: Iterable[socket.socket], expected: int, within: float = 3.0) -> list[Arrival]:
    """What arrives until ``expected`` packets are there, and then, for a moment, whether there are more."""
    poll = select.poll()
    by_fd = {sock.fileno(): sock for sock in socks}
    for fd in by_fd:
        poll.register(fd, select.POLLIN)
    found: list[Arrival] = []
    end = time.monotonic() + (within if expected else QUIET)
    while (left := end - time.monotonic()) > 0:
        for fd, _ in poll.poll(left * 1000):
            with contextlib.suppress(BlockingIOError, ConnectionError):
                while True:
                    found.append((by_fd[fd], *by_fd[fd].recvfrom(65535)))
                    if len(found) == expected:
                        end = min(end, time.monotonic() + 0.02)
    return found


class Talk:
    """Flows between two hosts, told apart by their source ports; ``addresses``: of the server, by family."""

    def __init__(
        self,
        fabric: Fabric,
        addresses: Mapping[int, str],
        flows: Iterable[int] = range(20000, 20024),
        port: int = 7000,
        client: str = "client",
        server: str = "server",
    ) -> None:
        self.addresses, self.port, self.flows = addresses, port, list(flows)
        self.servers = {family: udp(fabric, server, port, family) for family in addresses}
        self.clients = {
            family: {flow: udp(fabric, client, flow, family) for flow in self.flows} for family in addresses
        }

    def __enter__(self) -> Talk:
        return self

    def __exit__(self, *_: object) -> None:
        for sock in self.servers.values():
            sock.close()
        for sock in [sock for socks in self.clients.values() for sock in socks.values()]:
            sock.close()

    def there(self, family: int, payload: Callable[[int], bytes], expected: int | None = None) -> dict[int, bytes]:
        """One datagram in each flow; by flow, what the server got. ``expected``: not all, where some are lost."""
        peers, found = {}, {}
        for some in _rounds(self.flows):
            for flow in some:
                self.clients[family][flow].sendto(payload(flow), (self.addresses[family], self.port))
            for _, data, peer in gather([self.servers[family]], len(some) if expected is None else expected):
                assert peer[1] not in found, "a datagram arrived twice"
                found[peer[1]], peers[peer[1]] = data, peer
        self.peers = peers
        return found

    def back(self, family: int, payload: Callable[[int], bytes], expected: int | None = None) -> dict[int, bytes]:
        """The server's answers to what ``there`` brought; by flow, what the client got."""
        flow_of = {sock: flow for flow, sock in self.clients[family].items()}
        found: dict[int, bytes] = {}
        for some in _rounds(list(self.peers)):
            for flow in some:
                self.servers[family].sendto(payload(flow), self.peers[flow])
            for sock, data, _ in gather(flow_of, len(some) if expected is None else expected):
                assert flow_of[sock] not in found, "a datagram arrived twice"
                found[flow_of[sock]] = data
        return found

    def trails(self, family: int) -> tuple[dict[int, tuple[int, ...]], dict[int, tuple[int, ...]]]:
        """The functions that each flow meets, in order: on its way, and on the way of its answer."""
        there = self.there(family, trail.payload)
        back = self.back(family, trail.payload)
        return _trails(there), _trails(back)


def _rounds(flows: list[int]) -> Iterator[list[int]]:
    """A userspace switch handles the first packet of each flow slowly, and its sockets do not hold hundreds."""
    for start in range(0, len(flows), ROUND):
        yield flows[start : start + ROUND]


def _trails(arrived: Mapping[int, bytes]) -> dict[int, tuple[int, ...]]:
    found = {}
    for flow, data in arrived.items():
        parsed = trail.parse(data)
        assert parsed is not None and parsed[0] == flow, data
        found[flow] = tuple(parsed[1])
    return found
