"""The resource types of Heat that Segue reads, property by property; and of those that it does not, what to do.

A property is read, or it is harmless (it describes, or says what is so anyway), or it is refused unless it holds what
is so anyway. Nothing else is left out.
"""

from __future__ import annotations

import msgspec

from segue.intent.heat_values import in_text
from segue.intent.problems import suggest
from segue.intent.text import Raw

TRUE_ONLY = ("true", "yes", "on", "1")
FALSE_ONLY = ("false", "no", "off", "0")


class Refusal(msgspec.Struct, frozen=True):
    """``why``: the hint. ``neutral``: the words with which the property says what is so anyway."""

    why: str
    neutral: tuple[str, ...] = ()

    def met_by(self, value: Raw) -> bool:
        """Whether the value asks for something that cannot be had."""
        if value is None or value in ("", [], {}):
            return False
        return isinstance(value, (list, dict)) or in_text(value).lower() not in self.neutral


class Type(msgspec.Struct, frozen=True):
    """``kind`` of object that a resource of this type becomes; ``interface`` becomes a part of a router."""

    kind: str
    read: frozenset[str]
    required: tuple[tuple[str, ...], ...] = ()
    """Of each, one name must be written; the first is the one to write today."""
    harmless: frozenset[str] = frozenset()
    refused: dict[str, Refusal] = {}

    @property
    def known(self) -> frozenset[str]:
        return self.read | self.harmless | self.refused.keys()


def _names(text: str) -> frozenset[str]:
    return frozenset(text.split())


_COMMON = _names("tags")
_OWN = _names("name description")
_UP = Refusal("Segue has nothing that is declared and down; remove it, or the resource", TRUE_ONLY)
_SPECS = Refusal("write the properties themselves")
_QOS = Refusal("Segue shapes no traffic; remove it")
_DHCP = Refusal("Segue runs no DHCP, so nobody would be told; remove it")
_RA = Refusal("Segue sends no router advertisements; remove it")
_DNS = Refusal("Segue runs no DNS; remove it")
_AGENTS = Refusal("every node does this itself; remove it")

TYPES: dict[str, Type] = {
    "OS::Neutron::Net": Type(
        "network",
        _OWN | _names("tenant_id port_security_enabled"),
        harmless=_COMMON,
        refused={
            "admin_state_up": _UP,
            "shared": Refusal("there are no projects in a template; remove it", FALSE_ONLY),
            "value_specs": _SPECS,
            "dhcp_agent_ids": _DHCP,
            "qos_policy": _QOS,
            "dns_domain": _DNS,
            "availability_zone_hints": _AGENTS,
        },
    ),
    "OS::Neutron::Subnet": Type(
        "subnet",
        _OWN | _names("tenant_id network network_id cidr gateway_ip ip_version allocation_pools"),
        (("network", "network_id"), ("cidr",)),
        _COMMON | {"enable_dhcp"},
        {
            "value_specs": _SPECS,
            "subnetpool": Refusal("write cidr"),
            "prefixlen": Refusal("write cidr"),
            "segment": Refusal("a network is one segment; remove it"),
            "dns_nameservers": _DHCP,
            "host_routes": _DHCP,
            "ipv6_ra_mode": _RA,
            "ipv6_address_mode": _RA,
        },
    ),
    "OS::Neutron::Port": Type(
        "port",
        _OWN
        | _names(
            "tenant_id network network_id fixed_ips no_fixed_ips mac_address allowed_address_pairs "
            "port_security_enabled binding:host_id device_id"
        ),
        (("network", "network_id"),),
        _COMMON | _names("device_owner replacement_policy"),
        {
            "admin_state_up": _UP,
            "value_specs": _SPECS,
            "security_groups": Refusal("Segue has no security groups; filter in the host, and remove it"),
            "binding:vnic_type": Refusal("ports are those of Open vSwitch; write normal", ("normal",)),
            "binding:profile": Refusal("Segue has no use for it; remove it"),
            "qos_policy": _QOS,
            "dns_name": _DNS,
            "propagate_uplink_status": Refusal("remove it", FALSE_ONLY),
        },
    ),
    "OS::Neutron::Router": Type(
        "router",
        _OWN | _names("tenant_id"),
        harmless=_COMMON,
        refused={
            "admin_state_up": _UP,
            "value_specs": _SPECS,
            "external_gateway_info": Refusal("Segue has no external networks; connect subnets by RouterInterface"),
            "distributed": Refusal("a router is on every node; write true", TRUE_ONLY),
            "ha": Refusal("a router is on every node; remove it", FALSE_ONLY),
            "l3_agent_id": _AGENTS,
            "l3_agent_ids": _AGENTS,
            "availability_zone_hints": _AGENTS,
        },
    ),
    "OS::Neutron::RouterInterface": Type(
        "interface",
        _names("router router_id subnet subnet_id"),
        (("router", "router_id"), ("subnet", "subnet_id")),
        refused={
            "port": Refusal("write subnet; a router answers at its subnets' gateways"),
            "port_id": Refusal("write subnet; a router answers at its subnets' gateways"),
        },
    ),
    "OS::Neutron::FlowClassifier": Type(
        "classifier",
        _OWN
        | _names(
            "protocol ethertype source_ip_prefix destination_ip_prefix logical_source_port logical_destination_port "
            "source_port_range_min source_port_range_max destination_port_range_min destination_port_range_max"
        ),
        harmless=_COMMON,
        refused={"l7_parameters": Refusal("Segue reads no layer 7; remove it")},
    ),
    "OS::Neutron::PortPair": Type(
        "instance",
        _OWN | _names("ingress egress service_function_parameters"),
        (("ingress",), ("egress",)),
        _COMMON,
    ),
    "OS::Neutron::PortPairGroup": Type(
        "group",
        _OWN | _names("port_pairs port_pair_group_parameters tap_enabled"),
        (("port_pairs",),),
        _COMMON,
    ),
    "OS::Neutron::PortChain": Type(
        "chain",
        _OWN | _names("port_pair_groups flow_classifiers chain_parameters"),
        (("port_pair_groups",), ("flow_classifiers",)),
        _COMMON,
        {"chain_id": Refusal("Segue numbers paths itself; remove it")},
    ),
    "OS::Neutron::ServiceGraph": Type(
        "graph",
        _OWN | _names("port_chains"),
        (("port_chains",),),
        _COMMON,
    ),
}

_ELSEWHERE = {
    "OS::Nova::Server": "Segue runs no servers; declare its port as OS::Neutron::Port, and bind its interface to that",
    "OS::Neutron::SecurityGroup": "Segue has no security groups; filter in the host",
    "OS::Neutron::FloatingIP": "Segue has no external networks; remove it",
    "OS::Neutron::FloatingIPAssociation": "Segue has no external networks; remove it",
    "OS::Neutron::RouterGateway": "Segue has no external networks; connect subnets by RouterInterface",
    "OS::Neutron::ProviderNet": "write OS::Neutron::Net; nodes reach one another by tunnels",
    "OS::Neutron::ExtraRoute": "declare the router in an intent, with its routes",
    "OS::Neutron::ExtraRouteSet": "declare the router in an intent, with its routes",
    "OS::Heat::ResourceGroup": "write the resources out",
    "OS::Heat::ResourceChain": "write the resources out",
    "OS::Heat::Stack": "apply its template beside this one",
    "OS::Heat::Value": "write the value where it is used, or make it a parameter",
    "OS::Heat::RandomString": "make it a parameter",
    "OS::Heat::None": "remove it",
}
_FAMILIES = {
    "OS::Nova::": "Segue runs no servers; remove it",
    "OS::Cinder::": "Segue has no volumes; remove it",
    "OS::Glance::": "Segue has no images; remove it",
    "OS::Keystone::": "Segue has no projects and users to make; remove it",
    "OS::Octavia::": "Segue has no such load balancer; a PortPairGroup spreads flows over its pairs",
    "AWS::": "write the OS::Neutron type",
}


def instead(name: str) -> str:
    """What to do about a type that is not read."""
    if name in _ELSEWHERE:
        return _ELSEWHERE[name]
    near = suggest(name.rpartition("::")[2], [known.rpartition("::")[2].lower() for known in TYPES])
    if near:
        meant = near.removeprefix("did you mean ").removesuffix("?")
        return f"did you mean {next(known for known in TYPES if known.lower().endswith(f'::{meant}'))}?"
    family = next((hint for start, hint in _FAMILIES.items() if name.startswith(start)), "")
    return family or f"the types are {', '.join(known.rpartition('::')[2] for known in TYPES)} of OS::Neutron"
