"""Graphs: chains that branch into chains, as whole networks, with the meaning of the intent as the measure."""

from __future__ import annotations

from itertools import product

import msgspec
import pytest
from hypothesis import HealthCheck, event, given, settings
from hypothesis import strategies as st
from strategies import VARIED, intents, many, packets
from test_found import udp
from test_meaning import build, compare
from test_rollout import Run, play
from worlds import World, delivered, visited

from segue.intent import parse
from segue.model.intent import Branch, Chain, Graph, Objects
from segue.model.path import Entry, Headers, Path, PathSpec
from segue.packet.addresses import derived_mac
from segue.server.conductor import Refused
from segue.verify.explain import explain
from segue.verify.meaning import Meaning
from segue.verify.network import Journey
from segue.verify.packet import Packet

CHECKED = settings(
    deadline=None, max_examples=many(125), suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large]
)
ROLLED = settings(CHECKED, max_examples=many(60))
NODES = ("n1", "n2", "n3")
BASE = """
nodes: [n1, n2, n3]
networks: {web: 10.0.0.0/24}
ports:
  client: {network: web, node: n1, address: 10.0.0.1}
  other: {network: web, node: n2, address: 10.0.0.2}
"""
FIRST = "{match: {from: client, protocol: udp}, through: [a], precedence: 200}"


def objects(chains: str, branch: str, instances: str = "{a: n1, b: n2, c: n3, d: n2}", more: str = BASE) -> Objects:
    text = f"{more}\ninstances: {instances}\nchains: {chains}\ngraphs: {{g: {{branch: {branch}}}}}"
    return dict(parse(text, "test").objects)


def at_rest(chains: str, branch: str, *more: str) -> World:
    world = World()
    world.become(objects(chains, branch, *more))
    world.settle()
    return world


def chain(through: str, port: int, **more: object) -> str:
    fields = "".join(f", {name}: {value}" for name, value in more.items())
    return f"{{match: {{from: client, protocol: udp, destination_ports: {port}}}, through: [{through}]{fields}}}"


def to(port: int) -> Packet:
    return udp("10.0.0.1", "10.0.0.2", udp_dst=port)


def names(world: World, journey: Journey) -> list[str]:
    return [name for name, _ in visited(journey, world)]


def met(world: World, port: int, sender: str = "client") -> list[str]:
    """The functions on the packet's way to its destination, which gets it once and as it was."""
    journey = world.send(sender, to(port))
    assert [(one.port, one.packet) for one in delivered(journey)] == [("other", to(port))], explain(journey)
    return names(world, journey)


@CHECKED
@given(st.data())
def test_programs_do_what_a_graph_means(data: st.DataObject) -> None:
    world = build(data.draw(intents(dense=True, graph=True)))
    meaning = Meaning(world.objects, world.places)
    for port, packet in data.draw(st.lists(packets(world.objects, proper=True), min_size=4, max_size=12)):
        _, outcome = compare(world, meaning, port, packet)
        declared = world.objects.get(("chain", outcome.chain))
        if isinstance(declared, Chain):
            taps = [name for name in declared.groups if getattr(world.objects.get(("group", name)), "tap", False)]
            event(f"goes on: {len(outcome.steps) > len(declared.groups) - len(taps)}")


@ROLLED
@given(st.data())
def test_every_packet_sees_one_version_of_a_graph(data: st.DataObject) -> None:
    play(Run(data, graph=True))


class Close(Run):
    """The same machines, and nearly the same chains; all packets enter the first one."""

    def wanted(self) -> Objects:
        first, second, last = self.data.draw(st.permutations("abcd"))[:3]
        low = self.data.draw(st.sampled_from([79, 80, 81]))
        encapsulation = self.data.draw(st.sampled_from(["nsh", "nsh", "mpls"]))
        branch = self.data.draw(st.sampled_from(["{first: [second], second: [last]}", "{first: [last]}", "{}"]))
        own = {"encapsulation": encapsulation}
        taken = chain(second, 80, **own).replace("destination_ports: 80", f"destination_ports: {low}-99")
        return objects(
            f"{{first: {FIRST.replace('[a]', f'[{first}]')[:-1]}, encapsulation: {encapsulation}}}, second: {taken}, "
            f"last: {chain(last, 80, precedence=50, **own)}}}",
            branch,
        )

    def begin(self) -> None:
        objects = self.wanted()
        self.world.become({ref: value for ref, value in objects.items() if ref[0] not in VARIED})
        for what in self.unplugged():
            self.appear(what)
        self.versions.append(dict(self.world.objects))
        self.world.become(objects)
        self.versions.append(dict(self.world.objects))
        self.world.settle()

    def change(self) -> None:
        self.world.become(self.wanted())
        self.versions.append(dict(self.world.objects))

    def send(self) -> None:
        self.launch("client", to(self.data.draw(st.sampled_from([79, 80, 81]))))

    def some(self) -> list[tuple[str, Packet]]:
        return [("client", to(port)) for port in (79, 80, 81)]


@ROLLED
@given(st.data())
def test_every_packet_of_a_busy_graph_sees_one_version(data: st.DataObject) -> None:
    play(Close(data))


@pytest.mark.parametrize("encapsulation", ["nsh", "mpls"])
@pytest.mark.parametrize("where", list(product(NODES, NODES)), ids="-".join)
@pytest.mark.parametrize("aware", [False, True], ids=["unaware", "aware"])
def test_classifiers_of_the_next_chains_choose(aware: bool, where: tuple[str, str], encapsulation: str) -> None:
    knows = f", aware: {encapsulation}" if aware else ""
    one, two = where
    instances = f"{{a: {{node: {one}{knows}}}, b: {{node: {two}{knows}}}, c: {{node: n3{knows}}}}}"
    own = {"encapsulation": encapsulation}
    world = at_rest(
        f"{{first: {FIRST[:-1]}, encapsulation: {encapsulation}}}, second: {chain('b', 80, **own)}, "
        f"third: {chain('c, b', 81, **own)}}}",
        "{first: [second, third]}",
        instances,
    )
    assert [met(world, port) for port in (80, 81, 82)] == [["a", "b"], ["a", "c", "b"], ["a"]]


def test_the_port_that_a_packet_came_from_is_of_no_account_behind_a_chain() -> None:
    """And the next chain goes on taking what its own port sends."""
    second = "{match: {from: third, protocol: udp, destination_ports: 80}, through: [b]}"
    ports = BASE + "  third: {network: web, node: n3, address: 10.0.0.3}\n"
    world = at_rest(f"{{first: {FIRST}, second: {second}}}", "{first: [second]}", "{a: n1, b: n2}", ports)
    assert met(world, 80) == ["a", "b"]
    packet = udp("10.0.0.3", "10.0.0.2", eth_src=derived_mac("port", "third"), udp_dst=80)
    assert names(world, world.send("third", packet)) == ["b"]


@pytest.mark.parametrize("exclusive", [False, True])
def test_where_packets_come_in_an_exclusive_graph_s_followers_take_none(exclusive: bool) -> None:
    second = "{match: {from: third, protocol: udp, destination_ports: 80}, through: [b]}"
    ports = BASE + "  third: {network: web, node: n3, address: 10.0.0.3}\n"
    packet = udp("10.0.0.3", "10.0.0.2", eth_src=derived_mac("port", "third"), udp_dst=80)
    world = World()
    declared = objects(f"{{first: {FIRST}, second: {second}}}", "{first: [second]}", "{a: n1, b: n2}", ports)
    declared["graph", "g"] = msgspec.structs.replace(declared["graph", "g"], exclusive=exclusive)
    world.become(declared)
    world.settle()
    assert met(world, 80) == ["a", "b"]
    assert names(world, world.send("third", packet)) == ([] if exclusive else ["b"])


def test_joins_several_starts_and_diamonds() -> None:
    chains = (
        f"{{top: {FIRST}, left: {chain('b', 80)}, right: {chain('c', 81)}, "
        "end: {match: {network: web, to: other, protocol: udp}, through: [d], precedence: 50}, "
        "start: {match: {from: client, protocol: udp, destination_ports: 90}, through: [c], precedence: 300}}"
    )
    world = at_rest(chains, "{top: [left, right], left: [end], right: [end], start: [end]}")
    ways = {port: met(world, port) for port in (80, 81, 82, 90)}
    assert ways == {80: ["a", "b", "d"], 81: ["a", "c", "d"], 82: ["a"], 90: ["c", "d"]}


def test_precedence_decides_between_the_next_chains() -> None:
    chains = f"{{first: {FIRST}, wide: {chain('b', 80)}, narrow: {chain('c', 80, precedence=150)}}}"
    world = at_rest(chains, "{first: [wide, narrow]}")
    assert met(world, 80) == ["a", "c"]
    with pytest.raises(Refused, match="behind chain 'first', both at precedence 100"):
        world.become(
            objects(
                chains.replace("precedence: 150", "precedence: 100").replace(
                    "from: client, protocol: udp, destination_ports: 80}, through: [c]",
                    "to: other, network: web, protocol: udp}, through: [c]",
                ),
                "{first: [wide, narrow]}",
            )
        )


def test_packets_have_their_own_addresses_behind_a_chain() -> None:
    """Nobody knows beforehand from which port they come; the next function reads whole frames."""
    first = "{match: {network: web, protocol: udp}, through: [a], precedence: 200}"
    second = "{match: {network: web, protocol: udp, destination_ports: 80}, through: [b]}"
    for node in NODES:
        instances = f"{{a: {node}, b: {{node: n3, aware: nsh}}}}"
        world = at_rest(f"{{first: {first}, second: {second}}}", "{first: [second]}", instances)
        journey = world.send("client", to(80))
        assert [(one.port, one.packet) for one in delivered(journey)] == [("other", to(80))], explain(journey)


def test_packets_of_several_sources_keep_their_addresses_in_the_next_chain() -> None:
    """Its own classifier names one port, but behind the other chain packets of any port match it."""
    first = "{match: {network: web, protocol: udp}, through: [a], precedence: 200}"
    ports = BASE + "  third: {network: web, node: n3, address: 10.0.0.3}\n"
    world = at_rest(f"{{first: {first}, second: {chain('b', 80)}}}", "{first: [second]}", "{a: n1, b: n2}", ports)
    packet = udp("10.0.0.3", "10.0.0.2", eth_src=derived_mac("port", "third"), udp_dst=80)
    journey = world.send("third", packet)
    assert names(world, journey) == ["a", "b"]
    assert [(one.port, one.packet) for one in delivered(journey)] == [("other", packet)], explain(journey)


def test_the_next_hop_is_found_anew_behind_a_function_that_routes() -> None:
    ports = BASE + "  a: {network: web, node: n3, address: 10.0.0.9}\n"
    instances = "{a: {port: a, mode: route}, b: {node: n1, aware: nsh}}"
    world = at_rest(f"{{first: {FIRST}, second: {chain('b', 80)}}}", "{first: [second]}", instances, ports)
    assert [met(world, port) for port in (80, 82)] == [["a", "b"], ["a"]]
    nobody = udp("10.0.0.1", "10.0.0.77", udp_dst=80)
    journey = world.send("client", nobody)
    assert (names(world, journey), delivered(journey)) == (["a", "b"], []), explain(journey)


def test_a_tap_of_the_next_chain_sees_the_next_hop_of_a_destination_that_a_function_maps() -> None:
    maps = "{ingress: {destination_prefix: 10.0.0.77}, egress: {destination_prefix: 10.0.0.2}}"
    group = f"{{instances: [a], maps: {maps}}}"
    first = f"{{match: {{from: client, protocol: udp}}, through: [{group}], precedence: 200}}"
    second = chain("{instances: [b], tap: true}", 80)
    world = at_rest(f"{{first: {first}, second: {second}}}", "{first: [second]}", "{a: n2, b: n3}")
    packet = udp("10.0.0.1", "10.0.0.77", eth_dst=0x020000000077, udp_dst=80)
    _, outcome = compare(world, Meaning(world.objects, world.places), "client", packet)
    assert [(one.port, one.packet) for one in outcome.copies] == [("b-in", to(80))]


def test_a_chain_of_taps_alone_branches_where_packets_come_in() -> None:
    first = "{match: {from: client, protocol: udp}, through: [{instances: [a], tap: true}], precedence: 200}"
    for node in NODES:
        chains = f"{{first: {first}, second: {chain('b', 80)}}}"
        world = at_rest(chains, "{first: [second]}", f"{{a: {node}, b: n3}}")
        journey = world.send("client", to(80))
        assert (names(world, journey), sorted(one.port for one in delivered(journey))) == (["b"], ["a-in", "other"])


@pytest.mark.parametrize(
    ("chains", "branch", "why"),
    [
        (f"{{first: {FIRST}}}", "{first: [first]}", "circle: first > first"),
        (
            f"{{first: {FIRST}, second: {chain('b', 80)}}}",
            "{first: [second], second: [first]}",
            "first > second > first",
        ),
        (f"{{first: {FIRST}}}", "{first: [second]}", "no chain 'second'"),
        (
            f"{{first: {FIRST}, second: {chain('b', 80, symmetric='true')}}}",
            "{first: [second]}",
            "'second' is symmetric",
        ),
        (
            f"{{first: {FIRST}, second: {chain('b', 80, encapsulation='mpls')}}}",
            "{first: [second]}",
            "same encapsulation",
        ),
        (
            f"{{first: {FIRST}, second: {{match: {{network: far}}, through: [b]}}}}",
            "{first: [second]}",
            "never takes packets of chain 'first', which start in network 'web'",
        ),
    ],
    ids=["a chain behind itself", "a circle", "unknown", "symmetric", "encapsulations", "networks"],
)
def test_graphs_that_cannot_be_are_refused(chains: str, branch: str, why: str) -> None:
    far = BASE.replace("networks: {", "networks: {far: 10.9.0.0/24, ")
    with pytest.raises(Refused, match=why):
        World().become(objects(chains, branch, "{a: n1, b: n2}", far))


def test_a_chain_is_in_one_graph() -> None:
    world = at_rest(f"{{first: {FIRST}, second: {chain('b', 80)}}}", "{first: [second]}")
    with pytest.raises(Refused, match="'second' is in graph 'g' too"):
        world.apply({("graph", "h"): Graph(name="h", branches=(Branch("second", ()),))})


def test_a_chain_in_a_graph_cannot_be_deleted() -> None:
    world = at_rest(f"{{first: {FIRST}, second: {chain('b', 80)}}}", "{first: [second]}")
    with pytest.raises(Refused, match="no chain 'second'"):
        world.apply({("chain", "second"): None})
    world.apply({("chain", "second"): None, ("graph", "g"): None})
    world.settle()
    assert met(world, 80) == ["a"]


def test_a_changed_chain_is_entered_by_new_packets_alone() -> None:
    """A packet in the first chain while the next one changes finishes on what was there when it came in; the old paths
    stay until it can."""
    chains = f"{{first: {FIRST}, second: {chain('b', 80)}}}"
    world = at_rest(chains, "{first: [second]}")
    flight = world.launch("client", to(80))
    world.move(flight)  # it is in function a
    world.become(objects(chains.replace("through: [b]", "through: [c]"), "{first: [second]}"))
    world.calm()
    assert met(world, 80) == ["a", "c"]
    world.pass_time(0.9)
    world.calm()
    while not flight.done:
        world.move(flight)
    assert names(world, flight.journey) == ["a", "b"], explain(flight.journey)
    phases = {(path.spec.chain, path.phase) for path in world.conductor.rollouts.paths.values()}
    assert phases >= {("first", "drain"), ("second", "drain")}
    world.settle()
    assert {path.phase for path in world.conductor.rollouts.paths.values()} == {"active"}


def test_an_old_path_outlives_those_that_lead_to_it() -> None:
    chains = f"{{first: {FIRST}, second: {chain('b', 80)}}}"
    world = at_rest(chains, "{first: [second]}")
    world.become(objects(chains.replace("through: [b]", "through: [c]"), "{first: [second]}"))
    seen = []
    for _ in range(4):
        world.calm()
        drained = [path.spec.chain for path in world.conductor.rollouts.paths.values() if path.phase == "drain"]
        seen.append(sorted(drained))
        world.pass_time(1.0)
    assert seen == [["first", "second"], ["second"], [], []]


def test_a_chain_alone_keeps_its_paths_when_one_before_it_changes() -> None:
    chains = f"{{first: {FIRST}, second: {chain('b', 80)}}}"
    world = at_rest(chains, "{first: [second]}")
    before = {path.id for path in world.conductor.rollouts.paths_of("second")}
    world.become(objects(chains.replace("through: [a]", "through: [d]"), "{first: [second]}"))
    world.settle()
    assert met(world, 80) == ["d", "b"]
    assert {path.id for path in world.conductor.rollouts.paths_of("second")} == before


def test_a_restart_in_the_middle_of_a_change() -> None:
    chains = f"{{first: {FIRST}, second: {chain('b', 80)}}}"
    world = at_rest(chains, "{first: [second]}")
    world.become(objects(chains.replace("through: [b]", "through: [c]"), "{first: [second]}"))
    assert world.conductor.rollouts.is_pending("first")
    world.restart_server()
    assert world.conductor.rollouts.is_pending("first")
    world.settle()
    assert met(world, 80) == ["a", "c"]
    assert {path.phase for path in world.conductor.rollouts.paths.values()} == {"active"}


def test_what_was_stored_before_there_were_graphs_is_read() -> None:
    entry = Entry("c", 1, 2, "n1", 100, Headers(0x0800))
    path = Path(16, PathSpec("c", "forward", "nsh", 1, "web", 0, 0, (), (entry,)), "active")
    plain = msgspec.json.decode(msgspec.json.encode(path))
    del plain[1][9], plain[1][8][0][6]
    assert msgspec.json.decode(msgspec.json.encode(plain), type=Path) == path
