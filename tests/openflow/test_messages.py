"""Each message is what Open vSwitch takes it for, comes back from its bytes, and cannot be made to lie."""

import contextlib
import random

import pytest

from segue.openflow.actions import Output
from segue.openflow.errors import ERROR_CODES
from segue.openflow.messages import (
    BundleAdd,
    EchoReply,
    Error,
    FlowMod,
    FlowMonitorReply,
    FlowStatsReply,
    FlowUpdate,
    Hello,
    Message,
    PacketIn,
    PacketOut,
    PortDescReply,
    PortStatus,
    Unknown,
    decode,
    encode,
    encode_bundle_adds,
)
from segue.openflow.port import Port
from segue.openflow.wire import EncodeError, ProtocolError

from .oracle import available, printed
from .samples import ENTRY, NSH_MATCH, PLAIN_MOD, PORT, SAMPLES

UPDATE = FlowUpdate(1, 20, 100, NSH_MATCH, (Output(2),))

MESSAGES = [message for message, _ in SAMPLES]
# What these end with is as long as the header says: no cut of it can be told.
OPEN_ENDED = (Error, EchoReply, PacketIn, PacketOut, Unknown, Hello)


@available
def test_messages() -> None:
    known = [(message, text) for message, text in SAMPLES if text is not None]
    for (message, text), said in zip(known, printed([encode(m) for m, _ in known]), strict=True):
        assert said == text, message


def test_every_class_is_in_the_samples() -> None:
    assert {message.__class__ for message in MESSAGES} == set(Message.__args__)


@pytest.mark.parametrize("message", MESSAGES, ids=lambda m: m.__class__.__name__)
def test_round_trip(message: Message) -> None:
    data = encode(message, 0xDEADBEEF)
    assert decode(data) == (message, 0xDEADBEEF)
    assert encode(*decode(data)) == data


@pytest.mark.parametrize("message", MESSAGES, ids=lambda m: m.__class__.__name__)
def test_every_cut(message: Message) -> None:
    """A message cut short whose header says that it is whole: refused, or another message, but never a crash."""
    data = encode(message, 1)
    for length in range(8, len(data)):
        with pytest.raises(ProtocolError):
            decode(data[:length])
        cut = data[:2] + length.to_bytes(2, "big") + data[4:length]
        with contextlib.suppress(ProtocolError):
            assert decode(cut)[0] != message or isinstance(message, OPEN_ENDED)


@pytest.mark.parametrize("message", MESSAGES, ids=lambda m: m.__class__.__name__)
def test_hostile_numbers(message: Message) -> None:
    """Any two octets become any of a few numbers that lengths lie with, or noise."""
    data = encode(message, 1)
    noise = random.Random(len(data))
    for offset in range(8, len(data) - 1):
        for number in (0, 1, 3, 4, 7, 8, 0x7F, 0xFF, 0x8000, 0xFFF8, 0xFFFF, noise.randrange(1 << 16)):
            hostile = data[:offset] + number.to_bytes(2, "big") + data[offset + 2 :]
            with contextlib.suppress(ProtocolError):
                decode(hostile)


@pytest.mark.parametrize(
    "data",
    ["", "06000008", "0600000900000001", "0600000700000001", "0414000800000001"],
    ids=["nothing", "half a header", "too long", "too short", "another version"],
)
def test_hostile_headers(data: str) -> None:
    with pytest.raises(ProtocolError):
        decode(bytes.fromhex(data))


@pytest.mark.parametrize(
    ("message", "was", "becomes", "complaint"),
    [
        (FlowStatsReply((ENTRY,)), "00 34 80 02 00 08", "00 34 80 02 00 38", "counter .* passes the end"),
        (FlowStatsReply((ENTRY,)), "00 34 80 02 00 08", "00 03 80 02 00 08", "claim 3 bytes"),
        (FlowStatsReply((ENTRY,)), "00 c0 00 00 14", "00 50 00 00 14", "shorter than what it holds"),
        (FlowStatsReply((ENTRY,)), "00 c0 00 00 14", "00 c1 00 00 14", "claims 193 bytes of 192"),
        (FlowMonitorReply((UPDATE,)), "00 58 00 01 14", "00 30 00 01 14", "shorter than its match"),
        (FlowMonitorReply((UPDATE,)), "00 58 00 01 14", "00 58 00 07 14", "event 7"),
        (FlowMonitorReply((UPDATE,)), "00 58 00 01 14", "00 54 00 01 14", "claims 84 bytes"),
        (PortDescReply((PORT,)), "00 00 00 20 00 00 00 00", "00 00 00 28 00 00 00 00", "property .* claims 40"),
        (PortDescReply((PORT,)), "00 00 00 03 00 48", "00 00 00 03 00 50", "claims 80 bytes of 72"),
        (PLAIN_MOD, "00 04 00 18", "00 04 00 20", "instruction .* claims 32 bytes of 24"),
        (PLAIN_MOD, "00 00 00 10 00 00 00 02", "00 00 00 18 00 00 00 02", "action .* claims 24 bytes of 16"),
        (BundleAdd(7, encode(PLAIN_MOD)), "06 0e 00 58", "06 0e 00 59", "claims 89 bytes of 88"),
    ],
)
def test_lengths_that_lie(message: Message, was: str, becomes: str, complaint: str) -> None:
    data = encode(message)
    assert data.count(bytes.fromhex(was)) == 1
    with pytest.raises(ProtocolError, match=complaint):
        decode(data.replace(bytes.fromhex(was), bytes.fromhex(becomes)))


def test_unknown_multipart_types_are_kept() -> None:
    for kind in (18, 19):
        data = bytes([6, kind, 0, 24, 0, 0, 0, 5]) + bytes.fromhex("00ff000000000000") + b"12345678"
        assert decode(data) == (Unknown(kind, data[8:]), 5)
        assert encode(*decode(data)) == data


def test_hello_without_a_bitmap() -> None:
    """Before 1.3.1 a hello is its header, and offers all versions up to its own."""
    assert decode(bytes.fromhex("0400000800000001"))[0] == Hello((1, 2, 3, 4))


def test_bundle_adds_in_one_go_are_bundle_adds() -> None:
    mods = [PLAIN_MOD, FlowMod(match=NSH_MATCH)]
    expected = b"".join(encode(BundleAdd(7, encode(mod, xid), 3), xid) for xid, mod in enumerate(mods, 40))
    assert encode_bundle_adds(mods, 7, 3, 40) == expected


@pytest.mark.parametrize(
    "message",
    [
        FlowMod(priority=0x10000),
        FlowMod(table_id=256),
        FlowMod(cookie=1 << 64),
        FlowMod(match={"reg0": 1 << 32}),
        FlowMod(goto_table=256),
        FlowMod(other_instructions=bytes(65536)),
        PacketOut(bytes(65536)),
        PortStatus(0, Port(1, "a-name-of-sixteen")),
        PortDescReply((Port(1, "p", 1 << 48),)),
    ],
    ids=str,
)
def test_what_cannot_be_said(message: Message) -> None:
    with pytest.raises(EncodeError):
        encode(message)


def test_a_message_too_long_is_refused_in_words() -> None:
    with pytest.raises(EncodeError, match="a header can say 65535 at most"):
        encode(EchoReply(bytes(65528)))
    assert len(encode(EchoReply(bytes(65527)))) == 65535


def test_a_bundle_says_which_flow_mod_cannot_be_said() -> None:
    with pytest.raises(EncodeError, match="eth_typo") as e:
        encode_bundle_adds([PLAIN_MOD, PLAIN_MOD, FlowMod(match={"eth_typo": 1})], 1, 3, 1)
    assert e.value.index == 2


# The specification's names, where Open vSwitch has others.
RENAMED = {
    "OFPBRC_BAD_STAT": "OFPBRC_BAD_MULTIPART",
    "OFPBRC_BAD_VENDOR": "OFPBRC_BAD_EXPERIMENTER",
    "OFPBRC_BAD_SUBTYPE": "OFPBRC_BAD_EXP_TYPE",
    "OFPBRC_IS_SECONDARY": "OFPBRC_IS_SLAVE",
    "OFPBAC_BAD_VENDOR": "OFPBAC_BAD_EXPERIMENTER",
    "OFPBAC_BAD_VENDOR_TYPE": "OFPBAC_BAD_EXP_TYPE",
}


@available
def test_error_names() -> None:
    errors = [Error(kind, code) for kind, code in ERROR_CODES]
    errors += [Error(0xFFFF, code, b"", 0x2320) for code in range(2, 50)]
    for error, said in zip(errors, printed([encode(error) for error in errors]), strict=True):
        name = said.removeprefix("OFPT_ERROR ").split("\n")[0]
        if name.startswith("***decode error"):  # Open vSwitch has no such error
            assert error.experimenter is not None, error
        elif error.code_name.startswith("code "):
            assert name.startswith(("NXTTMFC_", "NXR_", "NXST_", "NXT_")), name
        else:
            assert RENAMED.get(name, name) == error.code_name


def test_error_names_that_nobody_has() -> None:
    assert str(Error(4, 9)) == "OFPET_BAD_MATCH OFPBMC_BAD_PREREQ"
    assert str(Error(99, 1)) == "type 99 code 1"
    assert str(Error(4, 99)) == "OFPET_BAD_MATCH code 99"
    assert str(Error(0xFFFF, 39, b"", 0x2320)) == "OFPET_EXPERIMENTER NXBAC_BAD_HEADER_TYPE"
    assert str(Error(0xFFFF, 39, b"", 0xABC)) == "OFPET_EXPERIMENTER code 39 of experimenter 0xabc"
    assert PORT.up
    assert not Port(1, "p", config=1).up
    assert not Port(1, "p", state=1).up
