"""The compiler's programs do what the intent means: ``run(compile(intent), packet) == meaning(intent, packet)``."""

from __future__ import annotations

from hypothesis import HealthCheck, event, given, settings
from hypothesis import strategies as st
from strategies import intents, packets
from worlds import World, delivered, visited, without_source_mac

from segue.model.intent import Objects
from segue.server.conductor import Refused
from segue.verify.explain import explain
from segue.verify.meaning import FORWARD, Meaning, Outcome
from segue.verify.network import Journey
from segue.verify.packet import Packet

CHECKED = settings(
    deadline=None, max_examples=200, suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large]
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
            assert faulty, refused
            for name in faulty:
                del objects["chain", name]
            continue
        world.settle()
        return world


def compare(world: World, meaning: Meaning, port: str, packet: Packet) -> tuple[Journey, Outcome]:
    journey, outcome = world.send(port, packet), meaning.send(port, packet)
    story = "\n".join([str(packet.frame), str(outcome), *explain(journey)])
    assert not journey.looped, story
    met = visited(journey, world)
    assert len(met) == len(outcome.steps), story
    for (instance, at), step in zip(met, outcome.steps, strict=True):
        assert instance in step.instances, story
        _, declared = world.functions[at]
        assert at == (declared.ingress if outcome.direction == FORWARD else declared.egress), story
    got = delivered(journey)
    if outcome.delivered is None:
        return journey, outcome
    if outcome.many and outcome.chain:
        got = [one for one in got if one.port != port]
    expected = {one.port: one for one in outcome.delivered if not (outcome.many and outcome.chain and one.port == port)}
    assert sorted(one.port for one in got) == sorted(expected), story
    for one in got:
        wanted = expected[one.port]
        if wanted.source_mac:
            assert one.packet == wanted.packet, story
        else:
            assert without_source_mac(one.packet) == without_source_mac(wanted.packet), story
    return journey, outcome


@CHECKED
@given(st.data())
def test_programs_do_what_the_intent_means(data: st.DataObject) -> None:
    world = build(data.draw(intents()))
    meaning = Meaning(world.objects, world.places)
    for port, packet in data.draw(st.lists(packets(world.objects), min_size=1, max_size=8)):
        _, outcome = compare(world, meaning, port, packet)
        what = "refused" if outcome.refused else "chain" if outcome.chain else "plain"
        event(f"{what}, {'delivered' if outcome.delivered else 'not delivered'}")
