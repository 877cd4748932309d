"""The declared objects and where they are, as ``meaning`` looks at them: who has an address, what a router connects."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TypeVar

from segue.model.intent import (
    Chain,
    Classifier,
    Graph,
    Group,
    Instance,
    Maps,
    Network,
    Object,
    Objects,
    Port,
    Router,
    Subnet,
)
from segue.packet.addresses import (
    ETH_IPV4,
    ETH_IPV6,
    derived_mac,
    host_prefix,
    link_local,
    parse_ip,
    parse_mac,
    parse_prefix,
)
from segue.verify.packet import Packet

O = TypeVar("O", bound=Object)  # noqa: E741

FAMILY = {ETH_IPV4: 4, ETH_IPV6: 6}

Address = tuple[int, int]
"""(family, value)."""


class Landscape:
    """``places``: which node each port is on; a port that is not there is nowhere yet."""

    def __init__(self, objects: Objects, places: Mapping[str, str]) -> None:
        self.places = places
        self.networks = _of(objects, Network)
        self.subnets = _of(objects, Subnet)
        self.routers = _of(objects, Router)
        self.ports = _of(objects, Port)
        self.instances = _of(objects, Instance)
        self.groups = _of(objects, Group)
        self.classifiers = _of(objects, Classifier)
        self.chains = _of(objects, Chain)
        self.graphs = _of(objects, Graph)

    def maps(self, group: str) -> Maps | None:
        """How a step's functions rewrite headers; what a tap does is of no account."""
        found = self.groups.get(group)
        return None if found is None or found.tap else found.maps

    def mac(self, port: Port) -> int:
        return parse_mac(port.mac) if port.mac else derived_mac("port", port.name)

    def addresses(self, port: Port) -> set[Address]:
        """Those declared, and the link-local one of whoever speaks IPv6."""
        found = {parse_ip(text) for text in port.addresses}
        if any(family == 6 for family, _ in found):
            found.add((6, link_local(self.mac(port))))
        return found

    def ports_of(self, network: str) -> list[Port]:
        return [port for port in self.ports.values() if port.network == network]

    def owner(self, network: str, address: Address) -> Port | None:
        return next((port for port in self.ports_of(network) if address in self.addresses(port)), None)

    def router_of(self, network: str) -> Router | None:
        for router in self.routers.values():
            if network in self.legs(router):
                return router
        return None

    def router_mac(self, router: Router, network: str) -> int:
        return derived_mac("router", router.name, network)

    def legs(self, router: Router) -> dict[str, list[Subnet]]:
        legs: dict[str, list[Subnet]] = {}
        for name in router.subnets:
            legs.setdefault(self.subnets[name].network, []).append(self.subnets[name])
        return legs

    def gateways(self, router: Router) -> dict[Address, str]:
        """The router's addresses, with the network of each."""
        return {
            parse_ip(subnet.gateway): network
            for network, subnets in self.legs(router).items()
            for subnet in subnets
            if subnet.gateway
        }

    def mac_at(self, network: str, address: Address) -> int | None:
        owner = self.owner(network, address)
        if owner is not None:
            return self.mac(owner)
        router = self.router_of(network)
        if router is not None and self.gateways(router).get(address) == network:
            return self.router_mac(router, network)
        return None

    def connected(self, network: str) -> set[str]:
        router = self.router_of(network)
        return set(self.legs(router)) if router else set()

    def near(self, network: str | None, prefix: str | None) -> set[str]:
        """Networks connected with ``network`` that have the prefix in one of their subnets."""
        if network is None or prefix is None:
            return set()
        return {
            subnet.network
            for subnet in self.subnets.values()
            if subnet.network in {network, *self.connected(network)}
            and parse_prefix(subnet.cidr).contains(parse_prefix(prefix))
        }


def _of(objects: Objects, kind: type[O]) -> dict[str, O]:
    return {name: value for (_, name), value in sorted(objects.items()) if isinstance(value, kind)}


def ends_of(packet: Packet) -> tuple[Address, Address] | None:
    """Source and destination of an IP packet."""
    fields = packet.fields
    family = FAMILY.get(fields["eth_type"])
    if family is None:
        return None
    return (family, fields[f"ipv{family}_src"]), (family, fields[f"ipv{family}_dst"])


def concerns(maps: Maps, family: int | None) -> bool:
    """Whether a mapping is about packets of this family: that of its prefixes, if it has any."""
    sides = (maps.ingress, maps.egress)
    prefixes = [prefix for side in sides for prefix in (side.source_prefix, side.destination_prefix) if prefix]
    return family is not None and all(parse_prefix(prefix).family == family for prefix in prefixes)


def inside(address: Address, prefix: str | None) -> bool:
    return prefix is None or parse_prefix(prefix).contains(host_prefix(*address))
