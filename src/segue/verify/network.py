"""One packet through several nodes: their programs, the tunnels between them, and the functions on the way.

A tunnel carries the packet and its key to the node whose address is ``tun_dst``; registers stay behind. What Open
vSwitch does not send is not sent here either: a packet without an Ethernet header out of an interface or a plain
tunnel, a packet to the tunnel's own end, one with no tunnel destination.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from segue.packet.addresses import format_ip, parse_ip
from segue.verify.fields import ETHERNET, format_value
from segue.verify.interpreter import Program, Sent, Trace, run
from segue.verify.packet import Packet

Function = Callable[[Packet], list[tuple[str, Packet]]]
"""A function instance: from a packet that came to its port, the packets it sends, each with the port to send by."""

MAX_HOPS = 256


@dataclass(frozen=True)
class TunnelEnd:
    """A node's two tunnel ports, by OpenFlow number, and its address between nodes (IPv4 or IPv6, as text)."""

    plain: int
    gpe: int
    address: str


@dataclass(frozen=True)
class Delivery:
    port: str
    packet: Packet


@dataclass(frozen=True)
class Hop:
    """One node's part. ``came_by``: the port's name, or ``tunnel from NODE``. ``lost``: what reached nobody."""

    node: str
    came_by: str
    trace: Trace
    lost: tuple[str, ...] = ()


@dataclass(frozen=True)
class FunctionHop:
    """A function instance's part: what came to ``port``, and what it sent."""

    port: str
    packet: Packet
    sent: tuple[Delivery, ...]


@dataclass(frozen=True)
class Journey:
    """``deliveries``: to ports without a function. ``looped``: whether it was cut short after MAX_HOPS."""

    hops: tuple[Hop | FunctionHop, ...]
    deliveries: tuple[Delivery, ...]
    looped: bool = False


@dataclass(frozen=True)
class _Arrival:
    node: str
    in_port: int
    came_by: str
    packet: Packet
    recirculations: int = 0


class Network:
    """``bindings``: per node, which port name stands behind which OpenFlow port number.

    Raises ValueError for a port name on two nodes or an address of two nodes.
    """

    def __init__(
        self,
        programs: Mapping[str, Program],
        bindings: Mapping[str, Mapping[int, str]],
        tunnels: Mapping[str, TunnelEnd],
        functions: Mapping[str, Function] | None = None,
    ) -> None:
        self._programs = programs
        self._bindings = bindings
        self._tunnels = tunnels
        self._functions = functions or {}
        self._places: dict[str, tuple[str, int]] = {}
        for node, ports in bindings.items():
            for number, name in ports.items():
                if name in self._places:
                    raise ValueError(f"port {name} is bound on {self._places[name][0]} and on {node}")
                self._places[name] = (node, number)
        self._addresses: dict[tuple[int, int], str] = {}
        for node, end in tunnels.items():
            address = parse_ip(end.address)
            if address in self._addresses:
                raise ValueError(f"{self._addresses[address]} and {node} both have address {end.address}")
            self._addresses[address] = node

    def send(self, port: str, packet: Packet) -> Journey:
        """Follow a packet that enters by the interface bound to ``port``. Raises KeyError for an unbound port."""
        hops: list[Hop | FunctionHop] = []
        deliveries: list[Delivery] = []
        waiting = deque([self._from_port(Delivery(port, packet))])
        while waiting:
            if len(hops) >= MAX_HOPS:
                return Journey(tuple(hops), tuple(deliveries), looped=True)
            arrival = waiting.popleft()
            program = self._programs[arrival.node]
            trace = run(program, arrival.packet, arrival.in_port, arrival.recirculations)
            lost: list[str] = []
            out: list[Delivery] = []
            for sent in trace.outputs:
                match self._carry(arrival, sent):
                    case str() as reason:
                        lost.append(reason)
                    case Delivery() as delivery:
                        out.append(delivery)
                    case _Arrival() as onward:
                        waiting.append(onward)
            hops.append(Hop(arrival.node, arrival.came_by, trace, tuple(lost)))
            for delivery in out:
                function = self._functions.get(delivery.port)
                if function is None:
                    deliveries.append(delivery)
                    continue
                answers = tuple(Delivery(name, back) for name, back in function(delivery.packet))
                hops.append(FunctionHop(delivery.port, delivery.packet, answers))
                waiting.extend(map(self._from_port, answers))
        return Journey(tuple(hops), tuple(deliveries))

    def _from_port(self, sent: Delivery) -> _Arrival:
        node, number = self._places[sent.port]
        return _Arrival(node, number, sent.port, sent.packet.on_wire)

    def _carry(self, arrival: _Arrival, sent: Sent) -> Delivery | _Arrival | str:
        """Where a packet sent by a node's port goes, or why it goes nowhere."""
        node = arrival.node
        end = self._tunnels.get(node)
        bare_packet = sent.packet.frame.packet_type != ETHERNET
        kind = format_value("packet_type", sent.packet.frame.packet_type)
        if end is not None and sent.port in (end.plain, end.gpe):
            if bare_packet and sent.port == end.plain:
                return f"output {sent.port}: a plain tunnel carries no packet of type {kind}"
            return self._through_tunnel(arrival, end, sent)
        name = self._bindings.get(node, {}).get(sent.port)
        if name is None:
            return f"output {sent.port}: {node} has no such port"
        if bare_packet:
            return f"output {sent.port}: interface {name} carries no packet of type {kind}"
        return Delivery(name, sent.packet.on_wire)

    def _through_tunnel(self, arrival: _Arrival, end: TunnelEnd, sent: Sent) -> _Arrival | str:
        fields = sent.packet.fields
        family, value = (4, fields["tun_dst"]) if fields["tun_dst"] else (6, fields["tun_ipv6_dst"])
        if not value:
            return f"output {sent.port}: no tunnel destination is set"
        text = format_ip(family, value)
        peer = self._addresses.get((family, value))
        if peer is None:
            return f"output {sent.port}: no node has address {text}"
        if peer == arrival.node:
            return f"output {sent.port}: {text} is the node itself"
        far = self._tunnels[peer]
        number = far.plain if sent.port == end.plain else far.gpe
        packet = sent.packet.on_wire.set("tunnel_id", fields["tunnel_id"])
        for (version, address), name in (
            (parse_ip(end.address), "src"),
            (parse_ip(far.address), "dst"),
        ):
            packet = packet.set(f"tun_{name}" if version == 4 else f"tun_ipv6_{name}", address)
        return _Arrival(peer, number, f"tunnel from {arrival.node}", packet, recirculations=1)
