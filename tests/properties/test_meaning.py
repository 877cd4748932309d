"""The compiler's programs do what the intent means: ``run(compile(intent), packet) == meaning(intent, packet)``."""

from __future__ import annotations

from dataclasses import replace

from hypothesis import HealthCheck, event, given, settings
from hypothesis import strategies as st
from strategies import answer, intents, many, packets, without
from worlds import World, delivered, visited

from segue.model.intent import Chain, Instance, Objects
from segue.server.conductor import Refused
from segue.verify.explain import explain, summary
from segue.verify.functions import without_path
from segue.verify.meaning import FORWARD, REVERSE, Copied, Delivered, Meaning, Outcome
from segue.verify.network import Delivery, Journey
from segue.verify.packet import Packet

CHECKED = settings(
    deadline=None, max_examples=many(200), suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large]
)


def build(objects: Objects) -> World:
    """A world with as much of the intent as has no problems."""
    objects = dict(objects)
    while True:
        world = World()
        try:
            world.become(objects)
        except Refused as refused:
            chains = {name for kind, name in objects if kind == "chain"}
            faulty = {p.name if p.kind == "chain" else p.name.partition("-")[0] for p in refused.problems} & chains
            graphs = {("graph", p.name) for p in refused.problems if p.kind == "graph"}
            assert faulty or graphs, refused
            for name in faulty:
                objects = without(objects, name)
            for ref in graphs:
                del objects[ref]
            continue
        world.settle()
        return world


def told(outcome: Outcome) -> str:
    through = " > ".join(f"{step.group} ({', '.join(sorted(step.instances))})" for step in outcome.steps)
    to = [f"{one.port}: {summary(one.packet)}" for one in (*(outcome.delivered or ()), *outcome.copies)]
    return f"should be: refused {outcome.refused}, {outcome.chain} {outcome.direction} {through}, to {to}"


def unroutable(world: World, packet: Packet, outcome: Outcome) -> bool:
    """No host forwards packets with link-local addresses (RFC 4291 section 2.5.6), nor neighbor discovery (RFC 4861
    section 4); and behind functions that route nothing is promised to packets that look unlike what ``maps`` says."""
    ends = [packet.fields.get(name, 0) >> 118 for name in ("ipv6_src", "ipv6_dst")]
    local = 0xFE80 >> 6 in ends or packet.fields.get("icmpv6_type", 0) in range(133, 138)
    routers = {i.name for i in world.objects.values() if isinstance(i, Instance) and i.mode == "route"}
    return (local or not outcome.believed) and any(step.instances & routers for step in outcome.steps)


def compare(world: World, meaning: Meaning, port: str, packet: Packet) -> tuple[Journey, Outcome]:
    journey, outcome = world.send(port, packet), meaning.send(port, packet)
    story = "\n".join([f"{port} sends {summary(packet)}", told(outcome), *explain(journey)])
    assert not journey.looped, story
    if unroutable(world, packet, outcome):
        return journey, outcome
    met = visited(journey, world)
    assert len(met) == len(outcome.steps), story
    for (instance, at), step in zip(met, outcome.steps, strict=True):
        assert instance in step.instances, story
        _, declared = world.functions[at]
        assert at == (declared.ingress if outcome.direction == FORWARD else declared.egress), story
    got = delivered(journey)
    if outcome.delivered is None:
        return journey, outcome
    assert accounted(got, outcome, port), story
    return journey, outcome


def accounted(got: list[Delivery], outcome: Outcome, sender: str, all_copies: bool = True) -> bool:
    """Whether ``got`` is all that is to arrive, each once. Not ``all_copies``: where taps may not be there yet."""
    left = list(got)
    back = outcome.many and bool(outcome.chain)
    wanted = [(one, True) for one in outcome.delivered or () if not (back and one.port == sender)]
    for one, needed in (*wanted, *((copy, all_copies) for copy in outcome.copies)):
        found = next((there for there in left if there.port == one.port and alike(there.packet, one)), None)
        if found is not None:
            left.remove(found)
        elif needed:
            return False
    return all(back and one.port == sender for one in left)


def alike(packet: Packet, wanted: Delivered | Copied) -> bool:
    hidden = set()
    if isinstance(wanted, Copied):
        packet = without_path(packet)
        hidden = set() if wanted.destination_mac else {"eth_dst"}
    if not wanted.source_mac:
        hidden.add("eth_src")
    blank = dict.fromkeys(hidden, 0)
    return replace(packet.frame, **blank) == replace(wanted.packet.frame, **blank)


@CHECKED
@given(st.data())
def test_programs_do_what_the_intent_means(data: st.DataObject) -> None:
    world = build(data.draw(intents()))
    meaning = Meaning(world.objects, world.places)
    for port, packet in data.draw(st.lists(packets(world.objects), min_size=1, max_size=8)):
        _, outcome = compare(world, meaning, port, packet)
        what = "refused" if outcome.refused else "chain" if outcome.chain else "plain"
        event(f"{what}, {'delivered' if outcome.delivered else 'not delivered'}")
        event(f"copies: {len(outcome.copies)}")
        chain = world.objects.get(("chain", outcome.chain))
        if isinstance(chain, Chain) and any(ref[0] == "graph" for ref in world.objects):
            taps = sum(1 for name in chain.groups if getattr(world.objects.get(("group", name)), "tap", False))
            event(f"in a graph, {'goes on' if len(outcome.steps) > len(chain.groups) - taps else 'does not go on'}")


@CHECKED
@given(st.data())
def test_answers_meet_the_same_instances_backwards(data: st.DataObject) -> None:
    world = build(data.draw(intents(symmetric=True)))
    meaning = Meaning(world.objects, world.places)
    for port, packet in data.draw(st.lists(packets(world.objects, proper=True), min_size=1, max_size=8)):
        journey, outcome = compare(world, meaning, port, packet)
        if not outcome.chain or outcome.many or len(journey.deliveries) != 1:
            continue
        there = journey.deliveries[0]
        reply = answer(world.objects, port, there.port, there.packet)
        back, backwards = compare(world, meaning, there.port, reply)
        if (backwards.chain, backwards.direction) == (outcome.chain, opposite(outcome.direction)):
            event("answered along the same chain")
            names = [name for name, _ in visited(journey, world)]
            assert [name for name, _ in visited(back, world)] == names[::-1], (explain(journey), explain(back))


@CHECKED
@given(st.data())
def test_answers_find_their_way_where_functions_rewrite_headers(data: st.DataObject) -> None:
    world = build(data.draw(intents(symmetric=True, dense=True, maps=True)))
    meaning = Meaning(world.objects, world.places)
    for port, packet in data.draw(st.lists(packets(world.objects, proper=True), min_size=1, max_size=8)):
        journey, outcome = compare(world, meaning, port, packet)
        if not outcome.chain or outcome.many or len(journey.deliveries) != 1:
            continue
        there = journey.deliveries[0]
        changed = ends(there.packet) != ends(packet)
        back, backwards = compare(world, meaning, there.port, answer(world.objects, port, there.port, there.packet))
        same = (backwards.chain, backwards.direction) == (outcome.chain, opposite(outcome.direction))
        event(f"{'other' if changed else 'the same'} headers, {outcome.direction}, {'' if same else 'not '}answered")
        if same:
            names = [name for name, _ in visited(journey, world)]
            assert [name for name, _ in visited(back, world)] == names[::-1], (explain(journey), explain(back))


def ends(packet: Packet) -> list[int]:
    return [value for name, value in packet.frame.network.items() if name.endswith(("_src", "_dst"))]


def opposite(direction: str) -> str:
    return REVERSE if direction == FORWARD else FORWARD
