"""Single values: what is kept of them, and in which words they are refused."""

from __future__ import annotations

import json
from typing import Any

import pytest

from segue.neutron import converters as c
from segue.neutron.attributes import BY_PLURAL, KINDS
from segue.neutron.errors import Fault, plain, quoted
from segue.neutron.shape import Rejected

ID = "5e8e5957-649f-477b-9e5b-f1f75b21c03c"
HUGE = 10**400


def check(kind: str, name: str, value: Any) -> Any:
    return KINDS[kind].by_name[name].check(value)


def fault(kind: str, name: str, value: Any) -> tuple[int, str, str]:
    with pytest.raises(Fault) as caught:
        check(kind, name, value)
    return caught.value.status, caught.value.type, caught.value.message


def test_every_kind_is_known_by_both_names() -> None:
    assert set(KINDS) == {
        *("network", "subnet", "port", "router"),
        *("flow_classifier", "port_pair", "port_pair_group", "port_chain", "service_graph"),
    }
    assert {kind.plural: kind.name for kind in BY_PLURAL.values()} == {f"{name}s": name for name in KINDS}
    assert {kind.prefix for kind in KINDS.values() if kind.bulk} == {""}
    assert {kind.prefix for kind in KINDS.values() if not kind.bulk} == {"sfc"}


@pytest.mark.parametrize(
    ("name", "value", "kept"),
    [
        ("name", None, ""),
        ("description", None, ""),
        ("ethertype", None, "IPv4"),
        ("ethertype", "ipV6", "IPv6"),
        ("protocol", "TCP", "tcp"),
        ("protocol", None, None),
        ("source_port_range_min", "80", 80),
        ("source_port_range_min", 80.0, 80),
        ("destination_port_range_max", 65535, 65535),
        ("source_ip_prefix", "10.7.0.5/24", "10.7.0.5/24"),
        ("source_ip_prefix", "2001:DB8::1/64", "2001:DB8::1/64"),
        ("destination_ip_prefix", None, None),
        ("logical_source_port", ID.upper(), ID),
        ("logical_source_port", ID.replace("-", ""), ID),
        ("logical_destination_port", None, None),
        ("l7_parameters", None, {}),
        ("l7_parameters", {}, {}),
    ],
)
def test_a_classifier_keeps_the_normal_form(name: str, value: Any, kept: Any) -> None:
    found = check("flow_classifier", name, value)
    assert (found, type(found)) == (kept, type(kept))


@pytest.mark.parametrize(
    ("name", "value", "type", "message"),
    [
        (
            "ethertype",
            "IPX",
            "FlowClassifierInvalidEthertype",
            "Flow Classifier does not support ethertype IPX. Supported ethertype values are ['IPv4', 'IPv6'].",
        ),
        (
            "protocol",
            6,
            "FlowClassifierInvalidProtocol",
            "Flow Classifier does not support protocol 6. Supported protocol values are ['tcp', 'udp', 'icmp'].",
        ),
        ("protocol", "", "FlowClassifierInvalidProtocol", None),
        ("protocol", "sctp", "FlowClassifierInvalidProtocol", None),
        ("protocol", ["tcp"], "FlowClassifierInvalidProtocol", None),
        (
            "source_port_range_min",
            -1,
            "FlowClassifierInvalidPortValue",
            "Flow Classifier has invalid port value -1.",
        ),
        ("source_port_range_max", 65536, "FlowClassifierInvalidPortValue", None),
        ("source_port_range_max", "abc", "FlowClassifierInvalidPortValue", None),
        ("source_port_range_max", True, "FlowClassifierInvalidPortValue", None),
        ("source_port_range_max", 80.5, "FlowClassifierInvalidPortValue", None),
        ("source_port_range_max", HUGE, "FlowClassifierInvalidPortValue", None),
        ("source_port_range_max", float("nan"), "FlowClassifierInvalidPortValue", None),
        ("source_port_range_max", float("inf"), "FlowClassifierInvalidPortValue", None),
        ("source_port_range_max", "9" * 10_000_000, "FlowClassifierInvalidPortValue", None),
        (
            "source_ip_prefix",
            "10.0.0.0",
            "HTTPBadRequest",
            "Invalid input for source_ip_prefix. Reason: '10.0.0.0' isn't a recognized IP subnet cidr, "
            "'10.0.0.0/32' is recommended.",
        ),
        (
            "source_ip_prefix",
            "10.0.0.0/255.255.255.0",
            "HTTPBadRequest",
            "Invalid input for source_ip_prefix. Reason: '10.0.0.0/255.255.255.0' isn't a recognized IP subnet cidr, "
            "'10.0.0.0/24' is recommended.",
        ),
        ("source_ip_prefix", "fe80::1%x/64", "HTTPBadRequest", None),
        (
            "source_ip_prefix",
            "10.0.0.0/33",
            "HTTPBadRequest",
            "Invalid input for source_ip_prefix. Reason: '10.0.0.0/33' is not a valid IP subnet.",
        ),
        (
            "logical_source_port",
            "x",
            "HTTPBadRequest",
            "Invalid input for logical_source_port. Reason: 'x' is not a valid UUID.",
        ),
        ("name", 1, "HTTPBadRequest", "Invalid input for name. Reason: '1' is not a valid string."),
        ("name", "\ud800", "HTTPBadRequest", "Invalid input for name. Reason: '\\ud800' is not proper Unicode."),
        (
            "l7_parameters",
            {"url": "x"},
            "FlowClassifierInvalidL7Parameter",
            "Invalid Flow Classifier parameters: Unknown key url. Supported flow classifier parameters are {}: the "
            "data plane (Open vSwitch) matches layers 2 to 4 alone; use protocol, port ranges and IP prefixes.",
        ),
        ("l7_parameters", "url=x", "FlowClassifierInvalidL7Parameter", None),
        ("l7_parameters", [], "HTTPBadRequest", "Invalid input for l7_parameters. Reason: '[]' is not a dictionary."),
    ],
)
def test_a_classifier_refuses_in_networking_sfc_s_words(name: str, value: Any, type: str, message: str | None) -> None:
    status, kind, text = fault("flow_classifier", name, value)
    assert (status, kind) == (400, type)
    assert len(text) < 400
    if message is not None:
        assert text == message


def test_a_name_has_255_characters_at_most_and_its_refusal_is_short() -> None:
    assert check("port_pair", "name", "é" * 255) == "é" * 255
    for size in (256, 10_000_000):
        _, type, message = fault("port_pair", "name", "x" * size)
        assert type == "HTTPBadRequest"
        assert message.endswith("...' exceeds maximum length of 255.")
        assert len(message) < 300
    assert fault("port_pair", "name", None)[2] == "Invalid input for name. Reason: 'None' is not a valid string."


@pytest.mark.parametrize(
    ("value", "kept"),
    [
        (None, {"correlation": None, "weight": 1}),
        ({}, {"correlation": None, "weight": 1}),
        ({"weight": "2"}, {"correlation": None, "weight": 2}),
        ({"weight": 0}, {"correlation": None, "weight": 0}),
        ({"correlation": "nsh"}, {"correlation": "nsh", "weight": 1}),
        ({"correlation": None, "weight": 3}, {"correlation": None, "weight": 3}),
    ],
)
def test_function_parameters_are_completed(value: Any, kept: Any) -> None:
    assert check("port_pair", "service_function_parameters", value) == kept


@pytest.mark.parametrize(
    ("value", "type", "message"),
    [
        ({"weight": -1}, "HTTPBadRequest", "weight: '-1' should be non-negative."),
        ({"weight": 256}, "HTTPBadRequest", "weight: '256' is too large - must be no larger than '255'."),
        ({"weight": "abc"}, "InvalidInput", "'abc' is not an integer."),
        ({"weight": None}, "InvalidInput", "'None' is not an integer."),
        ({"weight": HUGE}, "HTTPBadRequest", "is too large - must be no larger than '255'."),
        ({"correlation": "def"}, "HTTPBadRequest", "correlation: 'def' is not one of [None, 'mpls', 'nsh']."),
        ({"correlation": []}, "HTTPBadRequest", "correlation: '[]' is not one of [None, 'mpls', 'nsh']."),
        (
            {"foo": 1},
            "HTTPBadRequest",
            "Invalid input for service_function_parameters. Reason: Unexpected keys supplied: foo; "
            "supported are correlation, weight.",
        ),
        ("weight=2", "HTTPBadRequest", "'weight=2' is not a dictionary."),
        ([], "HTTPBadRequest", "'[]' is not a dictionary."),
    ],
)
def test_wrong_function_parameters_are_refused(value: Any, type: str, message: str) -> None:
    status, kind, text = fault("port_pair", "service_function_parameters", value)
    assert (status, kind) == (400, type)
    assert text.endswith(message)


N_TUPLE = {"source_ip_prefix": "10.0.0.0/8", "source_port_range_min": "80", "source_port_range_max": None}


@pytest.mark.parametrize(
    ("value", "kept"),
    [
        (None, {"lb_fields": [], "ppg_n_tuple_mapping": {"ingress_n_tuple": {}, "egress_n_tuple": {}}}),
        ({}, {"lb_fields": [], "ppg_n_tuple_mapping": {"ingress_n_tuple": {}, "egress_n_tuple": {}}}),
        (
            {"lb_fields": ["ip_src", "ip_dst"]},
            {
                "lb_fields": ["ip_src", "ip_dst"],
                "ppg_n_tuple_mapping": {"ingress_n_tuple": {}, "egress_n_tuple": {}},
            },
        ),
        ({"ppg_n_tuple_mapping": {}}, {"lb_fields": [], "ppg_n_tuple_mapping": {}}),
        (
            {"ppg_n_tuple_mapping": {"egress_n_tuple": N_TUPLE}},
            {
                "lb_fields": [],
                "ppg_n_tuple_mapping": {
                    "ingress_n_tuple": {},
                    "egress_n_tuple": {**N_TUPLE, "source_port_range_min": 80},
                },
            },
        ),
    ],
)
def test_group_parameters_are_completed(value: Any, kept: Any) -> None:
    assert check("port_pair_group", "port_pair_group_parameters", value) == kept


@pytest.mark.parametrize(
    ("value", "type"),
    [
        ({"lb_fields": "ip_src"}, "HTTPBadRequest"),
        ({"lb_fields": ["def"]}, "HTTPBadRequest"),
        ({"lb_fields": [["ip_src"]]}, "HTTPBadRequest"),
        ({"lb_fields": None}, "HTTPBadRequest"),
        ({"foo": 1}, "HTTPBadRequest"),
        ({"ppg_n_tuple_mapping": "x"}, "HTTPBadRequest"),
        ({"ppg_n_tuple_mapping": {"foo": {}}}, "HTTPBadRequest"),
        ({"ppg_n_tuple_mapping": {"ingress_n_tuple": []}}, "HTTPBadRequest"),
        ({"ppg_n_tuple_mapping": {"ingress_n_tuple": {"source_ip_prefix": "bad"}}}, "HTTPBadRequest"),
        (
            {"ppg_n_tuple_mapping": {"ingress_n_tuple": {"source_port_range_min": 99999}}},
            "FlowClassifierInvalidPortValue",
        ),
        (
            {"ppg_n_tuple_mapping": {"egress_n_tuple": {"source_port_range_min": 2, "source_port_range_max": 1}}},
            "PPGParametersInvalidNTupleMappingParameter",
        ),
        (
            {"ppg_n_tuple_mapping": {"ingress_n_tuple": {"protool": None}}},
            "PPGParametersInvalidNTupleMappingParameter",
        ),
    ],
)
def test_wrong_group_parameters_are_refused(value: Any, type: str) -> None:
    assert fault("port_pair_group", "port_pair_group_parameters", value)[:2] == (400, type)


def test_what_two_objects_get_by_default_is_not_one_and_the_same() -> None:
    for kind in KINDS.values():
        for attribute in kind.attributes:
            if callable(attribute.default):
                assert attribute.initial() == attribute.initial()
                assert attribute.initial() is not attribute.initial()
    first, second = (check("port_pair_group", "port_pair_group_parameters", None) for _ in range(2))
    assert first["ppg_n_tuple_mapping"]["ingress_n_tuple"] is not second["ppg_n_tuple_mapping"]["ingress_n_tuple"]


@pytest.mark.parametrize(
    ("value", "kept"),
    [
        (None, {"correlation": "mpls", "symmetric": False}),
        ({"symmetric": "True"}, {"correlation": "mpls", "symmetric": True}),
        ({"correlation": "nsh"}, {"correlation": "nsh", "symmetric": False}),
    ],
)
def test_chain_parameters_are_completed(value: Any, kept: Any) -> None:
    assert check("port_chain", "chain_parameters", value) == kept


@pytest.mark.parametrize(
    ("kind", "name", "value", "type", "message"),
    [
        ("port_chain", "chain_parameters", {"correlation": None}, "HTTPBadRequest", None),
        ("port_chain", "chain_parameters", {"correlation": "vlan"}, "HTTPBadRequest", None),
        ("port_chain", "chain_parameters", {"other": 1}, "HTTPBadRequest", None),
        (
            "port_chain",
            "chain_parameters",
            {"symmetric": "abc"},
            "InvalidInput",
            "Invalid input for operation: 'abc' cannot be converted to boolean.",
        ),
        (
            "port_chain",
            "chain_id",
            65536,
            "HTTPBadRequest",
            "Invalid input for chain_id. Reason: '65536' is too large - must be no larger than '65535'.",
        ),
        ("port_chain", "chain_id", -1, "HTTPBadRequest", None),
        ("port_chain", "chain_id", None, "InvalidInput", "Invalid input for operation: 'None' is not an integer."),
        (
            "port_chain",
            "port_pair_groups",
            [],
            "PortPairGroupNotSpecified",
            "Port Pair Group is not specified in Port Chain.",
        ),
        ("port_chain", "port_pair_groups", None, "PortPairGroupNotSpecified", None),
        (
            "port_chain",
            "port_pair_groups",
            [ID, ID],
            "HTTPBadRequest",
            f"Invalid input for port_pair_groups. Reason: Duplicate items in the list: '{ID}'.",
        ),
        ("port_chain", "port_pair_groups", [ID, ID.upper()], "HTTPBadRequest", None),
        ("port_chain", "port_pair_groups", ["nouuid"], "HTTPBadRequest", None),
        ("port_chain", "port_pair_groups", {ID: 1}, "HTTPBadRequest", None),
        ("port_chain", "flow_classifiers", [[ID]], "HTTPBadRequest", None),
        ("port_pair_group", "port_pairs", "x", "HTTPBadRequest", None),
        (
            "port_pair_group",
            "tap_enabled",
            "maybe",
            "InvalidInput",
            "Invalid input for operation: 'maybe' cannot be converted to boolean.",
        ),
        (
            "service_graph",
            "port_chains",
            {"x": []},
            "InvalidUUID",
            "An invalid UUID was specified: UUID of source Port-Chain is invalid: x. "
            "Make sure only valid UUIDs are provided.",
        ),
        ("service_graph", "port_chains", {ID: ["x"]}, "InvalidUUID", None),
        ("service_graph", "port_chains", {ID: ID}, "InvalidUUID", None),
        ("service_graph", "port_chains", {ID: None}, "InvalidUUID", None),
        ("service_graph", "port_chains", {ID: [], ID.upper(): []}, "HTTPBadRequest", None),
        ("service_graph", "port_chains", [ID], "HTTPBadRequest", None),
    ],
)
def test_chains_and_graphs_refuse(kind: str, name: str, value: Any, type: str, message: str | None) -> None:
    status, found, text = fault(kind, name, value)
    assert (status, found) == (400, type)
    if message is not None:
        assert text == message


def test_chains_and_graphs_keep_the_normal_form() -> None:
    assert check("port_chain", "chain_id", "7") == 7
    assert check("port_chain", "port_pair_groups", ID) == [ID]
    assert check("port_chain", "flow_classifiers", None) == []
    assert check("port_pair_group", "port_pairs", None) == []
    assert check("port_pair_group", "tap_enabled", "True") is True
    assert check("service_graph", "port_chains", None) == {}
    assert check("service_graph", "port_chains", {ID.upper(): [ID, ID]}) == {ID: [ID, ID]}


@pytest.mark.parametrize(
    ("kind", "name", "value", "kept"),
    [
        ("network", "admin_state_up", "True", True),
        ("network", "provider:network_type", None, None),
        ("network", "router:external", False, False),
        ("subnet", "cidr", "10.0.0.5/24", "10.0.0.0/24"),
        ("subnet", "ip_version", "6", 6),
        ("subnet", "gateway_ip", None, None),
        ("subnet", "dns_nameservers", ["8.8.8.8", "2001:DB8::1"], ["8.8.8.8", "2001:db8::1"]),
        ("subnet", "use_default_subnetpool", False, False),
        ("port", "mac_address", "FA-16-3E-00-00-01", "fa:16:3e:00:00:01"),
        ("port", "fixed_ips", [{"subnet_id": ID}], [{"subnet_id": ID}]),
        ("port", "fixed_ips", None, []),
        ("port", "security_groups", [], []),
        ("port", "binding:profile", {"a": [1, {"b": None}]}, {"a": [1, {"b": None}]}),
        ("port", "allowed_address_pairs", [{"ip_address": "10.0.0.0/8"}], [{"ip_address": "10.0.0.0/8"}]),
        ("port", "allowed_address_pairs", [{"ip_address": "::1", "mac_address": None}], [{"ip_address": "::1"}]),
        ("port", "extra_dhcp_opts", [{"opt_name": "mtu", "opt_value": "9"}], [{"opt_name": "mtu", "opt_value": "9"}]),
        ("router", "external_gateway_info", {}, None),
        ("router", "distributed", "true", True),
        ("router", "ha", True, True),
    ],
)
def test_core_kinds_keep_what_clients_send(kind: str, name: str, value: Any, kept: Any) -> None:
    found = check(kind, name, value)
    assert (found, type(found)) == (kept, type(kept))


@pytest.mark.parametrize(
    ("kind", "name", "value", "words"),
    [
        ("network", "admin_state_up", False, "declared and down"),
        ("port", "admin_state_up", "false", "declared and down"),
        ("router", "admin_state_up", 0, "declared and down"),
        ("network", "router:external", True, "no way out"),
        ("network", "shared", "True", "its own networks alone"),
        ("network", "provider:network_type", "vlan", "physical network"),
        ("network", "provider:segmentation_id", 0, "physical network"),
        ("network", "qos_policy_id", ID, "limits no rates"),
        ("network", "vlan_transparent", True, "VLAN tags"),
        ("network", "mtu", 10, "too small"),
        ("network", "tags", ["a", "a"], "Duplicate items in the list: 'a'"),
        ("subnet", "subnetpool_id", ID, "give cidr"),
        ("subnet", "ip_version", 5, "[4, 6]"),
        ("subnet", "ip_version", HUGE, "[4, 6]"),
        ("subnet", "allocation_pools", [{"start": "10.0.0.1"}], "Missing keys: end"),
        ("subnet", "gateway_ip", "10.0.0.256", "is not a valid IP address"),
        ("subnet", "host_routes", [{"destination": "10.0.0.0/8", "nexthop": "x"}], "nexthop: 'x' is not a valid IP"),
        ("port", "mac_address", "01:00:5e:00:00:01", "is not a valid MAC address"),
        ("port", "mac_address", None, "is not a valid MAC address"),
        ("port", "fixed_ips", [{"ip_address": "10.0.0.1"}] * 2, "Duplicate IP address '10.0.0.1'"),
        ("port", "fixed_ips", [{}], "required"),
        ("port", "security_groups", [ID], "no security groups"),
        ("port", "binding:vnic_type", "direct", "Open vSwitch"),
        ("port", "binding:vnic_type", ["normal"], "Open vSwitch"),
        ("port", "binding:profile", {"a": "x" * 5000}, "4096"),
        ("port", "binding:profile", {"a": [[[[[[[[[1]]]]]]]]]}, "levels"),
        ("port", "binding:profile", {"a": 2**64}, "64 bits"),
        ("port", "binding:profile", {"a": float("nan")}, "not a number"),
        ("port", "binding:profile", {"\udc00": 1}, "Unicode"),
        ("port", "allowed_address_pairs", [{"mac_address": "02:00:00:00:00:01"}], "Missing keys: ip_address"),
        ("port", "allowed_address_pairs", [{"ip_address": "10.0.0.1"}] * 2, "Duplicate items"),
        (
            "port",
            "allowed_address_pairs",
            [{"ip_address": "::1"}, {"ip_address": "::1", "mac_address": None}],
            "Duplic",
        ),
        ("router", "external_gateway_info", {"network_id": ID}, "no external gateways"),
        ("router", "external_gateways", [{"network_id": ID}], "no external gateways"),
        ("router", "distributed", False, "every node"),
        ("router", "flavor_id", ID, "no flavors"),
    ],
)
def test_what_segue_cannot_do_is_refused_with_the_reason(kind: str, name: str, value: Any, words: str) -> None:
    status, type, message = fault(kind, name, value)
    assert (status, type) == (400, "HTTPBadRequest")
    assert message.startswith(f"Invalid input for {name}. Reason: ")
    assert words in message


def test_a_list_of_more_than_ten_thousand_is_refused_at_once() -> None:
    assert "10001 items" in fault("port_chain", "port_pair_groups", [ID] * 10_001)[2]


@pytest.mark.parametrize(
    ("kind", "name", "item", "most"),
    [
        ("network", "tags", "t{}", 500),
        ("network", "availability_zone_hints", "z{}", 100),
        ("subnet", "allocation_pools", {"start": "10.0.0.{}", "end": "10.0.0.{}"}, 100),
        ("subnet", "dns_nameservers", "10.0.0.{}", 100),
        ("subnet", "host_routes", {"destination": "10.1.0.{}/32", "nexthop": "10.0.0.1"}, 100),
        ("subnet", "service_types", "s{}", 100),
        ("port", "extra_dhcp_opts", {"opt_name": "o{}", "opt_value": "x"}, 100),
    ],
)
def test_what_is_only_written_down_is_bounded(kind: str, name: str, item: Any, most: int) -> None:
    """All objects are in memory, and a project has hundreds."""

    def several(number: int) -> list[Any]:
        return [json.loads(json.dumps(item).replace("{}", str(each))) for each in range(number)]

    assert len(check(kind, name, several(most))) == most
    assert f"{most + 1} items exceeds the maximum of {most}" in fault(kind, name, several(most + 1))[2]


@pytest.mark.parametrize(
    "value",
    [
        "x" * 10_000_000,
        HUGE,
        -HUGE,
        list(range(10**6)),
        {"a": {"b": {"c": {"d": 1}}}},
        {"k" * 10**6: 1},
        1e308,
        None,
    ],
)
def test_what_a_text_repeats_is_bounded(value: Any) -> None:
    assert len(quoted(value)) <= 100
    assert len(plain(value)) <= 100
    plain(value).encode()


def test_an_integer_that_python_does_not_print_is_described() -> None:
    assert quoted([10**5000]) == "[an integer of 16610 bits]"


def test_half_a_surrogate_pair_never_leaves() -> None:
    for value in ("\ud800", ["\udfff"], {"\ud800": 1}):
        quoted(value).encode()
        plain(value).encode()


def test_uuids_are_known_by_their_digits() -> None:
    assert c.uuid_text("{" + ID + "}") == c.uuid_text("urn:uuid:" + ID) == ID
    for wrong in ("", ID[:-1], ID + "0", "g" * 32, "٣" * 32, None, 5, [ID], "-" * 40):
        assert c.uuid_text(wrong) is None
    with pytest.raises(Rejected):
        c.uuid("x")
