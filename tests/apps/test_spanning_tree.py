"""The tree that floods follow, as a function, and where switches flood to while links and ports come and go."""

import asyncio
import random
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from openflow.channels import run, until
from openflow.controllers import Peer, running, up
from segue.apps import discovery, spanning_tree
from segue.apps.discovery import End
from segue.apps.spanning_tree import SETTLE, Floods, tree
from segue.openflow import MAX_PORT, V13, App, Port, PortState, PortStatus, TopologyChanged


@st.composite
def networks(draw: st.DrawFn) -> tuple[set[int], dict[End, End]]:
    """Switches, and links of which some were seen in one direction only, or end at switches that are not there."""
    switches = set(range(1, draw(st.integers(1, 9)) + 1))
    links: dict[End, End] = {}
    for n in range(draw(st.integers(0, 16))):
        a, b = draw(st.integers(1, 10)), draw(st.integers(1, 10))
        one, other = (a, 2 * n + 1), (b, 2 * n + 2)
        seen = draw(st.integers(0, 7))
        if seen != 1:
            links[one] = other
        if seen != 2:
            links[other] = one
    return switches, links


def components(switches: set[int], pairs: list[tuple[int, int]]) -> set[frozenset[int]]:
    found = {switch: {switch} for switch in switches}
    for a, b in pairs:
        if found[a] is not found[b]:
            found[a] |= found[b]
            for switch in found[b]:
                found[switch] = found[a]
    return {frozenset(group) for group in found.values()}


def both_seen(switches: set[int], links: dict[End, End]) -> list[tuple[End, End]]:
    return [
        (one, other)
        for one, other in links.items()
        if one < other and links.get(other) == one and {one[0], other[0]} <= switches
    ]


@given(networks())
def test_the_tree_is_a_forest_that_reaches_whatever_can_be_reached(network: tuple[set[int], dict[End, End]]) -> None:
    switches, links = network
    ends = tree(switches, links)
    usable = both_seen(switches, links)
    used = [(one, other) for one, other in usable if one in ends]
    assert ends == {end for link in used for end in link}, "a link is used at both ends"
    pairs = [(one[0], other[0]) for one, other in used]
    whole = components(switches, [(one[0], other[0]) for one, other in usable])
    assert components(switches, pairs) == whole
    assert len(pairs) == len(switches) - len(whole), "as many links reach them all without a loop"


@given(networks(), st.randoms(use_true_random=False))
def test_the_same_links_make_the_same_tree(network: tuple[set[int], dict[End, End]], chance: random.Random) -> None:
    switches, links = network
    shuffled = list(links.items())
    chance.shuffle(shuffled)
    assert tree(sorted(switches, reverse=True), dict(shuffled)) == tree(switches, links)


def test_the_tree_is_of_the_least_hops_and_over_the_lowest_ports() -> None:
    links: dict[End, End] = {}
    for one, other in (((1, 5), (2, 5)), ((1, 4), (2, 4)), ((2, 1), (3, 1)), ((3, 2), (4, 2)), ((4, 1), (1, 9))):
        links |= {one: other, other: one}
    assert tree({1, 2, 3, 4}, links) == {(1, 4), (2, 4), (2, 1), (3, 1), (4, 1), (1, 9)}
    assert tree(set(), links) == set()


# -- where switches flood to ---------------------------------------------------------------------------------------


def ports(*numbers: int, down: tuple[int, ...] = ()) -> dict[int, Port]:
    return {n: Port(n, state=PortState.LINK_DOWN if n in down else 0) for n in (*numbers, *down)}


def test_hosts_ports_wait_and_links_do_not() -> None:
    floods = Floods()
    switches = {1: ports(1, 2, MAX_PORT, down=(3,)), 2: ports(1, 2)}
    floods.fresh([(n, port) for n, own in switches.items() for port in own], 0.0)
    link = {(1, 1): (2, 1), (2, 1): (1, 1)}
    assert floods.due() == SETTLE
    assert floods.plan(switches, link, 0.1) == {1: (frozenset({1}), False), 2: (frozenset({1}), False)}
    assert floods.plan(switches, {}, SETTLE - 0.01)[1][0] == frozenset()
    assert floods.plan(switches, link, SETTLE)[1][0] == frozenset({1, 2})
    assert floods.due() is None


def test_links_that_are_not_of_the_tree_are_not_flooded_to() -> None:
    floods = Floods()
    switches = {1: ports(1, 2, 9), 2: ports(1, 2, 9)}
    double = {(1, 1): (2, 1), (2, 1): (1, 1), (1, 2): (2, 2), (2, 2): (1, 2)}
    assert floods.plan(switches, double, 0.0) == {1: (frozenset({1, 9}), False), 2: (frozenset({1, 9}), False)}
    del double[2, 1]  # seen in one direction: of no use, but no host's
    assert floods.plan(switches, double, 1.0) == {1: (frozenset({2, 9}), True), 2: (frozenset({2, 9}), True)}
    assert floods.plan(switches, double, 2.0)[1][1] is False
    floods.forget(1)
    assert floods.trunk(1) == frozenset()
    assert floods.trunk(2) == frozenset({2})


def test_switches_flood_along_the_tree_and_hear_when_it_changes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(spanning_tree, "SETTLE", 0.1)
    monkeypatch.setattr(spanning_tree, "PAUSE", 0.01)
    app, changed = App("told"), []
    app.on(TopologyChanged)(lambda switch, event: changed.append(switch.id))

    async def main() -> None:
        async with running([app, spanning_tree.app, discovery.app]) as (controller, target):
            for number in (1, 2, 3):
                await up(controller, Peer(number, ports=[Port(n) for n in (1, 2, 3)]), target, V13)
                assert controller.switches[number].flood_ports == frozenset(), (
                    "nothing before it is known what is there"
                )
            one, two, three = (controller.switches[n] for n in (1, 2, 3))
            await until(lambda: all(switch.flood_ports == {1, 2, 3} for switch in (one, two, three)))
            topology = discovery.topology_of(controller)

            def link(a: End, b: End) -> None:
                now = asyncio.get_running_loop().time()
                for change in (*topology.arrived(a, b, now), *topology.arrived(b, a, now)):
                    controller.emit(controller, change)

            link((1, 1), (2, 2))
            link((2, 1), (3, 2))
            link((3, 1), (1, 2))
            assert one.flood_ports == three.flood_ports == {3}, "a new link waits for the next tree"
            await until(lambda: one.flood_ports == {1, 2, 3})
            assert two.flood_ports == {2, 3}
            assert three.flood_ports == {1, 3}
            assert [action.port for action in one.flood(1)] == [2, 3]
            changed.clear()
            for gone in topology.without({(1, 1)}, "test"):
                controller.emit(controller, gone)
            await until(lambda: 1 in two.flood_ports and 2 in three.flood_ports)  # type: ignore[operator]
            assert set(changed) == {1, 2, 3}
            controller.load([app])
            assert one.flood_ports is None
            assert controller.failures == 0

    run(main)


def test_ports_of_hosts_that_come_and_go(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(spanning_tree, "SETTLE", 0.1)
    monkeypatch.setattr(spanning_tree, "PAUSE", 0.01)

    async def main() -> None:
        async with running([spanning_tree.app, discovery.app]) as (controller, target):
            peer = await up(controller, Peer(), target, V13)
            switch = controller.switches[1]
            await until(lambda: switch.flood_ports == {1, 2})
            steps: list[tuple[Any, set[int]]] = [
                (PortStatus(2, Port(1, state=PortState.LINK_DOWN)), {2}),
                (PortStatus(2, Port(1)), {2}),
                (PortStatus(1, Port(2)), set()),
                (PortStatus(0, Port(7)), set()),
            ]
            for msg, at_once in steps:
                before = switch.ports
                peer.channel.send(msg)
                await until(lambda: before.get(msg.desc.port_no) == (None if msg.reason == 1 else msg.desc))  # noqa: B023
                assert switch.flood_ports == at_once, msg
            await until(lambda: switch.flood_ports == {1, 7})
            peer.channel.send(PortStatus(2, Port(7, name="other")))  # it was up and is: nothing waits
            await until(lambda: switch.ports[7].name == "other")
            assert switch.flood_ports == {1, 7}
            await asyncio.sleep(0)

    run(main)
