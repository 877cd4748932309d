"""A message of every class and version on the wire, with something in each field; those that have lists of a family,
once for each member that the version has, as long as that member was not yet in another message.

The values are those of `openflow.samples`, made from the declarations.
"""

from __future__ import annotations

import random
from collections.abc import Iterator
from functools import cache
from typing import Any

import msgspec

from openflow.samples import known, sample
from segue.openflow.codec import CODEC, UnknownMessage, encode
from segue.openflow.declare import MESSAGES, REPLIES, REQUESTS, Family, Message, Record, layout
from segue.openflow.wire import EncodeError

XID = 0x01020304
_DEEPEST = 3


@cache
def members(home: Family, version: int) -> tuple[Record, ...]:
    """Those of a family."""
    found = [entry.record for entry in home.entries.values() if entry.number(version) is not None]
    return tuple(sample(record, version) for record in found if known(record, version))


def _records_in(value: Any) -> Iterator[type[Record]]:
    if isinstance(value, Record):
        yield type(value)
        for name in value.__struct_fields__:
            yield from _records_in(getattr(value, name))
    elif isinstance(value, (list, tuple)):
        for one in value:
            yield from _records_in(one)


def _with_members(record: Record, version: int, deep: int = 0) -> Iterator[Record]:
    """The record once for each member that its lists can have, and these with theirs."""
    for item in layout(type(record), version):
        home = CODEC.instruction_family if item.kind == "instructions" else item.of
        if deep == _DEEPEST or item.kind not in ("many", "trailer", "instructions"):
            continue
        inner = members(home, version) if isinstance(home, Family) else (sample(home, version),)
        for one in inner:
            for deeper in (one, *_with_members(one, version, deep + 1)):
                yield msgspec.structs.replace(record, **{item.names[0]: (deeper,)})


@cache
def messages(version: int) -> tuple[bytes, ...]:
    found: dict[bytes, None] = {}
    said: set[type[Record]] = set()
    for home in (MESSAGES, REQUESTS, REPLIES):
        for message in members(home, version):
            for n, one in enumerate((message, *_with_members(message, version))):
                new = set(_records_in(one)) - said
                if n and not new:
                    continue
                try:
                    found[_encoded(one, version)] = None
                except EncodeError:  # fields that do not go together
                    continue
                said |= new
    found[encode(UnknownMessage(77, b"?"), XID, version)] = None
    return tuple(found)


def _encoded(message: Record, version: int) -> bytes:
    assert isinstance(message, Message)
    return encode(message, XID, version)


def some(version: int, count: int) -> list[bytes]:
    """As many of `messages`, always the same."""
    every = messages(version)
    return random.Random(version).sample(every, min(count, len(every)))
