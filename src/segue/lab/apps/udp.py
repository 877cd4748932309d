"""A UDP server's socket for IPv4 and IPv6 at once, that answers from the address it was asked at.

A socket bound to any address would answer from whichever address the route prefers, and a client behind a
chain would not know it. So the destination of each datagram is asked for (RFC 3542 section 6; for IPv4 it
comes as a mapped address) and given back as the source of the answer.
"""

from __future__ import annotations

import contextlib
import socket
import struct
from typing import Any

_RCVBUFFORCE = 33
_INFO = struct.Struct("=16sI")


def widen(sock: socket.socket, size: int = 8 << 20) -> None:
    """A large receive buffer, beyond the system's limit where allowed."""
    try:
        sock.setsockopt(socket.SOL_SOCKET, _RCVBUFFORCE, size)
    except PermissionError:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, size)


def server(port: int) -> socket.socket:
    try:
        sock = socket.socket(socket.AF_INET6, socket.SOCK_DGRAM)
    except OSError:  # no IPv6 in this kernel
        sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        sock.bind(("", port))
    else:
        sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0)
        sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_RECVPKTINFO, 1)
        sock.bind(("::", port))
    widen(sock)
    return sock


def receive(sock: socket.socket) -> tuple[bytes, list[tuple[int, int, bytes]], Any]:
    """Data, what ``answer`` needs to know, and the sender's address."""
    data, beside, _, sender = sock.recvmsg(65535, 64)
    return data, beside, sender


def answer(sock: socket.socket, data: bytes, beside: list[tuple[int, int, bytes]], sender: Any) -> None:
    info = []
    for level, kind, value in beside:
        if (level, kind) == (socket.IPPROTO_IPV6, socket.IPV6_PKTINFO):
            address, index = _INFO.unpack(value)
            link_local = address[0] == 0xFE and address[1] & 0xC0 == 0x80
            info = [(level, kind, _INFO.pack(address, index if link_local else 0))]
    with contextlib.suppress(OSError):  # as a lost datagram
        sock.sendmsg([data], info, 0, sender)
