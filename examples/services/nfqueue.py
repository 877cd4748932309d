"""Packets that the kernel asks about: ``iptables -j NFQUEUE``, over a netlink socket, in IPv4 and IPv6.

Each packet of the queue waits for a verdict, which says whether it goes on. Values are the kernel's, from
linux/netlink.h, linux/netfilter/nfnetlink.h and linux/netfilter/nfnetlink_queue.h; headers are in the machine's byte
order, what is in attributes in the network's.
"""

from __future__ import annotations

import errno
import os
import socket
import struct
from collections.abc import Iterator
from typing import Final, NamedTuple

ACCEPT: Final = 1
DROP: Final = 0
_NETLINK_NETFILTER: Final = 12
_REQUEST, _ACK = 1, 4
_ERROR: Final = 2
_PACKET, _VERDICT, _CONFIG = 0x300, 0x301, 0x302
"""Subsystem 3 (NFNL_SUBSYS_QUEUE), and its messages."""
_CFG_COMMAND, _CFG_PARAMETERS = 1, 2
_BIND: Final = 1
_COPY_PACKET: Final = 2
_PACKET_HEADER, _VERDICT_HEADER, _HARDWARE_ADDRESS, _PAYLOAD = 1, 2, 9, 10
_ROOM: Final = 4 << 20
"""Octets that may wait to be read."""


class Packet(NamedTuple):
    """``mac``: of who sent it here, empty if unknown; ``data``: from the IP header on."""

    number: int
    mac: bytes
    data: bytes


class Queue:
    """Bound to a queue of the network namespace that it is made in. OSError where it is taken, or cannot be had."""

    def __init__(self, number: int = 0) -> None:
        self.number = number
        self._socket = socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, _NETLINK_NETFILTER)
        try:
            self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, _ROOM)
            self._socket.bind((0, 0))
            bind = _attribute(_CFG_COMMAND, struct.pack("!BBH", _BIND, 0, 0))
            self._ask(bind + _attribute(_CFG_PARAMETERS, struct.pack("!IB", 0xFFFF, _COPY_PACKET)))
        except BaseException:
            self._socket.close()
            raise
        self._socket.setblocking(False)

    def fileno(self) -> int:
        return self._socket.fileno()

    def close(self) -> None:
        """What waits goes the way of packets without a program: on, if the rule has ``--queue-bypass``."""
        self._socket.close()

    def packets(self) -> Iterator[Packet]:
        """Those that wait now. None is lost that way, but for what the kernel had no room to ask about."""
        while True:
            try:
                data = self._socket.recv(1 << 17)
            except BlockingIOError:
                return
            except OSError as error:
                if error.errno != errno.ENOBUFS:
                    raise
                continue
            for kind, body in _messages(data):
                if kind == _PACKET:
                    parts = dict(_attributes(body[4:]))
                    (number,) = struct.unpack_from("!I", parts[_PACKET_HEADER])
                    address = parts.get(_HARDWARE_ADDRESS, b"\0\0\0\0")
                    (length,) = struct.unpack_from("!H", address)
                    yield Packet(number, address[4 : 4 + length], parts.get(_PAYLOAD, b""))

    def decide(self, packet: Packet, verdict: int) -> None:
        body = _attribute(_VERDICT_HEADER, struct.pack("!II", verdict, packet.number))
        self._socket.send(self._message(_VERDICT, _REQUEST, body))

    def _ask(self, attributes: bytes) -> None:
        """Raises OSError where the kernel refuses."""
        self._socket.send(self._message(_CONFIG, _REQUEST | _ACK, attributes))
        for kind, body in _messages(self._socket.recv(1 << 16)):
            if kind == _ERROR and (code := struct.unpack_from("=i", body)[0]):
                raise OSError(-code, f"queue {self.number}: {os.strerror(-code)}")

    def _message(self, kind: int, flags: int, body: bytes) -> bytes:
        whole = struct.pack("!BBH", socket.AF_UNSPEC, 0, self.number) + body
        return struct.pack("=IHHII", 16 + len(whole), kind, flags, 0, 0) + whole


def _messages(data: bytes) -> Iterator[tuple[int, bytes]]:
    while len(data) >= 16:
        length, kind = struct.unpack_from("=IH", data)
        yield kind, data[16:length]
        data = data[(length + 3) & ~3 :]


def _attributes(data: bytes) -> Iterator[tuple[int, bytes]]:
    while len(data) >= 4:
        length, kind = struct.unpack_from("=HH", data)
        yield kind & 0x3FFF, data[4:length]
        data = data[(length + 3) & ~3 :]


def _attribute(kind: int, value: bytes) -> bytes:
    return struct.pack("=HH", 4 + len(value), kind) + value + b"\0" * (-len(value) % 4)
