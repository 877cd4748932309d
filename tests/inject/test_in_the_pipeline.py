"""What rules of a service do to packets, in the pipeline of a node: the interpreter says."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import msgspec
import pytest

from inject.pipeline import KEYS, compiled, ip, mac, network
from inject.scenes import COPY_METER, ELEMENTS, GROUPS, METERS, PACKET_IN_METER, SERVICE, flow, scope
from segue.inject import translate
from segue.inject.flow import Flow
from segue.inject.packets import Sending
from segue.model.hooks import HOOKS
from segue.model.program import Band, Meter, Rule
from segue.model.stages import ELEMENT, SERVICE_METADATA
from segue.model.view import AnyRecord, FlowRecord, GroupRecord, HookRecord, MeterRecord, ServiceRecord, Turn
from segue.openflow import CONTROLLER, FLOOD, IN_PORT, NORMAL, TABLE
from segue.openflow import protocol as of
from segue.verify.interpreter import Program, Trace, run
from segue.verify.packet import Packet

BRIDGED = [name for name in HOOKS if name != "forward"]
"""The hooks that a packet between ports of one network passes."""
ON = of.Output(NORMAL)
OUT = {key: 1 + at for at, key in enumerate(KEYS)}
"""Key of a port to the switch's number of it."""


def node(hook: str, *flows: Flow) -> Program:
    """Ports 1 and 2 of the service (keys 11 and 12) are attached at ``hook``; 3 (key 13) it may send to."""
    where = scope(hook)
    own = tuple((element.key, f"p{element.key}", "n1") for element in where.ports)
    records: dict[str, AnyRecord] = {f"service/{SERVICE}": ServiceRecord("ips", SERVICE, hook, own)}
    for key in (11, 12):
        records[f"hook/{hook}:port:{key}"] = HookRecord(hook, "port", key, (Turn(1, "ips", SERVICE),))
    mod = of.GroupMod(command=0, group_id=1, buckets=[of.Bucket([of.Output(3)])])
    group = translate.group(where, mod, GROUPS[1], GROUPS, METERS)
    records[f"group/{group.number}"] = GroupRecord(group)
    meter = Meter(PACKET_IN_METER, True, (Band(100),), where.owner)
    records[f"meter/{meter.number}"] = MeterRecord(meter)
    records[f"meter/{COPY_METER}"] = MeterRecord(Meter(COPY_METER, True, (Band(100),), where.owner))
    for number, one in enumerate(flows):
        rule = translate.rule(where, one, GROUPS, METERS)
        assert rule is not None
        records[f"flow/{SERVICE}/{number}"] = FlowRecord(rule)
    return compiled({**network(), **records}, {group.number: group})


def udp(source: int = 11, target: int = 12, **more: int) -> Packet:
    fields = {"eth_src": mac(source), "eth_dst": mac(target), "eth_type": 0x0800, "ip_proto": 17, "nw_ttl": 64}
    fields |= {"ipv4_src": ip(source), "ipv4_dst": ip(target), "udp_src": 1, "udp_dst": 53}
    return Packet.of(fields | more)


def trace(program: Program, packet: Packet, source: int = 11) -> Trace:
    found = run(program, packet, OUT[source])
    assert not found.error
    return found


def outs(program: Program, packet: Packet | None = None, source: int = 11) -> list[int]:
    """The keys of the ports that got it."""
    numbers = {number: key for key, number in OUT.items()}
    return [numbers[one.port] for one in trace(program, packet or udp(), source).outputs]


def element(hook: str) -> int:
    """The virtual port that a packet from key 11 to key 12 is met at."""
    return 1 if HOOKS[hook].from_element else 2


@pytest.mark.parametrize("hook", BRIDGED)
def test_without_an_entry_the_packet_goes_on(hook: str) -> None:
    assert outs(node(hook)) == [12]
    assert "service_0" in trace(node(hook), udp()).stages
    assert outs(node(hook, flow({"eth_type": 0x0806}))) == [12]


@pytest.mark.parametrize("hook", BRIDGED)
@pytest.mark.parametrize(
    ("actions", "expected"),
    [
        ([], []),
        ([ON], [12]),
        ([of.Output(3)], [13]),
        ([of.Output(3), ON], [13, 12]),
        ([ON, of.Output(3)], [13, 12]),
        ([of.Group(1)], [13]),
        ([of.Group(1), ON], [13, 12]),
        ([of.Output(CONTROLLER)], []),
        ([of.Output(CONTROLLER), ON], [12]),
        ([of.Output(3), of.PushVlan(), of.Output(2), of.Output(1)], None),
    ],
)
def test_what_an_entry_does(hook: str, actions: Sequence[of.Action], expected: list[int] | None) -> None:
    match = {"in_port": element(hook)}
    if expected is None:  # all but the port that it is of
        expected = [13, 12] if element(hook) == 1 else [13, 11]
    assert outs(node(hook, flow(match, *actions))) == expected
    assert outs(node(hook, flow({"in_port": 3}, *actions))) == [12]


@pytest.mark.parametrize("hook", BRIDGED)
def test_floods_and_the_way_back(hook: str) -> None:
    at = element(hook)
    own = {1: 11, 2: 12, 3: 13}
    assert outs(node(hook, flow({"in_port": at}, of.Output(FLOOD)))) == [own[one] for one in own if one != at]
    assert outs(node(hook, flow({"in_port": at}, of.Output(IN_PORT)))) == [own[at]]


def test_at_ingress_a_flood_needs_no_port_to_leave_out() -> None:
    assert outs(node("ingress", flow({}, of.Output(FLOOD)))) == [12, 13]


@pytest.mark.parametrize("hook", BRIDGED)
def test_tables_and_metadata(hook: str) -> None:
    there = Flow(0, 1, {}, (of.WriteMetadata(5), of.GotoTable(7)))
    assert outs(node(hook, there)) == [12]
    assert outs(node(hook, there, flow({"metadata": 5}, table=7))) == []
    assert outs(node(hook, there, flow({"metadata": 6}, table=7))) == [12]
    copied = Flow(0, 1, {}, (of.ApplyActions([of.Output(3)]), of.GotoTable(7)))
    assert outs(node(hook, copied)) == [13, 12]
    assert outs(node(hook, copied, flow({}, table=7))) == [13]


@pytest.mark.parametrize("hook", BRIDGED)
def test_the_controller_hears_of_the_element_and_of_the_metadata(hook: str) -> None:
    first = Flow(0, 1, {}, (of.WriteMetadata(5), of.GotoTable(1)))
    program = node(hook, first, flow({}, of.Output(CONTROLLER), ON, table=1, cookie=9))
    (punt,) = trace(program, udp()).punts
    assert (punt.action.service, punt.action.table, punt.action.cookie) == (SERVICE, 1, 9)
    fields = punt.packet.fields
    assert fields[ELEMENT] == ELEMENTS[element(hook)].register
    assert fields[SERVICE_METADATA] == 5


@pytest.mark.parametrize("hook", BRIDGED)
def test_what_is_written_stays_written(hook: str) -> None:
    match = {"eth_type": 0x0800, "ip_proto": 17, "udp_dst": 53}
    program = node(hook, flow(match, of.SetField("ip_dscp", 46), of.SetField("udp_dst", 54), ON))
    (sent,) = trace(program, udp()).outputs
    assert (sent.port, sent.packet.fields["ip_dscp"], sent.packet.fields["udp_dst"]) == (OUT[12], 46, 54)


@pytest.mark.parametrize("hook", BRIDGED)
def test_a_packet_whose_time_is_over(hook: str) -> None:
    match = {"eth_type": 0x0800}
    dropping = node(hook, flow(match, of.DecNwTtl(), of.Output(3)))
    passing = node(hook, flow(match, of.DecNwTtl(), of.SetField("ip_dscp", 46), ON))
    assert outs(dropping, udp(nw_ttl=1)) == []
    assert outs(dropping, udp(nw_ttl=2)) == [13]
    (sent,) = trace(passing, udp(nw_ttl=1)).outputs
    assert (sent.packet.fields["nw_ttl"], sent.packet.fields["ip_dscp"]) == (1, 0)
    (sent,) = trace(passing, udp(nw_ttl=2)).outputs
    assert (sent.packet.fields["nw_ttl"], sent.packet.fields["ip_dscp"]) == (1, 46)


def inject(program: Program, sendings: list[Sending], packet: Packet) -> list[int]:
    """A packet-out on this node, as from the switch's controller."""
    numbers = {number: key for key, number in OUT.items()}
    found = []
    for _, actions, _ in sendings:
        first = Rule("admission", 60_000, (("in_port", 999),), actions, "packet-out")
        program.add(first)
        found += [numbers[one.port] for one in run(program, packet, 999).outputs]
        program.remove(first)
    return found


def here(hook: str) -> Any:
    return scope(hook, elements={number: msgspec.structs.replace(one, node="n1") for number, one in ELEMENTS.items()})


@pytest.mark.parametrize("hook", BRIDGED)
def test_packet_outs_reach_ports_past_all_hooks(hook: str) -> None:
    program = node(hook, flow({}))
    msg = of.PacketOut(actions=[of.Output(FLOOD)], data=bytes(60))
    assert inject(program, translate.packet_out(here(hook), msg), udp()) == [11, 12, 13]


@pytest.mark.parametrize("hook", ["ingress", "pre-routing"])
def test_packet_outs_as_if_a_port_had_sent_them(hook: str) -> None:
    program = node(hook, flow({}))
    to_itself, past_itself = (
        translate.packet_out(here(hook), of.PacketOut(in_port=1, actions=[of.Output(port)], data=bytes(60)))
        for port in (TABLE, NORMAL)
    )
    assert inject(program, to_itself, udp()) == []
    assert inject(program, past_itself, udp()) == [12]
    assert inject(program, past_itself, udp(ipv4_src=ip(13))) == []
    assert inject(program, past_itself, udp(eth_src=mac(12))) == []
