"""Ports, their changes and counters, against Open vSwitch."""

import pytest

from segue.openflow.protocol.port_stats import (
    PortStats,
    PortStatsEthernet,
    PortStatsOptical,
    PortStatsReply,
    PortStatsRequest,
    UnknownPortStatsProperty,
)
from segue.openflow.protocol.ports import (
    Port,
    PortConfig,
    PortConfig10,
    PortDescReply,
    PortDescRequest,
    PortEthernet,
    PortFeatures,
    PortFeatures10,
    PortMod,
    PortModEthernet,
    PortModOptical,
    PortOptical,
    PortPipelineInput,
    PortPipelineOutput,
    PortReason,
    PortRecirculate,
    PortState,
    PortState10,
    PortStatus,
    UnknownPortModProperty,
    UnknownPortProperty,
)
from segue.openflow.wire import LOCAL, V10, V11, V12, V13, V14, V15, VERSIONS

from .judged import Row, check, check_mutilated, parameters, refuse

MAC = 0x020000000003
OLD = Port(
    3,
    "eth3",
    MAC,
    PortConfig10.NO_FLOOD | PortConfig10.PORT_DOWN,
    PortState10.STP_FORWARD,
    PortFeatures10.F_10MB_HD | PortFeatures10.F_COPPER | PortFeatures10.F_PAUSE_ASYM,
    PortFeatures10.F_10MB_FD,
    PortFeatures10.F_100MB_HD,
    PortFeatures10.F_AUTONEG,
)
OLD_SAID = """3(eth3): addr:02:00:00:00:00:03 config: PORT_DOWN NO_FLOOD state: STP_FORWARD
    current: 10MB-HD COPPER AUTO_PAUSE_ASYM advertised: 10MB-FD supported: 100MB-HD peer: AUTO_NEG"""
SPEEDS = (
    PortFeatures.F_PAUSE_ASYM | PortFeatures.F_1TB_FD,
    PortFeatures.F_10MB_FD,
    PortFeatures.F_100MB_HD,
    PortFeatures.F_OTHER,
    1_000_000,
    2_000_000,
)
PORT = Port(3, "eth3", MAC, PortConfig.NO_RECV, PortState.LIVE, *SPEEDS)
NEW = Port(3, "eth3", MAC, PortConfig.NO_RECV, PortState.LIVE, properties=(PortEthernet(*SPEEDS),))
SAID = """3(eth3): addr:02:00:00:00:00:03 config: NO_RECV state: LIVE
    current: 1TB-FD AUTO_PAUSE_ASYM advertised: 10MB-FD supported: 100MB-HD peer: OTHER
    speed: 1000 Mbps now, 2000 Mbps max"""
OPTICAL = PortOptical(1, 2, 3, 4, 5, 6, 7, 8, 9)
STRANGE = UnknownPortProperty(0xFFFF, b"\0\0\0\x65\0\0\0\2\1\2\3")
PIPELINE = (
    PortPipelineInput(("in_port", "metadata/m")),
    PortPipelineOutput(("tunnel_id",)),
    PortRecirculate((1, LOCAL)),
)

COUNTS = (1, 2, 3, 4, 5, 6, 7, 8)
COUNTED = """port 3: rx pkts=1, bytes=3, drop=5, errs=7, frame=9, over=10, crc=11
    tx pkts=2, bytes=4, drop=6, errs=8, coll=12"""
TIME = {"duration_sec": 20, "duration_nsec": 500_000_000}
MOD_SAID = "port: 3: addr:02:00:00:00:00:03 config: PORT_DOWN mask: PORT_DOWN NO_FWD advertise: 1GB-FD"
FLAGS = {"config": PortConfig.PORT_DOWN, "mask": PortConfig.PORT_DOWN | PortConfig.NO_FWD}

ROWS: list[Row] = [
    (PortStatus(PortReason.MODIFY, OLD), (V10,), f"MOD: {OLD_SAID}"),
    (PortStatus(PortReason.ADD, PORT), (V11, V12, V13), f"ADD: {SAID}"),
    (PortStatus(PortReason.DELETE, NEW), (V14, V15), f"DEL: {SAID}"),
    (PortDescReply((OLD, OLD)), (V10,), f"{OLD_SAID} speed: 10 Mbps now, 100 Mbps max {OLD_SAID}"),
    (PortDescReply((PORT, PORT), flags=1), (V11, V12, V13), f"{SAID} {SAID}"),
    (PortDescReply((NEW, NEW)), (V14, V15), f"{SAID} {SAID}"),
    (PortDescReply((Port(LOCAL, "br0", properties=(STRANGE, PortEthernet(*SPEEDS), OPTICAL)),)), (V14, V15), None),
    (PortDescReply((Port(1, "p", properties=PIPELINE), NEW)), (V15,), None),
    (PortDescRequest(), VERSIONS, "port=ANY"),
    (PortDescRequest(5), (V15,), "port=5"),
    (PortMod(3, MAC, **FLAGS, advertise=PortFeatures.F_1GB_FD), (V10, V11, V12, V13), MOD_SAID),
    (PortMod(3, MAC, **FLAGS, properties=(PortModEthernet(PortFeatures.F_1GB_FD),)), (V14, V15), MOD_SAID),
    (
        PortMod(3, MAC, properties=(PortModOptical(1, 2, 0xFFFFFFFF, 4, 5), UnknownPortModProperty(0xFFFF, bytes(8)))),
        (V14, V15),
        None,
    ),
    (PortStatsRequest(3), VERSIONS, "port_no=3"),
    (PortStatsRequest(), VERSIONS, "port_no=ANY"),
    (PortStatsReply((PortStats(3, *COUNTS, 9, 10, 11, 12), PortStats(4))), (V10, V11, V12), COUNTED),
    (
        PortStatsReply((PortStats(3, *COUNTS, 9, 10, 11, 12, **TIME), PortStats(4))),
        (V13,),
        f"{COUNTED} duration=20.500s",
    ),
    (
        PortStatsReply((PortStats(3, *COUNTS, **TIME, properties=(PortStatsEthernet(9, 10, 11, 12),)), PortStats(4))),
        (V14, V15),
        f"{COUNTED} duration=20.500s",
    ),
    (
        PortStatsReply(
            (
                PortStats(
                    3,
                    properties=(
                        PortStatsOptical(1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11),
                        UnknownPortStatsProperty(0xFFFF, bytes(9)),
                    ),
                ),
            )
        ),
        (V14, V15),
        None,
    ),
]


@pytest.mark.parametrize(("message", "version", "said"), parameters(ROWS))
def test_there_and_back(message, version, said):
    check(message, version, said)


def test_mutilated():
    check_mutilated(ROWS)


def test_ports_of_other_versions_are_refused():
    refuse(PortDescReply((NEW,)), V13, r"Port.properties: OpenFlow 1.3 has no such field")
    refuse(PortDescReply((PORT,)), V14, r"Port.curr: OpenFlow 1.4 has no such field")
    refuse(PortDescReply((PORT,)), V10, r"Port.curr_speed: OpenFlow 1.0 has no such field")
    refuse(PortDescRequest(5), V13, r"port_no: OpenFlow 1.3")
    refuse(PortStatsReply((PortStats(1, duration_sec=1),)), V12, r"duration_sec: OpenFlow 1.2")
    refuse(PortMod(1, advertise=1), V14, r"advertise: OpenFlow 1.4")
    refuse(PortDescReply((Port(1, "p", properties=(PortRecirculate((1,)),)),)), V14, "PortRecirculate")
    refuse(PortDescReply((Port(1, "seventeen octets!"),)), V13, "16 is the most")


def test_up():
    assert Port(1).up
    assert not Port(1, config=PortConfig.PORT_DOWN).up
    assert not Port(1, state=PortState.LINK_DOWN | PortState.LIVE).up


def test_names():
    assert PortFeatures.name_of(1) == "OFPPF_10MB_HD"
    assert PortFeatures.name_of(1 << 11) == "OFPPF_COPPER"
    assert PortFeatures10.name_of(1 << 7) == "OFPPF_COPPER"
