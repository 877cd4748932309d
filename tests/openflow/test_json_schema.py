"""The JSON Schema says of messages what the reader says: what others made is valid, what is altered is not."""

from __future__ import annotations

import copy
import json
import random
from collections.abc import Iterator
from functools import cache
from typing import Any

import pytest
from jsonschema import Draft202012Validator

from segue.openflow.as_json import JsonError, from_json, to_json
from segue.openflow.declare import FAMILIES, HOMES, MESSAGES, REPLIES, REQUESTS
from segue.openflow.json_schema import schema
from segue.openflow.wire import V13, VERSION_NAMES, VERSIONS

from . import judged


@cache
def validator(version: int) -> Draft202012Validator:
    return Draft202012Validator(schema(version))


def cases() -> list[tuple[str, int, dict[str, Any]]]:
    found = [(case.name, case.version, case) for case in judged.messages()]
    if not found:
        pytest.skip("neither os-ken nor Open vSwitch's sources are here")
    return [
        (name, version, json.loads(json.dumps(to_json(case.message, case.xid, version))))
        for name, version, case in found
    ]


@pytest.mark.parametrize("version", VERSIONS)
def test_it_is_a_schema(version: int) -> None:
    Draft202012Validator.check_schema(schema(version))
    json.dumps(schema(version), allow_nan=False)


def test_all_versions_together() -> None:
    whole = schema()
    Draft202012Validator.check_schema(whole)
    both = Draft202012Validator(whole)
    assert both.is_valid({"version": "1.0", "type": "OFPT_FLOW_MOD"})
    assert both.is_valid({"version": "1.5", "type": "OFPT_FLOW_MOD", "importance": 3})
    assert not both.is_valid({"version": "1.0", "type": "OFPT_FLOW_MOD", "importance": 3})
    assert not both.is_valid({"version": "1.6", "type": "OFPT_FLOW_MOD"})


@pytest.mark.parametrize("version", VERSIONS)
def test_every_record_has_a_definition(version: int) -> None:
    definitions = schema(version)["$defs"]
    for home in (MESSAGES, REQUESTS, REPLIES):
        for entry in home.by_name(version).values():
            assert definitions[entry.record.__name__]["additionalProperties"] is False
    families = {home.name for home in FAMILIES if home.name.replace(" ", "_") in definitions}
    assert "action" in families
    assert all(definition for definition in definitions.values())


def test_references_lead_somewhere() -> None:
    def references(value: Any) -> Iterator[str]:
        if isinstance(value, dict):
            if isinstance(value.get("$ref"), str):
                yield value["$ref"]
            for inner in value.values():
                yield from references(inner)
        elif isinstance(value, list):
            for inner in value:
                yield from references(inner)

    for whole in (schema(), schema(V13)):
        for reference in set(references(whole)):
            place: Any = whole
            for key in reference.removeprefix("#/").split("/"):
                place = place[key]


def test_what_others_made_is_valid() -> None:
    for name, version, obj in cases():
        wrong = next(validator(version).iter_errors(obj), None)
        assert wrong is None, (name, _deepest(wrong))


def _deepest(error: Any) -> str:
    while error.context:
        error = max(error.context, key=lambda one: len(one.absolute_path))
    return f"{error.json_path}: {error.message}"


def test_what_is_altered_is_not_valid_and_not_read() -> None:
    """An unknown field, and a wrong type, in each kind of message, at some places of all those that it has."""
    chance = random.Random(2)
    seen: set[tuple[str, str]] = set()
    refused = 0
    for name, version, obj in cases():
        kind = str(obj.get("multipart_type", obj["type"]))
        places = [place for place in _places(obj) if (kind, _kinds(place)) not in seen]
        for place in chance.sample(places, min(6, len(places))):
            seen.add((kind, _kinds(place)))
            path, altered = _kinds(place), _altered(obj, place)
            assert not validator(version).is_valid(altered), (name, path)
            assert _refused(altered), (name, path)
            refused += 1
    assert refused > 500


def _refused(obj: dict[str, Any]) -> bool:
    try:
        from_json(obj)
    except JsonError:
        return True
    return False


def _altered(obj: dict[str, Any], place: tuple[Any, ...]) -> dict[str, Any]:
    changed = copy.deepcopy(obj)
    at: Any = changed
    for key in place[:-1]:
        at = at[key]
    last = place[-1]
    at[last] = 1 if last == "unheard_of" else [[1.5]] if isinstance(at[last], (int, str)) else 1.5
    return changed


def _kinds(path: tuple[Any, ...]) -> str:
    return ".".join(key for key in path if isinstance(key, str))


def _places(value: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """Of all fields, and of one more in each object."""
    if isinstance(value, dict):
        yield (*path, "unheard_of")
        for key, inner in value.items():
            yield (*path, key)
            yield from _places(inner, (*path, key))
    elif isinstance(value, list):
        for number, inner in enumerate(value):
            yield from _places(inner, (*path, number))


@pytest.mark.parametrize(
    "obj",
    [
        {"type": "OFPT_HELLO"},
        {"version": "1.3"},
        {"version": "1.3", "type": "OFPT_HELO"},
        {"version": "1.5", "type": "OFPT_FLOW_MOD"},
        {"version": "1.3", "type": "OFPT_FLOW_MOD", "priority": 65536},
        {"version": "1.3", "type": "OFPT_FLOW_MOD", "command": "OFPFC_AD"},
        {"version": "1.3", "type": "OFPT_FLOW_MOD", "flags": ["OFPFF_SEND_FLOW"]},
        {"version": "1.3", "type": "OFPT_FLOW_MOD", "match": {"eth_dts": "00:00:00:00:00:01"}},
        {"version": "1.3", "type": "OFPT_FLOW_MOD", "xid": 1 << 32},
        {"version": "1.3", "type": "OFPT_MULTIPART_REQUEST", "multipart_type": "OFPMP_DESC2"},
        {"version": "1.3", "type": "OFPT_ECHO_REQUEST", "data": "123"},
        {"version": "1.3", "type": 256},
        {"version": "1.3", "type": 200, "date": ""},
    ],
)
def test_wrong_messages(obj: dict[str, Any]) -> None:
    assert not validator(V13).is_valid(obj)


def test_it_describes() -> None:
    definitions = schema(V13)["$defs"]
    assert definitions["FlowMod"]["description"] == "Adds, changes or removes flow entries."
    command = definitions["FlowMod"]["properties"]["command"]["$ref"].rpartition("/")[2]
    command = definitions[command]["anyOf"]
    assert "OFPFC_ADD" in command[0]["enum"] and command[1]["maximum"] == 255
    assert set(VERSION_NAMES) == set(VERSIONS) and HOMES
