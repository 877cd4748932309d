"""Networks, subnets, ports and routers: as much of Neutron's core as the clients of the networking-sfc API ask for.

What clients send is accepted. What would change how packets go, and Segue cannot do, is refused with the reason; what
is only written down (a tag, a DHCP option for a DHCP server of somebody else) is kept and shown.

When a body for creating does not name them, ``gateway_ip`` and ``allocation_pools`` of a subnet, and ``mac_address``,
``fixed_ips`` and ``port_security_enabled`` (the network's) of a port, are missing from the values: the rules choose.
"""

from __future__ import annotations

from functools import partial
from typing import Any

from segue.neutron import converters as c
from segue.neutron.schema import NULL, Schema, either, kept, keyed, listed, says, taken
from segue.neutron.shape import OMITTED, REQUIRED, Attribute, Kind, Rejected

MTU = 1500
"""Of a network that names none: Ethernet's. What the underlay needs for it is in docs/operations.md."""

_STRING = c.text()
_STRINGS = c.nullable(c.list_of(_STRING, most=c.MAX_NOTED), list)
_TAGS = c.list_of(_STRING, most=c.MAX_TAGS)
_written = partial(Attribute, post=True, put=True)  # given when made, and changed later
_fixed = partial(Attribute, post=True)  # given when made
_told = partial(Attribute, convert=_STRING)  # never given


def _flag(name: str, default: Any, convert: c.Converter = c.boolean) -> Attribute:
    return _written(name=name, convert=convert, default=default, query=c.boolean)


def _up() -> Attribute:
    return _flag("admin_state_up", True, convert=c.on("nothing is declared and down; delete it, or take it out of use"))


def _never(name: str, reason: str, *harmless: Any, default: Any = None) -> Attribute:
    """What Segue cannot do: named by clients with a value that asks for nothing."""
    return _written(name=name, convert=c.refused(reason, *harmless), default=default, filtered=False)


def _common(*more: Attribute) -> tuple[Attribute, ...]:
    """What all kinds have."""
    return (
        _told(name="id", convert=c.uuid),
        _written(name="name", convert=_STRING, default=""),
        _written(name="description", convert=c.nullable(_STRING, ""), default=""),
        _fixed(name="tenant_id", convert=_STRING),
        _fixed(name="project_id", convert=_STRING),
        *more,
        _fixed(name="tags", convert=c.nullable(_TAGS, list), default=list, put=True, filtered=False),
        _told(name="created_at"),
        _told(name="updated_at"),
        _told(name="revision_number", convert=c.integer(), query=c.any_integer),
    )


_NO_QOS = _never("qos_policy_id", "Segue limits no rates")
_NO_PROVIDER = "networks are Segue's own; a physical network or a segment cannot be chosen"
_HINTS = _fixed(name="availability_zone_hints", convert=_STRINGS, default=list, filtered=False)
_ZONES = _told(name="availability_zones", filtered=False)

NETWORK = Kind(
    name="network",
    plural="networks",
    bulk=True,
    sortable=True,
    attributes=_common(
        _up(),
        _told(name="status"),
        _told(name="subnets", filtered=False),
        _flag("shared", False, c.off("a project sees and uses its own networks alone")),
        _flag("router:external", False, convert=c.off("there is no way out of Segue's networks through a gateway")),
        _flag("is_default", False, convert=c.off("there are no external networks")),
        _flag("port_security_enabled", True),
        _written(name="mtu", convert=c.nullable(c.mtu, MTU), default=MTU, query=c.any_integer),
        _written(name="dns_domain", convert=c.nullable(_STRING, ""), default=""),
        _never("vlan_transparent", "frames with VLAN tags of their own are not carried", False),
        _never("provider:network_type", _NO_PROVIDER),
        _never("provider:physical_network", _NO_PROVIDER),
        _never("provider:segmentation_id", _NO_PROVIDER),
        _never("segments", _NO_PROVIDER, [], default=OMITTED),
        _NO_QOS,
        _HINTS,
        _ZONES,
        _told(name="ipv4_address_scope"),
        _told(name="ipv6_address_scope"),
    ),
)


# Subnets.

_POOL = c.record({"start": c.address, "end": c.address}, required=("start", "end"))
_ROUTE = c.record({"destination": c.prefix, "nexthop": c.address}, required=("destination", "nexthop"))
_SERVERS = c.nullable(c.list_of(c.address, most=c.MAX_NOTED), list)
_HOST_ROUTES = c.nullable(c.distinct(_ROUTE, c.MAX_NOTED), list)
_MODE = c.nullable(c.one_of("dhcpv6-stateful", "dhcpv6-stateless", "slaac"))
_NO_POOL = "there are no subnet pools; give cidr"

SUBNET = Kind(
    name="subnet",
    plural="subnets",
    bulk=True,
    sortable=True,
    attributes=_common(
        _fixed(name="network_id", convert=c.uuid, default=REQUIRED),
        _fixed(name="ip_version", convert=c.ip_version, default=REQUIRED, query=c.any_integer),
        _fixed(name="cidr", convert=c.network_prefix, default=REQUIRED),
        _written(name="gateway_ip", convert=c.nullable(c.address), default=OMITTED),
        _written(name="allocation_pools", convert=c.distinct(_POOL, c.MAX_NOTED), default=OMITTED, filtered=False),
        _flag("enable_dhcp", True),
        _written(name="dns_nameservers", convert=_SERVERS, default=list, filtered=False),
        _written(name="host_routes", convert=_HOST_ROUTES, default=list, filtered=False),
        _fixed(name="ipv6_ra_mode", convert=_MODE, default=None),
        _fixed(name="ipv6_address_mode", convert=_MODE, default=None),
        _written(name="service_types", convert=_STRINGS, default=list, filtered=False),
        _flag("dns_publish_fixed_ip", False, convert=c.off("Segue publishes no names")),
        _never("subnetpool_id", _NO_POOL),
        _never("use_default_subnetpool", _NO_POOL, False, default=OMITTED),
        _never("prefixlen", _NO_POOL, default=OMITTED),
        _never("segment_id", _NO_PROVIDER),
        _told(name="shared", convert=c.boolean, query=c.boolean),
        _told(name="router:external", convert=c.boolean, query=c.boolean),
    ),
)


# Ports.

_FIXED_IP = c.record({"subnet_id": c.uuid, "ip_address": c.address})
_PAIR = c.record({"ip_address": c.address_or_prefix, "mac_address": c.nullable(c.mac)}, required=("ip_address",))


@says(taken(_PAIR), keyed({"ip_address": kept(c.address_or_prefix), "mac_address": kept(c.mac)}, ("ip_address",)))
def address_pair(value: Any) -> dict[str, Any]:
    """An address or prefix, and a MAC unless it is the port's own."""
    return {key: item for key, item in _PAIR(value).items() if item is not None}


_OPTION = c.record(
    {"opt_name": c.text(64), "opt_value": c.nullable(_STRING), "ip_version": c.ip_version}, required=("opt_name",)
)


_FIXED_IPS = c.nullable(c.list_of(_FIXED_IP, unique=False), list)
_ADDRESSES: Schema = {"minProperties": 1}


@says(either(listed(taken(_FIXED_IP) | _ADDRESSES), NULL), listed(kept(_FIXED_IP) | _ADDRESSES))
def fixed_ips(value: Any) -> list[dict[str, Any]]:
    """Subnets or addresses or both, no address twice. Null is the empty list: a port without an address."""
    found: list[dict[str, Any]] = _FIXED_IPS(value)
    if any(not item for item in found):
        raise Rejected("Missing keys: 'ip_address' or 'subnet_id' required")
    addresses = [item["ip_address"] for item in found if "ip_address" in item]
    seen: set[str] = set()
    for address in addresses:
        if address in seen:
            raise Rejected(f"Duplicate IP address '{address}'")
        seen.add(address)
    return found


@says(either({"type": "array", "maxItems": 0}, NULL), {"type": "array", "maxItems": 0})
def security_groups(value: Any) -> list[str]:
    """None: Segue has only anti-spoofing (``port_security_enabled``, ``allowed_address_pairs``)."""
    if c.items([] if value is None else value):
        raise Rejected("there are no security groups: use port_security_enabled and allowed_address_pairs")
    return []


PORT = Kind(
    name="port",
    plural="ports",
    bulk=True,
    sortable=True,
    attributes=_common(
        _fixed(name="network_id", convert=c.uuid, default=REQUIRED),
        _up(),
        _told(name="status"),
        _written(name="mac_address", convert=c.mac, default=OMITTED, query=c.mac_query),
        _written(name="fixed_ips", convert=fixed_ips, default=OMITTED, filtered=False),
        _written(name="device_id", convert=c.nullable(_STRING, ""), default=""),
        _written(name="device_owner", convert=c.nullable(_STRING, ""), default=""),
        _written(name="security_groups", convert=security_groups, default=list, filtered=False),
        _flag("port_security_enabled", OMITTED),
        _written(
            name="allowed_address_pairs",
            convert=c.nullable(c.distinct(address_pair), list),
            default=list,
            filtered=False,
        ),
        _written(
            name="extra_dhcp_opts",
            convert=c.nullable(c.list_of(_OPTION, unique=False, most=c.MAX_NOTED), list),
            default=list,
            filtered=False,
        ),
        _written(name="binding:host_id", convert=c.nullable(_STRING, ""), default=""),
        _written(
            name="binding:vnic_type",
            convert=c.choice("normal", "Segue serves interfaces of Open vSwitch"),
            default="normal",
        ),
        _written(name="binding:profile", convert=c.nullable(c.metadata, dict), default=dict, filtered=False),
        _told(name="binding:vif_type"),
        _told(name="binding:vif_details", filtered=False),
        _written(name="dns_name", convert=c.nullable(_STRING, ""), default=""),
        _written(name="dns_domain", convert=c.nullable(_STRING, ""), default=""),
        _told(name="dns_assignment", filtered=False),
        _NO_QOS,
        _told(name="qos_network_policy_id"),
        _told(name="resource_request", filtered=False),
        _told(name="ip_allocation"),
        _flag("propagate_uplink_status", False),
        _never("mac_learning_enabled", "a port's addresses are those declared", False, default=OMITTED),
        _never("numa_affinity_policy", "Segue places no machines"),
        _never("hardware_offload_type", "interfaces are Open vSwitch's own", default=OMITTED),
        _never("trusted", "interfaces are Open vSwitch's own", False, default=OMITTED),
        _never("device_profile", "Segue places no machines"),
        _never("hints", "Open vSwitch takes none", {}, default=OMITTED),
        _told(name="data_plane_status"),
    ),
)


# Routers.

_NO_GATEWAY = "a router connects the subnets of Segue's own networks; there are no external gateways"


@says(either({"type": "object", "maxProperties": 0}, NULL), NULL)
def gateway(value: Any) -> None:
    """Nothing: no network can be named as the way out."""
    if value is not None and c.dictionary(value):
        raise Rejected(_NO_GATEWAY)


ROUTER = Kind(
    name="router",
    plural="routers",
    bulk=True,
    sortable=True,
    attributes=_common(
        _up(),
        _told(name="status"),
        _written(name="external_gateway_info", convert=gateway, default=None, filtered=False),
        _never("external_gateways", _NO_GATEWAY, [], default=list),
        Attribute(name="routes", convert=c.nullable(c.distinct(_ROUTE), list), default=list, put=True, filtered=False),
        _flag("distributed", True, convert=c.on("a router is on every node")),
        _flag("ha", False),
        _HINTS,
        _ZONES,
        _never("flavor_id", "there are no flavors"),
        _flag("enable_ndp_proxy", False, convert=c.off("there are no external gateways")),
        _never("enable_default_route_bfd", _NO_GATEWAY, False, default=False),
        _never("enable_default_route_ecmp", _NO_GATEWAY, False, default=False),
    ),
)

CORE_KINDS = (NETWORK, SUBNET, PORT, ROUTER)
