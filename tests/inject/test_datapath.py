"""The virtual switch as a state machine: against a model that looks at everything, and its own promises."""

from __future__ import annotations

import os
from random import Random
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from inject import random_mods
from inject.scenes import ALL, ELEMENTS, GONE, NONE, scope
from segue.inject import copies, flow_mods, groups, ports, saved, state
from segue.inject.changes import Changes
from segue.inject.datapath import Datapath
from segue.inject.errors import Refusal
from segue.inject.flow import Flow, instructions_of
from segue.inject.matches import normal
from segue.inject.rooms import Numbers, Room
from segue.model import stages
from segue.model.limits import MAX_COPIES_OF_PACKET
from segue.openflow import protocol as of
from segue.openflow.fields import FIELDS
from segue.openflow.wire import ALL_TABLES, ANY_GROUP, ANY_PORT, FLOOD, NORMAL, V10, V11, V12, V13, V15

EXAMPLES = int(os.environ.get("SEGUE_EXAMPLES", "30"))
DROP = of.FlowMod(match={"in_port": 1}, priority=7)


def datapath(**changes: Any) -> Datapath:
    return Datapath(scope(**changes), Numbers())


def add(match: dict[str, Any], *actions: of.Action, **more: Any) -> of.FlowMod:
    return of.FlowMod(match=match, actions=actions, **more)


def held(switch: Datapath) -> Any:
    """All that it holds, comparable, indices included."""
    flows = switch.flows
    shelves = {
        (table, key): {priority: dict(same) for priority, same in shelf.flows.items()}
        for table, there in flows._shelves.items()
        for key, shelf in there.items()
    }
    indices = [
        {key: set(numbers) for key, numbers in one.items()} for one in (flows._ports, flows._groups, flows._meters)
    ]
    cookies = {key: {one} if isinstance(one, int) else set(one) for key, one in flows._cookies.items()}
    assert cookies == {cookie: {f.number for f in flows if f.cookie == cookie} for cookie in {f.cookie for f in flows}}
    leaving = {entry.switch: groups.copies(entry.made) for entry in switch.groups.values()}
    assert switch.copies.leaving == {number: some for number, some in leaving.items() if some}
    makes = {number: copies.of_rule(rule) for number, rule in switch.rules.items()}
    assert switch._makes == {number: one for number, one in makes.items() if one != copies.NOTHING}
    most: dict[int, int] = {}
    kinds: dict[tuple[int, copies.Makes], list[int]] = {}
    amounts: dict[int, dict[int, int]] = {}
    for number, one in switch._makes.items():
        table, some = flows.by_number[number].table, copies.count(one, leaving)
        if one.groups or one.apart:
            kinds.setdefault((table, one), [0, some])[0] += 1
        if some:
            most[table] = max(some, most.get(table, 0))
            there = amounts.setdefault(table, {})
            there[some] = there.get(some, 0) + 1
    assert {key: [kind.flows, kind.copies] for key, kind in switch.copies._kinds.items()} == kinds
    naming = {group: {kind for kind in kinds if group in (*kind[1].groups, *kind[1].apart)} for group in leaving}
    known = {group: {(one.table, one.makes) for one in some} for group, some in switch.copies._naming.items()}
    assert known == {group: some for group, some in naming.items() if some}
    assert switch.copies._flows == amounts
    assert switch.copies.most == most and switch.copies.total <= MAX_COPIES_OF_PACKET
    maps = (dict(switch._switch_groups), dict(switch._switch_meters))
    rooms = (set(switch.numbers.groups._taken), set(switch.numbers.meters._taken))
    own = (dict(flows.by_number), dict(switch.rules), dict(switch.groups), dict(switch.meters), dict(flows.counts))
    return own, shelves, indices, maps, rooms, switch.scope


# -- against a model ---------------------------------------------------------------------------------------------------


def bits(name: str, given: Any) -> tuple[int, int]:
    return given if isinstance(given, tuple) else (given, FIELDS[name].limit)


class Model:
    """The flow tables as a list, each command written down as the specification says it."""

    def __init__(self) -> None:
        self.flows: list[dict[str, Any]] = []

    def meant(self, mod: of.FlowMod, version: int) -> list[dict[str, Any]]:
        match = normal(mod.match, version)
        found = []
        for flow in self.flows:
            if version > V10 and mod.table_id not in (ALL_TABLES, flow["table"]):
                continue
            if mod.command in (2, 4):
                if (flow["priority"], flow["match"]) != (mod.priority, match):
                    continue
            elif not all(self.within(flow["match"], name, given) for name, given in match.items()):
                continue
            if version > V10 and (flow["cookie"] ^ mod.cookie) & mod.cookie_mask:
                continue
            if mod.command in (3, 4):
                actions = [
                    one for part in flow["instructions"] if isinstance(part, of.ApplyActions) for one in part.actions
                ]
                if mod.out_port != ANY_PORT and mod.out_port not in [
                    a.port for a in actions if isinstance(a, of.Output)
                ]:
                    continue
                groups = [action.group_id for action in actions if isinstance(action, of.Group)]
                if version > V10 and mod.out_group != ANY_GROUP and mod.out_group not in groups:
                    continue
            found.append(flow)
        return found

    @staticmethod
    def within(match: dict[str, Any], name: str, given: Any) -> bool:
        if name not in match:
            return False
        value, mask = bits(name, given)
        its, own = bits(name, match[name])
        return not mask & ~own and not (value ^ its) & mask

    @staticmethod
    def overlap(one: dict[str, Any], other: dict[str, Any]) -> bool:
        for name in one.keys() & other.keys():
            value, mask = bits(name, one[name])
            its, own = bits(name, other[name])
            if (value ^ its) & mask & own:
                return False
        return True

    def apply(self, mod: of.FlowMod, version: int) -> str:
        """The error, or nothing. What does not concern the tables has been found right before."""
        command = mod.command
        table = 0 if version == V10 else mod.table_id
        match = normal(mod.match, version)
        if command in (1, 2):
            meant = self.meant(mod, version)
            for flow in meant:
                flow["instructions"] = instructions_of(mod)
                if version == V10:
                    flow["cookie"] = mod.cookie
            if meant or version >= V12 or (version == V11 and mod.cookie_mask):
                return ""
            command = 0
        if command in (3, 4):
            gone = self.meant(mod, version)
            self.flows = [flow for flow in self.flows if not any(flow is one for one in gone)]
            return ""
        same = [f for f in self.flows if (f["table"], f["priority"], f["match"]) == (table, mod.priority, match)]
        if not same and mod.flags & 2:
            for flow in self.flows:
                if (flow["table"], flow["priority"]) == (table, mod.priority) and self.overlap(flow["match"], match):
                    return "OFPFMFC_OVERLAP"
        self.flows = [flow for flow in self.flows if not any(flow is one for one in same)]
        new = {"table": table, "priority": mod.priority, "match": match, "cookie": mod.cookie}
        self.flows.append(new | {"instructions": instructions_of(mod), "idle": mod.idle_timeout})
        return ""


def as_model(switch: Datapath) -> list[Any]:
    return sorted(
        repr((f.table, f.priority, sorted(f.match.items()), f.cookie, f.instructions, f.idle_timeout))
        for f in switch.flows
    )


@given(st.integers(0, 2**32))
@settings(max_examples=EXAMPLES, deadline=None)
def test_flow_mods_do_what_a_naive_model_does(seed: int) -> None:
    rng, switch, model = Random(seed), datapath(), Model()
    for number in random_mods.GROUPS:
        switch.apply(of.GroupMod(0, number, 0, [of.Bucket([of.Output(1)])]), V13, 0.0)
    for number in random_mods.METERS:
        switch.apply(of.MeterMod(0, number, [of.MeterDrop(100)]), V13, 0.0)
    for step in range(60):
        version = random_mods.version(rng)
        mod = random_mods.flow_mod(rng, version)
        before = held(switch)
        try:
            changes = switch.flow_mod(mod, version, float(step))
        except Refusal as refusal:
            assert held(switch) == before
            if refusal.error == "OFPFMFC_OVERLAP":
                assert model.apply(mod, version) == "OFPFMFC_OVERLAP"
            continue
        assert model.apply(mod, version) == ""
        wanted = [
            repr((f["table"], f["priority"], sorted(f["match"].items()), f["cookie"], f["instructions"], f["idle"]))
            for f in model.flows
        ]
        assert as_model(switch) == sorted(wanted)
        check(switch, before, changes)


def check(switch: Datapath, before: Any, changes: Changes) -> None:
    """That changes say what changed, and all of it; and that what is in force keeps to its stage."""
    own = before[0]
    there = {**own[0], **changes.flows}
    assert {number: flow for number, flow in there.items() if flow is not None} == switch.flows.by_number
    told = {**own[1], **changes.rules}
    assert {number: rule for number, rule in told.items() if rule is not None} == switch.rules
    for rule in changes.rules.values():
        if rule is not None:
            stages.check(rule)
    fresh = Datapath(switch.scope, Numbers())
    for flow in switch.flows:
        fresh.flows.put(flow, saved.place(flow.match))
    assert held(fresh)[1:3] == held(switch)[1:3]


# -- all or nothing ----------------------------------------------------------------------------------------------------


@given(st.integers(0, 2**32))
@settings(max_examples=EXAMPLES, deadline=None)
def test_a_transaction_that_fails_leaves_no_trace_and_one_that_does_not_is_as_its_parts(seed: int) -> None:
    rng = Random(seed)
    switch, beside = datapath(), datapath()
    for _ in range(12):
        steps = []
        for _ in range(rng.randrange(12)):
            version = random_mods.version(rng)
            steps.append((random_mods.mod(rng, version), version))
        before = held(switch)
        failing = rng.random() < 0.5
        try:
            with switch.transaction() as changes:
                for mod, version in steps:
                    switch.apply(mod, version, 1.0)
                if failing:
                    raise KeyError
        except (Refusal, KeyError):
            assert held(switch) == before
            continue
        sums = Changes()
        for mod, version in steps:
            sums.update(beside.apply(mod, version, 1.0))
        assert sums.flows.keys() == changes.flows.keys()
        assert as_model(switch) == as_model(beside)
        check(switch, before, changes)


def test_numbers_of_switches_are_given_back_when_that_cannot_be_undone() -> None:
    switch = datapath()
    switch.apply(of.GroupMod(0, 9), V13, 0.0)
    before = held(switch)
    with pytest.raises(KeyError), switch.transaction():
        switch.apply(of.GroupMod(2, 9), V13, 0.0)
        assert len(switch.numbers.groups) == 1
        raise KeyError
    assert held(switch) == before
    with switch.transaction():
        switch.apply(of.GroupMod(2, 9), V13, 0.0)
    assert len(switch.numbers.groups) == 0


def test_transactions_do_not_nest() -> None:
    switch = datapath()
    with switch.transaction(), pytest.raises(RuntimeError), switch.transaction():
        pass


# -- single promises ---------------------------------------------------------------------------------------------------


def refused(switch: Datapath, msg: Any, version: int = V13) -> str:
    before = held(switch)
    with pytest.raises(Refusal) as raised:
        switch.apply(msg, version, 0.0)
    assert held(switch) == before
    return raised.value.error


def test_a_transaction_is_charged_for_the_rules_that_it_has_made_anew(monkeypatch: pytest.MonkeyPatch) -> None:
    switch = datapath()
    for port in range(64):
        switch.apply(add({"eth_type": 0x0800, "ip_proto": 6, "tcp_dst": port}, of.Output(NORMAL)), V15, 1.0)
    change = of.FlowMod(command=1, actions=(of.SetQueue(1), of.Output(NORMAL)))
    monkeypatch.setattr(state, "MOST_COMPARED", 10 * 64 * (1 + 3 * flow_mods.LAID_OUT))
    with switch.transaction():
        for _ in range(10):
            switch.apply(change, V15, 2.0)
    before = held(switch)
    with pytest.raises(Refusal, match="in parts"), switch.transaction():
        for _ in range(11):
            switch.apply(change, V15, 2.0)
    assert held(switch) == before


def test_the_quota_holds_for_new_flows_and_not_for_replaced_ones() -> None:
    switch = datapath(flows=2)
    switch.flow_mod(add({"in_port": 1}), V13, 0.0)
    switch.flow_mod(add({"in_port": 2}), V13, 0.0)
    assert refused(switch, add({"in_port": 3})) == "OFPFMFC_TABLE_FULL"
    assert not switch.flow_mod(add({"in_port": 2}, of.Output(1)), V13, 0.0).flows.keys() ^ {2}


@pytest.mark.parametrize("table", [16, 254, 255])
def test_tables_beyond_the_services_are_refused(table: int) -> None:
    assert refused(datapath(), add({}, table_id=table)) == "OFPFMFC_BAD_TABLE_ID"
    assert refused(datapath(), of.FlowMod(command=1, table_id=table)) == "OFPFMFC_BAD_TABLE_ID"


def test_a_narrow_match_overlaps_a_wide_one_whichever_comes_first() -> None:
    wide = add({"eth_type": 0x800, "ipv4_dst": (0x0A000000, 0xFF000000)}, flags=2)
    narrow = add({"eth_type": 0x800, "ipv4_dst": 0x0A000001}, flags=2)
    for first, second in ((wide, narrow), (narrow, wide)):
        switch = datapath()
        switch.apply(first, V13, 0.0)
        assert refused(switch, second) == "OFPFMFC_OVERLAP"


def test_emergency_flows_are_refused() -> None:
    assert refused(datapath(), add({}, flags=4), V10) == "OFPFMFC_ALL_TABLES_FULL"


def test_flows_of_a_group_go_with_it_and_whoever_wants_to_know_is_told() -> None:
    switch = datapath()
    made = switch.apply(of.GroupMod(0, 9, 0, [of.Bucket([of.Output(1)])]), V13, 0.0)
    (number, group), *_ = made.switch_groups.items()
    assert group is not None and group.number == number
    switch.apply(add({"in_port": 1}, of.Group(9), flags=1), V13, 0.0)
    switch.apply(add({"in_port": 2}, of.Group(9)), V13, 0.0)
    switch.apply(add({"in_port": 3}, of.Output(1), flags=1), V13, 0.0)
    changes = switch.apply(of.GroupMod(2, 9), V13, 0.0)
    assert changes.flows == {1: None, 2: None} and changes.switch_groups == {number: None}
    assert [(one.flow.number, one.reason) for one in changes.removed] == [(1, of.FlowRemovedReason.GROUP_DELETE)]
    assert len(switch.numbers.groups) == 0


def test_flows_of_a_meter_go_with_it() -> None:
    switch = datapath()
    switch.apply(of.MeterMod(0, 3, [of.MeterDrop(100)]), V13, 0.0)
    meter = of.FlowMod(match={"in_port": 1}, instructions=[of.Meter(3), of.ApplyActions([of.Output(2)])], flags=1)
    switch.apply(meter, V13, 0.0)
    changes = switch.apply(of.MeterMod(2, 0xFFFFFFFF), V13, 0.0)
    assert [one.reason for one in changes.removed] == [of.FlowRemovedReason.METER_DELETE]
    assert not switch.flows.by_number and len(switch.numbers.meters) == 0


def test_groups_and_meters_are_counted() -> None:
    switch = datapath()
    for number in range(256):
        switch.apply(of.GroupMod(0, number), V13, 0.0)
    for number in range(32):
        switch.apply(of.MeterMod(0, number + 1, [of.MeterDrop(100)]), V13, 0.0)
    assert refused(switch, of.GroupMod(0, 256)) == "OFPGMFC_OUT_OF_GROUPS"
    assert refused(switch, of.MeterMod(0, 33, [of.MeterDrop(100)])) == "OFPMMFC_OUT_OF_METERS"


def test_a_table_that_is_put_again_changes_nothing_and_a_part_of_it_what_is_missing() -> None:
    switch = datapath(flows=3)
    mods = [add({"in_port": number}, of.Output(1 if number > 1 else 2), table_id=1) for number in (1, 2, 3)]
    assert len(switch.replace(1, mods, V13, 0.0).flows) == 3
    assert not switch.replace(1, mods, V13, 1.0)
    other = [*mods[:2], add({"in_port": 3}, of.Output(2), table_id=1), add({"in_port": 4}, table_id=1)]
    before = held(switch)
    with pytest.raises(Refusal):
        switch.replace(1, other, V13, 1.0)
    assert held(switch) == before
    assert switch.replace(1, other[1:], V13, 2.0).flows.keys() == {1, 3, 4}
    assert switch.replace(0, [], V13, 3.0).flows == {}


def test_what_is_for_a_port_that_has_gone_waits_for_it() -> None:
    switch = datapath()
    switch.apply(add({"in_port": 1}, of.Output(2)), V13, 0.0)
    switch.apply(add({"in_port": 3}, of.Output(FLOOD)), V13, 0.0)
    switch.apply(add({"eth_type": 0x800}), V13, 0.0)
    whole = dict(switch.rules)
    less = {number: one for number, one in ELEMENTS.items() if number != 1}
    changes = switch.rescope(scope(elements=less, gone=frozenset({GONE, 1})))
    assert changes.rules.keys() == {1, 2} and changes.rules[1] is None and changes.rules[2] != whole[2]
    assert not changes.flows and len(switch.flows) == 3
    changes = switch.rescope(scope())
    assert changes.rules == {1: whole[1], 2: whole[2]} and switch.rules == whole


def test_a_port_that_moves_changes_no_rule() -> None:
    switch = datapath()
    switch.apply(add({"in_port": 1}, of.Output(2)), V13, 0.0)
    moved = {**ELEMENTS, 2: msgspec.structs.replace(ELEMENTS[2], node="n9")}
    assert not switch.rescope(scope(elements=moved))


def test_what_is_not_permitted_any_more_is_removed() -> None:
    switch = datapath()
    switch.apply(of.GroupMod(0, 9, 0, [of.Bucket([of.Output(1)])]), V13, 0.0)
    switch.apply(of.MeterMod(0, 1, [of.MeterDrop(1)]), V13, 0.0)
    switch.apply(add({"in_port": 1}, of.Group(9), flags=1), V13, 0.0)
    switch.apply(add({"in_port": 2}, of.Output(NORMAL)), V13, 0.0)
    changes = switch.rescope(scope(permissions=NONE))
    assert switch.flows.by_number.keys() == {2} and not switch.groups and not switch.meters
    assert len(changes.removed) == 1
    assert switch.rescope(scope(permissions=ALL)).flows == {}


def test_clear_leaves_nothing() -> None:
    rng, switch = Random(4), datapath()
    for _ in range(200):
        version = random_mods.version(rng)
        try:
            switch.apply(random_mods.mod(rng, version), version, 0.0)
        except Refusal:
            continue
    assert switch.flows.by_number and switch.groups and switch.meters
    switch.clear()
    assert held(switch)[:5] == held(datapath())[:5]


def test_ports_and_tables_are_not_the_services_to_configure() -> None:
    switch = datapath()
    mac = ELEMENTS[1].mac
    assert not switch.apply(of.PortMod(1, mac), V13, 0.0)
    assert refused(switch, of.PortMod(1, mac, 1, 1)) == "OFPPMFC_EPERM"
    assert refused(switch, of.PortMod(1, 5)) == "OFPPMFC_BAD_HW_ADDR"
    assert refused(switch, of.PortMod(77, mac)) == "OFPPMFC_BAD_PORT"
    assert not switch.apply(of.TableMod(255), V13, 0.0)
    assert refused(switch, of.TableMod(3, 4), V15) == "OFPTMFC_BAD_CONFIG"
    assert refused(switch, of.TableMod(16)) == "OFPTMFC_BAD_TABLE"
    assert refused(switch, of.TableMod(0), V12) == "OFPTMFC_BAD_CONFIG"
    assert refused(switch, of.BarrierRequest()) == "OFPBRC_BAD_TYPE"


# -- numbers -----------------------------------------------------------------------------------------------------------


def test_port_numbers_are_given_once() -> None:
    first = ports.number({}, [30, 10])
    assert first == {30: 1, 10: 2}
    assert ports.number(first, [10, 20]) == {30: 1, 10: 2, 20: 3}
    assert ports.number(ports.number(first, []), [30]) == first


def test_a_number_that_was_given_back_is_not_the_next_one() -> None:
    room = Room(5, 3)
    assert [room.take(), room.take()] == [5, 6]
    room.give(5)
    assert [room.take(), room.take(), room.take()] == [7, 5, None]
    with pytest.raises(ValueError, match="not free"):
        room.claim(6)


# -- the store ---------------------------------------------------------------------------------------------------------


@given(st.integers(0, 2**32))
@settings(max_examples=EXAMPLES, deadline=None)
def test_what_is_saved_is_loaded_as_it_was(seed: int) -> None:
    rng, switch = Random(seed), datapath()
    store: dict[str, bytes] = {"other": b""}
    for step in range(80):
        version = random_mods.version(rng)
        try:
            changes = switch.apply(random_mods.mod(rng, version), version, step / 7)
        except Refusal:
            continue
        for key, data in saved.writes(changes):
            if data is None:
                store.pop(key, None)
            else:
                store[key] = data
    again = datapath()
    told = saved.load(again, store)
    assert held(again) == held(switch)
    assert told.rules == {number: switch.rules.get(number) for number in switch.flows.by_number} and not told.flows
    assert set(told.switch_groups) == {entry.switch for entry in switch.groups.values()}
    assert [one.number for one in told.switch_meters.values() if one] == [
        e.switch for _, e in sorted(switch.meters.items())
    ]
    assert again.following > max(again.flows.by_number, default=0)


def test_what_is_not_permitted_any_more_is_not_loaded() -> None:
    switch = datapath()
    store = dict(saved.writes(switch.apply(add({"in_port": 1}, of.Output(2)), V13, 0.0)))
    again = datapath(permissions=NONE)
    assert saved.load(again, {key: data for key, data in store.items() if data}).flows == {1: None}
    assert not again.flows.by_number


def test_a_flow_is_saved_whole() -> None:
    switch = datapath()
    mod = of.FlowMod(
        match={"eth_type": 0x86DD, "ipv6_dst": (0xFE80 << 112, 0xFFC0 << 112), "in_port": 1},
        instructions=(of.ApplyActions((of.SetField("eth_dst", 5), of.Output(2))), of.GotoTable(5)),
        table_id=2,
        priority=9,
        cookie=0xFFFFFFFFFFFFFFFE,
        idle_timeout=3,
        hard_timeout=4,
        flags=1,
        importance=6,
    )
    store = {key: data for key, data in saved.writes(switch.apply(mod, V15, 12.5)) if data}
    again = datapath()
    saved.load(again, store)
    (flow,) = again.flows
    assert flow == Flow(2, 9, mod.match, tuple(mod.instructions), mod.cookie, 3, 4, 1, 6, 12.5, 1, V15)
