"""openstacksdk's calls, ``connection.network.*``, for the kinds that the API has."""

from __future__ import annotations

import uuid
from typing import Any

import pytest

from clients import Sdk, SdkFault, ask

pytestmark = pytest.mark.slow

NAMED = ("flow_classifier", "port_pair", "port_pair_group", "port_chain", "service_graph")


@pytest.fixture
def port(sdk: Sdk, nothing_left: None) -> str:
    """Of a device, on a network."""
    network = sdk.create_network(name="web")["id"]
    sdk.create_subnet(network_id=network, ip_version=4, cidr="10.0.0.0/24", name="web4")
    made: str = sdk.create_port(network_id=network, name="p", device_id="f")["id"]
    return made


def pair(sdk: Sdk, port: str, **more: Any) -> str:
    """Each on a port of its own."""
    network = sdk.get_port(port)["network_id"]
    made = sdk.create_port(network_id=network, device_id="f")["id"]
    id: str = sdk.create_sfc_port_pair(ingress=made, egress=made, **more)["id"]
    return id


def chain(sdk: Sdk, port: str, **more: Any) -> str:
    parameters = {"correlation": "mpls"}
    group = sdk.create_sfc_port_pair_group(port_pairs=[pair(sdk, port, service_function_parameters=parameters)])
    id: str = sdk.create_sfc_port_chain(port_pair_groups=[group["id"]], **more)["id"]
    return id


def make(sdk: Sdk, kind: str, port: str) -> str:
    match kind:
        case "flow_classifier":
            made = sdk.create_sfc_flow_classifier(logical_source_port=port, name="x")["id"]
        case "port_pair":
            made = pair(sdk, port, name="x")
        case "port_pair_group":
            made = sdk.create_sfc_port_pair_group(name="x")["id"]
        case "port_chain":
            made = chain(sdk, port, name="x")
        case _:
            made = sdk.create_sfc_service_graph(name="x", port_chains={chain(sdk, port): [chain(sdk, port)]})["id"]
    found: str = made
    return found


@pytest.mark.parametrize("kind", NAMED)
def test_every_kind_is_made_found_changed_listed_and_deleted(sdk: Sdk, port: str, kind: str) -> None:
    id = make(sdk, kind, port)
    get, find, update = (getattr(sdk, f"{verb}_sfc_{kind}") for verb in ("get", "find", "update"))
    every, delete = getattr(sdk, f"sfc_{kind}s"), getattr(sdk, f"delete_sfc_{kind}")
    shown = get(id)
    assert (shown["name"], shown["project_id"]) == ("x", "admin")
    assert find("x") == find(id) == shown
    assert update(id, name="y", description="changed")["description"] == "changed"
    assert find("x") is None
    assert [each["id"] for each in every(name="y")] == [id]
    assert every(name="x") == every(project_id="other") == []
    delete(id)
    with pytest.raises(SdkFault, match="NotFoundException 404"):
        get(id)
    delete(id)  # which ignores what is not there
    with pytest.raises(SdkFault, match="NotFoundException 404"):
        delete(id, ignore_missing=False)


@pytest.mark.parametrize("size", [1, 2, 3, 7, 8])
def test_lists_come_in_pages(sdk: Sdk, port: str, size: int) -> None:
    made = {make(sdk, "port_pair_group", port) for _ in range(7)}
    listed = [each["id"] for each in sdk.sfc_port_pair_groups(limit=size)]
    assert len(listed) == 7 and set(listed) == made
    first = sdk.sfc_port_pair_groups(limit=size, paginated=False)
    assert [each["id"] for each in first] == listed[:size]


def test_core_objects_are_made_changed_and_deleted(sdk: Sdk, nothing_left: None) -> None:
    network = sdk.create_network(name="web", is_port_security_enabled=False)["id"]
    subnet = sdk.create_subnet(network_id=network, ip_version=4, cidr="10.0.0.0/24")["id"]
    port = sdk.create_port(network_id=network, fixed_ips=[{"subnet_id": subnet}], binding_host_id="n1")
    assert port["fixed_ips"] == [{"subnet_id": subnet, "ip_address": "10.0.0.2"}]
    assert (port["binding_host_id"], port["is_port_security_enabled"]) == ("n1", False)
    assert sdk.update_port(port["id"], name="p", device_id="f")["device_id"] == "f"
    assert [each["id"] for each in sdk.ports(network_id=network, name=["p", "q"])] == [port["id"]]
    router = sdk.create_router(name="r")["id"]
    assert sdk.add_interface_to_router(router, subnet_id=subnet)["subnet_id"] == subnet
    with pytest.raises(SdkFault, match="ConflictException 409"):
        sdk.delete_router(router)
    sdk.remove_interface_from_router(router, subnet_id=subnet)
    sdk.delete_router(router)
    with pytest.raises(SdkFault, match="ConflictException 409"):
        sdk.delete_network(network)
    for verb, id in (("port", port["id"]), ("subnet", subnet), ("network", network)):
        getattr(sdk, f"delete_{verb}")(id)
    assert sdk.networks() == sdk.ports() == []


def test_several_ports_are_made_at_once(sdk: Sdk, port: str) -> None:
    network = sdk.get_port(port)["network_id"]
    made = sdk.create_ports([{"network_id": network, "name": f"p{number}"} for number in range(3)])
    assert [each["name"] for each in made] == ["p0", "p1", "p2"]
    with pytest.raises(SdkFault, match="409"):
        same = [{"network_id": network, "fixed_ips": [{"ip_address": "10.0.0.99"}]}] * 2
        sdk.create_ports(same)
    assert len(sdk.ports(network_id=network)) == 4


def test_tap_groups_by_the_sdks_name(sdk: Sdk, port: str) -> None:
    group = sdk.create_sfc_port_pair_group(is_tap_enabled=True, port_pairs=[pair(sdk, port)])
    assert group["is_tap_enabled"] is True
    mapping = {"ingress_n_tuple": {"source_ip_prefix": "192.0.2.0/24"}, "egress_n_tuple": {}}
    parameters = {"lb_fields": ["ip_src"], "ppg_n_tuple_mapping": mapping}
    other = sdk.create_sfc_port_pair_group(port_pair_group_parameters=parameters)
    assert other["port_pair_group_parameters"] == parameters


def test_quotas_are_set_and_reset(sdk: Sdk, port: str) -> None:
    project = uuid.uuid4().hex
    assert sdk.get_quota(project)["ports"] == 500
    sdk.update_quota(project, networks=1)
    sdk.create_network(project_id=project)
    with pytest.raises(SdkFault, match="Quota exceeded for resources: \\['network'\\]"):
        sdk.create_network(project_id=project)
    sdk.delete_quota(project)
    sdk.create_network(project_id=project)


@pytest.mark.parametrize(
    ("values", "fault"),
    [
        ({"protocol": "sctp"}, "BadRequestException 400"),
        ({"logical_source_port": str(uuid.UUID(int=1))}, "NotFoundException 404"),
        ({"source_port_range_min": 1}, "BadRequestException 400"),
        ({"l7_parameters": {"url": "/"}}, "BadRequestException 400"),
    ],
)
def test_faults_have_their_type(sdk: Sdk, nothing_left: None, values: dict[str, Any], fault: str) -> None:
    with pytest.raises(SdkFault, match=fault):
        sdk.create_sfc_flow_classifier(**values)


def test_two_of_one_name_are_not_chosen_between(sdk: Sdk, nothing_left: None) -> None:
    for _ in range(2):
        sdk.create_sfc_port_pair_group(name="same")
    with pytest.raises(SdkFault, match="DuplicateResource"):
        sdk.find_sfc_port_pair_group("same")


def test_what_upstream_lets_pass_or_fails_at_is_refused(sdk: Sdk, port: str) -> None:
    """The table of docs/networking-sfc.md."""
    one = sdk.create_sfc_port_pair(ingress=port, egress=port)["id"]
    with pytest.raises(SdkFault, match=r"ConflictException 409.* used by port pair"):
        sdk.delete_port(port)
    with pytest.raises(SdkFault, match=r"ConflictException 409.* device_id cannot change"):
        sdk.update_port(port, device_id="other")
    for mapping in ({"source_ip_prefix": "bad"}, {"source_port_range_min": 99999}):
        parameters = {"ppg_n_tuple_mapping": {"ingress_n_tuple": mapping}}
        with pytest.raises(SdkFault, match="BadRequestException 400"):
            sdk.create_sfc_port_pair_group(port_pair_group_parameters=parameters)
    with pytest.raises(SdkFault, match="no switch can hash udp_dst and nothing else"):
        sdk.create_sfc_port_pair_group(port_pair_group_parameters={"lb_fields": ["udp_dst"]})
    with pytest.raises(SdkFault, match="BadRequestException 400"):
        pair(sdk, port, service_function_parameters={"weight": 256})
    nsh = pair(sdk, port, service_function_parameters={"correlation": "nsh"})
    group = sdk.create_sfc_port_pair_group(port_pairs=[one])["id"]
    sdk.create_sfc_port_chain(port_pair_groups=[group])
    with pytest.raises(SdkFault, match="BadRequestException 400"):
        sdk.update_sfc_port_pair_group(group, port_pairs=[nsh])


def test_a_chain_says_why_it_is_not_in_force(sdk: Sdk, server: str, port: str) -> None:
    network = sdk.get_port(port)["network_id"]
    ends = [sdk.create_port(network_id=network, device_id="f", binding_host_id=host)["id"] for host in ("n1", "n2")]
    split = sdk.create_sfc_port_pair(ingress=ends[0], egress=ends[1])["id"]
    group = sdk.create_sfc_port_pair_group(port_pairs=[split])["id"]
    anywhere = sdk.create_sfc_flow_classifier(protocol="tcp")["id"]
    id = sdk.create_sfc_port_chain(port_pair_groups=[group], flow_classifiers=[anywhere])["id"]
    ask(server, "PUT", f"sfc/port_chains/{id}", {"port_chain": {"name": "x"}})
    told = ask(server, "GET", f"sfc/port_chains/{id}?fields=status&fields=status_reason")["port_chain"]
    assert told["status"] == "DOWN"
    assert any("nothing says in which network its packets start" in reason for reason in told["status_reason"])
    assert any("there is no node 'n1'" in reason for reason in told["status_reason"])
