"""The learning switch on real switches, in every version that Open vSwitch speaks: all hosts reach each other."""

from __future__ import annotations

import asyncio
import subprocess
import sys
import textwrap
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from segue.apps import arp_proxy, discovery, learning_switch, spanning_tree
from segue.openflow import App, PacketIn
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


def _knows(net: Topology, host: int, other: int, mac: int) -> None:
    """The host asks nobody for the other's address."""
    address = f"02:00:00:00:00:{mac:02x}"
    words = ("ip", "neigh", "replace", f"10.9.0.{other}", "lladdr", address, "dev", "eth0", "nud", "permanent")
    net.exec(host, *words, check=True)


@pytest.mark.parametrize("version", [1, 4, 6])
def test_a_host_that_moves_away_and_comes_back_is_found_each_time(version: int) -> None:
    with topology(1, [], version, [1, 1, 1]) as net, controller([learning_switch.app], net.listening) as made:
        net.connect()
        assert net.all_pairs() == []
        _knows(net, 1, 2, 2)
        _knows(net, 2, 1, 1)
        net.exec(3, "ip", "link", "set", "eth0", "address", "02:00:00:00:00:02")
        _knows(net, 1, 3, 2)
        _knows(net, 3, 1, 1)
        assert net.ping(3, 1)
        assert net.ping(2, 1, 3)
        assert net.ping(3, 1, 3)
        assert made.failures == made.refusals == 0


@pytest.mark.parametrize("version", [1, 4, 6])
def test_a_port_that_goes_takes_what_was_learnt_of_it_along(version: int) -> None:
    with topology(1, [], version, [1, 1, 1]) as net, controller([learning_switch.app], net.listening) as made:
        net.connect()
        assert net.all_pairs() == []
        _knows(net, 1, 2, 2)
        _knows(net, 2, 1, 1)
        assert net.ping(1, 2)
        port = f"{net.name}x2"[-15:]
        net.vsctl("del-port", port, "--", "add-port", "s1", port, "--", "set", "interface", port, "ofport_request=9")
        assert net.ping(1, 2, 3)
        flows = net.ofctl("s1", "dump-flows")
        assert "output:2" not in flows and "in_port=2," not in flows
        assert ("dl_dst=02:00:00:00:00:03" in flows) or ("dl_src=02:00:00:00:00:03" in flows), "others stay"
        assert made.failures == made.refusals == 0


def test_a_table_that_is_full_is_emptied_with_its_flows_and_runts_are_not_learnt(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(learning_switch, "MOST", 2)
    with topology(1, [], 4, [1, 1, 1]) as net, controller([learning_switch.app], net.listening) as made:
        net.connect()
        assert net.all_pairs() == []
        (switch,) = made.switches.values()
        assert len(learning_switch.learnt[switch]) <= 2
        learnt = dict(learning_switch.learnt[switch])
        learning_switch.packet_in(switch, PacketIn(in_port=1, data=b"\2" * 9))
        assert learning_switch.learnt[switch] == learnt
        assert made.failures == made.refusals == 0


def _said_by_help() -> str:
    """The application that `segue openflow run --help` shows."""
    done = subprocess.run(
        [sys.executable, "-m", "segue", "openflow", "run", "--help"], capture_output=True, text=True, check=True
    )
    text = done.stdout.partition("an application is a file with\n")[2].partition("\nA file that changes")[0]
    return textwrap.dedent(text)


@pytest.mark.parametrize("source", ["help", "example"])
@pytest.mark.parametrize("version", [1, 4, 6])
def test_the_applications_that_users_see_first_work_as_they_are(version: int, source: str, tmp_path: Path) -> None:
    file = tmp_path / "mine.py"
    file.write_text(_said_by_help() if source == "help" else Path("examples/hub.py").read_text())
    with topology(1, [], version, [1, 1]) as net:
        words = ["openflow", "run", str(file), "--listen", net.listening]
        process = subprocess.Popen([sys.executable, "-m", "segue", *words], stderr=subprocess.PIPE, text=True)
        try:
            net.connect()
            assert net.all_pairs() == []
            # What a switch sends on its own is cut to 128 octets unless it is told otherwise.
            assert "1 received" in net.exec(1, "ping", "-c1", "-W2", "-s", "1000", "10.9.0.2")
        finally:
            process.terminate()
            said = process.communicate(timeout=10)[1]
        assert process.returncode == 0
        assert "failed" not in said and "refused" not in said, said
        assert "all its flows are deleted" in said


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
