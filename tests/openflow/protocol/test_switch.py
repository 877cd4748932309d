"""Features, configuration and description of a switch, against Open vSwitch."""

import pytest

from segue.openflow.protocol.ports import Port
from segue.openflow.protocol.switch import (
    Capabilities,
    Capabilities10,
    ConfigFlags,
    DescReply,
    DescRequest,
    FeaturesReply,
    FeaturesRequest,
    GetConfigReply,
    GetConfigRequest,
    SetConfig,
)
from segue.openflow.wire import LOCAL, V10, V11, V12, V13, V14, V15, VERSIONS

from .judged import Row, check, check_mutilated, parameters, refuse

LATE = (V13, V14, V15)
WHO = (0x0102030405060708, 256, 254)
WHO_SAID = "dpid:0102030405060708 n_tables:254, n_buffers:256"
OLD = Capabilities10.FLOW_STATS | Capabilities10.STP | Capabilities10.ARP_MATCH_IP
NEW = Capabilities.FLOW_STATS | Capabilities.GROUP_STATS
PORTS = (Port(1, "eth1", 0x020000000001), Port(LOCAL, "br0", 0x020000000002))
PORTS_SAID = "1(eth1): addr:02:00:00:00:00:01 config: 0 state: 0 speed: 0 Mbps now, 0 Mbps max LOCAL(br0): addr:02:"

ROWS: list[Row] = [
    (FeaturesRequest(), VERSIONS, "FEATURES_REQUEST"),
    (
        FeaturesReply(*WHO, OLD, PORTS, actions=0x801),
        (V10,),
        f"{WHO_SAID} capabilities: FLOW_STATS STP ARP_MATCH_IP actions: output enqueue {PORTS_SAID}",
    ),
    (FeaturesReply(*WHO, NEW, PORTS), (V11, V12), f"{WHO_SAID} capabilities: FLOW_STATS GROUP_STATS {PORTS_SAID}"),
    (
        FeaturesReply(*WHO, NEW, auxiliary_id=5, reserved=1),
        LATE,
        f"{WHO_SAID}, auxiliary_id:5 capabilities: FLOW_STATS GROUP_STATS",
    ),
    (GetConfigRequest(), VERSIONS, "GET_CONFIG_REQUEST"),
    (
        GetConfigReply(ConfigFlags.FRAG_DROP | ConfigFlags.INVALID_TTL_TO_CONTROLLER, 64),
        (V11, V12),
        "frags=drop invalid_ttl_to_controller miss_send_len=64",
    ),
    (SetConfig(ConfigFlags.FRAG_NX_MATCH, 0xFFFF), VERSIONS, "frags=nx-match miss_send_len=65535"),
    (DescRequest(), VERSIONS, "DESC request"),
    (
        DescReply("maker", "iron", "3.1", "007", "café"),
        VERSIONS,
        "Manufacturer: maker Hardware: iron Software: 3.1 Serial Num: 007 DP Description: caf",
    ),
    (DescReply("\udcff\udc80"), (V13,), None),
]


@pytest.mark.parametrize(("message", "version", "said"), parameters(ROWS))
def test_there_and_back(message, version, said):
    check(message, version, said)


def test_mutilated():
    check_mutilated(ROWS)


def test_what_a_version_lacks_is_refused():
    refuse(FeaturesReply(1, ports=PORTS), V13, "ports: OpenFlow 1.3")
    refuse(FeaturesReply(1, auxiliary_id=1), V12, "auxiliary_id: OpenFlow 1.2")
    refuse(FeaturesReply(1, actions=1), V11, "actions: OpenFlow 1.1")
    refuse(DescReply(serial_num="x" * 33), V13, "32 is the most")
