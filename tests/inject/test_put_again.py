"""A table that is put: what its flows are told as can be put again, whatever version they were said in."""

from __future__ import annotations

import json
from typing import Any

import msgspec
import pytest

from inject.scenes import scope
from segue.inject.datapath import Datapath
from segue.inject.errors import Malformed, Refusal
from segue.inject.rooms import Numbers
from segue.inject.said import newest
from segue.openflow import CONTROLLER, IN_PORT, NORMAL, V10, V13, V14, V15, FlowMod, GotoTable
from segue.openflow import protocol as of
from segue.openflow.as_json import from_json, to_json

TCP = {"eth_type": 0x800, "ip_proto": 6}
OLD = [
    (V10, FlowMod({"dl_type": 0x806}, priority=1, hard_timeout=100)),
    (V10, FlowMod({"dl_type": 0x800, "nw_src": "10.0.0.0/8"}, [of.Output(NORMAL)], priority=2, flags=1)),
    (V10, FlowMod({"dl_vlan": 5}, [of.StripVlan(), of.Output(2)], priority=3, idle_timeout=7)),
    (V10, FlowMod({"dl_vlan": 5, "dl_vlan_pcp": 2}, [of.SetVlanVid(6), of.Output(2)], priority=4)),
    (V10, FlowMod(TCP, [of.SetNwTos(0x28), of.SetTpDst(80), of.SetDlDst(9), of.Output(NORMAL)], priority=5)),
    (V10, FlowMod({"in_port": 1}, [of.Output(IN_PORT), of.Enqueue(2, 3)], priority=6, cookie=77)),
    (V10, FlowMod({"dl_vlan": 0xFFFF}, [of.SetVlanVid(6), of.Output(2)], priority=7)),
    (V13, FlowMod({}, [of.Output(CONTROLLER)], priority=0)),
    (V13, FlowMod(TCP, instructions=[of.Meter(1), of.ApplyActions([of.Output(NORMAL)])], priority=8, flags=4)),
    (V13, FlowMod({"eth_type": 0x806}, instructions=[GotoTable(3)], priority=9, hard_timeout=9)),
    (V14, FlowMod(TCP, instructions=[of.WriteActions([of.Output(2)])], priority=10, importance=4)),
]


def datapath() -> Datapath:
    switch = Datapath(scope(), Numbers())
    switch.apply(of.MeterMod(of.MeterCommand.ADD, 1, (of.MeterDrop(rate=5),), of.MeterFlags.PKTPS), V13, 0.0)
    return switch


def told(switch: Datapath) -> list[Any]:
    """As who asks is told, in JSON."""
    return [json.loads(json.dumps(to_json(FlowMod(**newest(flow)), 0, V15))) for flow in switch.flows]


def read(listed: list[Any]) -> list[FlowMod]:
    return [from_json(one)[0] for one in listed]


@pytest.mark.parametrize(("version", "mod"), OLD, ids=[str(mod.priority) for _, mod in OLD])
def test_what_was_said_in_another_version_can_be_put_as_it_is_told(version: int, mod: FlowMod) -> None:
    switch = datapath()
    switch.apply(mod, version, 1.0)
    before = list(switch.flows)
    for now in (5.0, 9.0):
        assert not switch.replace(0, read(told(switch)), V15, now)
        assert list(switch.flows) == before and before[0].created == 1.0
    if mod.match == {"dl_vlan": 0xFFFF}:
        return  # what 1.5 would have tagged before
    (again,) = read(told(switch))
    for other in ({"cookie": 5}, {"hard_timeout": 5}, {"instructions": ()}):
        changed = msgspec.structs.replace(again, **other)
        if changed != again:
            assert switch.replace(0, [changed], V15, 10.0).flows.keys() == {before[0].number}


@pytest.mark.parametrize(
    "actions",
    [
        [of.Output(CONTROLLER)],  # in 1.0 nothing is a table miss; from 1.3 on this is
        [of.Enqueue(1, 3), of.Output(2)],  # in 1.0 the queue is that output's alone
    ],
)
def test_words_that_mean_something_else_are_put_anew(actions: list[of.Action]) -> None:
    switch = datapath()
    switch.apply(FlowMod({}, actions, priority=0), V10, 1.0)
    assert switch.replace(0, read(told(switch)), V15, 2.0).flows.keys() == {1}
    assert not switch.replace(0, read(told(switch)), V15, 3.0)


def test_a_flow_that_is_there_twice_is_refused_with_both_places() -> None:
    switch = datapath()
    one, other = FlowMod({"eth_type": 0x806}, priority=1), FlowMod({"eth_type": 0x806}, priority=2)
    with pytest.raises(Malformed, match=r"^flows\[2\] has priority and match of flows\[0\]; leave one") as refused:
        switch.replace(0, [one, other, msgspec.structs.replace(one, cookie=5)], V15, 1.0)
    assert refused.value.index == 2 and not switch.flows
    assert len(switch.replace(0, [one, other], V15, 1.0).flows) == 2


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        (FlowMod(instructions=[of.ApplyActions([of.MeterAction(9)])]), "there is no meter 9; add it first"),
        (FlowMod({"in_port": 9}), "in_port: "),
        (FlowMod({"tunnel_id": 9}), "tunnel_id"),
        (FlowMod(table_id=4), "the flows of table 0"),
        (FlowMod(instructions=[of.ApplyActions([of.Output(99)])]), "0x63"),
    ],
)
def test_a_refusal_says_of_which_flow(wrong: FlowMod, said: str) -> None:
    switch = datapath()
    with pytest.raises(Refusal) as refused:
        switch.replace(0, [FlowMod({"eth_type": 0x806}, priority=3), wrong], V15, 1.0)
    assert refused.value.text.startswith("flows[1]: ") and said in refused.value.text
    assert refused.value.index == 1 and not switch.flows
