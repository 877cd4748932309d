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
4. then visits one instance of each of the chain's groups, in order, and backwards in the reverse direction; but of a
   group that is a tap, the instance gets a copy, at its ingress port, and the packet goes on;
5. then is taken by another chain, one that the graph of that one names to follow it, if classifiers of such a chain
   match it, whatever port it came from; of several the one of highest precedence; and so on;
6. then goes where it would have gone without a chain: through the router when it is addressed to its MAC, or to the
   port of its network that has its destination's MAC, or to all of them.

Which instance of a group is free, so long as it has a weight; but packets that agree in what the group hashes meet the
same one (``spread_key``). Functions are taken to give back what they got, but for what their group maps: that as
``functions.translated`` says. Where a group maps the address that a packet goes to, it goes to whoever has the new one.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, replace

from segue.model.intent import Chain, Instance, Maps, Objects, Port, Router
from segue.packet.addresses import (
    ETH_ARP,
    ETH_MPLS,
    ETH_MPLS_MULTICAST,
    ETH_NSH,
    host_prefix,
    parse_ip,
    parse_mac,
    parse_prefix,
)
from segue.verify.fields import ND_ADVERT, ND_SOLICIT
from segue.verify.functions import as_said, translated
from segue.verify.landscape import FAMILY, Address, Landscape, ends_of, inside
from segue.verify.packet import Packet
from segue.verify.taking import FORWARD, REVERSE, Taking

__all__ = ["FORWARD", "REVERSE", "Delivered", "Meaning", "Outcome", "Step"]

PATH_HEADERS = (ETH_NSH, ETH_MPLS, ETH_MPLS_MULTICAST)
PATH_MACS = 0x0A5E
"""The first two octets of source MACs that stand for a path inside functions."""
ND_TOLD = (134, 136, 137)
"""Router advertisement, neighbor advertisement, redirect (RFC 4861 section 4)."""
MULTICAST_BIT = 1 << 40
ECHO = {4: ("icmpv4_type", 8, 0), 6: ("icmpv6_type", 128, 129)}
TTL = 64
"""Of the router's own answers."""
ADVERTISED = 0x60000000
"""Solicited and Override (RFC 4861 section 4.4)."""
LINK_LOCAL = "fe80::/10"


@dataclass(frozen=True)
class Step:
    """One of ``instances`` must be visited. ``hashed``: what of a packet chooses it."""

    group: str
    instances: frozenset[str]
    hashed: tuple[str, ...] = ()


@dataclass(frozen=True)
class Delivered:
    """``packet`` as ``port`` gets it. ``source_mac``: whether its source MAC is promised. A function that does not know
    of paths may cost a packet its source MAC, unless some port of the network owns its source address with it."""

    port: str
    packet: Packet
    source_mac: bool = True


@dataclass(frozen=True)
class Copied:
    """``packet`` as the tap ``instance`` gets it at ``port``, behind a path header where it is aware of one.
    ``source_mac``, ``destination_mac``: whether they are promised; a function that routes leaves its own."""

    instance: str
    port: str
    packet: Packet
    source_mac: bool = True
    destination_mac: bool = True


@dataclass(frozen=True)
class Outcome:
    """``chain`` is empty when none takes the packet. ``delivered`` is empty when it goes nowhere, and None when nobody
    can say: the router answers to a source MAC that a function has cost the packet.

    ``chain`` is the first that takes it, ``steps`` are those of all.

    ``many``: it goes to all ports of its network; behind a chain perhaps to the sender as well.
    ``copies``: what taps get. ``moved``: functions on the way give packets another destination.
    ``believed``: whether the packet looked as groups say that their functions' do (``maps``).
    """

    refused: bool = False
    chain: str = ""
    direction: str = ""
    steps: tuple[Step, ...] = ()
    delivered: tuple[Delivered, ...] | None = ()
    many: bool = False
    copies: tuple[Copied, ...] = ()
    moved: bool = False
    believed: bool = True


class Meaning:
    """``places``: which node each port is on; a port that is not there is nowhere yet, and gets nothing.

    ``entering``: the chains that take packets where they come in, if not all do.
    The objects are those of an intent without problems; with others, anything may come out.
    """

    def __init__(self, objects: Objects, places: Mapping[str, str], entering: Collection[str] | None = None) -> None:
        self._land = Landscape(objects, places)
        self._taking = Taking(self._land, entering)

    def send(self, port: str, packet: Packet) -> Outcome:
        """What must become of ``packet``, sent by ``port``. Raises KeyError for an unknown port."""
        sender = self._land.ports[port]
        fields = packet.fields
        if not self._may_send(sender, packet):
            return Outcome(refused=True)
        assert sender.network is not None
        if fields["eth_type"] == ETH_ARP or _is_solicitation(packet):
            return Outcome(delivered=tuple(self._answer(sender, packet)))
        taken = self._taking.chain(sender, packet)
        if taken is None:
            return self._go_on(sender.network, packet, Outcome(), sender.name)
        chain, direction = taken
        outcome = Outcome(chain=chain.name, direction=direction, steps=(), copies=())
        onward: Chain | None = chain
        while onward is not None:
            groups = onward.groups if direction == FORWARD else tuple(reversed(onward.groups))
            outcome, packet = self._through(groups, direction, sender.network, packet, outcome)
            onward = self._taking.onward(onward.name, sender.network, packet) if direction == FORWARD else None
            if onward is not None:  # it goes on as its source would send it to where it is to go now
                packet = self._readdressed(sender.network, packet, outcome)
        return self._go_on(sender.network, packet, outcome, None)

    def _through(
        self, groups: tuple[str, ...], direction: str, network: str, packet: Packet, outcome: Outcome
    ) -> tuple[Outcome, Packet]:
        for name in groups:
            group = self._land.groups.get(name)
            members = frozenset(self._candidates(name))
            if group is not None and group.tap:
                copies = (*outcome.copies, *self._copy(network, packet, outcome.steps, members))
                outcome = replace(outcome, copies=copies)
                continue
            hashed = group.hash if group is not None else ()
            step = Step(name, members, hashed if direction == FORWARD else tuple(map(_turned, hashed)))
            maps = self._land.maps(name)
            moves = outcome.moved or (maps is not None and _moves(maps, direction))
            believed = outcome.believed and (maps is None or as_said(packet, maps, direction == FORWARD))
            outcome = replace(outcome, steps=(*outcome.steps, step), moved=moves, believed=believed)
            packet = translated(packet, maps, direction == FORWARD)
        return outcome, packet

    # -- 1: what a port may send -----------------------------------------------------------------------------------

    def _may_send(self, port: Port, packet: Packet) -> bool:
        fields = packet.fields
        if port.network is None or fields["eth_type"] in PATH_HEADERS or fields["eth_src"] >> 32 == PATH_MACS:
            return False
        if not port.security:
            return True
        if fields.get("icmpv6_type") in ND_TOLD:
            return False
        mac = self._land.mac(port)
        allowed = [(mac, host_prefix(*address)) for address in self._land.addresses(port)]
        allowed += [(parse_mac(pair.mac) if pair.mac else mac, parse_prefix(pair.ip)) for pair in port.allowed]
        ends = ends_of(packet)
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
            mac = self._land.mac_at(port.network, (4, fields["arp_tpa"])) if fields["arp_op"] == 1 else None
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
            mac = self._land.mac_at(port.network, (6, target))
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

    # -- 4: through which instances --------------------------------------------------------------------------------

    def _candidates(self, name: str) -> list[str]:
        """A group's instances that may be given packets; an instance's name stands for a group of that one."""
        members = self._land.groups[name].instances if name in self._land.groups else (name,)
        return [member for member in members if self._land.instances[member].weight > 0]

    def _copy(self, network: str, packet: Packet, before: tuple[Step, ...], tap: frozenset[str]) -> Iterator[Copied]:
        unaware = self._unaware(before)
        routed = any(instance.mode == "route" for instance in unaware)
        for name in tap:
            port = self._land.instances[name].ingress
            if port in self._land.places:
                promised = not unaware or self._keeps_mac(network, packet)
                yield Copied(name, port, packet, promised, not routed)

    # -- 6: to whom ------------------------------------------------------------------------------------------------

    def _go_on(self, network: str, packet: Packet, so_far: Outcome, came_by: str | None) -> Outcome:
        router = self._land.router_of(network)
        packet = self._readdressed(network, packet, so_far)
        promised = not self._unaware(so_far.steps) or self._keeps_mac(network, packet)
        if (
            router is not None
            and packet.fields["eth_dst"] == self._land.router_mac(router, network)
            and ends_of(packet)
        ):
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
            for port in self._land.ports_of(network)
            if port.name in self._land.places
            and port.name != came_by
            and (many or packet.fields["eth_dst"] == self._land.mac(port))
        )
        return replace(so_far, delivered=delivered, many=many)

    def _keeps_mac(self, network: str, packet: Packet) -> bool:
        ends = ends_of(packet)
        if ends is None:
            return True
        owner = self._land.owner(network, ends[0])
        return owner is not None and self._land.mac(owner) == packet.fields["eth_src"]

    def _unaware(self, steps: tuple[Step, ...]) -> list[Instance]:
        met = [self._land.instances[name] for step in steps for name in step.instances]
        return [instance for instance in met if not instance.aware]

    def _readdressed(self, network: str, packet: Packet, so_far: Outcome) -> Packet:
        """Behind a function that routes, or gives packets another destination, the destination's MAC is found by its
        address, or it is the router's."""
        if not so_far.moved and all(instance.mode != "route" for instance in self._unaware(so_far.steps)):
            return packet
        router, ends = self._land.router_of(network), ends_of(packet)
        assert ends is not None
        subnets = [LINK_LOCAL, *(subnet.cidr for subnet in self._land.subnets.values() if subnet.network == network)]
        if any(inside(ends[1], cidr) for cidr in subnets):
            mac = self._land.mac_at(network, ends[1])
        else:
            mac = self._land.router_mac(router, network) if router else None
        return packet.set("eth_dst", mac or 0)

    def _is_ping(self, router: Router, packet: Packet) -> bool:
        ends = ends_of(packet)
        kind, request, _ = ECHO[ends[1][0]] if ends else ("", 0, 0)
        return ends is not None and ends[1] in self._land.gateways(router) and packet.fields.get(kind) == request

    def _pong(self, router: Router, network: str, packet: Packet) -> Packet:
        fields = packet.fields
        family = FAMILY[fields["eth_type"]]
        kind, _, reply = ECHO[family]
        answer = {
            "eth_src": self._land.router_mac(router, network),
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
        ends = ends_of(packet)
        way = self._way(router, ends[1]) if ends else None
        if way is None or fields["nw_ttl"] <= 1:
            return None
        network, next_hop = way
        owner = self._land.owner(network, next_hop)
        if owner is None:
            return None
        changed = {
            "eth_src": self._land.router_mac(router, network),
            "eth_dst": self._land.mac(owner),
            "nw_ttl": fields["nw_ttl"] - 1,
        }
        return network, _with(packet, changed)

    def _way(self, router: Router, destination: Address) -> tuple[str, Address] | None:
        """The network to send into and the next hop there: by the longest prefix, connected ones first."""
        found: list[tuple[int, int, str, Address]] = []
        for network, subnets in self._land.legs(router).items():
            for subnet in subnets:
                if inside(destination, subnet.cidr):
                    found.append((parse_prefix(subnet.cidr).length, 1, network, destination))
                for route in router.routes:
                    via = parse_ip(route.via)
                    if inside(destination, route.destination) and inside(via, subnet.cidr):
                        found.append((parse_prefix(route.destination).length, 0, network, via))
        if not found:
            return None
        _, _, network, next_hop = max(found)
        return network, next_hop


def _turned(field: str) -> str:
    kind, _, end = field.partition("_")
    return f"{kind}_{'dst' if end == 'src' else 'src'}"


def spread_key(packet: Packet, hashed: tuple[str, ...]) -> tuple[int | None, ...]:
    """The values of a packet's fields, of those that it has; two packets of one kind with the same meet the same
    instance."""
    fields = packet.fields
    family = FAMILY.get(fields["eth_type"])
    names = [name.replace("ip_", f"ipv{family}_") if name.startswith("ip_") else name for name in hashed]
    return tuple(fields.get(name) for name in names)


def _moves(maps: Maps, direction: str) -> bool:
    """Whether packets come out with another destination: what was the source, of an answer."""
    field = "destination_prefix" if direction == FORWARD else "source_prefix"
    after = getattr(maps.egress, field)
    return after is not None and after != getattr(maps.ingress, field)


def _with(packet: Packet, fields: Mapping[str, int]) -> Packet:
    for name, value in fields.items():
        packet = packet.set(name, value)
    return packet


def _is_solicitation(packet: Packet) -> bool:
    return packet.fields.get("icmpv6_type") == ND_SOLICIT and "ipv6_nd_target" in packet.fields
