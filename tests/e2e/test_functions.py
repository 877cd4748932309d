"""Functions that route: IP hosts which forward with MAC addresses of their own, so that nothing of a frame comes back.

The path is known again by the interface that they send on, or, where several share it, by what classifiers say.
"""

from __future__ import annotations

import socket
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from segue.lab import namespace
from segue.lab.spec import LabHost, LabPort
from segue.packet.addresses import derived_mac

from .fabric import ApiError, Fabric, host, mac_of
from .frames import TCP, UDP, datagram, of, silent
from .probes import Bench, chain, unmarked
from .talk import Talk, added, adder, apply

pytestmark = pytest.mark.root

LEFT, RIGHT = ("10.6.0.0/24", "fd06::/64"), ("10.7.0.0/24", "fd07::/64")
SOURCES = ["10.0.0.0/24", "fd00::/64"]
"""What a function that routes is allowed to send for others where no path tells that it may."""


def port(network: str, node: str, *addresses: str, **more: Any) -> dict[str, Any]:
    return {"network": network, "node": node, "addresses": list(addresses), **more}


def network(four: str, six: str) -> dict[str, Any]:
    return {"subnets": [{"cidr": cidr, "gateway": gateway(cidr)} for cidr in (four, six)]}


def gateway(cidr: str) -> str:
    return cidr.split("/")[0].removesuffix("0").removesuffix("::") + ("::1" if ":" in cidr else "1")


INTENT: dict[str, Any] = {
    "nodes": ["n1", "n2", "n3"],
    "networks": {"web": network("10.0.0.0/24", "fd00::/64"), "left": network(*LEFT), "right": network(*RIGHT)},
    "routers": {"r": ["web", "web-2", "left", "left-2", "right", "right-2"]},
    "ports": {
        "client": port("web", "n1", "10.0.0.10", "fd00::10"),
        "mate": port("web", "n1", "10.0.0.11", "fd00::11"),
        "server": port("web", "n3", "10.0.0.20", "fd00::20"),
        "kc": port("web", "n1", "10.0.0.110", "fd00::110"),
        "ks": port("web", "n3", "10.0.0.120", "fd00::120"),
        "one": port("left", "n2", "10.6.0.50", "fd06::50"),
        "two-in": port("left", "n2", "10.6.0.60", "fd06::60"),
        "two-out": port("right", "n2", "10.7.0.60", "fd07::60"),
        "nat-in": port("left", "n1", "10.6.0.70", "fd06::70", allowed=SOURCES),
        "nat-out": port("right", "n1", "10.7.0.70", "fd07::70"),
    },
    "instances": {
        "x": "n2",
        "y": "n3",
        "one": {"port": "one", "mode": "route"},
        "two": {"ingress": "two-in", "egress": "two-out", "mode": "route"},
        "nat": {"ingress": "nat-in", "egress": "nat-out", "mode": "route", "rewrites": True},
    },
}
NAT = """\
table inet nat {
    chain out {
        type nat hook postrouting priority 100
        oifname "nat-out" masquerade
    }
}
"""


def forwarder(name: str, node: str, *ports: str) -> LabHost:
    """Forwards what comes for the server and for ``ks`` out of the last port, and for the clients out of the first."""
    legs = []
    for label in ports:
        addresses = tuple(f"{a}/{64 if ':' in a else 24}" for a in INTENT["ports"][label]["addresses"])
        gateways = tuple(gateway(cidr) for cidr in (RIGHT if label.endswith("-out") else LEFT))
        legs.append(LabPort(label, mac_of(label), addresses, gateways, interface=label))
    last = legs[-1]
    routes = [
        f"ip route add {there} via {last.gateways[':' in there]} dev {last.interface}"
        for label in ("server", "ks")
        for there in INTENT["ports"][label]["addresses"]
    ]
    return LabHost(name, node, tuple(legs), (" && ".join([*routes, "sleep infinity"]),), forward=True)


WATCHED = ["client", "mate", "server", "x-in", "x-out", "y-in", "y-out"]
"""What is silent: the forwarders are not."""


@pytest.fixture(scope="module")
def fabric() -> Iterator[Fabric]:
    gateways = ["10.0.0.1", "fd00::1"]
    hosts = [
        *(silent(name, INTENT["ports"][name]["node"]) for name in ("client", "mate", "server")),
        host("kc", "n1", "10.0.0.110/24", "fd00::110/64", gateways=gateways),
        host("ks", "n3", "10.0.0.120/24", "fd00::120/64", gateways=gateways),
        *(adder("x", "n2", 1), adder("y", "n3", 2)),
        forwarder("one", "n2", "one"),
        forwarder("two", "n2", "two-in", "two-out"),
        forwarder("nat", "n1", "nat-in", "nat-out"),
    ]
    with Fabric(hosts) as running:
        apply(running, INTENT)
        done = running.exec("nat", "nft", "-f", "-", stdin=NAT)
        assert done.returncode == 0, done.stderr
        yield running


@pytest.fixture(autouse=True)
def afterwards(fabric: Fabric) -> Iterator[None]:
    yield
    there = [("chain", one["name"]) for one in fabric.get("/v1/objects/chain")]
    if there:
        fabric.delete(*there)


LEFT_MAC, RIGHT_MAC = (derived_mac("router", "r", name).to_bytes(6, "big") for name in ("left", "right"))
Visit = tuple[str, bytes, int]
"""(port, destination MAC, TTL) of a packet as a function that does not route gets it."""


def passed(
    bench: Bench, source: str, target: str, family: int, *visits: Visit, ttl: int = 63, protocol: int = UDP
) -> None:
    """A packet visits these, each of which raises its bytes, and arrives with ``ttl``."""
    start, end = (INTENT["ports"][name]["addresses"][family == 6] for name in (source, target))

    def frame(to: bytes, functions: int, left: int) -> bytes:
        return datagram(of(source), to, start, end, added(b"payload", functions), protocol, ttl=left)

    expected = {target: [frame(of(target), len(visits), ttl)]}
    for number, (name, to, left) in enumerate(visits):
        expected[name] = [unmarked(frame(to, number, left))]
    bench.exchange([(source, frame(of(target), 0, 64))], expected)


@pytest.mark.parametrize("family", [4, 6])
@pytest.mark.parametrize("encapsulation", ["nsh", "mpls"])
@pytest.mark.parametrize("function", ["one", "two"])
def test_a_function_that_routes(fabric: Fabric, bench: Bench, function: str, encapsulation: str, family: int) -> None:
    """Both ways, by one port or by two; behind it the destination's MAC is found again, and the source's."""
    loud = chain({"from": "client", "to": "server"}, [function], symmetric=True, encapsulation=encapsulation)
    apply(fabric, {"chains": {"c": loud}})
    for protocol in (UDP, TCP):
        passed(bench, "client", "server", family, protocol=protocol)
        passed(bench, "server", "client", family, protocol=protocol)
        passed(bench, "mate", "server", family, ttl=64, protocol=protocol)


@pytest.mark.parametrize("family", [4, 6])
@pytest.mark.parametrize("encapsulation", ["nsh", "mpls"])
def test_between_functions_that_do_not_route(fabric: Fabric, bench: Bench, encapsulation: str, family: int) -> None:
    loud = chain({"from": "client", "to": "server"}, ["y", "two", "x"], symmetric=True, encapsulation=encapsulation)
    name = f"{encapsulation}{family}"
    apply(fabric, {"chains": {name: loud}})
    passed(bench, "client", "server", family, ("y-in", of("server"), 64), ("x-in", RIGHT_MAC, 63))
    passed(bench, "server", "client", family, ("x-out", of("client"), 64), ("y-out", LEFT_MAC, 63))
    expected = {(way, step): 1 for way in ("forward", "reverse") for step in ("entered", "y", "two", "x", "left")}
    assert bench.counts(name) == expected


def test_sources_are_found_again(fabric: Fabric, bench: Bench) -> None:
    """Where packets of many come, each gets back the MAC that belongs to its address."""
    apply(fabric, {"chains": {"c": chain({"to": "server", "network": "web", "protocol": "udp"}, ["two", "x"])}})
    for source in ("client", "mate"):
        passed(bench, source, "server", 4, ("x-in", RIGHT_MAC, 63))
        passed(bench, source, "server", 6, ("x-in", RIGHT_MAC, 63))


def test_shared_where_classifiers_tell_packets_apart(fabric: Fabric, bench: Bench) -> None:
    chains = {
        "udp": chain({"from": "client", "to": "server", "protocol": "udp"}, ["two", "x"], symmetric=True),
        "tcp": chain({"from": "client", "to": "server", "protocol": "tcp"}, ["two", "y"], symmetric=True),
        "sctp": chain({"from": "mate", "protocol": "sctp"}, ["y", "two"], encapsulation="mpls"),
    }
    apply(fabric, {"chains": chains})
    for family in (4, 6):
        for protocol, name in ((UDP, "x"), (TCP, "y")):
            passed(bench, "client", "server", family, (f"{name}-in", RIGHT_MAC, 63), protocol=protocol)
            passed(bench, "server", "client", family, (f"{name}-out", of("client"), 64), protocol=protocol)
    counts = bench.all_counts()
    both = {(way, step): 2 for way in ("forward", "reverse") for step in ("entered", "two", "left")}
    assert counts["udp"] == both | {("forward", "x"): 2, ("reverse", "x"): 2}
    assert counts["tcp"] == both | {("forward", "y"): 2, ("reverse", "y"): 2}
    assert counts["sctp"] == {}


REFUSED: dict[str, tuple[dict[str, Any], str]] = {
    "overlap": (
        {
            "a": chain({"from": "client", "to": "server"}, ["two", "x"]),
            "b": chain({"from": "mate", "to": "server"}, ["two", "y"]),
        },
        "could not be told apart when they leave instance 'two': it routes, and their classifiers overlap",
    ),
    "overlap of prefixes": (
        {
            "a": chain({"from": "client", "to": "10.0.0.0/28"}, ["two"]),
            "b": chain({"from": "mate", "to": "10.0.0.0/24", "protocol": "udp"}, ["two"]),
        },
        "it routes, and their classifiers overlap",
    ),
    "rewriting for two": (
        {
            "a": chain({"from": "client", "to": "server", "protocol": "udp"}, ["nat"]),
            "b": chain({"from": "client", "to": "server", "protocol": "tcp"}, ["nat"]),
        },
        "it routes, and may rewrite the headers that tell them apart; use an instance for each chain",
    ),
    "both ways by one port": (
        {"a": chain({"from": "client"}, ["one"], symmetric=True)},
        "it has one port for both directions, and routes; give it separate ingress and egress ports",
    ),
    "twice on a path": (
        {"a": chain({"from": "client", "to": "server"}, [["two"], "x", ["two"]])},
        "it is at two steps of one path, and routes; use another instance for one of them",
    ),
    "frames without IP": (
        {"a": chain({"from": "client", "to": "server", "ethertype": "0x88b5"}, ["two"])},
        "frames of EtherType 0x88b5 cannot pass a function that routes",
    ),
    "a rewriting group both ways": (
        {"a": chain({"from": "client", "to": "server"}, [["x", "nat"]], symmetric=True)},
        "rewrites headers, so answers could not find the instance that they came by",
    ),
}


@pytest.mark.parametrize("case", REFUSED)
def test_refused_where_unsound(fabric: Fabric, case: str) -> None:
    chains, reason = REFUSED[case]
    with pytest.raises(ApiError) as refused:
        fabric.apply({"chains": chains})
    assert refused.value.status == 409
    assert reason in str(refused.value)
    assert fabric.get("/v1/objects/chain") == []


def talk(fabric: Fabric) -> Talk:
    servers = dict(zip((4, 6), INTENT["ports"]["ks"]["addresses"], strict=True))
    return Talk(fabric, servers, range(20000, 20010), client="kc", server="ks")


def translated(peers: Any, family: int) -> bool:
    return {peer[0] for peer in peers} == {INTENT["ports"]["nat-out"]["addresses"][family == 6]}


def test_the_path_survives_nat(fabric: Fabric) -> None:
    """The next function gets what NAT has rewritten; answers find their way by the address that they are given."""
    apply(fabric, {"chains": {"c": chain({"from": "kc", "to": "ks", "protocol": "udp"}, ["y", "nat", "x"])}})
    with talk(fabric) as made:
        for family in (4, 6):
            sent = {flow: b"flow %d" % flow for flow in made.flows}
            arrived = made.there(family, sent.__getitem__)
            assert translated(made.peers.values(), family)
            # A translator may choose other source ports: the payload says whose each is.
            assert sorted(arrived.values()) == sorted(added(data, 2) for data in sent.values())
            back = made.back(family, arrived.__getitem__)
            assert back == {flow: added(data, 2) for flow, data in sent.items()}


def test_answers_go_back_through_nat(fabric: Fabric) -> None:
    """The server's port is what both directions are known by: NAT leaves it alone."""
    apply(
        fabric,
        {"chains": {"c": chain({"to": "ks", "network": "web", "protocol": "udp"}, ["nat", "x"], symmetric=True)}},
    )
    with talk(fabric) as made:
        for family in (4, 6):
            sent = {flow: b"flow %d" % flow for flow in made.flows}
            arrived = made.there(family, sent.__getitem__)
            assert translated(made.peers.values(), family)
            assert sorted(arrived.values()) == sorted(added(data, 1) for data in sent.values())
            back = made.back(family, arrived.__getitem__)
            assert back == {flow: added(data, 2) for flow, data in sent.items()}


def maps(family: int) -> dict[str, Any]:
    client, nat = (INTENT["ports"][name]["addresses"][family == 6] for name in ("kc", "nat-out"))
    return {"ingress": {"source_prefix": client}, "egress": {"source_prefix": nat}}


def test_chains_share_a_translator_that_says_what_it_does(fabric: Fabric) -> None:
    """By what comes out of it packets of several chains are told apart, and answers by what they answer."""
    chains = {}
    for family in (4, 6):
        for protocol, other in (("udp", "x"), ("tcp", "y")):
            match = {"from": "kc", "to": "ks", "protocol": protocol, "ethertype": f"ipv{family}"}
            nat = {"instances": ["nat"], "maps": maps(family)}
            chains[f"{protocol}{family}"] = chain(match, [nat, other], symmetric=True)
    apply(fabric, {"chains": chains})
    with talk(fabric) as made:
        for family in (4, 6):
            sent = {flow: b"flow %d" % flow for flow in made.flows}
            arrived = made.there(family, sent.__getitem__)
            assert translated(made.peers.values(), family)
            assert sorted(arrived.values()) == sorted(added(data, 1) for data in sent.values())
            assert made.back(family, arrived.__getitem__) == {flow: added(data, 2) for flow, data in sent.items()}
            assert connected(fabric, family) == (INTENT["ports"]["nat-out"]["addresses"][family == 6], added(b"tcp", 2))
    counts = Bench(fabric, []).all_counts()
    for name in chains:
        there, back = ({step: many for (way, step), many in counts[name].items() if way == one} for one in WAYS)
        # Both steps, and both ends of the path.
        assert len(there) == len(back) == 4, counts
        assert len(set(there.values())) == len(set(back.values())) == 1, counts


WAYS = ("forward", "reverse")


def connected(fabric: Fabric, family: int) -> tuple[str, bytes]:
    """Who a TCP connection comes from, as the server sees it, and what its echo brings back to the client."""
    kind = socket.AF_INET if family == 4 else socket.AF_INET6

    def inside(member: str, make: Callable[[], socket.socket]) -> socket.socket:
        made = namespace.inside(fabric.lab.namespace(member), make)
        made.settimeout(5)
        return made

    with (
        inside("ks", lambda: socket.create_server(("", 7000), family=kind)) as listening,
        inside("kc", lambda: socket.socket(kind, socket.SOCK_STREAM)) as client,
    ):
        client.connect((INTENT["ports"]["ks"]["addresses"][family == 6], 7000))
        client.sendall(b"tcp")
        server, peer = listening.accept()
        with server:
            server.settimeout(5)
            server.sendall(server.recv(100))
            return str(peer[0]), client.recv(100)
