"""Port security, and who may write a path on a packet: nobody but the network, and a function of that very path.

Functions here are silent hosts, so that the test itself can answer in their place, rightly and wrongly.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from typing import Any

import pytest

from .fabric import Fabric
from .frames import ICMP6, UDP, Wire, advertisement, arp, datagram, ether, ip, mac, of, packet, segment, silent, watch
from .frames import solicitation as asks
from .probes import Bench, Probe, chain, shown
from .talk import added, adder, apply

pytestmark = pytest.mark.root

OTHER_MAC = "02:00:00:00:00:99"
ALL_NODES = mac("33:33:00:00:00:01")
BROADCAST = b"\xff" * 6
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
    "instances": {"x": "n2", "dumb": "n2", "wise": {"node": "n2", "aware": "nsh"}, "mute": {"node": "n1", "aware": "mpls"}},
    "chains": {
        "plain": chain({"from": "client", "to": "server", "protocol": "udp"}, ["dumb", "x"]),
        "aware": chain({"from": "mate", "to": "server", "protocol": "udp"}, ["wise", "x"]),
        "label": chain(
            {"from": "third", "to": "server", "protocol": "udp", "ethertype": "ipv4"}, ["mute", "x"], encapsulation="mpls"
        ),
    },
}
HOSTS = ["client", "mate", "third", "server", "loose", "guest"]


@pytest.fixture(scope="module")
def fabric() -> Iterator[Fabric]:
    hosts = [silent(name, INTENT["ports"][name]["node"]) for name in HOSTS]
    mutes = [adder(name, node, 9) for name, node in (("dumb", "n2"), ("wise", "n2"), ("mute", "n1"))]
    hosts += [adder("x", "n2", 1), *(type(h)(h.name, h.node, h.ports) for h in mutes)]
    with Fabric(hosts) as running:
        apply(running, INTENT)
        yield running


@pytest.fixture(scope="module")
def bench(fabric: Fabric) -> Iterator[Bench]:
    made = Bench(fabric)
    yield made
    made.close()


@pytest.fixture(scope="module")
def paths(fabric: Fabric) -> dict[str, int]:
    return {c["name"]: c["paths"][0]["id"] for c in fabric.status()["chains"]}


@pytest.fixture
def uncounted(bench: Bench) -> Iterator[None]:
    """Nothing that the test does is counted on any path."""
    before = bench.all_counts()
    yield
    assert bench.all_counts() == before


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


# -- whose address is it -------------------------------------------------------------------------------------------


def test_spoofed_addresses(bench: Bench, uncounted: None) -> None:
    bench.lost(
        ("client", datagram(of("mate"), of("third"), "10.0.0.10", "10.0.0.30", b"a neighbor's MAC")),
        ("client", datagram(mac(OTHER_MAC), of("third"), "10.0.0.10", "10.0.0.30", b"nobody's MAC")),
        ("client", datagram(of("mate"), of("server"), "10.0.0.11", "10.0.0.20", b"all of a neighbor's")),
        ("client", datagram(of("client"), of("server"), "10.0.0.11", "10.0.0.20", b"a neighbor's address")),
        ("client", datagram(of("client"), of("server"), "10.0.0.99", "10.0.0.20", b"nobody's address")),
        ("client", datagram(of("client"), of("server"), "0.0.0.0", "10.0.0.20", b"no address")),
        ("client", datagram(of("client"), of("server"), "fd00::11", "fd00::20", b"a neighbor's address")),
        ("client", datagram(of("client"), of("server"), "fe80::1", "fd00::20", b"a router's address")),
        ("client", datagram(of("client"), of("server"), "::", "fd00::20", b"no address")),
        ("client", ether(of("mate"), of("server"), 0x88B5, b"a neighbor's MAC without IP")),
        ("client", ether(of("mate"), BROADCAST, 0x88B5, b"to all")),
        ("guest", datagram(of("guest"), of("server"), "10.0.0.136", "10.0.0.20", b"just not allowed")),
        ("guest", datagram(of("guest"), of("server"), "10.0.0.127", "10.0.0.20", b"just not allowed")),
        ("guest", datagram(of("guest"), of("server"), "10.0.0.140", "10.0.0.20", b"allowed with another MAC")),
        ("guest", datagram(mac(OTHER_MAC), of("server"), "10.0.0.128", "10.0.0.20", b"allowed with the own MAC")),
        ("guest", datagram(of("guest"), of("server"), "fd00::6:0", "fd00::20", b"just not allowed")),
    )


def test_spoofed_neighbors(bench: Bench, uncounted: None) -> None:
    """No host is told where another's address is by anybody but the switch."""
    client, mate, third = of("client"), of("mate"), of("third")
    router = segment(ip("fd00::10"), ip("ff02::1"), ICMP6, (134, 0), bytes(12))
    redirect = segment(ip("fd00::10"), ip("fd00::30"), ICMP6, (137, 0), bytes(4) + ip("fd00::20") + ip("fd00::20"))
    bench.lost(
        ("client", arp(1, (mate, "10.0.0.11"), (bytes(6), "10.0.0.30"))),
        ("client", arp(1, (client, "10.0.0.11"), (bytes(6), "10.0.0.30"))),
        ("client", arp(2, (client, "10.0.0.11"), (third, "10.0.0.30"), third)),
        ("client", arp(2, (client, "10.0.0.10"), (third, "10.0.0.30"), third)),
        ("client", arp(1, (client, "10.0.0.20"), (bytes(6), "10.0.0.20"))),
        ("client", asks((client, "fd00::11"), "fd00::30")),
        ("client", asks((mate, "fd00::11"), "fd00::30")),
        ("client", advertisement(client, third, "fd00::11", "fd00::30", "fd00::11", client)),
        ("client", advertisement(client, third, "fd00::10", "fd00::30", "fd00::11", client)),
        ("client", advertisement(client, ALL_NODES, "fd00::10", "ff02::1", "fd00::20", client, 0x20)),
        ("client", ether(client, ALL_NODES, *packet(ip("fd00::10"), ip("ff02::1"), ICMP6, router, 255))),
        ("client", ether(client, third, *packet(ip("fd00::10"), ip("fd00::30"), ICMP6, redirect, 255))),
    )


def test_allowed_addresses(bench: Bench) -> None:
    bench.check(
        {
            Probe("guest", "server", source_ip="10.0.0.50", target_ip="10.0.0.20"): (),
            Probe("guest", "server", source_ip="10.0.0.128", target_ip="10.0.0.20"): (),
            Probe("guest", "server", source_ip="10.0.0.135", target_ip="10.0.0.20"): (),
            Probe("guest", "server", 6, source_ip="fd00::5:9", target_ip="fd00::20"): (),
            Probe("guest", "server", source_ip="10.0.0.140", target_ip="10.0.0.20", mac=OTHER_MAC): (),
        }
    )


def test_without_security_any_address_goes(bench: Bench) -> None:
    bench.check(
        {
            Probe("loose", "server", source_ip="10.0.0.40", target_ip="10.0.0.20"): (),
            Probe("loose", "server", source_ip="192.168.7.7", target_ip="10.0.0.20", mac=OTHER_MAC): (),
            Probe("loose", "server", 6, source_ip="fd00::77", target_ip="fd00::20"): (),
            Probe("loose", "mate", 0, ethertype=0x88B5, mac=OTHER_MAC): (),
        }
    )


# -- who may write a path ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("port", ["client", "loose", "guest", "dumb-in", "dumb-out", "mute-out"])
def test_forged_nsh(bench: Bench, paths: dict[str, int], uncounted: None, port: str) -> None:
    """From hosts, with port security and without, and from functions that do not speak it."""
    inner = frame("mate")
    source = of(port)
    forged = [nsh(path, index, inner) for path in (*paths.values(), 0, 0xFFFFFF) for index in (255, 254, 253, 1)]
    bench.lost(
        *((port, ether(source, of(to), 0x894F, body)) for body in forged for to in ("server", "wise-in")),
        *((port, ether(source, of("server"), 0x8100, struct.pack("!HH", 5, 0x894F) + body)) for body in forged),
        (port, ether(source, BROADCAST, 0x894F, forged[0])),
    )


@pytest.mark.parametrize("port", ["client", "loose", "guest", "dumb-in", "dumb-out", "wise-out"])
def test_forged_labels(bench: Bench, paths: dict[str, int], uncounted: None, port: str) -> None:
    inner = frame("third")[14:]
    forged = [labels(path, index, inner) for path in (*paths.values(), 0, 0xFFFFF) for index in (255, 254, 253, 16)]
    bench.lost(
        *((port, ether(of(port), of("server"), kind, body)) for body in forged for kind in (0x8847, 0x8848)),
        (port, ether(of(port), BROADCAST, 0x8847, forged[0])),
        (port, ether(of(port), of("server"), 0x8847, forged[0][4:])),
    )


@pytest.mark.parametrize("port", ["client", "loose", "guest", "dumb-in", "wise-out", "mute-out"])
def test_forged_marks(bench: Bench, paths: dict[str, int], uncounted: None, port: str) -> None:
    inner = frame("client")
    marks = [mark(path, index) for path in (*paths.values(), 0) for index in (255, 254, 253)]
    bench.lost(
        *((port, inner[:6] + forged + inner[12:]) for forged in marks),
        *((port, BROADCAST + forged + inner[12:]) for forged in marks),
    )


@pytest.mark.parametrize("port", [4789, 4790])
def test_tunnel_lookalikes_are_just_datagrams(
    fabric: Fabric, bench: Bench, paths: dict[str, int], uncounted: None, port: int
) -> None:
    """What looks like a tunnel's packet, inside the network, is delivered as it is; to the nodes themselves nothing
    gets through."""
    inner = nsh(paths["aware"], 254, frame("mate")) if port == 4790 else frame("mate")
    head = struct.pack("!BBBBI", 0x0C if port == 4790 else 8, 0, 0, 4 if port == 4790 else 0, 1 << 8)
    node = bytes.fromhex(fabric.exec("n3", "cat", "/sys/class/net/br-ul/address").stdout.strip().replace(":", ""))
    for target, address, arrives in ((of("third"), "10.0.0.30", 1), (of("third"), "192.0.2.3", 1), (node, "192.0.2.3", 0)):
        sent = datagram(of("client"), target, "10.0.0.10", address, head + inner, UDP, (port, port))
        bench.wires["client"].send(sent)
        found = watch(bench.wires, arrives)
        assert {name: got for name, got in found.items() if got} == ({"third": [sent]} if arrives else {})


# -- functions -----------------------------------------------------------------------------------------------------


def visit(bench: Bench, source: str, port: str) -> bytes:
    """The frame with which a function is visited by a packet that really is on its path."""
    bench.wires[source].send(frame(source))
    return only(bench, port)


def only(bench: Bench, port: str, others: tuple[str, ...] = ("x-in",)) -> bytes:
    """The one frame that arrives, at ``port``; ``others`` may be visited on the way."""
    found = watch(bench.wires, 1)
    assert len(found[port]) == 1, found
    assert not [name for name, got in found.items() if got and name != port and name not in others]
    return found[port][0]


def test_a_function_that_marks(bench: Bench, paths: dict[str, int]) -> None:
    """It may send on only what came to it: of its path, at its step, by the port that the path leaves it by."""
    visited = visit(bench, "client", "dumb-in")
    assert visited[6:12] == mark(paths["plain"], 255)
    before = bench.all_counts()
    wrong = [mark(path, index) for path in (*paths.values(), 99) for index in (255, 254, 253, 0)]
    wrong.remove(visited[6:12])
    bench.lost(
        ("dumb-in", visited),
        *(("dumb-out", visited[:6] + forged + visited[12:]) for forged in wrong),
        ("dumb-out", frame("client")),
        ("dumb-out", frame("server", "client")),
        ("dumb-out", ether(of("dumb-out"), of("server"), 0x88B5, b"own words")),
    )
    assert bench.all_counts() == before
    bench.wires["dumb-out"].send(visited)
    assert only(bench, "server") == arrived("client")


def arrived(source: str) -> bytes:
    """``frame(source)`` behind function x."""
    ends = [INTENT["ports"][port]["addresses"][0] for port in (source, "server")]
    return datagram(of(source), of("server"), ends[0], ends[1], added(b"forged", 1))


def test_a_function_that_speaks_nsh(bench: Bench, paths: dict[str, int]) -> None:
    visited = visit(bench, "mate", "wise-in")
    inner = frame("mate")
    own = paths["aware"]
    assert shown([visited[14:]]) == shown([nsh(own, 255, inner)])
    assert visited[:6] == of("wise-in")
    back = visited[6:12] + visited[:6]
    before = bench.all_counts()
    wrong = [(path, index) for path in (*paths.values(), 99, 0) for index in (255, 254, 253, 1, 0)]
    wrong.remove((own, 254))
    bench.lost(
        *(("wise-out", ether(back[6:], back[:6], 0x894F, nsh(*forged, inner))) for forged in wrong),
        ("wise-in", ether(back[6:], back[:6], 0x894F, nsh(own, 254, inner))),
        ("wise-out", inner),
        ("wise-out", inner[:6] + mark(own, 255) + inner[12:]),
    )
    assert bench.all_counts() == before
    # What is not whole, or carries no Ethernet frame, goes no further, whether it is counted or not.
    bench.lost(
        ("wise-out", ether(back[6:], back[:6], 0x894F, nsh(own, 254, inner[14:], 1))),
        ("wise-out", ether(back[6:], back[:6], 0x894F, nsh(own, 254, frame("mate", family=6)[14:], 2))),
        ("wise-out", back + b"\x89\x4f" + nsh(own, 254, inner)[:20]),
        ("wise-out", back + b"\x89\x4f" + nsh(own, 254, inner)[:30]),
        ("wise-out", ether(back[6:], back[:6], 0x894F, nsh(own, 254, inner, first=0x4FC6))),
    )
    bench.wires["wise-out"].send(ether(back[6:], back[:6], 0x894F, nsh(own, 254, inner)))
    assert only(bench, "server") == arrived("mate")


def test_a_function_that_speaks_mpls(bench: Bench, paths: dict[str, int]) -> None:
    visited = visit(bench, "third", "mute-in")
    inner = frame("third")
    own = paths["label"]
    assert shown([visited]) == shown([inner[:12] + b"\x88\x47" + labels(own, 255, inner[14:])])
    before = bench.all_counts()

    def reply(path: int, index: int) -> bytes:
        return visited[:14] + labels(path, index, inner[14:])

    wrong = [(path, index) for path in (*paths.values(), 99, 0) for index in (255, 254, 253, 16, 0)]
    wrong.remove((own, 254))
    bench.lost(
        *(("mute-out", reply(*forged)) for forged in wrong),
        ("mute-in", reply(own, 254)),
        ("mute-out", visited[:14] + labels(own, 254, b"")[4:] + inner[14:]),
        ("mute-out", visited[:14] + labels(own, 254, b"")[:4] + labels(own, 254, inner[14:])),
        ("mute-out", inner),
    )
    assert bench.all_counts() == before
    bench.wires["mute-out"].send(reply(own, 254))
    assert only(bench, "server") == arrived("third")


def test_silence(bench: Bench) -> None:
    """Nothing of all this comes late."""
    assert isinstance(bench.wires["server"], Wire)
    bench.lost()
