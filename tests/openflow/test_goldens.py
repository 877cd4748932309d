"""What others wrote is read whole, as they read it, and written again octet for octet.

The others are os-ken (its golden packets, with its own reading of each), Open vSwitch (the messages, actions and
matches of its own tests) and Wireshark. What is left out is named here, with the reason.
"""

from __future__ import annotations

import re
from functools import cache
from typing import Any

import msgspec
import pytest

from segue.openflow import codec
from segue.openflow.declare import Record
from segue.openflow.protocol.families import ACTION, INSTRUCTION
from segue.openflow.wire import V10, ProtocolError

from . import judged
from .agreement import with_os_ken, with_wireshark
from .oracles import ofctl, osken, ovs_cases, wireshark

assert judged  # it imports all that is declared

# os-ken's goldens that are no OpenFlow: name -> the error code of the refusal.
BROKEN = {
    # The header says 32 octets and there are 40; the reading that os-ken has of it is of all 40.
    "libofproto-OFP15-meter_features_reply": "OFPBRC_BAD_LEN",
    # A goto-table of 0x0808 octets; os-ken does not look, Open vSwitch refuses it as we do.
    "libofproto-OFP15-flow_desc_reply": "OFPBIC_BAD_LEN",
}
# os-ken leaves the padding of the queues' last property out, which is written as OpenFlow 1.3.5 section 7.2.2 has it.
UNPADDED = {"4-36-ofp_queue_get_config_reply": (0xD3, 0xE0)}

# Cases that Open vSwitch accepts and we do not, and why.
REFUSED = {
    # Its own test says 65535 octets of match where 8 are; Open vSwitch does not look at that number.
    "FLOW_MONITOR request": "65535 bytes wanted",
    # The bundled message's length is 8; what follows has no header of a property. Open vSwitch stops before it.
    "OFPT_BUNDLE_ADD_MESSAGE - verify xid": "bundle property",
}

# What nobody but its experimenter knows, and what a version has no name for: it stays unknown.
UNKNOWN = (
    r"UnknownMessage\(type=(4|18|19), data=b'(\\x05\\xe3\\nx|\\xff\\xff(\\x00){6}\\xde\\xad)",  # os-ken's inventions
    r"UnknownAction\(type=65535, data=b'(\\x05\\xe3\\nx|\\x00\\x00# exp_data|\\x00\\x00\\x00e)",
    r"Unknown\w+Property\(type=6553[45], data=b'\\x00\\x00\\x00e",
    r"UnknownHelloElement\(type=65535",
    r"UnknownGroupProperty\(type=65535, data=b'\\x00\\x00\\x15@",  # Open vSwitch 2.4's number, since then 0x154d
    r"UnknownQueueProperty\(type=2,",  # a maximum rate in OpenFlow 1.0, which has none
    r"UnknownMeterBand\(type=5,",
    r"UnknownAsyncProperty\(type=17,",
    "oxm:0:0:0$",  # a test of Open vSwitch's that counts the padding of a match as a part of it
)


def goldens() -> list[osken.Golden]:
    return [golden for golden in osken.goldens() if golden.name not in BROKEN]


def names(golden: osken.Golden) -> str:
    return f"{golden.version}-{golden.name}"


def unknown(value: Any) -> list[str]:
    """The records in a message that nobody declared, and the match fields."""
    found = []
    if isinstance(value, msgspec.Struct):
        if type(value).__name__.startswith("Unknown"):
            found.append(repr(value))
        for name in value.__struct_fields__:
            found += unknown(getattr(value, name))
    elif isinstance(value, (tuple, list)):
        for one in value:
            found += unknown(one)
    elif isinstance(value, dict):
        found += [name for name in value if str(name).startswith("oxm:")]
    return found


@cache
def _read(data: bytes) -> tuple[Any, int, int]:
    return codec.decode(data)


@pytest.mark.parametrize("golden", goldens(), ids=names)
def test_goldens_of_os_ken(golden: osken.Golden) -> None:
    message, xid, version = _read(golden.data)
    assert version == golden.version
    again = codec.encode(message, xid, version)
    if golden.name in UNPADDED:
        assert (len(golden.data), len(again)) == UNPADDED[golden.name] and codec.decode(again)[0] == message
    else:
        assert again == golden.data
    assert [one for one in unknown(message) if not any(re.match(known, one) for known in UNKNOWN)] == []


def test_goldens_that_are_broken() -> None:
    if not osken.goldens():
        pytest.skip(osken.available() or "")
    broken = {golden.name: golden.data for golden in osken.goldens() if golden.name in BROKEN}
    assert len(osken.goldens()) == 314 and set(broken) == set(BROKEN)
    for name, data in broken.items():
        with pytest.raises(ProtocolError) as refused:
            codec.decode(data)
        assert refused.value.error == BROKEN[name]
        said = "" if ofctl.available() else ofctl.ofp_print(data)
        assert not said or BROKEN[name] in said or "only uses 32 bytes" in said


def accepted() -> list[ovs_cases.Case]:
    if ovs_cases.available():
        return []
    cases = [case for case in ovs_cases.print_cases() if case.whole and not case.error and case.data[0] in range(1, 7)]
    return cases + ovs_cases.sent_cases()


@pytest.mark.parametrize("case", accepted(), ids=lambda case: f"{case.name}-{case.data[:4].hex()}")
def test_messages_of_open_vswitch(case: ovs_cases.Case) -> None:
    try:
        message, xid, version = _read(case.data)
    except ProtocolError as error:
        assert REFUSED.get(case.name, "not refused") in str(error)
        return
    assert codec.encode(message, xid, version) == case.data
    assert [one for one in unknown(message) if not any(re.match(known, one) for known in UNKNOWN)] == []


def test_what_open_vswitch_refuses_for_its_form() -> None:
    """Where its error is of lengths, so is ours."""
    if ovs_cases.available():
        pytest.skip(ovs_cases.available() or "")
    refused = [case for case in ovs_cases.print_cases() if case.whole and case.error.endswith("BAD_LEN")]
    assert refused
    for case in refused:
        with pytest.raises(ProtocolError) as ours:
            codec.decode(case.data)
        assert ours.value.error == case.error, case.name


def action_cases() -> list[ovs_cases.ActionCase]:
    return [] if ovs_cases.available() else ovs_cases.action_cases()


@pytest.mark.parametrize("case", action_cases(), ids=lambda case: f"1.{case.version - 1}-{case.data.hex()[:40]}")
def test_actions_of_open_vswitch(case: ovs_cases.ActionCase) -> None:
    """What it accepts we read and write again. What it refuses we may, as more can be said than a switch can do."""
    home = ACTION if case.kind == "actions" or case.version == V10 else INSTRUCTION
    try:
        read = codec.CODEC.reader_of_many(home, case.version)(case.data, 0, len(case.data))
    except ProtocolError:
        assert case.error
        return
    encoders = codec.CODEC.encoders_of(home, case.version)
    again = b"".join(encoders[type(one)](one) for one in read)
    # Padding that was not zero is written as zeros by it, too. Instructions to do nothing it leaves out.
    expected = (case.data, case.again or case.data[:4] + bytes(len(case.data) - 4))
    assert again in expected
    assert case.error or unknown(read) == []


def test_streams() -> None:
    whole = [golden.data for golden in goldens()] + [case.data for case in accepted() if case.name not in REFUSED]
    if not whole:
        pytest.skip("neither os-ken nor Open vSwitch's tests")
    assert codec.decode_many(b"".join(whole)) == [_read(data) for data in whole]


@pytest.mark.parametrize("golden", goldens(), ids=names)
def test_goldens_that_are_cut(golden: osken.Golden) -> None:
    """Cut, a message is refused; with a header that says so it is refused, or all of it is read."""
    # Four goldens of table features have 15,000 octets, one table like another.
    for size in [*range(len(golden.data))[:2000], *range(2000, len(golden.data), 101)]:
        cut = golden.data[:size]
        with pytest.raises(ProtocolError):
            codec.decode(cut)
        if size >= 8:
            cut = cut[:2] + size.to_bytes(2, "big") + cut[4:]
            try:
                message, xid, version = codec.decode(cut)
            except ProtocolError:
                continue
            again = codec.encode(message, xid, version)
            assert again == cut or (0 <= len(again) - size < 16 and codec.decode(again)[0] == message)


# What os-ken shows otherwise, so that it is not compared.
OS_KENS_OWN = {
    *(f"Controller2.{name}" for name in ("controller_id", "max_len", "pause", "reason", "userdata")),
    *(f"Nat.range_{what}_{end}" for what in ("ipv4", "ipv6", "proto") for end in ("min", "max")),
    *("Ct.zone_ofs_nbits", "Ct.zone_src", "LearnOutput.dst", "RegLoad.ofs_nbits", "VersionBitmap.versions"),
    *(f"{kind}.{what}_mask" for kind in ("GetAsyncReply", "SetAsync") for what in ("flow_removed", "packet_in")),
    *("GetAsyncReply.port_status_mask", "SetAsync.port_status_mask"),
}
_compared: list[int] = []


@pytest.mark.parametrize("golden", goldens(), ids=names)
def test_os_ken_reads_the_same(golden: osken.Golden) -> None:
    message = _read(golden.data)[0]
    reading = golden.json or osken.parse(golden.data)
    if reading is None or unknown(message)[:1] == [repr(message)]:
        return
    found = with_os_ken(message, reading)
    assert found.wrong == [] and set(found.missing) <= OS_KENS_OWN
    _compared.append(len(found.compared))


def test_os_ken_was_compared_with() -> None:
    if len(_compared) < 200:
        pytest.skip("the comparisons did not all run in this process")
    assert sum(_compared) > 24_000


# The dissector of Wireshark 4.0 reads the table of a table-status two octets too early.
MISREAD = re.compile(r"table_status$")


def test_wireshark_reads_the_same() -> None:
    if osken.available() or wireshark.available():
        pytest.skip(osken.available() or wireshark.available() or "")
    chosen = [golden for golden in goldens() if golden.version in (V10, 4, 5) and not MISREAD.search(golden.name)]
    compared = 0
    for golden, dissection in zip(chosen, wireshark.dissect([golden.data for golden in chosen]), strict=True):
        if not dissection.malformed:
            message: Record = _read(golden.data)[0]
            found = with_wireshark(message, dissection)
            assert found.wrong == [], golden.name
            compared += len(found.compared)
    assert compared > 1000
