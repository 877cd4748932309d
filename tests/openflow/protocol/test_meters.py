"""Meters against Open vSwitch."""

import pytest

from segue.openflow import codec
from segue.openflow.protocol.meters import (
    ALL_METERS,
    MeterBandStats,
    MeterBandTypes,
    MeterCommand,
    MeterDesc,
    MeterDescReply,
    MeterDescRequest,
    MeterDrop,
    MeterDscpRemark,
    MeterExperimenter,
    MeterFeatureFlags,
    MeterFeaturesReply,
    MeterFeaturesRequest,
    MeterFlags,
    MeterMod,
    MeterStats,
    MeterStatsReply,
    MeterStatsRequest,
    UnknownMeterBand,
)
from segue.openflow.wire import V12, V13, V14, V15

from .judged import Row, check, check_mutilated, parameters, refuse

ALL = (V13, V14, V15)
BANDS = (MeterDrop(1000, 100), MeterDscpRemark(500, 50, 1))
BANDS_SAID = "bands= type=drop rate=1000 burst_size=100 type=dscp_remark rate=500 burst_size=50 prec_level=1"
STRANGE = (MeterExperimenter(1, 2, 3, b"12345678"), UnknownMeterBand(9, bytes(12)))
STATS = {
    "packet_in_count": 2,
    "byte_in_count": 3,
    "duration_sec": 4,
    "duration_nsec": 500_000_000,
    "band_stats": (MeterBandStats(6, 7), MeterBandStats(8, 9)),
}
STATS_SAID = """meter:5 flow_count:1 packet_in_count:2 byte_in_count:3 duration:4.500s bands:
    0: packet_count:6 byte_count:7 1: packet_count:8 byte_count:9 meter:6 flow_count:0"""
FEATURES = (10, MeterBandTypes.DROP | MeterBandTypes.DSCP_REMARK, 0xF, 3, 4)
FEATURES_SAID = """max_meter:10 max_bands:3 max_color:4 band_types: drop dscp_remark
    capabilities: kbps pktps burst stats"""

ROWS: list[Row] = [
    (
        MeterMod(MeterCommand.ADD, 5, BANDS, MeterFlags.PKTPS | MeterFlags.BURST | MeterFlags.STATS),
        ALL,
        f"ADD meter=5 pktps burst stats {BANDS_SAID}",
    ),
    (MeterMod(MeterCommand.DELETE, ALL_METERS), ALL, "DEL meter=all"),
    (MeterMod(MeterCommand.MODIFY, 1, STRANGE), ALL, None),
    (MeterStatsRequest(5), ALL, "meter=5"),
    (MeterStatsReply((MeterStats(5, flow_count=1, **STATS), MeterStats(6))), (V13, V14), STATS_SAID),
    (MeterStatsReply((MeterStats(5, ref_count=1, **STATS), MeterStats(6))), (V15,), STATS_SAID),
    (MeterDescRequest(), ALL, "meter=all"),
    (
        MeterDescReply((MeterDesc(5, BANDS, MeterFlags.KBPS | MeterFlags.BURST), MeterDesc(6, (), MeterFlags.PKTPS))),
        ALL,
        f"meter=5 kbps burst {BANDS_SAID} meter=6 pktps",
    ),
    (MeterFeaturesRequest(), ALL, "METER_FEATURES request"),
    (MeterFeaturesReply(*FEATURES), (V13, V14), FEATURES_SAID),
    # Open vSwitch has the 16 octets of 1.3 in 1.5, too.
    (MeterFeaturesReply(*FEATURES, features=None), (V15,), FEATURES_SAID),
    (MeterFeaturesReply(*FEATURES, MeterFeatureFlags.ANY_POSITION), (V15,), None),
]


@pytest.mark.parametrize(("message", "version", "said"), parameters(ROWS))
def test_there_and_back(message, version, said):
    check(message, version, said)


def test_mutilated():
    check_mutilated(ROWS)


def test_what_a_version_lacks_is_refused():
    refuse(MeterMod(0, 1), V12, "no MeterMod")
    refuse(MeterStatsReply((MeterStats(1, ref_count=1),)), V14, "ref_count: OpenFlow 1.4")
    refuse(MeterFeaturesReply(features=1), V14, "features: OpenFlow 1.4")
    refuse(MeterMod(0, 1, (MeterDrop(1 << 32),)), V13, r"MeterMod.bands\[0\]: MeterDrop.rate: 4294967296")


def test_features_of_1_5_have_24_octets():
    assert len(codec.encode(MeterFeaturesReply(), 0, V15)) == 16 + 24
