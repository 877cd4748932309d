"""An intent -> the lab that it can be tried in.

Every port of the intent gets an interface somewhere. The intent's ``lab`` section says which hosts there are, which
ports they hold and what runs in them; ports that it does not speak of get hosts of their own:

* a host in the section holds the ports that it names; else the port that is called like it, or the ports of the
  instance that is called like it;
* an instance's other ports get a host called like the instance;
* every other port gets a host called like the port.

A host holds ports of one node. Interfaces of functions are called like their ports, so that a function's command line
can name them; other hosts have eth0, eth1 and so on.
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import PurePath
from typing import TypeVar

from segue.intent import Document, HostSection, LabSection
from segue.lab.errors import LabError
from segue.lab.spec import LabHost, LabNode, LabPort, LabSpec
from segue.model.intent import Instance, Node, Object, Port, Ref, Router, Subnet
from segue.packet.addresses import derived_mac, format_mac

LONGEST_INTERFACE = 15
LENGTHS = {4: range(24, 7, -1), 6: range(64, 15, -1)}
"""By family: the underlay's prefix, and how wide it may become to hold nodes whose addresses are far apart."""

_Kind = TypeVar("_Kind", bound=Object)


def lab_spec(document: Document, name: str | None = None, directory: str = "") -> LabSpec:
    """``name`` goes before the document's own, and that before one made of the file's name. ``directory``: where the
    hosts' commands start.

    Raises LabError that lists everything that keeps the intent from being a lab. Addresses and names are checked when
    the lab is made (``spec.check``).
    """
    reading = _Reading(document.objects, document.lab or LabSection(), document.source)
    return reading.spec(name or lab_name(document), directory)


def lab_name(document: Document) -> str:
    """The name that ``lab_spec`` would give it."""
    if document.lab is not None and document.lab.name is not None:
        return document.lab.name
    stem = re.sub(r"[^a-z0-9]+", "_", PurePath(document.source).stem.lower()).strip("_")
    return stem[:24] or "lab"


class _Reading:
    def __init__(self, objects: Mapping[Ref, Object], section: LabSection, source: str) -> None:
        self._section = section
        self._source = source
        self._nodes = _of(objects, Node)
        self._ports = _of(objects, Port)
        self._instances = _of(objects, Instance)
        self._subnets = _of(objects, Subnet)
        self._routed = {subnet for router in _of(objects, Router).values() for subnet in router.subnets}
        self._function_ports = {p for i in self._instances.values() for p in (i.ingress, i.egress)}
        self._problems: list[str] = []

    def spec(self, name: str, directory: str) -> LabSpec:
        hosts = tuple(self._host(section, ports) for section, ports in self._holders())
        if self._problems:
            raise LabError(f"{self._source} cannot be tried in a lab: " + "; ".join(dict.fromkeys(self._problems)))
        return LabSpec(name, _underlay(self._nodes.values()), hosts, directory=directory)

    # -- which host holds which ports

    def _holders(self) -> Iterator[tuple[HostSection, tuple[str, ...]]]:
        holder: dict[str, str] = {}
        held: dict[str, tuple[HostSection, list[str]]] = {}
        for host in self._section.hosts.values():
            mine = held.setdefault(host.name, (host, []))[1]
            for port in host.ports or self._implied(host.name):
                if port not in self._ports:
                    self._problems.append(f"host {host.name!r} holds port {port!r}, which the file does not declare")
                elif port in holder:
                    self._problems.append(f"hosts {holder[port]!r} and {host.name!r} both hold port {port!r}")
                else:
                    holder[port] = host.name
                    mine.append(port)
        function = {p: i for i in self._instances.values() for p in (i.egress, i.ingress)}
        for port in self._ports:
            if port in holder:
                continue
            instance = function.get(port)
            name = instance.name if instance else port
            if name in self._section.hosts:
                text = f"port {port!r} would be in host {name!r}, which names other ports; add it to one"
                self._problems.append(text)
                continue
            routes = instance is not None and instance.mode == "route"
            held.setdefault(name, (HostSection(name=name, forward=routes), []))[1].append(port)
        for host, ports in held.values():
            if not ports and not self._problems:
                self._problems.append(f"host {host.name!r} holds no port; write ports: [NAME]")
            yield host, tuple(ports)

    def _implied(self, name: str) -> tuple[str, ...]:
        if name in self._ports:
            return (name,)
        instance = self._instances.get(name)
        return tuple(dict.fromkeys((instance.ingress, instance.egress))) if instance else ()

    # -- a host

    def _host(self, section: HostSection, ports: tuple[str, ...]) -> LabHost:
        name = section.name
        is_function = any(port in self._function_ports for port in ports)
        made = tuple(
            self._port(self._ports[port], port[:LONGEST_INTERFACE] if is_function else f"eth{number}")
            for number, port in enumerate(ports)
        )
        return LabHost(name, self._node_of(name, ports), made, section.run, section.env, section.forward)

    def _node_of(self, host: str, ports: tuple[str, ...]) -> str:
        found = {port: node for port in ports if (node := self._ports[port].node) is not None}
        nodes = sorted(set(found.values()))
        if len(nodes) == 1 or (not nodes and len(self._nodes) == 1):
            node = nodes[0] if nodes else next(iter(self._nodes))
            if node not in self._nodes:
                self._problems.append(
                    f"port {next(iter(found))!r} is on node {node!r}, which the file does not declare"
                )
            return node
        if nodes:
            where = ", ".join(f"{port!r} on {node!r}" for port, node in found.items())
            self._problems.append(f"host {host!r} holds ports of several nodes: {where}")
        elif ports:
            self._problems.append(f"no node is said for port {ports[0]!r}; add node: NAME")
        return ""

    def _port(self, port: Port, interface: str) -> LabPort:
        mac = port.mac.lower() if port.mac else format_mac(derived_mac("port", port.name))
        addresses, gateways = [], []
        for text in port.addresses:
            address = ipaddress.ip_address(text)
            subnet = self._subnet_of(port, address)
            if subnet is None:
                self._problems.append(
                    f"address {text} of port {port.name!r} is in no subnet of its network in the file"
                )
                continue
            addresses.append(f"{address}/{ipaddress.ip_network(subnet.cidr).prefixlen}")
            if subnet.gateway is not None and subnet.name in self._routed and subnet.gateway not in gateways:
                gateways.append(subnet.gateway)
        return LabPort(port.name, mac, tuple(addresses), tuple(gateways), interface)

    def _subnet_of(self, port: Port, address: ipaddress.IPv4Address | ipaddress.IPv6Address) -> Subnet | None:
        for subnet in self._subnets.values():
            if subnet.network == port.network and address in ipaddress.ip_network(subnet.cidr):
                return subnet
        return None


def _of(objects: Mapping[Ref, Object], kind: type[_Kind]) -> dict[str, _Kind]:
    return {thing.name: thing for thing in objects.values() if isinstance(thing, kind)}


def _underlay(nodes: Iterable[Node]) -> tuple[LabNode, ...]:
    """The nodes, their addresses with the longest of the family's prefixes that holds all of that family and makes none
    of them the network's or the broadcast address."""
    declared = [(node.name, ipaddress.ip_address(node.address)) for node in nodes]
    suffix = {version: _length(version, [a for _, a in declared if a.version == version]) for version in LENGTHS}
    return tuple(LabNode(name, f"{address}{suffix[address.version]}") for name, address in declared)


def _length(version: int, addresses: Sequence[ipaddress.IPv4Address | ipaddress.IPv6Address]) -> str:
    """As ``/24``; empty where there is none: then the lab's own check says so."""
    for length in LENGTHS[version]:
        networks = {ipaddress.ip_network((address, length), strict=False) for address in addresses}
        if len(networks) == 1:
            only = networks.pop()
            if not {only.network_address, only.broadcast_address} & set(addresses):
                return f"/{length}"
    return ""
