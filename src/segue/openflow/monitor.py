"""Flow monitors: a switch tells of every change to its flow tables (OpenFlow 1.5.1 section 7.3.5).

What Open vSwitch 3.1 does otherwise: it reads ONLY_OWN as "tell this connection of its own changes in full as well"
(without it they come as `FlowUpdateAbbrev`), it refuses NO_ABBREV, and the error by which it refuses a request names
neither that request nor a reason (its header, xid and version come from elsewhere in its memory). So whoever asks
for a monitor sends a barrier behind it: no answer before the barrier's means that it was refused.

When a reader is slow the switch stops telling (`FlowMonitorPaused`), and when it starts again (`FlowMonitorResumed`) it
has told of what is there by then.
"""

from collections.abc import Mapping
from enum import IntEnum
from struct import Struct
from typing import Final

import msgspec

from segue.openflow.actions import Action
from segue.openflow.flow import decode_instructions, encode_instructions
from segue.openflow.match import Value, decode_match, encode_match
from segue.openflow.wire import ALL_TABLES, ANY_GROUP, ANY_PORT, ProtocolError, need

INITIAL: Final = 1
ADD: Final = 2
REMOVED: Final = 4
MODIFY: Final = 8
INSTRUCTIONS: Final = 16
NO_ABBREV: Final = 32
ONLY_OWN: Final = 64


class MonitorCommand(IntEnum):
    ADD = 0
    MODIFY = 1
    DELETE = 2


class UpdateEvent(IntEnum):
    INITIAL = 0
    ADDED = 1
    REMOVED = 2
    MODIFIED = 3
    ABBREV = 4
    PAUSED = 5
    RESUMED = 6


class FlowMonitorRequest(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """OFPMP_FLOW_MONITOR. `monitor_id` is the caller's own; DELETE takes the monitor away."""

    monitor_id: int
    flags: int = INITIAL | ADD | REMOVED | MODIFY | INSTRUCTIONS
    command: int = MonitorCommand.ADD
    table_id: int = ALL_TABLES
    match: Mapping[str, Value] = msgspec.field(default_factory=dict)
    out_port: int = ANY_PORT
    out_group: int = ANY_GROUP


class FlowUpdate(msgspec.Struct, frozen=True, gc=False):
    """A flow that is there (INITIAL), came, went or changed."""

    event: int
    table_id: int
    priority: int
    match: dict[str, Value]
    actions: tuple[Action, ...] = ()
    goto_table: int | None = None
    cookie: int = 0
    reason: int = 0
    idle_timeout: int = 0
    hard_timeout: int = 0
    other_instructions: bytes = b""


class FlowUpdateAbbrev(msgspec.Struct, frozen=True, gc=False):
    """This connection's own message `xid` did it."""

    xid: int


class FlowMonitorPaused(msgspec.Struct, frozen=True, gc=False):
    pass


class FlowMonitorResumed(msgspec.Struct, frozen=True, gc=False):
    pass


Update = FlowUpdate | FlowUpdateAbbrev | FlowMonitorPaused | FlowMonitorResumed


class FlowMonitorReply(msgspec.Struct, frozen=True, gc=False):
    """Updates, as an answer to the request or, with xid 0, whenever something changes."""

    updates: tuple[Update, ...]
    more: bool = False


_REQUEST: Final = Struct(">IIIHBB")
_HEAD: Final = Struct(">HH")
_SHORT: Final = Struct(">HHI")
_FULL: Final = Struct(">HHBBHHH4xQ")


def encode_request(m: FlowMonitorRequest) -> bytes:
    fixed = _REQUEST.pack(m.monitor_id, m.out_port, m.out_group, m.flags, m.table_id, m.command)
    return fixed + encode_match(m.match)


def decode_request(data: bytes, offset: int) -> FlowMonitorRequest:
    need(data, offset, _REQUEST.size, "flow monitor request")
    monitor_id, out_port, out_group, flags, table_id, command = _REQUEST.unpack_from(data, offset)
    match, _ = decode_match(data, offset + _REQUEST.size)
    return FlowMonitorRequest(
        monitor_id=monitor_id,
        flags=flags,
        command=command,
        table_id=table_id,
        match=match,
        out_port=out_port,
        out_group=out_group,
    )


def encode_update(u: Update) -> bytes:
    if isinstance(u, FlowUpdateAbbrev):
        return _SHORT.pack(8, UpdateEvent.ABBREV, u.xid)
    if isinstance(u, FlowMonitorPaused):
        return _SHORT.pack(8, UpdateEvent.PAUSED, 0)
    if isinstance(u, FlowMonitorResumed):
        return _SHORT.pack(8, UpdateEvent.RESUMED, 0)
    body = encode_match(u.match) + encode_instructions(u.actions, u.goto_table, u.other_instructions)
    length = _FULL.size + len(body)
    fixed = (length, u.event, u.table_id, u.reason, u.idle_timeout, u.hard_timeout, u.priority, u.cookie)
    return _FULL.pack(*fixed) + body


def decode_updates(data: bytes, offset: int) -> tuple[Update, ...]:
    """All updates from `offset` on. ProtocolError on a length that lies or an event that OpenFlow has not."""
    updates: list[Update] = []
    while offset < len(data):
        need(data, offset, 8, "flow update")
        length, event = _HEAD.unpack_from(data, offset)
        after = offset + length
        if length < 8 or length % 8 or after > len(data):
            raise ProtocolError(f"flow update at {offset} claims {length} bytes of {len(data) - offset}")
        updates.append(_decode_update(data, offset, after, event))
        offset = after
    return tuple(updates)


def _decode_update(data: bytes, offset: int, end: int, event: int) -> Update:
    if event == UpdateEvent.ABBREV:
        return FlowUpdateAbbrev(_SHORT.unpack_from(data, offset)[2])
    if event == UpdateEvent.PAUSED:
        return FlowMonitorPaused()
    if event == UpdateEvent.RESUMED:
        return FlowMonitorResumed()
    if event > UpdateEvent.MODIFIED:
        raise ProtocolError(f"flow update with event {event}")
    if end - offset < _FULL.size:
        raise ProtocolError(f"flow update of {end - offset} bytes")
    _, _, table_id, reason, idle, hard, priority, cookie = _FULL.unpack_from(data, offset)
    match, start = decode_match(data, offset + _FULL.size)
    if start > end:
        raise ProtocolError(f"flow update at {offset} is shorter than its match")
    actions, goto_table, others = decode_instructions(data, start, end)
    return FlowUpdate(event, table_id, priority, match, actions, goto_table, cookie, reason, idle, hard, others)
