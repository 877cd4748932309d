"""The switch as a whole: its features, its configuration, its description.

OpenFlow 1.5.1 sections 7.3.1 (handshake), 7.3.2 (switch configuration), 7.3.5 (description); 1.0.0 sections 5.3.1,
5.3.2 and 5.3.5.
"""

from collections.abc import Sequence

from segue.openflow import declare as w
from segue.openflow.declare import Message, message, reply, request
from segue.openflow.names import Flags
from segue.openflow.protocol.bitmaps import ActionBits10
from segue.openflow.protocol.ports import Port
from segue.openflow.wire import V10, V11, V12, V13


class Capabilities10(Flags, prefix="OFPC_"):
    FLOW_STATS = 1 << 0
    TABLE_STATS = 1 << 1
    PORT_STATS = 1 << 2
    STP = 1 << 3
    RESERVED = 1 << 4
    IP_REASM = 1 << 5
    QUEUE_STATS = 1 << 6
    ARP_MATCH_IP = 1 << 7


class Capabilities(Flags, prefix="OFPC_"):
    FLOW_STATS = 1 << 0
    TABLE_STATS = 1 << 1
    PORT_STATS = 1 << 2
    GROUP_STATS = 1 << 3
    IP_REASM = 1 << 5
    QUEUE_STATS = 1 << 6
    ARP_MATCH_IP = 1 << 7  # 1.1
    PORT_BLOCKED = 1 << 8  # 1.2 and later
    BUNDLES = 1 << 9  # 1.4.1 and later
    FLOW_MONITORING = 1 << 10  # 1.4.1 and later


class ConfigFlags(Flags, prefix="OFPC_"):
    """What becomes of IP fragments: a number of two bits, of which 0 is "nothing special"."""

    FRAG_NX_MATCH = 3  # Open vSwitch only; before its parts, because names are looked for in this order
    FRAG_DROP = 1
    FRAG_REASM = 2
    INVALID_TTL_TO_CONTROLLER = 4  # 1.1 and 1.2


@message("OFPT_FEATURES_REQUEST", {V10: 5})
class FeaturesRequest(Message, frozen=True, gc=False):
    """Asks who the switch is and what it can do (OpenFlow 1.5.1 section 7.3.1; 1.0.0 section 5.3.1)."""


@message("OFPT_FEATURES_REPLY", {V10: 6})
class FeaturesReply(Message, frozen=True, gc=False):
    """Who the switch is and what it can do (OpenFlow 1.5.1 section 7.3.1; 1.0.0 section 5.3.1).

    `datapath_id` has 64 bits, the low 48 of them usually a MAC address. `n_buffers` is how many packets the switch can
    keep at once, 0 for none, `n_tables` how many tables it has, 1 to 255. `auxiliary_id` is 0 on the main connection, 1
    to 255 on others (1.3 and later). `actions` is a bit map (1.0), in whose place `reserved` is later. `ports` stand
    here until OpenFlow 1.2; since 1.3 there is `PortDescRequest`.
    """

    datapath_id: int
    n_buffers: int = 0
    n_tables: int = 0
    capabilities: int = 0
    ports: Sequence[Port] = ()
    auxiliary_id: int = 0
    actions: int = 0
    reserved: int = 0

    WIRE = (
        w.u64("datapath_id"),
        w.u32("n_buffers"),
        w.u8("n_tables"),
        w.pad(3, until=V12),
        w.u8("auxiliary_id", since=V13),
        w.pad(2, since=V13),
        w.u32("capabilities", Capabilities10, until=V10),
        w.u32("capabilities", Capabilities, since=V11),
        w.u32("actions", ActionBits10, until=V10),
        w.u32("reserved", since=V11),
        w.many("ports", Port, until=V12),
    )


@message("OFPT_GET_CONFIG_REQUEST", {V10: 7})
class GetConfigRequest(Message, frozen=True, gc=False):
    """Asks for the configuration (OpenFlow 1.5.1 section 7.3.2; 1.0.0 section 5.3.2)."""


@message("OFPT_GET_CONFIG_REPLY", {V10: 8})
class GetConfigReply(Message, frozen=True, gc=False):
    """The configuration, as in `SetConfig` (OpenFlow 1.5.1 section 7.3.2; 1.0.0 section 5.3.2). `miss_send_len` is in
    octets, 0 to 0xffe5, 0xffff for all."""

    flags: int = 0
    miss_send_len: int = 128

    WIRE = (w.u16("flags", ConfigFlags), w.u16("miss_send_len"))


@message("OFPT_SET_CONFIG", {V10: 9})
class SetConfig(Message, frozen=True, gc=False):
    """Configures the switch (OpenFlow 1.5.1 section 7.3.2; 1.0.0 section 5.3.2). `miss_send_len` is how many octets of
    a packet go to the controller where no action says otherwise, 0 to 0xffe5; 0xffff is all, without a buffer (1.2 and
    later)."""

    flags: int = 0
    miss_send_len: int = 128

    WIRE = (w.u16("flags", ConfigFlags), w.u16("miss_send_len"))


@request({V10: "OFPST_DESC", V13: "OFPMP_DESC"}, {V10: 0})
class DescRequest(Message, frozen=True, gc=False):
    """Asks for the description of the switch (OpenFlow 1.5.1 section 7.3.5, OFPMP_DESC; 1.3.5 section 7.3.5.1; 1.0.0
    section 5.3.5)."""

    flags: int = 0


@reply({V10: "OFPST_DESC", V13: "OFPMP_DESC"}, {V10: 0})
class DescReply(Message, frozen=True, gc=False):
    """Who made the switch, of what, and what its owner calls it (`dp_desc`): text of 255 octets at most, `serial_num`
    of 31 (OpenFlow 1.5.1 section 7.3.5, OFPMP_DESC; 1.3.5 section 7.3.5.1; 1.0.0 section 5.3.5)."""

    mfr_desc: str = ""
    hw_desc: str = ""
    sw_desc: str = ""
    serial_num: str = ""
    dp_desc: str = ""
    flags: int = 0

    WIRE = (
        w.text("mfr_desc", 256),
        w.text("hw_desc", 256),
        w.text("sw_desc", 256),
        w.text("serial_num", 32),
        w.text("dp_desc", 256),
    )
