"""How many copies one packet may cause, over all tables of a service."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from inject.scenes import ELEMENTS, GONE, scope
from inject.test_datapath import held
from segue.inject import saved, state
from segue.inject.changes import Changes
from segue.inject.datapath import Datapath
from segue.inject.errors import Refusal
from segue.inject.rooms import Numbers
from segue.inject.scope import Element
from segue.model.limits import MAX_COPIES_OF_PACKET
from segue.openflow import protocol as of
from segue.openflow.wire import FLOOD, NORMAL, V10, V13, V15

ON = of.Output(NORMAL)
LAST = of.BucketId.LAST


@pytest.fixture
def switch() -> Datapath:
    return Datapath(scope(), Numbers())


def add(copies: int, table: int = 0, priority: int = 1, command: int = 0, **match: Any) -> of.FlowMod:
    """Goes on, so that all that is sent are copies."""
    return of.FlowMod(
        match=match, actions=[*[of.Output(2)] * copies, ON], table_id=table, priority=priority, command=command
    )


def group(number: int, buckets: int, kind: int = 0, command: int = 0) -> of.GroupMod:
    return of.GroupMod(command, number, kind, [of.Bucket([of.Output(3)]) for _ in range(buckets)])


def to_group(number: int, table: int = 0, **more: Any) -> of.FlowMod:
    return of.FlowMod(actions=[of.Group(number), ON], table_id=table, **more)


def say(switch: Datapath, *messages: Any) -> None:
    for message in messages:
        switch.apply(message, V13, 0.0)
    held(switch)


@contextmanager
def refusal(switch: Datapath, *words: str) -> Iterator[None]:
    """Nothing is done of it."""
    before = held(switch)
    with pytest.raises(Refusal) as refused:
        yield
    assert refused.value.error == "OFPBAC_TOO_MANY"
    assert all(word in refused.value.text for word in words), refused.value.text
    assert held(switch) == before


def test_the_largest_of_each_table_count_together(switch: Datapath) -> None:
    say(switch, add(30), add(10, priority=2), add(20, table=1), add(14, table=15))
    assert switch.copies.total == MAX_COPIES_OF_PACKET
    with refusal(switch, "31 in table 0", "20 in table 1", "14 in table 15", "65 times", "64 is the most"):
        say(switch, add(31, priority=3))
    say(switch, add(30, priority=3))
    with refusal(switch):
        say(switch, add(1, table=7))
    say(switch, of.FlowMod(command=3, table_id=1), add(20, table=7))


def test_a_smaller_one_in_its_place_makes_room(switch: Datapath) -> None:
    say(switch, add(63), add(1, table=1), add(10), add(54, table=1))
    with refusal(switch):
        say(switch, add(11))


def test_what_is_taken_and_sent_to_one_port_is_no_copy(switch: Datapath) -> None:
    say(switch, add(63), add(1, table=1))
    for table in range(2, 16):
        say(switch, of.FlowMod(actions=[of.Output(2)], table_id=table), of.FlowMod(table_id=table, priority=9))
    with refusal(switch):
        say(switch, of.FlowMod(actions=[of.Output(2), of.Output(3)], table_id=2))


def test_a_modification_of_many_is_refused_whole(switch: Datapath) -> None:
    say(switch, *(add(1, table=table) for table in range(16)))
    with refusal(switch):
        switch.apply(add(5, command=1), V10, 0.0)
    switch.apply(add(4, command=1), V10, 0.0)  # all tables
    held(switch)
    assert switch.copies.total == 64


def test_groups_count_as_what_their_buckets_send(switch: Datapath) -> None:
    say(switch, group(1, 40), group(2, 60, kind=1), group(3, 1, kind=2))
    say(switch, to_group(1), add(22, table=1), to_group(2, table=2), to_group(3, table=3))
    assert switch.copies.total == 64
    with refusal(switch, "41 in table 0"):
        say(switch, group(1, 41, command=1))
    with refusal(switch, "60 in table 2"):
        say(switch, group(2, 60, command=1))
    with refusal(switch):
        switch.apply(of.GroupMod(3, 1, 0, [of.Bucket([of.Output(1)], bucket_id=99)], command_bucket_id=LAST), V15, 0.0)
    say(switch, group(1, 10, command=1), add(30, table=4), of.FlowMod(command=3, table_id=4))
    assert switch.copies.total == 34
    say(switch, of.GroupMod(2, 1))
    assert switch.copies.most == {1: 22, 2: 1, 3: 1}


def test_the_first_that_a_group_sends_of_a_packet_that_is_taken_is_the_packet(switch: Datapath) -> None:
    say(switch, group(1, 64), of.FlowMod(actions=[of.Group(1)]), add(1, table=1))
    assert switch.copies.most == {0: 63, 1: 1}
    with refusal(switch):
        say(switch, to_group(1))


def test_a_bundle_that_is_refused_leaves_no_trace(switch: Datapath) -> None:
    say(switch, group(1, 4), to_group(1))
    with refusal(switch), switch.transaction():
        say(switch, group(1, 8, command=1), add(50, table=3), add(6, table=3), add(7, table=4), add(60, table=2))
    with switch.transaction():
        say(switch, group(1, 8, command=1), of.FlowMod(command=3, table_id=0), add(60, table=2))
    assert switch.copies.total == 60


def test_a_table_is_replaced_only_within_the_bound(switch: Datapath) -> None:
    say(switch, add(60), add(3, table=1))
    with refusal(switch):
        switch.replace(1, [add(2, table=1), add(5, table=1, priority=9)], V13, 0.0)
    switch.replace(0, [add(2), add(61, priority=9)], V13, 0.0)
    assert switch.copies.total == 64


def test_ports_that_come_do_not_lift_the_bound(switch: Datapath) -> None:
    flood = of.FlowMod(match={"in_port": 1}, actions=[of.Output(FLOOD), ON])
    say(switch, add(62, table=1), flood)
    assert switch.copies.most == {1: 62, 0: 2}
    more = {**ELEMENTS, 6: Element(6, "port", "new", 16, 0x020000000006, "n1", network=100)}
    switch.rescope(scope(elements=more))
    held(switch)
    assert switch.copies.total == 62 and len(switch.flows) == 1


def without(number: int) -> Any:
    """The scope while one of the ports is away."""
    there = {key: element for key, element in ELEMENTS.items() if key != number}
    return scope(elements=there, gone=frozenset({GONE, number}))


def test_one_port_that_goes_makes_room_for_another_that_comes() -> None:
    switch = Datapath(without(2), Numbers())
    say(switch, add(40), add(24, priority=2))
    say(switch, *(of.FlowMod(actions=[*[of.Output(3)] * n, ON], table_id=1, priority=n) for n in (40, 24)))
    assert switch.copies.most == {1: 40}
    changes = switch.rescope(without(3))
    held(switch)
    assert switch.copies.most == {0: 40} and len(switch.flows) == 4 and not changes.flows
    switch.rescope(without(2))
    held(switch)
    assert switch.copies.most == {1: 40} and len(switch.flows) == 4


def test_a_flow_that_goes_makes_room_for_a_groups_bucket_that_comes() -> None:
    switch = Datapath(without(3), Numbers())
    say(switch, group(1, 40), to_group(1), add(40, table=1))
    assert switch.copies.most == {1: 40}
    switch.rescope(without(2))
    held(switch)
    assert switch.copies.most == {0: 40} and len(switch.flows) == 2


def test_of_what_grows_too_much_together_the_first_stay() -> None:
    switch = Datapath(without(3), Numbers())
    more = [of.FlowMod(actions=[*[of.Output(3)] * n, ON], table_id=n % 3 + 1, priority=n) for n in (30, 20, 10, 14, 9)]
    say(switch, add(10), group(1, 20), group(2, 5), *more, to_group(1, table=9), to_group(2, table=1, priority=7))
    assert switch.copies.most == {0: 10}
    changes = switch.rescope(scope())
    held(switch)
    # 10 of table 0, 30, 20 of the table of 14, too; then there is room for 4, and for what its table has already.
    assert switch.copies.most == {0: 10, 1: 30, 3: 20}
    assert sorted(changes.flows) == [4, 7] and set(switch.groups) == {1, 2}
    assert sorted(flow.priority for flow in switch.flows if flow.table == 1) == [7, 9, 30]


def test_flows_that_a_transaction_drops_for_what_comes_are_there_when_it_fails() -> None:
    switch = Datapath(without(3), Numbers())
    say(switch, group(1, 40), to_group(1), add(40, table=1), of.FlowMod(actions=[of.Output(3), ON], table_id=2))
    before = held(switch)
    with pytest.raises(KeyError), switch.transaction():
        switch.rescope(scope())
        assert len(held(switch)[0][0]) == 2
        raise KeyError
    assert held(switch) == before


# -- what it costs -----------------------------------------------------------------------------------------------------


def many(switch: Datapath, flows: int, kinds: int) -> None:
    """All lead to group 1, and some to others, which send nothing."""
    say(switch, *(group(number, 0) for number in range(1, 8)))
    for number in range(flows):
        others = [of.Group(2 + bit) for bit in range(6) if number % kinds >> bit & 1]
        actions = [*[of.Group(1)] * 20, *others, ON]
        switch.apply(of.FlowMod(actions=actions, match={"metadata": number}), V13, 0.0)
    held(switch)
    assert switch.copies.naming(switch.groups[1].switch) == kinds


def test_a_group_of_many_flows_changes_for_what_their_kinds_cost(counting: Any) -> None:
    made = {}
    for flows, kinds in ((64, 1), (512, 1), (512, 64)):
        switch = Datapath(scope(), Numbers())
        many(switch, flows, kinds)
        with counting() as made[flows, kinds]:
            switch.apply(group(1, 3, command=1), V13, 0.0)
        held(switch)
        assert switch.copies.total == 60
    assert made[512, 1].made == made[64, 1].made
    assert made[512, 64].made < made[512, 1].made + 63 * 20


def test_ports_come_at_the_same_cost_for_flows_that_lead_to_groups(counting: Any) -> None:
    made = {}
    for flows in (64, 512):
        switch = Datapath(scope(), Numbers())
        many(switch, flows, 1)
        say(switch, group(1, 3, command=1))
        with counting() as made[flows]:
            switch.rescope(without(3))
            assert switch.copies.total == 0
            switch.rescope(scope())
            assert switch.copies.total == 60
        held(switch)
    assert made[64].made == made[512].made


def test_a_transaction_is_charged_for_the_groups_that_it_changes(
    switch: Datapath, monkeypatch: pytest.MonkeyPatch
) -> None:
    many(switch, 64, 32)
    monkeypatch.setattr(state, "MOST_COMPARED", 10 * 32 * state.CHANGED)
    changes = [group(1, number % 2, command=1) for number in range(1, 12)]
    with switch.transaction():
        say(switch, *changes[:10])
    before = held(switch)
    with pytest.raises(Refusal, match="in parts"), switch.transaction():
        say(switch, *changes)
    assert held(switch) == before


def test_what_was_written_and_is_too_much_now_is_left_out(switch: Datapath) -> None:
    say(switch, add(40), add(20, table=1), add(4, table=2))
    entries = {
        key: value for key, value in saved.writes(Changes(flows=dict(switch.flows.by_number))) if value is not None
    }
    entries["flow/9"] = entries["flow/1"].replace(b"[0,1,", b"[3,1,", 1)
    again = Datapath(scope(), Numbers())
    changes = saved.load(again, entries)
    held(again)
    assert again.copies.total == 64 and changes.flows == {9: None}
