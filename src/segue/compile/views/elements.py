"""Networks, subnets, routers and ports: checked against each other, and in integers."""

from __future__ import annotations

import itertools

from segue.compile.views.wiring import PortInfo, Wiring, complain
from segue.engine import Context
from segue.model.intent import Port, Ref
from segue.model.marks import is_mark
from segue.packet.addresses import derived_mac, link_local, parse_ip, parse_mac, parse_prefix


def node(ctx: Context, w: Wiring, name: str) -> None:
    declared = ctx.get(w.node, name)
    assert declared is not None
    ctx.emit(w.every_node, "all", name)
    ctx.emit(w.node_address, parse_ip(declared.address), name)


def node_address(ctx: Context, w: Wiring, address: tuple[int, int]) -> None:
    """Runs over ``node_address``: a tunnel must end at one node."""
    owners = sorted(ctx.values(w.node_address, address))
    for name in owners[1:]:
        declared = ctx.get(w.node, name)
        assert declared is not None
        complain(ctx, w, ("node", name), "address", f"{declared.address} is also the address of node {owners[0]!r}")


def network(ctx: Context, w: Wiring, name: str) -> None:
    ctx.emit(w.every_network, "all", name)


def subnet(ctx: Context, w: Wiring, name: str) -> None:
    declared = ctx.get(w.subnet, name)
    assert declared is not None
    if ctx.get(w.network, declared.network) is None:
        complain(ctx, w, ("subnet", name), "network", f"there is no network {declared.network!r}")
    prefix = parse_prefix(declared.cidr)
    ctx.emit(w.subnet_of, declared.network, name)
    ctx.emit(w.prefix, name, prefix)


def subnets_of_network(ctx: Context, w: Wiring, name: str) -> None:
    """Runs over ``subnet_of``: the subnets of one network may not overlap."""
    seen = sorted((prefix, s) for s in ctx.values(w.subnet_of, name) for prefix in ctx.values(w.prefix, s))
    for (prefix, one), (other, two) in itertools.pairwise(seen):
        if prefix.overlaps(other):
            message = f"{other} overlaps {prefix} of subnet {one!r} in network {name!r}; give it another prefix"
            complain(ctx, w, ("subnet", two), "cidr", message)


def router(ctx: Context, w: Wiring, name: str) -> None:
    declared = ctx.get(w.router, name)
    assert declared is not None
    ref = ("router", name)
    prefixes = []
    for subnet_name in declared.subnets:
        found = ctx.get(w.subnet, subnet_name)
        if found is None:
            complain(ctx, w, ref, "subnets", f"there is no subnet {subnet_name!r}")
            continue
        ctx.emit(w.router_of, found.network, name)
        prefix = ctx.get(w.prefix, subnet_name)
        if prefix is not None:
            prefixes.append((prefix, subnet_name))
        if found.gateway is None:
            message = f"subnet {subnet_name!r} has no gateway, the router's address in it; add gateway: ADDRESS"
            complain(ctx, w, ref, "subnets", message)
        else:
            ctx.emit(w.address, (found.network, *parse_ip(found.gateway)), ref)
    prefixes.sort()
    for (prefix, one), (other, two) in itertools.pairwise(prefixes):
        if prefix.overlaps(other):
            complain(ctx, w, ref, "subnets", f"{two!r} ({other}) overlaps {one!r} ({prefix}): both on one router")
    for route in declared.routes:
        via = parse_ip(route.via)
        if not any(via[0] == p.family and (via[1] & p.mask) == p.value for p, _ in prefixes):
            complain(ctx, w, ref, "routes", f"{route.via} is in none of its subnets")
        destination = parse_prefix(route.destination)
        for prefix, subnet_name in prefixes:
            if prefix == destination:
                message = f"{route.destination} is subnet {subnet_name!r}, which it is connected to; remove the route"
                complain(ctx, w, ref, "routes", message)


def routers_of_network(ctx: Context, w: Wiring, name: str) -> None:
    """Runs over ``router_of``: one router to a network, so that what leaves it knows where to."""
    routers = sorted(ctx.values(w.router_of, name))
    for extra in routers[1:]:
        message = f"network {name!r} already has router {routers[0]!r}; a network has one router"
        complain(ctx, w, ("router", extra), "subnets", message)


def port(ctx: Context, w: Wiring, name: str) -> None:
    declared = ctx.get(w.port, name)
    key = ctx.get(w.id, ("port", name))
    assert declared is not None
    ref = ("port", name)
    where = declared.node or ctx.get(w.location, name) or ""
    if declared.node is not None and ctx.get(w.node, declared.node) is None:
        complain(ctx, w, ref, "node", f"there is no node {declared.node!r}")
    network_key = 0
    mac = parse_mac(declared.mac) if declared.mac else derived_mac("port", name)
    addresses = [parse_ip(text) for text in declared.addresses]
    _check_macs(ctx, w, declared)
    if declared.network is None:
        if addresses:
            complain(ctx, w, ref, "addresses", "a port with addresses needs a network; add network: NAME")
    elif ctx.get(w.network, declared.network) is None:
        complain(ctx, w, ref, "network", f"there is no network {declared.network!r}")
    else:
        network_key = ctx.get(w.id, ("network", declared.network)) or 0
        _check_addresses(ctx, w, ref, declared, addresses)
        for address in addresses:
            ctx.emit(w.address, (declared.network, *address), ref)
        ctx.emit(w.mac, (declared.network, mac), name)
        if where:
            ctx.emit(w.presence, declared.network, where)
    if any(family == 6 for family, _ in addresses):
        addresses.append((6, link_local(mac)))
    single = declared.security and all(pair.mac is None for pair in declared.allowed)
    if key is not None:
        info = PortInfo(name, key, network_key, declared.network or "", where, mac, tuple(addresses), single)
        ctx.emit(w.port_info, name, info)


def _check_macs(ctx: Context, w: Wiring, declared: Port) -> None:
    pairs = [("mac", declared.mac), *(("allowed", pair.mac) for pair in declared.allowed)]
    for field, text in pairs:
        if text and is_mark(parse_mac(text)):
            message = f"{text} is one of those that paths are written in (0a:5e:00:00:00:00/16); take another"
            complain(ctx, w, ("port", declared.name), field, message)


def _check_addresses(ctx: Context, w: Wiring, ref: Ref, declared: Port, addresses: list[tuple[int, int]]) -> None:
    assert declared.network is not None
    prefixes = [p for s in ctx.values(w.subnet_of, declared.network) for p in ctx.values(w.prefix, s)]
    for text, (family, value) in zip(declared.addresses, addresses, strict=True):
        if not any(family == p.family and (value & p.mask) == p.value for p in prefixes):
            known = ", ".join(str(p) for p in sorted(prefixes)) or "none"
            message = f"{text} is in no subnet of network {declared.network!r} (subnets: {known})"
            complain(ctx, w, ref, "addresses", message)


def address(ctx: Context, w: Wiring, key: tuple[str, int, int]) -> None:
    """Runs over ``address``: one owner to an address, else nobody could say where its packets go."""
    owners = sorted(ctx.values(w.address, key))
    for kind, name in owners[1:]:
        first = f"{owners[0][0]} {owners[0][1]!r}"
        field = "addresses" if kind == "port" else "subnets"
        complain(ctx, w, (kind, name), field, f"its address is also that of {first} in network {key[0]!r}")


def mac(ctx: Context, w: Wiring, key: tuple[str, int]) -> None:
    """Runs over ``mac``."""
    owners = sorted(ctx.values(w.mac, key))
    for name in owners[1:]:
        complain(ctx, w, ("port", name), "mac", f"port {owners[0]!r} has the same MAC in network {key[0]!r}")
