"""The ``openstack`` command's networks, subnets, ports and routers, as far as a person needs them around chains."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import pytest

from clients import PYTHON, Clients, OpenStack, serving, token

pytestmark = pytest.mark.slow


def test_the_extensions_are_listed(openstack: OpenStack) -> None:
    aliases = {row["Alias"] for row in openstack.show("extension list --network")}
    assert aliases >= {"sfc", "flow_classifier", "service_graph", "networking-sfc-tap", "router", "standard-attr-tag"}
    assert openstack.show("extension show sfc")["name"] == "Service Function Chaining"
    assert "nosuch" in openstack.refused("extension show nosuch")


def test_a_network_from_making_to_deleting(openstack: OpenStack, nothing_left: None) -> None:
    made = openstack.show("network create --description first --mtu 1400 web")
    assert (made["name"], made["description"], made["mtu"], made["status"]) == ("web", "first", 1400, "ACTIVE")
    openstack("network set --name web2 --disable-port-security web")
    shown = openstack.show(f"network show {made['id']}")
    assert shown["port_security_enabled"] is False
    assert openstack.show("network show web2") == shown
    assert openstack.names("network list") == ["web2"]
    assert openstack.show("network list --name other") == []
    openstack("network delete web2")
    assert openstack.show("network list") == []


def test_a_subnet_from_making_to_deleting(openstack: OpenStack, nothing_left: None) -> None:
    network = openstack.id("network create web")
    pool = "--allocation-pool start=10.0.0.10,end=10.0.0.20"
    made = openstack.show(f"subnet create --network web --subnet-range 10.0.0.0/24 --gateway 10.0.0.254 {pool} web4")
    assert made["network_id"] == network and made["gateway_ip"] == "10.0.0.254"
    assert made["allocation_pools"] == [{"start": "10.0.0.10", "end": "10.0.0.20"}]
    second = openstack.show("subnet create --network web --ip-version 6 --subnet-range 2001:db8::/64 web6")
    assert second["gateway_ip"] == "2001:db8::1"
    openstack("subnet set --name web4a --gateway none web4")
    assert openstack.show("subnet show web4a")["gateway_ip"] is None
    assert openstack.names("subnet list --network web") == ["web4a", "web6"]
    assert set(openstack.show("network show web")["subnets"]) == {made["id"], second["id"]}
    openstack("subnet delete web4a web6")
    assert openstack.show("subnet list") == []


def test_a_port_from_making_to_deleting(openstack: OpenStack, nothing_left: None) -> None:
    openstack.show("network create web")
    subnet = openstack.id("subnet create --network web --subnet-range 10.0.0.0/24 web4")
    options = "--mac-address fa:16:3e:00:00:01 --host n1 --device vm1 --fixed-ip subnet=web4,ip-address=10.0.0.7"
    made = openstack.show(f"port create --network web {options} client")
    assert made["fixed_ips"] == [{"subnet_id": subnet, "ip_address": "10.0.0.7"}]
    assert (made["mac_address"], made["device_id"]) == ("fa:16:3e:00:00:01", "vm1")
    assert made["binding_host_id"] == "n1" and made["status"] == "DOWN"
    openstack("port set --name client2 --device vm2 --allowed-address ip-address=10.0.0.9 client")
    shown = openstack.show("port show client2")
    assert shown["device_id"] == "vm2" and shown["allowed_address_pairs"][0]["ip_address"] == "10.0.0.9"
    openstack.show("port create --network web --disable-port-security server")
    assert openstack.names("port list --network web") == ["client2", "server"]
    assert openstack.names("port list --fixed-ip ip-address=10.0.0.7") == ["client2"]
    assert openstack.names("port list --device-id vm2") == ["client2"]
    openstack(f"port delete {made['id']} server")
    assert openstack.show("port list") == []


def test_tags_are_set_added_taken_away_and_asked_for(openstack: OpenStack, nothing_left: None) -> None:
    openstack.show("network create --tag red web")
    openstack.show("network create --tag blue other")
    openstack.show("subnet create --network web --subnet-range 10.0.0.0/24 --tag red web4")
    both = openstack.show("port create --network web --tag red --tag blue client")["tags"]
    assert sorted(both) == ["blue", "red"]
    openstack("port set --tag green client")
    openstack("port unset --tag red client")
    assert sorted(openstack.show("port show client")["tags"]) == ["blue", "green"]
    openstack("port unset --all-tag client")
    assert openstack.show("port show client")["tags"] == []
    assert openstack.names("network list --tags red") == ["web"]
    assert openstack.names("network list --any-tags red,blue") == ["other", "web"]
    assert openstack.names("network list --not-tags red") == ["other"]
    openstack.show("router create --tag red r1")
    assert openstack.show("router show r1")["tags"] == ["red"]


def test_a_router_from_making_to_deleting(openstack: OpenStack, nothing_left: None) -> None:
    for name, third in (("web", 1), ("data", 2)):
        openstack.show(f"network create {name}")
        openstack.show(f"subnet create --network {name} --subnet-range 10.0.{third}.0/24 {name}4")
    openstack.show("router create r1")
    openstack("router add subnet r1 web4")
    openstack.show("port create --network data --fixed-ip subnet=data4,ip-address=10.0.2.9 gate")
    openstack("router add port r1 gate")
    addresses = {info["ip_address"] for info in openstack.show("router show r1")["interfaces_info"]}
    assert addresses == {"10.0.1.1", "10.0.2.9"}
    assert "409" in openstack.refused("router delete r1")
    assert "409" in openstack.refused("port delete gate")
    openstack("router set --name r2 --description changed r1")
    assert openstack.names("router list") == ["r2"]
    openstack("router remove subnet r2 web4")
    openstack("router remove port r2 gate")
    assert "No Port found for gate" in openstack.refused("port show gate")
    openstack("router delete r2")


def test_what_is_in_use_stays(openstack: OpenStack, nothing_left: None) -> None:
    openstack.show("network create web")
    openstack.show("subnet create --network web --subnet-range 10.0.0.0/24 web4")
    openstack.show("port create --network web client")
    assert "409" in openstack.refused("network delete web")
    assert "409" in openstack.refused("subnet delete web4")
    assert openstack.names("port list") == ["client"]


@pytest.mark.parametrize(
    ("command", "says"),
    [
        ("network show nosuch", "No Network found for nosuch"),
        ("network create --external out", "there is no way out of Segue's networks"),
        ("network create --share web2", "a project sees and uses its own networks alone"),
        ("network create --provider-network-type vlan --provider-physical-network p web", "networks are Segue's own"),
        ("subnet create --network web --subnet-range 10.0.0.0/33 bad", "10.0.0.0/33"),
        ("port create --network web --fixed-ip ip-address=192.0.2.1 bad", "192.0.2.1 is not a valid IP"),
        ("port create --network same bad", "More than one Network exists with the name 'same'"),
    ],
)
def test_people_are_told_what_is_wrong(openstack: OpenStack, nothing_left: None, command: str, says: str) -> None:
    openstack.show("network create web")
    for _ in range(2):
        openstack.show("network create same")
    assert says in openstack.refused(command)


def test_a_project_sees_its_own(clients: Clients, tmp_path: Path) -> None:
    file = tmp_path / "tokens.yaml"
    tokens = {name: token(file, role, name) for name, role in (("admin", "admin"), ("a", "member"), ("b", "member"))}
    with serving("--tokens", str(file)) as url:
        admin, a, b = (OpenStack(clients, url, tokens[name]) for name in ("admin", "a", "b"))
        a.show("network create web")
        a.id("port create --network web --device f fin")
        a.show("sfc port pair create --ingress fin --egress fin pp1")
        assert b.show("network list") == b.show("sfc port pair list") == []
        assert "pp1" in b.refused("sfc port pair show pp1")
        assert "fin" in b.refused("sfc port pair create --ingress fin --egress fin pp2")
        assert admin.names("sfc port pair list") == ["pp1"]
        nobody = OpenStack(clients, url, "wrong")
        assert "requires authentication" in nobody.refused("network list")


def test_commands_from_a_file_go_on_after_one_that_fails(server: str, nothing_left: None) -> None:
    """As the program is started, which reads commands when it is given none; each tells what is wrong with it."""
    environment = {"PATH": os.environ["PATH"], "OS_AUTH_TYPE": "none", "OS_ENDPOINT": server}
    command = shutil.which("openstack", path=str(PYTHON.parent))
    assert command is not None
    lines = "network create web\nnetwork show nosuch\nnetwork list -f value -c Name\n"
    ran = subprocess.run([command], input=lines, env=environment, capture_output=True, text=True, timeout=60)
    assert "No Network found for nosuch" in ran.stdout + ran.stderr
    assert "web" in ran.stdout.splitlines()[-2:]
