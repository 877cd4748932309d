"""Nodes whose tunnels are IPv6, with tshark as the judge of what is between them; and nodes of both families, which
have tunnels only to their own.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import msgspec
import pytest

from segue.lab.lab import Lab
from segue.lab.spec import LabHost, LabNode

from .fabric import Fabric, mac_of
from .frames import datagram, ether, of, silent, watch
from .probes import Bench, chain, unmarked
from .talk import added, adder, apply, settle
from .test_tap import listener
from .test_tshark import ADDRESSES, DATA, Layer, agrees, decode, hop, inner, network_key, path_of, plain

pytestmark = pytest.mark.root

SIX = {f"n{number}": f"2001:db8::{number}" for number in (1, 2, 3)}
FOUR = {f"n{number}": f"192.0.2.{number}" for number in (1, 2, 3)}
HOSTS = {"client": "n1", "mate": "n2", "server": "n3"}
BROADCAST = b"\xff" * 6
WANTED = "not icmp6 and not arp and not udp port 9"
"""Not what finds neighbors."""


class Underlay(Fabric):
    """``nodes``: the address that each is declared with, and others that its machine has besides."""

    def __init__(self, nodes: Mapping[str, tuple[str, ...]], functions: Sequence[LabHost]) -> None:
        super().__init__([*(silent(name, node) for name, node in HOSTS.items()), *functions])
        made = (LabNode(name, own, key, tuple(more)) for key, (name, (own, *more)) in enumerate(nodes.items(), 1))
        self.lab = Lab(msgspec.structs.replace(self.lab.spec, nodes=tuple(made)))
        self.declared: dict[str, Any] = {
            "nodes": {name: addresses[0] for name, addresses in nodes.items()},
            "networks": {"first": "10.9.0.0/24", "web": ["10.0.0.0/24", "fd00::/64"]},
            "ports": {
                name: {"network": "web", "node": node, "addresses": list(ADDRESSES.get(name, {}).values())}
                for name, node in HOSTS.items()
            },
            "instances": {function.name: function.node for function in functions},
        }


@pytest.fixture(scope="module")
def fabric() -> Iterator[Underlay]:
    functions = [adder("x", "n2", 1), adder("y", "n1", 1), listener("t", "n3")]
    with Underlay({name: (address,) for name, address in SIX.items()}, functions) as running:
        apply(running, running.declared)
        yield running


def frame(source: str, target: str) -> bytes:
    return ether(of(source), of(target), 0x88B5, f"{source} to {target}".encode())


def for_many(source: str) -> bytes:
    return ether(of(source), BROADCAST, 0x88B5, f"{source} to all".encode())


def outer(source: str, target: str, port: int) -> list[Layer]:
    """From node to node. Over IPv6 there is a checksum (RFC 8200 section 8.1), and it is right."""
    return [
        ("eth", {"eth.type": "0x86dd"}),
        ("ipv6", {"ipv6.src": SIX[source], "ipv6.dst": SIX[target]}),
        ("udp", {"udp.dstport": str(port), "udp.checksum.status": "1"}),
    ]


def test_frames_for_one_and_for_many_arrive_once(fabric: Underlay, bench: Bench) -> None:
    for source in HOSTS:
        others = [name for name in HOSTS if name != source]
        sent = [(source, frame(source, target)) for target in others]
        bench.exchange(sent, {target: [frame(source, target)] for target in others})
        bench.exchange([(source, for_many(source))], {target: [for_many(source)] for target in others})


@pytest.mark.parametrize(("encapsulation", "family"), [("nsh", 6), ("mpls", 4)])
def test_a_chain_with_a_tap(fabric: Underlay, bench: Bench, tmp_path: Path, encapsulation: str, family: int) -> None:
    """Both ways over functions on two nodes; the copy is made between them, for a tap on the third."""
    over = ["x", {"instances": ["t"], "tap": True}, "y"]
    match = {"from": "client", "to": "server"}
    apply(fabric, {"chains": {"c": chain(match, over, symmetric=True, encapsulation=encapsulation)}})
    captures = {node: fabric.lab.capture(node, tmp_path / f"{node}.pcap", expression=WANTED) for node in SIX}
    for source, target in (("client", "server"), ("server", "client")):
        ends = ADDRESSES[source][family], ADDRESSES[target][family]
        bench.wires[source].send(datagram(of(source), of(target), *ends, DATA))
        found = watch(bench.wires, 4)
        assert found[target] == [datagram(of(source), of(target), *ends, added(DATA, 2))]
        assert [len(found[f"t-{way}"]) for way in ("in", "out")] == [1, 0]
    seen = {node: decode(one.stop()) for node, one in captures.items()}
    vni = network_key(fabric)
    (status,) = fabric.status("c")["chains"]
    ids = {direction: path_of(status, direction, family, encapsulation)[0] for direction in ("forward", "reverse")}

    def go(direction: str, nodes: tuple[str, str], index: int, functions: int) -> list[Layer]:
        ends = ("client", "server") if direction == "forward" else ("server", "client")
        packet = inner(*ends, family, functions)
        if not index:
            return [*outer(*nodes, 4789), plain(vni), *packet]
        inside = hop(encapsulation, vni, nodes, ids[direction], index, packet)[len(outer(*nodes, 0)) :]
        return [*outer(*nodes, 4790 if encapsulation == "nsh" else 4789), *inside]

    hops = [
        (("n1", "n2"), "forward", 255, 0),
        (("n2", "n3"), "forward", 254, 1),
        (("n2", "n1"), "forward", 253, 1),
        (("n1", "n3"), "forward", 0, 2),
        (("n3", "n1"), "reverse", 255, 0),
        (("n1", "n3"), "reverse", 254, 1),
        (("n1", "n2"), "reverse", 253, 1),
        (("n2", "n1"), "reverse", 0, 2),
    ]
    for node in SIX:
        expected = [go(direction, nodes, *rest) for nodes, direction, *rest in hops if node in nodes]
        assert len(seen[node]) == len(expected), node
        for packet, wanted in zip(seen[node], expected, strict=True):
            agrees(packet, wanted)
    fabric.delete(("chain", "c"))


def test_what_is_for_many_goes_to_each_node_once(fabric: Underlay, bench: Bench, tmp_path: Path) -> None:
    capture = fabric.lab.capture("n2", tmp_path / "n2.pcap", expression=WANTED)
    bench.exchange([("mate", for_many("mate"))], {name: [for_many("mate")] for name in ("client", "server")})
    vni = plain(network_key(fabric))
    packets = decode(capture.stop())
    assert len(packets) == 2
    for packet, node in zip(sorted(packets, key=lambda p: dict(p)["ipv6"]["ipv6.dst"]), ("n1", "n3"), strict=True):
        broadcast = ("eth", {"eth.src": mac_of("mate"), "eth.dst": "ff:ff:ff:ff:ff:ff", "eth.type": "0x88b5"})
        agrees(packet, [*outer("n2", node, 4789), vni, broadcast])


def test_nodes_of_both_families() -> None:
    """n3 speaks IPv4 too, but is not declared so at first: no packet goes there, and to the others all as ever."""
    nodes = {"n1": (FOUR["n1"],), "n2": (FOUR["n2"], SIX["n2"]), "n3": (SIX["n3"], FOUR["n3"])}
    with Underlay(nodes, [adder("z", "n3", 1)]) as fabric:
        apply(fabric, fabric.declared)
        bench = Bench(fabric)
        try:
            for source, target in (("client", "mate"), ("mate", "client")):
                bench.exchange([(source, frame(source, target))], {target: [frame(source, target)]})
                bench.exchange([(source, for_many(source))], {target: [for_many(source)]})
                bench.lost((source, frame(source, "server")), ("server", frame("server", source)))
            bench.lost(("server", for_many("server")))
            assert "nothing goes to node n3, whose address is IPv6, " in fabric.log("n1")
            chains = {"there": chain({"from": "client", "to": "mate", "ethertype": 0x88B5}, ["z"])}
            waiting = fabric.apply({"chains": chains}, wait=1, ready=False)
            assert not waiting["ready"]
            assert "node n1 has no tunnel to node n3, whose address is IPv6, not IPv4; " in str(waiting["waiting"])
            bench.exchange([("client", frame("client", "mate"))], {"mate": [frame("client", "mate")]})
            # And with addresses of one family all is well.
            fabric.apply({"nodes": FOUR})
            settle(fabric)
            sent = [("client", frame("client", "mate")), ("client", for_many("client"))]
            to_all = {name: [for_many("client")] for name in ("mate", "server")}
            through = {
                "z-in": [unmarked(frame("client", "mate"))],
                "mate": [frame("client", "mate"), *to_all.pop("mate")],
            }
            bench.exchange(sent, through | to_all)
        finally:
            bench.close()
