"""Each field is what Open vSwitch takes it for: one message per field, read by its decoder."""

import pytest

from segue.openflow.actions import SetField
from segue.openflow.fields import FIELDS
from segue.openflow.messages import FlowMod, decode, encode

from .oracle import available, printed

V6 = 0x20010DB8000000000000000000000001
V6_TEXT = "2001:db8::1"
V6_NET = (0x20010DB8 << 96, 0xFFFFFFFF << 96)
MAC, MAC_TEXT = 0x020304050607, "02:03:04:05:06:07"
MAC_PART = (0x020304000000, 0xFFFFFF000000)
MAC_PART_TEXT = "02:03:04:00:00:00/ff:ff:ff:00:00:00"
IP, IP_TEXT = 0x0A010203, "10.1.2.3"
NET, NET_TEXT = (0x0A000000, 0xFF000000), "10.0.0.0/8"
ND = "icmp6,icmp_type=135,icmp_code=0,"
X64, X128 = 0x0102030405060708, 0x0102030405060708090A0B0C0D0E0F10

# field, value or (value, mask), what the decoder says (after the fields that the prerequisites bring)
MATCHES = [
    ("packet_type", 0x1894F, "packet_type=(1,0x894f)"),
    ("in_port", 5, "in_port=5"),
    ("in_port", 0xFFFFFFFE, "in_port=LOCAL"),
    ("actset_output", 5, "actset_output=5"),
    ("dp_hash", 0x1234, "dp_hash=0x1234"),
    ("dp_hash", (0x1230, 0xFFF0), "dp_hash=0x1230/0xfff0"),
    ("recirc_id", 7, "recirc_id=0x7"),
    ("conj_id", 7, "conj_id=7"),
    ("eth_dst", MAC, f"dl_dst={MAC_TEXT}"),
    ("eth_dst", MAC_PART, f"dl_dst={MAC_PART_TEXT}"),
    ("eth_src", MAC, f"dl_src={MAC_TEXT}"),
    ("eth_src", MAC_PART, f"dl_src={MAC_PART_TEXT}"),
    ("eth_type", 0x894F, "dl_type=0x894f"),
    ("vlan_vid", 0x1005, "dl_vlan=5"),
    ("vlan_vid", (0x1000, 0x1000), "vlan_tci=0x1000/0x1000"),
    ("vlan_vid", 0, "vlan_tci=0x0000/0x1fff"),
    ("vlan_pcp", 6, "dl_vlan=5,dl_vlan_pcp=6"),
    ("vlan_tci", 0x7234, "dl_vlan=564,dl_vlan_pcp=3"),
    ("vlan_tci", (0x1000, 0x1000), "vlan_tci=0x1000/0x1000"),
    ("mpls_label", 0xABCDE, f"mpls,mpls_label={0xABCDE}"),
    ("mpls_tc", 5, "mpls,mpls_tc=5"),
    ("mpls_bos", 1, "mpls,mpls_bos=1"),
    ("mpls_ttl", 63, "mpls,mpls_ttl=63"),
    ("ip_proto", 89, "ip,nw_proto=89"),
    ("ip_dscp", 46, "ip,nw_tos=184"),
    ("ip_ecn", 2, "ip,nw_ecn=2"),
    ("ip_frag", 1, "ip,nw_frag=first"),
    ("ip_frag", (1, 1), "ip,nw_frag=yes"),
    ("nw_ttl", 63, "ip,nw_ttl=63"),
    ("ipv4_src", IP, f"ip,nw_src={IP_TEXT}"),
    ("ipv4_src", NET, f"ip,nw_src={NET_TEXT}"),
    ("ipv4_dst", IP, f"ip,nw_dst={IP_TEXT}"),
    ("ipv4_dst", NET, f"ip,nw_dst={NET_TEXT}"),
    ("ipv6_src", V6, f"ipv6,ipv6_src={V6_TEXT}"),
    ("ipv6_src", V6_NET, "ipv6,ipv6_src=2001:db8::/32"),
    ("ipv6_dst", V6, f"ipv6,ipv6_dst={V6_TEXT}"),
    ("ipv6_dst", V6_NET, "ipv6,ipv6_dst=2001:db8::/32"),
    ("ipv6_flabel", 0xABCDE, "ipv6,ipv6_label=0xabcde"),
    ("ipv6_flabel", (0xABC00, 0xFFF00), "ipv6,ipv6_label=0xabc00/0xfff00"),
    ("arp_op", 2, "arp,arp_op=2"),
    ("arp_spa", IP, f"arp,arp_spa={IP_TEXT}"),
    ("arp_spa", NET, f"arp,arp_spa={NET_TEXT}"),
    ("arp_tpa", IP, f"arp,arp_tpa={IP_TEXT}"),
    ("arp_tpa", NET, f"arp,arp_tpa={NET_TEXT}"),
    ("arp_sha", MAC, f"arp,arp_sha={MAC_TEXT}"),
    ("arp_sha", MAC_PART, f"arp,arp_sha={MAC_PART_TEXT}"),
    ("arp_tha", MAC, f"arp,arp_tha={MAC_TEXT}"),
    ("arp_tha", MAC_PART, f"arp,arp_tha={MAC_PART_TEXT}"),
    *(
        (f"{proto}_{end}", value, f"{proto},tp_{end}={text}")
        for proto in ("tcp", "udp", "sctp")
        for end in ("src", "dst")
        for value, text in ((443, "443"), ((0x1B00, 0xFF00), "0x1b00/0xff00"))
    ),
    ("tcp_flags", 0x012, "tcp,tcp_flags=syn|ack"),
    ("tcp_flags", (0x002, 0x012), "tcp,tcp_flags=+syn-ack"),
    ("icmpv4_type", 8, "icmp,icmp_type=8"),
    ("icmpv4_code", 3, "icmp,icmp_code=3"),
    ("icmpv6_type", 128, "icmp6,icmp_type=128"),
    ("icmpv6_code", 3, "icmp6,icmp_code=3"),
    ("ipv6_nd_target", V6, f"{ND}nd_target={V6_TEXT}"),
    ("ipv6_nd_target", V6_NET, f"{ND}nd_target=2001:db8::/32"),
    ("ipv6_nd_sll", MAC, f"{ND}nd_sll={MAC_TEXT}"),
    ("ipv6_nd_sll", MAC_PART, f"{ND}nd_sll={MAC_PART_TEXT}"),
    ("ipv6_nd_tll", MAC, f"icmp6,icmp_type=136,icmp_code=0,nd_tll={MAC_TEXT}"),
    ("ipv6_nd_tll", MAC_PART, f"icmp6,icmp_type=136,icmp_code=0,nd_tll={MAC_PART_TEXT}"),
    ("nd_reserved", 7, f"{ND}nd_reserved=7"),
    ("nd_options_type", 2, f"{ND}nd_options_type=2"),
    ("nsh_flags", 2, "dl_type=0x894f,nsh_flags=2"),
    ("nsh_flags", (2, 2), "dl_type=0x894f,nsh_flags=0x02/0x02"),
    ("nsh_mdtype", 1, "dl_type=0x894f,nsh_mdtype=1"),
    ("nsh_np", 3, "dl_type=0x894f,nsh_np=3"),
    ("nsh_ttl", 63, "dl_type=0x894f,nsh_ttl=63"),
    ("nsh_spi", 0xABCDEF, "dl_type=0x894f,nsh_spi=0xabcdef"),
    ("nsh_si", 254, "dl_type=0x894f,nsh_si=254"),
    ("tunnel_id", X64, f"tun_id={X64:#x}"),
    ("tunnel_id", (0x1200, 0xFF00), "tun_id=0x1200/0xff00"),
    ("tun_src", IP, f"tun_src={IP_TEXT}"),
    ("tun_src", NET, f"tun_src={NET_TEXT}"),
    ("tun_dst", IP, f"tun_dst={IP_TEXT}"),
    ("tun_dst", NET, f"tun_dst={NET_TEXT}"),
    ("tun_ipv6_src", V6, f"tun_ipv6_src={V6_TEXT}"),
    ("tun_ipv6_src", V6_NET, "tun_ipv6_src=2001:db8::/32"),
    ("tun_ipv6_dst", V6, f"tun_ipv6_dst={V6_TEXT}"),
    ("tun_ipv6_dst", V6_NET, "tun_ipv6_dst=2001:db8::/32"),
    ("tun_flags", 1, "tun_flags=+oam"),
    ("tun_gbp_id", 77, "tun_gbp_id=77"),
    ("tun_gbp_id", (0x1200, 0xFF00), "tun_gbp_id=0x1200/0xff00"),
    ("tun_gbp_flags", 0x48, "tun_gbp_flags=0x48"),
    ("tun_erspan_ver", 2, "tun_erspan_ver=2"),
    ("tun_gtpu_flags", 0x30, "gtpu_flags=0x30"),
    ("tun_gtpu_msgtype", 255, "gtpu_msgtype=255"),
    ("metadata", X64, f"metadata={X64:#x}"),
    ("metadata", (0x1200, 0xFF00), "metadata=0x1200/0xff00"),
    *((f"reg{n}", 0x1234 + n, f"reg{n}={0x1234 + n:#x}") for n in range(16)),
    *((f"reg{n}", (0x1200, 0xFF00), f"reg{n}=0x1200/0xff00") for n in range(16)),
    *((f"xreg{n}", X64, f"reg{2 * n}=0x1020304,reg{2 * n + 1}=0x5060708") for n in range(8)),
    *((f"xreg{n}", (1, 0xFF), f"reg{2 * n + 1}=0x1/0xff") for n in range(8)),
    *(
        (
            f"xxreg{n}",
            X128,
            f"reg{4 * n}=0x1020304,reg{4 * n + 1}=0x5060708,reg{4 * n + 2}=0x90a0b0c,reg{4 * n + 3}=0xd0e0f10",
        )
        for n in range(4)
    ),
    ("pkt_mark", 9, "pkt_mark=0x9"),
    ("pkt_mark", (0x1200, 0xFF00), "pkt_mark=0x1200/0xff00"),
    ("ct_state", (0x22, 0x23), "ct_state=-new+est+trk"),
    ("ct_zone", 9, "ct_zone=9"),
    ("ct_mark", 9, "ct_mark=0x9"),
    ("ct_mark", (0x1200, 0xFF00), "ct_mark=0x1200/0xff00"),
    ("ct_label", X128, f"ct_label={X128:#x}"),
    ("ct_label", (0x1200, 0xFF00), "ct_label=0x1200/0xff00"),
    ("ct_nw_proto", 17, "ct_state=+est+trk,ct_nw_proto=17,ip"),
    ("ct_nw_src", IP, f"ct_state=+est+trk,ct_nw_src={IP_TEXT},ip"),
    ("ct_nw_src", NET, f"ct_state=+est+trk,ct_nw_src={NET_TEXT},ip"),
    ("ct_nw_dst", IP, f"ct_state=+est+trk,ct_nw_dst={IP_TEXT},ip"),
    ("ct_nw_dst", NET, f"ct_state=+est+trk,ct_nw_dst={NET_TEXT},ip"),
    ("ct_ipv6_src", V6, f"ct_state=+est+trk,ct_ipv6_src={V6_TEXT},ipv6"),
    ("ct_ipv6_dst", V6, f"ct_state=+est+trk,ct_ipv6_dst={V6_TEXT},ipv6"),
    ("ct_tp_src", 443, "ct_state=+est+trk,ct_nw_proto=6,ct_tp_src=443,ip"),
    ("ct_tp_dst", 443, "ct_state=+est+trk,ct_nw_proto=6,ct_tp_dst=443,ip"),
]

# Its decoder reads these in a match and does not print them; a set-field names them.
SETS = [
    ("in_port_nxm", 5, "set_field:5->in_port"),
    ("in_port_nxm", 0xFFFE, "set_field:LOCAL->in_port"),
    *((f"nsh_c{n}", 0x11223344, f"set_field:0x11223344->nsh_c{n}") for n in range(1, 5)),
    ("tun_erspan_idx", 0x12345, "set_field:0x12345->tun_erspan_idx"),
    ("tun_erspan_dir", 1, "set_field:1->tun_erspan_dir"),
    ("tun_erspan_hwid", 0x2A, "set_field:0x2a->tun_erspan_hwid"),
]

# OpenFlow's, which Open vSwitch has not.
FOREIGN = {"in_phy_port", "pbb_isid", "pbb_uca", "ipv6_exthdr"}

GIVEN = {"vlan_vid": 0x1005, "ct_state": (0x22, 0x22), "in_port": 1}


def prerequisites(name: str) -> dict[str, int | tuple[int, int]]:
    return {field: values[0] if values else GIVEN[field] for field, values in FIELDS[name].prerequisites}


def test_the_tables_here_leave_no_field_out() -> None:
    assert {name for name, *_ in MATCHES + SETS} | FOREIGN == set(FIELDS)


def test_prerequisites_stand_above_what_needs_them() -> None:
    rank = {name: n for n, name in enumerate(FIELDS)}
    for name, field in FIELDS.items():
        for needed, _ in field.prerequisites:
            assert rank[needed] < rank[name]


def test_no_two_fields_have_one_identity() -> None:
    headers = [field.header() for field in FIELDS.values()]
    assert len(set(headers)) == len(headers)


@available
def test_matches() -> None:
    # The field itself comes first in the mapping: the order on the wire is not the caller's.
    mods = [FlowMod(match={name: value, **prerequisites(name)}) for name, value, _ in MATCHES]
    mods = [FlowMod(match={**mod.match, name: value}) for mod, (name, value, _) in zip(mods, MATCHES, strict=True)]
    for (name, value, text), said in zip(MATCHES, printed([encode(mod) for mod in mods]), strict=True):
        assert said == f"OFPT_FLOW_MOD ADD {text} actions=drop", (name, value)


@available
def test_the_older_identity_means_the_same() -> None:
    cases = [(name, value, text) for name, value, text in MATCHES if FIELDS[name].nxm and isinstance(value, int)]
    messages = []
    for name, value, _ in cases:
        field = FIELDS[name]
        older = field.nxm_header()
        assert older is not None
        raw = encode(FlowMod(match={**prerequisites(name), name: value}))
        messages.append(
            raw.replace(field.header() + value.to_bytes(field.size, "big"), older + value.to_bytes(field.size, "big"))
        )
    for (name, value, text), raw, said in zip(cases, messages, printed(messages), strict=True):
        assert said == f"OFPT_FLOW_MOD ADD {text} actions=drop", name
        decoded, _ = decode(raw)
        assert isinstance(decoded, FlowMod)
        assert decoded.match == {**prerequisites(name), name: value}


@available
def test_fields_that_are_seen_only_when_set() -> None:
    mods = [FlowMod(match=prerequisites(name), actions=(SetField(name, value),)) for name, value, _ in SETS]
    for (name, _, text), said in zip(SETS, printed([encode(mod) for mod in mods]), strict=True):
        assert said.endswith(f"actions={text}"), name


@available
@pytest.mark.parametrize("name", sorted(FOREIGN))
def test_fields_that_open_vswitch_has_not(name: str) -> None:
    said = printed([encode(FlowMod(match={**prerequisites(name), name: 1}))])[0]
    assert "decode error: OFPBMC_BAD_FIELD" in said
