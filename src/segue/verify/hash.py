"""Which link Open vSwitch's ``multipath`` action chooses, by algorithm hrw.

Every node must choose alike, and so must a proof or a trace made without a switch; so the hash is part of what
a program means (Open vSwitch 3.1: flow_hash_fields in lib/flow.c, lib/multipath.c). By default and for
``symmetric_l3l4`` it is MurmurHash3's mixing over addresses, protocol and ports (lib/hash.h for processors without a
wired CRC32; a build made for SSE4.2 or ARM CRC hashes otherwise), for the other sets of fields Bob Jenkins's lookup3
(lib/jhash.c). Where a set is symmetric each pair of source and destination is XORed, so that a flow and its answers
agree. Words are read in host order from network-order headers, little-endian on the machines meant here.

Up to 64 links the choice is by highest random weight: taking the last link away moves only its own flows. Beyond,
Open vSwitch silently draws again until a draw is in range, over the next power of two of links.
"""

from __future__ import annotations

from collections.abc import Mapping

from segue.model.spread import DEFAULT
from segue.packet.addresses import ETH_IPV4, ETH_IPV6, PROTO_UDP
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


def _rotated(word: int, bits: int) -> int:
    return (word << bits | word >> (32 - bits)) & _WORD


_MIX = ((0, 2, 4, 1), (1, 0, 6, 2), (2, 1, 8, 0), (0, 2, 16, 1), (1, 0, 19, 2), (2, 1, 4, 0))
"""Steps (x, y, bits, z) of lookup3: x -= y, x ^= y rotated, y += z."""
_FINAL = ((2, 1, 14), (0, 2, 11), (1, 0, 25), (2, 1, 16), (0, 2, 4), (1, 0, 14), (2, 1, 24))
"""Steps (x, y, bits): x ^= y, x -= y rotated."""


def _lookup3(data: bytes, basis: int) -> int:
    """Of whole blocks of 12 bytes the last one is mixed as the others are."""
    state = [(0xDEADBEEF + len(data) + basis) & _WORD] * 3
    for at in range(0, len(data), 12):
        block = data[at : at + 12]
        for number in range(3):
            state[number] = (state[number] + int.from_bytes(block[4 * number : 4 * number + 4], "little")) & _WORD
        if len(block) == 12:
            for x, y, bits, z in _MIX:
                state[x] = (state[x] - state[y] & _WORD) ^ _rotated(state[y], bits)
                state[y] = state[y] + state[z] & _WORD
        else:
            for x, y, bits in _FINAL:
                state[x] = (state[x] ^ state[y]) - _rotated(state[y], bits) & _WORD
    return state[2]


def _address(fields: Mapping[str, int], end: str) -> bytes:
    """``src`` or ``dst`` of an IP packet; nothing of others."""
    for eth_type, name, size in ((ETH_IPV4, "ipv4", 4), (ETH_IPV6, "ipv6", 16)):
        if fields["eth_type"] == eth_type:
            return fields[f"{name}_{end}"].to_bytes(size, "big")
    return b""


def _both_addresses(fields: Mapping[str, int]) -> bytes:
    """Source and destination together, in as many bytes as the larger family has."""
    pair = zip(_address(fields, "src"), _address(fields, "dst"), strict=True)
    return bytes(source ^ destination for source, destination in pair).ljust(16, b"\0")


def _symmetric_l4(fields: Mapping[str, int], basis: int) -> int:
    """Ethernet, VLAN and IP, with ports of TCP and SCTP."""
    ip = fields["eth_type"] in (ETH_IPV4, ETH_IPV6)
    protocol = fields["ip_proto"] if ip else 0
    ports = 0
    if protocol in PORTS and protocol != PROTO_UDP and not fields["ip_frag"] & 2:
        source, destination = PORTS[protocol]
        ports = fields[source] ^ fields[destination]
    words = (fields["eth_type"], fields.get("vlan_vid", 0) & 0xFFF, ports)
    macs = (fields.get("eth_src", 0) ^ fields.get("eth_dst", 0)).to_bytes(6, "big")
    data = _both_addresses(fields) + b"".join(word.to_bytes(2, "big") for word in words) + macs + bytes([protocol])
    return _lookup3(data.ljust(32, b"\0"), basis)


def hash_fields(fields: Mapping[str, int], basis: int, hashed: str = DEFAULT) -> int:
    """32 bits over those of a packet's fields that ``hashed`` names (``model.spread``). ``basis``: 16 bits."""
    match hashed:
        case "eth_src":
            return _lookup3(fields.get("eth_src", 0).to_bytes(6, "big"), basis)
        case "nw_src" | "nw_dst":
            address = _address(fields, hashed.removeprefix("nw_"))
            return _lookup3(address, basis) if address else basis
        case "symmetric_l3":
            data = _both_addresses(fields) + fields["eth_type"].to_bytes(2, "big")
            return _lookup3(data.ljust(20, b"\0"), basis)
        case "symmetric_l4":
            return _symmetric_l4(fields, basis)
        case "symmetric_l3l4":
            return symmetric_hash(fields, basis, udp=False)
    return symmetric_hash(fields, basis)


def symmetric_hash(fields: Mapping[str, int], basis: int, udp: bool = True) -> int:
    """Over addresses, protocol and ports, those of UDP only if ``udp``.

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
    if protocol in PORTS and (udp or protocol != PROTO_UDP) and not fields["ip_frag"]:
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


def multipath(fields: Mapping[str, int], basis: int, links: int, hashed: str = DEFAULT) -> int:
    """The link that Open vSwitch's multipath chooses for a packet with these fields."""
    return choose_link(hash_fields(fields, basis, hashed), links)
