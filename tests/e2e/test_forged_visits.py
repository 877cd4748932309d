"""What a function may send: packets of a path that it stands on, at its step, by the port where they leave it."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from .fabric import Fabric
from .forgery import INTENT, frame, labels, mark, nsh, path_ids, running
from .frames import datagram, ether, of, watch
from .probes import Bench, shown
from .talk import added

pytestmark = pytest.mark.root


@pytest.fixture(scope="module")
def fabric() -> Iterator[Fabric]:
    with running() as made:
        yield made


@pytest.fixture(scope="module")
def paths(fabric: Fabric) -> dict[str, int]:
    return path_ids(fabric)


def visit(bench: Bench, source: str, port: str) -> bytes:
    """The frame with which a function is visited by a packet that really is on its path."""
    bench.wires[source].send(frame(source))
    return only(bench, port)


def only(bench: Bench, port: str, others: tuple[str, ...] = ("x-in",)) -> bytes:
    """The one frame that arrives, at ``port``; ``others`` may be visited on the way."""
    found = watch(bench.wires, 1)
    assert len(found[port]) == 1, found
    assert not [name for name, got in found.items() if got and name != port and name not in others]
    return found[port][0]


def test_a_function_that_marks(bench: Bench, paths: dict[str, int]) -> None:
    """It may send on only what came to it: of its path, at its step, by the port that the path leaves it by."""
    visited = visit(bench, "client", "dumb-in")
    assert visited[6:12] == mark(paths["plain"], 255)
    before = bench.all_counts()
    wrong = [mark(path, index) for path in (*paths.values(), 99) for index in (255, 254, 253, 0)]
    wrong.remove(visited[6:12])
    bench.lost(
        ("dumb-in", visited),
        *(("dumb-out", visited[:6] + forged + visited[12:]) for forged in wrong),
        ("dumb-out", frame("client")),
        ("dumb-out", frame("server", "client")),
        ("dumb-out", ether(of("dumb-out"), of("server"), 0x88B5, b"own words")),
    )
    assert bench.all_counts() == before
    bench.wires["dumb-out"].send(visited)
    assert only(bench, "server") == arrived("client")


def arrived(source: str) -> bytes:
    """``frame(source)`` behind function x."""
    ends = [INTENT["ports"][port]["addresses"][0] for port in (source, "server")]
    return datagram(of(source), of("server"), ends[0], ends[1], added(b"forged", 1))


def test_a_function_that_speaks_nsh(bench: Bench, paths: dict[str, int]) -> None:
    visited = visit(bench, "mate", "wise-in")
    inner = frame("mate")
    own = paths["aware"]
    assert shown([visited[14:]]) == shown([nsh(own, 255, inner)])
    assert visited[:6] == of("wise-in")
    back = visited[6:12] + visited[:6]
    before = bench.all_counts()
    wrong = [(path, index) for path in (*paths.values(), 99, 0) for index in (255, 254, 253, 1, 0)]
    wrong.remove((own, 254))
    bench.lost(
        *(("wise-out", ether(back[6:], back[:6], 0x894F, nsh(*forged, inner))) for forged in wrong),
        ("wise-in", ether(back[6:], back[:6], 0x894F, nsh(own, 254, inner))),
        ("wise-out", inner),
        ("wise-out", inner[:6] + mark(own, 255) + inner[12:]),
    )
    assert bench.all_counts() == before
    # What is not whole, or carries no Ethernet frame, goes no further, whether it is counted or not.
    bench.lost(
        ("wise-out", ether(back[6:], back[:6], 0x894F, nsh(own, 254, inner[14:], 1))),
        ("wise-out", ether(back[6:], back[:6], 0x894F, nsh(own, 254, frame("mate", family=6)[14:], 2))),
        ("wise-out", back + b"\x89\x4f" + nsh(own, 254, inner)[:20]),
        ("wise-out", back + b"\x89\x4f" + nsh(own, 254, inner)[:30]),
        ("wise-out", ether(back[6:], back[:6], 0x894F, nsh(own, 254, inner, first=0x4FC6))),
    )
    bench.wires["wise-out"].send(ether(back[6:], back[:6], 0x894F, nsh(own, 254, inner)))
    assert only(bench, "server") == arrived("mate")


def test_a_function_that_speaks_mpls(bench: Bench, paths: dict[str, int]) -> None:
    visited = visit(bench, "third", "mute-in")
    inner = frame("third")
    own = paths["label"]
    assert shown([visited]) == shown([inner[:12] + b"\x88\x47" + labels(own, 255, inner[14:])])
    before = bench.all_counts()

    def reply(path: int, index: int) -> bytes:
        return visited[:14] + labels(path, index, inner[14:])

    wrong = [(path, index) for path in (*paths.values(), 99, 0) for index in (255, 254, 253, 16, 0)]
    wrong.remove((own, 254))
    bench.lost(
        *(("mute-out", reply(*forged)) for forged in wrong),
        ("mute-in", reply(own, 254)),
        ("mute-out", visited[:14] + labels(own, 254, b"")[4:] + inner[14:]),
        ("mute-out", visited[:14] + labels(own, 254, b"")[:4] + labels(own, 254, inner[14:])),
        ("mute-out", inner),
    )
    assert bench.all_counts() == before
    bench.wires["mute-out"].send(reply(own, 254))
    assert only(bench, "server") == arrived("third")
