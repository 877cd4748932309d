"""What a lab is made of, as data.

A *node* is a machine that forwards: a namespace with an Open vSwitch of its own. A *host* is a namespace
with one veth per port to its node's bridge; a function instance is a host too, usually with ports that
carry no address (a bump in the wire). The intent's parser makes these structures; ``check`` says what is
wrong with one before anything is touched.
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Iterable

from msgspec import Struct

from segue.lab.errors import LabError

LAB_NAME = re.compile(r"[a-z0-9][a-z0-9_]{0,23}\Z")
"""No dash: it ends the lab's name in a namespace's name, so that no lab's names begin another's."""
MEMBER_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,39}\Z")
INTERFACE_NAME = re.compile(r"[A-Za-z0-9_.-]{1,15}\Z")
PORT_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.:-]{0,63}\Z")
MAC = re.compile(r"[0-9a-fA-F]{2}(:[0-9a-fA-F]{2}){5}\Z")
ENCAPSULATION_ROOM = 100
"""Bytes: the longest encapsulation at a function, NSH over Ethernet with an Ethernet frame inside, takes 38."""
RESERVED = frozenset({"ul", "log", "proc", "run"})
"""The underlay's namespace, and the state directory's own entries."""


class LabNode(Struct, frozen=True, forbid_unknown_fields=True):
    """``address``: the node's address in the underlay, IPv4 with ``/24`` or IPv6 with ``/64`` unless it says otherwise.
    ``key``: the node's numeric identity, 1 to 2**48 - 1; ``br-int`` takes it as its datapath id. 0: none.
    ``also``: further addresses in the underlay, as a node that speaks both families has one of each."""

    name: str
    address: str
    key: int = 0
    also: tuple[str, ...] = ()


class LabPort(Struct, frozen=True, forbid_unknown_fields=True):
    """``name`` is the logical port (``external_ids:iface-id``); ``interface`` its name inside the host.
    ``addresses`` are CIDR, IPv4 or IPv6; each gateway becomes a default route through this interface.
    ``mtu`` in bytes; 0: the edge's, and with no addresses (a raw function's port) ENCAPSULATION_ROOM more,
    for there a full packet comes with its chain's header."""

    name: str
    mac: str
    addresses: tuple[str, ...] = ()
    gateways: tuple[str, ...] = ()
    interface: str = "eth0"
    mtu: int = 0


class LabHost(Struct, frozen=True, forbid_unknown_fields=True):
    """``run``: shell commands kept running in the background; ``forward``: route IPv4 and IPv6 packets."""

    name: str
    node: str
    ports: tuple[LabPort, ...] = ()
    run: tuple[str, ...] = ()
    env: dict[str, str] = {}
    forward: bool = False


class LabSpec(Struct, frozen=True, forbid_unknown_fields=True):
    """The MTUs are in bytes, without the Ethernet header. ``directory``: where the hosts' commands start; empty: where
    the caller is."""

    name: str
    nodes: tuple[LabNode, ...]
    hosts: tuple[LabHost, ...] = ()
    edge_mtu: int = 1500
    underlay_mtu: int = 9000
    directory: str = ""


UnderlayInterface = ipaddress.IPv4Interface | ipaddress.IPv6Interface
UNDERLAY_LENGTH = {4: 24, 6: 64}


def underlay_interface(address: str) -> UnderlayInterface:
    """Raises ValueError."""
    if "/" in address:
        return ipaddress.ip_interface(address)
    return ipaddress.ip_interface(f"{address}/{UNDERLAY_LENGTH[ipaddress.ip_address(address).version]}")


def underlay_interfaces(node: LabNode) -> tuple[UnderlayInterface, ...]:
    """All that the node has. Raises ValueError."""
    return tuple(underlay_interface(address) for address in (node.address, *node.also))


def has_family(port: LabPort, version: int) -> bool:
    return any(ipaddress.ip_interface(a).version == version for a in port.addresses)


def port_mtu(spec: LabSpec, port: LabPort) -> int:
    return port.mtu or spec.edge_mtu + (0 if port.addresses else ENCAPSULATION_ROOM)


def check(spec: LabSpec) -> None:
    """Raises LabError that lists everything wrong with ``spec``."""
    problems = list(_problems(spec))
    if problems:
        raise LabError(f"lab {spec.name!r} cannot be made: " + "; ".join(problems))


def check_lab_name(name: str) -> None:
    if not LAB_NAME.match(name):
        raise LabError(f"lab name {name!r}: use at most 24 lower-case letters, digits and underscores, no dash")


def _problems(spec: LabSpec) -> Iterable[str]:
    check_lab_name(spec.name)
    for mtu, what in ((spec.edge_mtu, "edge_mtu"), (spec.underlay_mtu, "underlay_mtu")):
        if not _mtu(mtu):
            yield f"{what} {mtu} is outside 576 to 65000"
    if not spec.nodes:
        yield "it has no nodes"
    members = [n.name for n in spec.nodes] + [h.name for h in spec.hosts]
    for name in members:
        if not MEMBER_NAME.match(name):
            yield f"name {name!r}: use at most 40 letters, digits, dots, dashes and underscores"
        elif name in RESERVED:
            yield f"name {name!r} is reserved"
    yield from (f"name {n!r} is used twice among nodes and hosts" for n in _repeated(members))
    yield from _node_problems(spec)
    yield from (f"port name {n!r} is used twice" for n in _repeated([p.name for h in spec.hosts for p in h.ports]))
    nodes = {n.name for n in spec.nodes}
    for host in spec.hosts:
        if host.node not in nodes:
            yield f"host {host.name!r} is on node {host.node!r}, which is not there"
        for name in _repeated([p.interface for p in host.ports]):
            yield f"host {host.name!r} has two interfaces named {name!r}"
        for port in host.ports:
            yield from (f"host {host.name!r}: {p}" for p in _port_problems(port))


def _node_problems(spec: LabSpec) -> Iterable[str]:
    addresses: list[UnderlayInterface] = []
    for node in spec.nodes:
        try:
            addresses.extend(underlay_interfaces(node))
        except ValueError as error:
            yield f"node {node.name!r}: {error}"
        if not 0 <= node.key < 1 << 48:
            yield f"node {node.name!r}: key {node.key} does not fit in 48 bits"
    yield from (f"underlay address {a} is used twice" for a in _repeated([str(a.ip) for a in addresses]))
    for version in UNDERLAY_LENGTH:
        if len({a.network for a in addresses if a.version == version}) > 1:
            yield f"the nodes' IPv{version} underlay addresses are not in one network"
    yield from (f"key {k} is used twice" for k in _repeated([str(n.key) for n in spec.nodes if n.key]))


def _port_problems(port: LabPort) -> Iterable[str]:
    if not PORT_NAME.match(port.name):
        yield f"port name {port.name!r}: use at most 64 letters, digits, dots, colons, dashes, underscores"
    if not INTERFACE_NAME.match(port.interface) or port.interface in {"lo", ".", "..", "all", "default"}:
        yield f"interface {port.interface!r}: use 1 to 15 letters, digits, dots, dashes and underscores"
    if not MAC.match(port.mac) or int(port.mac[:2], 16) & 1 or not int(port.mac.replace(":", ""), 16):
        yield f"port {port.name!r}: {port.mac!r} is not a unicast MAC address"
    if port.mtu and not _mtu(port.mtu):
        yield f"port {port.name!r}: mtu {port.mtu} is outside 576 to 65000"
    versions = set()
    for address in port.addresses:
        try:
            versions.add(ipaddress.ip_interface(address).version)
        except ValueError as error:
            yield f"port {port.name!r}: {error}"
    for gateway in port.gateways:
        try:
            if ipaddress.ip_address(gateway).version not in versions:
                yield f"port {port.name!r}: gateway {gateway} has no address of its family beside it"
        except ValueError as error:
            yield f"port {port.name!r}: {error}"


def _mtu(value: int) -> bool:
    return 576 <= value <= 65000


def _repeated(names: list[str]) -> list[str]:
    return sorted({n for n in names if names.count(n) > 1})
