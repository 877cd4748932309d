"""Packets to the controller and from it."""

from __future__ import annotations

from typing import Any

import pytest

from inject.scenes import ALL, COPY_METER, ELEMENTS, NONE, ROUTER, SERVICE, scope
from segue.drivers.ovs import render
from segue.inject import translate
from segue.inject.errors import Refusal
from segue.inject.packets import Sending, sender
from segue.inject.scope import Element, Scope
from segue.model.intent import Permissions
from segue.model.program import AnyAction, Clone, Next, PushVlan, SetField, SetQueue, UseMeter
from segue.model.protocol import Punted
from segue.model.stages import INJECTED, NETWORK, ROUTER_ELEMENT, SOURCE_PORT, TARGET_PORT
from segue.openflow import ALL as TO_ALL
from segue.openflow import (
    ANY_PORT,
    CONTROLLER,
    FLOOD,
    IN_PORT,
    NORMAL,
    TABLE,
    V10,
    V11,
    V13,
    V14,
    V15,
    VERSIONS,
    PacketIn,
    PacketOut,
    decode,
    encode,
)
from segue.openflow import protocol as of

MACS = bytes.fromhex("020000000002 020000000001")
UDP = MACS + bytes.fromhex("0800 45000020 00000000 4011 0000 0a000001 0a000002 0035 0036 000c 0000 00000000")
TAGGED = MACS + bytes.fromhex("8100 0005 0800") + UDP[14:]
LATER = UDP[:20] + bytes.fromhex("0010") + UDP[22:]
ARP = MACS + bytes.fromhex("0806 0001 0800 06 04 0001") + bytes(20)


def out(*actions: of.Action, where: Scope | None = None, version: int = V13, **more: Any) -> list[Sending]:
    given: dict[str, Any] = {"actions": actions, "data": UDP} | more
    return translate.packet_out(where or scope(), PacketOut(**given), version)


def to(key: int, anew: bool = False) -> tuple[AnyAction, ...]:
    return SetField(TARGET_PORT, key), *((SetField("in_port", 0),) if anew else ()), Next("redirect")


def copy(key: int) -> Clone:
    return Clone((UseMeter(COPY_METER), *to(key)))


def test_each_port_gets_the_packet_on_its_own_node() -> None:
    assert out(of.Output(2)) == [("n2", to(12), UDP)]
    flooded = [("n1", (copy(11), *to(13)), UDP), ("n2", to(12), UDP)]
    assert out(of.Output(FLOOD)) == flooded
    assert out(of.Output(TO_ALL), in_port=ANY_PORT) == flooded
    assert out(of.Output(FLOOD), in_port=1) == [("n1", to(13), UDP), ("n2", to(12), UDP)]


def test_it_does_not_go_back_where_it_came_in_unless_that_is_said() -> None:
    assert out(of.Output(1), in_port=1) == []
    assert out(of.Output(IN_PORT), in_port=1) == [("n1", to(11, anew=True), UDP)]


def test_packets_are_the_services_own_to_change() -> None:
    nobody = scope("forward", permissions=Permissions(redirect=True))
    sets = [of.SetField("eth_src", 9), of.SetField("udp_dst", 53)]
    expected = [("n2", (SetField("eth_src", 9), SetField("udp_dst", 53), *to(12, anew=True)), UDP)]
    assert out(*sets, of.Output(2), where=nobody) == expected
    assert out(of.SetField("arp_op", 2), of.Output(2), data=ARP)[0][1][0] == SetField("arp_op", 2)
    assert out(of.SetTpDst(53), of.Output(2))[0][1][0] == SetField("udp_dst", 53)
    assert out(of.PushVlan(), of.SetField("vlan_vid", 0x1005), of.Output(2))[0][1][0] == PushVlan()
    assert out(of.SetField("vlan_vid", 0x1006), of.Output(2), data=TAGGED)[0][1][0] == SetField("vlan_vid", 0x1006)


def test_what_is_changed_behind_the_last_port_of_a_node_is_not_its_affair() -> None:
    sent = out(of.Output(1), of.SetField("eth_dst", 9), of.Output(2), of.SetField("eth_dst", 8))
    assert sent == [("n1", to(11), UDP), ("n2", (SetField("eth_dst", 9), *to(12)), UDP)]


def test_a_port_of_which_nobody_knows_where_it_is_gets_nothing() -> None:
    lost = {**ELEMENTS, 2: Element(2, "port", "db", 12, node="")}
    assert out(of.Output(2), of.Output(3), where=scope(elements=lost)) == [("n1", to(13), UDP)]


def test_no_actions_send_nothing() -> None:
    assert out() == []


@pytest.mark.parametrize("hook", ["ingress", "pre-routing"])
@pytest.mark.parametrize(("port", "injected"), [(NORMAL, SERVICE), (TABLE, 0)])
def test_a_packet_can_go_as_if_a_port_had_sent_it(hook: str, port: int, injected: int) -> None:
    into = (SetField(SOURCE_PORT, 12), SetField(NETWORK, 100), SetField(INJECTED, injected), Next("ingress"))
    sent = out(of.SetField("eth_dst", 9), of.Output(port), in_port=2, where=scope(hook))
    assert sent == [("n2", (SetField("eth_dst", 9), *into), UDP)]


def test_whoever_it_is_that_counts_as_having_sent_it() -> None:
    """The port in whose place it goes on; nobody where it goes to ports alone, or is of a port that is gone."""
    (onward,) = out(of.Output(TABLE), in_port=2)
    assert sender(scope(), onward[1]) == "db"
    (*_, both) = out(of.Output(2), of.Output(NORMAL), in_port=1)
    assert sender(scope(), both[1]) == "web"
    ((_, actions, _),) = out(of.Output(2), in_port=1)
    assert sender(scope(), actions) == ""
    assert sender(scope(elements={1: ELEMENTS[1], ROUTER: ELEMENTS[ROUTER]}), onward[1]) == ""


def test_a_packet_of_its_own_goes_to_more_ports_than_a_rule_s() -> None:
    many = {number: Element(number, "port", f"p{number}", 1000 + number, node="n1") for number in range(1, 258)}
    ((_, actions, _),) = out(of.Output(FLOOD), where=scope(elements=many), in_port=1)
    assert sum(isinstance(action, Clone) for action in actions) == 255
    with pytest.raises(Refusal) as refused:
        out(of.Output(FLOOD), where=scope(elements=many))
    assert refused.value.error == "OFPBAC_TOO_MANY"


def test_a_packet_of_nobody_s_can_be_sent() -> None:
    """What comes from a path with a source that nobody knows is as good as any."""
    data = UDP[:6] + bytes.fromhex("0a5eff000002") + UDP[12:]
    assert out(of.Output(2), data=data) == [("n2", to(12), data)]


def test_copies_can_be_sent_besides() -> None:
    sent = out(of.Output(3), of.Output(NORMAL), in_port=2)
    assert [(node, actions[-1]) for node, actions, _ in sent] == [("n1", to(13)[-1]), ("n2", Next("ingress"))]


@pytest.mark.parametrize(
    ("actions", "more", "error"),
    [
        ([of.Output(2)], {"buffer_id": 5}, "OFPBRC_BUFFER_UNKNOWN"),
        ([of.Output(2)], {"data": UDP[:6] + bytes.fromhex("0a5e000010ff") + UDP[12:]}, "OFPBRC_BAD_PACKET"),
        ([of.SetField("eth_src", 0x0A5E000010FF), of.Output(2)], {}, "OFPBAC_EPERM"),
        ([of.Output(2)], {"data": b"short"}, "OFPBRC_BAD_PACKET"),
        ([of.Output(2)], {"in_port": 6}, "OFPBRC_BAD_PORT"),
        ([of.Output(2)], {"in_port": 0xFFFFFFFE}, "OFPBRC_BAD_PORT"),
        ([of.Output(2)], {"match": {"reg1": 5}}, "OFPBRC_PIPELINE_FIELDS_ONLY"),
        ([of.Output(2)], {"match": {"metadata": 5}}, "OFPBRC_PIPELINE_FIELDS_ONLY"),
        ([of.Output(2)] * 65, {}, "OFPBAC_TOO_MANY"),
        ([of.Output(6)], {}, "OFPBAC_BAD_OUT_PORT"),
        ([of.Output(ROUTER)], {}, "OFPBAC_BAD_OUT_PORT"),
        ([of.Output(IN_PORT)], {}, "OFPBAC_BAD_OUT_PORT"),
        ([of.Output(CONTROLLER)], {}, "OFPBAC_BAD_OUT_PORT"),
        ([of.Group(1)], {}, "OFPBAC_BAD_OUT_GROUP"),
        ([of.MeterAction(1)], {}, "OFPBAC_BAD_METER"),
        ([of.Output(NORMAL)], {}, "OFPBAC_BAD_OUT_PORT"),
        ([of.Output(TABLE)], {"in_port": ROUTER}, "OFPBAC_BAD_OUT_PORT"),
        ([of.Output(TABLE)], {"in_port": 1, "where": scope("egress")}, "OFPBAC_BAD_OUT_PORT"),
        ([of.Output(NORMAL)], {"in_port": 1, "where": scope("forward")}, "OFPBAC_BAD_OUT_PORT"),
        ([of.Output(NORMAL)], {"in_port": 1, "where": scope("post-routing")}, "OFPBAC_BAD_OUT_PORT"),
        ([of.Output(TABLE), of.Output(2)], {"in_port": 1}, "OFPBAC_UNSUPPORTED_ORDER"),
        ([of.SetField("reg0", 11), of.Output(2)], {}, "OFPBAC_BAD_SET_TYPE"),
        ([of.SetField("tcp_dst", 1), of.Output(2)], {}, "OFPBAC_MATCH_INCONSISTENT"),
        ([of.SetField("udp_dst", 1), of.Output(2)], {"data": LATER}, "OFPBAC_MATCH_INCONSISTENT"),
        ([of.SetField("vlan_vid", 0x1001), of.Output(2)], {}, "OFPBAC_MATCH_INCONSISTENT"),
        ([of.SetQueue(1), of.Output(2)], {"where": scope(permissions=NONE)}, "OFPBAC_EPERM"),
        ([of.ResubmitTable(0)], {}, "OFPBAC_BAD_EXPERIMENTER"),
    ],
)
def test_packets_that_are_not_sent(actions: list[of.Action], more: dict[str, Any], error: str) -> None:
    with pytest.raises(Refusal) as refused:
        out(*actions, **more)
    assert refused.value.error == error


MANY = {number: Element(number, "port", f"p{number}", 1000 + number, 2**41 + number, "n1") for number in range(1, 200)}


@pytest.mark.parametrize(
    ("actions", "where"),
    [
        ([of.Output(2)], scope()),
        ([of.Output(FLOOD)], scope(elements=MANY)),
        ([of.SetField("ipv6_src", 1), of.SetField("ipv6_dst", 1), of.Output(2)] * 20, scope()),
        ([of.SetField("eth_src", n % 3) for n in range(60)] + [of.Output(1), of.Output(NORMAL)], scope()),
        ([one for _ in range(20) for one in (of.PushVlan(), of.PopVlan(), of.Output(2))], scope()),
    ],
)
def test_no_packet_is_longer_with_its_actions_than_a_message_holds(actions: list[of.Action], where: Scope) -> None:
    """As the agent says it, in the version that it speaks; and not much less can be sent."""
    head = UDP
    if any(isinstance(one, of.SetField) and one.field.startswith("ipv6") for one in actions):
        head = UDP[:12] + bytes.fromhex("86dd") + bytes(60)
    low, high = 0, 100_000
    while high - low > 1:
        size = (low + high) // 2
        try:
            sent = out(*actions, where=where, in_port=1, data=head + bytes(size))
        except Refusal as refusal:
            assert refusal.error == "OFPBRC_BAD_PACKET" and "octets" in refusal.text
            high = size
        else:
            low = size
            for _, rules, data in sent:
                said = [render.action(one) for one in render.written(rules)]
                assert len(encode(PacketOut(in_port=7, actions=said, data=data), 0, V15)) <= 0xFFFF
    assert low > 30_000
    with pytest.raises(Refusal, match="100000 octets"):
        out(where=where, data=bytes(12) + bytes.fromhex("0800") + bytes(99_986))


@pytest.mark.parametrize("permissions", [Permissions(redirect=True), Permissions(copy=True)])
def test_whoever_may_send_packets_to_ports_may_send_its_own(permissions: Permissions) -> None:
    where = scope(permissions=permissions)
    assert out(of.Output(2), where=where) == out(of.Output(2))
    assert out(of.Output(NORMAL), where=where, in_port=1) == out(of.Output(NORMAL), in_port=1)


def test_who_looks_at_packets_may_let_them_go_on_and_no_more() -> None:
    where = scope(permissions=Permissions(packet_in=True))
    for port in (NORMAL, TABLE):
        assert out(of.Output(port), where=where, in_port=1) == out(of.Output(port), in_port=1)
    assert out(where=where, in_port=1) == []
    for actions in ([of.Output(2)], [of.Output(FLOOD)], [of.Output(2), of.Output(NORMAL)]):
        with pytest.raises(Refusal) as raised:
            out(*actions, where=where, in_port=1)
        assert raised.value.error == "OFPBAC_EPERM" and "redirect or copy" in raised.value.text


@pytest.mark.parametrize("port", [2, FLOOD, NORMAL, TABLE])
def test_who_may_do_none_of_this_sends_nothing(port: int) -> None:
    where = scope(permissions=Permissions(drop=True, mark=True, meter=True, queue=True, rewrite=("eth_dst",)))
    with pytest.raises(Refusal) as raised:
        out(of.Output(port), where=where, in_port=1)
    assert raised.value.error == "OFPBAC_EPERM"


def test_a_queue_is_for_who_may_choose_it() -> None:
    assert out(of.SetQueue(1), of.Output(2), where=scope(permissions=ALL))[0][1][0] == SetQueue(1)


# -- packet-ins ----------------------------------------------------------------------------------------------------

PUNTED = Punted(SERVICE, 12, 3, 0xC00C1E, 1, 60, UDP[:20], 0x1234)


@pytest.mark.parametrize("version", VERSIONS)
def test_a_packet_in_is_said_in_every_version(version: int) -> None:
    made = translate.packet_in(scope(), PUNTED, version)
    assert made is not None
    read, _, _ = decode(encode(made, 1, version))
    assert isinstance(read, PacketIn)
    assert (read.in_port, read.total_len, read.reason, read.data, read.buffer_id) == (2, 60, 1, UDP[:20], 0xFFFFFFFF)
    assert read.table_id == (3 if version >= V11 else 0)
    assert read.cookie == (0xC00C1E if version >= V13 else 0)
    assert read.match.get("metadata") == (0x1234 if version > V11 else None)


@pytest.mark.parametrize(("version", "reason"), [(V10, 1), (V13, 1), (V14, 3), (V15, 3)])
def test_reasons_that_old_versions_do_not_know(version: int, reason: int) -> None:
    made = translate.packet_in(scope(), Punted(SERVICE, 11, 0, 0, 3, 60, UDP), version)
    assert made is not None
    assert made.reason == reason


def test_routers_and_ports_are_told_apart() -> None:
    made = translate.packet_in(scope(), Punted(SERVICE, ROUTER_ELEMENT | 12, 0, 0, 0, 60, UDP), V13)
    assert made is not None
    assert made.in_port == ROUTER


def test_what_is_not_attached_any_more_is_not_told_of() -> None:
    assert translate.packet_in(scope(), Punted(SERVICE, 99, 0, 0, 0, 60, UDP), V13) is None
