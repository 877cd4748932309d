"""Changes while packets are on their way: each packet goes all along one version of the chain that takes it.

The whole network in one process (``worlds``), with a schedule that Hypothesis draws: when the intent changes and to
what, when each node hears of it, when the server hears from each node, when packets start and when each takes its
next hop. Packets wait between nodes and inside functions while the network changes around them.

While changes are under way a node where packets enter may have any version of a chain that was in force, or has been
asked for, since the network was last at rest: ``Versions``. Which one it has is free. But that one must be
kept to from the first step to the last.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from hypothesis import HealthCheck, event, given, settings
from hypothesis import strategies as st
from strategies import intents, many, packets, variants, without
from test_meaning import accounted, compare, told
from worlds import DRAIN, GPE, Flight, World, delivered, visited

from segue.model.intent import Chain, Objects, Port
from segue.model.view import TUNNEL_GPE
from segue.server.conductor import Refused
from segue.verify.explain import explain, summary
from segue.verify.meaning import FORWARD, Meaning, Outcome
from segue.verify.network import Hop, Journey
from segue.verify.packet import Packet

CHECKED = settings(deadline=None, max_examples=many(100), suppress_health_check=[HealthCheck.too_slow])
LONGEST = DRAIN * 0.9
"""Seconds that a packet may be on its way; less than the drain time, as whoever sets that must see to."""


@dataclass
class Sent:
    port: str
    packet: Packet
    flight: Flight
    start: float
    versions: list[Objects]
    changed: int = 0
    """How often switches changed while it was on its way."""


@dataclass
class Run:
    """One schedule. ``versions``: the intents that may be in force somewhere."""

    data: st.DataObject
    world: World = field(default_factory=lambda: World(bare=True))
    versions: list[Objects] = field(default_factory=list)
    under_way: list[Sent] = field(default_factory=list)
    slow: str = ""
    graph: bool = False
    """Whether the chains are in one."""

    def choose(self, *values: object) -> object:
        return self.data.draw(st.sampled_from(values))

    # -- what may happen -------------------------------------------------------------------------------------------

    def change(self) -> None:
        wanted = self.data.draw(variants(self.base, self.graph))
        while True:
            try:
                self.world.become(wanted)
            except Refused as refused:
                for problem in refused.problems:
                    chain = problem.name if problem.kind == "chain" else problem.name.partition("-")[0]
                    wanted = without(wanted, chain)
                    if problem.kind == "graph":
                        wanted.pop(("graph", problem.name), None)
                continue
            break
        self.versions.append(dict(self.world.objects))

    def plug(self) -> None:
        """A port's interface appears, or the tunnel of a node that carries paths."""
        missing = self.unplugged()
        if missing:
            self.appear(self.choose(*missing))

    def unplugged(self) -> list[Port | str]:
        found = [value for value in self.world.objects.values() if isinstance(value, Port)]
        tunnels = [name for name, node in self.world.nodes.items() if TUNNEL_GPE not in node.bound]
        return [*(port for port in found if port.name not in self.world.places), *tunnels]

    def appear(self, what: object) -> None:
        if isinstance(what, Port):
            self.world.plug(what.name, self.world.home(what))
        else:
            self.world.nodes[str(what)].bind(TUNNEL_GPE, GPE)

    def deliver(self) -> None:
        node = str(self.choose(*self.world.nodes))
        if node != self.slow:
            self.note(node)
            self.world.deliver(node)

    def hear(self) -> None:
        talking = [name for name, said in self.world.said.items() if said]
        if talking:
            self.world.hear(str(self.choose(*talking)))

    def send(self) -> None:
        port, packet = self.data.draw(packets(self.versions[self.data.draw(st.sampled_from([-1, -1, 0]))], proper=True))
        if port in self.world.places:
            self.launch(port, packet)

    def launch(self, port: str, packet: Packet) -> None:
        self.rest()
        flight = self.world.launch(port, packet)
        self.under_way.append(Sent(port, packet, flight, self.world.clock.now, list(self.versions)))
        self.world.move(flight)
        self.land()

    def move(self) -> None:
        if self.under_way:
            sent = self.under_way[self.data.draw(st.integers(0, len(self.under_way) - 1))]
            self.world.move(sent.flight)
            self.land()

    def wait(self) -> None:
        seconds = self.data.draw(st.sampled_from([DRAIN / 4, DRAIN]))
        for sent in self.under_way:
            while not sent.flight.done and self.world.clock.now + seconds - sent.start > LONGEST:
                self.world.move(sent.flight)
        self.land()
        self.world.pass_time(seconds)

    def calm(self) -> None:
        """Everything arrives, but for what goes to the slow one."""
        for _ in range(4):
            for node in self.world.nodes:
                if node != self.slow:
                    self.note(node)
                    self.world.deliver(node)
                while self.world.said[node]:
                    self.world.hear(node)

    def tarry(self) -> None:
        """From now on one node is told nothing, or none."""
        self.slow = str(self.choose("", *self.world.nodes))

    def note(self, node: str) -> None:
        for sent in self.under_way:
            sent.changed += bool(self.world.mail[node].records)

    def restart(self) -> None:
        what = self.choose("server", *self.world.nodes)
        if what == "server":
            self.world.restart_server()
        else:
            self.world.restart_agent(str(what))

    # -- what must hold --------------------------------------------------------------------------------------------

    def rest(self) -> None:
        """At rest one version alone is in force."""
        world = self.world
        if not any(mail.records for mail in world.mail.values()) and not world.conductor.rollouts._pending:
            del self.versions[:-1]

    def land(self) -> None:
        for sent in [one for one in self.under_way if one.flight.done]:
            self.under_way.remove(sent)
            check(self.world, sent)

    def begin(self) -> None:
        """Without chains, at rest, and without the interfaces of some functions."""
        self.base = self.data.draw(intents(route_mode=False, dense=True, graph=self.graph))
        self.world.become({ref: value for ref, value in self.base.items() if ref[0] not in ("chain", "graph")})
        self.versions.append(dict(self.world.objects))
        for what in self.unplugged():
            if (isinstance(what, Port) and what.name.startswith("p")) or self.data.draw(st.integers(0, 5)):
                self.appear(what)
        self.world.settle()
        self.change()

    def some(self) -> list[tuple[str, Packet]]:
        return self.data.draw(st.lists(packets(self.world.objects), max_size=4))

    def finish(self) -> None:
        for sent in list(self.under_way):
            while not sent.flight.done:
                self.world.move(sent.flight)
        self.land()
        for what in self.unplugged():
            self.appear(what)
        self.world.settle()
        rollouts = self.world.conductor.rollouts
        assert not rollouts._pending
        assert {path.phase for path in rollouts.paths.values()} <= {"active"}
        fresh = World()
        fresh.become(self.world.objects)
        fresh.settle()
        wanted = sum(len(target.paths) for target in fresh.conductor.compiler.targets().values())
        assert len(rollouts.paths) == wanted
        meaning = Meaning(self.world.objects, self.world.places)
        for port, packet in self.some():
            compare(self.world, meaning, port, packet)


def taken_by(journey: Journey) -> str:
    """The chain that took the packet where it came in, or nothing."""
    first = journey.hops[0]
    assert isinstance(first, Hop)
    owners = [visit.rule.owner for visit in first.trace.visits if visit.stage == "classify" and visit.rule]
    return owners[0].removeprefix("chain/") if owners and owners[0].startswith("chain/") else ""


def check(world: World, sent: Sent) -> None:
    journey = sent.flight.journey
    outcomes: dict[str, list[tuple[int, Outcome]]] = {}
    names = {name for version in sent.versions for kind, name in version if kind == "chain"}
    for name in names:
        for version in sent.versions:
            declared = version.get(("chain", name))
            precedence = declared.precedence if isinstance(declared, Chain) else 0
            outcome = Meaning(version, world.places, {name}).send(sent.port, sent.packet)
            outcomes.setdefault(name, []).append((precedence, outcome))
    chain = taken_by(journey)
    story = "\n".join(
        [
            f"{sent.port} sends {summary(sent.packet)}, taken by {chain or 'no chain'}",
            *(f"{name} {told(outcome)}" for name, found in outcomes.items() for _, outcome in found),
            *explain(journey),
        ]
    )
    event(f"sent at {'rest' if len(sent.versions) == 1 else 'unrest'}, taken by {'a' if chain else 'no'} chain")
    if chain and sent.changed:
        event("changes came while it was on a chain")
    if chain:
        candidates = [(precedence, outcome) for precedence, outcome in outcomes[chain] if outcome.chain]
        assert any(
            agrees(world, sent, journey, outcome)
            and all(may_pass(found, precedence) for name, found in outcomes.items() if name != chain)
            for precedence, outcome in candidates
        ), story
    else:
        assert all(may_pass(found, 0) for found in outcomes.values()), story
        plain = [Meaning(version, world.places, ()).send(sent.port, sent.packet) for version in sent.versions]
        assert any(agrees(world, sent, journey, outcome) for outcome in plain), story


def may_pass(found: list[tuple[int, Outcome]], precedence: int) -> bool:
    """Whether a packet may go by a chain at this precedence: some version does not want it more."""
    return any(not outcome.chain or own <= precedence for own, outcome in found)


def agrees(world: World, sent: Sent, journey: Journey, outcome: Outcome) -> bool:
    met = visited(journey, world)
    if len(met) != len(outcome.steps):
        return False
    for (instance, at), step in zip(met, outcome.steps, strict=True):
        declared = world.functions[at][1]
        entrance = declared.ingress if outcome.direction == FORWARD else declared.egress
        if instance not in step.instances or at != entrance:
            return False
    if outcome.delivered is None:
        return True
    return accounted(delivered(journey), outcome, sent.port, all_copies=False)


@CHECKED
@given(st.data())
def test_every_packet_sees_one_version(data: st.DataObject) -> None:
    play(Run(data))


def play(run: Run) -> None:
    run.begin()
    acts = {
        "nothing": lambda: None,
        "deliver": run.deliver,
        "hear": run.hear,
        "send": run.send,
        "move": run.move,
        "change": run.change,
        "wait": run.wait,
        "calm": run.calm,
        "tarry": run.tarry,
        "plug": run.plug,
        "restart": run.restart,
    }
    often = (
        ["deliver"] * 5
        + ["hear"] * 6
        + ["send"] * 4
        + ["move"] * 4
        + ["change"] * 2
        + ["wait", "calm", "tarry"] * 2
        + ["plug", "restart"]
    )
    for act in run.data.draw(st.lists(st.sampled_from(["nothing", *often]), min_size=30, max_size=80)):
        acts[act]()
    run.finish()
