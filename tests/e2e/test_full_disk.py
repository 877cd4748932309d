"""A disk without room: changes are refused with that reason, packets flow, and with room again changes go on."""

from __future__ import annotations

import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from .fabric import ApiError, Fabric, function, host
from .flows import Untouched
from .streams import Stream, Traffic

pytestmark = pytest.mark.root

STREAM = Stream("loud", "c1", "s2", "10.0.0.20", 7001, 500)


def chain(*through: str) -> dict[str, Any]:
    match = {"from": "c1", "to": "s2", "protocol": "udp", "destination_ports": 7001}
    return {"chains": {"loud": {"match": match, "through": list(through)}}}


@pytest.fixture
def fabric() -> Iterator[Fabric]:
    """The server keeps its data on a disk of 3 MiB."""
    made = Fabric(
        [
            host("c1", "n1", "10.0.0.10/24"),
            host("s2", "n2", "10.0.0.20/24"),
            function("a", "n1", "stamp", "--id", "1"),
            function("b", "n2", "stamp", "--id", "2"),
        ],
        nodes=2,
    )
    made.data.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=3m", "tmpfs", made.data], check=True)
    try:
        with made:
            made.apply(
                {
                    "nodes": ["n1", "n2"],
                    "networks": {"web": "10.0.0.0/24"},
                    "ports": {
                        "c1": {"network": "web", "node": "n1", "address": "10.0.0.10"},
                        "s2": {"network": "web", "node": "n2", "address": "10.0.0.20"},
                    },
                    "instances": {"a": "n1", "b": "n2"},
                    **chain("a"),
                }
            )
            yield made
    finally:
        subprocess.run(["umount", made.data], check=True)


def fill(directory: Path) -> Path:
    filler = directory / "filler"
    with filler.open("wb", buffering=0) as file:
        try:
            while True:
                file.write(bytes(4096))
        except OSError:
            pass
    return filler


def settled(fabric: Fabric) -> bool:
    paths = [path["phase"] for found in fabric.status()["chains"] for path in found["paths"]]
    return paths == ["active"]


def refused(fabric: Fabric) -> str:
    """Apply until the log has no room left in what it has; what the refusal says."""
    with pytest.raises(ApiError) as refusal:
        for number in range(200):
            fabric.apply({"classifiers": {f"c{number}": {"from": "c1", "protocol": "udp"}}}, wait=0, ready=False)
    assert refusal.value.status == 503
    return str(refusal.value.body["error"])


def test_a_full_disk_refuses_changes_and_nothing_else(fabric: Fabric) -> None:
    fabric.until(lambda: settled(fabric), "everything to settle")
    filler = fill(fabric.data)
    with Traffic(fabric, [STREAM]) as traffic:
        assert "is full" in refused(fabric)
        before, begun = Untouched(fabric), time.monotonic()
        objects = fabric.get("/v1/objects")
        for _ in range(3):
            with pytest.raises(ApiError) as refusal:
                fabric.apply(chain("b"))
            assert refusal.value.status == 503 and "Nothing was changed" in refusal.value.body["error"]
        assert fabric.get("/v1/objects") == objects
        assert fabric.agents_ready() or fabric.until(fabric.agents_ready, "agents to say that they are well")
        before.check(time.monotonic() - begun)
        filler.unlink()
        fabric.apply(chain("b"))
        time.sleep(0.3)
        results = traffic.stop()
    results["loud"].whole()
    assert results["loud"].trails() == {(1,), (2,)}


def test_a_rollout_that_meets_a_full_disk_goes_on_when_there_is_room(fabric: Fabric) -> None:
    fabric.until(lambda: settled(fabric), "everything to settle")
    with Traffic(fabric, [STREAM]) as traffic:
        fabric.kill("n2")
        fabric.apply(chain("b"), wait=0, ready=False)
        filler = fill(fabric.data)
        assert "is full" in refused(fabric)
        server = fabric.processes["server"]
        used = cpu(server.pid)
        fabric.start_agent("n2")
        time.sleep(3)
        assert cpu(server.pid) - used < 150, "the server is busy with a disk that is full"
        assert [node["state"] for node in fabric.status()["nodes"]] == ["ready", "ready"]
        assert not settled(fabric)
        filler.unlink()
        fabric.until(lambda: settled(fabric), "the rollout to end")
        settled_at = time.monotonic_ns()
        time.sleep(0.2)
        results = traffic.stop()
    results["loud"].whole()
    assert {packet.trail for packet in results["loud"].packets if packet.sent > settled_at} == {(2,)}
    assert "cannot be written" in fabric.log("server")


def cpu(pid: int) -> int:
    """Processor time in hundredths of a second."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return int(fields[11]) + int(fields[12])
