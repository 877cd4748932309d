"""Which packets a classifier takes, and which it does not: packets just inside and just outside of all that it says."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from .fabric import ApiError, Fabric
from .frames import ICMP, SCTP, TCP, UDP, fragments, ip, of, segment, silent, watch
from .probes import ADDRESSES, PLACES, Bench, Probe, address, chain, unmarked
from .talk import adder, apply, delete

pytestmark = pytest.mark.root

GRE = 47
INTENT: dict[str, Any] = {
    "nodes": ["n1", "n2", "n3"],
    "networks": {"web": ["10.0.0.0/24", "fd00::/64"]},
    "ports": {
        name: {"network": "web", "node": PLACES[name], "addresses": addresses} for name, addresses in ADDRESSES.items()
    },
    "instances": {"x": "n2", "y": "n1"},
}
X = ("x-in",)


@pytest.fixture(scope="module")
def fabric() -> Iterator[Fabric]:
    hosts = [silent(name, node) for name, node in PLACES.items()] + [adder("x", "n2", 1), adder("y", "n1", 2)]
    with Fabric(hosts) as running:
        apply(running, INTENT)
        yield running


@pytest.fixture(autouse=True)
def afterwards(fabric: Fabric) -> Iterator[None]:
    yield
    there = [("chain", one["name"]) for one in fabric.get("/v1/objects/chain")]
    if there:
        fabric.delete(*there)


NOT_IP = Probe("client", "server", 0, ethertype=0x88B5)


def udp(*ports: int, **more: Any) -> Probe:
    return Probe("client", "server", ports=(4000, *ports) if len(ports) == 1 else ports, **more)  # type: ignore[arg-type]


CASES: dict[str, tuple[Any, list[Probe], list[Probe]]] = {
    "from a port": (
        {"from": "client"},
        [Probe("client", "server"), Probe("client", "third", 6), Probe("client", "mate", protocol=TCP)],
        [Probe("mate", "server"), Probe("server", "client"), Probe("third", "server", 6)],
    ),
    "to a port": (
        {"to": "server"},
        [Probe("client", "server"), Probe("third", "server", 6), Probe("mate", "server", protocol=TCP)],
        [Probe("client", "third"), Probe("server", "client")],
    ),
    "between ports": (
        {"from": "client", "to": "server"},
        [Probe("client", "server"), Probe("client", "server", 6, source_ip="fd00:0:0:0:1::1")],
        [Probe("client", "third"), Probe("mate", "server"), Probe("server", "client", 6)],
    ),
    "between ports of one node": (
        {"from": "client", "to": "mate"},
        [Probe("client", "mate"), Probe("client", "mate", 6)],
        [Probe("mate", "client"), Probe("client", "server")],
    ),
    "from an IPv4 prefix": (
        {"from": "10.0.0.64/27"},
        [udp(7000, source_ip="10.0.0.64"), udp(7000, source_ip="10.0.0.95")],
        [udp(7000, source_ip="10.0.0.63"), udp(7000, source_ip="10.0.0.96"), udp(7000, family=6)],
    ),
    "to an IPv4 prefix": (
        {"from": "client", "to": "10.0.0.64/27"},
        [udp(7000, target_ip="10.0.0.64"), udp(7000, target_ip="10.0.0.95")],
        [udp(7000, target_ip="10.0.0.63"), udp(7000, target_ip="10.0.0.96"), udp(7000, family=6)],
    ),
    "from an IPv6 prefix": (
        {"from": "fd00:0:0:0:1::/80"},
        [udp(7000, family=6, source_ip="fd00:0:0:0:1::1")],
        [udp(7000, family=6), udp(7000)],
    ),
    "to an IPv6 prefix": (
        {"from": "client", "to": "fd00::20/127"},
        [udp(7000, family=6), udp(7000, family=6, target_ip="fd00::21")],
        [udp(7000, family=6, target_ip="fd00::1f"), udp(7000, family=6, target_ip="fd00::22"), udp(7000)],
    ),
    "one address": (
        {"from": "10.0.0.10", "to": "10.0.0.20"},
        [Probe("client", "server")],
        [udp(7000, source_ip="10.0.0.63"), Probe("client", "third"), Probe("server", "client")],
    ),
    "UDP": (
        {"from": "client", "protocol": "udp"},
        [Probe("client", "server"), Probe("client", "server", 6)],
        [Probe("client", "server", f, p) for f in (4, 6) for p in (TCP, SCTP, ICMP, GRE)],
    ),
    "TCP": (
        {"from": "client", "protocol": "tcp"},
        [Probe("client", "server", protocol=TCP), Probe("client", "server", 6, TCP)],
        [Probe("client", "server", f, p) for f in (4, 6) for p in (UDP, SCTP, ICMP, GRE)],
    ),
    "SCTP": (
        {"from": "client", "protocol": "sctp", "destination_ports": "80"},
        [Probe("client", "server", f, SCTP, (9, 80)) for f in (4, 6)],
        [Probe("client", "server", f, p, (9, 80)) for f in (4, 6) for p in (UDP, TCP)]
        + [Probe("client", "server", protocol=SCTP, ports=(9, 81))],
    ),
    "ICMP": (
        {"from": "client", "protocol": "icmp"},
        [Probe("client", "server", protocol=ICMP), Probe("client", "server", 6, ICMP)],
        [Probe("client", "server", f, p) for f in (4, 6) for p in (UDP, TCP, GRE)],
    ),
    "a protocol by number": (
        {"from": "client", "protocol": GRE},
        [Probe("client", "server", protocol=GRE), Probe("client", "server", 6, GRE)],
        [Probe("client", "server"), Probe("client", "server", protocol=48)],
    ),
    "one destination port": (
        {"from": "client", "protocol": "udp", "destination_ports": 7000},
        [udp(7000), udp(7000, family=6)],
        [udp(6999), udp(7001), udp(7001, family=6), udp(7000, 4000), udp(7000, protocol=TCP)],
    ),
    "destination ports": (
        {"from": "client", "protocol": "tcp", "destination_ports": "1023-7010"},
        [udp(port, protocol=TCP) for port in (1023, 1024, 4096, 7008, 7010)],
        [udp(port, protocol=TCP) for port in (1022, 7011, 65535, 0)] + [udp(4096)],
    ),
    "source ports": (
        {"from": "client", "protocol": "udp", "source_ports": "4000-4009"},
        [udp(4000, 1, family=6), udp(4009, 1)],
        [udp(3999, 1), udp(4010, 1), udp(1, 4000, family=6)],
    ),
    "both ports": (
        {"from": "client", "protocol": "udp", "source_ports": "5-6", "destination_ports": "65534-65535"},
        [udp(5, 65534), udp(6, 65535)],
        [udp(4, 65534), udp(7, 65535), udp(5, 65533), udp(65534, 5)],
    ),
    "IPv4 only": ({"from": "client", "ethertype": "ipv4"}, [udp(7000)], [udp(7000, family=6), NOT_IP]),
    "IPv6 only": ({"from": "client", "ethertype": "ipv6"}, [udp(7000, family=6)], [udp(7000), NOT_IP]),
    "another EtherType": (
        {"from": "client", "ethertype": "0x88b5"},
        [Probe("client", "server", 0, ethertype=0x88B5), Probe("client", "mate", 0, ethertype=0x88B5)],
        [udp(0, ethertype=0x88B6), udp(7000), udp(7000, family=6), Probe("mate", "server", 0, ethertype=0x88B5)],
    ),
    "another EtherType to a port": (
        {"from": "client", "to": "server", "ethertype": "0x88b5"},
        [Probe("client", "server", 0, ethertype=0x88B5)],
        [Probe("client", "mate", 0, ethertype=0x88B5), Probe("server", "client", 0, ethertype=0x88B5)],
    ),
    "a whole network": (
        {"network": "web"},
        [Probe("client", "server"), Probe("mate", "client", 6), Probe("server", "third", protocol=TCP)],
        [NOT_IP],
    ),
    "several classifiers": (
        [
            {"from": "client", "protocol": "udp", "destination_ports": "10-20"},
            {"from": "third", "ethertype": "ipv6"},
            {"from": "client", "protocol": "udp", "destination_ports": "15-30"},
        ],
        [udp(10), udp(17), udp(30, family=6), Probe("third", "server", 6)],
        [udp(9), udp(31), Probe("third", "server"), Probe("mate", "server", 6)],
    ),
}


@pytest.mark.parametrize("case", CASES)
def test_classifier(fabric: Fabric, bench: Bench, case: str) -> None:
    match, inside, outside = CASES[case]
    name = case.replace(" ", "-")
    apply(fabric, {"chains": {name: chain(match, ["x"])}})
    bench.check([(probe, X) for probe in inside] + [(probe, ()) for probe in outside])
    number = len(inside)
    expected = {("forward", "entered"): number, ("forward", "x"): number, ("forward", "left"): number}
    assert bench.counts(name) == expected


@pytest.mark.parametrize("family", [4, 6])
@pytest.mark.parametrize("encapsulation", ["nsh", "mpls"])
def test_fragments(fabric: Fabric, bench: Bench, family: int, encapsulation: str) -> None:
    """No fragment shows its ports, and a later one of IPv6 not even its protocol: a classifier that asks for those does
    not take it. One that asks for addresses takes them all; in IPv4, to one instance."""
    start, end = address("client", family), address("server", family)
    carried = segment(ip(start), ip(end), UDP, (4000, 7000), bytes(range(200)))
    both = fragments(of("client"), of("server"), start, end, carried, 96)
    addresses = {"from": "client", "to": "server"}
    udp_only = addresses | {"protocol": "udp"}
    for match, inside in (
        (addresses, both),
        (udp_only, both if family == 4 else both[:1]),
        (udp_only | {"destination_ports": 7000}, []),
        (udp_only | {"destination_ports": "0-9"}, []),
    ):
        apply(fabric, {"chains": {"c": chain(match, ["x", "y"], encapsulation=encapsulation)}})
        visits = [unmarked(frame) for frame in inside]
        # The functions leave alone what they see but a part of.
        bench.exchange([("client", frame) for frame in both], {"x-in": visits, "y-in": visits, "server": both})
    if family == 4:
        apply(fabric, {"chains": {"c": chain(addresses, [["x", "y"]], encapsulation=encapsulation)}})
        bench.wires["client"].send(*both)
        found = watch(bench.wires, 4)
        assert sorted(len(found[port]) for port in ("x-in", "y-in")) == [0, 2]


def test_answers_are_the_classifier_read_backwards(fabric: Fabric, bench: Bench) -> None:
    match = {"from": "client", "to": "server", "protocol": "udp", "destination_ports": "7000-7001"}
    apply(fabric, {"chains": {"c": chain(match, ["x", "y"], symmetric=True)}})
    bench.check(
        {
            udp(7000): ("x-in", "y-in"),
            udp(7001, family=6): ("x-in", "y-in"),
            Probe("server", "client", ports=(7000, 4000)): ("y-out", "x-out"),
            Probe("server", "client", 6, ports=(7001, 9)): ("y-out", "x-out"),
            Probe("server", "client", ports=(4000, 7000)): (),
            Probe("server", "client", ports=(7002, 4000)): (),
            Probe("server", "client", protocol=TCP, ports=(7000, 4000)): (),
            Probe("server", "mate", ports=(7000, 4000)): (),
            Probe("mate", "client", ports=(7000, 4000)): (),
            udp(7002): (),
        }
    )


def test_higher_precedence_takes_the_packet(fabric: Fabric, bench: Bench) -> None:
    wide = chain({"from": "client"}, ["x"])
    narrow = chain({"from": "client", "protocol": "udp", "destination_ports": 53}, ["y"], precedence=101)
    apply(fabric, {"chains": {"wide": wide, "narrow": narrow}})
    bench.check({udp(53): ("y-in",), udp(54): X, udp(53, protocol=TCP): X, udp(53, family=6): ("y-in",)})
    apply(fabric, {"chains": {"wide": wide | {"precedence": 102}, "narrow": narrow}})
    bench.check({udp(53): X, udp(54): X})
    delete(fabric, ("chain", "wide"))
    bench.check({udp(53): ("y-in",), udp(54): ()})


def test_overlap_at_one_precedence_is_refused(fabric: Fabric, bench: Bench) -> None:
    first = chain({"from": "client", "protocol": "udp", "destination_ports": "10-20"}, ["x"])
    apply(fabric, {"chains": {"first": first}})
    second = chain({"network": "web", "protocol": "udp", "destination_ports": "20-30"}, ["y"])
    with pytest.raises(ApiError, match="match the same packets, both at precedence 100") as refused:
        fabric.apply({"chains": {"second": second}})
    assert refused.value.status == 409
    bench.check({udp(20): X, udp(21): ()})
    second["match"]["destination_ports"] = "21-30"
    apply(fabric, {"chains": {"second": second}})
    bench.check({udp(20): X, udp(21): ("y-in",)})


def test_functions_shared_by_chains(fabric: Fabric, bench: Bench) -> None:
    """The same instances in several chains, in different orders, and both encapsulations."""
    chains = {
        "one": chain({"from": "client", "protocol": "udp"}, ["x", "y"], symmetric=True),
        "two": chain({"from": "client", "protocol": "tcp"}, ["y", "x"], encapsulation="mpls"),
        "three": chain({"from": "third", "to": "mate"}, [["y"], "x", ["y"]]),
    }
    apply(fabric, {"chains": chains})
    bench.check(
        {
            udp(1): ("x-in", "y-in"),
            udp(1, family=6): ("x-in", "y-in"),
            Probe("server", "client"): ("y-out", "x-out"),
            udp(1, protocol=TCP): ("y-in", "x-in"),
            udp(1, protocol=TCP, family=6): ("y-in", "x-in"),
            Probe("third", "mate"): ("y-in", "x-in", "y-in"),
            Probe("third", "server"): (),
            Probe("third", "mate", protocol=ICMP): ("y-in", "x-in", "y-in"),
            Probe("client", "server", protocol=ICMP): (),
        }
    )


def test_mpls_says_that_it_carries_ip_only(fabric: Fabric) -> None:
    with pytest.raises(ApiError, match="use encapsulation: nsh") as refused:
        fabric.apply({"chains": {"c": chain({"from": "client", "ethertype": "0x88b5"}, ["x"], encapsulation="mpls")}})
    assert refused.value.status == 409


def test_frames_without_ip_need_one_source(fabric: Fabric) -> None:
    with pytest.raises(ApiError, match="would lose their source address") as refused:
        fabric.apply({"chains": {"c": chain({"network": "web", "ethertype": "0x88b5"}, ["x"])}})
    assert refused.value.status == 409
