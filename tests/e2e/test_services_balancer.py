"""The example of a load balancer, by its own parts: it sees the first packet of each connection, and nothing after it.

``SEGUE_CONNECTIONS=10000`` makes that many; 500 are made unless told. The clients say who answered them, and how often
they sent a SYN again; the kernel what came to the balancer's own port; the switches what passed its flows.
"""

from __future__ import annotations

import os
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

EXAMPLES = Path(__file__).parents[2] / "examples" / "services"
sys.path.append(str(EXAMPLES))

import balancer  # noqa: E402
from common import Place, Service, brought_up, conducted, until  # noqa: E402

pytestmark = [pytest.mark.root, pytest.mark.slow]

COUNT = int(os.environ.get("SEGUE_CONNECTIONS", "500"))


@pytest.fixture(scope="module")
def place() -> Iterator[Place]:
    name = f"t{os.getpid()}_balancer"
    try:
        yield brought_up(balancer.FILE, name)
    finally:
        subprocess.run([sys.executable, "-m", "segue", "lab", "down", name], check=True, timeout=60)


@contextmanager
def at_work(place: Place) -> Iterator[tuple[balancer.Balancer, Service, Service]]:
    forth, back = Service(place, "forth"), Service(place, "back")
    for service in (forth, back):
        service.put([])
    made = balancer.Balancer(balancer.switch_of(forth), balancer.switch_of(back), balancer.OWN, balancer.SERVERS)
    with conducted(made.app, forth, back) as controller:
        assert made.ready.wait(15)
        yield made, forth, back
        assert (controller.refusals, controller.failures) == (0, 0)


@contextmanager
def connection(place: Place, address: str) -> Iterator[socket.socket]:
    with place.within("client1", lambda: socket.create_connection((address, 80), timeout=5)) as one:
        yield one


def who(one: socket.socket) -> str:
    one.sendall(b"who\n")
    return one.recv(100).decode().strip()


def test_a_balancer_sees_the_first_packet_of_each_connection_and_no_other(place: Place) -> None:
    with at_work(place) as (made, forth, back):
        before = balancer.received(place, "balancer")
        found = balancer.connect(place, balancer.OWN, COUNT)
        assert found["errors"] == [] and sum(found["servers"].values()) == COUNT
        assert set(found["servers"]) == {server.ip for server in balancer.SERVERS}
        assert min(found["servers"].values()) > COUNT / 5
        assert balancer.received(place, "balancer") == before
        # A SYN that was not answered for a second is sent again; who does not wait for it, or drops one, is found out.
        assert COUNT <= made.packets <= COUNT + found["retransmitted"]
        # Either way: SYN, two lines or their answers, FIN. Switches tell of cached flows' packets a little later.
        wired = until(lambda: met(forth.flows(), 2, 4), "all flows forth to be used")
        answers = until(lambda: met(back.flows(), 2, 4), "all flows back to be used")
        assert len(wired) == len(answers) == COUNT
        (first,) = until(lambda: met(forth.flows(), 1, COUNT), "first packets to be counted")
        assert first <= made.packets
        rate, latency = COUNT / found["seconds"], balancer.times(found["first"])
        print(f"{rate:.0f} connections/s; first packet: {latency}; later: {balancer.times(found['later'])}")


def met(flows: list[dict[str, Any]], priority: int, least: int) -> list[int]:
    """How many packets have met the flows of this priority; none as long as it is less than ``least`` for one."""
    counts = [flow["packet_count"] for flow in flows if flow["priority"] == priority]
    return counts if counts and min(counts) >= least else []


def test_connections_go_on_without_the_balancer(place: Place) -> None:
    with at_work(place) as (made, _, _), connection(place, balancer.OWN.ip) as one:
        server = who(one)
        assert server in {server.ip for server in balancer.SERVERS} and one.getpeername() == (balancer.OWN.ip, 80)
        seen = made.packets
        for _ in range(10):
            assert who(one) == server
        assert made.packets == seen
        one_more = place.within("client1", lambda: socket.create_connection((balancer.OWN.ip, 80), timeout=5))
    # The controller has ended: what is wired stays, and nobody wires more.
    with one_more:
        assert who(one_more) in {server.ip for server in balancer.SERVERS}
        with pytest.raises(TimeoutError):
            place.within("client1", lambda: socket.create_connection((balancer.OWN.ip, 80), timeout=1))


def test_who_connects_to_a_server_itself_is_left_alone(place: Place) -> None:
    with at_work(place) as (made, _, _), connection(place, balancer.SERVERS[2].ip) as one:
        assert who(one) == balancer.SERVERS[2].ip
        assert made.packets == 0
