"""What a payload-changing function does to one frame, in place, in a buffer. Pure: no socket here.

Three ways in which a chained frame may reach a function:

- ``none``: plain Ethernet; the function knows nothing of chains, and keeps every header.
- ``nsh``: Ethernet / NSH / inner packet (RFC 8300). The function lowers the service index by one
  (section 2.3) and sends the frame back to who sent it: the outer MAC addresses change places.
- ``mpls``: Ethernet / label SPI / label SI / IP (RFC 8595 section 6): the second label is lowered by one.

A frame that is not of the announced kind, or whose index is 0 already, or an NSH OAM packet, which a function
that does no OAM should discard (RFC 8300 section 2.2), is dropped. What is not UDP (or, where asked for,
TCP) goes on unchanged but for the index; so do fragments, for a function that looks at single packets cannot
change what others carry the rest of.

Checksums are updated from the difference (RFC 1624, equation 3), so a checksum that was wrong stays wrong and
still tells. The sum of 16-bit words in ones' complement is the big-endian number modulo 65535; Python computes
that for a whole payload at once.
"""

from __future__ import annotations

from collections.abc import Callable

Transform = Callable[[bytes], bytes | None]
"""From a payload to one of the same length, or None to leave it."""

ENCAPSULATIONS = ("none", "nsh", "mpls")
_IPV4, _IPV6, _NSH, _MPLS = 0x0800, 0x86DD, 0x894F, 0x8847
_VLANS = (0x8100, 0x88A8)
_TCP, _UDP = 6, 17
_EXTENSIONS = frozenset({0, 43, 60})
"""IPv6 headers to step over: hop-by-hop, routing, destination options (RFC 8200 section 4)."""


class Worker:
    """Called with a buffer and the frame's bounds in it; says whether the frame goes on."""

    def __init__(self, transform: Transform, encapsulation: str = "none", *, tcp: bool = False) -> None:
        self._transform = transform
        self._unwrap = {"none": _plain, "nsh": _nsh, "mpls": _mpls}[encapsulation]
        self._protocols = (_UDP, _TCP) if tcp else (_UDP,)

    def __call__(self, buf: bytearray, start: int, end: int, partial: bool = False) -> bool:
        """``partial``: the kernel says that the checksum of the segment is not filled in yet."""
        try:
            ip = self._unwrap(buf, start)
            if ip < 0:
                return False
            if ip:
                self._segment(buf, ip, end, partial)
        except IndexError:  # a frame that ends within a header it announces
            return self._unwrap is _plain
        return True

    def _segment(self, buf: bytearray, ip: int, end: int, partial: bool) -> None:
        found = _transport(buf, ip, end)
        if found is None:
            return
        protocol, l4, l4_end = found
        if protocol == _UDP:
            check, payload, l4_end = l4 + 6, l4 + 8, min(l4_end, l4 + (buf[l4 + 4] << 8 | buf[l4 + 5]))
        elif protocol == _TCP:
            check, payload = l4 + 16, l4 + (buf[l4 + 12] >> 4) * 4
        else:
            return
        if payload > l4_end:
            return
        if protocol in self._protocols and payload < l4_end:
            old = bytes(buf[payload:l4_end])
            new = self._transform(old)
            if new is not None and new != old:
                if len(new) != len(old):
                    raise ValueError("a function must keep the payload's length")
                buf[payload:l4_end] = new
                if not partial:
                    _update(buf, check, old, new, protocol)
        if partial:
            _fill(buf, ip, l4, l4_end, check, protocol)


def _plain(buf: bytearray, start: int) -> int:
    """Offset of the IP header; 0 when there is none; -1 to drop the frame."""
    at = start + 12
    kind = buf[at] << 8 | buf[at + 1]
    while kind in _VLANS:
        at += 4
        kind = buf[at] << 8 | buf[at + 1]
    return at + 2 if kind in (_IPV4, _IPV6) else 0


def _outer(buf: bytearray, start: int, wanted: int) -> int:
    at = start + 12
    while (kind := buf[at] << 8 | buf[at + 1]) in _VLANS:
        at += 4
    return at + 2 if kind == wanted else -1


def _nsh(buf: bytearray, start: int) -> int:
    at = _outer(buf, start, _NSH)
    if at < 0 or buf[at] & 0xE0 or not buf[at + 7]:  # version and O bit are 0, and the index is not
        return -1
    inner, protocol = at + (buf[at + 1] & 0x3F) * 4, buf[at + 3]
    buf[at + 7] -= 1
    buf[start : start + 12] = buf[start + 6 : start + 12] + buf[start : start + 6]
    if protocol == 3:
        return _plain(buf, inner)
    return inner if protocol in (1, 2) else 0


def _mpls(buf: bytearray, start: int) -> int:
    at = _outer(buf, start, _MPLS)
    if at < 0 or buf[at + 2] & 1:  # a lone label is no pair
        return -1
    entry = buf[at + 4] << 16 | buf[at + 5] << 8 | buf[at + 6]
    if entry < 16:
        return -1
    buf[at + 4 : at + 7] = (entry - 16).to_bytes(3, "big")  # the label is the upper 20 of these 24 bits
    at += 4
    while not buf[at + 2] & 1:
        at += 4
    return at + 4 if buf[at + 4] >> 4 in (4, 6) else 0


def _transport(buf: bytearray, ip: int, end: int) -> tuple[int, int, int] | None:
    """Protocol, offset of its header, and end of its data; None for fragments and nonsense."""
    version = buf[ip] >> 4
    if version == 4:
        l4_end = ip + (buf[ip + 2] << 8 | buf[ip + 3])
        if l4_end > end or (buf[ip + 6] & 0x3F) or buf[ip + 7]:
            return None
        return buf[ip + 9], ip + (buf[ip] & 15) * 4, l4_end
    if version != 6:
        return None
    l4_end = ip + 40 + (buf[ip + 4] << 8 | buf[ip + 5])
    if l4_end > end:
        return None
    protocol, at = buf[ip + 6], ip + 40
    while protocol in _EXTENSIONS:
        protocol, at = buf[at], at + 8 + buf[at + 1] * 8
    return protocol, at, l4_end


def _number(data: bytes | bytearray) -> int:
    value = int.from_bytes(data, "big")
    return value << 8 if len(data) & 1 else value


def _store(buf: bytearray, check: int, total: int, protocol: int) -> None:
    checksum = ~(total % 65535 or 65535) & 0xFFFF
    if not checksum and protocol == _UDP:  # 0 would say that there is none (RFC 768)
        checksum = 0xFFFF
    buf[check], buf[check + 1] = checksum >> 8, checksum & 0xFF


def _update(buf: bytearray, check: int, old: bytes, new: bytes, protocol: int) -> None:
    before = buf[check] << 8 | buf[check + 1]
    if before or protocol != _UDP:
        _store(buf, check, (~before & 0xFFFF) + _number(new) - _number(old), protocol)


def _fill(buf: bytearray, ip: int, l4: int, l4_end: int, check: int, protocol: int) -> None:
    addresses = buf[ip + 12 : ip + 20] if buf[ip] >> 4 == 4 else buf[ip + 8 : ip + 40]
    buf[check] = buf[check + 1] = 0
    total = _number(addresses) + protocol + (l4_end - l4) + _number(buf[l4:l4_end])
    _store(buf, check, total, protocol)
