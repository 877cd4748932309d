"""Ports: their descriptions, what changes in them, and how a controller changes it.

OpenFlow 1.5.1 sections 7.2.1 (ports), 7.3.4.4 (port modification), 7.4.3 (port status), 7.3.5 (port
descriptions); 1.0.0 sections 5.2.1, 5.3.3 and 5.4.3.

OpenFlow 1.0 to 1.3 describe a port in one struct, as if all were Ethernet. From 1.4 on what is peculiar to a
kind of link stands in properties, so `curr` to `max_speed` of `Port` and `advertise` of `PortMod` belong to the older
versions, and `PortEthernet` and `PortModEthernet` to the newer ones. Feature bits of OpenFlow 1.0 are not those of
later versions.
"""

from collections.abc import Sequence
from typing import Final

from segue.openflow import declare as w
from segue.openflow.declare import Message, Record, member, message, reply, request, unknown
from segue.openflow.names import Flags, Numbers
from segue.openflow.protocol.values import WORDS
from segue.openflow.wire import ANY_PORT, V10, V11, V13, V14, V15

PORT_PROPERTY: Final = w.family("port property", inside=False)
PORT_MOD_PROPERTY: Final = w.family("port mod property", inside=False)


class PortReason(Numbers, prefix="OFPPR_"):
    ADD = 0
    DELETE = 1
    MODIFY = 2


class PortConfig10(Flags, prefix="OFPPC_"):
    PORT_DOWN = 1 << 0
    NO_STP = 1 << 1
    NO_RECV = 1 << 2
    NO_RECV_STP = 1 << 3
    NO_FLOOD = 1 << 4
    NO_FWD = 1 << 5
    NO_PACKET_IN = 1 << 6


class PortConfig(Flags, prefix="OFPPC_"):
    PORT_DOWN = 1 << 0
    NO_RECV = 1 << 2
    NO_FWD = 1 << 5
    NO_PACKET_IN = 1 << 6


class PortState10(Flags, prefix="OFPPS_"):
    """The spanning tree's state is a number of two bits; 0 is "listening"."""

    LINK_DOWN = 1 << 0
    STP_BLOCK = 3 << 8  # before its parts, because names are looked for in this order
    STP_LEARN = 1 << 8
    STP_FORWARD = 2 << 8


class PortState(Flags, prefix="OFPPS_"):
    LINK_DOWN = 1 << 0
    BLOCKED = 1 << 1
    LIVE = 1 << 2


class PortFeatures10(Flags, prefix="OFPP"):
    """HD half duplex, FD full duplex. Some names begin with a digit, hence the `F_`, which is part of OFPPF_."""

    F_10MB_HD = 1 << 0
    F_10MB_FD = 1 << 1
    F_100MB_HD = 1 << 2
    F_100MB_FD = 1 << 3
    F_1GB_HD = 1 << 4
    F_1GB_FD = 1 << 5
    F_10GB_FD = 1 << 6
    F_COPPER = 1 << 7
    F_FIBER = 1 << 8
    F_AUTONEG = 1 << 9
    F_PAUSE = 1 << 10
    F_PAUSE_ASYM = 1 << 11


class PortFeatures(Flags, prefix="OFPP"):
    F_10MB_HD = 1 << 0
    F_10MB_FD = 1 << 1
    F_100MB_HD = 1 << 2
    F_100MB_FD = 1 << 3
    F_1GB_HD = 1 << 4
    F_1GB_FD = 1 << 5
    F_10GB_FD = 1 << 6
    F_40GB_FD = 1 << 7
    F_100GB_FD = 1 << 8
    F_1TB_FD = 1 << 9
    F_OTHER = 1 << 10
    F_COPPER = 1 << 11
    F_FIBER = 1 << 12
    F_AUTONEG = 1 << 13
    F_PAUSE = 1 << 14
    F_PAUSE_ASYM = 1 << 15


class OpticalFeatures(Flags, prefix="OFPOPF_"):
    RX_TUNE = 1 << 0
    TX_TUNE = 1 << 1
    TX_PWR = 1 << 2
    USE_FREQ = 1 << 3


class PortProperty(Record, frozen=True, gc=False):
    """A property of a port's description (1.4 and later; OpenFlow 1.5.1 section 7.2.1)."""


class PortModProperty(Record, frozen=True, gc=False):
    """A property of a port modification (1.4 and later; OpenFlow 1.5.1 section 7.3.4.4)."""


@unknown(PORT_PROPERTY)
class UnknownPortProperty(PortProperty, frozen=True, gc=False):
    """A property that nobody declared, an experimenter's too: the octets behind its type and length (OpenFlow 1.5.1
    section 7.2.1)."""

    type: int
    data: bytes = b""


@unknown(PORT_MOD_PROPERTY)
class UnknownPortModProperty(PortModProperty, frozen=True, gc=False):
    """A property that nobody declared, an experimenter's too: the octets behind its type and length (OpenFlow 1.5.1
    section 7.3.4.4)."""

    type: int
    data: bytes = b""


@member(PORT_PROPERTY, "OFPPDPT_ETHERNET", {V14: 0})
class PortEthernet(PortProperty, frozen=True, gc=False):
    """What an Ethernet port can do and does (OpenFlow 1.5.1 section 7.2.1): feature bits, and `curr_speed` and
    `max_speed` in kb/s."""

    curr: int = 0
    advertised: int = 0
    supported: int = 0
    peer: int = 0
    curr_speed: int = 0
    max_speed: int = 0

    WIRE = (
        w.pad(4),
        w.u32("curr", PortFeatures),
        w.u32("advertised", PortFeatures),
        w.u32("supported", PortFeatures),
        w.u32("peer", PortFeatures),
        w.u32("curr_speed"),
        w.u32("max_speed"),
    )


@member(PORT_PROPERTY, "OFPPDPT_OPTICAL", {V14: 1})
class PortOptical(PortProperty, frozen=True, gc=False):
    """Ranges of an optical port: frequencies in MHz where `supported` has USE_FREQ, else wavelengths in hundredths of
    nanometres, grid spacing in the same; powers in tenths of dBm (OpenFlow 1.5.1 section 7.2.1)."""

    supported: int = 0
    tx_min_freq_lmda: int = 0
    tx_max_freq_lmda: int = 0
    tx_grid_freq_lmda: int = 0
    rx_min_freq_lmda: int = 0
    rx_max_freq_lmda: int = 0
    rx_grid_freq_lmda: int = 0
    tx_pwr_min: int = 0
    tx_pwr_max: int = 0

    WIRE = (
        w.pad(4),
        w.u32("supported", OpticalFeatures),
        w.u32("tx_min_freq_lmda"),
        w.u32("tx_max_freq_lmda"),
        w.u32("tx_grid_freq_lmda"),
        w.u32("rx_min_freq_lmda"),
        w.u32("rx_max_freq_lmda"),
        w.u32("rx_grid_freq_lmda"),
        w.u16("tx_pwr_min"),
        w.u16("tx_pwr_max"),
    )


@member(PORT_PROPERTY, "OFPPDPT_PIPELINE_INPUT", {V15: 2})
class PortPipelineInput(PortProperty, frozen=True, gc=False):
    """Pipeline fields that packets have when they come in through the port (OpenFlow 1.5.1 section 7.2.1)."""

    oxm_ids: Sequence[str] = ()

    WIRE = (w.oxm_ids("oxm_ids"),)


@member(PORT_PROPERTY, "OFPPDPT_PIPELINE_OUTPUT", {V15: 3})
class PortPipelineOutput(PortProperty, frozen=True, gc=False):
    """Pipeline fields that the port takes along with packets that go out (OpenFlow 1.5.1 section 7.2.1)."""

    oxm_ids: Sequence[str] = ()

    WIRE = (w.oxm_ids("oxm_ids"),)


@member(PORT_PROPERTY, "OFPPDPT_RECIRCULATE", {V15: 4})
class PortRecirculate(PortProperty, frozen=True, gc=False):
    """Ports through which packets come back that go out through this one (OpenFlow 1.5.1 section 7.2.1)."""

    port_nos: Sequence[int] = ()

    WIRE = (w.custom("port_nos", WORDS),)


class Port(Record, frozen=True, gc=False):
    """A port's description: `ofp_phy_port` in OpenFlow 1.0, `ofp_port` later (OpenFlow 1.5.1 section 7.2.1; 1.0.0
    section 5.2.1).

    `port_no` is 1 to 0xffffff00 (MAX; 0xff00 in 1.0) or LOCAL. `hw_addr` is a MAC address as a number; `name` has 15
    octets at most. `curr`, `advertised`, `supported` and `peer` are bit maps of features (1.0 to 1.3), `curr_speed` and
    `max_speed` are in kb/s (1.1 to 1.3); in 1.4 and later they are in the property `PortEthernet`.
    """

    port_no: int
    name: str = ""
    hw_addr: int = 0
    config: int = 0
    state: int = 0
    curr: int = 0
    advertised: int = 0
    supported: int = 0
    peer: int = 0
    curr_speed: int = 0
    max_speed: int = 0
    properties: Sequence[PortProperty] = ()

    WIRE = (
        w.port("port_no"),
        w.length(since=V14),
        w.pad(2, since=V14),
        w.pad(4, since=V11, until=V13),
        w.mac("hw_addr"),
        w.pad(2, since=V11),
        w.text("name", 16),
        w.u32("config", PortConfig10, until=V10),
        w.u32("config", PortConfig, since=V11),
        w.u32("state", PortState10, until=V10),
        w.u32("state", PortState, since=V11),
        w.u32("curr", PortFeatures10, until=V10),
        w.u32("advertised", PortFeatures10, until=V10),
        w.u32("supported", PortFeatures10, until=V10),
        w.u32("peer", PortFeatures10, until=V10),
        w.u32("curr", PortFeatures, since=V11, until=V13),
        w.u32("advertised", PortFeatures, since=V11, until=V13),
        w.u32("supported", PortFeatures, since=V11, until=V13),
        w.u32("peer", PortFeatures, since=V11, until=V13),
        w.u32("curr_speed", since=V11, until=V13),
        w.u32("max_speed", since=V11, until=V13),
        w.many("properties", PORT_PROPERTY, since=V14),
    )

    @property
    def up(self) -> bool:
        """Neither switched off nor without a link."""
        return not (self.config & PortConfig.PORT_DOWN or self.state & PortState.LINK_DOWN)


@message("OFPT_PORT_STATUS", {V10: 12})
class PortStatus(Message, frozen=True, gc=False):
    """A port came, went or changed (OpenFlow 1.5.1 section 7.4.3; 1.0.0 section 5.4.3)."""

    reason: int
    desc: Port

    WIRE = (w.u8("reason", PortReason), w.pad(7), w.one("desc", Port))


@member(PORT_MOD_PROPERTY, "OFPPMPT_ETHERNET", {V14: 0})
class PortModEthernet(PortModProperty, frozen=True, gc=False):
    """Features to advertise; 0 leaves them alone (OpenFlow 1.5.1 section 7.3.4.4)."""

    advertise: int = 0

    WIRE = (w.u32("advertise", PortFeatures),)


@member(PORT_MOD_PROPERTY, "OFPPMPT_OPTICAL", {V14: 1})
class PortModOptical(PortModProperty, frozen=True, gc=False):
    """`configure` says which of the others are to be taken; `fl_offset` is a signed number as its 32 bits; units are
    those of `PortOptical` (OpenFlow 1.5.1 section 7.3.4.4)."""

    configure: int = 0
    freq_lmda: int = 0
    fl_offset: int = 0
    grid_span: int = 0
    tx_pwr: int = 0

    WIRE = (
        w.u32("configure", OpticalFeatures),
        w.u32("freq_lmda"),
        w.u32("fl_offset"),
        w.u32("grid_span"),
        w.u32("tx_pwr"),
    )


@message("OFPT_PORT_MOD", {V10: 15, V11: 16})
class PortMod(Message, frozen=True, gc=False):
    """Changes a port: the bits of `config` under `mask` (OpenFlow 1.5.1 section 7.3.4.4; 1.3.5 section 7.3.4.3; 1.0.0
    section 5.3.3). `hw_addr` has to be that of the port, as a check.

    `advertise` (1.0 to 1.3; later, the property `PortModEthernet`) is the features to advertise, 0 leaves them alone.
    """

    port_no: int
    hw_addr: int = 0
    config: int = 0
    mask: int = 0
    advertise: int = 0
    properties: Sequence[PortModProperty] = ()

    WIRE = (
        w.port("port_no"),
        w.pad(4, since=V11),
        w.mac("hw_addr"),
        w.pad(2, since=V11),
        w.u32("config", PortConfig10, until=V10),
        w.u32("mask", PortConfig10, until=V10),
        w.u32("config", PortConfig, since=V11),
        w.u32("mask", PortConfig, since=V11),
        w.u32("advertise", PortFeatures10, until=V10),
        w.u32("advertise", PortFeatures, since=V11, until=V13),
        w.pad(4, until=V13),
        w.many("properties", PORT_MOD_PROPERTY, since=V14),
    )


@request({V10: "OFPST_PORT_DESC", V13: "OFPMP_PORT_DESC"}, {V10: 13})
class PortDescRequest(Message, frozen=True, gc=False):
    """Asks for the descriptions of ports: of one, or of all (the only choice before 1.5; OpenFlow 1.5.1 section 7.3.5,
    OFPMP_PORT_DESC; 1.3.5 section 7.3.5.7).

    OpenFlow has it since 1.3; Open vSwitch answers it in 1.0 to 1.2, too, with this number.
    """

    port_no: int = ANY_PORT
    flags: int = 0

    WIRE = (w.port("port_no", since=V15), w.pad(4, since=V15))


@reply({V10: "OFPST_PORT_DESC", V13: "OFPMP_PORT_DESC"}, {V10: 13})
class PortDescReply(Message, frozen=True, gc=False):
    """Descriptions of ports (OpenFlow 1.5.1 section 7.3.5, OFPMP_PORT_DESC; 1.3.5 section 7.3.5.7)."""

    ports: Sequence[Port] = ()
    flags: int = 0

    WIRE = (w.many("ports", Port),)
