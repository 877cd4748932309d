"""A stream of OpenFlow in which packets for injected services are many, and most of those of a flood are dropped: each
is read as far as it takes to know whose it is, and whole when it is its turn. Pure.

`Frames` is a connection's faster loop (``segue.openflow.link``).
"""

from __future__ import annotations

from collections.abc import Callable
from struct import Struct

import msgspec

from segue.drivers.ovs.punt import punted
from segue.model.protocol import Punted
from segue.openflow.codec import decode
from segue.openflow.protocol import NxPacketIn2
from segue.openflow.wire import HEADER_LEN, ProtocolError

_LENGTH = Struct(">H")
_PART = Struct(">HH")
_SERVICE = Struct(">I")
_EXPERIMENTER = 4
_NXT_PACKET_IN2 = Struct(">II").pack(0x2320, 30)
_PARTS = 16
"""Where the message's properties begin (nicira-ext.h, NXT_PACKET_IN2)."""
_USERDATA = 7
"""NXPINT_USERDATA."""


class Raw(msgspec.Struct, frozen=True, gc=False):
    """The whole message, of the switch's; ``lost`` as in ``Punted``."""

    service: int
    data: bytes
    lost: int = 0

    def read(self) -> Punted | None:
        """None if it is no packet for a service after all."""
        try:
            message = decode(self.data)[0]
        except ProtocolError:
            return None
        packet = punted(message) if isinstance(message, NxPacketIn2) else None
        return msgspec.structs.replace(packet, lost=self.lost) if packet is not None and self.lost else packet


class Frames:
    """``packet`` gets those that look like packets for a service, ``other`` every other message, whole; it returns what
    is to be sent."""

    def __init__(self, packet: Callable[[Raw], None], other: Callable[[bytes], bytes]) -> None:
        self.stopped = False
        self._packet = packet
        self._other = other
        self._rest = b""

    @property
    def pending(self) -> int:
        """Octets of a message that is not whole yet."""
        return len(self._rest)

    def feed(self, view: memoryview) -> bytes | None:
        """Raises ProtocolError where the octets are no OpenFlow."""
        data = self._rest + bytes(view)
        at, end = 0, len(data)
        answers: list[bytes] = []
        while not self.stopped and end - at >= HEADER_LEN:
            length = _LENGTH.unpack_from(data, at + 2)[0]
            if length < HEADER_LEN:
                raise ProtocolError(f"a header says {length} bytes, and has {HEADER_LEN} itself")
            if end - at < length:
                break
            frame = data[at : at + length]
            at += length
            service = service_of(frame)
            if service is None:
                answers.append(self._other(frame))
            else:
                self._packet(Raw(service, frame))
        self._rest = data[at:]
        return b"".join(answers)


def service_of(frame: bytes) -> int | None:
    """Whom a message's packet is for; None if it is no packet with userdata."""
    if frame[1] != _EXPERIMENTER or frame[8:16] != _NXT_PACKET_IN2:
        return None
    at, end = _PARTS, len(frame) - 8
    while at <= end:
        kind, length = _PART.unpack_from(frame, at)
        if kind == _USERDATA and length >= 8:
            return int(_SERVICE.unpack_from(frame, at + 4)[0])
        if length < 4:
            return None
        at += (length + 7) & ~7
    return None
