"""What a switch says of its groups: descriptions, counters, features (OpenFlow 1.5.1 section 7.3.5).

For OpenFlow 1.0, and features also for 1.1, Open vSwitch has them under Nicira's number
(include/openvswitch/ofp-msgs.h): the classes that begin with Nx.
"""

from collections.abc import Sequence

from segue.openflow import declare as w
from segue.openflow.declare import (
    Message,
    Record,
    experimenter_reply,
    experimenter_request,
    reply,
    request,
)
from segue.openflow.names import Flags
from segue.openflow.protocol.flow_mod import GroupId
from segue.openflow.protocol.groups import GROUP_PROPERTY, Bucket, GroupProperty, GroupType
from segue.openflow.protocol.values import FOUR_WORDS
from segue.openflow.wire import ALL_GROUPS, NICIRA, V10, V11, V12, V13, V15


class GroupTypes(Flags, prefix="OFPGT_"):
    """Bit n for the group type of number n."""

    ALL = 1 << 0
    SELECT = 1 << 1
    INDIRECT = 1 << 2
    FF = 1 << 3


class GroupCapabilities(Flags, prefix="OFPGFC_"):
    SELECT_WEIGHT = 1 << 0
    SELECT_LIVENESS = 1 << 1
    CHAINING = 1 << 2
    CHAINING_CHECKS = 1 << 3


class BucketCounter(Record, frozen=True, gc=False):
    """A bucket's counters (OpenFlow 1.5.1 section 7.3.5, OFPMP_GROUP_STATS; 1.3.5 section 7.3.5.9): `packet_count`
    packets and `byte_count` octets, all ones where the switch does not know."""

    packet_count: int = 0
    byte_count: int = 0

    WIRE = (w.u64("packet_count"), w.u64("byte_count"))


class GroupStats(Record, frozen=True, gc=False):
    """A group's counters, `ofp_group_stats` (OpenFlow 1.5.1 section 7.3.5, OFPMP_GROUP_STATS; 1.3.5 section 7.3.5.9):
    `packet_count` packets and `byte_count` octets, all ones where the switch does not know. `ref_count` is how many
    flow entries and groups lead to it; the group has been there for `duration_sec` seconds and `duration_nsec`
    nanoseconds (told since 1.3)."""

    group_id: int
    ref_count: int = 0
    packet_count: int = 0
    byte_count: int = 0
    duration_sec: int = 0
    duration_nsec: int = 0
    bucket_stats: Sequence[BucketCounter] = ()

    WIRE = (
        w.length(),
        w.pad(2),
        w.u32("group_id", GroupId),
        w.u32("ref_count"),
        w.pad(4),
        w.u64("packet_count"),
        w.u64("byte_count"),
        w.u32("duration_sec", until=V10),
        w.u32("duration_nsec", until=V10),
        w.u32("duration_sec", since=V13),
        w.u32("duration_nsec", since=V13),
        w.many("bucket_stats", BucketCounter),
    )


class GroupDesc(Record, frozen=True, gc=False):
    """A group: `ofp_group_desc` (OpenFlow 1.5.1 section 7.3.5, OFPMP_GROUP_DESC; 1.3.5 section 7.3.5.10). Properties
    are of OpenFlow 1.5."""

    group_id: int
    type: int = GroupType.ALL
    buckets: Sequence[Bucket] = ()
    properties: Sequence[GroupProperty] = ()

    WIRE = (
        w.length(),
        w.u8("type", GroupType),
        w.pad(1),
        w.u32("group_id", GroupId),
        w.size("buckets", until=V10),
        w.pad(6, until=V10),
        w.size("buckets", since=V15),
        w.pad(6, since=V15),
        w.many("buckets", Bucket),
        w.many("properties", GROUP_PROPERTY, until=V10),
        w.many("properties", GROUP_PROPERTY, since=V15),
    )


@request({V11: "OFPST_GROUP", V13: "OFPMP_GROUP", V15: "OFPMP_GROUP_STATS"}, {V11: 6})
class GroupStatsRequest(Message, frozen=True, gc=False):
    """Asks for the counters of one group, or of all (OpenFlow 1.5.1 section 7.3.5, OFPMP_GROUP_STATS; 1.3.5 section
    7.3.5.9). `group_id` is 0 to 0xffffff00 (OFPG_MAX), 0xfffffffc (ALL) for all."""

    group_id: int = ALL_GROUPS
    flags: int = 0

    WIRE = (w.u32("group_id", GroupId), w.pad(4))


@reply({V11: "OFPST_GROUP", V13: "OFPMP_GROUP", V15: "OFPMP_GROUP_STATS"}, {V11: 6})
class GroupStatsReply(Message, frozen=True, gc=False):
    """Counters of groups (OpenFlow 1.5.1 section 7.3.5, OFPMP_GROUP_STATS; 1.3.5 section 7.3.5.9)."""

    stats: Sequence[GroupStats] = ()
    flags: int = 0

    WIRE = (w.many("stats", GroupStats),)


@experimenter_request("NXST_GROUP", NICIRA, 7, until=V10)
class NxGroupStatsRequest(Message, frozen=True, gc=False):
    """`GroupStatsRequest` for OpenFlow 1.0 (include/openvswitch/ofp-msgs.h, NXST_GROUP). `group_id` is 0 to 0xffffff00
    (OFPG_MAX), 0xfffffffc (ALL) for all."""

    group_id: int = ALL_GROUPS
    flags: int = 0

    WIRE = (w.u32("group_id", GroupId), w.pad(4))


@experimenter_reply("NXST_GROUP", NICIRA, 7, until=V10)
class NxGroupStatsReply(Message, frozen=True, gc=False):
    """`GroupStatsReply` of OpenFlow 1.3 for OpenFlow 1.0 (include/openvswitch/ofp-msgs.h, NXST_GROUP)."""

    stats: Sequence[GroupStats] = ()
    flags: int = 0

    WIRE = (w.many("stats", GroupStats),)


@request({V11: "OFPST_GROUP_DESC", V13: "OFPMP_GROUP_DESC"}, {V11: 7})
class GroupDescRequest(Message, frozen=True, gc=False):
    """Asks for the description of groups: of one, or of all (the only choice before 1.5; OpenFlow 1.5.1 section 7.3.5,
    OFPMP_GROUP_DESC; 1.3.5 section 7.3.5.10). `group_id` is 0 to 0xffffff00 (OFPG_MAX), 0xfffffffc (ALL) for all."""

    group_id: int = ALL_GROUPS
    flags: int = 0

    WIRE = (w.u32("group_id", GroupId, since=V15), w.pad(4, since=V15))


@reply({V11: "OFPST_GROUP_DESC", V13: "OFPMP_GROUP_DESC"}, {V11: 7})
class GroupDescReply(Message, frozen=True, gc=False):
    """Descriptions of groups (OpenFlow 1.5.1 section 7.3.5, OFPMP_GROUP_DESC; 1.3.5 section 7.3.5.10)."""

    groups: Sequence[GroupDesc] = ()
    flags: int = 0

    WIRE = (w.many("groups", GroupDesc),)


@experimenter_request("NXST_GROUP_DESC", NICIRA, 8, until=V10)
class NxGroupDescRequest(Message, frozen=True, gc=False):
    """`GroupDescRequest` of OpenFlow 1.5 for OpenFlow 1.0 (include/openvswitch/ofp-msgs.h, NXST_GROUP_DESC). `group_id`
    is 0 to 0xffffff00 (OFPG_MAX), 0xfffffffc (ALL) for all."""

    group_id: int = ALL_GROUPS
    flags: int = 0

    WIRE = (w.u32("group_id", GroupId), w.pad(4))


@experimenter_reply("NXST_GROUP_DESC", NICIRA, 8, until=V10)
class NxGroupDescReply(Message, frozen=True, gc=False):
    """`GroupDescReply` of OpenFlow 1.5 for OpenFlow 1.0 (include/openvswitch/ofp-msgs.h, NXST_GROUP_DESC)."""

    groups: Sequence[GroupDesc] = ()
    flags: int = 0

    WIRE = (w.many("groups", GroupDesc),)


@request({V12: "OFPST_GROUP_FEATURES", V13: "OFPMP_GROUP_FEATURES"}, {V12: 8})
class GroupFeaturesRequest(Message, frozen=True, gc=False):
    """Asks what the switch's groups can do (OpenFlow 1.5.1 section 7.3.5, OFPMP_GROUP_FEATURES; 1.3.5 section
    7.3.5.11)."""

    flags: int = 0


@reply({V12: "OFPST_GROUP_FEATURES", V13: "OFPMP_GROUP_FEATURES"}, {V12: 8})
class GroupFeaturesReply(Message, frozen=True, gc=False):
    """What the switch's groups can do (OpenFlow 1.5.1 section 7.3.5, OFPMP_GROUP_FEATURES; 1.3.5 section 7.3.5.11).
    `max_groups` and `actions` (bit n for the action of number n) have one number for each type, in the order of
    `GroupType`. `max_groups` are numbers of groups, 0 to 2**32 - 1."""

    types: int = 0
    capabilities: int = 0
    max_groups: Sequence[int] = (0, 0, 0, 0)
    actions: Sequence[int] = (0, 0, 0, 0)
    flags: int = 0

    WIRE = (
        w.u32("types", GroupTypes),
        w.u32("capabilities", GroupCapabilities),
        w.custom("max_groups", FOUR_WORDS),
        w.custom("actions", FOUR_WORDS),
    )


@experimenter_request("NXST_GROUP_FEATURES", NICIRA, 9, until=V11)
class NxGroupFeaturesRequest(Message, frozen=True, gc=False):
    """`GroupFeaturesRequest` for OpenFlow 1.0 and 1.1 (include/openvswitch/ofp-msgs.h, NXST_GROUP_FEATURES)."""

    flags: int = 0


@experimenter_reply("NXST_GROUP_FEATURES", NICIRA, 9, until=V11)
class NxGroupFeaturesReply(Message, frozen=True, gc=False):
    """`GroupFeaturesReply` for OpenFlow 1.0 and 1.1 (include/openvswitch/ofp-msgs.h, NXST_GROUP_FEATURES). `max_groups`
    are numbers of groups, 0 to 2**32 - 1, in the order of `GroupType`."""

    types: int = 0
    capabilities: int = 0
    max_groups: Sequence[int] = (0, 0, 0, 0)
    actions: Sequence[int] = (0, 0, 0, 0)
    flags: int = 0

    WIRE = (
        w.u32("types", GroupTypes),
        w.u32("capabilities", GroupCapabilities),
        w.custom("max_groups", FOUR_WORDS),
        w.custom("actions", FOUR_WORDS),
    )
