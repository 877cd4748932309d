"""Faucet, unmodified, drives a service's virtual switch of four ports on two nodes, as it would a switch of its own.

What it needs of a switch: several tables with goto, VLAN tags pushed on the way in and popped on the way out, floods as
lists of ports, packet-ins cut short, table and port descriptions, and a fair word where it asks for what there is not.
"""

from __future__ import annotations

import re
import subprocess
from collections.abc import Iterator
from itertools import permutations
from pathlib import Path
from typing import Any

import pytest

from . import controllers
from .controllers import ADDRESSES, Serviced
from .fabric import PYTHON, mac_of

pytestmark = pytest.mark.root
controllers.needed()

PERMISSIONS = {"packet_in": True, "redirect": True, "drop": True, "rewrite": ["vlan"]}
PAIRS = set(permutations(ADDRESSES, 2))
ALL = dict.fromkeys(PAIRS, True)
DROPPED, ALLOWED = 5001, 5002
ACL = [
    {"rule": {"eth_type": 0x0800, "ip_proto": 17, "udp_dst": DROPPED, "actions": {"allow": 0}}},
    {"rule": {"actions": {"allow": 1}}},
]

RECEIVE = """
import select, socket, sys
sockets = [socket.socket(socket.AF_INET, socket.SOCK_DGRAM) for _ in sys.argv[1:]]
for one, port in zip(sockets, sys.argv[1:]):
    one.bind(("", int(port)))
print("ready", flush=True)
while ready := select.select(sockets, [], [], 1.5)[0]:
    for one in ready:
        one.recv(100)
        print(one.getsockname()[1], flush=True)
"""
SEND = """
import socket, sys
for port in sys.argv[2:]:
    socket.socket(socket.AF_INET, socket.SOCK_DGRAM).sendto(b"x", (sys.argv[1], int(port)))
"""


@pytest.fixture(scope="module")
def fabric() -> Iterator[Serviced]:
    with Serviced() as running:
        yield running


def configuration(fabric: Serviced, ports: dict[int, str], **more: Any) -> dict[str, Any]:
    """``faucet.yaml``: one datapath with one VLAN. ``more``: what its VLAN, its ports and itself have besides."""
    dp_id = int(fabric.said()["datapath_id"], 16)
    interfaces = {
        name: {"number": number, "native_vlan": "office", **more.get("port", {})} for number, name in ports.items()
    }
    own = {"dp_id": dp_id, "hardware": "Open vSwitch", "interfaces": interfaces, **more.get("datapath", {})}
    return {
        "vlans": {"office": {"vid": 100, **more.get("vlan", {})}},
        "acls": more.get("acls", {}),
        "dps": {"own": own},
        **more.get("top", {}),
    }


def complaints(directory: Path) -> list[str]:
    """What Faucet's log and its exceptions say of errors. Of every switch, also of Open vSwitch itself, it says that
    it is not up yet, as the description of its ports comes first."""
    lines = (directory / "faucet.log").read_text().splitlines()
    found = [line for line in lines if " ERROR " in line or " WARNING " in line]
    found = [line for line in found if not line.endswith("send_flow_msgs: DP not up")]
    exceptions = directory / "exceptions.log"
    return found + (exceptions.read_text().splitlines() if exceptions.exists() else [])


def counted(fabric: Serviced, table: int) -> int:
    return sum(flow["packet_count"] for flow in fabric.flows_of_service() if flow["table_id"] == table)


def forgotten(fabric: Serviced) -> None:
    """Hosts ask for addresses anew."""
    for name in ADDRESSES:
        assert fabric.exec(name, "ip", "neigh", "flush", "all").returncode == 0


def until_configured(fabric: Serviced, directory: Path) -> None:
    """Until all of its tables have their last flow."""

    def configured() -> bool:
        said = (directory / "faucet.log").read_text()
        return "Cold start configuring DP" in said and bool(fabric.flows_of_service())

    fabric.until(configured, "Faucet to configure the switch")
    flows: list[Any] = []
    while flows != (flows := [flow["match"] for flow in fabric.flows_of_service()]):
        pass


def test_faucet_connects_all_pairs_through_its_pipeline(fabric: Serviced, tmp_path: Path) -> None:
    with fabric.service(PERMISSIONS) as ports:
        with controllers.faucet(configuration(fabric, ports), tmp_path) as application:
            forgotten(fabric)
            fabric.controlled(application.target)
            until_configured(fabric, tmp_path)
            assert fabric.pairs() == ALL
            log = (tmp_path / "faucet.log").read_text()
            for number, name in ports.items():
                assert f"Port {number} ({name}) up" in log
                assert f"L2 learned on Port {number} {mac_of(name)}" in log
            assert not complaints(tmp_path)
            assert "Traceback" not in application.log
            tables = {flow["table_id"] for flow in fabric.flows_of_service()}
            assert tables == {0, 1, 2, 3}
            # Each ping is one packet there and one back; the last table has what is flooded.
            fabric.until(lambda: all(counted(fabric, table) >= 2 * len(PAIRS) for table in (0, 1, 2)), "the counters")
            assert not fabric.said()["refused"]
        # What it has learned is in force when it is gone.
        assert fabric.pairs() == ALL
    assert fabric.pairs() == ALL


def test_its_acl_drops_one_udp_port(fabric: Serviced, tmp_path: Path) -> None:
    with fabric.service(PERMISSIONS) as ports:
        said = configuration(fabric, ports, acls={"no-such-port": ACL}, port={"acls_in": ["no-such-port"]})
        assert heard(fabric) == {DROPPED: True, ALLOWED: True}
        with controllers.faucet(said, tmp_path) as application:
            fabric.controlled(application.target)
            until_configured(fabric, tmp_path)
            assert fabric.pairs() == ALL
            assert heard(fabric) == {DROPPED: False, ALLOWED: True}
            assert not complaints(tmp_path)
            dropping = [flow for flow in fabric.flows_of_service() if flow["match"].get("udp_dst") == DROPPED]
            assert len(dropping) == len(ports) and not any(flow["instructions"] for flow in dropping)
            fabric.until(
                lambda: sum(
                    flow["packet_count"]
                    for flow in fabric.flows_of_service()
                    if flow["match"].get("udp_dst") == DROPPED
                ),
                "the ACL's counter",
            )
    assert heard(fabric) == {DROPPED: True, ALLOWED: True}


def heard(fabric: Serviced) -> dict[int, bool]:
    """Which of the two UDP ports of c4 can be reached from c1."""
    both = (str(DROPPED), str(ALLOWED))
    receiver = fabric.lab.popen("c4", [PYTHON, "-c", RECEIVE, *both], stdout=subprocess.PIPE, text=True)
    assert receiver.stdout is not None
    assert receiver.stdout.readline() == "ready\n"
    fabric.python("c1", SEND, ADDRESSES["c4"], *both)
    said, _ = receiver.communicate(timeout=20)
    return {port: str(port) in said.split() for port in (DROPPED, ALLOWED)}


def test_it_routes_and_answers_for_its_own_addresses(fabric: Serviced, tmp_path: Path) -> None:
    """ARP and ICMP that its controller answers itself, by packet-outs that push nothing and name one port; flows that
    write Ethernet addresses and count the time to live down."""
    permissions = {**PERMISSIONS, "rewrite": ["vlan", "eth_src", "eth_dst", "nw_ttl"]}
    vlan = {"faucet_vips": ["10.0.0.254/24"], "faucet_mac": "0e:00:00:00:00:99"}
    with fabric.service(permissions) as ports:
        with controllers.faucet(configuration(fabric, ports, vlan=vlan), tmp_path) as application:
            fabric.controlled(application.target)
            until_configured(fabric, tmp_path)
            for name in ADDRESSES:
                done = fabric.exec(name, "ping", "-n", "-c", "2", "-i", "0.2", "-W", "3", "10.0.0.254")
                assert done.returncode == 0, done.stdout
            assert fabric.pairs() == ALL
            assert not complaints(tmp_path)


def test_a_group_for_floods_a_meter_and_a_mark(fabric: Serviced, tmp_path: Path) -> None:
    permissions = {**PERMISSIONS, "meter": True, "mark": True}
    meters = {"slow": {"meter_id": 1, "entry": {"flags": "PKTPS", "bands": [{"type": "DROP", "rate": 1000}]}}}
    marked = {"meter": "slow", "output": {"set_fields": [{"ip_dscp": 10}]}, "allow": 1}
    acl = [{"rule": {"eth_type": 0x0800, "actions": marked}}, {"rule": {"actions": {"allow": 1}}}]
    more = {"acls": {"slowly": acl}, "port": {"acls_in": ["slowly"]}, "datapath": {"group_table": True}}
    with fabric.service(permissions) as ports:
        said = configuration(fabric, ports, top={"meters": meters}, **more)
        with controllers.faucet(said, tmp_path) as application:
            fabric.controlled(application.target)
            until_configured(fabric, tmp_path)
            forgotten(fabric)
            assert fabric.pairs() == ALL
            assert not complaints(tmp_path)
            shown = fabric.said()
            assert (shown["groups"], shown["meters"]) == (1, 1)
            assert not shown["refused"]


def test_an_acl_mirrors_what_a_port_sends(fabric: Serviced, tmp_path: Path) -> None:
    """To c4, which hears of it what it would not hear otherwise, and sends nothing itself any more."""
    mirrored = {"rule": {"eth_type": 0x0800, "actions": {"mirror": "c4", "allow": 1}}}
    acl = {"watched": [mirrored, {"rule": {"actions": {"allow": 1}}}]}
    with fabric.service({**PERMISSIONS, "copy": True}) as ports:
        said = configuration(fabric, ports, acls=acl)
        said["dps"]["own"]["interfaces"]["c1"]["acls_in"] = ["watched"]
        with controllers.faucet(said, tmp_path) as application:
            fabric.controlled(application.target)
            until_configured(fabric, tmp_path)
            assert fabric.reaches("c2", "c3")
            before = received(fabric, "c4")
            assert fabric.reaches("c1", "c2", count=20)
            fabric.until(lambda: received(fabric, "c4") - before >= 20, "the copies to arrive", within=5)
            before = received(fabric, "c4")
            assert fabric.reaches("c2", "c3", count=20)
            assert received(fabric, "c4") - before < 10
            assert not complaints(tmp_path)


def received(fabric: Serviced, name: str) -> int:
    """Packets that a host has got."""
    return int(fabric.exec(name, "cat", "/sys/class/net/eth0/statistics/rx_packets").stdout)


def test_faucet_takes_the_configuration_of_the_documentation(tmp_path: Path) -> None:
    [shown] = re.findall(
        r"^```yml\n(.*?)^```$", (controllers.TOP / "docs" / "services.md").read_text(), re.MULTILINE | re.DOTALL
    )
    (tmp_path / "faucet.yaml").write_text(shown)
    program = str(controllers.ENVIRONMENT / "bin" / "check_faucet_config")
    done = subprocess.run([program, str(tmp_path / "faucet.yaml")], capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "no-syslog" in done.stdout


def test_what_it_may_not_is_refused_and_its_log_says_so(fabric: Serviced, tmp_path: Path) -> None:
    """Without the right to push tags there is no VLAN of its own; what it could not add does not hold up anything."""
    with fabric.service({**PERMISSIONS, "rewrite": []}) as ports:
        with controllers.faucet(configuration(fabric, ports), tmp_path) as application:
            fabric.controlled(application.target)
            fabric.until(lambda: any("OFPBAC_EPERM" in line for line in complaints(tmp_path)), "Faucet to hear of it")
            assert not any(
                action["type"] == "OFPAT_PUSH_VLAN"
                for flow in fabric.flows_of_service()
                for instruction in flow["instructions"]
                for action in instruction.get("actions", ())
            )
            assert "ask for vlan among rewrite" in fabric.log("server")
