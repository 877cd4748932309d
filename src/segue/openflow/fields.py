"""Every match field, once: the table from which matches, actions and their readers are made.

Names are those of OpenFlow 1.5.1 section 7.2.3.7, and Open vSwitch's where OpenFlow has none (ovs-fields(7)).
A field has one identity on an OpenFlow 1.5 connection, `(oxm_class, number)` with an `experimenter` where the class
is 0xffff. `nxm` is its older 32-bit Nicira identity where it has one besides: Open vSwitch still writes that one
inside a few of its own actions (`multipath`), so a reader must know both.

The order of the table is the order in which fields are put into a match: what a field needs stands above it
(section 7.2.3.6, "prerequisites"), as a switch reads a match once and from the front.

`size` is octets on the wire, `bits` how many of their low bits have a meaning. `prerequisites` is information for
people and validators, `(field, values that satisfy it)`, no values meaning "matched at all".
"""

from typing import Final

import msgspec

BASIC: Final = 0x8000
REGISTERS: Final = 0x8001
ERICSSON: Final = 0x1000
EXPERIMENTER: Final = 0xFFFF
NXM_0: Final = 0x0000
NXM_1: Final = 0x0001

NSH_EXPERIMENTER: Final = 0x005AD650
NICIRA: Final = 0x00002320

Prerequisites = tuple[tuple[str, tuple[int, ...]], ...]


class Field(msgspec.Struct, frozen=True):
    name: str
    oxm_class: int
    number: int
    bits: int
    size: int
    maskable: bool
    experimenter: int | None = None
    nxm: tuple[int, int] | None = None
    prerequisites: Prerequisites = ()

    @property
    def limit(self) -> int:
        """The largest value, which is also the mask of an exact match."""
        return (1 << self.bits) - 1

    def header(self, *, masked: bool = False) -> bytes:
        """The OXM header (4 octets, 8 with an experimenter), section 7.2.3.2."""
        return _header(self.oxm_class, self.number, self.size << masked, masked, self.experimenter)

    def nxm_header(self) -> bytes | None:
        """The 32-bit header that Open vSwitch's own actions carry, or None where no such one exists."""
        if self.nxm is not None:
            return _header(*self.nxm, self.size, False, None)
        return None if self.experimenter is not None else self.header()


def _header(oxm_class: int, number: int, length: int, masked: bool, experimenter: int | None) -> bytes:
    if experimenter is None:
        return (oxm_class << 16 | number << 9 | masked << 8 | length).to_bytes(4, "big")
    return (oxm_class << 16 | number << 9 | masked << 8 | length + 4).to_bytes(4, "big") + experimenter.to_bytes(
        4, "big"
    )


_IP_ANY: Final[Prerequisites] = (("eth_type", (0x0800, 0x86DD)),)
_IPV4: Final[Prerequisites] = (("eth_type", (0x0800,)),)
_IPV6: Final[Prerequisites] = (("eth_type", (0x86DD,)),)
_ARP: Final[Prerequisites] = (("eth_type", (0x0806, 0x8035)),)
_MPLS: Final[Prerequisites] = (("eth_type", (0x8847, 0x8848)),)
_PBB: Final[Prerequisites] = (("eth_type", (0x88E7,)),)
_NSH: Final[Prerequisites] = (("eth_type", (0x894F,)),)
_VLAN: Final[Prerequisites] = (("vlan_vid", ()),)
_TCP: Final[Prerequisites] = (*_IP_ANY, ("ip_proto", (6,)))
_UDP: Final[Prerequisites] = (*_IP_ANY, ("ip_proto", (17,)))
_SCTP: Final[Prerequisites] = (*_IP_ANY, ("ip_proto", (132,)))
_ICMPV4: Final[Prerequisites] = (*_IPV4, ("ip_proto", (1,)))
_ICMPV6: Final[Prerequisites] = (*_IPV6, ("ip_proto", (58,)))
_ND: Final[Prerequisites] = (*_ICMPV6, ("icmpv6_type", (135, 136)), ("icmpv6_code", (0,)))
_ND_SOLICIT: Final[Prerequisites] = (*_ICMPV6, ("icmpv6_type", (135,)), ("icmpv6_code", (0,)))
_ND_ADVERT: Final[Prerequisites] = (*_ICMPV6, ("icmpv6_type", (136,)), ("icmpv6_code", (0,)))
_CT: Final[Prerequisites] = (*_IP_ANY, ("ct_state", ()))
_CT_IPV4: Final[Prerequisites] = (*_IPV4, ("ct_state", ()))
_CT_IPV6: Final[Prerequisites] = (*_IPV6, ("ct_state", ()))
_CT_PORTS: Final[Prerequisites] = (*_CT, ("ct_nw_proto", (6, 17, 132)))


def _of(
    name: str,
    number: int,
    bits: int,
    size: int,
    maskable: bool = False,
    needs: Prerequisites = (),
    nxm: tuple[int, int] | None = None,
) -> Field:
    return Field(name, BASIC, number, bits, size, maskable, None, nxm, needs)


def _nx(name: str, number: int, bits: int, size: int, maskable: bool = False, needs: Prerequisites = ()) -> Field:
    return Field(name, NXM_1, number, bits, size, maskable, None, (NXM_1, number), needs)


def _nsh(name: str, number: int, bits: int, size: int, maskable: bool = False) -> Field:
    return Field(name, EXPERIMENTER, number, bits, size, maskable, NSH_EXPERIMENTER, None, _NSH)


def _et(name: str, number: int, bits: int, size: int, maskable: bool = True) -> Field:
    return Field(name, EXPERIMENTER, number, bits, size, maskable, NICIRA)


_TABLE: Final = (
    # The packet's kind, then what the pipeline knows of it that is not in its header.
    _of("packet_type", 44, 32, 4),
    _of("in_port", 0, 32, 4),
    _of("in_phy_port", 1, 32, 4, needs=(("in_port", ()),)),
    _of("actset_output", 43, 32, 4),
    _et("dp_hash", 0, 32, 4),
    _nx("recirc_id", 36, 32, 4),
    _nx("conj_id", 37, 32, 4),
    # Ethernet and its tags.
    _of("eth_dst", 3, 48, 6, True, nxm=(NXM_0, 1)),
    _of("eth_src", 4, 48, 6, True, nxm=(NXM_0, 2)),
    _of("eth_type", 5, 16, 2, nxm=(NXM_0, 3)),
    _of("vlan_vid", 6, 13, 2, True),  # the thirteenth bit says that there is a tag (OFPVID_PRESENT)
    _of("vlan_pcp", 7, 3, 1, needs=_VLAN),
    # The 16-bit input port of OpenFlow 1.0: the one form of it that actions may write.
    Field("in_port_nxm", NXM_0, 0, 16, 2, False, None, (NXM_0, 0)),
    Field("vlan_tci", NXM_0, 4, 16, 2, True, None, (NXM_0, 4)),
    _of("mpls_label", 34, 20, 4, needs=_MPLS),
    _of("mpls_tc", 35, 3, 1, needs=_MPLS),
    _of("mpls_bos", 36, 1, 1, needs=_MPLS),
    _nx("mpls_ttl", 30, 8, 1, needs=_MPLS),
    _of("pbb_isid", 37, 24, 3, True, _PBB),
    _of("pbb_uca", 41, 1, 1, needs=_PBB),
    # The network layer.
    _of("ip_proto", 10, 8, 1, needs=_IP_ANY, nxm=(NXM_0, 6)),
    _of("ip_dscp", 8, 6, 1, needs=_IP_ANY),
    _of("ip_ecn", 9, 2, 1, needs=_IP_ANY, nxm=(NXM_1, 28)),
    _nx("ip_frag", 26, 2, 1, True, _IP_ANY),
    _nx("nw_ttl", 29, 8, 1, needs=_IP_ANY),
    _of("ipv4_src", 11, 32, 4, True, _IPV4, (NXM_0, 7)),
    _of("ipv4_dst", 12, 32, 4, True, _IPV4, (NXM_0, 8)),
    _of("ipv6_src", 26, 128, 16, True, _IPV6, (NXM_1, 19)),
    _of("ipv6_dst", 27, 128, 16, True, _IPV6, (NXM_1, 20)),
    _of("ipv6_flabel", 28, 20, 4, True, _IPV6, (NXM_1, 27)),
    _of("ipv6_exthdr", 39, 9, 2, True, _IPV6),
    _of("arp_op", 21, 16, 2, needs=_ARP, nxm=(NXM_0, 15)),
    _of("arp_spa", 22, 32, 4, True, _ARP, (NXM_0, 16)),
    _of("arp_tpa", 23, 32, 4, True, _ARP, (NXM_0, 17)),
    _of("arp_sha", 24, 48, 6, True, _ARP, (NXM_1, 17)),
    _of("arp_tha", 25, 48, 6, True, _ARP, (NXM_1, 18)),
    # The transport layer.
    _of("tcp_src", 13, 16, 2, True, _TCP, (NXM_0, 9)),
    _of("tcp_dst", 14, 16, 2, True, _TCP, (NXM_0, 10)),
    _of("tcp_flags", 42, 12, 2, True, _TCP, (NXM_1, 34)),
    _of("udp_src", 15, 16, 2, True, _UDP, (NXM_0, 11)),
    _of("udp_dst", 16, 16, 2, True, _UDP, (NXM_0, 12)),
    _of("sctp_src", 17, 16, 2, True, _SCTP),
    _of("sctp_dst", 18, 16, 2, True, _SCTP),
    _of("icmpv4_type", 19, 8, 1, needs=_ICMPV4, nxm=(NXM_0, 13)),
    _of("icmpv4_code", 20, 8, 1, needs=_ICMPV4, nxm=(NXM_0, 14)),
    _of("icmpv6_type", 29, 8, 1, needs=_ICMPV6, nxm=(NXM_1, 21)),
    _of("icmpv6_code", 30, 8, 1, needs=_ICMPV6, nxm=(NXM_1, 22)),
    _of("ipv6_nd_target", 31, 128, 16, True, _ND, (NXM_1, 23)),
    _of("ipv6_nd_sll", 32, 48, 6, True, _ND_SOLICIT, (NXM_1, 24)),
    _of("ipv6_nd_tll", 33, 48, 6, True, _ND_ADVERT, (NXM_1, 25)),
    Field("nd_reserved", ERICSSON, 1, 32, 4, False, prerequisites=_ND),
    Field("nd_options_type", ERICSSON, 2, 8, 1, False, prerequisites=_ND),
    # The network service header (RFC 8300).
    _nsh("nsh_flags", 1, 8, 1, True),
    _nsh("nsh_mdtype", 2, 4, 1),
    _nsh("nsh_np", 3, 8, 1),
    _nsh("nsh_ttl", 10, 6, 1),
    _nsh("nsh_spi", 4, 24, 4),
    _nsh("nsh_si", 5, 8, 1),
    *(_nsh(f"nsh_c{n}", 5 + n, 32, 4, True) for n in range(1, 5)),
    # The tunnel a packet came out of, or goes into.
    _of("tunnel_id", 38, 64, 8, True, nxm=(NXM_1, 16)),
    _nx("tun_src", 31, 32, 4, True),
    _nx("tun_dst", 32, 32, 4, True),
    _nx("tun_ipv6_src", 109, 128, 16, True),
    _nx("tun_ipv6_dst", 110, 128, 16, True),
    _nx("tun_flags", 104, 1, 2, True),
    _nx("tun_gbp_id", 38, 16, 2, True),
    _nx("tun_gbp_flags", 39, 8, 1, True),
    _et("tun_erspan_idx", 11, 20, 4),
    _et("tun_erspan_ver", 12, 4, 1),
    _et("tun_erspan_dir", 13, 1, 1),
    _et("tun_erspan_hwid", 14, 6, 1),
    _et("tun_gtpu_flags", 15, 8, 1),
    _et("tun_gtpu_msgtype", 16, 8, 1),
    # Metadata and registers.
    _of("metadata", 2, 64, 8, True),
    *(_nx(f"reg{n}", n, 32, 4, True) for n in range(16)),
    *(Field(f"xreg{n}", REGISTERS, n, 64, 8, True) for n in range(8)),
    *(_nx(f"xxreg{n}", 111 + n, 128, 16, True) for n in range(4)),
    _nx("pkt_mark", 33, 32, 4, True),
    # Connection tracking; the original tuple needs a valid state and an Ethernet type.
    _nx("ct_state", 105, 32, 4, True),
    _nx("ct_zone", 106, 16, 2),
    _nx("ct_mark", 107, 32, 4, True),
    _nx("ct_label", 108, 128, 16, True),
    _nx("ct_nw_proto", 119, 8, 1, needs=_CT),
    _nx("ct_nw_src", 120, 32, 4, True, _CT_IPV4),
    _nx("ct_nw_dst", 121, 32, 4, True, _CT_IPV4),
    _nx("ct_ipv6_src", 122, 128, 16, True, _CT_IPV6),
    _nx("ct_ipv6_dst", 123, 128, 16, True, _CT_IPV6),
    _nx("ct_tp_src", 124, 16, 2, True, _CT_PORTS),
    _nx("ct_tp_dst", 125, 16, 2, True, _CT_PORTS),
)

FIELDS: Final[dict[str, Field]] = {field.name: field for field in _TABLE}
