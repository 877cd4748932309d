"""How often flows have begun to count anew: by what they do, in the rules that nodes get, in the store."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from inject.scenes import ELEMENTS, flow, scope
from segue.inject import saved, translate
from segue.inject.datapath import Datapath
from segue.inject.errors import Refusal
from segue.inject.rooms import Numbers
from segue.model.program import Rule, cookie
from segue.openflow import protocol as of
from segue.openflow.wire import V10, V11, V12, V13, V15

ADD, MODIFY = of.FlowModCommand.ADD, of.FlowModCommand.MODIFY
ANEW = int(of.FlowModFlags.RESET_COUNTS)
BEFORE = (
    b'[0,7,{"in_port":1},0,0,0,0,0,0.0,4,'
    b'"BA4AOAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAgAD///////////////8AAAAAAAEABAAAAAA="]'
)
"""A flow that was kept when nothing was said of that."""


def mod(command: int = ADD, flags: int = 0, out: int = 0) -> of.FlowMod:
    actions = [of.Output(out)] if out else []
    return of.FlowMod(command=command, match={"in_port": 1}, actions=actions, priority=7, flags=flags)


@pytest.fixture
def switch() -> Datapath:
    return Datapath(scope(), Numbers())


def rule_of(switch: Datapath) -> Rule:
    return switch.rules[1]


@pytest.mark.parametrize(
    ("again", "version", "begun"),
    [
        (mod(), V13, 0),
        (mod(flags=ANEW), V12, 1),
        (mod(flags=ANEW), V15, 1),
        (mod(), V10, 1),
        (mod(), V11, 1),
        (mod(out=2), V12, 0),
        (mod(out=2), V10, 1),
        (mod(MODIFY, out=2), V13, 0),
        (mod(MODIFY, ANEW, out=2), V13, 1),
        (mod(MODIFY, out=2), V10, 0),
    ],
)
def test_a_flow_begins_anew_where_the_version_or_the_flag_says_so(
    switch: Datapath, again: of.FlowMod, version: int, begun: int
) -> None:
    switch.apply(mod(flags=ANEW), V13, 0.0)
    assert rule_of(switch).begun == 0  # there was nothing
    for times in (1, 2):
        changes = switch.apply(again, version, 1.0)
        assert switch.flows.by_number[1].begun == begun * times
        told = changes.rules[1]
        assert told is not None and told.begun == begun * times


def test_one_that_was_there_and_is_added_anew_is_another_flow(switch: Datapath) -> None:
    for one in (mod(), mod(flags=ANEW), of.FlowMod(command=of.FlowModCommand.DELETE), mod(flags=ANEW)):
        switch.apply(one, V13, 0.0)
    assert [(one.number, one.begun) for one in switch.flows] == [(2, 0)]


def test_what_is_put_again_as_it_is_does_not_begin_anew(switch: Datapath) -> None:
    switch.replace(0, [mod(flags=ANEW)], V15, 0.0)
    assert not switch.replace(0, [mod(flags=ANEW)], V15, 1.0)
    assert rule_of(switch).begun == 0


def test_a_transaction_that_fails_begins_nothing_anew(switch: Datapath) -> None:
    switch.apply(mod(), V13, 0.0)
    with pytest.raises(Refusal), switch.transaction():
        switch.apply(mod(flags=ANEW), V13, 1.0)
        switch.apply(mod(out=99), V13, 1.0)
    assert switch.flows.by_number[1].begun == rule_of(switch).begun == 0


def test_a_flow_that_is_made_anew_as_elements_change_does_not_begin_anew(switch: Datapath) -> None:
    for one in (mod(), mod(flags=ANEW), mod(MODIFY, out=2)):
        switch.apply(one, V13, 0.0)
    moved = ELEMENTS | {1: msgspec.structs.replace(ELEMENTS[1], key=99)}
    changes = switch.rescope(scope(elements=moved))
    told = changes.rules[1]
    assert told is not None and told.begun == 1


def test_a_rule_has_the_number_of_its_flow_and_another_cookie_by_it() -> None:
    rules = [translate.rule(scope(), flow({"in_port": 1}, begun=begun), {}, {}) for begun in (0, 1, 2)]
    assert [one.begun for one in rules if one] == [0, 1, 2]
    assert len({cookie(one) for one in rules if one}) == 3
    assert len({one.identity for one in rules if one}) == 1


def test_it_is_kept_in_the_store(switch: Datapath) -> None:
    store: dict[str, Any] = {}
    for one in (mod(), mod(flags=ANEW), mod(MODIFY, ANEW, out=2)):
        store.update(saved.writes(switch.apply(one, V13, 0.0)))
    again = Datapath(scope(), Numbers())
    saved.load(again, store)
    assert list(again.flows) == list(switch.flows)
    assert again.flows.by_number[1].begun == 2
    assert again.rules == switch.rules


def test_flows_that_were_kept_before_have_never_begun_anew(switch: Datapath) -> None:
    saved.load(switch, {"flow/1": BEFORE, "count/1": b'{"n1":[5,300]}'})
    assert [(one.number, one.priority, one.begun) for one in switch.flows] == [(1, 7, 0)]
    switch.apply(mod(flags=ANEW), V13, 0.0)
    assert rule_of(switch).begun == 1
