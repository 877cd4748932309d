"""What an object must hold to besides the types of its fields, and what the objects of one text must among them.

References to what is not in the text are nobody's business here: the named object may be applied already.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from segue.intent.problems import show
from segue.intent.values import PORTED
from segue.model import spread
from segue.model.hooks import HOOKS
from segue.model.intent import (
    NOT_REWRITTEN,
    SOURCES,
    Classifier,
    Group,
    Maps,
    Node,
    NTuple,
    Object,
    Port,
    Ref,
    Router,
    Service,
    Subnet,
)

Fault = tuple[str, str, str]
"""(field, message that follows its name, hint)."""


def check(kind: str, thing: Object) -> Iterator[Fault]:
    """What is wrong with one object by itself."""
    checker = _CHECKERS.get(kind)
    if checker is not None:
        yield from checker(thing)


def _subnet(subnet: Subnet) -> Iterator[Fault]:
    if subnet.gateway is None:
        return
    network = ipaddress.ip_network(subnet.cidr)
    gateway = ipaddress.ip_address(subnet.gateway)
    hint = f"write {first_host(subnet.cidr)}"
    if gateway not in network:
        yield "gateway", f"is {subnet.gateway}, outside {subnet.cidr}", hint
    elif network.version == 4 and network.prefixlen < 31:
        if gateway == network.network_address:
            yield "gateway", f"is {subnet.gateway}, the network's own address", hint
        elif gateway == network.broadcast_address:
            yield "gateway", f"is {subnet.gateway}, the broadcast address", hint


def first_host(cidr: str) -> str:
    """The first address of a prefix that a gateway may have."""
    network = ipaddress.ip_network(cidr)
    return str(network.network_address + (1 if network.num_addresses > 2 else 0))


def _router(router: Router) -> Iterator[Fault]:
    for route in router.routes:
        destination = ipaddress.ip_network(route.destination)
        if destination.version != ipaddress.ip_address(route.via).version:
            message = f"go to {route.destination} via {route.via}, which is not of its family"
            yield "routes", message, f"write an IPv{destination.version} address"


def _port(port: Port) -> Iterator[Fault]:
    if port.network is None:
        for field in ("addresses", "allowed"):
            if getattr(port, field):
                yield field, "needs a network", "write network: NAME, or remove it"


def _group(group: Group) -> Iterator[Fault]:
    if group.tap and len(group.instances) != 1:
        message = f"are {len(group.instances)}, while a tap has one"
        yield "instances", message, "write a group for each instance, or remove tap"
    reason = spread.refusal(group.hash)
    if reason:
        yield "hash", f"cannot be these: {reason}", f"write {spread.sets()}"
    if group.maps is not None:
        yield from _maps(group, group.maps)


def _maps(group: Group, maps: Maps) -> Iterator[Fault]:
    if group.tap:
        yield "maps", "cannot be: a tap gives nothing back", "remove maps, or tap"
    prefixes = [prefix for side in (maps.ingress, maps.egress) for prefix in _prefixes(side)]
    if len(set(map(_version, prefixes))) > 1:
        yield "maps", f"has {' and '.join(prefixes)}, which are of two families", "write a group for each family"
    for name, side in (("ingress", maps.ingress), ("egress", maps.egress)):
        if (side.source_ports or side.destination_ports) and side.protocol not in (None, *PORTED):
            message = f"has ports in {name} that protocol {side.protocol} does not have"
            yield "maps", message, "write protocol: tcp (or udp, sctp), or remove them"


def _prefixes(side: NTuple) -> list[str]:
    return [prefix for prefix in (side.source_prefix, side.destination_prefix) if prefix]


def _version(prefix: str | None) -> int | None:
    return None if prefix is None else ipaddress.ip_network(prefix).version


def _classifier(classifier: Classifier) -> Iterator[Fault]:
    source, destination = _version(classifier.source_prefix), _version(classifier.destination_prefix)
    if source and destination and source != destination:
        message = f"is IPv{destination}, while {classifier.source_prefix} is IPv{source}"
        yield "destination_prefix", message, "write two classifiers, one for each family"
    if classifier.ethertype in ("ipv4", "ipv6"):
        family = int(classifier.ethertype[-1])
        for field, version in (("source_prefix", source), ("destination_prefix", destination)):
            if version and version != family:
                message = f"is IPv{version}, while ethertype is {classifier.ethertype}"
                yield field, message, f"write ethertype: ipv{version}, or remove ethertype"
    elif classifier.ethertype is not None:
        for field in (
            "protocol",
            "source_prefix",
            "destination_prefix",
            "source_ports",
            "destination_ports",
        ):
            if getattr(classifier, field) is not None:
                message = f"cannot be asked for: packets of ethertype {classifier.ethertype} have no IP header"
                yield field, message, f"remove {field} or ethertype"
        return
    for field in ("source_ports", "destination_ports"):
        if getattr(classifier, field) is None:
            continue
        if classifier.protocol is None:
            yield field, "needs a protocol", "write protocol: tcp (or udp, sctp)"
        elif classifier.protocol not in PORTED:
            message = f"cannot be asked for: protocol {classifier.protocol} has no ports"
            yield field, message, f"write protocol: tcp (or udp, sctp), or remove {field}"


def _service(service: Service) -> Iterator[Fault]:
    hook = HOOKS[service.hook]
    for text in service.attach:
        kind, _, name = text.partition("/")
        if kind not in hook.elements:
            others = [other.name for other in HOOKS.values() if kind in other.elements]
            message = f"has {kind} {show(name)}, while hook {hook.name} is where packets meet a port"
            yield "attach", message, f"write hook: {' or '.join(others)}, or attach networks of the {kind}"
    for field in service.permissions.rewrite:
        if field not in NOT_REWRITTEN.get(hook.name, ()):
            continue
        message = f"cannot let it rewrite {field} at hook {hook.name}"
        if field in SOURCES:
            yield (
                "permissions",
                f"{message}, behind the proof of source addresses",
                "write hook: ingress or egress, or remove it",
            )
        else:
            yield (
                "permissions",
                f"{message}, where others' packets come",
                "write hook: ingress, pre-routing or egress, or remove it",
            )


_CHECKERS: dict[str, Callable[[Any], Iterator[Fault]]] = {
    "subnet": _subnet,
    "router": _router,
    "port": _port,
    "classifier": _classifier,
    "group": _group,
    "service": _service,
}


def check_together(objects: Mapping[Ref, Object]) -> Iterator[tuple[Ref, str, str, str, Ref | None]]:
    """What is wrong among the objects of one text: (object, field, whole message, hint, the other object)."""
    nodes: dict[Any, Ref] = {}
    for ref, thing in objects.items():
        if isinstance(thing, Node):
            address = ipaddress.ip_address(thing.address)
            other = nodes.setdefault(address, ref)
            if other != ref:
                message = f"address {thing.address} is that of node {show(other[1])} too"
                yield ref, "address", message, "give each node its own", other
        elif isinstance(thing, Router):
            yield from _gateways(ref, thing, objects)


def _gateways(
    ref: Ref, router: Router, objects: Mapping[Ref, Object]
) -> Iterator[tuple[Ref, str, str, str, Ref | None]]:
    for name in router.subnets:
        subnet = objects.get(("subnet", name))
        if isinstance(subnet, Subnet) and subnet.gateway is None:
            hint = f"write gateway: {first_host(subnet.cidr)} in subnet {show(name)}"
            if (subnet.owner or "").startswith("network/"):
                hint = (
                    f"write {{cidr: {subnet.cidr}, gateway: {first_host(subnet.cidr)}}} "
                    f"in network {show(subnet.network)}"
                )
            message = f"subnet {show(name)} has no gateway for the router to answer at"
            yield ref, "subnets", message, hint, ("subnet", name)
