"""The examples of injected services, by their own parts: who is shut out at its port comes nowhere any more, and who is
let go of comes straight to its end; all others go on.

What passed where is said by parties that know nothing of Segue: tcpdump, iptables and nftables in the functions.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

EXAMPLES = Path(__file__).parents[2] / "examples" / "services"
sys.path.append(str(EXAMPLES))

import bypass  # noqa: E402
import ids  # noqa: E402
import ips  # noqa: E402
from common import Place, Refused, Service, brought_up, conducted, until  # noqa: E402
from nfqueue import Queue  # noqa: E402

pytestmark = pytest.mark.root


@contextmanager
def up(file: Path) -> Iterator[Place]:
    name = f"t{os.getpid()}_{file.stem}"
    try:
        yield brought_up(file, name)
    finally:
        subprocess.run([sys.executable, "-m", "segue", "lab", "down", name], check=True, timeout=60)


@pytest.fixture(scope="module")
def guarded() -> Iterator[Place]:
    with up(ips.FILE) as place:
        yield place


@pytest.fixture(scope="module")
def watched() -> Iterator[Place]:
    with up(ids.FILE) as place:
        yield place


@pytest.fixture(scope="module")
def firewalled() -> Iterator[Place]:
    with up(bypass.FILE) as place:
        yield place


@contextmanager
def seen_at(place: Place, host: str, interface: str, expression: str, path: Path) -> Iterator[list[str]]:
    """What tcpdump sees there meanwhile; filled at the end."""
    seen: list[str] = []
    capture = place.lab.capture(host, path, interface=interface, expression=expression)
    try:
        yield seen
    finally:
        read = ["tcpdump", "-n", "-r", str(capture.stop())]
        seen += subprocess.run(read, capture_output=True, text=True, check=True).stdout.splitlines()


def in_force(service: Service) -> None:
    """All that it was told before: a change is answered once the nodes have it, and what came before it."""
    service.put([], table=1)


def pings(place: Place, host: str, address: str) -> bool:
    return "1 received" in place.exec(host, "ping", "-c", "1", "-W", "1", address)


# -- the IPS ---------------------------------------------------------------------------------------------------------


@contextmanager
def an_ips(place: Place, *services: Service) -> Iterator[ips.Ips]:
    queue = place.within("ips", Queue)
    try:
        made = ips.Ips(queue)
        with conducted(made.app, *services):
            yield made
    finally:
        queue.close()


ATTACK = "/?name=${jndi:ldap://example/x}"


def test_an_ips_shuts_out_the_attacker_where_it_enters(guarded: Place, tmp_path: Path) -> None:
    service = Service(guarded, "quarantine")
    service.put([])
    with an_ips(guarded, service) as made:
        assert ips.get(guarded, "vm1") and ips.get(guarded, "vm2")
        assert min(ips.met(guarded).values()) >= 4
        assert made.seen >= 16 and not made.blocked  # both ways come by
        assert not ips.get(guarded, "vm1", ATTACK)
        assert made.blocked == ["vm1"] and made.attacks >= 1
        until(service.flows, "the flow")
        in_force(service)
        before, decided, dropped = ips.met(guarded), made.seen, service.packets()
        with (
            seen_at(guarded, "ips", "ips-in", "src host 10.0.1.11", tmp_path / "ips") as at_ips,
            seen_at(guarded, "vm2", "eth0", "src host 10.0.1.11", tmp_path / "vm2") as at_vm2,
        ):
            assert not ips.get(guarded, "vm1")
            assert not ips.get(guarded, "vm1", ATTACK)
            assert not pings(guarded, "vm1", "10.0.1.12")
        assert (at_ips, at_vm2) == ([], [])
        assert ips.met(guarded) == before and made.seen == decided
        assert service.packets() >= dropped + 3
        assert ips.get(guarded, "vm2")
        assert ips.met(guarded)["vm2"] > before["vm2"] and made.seen > decided
    # The flow is the network's now, and not the program's that put it there.
    assert not ips.get(guarded, "vm1")
    service.put([])
    assert ips.get(guarded, "vm1") and ips.get(guarded, "vm2")


def test_an_ips_without_its_service_filters_all_the_same(guarded: Place) -> None:
    Service(guarded, "quarantine").put([])
    with an_ips(guarded) as made:
        assert not ips.get(guarded, "vm1", ATTACK)
        assert made.attacks >= 1 and not made.blocked
        assert ips.get(guarded, "vm1")


# -- the IDS ---------------------------------------------------------------------------------------------------------


def test_an_ids_off_the_path_shuts_out_the_attacker(watched: Place, tmp_path: Path) -> None:
    service = Service(watched, "alarm")
    service.put([])
    with ids.Ids(ids.tap_of(watched), service) as made:
        assert ids.get(watched, "vm1") and ids.get(watched, "vm2")
        assert made.copies >= 8 and not made.blocked
        assert ids.get(watched, "vm1", "/../../etc/passwd")  # copies come behind what they are copies of
        until(lambda: made.blocked, "the IDS to shut somebody out")
        assert made.blocked == ["vm1"] and made.attacks >= 1
        dropped = service.packets()
        with (
            seen_at(watched, "ids", "ids", "src host 10.0.0.11", tmp_path / "ids") as at_ids,
            seen_at(watched, "server", "eth0", "src host 10.0.0.11", tmp_path / "server") as at_server,
        ):
            assert not ids.get(watched, "vm1")
            assert not ids.get(watched, "vm1", "/../../etc/passwd")
        assert (at_ids, at_server) == ([], [])
        assert service.packets() >= dropped + 2
        before = made.copies
        assert ids.get(watched, "vm2")
        assert made.copies >= before + 4
        assert ids.sent(watched) == 0
    assert not ids.get(watched, "vm1")
    service.put([])
    assert ids.get(watched, "vm1") and ids.get(watched, "vm2")


def test_an_ids_holds_up_nothing(watched: Place) -> None:
    Service(watched, "alarm").put([])
    watched.exec("ids", "ip", "link", "set", "dev", "ids", "down")
    try:
        assert ids.get(watched, "vm1") and ids.get(watched, "vm2")
    finally:
        watched.exec("ids", "ip", "link", "set", "dev", "ids", "up")


def test_a_token_is_good_for_what_its_service_is_permitted(watched: Place) -> None:
    service = Service(watched, "alarm")
    service.put([])
    ports = service.ports()
    assert set(ports) == {"vm1", "vm2", "server", "ids"}
    away = {"type": "OFPIT_APPLY_ACTIONS", "actions": [{"type": "OFPAT_OUTPUT", "port": ports["vm2"]}]}
    with pytest.raises(Refused, match="ask for permission redirect"):
        service.put([{"match": {"in_port": ports["vm1"]}, "instructions": [away]}])
    with pytest.raises(Refused, match="'alarm' has no port"):
        service.put([{"match": {"in_port": max(ports.values()) + 1}, "instructions": []}])
    assert service.flows() == []
    service.name = "quarantine"
    with pytest.raises(Refused, match="good for /v1/services/alarm alone"):
        service.flows()


# -- the bypass ------------------------------------------------------------------------------------------------------


def test_a_large_transfer_skips_the_firewall_until_it_is_over(firewalled: Place) -> None:
    place, service = firewalled, Service(firewalled, "fast")
    made = bypass.Bypass(lambda: bypass.large_in(place), lambda one: bypass.forget_in(place, one))
    with conducted(made.app, service):
        before = bypass.seen(place)
        assert bypass.get_small(place) == "hello"
        assert bypass.seen(place) - before > 500

        before = bypass.seen(place)
        transfer = bypass.Transfer(place)
        until(lambda: len(bypass.large_flows(service)) == 2, "both directions to be let go of")
        in_force(service)
        time.sleep(0.3)  # what was on its way
        first = bypass.seen(place)
        assert 2_000_000 < first - before < 30_000_000
        received = transfer.received
        assert not transfer.over
        # Another connection meanwhile is none of this.
        assert bypass.get_small(place) == "hello"
        second = bypass.seen(place)
        assert 500 < second - first < 3000
        until(lambda: transfer.over, "the transfer", 40)
        assert transfer.received == 50_000_000 > received + 10_000_000
        assert bypass.seen(place) - second < 10_000  # its end
        assert len(set(transfer.digests())) == 1
        assert not made.ended

        until(lambda: len(made.ended) == 2, "the flows to time out")
        assert bypass.large_flows(service) == []
        assert sum(flow.byte_count for flow in made.ended) > 15_000_000
        assert bypass.large_in(place) == set()
        before = bypass.seen(place)
        assert bypass.get_small(place, "--local-port", str(bypass.PORT)) == "hello"
        assert bypass.seen(place) - before > 500
        time.sleep(1)
        assert bypass.large_flows(service) == [] and bypass.large_in(place) == set()


def test_a_transfer_that_has_paused_goes_on_by_way_of_the_firewall(
    firewalled: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    """And is let go of again."""
    monkeypatch.setattr(bypass, "IDLE", 1)
    place, service = firewalled, Service(firewalled, "fast")
    made = bypass.Bypass(lambda: bypass.large_in(place), lambda one: bypass.forget_in(place, one))
    with conducted(made.app, service):
        transfer = bypass.Transfer(place)
        until(lambda: len(bypass.large_flows(service)) == 2, "both directions to be let go of")
        os.kill(transfer.pid, signal.SIGSTOP)
        try:
            until(lambda: len(made.ended) >= 2 and not bypass.large_flows(service), "the flows to time out", 30)
            before = bypass.seen(place)
        finally:
            os.kill(transfer.pid, signal.SIGCONT)
        until(lambda: len(bypass.large_flows(service)) == 2 or transfer.over, "it to be let go of again")
        assert not transfer.over
        assert bypass.seen(place) > before
        until(lambda: transfer.over, "the transfer", 40)
        assert transfer.received == 50_000_000
        assert len(set(transfer.digests())) == 1
