"""The underlay as tshark reads it: every header between nodes is what the status says that it is.

Captured on every node while packets go one way and back through functions on two nodes, so that each hop over the
underlay is seen twice: as it is sent, and as it arrives.
"""

from __future__ import annotations

import json
import re
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from .fabric import Fabric, mac_of
from .frames import datagram, of, silent, watch
from .probes import Bench, chain
from .talk import added, adder, apply

pytestmark = pytest.mark.root

ADDRESSES = {"client": {4: "10.0.0.10", 6: "fd00::10"}, "server": {4: "10.0.0.20", 6: "fd00::20"}}
INTENT: dict[str, Any] = {
    "nodes": ["n1", "n2", "n3"],
    "networks": {"first": "10.9.0.0/24", "web": ["10.0.0.0/24", "fd00::/64"]},
    "ports": {
        "client": {"network": "web", "node": "n1", "addresses": list(ADDRESSES["client"].values())},
        "server": {"network": "web", "node": "n3", "addresses": list(ADDRESSES["server"].values())},
    },
    "instances": {
        "x": "n2",
        "y": "n1",
        "x-nsh": {"node": "n2", "aware": "nsh"},
        "y-nsh": {"node": "n1", "aware": "nsh"},
        "x-mpls": {"node": "n2", "aware": "mpls"},
        "y-mpls": {"node": "n1", "aware": "mpls"},
    },
}
UNDERLAY = {"n1": "192.0.2.1", "n2": "192.0.2.2", "n3": "192.0.2.3"}


@pytest.fixture(scope="module")
def fabric() -> Iterator[Fabric]:
    functions = [
        adder(name + suffix, node, 1, encap)
        for suffix, encap in (("", "none"), ("-nsh", "nsh"), ("-mpls", "mpls"))
        for name, node in (("x", "n2"), ("y", "n1"))
    ]
    with Fabric([silent("client", "n1"), silent("server", "n3"), *functions]) as running:
        apply(running, INTENT)
        yield running


Layer = tuple[str, dict[str, str]]
"""(protocol, field -> value) as tshark prints them; of a field that occurs twice, the first."""


WANTED = "not arp and not icmp and not udp port 9"


def decode(path: Path) -> list[list[Layer]]:
    """By packet: its layers from the outside in."""
    command = ["tshark", "-r", str(path), "-T", "json", "-o", "ip.check_checksum:TRUE", "-o", "udp.check_checksum:TRUE"]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    # Layers of one name are several keys of one object: pairs keep them all.
    packets = json.loads(done.stdout, object_pairs_hook=list)
    return [[(name, _flat(fields)) for name, fields in dict(dict(packet)["_source"])["layers"]] for packet in packets]


def _flat(fields: Any) -> dict[str, str]:
    """A layer's fields with those of its subtrees."""
    found: dict[str, str] = {}
    for name, value in fields if isinstance(fields, list) else ():
        for key, inner in _flat(value).items() if isinstance(value, list) else [(name, value)]:
            found.setdefault(key, inner)
    return found


def capture(fabric: Fabric, where: dict[str, tuple[str, str]], directory: Path, bench: Bench, family: int) -> Captured:
    """``where``: name -> (member, interface). A datagram to the server and one to the client, each in its own time."""
    captures = {
        # Not what agents say to each other's machines now and then, so that tunnels find them.
        name: fabric.lab.capture(member, directory / f"{name}.pcap", interface=interface, expression=WANTED)
        for name, (member, interface) in where.items()
    }
    for source, target in (("client", "server"), ("server", "client")):
        ends = ADDRESSES[source][family], ADDRESSES[target][family]
        bench.wires[source].send(datagram(of(source), of(target), *ends, DATA))
        found = watch(bench.wires, 3)
        assert found[target] == [datagram(of(source), of(target), *ends, added(DATA, 2))]
    return {name: decode(one.stop()) for name, one in captures.items()}


Captured = dict[str, list[list[Layer]]]
DATA = bytes(range(100, 140))


def inner(source: str, target: str, family: int, times: int) -> list[Layer]:
    """The packet itself, as it was sent but for the functions that it has met."""
    ip = {4: ("ip", "0x0800"), 6: ("ipv6", "0x86dd")}[family]
    address = {f"{ip[0]}.src": ADDRESSES[source][family], f"{ip[0]}.dst": ADDRESSES[target][family]}
    if family == 4:
        address["ip.checksum.status"] = "1"
    transport = {"udp.srcport": "4000", "udp.dstport": "7000", "udp.checksum.status": "1"}
    return [
        ("eth", {"eth.src": mac_of(source), "eth.dst": mac_of(target), "eth.type": ip[1]}),
        (ip[0], address),
        ("udp", transport | {"udp.payload": added(DATA, times).hex(":")}),
    ]


def outer(source: str, target: str, port: int) -> list[Layer]:
    """From node to node; a tunnel's own checksum is none (RFC 7348 section 5)."""
    return [
        ("eth", {"eth.type": "0x0800"}),
        ("ip", {"ip.src": UNDERLAY[source], "ip.dst": UNDERLAY[target], "ip.checksum.status": "1"}),
        ("udp", {"udp.dstport": str(port), "udp.checksum": "0x0000"}),
    ]


def nsh(path: int, index: int) -> list[Layer]:
    """RFC 8300 section 2.2: MD type 1, six words, carries Ethernet."""
    first = {"nsh.version": "0", "nsh.Obit": "0", "nsh.ttl": "0x003f", "nsh.length": "6", "nsh.mdtype": "1"}
    return [("nsh", first | {"nsh.nextproto": "3", "nsh.spi": str(path), "nsh.si": str(index)})]


def labels(path: int, index: int) -> list[Layer]:
    """RFC 8595 section 6: path id, and below it the index."""
    return [
        ("mpls", {"mpls.label": str(path), "mpls.bottom": "0", "mpls.ttl": "63"}),
        ("mpls", {"mpls.label": str(index), "mpls.bottom": "1", "mpls.ttl": "63"}),
    ]


def hop(
    encapsulation: str, vni: int, nodes: tuple[str, str], path: int, index: int, packet: list[Layer]
) -> list[Layer]:
    """A path's packet on the underlay."""
    if encapsulation == "nsh":
        gpe = {"vxlan.vni": str(vni), "vxlan.ver": "0", "vxlan.i_bit": "1", "vxlan.p_bit": "1", "vxlan.next_proto": "4"}
        return [*outer(*nodes, 4790), ("vxlan", gpe), *nsh(path, index), *packet]
    return [*outer(*nodes, 4789), plain(vni), *labelled(packet, path, index)]


def plain(vni: int) -> Layer:
    return ("vxlan", {"vxlan.flag_i": "1", "vxlan.vni": str(vni)})


def labelled(packet: list[Layer], path: int, index: int) -> list[Layer]:
    (_, eth), *rest = packet
    return [("eth", eth | {"eth.type": "0x8847"}), *labels(path, index), *rest]


def agrees(packet: list[Layer], expected: list[Layer]) -> None:
    """The same layers, with at least these fields; nothing malformed, nothing that tshark warns of."""
    seen = [(name, fields) for name, fields in packet if name not in ("frame", "data")]
    assert [name for name, _ in seen] == [name for name, _ in expected]
    for (name, fields), (_, wanted) in zip(seen, expected, strict=True):
        assert {key: fields.get(key) for key in wanted} == wanted, name
        assert not [key for key in fields if key.startswith("_ws")], fields
    assert not [name for name, _ in packet if name.startswith("_ws")]


def network_key(fabric: Fabric) -> int:
    """Of the network that the server is in, as a switch has it."""
    found = re.search(rf"metadata=(0x[0-9a-f]+),dl_dst={mac_of('server')}", fabric.flows("n1"))
    assert found
    return int(found[1], 16)


@pytest.mark.parametrize("family", [4, 6], ids=["IPv4", "IPv6"])
@pytest.mark.parametrize("encapsulation", ["nsh", "mpls"])
@pytest.mark.parametrize("aware", [False, True], ids=["unaware", "aware"])
def test_headers_between_nodes(fabric: Fabric, tmp_path: Path, aware: bool, encapsulation: str, family: int) -> None:
    x, y = (f"{name}-{encapsulation}" if aware else name for name in ("x", "y"))
    there_and_back = chain({"from": "client", "to": "server"}, [x, y], symmetric=True, encapsulation=encapsulation)
    apply(fabric, {"chains": {"c": there_and_back}})
    bench = Bench(fabric)
    try:
        where = {node: (node, "ul0") for node in UNDERLAY} | {"into x": (x, f"{x}-in"), "out of x": (x, f"{x}-out")}
        seen = capture(fabric, where, tmp_path, bench, family)
    finally:
        bench.close()
    vni = network_key(fabric)
    assert vni != 1  # the first network's, which would also be what a switch that forgot it writes
    (status,) = fabric.status("c")["chains"]
    ids = {direction: path_of(status, direction, family, encapsulation) for direction in ("forward", "reverse")}
    assert ids["forward"][1] == ids["reverse"][1] == [255, 254]

    def go(direction: str, nodes: tuple[str, str], step: int | None) -> list[Layer]:
        ends = ("client", "server") if direction == "forward" else ("server", "client")
        packet = inner(*ends, family, 2 if step is None else step)
        if step is None:
            return [*outer(*nodes, 4789), plain(vni), *packet]
        path, indexes = ids[direction]
        return hop(encapsulation, vni, nodes, path, indexes[step], packet)

    hops = [
        (("n1", "n2"), "forward", 0),
        (("n2", "n1"), "forward", 1),
        (("n1", "n3"), "forward", None),
        (("n3", "n1"), "reverse", 0),
        (("n1", "n2"), "reverse", 1),
        (("n2", "n1"), "reverse", None),
    ]
    for node in UNDERLAY:
        expected = [go(direction, nodes, step) for nodes, direction, step in hops if node in nodes]
        assert len(seen[node]) == len(expected), node
        for packet, wanted in zip(seen[node], expected, strict=True):
            agrees(packet, wanted)
    if aware:
        at_function(seen, encapsulation, family, ids)


def at_function(seen: Captured, encapsulation: str, family: int, ids: dict[str, tuple[int, list[int]]]) -> None:
    """To a function that knows of paths, and from it: it is step 1 on the way there, step 2 on the way back."""
    for name, number, packet, path, index in (
        ("into x", 0, inner("client", "server", family, 0), ids["forward"][0], 255),
        ("out of x", 0, inner("client", "server", family, 1), ids["forward"][0], 254),
        ("out of x", 1, inner("server", "client", family, 1), ids["reverse"][0], 254),
        ("into x", 1, inner("server", "client", family, 2), ids["reverse"][0], 253),
    ):
        assert len(seen[name]) == 2
        if encapsulation == "nsh":
            agrees(seen[name][number], [("eth", {"eth.type": "0x894f"}), *nsh(path, index), *packet])
        else:
            agrees(seen[name][number], labelled(packet, path, index))


def path_of(status: dict[str, Any], direction: str, family: int, encapsulation: str) -> tuple[int, list[int]]:
    """(id, indexes). Labels do not say what they carry: there each family has a path of its own, IPv4's first."""
    paths = [p for p in status["paths"] if p["direction"] == direction and p["phase"] == "active"]
    assert len(paths) == (1 if encapsulation == "nsh" else 2)
    path = paths[0 if family == 4 else -1]
    return path["id"], [step["index"] for step in path["steps"]]
