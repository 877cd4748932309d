"""`Match`: a mapping like any other, written as a dict is, with and without the compiled core."""

from __future__ import annotations

import copy
import os
import pickle
import random
import subprocess
import sys
from collections.abc import Mapping
from typing import Any, get_type_hints

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from segue.openflow import FlowMod, Match, Output, PacketIn, core, decode, encode
from segue.openflow.as_json import to_json
from segue.openflow.fields import FIELDS
from segue.openflow.match_names import MatchFields
from segue.openflow.wire import VERSIONS, EncodeError

NAMES = sorted(FIELDS)
VALUES = st.one_of(st.integers(-1, 1 << 129), st.tuples(st.integers(0, 255), st.integers(0, 255)), st.text(max_size=3))


def outcome(match: Any, version: int, actions: Any) -> Any:
    try:
        return encode(FlowMod(match=match, actions=actions), 1, version)
    except EncodeError as e:
        return str(e)


@settings(max_examples=300, deadline=None)
@given(fields=st.dictionaries(st.sampled_from([*NAMES, "nothing"]), VALUES, max_size=20), several=st.booleans())
def test_it_is_written_as_a_dict_is(fields: dict[str, Any], several: bool) -> None:
    actions = [Output(1), Output(2)] if several else (Output(1),)
    for version in VERSIONS:
        for _ in range(3):  # the shape is learnt at the first
            assert outcome(Match(**fields), version, actions) == outcome(fields, version, actions)


def test_values_of_a_learnt_shape_are_each_message_s_own() -> None:
    rng = random.Random(1)
    for version in VERSIONS:
        for _ in range(50):
            fields = {"in_port": rng.randrange(1, 99), "eth_src": rng.getrandbits(48), "eth_dst": rng.getrandbits(48)}
            read, _, _ = decode(encode(FlowMod(match=Match(**fields), actions=[Output(3)]), 7, version))
            assert read.match == fields


@given(fields=st.dictionaries(st.sampled_from(NAMES), VALUES, max_size=12), other=st.dictionaries(st.text(), VALUES))
def test_it_is_a_mapping(fields: dict[str, Any], other: dict[str, Any]) -> None:
    match = Match(**fields)
    assert isinstance(match, Mapping)
    assert list(match) == list(match.keys()) == list(fields)
    assert list(match.items()) == list(fields.items())
    assert list(match.values()) == list(fields.values())
    assert len(match) == len(fields)
    assert dict(match) == {**match} == fields
    assert match == fields
    assert fields == match
    assert match == Match(dict(reversed(fields.items())))
    assert (match == Match(**{**fields, "reg0": "x"})) is False
    assert match | other == fields | other
    assert other | match == other | fields
    assert all(match[name] == match.get(name) == value and name in match for name, value in fields.items())
    assert "nothing" not in match
    assert match.get("nothing", 7) == 7
    with pytest.raises(KeyError, match="nothing"):
        match["nothing"]
    for made in (copy.copy(match), copy.deepcopy(match), pickle.loads(pickle.dumps(match)), match.copy()):
        assert type(made) is Match
        assert made == match


@pytest.mark.skipif(not core.COMPILED, reason="without the compiled core it is a dict")
def test_it_does_not_change() -> None:
    match: Any = Match(in_port=1)
    assert repr(match) == "Match(in_port=1)"
    with pytest.raises(TypeError):
        match["in_port"] = 2
    with pytest.raises(TypeError):
        hash(match)
    assert match == {"in_port": 1}


def test_fields_of_a_mapping_and_by_name() -> None:
    assert Match({"in_port": 1}, eth_src=2) == {"in_port": 1, "eth_src": 2}
    assert Match(Match(in_port=1)) == {"in_port": 1}
    assert Match() == {}
    with pytest.raises(TypeError):
        Match(1)  # type: ignore[arg-type]


def test_as_json_it_is_what_a_dict_is() -> None:
    assert to_json(FlowMod(match=Match(in_port=1, eth_src=5)), 1, 4) == to_json(
        FlowMod(match={"in_port": 1, "eth_src": 5}), 1, 4
    )


def test_the_names_for_type_checkers_are_those_of_the_fields() -> None:
    hints = get_type_hints(MatchFields)
    assert list(hints) == list(FIELDS)
    assert {name for name, hint in hints.items() if "tuple" in str(hint)} == {
        f.name for f in FIELDS.values() if f.maskable
    }


def test_many_are_made_and_released_without_growing() -> None:
    probe = (
        "import resource, random\n"
        "from segue.openflow import Match\n"
        "def go():\n"
        "    for n in range(200_000):\n"
        "        Match(in_port=n, eth_src=n << 20)\n"
        "        Match(**{f'reg{k}': n for k in range(n % 12)})\n"
        "go(); before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss\n"
        "go(); go(); print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before)\n"
    )
    done = subprocess.run([sys.executable, "-c", probe], capture_output=True, text=True, check=True)
    assert int(done.stdout) < 4096, "KiB"


def test_addresses_that_come_again_are_right_whatever_came_between() -> None:
    """The compiled core keeps numbers that it made; more of them than there is room for, and such as share a place."""
    rng = random.Random(4)
    addresses = [rng.getrandbits(48) for _ in range(20_000)] + [n << 24 for n in range(3000)] + [*range(3000), 0]
    for _ in range(2):
        rng.shuffle(addresses)
        for address in addresses:
            data = address.to_bytes(6, "big") + (address ^ 1).to_bytes(6, "big") + bytes(40)
            msg = PacketIn(data=data)
            assert (msg.eth_dst, msg.eth_src) == (address, address ^ 1)


def test_addresses_are_right_where_there_are_more_than_are_worth_looking_for() -> None:
    tail = bytes(40)
    for number in [*range(700_000), *range(100)]:
        address = number * 0x9E3779B1 & 0xFFFFFFFFFFFF
        assert PacketIn(data=address.to_bytes(6, "big") + tail).eth_dst == address


@pytest.mark.skipif(os.environ.get("SEGUE_PURE_PYTHON") == "1", reason="it starts itself so")
def test_all_of_this_is_true_without_the_compiled_core() -> None:
    environment = {**os.environ, "SEGUE_PURE_PYTHON": "1"}
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "-x", __file__]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout[-3000:]
