"""A switch's difference: replaced in place, counted anew where another counts there."""

from __future__ import annotations

from segue.drivers.ovs import applying
from segue.model.plan import Plan, Refused
from segue.model.program import Next, Rule, SetField, cookie, match
from segue.openflow.protocol import FlowMod, FlowModCommand, FlowModFlags
from segue.rollout import change


def rule(value: int, counter: str) -> Rule:
    return Rule("classify", 1, match(eth_type=0x800), (SetField("reg2", value), Next("steer")), "chain/c", counter)


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
