"""Networks, subnets and routers; ports are in ``rules_ports``.

A network lists its subnets, so making or deleting a subnet changes its network too. A router's interfaces are ports
whose device is the router. Deleting a network that has no ports deletes its subnets, as Neutron does.
"""

from __future__ import annotations

import ipaddress
import itertools
from typing import Any

from segue.neutron import quota, rules_ports
from segue.neutron.caller import Caller
from segue.neutron.core_kinds import PORT
from segue.neutron.discretion import named
from segue.neutron.errors import Fault, plain, quoted
from segue.neutron.rules_ports import (
    bad_router,
    check_apart,
    check_device_may_change,
    check_interface_subnets,
    check_not_used,
    overlapping,
)
from segue.neutron.shape import OMITTED, REQUIRED, Attribute
from segue.neutron.state import ROUTER_INTERFACE, Changes, Resource, State, require

Address = ipaddress.IPv4Address | ipaddress.IPv6Address
Pool = tuple[Address, Address]
MAX_ROUTES = 100
"""Of a router, which every node has. Neutron lets operators say how many; its default is 30."""

SHOWN: dict[str, Resource] = {
    "network": {
        "status": "ACTIVE",
        "availability_zones": [],
        "ipv4_address_scope": None,
        "ipv6_address_scope": None,
    },
    "subnet": {"shared": False, "router:external": False},
    "port": rules_ports.SHOWN,
    "router": {"status": "ACTIVE", "availability_zones": []},
}
"""What all objects of a kind show, and nobody says."""


def create(state: State, caller: Caller, kind: str, values: Resource, new_id: str) -> Changes:
    if kind == "port":
        return rules_ports.create_port(state, caller, values, new_id)
    quota.check(state, values["project_id"], kind)
    if kind == "subnet":
        return _create_subnet(state, caller, values, new_id)
    if kind == "network":
        return {(kind, new_id): {**SHOWN[kind], **values, "id": new_id, "subnets": []}}
    if values.get("routes"):
        raise _invalid_routes(values["routes"])
    return {(kind, new_id): {**SHOWN[kind], **values, "id": new_id}}


def update(state: State, caller: Caller, kind: str, id: str, values: Resource) -> Changes:
    if kind == "port":
        return rules_ports.update_port(state, caller, id, values)
    old = require(state, caller, kind, id)
    if kind == "subnet":
        return {(kind, id): _updated_subnet(state, caller, old, values)}
    if kind == "router":
        _check_routes(state, id, values.get("routes"))
    return {(kind, id): {**old, **values}}


def delete(state: State, caller: Caller, kind: str, id: str) -> Changes:
    if kind == "port":
        return rules_ports.delete_port(state, caller, id)
    old = require(state, caller, kind, id)
    if kind == "network":
        if list(state.ports_of_network(id)):
            reason = "There are one or more ports still in use on the network"
            raise Fault(409, "NetworkInUse", f"Unable to complete operation on network {id}. {reason}.")
        subnets: Changes = {("subnet", subnet): None for subnet in state.subnets_of_network(id)}
        return {**subnets, (kind, id): None}
    if kind == "subnet":
        if len(state.addresses(id)):
            reason = "One or more ports have an IP allocation from this subnet"
            raise Fault(409, "SubnetInUse", f"Unable to complete operation on subnet {id}: {reason}.")
        network = state.get("network", old["network_id"])
        changes: Changes = {(kind, id): None}
        if network is not None:
            left = [subnet for subnet in network["subnets"] if subnet != id]
            changes[("network", network["id"])] = {**network, "subnets": left}
        return changes
    if state.interfaces_of_router(id):
        raise Fault(409, "RouterInUse", f"Router {id} still has ports")
    return {(kind, id): None}


# Subnets


def _create_subnet(state: State, caller: Caller, values: Resource, new_id: str) -> Changes:
    network = require(state, caller, "network", values["network_id"])
    cidr, version = ipaddress.ip_network(values["cidr"], strict=False), values["ip_version"]
    if cidr.version != version:
        raise _invalid(f"cidr '{cidr}' does not match the ip_version '{version}'")
    for other in state.subnets_of_network(network["id"]):
        known = state.get("subnet", other)
        if known is not None and overlapping(str(cidr), known["cidr"]):
            raise _invalid(
                f"Requested subnet with cidr: {cidr} for network: {network['id']} overlaps with another subnet"
            )
    subnet = {
        **SHOWN["subnet"],
        **values,
        "id": new_id,
        "cidr": str(cidr),
        "gateway_ip": _checked_gateway(cidr, values["gateway_ip"] if "gateway_ip" in values else _first_host(cidr)),
    }
    pools = values.get("allocation_pools")
    if isinstance(pools, list):
        subnet["allocation_pools"] = _checked_pools(cidr, pools)
        _check_gateway_outside(subnet)
    else:
        subnet["allocation_pools"] = _default_pools(cidr, subnet["gateway_ip"])
    return {
        ("subnet", new_id): subnet,
        ("network", network["id"]): {**network, "subnets": [*network["subnets"], new_id]},
    }


def _updated_subnet(state: State, caller: Caller, old: Resource, values: Resource) -> Resource:
    cidr = ipaddress.ip_network(old["cidr"])
    new = {**old, **values}
    if new["gateway_ip"] != old["gateway_ip"]:
        if old["gateway_ip"] is not None:
            _check_gateway_is_free(state, caller, old)
        new["gateway_ip"] = _checked_gateway(cidr, new["gateway_ip"])
    if "allocation_pools" in values:
        new["allocation_pools"] = _checked_pools(cidr, new["allocation_pools"] or [])
    _check_gateway_outside(new)
    return new


def _first_host(cidr: Any) -> str | None:
    """The first address behind the network's own; a network of one or two addresses has no room for a gateway."""
    return str(cidr.network_address + 1) if cidr.num_addresses > 2 else None


def _checked_gateway(cidr: Any, gateway: str | None) -> str | None:
    if gateway is None:
        return None
    address = ipaddress.ip_address(gateway)
    if address.version != cidr.version:
        raise _invalid(f"gateway_ip '{gateway}' does not match the ip_version '{cidr.version}'")
    edges = (cidr.network_address, cidr.broadcast_address) if cidr.version == 4 else (cidr.network_address,)
    if cidr.num_addresses > 2 and address in edges:
        raise _invalid("Gateway is not valid on subnet")
    return str(address)


def _check_gateway_is_free(state: State, caller: Caller, subnet: Resource) -> None:
    gateway = subnet["gateway_ip"]
    owner = state.addresses(subnet["id"]).owner(int(ipaddress.ip_address(gateway)))
    port = state.get("port", owner) if owner is not None else None
    if port is not None and port.get("device_owner") == ROUTER_INTERFACE:
        user = named(caller, port, f"port {port['id']}")
        text = f"Current gateway ip {gateway} already in use by {user}. Unable to update."
        raise Fault(409, "GatewayIpInUse", text)


def _hosts(cidr: Any) -> Pool:
    """The first and the last address that a pool may have."""
    if cidr.num_addresses <= 2:
        return cidr.network_address, cidr.broadcast_address
    return cidr.network_address + 1, cidr.broadcast_address - (1 if cidr.version == 4 else 0)


def _default_pools(cidr: Any, gateway: str | None) -> list[Resource]:
    """All addresses but the gateway, as the one or two ranges that it leaves."""
    first, last = _hosts(cidr)
    ranges: list[Pool] = [(first, last)]
    if gateway is not None and first <= (address := ipaddress.ip_address(gateway)) <= last:  # type: ignore[operator]
        ranges = []
        if address > first:  # type: ignore[operator]
            ranges.append((first, address - 1))
        if address < last:  # type: ignore[operator]
            ranges.append((address + 1, last))
    return [{"start": str(start), "end": str(end)} for start, end in ranges]


def _checked_pools(cidr: Any, pools: list[Any]) -> list[Resource]:
    """Pools in order of their addresses, in the subnet, and apart."""
    first, last = _hosts(cidr)
    ranges: list[Pool] = []
    for pool in pools:
        start, end = ipaddress.ip_address(pool["start"]), ipaddress.ip_address(pool["end"])
        if start.version != cidr.version or end.version != cidr.version or start > end:  # type: ignore[operator]
            raise Fault(400, "InvalidAllocationPool", f"The allocation pool {start}-{end} is not valid.")
        if start < first or end > last:  # type: ignore[operator]
            text = f"The allocation pool {start}-{end} spans beyond the subnet cidr {cidr}."
            raise Fault(400, "OutOfBoundsAllocationPool", text)
        ranges.append((start, end))
    ranges.sort(key=lambda pool: int(pool[0]))
    for one, other in itertools.pairwise(ranges):
        if other[0] <= one[1]:  # type: ignore[operator]
            text = f"{one[0]}-{one[1]} {other[0]}-{other[1]} for subnet {cidr}"
            raise Fault(409, "OverlappingAllocationPools", f"Found overlapping allocation pools: {text}.")
    return [{"start": str(start), "end": str(end)} for start, end in ranges]


def _check_gateway_outside(subnet: Resource) -> None:
    if subnet["gateway_ip"] is None:
        return
    gateway = int(ipaddress.ip_address(subnet["gateway_ip"]))
    for pool in subnet["allocation_pools"]:
        if int(ipaddress.ip_address(pool["start"])) <= gateway <= int(ipaddress.ip_address(pool["end"])):
            text = f"Gateway ip {subnet['gateway_ip']} conflicts with allocation pool {pool['start']}-{pool['end']}."
            raise Fault(409, "GatewayConflictWithAllocationPools", text)


def _invalid(reason: str) -> Fault:
    return Fault(400, "InvalidInput", f"Invalid input for operation: {reason}.")


# Routers


def _connected(state: State, router: str, without: str = "") -> list[Resource]:
    """The subnets that a router is connected to, those of the port ``without`` left out."""
    ports = [port for port in state.interfaces_of_router(router) if port["id"] != without]
    subnets = (state.get("subnet", fixed["subnet_id"]) for port in ports for fixed in port["fixed_ips"])
    return [subnet for subnet in subnets if subnet is not None]


def _reachable(subnets: list[Resource], routes: list[Resource]) -> bool:
    """Whether all next hops of routes are in these subnets. There can be many of both."""
    prefixes: dict[tuple[int, int], set[int]] = {}
    for cidr in (ipaddress.ip_network(subnet["cidr"]) for subnet in subnets):
        shift = cidr.max_prefixlen - cidr.prefixlen
        prefixes.setdefault((cidr.version, shift), set()).add(int(cidr.network_address) >> shift)
    hops = map(ipaddress.ip_address, {route["nexthop"] for route in routes})
    return all(
        any(version == hop.version and int(hop) >> shift in found for (version, shift), found in prefixes.items())
        for hop in hops
    )


def _check_routes(state: State, router: str, routes: Any) -> None:
    if not isinstance(routes, list) or not routes:
        return
    if len(routes) > MAX_ROUTES:
        text = f"Unable to complete operation for {router}. The number of routes exceeds the maximum {MAX_ROUTES}."
        raise Fault(400, "RoutesExhausted", text)
    subnets = _connected(state, router)
    if not _reachable(subnets, routes):
        raise _invalid_routes(routes)


def _invalid_routes(routes: Any) -> Fault:
    reason = "the nexthop is not connected with router"
    return Fault(400, "InvalidRoutes", f"Invalid format for routes: {quoted(routes, 300)}, {reason}")


def add_router_interface(
    state: State, caller: Caller, id: str, body: Resource, new_id: str
) -> tuple[Changes, Resource]:
    """Connects a router by the port ``port_id``, or to ``subnet_id`` by a new port that has its gateway's address.

    ``new_id`` is the new port's. Returns the changes and the body of the answer.
    """
    router = require(state, caller, "router", id)
    port_id, subnet_id = body.get("port_id"), body.get("subnet_id")
    if port_id and subnet_id:
        raise bad_router("Cannot specify both subnet-id and port-id")
    if isinstance(port_id, str) and port_id:
        port = _port_to_add(state, caller, id, port_id)
    elif isinstance(subnet_id, str) and subnet_id:
        port = _port_to_make(state, caller, router, subnet_id, new_id)
    else:
        raise bad_router("Either subnet_id or port_id must be specified")
    return {("port", port["id"]): port}, _answer(router, port)


def _port_to_add(state: State, caller: Caller, router: str, id: str) -> Resource:
    port = require(state, caller, "port", id)
    if port.get("device_id"):
        text = f"Port already has an attached device {port['device_id']}."
        raise Fault(
            409, "PortInUse", f"Unable to complete operation on port {id} for network {port['network_id']}. {text}"
        )
    check_device_may_change(state, caller, port, "device_id")
    check_interface_subnets(state, caller, router, port)
    return {**port, "device_id": router, "device_owner": ROUTER_INTERFACE}


def _port_to_make(state: State, caller: Caller, router: Resource, subnet_id: str, new_id: str) -> Resource:
    subnet = require(state, caller, "subnet", subnet_id)
    require(state, caller, "network", subnet["network_id"])
    if subnet["gateway_ip"] is None:
        raise bad_router("Subnet for router interface must have a gateway IP")
    for other in _connected(state, router["id"]):
        check_apart(caller, [subnet], other)
    values = {attribute.name: attribute.initial() for attribute in PORT.attributes if _has_default(attribute)}
    values |= {
        "project_id": router["project_id"],
        "tenant_id": router["project_id"],
        "network_id": subnet["network_id"],
        "fixed_ips": [{"subnet_id": subnet_id, "ip_address": subnet["gateway_ip"]}],
        "device_id": router["id"],
        "device_owner": ROUTER_INTERFACE,
        "port_security_enabled": False,
    }
    return rules_ports.new_port(state, caller, values, new_id)


def _has_default(attribute: Attribute) -> bool:
    return attribute.post and attribute.default not in (REQUIRED, OMITTED)


def remove_router_interface(state: State, caller: Caller, id: str, body: Resource) -> tuple[Changes, Resource]:
    """Deletes the port that connects a router, named by ``port_id``, ``subnet_id`` or both."""
    router = require(state, caller, "router", id)
    port_id, subnet_id = body.get("port_id"), body.get("subnet_id")
    if not (isinstance(port_id, str) and port_id) and not (isinstance(subnet_id, str) and subnet_id):
        raise bad_router("Either subnet_id or port_id must be specified")
    interfaces = state.interfaces_of_router(id)
    if port_id:
        port = next((port for port in interfaces if port["id"] == port_id), None)
        if port is None:
            text = f"Router {id} does not have an interface with id {plain(port_id)}"
            raise Fault(404, "RouterInterfaceNotFound", text)
        if subnet_id and not _is_on(port, subnet_id):
            text = f"Subnet on port {port['id']} does not match the requested subnet {plain(subnet_id)}."
            raise Fault(400, "SubnetMismatchForPort", text)
    else:
        port = next((port for port in interfaces if _is_on(port, subnet_id)), None)
        if port is None:
            text = f"Router {id} has no interface on subnet {plain(subnet_id)}"
            raise Fault(404, "RouterInterfaceNotFoundForSubnet", text)
    check_not_used(state, caller, port)
    _check_routes_stay(state, caller, router, port)
    return {("port", port["id"]): None}, _answer(router, port)


def _is_on(port: Resource, subnet_id: Any) -> bool:
    return any(fixed["subnet_id"] == subnet_id for fixed in port["fixed_ips"])


def _check_routes_stay(state: State, caller: Caller, router: Resource, port: Resource) -> None:
    left = _connected(state, router["id"], without=port["id"])
    if not _reachable(left, router.get("routes") or []):
        subnet = state.get("subnet", port["fixed_ips"][0]["subnet_id"])
        where = named(caller, subnet, f"subnet {port['fixed_ips'][0]['subnet_id']}")
        text = (
            f"Router interface for {where} on router {router['id']} cannot be deleted, as it is required by one or "
            "more routes."
        )
        raise Fault(409, "RouterInterfaceInUseByRoute", text)


def _answer(router: Resource, port: Resource) -> Resource:
    subnets = [fixed["subnet_id"] for fixed in port["fixed_ips"]]
    return {
        "id": router["id"],
        "project_id": router["project_id"],
        "tenant_id": router["project_id"],
        "port_id": port["id"],
        "network_id": port["network_id"],
        "subnet_id": subnets[0],
        "subnet_ids": subnets,
    }
