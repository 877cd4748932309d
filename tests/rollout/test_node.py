"""A switch's difference: replaced in place, counted anew where another counts there."""

from __future__ import annotations

from segue.drivers.ovs import applying
from segue.model.plan import Held, Plan, Refused
from segue.model.program import Next, Rule, SetField, cookie, match
from segue.model.stages import TABLE
from segue.openflow.protocol import FlowMod, FlowModCommand, FlowModFlags
from segue.rollout import change, difference


def rule(value: int, counter: str) -> Rule:
    return Rule("classify", 1, match(eth_type=0x800), (SetField("reg2", value), Next("steer")), "chain/c", counter)


def own(value: int, begun: int) -> Rule:
    """Of a service."""
    return Rule("service_0", 1, match(reg7=7), (SetField("reg2", value), Next("service_1")), "service/s", begun=begun)


def flow_mods(plan: Plan) -> list[FlowMod]:
    messages = [entry.message for entry in applying._entries(plan, Refused())]
    return [message for message in messages if isinstance(message, FlowMod)]


def test_what_is_replaced_in_place_is_not_removed() -> None:
    old, new = rule(1, "entered/a/forward"), rule(2, "entered/a/forward")
    plan = change({cookie(new): new}, {cookie(old): old})
    assert (plan.add, plan.remove, plan.replaced) == ({cookie(new): new}, {}, {})
    (mod,) = flow_mods(plan)
    assert (mod.command, mod.flags) == (FlowModCommand.ADD, 0)


def test_another_counter_in_the_same_place_begins_anew() -> None:
    old, new = rule(1, "entered/a/forward"), rule(2, "entered/b/forward")
    plan = change({cookie(new): new}, {cookie(old): old})
    assert plan.replaced == {cookie(old): old}
    (mod,) = flow_mods(plan)
    assert mod.flags == FlowModFlags.RESET_COUNTS


def test_a_rule_goes_by_the_cookie_that_it_came_by() -> None:
    one = rule(1, "entered/a/forward")
    (came,) = flow_mods(change({cookie(one): one}, {}))
    (went,) = flow_mods(change({}, {cookie(one): one}))
    assert (came.command, went.command) == (FlowModCommand.ADD, FlowModCommand.DELETE_STRICT)
    assert came.cookie == went.cookie == cookie(one) and went.cookie_mask == (1 << 64) - 1


def test_what_has_begun_anew_is_counted_anew_whether_it_does_something_else_or_not() -> None:
    for old, new in ((own(1, 0), own(1, 1)), (own(1, 1), own(2, 2)), (own(1, 3), own(1, 0))):
        plan = change({cookie(new): new}, {cookie(old): old})
        assert (plan.add, plan.remove, plan.replaced) == ({cookie(new): new}, {}, {cookie(old): old})
        (mod,) = flow_mods(plan)
        assert (mod.command, mod.cookie, mod.flags) == (FlowModCommand.ADD, cookie(new), FlowModFlags.RESET_COUNTS)


def test_what_is_only_changed_counts_on_however_often_it_has_begun_anew() -> None:
    old, new = own(1, 2), own(2, 2)
    plan = change({cookie(new): new}, {cookie(old): old})
    assert plan.replaced == {}
    (mod,) = flow_mods(plan)
    assert mod.flags == 0


def test_a_switch_that_holds_what_has_begun_anew_is_left_alone_and_one_that_does_not_gets_it() -> None:
    old, new = own(1, 0), own(1, 1)
    place = TABLE["service_0"]
    assert not difference({cookie(new): new}, Held({(place, cookie(new))}), TABLE)
    plan = difference({cookie(new): new}, Held({(place, cookie(old))}), TABLE)
    assert (plan.add, plan.stray) == ({cookie(new): new}, ((place, cookie(old)),))
    gone, came = flow_mods(plan)
    assert (gone.command, gone.cookie, came.command) == (FlowModCommand.DELETE, cookie(old), FlowModCommand.ADD)


def test_a_rule_that_has_never_begun_anew_has_the_cookie_that_it_always_had() -> None:
    assert cookie(own(1, 0)) == 0x5E76EAB67D284070
