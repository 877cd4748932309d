"""A frame as bytes, checksums included, for asking a real switch what it would do with it."""

from __future__ import annotations

import struct
from collections.abc import Callable

from segue.verify.packet import Frame

_IPV4, _IPV6, _ARP, _NSH, _VLAN = 0x0800, 0x86DD, 0x0806, 0x894F, 0x8100


def encode(frame: Frame) -> bytes:
    out = b""
    if frame.packet_type == 0:
        out += frame.eth_dst.to_bytes(6, "big") + frame.eth_src.to_bytes(6, "big")
        for tag in frame.tags:
            out += struct.pack(">HH", tag >> 16 or _VLAN, tag & 0xFFFF)
        out += struct.pack(">H", frame.eth_type)
    for at, label in enumerate(frame.labels):
        bottom = int(at == len(frame.labels) - 1)
        out += struct.pack(">I", label.label << 12 | label.tc << 9 | bottom << 8 | label.ttl)
    return out + _network(frame)


def _network(frame: Frame) -> bytes:
    def get(name: str) -> int:
        return frame.network.get(name, 0)

    if frame.protocol == _IPV4:
        source, destination = get("ipv4_src").to_bytes(4, "big"), get("ipv4_dst").to_bytes(4, "big")
        pseudo = source + destination + struct.pack(">BB", 0, get("ip_proto"))
        body = _transport(frame, lambda size: pseudo + struct.pack(">H", size))
        fragment = {0: 0, 1: 0x2000, 3: 0x0010}[get("ip_frag")]
        head = struct.pack(
            ">BBHHHBBH",
            0x45,
            get("ip_dscp") << 2 | get("ip_ecn"),
            20 + len(body),
            0,
            fragment,
            get("nw_ttl"),
            get("ip_proto"),
            0,
        )
        total = checksum(head + source + destination)
        return head[:10] + struct.pack(">H", total) + source + destination + body
    if frame.protocol == _IPV6:
        ends = get("ipv6_src").to_bytes(16, "big") + get("ipv6_dst").to_bytes(16, "big")
        body = _transport(frame, lambda size: ends + struct.pack(">IBBBB", size, 0, 0, 0, get("ip_proto")))
        word = 6 << 28 | get("ip_dscp") << 22 | get("ip_ecn") << 20 | get("ipv6_flabel")
        return struct.pack(">IHBB", word, len(body), get("ip_proto"), get("nw_ttl")) + ends + body
    if frame.protocol == _ARP:
        return (
            struct.pack(">HHBBH", 1, _IPV4, 6, 4, get("arp_op"))
            + get("arp_sha").to_bytes(6, "big")
            + get("arp_spa").to_bytes(4, "big")
            + get("arp_tha").to_bytes(6, "big")
            + get("arp_tpa").to_bytes(4, "big")
            + frame.payload
        )
    if frame.protocol == _NSH:
        first = get("nsh_flags") << 12 | get("nsh_ttl") << 6 | 6
        head = struct.pack(">HBB", first, get("nsh_mdtype"), get("nsh_np"))
        head += struct.pack(">I", get("nsh_spi") << 8 | get("nsh_si"))
        head += b"".join(get(f"nsh_c{n}").to_bytes(4, "big") for n in range(1, 5))
        return head + (encode(frame.inner) if frame.inner else b"") + frame.payload
    return frame.payload


def _transport(frame: Frame, pseudo: Callable[[int], bytes]) -> bytes:
    fields, data = frame.network, frame.payload
    protocol = fields.get("ip_proto", 0)
    get = fields.get
    if protocol == 6:
        body = (
            struct.pack(
                ">HHIIHHHH", get("tcp_src", 0), get("tcp_dst", 0), 0, 0, 0x5000 | get("tcp_flags", 0x10), 512, 0, 0
            )
            + data
        )
        return _fill(body, 16, pseudo(len(body)))
    if protocol == 17:
        body = struct.pack(">HHHH", get("udp_src", 0), get("udp_dst", 0), 8 + len(data), 0) + data
        filled = _fill(body, 6, pseudo(len(body)))
        return filled if filled[6:8] != b"\0\0" else filled[:6] + b"\xff\xff" + filled[8:]
    if protocol == 132:
        body = struct.pack(">HHII", get("sctp_src", 0), get("sctp_dst", 0), 0, 0) + data
        return body[:8] + struct.pack("<I", crc32c(body)) + body[12:]
    if protocol == 1:
        body = struct.pack(">BBHI", get("icmpv4_type", 0), get("icmpv4_code", 0), 0, 0) + data
        return _fill(body, 2, b"")
    if protocol == 58:
        kind, code = get("icmpv6_type", 0), get("icmpv6_code", 0)
        body = struct.pack(">BBHI", kind, code, 0, get("nd_reserved", 0))
        if "ipv6_nd_target" in fields:
            # The one option's address stays on the wire until another is written to the field of its type.
            source, target = get("ipv6_nd_sll", 0), get("ipv6_nd_tll", 0)
            address = source or target if get("nd_options_type") == 1 else target or source
            body += fields["ipv6_nd_target"].to_bytes(16, "big")
            body += struct.pack(">BB", get("nd_options_type", 0), 1) + address.to_bytes(6, "big")
        body += data
        return _fill(body, 2, pseudo(len(body)))
    return data


def _fill(body: bytes, at: int, pseudo: bytes) -> bytes:
    return body[:at] + struct.pack(">H", checksum(pseudo + body)) + body[at + 2 :]


def checksum(data: bytes) -> int:
    """RFC 1071."""
    data += bytes(len(data) % 2)
    total: int = sum(struct.unpack(f">{len(data) // 2}H", data))
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    return 0xFFFF - total


def crc32c(data: bytes) -> int:
    """RFC 9260 appendix A."""
    crc = 0xFFFFFFFF
    for byte in data:
        crc ^= byte
        for _ in range(8):
            crc = crc >> 1 ^ (0x82F63B78 if crc & 1 else 0)
    return crc ^ 0xFFFFFFFF
