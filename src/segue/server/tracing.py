"""``segue trace``: the reference interpreter over the programs that nodes hold, and the switches' own word for it.

Programs are compiled here from the same records that agents get, with the port numbers that agents report. Functions
are taken to pass packets on as they came, but for what their group maps: what a real one does is its own affair.
"""

from __future__ import annotations

import asyncio
from dataclasses import replace

import msgspec

from segue.compile.rules import NodeCompiler
from segue.encap import available
from segue.model.intent import Group, Instance, Maps, Node
from segue.model.marks import is_mark, marked
from segue.model.path import FIRST_INDEX
from segue.model.view import TUNNEL_GPE, TUNNEL_PLAIN, AnyRecord, NetworkRecord, PortRecord, RouterRecord
from segue.packet.addresses import derived_mac, parse_mac
from segue.server.agents import Agents, NoAnswer
from segue.server.conductor import Conductor
from segue.verify.explain import explain
from segue.verify.flow_text import Endpoint, Flow, flow_packet, parse_flow
from segue.verify.functions import aware_step, path_place, translated
from segue.verify.interpreter import Program
from segue.verify.live import compare, questions
from segue.verify.network import Function, FunctionHop, Hop, Journey, Network, TunnelEnd
from segue.verify.packet import Packet


class Traced(msgspec.Struct):
    """``live``: one line for each node's switch; ``agree``: whether all of them do as computed, None if not asked."""

    delivered: list[str]
    functions: list[str]
    lines: list[str]
    live: list[str]
    agree: bool | None


class _Node:
    """One node's program, kept up to date with its view."""

    def __init__(self) -> None:
        self.compiler = NodeCompiler(available())
        self.program = Program(groups=self.compiler.groups)
        self._records: dict[str, AnyRecord] = {}
        self._ports: dict[str, int] = {}

    def update(self, view: dict[str, AnyRecord], ports: dict[str, int]) -> None:
        for key in self._records.keys() - view.keys():
            self.compiler.record(key, None)
        for key, record in view.items():
            if self._records.get(key) is not record:
                self.compiler.record(key, record)
        for name in self._ports.keys() - ports.keys():
            self.compiler.bind(name, None)
        for name, number in ports.items():
            self.compiler.bind(name, number)
        self._records, self._ports = dict(view), dict(ports)
        changes = self.compiler.settle()
        for rule in changes.removed.values():
            self.program.remove(rule)
        for rule in changes.added.values():
            self.program.add(rule)


class Tracer:
    def __init__(self, conductor: Conductor, agents: Agents) -> None:
        self._conductor = conductor
        self._agents = agents
        self._nodes: dict[str, _Node] = {}

    async def trace(self, text: str, live: bool) -> Traced:
        """Raises FlowError for words that say no flow, NoAnswer while a node's ports are not known."""
        flow = self._by_label(parse_flow(text))
        bindings, tunnels = await self._ports()
        network = Network(
            {name: node.program for name, node in self._nodes.items()}, bindings, tunnels, self._functions()
        )
        port, packet = flow_packet(flow, self._endpoints())
        if not any(port in names.values() for names in bindings.values()):
            raise NoAnswer(f"port {port} has no interface on any node whose agent is connected")
        journey = network.send(port, packet)
        said, agree = await self._ask_switches(journey) if live else ([], None)
        return Traced(
            [delivery.port for delivery in journey.deliveries],
            self._visited(journey),
            explain(journey),
            said,
            agree,
        )

    def _by_label(self, flow: Flow) -> Flow:
        """The flow with names of ports for labels that one port has, and no port as its name."""
        objects = self._conductor.declared.objects

        def named(end: str) -> str:
            labelled = [ref[1] for ref, value in objects.items() if ref[0] == "port" and value.label == end]
            return labelled[0] if len(labelled) == 1 and ("port", end) not in objects else end

        return replace(flow, source=named(flow.source), destination=named(flow.destination))

    async def _ports(self) -> tuple[dict[str, dict[int, str]], dict[str, TunnelEnd]]:
        """Ask every node for its port numbers, and bring its program up to date."""
        names = [name for name in self._agents.nodes if ("node", name) in self._conductor.declared.objects]
        answers = await asyncio.gather(*(self._agents.ask(name, "ports") for name in names))
        for gone in self._nodes.keys() - set(names):
            del self._nodes[gone]
        bindings: dict[str, dict[int, str]] = {}
        tunnels: dict[str, TunnelEnd] = {}
        for name, answer in zip(names, answers, strict=True):
            ports: dict[str, int] = answer["ports"]
            ends: dict[str, int] = answer["tunnels"]
            node = self._nodes.setdefault(name, _Node())
            node.update(self._conductor.views.get(name, {}), ports | ends)
            bindings[name] = {number: port for port, number in ports.items()}
            declared = self._conductor.declared.objects["node", name]
            assert isinstance(declared, Node)
            tunnels[name] = TunnelEnd(ends.get(TUNNEL_PLAIN, 0), ends.get(TUNNEL_GPE, 0), declared.address)
        return bindings, tunnels

    def _endpoints(self) -> list[Endpoint]:
        """Every port in a network, as any node that knows it was told."""
        ports: dict[int, PortRecord] = {}
        networks: dict[int, NetworkRecord] = {}
        gateways: dict[int, tuple[tuple[int, int], ...]] = {}
        for view in self._conductor.views.values():
            for record in view.values():
                match record:
                    case PortRecord(key=key):
                        ports[key] = record
                    case NetworkRecord(key=key):
                        networks[key] = record
                    case RouterRecord(interfaces=legs):
                        gateways.update({leg.network: leg.addresses for leg in legs})
        found = []
        for port in ports.values():
            network = networks.get(port.network)
            if network is not None:
                # A link-local address is the port's own affair; people name the others.
                addresses = tuple(a for a in port.addresses if not (a[0] == 6 and a[1] >> 118 == 0x3FA))
                found.append(
                    Endpoint(
                        port.name,
                        network.name,
                        port.mac,
                        addresses,
                        network.prefixes,
                        network.gateway_mac,
                        gateways.get(port.network, ()),
                    )
                )
        return found

    def _instances(self) -> list[Instance]:
        return [value for value in self._conductor.declared.objects.values() if isinstance(value, Instance)]

    def _functions(self) -> dict[str, Function]:
        functions: dict[str, Function] = {}
        for instance in self._instances():
            functions[instance.ingress] = self._function(instance, instance.ingress, instance.egress)
            functions[instance.egress] = self._function(instance, instance.egress, instance.ingress)
        return functions

    def _function(self, instance: Instance, at: str, out: str) -> Function:
        mac = self._mac(out)

        def passed_on(packet: Packet) -> list[tuple[str, Packet]]:
            if self._is_copy(instance, at, packet):
                return []
            maps, forward = self._maps(instance, at, packet)
            if instance.aware:
                return [(out, translated(aware_step(packet), maps, forward))]
            if instance.mode == "route":
                packet = packet.set("eth_src", mac)
            return [(out, translated(packet, maps, forward))]

        return passed_on

    def _maps(self, instance: Instance, at: str, packet: Packet) -> tuple[Maps | None, bool]:
        """How the instance rewrites a packet, and whether that goes forward: as the group of the step says; of one that
        routes, and shows no path, as the one of its groups does that maps something."""
        source = packet.fields["eth_src"]
        place = path_place(packet) or (marked(source) if is_mark(source) else None)
        path = self._conductor.rollouts.paths.get(place[0]) if place else None
        objects = self._conductor.declared.objects
        if place is not None and path is not None and 0 <= FIRST_INDEX - place[1] < len(path.spec.steps):
            group = objects.get(("group", path.spec.steps[FIRST_INDEX - place[1]].group))
            return getattr(group, "maps", None), path.spec.direction == "forward"
        groups = [value for value in objects.values() if isinstance(value, Group) and instance.name in value.instances]
        said = list(dict.fromkeys(group.maps for group in groups if group.maps is not None))
        return said[0] if len(said) == 1 else None, at == instance.ingress

    def _mac(self, port: str) -> int:
        declared = getattr(self._conductor.declared.objects.get(("port", port)), "mac", None)
        return parse_mac(declared) if declared else derived_mac("port", port)

    def _is_copy(self, instance: Instance, at: str, packet: Packet) -> bool:
        """Whether the instance gets the packet as a tap, of which nothing comes back."""
        groups = [value for value in self._conductor.declared.objects.values() if isinstance(value, Group)]
        if not any(group.tap and instance.name in group.instances for group in groups):
            return False
        if instance.mode == "route" and not instance.aware:
            return packet.fields["eth_dst"] != self._mac(at)
        if not instance.aware:
            return not is_mark(packet.fields["eth_src"])
        place = path_place(packet)
        path = self._conductor.rollouts.paths.get(place[0]) if place else None
        step = FIRST_INDEX - place[1] if place else 0
        return path is None or not 0 <= step < len(path.spec.steps) or path.spec.steps[step].tap

    def _visited(self, journey: Journey) -> list[str]:
        by_port = {port: i.name for i in self._instances() for port in (i.ingress, i.egress)}
        return [by_port[hop.port] for hop in journey.hops if isinstance(hop, FunctionHop)]

    async def _ask_switches(self, journey: Journey) -> tuple[list[str], bool]:
        said, agree = [], True
        for hop in journey.hops:
            if isinstance(hop, Hop):
                for part in questions(hop):
                    answer = await self._agents.ask(hop.node, "trace", part.args)
                    same, text = compare(part, answer["text"])
                    agree = agree and same
                    said.append(f"{hop.node}: {text}")
        return said, agree
