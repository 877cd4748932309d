"""The relations of the server's graph, by name."""

from __future__ import annotations

import msgspec

from segue.engine import Context, Relation
from segue.engine import Graph as Engine
from segue.model.encapsulation import Encapsulations
from segue.model.intent import (
    Chain,
    Classifier,
    Graph,
    Group,
    Instance,
    Network,
    Node,
    Port,
    Ref,
    Router,
    Service,
    Subnet,
)
from segue.model.path import Entry, Headers, Path, Target
from segue.model.view import Record, Turn
from segue.packet.addresses import Prefix


class Problem(msgspec.Struct, frozen=True, order=True):
    """Why an intent cannot be. ``field`` is the object's field at fault, as the intent spells it, or empty."""

    kind: str
    name: str
    field: str
    message: str

    def __str__(self) -> str:
        where = f" ({self.field})" if self.field else ""
        return f"{self.kind} {self.name}{where}: {self.message}"


class PortInfo(msgspec.Struct, frozen=True):
    """A port in integers. ``node`` is empty while nobody knows where it is; ``network`` is 0 without one.

    ``single``: all it may send carries its one MAC.
    """

    name: str
    key: int
    network: int
    network_name: str
    node: str
    mac: int
    addresses: tuple[tuple[int, int], ...]
    single: bool


class Use(msgspec.Struct, frozen=True, order=True):
    """A step of a path that visits an instance which routes: what comes back must be told apart by its headers.
    ``known``: they are what is to be seen behind it, even if it rewrites them."""

    chain: str
    direction: str
    network: int
    network_name: str
    ethertype: int
    step: int
    egress: int
    headers: tuple[Headers, ...]
    known: bool = False


class Origin(msgspec.Struct, frozen=True):
    """Where packets of a chain start: the network's name and key; ``port`` is None where any of its ports may send
    them."""

    name: str
    network: int
    ethertype: int
    port: PortInfo | None


class Attached(msgspec.Struct, frozen=True, order=True, cache_hash=True):
    """An element that a service is attached to. ``kind``: ``port`` or ``router``; a network is here as its ports.
    ``mac``: of a router that of its leg in the first of its networks by name, 0 without any. ``node`` is empty while
    nobody knows it, and for routers, which are on all. ``network``: the key of a port's network, 0 without one."""

    kind: str
    name: str
    key: int
    mac: int
    node: str
    network: int = 0


class ServiceInfo(msgspec.Struct, frozen=True, cache_hash=True):
    """A service as it is now. ``elements`` are in the order of kinds and names."""

    declared: Service
    key: int
    elements: tuple[Attached, ...]

    @property
    def name(self) -> str:
        return self.declared.name

    @property
    def hook(self) -> str:
        return self.declared.hook


Element = tuple[str, str]
"""(``port``, ``network`` or ``router``, name)."""


class Wiring:
    """Inputs first; then what families derive, in the order in which they run."""

    def __init__(self, graph: Engine, encapsulations: Encapsulations) -> None:
        self.encapsulations = encapsulations
        self.node: Relation[str, Node] = graph.input("node")
        self.network: Relation[str, Network] = graph.input("network")
        self.subnet: Relation[str, Subnet] = graph.input("subnet")
        self.router: Relation[str, Router] = graph.input("router")
        self.port: Relation[str, Port] = graph.input("port")
        self.instance: Relation[str, Instance] = graph.input("instance")
        self.group: Relation[str, Group] = graph.input("group")
        self.classifier: Relation[str, Classifier] = graph.input("classifier")
        self.chain: Relation[str, Chain] = graph.input("chain")
        self.graph: Relation[str, Graph] = graph.input("graph")
        self.service: Relation[str, Service] = graph.input("service")
        self.id: Relation[Ref, int] = graph.input("id")
        """The numeric identity of nodes, networks, routers, ports and services."""
        self.location: Relation[str, str] = graph.input("location")
        """By port name: the node whose switch has its interface, as its agent reports."""
        self.path: Relation[int, Path] = graph.input("path")
        """Paths with identities: those being prepared, active, and draining."""
        self.live: Relation[int, tuple[Entry, ...]] = graph.input("live")
        """By path id: the packets that enter it now."""

        self.problem: Relation[Problem, bool] = graph.relation("problem", watched=True)
        self.every_network: Relation[str, str] = graph.relation("every network")
        """Under "all": every network's name."""
        self.every_node: Relation[str, str] = graph.relation("every node")
        self.node_address: Relation[tuple[int, int], str] = graph.relation("node address")
        """By underlay address: the nodes that have it."""
        self.subnet_of: Relation[str, str] = graph.relation("subnet of")
        """By network name: its subnets' names."""
        self.prefix: Relation[str, Prefix] = graph.relation("prefix")
        """By subnet name."""
        self.router_of: Relation[str, str] = graph.relation("router of")
        """By network name: the routers attached to it."""
        self.presence: Relation[str, str] = graph.relation("presence")
        """By network name: nodes where it has ports."""
        self.address: Relation[tuple[str, int, int], Ref] = graph.relation("address")
        """By (network name, family, address): who has it."""
        self.mac: Relation[tuple[str, int], str] = graph.relation("mac")
        """By (network name, MAC): the ports that have it."""
        self.port_info: Relation[str, PortInfo] = graph.relation("port info")
        self.graph_of: Relation[str, str] = graph.relation("graph of")
        """By chain name: the graphs that name it."""
        self.behind: Relation[str, str] = graph.relation("behind")
        """By chain name: the chains whose packets it may take next."""
        self.inner: Relation[str, str] = graph.relation("inner")
        """By chain name: the graphs for which it takes packets behind other chains alone."""
        self.onward: Relation[str, str] = graph.relation("onward")
        """By chain name: the chains that may take its packets next."""
        self.origin: Relation[str, Origin] = graph.relation("origin")
        """By name of a chain that others follow: where the packets start that go through it."""
        self.use: Relation[str, Use] = graph.relation("use")
        """By instance name."""
        self.target: Relation[str, Target] = graph.relation("target", watched=True)
        """By chain name: what it asks for."""
        self.led: Relation[int, int] = graph.relation("led")
        """By path id: the paths whose packets may go on along it."""
        self.ends: Relation[str, str] = graph.relation("ends")
        """By network name: nodes where paths of that network end."""
        self.relevant: Relation[str, str] = graph.relation("relevant")
        """By network name: nodes that must know its ports."""
        self.attached: Relation[Element, tuple[str, Turn, str]] = graph.relation("attached")
        """By element as declared: the turns of the services attached to it, each with its hook and project."""
        self.member: Relation[str, tuple[Attached, tuple[str, ...]]] = graph.relation("member")
        """By service name: its elements, each with the names of the networks that it is in."""
        self.service_info: Relation[str, ServiceInfo] = graph.relation("service info", watched=True)
        self.view: Relation[tuple[str, str], Record] = graph.relation("view", watched=True)
        """By (node name, record key): what the node is told."""


def complain(ctx: Context, wiring: Wiring, ref: Ref, field: str, message: str) -> None:
    ctx.emit(wiring.problem, Problem(ref[0], ref[1], field, message), True)
