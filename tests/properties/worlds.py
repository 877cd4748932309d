"""A whole network in one process: the conductor as it is, and in place of agents and switches the node compiler and
the interpreter.

Nothing happens by itself. Records wait in a node's mailbox until ``deliver``, what a node has to say until ``hear``,
and time stands still until ``pass_time``; so a test decides who is slow.
"""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import zlib
from collections import deque
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from segue.compile.rules import NodeCompiler
from segue.encap import available
from segue.model.intent import Group, Instance, Node, Object, Objects, Port, Ref
from segue.model.path import FIRST_INDEX, Path
from segue.model.program import Rule
from segue.model.view import TUNNEL_GPE, TUNNEL_PLAIN, AnyRecord
from segue.rollout import node as one_switch
from segue.server.conductor import Conductor
from segue.store.base import Item, Snapshot, Transaction
from segue.verify.consistency import refusal
from segue.verify.functions import aware_step, path_place, translated
from segue.verify.interpreter import Program, run
from segue.verify.meaning import FORWARD
from segue.verify.network import Delivery, FunctionHop, Hop, Journey, Network, TunnelEnd, _Arrival
from segue.verify.packet import Packet

DRAIN = 1.0
PLAIN, GPE, FIRST_OFPORT = 100, 101, 1
MARK, MARK_MASK, NOBODY = 0x0A5E << 32, 0xFFFF << 32, 0x0A5EFF000002


class MemoryStore:
    def __init__(self) -> None:
        self.items: dict[str, bytes] = {}
        self.revision = 0

    def snapshot(self, prefix: str) -> Snapshot:
        found = {key: Item(self.items[key], 1) for key in sorted(self.items) if key.startswith(prefix)}
        return Snapshot(self.revision, found)

    def commit(self, transaction: Transaction) -> int:
        self.items.update(transaction.puts)
        for key in transaction.deletes:
            self.items.pop(key, None)
        self.revision += 1
        return self.revision

    def close(self) -> None: ...


class Clock:
    """What the conductor needs of an event loop, with time of its own."""

    def __init__(self) -> None:
        self.now = 0.0
        self.soon: deque[Callable[[], Any]] = deque()
        self.timers: list[_Timer] = []

    def time(self) -> float:
        return self.now

    def call_soon(self, callback: Callable[[], Any]) -> None:
        self.soon.append(callback)

    def call_at(self, when: float, callback: Callable[[], Any]) -> _Timer:
        timer = _Timer(self, when, callback)
        self.timers.append(timer)
        return timer

    @contextlib.contextmanager
    def running(self) -> Iterator[None]:
        asyncio._set_running_loop(self)  # type: ignore[arg-type]
        try:
            yield
            while self.soon:
                self.soon.popleft()()
        finally:
            asyncio._set_running_loop(None)

    def pass_time(self, seconds: float) -> None:
        self.now += seconds
        while due := [timer for timer in self.timers if timer.when <= self.now]:
            due[0].cancel()
            with self.running():
                due[0].callback()


@dataclass
class _Timer:
    clock: Clock
    when: float
    callback: Callable[[], Any]

    def cancel(self) -> None:
        if self in self.clock.timers:
            self.clock.timers.remove(self)

    def __eq__(self, other: object) -> bool:
        return self is other


class NodeWorld:
    """One node: its mailbox, its compiler, and the rules on its switch."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.numbers = itertools.count(FIRST_OFPORT)
        self.bound: dict[str, int] = {}
        self.rules: dict[object, Rule] = {}
        """On the switch, by identity: it holds one rule of each."""
        self.program = Program()
        self.start()

    def start(self) -> None:
        """The agent begins anew; the switch goes on with what it has."""
        self.compiler = NodeCompiler(available())
        self.keys: set[str] = set()
        self.wanted: dict[int, Rule] = {}
        self.fresh = True
        self.revision = -1
        for name, ofport in self.bound.items():
            self.compiler.bind(name, ofport)

    def bind(self, name: str, ofport: int | None = None) -> None:
        if name not in self.bound:
            self.bound[name] = ofport or next(self.numbers)
            self.compiler.bind(name, self.bound[name])

    def unbind(self, name: str) -> None:
        del self.bound[name]
        self.compiler.bind(name, None)

    def take(self, records: Mapping[str, AnyRecord | None], whole: bool = False) -> None:
        if whole:
            for key in self.keys - records.keys():
                self.compiler.record(key, None)
            self.keys = set()
        for key, record in records.items():
            self.compiler.record(key, record)
            (self.keys.discard if record is None else self.keys.add)(key)

    def settle(self) -> None:
        """Compile, and change the switch in one bundle."""
        changes = self.compiler.settle()
        for cookie in changes.removed:
            self.wanted.pop(cookie, None)
        self.wanted.update(changes.added)
        assert self.wanted.keys() == self.compiler.program().keys()
        for rule in changes.added.values():
            assert refusal(rule) is None, (refusal(rule), rule)
        if self.fresh:
            wanted = {rule.identity for rule in self.wanted.values()}
            gone = tuple(rule for identity, rule in self.rules.items() if identity not in wanted)
            added = tuple(self.wanted.values())
            self.fresh = False
        else:
            plan = one_switch.change(changes.added, changes.removed)
            gone, added = tuple(plan.remove.values()), tuple(plan.add.values())
        self._apply(added, gone)
        clashes = one_switch.conflicts(self.wanted.values())
        assert not clashes, clashes[0]

    def _apply(self, added: tuple[Rule, ...], gone: tuple[Rule, ...]) -> None:
        """A rule goes only while it is the one that is meant; one that comes replaces whatever has its identity."""
        for rule in gone:
            held = self.rules.get(rule.identity)
            if held is not None and held.actions == rule.actions:
                self.program.remove(self.rules.pop(rule.identity))
        for rule in added:
            held = self.rules.pop(rule.identity, None)
            if held is not None:
                self.program.remove(held)
            self.rules[rule.identity] = rule
            self.program.add(rule)


@dataclass
class Mail:
    """To a node that is listening: the newest value of each record that it has not been told."""

    records: dict[str, AnyRecord | None]
    whole: bool


@dataclass
class Flight:
    """A packet on its way, with what it has met so far. ``inside``: the function that has it now, if one has."""

    hops: list[Hop | FunctionHop]
    deliveries: list[Delivery]
    waiting: deque[_Arrival]
    inside: tuple[str, Packet] | None = None

    @property
    def done(self) -> bool:
        return not self.waiting and self.inside is None

    @property
    def journey(self) -> Journey:
        return Journey(tuple(self.hops), tuple(self.deliveries))


class World:
    """``apply`` intents, ``settle``, and ``send`` packets. Where the world is ``bare``, the interfaces of ports and the
    tunnels that carry paths are not there by themselves.

    ``numbers``: identities that objects are to have.
    """

    def __init__(self, bare: bool = False, numbers: Mapping[Ref, int] | None = None) -> None:
        self.store = MemoryStore()
        for (kind, name), number in (numbers or {}).items():
            self.store.items[f"id/{kind}/{name}"] = str(number).encode()
        self.clock = Clock()
        self.bare = bare
        self.nodes: dict[str, NodeWorld] = {}
        self.mail: dict[str, Mail] = {}
        self.said: dict[str, deque[tuple[str, int, dict[int, list[str]]]]] = {}
        self.places: dict[str, str] = {}
        """By port: the node whose switch has its interface."""
        self.functions: dict[str, tuple[str, Instance]] = {}
        """By port: the port that the instance sends by when something comes in there."""
        self._listeners: dict[str, Any] = {}
        self._start()

    # -- the server ------------------------------------------------------------------------------------------------

    def _start(self) -> None:
        with self.clock.running():
            self.conductor = Conductor(self.store, DRAIN)  # type: ignore[arg-type]

    def restart_server(self) -> None:
        """What is in the store is all that is left; agents connect anew."""
        self.clock.timers.clear()
        self.clock.soon.clear()
        self._start()
        for name in self.nodes:
            self.connect(name)

    @property
    def objects(self) -> Objects:
        return self.conductor.declared.objects

    def apply(self, wanted: Mapping[Ref, Object | None]) -> None:
        """Raises Refused."""
        with self.clock.running():
            self.conductor.apply(wanted)
        for ref, value in wanted.items():
            self._there(ref, value)

    def become(self, objects: Objects) -> None:
        """These objects and no others."""
        gone: dict[Ref, Object | None] = {ref: None for ref in self.objects if ref not in objects}
        self.apply(gone | objects)

    def _there(self, ref: Ref, value: Object | None) -> None:
        """The machines that the objects stand for."""
        match value:
            case Node(name=name) if name not in self.nodes:
                self.nodes[name] = NodeWorld(name)
                self.nodes[name].bind(TUNNEL_PLAIN, PLAIN)
                if not self.bare:
                    self.nodes[name].bind(TUNNEL_GPE, GPE)
                self.connect(name)
            case Port() if not self.bare:
                self.plug(value.name, self.home(value))
            case Instance(ingress=ingress, egress=egress):
                self.functions[ingress] = (egress, value)
                self.functions[egress] = (ingress, value)

    # -- nodes -----------------------------------------------------------------------------------------------------

    def home(self, port: Port) -> str:
        """Where the port's machine is, whether the port says so or not."""
        return port.node or sorted(self.nodes)[zlib.crc32(port.name.encode()) % len(self.nodes)]

    def plug(self, port: str, node: str) -> None:
        """The port's interface appears on the node's switch, and leaves where it was."""
        if self.places.get(port) == node:
            return
        if port in self.places:
            self.nodes[self.places[port]].unbind(port)
        self.places[port] = node
        self.nodes[node].bind(port)
        with self.clock.running():
            self.conductor.seen(node, [port])

    def connect(self, node: str) -> None:
        """The node's agent has a new connection to the server."""

        def told(revision: int, records: Mapping[str, AnyRecord | None]) -> None:
            self.mail[node].records.update(records)

        self.said[node] = deque()
        with self.clock.running():
            if node in self._listeners:
                self.conductor.unlisten(node, self._listeners[node])
            self._listeners[node] = told
            self.mail[node] = Mail(dict(self.conductor.listen(node, told)), True)

    def restart_agent(self, node: str) -> None:
        self.nodes[node].start()
        self.connect(node)

    def deliver(self, node: str) -> None:
        """All that waits for the node reaches it, and its switch; what it answers waits in turn."""
        mail, at = self.mail[node], self.nodes[node]
        self.mail[node] = Mail({}, False)
        at.take(mail.records, mail.whole)
        if mail.records or mail.whole:
            at.revision = self.conductor.revision
        at.settle()
        self.said[node].append((self.conductor.epoch, at.revision, dict(at.compiler.missing())))

    def hear(self, node: str) -> None:
        """The server hears the next thing that the node has said."""
        epoch, revision, missing = self.said[node].popleft()
        if epoch == self.conductor.epoch:
            with self.clock.running():
                self.conductor.applied(node, revision, missing, "")

    def pass_time(self, seconds: float) -> None:
        self.clock.pass_time(seconds)

    def calm(self) -> None:
        """Everything that is on its way arrives; no time passes."""
        for _ in range(50):
            for node in self.nodes:
                self.deliver(node)
                while self.said[node]:
                    self.hear(node)
            if not any(mail.records for mail in self.mail.values()):
                return
        raise AssertionError("the network does not come to rest")

    def settle(self) -> None:
        """Everything arrives, and old paths drain."""
        self.calm()
        while self.clock.timers:
            self.pass_time(DRAIN)
            self.calm()

    # -- packets ---------------------------------------------------------------------------------------------------

    def network(self, programs: Mapping[str, Program] | None = None) -> Network:
        """As it is now; nodes keep their programs up to date in it. ``programs``: in place of theirs."""
        bindings = {
            name: {number: port for port, number in at.bound.items() if not port.startswith("tunnel:")}
            for name, at in self.nodes.items()
        }
        ends = {name: TunnelEnd(PLAIN, GPE, self._address(name)) for name in self.nodes}
        programs = programs or {name: at.program for name, at in self.nodes.items()}
        return Network(programs, bindings, ends, {port: self._function(port) for port in self.functions})

    def _address(self, node: str) -> str:
        found = self.objects[("node", node)]
        assert isinstance(found, Node)
        return found.address

    def send(self, port: str, packet: Packet) -> Journey:
        return self.network().send(port, packet)

    def _function(self, port: str) -> Callable[[Packet], list[tuple[str, Packet]]]:
        return lambda packet: self.visit(port, packet)

    def visit(self, port: str, packet: Packet) -> list[tuple[str, Packet]]:
        """What the instance at ``port`` does: nothing, to what is on no path, and to copies that it gets as a tap. Its
        group may say that it rewrites headers."""
        out, instance = self.functions[port]
        place = path_place(packet)
        path = self.conductor.rollouts.paths.get(place[0]) if place else None
        if place and path and path.spec.steps[FIRST_INDEX - place[1]].tap:
            return []
        if instance.aware:
            stepped = aware_step(packet)
            return [] if stepped is packet else [(out, self._rewritten(instance, port, stepped, path))]
        if instance.mode == "route":
            return [
                (by, self._rewritten(instance, port, sent, None)) for by, sent in self._forwarded(port, out, packet)
            ]
        source = packet.fields["eth_src"]
        if source & MARK_MASK != MARK or source == NOBODY:
            return []
        path = self.conductor.rollouts.paths.get(source >> 8 & 0xFFFFFF)
        return [(out, self._rewritten(instance, port, packet, path))]

    def _rewritten(self, instance: Instance, port: str, packet: Packet, path: Path | None) -> Packet:
        """As the instance's group says; of a function with one port, the path says which way it is passed."""
        groups = [g for g in self.objects.values() if isinstance(g, Group) and g.maps and instance.name in g.instances]
        forward = port == instance.ingress
        if instance.ingress == instance.egress and path is not None:
            forward = path.spec.direction == FORWARD
        return translated(packet, groups[0].maps if len(groups) == 1 else None, forward)

    def _forwarded(self, port: str, out: str, packet: Packet) -> list[tuple[str, Packet]]:
        """An IP host that forwards: with MACs of its own, and a next hop that nobody here knows."""
        own, sends = self._record(port), self._record(out)
        ends = {packet.fields.get(name) for name in ("ipv4_dst", "ipv6_dst")}
        if packet.fields["eth_dst"] != own.mac or any(value in ends for _, value in own.addresses):
            return []
        return [(out, packet.set("eth_src", sends.mac).set("eth_dst", 0x02DEAD000001))]

    def _record(self, port: str) -> Any:
        key = self.conductor.declared.ids[("port", port)]
        return self.conductor.views[self.places[port]][f"port/{key}"]

    # -- packets, hop by hop ---------------------------------------------------------------------------------------

    def launch(self, port: str, packet: Packet) -> Flight:
        return Flight([], [], deque([self.network()._from_port(Delivery(port, packet))]))

    def move(self, flight: Flight) -> None:
        """One hop further: through one node, or out of the function where it is."""
        network = self.network()
        if flight.inside is not None:
            port, packet = flight.inside
            sent = tuple(Delivery(name, back) for name, back in self.visit(port, packet))
            flight.inside = None
            flight.hops.append(FunctionHop(port, packet, sent))
            flight.waiting.extend(map(network._from_port, sent))
            return
        arrival = flight.waiting.popleft()
        trace = run(self.nodes[arrival.node].program, arrival.packet, arrival.in_port, arrival.recirculations)
        lost = []
        for sent_one in trace.outputs:
            match network._carry(arrival, sent_one):
                case str() as reason:
                    lost.append(reason)
                case Delivery(port=name, packet=got):
                    if name in self.functions and self.visit(name, got):
                        assert flight.inside is None
                        flight.inside = (name, got)
                    else:
                        flight.deliveries.append(Delivery(name, got))
                case _Arrival() as onward:
                    flight.waiting.append(onward)
        flight.hops.append(Hop(arrival.node, arrival.came_by, trace, tuple(lost)))


def visited(journey: Journey, world: World) -> list[tuple[str, str]]:
    """(instance, port by which the packet came to it), in order."""
    return [
        (world.functions[hop.port][1].name, hop.port)
        for hop in journey.hops
        if isinstance(hop, FunctionHop) and hop.sent
    ]


def delivered(journey: Journey) -> list[Delivery]:
    """To ports, functions' own among them when they were given what is on no path."""
    at_functions = [
        Delivery(hop.port, hop.packet) for hop in journey.hops if isinstance(hop, FunctionHop) and not hop.sent
    ]
    return [*journey.deliveries, *at_functions]
