"""Bodies of requests: Neutron's checks in Neutron's order, and nothing but 400 for whatever JSON can say."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from segue.neutron.attributes import KINDS, OMITTED, REQUIRED, Kind
from segue.neutron.body import create_bulk_values, create_values, is_bulk, update_values
from segue.neutron.caller import Caller
from segue.neutron.errors import Fault

ID = "5e8e5957-649f-477b-9e5b-f1f75b21c03c"
ALICE = Caller("alice")
ADMIN = Caller("operators", admin=True)
PAIR = {"ingress": ID, "egress": ID}


def refusal(kind: str, body: Any, caller: Caller = ALICE) -> str:
    with pytest.raises(Fault) as caught:
        create_values(kind, body, caller)
    assert (caught.value.status, caught.value.type) == (400, "HTTPBadRequest")
    return caught.value.message


def change_refusal(kind: str, body: Any) -> str:
    with pytest.raises(Fault) as caught:
        update_values(kind, body)
    assert (caught.value.status, caught.value.type) == (400, "HTTPBadRequest")
    return caught.value.message


def test_a_body_has_one_key_of_the_kind_s_name() -> None:
    for nothing in (None, {}, [], "", 0, False):
        assert refusal("port_pair", nothing) == "Resource body required"
    for strange in ([PAIR], "port_pair", 5, {"port_chain": {}}, {"port_pair": None}):
        assert refusal("port_pair", strange) == "Unable to find 'port_pair' in request body"
    for inner in ([], "x", 5, True):
        assert refusal("port_pair", {"port_pair": inner}) == "Object 'port_pair' contains invalid data"


def test_the_sfc_kinds_are_made_one_at_a_time() -> None:
    for kind in ("flow_classifier", "port_pair", "port_pair_group", "port_chain", "service_graph"):
        assert refusal(kind, {f"{kind}s": [{}]}) == "Bulk operation not supported"
        assert not is_bulk(kind, {f"{kind}s": [{}]})
        with pytest.raises(Fault, match="Bulk operation not supported"):
            create_bulk_values(kind, {f"{kind}s": [{}]}, ALICE)


def test_several_networks_may_be_made_at_once() -> None:
    body = {"networks": [{"name": "a"}, {"network": {"name": "b", "tenant_id": "alice"}}]}
    assert is_bulk("network", body)
    values = create_bulk_values("network", body, ALICE)
    assert [one["name"] for one in values] == ["a", "b"]
    assert [one["project_id"] for one in values] == ["alice", "alice"]
    for empty in ([], None, {}, "x"):
        with pytest.raises(Fault, match="Resources required"):
            create_bulk_values("network", {"networks": empty}, ALICE)
    with pytest.raises(Fault, match="Object 'network' contains invalid data"):
        create_bulk_values("network", {"networks": [{}, 5]}, ALICE)
    with pytest.raises(Fault, match="at most 1000"):
        create_bulk_values("network", {"networks": [{}] * 1001}, ALICE)


def test_the_checks_come_in_neutron_s_order() -> None:
    wrong = {"project_id": "bob", "foo": 1, "id": ID, "name": 5}
    assert "other than the authenticated project" in refusal("port_pair", {"port_pair": wrong})
    del wrong["project_id"]
    assert refusal("port_pair", {"port_pair": wrong}) == "Unrecognized attribute(s) 'foo'"
    del wrong["foo"]
    assert refusal("port_pair", {"port_pair": wrong}) == "Attribute 'id' not allowed in POST"
    del wrong["id"]
    required = "Failed to parse request. Required attribute 'ingress' not specified"
    assert refusal("port_pair", {"port_pair": wrong}) == required
    reason = "Invalid input for name. Reason: '5' is not a valid string."
    assert refusal("port_pair", {"port_pair": {**wrong, **PAIR}}) == reason


def test_attributes_that_segue_sets_cannot_be_given() -> None:
    assert (
        refusal("port_pair_group", {"port_pair_group": {"group_id": 1}}) == "Attribute 'group_id' not allowed in POST"
    )
    assert refusal("router", {"router": {"routes": []}}) == "Attribute 'routes' not allowed in POST"
    assert refusal("network", {"network": {"status": "ACTIVE"}}) == "Attribute 'status' not allowed in POST"


def test_a_project_has_two_names_and_one_value() -> None:
    for named in ({}, {"project_id": "alice"}, {"tenant_id": "alice"}, {"project_id": "alice", "tenant_id": "alice"}):
        values = create_values("port_pair", {"port_pair": {**PAIR, **named}}, ALICE)
        assert (values["project_id"], values["tenant_id"]) == ("alice", "alice")
    both = {**PAIR, "project_id": "alice", "tenant_id": "bob"}
    for caller in (ALICE, ADMIN):
        assert refusal("port_pair", {"port_pair": both}, caller) == "'project_id' and 'tenant_id' do not match"
    values = create_values("port_pair", {"port_pair": {**PAIR, "tenant_id": "bob"}}, ADMIN)
    assert (values["project_id"], values["tenant_id"]) == ("bob", "bob")
    for strange in (5, ["bob"], {"a": 1}, "x" * 256):
        assert "tenant_id" in refusal("port_pair", {"port_pair": {**PAIR, "tenant_id": strange}}, ADMIN)
        assert "authenticated project" in refusal("port_pair", {"port_pair": {**PAIR, "tenant_id": strange}})


def test_defaults_are_filled_in_and_what_the_rules_choose_is_left_out() -> None:
    assert create_values("flow_classifier", {"flow_classifier": {"protocol": "TCP"}}, ALICE) == {
        "name": "",
        "description": "",
        "project_id": "alice",
        "tenant_id": "alice",
        "ethertype": "IPv4",
        "protocol": "tcp",
        **{f"{end}_port_range_{edge}": None for end in ("source", "destination") for edge in ("min", "max")},
        **{f"{end}_ip_prefix": None for end in ("source", "destination")},
        **{f"logical_{end}_port": None for end in ("source", "destination")},
        "l7_parameters": {},
    }
    subnet = {"network_id": ID, "ip_version": 4, "cidr": "10.0.0.0/24"}
    values = create_values("subnet", {"subnet": subnet}, ALICE)
    assert not {"gateway_ip", "allocation_pools"} & set(values)
    assert create_values("subnet", {"subnet": {**subnet, "gateway_ip": None}}, ALICE)["gateway_ip"] is None
    port = create_values("port", {"port": {"network_id": ID}}, ALICE)
    assert not {"mac_address", "fixed_ips", "port_security_enabled", "status", "id"} & set(port)
    assert create_values("router", {"router": {"name": "r"}}, ALICE)["routes"] == []


def test_a_change_holds_only_what_the_body_names() -> None:
    assert update_values("port_chain", {"port_chain": {}}) == {}
    change = {"port_chain": {"name": "n", "flow_classifiers": None}}
    assert update_values("port_chain", change) == {"name": "n", "flow_classifiers": []}
    assert update_values("flow_classifier", {"flow_classifier": {"name": None}}) == {"name": ""}


def test_a_change_of_what_cannot_change_is_refused() -> None:
    assert change_refusal("port_pair", {"port_pair": {"ingress": ID}}) == "Cannot update read-only attribute ingress"
    for name in ("project_id", "tenant_id"):
        assert change_refusal("port_pair", {"port_pair": {name: "x"}}) == f"Cannot update read-only attribute {name}"
    assert change_refusal("port_pair", {"port_pair": {"foo": 1, "id": 1}}) == "Unrecognized attribute(s) 'foo'"
    assert change_refusal("port_pair", {}) == "Resource body required"
    assert change_refusal("port_pair", {"port_pair": []}) == "Object 'port_pair' contains invalid data"
    for kind in KINDS.values():
        for attribute in kind.attributes:
            if not attribute.put:
                message = change_refusal(kind.name, {kind.name: {attribute.name: ID}})
                assert message == f"Cannot update read-only attribute {attribute.name}"


def test_a_message_does_not_grow_with_what_is_unknown() -> None:
    body = {"port_pair": {f"{'x' * 1000}{number}": 1 for number in range(1000)}}
    assert len(refusal("port_pair", body)) < 700
    assert "\\ud800" in refusal("port_pair", {"port_pair": {"\ud800": 1}})


# What nobody thought of.

ANY_TEXT = st.text(st.characters(codec=None, exclude_categories=()), max_size=20)
NAN, INFINITY = float("nan"), float("inf")
UNPRINTABLE = 10**5000  # for Python, and so for hypothesis
HOSTILE: list[Any] = [
    *(None, True, False, 0, -1, 1.5, 2**63, -(2**63) - 1, 2**64, 65536, 10**400, -(10**400), UNPRINTABLE),
    *(NAN, INFINITY, -INFINITY, 1e308, -0.0),
    *(
        "",
        " ",
        "\0",
        "\ud800",
        "x" * 300,
        "9" * 5000,
        "-1",
        "1e3",
        "1_0",
        "٣",
        "%",
        "/",
        "::/",
        "1.2.3.4/",
        "{}",
        "a" * 32,
    ),
    *([], {}, [[]], [{}], {"": []}, {"\ud800": 1}),
]
SCALAR = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.sampled_from([value for value in HOSTILE if value is not UNPRINTABLE]),
    st.floats(),
    ANY_TEXT,
    st.sampled_from(["", ID, ID.upper(), "10.0.0.0/24", "2001:db8::/64", "10.0.0.1", "tcp", "IPv6", "mpls", "True"]),
    st.sampled_from(["02:00:00:00:00:01", "normal", "slaac"]),
)
WORDS = [
    *sorted({attribute.name for kind in KINDS.values() for attribute in kind.attributes}),
    *("correlation", "weight", "symmetric", "lb_fields", "ppg_n_tuple_mapping", "ingress_n_tuple", "egress_n_tuple"),
    *("start", "end", "destination", "nexthop", "subnet_id", "ip_address", "opt_name", "opt_value", ID),
]
KEY = st.one_of(st.sampled_from(WORDS), ANY_TEXT)
JSON = st.recursive(
    SCALAR,
    lambda inner: st.one_of(st.lists(inner, max_size=4), st.dictionaries(KEY, inner, max_size=4)),
    max_leaves=8,
)


def bodies(kind: Kind) -> st.SearchStrategy[Any]:
    """Bodies of one kind that have its attributes, with any values; and some that are no body at all."""
    given: dict[str, st.SearchStrategy[Any]] = {one.name: JSON for one in kind.attributes if one.post or one.put}
    needed = {name: JSON for name in given if kind.by_name[name].default is REQUIRED}
    needed |= {name: st.just(ID) for name in needed if name in ("ingress", "egress", "network_id")}
    one = st.fixed_dictionaries(needed, optional={name: value for name, value in given.items() if name not in needed})
    one = one.flatmap(
        lambda full: st.sets(st.sampled_from([*needed, *full, "name"]), max_size=3).map(
            lambda kept: {name: value for name, value in full.items() if name in needed or name in kept}
        )
    )
    return st.one_of(one.map(lambda inner: {kind.name: inner}), JSON.map(lambda inner: {kind.name: inner}), JSON)


def check_fault(fault: Fault) -> None:
    assert fault.status == 400
    assert fault.type
    assert len(fault.message) <= 1200
    msgspec.json.encode(fault.body())


def check_values(kind: Kind, values: dict[str, Any]) -> None:
    """They can be stored and sent, and are in their normal form already."""
    msgspec.json.encode(values)
    for name, value in values.items():
        assert kind.by_name[name].check(value) == value


@pytest.mark.parametrize("kind", KINDS.values(), ids=list(KINDS))
@settings(max_examples=60, deadline=None)
@given(data=st.data())
def test_any_json_gives_values_that_can_be_kept_or_a_400(kind: Kind, data: st.DataObject) -> None:
    body = data.draw(bodies(kind))
    for caller in (ALICE, ADMIN):
        try:
            values = create_values(kind, body, caller)
        except Fault as fault:
            check_fault(fault)
        else:
            check_values(kind, values)
            assert values["project_id"] == values["tenant_id"]
            must = {one.name for one in kind.attributes if one.default is not OMITTED}
            assert must <= set(values)
    try:
        changed = update_values(kind, body)
    except Fault as fault:
        check_fault(fault)
    else:
        check_values(kind, changed)
        assert set(changed) == set(body[kind.name])
    try:
        create_bulk_values(kind, body, ALICE)
    except Fault as fault:
        check_fault(fault)


PARTS = [
    *("correlation", "weight", "symmetric", "lb_fields", "ppg_n_tuple_mapping"),
    *("start", "destination", "nexthop", "subnet_id", "ip_address", "mac_address", "opt_name", "opt_value", "a", ID),
]
DEEPER = ["source_ip_prefix", "source_port_range_min", "ip_address", "a", ID]
DIRECTIONS = ["ingress_n_tuple", "egress_n_tuple"]


def disguises(value: Any) -> list[Any]:
    """A value where each converter may look for one."""
    one = [value, [value], [ID, value], [value, value], [[value]]]
    one += [{part: value} for part in PARTS] + [{part: [value]} for part in PARTS] + [[{part: value}] for part in PARTS]
    one += [[{"ip_address": "10.0.0.1", part: value}] for part in PARTS]
    one += [{"start": value, "end": value}, [{"start": "10.0.0.1", "end": value}]]
    one += [[{"destination": "10.0.0.0/8", "nexthop": value}], [{"opt_name": "a", "opt_value": value}]]
    mapping = [{direction: {deep: value}} for direction in DIRECTIONS for deep in DEEPER]
    mapping += [{direction: value} for direction in DIRECTIONS]
    return [*one, *({"ppg_n_tuple_mapping": inner} for inner in mapping)]


@pytest.mark.parametrize("kind", KINDS.values(), ids=list(KINDS))
def test_a_hostile_value_in_any_place_of_any_attribute_is_harmless_or_a_400(kind: Kind) -> None:
    for hostile in HOSTILE:
        for value in disguises(hostile):
            for attribute in kind.attributes:
                try:
                    kept = attribute.check(value)
                except Fault as fault:
                    check_fault(fault)
                else:
                    check_values(kind, {attribute.name: kept})
