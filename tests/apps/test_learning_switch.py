"""The learning switch on real switches, in every version that Open vSwitch speaks: all hosts reach each other."""

from __future__ import annotations

import asyncio
import logging
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import pytest

from segue.apps import arp_proxy, discovery, learning_switch, spanning_tree
from segue.openflow import App
from segue.openflow.controller import Controller

from .topology import Topology, linear, ring, topology, tree

pytestmark = pytest.mark.root

VERSIONS = [1, 2, 3, 4, 5, 6]


@contextmanager
def controller(apps: Sequence[App], listening: str, **options: Any) -> Iterator[Controller]:
    """A controller in a thread of its own."""
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever, daemon=True)
    thread.start()

    async def start() -> Controller:
        made = Controller(apps, keep_flows=False, **options)
        await made.start([listening])
        return made

    made = asyncio.run_coroutine_threadsafe(start(), loop).result(10)
    try:
        yield made
    finally:
        asyncio.run_coroutine_threadsafe(made.stop(), loop).result(20)
        loop.call_soon_threadsafe(loop.stop)
        thread.join(10)
        loop.close()


@pytest.mark.parametrize("version", VERSIONS)
def test_all_pairs_reach_each_other_in_a_row_and_in_a_tree(version: int) -> None:
    for switches, links, at in ((4, linear(4), [1, 2, 3, 4]), (7, tree(3), [4, 4, 5, 6, 7])):
        with topology(switches, links, version, at) as net, controller([learning_switch.app], net.listening) as made:
            net.connect()
            assert net.all_pairs() == []
            flows = net.ofctl("s1", "dump-flows")
            assert "idle_timeout=60" in flows and "dl_dst=02:00:00:00:00:" in flows
            assert made.failures == 0 and made.refusals == 0


def test_a_host_that_moved_is_found_and_told_of(caplog: pytest.LogCaptureFixture) -> None:
    with topology(2, linear(2), 4, [1, 1, 2]) as net, controller([learning_switch.app], net.listening):
        net.connect()
        assert net.all_pairs() == []
        with caplog.at_level(logging.INFO):
            net.exec(3, "ip", "link", "set", "eth0", "address", "02:00:00:00:00:02")
            assert net.ping(3, 1)
        assert "02:00:00:00:00:02 moved from port 2 to" in caplog.text


@pytest.mark.parametrize("version", [1, 4])
def test_a_ring_has_no_storm_and_survives_the_loss_of_a_link(version: int) -> None:
    apps = [learning_switch.app, discovery.app, spanning_tree.app, arp_proxy.app]
    with topology(3, ring(3), version, [1, 2, 3]) as net, controller(apps, net.listening) as made:
        net.connect()
        assert net.all_pairs() == []
        before = _received(net, 1)
        net.exec(1, "ping", "-c", "1", "-W", "1", "-b", "10.9.0.255")
        net.exec(1, "sleep", "2")
        assert _received(net, 1) - before < 50, "a broadcast goes round and round"
        links = dict(discovery.topology_of(made).links)
        used = sorted(spanning_tree.tree({1, 2, 3}, links))
        assert len(used) == 4, "a tree over three switches has two links"
        a, b = used[0][0], links[used[0]][0]
        net.vsctl("del-port", f"s{a}", f"p{a}-{b}")
        net.vsctl("del-port", f"s{b}", f"p{b}-{a}")
        assert net.all_pairs() == []
        assert made.failures == 0


def _received(net: Topology, host: int) -> int:
    return int(net.exec(host, "cat", "/sys/class/net/eth0/statistics/rx_packets"))


def test_the_arp_proxy_answers_in_the_place_of_the_owner() -> None:
    with topology(1, [], 4, [1, 1, 1]) as net, controller([learning_switch.app, arp_proxy.app], net.listening):
        net.connect()
        assert net.all_pairs() == []
        # The owner is silenced: who asks for it now can have the answer from the controller alone.
        net.exec(2, "ip", "link", "set", "eth0", "arp", "off", check=True)
        net.exec(1, "ip", "neigh", "flush", "all", check=True)
        net.exec(1, "ping", "-c1", "-W1", "10.9.0.2")
        assert "02:00:00:00:00:02" in net.exec(1, "ip", "neigh", "show", "10.9.0.2")
