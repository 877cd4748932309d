"""Packets to and from the controller (OpenFlow 1.5.1 sections 7.3.6 and 7.4.1; 1.0.0 sections 5.3.6 and 5.4.1).

The input port is a field of its own until OpenFlow 1.1 and part of the match later (in packet-outs since 1.5). Here
it is `in_port` in every version.
"""

from collections.abc import Sequence

from segue.openflow import declare as w
from segue.openflow.core import frame_field
from segue.openflow.declare import Message, message
from segue.openflow.match import MatchLike
from segue.openflow.names import Numbers
from segue.openflow.protocol.families import ACTION, Action
from segue.openflow.protocol.flow_mod import BufferId
from segue.openflow.wire import CONTROLLER, NO_BUFFER, V10, V11, V12, V13, V14, V15

_ETHERNET = 14


class PacketInReason(Numbers, prefix="OFPR_"):
    """Until 1.3. INVALID_TTL came with 1.1, Open vSwitch has it in 1.0 too."""

    NO_MATCH = 0
    ACTION = 1
    INVALID_TTL = 2


class PacketInReason14(Numbers, prefix="OFPR_"):
    TABLE_MISS = 0
    APPLY_ACTION = 1
    INVALID_TTL = 2
    ACTION_SET = 3
    GROUP = 4
    PACKET_OUT = 5


@message("OFPT_PACKET_IN", {V10: 10})
class PacketIn(Message, frozen=True, gc=False):
    """A packet that the switch hands to the controller, or its first octets (OpenFlow 1.5.1 section 7.4.1; 1.0.0
    section 5.4.1).

    `total_len` is the packet's whole length in octets, 0 to 65535, `data` what came along. The switch keeps the packet
    as `buffer_id` unless that is 0xffffffff. `in_port` is the input port in every version; `match`, since OpenFlow 1.2,
    has it and the other pipeline fields; `table_id`, 0 to 254, came with 1.1, `cookie`, all ones where no flow entry is
    behind it, with 1.3, and `in_phy_port` as a field is in 1.1 only.
    """

    buffer_id: int = NO_BUFFER
    total_len: int = 0
    in_port: int = 0
    reason: int = 0
    table_id: int = 0
    cookie: int = 0
    match: MatchLike = {}
    data: bytes = b""
    in_phy_port: int = 0

    WIRE = (
        w.u32("buffer_id", BufferId),
        w.u32("in_port", since=V11, until=V11),
        w.u32("in_phy_port", since=V11, until=V11),
        w.u16("total_len"),
        w.port("in_port", until=V10),
        w.u8("reason", PacketInReason, until=V13),
        w.u8("reason", PacketInReason14, since=V14),
        w.pad(1, until=V10),
        w.u8("table_id", since=V11),
        w.u64("cookie", since=V13),
        w.in_port_match("match", "in_port", since=V12),
        w.pad(2, since=V12),
        w.data("data"),
    )

    eth_dst = frame_field(
        "data", 0, 6, _ETHERNET, "The packet's destination MAC, 0 if `data` has no whole Ethernet header."
    )
    eth_src = frame_field("data", 6, 6, _ETHERNET, "The packet's source MAC, 0 if `data` has no whole Ethernet header.")
    eth_type = frame_field(
        "data", 12, 2, _ETHERNET, "The EtherType behind the MACs, 0x8100 of a tagged packet; 0 without a whole header."
    )


@message("OFPT_PACKET_OUT", {V10: 13})
class PacketOut(Message, frozen=True, gc=False):
    """A packet that the switch is to send: the one that it keeps as `buffer_id`, or `data` if that is 0xffffffff
    (OpenFlow 1.5.1 section 7.3.6; 1.3.5 section 7.3.7; 1.0.0 section 5.3.6).

    `in_port` is the port that it counts as having come in at; in OpenFlow 1.5 it goes into `match`, with which further
    pipeline fields can be given. No `actions` drop a buffered packet.
    """

    buffer_id: int = NO_BUFFER
    in_port: int = CONTROLLER
    actions: Sequence[Action] = ()
    data: bytes = b""
    match: MatchLike = {}

    WIRE = (
        w.u32("buffer_id", BufferId),
        w.port("in_port", until=V14),
        w.size("actions"),
        w.pad(6, since=V11, until=V14),
        w.pad(2, since=V15),
        w.in_port_match("match", "in_port", since=V15),
        w.many("actions", ACTION),
        w.data("data"),
    )

    @classmethod
    def answering(cls, packet_in: PacketIn, actions: Sequence[Action] = ()) -> "PacketOut":
        """Sends on what a packet-in told of: by its buffer, or, if it has none, with the data that it brought."""
        buffer_id = packet_in.buffer_id
        return cls(buffer_id, packet_in.in_port, actions, packet_in.data if buffer_id == NO_BUFFER else b"")
