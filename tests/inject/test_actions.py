"""What becomes of packets: who may do what, in which order, and what it comes to in the pipeline."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from inject.scenes import (
    ALL,
    COPY_METER,
    ELEMENTS,
    GONE,
    GROUPS,
    METERS,
    NONE,
    PACKET_IN_METER,
    ROUTER,
    SERVICE,
    flow,
    scope,
)
from segue.inject import translate
from segue.inject.errors import Refusal
from segue.inject.flow import Flow, instructions_of
from segue.inject.scope import Element, Scope
from segue.model import stages
from segue.model.hooks import HOOKS
from segue.model.intent import NOT_REWRITTEN, REWRITES, Permissions
from segue.model.program import (
    AnyAction,
    Clone,
    DecTtl,
    Next,
    PopVlan,
    PushVlan,
    SetField,
    SetQueue,
    ToGroup,
    ToService,
    UseMeter,
)
from segue.model.stages import SERVICE_METADATA, TARGET_PORT, VERDICT
from segue.openflow import ALL as TO_ALL
from segue.openflow import CONTROLLER, FLOOD, IN_PORT, LOCAL, NORMAL, TABLE, V10, V11, V13, V14, V15, FlowMod
from segue.openflow import protocol as of

TAKEN = SetField(VERDICT, 0)
IP = {"eth_type": 0x0800}
TCP = {**IP, "ip_proto": 6}
TAGGED = {"vlan_vid": (0x1000, 0x1000)}
ON = of.Output(NORMAL)


def done(given: Flow, where: Scope | None = None) -> tuple[AnyAction, ...]:
    rule = translate.rule(where or scope(), given, GROUPS, METERS)
    assert rule is not None
    stages.check_injected(rule)
    return rule.actions


def refused(given: Flow, where: Scope | None = None) -> str:
    with pytest.raises(Refusal) as why:
        translate.rule(where or scope(), given, GROUPS, METERS)
    return why.value.error


GROUP = Clone((UseMeter(COPY_METER), ToGroup(GROUPS[1])))
LAST_GROUP = Clone((ToGroup(GROUPS[1]),), apart=True)


def deliver(key: int, anew: bool = False) -> tuple[AnyAction, ...]:
    return (SetField(TARGET_PORT, key), *((SetField("in_port", 0),) if anew else ()), Next("redirect"))


def copy(key: int, anew: bool = False) -> Clone:
    return Clone((UseMeter(COPY_METER), *deliver(key, anew)))


def punt(reason: int = 1, **more: int) -> ToService:
    return ToService(
        **({"service": SERVICE, "table": 0, "cookie": 0, "reason": reason, "meter": PACKET_IN_METER} | more)
    )


@pytest.mark.parametrize(
    ("match", "actions", "expected"),
    [
        ({}, [], (TAKEN,)),
        ({}, [ON], ()),
        ({}, [of.Output(2)], (TAKEN, *deliver(12))),
        ({}, [of.Output(2), ON], (copy(12),)),
        ({}, [ON, of.Output(2)], (copy(12),)),
        ({}, [of.Output(2), of.Output(3)], (TAKEN, copy(12), *deliver(13))),
        ({"in_port": 1}, [of.Output(1)], (TAKEN,)),
        ({"in_port": 1}, [of.Output(IN_PORT)], (TAKEN, *deliver(11, anew=True))),
        ({"in_port": 1}, [of.Output(FLOOD)], (TAKEN, copy(12), *deliver(13))),
        ({}, [of.Output(TO_ALL)], (TAKEN, copy(11), copy(12), *deliver(13))),
        ({}, [of.Output(GONE)], (TAKEN,)),
        ({}, [of.Output(CONTROLLER, 128)], (TAKEN, punt(length=128))),
        ({}, [of.Output(CONTROLLER), ON], (punt(),)),
        ({}, [of.Group(1)], (TAKEN, LAST_GROUP)),
        ({}, [of.Group(1), ON], (GROUP,)),
        ({}, [of.Group(1), of.Output(2)], (TAKEN, GROUP, *deliver(12))),
        ({}, [of.Output(2), of.SetField("eth_dst", 9)], (TAKEN, *deliver(12), SetField("eth_dst", 9))),
        ({}, [of.Output(2), of.Output(CONTROLLER)], (TAKEN, copy(12), punt())),
        ({}, [of.MeterAction(1), ON], (UseMeter(METERS[1]),)),
        ({}, [of.SetQueue(3), ON], (SetQueue(3),)),
        ({}, [of.Enqueue(2, 3)], (TAKEN, SetQueue(3), *deliver(12))),
        ({}, [of.SetField("eth_dst", 9), ON], (SetField("eth_dst", 9),)),
        ({}, [of.SetField("eth_dst", 9, 0xFF), ON], (SetField("eth_dst", 9, 0xFF),)),
        ({}, [of.SetField("eth_dst", 9, (1 << 48) - 1), ON], (SetField("eth_dst", 9),)),
        ({}, [of.SetField("eth_dst", 0, 0), ON], ()),
        ({}, [of.SetField("eth_dst", "02:00:00:00:00:09"), ON], (SetField("eth_dst", 0x020000000009),)),
        ({}, [of.SetField("metadata", 5), ON], (SetField(SERVICE_METADATA, 5),)),
        (IP, [of.SetField("ip_dscp", 46), ON], (SetField("ip_dscp", 46),)),
        (TCP, [of.SetField("tcp_dst", 80), ON], (SetField("tcp_dst", 80),)),
        (IP, [of.DecNwTtl(), ON], (DecTtl(),)),
        (IP, [of.DecNwTtl(), of.Output(2)], (TAKEN, DecTtl(), *deliver(12))),
        ({}, [of.PushVlan(), of.SetField("vlan_vid", 0x1005), ON], (PushVlan(), SetField("vlan_vid", 0x1005))),
        (TAGGED, [of.SetField("vlan_pcp", 5), of.PopVlan(), ON], (SetField("vlan_pcp", 5), PopVlan())),
    ],
)
def test_what_actions_come_to(match: dict[str, Any], actions: list[of.Action], expected: tuple[AnyAction, ...]) -> None:
    assert done(flow(match, *actions)) == expected


@pytest.mark.parametrize(
    ("match", "actions", "error"),
    [
        ({}, [of.Output(6)], "OFPBAC_BAD_OUT_PORT"),
        ({}, [of.Output(11)], "OFPBAC_BAD_OUT_PORT"),
        ({}, [of.Output(0)], "OFPBAC_BAD_OUT_PORT"),
        ({}, [of.Output(ROUTER)], "OFPBAC_BAD_OUT_PORT"),
        ({}, [of.Output(TABLE)], "OFPBAC_BAD_OUT_PORT"),
        ({}, [of.Output(LOCAL)], "OFPBAC_BAD_OUT_PORT"),
        ({}, [of.Output(0xFFFFFFFF)], "OFPBAC_BAD_OUT_PORT"),
        ({}, [of.Output(IN_PORT)], "OFPBAC_BAD_OUT_PORT"),
        ({"in_port": ROUTER}, [of.Output(IN_PORT)], "OFPBAC_BAD_OUT_PORT"),
        ({}, [of.Enqueue(CONTROLLER, 1)], "OFPBAC_BAD_OUT_PORT"),
        ({}, [of.Enqueue(2, 0xFFFFFFFF)], "OFPBAC_BAD_QUEUE"),
        ({}, [of.SetQueue(-1), ON], "OFPBAC_BAD_QUEUE"),
        ({}, [of.Group(2)], "OFPBAC_BAD_OUT_GROUP"),
        ({}, [of.Group(GROUPS[1])], "OFPBAC_BAD_OUT_GROUP"),
        ({}, [of.MeterAction(METERS[1]), ON], "OFPBAC_BAD_METER"),
        ({}, [ON, ON], "OFPBAC_UNSUPPORTED_ORDER"),
        ({}, [ON, of.SetField("eth_dst", 1)], "OFPBAC_UNSUPPORTED_ORDER"),
        ({}, [ON, of.PopVlan()], "OFPBAC_UNSUPPORTED_ORDER"),
        ({}, [ON, of.PushVlan()], "OFPBAC_UNSUPPORTED_ORDER"),
        ({}, [ON, of.SetQueue(1)], "OFPBAC_UNSUPPORTED_ORDER"),
        ({}, [ON, of.MeterAction(1)], "OFPBAC_UNSUPPORTED_ORDER"),
        (IP, [ON, of.DecNwTtl()], "OFPBAC_UNSUPPORTED_ORDER"),
        ({}, [of.SetField("tcp_dst", 1), ON], "OFPBAC_MATCH_INCONSISTENT"),
        (IP, [of.SetField("tcp_dst", 1), ON], "OFPBAC_MATCH_INCONSISTENT"),
        (TCP, [of.SetField("udp_dst", 1), ON], "OFPBAC_MATCH_INCONSISTENT"),
        ({}, [of.SetField("ip_dscp", 1), ON], "OFPBAC_MATCH_INCONSISTENT"),
        (IP, [of.SetField("ipv6_dst", 1), ON], "OFPBAC_MATCH_INCONSISTENT"),
        ({}, [of.DecNwTtl(), ON], "OFPBAC_MATCH_INCONSISTENT"),
        ({}, [of.SetNwTtl(1), ON], "OFPBAC_MATCH_INCONSISTENT"),
        ({}, [of.SetField("vlan_vid", 0x1005), ON], "OFPBAC_MATCH_INCONSISTENT"),
        ({"vlan_vid": 0}, [of.SetField("vlan_pcp", 1), ON], "OFPBAC_MATCH_INCONSISTENT"),
        (TAGGED, [of.PopVlan(), of.SetField("vlan_pcp", 1), ON], "OFPBAC_MATCH_INCONSISTENT"),
        (TAGGED, [of.PushVlan(), of.PushVlan(), ON], "OFPBAC_BAD_TAG"),
        ({}, [of.PopVlan(), ON], "OFPBAC_MATCH_INCONSISTENT"),
        (TAGGED, [of.PopVlan(), of.PopVlan(), ON], "OFPBAC_MATCH_INCONSISTENT"),
        ({**TCP, "ip_frag": 2}, [of.SetField("tcp_dst", 1), ON], "OFPBAC_MATCH_INCONSISTENT"),
        ({}, [of.PushVlan(0x9100), ON], "OFPBAC_BAD_ARGUMENT"),
        (TAGGED, [of.SetField("vlan_vid", 5), ON], "OFPBAC_BAD_SET_ARGUMENT"),
        (TAGGED, [of.SetField("vlan_vid", 5, 0xFFF), ON], "OFPBAC_BAD_SET_ARGUMENT"),
        ({}, [of.SetField("eth_dst", 1 << 48), ON], "OFPBAC_BAD_SET_ARGUMENT"),
        ({}, [of.SetField("eth_dst", 3, 1), ON], "OFPBAC_BAD_SET_ARGUMENT"),
        ({}, [of.SetField("eth_dst", "x"), ON], "OFPBAC_BAD_SET_ARGUMENT"),
        (IP, [of.SetField("ip_dscp", 1, 1), ON], "OFPBAC_BAD_SET_MASK"),
        (IP, [of.SetField("nxm_of_ip_tos", 1), ON], "OFPBAC_BAD_SET_ARGUMENT"),
        (IP, [of.SetNwTos(1), ON], "OFPBAC_BAD_ARGUMENT"),
        ({}, [of.SetTpDst(1), ON], "OFPBAC_MATCH_INCONSISTENT"),
        ({}, [of.SetField("reg9", 5), ON], "OFPBAC_BAD_SET_TYPE"),
        ({}, [of.SetField("reg1", 5), ON], "OFPBAC_BAD_SET_TYPE"),
        ({}, [of.SetField("xreg6", 5), ON], "OFPBAC_BAD_SET_TYPE"),
        ({}, [of.SetField("in_port", 5), ON], "OFPBAC_BAD_SET_TYPE"),
        ({}, [of.SetField("nxm_of_in_port", 5), ON], "OFPBAC_BAD_SET_TYPE"),
        ({}, [of.SetField("tunnel_id", 5), ON], "OFPBAC_BAD_SET_TYPE"),
        ({}, [of.SetField("eth_type", 0x800), ON], "OFPBAC_BAD_SET_TYPE"),
        ({}, [of.SetField("nothing", 5), ON], "OFPBAC_BAD_SET_TYPE"),
        ({"eth_type": 0x0806}, [of.SetField("arp_spa", 5), ON], "OFPBAC_EPERM"),
        ({"eth_type": 0x0806}, [of.SetField("arp_op", 2), ON], "OFPBAC_EPERM"),
        ({**IP, "ip_proto": 1}, [of.SetField("icmpv4_type", 5), ON], "OFPBAC_EPERM"),
        ({}, [of.SetField("ipv6_nd_target", 5), ON], "OFPBAC_EPERM"),
        ({}, [of.SetField("icmpv6_type", 136), ON], "OFPBAC_EPERM"),
        ({}, [of.PushMpls()], "OFPBAC_BAD_TYPE"),
        ({}, [of.PopMpls(0x800)], "OFPBAC_BAD_TYPE"),
        ({}, [of.PushPbb()], "OFPBAC_BAD_TYPE"),
        ({}, [of.CopyTtlIn()], "OFPBAC_BAD_TYPE"),
        ({}, [of.CopyField("eth_src", "eth_dst", 48)], "OFPBAC_BAD_TYPE"),
        ({}, [of.UnknownAction(77)], "OFPBAC_BAD_TYPE"),
        ({}, [of.UnknownAction(0xFFFF, b"\0" * 8)], "OFPBAC_BAD_EXPERIMENTER"),
        ({}, [of.ResubmitTable(0)], "OFPBAC_BAD_EXPERIMENTER"),
        ({}, [of.Clone([of.Output(1)])], "OFPBAC_BAD_EXPERIMENTER"),
        ({}, [of.OnfCopyField("eth_src", "eth_dst", 48)], "OFPBAC_BAD_EXPERIMENTER"),
        ({}, [of.Multipath("reg1", n_bits=32, max_link=1)], "OFPBAC_BAD_EXPERIMENTER"),
        ({}, [of.Output(2)] * 65, "OFPBAC_TOO_MANY"),
    ],
)
def test_what_is_refused(match: dict[str, Any], actions: list[of.Action], error: str) -> None:
    assert refused(flow(match, *actions)) == error


NEEDED: list[tuple[str, dict[str, Any], list[of.Action]]] = [
    ("drop", {}, []),
    ("drop", {}, [of.SetField("metadata", 1)]),
    ("redirect", {}, [of.Output(2)]),
    ("redirect", {}, [of.Output(GONE)]),
    ("redirect", {}, [of.Group(1)]),
    ("redirect", {"in_port": 1}, [of.Output(IN_PORT)]),
    ("copy", {}, [of.Output(2), ON]),
    ("copy", {}, [of.Output(FLOOD), ON]),
    ("copy", {}, [of.Group(1), ON]),
    ("packet_in", {}, [of.Output(CONTROLLER), ON]),
    ("packet_in", {}, [of.Output(CONTROLLER)]),
    ("queue", {}, [of.SetQueue(1), ON]),
    ("meter", {}, [of.MeterAction(1), ON]),
    ("mark", IP, [of.SetField("ip_dscp", 46), ON]),
    ("mark", IP, [of.SetNwTos(0xB8), ON]),
]


@pytest.mark.parametrize(("permission", "match", "actions"), NEEDED)
def test_one_permission_is_needed_and_enough(permission: str, match: dict[str, Any], actions: list[of.Action]) -> None:
    given = flow(match, *actions)
    assert refused(given, scope(permissions=NONE)) == "OFPBAC_EPERM"
    assert refused(given, scope(permissions=msgspec.structs.replace(ALL, **{permission: False}))) == "OFPBAC_EPERM"
    done(given, scope(permissions=msgspec.structs.replace(NONE, **{permission: True})))


@pytest.mark.parametrize("hook", HOOKS)
@pytest.mark.parametrize("field", REWRITES)
def test_each_field_needs_its_permission_and_source_addresses_the_right_hook(hook: str, field: str) -> None:
    match: dict[str, Any] = {"eth_type": 0x86DD if field.startswith("ipv6") else 0x0800}
    match |= {"ip_proto": {"tcp": 6, "udp": 17, "sctp": 132}.get(field.partition("_")[0], 17)}
    actions: list[of.Action] = [of.PushVlan()] if field == "vlan" else [of.SetField(field, 1)]
    given = flow(match, *actions, ON)
    others = Permissions(rewrite=tuple(one for one in REWRITES if one != field))
    assert refused(given, scope(hook, others)) == "OFPBAC_EPERM"
    alone = scope(hook, Permissions(rewrite=(field,)))
    source = field in ("eth_src", "ipv4_src", "ipv6_src") and hook not in ("ingress", "egress")
    target = field in ("eth_dst", "ipv4_dst", "ipv6_dst") and hook in ("forward", "post-routing")
    if source or target:
        with pytest.raises(Refusal) as why:
            translate.rule(alone, given, GROUPS, METERS)
        assert why.value.error == "OFPBAC_EPERM"
        assert ("ingress, pre-routing or egress, or output to a port of your own" in why.value.text) == target
    else:
        assert len(done(given, alone)) == 1


@pytest.mark.parametrize("field", ["eth_src", "eth_dst"])
@pytest.mark.parametrize(
    ("value", "mask", "a_mark"),
    [
        (0x0A5E00001000, None, True),
        (0x0A5F00001000, None, False),
        (0x0A5E00000000, 0xFFFF00000000, True),
        (0x0A0000000000, 0xFF0000000000, True),
        (0x0A0100000000, 0xFF0100000000, False),
        (0x000000001000, 0x0000FFFFFFFF, False),
    ],
)
def test_no_address_is_written_that_could_be_a_mark(field: str, value: int, mask: int | None, a_mark: bool) -> None:
    for hook in HOOKS:
        if field in NOT_REWRITTEN.get(hook, ()):
            continue
        given = flow({}, of.SetField(field, value, mask), ON)
        assert refused(given, scope(hook)) == "OFPBAC_EPERM" if a_mark else done(given, scope(hook))


@pytest.mark.parametrize("hook", [name for name in HOOKS if name != "ingress"])
def test_elsewhere_than_at_ingress_the_switch_does_not_know_where_a_packet_came_in(hook: str) -> None:
    assert done(flow({}, of.Output(2)), scope(hook)) == (TAKEN, *deliver(12, anew=True))
    assert refused(flow({}, of.Output(FLOOD)), scope(hook)) == "OFPBAC_BAD_OUT_PORT"
    expected = (TAKEN, copy(12, anew=True), *deliver(13, anew=True))
    assert done(flow({"in_port": 1}, of.Output(FLOOD)), scope(hook)) == expected


# -- instructions --------------------------------------------------------------------------------------------------


def instructed(*instructions: of.Instruction, match: dict[str, Any] | None = None, **more: Any) -> Flow:
    return Flow(**({"table": 0, "priority": 10, "match": match or {}, "instructions": instructions} | more))


def test_goto_goes_on_and_sends_copies() -> None:
    given = instructed(of.ApplyActions([of.Output(2), of.SetField("eth_dst", 9)]), of.GotoTable(3))
    assert done(given) == (copy(12), SetField("eth_dst", 9), Next("service_3"))
    assert refused(given, scope(permissions=msgspec.structs.replace(ALL, copy=False))) == "OFPBAC_EPERM"


def test_metadata_is_the_services_own() -> None:
    given = instructed(of.WriteMetadata(0xFF, 0x0F), of.GotoTable(1))
    assert done(given, scope(permissions=NONE)) == (SetField(SERVICE_METADATA, 0x0F, 0x0F), Next("service_1"))
    assert done(instructed(of.WriteMetadata(7), of.GotoTable(1)))[0] == SetField(SERVICE_METADATA, 7)
    assert done(instructed(of.WriteMetadata(7, 0), of.GotoTable(1))) == (Next("service_1"),)


def test_a_meter_instruction_comes_first() -> None:
    given = instructed(of.ApplyActions([of.SetField("eth_dst", 9), ON]), of.Meter(1), version=V13)
    assert done(given) == (UseMeter(METERS[1]), SetField("eth_dst", 9))
    assert refused(instructed(of.Meter(2), of.ApplyActions([ON]))) == "OFPMMFC_UNKNOWN_METER"


def test_written_actions_are_done_in_the_order_of_the_action_set() -> None:
    written = [
        *(of.Output(3), of.Output(2), of.SetField("vlan_vid", 0x1001), of.SetField("vlan_vid", 0x1005)),
        *(of.PushVlan(), of.DecNwTtl(), of.PopVlan(), of.SetQueue(4)),
    ]
    expected = (TAKEN, PopVlan(), PushVlan(), DecTtl(), SetField("vlan_vid", 0x1005), SetQueue(4), *deliver(12))
    assert done(instructed(of.WriteActions(written), match={**IP, **TAGGED})) == expected


def test_a_group_in_the_action_set_leaves_no_output() -> None:
    assert done(instructed(of.WriteActions([of.Output(2), of.Group(1)]))) == (TAKEN, LAST_GROUP)


def test_applied_actions_come_before_written_ones() -> None:
    given = instructed(of.WriteActions([of.Output(2)]), of.ApplyActions([of.Output(CONTROLLER)]))
    assert done(given) == (TAKEN, punt(), *deliver(12))
    assert done(instructed(of.WriteActions([of.Output(CONTROLLER)]), version=V14)) == (TAKEN, punt(3))


@pytest.mark.parametrize(
    ("instructions", "error"),
    [
        ([of.WriteActions([ON]), of.GotoTable(1)], "OFPBIC_UNSUP_INST"),
        ([of.ApplyActions([ON]), of.GotoTable(1)], "OFPBAC_UNSUPPORTED_ORDER"),
        ([of.GotoTable(16)], "OFPBIC_BAD_TABLE_ID"),
        ([of.GotoTable(0)], "OFPBIC_BAD_TABLE_ID"),
        ([of.GotoTable(254)], "OFPBIC_BAD_TABLE_ID"),
        ([of.GotoTable(1), of.GotoTable(2)], "OFPBIC_DUP_INST"),
        ([of.StatTrigger()], "OFPBIC_UNSUP_INST"),
        ([of.UnknownInstruction(77)], "OFPBIC_UNKNOWN_INST"),
        ([of.UnknownInstruction(0xFFFF, b"\0" * 8)], "OFPBIC_BAD_EXPERIMENTER"),
        ([of.ApplyActions([ON] * 33), of.WriteActions([ON] * 33)], "OFPBAC_TOO_MANY"),
    ],
)
def test_instructions_that_are_refused(instructions: list[of.Instruction], error: str) -> None:
    assert refused(instructed(*instructions)) == error


def test_clearing_the_action_set_is_nothing() -> None:
    assert done(instructed(of.ClearActions(), of.ApplyActions([ON]))) == ()


@pytest.mark.parametrize("table", [-1, 16, 254])
def test_tables_that_are_not_there(table: int) -> None:
    assert refused(flow({}, ON, table=table)) == "OFPFMFC_BAD_TABLE_ID"


def test_the_last_table_leads_nowhere() -> None:
    assert done(flow({}, ON, table=15)) == ()
    assert refused(instructed(of.GotoTable(15), table=15)) == "OFPBIC_BAD_TABLE_ID"


@pytest.mark.parametrize(
    ("version", "match", "priority", "reason"),
    [(V13, {}, 0, 0), (V15, {}, 0, 0), (V10, {}, 0, 1), (V13, {}, 1, 1), (V13, {"in_port": 1}, 0, 1)],
)
def test_only_the_table_miss_rule_says_that_nothing_matched(
    version: int, match: dict[str, Any], priority: int, reason: int
) -> None:
    given = flow(match, of.Output(CONTROLLER), version=version, priority=priority, cookie=9, table=2)
    assert done(given) == (TAKEN, punt(reason, cookie=9, table=2))


# -- old versions --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("version", "match", "action", "expected"),
    [
        (V10, {}, of.SetDlDst(9), (SetField("eth_dst", 9),)),
        (V10, {}, of.SetDlSrc(9), (SetField("eth_src", 9),)),
        (V10, IP, of.SetNwDst(9), (SetField("ipv4_dst", 9),)),
        (V10, IP, of.SetNwSrc(9), (SetField("ipv4_src", 9),)),
        (V10, IP, of.SetNwTos(0xB8), (SetField("ip_dscp", 46),)),
        (V11, IP, of.SetNwEcn(1), (SetField("ip_ecn", 1),)),
        (V11, IP, of.SetNwTtl(9), (SetField("nw_ttl", 9),)),
        (V10, TCP, of.SetTpDst(80), (SetField("tcp_dst", 80),)),
        (V10, {**IP, "ip_proto": 17}, of.SetTpSrc(80), (SetField("udp_src", 80),)),
        (V10, TAGGED, of.StripVlan(), (PopVlan(),)),
        (V10, {"vlan_vid": 0}, of.StripVlan(), ()),
        (V10, TAGGED, of.SetVlanVid(5), (SetField("vlan_vid", 0x1005),)),
        (V10, {"vlan_vid": 0}, of.SetVlanVid(5), (PushVlan(), SetField("vlan_vid", 0x1005))),
        (V10, {"vlan_vid": 0}, of.SetVlanPcp(5), (PushVlan(), SetField("vlan_pcp", 5))),
        (V11, TAGGED, of.SetVlanVid(5), (SetField("vlan_vid", 0x1005),)),
    ],
)
def test_actions_of_old_versions(
    version: int, match: dict[str, Any], action: of.Action, expected: tuple[AnyAction, ...]
) -> None:
    assert done(flow(match, action, ON, version=version)) == expected


@pytest.mark.parametrize(
    ("version", "action", "error"),
    [
        (V11, of.SetVlanVid(5), "OFPBAC_MATCH_INCONSISTENT"),
        (V10, of.SetVlanPcp(5), "OFPBAC_MATCH_INCONSISTENT"),
        (V10, of.SetVlanVid(5), "OFPBAC_MATCH_INCONSISTENT"),
        (V10, of.StripVlan(), "OFPBAC_MATCH_INCONSISTENT"),
        (V10, of.SetVlanVid(0x1000), "OFPBAC_BAD_ARGUMENT"),
        (V10, of.SetVlanPcp(8), "OFPBAC_BAD_ARGUMENT"),
        (V10, of.SetNwDst(1), "OFPBAC_MATCH_INCONSISTENT"),
        (V11, of.SetMplsLabel(16), "OFPBAC_BAD_TYPE"),
        (V10, of.NxSetQueue(1), "OFPBAC_BAD_EXPERIMENTER"),
    ],
)
def test_actions_of_old_versions_that_are_refused(version: int, action: of.Action, error: str) -> None:
    assert refused(flow({}, action, ON, version=version)) == error


def test_a_modification_is_instructions_in_every_version() -> None:
    assert instructions_of(FlowMod()) == ()
    assert instructions_of(FlowMod(actions=[ON])) == (of.ApplyActions((ON,)),)
    assert instructions_of(FlowMod(actions=[ON], instructions=[of.GotoTable(1)]))[1] == of.GotoTable(1)


# -- what a flow names ---------------------------------------------------------------------------------------------


def test_a_flow_says_which_groups_and_meters_it_needs() -> None:
    given = instructed(
        of.Meter(3), of.ApplyActions([of.Group(1), of.MeterAction(4)]), of.WriteActions([of.Group(2)]), of.GotoTable(1)
    )
    assert translate.uses(given) == translate.Uses(frozenset({1, 2}), frozenset({3, 4}))


def test_a_flood_has_its_limit() -> None:
    many = {number: Element(number, "port", f"p{number}", 1000 + number) for number in range(1, 66)}
    assert refused(flow({}, of.Output(FLOOD)), scope(elements=many)) == "OFPBAC_TOO_MANY"
    assert len(done(flow({"in_port": 1}, of.Output(FLOOD)), scope(elements=many))) == 1 + 63 + 2


def test_what_is_sent_leaves_out_the_routers() -> None:
    keys = [step.actions[1] for step in done(flow({}, of.Output(FLOOD), ON)) if isinstance(step, Clone)]
    ports = [element for element in ELEMENTS.values() if element.kind == "port"]
    assert keys == [SetField(TARGET_PORT, port.key) for port in ports]


@pytest.mark.parametrize("actions", [[of.Output(2), ON], [of.Output(2), of.Output(3)], [of.Group(1), ON]])
def test_without_a_meter_there_are_no_copies(actions: list[of.Action]) -> None:
    assert refused(flow({}, *actions), scope(copy_meter=0)) == "OFPBAC_EPERM"
    assert done(flow({}, of.Output(2)), scope(copy_meter=0)) == (TAKEN, *deliver(12))
    assert done(flow({}, of.Group(1)), scope(copy_meter=0)) == (TAKEN, LAST_GROUP)
