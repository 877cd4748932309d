"""Networks, subnets, ports and routers of a Heat template."""

from __future__ import annotations

import ipaddress

from segue.intent.heat_stack import Stack
from segue.intent.heat_values import Reference, Told, at_of, boolean
from segue.intent.heat_view import View
from segue.intent.problems import Bad, Path, show, suggest
from segue.intent.shorts import Draft
from segue.intent.values import describe


def network(view: View) -> Draft | None:
    view.flag("port_security_enabled")  # it is each port's default, see port()
    return view.draft({})


def subnet(view: View) -> Draft | None:
    cidr = view.text("cidr")
    version = view.number("ip_version", 4, 6)
    family = _family(cidr)
    if version is not None and family is not None and version != family:
        view.bad("ip_version", f"is {version}, while cidr is {cidr}", f"write {family}")
    for position, item in enumerate(view.items("allocation_pools")):
        pool = view.mapping("allocation_pools", ("start", "end"), item, (position,))
        for end in ("start", "end"):
            if not _inside(pool.get(end), cidr):
                said = f"item {position + 1} has {end} {describe(pool.get(end))}, which is not in {cidr}"
                view.bad("allocation_pools", said, f"write {end}: ADDRESS", (position, end))
    try:
        gateway = view.stack.gateway(view.entry.name)
    except Told:
        gateway = None
    return view.draft(
        {
            "network": (view.one("network", "network", "network_id"), view.written("network", "network_id")),
            "cidr": (cidr, "cidr"),
            "gateway": (gateway, "gateway_ip"),
        }
    )


def _family(cidr: str | None) -> int | None:
    try:
        return None if cidr is None else ipaddress.ip_network(cidr).version
    except ValueError:
        return None


def _inside(address: object, cidr: str | None) -> bool:
    """True also where the prefix is none, which is told elsewhere."""
    if _family(cidr) is None:
        return True
    try:
        return ipaddress.ip_address(str(address)) in ipaddress.ip_network(str(cidr))
    except ValueError:
        return False


def port(view: View) -> Draft | None:
    name = view.one("network", "network", "network_id")
    security = view.flag("port_security_enabled")
    if security is None:
        security = _network_security(view)
    return view.draft(
        {
            "network": (name, view.written("network", "network_id")),
            "node": (view.text("binding:host_id"), "binding:host_id"),
            "mac": (view.text("mac_address"), "mac_address"),
            "addresses": (_addresses(view), "fixed_ips"),
            "security": (security, "port_security_enabled"),
            "allowed": (_pairs(view), "allowed_address_pairs"),
            "device": (view.text("device_id"), "device_id"),
        }
    )


def _network_security(view: View) -> bool | None:
    network = view.get("network", "network_id")
    if not isinstance(network, Reference) or network.kind != "network":
        return None
    try:
        said = view.stack.property(network.resource, "port_security_enabled")
    except Told:
        return None
    return boolean(said)  # what is none is told when the network is made


def _addresses(view: View) -> list[str] | None:
    subnets = {}
    if view.flag("no_fixed_ips") and view.get("fixed_ips"):
        view.bad("no_fixed_ips", "stands beside fixed_ips", "keep one")
    for position, item in enumerate(view.items("fixed_ips")):
        at: Path = (position,)
        fixed = view.mapping("fixed_ips", ("subnet", "subnet_id", "ip_address"), item, at)
        key = "subnet" if fixed.get("subnet") is not None else "subnet_id"
        subnets[position] = view.object("subnet", "fixed_ips", fixed.get(key), (*at, key))
        if fixed.get("ip_address") is None and subnets[position] is None:
            view.bad("fixed_ips", f"item {position + 1} has neither subnet nor ip_address", "write ip_address", at)
        elif fixed.get("ip_address") is not None and not isinstance(fixed["ip_address"], str):
            said = f"item {position + 1} has ip_address {describe(fixed['ip_address'])}"
            view.bad("fixed_ips", said, "write one such as 10.0.0.10", (*at, "ip_address"))
    if not view.good:
        return None
    try:
        made = view.stack.addresses.of(view.entry.name)
    except Told:
        view.good = False
        return None
    except Bad as bad:
        view.bad("fixed_ips" if view.get("fixed_ips") else "", bad.message, bad.hint)
        return None
    for position, subnet in subnets.items():
        cidr = _cidr(view.stack, subnet)
        address = made[position].address
        if cidr is not None and not _inside(address, cidr):
            said = f"item {position + 1} has ip_address {show(address)}, which is not in {cidr}"
            view.bad("fixed_ips", said, "write an address of that subnet", (position, "ip_address"))
    return [one.address for one in made]


def _cidr(stack: Stack, subnet: str | None) -> str | None:
    """Of the subnet of that name, if the template has it."""
    if subnet is None:
        return None
    try:
        entry = stack.subnets().get(subnet)
        return None if entry is None else str(stack.property(entry, "cidr"))
    except (Told, Bad):
        return None


def _pairs(view: View) -> list[dict[str, str]] | None:
    pairs = []
    for position, item in enumerate(view.items("allowed_address_pairs")):
        at: Path = (position,)
        pair = view.mapping("allowed_address_pairs", ("ip_address", "mac_address"), item, at)
        if pair.get("ip_address") is None:
            view.bad("allowed_address_pairs", f"item {position + 1} has no ip_address", "write ip_address: PREFIX", at)
            continue
        made = {"ip": pair["ip_address"]}
        if pair.get("mac_address") is not None:
            made["mac"] = pair["mac_address"]
        pairs.append(made)
    return pairs or None


def interfaces(stack: Stack) -> dict[str, list[tuple[str, Path]]]:
    """Router (the resource) -> the subnets that it connects, and where that is written."""
    connected: dict[str, list[tuple[str, Path]]] = {}
    routers = {}
    for entry in stack.of("router"):
        try:
            routers[stack.name(entry)] = entry.name
        except (Told, Bad):
            continue
    for entry in stack.of("interface"):
        view = View(stack, entry)
        view.check()
        router_name = view.one("router", "router", "router_id")
        subnet_name = view.one("subnet", "subnet", "subnet_id")
        if router_name is None or subnet_name is None or not view.good:
            continue
        if router_name not in routers:
            hint = suggest(router_name, routers, "declare the router here, or connect the subnet where it is declared")
            view.bad(view.written("router", "router_id"), f"is {show(router_name)}, not in this template", hint)
            continue
        place = view.written("subnet", "subnet_id")
        resource = stack.subnets().get(subnet_name)
        try:
            if resource is not None and stack.gateway(resource) is None:
                view.bad(
                    place, f"{show(subnet_name)} has no gateway for the router to answer at", "give it a gateway_ip"
                )
                continue
        except (Told, Bad):
            continue
        path = at_of((entry.name, "properties", place))
        connected.setdefault(routers[router_name], []).append((subnet_name, path))
    return connected


def router(view: View) -> Draft | None:
    places = {"subnets": view.connected[0][1]} if view.connected else {}
    return view.draft({"subnets": ([name for name, _ in view.connected], "")}, places)
