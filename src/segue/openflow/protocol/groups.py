"""Groups: lists of buckets of actions, and which of the buckets a packet meets.

OpenFlow 1.5.1 section 7.3.4.3 (group modification); Open vSwitch's include/openflow/netronome-ext.h and
lib/ofp-group.c. Descriptions, counters and features are in `group_stats`.

OpenFlow 1.5 made buckets addressable (`bucket_id`, insert and remove) and turned what is peculiar to a type of group
into properties: `weight`, `watch_port` and `watch_group` of `Bucket` belong to 1.1 to 1.4, `BucketWeight` and so on
to 1.5. OpenFlow 1.0 has no groups; Open vSwitch lends it those of 1.5 under Nicira's number.
"""

from collections.abc import Sequence
from typing import Final

from segue.openflow import declare as w
from segue.openflow.declare import (
    Message,
    Record,
    experimenter_member,
    experimenter_message,
    member,
    message,
    unknown,
)
from segue.openflow.names import Numbers
from segue.openflow.protocol.families import ACTION, Action
from segue.openflow.protocol.flow_mod import GroupId
from segue.openflow.protocol.values import OxmField
from segue.openflow.wire import ANY_GROUP, ANY_PORT, CONTROLLER, LOCAL, NICIRA, V10, V11, V14, V15

NETRONOME: Final = 0x0000154D
ALL_BUCKETS: Final = 0xFFFFFFFF

BUCKET_PROPERTY: Final = w.family("group bucket property", inside=False)
GROUP_PROPERTY: Final = w.family("group property", inside=False)


class GroupCommand(Numbers, prefix="OFPGC_"):
    ADD = 0
    MODIFY = 1
    DELETE = 2
    INSERT_BUCKET = 3
    REMOVE_BUCKET = 5
    ADD_OR_MOD = 0x8000  # Open vSwitch only


class GroupType(Numbers, prefix="OFPGT_"):
    ALL = 0
    SELECT = 1
    INDIRECT = 2
    FF = 3


class BucketId(Numbers, prefix="OFPG_BUCKET_"):
    MAX = 0xFFFFFF00
    FIRST = 0xFFFFFFFD
    LAST = 0xFFFFFFFE
    ALL = ALL_BUCKETS


class WatchPort(Numbers, prefix="OFPP_"):
    """Reserved ports that a bucket can watch, or none at all, where the number has 32 bits in OpenFlow 1.0, too."""

    CONTROLLER = CONTROLLER
    LOCAL = LOCAL
    ANY = ANY_PORT


class BucketProperty(Record, frozen=True, gc=False):
    """A property of a bucket (1.5; OpenFlow 1.5.1 section 7.3.4.3)."""


class GroupProperty(Record, frozen=True, gc=False):
    """A property of a group (1.5; OpenFlow 1.5.1 section 7.3.4.3)."""


@unknown(BUCKET_PROPERTY)
class UnknownBucketProperty(BucketProperty, frozen=True, gc=False):
    """A property that nobody declared, an experimenter's too: the octets behind its type and length (OpenFlow 1.5.1
    section 7.3.4.3)."""

    type: int
    data: bytes = b""


@unknown(GROUP_PROPERTY)
class UnknownGroupProperty(GroupProperty, frozen=True, gc=False):
    """A property that nobody declared, an experimenter's too: the octets behind its type and length (OpenFlow 1.5.1
    section 7.3.4.3)."""

    type: int
    data: bytes = b""


@member(BUCKET_PROPERTY, "OFPGBPT_WEIGHT", {V10: 0})
class BucketWeight(BucketProperty, frozen=True, gc=False):
    """The bucket's share of packets (select groups; OpenFlow 1.5.1 section 7.3.4.3). `weight` is 0 to 65535, in
    proportion to the others'."""

    weight: int

    WIRE = (w.u16("weight"), w.pad(2))


@member(BUCKET_PROPERTY, "OFPGBPT_WATCH_PORT", {V10: 1})
class BucketWatchPort(BucketProperty, frozen=True, gc=False):
    """The bucket is live while this port is (fast failover groups; OpenFlow 1.5.1 section 7.3.4.3)."""

    watch: int

    WIRE = (w.u32("watch", WatchPort, until=V10), w.port("watch", since=V11))


@member(BUCKET_PROPERTY, "OFPGBPT_WATCH_GROUP", {V10: 2})
class BucketWatchGroup(BucketProperty, frozen=True, gc=False):
    """The bucket is live while this group is (fast failover groups; OpenFlow 1.5.1 section 7.3.4.3)."""

    watch: int

    WIRE = (w.u32("watch", GroupId),)


@experimenter_member(GROUP_PROPERTY, "NTRT_SELECTION_METHOD", NETRONOME, 1)
class GroupSelectionMethod(GroupProperty, frozen=True, gc=False):
    """How a select group chooses a bucket (Open vSwitch's netronome-ext.h): "hash" or "dp_hash", 15 octets at most.

    The values of `fields` are masks: the bits that "hash" takes into account. `selection_method_param`, 64 bits, is the
    start value, for "dp_hash" the algorithm.
    """

    selection_method: str
    selection_method_param: int = 0
    fields: Sequence[OxmField] = ()

    WIRE = (w.pad(4), w.text("selection_method", 16), w.u64("selection_method_param"), w.many("fields", OxmField))


class Bucket(Record, frozen=True, gc=False):
    """A bucket: `ofp_bucket` (OpenFlow 1.5.1 section 7.3.4.3; 1.3.5 section 7.3.4.2).

    `weight`, 0 to 65535, is for select groups: a share in proportion to the others'. `watch_port` and `watch_group` are
    for fast failover groups, ANY for none; in OpenFlow 1.5 all three are properties. `bucket_id` is of 1.5 and tells
    the buckets of a group apart: 0 to 0xffffff00 (MAX).
    """

    actions: Sequence[Action] = ()
    weight: int = 0
    watch_port: int = ANY_PORT
    watch_group: int = ANY_GROUP
    bucket_id: int = 0
    properties: Sequence[BucketProperty] = ()

    WIRE = (
        w.length(),
        w.u16("weight", since=V11, until=V14),
        w.port("watch_port", since=V11, until=V14),
        w.u32("watch_group", GroupId, since=V11, until=V14),
        w.pad(4, since=V11, until=V14),
        w.size("actions", until=V10),
        w.size("actions", since=V15),
        w.u32("bucket_id", BucketId, until=V10),
        w.u32("bucket_id", BucketId, since=V15),
        w.many("actions", ACTION),
        w.many("properties", BUCKET_PROPERTY, until=V10),
        w.many("properties", BUCKET_PROPERTY, since=V15),
    )


@message("OFPT_GROUP_MOD", {V11: 15})
class GroupMod(Message, frozen=True, gc=False):
    """Adds, changes or removes a group (OpenFlow 1.5.1 section 7.3.4.3; 1.3.5 section 7.3.4.2). `group_id` is 0 to
    0xffffff00 (OFPG_MAX), in removals also 0xfffffffc (ALL). `command_bucket_id` says where buckets are inserted or
    which are removed (1.5): 0 to 0xffffff00, FIRST, LAST or ALL."""

    command: int
    group_id: int
    type: int = GroupType.ALL
    buckets: Sequence[Bucket] = ()
    command_bucket_id: int = ALL_BUCKETS
    properties: Sequence[GroupProperty] = ()

    WIRE = (
        w.u16("command", GroupCommand),
        w.u8("type", GroupType),
        w.pad(1),
        w.u32("group_id", GroupId),
        w.size("buckets", since=V15),
        w.pad(2, since=V15),
        w.u32("command_bucket_id", BucketId, since=V15),
        w.many("buckets", Bucket),
        w.many("properties", GROUP_PROPERTY, since=V15),
    )


@experimenter_message("NXT_GROUP_MOD", NICIRA, 31, until=V10)
class NxGroupMod(Message, frozen=True, gc=False):
    """`GroupMod` of OpenFlow 1.5 for OpenFlow 1.0 (Open vSwitch's include/openvswitch/ofp-msgs.h, NXT_GROUP_MOD)."""

    command: int
    group_id: int
    type: int = GroupType.ALL
    buckets: Sequence[Bucket] = ()
    command_bucket_id: int = ALL_BUCKETS
    properties: Sequence[GroupProperty] = ()

    WIRE = (
        w.u16("command", GroupCommand),
        w.u8("type", GroupType),
        w.pad(1),
        w.u32("group_id", GroupId),
        w.size("buckets"),
        w.pad(2),
        w.u32("command_bucket_id", BucketId),
        w.many("buckets", Bucket),
        w.many("properties", GROUP_PROPERTY),
    )
