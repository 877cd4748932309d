"""Records made and released by the compiled core, and messages written whole: nobody is to notice."""

from __future__ import annotations

import copy
import itertools
import pickle
import random

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from segue.openflow import codec, core, generate, generate_shape, generate_write
from segue.openflow.declare import FAMILIES
from segue.openflow.protocol import FlowMod, GotoTable, Group, Output, PacketIn, PacketOut, PopVlan, SetField
from segue.openflow.wire import V10, V13, VERSIONS

from .cores import both

SEEDS = st.integers(0, 2**48)


def _adopt() -> None:
    for version in VERSIONS:
        for msg in (FlowMod(actions=[Output(1)]), PacketIn(), PacketOut(data=b"x")):
            data = codec.encode(msg, 1, version)
            codec.decode(data)


@settings(max_examples=400, deadline=None)
@given(seed=SEEDS)
def test_made_from_arguments(seed: int) -> None:
    _adopt()
    rng = random.Random(seed)
    record = rng.choice([FlowMod, PacketIn, PacketOut, Output])
    fields = record.__struct_fields__
    values = dict(zip(fields, generate.defaults(record), strict=True))
    given_values = {name: object() for name in rng.sample(fields, rng.randrange(len(fields) + 1))}
    positional = []
    for name in fields:
        if name not in given_values or rng.randrange(3) == 0:
            break
        positional.append(given_values.pop(name))
    whole = values | dict(zip(fields, positional, strict=False)) | given_values
    if msgspec.NODEFAULT in whole.values():
        with pytest.raises(TypeError, match="Missing required argument 'port'"):
            record(*positional, **given_values)
        return
    for _ in range(3):
        made = record(*positional, **given_values)
        assert {name: getattr(made, name) for name in fields} == whole
        assert type(made) is record


def test_wrong_arguments() -> None:
    _adopt()
    for _ in range(3):
        with pytest.raises(TypeError, match="Extra positional"):
            Output(1, 2, 3)  # type: ignore[call-arg]
        with pytest.raises(TypeError, match="given by name and position"):
            Output(1, port=2)  # type: ignore[misc]
        with pytest.raises(TypeError, match="Unexpected keyword argument 'prot'"):
            Output(prot=2)  # type: ignore[call-arg]
        with pytest.raises(TypeError, match="Missing required"):
            Output(max_len=2)  # type: ignore[call-arg]
        with pytest.raises(AttributeError):
            Output(1).port = 2  # type: ignore[misc]


def test_defaults_are_one_s_own() -> None:
    _adopt()
    one, other = FlowMod(), FlowMod()
    assert one.match == {} and one.match is not other.match
    name = "".join(["id", "le_", "timeout"])  # a name that is not the field's object
    assert FlowMod(**{name: 7}).idle_timeout == 7  # type: ignore[arg-type]


def test_copies() -> None:
    _adopt()
    flow = FlowMod(match={"in_port": 1}, actions=[Output(1)], cookie=1 << 60)
    assert pickle.loads(pickle.dumps(flow)) == copy.copy(flow) == copy.deepcopy(flow) == flow
    assert msgspec.structs.replace(flow, cookie=1) == FlowMod(match={"in_port": 1}, actions=[Output(1)], cookie=1)


def test_a_derived_class() -> None:
    """It is another class, which nobody adopted."""
    _adopt()

    class Mine(Output, frozen=True, gc=False):
        more: int = 7

    assert [Mine(1).more, Mine(1, 2, 3).more, Mine(port=4).port] == [7, 3, 4]


_VALUES = (0, 1, 60, 0xFEFF, 0xFF00, 0xFFFF, 0x10000, 0xFFFFFFFD, 0xFFFFFFFF, 1 << 32, (1 << 48) - 1, 1 << 48, -1)


@pytest.mark.skipif(not core.COMPILED, reason="the core is not compiled")
@settings(max_examples=600, deadline=None)
@given(seed=SEEDS)
def test_a_shape_with_other_values(seed: int) -> None:
    """The first message of a shape makes its function, the others have whatever values."""
    rng = random.Random(seed)
    version = rng.choice(VERSIONS)
    names = rng.choice(
        [("in_port", "eth_src", "eth_dst"), ("eth_dst", "in_port"), (), ("eth_type", "ipv4_src"), ("x",)]
    )
    action = rng.choice([Output, Group, PopVlan, SetField])
    fields = [name for name in FlowMod.__struct_fields__ if name not in ("match", "actions", "instructions")]
    for n in range(4):
        odd = [1.5, None, "1", True, (1, 1), *_VALUES] if n and rng.randrange(3) == 0 else _VALUES[:3]
        match = {name: 0x0800 if name == "eth_type" else rng.choice(odd) for name in names}
        many = [1, 1, 1, 0, 2][rng.randrange(5)]
        given_values = {name: rng.choice(odd) for name in rng.sample(fields, rng.randrange(4))}
        arguments = {Output: (rng.choice(odd),), Group: (rng.choice(odd),), PopVlan: (), SetField: ("eth_dst", 1)}[
            action
        ]
        actions = [action(*arguments)] * many
        if rng.randrange(8) == 0:
            actions = rng.choice([None, 7, [None], "x", [FlowMod()], {Output: 1}])
        if rng.randrange(8) == 0:
            given_values["instructions"] = rng.choice([[], (), [GotoTable(1)], [None], None])
        flow = FlowMod(match=match, actions=actions, **given_values)
        xid = rng.choice([0, 7, 0xFFFFFFFF, 1 << 32])
        both(lambda flow=flow, xid=xid: codec.encode(flow, xid, version))


def test_shapes_are_bounded() -> None:
    """Of those of generated Python; and one that comes up again is written again."""
    for version in (V10, V13):
        source, scope = generate_write.encoder_source(FlowMod, version, codec.CODEC)
        shapes = next(value for value in scope.values() if isinstance(value, generate_shape.Shapes))
        write = generate.make(source, scope, "encode")
        names = ("in_port", "eth_src", "eth_dst", "vlan_vid", "eth_type")
        for chosen in itertools.chain(*(itertools.permutations(names, n) for n in (2, 3, 2))):
            flow = FlowMod(match=dict.fromkeys(chosen, 0), actions=[Output(1)])
            assert write(flow, 5) == codec.encode(flow, 5, version)
            assert (Output, *chosen) in shapes and len(shapes) <= generate_shape.MOST


def test_only_such_records_have_shapes() -> None:
    having = set()
    for home in FAMILIES:
        for record, entry in home.entries.items():
            for version in VERSIONS:
                if entry.number(version) is not None:
                    source, _ = generate_write.encoder_source(record, version, codec.CODEC)
                    having |= {record.__name__} if "shapes" in source else set()
    assert having == {"FlowMod"}
