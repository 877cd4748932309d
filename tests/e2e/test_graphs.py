"""Service graphs with real packets: the chain taken next is chosen by its classifiers, without any state; and a graph
that changes while packets flow loses none of them, and shows none a mixture.
"""

from __future__ import annotations

import random
import time
from collections.abc import Iterator
from typing import Any
from urllib.parse import quote

import pytest

from . import scene
from .fabric import ApiError, Fabric
from .probes import chain
from .scene import IDS, KINDS, SERVER
from .streams import Stream, Traffic
from .talk import Talk, apply, delete
from .versions import History, Seen

pytestmark = pytest.mark.root

BOTH, ONE, NONE = 7001, 7002, 7003
"""UDP ports: taken by second and then by last; by third and then by last; by no chain behind the first."""
SLACK = 0.5
"""Seconds, as in ``versions``."""
GRAPH = {"g": {"branch": {"first": ["second", "third"], "second": ["last"], "third": ["last"]}}}


@pytest.fixture(scope="module")
def fabric() -> Iterator[Fabric]:
    with Fabric(scene.hosts(*KINDS)) as running:
        running.apply(scene.intent(*KINDS))
        yield running


def udp(*ports: int, **more: Any) -> dict[str, Any]:
    return {"from": "client", "to": "server", "protocol": "udp", "destination_ports": list(ports) or None, **more}


def chains(kind: str, encapsulation: str) -> dict[str, Any]:
    def one(match: dict[str, Any], precedence: int, *steps: list[str]) -> dict[str, Any]:
        through = [[f"{kind}-{name}" for name in step] for step in steps]
        return chain(match, through, precedence=precedence, encapsulation=encapsulation)

    return {
        "first": one(udp(NONE - 2, NONE), 200, ["x1", "x2"]),
        "second": one(udp(BOTH, BOTH), 100, ["y2"], ["x3"]),
        # What comes in by no port, and to whatever port of the server, but behind the others.
        "third": one({"network": "web", "protocol": "udp", "destination_ports": ONE}, 100, ["y1", "y3"]),
        "last": one({"network": "web", "to": "server", "protocol": "udp"}, 50, ["x3"]),
    }


def draining(fabric: Fabric) -> list[str]:
    chains = fabric.get("/v1/status?count=false")["chains"]
    return [chain["name"] for chain in chains for path in chain["paths"] if path["phase"] != "active"]


@pytest.mark.parametrize("encapsulation", ["nsh", "mpls"])
@pytest.mark.parametrize("aware", [False, True], ids=["unaware", "aware"])
def test_packets_branch_and_join(fabric: Fabric, aware: bool, encapsulation: str) -> None:
    kind = encapsulation if aware else "plain"
    apply(fabric, {"chains": chains(kind, encapsulation), "graphs": GRAPH})
    # Removing old paths empties the cache of old releases of Open vSwitch, and with it what was not counted yet.
    fabric.until(lambda: not draining(fabric), "old paths to be gone")
    counted = counts(fabric)  # a chain that is declared anew under its name goes on counting
    try:
        for port, behind, names in (
            (BOTH, [["y2"], ["x3"], ["x3"]], ("first", "second", "last")),
            (ONE, [["y1", "y3"], ["x3"]], ("first", "third", "last")),
            (NONE, [], ("first",)),
        ):
            steps = [[IDS[f"{kind}-{name}"] for name in step] for step in [["x1", "x2"], *behind]]
            with Talk(fabric, SERVER, port=port) as talk:
                for family in (4, 6):
                    there, back = talk.trails(family)
                    assert there.keys() == back.keys() == set(talk.flows)
                    assert set(back.values()) == {()}
                    for flow, met in there.items():
                        assert len(met) == len(steps), (port, flow, met)
                        assert all(one in step for one, step in zip(met, steps, strict=True)), (port, flow, met)
                    for number, step in enumerate(steps):
                        assert {met[number] for met in there.values()} == set(step)
                for name in names:
                    for what in ("entered", "left"):
                        counted[name, what] = counted.get((name, what), 0) + 2 * len(talk.flows)
            traced = fabric.get("/v1/trace?live=true&flow=" + quote(f"client > server udp {port} from port 20000"))
            assert traced["agree"], traced
            assert len(traced["functions"]) == len(steps)
            taken = [line.split()[1] for line in traced["lines"] if line.split()[0] == "branch"]
            assert taken == [f"chain/{name}" for name in (*names[1:], *(["first"] if port == NONE else []))], traced
        fabric.until(lambda: counts(fabric) == counted, f"the counters to show {counted}, not {counts(fabric)}", 5)
    finally:
        delete(fabric, ("graph", "g"), *(("chain", name) for name in chains(kind, encapsulation)))


def counts(fabric: Fabric) -> dict[tuple[str, str], int]:
    return {
        (status["name"], one["step"]): one["packets"]
        for status in fabric.status()["chains"]
        for one in status["counters"]
        if one["step"] in ("entered", "left") and one["packets"]
    }


def test_packets_of_any_port_keep_their_addresses(fabric: Fabric) -> None:
    """The first chain's mark is taken off before the next chain's functions, which read whole frames, get them."""
    match = {"network": "web", "protocol": "udp", "destination_ports": [BOTH, NONE]}
    apply(
        fabric,
        {
            "chains": {
                "first": chain(match, ["plain-x2"], precedence=200),
                "second": chain(match | {"destination_ports": BOTH}, ["nsh-x1"]),
            },
            "graphs": {"g": {"branch": {"first": ["second"]}}},
        },
    )
    try:
        for port, met in ((BOTH, ("plain-x2", "nsh-x1")), (NONE, ("plain-x2",))):
            with Talk(fabric, SERVER, range(20000, 20004), port=port) as talk:
                for family in (4, 6):
                    there, _ = talk.trails(family)
                    assert set(there.values()) == {tuple(IDS[name] for name in met)}
    finally:
        delete(fabric, ("graph", "g"), ("chain", "first"), ("chain", "second"))


def test_circles_are_refused_in_words(fabric: Fabric) -> None:
    both = {"one": chain(udp(1, 1), ["plain-x1"]), "two": chain(udp(2, 2), ["plain-x2"])}
    with pytest.raises(ApiError, match="circle: one > two > one") as refused:
        fabric.apply({"chains": both, "graphs": {"g": {"branch": {"one": ["two"], "two": ["one"]}}}})
    assert refused.value.status == 409


class Changing:
    """A graph of three chains of one function each, and what that means for a packet to each port."""

    def __init__(self, seed: int) -> None:
        self.rng = random.Random(seed)
        self.steps = {"first": "x1", "second": "y2", "last": "x3"}
        self.branches = {"first": ["second"], "second": ["last"]}
        self.low = BOTH
        self.encapsulation = "nsh"

    def change(self) -> None:
        for what in self.rng.sample(
            ["first", "second", "last", "branch", "ports", "encapsulation"], self.rng.randint(1, 3)
        ):
            if what in self.steps:
                self.steps[what] = self.rng.choice([name for name in scene.PLACES if name not in self.steps.values()])
            elif what == "branch":
                into = self.rng.choice([["second"], ["last"], ["second", "last"], []])
                self.branches = {one: found for one, found in (("first", into), ("second", ["last"])) if found}
            elif what == "ports":
                self.low = self.rng.choice([BOTH, ONE, NONE])
            else:
                self.encapsulation = self.rng.choice(["nsh", "mpls"])

    def text(self) -> dict[str, Any]:
        def one(name: str, match: dict[str, Any], precedence: int) -> dict[str, Any]:
            own = {"precedence": precedence, "encapsulation": self.encapsulation}
            return chain(match, [f"plain-{self.steps[name]}"], **own)

        return {
            "chains": {
                "first": one("first", udp(BOTH, NONE), 200),
                "second": one("second", udp(self.low, NONE), 100),
                "last": one("last", udp(BOTH, ONE), 50),
            },
            "graphs": {"g": {"branch": self.branches}},
        }

    def meaning(self, port: int) -> tuple[int, ...]:
        takes = {"second": self.low <= port, "last": port <= ONE}
        way, here = ["first"], "first"
        while here:
            here = next((one for one in self.branches.get(here, []) if takes[one]), "")
            way += [here] if here else []
        return tuple(IDS[f"plain-{self.steps[name]}"] for name in way)


def test_changes_under_traffic_lose_and_mix_nothing(fabric: Fabric) -> None:
    graph = Changing(seed=7)
    apply(fabric, graph.text())
    ports = (BOTH, ONE, NONE)
    now = time.monotonic_ns()
    histories = {port: History(frozenset([graph.meaning(port)]), graph.meaning(port), now, SLACK) for port in ports}
    streams = [Stream(str(port), "client", "server", SERVER[4], port, 300, f"{port}-{port}") for port in ports]
    changes = 0
    with Traffic(fabric, streams) as traffic:
        end = time.monotonic() + 20
        while changes < 60 and time.monotonic() < end:
            graph.change()
            asked = time.monotonic_ns()
            fabric.apply(graph.text())
            in_force = time.monotonic_ns()
            changes += 1
            for port, history in histories.items():
                history.change(frozenset([graph.meaning(port)]), graph.meaning(port), asked, in_force)
        results = traffic.stop()
    assert changes >= 30
    for port, history in histories.items():
        result = results[str(port)]
        result.whole()
        assert len({version.key for version in history.versions}) > 5
        mixtures = history.judge(Seen(p.sequence, p.sent, p.arrived, p.trail) for p in result.packets)
        assert not mixtures, f"{len(mixtures)} of {len(result.packets)}: {mixtures[0]}"
