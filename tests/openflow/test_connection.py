"""The connection as a script: bytes and times in, events and bytes out."""

import random

import pytest

from segue.openflow.connection import (
    REMEMBERED,
    Connection,
    Dead,
    Event,
    Ready,
    Received,
    Refused,
    Replied,
    VersionError,
)
from segue.openflow.flow import FlowEntry
from segue.openflow.messages import (
    BarrierReply,
    BarrierRequest,
    BundleControl,
    BundleType,
    EchoReply,
    EchoRequest,
    Error,
    FeaturesReply,
    FeaturesRequest,
    FlowMod,
    FlowMonitorReply,
    FlowStatsReply,
    FlowStatsRequest,
    FlowUpdateAbbrev,
    Hello,
    Message,
    PortDescReply,
    PortDescRequest,
    PortStatus,
    decode,
    encode,
)
from segue.openflow.port import Port
from segue.openflow.wire import EncodeError, ProtocolError

from .samples import PLAIN_MOD, PORT, SAMPLES


def sent(connection: Connection) -> list[tuple[Message, int]]:
    data = connection.data_to_send()
    messages = []
    while data:
        length = int.from_bytes(data[2:4], "big")
        messages.append(decode(data[:length]))
        data = data[length:]
    return messages


def ready() -> Connection:
    connection = Connection(0.0)
    assert connection.receive_data(encode(Hello(), 1), 0.0) == [Ready(6)]
    assert sent(connection) == [(Hello(), 1)]
    return connection


# -- handshake -----------------------------------------------------------------------------------------------------


def test_hello_comes_first_and_offers_only_one_version() -> None:
    connection = Connection(0.0)
    assert sent(connection) == [(Hello((6,)), 1)]
    assert not connection.ready
    assert connection.receive_data(encode(Hello((1, 4, 5, 6)), 9), 0.0) == [Ready(6)]
    assert connection.ready


@pytest.mark.parametrize("hello", [encode(Hello((1, 4)), 9), bytes.fromhex("0500000800000009")])
def test_a_peer_of_other_versions_is_refused(hello: bytes) -> None:
    connection = Connection(0.0)
    with pytest.raises(VersionError, match=r"does not speak OpenFlow 1\.5 "):
        connection.receive_data(hello, 0.0)
    assert sent(connection)[1:] == [(Error(0, 0, b"OpenFlow 1.5 only"), 9)]


def test_versions_are_named_as_people_name_them() -> None:
    assert "it speaks 1.0, 1.3" in str(VersionError((1, 4)))


@pytest.mark.parametrize("message", [Error(0, 0, b"go away"), EchoRequest(), PortStatus(0, PORT)])
def test_nothing_comes_before_hello(message: Message) -> None:
    with pytest.raises(ProtocolError):
        Connection(0.0).receive_data(encode(message, 1), 0.0)


# -- framing -------------------------------------------------------------------------------------------------------


def script() -> tuple[list[Message], bytes]:
    """Every message that a switch may send unasked, in one stream."""
    messages = [m for m, _ in SAMPLES if isinstance(m, PortStatus | FlowMonitorReply)] + [PLAIN_MOD]
    return messages, b"".join(encode(m, 0) for m in messages)


def test_one_byte_at_a_time() -> None:
    messages, data = script()
    connection = ready()
    events: list[Event] = []
    for offset in range(len(data)):
        events += connection.receive_data(data[offset : offset + 1], 0.0)
    assert events == [Received(m, 0) for m in messages]


def test_any_split() -> None:
    messages, data = script()
    dice = random.Random(1)
    for _ in range(100):
        connection = ready()
        events: list[Event] = []
        offset = 0
        while offset < len(data):
            size = dice.choice((1, 7, 8, 9, 100, 1000))
            events += connection.receive_data(memoryview(data)[offset : offset + size], 0.0)
            offset += size
        assert events == [Received(m, 0) for m in messages]


def test_a_header_that_lies() -> None:
    connection = ready()
    with pytest.raises(ProtocolError, match="7 bytes"):
        connection.receive_data(bytes.fromhex("0602000700000001"), 0.0)


def test_another_version_after_the_handshake() -> None:
    with pytest.raises(ProtocolError, match="version 0x4"):
        ready().receive_data(bytes.fromhex("0402000800000001"), 0.0)


# -- requests ------------------------------------------------------------------------------------------------------


def test_replies_find_their_requests_in_any_order() -> None:
    connection = ready()
    features = connection.send(FeaturesRequest())
    barrier = connection.send(BarrierRequest())
    assert sent(connection) == [(FeaturesRequest(), features), (BarrierRequest(), barrier)]
    assert features != barrier
    assert connection.receive_data(encode(BarrierReply(), barrier), 0.0) == [
        Replied(BarrierRequest(), BarrierReply(), barrier)
    ]
    reply = FeaturesReply(5)
    assert connection.receive_data(encode(reply, features), 0.0) == [Replied(FeaturesRequest(), reply, features)]
    assert connection.receive_data(encode(reply, features), 0.0) == []


def test_a_reply_of_another_kind_is_none() -> None:
    connection = ready()
    xid = connection.send(FeaturesRequest())
    assert connection.receive_data(encode(BarrierReply(), xid), 0.0) == []
    assert connection.receive_data(encode(PortStatus(0, PORT), xid), 0.0) == [Received(PortStatus(0, PORT), xid)]
    assert len(connection.receive_data(encode(FeaturesReply(5), xid), 0.0)) == 1


def test_errors_find_their_requests() -> None:
    connection = ready()
    error = Error(4, 9)
    first, second = FlowMod(priority=1), FlowMod(priority=2)
    xids = [connection.send(first), connection.send(second)]
    asked = connection.send(PortDescRequest())
    assert connection.receive_data(encode(error, xids[1]), 0.0) == [Refused(error, xids[1], second)]
    assert connection.receive_data(encode(error, asked), 0.0) == [Refused(error, asked, PortDescRequest())]
    assert connection.receive_data(encode(error, 12345), 0.0) == [Refused(error, 12345, None)]
    assert connection.receive_data(encode(error, xids[0]), 0.0) == [Refused(error, xids[0], first)]


def test_a_barrier_says_that_what_came_before_was_carried_out() -> None:
    connection = ready()
    before = connection.send(PLAIN_MOD)
    barrier = connection.send(BarrierRequest())
    after = connection.send(PLAIN_MOD)
    connection.receive_data(encode(BarrierReply(), barrier), 0.0)
    error = Error(5, 0)
    assert connection.receive_data(encode(error, before), 0.0) == [Refused(error, before, None)]
    assert connection.receive_data(encode(error, after), 0.0) == [Refused(error, after, PLAIN_MOD)]


def test_not_everything_is_remembered_for_ever() -> None:
    connection = ready()
    xids = [connection.send(PLAIN_MOD) for _ in range(REMEMBERED + 1)]
    error = Error(5, 0)
    assert connection.receive_data(encode(error, xids[0]), 0.0) == [Refused(error, xids[0], None)]
    assert connection.receive_data(encode(error, xids[1]), 0.0) == [Refused(error, xids[1], PLAIN_MOD)]


def test_parts_are_put_together() -> None:
    connection = ready()
    xid = connection.send(PortDescRequest())
    ports = tuple(Port(n, f"p{n}") for n in range(5))
    assert connection.receive_data(encode(PortDescReply(ports[:2], True), xid), 0.0) == []
    assert connection.receive_data(encode(PortDescReply((), True), xid), 0.0) == []
    assert connection.receive_data(encode(PortDescReply(ports[2:]), xid), 0.0) == [
        Replied(PortDescRequest(), PortDescReply(ports), xid)
    ]


def test_parts_are_told_one_by_one_if_so_asked() -> None:
    connection = ready()
    request = FlowStatsRequest(table_id=3)
    xid = connection.send(request, stream=True)
    parts = [FlowStatsReply((FlowEntry(3, n, {}),), n < 2) for n in range(3)]
    events = [event for part in parts for event in connection.receive_data(encode(part, xid), 0.0)]
    assert events == [Replied(request, part, xid, part.more) for part in parts]
    assert connection.receive_data(encode(parts[0], xid), 0.0) == []


def test_a_forgotten_request_stays_silent() -> None:
    connection = ready()
    xid = connection.send(FeaturesRequest())
    connection.forget(xid)
    assert connection.receive_data(encode(FeaturesReply(5), xid), 0.0) == []


def test_updates_answer_nothing() -> None:
    update = FlowMonitorReply((FlowUpdateAbbrev(7),))
    assert ready().receive_data(encode(update, 0), 0.0) == [Received(update, 0)]


def test_bundle_additions_have_xids_in_a_row() -> None:
    connection = ready()
    opened = connection.send(BundleControl(1, BundleType.OPEN_REQUEST))
    xids = connection.send_bundle_adds([PLAIN_MOD] * 3, 1, 3)
    then = connection.send(BarrierRequest())
    assert [xid for _, xid in sent(connection)] == [opened, *xids, then] == list(range(opened, opened + 5))


def test_what_cannot_be_said_is_not_sent() -> None:
    connection = ready()
    with pytest.raises(EncodeError):
        connection.send(FlowMod(priority=-1))
    with pytest.raises(EncodeError):
        connection.send_bundle_adds([PLAIN_MOD, FlowMod(priority=-1)], 1, 3)
    assert sent(connection) == []


def test_xids_begin_anew_before_they_end() -> None:
    connection = ready()
    connection._next_xid = 0xFFFFFFFE
    xids = connection.send_bundle_adds([PLAIN_MOD] * 3, 1, 3)
    assert xids == range(1, 4)


# -- time ----------------------------------------------------------------------------------------------------------


def test_an_echo_is_answered_without_telling() -> None:
    connection = ready()
    assert connection.receive_data(encode(EchoRequest(b"are you there"), 77), 0.0) == []
    assert sent(connection) == [(EchoReply(b"are you there"), 77)]


def test_an_echo_of_the_callers_own() -> None:
    connection = ready()
    xid = connection.send(EchoRequest(b"x"))
    assert connection.receive_data(encode(EchoReply(b"x"), xid), 0.0) == [
        Replied(EchoRequest(b"x"), EchoReply(b"x"), xid)
    ]


def test_a_silent_peer_is_asked_and_then_given_up() -> None:
    connection = Connection(100.0, echo_interval=5, echo_timeout=10)
    connection.receive_data(encode(Hello(), 1), 101.0)
    sent(connection)
    assert connection.next_timer() == 106.0
    assert connection.handle_timer(105.9) == []
    assert sent(connection) == []
    assert connection.handle_timer(106.0) == []
    ((question, xid),) = sent(connection)
    assert question == EchoRequest()
    assert connection.next_timer() == 116.0
    assert connection.handle_timer(115.9) == []
    assert connection.receive_data(encode(EchoReply(), xid), 115.9) == []
    assert connection.next_timer() == pytest.approx(120.9)
    connection.handle_timer(121.0)
    assert len(sent(connection)) == 1
    assert connection.handle_timer(131.0) == [Dead(pytest.approx(15.1))]
    assert connection.next_timer() is None
    assert connection.handle_timer(1000.0) == []


def test_any_byte_is_a_sign_of_life() -> None:
    connection = Connection(0.0, echo_interval=5, echo_timeout=10)
    connection.receive_data(encode(Hello(), 1), 0.0)
    connection.handle_timer(5.0)
    connection.receive_data(b"\x06", 6.0)
    assert connection.handle_timer(10.0) == []
    assert connection.next_timer() == 11.0


def test_a_peer_that_never_says_hello() -> None:
    connection = Connection(0.0, echo_interval=5, echo_timeout=10)
    sent(connection)
    assert connection.handle_timer(5.0) == []
    assert sent(connection) == []  # nothing may be asked before the handshake
    assert connection.handle_timer(15.0) == [Dead(15.0)]


def test_silence_of_ones_own_making() -> None:
    connection = ready()
    connection.handle_timer(5.0)
    connection.alive(14.0)
    assert connection.handle_timer(16.0) == []
    assert connection.next_timer() == 19.0
