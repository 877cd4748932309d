"""Requests whose answers come in parts, and those answers (OpenFlow 1.5.1 section 7.3.5).

Flow descriptions (type 1), aggregates (2), ports (13) and flow monitors (16). A part says `more` while others
follow. OFPMP_FLOW_STATS (17), counters without instructions, is not here: Open vSwitch does not answer it up to
3.1 (`ofp-msgs.h` has no such message).
"""

from collections.abc import Callable
from struct import Struct
from typing import Any, Final

import msgspec

from segue.openflow import monitor
from segue.openflow.flow import (
    Counters,
    FlowEntry,
    FlowFilter,
    decode_counters,
    decode_entry,
    decode_filter,
    encode_counters,
    encode_entry,
    encode_filter,
)
from segue.openflow.monitor import FlowMonitorReply, FlowMonitorRequest
from segue.openflow.port import Port, decode_port, encode_port
from segue.openflow.wire import ANY_PORT, ProtocolError, need


class FlowStatsRequest(FlowFilter, frozen=True, kw_only=True, gc=False):
    """OFPMP_FLOW_DESC: the flows themselves, with their counters."""


class FlowStatsReply(msgspec.Struct, frozen=True, gc=False):
    flows: tuple[FlowEntry, ...]
    more: bool = False


class AggregateRequest(FlowFilter, frozen=True, kw_only=True, gc=False):
    """OFPMP_AGGREGATE_STATS: how many flows, and their counters added up."""


class AggregateReply(msgspec.Struct, frozen=True, gc=False):
    flow_count: int
    packet_count: int
    byte_count: int


class PortDescRequest(msgspec.Struct, frozen=True, gc=False):
    """OFPMP_PORT_DESC: one port, or all."""

    port: int = ANY_PORT


class PortDescReply(msgspec.Struct, frozen=True, gc=False):
    ports: tuple[Port, ...]
    more: bool = False


Request = FlowStatsRequest | AggregateRequest | PortDescRequest | FlowMonitorRequest
Reply = FlowStatsReply | AggregateReply | PortDescReply | FlowMonitorReply

_HEAD: Final = Struct(">HH4x")
_BODY: Final = 16
_MORE: Final = 1
_PORT_REQUEST: Final = Struct(">I4x")
_FLOW_DESC, _AGGREGATE, _PORT_DESC, _FLOW_MONITOR = 1, 2, 13, 16


def encode_request(m: Request) -> bytes:
    """The body of OFPT_MULTIPART_REQUEST."""
    kind, write = _WRITE_REQUEST[m.__class__]
    return _HEAD.pack(kind, 0) + write(m)


def encode_reply(m: Reply) -> bytes:
    """The body of OFPT_MULTIPART_REPLY."""
    kind, write = _WRITE_REPLY[m.__class__]
    return _HEAD.pack(kind, _MORE if getattr(m, "more", False) else 0) + write(m)


def decode_request(data: bytes) -> Request | None:
    """The request in a whole message, or None if its type is not one of those above."""
    need(data, 8, _HEAD.size, "multipart request")
    kind, _ = _HEAD.unpack_from(data, 8)
    read = _READ_REQUEST.get(kind)
    return None if read is None else read(data)


def decode_reply(data: bytes) -> Reply | None:
    """The reply in a whole message, or None if its type is not one of those above."""
    need(data, 8, _HEAD.size, "multipart reply")
    kind, flags = _HEAD.unpack_from(data, 8)
    read = _READ_REPLY.get(kind)
    return None if read is None else read(data, bool(flags & _MORE))


def join(parts: list[Any]) -> Any:
    """One reply out of all its parts."""
    first = parts[0]
    if len(parts) == 1:
        return first
    if isinstance(first, FlowStatsReply):
        return FlowStatsReply(tuple(flow for part in parts for flow in part.flows))
    if isinstance(first, PortDescReply):
        return PortDescReply(tuple(port for part in parts for port in part.ports))
    if isinstance(first, FlowMonitorReply):
        return FlowMonitorReply(tuple(update for part in parts for update in part.updates))
    raise ProtocolError(f"{first.__class__.__name__} came in {len(parts)} parts")


def _flows(data: bytes, more: bool) -> FlowStatsReply:
    flows: list[FlowEntry] = []
    offset = _BODY
    while offset < len(data):
        flow, offset = decode_entry(data, offset)
        flows.append(flow)
    return FlowStatsReply(tuple(flows), more)


def _aggregate(data: bytes, more: bool) -> AggregateReply:
    if more:
        raise ProtocolError("an aggregate comes whole")
    c, _ = decode_counters(data, _BODY)
    return AggregateReply(c.flow_count or 0, c.packet_count or 0, c.byte_count or 0)


def _ports(data: bytes, more: bool) -> PortDescReply:
    ports: list[Port] = []
    offset = _BODY
    while offset < len(data):
        port, offset = decode_port(data, offset)
        ports.append(port)
    return PortDescReply(tuple(ports), more)


def _port_request(data: bytes) -> PortDescRequest:
    need(data, _BODY, _PORT_REQUEST.size, "port description request")
    return PortDescRequest(*_PORT_REQUEST.unpack_from(data, _BODY))


_WRITE_REQUEST: Final[dict[type[Any], tuple[int, Callable[[Any], bytes]]]] = {
    FlowStatsRequest: (_FLOW_DESC, encode_filter),
    AggregateRequest: (_AGGREGATE, encode_filter),
    PortDescRequest: (_PORT_DESC, lambda m: _PORT_REQUEST.pack(m.port)),
    FlowMonitorRequest: (_FLOW_MONITOR, monitor.encode_request),
}
_READ_REQUEST: Final[dict[int, Callable[[bytes], Request]]] = {
    _FLOW_DESC: lambda data: FlowStatsRequest(**decode_filter(data, _BODY)),
    _AGGREGATE: lambda data: AggregateRequest(**decode_filter(data, _BODY)),
    _PORT_DESC: _port_request,
    _FLOW_MONITOR: lambda data: monitor.decode_request(data, _BODY),
}
_WRITE_REPLY: Final[dict[type[Any], tuple[int, Callable[[Any], bytes]]]] = {
    FlowStatsReply: (_FLOW_DESC, lambda m: b"".join(map(encode_entry, m.flows))),
    AggregateReply: (
        _AGGREGATE,
        lambda m: encode_counters(Counters(None, None, m.flow_count, m.packet_count, m.byte_count)),
    ),
    PortDescReply: (_PORT_DESC, lambda m: b"".join(map(encode_port, m.ports))),
    FlowMonitorReply: (_FLOW_MONITOR, lambda m: b"".join(map(monitor.encode_update, m.updates))),
}
_READ_REPLY: Final[dict[int, Callable[[bytes, bool], Reply]]] = {
    _FLOW_DESC: _flows,
    _AGGREGATE: _aggregate,
    _PORT_DESC: _ports,
    _FLOW_MONITOR: lambda data, more: FlowMonitorReply(monitor.decode_updates(data, _BODY), more),
}
