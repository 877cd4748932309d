"""Every action and instruction in every version that has it: octets, and what Open vSwitch reads in them.

Open vSwitch is asked twice: for lists of actions alone (`parse-actions`, which also writes again what it read) and for
flow mods with them. Its own cases of octets and text (ofp-actions.at) go the other way round.
"""

import json
import random
from functools import cache
from typing import Any, cast

import pytest

from segue.openflow import as_json
from segue.openflow.codec import CODEC, decode, encode
from segue.openflow.declare import Family, Record
from segue.openflow.protocol import actions as a
from segue.openflow.protocol import instructions as i
from segue.openflow.protocol import nicira_actions as nx
from segue.openflow.protocol import nicira_ct as ct
from segue.openflow.protocol import nicira_encap as en
from segue.openflow.protocol import nicira_learn as le
from segue.openflow.protocol import nicira_load as lo
from segue.openflow.protocol import nicira_multipath as mp
from segue.openflow.protocol.families import ACTION, INSTRUCTION, Action, UnknownAction, UnknownInstruction
from segue.openflow.protocol.flow_mod import FlowMod
from segue.openflow.protocol.nicira_forms import Subfield
from segue.openflow.protocol.nicira_sample import Sample4
from segue.openflow.protocol.onf_actions import OnfCopyField
from segue.openflow.wire import ANY_PORT, V10, V11, V12, V13, V14, V15, VERSIONS, EncodeError, ProtocolError

from ..oracles import ofctl, ovs_cases  # noqa: TID252
from . import action_samples

pytestmark = pytest.mark.filterwarnings("error")
needs_ofctl = pytest.mark.skipif(ofctl.available() is not None, reason=str(ofctl.available()))
needs_cases = pytest.mark.skipif(ovs_cases.available() is not None, reason=str(ovs_cases.available()))

INSTRUCTIONS: list[tuple[Record, str | None]] = [
    (i.GotoTable(7), "goto_table:7"),
    (i.WriteMetadata(0xFEDCBA9876543210, 0xFF00FF00FF00FF00), "write_metadata:0xfedcba9876543210/0xff00ff00ff00ff00"),
    (i.WriteActions((a.Output(1), a.Group(2))), "write_actions(output:1,group:2)"),
    (i.ApplyActions((a.Output(1), nx.Resubmit(5))), "output:1,resubmit:5"),
    (i.ClearActions(), "clear_actions"),
    (i.Meter(3), "meter:3"),
    (i.StatTrigger(i.StatTriggerFlags.PERIODIC, {"packet_count": 5, "duration": (1, 2)}), None),
]


def write(home: Family, records: Any, version: int) -> bytes:
    encoders = CODEC.encoders_of(home, version)
    return b"".join(encoders[type(record)](record) for record in records)


def read(home: Family, data: bytes, version: int) -> tuple[Any, ...]:
    return CODEC.reader_of_many(home, version)(data, 0, len(data))


def has(home: Family, record: Record, version: int) -> bool:
    return home.entries[type(record)].number(version) is not None


def samples(version: int) -> list[tuple[Record, str | None]]:
    given = [(one, action_samples.text_of(text, version)) for one, text in action_samples.ALL]
    return [(one, text) for one, text in given if text != "" and has(ACTION, one, version)]


@pytest.mark.parametrize("version", VERSIONS)
def test_every_action_comes_back(version: int) -> None:
    for action, _ in samples(version):
        data = write(ACTION, [action], version)
        assert len(data) % 8 == 0
        assert int.from_bytes(data[2:4], "big") == len(data)
        assert read(ACTION, data, version) == (action,)
        assert write(ACTION, read(ACTION, data, version), version) == data


@pytest.mark.parametrize("version", VERSIONS[1:])
def test_every_instruction_comes_back(version: int) -> None:
    for instruction, _ in INSTRUCTIONS:
        if has(INSTRUCTION, instruction, version):
            data = write(INSTRUCTION, [instruction], version)
            assert read(INSTRUCTION, data, version) == (instruction,)


def test_there_is_an_example_of_everything() -> None:
    def of(module: str) -> bool:
        return module.rpartition(".")[2].startswith(("actions", "nicira_", "onf_"))

    known = {type(one) for one, _ in action_samples.ALL} | {nx.NxWriteMetadata, ct.Nat}
    assert {record for record in ACTION.entries if of(record.__module__)} == known
    assert set(INSTRUCTION.entries) == {type(one) for one, _ in INSTRUCTIONS}


@needs_ofctl
@pytest.mark.parametrize("version", VERSIONS)
def test_open_vswitch_reads_and_writes_the_same(version: int) -> None:
    known = [(action, text) for action, text in samples(version) if text is not None]
    octets = [write(ACTION, [action], version) for action, _ in known]
    for (action, text), data, said in zip(known, octets, ofctl.parse_actions(version, octets), strict=True):
        assert said.text == f"actions={text}", (action, said)
        # From 1.2 on it writes set-field for the tunnel's id, and in 1.4 its own move for the ONF's copy-field.
        if not isinstance(action, nx.SetTunnel | nx.SetTunnel64 | (OnfCopyField if version == V14 else nx.SetTunnel)):
            assert said.again == data, action


@needs_ofctl
@pytest.mark.parametrize("version", VERSIONS)
def test_open_vswitch_refuses_what_it_does_not_know_for_its_type(version: int) -> None:
    strange = [action for action, text in samples(version) if text is None]
    octets = [write(ACTION, [action], version) for action in strange]
    for action, said in zip(strange, ofctl.parse_actions(version, octets), strict=True):
        assert said.error in ("OFPBAC_BAD_TYPE", "OFPBAC_BAD_VENDOR_TYPE"), (action, said)


@needs_ofctl
@pytest.mark.parametrize("version", VERSIONS[1:])
def test_open_vswitch_reads_instructions(version: int) -> None:
    known = [(one, text) for one, text in INSTRUCTIONS if text and has(INSTRUCTION, one, version)]
    octets = [write(INSTRUCTION, [one], version) for one, _ in known]
    for (one, text), data, said in zip(
        known, octets, ofctl.parse_actions(version, octets, "instructions"), strict=True
    ):
        assert (said.text, said.again) == (f"actions={text}", data), one


def match_for(action: Record, version: int) -> dict[str, Any]:
    """The match that Open vSwitch wants before such an action."""
    name = type(action).__name__
    if "Mpls" in name and "Push" not in name:
        return {"eth_type": 0x8847}
    if name in ("SetVlanVid", "SetVlanPcp", "PopVlan") or getattr(action, "field", "") == "vlan_vid":
        return {"vlan_vid": 0x1005}
    if getattr(action, "field", "") == "ipv6_src" or "ipv6_min=7" in repr(action):
        return {"eth_type": 0x86DD}
    if isinstance(action, nx.ResubmitTableCt):
        return {"eth_type": 0x0800, "ct_state": (0x20, 0x30)}
    if "nsh" in repr(action) or name == "DecNshTtl":
        return {"eth_type": 0x894F}
    return {"eth_type": 0x0800, "ip_proto": 17 if getattr(action, "alg", 0) == ct.CtAlg.TFTP else 6}


@needs_ofctl
@pytest.mark.parametrize("version", VERSIONS)
def test_open_vswitch_understands_flow_mods(version: int) -> None:
    known = [(action, text) for action, text in samples(version) if text is not None]
    if version < V12:  # no match of theirs says that a connection is tracked, as this one has to be
        known = [(action, text) for action, text in known if not isinstance(action, nx.ResubmitTableCt)]
    messages = [encode(FlowMod(match_for(action, version), (cast(Action, action),)), 7, version) for action, _ in known]
    for (action, text), data, said in zip(known, messages, ofctl.ofp_print_many(messages), strict=True):
        assert ofctl.understood(said), (action, said)
        assert said.rstrip().endswith(f"actions={text}"), (action, said)
        msg, xid, _ = decode(data)
        assert encode(msg, xid, version) == data


@needs_cases
def test_open_vswitch_cases() -> None:
    """All that Open vSwitch accepts is written again as it was, but for octets of padding that are not zero."""
    cases = ovs_cases.action_cases()
    assert len(cases) > 150
    padding = 0
    for case in cases:
        home = ACTION if case.kind == "actions" or case.version == V10 else INSTRUCTION
        if case.error:
            try:
                records = read(home, case.data, case.version)
            except ProtocolError:
                continue
            assert write(home, records, case.version) == case.data or case.error == "NXBRC_MUST_BE_ZERO", case
            continue
        records = read(home, case.data, case.version)
        assert not any(isinstance(one, UnknownAction | UnknownInstruction) for one in records), case
        again = write(home, records, case.version)
        if again != case.data:
            padding += 1
            assert len(again) == len(case.data)
            assert all(ours == 0 for ours, theirs in zip(again, case.data, strict=True) if ours != theirs), case
    assert padding == 6


@needs_cases
def test_wrong_lengths_are_refused_for_them() -> None:
    cases = [case for case in ovs_cases.action_cases() if case.error.endswith("_BAD_LEN")]
    assert len(cases) > 5
    for case in cases:
        home = ACTION if case.kind == "actions" else INSTRUCTION
        with pytest.raises(ProtocolError) as refusal:
            read(home, case.data, case.version)
        assert refusal.value.error == case.error


@pytest.mark.parametrize("version", VERSIONS)
def test_json_and_back(version: int) -> None:
    for action, _ in samples(version):
        said = json.loads(json.dumps(as_json.record_to_json(action, version)))
        assert as_json.record_from_json(ACTION, said, version) == action
    for one, _ in INSTRUCTIONS:
        if version > V10 and has(INSTRUCTION, one, version):
            said = json.loads(json.dumps(as_json.record_to_json(one, version)))
            assert as_json.record_from_json(INSTRUCTION, said, version) == one


def test_json_says_what_people_say() -> None:
    learn = le.Learn((le.LearnMatch("eth_dst", 1 << 47, 48), le.LearnOutput("in_port_nxm", 16)), flags=1)
    said = as_json.record_to_json(learn, V13)
    assert said["type"] == "NXAST_LEARN"
    assert said["flags"] == ["NX_LEARN_F_SEND_FLOW_REM"]
    assert said["specs"][0] == {
        "type": "NX_LEARN_DST_MATCH",
        "n_bits": 48,
        "value": 1 << 47,
        "dst": "eth_dst",
        "dst_ofs": 0,
    }
    nat = ct.Nat(ct.NatFlags.DST, ct.NatRange(ipv6_min=1, proto_min=80))
    assert as_json.record_to_json(nat, V13)["range"] == {"ipv6_min": "::1", "proto_min": 80}
    zone = ct.Ct(zone=Subfield("reg0", 0, 16))
    assert as_json.record_to_json(zone, V13)["zone"] == {"field": "reg0", "ofs": 0, "n_bits": 16}
    assert as_json.record_to_json(mp.Bundle((ANY_PORT - 7,)), V13)["members"] == ["OFPP_IN_PORT"]


@pytest.mark.parametrize(
    ("type_name", "wrong"),
    [
        ("NXAST_LEARN", {"specs": [{"type": "NX_LEARN_DST_OUTPUT", "n_bits": 16, "value": 3}]}),
        ("NXAST_LEARN", {"specs": [{"type": "NX_LEARN_DST_MATCH", "n_bits": 16, "src": "eth_src"}]}),
        ("NXAST_LEARN", {"specs": [{"type": "other"}]}),
        ("NXAST_LEARN", {"specs": 5}),
        ("NXAST_LEARN2", {"flags": ["NX_LEARN_F_WRITE_RESULT"]}),
        ("NXAST_CT", {"zone": {"field": "reg0"}}),
        ("NXAST_CT", {"zone": 1 << 16}),
        ("NXAST_NAT", {"range": {"ipv4_min": "10.0.0.0/8"}}),
        ("NXAST_NAT", {"range": {"port": 5}}),
        ("NXAST_BUNDLE", {"members": 3}),
        ("NXAST_ENCAP", {"new_pkt_type": "PT_NSH", "props": [{"type": "OFPPPT_PROP_NSH_TLV"}]}),
        ("NXAST_ENCAP", {"new_pkt_type": "PT_NSH", "props": [{"type": 5}]}),
        ("NXAST_DELETE_FIELD", {"field": 5}),
    ],
)
def test_wrong_json_is_refused(type_name: str, wrong: dict[str, Any]) -> None:
    with pytest.raises(ValueError):
        as_json.record_from_json(ACTION, {"type": type_name, **wrong}, V13)


@pytest.mark.parametrize(
    ("version", "action"),
    [
        (V10, a.SetQueue(1)),
        (V10, a.PushVlan()),
        (V11, a.StripVlan()),
        (V11, a.SetField("eth_dst", 1)),
        (V12, a.SetDlSrc(1)),
        (V14, a.SetField("eth_dst", 1, 1)),
        (V12, a.PushPbb()),
        (V14, a.MeterAction(1)),
        (V14, a.CopyField("eth_src", "eth_dst", 48)),
        (V15, lo.RegLoad("reg0", 1, 32)),
        (V12, en.Decap()),
        (V13, lo.RegLoad("nsh_ttl", 1, 8)),
        (V13, lo.RegLoad("reg0", 1, 65)),
        (V13, a.Output(1 << 32)),
        (V13, ct.Ct(zone=1 << 16)),
        (V13, ct.Ct(actions=(ct.Nat(range=ct.NatRange(ipv4_min=1 << 32)),))),
        (V13, nx.DecTtlCntIds((1 << 16,))),
        (V13, nx.Resubmit(0xFF00)),
        (V13, mp.Bundle((1, 70000))),
        (V13, le.Learn((le.LearnMatch("eth_dst", "eth_src", 0),))),
        (V13, le.Learn((le.LearnMatch("eth_dst", 16, 4),))),
        (V13, le.Learn((le.LearnOutput(5, 16),))),  # type: ignore[arg-type]
        (V13, en.Encap(en.PacketType.NSH, (en.EdPropNshMdType(256),))),
        (V13, en.Encap(en.PacketType.NSH, (en.EdPropNshTlv(1, 1, bytes(249)),))),
        (V13, nx.Clone((i.GotoTable(1),))),  # type: ignore[arg-type]
    ],
)
def test_what_cannot_be_said_is_an_encode_error(version: int, action: Any) -> None:
    with pytest.raises(EncodeError):
        encode(FlowMod({}, (action,)), 0, version)


def test_too_much_for_a_property_is_said_so() -> None:
    for prop in (en.EdPropNshTlv(1, 1, bytes(241)), en.UnknownEdProp(5, 5, bytes(252))):
        with pytest.raises(EncodeError, match="more than the property can carry"):
            write(ACTION, [en.Encap(en.PacketType.NSH, (prop,))], V13)
    assert len(write(ACTION, [en.Encap(en.PacketType.NSH, (en.EdPropNshTlv(1, 1, bytes(240)),))], V13)) == 264


def test_result_and_its_flag_go_together() -> None:
    with pytest.raises(EncodeError):
        le.Learn2(result_dst="reg0")
    with pytest.raises(EncodeError):
        le.Learn2(flags=le.LearnFlags.WRITE_RESULT)


LEARN = "ffff 0028 00002320 0010 0000 0000 0000 0000000000000000 0000 01 00 0000 0000 "
LEARN2 = "ffff 0028 00002320 002d 0000 0000 0000 0000000000000000 0004 01 00 0000 0000 00000000 0000 0000"
BUNDLE = "ffff 0028 00002320 000c 0001 0000 0000 00000002 0005 0000 00000000 00000000 0004 0008 00000000"


@pytest.mark.parametrize(
    ("octets", "error"),
    [
        # learn: immediate value with too many bits, undefined destination, unknown bits, rest not zero, cut short
        (LEARN + "2004 00ff 00000000", "OFPBAC_BAD_ARGUMENT"),
        (LEARN + "1810 00000002 0000", "OFPBAC_BAD_ARGUMENT"),
        (LEARN + "4010 00000002 0000", "OFPBAC_BAD_ARGUMENT"),
        (LEARN + "0000 000000000001", "OFPBAC_BAD_ARGUMENT"),
        (LEARN + "0010 00000002 0000", "OFPBAC_BAD_LEN"),
        # learn2 whose flags promise a result
        (LEARN2, "OFPBMC_BAD_LEN"),
        # nat: a part that is not there, and a part that nobody knows
        ("ffff 0010 00002320 0024 0000 0001 0001", "OFPBAC_BAD_LEN"),
        ("ffff 0010 00002320 0024 0000 0001 0040", "OFPBAC_BAD_ARGUMENT"),
        # encap: a property of no length, one beyond the end
        ("ffff 0018 00002320 002e 0000 0001894f 0004 01 00 01 000000", "OFPBAC_BAD_LEN"),
        ("ffff 0018 00002320 002e 0000 0001894f 0004 01 09 01 000000", "OFPBAC_BAD_LEN"),
        # bundle and dec_ttl: more elements than there are
        (BUNDLE, "OFPBAC_BAD_LEN"),
        ("ffff 0018 00002320 0015 0005 00000000 0000000000000000", "OFPBAC_BAD_LEN"),
        # load to a field that is named with a mask
        ("ffff 0018 00002320 0007 000f 00000d08 000000000000f009", "OFPBMC_BAD_MASK"),
        # move from a field that is named with a mask
        ("ffff 0018 00002320 0006 0010 0000 0000 00000d08 00000802", "OFPBMC_BAD_MASK"),
        # set-field with a mask, before 1.5
        ("0019 0018 8000090c 000000001234 00000000ffff 00000000", "OFPBAC_BAD_SET_MASK"),
        # controller2: a property of a wrong length
        ("ffff 0018 00002320 0025 000000000000 0000 0006 04d2 0000", "OFPBPC_BAD_LEN"),
    ],
)
def test_lies_are_refused(octets: str, error: str) -> None:
    data = bytes.fromhex(octets)
    with pytest.raises(ProtocolError) as refusal:
        read(ACTION, data, V13)
    assert refusal.value.error == error


@needs_ofctl
def test_set_field_with_a_mask() -> None:
    data = write(ACTION, [a.SetField("eth_dst", 0x1234, 0xFFFF)], V15)
    (said,) = ofctl.parse_actions(V15, [data])
    assert said.text == "actions=set_field:00:00:00:00:12:34/00:00:00:00:ff:ff->eth_dst"
    assert said.again == data


@needs_ofctl
def test_metadata_in_1_0() -> None:
    """It is no action, but stands where instructions stand, so that there has to be a flow around it."""
    action = nx.NxWriteMetadata(0xFEDCBA9876543210, 0xFF00FF00FF00FF00)
    (said,) = ofctl.parse_actions(V10, [write(ACTION, [action], V10)], "instructions")
    assert said.text == "actions=write_metadata:0xfedcba9876543210/0xff00ff00ff00ff00"
    assert said.again == write(ACTION, [action], V10)


def test_nesting_is_bounded() -> None:
    action: Any = nx.Exit()
    for _ in range(40):
        action = nx.Clone((action,))
    data = write(ACTION, [action], V13)
    with pytest.raises(ProtocolError):
        read(ACTION, data, V13)
    assert read(ACTION, write(ACTION, [nx.Exit()], V13), V13) == (nx.Exit(),)


def test_sample4_of_a_later_open_vswitch() -> None:
    """From the tests of Open vSwitch 3.4, since the one at hand may be older."""
    text = "ffff 0028 00002320 0033 3039 00005ba0 00000002 000f0000 0001d810 081f0000 0000 000000000000"
    (action,) = read(ACTION, bytes.fromhex(text), V13)
    assert action == Sample4(12345, 23456, Subfield("in_port_nxm", 0, 16), Subfield("ct_label", 32, 32), 0)
    assert write(ACTION, [action], V13) == bytes.fromhex(text)
    numbers = Sample4(1, 2, 0x01020304, 0x05060708)
    assert write(ACTION, [numbers], V13).hex()[32:64] == "00000000010203040000000005060708"


def test_properties_that_nobody_declared_are_kept() -> None:
    octets = (
        "ffff 0020 00002320 002e 0000 0001894f 0004 01 06 01 070000 0005 09 04 00000000",
        "ffff 0020 00002320 002e 0000 0001894f 0004 02 10 1000 0a 03 010203 0000000001",
        "ffff 0020 00002320 0025 000000000000 0009 0005 aa 000000 0004 0004 00000000",
        "ffff 0010 00002320 0abc 010203040506",
        "ffff 0010 00005555 0001 010203040506",
        "0063 0008 01020304",
    )
    for text in octets:
        data = bytes.fromhex(text)
        assert write(ACTION, read(ACTION, data, V13), V13) == data


@cache
def _all_octets(version: int) -> list[bytes]:
    return [write(ACTION, [action], version) for action, _ in samples(version)]


@pytest.mark.parametrize("version", [V10, V13, V15])
def test_damage_is_refused_or_kept(version: int) -> None:
    """Whatever a peer sends is either refused with an OpenFlow error or read; no other exception, no endless loop."""
    chance = random.Random(version)
    for data in _all_octets(version):
        for _ in range(60):
            damaged = bytearray(data)
            for _ in range(chance.randint(1, 3)):
                damaged[chance.randrange(len(damaged))] = chance.choice((0, 1, 0xFF, chance.randrange(256)))
            cut = bytes(damaged[: chance.choice((len(damaged), chance.randrange(len(damaged) + 1)))])
            try:
                records = read(ACTION, cut, version)
            except ProtocolError:
                continue
            again = write(ACTION, records, version)
            assert read(ACTION, again, version) == records
