"""Packets to the controller in Open vSwitch's own forms, and packets that it hands back for the switch to go on with
(nicira-ext.h, NXT_PACKET_IN, NXT_PACKET_IN2, NXT_RESUME).

A packet that the action `controller` with `pause` sent up comes as `NxPacketIn2` with a continuation: what the switch
has to know to go on from there, opaque to everyone else. `Resume` gives it back, with the packet changed or not.
"""

from collections.abc import Sequence
from struct import Struct
from typing import Any, Final

from segue.openflow import declare as w
from segue.openflow import field_text
from segue.openflow.declare import Message, Record, experimenter_message, member, unknown
from segue.openflow.match import MatchLike, decode_match, decode_nxm, encode_match, encode_nxm
from segue.openflow.names import Numbers
from segue.openflow.protocol.flow_mod import BufferId
from segue.openflow.protocol.packets import PacketInReason, PacketInReason14
from segue.openflow.wire import NICIRA, NO_BUFFER, V10, V12, V13, V14, EncodeError, padded

PACKET_IN2_PROPERTY: Final = w.family("packet-in property", inside=False)

_HEAD: Final = Struct(">HH")


class PacketInFormat(Numbers, prefix="NXPIF_"):
    STANDARD = 0
    NXT_PACKET_IN = 1
    NXT_PACKET_IN2 = 2


@experimenter_message("NXT_SET_PACKET_IN_FORMAT", NICIRA, 16)
class SetPacketInFormat(Message, frozen=True, gc=False):
    """In which form packets are to come up this connection (nicira-ext.h, NXT_SET_PACKET_IN_FORMAT)."""

    format: int

    WIRE = (w.u32("format", PacketInFormat),)


@experimenter_message("NXT_PACKET_IN", NICIRA, 17)
class NxPacketIn(Message, frozen=True, gc=False):
    """A packet-in with table, cookie and an NXM match (nicira-ext.h, NXT_PACKET_IN). `total_len` is the packet's whole
    length in octets; `buffer_id` 0xffffffff is none; `cookie` all ones means that no flow entry is behind it."""

    buffer_id: int = NO_BUFFER
    total_len: int = 0
    reason: int = 0
    table_id: int = 0
    cookie: int = 0
    match: MatchLike = {}
    data: bytes = b""

    WIRE = (
        w.u32("buffer_id", BufferId),
        w.u16("total_len"),
        w.u8("reason", PacketInReason, until=V13),
        w.u8("reason", PacketInReason14, since=V14),
        w.u8("table_id"),
        w.u64("cookie"),
        w.size("match"),
        w.pad(6),
        w.nxm("match"),
        w.pad(2),
        w.data("data"),
    )


class PacketInProperty(Record, frozen=True, gc=False):
    """Part of a packet-in (nicira-ext.h, `enum nx_packet_in2_prop_type`)."""


@unknown(PACKET_IN2_PROPERTY)
class UnknownPacketInProperty(PacketInProperty, frozen=True, gc=False):
    """A property that nobody declared: the octets behind its type and length (nicira-ext.h, NXT_PACKET_IN2)."""

    type: int
    data: bytes = b""


@member(PACKET_IN2_PROPERTY, "NXPINT_PACKET", {V10: 0})
class PacketInPacket(PacketInProperty, frozen=True, gc=False):
    """The packet, or its first octets (nicira-ext.h, NXPINT_PACKET)."""

    data: bytes = b""

    WIRE = (w.data("data"),)


@member(PACKET_IN2_PROPERTY, "NXPINT_FULL_LEN", {V10: 1})
class PacketInFullLen(PacketInProperty, frozen=True, gc=False):
    """The packet's whole length, `full_len` octets, if not all came (nicira-ext.h, NXPINT_FULL_LEN)."""

    full_len: int

    WIRE = (w.u32("full_len"),)


@member(PACKET_IN2_PROPERTY, "NXPINT_BUFFER_ID", {V10: 2})
class PacketInBufferId(PacketInProperty, frozen=True, gc=False):
    """The buffer in which the switch keeps the packet (nicira-ext.h, NXPINT_BUFFER_ID)."""

    buffer_id: int

    WIRE = (w.u32("buffer_id"),)


@member(PACKET_IN2_PROPERTY, "NXPINT_TABLE_ID", {V10: 3})
class PacketInTableId(PacketInProperty, frozen=True, gc=False):
    """The table of the flow entry that sent it (nicira-ext.h, NXPINT_TABLE_ID)."""

    table_id: int

    WIRE = (w.u8("table_id"),)


@member(PACKET_IN2_PROPERTY, "NXPINT_COOKIE", {V10: 4})
class PacketInCookie(PacketInProperty, frozen=True, gc=False):
    """The cookie of the flow entry that sent it (nicira-ext.h, NXPINT_COOKIE)."""

    cookie: int

    WIRE = (w.pad(4), w.u64("cookie"))


@member(PACKET_IN2_PROPERTY, "NXPINT_REASON", {V10: 5})
class PacketInReasonProperty(PacketInProperty, frozen=True, gc=False):
    """Why it came (nicira-ext.h, NXPINT_REASON)."""

    reason: int

    WIRE = (w.u8("reason", PacketInReason, until=V13), w.u8("reason", PacketInReason14, since=V14))


class _Fields:
    """Bare match entries up to the end: NXM until OpenFlow 1.1, OXM later."""

    def encode(self, value: MatchLike, version: int) -> bytes:
        if version < V12:
            return encode_nxm(value)
        whole = encode_match(value, version)
        return whole[4 : _HEAD.unpack_from(whole)[1]]

    def decode(self, data: bytes, offset: int, end: int, version: int) -> tuple[MatchLike, int]:
        if version < V12:
            return decode_nxm(data, offset, end), end
        whole = padded(_HEAD.pack(1, 4 + end - offset) + data[offset:end])
        return decode_match(whole, 0, len(whole), version)[0], end

    def to_json(self, value: MatchLike, version: int) -> Any:
        return field_text.match_to_json(value, max(version, V12))

    def from_json(self, obj: Any, version: int) -> Any:
        return field_text.match_from_json(obj, max(version, V12))

    def schema(self) -> dict[str, Any]:
        return field_text.json_schema_of_match()


@member(PACKET_IN2_PROPERTY, "NXPINT_METADATA", {V10: 6})
class PacketInMetadata(PacketInProperty, frozen=True, gc=False):
    """The pipeline fields: input port, registers, tunnel, connection tracking (nicira-ext.h, NXPINT_METADATA)."""

    match: MatchLike = {}

    WIRE = (w.custom("match", _Fields()),)


@member(PACKET_IN2_PROPERTY, "NXPINT_USERDATA", {V10: 7})
class PacketInUserdata(PacketInProperty, frozen=True, gc=False):
    """What the action gave along (nicira-ext.h, NXPINT_USERDATA)."""

    data: bytes = b""

    WIRE = (w.data("data"),)


@member(PACKET_IN2_PROPERTY, "NXPINT_CONTINUATION", {V10: 8})
class PacketInContinuation(PacketInProperty, frozen=True, gc=False):
    """What the switch needs to go on; nobody else's business (nicira-ext.h, NXPINT_CONTINUATION)."""

    data: bytes = b""

    WIRE = (w.pad(4), w.data("data"))


@experimenter_message("NXT_PACKET_IN2", NICIRA, 30)
class NxPacketIn2(Message, frozen=True, gc=False):
    """A packet-in as a list of properties (nicira-ext.h, NXT_PACKET_IN2)."""

    properties: Sequence[PacketInProperty] = ()

    WIRE = (w.many("properties", PACKET_IN2_PROPERTY),)

    def find(self, kind: type[PacketInProperty]) -> Any:
        """The first property of this class, None if there is none."""
        return next((p for p in self.properties if isinstance(p, kind)), None)


@experimenter_message("NXT_RESUME", NICIRA, 28)
class Resume(Message, frozen=True, gc=False):
    """The switch is to go on with a packet from where it sent it up (nicira-ext.h, NXT_RESUME)."""

    properties: Sequence[PacketInProperty] = ()

    WIRE = (w.many("properties", PACKET_IN2_PROPERTY),)

    @classmethod
    def of(cls, packet_in: NxPacketIn2, data: bytes | None = None, metadata: MatchLike | None = None) -> "Resume":
        """Gives a packet back, with other `data` or other pipeline fields (all of them) if they are given.
        EncodeError if it did not come with a continuation."""
        if packet_in.find(PacketInContinuation) is None:
            raise EncodeError("this packet-in has no continuation: only the action controller(pause) sends one")
        kept: list[PacketInProperty] = []
        for given in packet_in.properties:
            if isinstance(given, PacketInPacket) and data is not None:
                kept.append(PacketInPacket(data))
            elif isinstance(given, PacketInMetadata) and metadata is not None:
                kept.append(PacketInMetadata(metadata))
            elif not isinstance(given, PacketInUserdata):
                kept.append(given)
        return cls(tuple(kept))
