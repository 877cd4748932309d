"""Actions of later versions that Open vSwitch added to OpenFlow 1.0 (lib/ofp-actions.c).

From 1.1 on it takes the standard ones only.
"""

from segue.openflow import declare as w
from segue.openflow.declare import experimenter_member
from segue.openflow.protocol.families import ACTION, Action
from segue.openflow.wire import NICIRA, V10


@experimenter_member(ACTION, "NXAST_SET_QUEUE", NICIRA, 4, until=V10)
class NxSetQueue(Action, frozen=True, gc=False):
    """The queue that a later output uses (lib/ofp-actions.c, NXAST_SET_QUEUE). `queue_id` has 32 bits."""

    queue_id: int

    WIRE = (w.pad(2), w.u32("queue_id"))


@experimenter_member(ACTION, "NXAST_GROUP", NICIRA, 40, until=V10)
class NxGroup(Action, frozen=True, gc=False):
    """Through a group (lib/ofp-actions.c, NXAST_GROUP). `group_id` is 0 to 0xffffff00."""

    group_id: int

    WIRE = (w.pad(2), w.u32("group_id"))


@experimenter_member(ACTION, "NXAST_DEC_TTL", NICIRA, 18, until=V10)
class DecTtl(Action, frozen=True, gc=False):
    """Takes one off the time to live of IPv4 or IPv6 (`DecNwTtl` from 1.1 on; lib/ofp-actions.c, NXAST_DEC_TTL)."""

    WIRE = (w.pad(6),)


@experimenter_member(ACTION, "NXAST_PUSH_MPLS", NICIRA, 23, until=V10)
class NxPushMpls(Action, frozen=True, gc=False):
    """Adds an MPLS label (lib/ofp-actions.c, NXAST_PUSH_MPLS). `ethertype` is that of the new label, 0x8847 or
    0x8848."""

    ethertype: int = 0x8847

    WIRE = (w.u16("ethertype"), w.pad(4))


@experimenter_member(ACTION, "NXAST_POP_MPLS", NICIRA, 24, until=V10)
class NxPopMpls(Action, frozen=True, gc=False):
    """Removes the outermost MPLS label (lib/ofp-actions.c, NXAST_POP_MPLS). `ethertype` is that of what is left."""

    ethertype: int

    WIRE = (w.u16("ethertype"), w.pad(4))


@experimenter_member(ACTION, "NXAST_SET_MPLS_TTL", NICIRA, 25, until=V10)
class NxSetMplsTtl(Action, frozen=True, gc=False):
    """Sets the time to live of the outermost MPLS label (lib/ofp-actions.c, NXAST_SET_MPLS_TTL). `ttl` is 0 to 255."""

    ttl: int

    WIRE = (w.u8("ttl"), w.pad(5))


@experimenter_member(ACTION, "NXAST_DEC_MPLS_TTL", NICIRA, 26, until=V10)
class NxDecMplsTtl(Action, frozen=True, gc=False):
    """Takes one off the time to live of the outermost MPLS label (lib/ofp-actions.c, NXAST_DEC_MPLS_TTL)."""

    WIRE = (w.pad(6),)


@experimenter_member(ACTION, "NXAST_SET_MPLS_LABEL", NICIRA, 30, until=V10)
class NxSetMplsLabel(Action, frozen=True, gc=False):
    """Sets the outermost MPLS label (lib/ofp-actions.c, NXAST_SET_MPLS_LABEL): 20 bits, 0 to 0xfffff."""

    label: int

    WIRE = (w.pad(2), w.u32("label"))


@experimenter_member(ACTION, "NXAST_SET_MPLS_TC", NICIRA, 31, until=V10)
class NxSetMplsTc(Action, frozen=True, gc=False):
    """Sets the traffic class of the outermost MPLS label (lib/ofp-actions.c, NXAST_SET_MPLS_TC): 3 bits, 0 to 7."""

    tc: int

    WIRE = (w.u8("tc"), w.pad(5))
