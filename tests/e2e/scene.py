"""The network of most tests: a client on n1, a server on n3, and six functions of each kind over three nodes."""

from __future__ import annotations

from typing import Any

from segue.lab.spec import LabHost

from .fabric import host
from .talk import adder

CLIENT = {4: "10.0.0.10", 6: "fd00::10"}
SERVER = {4: "10.0.0.20", 6: "fd00::20"}
KINDS = {"plain": "none", "nsh": "nsh", "mpls": "mpls"}
"""Name's beginning -> what the function reads and writes."""
PLACES = {"x1": "n1", "x2": "n2", "x3": "n3", "y1": "n1", "y2": "n2", "y3": "n3"}
IDS = {f"{kind}-{name}": 10 * k + n for k, kind in enumerate(KINDS, 1) for n, name in enumerate(PLACES)}


def hosts(*kinds: str) -> list[LabHost]:
    return [
        host("client", "n1", "10.0.0.10/24", "fd00::10/64"),
        host("server", "n3", "10.0.0.20/24", "fd00::20/64"),
        *(
            adder(f"{kind}-{name}", node, IDS[f"{kind}-{name}"], KINDS[kind])
            for kind in kinds
            for name, node in PLACES.items()
        ),
    ]


def intent(*kinds: str) -> dict[str, Any]:
    return {
        "nodes": ["n1", "n2", "n3"],
        "networks": {"web": ["10.0.0.0/24", "fd00::/64"]},
        "ports": {
            "client": {"network": "web", "node": "n1", "addresses": list(CLIENT.values())},
            "server": {"network": "web", "node": "n3", "addresses": list(SERVER.values())},
        },
        "instances": {
            f"{kind}-{name}": {"node": node} | ({} if kind == "plain" else {"aware": kind})
            for kind in kinds
            for name, node in PLACES.items()
        },
    }
