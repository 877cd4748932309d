"""What becomes of injected services when the server, an agent, a switch and the service's controller are killed: alone
and together, in every order, amid packets and amid changes.
"""

from __future__ import annotations

import itertools
import os
import random
import time
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import pytest

from segue.openflow import FlowMod, Output, SetField
from segue.openflow import protocol as of
from segue.openflow.wire import NORMAL
from segue.packet.addresses import parse_mac

from . import buffers
from .fabric import Fabric, host, mac_of
from .injected import EVERYTHING, ON, connected, flow, key_of, numbers, put, rules, steered, udp_to
from .streams import Packet, Result, Stream, Traffic
from .talk import settle

pytestmark = pytest.mark.root

HOSTS = {"c1": ("n1", 10), "s2": ("n2", 20), "s3": ("n3", 30)}
BARRED = Stream("barred", "c1", "s2", "10.0.0.20", 7001, 300, "20000-20003")
METERED = Stream("metered", "c1", "s2", "10.0.0.20", 7002, 200, "21000-21003")
MOVED = Stream("moved", "c1", "s3", "10.0.0.20", 7003, 200, "22000-22003")
BESIDE = Stream("beside", "c1", "s2", "10.0.0.20", 7005, 200, "23000-23003")
STREAMS = (BARRED, METERED, MOVED, BESIDE)
INTENT: dict[str, Any] = {
    "nodes": ["n1", "n2", "n3"],
    "networks": {"web": "10.0.0.0/24"},
    "ports": {
        name: {"network": "web", "node": node, "address": f"10.0.0.{last}"} for name, (node, last) in HOSTS.items()
    },
    "services": {
        "guard": {"hook": "ingress", "attach": [f"port/{name}" for name in HOSTS], "permissions": EVERYTHING},
        "long": {"hook": "egress", "attach": ["network/web"], "permissions": EVERYTHING, "flows": 50_000},
    },
}
OUTAGE = 15.0
"""Seconds that all may take to be as it was, where a switch was away."""


class Scene:
    """The guard drops ``barred``, meters ``metered``, and sends ``moved`` to another host, by a group."""

    def __init__(self, fabric: Fabric) -> None:
        self.fabric = fabric
        fabric.apply(INTENT)
        self.steersman = steered(fabric, "guard")
        own = numbers(fabric, "guard")
        aside = [
            SetField("eth_dst", parse_mac(mac_of("s3"))),
            SetField("ipv4_dst", 0x0A00001E),
            Output(own["s3"]),
        ]
        from_c1 = {"in_port": own["c1"]}
        self.steersman.send(
            of.MeterMod(0, 1, [of.MeterDrop(1_000_000, 0)], 1),
            of.GroupMod(command=0, group_id=7, type=0, buckets=[of.Bucket(aside, bucket_id=1)]),
            flow(udp_to(7001, **from_c1), cookie=1, priority=50, idle_timeout=600, flags=1),
            flow(udp_to(7002, **from_c1), of.MeterAction(1), ON, cookie=2, priority=51, hard_timeout=3000),
            FlowMod(
                udp_to(7003, **from_c1), instructions=[of.ApplyActions([of.Group(7)])], cookie=1 << 63, priority=52
            ),
            FlowMod(udp_to(7005), instructions=[of.GotoTable(3)], cookie=4, importance=5),
            flow({"eth_type": 0x0800}, SetField("ip_dscp", 10), Output(NORMAL), table_id=3, cookie=5),
        )
        settle(fabric)
        self.said = self.look()
        assert len(self.said["flows"]["flows"]) == 5
        self.held = self.on_switches()
        self.kills: dict[str, Callable[[], object]] = {
            "server": lambda: fabric.kill("server"),
            "agent": lambda: fabric.kill("n1"),
            "switch": lambda: fabric.lab.kill_switch("n1"),
            "controller": lambda: self.steersman.kill(),
        }
        self.starts: dict[str, Callable[[], object]] = {
            "server": fabric.start_server,
            "agent": lambda: fabric.start_agent("n1"),
            "switch": lambda: fabric.lab.start_switch("n1"),
            "controller": lambda: self.steersman.start(),
        }

    def look(self) -> dict[str, Any]:
        """What the virtual switch says of itself, but for what has been counted."""
        found: dict[str, Any] = timeless(self.steersman.ask("look", "flows"))
        return found

    def on_switches(self) -> dict[str, Any]:
        """What every switch holds of services: rules, groups and meters."""
        keys = [key_of(self.fabric, "guard")]
        found: dict[str, Any] = {}
        for node in self.fabric.nodes:
            told = [
                self.fabric.exec(node, "ovs-ofctl", "-O", "OpenFlow15", what, "br-int").stdout.splitlines()[1:]
                for what in ("dump-groups", "dump-meters")
            ]
            found[node] = ({one.what for one in rules(self.fabric, node, keys)}, *map(sorted, told))
        return found

    def whole(self) -> bool:
        fabric = self.fabric
        return fabric.agents_ready() and connected(fabric, "guard") and self.on_switches() == self.held

    def fall(self, order: Sequence[str]) -> tuple[int, int]:
        """Kill these in their order, start them in it, and have all as it was; from when to when that took."""
        begun = time.monotonic_ns()
        for one in order:
            self.kills[one]()
            time.sleep(0.05)
        time.sleep(0.2)
        for one in order:
            self.starts[one]()
            time.sleep(0.05)
        buffers.widen(self.fabric.lab)
        self.fabric.until(self.whole, f"all to be as it was after {' and '.join(order)}", 30)
        assert self.look() == self.said
        return begun, time.monotonic_ns()


def timeless(told: Any) -> Any:
    """Without times and counts."""
    if isinstance(told, dict):
        return {
            key: timeless(value)
            for key, value in told.items()
            if not key.startswith("duration") and key not in ("stats", "xid", "packet_count", "byte_count")
        }
    return [timeless(one) for one in told] if isinstance(told, list) else told


@pytest.fixture(scope="module")
def scene() -> Iterator[Scene]:
    hosts = [host(name, node, f"10.0.0.{last}/24") for name, (node, last) in HOSTS.items()]
    with Fabric(hosts) as fabric:
        made = Scene(fabric)
        try:
            yield made
        finally:
            made.steersman.kill()


QUEUED = 0.2
"""Seconds that a packet may have waited in front of a switch that is killed."""


def check(results: dict[str, Result], away: Sequence[tuple[int, int]]) -> None:
    """What is barred never came, and nothing else was lost but while the switch was away."""

    def excused(packet: Packet) -> bool:
        return any(begun - QUEUED * 1e9 <= packet.sent <= end for begun, end in away)

    complaints = []
    assert len(results["barred"].packets) == len(results["barred"].lost) > 0
    for name in ("metered", "moved", "beside"):
        result = results[name]
        lost = [packet for packet in result.lost if not excused(packet)]
        assert result.packets
        if lost:
            times = ", ".join(f"{packet.sent / 1e9:.3f}" for packet in (lost[0], lost[-1]))
            complaints.append(f"{name}: {len(lost)} of {len(result.packets)} lost, at {times}")
        assert not result.duplicates
        assert all(result.packets[-1].sent > end for _, end in away)
    assert not complaints, complaints
    for begun, end in away:
        assert end - begun < OUTAGE * 1e9


def falls(scene: Scene, orders: Sequence[Sequence[str]]) -> None:
    away = []
    scene.fabric.until(scene.whole, "all to be there")
    buffers.widen(scene.fabric.lab)
    with Traffic(scene.fabric, STREAMS) as traffic:
        for order in orders:
            time.sleep(0.1)
            gone = scene.fall(order)
            print(f"{' '.join(order)}: {gone[0] / 1e9:.3f} to {gone[1] / 1e9:.3f}")
            if "switch" in order:
                away.append(gone)
        time.sleep(0.3)
        results = traffic.stop()
    check(results, away)
    if not away:
        return
    assert results["beside"].lost, "the switch was not away at all"


PARTIES = ("server", "agent", "switch", "controller")


@pytest.mark.parametrize("party", PARTIES)
def test_one_is_killed(scene: Scene, party: str) -> None:
    falls(scene, [[party]])


@pytest.mark.parametrize("first", PARTIES)
def test_two_are_killed_in_either_order(scene: Scene, first: str) -> None:
    falls(scene, [order for order in itertools.permutations(PARTIES, 2) if order[0] == first])


ORDERS = int(os.environ.get("SEGUE_KILLS", "1"))
"""Of the six orders of all four that begin with one, how many are tried."""


@pytest.mark.slow
@pytest.mark.parametrize("first", PARTIES)
def test_all_are_killed_in_every_order(scene: Scene, first: str) -> None:
    """In every one with SEGUE_KILLS=6; the run of all tests takes those in which each party has another place."""
    orders = [order for order in itertools.permutations(PARTIES) if order[0] == first]
    begin = PARTIES.index(first)
    falls(scene, [orders[(begin + number) % len(orders)] for number in range(min(ORDERS, len(orders)))])


# -- in the midst of changes -----------------------------------------------------------------------------------------

ROUNDS = (
    ("server",),
    ("controller",),
    ("agent",),
    ("switch",),
    ("server", "switch"),
    ("agent", "server"),
    ("controller", "server"),
    ("switch", "controller", "server", "agent"),
)


@pytest.mark.parametrize("order", ROUNDS, ids="-".join)
def test_what_a_barrier_has_acknowledged_is_there_after_any_kill(scene: Scene, order: Sequence[str]) -> None:
    """A stream of flow mods ends somewhere: all up to the last barrier that was answered is there, and of the rest what
    came first, without a gap, on every switch."""
    fabric, rng = scene.fabric, random.Random(":".join(order))
    steersman = steered(fabric, "long")
    guard, scene.steersman = scene.steersman, steersman
    try:
        put(fabric, "long")
        steersman.tell("stream", **{"from": 1})
        steersman.answer("acknowledged")
        time.sleep(0.1 + 0.4 * rng.random())
        for one in order:
            scene.kills[one]()
            time.sleep(0.05 * rng.random())
        time.sleep(0.3)
        told = steersman.said
        for one in order:
            scene.starts[one]()
        if "server" not in order and "controller" not in order:
            steersman.kill()
            time.sleep(0.3)
            steersman.start()
        acknowledged = last_acknowledged(told)
        fabric.until(lambda: fabric.agents_ready() and connected(fabric, "long"), "all to be back", 30)
        found = sorted(int(one["cookie"]) for one in steersman.ask("look", "flows")["flows"]["flows"])
        assert found == list(range(1, len(found) + 1)) and len(found) >= acknowledged > 0
        key = key_of(fabric, "long")
        wanted = {30_000 + number for number in found}
        fabric.until(lambda: on_nodes(fabric, key) == [wanted] * 3, "every switch to have the same", 10)
    finally:
        steersman.kill()
        scene.steersman = guard
        put(fabric, "long")


def last_acknowledged(told: Any) -> int:
    last = 10
    while not told.empty():
        said = told.get()
        if isinstance(said, dict):
            last = max(last, said.get("acknowledged", 0))
    return last


def on_nodes(fabric: Fabric, key: int) -> list[set[int]]:
    return [
        {int(one.identity[1].rpartition("tp_dst=")[2].split(",")[0]) for one in rules(fabric, node, [key])}
        for node in fabric.nodes
    ]
