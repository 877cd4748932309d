"""Injected services: whoever has none attached never notices; whoever has some meets each of them, in order."""

from __future__ import annotations

from collections import Counter

import pytest
from hypothesis import HealthCheck, Phase, event, given, settings
from hypothesis import strategies as st
from injected_services import Injected, Meant, Reference, elements, injected, records
from strategies import intents, many, packets
from test_meaning import build
from worlds import World

from segue.intent import parse
from segue.model.hooks import HOOKS
from segue.model.program import Rule, SetField, match
from segue.model.stages import SERVICE, VERDICT
from segue.packet.addresses import parse_mac
from segue.verify.explain import explain
from segue.verify.interpreter import Undefined
from segue.verify.network import FunctionHop, Hop, Journey
from segue.verify.packet import Packet
from segue.verify.wire import encode

CHECKED = settings(
    deadline=None,
    max_examples=many(80),
    phases=(Phase.explicit, Phase.generate),
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
)
"""Without shrinking, which takes minutes in whole worlds: a failure tells the packet's way."""
HOOK = {hook.stage: hook for hook in HOOKS.values()}


def inject(world: World, services: list[Injected]) -> None:
    told = records(services, world)
    for node in world.nodes.values():
        for key, record in told.items():
            node.compiler.record(key, record)
        node.settle()
        node.program.groups = node.compiler.groups
        assert not node.compiler.refused


def gone(journey: Journey) -> Counter[object]:
    """What left by which port, with what each function got."""
    return Counter(
        [(one.port, encode(one.packet.frame)) for one in journey.deliveries]
        + [(hop.port, encode(hop.packet.frame)) for hop in journey.hops if isinstance(hop, FunctionHop)]
    )


def punted(journey: Journey) -> Counter[object]:
    return Counter(
        (punt.action, encode(punt.packet.frame))
        for hop in journey.hops
        if isinstance(hop, Hop)
        for punt in hop.trace.punts
    )


def attached(journey: Journey, meant: Meant) -> bool:
    """Whether a packet without services passed a hook where some would have met it, or came to a port that has some."""
    for hop in journey.hops:
        for visit in hop.trace.visits if isinstance(hop, Hop) else ():
            if visit.stage in HOOK and meant.at(HOOK[visit.stage], visit.before.fields):
                return True
    egress = {key for s in meant.services if s.hook.name == "egress" for _, key in s.elements}
    ports = {meant.ports[key].name for key in egress}
    return any(one.port in ports for one in journey.deliveries) or any(
        hop.port in ports for hop in journey.hops if isinstance(hop, FunctionHop)
    )


def way(journey: Journey) -> list[object]:
    """Every rule that was met, and what it did: of those that flood, what is still to be the same is in ``gone``."""
    met: list[object] = []
    for hop in journey.hops:
        if not isinstance(hop, Hop):
            continue
        for visit in hop.trace.visits:
            flood = visit.stage == "forward" and visit.before.fields["eth_dst"] >> 40 & 1
            met.append((hop.node, visit.stage, visit.before, None if flood else (visit.rule, visit.after)))
    return met


def story(services: list[Injected], *journeys: Journey) -> str:
    lines = [str(service) for service in services]
    for journey in journeys:
        lines += ["", *explain(journey)]
    return "\n".join(lines)


@st.composite
def served(draw: st.DrawFn, few: bool = False) -> tuple[World, list[Injected], list[tuple[str, Packet]]]:
    world = build({ref: value for ref, value in draw(intents()).items() if ref[0] != "service"})
    sent = draw(st.lists(packets(world.objects), min_size=2, max_size=8))
    return world, draw(injected(world, [packet for _, packet in sent], few)), sent


@CHECKED
@given(served(few=True))
def test_services_are_nothing_to_packets_of_other_elements(
    given_: tuple[World, list[Injected], list[tuple[str, Packet]]],
) -> None:
    world, services, sent = given_
    meant = Meant(services, world)
    before = [world.send(port, packet) for port, packet in sent]
    inject(world, services)
    for (port, packet), was in zip(sent, before, strict=True):
        if attached(was, meant):
            event("of an element with services")
            continue
        event("of none")
        now = world.send(port, packet)
        assert way(now) == way(was), story(services, was, now)
        assert gone(now) == gone(was), story(services, was, now)
        assert not punted(now), story(services, was, now)


@CHECKED
@given(served())
def test_packets_meet_their_services_in_order(
    given_: tuple[World, list[Injected], list[tuple[str, Packet]]],
) -> None:
    world, services, sent = given_
    meant = Meant(services, world)
    before = [world.send(port, packet) for port, packet in sent]
    plain = world.network({name: Reference(world, name, meant) for name in world.nodes})
    expected: list[Journey | None] = []
    for port, packet in sent:
        try:
            expected.append(plain.send(port, packet))
        except Undefined:
            expected.append(None)
    inject(world, services)
    for (port, packet), should, was in zip(sent, expected, before, strict=True):
        if should is None:
            continue
        event(f"{'as without services' if gone(was) == gone(should) else 'otherwise than without services'}")
        now = world.send(port, packet)
        assert gone(now) == gone(should), story(services, should, now)
        assert punted(now) == punted(should), story(services, should, now)
        met = {visit.stage for hop in now.hops if isinstance(hop, Hop) for visit in hop.trace.visits}
        event(f"{'met' if 'service_0' in met else 'no'} service{', redirect' if 'redirect' in met else ''}")


CHAINED = """
nodes: {n1: 192.0.2.1, n2: 192.0.2.2}
networks: {web: 10.0.0.0/24}
ports:
  p1: {network: web, node: n1, address: 10.0.0.1, mac: "02:00:00:00:00:01",
       allowed: [{ip: 10.0.0.77, mac: "02:00:00:00:00:77"}]}
  p2: {network: web, node: n2, address: 10.0.0.2, mac: "02:00:00:00:00:02"}
  f: {network: web, node: NODE, address: 10.0.0.3, mac: "02:00:00:00:00:03"}
instances: {fw: {port: f}}
groups: {fws: {instances: [fw]}}
chains: {c: {match: {from: p1, protocol: tcp}, through: [fws]}}
"""


@pytest.mark.parametrize("node", ["n1", "n2"])
@pytest.mark.parametrize(
    ("attached", "sent_by", "mac", "proto", "meets"),
    [
        ("p1", "p1", "02:00:00:00:00:01", 17, True),
        ("p1", "p1", "02:00:00:00:00:77", 17, True),
        ("p1", "p1", "02:00:00:00:00:01", 6, True),
        ("f", "p1", "02:00:00:00:00:01", 6, False),
        ("f", "f", "02:00:00:00:00:03", 17, True),
        ("p1", "f", "02:00:00:00:00:03", 17, False),
    ],
)
def test_pre_routing_knows_whose_packet_it_is_behind_a_function(
    node: str, attached: str, sent_by: str, mac: str, proto: int, meets: bool
) -> None:
    """Also where the packet comes in by the interface of a function, on the node of the port or on another."""
    world = build(dict(parse(CHAINED.replace("NODE", node), "t").objects))
    keys = {port.name: key for key, port in elements(world)[0].items()}
    dropping = Rule("service_0", 1, match({SERVICE: 1}), (SetField(VERDICT, 0),), "service/s")
    inject(world, [Injected("s", 1, HOOKS["pre-routing"], 1, [("port", keys[attached])], {}, [dropping])])
    source = {"02:00:00:00:00:77": 0x0A00004D, "02:00:00:00:00:03": 0x0A000003}.get(mac, 0x0A000001)
    fields = {"eth_type": 0x0800, "ip_proto": proto, "nw_ttl": 64, "ipv4_src": source, "ipv4_dst": 0x0A000002}
    packet = Packet.of(fields | {"eth_src": parse_mac(mac), "eth_dst": 0x020000000002})
    journey = world.send(sent_by, packet)
    assert (not journey.deliveries) == meets, story([], journey)
    if proto == 6:
        assert [hop for hop in journey.hops if isinstance(hop, FunctionHop)]
