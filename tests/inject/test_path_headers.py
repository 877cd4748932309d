"""Path headers on one node: what comes from another under which VNI, what a service may send, and whose packets
pre-routing knows. The interpreter says."""

from __future__ import annotations

from collections.abc import Mapping

import msgspec
import pytest

from inject.pipeline import KEYS, compiled, ip, mac, network
from inject.scenes import COPY_METER, ELEMENTS, GROUPS, METERS, SERVICE, flow, scope
from segue.inject import translate
from segue.model.program import Band, Meter, Rule
from segue.model.stages import ELEMENT, NETWORK, REDIRECTED, SOURCE_PORT, VERDICT
from segue.model.view import AnyRecord, FlowRecord, HookRecord, MeterRecord, PortRecord, ServiceRecord, Turn
from segue.openflow import NORMAL, TABLE
from segue.openflow import protocol as of
from segue.packet.addresses import Prefix
from segue.verify.interpreter import Program, run
from segue.verify.packet import Frame, Label, Packet

TUNNEL = 90
IP = {"eth_type": 0x0800, "ip_proto": 17, "nw_ttl": 64}
LABELLED = Frame(0, 0x8847, mac(21), mac(12), (), (Label(16), Label(255)), 0x0800, {}, payload=b"x")


def node(hook: str, *actions: of.Action, more: Mapping[str, AnyRecord] | None = None) -> Program:
    """Ports 11 and 12 have a service that does this to all of their packets."""
    where = scope(hook)
    own = tuple((element.key, f"p{element.key}", "n1") for element in where.ports)
    rule = translate.rule(where, flow({}, *actions), GROUPS, METERS)
    assert rule is not None
    records: dict[str, AnyRecord] = {
        f"service/{SERVICE}": ServiceRecord("ips", SERVICE, hook, own),
        f"flow/{SERVICE}/1": FlowRecord(rule),
        f"meter/{COPY_METER}": MeterRecord(Meter(COPY_METER, True, (Band(100),), where.owner)),
    }
    for key in (11, 12):
        records[f"hook/{hook}:port:{key}"] = HookRecord(hook, "port", key, (Turn(1, "ips", SERVICE),))
    return compiled({**network(), **records, **(more or {})}, {})


def outs(program: Program, packet: Packet, in_port: int) -> list[int]:
    found = run(program, packet, in_port)
    assert not found.error
    return [KEYS[one.port - 1] for one in found.outputs]


@pytest.mark.parametrize(
    ("vni", "stages"),
    [
        (100, ["admission", "unwrap"]),
        (REDIRECTED - 1, ["admission", "unwrap"]),
        (REDIRECTED | 12, ["admission", "deliver"]),
        (REDIRECTED | 99, ["admission"]),
        (REDIRECTED, ["admission"]),
        (REDIRECTED | 100, ["admission"]),
    ],
)
def test_labels_are_read_where_the_vni_is_a_network_s(vni: int, stages: list[str]) -> None:
    trace = run(node("ingress"), Packet(LABELLED, {"tunnel_id": vni}), TUNNEL)
    assert list(trace.stages)[: len(stages)] == stages and ("unwrap" in trace.stages) == ("unwrap" in stages)


@pytest.mark.parametrize("vni", [REDIRECTED, REDIRECTED | 100, REDIRECTED | 99, 0xFFFFFF])
def test_what_is_redirected_to_a_port_that_is_not_here_is_in_no_network(vni: int) -> None:
    packet = Packet.of({**IP, "eth_src": mac(21), "eth_dst": mac(12), "tunnel_id": vni})
    trace = run(node("ingress"), packet, TUNNEL)
    assert list(trace.stages) == ["admission"] and not trace.outputs


@pytest.mark.parametrize(
    ("fields", "passes"),
    [
        ({"eth_type": 0x8847}, False),
        ({"eth_type": 0x8848}, False),
        ({"eth_type": 0x894F}, False),
        ({"eth_type": 0x88B5}, True),
        ({"eth_type": 0x88B5, "eth_src": 0x0A5E000010FF}, False),
        ({"eth_type": 0x88B5, "eth_src": 0x0A5E0FFFFFFF}, False),
        ({"eth_type": 0x88B5, "eth_src": 0x0A5EFF000002}, True),
        (IP, True),
    ],
)
def test_what_a_service_may_not_send_to_a_port(fields: dict[str, int], passes: bool) -> None:
    given = {"eth_src": mac(11), "eth_dst": mac(12)} | fields
    if given["eth_type"] in (0x8847, 0x8848):
        packet = Packet(Frame(0, given["eth_type"], mac(11), mac(12), (), (Label(16), Label(255)), 0x0800, {}))
    else:
        packet = Packet.of(given)
    assert outs(node("ingress", of.Output(3)), packet, 1) == ([13] if passes else [])
    assert outs(node("ingress", of.Output(3), of.Output(NORMAL)), packet, 1)[:1] == ([13] if passes else [])


@pytest.mark.parametrize("port", [NORMAL, TABLE, 3])
@pytest.mark.parametrize("ethertype", [0x8847, 0x8848, 0x894F, 0x88B5])
def test_the_same_for_what_its_controller_sends(port: int, ethertype: int) -> None:
    """NORMAL and TABLE: as if a port had sent it."""
    frame = Frame(0, ethertype, mac(11), mac(12), (), (Label(16), Label(255)) if ethertype < 0x8849 else (), 0, {})
    if ethertype > 0x8849:
        frame = Packet.of({"eth_type": ethertype, "eth_src": mac(11), "eth_dst": mac(12)}).frame
    program = node("ingress", of.Output(NORMAL))
    data = bytes(12) + ethertype.to_bytes(2, "big") + bytes(46)
    where = scope(elements={number: msgspec.structs.replace(one, node="n1") for number, one in ELEMENTS.items()})
    ((_, actions, _),) = translate.packet_out(where, of.PacketOut(in_port=1, actions=[of.Output(port)], data=data))
    program.add(Rule("admission", 1000, (("in_port", 999),), actions, "packet-out"))
    got = outs(program, Packet(frame), 999)
    assert got == ([] if ethertype != 0x88B5 else [13] if port == 3 else [12])


@pytest.mark.parametrize("hook", [1, 2, 3, 4, 5])
def test_a_tag_that_a_tag_has_hidden_goes_no_further(hook: int) -> None:
    """Open vSwitch reads one: when a service has taken that one off, nobody knows what is beneath the next."""
    program = node("ingress")
    for ethertype in (0x8100, 0x88A8):
        for vlan, passes in ((0, False), (0x1005, True)):
            rule = program.lookup("go_on", {VERDICT: hook, "packet_type": 0, "eth_type": ethertype, "vlan_vid": vlan})
            assert rule is not None and bool(rule.actions) == passes


# -- whose packets pre-routing knows -----------------------------------------------------------------------------------


def known(source_port: int, mac_: int) -> set[int]:
    """The element for which a packet is handed to the service."""
    p11 = network()["port/11"]
    loose = network()["port/21"]
    assert isinstance(p11, PortRecord) and isinstance(loose, PortRecord)
    more: dict[str, AnyRecord] = {
        "port/11": msgspec.structs.replace(p11, allowed=((0x020000000099, Prefix(4, ip(77), 32)),)),
        "port/21": msgspec.structs.replace(loose, security=False),
    }
    program = node("pre-routing", more=more)
    fields = {
        "packet_type": 0,
        NETWORK: 100,
        SOURCE_PORT: source_port,
        "eth_src": mac_,
        "eth_dst": mac(12),
    }
    rule = program.lookup("pre_routing", fields)
    assert rule is not None
    return {getattr(action, "value", 0) for action in rule.actions if getattr(action, "field", "") == ELEMENT}


def test_pre_routing_knows_a_port_by_itself_and_behind_a_path_by_its_address() -> None:
    assert known(11, mac(11)) == {11}
    assert known(11, 0x020000000099) == {11}  # an address that it is allowed besides
    assert known(21, mac(11)) == set()  # a port that may use any
    assert known(0, mac(11)) == {11}
    assert known(0, mac(21)) == set()
    assert known(12, mac(11)) == {12}
