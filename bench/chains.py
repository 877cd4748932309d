"""The network that is measured: any number of chains between hosts on three nodes.

    n3: client0 ...  --VXLAN-GPE, NSH-->  n2: fw  --VXLAN-->  n1: server

Chains are spread over logical ports, a hundred at most; a chain's classifier names its port, UDP, and one source
port. ``client0`` alone has an interface: packets are sent from there. ``fw`` stamps sequenced packets, so what arrives
tells whether it was steered.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Self

from tests.e2e.fabric import Fabric, function, host

SERVER_PORT = 7000
FIRST_SOURCE = 1024
ADDED_SOURCE = 40000
OWN = "cookie=0x5e00000000000000/0xff00000000000000"
DRAIN = 0.2
"""Seconds. Old paths do not matter here; rounds are to be short."""


def hosts() -> list[Any]:
    return [
        host("client0", "n3", "10.0.2.1/16"),
        host("server", "n1", "10.0.1.1/16"),
        function("fw", "n2", "stamp", "--id", "1"),
    ]


def intent(count: int) -> dict[str, Any]:
    """Everything, with ``count`` chains."""
    clients = max(1, min(100, count // 10))
    ports: dict[str, Any] = {"server": {"network": "web", "node": "n1", "address": "10.0.1.1"}}
    for number in range(clients):
        ports[f"client{number}"] = {"network": "web", "node": "n3", "address": f"10.0.2.{number + 1}"}
    return {
        "nodes": ["n1", "n2", "n3"],
        "networks": {"web": "10.0.0.0/16"},
        "ports": ports,
        "instances": {"fw": "n2"},
        "chains": {
            f"chain{number}": chain(f"client{number % clients}", FIRST_SOURCE + number // clients)
            for number in range(count)
        },
    }


def chain(client: str, source: int) -> dict[str, Any]:
    match = {"from": client, "to": "server", "protocol": "udp", "source_ports": source}
    return {"match": match | {"destination_ports": SERVER_PORT}, "through": ["fw"]}


def one_more(number: int) -> dict[str, Any]:
    """A further chain, for what client0 sends from port ADDED_SOURCE + ``number``."""
    return {"chains": {added(number): chain("client0", ADDED_SOURCE + number)}}


def added(number: int) -> str:
    return f"added{number}"


class ChainFabric(Fabric):
    """A fabric with ``count`` chains in force once it is entered."""

    def __init__(self, count: int) -> None:
        super().__init__(hosts(), drain=DRAIN)
        self.count = count

    def __enter__(self) -> Self:
        super().__enter__()
        try:
            self.fill()
        except BaseException:
            self.close()
            raise
        return self

    def fill(self) -> None:
        self.apply(intent(self.count), wait=300)

    def request(self, method: str, path: str, body: bytes | None = None, timeout: float = 310) -> Any:
        return super().request(method, path, body, timeout)

    def in_force(self) -> None:
        """Returns when every agent has said that its switch is as it should be; changes nothing."""
        self.apply({"nodes": ["n1", "n2", "n3"]}, wait=300)

    def node_states(self) -> dict[str, str]:
        return {node["name"]: node["state"] for node in self.get("/v1/status?count=false")["nodes"]}

    def flow_count(self, node: str) -> int:
        """Segue's flows on the node's switch, as the switch counts them."""
        said = self.exec(node, "ovs-ofctl", "-O", "OpenFlow15", "dump-aggregate", "br-int", OWN)
        return int(said.stdout.rpartition("flow_count=")[2].split()[0])


def write(path: Path, body: Mapping[str, Any]) -> Path:
    path.write_text(json.dumps(body))
    return path
