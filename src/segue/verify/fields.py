"""The header and pipeline fields a packet shows, each with its width and its prerequisite.

A field is there exactly when its prerequisite holds, as Open vSwitch has it (ovs-fields(7), "Prerequisites"): a
packet with ``eth_type`` 0x0800 has ``ipv4_src``, even one so short that the switch reads zero. A prerequisite
never looks at what a rule has matched; rules state their prerequisites in full, so a field that is absent
simply does not match.

Matching on any header field without a word about ``packet_type`` means Ethernet packets only; matching on
pipeline fields alone means packets of every type (Open vSwitch, match_add_ethernet_prereq in lib/match.c).
"""

from __future__ import annotations

import enum
from collections.abc import Mapping
from typing import NamedTuple

from segue.packet.addresses import (
    ETH_ARP,
    ETH_IPV4,
    ETH_IPV6,
    ETH_MPLS,
    ETH_MPLS_MULTICAST,
    ETH_NSH,
    PROTO_ICMP,
    PROTO_ICMPV6,
    PROTO_SCTP,
    PROTO_TCP,
    PROTO_UDP,
    format_ip,
    format_mac,
)

ETH_RARP = 0x8035
ETH_VLAN = 0x8100
ND_SOLICIT = 135
ND_ADVERT = 136

ETHERNET = 0
"""The packet type of a packet that starts with an Ethernet header (OpenFlow 1.5 section 7.2.3.11)."""


def bare(eth_type: int) -> int:
    """The packet type of a packet that starts with the header that ``eth_type`` names: (1, eth_type)."""
    return 1 << 16 | eth_type


class Layer(enum.Enum):
    """Where a field is kept: beside the packet, or in which of its headers."""

    PIPELINE = "pipeline"
    LINK = "link"
    LABEL = "label"
    NETWORK = "network"


class Form(enum.Enum):
    NUMBER = "number"
    HEX = "hex"
    MAC = "mac"
    IPV4 = "ipv4"
    IPV6 = "ipv6"


class Field(NamedTuple):
    width: int
    layer: Layer
    form: Form = Form.NUMBER
    writable: bool = True
    maskable: bool = True


_N, _P = Layer.NETWORK, Layer.PIPELINE

IPV4_FIELDS = ("ipv4_src", "ipv4_dst", "ip_proto", "ip_dscp", "ip_ecn", "nw_ttl", "ip_frag")
IPV6_FIELDS = ("ipv6_src", "ipv6_dst", "ipv6_flabel", "ip_proto", "ip_dscp", "ip_ecn", "nw_ttl", "ip_frag")
ARP_FIELDS = ("arp_op", "arp_spa", "arp_tpa", "arp_sha", "arp_tha")
ND_FIELDS = ("ipv6_nd_target", "nd_options_type", "nd_reserved")
NSH_CONTEXT = ("nsh_c1", "nsh_c2", "nsh_c3", "nsh_c4")
NSH_FIELDS = ("nsh_flags", "nsh_ttl", "nsh_mdtype", "nsh_np", "nsh_spi", "nsh_si", *NSH_CONTEXT)
LABEL_FIELDS = ("mpls_label", "mpls_tc", "mpls_bos", "mpls_ttl")
PORTS = {
    PROTO_TCP: ("tcp_src", "tcp_dst"),
    PROTO_UDP: ("udp_src", "udp_dst"),
    PROTO_SCTP: ("sctp_src", "sctp_dst"),
}

FIELDS: dict[str, Field] = {
    "packet_type": Field(32, Layer.LINK, Form.HEX, writable=False, maskable=False),
    "in_port": Field(32, _P, maskable=False),
    "metadata": Field(64, _P, Form.HEX),
    "tunnel_id": Field(64, _P),
    "tun_src": Field(32, _P, Form.IPV4),
    "tun_dst": Field(32, _P, Form.IPV4),
    "tun_ipv6_src": Field(128, _P, Form.IPV6),
    "tun_ipv6_dst": Field(128, _P, Form.IPV6),
    **{f"reg{n}": Field(32, _P) for n in range(16)},
    "xreg6": Field(64, _P, Form.HEX),
    "eth_src": Field(48, Layer.LINK, Form.MAC),
    "eth_dst": Field(48, Layer.LINK, Form.MAC),
    "eth_type": Field(16, Layer.LINK, Form.HEX, writable=False, maskable=False),
    "vlan_vid": Field(13, Layer.LINK, Form.HEX),
    "vlan_pcp": Field(3, Layer.LINK, maskable=False),
    "mpls_label": Field(20, Layer.LABEL, maskable=False),
    "mpls_tc": Field(3, Layer.LABEL, maskable=False),
    "mpls_bos": Field(1, Layer.LABEL, writable=False, maskable=False),
    "mpls_ttl": Field(8, Layer.LABEL, maskable=False),
    "ipv4_src": Field(32, _N, Form.IPV4),
    "ipv4_dst": Field(32, _N, Form.IPV4),
    "ipv6_src": Field(128, _N, Form.IPV6),
    "ipv6_dst": Field(128, _N, Form.IPV6),
    "ipv6_flabel": Field(20, _N, Form.HEX),
    "ip_proto": Field(8, _N, writable=False, maskable=False),
    "ip_dscp": Field(6, _N, maskable=False),
    "ip_ecn": Field(2, _N, maskable=False),
    "nw_ttl": Field(8, _N, maskable=False),
    "ip_frag": Field(2, _N, writable=False),
    "arp_op": Field(16, _N, maskable=False),
    "arp_spa": Field(32, _N, Form.IPV4),
    "arp_tpa": Field(32, _N, Form.IPV4),
    "arp_sha": Field(48, _N, Form.MAC),
    "arp_tha": Field(48, _N, Form.MAC),
    **{name: Field(16, _N) for pair in PORTS.values() for name in pair},
    "tcp_flags": Field(12, _N, Form.HEX, writable=False),
    "icmpv4_type": Field(8, _N, maskable=False),
    "icmpv4_code": Field(8, _N, maskable=False),
    "icmpv6_type": Field(8, _N, maskable=False),
    "icmpv6_code": Field(8, _N, maskable=False),
    "ipv6_nd_target": Field(128, _N, Form.IPV6),
    "ipv6_nd_sll": Field(48, _N, Form.MAC),
    "ipv6_nd_tll": Field(48, _N, Form.MAC),
    "nd_options_type": Field(8, _N, maskable=False),
    "nd_reserved": Field(32, _N, Form.HEX, maskable=False),
    "nsh_flags": Field(8, _N),
    "nsh_ttl": Field(6, _N, maskable=False),
    "nsh_mdtype": Field(4, _N, writable=False, maskable=False),
    "nsh_np": Field(8, _N, writable=False, maskable=False),
    "nsh_spi": Field(24, _N, maskable=False),
    "nsh_si": Field(8, _N, maskable=False),
    **{name: Field(32, _N, Form.HEX) for name in NSH_CONTEXT},
}

PAIRS: dict[str, tuple[str, str]] = {"xreg6": ("reg12", "reg13")}
"""Registers of 64 bits, each made of two: of the upper half, and of the lower."""
PIPELINE_ZEROS: dict[str, int] = {name: 0 for name, field in FIELDS.items() if field.layer is _P}

_NETWORK: dict[int, tuple[str, ...]] = {
    ETH_IPV4: IPV4_FIELDS,
    ETH_IPV6: IPV6_FIELDS,
    ETH_ARP: ARP_FIELDS,
    ETH_RARP: ARP_FIELDS,
    ETH_NSH: NSH_FIELDS,
}


def is_mpls(eth_type: int) -> bool:
    return eth_type in (ETH_MPLS, ETH_MPLS_MULTICAST)


def is_header(name: str) -> bool:
    """Whether ``name`` is of the packet itself: matching on it implies Ethernet unless a packet type is stated."""
    return FIELDS[name].layer is not _P and name != "packet_type"


def network_view(eth_type: int, stored: Mapping[str, int]) -> dict[str, int]:
    """The fields a packet of ``eth_type`` shows from layer 3 up, read from ``stored``; what is missing reads zero.

    Fragments show no ports, first fragments included: Open vSwitch's default, OFPC_FRAG_NORMAL.
    """
    names = _NETWORK.get(eth_type)
    if names is None:
        return {}
    read = stored.get
    view = {name: read(name, 0) for name in names}
    if names is IPV4_FIELDS or names is IPV6_FIELDS:
        protocol = view["ip_proto"]
        if protocol in PORTS:
            whole = not view["ip_frag"]
            view.update({name: read(name, 0) if whole else 0 for name in PORTS[protocol]})
            if protocol == PROTO_TCP and not view["ip_frag"] & 2:
                view["tcp_flags"] = read("tcp_flags", 0)
        elif protocol == PROTO_ICMP and eth_type == ETH_IPV4:
            view.update(icmpv4_type=read("icmpv4_type", 0), icmpv4_code=read("icmpv4_code", 0))
        elif protocol == PROTO_ICMPV6 and eth_type == ETH_IPV6:
            kind, code = read("icmpv6_type", 0), read("icmpv6_code", 0)
            view.update(icmpv6_type=kind, icmpv6_code=code)
            if code == 0 and kind in (ND_SOLICIT, ND_ADVERT):
                view.update({name: read(name, 0) for name in ND_FIELDS})
                own = "ipv6_nd_sll" if kind == ND_SOLICIT else "ipv6_nd_tll"
                view[own] = read(own, 0)
    elif names is ARP_FIELDS and view["arp_op"] > 0xFF:
        view["arp_op"] = 0  # Open vSwitch keeps one byte of the operation
    return view


def format_value(name: str, value: int, mask: int | None = None) -> str:
    """``value`` of field ``name`` as Open vSwitch writes it; ``value/mask`` where ``mask`` is not all ones."""
    field = FIELDS[name]
    if mask is not None and mask != (1 << field.width) - 1:
        return f"{format_value(name, value)}/{format_value(name, mask)}"
    if name == "packet_type":
        return f"({value >> 16},{value & 0xFFFF:#x})"
    match field.form:
        case Form.MAC:
            return format_mac(value)
        case Form.IPV4:
            return format_ip(4, value)
        case Form.IPV6:
            return format_ip(6, value)
        case Form.HEX:
            return f"{value:#x}"
        case Form.NUMBER:
            return str(value)
