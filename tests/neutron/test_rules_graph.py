from __future__ import annotations

import itertools

import pytest

from segue.neutron import quota

from . import ONE, OTHER, World, refused

MISSING = "00000000-0000-4000-8000-00000000ffff"


@pytest.fixture
def world() -> World:
    return World()


def chains(world: World, count: int, correlation: str = "mpls", **given: object) -> list[str]:
    """Chains of empty groups, which can be put together in any way."""
    parameters = {"correlation": correlation, "symmetric": False}
    return [world.chain(world.group(), chain_parameters=parameters, **given) for _ in range(count)]  # type: ignore[arg-type]


def test_a_graph_may_branch_and_join_and_start_twice(world: World) -> None:
    a, b, c, d, e = chains(world, 5)
    given = {a: [b, c], b: [d], c: [d], e: [c]}
    assert world.create("service_graph", port_chains=given)["port_chains"] == given


def test_a_source_without_destinations_says_nothing(world: World) -> None:
    (a,) = chains(world, 1)
    assert world.create("service_graph", port_chains={})["port_chains"] == {}
    assert world.create("service_graph", port_chains={a: []})["port_chains"] == {}
    world.delete("port_chain", a)


def test_unknown_and_foreign_chains_are_not_found(world: World) -> None:
    a, b = chains(world, 2)
    foreign = world.chain(world.group(caller=OTHER), caller=OTHER)
    for given in ({MISSING: []}, {a: [MISSING]}, {a: [b, foreign]}, {foreign: [a]}):
        missing = foreign if foreign in [*given, *(end for ends in given.values() for end in ends)] else MISSING
        with refused(404, "PortChainNotFound", f"Port Chain {missing} not found."):
            world.create("service_graph", port_chains=given)


def test_a_chain_has_one_graph(world: World) -> None:
    a, b, c = chains(world, 3)
    made = world.create("service_graph", port_chains={a: [b]})["id"]
    for given in ({a: [c]}, {c: [b]}):
        with refused(409, "ServiceGraphInvalidPortChains", "are already in use by a Service Graph."):
            world.create("service_graph", port_chains=given)
    world.delete("service_graph", made)
    world.create("service_graph", port_chains={c: [b]})


@pytest.mark.parametrize("circle", [{0: [0]}, {0: [1], 1: [0]}, {3: [0], 0: [1], 1: [2], 2: [0]}])
def test_a_graph_has_no_circle(world: World, circle: dict[int, list[int]]) -> None:
    made = chains(world, 4)
    given = {made[source]: [made[end] for end in ends] for source, ends in circle.items()}
    text = "Service Graph defined contains at least one port chain loop."
    with refused(400, "ServiceGraphLoopDetected", text):
        world.create("service_graph", port_chains=given)


def test_a_long_graph_is_no_trouble(world: World) -> None:
    world.apply(quota.update(world.state, "one", {"port_chain": -1, "port_pair_group": -1}))
    made = chains(world, 3000)
    given = {one: [other] for one, other in itertools.pairwise(made)}
    world.create("service_graph", port_chains=given)


def test_a_destination_is_named_once(world: World) -> None:
    a, b = chains(world, 2)
    text = f"Port Chain {b} is duplicated on one of the branching points being created."
    with refused(400, "ServiceGraphPortChainInConflict", text):
        world.create("service_graph", port_chains={a: [b, b]})


def test_all_chains_have_one_encapsulation(world: World) -> None:
    a, b = chains(world, 2)
    c, d = chains(world, 2, "nsh")
    text = "Service Graph may only connect port-chains sharing the same correlation."
    for given in ({a: [c]}, {a: [b], c: [d]}):
        with refused(400, "ServiceGraphInconsistentEncapsulation", text):
            world.create("service_graph", port_chains=given)


def test_the_instances_at_a_branch_keep_the_encapsulation(world: World) -> None:
    network, _ = world.network()
    plain, aware = world.group(world.pair(network)), world.group(world.pair(network, "mpls"))
    inwards, outwards = world.chain(plain, aware), world.chain(aware, plain)
    text = "Service Graphs require source (branching) and destination port pair groups (their PPs)"
    for given in ({outwards: [inwards]}, {inwards: [inwards]}, {outwards: [outwards]}):
        with refused(400, "ServiceGraphImpossibleBranching", text):
            world.create("service_graph", port_chains=given)
    world.create("service_graph", port_chains={inwards: [outwards]})


def test_a_group_at_a_branch_cannot_get_instances_that_lose_the_encapsulation(world: World) -> None:
    network, _ = world.network()
    plain, aware = world.pair(network), world.pair(network, "mpls")
    last, first, elsewhere = world.group(), world.group(), world.group()
    a, b = world.chain(elsewhere, last), world.chain(first, elsewhere)
    world.create("service_graph", port_chains={a: [b]})
    for group in (last, first):
        with refused(400, "ServiceGraphImpossibleBranching"):
            world.update("port_pair_group", group, port_pairs=[plain])
        world.update("port_pair_group", group, port_pairs=[aware])
        world.update("port_pair_group", group, port_pairs=[])
    world.update("port_pair_group", elsewhere, port_pairs=[plain])


def test_classifiers_at_a_branch_tell_the_destinations_apart(world: World) -> None:
    network, _ = world.network()
    tcp, udp, everything = (
        world.classifier(protocol=protocol, logical_source_port=world.port(network))
        for protocol in ("tcp", "udp", None)
    )
    (source,) = chains(world, 1)
    (to_tcp,) = chains(world, 1, classifiers=(tcp,))
    (to_udp,) = chains(world, 1, classifiers=(udp,))
    world.delete("service_graph", world.create("service_graph", port_chains={source: [to_tcp, to_udp]})["id"])
    # Two chains with overlapping classifiers can only be one's and another's, seen by an admin, or one chain's own.
    world.update("port_chain", to_udp, flow_classifiers=[])
    world.update("port_chain", to_tcp, flow_classifiers=[tcp, everything])
    text = f"Flow Classifier {tcp} conflicts with Flow Classifier {everything} on one of the branching points"
    with refused(400, "ServiceGraphFlowClassifierInConflict", text):
        world.create("service_graph", port_chains={source: [to_tcp]})


def test_a_chain_in_a_graph_keeps_its_groups_and_classifiers(world: World) -> None:
    a, b = chains(world, 2)
    classifier, group = world.classifier(), world.group()
    world.create("service_graph", port_chains={a: [b]})
    for chain in (a, b):
        for change in ({"flow_classifiers": [classifier]}, {"port_pair_groups": [group]}, {"flow_classifiers": []}):
            with refused(409, "ServiceGraphPortChainInUse", f"Port Chain {chain} in use."):
                world.update("port_chain", chain, **change)
        with refused(409, "ServiceGraphPortChainInUse", f"Port Chain {chain} in use."):
            world.delete("port_chain", chain)
        world.update("port_chain", chain, name="renamed", description="too")


def test_a_foreign_graph_is_not_found(world: World) -> None:
    made = world.create("service_graph", ONE, port_chains={})["id"]
    with refused(404, "ServiceGraphNotFound", f"Service Graph {made} not found."):
        world.delete("service_graph", made, OTHER)
    with refused(404, "ServiceGraphNotFound"):
        world.update("service_graph", made, OTHER, name="mine")
    assert world.update("service_graph", made, name="renamed")["name"] == "renamed"
