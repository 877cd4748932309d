"""Messages as JSON: no loss for what others made, the specification's words, errors that help."""

from __future__ import annotations

import json
import random
import re
from typing import Any

import pytest
from jsonschema import Draft202012Validator

from segue.openflow import as_json, codec, declare, json_unknown
from segue.openflow.as_json import JsonError, from_json, to_json
from segue.openflow.codec import UnknownMessage
from segue.openflow.declare import FAMILIES, HOMES, MESSAGES, Record, layout
from segue.openflow.json_schema import schema
from segue.openflow.names import Flags, Numbers
from segue.openflow.protocol.actions import Output
from segue.openflow.protocol.basic import EchoRequest, Error, Hello
from segue.openflow.protocol.families import UnknownAction, UnknownInstruction
from segue.openflow.protocol.flow_mod import FlowMod
from segue.openflow.protocol.packets import PacketIn
from segue.openflow.protocol.ports import UnknownPortProperty
from segue.openflow.wire import V10, V11, V13, V14, V15, VERSIONS

from . import judged
from .oracles import ofctl, osken

ENVELOPE = {"version": "1.3", "type": "OFPT_FLOW_MOD", "xid": 7}


def through(message: Any, xid: int, version: int) -> dict[str, Any]:
    """The JSON, after it was text."""
    obj: dict[str, Any] = json.loads(json.dumps(to_json(message, xid, version), allow_nan=False))
    return obj


def the_messages() -> list[judged.Judged]:
    return judged.messages() or pytest.skip("neither os-ken nor Open vSwitch's sources are here")


def test_what_others_made_survives_json() -> None:
    lost = []
    for name, _, message, xid, version, again in the_messages():
        obj = through(message, xid, version)
        if from_json(obj) != (message, xid, version) or codec.encode(*from_json(obj)) != again:
            lost.append(name)
    assert lost == []


def test_large_numbers_are_text() -> None:
    def numbers(value: Any) -> None:
        if isinstance(value, dict):
            for inner in value.values():
                numbers(inner)
        elif isinstance(value, list):
            for inner in value:
                numbers(inner)
        elif isinstance(value, int):
            assert value <= 1 << 53

    for case in the_messages():
        numbers(through(case.message, case.xid, case.version))


def test_every_kind_of_item_has_a_json_form() -> None:
    kinds = {item.kind for record in declared() for item in record.WIRE if item.names}
    assert kinds <= as_json._TO.keys() and kinds <= as_json._FROM.keys() | {"ofs_nbits"}


def declared(version: int | None = None) -> list[type[Record]]:
    """Records of all families, or of those that a version has, with the records in them."""
    homes = {record: home.entries.get(record) for record, home in HOMES.items()}
    entered = [(record, entry) for record, entry in homes.items() if entry is not None]
    found = [record for record, entry in entered if version is None or entry.number(version) is not None]
    for record in found:
        for item in record.WIRE if version is None else layout(record, version):
            if item.kind in ("one", "many") and isinstance(item.of, type) and item.of not in found:
                found.append(item.of)
    return found


# -- names -----------------------------------------------------------------------------------------------------------


def test_os_ken_gives_the_types_the_same_numbers() -> None:
    if osken.available():
        pytest.skip(str(osken.available()))
    compared = 0
    for golden in osken.goldens():
        found = osken.modules(golden.version)
        assert found is not None
        try:
            obj = to_json(*codec.decode(golden.data))
        except ValueError:
            continue
        if isinstance(obj["type"], int) or obj["type"].startswith(("NXT_", "ONFT_")):
            continue
        assert getattr(found[0], obj["type"]) == golden.data[1], golden.name
        kind = obj.get("multipart_type")
        if kind is not None and hasattr(found[0], kind):
            assert getattr(found[0], kind) == int.from_bytes(golden.data[8:10], "big"), golden.name
        compared += 1
    assert compared > 250


@pytest.mark.parametrize("version", [V10, 3, V13, V14, V15])
def test_os_ken_gives_the_names_of_numbers_the_same_values(version: int) -> None:
    if osken.available():
        pytest.skip(str(osken.available()))
    found = osken.modules(version)
    assert found is not None
    constants = found[0]
    classes = {
        item.of
        for record in declared(version)
        for item in layout(record, version)
        if isinstance(item.of, type) and issubclass(item.of, Numbers) and not _experimental(record)
    }
    classes.add(as_json.reserved_ports(version))
    wrong = {}
    for names in classes:
        for name, value in names.all_names().items():
            theirs = getattr(constants, name, value)
            if version == V10 and name.startswith("OFPP_"):
                theirs |= 0xFFFF0000  # the library widens them
            if value != theirs and not (issubclass(names, Flags) and value == 1 << theirs):  # a set of numbers
                wrong[name] = (value, theirs)
    known = sum(hasattr(constants, name) for names in classes for name in names.all_names())
    assert wrong == {} and known > 50


def _experimental(record: type[Record]) -> bool:
    home = HOMES.get(record)
    return home is not None and record in home.entries and home.entries[record].key is not None


def test_os_ken_gives_the_numbers_of_actions_the_same_names() -> None:
    if osken.available():
        pytest.skip(str(osken.available()))
    compared = 0
    for version in osken.DIRECTORIES:
        found = osken.modules(version)
        assert found is not None
        for family in FAMILIES:
            for number, entry in family.by_number(version).items():
                name = entry.name(version)
                if hasattr(found[0], name):
                    assert getattr(found[0], name) == number, (version, name)
                    compared += 1
    assert compared > 300


def test_open_vswitch_names_messages_and_errors_the_same() -> None:
    if ofctl.available():
        pytest.skip(str(ofctl.available()))
    cases = [case for case in the_messages() if not isinstance(case.message, UnknownMessage)]
    compared = 0
    for case, text in zip(cases, ofctl.ofp_print_many([case.data for case in cases]), strict=True):
        obj = to_json(case.message, case.xid, case.version)
        said = re.match(r"(OFPT|OFPST|NXT|NXST|ONFT)_(\w+)( request| reply)?", text)
        if said is None or "***" in text.splitlines()[0]:
            continue
        if said[1] in ("OFPST", "NXST"):
            kind = str(obj.get("multipart_type", obj["type"]))
            ours = re.sub(r"^(OFPMP|OFPST|NXST|ONFMP)_|_(STATS|REQUEST|REPLY)$", "", kind)
            assert _RENAMED.get(ours, ours) == said[2], case.name
        elif said[2] in obj["type"] or _same_by_another_name(said[2], obj["type"]):
            pass
        else:
            pytest.fail(f"{case.name}: {said[0]} is {obj['type']}")
        code = re.match(r"OFPT_ERROR .*\): (\w+)$", text.splitlines()[0])
        if code and code[1].startswith("OFP") and case.version >= 3 and obj.get("experimenter") is None:
            assert obj["code"] == code[1], case.name
        compared += 1
    assert compared > 300


_RENAMED = {"FLOW_DESC": "FLOW", "METER_DESC": "METER_CONFIG"}
"""OpenFlow 1.5's names, and those of before that Open vSwitch keeps."""


def _same_by_another_name(theirs: str, ours: str) -> bool:
    return theirs.replace("GET_ASYNC", "ASYNC") in ours


def test_a_name_belongs_to_a_version() -> None:
    assert to_json(Output(1) and FlowMod(out_port=0xFFFFFFFF), 1, V10)["out_port"] == "OFPP_NONE"
    assert to_json(FlowMod(out_port=0xFFFFFFFF), 1, V11)["out_port"] == "OFPP_ANY"
    error = Error(3, 0)
    assert to_json(error, 1, V10)["error_type"] == "OFPET_FLOW_MOD_FAILED"
    assert to_json(error, 1, V10)["code"] == "OFPFMFC_ALL_TABLES_FULL"
    assert to_json(error, 1, V13)["code"] == "OFPBIC_UNKNOWN_INST"
    for version in VERSIONS:
        for entry in MESSAGES.by_name(version).values():
            assert HOMES[entry.record] is MESSAGES


def test_flags_are_names_and_what_has_none_is_a_number() -> None:
    class Some(Flags, prefix="X_"):
        A = 1
        B = 2
        BOTH = 12

    assert as_json.number_to_json(0b1_0011, Some) == ["X_A", "X_B", 16]
    assert as_json.number_to_json(4, Some) == [4]
    assert as_json.number_from_json(["X_A", "BOTH", "0x10"], 8, Some, "") == 0b1_1101
    assert as_json.number_from_json(3, 8, Some, "") == 3


def test_octets_that_are_not_text_come_back() -> None:
    assert as_json.text_to_json("caf\xe9") == "caf\xe9"
    broken = b"a\xff\0b".decode("utf-8", "surrogateescape")
    assert as_json.text_to_json(broken) == {"hex": "61ff0062"}


def test_a_hello_of_another_version_can_be_said() -> None:
    message, xid, version = codec.decode(bytes.fromhex("6300000800000001"))
    obj = through(message, xid, version)
    assert obj == {"version": 0x63, "type": "OFPT_HELLO", "xid": 1, "elements": [], "data": ""}
    assert from_json(obj) == (message, xid, version)
    with pytest.raises(JsonError, match="version"):
        from_json({"version": 0x63, "type": "OFPT_BARRIER_REQUEST"})


# -- what nobody declared ---------------------------------------------------------------------------------------------

STRANGE = 0x00ABCDEF


@pytest.mark.parametrize(
    ("octets", "said"),
    [
        ("0104001000000001 00abcdef 00000007", {"type": "OFPT_VENDOR", "experimenter": STRANGE, "data": "00000007"}),
        (
            "0204001400000001 00abcdef 00000000 0102",
            {"type": "OFPT_EXPERIMENTER", "experimenter": STRANGE, "data": "000000000102"},
        ),
        (
            "0404001400000001 00abcdef 00000007 0102",
            {"type": "OFPT_EXPERIMENTER", "experimenter": STRANGE, "exp_type": 7, "data": "0102"},
        ),
        ("0404000e00000001 00abcdef 0102", {"type": "OFPT_EXPERIMENTER", "experimenter": STRANGE, "data": "0102"}),
        (
            "0110001000000001 ffff0000 00abcdef",
            {"type": "OFPT_STATS_REQUEST", "multipart_type": "OFPST_VENDOR", "flags": [], "experimenter": STRANGE},
        ),
        (
            "0313001800000001 ffff0001 00000000 00abcdef 00000007 0102",
            {"type": "OFPT_STATS_REPLY", "multipart_type": "OFPST_EXPERIMENTER", "exp_type": 7, "data": "0102"},
        ),
        (
            "0412001800000001 ffff0000 00000000 00abcdef 00000007",
            {"type": "OFPT_MULTIPART_REQUEST", "multipart_type": "OFPMP_EXPERIMENTER", "exp_type": 7},
        ),
        (
            "0413001400000001 004d0001 00000000 01020304",
            {"multipart_type": 77, "flags": ["OFPMPF_MORE"], "data": "01020304"},
        ),
        ("0413001400000001 004d0001 0000ff00 01020304", {"type": 19, "data": "004d00010000ff0001020304"}),
        ("04c8000a00000001 0102", {"type": 200, "data": "0102"}),
    ],
)
def test_what_nobody_declared_comes_back(octets: str, said: dict[str, Any]) -> None:
    data = bytearray.fromhex(octets)
    data[2:4] = len(data).to_bytes(2, "big")
    message, xid, version = codec.decode(bytes(data))
    obj = through(message, xid, version)
    assert obj.items() >= said.items()
    assert from_json(obj) == (message, xid, version) and codec.encode(*from_json(obj)) == data
    assert Draft202012Validator(schema(version)).is_valid(obj)
    assert not Draft202012Validator(schema(version)).is_valid(obj | {"unheard_of": 1})


@pytest.mark.parametrize("version", VERSIONS)
def test_any_unknown_record_comes_back(version: int) -> None:
    chance = random.Random(version)
    for home in FAMILIES:
        unknown: Any = home.unknown
        if unknown is None:
            continue
        for kind in (4, 16, 17, 18, 19, 99) if home is MESSAGES else (0xFFFE, 0xFFFF, 99):
            for size in (0, 3, 4, 7, 8, 12, 20):
                record: Any = unknown(kind, chance.choice([bytes, chance.randbytes])(size))
                if home is MESSAGES:
                    assert from_json(through(record, 1, version)) == (record, 1, version)
                    continue
                obj = as_json.record_to_json(record, version)
                assert as_json.record_from_json(home, obj, version) == record
                named = isinstance(obj["type"], str)
                assert named == (size >= 4 and kind in json_unknown.names(home, version).values())


def test_experimenters_names_are_those_of_the_version() -> None:
    for version, name in ((V10, "OFPAT_VENDOR"), (V13, "OFPAT_EXPERIMENTER")):
        obj = as_json.record_to_json(UnknownAction(0xFFFF, bytes.fromhex("00abcdef01020304")), version)
        assert obj == {"type": name, "experimenter": STRANGE, "data": "01020304"}
    instruction = UnknownInstruction(0xFFFF, bytes.fromhex("00abcdef"))
    assert as_json.record_to_json(instruction, V13)["type"] == "OFPIT_EXPERIMENTER"
    prop = UnknownPortProperty(0xFFFF, bytes.fromhex("00abcdef00000007"))
    said = {"type": "OFPPDPT_EXPERIMENTER", "experimenter": STRANGE, "exp_type": 7, "data": ""}
    assert as_json.record_to_json(prop, V14) == said


@pytest.mark.parametrize("version", [V10, 3, V13, V14, V15])
def test_os_ken_gives_experimenters_names_the_same_numbers(version: int) -> None:
    if osken.available():
        pytest.skip(str(osken.available()))
    found = osken.modules(version)
    assert found is not None
    compared = 0
    for home in FAMILIES:
        for name, number in json_unknown.names(home, version).items():
            if hasattr(found[0], name):
                assert getattr(found[0], name) == number, name
                compared += 1
    assert compared >= 3


def test_actions_are_short_for_an_instruction() -> None:
    actions = [{"type": "OFPAT_OUTPUT", "port": 1}]
    message, _, _ = from_json(ENVELOPE | {"actions": actions})
    assert message == FlowMod(actions=(Output(1),))
    long = from_json(ENVELOPE | {"instructions": [{"type": "OFPIT_APPLY_ACTIONS", "actions": actions}]})
    assert codec.encode(message, 7, V13) == codec.encode(*long)
    goto = [{"type": "OFPIT_GOTO_TABLE", "table_id": 2}]
    both, _, _ = from_json(ENVELOPE | {"actions": actions, "instructions": goto})
    kinds = [one["type"] for one in to_json(both, 7, V13)["instructions"]]
    assert kinds == ["OFPIT_APPLY_ACTIONS", "OFPIT_GOTO_TABLE"]
    validator = Draft202012Validator(schema(V13))
    assert validator.is_valid(ENVELOPE | {"actions": actions, "instructions": goto})
    assert not validator.is_valid(ENVELOPE | {"actions": [{"type": "OFPAT_OUTPUT", "prot": 1}]})
    with pytest.raises(JsonError, match=r"OFPT_FLOW_MOD\.actions\[0\]\.type: .* did you mean OFPAT_OUTPUT"):
        from_json(ENVELOPE | {"actions": [{"type": "OFPAT_OUTPT"}]})


def test_a_match_of_open_vswitch_in_openflow_1_1() -> None:
    obj = {"version": "1.1", "type": "OFPT_FLOW_MOD", "match": {"match_type": 1, "ipv6_dst": "2001:db8::1"}}
    message, _, _ = from_json(obj)
    assert codec.decode(codec.encode(message, 0, V11))[0].match == message.match
    assert to_json(message, 0, V11)["match"] == obj["match"]


# -- errors ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("obj", "path", "words"),
    [
        (["a"], "message", ["an object is wanted"]),
        ({"type": "OFPT_HELLO"}, "version", ["None is not one of 1.0, 1.1"]),
        ({"version": 1.3, "type": "OFPT_HELLO"}, "version", ["1.3 is not one of", 'it is text: "1.3"']),
        ({"version": "1.3"}, "type", ["None is no message of OpenFlow 1.3"]),
        ({"version": "1.3", "type": "OFPT_FLOWMOD"}, "type", ["did you mean", "OFPT_FLOW_MOD"]),
        ({"version": "1.3", "type": "OFPT_MULTIPART_REQ"}, "type", ["OFPT_MULTIPART_REQUEST"]),
        ({"version": "1.0", "type": "OFPT_MULTIPART_REQUEST"}, "type", ["OpenFlow 1.0", "did you mean"]),
        (
            {"version": "1.3", "type": "OFPT_MULTIPART_REQUEST", "multipart_type": "OFPMP_FLOWS"},
            "multipart_type",
            ["multipart request", "OFPMP_FLOW"],
        ),
        (ENVELOPE | {"xid": -1}, "xid", ["-1 is not within 0..4294967295"]),
        (ENVELOPE | {"xid": True}, "xid", ["True is not a number"]),
        (ENVELOPE | {"priority": 65536}, "OFPT_FLOW_MOD.priority", ["not within 0..65535"]),
        (ENVELOPE | {"priority": 1.5}, "OFPT_FLOW_MOD.priority", ["1.5 is not a number"]),
        (ENVELOPE | {"priority": "1_0"}, "OFPT_FLOW_MOD.priority", ["'1_0' is not a number"]),
        (ENVELOPE | {"priorty": 1}, "OFPT_FLOW_MOD", ["there is no priorty; did you mean priority? There are cookie,"]),
        (
            {"version": "1.3", "type": "OFPT_EXPERIMENTER", "experimenter": 1, "data": "00000000"},
            "OFPT_EXPERIMENTER",
            ["exp_type is missing"],
        ),
        ({"version": "1.3", "type": "OFPT_EXPERIMENTER"}, "OFPT_EXPERIMENTER", ["experimenter is missing"]),
        (
            {"version": "1.0", "type": "OFPT_VENDOR", "experimenter": 1, "exp_type": 2},
            "OFPT_VENDOR",
            ["there is no exp_type", "experimenter, data"],
        ),
        ({"version": "1.0", "type": "OFPT_EXPERIMENTER"}, "type", ["(1.1, 1.2, 1.3, 1.4, 1.5 have it)"]),
        (ENVELOPE | {"importance": 1}, "OFPT_FLOW_MOD", ["there is no importance"]),
        (ENVELOPE | {"command": "OFPFC_AD"}, "OFPT_FLOW_MOD.command", ["OFPFC_ADD", "OFPFC_DELETE"]),
        (ENVELOPE | {"match": 3}, "OFPT_FLOW_MOD.match", ["an object is wanted"]),
        (ENVELOPE | {"match": {"eth_dts": 1}}, "OFPT_FLOW_MOD.match", ["eth_dts"]),
        (ENVELOPE | {"instructions": {}}, "OFPT_FLOW_MOD.instructions", ["a list is wanted"]),
        (ENVELOPE | {"instructions": [{"type": "X"}]}, "OFPT_FLOW_MOD.instructions[0].type", ["OFPIT_APPLY_ACTIONS"]),
        (
            ENVELOPE | {"instructions": [{"type": "OFPIT_APPLY_ACTIONS", "actions": [{"type": "OFPAT_OUTPUT"}]}]},
            "OFPT_FLOW_MOD.instructions[0].actions[0]",
            ["port is missing"],
        ),
        (
            {"version": "1.3", "type": "OFPT_ERROR", "error_type": 1, "code": "OFPBRC_BAD"},
            "OFPT_ERROR.code",
            ["OFPBRC_BAD_LEN"],
        ),
        (
            {"version": "1.3", "type": "OFPT_ERROR", "error_type": 2, "code": "OFPBRC_BAD_LEN"},
            "OFPT_ERROR.code",
            ["OFPET_BAD_REQUEST"],
        ),
        ({"version": "1.3", "type": "OFPT_ERROR", "code": 1}, "OFPT_ERROR", ["error_type is missing"]),
        ({"version": "1.3", "type": "OFPT_ECHO_REQUEST", "data": "0g"}, "OFPT_ECHO_REQUEST.data", ["hexadecimal"]),
        ({"version": "1.3", "type": 300, "data": ""}, "type", ["not within 0..255"]),
        ({"version": "1.3", "type": 99, "dada": ""}, "", ["there is no dada"]),
    ],
)
def test_errors_say_where_and_what_else(obj: Any, path: str, words: list[str]) -> None:
    with pytest.raises(JsonError) as caught:
        from_json(obj)
    assert caught.value.path == path
    for word in words:
        assert word in str(caught.value)


def test_nesting_has_an_end() -> None:
    obj: dict[str, Any] = {"type": "OFPT_HELLO"}
    for _ in range(3000):
        obj = {"type": "OFPT_BUNDLE_ADD_MESSAGE", "bundle_id": 1, "message": obj}
    with pytest.raises(JsonError):
        from_json({"version": "1.5", **obj})


def test_an_input_port_beside_the_match_is_in_the_match() -> None:
    obj = to_json(PacketIn(in_port=3, match={"eth_type": 0x800}), 1, V13)
    assert obj["match"] == {"in_port": 3, "eth_type": 0x800} and "in_port" not in obj
    assert from_json(obj)[0].in_port == 3


def test_defaults_may_be_left_out() -> None:
    assert from_json({"version": "1.3", "type": "OFPT_FLOW_MOD"}) == (FlowMod(), 0, V13)
    assert from_json({"version": "1.0", "type": "OFPT_ECHO_REQUEST", "xid": "0x10"}) == (EchoRequest(), 16, V10)
    assert from_json({"version": "1.5", "type": "OFPT_HELLO"}) == (Hello(), 0, V15)


def test_the_form_is_what_the_documentation_shows() -> None:
    message = FlowMod({"in_port": 1, "eth_dst": 0x0000_0000_0001}, (Output(0xFFFFFFFD),), flags=1)
    obj = to_json(message, 7, V13)
    assert list(obj)[:3] == ["version", "type", "xid"]
    assert {key: obj[key] for key in ("version", "type", "xid", "command", "flags")} == {
        "version": "1.3",
        "type": "OFPT_FLOW_MOD",
        "xid": 7,
        "command": "OFPFC_ADD",
        "flags": ["OFPFF_SEND_FLOW_REM"],
    }
    assert obj["match"] == {"in_port": 1, "eth_dst": "00:00:00:00:00:01"}
    output = {"type": "OFPAT_OUTPUT", "port": "OFPP_CONTROLLER", "max_len": 65535}
    assert obj["instructions"][0]["actions"][0].items() >= {"type": output["type"], "port": output["port"]}.items()
    assert declare.HOMES[FlowMod] is MESSAGES
