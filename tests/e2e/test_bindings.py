"""Ports that nobody placed: they are where an interface with their name appears, and everything follows them."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from .fabric import ApiError, Fabric
from .frames import Wire, arp, datagram, of, silent, watch
from .probes import chain, shown
from .talk import added, adder, apply, settle

pytestmark = pytest.mark.root

INTENT: dict[str, Any] = {
    "nodes": ["n1", "n2", "n3"],
    "networks": {"web": "10.0.0.0/24"},
    "ports": {
        "client": {"network": "web", "node": "n1", "address": "10.0.0.10"},
        "server": {"network": "web", "node": "n3", "address": "10.0.0.20"},
        "wanderer": {"network": "web", "address": "10.0.0.30"},
        "f-in": {},
        "f-out": {},
    },
    "instances": {"f": {"ingress": "f-in", "egress": "f-out"}},
}
LOUD = chain({"from": "client", "to": "server"}, ["f"], symmetric=True)


@pytest.fixture
def fabric() -> Iterator[Fabric]:
    with Fabric([silent("client", "n1"), silent("server", "n3")]) as running:
        apply(running, INTENT)
        yield running


def arrives(fabric: Fabric, source: str, target: str, addresses: tuple[str, str], data: bytes, as_data: bytes) -> bool:
    wires = {name: Wire(fabric, name) for name in sorted(hosts(fabric) - {"f"})}
    try:
        wires[source].send(datagram(of(source), of(target), *addresses, data))
        found = watch(wires, 1, within=0.5)
    finally:
        for wire in wires.values():
            wire.close()
    got = {name: shown(frames) for name, frames in found.items() if frames}
    if not got:
        return False
    assert got == {target: shown([datagram(of(source), of(target), *addresses, as_data)])}
    return True


def hosts(fabric: Fabric) -> set[str]:
    return {host.name for host in fabric.lab.spec.hosts}


def both_ways(fabric: Fabric) -> bool:
    there = arrives(fabric, "client", "wanderer", ("10.0.0.10", "10.0.0.30"), b"to it", b"to it")
    return there and arrives(fabric, "wanderer", "server", ("10.0.0.30", "10.0.0.20"), b"from it", b"from it")


def test_a_port_works_where_it_appears(fabric: Fabric) -> None:
    ends = ("10.0.0.10", "10.0.0.30")
    assert not arrives(fabric, "client", "wanderer", ends, b"nobody there", b"nobody there")
    for node in ("n2", "n1", "n3"):
        fabric.lab.add_host(silent("wanderer", node))
        fabric.until(lambda: both_ways(fabric), f"the port to work on {node}", within=5)
        with_arp(fabric)
        fabric.lab.remove_host("wanderer")
        settle(fabric)
        assert not arrives(fabric, "client", "wanderer", ends, b"gone", b"gone")


def with_arp(fabric: Fabric) -> None:
    wire = Wire(fabric, "client")
    asker = (of("client"), "10.0.0.10")
    wire.send(arp(1, asker, (bytes(6), "10.0.0.30")))
    found = watch({"client": wire}, 1)["client"]
    wire.close()
    assert shown(found) == shown([arp(2, (of("wanderer"), "10.0.0.30"), asker, of("client"))])


def test_a_function_may_move(fabric: Fabric) -> None:
    with pytest.raises(ApiError, match="nobody knows on which node port 'f-in' is") as refused:
        fabric.apply({"chains": {"c": LOUD}})
    assert refused.value.status == 409
    fabric.lab.add_host(adder("f", "n2", 1))
    fabric.until(lambda: can_apply(fabric), "the function to be known", within=5)
    assert visited(fabric)
    for node in ("n3", "n1"):
        fabric.lab.remove_host("f")
        fabric.until(lambda: not visited(fabric), "the function to be gone", within=5)
        fabric.lab.add_host(adder("f", node, 1))
        fabric.until(lambda: visited(fabric), f"the function to work on {node}", within=10)
        (one,) = fabric.status("c")["chains"]
        active = [path for path in one["paths"] if path["phase"] == "active"]
        assert {hop["node"] for path in active for hop in path["steps"][0]["instances"]} == {node}


def can_apply(fabric: Fabric) -> bool:
    try:
        apply(fabric, {"chains": {"c": LOUD}})
    except ApiError:
        return False
    return True


def visited(fabric: Fabric) -> bool:
    """Never past the function: raised by one both ways, or not there."""
    there = arrives(fabric, "client", "server", ("10.0.0.10", "10.0.0.20"), b"data", added(b"data", 1))
    back = arrives(fabric, "server", "client", ("10.0.0.20", "10.0.0.10"), b"data", added(b"data", 1))
    return there and back


def test_status_says_what_is_missing(fabric: Fabric) -> None:
    fabric.lab.add_host(adder("f", "n2", 1))
    fabric.until(lambda: can_apply(fabric), "the function to be known", within=5)
    fabric.lab.remove_host("f")

    def impaired() -> bool:
        (one,) = fabric.status("c")["chains"]
        return bool(one["state"] == "impaired" and any("f-in" in reason for reason in one["reasons"]))

    fabric.until(impaired, "the chain to be reported impaired", within=5)
