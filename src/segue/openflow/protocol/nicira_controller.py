"""Open vSwitch's actions that send to controllers (lib/ofp-actions.c, `nx_action_controller`)."""

from collections.abc import Sequence
from typing import Final

from segue.openflow import declare as w
from segue.openflow.declare import Record, experimenter_member, family, member, unknown
from segue.openflow.protocol.families import ACTION, Action
from segue.openflow.wire import NICIRA, V10

CONTROLLER_PROPERTY: Final = family("controller property", inside=False)


class ControllerProperty(Record, frozen=True, gc=False):
    """What `Controller2` says (lib/ofp-actions.c, NXAST_CONTROLLER2). One that is not there has its default."""


@unknown(CONTROLLER_PROPERTY)
class UnknownControllerProperty(ControllerProperty, frozen=True, gc=False):
    """A property that nobody declared: the octets behind its type and length (lib/ofp-actions.c, NXAST_CONTROLLER2)."""

    type: int
    data: bytes = b""


@member(CONTROLLER_PROPERTY, "NXAC2PT_MAX_LEN", {V10: 0})
class ControllerPropMaxLen(ControllerProperty, frozen=True, gc=False):
    """The most octets of the packet: `max_len` octets, 0 to 65535, otherwise all (lib/ofp-actions.c,
    NXAC2PT_MAX_LEN)."""

    max_len: int

    WIRE = (w.u16("max_len"), w.pad(2))


@member(CONTROLLER_PROPERTY, "NXAC2PT_CONTROLLER_ID", {V10: 1})
class ControllerPropControllerId(ControllerProperty, frozen=True, gc=False):
    """The controllers with this id (otherwise 0; lib/ofp-actions.c, NXAC2PT_CONTROLLER_ID). `controller_id` is 0 to
    65535."""

    controller_id: int

    WIRE = (w.u16("controller_id"), w.pad(2))


@member(CONTROLLER_PROPERTY, "NXAC2PT_REASON", {V10: 2})
class ControllerPropReason(ControllerProperty, frozen=True, gc=False):
    """Reason of the packet-in, OFPR_* (otherwise 1, OFPR_ACTION; lib/ofp-actions.c, NXAC2PT_REASON)."""

    reason: int

    WIRE = (w.u8("reason"),)


@member(CONTROLLER_PROPERTY, "NXAC2PT_USERDATA", {V10: 3})
class ControllerPropUserdata(ControllerProperty, frozen=True, gc=False):
    """Octets that the packet-in has as well (lib/ofp-actions.c, NXAC2PT_USERDATA)."""

    userdata: bytes

    WIRE = (w.data("userdata"),)


@member(CONTROLLER_PROPERTY, "NXAC2PT_PAUSE", {V10: 4})
class ControllerPropPause(ControllerProperty, frozen=True, gc=False):
    """The pipeline stops until the controller resumes it (lib/ofp-actions.c, NXAC2PT_PAUSE)."""


@member(CONTROLLER_PROPERTY, "NXAC2PT_METER_ID", {V10: 5})
class ControllerPropMeterId(ControllerProperty, frozen=True, gc=False):
    """The meter that the packet passes (otherwise none; lib/ofp-actions.c, NXAC2PT_METER_ID). `meter_id` is 1 to
    0xffff0000."""

    meter_id: int

    WIRE = (w.u32("meter_id"),)


@experimenter_member(ACTION, "NXAST_CONTROLLER", NICIRA, 20)
class Controller(Action, frozen=True, gc=False):
    """To the controllers with `controller_id` (lib/ofp-actions.c, NXAST_CONTROLLER): no more than `max_len` octets of
    the packet, 0xffff for all; `reason` is OFPR_*. `controller_id` is 0 to 65535, 0 for controllers that set none."""

    max_len: int = 0xFFFF
    controller_id: int = 0
    reason: int = 1

    WIRE = (w.u16("max_len"), w.u16("controller_id"), w.u8("reason"), w.pad(1))


@experimenter_member(ACTION, "NXAST_CONTROLLER2", NICIRA, 37)
class Controller2(Action, frozen=True, gc=False):
    """To controllers, as properties say (lib/ofp-actions.c, NXAST_CONTROLLER2)."""

    properties: Sequence[ControllerProperty] = ()

    WIRE = (w.pad(6), w.many("properties", CONTROLLER_PROPERTY))
