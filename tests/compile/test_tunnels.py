"""Which nodes have tunnels to each other, and what is said of those that have none."""

from __future__ import annotations

import logging

import pytest

from segue.compile.rules import NodeCompiler
from segue.encap import available
from segue.model.path import Hop, Path, PathSpec, Step
from segue.model.program import AnyAction, Output, SetField
from segue.model.view import (
    TUNNEL_GPE,
    TUNNEL_PLAIN,
    NetworkRecord,
    PathRecord,
    PeerRecord,
    PortRecord,
    SelfRecord,
)
from segue.packet.addresses import parse_ip

ADDRESSES = {4: "192.0.2.%d", 6: "2001:db8::%d"}
FIELDS = {4: "tun_dst", 6: "tun_ipv6_dst"}
PLAIN, GPE = 90, 91
NUMBERS = {"n1": 1, "n2": 2, "n3": 3}
APART = "node n1 has no tunnel to node {}, whose address is IPv{}, not IPv{}; give all nodes addresses of one family"


def node(families: dict[str, int]) -> NodeCompiler:
    """What n1 is told where nodes have addresses of these families: a network with a port of each node, and a path over
    a function on each of the others."""
    compiler = NodeCompiler(available())
    for name, family in families.items():
        declare(compiler, name, family)
    compiler.bind(TUNNEL_PLAIN, PLAIN)
    compiler.bind(TUNNEL_GPE, GPE)
    compiler.record("network/9", NetworkRecord("net", 9, tuple(families), (), 0))
    for name in families:
        key = NUMBERS[name]
        compiler.record(f"port/{key}", PortRecord(f"p{key}", key, 9, name, 0x020000000000 + key, (), True, ()))
        if name != "n1":
            compiler.record(f"path/{key}", PathRecord(path(name)))
    compiler.bind("p1", 1)
    compiler.settle()
    return compiler


def path(name: str) -> Path:
    """Over a function on n1, and then one on the node."""
    function = Hop("f", name, 20, "f-in", 21, "f-out", 0x02, 0x03, True, "bridge", False, 1)
    mine = Hop("g", "n1", 22, "p1", 22, "p1", 0x04, 0x04, True, "bridge", False, 1)
    steps = (Step("g", 1, (mine,), (0,)), Step("f", 1, (function,), (0,)))
    return Path(NUMBERS[name], PathSpec("c", "forward", "nsh", 9, "net", 0, 0, steps, ()), "active")


def declare(compiler: NodeCompiler, name: str, family: int) -> None:
    address = ADDRESSES[family] % NUMBERS[name]
    if name == "n1":
        compiler.record("self", SelfRecord(name, 1, address))
    else:
        compiler.record(f"peer/{name}", PeerRecord(name, NUMBERS[name], address))


def reached(compiler: NodeCompiler) -> dict[str, list[tuple[str, int]]]:
    """By stage: the tunnels' destinations that are set before something is sent there, in the order of sending."""
    found: dict[str, list[tuple[str, int]]] = {}
    for rule in compiler.rules:
        addresses: list[AnyAction] = []
        for action in rule.actions:
            if isinstance(action, SetField) and action.field in FIELDS.values():
                addresses.append(action)
            elif isinstance(action, Output) and action.port in (PLAIN, GPE):
                # One destination alone is set in what is sent, as the other field's would be the one that counts.
                assert len({one.field for one in addresses if isinstance(one, SetField)}) == 1
                last = addresses[-1]
                assert isinstance(last, SetField)
                found.setdefault(f"{rule.stage} {rule.priority}", []).append((last.field, last.value))
    return {stage: sorted(set(ends)) for stage, ends in found.items()}


def ends(family: int, *nodes: str) -> dict[str, list[tuple[str, int]]]:
    """Broadcasts, frames for ports, and the path's packets go to these nodes."""
    found = sorted((FIELDS[family], parse_ip(ADDRESSES[family] % NUMBERS[name])[1]) for name in nodes)
    return dict.fromkeys(("forward 50", "forward 100", "pick 100"), found) if found else {}


def lacking(compiler: NodeCompiler, *nodes: str) -> list[str]:
    return [reason for name in nodes for reason in compiler.missing().get(NUMBERS[name], ()) if "tunnel" in reason]


@pytest.mark.parametrize("family", [4, 6])
def test_nodes_of_one_family_have_tunnels_to_each_other(family: int) -> None:
    compiler = node({"n1": family, "n2": family, "n3": family})
    assert reached(compiler) == ends(family, "n2", "n3")
    assert lacking(compiler, "n2", "n3") == []


@pytest.mark.parametrize(("mine", "other"), [(4, 6), (6, 4)])
def test_nodes_of_different_families_have_none_and_the_others_theirs(
    mine: int, other: int, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.WARNING):
        compiler = node({"n1": mine, "n2": mine, "n3": other})
    assert reached(compiler) == ends(mine, "n2")
    assert lacking(compiler, "n2", "n3") == [APART.format("n3", other, mine)]
    (said,) = caplog.messages
    assert said.startswith("nothing goes to node n3, whose address is")
    # One after the other they get addresses of the other family.
    declare(compiler, "n2", other)
    compiler.settle()
    assert reached(compiler) == {}
    assert lacking(compiler, "n2", "n3") == [APART.format(name, other, mine) for name in ("n2", "n3")]
    declare(compiler, "n1", other)
    compiler.settle()
    assert reached(compiler) == ends(other, "n2", "n3")
    assert lacking(compiler, "n2", "n3") == []
