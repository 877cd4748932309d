"""Taps with real packets: the destination gets each packet exactly once, and so does the tap, as tshark reads it.

A tap is a host that says nothing; what comes to its port is captured there. Functions add 1 to every byte, so a copy
also shows where on the way it was made.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest

from segue.lab import names
from segue.lab.spec import LabHost, LabPort

from .fabric import ApiError, Fabric, mac_of
from .frames import Wire, datagram, of, silent, watch
from .probes import chain
from .talk import added, adder, apply, delete
from .test_tshark import (
    ADDRESSES,
    DATA,
    WANTED,
    agrees,
    decode,
    hop,
    inner,
    labelled,
    network_key,
    nsh,
    path_of,
)

pytestmark = pytest.mark.root

NODES = ("n1", "n2", "n3")
KINDS = {"": "none", "-nsh": "nsh", "-mpls": "mpls"}
INTENT: dict[str, Any] = {
    "nodes": list(NODES),
    "networks": {"first": "10.9.0.0/24", "web": ["10.0.0.0/24", "fd00::/64"]},
    "ports": {
        "client": {"network": "web", "node": "n1", "addresses": list(ADDRESSES["client"].values())},
        "server": {"network": "web", "node": "n3", "addresses": list(ADDRESSES["server"].values())},
    },
    "instances": {
        f"{name}{kind}": {"node": node} | ({"aware": kind[1:]} if kind else {})
        for kind in KINDS
        for name, node in (("x", "n2"), ("w", "n1"), ("t1", "n1"), ("t2", "n2"), ("t3", "n3"))
    },
}


def listener(name: str, node: str) -> LabHost:
    """A host with the two ports of an instance, at which nobody answers."""
    return LabHost(
        name,
        node,
        tuple(LabPort(f"{name}-{way}", mac_of(f"{name}-{way}"), interface=f"{name}-{way}") for way in ("in", "out")),
    )


@pytest.fixture(scope="module")
def fabric() -> Iterator[Fabric]:
    functions = [
        adder(name + kind, node, 1, encap) for kind, encap in KINDS.items() for name, node in (("x", "n2"), ("w", "n1"))
    ]
    taps = [listener(f"t{number}{kind}", node) for kind in KINDS for number, node in enumerate(NODES, 1)]
    with Fabric([silent("client", "n1"), silent("server", "n3"), *functions, *taps]) as running:
        apply(running, INTENT)
        yield running


def tapped(match: Any, function: str, tap: str, place: int, encapsulation: str) -> dict[str, Any]:
    through: list[Any] = [function]
    through.insert(place, {"instances": [tap], "tap": True})
    return chain(match, through, symmetric=True, encapsulation=encapsulation)


def talk(fabric: Fabric, directory: Path, members: dict[str, tuple[str, str]], family: int) -> dict[str, list[Any]]:
    """One datagram to the server and then one back; by name, the packets that tshark reads. What both ends get is
    compared here."""
    ends = {name: Wire(fabric, name) for name in ("client", "server")}
    captures = {
        name: fabric.lab.capture(member, directory / f"{name}.pcap", interface=interface, expression=WANTED)
        for name, (member, interface) in members.items()
    }
    try:
        for source, target in (("client", "server"), ("server", "client")):
            addresses = ADDRESSES[source][family], ADDRESSES[target][family]
            ends[source].send(datagram(of(source), of(target), *addresses, DATA))
            got = watch(ends, 1)
            assert got == {source: [], target: [datagram(of(source), of(target), *addresses, added(DATA, 1))]}
    finally:
        files = {name: one.stop() for name, one in captures.items()}
        for wire in ends.values():
            wire.close()
    return {name: decode(file) for name, file in files.items()}


@pytest.mark.parametrize(("place", "family"), [(0, 4), (1, 6)], ids=["before it, IPv4", "behind it, IPv6"])
@pytest.mark.parametrize("where", NODES, ids=lambda node: f"tap on {node}")
@pytest.mark.parametrize("encapsulation", ["nsh", "mpls"])
@pytest.mark.parametrize("aware", [False, True], ids=["unaware", "aware"])
def test_a_copy_for_the_tap_and_the_packet_for_its_destination(
    fabric: Fabric, tmp_path: Path, aware: bool, encapsulation: str, where: str, place: int, family: int
) -> None:
    """The client's node is n1, the function's n2, the server's n3."""
    kind = f"-{encapsulation}" if aware else ""
    tap = f"t{where[1]}{kind}"
    name = f"{tap}-{encapsulation}-{place}-{family}"
    declared = tapped({"from": "client", "to": "server"}, f"x{kind}", tap, place, encapsulation)
    apply(fabric, {"chains": {name: declared}})
    try:
        seen = talk(fabric, tmp_path, {"in": (tap, f"{tap}-in"), "node": (where, "ul0")}, family)
        (status,) = fabric.status(name)["chains"]
        counted = {
            (way, what, who): 1
            for way in ("forward", "reverse")
            for what, who in (("entered", ""), ("left", ""), (f"{name}-step{place + 1}", tap), (f"x{kind}", f"x{kind}"))
        }
        fabric.until(lambda: fabric.counters(name) == counted, f"the counters to be {counted}", within=4)
        traced = fabric.get("/v1/trace?live=true&flow=" + quote("client > server udp 7000 from port 4000"))
        assert traced["agree"], traced
        assert (sorted(traced["functions"]), traced["delivered"]) == (sorted([tap, f"x{kind}"]), ["server"]), traced
    finally:
        delete(fabric, ("chain", name))
    assert status["state"] == "ready", status
    vni = network_key(fabric)
    assert len(seen["in"]) == 2, seen["in"]
    for direction, copy in zip(("forward", "reverse"), seen["in"], strict=True):
        ends = ("client", "server") if direction == "forward" else ("server", "client")
        step = place if direction == "forward" else 1 - place
        packet = inner(*ends, family, step)
        path, indexes = path_of(status, direction, family, encapsulation)
        if not aware:
            agrees(copy, packet)
        elif encapsulation == "nsh":
            agrees(copy, [("eth", {"eth.type": "0x894f"}), *nsh(path, indexes[step]), *packet])
        else:
            agrees(copy, labelled(packet, path, indexes[step]))
        # Where the copy is made: where the packet comes in, or behind the function.
        made = {"client": "n1", "server": "n3"}[ends[0]] if step == 0 else "n2"
        sent = [one for one in seen["node"] if place_of(one, encapsulation) == (path, indexes[step])]
        assert len(sent) == (made != where), (made, where)
        for one in sent:
            agrees(one, hop(encapsulation, vni, (made, where), path, indexes[step], packet))


def place_of(packet: Any, encapsulation: str) -> tuple[int, int] | None:
    """(path id, index) of a packet between nodes."""
    layers = [(name, fields) for name, fields in packet if name == encapsulation]
    if encapsulation == "nsh":
        return (int(layers[0][1]["nsh.spi"]), int(layers[0][1]["nsh.si"])) if layers else None
    return (int(layers[0][1]["mpls.label"]), int(layers[1][1]["mpls.label"])) if len(layers) == 2 else None


@pytest.mark.parametrize("where", NODES, ids=lambda node: f"tap on {node}")
@pytest.mark.parametrize("encapsulation", ["nsh", "mpls"])
def test_copies_of_many_flows(fabric: Fabric, where: str, encapsulation: str) -> None:
    """Behind a group on two nodes and from no port in particular: each exactly once, with its own MAC addresses."""
    tap = f"t{where[1]}"
    match = {"network": "web", "from": "10.0.0.10", "to": "10.0.0.20", "protocol": "udp"}
    through = [["x", "w"], {"instances": [tap], "tap": True}]
    apply(fabric, {"chains": {"c": chain(match, through, encapsulation=encapsulation)}})
    wires = {name: Wire(fabric, name) for name in ("client", "server")}
    wires["tap"] = Wire(fabric, tap, f"{tap}-in")
    wires["other end"] = Wire(fabric, tap, f"{tap}-out")
    try:
        for turn in range(8):
            sent, expected = [], []
            for number in range(25):
                ports = (5000 + 25 * turn + number, 7000)
                ends = (of("client"), of("server"), "10.0.0.10", "10.0.0.20")
                data = b"flow %05d %05d" % (turn, number)
                sent.append(datagram(*ends, data, ports=ports))
                expected.append(datagram(*ends, added(data, 1), ports=ports))
            wires["client"].send(*sent)
            found = watch(wires, 2 * len(sent))
            assert found["client"] == found["other end"] == []
            assert Counter(found["server"]) == Counter(expected)
            assert Counter(found["tap"]) == Counter(expected)
    finally:
        for wire in wires.values():
            wire.close()


@pytest.mark.parametrize("where", ["n2", "n3"], ids=["here", "elsewhere"])
def test_a_tap_that_has_gone_stops_nothing(fabric: Fabric, where: str) -> None:
    tap = f"t{where[1]}"
    apply(fabric, {"chains": {"c": tapped({"from": "client", "to": "server"}, "x", tap, 1, "nsh")}})
    interface = names.switch_interface(f"{tap}-in")
    wires = {name: Wire(fabric, name) for name in ("client", "server")} | {"tap": Wire(fabric, tap, f"{tap}-in")}
    ends = (of("client"), of("server"), "10.0.0.10", "10.0.0.20")

    def state() -> tuple[str, list[str]]:
        (status,) = fabric.status("c")["chains"]
        return status["state"], status["reasons"]

    try:
        fabric.vsctl(where, "remove", "interface", interface, "external_ids", "iface-id")
        fabric.until(lambda: state()[0] == "impaired", "the chain to miss its tap")
        assert [reason.startswith("no copies: ") for reason in state()[1]] == [True]
        wires["client"].send(datagram(*ends, b"without"))
        assert watch(wires, 1) == {"client": [], "server": [datagram(*ends, added(b"without", 1))], "tap": []}
        # Nor does a new path wait for it.
        apply(fabric, {"chains": {"c": tapped({"from": "client", "to": "server"}, "w", tap, 1, "nsh")}})
        wires["client"].send(datagram(*ends, b"anew"))
        assert watch(wires, 1) == {"client": [], "server": [datagram(*ends, added(b"anew", 1))], "tap": []}
    finally:
        fabric.vsctl(where, "set", "interface", interface, f"external_ids:iface-id={tap}-in")
    fabric.until(lambda: state()[0] == "ready", "the tap to be back")
    try:
        arrived = datagram(*ends, added(b"again", 1))
        wires["client"].send(datagram(*ends, b"again"))
        assert watch(wires, 2) == {"client": [], "server": [arrived], "tap": [arrived]}
    finally:
        for wire in wires.values():
            wire.close()


def test_what_a_tap_sends_goes_nowhere(fabric: Fabric) -> None:
    apply(fabric, {"chains": {"c": tapped({"from": "client", "to": "server"}, "x-nsh", "t2-nsh", 1, "nsh")}})
    wires = {name: Wire(fabric, name) for name in ("client", "server")}
    wires["tap"] = Wire(fabric, "t2-nsh", "t2-nsh-in")
    wires["other end"] = Wire(fabric, "t2-nsh", "t2-nsh-out")
    ends = (of("client"), of("server"), "10.0.0.10", "10.0.0.20")
    try:
        wires["client"].send(datagram(*ends, b"tapped"))
        found = watch(wires, 2)
        (copy,) = found["tap"]
        assert found["server"] == [datagram(*ends, added(b"tapped", 1))]
        stepped = copy[: 14 + 7] + bytes([copy[14 + 7] - 1]) + copy[14 + 8 :]  # the index, the last octet of word 2
        for port in ("tap", "other end"):
            wires[port].send(copy, stepped, datagram(*ends, b"forged"))
        assert not any(watch(wires, 1, within=0.6).values())
    finally:
        for wire in wires.values():
            wire.close()


def test_taps_side_by_side_are_refused(fabric: Fabric) -> None:
    taps = [{"instances": [name], "tap": True} for name in ("t1", "t2")]
    with pytest.raises(ApiError, match="one right behind the other") as refused:
        apply(fabric, {"chains": {"d": chain({"from": "server"}, taps, precedence=500)}})
    assert refused.value.status == 409
