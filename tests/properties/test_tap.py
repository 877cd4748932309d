"""Taps: each packet of the chain goes on exactly once, and the tap gets exactly one copy of it."""

from __future__ import annotations

from itertools import product

import msgspec
import pytest
from test_found import udp
from worlds import World, delivered, visited

from segue.intent import parse
from segue.model.intent import Objects, Port
from segue.model.path import NO_COPIES, Path, PathSpec, Step
from segue.packet.addresses import derived_mac
from segue.server.conductor import Refused
from segue.verify.explain import explain
from segue.verify.functions import aware_step, path_place, without_path
from segue.verify.network import Delivery, Journey
from segue.verify.packet import Packet

NODES = ("n1", "n2", "n3")
BASE = """
nodes: [n1, n2, n3]
networks: {web: 10.0.0.0/24}
ports:
  client: {network: web, node: n1, address: 10.0.0.1}
  other: {network: web, node: n2, address: 10.0.0.2}
"""
PACKET = udp("10.0.0.1", "10.0.0.2")
ANSWER = udp(
    "10.0.0.2", "10.0.0.1", eth_src=derived_mac("port", "other"), eth_dst=derived_mac("port", "client"), udp_src=2000
)


def objects(through: str, instances: str, **more: str) -> Objects:
    fields = {"match": "{from: client, to: other}", "through": f"[{through}]"} | more
    chain = f"{{{', '.join(f'{name}: {value}' for name, value in fields.items())}}}"
    return dict(parse(f"{BASE}\ninstances: {instances}\nchains: {{c: {chain}}}", "test").objects)


def at_rest(through: str, instances: str, **more: str) -> World:
    world = World()
    world.become(objects(through, instances, **more))
    world.settle()
    return world


def copies(journey: Journey, tap: str = "t-in") -> list[Delivery]:
    return [one for one in delivered(journey) if one.port == tap]


def names(world: World, journey: Journey) -> list[str]:
    return [name for name, _ in visited(journey, world)]


def reached(journey: Journey) -> list[str]:
    return sorted(one.port for one in delivered(journey))


@pytest.mark.parametrize("where", NODES, ids=lambda node: f"tap on {node}")
@pytest.mark.parametrize("around", [*product(NODES, NODES)], ids="-".join)
@pytest.mark.parametrize("aware", ["", "nsh", "mpls"])
@pytest.mark.parametrize("place", [0, 1, 2])
def test_everyone_gets_each_packet_once(where: str, around: tuple[str, str], aware: str, place: int) -> None:
    knows = f", aware: {aware}" if aware else ""
    instances = f"{{a: {around[0]}, b: {around[1]}, t: {{node: {where}{knows}}}}}"
    steps = ["a", "b"]
    steps.insert(place, "{instances: [t], tap: true}")
    for encapsulation in (aware,) if aware else ("nsh", "mpls"):
        world = at_rest(", ".join(steps), instances, symmetric="true", encapsulation=encapsulation)
        for port, packet, met, target, at in (
            ("client", PACKET, ["a", "b"], "other", place),
            ("other", ANSWER, ["b", "a"], "client", 2 - place),
        ):
            journey = world.send(port, packet)
            story = "\n".join(explain(journey))
            assert names(world, journey) == met, story
            assert reached(journey) == sorted([target, "t-in"]), story
            (copy,) = copies(journey)
            assert without_path(copy.packet) == packet, story
            index = path_place(copy.packet)
            assert (index[1] if index else None) == (255 - at if aware else None), story


def test_a_tap_may_be_all_there_is_of_a_chain() -> None:
    for node in NODES:
        world = at_rest("{instances: [t], tap: true}", f"{{t: {node}}}", symmetric="true")
        for port, packet, target in (("client", PACKET, "other"), ("other", ANSWER, "client")):
            journey = world.send(port, packet)
            assert reached(journey) == sorted([target, "t-in"]), explain(journey)


def test_a_copy_has_the_source_address_that_a_mark_had_replaced() -> None:
    """Nobody knows beforehand from which port the chain's packets come."""
    for node, last, knows in product(NODES, ("n2", "n3"), ("", ", aware: nsh")):
        world = at_rest(
            "a, {instances: [t], tap: true}, b",
            f"{{a: n2, b: {last}, t: {{node: {node}{knows}}}}}",
            match="{network: web, protocol: udp}",
        )
        (copy,) = copies(world.send("client", PACKET))
        assert without_path(copy.packet) == PACKET


@pytest.mark.parametrize("where", NODES)
@pytest.mark.parametrize("missing", [("t-in",), ("t-in", "t-out")])
def test_a_tap_without_an_interface_stops_nothing(where: str, missing: tuple[str, ...]) -> None:
    """Nor does the chain wait for it; of the step before it, one instance is where the tap is."""
    world = World(bare=True)
    world.become(objects("[a, b, d], {instances: [t], tap: true}, e", f"{{a: n1, b: n2, d: n3, e: n2, t: {where}}}"))
    for node in world.nodes.values():
        node.bind("tunnel:vxlan-gpe", 101)
    for port in [value for value in world.objects.values() if isinstance(value, Port)]:
        if port.name not in missing:
            world.plug(port.name, str(port.node))
    world.settle()
    assert not world.conductor.rollouts.is_pending("c")
    (lacking,) = world.conductor.rollouts.lacking("c")
    assert lacking.startswith(NO_COPIES) and "t-in" in lacking
    first = set()
    for number in range(60):
        journey = world.send("client", PACKET.set("udp_src", number))
        assert reached(journey) == ["other"], explain(journey)
        met = names(world, journey)
        assert met[1:] == ["e"]
        first.add(met[0])
    assert first == {"a", "b", "d"}
    world.plug("t-in", where)
    world.settle()
    assert not world.conductor.rollouts.lacking("c")
    assert reached(world.send("client", PACKET)) == ["other", "t-in"]


@pytest.mark.parametrize("aware", ["", "nsh", "mpls"])
@pytest.mark.parametrize("way", ["t-in", "t-out"])
def test_what_a_tap_sends_is_not_on_the_path(aware: str, way: str) -> None:
    """It sends what it got, and what a function would make of it."""
    knows = f", aware: {aware}" if aware else ""
    world = at_rest(
        "a, {instances: [t], tap: true}, b",
        f"{{a: n1, b: n3, t: {{node: n2{knows}}}}}",
        encapsulation=aware or "nsh",
    )
    (copy,) = copies(world.send("client", PACKET))
    for packet in (copy.packet, aware_step(copy.packet), PACKET):
        journey = world.send(way, packet)
        assert reached(journey) == [], explain(journey)


def test_an_instance_may_be_a_tap_of_one_chain_and_a_function_of_another() -> None:
    text = """
instances: {a: n1, t: {node: n2, aware: nsh}}
groups: {ids: {instances: [t], tap: true}}
chains:
  one: {match: {from: client, protocol: udp}, through: [ids, a]}
  two: {match: {from: client, protocol: tcp}, through: [t]}
"""
    world = World()
    world.become(dict(parse(BASE + text, "test").objects))
    world.settle()
    journey = world.send("client", PACKET)
    assert (names(world, journey), reached(journey)) == (["a"], ["other", "t-in"])
    ports = {"udp_src": "tcp_src", "udp_dst": "tcp_dst"}
    fields = {ports.get(name, name): value for name, value in PACKET.frame.network.items()}
    link = {name: PACKET.fields[name] for name in ("eth_src", "eth_dst", "eth_type")}
    journey = world.send("client", Packet.of({**fields, **link, "ip_proto": 6}))
    assert (names(world, journey), reached(journey)) == (["t"], ["other"])


def test_a_tap_that_routes_may_be_at_several_steps() -> None:
    """Nothing comes back from it that could be confused."""
    text = """
  t: {network: web, node: n3, address: 10.0.0.9}
instances: {a: n1, t: {port: t, mode: route}}
groups: {first: {instances: [t], tap: true}, last: {instances: [t], tap: true}}
chains: {c: {match: {from: client, to: other}, through: [first, a, last], symmetric: true}}
"""
    world = World()
    world.become(dict(parse(BASE.rstrip() + text, "test").objects))
    world.settle()
    journey = world.send("client", PACKET)
    assert (names(world, journey), reached(journey)) == (["a"], ["other", "t", "t"])


@pytest.mark.parametrize(
    ("through", "instances", "why"),
    [
        ("{instances: [t], tap: true}, {instances: [a], tap: true}", "{t: n1, a: n2}", "one right behind the other"),
        ("{instances: [t], tap: true}", "{t: {node: n1, weight: 0}}", "copies would have nowhere to go"),
        ("{instances: [t], tap: true}", "{t: {node: n1, aware: mpls}}", "aware of mpls"),
    ],
)
def test_taps_that_cannot_be_are_refused(through: str, instances: str, why: str) -> None:
    with pytest.raises(Refused, match=why):
        World().become(objects(through, instances))


@pytest.mark.parametrize("members", [(), ("a", "t")])
def test_a_tap_has_one_instance(members: tuple[str, ...]) -> None:
    world = at_rest("{instances: [t], tap: true}", "{t: n1, a: n2}")
    group = world.objects["group", "c-step1"]
    with pytest.raises(Refused, match="a tap has one instance"):
        world.apply({("group", "c-step1"): msgspec.structs.replace(group, instances=members)})


def test_a_tap_may_become_a_function_and_back() -> None:
    world = at_rest("a, {instances: [t], tap: true}", "{a: n1, t: n2}")
    for through, met, arrived in (
        ("a, [t]", ["a", "t"], ["other"]),
        ("a, {instances: [t], tap: true}", ["a"], ["other", "t-in"]),
    ):
        world.become(objects(through, "{a: n1, t: n2}"))
        world.settle()
        journey = world.send("client", PACKET)
        assert (names(world, journey), reached(journey)) == (met, arrived)


def test_what_was_stored_before_there_were_taps_is_read() -> None:
    step = Step("g", 7, (), (0,), tap=True, hash=("ip_src",))
    path = Path(16, PathSpec("c", "forward", "nsh", 1, "web", 0, 0, (step,), ()), "active")
    plain = msgspec.json.decode(msgspec.json.encode(path))
    assert msgspec.json.decode(msgspec.json.encode(path), type=Path) == path
    plain[1][7][0] = plain[1][7][0][:4]
    old = msgspec.json.decode(msgspec.json.encode(plain), type=Path)
    assert old.spec.steps == (Step("g", 7, (), (0,)),)
