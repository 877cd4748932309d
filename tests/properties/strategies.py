"""Random intents that are valid, and random packets that are likely to mean something to them.

What cannot be known here (whether classifiers of two chains overlap, whether a function can tell two paths apart) is
left to the compiler, which complains: ``repaired`` then takes the chains at fault away.
"""

from __future__ import annotations

import ipaddress
import os
from dataclasses import dataclass, field
from typing import Any

import msgspec
from hypothesis import strategies as st

from segue.model.intent import (
    AddressPair,
    Branch,
    Chain,
    Classifier,
    Graph,
    Group,
    Instance,
    Maps,
    Network,
    Node,
    NTuple,
    Object,
    Objects,
    Port,
    Route,
    Router,
    Subnet,
)
from segue.model.spread import HASHES
from segue.packet.addresses import derived_mac, link_local, parse_ip, parse_mac, parse_prefix
from segue.verify.fields import PORTS
from segue.verify.packet import Packet

NODES = ("n1", "n2", "n3")
OUTSIDE = {4: "198.51.100.0/24", 6: "2001:db8:ff::/64"}
OTHER_ETHERTYPE = 0x88B5
TRANSPORT = {"tcp": 6, "udp": 17, "sctp": 132}
SOME_PORTS = (1, 79, 80, 81, 443, 1023, 1024, 40000, 65535)
RANGES = ((80, 80), (79, 81), (1, 1023), (1024, 65535), (0, 65535), (443, 40000))
SAME_SIZE = (((80, 80), (443, 443)), ((79, 81), (8079, 8081)), ((1, 1023), (1025, 2047)), ((443, 443), (80, 80)))
"""Ranges and where they are moved to."""
NOBODY = 0x80
"""Between an address that a port may have and one that none has."""


def many(examples: int) -> int:
    """So many, or SEGUE_MORE times as many."""
    return examples * int(os.environ.get("SEGUE_MORE", "1"))


def often(draw: st.DrawFn, times: int = 3) -> bool:
    """True ``times`` times as often as False."""
    return draw(st.integers(0, times)) > 0


def seldom(draw: st.DrawFn, times: int = 6) -> bool:
    return draw(st.integers(0, times)) == times


@dataclass
class Draft:
    """An intent in the making."""

    objects: Objects = field(default_factory=dict)

    def add(self, *values: Object) -> None:
        for value in values:
            self.objects[type(value).__name__.lower(), value.name] = value

    def of(self, kind: str) -> list[Object]:
        return [value for (name, _), value in self.objects.items() if name == kind]


@st.composite
def intents(
    draw: st.DrawFn,
    route_mode: bool = True,
    symmetric: bool = False,
    dense: bool = False,
    graph: bool = False,
    maps: bool = False,
) -> Objects:
    """``symmetric``: all chains are. ``dense``: there are functions and chains, which take most of what hosts send.
    ``graph``: the chains are in one. ``maps``: many groups map addresses or ports."""
    draft = Draft()
    nodes = NODES[: draw(st.integers(2 if dense else 1, 3))]
    six = seldom(draw)
    for number, name in enumerate(nodes, 1):
        draft.add(Node(name=name, address=f"2001:db8:aaaa::{number}" if six else f"192.0.2.{number}"))
    _networks(draw, draft)
    _hosts(draw, draft, nodes, dense)
    _router(draw, draft)
    groups = _functions(draw, draft, nodes, route_mode, dense, maps)
    if groups:
        _chains(draw, draft, groups, symmetric, dense, graph)
    return draft.objects


def _networks(draw: st.DrawFn, draft: Draft) -> None:
    same = seldom(draw)  # the same prefixes in every network
    for number, name in enumerate(("a", "b", "c")[: draw(st.integers(1, 3))]):
        part = 0 if same else number
        draft.add(Network(name=name))
        kinds = draw(st.sampled_from(["4", "4", "46", "46", "6", "44", "446"]))
        fours = iter((f"10.{part}.0", f"10.{part}.1"))
        for count, kind in enumerate(kinds):
            cidr, gateway = (f"2001:db8:{part}::/64", f"2001:db8:{part}::fffe") if kind == "6" else _four(next(fours))
            draft.add(Subnet(name=f"{name}{count}", network=name, cidr=cidr, gateway=gateway))


def _four(base: str) -> tuple[str, str]:
    return f"{base}.0/24", f"{base}.254"


def _hosts(draw: st.DrawFn, draft: Draft, nodes: tuple[str, ...], dense: bool) -> None:
    networks = [network.name for network in draft.of("network")]
    for number in range(1, draw(st.integers(2, 6)) + 1):
        name = f"p{number}"
        network = draw(st.sampled_from(networks))
        subnets = [s for s in draft.of("subnet") if isinstance(s, Subnet) and s.network == network]
        addresses = [str(ipaddress.ip_network(s.cidr)[number]) for s in subnets if dense or often(draw, 5)]
        pairs = []
        if seldom(draw):
            mac = draw(st.sampled_from([None, f"02:00:00:00:aa:0{number}"]))
            pairs.append(AddressPair(OUTSIDE[4], mac))
        draft.add(
            Port(
                name=name,
                network=network,
                node=None if seldom(draw, 8) else draw(st.sampled_from(nodes)),
                mac=draw(st.sampled_from([None, f"02:00:00:00:00:0{number}"])),
                addresses=tuple(addresses),
                security=often(draw, 6),
                allowed=tuple(pairs),
            )
        )


def _router(draw: st.DrawFn, draft: Draft) -> None:
    if not often(draw, 2):
        return
    taken: list[ipaddress.IPv4Network | ipaddress.IPv6Network] = []
    chosen: list[Subnet] = []
    for subnet in draft.of("subnet"):
        assert isinstance(subnet, Subnet)
        prefix = ipaddress.ip_network(subnet.cidr)
        if prefix not in taken and often(draw, 6):
            taken.append(prefix)
            chosen.append(subnet)
    routes = []
    for port in draft.of("port"):
        assert isinstance(port, Port)
        for address in port.addresses:
            via = ipaddress.ip_address(address)
            if not routes and seldom(draw) and any(via in ipaddress.ip_network(s.cidr) for s in chosen):
                wide = "0.0.0.0/0" if via.version == 4 else "::/0"
                routes.append(Route(draw(st.sampled_from([wide, OUTSIDE[via.version]])), address))
    if chosen:
        draft.add(Router(name="r", subnets=tuple(s.name for s in chosen), routes=tuple(routes)))


def _functions(
    draw: st.DrawFn, draft: Draft, nodes: tuple[str, ...], route_mode: bool, dense: bool, maps: bool
) -> dict[str, str]:
    """Instances in groups; returns, by group, the encapsulation that it needs, or ""."""
    groups: dict[str, list[str]] = {}
    needs: dict[str, str] = {}
    for number in range(1, draw(st.sampled_from([2, 3, 4] if dense else [1, 2, 3, 4, 5, 6, 0])) + 1):
        name = f"f{number}"
        group = draw(st.sampled_from(["g1", "g2", "g3"]))
        if group not in needs:
            needs[group] = draw(st.sampled_from(["", "", "nsh", "mpls"]))
        aware = needs[group] if needs[group] and draw(st.booleans()) else None
        node = draw(st.sampled_from(nodes))
        mode = "route" if route_mode and aware is None and seldom(draw) else "bridge"
        arms = [name] if seldom(draw) else [f"{name}-in", f"{name}-out"]
        for arm, port in enumerate(arms):
            draft.add(_arm(draw, draft, port, node, 100 + 10 * number + arm, mode == "route"))
        rewrites = seldom(draw, 12)
        weight = draw(st.sampled_from([1, 1, 1, 2, 3, 0]))
        draft.add(
            Instance(
                name=name, ingress=arms[0], egress=arms[-1], aware=aware, mode=mode, rewrites=rewrites, weight=weight
            )
        )
        groups.setdefault(group, []).append(name)
    for group, members in groups.items():
        if maps:
            del members[1:]  # answers find no other one
        made = _group(draw, group, members)
        if not made.tap and (often(draw) if maps else seldom(draw)):
            made = msgspec.structs.replace(made, maps=_maps(draw, draft))
        draft.add(made)
        if not any(isinstance(i, Instance) and i.weight for i in draft.of("instance") if i.name in members):
            one = draft.objects["instance", members[0]]
            assert isinstance(one, Instance)
            draft.add(Instance(name=one.name, ingress=one.ingress, egress=one.egress, aware=one.aware, mode=one.mode))
        if len(members) == 1 and made.maps is None and draw(st.booleans()):
            needs[members[0]] = needs[group]  # the instance's own name, in place of the group's
    return {name: need for name, need in needs.items() if name in groups or name.startswith("f")}


def _group(draw: st.DrawFn, name: str, members: list[str]) -> Group:
    tap = len(members) == 1 and draw(st.booleans())
    hashed = draw(st.sampled_from([(), (), *HASHES]))
    return Group(name=name, instances=tuple(members), tap=tap, hash=tuple(reversed(hashed)))


def _maps(draw: st.DrawFn, draft: Draft) -> Maps:
    """Of values that keep their places, so that a function can do it, and undo it, without a memory."""
    sides: list[dict[str, Any]] = [{}, {}]
    family = draw(st.sampled_from([4, 4, 6]))
    bits = 32 if family == 4 else 128
    for end in draw(st.sampled_from([("source",), ("source",), ("destination",), ("source", "destination"), ()])):
        known = [a for p in _hosts_of(draft) for a in addresses_of(p, family)] or [_inside(draw, OUTSIDE[family])]
        length = draw(st.sampled_from([bits, bits - 3, bits - 3, bits - 3]))
        for side, other in zip(sides, (0, draw(st.sampled_from([0, NOBODY, NOBODY]))), strict=True):
            prefix = (draw(st.sampled_from(known)) ^ other, length)
            side[f"{end}_prefix"] = str(ipaddress.ip_network(prefix, strict=False))
    for end in draw(st.sampled_from([(), (), ("source",), ("destination",), ("source", "destination")])):
        for side, ports in zip(sides, draw(st.sampled_from(SAME_SIZE)), strict=True):
            side[f"{end}_ports"] = ports
    return Maps(NTuple(**sides[0]), NTuple(**sides[1]))


def _arm(draw: st.DrawFn, draft: Draft, name: str, node: str, number: int, addressed: bool) -> Port:
    if not addressed and often(draw, 6):
        return Port(name=name, node=node)
    network = draw(st.sampled_from([network.name for network in draft.of("network")]))
    subnets = [s for s in draft.of("subnet") if isinstance(s, Subnet) and s.network == network]
    addresses = [str(ipaddress.ip_network(s.cidr)[number]) for s in subnets]
    return Port(name=name, node=node, network=network, addresses=tuple(addresses))


VARIED = ("group", "classifier", "chain", "graph")


@st.composite
def variants(draw: st.DrawFn, objects: Objects, graph: bool = False) -> Objects:
    """The same machines with other weights, groups and chains; instances that are in no group may be gone."""
    draft = Draft({ref: value for ref, value in objects.items() if ref[0] not in VARIED})
    instances = [i for i in draft.of("instance") if isinstance(i, Instance)]
    members: dict[str, list[Instance]] = {}
    for instance in instances:
        weight = draw(st.sampled_from([instance.weight or 1, 1, 2, 3]))
        changed = msgspec.structs.replace(instance, weight=weight)
        draft.add(changed)
        for group in draw(st.lists(st.sampled_from(["g1", "g2", "g3"]), max_size=2, unique=True)):
            if all(changed.aware in (None, other.aware) or other.aware is None for other in members.get(group, [])):
                members.setdefault(group, []).append(changed)
    needs = {group: "".join({i.aware for i in chosen if i.aware}) for group, chosen in members.items()}
    for group, chosen in members.items():
        draft.add(_group(draw, group, [i.name for i in chosen]))
    used = {i.name for chosen in members.values() for i in chosen}
    for instance in instances:
        if instance.name not in used and draw(st.booleans()):
            for ref in (("instance", instance.name), ("port", instance.ingress), ("port", instance.egress)):
                draft.objects.pop(ref, None)
    if members:
        _chains(draw, draft, needs, False, True, graph)
    return draft.objects


# -- chains ------------------------------------------------------------------------------------------------------------


def _chains(
    draw: st.DrawFn, draft: Draft, groups: dict[str, str], always: bool, dense: bool, graph: bool = False
) -> None:
    precedences = draw(st.permutations([100, 100, 200, 300, 30_000]))
    count = draw(st.sampled_from([2, 3, 4] if graph else [1, 2, 3] if dense else [1, 2, 3, 4, 0]))
    # Chains of a graph are not symmetric, and have one encapsulation.
    common = draw(st.sampled_from(["nsh", "mpls", *([] if graph else [""])])) if count > 1 and not always else ""
    for number in range(1, count + 1):
        name = f"c{number}"
        encapsulation = common or draw(st.sampled_from(["nsh", "nsh", "mpls"]))
        usable = sorted(group for group, need in groups.items() if need in ("", encapsulation))
        if not usable:
            encapsulation = "nsh" if encapsulation == "mpls" else "mpls"
            usable = sorted(groups)
        steps = tuple(draw(st.lists(st.sampled_from(usable), min_size=1, max_size=3)))
        symmetric = always or (not common and draw(st.booleans()))
        other = encapsulation == "nsh" and seldom(draw, 8) and _other(draw, draft, f"{name}-1", symmetric)
        classifiers = (
            [other]
            if other
            else [
                (_wide if dense and often(draw) else _classifier)(draw, draft, f"{name}-{count}")
                for count in range(1, draw(st.integers(1, 3)) + 1)
            ]
        )
        draft.add(*classifiers)
        draft.add(
            Chain(
                name=name,
                classifiers=tuple(c.name for c in classifiers),
                groups=steps,
                symmetric=symmetric,
                encapsulation=encapsulation,
                precedence=precedences[number],
            )
        )

    if common:
        _graph(draw, draft)


def _graph(draw: st.DrawFn, draft: Draft) -> None:
    chains = [c for c in draft.of("chain") if isinstance(c, Chain)]
    order = [c.name for c in draw(st.permutations(chains)) if c.encapsulation == chains[0].encapsulation]
    branches = []
    for number, name in enumerate(order[:-1], 1):
        into = tuple(one for one in order[number:] if often(draw, 2))
        if into:
            branches.append(Branch(name, into))
    if branches:
        draft.add(Graph(name="g", branches=tuple(branches), exclusive=draw(st.booleans())))


def without(objects: Objects, chain: str) -> Objects:
    """The objects without a chain, and without the branches to it and from it."""
    left = {ref: value for ref, value in objects.items() if ref != ("chain", chain)}
    for ref, value in objects.items():
        if isinstance(value, Graph):
            branches = [
                Branch(branch.chain, tuple(one for one in branch.into if one != chain))
                for branch in value.branches
                if branch.chain != chain
            ]
            rest = tuple(branch for branch in branches if branch.into)
            left[ref] = Graph(name=value.name, branches=rest, exclusive=value.exclusive)
    return left


def _hosts_of(draft: Draft) -> list[Port]:
    return [p for p in draft.of("port") if isinstance(p, Port) and p.name.startswith("p")]


def _other(draw: st.DrawFn, draft: Draft, name: str, symmetric: bool) -> Classifier | None:
    """Packets that are not IP. Only ports that are certain to send from one MAC may be its ends."""
    sure = [p.name for p in _hosts_of(draft) if p.security and all(pair.mac is None for pair in p.allowed)]
    if not sure:
        return None
    to = draw(st.sampled_from(sure)) if symmetric or draw(st.booleans()) else None
    return Classifier(
        name=name, source_port=draw(st.sampled_from(sure)), destination_port=to, ethertype=f"{OTHER_ETHERTYPE:#06x}"
    )


def _wide(draw: st.DrawFn, draft: Draft, name: str) -> Classifier:
    """What takes much."""
    hosts = [p.name for p in _hosts_of(draft)]
    return Classifier(
        name=name,
        source_port=draw(st.sampled_from(hosts)),
        destination_port=draw(st.sampled_from([None, *hosts])),
        protocol=draw(st.sampled_from([None, None, None, "tcp", "udp"])),
    )


def _classifier(draw: st.DrawFn, draft: Draft, name: str) -> Classifier:
    hosts = _hosts_of(draft)
    networks = [network.name for network in draft.of("network")]
    source = draw(st.sampled_from([p.name for p in hosts])) if often(draw, 2) else None
    to = draw(st.sampled_from([p.name for p in hosts])) if draw(st.booleans()) else None
    family = draw(st.sampled_from([4, 4, 6]))
    from_prefix = _prefix(draw, draft, family) if seldom(draw, 3) else None
    to_prefix = _prefix(draw, draft, family) if seldom(draw, 3) else None
    ethertype = draw(st.sampled_from([None, None, f"ipv{family}"]))
    protocol = draw(st.sampled_from([None, None, "tcp", "udp", "sctp", "icmp", "17", "1", "58", "47"]))
    ported = protocol in TRANSPORT or protocol == "17"
    return Classifier(
        name=name,
        source_port=source,
        destination_port=to,
        network=None if source or (to and draw(st.booleans())) else draw(st.sampled_from(networks)),
        ethertype=ethertype,
        protocol=protocol,
        source_prefix=from_prefix,
        destination_prefix=to_prefix,
        source_ports=draw(st.sampled_from(RANGES)) if ported and seldom(draw, 3) else None,
        destination_ports=draw(st.sampled_from(RANGES)) if ported and draw(st.booleans()) else None,
    )


def _prefix(draw: st.DrawFn, draft: Draft, family: int) -> str:
    cidrs = [s.cidr for s in draft.of("subnet") if isinstance(s, Subnet)]
    cidrs = [cidr for cidr in cidrs if ipaddress.ip_network(cidr).version == family] or [OUTSIDE[family]]
    base = ipaddress.ip_network(draw(st.sampled_from(cidrs)))
    bits = base.max_prefixlen
    length = draw(st.sampled_from([0, bits - 25, bits - 8, bits - 6, bits - 1, bits, base.prefixlen]))
    return str(ipaddress.ip_network((int(base[draw(st.integers(1, 6))]), length), strict=False))


# -- packets -----------------------------------------------------------------------------------------------------------


def mac_of(port: Port) -> int:
    return parse_mac(port.mac) if port.mac else derived_mac("port", port.name)


def addresses_of(port: Port, family: int) -> list[int]:
    found = [value for version, value in map(parse_ip, port.addresses) if version == family]
    return [*found, link_local(mac_of(port))] if found and family == 6 else found


@st.composite
def packets(draw: st.DrawFn, objects: Objects, proper: bool = False) -> tuple[str, Packet]:
    """(sender, packet): of a classifier's kind, or between two ports, with now and then something wrong, unless
    ``proper``."""
    draft = Draft(objects)
    hosts = _hosts_of(draft)
    chains = [c for c in draft.of("chain") if isinstance(c, Chain)]
    classifier = None
    if chains and often(draw, 5):
        chain = draw(st.sampled_from(chains))
        found = objects["classifier", draw(st.sampled_from(chain.classifiers))]
        assert isinstance(found, Classifier)
        backwards = draw(st.booleans()) if chain.symmetric else seldom(draw)
        classifier = _swapped(found) if backwards else found
    source = _end(draw, objects, hosts, classifier.source_port if classifier else None)
    target = _end(draw, objects, hosts, classifier.destination_port if classifier else None)
    if (classifier is not None and classifier.ethertype == f"{OTHER_ETHERTYPE:#06x}") or seldom(draw, 15):
        fields = {"eth_src": mac_of(source), "eth_dst": mac_of(target), "eth_type": OTHER_ETHERTYPE}
    elif seldom(draw, 15):
        fields = _neighbours(draw, source, target)
    else:
        fields = _ip(draw, objects, source, target, classifier)
    if not proper and seldom(draw, 10):
        fields |= _wrong(draw, fields, hosts)
    return source.name, Packet.of(fields, payload=b"payload")


def answer(objects: Objects, sender: str, receiver: str, packet: Packet) -> Packet:
    """What ``receiver`` says to the packet that ``sender`` sent it."""
    fields = packet.frame.network
    back = dict(fields)
    for name in fields:
        if name.endswith("_src"):
            other = name.removesuffix("_src") + "_dst"
            back[name], back[other] = fields[other], fields[name]
    if "nw_ttl" in back:
        back["nw_ttl"] = 64
    asked, answers = objects["port", sender], objects["port", receiver]
    assert isinstance(asked, Port) and isinstance(answers, Port)
    family = 4 if "ipv4_dst" in back else 6
    to = _next_hop(objects, answers, asked, family, back[f"ipv{family}_dst"]) if "nw_ttl" in back else mac_of(asked)
    link = {"eth_src": mac_of(answers), "eth_dst": to, "eth_type": packet.frame.eth_type}
    return Packet.of(back | link, payload=b"answer")


def _swapped(c: Classifier) -> Classifier:
    return Classifier(
        name=c.name,
        source_port=c.destination_port,
        destination_port=c.source_port,
        ethertype=c.ethertype,
        protocol=c.protocol,
        source_prefix=c.destination_prefix,
        destination_prefix=c.source_prefix,
        source_ports=c.destination_ports,
        destination_ports=c.source_ports,
    )


def _end(draw: st.DrawFn, objects: Objects, hosts: list[Port], name: str | None) -> Port:
    if name is not None and often(draw, 8):
        found = objects["port", name]
        assert isinstance(found, Port)
        return found
    return draw(st.sampled_from(hosts))


def _ip(draw: st.DrawFn, objects: Objects, source: Port, target: Port, classifier: Classifier | None) -> dict[str, int]:
    families = [f for f in (4, 6) if addresses_of(source, f) and addresses_of(target, f)]
    families = families or [f for f in (4, 6) if addresses_of(source, f)] or [4]
    wanted = classifier.ethertype if classifier else None
    family = int(wanted[-1]) if wanted in ("ipv4", "ipv6") else draw(st.sampled_from(families))
    here = draw(st.sampled_from(addresses_of(source, family) or [_inside(draw, OUTSIDE[family])]))
    there = draw(st.sampled_from(addresses_of(target, family) or [_inside(draw, OUTSIDE[family])]))
    if source.allowed and family == 4 and seldom(draw, 4):
        here = _inside(draw, source.allowed[0].ip)
    prefix = classifier.destination_prefix if classifier else None
    if seldom(draw, 8):
        there = _inside(draw, prefix or OUTSIDE[family], family) or there
    if classifier and classifier.source_prefix and not source.security and draw(st.booleans()):
        here = _inside(draw, classifier.source_prefix, family) or here
    fields = {
        "eth_src": mac_of(source),
        "eth_dst": _next_hop(objects, source, target, family, there),
        "eth_type": 0x0800 if family == 4 else 0x86DD,
        f"ipv{family}_src": here,
        f"ipv{family}_dst": there,
        "nw_ttl": draw(st.sampled_from([64, 64, 64, 64, 2, 1])),
    }
    return fields | _above_ip(draw, family, classifier)


def _inside(draw: st.DrawFn, prefix: str, family: int = 0) -> int:
    """Some address of ``prefix``; 0 when it is not of ``family``."""
    network = ipaddress.ip_network(prefix)
    if family and network.version != family:
        return 0
    return int(network[draw(st.integers(0, min(network.num_addresses, 9) - 1))])


def _next_hop(objects: Objects, source: Port, target: Port, family: int, there: int) -> int:
    """What the sender would put in: the MAC of who has the address here, else the router's."""
    if there >> 118 == 0xFE80 >> 6 and family == 6:
        return mac_of(target)
    subnets = [s for s in objects.values() if isinstance(s, Subnet) and s.network == source.network]
    prefixes = [parse_prefix(s.cidr) for s in subnets]
    if any(p.family == family and there & p.mask == p.value for p in prefixes):
        for port in objects.values():
            if isinstance(port, Port) and port.network == source.network and there in addresses_of(port, family):
                return mac_of(port)
    return derived_mac("router", "r", str(source.network))


def _above_ip(draw: st.DrawFn, family: int, classifier: Classifier | None) -> dict[str, int]:
    names = {**TRANSPORT, "icmp": 1 if family == 4 else 58}
    asked = classifier.protocol if classifier else None
    if asked is not None and often(draw, 6):
        protocol = names.get(asked) or int(asked)
    else:
        protocol = draw(st.sampled_from([6, 17, 132, 1, 58, 47]))
    fields = {"ip_proto": protocol}
    if protocol in PORTS:
        for name, wanted in zip(
            PORTS[protocol],
            (classifier.source_ports, classifier.destination_ports) if classifier else (None, None),
            strict=True,
        ):
            near = [port for end in wanted or () for port in (end, end, end - 1, end + 1) if 0 < port < 65536]
            fields[name] = draw(st.sampled_from(near or SOME_PORTS))
        if seldom(draw, 12):
            fields["ip_frag"] = draw(st.sampled_from([1, 3]))
            del fields[PORTS[protocol][0]], fields[PORTS[protocol][1]]
    elif protocol == 1 and family == 4:
        fields["icmpv4_type"] = draw(st.sampled_from([8, 8, 0, 3]))
    elif protocol == 58 and family == 6:
        fields["icmpv6_type"] = draw(st.sampled_from([128, 128, 129, 1, 133, 134, 136, 137]))
    return fields


def _neighbours(draw: st.DrawFn, source: Port, target: Port) -> dict[str, int]:
    """Who has the target's address?"""
    mac = mac_of(source)
    if addresses_of(source, 4) and (draw(st.booleans()) or not addresses_of(source, 6)):
        asked = draw(st.sampled_from([*addresses_of(target, 4), 0x0A0000FE, 0x0A0000C8]))
        return {
            "eth_src": mac,
            "eth_dst": (1 << 48) - 1,
            "eth_type": 0x0806,
            "arp_op": draw(st.sampled_from([1, 1, 1, 2])),
            "arp_sha": mac,
            "arp_spa": addresses_of(source, 4)[0],
            "arp_tpa": asked,
        }
    here = addresses_of(source, 6) or [link_local(mac)]
    asked = draw(st.sampled_from([*addresses_of(target, 6), 0x20010DB8000000000000000000000000 | 0xFFFE]))
    return {
        "eth_src": mac,
        "eth_dst": 0x3333FF000000 | asked & 0xFFFFFF,
        "eth_type": 0x86DD,
        "ipv6_src": here[0],
        "ipv6_dst": 0xFF0200000000000000000001FF000000 | asked & 0xFFFFFF,
        "ip_proto": 58,
        "nw_ttl": 255,
        "icmpv6_type": 135,
        "ipv6_nd_target": asked,
        "nd_options_type": 1,
        "ipv6_nd_sll": mac,
    }


def _wrong(draw: st.DrawFn, fields: dict[str, int], hosts: list[Port]) -> dict[str, int]:
    """Something that the packet should not have."""
    other = draw(st.sampled_from(hosts))
    ways: list[dict[str, int]] = [
        {"eth_src": mac_of(other)},
        {"eth_src": 0x0A5E000010FF},
        {"eth_dst": 0x02BBBBBBBBBB},
        {"eth_dst": (1 << 48) - 1},
    ]
    for family in (4, 6):
        if f"ipv{family}_src" in fields:
            ways += [{f"ipv{family}_src": value} for value in addresses_of(other, family)]
            ways.append({f"ipv{family}_src": 0})
    if "arp_spa" in fields:
        ways += [{"arp_spa": value} for value in addresses_of(other, 4)]
        ways.append({"arp_sha": mac_of(other)})
    return draw(st.sampled_from(ways))
