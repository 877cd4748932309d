"""What the properties have found, each as the smallest intent that shows it."""

from __future__ import annotations

import pytest
from worlds import NOBODY, World, delivered, visited

from segue.intent import parse
from segue.model.intent import Port
from segue.model.view import TUNNEL_GPE
from segue.packet.addresses import derived_mac, parse_ip
from segue.server.conductor import Refused
from segue.verify.explain import explain
from segue.verify.network import Journey
from segue.verify.packet import Packet

BASE = """
nodes: [n1, n2, n3]
networks:
  web: {cidr: 10.0.0.0/24, gateway: 10.0.0.254}
  db: {cidr: 10.1.0.0/24, gateway: 10.1.0.254}
routers:
  r: [web, db]
ports:
  client: {network: web, node: n1, address: 10.0.0.1}
  other: {network: web, node: n2, address: 10.0.0.2}
  server: {network: db, node: n3, address: 10.1.0.1}
instances:
  f1: n2
  f2: n2
  f3: n3
"""
ROUTER = derived_mac("router", "r", "web")


def declare(world: World, chains: str, base: str = BASE) -> None:
    world.become(dict(parse(f"{base}\nchains: {{{chains}}}" if chains else base, "test").objects))


def at_rest(chains: str, base: str = BASE) -> World:
    world = World()
    declare(world, chains, base)
    world.settle()
    return world


def udp(source: str, destination: str, **more: int) -> Packet:
    """From port ``client`` by default, through the router where that is the way."""
    near = destination.startswith("10.0.0.")
    fields = {
        "eth_src": derived_mac("port", "client"),
        "eth_dst": derived_mac("port", "other") if near else ROUTER,
        "eth_type": 0x0800,
        "ipv4_src": parse_ip(source)[1],
        "ipv4_dst": parse_ip(destination)[1],
        "nw_ttl": 64,
        "ip_proto": 17,
        "udp_src": 1000,
        "udp_dst": 2000,
    }
    return Packet.of(fields | more)


def instances(world: World, journey: Journey) -> list[str]:
    return [name for name, _ in visited(journey, world)]


def ports(journey: Journey) -> list[str]:
    return [one.port for one in delivered(journey)]


def test_a_chain_whose_directions_mean_the_same_packets() -> None:
    world = at_rest("c: {match: {network: web}, through: [f1], symmetric: true}")
    assert instances(world, world.send("client", udp("10.0.0.1", "10.0.0.2"))) == ["f1"]
    declare(world, "")
    world.settle()
    assert not world.conductor.rollouts.paths


@pytest.mark.parametrize(("protocol", "number", "taken"), [("icmp", 58, True), ("1", 58, False), ("1", 1, True)])
def test_a_protocol_number_means_itself_in_ipv6_too(protocol: str, number: int, taken: bool) -> None:
    base = BASE.replace("web: {cidr: 10.0.0.0/24, gateway: 10.0.0.254}", 'web: "2001:db8::/64"')
    base = (
        base.replace("10.0.0.1}", '"2001:db8::1"}').replace("10.0.0.2}", '"2001:db8::2"}').replace("r: [web, db]", "")
    )
    world = at_rest(f"c: {{match: {{from: client, protocol: {protocol}}}, through: [f1]}}", base)
    packet = Packet.of(
        {
            "eth_src": derived_mac("port", "client"),
            "eth_dst": derived_mac("port", "other"),
            "eth_type": 0x86DD,
            "ipv6_src": parse_ip("2001:db8::1")[1],
            "ipv6_dst": parse_ip("2001:db8::2")[1],
            "ip_proto": number,
            "nw_ttl": 64,
        }
    )
    assert instances(world, world.send("client", packet)) == (["f1"] if taken else [])


def test_answers_from_behind_the_router_come_back_through_the_chain() -> None:
    world = at_rest("c: {match: {from: client}, through: [f1, f3], symmetric: true}")
    there = world.send("client", udp("10.0.0.1", "10.1.0.1"))
    assert (instances(world, there), ports(there)) == (["f1", "f3"], ["server"])
    server = {"eth_src": derived_mac("port", "server"), "eth_dst": derived_mac("router", "r", "db")}
    back = world.send("server", udp("10.1.0.1", "10.0.0.1", **server))
    assert (instances(world, back), ports(back)) == (["f3", "f1"], ["client"])


def test_a_routed_packet_may_go_back_where_it_came_from() -> None:
    base = BASE.replace("r: [web, db]", "r: {subnets: [web, db], routes: [{destination: 0.0.0.0/0, via: 10.0.0.1}]}")
    world = at_rest("", base)
    assert ports(world.send("client", udp("10.0.0.1", "198.51.100.1"))) == ["client"]


def test_a_static_route_to_a_connected_subnet_is_refused() -> None:
    base = BASE.replace("r: [web, db]", "r: {subnets: [web, db], routes: [{destination: 10.1.0.0/24, via: 10.0.0.1}]}")
    with pytest.raises(Refused, match="connected"):
        declare(World(), "", base)


def test_broadcast_does_not_go_round_with_a_mark() -> None:
    """The source address is nobody's, so its MAC is lost; and the functions get what goes to all."""
    base = BASE.replace("address: 10.0.0.1}", "address: 10.0.0.1, security: false}")
    base += "  f4: {ingress: f4-in, egress: f4-out}\n"
    functions = "".join(
        f"  f4-{arm}: {{network: web, node: n2, address: 10.0.0.{n}}}\n" for arm, n in (("in", 8), ("out", 9))
    )
    base = base.replace("instances:\n", functions + "instances:\n")
    world = at_rest("c: {match: {from: client}, through: [f4]}", base)
    journey = world.send("client", udp("198.51.100.7", "10.0.0.2", eth_dst=(1 << 48) - 1))
    assert not journey.looped, explain(journey)
    got = delivered(journey)
    assert sorted(one.port for one in got) == ["client", "f4-in", "f4-out", "other"]
    assert {one.packet.fields["eth_src"] for one in got} == {NOBODY}


def test_pings_of_the_gateway_pass_a_function_that_routes() -> None:
    base = BASE.replace("  f1: n2", "  f1: {ingress: f1-in, egress: f1-out, mode: route}")
    functions = "".join(
        f"  f1-{arm}: {{network: web, node: n2, address: 10.0.0.{n}}}\n" for arm, n in (("in", 8), ("out", 9))
    )
    world = at_rest(
        "c: {match: {from: client}, through: [f1]}", base.replace("instances:\n", functions + "instances:\n")
    )
    fields = dict(udp("10.0.0.1", "10.1.0.1").frame.network)
    ping = {name: value for name, value in fields.items() if not name.startswith("udp")} | {
        "eth_src": derived_mac("port", "client"),
        "eth_dst": ROUTER,
        "eth_type": 0x0800,
        "ipv4_dst": parse_ip("10.0.0.254")[1],
        "ip_proto": 1,
        "icmpv4_type": 8,
    }
    journey = world.send("client", Packet.of(ping))
    assert (instances(world, journey), ports(journey)) == (["f1"], ["client"]), explain(journey)


def test_an_instance_that_is_declared_anew_while_its_old_path_drains() -> None:
    base = BASE.replace("  f1: n2", "  f1: {ingress: in1, egress: out1}")
    arms = "  in1: {network: web, node: n2, address: 10.0.0.8}\n  out1: {node: n2}\n"
    base = base.replace("instances:\n", arms + "instances:\n")
    without = base.replace("  f1: {ingress: in1, egress: out1}\n", "").replace(arms, "")
    world = at_rest("c: {match: {from: client, to: other}, through: [f1]}", base)
    flight = world.launch("client", udp("10.0.0.1", "10.0.0.2"))
    while flight.inside is None:
        world.move(flight)
    own = {"eth_src": derived_mac("port", "in1"), "eth_dst": derived_mac("port", "other")}
    for now in (without, base, without, base):
        declare(world, "c: {match: {from: client, to: other}, through: [f2]}", now)
        world.calm()
    assert ports(world.send("in1", udp("10.0.0.8", "10.0.0.2", **own))) == ["other"]
    while not flight.done:
        world.move(flight)
    assert ports(flight.journey) == ["other"]


def test_a_chain_waits_for_one_that_is_in_its_way() -> None:
    """The old version of one chain takes the packets of the other, until the interface of its new function is there."""
    world = World(bare=True)
    declare(world, "a: {match: {from: client}, through: [f1]}")
    for node in world.nodes.values():
        node.bind(TUNNEL_GPE, 101)
    for port in [value for value in world.objects.values() if isinstance(value, Port)]:
        if not port.name.startswith("f3"):
            world.plug(port.name, str(port.node))
    world.settle()
    narrow = "a: {match: {from: client, protocol: tcp}, through: [f3]}"
    declare(world, narrow)
    declare(world, f"{narrow}, b: {{match: {{from: client, protocol: udp}}, through: [f2]}}")
    world.calm()
    assert instances(world, world.send("client", udp("10.0.0.1", "10.0.0.2"))) == ["f1"]
    for name in ("f3-in", "f3-out"):
        world.plug(name, "n3")
    world.calm()
    assert instances(world, world.send("client", udp("10.0.0.1", "10.0.0.2"))) == ["f2"]


@pytest.mark.parametrize("late", ["n1", "n2"])
def test_a_path_waits_for_tunnels_at_both_ends(late: str) -> None:
    world = World(bare=True)
    declare(world, "c: {match: {from: client}, through: [f1]}")
    for port in [value for value in world.objects.values() if isinstance(value, Port)]:
        world.plug(port.name, str(port.node))
    for name, node in world.nodes.items():
        if name != late:
            node.bind(TUNNEL_GPE, 101)
    world.calm()
    journey = world.send("client", udp("10.0.0.1", "10.0.0.2"))
    assert (instances(world, journey), ports(journey)) == ([], ["other"])
    world.nodes[late].bind(TUNNEL_GPE, 101)
    world.calm()
    assert instances(world, world.send("client", udp("10.0.0.1", "10.0.0.2"))) == ["f1"]
