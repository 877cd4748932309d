"""Actions, instructions and match fields as numbers and as bits: how a switch says which of them it can do.

The bit maps of OpenFlow 1.0 to 1.2 (features replies, table and group statistics) and of group features have one bit
for each type number; the table features of 1.3 and later list the type numbers themselves.
"""

from segue.openflow.names import Flags, Numbers


class ActionType(Numbers, prefix="OFPAT_"):
    """OpenFlow 1.1 and later (1.5.1 section 7.2.6)."""

    OUTPUT = 0
    SET_VLAN_VID = 1  # 1 to 10, 13 and 14: 1.1 only
    SET_VLAN_PCP = 2
    SET_DL_SRC = 3
    SET_DL_DST = 4
    SET_NW_SRC = 5
    SET_NW_DST = 6
    SET_NW_TOS = 7
    SET_NW_ECN = 8
    SET_TP_SRC = 9
    SET_TP_DST = 10
    COPY_TTL_OUT = 11
    COPY_TTL_IN = 12
    SET_MPLS_LABEL = 13
    SET_MPLS_TC = 14
    SET_MPLS_TTL = 15
    DEC_MPLS_TTL = 16
    PUSH_VLAN = 17
    POP_VLAN = 18
    PUSH_MPLS = 19
    POP_MPLS = 20
    SET_QUEUE = 21
    GROUP = 22
    SET_NW_TTL = 23
    DEC_NW_TTL = 24
    SET_FIELD = 25
    PUSH_PBB = 26
    POP_PBB = 27
    COPY_FIELD = 28
    METER = 29
    EXPERIMENTER = 0xFFFF


class InstructionType(Numbers, prefix="OFPIT_"):
    """OpenFlow 1.5.1 section 7.2.5."""

    GOTO_TABLE = 1
    WRITE_METADATA = 2
    WRITE_ACTIONS = 3
    APPLY_ACTIONS = 4
    CLEAR_ACTIONS = 5
    METER = 6  # 1.3 and 1.4
    STAT_TRIGGER = 7  # 1.5
    EXPERIMENTER = 0xFFFF


class ActionBits10(Flags, prefix="OFPAT_"):
    """OpenFlow 1.0.0 section 5.2.4: bit n for the action of number n."""

    OUTPUT = 1 << 0
    SET_VLAN_VID = 1 << 1
    SET_VLAN_PCP = 1 << 2
    STRIP_VLAN = 1 << 3
    SET_DL_SRC = 1 << 4
    SET_DL_DST = 1 << 5
    SET_NW_SRC = 1 << 6
    SET_NW_DST = 1 << 7
    SET_NW_TOS = 1 << 8
    SET_TP_SRC = 1 << 9
    SET_TP_DST = 1 << 10
    ENQUEUE = 1 << 11


class ActionBits(Flags, prefix="OFPAT_"):
    """Bit n for the action of number n (`ActionType`); there is no bit for experimenters' actions."""

    OUTPUT = 1 << 0
    SET_VLAN_VID = 1 << 1
    SET_VLAN_PCP = 1 << 2
    SET_DL_SRC = 1 << 3
    SET_DL_DST = 1 << 4
    SET_NW_SRC = 1 << 5
    SET_NW_DST = 1 << 6
    SET_NW_TOS = 1 << 7
    SET_NW_ECN = 1 << 8
    SET_TP_SRC = 1 << 9
    SET_TP_DST = 1 << 10
    COPY_TTL_OUT = 1 << 11
    COPY_TTL_IN = 1 << 12
    SET_MPLS_LABEL = 1 << 13
    SET_MPLS_TC = 1 << 14
    SET_MPLS_TTL = 1 << 15
    DEC_MPLS_TTL = 1 << 16
    PUSH_VLAN = 1 << 17
    POP_VLAN = 1 << 18
    PUSH_MPLS = 1 << 19
    POP_MPLS = 1 << 20
    SET_QUEUE = 1 << 21
    GROUP = 1 << 22
    SET_NW_TTL = 1 << 23
    DEC_NW_TTL = 1 << 24
    SET_FIELD = 1 << 25
    PUSH_PBB = 1 << 26
    POP_PBB = 1 << 27
    COPY_FIELD = 1 << 28
    METER = 1 << 29


class InstructionBits(Flags, prefix="OFPIT_"):
    """Bit n for the instruction of number n (`InstructionType`)."""

    GOTO_TABLE = 1 << 1
    WRITE_METADATA = 1 << 2
    WRITE_ACTIONS = 1 << 3
    APPLY_ACTIONS = 1 << 4
    CLEAR_ACTIONS = 1 << 5


class Wildcards10(Flags, prefix="OFPFW_"):
    """OpenFlow 1.0.0 section 5.2.3. Addresses have a count of ignored bits (0 to 32 and more) and not a flag."""

    IN_PORT = 1 << 0
    DL_VLAN = 1 << 1
    DL_SRC = 1 << 2
    DL_DST = 1 << 3
    DL_TYPE = 1 << 4
    NW_PROTO = 1 << 5
    TP_SRC = 1 << 6
    TP_DST = 1 << 7
    NW_SRC_MASK = 0x3F << 8
    NW_DST_MASK = 0x3F << 14
    DL_VLAN_PCP = 1 << 20
    NW_TOS = 1 << 21


class MatchFields11(Flags, prefix="OFPFMF_"):
    """OpenFlow 1.1.0 appendix A (table statistics)."""

    IN_PORT = 1 << 0
    DL_VLAN = 1 << 1
    DL_VLAN_PCP = 1 << 2
    DL_TYPE = 1 << 3
    NW_TOS = 1 << 4
    NW_PROTO = 1 << 5
    TP_SRC = 1 << 6
    TP_DST = 1 << 7
    MPLS_LABEL = 1 << 8
    MPLS_TC = 1 << 9
    TYPE = 1 << 10
    DL_SRC = 1 << 11
    DL_DST = 1 << 12
    NW_SRC = 1 << 13
    NW_DST = 1 << 14
    METADATA = 1 << 15


class OxmFields12(Flags, prefix="OFPXMT_OFB_"):
    """OpenFlow 1.2 appendix A (table statistics): bit n for the match field of number n."""

    IN_PORT = 1 << 0
    IN_PHY_PORT = 1 << 1
    METADATA = 1 << 2
    ETH_DST = 1 << 3
    ETH_SRC = 1 << 4
    ETH_TYPE = 1 << 5
    VLAN_VID = 1 << 6
    VLAN_PCP = 1 << 7
    IP_DSCP = 1 << 8
    IP_ECN = 1 << 9
    IP_PROTO = 1 << 10
    IPV4_SRC = 1 << 11
    IPV4_DST = 1 << 12
    TCP_SRC = 1 << 13
    TCP_DST = 1 << 14
    UDP_SRC = 1 << 15
    UDP_DST = 1 << 16
    SCTP_SRC = 1 << 17
    SCTP_DST = 1 << 18
    ICMPV4_TYPE = 1 << 19
    ICMPV4_CODE = 1 << 20
    ARP_OP = 1 << 21
    ARP_SPA = 1 << 22
    ARP_TPA = 1 << 23
    ARP_SHA = 1 << 24
    ARP_THA = 1 << 25
    IPV6_SRC = 1 << 26
    IPV6_DST = 1 << 27
    IPV6_FLABEL = 1 << 28
    ICMPV6_TYPE = 1 << 29
    ICMPV6_CODE = 1 << 30
    IPV6_ND_TARGET = 1 << 31
    IPV6_ND_SLL = 1 << 32
    IPV6_ND_TLL = 1 << 33
    MPLS_LABEL = 1 << 34
    MPLS_TC = 1 << 35
