"""Counters of ports (OpenFlow 1.5.1 section 7.3.5, OFPMP_PORT_STATS; 1.0.0 section 5.3.5).

A counter that a switch does not have reads all ones. As in descriptions (`ports`), OpenFlow 1.4 moved what only
Ethernet has, `rx_frame_err` to `collisions`, into a property.
"""

from collections.abc import Sequence
from typing import Final

from segue.openflow import declare as w
from segue.openflow.declare import Message, Record, member, reply, request, unknown
from segue.openflow.names import Flags
from segue.openflow.wire import ANY_PORT, V10, V11, V13, V14

PORT_STATS_PROPERTY: Final = w.family("port stats property", inside=False)


class OpticalStatsFlags(Flags, prefix="OFPOSF_"):
    """Which of the values the port can tell."""

    RX_TUNE = 1 << 0
    TX_TUNE = 1 << 1
    TX_PWR = 1 << 2
    RX_PWR = 1 << 4
    TX_BIAS = 1 << 5
    TX_TEMP = 1 << 6


class PortStatsProperty(Record, frozen=True, gc=False):
    """A property of a port's counters (1.4 and later; OpenFlow 1.5.1 section 7.3.5, OFPMP_PORT_STATS)."""


@unknown(PORT_STATS_PROPERTY)
class UnknownPortStatsProperty(PortStatsProperty, frozen=True, gc=False):
    """A property that nobody declared, an experimenter's too: the octets behind its type and length (OpenFlow 1.5.1
    section 7.3.5, OFPMP_PORT_STATS)."""

    type: int
    data: bytes = b""


@member(PORT_STATS_PROPERTY, "OFPPSPT_ETHERNET", {V14: 0})
class PortStatsEthernet(PortStatsProperty, frozen=True, gc=False):
    """What goes wrong on Ethernet only, and collisions (OpenFlow 1.5.1 section 7.3.5, OFPMP_PORT_STATS). In frames."""

    rx_frame_err: int = 0
    rx_over_err: int = 0
    rx_crc_err: int = 0
    collisions: int = 0

    WIRE = (w.pad(4), w.u64("rx_frame_err"), w.u64("rx_over_err"), w.u64("rx_crc_err"), w.u64("collisions"))


@member(PORT_STATS_PROPERTY, "OFPPSPT_OPTICAL", {V14: 1})
class PortStatsOptical(PortStatsProperty, frozen=True, gc=False):
    """Light and laser (OpenFlow 1.5.1 section 7.3.5, OFPMP_PORT_STATS): frequencies in MHz or wavelengths in hundredths
    of nanometres as in `PortOptical`, offsets signed numbers as their 32 bits, powers in tenths of dBm, `bias_current`
    in tenths of mA, `temperature` in tenths of degrees Celsius; each means something only if `flags` has its bit."""

    flags: int = 0
    tx_freq_lmda: int = 0
    tx_offset: int = 0
    tx_grid_span: int = 0
    rx_freq_lmda: int = 0
    rx_offset: int = 0
    rx_grid_span: int = 0
    tx_pwr: int = 0
    rx_pwr: int = 0
    bias_current: int = 0
    temperature: int = 0

    WIRE = (
        w.pad(4),
        w.u32("flags", OpticalStatsFlags),
        w.u32("tx_freq_lmda"),
        w.u32("tx_offset"),
        w.u32("tx_grid_span"),
        w.u32("rx_freq_lmda"),
        w.u32("rx_offset"),
        w.u32("rx_grid_span"),
        w.u16("tx_pwr"),
        w.u16("rx_pwr"),
        w.u16("bias_current"),
        w.u16("temperature"),
    )


class PortStats(Record, frozen=True, gc=False):
    """A port's counters, `ofp_port_stats` (OpenFlow 1.5.1 section 7.3.5, OFPMP_PORT_STATS; 1.3.5 section 7.3.5.6; 1.0.0
    section 5.3.5): `rx_packets` and `tx_packets` packets, `rx_bytes` and `tx_bytes` octets, the others packets too, all
    ones where the switch does not count. `rx_frame_err` to `collisions` are in OpenFlow 1.4 and later in
    `PortStatsEthernet`; the port has been there for `duration_sec` seconds and `duration_nsec` nanoseconds (told since
    1.3)."""

    port_no: int
    rx_packets: int = 0
    tx_packets: int = 0
    rx_bytes: int = 0
    tx_bytes: int = 0
    rx_dropped: int = 0
    tx_dropped: int = 0
    rx_errors: int = 0
    tx_errors: int = 0
    rx_frame_err: int = 0
    rx_over_err: int = 0
    rx_crc_err: int = 0
    collisions: int = 0
    duration_sec: int = 0
    duration_nsec: int = 0
    properties: Sequence[PortStatsProperty] = ()

    WIRE = (
        w.length(since=V14),
        w.pad(2, since=V14),
        w.port("port_no"),
        w.pad(6, until=V10),
        w.pad(4, since=V11, until=V13),
        w.u32("duration_sec", since=V14),
        w.u32("duration_nsec", since=V14),
        w.u64("rx_packets"),
        w.u64("tx_packets"),
        w.u64("rx_bytes"),
        w.u64("tx_bytes"),
        w.u64("rx_dropped"),
        w.u64("tx_dropped"),
        w.u64("rx_errors"),
        w.u64("tx_errors"),
        w.u64("rx_frame_err", until=V13),
        w.u64("rx_over_err", until=V13),
        w.u64("rx_crc_err", until=V13),
        w.u64("collisions", until=V13),
        w.u32("duration_sec", since=V13, until=V13),
        w.u32("duration_nsec", since=V13, until=V13),
        w.many("properties", PORT_STATS_PROPERTY, since=V14),
    )


@request({V10: "OFPST_PORT", V13: "OFPMP_PORT_STATS"}, {V10: 4})
class PortStatsRequest(Message, frozen=True, gc=False):
    """Asks for the counters of one port, or of all (OpenFlow 1.5.1 section 7.3.5, OFPMP_PORT_STATS; 1.3.5 section
    7.3.5.6; 1.0.0 section 5.3.5). `port_no` ANY is all."""

    port_no: int = ANY_PORT
    flags: int = 0

    WIRE = (w.port("port_no"), w.pad(6, until=V10), w.pad(4, since=V11))


@reply({V10: "OFPST_PORT", V13: "OFPMP_PORT_STATS"}, {V10: 4})
class PortStatsReply(Message, frozen=True, gc=False):
    """Counters of ports (OpenFlow 1.5.1 section 7.3.5, OFPMP_PORT_STATS; 1.3.5 section 7.3.5.6; 1.0.0 section
    5.3.5)."""

    stats: Sequence[PortStats] = ()
    flags: int = 0

    WIRE = (w.many("stats", PortStats),)
