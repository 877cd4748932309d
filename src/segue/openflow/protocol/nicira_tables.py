"""Open vSwitch's table of tunnel options (NXT_TLV_TABLE_*) and its IPFIX statistics (NXST_IPFIX_*), as nicira-ext.h
has them."""

from collections.abc import Sequence

from segue.openflow import declare as w
from segue.openflow.declare import Message, Record, experimenter_message, experimenter_reply, experimenter_request
from segue.openflow.names import Numbers
from segue.openflow.wire import NICIRA


class TlvTableCommand(Numbers, prefix="NXTTMC_"):
    ADD = 0
    DELETE = 1
    CLEAR = 2


class TlvMap(Record, frozen=True, gc=False):
    """A Geneve option of a class and type (nicira-ext.h, `struct nx_tlv_map`), with `option_len` octets (a multiple of
    four, 4 to 124), is the field tun_metadata`index`, 0 to 63."""

    option_class: int
    option_type: int
    option_len: int
    index: int

    WIRE = (w.u16("option_class"), w.u8("option_type"), w.u8("option_len"), w.u16("index"), w.pad(2))


@experimenter_message("NXT_TLV_TABLE_MOD", NICIRA, 24)
class TlvTableMod(Message, frozen=True, gc=False):
    """Adds mappings, takes them away by their index, or clears the table (nicira-ext.h, NXT_TLV_TABLE_MOD)."""

    command: int = TlvTableCommand.ADD
    mappings: Sequence[TlvMap] = ()

    WIRE = (w.u16("command", TlvTableCommand), w.pad(6), w.many("mappings", TlvMap))


@experimenter_message("NXT_TLV_TABLE_REQUEST", NICIRA, 25)
class TlvTableRequest(Message, frozen=True, gc=False):
    """Asks for the table (nicira-ext.h, NXT_TLV_TABLE_REQUEST)."""


@experimenter_message("NXT_TLV_TABLE_REPLY", NICIRA, 26)
class TlvTableReply(Message, frozen=True, gc=False):
    """The table; `max_option_space` octets of options and `max_fields` fields are the most that it can have
    (nicira-ext.h, NXT_TLV_TABLE_REPLY)."""

    max_option_space: int = 0
    max_fields: int = 0
    mappings: Sequence[TlvMap] = ()

    WIRE = (w.u32("max_option_space"), w.u16("max_fields"), w.pad(10), w.many("mappings", TlvMap))


class _IpfixCounters(Record, frozen=True, gc=False):
    """Counters of IPFIX sampling (nicira-ext.h, `struct nx_ipfix_stats_reply`): `total_flows` and `current_flows` in
    flows; `pkts`, `ipv4_pkts`, `ipv6_pkts`, `error_pkts`, `ipv4_error_pkts`, `ipv6_error_pkts` and `tx_pkts` in
    packets; `tx_errors` in failed transmissions."""

    total_flows: int = 0
    current_flows: int = 0
    pkts: int = 0
    ipv4_pkts: int = 0
    ipv6_pkts: int = 0
    error_pkts: int = 0
    ipv4_error_pkts: int = 0
    ipv6_error_pkts: int = 0
    tx_pkts: int = 0
    tx_errors: int = 0
    collector_set_id: int = 0

    WIRE = (
        w.u64("total_flows"),
        w.u64("current_flows"),
        w.u64("pkts"),
        w.u64("ipv4_pkts"),
        w.u64("ipv6_pkts"),
        w.u64("error_pkts"),
        w.u64("ipv4_error_pkts"),
        w.u64("ipv6_error_pkts"),
        w.u64("tx_pkts"),
        w.u64("tx_errors"),
        w.u32("collector_set_id"),
        w.pad(4),
    )


class IpfixStats(_IpfixCounters, frozen=True, gc=False):
    """Counters of one set of collectors (nicira-ext.h, `struct nx_ipfix_stats_reply`)."""


@experimenter_request("NXST_IPFIX_BRIDGE", NICIRA, 3)
class IpfixBridgeStatsRequest(Message, frozen=True, gc=False):
    """Asks for the counters of the bridge's own sampling (include/openvswitch/ofp-msgs.h, NXST_IPFIX_BRIDGE)."""

    flags: int = 0


@experimenter_reply("NXST_IPFIX_BRIDGE", NICIRA, 3)
class IpfixBridgeStatsReply(_IpfixCounters, Message, frozen=True, gc=False):
    """Counters of the bridge's own sampling; `collector_set_id` means nothing here (include/openvswitch/ofp-msgs.h,
    NXST_IPFIX_BRIDGE)."""

    flags: int = 0


@experimenter_request("NXST_IPFIX_FLOW", NICIRA, 4)
class IpfixFlowStatsRequest(Message, frozen=True, gc=False):
    """Asks for the counters of sampling by flow entries (include/openvswitch/ofp-msgs.h, NXST_IPFIX_FLOW)."""

    flags: int = 0


@experimenter_reply("NXST_IPFIX_FLOW", NICIRA, 4)
class IpfixFlowStatsReply(Message, frozen=True, gc=False):
    """Counters of each set of collectors (include/openvswitch/ofp-msgs.h, NXST_IPFIX_FLOW)."""

    stats: Sequence[IpfixStats] = ()
    flags: int = 0

    WIRE = (w.many("stats", IpfixStats),)
