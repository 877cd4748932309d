"""The stock applications of os-ken and Ryu, unmodified, drive a service's virtual switch of four ports on two nodes.

Each is a learning switch: it has unknown packets sent to it, floods them, and adds a flow for each pair of addresses
that it has seen. That packets go through it, and not past it, its own log and its flows' counters say.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator
from itertools import permutations
from typing import Any

import pytest

from . import controllers
from .controllers import ADDRESSES, OWN, TOP, Controller, Serviced
from .fabric import mac_of

pytestmark = pytest.mark.root
controllers.needed()

PERMISSIONS = {"packet_in": True, "redirect": True}
"""All that a learning switch needs: it takes every packet, and sends it where it should go."""
PAIRS = set(permutations(ADDRESSES, 2))
ALL = dict.fromkeys(PAIRS, True)


@pytest.fixture(scope="module")
def fabric() -> Iterator[Serviced]:
    with Serviced() as running:
        yield running


def misses_to_controller(fabric: Serviced) -> None:
    """What OpenFlow 1.0 has a switch do by itself, as the documentation says it."""
    [flows] = re.findall(r"^```json\n(.*?)^```$", (TOP / "docs" / "services.md").read_text(), re.MULTILINE | re.DOTALL)
    body = json.dumps({"flows": json.loads(flows)}).encode()
    fabric.request("PUT", f"/v1/services/{OWN}/flows/0", body)


def learned(fabric: Serviced) -> dict[tuple[str, str], int]:
    """How many packets its flows have counted, by the port that they match and the address that they lead to."""
    ports = {port["number"]: port["name"] for port in fabric.said()["ports"]}
    names = {mac_of(name): name for name in ADDRESSES}
    found = {}
    for flow in fabric.flows_of_service():
        match = flow["match"]
        if flow["priority"]:
            came, to = ports[match["in_port"]], names[match["eth_dst"]]
            assert names[match.get("eth_src", mac_of(came))] == came
            [output] = flow["instructions"][0]["actions"]
            assert ports[output["port"]] == to
            found[came, to] = flow["packet_count"]
    return found


def forgotten(fabric: Serviced) -> None:
    """Hosts ask for addresses anew."""
    for name in ADDRESSES:
        assert fabric.exec(name, "ip", "neigh", "flush", "all").returncode == 0


APPLICATIONS: dict[str, Callable[[], Controller]] = {
    "os-ken, 1.0": lambda: controllers.os_ken("os_ken.app.simple_switch"),
    "os-ken, 1.3": lambda: controllers.os_ken("os_ken.app.simple_switch_13"),
    "os-ken, 1.4": lambda: controllers.os_ken("os_ken.app.simple_switch_14"),
    "os-ken, 1.5": lambda: controllers.os_ken("os_ken.app.simple_switch_15"),
    "Ryu, 1.0": lambda: controllers.ryu("ryu.app.simple_switch"),
    "Ryu, 1.3": lambda: controllers.ryu("ryu.app.simple_switch_13"),
}


@pytest.mark.parametrize("name", APPLICATIONS)
def test_a_learning_switch_connects_all_pairs(fabric: Serviced, name: str) -> None:
    with fabric.service(PERMISSIONS), APPLICATIONS[name]() as application:
        forgotten(fabric)
        if name.endswith("1.0"):
            misses_to_controller(fabric)
        fabric.controlled(application.target)
        fabric.until(fabric.flows_of_service, "the flow for what it does not know")
        assert fabric.pairs() == ALL
        assert set(learned(fabric)) == PAIRS
        before = learned(fabric)
        asked = application.log.count("packet in")
        assert asked >= len(PAIRS)
        for one, other in PAIRS:
            assert fabric.reaches(one, other, count=3)

        def counted() -> bool:
            """Of each pair three requests, and three answers to the other's. Switches count a moment later."""
            after = learned(fabric)
            return all(after[pair] - before[pair] >= 6 for pair in PAIRS)

        fabric.until(counted, "six packets more in each flow", within=5)
        assert application.log.count("packet in") == asked, "what it knows does not come to it"
        assert "Traceback" not in application.log


def test_nothing_passes_while_its_controller_is_dead(fabric: Serviced) -> None:
    """What it does not know would go to it; nothing else does. Without the service, all is as before."""
    with fabric.service(PERMISSIONS):
        with APPLICATIONS["os-ken, 1.3"]() as application:
            fabric.controlled(application.target)
            fabric.until(fabric.flows_of_service, "the flow for what it does not know")
        fabric.until(lambda: not fabric.said()["controller"]["connected"], "the controller to be missed")
        assert fabric.pairs(at_once=12) == dict.fromkeys(PAIRS, False)
        assert not learned(fabric)
    assert fabric.pairs() == ALL


def test_its_flows_outlive_its_controller(fabric: Serviced) -> None:
    """And another one like it, which knows nothing, finds them where they were."""
    with fabric.service(PERMISSIONS):
        with APPLICATIONS["os-ken, 1.3"]() as application:
            fabric.controlled(application.target)
            fabric.until(fabric.flows_of_service, "the flow for what it does not know")
            assert fabric.pairs() == ALL
        before = learned(fabric)
        assert set(before) == PAIRS
        assert fabric.pairs() == ALL
        with APPLICATIONS["os-ken, 1.3"]() as application:
            fabric.controlled(application.target)
            assert fabric.pairs() == ALL
            assert "packet in" not in application.log
        assert all(count > before[pair] for pair, count in learned(fabric).items())


def test_a_learning_switch_that_may_not_redirect_is_refused(fabric: Serviced) -> None:
    """It is told so, and what it would send elsewhere, by flows or by itself, gets nowhere."""
    stock = controllers.os_ken("os_ken.app.simple_switch_13", "--verbose")  # else it says nothing of errors
    with fabric.service({"packet_in": True}), stock as application:
        fabric.controlled(application.target)
        fabric.until(fabric.flows_of_service, "the flow for what it does not know")
        assert not fabric.reaches("c1", "c2")
        assert not learned(fabric)
        fabric.until(lambda: "OFPBAC_EPERM" in application.log, "the application to hear of it")
        assert "ask for permission redirect or copy" in fabric.log("server")


def monitored(log: str) -> tuple[dict[tuple[int, str, int], int], dict[int, tuple[int, int]]]:
    """What the monitor has printed last: packets by (in-port, address, out-port), and by port, received and sent."""
    flows: dict[tuple[int, str, int], int] = {}
    ports: dict[int, tuple[int, int]] = {}
    for line in log.splitlines():
        words = line.split()
        if len(words) == 6 and words[2].count(":") == 5:
            flows[int(words[1], 16), words[2], int(words[3], 16)] = int(words[4])
        elif len(words) == 8 and len(words[0]) == 16 and words[1] != "port" and not words[0].startswith("-"):
            ports[int(words[1], 16)] = int(words[2]), int(words[5])
    return flows, ports


def test_the_stock_monitor_reads_statistics_of_all_nodes(fabric: Serviced) -> None:
    """Flow and port statistics, which it asks for every ten seconds."""
    with fabric.service(PERMISSIONS), controllers.os_ken("os_ken.app.simple_monitor_13") as application:
        fabric.controlled(application.target)
        fabric.until(fabric.flows_of_service, "the flow for what it does not know")
        assert fabric.pairs() == ALL

        own = {port["name"]: port["number"] for port in fabric.said()["ports"]}

        def agreed() -> Any:
            """Its last look, if it has seen what the service's own flows have counted."""
            flows, ports = monitored(application.log)
            counted = {(own[one], mac_of(other), own[other]): count for (one, other), count in learned(fabric).items()}
            return ports if len(counted) == len(PAIRS) and flows == counted else None

        ports = fabric.until(agreed, "the monitor's look at all of it", within=35)
        assert set(ports) == set(own.values())
        assert all(received > 0 and sent > 0 for received, sent in ports.values())
        assert "Traceback" not in application.log
