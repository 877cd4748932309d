"""A flow of a service that begins to count anew does so at its switches, once; one that is only changed counts on."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

import pytest

from segue.openflow import FlowMod, FlowModCommand, FlowModFlags, SetField
from segue.openflow import protocol as of

from .fabric import Fabric, host
from .injected import ON, flow, flow_packets, key_of, rules, say, udp_to
from .talk import settle

pytestmark = pytest.mark.root

SEND = """
import socket
s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
for port in (80, 80, 80, 90, 90):
    s.sendto(b"x", ("10.0.0.20", port))
"""
INTENT: dict[str, Any] = {
    "nodes": ["n1", "n2"],
    "networks": {"web": "10.0.0.0/24"},
    "ports": {
        name: {"network": "web", "node": node, "address": f"10.0.0.{last}"}
        for name, node, last in (("client", "n1", 10), ("server", "n2", 20))
    },
    "services": {
        "guard": {"hook": "ingress", "attach": ["port/client"], "permissions": {"rewrite": ["ipv4_dst", "udp_dst"]}}
    },
}


@pytest.fixture
def fabric() -> Iterator[Fabric]:
    hosts = [host("client", "n1", "10.0.0.10/24"), host("server", "n2", "10.0.0.20/24")]
    with Fabric(hosts, nodes=2) as running:
        running.apply(INTENT)
        yield running


def counted(fabric: Fabric) -> dict[int, int]:
    """By UDP port, as the client's switch says; and the service is told the same."""
    settle(fabric)
    found = {}
    for one in rules(fabric, "n1", [key_of(fabric, "guard")]):
        if port := re.search(r"(?:udp_dst|tp_dst)=(\d+)", one.identity[1]):
            found[int(port[1])] = one.packets
    told = {int(port[1]): n for key, n in flow_packets(fabric, "guard").items() if (port := _PORT.search(key[2]))}
    assert told == found
    return found


_PORT = re.compile(r'"udp_dst": (\d+)')


def sent(fabric: Fabric) -> dict[int, int]:
    fabric.python("client", SEND)
    return counted(fabric)


def changed(one: FlowMod, command: FlowModCommand, flags: int = 0) -> FlowMod:
    """It writes a port that the packet has."""
    port = one.match["udp_dst"]
    assert isinstance(port, int)
    return FlowMod(
        one.match,
        instructions=[of.ApplyActions([SetField("udp_dst", port), ON])],
        priority=one.priority,
        command=command,
        flags=flags,
    )


def test_a_flow_counts_anew_at_its_switch_and_not_again_when_all_is_killed(fabric: Fabric) -> None:
    one, other = flow(udp_to(80), ON), flow(udp_to(90), ON)
    say(fabric, "guard", one, other)
    assert sent(fabric) == {80: 3, 90: 2}
    anew = int(FlowModFlags.RESET_COUNTS)
    say(fabric, "guard", flow(udp_to(80), ON, flags=anew), changed(other, FlowModCommand.MODIFY_STRICT))
    assert counted(fabric) == {80: 0, 90: 2}
    assert sent(fabric) == {80: 3, 90: 4}
    say(fabric, "guard", changed(one, FlowModCommand.MODIFY_STRICT), changed(other, FlowModCommand.MODIFY, anew))
    assert counted(fabric) == {80: 3, 90: 0}
    assert sent(fabric) == {80: 6, 90: 2}
    for name, start in (("server", fabric.start_server), ("n1", lambda: fabric.start_agent("n1"))):
        fabric.kill(name)
        start()
        fabric.until(fabric.agents_ready, "the agents")
        assert counted(fabric) == {80: 6, 90: 2}
    assert sent(fabric) == {80: 9, 90: 4}
