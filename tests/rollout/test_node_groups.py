"""Groups and meters in a switch's difference."""

from __future__ import annotations

from segue.model.plan import Held
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
    ToGroup,
    ToService,
    UseMeter,
    cookie,
    match,
)
from segue.model.stages import SERVICE, TABLE
from segue.rollout import change, difference

G, M = FIRST_GROUP, FIRST_METER


def group(number: int) -> Group:
    return Group(number, "all", (Bucket((Next("redirect"),)),), "service/s")


def meter(number: int) -> Meter:
    return Meter(number, True, (Band(5),), "service/s")


def rule(*actions: UseMeter | ToGroup | ToService | Clone, priority: int = 1) -> Rule:
    return Rule("service_0", priority, match({SERVICE: 7}), actions, "service/s")


def test_what_is_changed_is_put_in_place_and_what_is_gone_is_removed() -> None:
    plan = change({}, {}, {G: group(G), G + 1: None}, {M: None, M + 1: meter(M + 1)})
    assert (plan.groups, plan.groups_gone) == ((group(G),), (G + 1,))
    assert (plan.meters, plan.meters_gone) == ((meter(M + 1),), (M,))
    assert plan


def test_a_place_is_cleared_unless_something_comes_there() -> None:
    mine, other = rule(UseMeter(M)), rule(UseMeter(M), priority=2)
    again = rule(ToGroup(G))
    plan = change({cookie(again): again}, {}, clear=(mine, other))
    assert plan.clear == (other,)
    assert change({}, {}, clear=(other,))
    assert not change({}, {})


def test_only_what_is_lacking_or_different_is_put_and_only_strays_go() -> None:
    held = Held(set(), {G: True, G + 1: False, G + 3: False}, {M: True, M + 1: False, M + 3: False})
    plan = difference({}, held, TABLE, {G + n: group(G + n) for n in range(3)}, {M + n: meter(M + n) for n in range(3)})
    assert plan.groups == (group(G + 1), group(G + 2))
    assert plan.groups_gone == (G + 3,)
    assert plan.meters == (meter(M + 1), meter(M + 2))
    assert plan.meters_gone == (M + 3,)
    assert not difference({}, Held(set(), {G: True}, {M: True}), TABLE, {G: group(G)}, {M: meter(M)})


def test_what_names_a_meter_that_is_made_anew_is_put_again() -> None:
    rules = [
        rule(UseMeter(M), priority=1),
        rule(ToService(7, 0, 1, meter=M), priority=2),
        rule(Clone((ToService(7, 0, 1, meter=M),)), priority=3),
        rule(UseMeter(M + 1), priority=4),
        rule(ToService(7, 0, 1), priority=5),
    ]
    program = {cookie(one): one for one in rules}
    places = {(TABLE["service_0"], key) for key in program}
    meters = {M: meter(M), M + 1: meter(M + 1)}
    plan = difference(program, Held(places, {}, {M + 1: False}), TABLE, {}, meters)
    assert plan.add == {cookie(one): one for one in rules[:3]}
    assert plan.meters == (meter(M), meter(M + 1))
