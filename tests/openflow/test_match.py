"""Matches: order, masks, what is refused, what is kept, and what is the same thing said twice."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from segue.openflow.fields import FIELDS, Field
from segue.openflow.match import Value, canonical, decode_match, encode_match
from segue.openflow.wire import EncodeError, ProtocolError


def values(field: Field) -> st.SearchStrategy[Value]:
    exact = st.integers(0, field.limit)
    if not field.maskable:
        return exact
    masked = st.tuples(exact, st.integers(0, field.limit - 1)).map(lambda pair: (pair[0] & pair[1], pair[1]))
    return st.one_of(exact, masked)


matches = st.sets(st.sampled_from(sorted(FIELDS)), max_size=8).flatmap(
    lambda names: st.fixed_dictionaries({name: values(FIELDS[name]) for name in names})
)


@given(matches, st.binary(max_size=16))
def test_what_is_encoded_is_decoded(match: dict[str, Value], before: bytes) -> None:
    data = encode_match(match)
    assert len(data) % 8 == 0
    assert decode_match(before + data + b"rest", len(before)) == (match, len(before) + len(data))


@given(matches)
def test_every_cut_is_refused(match: dict[str, Value]) -> None:
    data = encode_match(match)
    for end in range(len(data)):
        with pytest.raises(ProtocolError):
            decode_match(data[:end])


def test_a_known_match_byte_by_byte() -> None:
    match = {"nsh_si": 255, "nsh_spi": 0x123456, "eth_type": 0x894F, "reg1": (0x10, 0xF0)}
    assert encode_match(match).hex(" ") == (
        "00 01 00 2b"  # OXM, 43 octets without the padding
        " 80 00 0a 02 89 4f"  # OXM_OF_ETH_TYPE first, as the NSH fields need it
        " ff ff 08 08 00 5a d6 50 00 12 34 56"  # an experimenter's identity is 8 octets long
        " ff ff 0a 05 00 5a d6 50 ff"
        " 00 01 03 08 00 00 00 10 00 00 00 f0"
        " 00 00 00 00 00"
    )


def test_a_whole_mask_is_an_exact_match() -> None:
    assert encode_match({"ipv4_src": (1, 0xFFFFFFFF)}) == encode_match({"ipv4_src": 1})
    assert encode_match({"ip_proto": (6, 0xFF)}) == encode_match({"ip_proto": 6})


@pytest.mark.parametrize(
    ("match", "complaint"),
    [
        ({"eth_typo": 1}, "eth_typo"),
        ({"vlan_vid": 0x2000}, "vlan_vid"),
        ({"in_port": -1}, "in_port"),
        ({"ip_proto": (6, 0xF0)}, "whole or not at all"),
        ({"reg0": (1, 1 << 32)}, "mask"),
        ({"reg0": (3, 2)}, "outside of its mask"),
        ({"oxm:8000:63": 1}, "oxm:8000:63"),
        ({"oxm:8000:ff:1": 1}, "oxm:8000:ff:1"),
        ({"oxm:8000:63:1": 256}, "0x100"),
    ],
)
def test_what_cannot_be_said(match: dict[str, Value], complaint: str) -> None:
    with pytest.raises(EncodeError, match=complaint):
        encode_match(match)


@pytest.mark.parametrize(
    "data",
    [
        "0000 0004 0000 0000",  # not OXM
        "0001 0003 0000 0000",  # shorter than its own header
        "0001 0010 0000 0000",  # longer than the data
        "0001 0006 8000 0000",  # half a field header
        "0001 000a 8000 0004 0000 0000 0000 0000",  # a field that passes the match
        "0001 0008 8000 c600",  # an unknown field of no length
        "0001 000b 8000 c703 000000 0000000000",  # an unknown field whose value and mask differ in length
        "0001 000a ffff 0202 0000 0000 0000 0000",  # an experimenter field without an experimenter
        "0001 0008 ffff 0204",  # an experimenter field cut before it
    ],
)
def test_hostile_matches(data: str) -> None:
    with pytest.raises(ProtocolError):
        decode_match(bytes.fromhex(data))


def test_fields_of_others_are_kept() -> None:
    data = bytes.fromhex(
        "0001 0019"
        "0001 5108 01020304 ff02ff04"  # NXM_NX_TUN_METADATA0, whose length each switch chooses, with a mask
        "ffff c605 0000abcd 07"  # somebody's experimenter field
        "00000000000000"
    )
    match, after = decode_match(data)
    assert match == {"oxm:1:28:4": (0x01020304, 0xFF02FF04), "oxm:ffff:63:1:abcd": 7}
    assert after == len(data)
    assert encode_match(match) == data


@pytest.mark.parametrize(
    ("match", "same"),
    [
        ({"xreg1": 0x0102030405060708}, {"reg2": 0x01020304, "reg3": 0x05060708}),
        ({"xreg0": (7 << 32, 0xFF << 32)}, {"reg0": (7, 0xFF)}),
        ({"xxreg3": (5, 0xFFFFFFFF)}, {"reg15": 5}),
        ({"reg0": (1, 0xF), "xreg0": (0x20 << 32, 0xF0 << 32)}, {"reg0": (0x21, 0xFF)}),
        ({"packet_type": 0, "in_port": 1}, {"in_port": 1}),
        ({"packet_type": 0x1894F}, {"packet_type": 0x1894F}),
        ({"ipv4_src": (1, 0xFFFFFFFF), "ipv4_dst": (0, 0)}, {"ipv4_src": 1}),
        ({"ipv6_flabel": (5, 0xFFFFFFFF)}, {"ipv6_flabel": 5}),
    ],
)
def test_canonical(match: dict[str, Value], same: dict[str, Value]) -> None:
    assert canonical(match) == same
    assert canonical(same) == same
