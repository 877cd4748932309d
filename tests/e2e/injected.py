"""Injected services in a test's network: their flows, what they have met, and what switches hold of them."""

from __future__ import annotations

import contextlib
import json
import queue
import re
import socket
import subprocess
import threading
import time
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from segue.model.intent import NOT_REWRITTEN
from segue.model.stages import SERVICE, TABLE
from segue.openflow import FlowMod, Output, PacketOut
from segue.openflow import protocol as of
from segue.openflow.as_json import to_json
from segue.openflow.declare import Message
from segue.openflow.wire import ANY_PORT, CONTROLLER, NORMAL, V15

from .fabric import PYTHON, Fabric
from .flows import held
from .talk import settle

ON = Output(NORMAL)
UP = Output(CONTROLLER)
EVERYTHING: dict[str, Any] = {
    **dict.fromkeys(("drop", "mark", "meter", "queue", "redirect", "copy", "packet_in"), True),
    "rewrite": ["eth_dst", "ipv4_dst", "udp_dst"],
}


def everything(hook: str) -> dict[str, Any]:
    """Of these, what can be permitted at the hook."""
    never = NOT_REWRITTEN.get(hook, ())
    return EVERYTHING | {"rewrite": [field for field in EVERYTHING["rewrite"] if field not in never]}


_GATE = re.compile(rf"{SERVICE}=(0x[0-9a-f]+)")
_LET_IN = f"resubmit(,{TABLE['service_0']})"


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
            if one.identity[0] == TABLE["service_gate"] and one.actions == _LET_IN and key:
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


class Steersman:
    """The controller of ``steersman.py``, with a port of its own that it keeps when it is started anew."""

    def __init__(self, fabric: Fabric, name: str) -> None:
        with socket.create_server(("127.0.0.1", 0)) as free:
            self.port = free.getsockname()[1]
        self._log = fabric.directory / f"steersman-{name}.log"
        self.start()

    def start(self) -> None:
        command = [PYTHON, str(Path(__file__).with_name("steersman.py")), str(self.port)]
        with self._log.open("ab") as log:
            self._process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=log)
        self.said: queue.Queue[Any] = queue.Queue()
        threading.Thread(target=self._read, args=(self._process, self.said), daemon=True).start()

    @staticmethod
    def _read(process: subprocess.Popen[bytes], said: queue.Queue[Any]) -> None:
        assert process.stdout is not None
        with contextlib.suppress(ValueError):  # it may be killed in the midst of a line
            for line in process.stdout:
                said.put(json.loads(line))

    def kill(self) -> None:
        self._process.kill()
        self._process.wait(10)

    def tell(self, do: str, **what: Any) -> None:
        assert self._process.stdin is not None
        self._process.stdin.write(json.dumps({"do": do, **what}).encode() + b"\n")
        self._process.stdin.flush()

    def ask(self, do: str, key: str, within: float = 20.0, **what: Any) -> Any:
        """The next answer that has ``key``, whole."""
        self.tell(do, **what)
        return self.answer(key, within)

    def answer(self, key: str, within: float = 20.0) -> Any:
        end = time.monotonic() + within
        while True:
            found = self.said.get(timeout=max(0.01, end - time.monotonic()))
            if isinstance(found, dict) and key in found:
                return found

    def send(self, *messages: Message) -> None:
        """And none is refused."""
        told = self.ask("send", "errors", messages=[to_json(one, 0, V15) for one in messages])
        assert told == {"errors": []}, told


def steered(fabric: Fabric, service: str) -> Steersman:
    """A controller for the service, which is connected."""
    steersman = Steersman(fabric, service)
    fabric.request("POST", f"/v1/services/{service}/token", b"{}")
    target = json.dumps({"target": f"tcp:127.0.0.1:{steersman.port}"}).encode()
    fabric.request("PUT", f"/v1/services/{service}/controller", target)
    fabric.until(lambda: connected(fabric, service), "the controller to be connected")
    return steersman


def connected(fabric: Fabric, service: str) -> bool:
    return bool(shown(fabric, service)["controller"]["connected"])


__all__ = [
    "ANY_PORT",
    "EVERYTHING",
    "ON",
    "UP",
    "Steersman",
    "connected",
    "everything",
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
    "steered",
    "udp_to",
]
