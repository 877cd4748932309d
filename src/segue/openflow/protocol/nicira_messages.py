"""Open vSwitch's own messages that have to do with flow entries, roles and the connection (nicira-ext.h).

NXM came before OXM, so OpenFlow 1.0 has flow mods and statistics of its own here; most of the rest exists in every
version. Packet-ins are in `nicira_packets`, connection tracking in `nicira_conntrack`, tunnel options and IPFIX in
`nicira_tables`, flow monitors in `monitors`.
"""

from collections.abc import Sequence

from segue.openflow import declare as w
from segue.openflow.declare import Message, Record, experimenter_message, experimenter_reply, experimenter_request
from segue.openflow.match import MatchLike
from segue.openflow.names import Numbers
from segue.openflow.protocol.families import ACTION, Action
from segue.openflow.protocol.flow_mod import BufferId, FlowModCommand, FlowModFlags, TableId
from segue.openflow.protocol.flows import FlowRemovedReason
from segue.openflow.protocol.roles import ASYNC_PROPERTY, AsyncProperty, FlowRemovedMask, PacketInMask, PortStatusMask
from segue.openflow.wire import ALL_TABLES, ANY_PORT, NICIRA, NO_BUFFER, V10, V13


class NxRole(Numbers, prefix="NX_ROLE_"):
    OTHER = 0
    MASTER = 1
    SLAVE = 2


class FlowFormat(Numbers, prefix="NXFF_"):
    OPENFLOW10 = 0
    NXM = 2


@experimenter_message("NXT_ROLE_REQUEST", NICIRA, 10)
class NxRoleRequest(Message, frozen=True, gc=False):
    """Asks for a role (include/openvswitch/ofp-msgs.h, NXT_ROLE_REQUEST). There is no election's number as OpenFlow 1.2
    has it."""

    role: int

    WIRE = (w.u32("role", NxRole),)


@experimenter_message("NXT_ROLE_REPLY", NICIRA, 11)
class NxRoleReply(Message, frozen=True, gc=False):
    """The role that it is now (include/openvswitch/ofp-msgs.h, NXT_ROLE_REPLY)."""

    role: int

    WIRE = (w.u32("role", NxRole),)


@experimenter_message("NXT_SET_FLOW_FORMAT", NICIRA, 12, until=V10)
class SetFlowFormat(Message, frozen=True, gc=False):
    """Which flow format the switch is to use for flow-removed messages (include/openvswitch/ofp-msgs.h,
    NXT_SET_FLOW_FORMAT)."""

    format: int

    WIRE = (w.u32("format", FlowFormat),)


@experimenter_message("NXT_FLOW_MOD", NICIRA, 13)
class NxFlowMod(Message, frozen=True, gc=False):
    """A flow mod with an NXM match (nicira-ext.h, NXT_FLOW_MOD). With `FlowModTableId` on, the upper 8 bits of
    `command` are the table. NXM_NX_COOKIE in the match restricts changes by cookie. `idle_timeout` and `hard_timeout`
    are in seconds, 0 for none; `priority` is 0 to 65535, higher first; `buffer_id` 0xffffffff is none."""

    match: MatchLike = {}
    actions: Sequence[Action] = ()
    command: int = FlowModCommand.ADD
    priority: int = 0x8000
    cookie: int = 0
    idle_timeout: int = 0
    hard_timeout: int = 0
    flags: int = 0
    buffer_id: int = NO_BUFFER
    out_port: int = ANY_PORT

    WIRE = (
        w.u64("cookie"),
        w.u16("command", FlowModCommand),
        w.u16("idle_timeout"),
        w.u16("hard_timeout"),
        w.u16("priority"),
        w.u32("buffer_id", BufferId),
        w.port16("out_port"),
        w.u16("flags", FlowModFlags),
        w.size("match"),
        w.pad(6),
        w.nxm("match"),
        w.many("actions", ACTION),
    )


@experimenter_message("NXT_FLOW_REMOVED", NICIRA, 14)
class NxFlowRemoved(Message, frozen=True, gc=False):
    """A flow entry is gone (nicira-ext.h, NXT_FLOW_REMOVED). `table_id` is its table's number plus one, 0 from a switch
    that does not tell. `idle_timeout` is in seconds, 0 for none; it lived `duration_sec` seconds and `duration_nsec`
    nanoseconds and counted `packet_count` packets and `byte_count` octets, all ones where the switch does not know.
    `priority` is 0 to 65535."""

    match: MatchLike = {}
    cookie: int = 0
    priority: int = 0
    reason: int = 0
    table_id: int = 0
    duration_sec: int = 0
    duration_nsec: int = 0
    idle_timeout: int = 0
    packet_count: int = 0
    byte_count: int = 0

    WIRE = (
        w.u64("cookie"),
        w.u16("priority"),
        w.u8("reason", FlowRemovedReason),
        w.u8("table_id"),
        w.u32("duration_sec"),
        w.u32("duration_nsec"),
        w.u16("idle_timeout"),
        w.size("match"),
        w.u64("packet_count"),
        w.u64("byte_count"),
        w.nxm("match"),
    )


@experimenter_message("NXT_FLOW_MOD_TABLE_ID", NICIRA, 15)
class FlowModTableId(Message, frozen=True, gc=False):
    """Whether flow mods of OpenFlow 1.0 have a table in the upper 8 bits of their command (1) or not, 0
    (include/openvswitch/ofp-msgs.h, NXT_FLOW_MOD_TABLE_ID)."""

    set: int = 1

    WIRE = (w.u8("set"), w.pad(7))


@experimenter_message("NXT_FLOW_AGE", NICIRA, 18)
class FlowAge(Message, frozen=True, gc=False):
    """Nicira flow statistics are to tell `idle_age` and `hard_age` (nicira-ext.h, NXT_FLOW_AGE). Obsolete: Open vSwitch
    always does."""


@experimenter_message("NXT_SET_ASYNC_CONFIG", NICIRA, 19)
class NxSetAsyncConfig(Message, frozen=True, gc=False):
    """Which asynchronous messages this controller is to be sent: bit n of a mask is reason n (`SetAsync` of OpenFlow
    1.3; nicira-ext.h, NXT_SET_ASYNC_CONFIG)."""

    packet_in_master: int = 0
    packet_in_slave: int = 0
    port_status_master: int = 0
    port_status_slave: int = 0
    flow_removed_master: int = 0
    flow_removed_slave: int = 0

    WIRE = (
        w.u32("packet_in_master", PacketInMask),
        w.u32("packet_in_slave", PacketInMask),
        w.u32("port_status_master", PortStatusMask),
        w.u32("port_status_slave", PortStatusMask),
        w.u32("flow_removed_master", FlowRemovedMask),
        w.u32("flow_removed_slave", FlowRemovedMask),
    )


@experimenter_message("NXT_SET_ASYNC_CONFIG2", NICIRA, 27, until=V13)
class NxSetAsyncConfig2(Message, frozen=True, gc=False):
    """`SetAsync` of OpenFlow 1.4 for earlier versions (include/openvswitch/ofp-msgs.h, NXT_SET_ASYNC_CONFIG2)."""

    properties: Sequence[AsyncProperty] = ()

    WIRE = (w.many("properties", ASYNC_PROPERTY),)


@experimenter_message("NXT_SET_CONTROLLER_ID", NICIRA, 20)
class SetControllerId(Message, frozen=True, gc=False):
    """This connection's identity, to which actions (NXAST_CONTROLLER) can send packets; 0 at first (nicira-ext.h,
    NXT_SET_CONTROLLER_ID). `controller_id` is 0 to 65535."""

    controller_id: int = 0

    WIRE = (w.pad(6), w.u16("controller_id"))


# -- statistics, OpenFlow 1.0 --------------------------------------------------------------------------------------


class _NxSelection(Record, frozen=True, gc=False):
    """Which flow entries are asked for (nicira-ext.h, `struct nx_flow_stats_request`): `table_id` 0xff is all tables,
    `out_port` 0xffff (here ANY_PORT) no restriction."""

    match: MatchLike = {}
    table_id: int = ALL_TABLES
    out_port: int = ANY_PORT
    flags: int = 0

    WIRE = (w.port16("out_port"), w.size("match"), w.u8("table_id", TableId), w.pad(3), w.nxm("match"))


@experimenter_request("NXST_FLOW", NICIRA, 0, until=V10)
class NxFlowStatsRequest(_NxSelection, Message, frozen=True, gc=False):
    """Asks for flow entries with NXM matches (nicira-ext.h, NXST_FLOW)."""


class NxFlowStats(Record, frozen=True, gc=False):
    """One flow entry (nicira-ext.h, `struct nx_flow_stats`). `idle_timeout` and `hard_timeout` are in seconds, 0 for
    none; `priority` is 0 to 65535; the entry has been there for `duration_sec` seconds and `duration_nsec` nanoseconds
    and has counted `packet_count` packets and `byte_count` octets, all ones where the switch does not know. `idle_age`
    and `hard_age` are seconds since the last packet and the last change, plus one; 0 if they are not told, 65535 for
    that long or longer."""

    match: MatchLike = {}
    actions: Sequence[Action] = ()
    table_id: int = 0
    priority: int = 0
    cookie: int = 0
    duration_sec: int = 0
    duration_nsec: int = 0
    idle_timeout: int = 0
    hard_timeout: int = 0
    idle_age: int = 0
    hard_age: int = 0
    packet_count: int = 0
    byte_count: int = 0

    WIRE = (
        w.length(),
        w.u8("table_id"),
        w.pad(1),
        w.u32("duration_sec"),
        w.u32("duration_nsec"),
        w.u16("priority"),
        w.u16("idle_timeout"),
        w.u16("hard_timeout"),
        w.size("match"),
        w.u16("idle_age"),
        w.u16("hard_age"),
        w.u64("cookie"),
        w.u64("packet_count"),
        w.u64("byte_count"),
        w.nxm("match"),
        w.many("actions", ACTION),
    )


@experimenter_reply("NXST_FLOW", NICIRA, 0, until=V10)
class NxFlowStatsReply(Message, frozen=True, gc=False):
    """Flow entries; more follow in another reply if `flags` has OFPSF_REPLY_MORE (nicira-ext.h, NXST_FLOW)."""

    flows: Sequence[NxFlowStats] = ()
    flags: int = 0

    WIRE = (w.many("flows", NxFlowStats),)


@experimenter_request("NXST_AGGREGATE", NICIRA, 1, until=V10)
class NxAggregateStatsRequest(_NxSelection, Message, frozen=True, gc=False):
    """Asks for the sums over flow entries (nicira-ext.h, NXST_AGGREGATE)."""


@experimenter_reply("NXST_AGGREGATE", NICIRA, 1, until=V10)
class NxAggregateStatsReply(Message, frozen=True, gc=False):
    """How many flow entries there are, and the sums of their counters (nicira-ext.h, NXST_AGGREGATE): `flow_count`
    entries (0 to 2**32 - 1), `packet_count` packets, `byte_count` octets."""

    packet_count: int = 0
    byte_count: int = 0
    flow_count: int = 0
    flags: int = 0

    WIRE = (w.u64("packet_count"), w.u64("byte_count"), w.u32("flow_count"), w.pad(4))
