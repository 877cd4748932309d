"""What people declare: the objects of an intent, by kind.

These are the logical elements and the chain vocabulary of RFC 7665 and networking-sfc (port pair = instance, port
pair group = group). Names are unique within a kind; references are by name. Addresses stay text here, as people
wrote them and will read them again; everything below holds integers.
"""

from __future__ import annotations

import unicodedata

import msgspec

from segue.model.limits import (
    DEFAULT_COPIES,
    DEFAULT_ENCAPSULATION,
    DEFAULT_FLOWS,
    DEFAULT_ORDER,
    DEFAULT_PACKET_INS,
    DEFAULT_PRECEDENCE,
    NODE_ENCAPSULATIONS,
)


class Object(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Anything that has a name.

    ``owner`` is set on what was declared inside another object (a chain's inline classifier): ``chain/loud``. It is
    replaced and deleted with its owner.
    ``label`` is what people call it, and need not be unique; ``project`` is whose it is; ``description`` is free text.
    None of the three changes what the network does.
    """

    name: str
    owner: str | None = None
    label: str = ""
    project: str = ""
    description: str = ""


class Node(Object, frozen=True, kw_only=True, omit_defaults=True):
    """A machine that forwards (an SFF, RFC 7665 section 4.3). ``address`` is its tunnel end point."""

    address: str
    encapsulations: tuple[str, ...] = NODE_ENCAPSULATIONS


class Network(Object, frozen=True, kw_only=True, omit_defaults=True):
    """A broadcast domain over all nodes."""


class Subnet(Object, frozen=True, kw_only=True, omit_defaults=True):
    """A prefix of a network. ``gateway`` is the address of the router's interface, where there is one."""

    network: str
    cidr: str
    gateway: str | None = None


class Route(msgspec.Struct, frozen=True, omit_defaults=True):
    """A static route: packets to ``destination`` go to ``via``, an address in one of the router's subnets."""

    destination: str
    via: str


class Router(Object, frozen=True, kw_only=True, omit_defaults=True):
    """Connects subnets; present on every node, with the subnets' gateways as its addresses."""

    subnets: tuple[str, ...]
    routes: tuple[Route, ...] = ()


class AddressPair(msgspec.Struct, frozen=True, omit_defaults=True):
    """A further source that a port may use: an IP prefix, with the port's MAC unless another is given."""

    ip: str
    mac: str | None = None


class Port(Object, frozen=True, kw_only=True, omit_defaults=True):
    """Where something is attached; its interface carries ``external_ids:iface-id`` = the port's name.

    A port without a network carries chain traffic alone (an interface of a function that has no address).
    ``node`` may be None while nobody knows where the port will appear. ``device`` is what it is a port of, as the
    networking-sfc API has it (``device_id``); it changes nothing in the network.
    """

    network: str | None = None
    node: str | None = None
    mac: str | None = None
    addresses: tuple[str, ...] = ()
    security: bool = True
    allowed: tuple[AddressPair, ...] = ()
    device: str = ""


class Instance(Object, frozen=True, kw_only=True, omit_defaults=True):
    """One running service function (a port pair). Traffic goes in at ``ingress`` and comes out at ``egress``.

    ``aware``: the encapsulation that it reads and writes itself; None when it must be proxied.
    ``mode``: ``bridge`` when frames keep their MAC addresses inside (a bump in the wire), ``route`` when the
    function is an IP host that is sent packets by MAC address and forwards them with its own.
    ``rewrites``: it may change IP addresses, protocol or ports (NAT, a proxy).
    ``weight``: its share of its groups' flows; 0 takes none.
    """

    ingress: str
    egress: str
    aware: str | None = None
    mode: str = "bridge"
    rewrites: bool = False
    weight: int = 1


class NTuple(msgspec.Struct, frozen=True, omit_defaults=True):
    """What packets look like on one side of a function, as far as the function has to do with it (an n-tuple)."""

    source_prefix: str | None = None
    destination_prefix: str | None = None
    source_ports: tuple[int, int] | None = None
    destination_ports: tuple[int, int] | None = None
    protocol: str | None = None


class Maps(msgspec.Struct, frozen=True, omit_defaults=True):
    """How functions rewrite headers: packets look like ``ingress`` going in, and like ``egress`` coming out (an n-tuple
    mapping). What neither names stays as it is. Answers have it the other way round."""

    ingress: NTuple = NTuple()
    egress: NTuple = NTuple()


class Group(Object, frozen=True, kw_only=True, omit_defaults=True):
    """Interchangeable instances for one step (a port pair group).

    ``tap``: a copy of each packet goes to the group's one instance, and the packet itself goes on; what the instance
    sends is not on the path. ``hash``: the header fields that choose the instance, as ``model.spread`` has them;
    without any, addresses, protocol and ports do. ``maps``: how the instances rewrite headers.
    """

    instances: tuple[str, ...]
    tap: bool = False
    hash: tuple[str, ...] = ()
    maps: Maps | None = None


class Classifier(Object, frozen=True, kw_only=True, omit_defaults=True):
    """Which packets (a flow classifier). What is not said matches everything; all that is said must match.

    ``ethertype`` is ``ipv4``, ``ipv6``, a number written ``0x88b5``, or None for IPv4 and IPv6.
    ``protocol`` is ``tcp``, ``udp``, ``sctp``, ``icmp`` (ICMPv6 where the packet is IPv6), a number as text, or None.
    Port ranges are inclusive (lowest, highest).
    ``network`` is needed only where no port says in which network the packets start.
    """

    source_port: str | None = None
    destination_port: str | None = None
    network: str | None = None
    ethertype: str | None = None
    protocol: str | None = None
    source_prefix: str | None = None
    destination_prefix: str | None = None
    source_ports: tuple[int, int] | None = None
    destination_ports: tuple[int, int] | None = None


class Chain(Object, frozen=True, kw_only=True, omit_defaults=True):
    """Classifiers and the groups that their packets go through, in order (a port chain).

    ``symmetric``: answers go back through the same instances in reverse.
    ``groups`` may name an instance where a group of that one is meant.
    ``precedence``: where two chains match a packet, the higher one takes it; equal ones may not overlap.
    """

    classifiers: tuple[str, ...]
    groups: tuple[str, ...]
    symmetric: bool = False
    encapsulation: str = DEFAULT_ENCAPSULATION
    precedence: int = DEFAULT_PRECEDENCE


class Branch(msgspec.Struct, frozen=True, omit_defaults=True):
    """Packets that come to the end of ``chain`` go on along that one of ``into`` whose classifiers match them."""

    chain: str
    into: tuple[str, ...]


class Graph(Object, frozen=True, kw_only=True, omit_defaults=True):
    """Chains that branch into chains (a service graph; RFC 7665 section 4.8). No chain leads back to itself, and a
    chain is in one graph at most.

    ``exclusive``: chains that follow others take no packets where these come in (as networking-sfc has it).
    """

    branches: tuple[Branch, ...] = ()
    exclusive: bool = False


SOURCES = ("eth_src", "ipv4_src", "ipv6_src")
DESTINATIONS = ("eth_dst", "ipv4_dst", "ipv6_dst")
REWRITES = (
    "eth_src",
    "eth_dst",
    "ipv4_src",
    "ipv4_dst",
    "ipv6_src",
    "ipv6_dst",
    "tcp_src",
    "tcp_dst",
    "udp_src",
    "udp_dst",
    "sctp_src",
    "sctp_dst",
    "nw_ttl",
    "ip_ecn",
    "vlan",
)
"""What an injected service may be permitted to rewrite. ``vlan``: push, pop and set VLAN tags."""
NOT_REWRITTEN: dict[str, tuple[str, ...]] = {
    "pre-routing": SOURCES,
    "forward": SOURCES + DESTINATIONS,
    "post-routing": SOURCES + DESTINATIONS,
}
"""By hook, fields that nobody may be permitted to rewrite there. Source addresses are proven behind ``ingress``. The
packets that come to an element at ``forward`` and ``post-routing`` are of others, who did not send them elsewhere."""


class Permissions(msgspec.Struct, frozen=True, omit_defaults=True):
    """What the rules of an injected service may do to packets besides letting them go on, which they always may.

    ``mark``: write the DSCP. ``meter``: through meters of its own. ``queue``: choose the queue of the port that the
    packet leaves by. ``redirect``: send packets to its own ports in place of where they go. ``copy``: the same with
    copies. ``packet_in``: have packets sent to its controller. ``rewrite``: header fields, of ``REWRITES``, but for
    those that are ``NOT_REWRITTEN`` at its hook.
    """

    drop: bool = False
    mark: bool = False
    meter: bool = False
    queue: bool = False
    redirect: bool = False
    copy: bool = False
    packet_in: bool = False
    rewrite: tuple[str, ...] = ()


class Service(Object, frozen=True, kw_only=True, omit_defaults=True):
    """An external application with tables of its own in the pipeline (topology service injection).

    ``hook``: one of ``model.hooks``. ``attach``: elements whose traffic it meets, as ``port/NAME``, ``network/NAME`` or
    ``router/NAME``; a network stands for all its ports. ``order``: the services of one hook run from low to high,
    equal ones by name. ``flows``: how many it may have at most; ``packet_ins``: how many packets a second each node
    sends to its controller at most; ``copies``: how many copies a second each node makes for it, 0 for none.
    """

    hook: str
    attach: tuple[str, ...] = ()
    order: int = DEFAULT_ORDER
    permissions: Permissions = Permissions()
    flows: int = DEFAULT_FLOWS
    packet_ins: int = DEFAULT_PACKET_INS
    copies: int = DEFAULT_COPIES


def is_label(text: str) -> bool:
    """Whether ``text`` can be shown on one line as it is: no control, formatting or unassigned characters."""
    return text.isprintable() or all(c.isprintable() or unicodedata.category(c) == "Zs" for c in text)


KINDS: dict[str, type[Object]] = {
    "node": Node,
    "network": Network,
    "subnet": Subnet,
    "router": Router,
    "port": Port,
    "instance": Instance,
    "group": Group,
    "classifier": Classifier,
    "chain": Chain,
    "graph": Graph,
    "service": Service,
}
"""Kinds in the order in which they may refer to one another: later to earlier."""

Ref = tuple[str, str]
"""(kind, name)."""

Objects = dict[Ref, Object]
