"""Flow monitors: a switch tells of every change to its flow tables (OpenFlow 1.5.1 section 7.3.5; 1.4 and later).

OpenFlow 1.3 has them by the Open Networking Foundation's extension 187, 1.0 to 1.2 by Nicira's (nicira-ext.h, "Flow
Table Monitoring"): without commands, with other numbers of the events, and with messages of their own that cancel a
monitor and tell of pauses. When a reader is slow the switch stops telling (paused); when it goes on (resumed) it has
told of what is there by then.

What Open vSwitch does otherwise: it reads ONLY_OWN as "tell this connection of its own changes in full as well"
(without it they come abbreviated), it refuses NO_ABBREV, and the error by which it refuses a request names neither
that request nor a reason. So whoever asks for a monitor sends a barrier behind it: no answer before the barrier's is
a refusal.
"""

from collections.abc import Mapping, Sequence
from struct import Struct
from typing import Any, Final

from segue.openflow import declare as w
from segue.openflow import field_text
from segue.openflow.declare import (
    Message,
    Record,
    experimenter_message,
    experimenter_reply,
    experimenter_request,
    member,
    reply,
    request,
    unknown,
)
from segue.openflow.match import MatchLike, decode_match, encode_match
from segue.openflow.names import Flags, Numbers
from segue.openflow.protocol.families import ACTION, Action, Instruction
from segue.openflow.protocol.flow_mod import GroupId, TableId
from segue.openflow.protocol.flows import FlowRemovedReason
from segue.openflow.wire import ALL_TABLES, ANY_GROUP, ANY_PORT, NICIRA, ONF, V10, V12, V13, V14, padded

_HEAD: Final = Struct(">HH")
_OXM: Final = 1

FLOW_UPDATE: Final = w.family("flow update", inside=True, bad_length="OFPBRC_BAD_LEN", length_first=True)
NX_FLOW_UPDATE: Final = w.family("Nicira flow update", inside=True, bad_length="OFPBRC_BAD_LEN", length_first=True)


class FlowMonitorCommand(Numbers, prefix="OFPFMC_"):
    ADD = 0
    MODIFY = 1
    DELETE = 2


class FlowMonitorFlags(Flags, prefix="OFPFMF_"):
    INITIAL = 1
    ADD = 2
    REMOVED = 4
    MODIFY = 8
    INSTRUCTIONS = 16
    NO_ABBREV = 32
    ONLY_OWN = 64


class NxFlowMonitorFlags(Flags, prefix="NXFMF_"):
    INITIAL = 1
    ADD = 2
    DELETE = 4
    MODIFY = 8
    ACTIONS = 16
    OWN = 32


class FlowMonitor(Record, frozen=True, gc=False):
    """One monitor that is asked for (OpenFlow 1.5.1 section 7.3.5, OFPMP_FLOW_MONITOR). `monitor_id` is the caller's
    own, 32 bits; OFPFMC_DELETE takes the monitor away. `table_id` 0xff is all tables; `out_port` and `out_group` ANY
    are no restriction."""

    monitor_id: int
    match: MatchLike = {}
    flags: int = FlowMonitorFlags.INITIAL | 2 | 4 | 8 | FlowMonitorFlags.INSTRUCTIONS
    command: int = FlowMonitorCommand.ADD
    table_id: int = ALL_TABLES
    out_port: int = ANY_PORT
    out_group: int = ANY_GROUP

    WIRE = (
        w.u32("monitor_id"),
        w.port("out_port"),
        w.u32("out_group", GroupId),
        w.u16("flags", FlowMonitorFlags),
        w.u8("table_id", TableId),
        w.u8("command", FlowMonitorCommand),
        w.match("match"),
    )


@request("OFPMP_FLOW_MONITOR", {V14: 16})
class FlowMonitorRequest(Message, frozen=True, gc=False):
    """Adds, changes or takes away monitors (OpenFlow 1.5.1 section 7.3.5, OFPMP_FLOW_MONITOR)."""

    monitors: Sequence[FlowMonitor] = ()
    flags: int = 0

    WIRE = (w.many("monitors", FlowMonitor),)


class FlowUpdate(Record, frozen=True, gc=False):
    """What a monitor tells of (OpenFlow 1.5.1 section 7.3.5, OFPMP_FLOW_MONITOR)."""


@unknown(FLOW_UPDATE)
class UnknownFlowUpdate(FlowUpdate, frozen=True, gc=False):
    """An update of an event that nobody declared: the octets behind its length and event (OpenFlow 1.5.1 section 7.3.5,
    OFPMP_FLOW_MONITOR)."""

    type: int
    data: bytes = b""


class FlowUpdateFull(FlowUpdate, frozen=True, gc=False):
    """A flow entry that is there, came, went or changed (OpenFlow 1.5.1 section 7.3.5, OFPMP_FLOW_MONITOR).
    `idle_timeout` and `hard_timeout` are in seconds, 0 for none; `priority` is 0 to 65535; `reason` is that of a
    removal."""

    match: MatchLike = {}
    actions: Sequence[Action] = ()
    instructions: Sequence[Instruction] = ()
    table_id: int = 0
    priority: int = 0
    cookie: int = 0
    reason: int = 0
    idle_timeout: int = 0
    hard_timeout: int = 0

    WIRE = (
        w.u8("table_id"),
        w.u8("reason", FlowRemovedReason),
        w.u16("idle_timeout"),
        w.u16("hard_timeout"),
        w.u16("priority"),
        w.pad(4),
        w.u64("cookie"),
        w.match("match"),
        w.instructions("instructions", "actions"),
    )


@member(FLOW_UPDATE, "OFPFME_INITIAL", {V14: 0})
class FlowUpdateInitial(FlowUpdateFull, frozen=True, gc=False):
    """There when the monitor was made (OpenFlow 1.5.1 section 7.3.5, OFPMP_FLOW_MONITOR)."""


@member(FLOW_UPDATE, "OFPFME_ADDED", {V14: 1})
class FlowUpdateAdded(FlowUpdateFull, frozen=True, gc=False):
    """Added (OpenFlow 1.5.1 section 7.3.5, OFPMP_FLOW_MONITOR)."""


@member(FLOW_UPDATE, "OFPFME_REMOVED", {V14: 2})
class FlowUpdateRemoved(FlowUpdateFull, frozen=True, gc=False):
    """Removed (OpenFlow 1.5.1 section 7.3.5, OFPMP_FLOW_MONITOR)."""


@member(FLOW_UPDATE, "OFPFME_MODIFIED", {V14: 3})
class FlowUpdateModified(FlowUpdateFull, frozen=True, gc=False):
    """Given other instructions (OpenFlow 1.5.1 section 7.3.5, OFPMP_FLOW_MONITOR)."""


@member(FLOW_UPDATE, "OFPFME_ABBREV", {V14: 4})
class FlowUpdateAbbrev(FlowUpdate, frozen=True, gc=False):
    """This connection's own message `xid` did it (OpenFlow 1.5.1 section 7.3.5, OFPMP_FLOW_MONITOR)."""

    xid: int

    WIRE = (w.u32("xid"),)


@member(FLOW_UPDATE, "OFPFME_PAUSED", {V14: 5})
class FlowUpdatePaused(FlowUpdate, frozen=True, gc=False):
    """From here on changes are not told of (OpenFlow 1.5.1 section 7.3.5, OFPMP_FLOW_MONITOR)."""

    WIRE = (w.pad(4),)


@member(FLOW_UPDATE, "OFPFME_RESUMED", {V14: 6})
class FlowUpdateResumed(FlowUpdate, frozen=True, gc=False):
    """What changed during the pause has been told of (OpenFlow 1.5.1 section 7.3.5, OFPMP_FLOW_MONITOR)."""

    WIRE = (w.pad(4),)


@reply("OFPMP_FLOW_MONITOR", {V14: 16})
class FlowMonitorReply(Message, frozen=True, gc=False):
    """Updates, as the answer to a request or, with xid 0, whenever something changes (OpenFlow 1.5.1 section 7.3.5,
    OFPMP_FLOW_MONITOR)."""

    updates: Sequence[FlowUpdate] = ()
    flags: int = 0

    WIRE = (w.many("updates", FLOW_UPDATE),)


# -- before OpenFlow 1.4 -------------------------------------------------------------------------------------------


class BareMatch(dict[str, Any]):
    """A match that stands on the wire as its fields alone, without the head of `ofp_match`.

    Extension 187 wants this in OpenFlow 1.3; Open vSwitch writes, and reads nothing but, a whole `ofp_match`, which
    is therefore what any other mapping becomes.
    """


class _OnfMatch:
    """A match of OpenFlow 1.3 in as many octets as are said before it, without padding."""

    def encode(self, value: MatchLike, version: int) -> bytes:
        whole = encode_match(value, version)
        return whole[4 if isinstance(value, BareMatch) else 0 : _HEAD.unpack_from(whole)[1]]

    def decode(self, data: bytes, offset: int, end: int, version: int) -> tuple[MatchLike, int]:
        size = end - offset
        if data[offset : offset + 4] == _HEAD.pack(_OXM, size):
            return decode_match(padded(data[offset:end]), 0, size + -size % 8, version)[0], end
        whole = padded(_HEAD.pack(_OXM, 4 + size) + data[offset:end])
        return BareMatch(decode_match(whole, 0, len(whole), version)[0]), end

    def to_json(self, value: MatchLike, version: int) -> Any:
        said = field_text.match_to_json(value, version)
        return {"oxm_fields": said} if isinstance(value, BareMatch) else said

    def from_json(self, obj: Any, version: int) -> Any:
        if isinstance(obj, Mapping) and obj.keys() == {"oxm_fields"}:
            return BareMatch(field_text.match_from_json(obj["oxm_fields"], version))
        return field_text.match_from_json(obj, version)

    def schema(self) -> dict[str, Any]:
        match = field_text.json_schema_of_match()
        bare = {"type": "object", "properties": {"oxm_fields": match}, "required": ["oxm_fields"]}
        return {"anyOf": [match, bare | {"additionalProperties": False}]}


class NxFlowMonitor(Record, frozen=True, gc=False):
    """One monitor that is asked for: `struct nx_flow_monitor_request` (nicira-ext.h), in OpenFlow 1.3 `struct
    onf_flow_monitor_request` (ONF extension 187). `id` has 32 bits and is the caller's own; `table_id` 0xff is all
    tables, `out_port` ANY no restriction."""

    id: int
    match: MatchLike = {}
    flags: int = NxFlowMonitorFlags.INITIAL | 2 | 4 | 8 | NxFlowMonitorFlags.ACTIONS
    table_id: int = ALL_TABLES
    out_port: int = ANY_PORT

    WIRE = (
        w.u32("id"),
        w.u16("flags", NxFlowMonitorFlags),
        w.port16("out_port", until=V12),
        w.size("match"),
        w.port("out_port", since=V13),
        w.u8("table_id", TableId),
        w.pad(5, until=V12),
        w.pad(3, since=V13),
        w.nxm("match", until=V12),
        w.custom("match", _OnfMatch(), since=V13),
        w.align(since=V13),
    )


@experimenter_request("NXST_FLOW_MONITOR", NICIRA, 2, until=V12)
class NxFlowMonitorRequest(Message, frozen=True, gc=False):
    """Adds monitors in OpenFlow 1.0 to 1.2 (nicira-ext.h, Flow Table Monitoring)."""

    monitors: Sequence[NxFlowMonitor] = ()
    flags: int = 0

    WIRE = (w.many("monitors", NxFlowMonitor),)


@experimenter_request("ONFST_FLOW_MONITOR", ONF, 1870, since=V13, until=V13)
class OnfFlowMonitorRequest(NxFlowMonitorRequest, frozen=True, gc=False):
    """Adds monitors in OpenFlow 1.3 (ONF extension 187)."""


class NxFlowUpdate(Record, frozen=True, gc=False):
    """What a monitor tells of (nicira-ext.h, Flow Table Monitoring)."""


@unknown(NX_FLOW_UPDATE)
class UnknownNxFlowUpdate(NxFlowUpdate, frozen=True, gc=False):
    """An update of an event that nobody declared: the octets behind its length and event (nicira-ext.h, Flow Table
    Monitoring)."""

    type: int
    data: bytes = b""


class NxFlowUpdateFull(NxFlowUpdate, frozen=True, gc=False):
    """A flow entry that is there, came, went or changed (nicira-ext.h, `struct nx_flow_update_full`): with `actions`
    until OpenFlow 1.2, `instructions` in 1.3. `idle_timeout` and `hard_timeout` are in seconds, 0 for none; `priority`
    is 0 to 65535; `reason` is that of a removal."""

    match: MatchLike = {}
    actions: Sequence[Action] = ()
    instructions: Sequence[Instruction] = ()
    table_id: int = 0
    priority: int = 0
    cookie: int = 0
    reason: int = 0
    idle_timeout: int = 0
    hard_timeout: int = 0

    WIRE = (
        w.u16("reason", FlowRemovedReason),
        w.u16("priority"),
        w.u16("idle_timeout"),
        w.u16("hard_timeout"),
        w.size("match"),
        w.u8("table_id"),
        w.pad(1),
        w.u64("cookie"),
        w.nxm("match", until=V12),
        w.custom("match", _OnfMatch(), since=V13),
        w.align(since=V13),
        w.many("actions", ACTION, until=V12),
        w.instructions("instructions", "actions", since=V13),
    )


@member(NX_FLOW_UPDATE, "NXFME_ADDED", {V10: 0, V14: None})
class NxFlowUpdateAdded(NxFlowUpdateFull, frozen=True, gc=False):
    """Added, or there when the monitor was made (nicira-ext.h, Flow Table Monitoring)."""


@member(NX_FLOW_UPDATE, "NXFME_DELETED", {V10: 1, V14: None})
class NxFlowUpdateDeleted(NxFlowUpdateFull, frozen=True, gc=False):
    """Removed (nicira-ext.h, Flow Table Monitoring)."""


@member(NX_FLOW_UPDATE, "NXFME_MODIFIED", {V10: 2, V14: None})
class NxFlowUpdateModified(NxFlowUpdateFull, frozen=True, gc=False):
    """Given other actions (nicira-ext.h, Flow Table Monitoring)."""


@member(NX_FLOW_UPDATE, "NXFME_ABBREV", {V10: 3, V14: None})
class NxFlowUpdateAbbrev(NxFlowUpdate, frozen=True, gc=False):
    """This connection's own message `xid` did it (nicira-ext.h, Flow Table Monitoring)."""

    xid: int

    WIRE = (w.u32("xid"),)


@experimenter_reply("NXST_FLOW_MONITOR", NICIRA, 2, until=V12)
class NxFlowMonitorReply(Message, frozen=True, gc=False):
    """Updates in OpenFlow 1.0 to 1.2 (nicira-ext.h, Flow Table Monitoring)."""

    updates: Sequence[NxFlowUpdate] = ()
    flags: int = 0

    WIRE = (w.many("updates", NX_FLOW_UPDATE),)


@experimenter_reply("ONFST_FLOW_MONITOR", ONF, 1870, since=V13, until=V13)
class OnfFlowMonitorReply(NxFlowMonitorReply, frozen=True, gc=False):
    """Updates in OpenFlow 1.3 (ONF extension 187)."""


@experimenter_message("NXT_FLOW_MONITOR_CANCEL", NICIRA, 21, until=V12)
class NxFlowMonitorCancel(Message, frozen=True, gc=False):
    """Takes the monitor `id` away (nicira-ext.h, Flow Table Monitoring)."""

    id: int

    WIRE = (w.u32("id"),)


@experimenter_message("ONFT_FLOW_MONITOR_CANCEL", ONF, 1870, since=V13, until=V13)
class OnfFlowMonitorCancel(NxFlowMonitorCancel, frozen=True, gc=False):
    """Takes the monitor `id` away (ONF extension 187)."""


@experimenter_message("NXT_FLOW_MONITOR_PAUSED", NICIRA, 22, until=V12)
class NxFlowMonitorPaused(Message, frozen=True, gc=False):
    """From here on changes are not told of (nicira-ext.h, Flow Table Monitoring)."""


@experimenter_message("ONFT_FLOW_MONITOR_PAUSED", ONF, 1871, since=V13, until=V13)
class OnfFlowMonitorPaused(NxFlowMonitorPaused, frozen=True, gc=False):
    """From here on changes are not told of (ONF extension 187)."""


@experimenter_message("NXT_FLOW_MONITOR_RESUMED", NICIRA, 23, until=V12)
class NxFlowMonitorResumed(Message, frozen=True, gc=False):
    """What changed during the pause has been told of (nicira-ext.h, Flow Table Monitoring)."""


@experimenter_message("ONFT_FLOW_MONITOR_RESUMED", ONF, 1872, since=V13, until=V13)
class OnfFlowMonitorResumed(NxFlowMonitorResumed, frozen=True, gc=False):
    """What changed during the pause has been told of (ONF extension 187)."""
