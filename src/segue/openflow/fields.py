"""Every match field, once: the table from which matches, actions, text and their readers are made.

Names are those of OpenFlow 1.5.1 section 7.2.3.7 in lower case, and Open vSwitch's where OpenFlow has none
(ovs-fields(7), include/openvswitch/meta-flow.h).

A field has one or more identities: the header under which it stands on the wire. Which one is *canonical* depends on
the context, an OpenFlow version or Nicira's own messages and actions (NXM, context 0; they came before OXM, so
OpenFlow 1.0 and 1.1 have no other): the last identity in the field's list that the version knows, or the first
one where it knows none. The canonical identity is written and read under the field's plain name. Any other one is
read under a name of its own, the specification's in lower case (`nxm_of_eth_dst`), which can be written
again in every context; so reading loses nothing, and nobody has to know which of them a switch prefers.

`since` is the version that brought the identity; `NEVER` marks one that is only ever read. ONF's experimenter fields
carry to 1.3 what later became basic (EXT-109, EXT-233, EXT-256); the two forms of EXT-256 have a 16-bit
word, `lead`, between header and value.

The order of the table is the order in which fields are put into a match: what a field needs stands above it
("prerequisites", section 7.2.3.6), as a switch reads a match once and from the front. `prerequisites` are
`(field, values that satisfy it)`, no values meaning "matched at all".

`size` is octets on the wire, `bits` how many of the low bits have a meaning, `kind` how people write a value
("mac", "ipv4", "ipv6" or "int"). A `variable` field, Open vSwitch's tunnel metadata, is as long as its sender says:
`tun_metadata0` has all 124 octets, and `tun_metadata0:4` is the same field with four.
"""

import re
from functools import lru_cache
from typing import Final

import msgspec

from segue.openflow.wire import NICIRA, NSH, ONF, V12, V13, V14, V15

BASIC: Final = 0x8000
REGISTERS: Final = 0x8001
ERICSSON: Final = 0x1000
EXPERIMENTER: Final = 0xFFFF
NXM_0: Final = 0x0000
NXM_1: Final = 0x0001

NXM: Final = 0  # the context of Nicira's own messages and actions
NEVER: Final = 0xFF

Prerequisites = tuple[tuple[str, tuple[int, ...]], ...]


class Identity(msgspec.Struct, frozen=True):
    """One header of a field: `spec` is its name in the specification that defines it."""

    spec: str
    oxm_class: int
    number: int
    experimenter: int | None = None
    since: int = NXM
    lead: bytes = b""

    def header(self, size: int, *, masked: bool = False) -> bytes:
        """The header of 4 octets, or 8 with an experimenter (section 7.2.3.2), and then `lead`."""
        length = (size << masked) + len(self.lead) + (0 if self.experimenter is None else 4)
        head = (self.oxm_class << 16 | self.number << 9 | masked << 8 | length).to_bytes(4, "big")
        return head if self.experimenter is None else head + self.experimenter.to_bytes(4, "big") + self.lead


class Field(msgspec.Struct, frozen=True):
    name: str
    bits: int
    size: int
    maskable: bool
    prerequisites: Prerequisites
    identities: tuple[Identity, ...]
    kind: str = "int"
    variable: bool = False

    @property
    def limit(self) -> int:
        """The largest value, which is also the mask of an exact match."""
        return (1 << self.bits) - 1

    def canonical(self, version: int) -> Identity:
        """The identity that carries the plain name on `version` (1.0 and 1.1 are the NXM context, as is 0)."""
        if version >= V12:
            for identity in reversed(self.identities):
                if identity.since <= version:
                    return identity
        return self.identities[0]


def _basic(spec: str, number: int, since: int = V12) -> Identity:
    return Identity("OXM_OF_" + spec, BASIC, number, since=since)


def _nxm0(spec: str, number: int) -> Identity:
    return Identity("NXM_OF_" + spec, NXM_0, number)


def _nxm1(spec: str, number: int) -> Identity:
    return Identity("NXM_NX_" + spec, NXM_1, number)


def _nxet(spec: str, number: int) -> Identity:
    return Identity("NXOXM_ET_" + spec, EXPERIMENTER, number, NICIRA)


def _onf(spec: str, number: int, since: int = V13, lead: bytes = b"") -> Identity:
    return Identity("ONFOXM_ET_" + spec, EXPERIMENTER, number, ONF, since, lead)


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


def _field(
    name: str,
    bits: int,
    *identities: Identity,
    size: int = 0,
    mask: bool = False,
    needs: Prerequisites = (),
    kind: str = "int",
    variable: bool = False,
) -> Field:
    return Field(name, bits, size or (bits + 7) // 8, mask, needs, identities, kind, variable)


def _mac(name: str, *identities: Identity, needs: Prerequisites = ()) -> Field:
    return _field(name, 48, *identities, mask=True, needs=needs, kind="mac")


def _ip4(name: str, *identities: Identity, needs: Prerequisites = ()) -> Field:
    return _field(name, 32, *identities, mask=True, needs=needs, kind="ipv4")


def _ip6(name: str, *identities: Identity, needs: Prerequisites = ()) -> Field:
    return _field(name, 128, *identities, mask=True, needs=needs, kind="ipv6")


def _nsh(name: str, number: int, bits: int = 8, mask: bool = False) -> Field:
    identity = Identity("NXOXM_" + name.upper(), EXPERIMENTER, number, NSH)
    return _field(name, bits, identity, size=4 if bits > 8 else 1, mask=mask, needs=_NSH)


_TABLE: Final = (
    # The packet's kind, then what the pipeline knows of it that is not in its header.
    _field("packet_type", 32, _basic("PACKET_TYPE", 44, V15)),
    _field("in_port", 32, _basic("IN_PORT", 0)),
    _field("in_phy_port", 32, _basic("IN_PHY_PORT", 1), needs=(("in_port", ()),)),
    _field("actset_output", 32, _onf("ACTSET_OUTPUT", 43), _basic("ACTSET_OUTPUT", 43, V15)),
    _field("dp_hash", 32, _nxm1("DP_HASH", 35), _nxet("DP_HASH", 0), mask=True),
    _field("recirc_id", 32, _nxm1("RECIRC_ID", 36)),
    _field("conj_id", 32, _nxm1("CONJ_ID", 37)),
    # Ethernet and its tags.
    _mac("eth_dst", _nxm0("ETH_DST", 1), _basic("ETH_DST", 3)),
    _mac("eth_src", _nxm0("ETH_SRC", 2), _basic("ETH_SRC", 4)),
    _field("eth_type", 16, _nxm0("ETH_TYPE", 3), _basic("ETH_TYPE", 5)),
    _field("vlan_vid", 13, _basic("VLAN_VID", 6), mask=True),  # the thirteenth bit: there is a tag (OFPVID_PRESENT)
    _field("vlan_pcp", 3, _basic("VLAN_PCP", 7), needs=_VLAN),
    # The 16-bit input port of OpenFlow 1.0: the one form of it that actions may write.
    _field("in_port_nxm", 16, _nxm0("IN_PORT", 0)),
    _field("vlan_tci", 16, _nxm0("VLAN_TCI", 4), mask=True),
    _field("mpls_label", 20, _basic("MPLS_LABEL", 34), size=4, needs=_MPLS),
    _field("mpls_tc", 3, _basic("MPLS_TC", 35), needs=_MPLS),
    _field("mpls_bos", 1, _basic("MPLS_BOS", 36, V13), needs=_MPLS),
    _field("mpls_ttl", 8, _nxm1("MPLS_TTL", 30), needs=_MPLS),
    _field("pbb_isid", 24, _basic("PBB_ISID", 37, V13), mask=True, needs=_PBB),
    _field(
        "pbb_uca",
        1,
        _onf("PBB_UCA", 0, V12, b"\x0a\x00"),
        _onf("PBB_UCA_41", 41, NEVER, b"\0\0"),
        _basic("PBB_UCA", 41, V14),
        needs=_PBB,
    ),
    # The network layer.
    _field("ip_proto", 8, _nxm0("IP_PROTO", 6), _basic("IP_PROTO", 10), needs=_IP_ANY),
    _field("ip_dscp", 6, _basic("IP_DSCP", 8), needs=_IP_ANY),
    _field("nw_tos", 8, _nxm0("IP_TOS", 5), needs=_IP_ANY),  # the same six bits in their place in the octet
    _field("ip_ecn", 2, _nxm1("IP_ECN", 28), _basic("IP_ECN", 9), needs=_IP_ANY),
    _field("ip_frag", 2, _nxm1("IP_FRAG", 26), mask=True, needs=_IP_ANY),
    _field("nw_ttl", 8, _nxm1("IP_TTL", 29), needs=_IP_ANY),
    _ip4("ipv4_src", _nxm0("IP_SRC", 7), _basic("IPV4_SRC", 11), needs=_IPV4),
    _ip4("ipv4_dst", _nxm0("IP_DST", 8), _basic("IPV4_DST", 12), needs=_IPV4),
    _ip6("ipv6_src", _nxm1("IPV6_SRC", 19), _basic("IPV6_SRC", 26), needs=_IPV6),
    _ip6("ipv6_dst", _nxm1("IPV6_DST", 20), _basic("IPV6_DST", 27), needs=_IPV6),
    _field("ipv6_flabel", 20, _nxm1("IPV6_LABEL", 27), _basic("IPV6_FLABEL", 28), size=4, mask=True, needs=_IPV6),
    _field("ipv6_exthdr", 9, _basic("IPV6_EXTHDR", 39, V13), mask=True, needs=_IPV6),
    _field("arp_op", 16, _nxm0("ARP_OP", 15), _basic("ARP_OP", 21), needs=_ARP),
    _ip4("arp_spa", _nxm0("ARP_SPA", 16), _basic("ARP_SPA", 22), needs=_ARP),
    _ip4("arp_tpa", _nxm0("ARP_TPA", 17), _basic("ARP_TPA", 23), needs=_ARP),
    _mac("arp_sha", _nxm1("ARP_SHA", 17), _basic("ARP_SHA", 24), needs=_ARP),
    _mac("arp_tha", _nxm1("ARP_THA", 18), _basic("ARP_THA", 25), needs=_ARP),
    # The transport layer.
    _field("tcp_src", 16, _nxm0("TCP_SRC", 9), _basic("TCP_SRC", 13), mask=True, needs=_TCP),
    _field("tcp_dst", 16, _nxm0("TCP_DST", 10), _basic("TCP_DST", 14), mask=True, needs=_TCP),
    _field(
        "tcp_flags",
        12,
        _nxm1("TCP_FLAGS", 34),
        _onf("TCP_FLAGS", 42),
        _basic("TCP_FLAGS", 42, V15),
        mask=True,
        needs=_TCP,
    ),
    _field("udp_src", 16, _nxm0("UDP_SRC", 11), _basic("UDP_SRC", 15), mask=True, needs=_UDP),
    _field("udp_dst", 16, _nxm0("UDP_DST", 12), _basic("UDP_DST", 16), mask=True, needs=_UDP),
    _field("sctp_src", 16, _basic("SCTP_SRC", 17), mask=True, needs=_SCTP),
    _field("sctp_dst", 16, _basic("SCTP_DST", 18), mask=True, needs=_SCTP),
    _field("icmpv4_type", 8, _nxm0("ICMP_TYPE", 13), _basic("ICMPV4_TYPE", 19), needs=_ICMPV4),
    _field("icmpv4_code", 8, _nxm0("ICMP_CODE", 14), _basic("ICMPV4_CODE", 20), needs=_ICMPV4),
    _field("icmpv6_type", 8, _nxm1("ICMPV6_TYPE", 21), _basic("ICMPV6_TYPE", 29), needs=_ICMPV6),
    _field("icmpv6_code", 8, _nxm1("ICMPV6_CODE", 22), _basic("ICMPV6_CODE", 30), needs=_ICMPV6),
    _ip6("ipv6_nd_target", _nxm1("ND_TARGET", 23), _basic("IPV6_ND_TARGET", 31), needs=_ND),
    _mac("ipv6_nd_sll", _nxm1("ND_SLL", 24), _basic("IPV6_ND_SLL", 32), needs=_ND_SOLICIT),
    _mac("ipv6_nd_tll", _nxm1("ND_TLL", 25), _basic("IPV6_ND_TLL", 33), needs=_ND_ADVERT),
    _field("nd_reserved", 32, Identity("ERICOXM_OF_ICMPV6_ND_RESERVED", ERICSSON, 1), needs=_ND),
    _field("nd_options_type", 8, Identity("ERICOXM_OF_ICMPV6_ND_OPTIONS_TYPE", ERICSSON, 2), needs=_ND),
    # The network service header (RFC 8300); Open vSwitch gives whole octets to its four-bit and six-bit fields.
    _nsh("nsh_flags", 1, mask=True),
    _nsh("nsh_mdtype", 2),
    _nsh("nsh_np", 3),
    _nsh("nsh_ttl", 10),
    _nsh("nsh_spi", 4, 24),
    _nsh("nsh_si", 5),
    *(_nsh(f"nsh_c{n}", 5 + n, 32, True) for n in range(1, 5)),
    # The tunnel a packet came out of, or goes into.
    _field("tunnel_id", 64, _nxm1("TUN_ID", 16), _basic("TUNNEL_ID", 38, V13), mask=True),
    _ip4("tun_src", _nxm1("TUN_IPV4_SRC", 31)),
    _ip4("tun_dst", _nxm1("TUN_IPV4_DST", 32)),
    _ip6("tun_ipv6_src", _nxm1("TUN_IPV6_SRC", 109)),
    _ip6("tun_ipv6_dst", _nxm1("TUN_IPV6_DST", 110)),
    _field("tun_flags", 1, _nxm1("TUN_FLAGS", 104), size=2, mask=True),
    _field("tun_gbp_id", 16, _nxm1("TUN_GBP_ID", 38), mask=True),
    _field("tun_gbp_flags", 8, _nxm1("TUN_GBP_FLAGS", 39), mask=True),
    _field("tun_erspan_idx", 20, _nxet("ERSPAN_IDX", 11), size=4, mask=True),
    _field("tun_erspan_ver", 4, _nxet("ERSPAN_VER", 12), mask=True),
    _field("tun_erspan_dir", 1, _nxet("ERSPAN_DIR", 13), mask=True),
    _field("tun_erspan_hwid", 6, _nxet("ERSPAN_HWID", 14), mask=True),
    _field("tun_gtpu_flags", 8, _nxet("GTPU_FLAGS", 15), mask=True),
    _field("tun_gtpu_msgtype", 8, _nxet("GTPU_MSGTYPE", 16), mask=True),
    *(_field(f"tun_metadata{n}", 992, _nxm1(f"TUN_METADATA{n}", 40 + n), mask=True, variable=True) for n in range(64)),
    # Metadata and registers.
    _field("metadata", 64, _basic("METADATA", 2), mask=True),
    *(_field(f"reg{n}", 32, _nxm1(f"REG{n}", n), mask=True) for n in range(16)),
    *(_field(f"reg{n}", 32, _nxet(f"REG{n}", n + 1), mask=True) for n in range(16, 32)),
    *(_field(f"xreg{n}", 64, Identity(f"OXM_OF_PKT_REG{n}", REGISTERS, n, since=V13), mask=True) for n in range(16)),
    *(_field(f"xxreg{n}", 128, _nxm1(f"XXREG{n}", 111 + n), mask=True) for n in range(4)),
    *(_field(f"xxreg{n}", 128, _nxet(f"XXREG{n}", 29 + n), mask=True) for n in range(4, 8)),
    _field("pkt_mark", 32, _nxm1("PKT_MARK", 33), mask=True),
    # Connection tracking; the original tuple needs a valid state and an Ethernet type.
    _field("ct_state", 32, _nxm1("CT_STATE", 105), mask=True),
    _field("ct_zone", 16, _nxm1("CT_ZONE", 106)),
    _field("ct_mark", 32, _nxm1("CT_MARK", 107), mask=True),
    _field("ct_label", 128, _nxm1("CT_LABEL", 108), mask=True),
    _field("ct_nw_proto", 8, _nxm1("CT_NW_PROTO", 119), needs=_CT),
    _ip4("ct_nw_src", _nxm1("CT_NW_SRC", 120), needs=_CT_IPV4),
    _ip4("ct_nw_dst", _nxm1("CT_NW_DST", 121), needs=_CT_IPV4),
    _ip6("ct_ipv6_src", _nxm1("CT_IPV6_SRC", 122), needs=_CT_IPV6),
    _ip6("ct_ipv6_dst", _nxm1("CT_IPV6_DST", 123), needs=_CT_IPV6),
    _field("ct_tp_src", 16, _nxm1("CT_TP_SRC", 124), mask=True, needs=_CT_PORTS),
    _field("ct_tp_dst", 16, _nxm1("CT_TP_DST", 125), mask=True, needs=_CT_PORTS),
    # Not of a packet: the cookie of flows that an NXM flow modification or request is to be limited to.
    _field("cookie_nxm", 64, _nxm1("COOKIE", 30), mask=True),
)

FIELDS: Final[dict[str, Field]] = {field.name: field for field in _TABLE}

_FOREIGN: Final = re.compile(r"oxm:([0-9a-f]{1,4}):([0-9a-f]{1,2}):([0-9a-f]{1,2})(?::([0-9a-f]{1,8}))?")
_SIZED: Final = re.compile(r"(tun_metadata(?:0|[1-9][0-9]?)):([1-9][0-9]{0,2})")


def foreign_name(oxm_class: int, number: int, size: int, experimenter: int | None = None) -> str:
    """The name of a field that the table does not know, or not so long: everything hexadecimal, `size` in octets."""
    name = f"oxm:{oxm_class:x}:{number:x}:{size:x}"
    return name if experimenter is None else f"{name}:{experimenter:x}"


@lru_cache(maxsize=1)
def _qualified() -> dict[str, tuple[Field, Identity]]:
    return {identity.spec.lower(): (field, identity) for field in _TABLE for identity in field.identities}


@lru_cache(maxsize=4096)
def lookup(name: str) -> tuple[Field, Identity | None] | None:
    """The field that is called `name` and, where the name says one, its identity; None for a name that no field has.

    Plain names leave the identity to the context. Names of foreign and of sized fields give a field of their own.
    """
    field = FIELDS.get(name)
    if field is not None:
        return field, None
    known = _qualified().get(name)
    if known is not None:
        return known
    sized = _SIZED.fullmatch(name)
    if sized is not None:
        field, size = FIELDS.get(sized[1]), int(sized[2])
        if field is None or size > field.size:
            return None
        return Field(name, 8 * size, size, True, (), field.identities, variable=True), field.identities[0]
    foreign = _FOREIGN.fullmatch(name)
    if foreign is None:
        return None
    oxm_class, number, size = (int(word, 16) for word in foreign.groups()[:3])
    experimenter = None if foreign[4] is None else int(foreign[4], 16)
    room = 255 if experimenter is None else 251
    if number > 0x7F or size > room or (experimenter is None) != (oxm_class != EXPERIMENTER):
        return None
    identity = Identity(name, oxm_class, number, experimenter)
    return Field(name, 8 * size, size, 2 * size <= room, (), (identity,)), identity


RANK: Final[dict[str, int]] = {name: rank for rank, name in enumerate(FIELDS)}


@lru_cache(maxsize=4096)
def in_order(names: tuple[str, ...]) -> tuple[str, ...]:
    """`names` as they stand where every prerequisite stands above what needs it, else in the order of the table."""
    fields = [lookup(name) for name in names]
    plain = [
        name if known is None or known[0].name not in RANK else known[0].name
        for name, known in zip(names, fields, strict=True)
    ]
    place = {name: index for index, name in enumerate(plain)}
    for index, known in enumerate(fields):
        if known is not None and any(place.get(need, -1) > index for need, _ in known[0].prerequisites):
            order = sorted(range(len(names)), key=lambda at: RANK.get(plain[at], len(RANK)))
            return tuple(names[at] for at in order)
    return names
