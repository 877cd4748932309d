"""Each action is what Open vSwitch takes it for, and comes back from its bytes."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from segue.openflow.actions import (
    Action,
    Decap,
    DecMplsTtl,
    DecNshTtl,
    DecNwTtl,
    Encap,
    Group,
    Move,
    Multipath,
    Output,
    PopMpls,
    PopVlan,
    PushMpls,
    PushVlan,
    Raw,
    Resubmit,
    SetField,
    SetMplsTtl,
    SetNwTtl,
    decode_actions,
    encode_actions,
)
from segue.openflow.messages import FlowMod, encode
from segue.openflow.wire import CONTROLLER, FLOOD, IN_PORT, LOCAL, NORMAL, EncodeError, ProtocolError

from .oracle import available, printed

IP = {"eth_type": 0x0800}
MPLS = {"eth_type": 0x8847}
NSH = {"eth_type": 0x894F}
TCP = {"eth_type": 0x0800, "ip_proto": 6}

# match that the action needs, action, what the decoder says
ACTIONS: list[tuple[dict[str, int], Action, str]] = [
    ({}, Output(2), "output:2"),
    ({}, Output(CONTROLLER, 128), "CONTROLLER:128"),
    ({}, Output(IN_PORT), "IN_PORT"),
    ({}, Output(LOCAL), "LOCAL"),
    ({}, Output(NORMAL), "NORMAL"),
    ({}, Output(FLOOD), "FLOOD"),
    ({}, Group(7), "group:7"),
    ({}, SetField("eth_dst", 0x020304050607), "set_field:02:03:04:05:06:07->eth_dst"),
    (
        {},
        SetField("eth_dst", 0x020300000000, 0xFFFF00000000),
        "set_field:02:03:00:00:00:00/ff:ff:00:00:00:00->eth_dst",
    ),
    ({}, SetField("reg3", 0x10, 0xF0), "set_field:0x10/0xf0->reg3"),
    ({}, SetField("xxreg1", 1 << 100), "set_field:0x10000000000000000000000000->xxreg1"),
    ({}, SetField("metadata", 5), "set_field:0x5->metadata"),
    ({}, SetField("tunnel_id", 5), "set_field:0x5->tun_id"),
    ({}, SetField("tun_dst", 0x0A000001), "set_field:10.0.0.1->tun_dst"),
    ({"vlan_vid": 0x1005}, SetField("vlan_vid", 0x1006), "set_field:4102->vlan_vid"),
    ({"vlan_vid": 0x1005}, SetField("vlan_pcp", 6), "set_field:6->vlan_pcp"),
    (IP, SetField("ipv4_dst", 0x0A000001), "set_field:10.0.0.1->ip_dst"),
    (IP, SetField("ip_dscp", 46), "set_field:46->ip_dscp"),
    (IP, SetField("nw_ttl", 9), "set_field:9->nw_ttl"),
    (TCP, SetField("tcp_dst", 443), "set_field:443->tcp_dst"),
    (MPLS, SetField("mpls_label", 77), "set_field:77->mpls_label"),
    (MPLS, SetField("mpls_tc", 3), "set_field:3->mpls_tc"),
    (MPLS, SetField("mpls_ttl", 3), "set_field:3->mpls_ttl"),
    (NSH, SetField("nsh_spi", 0x123456), "set_field:0x123456->nsh_spi"),
    (NSH, SetField("nsh_si", 254), "set_field:254->nsh_si"),
    (NSH, SetField("nsh_ttl", 63), "set_field:63->nsh_ttl"),
    (NSH, SetField("nsh_c2", 0x10, 0xF0), "set_field:0x10/0xf0->nsh_c2"),
    ({}, Move("eth_src", "eth_dst", 48), "move:NXM_OF_ETH_SRC[]->NXM_OF_ETH_DST[]"),
    ({}, Move("reg0", "reg1", 8, 4, 12), "move:NXM_NX_REG0[4..11]->NXM_NX_REG1[12..19]"),
    (NSH, Move("nsh_spi", "reg1", 24), "move:NXOXM_NSH_SPI[]->NXM_NX_REG1[0..23]"),
    (NSH, Move("nsh_c1", "nsh_c2", 32), "move:NXOXM_NSH_C1[]->NXOXM_NSH_C2[]"),
    ({}, Resubmit(20), "resubmit(,20)"),
    ({}, Resubmit(20, 5), "resubmit(5,20)"),
    ({}, Resubmit(20, LOCAL), "resubmit(LOCAL,20)"),
    ({}, PushVlan(), "push_vlan:0x8100"),
    ({}, PushVlan(0x88A8), "push_vlan:0x88a8"),
    ({"vlan_vid": 0x1005}, PopVlan(), "pop_vlan"),
    ({}, PushMpls(), "push_mpls:0x8847"),
    (MPLS, PopMpls(0x0800), "pop_mpls:0x0800"),
    (MPLS, SetMplsTtl(9), "set_mpls_ttl(9)"),
    (MPLS, DecMplsTtl(), "dec_mpls_ttl"),
    (IP, SetNwTtl(9), "mod_nw_ttl:9"),
    (IP, DecNwTtl(), "dec_ttl"),
    (NSH, DecNshTtl(), "dec_nsh_ttl"),
    ({}, Encap("nsh"), "encap(nsh)"),
    ({}, Encap("nsh", 1), "encap(nsh(md_type=1))"),
    ({}, Encap("ethernet"), "encap(ethernet)"),
    ({}, Encap("mpls"), "encap(mpls)"),
    ({}, Encap("mpls_mc"), "encap(mpls_mc)"),
    ({}, Decap(), "decap()"),
    ({}, Decap(0x1894F), "decap(packet_type(ns=1,type=0x894f))"),
    *(
        (IP, Multipath(fields, 50, algorithm, 4, 7, "reg1", 3, 8), f"multipath({fields},50,{algorithm},4,7,{dst})")
        for fields in (
            "eth_src",
            "symmetric_l4",
            "symmetric_l3l4",
            "symmetric_l3l4+udp",
            "nw_src",
            "nw_dst",
            "symmetric_l3",
        )
        for algorithm in ("modulo_n", "hash_threshold", "hrw", "iter_hash")
        for dst in ("NXM_NX_REG1[3..10]",)
    ),
    ({}, Multipath("eth_src", 0, "hrw", 1, 0, "metadata", 0, 64), "multipath(eth_src,0,hrw,1,0,OXM_OF_METADATA[])"),
    (
        {},
        Multipath("eth_src", 0, "modulo_n", 65536, 0, "xreg2", 0, 16),
        "multipath(eth_src,0,modulo_n,65536,0,OXM_OF_PKT_REG2[0..15])",
    ),
    ({}, Raw(bytes.fromhex("ffff0010000023200005000000000000")), "pop_queue"),
]


@available
def test_actions() -> None:
    said = printed([encode(FlowMod(match=match, actions=(action,))) for match, action, _ in ACTIONS])
    for (_, action, text), line in zip(ACTIONS, said, strict=True):
        assert line.endswith(f" actions={text}"), (action, line)


def test_every_class_is_in_the_table() -> None:
    assert {action.__class__ for _, action, _ in ACTIONS} == set(Action.__args__)


@given(st.lists(st.sampled_from([action for _, action, _ in ACTIONS]), max_size=6))
def test_what_is_encoded_is_decoded(actions: list[Action]) -> None:
    data = encode_actions(actions)
    assert len(data) % 8 == 0
    assert decode_actions(data) == tuple(actions)
    assert decode_actions(b"12345678" + data + b"rest", 8, 8 + len(data)) == tuple(actions)


@pytest.mark.parametrize("action", [action for _, action, _ in ACTIONS], ids=str)
def test_every_cut_is_refused(action: Action) -> None:
    data = encode_actions([action])
    for end in range(1, len(data)):
        with pytest.raises(ProtocolError):
            decode_actions(data[:end])


@pytest.mark.parametrize(
    "data",
    [
        "0000000000000000",  # no length
        "0000000c0000000100000000",  # not a multiple of eight
        "0000001000000001",  # longer than the data
        "00190010800000ff0000000000000000",  # a set-field whose value passes the action
    ],
)
def test_hostile_actions(data: str) -> None:
    with pytest.raises(ProtocolError):
        decode_actions(bytes.fromhex(data))


@pytest.mark.parametrize(
    "data",
    [
        "0000000800000001",  # an output of another shape
        "00160010000000010000000000000000",  # a group too
        "ffff0010000023200fff000000000000",  # a subtype of Nicira's that is not known
        "ffff001000abcdef000e000000000000",  # somebody else's
        "ffff000800002320",  # too short for a subtype
        "ffff001000002320002e00080001894f",  # encap with a header size
        "ffff001000002320002e0000000107d0",  # encap of what is not known
        "ffff001800002320002e00000001894f0004020800010203",  # encap with another property
        "ffff002000002320000a" + "00ff" + "00" * 20,  # multipath over fields that are not known
        "001c0010002000000000000080000604",  # copy-field with one header only
        "001c001800200000000000007fff00047fff000400000000",  # copy-field between fields that are not known
    ],
)
def test_unknown_shapes_are_kept(data: str) -> None:
    raw = bytes.fromhex(data)
    assert decode_actions(raw) == (Raw(raw),)
    assert encode_actions([Raw(raw)]) == raw


def test_a_copy_field_does_not_read_on_in_the_next_action() -> None:
    half = bytes.fromhex("001c0018000800000000 0000 ffff0808005ad650 ffff0808".replace(" ", ""))
    rest = bytes.fromhex("005ad650") + bytes(0xD650 - 4)  # an action whose header is the other half of an OXM header
    assert decode_actions(half + rest) == (Raw(half), Raw(rest))


@pytest.mark.parametrize(
    "action",
    [
        Output(-1),
        Output(1 << 32),
        Output(1, 1 << 16),
        SetField("eth_typo", 1),
        SetField("nsh_si", 256),
        Move("reg0", "reg1", 33),
        Move("reg0", "reg1", 8, 25),
        Move("reg0", "nowhere", 8),
        Resubmit(20, 0x12345),
        Encap("ethernet", 1),
        Encap("gre"),  # type: ignore[arg-type]
        Encap("nsh", 256),
        Multipath("eth_src", 0, "hrw", 0, 0, "reg1"),
        Multipath("eth_src", 0, "hrw", 4, 0, "reg1", 8, 32),
        Multipath("eth_src", 0, "hrw", 4, 0, "nsh_c1"),
        Multipath("eth_src", 0, "best", 4, 0, "reg1"),  # type: ignore[arg-type]
        Raw(b"1234"),
        Raw(bytes(16)),
    ],
    ids=str,
)
def test_what_cannot_be_said(action: Action) -> None:
    with pytest.raises(EncodeError):
        encode_actions([action])


def test_not_an_action() -> None:
    with pytest.raises(EncodeError, match="not an action"):
        encode_actions(["output:1"])  # type: ignore[list-item]
