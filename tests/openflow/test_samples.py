"""Every record of the protocol, in every version: written, read, written again, as octets and as JSON."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from msgspec import NODEFAULT

from segue.openflow import as_json, codec
from segue.openflow.codec import CODEC
from segue.openflow.declare import FAMILIES, HOMES, MESSAGES, REPLIES, REQUESTS, Record, layout
from segue.openflow.generate import defaults
from segue.openflow.wire import V10, V11, V12, V13, V14

from . import samples

XID = 0x5E
# What stands behind the elements of a hello, or behind a request, has no form; what an old set-field sets has
# no mask; an old error has no experimenter.
AS_IS: set[tuple[str, str] | tuple[str, str, int]] = {
    ("Hello", "data"),
    *((record, "rest") for record in ("FlowStatsRequest", "FlowDescRequest", "AggregateStatsRequest")),
    *(("SetField", "mask", version) for version in (V12, V13, V14)),
    *(("Error", "experimenter", version) for version in (V10, V11)),
}
PLACES = samples.places()


def name(value: Any) -> str:
    return value.__name__ if isinstance(value, type) else f"1.{value - 1}"


def check(one: Record, version: int) -> None:
    home = HOMES[type(one)]
    if home in (MESSAGES, REQUESTS, REPLIES):
        data = codec.encode(one, XID, version)  # type: ignore[arg-type]
        assert int.from_bytes(data[2:4], "big") == len(data)
        assert codec.decode(data) == (one, XID, version)
        text = json.dumps(as_json.to_json(one, XID, version))  # type: ignore[arg-type]
        assert as_json.from_json(json.loads(text)) == (one, XID, version)
        assert codec.encode(*codec.decode(data)) == data
        return
    data = CODEC.encoders_of(home, version)[type(one)](one)
    assert len(data) % 8 == 0
    read = CODEC.reader_of_many(home, version)(data, 0, len(data))
    assert read == (one,)
    assert CODEC.encoders_of(home, version)[type(read[0])](read[0]) == data
    text = json.dumps(as_json.record_to_json(one, version))
    assert as_json.record_from_json(home, json.loads(text), version) == one


@pytest.mark.parametrize(("record", "version"), PLACES, ids=name)
def test_samples(record: type[Record], version: int) -> None:
    for start in range(0, 40, 10):
        check(samples.sample(record, version, start), version)


@pytest.mark.parametrize("record", sorted({record for record, _ in PLACES}, key=name), ids=name)
@settings(max_examples=12, deadline=None, suppress_health_check=list(HealthCheck))
@given(st.data())
def test_any_instance(record: type[Record], data: st.DataObject) -> None:
    version = data.draw(st.sampled_from([version for known, version in PLACES if known is record]))
    check(data.draw(samples.instances(record, version)), version)


@pytest.mark.parametrize(("record", "version"), PLACES, ids=name)
def test_a_sample_has_nothing_of_the_defaults(record: type[Record], version: int) -> None:
    """Or it would prove nothing of the fields that are as they are by themselves."""
    several = [samples.sample(record, version, start) for start in range(0, 60, 7)]
    there = {
        name for item in layout(record, version) for name in item.names[: 1 if item.kind == "instructions" else None]
    }
    for name, default in zip(record.__struct_fields__, defaults(record), strict=True):
        as_is = (record.__name__, name) in AS_IS or (record.__name__, name, version) in AS_IS
        if name in there and default is not NODEFAULT and not as_is:
            assert any(getattr(one, name) != default for one in several), name


def test_all_that_is_declared_has_a_place() -> None:
    declared = {record for home in FAMILIES for record in home.entries}
    assert {record for record, _ in PLACES} == declared and len(PLACES) > 1100
