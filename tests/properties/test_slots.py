"""Which flows move when a group's instances change: only those that must. Flows hash as a switch hashes them."""

from __future__ import annotations

from collections.abc import Sequence
from random import Random

from hypothesis import example, given, settings
from hypothesis import strategies as st
from states import BASE
from strategies import many
from worlds import World, visited

from segue.compile.rules.paths import ROUNDS
from segue.intent import parse
from segue.model.path import EMPTY, Hop, Step
from segue.packet.addresses import derived_mac
from segue.rollout.slots import MOST_SLOTS, NEAR, assign
from segue.verify.hash import multipath
from segue.verify.packet import Packet

CHECKED = settings(deadline=None, max_examples=many(60))
BASIS = 4711
Weights = dict[str, int]


def flows(count: int) -> list[dict[str, int]]:
    rng = Random(count)
    return [
        {
            "eth_type": 0x0800,
            "packet_type": 0,
            "ipv4_src": rng.getrandbits(32),
            "ipv4_dst": rng.getrandbits(32),
            "ip_proto": 17,
            "ip_frag": 0,
            "udp_src": rng.getrandbits(16),
            "udp_dst": rng.getrandbits(16),
        }
        for _ in range(count)
    ]


FLOWS = flows(300)


def hops(weights: Weights) -> tuple[Hop, ...]:
    return tuple(Hop(name, "n1", 1, "in", 2, "out", 3, 4, False, "bridge", False, w) for name, w in weights.items())


def step(weights: Weights, previous: Step | None = None) -> Step:
    chosen = hops(weights)
    return Step("g", BASIS, chosen, assign(chosen, previous))


def instance(of: Step, flow: dict[str, int]) -> tuple[str, int]:
    """(the flow's instance, how many empty slots it met)."""
    slots = of.slots
    for turn in range(ROUNDS):
        hop = slots[multipath(flow, BASIS + turn, len(slots))]
        if hop != EMPTY:
            return of.hops[hop].instance, turn
    filled = [hop for hop in slots if hop != EMPTY]
    return of.hops[filled[multipath(flow, BASIS + ROUNDS, len(filled))]].instance, ROUNDS


def moved(old: Step, new: Step) -> list[tuple[str, str]]:
    """From where to where, for flows that moved and did not meet ROUNDS empty slots: what those choose then, they
    choose among all that are left."""
    found = []
    for flow in FLOWS:
        (before, met), (after, meets) = instance(old, flow), instance(new, flow)
        if before != after and max(met, meets) < ROUNDS:
            found.append((before, after))
    return found


names = st.sampled_from([f"i{n}" for n in range(8)])
weights = st.dictionaries(names, st.sampled_from([1, 1, 1, 2, 3, 5, 100, 255]), min_size=1, max_size=8)


@st.composite
def histories(draw: st.DrawFn, of: st.SearchStrategy[Weights] = weights) -> Step:
    """A group after some coming and going."""
    now = step(draw(of))
    for _ in range(draw(st.integers(0, 4))):
        now = step(draw(of), now)
    return now


def weights_of(of: Step) -> Weights:
    return {hop.instance: hop.weight for hop in of.hops}


@CHECKED
@given(histories(st.dictionaries(names, st.sampled_from([1, 1, 2, 3, 5]), min_size=1)), st.data())
@example(step({"a": 2, "b": 2, "c": 1}), None)
@example(step({"a": 100, "b": 100, "c": 50}), None)
@example(step({"a": 255, "b": 1, "c": 1}), None)
@example(step({"a": 1, "b": 1, "d": 1}, step({"a": 1, "b": 1, "c": 1, "d": 1})), None)
def test_who_leaves_moves_its_own_flows_alone(old: Step, data: st.DataObject | None) -> None:
    """Where slots are as many as the weights ask for; with the ratios of large weights this can hold only nearly."""
    now = weights_of(old)
    leaving = data.draw(st.sets(st.sampled_from(sorted(now)), max_size=len(now) - 1)) if data else {max(now)}
    new = step({name: weight for name, weight in now.items() if name not in leaving}, old)
    assert all(before in leaving for before, _ in moved(old, new))


@CHECKED
@given(st.lists(names, min_size=1, unique=True), st.data())
def test_who_comes_takes_flows_and_nothing_else_moves(present: list[str], data: st.DataObject) -> None:
    """Where all have one weight."""
    old = step(dict.fromkeys(present, 1))
    for leaving in data.draw(st.lists(st.sampled_from(present), unique=True, max_size=len(present) - 1)):
        old = step({name: 1 for name in weights_of(old) if name != leaving}, old)
    new = step({**weights_of(old), "new": 1}, old)
    assert {after for _, after in moved(old, new)} <= {"new"}
    assert any(instance(new, flow)[0] == "new" for flow in FLOWS)


@CHECKED
@given(histories())
def test_everyone_has_its_share(now: Step) -> None:
    slots = [hop for hop in now.slots if hop != EMPTY]
    total, weight = len(slots), sum(hop.weight for hop in now.hops)
    assert len(now.slots) <= MOST_SLOTS
    for number, hop in enumerate(now.hops):
        share = slots.count(number)
        assert share >= 1
        # Never off by more than rounding to whole slots, and the one slot that everybody gets, may cost.
        assert abs(share / total - hop.weight / weight) <= allowance(now.hops), (weights_of(now), now.slots)


def allowance(of: Sequence[Hop]) -> float:
    return NEAR + (len(of) + 1) / MOST_SLOTS


@CHECKED
@given(histories())
def test_no_change_changes_nothing(now: Step) -> None:
    assert step(weights_of(now), now).slots == now.slots


@CHECKED
@given(histories())
def test_flows_are_spread_by_weight(now: Step) -> None:
    many = flows(1000)
    counted = [instance(now, flow)[0] for flow in many]
    slots = [hop for hop in now.slots if hop != EMPTY]
    for number, hop in enumerate(now.hops):
        expected = slots.count(number) / len(slots)
        spread = 5 * (expected * (1 - expected) / len(many)) ** 0.5
        assert abs(counted.count(hop.instance) / len(many) - expected) < spread + 0.05


def test_flows_of_a_chain_stay_when_an_instance_leaves_and_comes_back() -> None:
    """Through the whole compiler, and answers meet whom the questions met."""
    world = World()

    def met(source_port: int, back: bool) -> str:
        ends = (2, 1) if back else (1, 2)
        fields = {
            "eth_src": derived_mac("port", "server" if back else "client"),
            "eth_dst": derived_mac("port", "client" if back else "server"),
            "eth_type": 0x0800,
            "ipv4_src": 0x0A000000 + ends[0],
            "ipv4_dst": 0x0A000000 + ends[1],
            "nw_ttl": 64,
            "ip_proto": 17,
            "udp_dst" if back else "udp_src": source_port,
        }
        journey = world.send("server" if back else "client", Packet.of(fields))
        [(name, _)] = visited(journey, world)
        return name

    def all_met(members: str) -> dict[int, str]:
        match = "match: {from: client, to: server}"
        chain = f"\nchains: {{c: {{{match}, through: [[{members}]], symmetric: true}}}}"
        world.become(dict(parse(BASE + chain, "test").objects))
        world.settle()
        there = {port: met(port, False) for port in range(1, 60)}
        assert {port: met(port, True) for port in there} == there
        return there

    every = all_met("f1, f2, f3")
    assert set(every.values()) == {"f1", "f2", "f3"}
    fewer = all_met("f1, f3")
    assert all(fewer[port] == name for port, name in every.items() if name != "f2")
    again = all_met("f3, f2, f1")
    assert again == every
