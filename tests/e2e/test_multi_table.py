"""An os-ken application with several tables, metadata, groups of all kinds, a meter, a role, and a flow that ends.

It is `ken_pipeline.py`, written as for any switch. What arrives where is read off the wire by the hosts.
"""

from __future__ import annotations

import json
import subprocess
import time
from collections.abc import Iterator, Mapping
from itertools import permutations
from pathlib import Path
from typing import Any

import pytest

from . import controllers
from .controllers import ADDRESSES, Controller, Serviced
from .fabric import PYTHON

pytestmark = pytest.mark.root
controllers.needed()

APPLICATION = str(Path(__file__).with_name("ken_pipeline.py"))
EVERYWHERE, METERED, SELECTED, DROPPED, INDIRECT, BRIEF, ASKS = range(6001, 6008)
PERMISSIONS = {"redirect": True, "drop": True, "meter": True, "packet_in": True}
ALL = dict.fromkeys(permutations(ADDRESSES, 2), True)
COUNT = 40
IDLE_TIMEOUT = 0
"""OFPRR_IDLE_TIMEOUT"""
ACTION = 1
"""OFPR_ACTION"""
STALE = (11, 0)
"""OFPET_ROLE_REQUEST_FAILED, OFPRRFC_STALE"""

LISTEN = """
import collections, json, select, socket, struct, sys
wire = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(0x0800))
wire.bind(("eth0", 0))
print("ready", flush=True)
seen = collections.Counter()
while select.select([wire], [], [], 1.5)[0]:
    data, (_, _, kind, _, _) = wire.recvfrom(2000)
    if kind != socket.PACKET_OUTGOING and data[23] == 17:
        seen[struct.unpack_from("!H", data, 36)[0]] += 1
print(json.dumps(seen))
"""
SEND = """
import socket, sys, time
target, port, count, pause = sys.argv[1], int(sys.argv[2]), int(sys.argv[3]), float(sys.argv[4])
for _ in range(count):
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as one:
        one.sendto(b"x" * 20, (target, port))
    time.sleep(pause)
"""


@pytest.fixture(scope="module")
def fabric() -> Iterator[Serviced]:
    with Serviced() as running:
        yield running


def lines(application: Controller, what: str) -> list[dict[str, Any]]:
    """What the application has said of one thing, oldest first."""
    found = []
    for line in application.log.splitlines():
        if line.startswith("{") and line.endswith("}"):
            said = json.loads(line)
            if said["what"] == what:
                found.append(said)
    return found


def send(fabric: Serviced, source: str, target: str, port: int, count: int, pause: float = 0) -> None:
    """Datagrams, each from a port of its own, ``pause`` seconds apart."""
    fabric.python(source, SEND, ADDRESSES[target], str(port), str(count), str(pause))


def arrivals(fabric: Serviced, sending: Mapping[str, tuple[str, int]]) -> dict[str, dict[int, int]]:
    """How many datagrams of each UDP port come by at each host while hosts send ``COUNT`` to (host, port)."""
    listening = {
        name: fabric.lab.popen(name, [PYTHON, "-c", LISTEN], stdout=subprocess.PIPE, text=True) for name in ADDRESSES
    }
    for process in listening.values():
        assert process.stdout is not None and process.stdout.readline() == "ready\n"
    for source, (target, port) in sending.items():
        send(fabric, source, target, port, COUNT)
    said = {name: json.loads(process.communicate(timeout=20)[0]) for name, process in listening.items()}
    return {name: {int(port): count for port, count in counts.items()} for name, counts in said.items()}


@pytest.fixture(scope="module")
def application(fabric: Serviced) -> Iterator[Controller]:
    with fabric.service(PERMISSIONS), controllers.os_ken(APPLICATION) as running:
        fabric.controlled(running.target)
        fabric.until(lambda: lines(running, "barrier"), "the answer to its barrier")
        yield running


def test_it_gets_the_switch_and_the_role_that_it_asked_for(fabric: Serviced, application: Controller) -> None:
    [features] = lines(application, "features")
    assert features == {"what": "features", "datapath_id": int(fabric.said()["datapath_id"], 16), "tables": 16}
    assert lines(application, "role") == [{"what": "role", "role": 2, "generation": 5}]
    # The one about a generation that is over is its only error.
    assert [(one["type"], one["code"]) for one in lines(application, "error")] == [STALE]
    shown = fabric.said()
    assert (shown["flows"], shown["groups"], shown["meters"], shown["refused"]) == (13, 3, 1, [])
    fabric.until(lambda: lines(application, "tables"), "table statistics")
    assert lines(application, "tables")[-1]["active"].items() >= {"1": 6, "2": 1, "3": 1}.items()


def test_a_group_of_type_all_sends_a_copy_to_each_bucket(fabric: Serviced, application: Controller) -> None:
    assert fabric.pairs() == ALL
    seen = arrivals(fabric, {"c1": ("c2", EVERYWHERE)})
    assert {name: counts.get(EVERYWHERE, 0) for name, counts in seen.items()} == {
        "c1": 0,
        "c2": COUNT,
        "c3": COUNT,
        "c4": COUNT,
    }
    fabric.until(lambda: lines(application, "groups")[-1]["counts"]["1"] == [COUNT] * 3, "its buckets' counters")
    assert lines(application, "groups")[-1]["references"] == {"1": 1, "2": 1, "3": 1}


def test_a_group_of_type_select_sends_each_packet_to_one_bucket(fabric: Serviced, application: Controller) -> None:
    seen = arrivals(fabric, {"c1": ("c2", SELECTED)})
    shares = [seen[name].get(SELECTED, 0) for name in ("c2", "c3")]
    assert sum(shares) == COUNT and all(shares), "connections are shared out"
    assert SELECTED not in seen["c4"] and SELECTED not in seen["c1"]
    fabric.until(lambda: lines(application, "groups")[-1]["counts"]["2"] == shares, "its buckets' counters")


def test_written_actions_lead_to_an_indirect_group(fabric: Serviced, application: Controller) -> None:
    seen = arrivals(fabric, {"c1": ("c2", INDIRECT)})
    assert {name: counts.get(INDIRECT, 0) for name, counts in seen.items()} == {"c1": 0, "c2": 0, "c3": 0, "c4": COUNT}


def test_metadata_says_whose_packets_are_meant(fabric: Serviced, application: Controller) -> None:
    """Those of c1 are dropped two tables on; the same of others are not."""
    seen = arrivals(fabric, {"c1": ("c4", DROPPED), "c3": ("c2", DROPPED)})
    assert (seen["c4"].get(DROPPED, 0), seen["c2"].get(DROPPED, 0)) == (0, COUNT)


def test_a_meter_lets_through_what_it_is_told_to(fabric: Serviced, application: Controller) -> None:
    """Five at once, and five a second; all others pass."""
    seen = arrivals(fabric, {"c1": ("c4", METERED), "c3": ("c2", METERED)})
    assert 1 <= seen["c4"].get(METERED, 0) <= 15
    assert seen["c2"].get(METERED, 0) == COUNT
    passed = seen["c4"][METERED]

    def counted() -> bool:
        last = lines(application, "meter")[-1]
        return (last["met"], last["dropped"]) == (COUNT, COUNT - passed)

    fabric.until(counted, "the meter's counters")


def test_a_flow_that_ends_on_two_nodes_is_told_of_once(fabric: Serviced, application: Controller) -> None:
    """With what both have counted. While packets come anywhere, it is not idle."""
    barriers = len(lines(application, "barrier"))
    send(fabric, "c2", "c1", ASKS, 1)
    fabric.until(lambda: len(lines(application, "barrier")) > barriers, "the flow to be there")
    came = next(port["number"] for port in fabric.said()["ports"] if port["name"] == "c2")
    told = {"what": "packet-in", "port": came, "table": 0, "reason": ACTION, "whole": True}
    assert lines(application, "packet-in") == [told]
    send(fabric, "c1", "c4", BRIEF, 7)
    send(fabric, "c2", "c3", BRIEF, 10, pause=0.5)  # so long is c1's node idle
    assert not lines(application, "removed")
    fabric.until(lambda: lines(application, "removed"), "the flow to end", within=10)
    time.sleep(1.5)  # another one would come within that
    said = {"what": "removed", "cookie": BRIEF, "reason": IDLE_TIMEOUT, "table": 0, "packets": 17}
    assert lines(application, "removed") == [said]
