"""Networks and routers without any chain: who gets a frame, who does not, and what the network itself answers.

Hosts are silent, so every frame that arrives anywhere was sent or made by what is tested.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import permutations
from typing import Any

import pytest

from segue.packet.addresses import derived_mac

from .fabric import Fabric, host
from .frames import ICMP, ICMP6, TCP, advertisement, arp, datagram, ether, mac, of, silent, solicitation
from .probes import Bench, chain
from .talk import Talk, added, adder, apply

pytestmark = pytest.mark.root

BROADCAST = b"\xff" * 6
PORTS: dict[str, dict[str, Any]] = {
    "a1": {"network": "web", "node": "n1", "addresses": ["10.0.0.11", "fd00::11"]},
    "a2": {"network": "web", "node": "n2", "addresses": ["10.0.0.12", "fd00::12"]},
    "a3": {"network": "web", "node": "n3", "addresses": ["10.0.0.13", "fd00::13"]},
    "a4": {"network": "web", "node": "n1", "addresses": ["10.0.0.14", "fd00::14"]},
    "b1": {"network": "db", "node": "n1", "addresses": ["10.1.0.11", "fd01::11"]},
    "b3": {"network": "db", "node": "n3", "addresses": ["10.1.0.13", "fd01::13"]},
    # The same addresses twice, on the same nodes.
    "red1": {"network": "red", "node": "n1", "addresses": ["10.5.0.1", "fd05::1"]},
    "red2": {"network": "red", "node": "n2", "addresses": ["10.5.0.2", "fd05::2"]},
    "blue1": {"network": "blue", "node": "n1", "addresses": ["10.5.0.1", "fd05::1"]},
    "blue2": {"network": "blue", "node": "n2", "addresses": ["10.5.0.2", "fd05::2"]},
}


def connected(four: str, six: str) -> dict[str, Any]:
    subnets = [{"cidr": f"{four}.0/24", "gateway": f"{four}.1"}, {"cidr": f"{six}::/64", "gateway": f"{six}::1"}]
    return {"subnets": subnets}


INTENT: dict[str, Any] = {
    "nodes": ["n1", "n2", "n3"],
    "networks": {
        "web": connected("10.0.0", "fd00"),
        "db": connected("10.1.0", "fd01"),
        "red": ["10.5.0.0/24", "fd05::/64"],
        "blue": ["10.5.0.0/24", "fd05::/64"],
    },
    "routers": {
        "r": {
            "subnets": ["web", "web-2", "db", "db-2"],
            "routes": [
                {"destination": "10.9.0.0/16", "via": "10.1.0.13"},
                {"destination": "10.9.9.0/24", "via": "10.0.0.12"},
                {"destination": "2001:db8::/32", "via": "fd01::11"},
            ],
        }
    },
    "ports": PORTS,
    "instances": {"x": "n2", "y": "n3"},
}
WEB, DB = (derived_mac("router", "r", network).to_bytes(6, "big") for network in ("web", "db"))


@pytest.fixture(scope="module")
def fabric() -> Iterator[Fabric]:
    hosts = [silent(name, port["node"]) for name, port in PORTS.items()] + [adder("x", "n2", 1), adder("y", "n3", 2)]
    with Fabric(hosts) as running:
        apply(running, INTENT)
        yield running


def address(port: str, family: int = 4) -> str:
    return str(PORTS[port]["addresses"][family == 6])


def between(source: str, target: str, family: int = 4, data: bytes = b"frame") -> bytes:
    return datagram(of(source), of(target), address(source, family), address(target, family), data)


def routed(source: str, target: str, family: int, ttl: int, **more: Any) -> tuple[bytes, bytes]:
    """A datagram to the router, and as it arrives."""
    mine, other = (WEB, DB) if source.startswith("a") else (DB, WEB)
    ends = address(source, family), more.pop("to", address(target, family))
    data = more.pop("data", b"routed")
    sent = datagram(of(source), mine, *ends, data, ttl=ttl)
    return sent, datagram(more.pop("by", other), of(target), *ends, added(data, more.pop("plus", 0)), ttl=ttl - 1)


# -- within a network ----------------------------------------------------------------------------------------------


def test_frames_reach_their_port_and_no_other(bench: Bench) -> None:
    sent: list[tuple[str, bytes]] = []
    expected: dict[str, list[bytes]] = {}
    for source, target in permutations(("a1", "a2", "a3", "a4"), 2):
        for frame in (
            between(source, target, 4, f"{source}{target}".encode()),
            between(source, target, 6, f"{source}{target}".encode()),
            ether(of(source), of(target), 0x88B5, f"{source}{target}".encode()),
        ):
            sent.append((source, frame))
            expected.setdefault(target, []).append(frame)
    bench.exchange(sent, expected)


def test_unknown_unicast_goes_nowhere(bench: Bench) -> None:
    bench.lost(
        ("a1", datagram(of("a1"), mac("02:00:00:00:00:77"), "10.0.0.11", "10.0.0.13", b"nobody")),
        ("a1", ether(of("a1"), mac("02:00:00:00:00:77"), 0x88B5, b"nobody")),
        ("a1", datagram(of("a1"), of("b1"), "10.0.0.11", "10.1.0.11", b"in another network")),
        ("a1", between("a1", "a1")),
    )


@pytest.mark.parametrize("target", ["ff:ff:ff:ff:ff:ff", "01:00:5e:00:00:fb", "33:33:00:00:00:fb"])
def test_what_is_for_many_reaches_the_network_and_no_other(bench: Bench, target: str) -> None:
    ends = ("fd00::11", "ff02::fb") if target.startswith("33") else ("10.0.0.11", "224.0.0.251")
    frame = datagram(of("a1"), mac(target), *ends, b"to all")
    bench.exchange([("a1", frame)], {"a2": [frame], "a3": [frame], "a4": [frame]})
    frame = ether(of("b3"), mac(target), 0x88B5, b"to all")
    bench.exchange([("b3", frame)], {"b1": [frame]})


@pytest.mark.parametrize("target", ["a1", "a2", "a3"])
def test_the_switch_answers_arp(bench: Bench, target: str) -> None:
    """From what is declared, alike on every node; nobody else hears of it."""
    asker = (of("a4"), "10.0.0.14")
    answer = arp(2, (of(target), address(target)), asker, of("a4"))
    bench.exchange([("a4", arp(1, asker, (bytes(6), address(target))))], {"a4": [answer]})
    bench.exchange([("a4", arp(1, asker, (bytes(6), address(target)), of(target)))], {"a4": [answer]})


@pytest.mark.parametrize("target", ["a1", "a2", "a3"])
def test_the_switch_answers_neighbor_solicitations(bench: Bench, target: str) -> None:
    theirs = address(target, 6)
    answer = advertisement(of(target), of("a4"), theirs, "fd00::14", theirs, of(target))
    bench.exchange([("a4", solicitation((of("a4"), "fd00::14"), theirs))], {"a4": [answer]})


def test_nobody_answers_for_unknown_addresses(bench: Bench) -> None:
    bench.lost(
        ("a1", arp(1, (of("a1"), "10.0.0.11"), (bytes(6), "10.0.0.99"))),
        ("a1", arp(1, (of("a1"), "10.0.0.11"), (bytes(6), "10.1.0.11"))),
        ("a1", arp(1, (of("a1"), "10.0.0.11"), (bytes(6), "10.1.0.1"))),
        ("a1", solicitation((of("a1"), "fd00::11"), "fd00::99")),
        ("a1", solicitation((of("a1"), "fd00::11"), "fd01::11")),
    )


def test_networks_with_the_same_addresses_do_not_meet(bench: Bench) -> None:
    both = [(f"{color}{i}", f"{color}{3 - i}") for color in ("red", "blue") for i in (1, 2)]
    sent = [(source, between(source, target, family)) for source, target in both for family in (4, 6)]
    expected = {target: [between(source, target, family) for family in (4, 6)] for source, target in both}
    bench.exchange(sent, expected)
    for color, other in (("red", "blue"), ("blue", "red")):
        asker = (of(f"{color}1"), "10.5.0.1")
        answer = arp(2, (of(f"{color}2"), "10.5.0.2"), asker, of(f"{color}1"))
        bench.exchange([(f"{color}1", arp(1, asker, (bytes(6), "10.5.0.2")))], {f"{color}1": [answer]})
        bench.lost((f"{color}1", datagram(of(f"{color}1"), of(f"{other}2"), "10.5.0.1", "10.5.0.2", b"across")))
        frame = ether(of(f"{color}1"), BROADCAST, 0x88B5, color.encode())
        bench.exchange([(f"{color}1", frame)], {f"{color}2": [frame]})


# -- between networks ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("family", [4, 6])
def test_the_router(bench: Bench, family: int) -> None:
    """On one node and across nodes, both ways; every router on the way would count: here there is one."""
    sent: list[tuple[str, bytes]] = []
    expected: dict[str, list[bytes]] = {}
    for source, target in (("a1", "b1"), ("a1", "b3"), ("b3", "a1"), ("b1", "a3"), ("a2", "b1")):
        for ttl in (64, 2):
            frame, arrives = routed(source, target, family, ttl, data=f"{source}{target}".encode())
            sent.append((source, frame))
            expected.setdefault(target, []).append(arrives)
    bench.exchange(sent, expected)
    unknown = {4: "10.1.0.99", 6: "fd01::99"}[family]
    outside = {4: "10.77.0.1", 6: "2001:4860::1"}[family]
    bench.lost(
        ("a1", routed("a1", "b1", family, 1)[0]),
        ("a1", routed("a1", "b1", family, 64, to=unknown)[0]),
        ("a1", routed("a1", "b1", family, 64, to=outside)[0]),
        ("red1", datagram(of("red1"), WEB, address("red1", family), address("b1", family), b"no router here")),
    )


def test_static_routes(bench: Bench) -> None:
    """The longer prefix wins; the next hop may be in the network that the packet comes from."""
    sent: list[tuple[str, bytes]] = []
    expected: dict[str, list[bytes]] = {}
    for source, target, family, to, by in (
        ("a1", "b3", 4, "10.9.1.1", DB),
        ("b1", "b3", 4, "10.9.1.1", DB),
        ("a1", "a2", 4, "10.9.9.9", WEB),
        ("b1", "a2", 4, "10.9.9.9", WEB),
        ("a3", "b1", 6, "2001:db8::1", DB),
    ):
        frame, arrives = routed(source, target, family, 64, to=to, by=by)
        sent.append((source, frame))
        expected.setdefault(target, []).append(arrives)
    bench.exchange(sent, expected)


def test_the_gateways_answer(bench: Bench) -> None:
    """ARP, neighbor solicitations and pings, from the own network and from behind the router."""
    a1 = of("a1")
    bench.exchange(
        [
            ("a1", arp(1, (a1, "10.0.0.11"), (bytes(6), "10.0.0.1"))),
            ("a1", solicitation((a1, "fd00::11"), "fd00::1")),
        ],
        {
            "a1": [
                arp(2, (WEB, "10.0.0.1"), (a1, "10.0.0.11"), a1),
                advertisement(WEB, a1, "fd00::1", "fd00::11", "fd00::1", WEB),
            ]
        },
    )
    pings = [(4, "10.0.0.1"), (4, "10.1.0.1"), (6, "fd00::1"), (6, "fd01::1")]
    kinds = {4: (ICMP, (8, 0), (0, 0)), 6: (ICMP6, (128, 0), (129, 0))}
    asked, answered = [], []
    for family, gateway in pings:
        protocol, request, reply = kinds[family]
        asked.append(("a1", datagram(a1, WEB, address("a1", family), gateway, b"\0\7\0\1ping", protocol, request)))
        answered.append(datagram(WEB, a1, gateway, address("a1", family), b"\0\7\0\1ping", protocol, reply))
    bench.exchange(asked, {"a1": answered})
    bench.lost(("a1", datagram(a1, WEB, "10.0.0.11", "10.0.0.1", b"no such service", TCP)))


@pytest.mark.parametrize("encapsulation", ["nsh", "mpls"])
@pytest.mark.parametrize("family", [4, 6])
def test_a_chain_over_the_router(fabric: Fabric, bench: Bench, family: int, encapsulation: str) -> None:
    """Functions see the packet as it was sent; it is routed behind the last of them."""
    there_and_back = chain(
        {"from": "a1", "to": "b3", "protocol": "udp"}, ["x", "y"], symmetric=True, encapsulation=encapsulation
    )
    apply(fabric, {"chains": {"over": there_and_back}})
    for source, target, ways in (("a1", "b3", ("x-in", "y-in")), ("b3", "a1", ("y-out", "x-out"))):
        sent, arrives = routed(source, target, family, 64, plus=2)
        visits = {}
        for number, port in enumerate(ways):
            inside, _ = routed(source, target, family, 64, data=added(b"routed", number))
            visits[port] = [inside[:6] + b"\x0a\x5e\0\0\0\0" + inside[12:]]
        bench.exchange([(source, sent)], {**visits, target: [arrives]})
    fabric.delete(("chain", "over"))


def test_kernels_find_each_other() -> None:
    """The same with real hosts, which resolve addresses themselves."""
    hosts = [
        host("a1", "n1", "10.0.0.11/24", "fd00::11/64", gateways=["10.0.0.1", "fd00::1"]),
        host("b2", "n2", "10.1.0.12/24", "fd01::12/64", gateways=["10.1.0.1", "fd01::1"]),
        silent("a3", "n1"),
    ]
    with Fabric(hosts, nodes=2) as fabric:
        ports = {
            "a1": PORTS["a1"],
            "b2": {"network": "db", "node": "n2", "addresses": ["10.1.0.12", "fd01::12"]},
            "a3": {"network": "web", "node": "n1", "addresses": ["10.0.0.13"]},
        }
        router = {"r": ["web", "web-2", "db", "db-2"]}
        apply(fabric, {"nodes": ["n1", "n2"], "networks": INTENT["networks"], "routers": router, "ports": ports})
        bench = Bench(fabric)
        try:
            for target in ("10.0.0.1", "fd00::1", "10.1.0.1", "fd01::1", "10.1.0.12", "fd01::12"):
                done = fabric.exec("a1", "ping", "-c", "2", "-i", "0.05", "-W", "1", target)
                assert done.returncode == 0, done.stdout
                if target in ("10.1.0.12", "fd01::12"):
                    assert "ttl=63" in done.stdout
            with Talk(fabric, {4: "10.1.0.12", 6: "fd01::12"}, client="a1", server="b2") as talk:
                for family in (4, 6):
                    everything = dict.fromkeys(talk.flows, b"x" * 1400)
                    assert talk.there(family, everything.__getitem__) == everything
                    assert talk.back(family, everything.__getitem__) == everything
            # What kernels send to many of their own accord reaches everybody; of the talk nothing did.
            assert [frame for frame in bench.wires["a3"].receive() if not frame[0] & 1] == []
        finally:
            bench.close()
