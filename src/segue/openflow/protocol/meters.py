"""Meters: measuring packets, and what becomes of those above a rate (OpenFlow 1.3 and later).

OpenFlow 1.5.1 sections 7.3.4.5 (meter modification) and 7.3.5 (meter statistics, descriptions and features). The
rate of a band is in kb/s, or in packets a second where the meter has PKTPS; `burst_size` in kb or packets, if the
meter has BURST.
"""

from collections.abc import Sequence
from typing import Final

from segue.openflow import declare as w
from segue.openflow.declare import Message, Record, member, message, reply, request, unknown
from segue.openflow.names import Flags, Numbers
from segue.openflow.protocol.values import OPTIONAL_WORD
from segue.openflow.wire import V13, V14, V15

ALL_METERS: Final = 0xFFFFFFFF

METER_BAND: Final = w.family("meter band", inside=True, bad_length="OFPBRC_BAD_LEN")


class MeterCommand(Numbers, prefix="OFPMC_"):
    ADD = 0
    MODIFY = 1
    DELETE = 2


class MeterNumber(Numbers, prefix="OFPM_"):
    MAX = 0xFFFF0000
    SLOWPATH = 0xFFFFFFFD
    CONTROLLER = 0xFFFFFFFE
    ALL = ALL_METERS


class MeterFlags(Flags, prefix="OFPMF_"):
    KBPS = 1 << 0
    PKTPS = 1 << 1
    BURST = 1 << 2
    STATS = 1 << 3


class MeterBandTypes(Flags, prefix="OFPMBT_"):
    """Bit n for the band type of number n."""

    DROP = 1 << 1
    DSCP_REMARK = 1 << 2


class MeterFeatureFlags(Flags, prefix="OFPMFF_"):
    """Where meters may stand among actions (1.5)."""

    ACTION_SET = 1 << 0
    ANY_POSITION = 1 << 1
    MULTI_LIST = 1 << 2


class MeterBand(Record, frozen=True, gc=False):
    """What becomes of packets above a rate (OpenFlow 1.5.1 section 7.3.4.5; 1.3.5 section 7.3.4.4)."""


@unknown(METER_BAND)
class UnknownMeterBand(MeterBand, frozen=True, gc=False):
    """A band that nobody declared: the octets behind its type and length (OpenFlow 1.5.1 section 7.3.4.5; 1.3.5 section
    7.3.4.4)."""

    type: int
    data: bytes = b""


@member(METER_BAND, "OFPMBT_DROP", {V13: 1})
class MeterDrop(MeterBand, frozen=True, gc=False):
    """They are dropped (OpenFlow 1.5.1 section 7.3.4.5; 1.3.5 section 7.3.4.4). `rate` is in kb/s, or in packets a
    second if the meter has PKTPS; `burst_size` in kb, or in packets, and means nothing unless the meter has BURST."""

    rate: int
    burst_size: int = 0

    WIRE = (w.u32("rate"), w.u32("burst_size"), w.pad(4))


@member(METER_BAND, "OFPMBT_DSCP_REMARK", {V13: 2})
class MeterDscpRemark(MeterBand, frozen=True, gc=False):
    """The drop precedence in their DSCP rises by `prec_level`, 0 to 255 steps (OpenFlow 1.5.1 section 7.3.4.5; 1.3.5
    section 7.3.4.4). `rate` is in kb/s, or in packets a second if the meter has PKTPS; `burst_size` in kb, or in
    packets, and means nothing unless the meter has BURST."""

    rate: int
    burst_size: int = 0
    prec_level: int = 0

    WIRE = (w.u32("rate"), w.u32("burst_size"), w.u8("prec_level"), w.pad(3))


@member(METER_BAND, "OFPMBT_EXPERIMENTER", {V13: 0xFFFF})
class MeterExperimenter(MeterBand, frozen=True, gc=False):
    """What an experimenter has thought of (OpenFlow 1.5.1 section 7.3.4.5; 1.3.5 section 7.3.4.4). `rate` is in kb/s,
    or in packets a second if the meter has PKTPS; `burst_size` in kb, or in packets, and means nothing unless the meter
    has BURST."""

    rate: int
    burst_size: int = 0
    experimenter: int = 0
    data: bytes = b""

    WIRE = (w.u32("rate"), w.u32("burst_size"), w.u32("experimenter"), w.data("data"))


@message("OFPT_METER_MOD", {V13: 29})
class MeterMod(Message, frozen=True, gc=False):
    """Adds, changes or removes a meter (OpenFlow 1.5.1 section 7.3.4.5; 1.3.5 section 7.3.4.4). `meter_id` is 1 to
    0xffff0000 (OFPM_MAX), 0xfffffffd for packets on the slow path, 0xfffffffe for those to the controller, 0xffffffff
    in removals for all."""

    command: int
    meter_id: int
    bands: Sequence[MeterBand] = ()
    flags: int = MeterFlags.KBPS

    WIRE = (
        w.u16("command", MeterCommand),
        w.u16("flags", MeterFlags),
        w.u32("meter_id", MeterNumber),
        w.many("bands", METER_BAND),
    )


class MeterBandStats(Record, frozen=True, gc=False):
    """What has exceeded a band's rate (OpenFlow 1.5.1 section 7.3.5, OFPMP_METER_STATS; 1.3.5 section 7.3.5.12):
    `packet_band_count` packets and `byte_band_count` octets."""

    packet_band_count: int = 0
    byte_band_count: int = 0

    WIRE = (w.u64("packet_band_count"), w.u64("byte_band_count"))


class MeterStats(Record, frozen=True, gc=False):
    """A meter's counters, `ofp_meter_stats` (OpenFlow 1.5.1 section 7.3.5, OFPMP_METER_STATS; 1.3.5 section 7.3.5.12):
    it has seen `packet_in_count` packets and `byte_in_count` octets in `duration_sec` seconds and `duration_nsec`
    nanoseconds. How many flow entries use it is `flow_count` in 1.3 and 1.4, `ref_count` in 1.5."""

    meter_id: int
    flow_count: int = 0
    ref_count: int = 0
    packet_in_count: int = 0
    byte_in_count: int = 0
    duration_sec: int = 0
    duration_nsec: int = 0
    band_stats: Sequence[MeterBandStats] = ()

    WIRE = (
        w.u32("meter_id", MeterNumber),
        w.length(),
        w.pad(6),
        w.u32("flow_count", until=V14),
        w.u32("ref_count", since=V15),
        w.u64("packet_in_count"),
        w.u64("byte_in_count"),
        w.u32("duration_sec"),
        w.u32("duration_nsec"),
        w.many("band_stats", MeterBandStats),
    )


@request({V13: "OFPMP_METER", V15: "OFPMP_METER_STATS"}, {V13: 9})
class MeterStatsRequest(Message, frozen=True, gc=False):
    """Asks for the counters of one meter, or of all (OpenFlow 1.5.1 section 7.3.5, OFPMP_METER_STATS; 1.3.5 section
    7.3.5.12). `meter_id` is 1 to 0xffff0000 (OFPM_MAX), 0xffffffff for all."""

    meter_id: int = ALL_METERS
    flags: int = 0

    WIRE = (w.u32("meter_id", MeterNumber), w.pad(4))


@reply({V13: "OFPMP_METER", V15: "OFPMP_METER_STATS"}, {V13: 9})
class MeterStatsReply(Message, frozen=True, gc=False):
    """Counters of meters (OpenFlow 1.5.1 section 7.3.5, OFPMP_METER_STATS; 1.3.5 section 7.3.5.12)."""

    stats: Sequence[MeterStats] = ()
    flags: int = 0

    WIRE = (w.many("stats", MeterStats),)


class MeterDesc(Record, frozen=True, gc=False):
    """A meter: `ofp_meter_config` in OpenFlow 1.3 and 1.4, `ofp_meter_desc` in 1.5 (OpenFlow 1.5.1 section 7.3.5,
    OFPMP_METER_DESC; 1.3.5 section 7.3.5.13)."""

    meter_id: int
    bands: Sequence[MeterBand] = ()
    flags: int = 0

    WIRE = (
        w.length(),
        w.u16("flags", MeterFlags),
        w.u32("meter_id", MeterNumber),
        w.many("bands", METER_BAND),
    )


@request({V13: "OFPMP_METER_CONFIG", V15: "OFPMP_METER_DESC"}, {V13: 10})
class MeterDescRequest(Message, frozen=True, gc=False):
    """Asks for the description of one meter, or of all (OpenFlow 1.5.1 section 7.3.5, OFPMP_METER_DESC; 1.3.5 section
    7.3.5.13). `meter_id` is 1 to 0xffff0000 (OFPM_MAX), 0xffffffff for all."""

    meter_id: int = ALL_METERS
    flags: int = 0

    WIRE = (w.u32("meter_id", MeterNumber), w.pad(4))


@reply({V13: "OFPMP_METER_CONFIG", V15: "OFPMP_METER_DESC"}, {V13: 10})
class MeterDescReply(Message, frozen=True, gc=False):
    """Descriptions of meters (OpenFlow 1.5.1 section 7.3.5, OFPMP_METER_DESC; 1.3.5 section 7.3.5.13)."""

    meters: Sequence[MeterDesc] = ()
    flags: int = 0

    WIRE = (w.many("meters", MeterDesc),)


@request("OFPMP_METER_FEATURES", {V13: 11})
class MeterFeaturesRequest(Message, frozen=True, gc=False):
    """Asks what the switch's meters can do (OpenFlow 1.5.1 section 7.3.5, OFPMP_METER_FEATURES; 1.3.5 section
    7.3.5.14)."""

    flags: int = 0


@reply("OFPMP_METER_FEATURES", {V13: 11})
class MeterFeaturesReply(Message, frozen=True, gc=False):
    """What the switch's meters can do (OpenFlow 1.5.1 section 7.3.5, OFPMP_METER_FEATURES; 1.3.5 section 7.3.5.14).
    `max_meter` meters, 0 to 2**32 - 1, are the most; each can have `max_bands` bands and `max_color` colours, 0 to
    255. `features` (`MeterFeatureFlags`) is of OpenFlow 1.5, and None where the switch leaves it out, as Open
    vSwitch does."""

    max_meter: int = 0
    band_types: int = 0
    capabilities: int = 0
    max_bands: int = 0
    max_color: int = 0
    features: int | None = 0
    flags: int = 0

    WIRE = (
        w.u32("max_meter"),
        w.u32("band_types", MeterBandTypes),
        w.u32("capabilities", MeterFlags),
        w.u8("max_bands"),
        w.u8("max_color"),
        w.pad(2),
        w.custom("features", OPTIONAL_WORD, since=V15),
    )
