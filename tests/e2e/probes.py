"""Single packets whose way is known to the byte: which function ports they enter, in order, and how they arrive.

A probe is a frame made here, with a payload of its own. Hosts are silent, so after a check everything that moved has
been accounted for: at each function, at the destination, and nowhere else.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from .fabric import Fabric
from .frames import ICMP, ICMP6, TCP, UDP, Wire, datagram, ether, mac, of, watch
from .talk import added

Way = tuple[str, ...]
"""Function ports that a packet enters, in order."""

ADDRESSES: dict[str, list[str]] = {
    "client": ["10.0.0.10", "10.0.0.63", "10.0.0.64", "10.0.0.95", "10.0.0.96", "fd00::10", "fd00:0:0:0:1::1"],
    "mate": ["10.0.0.11", "fd00::11"],
    "third": ["10.0.0.30", "fd00::30"],
    "server": ["10.0.0.20", "fd00::20"],
}
PLACES = {"client": "n1", "mate": "n1", "third": "n2", "server": "n3"}


class Probe(NamedTuple):
    """``ports`` of the transport protocol, or type and code of ICMP. ``ethertype`` (with family 0): a frame without IP.
    Addresses are those of the hosts where nothing else is given."""

    source: str
    target: str
    family: int = 4
    protocol: int = UDP
    ports: tuple[int, int] | None = None
    source_ip: str = ""
    target_ip: str = ""
    ethertype: int = 0
    mac: str = ""
    to_mac: str = ""

    def frame(self, data: bytes) -> bytes:
        source = mac(self.mac) if self.mac else of(self.source)
        target = mac(self.to_mac) if self.to_mac else of(self.target)
        if self.ethertype:
            return ether(source, target, self.ethertype, data)
        protocol = ICMP6 if self.family == 6 and self.protocol == ICMP else self.protocol
        ends = (
            self.source_ip or address(self.source, self.family),
            self.target_ip or address(self.target, self.family),
        )
        return datagram(source, target, *ends, data, protocol, self.ports)

    def after(self, data: bytes, functions: int) -> bytes:
        """The frame behind so many functions, which change payloads of UDP and TCP."""
        changed = not self.ethertype and self.protocol in (UDP, TCP)
        return self.frame(added(data, functions) if changed else data)


def address(port: str, family: int) -> str:
    return next(text for text in ADDRESSES[port] if (":" in text) == (family == 6))


class Bench:
    """Silent hosts and functions of a fabric, watched; ``ports``: not all, but these. Wires are named like ports."""

    def __init__(self, fabric: Fabric, ports: Sequence[str] | None = None) -> None:
        self.fabric = fabric
        self.wires = {
            port.name: Wire(fabric, host.name, port.interface)
            for host in fabric.lab.spec.hosts
            for port in host.ports
            if ports is None or port.name in ports
        }
        self._number = 0

    def close(self) -> None:
        for wire in self.wires.values():
            wire.close()

    def check(self, probes: Mapping[Probe, Way] | Sequence[tuple[Probe, Way]]) -> None:
        """Send them all, and compare all that every interface receives."""
        sent: list[tuple[str, bytes]] = []
        expected: dict[str, list[bytes]] = {}
        for probe, way in probes.items() if isinstance(probes, Mapping) else probes:
            self._number += 1
            data = b"probe%05d" % self._number
            for number, port in enumerate(way):
                expected.setdefault(port, []).append(unmarked(probe.after(data, number)))
            expected.setdefault(probe.target, []).append(probe.after(data, len(way)))
            sent.append((probe.source, probe.frame(data)))
        self.exchange(sent, expected)

    def exchange(self, sent: Sequence[tuple[str, bytes]], expected: Mapping[str, Sequence[bytes]]) -> None:
        """(port, frame) sent; by port, all that arrives, in any order."""
        for port, frame in sent:
            self.wires[port].send(frame)
        found = watch(self.wires, sum(map(len, expected.values())))
        for name, frames in found.items():
            got = [unmarked(frame) if frame[6:8] == b"\x0a\x5e" else frame for frame in frames]
            assert sorted(shown(got)) == sorted(shown(expected.get(name, ()))), name

    def lost(self, *frames: tuple[str, bytes]) -> None:
        """(port, frame) sent, and nothing comes of it anywhere."""
        self.exchange(frames, {})

    def counts(self, chain: str) -> dict[tuple[str, str], int]:
        """Packets by (direction, step), where there were any."""
        return self.all_counts(chain)[chain]

    def all_counts(self, chain: str | None = None) -> dict[str, dict[tuple[str, str], int]]:
        """``counts`` of every chain at once."""
        found = {}
        for status in self.fabric.status(chain)["chains"]:
            counts: dict[tuple[str, str], int] = {}
            for one in status["counters"]:
                key = (one["direction"], one["step"])
                counts[key] = counts.get(key, 0) + one["packets"]
            found[status["name"]] = {key: count for key, count in counts.items() if count}
        return found


def unmarked(frame: bytes) -> bytes:
    """Inside a function that knows nothing of paths the source MAC is the path's mark."""
    return frame[:6] + b"\x0a\x5e\0\0\0\0" + frame[12:]


def shown(frames: Sequence[bytes]) -> list[str]:
    return [f"{f[:6].hex()} {f[6:12].hex()} {f[12:14].hex()} {f[14:].rstrip(bytes(1)).hex()}" for f in frames]


def chain(match: Any, through: list[Any], **more: Any) -> dict[str, Any]:
    return {"match": match, "through": through, **more}
