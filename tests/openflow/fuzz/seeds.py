"""What fuzzing begins with: our own samples, as each target takes them."""

from __future__ import annotations

import json
from collections.abc import Iterator

from segue.openflow import as_json
from segue.openflow.codec import decode, encode
from segue.openflow.protocol.basic import Hello, VersionBitmap
from segue.openflow.wire import V10, V12, V13, VERSIONS

from . import samples

_ONE_STREAM = 6


def seeds(target: str) -> Iterator[bytes]:
    for version in VERSIONS:
        messages = samples.messages(version)
        if target == "decode":
            yield from messages
        elif target == "json":
            yield from (
                json.dumps(as_json.to_json(*decode(data)), separators=(",", ":")).encode() for data in messages[::5]
            )
            yield from messages[1::5]
        elif target == "match":
            yield from _matches(version, messages)
        else:
            yield from _streams(target, version, messages)


def _matches(version: int, messages: tuple[bytes, ...]) -> Iterator[bytes]:
    for data in messages:
        if version < V12 and data[1] in (11, 14):
            at = 8 if data[1] == 11 or version == V10 else 56
            yield bytes([version]) + data[at : at + (40 if version == V10 else 88)]
        start = data.find(b"\x00\x01\x00", 16)
        if version >= V12 and start > 0 and data[1] in (10, 11, 14):
            yield bytes([version]) + data[start:]
        for oxm_class in (b"\x80\x00", b"\x00\x01", b"\x00\x00\x1e", b"\xff\xff", b"\x80\x02"):
            if (at := data.find(oxm_class, 16)) > 0:
                yield bytes([version if len(data) % 2 else 0]) + data[at : at + 40]


def _streams(target: str, version: int, messages: tuple[bytes, ...]) -> Iterator[bytes]:
    mixed = samples.some(version, len(messages) // 2)
    for n in range(0, len(mixed), _ONE_STREAM):
        stream = b"".join(mixed[n : n + _ONE_STREAM])
        if target == "pump":
            control = (version - 1) | 48 | (8 if n % 5 == 0 else 0)
        else:
            control = version << 1 | n // _ONE_STREAM % 2 | 16
        yield bytes([control, 7 + n % 90]) + stream
    if target == "connection":
        elements = (VersionBitmap.of(frozenset(VERSIONS)),) if version >= V13 else ()
        yield bytes([version % 2, 5]) + encode(Hello(elements), 7, version) + mixed[0]
