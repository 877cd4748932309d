"""{unaware, aware} x {NSH, MPLS} x groups of (1), (3), (1,1,1), (2,1,3) instances x {one way, symmetric}, in IPv4 and
IPv6, over three nodes. Every function adds 1 to every byte, and what arrives is compared exactly.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

import pytest

from . import scene
from .fabric import Fabric
from .scene import IDS, KINDS, SERVER
from .talk import Talk, added, apply, delete

pytestmark = pytest.mark.root

SHAPES = {
    "1": [["x2"]],
    "3": [["x1", "x2", "x3"]],
    "1,1,1": [["x3"], ["x1"], ["x2"]],
    "2,1,3": [["x1", "x2"], ["x3"], ["y1", "y2", "y3"]],
}


@pytest.fixture(scope="module")
def fabric() -> Iterator[Fabric]:
    with Fabric(scene.hosts(*KINDS)) as running:
        running.apply(scene.intent(*KINDS))
        yield running


@pytest.mark.parametrize("symmetric", [False, True], ids=["one-way", "symmetric"])
@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("encapsulation", ["nsh", "mpls"])
@pytest.mark.parametrize("aware", [False, True], ids=["unaware", "aware"])
def test_matrix(fabric: Fabric, aware: bool, encapsulation: str, shape: str, symmetric: bool) -> None:
    kind = encapsulation if aware else "plain"
    steps = [[f"{kind}-{name}" for name in step] for step in SHAPES[shape]]
    chain = {
        "match": {"from": "client", "to": "server", "protocol": "udp"},
        "through": steps,
        "symmetric": symmetric,
        "encapsulation": encapsulation,
    }
    name = f"{kind}-{encapsulation}-{shape.replace(',', '')}-{'both' if symmetric else 'one'}"
    apply(fabric, {"chains": {name: chain}})
    try:
        with Talk(fabric, SERVER) as talk:
            assert_chain(fabric, talk, name, steps, symmetric)
    finally:
        delete(fabric, ("chain", name))
    with Talk(fabric, SERVER, range(20000, 20004)) as talk:
        assert_payloads(talk, 4, 0, 0)


def assert_chain(fabric: Fabric, talk: Talk, name: str, steps: list[list[str]], symmetric: bool) -> None:
    stamps: Counter[tuple[str, str]] = Counter()
    for family in (4, 6):
        assert_payloads(talk, family, len(steps), len(steps) if symmetric else 0)
        there, back = talk.trails(family)
        assert_trails(there, steps)
        assert back == {flow: met[::-1] if symmetric else () for flow, met in there.items()}
        for direction, trails in (("forward", there), ("reverse", back)):
            stamps.update((direction, str(identity)) for met in trails.values() for identity in met)
    assert_counters(fabric, name, len(talk.flows), steps, stamps, symmetric)


def assert_payloads(talk: Talk, family: int, forward: int, reverse: int) -> None:
    """Every datagram arrives once, with every byte raised by the number of functions that it met; the largest that
    fits the hosts' links among them."""
    sent = {flow: bytes(range(flow % 251)) + b"\xff\xfe%d" % flow for flow in talk.flows}
    sent[talk.flows[0]] = bytes(range(256)).ljust({4: 1472, 6: 1452}[family], b"\xa5")
    assert talk.there(family, sent.__getitem__) == {flow: added(data, forward) for flow, data in sent.items()}
    assert talk.back(family, sent.__getitem__) == {flow: added(data, reverse) for flow, data in sent.items()}


def assert_trails(trails: dict[int, tuple[int, ...]], steps: list[list[str]]) -> None:
    """One instance of each step, in order; over all flows, each of them."""
    assert trails
    for flow, met in trails.items():
        assert len(met) == len(steps), f"flow {flow} met {met}"
        for identity, step in zip(met, steps, strict=True):
            assert identity in {IDS[name] for name in step}, f"flow {flow} met {met}"
    for number, step in enumerate(steps):
        assert {met[number] for met in trails.values()} == {IDS[name] for name in step}


def assert_counters(
    fabric: Fabric, chain: str, flows: int, steps: list[list[str]], stamps: Counter[tuple[str, str]], symmetric: bool
) -> None:
    """Of each direction, family and kind of payload a datagram in each flow; each flow chose alike for both."""
    expected: dict[tuple[str, str, str], int] = {}
    for direction in ("forward", "reverse") if symmetric else ("forward",):
        expected[direction, "entered", ""] = expected[direction, "left", ""] = 4 * flows
        for number, step in enumerate(steps, 1):
            for name in step:
                expected[direction, f"{chain}-step{number}", name] = 2 * stamps[direction, str(IDS[name])]
    with_counts: dict[tuple[str, str, str], int] = {}

    def agree() -> bool:
        with_counts.clear()
        with_counts.update(fabric.counters(chain))
        return with_counts == expected

    try:
        fabric.until(agree, "the counters to show what was sent", within=4)
    except AssertionError:
        assert with_counts == expected
        raise
