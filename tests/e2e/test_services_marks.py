"""The example of deep packet inspection, by its own parts: what a connection begins with decides what is done with the
rest of it, which the application does not see.

DSCPs are what the hosts' kernels show of the packets that come to them (AF_PACKET), and rates what the client reads.
"""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

EXAMPLES = Path(__file__).parents[2] / "examples" / "services"
sys.path.append(str(EXAMPLES))

import dpi  # noqa: E402
from common import Place, Service, brought_up, conducted, until  # noqa: E402

pytestmark = pytest.mark.root


@pytest.fixture(scope="module")
def place() -> Iterator[Place]:
    name = f"t{os.getpid()}_dpi"
    try:
        made = brought_up(dpi.FILE, name)
        dpi.serve(made)
        yield made
    finally:
        subprocess.run([sys.executable, "-m", "segue", "lab", "down", name], check=True, timeout=60)


@contextmanager
def at_work(place: Place) -> Iterator[tuple[dpi.Dpi, Service]]:
    service = Service(place, "dpi")
    for table in (0, 1):
        service.put([], table)
    made = dpi.Dpi()
    with conducted(made.app, service) as controller:
        assert made.ready.wait(15)
        yield made, service
        assert (controller.refusals, controller.failures) == (0, 0)


def of_connections(service: Service) -> list[int]:
    """The packets that have met each flow of a connection."""
    return [flow["packet_count"] for flow in service.flows() if flow["table_id"] == 1 and flow["match"]]


def test_what_a_connection_begins_with_marks_and_limits_the_rest(place: Place) -> None:
    sides = [dpi.Seen(place, "client"), dpi.Seen(place, "server")]
    with at_work(place) as (made, service):
        heard = {name: dpi.listen(place, made, says, sides) for name, says in dpi.SAYINGS.items()}
        assert {name: one.name for name, one in heard.items()} == {name: name for name in dpi.SAYINGS}
        assert {name: one.marks for name, one in heard.items()} == {
            name: {dpi.APPLICATIONS[name].dscp} for name in dpi.SAYINGS
        }
        limit = dpi.APPLICATIONS["bittorrent"].rate
        assert limit / 10 < heard["bittorrent"].rate < 1.1 * limit
        assert min(one.rate for name, one in heard.items() if name != "bittorrent") > 2 * limit
        # The first packets of each came to it, and none once there was a flow.
        assert all(one.first >= 3 and one.later == 0 for one in heard.values())
        assert len(of_connections(service)) == 2 * len(heard)
        assert sum(of_connections(service)) > 10 * sum(made.packets.values()) > 0


def test_a_connection_without_packets_is_forgotten(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(dpi, "IDLE", 1)
    monkeypatch.setattr(dpi, "SECONDS", 0.3)
    sides = [dpi.Seen(place, "client")]
    with at_work(place) as (made, service):
        assert dpi.listen(place, made, dpi.SAYINGS["http"], sides).name == "http"
        assert len(made.named) == 1
        until(lambda: not made.named and not of_connections(service), "the connection to be forgotten", within=20)
