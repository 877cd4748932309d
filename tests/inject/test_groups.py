"""A service's groups and meters."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from inject.scenes import ALL, COPY_METER, GONE, GROUPS, METERS, NONE, ROUTER, scope
from segue.inject import translate
from segue.inject.errors import Refusal
from segue.inject.groups import copies, measure
from segue.inject.scope import Scope
from segue.model import stages
from segue.model.intent import Permissions
from segue.model.program import (
    FIRST_GROUP,
    FIRST_METER,
    Band,
    Bucket,
    Group,
    Meter,
    Next,
    PushVlan,
    SetField,
    SetQueue,
    UseMeter,
)
from segue.model.stages import TARGET_PORT, check_injected
from segue.openflow import CONTROLLER, FLOOD, IN_PORT, NORMAL, V13, V14, V15
from segue.openflow import protocol as of

NUMBER = FIRST_GROUP + 42
OUT = of.Output(2)
DELIVERED = (SetField(TARGET_PORT, 12), Next("redirect"))


def group(
    buckets: list[of.Bucket], kind: int = 0, version: int = V13, where: Scope | None = None, **more: Any
) -> Group:
    mod = of.GroupMod(**({"command": 0, "group_id": 1, "type": kind, "buckets": buckets} | more))
    made = translate.group(where or scope(), mod, NUMBER, GROUPS, METERS, version)
    stages.check_group(made)
    return made


def bucket(*actions: of.Action, **more: Any) -> of.Bucket:
    return of.Bucket(actions, **more)


def test_buckets_lead_to_own_ports() -> None:
    made = group([bucket(of.SetField("eth_dst", 9), OUT), bucket(of.Output(3))])
    behind = (SetField(TARGET_PORT, 13), Next("group_copy"))
    assert made == Group(NUMBER, "all", (Bucket((SetField("eth_dst", 9), *DELIVERED)), Bucket(behind)), "service/ips")


def test_what_a_group_sends_behind_its_first_bucket_is_measured() -> None:
    ways = [[one.actions[-1:] for one in group([bucket(), bucket(OUT), bucket(OUT)], kind).buckets] for kind in (0, 1)]
    assert ways == [[(), (Next("redirect"),), (Next("group_copy"),)], [(), (Next("redirect"),), (Next("redirect"),)]]
    rule = measure(scope())
    assert rule is not None and rule.actions == (UseMeter(COPY_METER), Next("redirect"))
    check_injected(rule)


def test_a_group_of_type_all_makes_copies_where_there_may_be_some() -> None:
    assert copies(group([bucket(), bucket(OUT), bucket(OUT)])) == 2
    assert copies(group([bucket(OUT), bucket(OUT)], 1)) == 1
    assert copies(group([])) == 0
    none = scope(copy_meter=0)
    assert group([bucket(OUT), bucket()], where=none) and group([bucket(OUT), bucket(OUT)], 1, where=none)
    with pytest.raises(Refusal) as refused:
        group([bucket(OUT), bucket(OUT)], where=none)
    assert refused.value.error == "OFPGMFC_EPERM" and measure(none) is None


def test_a_bucket_is_an_action_set() -> None:
    made = group([bucket(OUT, of.SetQueue(4), of.SetField("vlan_vid", 0x1005), of.PushVlan())])
    assert made.buckets[0].actions == (PushVlan(), SetField("vlan_vid", 0x1005), SetQueue(4), *DELIVERED)


def test_what_goes_to_a_port_that_has_gone_comes_to_nothing() -> None:
    assert group([bucket(of.Output(GONE))]).buckets == (Bucket(()),)


def test_weights_are_of_groups_that_select() -> None:
    assert [one.weight for one in group([bucket(OUT, weight=3), bucket(OUT)], 1).buckets] == [3, 0]
    assert [one.weight for one in group([bucket(OUT, weight=3)], 0).buckets] == [1]
    weighed = [bucket(OUT, properties=[of.BucketWeight(7)]), bucket(OUT, bucket_id=1)]
    assert [one.weight for one in group(weighed, 1, V15).buckets] == [7, 1]


def test_transport_ports_are_written_whichever_the_packet_has() -> None:
    fields = [action.field for action in group([bucket(of.SetTpDst(80), OUT)]).buckets[0].actions[:3]]  # type: ignore[union-attr]
    assert fields == ["tcp_dst", "udp_dst", "sctp_dst"]


@pytest.mark.parametrize("permission", ["redirect", "copy"])
def test_groups_need_a_permission_to_send(permission: str) -> None:
    with pytest.raises(Refusal, match="OFPGMFC_EPERM"):
        group([], where=scope(permissions=msgspec.structs.replace(ALL, redirect=False, copy=False)))
    group([bucket(OUT)], where=scope(permissions=msgspec.structs.replace(NONE, **{permission: True})))


def test_elsewhere_than_at_ingress_the_switch_is_to_forget_where_a_packet_came_in() -> None:
    actions = group([bucket(OUT)], where=scope("egress")).buckets[0].actions
    assert actions == (SetField(TARGET_PORT, 12), SetField("in_port", 0), Next("redirect"))


@pytest.mark.parametrize(
    ("buckets", "more", "error"),
    [
        ([bucket(OUT)], {"kind": 3}, "OFPGMFC_BAD_TYPE"),
        ([bucket(OUT)], {"kind": 77}, "OFPGMFC_BAD_TYPE"),
        ([bucket(OUT)] * 2, {"kind": 2}, "OFPGMFC_INVALID_GROUP"),
        ([], {"kind": 2}, "OFPGMFC_INVALID_GROUP"),
        ([bucket(OUT)], {"group_id": 0xFFFFFF01}, "OFPGMFC_INVALID_GROUP"),
        ([bucket(OUT)] * 65, {}, "OFPGMFC_OUT_OF_BUCKETS"),
        ([bucket(*[OUT] * 65)], {}, "OFPBAC_TOO_MANY"),
        ([bucket(of.Group(9))], {}, "OFPGMFC_CHAINING_UNSUPPORTED"),
        ([bucket(of.MeterAction(1))], {}, "OFPBAC_BAD_METER"),
        ([bucket(of.Output(NORMAL))], {}, "OFPBAC_BAD_OUT_PORT"),
        ([bucket(of.Output(CONTROLLER))], {}, "OFPBAC_BAD_OUT_PORT"),
        ([bucket(of.Output(FLOOD))], {}, "OFPBAC_BAD_OUT_PORT"),
        ([bucket(of.Output(IN_PORT))], {}, "OFPBAC_BAD_OUT_PORT"),
        ([bucket(of.Output(6))], {}, "OFPBAC_BAD_OUT_PORT"),
        ([bucket(of.Output(ROUTER))], {}, "OFPBAC_BAD_OUT_PORT"),
        ([bucket(of.ResubmitTable(0))], {}, "OFPBAC_BAD_EXPERIMENTER"),
        ([bucket(of.SetField("reg1", 1))], {}, "OFPBAC_BAD_SET_TYPE"),
        ([bucket(OUT, watch_port=2)], {}, "OFPGMFC_WATCH_UNSUPPORTED"),
        ([bucket(OUT, watch_group=2)], {}, "OFPGMFC_WATCH_UNSUPPORTED"),
        ([bucket(OUT, weight=0x10000)], {"kind": 1}, "OFPGMFC_BAD_BUCKET"),
        ([bucket(OUT, properties=[of.BucketWatchPort(2)])], {"version": V15}, "OFPGMFC_WATCH_UNSUPPORTED"),
        ([bucket(OUT, properties=[of.UnknownBucketProperty(9)])], {"version": V15}, "OFPBPC_BAD_TYPE"),
        ([bucket(OUT), bucket(OUT)], {"version": V15}, "OFPGMFC_BUCKET_EXISTS"),
        ([bucket(OUT, bucket_id=0xFFFFFFFE)], {"version": V15}, "OFPGMFC_BAD_BUCKET"),
        ([], {"properties": [of.GroupSelectionMethod("hash")], "version": V15}, "OFPBPC_BAD_EXPERIMENTER"),
    ],
)
def test_groups_that_are_refused(buckets: list[of.Bucket], more: dict[str, Any], error: str) -> None:
    with pytest.raises(Refusal) as refused:
        group(buckets, **more)
    assert refused.value.error == error


def test_buckets_need_the_permissions_of_rules() -> None:
    only = scope(permissions=Permissions(redirect=True))
    for action in (of.SetField("eth_dst", 1), of.SetField("ip_dscp", 1), of.SetQueue(1), of.PushVlan(), of.DecNwTtl()):
        with pytest.raises(Refusal, match="OFPBAC_EPERM"):
            group([bucket(action, OUT)], where=only)


# -- meters --------------------------------------------------------------------------------------------------------


def meter(
    bands: list[of.MeterBand], flags: int = of.MeterFlags.KBPS, where: Scope | None = None, number: int = 1
) -> Meter:
    mod = of.MeterMod(command=0, meter_id=number, bands=bands, flags=flags)
    made = translate.meter(where or scope(), mod, FIRST_METER + 7)
    stages.check_meter(made)
    return made


def test_meters() -> None:
    assert meter([of.MeterDrop(10, 5)]) == Meter(FIRST_METER + 7, False, (Band(10),), "service/ips")
    flags = of.MeterFlags.PKTPS | of.MeterFlags.BURST | of.MeterFlags.STATS
    assert meter([of.MeterDrop(10, 5)], flags) == Meter(FIRST_METER + 7, True, (Band(10, 5),), "service/ips")


@pytest.mark.parametrize(
    ("bands", "more", "error"),
    [
        ([], {}, "OFPMMFC_OUT_OF_BANDS"),
        ([of.MeterDrop(1)] * 9, {}, "OFPMMFC_OUT_OF_BANDS"),
        ([of.MeterDrop(0)], {}, "OFPMMFC_BAD_RATE"),
        ([of.MeterDrop(1 << 32)], {}, "OFPMMFC_BAD_RATE"),
        ([of.MeterDrop(1, 1 << 32)], {"flags": 5}, "OFPMMFC_BAD_BURST"),
        ([of.MeterDscpRemark(10)], {}, "OFPMMFC_BAD_BAND"),
        ([of.MeterExperimenter(10)], {}, "OFPMMFC_BAD_BAND"),
        ([of.MeterDrop(10)], {"flags": 0}, "OFPMMFC_BAD_FLAGS"),
        ([of.MeterDrop(10)], {"flags": 3}, "OFPMMFC_BAD_FLAGS"),
        ([of.MeterDrop(10)], {"flags": 0x11}, "OFPMMFC_BAD_FLAGS"),
        ([of.MeterDrop(10)], {"number": 0}, "OFPMMFC_INVALID_METER"),
        ([of.MeterDrop(10)], {"number": 0xFFFFFFFE}, "OFPMMFC_INVALID_METER"),
        ([of.MeterDrop(10)], {"where": scope(permissions=NONE)}, "OFPBRC_EPERM"),
    ],
)
def test_meters_that_are_refused(bands: list[of.MeterBand], more: dict[str, Any], error: str) -> None:
    with pytest.raises(Refusal) as refused:
        meter(bands, **more)
    assert refused.value.error == error


def test_versions_say_weights_in_their_own_ways() -> None:
    with_property = [bucket(OUT, weight=2, properties=[of.BucketWeight(7)])]
    assert group(with_property, 1, V14).buckets[0].weight == 2
    assert group(with_property, 1, V15).buckets[0].weight == 7
