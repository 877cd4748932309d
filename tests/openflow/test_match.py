"""OXM and NXM: round trips of anything, errors by name, and Open vSwitch as the judge of headers and order."""

import shutil
import subprocess

import pytest
from hypothesis import given
from hypothesis import strategies as st

from segue.openflow import field_text
from segue.openflow import match as codec
from segue.openflow.fields import FIELDS, NXM, lookup
from segue.openflow.wire import V10, V11, V12, V13, V14, V15, VERSIONS, EncodeError, ProtocolError

OXM = (V12, V13, V14, V15)
QUALIFIED = [identity.spec.lower() for field in FIELDS.values() for identity in field.identities]
NAMES = [*FIELDS, *QUALIFIED, "tun_metadata3:4", "oxm:8000:63:5", "oxm:ffff:1:4:abc", "oxm:8000:0:2"]


@st.composite
def values(draw, name):
    field, _ = lookup(name)
    if not field.maskable or draw(st.booleans()):
        return draw(st.integers(0, field.limit))
    mask = draw(st.integers(0, field.limit))
    return draw(st.integers(0, field.limit)) & mask, mask


@st.composite
def matches(draw):
    names = draw(st.lists(st.sampled_from(NAMES), max_size=6, unique_by=lambda name: lookup(name)[0].name))
    return {name: draw(values(name)) for name in names}


def plain(match, version):
    """Identity-qualified names become plain ones where the identity is the canonical one."""
    result = {}
    for name, value in match.items():
        field, identity = lookup(name)
        canonical = identity is None or field.canonical(version) is identity
        result[field.name if canonical else name] = value
    return result


@given(matches(), st.sampled_from(OXM))
def test_what_is_written_is_read(match, version):
    data = codec.encode_match(match, version)
    assert len(data) % 8 == 0
    read, after = codec.decode_match(b"xx" + data + b"more", 2, 2 + len(data), version)
    assert after == 2 + len(data)
    assert read == plain(match, version)
    assert codec.encode_match(read, version) == data


@given(matches())
def test_what_is_written_to_nicira_is_read(match):
    data = codec.encode_nxm(match)
    read = codec.decode_nxm(data, 0, len(data))
    assert read == plain(match, NXM)
    assert codec.encode_nxm(read) == data


@given(matches(), st.sampled_from(OXM))
def test_the_plan_writes_what_the_long_way_writes(match, version):
    exact = {name: value[0] if isinstance(value, tuple) else value for name, value in match.items()}
    first = codec.encode_match(exact, version)
    assert codec.encode_match(exact, version) == first
    long_way = b"".join(codec.encode_oxm(name, exact[name], None, version) for name in codec.in_order(tuple(exact)))
    assert first[4 : 4 + len(long_way)] == long_way


@st.composite
def tlvs(draw):
    """Octets that look like fields: a known header or none, a payload about as long as it says."""
    result = b""
    for _ in range(draw(st.integers(0, 4))):
        if draw(st.booleans()):
            field = FIELDS[draw(st.sampled_from(list(FIELDS)))]
            header = draw(st.sampled_from(field.identities)).header(field.size, masked=draw(st.booleans()))
        else:
            header = draw(st.binary(min_size=4, max_size=8))
        length = header[3] - (len(header) - 4) + draw(st.sampled_from((0, 0, 0, 0, 1, -1)))
        result += header + draw(st.binary(min_size=max(0, length), max_size=max(0, length)))
    return result


@given(tlvs() | st.binary(max_size=64), st.sampled_from((NXM, *VERSIONS)))
def test_any_octets_are_read_exactly_or_refused_by_name(body, version):
    try:
        match = codec.decode_nxm(body, 0, len(body)) if version == NXM else codec._fields(body, 0, len(body), version)
    except ProtocolError as error:
        assert error.error.startswith("OFPBMC_")
        return
    written = b"".join(
        codec.encode_oxm(name, *(value if isinstance(value, tuple) else (value, None)), version)
        for name, value in match.items()
    )
    assert written == body


@given(st.binary(max_size=120), st.integers(0, 130), st.integers(0, 130), st.sampled_from(VERSIONS))
def test_any_octets_raise_nothing_but_protocol_errors(data, offset, end, version):
    for read in (codec.decode_match, codec.decode_oxm, codec.decode_oxm_id):
        try:
            *_, after = read(data, offset, end, version)
        except ProtocolError as error:
            assert error.error.startswith("OFPBMC_")
        else:
            assert offset < after <= min(end, len(data))


def test_a_field_of_no_octets_is_kept():
    octets = bytes.fromhex("00010010800000040000000100000000")  # Open vSwitch's tests count padding as a field
    match, after = codec.decode_match(octets, 0, 16, V15)
    assert match == {"in_port": 1, "oxm:0:0:0": 0} and after == 16
    assert codec.encode_match(match, V15) == octets


@pytest.mark.parametrize(
    ("octets", "error"),
    [
        ("0000000400000000", "OFPBMC_BAD_TYPE"),
        ("0002000400000000", "OFPBMC_BAD_TYPE"),
        ("0001000300000000", "OFPBMC_BAD_LEN"),
        ("0001000900000000", "OFPBMC_BAD_LEN"),
        ("00010006800000000000000000000000", "OFPBMC_BAD_LEN"),
        ("0001000880000004", "OFPBMC_BAD_LEN"),
        ("000100148000000400000001800000040000000200000000", "OFPBMC_DUP_FIELD"),
        ("0001000a80000c02e000000000000000", "OFPBMC_BAD_VALUE"),
        ("0001000c80000d041000000100000000", "OFPBMC_BAD_WILDCARDS"),
        ("00010008ffff000300000000", "OFPBMC_BAD_LEN"),
        ("0001000b80000d0310000000000000", "OFPBMC_BAD_LEN"),
        ("00", "OFPBMC_BAD_LEN"),
        ("", "OFPBMC_BAD_LEN"),
    ],
)
def test_errors_have_openflow_s_names(octets, error):
    data = bytes.fromhex(octets)
    with pytest.raises(ProtocolError) as raised:
        codec.decode_match(data, 0, len(data), V13)
    assert raised.value.error == error


@pytest.mark.parametrize(
    ("version", "octets", "expected"),
    [
        (V13, "8000000400000007", {"in_port": 7}),
        (V13, "800054020012", {"oxm_of_tcp_flags": 0x12}),
        (V15, "800054020012", {"tcp_flags": 0x12}),
        (V13, "00000206000000000001", {"nxm_of_eth_dst": 1}),
        (V13, "800000020007", {"oxm:8000:0:2": 7}),
        (V13, "80000108000000070000000f", {"oxm:8000:0:4": (7, 15)}),
        (V13, "80000d0410051fff", {"vlan_vid": (0x1005, 0x1FFF)}),
        (V13, "80003908000000050000ffff", {"ipv6_flabel": (5, 0xFFFF)}),
        (V13, "ffff00074f4e46000a0001", {"pbb_uca": 1}),
        (V13, "ffff52074f4e4600000001", {"onfoxm_et_pbb_uca_41": 1}),
        (V13, "8000520101", {"oxm_of_pbb_uca": 1}),
        (V14, "0001500411223344", {"tun_metadata0:4": 0x11223344}),
        (V13, "", {}),
    ],
)
def test_every_form_survives(version, octets, expected):
    tlvs = bytes.fromhex(octets)
    data = b"\0\1" + (4 + len(tlvs)).to_bytes(2, "big") + tlvs + bytes(-(4 + len(tlvs)) % 8)
    match, after = codec.decode_match(data, 0, len(data), version)
    assert (match, after) == (expected, len(data))
    assert codec.encode_match(match, version) == data


def test_padding_belongs_to_the_match():
    with pytest.raises(ProtocolError):
        codec.decode_match(bytes.fromhex("0001000c8000000400000007" + "00000000"), 0, 15, V13)


@pytest.mark.parametrize(
    ("match", "words"),
    [
        ({"in_port": -1}, "within"),
        ({"in_port": 1 << 32}, "within"),
        ({"vlan_vid": 0x2000}, "within"),
        ({"eth_dst": 1 << 48}, "within"),
        ({"eth_dst": -1}, "within"),
        ({"in_port": (1, 3)}, "whole"),
        ({"eth_dst": (1, 2)}, "outside"),
        ({"ipv4_src": (1, 1 << 32)}, "mask"),
        ({"dl_src": 1}, "use eth_src"),
        ({"nonsense": 1}, "no match field"),
        ({"ipv4_src": "10.0.0"}, "no ipv4"),
        ({"oxm:8000:80:4": 1}, "no match field"),
    ],
)
def test_what_cannot_be_written(match, words):
    for _ in range(2):  # the second time by the plan
        with pytest.raises(EncodeError, match=words):
            codec.encode_match(match, V13)
        with pytest.raises(EncodeError, match=words):
            codec.encode_nxm(match)


@pytest.mark.parametrize("version", VERSIONS)
def test_text_is_for_people(version):
    said = {"eth_type": 0x0800, "eth_src": "00:00:00:00:00:01", "ipv4_dst": "10.0.0.0/8"}
    meant = {"eth_type": 0x0800, "eth_src": 1, "ipv4_dst": (0x0A000000, 0xFF000000)}
    for _ in range(2):
        assert codec.encode_match(said, version) == codec.encode_match(meant, version)


def test_masks_that_say_nothing_new():
    assert codec.encode_oxm("in_port", 5, 0xFFFFFFFF, V13) == codec.encode_oxm("in_port", 5, None, V13)
    assert codec.encode_oxm("eth_dst", 5, (1 << 48) - 1, V13) != codec.encode_oxm("eth_dst", 5, None, V13)


@pytest.mark.parametrize("version", (NXM, *VERSIONS))
@pytest.mark.parametrize("name", NAMES)
def test_identifiers(name, version):
    field, _ = lookup(name)
    for masked in (False, True) if field.maskable else (False,):
        data = codec.encode_oxm_id(name, version, masked)
        assert len(data) in (4, 8)
        read, is_masked, after = codec.decode_oxm_id(b"\0" + data, 1, 1 + len(data), version)
        assert (is_masked, after) == (masked, 1 + len(data))
        assert codec.encode_oxm_id(read, version, is_masked) == data
        assert read == next(iter(plain({name: 0}, version)))
    if version == NXM:
        assert codec.encode_nxm_id(name) == codec.encode_oxm_id(name, V10) == codec.encode_oxm_id(name, V11)
        assert codec.decode_nxm_id(codec.encode_nxm_id(name), 0, 8)[1:] == (False, len(codec.encode_nxm_id(name)))


def test_identifiers_that_cannot_be():
    with pytest.raises(EncodeError, match="mask"):
        codec.encode_oxm_id("in_port", V13, True)
    with pytest.raises(EncodeError, match="no match field"):
        codec.encode_nxm_id("dl_vlan")


def test_canonical():
    full = (1 << 48) - 1
    assert codec.canonical({"eth_dst": (5, full), "eth_src": (0, 0), "packet_type": 0}) == {"eth_dst": 5}
    assert codec.canonical({"xreg1": (1 << 32 | 2)}) == {"reg2": 1, "reg3": 2}
    assert codec.canonical({"xxreg1": (3, 3), "reg6": 9}) == {"reg6": 9, "reg7": (3, 3)}
    assert codec.canonical({"xreg8": 1 << 32, "reg17": 4})["reg16"] == 1
    assert codec.canonical({"nxm_of_eth_dst": "00:00:00:00:00:05"}) == {"eth_dst": 5}
    assert codec.canonical({"tun_metadata3:2": (5, 7)}) == {"tun_metadata3": (5, 7)}
    assert codec.canonical({"oxm:1:2:3": 4, "region": 5}) == {"oxm:1:2:3": 4, "region": 5}


def test_memory_for_names_is_bounded():
    for number in range(2 * codec._CACHED):
        codec.encode_nxm({f"oxm:{number:x}:0:1": 1})
    assert len(codec.PLANS[NXM]) <= codec._CACHED
    assert len(codec._WRITERS[NXM]) <= codec._CACHED


# Open vSwitch reads our octets, strictly and with prerequisites, and writes them again as it likes them.
OLD_OR_UNKNOWN = {"in_phy_port", "pbb_isid", "pbb_uca", "ipv6_exthdr", "cookie_nxm", "tun_gbp_flags"}
JUDGED = [
    name
    for name in FIELDS
    if name not in OLD_OR_UNKNOWN
    and name not in {f"reg{n}" for n in range(16, 32)} | {f"xreg{n}" for n in range(8, 16)}
    and name not in {f"xxreg{n}" for n in range(4, 8)}
]
# What Open vSwitch says instead in Nicira's messages, and in OXM, and values that it finds acceptable.
IN_NXM = {"in_port": "in_port_nxm", "vlan_vid": "vlan_tci", "vlan_pcp": "vlan_tci", "ip_dscp": "nw_tos"}
IN_OXM = {"in_port_nxm": "in_port", "vlan_tci": "vlan_vid", "nw_tos": "ip_dscp"}
# Open vSwitch 3.1 takes the value of these for their mask (match_set_tun_gtpu_flags and its neighbours).
VALUE_IS_MASK = {"tun_erspan_ver", "tun_erspan_hwid", "tun_gtpu_flags", "tun_gtpu_msgtype"}
GOOD = {"vlan_vid": 0x1005, "vlan_tci": 0x1005, "nw_tos": 0x20, "packet_type": 0x1894F, "ct_state": 0x21}


def complete(name):
    match = {}
    for need, some in FIELDS[name].prerequisites:
        match[need] = some[0] if some else GOOD.get(need, 1)
    match[name] = GOOD.get(name, 1)
    return match


def as_text(match, version):
    words = []
    for name, value in match.items():
        data = codec.encode_oxm(name, value, None, version)
        size = 8 if data[:2] == b"\xff\xff" else 4
        words.append(f"{data[:size].hex()}({data[size:].hex()})")
    return ", ".join(words)


def ovs(command, lines):
    done = subprocess.run(
        ["ovs-ofctl", "--strict", "-m", "-vconsole:off", *command],
        input="".join(f"{line}\n" for line in lines),
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    blocks, octets = [], b""
    for line in done.stdout.splitlines():
        if line[:8].isalnum() and line[8:10] == "  ":
            blocks[-1] += bytes.fromhex(line[10:58].replace("-", " "))
        else:
            blocks.append(b"")
            octets = line
            assert "returned error" not in octets, octets
    return blocks


@pytest.mark.skipif(shutil.which("ovs-ofctl") is None, reason="Open vSwitch's tools are not installed")
@pytest.mark.parametrize("version", (NXM, *OXM))
def test_open_vswitch_likes_the_canonical_identities(version):
    command = ["parse-nxm"] if version == NXM else ["parse-oxm", f"OpenFlow1{version - 1}"]
    instead = IN_NXM if version == NXM else IN_OXM
    blocks = ovs(command, [as_text(complete(name), version) for name in JUDGED])
    assert len(blocks) == len(JUDGED)
    for name, octets in zip(JUDGED, blocks, strict=True):
        if version == NXM:
            at = 0
            while any(octets[at:]):  # what Open vSwitch dumps is padded
                *_, at = codec.decode_oxm(octets, at, len(octets), version)
            read = codec.decode_nxm(octets, 0, at)
            assert codec.encode_nxm(read) == octets[:at]
        else:
            read, _ = codec.decode_match(octets, 0, len(octets), version)
            assert codec.encode_match(read, version) == octets
        if read.get("ct_state") == (GOOD["ct_state"], 0xFF):  # the bits that it knows
            read["ct_state"] = GOOD["ct_state"]
        if name in instead:
            assert instead[name] in read
        elif name in VALUE_IS_MASK:
            assert read == {name: (1, 1)}
        elif name.startswith("tun_metadata"):  # written as short as the value allows
            assert read == {f"{name}:1": 1}
            assert codec.canonical(read) == {name: 1}
        else:
            assert codec.canonical(read) == codec.canonical(complete(name)), name


def test_open_vswitch_has_oxm_fields_in_matches_of_1_1() -> None:
    """Its flow statistics do; they are read, and written as they were."""
    said = {"in_port": 3, "eth_type": 0x0800, "ipv4_dst": (0x0A000000, 0xFF000000)}
    octets = codec.encode_match(said, V12)
    read, after = codec.decode_match(octets, 0, len(octets), V11)
    assert (read, after) == ({"match_type": 1, **said}, len(octets))
    assert codec.encode_match(read, V11) == octets
    assert field_text.match_from_json(field_text.match_to_json(read, V11), V11) == read
