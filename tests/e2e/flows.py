"""What a switch holds, as ovs-ofctl tells it."""

from __future__ import annotations

import re
from dataclasses import dataclass

from .fabric import Fabric

OURS = 0x5E << 56
_FLOW = re.compile(
    r"\s*cookie=(?P<cookie>0x[0-9a-f]+), duration=(?P<duration>[0-9.]+)s, table=(?P<table>\d+),"
    r" n_packets=(?P<packets>\d+), n_bytes=\d+, (?P<rest>.*)"
)
_AGES = re.compile(r"(idle|hard)_age=\d+, ")


@dataclass(frozen=True)
class Held:
    """``identity``: table, priority and match. ``duration`` in seconds, since the flow was put there."""

    cookie: int
    duration: float
    packets: int
    identity: tuple[int, str]
    actions: str

    @property
    def ours(self) -> bool:
        return self.cookie >> 56 == OURS >> 56

    @property
    def what(self) -> tuple[int, tuple[int, str], str]:
        """All of it that does not change with time."""
        return (self.cookie, self.identity, self.actions)


def held(fabric: Fabric, node: str, bridge: str = "br-int") -> list[Held]:
    done = fabric.exec(node, "ovs-ofctl", "-O", "OpenFlow15", "dump-flows", "--no-names", bridge)
    assert done.returncode == 0, done.stderr
    found = []
    for line in done.stdout.splitlines():
        matched = _FLOW.match(_AGES.sub("", line))
        if matched is None:
            assert "OFPST_FLOW" in line, line
            continue
        rest, _, actions = matched["rest"].partition(" actions=")
        table = int(matched["table"])
        found.append(
            Held(
                int(matched["cookie"], 16), float(matched["duration"]), int(matched["packets"]), (table, rest), actions
            )
        )
    return found


def program(fabric: Fabric, node: str) -> frozenset[tuple[int, tuple[int, str], str]]:
    """Segue's flows on a node."""
    return frozenset(flow.what for flow in held(fabric, node) if flow.ours)


def ofctl(fabric: Fabric, node: str, *arguments: str) -> None:
    done = fabric.exec(node, "ovs-ofctl", "-O", "OpenFlow15", *arguments)
    assert done.returncode == 0, done.stderr


class Untouched:
    """What nodes' switches hold from now on: ``check`` fails if a flow was added, removed, or put there anew."""

    def __init__(self, fabric: Fabric, *nodes: str) -> None:
        self._fabric = fabric
        self._before = {node: {flow.what: flow for flow in held(fabric, node)} for node in nodes or fabric.nodes}

    def check(self, elapsed: float) -> None:
        """``elapsed``: seconds that have passed at least since."""
        for node, before in self._before.items():
            after = {flow.what: flow for flow in held(self._fabric, node)}
            assert after.keys() == before.keys(), f"{node}: {set(after) ^ set(before)}"
            for what, flow in after.items():
                assert flow.duration >= before[what].duration + elapsed * 0.99, f"{node}: {flow} was put there anew"
                assert flow.packets >= before[what].packets, f"{node}: {flow} has forgotten what it counted"
