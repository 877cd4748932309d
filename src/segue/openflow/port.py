"""Ports: what a switch says of one, and that one came, went or changed (OpenFlow 1.5.1 sections 7.2.1 and 7.4.3)."""

from enum import IntEnum
from struct import Struct
from typing import Final

import msgspec

from segue.openflow.wire import EncodeError, ProtocolError, need

PORT_DOWN: Final = 1  # config
LINK_DOWN: Final = 1  # state
BLOCKED: Final = 2
LIVE: Final = 4


class PortReason(IntEnum):
    ADD = 0
    DELETE = 1
    MODIFY = 2


class Port(msgspec.Struct, frozen=True, gc=False):
    """`config` and `state` are bit maps (OFPPC_*, OFPPS_*); speeds are kb/s, 0 where the switch does not know."""

    number: int
    name: str
    hw_addr: int = 0
    config: int = 0
    state: int = 0
    curr: int = 0
    advertised: int = 0
    supported: int = 0
    peer: int = 0
    curr_speed: int = 0
    max_speed: int = 0

    @property
    def up(self) -> bool:
        return not (self.config & PORT_DOWN or self.state & LINK_DOWN)


class PortStatus(msgspec.Struct, frozen=True, gc=False):
    """OFPT_PORT_STATUS."""

    reason: int
    port: Port


_PORT: Final = Struct(">IH2x6s2x16sII")
_ETHERNET: Final = Struct(">HH4xIIIIII")
_PROPERTY: Final = Struct(">HH")
_STATUS: Final = Struct(">B7x")
_ETHERNET_TYPE: Final = 0


def encode_port(p: Port) -> bytes:
    """`ofp_port` with its Ethernet property."""
    name = p.name.encode()
    if len(name) > 15:
        raise EncodeError(f"port name {p.name!r} has more than 15 octets")
    length = _PORT.size + _ETHERNET.size
    mac = p.hw_addr.to_bytes(6, "big")
    speeds = (p.curr, p.advertised, p.supported, p.peer, p.curr_speed, p.max_speed)
    return _PORT.pack(p.number, length, mac, name, p.config, p.state) + _ETHERNET.pack(
        _ETHERNET_TYPE, _ETHERNET.size, *speeds
    )


def decode_port(data: bytes, offset: int) -> tuple[Port, int]:
    """The `ofp_port` at `offset`, and where it ends. Properties other than Ethernet's are passed over."""
    need(data, offset, _PORT.size, "port")
    number, length, mac, raw_name, config, state = _PORT.unpack_from(data, offset)
    end = offset + length
    if length < _PORT.size or end > len(data):
        raise ProtocolError(f"port at {offset} claims {length} bytes of {len(data) - offset}")
    speeds: tuple[int, ...] = ()
    offset += _PORT.size
    while offset < end:
        if end - offset < 4:
            raise ProtocolError(f"{end - offset} bytes of a port property")
        kind, size = _PROPERTY.unpack_from(data, offset)
        if size < 4 or offset + size > end:
            raise ProtocolError(f"port property of type {kind} claims {size} bytes of {end - offset}")
        if kind == _ETHERNET_TYPE and size == _ETHERNET.size:
            speeds = _ETHERNET.unpack_from(data, offset)[2:]
        offset += size + -size % 8
    name = raw_name.split(b"\0", 1)[0].decode("utf-8", "replace")
    return Port(number, name, int.from_bytes(mac, "big"), config, state, *speeds), end


def encode_port_status(m: PortStatus) -> bytes:
    return _STATUS.pack(m.reason) + encode_port(m.port)


def decode_port_status(data: bytes) -> PortStatus:
    need(data, 8, _STATUS.size, "port status")
    port, _ = decode_port(data, 8 + _STATUS.size)
    return PortStatus(data[8], port)
