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
        **{f"{name}-{kind}": {"node": node, "aware": kind} for kind in ("nsh", "mpls") for name, node in (("x", "n2"), ("y", "n1"))},
    },
}
UNDERLAY = {"n1": "192.0.2.1", "n2": "192.0.2.2", "n3": "192.0.2.3"}
Tree = dict[str, Any]


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


def decode(path: Path) -> list[list[Tree]]:
    """By packet: its layers from the outside in, as (name, fields); checksums are checked, and nothing is amiss."""
    options = [f"-o{protocol}.check_checksum:TRUE" for protocol in ("ip", "udp")]
    command = ["tshark", "-r", str(path), "-T", "json", "--no-duplicate-keys", "-J", "", *options]
    command = ["tshark", "-r", str(path), "-T", "json", "-x", *options]
    done = subprocess.run(command[:-2] + options, capture_output=True, text=True, check=True)
    packets = json.loads(done.stdout, object_pairs_hook=list)
    return [_layers(dict(dict(packet)["_source"])["layers"]) for packet in packets]


def _layers(pairs: list[tuple[str, Any]]) -> list[Tree]:
    return [{"layer": name, **_flat(fields)} for name, fields in pairs]


def _flat(fields: Any) -> Tree:
    """A layer's fields with those of its subtrees."""
    found: Tree = {}
    for name, value in fields if isinstance(fields, list) else ():
        if isinstance(value, list):
            found |= _flat(value)
        else:
            found.setdefault(name, value)
    return found


def names(packet: list[Tree]) -> list[str]:
    return [layer["layer"] for layer in packet]
