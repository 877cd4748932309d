"""Every field of every kind: its type, what it means, an example. Parser, schema and hints all come from here.

``FIELDS`` holds the long forms and names the fields of the structs in model/intent.py, no more and no fewer (a test
holds that); what is required and what the defaults are is read from the structs. ``SHORT`` holds the fields that
exist in short forms only; shorts.py turns them into long ones.
"""

from __future__ import annotations

from ipaddress import ip_address, ip_network
from typing import Any

import msgspec

from segue.intent import values as v
from segue.intent.values import Schema, Type
from segue.model import spread
from segue.model.hooks import HOOKS
from segue.model.intent import (
    KINDS,
    REWRITES,
    AddressPair,
    Branch,
    Maps,
    NTuple,
    Permissions,
    Route,
)
from segue.model.limits import MAX_COPIES, MAX_FLOWS, MAX_ORDER, MAX_PACKET_INS, MAX_PRECEDENCE
from segue.model.path import MAX_STEPS


class Field(msgspec.Struct, frozen=True):
    """``example`` is a raw value that ``type`` accepts."""

    type: Type
    about: str
    example: Any


class Short(msgspec.Struct, frozen=True):
    """A field of a short form. shorts.py reads it; here is what there is to know about it."""

    schema: Schema
    about: str
    example: Any


def _pair_key(pair: AddressPair) -> Any:
    return ip_network(pair.ip), pair.mac and pair.mac.lower()


_ROUTE = v.record(Route, {"destination": v.PREFIX, "via": v.ADDRESS})
_PAIR = v.record(AddressPair, {"ip": v.PREFIX, "mac": v.optional(v.MAC)}, short="ip")
_OPTIONAL_NAME = v.optional(v.NAME)
_NAMES = v.listing(v.NAME)
_SOME_NAMES = v.listing(v.NAME, least=1)

_BRANCH = v.record(Branch, {"chain": v.NAME, "into": _SOME_NAMES})

_N_TUPLE = v.record(
    NTuple,
    {
        "source_prefix": v.PREFIX,
        "destination_prefix": v.PREFIX,
        "source_ports": v.PORTS,
        "destination_ports": v.PORTS,
        "protocol": v.PROTOCOL,
    },
)
_MAPS = v.record(Maps, {"ingress": _N_TUPLE, "egress": _N_TUPLE})

_PERMISSIONS = v.record(
    Permissions,
    {
        **dict.fromkeys(("drop", "mark", "meter", "queue", "redirect", "copy", "packet_in"), v.FLAG),
        "rewrite": v.listing(v.choice(*REWRITES, instead={"ip_dscp": "the DSCP is permission mark; write mark: true"})),
    },
    form="{drop: true, mark: true, rewrite: [ipv4_dst]}",
)

_END: Schema = {"anyOf": [v.NAME.schema, v.PREFIX.schema]}
_MATCH: Schema = {"anyOf": [v.NAME.schema, {"$ref": "#/$defs/classifier"}]}

ARMS = v.integer(1, 2)

OWNER = Field(
    v.optional(v.OWNER),
    "The object inside which this one was declared; it is replaced and deleted with it. Written by Segue, "
    "rarely by people.",
    "chain/loud",
)

COMMON: dict[str, Field] = {
    "owner": OWNER,
    "label": Field(v.LABEL, "What people call it; need not be unique.", "Web servers"),
    "project": Field(v.LABEL, "Whose it is: the project that sees and uses it in the networking-sfc API.", "shop"),
    "description": Field(v.LABEL, "Anything that there is to say about it.", "The shop's front end"),
}
"""The fields of every kind."""

FIELDS: dict[str, dict[str, Field]] = {
    "node": {
        "address": Field(
            v.NODE_ADDRESS, "Its tunnel end point: the IP address that other nodes reach it at.", "192.0.2.1"
        ),
        "encapsulations": Field(_NAMES, "How it can write a path on packets.", ["nsh", "mpls"]),
    },
    "network": {},
    "subnet": {
        "network": Field(v.NAME, "The network that the prefix belongs to.", "web"),
        "cidr": Field(v.CIDR, "The prefix, with no bits set behind its length.", "10.0.0.0/24"),
        "gateway": Field(
            v.optional(v.ADDRESS), "The router's address in the subnet; needed when a router connects it.", "10.0.0.1"
        ),
    },
    "router": {
        "subnets": Field(_NAMES, "The subnets that it connects.", ["web", "db"]),
        "routes": Field(
            v.listing(_ROUTE, key=lambda route: ip_network(route.destination)),
            "Static routes: packets to `destination` go to `via`, an address in one of its subnets.",
            [{"destination": "198.51.100.0/24", "via": "10.0.0.9"}],
        ),
    },
    "port": {
        "network": Field(_OPTIONAL_NAME, "Its network. Without one it carries chain traffic alone.", "web"),
        "node": Field(_OPTIONAL_NAME, "The node that it is on; not said while nobody knows.", "n1"),
        "mac": Field(v.optional(v.MAC), "Its MAC address; derived from its name when not said.", "02:00:00:00:00:0a"),
        "addresses": Field(
            v.listing(v.ADDRESS, key=ip_address),
            "Its IP addresses, without prefix lengths.",
            ["10.0.0.10", "2001:db8::10"],
        ),
        "security": Field(v.FLAG, "Whether it may send from its own addresses only.", True),
        "allowed": Field(
            v.listing(_PAIR, key=_pair_key),
            "Further sources that it may use: a prefix, or `{ip, mac}` where the MAC differs from the port's.",
            [{"ip": "10.0.0.128/25"}],
        ),
        "device": Field(
            v.LABEL,
            "What it is a port of, such as a virtual machine: its `device_id` in the networking-sfc API.",
            "firewall",
        ),
    },
    "instance": {
        "ingress": Field(v.NAME, "The port that traffic goes in at.", "fw-in"),
        "egress": Field(v.NAME, "The port that traffic comes out of.", "fw-out"),
        "aware": Field(
            _OPTIONAL_NAME,
            "The encapsulation that the function reads and writes itself; proxied when not said.",
            "nsh",
        ),
        "mode": Field(
            v.choice("bridge", "route"),
            "`bridge`: frames keep their MAC addresses inside. `route`: an IP host that is sent packets by MAC "
            "address and forwards them with its own.",
            "bridge",
        ),
        "rewrites": Field(v.FLAG, "Whether it may change IP addresses, protocol or ports (NAT, a proxy).", False),
        "weight": Field(v.integer(0, 255), "Its share of its groups' flows; 0 takes none.", 1),
    },
    "group": {
        "instances": Field(_NAMES, "Interchangeable instances for one step.", ["fw1", "fw2"]),
        "tap": Field(
            v.FLAG,
            "Whether its one instance gets a copy of each packet, while the packet itself goes on; what the instance "
            "sends is not on the path.",
            False,
        ),
        "hash": Field(
            v.listing(v.choice(*spread.FIELDS)),
            "The header fields that choose the instance; addresses, protocol and ports when not said.",
            ["ip_src"],
        ),
        "maps": Field(
            v.optional(_MAPS),
            "How its instances rewrite headers: what packets look like at `ingress`, going in, and at `egress`, "
            "coming out.",
            {"ingress": {"source_prefix": "10.0.0.0/24"}, "egress": {"source_prefix": "10.9.0.1"}},
        ),
    },
    "classifier": {
        "source_port": Field(_OPTIONAL_NAME, "The port that packets come from.", "client"),
        "destination_port": Field(_OPTIONAL_NAME, "The port that packets go to.", "server"),
        "network": Field(_OPTIONAL_NAME, "The network that packets start in; needed where no port says it.", "web"),
        "ethertype": Field(
            v.optional(v.ETHERTYPE),
            "`ipv4`, `ipv6` or a number such as 0x88b5; both IPv4 and IPv6 when not said.",
            "ipv4",
        ),
        "protocol": Field(v.optional(v.PROTOCOL), "`tcp`, `udp`, `sctp`, `icmp` (ICMPv6 in IPv6) or a number.", "tcp"),
        "source_prefix": Field(v.optional(v.PREFIX), "Where packets come from, an address or prefix.", "10.0.0.0/24"),
        "destination_prefix": Field(v.optional(v.PREFIX), "Where packets go, an address or prefix.", "10.0.1.0/24"),
        "source_ports": Field(
            v.optional(v.PORTS),
            "Transport ports that packets come from, lowest and highest; needs a protocol.",
            [1024, 65535],
        ),
        "destination_ports": Field(
            v.optional(v.PORTS), "Transport ports that packets go to, lowest and highest; needs a protocol.", [80, 90]
        ),
    },
    "chain": {
        "classifiers": Field(_SOME_NAMES, "Which packets: the names of classifiers.", ["web-traffic"]),
        "groups": Field(
            v.listing(v.NAME, least=1, most=MAX_STEPS),
            f"The groups that packets go through, in order, at most {MAX_STEPS}. An instance's name stands for a "
            "group of that one.",
            ["firewalls", "ids"],
        ),
        "symmetric": Field(v.FLAG, "Whether answers go back through the same instances in reverse.", False),
        "encapsulation": Field(v.NAME, "How the path is written on packets.", "nsh"),
        "precedence": Field(
            v.integer(0, MAX_PRECEDENCE), "Where two chains match a packet, the higher one takes it.", 100
        ),
    },
    "graph": {
        "branches": Field(
            v.listing(_BRANCH, key=lambda branch: branch.chain),
            "Behind each chain that others follow: the chains that take its packets next, where they match them.",
            [{"chain": "first", "into": ["second", "third"]}],
        ),
        "exclusive": Field(
            v.FLAG, "Whether chains that follow others take packets behind those alone, and none that come in.", False
        ),
    },
    "service": {
        "hook": Field(
            v.choice(*HOOKS),
            f"Where in the pipeline it meets packets: {', '.join(f'`{name}`' for name in HOOKS)}.",
            "ingress",
        ),
        "attach": Field(
            v.listing(v.ELEMENT),
            "Whose packets it meets: `port/NAME`, `network/NAME` (all ports in it) and, but at `ingress` and `egress`, "
            "`router/NAME`.",
            ["port/vm1", "network/office"],
        ),
        "order": Field(
            v.integer(0, MAX_ORDER), "The services of a hook run from low to high, equal ones by name.", 100
        ),
        "permissions": Field(
            _PERMISSIONS,
            "What its rules may do to packets besides letting them go on.",
            {"drop": True, "mark": True, "rewrite": ["ipv4_dst"]},
        ),
        "flows": Field(v.integer(0, MAX_FLOWS), "How many flows it may have.", 1000),
        "packet_ins": Field(
            v.integer(0, MAX_PACKET_INS), "How many packets a second each node sends to its controller.", 100
        ),
        "copies": Field(
            v.integer(0, MAX_COPIES), "How many copies of packets a second each node makes for it; 0: none.", 10000
        ),
    },
}
for _fields in FIELDS.values():
    _fields.update(COMMON)

SHORT: dict[str, dict[str, Short]] = {
    "node": {},
    "network": {
        "subnets": Short(
            {"type": "array", "items": {"$ref": "#/$defs/subnet-in-network"}},
            "Subnets to make in it: prefixes, or `{cidr, gateway}`.",
            ["10.0.0.0/24", "2001:db8::/64"],
        ),
        "cidr": Short(v.CIDR.schema, "The one subnet to make in it.", "10.0.0.0/24"),
        "gateway": Short(
            v.ADDRESS.schema, "The router's address, in whichever of these subnets contains it.", "10.0.0.1"
        ),
    },
    "subnet": {},
    "router": {},
    "port": {
        "address": Short(v.ADDRESS.schema, "Its one IP address, without prefix length.", "10.0.0.10"),
    },
    "instance": {
        "port": Short(v.NAME.schema, "The one port that traffic goes in at and comes out of.", "cache"),
        "node": Short(
            v.NAME.schema, "The node to make ports on: `NAME-in` and `NAME-out`, or `NAME` with `arms: 1`.", "n2"
        ),
        "arms": Short(ARMS.schema, "How many ports to make on the node; 2 when not said.", 1),
    },
    "group": {},
    "classifier": {
        "from": Short(_END, "Where packets come from: a port's name, or an IP address or prefix.", "client"),
        "to": Short(_END, "Where packets go: a port's name, or an IP address or prefix.", "10.0.1.0/24"),
    },
    "chain": {
        "match": Short(
            {"anyOf": [_MATCH, {"type": "array", "items": _MATCH, "minItems": 1}]},
            "Which packets: a classifier written here or its name, or a list of these.",
            {"from": "client"},
        ),
        "through": Short(
            {
                "type": "array",
                "items": {"anyOf": [v.NAME.schema, _SOME_NAMES.schema, {"$ref": "#/$defs/group"}]},
                "minItems": 1,
                "maxItems": MAX_STEPS,
            },
            f"What they go through, in order, at most {MAX_STEPS} steps: groups, instances, lists of instances, or "
            "groups written here.",
            ["firewall", ["ids1", "ids2"]],
        ),
    },
    "graph": {
        "branch": Short(
            {
                "type": "object",
                "propertyNames": {"pattern": v.NAME_PATTERN},
                "additionalProperties": _SOME_NAMES.schema,
            },
            "By chain: the chains that take its packets next.",
            {"first": ["second", "third"]},
        ),
    },
    "service": {},
}

ALIASES: dict[tuple[str, str], tuple[str, ...]] = {
    ("port", "addresses"): ("address",),
    ("instance", "ingress"): ("port", "node"),
    ("instance", "egress"): ("port", "node"),
    ("classifier", "source_port"): ("from",),
    ("classifier", "source_prefix"): ("from",),
    ("classifier", "destination_port"): ("to",),
    ("classifier", "destination_prefix"): ("to",),
    ("chain", "classifiers"): ("match",),
    ("chain", "groups"): ("through",),
    ("graph", "branches"): ("branch",),
}
"""Under which short fields a long one may have been written."""

REQUIRED: dict[str, tuple[str, ...]] = {
    kind: tuple(f.name for f in msgspec.structs.fields(cls) if f.required and f.name != "name")
    for kind, cls in KINDS.items()
}

MISSING: dict[tuple[str, str], tuple[str, str]] = {
    ("node", "address"): ("has no address", "write address: 192.0.2.1"),
    ("subnet", "network"): ("has no network", "write network: NAME"),
    ("subnet", "cidr"): ("has no cidr", "write cidr: 10.0.0.0/24"),
    ("router", "subnets"): ("has no subnets", "write subnets: [NAME, NAME]"),
    ("instance", "ingress"): ("has no ingress", "write port: NAME, or node: NAME to have its ports made"),
    ("instance", "egress"): ("has no egress", "write egress: NAME, or port: NAME for both directions"),
    ("group", "instances"): ("has no instances", "write instances: [NAME]"),
    ("chain", "classifiers"): ("has no classifier", "write match: {from: PORT}"),
    ("chain", "groups"): ("has no steps", "write through: [NAME]"),
    ("service", "hook"): ("has no hook", f"write hook: {' or '.join(HOOKS)}"),
}
