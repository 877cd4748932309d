"""Addresses for the ports of a Heat template that do not say theirs.

Neutron would choose one; here it is the lowest that is free: of the pools of the network's first subnet (or of the
subnet that is asked for), not the gateway's, not one that another port of the template says. Ports are served in the
order of the template, so the same template always gets the same addresses.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import msgspec

from segue.intent.heat_values import Told, boolean
from segue.intent.problems import Bad, show
from segue.intent.text import Raw

if TYPE_CHECKING:
    from segue.intent.heat_stack import Stack

IPAddress = ipaddress.IPv4Address | ipaddress.IPv6Address


class Address(msgspec.Struct, frozen=True):
    address: str
    subnet: str | None


class _Subnet:
    """What is free of one subnet. ``ranges``: first and last, as numbers."""

    def __init__(self, cidr: str, pools: Raw, gateway: Any) -> None:
        self.network = ipaddress.ip_network(cidr)
        low, high = int(self.network.network_address), int(self.network.broadcast_address)
        if self.network.num_addresses > 2:
            low, high = low + 1, high - (self.network.version == 4)
        self.ranges = [(low, high)]
        if isinstance(pools, list) and pools:
            self.ranges = sorted((self._number(p["start"]), self._number(p["end"])) for p in pools)
        self.gateway = None if gateway is None else self._number(gateway)
        self._free = self._numbers()

    def _number(self, text: Any) -> int:
        address = ipaddress.ip_address(str(text))
        if address not in self.network:
            raise ValueError(text)
        return int(address)

    def _numbers(self) -> Iterator[int]:
        for low, high in self.ranges:
            yield from range(low, high + 1)

    def take(self, taken: set[IPAddress]) -> IPAddress | None:
        for number in self._free:
            address = ipaddress.IPv6Address(number) if self.network.version == 6 else ipaddress.IPv4Address(number)
            if number != self.gateway and address not in taken:
                return address
        return None


class Addresses:
    def __init__(self, stack: Stack) -> None:
        self._stack = stack
        self._made: dict[str, list[Address] | Bad | None] = {}
        self._ready = self._busy = False
        self._subnets: dict[str, _Subnet | None] = {}
        self._of_network: dict[str, list[str]] = {}

    def of(self, port: str) -> list[Address]:
        """The addresses of a port. Raises Bad where none can be had, and Told where that was told already."""
        said = self._said(port)
        if said is not None and all(one.get("ip_address") for one in said):
            return [Address(str(one["ip_address"]), _subnet_of(one)) for one in said]
        if self._busy:
            raise Bad(
                f"needs an address of resource {show(port)} before any are chosen",
                "write ip_address in that port's fixed_ips",
            )
        if not self._ready:
            self._busy = True
            try:
                self._choose()
            finally:
                self._busy = False
            self._ready = True
        made = self._made.get(port)
        if isinstance(made, Bad):
            raise made
        if made is None:
            raise Told
        return made

    def _said(self, port: str) -> list[dict[str, Any]] | None:
        """Its fixed_ips where they are well formed. Raises Told."""
        value = self._stack.property(port, "fixed_ips")
        if isinstance(value, list) and value:
            self._stack.budget.spend(len(value))
            return value if all(isinstance(one, dict) for one in value) else None
        return None

    def _choose(self) -> None:
        """For all ports. Raises Bad where that needs what is being asked for: a circle."""
        stack = self._stack
        self._of_network, self._subnets = {}, {}
        taken: dict[str, set[IPAddress]] = {}
        waiting: list[tuple[str, str]] = []
        for entry in stack.of("subnet"):
            self._learn(entry.name)
        for entry in stack.of("port"):
            try:
                network = str(stack.property(entry.name, "network", "network_id") or "")
                said = self._said(entry.name) or []
            except Told:
                continue
            if not network:
                continue  # told when the port is made
            waiting.append((entry.name, network))
            for one in said:
                try:
                    taken.setdefault(network, set()).add(ipaddress.ip_address(str(one.get("ip_address"))))
                except ValueError:
                    continue
        for port, network in waiting:
            try:
                self._made[port] = self._serve(port, network, taken.setdefault(network, set()))
            except Bad as bad:
                self._made[port] = bad
            except Told:
                continue

    def _learn(self, subnet: str) -> None:
        stack = self._stack
        try:
            name = stack.name(stack.entries[subnet])
            network = str(stack.property(subnet, "network", "network_id"))
            self._of_network.setdefault(network, []).append(name)
            pools = stack.property(subnet, "allocation_pools")
            self._subnets[name] = _Subnet(str(stack.property(subnet, "cidr")), pools, stack.gateway(subnet))
        except (Told, ValueError, KeyError, TypeError):
            return  # told when the subnet is made

    def _serve(self, port: str, network: str, taken: set[IPAddress]) -> list[Address]:
        said = self._said(port)
        if said is None:
            if boolean(self._stack.property(port, "no_fixed_ips")):
                return []
            names = self._of_network.get(network, [])
            if not names:
                raise Bad(
                    f"has no fixed_ips, and network {show(network)} has no subnet in this template to take one from",
                    "write fixed_ips: [{ip_address: ADDRESS}], or no_fixed_ips: true",
                )
            said = [{"subnet": names[0]}]
        made = []
        for one in said:
            subnet = _subnet_of(one)
            if one.get("ip_address"):
                made.append(Address(str(one["ip_address"]), subnet))
                continue
            if subnet is None:
                raise Told  # told when the port is made
            made.append(Address(str(self._take(subnet, taken)), subnet))
        return made

    def _take(self, subnet: str, taken: set[IPAddress]) -> IPAddress:
        if subnet not in self._subnets:
            if any(subnet in names for names in self._of_network.values()):
                raise Told
            raise Bad(
                f"asks for an address of subnet {show(subnet)}, which is not in this template", "write ip_address"
            )
        free = self._subnets[subnet]
        address = free.take(taken) if free is not None else None
        if address is None:
            raise Bad(f"gets no address: subnet {show(subnet)} has none left", "write a larger cidr or pool")
        taken.add(address)
        return address


def _subnet_of(item: dict[str, Any]) -> str | None:
    found = item.get("subnet") or item.get("subnet_id")
    return None if found is None else str(found)
