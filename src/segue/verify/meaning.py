"""What an intent means: what must become of a packet that a port sends, said without any compiler.

The other half of a proof by comparison: the compiler's programs, run by the interpreter, must do what this file says
for every intent and every packet. So it is written to be read and believed, not to be fast: it looks at the declared
objects alone, knows neither tables nor paths nor encapsulations, and takes every packet anew.

A packet that a port sends

1. is refused, unless the port's network lets it in: no port may send a path header, or a source MAC that stands for
   one, and a secured one only its own addresses and those that it is allowed, and nothing that tells others where an
   address is;
2. is answered, when it is an ARP request or a neighbor solicitation for an address of the network, and ends there
   when it is any other ARP;
3. is taken by at most one chain: of those whose classifiers match, the one of highest precedence; of that one's
   two directions the forward one, where both match;
4. then visits one instance of each of the chain's groups, in order, and backwards in the reverse direction;
5. then goes where it would have gone without a chain: through the router when it is addressed to its MAC, or to the
   port of its network that has its destination's MAC, or to all of them.

Which instance of a group is free, so long as it has a weight. Functions are taken to give back what they got.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import TypeVar

from segue.model.intent import Chain, Classifier, Group, Instance, Network, Object, Objects, Port, Router, Subnet
from segue.packet.addresses import (
    ETH_ARP,
    ETH_IPV4,
    ETH_IPV6,
    ETH_MPLS,
    ETH_MPLS_MULTICAST,
    ETH_NSH,
    PROTO_ICMP,
    PROTO_ICMPV6,
    PROTO_SCTP,
    PROTO_TCP,
    PROTO_UDP,
    Prefix,
    derived_mac,
    host_prefix,
    link_local,
    parse_ip,
    parse_mac,
    parse_prefix,
)
from segue.verify.fields import ND_ADVERT, ND_SOLICIT
from segue.verify.packet import Packet

O = TypeVar("O", bound=Object)  # noqa: E741

FORWARD, REVERSE = "forward", "reverse"
FAMILY = {ETH_IPV4: 4, ETH_IPV6: 6}
PROTOCOLS = {"tcp": PROTO_TCP, "udp": PROTO_UDP, "sctp": PROTO_SCTP}
TRANSPORT = {PROTO_TCP: "tcp", PROTO_UDP: "udp", PROTO_SCTP: "sctp"}
PATH_HEADERS = (ETH_NSH, ETH_MPLS, ETH_MPLS_MULTICAST)
PATH_MACS = 0x0A5E
"""The first two octets of source MACs that stand for a path inside functions."""
ND_TOLD = (134, 136, 137)
"""Router advertisement, neighbor advertisement, redirect (RFC 4861 section 4)."""
MARK, MARK_MASK = 0x0A5E << 32, 0xFFFF << 32
"""Source MACs that mean a path. No port may use one."""
ND_TELLS = (134, 136, 137)
"""Router and neighbor advertisements and redirects (RFC 4861 section 4): the network tells where addresses are."""
MULTICAST_BIT = 1 << 40
ECHO = {4: ("icmpv4_type", 8, 0), 6: ("icmpv6_type", 128, 129)}
TTL = 64
"""Of the router's own answers."""
ADVERTISED = 0x60000000
"""Solicited and Override (RFC 4861 section 4.4)."""

LINK_LOCAL = "fe80::/10"

Address = tuple[int, int]
"""(family, value)."""


@dataclass(frozen=True)
class Step:
    """One of ``instances`` must be visited."""

    group: str
    instances: frozenset[str]


@dataclass(frozen=True)
class Delivered:
    """``packet`` as ``port`` gets it. ``source_mac``: whether its source MAC is promised. A function that does not know
    of paths may cost a packet its source MAC, unless some port of the network owns its source address with it."""

    port: str
    packet: Packet
    source_mac: bool = True


@dataclass(frozen=True)
class Outcome:
    """``chain`` is empty when none takes the packet. ``delivered`` is empty when it goes nowhere, and None when nobody
    can say: the router answers to a source MAC that a function has cost the packet.

    ``many``: it goes to all ports of its network; behind a chain perhaps to the sender as well.
    """

    refused: bool = False
    chain: str = ""
    direction: str = ""
    steps: tuple[Step, ...] = ()
    delivered: tuple[Delivered, ...] | None = ()
    many: bool = False


class Meaning:
    """``places``: which node each port is on; a port that is not there is nowhere yet, and gets nothing.

    The objects are those of an intent without problems; with others, anything may come out.
    """

    def __init__(self, objects: Objects, places: Mapping[str, str]) -> None:
        self._places = places
        self._networks = _of(objects, Network)
        self._subnets = _of(objects, Subnet)
        self._routers = _of(objects, Router)
        self._ports = _of(objects, Port)
        self._instances = _of(objects, Instance)
        self._groups = _of(objects, Group)
        self._classifiers = _of(objects, Classifier)
        self._chains = _of(objects, Chain)

    def send(self, port: str, packet: Packet) -> Outcome:
        """What must become of ``packet``, sent by ``port``. Raises KeyError for an unknown port."""
        sender = self._ports[port]
        fields = packet.fields
        if not self._may_send(sender, packet):
            return Outcome(refused=True)
        assert sender.network is not None
        if fields["eth_type"] == ETH_ARP or _is_solicitation(packet):
            return Outcome(delivered=tuple(self._answer(sender, packet)))
        taken = self._chain(sender, packet)
        if taken is None:
            return self._go_on(sender.network, packet, Outcome(), sender.name)
        chain, direction = taken
        groups = chain.groups if direction == FORWARD else tuple(reversed(chain.groups))
        steps = tuple(Step(name, frozenset(self._candidates(name))) for name in groups)
        return self._go_on(sender.network, packet, Outcome(chain=chain.name, direction=direction, steps=steps), None)

    # -- addresses -------------------------------------------------------------------------------------------------

    def mac(self, port: Port) -> int:
        return parse_mac(port.mac) if port.mac else derived_mac("port", port.name)

    def addresses(self, port: Port) -> set[Address]:
        """Those declared, and the link-local one of whoever speaks IPv6."""
        found = {parse_ip(text) for text in port.addresses}
        if any(family == 6 for family, _ in found):
            found.add((6, link_local(self.mac(port))))
        return found

    def _ports_of(self, network: str) -> list[Port]:
        return [port for port in self._ports.values() if port.network == network]

    def _owner(self, network: str, address: Address) -> Port | None:
        return next((port for port in self._ports_of(network) if address in self.addresses(port)), None)

    def router_of(self, network: str) -> Router | None:
        for router in self._routers.values():
            if network in self._legs(router):
                return router
        return None

    def router_mac(self, router: Router, network: str) -> int:
        return derived_mac("router", router.name, network)

    def _legs(self, router: Router) -> dict[str, list[Subnet]]:
        legs: dict[str, list[Subnet]] = {}
        for name in router.subnets:
            legs.setdefault(self._subnets[name].network, []).append(self._subnets[name])
        return legs

    def _gateways(self, router: Router) -> dict[Address, str]:
        """The router's addresses, with the network of each."""
        return {
            parse_ip(subnet.gateway): network
            for network, subnets in self._legs(router).items()
            for subnet in subnets
            if subnet.gateway
        }

    # -- 1: what a port may send -----------------------------------------------------------------------------------

    def _may_send(self, port: Port, packet: Packet) -> bool:
        fields = packet.fields
        if port.network is None or fields["eth_type"] in PATH_HEADERS or fields["eth_src"] >> 32 == PATH_MACS:
            return False
        if not port.security:
            return True
        if fields.get("icmpv6_type") in ND_TOLD:
            return False
        mac = self.mac(port)
        allowed = [(mac, host_prefix(*address)) for address in self.addresses(port)]
        allowed += [(parse_mac(pair.mac) if pair.mac else mac, parse_prefix(pair.ip)) for pair in port.allowed]
        ends = _ends(packet)
        if fields["eth_type"] == ETH_ARP:
            source: Address = (4, fields["arp_spa"])
            if fields["eth_src"] != fields["arp_sha"]:
                return False
        elif ends is not None:
            source = ends[0]
        else:
            return fields["eth_src"] == mac
        return any(fields["eth_src"] == own and prefix.contains(host_prefix(*source)) for own, prefix in allowed)

    # -- 2: ARP and neighbor discovery -----------------------------------------------------------------------------

    def _answer(self, port: Port, packet: Packet) -> Iterator[Delivered]:
        assert port.network is not None
        fields = packet.fields
        if fields["eth_type"] == ETH_ARP:
            mac = self._mac_at(port.network, (4, fields["arp_tpa"])) if fields["arp_op"] == 1 else None
            if mac is not None:
                reply = {
                    "eth_src": mac,
                    "eth_dst": fields["eth_src"],
                    "arp_op": 2,
                    "arp_sha": mac,
                    "arp_tha": fields["arp_sha"],
                    "arp_spa": fields["arp_tpa"],
                    "arp_tpa": fields["arp_spa"],
                }
                yield Delivered(port.name, _with(packet, reply))
        else:
            target = fields["ipv6_nd_target"]
            mac = self._mac_at(port.network, (6, target))
            if mac is not None:
                reply = {
                    "eth_src": mac,
                    "eth_dst": fields["eth_src"],
                    "ipv6_src": target,
                    "ipv6_dst": fields["ipv6_src"],
                    "icmpv6_type": ND_ADVERT,
                    "nd_options_type": 2,
                    "nd_reserved": ADVERTISED,
                    "ipv6_nd_tll": mac,
                }
                yield Delivered(port.name, _with(packet, reply))

    def _mac_at(self, network: str, address: Address) -> int | None:
        owner = self._owner(network, address)
        if owner is not None:
            return self.mac(owner)
        router = self.router_of(network)
        if router is not None and self._gateways(router).get(address) == network:
            return self.router_mac(router, network)
        return None

    # -- 3: which chain --------------------------------------------------------------------------------------------

    def _chain(self, port: Port, packet: Packet) -> tuple[Chain, str] | None:
        found = [
            (chain.precedence, direction == FORWARD, chain, direction)
            for chain in self._chains.values()
            for direction in ((FORWARD, REVERSE) if chain.symmetric else (FORWARD,))
            if any(self._matches(self._classifiers[name], direction, port, packet) for name in chain.classifiers)
        ]
        if not found:
            return None
        _, _, chain, direction = max(found, key=lambda one: one[:2])
        return chain, direction

    def _matches(self, c: Classifier, direction: str, port: Port, packet: Packet) -> bool:
        there = (c.source_port, c.source_prefix, c.source_ports)
        here = (c.destination_port, c.destination_prefix, c.destination_ports)
        (from_port, from_prefix, from_ports), (to_port, to_prefix, to_ports) = (
            (there, here) if direction == FORWARD else (here, there)
        )
        if from_port is not None:
            if from_port != port.name:
                return False
        elif port.network not in (self._starts(c) if direction == FORWARD else self._answers_start(c)):
            return False
        if not _is_ethertype(c, packet):
            return False
        ends = _ends(packet)
        if ends is None:
            return to_port is None or packet.fields["eth_dst"] == self.mac(self._ports[to_port])
        source, destination = ends
        return (
            (to_port is None or destination in self.addresses(self._ports[to_port]))
            and _inside(source, from_prefix)
            and _inside(destination, to_prefix)
            and _is_protocol(c, packet)
            and _in_range("src", from_ports, packet)
            and _in_range("dst", to_ports, packet)
        )

    def _starts(self, c: Classifier) -> set[str]:
        """The network that packets of a classifier start in. What it says goes first; then a source prefix that lies in
        one network near its destination; then its destination's network; then the only one that there is."""
        if c.source_port is not None:
            network = self._ports[c.source_port].network
        elif c.network is not None:
            network = c.network
        elif c.destination_port is not None:
            network = self._ports[c.destination_port].network
        else:
            network = next(iter(self._networks)) if len(self._networks) == 1 else None
        if c.source_port is None and c.network is None:
            owners = self._near(network, c.source_prefix)
            if len(owners) == 1:
                return owners
        return {network} if network else set()

    def _answers_start(self, c: Classifier) -> set[str]:
        """Answers start where the packets went: in the destination's network; else in those, connected by a router with
        the one where the packets started, that have the destination's prefix; else in any of these."""
        if c.destination_port is not None:
            network = self._ports[c.destination_port].network
            return {network} if network else set()
        found: set[str] = set()
        for network in self._starts(c):
            found |= self._near(network, c.destination_prefix) or {network, *self._connected(network)}
        return found

    def _connected(self, network: str) -> set[str]:
        router = self.router_of(network)
        return set(self._legs(router)) if router else set()

    def _near(self, network: str | None, prefix: str | None) -> set[str]:
        """Networks connected with ``network`` that have the prefix in one of their subnets."""
        if network is None or prefix is None:
            return set()
        return {
            subnet.network
            for subnet in self._subnets.values()
            if subnet.network in {network, *self._connected(network)}
            and parse_prefix(subnet.cidr).contains(parse_prefix(prefix))
        }

    # -- 4: through which instances --------------------------------------------------------------------------------

    def _candidates(self, name: str) -> list[str]:
        """A group's instances that may be given packets; an instance's name stands for a group of that one."""
        members = self._groups[name].instances if name in self._groups else (name,)
        return [member for member in members if self._instances[member].weight > 0]

    # -- 5: to whom ------------------------------------------------------------------------------------------------

    def _go_on(self, network: str, packet: Packet, so_far: Outcome, came_by: str | None) -> Outcome:
        members = [self._instances[name] for step in so_far.steps for name in step.instances]
        unaware = [member for member in members if not member.aware]
        router = self.router_of(network)
        if any(member.mode == "route" for member in unaware):
            packet = self._readdressed(network, packet, router)
        promised = not unaware or self._keeps_mac(network, packet)
        if router is not None and packet.fields["eth_dst"] == self.router_mac(router, network) and _ends(packet):
            if self._is_ping(router, packet):
                if not promised:
                    return replace(so_far, delivered=None)
                packet = self._pong(router, network, packet)
            else:
                routed = self._route(router, packet)
                if routed is None:
                    return so_far
                network, packet = routed
            promised, came_by = True, None
        many = bool(packet.fields["eth_dst"] & MULTICAST_BIT)
        delivered = tuple(
            Delivered(port.name, packet, promised)
            for port in self._ports_of(network)
            if port.name in self._places
            and port.name != came_by
            and (many or packet.fields["eth_dst"] == self.mac(port))
        )
        return replace(so_far, delivered=delivered, many=many)

    def _keeps_mac(self, network: str, packet: Packet) -> bool:
        ends = _ends(packet)
        if ends is None:
            return True
        owner = self._owner(network, ends[0])
        return owner is not None and self.mac(owner) == packet.fields["eth_src"]

    def _readdressed(self, network: str, packet: Packet, router: Router | None) -> Packet:
        """Behind a function that routes: the destination's MAC is found by its address, or it is the router's."""
        ends = _ends(packet)
        assert ends is not None
        subnets = [LINK_LOCAL, *(subnet.cidr for subnet in self._subnets.values() if subnet.network == network)]
        if any(_inside(ends[1], cidr) for cidr in subnets):
            mac = self._mac_at(network, ends[1])
        else:
            mac = self.router_mac(router, network) if router else None
        return packet.set("eth_dst", mac or 0)

    def _is_ping(self, router: Router, packet: Packet) -> bool:
        ends = _ends(packet)
        kind, request, _ = ECHO[ends[1][0]] if ends else ("", 0, 0)
        return ends is not None and ends[1] in self._gateways(router) and packet.fields.get(kind) == request

    def _pong(self, router: Router, network: str, packet: Packet) -> Packet:
        fields = packet.fields
        family = FAMILY[fields["eth_type"]]
        kind, _, reply = ECHO[family]
        answer = {
            "eth_src": self.router_mac(router, network),
            "eth_dst": fields["eth_src"],
            f"ipv{family}_src": fields[f"ipv{family}_dst"],
            f"ipv{family}_dst": fields[f"ipv{family}_src"],
            kind: reply,
            "nw_ttl": TTL,
        }
        return _with(packet, answer)

    def _route(self, router: Router, packet: Packet) -> tuple[str, Packet] | None:
        """(network, packet), or None when it goes nowhere."""
        fields = packet.fields
        ends = _ends(packet)
        way = self._way(router, ends[1]) if ends else None
        if way is None or fields["nw_ttl"] <= 1:
            return None
        network, next_hop = way
        owner = self._owner(network, next_hop)
        if owner is None:
            return None
        changed = {
            "eth_src": self.router_mac(router, network),
            "eth_dst": self.mac(owner),
            "nw_ttl": fields["nw_ttl"] - 1,
        }
        return network, _with(packet, changed)

    def _way(self, router: Router, destination: Address) -> tuple[str, Address] | None:
        """The network to send into and the next hop there: by the longest prefix, connected ones first."""
        found: list[tuple[int, int, str, Address]] = []
        for network, subnets in self._legs(router).items():
            for subnet in subnets:
                if _inside(destination, subnet.cidr):
                    found.append((parse_prefix(subnet.cidr).length, 1, network, destination))
                for route in router.routes:
                    via = parse_ip(route.via)
                    if _inside(destination, route.destination) and _inside(via, subnet.cidr):
                        found.append((parse_prefix(route.destination).length, 0, network, via))
        if not found:
            return None
        _, _, network, next_hop = max(found)
        return network, next_hop


def _of(objects: Objects, kind: type[O]) -> dict[str, O]:
    return {name: value for (_, name), value in sorted(objects.items()) if isinstance(value, kind)}


def _with(packet: Packet, fields: Mapping[str, int]) -> Packet:
    for name, value in fields.items():
        packet = packet.set(name, value)
    return packet


def _ends(packet: Packet) -> tuple[Address, Address] | None:
    """Source and destination of an IP packet."""
    fields = packet.fields
    family = FAMILY.get(fields["eth_type"])
    if family is None:
        return None
    return (family, fields[f"ipv{family}_src"]), (family, fields[f"ipv{family}_dst"])


def _is_solicitation(packet: Packet) -> bool:
    return packet.fields.get("icmpv6_type") == ND_SOLICIT and "ipv6_nd_target" in packet.fields


def _inside(address: Address, prefix: str | None) -> bool:
    if prefix is None:
        return True
    wanted: Prefix = parse_prefix(prefix)
    return wanted.contains(host_prefix(*address))


def _is_ethertype(c: Classifier, packet: Packet) -> bool:
    """Without an ethertype a classifier means IP, and with a prefix that prefix's family (which ``_inside`` sees)."""
    eth_type = packet.fields["eth_type"]
    if c.ethertype is None:
        return eth_type in FAMILY
    return eth_type == {"ipv4": ETH_IPV4, "ipv6": ETH_IPV6}.get(c.ethertype) or (
        c.ethertype not in ("ipv4", "ipv6") and eth_type == int(c.ethertype, 16)
    )


def _is_protocol(c: Classifier, packet: Packet) -> bool:
    if c.protocol is None:
        return True
    protocol = packet.fields["ip_proto"]
    if c.protocol == "icmp":
        return protocol == (PROTO_ICMP if packet.fields["eth_type"] == ETH_IPV4 else PROTO_ICMPV6)
    return protocol == (PROTOCOLS[c.protocol] if c.protocol in PROTOCOLS else int(c.protocol))


def _in_range(end: str, ports: tuple[int, int] | None, packet: Packet) -> bool:
    """A fragment shows no transport ports, so it is in no range but that of all ports."""
    if ports is None or ports == (0, 0xFFFF):
        return True
    if packet.fields["ip_frag"]:
        return False
    return ports[0] <= packet.fields[f"{TRANSPORT[packet.fields['ip_proto']]}_{end}"] <= ports[1]
