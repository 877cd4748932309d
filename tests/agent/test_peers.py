"""Peers of a node, resolved by a real kernel: beside it, behind a router, and where there is no route."""

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from segue.agent import peers
from segue.agent.peers import Peers
from segue.lab import namespace
from segue.lab.processes import run

pytestmark = pytest.mark.root

MAC = "02:00:00:00:00:fe"
NETWORKS = {4: ("192.0.2.1/24", "192.0.2.254/24", "198.51.100.7"), 6: ("fd00::1/64", "fd00::fe/64", "2001:db8::7")}
"""By family: this node, a neighbor, and a peer behind that one."""
Told = list[tuple[str, ...]]


@pytest.fixture
def space() -> Iterator[str]:
    """A namespace with the interface ``u`` to a neighbor."""
    here, there = (f"segue-peers{os.getpid()}-{end}" for end in ("a", "b"))
    namespace.batch([f"netns add {here}", f"netns add {there}"])
    try:
        for name in (here, there):  # addresses are good at once
            namespace.inside(name, lambda: namespace.sysctl([("ipv6/conf/default/accept_dad", "0")]))
        namespace.batch([f"link add name u netns {here} type veth peer name u address {MAC} netns {there}"])
        for name, end in ((here, 0), (there, 1)):
            lines = [f"addr add {both[end]} dev u{' nodad' * (family == 6)}" for family, both in NETWORKS.items()]
            namespace.inside(name, lambda lines=lines: namespace.batch([*lines, "link set dev u up"]))  # type: ignore[misc]
        for _, neighbor, _ in NETWORKS.values():  # whose interfaces may still be coming up
            ping = ["ping", "-q", "-c", "1", "-w", "5", neighbor.partition("/")[0]]
            namespace.inside(here, lambda ping=ping: run(ping))  # type: ignore[misc]
        namespace.inside(here, lambda: namespace.batch(["neigh flush dev u"]))
        yield here
    finally:
        namespace.remove([here, there])


def resolve(space: str, address: str, directory: Path, monkeypatch: pytest.MonkeyPatch) -> tuple[Told, float]:
    """What the datapath is told of a peer, and in how many seconds."""
    told: Told = []

    async def appctl(rundir: Path, *command: str) -> str:
        told.append(command)
        return ""

    async def settled() -> None:
        known = Peers(directory)
        known.set("n2", address)
        await known.settled()

    monkeypatch.setattr(peers, "appctl", appctl)
    begun = time.monotonic()
    namespace.inside(space, lambda: asyncio.run(settled()))
    return told, time.monotonic() - begun


@pytest.mark.parametrize("family", [4, 6])
def test_a_peer_beside_the_node_is_resolved(
    space: str, family: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    peer = NETWORKS[family][1].partition("/")[0]
    assert resolve(space, peer, tmp_path, monkeypatch)[0] == [("tnl/neigh/set", "u", peer, MAC)]


@pytest.mark.parametrize("family", [4, 6])
def test_of_a_peer_behind_a_router_the_router_is_resolved(
    space: str, family: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    _, neighbor, peer = NETWORKS[family]
    router = neighbor.partition("/")[0]
    namespace.inside(space, lambda: namespace.batch([f"route add {peer} via {router} dev u"]))
    assert resolve(space, peer, tmp_path, monkeypatch)[0] == [("tnl/neigh/set", "u", router, MAC)]


@pytest.mark.parametrize("family", [4, 6])
def test_nobody_waits_for_a_peer_without_a_route(
    space: str, family: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(peers, "PATIENCE", 60)
    told, took = resolve(space, NETWORKS[family][2], tmp_path, monkeypatch)
    assert told == []
    assert took < 30
