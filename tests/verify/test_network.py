from __future__ import annotations

import pytest

from segue.model.program import IN_PORT, Decap, Encap, Next, Output, Rule, SetField, match
from segue.verify.explain import explain
from segue.verify.interpreter import Program
from segue.verify.network import Delivery, FunctionHop, Hop, Journey, Network, TunnelEnd
from segue.verify.packet import Packet

TABLES = {"in": 0, "out": 1}
PLAIN, GPE = 100, 101
NODES = {"a": 0x0A630001, "b": 0x0A630002}
UDP = {"eth_type": 0x0800, "ip_proto": 17, "udp_dst": 53, "nw_ttl": 9, "ipv4_src": 0x0A000001, "ipv4_dst": 5}


def rule(stage: str, fields: dict[str, int | tuple[int, int]], *actions: object) -> Rule:
    return Rule(stage, len(fields), match(fields), actions, f"test/{stage}")  # type: ignore[arg-type]


def network(a: list[Rule], b: list[Rule], **functions: object) -> Network:
    return Network(
        {"a": Program(a, TABLES), "b": Program(b, TABLES)},
        {"a": {1: "client", 2: "fw"}, "b": {1: "server"}},
        {"a": TunnelEnd(PLAIN, GPE, "10.99.0.1"), "b": TunnelEnd(PLAIN, GPE, "10.99.0.2")},
        functions,  # type: ignore[arg-type]
    )


def to(node: str, port: int = PLAIN) -> tuple[object, ...]:
    return (SetField("tun_dst", NODES[node]), SetField("tunnel_id", 7), Output(port))


def ends(journey: Journey) -> list[str]:
    return [delivery.port for delivery in journey.deliveries]


def test_a_tunnel_carries_the_packet_and_its_key_but_no_register() -> None:
    journey = network(
        [rule("in", {"in_port": 1}, SetField("reg1", 4), SetField("metadata", 3), *to("b"))],
        [rule("in", {"in_port": PLAIN, "tunnel_id": 7, "reg1": 0, "metadata": 0}, Output(1))],
    ).send("client", Packet.of(UDP))
    assert journey.deliveries == (Delivery("server", Packet.of(UDP)),)
    first, second = journey.hops
    assert isinstance(first, Hop)
    assert isinstance(second, Hop)
    assert (first.node, first.came_by, second.node, second.came_by) == ("a", "client", "b", "tunnel from a")
    arrived = second.trace.visits[0].before.fields
    assert (arrived["tun_src"], arrived["tun_dst"]) == (NODES["a"], NODES["b"])


def test_the_gpe_tunnel_carries_nsh_and_the_plain_one_does_not() -> None:
    into = (Encap("nsh"), SetField("nsh_spi", 300))
    receive = [
        rule("in", {"in_port": GPE, "packet_type": 0x1894F, "nsh_spi": 300}, Decap(), Next("out")),
        rule("out", {"eth_type": 0x0800}, Output(1)),
    ]
    passed = network([rule("in", {}, *into, *to("b", GPE))], receive).send("client", Packet.of(UDP))
    assert ends(passed) == ["server"]
    for port in (PLAIN, 2):
        lost = network([rule("in", {}, *into, *to("b", port))], receive).send("client", Packet.of(UDP))
        assert ends(lost) == []
        assert isinstance(lost.hops[0], Hop)
        assert "carries no packet of type (1,0x894f)" in lost.hops[0].lost[0]


@pytest.mark.parametrize(
    ("actions", "reason"),
    [
        ((Output(PLAIN),), "no tunnel destination"),
        ((SetField("tun_dst", 5), Output(PLAIN)), "no node has address 0.0.0.5"),
        (to("a"), "10.99.0.1 is the node itself"),
        ((Output(9),), "a has no such port"),
    ],
)
def test_what_reaches_nobody_is_said(actions: tuple[object, ...], reason: str) -> None:
    journey = network([rule("in", {}, *actions)], []).send("client", Packet.of(UDP))
    assert ends(journey) == []
    assert isinstance(journey.hops[0], Hop)
    assert reason in journey.hops[0].lost[0]
    assert any(reason in line for line in explain(journey))


def test_a_function_gets_the_packet_and_sends_it_on() -> None:
    seen: list[Packet] = []

    def firewall(packet: Packet) -> list[tuple[str, Packet]]:
        seen.append(packet)
        return [("fw", packet.set("nw_ttl", 8))]

    journey = network(
        [rule("in", {"in_port": 1}, SetField("reg0", 1), Output(2)), rule("in", {"in_port": 2}, *to("b"))],
        [rule("in", {"in_port": PLAIN}, Output(1))],
        fw=firewall,
    ).send("client", Packet.of(UDP))
    assert seen == [Packet.of(UDP)]
    assert journey.deliveries[0].packet.fields["nw_ttl"] == 8
    kinds = [type(hop) for hop in journey.hops]
    assert kinds == [Hop, FunctionHop, Hop, Hop]
    lines = explain(journey)
    assert lines[0].startswith("a: ")
    assert any(line.startswith("function at fw: ") and line.endswith("sends by fw") for line in lines)
    assert lines[-1].startswith("delivered to server: ")


def test_a_function_may_keep_the_packet() -> None:
    journey = network([rule("in", {"in_port": 1}, Output(2))], [], fw=lambda packet: []).send("client", Packet.of(UDP))
    assert ends(journey) == []
    assert explain(journey)[-1] == "delivered to nobody"


def test_a_packet_that_goes_round_is_given_up() -> None:
    journey = network(
        [rule("in", {"in_port": 1}, *to("b")), rule("in", {}, SetField("tun_dst", NODES["b"]), Output(IN_PORT))],
        [rule("in", {}, SetField("tun_dst", NODES["a"]), Output(IN_PORT))],
    ).send("client", Packet.of(UDP))
    assert journey.looped
    assert "circle" in explain(journey)[-1]


def test_names_and_addresses_are_of_one_node() -> None:
    ends = {"a": TunnelEnd(1, 2, "10.99.0.1"), "b": TunnelEnd(1, 2, "10.99.0.1")}
    with pytest.raises(ValueError, match=r"10\.99\.0\.1"):
        Network({}, {}, ends)
    with pytest.raises(ValueError, match="client"):
        Network({}, {"a": {1: "client"}, "b": {1: "client"}}, {})
