"""Open vSwitch's messages that flush connections from connection tracking (nicira-ext.h, NXT_CT_FLUSH_ZONE and
NXT_CT_FLUSH)."""

from collections.abc import Sequence
from typing import Any, Final

from segue.openflow import declare as w
from segue.openflow.declare import Message, Record, experimenter_message, member, unknown
from segue.openflow.wire import NICIRA, V10, EncodeError, ProtocolError

CT_FLUSH_PROPERTY: Final = w.family("connection property", inside=False)
CT_TUPLE_PROPERTY: Final = w.family("connection tuple property", inside=False)


class _Wide:
    """A number of 128 bits."""

    def encode(self, value: int, version: int) -> bytes:  # noqa: ARG002
        if not 0 <= value < 1 << 128:
            raise EncodeError(f"{value:#x} has more than 128 bits")
        return value.to_bytes(16, "big")

    def decode(self, data: bytes, offset: int, end: int, version: int) -> tuple[int, int]:  # noqa: ARG002
        if end - offset < 16:
            raise ProtocolError(f"{end - offset} bytes where 16 are wanted", "OFPBPC_BAD_LEN")
        return int.from_bytes(data[offset : offset + 16], "big"), offset + 16

    def to_json(self, value: int, version: int) -> Any:  # noqa: ARG002
        return f"{value:#x}"

    def from_json(self, obj: Any, version: int) -> Any:  # noqa: ARG002
        return obj if isinstance(obj, int) else int(obj, 0)

    def schema(self) -> dict[str, Any]:
        return {"type": "string", "pattern": "^0x[0-9a-f]{1,32}$"}


class _Address(_Wide):
    """An IPv6 address, or an IPv4 one as ::ffff:a.b.c.d."""

    def to_json(self, value: int, version: int) -> Any:  # noqa: ARG002
        from ipaddress import IPv6Address

        return str(IPv6Address(value))

    def from_json(self, obj: Any, version: int) -> Any:  # noqa: ARG002
        from ipaddress import IPv6Address

        return int(IPv6Address(obj))

    def schema(self) -> dict[str, Any]:
        return {"type": "string", "format": "ipv6"}


class CtTupleProperty(Record, frozen=True, gc=False):
    """Part of a tuple (nicira-ext.h, `enum nx_ct_flush_tuple_tlv_type`)."""


@unknown(CT_TUPLE_PROPERTY)
class UnknownCtTupleProperty(CtTupleProperty, frozen=True, gc=False):
    """A property that nobody declared: the octets behind its type and length (nicira-ext.h, NXT_CT_FLUSH)."""

    type: int
    data: bytes = b""


@member(CT_TUPLE_PROPERTY, "NXT_CT_TUPLE_SRC", {V10: 0})
class CtTupleSrc(CtTupleProperty, frozen=True, gc=False):
    """The source: an IPv6 address of 128 bits, an IPv4 one mapped (::ffff:a.b.c.d; nicira-ext.h, NXT_CT_TUPLE_SRC)."""

    address: int

    WIRE = (w.custom("address", _Address()),)


@member(CT_TUPLE_PROPERTY, "NXT_CT_TUPLE_DST", {V10: 1})
class CtTupleDst(CtTupleProperty, frozen=True, gc=False):
    """The destination: an IPv6 address of 128 bits, an IPv4 one mapped (::ffff:a.b.c.d; nicira-ext.h,
    NXT_CT_TUPLE_DST)."""

    address: int

    WIRE = (w.custom("address", _Address()),)


@member(CT_TUPLE_PROPERTY, "NXT_CT_TUPLE_SRC_PORT", {V10: 2})
class CtTupleSrcPort(CtTupleProperty, frozen=True, gc=False):
    """The source port (nicira-ext.h, NXT_CT_TUPLE_SRC_PORT)."""

    port: int

    WIRE = (w.u16("port"), w.pad(2))


@member(CT_TUPLE_PROPERTY, "NXT_CT_TUPLE_DST_PORT", {V10: 3})
class CtTupleDstPort(CtTupleProperty, frozen=True, gc=False):
    """The destination port (nicira-ext.h, NXT_CT_TUPLE_DST_PORT)."""

    port: int

    WIRE = (w.u16("port"), w.pad(2))


@member(CT_TUPLE_PROPERTY, "NXT_CT_TUPLE_ICMP_ID", {V10: 4})
class CtTupleIcmpId(CtTupleProperty, frozen=True, gc=False):
    """The ICMP identifier (nicira-ext.h, NXT_CT_TUPLE_ICMP_ID)."""

    id: int

    WIRE = (w.u16("id"), w.pad(2))


@member(CT_TUPLE_PROPERTY, "NXT_CT_TUPLE_ICMP_TYPE", {V10: 5})
class CtTupleIcmpType(CtTupleProperty, frozen=True, gc=False):
    """The ICMP type (nicira-ext.h, NXT_CT_TUPLE_ICMP_TYPE)."""

    icmp_type: int

    WIRE = (w.u8("icmp_type"),)


@member(CT_TUPLE_PROPERTY, "NXT_CT_TUPLE_ICMP_CODE", {V10: 6})
class CtTupleIcmpCode(CtTupleProperty, frozen=True, gc=False):
    """The ICMP code (nicira-ext.h, NXT_CT_TUPLE_ICMP_CODE)."""

    icmp_code: int

    WIRE = (w.u8("icmp_code"),)


class CtFlushProperty(Record, frozen=True, gc=False):
    """What connections must have to be flushed (nicira-ext.h, `enum nx_ct_flush_tlv_type`)."""


@unknown(CT_FLUSH_PROPERTY)
class UnknownCtFlushProperty(CtFlushProperty, frozen=True, gc=False):
    """A property that nobody declared: the octets behind its type and length (nicira-ext.h, NXT_CT_FLUSH)."""

    type: int
    data: bytes = b""


@member(CT_FLUSH_PROPERTY, "NXT_CT_ORIG_TUPLE", {V10: 0})
class CtOrigTuple(CtFlushProperty, frozen=True, gc=False):
    """Addresses and ports as the connection began (nicira-ext.h, NXT_CT_ORIG_TUPLE)."""

    tuple: Sequence[CtTupleProperty] = ()

    WIRE = (w.pad(4), w.many("tuple", CT_TUPLE_PROPERTY))


@member(CT_FLUSH_PROPERTY, "NXT_CT_REPLY_TUPLE", {V10: 1})
class CtReplyTuple(CtFlushProperty, frozen=True, gc=False):
    """Addresses and ports of the answers (nicira-ext.h, NXT_CT_REPLY_TUPLE)."""

    tuple: Sequence[CtTupleProperty] = ()

    WIRE = (w.pad(4), w.many("tuple", CT_TUPLE_PROPERTY))


@member(CT_FLUSH_PROPERTY, "NXT_CT_ZONE_ID", {V10: 2})
class CtZoneId(CtFlushProperty, frozen=True, gc=False):
    """The zone whose connections are meant (nicira-ext.h, NXT_CT_ZONE_ID). `zone_id` is 0 to 65535."""

    zone_id: int

    WIRE = (w.u16("zone_id"), w.pad(2))


@member(CT_FLUSH_PROPERTY, "NXT_CT_MARK", {V10: 3})
class CtMark(CtFlushProperty, frozen=True, gc=False):
    """The mark of the connections that are meant (nicira-ext.h, NXT_CT_MARK). 32 bits."""

    mark: int

    WIRE = (w.u32("mark"),)


@member(CT_FLUSH_PROPERTY, "NXT_CT_MARK_MASK", {V10: 4})
class CtMarkMask(CtFlushProperty, frozen=True, gc=False):
    """Which bits of the mark count (nicira-ext.h, NXT_CT_MARK_MASK). 32 bits."""

    mark_mask: int

    WIRE = (w.u32("mark_mask"),)


@member(CT_FLUSH_PROPERTY, "NXT_CT_LABELS", {V10: 5})
class CtLabels(CtFlushProperty, frozen=True, gc=False):
    """The label of the connections that are meant, 128 bits (nicira-ext.h, NXT_CT_LABELS)."""

    labels: int

    WIRE = (w.custom("labels", _Wide()),)


@member(CT_FLUSH_PROPERTY, "NXT_CT_LABELS_MASK", {V10: 6})
class CtLabelsMask(CtFlushProperty, frozen=True, gc=False):
    """Which bits of the label count, 128 bits (nicira-ext.h, NXT_CT_LABELS_MASK)."""

    labels_mask: int

    WIRE = (w.custom("labels_mask", _Wide()),)


@experimenter_message("NXT_CT_FLUSH_ZONE", NICIRA, 29)
class CtFlushZone(Message, frozen=True, gc=False):
    """Flushes all connections of a zone (nicira-ext.h, NXT_CT_FLUSH_ZONE). `zone_id` is 0 to 65535."""

    zone_id: int

    WIRE = (w.pad(6), w.u16("zone_id"))


@experimenter_message("NXT_CT_FLUSH", NICIRA, 32)
class CtFlush(Message, frozen=True, gc=False):
    """Flushes the connections that match all properties; `ip_proto` 0 stands for any protocol (nicira-ext.h,
    NXT_CT_FLUSH)."""

    ip_proto: int = 0
    properties: Sequence[CtFlushProperty] = ()

    WIRE = (w.u8("ip_proto"), w.pad(7), w.many("properties", CT_FLUSH_PROPERTY))
