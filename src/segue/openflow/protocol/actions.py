"""The actions of OpenFlow itself (OpenFlow 1.5.1 section 7.2.6; 1.1.0 section A.2.5; 1.0.0 section 5.2.4).

OpenFlow 1.0 and 1.1 have an action for each header field, and do not number them alike: 1.1 has no strip-vlan, so that
its 3 to 8 are 1.0's 4 to 8 moved down by one and one more. From 1.2 on set-field takes the place of all of them,
and only tags and times to live, which come and go or count, keep actions of their own.

MAC and IPv4 addresses are integers. `ethertype` of the push actions is that of the new tag, of `PopMpls` that of what
is left.
"""

from segue.openflow import declare as w
from segue.openflow.declare import member
from segue.openflow.names import Numbers
from segue.openflow.protocol.families import ACTION, Action
from segue.openflow.wire import V10, V11, V12, V13, V14, V15


class ControllerMaxLen(Numbers, prefix="OFPCML_"):
    """`max_len` of what goes to the controller (named since OpenFlow 1.2)."""

    MAX = 0xFFE5
    NO_BUFFER = 0xFFFF


@member(ACTION, "OFPAT_OUTPUT", {V10: 0})
class Output(Action, frozen=True, gc=False):
    """To a port (OpenFlow 1.5.1 section 7.2.6; 1.0.0 section 5.2.4). `max_len` is how many octets of the packet go
    along where the port is CONTROLLER, else it means nothing: 0 for none, up to 0xffe5 (MAX), 0xffff (NO_BUFFER, 1.2
    and later) for all of them without a buffer."""

    port: int
    max_len: int = 0xFFFF

    WIRE = (w.port("port"), w.u16("max_len", ControllerMaxLen), w.pad(6, since=V11))


@member(ACTION, "OFPAT_ENQUEUE", {V10: 11, V11: None})
class Enqueue(Action, frozen=True, gc=False):
    """To a port by one of its queues (1.0; later `SetQueue` and `Output`; OpenFlow 1.0.0 section 5.2.4). `queue_id` has
    32 bits and is the port's own number of the queue."""

    port: int
    queue_id: int

    WIRE = (w.port("port"), w.pad(6), w.u32("queue_id"))


@member(ACTION, "OFPAT_SET_QUEUE", {V11: 21})
class SetQueue(Action, frozen=True, gc=False):
    """The queue that a later `Output` uses (OpenFlow 1.5.1 section 7.2.6). `queue_id` has 32 bits; what it stands for
    is the port's affair."""

    queue_id: int

    WIRE = (w.u32("queue_id"),)


@member(ACTION, "OFPAT_GROUP", {V11: 22})
class Group(Action, frozen=True, gc=False):
    """Through a group (OpenFlow 1.5.1 section 7.2.6). `group_id` is 0 to 0xffffff00 (OFPG_MAX)."""

    group_id: int

    WIRE = (w.u32("group_id"),)


@member(ACTION, "OFPAT_METER", {V15: 29})
class MeterAction(Action, frozen=True, gc=False):
    """Through a meter (`OFPAT_METER`, 1.5; in 1.3 and 1.4 the instruction `Meter`; OpenFlow 1.5.1 section 7.2.6).
    `meter_id` is 1 to 0xffff0000 (OFPM_MAX)."""

    meter_id: int

    WIRE = (w.u32("meter_id"),)


@member(ACTION, "OFPAT_SET_FIELD", {V12: 25})
class SetField(Action, frozen=True, gc=False):
    """Sets a match field to `value`; with `mask`, which only OpenFlow 1.5 allows, only those of its bits (OpenFlow
    1.5.1 section 7.2.6). A value has as many bits as its field; `mask` None is all of them."""

    field: str
    value: int | str
    mask: int | None = None

    WIRE = (w.exact_oxm("field", "value", "mask", until=V14), w.oxm("field", "value", "mask", since=V15))


@member(ACTION, "OFPAT_COPY_FIELD", {V15: 28})
class CopyField(Action, frozen=True, gc=False):
    """Copies `n_bits` bits of the field `src`, from bit `src_offset` on, to `dst`, from `dst_offset` on (1.5; OpenFlow
    1.5.1 section 7.2.6). Bits are counted from 0, the least significant one; `n_bits` is 1 or more, and both ends have
    to lie within their fields."""

    src: str
    dst: str
    n_bits: int
    src_offset: int = 0
    dst_offset: int = 0

    WIRE = (
        w.u16("n_bits"),
        w.u16("src_offset"),
        w.u16("dst_offset"),
        w.pad(2),
        w.oxm_id("src"),
        w.oxm_id("dst"),
    )


# -- one header field each: OpenFlow 1.0 and 1.1 -------------------------------------------------------------------


@member(ACTION, "OFPAT_SET_VLAN_VID", {V10: 1, V12: None})
class SetVlanVid(Action, frozen=True, gc=False):
    """VLAN id, 12 bits (OpenFlow 1.0.0 section 5.2.4, 1.1.0 section A.2.5). In 1.0 a packet without a tag gets one, in
    1.1 it stays as it is. `vlan_vid` is 0 to 4095."""

    vlan_vid: int

    WIRE = (w.u16("vlan_vid"), w.pad(2))


@member(ACTION, "OFPAT_SET_VLAN_PCP", {V10: 2, V12: None})
class SetVlanPcp(Action, frozen=True, gc=False):
    """VLAN priority, 3 bits (OpenFlow 1.0.0 section 5.2.4, 1.1.0 section A.2.5). In 1.0 a packet without a tag gets
    one, in 1.1 it stays as it is. `vlan_pcp` is 0 to 7."""

    vlan_pcp: int

    WIRE = (w.u8("vlan_pcp"), w.pad(3))


@member(ACTION, "OFPAT_STRIP_VLAN", {V10: 3, V11: None})
class StripVlan(Action, frozen=True, gc=False):
    """Removes the VLAN tag if there is one (1.0; later `PopVlan`; OpenFlow 1.0.0 section 5.2.4)."""

    WIRE = (w.pad(4),)


@member(ACTION, "OFPAT_SET_DL_SRC", {V10: 4, V11: 3, V12: None})
class SetDlSrc(Action, frozen=True, gc=False):
    """Ethernet source, 48 bits (OpenFlow 1.0.0 section 5.2.4, 1.1.0 section A.2.5)."""

    dl_addr: int

    WIRE = (w.mac("dl_addr"), w.pad(6))


@member(ACTION, "OFPAT_SET_DL_DST", {V10: 5, V11: 4, V12: None})
class SetDlDst(Action, frozen=True, gc=False):
    """Ethernet destination, 48 bits (OpenFlow 1.0.0 section 5.2.4, 1.1.0 section A.2.5)."""

    dl_addr: int

    WIRE = (w.mac("dl_addr"), w.pad(6))


@member(ACTION, "OFPAT_SET_NW_SRC", {V10: 6, V11: 5, V12: None})
class SetNwSrc(Action, frozen=True, gc=False):
    """IPv4 source, 32 bits (OpenFlow 1.0.0 section 5.2.4, 1.1.0 section A.2.5)."""

    nw_addr: int

    WIRE = (w.ipv4("nw_addr"),)


@member(ACTION, "OFPAT_SET_NW_DST", {V10: 7, V11: 6, V12: None})
class SetNwDst(Action, frozen=True, gc=False):
    """IPv4 destination, 32 bits (OpenFlow 1.0.0 section 5.2.4, 1.1.0 section A.2.5)."""

    nw_addr: int

    WIRE = (w.ipv4("nw_addr"),)


@member(ACTION, "OFPAT_SET_NW_TOS", {V10: 8, V11: 7, V12: None})
class SetNwTos(Action, frozen=True, gc=False):
    """IPv4 type of service: the DSCP in the upper 6 of its 8 bits (OpenFlow 1.0.0 section 5.2.4, 1.1.0 section
    A.2.5)."""

    nw_tos: int

    WIRE = (w.u8("nw_tos"), w.pad(3))


@member(ACTION, "OFPAT_SET_NW_ECN", {V11: 8, V12: None})
class SetNwEcn(Action, frozen=True, gc=False):
    """IP explicit congestion notification, 2 bits (1.1; OpenFlow 1.1.0 section A.2.5). `nw_ecn` is 0 to 3."""

    nw_ecn: int

    WIRE = (w.u8("nw_ecn"), w.pad(3))


@member(ACTION, "OFPAT_SET_TP_SRC", {V10: 9, V12: None})
class SetTpSrc(Action, frozen=True, gc=False):
    """TCP, UDP or SCTP source port (OpenFlow 1.0.0 section 5.2.4, 1.1.0 section A.2.5). `tp_port` is 0 to 65535."""

    tp_port: int

    WIRE = (w.u16("tp_port"), w.pad(2))


@member(ACTION, "OFPAT_SET_TP_DST", {V10: 10, V12: None})
class SetTpDst(Action, frozen=True, gc=False):
    """TCP, UDP or SCTP destination port (OpenFlow 1.0.0 section 5.2.4, 1.1.0 section A.2.5). `tp_port` is 0 to
    65535."""

    tp_port: int

    WIRE = (w.u16("tp_port"), w.pad(2))


@member(ACTION, "OFPAT_SET_MPLS_LABEL", {V11: 13, V12: None})
class SetMplsLabel(Action, frozen=True, gc=False):
    """MPLS label, 20 bits (1.1; OpenFlow 1.1.0 section A.2.5). `mpls_label` is 0 to 0xfffff."""

    mpls_label: int

    WIRE = (w.u32("mpls_label"),)


@member(ACTION, "OFPAT_SET_MPLS_TC", {V11: 14, V12: None})
class SetMplsTc(Action, frozen=True, gc=False):
    """MPLS traffic class, 3 bits (1.1; OpenFlow 1.1.0 section A.2.5). `mpls_tc` is 0 to 7."""

    mpls_tc: int

    WIRE = (w.u8("mpls_tc"), w.pad(3))


# -- times to live -------------------------------------------------------------------------------------------------


@member(ACTION, "OFPAT_COPY_TTL_OUT", {V11: 11})
class CopyTtlOut(Action, frozen=True, gc=False):
    """Time to live, from the next header to the outermost (OpenFlow 1.5.1 section 7.2.6)."""

    WIRE = (w.pad(4),)


@member(ACTION, "OFPAT_COPY_TTL_IN", {V11: 12})
class CopyTtlIn(Action, frozen=True, gc=False):
    """Time to live, from the outermost header to the next (OpenFlow 1.5.1 section 7.2.6)."""

    WIRE = (w.pad(4),)


@member(ACTION, "OFPAT_SET_MPLS_TTL", {V11: 15})
class SetMplsTtl(Action, frozen=True, gc=False):
    """Sets the time to live of the outermost MPLS label (OpenFlow 1.5.1 section 7.2.6). `mpls_ttl` is 0 to 255."""

    mpls_ttl: int

    WIRE = (w.u8("mpls_ttl"), w.pad(3))


@member(ACTION, "OFPAT_DEC_MPLS_TTL", {V11: 16})
class DecMplsTtl(Action, frozen=True, gc=False):
    """Takes one off the time to live of the outermost MPLS label (OpenFlow 1.5.1 section 7.2.6)."""

    WIRE = (w.pad(4),)


@member(ACTION, "OFPAT_SET_NW_TTL", {V11: 23})
class SetNwTtl(Action, frozen=True, gc=False):
    """Sets the time to live (IPv6: hop limit; OpenFlow 1.5.1 section 7.2.6). `nw_ttl` is 0 to 255."""

    nw_ttl: int

    WIRE = (w.u8("nw_ttl"), w.pad(3))


@member(ACTION, "OFPAT_DEC_NW_TTL", {V11: 24})
class DecNwTtl(Action, frozen=True, gc=False):
    """Takes one off the time to live (IPv6: hop limit; OpenFlow 1.5.1 section 7.2.6)."""

    WIRE = (w.pad(4),)


# -- tags ----------------------------------------------------------------------------------------------------------


@member(ACTION, "OFPAT_PUSH_VLAN", {V11: 17})
class PushVlan(Action, frozen=True, gc=False):
    """Adds a VLAN tag; `ethertype` is 0x8100 or 0x88a8 (OpenFlow 1.5.1 section 7.2.6)."""

    ethertype: int = 0x8100

    WIRE = (w.u16("ethertype"), w.pad(2))


@member(ACTION, "OFPAT_POP_VLAN", {V11: 18})
class PopVlan(Action, frozen=True, gc=False):
    """Removes the outermost VLAN tag (OpenFlow 1.5.1 section 7.2.6)."""

    WIRE = (w.pad(4),)


@member(ACTION, "OFPAT_PUSH_MPLS", {V11: 19})
class PushMpls(Action, frozen=True, gc=False):
    """Adds an MPLS label; `ethertype` is 0x8847 or 0x8848 (OpenFlow 1.5.1 section 7.2.6)."""

    ethertype: int = 0x8847

    WIRE = (w.u16("ethertype"), w.pad(2))


@member(ACTION, "OFPAT_POP_MPLS", {V11: 20})
class PopMpls(Action, frozen=True, gc=False):
    """Removes the outermost MPLS label; `ethertype` is what the packet is then (OpenFlow 1.5.1 section 7.2.6)."""

    ethertype: int

    WIRE = (w.u16("ethertype"), w.pad(2))


@member(ACTION, "OFPAT_PUSH_PBB", {V13: 26})
class PushPbb(Action, frozen=True, gc=False):
    """A new service tag of provider backbone bridging (1.3 and later; OpenFlow 1.5.1 section 7.2.6). `ethertype` is
    0x88e7."""

    ethertype: int = 0x88E7

    WIRE = (w.u16("ethertype"), w.pad(2))


@member(ACTION, "OFPAT_POP_PBB", {V13: 27})
class PopPbb(Action, frozen=True, gc=False):
    """Removes the outermost backbone service tag (OpenFlow 1.5.1 section 7.2.6)."""

    WIRE = (w.pad(4),)
