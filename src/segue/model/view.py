"""What a node is told: records, keyed, each about one thing that concerns it.

The server derives records from intents and paths and streams them; an agent compiles them, with what it sees on
its own switch, into its program. A record is self-contained, so that the order of arrival does not matter.
"""

from __future__ import annotations

import msgspec

from segue.model.path import Entry, Path
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


AnyRecord = SelfRecord | PeerRecord | NetworkRecord | PortRecord | RouterRecord | PathRecord | ClassifyRecord


class Binding(msgspec.Struct, frozen=True, array_like=True):
    """Seen on this node's switch: a logical port's interface, or a tunnel, and its OpenFlow port number."""

    name: str
    ofport: int


TUNNEL_PLAIN = "tunnel:vxlan"
TUNNEL_GPE = "tunnel:vxlan-gpe"
"""Binding names of the node's two tunnel ports."""
