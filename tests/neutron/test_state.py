"""The state's indexes, and what must hold after any requests in any order by anybody."""

from __future__ import annotations

import itertools
from typing import Any

import msgspec
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from segue.neutron import rules
from segue.neutron.caller import Caller
from segue.neutron.errors import Fault
from segue.neutron.overlap import overlap, pattern
from segue.neutron.state import Changes, Numbers, Resource, State, chains_of_graph

from . import ADMIN, ONE, OTHER, World, complete, id_of

CALLERS = st.sampled_from([ONE, ONE, ONE, OTHER, ADMIN])
PICK = st.integers(0, 5)
PICKS = st.lists(PICK, max_size=3, unique=True)
CORRELATION = st.sampled_from([None, None, "mpls", "nsh"])


# Numbers


def test_the_lowest_free_number_is_the_one_that_a_count_finds() -> None:
    for taken in itertools.chain.from_iterable(itertools.combinations(range(8), n) for n in range(9)):
        numbers = Numbers()
        for number in taken:
            numbers.add(number, "x")
        for first, last in itertools.combinations_with_replacement(range(9), 2):
            expected = next((number for number in range(first, last + 1) if number not in taken), None)
            assert numbers.lowest_free(first, last) == expected


def test_a_number_that_two_have_is_free_when_both_gave_it_back() -> None:
    numbers = Numbers()
    numbers.add(1, "a")
    numbers.add(1, "b")
    numbers.remove(1, "a")
    assert numbers.owner(1) == "b"
    assert numbers.lowest_free(1, 2) == 2
    numbers.remove(1, "b")
    assert numbers.lowest_free(1, 2) == 1


# The state


def test_objects_may_come_and_go_in_any_order() -> None:
    world = World()
    network, _ = world.network()
    classifier = world.classifier(logical_source_port=world.port(network))
    world.chain(world.group(world.pair(network)), classifiers=(classifier,))
    resources = world.state.resources()
    for order in (list(resources), list(reversed(list(resources)))):
        assert State({key: resources[key] for key in order}).indexes() == world.state.indexes()
        one_by_one = State()
        for key in order:
            one_by_one.apply({key: resources[key]})
        assert one_by_one.indexes() == world.state.indexes()
        for key in order:
            one_by_one.apply({key: None})
            assert one_by_one.indexes() == State(one_by_one.resources()).indexes()
        assert one_by_one.indexes() == State().indexes()


def test_objects_are_found_by_name_and_by_project() -> None:
    world = World()
    ids = [world.create("network", caller, name=name)["id"] for caller, name in ((ONE, "a"), (OTHER, "a"), (ONE, "b"))]
    assert list(world.state.named("network", "a")) == ids[:2]
    assert [network["id"] for network in world.state.all("network", "one")] == [ids[0], ids[2]]
    assert [network["id"] for network in world.state.all("network")] == ids
    world.update("network", ids[0], name="c")
    assert list(world.state.named("network", "a")) == [ids[1]]
    assert world.state.count("network", "one") == 2


# Any requests


def references(kind: str, resource: Resource) -> set[tuple[str, str]]:
    """What a resource names, as (kind, id)."""
    found: list[tuple[str, str | None]] = []
    if kind == "subnet":
        found = [("network", resource["network_id"])]
    elif kind == "network":
        found = [("subnet", id) for id in resource["subnets"]]
    elif kind == "port":
        found = [("network", resource["network_id"]), *(("subnet", ip["subnet_id"]) for ip in resource["fixed_ips"])]
        if resource["device_owner"] == "network:router_interface":
            found.append(("router", resource["device_id"]))
    elif kind == "flow_classifier":
        found = [("port", resource["logical_source_port"]), ("port", resource["logical_destination_port"])]
    elif kind == "port_pair":
        found = [("port", resource["ingress"]), ("port", resource["egress"])]
    elif kind == "port_pair_group":
        found = [("port_pair", id) for id in resource["port_pairs"]]
    elif kind == "port_chain":
        found = [("port_pair_group", id) for id in resource["port_pair_groups"]]
        found += [("flow_classifier", id) for id in resource["flow_classifiers"]]
    elif kind == "service_graph":
        found = [("port_chain", id) for id in chains_of_graph(resource["port_chains"])]
    return {(of, id) for of, id in found if id is not None}


class Requests(RuleBasedStateMachine):
    """Two projects and an operator, few ids, few values: most requests meet what others left."""

    def __init__(self) -> None:
        super().__init__()
        self.state = State()
        self.made = 0

    # What a request is made of

    def pick(self, kind: str, number: int, caller: Caller = ADMIN) -> str:
        """An object of a kind, the caller's own for the most part, or one that is not there."""
        own = [r["id"] for r in self.state.all(kind) if caller.admin or r["project_id"] == caller.project]
        others = [r["id"] for r in self.state.all(kind)]
        known = own if number and own else others
        return known[number % len(known)] if known else id_of(1 << 60)

    def new_id(self) -> str:
        self.made += 1
        return id_of(self.made)

    def request(self, caller: Caller, rule: Any, *arguments: Any) -> None:
        """Does what a rule says. It changes nothing itself (indexes that it changed would differ from new ones later),
        and only what the caller may change."""
        before = msgspec.json.encode([*self.state.resources().values()])
        try:
            changes = rule(self.state, caller, *arguments)
        except Fault as fault:
            assert 400 <= fault.status < 500
            changes = {}
        assert msgspec.json.encode([*self.state.resources().values()]) == before
        if isinstance(changes, tuple):
            changes = changes[0]
        if not caller.admin:
            self.check_allowed(caller, changes)
        self.state.apply(changes)

    def check_allowed(self, caller: Caller, changes: Changes) -> None:
        for (kind, id), new in changes.items():
            old = self.state.get(kind, id)
            added = references(kind, new or {}) - references(kind, old) if new and old else set()
            if new and not old:
                assert new["project_id"] == caller.project
                added = references(kind, new)
            elif old and old["project_id"] != caller.project:
                # What follows of itself from a change to the caller's own: a network's list of subnets, the subnets
                # of a network that goes, the port that was the interface of a router.
                if kind == "network":
                    assert new == {**old, "subnets": new["subnets"] if new else []}
                else:
                    assert new is None
                    assert ("network", old.get("network_id")) in changes or (
                        old["device_owner"] == "network:router_interface"
                        and self.owner("router", old["device_id"]) == caller.project
                    )
            for of, target in added:
                if (of, target) not in changes:
                    # An address may be in a subnet that an operator made in the caller's network.
                    network = (self.state.get(of, target) or {}).get("network_id", "")
                    assert caller.project in (self.owner(of, target), self.owner("network", network))

    def owner(self, kind: str, id: str) -> str | None:
        resource = self.state.get(kind, id)
        return resource["project_id"] if resource else None

    def create(self, caller: Caller, kind: str, **given: Any) -> None:
        self.request(caller, rules.create, kind, complete(kind, given), self.new_id())

    # Requests

    @initialize()
    def begin(self) -> None:
        for caller, cidr in ((ONE, "10.0.0.0/28"), (OTHER, "10.0.0.0/29")):
            self.create(caller, "network")
            network = self.pick("network", 1, caller)
            self.create(caller, "subnet", network_id=network, cidr=cidr, ip_version=4)
            self.create(caller, "router")
            for correlation in (None, "mpls", "nsh"):
                self.create(caller, "port", network_id=network, device_id="vm")
                self.pair(caller, -1, -1, correlation)
            for pairs in ([], [3], [4]):
                self.group(caller, pairs, tap=False)
            for number, protocol in enumerate(["tcp", "udp"], 3):
                self.classifier(caller, number, None, protocol, None)
            for groups, classifiers in (([3], [2]), ([3, 4], [3]), ([5], [])):
                self.chain(caller, groups, classifiers, "mpls", 0)
        assert len(list(self.state.all("port_chain"))) == 6

    @rule(caller=CALLERS, project=st.sampled_from(["one", "other", None]))
    def network(self, caller: Caller, project: str | None) -> None:
        self.create(caller, "network", **({"project_id": project} if caller.admin and project else {}))

    @rule(caller=CALLERS, network=PICK, cidr=st.sampled_from(["10.0.0.0/29", "10.0.0.8/29", "10.0.0.0/28"]))
    def subnet(self, caller: Caller, network: int, cidr: str) -> None:
        self.create(caller, "subnet", network_id=self.pick("network", network, caller), cidr=cidr, ip_version=4)

    @rule(caller=CALLERS, network=PICK, device=st.sampled_from(["", "vm", "vm", "vm2"]))
    def port(self, caller: Caller, network: int, device: str) -> None:
        self.create(caller, "port", network_id=self.pick("network", network, caller), device_id=device)

    @rule(caller=CALLERS, port=PICK, device=st.sampled_from(["", "vm", "vm2"]))
    def move_port(self, caller: Caller, port: int, device: str) -> None:
        self.request(caller, rules.update, "port", self.pick("port", port, caller), {"device_id": device})

    @rule(caller=CALLERS, port=PICK, subnet=PICK, address=st.sampled_from([None, "10.0.0.2", "10.0.0.3", "10.0.0.9"]))
    def readdress_port(self, caller: Caller, port: int, subnet: int, address: str | None) -> None:
        fixed = {"ip_address": address} if address else {"subnet_id": self.pick("subnet", subnet, caller)}
        self.request(caller, rules.update, "port", self.pick("port", port, caller), {"fixed_ips": [fixed]})

    @rule(caller=CALLERS)
    def router(self, caller: Caller) -> None:
        self.create(caller, "router")

    @rule(caller=CALLERS, router=PICK, what=st.sampled_from(["subnet", "port"]), number=PICK)
    def connect(self, caller: Caller, router: int, what: str, number: int) -> None:
        body = {f"{what}_id": self.pick(what, number, caller)}
        id = self.new_id()
        self.request(caller, rules.add_router_interface, self.pick("router", router, caller), body, id)

    @rule(caller=CALLERS, router=PICK, what=st.sampled_from(["subnet", "port"]), number=PICK)
    def disconnect(self, caller: Caller, router: int, what: str, number: int) -> None:
        id = self.pick("router", router, caller)
        ports = self.state.interfaces_of_router(id)
        port = ports[number % len(ports)] if ports else None
        named = {"port": port["id"], "subnet": port["fixed_ips"][0]["subnet_id"]} if port else {}
        body = {f"{what}_id": named.get(what) or self.pick(what, number, caller)}
        self.request(caller, rules.remove_router_interface, id, body)

    @rule(
        caller=CALLERS,
        source=st.none() | PICK,
        destination=st.none() | PICK,
        protocol=st.sampled_from([None, "tcp", "udp"]),
        prefix=st.sampled_from([None, "10.0.0.0/9", "10.1.0.5/16", "10.128.0.0/9"]),
    )
    def classifier(
        self, caller: Caller, source: int | None, destination: int | None, protocol: str | None, prefix: str | None
    ) -> None:
        ends = {"logical_source_port": source, "logical_destination_port": destination}
        ports = {name: self.pick("port", pick, caller) for name, pick in ends.items() if pick is not None}
        self.create(caller, "flow_classifier", protocol=protocol, source_ip_prefix=prefix, **ports)

    @rule(caller=CALLERS, ingress=PICK, egress=PICK, correlation=CORRELATION)
    def pair(self, caller: Caller, ingress: int, egress: int, correlation: str | None) -> None:
        ports = {"ingress": self.pick("port", ingress, caller), "egress": self.pick("port", egress, caller)}
        parameters = {"correlation": correlation, "weight": 1}
        self.create(caller, "port_pair", service_function_parameters=parameters, **ports)

    def several(self, kind: str, numbers: list[int], caller: Caller) -> list[str]:
        return list(dict.fromkeys(self.pick(kind, number, caller) for number in numbers))

    @rule(caller=CALLERS, pairs=PICKS, tap=st.booleans())
    def group(self, caller: Caller, pairs: list[int], tap: bool) -> None:
        self.create(caller, "port_pair_group", port_pairs=self.several("port_pair", pairs, caller), tap_enabled=tap)

    @rule(caller=CALLERS, group=PICK, pairs=PICKS)
    def regroup(self, caller: Caller, group: int, pairs: list[int]) -> None:
        values = {"port_pairs": self.several("port_pair", pairs, caller)}
        self.request(caller, rules.update, "port_pair_group", self.pick("port_pair_group", group, caller), values)

    @rule(caller=CALLERS, groups=PICKS, classifiers=PICKS, correlation=st.sampled_from(["mpls", "nsh"]), number=PICK)
    def chain(self, caller: Caller, groups: list[int], classifiers: list[int], correlation: str, number: int) -> None:
        self.create(
            caller,
            "port_chain",
            port_pair_groups=self.several("port_pair_group", groups, caller),
            flow_classifiers=self.several("flow_classifier", classifiers, caller),
            chain_parameters={"correlation": correlation, "symmetric": False},
            chain_id=number,
        )

    @rule(caller=CALLERS, chain=PICK, groups=st.none() | PICKS, classifiers=st.none() | PICKS)
    def rechain(self, caller: Caller, chain: int, groups: list[int] | None, classifiers: list[int] | None) -> None:
        values: dict[str, Any] = {"name": "again"}
        if groups is not None:
            values["port_pair_groups"] = self.several("port_pair_group", groups, caller)
        if classifiers is not None:
            values["flow_classifiers"] = self.several("flow_classifier", classifiers, caller)
        self.request(caller, rules.update, "port_chain", self.pick("port_chain", chain, caller), values)

    @rule(caller=CALLERS, edges=st.dictionaries(PICK, PICKS, max_size=3))
    def graph(self, caller: Caller, edges: dict[int, list[int]]) -> None:
        chains = {self.pick("port_chain", n, caller): self.several("port_chain", m, caller) for n, m in edges.items()}
        self.create(caller, "service_graph", port_chains=chains)

    @rule(caller=CALLERS, kind=st.sampled_from(["port_chain", "service_graph", "port_pair", "network"]), number=PICK)
    def rename(self, caller: Caller, kind: str, number: int) -> None:
        self.request(caller, rules.update, kind, self.pick(kind, number, caller), {"name": f"name {number}"})

    @rule(
        caller=CALLERS,
        kind=st.sampled_from(["network", "subnet", "port", "router", "flow_classifier", "port_pair"]),
        number=PICK,
    )
    def delete(self, caller: Caller, kind: str, number: int) -> None:
        self.request(caller, rules.delete, kind, self.pick(kind, number, caller))

    @rule(caller=CALLERS, kind=st.sampled_from(["service_graph", "port_chain", "port_pair_group"]), number=PICK)
    def take_apart(self, caller: Caller, kind: str, number: int) -> None:
        self.delete(caller, kind, number)

    # What holds

    @invariant()
    def nothing_dangles(self) -> None:
        for (kind, _), resource in self.state.resources().items():
            for of, id in references(kind, resource):
                assert self.state.get(of, id) is not None, f"{kind} refers to a missing {of}"

    @invariant()
    def indexes_are_those_of_a_new_state(self) -> None:
        assert State(self.state.resources()).indexes() == self.state.indexes()

    @invariant()
    def nothing_is_used_twice(self) -> None:
        all_ = self.state.all
        once(pair for group in all_("port_pair_group") for pair in group["port_pairs"])
        once(classifier for chain in all_("port_chain") for classifier in chain["flow_classifiers"])
        once(chain for graph in all_("service_graph") for chain in chains_of_graph(graph["port_chains"]))
        once(chain["chain_id"] for chain in all_("port_chain"))
        once(group["group_id"] for group in all_("port_pair_group"))
        once((pair["ingress"], pair["egress"]) for pair in all_("port_pair"))
        once((port["network_id"], port["mac_address"]) for port in all_("port"))
        once((ip["subnet_id"], ip["ip_address"]) for port in all_("port") for ip in port["fixed_ips"])
        once((chain["project_id"], *chain["port_pair_groups"]) for chain in all_("port_chain"))

    @invariant()
    def networks_list_their_subnets(self) -> None:
        for network in self.state.all("network"):
            assert network["subnets"] == [s["id"] for s in self.state.all("subnet") if s["network_id"] == network["id"]]

    @invariant()
    def pairs_have_one_device(self) -> None:
        for pair in self.state.all("port_pair"):
            devices = {(self.state.get("port", pair[role]) or {}).get("device_id") for role in ("ingress", "egress")}
            assert len(devices) == 1
            assert all(devices)

    def correlations(self, group: str) -> set[str | None]:
        pairs = [
            self.state.get("port_pair", id) for id in (self.state.get("port_pair_group", group) or {})["port_pairs"]
        ]
        return {pair["service_function_parameters"]["correlation"] for pair in pairs if pair}

    @invariant()
    def chains_can_be_built(self) -> None:
        for chain in self.state.all("port_chain"):
            own = chain["chain_parameters"]["correlation"]
            assert chain["port_pair_groups"]
            for group in chain["port_pair_groups"]:
                assert self.correlations(group) in (set(), {None}, {own})
            taps = [(self.state.get("port_pair_group", id) or {})["tap_enabled"] for id in chain["port_pair_groups"]]
            assert not any(one and other for one, other in itertools.pairwise(taps))
        for graph in self.state.all("service_graph"):
            for source, ends in graph["port_chains"].items():
                chain = self.state.get("port_chain", source) or {}
                own = {chain["chain_parameters"]["correlation"]}
                assert self.correlations(chain["port_pair_groups"][-1]) <= own
                for end in ends:
                    following = self.state.get("port_chain", end) or {}
                    assert {following["chain_parameters"]["correlation"]} == own
                    assert self.correlations(following["port_pair_groups"][0]) <= own

    @invariant()
    def classifiers_of_one_project_are_apart(self) -> None:
        for one, other in itertools.combinations(self.state.all("flow_classifier"), 2):
            if one["project_id"] == other["project_id"]:
                assert not overlap(pattern(one), pattern(other))
        for one, other in itertools.combinations(self.state.all("port_chain"), 2):
            if one["project_id"] == other["project_id"]:
                for a, b in itertools.product(one["flow_classifiers"], other["flow_classifiers"]):
                    first, second = self.state.get("flow_classifier", a), self.state.get("flow_classifier", b)
                    assert first is not None
                    assert second is not None
                    assert not overlap(pattern(first), pattern(second), logical=False)


def once(items: Any) -> None:
    found = list(items)
    assert len(found) == len(set(found))


Requests.TestCase.settings = settings(
    max_examples=30, stateful_step_count=40, deadline=None, suppress_health_check=list(HealthCheck)
)
TestAnyRequests = Requests.TestCase
