"""Groups and meters as a switch says them again, and what of a plan is not even asked of it."""

from __future__ import annotations

import msgspec

from segue.drivers.ovs import applying
from segue.drivers.ovs.groups import group_mod, meter_mod, same_group, same_meter
from segue.model.plan import Plan, Refused
from segue.model.program import (
    FIRST_GROUP,
    FIRST_METER,
    Band,
    Bucket,
    Clone,
    Group,
    Meter,
    Next,
    Rule,
    SetField,
    ToService,
    UseMeter,
    cookie,
    match,
)
from segue.model.stages import SERVICE, TARGET_PORT
from segue.openflow import protocol as of

G, M = FIRST_GROUP, FIRST_METER


def group(kind: str, *buckets: Bucket) -> Group:
    return Group(G, kind, buckets, "service/s")


def described(mod: of.GroupMod) -> of.GroupDesc:
    return of.GroupDesc(mod.group_id, mod.type, mod.buckets, mod.properties)


ONE = Bucket((SetField(TARGET_PORT, 3), Next("redirect")), 2)
OTHER = Bucket((SetField(TARGET_PORT, 4), Next("redirect")), 2)


def test_a_group_is_the_same_only_if_type_buckets_order_and_weights_are() -> None:
    wanted = group("select", ONE, OTHER)
    assert same_group(wanted, described(group_mod(wanted)))
    for found in (
        group("all", ONE, OTHER),
        group("select", OTHER, ONE),
        group("select", ONE),
        group("select", ONE, OTHER, OTHER),
        group("select", ONE, msgspec.structs.replace(OTHER, weight=3)),
    ):
        assert not same_group(wanted, described(group_mod(found)))
    (how,) = group_mod(wanted).properties
    turned = msgspec.structs.replace(how, fields=tuple(reversed(how.fields)))
    assert same_group(wanted, msgspec.structs.replace(described(group_mod(wanted)), properties=(turned,)))
    for other in ((), (of.GroupSelectionMethod("hash"),), (msgspec.structs.replace(how, fields=how.fields[1:]),)):
        assert not same_group(wanted, msgspec.structs.replace(described(group_mod(wanted)), properties=other))


def test_weights_are_of_groups_that_select() -> None:
    assert same_group(group("all", ONE), described(group_mod(group("all", msgspec.structs.replace(ONE, weight=9)))))


def test_what_says_no_more_than_the_default_makes_no_difference() -> None:
    """Open vSwitch leaves it out."""
    wanted = group("all", Bucket((Clone((ToService(7, 0, 1, 1, 0xFFFF),)),)))
    mod = group_mod(wanted)
    (copy,) = mod.buckets[0].actions
    (sent,) = copy.actions
    kept = [one for one in sent.properties if not isinstance(one, of.ControllerPropMaxLen)]
    shown = of.Bucket((of.Clone((of.Controller2(tuple(reversed(kept))),)),))
    assert same_group(wanted, of.GroupDesc(G, mod.type, (shown,)))
    other = of.Bucket((of.Clone((of.Controller2(tuple(kept[:-1])),)),))
    assert not same_group(wanted, of.GroupDesc(G, mod.type, (other,)))


def test_a_meter_is_the_same_only_if_rate_unit_and_asked_burst_are() -> None:
    def described(meter: Meter, burst: int | None = None, flags: int = 0) -> of.MeterDesc:
        mod = meter_mod(meter, of.MeterCommand.ADD)
        (band,) = mod.bands
        assert isinstance(band, of.MeterDrop)
        return of.MeterDesc(
            M, (of.MeterDrop(band.rate, band.burst_size if burst is None else burst),), mod.flags | flags
        )

    plain = Meter(M, True, (Band(5),), "service/s")
    bursts = Meter(M, True, (Band(5, 9),), "service/s")
    assert same_meter(plain, described(plain, burst=5, flags=of.MeterFlags.STATS))
    assert same_meter(bursts, described(bursts))
    assert not same_meter(plain, described(bursts))
    assert not same_meter(bursts, described(bursts, burst=8))
    assert not same_meter(plain, described(Meter(M, False, (Band(5),), "service/s")))
    assert not same_meter(plain, described(Meter(M, True, (Band(6),), "service/s")))


def test_a_rule_is_not_even_asked_for_without_the_meter_that_was_refused() -> None:
    """The switch would take one that sends to the controller, and hold back nothing."""

    def rule(priority: int, *actions: UseMeter | ToService | Clone) -> Rule:
        return Rule("service_0", priority, match({SERVICE: 7}), actions, "service/s")

    through = [
        rule(1, UseMeter(M)),
        rule(2, Clone((ToService(7, 0, 1, meter=M),))),
        rule(3, ToService(7, 0, 1, meter=M)),
    ]
    free = rule(4, ToService(7, 0, 1, meter=M + 1))
    refused = Refused({}, {}, {M: "no room"})
    entries = applying._entries(Plan({cookie(one): one for one in (*through, free)}), refused)
    assert [entry.about for entry in entries] == [free]
    assert refused.rules.keys() == {cookie(one) for one in through}
    assert all("no room" in why for why in refused.rules.values())
