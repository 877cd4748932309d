"""Changes of every kind to chains that carry traffic, and the judgement of every packet.

Two chains exist throughout (one of them over IPv6, symmetric, and its packets come back), one comes and goes, a wide
one and a narrow one compete for the same packets, and one stream goes beside them all. Chains are reshaped, get and
lose steps, change their encapsulation, precedence and classifiers; instances come to and leave groups that several
chains share, and change their weights. Each change is waited for until it is in force; old paths drain meanwhile.

Each packet must arrive once, with the trail of one version of the chain that applied to it (``versions``).
"""

from __future__ import annotations

import itertools
import random
import time
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

from segue.lab.spec import LabHost

from . import buffers
from .fabric import Fabric, function, host
from .streams import Packet, Result, Stream, Traffic
from .versions import History, Mixture, Seen, Trail

SLACK = 0.5
"""Seconds, as in ``versions``: Open vSwitch brings its caches up to date within half a second of a change."""
AWARE = {"w1": "n2", "w2": "n3"}
"""Functions that read and write NSH themselves; one chain alone uses them, and always over NSH."""
PLACES = {"f1": "n1", "f2": "n2", "f3": "n3", "f4": "n1", "f5": "n2", "f6": "n3", "f7": "n1", "f8": "n2", "f9": "n3"}
IDS = {name: number for number, name in enumerate([*PLACES, *AWARE], 1)}
HOSTS = {"c1": ("n1", 10), "c2": ("n2", 11), "c3": ("n3", 12), "s1": ("n1", 20), "s2": ("n2", 21), "s3": ("n3", 22)}
STREAMS = (
    Stream("always", "c1", "s3", "10.0.0.22", 7001, 500),
    Stream("echoed", "c2", "s1", "fd00::20", 7002, 300, echo=True),
    Stream("sometimes", "c3", "s2", "10.0.0.21", 7003, 400, ports="21000-21003"),
    Stream("beside", "c1", "s2", "10.0.0.21", 7004, 300, ports="21000-21003"),
    Stream("contested", "c3", "s1", "10.0.0.20", 7005, 500, ports="20000-20007"),
)
CLASSES = [
    (stream.name, port)
    for stream in STREAMS
    for low, high in [map(int, stream.ports.split("-"))]
    for port in range(low, high + 1)
]


def hosts() -> list[LabHost]:
    ends = [host(name, node, f"10.0.0.{last}/24", f"fd00::{last}/64") for name, (node, last) in HOSTS.items()]
    functions = [function(name, node, "stamp", "--id", str(IDS[name])) for name, node in PLACES.items()]
    aware = [function(n, node, "stamp", "--id", str(IDS[n]), "--encap", "nsh") for n, node in AWARE.items()]
    return ends + functions + aware


KINDS = (
    *("reshape", "step", "member", "member", "weight", "exists", "narrow"),
    *("encapsulation", "symmetric", "several", "bystander"),
)


@dataclass
class Figures:
    changes: int = 0
    seconds: float = 0.0
    packets: int = 0
    replies: int = 0
    lost: int = 0
    duplicated: int = 0
    mixtures: int = 0
    unlike: int = 0
    dropped: int = 0
    slowest: float = 0.0
    kinds: Counter[str] = field(default_factory=Counter)
    details: list[str] = field(default_factory=list)

    @property
    def clean(self) -> bool:
        return not (self.lost or self.duplicated or self.mixtures or self.unlike)

    def __str__(self) -> str:
        kinds = ", ".join(f"{count} {kind}" for kind, count in sorted(self.kinds.items()))
        return "\n".join(
            [
                f"{self.changes} changes in {self.seconds:.1f} s: {self.changes / self.seconds:.1f} per second, "
                f"the slowest {self.slowest:.2f} s",
                f"  {kinds}",
                f"{self.packets} packets and {self.replies} replies: "
                f"{(self.packets + self.replies) / self.seconds:.0f} per second",
                f"{self.lost} lost, {self.duplicated} duplicated, {self.mixtures} that saw a mixture, "
                f"{self.unlike} whose answer met other instances",
                f"{self.dropped} dropped by the kernel before a switch",
                *self.details[:20],
            ]
        )


class Intent:
    """What is declared now, and what that means for each class of packets."""

    def __init__(self, rng: random.Random) -> None:
        self.rng = rng
        self.weights = dict.fromkeys([*PLACES, *AWARE], 1)
        self.guests = 0
        self.groups = {"g1": ["f1", "f5"], "g2": ["f2", "f6", "f7"], "g3": ["f3"], "g4": ["f4", "f8", "f9"]}
        self.chains: dict[str, dict[str, Any]] = {
            "always": self._chain("c1", "s3", 7001, ["g1", "g2"]),
            "echoed": self._chain("c2", "s1", 7002, ["g2", "g3"], symmetric=True, encapsulation="mpls"),
            "wide": self._chain("c3", "s1", 7005, ["g1"]),
        }

    def _chain(self, source: str, to: str, port: int, through: list[str], **more: Any) -> dict[str, Any]:
        match = {"from": source, "to": to, "protocol": "udp", "destination_ports": port}
        return {"match": match, "through": through, **more}

    def whole(self) -> dict[str, Any]:
        return {
            "nodes": ["n1", "n2", "n3"],
            "networks": {"web": ["10.0.0.0/24", "fd00::/64"]},
            "ports": {
                name: {"network": "web", "node": node, "addresses": [f"10.0.0.{last}", f"fd00::{last}"]}
                for name, (node, last) in HOSTS.items()
            },
            "instances": {name: self._instance(name) for name in (*PLACES, *AWARE)},
            "groups": self.groups,
            "chains": self.chains,
        }

    def _instance(self, name: str) -> dict[str, Any]:
        if name in AWARE:
            return {"node": AWARE[name], "aware": "nsh"}
        return {"node": PLACES[name], "weight": self.weights[name]}

    # -- meaning ---------------------------------------------------------------------------------------------------

    def meaning(self, name: str, port: int) -> tuple[frozenset[Trail], object]:
        """The trails that packets may show, and all that decides which one a packet shows."""
        chain = self._applies(name, port)
        if chain is None:
            return frozenset({()}), None
        steps = [self._members(step) for step in chain["through"]]
        trails = frozenset(itertools.product(*([IDS[name] for name, _ in step] for step in steps)))
        return trails, (tuple(steps), chain.get("encapsulation"))

    def _members(self, step: str) -> tuple[tuple[str, int], ...]:
        names = self.groups.get(step, [step])
        return tuple((name, self.weights[name]) for name in names if self.weights[name])

    def _applies(self, name: str, port: int) -> dict[str, Any] | None:
        if name != "contested":
            return self.chains.get(name)
        narrow = self.chains.get("narrow")
        if narrow is not None and narrow["precedence"] > 100:
            low, high = map(int, narrow["match"]["source_ports"].split("-"))
            if low <= port <= high:
                return narrow
        return self.chains["wide"]

    # -- changes ---------------------------------------------------------------------------------------------------

    def change(self, apply: Callable[[dict[str, Any]], None], delete: Callable[[str], None]) -> str:
        """Make one change; returns its kind."""
        while True:
            kind = self.rng.choice(KINDS)
            changed = getattr(self, f"_{kind}")()
            if changed is None:
                continue
            if "chains" in changed and None in changed["chains"].values():
                (name,) = changed["chains"]
                delete(name)
            else:
                apply(changed)
            return kind

    def _put(self, name: str, **fields: Any) -> dict[str, Any]:
        self.chains[name] = self.chains[name] | fields
        return {"chains": {name: self.chains[name]}}

    def _some(self) -> str:
        return self.rng.choice(sorted(self.chains))

    def _reshape(self) -> dict[str, Any]:
        name = self._some()
        return self._put(name, through=self._usable(name))

    def _step(self) -> dict[str, Any] | None:
        name = self._some()
        through = list(self.chains[name]["through"])
        if self.rng.random() < 0.5 and len(through) > 1:
            through.pop(self.rng.randrange(len(through)))
        elif len(through) < 5:
            others = [step for step in self._all_usable(name) if step not in through]
            through.insert(self.rng.randint(0, len(through)), self.rng.choice(others))
        return self._put(name, through=through)

    def _member(self) -> dict[str, Any] | None:
        group = self.rng.choice(sorted(self.groups))
        members = list(self.groups[group])
        if self.rng.random() < 0.5 and len(members) > 1:
            members.pop(self.rng.randrange(len(members)))
        elif len(members) < 5:
            others = [name for name in PLACES if name not in members]
            members.insert(self.rng.randint(0, len(members)), self.rng.choice(others))
        if not self._carries(members):
            return None
        self.groups[group] = members
        return {"groups": {group: members}}

    def _weight(self) -> dict[str, Any] | None:
        name, weight = self.rng.choice(list(PLACES)), self.rng.choice([0, 1, 1, 2, 3, 7])
        before, self.weights[name] = self.weights[name], weight
        steps = {step for chain in self.chains.values() for step in chain["through"]}
        if (name in steps and not weight) or not all(self._carries(members) for members in self.groups.values()):
            self.weights[name] = before
            return None
        return {"instances": {name: self._instance(name)}}

    def _carries(self, members: list[str]) -> bool:
        return any(self.weights[name] for name in members)

    def _exists(self) -> dict[str, Any]:
        if "sometimes" in self.chains:
            del self.chains["sometimes"]
            return {"chains": {"sometimes": None}}
        self.chains["sometimes"] = self._chain("c3", "s2", 7003, self._usable("sometimes"))
        return {"chains": {"sometimes": self.chains["sometimes"]}}

    def _narrow(self) -> dict[str, Any]:
        if "narrow" in self.chains and self.rng.random() < 0.3:
            del self.chains["narrow"]
            return {"chains": {"narrow": None}}
        low = self.rng.randint(20000, 20007)
        chain = self._chain("c3", "s1", 7005, self._usable("narrow"), precedence=self.rng.choice([50, 150, 200]))
        chain["match"]["source_ports"] = f"{low}-{self.rng.randint(low, 20007)}"
        self.chains["narrow"] = chain
        return {"chains": {"narrow": chain}}

    def _encapsulation(self) -> dict[str, Any] | None:
        name = self._some()
        if name == "sometimes":
            return None
        other = "nsh" if self.chains[name].get("encapsulation", "nsh") == "mpls" else "mpls"
        return self._put(name, encapsulation=other)

    def _symmetric(self) -> dict[str, Any] | None:
        name = self._some()
        if name == "echoed":
            return None
        return self._put(name, symmetric=not self.chains[name].get("symmetric", False))

    def _several(self) -> dict[str, Any]:
        """Two chains and a group in one go."""
        changed: dict[str, Any] = {"chains": {}}
        for name in self.rng.sample(sorted(self.chains), 2):
            changed["chains"] |= self._put(name, through=self._usable(name))["chains"]
        return changed | (self._member() or {})

    def _bystander(self) -> dict[str, Any]:
        """One more port in the network, of which every node hears."""
        self.guests += 1
        port = {
            "network": "web",
            "node": self.rng.choice(["n1", "n2", "n3"]),
            "address": f"10.0.0.{100 + self.guests % 50}",
        }
        return {"ports": {f"guest{self.guests % 50}": port}}

    def _usable(self, chain: str) -> list[str]:
        return self.rng.sample(self._all_usable(chain), self.rng.randint(1, 4))

    def _all_usable(self, chain: str) -> list[str]:
        names = [name for name in PLACES if self.weights[name]]
        return [*self.groups, *names, *(AWARE if chain == "sometimes" else ())]


class Churn:
    """``with Churn(fabric, seed) as churn: churn.run(...)``; then ``figures`` judges every packet."""

    def __init__(self, fabric: Fabric, seed: int, report: Callable[[str], None] = print) -> None:
        self._fabric = fabric
        self._report = report
        self._intent = Intent(random.Random(seed))
        self._figures = Figures()
        self._fabric.apply(self._intent.whole())
        now = time.monotonic_ns()
        self._histories = {
            (name, port): History(*self._intent.meaning(name, port), now, SLACK) for name, port in CLASSES
        }
        self._asked = self._in_force = 0

    def run(self, changes: int, seconds: float) -> Figures:
        """Up to so many changes, for up to so long."""
        buffers.widen(self._fabric.lab)
        buffers.dropped(self._fabric.lab)
        with Traffic(self._fabric, STREAMS) as traffic:
            begun = told = time.monotonic()
            while self._figures.changes < changes and time.monotonic() - begun < seconds:
                self._change()
                if time.monotonic() - told > 10:
                    told = time.monotonic()
                    self._report(f"{self._figures.changes} changes in {told - begun:.0f} s")
            self._figures.seconds = time.monotonic() - begun
            results = traffic.stop()
        self._figures.dropped = buffers.dropped(self._fabric.lab)
        self._judge(results)
        return self._figures

    def _change(self) -> None:
        kind = self._intent.change(self._apply, self._delete)
        self._figures.kinds[kind] += 1
        self._figures.changes += 1
        self._figures.slowest = max(self._figures.slowest, (self._in_force - self._asked) / 1e9)
        for (name, port), history in self._histories.items():
            history.change(*self._intent.meaning(name, port), self._asked, self._in_force)

    def _apply(self, changed: dict[str, Any]) -> None:
        self._asked = time.monotonic_ns()
        self._fabric.apply(changed)
        self._in_force = time.monotonic_ns()

    def _delete(self, chain: str) -> None:
        self._asked = time.monotonic_ns()
        answer = self._fabric.delete(("chain", chain))
        assert answer["ready"], answer["waiting"]
        self._in_force = time.monotonic_ns()

    # -- judgement -------------------------------------------------------------------------------------------------

    def _judge(self, results: dict[str, Result]) -> None:
        figures = self._figures
        for name, result in results.items():
            figures.packets += len(result.packets)
            figures.lost += len(result.lost) + len(result.lost_back)
            figures.duplicated += result.duplicates
            for what, lost in (("lost", result.lost), ("answer lost", result.lost_back)):
                figures.details += [f"{name}: {what}: {p.sequence} sent at {p.sent / 1e9:.3f}" for p in lost]
            for (stream, port), history in self._histories.items():
                if stream == name:
                    mine = [packet for packet in result.packets if packet.port == port]
                    self._judge_class(name, history, mine)

    def _judge_class(self, name: str, history: History, packets: list[Packet]) -> None:
        there = [Seen(p.sequence, p.sent, p.arrived, p.trail) for p in packets if p.arrived]
        self._mixtures(name, history.judge(there))
        answered = [p for p in packets if p.returned]
        if not answered:
            return
        self._figures.replies += len(answered)
        back = list(_answers(answered))
        self._mixtures(f"{name}, answers", history.judge(sorted(back, key=lambda seen: seen.sent)))
        for packet, seen in zip(answered, back, strict=True):
            whole = Seen(packet.sequence, packet.sent, packet.returned, ())
            if seen.trail != packet.trail and history.only(whole):
                self._figures.unlike += 1

    def _mixtures(self, name: str, found: list[Mixture]) -> None:
        self._figures.mixtures += len(found)
        self._figures.details += [f"{name}: {mixture}" for mixture in found]


def _answers(packets: list[Packet]) -> Iterator[Seen]:
    """The way back of each, turned round, so that it reads as the way there. It begins when the packet arrived."""
    for packet in packets:
        assert packet.back[: len(packet.trail)] == packet.trail, packet
        turned = packet.back[len(packet.trail) :][::-1]
        yield Seen(packet.sequence, packet.arrived, packet.returned, turned)
