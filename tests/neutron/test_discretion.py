"""A project that is refused something is told of its own objects, and of others' that they are in the way."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from segue.neutron.caller import Caller
from segue.neutron.discretion import discreet
from segue.neutron.errors import Fault
from segue.neutron.names import KIND_OF, id_of
from segue.neutron.state import State

from . import ADMIN, ONE, OTHER, World

FOREIGN = "something of another project"
FAR = "10.7.0.0/24"


@pytest.fixture
def world() -> World:
    return World()


def _used_by_pairs(world: World, caller: Caller) -> tuple[str, list[str]]:
    port = world.port(world.network()[0])
    pair = world.create("port_pair", ADMIN, ingress=port, egress=port, project_id=caller.project)["id"]
    return port, [pair]


def deleted(world: World, caller: Caller) -> tuple[Callable[[], object], list[str]]:
    port, users = _used_by_pairs(world, caller)
    return lambda: world.delete("port", port), users


def classified(world: World, caller: Caller) -> tuple[Callable[[], object], list[str]]:
    port = world.port(world.network()[0])
    user = world.create("flow_classifier", ADMIN, logical_source_port=port, project_id=caller.project)["id"]
    return lambda: world.delete("port", port), [user]


def given_another_device(world: World, caller: Caller) -> tuple[Callable[[], object], list[str]]:
    port, users = _used_by_pairs(world, caller)
    return lambda: world.update("port", port, device_id="another"), users


def made_an_interface(world: World, caller: Caller) -> tuple[Callable[[], object], list[str]]:
    port = world.port(world.network()[0], device_id="")
    pair = {**world.show("port_pair", world.pair(world.network(FAR)[0])), "ingress": port, "egress": port}
    world.apply({("port_pair", "pair"): {**pair, "id": "pair", "project_id": caller.project}})
    router = world.create("router")["id"]
    return lambda: world.connect(router, port_id=port), ["pair pair"]


def without_its_gateway(world: World, caller: Caller) -> tuple[Callable[[], object], list[str]]:
    _, subnet = world.network()
    router = world.create("router", ADMIN, project_id=caller.project)["id"]
    port = world.connect(router, ADMIN, subnet_id=subnet)["port_id"]
    return lambda: world.update("subnet", subnet, gateway_ip=None), [port]


def _between_two(world: World, caller: Caller) -> tuple[str, str, list[str]]:
    """A router of the caller's with a subnet of somebody's, and a subnet that overlaps it."""
    theirs = world.network("10.0.0.0/16", ADMIN, project_id=caller.project)[1]
    router = world.create("router")["id"]
    world.connect(router, ADMIN, subnet_id=theirs)
    return router, world.network()[1], [theirs, "10.0.0.0/16"]


def connected_by_subnet(world: World, caller: Caller) -> tuple[Callable[[], object], list[str]]:
    router, subnet, theirs = _between_two(world, caller)
    return lambda: world.connect(router, subnet_id=subnet), theirs


def connected_by_port(world: World, caller: Caller) -> tuple[Callable[[], object], list[str]]:
    router, subnet, theirs = _between_two(world, caller)
    port = world.port(world.show("subnet", subnet)["network_id"], device_id="")
    return lambda: world.connect(router, port_id=port), theirs


def disconnected(world: World, caller: Caller) -> tuple[Callable[[], object], list[str]]:
    router, subnet = world.create("router")["id"], world.network()[1]
    port = world.connect(router, subnet_id=subnet)["port_id"]
    user = world.create("flow_classifier", ADMIN, logical_source_port=port, project_id=caller.project)["id"]
    return lambda: world.disconnect(router, subnet_id=subnet), [user]


def disconnected_from_theirs(world: World, caller: Caller) -> tuple[Callable[[], object], list[str]]:
    network, subnet = world.network(FAR, ADMIN, project_id=caller.project)
    router = world.create("router")["id"]
    port = world.create("port", ADMIN, project_id=caller.project, network_id=network)["id"]
    world.connect(router, ADMIN, port_id=port)
    world.classifier(ADMIN, logical_source_port=port, project_id=caller.project)
    return lambda: world.disconnect(router, subnet_id=subnet), [port, network]


def disconnected_with_routes(world: World, caller: Caller) -> tuple[Callable[[], object], list[str]]:
    router, subnet = world.create("router")["id"], world.network(FAR, ADMIN, project_id=caller.project)[1]
    port = world.connect(router, ADMIN, subnet_id=subnet)["port_id"]
    world.update("router", router, routes=[{"destination": "0.0.0.0/0", "nexthop": "10.7.0.9"}])
    return lambda: world.disconnect(router, port_id=port), [subnet]


CASES = [
    deleted,
    classified,
    given_another_device,
    made_an_interface,
    without_its_gateway,
    connected_by_subnet,
    connected_by_port,
    disconnected,
    disconnected_from_theirs,
    disconnected_with_routes,
]


@pytest.mark.parametrize("case", CASES)
@pytest.mark.parametrize("whose", [ONE, OTHER], ids=["own", "foreign"])
def test_a_refusal_names_what_is_ones_own(world: World, case: Callable, whose: Caller) -> None:
    ask, names = case(world, whose)
    with pytest.raises(Fault) as caught:
        ask()
    own = whose is ONE
    assert (FOREIGN in caught.value.message) is not own
    assert [name in caught.value.message for name in names] == [own] * len(names), caught.value.message


def test_an_administrator_is_told_all(world: World) -> None:
    port, (pair,) = _used_by_pairs(world, OTHER)
    for ask in (
        lambda: world.delete("port", port, ADMIN),
        lambda: world.update("port", port, ADMIN, device_id="another"),
    ):
        with pytest.raises(Fault, match=pair):
            ask()


def test_of_several_in_the_way_ones_own_is_named(world: World) -> None:
    port, _ = _used_by_pairs(world, OTHER)
    own = world.create("port_pair", ingress=port, egress=world.port(world.show("port", port)["network_id"]))["id"]
    for ask in (lambda: world.delete("port", port), lambda: world.update("port", port, device_id="another")):
        with pytest.raises(Fault, match=f"port pair {own}"):
            ask()


# Texts of those who see the whole network


CHAIN = "00000000-0000-4000-8000-000000000001"
THEIRS = "00000000-0000-4000-8000-000000000002"
WAY = "something of another project is in the way"


@pytest.fixture
def state() -> State:
    def one(kind: str, id: str, project: str) -> tuple[tuple[str, str], dict]:
        needed = {"network_id": "", "fixed_ips": [], "mac_address": "", "ingress": "", "egress": ""}
        needed |= {"subnets": [], "port_pair_groups": [], "flow_classifiers": []}
        return (kind, id), {"id": id, "name": "n", "project_id": project, **needed}

    declared = [
        ("network", "lab", ""),
        ("router", "way.out", "other"),
        ("network", "desk", "one"),
        ("router", "desk", ""),
        *(("network", word, "") for word in ("node", "n1", "agent", "nsh", "is", "has", "chain", "that")),
        *(("port", word, "") for word in ("pair", "x")),
        *(("chain", word, project) for word, project in (("first", "one"), ("second", "other"), ("node", "one"))),
        ("instance", "wall", "other"),
    ]
    made = [one("network", CHAIN, "one"), one("network", THEIRS, "other")]
    return State(dict([*made, *(one(KIND_OF[kind], id_of(kind, name), project) for kind, name, project in declared)]))


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("chain new: it has no end", "chain new: it has no end"),
        (f"chain {CHAIN} (classifiers): 'x' of chain {THEIRS!r} too", f"chain {CHAIN} (classifiers): {WAY}"),
        (f"port {THEIRS} (mac): port {CHAIN!r} has the same", WAY),
        (f"it waits for {THEIRS}.", WAY),
        (f"chain {CHAIN}: in network lab, network 'lab'", f"chain {CHAIN}: {WAY}"),
        ("subnet s: router way.out has it", f"subnet s: {WAY}"),
        ("subnet s: that of router way.out.", f"subnet s: {WAY}"),
        ("subnet s: port desk has it", "subnet s: port desk has it"),
        ("subnet s: router desk has it", f"subnet s: {WAY}"),
        ("subnet s: 'desk' has it", "subnet s: 'desk' has it"),
        ("chain first (groups): group 'wall' has no instance with a weight", f"chain first (groups): {WAY}"),
        ("chain first (groups): there is no group or instance 'lab'", f"chain first (groups): {WAY}"),
        ("chain first: the router's address; instance 'wall' has it", f"chain first: {WAY}"),
        (
            "graph g (branches): packets would go in a circle: first > second > first; take one",
            f"graph g (branches): {WAY}",
        ),
        ("graph g (branches): packets would go in a circle: first > second.", f"graph g (branches): {WAY}"),
        ("graph g: groups 'x' and 'wall' are taps", f"graph g: {WAY}"),
        ("graph g: packets of chain 'first' (forward, network lab) could", f"graph g: {WAY}"),
        ('graph g: network "lab" has it', f"graph g: {WAY}"),
        ("service s (attach): port/x is not there", f"service s (attach): {WAY}"),
        ("port pair has no interface on node n1 (external_ids:iface-id=pair)", WAY),
        ("chain second (groups): there is no group 'g'", WAY),
        (f"it waits for {THEIRS}\nchain a: b\nit is behind {THEIRS}", f"{WAY}\nchain a: b"),
        ("", ""),
    ],
)
def test_what_names_another_projects_object_says_that_alone(state: State, text: str, told: str) -> None:
    assert discreet(state, ONE, text) == told
    assert discreet(state, ADMIN, text) == text


@pytest.mark.parametrize(
    "text",
    [
        "node n1 has no agent connected",
        "chain node: node n1 is at work",
        "chain first (classifiers): there is no node 'n1'; its port is not there",
        "chain first: waits for chains that change with it",
        "port p has no interface on node n1 (external_ids:iface-id=p)",
        "chain first (encapsulation): there is no encapsulation 'nsh'; installed are: nsh",
        f"port pair group {CHAIN} has no port pair with a weight",
        f"nobody knows on which node port {CHAIN} is: it has no binding:host_id, and its interface has not been seen",
        "graph g (branches): packets would go in a circle: first > first; take one of these branches away",
        "subnet s: a network that is in no router",
    ],
)
def test_a_word_of_prose_and_a_nodes_name_are_no_objects_names(state: State, text: str) -> None:
    assert discreet(state, ONE, text) == text
