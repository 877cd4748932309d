"""Port security, and who may write a path on a packet: nobody but the network, and functions."""

from __future__ import annotations

import struct
from collections.abc import Iterator

import pytest

from .fabric import Fabric
from .forgery import OTHER_MAC, frame, labels, mark, nsh, path_ids, running
from .frames import ICMP6, UDP, advertisement, arp, datagram, ether, ip, mac, of, packet, segment, watch
from .frames import solicitation as asks
from .probes import Bench, Probe

pytestmark = pytest.mark.root
ALL_NODES = mac("33:33:00:00:00:01")
BROADCAST = b"\xff" * 6


@pytest.fixture(scope="module")
def fabric() -> Iterator[Fabric]:
    with running() as made:
        yield made


@pytest.fixture(scope="module")
def paths(fabric: Fabric) -> dict[str, int]:
    return path_ids(fabric)


@pytest.fixture
def uncounted(bench: Bench) -> Iterator[None]:
    """Nothing that the test does is counted on any path."""
    before = bench.all_counts()
    yield
    assert bench.all_counts() == before


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
        ("client", BROADCAST + client + arp(1, (mate, "10.0.0.10"), (bytes(6), "10.0.0.30"))[12:]),
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


TPIDS = (0x8100, 0x88A8)


def tagged(sent: bytes, *tags: tuple[int, int]) -> bytes:
    """``tags``: (EtherType, what follows it), outermost first."""
    return sent[:12] + b"".join(struct.pack("!HH", *tag) for tag in tags) + sent[12:]


def twice_tagged(sent: bytes, outer: int) -> list[bytes]:
    found = [tagged(sent, (one, outer), (two, 0)) for one in TPIDS for two in TPIDS]
    return [*found, tagged(sent, (0x8100, outer), (0x8100, 0), (0x8100, 0))]


def test_spoofed_addresses_beneath_vlan_tags(bench: Bench, uncounted: None) -> None:
    """Linux takes tags of VLAN 0 off, however many there are, and believes what it finds; Open vSwitch reads one."""
    client, third = of("client"), of("third")
    spoofed = [
        arp(1, (client, "10.0.0.20"), (bytes(6), "10.0.0.30"), third),
        arp(2, (client, "10.0.0.20"), (third, "10.0.0.30"), third),
        datagram(client, third, "10.0.0.20", "10.0.0.30", b"another's address"),
        datagram(client, third, "fd00::20", "fd00::30", b"another's address"),
        advertisement(client, third, "fd00::10", "fd00::30", "fd00::20", client),
    ]
    bench.lost(
        *(("client", tagged(one, (tpid, vid))) for one in spoofed for tpid in TPIDS for vid in (0, 5)),
        *(("client", sent) for one in spoofed for vid in (0, 5) for sent in twice_tagged(one, vid)),
    )


def test_no_host_hides_packets_from_chains_by_tags(bench: Bench, uncounted: None) -> None:
    """Not even one that may use any address."""
    sent = datagram(of("loose"), of("server"), "10.0.0.10", "10.0.0.20", b"around the chain")
    bench.lost(*(("loose", one) for one in twice_tagged(sent, 0)))


def test_tags_that_port_security_sees_beneath_go_through(bench: Bench) -> None:
    """How many tags a host's kernel leaves on for those who watch is its own matter."""
    sent = datagram(of("mate"), of("third"), "10.0.0.11", "10.0.0.30", b"own address")
    free = datagram(of("loose"), of("third"), "10.0.0.40", "10.0.0.30", b"provider's")
    for source, whole in (
        *(("mate", tagged(sent, (tpid, vid))) for tpid in TPIDS for vid in (0, 5)),
        ("loose", tagged(free, (0x88A8, 5), (0x8100, 7))),
    ):
        bench.wires[source].send(whole)
        found = watch(bench.wires, 1)
        assert {name: [one[-40:] for one in got] for name, got in found.items() if got} == {"third": [whole[-40:]]}


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
    for target, address, arrives in (
        (of("third"), "10.0.0.30", 1),
        (of("third"), "192.0.2.3", 1),
        (node, "192.0.2.3", 0),
    ):
        sent = datagram(of("client"), target, "10.0.0.10", address, head + inner, UDP, (port, port))
        bench.wires["client"].send(sent)
        found = watch(bench.wires, arrives)
        assert {name: got for name, got in found.items() if got} == ({"third": [sent]} if arrives else {})


def test_silence(bench: Bench) -> None:
    """Nothing of all this comes late."""
    bench.lost()
