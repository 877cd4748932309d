"""The networking API and ``segue apply`` on one store: what either does, the other sees; whole or not at all."""

from __future__ import annotations

import asyncio
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from segue.intent import dump, parse
from segue.model.intent import Chain, Group, Instance, Object, Port, Ref, Router, Subnet
from segue.neutron.body import create_values, update_values
from segue.neutron.caller import Caller
from segue.neutron.errors import Fault
from segue.neutron.names import id_of
from segue.server.conductor import Conductor, Refused
from segue.server.neutron import Neutron
from segue.store.base import StoreFull, Transaction
from segue.store.sqlite import SqliteStore

ADMIN = Caller("shop", admin=True)
NODES = ("n1", "n2", "n3")
BASE = "nodes: [n1, n2, n3]"
APPLIED = """
networks: {web: 10.0.0.0/24}
ports:
  client: {network: web, node: n1, address: 10.0.0.10}
  server: {network: web, node: n3, address: 10.0.0.20}
instances: {upper: n2}
chains: {loud: {match: {from: server, to: client, protocol: udp}, through: [upper]}}
"""


class Bench:
    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.open()
        self.apply(BASE)

    def open(self) -> None:
        self.store = SqliteStore(self.directory)
        self.conductor = Conductor(self.store, 0.0)
        self.neutron = Neutron(self.store, self.conductor)
        for node in NODES:
            self.conductor.listen(node, lambda revision, records: None)

    def reopen(self) -> None:
        self.store.close()
        self.open()

    def apply(self, text: str) -> None:
        self.conductor.apply(dict(parse(text, "test").objects))

    def delete(self, *refs: Ref) -> None:
        self.conductor.apply(dict.fromkeys(refs))

    @property
    def objects(self) -> dict[Ref, Object]:
        return self.conductor.declared.objects

    def records(self) -> set[str]:
        return set(self.store.snapshot("neutron/").items)

    def create(self, kind: str, **values: Any) -> dict[str, Any]:
        (made,) = self.neutron.create(ADMIN, kind, [create_values(kind, {kind: values}, ADMIN)])
        return made

    def update(self, kind: str, id: str, **values: Any) -> dict[str, Any]:
        return self.neutron.update(ADMIN, kind, id, update_values(kind, {kind: values}))

    def port(self, network: str, node: str, device: str = "vm", **values: Any) -> str:
        values = {"network_id": network, "device_id": device, "binding:host_id": node, **values}
        return str(self.create("port", **values)["id"])

    def network(self, cidr: str = "10.0.0.0/24") -> str:
        network = str(self.create("network", name="web")["id"])
        self.create("subnet", network_id=network, cidr=cidr, ip_version=4)
        return network

    def chain(self, network: str, *nodes: str, **values: Any) -> dict[str, Any]:
        """A chain of one group with a function on each node."""
        source = self.port(network, "n1")
        classifier = self.create("flow_classifier", logical_source_port=source, protocol="udp")["id"]
        pairs = []
        for number, node in enumerate(nodes):
            ends = [self.port(network, node, f"function {number}") for _ in range(2)]
            pairs.append(self.create("port_pair", ingress=ends[0], egress=ends[1])["id"])
        group = self.create("port_pair_group", port_pairs=pairs)["id"]
        return self.create("port_chain", port_pair_groups=[group], flow_classifiers=[classifier], **values)

    async def calm(self, rounds: int = 8) -> None:
        for _ in range(rounds):
            for node in NODES:
                self.conductor.applied(node, self.conductor.revision, {}, "")
            await asyncio.sleep(0.001)


@pytest.fixture
def run(tmp_path: Path) -> Iterator[Callable[[Callable[[Bench], Any]], None]]:
    def go(scenario: Callable[[Bench], Any]) -> None:
        async def main() -> None:
            bench = Bench(tmp_path)
            await asyncio.sleep(0)
            try:
                await scenario(bench)
            finally:
                bench.store.close()

        asyncio.run(main())

    yield go


def refusal(call: Callable[[], Any]) -> Fault:
    with pytest.raises(Fault) as caught:
        call()
    return caught.value


def test_what_the_api_makes_is_declared(run: Any) -> None:
    async def scenario(b: Bench) -> None:
        chain = b.chain(b.network(), "n2", "n3", name="loud", chain_parameters={"correlation": "nsh"})
        declared = b.objects["chain", chain["id"]]
        assert isinstance(declared, Chain)
        assert (declared.label, declared.project, declared.encapsulation) == ("loud", "shop", "nsh")
        group = b.objects["group", declared.groups[0]]
        assert isinstance(group, Group)
        instance = b.objects["instance", group.instances[1]]
        assert isinstance(instance, Instance)
        port = b.objects["port", instance.ingress]
        assert isinstance(port, Port)
        assert (port.node, port.addresses) == ("n3", ("10.0.0.5",))
        assert parse(dump(b.objects), "again").objects == b.objects

    run(scenario)


def test_a_chain_says_how_it_is(run: Any) -> None:
    async def scenario(b: Bench) -> None:
        chain = b.chain(b.network(), "n2")
        assert chain["status"] == "BUILD"
        assert any("n2" in reason for reason in chain["status_reason"])
        await b.calm()
        assert b.neutron.status_of(chain["id"]) == ("ACTIVE", [])
        key = next(key for key, record in b.conductor.views["n2"].items() if key.startswith("path/"))
        missing = {int(key.partition("/")[2]): ["port x has no interface"]}
        b.conductor.applied("n2", b.conductor.revision, missing, "")
        assert b.neutron.status_of(chain["id"]) == ("DOWN", ["port x has no interface"])

    run(scenario)


def test_a_chain_that_cannot_be_built_yet_says_why_and_is_built_when_it_can(run: Any) -> None:
    async def scenario(b: Bench) -> None:
        network = b.network()
        group = b.create("port_pair_group")["id"]
        chain = b.create("port_chain", port_pair_groups=[group])
        ref = ("chain", chain["id"])
        reasons = ["it has no flow classifier", f"port pair group {group} has no port pair"]
        assert (chain["status"], chain["status_reason"]) == ("DOWN", reasons)
        source = b.port(network, "n1")
        classifier = b.create("flow_classifier", logical_source_port=source)["id"]
        b.update("port_chain", chain["id"], flow_classifiers=[classifier])
        assert b.neutron.status_of(chain["id"]) == ("DOWN", reasons[1:])
        port = b.port(network, "")
        weightless = {"weight": 0}
        pair = b.create("port_pair", ingress=port, egress=port, service_function_parameters=weightless)["id"]
        b.update("port_pair_group", group, port_pairs=[pair])
        assert [text.partition(":")[0] for text in b.neutron.status_of(chain["id"])[1]] == [
            f"port pair group {group} has no port pair with a weight",
            f"nobody knows on which node port {port} is",
        ]
        other = b.create("port_pair", ingress=source, egress=source)["id"]
        b.update("port_pair_group", group, port_pairs=[pair, other])
        assert ref not in b.objects
        b.reopen()
        assert ref not in b.objects
        b.update("port", port, **{"binding:host_id": "n2"})
        assert ref in b.objects
        b.update("port_pair_group", group, port_pairs=[])
        assert ref not in b.objects
        assert b.neutron.state.get("port_chain", chain["id"]) is not None

    run(scenario)


def test_what_is_applied_is_seen_by_the_api_and_survives_a_restart(run: Any) -> None:
    async def scenario(b: Bench) -> None:
        b.apply(APPLIED)

        def check() -> None:
            state = b.neutron.state
            chain = state.get("port_chain", id_of("chain", "loud"))
            assert chain is not None
            (group,) = chain["port_pair_groups"]
            (pair,) = state.get("port_pair_group", group)["port_pairs"]  # type: ignore[index]
            assert state.get("port_pair", pair)["name"] == "upper"  # type: ignore[index]
            (classifier,) = chain["flow_classifiers"]
            assert state.get("flow_classifier", classifier)["logical_source_port"] == id_of("port", "server")  # type: ignore[index]
            network = state.get("network", id_of("network", "web"))
            assert network is not None
            assert network["subnets"] == [id_of("subnet", "web")]
            port = state.get("port", id_of("port", "client"))
            assert port is not None
            assert port["fixed_ips"] == [{"subnet_id": network["subnets"][0], "ip_address": "10.0.0.10"}]

        check()
        before = b.neutron.state.resources()
        b.reopen()
        check()
        assert b.neutron.state.resources() == before
        assert b.records() == set()

    run(scenario)


def test_applied_objects_are_renamed_and_deleted_by_the_api(run: Any) -> None:
    async def scenario(b: Bench) -> None:
        b.apply(APPLIED)
        id = id_of("chain", "loud")
        assert b.update("port_chain", id, name="Very loud")["name"] == "Very loud"
        declared = b.objects["chain", "loud"]
        assert isinstance(declared, Chain)
        assert (declared.label, declared.groups) == ("Very loud", ("upper",))
        b.reopen()
        assert b.neutron.show(ADMIN, "port_chain", id)["name"] == "Very loud"
        (group,) = b.neutron.show(ADMIN, "port_chain", id)["port_pair_groups"]
        assert "instance 'upper'" in refusal(lambda: b.update("port_pair_group", group, name="x")).message
        b.neutron.delete(ADMIN, "port_chain", id)
        assert not [ref for ref in b.objects if ref[0] in ("chain", "classifier")]
        assert b.records() == set()
        assert not list(b.neutron.state.all("port_pair_group"))

    run(scenario)


def test_an_api_chain_goes_through_applied_functions(run: Any) -> None:
    async def scenario(b: Bench) -> None:
        b.apply(APPLIED.rpartition("chains")[0] + "groups: {g: [upper]}")
        source = id_of("port", "server")
        classifier = b.create("flow_classifier", logical_source_port=source, source_ip_prefix="10.0.0.20/24")["id"]
        chain = b.create("port_chain", port_pair_groups=[id_of("group", "g")], flow_classifiers=[classifier])
        declared = b.objects["chain", chain["id"]]
        assert isinstance(declared, Chain)
        assert declared.groups == ("g",)
        with pytest.raises(Refused):
            b.delete(("group", "g"))

    run(scenario)


def test_a_native_change_of_an_api_object_is_shown_and_keeps_the_rest(run: Any) -> None:
    async def scenario(b: Bench) -> None:
        network = b.network()
        source = b.port(network, "n1", name="client")
        made = b.create("flow_classifier", logical_source_port=source, source_ip_prefix="10.0.0.7/24", name="x")
        text = dump({ref: b.objects[ref] for ref in (("classifier", made["id"]), ("port", source))})
        b.apply(text.replace("label: x", 'label: "y"').replace("node: n1", "node: n2"))
        for _ in range(2):
            shown = b.neutron.show(ADMIN, "flow_classifier", made["id"])
            assert shown == {**made, "name": "y"}
            port = b.neutron.show(ADMIN, "port", source)
            assert (port["binding:host_id"], port["device_id"]) == ("n2", "vm")
            b.reopen()

    run(scenario)


def test_a_native_delete_takes_the_record_with_it_in_one_transaction(run: Any) -> None:
    async def scenario(b: Bench) -> None:
        chain = b.chain(b.network(), "n2")
        commits: list[Transaction] = []
        commit = b.store.commit
        b.store.commit = lambda transaction: commits.append(transaction) or commit(transaction)  # type: ignore
        b.delete(("chain", chain["id"]))
        assert {f"neutron/port_chain/{chain['id']}", f"object/chain/{chain['id']}"} <= set(commits[0].deletes)
        assert b.neutron.state.get("port_chain", chain["id"]) is None
        assert refusal(lambda: b.neutron.show(ADMIN, "port_chain", chain["id"])).status == 404

    run(scenario)


def test_a_natively_deleted_subnet_is_not_in_its_network_after_a_restart(run: Any) -> None:
    async def scenario(b: Bench) -> None:
        network = b.network()
        b.delete(("subnet", b.neutron.show(ADMIN, "network", network)["subnets"][0]))
        for _ in range(2):
            assert b.neutron.show(ADMIN, "network", network)["subnets"] == []
            b.reopen()

    run(scenario)


def test_a_chain_of_the_api_has_an_instance_where_an_applied_one_has(run: Any) -> None:
    async def scenario(b: Bench) -> None:
        b.apply(APPLIED)
        (lone,) = b.neutron.show(ADMIN, "port_chain", id_of("chain", "loud"))["port_pair_groups"]
        empty = b.create("port_pair_group")["id"]
        chain = b.create("port_chain", port_pair_groups=[lone, empty])["id"]
        with pytest.raises(Refused, match=f"port chain {chain} of the networking API uses it"):
            b.delete(("chain", "loud"), ("instance", "upper"))
        b.delete(("chain", "loud"))
        b.reopen()
        assert b.neutron.show(ADMIN, "port_pair_group", lone)["name"] == "upper"
        b.neutron.delete(ADMIN, "port_chain", chain)
        assert b.neutron.state.get("port_pair_group", lone) is None
        b.apply(APPLIED)
        b.delete(("chain", "loud"), ("instance", "upper"))

    run(scenario)


def test_what_a_record_alone_uses_is_not_deleted_natively(run: Any) -> None:
    async def scenario(b: Bench) -> None:
        group = b.create("port_pair_group")["id"]
        chain = b.create("port_chain", port_pair_groups=[group])["id"]
        with pytest.raises(Refused, match=f"port chain {chain} of the networking API uses it"):
            b.delete(("group", group))
        assert b.neutron.state.get("port_pair_group", group) is not None
        b.neutron.delete(ADMIN, "port_chain", chain)
        b.delete(("group", group))
        assert b.records() == set()

    run(scenario)


def test_what_the_conductor_refuses_is_a_conflict_and_changes_nothing(run: Any) -> None:
    async def scenario(b: Bench) -> None:
        network = b.network()
        before, records = b.neutron.state.resources(), b.records()
        fault = refusal(lambda: b.port(network, "n1", mac_address="0a:5e:00:00:00:01"))
        assert (fault.status, fault.type) == (409, "SegueRefused")
        assert "is one of those that paths are written in" in fault.message
        assert b.neutron.state.resources() == before
        assert b.records() == records
        assert b.port(network, "n1", mac_address="0a:5f:00:00:00:01")

    run(scenario)


def test_a_store_that_takes_nothing_leaves_nothing(run: Any) -> None:
    async def scenario(b: Bench) -> None:
        network = b.network()
        before, objects, commit = b.neutron.state.resources(), dict(b.objects), b.store.commit

        def full(transaction: Transaction) -> int:
            raise StoreFull("there")

        b.store.commit = full  # type: ignore[method-assign]
        for kind, values in (("port", {"network_id": network}), ("service_graph", {"port_chains": {}})):
            with pytest.raises(StoreFull):
                b.create(kind, **values)
        assert b.neutron.state.resources() == before
        assert b.objects == objects
        b.store.commit = commit  # type: ignore[method-assign]
        b.port(network, "n1")
        state = b.neutron.state.indexes()
        b.reopen()
        assert b.neutron.state.indexes() == state

    run(scenario)


def test_several_at_once_are_one_transaction_or_nothing(run: Any) -> None:
    async def scenario(b: Bench) -> None:
        network = b.network("10.0.0.0/30")
        one = create_values("port", {"port": {"network_id": network}}, ADMIN)
        records = b.records()
        assert refusal(lambda: b.neutron.create(ADMIN, "port", [one, one])).type == "IpAddressGenerationFailure"
        assert b.records() == records
        assert not list(b.neutron.state.all("port"))
        revision = b.store.revision
        networks = [create_values("network", {"network": {"name": name}}, ADMIN) for name in "ab"]
        assert len(b.neutron.create(ADMIN, "network", networks)) == 2
        assert b.store.revision == revision + 1

    run(scenario)


def test_answers_that_overlap_get_precedences_by_chain_id(run: Any) -> None:
    async def scenario(b: Bench) -> None:
        network = b.network()
        client, server = b.port(network, "n1"), b.port(network, "n3")
        chains = []
        for symmetric, ends, source in ((True, (client, server), 1), (False, (server, None), 2)):
            classifier = b.create(
                "flow_classifier",
                logical_source_port=ends[0],
                logical_destination_port=ends[1],
                protocol="udp",
                source_port_range_min=source,
                source_port_range_max=source,
            )["id"]
            port = b.port(network, "n2", f"function {source}")
            pair = b.create("port_pair", ingress=port, egress=port)["id"]
            group = b.create("port_pair_group", port_pairs=[pair])["id"]
            parameters = {"symmetric": symmetric}
            chains.append(
                b.create(
                    "port_chain",
                    port_pair_groups=[group],
                    flow_classifiers=[classifier],
                    chain_parameters=parameters,
                )["id"]
            )
        found = [getattr(b.objects["chain", id], "precedence", None) for id in chains]
        assert found == [29999, 29998]

    run(scenario)


def test_applied_ports_of_one_device_make_a_pair(run: Any) -> None:
    async def scenario(b: Bench) -> None:
        b.apply("""
networks: {web: 10.0.0.0/24}
ports: {a: {network: web, node: n1}, b: {network: web, node: n1}, c: {network: web, node: n1, device: vm}}
""")
        b.apply("ports: {d: {network: web, node: n1, device: vm}}")
        a, other, c, d = (id_of("port", name) for name in "abcd")
        for ingress, egress in ((a, other), (a, c)):
            fault = refusal(lambda ends=(ingress, egress): b.create("port_pair", ingress=ends[0], egress=ends[1]))
            assert (fault.status, fault.type) == (400, "PortPairIngressEgressDifferentHost")
        assert b.neutron.show(ADMIN, "port", c)["device_id"] == "vm"
        b.create("port_pair", ingress=c, egress=d)
        b.create("port_pair", ingress=a, egress=a)
        b.update("port", other, device_id="vm")
        b.create("port_pair", ingress=c, egress=other)
        b.reopen()
        assert b.neutron.show(ADMIN, "port", other)["device_id"] == "vm"

    run(scenario)


def test_routers_answer_at_their_interfaces(run: Any) -> None:
    async def scenario(b: Bench) -> None:
        network = b.network()
        (subnet,) = b.neutron.show(ADMIN, "network", network)["subnets"]
        router, second = (b.create("router")["id"] for _ in range(2))
        b.neutron.add_router_interface(ADMIN, router, {"subnet_id": subnet})
        port = b.create("port", network_id=network, **{"binding:host_id": "n1"})["id"]
        b.neutron.add_router_interface(ADMIN, second, {"port_id": port})
        pair = b.create("port_pair", ingress=port, egress=port)["id"]
        group = b.create("port_pair_group", port_pairs=[pair])["id"]
        declared = [b.objects["router", id] for id in (router, second)]
        assert [each.subnets for each in declared if isinstance(each, Router)] == [(subnet,), ()]
        assert ("port", port) not in b.objects
        assert ("instance", pair) not in b.objects
        assert b.objects["group", group] == Group(name=group, project="shop", instances=())
        b.neutron.remove_router_interface(ADMIN, router, {"subnet_id": subnet})
        shown = b.objects["subnet", subnet]
        assert isinstance(shown, Subnet)
        address = b.neutron.show(ADMIN, "port", port)["fixed_ips"][0]["ip_address"]
        assert shown.gateway == address
        moved = b.objects["router", second]
        assert isinstance(moved, Router)
        assert moved.subnets == (subnet,)

    run(scenario)


def test_a_restart_reads_back_what_there_was(run: Any) -> None:
    async def scenario(b: Bench) -> None:
        b.apply(APPLIED.replace("web", "native").replace("udp", "tcp"))
        b.chain(b.network("10.1.0.0/24"), "n2", "n3", name="\N{RIGHT-TO-LEFT OVERRIDE}odd\n")
        b.neutron.set_quota("a/b", {"port": 7})
        before, indexes = b.neutron.state.resources(), b.neutron.state.indexes()
        b.reopen()
        assert b.neutron.state.resources() == before
        assert b.neutron.state.indexes() == indexes
        assert dict(b.neutron.quotas())["a/b"]["port"] == 7
        b.neutron.reset_quota("a/b")
        assert b.neutron.quotas() == []

    run(scenario)


def test_a_crash_leaves_a_request_whole_or_not_there(run: Any, tmp_path: Path) -> None:
    async def scenario(b: Bench) -> None:
        snapshots: list[Path] = []
        commit = b.store.commit

        def copying(transaction: Transaction) -> int:
            revision = commit(transaction)
            copy = tmp_path / f"copy-{len(snapshots)}"
            copy.mkdir()
            for file in b.directory.iterdir():
                if file.is_file():
                    shutil.copy(file, copy)
            snapshots.append(copy)
            return revision

        network = b.network()
        stages = [b.neutron.state.resources()]
        b.store.commit = copying  # type: ignore[method-assign]
        create = b.neutron.create

        def recording(*arguments: Any) -> Any:
            made = create(*arguments)
            stages.append(b.neutron.state.resources())
            return made

        b.neutron.create = recording  # type: ignore[method-assign,assignment]
        b.chain(network, "n2")
        await b.calm()
        assert len(snapshots) >= len(stages)  # the requests, and the steps of the chain
        seen = []
        for copy in snapshots:
            store = SqliteStore(copy)
            conductor = Conductor(store, 0.0)
            found = Neutron(store, conductor).state.resources()
            assert found in stages
            seen.append(stages.index(found))
            assert {ref[1] for ref in conductor.declared.objects if ref[0] != "node"} == {id for _, id in found}
            store.close()
        assert sorted(set(seen)) == list(range(1, len(stages)))

    run(scenario)


def test_keys_beside_a_change_go_with_it(run: Any) -> None:
    async def scenario(b: Bench) -> None:
        wanted = dict(parse("networks: {a: }", "test").objects)
        b.conductor.apply(wanted, beside={"other/x": b"1"}, dry_run=True)
        assert not b.store.snapshot("other/").items
        revision = b.store.revision
        b.conductor.apply(wanted, beside={"other/x": b"1"})
        assert b.store.revision == revision + 1
        b.conductor.apply(wanted, beside={"other/x": None, "other/y": b"2"})
        assert list(b.store.snapshot("other/").items) == ["other/y"]
        b.conductor.apply({}, beside={"other/y": None}, dry_run=True)
        with pytest.raises(Refused):
            b.conductor.apply({("port", "p"): Port(name="p", network="none")}, beside={"other/z": b"3"})
        with pytest.raises(ValueError, match="room of the conductor"):
            b.conductor.apply({}, beside={"object/network/b": b"{}"})
        assert list(b.store.snapshot("other/").items) == ["other/y"]

    run(scenario)
