"""Who is told what: each record goes to the nodes that it concerns.

A node must know a network's ports if it has one of them, if a path ends there whose packets go on in that network,
or if a router leads there from a network that it must know. Paths go to the nodes of their instances and to those
where their packets come in.
"""

from __future__ import annotations

from segue.compile.views.wiring import Wiring
from segue.engine import Context
from segue.model.path import Entry, Path, PathSpec
from segue.model.view import (
    ClassifyRecord,
    Interface,
    NetworkRecord,
    PathRecord,
    PeerRecord,
    PortRecord,
    RouterRecord,
    SelfRecord,
    StaticRoute,
)
from segue.packet.addresses import Prefix, derived_mac, host_prefix, parse_ip, parse_mac, parse_prefix


def led(ctx: Context, w: Wiring, key: int) -> None:
    """Runs over ``path``."""
    path = ctx.get(w.path, key)
    for onward in path.spec.onward if path else ():
        if onward.path:
            ctx.emit(w.led, onward.path, key)


def ends(ctx: Context, w: Wiring, key: int) -> None:
    """Runs over ``path``: where its packets leave it, and where copies get their source address back. Where packets
    leave a path without functions, they have come in."""
    path = ctx.get(w.path, key)
    if path is None:
        return
    steps = path.spec.steps
    kept = [step for step in steps if not step.tap]
    taps = [step for number, step in enumerate(steps) if step.tap and path.spec.loses_source_before(number)]
    for step in (*kept[-1:], *taps):
        for hop in step.hops:
            ctx.emit(w.ends, path.spec.network_name, hop.node)


def relevant(ctx: Context, w: Wiring, name: str) -> None:
    """Runs over ``network``."""
    for network in _reachable(ctx, w, name):
        for node in (*ctx.values(w.presence, network), *ctx.values(w.ends, network)):
            ctx.emit(w.relevant, name, node)


def _reachable(ctx: Context, w: Wiring, start: str) -> set[str]:
    """Networks that routers connect with ``start``, itself among them."""
    found, todo = {start}, [start]
    crossed: set[str] = set()
    while todo:
        routers = set(ctx.values(w.router_of, todo.pop())) - crossed
        crossed |= routers
        for router in routers:
            for network in _networks_of(ctx, w, router) - found:
                found.add(network)
                todo.append(network)
    return found


def _networks_of(ctx: Context, w: Wiring, router: str) -> set[str]:
    declared = ctx.get(w.router, router)
    subnets = [ctx.get(w.subnet, name) for name in declared.subnets] if declared else []
    return {subnet.network for subnet in subnets if subnet is not None}


def node_records(ctx: Context, w: Wiring, name: str) -> None:
    """Runs over ``node``: itself, and its end point for every other node."""
    declared = ctx.get(w.node, name)
    key = ctx.get(w.id, ("node", name))
    if declared is None or key is None:
        return
    for other in ctx.values(w.every_node, "all"):
        if other == name:
            ctx.emit(w.view, (name, "self"), SelfRecord(name, key, declared.address))
        else:
            ctx.emit(w.view, (other, f"peer/{name}"), PeerRecord(name, key, declared.address))


def router_mac(router: str, network: str) -> int:
    return derived_mac("router", router, network)


def network_record(ctx: Context, w: Wiring, name: str) -> None:
    """Runs over ``network``."""
    key = ctx.get(w.id, ("network", name))
    nodes = ctx.values(w.relevant, name)
    if key is None or not nodes:
        return
    routers = sorted(ctx.values(w.router_of, name))
    record = NetworkRecord(
        name,
        key,
        tuple(sorted(ctx.values(w.presence, name))),
        _prefixes(ctx, w, name),
        router_mac(routers[0], name) if routers else 0,
    )
    for node in nodes:
        ctx.emit(w.view, (node, f"network/{key}"), record)


def _prefixes(ctx: Context, w: Wiring, network: str) -> tuple[Prefix, ...]:
    return tuple(sorted(p for s in ctx.values(w.subnet_of, network) for p in ctx.values(w.prefix, s)))


def port_record(ctx: Context, w: Wiring, name: str) -> None:
    """Runs over ``port_info``."""
    info = ctx.get(w.port_info, name)
    declared = ctx.get(w.port, name)
    if info is None or declared is None:
        return
    allowed = tuple((parse_mac(pair.mac) if pair.mac else info.mac, parse_prefix(pair.ip)) for pair in declared.allowed)
    record = PortRecord(name, info.key, info.network, info.node, info.mac, info.addresses, declared.security, allowed)
    nodes = set(ctx.values(w.relevant, info.network_name)) if info.network else set()
    if info.node:
        nodes.add(info.node)
    for node in nodes:
        ctx.emit(w.view, (node, f"port/{info.key}"), record)


def router_record(ctx: Context, w: Wiring, name: str) -> None:
    """Runs over ``router``."""
    declared = ctx.get(w.router, name)
    key = ctx.get(w.id, ("router", name))
    if declared is None or key is None:
        return
    legs: dict[str, tuple[list[tuple[int, int]], list[Prefix]]] = {}
    for subnet_name in declared.subnets:
        subnet = ctx.get(w.subnet, subnet_name)
        prefix = ctx.get(w.prefix, subnet_name)
        if subnet is None or prefix is None:
            continue
        addresses, prefixes = legs.setdefault(subnet.network, ([], []))
        prefixes.append(prefix)
        if subnet.gateway:
            addresses.append(parse_ip(subnet.gateway))
    interfaces: list[Interface] = []
    nodes: set[str] = set()
    for network, (addresses, prefixes) in sorted(legs.items()):
        network_key = ctx.get(w.id, ("network", network)) or 0
        mac = router_mac(name, network)
        interfaces.append(Interface(network_key, mac, tuple(addresses), tuple(prefixes)))
        nodes.update(ctx.values(w.relevant, network))
    routes = [_static(ctx, w, route.destination, route.via, legs) for route in declared.routes]
    record = RouterRecord(name, key, tuple(interfaces), tuple(route for route in routes if route))
    for node in nodes:
        ctx.emit(w.view, (node, f"router/{key}"), record)


def _static(
    ctx: Context,
    w: Wiring,
    destination: str,
    via: str,
    legs: dict[str, tuple[list[tuple[int, int]], list[Prefix]]],
) -> StaticRoute | None:
    """None until some port has the next hop's address."""
    family, value = parse_ip(via)
    for network, (_, prefixes) in legs.items():
        if any(p.contains(host_prefix(family, value)) for p in prefixes):
            owner = next(iter(ctx.values(w.address, (network, family, value))), None)
            info = ctx.get(w.port_info, owner[1]) if owner and owner[0] == "port" else None
            if info is not None:
                return StaticRoute(parse_prefix(destination), info.network, info.mac)
    return None


def path_record(ctx: Context, w: Wiring, key: int) -> None:
    """Runs over ``path``."""
    path = ctx.get(w.path, key)
    if path is None:
        return
    behind = _ends_before(ctx, w, key)
    for node in _nodes_of(ctx, w, path) | behind:
        ctx.emit(w.view, (node, f"path/{key}"), PathRecord(path, tuple(sorted(behind))))


def _nodes_of(ctx: Context, w: Wiring, path: Path) -> set[str]:
    """Those of its instances, and those where packets come in."""
    live = ctx.get(w.live, path.id) or ()
    nodes = {hop.node for step in path.spec.steps for hop in step.hops}
    return nodes | _ways_in(ctx, w, path.spec, (*path.spec.entries, *live))


def _ways_in(ctx: Context, w: Wiring, spec: PathSpec, entries: tuple[Entry, ...]) -> set[str]:
    nodes = {entry.source_node for entry in entries if entry.source_node}
    if any(not entry.source_port and not entry.behind for entry in entries):
        nodes.update(ctx.values(w.presence, spec.network_name))
    return nodes


def _ends_before(ctx: Context, w: Wiring, key: int) -> set[str]:
    """The nodes where packets of other paths go on along this one: where those end, which is anywhere if they have taps
    alone. A path leads to older ones only, so that this comes to an end."""
    nodes: set[str] = set()
    for source in ctx.values(w.led, key):
        path = ctx.get(w.path, source)
        if path is None:
            continue
        kept = [step for step in path.spec.steps if not step.tap]
        if kept:
            nodes.update(hop.node for hop in kept[-1].hops)
        else:
            nodes |= _nodes_of(ctx, w, path) | _ends_before(ctx, w, source)
    return nodes


def classify_record(ctx: Context, w: Wiring, key: int) -> None:
    """Runs over ``live``."""
    path = ctx.get(w.path, key)
    entries = ctx.get(w.live, key)
    if path is None or not entries:
        return
    entries = tuple(entry for entry in entries if not entry.behind)
    if not entries:
        return
    record = ClassifyRecord(key, path.spec.chain, path.spec.direction, entries)
    for node in _ways_in(ctx, w, path.spec, entries):
        ctx.emit(w.view, (node, f"classify/{key}"), record)
