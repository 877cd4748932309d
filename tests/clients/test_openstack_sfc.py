"""Every ``openstack sfc`` subcommand, by name and by id, as python-neutronclient's plugin speaks to the server."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

import pytest

from clients import PYTHON, OpenStack, ask

pytestmark = pytest.mark.slow


@pytest.fixture
def ports(openstack: OpenStack, nothing_left: None) -> dict[str, str]:
    """Of a network with an address range: those of two hosts, and two of each of three functions."""
    openstack.show("network create web")
    openstack.show("subnet create --network web --subnet-range 10.0.0.0/24 web4")
    made = {name: openstack.id(f"port create --network web {name}") for name in ("client", "server")}
    for device in ("f1", "f2", "f3"):
        for name in (f"{device}-in", f"{device}-out"):
            made[name] = openstack.id(f"port create --network web --device {device} {name}")
    return made


@pytest.fixture
def groups(openstack: OpenStack, ports: dict[str, str]) -> dict[str, str]:
    made = {}
    for number in (1, 2, 3):
        openstack.show(f"sfc port pair create --ingress f{number}-in --egress f{number}-out pp{number}")
        made[f"ppg{number}"] = openstack.id(f"sfc port pair group create --port-pair pp{number} ppg{number}")
    return made


def test_every_subcommand_is_run_here() -> None:
    listed = (
        "import importlib.metadata as m, json;"
        "print(json.dumps([e.name for e in m.entry_points(group='openstack.neutronclient.v2')]))"
    )
    names = json.loads(subprocess.run([str(PYTHON), "-c", listed], capture_output=True, check=True).stdout)
    commands = [name.replace("_", " ") for name in names if name.startswith("sfc_")]
    text = Path(__file__).read_text()
    assert len(commands) == 27
    assert [command for command in commands if f'"{command} ' not in text and f'"{command}"' not in text] == []


# -- flow classifiers


def test_a_flow_classifier_from_making_to_deleting(openstack: OpenStack, ports: dict[str, str]) -> None:
    made = openstack.show(
        "sfc flow classifier create --description web --protocol TCP --ethertype IPv4 --source-port 1000:2000 "
        "--destination-port 80 --source-ip-prefix 10.0.0.5/24 --destination-ip-prefix 10.0.0.0/24 "
        "--logical-source-port client --logical-destination-port server fc1"
    )
    assert made.pop("ID") and made.pop("Project") == "admin"
    assert made == {
        "Name": "fc1",
        "Description": "web",
        "Protocol": "tcp",
        "Ethertype": "IPv4",
        "Source Port Range Min": 1000,
        "Source Port Range Max": 2000,
        "Destination Port Range Min": 80,
        "Destination Port Range Max": 80,
        "Source IP": "10.0.0.5/24",
        "Destination IP": "10.0.0.0/24",
        "Logical Source Port": ports["client"],
        "Logical Destination Port": ports["server"],
        "L7 Parameters": {},
        "Summary": "",
    }
    openstack("sfc flow classifier set --name fc2 --description changed fc1")
    by_name = openstack.show("sfc flow classifier show fc2")
    assert (by_name["Name"], by_name["Description"]) == ("fc2", "changed")
    assert openstack.show(f"sfc flow classifier show {by_name['ID']}") == by_name
    openstack(f"sfc flow classifier set --description again {by_name['ID']}")
    (row,) = openstack.show("sfc flow classifier list")
    assert row["ID"] == by_name["ID"] and "protocol: TCP" in row["Summary"]
    (long,) = openstack.show("sfc flow classifier list --long")
    assert long["Description"] == "again" and long["Logical Source Port"] == ports["client"]
    openstack("sfc flow classifier delete fc2")
    assert openstack.show("sfc flow classifier list") == []


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ("--l7-parameters url=/x", "the data plane (Open vSwitch) matches layers 2 to 4 alone"),
        ("--protocol sctp", "does not support protocol sctp"),
        ("--source-port 80", "protocol"),
        ("--protocol tcp --source-port 70000", "invalid port value 70000"),
        ("--protocol tcp --source-port 20:10", "must be lesser or equal"),
        ("--source-ip-prefix 2001:db8::/64", "2001:db8::/64"),
        ("--logical-source-port nosuch", "No Port found for nosuch"),
    ],
)
def test_a_wrong_flow_classifier_is_explained(
    openstack: OpenStack, ports: dict[str, str], options: str, says: str
) -> None:
    assert says in openstack.refused(f"sfc flow classifier create {options} fc1")
    assert openstack.show("sfc flow classifier list") == []


def test_flow_classifiers_that_overlap_are_refused(openstack: OpenStack, ports: dict[str, str]) -> None:
    openstack.show("sfc flow classifier create --protocol tcp --logical-source-port client fc1")
    said = openstack.refused("sfc flow classifier create --logical-source-port client fc2")
    assert "400" in said and "conflict" in said.lower()


# -- port pairs


def test_a_port_pair_from_making_to_deleting(openstack: OpenStack, ports: dict[str, str]) -> None:
    made = openstack.show(
        "sfc port pair create --description one --ingress f1-in --egress f1-out "
        "--service-function-parameters correlation=nsh,weight=3 pp1"
    )
    assert made.pop("ID") and made.pop("Project") == "admin"
    assert made == {
        "Name": "pp1",
        "Description": "one",
        "Ingress Logical Port": ports["f1-in"],
        "Egress Logical Port": ports["f1-out"],
        "Service Function Parameters": {"correlation": "nsh", "weight": 3},
    }
    openstack("sfc port pair set --name pp2 --description changed pp1")
    by_name = openstack.show("sfc port pair show pp2")
    assert by_name["Description"] == "changed"
    assert openstack.show(f"sfc port pair show {by_name['ID']}") == by_name
    assert openstack.names("sfc port pair list") == ["pp2"]
    (long,) = openstack.show("sfc port pair list --long")
    assert long["Service Function Parameters"] == {"correlation": "nsh", "weight": 3}
    openstack(f"sfc port pair delete {by_name['ID']}")
    assert openstack.show("sfc port pair list") == []


def test_a_weight_alone_is_completed(openstack: OpenStack, ports: dict[str, str]) -> None:
    """Upstream keeps it without a correlation, and fails when a group gets the pair."""
    parameters = "--service-function-parameters weight=2"
    made = openstack.show(f"sfc port pair create --ingress f1-in --egress f1-out {parameters} pp1")
    assert made["Service Function Parameters"] == {"correlation": None, "weight": 2}
    openstack.show("sfc port pair group create --port-pair pp1 ppg1")


def test_ports_of_two_devices_are_no_pair(openstack: OpenStack, ports: dict[str, str]) -> None:
    assert "400" in openstack.refused("sfc port pair create --ingress f1-in --egress f2-out pp1")
    assert "400" in openstack.refused("sfc port pair create --ingress client --egress client pp1")


def test_a_port_pair_that_a_group_has_stays(openstack: OpenStack, groups: dict[str, str]) -> None:
    said = openstack.refused("sfc port pair delete pp1")
    assert "409" in said and "in use" in said and "1 of 1 port pair(s) failed to delete" in said
    assert openstack.names("sfc port pair list") == ["pp1", "pp2", "pp3"]


def test_a_port_that_a_pair_has_stays(openstack: OpenStack, groups: dict[str, str]) -> None:
    assert "The port is used by port pair" in openstack.refused("port delete f1-in")


# -- port pair groups


def test_a_port_pair_group_from_making_to_deleting(openstack: OpenStack, ports: dict[str, str]) -> None:
    first = openstack.id("sfc port pair create --ingress f1-in --egress f1-out pp1")
    second = openstack.id("sfc port pair create --ingress f2-in --egress f2-out pp2")
    made = openstack.show(
        "sfc port pair group create --description one --port-pair pp1 "
        "--port-pair-group-parameters 'lb-fields=ip_src&ip_dst' ppg1"
    )
    assert made.pop("ID") and made.pop("Project") == "admin"
    assert made == {
        "Name": "ppg1",
        "Description": "one",
        "Port Pair": [first],
        "Port Pair Group Parameters": {
            "lb_fields": ["ip_src", "ip_dst"],
            "ppg_n_tuple_mapping": {"ingress_n_tuple": {}, "egress_n_tuple": {}},
        },
        "Tap Enabled": False,
    }
    openstack("sfc port pair group set --name ppg2 --description changed --port-pair pp2 ppg1")
    by_name = openstack.show("sfc port pair group show ppg2")
    assert by_name["Description"] == "changed" and set(by_name["Port Pair"]) == {first, second}
    assert openstack.show(f"sfc port pair group show {by_name['ID']}") == by_name
    openstack(f"sfc port pair group unset --port-pair {first} ppg2")
    assert openstack.show("sfc port pair group show ppg2")["Port Pair"] == [second]
    openstack("sfc port pair group unset --all-port-pair ppg2")
    openstack("sfc port pair group set --no-port-pair --port-pair pp1 ppg2")
    (row,) = openstack.show("sfc port pair group list")
    assert row["Port Pair"] == [first]
    (long,) = openstack.show("sfc port pair group list --long")
    assert long["Description"] == "changed" and long["Tap Enabled"] is False
    openstack("sfc port pair group delete ppg2")
    assert openstack.show("sfc port pair group list") == []


def test_a_tap_group_has_one_port_pair(openstack: OpenStack, groups: dict[str, str]) -> None:
    openstack("sfc port pair group delete ppg1 ppg2")
    said = openstack.refused("sfc port pair group create --enable-tap --port-pair pp1 --port-pair pp2 tap")
    assert "400" in said
    assert openstack.show("sfc port pair group create --enable-tap --port-pair pp1 tap")["Tap Enabled"] is True


def test_a_port_pair_is_in_one_group(openstack: OpenStack, groups: dict[str, str]) -> None:
    assert "409" in openstack.refused("sfc port pair group create --port-pair pp1 another")
    assert "409" in openstack.refused("sfc port pair group set --port-pair pp1 ppg2")


# -- port chains


def test_a_port_chain_from_making_to_deleting(openstack: OpenStack, groups: dict[str, str]) -> None:
    web = openstack.id("sfc flow classifier create --protocol tcp --logical-source-port client web")
    dns = openstack.id("sfc flow classifier create --protocol udp --logical-source-port client dns")
    made = openstack.show(
        "sfc port chain create --description one --port-pair-group ppg1 --port-pair-group ppg2 --flow-classifier web "
        "--chain-parameters correlation=nsh,symmetric=true pc1"
    )
    assert made.pop("ID") and made.pop("Project") == "admin"
    assert made == {
        "Name": "pc1",
        "Description": "one",
        "Port Pair Groups": [groups["ppg1"], groups["ppg2"]],
        "Flow Classifiers": [web],
        "Chain Parameters": {"correlation": "nsh", "symmetric": True},
    }
    options = "--name pc2 --description changed --flow-classifier dns --port-pair-group ppg3"
    openstack(f"sfc port chain set {options} pc1")
    by_name = openstack.show("sfc port chain show pc2")
    assert by_name["Description"] == "changed" and set(by_name["Flow Classifiers"]) == {web, dns}
    assert by_name["Port Pair Groups"] == [groups["ppg1"], groups["ppg2"], groups["ppg3"]]
    assert openstack.show(f"sfc port chain show {by_name['ID']}") == by_name
    openstack(f"sfc port chain unset --flow-classifier web --port-pair-group {groups['ppg2']} pc2")
    now = openstack.show("sfc port chain show pc2")
    assert (now["Flow Classifiers"], now["Port Pair Groups"]) == ([dns], [groups["ppg1"], groups["ppg3"]])
    openstack("sfc port chain set --no-flow-classifier --no-port-pair-group --port-pair-group ppg2 pc2")
    openstack(f"sfc port chain set --flow-classifier web {by_name['ID']}")
    openstack("sfc port chain unset --all-flow-classifier pc2")
    (row,) = openstack.show("sfc port chain list")
    assert (row["Port Pair Groups"], row["Flow Classifiers"]) == ([groups["ppg2"]], [])
    (long,) = openstack.show("sfc port chain list --long")
    assert long["Description"] == "changed"
    openstack(f"sfc port chain delete {by_name['ID']}")
    assert openstack.show("sfc port chain list") == []
    assert openstack.names("sfc flow classifier list") == ["dns", "web"]


def test_what_a_port_chain_has_stays(openstack: OpenStack, groups: dict[str, str]) -> None:
    openstack.show("sfc flow classifier create --logical-source-port client fc1")
    openstack.show("sfc port chain create --port-pair-group ppg1 --flow-classifier fc1 pc1")
    assert "409" in openstack.refused("sfc port pair group delete ppg1")
    assert "409" in openstack.refused("sfc flow classifier delete fc1")
    assert "409" in openstack.refused("sfc port chain create --port-pair-group ppg1 pc2")
    assert "409" in openstack.refused("sfc port chain create --port-pair-group ppg2 --flow-classifier fc1 pc2")
    assert openstack.names("sfc port chain list") == ["pc1"]


def test_a_chain_says_what_it_waits_for(openstack: OpenStack, server: str, groups: dict[str, str]) -> None:
    """Clients that do not know these attributes do not show them."""
    id = openstack.id("sfc port chain create --port-pair-group ppg1 pc1")
    chain = ask(server, "GET", f"sfc/port_chains/{id}")["port_chain"]
    assert chain["status"] == "DOWN" and any("flow classifier" in reason for reason in chain["status_reason"])
    assert ask(server, "GET", "sfc/port_chains")["port_chains"] == [chain]


# -- service graphs


@pytest.fixture
def chains(openstack: OpenStack, ports: dict[str, str]) -> dict[str, str]:
    """Of functions that read the path header, as graphs need them."""
    made = {}
    for number, port in ((1, "client"), (2, "server"), (3, "server")):
        pair = f"--ingress f{number}-in --egress f{number}-out --service-function-parameters correlation=mpls"
        openstack.show(f"sfc port pair create {pair} pp{number}")
        openstack.show(f"sfc port pair group create --port-pair pp{number} ppg{number}")
        match = f"--protocol tcp --destination-port {number} --logical-source-port {port}"
        openstack.show(f"sfc flow classifier create {match} fc{number}")
        through = f"--port-pair-group ppg{number} --flow-classifier fc{number}"
        made[f"pc{number}"] = openstack.id(f"sfc port chain create {through} pc{number}")
    return made


def test_a_service_graph_from_making_to_deleting(openstack: OpenStack, chains: dict[str, str]) -> None:
    made = openstack.show("sfc service graph create --description one --branching-point pc1:pc2,pc3 sg1")
    assert (made["Name"], made["Description"]) == ("sg1", "one")
    assert made["Branching Points"].keys() == {chains["pc1"]}
    assert set(made["Branching Points"][chains["pc1"]]) == {chains["pc2"], chains["pc3"]}
    openstack("sfc service graph set --name sg2 --description changed sg1")
    by_name = openstack.show("sfc service graph show sg2")
    assert by_name["Description"] == "changed"
    assert openstack.show(f"sfc service graph show {by_name['ID']}") == by_name
    assert openstack.names("sfc service graph list") == ["sg2"]
    (long,) = openstack.show("sfc service graph list --long")
    assert long["Description"] == "changed"
    assert "409" in openstack.refused("sfc port chain delete pc1")
    assert "409" in openstack.refused("sfc port chain set --port-pair-group ppg3 pc2")
    openstack("sfc port chain set --description still pc2")
    openstack("sfc service graph delete sg2")
    assert openstack.show("sfc service graph list") == []
    openstack("sfc port chain delete pc1 pc2 pc3")


def test_a_service_graph_needs_functions_that_read_the_path(openstack: OpenStack, groups: dict[str, str]) -> None:
    for number in (1, 2):
        openstack.show(f"sfc port chain create --port-pair-group ppg{number} pc{number}")
    said = openstack.refused("sfc service graph create --branching-point pc1:pc2 sg1")
    assert "400" in said and "correlation" in said


def test_a_chain_is_in_one_service_graph(openstack: OpenStack, chains: dict[str, str]) -> None:
    openstack.show("sfc service graph create --branching-point pc1:pc2 sg1")
    assert "409" in openstack.refused("sfc service graph create --branching-point pc3:pc2 sg2")


# -- what people meet


def test_names_that_are_not_there_or_there_twice(openstack: OpenStack, ports: dict[str, str]) -> None:
    assert "nosuch" in openstack.refused("sfc port chain show nosuch")
    assert "nosuch" in openstack.refused("sfc port pair group create --port-pair nosuch ppg1")
    openstack.show("sfc port pair create --ingress f1-in --egress f1-out same")
    id = openstack.id("sfc port pair create --ingress f2-in --egress f2-out same")
    assert "More than one" in openstack.refused("sfc port pair show same")
    assert openstack.show(f"sfc port pair show {id}")["Ingress Logical Port"] == ports["f2-in"]
