"""A classifier in integers: the packets it means, forwards and backwards, in each network where they start."""

from __future__ import annotations

from collections.abc import Iterator

from segue.compile.views.wiring import PortInfo, Wiring, complain
from segue.engine import Context
from segue.model.intent import Chain, Classifier
from segue.model.path import Entry, Headers
from segue.packet.addresses import (
    ETH_IPV4,
    ETH_IPV6,
    PROTO_ICMP,
    PROTO_ICMPV6,
    PROTO_SCTP,
    PROTO_TCP,
    PROTO_UDP,
    Prefix,
    host_prefix,
    parse_prefix,
)

PROTOCOLS = {"tcp": PROTO_TCP, "udp": PROTO_UDP, "sctp": PROTO_SCTP}
ETHERTYPES = {"ipv4": ETH_IPV4, "ipv6": ETH_IPV6}
FAMILY = {ETH_IPV4: 4, ETH_IPV6: 6}


class Direction:
    """One classifier read one way round; ``forward`` as declared, else with source and destination swapped."""

    def __init__(self, ctx: Context, w: Wiring, chain: Chain, classifier: Classifier, forward: bool) -> None:
        c = self.classifier = classifier
        self.ctx, self.w, self.chain, self.forward = ctx, w, chain, forward
        ends = [
            (c.source_port, c.source_prefix, c.source_ports),
            (c.destination_port, c.destination_prefix, c.destination_ports),
        ]
        (port, self.from_prefix, self.from_ports), (to_port, self.to_prefix, self.to_ports) = (
            ends if forward else reversed(ends)
        )
        self.port = self._port(port, "source_port" if forward else "destination_port")
        self.to_port = self._port(to_port, "destination_port" if forward else "source_port")
        self.unknown = (port and not self.port) or (to_port and not self.to_port)

    def _port(self, name: str | None, field: str) -> PortInfo | None:
        if name is None:
            return None
        info = self.ctx.get(self.w.port_info, name)
        if info is None:
            complain(self.ctx, self.w, ("classifier", self.classifier.name), field, f"there is no port {name!r}")
        return info

    def entries(self) -> Iterator[tuple[str, Entry]]:
        """(network name, entry) for each way in."""
        if self.unknown:
            return
        port = self.port
        headers = list(self.headers())
        for name, key in self._networks():
            for asked in headers:
                yield (
                    name,
                    Entry(
                        self.classifier.name,
                        key,
                        port.key if port else 0,
                        port.node if port else "",
                        self.chain.precedence,
                        asked,
                    ),
                )

    def entries_behind(self, chain: str, network: str, key: int, ethertype: int) -> Iterator[Entry]:
        """For packets of ``ethertype`` that started in ``network`` and have come to the end of ``chain``. The port that
        they came from is of no account there; all else that the classifier says holds."""
        for asked in self.headers() if self.meets(network) else ():
            if asked.ethertype == ethertype:
                yield Entry(self.classifier.name, key, 0, "", self.chain.precedence, asked, chain)

    def meets(self, network: str) -> bool:
        """Whether packets that started in ``network`` may be meant, wherever they come from."""
        if self.unknown:
            return False
        if self.classifier.network is not None:
            return self.classifier.network == network
        return self.to_port is None or network in self._connected(self.to_port.network_name)

    def _networks(self) -> list[tuple[str, int]]:
        """Where the packets start, as (name, key): all networks from which routers lead to the destination, or those of
        them that have the source prefix, so that nothing goes round the chain by way of a router. Answers start
        wherever the packets may have gone."""
        ref = ("classifier", self.classifier.name)
        if self.port is not None:
            if not self.port.network:
                message = f"port {self.port.name!r} is in no network, so packets cannot start there"
                complain(self.ctx, self.w, ref, "source_port" if self.forward else "destination_port", message)
                return []
            return [(self.port.network_name, self.port.network)]
        known = self._known()
        if known is None:
            message = "nothing says in which network its packets start; add network: NAME, or a source port"
            complain(self.ctx, self.w, ref, "network", message)
            return []
        names = {known}
        if not self.forward or not self.classifier.network:
            near = self._connected(known)
            owners = self._owners(near, parse_prefix(self.from_prefix)) if self.from_prefix else set()
            names = owners or near
        found = []
        for name in sorted(names):
            key = self.ctx.get(self.w.id, ("network", name))
            if self.ctx.get(self.w.network, name) is None or key is None:
                complain(self.ctx, self.w, ref, "network", f"there is no network {name!r}")
                return []
            found.append((name, key))
        return found

    def _known(self) -> str | None:
        """A network that the classifier speaks of: for answers, that where the packets started; else what it says, that
        of its destination, or the only one."""
        c = self.classifier
        if self.to_port is not None and (not self.forward or c.network is None):
            return self.to_port.network_name or None
        if c.network is not None:
            return c.network
        every = sorted(self.ctx.values(self.w.every_network, "all"))
        return every[0] if len(every) == 1 else None

    def _connected(self, start: str) -> set[str]:
        """Networks that a router connects with ``start``, itself among them."""
        near = {start}
        for router in self.ctx.values(self.w.router_of, start):
            declared = self.ctx.get(self.w.router, router)
            for subnet in declared.subnets if declared else ():
                found = self.ctx.get(self.w.subnet, subnet)
                if found:
                    near.add(found.network)
        return near

    def _owners(self, networks: set[str], prefix: Prefix) -> set[str]:
        """Those of ``networks`` that have ``prefix`` in a subnet."""
        return {
            network
            for network in networks
            for subnet in self.ctx.values(self.w.subnet_of, network)
            for own in self.ctx.values(self.w.prefix, subnet)
            if own.contains(prefix)
        }

    def headers(self) -> Iterator[Headers]:
        c = self.classifier
        source = parse_prefix(self.from_prefix) if self.from_prefix else None
        wanted = parse_prefix(self.to_prefix) if self.to_prefix else None
        for ethertype in self._ethertypes(source, wanted):
            family = FAMILY.get(ethertype)
            if family is None:
                yield Headers(ethertype, destination_mac=self.to_port.mac if self.to_port else None)
                continue
            for destination in self._destinations(family, wanted):
                protocol = _protocol(c.protocol, family)
                yield Headers(ethertype, protocol, source, destination, self.from_ports, self.to_ports)

    def _ethertypes(self, *prefixes: Prefix | None) -> tuple[int, ...]:
        if self.classifier.ethertype is not None:
            text = self.classifier.ethertype
            return (ETHERTYPES[text] if text in ETHERTYPES else int(text, 16),)
        families = {p.family for p in prefixes if p is not None} or {4, 6}
        return tuple(ethertype for ethertype, family in FAMILY.items() if family in families)

    def _destinations(self, family: int, wanted: Prefix | None) -> list[Prefix | None]:
        if self.to_port is None:
            return [wanted]
        own = [host_prefix(f, value) for f, value in self.to_port.addresses if f == family]
        return [p for p in own if wanted is None or wanted.contains(p)]


def _protocol(text: str | None, family: int) -> int:
    """``icmp`` means ICMPv6 where the packet is IPv6; a number means itself."""
    if text is None:
        return -1
    if text == "icmp":
        return PROTO_ICMP if family == 4 else PROTO_ICMPV6
    return PROTOCOLS[text] if text in PROTOCOLS else int(text)
