"""Injected services in a test's network: their flows, what they have met, and what switches hold of them."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping
from typing import Any

from segue.model.stages import SERVICE, TABLE
from segue.openflow import FlowMod, Output, PacketOut
from segue.openflow import protocol as of
from segue.openflow.as_json import to_json
from segue.openflow.declare import Message
from segue.openflow.wire import ANY_PORT, CONTROLLER, NORMAL, V15

from .fabric import Fabric
from .flows import held
from .talk import settle

ON = Output(NORMAL)
UP = Output(CONTROLLER)
EVERYTHING = {
    **dict.fromkeys(("drop", "mark", "meter", "queue", "redirect", "copy", "packet_in"), True),
    "rewrite": ["eth_dst", "ipv4_dst", "udp_dst"],
}
_GATE = re.compile(rf"{SERVICE}=(0x[0-9a-f]+)")


def flow(match: Mapping[str, Any], *actions: of.Action, priority: int = 10, **more: Any) -> FlowMod:
    """Without actions, what drops."""
    return FlowMod(dict(match), actions, priority=priority, **more)


def udp_to(port: int, **more: Any) -> dict[str, Any]:
    return {"eth_type": 0x0800, "ip_proto": 17, "udp_dst": port, **more}


def shown(fabric: Fabric, service: str) -> dict[str, Any]:
    found: dict[str, Any] = fabric.get(f"/v1/services/{service}")
    return found


def key_of(fabric: Fabric, service: str) -> int:
    return int(shown(fabric, service)["datapath_id"], 16) & 0xFFFFFFFF


def numbers(fabric: Fabric, service: str) -> dict[str, int]:
    """The service's own port numbers, by name."""
    return {port["name"]: port["number"] for port in shown(fabric, service)["ports"]}


def put(fabric: Fabric, service: str, *flows: FlowMod, table: int = 0, settled: bool = True) -> None:
    """The table holds these flows; ``settled``: and no packet is treated by what a switch remembers of before."""
    body = json.dumps({"flows": [to_json(one, 0, V15) for one in flows]}).encode()
    fabric.request("PUT", f"/v1/services/{service}/flows/{table}", body)
    if settled:
        settle(fabric)


def say(fabric: Fabric, service: str, *messages: Message) -> None:
    """OpenFlow messages over HTTP."""
    body = json.dumps({"messages": [to_json(one, 0, V15) for one in messages]}).encode()
    fabric.request("POST", f"/v1/services/{service}/messages", body)


def packet_out(data: bytes, *actions: of.Action, in_port: int = CONTROLLER) -> PacketOut:
    return PacketOut(in_port=in_port, actions=actions, data=data)


def packets_met(fabric: Fabric) -> dict[tuple[int, str], int]:
    """Packets let through the gate, by the service's key and node; what the switches know now."""
    settle(fabric)
    found: dict[tuple[int, str], int] = {}
    for node in fabric.nodes:
        for one in held(fabric, node):
            key = _GATE.search(one.identity[1])
            if one.identity[0] == TABLE["service_gate"] and one.actions != "drop" and key:
                found[int(key[1], 16), node] = one.packets
    return found


def flow_packets(fabric: Fabric, service: str) -> dict[tuple[int, int, str], int]:
    """As the service is told: packets of its flows by table, priority and match."""
    found = fabric.get(f"/v1/services/{service}/flows")["flows"]
    return {
        (one["table_id"], one["priority"], json.dumps(one["match"], sort_keys=True)): one["packet_count"]
        for one in found
    }


def rules(fabric: Fabric, node: str, keys: Iterable[int]) -> list[Any]:
    """What the node's switch holds of these services' own flows."""
    wanted = set(keys)
    tables = {TABLE[name] for name in TABLE if re.fullmatch(r"service_\d+", name)}
    found = []
    for one in held(fabric, node):
        key = _GATE.search(one.identity[1])
        if one.identity[0] in tables and key and int(key[1], 16) in wanted:
            found.append(one)
    return found


__all__ = [
    "ANY_PORT",
    "EVERYTHING",
    "ON",
    "UP",
    "flow",
    "flow_packets",
    "key_of",
    "numbers",
    "packet_out",
    "packets_met",
    "put",
    "rules",
    "say",
    "shown",
    "udp_to",
]
