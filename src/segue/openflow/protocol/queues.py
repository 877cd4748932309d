"""Queues of ports: their configuration and their counters.

OpenFlow 1.5.1 section 7.3.5 (queue statistics, queue descriptions); 1.3.5 section 7.3.6 and 1.0.0 section 5.3.4
(OFPT_QUEUE_GET_CONFIG_REQUEST, until 1.3).

What a queue is guaranteed and limited to is a property in all versions, with the same numbers, but not the same
padding: until 1.3 each property has an octet length that is a multiple of eight, later eight octets suffice.
"""

from collections.abc import Sequence
from typing import Final

from segue.openflow import declare as w
from segue.openflow.declare import Message, Record, member, message, reply, request, unknown
from segue.openflow.names import Numbers
from segue.openflow.wire import ALL_QUEUES, ANY_PORT, V10, V11, V12, V13, V14

QUEUE_PROPERTY: Final = w.family("queue property", inside=False)
QUEUE_STATS_PROPERTY: Final = w.family("queue stats property", inside=False)


class QueueNumber(Numbers, prefix="OFPQ_"):
    ALL = ALL_QUEUES


class QueueProperty(Record, frozen=True, gc=False):
    """A property of a queue (OpenFlow 1.5.1 section 7.3.5, OFPMP_QUEUE_DESC; 1.3.5 section 7.2.2; 1.0.0 section
    5.2.2)."""


class QueueStatsProperty(Record, frozen=True, gc=False):
    """A property of a queue's counters (1.4 and later; OpenFlow 1.5.1 section 7.3.5, OFPMP_QUEUE_STATS)."""


@unknown(QUEUE_PROPERTY)
class UnknownQueueProperty(QueueProperty, frozen=True, gc=False):
    """A property that nobody declared, in 1.4 and later an experimenter's too: the octets behind its type and length
    (OpenFlow 1.5.1 section 7.3.5, OFPMP_QUEUE_DESC; 1.3.5 section 7.2.2; 1.0.0 section 5.2.2)."""

    type: int
    data: bytes = b""


@unknown(QUEUE_STATS_PROPERTY)
class UnknownQueueStatsProperty(QueueStatsProperty, frozen=True, gc=False):
    """A property that nobody declared, an experimenter's too: the octets behind its type and length (OpenFlow 1.5.1
    section 7.3.5, OFPMP_QUEUE_STATS)."""

    type: int
    data: bytes = b""


@member(QUEUE_PROPERTY, {V10: "OFPQT_MIN_RATE", V14: "OFPQDPT_MIN_RATE"}, {V10: 1})
class QueueMinRate(QueueProperty, frozen=True, gc=False):
    """The `rate` that is guaranteed, in tenths of a per cent of the port's, 0 to 1000; more than 1000 is none (OpenFlow
    1.5.1 section 7.3.5, OFPMP_QUEUE_DESC; 1.3.5 section 7.2.2; 1.0.0 section 5.2.2)."""

    rate: int

    WIRE = (w.pad(4, until=V13), w.u16("rate"), w.pad(6, until=V13), w.pad(2, since=V14))


@member(QUEUE_PROPERTY, {V11: "OFPQT_MAX_RATE", V14: "OFPQDPT_MAX_RATE"}, {V11: 2})
class QueueMaxRate(QueueProperty, frozen=True, gc=False):
    """The `rate` that is never exceeded, in tenths of a per cent of the port's, 0 to 1000; more than 1000 is none
    (OpenFlow 1.5.1 section 7.3.5, OFPMP_QUEUE_DESC; 1.3.5 section 7.2.2).

    OpenFlow has it since 1.2, Open vSwitch in 1.1, too.
    """

    rate: int

    WIRE = (w.pad(4, until=V13), w.u16("rate"), w.pad(6, until=V13), w.pad(2, since=V14))


@member(QUEUE_PROPERTY, "OFPQT_EXPERIMENTER", {V11: 0xFFFF, V14: None})
class QueueExperimenter(QueueProperty, frozen=True, gc=False):
    """An experimenter's property as 1.2 and 1.3 have it (OpenFlow 1.3.5 section 7.2.2). Switches expect the octets of
    `data` to be a multiple of eight."""

    experimenter: int
    data: bytes = b""

    WIRE = (w.pad(4), w.u32("experimenter"), w.pad(4), w.data("data"))


class PacketQueue(Record, frozen=True, gc=False):
    """A queue's configuration until OpenFlow 1.3: `ofp_packet_queue` (OpenFlow 1.3.5 section 7.2.2; 1.0.0 section
    5.2.2). Its port is told since 1.2."""

    queue_id: int
    properties: Sequence[QueueProperty] = ()
    port: int = 0

    WIRE = (
        w.u32("queue_id"),
        w.port("port", since=V12),
        w.length(),
        w.pad(2, until=V11),
        w.pad(6, since=V12),
        w.many("properties", QUEUE_PROPERTY),
    )


@message("OFPT_QUEUE_GET_CONFIG_REQUEST", {V10: 20, V11: 22, V14: None})
class QueueGetConfigRequest(Message, frozen=True, gc=False):
    """Asks for the queues of a port; of all ports since OpenFlow 1.2 (OpenFlow 1.3.5 section 7.3.6; 1.0.0 section
    5.3.4)."""

    port: int

    WIRE = (w.port("port"), w.pad(2, until=V10), w.pad(4, since=V11))


@message("OFPT_QUEUE_GET_CONFIG_REPLY", {V10: 21, V11: 23, V14: None})
class QueueGetConfigReply(Message, frozen=True, gc=False):
    """The queues of a port, or of all (OpenFlow 1.3.5 section 7.3.6; 1.0.0 section 5.3.4)."""

    port: int
    queues: Sequence[PacketQueue] = ()

    WIRE = (w.port("port"), w.pad(6, until=V10), w.pad(4, since=V11), w.many("queues", PacketQueue))


class QueueDesc(Record, frozen=True, gc=False):
    """A queue's configuration since OpenFlow 1.4: `ofp_queue_desc` (OpenFlow 1.5.1 section 7.3.5, OFPMP_QUEUE_DESC)."""

    port_no: int
    queue_id: int
    properties: Sequence[QueueProperty] = ()

    WIRE = (
        w.port("port_no"),
        w.u32("queue_id"),
        w.length(),
        w.pad(6),
        w.many("properties", QUEUE_PROPERTY),
    )


@request("OFPMP_QUEUE_DESC", {V14: 15})
class QueueDescRequest(Message, frozen=True, gc=False):
    """Asks for the configuration of one queue or of all, of one port or of all (OpenFlow 1.5.1 section 7.3.5,
    OFPMP_QUEUE_DESC). `queue_id` 0xffffffff and `port_no` ANY stand for all."""

    port_no: int = ANY_PORT
    queue_id: int = ALL_QUEUES
    flags: int = 0

    WIRE = (w.port("port_no"), w.u32("queue_id", QueueNumber))


@reply("OFPMP_QUEUE_DESC", {V14: 15})
class QueueDescReply(Message, frozen=True, gc=False):
    """Configurations of queues (OpenFlow 1.5.1 section 7.3.5, OFPMP_QUEUE_DESC)."""

    queues: Sequence[QueueDesc] = ()
    flags: int = 0

    WIRE = (w.many("queues", QueueDesc),)


class QueueStats(Record, frozen=True, gc=False):
    """A queue's counters, `ofp_queue_stats` (OpenFlow 1.5.1 section 7.3.5, OFPMP_QUEUE_STATS; 1.3.5 section 7.3.5.8;
    1.0.0 section 5.3.5): `tx_bytes` octets, `tx_packets` packets; `tx_errors` is packets lost because the queue was
    full; all ones where the switch does not count. It has been there for `duration_sec` seconds and `duration_nsec`
    nanoseconds (told since 1.3)."""

    port_no: int
    queue_id: int
    tx_bytes: int = 0
    tx_packets: int = 0
    tx_errors: int = 0
    duration_sec: int = 0
    duration_nsec: int = 0
    properties: Sequence[QueueStatsProperty] = ()

    WIRE = (
        w.length(since=V14),
        w.pad(6, since=V14),
        w.port("port_no"),
        w.pad(2, until=V10),
        w.u32("queue_id"),
        w.u64("tx_bytes"),
        w.u64("tx_packets"),
        w.u64("tx_errors"),
        w.u32("duration_sec", since=V13),
        w.u32("duration_nsec", since=V13),
        w.many("properties", QUEUE_STATS_PROPERTY, since=V14),
    )


@request({V10: "OFPST_QUEUE", V13: "OFPMP_QUEUE", V14: "OFPMP_QUEUE_STATS"}, {V10: 5})
class QueueStatsRequest(Message, frozen=True, gc=False):
    """Asks for the counters of one queue or of all, of one port or of all (in OpenFlow 1.0 the number for all ports is
    not ANY but ALL; OpenFlow 1.5.1 section 7.3.5, OFPMP_QUEUE_STATS; 1.3.5 section 7.3.5.8; 1.0.0 section 5.3.5).
    `queue_id` 0xffffffff stands for all."""

    port_no: int = ANY_PORT
    queue_id: int = ALL_QUEUES
    flags: int = 0

    WIRE = (w.port("port_no"), w.pad(2, until=V10), w.u32("queue_id", QueueNumber))


@reply({V10: "OFPST_QUEUE", V13: "OFPMP_QUEUE", V14: "OFPMP_QUEUE_STATS"}, {V10: 5})
class QueueStatsReply(Message, frozen=True, gc=False):
    """Counters of queues (OpenFlow 1.5.1 section 7.3.5, OFPMP_QUEUE_STATS; 1.3.5 section 7.3.5.8; 1.0.0 section
    5.3.5)."""

    stats: Sequence[QueueStats] = ()
    flags: int = 0

    WIRE = (w.many("stats", QueueStats),)
