"""Messages of 65,535 octets or nearly: things in things in things, and lists as long as they can be."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from struct import pack

import msgspec

from openflow.fuzz.samples import members
from openflow.samples import sample
from segue.openflow.codec import CODEC, encode
from segue.openflow.declare import MESSAGES, REPLIES, REQUESTS, Family, Message, Record, layout
from segue.openflow.wire import NICIRA, ONF, V10, V11, V13, V14, V15, EncodeError

MOST = 0xFFFF
Wrap = Callable[[bytes], bytes]


def message(version: int, kind: int, body: bytes, xid: int = 7) -> bytes:
    assert 8 + len(body) <= MOST
    return pack(">BBHI", version, kind, 8 + len(body), xid) + body


def clone(inner: bytes) -> bytes:
    return pack(">HHIH6x", 0xFFFF, 16 + len(inner), NICIRA, 42) + inner


def ct(inner: bytes) -> bytes:
    return pack(">HHIHHIHB3xH", 0xFFFF, 24 + len(inner), NICIRA, 35, 0, 0, 0, 0xFF, 0) + inner


def _actions_of(instruction: int) -> Wrap:
    """As if instructions could stand among actions, or in one another."""
    return lambda inner: pack(">HH4x", instruction, 8 + len(inner)) + inner


def turns(*wraps: Wrap) -> Wrap:
    def wrap(inner: bytes) -> bytes:
        for one in wraps:
            inner = one(inner)
        return inner

    return wrap


NESTS: dict[str, Wrap] = {
    "clone": clone,
    "ct": ct,
    "clone in ct": turns(clone, ct),
    "write-actions": _actions_of(3),
    "apply-actions and clone": turns(_actions_of(4), clone),
}


def nested(wrap: Wrap, deep: int, most: int, core: bytes = b"") -> bytes:
    inner = core
    for _ in range(deep):
        outer = wrap(inner)
        if len(outer) > most:
            break
        inner = outer
    return inner


def with_actions(version: int, actions: bytes) -> bytes:
    """A packet-out, whose actions stand in a field of a known size."""
    if version == V10:
        return message(version, 13, pack(">IHH", MOST << 16 | MOST, MOST, len(actions)) + actions)
    if version == V15:
        in_port = pack(">HHII4x", 1, 12, 0x80000004, MOST << 16 | 0xFFFD)
        return message(version, 13, pack(">IHH", MOST << 16 | MOST, len(actions), 0) + in_port + actions)
    return message(version, 13, pack(">IIH6x", MOST << 16 | MOST, MOST << 16 | 0xFFFD, len(actions)) + actions)


def with_instructions(version: int, instructions: bytes) -> bytes:
    """A flow mod."""
    match = pack(">HH", 0, 88) + bytes(84) if version == V11 else pack(">HH4x", 1, 4)
    return message(version, 14, bytes(40) + match + instructions)


def in_bundles(version: int, deep: int) -> bytes:
    """Bundle additions in bundle additions."""
    inner = message(version, 14, bytes(40) + pack(">HH4x", 1, 4))
    for _ in range(deep):
        if version == V13:
            outer = pack(">IIIHH", ONF, 2301, 1, 0, 0) + inner
            kind = 4
        else:
            outer, kind = pack(">IHH", 1, 0, 0) + inner, 34
        if len(outer) > MOST - 8:
            break
        inner = message(version, kind, outer)
    return inner


def nests(version: int) -> Iterator[tuple[str, bytes]]:
    """name -> message. Each as deep as its length allows; then as deep as is allowed, around as much as there is room
    for, whose last part is wrong."""
    room = MOST - 256
    for name, wrap in NESTS.items():
        build = with_actions if name in ("clone", "ct", "clone in ct") else with_instructions
        if build is with_instructions and version == V10:
            continue
        yield f"{name} all the way", build(version, nested(wrap, 1 << 16, room))
        output = pack(">HHHH", 0, 8, 1, 0) if version == V10 else pack(">HHIH6x", 0, 16, 1, 0)
        for deep in (4, 13, 14, 15, 16):
            many = output * ((room - 1024) // len(output))
            yield f"{name} {deep} deep", build(version, nested(wrap, deep, room, many))
            yield f"{name} {deep} deep, wrong at the end", build(version, nested(wrap, deep, room, many + bytes(8)))
            wide = turns(wrap, (output * 200).__add__)
            wrong = nested(wide, deep, room, many[:20000] + bytes(8))
            yield f"{name} {deep} deep, wide everywhere, wrong at the end", build(version, wrong)
    if version >= V13:
        for deep in (10, 15, 16, 17, 1 << 16):
            yield f"bundle in bundle {deep} deep", in_bundles(version, deep)
    if version >= V14:
        core = with_actions(version, nested(clone, 14, 40_000, bytes(8)))
        yield "clones in a bundle", message(version, 34, pack(">IHH", 1, 0, 0) + core)


def _as_long_as_possible(made: Message, field: str, element: object, version: int) -> bytes | None:
    """The longest message with copies of `element` in `field`."""

    def with_copies(count: int) -> bytes:
        value = bytes(count) if element is None else (element,) * count
        return encode(msgspec.structs.replace(made, **{field: value}), 7, version)

    try:
        first = len(with_copies(8))
        each = max(1, (len(with_copies(16)) - first) // 8)
    except EncodeError:  # of these there can be but one
        return None
    for spare in (0, 1, 2, 8):
        try:
            return with_copies((MOST - first) // each + 8 - spare)
        except EncodeError:
            continue
    return None


def longest(version: int) -> Iterator[tuple[str, bytes]]:
    """Every message that has a list or octets of any length, with as much of it as a header can count."""
    for home in (MESSAGES, REQUESTS, REPLIES):
        for record in members(home, version):
            for item in layout(type(record), version):
                inner = CODEC.instruction_family if item.kind == "instructions" else item.of
                elements: tuple[object, ...] = ()
                if item.kind == "data":
                    elements = (None,)
                elif item.kind in ("many", "trailer", "instructions"):
                    elements = members(inner, version)[:3] if isinstance(inner, Family) else (sample(inner, version),)
                for element in elements:
                    assert isinstance(record, Message)
                    made = _as_long_as_possible(record, item.names[0], element, version)
                    if made is not None and len(made) > MOST // 2:
                        what = type(element).__name__ if isinstance(element, Record) else "octets"
                        yield f"{type(record).__name__} of {what}", made


def unknown_fields(version: int) -> Iterator[tuple[str, bytes]]:
    """Matches of nothing but fields that nobody knows, each as short as can be, and each another one."""
    room = MOST - 100
    entries, size, number = [], 0, 0
    while size < room - 5:
        entries.append(pack(">HBB", 0x4000 + number // 128, number % 128 << 1, 0))
        size, number = size + 4, number + 1
    many = b"".join(entries)
    many = many[: len(many) // 8 * 8 - 4]
    yield "unknown fields", message(version, 11, bytes(40) + pack(">HH", 1, 4 + len(many)) + many)
    twice = pack(">HBB", 0x4000, 0, 0) * 16000
    yield "one unknown field", message(version, 11, bytes(40) + pack(">HH", 1, 4 + len(twice)) + twice)
    ids = many[: room // 8 * 8 - 200]
    table = pack(">HB5x32sQQII", 64 + 8 + len(ids), 0, b"", 0, 0, 0, 0) + pack(">HH4x", 8, 4 + len(ids))[:4] + ids
    table += bytes(-len(table) % 8)
    table = pack(">H", len(table)) + table[2:]
    yield "unknown names", message(version, 19, pack(">HH4x", 12, 0) + table)
