"""From Neutron's objects to declared ones.

A ``Translation`` is told before the state changes, and read after it. It knows which objects the change touches: a
port that becomes a router's interface takes its port pairs with it, their groups, and the chains of those. Only the
fields that the change is about are set in what is declared already, so that what ``segue apply`` said and Neutron has
no word for (an instance's mode, a chain's precedence) stays.

What cannot be declared yet is left out, with its reasons (``lacks``):

- A router's interface is no port: the router answers at its address. So no function is behind it, and a port pair or
  classifier with it is not declared. A network has one router; further ones are declared without it.
- A chain is declared when all of it can be: classifiers that say where packets start, and groups whose pairs have
  a weight and a place. One that follows others in a service graph is declared when one of those is: it is for packets
  that have come through one.
- A service graph has the branches whose chains are declared.

A function is ``mode: bridge``, to which frames come with the addresses that they had: a bump in the wire. One that
routes needs frames with its own MAC address; Neutron's API has no word for that, so its ingress port says it:
``binding:profile`` {"mode": "route"}.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any

import msgspec

from segue.model.intent import (
    KINDS,
    AddressPair,
    Branch,
    Maps,
    NTuple,
    Object,
    Ref,
    Route,
    Router,
    is_label,
)
from segue.model.limits import DEFAULT_PRECEDENCE, MAX_PRECEDENCE, MAX_TEXT
from segue.model.spread import ordered, refusal
from segue.neutron.errors import Fault
from segue.neutron.names import NATIVE, Names
from segue.neutron.state import ROUTER_INTERFACE, Resource, State, chains_of_graph

Key = tuple[str, str]
"""Kind and id, as Neutron has them."""
Fields = dict[str, Any]
"""Fields of a declared object."""
Wanted = dict[Ref, Object | None]

_ORDER = {kind: position for position, kind in enumerate(NATIVE)}


def precedence(chain_id: int) -> int:
    """Of a chain that overlaps another one in what Neutron's rules do not compare (answers of a symmetric chain): each
    has its own, above the default, the lower chain id the higher one. They repeat after 29,899 chains."""
    levels = MAX_PRECEDENCE - DEFAULT_PRECEDENCE - 1
    return MAX_PRECEDENCE - (chain_id - 1) % levels - 1


def text(value: str) -> str:
    """A name or description as a label, which is shorter and can be shown."""
    shown = value if is_label(value) else "".join(c if is_label(c) else "\N{REPLACEMENT CHARACTER}" for c in value)
    return shown[:MAX_TEXT]


class Translation:
    """``objects`` are those declared; ``locations`` the nodes where the interfaces of ports have been seen, by name."""

    def __init__(self, state: State, objects: Mapping[Ref, Object], names: Names, locations: Mapping[str, str]) -> None:
        self.state, self.objects, self.names, self.locations = state, objects, names, locations
        self._keys: set[Key] = set()
        self._wanted: Wanted = {}
        self._old: dict[Key, Fields] = {}
        self._known_led: dict[str, dict[str, bool]] | None = None
        """By graph, while the state stays as it is."""

    def about(self, keys: Iterable[Key]) -> None:
        """These are going to change. To be said before the state does. Raises Fault for what cannot be changed here."""
        keys = list(keys)
        for kind, id in keys:
            instance = self.names.lone(id) if kind == "port_pair_group" else None
            if instance is not None:
                message = f"this group is instance {instance!r} in a chain of `segue apply`; change it there"
                raise Fault(409, "SegueRefused", message)
        new = touched(self.state, keys) - self._keys
        self._keys |= new
        self._old.update((key, self.fields(*key)) for key in new if self.state.get(*key) is not None)

    def wanted(self) -> Wanted:
        """What is to be declared, and what no longer, now that the state has changed."""
        keys = self._keys | touched(self.state, self._keys)
        wanted = self._wanted = {}
        self._known_led = {}
        for key in sorted((key for key in keys if key[0] in NATIVE), key=lambda key: (_ORDER[key[0]], key[1])):
            self._want(wanted, key)
        self._known_led = None
        return wanted

    def _want(self, wanted: Wanted, key: Key) -> None:
        kind, id = key
        ref = self.names.ref(kind, id)
        resource, declared = self.state.get(kind, id), self.objects.get(ref)
        if kind == "port_pair_group" and self.names.lone(id) is not None:
            return
        if resource is None or (ref[1] == id and self.lacks(kind, id)):
            if declared is not None:
                wanted[ref] = None
            return
        fields = self.fields(kind, id)
        if declared is None:
            if not self.lacks(kind, id):
                wanted[ref] = KINDS[ref[0]](name=ref[1], **fields)
            return
        old = self._old.get(key, {})
        changed = {name: value for name, value in fields.items() if old.get(name, msgspec.UNSET) != value}
        if isinstance(declared, Router) and "subnets" in changed:
            kept = [name for name in declared.subnets if name not in old.get("subnets", ())]
            changed["subnets"] = tuple(dict.fromkeys([*kept, *fields["subnets"]]))
        if kind == "port_pair_group" and ref[1] == id:
            changed["instances"] = fields["instances"]  # which of them can be declared, nothing here says
        if kind == "service_graph" and ref[1] == id:
            changed["branches"] = fields["branches"]  # likewise
        new = msgspec.structs.replace(declared, **changed)
        if new != declared:
            wanted[ref] = new

    # -- what is missing -----------------------------------------------------------------------------------------

    def lacks(self, kind: str, id: str) -> list[str]:
        """Why this object cannot be declared yet; empty when it can."""
        resource = self.state.get(kind, id)
        if resource is None:
            return [f"{kind.replace('_', ' ')} {id} is gone"]
        check = _LACKS.get(kind)
        return list(check(self, resource)) if check else []

    def _declared(self, kind: str, id: str) -> bool:
        """Whether it is declared by ``segue apply``, which knows more than Neutron does."""
        ref = self.names.ref(kind, id)
        return ref[1] != id and ref in self.objects

    def _port_lacks(self, port: Resource) -> Iterator[str]:
        if port.get("device_owner") == ROUTER_INTERFACE:
            yield f"port {port['id']} is an interface of router {port['device_id']}: nothing else can be behind it"

    def _classifier_lacks(self, classifier: Resource) -> Iterator[str]:
        for end in ("logical_source_port", "logical_destination_port"):
            if classifier[end] is not None:
                yield from self.lacks("port", classifier[end])

    def _pair_lacks(self, pair: Resource) -> Iterator[str]:
        ends = dict.fromkeys((pair["ingress"], pair["egress"]))
        for id in ends:
            yield from self.lacks("port", id)
        ports = [port for id in ends if (port := self.state.get("port", id)) is not None]
        if ("instance", pair["id"]) in self.objects and not any(map(self._node, ports)):
            return  # interfaces that move away take no function with them
        places = {port["id"]: self._place(port) or "nowhere yet" for port in ports}
        if len(set(places.values())) > 1:
            where = " and ".join(f"port {id} is on {place}" for id, place in places.items())
            yield f"port pair {pair['id']} is a function on one node, and {where}"

    def _chain_lacks(self, chain: Resource) -> Iterator[str]:
        yield from self._chain_unfit(chain)
        graph = self.state.get("service_graph", self.state.graph_of_chain(chain["id"]) or "")
        if graph is not None and self._led(graph).get(chain["id"]) is False:
            yield f"no chain that leads to it in service graph {graph['id']} can be built"

    def _led(self, graph: Resource) -> dict[str, bool]:
        """By chain of a graph that follows others: whether one of those can be built, and is led to in its turn."""
        known = self._known_led
        if known is None:
            return self._find_led(graph["port_chains"])
        if graph["id"] not in known:
            known[graph["id"]] = self._find_led(graph["port_chains"])
        return known[graph["id"]]

    def _find_led(self, port_chains: Mapping[str, list[str]]) -> dict[str, bool]:
        followed = {end for ends in port_chains.values() for end in ends}
        led = dict.fromkeys(followed, False)
        todo = [source for source in port_chains if source not in followed and self._fit(source)]
        while todo:  # each chain comes here once at most: when it is fit, and first found to be led to
            for end in port_chains.get(todo.pop(), ()):
                if not led[end]:
                    led[end] = True
                    if end in port_chains and self._fit(end):
                        todo.append(end)
        return led

    def _fit(self, id: str) -> bool:
        chain = self.state.get("port_chain", id)
        return chain is not None and not any(self._chain_unfit(chain))

    def _chain_unfit(self, chain: Resource) -> Iterator[str]:
        if not chain["flow_classifiers"]:
            yield "it has no flow classifier"
        for id in chain["flow_classifiers"]:
            yield from self.lacks("flow_classifier", id)
            yield from self._nowhere(id)
        for id in chain["port_pair_groups"]:
            yield from self._group_unfit(id)

    def remarks(self, id: str) -> Iterator[str]:
        """What is to be said of a chain that is in force."""
        chain = self.state.get("port_chain", id)
        for group in chain["port_pair_groups"] if chain is not None else ():
            resource = self.state.get("port_pair_group", group)
            if resource is not None and resource.get("tap_enabled") and maps(resource) is not None:
                yield f"the n-tuple mapping of port pair group {group} is not used: a tap gives nothing back"

    def _nowhere(self, id: str) -> Iterator[str]:
        """Whether nothing says in which network a classifier's packets start."""
        classifier = self.state.get("flow_classifier", id)
        if classifier is None or classifier["logical_source_port"] or classifier["logical_destination_port"]:
            return
        if getattr(self.objects.get(self.names.ref("flow_classifier", id)), "network", None) is None:
            yield f"flow classifier {id} has no logical port, so nothing says in which network its packets start"

    def _group_lacks(self, group: Resource) -> Iterator[str]:
        reason = refusal(_lb_fields(group))
        if reason:
            yield f"port pair group {group['id']} cannot choose by its lb_fields: {reason}"
        if group.get("tap_enabled") and not self._group(group)["instances"]:
            yield f"port pair group {group['id']} is a tap without a port pair"

    def _group_unfit(self, id: str) -> Iterator[str]:
        """Why a chain cannot go through a group."""
        group = self.state.get("port_pair_group", id)
        if group is None:
            yield f"port pair group {id} is gone"
            return
        yield from self.lacks("port_pair_group", id)
        pairs = [pair for each in group["port_pairs"] if (pair := self.state.get("port_pair", each)) is not None]
        if not pairs:
            yield f"port pair group {id} has no port pair"
            return
        if not any(pair["service_function_parameters"]["weight"] for pair in pairs):
            yield f"port pair group {id} has no port pair with a weight"
        for pair in pairs:
            yield from self.lacks("port_pair", pair["id"])
            yield from self._nowhere_yet(pair)

    def _nowhere_yet(self, pair: Resource) -> Iterator[str]:
        for id in dict.fromkeys((pair["ingress"], pair["egress"])):
            port = self.state.get("port", id)
            if port is None or self._place(port) is not None:
                continue
            host = port.get("binding:host_id") or ""
            why = f"there is no node {host!r}" if host else "it has no binding:host_id"
            yield f"nobody knows on which node port {id} is: {why}, and its interface has not been seen"

    # -- fields --------------------------------------------------------------------------------------------------

    def fields(self, kind: str, id: str) -> Fields:
        """What an object says, as fields of the declared one. Those that Neutron has no word for are not there."""
        resource = self.state.get(kind, id)
        if resource is None or kind not in NATIVE:
            return {}
        name = self._name(kind, id)
        label = text(resource["name"])
        return {
            "label": "" if label == name else label,
            "project": text(resource.get("project_id") or ""),
            "description": text(resource.get("description") or ""),
            **(_FIELDS[kind](self, resource) if kind in _FIELDS else {}),
        }

    def _name(self, kind: str, id: str) -> str:
        return self.names.ref(kind, id)[1]

    def _subnet(self, subnet: Resource) -> Fields:
        cidr = ipaddress.ip_network(subnet["cidr"])
        gateway = self._interface(subnet) or subnet.get("gateway_ip")
        if gateway is not None and ipaddress.ip_address(gateway) not in cidr:
            gateway = None
        return {"network": self._name("network", subnet["network_id"]), "cidr": str(cidr), "gateway": gateway}

    def _interface(self, subnet: Resource) -> str | None:
        """The address in a subnet of the router that is declared with it."""
        holder = self._holder(subnet["network_id"])
        for port in self.state.interfaces_of_router(holder) if holder else ():
            for fixed in port["fixed_ips"]:
                if fixed["subnet_id"] == subnet["id"]:
                    address: str = fixed["ip_address"]
                    return address
        return None

    def _holder(self, network: str) -> str | None:
        """The router that a network is declared with: the one that has it, or answers at a subnet's gateway."""
        best: tuple[bool, bool, str] | None = None
        subnets = {id: self.state.get("subnet", id) for id in self.state.subnets_of_network(network)}
        names = {self._name("subnet", id) for id in subnets}
        for port in self.state.interfaces_in_network(network):
            router = self.objects.get(("router", self._name("router", port["device_id"])))
            has = bool(names & set(getattr(router, "subnets", ())))
            gateway = any(
                (subnet := subnets.get(fixed["subnet_id"])) and subnet.get("gateway_ip") == fixed["ip_address"]
                for fixed in port["fixed_ips"]
            )
            rank = (not has, not gateway, port["device_id"])
            best = rank if best is None else min(best, rank)
        return best[2] if best else None

    def _router(self, router: Resource) -> Fields:
        subnets: dict[str, None] = {}
        for port in self.state.interfaces_of_router(router["id"]):
            if self._holder(port["network_id"]) == router["id"]:
                subnets.update((self._name("subnet", fixed["subnet_id"]), None) for fixed in port["fixed_ips"])
        routes = tuple(Route(_prefix(r["destination"]), r["nexthop"]) for r in router.get("routes") or ())
        return {"subnets": tuple(subnets), "routes": routes}

    def _node(self, port: Resource) -> str | None:
        host = port.get("binding:host_id") or ""
        return host if ("node", host) in self.objects else None

    def _place(self, port: Resource) -> str | None:
        return self._node(port) or self.locations.get(self._name("port", port["id"]))

    def _port(self, port: Resource) -> Fields:
        mac = port["mac_address"]
        pairs: dict[tuple[str, str | None], None] = {}
        for pair in port.get("allowed_address_pairs") or ():
            own = pair.get("mac_address")
            pairs[_prefix(pair["ip_address"]), None if own in (None, mac) else own] = None
        return {
            "network": self._name("network", port["network_id"]),
            "node": self._node(port),
            "mac": mac,
            "addresses": tuple(fixed["ip_address"] for fixed in port["fixed_ips"]),
            "security": port.get("port_security_enabled", True),
            "allowed": tuple(AddressPair(ip, own) for ip, own in pairs),
        }

    def _classifier(self, classifier: Resource) -> Fields:
        ends: Fields = {}
        for end in ("source", "destination"):
            port, prefix = classifier[f"logical_{end}_port"], classifier[f"{end}_ip_prefix"]
            ends[f"{end}_port"] = self._name("port", port) if port else None
            ends[f"{end}_prefix"] = _prefix(prefix) if prefix else None
            ends[f"{end}_ports"] = _ports(classifier[f"{end}_port_range_min"], classifier[f"{end}_port_range_max"])
        return {
            "ethertype": (classifier["ethertype"] or "").lower() or None,
            "protocol": classifier["protocol"],
            **ends,
        }

    def _pair(self, pair: Resource) -> Fields:
        parameters = pair["service_function_parameters"]
        ingress = self.state.get("port", pair["ingress"]) or {}
        routes = (ingress.get("binding:profile") or {}).get("mode") == "route"
        return {
            "ingress": self._name("port", pair["ingress"]),
            "egress": self._name("port", pair["egress"]),
            "aware": parameters["correlation"],
            "weight": parameters["weight"],
            "mode": "route" if routes else "bridge",
        }

    def _group(self, group: Resource) -> Fields:
        pairs = [id for id in group["port_pairs"] if self._declared("port_pair", id) or not self.lacks("port_pair", id)]
        return {
            "instances": tuple(self._name("port_pair", id) for id in pairs),
            "tap": bool(group.get("tap_enabled")),
            "hash": ordered(_lb_fields(group)),
            "maps": None if group.get("tap_enabled") else maps(group),
        }

    def _graph(self, graph: Resource) -> Fields:
        branches = []
        for source, ends in graph["port_chains"].items():
            into = tuple(self._name("port_chain", end) for end in ends if self._there(end))
            if into and self._there(source):
                branches.append(Branch(self._name("port_chain", source), into))
        return {"branches": tuple(branches), "exclusive": True}

    def _there(self, chain: str) -> bool:
        """Whether a chain is declared, or is to be, with what is asked for now."""
        ref = self.names.ref("port_chain", chain)
        return self._wanted.get(ref, self.objects.get(ref)) is not None

    def _chain(self, chain: Resource) -> Fields:
        parameters = chain["chain_parameters"]
        return {
            "classifiers": tuple(self._name("flow_classifier", id) for id in chain["flow_classifiers"]),
            "groups": tuple(
                self.names.lone(id) or self._name("port_pair_group", id) for id in chain["port_pair_groups"]
            ),
            "symmetric": parameters["symmetric"],
            "encapsulation": parameters["correlation"],
        }


_LACKS: dict[str, Callable[[Translation, Resource], Iterator[str]]] = {
    "port": Translation._port_lacks,
    "flow_classifier": Translation._classifier_lacks,
    "port_pair": Translation._pair_lacks,
    "port_pair_group": Translation._group_lacks,
    "port_chain": Translation._chain_lacks,
}
_FIELDS: dict[str, Callable[[Translation, Resource], Fields]] = {
    "subnet": Translation._subnet,
    "port": Translation._port,
    "router": Translation._router,
    "flow_classifier": Translation._classifier,
    "port_pair": Translation._pair,
    "port_pair_group": Translation._group,
    "port_chain": Translation._chain,
    "service_graph": Translation._graph,
}


def maps(group: Resource) -> Maps | None:
    """How a group's functions rewrite headers; None where it says nothing of it."""
    mapping = (group.get("port_pair_group_parameters") or {}).get("ppg_n_tuple_mapping") or {}
    sides = [_n_tuple(mapping.get(f"{side}_n_tuple") or {}) for side in ("ingress", "egress")]
    return Maps(*sides) if any(side != NTuple() for side in sides) else None


def _n_tuple(said: Fields) -> NTuple:
    fields: Fields = {}
    for end in ("source", "destination"):
        prefix = said.get(f"{end}_ip_prefix")
        fields[f"{end}_prefix"] = _prefix(prefix) if prefix else None
        fields[f"{end}_ports"] = _ports(said.get(f"{end}_port_range_min"), said.get(f"{end}_port_range_max"))
    return NTuple(**fields)


def _ports(low: int | None, high: int | None) -> tuple[int, int] | None:
    """One end alone leaves the other open."""
    return None if low is None and high is None else (low or 0, 65535 if high is None else high)


def _lb_fields(group: Resource) -> list[str]:
    return (group.get("port_pair_group_parameters") or {}).get("lb_fields") or []


def _prefix(value: str) -> str:
    """Without bits behind the prefix: Neutron keeps those, and means the same."""
    network = ipaddress.ip_network(value, strict=False)
    return str(network) if "/" in value else str(network.network_address)


def touched(state: State, keys: Iterable[Key]) -> set[Key]:
    """The objects that may be declared in another way when these change, or lack something else."""
    found: set[Key] = set()
    todo = list(keys)
    while todo:
        key = todo.pop()
        if key not in found:
            found.add(key)
            todo += _touched(state, *key)
    return found


def _touched(state: State, kind: str, id: str) -> Iterator[Key]:
    if kind == "port":
        yield from (("port_pair", pair) for pair in state.pairs_of_port(id))
        yield from (("flow_classifier", each) for each in state.classifiers_of_port(id))
        port = state.get(kind, id)
        if port is not None and port.get("device_owner") == ROUTER_INTERFACE:
            yield from (("subnet", subnet) for subnet in state.subnets_of_network(port["network_id"]))
            yield from (("router", other["device_id"]) for other in state.interfaces_in_network(port["network_id"]))
    elif kind == "port_pair":
        group = state.group_of_pair(id)
        if group is not None:
            yield "port_pair_group", group
    elif kind == "port_pair_group":
        yield from (("port_chain", chain) for chain in state.chains_of_group(id))
    elif kind == "flow_classifier":
        chain = state.chain_of_classifier(id)
        if chain is not None:
            yield "port_chain", chain
    elif kind == "port_chain":
        graph = state.graph_of_chain(id)
        if graph is not None:
            yield "service_graph", graph
    elif kind == "service_graph":
        resource = state.get(kind, id)
        if resource is not None:
            yield from (("port_chain", chain) for chain in chains_of_graph(resource["port_chains"]))
