"""Neutron's objects as declared ones, and back: field by field, and what cannot be declared yet."""

from __future__ import annotations

import itertools
import uuid
from typing import Any

import pytest

from segue.intent import dump, parse
from segue.model.intent import (
    Branch,
    Chain,
    Classifier,
    Graph,
    Group,
    Instance,
    Maps,
    NTuple,
    Object,
    Port,
    Ref,
    Router,
)
from segue.neutron.attributes import KINDS, OMITTED, REQUIRED
from segue.neutron.names import LONE, Names, derived, id_of, is_uuid
from segue.neutron.seen import Sight, pools
from segue.neutron.state import ROUTER_INTERFACE as INTERFACE
from segue.neutron.state import Changes, Resource, State
from segue.neutron.translate import Translation, Wanted, precedence, text

NET, SUB, ONE, TWO, FC, PAIR, GROUP, CHAIN, ROUTER = (f"{n:08}-0000-4000-8000-000000000000" for n in range(9))
Key = tuple[str, str]


def resource(kind: str, id: str, **values: Any) -> Resource:
    defaults = {
        attribute.name: None if attribute.default in (REQUIRED, OMITTED) else attribute.initial()
        for attribute in KINDS[kind].attributes
    }
    return {**defaults, "id": id, "project_id": "shop", "tenant_id": "shop", **values}


def port(id: str, address: str, **values: Any) -> Resource:
    return resource(
        "port",
        id,
        **{
            "network_id": NET,
            "mac_address": f"fa:16:3e:00:00:{id[6:8]}",
            "fixed_ips": [{"subnet_id": SUB, "ip_address": address}],
            "port_security_enabled": True,
            "binding:host_id": "n1",
            "device_id": "vm",
            **values,
        },
    )


def whole() -> dict[Key, Resource]:
    everything = [
        ("network", resource("network", NET, subnets=[SUB], name="web")),
        ("subnet", resource("subnet", SUB, network_id=NET, cidr="10.0.0.0/24", ip_version=4, gateway_ip="10.0.0.1")),
        ("port", port(ONE, "10.0.0.10")),
        ("port", port(TWO, "10.0.0.20")),
        ("flow_classifier", resource("flow_classifier", FC, logical_source_port=ONE, protocol="tcp")),
        ("port_pair", resource("port_pair", PAIR, ingress=TWO, egress=TWO)),
        ("port_pair_group", resource("port_pair_group", GROUP, port_pairs=[PAIR], group_id=1)),
        (
            "port_chain",
            resource("port_chain", CHAIN, port_pair_groups=[GROUP], flow_classifiers=[FC], chain_id=3),
        ),
    ]
    return {(kind, each["id"]): each for kind, each in everything}


class World:
    def __init__(self, resources: dict[Key, Resource] | None = None, nodes: str = "nodes: [n1, n2]") -> None:
        self.objects: dict[Ref, Object] = dict(parse(nodes, "t").objects)
        self.names = Names()
        self.state = State()
        self.locations: dict[str, str] = {}
        self.apply(dict(resources or {}))

    def translation(self) -> Translation:
        return Translation(self.state, self.objects, self.names, self.locations)

    def apply(self, changes: Changes) -> Wanted:
        translation = self.translation()
        translation.about(changes)
        self.state.apply(changes)
        wanted = translation.wanted()
        for ref, value in wanted.items():
            if value is None:
                self.objects.pop(ref, None)
            else:
                self.objects[ref] = value
        return wanted

    def change(self, kind: str, id: str, **values: Any) -> Wanted:
        old = self.state.get(kind, id)
        assert old is not None
        return self.apply({(kind, id): {**old, **values}})


def declared(kind: str, id: str, world: World) -> Any:
    return world.objects[kind, id]


def test_a_whole_chain_becomes_what_apply_would_have_declared() -> None:
    world = World(whole())
    assert dump(value for ref, value in world.objects.items() if ref[0] != "node") == "".join(
        f"{line}\n"
        for line in f"""\
networks:
  "{NET}":
    label: web
    project: shop
subnets:
  "{SUB}":
    project: shop
    network: "{NET}"
    cidr: 10.0.0.0/24
    gateway: 10.0.0.1
ports:
  "{ONE}":
    project: shop
    network: "{NET}"
    node: n1
    mac: "fa:16:3e:00:00:02"
    addresses: [10.0.0.10]
  "{TWO}":
    project: shop
    network: "{NET}"
    node: n1
    mac: "fa:16:3e:00:00:03"
    addresses: [10.0.0.20]
instances:
  "{PAIR}":
    project: shop
    ingress: "{TWO}"
    egress: "{TWO}"
groups:
  "{GROUP}":
    project: shop
    instances: ["{PAIR}"]
classifiers:
  "{FC}":
    project: shop
    source_port: "{ONE}"
    ethertype: ipv4
    protocol: tcp
chains:
  "{CHAIN}":
    project: shop
    classifiers: ["{FC}"]
    groups: ["{GROUP}"]
    encapsulation: mpls""".splitlines()
    )


@pytest.mark.parametrize(
    ("values", "field", "expected"),
    [
        ({"source_port_range_min": 5}, "source_ports", (5, 65535)),
        ({"destination_port_range_max": 0}, "destination_ports", (0, 0)),
        ({"destination_port_range_min": 7, "destination_port_range_max": 9}, "destination_ports", (7, 9)),
        ({}, "source_ports", None),
        ({"source_ip_prefix": "10.7.0.5/24"}, "source_prefix", "10.7.0.0/24"),
        ({"destination_ip_prefix": "2001:db8::1/32"}, "destination_prefix", "2001:db8::/32"),
        ({"ethertype": "IPv6"}, "ethertype", "ipv6"),
        ({"protocol": "icmp"}, "protocol", "icmp"),
        ({"logical_destination_port": TWO}, "destination_port", TWO),
    ],
)
def test_classifiers(values: dict[str, Any], field: str, expected: Any) -> None:
    world = World(
        whole() | {("flow_classifier", FC): resource("flow_classifier", FC, logical_source_port=ONE, **values)}
    )
    assert getattr(declared("classifier", FC, world), field) == expected


def test_ports() -> None:
    world = World(whole())
    pairs = [
        {"ip_address": "10.0.0.77/24", "mac_address": "fa:16:3e:00:00:02"},
        {"ip_address": "10.9.0.1", "mac_address": "02:00:00:00:00:09"},
    ]
    other = {"allowed_address_pairs": pairs, "port_security_enabled": False, "binding:host_id": "unknown"}
    world.change("port", ONE, **other)
    changed = declared("port", ONE, world)
    assert [(pair.ip, pair.mac) for pair in changed.allowed] == [
        ("10.0.0.0/24", None),
        ("10.9.0.1", "02:00:00:00:00:09"),
    ]
    assert (changed.security, changed.node) == (False, None)


def test_functions_are_bumps_unless_their_port_says_that_they_route() -> None:
    world = World(whole())
    assert declared("instance", PAIR, world).mode == "bridge"
    for profile, mode in (({"mode": "route"}, "route"), ({}, "bridge")):
        world.change("port", TWO, **{"binding:profile": profile})
        assert declared("instance", PAIR, world).mode == mode
    world.objects["instance", PAIR] = Instance(name=PAIR, ingress=TWO, egress=TWO, mode="route", rewrites=True)
    world.change("port_pair", PAIR, name="renamed")
    assert (declared("instance", PAIR, world).mode, declared("instance", PAIR, world).rewrites) == ("route", True)
    parameters = {"correlation": "nsh", "weight": 5}
    world = World(
        whole()
        | {
            ("port", TWO): port(TWO, "10.0.0.20", **{"binding:profile": {"mode": "route"}}),
            ("port_pair", PAIR): resource(
                "port_pair", PAIR, ingress=TWO, egress=TWO, service_function_parameters=parameters
            ),
        }
    )
    found = declared("instance", PAIR, world)
    assert (found.mode, found.aware, found.weight) == ("route", "nsh", 5)


def test_taps_and_lb_fields() -> None:
    world = World(whole())
    parameters = {"lb_fields": ["ip_dst", "ip_src"]}
    world.change("port_pair_group", GROUP, tap_enabled=True, port_pair_group_parameters=parameters)
    group = declared("group", GROUP, world)
    assert (group.tap, group.hash) == (True, ("ip_src", "ip_dst"))


def test_n_tuple_mappings() -> None:
    world = World(whole())
    egress = {"source_ip_prefix": "192.0.2.7/24", "source_port_range_min": 1024, "destination_port_range_max": 80}
    mapping = {"ingress_n_tuple": {"source_ip_prefix": "10.0.0.0/8", "destination_ip_prefix": None}}
    mapping["egress_n_tuple"] = egress
    parameters = {"lb_fields": [], "ppg_n_tuple_mapping": mapping}
    world.change("port_chain", CHAIN, chain_parameters={"correlation": "mpls", "symmetric": True})
    world.change("port_pair_group", GROUP, port_pair_group_parameters=parameters)
    maps = declared("group", GROUP, world).maps
    assert maps == Maps(
        NTuple(source_prefix="10.0.0.0/8"),
        NTuple(source_prefix="192.0.2.0/24", source_ports=(1024, 65535), destination_ports=(0, 80)),
    )
    assert world.translation().lacks("port_chain", CHAIN) == []
    assert ("chain", CHAIN) in world.objects
    assert list(world.translation().remarks(CHAIN)) == []
    for nothing in ({}, {"ingress_n_tuple": {}, "egress_n_tuple": {"source_ip_prefix": None}}):
        parameters = {"lb_fields": [], "ppg_n_tuple_mapping": nothing}
        world.change("port_pair_group", GROUP, port_pair_group_parameters=parameters)
        assert declared("group", GROUP, world).maps is None


def test_a_tap_maps_nothing() -> None:
    world = World(whole())
    mapping = {"ingress_n_tuple": {}, "egress_n_tuple": {"source_ip_prefix": "192.0.2.7/32"}}
    parameters = {"lb_fields": [], "ppg_n_tuple_mapping": mapping}
    world.change("port_pair_group", GROUP, tap_enabled=True, port_pair_group_parameters=parameters)
    assert declared("group", GROUP, world).maps is None
    (remark,) = world.translation().remarks(CHAIN)
    assert remark == f"the n-tuple mapping of port pair group {GROUP} is not used: a tap gives nothing back"


def chained(world: World, *numbers: int) -> list[str]:
    """More chains, each with a pair and a group of its own, for TCP from port ONE."""
    found = []
    for number in numbers:
        fc, pair, group, chain = (f"{number:08}-{n:04}-4000-8000-000000000000" for n in range(4))
        classifier = resource("flow_classifier", fc, logical_source_port=ONE, protocol="tcp")
        world.apply(
            {
                ("flow_classifier", fc): classifier,
                ("port_pair", pair): resource("port_pair", pair, ingress=ONE, egress=TWO),
                ("port_pair_group", group): resource("port_pair_group", group, port_pairs=[pair], group_id=number),
                ("port_chain", chain): resource(
                    "port_chain", chain, port_pair_groups=[group], flow_classifiers=[fc], chain_id=number
                ),
            }
        )
        found.append(chain)
    return found


def test_a_service_graph_has_the_branches_that_can_be_built() -> None:
    world = World(whole())
    b, c, d = chained(world, 11, 12, 13)
    fork = resource("service_graph", ROUTER, name="fork", port_chains={CHAIN: [b, c], b: [d], c: [d]})
    assert world.apply({("service_graph", ROUTER): fork}) == {
        ("graph", ROUTER): Graph(
            name=ROUTER,
            label="fork",
            project="shop",
            branches=(Branch(CHAIN, (b, c)), Branch(b, (d,)), Branch(c, (d,))),
            exclusive=True,
        )
    }

    def groups(number: int, *pairs: str) -> Wanted:
        return world.change("port_pair_group", f"{number:08}-0002-4000-8000-000000000000", port_pairs=list(pairs))

    pair = "{:08}-0001-4000-8000-000000000000".format
    wanted = groups(11)
    assert wanted["chain", b] is None
    assert declared("graph", ROUTER, world).branches == (Branch(CHAIN, (c,)), Branch(c, (d,)))
    # What only leads on from what is not there is not there either.
    wanted = groups(12)
    assert (wanted["chain", c], wanted["chain", d]) == (None, None)
    reason = f"no chain that leads to it in service graph {ROUTER} can be built"
    assert world.translation().lacks("port_chain", d) == [reason]
    assert declared("graph", ROUTER, world).branches == ()
    groups(11, pair(11))
    groups(12, pair(12))
    whole_graph = declared("graph", ROUTER, world)
    assert whole_graph.branches == (Branch(CHAIN, (b, c)), Branch(b, (d,)), Branch(c, (d,)))
    # A branch that could not be written when its chain was is there with the next change.
    world.objects["graph", ROUTER] = Graph(
        name=ROUTER, label="fork", project="shop", branches=(Branch(CHAIN, (b,)),), exclusive=True
    )
    assert world.change("port_chain", b, description="again")["graph", ROUTER] == whole_graph
    world.change("port_pair_group", GROUP, port_pairs=[])
    assert [ref for ref in world.objects if ref[0] == "chain"] == []
    assert world.apply({("service_graph", ROUTER): None})["graph", ROUTER] is None
    assert sorted(ref[1] for ref in world.objects if ref[0] == "chain") == [b, c, d]


def test_a_long_graph_is_looked_at_once_for_each_of_its_chains(counting: Any) -> None:
    """A line of chains, the last ones named first: what the first one lacks, all lack."""
    calls = []
    for length in (20, 40):
        world = World(whole())
        line = [CHAIN, *chained(world, *range(11, 11 + length))]
        ends = {source: [end] for source, end in reversed(list(itertools.pairwise(line)))}
        world.apply({("service_graph", ROUTER): resource("service_graph", ROUTER, port_chains=ends)})
        with counting() as counted:
            wanted = world.change("port_pair_group", GROUP, port_pairs=[])
        assert [wanted[("chain", one)] for one in line] == [None] * (length + 1)
        calls.append(counted.made)
    assert calls[1] < 2.3 * calls[0], calls


def test_an_interface_of_a_router_costs_the_same_in_a_large_network(counting: Any) -> None:
    calls = []
    for ports in (10, 1000):
        world = World(whole())
        more = (port(f"{n:08}-0009-4000-8000-000000000000", f"10.0.8.{n % 250}") for n in range(ports))
        world.apply({("port", each["id"]): each for each in more})
        way = port(f"{9999:08}-0009-4000-8000-000000000000", "10.0.0.1", device_id=ROUTER, device_owner=INTERFACE)
        world.apply({("router", ROUTER): resource("router", ROUTER)})
        with counting() as counted:
            wanted = world.apply({("port", way["id"]): way})
        assert wanted["router", ROUTER].subnets == (SUB,)  # type: ignore[union-attr]
        calls.append(counted.made)
    assert calls[1] < 1.2 * calls[0], calls


def test_an_applied_graph_is_shown() -> None:
    graph = Graph(name="fork", branches=(Branch("one", ("two", "three")), Branch("two", ("three",))))
    one, two, three = (id_of("chain", name) for name in ("one", "two", "three"))
    shown = Sight(State()).fresh("service_graph", graph)
    assert (shown["name"], shown["port_chains"]) == ("fork", {one: [two, three], two: [three]})


def test_an_applied_mapping_is_shown() -> None:
    maps = Maps(
        NTuple(source_prefix="10.0.0.7"), NTuple(source_prefix="192.0.2.0/24", source_ports=(5, 9), protocol="tcp")
    )
    group = Group(name="nats", instances=("nat",), maps=maps)
    shown = Sight(State()).fresh("port_pair_group", group)
    assert shown["port_pair_group_parameters"]["ppg_n_tuple_mapping"] == {
        "ingress_n_tuple": {"source_ip_prefix": "10.0.0.7/32"},
        "egress_n_tuple": {
            "source_ip_prefix": "192.0.2.0/24",
            "source_port_range_min": 5,
            "source_port_range_max": 9,
        },
    }


def test_only_what_a_change_is_about_is_set() -> None:
    world = World(whole())
    world.objects["chain", CHAIN] = Chain(
        name=CHAIN, project="shop", classifiers=(FC,), groups=(GROUP,), encapsulation="nsh", precedence=7
    )
    assert world.change("port_chain", CHAIN, description="no more") == {
        ("chain", CHAIN): Chain(
            name=CHAIN,
            project="shop",
            description="no more",
            classifiers=(FC,),
            groups=(GROUP,),
            encapsulation="nsh",
            precedence=7,
        )
    }
    assert world.change("port", ONE, device_owner="compute:nova") == {}


@pytest.mark.parametrize(
    ("kind", "id", "values", "reason"),
    [
        ("port_chain", CHAIN, {"flow_classifiers": []}, "it has no flow classifier"),
        ("port_pair_group", GROUP, {"port_pairs": []}, f"port pair group {GROUP} has no port pair"),
        (
            "port_pair",
            PAIR,
            {"service_function_parameters": {"correlation": None, "weight": 0}},
            f"port pair group {GROUP} has no port pair with a weight",
        ),
        (
            "port",
            TWO,
            {"binding:host_id": ""},
            f"nobody knows on which node port {TWO} is: it has no binding:host_id, and its interface has not been seen",
        ),
        (
            "port",
            TWO,
            {"device_owner": "network:router_interface", "device_id": ROUTER},
            f"port {TWO} is an interface of router {ROUTER}: nothing else can be behind it",
        ),
        (
            "port",
            ONE,
            {"device_owner": "network:router_interface", "device_id": ROUTER},
            f"port {ONE} is an interface of router {ROUTER}: nothing else can be behind it",
        ),
        (
            "flow_classifier",
            FC,
            {"logical_source_port": None},
            f"flow classifier {FC} has no logical port, so nothing says in which network its packets start",
        ),
        (
            "port_pair_group",
            GROUP,
            {"port_pair_group_parameters": {"lb_fields": ["udp_dst"]}},
            f"port pair group {GROUP} cannot choose by its lb_fields: no switch can hash udp_dst and nothing else",
        ),
    ],
)
def test_a_chain_is_declared_while_all_of_it_can_be(kind: str, id: str, values: dict[str, Any], reason: str) -> None:
    world = World(whole())
    before = dict(world.objects)
    old = world.state.get(kind, id)
    assert old is not None
    assert world.change(kind, id, **values)["chain", CHAIN] is None
    assert world.translation().lacks("port_chain", CHAIN) == [reason]
    world.apply({(kind, id): old})
    assert world.objects == before
    assert world.translation().lacks("port_chain", CHAIN) == []


def test_a_port_whose_interface_has_been_seen_has_a_place() -> None:
    world = World(whole())
    world.change("port", TWO, **{"binding:host_id": ""})
    world.locations[TWO] = "n2"
    assert world.translation().lacks("port_chain", CHAIN) == []


def test_a_function_whose_ports_move_one_by_one_is_declared_when_both_are_there() -> None:
    pair = resource("port_pair", PAIR, ingress=ONE, egress=TWO)
    world = World(whole() | {("port_pair", PAIR): pair})
    wanted = world.change("port", ONE, **{"binding:host_id": "n2"})
    assert wanted["instance", PAIR] is None
    assert declared("group", GROUP, world).instances == ()
    reason = f"port pair {PAIR} is a function on one node, and port {ONE} is on n2 and port {TWO} is on n1"
    assert world.translation().lacks("port_chain", CHAIN) == [reason]
    world.change("port", TWO, **{"binding:host_id": "n2"})
    assert declared("group", GROUP, world).instances == (PAIR,)
    assert ("chain", CHAIN) in world.objects


def test_a_router_has_the_subnets_of_its_interfaces_and_those_that_were_applied() -> None:
    applied = "subnets: {lan: {network: lan, cidr: 10.5.0.0/24, gateway: 10.5.0.1}}\nrouters: {r: [lan]}\nnodes: [n1]"
    world = World(whole(), applied)
    id = world.names.know(("router", "r"))
    world.apply({("router", id): resource("router", id, name="r")})
    interface = port(uuid.UUID(int=9).__str__(), "10.0.0.1", device_owner="network:router_interface", device_id=id)
    wanted = world.apply({("port", interface["id"]): interface})
    assert wanted == {("router", "r"): Router(name="r", project="shop", subnets=("lan", SUB))}
    assert world.change("router", id, routes=[{"destination": "10.8.0.0/16", "nexthop": "10.0.0.9"}])
    gone = world.apply({("port", interface["id"]): None})
    assert [getattr(gone["router", "r"], name) for name in ("subnets", "routes")] == [
        ("lan",),
        declared("router", "r", world).routes,
    ]


def test_the_address_of_an_interface_is_the_gateway() -> None:
    world = World(whole())
    world.apply({("router", ROUTER): resource("router", ROUTER, name="r")})
    owner = {"device_owner": "network:router_interface", "device_id": ROUTER}
    world.change("port", ONE, **owner)
    assert declared("subnet", SUB, world).gateway == "10.0.0.10"
    assert declared("router", ROUTER, world).subnets == (SUB,)
    assert ("port", ONE) not in world.objects


def test_ids() -> None:
    assert derived("port/client") == str(uuid.uuid5(uuid.UUID("5e60e3a1-c7d8-4f0b-9b3b-8d2f4a6c1e75"), "port/client"))
    assert id_of("port", ONE) == ONE
    assert is_uuid(id_of("port", "client"))
    assert len({id_of(kind, "x") for kind in ("port", "group", "instance", LONE)}) == 4
    names = Names()
    assert names.ref("port", names.know(("port", "client"))) == ("port", "client")
    assert names.ref("port_pair", ONE) == ("instance", ONE)


def test_names_that_cannot_be_shown_become_labels_that_can() -> None:
    assert text("a\nb\ud800" + "x" * 300) == ("a\ufffdb\ufffd" + "x" * 300)[:255]
    assert text("全角\u3000スペース 🀀") == "全角\u3000スペース 🀀"


def test_precedences_differ_and_are_above_the_default() -> None:
    found = [precedence(chain_id) for chain_id in range(1, 29_900)]
    assert found == sorted(set(found), reverse=True)
    assert (found[0], found[-1], precedence(65_535)) == (29_999, 101, precedence(65_535 - 2 * 29_899))


def test_declared_fields_are_shown_where_they_differ_from_the_record() -> None:
    record = resource("flow_classifier", FC, source_ip_prefix="10.0.0.7/24", source_port_range_min=5, protocol="tcp")
    world = World(whole() | {("flow_classifier", FC): record})
    expected = world.translation().fields("flow_classifier", FC)
    sight = Sight(world.state)
    same = Classifier(name=FC, **expected)
    assert sight.shown("flow_classifier", same, record, expected) is record
    other = Classifier(name=FC, **{**expected, "source_ports": (5, 9), "label": "new"})
    assert sight.shown("flow_classifier", other, record, expected) == {
        **record,
        "name": "new",
        "source_port_range_max": 9,
    }


def test_a_declared_object_without_a_record_has_all_attributes() -> None:
    world = World(whole())
    sight = Sight(world.state)
    shown = {
        "port": sight.fresh("port", Port(name="p", network=NET, node="n1", addresses=("10.0.0.30",))),
        "port_pair": sight.fresh("port_pair", Instance(name="i", ingress="p", egress="p", aware="nsh", weight=3)),
        "flow_classifier": sight.fresh("flow_classifier", Classifier(name="c", source_prefix="10.0.0.1")),
    }
    for kind, found in shown.items():
        assert {each.name for each in KINDS[kind].attributes if each.shown} <= found.keys()
    assert shown["port"]["fixed_ips"] == [{"subnet_id": SUB, "ip_address": "10.0.0.30"}]
    assert shown["port_pair"]["service_function_parameters"] == {"correlation": "nsh", "weight": 3}
    assert shown["flow_classifier"]["source_ip_prefix"] == "10.0.0.1/32"
    assert shown["flow_classifier"]["ethertype"] == "IPv4"


def test_ports_of_one_node_are_not_of_one_device() -> None:
    sight = Sight(World(whole()).state)
    ports = [
        Port(name="a", node="n1"),
        Port(name="b", node="n1"),
        Port(name="fw-in", node="n1", owner="instance/fw"),
        Port(name="fw-out", node="n1", owner="instance/fw"),
        Port(name="c", node="n1", device="vm"),
        Port(name="d", device="vm"),
        Port(name="e"),
    ]
    devices = [sight.fresh("port", port)["device_id"] for port in ports]
    assert devices == ["port/a", "port/b", "instance/fw", "instance/fw", "vm", "vm", ""]


def test_pools_leave_out_the_gateway() -> None:
    assert pools("10.0.0.0/29", "10.0.0.3") == [
        {"start": "10.0.0.1", "end": "10.0.0.2"},
        {"start": "10.0.0.4", "end": "10.0.0.6"},
    ]
    assert pools("10.0.0.0/30", "10.0.0.1") == [{"start": "10.0.0.2", "end": "10.0.0.2"}]
    assert pools("2001:db8::/64", None) == [{"start": "2001:db8::1", "end": "2001:db8::ffff:ffff:ffff:ffff"}]
