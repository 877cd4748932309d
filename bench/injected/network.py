"""One node with two hosts, its server beside its switch, services, and a bare bridge in the same Open vSwitch.

The server runs in the node's namespace, so that a controller there is reached by it and by the switch alike.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any, Self

from tests.e2e.fabric import Fabric, host

NODE = "n1"
BARE = "bare"
CLIENT, SERVER = "client", "server"
ADDRESSES = {CLIENT: "10.0.0.1", SERVER: "10.0.0.2"}
EVERYTHING = {"drop": True, "packet_in": True, "redirect": True, "copy": True}
VERSIONS = "OpenFlow10,OpenFlow13,OpenFlow15"

Flow = dict[str, Any]


class Network(Fabric):
    """``more``: hosts beside the two, by name with their addresses."""

    def __init__(self, more: Mapping[str, str] | None = None) -> None:
        self.addresses = {**ADDRESSES, **(more or {})}
        super().__init__([host(name, NODE, f"{address}/16") for name, address in self.addresses.items()], nodes=1)

    def __enter__(self) -> Self:
        super().__enter__()
        return self

    def server_command(self, socket: str) -> list[str]:
        return self.lab.argv(NODE, super().server_command(socket))

    def declare(self, services: Mapping[str, Any], ports: Mapping[str, Any] | None = None, wait: float = 60) -> None:
        """The hosts' ports, further ones, and services."""
        own = {name: {"network": "web", "node": NODE, "address": at} for name, at in self.addresses.items()}
        networks = {"web": "10.0.0.0/16"}
        everything = {"nodes": [NODE], "networks": networks, "ports": {**own, **(ports or {})}, "services": services}
        self.apply(everything, wait=wait)

    def request(self, method: str, path: str, body: bytes | None = None, timeout: float = 310) -> Any:
        return super().request(method, path, body, timeout)

    def put(self, path: str, body: Any) -> Any:
        return self.request("PUT", path, json.dumps(body).encode())

    def attach(self, service: str, *ports: str) -> None:
        """In force when this returns."""
        self.put(f"/v1/services/{service}/attach?wait=30", {"attach": [f"port/{port}" for port in ports]})

    def fill(self, service: str, flows: Sequence[Flow], wait: float = 30) -> None:
        self.put(f"/v1/services/{service}/flows/0?wait={wait:g}", {"flows": flows})

    def controlled(self, service: str, port: int) -> int:
        """Has the service's switch call the controller that listens at ``port``; returns its datapath id."""
        self.request("POST", f"/v1/services/{service}/token", b"{}")
        said = self.put(f"/v1/services/{service}/controller", {"target": f"tcp:127.0.0.1:{port}"})
        return int(said["datapath_id"].replace(":", ""), 16)

    def bare_bridge(self, name: str, number: int, port: int) -> int:
        """An empty bridge that calls the controller at ``port`` and does nothing without it; its datapath id."""
        options = ["datapath_type=netdev", f"protocols={VERSIONS}", "fail_mode=secure"]
        options.append(f"other_config:datapath-id={number:016x}")
        self.vsctl(NODE, "add-br", name, "--", "set", "bridge", name, *options)
        self.vsctl(NODE, "set-controller", name, f"tcp:127.0.0.1:{port}")
        return number

    def in_force(self) -> None:
        """Returns when the agent has said that its switch is as it should be; changes nothing."""
        self.apply({"nodes": [NODE]}, wait=300)

    def agent_state(self) -> str:
        return str(self.get("/v1/status?count=false")["nodes"][0]["state"])

    def switch_flows(self) -> int:
        """Segue's flows, as the switch counts them."""
        own = "cookie=0x5e00000000000000/0xff00000000000000"
        said = self.exec(NODE, "ovs-ofctl", "-O", "OpenFlow15", "dump-aggregate", "br-int", own)
        return int(said.stdout.rpartition("flow_count=")[2].split()[0])


def passing(count: int, first: int = 0) -> list[Flow]:
    """``count`` flows of which the last lets everything pass, and the others drop what nobody sends."""
    narrow = {"eth_type": 0x800, "ip_proto": 17, "udp_dst": 53}
    said: list[Flow] = [
        {"priority": 10, "match": {**narrow, "ipv4_dst": f"10.{64 + (n >> 16)}.{n >> 8 & 255}.{n & 255}"}}
        for n in range(first, first + count - 1)
    ]
    normal = {"type": "OFPIT_APPLY_ACTIONS", "actions": [{"type": "OFPAT_OUTPUT", "port": "OFPP_NORMAL"}]}
    return [*said, {"priority": 0, "match": {}, "instructions": [normal]}]
