from __future__ import annotations

import pytest

from segue.verify.packet import Impossible, Label, Packet, ReadOnly, Undefined

UDP = {
    "eth_src": 0x020000000001,
    "eth_dst": 0x020000000002,
    "eth_type": 0x0800,
    "ipv4_src": 0x0A000001,
    "ipv4_dst": 0x0A000002,
    "ip_proto": 17,
    "nw_ttl": 9,
    "ip_dscp": 13,
    "udp_src": 1000,
    "udp_dst": 53,
}
NSH = 0x1894F


def udp(**more: int) -> Packet:
    return Packet.of({**UDP, **more})


def test_a_packet_shows_its_own_fields_and_no_others() -> None:
    fields = udp(reg2=5).fields
    assert fields["udp_dst"] == 53
    assert (fields["reg2"], fields["reg3"], fields["packet_type"]) == (5, 0, 0)
    assert not {"tcp_dst", "ipv6_src", "arp_op", "mpls_label", "nsh_spi"} & fields.keys()


def test_a_packet_cannot_have_fields_of_another_protocol() -> None:
    with pytest.raises(ValueError, match="tcp_dst"):
        Packet.of({**UDP, "tcp_dst": 80})
    with pytest.raises(ValueError, match="eth_src"):
        Packet.of({"packet_type": 0x10800, "eth_src": 1})
    with pytest.raises(ValueError, match="does not fit"):
        udp(udp_dst=1 << 16)
    with pytest.raises(ValueError, match="no field"):
        Packet.of({"dl_src": 1})


def test_setting_makes_another_packet() -> None:
    before = udp()
    after = before.set("ipv4_dst", 0xFF, 0xFF).set("reg1", 7).set("tcp_dst", 80)
    assert before.fields["ipv4_dst"] == 0x0A000002
    assert after.fields["ipv4_dst"] == 0x0A0000FF
    assert after.fields["reg1"] == 7
    assert "tcp_dst" not in after.fields
    with pytest.raises(ReadOnly):
        before.set("ip_proto", 6)
    with pytest.raises(ValueError, match="does not fit"):
        before.set("nw_ttl", 256)


def test_labels_hide_what_is_beneath_and_only_the_top_shows() -> None:
    one = udp().push_label()
    assert one.fields["eth_type"] == 0x8847
    # Open vSwitch: IPv4 explicit null, the low bits of the DSCP, the packet's TTL.
    assert [one.fields[f"mpls_{part}"] for part in ("label", "tc", "bos", "ttl")] == [0, 13 & 7, 1, 9]
    assert not {"ipv4_src", "udp_dst", "nw_ttl"} & one.fields.keys()
    two = one.set("mpls_label", 77).push_label().set("mpls_label", 78)
    assert (two.fields["mpls_label"], two.fields["mpls_bos"]) == (78, 0)
    back = two.pop_label(0x8847)
    assert (back.fields["mpls_label"], back.fields["mpls_bos"]) == (77, 1)
    assert back.pop_label(0x0800).fields == udp().fields


def test_popping_to_another_type_takes_the_whole_stack_and_trusts_the_type() -> None:
    labelled = Packet.of(UDP, labels=[Label(16), Label(17)])
    assert labelled.pop_label(0x0800).fields["udp_dst"] == 53
    misread = labelled.pop_label(0x86DD).fields
    assert (misread["eth_type"], misread["ipv6_src"], misread["ip_proto"]) == (0x86DD, 0, 0)
    assert "ipv4_src" not in misread


def test_there_are_three_labels_at_most() -> None:
    three = Packet.of(UDP, labels=[Label(16), Label(17), Label(18)])
    with pytest.raises(Impossible):
        three.push_label()
    with pytest.raises(Impossible):
        Packet.of(UDP, labels=[Label(n) for n in range(16, 20)]).pop_label(0x8847)


def test_what_would_depend_on_when_headers_are_written_is_undefined() -> None:
    with pytest.raises(Undefined):
        udp().push_label().pop_label(0x86DD)
    with pytest.raises(Undefined):
        udp().push_label().pop_label(0x8847)
    with pytest.raises(Undefined):
        udp().encap_nsh().push_label()
    with pytest.raises(Undefined):
        Packet.of(UDP, labels=[Label(16)]).pop_label(0x8847).set("mpls_label", 1)
    assert udp().push_label().on_wire.pop_label(0x86DD).fields["eth_type"] == 0x86DD


def test_nsh_hides_the_packet_and_decap_shows_it_again() -> None:
    inside = udp(reg2=300).encap_nsh()
    assert (inside.fields["packet_type"], inside.fields["eth_type"]) == (NSH, 0x894F)
    assert (inside.fields["nsh_si"], inside.fields["nsh_ttl"], inside.fields["nsh_np"]) == (255, 63, 3)
    assert not {"eth_src", "ipv4_src"} & inside.fields.keys()
    framed = inside.set("nsh_spi", 300).encap_ethernet().set("eth_dst", 9)
    assert (framed.fields["packet_type"], framed.fields["eth_dst"], framed.fields["nsh_spi"]) == (0, 9, 300)
    assert framed.decap().decap() == udp(reg2=300)


def test_decap_and_encap_refuse_what_the_switch_does() -> None:
    with pytest.raises(Impossible):
        udp().encap_ethernet()
    with pytest.raises(Impossible):
        udp().decap().decap()
    with pytest.raises(Impossible):
        Packet.of(UDP, tags=[5]).decap()
    with pytest.raises(Impossible):
        Packet.of({"eth_type": 0x894F}).decap().decap()
    with pytest.raises(Impossible):
        Packet.of({"eth_type": 0x88B5}).decap().encap_nsh()


def test_of_vlan_tags_the_first_shows() -> None:
    one = Packet.of(UDP, tags=[0x6005]).fields
    assert (one["vlan_vid"], one["vlan_pcp"], one["eth_type"]) == (0x1005, 3, 0x0800)
    two = Packet.of(UDP, tags=[5, 6]).fields
    assert two["eth_type"] == 0x8100
    assert "ipv4_src" not in two


def test_neighbour_discovery_fields_follow_the_message_type() -> None:
    solicit = Packet.of(
        {
            "eth_type": 0x86DD,
            "ip_proto": 58,
            "icmpv6_type": 135,
            "ipv6_nd_target": 5,
            "ipv6_nd_sll": 6,
            "nd_options_type": 1,
        }
    )
    assert solicit.fields["ipv6_nd_sll"] == 6
    assert "ipv6_nd_tll" not in solicit.fields
    advert = solicit.set("icmpv6_type", 136).set("nd_options_type", 2).set("ipv6_nd_tll", 7)
    assert advert.fields["ipv6_nd_tll"] == 7
    assert "ipv6_nd_sll" not in advert.fields
    assert "ipv6_nd_target" not in solicit.set("icmpv6_type", 128).fields


def test_fragments_show_no_ports() -> None:
    assert udp(ip_frag=1).fields["udp_dst"] == 0
    assert udp(ip_frag=3).set("udp_dst", 5).fields["udp_dst"] == 0


def test_what_leaves_the_switch_leaves_the_pipeline_fields_behind() -> None:
    assert udp(reg2=300, tun_dst=7).on_wire == udp()
