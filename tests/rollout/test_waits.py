"""A step looks only at what something has happened to, and finds all that looking at everything would find."""

from __future__ import annotations

import copy
import random
from collections.abc import Mapping
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from segue.model.path import NO_COPIES, Entry, Headers, Hop, Onward, PathSpec, Step, Target
from segue.rollout import Progress, Rollouts

NODES = ("n0", "n1", "n2")
CHAINS = ("c0", "c1", "c2", "c3")
DRAIN = 2.0
IPV4 = Headers(0x0800)


def target(chain: str, version: int, precedence: int = 100, leads_to: str = "") -> Target:
    """A chain of one path; another ``version`` needs another path."""
    onward = (Onward(leads_to, 100, IPV4),) if leads_to else ()
    entries = (Entry(chain, 1, 0, "", precedence, IPV4),)
    hop = Hop("i", "n0", 1, "in", 2, "out", 1, 2, False, "bridge", False, 1)
    step = Step(f"g{version}", 0, (hop,))
    return Target(chain, (PathSpec(chain, "forward", "nsh", 1, "web", 0, 0, (step,), entries, onward),))


class Network:
    """What a conductor does with rollouts: it carries out what they say, and tells the nodes."""

    def __init__(self, everything: bool) -> None:
        self.everything = everything
        """Whether each step looks at all."""
        self.rollouts = Rollouts(DRAIN)
        self.targets: dict[str, Target] = {}
        self.where: dict[int, set[str]] = {}
        self.revision = 0
        self.now = 0.0
        self.seen: list[Progress] = []
        self.looks = 0
        look = self.rollouts._in_the_way

        def counted(number: int, nodes_of: Any) -> Any:
            self.looks += 1
            return look(number, nodes_of)

        self.rollouts._in_the_way = counted  # type: ignore[method-assign]

    def nodes_of(self, path: int) -> set[str]:
        return self.where.get(path, set())

    def want(self, wanted: Mapping[str, Target | None], nodes: frozenset[str]) -> None:
        for chain, value in wanted.items():
            self.targets.pop(chain, None)
            if value is not None:
                self.targets[chain] = value
        together = dict(wanted)
        for chain, value in self.targets.items():
            if any(onward.chain in wanted for spec in value.paths for onward in spec.onward):
                together.setdefault(chain, value)
        self.rollouts.want(together)
        self.tell(nodes)

    def tell(self, nodes: frozenset[str] = frozenset()) -> None:
        """New paths are on these nodes."""
        progress = self.rollouts.take()
        if not progress:
            return
        self.seen.append(copy.deepcopy(progress))
        self.revision += 1
        for key, path in progress.paths.items():
            if path is None:
                self.where.pop(key, None)
            elif key not in self.where:
                self.where[key] = set(nodes)
                self.rollouts.placed([key])
        withdrawn = [key for key, entries in progress.live.items() if entries is None]
        self.rollouts.published(self.revision, [key for key, path in progress.paths.items() if path], withdrawn)

    def place(self, number: int, nodes: frozenset[str]) -> None:
        if self.where:
            key = sorted(self.where)[number % len(self.where)]
            self.where[key] = set(nodes)
            self.rollouts.placed([key])

    def lost(self, node: str) -> None:
        self.rollouts.lost(node)

    def hear(self, node: str, behind: int, missing: dict[int, str]) -> None:
        keys = sorted(self.where)
        lacking = {keys[number % len(keys)]: [reason] for number, reason in missing.items()} if keys else {}
        self.rollouts.acknowledged(node, max(0, self.revision - behind), lacking)

    def pass_by(self, seconds: float) -> None:
        self.now += seconds

    def advance(self) -> None:
        if self.everything:
            self.rollouts.stir()
        self.rollouts.advance(self.now, self.nodes_of)

    def overlooked(self) -> list[object]:
        """What a step should have found, by what is public of rollouts and a look at all."""
        rollouts, acked = self.rollouts, self.rollouts._acked
        ready: list[object] = [
            chains
            for chains in rollouts._chains.values()
            if not any(rollouts.waiting(chain, self.nodes_of) for chain in chains)
        ]
        drained: list[object] = [
            key
            for key, revision in rollouts._withdrawn.items()
            if key not in rollouts._deadline and key not in rollouts._led
            if all(acked.get(node, -1) >= revision for node in self.nodes_of(key))
        ]
        over: list[object] = [key for key, end in rollouts._deadline.items() if end <= self.now]
        return ready + drained + over


def act(rng: random.Random) -> tuple[Any, ...]:
    def some(most: int) -> frozenset[str]:
        return frozenset(rng.sample(NODES, rng.randint(0, most)))

    def version(chain: str) -> Target | None:
        leads_to = "c1" if chain == "c0" and rng.random() < 0.7 else ""
        return target(chain, rng.randrange(3), rng.choice([100, 101]), leads_to) if rng.random() < 0.8 else None

    def reason() -> str:
        return rng.choice(["port x has no interface", f"{NO_COPIES}port y has no interface"])

    match rng.choice(["want", "place", "hear", "hear", "lost", "pass"]):
        case "want":
            return "want", {chain: version(chain) for chain in rng.sample(CHAINS, rng.randint(1, 2))}, some(2)
        case "place":
            return "place", rng.randrange(10), some(2)
        case "lost":
            return "lost", rng.choice(NODES)
        case "pass":
            return "pass_by", rng.choice([DRAIN / 2, DRAIN])
    return (
        "hear",
        rng.choice(NODES),
        rng.choice([0, 0, 1]),
        {rng.randrange(9): reason() for _ in range(rng.randrange(3))},
    )


@settings(deadline=None, max_examples=150)
@given(st.integers(0, 1 << 32))
def test_it_is_as_if_all_were_looked_at(seed: int) -> None:
    rng = random.Random(seed)
    indexed, everything = Network(False), Network(True)
    for _ in range(60):
        name, *words = act(rng)
        for network in (indexed, everything):
            getattr(network, name)(*words)
            network.advance()
        assert not indexed.overlooked()
        for network in (indexed, everything):
            network.tell()
        assert indexed.seen == everything.seen
        assert indexed.rollouts.paths == everything.rollouts.paths
        assert indexed.rollouts._deadline == everything.rollouts._deadline
        assert indexed.rollouts.next_deadline() == everything.rollouts.next_deadline()
    assert indexed.looks <= everything.looks


def many(number: int) -> Network:
    """So many chains that wait for ``n0``, each in a rollout of its own, and one that waits for ``n1``."""
    network = Network(False)
    for each in range(number):
        network.want({f"c{each}": target(f"c{each}", 0)}, frozenset({"n0", "n2"}))
    network.want({"other": target("other", 0)}, frozenset({"n1", "n2"}))
    network.hear("n2", 0, {})
    network.advance()
    network.looks = 0
    return network


def test_an_acknowledgement_concerns_those_alone_that_wait_for_it() -> None:
    network = many(300)
    for _ in range(10):
        network.hear("n2", 0, {})
        network.advance()
    assert network.looks == 0
    network.hear("n1", 0, {})
    network.advance()
    assert (network.looks, network.rollouts.is_pending("other")) == (1, False)
    network.tell()
    network.looks = 0
    network.rollouts.acknowledged("n0", 7, {})  # seven of the paths have gone out by then
    network.advance()
    assert network.looks == 7
    assert [chain for chain in map("c{}".format, range(300)) if not network.rollouts.is_pending(chain)] == [
        f"c{each}" for each in range(7)
    ]


def test_an_interface_concerns_those_alone_whose_paths_lack_it() -> None:
    network = many(300)
    paths = {chain: network.rollouts.paths_of(chain)[0].id for chain in ("c3", "c4")}
    lacking = {key: ["port x has no interface"] for key in network.rollouts.paths}
    network.rollouts.acknowledged("n0", network.revision, lacking)
    network.advance()
    network.looks = 0
    network.rollouts.acknowledged("n0", network.revision, dict(lacking))
    network.advance()
    assert network.looks == 0
    fewer = {key: said for key, said in lacking.items() if key not in paths.values()}
    network.rollouts.acknowledged("n0", network.revision, fewer)
    network.advance()
    assert (network.looks, network.rollouts.is_pending("c3"), network.rollouts.is_pending("c5")) == (2, False, True)


def test_nothing_is_kept_of_what_no_longer_waits() -> None:
    network = many(30)
    for each in range(30):
        network.want({f"c{each}": None}, frozenset())
    network.want({"other": None}, frozenset())
    network.advance()
    for waits in (network.rollouts._flips, network.rollouts._drains):
        assert not waits._causes and not waits._by_cause and not waits._revisions
