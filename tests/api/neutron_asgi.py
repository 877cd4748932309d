"""The networking API in this process, from the gate down to a store, asked as uvicorn would ask it."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import unquote

import msgspec

from segue.api.auth import Access, Admitted, Gate
from segue.api.neutron import NeutronAPI
from segue.intent import parse
from segue.model.intent import Object, Ref
from segue.neutron.attributes import KINDS
from segue.neutron.caller import Caller
from segue.neutron.shape import Kind
from segue.neutron.state import Resource
from segue.server.conductor import Conductor
from segue.server.neutron import Neutron
from segue.store.sqlite import SqliteStore

NODES = ("n1", "n2")
NATIVE = """
nodes: [n1, n2]
networks: {office: 10.9.0.0/24}
ports: {desk: {network: office, node: n1, address: 10.9.0.10}}
"""
PROJECTS = ("red", "blue")
Snapshot = tuple[dict[tuple[str, str], Resource], dict[Ref, Object]]


class Said(NamedTuple):
    status: int
    headers: dict[str, str]
    data: bytes

    @property
    def body(self) -> Any:
        return msgspec.json.decode(self.data)


class ByName:
    """A token is the name of its project; ``admin`` is an administrator's."""

    challenge: tuple[str, ...] = ()

    async def admit(self, presented: str, *_: str) -> Admitted | str:
        roles = ("admin",) if presented == "admin" else ("member",)
        return Admitted(Caller(presented, presented == "admin", roles), presented, lambda: True)


class Front:
    def __init__(self, directory: Path, native: str = NATIVE) -> None:
        directory.mkdir(exist_ok=True)
        self.directory = directory
        self.store = SqliteStore(directory)
        self.conductor = Conductor(self.store, 0.0)
        self.neutron = Neutron(self.store, self.conductor)
        self.app = Gate(NeutronAPI(lambda: self.neutron), Access(ByName()))
        self.haste: random.Random | None = None
        """With it a request comes after a while, and its body after another, so that requests overlap."""
        for node in NODES:
            self.conductor.listen(node, lambda revision, records: None)
        if native:
            self.conductor.apply(dict(parse(native, "test").objects))

    async def ask(
        self, method: str, path: str, body: Any = None, token: str = "admin", headers: dict[str, str] | None = None
    ) -> Said:
        """``path`` as it is on the wire; ``body``: octets, or what is to be written as JSON."""
        octets = b"" if body is None else body if isinstance(body, bytes) else msgspec.json.encode(body)
        raw, _, query = path.partition("?")
        sent = {"host": "api.example:9696", "x-auth-token": token, "content-length": str(len(octets))}
        scope = {
            "type": "http",
            "http_version": "1.1",
            "method": method,
            "scheme": "http",
            "path": unquote(raw),
            "raw_path": raw.encode(),
            "query_string": query.encode(),
            "root_path": "",
            "headers": [(name.encode(), value.encode()) for name, value in (sent | (headers or {})).items()],
            "client": ("192.0.2.9", 4000),
            "server": ("192.0.2.1", 9696),
        }
        heard: list[Any] = []

        async def linger() -> None:
            for _ in range(self.haste.randrange(6) if self.haste else 0):
                await asyncio.sleep(0)

        async def receive() -> Any:
            await linger()
            return {"type": "http.request", "body": octets, "more_body": False}

        async def send(message: Any) -> None:
            heard.append(message)

        await linger()
        await self.app(scope, receive, send)
        start, *parts = heard
        said = {name.decode(): value.decode() for name, value in start["headers"]}
        return Said(start["status"], said, b"".join(part["body"] for part in parts))

    async def make(self, kind: str, token: str = "admin", **values: Any) -> Resource:
        said = await self.ask("POST", at(kind), {kind: values}, token)
        assert said.status == 201, said
        made: Resource = said.body[kind]
        return made

    def snapshot(self) -> Snapshot:
        return self.neutron.state.resources(), dict(self.conductor.declared.objects)

    async def furnish(self, project: str) -> dict[str, list[str]]:
        """One or more of each kind, for one project; by kind, their ids."""

        async def made(kind: str, **values: Any) -> str:
            id = str((await self.make(kind, project, **values))["id"])
            ids.setdefault(kind, []).append(id)
            return id

        ids: dict[str, list[str]] = {}
        network = await made("network", name=f"{project}-net")
        subnet = await made("subnet", network_id=network, cidr="10.0.0.0/24", ip_version=4)
        router = await made("router", name="way")
        said = await self.ask("PUT", f"/v2.0/routers/{router}/add_router_interface", {"subnet_id": subnet}, project)
        assert said.status == 200, said
        chains = []
        for number in range(2):
            source = await made("port", network_id=network, **{"binding:host_id": "n1"})
            function = [
                await made("port", network_id=network, device_id=f"vm{number}", **{"binding:host_id": "n2"})
                for _ in range(2)
            ]
            aware = {"correlation": "nsh"}
            pair = await made("port_pair", ingress=function[0], egress=function[1], service_function_parameters=aware)
            group = await made("port_pair_group", port_pairs=[pair])
            packets = {"protocol": "udp", "destination_port_range_min": number, "destination_port_range_max": number}
            classifier = await made("flow_classifier", logical_source_port=source, **packets)
            chains.append(
                await made(
                    "port_chain", port_pair_groups=[group], flow_classifiers=[classifier], chain_parameters=aware
                )
            )
        await made("service_graph", port_chains={chains[0]: [chains[1]]})
        return ids

    def close(self) -> None:
        self.store.close()


def at(kind: str | Kind, id: str = "") -> str:
    kind = KINDS[kind] if isinstance(kind, str) else kind
    return "/".join(part for part in ("/v2.0", kind.prefix, kind.plural, id) if part)


def run(directory: Path, scenario: Callable[[Front], Any]) -> Any:
    """``scenario`` with an API of its own."""

    async def main() -> Any:
        front = Front(directory)
        try:
            return await scenario(front)
        finally:
            front.close()

    return asyncio.run(main())
