"""The connection as a script: bytes and times in, events and bytes out, for both ends."""

import itertools
import random
from typing import Any

import pytest

from segue.openflow.codec import UnknownMessage, decode_many, encode
from segue.openflow.connection import (
    LAST_XID,
    Connection,
    Dead,
    Event,
    Limits,
    Ready,
    Received,
    Refused,
    Replied,
    VersionError,
)
from segue.openflow.declare import Message
from segue.openflow.events import names
from segue.openflow.protocol.actions import Output
from segue.openflow.protocol.basic import (
    BarrierReply,
    BarrierRequest,
    EchoReply,
    EchoRequest,
    Error,
    Hello,
    VersionBitmap,
)
from segue.openflow.protocol.bundles import BundleAddMessage, BundleControl, OnfBundleAddMessage
from segue.openflow.protocol.flow_mod import FlowMod
from segue.openflow.protocol.flows import FlowRemoved
from segue.openflow.protocol.monitors import FlowMonitorReply, FlowUpdateAbbrev
from segue.openflow.protocol.ports import Port, PortStatus
from segue.openflow.protocol.roles import RoleReply, RoleRequest
from segue.openflow.protocol.switch import DescReply, DescRequest, FeaturesReply, FeaturesRequest
from segue.openflow.wire import V10, V12, V13, V14, V15, VERSIONS, EncodeError, ProtocolError

SETS = [frozenset(chosen) for n in (1, 2, 3) for chosen in itertools.combinations(VERSIONS, n)] + [frozenset(VERSIONS)]
MOD = FlowMod({"in_port": 1}, (Output(2),), priority=7)


def sent(connection: Connection) -> list[tuple[Any, int]]:
    return [(msg, xid) for msg, xid, _ in decode_many(connection.data_to_send())]


def hello(version: int, versions: set[int] | None = None, xid: int = 9) -> bytes:
    return encode(Hello(() if versions is None else (VersionBitmap.of(frozenset(versions)),)), xid, version)


def ready(version: int = V15, **settings: Any) -> Connection:
    connection = Connection(0.0, versions={version}, **settings)
    assert connection.receive_data(hello(version), 0.0) == [Ready(version)]
    connection.data_to_send()
    return connection


def said(connection: Connection, msg: Message, xid: int = 0, now: float = 0.0) -> list[Event]:
    return connection.receive_data(encode(msg, xid, connection.version), now)


# -- the version ---------------------------------------------------------------------------------------------------


def negotiated(ours: frozenset[int], theirs: frozenset[int]) -> int | None:
    """What the specification says of two sets (OpenFlow 1.5.1 section 6.3.1)."""
    if max(ours) >= V13 and max(theirs) >= V13:
        return max(ours & theirs, default=None)
    lesser = min(max(ours), max(theirs))
    return lesser if lesser in ours and lesser in theirs else None


@pytest.mark.parametrize("ours", SETS, ids=names)
def test_both_ends_come_to_the_same_version(ours: frozenset[int]) -> None:
    for theirs in SETS:
        controller = Connection(0.0, versions=ours)
        switch = Connection(0.0, side="switch", versions=theirs)
        wanted = negotiated(ours, theirs)
        agreed: list[int | None] = []
        to_switch, to_controller = controller.data_to_send(), switch.data_to_send()
        for end, data in ((controller, to_controller), (switch, to_switch)):
            try:
                (event,) = end.receive_data(data, 0.0)
                assert isinstance(event, Ready)
                agreed.append(event.version)
            except VersionError:
                agreed.append(None)
                ((error, _),) = sent(end)
                assert (error.type, error.code) == (0, 0)
                assert error.data.isascii()
        # Without two bitmaps one end may see a version where the other one sees none, and says so.
        assert agreed == [wanted, wanted] if wanted is not None else None in agreed


def test_hello_comes_first() -> None:
    ((msg, xid),) = sent(Connection(0.0, versions={V10, V13}))
    assert msg == Hello((VersionBitmap.of({V10, V13}),))
    assert xid == 1
    data = Connection(0.0, versions={V10, V12}).data_to_send()
    assert data.hex() == "0300000800000001"  # nothing that a reader of the header only could stumble upon


def test_a_peer_that_only_looks_at_the_header() -> None:
    connection = Connection(0.0)
    assert connection.receive_data(bytes.fromhex("0100000800000001"), 0.0) == [Ready(V10)]
    assert connection.version == V10


def test_a_peer_of_a_version_to_come() -> None:
    for peer in ("0900000800000001", "0900001000000001ffff0008deadbeef", "09000010000000010001000800000252"):
        connection = Connection(0.0)
        assert connection.receive_data(bytes.fromhex(peer), 0.0) == [Ready(V15)]


def test_bitmaps_go_before_headers() -> None:
    connection = Connection(0.0, versions={V10, V13, V15})
    assert connection.receive_data(hello(V15, {V10, V13}), 0.0) == [Ready(V13)]
    with pytest.raises(VersionError) as e:
        Connection(0.0, versions={V13}).receive_data(hello(V15, {V10, V15}), 0.0)
    assert e.value.versions == (V10, V15)
    assert str(e.value) == "the peer does not speak OpenFlow 1.3 (it speaks 1.0, 1.5)"


def test_a_bitmap_in_answer_to_a_header() -> None:
    """As Open vSwitch has it, which speaks 1.0 then and not the lesser version of both headers."""
    connection = Connection(0.0, versions={V10, V12})
    assert connection.receive_data(hello(V13, {V10, V13}), 0.0) == [Ready(V10)]
    connection = Connection(0.0, versions={V10, V12})
    assert connection.receive_data(hello(V10, {V10, V12}), 0.0) == [Ready(V10)]


@pytest.mark.parametrize("peer", [V10, V12, V14])
def test_a_refusal_can_be_read_by_the_refused(peer: int) -> None:
    connection = Connection(0.0, versions={V15} if peer < V13 else {V10, V15})
    connection.data_to_send()
    with pytest.raises(VersionError):
        connection.receive_data(hello(peer, xid=7), 0.0)
    ((error, xid, version),) = decode_many(connection.data_to_send())
    assert (error.type, error.code, xid, version) == (0, 0, 7, peer)


@pytest.mark.parametrize("version", VERSIONS)
def test_nothing_comes_before_hello(version: int) -> None:
    connection = Connection(0.0)
    connection.data_to_send()
    with pytest.raises(ProtocolError, match="before a hello"):
        connection.receive_data(encode(EchoRequest(b"?"), 5, version), 0.0)
    data = connection.data_to_send()
    ((error, xid, spoken),) = decode_many(data)
    assert (error.type, error.code, xid, spoken) == (1, 1, 5, version)
    assert error.data == encode(EchoRequest(b"?"), 5, version)


def test_a_peer_that_refuses() -> None:
    connection = Connection(0.0)
    connection.data_to_send()
    with pytest.raises(ProtocolError, match=r"refused the connection: 1\.4 only"):
        connection.receive_data(encode(Error(0, 0, b"1.4 only"), 1, V14), 0.0)
    assert connection.data_to_send() == b""  # an error is not answered
    with pytest.raises(ProtocolError, match="refused the connection"):
        said(ready(), Error(0, 0))


def test_another_hello_is_nothing() -> None:
    connection = ready(V13)
    assert connection.receive_data(hello(V10) + hello(V15, {V15}), 0.0) == []
    assert connection.version == V13
    assert sent(connection) == []


def test_nothing_can_be_sent_before_the_version_is_known() -> None:
    with pytest.raises(RuntimeError):
        Connection(0.0).send(EchoRequest())


@pytest.mark.parametrize("versions", [set(), {7}, {0, V13}])
def test_versions_that_are_none(versions: set[int]) -> None:
    with pytest.raises(ValueError, match="versions"):
        Connection(0.0, versions=versions)


# -- framing -------------------------------------------------------------------------------------------------------


def script(version: int) -> tuple[list[Message], bytes]:
    messages: list[Message] = [
        PortStatus(0, Port(1, name="p1")),
        FlowRemoved({"in_port": 1}, priority=1),
        UnknownMessage(0x70, b"whatever"),
        UnknownMessage(4, b"\xde\xad\xbe\xefshort"),
    ]
    return messages, b"".join(encode(m, 0, version) for m in messages)


@pytest.mark.parametrize("version", VERSIONS)
def test_every_split(version: int) -> None:
    messages, data = script(version)
    wanted = [Received(m, 0) for m in ready(version).receive_data(data, 0.0) for m in [m.message]]  # type: ignore[union-attr]
    assert len(wanted) == len(messages)
    for at in range(len(data) + 1):
        connection = ready(version)
        assert connection.receive_data(data[:at], 0.0) + connection.receive_data(data[at:], 0.0) == wanted
    connection = ready(version)
    events = [event for n in range(len(data)) for event in connection.receive_data(data[n : n + 1], 0.0)]
    assert events == wanted
    dice = random.Random(version)
    for _ in range(100):
        connection = ready(version)
        events, offset = [], 0
        while offset < len(data):
            size = dice.choice((1, 7, 8, 9, 100, 1000))
            events += connection.receive_data(memoryview(data)[offset : offset + size], 0.0)
            offset += size
        assert events == wanted


@pytest.mark.parametrize("version", VERSIONS)
def test_from_hello_on_byte_by_byte(version: int) -> None:
    _, data = script(version)
    connection = Connection(0.0, versions={version})
    stream = hello(version) + data
    events = [event for n in range(len(stream)) for event in connection.receive_data(stream[n : n + 1], 0.0)]
    assert events[0] == Ready(version)
    assert len(events) == 5


def test_a_header_that_lies() -> None:
    for length in range(8):
        with pytest.raises(ProtocolError, match=f"{length} bytes"):
            ready().receive_data(bytes((6, 2, 0, length, 0, 0, 0, 1)), 0.0)
        with pytest.raises(ProtocolError, match=f"{length} bytes"):
            Connection(0.0).receive_data(bytes((6, 0, 0, length)) + bytes(9), 0.0)


def test_what_came_before_the_lie_is_known() -> None:
    connection = ready()
    events: list[Event] = []
    with pytest.raises(ProtocolError):
        connection.receive_data(encode(PortStatus(0, Port(1)), 0) + bytes(8), 0.0, events)
    assert len(events) == 1


def test_whole_frames() -> None:
    connection = ready(V13)
    xid = connection.send(BarrierRequest())
    assert connection.receive_frame(encode(BarrierReply(), xid, V13), 3.0) == [
        Replied(BarrierRequest(), BarrierReply(), xid)
    ]
    assert connection.next_timer() == 8.0
    for wrong in (b"", b"\4\x15", encode(BarrierReply(), 1, V13) + b"\0"):
        with pytest.raises(ProtocolError):
            connection.receive_frame(wrong, 3.0)
    connection.receive_data(b"\4\x15\0", 3.0)
    assert connection.take_rest() == b"\4\x15\0"
    assert connection.receive_data(encode(BarrierReply(), 99, V13), 3.0) == []


def test_a_message_that_dribbles_in_is_not_copied_each_time() -> None:
    connection = ready()
    data = encode(EchoRequest(bytes(65000)), 3)
    connection.receive_data(data[:8], 0.0)
    rest = connection._rest
    for n in range(8, len(data)):
        assert connection._rest is rest
        assert connection.receive_data(data[n : n + 1], 0.0) == []
    assert sent(connection) == [(EchoReply(bytes(65000)), 3)]


# -- requests ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("version", VERSIONS)
def test_replies_find_their_requests_in_any_order(version: int) -> None:
    connection = ready(version)
    features = connection.send(FeaturesRequest())
    barrier = connection.send(BarrierRequest())
    described = connection.send(DescRequest())
    assert sent(connection) == [(FeaturesRequest(), features), (BarrierRequest(), barrier), (DescRequest(), described)]
    reply = DescReply("us", "", "", "", "")
    assert said(connection, reply, described) == [Replied(DescRequest(), reply, described)]
    assert said(connection, BarrierReply(), barrier) == [Replied(BarrierRequest(), BarrierReply(), barrier)]
    assert said(connection, FeaturesReply(5), features) == [Replied(FeaturesRequest(), FeaturesReply(5), features)]
    assert said(connection, FeaturesReply(5), features) == []  # the xid is used up


def test_roles_and_bundles_are_answered() -> None:
    connection = ready(V15)
    role = connection.send(RoleRequest(2, 7))
    assert said(connection, RoleReply(2, 7), role) == [Replied(RoleRequest(2, 7), RoleReply(2, 7), role)]
    opened = connection.send(BundleControl(1, 0))
    assert said(connection, BundleControl(1, 1), opened) == [Replied(BundleControl(1, 0), BundleControl(1, 1), opened)]
    assert said(connection, BundleControl(1, 1), opened) == []


def test_a_reply_of_another_kind_is_none() -> None:
    connection = ready()
    xid = connection.send(FeaturesRequest())
    assert said(connection, BarrierReply(), xid) == []
    assert said(connection, PortStatus(0, Port(1)), xid) == [Received(PortStatus(0, Port(1)), xid)]
    assert len(said(connection, FeaturesReply(5), xid)) == 1


@pytest.mark.parametrize("version", VERSIONS)
def test_errors_find_their_requests(version: int) -> None:
    connection = ready(version)
    error = Error(1, 6)
    first, second = FlowMod(priority=1), FlowMod(priority=2)
    xids = [connection.send(first), connection.send(second)]
    asked = connection.send(DescRequest())
    assert said(connection, error, xids[1]) == [Refused(error, xids[1], second)]
    assert said(connection, error, asked) == [Refused(error, asked, DescRequest())]
    assert said(connection, error, 12345) == [Refused(error, 12345, None)]
    assert said(connection, error, xids[0]) == [Refused(error, xids[0], first)]
    assert said(connection, DescReply("", "", "", "", ""), asked) == []


@pytest.mark.parametrize("version", VERSIONS)
def test_an_error_may_bring_its_request_along(version: int) -> None:
    connection = ready(version)
    data = encode(FlowMod(priority=3), 77, version)
    for quoted, request in (
        (data, FlowMod(priority=3)),
        (data[:-1], None),
        (data + b"\0", None),
        (encode(FlowMod(priority=3), 78, version), None),
        (encode(Error(1, 1), 77, version), None),
        (bytes((version, 14, 0, 12, 0, 0, 0, 77)) + bytes(4), None),
    ):
        error = Error(1, 6, quoted)
        assert said(connection, error, 77) == [Refused(error, 77, request)]


def test_a_barrier_says_that_what_came_before_was_carried_out() -> None:
    connection = ready()
    before = connection.send(MOD)
    barrier = connection.send(BarrierRequest())
    after = connection.send(MOD, 5)  # an xid of the caller's own, lower than those before
    said(connection, BarrierReply(), barrier)
    error = Error(5, 0)
    assert said(connection, error, before) == [Refused(error, before, None)]
    assert said(connection, error, after) == [Refused(error, after, MOD)]


def test_not_everything_is_remembered_for_ever() -> None:
    connection = ready(limits=Limits(remembered=100))
    xids = [connection.send(MOD) for _ in range(101)]
    error = Error(5, 0)
    assert said(connection, error, xids[0]) == [Refused(error, xids[0], None)]
    assert said(connection, error, xids[1]) == [Refused(error, xids[1], MOD)]
    connection = ready(limits=Limits(remembered_octets=10_000))
    xids = [connection.send(EchoReply(bytes(1000))) for _ in range(11)]
    assert said(connection, error, xids[1]) == [Refused(error, xids[1], None)]
    assert said(connection, error, xids[-1])[0].request is not None  # type: ignore[union-attr]


def test_barriers_and_forgetting_go_together() -> None:
    connection = ready(limits=Limits(remembered=3))
    xids = [connection.send(MOD) for _ in range(2)]
    barrier = connection.send(BarrierRequest())
    xids += [connection.send(MOD) for _ in range(3)]
    said(connection, BarrierReply(), barrier)
    error = Error(5, 0)
    assert [said(connection, error, xid)[0].request for xid in xids] == [None, None, MOD, MOD, MOD]  # type: ignore[union-attr]


def test_a_forgotten_request_stays_silent() -> None:
    connection = ready()
    xid = connection.send(FeaturesRequest())
    connection.forget(xid)
    assert said(connection, FeaturesReply(5), xid) == []


def test_updates_answer_nothing() -> None:
    update = FlowMonitorReply((FlowUpdateAbbrev(7),))
    assert said(ready(), update) == [Received(update, 0)]


def test_bundle_additions_have_xids_in_a_row() -> None:
    for version, addition in ((V13, OnfBundleAddMessage), (V14, BundleAddMessage), (V15, BundleAddMessage)):
        connection = ready(version)
        before = connection.send(EchoRequest())
        xids = connection.send_bundle_adds([MOD] * 3, 1, 3)
        then = connection.send(BarrierRequest())
        messages = sent(connection)
        assert [xid for _, xid in messages] == [before, *xids, then] == list(range(before, before + 5))
        assert [m.__class__ for m, _ in messages[1:4]] == [addition] * 3
        assert all(m.xid is None for m, _ in messages[1:4])


def test_what_cannot_be_said_is_not_sent() -> None:
    connection = ready(V13)
    with pytest.raises(EncodeError):
        connection.send(FlowMod(priority=-1))
    with pytest.raises(EncodeError):
        connection.send(FlowMod(importance=1))
    with pytest.raises(EncodeError) as e:
        connection.send_bundle_adds([MOD, FlowMod(priority=-1)], 1, 3)
    assert e.value.index == 1
    assert sent(connection) == []


def test_xids_begin_anew_before_they_end() -> None:
    connection = ready()
    connection.take_xids(LAST_XID - 10)
    waiting = connection.send(FeaturesRequest(), 1)
    xids = connection.send_bundle_adds([MOD] * 20, 1, 3)
    assert xids == range(1, 21)
    connection.take_xids(LAST_XID - 30)
    connection.take_xids(100)  # over the end
    taken = connection.send(BarrierRequest(), None)
    assert taken not in (0, waiting)


# -- a switch ------------------------------------------------------------------------------------------------------


def test_what_a_switch_is_asked() -> None:
    switch = ready(V15, side="switch")
    for msg in (FeaturesRequest(), BundleControl(1, 0), BarrierRequest(), MOD):
        assert said(switch, msg, 4)[0].__class__ is Received
    asked = switch.send(EchoRequest(b"x"))
    assert said(switch, EchoReply(b"x"), asked) == [Replied(EchoRequest(b"x"), EchoReply(b"x"), asked)]
    assert said(switch, EchoReply(b"x"), asked) == []
    assert said(switch, EchoRequest(b"y"), 4) == []
    assert sent(switch)[-1] == (EchoReply(b"y"), 4)


# -- time ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("version", VERSIONS)
def test_an_echo_is_answered_without_telling(version: int) -> None:
    connection = ready(version)
    assert said(connection, EchoRequest(b"are you there"), 77) == []
    assert sent(connection) == [(EchoReply(b"are you there"), 77)]


def test_a_silent_peer_is_asked_and_then_given_up() -> None:
    connection = Connection(100.0, versions={V15}, echo_interval=5, echo_timeout=10)
    connection.receive_data(hello(V15), 101.0)
    sent(connection)
    assert connection.next_timer() == 106.0
    assert connection.handle_timer(105.9) == []
    assert sent(connection) == []
    assert connection.handle_timer(106.0) == []
    ((question, xid),) = sent(connection)
    assert question == EchoRequest()
    assert connection.next_timer() == 116.0
    assert connection.handle_timer(115.9) == []
    assert said(connection, EchoReply(), xid, 115.9) == []
    assert connection.next_timer() == pytest.approx(120.9)
    connection.handle_timer(121.0)
    assert len(sent(connection)) == 1
    assert connection.handle_timer(131.0) == [Dead(pytest.approx(15.1))]
    assert connection.next_timer() is None
    assert connection.handle_timer(1000.0) == []


def test_any_byte_is_a_sign_of_life() -> None:
    connection = ready(echo_interval=5, echo_timeout=10)
    connection.handle_timer(5.0)
    connection.receive_data(b"\x06", 6.0)
    assert connection.handle_timer(10.0) == []
    assert connection.next_timer() == 11.0


def test_a_peer_that_never_says_hello() -> None:
    connection = Connection(0.0, handshake_timeout=10)
    sent(connection)
    connection.receive_data(b"\6\0", 9.0)  # what dribbles in does not put it off
    assert connection.next_timer() == 10.0
    assert connection.handle_timer(9.9) == []
    assert sent(connection) == []  # nothing may be asked before the handshake
    assert connection.handle_timer(10.0) == [Dead(10.0)]


def test_silence_of_ones_own_making() -> None:
    connection = ready()
    connection.handle_timer(5.0)
    connection.alive(14.0)
    assert connection.handle_timer(16.0) == []
    assert connection.next_timer() == 19.0
