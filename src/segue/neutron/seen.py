"""From declared objects to Neutron's: what ``segue apply`` said, as the API shows it.

An object has a record where the API made or changed it, with all that Neutron knows of it. ``shown`` keeps that, and
lays over it what has been declared otherwise since. Where the two agree the record's own words stay (a prefix with
its host bits, a port range with one end open).

A declared chain or group gets its number (``chain_id``, ``group_id``) from who keeps them. A classifier for IPv4 and
IPv6 has no ethertype.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from segue.model.intent import Chain, Classifier, Graph, Group, Instance, Network, NTuple, Object, Port, Router, Subnet
from segue.neutron.attributes import KINDS, OMITTED, REQUIRED
from segue.neutron.names import LONE, NATIVE, id_of
from segue.neutron.rules_core import SHOWN
from segue.neutron.rules_ports import vif_type
from segue.neutron.state import Resource, State
from segue.packet.addresses import derived_mac, format_mac, host_prefix, parse_ip, parse_prefix

_ATTRIBUTES: dict[str, dict[str, tuple[str, ...]]] = {
    "subnet": {
        "network": ("network_id",),
        "cidr": ("cidr", "ip_version", "allocation_pools"),
        "gateway": ("gateway_ip",),
    },
    "port": {
        "network": ("network_id",),
        "node": ("binding:host_id",),
        "mac": ("mac_address",),
        "addresses": ("fixed_ips",),
        "security": ("port_security_enabled",),
        "allowed": ("allowed_address_pairs",),
    },
    "router": {"routes": ("routes",)},
    "flow_classifier": {
        "ethertype": ("ethertype",),
        "protocol": ("protocol",),
        **{f"{end}_port": (f"logical_{end}_port",) for end in ("source", "destination")},
        **{f"{end}_prefix": (f"{end}_ip_prefix",) for end in ("source", "destination")},
        **{f"{end}_ports": (f"{end}_port_range_min", f"{end}_port_range_max") for end in ("source", "destination")},
    },
    "port_pair": {
        "ingress": ("ingress",),
        "egress": ("egress",),
        "aware": ("service_function_parameters",),
        "weight": ("service_function_parameters",),
    },
    "port_pair_group": {
        "instances": ("port_pairs",),
        "tap": ("tap_enabled",),
        "hash": ("port_pair_group_parameters",),
        "maps": ("port_pair_group_parameters",),
    },
    "port_chain": {
        "classifiers": ("flow_classifiers",),
        "groups": ("port_pair_groups",),
        "symmetric": ("chain_parameters",),
        "encapsulation": ("chain_parameters",),
    },
    "service_graph": {"branches": ("port_chains",)},
}
"""By kind and field: the attributes that say the same."""
_NUMBERS = {"port_chain": "chain_id", "port_pair_group": "group_id"}
_COMMON = {"label": ("name",), "description": ("description",), "project": ("project_id", "tenant_id")}


class Sight:
    """Declared objects as the API shows them. ``state`` has the subnets that the addresses of ports are in; ``number``
    gives the number of a chain or a group, by kind and id."""

    def __init__(self, state: State, number: Callable[[str, str], int] = lambda _kind, _id: 0) -> None:
        self._state = state
        self._number = number

    def shown(self, kind: str, value: Object, record: Resource | None, expected: Mapping[str, Any]) -> Resource:
        """``expected``: the fields that the record asks for. Those that are declared otherwise are taken over."""
        if record is None:
            return self.fresh(kind, value)
        tables = {**_COMMON, **_ATTRIBUTES.get(kind, {})}
        other = [field for field in tables if field in expected and getattr(value, field) != expected[field]]
        if not other:
            return record
        fresh = self.fresh(kind, value)
        return {**record, **{name: fresh[name] for field in other for name in tables[field]}}

    def fresh(self, kind: str, value: Object) -> Resource:
        """A declared object of which the API has no record."""
        return self._shown(kind, id_of(NATIVE[kind], value.name), value)

    def _shown(self, kind: str, id: str, value: Object) -> Resource:
        number = {_NUMBERS[kind]: self._number(kind, id)} if kind in _NUMBERS else {}
        return {
            **_defaults(kind),
            **number,
            "id": id,
            "name": value.label or value.name,
            "description": value.description,
            "project_id": value.project,
            "tenant_id": value.project,
            **_SHOWN[kind](self, value),
        }

    def lone(self, instance: Instance) -> Resource:
        """The group that an instance stands for in a chain."""
        group = Group(name=instance.name, label=instance.label, project=instance.project, instances=(instance.name,))
        return self._shown("port_pair_group", id_of(LONE, instance.name), group)

    def _network(self, network: Network) -> Resource:
        return {"status": "ACTIVE", "subnets": list(self._state.subnets_of_network(id_of("network", network.name)))}

    def _subnet(self, subnet: Subnet) -> Resource:
        return {
            "network_id": id_of("network", subnet.network),
            "cidr": subnet.cidr,
            "ip_version": parse_prefix(subnet.cidr).family,
            "gateway_ip": subnet.gateway,
            "allocation_pools": pools(subnet.cidr, subnet.gateway),
        }

    def _port(self, port: Port) -> Resource:
        mac = (port.mac or format_mac(derived_mac("port", port.name))).lower()
        network = id_of("network", port.network) if port.network else None
        return {
            "status": "ACTIVE" if port.node else "DOWN",
            "network_id": network,
            "mac_address": mac,
            "fixed_ips": list(self._fixed(network, port.addresses)),
            "device_id": _device(port),
            "binding:host_id": port.node or "",
            "binding:vif_type": vif_type({"binding:host_id": port.node}),
            "port_security_enabled": port.security,
            "allowed_address_pairs": [{"ip_address": p.ip, "mac_address": p.mac or mac} for p in port.allowed],
        }

    def _fixed(self, network: str | None, addresses: tuple[str, ...]) -> Iterator[Resource]:
        subnets = [self._state.get("subnet", id) for id in self._state.subnets_of_network(network or "")]
        for address in addresses:
            own = host_prefix(*parse_ip(address))
            for subnet in subnets:
                if subnet is not None and parse_prefix(subnet["cidr"]).contains(own):
                    yield {"subnet_id": subnet["id"], "ip_address": str(own)}
                    break

    def _router(self, router: Router) -> Resource:
        routes = [{"destination": str(parse_prefix(r.destination)), "nexthop": r.via} for r in router.routes]
        return {"status": "ACTIVE", "routes": routes}

    def _classifier(self, classifier: Classifier) -> Resource:
        ethertype = {"ipv4": "IPv4", "ipv6": "IPv6"}.get(classifier.ethertype or "", classifier.ethertype)
        prefixes = (classifier.source_prefix, classifier.destination_prefix)
        families = {parse_prefix(prefix).family for prefix in prefixes if prefix}
        shown: Resource = {"protocol": classifier.protocol}
        shown["ethertype"] = ethertype or (f"IPv{min(families)}" if families else None)
        for end in ("source", "destination"):
            port, ports = getattr(classifier, f"{end}_port"), getattr(classifier, f"{end}_ports") or (None, None)
            shown[f"logical_{end}_port"] = id_of("port", port) if port else None
            shown[f"{end}_ip_prefix"] = _cidr(getattr(classifier, f"{end}_prefix"))
            shown[f"{end}_port_range_min"], shown[f"{end}_port_range_max"] = ports
        return shown

    def _pair(self, instance: Instance) -> Resource:
        return {
            "ingress": id_of("port", instance.ingress),
            "egress": id_of("port", instance.egress),
            "service_function_parameters": {"correlation": instance.aware, "weight": instance.weight},
        }

    def _group(self, group: Group) -> Resource:
        parameters: Resource = _defaults("port_pair_group")["port_pair_group_parameters"]
        if group.maps is not None:
            sides = {"ingress_n_tuple": group.maps.ingress, "egress_n_tuple": group.maps.egress}
            parameters = {**parameters, "ppg_n_tuple_mapping": {name: _n_tuple(side) for name, side in sides.items()}}
        return {
            "port_pairs": [id_of("instance", name) for name in group.instances],
            "port_pair_group_parameters": {**parameters, "lb_fields": list(group.hash)},
            "tap_enabled": group.tap,
        }

    def _chain(self, chain: Chain) -> Resource:
        return {
            "flow_classifiers": [id_of("classifier", name) for name in chain.classifiers],
            "port_pair_groups": [self._step(name) for name in chain.groups],
            "chain_parameters": {"correlation": chain.encapsulation, "symmetric": chain.symmetric},
        }

    def _graph(self, graph: Graph) -> Resource:
        found: dict[str, list[str]] = {}
        for branch in graph.branches:
            found.setdefault(id_of("chain", branch.chain), []).extend(id_of("chain", name) for name in branch.into)
        return {"port_chains": found}

    def _step(self, name: str) -> str:
        """The group that a chain's step names; the one that an instance stands for where there is none."""
        group = id_of("group", name)
        return group if self._state.get("port_pair_group", group) is not None else id_of(LONE, name)


_SHOWN: dict[str, Callable[[Sight, Any], Resource]] = {
    "network": Sight._network,
    "subnet": Sight._subnet,
    "port": Sight._port,
    "router": Sight._router,
    "flow_classifier": Sight._classifier,
    "port_pair": Sight._pair,
    "port_pair_group": Sight._group,
    "port_chain": Sight._chain,
    "service_graph": Sight._graph,
}


def pools(cidr: str, gateway: str | None) -> list[dict[str, str]]:
    """The addresses of a subnet that hosts may have, without its gateway's, as Neutron chooses them."""
    network = ipaddress.ip_network(cidr)
    first, last = int(network.network_address), int(network.broadcast_address)
    if network.num_addresses > 2:
        first, last = first + 1, last - (network.version == 4)
    ranges = [(first, last)]
    if gateway is not None:
        middle = int(ipaddress.ip_address(gateway))
        ranges = [(first, min(last, middle - 1)), (max(first, middle + 1), last)]
    address = type(network.network_address)
    return [{"start": str(address(low)), "end": str(address(high))} for low, high in ranges if low <= high]


def _device(port: Port) -> str:
    """What a port belongs to: what is said, or the instance that it was declared inside. A port that is on a node
    belongs to something, but nobody knows whether to the same as another one."""
    return port.device or port.owner or (f"port/{port.name}" if port.node else "")


def _n_tuple(side: NTuple) -> Resource:
    """Neutron has no word for a protocol here."""
    shown: Resource = {}
    for end in ("source", "destination"):
        prefix, ports = getattr(side, f"{end}_prefix"), getattr(side, f"{end}_ports")
        if prefix is not None:
            shown[f"{end}_ip_prefix"] = _cidr(prefix)
        if ports is not None:
            shown[f"{end}_port_range_min"], shown[f"{end}_port_range_max"] = ports
    return shown


def _cidr(prefix: str | None) -> str | None:
    """With its length, which Neutron wants and people may leave out."""
    if prefix is None:
        return None
    return str(ipaddress.ip_network(prefix))


def _defaults(kind: str) -> Resource:
    """All attributes, with what they are where nothing is said."""
    attributes = [attribute for attribute in KINDS[kind].attributes if attribute.shown]
    given = {each.name: each.initial() for each in attributes if each.default not in (REQUIRED, OMITTED)}
    return {**dict.fromkeys(each.name for each in attributes), **SHOWN.get(kind, {}), **given}
