"""What a node is told: records, keyed, each about one thing that concerns it.

The server derives records from intents and paths and streams them; an agent compiles them, with what it sees on
its own switch, into its program. A record is self-contained, so that the order of arrival does not matter.
"""

from __future__ import annotations

import msgspec

from segue.model.path import Entry, Path
from segue.model.program import Group, Meter, Rule
from segue.packet.addresses import Prefix


class Record(msgspec.Struct, frozen=True, array_like=True, tag=True):
    """Base of all records."""


class SelfRecord(Record, frozen=True, array_like=True, tag="self"):
    """The node itself."""

    name: str
    key: int
    address: str


class PeerRecord(Record, frozen=True, array_like=True, tag="peer"):
    """Another node's tunnel end point."""

    name: str
    key: int
    address: str


class NetworkRecord(Record, frozen=True, array_like=True, tag="network"):
    """``nodes``: where its ports are. ``prefixes``: of its subnets. ``gateway_mac``: its router's, or 0."""

    name: str
    key: int
    nodes: tuple[str, ...]
    prefixes: tuple[Prefix, ...]
    gateway_mac: int


class PortRecord(Record, frozen=True, array_like=True, tag="port"):
    """A port, here (``node`` is this node's name) or elsewhere. ``allowed``: further (MAC, prefix) sources."""

    name: str
    key: int
    network: int
    node: str
    mac: int
    addresses: tuple[tuple[int, int], ...]
    security: bool
    allowed: tuple[tuple[int, Prefix], ...]


class Interface(msgspec.Struct, frozen=True, array_like=True):
    """A router's leg in a network: (family, address) of each gateway, and the subnets' prefixes."""

    network: int
    mac: int
    addresses: tuple[tuple[int, int], ...]
    prefixes: tuple[Prefix, ...]


class StaticRoute(msgspec.Struct, frozen=True, array_like=True):
    """``network`` and ``mac``: where the next hop is, and its MAC."""

    destination: Prefix
    network: int
    mac: int


class RouterRecord(Record, frozen=True, array_like=True, tag="router"):
    name: str
    key: int
    interfaces: tuple[Interface, ...]
    routes: tuple[StaticRoute, ...]


class PathRecord(Record, frozen=True, array_like=True, tag="path"):
    """A path that this node takes part in. ``behind``: the nodes where packets of other paths go on along this one."""

    path: Path
    behind: tuple[str, ...] = ()


class ClassifyRecord(Record, frozen=True, array_like=True, tag="classify"):
    """Packets that enter a path on this node. ``direction`` is the path's: ``forward`` or ``reverse``."""

    path: int
    chain: str
    direction: str
    entries: tuple[Entry, ...]


class Turn(msgspec.Struct, frozen=True, array_like=True, order=True):
    """One service's turn at a hook. Turns are taken from low ``order`` to high, equal ones by ``name``."""

    order: int
    name: str
    service: int


class HookRecord(Record, frozen=True, array_like=True, tag="hook"):
    """The services that packets of one element meet at a hook. Keyed ``hook/HOOK:KIND:KEY``.

    ``element``: ``port`` or ``router``; ``key``: its number. Sent where such packets may be: for ports at ``ingress``
    and ``egress`` to their own node, for the others to all nodes that know the port.
    """

    hook: str
    element: str
    key: int
    turns: tuple[Turn, ...]


class ServiceRecord(Record, frozen=True, array_like=True, tag="service", cache_hash=True):
    """A service with elements whose packets may be on this node. Keyed ``service/KEY``.

    ``ports``: those that it may send packets to: (key, name, node), the node empty while nobody knows it. ``project``:
    whose it is; empty: the operator's.
    """

    name: str
    key: int
    hook: str
    ports: tuple[tuple[int, str, str], ...]
    project: str = ""


class FlowRecord(Record, frozen=True, array_like=True, tag="flow"):
    """One of a service's own rules, ready for the switch. Keyed ``flow/SERVICE/NUMBER``."""

    rule: Rule


class GroupRecord(Record, frozen=True, array_like=True, tag="group"):
    """One of a service's groups. Keyed ``group/NUMBER``."""

    group: Group


class MeterRecord(Record, frozen=True, array_like=True, tag="meter"):
    """One of a service's meters. Keyed ``meter/NUMBER``."""

    meter: Meter


AnyRecord = (
    SelfRecord
    | PeerRecord
    | NetworkRecord
    | PortRecord
    | RouterRecord
    | PathRecord
    | ClassifyRecord
    | HookRecord
    | ServiceRecord
    | FlowRecord
    | GroupRecord
    | MeterRecord
)


class Binding(msgspec.Struct, frozen=True, array_like=True):
    """Seen on this node's switch: a logical port's interface, or a tunnel, and its OpenFlow port number."""

    name: str
    ofport: int


TUNNEL_PLAIN = "tunnel:vxlan"
TUNNEL_GPE = "tunnel:vxlan-gpe"
"""Binding names of the node's two tunnel ports."""
