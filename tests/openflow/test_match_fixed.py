"""The struct matches of OpenFlow 1.0 and 1.1: names by kind, round trips of any octets, Open vSwitch as the judge."""

import shutil
import subprocess
from struct import pack

import pytest
from hypothesis import given
from hypothesis import strategies as st

from segue.openflow import field_text, match_fixed
from segue.openflow import match as codec
from segue.openflow.wire import CONTROLLER, LOCAL, V10, V11, V13, EncodeError, ProtocolError

SIZES = {V10: 40, V11: 88}
TCP = {"eth_type": 0x0800, "ip_proto": 6}


def read(data, version):
    match, after = codec.decode_match(data, 0, len(data), version)
    assert after == len(data)
    return match


@st.composite
def structs(draw, version):
    """Any octets, but often of a kind that the two versions know, and with few wildcards."""
    data = bytearray(draw(st.binary(min_size=SIZES[version], max_size=SIZES[version])))
    wildcards = draw(st.sampled_from((0, 0x3820FF, 0x3FFFFF, 0xFFFFFFFF)) | st.integers(0, 0xFFFFFFFF))
    at, dl_type, proto, vlan, tos = (0, 22, 25, 18, 24) if version == V10 else (8, 40, 43, 36, 42)
    data[at : at + 4] = wildcards.to_bytes(4, "big")
    data[dl_type : dl_type + 2] = draw(st.sampled_from((b"\x08\0", b"\x08\x06", b"\x86\xdd", b"\x88\x47", b"\0\0")))
    data[proto] = draw(st.sampled_from((1, 6, 17, 58, 132, 255)))
    data[tos] = draw(st.sampled_from((0, 0x20, 0x21)))
    data[vlan : vlan + 2] = draw(st.sampled_from((b"\xff\xff", b"\xff\xfe", b"\0\x05", b"\x10\x05")))
    if version == V11:
        data[:4] = b"\0\0\0\x58"
        data[64:69] = draw(st.sampled_from((b"\0\x0f\xff\xff\x07", b"\0\x10\0\0\0", b"\0\0\0\0\x08")))
    return bytes(data)


def without_padding(data, version):
    gaps = ((21, 22), (26, 28)) if version == V10 else ((39, 40), (69, 72))
    octets = bytearray(data)
    for start, end in gaps:
        octets[start:end] = bytes(end - start)
    return bytes(octets)


@given(st.data(), st.sampled_from((V10, V11)))
def test_reading_loses_nothing(data, version):
    octets = data.draw(structs(version))
    try:
        match = read(octets, version)
    except ProtocolError as error:
        assert (version, error.error) == (V11, "OFPBMC_BAD_VALUE")
        return
    assert codec.encode_match(match, version) == without_padding(octets, version)
    for _ in range(2):
        assert read(octets, version) == match  # made readers say what the long way says
    slowly = match_fixed._decode_slowly(octets, 0, version)
    assert slowly == match and list(slowly) == list(match)
    plain = {name: value for name, value in match.items() if name not in (match_fixed.WILDCARDS, match_fixed.IGNORED)}
    assert read(codec.encode_match(plain, version), version) == plain == codec.canonical(match) | plain


@given(st.data(), st.sampled_from((V10, V11)))
def test_plans_write_what_the_long_way_writes(data, version):
    try:
        match = read(data.draw(structs(version)), version)
    except ProtocolError:
        return
    exact = {name: value for name, value in match.items() if isinstance(value, int)}
    try:
        slowly = match_fixed.encode(exact, version)
    except EncodeError:
        for _ in range(2):
            with pytest.raises(EncodeError):
                codec.encode_match(exact, version)
        return
    assert codec.encode_match(exact, version) == codec.encode_match(exact, version) == slowly


def test_nothing_and_everything():
    assert codec.encode_match({}, V10) == bytes.fromhex("003820ff") + bytes(36)
    assert read(codec.encode_match({}, V10), V10) == read(codec.encode_match({}, V11), V11) == {}
    assert read(b"\xff" * 4 + bytes(36), V10) == {"wildcards": 0xFFFFFFFF}
    zeros = ("in_port", "eth_src", "eth_dst", "vlan_pcp", "eth_type", "nw_tos", "nw_proto", "nw_src", "nw_dst")
    assert read(bytes(40), V10) == dict.fromkeys((*zeros, "tp_src", "tp_dst"), 0) | {"vlan_vid": 0x1000}


def test_what_means_nothing_is_kept():
    octets = bytes.fromhex("003ffffffffe") + bytes(34)
    match = read(octets, V10)
    assert match == {"wildcards": 0x3FFFFF, "ignored": 0xFFFE << 8 * 34}
    assert codec.encode_match(match, V10) == octets
    assert codec.canonical(match) == {}
    low = bytes.fromhex("003808ef0000000000000000000000000000000000000800000000000a0000ff0000000000000000")
    match = read(low, V10)
    assert match == {"eth_type": 0x800, "ipv4_src": (0xA000000, 0xFFFFFF00), "ignored": 0xFF << 64}
    assert codec.encode_match(match, V10) == low
    assert field_text.match_from_json(field_text.match_to_json(match, V10), V10) == match


@pytest.mark.parametrize(
    ("match", "said"),
    [
        ({"in_port": 1, "wildcards": 0x3FFFFF}, "other fields"),
        ({"wildcards": 0x3820FE}, "other fields"),
        ({"wildcards": 1 << 32}, "32 bits"),
        ({"in_port": 1, "ignored": 1 << 8 * 34}, "not beneath"),
        ({"ignored": 1 << 8 * 18}, "not beneath"),
        ({"ignored": 1 << 320}, "not beneath"),
        ({"ignored": -1}, "not beneath"),
    ],
)
def test_what_means_nothing_must_mean_nothing(match, said):
    with pytest.raises(EncodeError, match=said):
        codec.encode_match(match, V10)


def test_peers_cannot_make_readers_without_end():
    for number in range(6000):
        word = 0x3820FF & ~(0x3F << 8) | number % 33 << 8 | number % 256
        read(pack(">I18xHxB14x", word, number, number % 256), V10)
    assert len(match_fixed._READERS[V10]) <= 4096 and len(match_fixed._MADE[V10]) <= 256
    for number in (0, 700, 5999):
        octets = pack(">IH16xHxB14x", 0x3820FF & ~0b110001, 5, number, 6)
        assert read(octets, V10)["in_port"] == 5 and codec.encode_match(read(octets, V10), V10) == octets


@pytest.mark.parametrize("version", (V10, V11))
@pytest.mark.parametrize(
    ("match", "raw"),
    [
        ({**TCP, "tcp_dst": 80, "ip_dscp": 8}, {"dl_type": 0x800, "nw_proto": 6, "tp_dst": 80, "nw_tos": 32}),
        ({"eth_type": 0x806, "arp_op": 1, "arp_tpa": 9}, {"dl_type": 0x806, "nw_proto": 1, "nw_dst": 9}),
        (
            {"eth_type": 0x800, "ip_proto": 1, "icmpv4_type": 8, "icmpv4_code": 0},
            {"dl_type": 0x800, "nw_proto": 1, "tp_src": 8, "tp_dst": 0},
        ),
        ({**TCP, "ip_proto": 17, "udp_src": 53}, {"dl_type": 0x800, "nw_proto": 17, "tp_src": 53}),
        ({**TCP, "ip_proto": 132, "sctp_src": 5}, {"dl_type": 0x800, "nw_proto": 132, "tp_src": 5}),
        (
            {"eth_type": 0x800, "ipv4_src": (0xA000000, 0xFF000000)},
            {"dl_type": 0x800, "nw_src": (0xA000000, 0xFF000000)},
        ),
        ({"vlan_vid": 0, "in_port": LOCAL}, {"dl_vlan": 0xFFFF, "in_port": LOCAL}),
        ({"vlan_vid": 0x1005, "vlan_pcp": 3}, {"dl_vlan": 5, "dl_vlan_pcp": 3}),
        ({"nw_src": 1, "tp_src": 2, "nw_proto": 6}, {"nw_src": 1, "tp_src": 2, "nw_proto": 6}),
        ({**TCP, "ip_proto": 1, "tp_src": 300}, {"dl_type": 0x800, "nw_proto": 1, "tp_src": 300}),
        ({"eth_type": 0x800, "nw_tos": 33}, {"dl_type": 0x800, "nw_tos": 33}),
        ({"dl_vlan": 0x1005, "dl_vlan_pcp": 9}, {"dl_vlan": 0x1005, "dl_vlan_pcp": 9}),
    ],
)
def test_names_by_kind(match, raw, version):
    assert match_fixed.to_raw(match, version) == raw
    assert match_fixed.from_raw(raw, version) == match
    for said in (match, raw):
        for _ in range(2):
            octets = codec.encode_match(said, version)
            assert len(octets) == SIZES[version]
            assert read(octets, version) == match


def test_what_only_the_newer_one_says():
    match = {"in_port": 0x12345, "eth_dst": (1 << 40, 1 << 40), "vlan_vid": (0x1000, 0x1000)}
    match |= {"eth_type": 0x8847, "mpls_label": 0xFFFFF, "mpls_tc": 7, "metadata": (5, 0xFF)}
    octets = codec.encode_match(match, V11)
    assert read(octets, V11) == match
    for name in ("in_port", "eth_dst", "vlan_vid", "mpls_label", "metadata"):
        with pytest.raises(EncodeError, match=r"16 bits|mask|has no such field; use OpenFlow 1\.1"):
            codec.encode_match({name: match[name]}, V10)


@pytest.mark.parametrize(
    ("match", "version", "words"),
    [
        ({"ipv6_src": 1}, V10, r"ipv6_src: .* OpenFlow 1\.0 has no such field; use NXM"),
        ({"reg0": 1}, V11, "use NXM"),
        ({"nonsense": 1}, V10, "no match field"),
        ({"ipv4_src": 1}, V10, "ipv4_src needs eth_type 0x800 .* use nw_src"),
        ({"tcp_src": 1, "eth_type": 0x800, "ip_proto": 17}, V11, "tcp_src needs"),
        ({"tcp_src": 1, "eth_type": (0x800, 0xFF00), "ip_proto": 6}, V11, "tcp_src needs"),
        ({"eth_src": 1, "dl_src": 1}, V10, "twice"),
        ({"nw_src": (5, 5)}, V10, "prefixes"),
        ({"nw_src": (5, 3)}, V11, "outside"),
        ({"nw_src": (5, 1 << 32)}, V11, "mask"),
        ({"vlan_vid": 5}, V10, "neither"),
        ({"vlan_vid": (0x1001, 0x1001)}, V11, "vlan_tci"),
        ({"tp_src": (1, 1)}, V11, "no mask"),
        ({"in_port": 0xFF00}, V10, "16 bits"),
        ({"in_port": -1}, V10, "within"),
        ({"eth_src": 1 << 48}, V10, "within"),
        ({"eth_type": 0x10000}, V11, "within"),
        ({"vlan_pcp": 8}, V10, "within"),
        ({"eth_type": 0x806, "arp_op": 256}, V10, "within"),
        ({"mpls_label": 1 << 20}, V11, "within"),
        ({"eth_type": 0x800, "ip_dscp": 64}, V11, "within"),
    ],
)
def test_what_cannot_be_written(match, version, words):
    for _ in range(2):
        with pytest.raises(EncodeError, match=words):
            codec.encode_match(match, version)


def test_masks_that_say_all_or_nothing():
    assert codec.encode_match({"nw_src": (7, 0xFFFFFFFF), "vlan_vid": (0, 0), "dl_type": (5, 0xFFFF)}, V10) == (
        codec.encode_match({"nw_src": 7, "dl_type": 5}, V10)
    )
    assert codec.encode_match({"vlan_vid": (0x1005, 0x1FFF)}, V10) == codec.encode_match({"vlan_vid": 0x1005}, V10)


@pytest.mark.parametrize(
    ("octets", "error"),
    [
        ("0002", "OFPBMC_BAD_TYPE"),
        ("0001", "OFPBMC_BAD_LEN"),
        ("00000057", "OFPBMC_BAD_LEN"),
        ("00000058", "OFPBMC_BAD_LEN"),
        ("", "OFPBMC_BAD_LEN"),
    ],
)
def test_errors_have_openflow_s_names(octets, error):
    data = bytes.fromhex(octets)
    data += bytes(4 - len(data) if data else 0)
    with pytest.raises(ProtocolError) as raised:
        codec.decode_match(data, 0, len(data), V11)
    assert raised.value.error == error


def ovs(command, structs):
    done = subprocess.run(
        ["ovs-ofctl", "-vconsole:off", command],
        input="".join(f"{octets.hex()}\n" for octets in structs),
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    return [block.splitlines() for block in done.stdout.strip().split("\n\n")]


JUDGED = [
    ({"in_port": 3, "eth_src": 1, "eth_dst": 2}, "in_port=3,dl_src=00:00:00:00:00:01,dl_dst=00:00:00:00:00:02"),
    ({"in_port": CONTROLLER}, "in_port=CONTROLLER"),
    ({"eth_src": 1}, "dl_src=00:00:00:00:00:01"),
    ({"eth_dst": 1}, "dl_dst=00:00:00:00:00:01"),
    ({**TCP, "tcp_src": 80}, "tcp,tp_src=80"),
    ({"eth_type": 0x800, "ipv4_dst": 1}, "ip,nw_dst=0.0.0.1"),
    ({"vlan_vid": 0}, "vlan_tci=0x0000"),
    ({"vlan_vid": 0x1005, "vlan_pcp": 3}, "dl_vlan=5,dl_vlan_pcp=3"),
    ({**TCP, "ipv4_src": 0x0A000001, "tcp_dst": 80}, "tcp,nw_src=10.0.0.1,tp_dst=80"),
    ({**TCP, "ipv4_dst": (0x0A000000, 0xFF000000), "ip_dscp": 8}, "tcp,nw_dst=10.0.0.0/8,nw_tos=32"),
    ({"eth_type": 0x806, "arp_op": 2, "arp_spa": 0x0A000001}, "arp,arp_spa=10.0.0.1,arp_op=2"),
    ({"eth_type": 0x800, "ip_proto": 1, "icmpv4_type": 8, "icmpv4_code": 0}, "icmp,icmp_type=8,icmp_code=0"),
]
JUDGED11 = [
    ({"vlan_vid": (0x1000, 0x1000)}, "vlan_tci=0x1000/0x1000"),
    ({"eth_dst": (1 << 40, 1 << 40)}, "dl_dst=01:00:00:00:00:00/01:00:00:00:00:00"),
    ({"eth_type": 0x8847, "mpls_label": 16, "mpls_tc": 5}, "mpls,mpls_label=16,mpls_tc=5"),
    ({"metadata": (5, 0xFF)}, "metadata=0x5/0xff"),
]


@pytest.mark.skipif(shutil.which("ovs-ofctl") is None, reason="Open vSwitch's tools are not installed")
@pytest.mark.parametrize(
    ("version", "command", "judged"),
    [(V10, "parse-ofp10-match", JUDGED), (V11, "parse-ofp11-match", JUDGED + JUDGED11)],
)
def test_open_vswitch_reads_our_structs(version, command, judged):
    blocks = ovs(command, [codec.encode_match(match, version) for match, _ in judged])
    for (_, expected), block in zip(judged, blocks, strict=True):
        texts = [line for line in block if "expected" not in line]
        assert block == texts, "Open vSwitch would write other octets"
        assert sorted(block[0].replace("eth,", "").split(",")) == sorted(expected.split(","))


def test_struct_names_are_no_oxm():
    with pytest.raises(EncodeError, match="use ipv4_src or arp_spa"):
        codec.encode_match({"nw_src": 1}, V13)
