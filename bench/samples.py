"""The messages of the codec's benchmark as octets, in 1.0, 1.3 and 1.5, written by hand: neither codec made them."""

from __future__ import annotations

from struct import pack

V10, V13, V15 = 1, 4, 6
XID = 0x1234
BUFFER, IN_PORT, OUT_PORT = 77, 1, 2
SOURCE, DESTINATION = 0x020000000001, 0x020000000002
FRAME = DESTINATION.to_bytes(6, "big") + SOURCE.to_bytes(6, "big") + b"\x08\0" + bytes(46)
FLOWS = 100


def samples(version: int) -> dict[str, bytes]:
    """What a switch sends, by name."""
    return {
        "packet-in": message(version, 10, _packet_in(version)),
        f"{'flow descriptions' if version == V15 else 'flow statistics'}, {FLOWS}": message(
            version, 17 if version == V10 else 19, _flow_statistics(version)
        ),
        "port-status": message(version, 12, pack(">B7x", 2) + _port(version)),
        "flow-removed": message(version, 11, _flow_removed(version)),
        "echo request": message(version, 2, b"12345678"),
        "barrier reply": message(version, 19 if version == V10 else 21),
    }


def message(version: int, kind: int, body: bytes = b"") -> bytes:
    return pack(">BBHI", version, kind, 8 + len(body), XID) + body


def _match(version: int) -> bytes:
    """in_port, eth_src and eth_dst; in 1.0 as Open vSwitch writes the wildcards of addresses, 32 bits each."""
    source, destination = SOURCE.to_bytes(6, "big"), DESTINATION.to_bytes(6, "big")
    if version == V10:
        return pack(">IH6s6s22x", 0x3820FF & ~0b1101, IN_PORT, source, destination)
    fields = pack(">II", 0x80000004, IN_PORT) + pack(">I6sI6s", 0x80000606, destination, 0x80000806, source)
    return pack(">HH", 1, 4 + len(fields)) + fields + bytes(-(4 + len(fields)) % 8)


def _statistics() -> bytes:
    """1.5: duration, packet_count, byte_count."""
    fields = pack(">III", 0x80020008, 60, 0) + pack(">IQ", 0x80020808, 1000) + pack(">IQ", 0x80020A08, 64000)
    return pack(">HH", 0, 4 + len(fields)) + fields + bytes(-(4 + len(fields)) % 8)


def _instructions() -> bytes:
    return pack(">HH4x", 4, 24) + pack(">HHIH6x", 0, 16, OUT_PORT, 0xFFFF)


def _packet_in(version: int) -> bytes:
    if version == V10:
        return pack(">IHHBx", BUFFER, len(FRAME), IN_PORT, 0) + FRAME
    in_port = pack(">HHII4x", 1, 12, 0x80000004, IN_PORT)
    return pack(">IHBBQ", BUFFER, len(FRAME), 0, 0, 5) + in_port + bytes(2) + FRAME


def _port(version: int) -> bytes:
    address = bytes([2, 0, 0, 0, 0, 9])
    if version == V10:
        return pack(">H6s16s6I", OUT_PORT, address, b"port2", 0, 0, 64, 64, 64, 0)
    if version == V13:
        return pack(">I4x6s2x16s8I", OUT_PORT, address, b"port2", 0, 4, 64, 64, 64, 0, 10000000, 10000000)
    ethernet = pack(">HH4x6I", 0, 32, 64, 64, 64, 0, 10000000, 10000000)
    return pack(">IH2x6s2x16sII", OUT_PORT, 40 + len(ethernet), address, b"port2", 0, 4) + ethernet


def _flow_removed(version: int) -> bytes:
    if version == V10:
        return _match(version) + pack(">QHBxIIH2xQQ", 5, 1, 0, 60, 0, 30, 1000, 64000)
    if version == V13:
        return pack(">QHBBIIHHQQ", 5, 1, 0, 0, 60, 0, 30, 0, 1000, 64000) + _match(version)
    return pack(">BBHHHQ", 0, 0, 1, 30, 0, 5) + _match(version) + _statistics()


def _flow_statistics(version: int) -> bytes:
    if version == V10:
        rest = _match(version) + pack(">IIHHH6xQQQ", 60, 0, 1, 30, 0, 5, 1000, 64000)
        rest += pack(">HHHH", 0, 8, OUT_PORT, 0xFFFF)
        return pack(">HH", 1, 0) + (pack(">HBx", 4 + len(rest), 0) + rest) * FLOWS
    if version == V13:
        rest = pack(">BxIIHHHH4xQQQ", 0, 60, 0, 1, 30, 0, 0, 5, 1000, 64000) + _match(version) + _instructions()
        return pack(">HH4x", 1, 0) + (pack(">H", 2 + len(rest)) + rest) * FLOWS
    rest = pack(">2xBxHHHHHQ", 0, 1, 30, 0, 0, 0, 5) + _match(version) + _statistics() + _instructions()
    return pack(">HH4x", 1, 0) + (pack(">H", 2 + len(rest)) + rest) * FLOWS
