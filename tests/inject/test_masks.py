"""How many sets of bits a service's flows may look at."""

from __future__ import annotations

from random import Random
from typing import Any

import pytest

from inject.scenes import scope
from segue.inject.datapath import Datapath
from segue.inject.errors import Refusal
from segue.inject.flow_mods import MOST_MASKS
from segue.inject.matches import normal
from segue.inject.rooms import Numbers
from segue.inject.table import place
from segue.openflow import FlowMod, FlowModCommand
from segue.openflow.wire import ALL_TABLES, V10, V13, V15

IP = {"eth_type": 0x800}


def masked(number: int) -> dict[str, Any]:
    """Every number has a mask of its own; up to 1023."""
    source, target = number // 32 + 1, number % 32 + 1
    wide, narrow = (((1 << bits) - 1) << (32 - bits) for bits in (source, target))
    return {**IP, "ipv4_src": (0x0A000000 & wide, wide), "ipv4_dst": (0x0A000000 & narrow, narrow)}


def add(match: dict[str, Any], table: int = 0, **more: Any) -> FlowMod:
    return FlowMod(match=match, table_id=table, priority=9, **more)


def full() -> Datapath:
    """With as many as it may have, half of them in another table."""
    switch = Datapath(scope(flows=10_000), Numbers())
    for number in range(MOST_MASKS):
        switch.apply(add(masked(number), number % 2), V15, 1.0)
    return switch


def test_there_is_a_limit_that_says_what_to_do() -> None:
    switch = full()
    with pytest.raises(Refusal) as refused:
        switch.apply(add(masked(MOST_MASKS)), V15, 1.0)
    assert refused.value.error == "OFPFMFC_TABLE_FULL"
    assert f"{MOST_MASKS} different sets of bits" in refused.value.text
    assert "remove some" in refused.value.text
    assert len(switch.flows) == switch.flows.masks == MOST_MASKS


def test_more_flows_of_the_same_masks_are_taken() -> None:
    switch = full()
    whole = (1 << 24) - 1 << 8
    switch.apply(FlowMod(command=FlowModCommand.DELETE, match=masked(0), table_id=0), V15, 1.0)
    for number in range(2_000):
        switch.apply(add({**IP, "ipv4_src": (number << 8, whole)}), V15, 1.0)
    assert len(switch.flows) > 2_000


def test_the_same_mask_in_another_table_is_another() -> None:
    switch = full()
    switch.apply(add({**masked(0), "ipv4_src": (0x80000000, 0x80000000)}), V15, 1.0)
    with pytest.raises(Refusal):
        switch.apply(add(masked(0), 1), V15, 1.0)


def test_fields_that_are_matched_whole_are_a_mask_too() -> None:
    switch = full()
    with pytest.raises(Refusal):
        switch.apply(add({"in_port": 1}), V15, 1.0)
    with pytest.raises(Refusal):
        switch.apply(FlowMod(match={"in_port": 1}), V10, 1.0)
    with pytest.raises(Refusal):
        switch.apply(FlowMod(), V13, 1.0)


def test_what_is_removed_makes_room() -> None:
    switch = full()
    switch.apply(FlowMod(command=FlowModCommand.DELETE_STRICT, match=masked(2), priority=9), V15, 1.0)
    switch.apply(add(masked(MOST_MASKS)), V15, 1.0)
    with pytest.raises(Refusal):
        switch.apply(add(masked(2)), V15, 1.0)
    switch.apply(FlowMod(command=FlowModCommand.DELETE, table_id=ALL_TABLES), V15, 1.0)
    assert switch.flows.masks == 0


def test_a_table_that_is_replaced_has_the_masks_of_what_is_wanted_alone() -> None:
    switch = full()
    half = MOST_MASKS // 2
    wanted = [add(masked(1_000 - number)) for number in range(half)]
    switch.replace(0, wanted, V15, 1.0)
    assert switch.flows.masks == MOST_MASKS
    with pytest.raises(Refusal):
        switch.replace(0, [*wanted, add(masked(500))], V15, 1.0)
    assert switch.flows.counts == {0: half, 1: half}
    with pytest.raises(Refusal), switch.transaction():
        switch.clear()
        for number in range(MOST_MASKS + 1):
            switch.apply(add(masked(number)), V15, 1.0)
    assert (switch.flows.masks, switch.flows.counts) == (MOST_MASKS, {0: half, 1: half})


def test_the_masks_are_those_of_the_flows_whatever_comes_and_goes() -> None:
    rng = Random("masks")
    switch = Datapath(scope(flows=10_000), Numbers())
    for _ in range(1_500):
        match = rng.choice((masked(rng.randrange(40)), {"in_port": rng.choice((1, 2))}, {**IP, "ip_proto": 6}, {}))
        command = rng.choice((FlowModCommand.ADD, FlowModCommand.ADD, FlowModCommand.DELETE_STRICT))
        table = rng.randrange(3)
        one = FlowMod(command=command, match=match, table_id=table, priority=rng.choice((1, 2)))
        try:
            with switch.transaction():
                switch.apply(one, V15, 1.0)
                if rng.random() < 0.2:
                    raise Refusal("", "")
        except Refusal:
            pass
    found = {(flow.table, frozenset(_bits(flow.match).items())) for flow in switch.flows}
    assert switch.flows.masks == len(found) > 30


def _bits(match: Any) -> dict[str, int]:
    return {name: value[1] if isinstance(value, tuple) else -1 for name, value in match.items()}


def test_matches_with_masks_are_read_the_same_again() -> None:
    """What is remembered of one says nothing wrong of the next."""
    known = {**IP, "ip_proto": 17, "ipv4_src": (0x0A000000, 0xFF000000), "udp_src": 5}
    assert normal(known, V15) == normal(known, V15) == known
    assert normal({**known, "ipv4_src": (0x0B000000, 0xFF000000)}, V15)["ipv4_src"] == (0x0B000000, 0xFF000000)
    assert normal({**known, "ipv4_src": (0x0A000000, 0xFFFFFFFF)}, V15)["ipv4_src"] == 0x0A000000
    assert "ipv4_src" not in normal({**known, "ipv4_src": (0, 0)}, V15)
    assert place(normal(known, V15)).mask == (
        ("eth_type", "ip_proto", "ipv4_src", "udp_src"),
        (None, None, 0xFF000000, None),
    )
    for wrong, error in (
        ({"ipv4_src": (0x0A000001, 0xFF000000)}, "OFPBMC_BAD_WILDCARDS"),
        ({"udp_src": 0x10000}, "OFPBMC_BAD_VALUE"),
        ({"ipv4_src": (-1, 0xFF000000)}, "OFPBMC_BAD_VALUE"),
        ({"ip_proto": 6}, "OFPBMC_BAD_PREREQ"),
    ):
        with pytest.raises(Refusal) as refused:
            normal(known | wrong, V15)
        assert refused.value.error == error
