"""That the judges themselves work: each is asked something whose answer another party wrote."""

from collections import Counter

import pytest

from . import ofctl, ofctl_wire, osken, ovs_cases, wireshark


def need(*reasons: str | None) -> None:
    for reason in reasons:
        if reason:
            pytest.skip(reason)


def test_goldens_are_all_there() -> None:
    need(osken.available())
    goldens = osken.goldens()
    assert Counter(golden.version for golden in goldens) == {1: 13, 3: 47, 4: 104, 5: 73, 6: 77}
    assert all(golden.json for golden in goldens)
    assert all(golden.data[0] == golden.version for golden in goldens)
    assert [golden.name for golden in goldens if not golden.whole] == ["libofproto-OFP15-meter_features_reply"]


def test_os_ken_reads_its_goldens_as_recorded() -> None:
    need(osken.available())
    same = without = 0
    for golden in osken.goldens():
        reading = osken.parse(golden.data)
        without += reading is None
        same += reading == golden.json
    assert same + without == 314 and same >= 195


def test_os_ken_builds_messages() -> None:
    need(osken.available(), ofctl.available())
    found = osken.modules(4)
    assert found is not None
    constants, parser = found
    datapath = osken.datapath(4)
    match = parser.OFPMatch(eth_type=0x800, ip_proto=6, tcp_dst=80)
    actions = [parser.OFPActionOutput(3)]
    apply = parser.OFPInstructionActions(constants.OFPIT_APPLY_ACTIONS, actions)
    data = osken.serialize(
        parser.OFPFlowMod(datapath, priority=5, match=match, instructions=[apply], out_port=2**32 - 1)
    )
    assert "tcp,tp_dst=80 actions=output:3" in ofctl.ofp_print(data)
    assert osken.modules(2) is None and osken.parse(bytes.fromhex("0205000800000000")) is None


def test_open_vswitch_prints_its_cases_as_written() -> None:
    need(ovs_cases.available(), ofctl.available())
    cases = ovs_cases.print_cases()
    assert len(cases) > 200
    plain = [case for case in cases if case.verbosity == 2 and case.text]
    texts = ofctl.ofp_print_many([case.data for case in plain])
    agreed = [ofctl.same(text, case.text) for text, case in zip(texts, plain, strict=True)]
    if ofctl.version()[:2] == (3, 1):  # the version of the source at hand
        assert all(agreed)
    assert sum(agreed) > 0.9 * len(plain)
    assert all(ofctl.refusal(text) == case.error for text, case, ok in zip(texts, plain, agreed, strict=True) if ok)


def test_a_stream_and_single_processes_print_the_same() -> None:
    need(osken.available(), ofctl.available())
    messages = [golden.data for golden in osken.goldens()][::12]
    messages[3:3] = [b"", messages[0][:-1], bytes.fromhex("01020008b1a50000")]
    for verbosity in (2, 3):
        assert ofctl.ofp_print_many(messages, verbosity) == [ofctl.ofp_print(data, verbosity) for data in messages]


def test_a_stream_needs_no_process_for_each(monkeypatch: pytest.MonkeyPatch) -> None:
    need(osken.available(), ofctl.available())
    messages = [golden.data for golden in osken.goldens() if golden.whole]
    monkeypatch.setattr(ofctl, "ofp_print", None)
    assert len(ofctl.ofp_print_many(messages)) == 313


def test_open_vswitch_understands_most_goldens() -> None:
    need(osken.available(), ofctl.available())
    goldens = osken.goldens()
    texts = ofctl.ofp_print_many([golden.data for golden in goldens])
    understood = Counter(golden.version for golden, text in zip(goldens, texts, strict=True) if ofctl.understood(text))
    assert understood[1] == 13 and understood[3] >= 41 and understood[4] >= 89 and understood[5] >= 59
    assert understood[6] >= 56


def test_understood() -> None:
    need(ofctl.available())
    assert ofctl.understood(ofctl.ofp_print(bytes.fromhex("0405000800000001")))
    wrong = ofctl.ofp_print(bytes.fromhex("0463000800000001"))
    assert not ofctl.understood(wrong) and ofctl.refusal(wrong) == "OFPBRC_BAD_TYPE"
    assert not ofctl.understood("") and not ofctl.understood(ofctl.ofp_print(b""))
    cut = ofctl.ofp_print(bytes.fromhex("01010014000000000001000601 05ccddeeff0011"))
    assert "truncated" in cut and ofctl.understood(cut)  # the error is whole, what it answers is cut


def test_actions_read_as_written() -> None:
    need(ovs_cases.available(), ofctl.available())
    cases = ovs_cases.action_cases()
    assert len(cases) > 150 and sum(bool(case.error) for case in cases) > 25
    for place in sorted({(case.version, case.kind, case.table) for case in cases}):
        version, kind, table = place
        chosen = [case for case in cases if (case.version, case.kind, case.table) == place]
        readings = ofctl.parse_actions(version, [case.data for case in chosen], kind, table)
        assert [tuple(reading) for reading in readings] == [(case.text, case.error, case.again) for case in chosen]
    again = [case for case in cases if case.error or case.again != case.data]
    assert len(again) < 50  # most lists come back as they were


def test_matches_read_as_written() -> None:
    need(ovs_cases.available(), ofctl.available())
    cases = ovs_cases.match_cases()
    assert {form: sum(case.form == form for case in cases) > 30 for form in ("ofp10", "ofp11", "nxm", "oxm")} == {
        "ofp10": True,
        "ofp11": True,
        "nxm": True,
        "oxm": True,
    }
    for version in (1, 2):
        fixed = [case for case in cases if case.version == version and case.form.startswith("ofp")]
        readings = ofctl.parse_fixed_match(version, [case.data for case in fixed])
        assert [tuple(reading) for reading in readings] == [(case.text, case.error, case.again) for case in fixed]
    for place in sorted({(case.version, case.form, case.strict) for case in cases if case.source}):
        chosen = [case for case in cases if (case.version, case.form, case.strict) == place]
        answers = ofctl.encode_match(place[0], [case.source for case in chosen], place[2])
        assert [(answer.text, answer.error) for answer in answers] == [(case.text, case.error) for case in chosen]


def test_what_open_vswitch_writes_back() -> None:
    need(ovs_cases.available())
    tos = next(case for case in ovs_cases.match_cases() if case.text == "ip,nw_tos=48")
    assert [at for at in range(40) if tos.data[at] != tos.again[at]] == [24]  # 31 -> 30
    assert (tos.data[24], tos.again[24]) == (0x31, 0x30) and tos.ignored[22:27].hex() == "000000ffff"
    later = next(case for case in ovs_cases.match_cases() if case.text == "dl_type=0x1234,nw_proto=5")
    assert later.again == later.data  # normalization, another step, is what changes it
    drop = next(case for case in ovs_cases.action_cases() if case.data.hex() == "0004000800000001")
    assert (drop.text, drop.again) == ("actions=drop", b"")


def test_match_in_bytes() -> None:
    need(ofctl.available())
    oxm, none = ofctl.encode_match(4, ["OXM_OF_ETH_TYPE(0800), OXM_OF_IP_PROTO(06)", "<any>"])
    assert oxm.again.hex() == "0001000f80000a020800800014010600"
    assert none.again.hex() == "0001000400000000"
    assert ofctl.encode_match(1, ["NXM_OF_ETH_TYPE(0800)"])[0].again.hex() == "0000060208000000"


def test_errors_and_hello() -> None:
    need(ofctl.available())
    assert ofctl.error_codes("OFPBRC_BAD_LEN")[4] == (0, 1, 6)
    assert ofctl.error_codes("OFPBIC_DUP_INST")[4] == (0x4F4E4600, 2600, 0)
    request = bytes.fromhex("0500000812345678")
    assert ofctl.encode_error("OFPBIC_DUP_INST", request).hex() == "050100141234567800030009" + request.hex()
    assert (
        ofctl.encode_hello([1, 4, 6]).hex().startswith("06000010")
        and ofctl.encode_hello([1, 4])[-4:].hex() == "00000012"
    )


def test_sent_and_fuzzed_cases() -> None:
    need(ovs_cases.available(), ofctl.available())
    sent = ovs_cases.sent_cases()
    assert len(sent) > 50 and {case.data[0] for case in sent} == {1, 2, 3, 4, 5, 6}
    texts = ofctl.ofp_print_many([case.data for case in sent])
    assert sum(map(ofctl.understood, texts)) > 0.9 * len(sent)
    assert len(ovs_cases.fuzz_cases()) > 15


@pytest.mark.parametrize("version", [1, 2, 3, 4, 5, 6])
def test_what_ovs_ofctl_sends(version: int) -> None:
    need(ofctl_wire.available())
    flow = ofctl_wire.sent_one(version, "add-flow", "SW", "priority=7,tcp,tp_dst=80,actions=output:1")
    assert flow[:2] == bytes([version, 14])
    assert "priority=7,tcp,tp_dst=80 actions=output:1" in ofctl.ofp_print(flow)
    port = ofctl_wire.sent_one(version, "mod-port", "SW", "1", "down")
    assert port[1] == (15 if version == 1 else 16) and "PORT_DOWN" in ofctl.ofp_print(port)
    if version >= 5:
        flows = b"ip,actions=output:1\narp,actions=NORMAL\n"
        bundle = ofctl_wire.sent(version, "--bundle", "add-flows", "SW", "-", stdin=flows)
        assert [message[1] for message in bundle] == [33, 34, 34, 33]
    with pytest.raises(ValueError):
        ofctl_wire.sent(version, "add-flow", "SW", "no such flow")


def test_wireshark_reads_all_goldens_in_one_run() -> None:
    need(osken.available(), wireshark.available())
    goldens = osken.goldens()
    read = wireshark.dissect([golden.data for golden in goldens])
    clean: Counter[int] = Counter()
    for golden, dissection in zip(goldens, read, strict=True):
        if golden.version not in wireshark.VERSIONS:
            assert dissection.undissected == ["data"]
            continue
        prefix = "openflow" if golden.version == 1 else f"openflow_v{golden.version}"
        kind = dissection.one("openflow_1_0.type" if golden.version == 1 else f"{prefix}.type")
        assert kind == str(golden.data[1]), golden.name
        clean[golden.version] += not dissection.malformed and not dissection.undissected
    assert clean[1] >= 6 and clean[4] >= 55 and clean[5] >= 45 and clean[6] >= 40


def test_wireshark_marks_what_is_wrong() -> None:
    need(wireshark.available())
    good = bytes.fromhex("0410002800000000 00000001 00000000 001100001111 0000 00000001 00000001 00000000 00000000")
    cut = bytes.fromhex("0410001800000000 00000001 00000000 001100001111 0000")
    long = bytes.fromhex("0402fff800000000") + bytes(0xFFF0)
    right, wrong, echo, after = wireshark.dissect([good, cut, long, good])
    assert not right.malformed and right.one("openflow_v4.portmod.port_no") == "1"
    assert wrong.malformed and not echo.malformed
    assert echo.one("openflow_v4.length") == str(0xFFF8) and after == right
