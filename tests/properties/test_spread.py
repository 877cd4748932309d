"""Which instance a packet meets where a group says what is hashed: the same for all that agree in it, in both
directions; and flows that differ in it are spread by weight."""

from __future__ import annotations

import random
from collections import Counter
from functools import cache

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from worlds import World, visited

from segue.intent import parse
from segue.model.spread import FIELDS, HASHES
from segue.packet.addresses import derived_mac
from segue.server.conductor import Refused
from segue.verify.explain import explain
from segue.verify.meaning import FORWARD, Meaning, spread_key
from segue.verify.packet import Packet

INTENT = """
nodes: [n1, n2, n3]
networks: {{web: [10.0.0.0/8, "2001:db8::/32"]}}
ports:
  client: {{network: web, node: n1, security: false}}
  server: {{network: web, node: n3, security: false}}
instances:
  a: {{node: n1, weight: 3}}
  b: n2
  c: {{node: n3, weight: 2}}
groups:
  g: {{instances: [{members}], hash: [{hashed}]}}
chains:
  c:
    match: [{{network: web, from: 10.0.0.0/9}}, {{network: web, from: "2001:db8::/33"}}]
    through: [g]
    symmetric: {symmetric}
"""
SETS = sorted(HASHES)
ETHERNET = [fields for fields in SETS if "eth_src" in fields]


@cache
def world(hashed: tuple[str, ...], members: str = "a, b, c") -> World:
    """At rest; where the instances differ from all three, ``b`` has gone."""
    made = World()
    symmetric = "false" if hashed in ETHERNET else "true"
    for now in ("a, b, c", members):
        text = INTENT.format(hashed=", ".join(hashed), members=now, symmetric=symmetric)
        made.become(dict(parse(text, "test").objects))
        made.settle()
    return made


def some_packet(rng: random.Random) -> Packet:
    family = rng.choice((4, 6))
    first, upper = (10 << 24, 1 << 23) if family == 4 else (0x20010DB8 << 96, 1 << 95)
    protocol, name = rng.choice(((6, "tcp"), (17, "udp")))
    return Packet.of(
        {
            "eth_src": rng.getrandbits(32) | 2 << 40,
            "eth_dst": derived_mac("port", "server"),
            "eth_type": 0x0800 if family == 4 else 0x86DD,
            f"ipv{family}_src": first | rng.getrandbits(20),
            f"ipv{family}_dst": first | upper | rng.getrandbits(20),
            "nw_ttl": 64,
            "ip_proto": protocol,
            f"{name}_src": rng.getrandbits(16),
            f"{name}_dst": rng.getrandbits(16),
        }
    )


def met(made: World, packet: Packet, port: str = "client") -> str:
    journey = made.send(port, packet)
    names = [name for name, _ in visited(journey, made)]
    assert len(names) == 1, explain(journey)
    return names[0]


def changed(packet: Packet, hashed: tuple[str, ...], rng: random.Random) -> Packet:
    """Another one of the same kind that agrees in what is hashed."""
    other = some_packet(rng)
    while [name for name in other.fields if name not in packet.fields]:
        other = some_packet(rng)
    family = 4 if "ipv4_src" in packet.fields else 6
    for field in hashed:
        name = field.replace("ip_", f"ipv{family}_") if field.startswith("ip_") else field
        if name in packet.fields:
            other = other.set(name, packet.fields[name])
    assert spread_key(other, hashed) == spread_key(packet, hashed)
    return other


@settings(deadline=None, max_examples=150)
@given(hashed=st.sampled_from(SETS), members=st.sampled_from(["a, b, c", "a, c"]), seed=st.integers(0, 1 << 30))
def test_packets_that_agree_meet_the_same_instance(hashed: tuple[str, ...], members: str, seed: int) -> None:
    made, rng = world(hashed, members), random.Random(seed)
    packet = some_packet(rng)
    first = met(made, packet)
    assert first in members
    for _ in range(4):
        other = changed(packet, hashed, rng)
        assert met(made, other) == first


@settings(deadline=None, max_examples=100)
@given(hashed=st.sampled_from([fields for fields in SETS if fields not in ETHERNET]), seed=st.integers(0, 1 << 30))
def test_answers_to_packets_that_agree_meet_it_too(hashed: tuple[str, ...], seed: int) -> None:
    made, rng = world(hashed), random.Random(seed)
    packet = some_packet(rng)
    first = met(made, packet)
    for asked in (packet, changed(packet, hashed, rng)):
        fields = dict(asked.frame.network)
        for name in list(fields):
            if name.endswith("_src"):
                other = name.removesuffix("_src") + "_dst"
                fields[name], fields[other] = fields[other], fields[name]
        link = {"eth_src": derived_mac("port", "server"), "eth_dst": 0x02 << 40, "eth_type": asked.frame.eth_type}
        answer = Packet.of({**fields, **link})
        outcome = Meaning(made.objects, made.places).send("server", answer)
        assert outcome.direction != FORWARD
        assert met(made, answer, "server") == first


@pytest.mark.parametrize("hashed", SETS)
def test_flows_that_differ_spread_by_weight(hashed: tuple[str, ...]) -> None:
    rng = random.Random(5)
    counts = Counter(met(world(hashed), some_packet(rng)) for _ in range(600))
    for name, share in (("a", 300), ("b", 100), ("c", 200)):
        assert abs(counts[name] - share) < 75, counts


@pytest.mark.parametrize("hashed", SETS)
def test_an_instance_that_leaves_moves_its_own_flows(hashed: tuple[str, ...]) -> None:
    rng = random.Random(6)
    for _ in range(200):
        packet = some_packet(rng)
        before, after = met(world(hashed), packet), met(world(hashed, "a, c"), packet)
        assert after == before if before != "b" else after != "b"


@pytest.mark.parametrize("hashed", [("eth_dst",), ("udp_src",), ("ip_src", "udp_dst"), (*FIELDS,), ("src",)])
def test_other_sets_are_refused_with_those_there_are(hashed: tuple[str, ...]) -> None:
    made = world(())
    group = made.objects["group", "g"]
    with pytest.raises(Refused, match=r"\[ip_src, ip_dst\]") as refused:
        made.apply({("group", "g"): type(group)(name="g", instances=group.instances, hash=hashed)})  # type: ignore
    assert {problem.field for problem in refused.value.problems} == {"hash"}


@pytest.mark.parametrize("hashed", ETHERNET)
def test_addresses_that_answers_do_not_have_are_refused_for_symmetric_chains(hashed: tuple[str, ...]) -> None:
    text = INTENT.format(hashed=", ".join(hashed), members="a, b, c", symmetric="true")
    with pytest.raises(Refused, match="symmetric: false"):
        World().become(dict(parse(text, "test").objects))


@pytest.mark.parametrize("hashed", ETHERNET)
def test_addresses_that_functions_take_away_are_refused_behind_them(hashed: tuple[str, ...]) -> None:
    text = INTENT.format(hashed=", ".join(hashed), members="a, b", symmetric="false")
    with pytest.raises(Refused, match="instance 'c' before it"):
        World().become(dict(parse(text.replace("through: [g]", "through: [c, g]"), "test").objects))
