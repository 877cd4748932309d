"""What is counted stays with the chain that it was counted for, whatever takes whose place."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from e2e.fabric import Fabric, function, host

pytestmark = pytest.mark.root

SEND = """
import socket, sys
s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
for _ in range(6):
    s.sendto(b"x", ("10.0.0.20", int(sys.argv[1])))
"""
BASE: dict[str, Any] = {
    "nodes": ["n1", "n2", "n3"],
    "networks": {"web": "10.0.0.0/24"},
    "ports": {
        "client": {"network": "web", "node": "n1", "address": "10.0.0.10"},
        "server": {"network": "web", "node": "n3", "address": "10.0.0.20"},
    },
    "instances": {"a": "n2", "b": "n2"},
}


def chains(x: int, y: int, encapsulation: str = "nsh") -> dict[str, Any]:
    def chain(port: int, through: str) -> dict[str, Any]:
        match = {"from": "client", "to": "server", "protocol": "udp", "destination_ports": port}
        return {"match": match, "through": [through], "encapsulation": encapsulation}

    return {"chains": {"x": chain(x, "a"), "y": chain(y, "b")}}


@pytest.fixture
def fabric() -> Iterator[Fabric]:
    ends = [host("client", "n1", "10.0.0.10/24"), host("server", "n3", "10.0.0.20/24")]
    with Fabric([*ends, function("a", "n2", "add1"), function("b", "n2", "add1")], drain=0.2) as fabric:
        fabric.apply(BASE | chains(80, 90))
        yield fabric


def entered(fabric: Fabric) -> tuple[int, int]:
    x, y = (fabric.counters(name) for name in "xy")
    assert all(count == x["forward", "entered", ""] for count in x.values())
    assert all(count == y["forward", "entered", ""] for count in y.values())
    return x["forward", "entered", ""], y["forward", "entered", ""]


def test_counts_stay_with_their_chain(fabric: Fabric) -> None:
    fabric.python("client", SEND, "80")
    assert entered(fabric) == (6, 0)
    fabric.apply(chains(90, 80))  # each chain's rule takes the place of the other's
    assert entered(fabric) == (6, 0)
    fabric.python("client", SEND, "80")
    assert entered(fabric) == (6, 6)
    fabric.apply(chains(90, 80, "mpls"))  # new paths; the old ones are drained and removed
    fabric.until(lambda: all(len(c["paths"]) == 1 for c in fabric.status()["chains"]), "the old paths to go")
    fabric.python("client", SEND, "90")
    assert entered(fabric) == (12, 6)
    everything = {c["name"]: c["counters"][0]["packets"] for c in fabric.status()["chains"]}
    assert everything == {"x": 12, "y": 6}
