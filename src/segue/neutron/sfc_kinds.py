"""The kinds of the networking-sfc API, attribute by attribute (flow classifiers, port pairs, groups, chains, graphs).

Defaults, conversions and texts are those of networking-sfc 23.0.0. Where a parameter object is given in part, the rest
is filled in; the values of an n-tuple mapping are checked like those of a classifier.
"""

from __future__ import annotations

from functools import partial
from typing import Any

from segue.neutron import converters as c
from segue.neutron.errors import Fault, plain
from segue.neutron.schema import NULL, Schema, either, kept, keyed, listed, said, says, taken
from segue.neutron.shape import REQUIRED, Attribute, Kind, Rejected

PROTOCOLS = ("tcp", "udp", "icmp")
ETHERTYPES = ("IPv4", "IPv6")
MAX_PORT = 65535
MAX_CHAIN_ID = 65535
MAX_WEIGHT = 255
CORRELATIONS = ("mpls", "nsh")
LB_FIELDS = ("eth_src", "eth_dst", "ip_src", "ip_dst", "tcp_src", "tcp_dst", "udp_src", "udp_dst")
DIRECTIONS = ("ingress_n_tuple", "egress_n_tuple")

_OWNED = partial(Attribute, convert=c.text(), post=True)
_NAMED = partial(Attribute, convert=c.text(), default="", post=True, put=True)


def _identity(*more: Attribute, **options: Any) -> tuple[Attribute, ...]:
    """What all kinds begin with. ``options`` change the name and the description."""
    return (
        Attribute(name="id", convert=c.uuid),
        *more,
        _NAMED(name="name", **options),
        _NAMED(name="description", **options),
        _OWNED(name="tenant_id"),
        _OWNED(name="project_id"),
    )


# Flow classifiers.


@says(
    {"enum": [*ETHERTYPES, *(form for name in ETHERTYPES for form in (name.lower(), name.upper())), None]},
    {"enum": list(ETHERTYPES)},
)
def ethertype(value: Any) -> str:
    """IPv4 or IPv6, whatever the case; null is IPv4."""
    if value is None:
        return "IPv4"
    for known in ETHERTYPES:
        if isinstance(value, str) and value.lower() == known.lower():
            return known
    values = list(ETHERTYPES)
    message = f"Flow Classifier does not support ethertype {plain(value)}. Supported ethertype values are {values}."
    raise Fault(400, "FlowClassifierInvalidEthertype", message)


@says(
    {"enum": [form for name in PROTOCOLS for form in (name, name.capitalize(), name.upper())] + [None]},
    {"enum": [*PROTOCOLS, None]},
)
def protocol(value: Any) -> str | None:
    """A protocol's name in lower case, or null. Numbers are refused, as upstream does."""
    if value is None:
        return None
    if isinstance(value, str) and value.lower() in PROTOCOLS:
        return value.lower()
    values = list(PROTOCOLS)
    message = f"Flow Classifier does not support protocol {plain(value)}. Supported protocol values are {values}."
    raise Fault(400, "FlowClassifierInvalidProtocol", message)


@says(either(taken(c.integer(0, MAX_PORT)), NULL), either(kept(c.integer(0, MAX_PORT)), NULL))
def port_number(value: Any) -> int | None:
    """A transport port, as a number or as text, or null."""
    if value is None:
        return None
    number = c.whole(value)
    if number is None or not 0 <= number <= MAX_PORT:
        message = f"Flow Classifier has invalid port value {plain(value)}."
        raise Fault(400, "FlowClassifierInvalidPortValue", message)
    return number


@says(either({"type": "object", "maxProperties": 0}, NULL), {"type": "object", "maxProperties": 0})
def l7_parameters(value: Any) -> dict[str, Any]:
    """Nothing can be said here yet: any key is refused. Null is the empty object."""
    if value is None or value == {}:
        return {}
    if not isinstance(value, dict | str):
        raise Rejected(f"{c.told(value)} is not a dictionary")
    key = plain(value if isinstance(value, str) else min(value))
    raise Fault(
        400,
        "FlowClassifierInvalidL7Parameter",
        f"Invalid Flow Classifier parameters: Unknown key {key}. Supported flow classifier parameters are {{}}: "
        "the data plane (Open vSwitch) matches layers 2 to 4 alone; use protocol, port ranges and IP prefixes.",
    )


def _fixed(name: str, convert: c.Converter, **options: Any) -> Attribute:
    """An attribute that can be given when the object is made, and never changed; null unless given."""
    return Attribute(name=name, convert=convert, default=None, post=True, **options)


FLOW_CLASSIFIER = Kind(
    name="flow_classifier",
    plural="flow_classifiers",
    prefix="sfc",
    attributes=(
        *_identity(convert=c.nullable(c.text(), "")),
        Attribute(name="ethertype", convert=ethertype, default="IPv4", post=True, query=ethertype),
        _fixed("protocol", protocol, query=protocol),
        _fixed("source_port_range_min", port_number, query=port_number),
        _fixed("source_port_range_max", port_number, query=port_number),
        _fixed("destination_port_range_min", port_number, query=port_number),
        _fixed("destination_port_range_max", port_number, query=port_number),
        _fixed("source_ip_prefix", c.nullable(c.prefix)),
        _fixed("destination_ip_prefix", c.nullable(c.prefix)),
        _fixed("logical_source_port", c.nullable(c.uuid)),
        _fixed("logical_destination_port", c.nullable(c.uuid)),
        Attribute(name="l7_parameters", convert=l7_parameters, default=dict, post=True, filtered=False),
    ),
)


# Port pairs.


_WEIGHT = c.integer(0, MAX_WEIGHT)


@says(*said(_WEIGHT))
def _weight(value: Any) -> int:
    number = c.whole(value)
    if number is not None and number < 0:
        raise Rejected(f"{c.told(value)} should be non-negative")
    return _WEIGHT(value)  # type: ignore[no-any-return]


_FUNCTION = c.record({"correlation": c.one_of(None, *CORRELATIONS), "weight": _weight})


@says(either(taken(_FUNCTION), NULL), kept(_FUNCTION))
def function_parameters(value: Any = None) -> dict[str, Any]:
    """``correlation`` and ``weight``; what is missing is filled in."""
    complete: dict[str, Any] = {"correlation": None, "weight": 1}
    return complete | _FUNCTION(value) if value is not None else complete


PORT_PAIR = Kind(
    name="port_pair",
    plural="port_pairs",
    prefix="sfc",
    attributes=(
        *_identity(),
        Attribute(name="ingress", convert=c.uuid, default=REQUIRED, post=True),
        Attribute(name="egress", convert=c.uuid, default=REQUIRED, post=True),
        Attribute(
            name="service_function_parameters",
            convert=function_parameters,
            default=function_parameters,
            post=True,
            filtered=False,
        ),
    ),
)


# Port pair groups.

_N_TUPLE: dict[str, c.Converter] = {
    "source_ip_prefix": c.nullable(c.prefix),
    "destination_ip_prefix": c.nullable(c.prefix),
    "source_port_range_min": port_number,
    "source_port_range_max": port_number,
    "destination_port_range_min": port_number,
    "destination_port_range_max": port_number,
}


@says(
    either(keyed({name: taken(convert) for name, convert in _N_TUPLE.items()}), NULL),
    keyed({name: kept(convert) for name, convert in _N_TUPLE.items()}),
)
def _n_tuple(value: Any) -> dict[str, Any]:
    """One direction of a mapping, with what was given; null is the empty one."""
    given = c.dictionary({} if value is None else value)
    unknown = sorted(key for key in given if key not in _N_TUPLE)
    if unknown:
        raise Fault(
            400,
            "PPGParametersInvalidNTupleMappingParameter",
            f"Invalid Port Pair Group N-Tuple Mapping parameters: Unknown key {plain(unknown[0])}. "
            f"Supported PPG classifier N-Tuple Mapping parameters are {', '.join(_N_TUPLE)}.",
        )
    kept_values = {key: c.part(key, _N_TUPLE[key], item) for key, item in given.items()}
    for end in ("source", "destination"):
        low, high = (kept_values.get(f"{end}_port_range_{which}") for which in ("min", "max"))
        if low is not None and high is not None and low > high:
            message = f"Invalid Port Pair Group N-Tuple Mapping: {end} port range {low}-{high} has no ports."
            raise Fault(400, "PPGParametersInvalidNTupleMappingParameter", message)
    return kept_values


_MAPPING = c.record(dict.fromkeys(DIRECTIONS, _n_tuple))


@says(either(taken(_MAPPING), NULL), kept(_MAPPING))
def n_tuple_mapping(value: Any = None) -> dict[str, Any]:
    """Both directions; an explicit empty object stays one, as clients get it from networking-sfc."""
    if value == {} and isinstance(value, dict):
        return {}
    return {name: {} for name in DIRECTIONS} | (_MAPPING(value) if value is not None else {})


_GROUP = c.record({"lb_fields": c.allowed_values(LB_FIELDS), "ppg_n_tuple_mapping": n_tuple_mapping})


@says(either(taken(_GROUP), NULL), kept(_GROUP))
def group_parameters(value: Any = None) -> dict[str, Any]:
    """``lb_fields`` and ``ppg_n_tuple_mapping``; what is missing is filled in."""
    complete = {"lb_fields": [], "ppg_n_tuple_mapping": n_tuple_mapping()}
    return complete | _GROUP(value) if value is not None else complete


PORT_PAIR_GROUP = Kind(
    name="port_pair_group",
    plural="port_pair_groups",
    prefix="sfc",
    attributes=(
        *_identity(Attribute(name="group_id", convert=c.integer(), query=c.any_integer)),
        Attribute(
            name="port_pairs",
            convert=c.nullable(c.list_of(c.uuid), list),
            default=list,
            post=True,
            put=True,
            filtered=False,
        ),
        Attribute(
            name="port_pair_group_parameters",
            convert=group_parameters,
            default=group_parameters,
            post=True,
            filtered=False,
        ),
        Attribute(name="tap_enabled", convert=c.boolean, default=False, post=True, query=c.boolean),
    ),
)


# Port chains.


_UUIDS = c.list_of(c.uuid)


@says(either(taken(_UUIDS), taken(c.uuid), NULL), kept(_UUIDS))
def _several(value: Any) -> list[str]:
    """A list of UUIDs; null is the empty one, and a single UUID a list of one."""
    wrapped = [] if value is None else [value] if isinstance(value, str) else value
    return _UUIDS(wrapped)  # type: ignore[no-any-return]


@says(either(taken(_UUIDS) | {"minItems": 1}, taken(c.uuid)), kept(_UUIDS) | {"minItems": 1})
def chain_groups(value: Any) -> list[str]:
    """The groups of a chain, at least one."""
    groups = _several(value)
    if not groups:
        message = "Port Pair Group is not specified in Port Chain."
        raise Fault(400, "PortPairGroupNotSpecified", message)
    return groups


_CHAIN = c.record({"correlation": c.one_of(*CORRELATIONS), "symmetric": c.boolean})


@says(either(taken(_CHAIN), NULL), kept(_CHAIN))
def chain_parameters(value: Any = None) -> dict[str, Any]:
    """``correlation`` and ``symmetric``; what is missing is filled in."""
    complete: dict[str, Any] = {"correlation": "mpls", "symmetric": False}
    return complete | _CHAIN(value) if value is not None else complete


PORT_CHAIN = Kind(
    name="port_chain",
    plural="port_chains",
    prefix="sfc",
    attributes=(
        *_identity(
            Attribute(name="chain_id", convert=c.integer(0, MAX_CHAIN_ID), default=0, post=True, query=c.any_integer)
        ),
        Attribute(name="port_pair_groups", convert=chain_groups, default=REQUIRED, post=True, put=True, filtered=False),
        Attribute(name="flow_classifiers", convert=_several, default=list, post=True, put=True, filtered=False),
        Attribute(
            name="chain_parameters", convert=chain_parameters, default=chain_parameters, post=True, filtered=False
        ),
    ),
)


# Service graphs.


def _graph(chains: Schema) -> Schema:
    return {"type": "object", "propertyNames": taken(c.uuid), "additionalProperties": chains}


@says(either(_graph(listed(taken(c.uuid))), NULL), _graph(listed(kept(c.uuid))))
def graph_chains(value: Any) -> dict[str, list[str]]:
    """Source chain -> destination chains. Whether a destination is there twice is for the rules to say."""
    chains: dict[str, list[str]] = {}
    for key, destinations in c.dictionary({} if value is None else value).items():
        source = c.uuid_text(key)
        if source is None:
            raise _not_uuid(f"UUID of source Port-Chain is invalid: {plain(key)}")
        if source in chains:
            raise Rejected(f"Duplicate source Port-Chain: '{source}'")
        if not isinstance(destinations, list) or len(destinations) > c.MAX_ITEMS:
            raise _not_uuid(f"destinations of Port-Chain {source} are not a list of UUIDs: {plain(destinations)}")
        chains[source] = []
        for item in destinations:
            destination = c.uuid_text(item)
            if destination is None:
                raise _not_uuid(f"UUID of destination Port-Chain is invalid: {plain(item)}")
            chains[source].append(destination)
    return chains


def _not_uuid(reason: str) -> Fault:
    message = f"An invalid UUID was specified: {reason}. Make sure only valid UUIDs are provided."
    return Fault(400, "InvalidUUID", message)


SERVICE_GRAPH = Kind(
    name="service_graph",
    plural="service_graphs",
    prefix="sfc",
    attributes=(
        *_identity(),
        Attribute(name="port_chains", convert=graph_chains, default=REQUIRED, post=True, filtered=False),
    ),
)

SFC_KINDS = (FLOW_CLASSIFIER, PORT_PAIR, PORT_PAIR_GROUP, PORT_CHAIN, SERVICE_GRAPH)
