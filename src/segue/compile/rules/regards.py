"""Which headers a switch is to look at whole of the packets that meet a service.

Open vSwitch remembers what it has decided by the bits that it has looked at, and looks each packet up once for each set
of bits that it remembers by, whosever they are. Of a header that is matched by a prefix, or in one table and not in
another, it looks at as much as it takes for the packet at hand. So a few flows in a few tables make thousands of sets,
and with them everybody's packets slow, if packets are sent that take each another way through them.

Where the gate of a service has looked at all of each header that the service matches or writes, there is one set for
each kind of packet, whatever the service's flows are: what differs from packet to packet are values.

Destination ports are left to the switch where they are matched whole or by a prefix: of these Open vSwitch looks at
some bits in front, so that there are 17 sets at the most, however many services do so. Looked at whole they would have
every answer to a client decided by itself, as its port is another one in each connection.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping

from segue.compile.rules.tally import Tally
from segue.model.of_services import service_of
from segue.model.program import AnyAction, Clone, DecTtl, Group, Match, Move, Rule, SetField, ToGroup, Value, match
from segue.model.stages import REGARDED
from segue.packet.addresses import (
    ETH_ARP,
    ETH_IPV4,
    ETH_IPV6,
    PROTO_ICMP,
    PROTO_ICMPV6,
    PROTO_SCTP,
    PROTO_TCP,
    PROTO_UDP,
)

Kind = tuple[tuple[str, int], ...]
"""Of packets: what their match says, from the outside in."""

ETH_RARP = 0x8035
_TRANSPORTS = (("tcp", PROTO_TCP), ("udp", PROTO_UDP), ("sctp", PROTO_SCTP))
_DESTINATIONS = frozenset(f"{name}_dst" for name, _ in _TRANSPORTS)
_OF_IP = {"ip_dscp": 6, "ip_ecn": 2, "nw_ttl": 8}
_OF_ARP = {"arp_spa": 32, "arp_tpa": 32, "arp_sha": 48, "arp_tha": 48}
_ICMPV6: Kind = (("eth_type", ETH_IPV6), ("ip_proto", PROTO_ICMPV6))


def _kinds() -> Iterator[tuple[Kind, dict[str, int]]]:
    """With the headers that such packets have beside those of what they are a kind of, and how many bits these have;
    none comes before what it is a kind of. What packets of a kind have in common is left out, and so is what one
    cannot copy: that makes no more than a few sets."""
    yield (), {"eth_src": 48, "eth_dst": 48, "vlan_vid": 12}
    yield (("eth_type", ETH_IPV4),), {"ipv4_src": 32, "ipv4_dst": 32, **_OF_IP}
    yield (("eth_type", ETH_IPV6),), {"ipv6_src": 128, "ipv6_dst": 128, "ipv6_flabel": 20, **_OF_IP}
    for ethertype in (ETH_ARP, ETH_RARP):
        yield (("eth_type", ethertype),), _OF_ARP
    for ethertype in (ETH_IPV4, ETH_IPV6):
        for name, protocol in _TRANSPORTS:
            flags = {"tcp_flags": 12} if protocol == PROTO_TCP else {}
            kind: Kind = (("eth_type", ethertype), ("ip_proto", protocol))
            yield kind, {f"{name}_src": 16, f"{name}_dst": 16, **flags}
    yield (("eth_type", ETH_IPV4), ("ip_proto", PROTO_ICMP)), {"icmpv4_type": 8, "icmpv4_code": 8}
    yield _ICMPV6, {"icmpv6_type": 8, "icmpv6_code": 8}
    for type, option in ((135, "ipv6_nd_sll"), (136, "ipv6_nd_tll")):
        yield (*_ICMPV6, ("icmpv6_type", type), ("icmpv6_code", 0)), {"ipv6_nd_target": 128, option: 48}


KINDS: Mapping[Kind, Mapping[str, int]] = dict(_kinds())
BITS: Mapping[str, int] = {name: bits for has in KINDS.values() for name, bits in has.items()}
"""By header: those that can be looked at for their own sake."""
_WIDEST = 32
"""Bits that can be copied at once."""


class Regards:
    """Feed it the rules and groups that come and go; ``settle`` says of which services the headers are others. What a
    group's buckets write is counted for the services that have rules that name it, each as often as it has such rules;
    a rule may come before its group."""

    def __init__(self) -> None:
        self._headers: Tally[str] = Tally()
        """How many rules there are that match or write each, themselves or by a group."""
        self._buckets: dict[int, frozenset[str]] = {}
        """By number of a group: the headers that its buckets write, if there are any."""
        self._naming: dict[int, dict[int, int]] = {}
        """By number of a group, there or not, by service: how many rules name it."""

    def change(self, rule: Rule, by: int) -> None:
        """``by``: 1 for a rule that comes, -1 for one that goes."""
        service = service_of(rule)
        if service is None:
            return
        self._count(service, set(_matched(rule)) | set(_written(rule.actions)), by)
        for group in set(_groups(rule.actions)):
            self._count(service, self._buckets.get(group, ()), by)
            naming = self._naming.setdefault(group, {})
            naming[service] = naming.get(service, 0) + by
            if not naming[service]:
                del naming[service]
            if not naming:
                del self._naming[group]

    def change_group(self, number: int, group: Group | None) -> None:
        """As it is now, or None."""
        before = self._buckets.pop(number, frozenset())
        now = frozenset(name for bucket in group.buckets for name in _written(bucket.actions)) if group else frozenset()
        if now:
            self._buckets[number] = now
        for service, rules in self._naming.get(number, {}).items():
            self._count(service, now - before, rules)
            self._count(service, before - now, -rules)

    def _count(self, service: int, names: Iterable[str], by: int) -> None:
        for name in names:
            self._headers.count(service, name, by)

    def settle(self) -> dict[int, tuple[str, ...] | None]:
        """By service, of those where they are others than when this was last asked, in the order of their names; None:
        there are none."""
        return {key: tuple(sorted(counts)) or None for key, counts in self._headers.settle().items()}


def _matched(rule: Rule) -> Iterator[str]:
    for field, value in rule.match:
        if field in BITS and not (field in _DESTINATIONS and _in_front(value)):
            yield field


def _in_front(value: Value) -> bool:
    """Whether what is matched of a port is all of it, or some bits in front."""
    mask = value[1] if isinstance(value, tuple) else 0xFFFF
    return mask + (mask & -mask) == 1 << 16


def _written(actions: Iterable[AnyAction]) -> Iterator[str]:
    for action in actions:
        match action:
            case SetField(field=field) if field in BITS:
                yield field
            case DecTtl():
                yield "nw_ttl"
            case Clone(actions=inner):
                yield from _written(inner)


def _groups(actions: Iterable[AnyAction]) -> Iterator[int]:
    for action in actions:
        match action:
            case ToGroup(group):
                yield group
            case Clone(actions=inner):
                yield from _groups(inner)


def regarded(names: Iterable[str]) -> Iterator[tuple[int, Match, tuple[AnyAction, ...]]]:
    """For each kind of packets that has some of these headers: how much its rule is above the gate's own, its match,
    and what looks at all of them."""
    wanted = frozenset(names)
    looked: dict[Kind, dict[str, int]] = {}
    for kind, has in KINDS.items():
        over = max((one for one in looked if one == kind[: len(one)]), key=len, default=())
        own = {name: bits for name, bits in has.items() if name in wanted}
        if own:
            looked[kind] = looked.get(over, {}) | own
    for kind, all_of_it in looked.items():
        yield 1 + len(kind), match(dict(kind)), tuple(_look(all_of_it))


def _look(headers: Mapping[str, int]) -> Iterator[AnyAction]:
    for name, bits in headers.items():
        for low in range(0, bits, _WIDEST):
            yield Move(name, REGARDED, min(_WIDEST, bits - low), low)
