from __future__ import annotations

import itertools
from typing import Any

import pytest

from segue.neutron import rules
from segue.neutron.overlap import overlap, pattern

from . import ADMIN, ONE, OTHER, World, complete, refused, unchanged

MISSING = "00000000-0000-4000-8000-00000000ffff"


@pytest.fixture
def world() -> World:
    return World()


@pytest.fixture
def network(world: World) -> str:
    return world.network("10.0.0.0/16")[0]


# Flow classifiers


@pytest.mark.parametrize(
    ("given", "type", "text"),
    [
        (
            {"source_port_range_min": 9, "source_port_range_max": 8, "protocol": "tcp"},
            "FlowClassifierInvalidPortRange",
            "Invalid IP protocol port range. min_port_range=9 must be lesser or equal to max_port_range=8.",
        ),
        (
            {"destination_port_range_min": 9, "destination_port_range_max": 8},
            "FlowClassifierInvalidPortRange",
            "min_port_range=9",
        ),
        (
            {"destination_port_range_max": 8, "protocol": "icmp"},
            "FlowClassifierProtocolRequiredWithPorts",
            "IP protocol must be TCP or UDP, if port range is given.",
        ),
        (
            {"source_port_range_min": 0},
            "FlowClassifierProtocolRequiredWithPorts",
            "IP protocol must be TCP or UDP",
        ),
        (
            {"source_ip_prefix": "2001:db8::/32"},
            "FlowClassifierIpPrefixFormatConflictWithEthertype",
            "IP prefix 2001:db8::/32 format conflicts with ethertype IPv4.",
        ),
        (
            {"destination_ip_prefix": "10.0.0.0/8", "ethertype": "IPv6"},
            "FlowClassifierIpPrefixFormatConflictWithEthertype",
            "IP prefix 10.0.0.0/8 format conflicts with ethertype IPv6.",
        ),
    ],
)
def test_a_classifier_that_makes_no_sense_is_refused(world: World, given: dict, type: str, text: str) -> None:
    with refused(400, type, text):
        world.classifier(**given)


@pytest.mark.parametrize("side", ["source", "destination"])
def test_a_classifiers_port_is_there_and_the_callers(world: World, network: str, side: str) -> None:
    for id in (MISSING, world.port(world.network(caller=OTHER)[0], OTHER)):
        with refused(404, "FlowClassifierPortNotFound", f"Flow Classifier Neutron Port {id} not found."):
            world.classifier(**{f"logical_{side}_port": id})


OVERLAPPING: list[tuple[dict[str, Any], dict[str, Any], bool]] = [
    ({}, {}, True),
    ({}, {"protocol": "tcp"}, True),
    ({"protocol": "udp"}, {"protocol": "tcp"}, False),
    ({"ethertype": "IPv6"}, {}, False),
    ({"source_ip_prefix": "10.0.0.0/8"}, {"source_ip_prefix": "10.7.0.5/24"}, True),
    ({"source_ip_prefix": "10.7.0.5/24"}, {"source_ip_prefix": "10.7.0.9/24"}, True),
    ({"source_ip_prefix": "10.7.0.0/25"}, {"source_ip_prefix": "10.7.0.128/25"}, False),
    ({"source_ip_prefix": "10.7.0.0/25"}, {"destination_ip_prefix": "10.7.0.128/25"}, True),
    ({"destination_ip_prefix": "10.7.0.0/25"}, {"destination_ip_prefix": "10.7.0.128/25"}, False),
    (
        {"protocol": "tcp", "source_port_range_min": 5, "source_port_range_max": 9},
        {"protocol": "tcp", "source_port_range_min": 9},
        True,
    ),
    (
        {"protocol": "tcp", "source_port_range_max": 8},
        {"protocol": "tcp", "source_port_range_min": 9, "source_port_range_max": 9},
        False,
    ),
    (
        {"protocol": "tcp", "destination_port_range_max": 8},
        {"protocol": "tcp", "destination_port_range_min": 9},
        False,
    ),
    ({"protocol": "tcp", "destination_port_range_max": 8}, {}, True),
]


@pytest.mark.parametrize(("one", "other", "conflict"), OVERLAPPING)
def test_classifiers_conflict_when_a_packet_can_match_both(
    world: World, one: dict, other: dict, conflict: bool
) -> None:
    for first, second in ((one, other), (other, one)):
        here = World()
        existing = here.classifier(**first)
        if conflict:
            text = f"Flow Classifier conflicts with another Flow Classifier {existing}."
            with refused(400, "FlowClassifierInConflict", text):
                here.classifier(**second)
        else:
            here.classifier(**second)


@pytest.mark.parametrize("side", ["logical_source_port", "logical_destination_port"])
def test_logical_ports_tell_classifiers_apart(world: World, network: str, side: str) -> None:
    a, b = world.port(network), world.port(network)
    world.classifier(**{side: a})
    world.classifier(**{side: b})
    for port in (a, None):
        with refused(400, "FlowClassifierInConflict"):
            world.classifier(**{side: port})


def test_a_conflict_is_with_what_the_caller_can_see(world: World) -> None:
    mine = world.classifier()
    theirs = world.classifier(OTHER)
    with refused(400, "FlowClassifierInConflict"):
        world.classifier(ADMIN)
    world.delete("flow_classifier", mine)
    world.classifier()
    assert world.has("flow_classifier", theirs)


def test_the_index_finds_exactly_what_a_walk_over_all_finds(world: World, network: str) -> None:
    ports = [world.port(network) for _ in range(2)]
    prefixes = [None, "10.0.0.0/8", "10.1.0.0/16", "10.1.2.3/32", "10.128.0.0/9"]
    spans = [(None, None), (80, 80), (80, 90), (85, None), (None, 84)]
    given = [
        {
            "protocol": protocol,
            "logical_source_port": port,
            "source_ip_prefix": prefix,
            "destination_port_range_min": low if protocol in ("tcp", "udp") else None,
            "destination_port_range_max": high if protocol in ("tcp", "udp") else None,
        }
        for protocol, port, prefix, (low, high) in itertools.product(
            ["tcp", "udp", None], [None, *ports], prefixes, spans
        )
    ]
    patterns = {}
    for number, values in enumerate(given):
        classifier = {**complete("flow_classifier", values), "id": str(number), "name": "", "project_id": "one"}
        world.apply({("flow_classifier", str(number)): classifier})
        patterns[str(number)] = pattern(classifier)
    for number in range(0, len(given), 7):
        world.apply({("flow_classifier", str(number)): None})
        del patterns[str(number)]
    for values in given:
        asked = pattern(complete("flow_classifier", values))
        assert set(world.state.classifiers.find(asked)) == {id for id, p in patterns.items() if overlap(p, asked)}


def test_a_classifier_in_a_chain_stays(world: World, network: str) -> None:
    classifier = world.classifier()
    chain = world.chain(world.group(), classifiers=(classifier,))
    with refused(409, "FlowClassifierInUse", f"Flow Classifier {classifier} in use."):
        world.delete("flow_classifier", classifier)
    world.delete("port_chain", chain)
    world.delete("flow_classifier", classifier)
    with refused(404, "FlowClassifierNotFound", f"Flow Classifier {classifier} not found."):
        world.delete("flow_classifier", classifier)


# Port pairs


def test_a_pairs_ports_have_one_device(world: World, network: str) -> None:
    here, there, nowhere = world.port(network), world.port(network, device_id="vm2"), world.port(network, device_id="")
    text = f"Port Pair ingress port {nowhere} does not belong to a host."
    with refused(400, "PortPairIngressNoHost", text):
        world.create("port_pair", ingress=nowhere, egress=nowhere)
    with refused(400, "PortPairEgressNoHost", f"Port Pair egress port {nowhere} does not belong to a host."):
        world.create("port_pair", ingress=here, egress=nowhere)
    text = f"Port Pair ingress port {here} and egress port {there} not in the same host."
    with refused(400, "PortPairIngressEgressDifferentHost", text):
        world.create("port_pair", ingress=here, egress=there)


def test_a_pairs_ports_are_there_and_the_callers(world: World, network: str) -> None:
    own, foreign = world.port(network), world.port(world.network(caller=OTHER)[0], OTHER)
    for ingress, egress in ((own, MISSING), (MISSING, own), (own, foreign)):
        missing = egress if ingress == own else ingress
        with refused(404, "PortPairPortNotFound", f"Port Pair port {missing} not found."):
            world.create("port_pair", ingress=ingress, egress=egress)


def test_two_ports_make_one_pair_in_each_direction(world: World, network: str) -> None:
    a, b = world.port(network), world.port(network)
    pair = world.create("port_pair", ingress=a, egress=b)["id"]
    text = f"Port Pair with ingress port {a} and egress port {b} is already used by another Port Pair {pair}."
    with refused(400, "PortPairIngressEgressInUse", text):
        world.create("port_pair", ingress=a, egress=b)
    world.create("port_pair", ingress=b, egress=a)
    world.create("port_pair", ingress=a, egress=a)


def test_another_projects_pair_is_not_told_of(world: World, network: str) -> None:
    port = world.port(network)
    pair = world.create("port_pair", ADMIN, ingress=port, egress=port)["id"]
    with refused(404, "PortPairPortNotFound"):
        world.create("port_pair", OTHER, ingress=port, egress=port)
    with refused(400, "PortPairIngressEgressInUse", "is already used by another Port Pair."):
        world.create("port_pair", ONE, ingress=port, egress=port)
    with refused(404, "PortPairNotFound", f"Port Pair {pair} not found."):
        world.update("port_pair", pair, ONE, name="mine")


# Port pair groups


def test_a_pair_has_one_group(world: World, network: str) -> None:
    pair, free = world.pair(network), world.pair(network)
    group = world.group(pair)
    with refused(409, "PortPairInUse", f"Port Pair {pair} in use."):
        world.group(pair)
    empty = world.group()
    with refused(409, "PortPairInUse", f"Port Pair {pair} in use."):
        world.update("port_pair_group", empty, port_pairs=[free, pair])
    with refused(409, "PortPairInUse", f"Port Pair {pair} in use."):
        world.delete("port_pair", pair)
    world.update("port_pair_group", group, port_pairs=[pair, free])
    world.update("port_pair_group", group, port_pairs=[])
    world.delete("port_pair", pair)


def test_a_groups_pairs_are_there_and_the_callers(world: World, network: str) -> None:
    foreign = world.pair(world.network(caller=OTHER)[0], caller=OTHER)
    group = world.group()
    for id in (MISSING, foreign):
        with refused(404, "PortPairNotFound", f"Port Pair {id} not found."):
            world.group(id)
        with refused(404, "PortPairNotFound", f"Port Pair {id} not found."):
            world.update("port_pair_group", group, port_pairs=[id])


def test_pairs_of_one_group_have_one_correlation(world: World, network: str) -> None:
    plain, mpls = world.pair(network), world.pair(network, "mpls")
    with refused(400, "InconsistentCorrelations", "included Port Pairs with inconsistent correlation types."):
        world.group(plain, mpls)
    group = world.group(plain)
    with refused(400, "InconsistentCorrelations"):
        world.update("port_pair_group", group, port_pairs=[plain, mpls])


def test_parameters_without_a_correlation_have_none(world: World, network: str) -> None:
    port = world.port(network)
    pair = world.create("port_pair", ingress=port, egress=port, service_function_parameters={"weight": 3})["id"]
    world.chain(world.group(pair, world.pair(network)))


def test_fields_that_no_switch_can_hash_are_refused(world: World) -> None:
    text = "by its lb_fields: no switch can hash udp_dst and nothing else. What can be had is [ip_src] or"
    with refused(400, "PPGParametersUnsupportedLbFields", text):
        world.create("port_pair_group", port_pair_group_parameters={"lb_fields": ["udp_dst"]})
    assert world.create("port_pair_group", port_pair_group_parameters={"lb_fields": ["ip_dst", "ip_src"]})


def test_a_tap_has_one_pair(world: World, network: str) -> None:
    a, b = world.pair(network), world.pair(network)
    text = "Multiple port pairs in Tap port-pair-group is not allowed."
    with refused(400, "MultiplePortPairsInTapPPGNotSupported", text):
        world.group(a, b, tap_enabled=True)
    group = world.group(a, tap_enabled=True)
    with refused(400, "MultiplePortPairsInTapPPGNotSupported", text):
        world.update("port_pair_group", group, port_pairs=[a, b])


def test_group_ids_are_the_lowest_free_of_all_projects(world: World) -> None:
    groups = [world.group(caller=caller) for caller in (ONE, OTHER, ONE)]
    numbers = [world.show("port_pair_group", group)["group_id"] for group in groups]
    assert numbers == [1, 2, 3]
    world.delete("port_pair_group", groups[1], OTHER)
    assert world.show("port_pair_group", world.group())["group_id"] == 2
    assert world.show("port_pair_group", world.group())["group_id"] == 4


def test_a_group_in_a_chain_stays(world: World) -> None:
    group = world.group()
    chain = world.chain(group)
    with refused(409, "PortPairGroupInUse", f"Port Pair Group {group} in use."):
        world.delete("port_pair_group", group)
    world.delete("port_chain", chain)
    world.delete("port_pair_group", group)


# Port chains


def test_a_chains_groups_and_classifiers_are_there_and_the_callers(world: World) -> None:
    group, foreign = world.group(), world.group(caller=OTHER)
    foreign_classifier = world.classifier(OTHER)
    chain = world.chain(group)
    for id in (MISSING, foreign):
        for attempt in (
            lambda id=id: world.chain(id),
            lambda id=id: world.update("port_chain", chain, port_pair_groups=[id]),
        ):
            with refused(404, "PortPairGroupNotFound", f"Port Pair Group {id} not found."):
                attempt()
    for id in (MISSING, foreign_classifier):
        with refused(404, "FlowClassifierNotFound", f"Flow Classifier {id} not found."):
            world.update("port_chain", chain, flow_classifiers=[id])


def test_a_chain_has_groups(world: World) -> None:
    with refused(400, "PortPairGroupNotSpecified", "Port Pair Group is not specified in Port Chain."):
        world.chain()
    chain = world.chain(world.group())
    with refused(400, "PortPairGroupNotSpecified"):
        world.update("port_chain", chain, port_pair_groups=[])


def test_taps_are_not_neighbours(world: World) -> None:
    one, other, between = world.group(tap_enabled=True), world.group(tap_enabled=True), world.group()
    text = "Consecutive Tap PPG in port-chain is not supported now."
    with refused(400, "ConsecutiveTapPPGNotSupported", text):
        world.chain(between, one, other)
    chain = world.chain(one, between, other)
    with refused(400, "ConsecutiveTapPPGNotSupported", text):
        world.update("port_chain", chain, port_pair_groups=[one, other])


def test_no_two_chains_have_the_same_groups_in_the_same_order(world: World) -> None:
    a, b = world.group(), world.group()
    chain = world.chain(a, b)
    text = f"in use by Port Chain {chain}."
    with refused(409, "InvalidPortPairGroups", text):
        world.chain(a, b)
    other = world.chain(b, a)
    world.chain(a)
    with refused(409, "InvalidPortPairGroups", text):
        world.update("port_chain", other, port_pair_groups=[a, b])
    world.update("port_chain", chain, port_pair_groups=[a, b])


def test_a_pair_that_knows_an_encapsulation_knows_the_chains(world: World, network: str) -> None:
    nsh = world.group(world.pair(network, "nsh"))
    text = f"included a Port Pair Group ({nsh}) with a different protocol used as correlation type."
    with refused(400, "PortChainInconsistentCorrelations", text):
        world.chain(nsh)
    world.chain(nsh, chain_parameters={"correlation": "nsh", "symmetric": False})
    world.chain(world.group(world.pair(network)))


def test_correlations_are_checked_on_updates_too(world: World, network: str) -> None:
    nsh, mpls, plain = (world.pair(network, correlation) for correlation in ("nsh", "mpls", None))
    group = world.group(mpls)
    chain = world.chain(group)
    with refused(400, "PortChainInconsistentCorrelations", group):
        world.update("port_pair_group", group, port_pairs=[nsh])
    assert world.show("port_pair_group", group)["port_pairs"] == [mpls]
    other = world.group(nsh)
    with refused(400, "PortChainInconsistentCorrelations", other):
        world.update("port_chain", chain, port_pair_groups=[group, other])
    world.update("port_pair_group", group, port_pairs=[plain])


def test_a_classifier_has_one_chain(world: World) -> None:
    a, b = world.group(), world.group()
    classifier = world.classifier()
    chain = world.chain(a, classifiers=(classifier,))
    with refused(409, "FlowClassifierInUse", f"Flow Classifier {classifier} in use."):
        world.chain(b, classifiers=(classifier,))
    other = world.chain(b)
    with refused(409, "FlowClassifierInUse"):
        world.update("port_chain", other, flow_classifiers=[classifier])
    world.update("port_chain", chain, flow_classifiers=[])
    world.update("port_chain", other, flow_classifiers=[classifier])


def test_classifiers_of_two_chains_do_not_overlap_whatever_their_logical_ports(world: World, network: str) -> None:
    one, other = (world.classifier(logical_source_port=world.port(network)) for _ in range(2))
    a, b = world.group(), world.group()
    chain = world.chain(a, classifiers=(one,))
    text = f"Flow Classifier {other} conflicts with Flow Classifier {one} in port chain {chain}."
    with refused(400, "PortChainFlowClassifierInConflict", text):
        world.chain(b, classifiers=(other,))
    second = world.chain(b)
    with refused(400, "PortChainFlowClassifierInConflict", text):
        world.update("port_chain", second, flow_classifiers=[other])
    world.update("port_chain", chain, flow_classifiers=[one, other])


def test_each_classifier_of_a_chain_is_compared(world: World, network: str) -> None:
    def classifier(prefix: str) -> str:
        port = world.port(network)
        return world.classifier(protocol="tcp", source_ip_prefix=prefix, logical_source_port=port)

    taken = classifier("10.2.0.0/16")
    world.chain(world.group(), classifiers=(taken,))
    good, same, bad = (classifier(prefix) for prefix in ("10.1.0.0/16", "10.1.0.0/16", "10.2.3.0/24"))
    world.chain(world.group(), classifiers=(good, same))
    chain = world.chain(world.group())
    free = classifier("10.3.0.0/16")
    with refused(400, "PortChainFlowClassifierInConflict", f"{bad} conflicts with Flow Classifier {taken}"):
        world.update("port_chain", chain, flow_classifiers=[free, bad])


def test_the_checks_of_a_chain_come_in_the_documented_order(world: World, network: str) -> None:
    """Each mistake is mended in turn, and the next one shows."""
    tap, tap2 = world.group(tap_enabled=True), world.group(tap_enabled=True)
    same, nsh, good = world.group(), world.group(world.pair(network, "nsh")), world.group()
    used = world.classifier(protocol="tcp")
    overlapping = world.classifier(protocol="udp", logical_source_port=world.port(network))
    also = world.classifier(protocol="udp", logical_source_port=world.port(network))
    world.chain(same, classifiers=(used, overlapping))
    world.chain(nsh, chain_parameters={"correlation": "nsh", "symmetric": False}, chain_id=7)
    parameters = {"correlation": "mpls", "symmetric": False}
    steps = [
        ([tap, tap2, nsh], [used, also], "ConsecutiveTapPPGNotSupported"),
        ([nsh], [used, also], "InvalidPortPairGroups"),
        ([nsh, good], [used, also], "PortChainInconsistentCorrelations"),
        ([good], [used, also], "FlowClassifierInUse"),
        ([good], [also], "PortChainFlowClassifierInConflict"),
        ([good], [], "PortChainChainIdInConflict"),
    ]
    for groups, classifiers, type in steps:
        with refused(409 if type in ("InvalidPortPairGroups", "FlowClassifierInUse") else 400, type):
            world.chain(*groups, classifiers=tuple(classifiers), chain_parameters=parameters, chain_id=7)


def test_chain_ids_are_the_lowest_free_or_the_one_asked_for(world: World) -> None:
    def chain(**given: Any) -> str:
        return world.chain(world.group(), **given)

    first, second = chain(), chain(chain_id=2)
    assert world.show("port_chain", first)["chain_id"] == 1
    assert world.show("port_chain", chain())["chain_id"] == 3
    text = f"Chain id 2 conflicts with Chain id in port chain {second}."
    with refused(400, "PortChainChainIdInConflict", text):
        chain(chain_id=2)
    world.delete("port_chain", first)
    assert world.show("port_chain", chain())["chain_id"] == 1


def test_a_chain_id_that_another_project_has_is_refused_without_its_chain(world: World) -> None:
    chain = world.chain(world.group(), chain_id=2)
    foreign = {**world.show("port_chain", chain), "project_id": "x", "tenant_id": "x"}
    world.apply({("port_chain", chain): foreign})
    with refused(400, "PortChainChainIdInConflict", "Chain id 2 conflicts with Chain id in another port chain."):
        world.chain(world.group(), chain_id=2)


def test_when_all_chain_ids_are_taken_there_is_none(world: World) -> None:
    group = world.group()
    template = world.show("port_chain", world.chain(group))
    world.apply(
        {("port_chain", str(n)): {**template, "id": str(n), "project_id": "x", "chain_id": n} for n in range(1, 65536)}
    )
    with refused(400, "PortChainUnavailableChainId", "no available chain id."):
        world.chain(world.group())


def test_a_rule_changes_nothing_itself(world: World, network: str) -> None:
    group, pair = world.group(), world.pair(network)
    chain = world.chain(group)
    with unchanged(world.state):
        rules.update(world.state, ONE, "port_pair_group", group, {"port_pairs": [pair]})
        rules.update(world.state, ONE, "port_chain", chain, {"port_pair_groups": [group], "name": "x"})
        rules.delete(world.state, ONE, "port_chain", chain)
        rules.create(world.state, ONE, "network", complete("network", {}), "new")
