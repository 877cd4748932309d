"""Path headers and marks that a tenant has written itself: whatever its services do at any hook, none of its packets
comes to a function or a port of somebody else's by them."""

from __future__ import annotations

import pytest
from injected_services import Injected
from test_hooks import inject
from test_meaning import build
from worlds import World

from segue.inject.datapath import Datapath
from segue.inject.rooms import Numbers
from segue.inject.scope import Element, Scope
from segue.intent import parse
from segue.model.hooks import HOOKS
from segue.model.intent import Permissions
from segue.model.marks import mark
from segue.model.path import FIRST_INDEX
from segue.model.program import FIRST_METER, Rule
from segue.model.view import PathRecord, PortRecord
from segue.openflow import protocol as of
from segue.openflow.wire import NORMAL
from segue.packet.addresses import ETH_IPV4, ETH_MPLS, ETH_NSH
from segue.verify.network import FunctionHop
from segue.verify.packet import Frame, Label, Packet

TEXT = """
nodes: {n1: 192.0.2.1, n2: 192.0.2.2}
networks: {theirs: 10.0.0.0/24, mine: 10.9.0.0/24}
ports:
  v1: {network: theirs, node: n1, address: 10.0.0.10}
  v2: {network: theirs, node: n2, address: 10.0.0.11}
  f: {network: theirs, node: n2, address: 10.0.0.20}
  m1: {network: mine, node: n1, address: 10.9.0.10}
  m2: {network: mine, node: n2, address: 10.9.0.11}
  g: {network: mine, node: n1, address: 10.9.0.20}
instances: {fw: {port: f}, own: {port: g}}
groups: {fws: {instances: [fw]}, owns: {instances: [own]}}
classifiers: {c: {from: v1, protocol: tcp}, d: {from: m1, protocol: udp}}
chains:
  ch: {encapsulation: ENCAPSULATION, match: c, through: [fws]}
  mine: {match: d, through: [owns]}
"""
TO_M2 = (of.Output(2),)
ON_TOO = (of.Output(2), of.Output(NORMAL))


def made(encapsulation: str) -> tuple[World, dict[str, PortRecord], dict[str, int]]:
    """A network, its ports, and paths by chain."""
    world = build(dict(parse(TEXT.replace("ENCAPSULATION", encapsulation), "t").objects))
    records = [record for view in world.conductor.views.values() for record in view.values()]
    ports = {record.name: record for record in records if isinstance(record, PortRecord)}
    paths = {r.path.spec.chain: r.path.id for r in records if isinstance(r, PathRecord)}
    return world, ports, paths


def hostile(world: World, ports: dict[str, PortRecord], hook: str, actions: tuple[of.Action, ...]) -> None:
    """A service of the tenant's that does this to every packet of its ports."""
    own = {1: "m1", 2: "m2", 3: "g"}
    elements = {n: Element(n, "port", p, ports[p].key, ports[p].mac, network=ports[p].network) for n, p in own.items()}
    permissions = Permissions(redirect=True, copy=True)
    switch = Datapath(Scope("evil", 1, HOOKS[hook], permissions, elements, copy_meter=FIRST_METER + 1), Numbers())
    rule = switch.apply(of.FlowMod(instructions=[of.ApplyActions(actions)]), 4, 1.0).rules[1]
    assert isinstance(rule, Rule)
    attached = [("port", ports[name].key) for name in own.values()]
    names = {ports[name].key: name for name in own.values()}
    inject(world, [Injected("evil", 1, HOOKS[hook], 100, attached, names, [rule])])


def forged(encapsulation: str, path: int, index: int, source: int, target: int) -> Packet:
    """As the network would write it, with a packet of the chain's inside."""
    network = {"ipv4_src": 0x0A00000A, "ipv4_dst": 0x0A00000B, "ip_proto": 6, "nw_ttl": 64, "tcp_src": 1, "tcp_dst": 22}
    if encapsulation == "mpls":
        labels = (Label(path), Label(index))
        return Packet(Frame(0, ETH_MPLS, source, target, (), labels, ETH_IPV4, network, payload=b"forged"))
    inner = Packet.of(network | {"eth_src": source, "eth_dst": target, "eth_type": ETH_IPV4}, payload=b"forged")
    outer = {"eth_src": source, "eth_dst": target, "eth_type": ETH_NSH, "nsh_spi": path, "nsh_si": index}
    return Packet.of(outer, inner=inner)


def unmoved(world: World, port: str, packet: Packet) -> None:
    journey = world.send(port, packet)
    got = {one.port for one in journey.deliveries} | {h.port for h in journey.hops if isinstance(h, FunctionHop)}
    assert got <= {"m1", "m2", "g"}, got


@pytest.mark.parametrize("encapsulation", ["mpls", "nsh"])
@pytest.mark.parametrize("actions", [TO_M2, ON_TOO, (of.Output(NORMAL),)])
@pytest.mark.parametrize("hook", list(HOOKS))
def test_a_path_header_that_a_port_sends_leads_nowhere(
    hook: str, actions: tuple[of.Action, ...], encapsulation: str
) -> None:
    world, ports, paths = made(encapsulation)
    hostile(world, ports, hook, actions)
    for index in (FIRST_INDEX, FIRST_INDEX - 1):
        for target in ("v2", "m2"):
            packet = forged(encapsulation, paths["ch"], index, ports["m1"].mac, ports[target].mac)
            unmoved(world, "m1", packet)


@pytest.mark.parametrize("encapsulation", ["mpls", "nsh"])
def test_a_function_brings_no_path_header_of_another_chain_with_it(encapsulation: str) -> None:
    """What a bump in the wire gives back bears the mark of its own path; what is behind the addresses is its own."""
    world, ports, paths = made(encapsulation)
    for index in (FIRST_INDEX, FIRST_INDEX - 1):
        source = mark(paths["mine"], FIRST_INDEX)
        unmoved(world, "g", forged(encapsulation, paths["ch"], index, source, ports["m2"].mac))


def test_a_mark_is_not_redirected() -> None:
    """To a function, which would give it back as one of its path's."""
    world, ports, paths = made("nsh")
    hostile(world, ports, "ingress", (of.Output(3),))
    fields = {"eth_type": ETH_IPV4, "ip_proto": 17, "nw_ttl": 64, "eth_dst": ports["m2"].mac}
    for source, arrives in ((mark(paths["mine"], FIRST_INDEX), False), (ports["m1"].mac, True)):
        journey = world.send("m1", Packet.of(fields | {"eth_src": source}))
        assert bool([h for h in journey.hops if isinstance(h, FunctionHop)] or journey.deliveries) == arrives
