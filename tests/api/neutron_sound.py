"""What holds of the networking API's objects whatever was asked before: in memory, in the store, after a restart."""

from __future__ import annotations

import shutil
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

from neutron_asgi import Front

from segue.neutron.names import KIND_OF, id_of
from segue.neutron.state import ROUTER_INTERFACE, Resource, State, chains_of_graph


def references(kind: str, one: Resource) -> Iterator[tuple[str, str]]:
    """What an object names: kind and id."""
    match kind:
        case "network":
            yield from (("subnet", id) for id in one["subnets"])
        case "subnet":
            yield "network", one["network_id"]
        case "port":
            yield "network", one["network_id"]
            yield from (("subnet", fixed["subnet_id"]) for fixed in one["fixed_ips"])
            if one["device_owner"] == ROUTER_INTERFACE:
                yield "router", one["device_id"]
        case "flow_classifier":
            ends = (one["logical_source_port"], one["logical_destination_port"])
            yield from (("port", port) for port in ends if port is not None)
        case "port_pair":
            yield from (("port", one["ingress"]), ("port", one["egress"]))
        case "port_pair_group":
            yield from (("port_pair", id) for id in one["port_pairs"])
        case "port_chain":
            yield from (("port_pair_group", id) for id in one["port_pair_groups"])
            yield from (("flow_classifier", id) for id in one["flow_classifiers"])
        case "service_graph":
            yield from (("port_chain", id) for id in chains_of_graph(one["port_chains"]))


def consistent(front: Front) -> None:
    """Nothing names what is not there, nothing is there twice, and memory, store and declaration say the same."""
    state = front.neutron.state
    resources = state.resources()
    for (kind, id), one in resources.items():
        missing = [each for each in references(kind, one) if each not in resources]
        assert not missing, (kind, id, missing)
    _apart(state)
    assert state.indexes() == State(resources).indexes()
    declared = {
        (KIND_OF[kind], id_of(kind, name)) for kind, name in front.conductor.declared.objects if kind in KIND_OF
    }
    assert declared <= resources.keys()
    simple = {key for key in resources if key[0] in ("network", "subnet", "port", "flow_classifier", "router")}
    of_routers = {("port", port["id"]) for port in state.all("port") if port["device_owner"] == ROUTER_INTERFACE}
    assert simple - of_routers <= declared
    records = {tuple(key.split("/")[1:]) for key in front.store.snapshot("neutron/").items}
    assert {key for key in resources if key not in declared} <= records


def _apart(state: State) -> None:
    """What belongs to one object alone does."""
    alone = (
        *(("pair of ports", (one["ingress"], one["egress"])) for one in state.all("port_pair")),
        *(("pair", id) for one in state.all("port_pair_group") for id in one["port_pairs"]),
        *(("classifier", id) for one in state.all("port_chain") for id in one["flow_classifiers"]),
        *(("chain", id) for one in state.all("service_graph") for id in chains_of_graph(one["port_chains"])),
        *(("chain_id", one["chain_id"]) for one in state.all("port_chain")),
        *(("group_id", one["group_id"]) for one in state.all("port_pair_group")),
        *(("mac", (one["network_id"], one["mac_address"])) for one in state.all("port")),
        *(
            ("address", (each["subnet_id"], each["ip_address"]))
            for one in state.all("port")
            for each in one["fixed_ips"]
        ),
    )
    twice = [each for each, times in Counter(alone).items() if times > 1]
    assert not twice, twice


def survives(front: Front, directory: Path) -> None:
    """A server that starts with a copy of the store knows the same."""
    shutil.copytree(front.directory, directory)
    other = Front(directory, native="")
    try:
        assert _unordered(other.neutron.state.resources()) == _unordered(front.neutron.state.resources())
        assert other.conductor.declared.objects == front.conductor.declared.objects
        consistent(other)
    finally:
        other.close()


def _unordered(resources: dict[tuple[str, str], Resource]) -> dict[tuple[str, str], Resource]:
    """A network's subnets come in no order."""
    return {
        key: {**one, "subnets": sorted(one["subnets"])} if key[0] == "network" else one
        for key, one in resources.items()
    }
