"""Ports and their addresses.

What a request does not choose is derived: a MAC address from the port's id, an IP address as the lowest free one of a
subnet's pools. So a change is a function of the state and the request. Ports on a network take, where nothing is said,
one address of each IP version that the network has subnets for.
"""

from __future__ import annotations

import hashlib
import ipaddress
from functools import lru_cache
from typing import Any

from segue.neutron import quota
from segue.neutron.caller import Caller
from segue.neutron.discretion import named, one_of
from segue.neutron.errors import Fault, plain
from segue.neutron.state import ROUTER_INTERFACE, Changes, Resource, State, require, visible

MAX_FIXED_IPS = 5
MAX_ADDRESS_PAIRS = 100
"""Each is rules in the switches. Neutron lets operators say how many; its default is 10."""
NETWORK_OWNERS = ("mac_address", "fixed_ips", "port_security_enabled", "allowed_address_pairs")
"""What a port is on its network, so that whoever has a port in another project's cannot choose it: with Neutron's
policies too, it is for the network's owner and for administrators."""
SHOWN: Resource = {
    "status": "DOWN",
    "binding:vif_details": {},
    "dns_assignment": [],
    "qos_network_policy_id": None,
    "resource_request": None,
    "ip_allocation": "immediate",
    "data_plane_status": None,
}


def create_port(state: State, caller: Caller, values: Resource, new_id: str) -> Changes:
    quota.check(state, values["project_id"], "port")
    require(state, caller, "network", values["network_id"])
    return {("port", new_id): new_port(state, caller, values, new_id)}


def new_port(state: State, caller: Caller, values: Resource, new_id: str) -> Resource:
    """The port, its addresses chosen; its network is known to be there."""
    network = values["network_id"]
    _check_pairs(values)
    secured = (state.get("network", network) or {}).get("port_security_enabled", True)
    mac = values.get("mac_address")
    if isinstance(mac, str):
        _check_mac_is_free(state, network, mac)
    else:
        mac = _derived_mac(state, network, new_id)
    asked = values.get("fixed_ips")
    fixed = _fixed_ips(state, network, asked, ()) if isinstance(asked, list) else _any_addresses(state, network)
    port = {"port_security_enabled": secured, **SHOWN, **values}
    port |= {"id": new_id, "mac_address": mac, "fixed_ips": fixed, "binding:vif_type": vif_type(port)}
    _check_interface(state, caller, port)
    return port


def _check_network_owner(state: State, caller: Caller, port: Resource, values: Resource) -> None:
    chosen = [name for name in NETWORK_OWNERS if name in values and values[name] != port.get(name)]
    network = state.get("network", port["network_id"] or "")
    if chosen and network is not None and not visible(caller, network):
        text = f"rule:update_port:{chosen[0]} is disallowed by policy: the port's network is another project's"
        raise Fault(403, "PolicyNotAuthorized", text)


def _check_pairs(values: Resource) -> None:
    if len(values.get("allowed_address_pairs") or ()) > MAX_ADDRESS_PAIRS:
        text = f"The number of allowed address pair exceeds the maximum {MAX_ADDRESS_PAIRS}."
        raise Fault(400, "AllowedAddressPairExhausted", text)


def vif_type(port: Resource) -> str:
    return "ovs" if port.get("binding:host_id") else "unbound"


def update_port(state: State, caller: Caller, id: str, values: Resource) -> Changes:
    old = require(state, caller, "port", id)
    network = old["network_id"]
    _check_network_owner(state, caller, old, values)
    _check_pairs(values)
    for attribute in ("device_id", "device_owner"):
        if values.get(attribute, old.get(attribute)) != old.get(attribute):
            check_device_may_change(state, caller, old, attribute)
    mac = values.get("mac_address")
    if isinstance(mac, str) and mac != old["mac_address"]:
        _check_mac_is_free(state, network, mac)
    new = {**old, **values}
    new["binding:vif_type"] = vif_type(new)
    if isinstance(values.get("fixed_ips"), list):
        new["fixed_ips"] = _fixed_ips(state, network, values["fixed_ips"], old["fixed_ips"])
    else:
        new["fixed_ips"] = old["fixed_ips"]
    if not isinstance(mac, str):
        new["mac_address"] = old["mac_address"]
    if any(new.get(name) != old.get(name) for name in ("fixed_ips", "device_id", "device_owner")):
        _check_interface(state, caller, new)
    return {("port", id): new}


def delete_port(state: State, caller: Caller, id: str) -> Changes:
    port = require(state, caller, "port", id)
    if _is_interface(state, port):
        reason = f"has device owner {ROUTER_INTERFACE}"
        raise Fault(409, "ServicePortInUse", f"Port {id} cannot be deleted directly via the port API: {reason}.")
    check_not_used(state, caller, port)
    return {("port", id): None}


def check_not_used(state: State, caller: Caller, port: Resource) -> None:
    """Upstream answers 500 here; a port in use by a pair or a classifier cannot go."""
    users = [("port_pair", pair) for pair in state.pairs_of_port(port["id"])]
    users += [("flow_classifier", classifier) for classifier in state.classifiers_of_port(port["id"])]
    if users:
        raise _in_use(caller, port, f"The port is used by {one_of(state, caller, users)}")


def check_device_may_change(state: State, caller: Caller, port: Resource, attribute: str) -> None:
    """A pair has checked that its ports belong to one device; a router's interface is one by these attributes."""
    pairs = [("port_pair", pair) for pair in state.pairs_of_port(port["id"])]
    if attribute == "device_id" and pairs:
        raise _in_use(caller, port, f"Its device_id cannot change while {one_of(state, caller, pairs)} uses it")
    if _is_interface(state, port):
        raise Fault(
            409,
            "UnsupportedPortDeviceOwner",
            f"Operation update of {attribute} is not supported for device_owner {ROUTER_INTERFACE} "
            f"on port {port['id']}.",
        )


def _in_use(caller: Caller, port: Resource, reason: str) -> Fault:
    where = named(caller, port, f"port {port['id']} for network {port['network_id']}")
    return Fault(409, "PortInUse", f"Unable to complete operation on {where}. {reason}.")


def _is_interface(state: State, port: Resource) -> bool:
    return port.get("device_owner") == ROUTER_INTERFACE and state.get("router", port.get("device_id") or "") is not None


# Router interfaces


def _check_interface(state: State, caller: Caller, port: Resource) -> None:
    """A port that is made a router's interface by its attributes meets what ``add_router_interface`` asks for."""
    device = port.get("device_id")
    if port.get("device_owner") != ROUTER_INTERFACE or not device:
        return
    router = state.get("router", device)
    if router is None or not visible(caller, router):
        raise Fault(
            409,
            "DeviceIDNotOwnedByProject",
            f"The following device_id {device} is not owned by your project or matches another project router.",
        )
    check_interface_subnets(state, caller, device, port)


def check_interface_subnets(state: State, caller: Caller, router: str, port: Resource) -> None:
    """A router's interface has addresses, at most one IPv4 subnet, and subnets that no other interface overlaps. Its
    network is the caller's: it gets a router by this, and it has one."""
    subnets = [_subnet(state, fixed["subnet_id"]) for fixed in port["fixed_ips"]]
    if not subnets:
        raise bad_router("Router port must have at least one fixed IP")
    require(state, caller, "network", port["network_id"])
    if sum(subnet["ip_version"] == 4 for subnet in subnets) > 1:
        raise bad_router("Cannot have multiple IPv4 subnets on router port")
    for other in state.interfaces_of_router(router):
        if other["id"] == port["id"]:
            continue
        for fixed in other["fixed_ips"]:
            check_apart(caller, subnets, _subnet(state, fixed["subnet_id"]))


def check_apart(caller: Caller, subnets: list[Resource], other: Resource) -> None:
    for subnet in subnets:
        if subnet["id"] == other["id"]:
            raise bad_router(f"Router already has a port on subnet {subnet['id']}")
        if overlapping(subnet["cidr"], other["cidr"]):
            ranges = [named(caller, each, f"cidr {each['cidr']} of subnet {each['id']}") for each in (subnet, other)]
            raise bad_router(f"{ranges[0][0].upper()}{ranges[0][1:]} overlaps with {ranges[1]}")


def bad_router(reason: str) -> Fault:
    return Fault(400, "BadRequest", f"Bad router request: {reason}.")


def overlapping(one: str, other: str) -> bool:
    a, b = _network(one), _network(other)
    return a.version == b.version and bool(a.overlaps(b))


@lru_cache(maxsize=4096)
def _network(cidr: str) -> Any:
    """Subnets are compared each with each."""
    return ipaddress.ip_network(cidr)


def _subnet(state: State, id: str) -> Resource:
    subnet = state.get("subnet", id)
    assert subnet is not None, "a port's addresses are in subnets that are there"
    return subnet


# MAC addresses


def _check_mac_is_free(state: State, network: str, mac: str) -> None:
    if state.port_of_mac(network, mac) is not None:
        raise Fault(
            409,
            "MacAddressInUse",
            f"Unable to complete operation for network {network}. The mac address {mac} is in use.",
        )


def _derived_mac(state: State, network: str, id: str) -> str:
    """Neutron's prefix and three bytes of a digest of the id, so that the same port has the same address again."""
    for attempt in range(1000):
        digest = hashlib.blake2b(f"{id}\0{attempt}".encode(), digest_size=3).hexdigest()
        mac = f"fa:16:3e:{digest[:2]}:{digest[2:4]}:{digest[4:]}"
        if state.port_of_mac(network, mac) is None:
            return mac
    raise Fault(503, "NetworkMacAddressGenerationFailure", f"Unable to generate unique mac on network {network}.")


# IP addresses


def _any_addresses(state: State, network: str) -> list[Resource]:
    """One address of each IP version, from the first subnet that has one left."""
    fixed = []
    everything = [_subnet(state, id) for id in state.subnets_of_network(network)]
    for version in (4, 6):
        subnets = [subnet for subnet in everything if subnet["ip_version"] == version]
        found = next((entry for subnet in subnets if (entry := _lowest(state, subnet, ())) is not None), None)
        if subnets and found is None:
            raise _exhausted(network)
        if found is not None:
            fixed.append(found)
    return fixed


def _fixed_ips(state: State, network: str, asked: list[Any], old: Any) -> list[Resource]:
    """The addresses that ``asked`` means. ``old``: those that the port has, which stay where only a subnet is named."""
    if len(asked) > MAX_FIXED_IPS:
        raise _invalid("Exceeded maximum amount of fixed ips per port")
    owned = {entry["ip_address"]: entry["subnet_id"] for entry in old}
    chosen: dict[int, Resource] = {}
    for index, entry in enumerate(asked):
        if entry.get("ip_address"):
            chosen[index] = _given(state, network, entry, owned)
    taken = [entry["ip_address"] for entry in chosen.values()]
    if len(set(taken)) < len(taken):
        raise _invalid(f"Duplicate items in the list of fixed_ips: {', '.join(taken)}")
    for index, entry in enumerate(asked):
        if index in chosen:
            continue
        subnet = _subnet_on(state, network, entry.get("subnet_id"))
        kept = next((ip for ip, id in owned.items() if id == subnet["id"] and ip not in taken), None)
        found = {"subnet_id": subnet["id"], "ip_address": kept} if kept else _lowest(state, subnet, taken)
        if found is None:
            raise _exhausted(network)
        chosen[index] = found
        taken.append(found["ip_address"])
    return [chosen[index] for index in range(len(asked))]


def _given(state: State, network: str, entry: Resource, owned: dict[str, str]) -> Resource:
    """An address that the request names, in the subnet that it names or in the one that has it."""
    address = ipaddress.ip_address(entry["ip_address"])
    if entry.get("subnet_id"):
        subnet = _subnet_on(state, network, entry["subnet_id"])
        if not _usable(subnet, address):
            raise Fault(400, "InvalidIpForSubnet", f"IP address {address} is not a valid IP for the specified subnet.")
    else:
        subnets = [_subnet(state, id) for id in state.subnets_of_network(network)]
        found = next((subnet for subnet in subnets if _usable(subnet, address)), None)
        if found is None:
            raise Fault(
                400,
                "InvalidIpForNetwork",
                f"IP address {address} is not a valid IP for any of the subnets on the specified network.",
            )
        subnet = found
    if str(address) not in owned and state.addresses(subnet["id"]).owner(int(address)) is not None:
        raise Fault(
            409, "IpAddressAlreadyAllocated", f"IP address {address} already allocated in subnet {subnet['id']}"
        )
    return {"subnet_id": subnet["id"], "ip_address": str(address)}


def _usable(subnet: Resource, address: ipaddress.IPv4Address | ipaddress.IPv6Address) -> bool:
    """In the subnet, and neither its own nor its broadcast address where it has one."""
    cidr = _network(subnet["cidr"])
    if address.version != cidr.version or address not in cidr:
        return False
    if cidr.num_addresses <= 2:
        return True
    return bool(address != cidr.network_address and (cidr.version == 6 or address != cidr.broadcast_address))


def _subnet_on(state: State, network: str, id: Any) -> Resource:
    subnet = state.get("subnet", id) if isinstance(id, str) else None
    if subnet is None or subnet["network_id"] != network:
        raise _invalid(
            f"Failed to create port on network {network}, because fixed_ips included invalid subnet {plain(id)}"
        )
    return subnet


def _lowest(state: State, subnet: Resource, taken: Any) -> Resource | None:
    """The lowest address of the subnet's pools that is neither in use nor in ``taken``."""
    used = state.addresses(subnet["id"])
    refused = {int(ipaddress.ip_address(ip)) for ip in taken}
    for pool in subnet["allocation_pools"]:
        start, end = ipaddress.ip_address(pool["start"]), ipaddress.ip_address(pool["end"])
        number = used.lowest_free(int(start), int(end))
        while number is not None and number in refused:
            number = used.lowest_free(number + 1, int(end))
        if number is not None:
            return {"subnet_id": subnet["id"], "ip_address": str(type(start)(number))}
    return None


def _exhausted(network: str) -> Fault:
    return Fault(409, "IpAddressGenerationFailure", f"No more IP addresses available on network {network}.")


def _invalid(reason: str) -> Fault:
    return Fault(400, "InvalidInput", f"Invalid input for operation: {reason}.")
