"""What services may match, in every version, and what they are told of the rest."""

from __future__ import annotations

from typing import Any

import pytest

from inject.scenes import GONE, ROUTER, ROUTER_KEY, SERVICE, flow, scope
from segue.inject import matches, translate
from segue.inject.errors import Refusal
from segue.model.program import Value
from segue.model.stages import ELEMENT, ROUTER_ELEMENT, SERVICE_METADATA
from segue.model.stages import SERVICE as REGISTER
from segue.openflow import NORMAL, V10, V11, V13, V15, FlowMod, Output, decode, encode
from segue.openflow.protocol.errors import error_numbers

TCP = {"eth_type": 0x0800, "ip_proto": 6}
ND = {"eth_type": 0x86DD, "ip_proto": 58, "icmpv6_type": 135}


def fields(match: dict[str, Any], version: int = V13) -> dict[str, Value] | None:
    rule = translate.rule(scope(), flow(match, Output(NORMAL), version=version), {}, {})
    if rule is None:
        return None
    found = dict(rule.match)
    assert found.pop(REGISTER) == SERVICE
    return found


@pytest.mark.parametrize(
    ("match", "expected"),
    [
        ({}, {}),
        ({"in_port": 2}, {ELEMENT: 12}),
        ({"in_port": ROUTER}, {ELEMENT: ROUTER_ELEMENT | ROUTER_KEY}),
        ({"metadata": 7}, {SERVICE_METADATA: 7}),
        ({"metadata": (1, 3)}, {SERVICE_METADATA: (1, 3)}),
        ({"metadata": (1, (1 << 64) - 1)}, {SERVICE_METADATA: 1}),
        ({"metadata": (0, 0)}, {}),
        ({"eth_dst": (1 << 40, 1 << 40)}, {"eth_dst": (1 << 40, 1 << 40)}),
        ({"eth_src": "02:00:00:00:00:01"}, {"eth_src": 0x020000000001}),
        ({"eth_type": 0x0800, "ipv4_dst": "10.0.0.0/8"}, {"eth_type": 0x0800, "ipv4_dst": (10 << 24, 0xFF << 24)}),
        ({**TCP, "tcp_dst": 80}, {**TCP, "tcp_dst": 80}),
        ({**TCP, "tcp_flags": (2, 0x12)}, {**TCP, "tcp_flags": (2, 0x12)}),
        ({**ND, "ipv6_nd_target": 1}, {**ND, "ipv6_nd_target": 1}),
        ({"eth_type": 0x0806, "arp_op": 1}, {"eth_type": 0x0806, "arp_op": 1}),
        ({"vlan_vid": 0}, {"vlan_vid": 0}),
        ({"vlan_vid": 0x1005, "vlan_pcp": 3}, {"vlan_vid": 0x1005, "vlan_pcp": 3}),
        ({"vlan_vid": (0x1000, 0x1000), "vlan_pcp": 3}, {"vlan_vid": (0x1000, 0x1000), "vlan_pcp": 3}),
        ({"vlan_vid": (0x1005, 0xFFFF)}, {"vlan_vid": 0x1005}),
        ({"packet_type": 0, "eth_type": 0x88B5}, {"eth_type": 0x88B5}),
        ({"nxm_of_eth_dst": 1}, {"eth_dst": 1}),
        ({"eth_type": 0x0800, "nxm_of_ip_tos": 0xB8}, {"eth_type": 0x0800, "ip_dscp": 46}),
    ],
)
def test_what_may_be_matched(match: dict[str, Any], expected: dict[str, Value]) -> None:
    assert fields(match) == expected


@pytest.mark.parametrize(
    ("match", "error"),
    [
        ({"in_port": 6}, "OFPBMC_BAD_VALUE"),
        ({"in_port": 0xFFFFFFFD}, "OFPBMC_BAD_VALUE"),
        ({"in_port": 11}, "OFPBMC_BAD_VALUE"),  # the key of a port is not its number
        ({"in_port": (1, 1)}, "OFPBMC_BAD_MASK"),
        ({"in_port": 1 << 32}, "OFPBMC_BAD_VALUE"),
        ({"reg7": 1}, "OFPBMC_BAD_FIELD"),
        ({"reg8": 1}, "OFPBMC_BAD_FIELD"),
        ({"xreg6": 1}, "OFPBMC_BAD_FIELD"),
        ({"xxreg1": 1}, "OFPBMC_BAD_FIELD"),
        ({"tunnel_id": 1}, "OFPBMC_BAD_FIELD"),
        ({"tun_src": 1}, "OFPBMC_BAD_FIELD"),
        ({"tun_metadata0:4": 1}, "OFPBMC_BAD_FIELD"),
        ({"ct_state": 1}, "OFPBMC_BAD_FIELD"),
        ({"ct_mark": 1}, "OFPBMC_BAD_FIELD"),
        ({"conj_id": 1}, "OFPBMC_BAD_FIELD"),
        ({"recirc_id": 1}, "OFPBMC_BAD_FIELD"),
        ({"pkt_mark": 1}, "OFPBMC_BAD_FIELD"),
        ({"in_port": 1, "in_phy_port": 1}, "OFPBMC_BAD_FIELD"),
        ({"actset_output": 1}, "OFPBMC_BAD_FIELD"),
        ({"in_port_nxm": 1}, "OFPBMC_BAD_FIELD"),
        ({"vlan_tci": 0x1005}, "OFPBMC_BAD_FIELD"),
        ({"packet_type": 0x1894F}, "OFPBMC_BAD_FIELD"),
        ({"packet_type": 0x10800}, "OFPBMC_BAD_FIELD"),
        ({"eth_type": 0x8847, "mpls_label": 16}, "OFPBMC_BAD_FIELD"),
        ({"eth_type": 0x894F, "nsh_spi": 1}, "OFPBMC_BAD_FIELD"),
        ({"eth_type": 0x86DD, "ipv6_exthdr": 1}, "OFPBMC_BAD_FIELD"),
        ({"eth_type": 0x88E7, "pbb_isid": 1}, "OFPBMC_BAD_FIELD"),
        ({"oxm:8000:7f:4": 1}, "OFPBMC_BAD_FIELD"),
        ({"oxm:8000:0:4": (1, 1)}, "OFPBMC_BAD_MASK"),  # how a mask on in_port is read
        ({"oxm:8000:3:4": 1}, "OFPBMC_BAD_LEN"),
        ({"no_such_field": 1}, "OFPBMC_BAD_FIELD"),
        ({"eth_type": 0x1_0000}, "OFPBMC_BAD_VALUE"),
        ({"eth_src": "none"}, "OFPBMC_BAD_VALUE"),
        ({"eth_src": (1, 1 << 48)}, "OFPBMC_BAD_MASK"),
        ({"eth_src": (3, 1)}, "OFPBMC_BAD_WILDCARDS"),
        ({"eth_type": (0x0800, 0xFF00)}, "OFPBMC_BAD_MASK"),
        ({"eth_dst": 1, "nxm_of_eth_dst": 1}, "OFPBMC_DUP_FIELD"),
        ({"ipv4_src": 1}, "OFPBMC_BAD_PREREQ"),
        ({"eth_type": 0x86DD, "ipv4_src": 1}, "OFPBMC_BAD_PREREQ"),
        ({"eth_type": 0x0800, "ipv6_src": 1}, "OFPBMC_BAD_PREREQ"),
        ({"ip_proto": 6}, "OFPBMC_BAD_PREREQ"),
        ({"eth_type": 0x0806, "ip_dscp": 1}, "OFPBMC_BAD_PREREQ"),
        ({"eth_type": 0x0800, "tcp_src": 1}, "OFPBMC_BAD_PREREQ"),
        ({**TCP, "udp_src": 1}, "OFPBMC_BAD_PREREQ"),
        ({"eth_type": 0x86DD, "ip_proto": 1, "icmpv4_type": 8}, "OFPBMC_BAD_PREREQ"),
        ({**ND, "ipv6_nd_tll": 1}, "OFPBMC_BAD_PREREQ"),
        ({**ND, "icmpv6_code": 1, "ipv6_nd_target": 1}, "OFPBMC_BAD_PREREQ"),
        ({"eth_type": 0x0800, "arp_op": 1}, "OFPBMC_BAD_PREREQ"),
        ({"vlan_pcp": 1}, "OFPBMC_BAD_PREREQ"),
        ({**TCP, "ip_frag": (2, 2), "tcp_src": 1}, "OFPBMC_BAD_PREREQ"),
        ({"vlan_vid": 0, "vlan_pcp": 1}, "OFPBMC_BAD_PREREQ"),
        ({"vlan_vid": 5}, "OFPBMC_BAD_VALUE"),
        ({"eth_type": 0x0806, "arp_op": 256}, "OFPBMC_BAD_VALUE"),
        ({"eth_type": 0x0800, "nxm_of_ip_tos": 1}, "OFPBMC_BAD_VALUE"),
    ],
)
def test_what_may_not_be_matched(match: dict[str, Any], error: str) -> None:
    with pytest.raises(Refusal) as refused:
        fields(match)
    assert refused.value.error == error
    assert error_numbers(V13, error) != error_numbers(V13, "OFPBRC_BAD_LEN") or error.endswith("_LEN")
    assert len(refused.value.text) > 10


def test_a_rule_of_an_element_that_has_gone_waits() -> None:
    assert fields({"in_port": GONE}) is None
    with pytest.raises(Refusal):
        fields({"in_port": GONE, "ipv4_src": 1})


def through_the_wire(match: dict[str, Any], version: int) -> dict[str, Value] | None:
    msg, _, _ = decode(encode(FlowMod(match=match), 1, version))
    return fields(dict(msg.match), version)


@pytest.mark.parametrize("version", [V10, V11])
@pytest.mark.parametrize(
    ("match", "expected"),
    [
        ({"in_port": 1, "dl_dst": 5}, {ELEMENT: 11, "eth_dst": 5}),
        ({"vlan_vid": 0}, {"vlan_vid": 0}),
        ({"vlan_vid": 0x1005}, {"vlan_vid": 0x1005}),
        ({"vlan_pcp": 5}, {"vlan_vid": (0x1000, 0x1000), "vlan_pcp": 5}),
        ({"vlan_vid": 0, "vlan_pcp": 5}, {"vlan_vid": 0}),
        ({"eth_type": 0x0800, "ip_dscp": 46}, {"eth_type": 0x0800, "ip_dscp": 46}),
        ({"eth_type": 0x0806, "nw_proto": 2, "nw_src": 9}, {"eth_type": 0x0806, "arp_op": 2, "arp_spa": 9}),
        ({**TCP, "tp_dst": 80}, {**TCP, "tcp_dst": 80}),
        (
            {"eth_type": 0x0800, "nw_proto": 1, "tp_src": 8, "tp_dst": 0},
            {"eth_type": 0x0800, "ip_proto": 1, "icmpv4_type": 8, "icmpv4_code": 0},
        ),
        # Slots that mean nothing for such a packet.
        ({"nw_src": 9, "tp_dst": 80}, {}),
        ({"eth_type": 0x88B5, "nw_proto": 6, "nw_tos": 4}, {"eth_type": 0x88B5}),
        ({"eth_type": 0x0800, "nw_proto": 47, "tp_dst": 80}, {"eth_type": 0x0800, "ip_proto": 47}),
    ],
)
def test_structs_of_old_versions(version: int, match: dict[str, Any], expected: dict[str, Value]) -> None:
    assert through_the_wire(match, version) == expected


@pytest.mark.parametrize(
    ("version", "match", "error"),
    [
        (V10, {"dl_vlan": 0x1FFF}, "OFPBMC_BAD_VALUE"),
        (V10, {"dl_vlan_pcp": 9}, "OFPBMC_BAD_VALUE"),
        (V10, {"eth_type": 0x0800, "nw_proto": 1, "tp_src": 256}, "OFPBMC_BAD_VALUE"),
        (V11, {"eth_type": 0x0800, "nw_tos": 1}, "OFPBMC_BAD_VALUE"),
        (V11, {"eth_type": 0x8847, "mpls_label": 1}, "OFPBMC_BAD_FIELD"),
    ],
)
def test_structs_that_are_refused(version: int, match: dict[str, Any], error: str) -> None:
    with pytest.raises(Refusal) as refused:
        through_the_wire(match, version)
    assert refused.value.error == error


def test_the_low_bits_of_a_type_of_service_are_nothing_in_1_0() -> None:
    assert through_the_wire({"eth_type": 0x0800, "nw_tos": 0xB9}, V10) == {"eth_type": 0x0800, "ip_dscp": 46}


def test_equal_matches_have_one_normal_form() -> None:
    one = matches.normal({"eth_type": 0x0800, "ip_dscp": 46, "eth_src": (1, (1 << 48) - 1), "eth_dst": (0, 0)}, V15)
    other = matches.normal({"nxm_of_ip_tos": 0xB8, "nxm_of_eth_src": 1, "eth_type": 0x0800, "packet_type": 0}, V15)
    assert one == other == {"eth_type": 0x0800, "ip_dscp": 46, "eth_src": 1}
