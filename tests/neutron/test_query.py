"""Lists: filters, fields, order, pages and whose objects they are."""

from __future__ import annotations

from typing import Any
from urllib.parse import parse_qsl, urlsplit

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from segue.neutron.attributes import KINDS
from segue.neutron.caller import Caller
from segue.neutron.errors import Fault
from segue.neutron.query import list_resources, show
from segue.neutron.state import Resource, State

URL = "http://127.0.0.1:9696/v2.0/x"
ALICE, BOB = Caller("alice"), Caller("bob")
ADMIN = Caller("operators", admin=True)

Pairs = list[tuple[str, str]]


def identity(number: int) -> str:
    return f"00000000-0000-0000-0000-{number:012x}"


def owned(project: str, number: int, **more: Any) -> Resource:
    return {"id": identity(number), "name": f"n{number}", "project_id": project, "tenant_id": project, **more}


def classifier(number: int, project: str = "alice", **more: Any) -> Resource:
    body: Resource = {"ethertype": "IPv4", "protocol": None, "source_ip_prefix": None, "destination_ip_prefix": None}
    for end in ("source", "destination"):
        body |= {f"{end}_port_range_min": None, f"{end}_port_range_max": None, f"logical_{end}_port": None}
    return owned(project, number, **body | {"l7_parameters": {}} | more)


def network(number: int, project: str = "alice", **more: Any) -> Resource:
    return owned(project, number, **{"shared": False, "admin_state_up": True, "subnets": [], "tags": []} | more)


def port(number: int, address: str, network: int = 1, project: str = "alice", **more: Any) -> Resource:
    fixed = [{"subnet_id": identity(9), "ip_address": address}]
    mac = f"02:00:00:00:00:{number:02x}"
    body = {"network_id": identity(network), "fixed_ips": fixed, "mac_address": mac, "device_id": ""}
    return owned(project, number, **body | {"device_owner": "", "tags": []} | more)


def state(kind: str, resources: list[Resource]) -> State:
    return State({(kind, one["id"]): one for one in resources})


def found(held: State, kind: str, query: Pairs, caller: Caller = ALICE) -> list[str]:
    body = list_resources(held, caller, kind, query, URL)
    return [one["name"] for one in body[KINDS[kind].plural]]


def refusal(held: State, kind: str, query: Pairs, caller: Caller = ALICE) -> Fault:
    with pytest.raises(Fault) as caught:
        list_resources(held, caller, kind, query, URL)
    return caught.value


def test_a_project_sees_its_own_objects_and_an_admin_all() -> None:
    held = state("flow_classifier", [classifier(1), classifier(2, "bob"), classifier(3)])
    assert found(held, "flow_classifier", []) == ["n1", "n3"]
    assert found(held, "flow_classifier", [], BOB) == ["n2"]
    assert found(held, "flow_classifier", [], ADMIN) == ["n1", "n2", "n3"]
    assert found(held, "flow_classifier", [("project_id", "bob")]) == []
    assert found(held, "flow_classifier", [("tenant_id", "bob")], ADMIN) == ["n2"]


def test_a_network_of_another_project_is_not_seen() -> None:
    held = state("network", [network(1), network(2, "bob"), network(3, admin_state_up=False)])
    assert found(held, "network", []) == ["n1", "n3"]
    assert found(held, "network", [("admin_state_up", "True")]) == ["n1"]
    assert found(held, "network", [("admin_state_up", "no")]) == ["n3"]
    assert found(held, "network", [("id", identity(2))]) == []


def test_a_filter_that_is_repeated_means_any_and_two_filters_mean_both() -> None:
    held = state("flow_classifier", [classifier(1), classifier(2), classifier(3, protocol="tcp")])
    assert found(held, "flow_classifier", [("name", "n1"), ("name", "n3")]) == ["n1", "n3"]
    assert found(held, "flow_classifier", [("name", "n1"), ("protocol", "TCP"), ("name", "n3")]) == ["n3"]
    assert found(held, "flow_classifier", [("id", identity(2))]) == ["n2"]
    assert found(held, "flow_classifier", [("id", "no-uuid")]) == []
    assert found(held, "flow_classifier", [("name", "x" * 1000)]) == []
    assert found(held, "flow_classifier", [("ethertype", "ipv4"), ("name", "n2")]) == ["n2"]


def test_a_name_is_found_among_what_the_caller_sees() -> None:
    held = state("network", [network(1, name="web"), network(2, "bob", name="web"), network(3, name="web", mtu=9)])
    assert found(held, "network", [("name", "web"), ("fields", "id"), ("fields", "name")], BOB) == ["web"]
    for caller, ids in ((ALICE, [1, 3]), (BOB, [2]), (ADMIN, [1, 2, 3])):
        body = list_resources(held, caller, "network", [("name", "web")], URL)
        assert [one["id"] for one in body["networks"]] == [identity(id) for id in ids]
    assert found(held, "network", [("name", "web"), ("mtu", "9"), ("id", identity(3))]) == ["web"]
    assert found(held, "network", [("name", "web"), ("id", identity(2))]) == []


def test_unknown_filters_and_those_on_lists_and_objects_are_ignored() -> None:
    held = state("flow_classifier", [classifier(1), classifier(2)])
    for name in ("unknown", "l7_parameters", "status", "tags", "fixed_ips", ""):
        assert found(held, "flow_classifier", [(name, "x")]) == ["n1", "n2"]


def test_a_filter_takes_what_its_attribute_takes() -> None:
    held = state("flow_classifier", [classifier(1)])
    assert refusal(held, "flow_classifier", [("protocol", "")]).type == "FlowClassifierInvalidProtocol"
    assert refusal(held, "flow_classifier", [("ethertype", "x")]).type == "FlowClassifierInvalidEthertype"
    assert refusal(held, "flow_classifier", [("source_port_range_min", "x")]).type == "FlowClassifierInvalidPortValue"
    assert refusal(held, "port_pair_group", [("tap_enabled", "maybe")]).type == "InvalidInput"
    assert refusal(held, "port_chain", [("chain_id", "x")]).type == "InvalidInput"
    assert refusal(held, "network", [("admin_state_up", "x")]).status == 400
    chains = [owned("alice", 1, chain_id=7, port_pair_groups=[], flow_classifiers=[])]
    assert found(state("port_chain", chains), "port_chain", [("chain_id", "7")]) == ["n1"]


def test_ports_are_found_by_address_and_tags() -> None:
    held = state("port", [port(1, "10.0.0.1", tags=["a", "b"]), port(2, "10.0.0.2", tags=["b"]), port(3, "10.0.1.1")])
    assert found(held, "port", [("fixed_ips", "ip_address=10.0.0.2")]) == ["n2"]
    assert found(held, "port", [("fixed_ips", "ip_address=10.0.0.2"), ("fixed_ips", "ip_address=10.0.1.1")]) == [
        *("n2", "n3"),
    ]
    assert found(held, "port", [("fixed_ips", f"subnet_id={identity(8)}")]) == []
    both = [("fixed_ips", f"subnet_id={identity(9)}"), ("fixed_ips", "ip_address_substr=.0.0.")]
    assert found(held, "port", both) == ["n1", "n2"]
    assert found(held, "port", [("fixed_ips", "strange")]) == ["n1", "n2", "n3"]
    assert found(held, "port", [("mac_address", "02-00-00-00-00-03")]) == ["n3"]
    assert found(held, "port", [("tags", "a,b")]) == ["n1"]
    assert found(held, "port", [("tags-any", "a,b")]) == ["n1", "n2"]
    assert found(held, "port", [("not-tags", "a,b")]) == ["n2", "n3"]
    assert found(held, "port", [("not-tags-any", "a,b")]) == ["n3"]
    assert found(held, "port", [("tags", "a"), ("tags", "b")]) == ["n1"]
    assert found(held, "port", [("not-tags-any", "a"), ("not-tags-any", "b")]) == ["n3"]
    assert found(held, "port", [("tags-any", "a"), ("tags-any", "b")]) == ["n1"]
    assert found(held, "port", [("tags", "b"), ("not-tags", "a,b")]) == ["n2"]


def test_fields_choose_attributes_of_lists_and_of_one() -> None:
    held = state("network", [network(1), network(2)])
    body = list_resources(held, ALICE, "network", [("fields", "id"), ("fields", "name"), ("fields", "x")], URL)
    assert body == {"networks": [{"id": identity(1), "name": "n1"}, {"id": identity(2), "name": "n2"}]}
    assert show(network(1), ["name", "unknown"]) == {"name": "n1"}
    assert show(network(1), []) == show(network(1)) == network(1)
    assert show(network(1), ["unknown"]) == {}


def test_core_kinds_are_sorted_as_asked_and_null_comes_first() -> None:
    held = state(
        "network", [network(1, name="b", mtu=1), network(2, name="a", mtu=2), network(3, name="b", description=None)]
    )
    ids = [one["id"][-1] for one in list_resources(held, ADMIN, "network", [("sort_key", "name")], URL)["networks"]]
    assert ids == ["2", "1", "3"]
    query = [("sort_key", "name"), ("sort_key", "id"), ("sort_dir", "asc"), ("sort_dir", "desc")]
    ids = [one["id"][-1] for one in list_resources(held, ADMIN, "network", query, URL)["networks"]]
    assert ids == ["2", "3", "1"]
    query = [("sort_key", "id"), ("sort_dir", "desc")]
    ids = [one["id"][-1] for one in list_resources(held, ADMIN, "network", query, URL)["networks"]]
    assert ids == ["3", "2", "1"]
    ids = [one["id"][-1] for one in list_resources(held, ADMIN, "network", [("sort_key", "mtu")], URL)["networks"]]
    assert ids == ["3", "1", "2"]


def test_an_order_that_cannot_be_is_refused() -> None:
    held = State()
    for name in ("name", "id"):
        fault = refusal(held, "port_chain", [("sort_key", name)])
        assert (fault.status, fault.type) == (400, "HTTPBadRequest")
        assert fault.message == f"['{name}'] is invalid attribute for sort_keys"
    assert refusal(held, "network", [("sort_key", "subnets")]).status == 400
    assert refusal(held, "network", [("sort_key", "x" * 10**6)]).status == 400
    wrong = refusal(held, "network", [("sort_key", "name"), ("sort_dir", "up")])
    assert wrong.message == "['up'] is invalid value for sort_dirs, valid value is 'asc' and 'desc'"
    more = refusal(held, "network", [("sort_key", "name"), ("sort_dir", "asc"), ("sort_dir", "asc")])
    assert more.message == "The number of sort_keys and sort_dirs must be same"


@pytest.mark.parametrize("value", ["-1", "x", "1.5", "9" * 10**6])
def test_a_limit_is_a_number(value: str) -> None:
    fault = refusal(State(), "network", [("limit", value)])
    assert (fault.status, fault.type) == (400, "BadRequest")
    assert fault.message.startswith("Bad limit request: Limit must be an integer 0 or greater and not '")


@pytest.mark.parametrize(
    "query",
    [
        [("limit", "abc"), ("limit", "1")],
        [("limit", "1"), ("limit", "1")],
        [("page_reverse", "banana"), ("page_reverse", "true")],
        [("limit", "1"), ("marker", "x"), ("marker", identity(1))],
        [("limit", ""), ("limit", "1")],
    ],
)
def test_of_several_limits_markers_or_directions_none_is_taken(query: Pairs) -> None:
    name = query[-1][0]
    fault = refusal(state("network", [network(1)]), "network", query)
    assert (fault.status, fault.message) == (400, f"{name} is given 2 times; give it once")


def test_no_limit_means_all_and_no_links() -> None:
    held = state("network", [network(2), network(1)])
    for query in ([], [("limit", "0")], [("limit", "0"), ("marker", identity(1))], [("page_reverse", "True")]):
        assert list_resources(held, ALICE, "network", query, URL) == {"networks": [network(2), network(1)]}


def test_a_marker_must_be_seen_by_the_caller() -> None:
    held = state("port_pair", [owned("bob", 1, ingress="i", egress="e", service_function_parameters={})])
    for marker in (identity(1), identity(2), "x"):
        fault = refusal(held, "port_pair", [("limit", "1"), ("marker", marker)])
        assert (fault.status, fault.type) == (404, "PortPairNotFound")
    assert found(held, "port_pair", [("limit", "1"), ("marker", identity(1))], BOB) == []


def walked(held: State, kind: str, query: Pairs, relation: str) -> list[list[str]]:
    """The ids of all pages, by following the links of one relation until there is none."""
    pages: list[list[str]] = []
    for _ in range(100):
        body = list_resources(held, ALICE, kind, query, URL)
        pages.append([one["id"] for one in body[KINDS[kind].plural]])
        links = {link["rel"]: link["href"] for link in body[f"{KINDS[kind].plural}_links"]}
        if relation not in links:
            return pages
        assert links[relation].startswith(f"{URL}?")
        query = parse_qsl(urlsplit(links[relation]).query)
    raise AssertionError("the links go round in a circle")


@settings(max_examples=60, deadline=None)
@given(
    numbers=st.lists(st.integers(0, 40), unique=True, max_size=12),
    limit=st.integers(1, 5),
    keys=st.sampled_from([[], ["id"], ["name"], ["mtu", "name"]]),
    down=st.booleans(),
)
def test_pages_hold_everything_once_in_order_forwards_and_back(
    numbers: list[int], limit: int, keys: list[str], down: bool
) -> None:
    resources = [network(n, name=f"n{n % 3}", mtu=None if n % 5 == 0 else n % 4) for n in numbers]
    held = state("network", [*resources, network(50, "bob")])
    order = [*(("sort_key", key) for key in keys), *(("sort_dir", "desc" if down else "asc") for _ in keys)]
    key = {"name": lambda one: one["name"], "mtu": lambda one: -1 if one["mtu"] is None else one["mtu"]}
    expected = sorted(resources, key=lambda one: one["id"], reverse=down and keys == ["id"])
    for name in reversed([name for name in keys if name != "id"]):
        expected.sort(key=key[name], reverse=down)
    ids = [one["id"] for one in expected]
    query = [*order, ("limit", str(limit)), ("name", "n0"), ("name", "n1"), ("name", "n2")]
    pages = walked(held, "network", query, "next")
    assert [id for page in pages for id in page] == ids
    assert all(len(page) == limit for page in pages[:-1])
    assert len(pages[-1]) < limit
    pages = walked(held, "network", [*query, ("page_reverse", "True")], "previous")
    assert [id for page in reversed(pages) for id in page] == ids
    assert all(len(page) == limit for page in pages[:-1])


def test_links_keep_the_rest_of_the_query() -> None:
    held = state("network", [network(n, name="a b&c") for n in range(3)])
    query = [("name", "a b&c"), ("fields", "name"), ("limit", "1"), ("marker", identity(0))]
    links = list_resources(held, ALICE, "network", query, URL)["networks_links"]
    kept = [("name", "a b&c"), ("fields", "name"), ("limit", "1"), ("marker", identity(1))]
    assert [(link["rel"], parse_qsl(urlsplit(link["href"]).query)) for link in links] == [
        ("next", kept),
        ("previous", [*kept, ("page_reverse", "True")]),
    ]


def test_links_can_be_written_whatever_the_query_holds() -> None:
    held = state("network", [network(1), network(2)])
    links = list_resources(held, ALICE, "network", [("\ud800", "\udfff"), ("limit", "1")], URL)["networks_links"]
    assert links[0]["href"] == f"{URL}?%3F=%3F&limit=1&marker={identity(1)}"


@pytest.mark.parametrize("kind", KINDS)
@settings(max_examples=40, deadline=None)
@given(data=st.data())
def test_any_query_gives_a_list_or_a_400_or_404(kind: str, data: st.DataObject) -> None:
    text = st.one_of(
        st.text(st.characters(codec=None, exclude_categories=()), max_size=20), st.sampled_from(["1", "id"])
    )
    special = st.sampled_from(
        ["limit", "marker", "page_reverse", "sort_key", "sort_dir", "fields", "tags", "fixed_ips"]
    )
    names = st.one_of(st.sampled_from([one.name for one in KINDS[kind].attributes]), special, text)
    held = state("network", [network(n) for n in range(3)])
    query = data.draw(st.lists(st.tuples(names, text), max_size=5))
    try:
        body = list_resources(held, ALICE, kind, query, URL)
    except Fault as fault:
        assert fault.status in (400, 404)
        assert len(fault.message) < 500
    else:
        assert set(body) <= {KINDS[kind].plural, f"{KINDS[kind].plural}_links"}


class Watched(dict[str, Any]):
    """Calls a function of Python's for each attribute that is read, so that it is counted."""

    def __getitem__(self, name: str) -> Any:
        return super().__getitem__(name)

    def get(self, name: str, default: Any = None) -> Any:
        return super().get(name, default)


@pytest.mark.parametrize(
    ("query", "most"),
    [
        ([], 3),
        ([("name", "n77")], 0.02),
        ([("fields", "id"), ("fields", "name")], 10),
        ([("not-tags-any", f"t{n}") for n in range(500)], 20),
        ([("limit", "100"), ("marker", identity(5000))], 10),
        ([("limit", "100"), ("sort_key", "name"), ("marker", identity(5000))], 20),
    ],
)
def test_a_list_of_ten_thousand_looks_at_each_a_few_times(counting: Any, query: Pairs, most: float) -> None:
    """And not at all, where one name is asked for."""
    held = state("network", [Watched(network(n)) for n in range(10_000)])
    with counting(most * 10_000):
        list_resources(held, ALICE, "network", query, URL)
