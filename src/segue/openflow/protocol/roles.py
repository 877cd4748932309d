"""Controllers' roles, and which asynchronous messages each role is sent (OpenFlow 1.5.1 sections 7.3.8, 7.3.10, 7.4.4).

OpenFlow 1.3 has six fixed masks, 1.4 and later a list of properties, of which those that are missing stay as they are.
Even property types are for slaves, odd ones for masters and equals.
"""

from collections.abc import Sequence
from typing import Final

from segue.openflow import declare as w
from segue.openflow.declare import Item, Message, Record, experimenter_message, member, message, unknown
from segue.openflow.names import Flags, Numbers
from segue.openflow.wire import ONF, V10, V12, V13, V14, V15

ROLE_PROPERTY: Final = w.family("role property", inside=False)
ASYNC_PROPERTY: Final = w.family("async config property", inside=False)


class ControllerRole(Numbers, prefix="OFPCR_ROLE_"):
    NOCHANGE = 0
    EQUAL = 1
    MASTER = 2
    SLAVE = 3


class RoleReason(Numbers, prefix="OFPCRR_"):
    MASTER_REQUEST = 0
    CONFIG = 1
    EXPERIMENTER = 2


class PacketInMask(Flags, prefix="OFPR_"):
    """Bits of the reasons, spelled like them: NO_MATCH and ACTION are TABLE_MISS and APPLY_ACTION since 1.4."""

    NO_MATCH = 1 << 0
    ACTION = 1 << 1
    INVALID_TTL = 1 << 2
    ACTION_SET = 1 << 3
    GROUP = 1 << 4
    PACKET_OUT = 1 << 5


class PortStatusMask(Flags, prefix="OFPPR_"):
    ADD = 1 << 0
    DELETE = 1 << 1
    MODIFY = 1 << 2


class FlowRemovedMask(Flags, prefix="OFPRR_"):
    IDLE_TIMEOUT = 1 << 0
    HARD_TIMEOUT = 1 << 1
    DELETE = 1 << 2
    GROUP_DELETE = 1 << 3
    METER_DELETE = 1 << 4
    EVICTION = 1 << 5


class RoleStatusMask(Flags, prefix="OFPCRR_"):
    MASTER_REQUEST = 1 << 0
    CONFIG = 1 << 1
    EXPERIMENTER = 1 << 2


class TableStatusMask(Flags, prefix="OFPTR_"):
    VACANCY_DOWN = 1 << 3
    VACANCY_UP = 1 << 4


class RequestForwardMask(Flags, prefix="OFPRFR_"):
    GROUP_MOD = 1 << 0
    METER_MOD = 1 << 1


class FlowStatsMask(Flags, prefix="OFPFSR_"):
    STATS_REQUEST = 1 << 0
    STAT_TRIGGER = 1 << 1


class ControllerStatusMask(Flags, prefix="OFPCSR_"):
    REQUEST = 1 << 0
    CHANNEL_STATUS = 1 << 1
    ROLE = 1 << 2
    CONTROLLER_ADDED = 1 << 3
    CONTROLLER_REMOVED = 1 << 4
    SHORT_ID = 1 << 5
    EXPERIMENTER = 1 << 6


class _Role(Record, frozen=True, gc=False):
    """What a role request and its reply have (OpenFlow 1.5.1 section 7.3.8; 1.3.5 section 7.3.9). `generation_id` has
    64 bits and rises with each election of a master, wrapping around; `short_id`, 1 to 65535, is the controller's own
    (1.5), 0 for none."""

    role: int = ControllerRole.NOCHANGE
    generation_id: int = 0
    short_id: int = 0

    WIRE = (
        w.u32("role", ControllerRole),
        w.u16("short_id", since=V15),
        w.pad(2, since=V15),
        w.pad(4, until=V14),
        w.u64("generation_id"),
    )


@message("OFPT_ROLE_REQUEST", {V12: 24})
class RoleRequest(_Role, Message, frozen=True, gc=False):
    """Asks for a role, or with NOCHANGE which one it is (OpenFlow 1.5.1 section 7.3.8). `generation_id`, 64 bits, rises
    with each election of a master; a master or slave whose number is older is refused (OFPRRFC_STALE). `short_id`, 1 to
    65535, names the controller (1.5), 0 for none."""


@message("OFPT_ROLE_REPLY", {V12: 25})
class RoleReply(_Role, Message, frozen=True, gc=False):
    """The role that it is now (OpenFlow 1.5.1 section 7.3.8; 1.3.5 section 7.3.9). `generation_id` is the last that the
    switch was given, all ones where it was given none."""


class RoleProperty(Record, frozen=True, gc=False):
    """A property of a role status; the specification defines none but experimenters' (OpenFlow 1.5.1 section 7.4.4)."""


@unknown(ROLE_PROPERTY)
class UnknownRoleProperty(RoleProperty, frozen=True, gc=False):
    """A role property that nobody declared: the octets behind its type and length (OpenFlow 1.5.1 section 7.4.4)."""

    type: int
    data: bytes = b""


@message("OFPT_ROLE_STATUS", {V14: 30})
class RoleStatus(Message, frozen=True, gc=False):
    """This controller's role was changed, and not by it (OpenFlow 1.5.1 section 7.4.4). `generation_id`, 64 bits, is
    the last that the switch was given, all ones where it was given none."""

    role: int = ControllerRole.SLAVE
    reason: int = 0
    generation_id: int = 0
    properties: Sequence[RoleProperty] = ()

    WIRE = (
        w.u32("role", ControllerRole),
        w.u8("reason", RoleReason),
        w.pad(3),
        w.u64("generation_id"),
        w.many("properties", ROLE_PROPERTY),
    )


@experimenter_message("ONFT_ROLE_STATUS", ONF, 1911, since=V13, until=V13)
class OnfRoleStatus(RoleStatus, frozen=True, gc=False):
    """`RoleStatus` in OpenFlow 1.3, by the Open Networking Foundation's extension 191."""


class AsyncProperty(Record, frozen=True, gc=False):
    """Part of an asynchronous configuration (OpenFlow 1.5.1 section 7.3.10)."""


@unknown(ASYNC_PROPERTY)
class UnknownAsyncProperty(AsyncProperty, frozen=True, gc=False):
    """A property that nobody declared, an experimenter's too (types 0xfffe and 0xffff): the octets behind type and
    length (OpenFlow 1.5.1 section 7.3.10)."""

    type: int
    data: bytes = b""


class AsyncReasons(AsyncProperty, frozen=True, gc=False):
    """Which reasons are told of: bit n of `mask` is reason n (OpenFlow 1.5.1 section 7.3.10)."""

    mask: int = 0


@member(ASYNC_PROPERTY, "OFPACPT_PACKET_IN_SLAVE", {V10: 0})
class AsyncPacketInSlave(AsyncReasons, frozen=True, gc=False):
    """Why packet-in messages are sent to a slave: a bit for each reason (OpenFlow 1.5.1 section 7.3.10)."""

    WIRE = (w.u32("mask", PacketInMask),)


@member(ASYNC_PROPERTY, "OFPACPT_PACKET_IN_MASTER", {V10: 1})
class AsyncPacketInMaster(AsyncReasons, frozen=True, gc=False):
    """Why packet-in messages are sent to a master or equal: a bit for each reason (OpenFlow 1.5.1 section 7.3.10)."""

    WIRE = (w.u32("mask", PacketInMask),)


@member(ASYNC_PROPERTY, "OFPACPT_PORT_STATUS_SLAVE", {V10: 2})
class AsyncPortStatusSlave(AsyncReasons, frozen=True, gc=False):
    """Why port status messages are sent to a slave: a bit for each reason (OpenFlow 1.5.1 section 7.3.10)."""

    WIRE = (w.u32("mask", PortStatusMask),)


@member(ASYNC_PROPERTY, "OFPACPT_PORT_STATUS_MASTER", {V10: 3})
class AsyncPortStatusMaster(AsyncReasons, frozen=True, gc=False):
    """Why port status messages are sent to a master or equal: a bit for each reason (OpenFlow 1.5.1 section 7.3.10)."""

    WIRE = (w.u32("mask", PortStatusMask),)


@member(ASYNC_PROPERTY, "OFPACPT_FLOW_REMOVED_SLAVE", {V10: 4})
class AsyncFlowRemovedSlave(AsyncReasons, frozen=True, gc=False):
    """Why flow removed messages are sent to a slave: a bit for each reason (OpenFlow 1.5.1 section 7.3.10)."""

    WIRE = (w.u32("mask", FlowRemovedMask),)


@member(ASYNC_PROPERTY, "OFPACPT_FLOW_REMOVED_MASTER", {V10: 5})
class AsyncFlowRemovedMaster(AsyncReasons, frozen=True, gc=False):
    """Why flow removed messages are sent to a master or equal: a bit for each reason (OpenFlow 1.5.1 section
    7.3.10)."""

    WIRE = (w.u32("mask", FlowRemovedMask),)


@member(ASYNC_PROPERTY, "OFPACPT_ROLE_STATUS_SLAVE", {V10: 6})
class AsyncRoleStatusSlave(AsyncReasons, frozen=True, gc=False):
    """Why role status messages are sent to a slave: a bit for each reason (OpenFlow 1.5.1 section 7.3.10)."""

    WIRE = (w.u32("mask", RoleStatusMask),)


@member(ASYNC_PROPERTY, "OFPACPT_ROLE_STATUS_MASTER", {V10: 7})
class AsyncRoleStatusMaster(AsyncReasons, frozen=True, gc=False):
    """Why role status messages are sent to a master or equal: a bit for each reason (OpenFlow 1.5.1 section 7.3.10)."""

    WIRE = (w.u32("mask", RoleStatusMask),)


@member(ASYNC_PROPERTY, "OFPACPT_TABLE_STATUS_SLAVE", {V10: 8})
class AsyncTableStatusSlave(AsyncReasons, frozen=True, gc=False):
    """Why table status messages are sent to a slave: a bit for each reason (OpenFlow 1.5.1 section 7.3.10)."""

    WIRE = (w.u32("mask", TableStatusMask),)


@member(ASYNC_PROPERTY, "OFPACPT_TABLE_STATUS_MASTER", {V10: 9})
class AsyncTableStatusMaster(AsyncReasons, frozen=True, gc=False):
    """Why table status messages are sent to a master or equal: a bit for each reason (OpenFlow 1.5.1 section
    7.3.10)."""

    WIRE = (w.u32("mask", TableStatusMask),)


@member(ASYNC_PROPERTY, "OFPACPT_REQUESTFORWARD_SLAVE", {V10: 10})
class AsyncRequestForwardSlave(AsyncReasons, frozen=True, gc=False):
    """Why forwarded requests messages are sent to a slave: a bit for each reason (OpenFlow 1.5.1 section 7.3.10)."""

    WIRE = (w.u32("mask", RequestForwardMask),)


@member(ASYNC_PROPERTY, "OFPACPT_REQUESTFORWARD_MASTER", {V10: 11})
class AsyncRequestForwardMaster(AsyncReasons, frozen=True, gc=False):
    """Why forwarded requests messages are sent to a master or equal: a bit for each reason (OpenFlow 1.5.1 section
    7.3.10)."""

    WIRE = (w.u32("mask", RequestForwardMask),)


@member(ASYNC_PROPERTY, "OFPACPT_FLOW_STATS_SLAVE", {V15: 12})
class AsyncFlowStatsSlave(AsyncReasons, frozen=True, gc=False):
    """Why flow statistics messages are sent to a slave: a bit for each reason (OpenFlow 1.5.1 section 7.3.10)."""

    WIRE = (w.u32("mask", FlowStatsMask),)


@member(ASYNC_PROPERTY, "OFPACPT_FLOW_STATS_MASTER", {V15: 13})
class AsyncFlowStatsMaster(AsyncReasons, frozen=True, gc=False):
    """Why flow statistics messages are sent to a master or equal: a bit for each reason (OpenFlow 1.5.1 section
    7.3.10)."""

    WIRE = (w.u32("mask", FlowStatsMask),)


@member(ASYNC_PROPERTY, "OFPACPT_CONT_STATUS_SLAVE", {V15: 14})
class AsyncControllerStatusSlave(AsyncReasons, frozen=True, gc=False):
    """Why controller status messages are sent to a slave: a bit for each reason (OpenFlow 1.5.1 section 7.3.10)."""

    WIRE = (w.u32("mask", ControllerStatusMask),)


@member(ASYNC_PROPERTY, "OFPACPT_CONT_STATUS_MASTER", {V15: 15})
class AsyncControllerStatusMaster(AsyncReasons, frozen=True, gc=False):
    """Why controller status messages are sent to a master or equal: a bit for each reason (OpenFlow 1.5.1 section
    7.3.10)."""

    WIRE = (w.u32("mask", ControllerStatusMask),)


_MASKS: Final[tuple[Item, ...]] = (
    w.u32("packet_in_master", PacketInMask, until=V13),
    w.u32("packet_in_slave", PacketInMask, until=V13),
    w.u32("port_status_master", PortStatusMask, until=V13),
    w.u32("port_status_slave", PortStatusMask, until=V13),
    w.u32("flow_removed_master", FlowRemovedMask, until=V13),
    w.u32("flow_removed_slave", FlowRemovedMask, until=V13),
)


class AsyncMasks(Record, frozen=True, gc=False):
    """The six masks of OpenFlow 1.3, which Nicira's extension has in the same form: bit n is reason n (OpenFlow 1.3.5
    section 7.3.10; nicira-ext.h, `struct nx_async_config`)."""

    packet_in_master: int = 0
    packet_in_slave: int = 0
    port_status_master: int = 0
    port_status_slave: int = 0
    flow_removed_master: int = 0
    flow_removed_slave: int = 0


class _AsyncConfig(AsyncMasks, frozen=True, gc=False):
    """What an asynchronous configuration has: six masks in OpenFlow 1.3 (1.3.5 section 7.3.10), properties later
    (OpenFlow 1.5.1 section 7.3.10)."""

    properties: Sequence[AsyncProperty] = ()

    WIRE = (*_MASKS, w.many("properties", ASYNC_PROPERTY, since=V14))


@message("OFPT_GET_ASYNC_REQUEST", {V13: 26})
class GetAsyncRequest(Message, frozen=True, gc=False):
    """Asks which asynchronous messages this controller is sent (OpenFlow 1.5.1 section 7.3.10)."""


@message("OFPT_GET_ASYNC_REPLY", {V13: 27})
class GetAsyncReply(_AsyncConfig, Message, frozen=True, gc=False):
    """Which asynchronous messages this controller is sent: the masks in OpenFlow 1.3, `properties` later (OpenFlow
    1.5.1 section 7.3.10)."""


@message("OFPT_SET_ASYNC", {V13: 28})
class SetAsync(_AsyncConfig, Message, frozen=True, gc=False):
    """Says which asynchronous messages this controller is to be sent (OpenFlow 1.5.1 section 7.3.10): the masks in
    OpenFlow 1.3, `properties` later."""
