"""Hypothesis strategies for valid objects of every kind."""

from ipaddress import IPv4Network, IPv6Network, ip_network

import msgspec
from hypothesis import strategies as st

from segue.model.hooks import HOOKS
from segue.model.intent import (
    NOT_REWRITTEN,
    REWRITES,
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
    Permissions,
    Port,
    Route,
    Router,
    Service,
    Subnet,
    is_label,
)
from segue.model.limits import MAX_COPIES, MAX_FLOWS, MAX_PACKET_INS
from segue.model.spread import HASHES
from segue.packet.addresses import format_mac

LABELS = st.text(max_size=255).map(lambda text: "".join(c for c in text if is_label(c)))
NAMES = st.from_regex(r"[A-Za-z0-9][A-Za-z0-9._-]{0,62}", fullmatch=True) | st.sampled_from(
    ["no", "on", "null", "true", "1e3", "0x1f", "1", "y", "1_0", "2024-01-01", "1.5", "NaN", "0.0.0.0.0"]
)
OWNERS = st.none() | st.builds("{}/{}".format, st.sampled_from(["network", "instance", "chain"]), NAMES)
V4 = st.integers(0x0A000000, 0x0AFFFFFE).map(lambda n: str(ip_network(n).network_address))
V6 = st.integers(0x20010DB8 << 96, (0x20010DB9 << 96) - 1).map(lambda n: str(ip_network(n).network_address))
ADDRESSES = V4 | V6
MACS = st.integers(1, (1 << 40) - 1).map(lambda n: format_mac(2 << 40 | n))


@st.composite
def cidrs(draw, classes=(IPv4Network, IPv6Network)):
    cls = draw(st.sampled_from(classes))
    bits = 32 if cls is IPv4Network else 128
    length = draw(st.integers(0, bits))
    return str(cls((draw(st.integers(0, (1 << bits) - 1)) >> (bits - length) << (bits - length), length)))


PREFIXES = cidrs() | ADDRESSES


def _back(fields):
    return tuple(reversed(fields))


def several(items, least=0):
    return st.lists(items, unique=True, min_size=least, max_size=4).map(tuple)


def unique_by_network(items, key):
    return st.lists(items, unique_by=lambda item: ip_network(key(item)), max_size=3).map(tuple)


@st.composite
def subnets(draw):
    cidr = draw(cidrs())
    network = ip_network(cidr)
    gateway = None
    if network.num_addresses > 4 and not network.is_multicast and draw(st.booleans()):
        base = ip_network("10.0.0.0/24" if network.version == 4 else "2001:db8::/64")
        cidr, gateway = str(base), str(base.network_address + draw(st.integers(1, 254)))
    return Subnet(name=draw(NAMES), owner=draw(OWNERS), network=draw(NAMES), cidr=cidr, gateway=gateway)


@st.composite
def routes(draw):
    family = draw(st.sampled_from([(IPv4Network, V4), (IPv6Network, V6)]))
    return Route(draw(cidrs((family[0],))), draw(family[1]))


@st.composite
def ports(draw):
    port = Port(name=draw(NAMES), owner=draw(OWNERS), node=draw(st.none() | NAMES), mac=draw(st.none() | MACS))
    if draw(st.booleans()):
        return port
    return Port(
        name=port.name,
        owner=port.owner,
        node=port.node,
        mac=port.mac,
        network=draw(NAMES),
        addresses=draw(several(ADDRESSES)),
        security=draw(st.booleans()),
        allowed=draw(unique_by_network(st.builds(AddressPair, PREFIXES, st.none() | MACS), lambda pair: pair.ip)),
        device=draw(st.sampled_from(["", "firewall", 'a "b": c'])),
    )


RANGES = st.tuples(st.integers(0, 65535), st.integers(0, 65535)).map(lambda ends: (min(ends), max(ends)))


@st.composite
def classifiers(draw):
    fields = {
        "name": draw(NAMES),
        "owner": draw(OWNERS),
        "source_port": draw(st.none() | NAMES),
        "destination_port": draw(st.none() | NAMES),
        "network": draw(st.none() | NAMES),
    }
    form = draw(st.sampled_from(["ip", "ported", "other"]))
    if form == "other":
        return Classifier(**fields, ethertype=draw(st.sampled_from(["0x88b5", "0x88CC", "ipv4", "ipv6"])))
    family = draw(st.sampled_from([4, 6]))
    prefixes = st.none() | cidrs((IPv4Network if family == 4 else IPv6Network,))
    fields |= {
        "ethertype": draw(st.sampled_from([None, f"ipv{family}"])),
        "source_prefix": draw(prefixes),
        "destination_prefix": draw(prefixes),
    }
    if form == "ip":
        return Classifier(**fields, protocol=draw(st.sampled_from([None, "icmp", "tcp", "0", "6", "255"])))
    return Classifier(
        **fields,
        protocol=draw(st.sampled_from(["tcp", "udp", "sctp", "17"])),
        source_ports=draw(st.none() | RANGES),
        destination_ports=draw(st.none() | RANGES),
    )


@st.composite
def services(draw):
    hook = draw(st.sampled_from(list(HOOKS.values())))
    fields = [field for field in REWRITES if field not in NOT_REWRITTEN.get(hook.name, ())]
    words = ("drop", "mark", "meter", "queue", "redirect", "copy", "packet_in")
    return Service(
        name=draw(NAMES),
        hook=hook.name,
        attach=draw(several(st.builds("{}/{}".format, st.sampled_from(hook.elements), NAMES))),
        order=draw(st.integers(0, 30_000)),
        permissions=Permissions(
            **{word: draw(st.booleans()) for word in words}, rewrite=draw(several(st.sampled_from(fields)))
        ),
        flows=draw(st.integers(0, MAX_FLOWS)),
        packet_ins=draw(st.integers(0, MAX_PACKET_INS)),
        copies=draw(st.integers(0, MAX_COPIES)),
    )


@st.composite
def mappings(draw):
    """How a group's instances rewrite headers; all prefixes are of one family."""
    prefixes = draw(st.sampled_from([("10.0.0.0/24", "10.9.0.1"), ("2001:db8::/64", "2001:db8:1::1/128")]))

    def side():
        return NTuple(
            source_prefix=draw(st.sampled_from([None, *prefixes])),
            destination_prefix=draw(st.sampled_from([None, *prefixes])),
            source_ports=draw(st.none() | RANGES),
            destination_ports=draw(st.none() | RANGES),
            protocol=draw(st.sampled_from([None, "tcp", "17"])),
        )

    return Maps(side(), side())


_OBJECT = st.one_of(
    services(),
    st.builds(Node, name=NAMES, address=ADDRESSES, encapsulations=several(NAMES)),
    st.builds(Node, name=NAMES, address=ADDRESSES),
    st.builds(Network, name=NAMES, owner=OWNERS),
    subnets(),
    st.builds(
        Router,
        name=NAMES,
        subnets=several(NAMES),
        routes=unique_by_network(routes(), lambda route: route.destination),
    ),
    ports(),
    st.builds(
        Instance,
        name=NAMES,
        owner=OWNERS,
        ingress=NAMES,
        egress=NAMES,
        aware=st.none() | NAMES,
        mode=st.sampled_from(["bridge", "route"]),
        rewrites=st.booleans(),
        weight=st.integers(0, 255),
    ),
    st.builds(
        Group,
        name=NAMES,
        owner=OWNERS,
        instances=several(NAMES),
        hash=st.sampled_from([(), *HASHES, *map(_back, HASHES)]),
        maps=st.none() | mappings(),
    ),
    st.builds(Group, name=NAMES, owner=OWNERS, instances=NAMES.map(lambda name: (name,)), tap=st.booleans()),
    classifiers(),
    st.builds(
        Chain,
        name=NAMES,
        classifiers=several(NAMES, 1),
        groups=several(NAMES, 1),
        symmetric=st.booleans(),
        encapsulation=NAMES,
        precedence=st.integers(0, 30_000),
    ),
    st.builds(
        Graph,
        name=NAMES,
        branches=st.lists(
            st.builds(Branch, NAMES, several(NAMES, 1)), unique_by=lambda branch: branch.chain, max_size=3
        ).map(tuple),
        exclusive=st.booleans(),
    ),
)
WORDS = st.fixed_dictionaries({}, optional={"label": LABELS, "project": LABELS, "description": LABELS})
OBJECT = st.builds(lambda thing, words: msgspec.structs.replace(thing, **words), _OBJECT, WORDS)


def _keyed(things):
    """By (kind, name), without what only objects of one text can have wrong among them."""
    objects = {(type(thing).__name__.lower(), thing.name): thing for thing in things}
    addresses = set()
    for ref, thing in list(objects.items()):
        if isinstance(thing, Node) and thing.address in addresses:
            del objects[ref]
        elif isinstance(thing, Node):
            addresses.add(thing.address)
    for ref, thing in list(objects.items()):
        if isinstance(thing, Router) and any(
            (there := objects.get(("subnet", name))) is not None and there.gateway is None for name in thing.subnets
        ):
            del objects[ref]
    return objects


OBJECTS = st.lists(OBJECT, max_size=8).map(_keyed)
