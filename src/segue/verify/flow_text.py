"""The words that say which packet to follow.

    flow     = end ">" end protocol { option }
    end      = name of a port | IPv4 address | IPv6 address
    protocol = ( "tcp" | "udp" | "sctp" ) [ number ">" ] number
             | "icmp"
             | "ip" number
    option   = "from" "port" number | "ttl" number | "over" ( "ipv4" | "ipv6" )

The number behind tcp, udp and sctp is the destination port; ``40000 > 80`` and ``from port 40000`` both say the source
port, which is otherwise DEFAULT_SOURCE_PORT. ``icmp`` is an echo request of whichever family the addresses
are. ``over`` decides between IPv4 and IPv6 where both ends have both; otherwise IPv4 is taken.

    client > server udp 2345
    client > server tcp 40000 > 80
    10.0.0.1 > 10.0.1.2 icmp ttl 3
    client > 2001:db8::5 udp 2345 from port 40000
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from segue.packet.addresses import (
    ETH_IPV4,
    ETH_IPV6,
    PROTO_ICMP,
    PROTO_ICMPV6,
    PROTO_SCTP,
    PROTO_TCP,
    PROTO_UDP,
    Prefix,
    format_ip,
    parse_ip,
)
from segue.verify.fields import PORTS
from segue.verify.packet import Packet

DEFAULT_SOURCE_PORT = 40000
DEFAULT_TTL = 64
EXAMPLE = "client > server udp 2345"

_TRANSPORT = {"tcp": PROTO_TCP, "udp": PROTO_UDP, "sctp": PROTO_SCTP}
_FAMILIES = {"ipv4": 4, "ipv6": 6}
_ECHO_REQUEST = {4: ("icmpv4_type", 8), 6: ("icmpv6_type", 128)}


class FlowError(ValueError):
    """The words do not say a flow; the message says what to write instead."""


@dataclass(frozen=True)
class Flow:
    """``source`` and ``destination`` are port names or addresses. ``family`` is 4, 6, or 0 for either.

    ``protocol`` is a name, ``tcp``, ``udp``, ``sctp``, ``icmp`` or ``ip``; ``number`` is for ``ip`` alone.
    """

    source: str
    destination: str
    protocol: str
    source_port: int = 0
    destination_port: int = 0
    number: int = 0
    ttl: int = DEFAULT_TTL
    family: int = 0


@dataclass(frozen=True)
class Endpoint:
    """A logical port. ``addresses``: (family, value). ``prefixes``: of its network's subnets.

    ``gateway_mac``: of the router's leg in its network, with addresses ``gateways``, or 0. ``network``: which network
    it is in; addresses may mean other ports in other networks.
    """

    name: str
    network: str
    mac: int
    addresses: tuple[tuple[int, int], ...]
    prefixes: tuple[Prefix, ...] = ()
    gateway_mac: int = 0
    gateways: tuple[tuple[int, int], ...] = ()


def parse_flow(text: str) -> Flow:
    """Raises FlowError."""
    words = _Words(text.replace(">", " > ").split())
    source = words.take("where the packet comes from", "a port or an address first")
    words.expect(">", f"between source and destination, as in `{EXAMPLE}`")
    destination = words.take("where the packet goes", "a port or an address behind `>`")
    protocol = words.take("a protocol", "tcp, udp, sctp, icmp or ip behind the destination").lower()
    source_port = destination_port = number = 0
    if protocol in _TRANSPORT:
        destination_port = words.number(f"{protocol} port", 65535, f"a number, as in `{protocol} 80`")
        source_port = DEFAULT_SOURCE_PORT
        if words.next == ">":
            words.skip()
            source_port = destination_port
            destination_port = words.number(f"{protocol} port", 65535, f"`{protocol} {source_port} > 80`")
    elif protocol == "ip":
        number = words.number("IP protocol", 255, "a number, as in `ip 47`")
    elif protocol != "icmp":
        raise FlowError(f"{protocol!r} is not a protocol: write tcp, udp, sctp, icmp or ip, as in `{EXAMPLE}`")
    ttl, family = DEFAULT_TTL, 0
    while words.next is not None:
        match words.skip().lower():
            case "ttl":
                ttl = words.number("TTL", 255, "a number, as in `ttl 3`")
            case "over":
                name = words.take("a family", "`over ipv4` or `over ipv6`").lower()
                if name not in _FAMILIES:
                    raise FlowError(f"{name!r} is not a family: write `over ipv4` or `over ipv6`")
                family = _FAMILIES[name]
            case "from":
                words.expect("port", "behind `from`, as in `from port 40000`")
                source_port = words.number("source port", 65535, "a number, as in `from port 40000`")
                if protocol not in _TRANSPORT:
                    raise FlowError(f"{protocol} has no ports: leave `from port {source_port}` away")
            case word:
                raise FlowError(f"{word!r} means nothing here: write `from port N`, `ttl N` or `over ipv6`")
    return Flow(source, destination, protocol, source_port, destination_port, number, ttl, family)


def flow_packet(flow: Flow, endpoints: Iterable[Endpoint]) -> tuple[str, Packet]:
    """The port that the packet enters by, and the packet as its sender would make it.

    Raises FlowError for names and addresses that nothing has, for ends without a common family, and where there is
    no way to the destination.
    """
    ports = list(endpoints)
    source = _port(flow.source, ports)
    family, source_address, destination_address = _addresses(flow, source, ports)
    kind = "ipv4" if family == 4 else "ipv6"
    fields = {
        "eth_type": ETH_IPV4 if family == 4 else ETH_IPV6,
        "eth_src": source.mac,
        "eth_dst": _next_hop(source, family, source_address, destination_address, ports),
        f"{kind}_src": source_address,
        f"{kind}_dst": destination_address,
        "nw_ttl": flow.ttl,
    }
    if flow.protocol in _TRANSPORT:
        fields["ip_proto"] = _TRANSPORT[flow.protocol]
        names = PORTS[fields["ip_proto"]]
        fields.update(zip(names, (flow.source_port, flow.destination_port), strict=True))
    elif flow.protocol == "icmp":
        fields["ip_proto"] = PROTO_ICMP if family == 4 else PROTO_ICMPV6
        name, value = _ECHO_REQUEST[family]
        fields[name] = value
    else:
        fields["ip_proto"] = flow.number
    return source.name, Packet.of(fields)


class _Words:
    def __init__(self, words: list[str]) -> None:
        self._words = words

    @property
    def next(self) -> str | None:
        return self._words[0] if self._words else None

    def take(self, what: str, instead: str) -> str:
        if self.next in (None, ">"):
            raise FlowError(f"{what} is missing: write {instead}, as in `{EXAMPLE}`")
        return self._words.pop(0)

    def skip(self) -> str:
        return self._words.pop(0)

    def expect(self, word: str, where: str) -> None:
        if self.next != word:
            found = f", not `{self.next}`" if self._words else ""
            raise FlowError(f"write `{word}` {where}{found}")
        self._words.pop(0)

    def number(self, what: str, most: int, instead: str) -> int:
        word = self.next
        if word is None:
            raise FlowError(f"a {what} is missing: write {instead}")
        if not word.isascii() or not word.isdigit() or int(word) > most:
            raise FlowError(f"{word!r} is not a {what} (0 to {most}): write {instead}")
        self._words.pop(0)
        return int(word)


def _address(text: str) -> tuple[int, int] | None:
    try:
        return parse_ip(text)
    except ValueError:
        return None


def _port(end: str, ports: list[Endpoint]) -> Endpoint:
    address = _address(end)
    if address is None:
        found = [port for port in ports if port.name == end]
        if not found:
            near = ", ".join(sorted(port.name for port in ports)[:8]) or "there is none"
            raise FlowError(f"there is no port {end!r}: write the name of one ({near}) or an address")
        return found[0]
    found = [port for port in ports if address in port.addresses]
    if not found:
        raise FlowError(f"no port has address {end}: write the name of the port that the packet enters by")
    if len(found) > 1:
        names = ", ".join(sorted(port.name for port in found))
        raise FlowError(f"several ports have address {end}: write one of their names ({names})")
    return found[0]


def _addresses(flow: Flow, source: Endpoint, ports: list[Endpoint]) -> tuple[int, int, int]:
    """(family, source, destination)."""
    said = _address(flow.source)
    froms = [said] if said is not None else list(source.addresses)
    said = _address(flow.destination)
    tos = [said] if said is not None else list(_port(flow.destination, ports).addresses)
    for family in (flow.family,) if flow.family else (4, 6):
        here = [value for version, value in froms if version == family]
        there = [value for version, value in tos if version == family]
        if here and there:
            return family, here[0], there[0]
    kind = f"IPv{flow.family}" if flow.family else "one and the same IP version"
    raise FlowError(f"{flow.source} and {flow.destination} do not both have addresses of {kind}")


def _next_hop(source: Endpoint, family: int, here: int, there: int, ports: list[Endpoint]) -> int:
    """The MAC that the sender would write: the destination's in the sender's subnet, else the gateway's."""
    link_local = family == 6 and there >> 118 == 0xFE80 >> 6
    near = link_local or any(
        prefix.family == family and here & prefix.mask == prefix.value == there & prefix.mask
        for prefix in source.prefixes
    )
    if near and (family, there) not in source.gateways:
        owners = [p for p in ports if p.network == source.network and (family, there) in p.addresses]
        if not owners:
            raise FlowError(
                f"no port in {source.network} has {format_ip(family, there)}, which is in the subnet of {source.name}"
            )
        return owners[0].mac
    if not source.gateway_mac:
        raise FlowError(
            f"{format_ip(family, there)} is not in the subnet of {source.name}, and {source.network} has no router"
        )
    return source.gateway_mac
