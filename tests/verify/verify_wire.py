"""Frames as tcpdump writes them down."""

from __future__ import annotations

import struct


def read_pcap(data: bytes, start: int = 24) -> list[bytes]:
    """The frames from byte ``start`` on; 24 is the length of the file's header."""
    frames, at = [], max(start, 24)
    while at < len(data):
        size = struct.unpack_from("<I", data, at + 8)[0]
        frames.append(data[at + 16 : at + 16 + size])
        at += 16 + size
    return frames
