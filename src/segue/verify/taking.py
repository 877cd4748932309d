"""Which chain takes a packet, and in which direction: the part of ``meaning`` that reads classifiers."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

import msgspec

from segue.model.intent import Chain, Classifier, Maps, Port
from segue.packet.addresses import (
    ETH_IPV4,
    ETH_IPV6,
    PROTO_ICMP,
    PROTO_ICMPV6,
    PROTO_SCTP,
    PROTO_TCP,
    PROTO_UDP,
    parse_prefix,
)
from segue.verify.landscape import FAMILY, Landscape, concerns, ends_of, inside
from segue.verify.packet import Packet

FORWARD, REVERSE = "forward", "reverse"
PROTOCOLS = {"tcp": PROTO_TCP, "udp": PROTO_UDP, "sctp": PROTO_SCTP}
PORTED = {*PROTOCOLS, *(str(number) for number in PROTOCOLS.values())}
TRANSPORT = {number: name for name, number in PROTOCOLS.items()}


class Taking:
    """``entering``: the chains that take packets where they come in; all of them if it is None."""

    def __init__(self, landscape: Landscape, entering: Collection[str] | None = None) -> None:
        self._land = landscape
        self._entering = landscape.chains.keys() if entering is None else entering
        exclusive = [graph for graph in landscape.graphs.values() if graph.exclusive]
        self._inner = {name for graph in exclusive for branch in graph.branches for name in branch.into}

    def chain(self, port: Port, packet: Packet) -> tuple[Chain, str] | None:
        found = [
            (chain.precedence, direction == FORWARD, chain, direction)
            for chain in self._land.chains.values()
            if chain.name in self._entering and chain.name not in self._inner
            for direction in ((FORWARD, REVERSE) if chain.symmetric else (FORWARD,))
            if any(self._matches(c, direction, port, packet) for c in self._read(chain, direction, packet))
        ]
        if not found:
            return None
        _, _, chain, direction = max(found, key=lambda one: one[:2])
        return chain, direction

    def onward(self, chain: str, network: str, packet: Packet) -> Chain | None:
        """Which chain takes a packet next that started in ``network`` and comes to the end of ``chain``."""
        found = [
            self._land.chains[name]
            for graph in self._land.graphs.values()
            for branch in graph.branches
            if branch.chain == chain
            for name in branch.into
            if any(self._goes_on(c, network, packet) for c in self._read(self._land.chains[name], FORWARD, packet))
        ]
        return max(found, key=lambda one: one.precedence, default=None)

    def _read(self, chain: Chain, direction: str, packet: Packet) -> list[Classifier]:
        """The chain's classifiers; for answers, as packets look behind the chain. Of each field the last group along it
        that maps the field to something says how it looks there, or else what it is like where it goes in."""
        classifiers = [self._land.classifiers[name] for name in chain.classifiers]
        family = FAMILY.get(packet.fields["eth_type"])
        maps = [m for name in chain.groups if (m := self._land.maps(name)) and concerns(m, family)]
        if not maps or family is None:
            return classifiers
        read = self._behind if direction == REVERSE else self._before
        return [read(c, maps, family) if _is_about(c, family) else c for c in classifiers]

    def _behind(self, c: Classifier, maps: list[Maps], family: int) -> Classifier:
        said: dict[str, Any] = {}
        for side in [side for m in reversed(maps) for side in (m.egress, m.ingress)]:
            if side.protocol is not None and "protocol" not in said and side.protocol not in PORTED:
                said = {"source_ports": None, "destination_ports": None} | said
            said = {name: value for name, value in msgspec.structs.asdict(side).items() if value is not None} | said
        c = msgspec.structs.replace(c, network=self._whereabouts(c)) if self._mapped(said) else c
        if "source_prefix" in said:
            c = msgspec.structs.replace(c, source_port=None)
        if "destination_prefix" in said and not self._is_beyond(c, family):
            c = msgspec.structs.replace(c, destination_port=None)
        return msgspec.structs.replace(c, **said)

    def _before(self, c: Classifier, maps: list[Maps], family: int) -> Classifier:
        """Where a function maps the destination, its port may be where packets come out behind it: it says nothing of
        where they are sent to, then."""
        if not any(m.ingress.destination_prefix or m.egress.destination_prefix for m in maps):
            return c
        if not self._is_beyond(c, family):
            return c
        return msgspec.structs.replace(c, destination_port=None, network=self._whereabouts(c))

    def _mapped(self, said: dict[str, Any]) -> bool:
        return "source_prefix" in said or "destination_prefix" in said

    def _whereabouts(self, c: Classifier) -> str | None:
        ends = [self._land.ports[name].network for name in (c.source_port, c.destination_port) if name is not None]
        return c.network or next((network for network in ends if network), None)

    def _is_beyond(self, c: Classifier, family: int) -> bool:
        if c.source_port is None or c.destination_port is None or c.destination_prefix is None:
            return False
        own = self._land.addresses(self._land.ports[c.destination_port])
        return not any(inside(address, c.destination_prefix) for address in own if address[0] == family)

    def _goes_on(self, c: Classifier, network: str, packet: Packet) -> bool:
        """Whatever port the packet came from."""
        if c.network is not None:
            meant = c.network == network
        elif c.destination_port is not None:
            there = self._land.ports[c.destination_port].network
            meant = there is not None and network in {there, *self._land.connected(there)}
        else:
            meant = True
        return meant and self._has_headers(c, FORWARD, packet)

    def _matches(self, c: Classifier, direction: str, port: Port, packet: Packet) -> bool:
        from_port = c.source_port if direction == FORWARD else c.destination_port
        if from_port is not None:
            if from_port != port.name:
                return False
        elif port.network not in (self._starts(c) if direction == FORWARD else self._answers_start(c)):
            return False
        return self._has_headers(c, direction, packet)

    def _has_headers(self, c: Classifier, direction: str, packet: Packet) -> bool:
        there = (c.source_port, c.source_prefix, c.source_ports)
        here = (c.destination_port, c.destination_prefix, c.destination_ports)
        (_, from_prefix, from_ports), (to_port, to_prefix, to_ports) = (
            (there, here) if direction == FORWARD else (here, there)
        )
        if not _is_ethertype(c, packet):
            return False
        ends = ends_of(packet)
        if ends is None:
            return to_port is None or packet.fields["eth_dst"] == self._land.mac(self._land.ports[to_port])
        source, destination = ends
        return (
            (to_port is None or destination in self._land.addresses(self._land.ports[to_port]))
            and inside(source, from_prefix)
            and inside(destination, to_prefix)
            and _is_protocol(c, packet)
            and _in_range("src", from_ports, packet)
            and _in_range("dst", to_ports, packet)
        )

    def _starts(self, c: Classifier) -> set[str]:
        """The networks that packets of a classifier start in. What it says goes first; then those near its destination
        that have its source prefix; then all near its destination, or the only one that there is."""
        if c.source_port is not None:
            network = self._land.ports[c.source_port].network
        elif c.network is not None:
            network = c.network
        elif c.destination_port is not None:
            network = self._land.ports[c.destination_port].network
        else:
            network = next(iter(self._land.networks)) if len(self._land.networks) == 1 else None
        if c.source_port is None and c.network is None:
            everywhere = {network, *self._land.connected(network)} if network else set()
            return self._land.near(network, c.source_prefix) or everywhere
        return {network} if network else set()

    def _answers_start(self, c: Classifier) -> set[str]:
        """Answers start where the packets went: in the destination's network; else in those, connected by a router with
        the one where the packets started, that have the destination's prefix; else in any of these."""
        if c.destination_port is not None:
            network = self._land.ports[c.destination_port].network
            return {network} if network else set()
        found: set[str] = set()
        for network in self._starts(c):
            found |= self._land.near(network, c.destination_prefix) or {network, *self._land.connected(network)}
        return found


def _is_about(c: Classifier, family: int) -> bool:
    """Whether a classifier's prefixes, if it has any, are of this family."""
    prefixes = [prefix for prefix in (c.source_prefix, c.destination_prefix) if prefix]
    return all(parse_prefix(prefix).family == family for prefix in prefixes)


def _is_ethertype(c: Classifier, packet: Packet) -> bool:
    """Without an ethertype a classifier means IP, and with a prefix that prefix's family (which ``inside`` sees)."""
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
