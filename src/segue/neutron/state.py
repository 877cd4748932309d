"""All objects that the API knows, and the indexes that its checks need.

A ``Resource`` is one object as Neutron shows it; it is never changed in place, only replaced. The rules read a
``State`` and return ``Changes``; who asked for them applies those, whole, once they have succeeded everywhere. So two
requests never see half of one. An index maps a key to the ids that it concerns, and follows from the resources alone:
``State`` after any changes equals one that is built from its resources. What is listed is in the order of ``place``, a
number of each object by kind and id; without it, in the order in which objects were first seen here.
"""

from __future__ import annotations

import ipaddress
from bisect import bisect_left, insort
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any

from segue.neutron.caller import Caller
from segue.neutron.errors import Fault, plain
from segue.neutron.overlap import Overlaps, pattern

Resource = dict[str, Any]
Changes = dict[tuple[str, str], Resource | None]
"""(kind, id) to the new resource, or to None where it is deleted."""

ROUTER_INTERFACE = "network:router_interface"

_MISSING = {
    "network": "Network {} could not be found.",
    "subnet": "Subnet {} could not be found.",
    "port": "Port {} could not be found.",
    "router": "Router {} could not be found",
    "flow_classifier": "Flow Classifier {} not found.",
    "port_pair": "Port Pair {} not found.",
    "port_pair_group": "Port Pair Group {} not found.",
    "port_chain": "Port Chain {} not found.",
    "service_graph": "Service Graph {} not found.",
}


class Numbers:
    """Numbers in use, and by whom. The lowest free one is found by bisection."""

    def __init__(self) -> None:
        self._owners: dict[int, dict[str, None]] = {}
        self._sorted: list[int] = []

    def __eq__(self, other: object) -> bool:
        return (
            isinstance(other, Numbers)
            and self._sorted == other._sorted
            and {number: set(ids) for number, ids in self._owners.items()}
            == {number: set(ids) for number, ids in other._owners.items()}
        )

    def __len__(self) -> int:
        return len(self._sorted)

    def owner(self, number: int) -> str | None:
        return next(iter(self._owners.get(number, ())), None)

    def add(self, number: int, id: str) -> None:
        if number not in self._owners:
            insort(self._sorted, number)
        self._owners.setdefault(number, {})[id] = None

    def remove(self, number: int, id: str) -> None:
        owners = self._owners[number]
        owners.pop(id, None)
        if not owners:
            del self._owners[number]
            del self._sorted[bisect_left(self._sorted, number)]

    def lowest_free(self, first: int, last: int) -> int | None:
        """The lowest number from ``first`` to ``last``, inclusive, that nobody has."""
        start = bisect_left(self._sorted, first)
        low, high = start, len(self._sorted)
        while low < high:  # below the first gap, the number at each place is ``first`` and the distance to ``start``
            middle = (low + high) // 2
            if self._sorted[middle] == first + middle - start:
                low = middle + 1
            else:
                high = middle
        number = first + low - start
        return number if number <= last else None


class State:
    def __init__(
        self,
        resources: Mapping[tuple[str, str], Resource] | None = None,
        place: Callable[[str, str], float] = lambda _kind, _id: 0,
    ) -> None:
        self._place = place
        self._unsorted: set[str] = set()
        """Kinds of which objects are not in order."""
        self._objects: dict[str, dict[str, Resource]] = {}
        self._index: dict[tuple[str, Any], dict[str, None]] = {}
        self._numbers: dict[tuple[str, str], Numbers] = {}
        self.classifiers = Overlaps()
        self.chained = Overlaps(logical=False)
        self.apply(dict(resources or {}))

    # Objects

    def get(self, kind: str, id: str) -> Resource | None:
        return self._objects.get(kind, {}).get(id)

    def all(self, kind: str, project: str | None = None) -> Iterable[Resource]:
        """Those of one kind, of one project or of all, in the order in which they were made."""
        if kind in self._unsorted:
            self._unsorted.discard(kind)
            self._objects[kind] = {id: self._objects[kind][id] for id in self._in_order(kind, self._objects[kind])}
        objects = self._objects.get(kind, {})
        if project is None:
            return objects.values()
        return [objects[id] for id in self._in_order(kind, self._ids("project", (kind, project)))]

    def count(self, kind: str, project: str) -> int:
        return len(self._ids("project", (kind, project)))

    def resources(self) -> dict[tuple[str, str], Resource]:
        return {(kind, id): resource for kind, objects in self._objects.items() for id, resource in objects.items()}

    # Indexes

    def _ids(self, index: str, key: Any) -> dict[str, None]:
        return self._index.get((index, key), {})

    def _one(self, index: str, key: Any) -> str | None:
        return next(iter(self._ids(index, key)), None)

    def _in_order(self, kind: str, ids: Iterable[str]) -> list[str]:
        return sorted(ids, key=lambda id: self._place(kind, id))

    def named(self, kind: str, name: str) -> Iterable[str]:
        return self._in_order(kind, self._ids("name", (kind, name)))

    def ports_of_network(self, network: str) -> Iterable[str]:
        return self._ids("ports_of_network", network).keys()

    def subnets_of_network(self, network: str) -> Iterable[str]:
        return self._in_order("subnet", self._ids("subnets_of_network", network))

    def ports_of_device(self, device: str) -> Iterable[str]:
        return self._ids("ports_of_device", device).keys()

    def interfaces_in_network(self, network: str) -> list[Resource]:
        """Its ports that are, or say that they are, those of routers."""
        return [self._objects["port"][id] for id in self._ids("interfaces_in_network", network)]

    def port_of_mac(self, network: str, mac: str) -> str | None:
        return self._one("mac", (network, mac))

    def interfaces_of_router(self, router: str) -> list[Resource]:
        """The ports that connect a router to its subnets."""
        ports = (self._objects["port"][id] for id in self.ports_of_device(router))
        return [port for port in ports if port.get("device_owner") == ROUTER_INTERFACE]

    def pairs_of_port(self, port: str) -> Iterable[str]:
        return self._ids("pairs_of_port", port).keys()

    def pair_of_ports(self, ingress: str, egress: str) -> str | None:
        return self._one("pair_of_ports", (ingress, egress))

    def classifiers_of_port(self, port: str) -> Iterable[str]:
        return self._ids("classifiers_of_port", port).keys()

    def group_of_pair(self, pair: str) -> str | None:
        return self._one("group_of_pair", pair)

    def chains_of_group(self, group: str) -> Iterable[str]:
        return self._ids("chains_of_group", group).keys()

    def chain_of_classifier(self, classifier: str) -> str | None:
        return self._one("chain_of_classifier", classifier)

    def graph_of_chain(self, chain: str) -> str | None:
        return self._one("graph_of_chain", chain)

    def addresses(self, subnet: str) -> Numbers:
        """The addresses of a subnet that ports have, as integers."""
        return self._numbers.get(("address", subnet), _NOTHING)

    @property
    def chain_ids(self) -> Numbers:
        return self._numbers.get(("chain_id", ""), _NOTHING)

    @property
    def group_ids(self) -> Numbers:
        return self._numbers.get(("group_id", ""), _NOTHING)

    def indexes(self) -> dict[str, Any]:
        """All indexes as one value that can be compared with another state's. The order in them does not count."""
        return {
            "ids": {key: set(ids) for key, ids in self._index.items()},
            "numbers": self._numbers,
            "classifiers": self.classifiers,
            "chained": self.chained,
        }

    # Changes

    def apply(self, changes: Changes) -> None:
        """Makes the changes. What refers to something may come before it, in one call or in an earlier one."""
        for (kind, id), resource in changes.items():
            objects = self._objects.setdefault(kind, {})
            old = objects.get(id)
            if old is not None:
                self._forget(kind, id, old)
            if resource is None:
                objects.pop(id, None)
                continue
            if id not in objects and objects and self._place(kind, id) < self._place(kind, next(reversed(objects))):
                self._unsorted.add(kind)
            objects[id] = resource
        for (kind, id), resource in changes.items():
            if resource is not None:
                self._learn(kind, id, resource)

    def _learn(self, kind: str, id: str, resource: Resource) -> None:
        for key in _keys(kind, resource):
            self._index.setdefault(key, {})[id] = None
        for key, number in _numbers(kind, resource):
            self._numbers.setdefault(key, Numbers()).add(number, id)
        if kind == "flow_classifier":
            self.classifiers.add(id, pattern(resource))
            if self.chain_of_classifier(id) is not None:
                self.chained.add(id, pattern(resource))
        elif kind == "port_chain":
            for classifier in resource["flow_classifiers"]:
                known = self.get("flow_classifier", classifier)
                if known is not None:
                    self.chained.add(classifier, pattern(known))

    def _forget(self, kind: str, id: str, resource: Resource) -> None:
        for key in _keys(kind, resource):
            ids = self._index.get(key, {})
            ids.pop(id, None)
            if not ids:
                self._index.pop(key, None)
        for group, number in _numbers(kind, resource):
            numbers = self._numbers[group]
            numbers.remove(number, id)
            if not len(numbers):
                del self._numbers[group]
        if kind == "flow_classifier":
            self.classifiers.remove(id)
            self.chained.remove(id)
        elif kind == "port_chain":
            for classifier in resource["flow_classifiers"]:
                if self.chain_of_classifier(classifier) is None:
                    self.chained.remove(classifier)


_NOTHING = Numbers()


def _keys(kind: str, resource: Resource) -> Iterator[tuple[str, Any]]:
    """The index and the key in it under which a resource is found."""
    if "name" in resource:
        yield "name", (kind, resource["name"])
    if "project_id" in resource:
        yield "project", (kind, resource["project_id"])
    if kind == "port":
        network, device = resource["network_id"], resource.get("device_id")
        yield "ports_of_network", network
        yield "mac", (network, resource["mac_address"])
        if device:
            yield "ports_of_device", device
        if resource.get("device_owner") == ROUTER_INTERFACE:
            yield "interfaces_in_network", network
    elif kind == "subnet":
        yield "subnets_of_network", resource["network_id"]
    elif kind == "flow_classifier":
        ports = (resource["logical_source_port"], resource["logical_destination_port"])
        yield from (("classifiers_of_port", port) for port in dict.fromkeys(ports) if port)
    elif kind == "port_pair":
        ends = (resource["ingress"], resource["egress"])
        yield "pair_of_ports", ends
        yield from (("pairs_of_port", port) for port in dict.fromkeys(ends))
    elif kind == "port_pair_group":
        yield from (("group_of_pair", pair) for pair in resource["port_pairs"])
    elif kind == "port_chain":
        yield from (("chains_of_group", group) for group in resource["port_pair_groups"])
        yield from (("chain_of_classifier", classifier) for classifier in resource["flow_classifiers"])
    elif kind == "service_graph":
        yield from (("graph_of_chain", chain) for chain in chains_of_graph(resource["port_chains"]))


def _numbers(kind: str, resource: Resource) -> Iterator[tuple[tuple[str, str], int]]:
    if kind == "port":
        for fixed in resource["fixed_ips"]:
            yield ("address", fixed["subnet_id"]), int(ipaddress.ip_address(fixed["ip_address"]))
    elif kind == "port_chain" and resource.get("chain_id"):
        yield ("chain_id", ""), resource["chain_id"]
    elif kind == "port_pair_group" and resource.get("group_id"):
        yield ("group_id", ""), resource["group_id"]


def chains_of_graph(port_chains: Mapping[str, Iterable[str]]) -> dict[str, None]:
    """The chains that a service graph names, each once, sources first."""
    return dict.fromkeys([*port_chains, *(chain for ends in port_chains.values() for chain in ends)])


def visible(caller: Caller, resource: Resource) -> bool:
    """Whether the caller may see and change a resource: a project has its own ones alone."""
    return caller.admin or bool(resource.get("project_id") == caller.project)


def require(state: State, caller: Caller, kind: str, id: str, type: str = "", message: str = "") -> Resource:
    """The resource, if the caller may see it; else the fault 404, in words of its own or in ``message``."""
    resource = state.get(kind, id)
    if resource is None or not visible(caller, resource):
        raise Fault(404, type or f"{class_name(kind)}NotFound", (message or _MISSING[kind]).format(plain(id)))
    return resource


def class_name(kind: str) -> str:
    """``port_pair`` to ``PortPair``."""
    return "".join(word.capitalize() for word in kind.split("_"))
