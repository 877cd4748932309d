"""Which link Open vSwitch's ``multipath`` action chooses: fields symmetric_l3l4+udp, algorithm hrw.

Every node must choose alike, and so must a proof or a trace made without a switch; so the hash is part of what
a program means. It is MurmurHash3's mixing over addresses, protocol and ports, each pair XORed so that a flow and
its answers agree (Open vSwitch 3.1: flow_hash_symmetric_l3l4 in lib/flow.c, lib/hash.h for processors
without a wired CRC32, lib/multipath.c). Words are read in host order from network-order headers, little-endian
on the machines meant here. A build made for SSE4.2 or ARM CRC hashes otherwise.

Up to 64 links the choice is by highest random weight: taking the last link away moves only its own flows. Beyond,
Open vSwitch silently draws again until a draw is in range, over the next power of two of links.
"""

from __future__ import annotations

from collections.abc import Mapping

from segue.packet.addresses import ETH_IPV4, ETH_IPV6
from segue.verify.fields import ETHERNET, PORTS

HRW_LIMIT = 64
"""The number of links up to which Open vSwitch does what hrw promises."""
MAX_LINKS = 1 << 16

_WORD = 0xFFFFFFFF


def _add(state: int, data: int) -> int:
    data = data * 0xCC9E2D51 & _WORD
    data = (data << 15 | data >> 17) & _WORD
    state ^= data * 0x1B873593 & _WORD
    state = (state << 13 | state >> 19) & _WORD
    return (state * 5 + 0xE6546B64) & _WORD


def _finish(state: int, final: int) -> int:
    state ^= final
    state = (state ^ state >> 16) * 0x85EBCA6B & _WORD
    state = (state ^ state >> 13) * 0xC2B2AE35 & _WORD
    return state ^ state >> 16


def _add_bytes(state: int, data: bytes) -> int:
    for at in range(0, len(data), 4):
        state = _add(state, int.from_bytes(data[at : at + 4], "little"))
    return state


def _two_words(first: int, second: int) -> int:
    return _finish(_add(_add(first, 0), second), 8)


def symmetric_hash(fields: Mapping[str, int], basis: int) -> int:
    """32 bits over a packet's fields. ``basis``: 16 bits.

    Fragments hash without ports; other than IP hashes addresses and VLAN of Ethernet, and to 0 without Ethernet.
    """
    eth_type = fields["eth_type"]
    if eth_type == ETH_IPV4:
        state = _add_bytes(basis, (fields["ipv4_src"] ^ fields["ipv4_dst"]).to_bytes(4, "big"))
    elif eth_type == ETH_IPV6:
        state = _add_bytes(basis, (fields["ipv6_src"] ^ fields["ipv6_dst"]).to_bytes(16, "big"))
    elif fields["packet_type"] != ETHERNET:
        return 0
    else:
        pair = (fields["eth_src"] ^ fields["eth_dst"]).to_bytes(6, "big")
        head = eth_type.to_bytes(2, "big") + (fields["vlan_vid"] & 0xFFF).to_bytes(2, "big")
        return _finish(_add_bytes(basis, head + pair + bytes(2)), basis)
    protocol = fields["ip_proto"]
    state = _add(state, protocol)
    if protocol in PORTS and not fields["ip_frag"]:
        source, destination = PORTS[protocol]
        ports = fields[source] ^ fields[destination]
        state = _add_bytes(state, ports.to_bytes(2, "big"))
    return _finish(state, basis)


def choose_link(value: int, links: int) -> int:
    """The link, 0 to ``links`` - 1, that a packet with hash ``value`` takes. Raises ValueError for no links."""
    if not 1 <= links <= MAX_LINKS:
        raise ValueError(f"multipath has 1 to {MAX_LINKS} links, not {links}")
    state = _add(value, 0)
    if links <= HRW_LIMIT:
        return max(range(links), key=lambda link: _finish(_add(state, link), 8))
    modulo = 1 << (links - 1).bit_length()
    draw = 0
    while True:
        link = _two_words(value, draw) % modulo
        if link < links:
            return link
        draw += 1


def multipath(fields: Mapping[str, int], basis: int, links: int) -> int:
    """The link that Open vSwitch's multipath chooses for a packet with these fields."""
    return choose_link(symmetric_hash(fields, basis), links)
