"""A fabric as a user of OpenStack's clients meets it: nodes are declared, all else is asked for at ``/v2.0`` over TCP,
and what is plugged in carries the UUID of its port (``external_ids:iface-id``), as Nova does it.
"""

from __future__ import annotations

import http.client
import ipaddress
import json
import socket
from collections.abc import Sequence
from typing import Any
from urllib.parse import urlencode

from segue.lab.spec import LabHost, LabPort

from .fabric import PYTHON, Fabric
from .talk import ADDER, settle

Resource = dict[str, Any]
PLURALS = {
    "network": "networks",
    "subnet": "subnets",
    "port": "ports",
    "router": "routers",
    "flow_classifier": "sfc/flow_classifiers",
    "port_pair": "sfc/port_pairs",
    "port_pair_group": "sfc/port_pair_groups",
    "port_chain": "sfc/port_chains",
    "service_graph": "sfc/service_graphs",
}
HEADERS = {"accept": "application/json", "user-agent": "python-neutronclient", "x-auth-token": "noauth"}
"""What keystoneauth sends where nobody asks for a token."""


class Refused(Exception):
    def __init__(self, status: int, type: str, message: str) -> None:
        super().__init__(f"{status} {type}: {message}")
        self.status, self.type, self.message = status, type, message


class Cloud(Fabric):
    """A fabric whose nodes are declared, and whose server keeps its address when it is started again."""

    def __init__(self, nodes: int = 3, drain: float = 1.0) -> None:
        super().__init__(nodes=nodes, drain=drain)
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self.port = int(probe.getsockname()[1])
        self.devices: dict[str, tuple[str, list[Resource]]] = {}

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def __enter__(self) -> Cloud:
        super().__enter__()
        try:
            self.apply({"nodes": self.nodes})
        except BaseException:
            self.close()
            raise
        return self

    def server_command(self, socket: str) -> list[str]:
        return [word.replace("127.0.0.1:0", f"127.0.0.1:{self.port}") for word in super().server_command(socket)]

    # -- the API ---------------------------------------------------------------------------------------------------

    def call(self, method: str, path: str, body: Any = None) -> Any:
        """Raises Refused."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=30)
        headers = dict(HEADERS)
        if body is not None:
            headers["content-type"] = "application/json"
        try:
            connection.request(method, f"/v2.0/{path}", None if body is None else json.dumps(body), headers)
            response = connection.getresponse()
            text = response.read()
        finally:
            connection.close()
        answer: Any = json.loads(text) if text else None
        if response.status >= 400:
            error = answer["NeutronError"]
            raise Refused(response.status, error["type"], error["message"])
        return answer

    def create(self, kind: str, **values: Any) -> Resource:
        made: Resource = self.call("POST", PLURALS[kind], {kind: values})[kind]
        return made

    def show(self, kind: str, id: str) -> Resource:
        shown: Resource = self.call("GET", f"{PLURALS[kind]}/{id}")[kind]
        return shown

    def change(self, kind: str, id: str, **values: Any) -> Resource:
        changed: Resource = self.call("PUT", f"{PLURALS[kind]}/{id}", {kind: values})[kind]
        return changed

    def remove(self, kind: str, id: str) -> None:
        assert self.call("DELETE", f"{PLURALS[kind]}/{id}") is None

    def every(self, kind: str, **filters: str) -> list[Resource]:
        query = f"?{urlencode(filters)}" if filters else ""
        found: list[Resource] = self.call("GET", PLURALS[kind] + query)[PLURALS[kind].removeprefix("sfc/")]
        return found

    def remove_chains(self) -> None:
        """All that networking-sfc has, in the order in which one may delete it."""
        for kind in ("service_graph", "port_chain", "port_pair_group", "port_pair", "flow_classifier"):
            for one in self.every(kind):
                self.remove(kind, one["id"])
        self.calm()

    # -- what is attached ------------------------------------------------------------------------------------------

    def ports(self, device: str, node: str, network: str, *names: str, **values: Any) -> list[Resource]:
        """Ports of one machine, which is not there yet."""
        made = [
            self.create(
                "port",
                name=name,
                network_id=network,
                device_id=device,
                device_owner="compute:nova",
                **{"binding:host_id": node, **values},
            )
            for name in names
        ]
        self.devices[device] = node, made
        return made

    def host(self, name: str, node: str, network: str, **values: Any) -> str:
        """A machine with the addresses that its port has got, at eth0; returns the port's id."""
        (port,) = self.ports(name, node, network, name, **values)
        self.plug_host(name, node, port)
        return str(port["id"])

    def plug_host(self, name: str, node: str, port: Resource, gateways: bool = False, run: str = "") -> None:
        """``gateways``: with routes by those of its subnets. A machine that runs something forwards what is not its."""
        subnets = {subnet["id"]: subnet for subnet in self.every("subnet")}
        ends = [(fixed["ip_address"], subnets[fixed["subnet_id"]]) for fixed in port["fixed_ips"]]
        addresses = tuple(f"{address}/{subnet['cidr'].partition('/')[2]}" for address, subnet in ends)
        routes = tuple(subnet["gateway_ip"] for _, subnet in ends if gateways)
        attached = LabPort(port["id"], port["mac_address"], addresses, routes)
        self.lab.add_host(LabHost(name, node, (attached,), (run,) if run else (), forward=bool(run)))

    def plug(self, device: str, command: str = "") -> None:
        """A function at its ports, as interfaces called like them; ``command`` is told them as --in and --out."""
        node, ports = self.devices[device]
        attached = tuple(LabPort(port["id"], port["mac_address"], interface=port["name"]) for port in ports)
        options = [f"--{way} {port.interface}" for way, port in zip(("in", "out"), attached, strict=False)]
        run = (" ".join([command, *options]),) if command else ()
        self.lab.add_host(LabHost(device, node, attached, run))

    def function(self, name: str, node: str, network: str, identity: int, encap: str = "none") -> None:
        """A machine between ports NAME-in and NAME-out that leaves its id on sequenced packets (``adder.py``)."""
        self.ports(name, node, network, f"{name}-in", f"{name}-out")
        self.plug(name, f"{PYTHON} {ADDER} --encap {encap} --id {identity}")

    def address(self, device: str, family: int = 4) -> str:
        fixed = [entry["ip_address"] for entry in self.devices[device][1][0]["fixed_ips"]]
        return next(str(text) for text in fixed if ipaddress.ip_address(text).version == family)

    # -- chains ----------------------------------------------------------------------------------------------------

    def pair(self, device: str, correlation: str | None = None, weight: int = 1) -> str:
        ports = self.devices[device][1]
        parameters = {"correlation": correlation, "weight": weight}
        made = self.create(
            "port_pair",
            name=device,
            ingress=ports[0]["id"],
            egress=ports[-1]["id"],
            service_function_parameters=parameters,
        )
        return str(made["id"])

    def group(self, *pairs: str, **values: Any) -> str:
        return str(self.create("port_pair_group", port_pairs=list(pairs), **values)["id"])

    def classifier(self, **values: Any) -> str:
        return str(self.create("flow_classifier", **values)["id"])

    def chain(self, classifiers: Sequence[str], groups: Sequence[str], name: str = "", **parameters: Any) -> str:
        """In force."""
        made = self.create(
            "port_chain",
            name=name,
            flow_classifiers=list(classifiers),
            port_pair_groups=list(groups),
            chain_parameters=parameters,
        )
        assert made["status"] == "BUILD" and made["status_reason"], made
        self.active(made["id"])
        return str(made["id"])

    def active(self, chain: str, within: float = 15.0) -> None:
        """Wait until a chain says that it is in force; until then it says that it is on its way, and why not yet."""

        def there() -> bool:
            shown = self.show("port_chain", chain)
            assert shown["status"] in ("ACTIVE", "BUILD"), shown
            assert shown["status"] == "ACTIVE" or shown["status_reason"], shown
            return bool(shown["status"] == "ACTIVE")

        self.until(there, f"chain {chain} to be in force", within)
        settle(self)

    def down(self, chain: str, *reasons: str) -> None:
        self.says(chain, "DOWN", *reasons)

    def says(self, chain: str, status: str, *reasons: str) -> None:
        """Wait until a chain's status is this, for these reasons (their beginnings)."""

        def there() -> bool:
            shown = self.show("port_chain", chain)
            said = shown["status_reason"]
            return shown["status"] == status and len(said) == len(reasons) and all(map(str.startswith, said, reasons))

        try:
            self.until(there, f"chain {chain} to be {status}")
        except AssertionError as late:
            raise AssertionError(f"{self.show('port_chain', chain)}, not {reasons}") from late

    def calm(self) -> None:
        """Every switch holds what it is to hold, and treats no packet by what it remembers of before."""
        self.until(self.agents_ready, "the nodes to hold all that they were told")
        settle(self)
