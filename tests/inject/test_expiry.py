"""Timeouts: nobody is asked too early, nothing goes too early or stays, and each goes once."""

from __future__ import annotations

import os
from random import Random
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from inject.scenes import scope
from segue.inject.datapath import Datapath
from segue.inject.expiry import ASK_AGAIN, Expiry
from segue.inject.rooms import Numbers
from segue.openflow import FlowMod, FlowRemovedReason, Output
from segue.openflow.wire import V13

EXAMPLES = int(os.environ.get("SEGUE_EXAMPLES", "30"))


def start(*mods: FlowMod, at: float = 0.0) -> tuple[Datapath, Expiry]:
    switch = Datapath(scope(), Numbers())
    expiry = Expiry(switch)
    for mod in mods:
        expiry.take(switch.flow_mod(mod, V13, at))
    return switch, expiry


def flow(number: int, idle: int = 0, hard: int = 0, **more: Any) -> FlowMod:
    return FlowMod(match={"eth_dst": number}, idle_timeout=idle, hard_timeout=hard, flags=1, **more)


def test_a_hard_timeout_needs_nobody_to_be_asked() -> None:
    switch, expiry = start(flow(1, hard=10), flow(2))
    assert expiry.next == 10
    assert not expiry.due(9.9).changes
    due = expiry.due(10)
    assert due.changes.flows == {1: None} and due.ask == () and expiry.next is None
    assert [(one.flow.number, one.reason) for one in due.changes.removed] == [(1, FlowRemovedReason.HARD_TIMEOUT)]
    assert len(switch.flows) == 1


def test_a_flow_that_is_used_is_asked_about_once_in_its_idle_time() -> None:
    _, expiry = start(flow(1, idle=10))
    assert expiry.due(9).ask == ()
    assert expiry.due(10).ask == (1,)
    assert expiry.due(11).ask == ()
    assert not expiry.heard(12, {1: 3.0})
    assert expiry.next == 19
    assert expiry.due(19).ask == (1,)
    gone = expiry.heard(19, {1: 10.0})
    assert [one.reason for one in gone.removed] == [FlowRemovedReason.IDLE_TIMEOUT] and expiry.next is None
    assert not expiry.heard(20, {1: 99.0})


def test_what_nobody_answers_is_asked_again_and_not_removed() -> None:
    switch, expiry = start(flow(1, idle=10))
    assert expiry.due(10).ask == (1,)
    assert expiry.next == 10 + ASK_AGAIN
    assert expiry.due(10 + ASK_AGAIN).ask == (1,) and switch.flows.by_number
    assert expiry.heard(16, {1: float("inf")}).flows == {1: None}


def test_what_was_used_once_is_not_less_used_by_what_another_says_later() -> None:
    switch, expiry = start(flow(1, idle=10))
    expiry.heard(8, {1: 0.0})
    expiry.heard(9, {1: 9.0})
    assert expiry.due(17).ask == () and expiry.due(18).ask == (1,) and switch.flows.by_number


def test_the_hard_time_ends_a_flow_that_is_used() -> None:
    switch, expiry = start(flow(1, idle=10, hard=15))
    expiry.due(10)
    expiry.heard(10, {1: 0.0})
    assert expiry.next == 15
    assert expiry.due(15).changes.flows == {1: None} and not switch.flows.by_number


def test_a_flow_that_is_added_again_lives_anew_and_one_that_is_modified_does_not() -> None:
    switch, expiry = start(flow(1, hard=10))
    expiry.take(switch.flow_mod(FlowMod(command=1, actions=[Output(1)]), V13, 5))
    assert expiry.next == 10
    expiry.take(switch.flow_mod(flow(1, hard=10), V13, 6))
    assert not expiry.due(10).changes and expiry.next == 16
    expiry.take(switch.flow_mod(flow(1), V13, 7))
    assert expiry.next is None
    expiry.take(switch.flow_mod(flow(1, idle=4), V13, 8))
    expiry.take(switch.flow_mod(FlowMod(command=3), V13, 9))
    assert expiry.next is None


def test_what_was_loaded_is_watched() -> None:
    switch, _ = start(flow(1, idle=5), flow(2, hard=3), at=100.0)
    again = Expiry(switch)
    assert again.next == 103
    assert again.due(500).ask == (1,) and len(switch.flows) == 1


@given(st.integers(0, 2**32))
@settings(max_examples=EXAMPLES, deadline=None)
def test_flows_end_when_the_last_packet_and_the_clock_say_so(seed: int) -> None:
    """Packets are simulated; the caller asks when it is told to, at once."""
    rng = Random(seed)
    switch, expiry = start()
    used: dict[int, float] = {}
    ends: dict[int, float] = {}
    limits: dict[int, tuple[int, int]] = {}
    for number in range(1, 12):
        idle, hard = rng.choice((0, 3, 7)), rng.choice((0, 5, 20))
        expiry.take(switch.flow_mod(flow(number, idle, hard), V13, 0.0))
        used[number], limits[number] = 0.0, (idle, hard)
    now = 0.0
    while now < 40:
        now += 0.5
        for number in switch.flows.by_number:
            if rng.random() < 0.15:
                used[number] = now
        while (when := expiry.next) is not None and when <= now:
            due = expiry.due(now)
            gone = dict(due.changes.flows)
            gone |= expiry.heard(now, {number: now - used[number] for number in due.ask}).flows
            for number in gone:
                assert number not in ends
                ends[number] = now
        for number, (idle, hard) in limits.items():
            over = (hard and now >= hard) or (idle and now - used[number] >= idle)
            assert bool(over) <= (number in ends), (number, now)
            if number in ends and ends[number] == now:
                assert over
