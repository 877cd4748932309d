"""Groups, their descriptions, counters and features, against Open vSwitch."""

import pytest

from segue.openflow import codec
from segue.openflow.protocol.actions import Output
from segue.openflow.protocol.group_stats import (
    BucketCounter,
    GroupCapabilities,
    GroupDesc,
    GroupDescReply,
    GroupDescRequest,
    GroupFeaturesReply,
    GroupFeaturesRequest,
    GroupStats,
    GroupStatsReply,
    GroupStatsRequest,
    NxGroupDescReply,
    NxGroupDescRequest,
    NxGroupFeaturesReply,
    NxGroupFeaturesRequest,
    NxGroupStatsReply,
    NxGroupStatsRequest,
)
from segue.openflow.protocol.groups import (
    Bucket,
    BucketId,
    BucketWatchGroup,
    BucketWatchPort,
    BucketWeight,
    GroupCommand,
    GroupMod,
    GroupSelectionMethod,
    GroupType,
    NxGroupMod,
    UnknownBucketProperty,
    UnknownGroupProperty,
)
from segue.openflow.protocol.values import OxmField
from segue.openflow.wire import ALL_GROUPS, LOCAL, V10, V11, V12, V13, V14, V15

from .judged import Row, check, check_mutilated, parameters, refuse

OLD = (V11, V12, V13, V14)
SELECT = (Bucket((Output(1),), weight=10), Bucket((Output(2),), weight=20))
SELECT_SAID = "group_id=7,type=select,bucket=weight:10,actions=output:1,bucket=weight:20,actions=output:2"
FAILOVER = (Bucket((Output(1),), watch_port=LOCAL), Bucket((Output(2),), watch_group=9))
FAILOVER_SAID = "group_id=7,type=ff,bucket=watch_port:LOCAL,actions=output:1,bucket=watch_group:9,actions=output:2"

SELECT15 = (
    Bucket((Output(1),), bucket_id=1, properties=(BucketWeight(10),)),
    Bucket((Output(2),), bucket_id=2, properties=(BucketWeight(20),)),
)
HASH = (GroupSelectionMethod("hash", 77, (OxmField("ipv4_dst", 0xFFFFFF00), OxmField("eth_src", 0xFFFFFFFFFFFF))),)
SELECT15_SAID = (
    "group_id=7,type=select,selection_method=hash,selection_method_param=77,fields(eth_src,ip_dst=255.255.255.0),"
    "bucket=bucket_id:1,weight:10,actions=output:1,bucket=bucket_id:2,weight:20,actions=output:2"
)
FAILOVER15 = (
    Bucket((Output(1),), bucket_id=1, properties=(BucketWatchPort(LOCAL),)),
    Bucket((Output(2),), bucket_id=2, properties=(BucketWatchGroup(9),)),
)
FAILOVER15_SAID = (
    "group_id=7,type=ff,bucket=bucket_id:1,watch_port:LOCAL,actions=output:1,"
    "bucket=bucket_id:2,watch_group:9,actions=output:2"
)
STRANGE = Bucket((), bucket_id=3, properties=(UnknownBucketProperty(0xFFFF, bytes(9)), BucketWeight(1)))
STATS = {
    "group_id": 7,
    "ref_count": 2,
    "packet_count": 3,
    "byte_count": 4,
    "bucket_stats": (BucketCounter(5, 6), BucketCounter(7, 8)),
}
COUNTS_SAID = (
    "ref_count=2,packet_count=3,byte_count=4,bucket0:packet_count=5,byte_count=6,bucket1:packet_count=7,byte_count=8"
)
TIMED = GroupStats(**STATS, duration_sec=20, duration_nsec=500_000_000)
TIMED_SAID = f"group_id=7,duration=20.500s,{COUNTS_SAID}"
FEATURES = {
    "types": 0xF,
    "capabilities": GroupCapabilities.CHAINING | GroupCapabilities.SELECT_WEIGHT,
    "max_groups": (1, 2, 3, 4),
}
FEATURES_SAID = """Types: 0xf Capabilities: 0x5 all group: max_groups=0x1 actions: output
    select group: max_groups=0x2 actions: {} indirect group: max_groups=0x3 actions: <none>
    fast failover group: max_groups=0x4"""
ADD, MODIFY = GroupCommand.ADD, GroupCommand.MODIFY

ROWS: list[Row] = [
    (GroupMod(ADD, 7, GroupType.SELECT, SELECT), OLD, f"ADD {SELECT_SAID}"),
    (GroupMod(MODIFY, 7, GroupType.FF, FAILOVER), OLD, f"MOD {FAILOVER_SAID}"),
    (GroupMod(ADD, 7, GroupType.SELECT, SELECT15, properties=HASH), (V15,), f"ADD {SELECT15_SAID}"),
    (NxGroupMod(ADD, 7, GroupType.SELECT, SELECT15, properties=HASH), (V10,), f"ADD {SELECT15_SAID}"),
    (GroupMod(MODIFY, 7, GroupType.FF, FAILOVER15), (V15,), f"MOD {FAILOVER15_SAID}"),
    (NxGroupMod(GroupCommand.ADD_OR_MOD, 7, GroupType.FF, FAILOVER15), (V10,), f"ADD_OR_MOD {FAILOVER15_SAID}"),
    (
        GroupMod(GroupCommand.INSERT_BUCKET, 7, GroupType.SELECT, SELECT15[:1], BucketId.LAST),
        (V15,),
        "INSERT_BUCKET command_bucket_id:last,group_id=7,bucket=bucket_id:1,weight:10,actions=output:1",
    ),
    (
        GroupMod(GroupCommand.REMOVE_BUCKET, 7, GroupType.SELECT, command_bucket_id=1),
        (V15,),
        "REMOVE_BUCKET command_bucket_id:1,group_id=7",
    ),
    (GroupMod(GroupCommand.DELETE, ALL_GROUPS), (*OLD, V15), "DEL group_id=4294967292,type=all"),
    (GroupMod(ADD, 1, 0, (STRANGE,), properties=(UnknownGroupProperty(0xFFFF, bytes(9)),)), (V15,), None),
    (GroupDescRequest(), (*OLD, V15), "group_id=ALL"),
    (GroupDescRequest(7), (V15,), "group_id=7"),
    (NxGroupDescRequest(7), (V10,), "group_id=7"),
    (
        GroupDescReply((GroupDesc(7, GroupType.SELECT, SELECT), GroupDesc(7, GroupType.FF, FAILOVER))),
        OLD,
        f"{SELECT_SAID} {FAILOVER_SAID}",
    ),
    (
        GroupDescReply((GroupDesc(7, GroupType.SELECT, SELECT15, HASH), GroupDesc(7, GroupType.FF, FAILOVER15))),
        (V15,),
        f"{SELECT15_SAID} {FAILOVER15_SAID}",
    ),
    (
        NxGroupDescReply((GroupDesc(7, GroupType.SELECT, SELECT15, HASH), GroupDesc(7, GroupType.FF, FAILOVER15))),
        (V10,),
        f"{SELECT15_SAID} {FAILOVER15_SAID}",
    ),
    (GroupStatsRequest(7), (*OLD, V15), "group_id=7"),
    (NxGroupStatsRequest(), (V10,), "group_id=ALL"),
    (GroupStatsReply((GroupStats(**STATS), GroupStats(8))), (V11, V12), f"group_id=7,{COUNTS_SAID} group_id=8"),
    (GroupStatsReply((TIMED, GroupStats(8))), (V13, V14, V15), f"{TIMED_SAID} group_id=8"),
    (NxGroupStatsReply((TIMED, GroupStats(8))), (V10,), f"{TIMED_SAID} group_id=8"),
    (GroupFeaturesRequest(), (V12, V13, V14, V15), "GROUP_FEATURES request"),
    (NxGroupFeaturesRequest(), (V10, V11), "GROUP_FEATURES request"),
    (
        GroupFeaturesReply(**FEATURES, actions=(1, 1 << 22, 0, 1 << 17)),
        (V12, V13, V14, V15),
        FEATURES_SAID.format("group"),
    ),
    (NxGroupFeaturesReply(**FEATURES, actions=(1, 1 << 22, 0, 1 << 17)), (V11,), FEATURES_SAID.format("group")),
    (NxGroupFeaturesReply(**FEATURES, actions=(1, 1 << 11, 0, 0)), (V10,), FEATURES_SAID.format("enqueue")),
]


@pytest.mark.parametrize(("message", "version", "said"), parameters(ROWS))
def test_there_and_back(message, version, said):
    check(message, version, said)


def test_mutilated():
    check_mutilated(ROWS)


def test_what_a_version_lacks_is_refused():
    refuse(GroupMod(ADD, 1), V10, "no GroupMod")
    refuse(NxGroupMod(ADD, 1), V11, "no NxGroupMod")
    refuse(GroupMod(ADD, 1, 0, SELECT), V15, "Bucket.weight: OpenFlow 1.5 has no such field")
    refuse(GroupMod(ADD, 1, 0, SELECT15), V14, "Bucket.bucket_id: OpenFlow 1.4")
    refuse(GroupMod(ADD, 1, command_bucket_id=3), V14, "command_bucket_id: OpenFlow 1.4")
    refuse(GroupDescRequest(7), V14, "group_id: OpenFlow 1.4")
    refuse(GroupFeaturesReply(max_groups=(1, 2, 3)), V13, "3 numbers where 4 are wanted")


def test_fields_of_the_selection_method_stand_in_the_context_of_the_version():
    """Open vSwitch takes NXM headers in OpenFlow 1.0 and OXM headers in 1.5."""
    nxm = codec.encode(NxGroupMod(ADD, 7, GroupType.SELECT, (), properties=HASH), 0, V10)
    oxm = codec.encode(GroupMod(ADD, 7, GroupType.SELECT, (), properties=HASH), 0, V15)
    assert bytes.fromhex("00001004ffffff00") in nxm
    assert bytes.fromhex("80001804ffffff00") in oxm
