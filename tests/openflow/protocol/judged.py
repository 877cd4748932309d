"""One message in one version: there and back, as octets and as JSON, and what Open vSwitch reads in it."""

import json
import random
from collections.abc import Iterator

import pytest

from segue.openflow import as_json, codec
from segue.openflow.declare import Message
from segue.openflow.wire import EncodeError, ProtocolError

from ..oracles import ofctl  # noqa: TID252

Row = tuple[Message, tuple[int, ...], str | None]
"""A message, the versions that have it in this form, and what Open vSwitch has to print (white space does not
count; None where it does not know the message)."""

XID = 0x2A


def parameters(rows: list[Row]) -> list[object]:
    return [
        pytest.param(message, version, said, id=f"{number}-{type(message).__name__}-1.{version - 1}")
        for number, (message, versions, said) in enumerate(rows)
        for version in versions
    ]


def check(message: Message, version: int, said: str | None) -> None:
    data = codec.encode(message, XID, version)
    assert codec.decode(data) == (message, XID, version)
    assert codec.encode(codec.decode(data)[0], XID, version) == data
    text = json.dumps(as_json.to_json(message, XID, version))
    assert as_json.from_json(json.loads(text)) == (message, XID, version)
    if said is None:
        return
    if ofctl.available():
        pytest.skip("ovs-ofctl is not installed")
    text = ofctl.ofp_print(data)
    assert ofctl.understood(text), text
    assert squeeze(said) in squeeze(text), text


def squeeze(text: str) -> str:
    return " ".join(text.split())


def refuse(message: Message, version: int, why: str) -> None:
    with pytest.raises(EncodeError, match=why):
        codec.encode(message, XID, version)


def check_mutilated(rows: list[Row]) -> None:
    """Whatever happens to the octets of a message, it is read or refused, and what is read can be written."""
    chance = random.Random(7)
    for message, versions, _ in rows:
        for version in versions:
            for data in _mutilated(codec.encode(message, XID, version), chance):
                try:
                    read = codec.decode(data)[0]
                except ProtocolError:
                    continue
                codec.encode(read, XID, version)


def _mutilated(data: bytes, chance: random.Random) -> Iterator[bytes]:
    for size in range(8, len(data)):
        yield data[:2] + size.to_bytes(2, "big") + data[4:size]
    for _ in range(200):
        changed = bytearray(data)
        for _ in range(chance.randrange(1, 4)):
            changed[chance.randrange(8, len(data)) if len(data) > 8 else 7] = chance.choice((0, 1, 4, 7, 8, 255))
        yield bytes(changed)
