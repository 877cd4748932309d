"""However a service's flows cut headers into pieces, its packets make the switch remember by few sets of bits: others'
packets, which are looked up once for each, are as fast as before.
"""

from __future__ import annotations

import contextlib
import re
import subprocess
import time
from collections.abc import Iterator
from random import Random
from typing import Any

import pytest

from segue.compile.rules.regards import KINDS
from segue.inject.matches import HEADERS
from segue.model.stages import TABLE
from segue.openflow import FlowMod
from segue.openflow import protocol as of
from segue.openflow.fields import FIELDS

from .fabric import Fabric, host
from .flows import held
from .frames import Wire, ether
from .frames import of as address_of
from .injected import ON, everything, flow, numbers, put, say, shown
from .talk import apply

pytestmark = pytest.mark.root

FRAMES, AT_ONCE = 3_000, 20
GROUPS = 256
TCP = {"eth_type": 0x0800, "ip_proto": 6}
PIECES = (("tcp_src", 16), ("tcp_dst", 16), ("tcp_flags", 12))
INTENT: dict[str, Any] = {
    "nodes": ["n1", "n2"],
    "networks": {"web": "10.0.0.0/24"},
    "ports": {
        name: {"network": "web", "node": node, "address": f"10.0.0.{last}"}
        for name, node, last in (("h1", "n1", 30), ("h2", "n2", 40))
    },
    "services": {"evil": {"hook": "egress", "attach": ["port/h2"], "permissions": everything("egress")}},
}


@pytest.fixture(scope="module")
def fabric() -> Iterator[Fabric]:
    hosts = [host("h1", "n1", "10.0.0.30/24"), host("h2", "n2", "10.0.0.40/24")]
    with Fabric(hosts, nodes=2) as running:
        apply(running, INTENT)
        yield running


def sieve(table: int, name: str, width: int) -> list[FlowMod]:
    """A packet is looked at up to the first bit of the field that is 0."""
    away: of.Instruction = of.ApplyActions((ON,)) if table == len(PIECES) - 1 else of.GotoTable(table + 1)
    found = [FlowMod(TCP, instructions=(away,), priority=1, table_id=table)]
    for length in range(1, width + 1):
        mask = ((1 << length) - 1) << width - length
        value = mask & mask << 1 & (1 << width) - 1
        found.append(FlowMod(TCP | {name: (value, mask)}, instructions=(away,), priority=100, table_id=table))
    return found


def segment(rng: Random, port: int | None = None) -> bytes:
    """From h1 to h2, each field with so many ones in front; ``port``: that it comes from, if it matters."""
    source, target, flags = (
        ((1 << ones) - 1) << width - ones | (rng.getrandbits(width) >> ones + 1 if ones < width else 0)
        for width, ones in ((width, rng.randint(0, width)) for _, width in PIECES)
    )
    tcp = (
        (source if port is None else port).to_bytes(2, "big")
        + target.to_bytes(2, "big")
        + bytes(8)
        + (0x5000 | flags).to_bytes(2, "big")
    )
    ip = bytes([0x45, 0, 0, 40, 0, 0, 0, 0, 64, 6, 0, 0, 10, 0, 0, 30, 10, 0, 0, 40])
    return ether(address_of("h1"), address_of("h2"), 0x0800, ip + tcp + bytes(6))


def control(fabric: Fabric, node: str, *command: str) -> str:
    path = str(fabric.lab.node_rundir(node) / "ovs-vswitchd.ctl")
    return subprocess.run(["ovs-appctl", "-t", path, *command], capture_output=True, text=True, check=True).stdout


def sent(fabric: Fabric, frames: list[bytes]) -> None:
    """What the switch of h2 then tells is of these alone."""
    with contextlib.closing(Wire(fabric, "h1")) as wire:
        control(fabric, "n2", "dpif-netdev/pmd-stats-clear")
        for first in range(0, len(frames), AT_ONCE):
            wire.send(*frames[first : first + AT_ONCE])
            time.sleep(0.01)
        # A machine with other work loses some.
        fabric.until(lambda: told(fabric, r"packets received: (\d+)") > len(frames) / 2, "half of the frames")


def lookups(fabric: Fabric, frames: list[bytes]) -> float:
    """How often the switch of h2 looks up a packet that it remembers, on the average."""
    for _ in range(2):
        sent(fabric, frames)
    return told(fabric, r"avg\. subtable lookups per megaflow hit: ([\d.]+)")


def told(fabric: Fabric, what: str) -> float:
    shown = control(fabric, "n2", "dpif-netdev/pmd-stats-show")
    found = re.search(what, shown)
    assert found is not None, shown
    return float(found[1])


def test_flows_that_look_at_pieces_of_headers_slow_nobody(fabric: Fabric) -> None:
    for table, (name, width) in enumerate(PIECES):
        put(fabric, "evil", *sieve(table, name, width), table=table)
    rng = Random(5)
    # Of 3,700 sets some 600; 17 are left, by how much is looked at of destination ports.
    assert lookups(fabric, [segment(rng) for _ in range(FRAMES)]) < 18


def test_answers_to_many_ports_are_decided_together(fabric: Fabric) -> None:
    """A service that asks for a destination port does not have each connection's answers decided by themselves."""
    for table in range(1, len(PIECES)):
        put(fabric, "evil", table=table, settled=False)
    put(fabric, "evil", flow(TCP | {"tcp_dst": 22}, priority=10), flow(TCP | {"tcp_dst": (0x1F90, 0xFFF0)}, ON))
    rng = Random(7)
    sent(fabric, [segment(rng, 80) for _ in range(FRAMES)])
    assert told(fabric, r"miss with success upcall: (\d+)") < 100  # of 1,900 ports


def test_groups_that_write_pieces_of_headers_slow_nobody(fabric: Fabric) -> None:
    rng = Random(6)
    out = of.Output(numbers(fabric, "evil")["h2"])
    masks = rng.sample(range(1, 1 << 32), GROUPS)
    for table in range(1, len(PIECES)):
        put(fabric, "evil", table=table, settled=False)
    put(fabric, "evil", settled=False)
    buckets = [of.Bucket([of.SetField("ipv4_dst", 0x0A000028 & mask, mask), out]) for mask in masks]
    groups = [of.GroupMod(0, n, of.GroupType.INDIRECT, [one]) for n, one in enumerate(buckets)]
    say(fabric, "evil", *groups)
    put(fabric, "evil", *(flow(TCP | {"tcp_src": number}, of.Group(number)) for number in range(GROUPS)))
    assert shown(fabric, "evil")["refused"] == []
    frames = [segment(rng, rng.randrange(GROUPS)) for _ in range(FRAMES)]
    assert lookups(fabric, frames) < 8  # of 256 sets, some 60


def test_switches_look_at_all_that_a_service_may_match(fabric: Fabric) -> None:
    """No switch refuses what the gate does for it."""
    flows = []
    for name in sorted(HEADERS):
        known: dict[str, Any] = {need: values[0] for need, values in FIELDS[name].prerequisites if values}
        if name.startswith("vlan"):
            known["vlan_vid"] = 0x1001
        flows.append(flow({name: 1} | known, ON))
    for table in range(len(PIECES)):
        put(fabric, "evil", table=table)
    put(fabric, "evil", *flows)
    assert shown(fabric, "evil")["refused"] == []
    fabric.until(lambda: len(gates(fabric)) == len(KINDS) + 2, "a rule for each kind of packets")
    put(fabric, "evil")
    fabric.until(lambda: len(gates(fabric)) == 2, "the gate to be as it was")


def gates(fabric: Fabric) -> list[Any]:
    return [one for one in held(fabric, "n2") if one.identity[0] == TABLE["service_gate"]]
