"""Queues against Open vSwitch."""

import pytest

from segue.openflow import codec
from segue.openflow.protocol.queues import (
    PacketQueue,
    QueueDesc,
    QueueDescReply,
    QueueDescRequest,
    QueueExperimenter,
    QueueGetConfigReply,
    QueueGetConfigRequest,
    QueueMaxRate,
    QueueMinRate,
    QueueStats,
    QueueStatsReply,
    QueueStatsRequest,
    UnknownQueueProperty,
    UnknownQueueStatsProperty,
)
from segue.openflow.wire import ALL, LOCAL, V10, V11, V12, V13, V14, V15, VERSIONS

from .judged import Row, check, check_mutilated, parameters, refuse

RATES = (QueueMinRate(100), QueueMaxRate(900))
RATES_SAID = "queue 5: min_rate:10.0% max_rate:90.0% queue 6:"
STRANGE = UnknownQueueProperty(7, bytes(12))
EXPERIMENTER = QueueExperimenter(0x2320, b"12345678")

ROWS: list[Row] = [
    (QueueGetConfigRequest(3), (V10, V11, V12, V13), "port=3"),
    (
        QueueGetConfigReply(3, (PacketQueue(5, (QueueMinRate(100), STRANGE)), PacketQueue(6))),
        (V10,),
        "port=3 queue 5: min_rate:10.0% queue 6:",
    ),
    (QueueGetConfigReply(3, (PacketQueue(5, RATES), PacketQueue(6))), (V11,), f"port=3 {RATES_SAID}"),
    (
        QueueGetConfigReply(LOCAL, (PacketQueue(5, RATES, LOCAL), PacketQueue(6, (EXPERIMENTER, STRANGE), LOCAL))),
        (V12, V13),
        f"port=LOCAL {RATES_SAID}",
    ),
    (QueueDescRequest(3, 5), (V14, V15), "port=3 queue=5"),
    (QueueDescRequest(), (V14, V15), "port=ANY"),
    (QueueDescReply((QueueDesc(3, 5, RATES), QueueDesc(3, 6))), (V14, V15), f"port=3 {RATES_SAID}"),
    (QueueDescReply((QueueDesc(3, 5, (UnknownQueueProperty(0xFFFF, bytes(9)), *RATES)),)), (V14, V15), None),
    (QueueStatsRequest(3, 5), VERSIONS, "port=3 queue=5"),
    (QueueStatsRequest(), (V11, V12, V13, V14, V15), "port=ANY queue=ALL"),
    (QueueStatsRequest(ALL), (V10,), "port=ANY queue=ALL"),
    (
        QueueStatsReply((QueueStats(3, 5, 1, 2, 3), QueueStats(4, 6))),
        (V10, V11, V12),
        "port 3 queue 5: bytes=1, pkts=2, errors=3, duration=? port 4 queue 6:",
    ),
    (
        QueueStatsReply((QueueStats(3, 5, 1, 2, 3, 20, 500_000_000), QueueStats(4, 6))),
        (V13, V14, V15),
        "port 3 queue 5: bytes=1, pkts=2, errors=3, duration=20.500s port 4 queue 6:",
    ),
    (
        QueueStatsReply(
            (QueueStats(3, 5, properties=(UnknownQueueStatsProperty(0xFFFF, bytes(11)),)), QueueStats(1, 1))
        ),
        (V14, V15),
        None,
    ),
]


@pytest.mark.parametrize(("message", "version", "said"), parameters(ROWS))
def test_there_and_back(message, version, said):
    check(message, version, said)


def test_mutilated():
    check_mutilated(ROWS)


def test_what_a_version_lacks_is_refused():
    refuse(QueueGetConfigRequest(1), V14, "no QueueGetConfigRequest")
    refuse(QueueGetConfigReply(1, (PacketQueue(1, port=1),)), V11, "port: OpenFlow 1.1")
    refuse(QueueGetConfigReply(1, (PacketQueue(1, (QueueMaxRate(1),)),)), V10, "QueueMaxRate")
    refuse(QueueDescReply((QueueDesc(1, 1, (EXPERIMENTER,)),)), V14, "QueueExperimenter")
    refuse(QueueStatsReply((QueueStats(1, 1, duration_sec=1),)), V12, "duration_sec: OpenFlow 1.2")


def test_rates_have_the_padding_of_their_version():
    def octets(version, message):
        return codec.encode(message, 0, version)

    assert (
        octets(V13, QueueGetConfigReply(1, (PacketQueue(1, RATES, 1),)))[-16:].hex()
        == "00020010000000000384" + "00" * 6
    )
    assert octets(V14, QueueDescReply((QueueDesc(1, 1, RATES),)))[-8:].hex() == "0002000803840000"
