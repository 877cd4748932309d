"""MAC and IP addresses as integers.

Everything below the intent holds addresses as plain integers (48, 32 or 128 bits): they compare, hash, mask
and serialise at no cost, and OpenFlow wants them so. Text appears at the two edges only, where people read
and write.
"""

from __future__ import annotations

import hashlib
import ipaddress
import re

import msgspec

ETH_IPV4 = 0x0800
ETH_ARP = 0x0806
ETH_IPV6 = 0x86DD
ETH_VLAN = 0x8100
ETH_QINQ = 0x88A8
ETH_MPLS = 0x8847
ETH_MPLS_MULTICAST = 0x8848
ETH_NSH = 0x894F

PROTO_ICMP = 1
PROTO_TCP = 6
PROTO_UDP = 17
PROTO_ICMPV6 = 58
PROTO_SCTP = 132

_MAC = re.compile(r"[0-9a-fA-F]{2}(:[0-9a-fA-F]{2}){5}\Z")


class Prefix(msgspec.Struct, frozen=True, order=True, array_like=True):
    """An IP prefix (RFC 4632, RFC 4291): ``family`` 4 or 6, the network's address, the length in bits."""

    family: int
    value: int
    length: int

    @property
    def bits(self) -> int:
        return 32 if self.family == 4 else 128

    @property
    def mask(self) -> int:
        return ((1 << self.length) - 1) << (self.bits - self.length)

    @property
    def is_host(self) -> bool:
        return self.length == self.bits

    def contains(self, other: Prefix) -> bool:
        """Whether every address of ``other`` is in this prefix."""
        return self.family == other.family and self.length <= other.length and (other.value & self.mask) == self.value

    def overlaps(self, other: Prefix) -> bool:
        return self.contains(other) or other.contains(self)

    def __str__(self) -> str:
        text = format_ip(self.family, self.value)
        return text if self.is_host else f"{text}/{self.length}"


def parse_mac(text: str) -> int:
    """``aa:bb:cc:dd:ee:ff`` as 48 bits. Raises ValueError."""
    if not _MAC.match(text):
        raise ValueError(f"{text!r} is not a MAC address; write it as 02:00:00:00:00:01")
    return int(text.replace(":", ""), 16)


def format_mac(value: int) -> str:
    digits = f"{value:012x}"
    return ":".join(digits[i : i + 2] for i in range(0, 12, 2))


def parse_ip(text: str) -> tuple[int, int]:
    """An address as (family, value). Raises ValueError."""
    address = ipaddress.ip_address(text)
    return address.version, int(address)


def parse_prefix(text: str) -> Prefix:
    """``10.0.0.0/24``, ``2001:db8::/64``, or a bare address, with no host bits set. Raises ValueError."""
    network = ipaddress.ip_network(text, strict=True)
    return Prefix(network.version, int(network.network_address), network.prefixlen)


def host_prefix(family: int, value: int) -> Prefix:
    return Prefix(family, value, 32 if family == 4 else 128)


def format_ip(family: int, value: int) -> str:
    return str(ipaddress.IPv4Address(value) if family == 4 else ipaddress.IPv6Address(value))


def link_local(mac: int) -> int:
    """The IPv6 link-local address that a host forms from its MAC (RFC 4291 appendix A, modified EUI-64)."""
    eui = ((mac >> 24) << 40) | (0xFFFE << 24) | (mac & 0xFFFFFF)
    return (0xFE80 << 112) | (eui ^ (1 << 57))


def derived_mac(*names: str) -> int:
    """A locally administered unicast MAC that depends on ``names`` alone, for ports that declare none."""
    digest = hashlib.blake2b("\0".join(names).encode(), digest_size=5).digest()
    return (0x02 << 40) | int.from_bytes(digest, "big")
