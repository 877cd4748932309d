"""A network where path headers may be forged: functions of each kind whose hosts are silent, so that a test itself can
answer in their place, rightly and wrongly.
"""

from __future__ import annotations

import contextlib
import struct
from collections.abc import Iterator
from typing import Any

from .fabric import Fabric
from .frames import datagram, of, silent
from .probes import chain
from .talk import adder, apply

OTHER_MAC = "02:00:00:00:00:99"
INTENT: dict[str, Any] = {
    "nodes": ["n1", "n2", "n3"],
    "networks": {"web": ["10.0.0.0/24", "fd00::/64"]},
    "ports": {
        "client": {"network": "web", "node": "n1", "addresses": ["10.0.0.10", "fd00::10"]},
        "mate": {"network": "web", "node": "n1", "addresses": ["10.0.0.11", "fd00::11"]},
        "third": {"network": "web", "node": "n2", "addresses": ["10.0.0.30", "fd00::30"]},
        "server": {"network": "web", "node": "n3", "addresses": ["10.0.0.20", "fd00::20"]},
        "loose": {"network": "web", "node": "n1", "addresses": ["10.0.0.40", "fd00::40"], "security": False},
        "guest": {
            "network": "web",
            "node": "n2",
            "addresses": ["10.0.0.50", "fd00::50"],
            "allowed": ["10.0.0.128/29", "fd00::5:0/112", {"ip": "10.0.0.140", "mac": OTHER_MAC}],
        },
    },
    "instances": {
        "x": "n2",
        "dumb": "n2",
        "wise": {"node": "n2", "aware": "nsh"},
        "mute": {"node": "n1", "aware": "mpls"},
    },
    "chains": {
        "plain": chain({"from": "client", "to": "server", "protocol": "udp"}, ["dumb", "x"]),
        "aware": chain({"from": "mate", "to": "server", "protocol": "udp"}, ["wise", "x"]),
        "label": chain(
            {"from": "third", "to": "server", "protocol": "udp", "ethertype": "ipv4"},
            ["mute", "x"],
            encapsulation="mpls",
        ),
    },
}
HOSTS = ["client", "mate", "third", "server", "loose", "guest"]


@contextlib.contextmanager
def running() -> Iterator[Fabric]:
    hosts = [silent(name, INTENT["ports"][name]["node"]) for name in HOSTS]
    mutes = [adder(name, node, 9) for name, node in (("dumb", "n2"), ("wise", "n2"), ("mute", "n1"))]
    hosts += [adder("x", "n2", 1), *(type(h)(h.name, h.node, h.ports) for h in mutes)]
    with Fabric(hosts) as fabric:
        apply(fabric, INTENT)
        yield fabric


def path_ids(fabric: Fabric) -> dict[str, int]:
    """By chain."""
    return {c["name"]: c["paths"][0]["id"] for c in fabric.status()["chains"]}


def nsh(path: int, index: int, inner: bytes, protocol: int = 3, first: int = 0x0FC6) -> bytes:
    """RFC 8300: version 0, TTL 63, 6 words long, MD type 1."""
    return struct.pack("!HBBI", first, 1, protocol, path << 8 | index) + bytes(16) + inner


def labels(path: int, index: int, inner: bytes) -> bytes:
    return struct.pack("!II", path << 12 | 63, index << 12 | 0x100 | 63) + inner


def mark(path: int, index: int) -> bytes:
    return b"\x0a\x5e" + (path << 8 | index).to_bytes(4, "big")


def frame(source: str = "client", target: str = "server", family: int = 4, **more: Any) -> bytes:
    ends = [INTENT["ports"][port]["addresses"][family == 6] for port in (source, target)]
    return datagram(of(source), of(target), more.get("source_ip", ends[0]), ends[1], b"forged")
