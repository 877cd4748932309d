"""Flow entries: the message that changes them, and the forms in which a switch tells of them.

OpenFlow 1.5.1 sections 7.2.5 (instructions), 7.3.4.2 (flow mod), 7.3.5 (flow descriptions), 7.4.2
(flow removed) and 7.2.4 (OXS, the TLVs that carry counters). Of the instructions, apply-actions and goto-table have
fields of their own; any other is kept, byte for byte, in `other_instructions`.

Durations and idle times are seconds; counters are None where the switch does not tell.
"""

from collections.abc import Mapping, Sequence
from enum import IntEnum
from struct import Struct
from struct import error as StructError  # noqa: N812
from typing import Any, Final

import msgspec

from segue.openflow.actions import Action, decode_actions, encode_actions
from segue.openflow.match import Match, Value, decode_match, encode_match
from segue.openflow.wire import (
    ALL_TABLES,
    ANY_GROUP,
    ANY_PORT,
    NO_BUFFER,
    EncodeError,
    ProtocolError,
    need,
    padded,
)

DEFAULT_PRIORITY: Final = 0x8000

# Flow mod flags, section 7.3.4.2.
SEND_FLOW_REM: Final = 1
CHECK_OVERLAP: Final = 2
RESET_COUNTS: Final = 4
NO_PKT_COUNTS: Final = 8
NO_BYT_COUNTS: Final = 16


class Command(IntEnum):
    ADD = 0
    MODIFY = 1
    MODIFY_STRICT = 2
    DELETE = 3
    DELETE_STRICT = 4


class RemovedReason(IntEnum):
    IDLE_TIMEOUT = 0
    HARD_TIMEOUT = 1
    DELETE = 2
    GROUP_DELETE = 3
    METER_DELETE = 4
    EVICTION = 5


class FlowMod(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """OFPT_FLOW_MOD. `actions` are applied at once, then the packet goes to `goto_table` if there is one."""

    command: int = Command.ADD
    table_id: int = 0
    priority: int = DEFAULT_PRIORITY
    match: Match = msgspec.field(default_factory=dict)
    actions: Sequence[Action] = ()
    goto_table: int | None = None
    cookie: int = 0
    cookie_mask: int = 0
    idle_timeout: int = 0
    hard_timeout: int = 0
    flags: int = 0
    importance: int = 0
    out_port: int = ANY_PORT
    out_group: int = ANY_GROUP
    buffer_id: int = NO_BUFFER
    other_instructions: bytes = b""


class Counters(msgspec.Struct, frozen=True, gc=False):
    """OXS: what a switch counted. Durations in seconds."""

    duration: float | None = None
    idle_time: float | None = None
    flow_count: int | None = None
    packet_count: int | None = None
    byte_count: int | None = None


class FlowEntry(msgspec.Struct, frozen=True, gc=False):
    """One flow of a flow description reply."""

    table_id: int
    priority: int
    match: dict[str, Value]
    actions: tuple[Action, ...] = ()
    goto_table: int | None = None
    cookie: int = 0
    idle_timeout: int = 0
    hard_timeout: int = 0
    flags: int = 0
    importance: int = 0
    other_instructions: bytes = b""
    counters: Counters = Counters()


class FlowRemoved(msgspec.Struct, frozen=True, gc=False):
    """OFPT_FLOW_REMOVED: a flow that asked for it (SEND_FLOW_REM) is gone."""

    table_id: int
    priority: int
    reason: int
    match: dict[str, Value]
    cookie: int = 0
    idle_timeout: int = 0
    hard_timeout: int = 0
    counters: Counters = Counters()


# -- instructions --------------------------------------------------------------------------------------------------

_GOTO_TABLE, _APPLY_ACTIONS = 1, 4
_INSTRUCTION: Final = Struct(">HH4x")
_GOTO: Final = Struct(">HHB3x")


def encode_instructions(actions: Sequence[Action], goto_table: int | None, others: bytes) -> bytes:
    """An instruction set. An empty action list has no instruction of its own."""
    result = b""
    if actions:
        body = encode_actions(actions)
        if len(body) > 0xFFFF - 8:
            raise EncodeError(f"{len(body)} bytes of actions do not fit one instruction")
        result = _INSTRUCTION.pack(_APPLY_ACTIONS, 8 + len(body)) + body
    if others:
        result += others
    if goto_table is not None:
        result += _GOTO.pack(_GOTO_TABLE, 8, goto_table)
    return result


def decode_instructions(data: bytes, offset: int, end: int) -> tuple[tuple[Action, ...], int | None, bytes]:
    """The instructions that fill `offset` to `end`: actions to apply, table to go to, the others."""
    actions: tuple[Action, ...] = ()
    goto_table: int | None = None
    others = b""
    while offset < end:
        if end - offset < 8:
            raise ProtocolError(f"{end - offset} bytes of an instruction at {offset}")
        kind, length = _INSTRUCTION.unpack_from(data, offset)
        after = offset + length
        if length < 8 or after > end:
            raise ProtocolError(f"instruction of type {kind} at {offset} claims {length} bytes of {end - offset}")
        if kind == _APPLY_ACTIONS:
            actions = decode_actions(data, offset + 8, after)
        elif kind == _GOTO_TABLE and length == 8:
            goto_table = data[offset + 4]
        else:
            others += data[offset:after]
        offset = after
    return actions, goto_table, others


# -- OXS -----------------------------------------------------------------------------------------------------------

_OXS_HEAD: Final = Struct(">HH")
_OXS_FIELD: Final = Struct(">HBB")
_OXS_CLASS: Final = 0x8002
_DURATION, _IDLE_TIME, _FLOW_COUNT, _PACKET_COUNT, _BYTE_COUNT = 0, 1, 3, 4, 5
_TIME: Final = Struct(">II")
# What Open vSwitch sends for a flow, read in one go: duration, idle time, packets, bytes, in this order.
_USUAL: Final = Struct(">HH4sII4sII4sQ4sQ")
_H_DURATION, _H_IDLE_TIME = b"\x80\x02\x00\x08", b"\x80\x02\x02\x08"
_H_FLOW_COUNT, _H_PACKET_COUNT, _H_BYTE_COUNT = b"\x80\x02\x06\x04", b"\x80\x02\x08\x08", b"\x80\x02\x0a\x08"


def encode_counters(counters: Counters) -> bytes:
    parts = [b""]
    for header, seconds in ((_H_DURATION, counters.duration), (_H_IDLE_TIME, counters.idle_time)):
        if seconds is not None:
            whole = int(seconds)
            parts.append(header + _TIME.pack(whole, round((seconds - whole) * 1e9) % 1_000_000_000))
    for header, size, count in (
        (_H_FLOW_COUNT, 4, counters.flow_count),
        (_H_PACKET_COUNT, 8, counters.packet_count),
        (_H_BYTE_COUNT, 8, counters.byte_count),
    ):
        if count is not None:
            parts.append(header + count.to_bytes(size, "big"))
    body = b"".join(parts)
    return padded(_OXS_HEAD.pack(0, 4 + len(body)) + body)


def decode_counters(data: bytes, offset: int) -> tuple[Counters, int]:
    """The `ofp_stats` at `offset`, and where it ends. Counters that are not known are passed over."""
    need(data, offset, 8, "statistics")
    _, length = _OXS_HEAD.unpack_from(data, offset)
    after = offset + length + -length % 8
    if length < 4 or after > len(data):
        raise ProtocolError(f"statistics at {offset} claim {length} bytes of {len(data) - offset}")
    if length == _USUAL.size:
        _, _, h1, s1, n1, h2, s2, n2, h3, packets, h4, octets = _USUAL.unpack_from(data, offset)
        if (h1, h2, h3, h4) == (_H_DURATION, _H_IDLE_TIME, _H_PACKET_COUNT, _H_BYTE_COUNT):
            return Counters(s1 + n1 / 1e9, s2 + n2 / 1e9, None, packets, octets), after
    end = offset + length
    offset += 4
    found: dict[str, Any] = {}
    while offset < end:
        if end - offset < 4:
            raise ProtocolError(f"{end - offset} bytes of a counter at {offset}")
        oxs_class, number, size = _OXS_FIELD.unpack_from(data, offset)
        offset += 4
        if offset + size > end:
            raise ProtocolError(f"counter at {offset} passes the end at {end}")
        name = _OXS_NAMES.get((oxs_class, number >> 1, size))
        if name in ("duration", "idle_time"):
            seconds, nanoseconds = _TIME.unpack_from(data, offset)
            found[name] = seconds + nanoseconds / 1e9
        elif name is not None:
            found[name] = int.from_bytes(data[offset : offset + size], "big")
        offset += size
    return Counters(**found), after


_OXS_NAMES: Final = {
    (_OXS_CLASS, _DURATION, 8): "duration",
    (_OXS_CLASS, _IDLE_TIME, 8): "idle_time",
    (_OXS_CLASS, _FLOW_COUNT, 4): "flow_count",
    (_OXS_CLASS, _PACKET_COUNT, 8): "packet_count",
    (_OXS_CLASS, _BYTE_COUNT, 8): "byte_count",
}

# -- messages ------------------------------------------------------------------------------------------------------

_FLOW_MOD: Final = Struct(">QQBBHHHIIIHH")


def encode_flow_mod(mod: FlowMod) -> bytes:
    """The body of OFPT_FLOW_MOD."""
    try:
        return (
            _FLOW_MOD.pack(
                mod.cookie,
                mod.cookie_mask,
                mod.table_id,
                mod.command,
                mod.idle_timeout,
                mod.hard_timeout,
                mod.priority,
                mod.buffer_id,
                mod.out_port,
                mod.out_group,
                mod.flags,
                mod.importance,
            )
            + encode_match(mod.match)
            + encode_instructions(mod.actions, mod.goto_table, mod.other_instructions)
        )
    except StructError as e:
        raise EncodeError(f"flow mod: {e}") from None


def decode_flow_mod(data: bytes) -> FlowMod:
    need(data, 8, _FLOW_MOD.size, "flow mod")
    (
        cookie,
        cookie_mask,
        table_id,
        command,
        idle,
        hard,
        priority,
        buffer_id,
        out_port,
        out_group,
        flags,
        importance,
    ) = _FLOW_MOD.unpack_from(data, 8)
    match, offset = decode_match(data, 8 + _FLOW_MOD.size)
    actions, goto_table, others = decode_instructions(data, offset, len(data))
    return FlowMod(
        command=command,
        table_id=table_id,
        priority=priority,
        match=match,
        actions=actions,
        goto_table=goto_table,
        cookie=cookie,
        cookie_mask=cookie_mask,
        idle_timeout=idle,
        hard_timeout=hard,
        flags=flags,
        importance=importance,
        out_port=out_port,
        out_group=out_group,
        buffer_id=buffer_id,
        other_instructions=others,
    )


_REMOVED: Final = Struct(">BBHHHQ")


def encode_flow_removed(m: FlowRemoved) -> bytes:
    fixed = _REMOVED.pack(m.table_id, m.reason, m.priority, m.idle_timeout, m.hard_timeout, m.cookie)
    return fixed + encode_match(m.match) + encode_counters(m.counters)


def decode_flow_removed(data: bytes) -> FlowRemoved:
    need(data, 8, _REMOVED.size, "flow removed")
    table_id, reason, priority, idle, hard, cookie = _REMOVED.unpack_from(data, 8)
    match, offset = decode_match(data, 8 + _REMOVED.size)
    counters, _ = decode_counters(data, offset)
    return FlowRemoved(table_id, priority, reason, match, cookie, idle, hard, counters)


_ENTRY: Final = Struct(">H2xBxHHHHHQ")


def encode_entry(entry: FlowEntry) -> bytes:
    """One `ofp_flow_desc`."""
    body = (
        encode_match(entry.match)
        + encode_counters(entry.counters)
        + encode_instructions(entry.actions, entry.goto_table, entry.other_instructions)
    )
    return (
        _ENTRY.pack(
            _ENTRY.size + len(body),
            entry.table_id,
            entry.priority,
            entry.idle_timeout,
            entry.hard_timeout,
            entry.flags,
            entry.importance,
            entry.cookie,
        )
        + body
    )


def decode_entry(data: bytes, offset: int) -> tuple[FlowEntry, int]:
    """The `ofp_flow_desc` at `offset`, and where it ends."""
    need(data, offset, _ENTRY.size, "flow description")
    length, table_id, priority, idle, hard, flags, importance, cookie = _ENTRY.unpack_from(data, offset)
    after = offset + length
    if length < _ENTRY.size or after > len(data):
        raise ProtocolError(f"flow description at {offset} claims {length} bytes of {len(data) - offset}")
    match, start = decode_match(data, offset + _ENTRY.size)
    counters, start = decode_counters(data, start)
    if start > after:
        raise ProtocolError(f"flow description at {offset} is shorter than what it holds")
    actions, goto_table, others = decode_instructions(data, start, after)
    entry = FlowEntry(
        table_id, priority, match, actions, goto_table, cookie, idle, hard, flags, importance, others, counters
    )
    return entry, after


class FlowFilter(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """Which flows a request means: those within `match` whose cookie agrees with `cookie` under `cookie_mask`.

    Open vSwitch keeps flows of its own in table 254 and hides them, except where all of the cookie is asked for and
    it is 0, as theirs is.
    """

    table_id: int = ALL_TABLES
    match: Mapping[str, Value] = msgspec.field(default_factory=dict)
    cookie: int = 0
    cookie_mask: int = 0
    out_port: int = ANY_PORT
    out_group: int = ANY_GROUP


_FILTER: Final = Struct(">B3xII4xQQ")


def encode_filter(f: FlowFilter) -> bytes:
    fixed = _FILTER.pack(f.table_id, f.out_port, f.out_group, f.cookie, f.cookie_mask)
    return fixed + encode_match(f.match)


def decode_filter(data: bytes, offset: int) -> dict[str, Any]:
    """The fields of the filter at `offset`, by name."""
    need(data, offset, _FILTER.size, "flow filter")
    table_id, out_port, out_group, cookie, cookie_mask = _FILTER.unpack_from(data, offset)
    match, _ = decode_match(data, offset + _FILTER.size)
    return {
        "table_id": table_id,
        "match": match,
        "cookie": cookie,
        "cookie_mask": cookie_mask,
        "out_port": out_port,
        "out_group": out_group,
    }
