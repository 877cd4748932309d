"""What a connection does with answers and requests in parts, and with what it cannot read."""

import random
from typing import Any

import pytest

from segue.openflow.codec import UnknownMessage, decode_many, encode
from segue.openflow.connection import (
    Connection,
    Event,
    Failed,
    Garbled,
    Limits,
    Ready,
    Received,
    Replied,
)
from segue.openflow.declare import Message
from segue.openflow.limits import LIMITS
from segue.openflow.protocol.actions import Output
from segue.openflow.protocol.basic import (
    EchoRequest,
    Error,
    Hello,
    VersionBitmap,
)
from segue.openflow.protocol.flow_mod import FlowMod
from segue.openflow.protocol.flows import FlowStats, FlowStatsReply, FlowStatsRequest
from segue.openflow.protocol.ports import Port, PortDescReply, PortDescRequest, PortStatus
from segue.openflow.protocol.switch import DescReply, DescRequest
from segue.openflow.protocol.table_features import TableFeatures, TableFeaturesRequest
from segue.openflow.wire import V13, V14, V15, VERSIONS, ProtocolError

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


# -- parts ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("version", [V13, V14, V15])
def test_parts_are_put_together(version: int) -> None:
    connection = ready(version)
    xid = connection.send(PortDescRequest())
    ports = tuple(Port(n, name=f"p{n}") for n in range(5))
    assert said(connection, PortDescReply(ports[:2], flags=1), xid) == []
    assert said(connection, PortDescReply((), flags=1), xid) == []
    (event,) = said(connection, PortDescReply(ports[2:]), xid)
    assert isinstance(event, Replied)
    assert [port.name for port in event.reply.ports] == [port.name for port in ports]
    assert event.reply.flags == 0


def test_parts_are_told_one_by_one_if_so_asked() -> None:
    connection = ready(V13)
    request = FlowStatsRequest(table_id=3)
    xid = connection.send(request, stream=True)
    parts = [FlowStatsReply((FlowStats(cookie=n),), flags=int(n < 2)) for n in range(3)]
    events = [event for part in parts for event in said(connection, part, xid)]
    assert events == [Replied(request, part, xid, part.flags == 1) for part in parts]
    assert said(connection, parts[0], xid) == []


@pytest.mark.parametrize("limits", [Limits(parts=10), Limits(assembled=1000)])
def test_a_reply_without_end_is_given_up(limits: Limits) -> None:
    connection = ready(V13, limits=limits)
    xid = connection.send(FlowStatsRequest())
    part = FlowStatsReply((FlowStats(cookie=1),), flags=1)
    events = [event for _ in range(100) for event in said(connection, part, xid)]
    assert [event.__class__ for event in events] == [Failed]
    assert connection._pending == {}
    assert said(connection, FlowStatsReply(), xid) == []


def test_replies_without_end_are_bounded_together() -> None:
    connection = ready(V13, limits=Limits(assembled=2000, assembled_together=3000))
    first, second = connection.send(FlowStatsRequest()), connection.send(FlowStatsRequest(table_id=1))
    part = FlowStatsReply((FlowStats(cookie=1),), flags=1)
    size = len(encode(part, 1, V13))
    taken = 1900 // size
    for _ in range(taken):
        assert said(connection, part, first) == []
    events = [event for _ in range(taken) for event in said(connection, part, second)]
    assert [(event.__class__, event.xid) for event in events] == [(Failed, second)]  # type: ignore[union-attr]
    (whole,) = said(connection, FlowStatsReply(), first)
    assert isinstance(whole, Replied)
    assert len(whole.reply.flows) == taken
    assert connection._held == 0
    third = connection.send(FlowStatsRequest())
    said(connection, part, third)
    connection.forget(third)
    assert connection._held == 0


def test_ports_without_end_are_given_up_early() -> None:
    connection = ready(V13)
    xid = connection.send(PortDescRequest())
    frame = encode(PortDescReply(tuple(Port(n) for n in range(1000)), flags=1), xid, V13)
    taken = 0
    while not connection.receive_data(frame, 0.0):
        taken += len(frame)
    assert 65_535 * 64 <= taken < 6 << 20
    assert connection._held == 0


def test_requests_without_end_are_bounded_together() -> None:
    switch = ready(V13, side="switch", limits=Limits(assembled=2000, assembled_together=3000))
    element = TableFeatures(1)
    for xid in range(1, 4):
        for _ in range(20):
            said(switch, TableFeaturesRequest((element,), flags=1), xid)
        assert switch._held <= 3000
    assert {error.code for error, _ in sent(switch)} == {13}


def test_a_reply_that_has_no_parts() -> None:
    connection = ready(V13)
    xid = connection.send(DescRequest())
    (event,) = said(connection, DescReply("", "", "", "", "", flags=1), xid)
    assert isinstance(event, Failed)
    assert event.request == DescRequest()


def test_a_long_reply_goes_in_parts() -> None:
    controller, switch = ready(V13), ready(V13, side="switch")
    xid = controller.send(FlowStatsRequest())
    (event,) = switch.receive_data(controller.data_to_send(), 0.0)
    assert event == Received(FlowStatsRequest(), xid)
    flows = tuple(FlowStats({"in_port": n}, cookie=n) for n in range(5000))
    switch.send(FlowStatsReply(flows), xid)
    data = switch.data_to_send()
    assert len(decode_many(data)) > 5
    (event,) = controller.receive_data(data, 0.0)
    assert isinstance(event, Replied)
    assert [flow.cookie for flow in event.reply.flows] == list(range(5000))


def test_a_switch_puts_requests_together() -> None:
    switch = ready(V13, side="switch")
    tables = [TableFeatures(n, name=f"t{n}") for n in range(4)]
    assert said(switch, TableFeaturesRequest(tables[:2], flags=1), 8) == []
    assert said(switch, TableFeaturesRequest(tables[2:3], flags=1), 9) == []
    (event,) = said(switch, TableFeaturesRequest(tables[2:], flags=0), 8)
    assert isinstance(event, Received)
    assert [table.table_id for table in event.message.tables] == [0, 1, 2, 3]
    assert sent(switch) == []


def test_requests_without_end() -> None:
    switch = ready(V13, side="switch", limits=Limits(parts=5, assemblies=3, assembly_time=2.0))
    part = TableFeaturesRequest((TableFeatures(1),), flags=1)
    for _ in range(50):
        assert said(switch, part, 8) == []
    ((error, xid),) = sent(switch)
    assert (error.type, error.code, xid) == (1, 13, 8)
    assert said(switch, TableFeaturesRequest((TableFeatures(1),)), 8) == []
    for n in range(50):
        said(switch, part, 100 + n)
        assert switch._assemblies is not None
        assert len(switch._assemblies) <= 3
    assert len(sent(switch)) == 47
    assert switch.next_timer() == 2.0
    switch.handle_timer(2.0)
    assert len(sent(switch)) == 3
    assert not switch._assemblies
    assert said(switch, FlowStatsRequest(flags=1), 5) == []
    ((error, _),) = sent(switch)
    assert (error.type, error.code) == (1, 2)


# -- what cannot be read -------------------------------------------------------------------------------------------

SHORT_MOD = bytes((V13, 14, 0, 12, 0, 0, 0, 77)) + bytes(4)


def test_a_switch_answers_what_it_cannot_read() -> None:
    switch = ready(V13, side="switch")
    (event,) = switch.receive_data(SHORT_MOD, 0.0)
    assert isinstance(event, Garbled)
    assert (event.error, event.data, event.answered) == ("OFPBRC_BAD_LEN", SHORT_MOD, True)
    ((error, xid),) = sent(switch)
    assert error == Error(1, 6, SHORT_MOD)
    assert xid == 77


def test_a_controller_does_not() -> None:
    controller = ready(V13)
    (event,) = controller.receive_data(bytes((V13, 12, 0, 12, 0, 0, 0, 0)) + bytes(4), 0.0)
    assert isinstance(event, Garbled)
    assert not event.answered
    assert sent(controller) == []
    asked = controller.send(FlowStatsRequest())
    other = controller.send(DescRequest())
    controller.data_to_send()
    events = controller.receive_data(bytes((V13, 19, 0, 20, 0, 0, 0, asked, 0, 1)) + bytes(10), 0.0)
    assert [event.__class__ for event in events] == [Failed, Garbled]
    events = controller.receive_data(bytes((V13, 12, 0, 12, 0, 0, 0, other)) + bytes(4), 0.0)
    assert [event.__class__ for event in events] == [Garbled]  # no reply, whatever its xid
    assert len(said(controller, DescReply("", "", "", "", ""), other)) == 1


@pytest.mark.parametrize("side", ["controller", "switch"])
def test_another_version_after_the_handshake(side: Any) -> None:
    connection = ready(V13, side=side)
    frame = encode(FlowMod(priority=3), 77, V15)
    (event,) = connection.receive_data(frame, 0.0)
    assert isinstance(event, Garbled)
    ((error, xid, version),) = decode_many(connection.data_to_send())
    assert (error, xid, version) == (Error(1, 0, frame), 77, V13)
    connection.receive_data(encode(Error(1, 0), 77, V15), 0.0)
    assert connection.data_to_send() == b""


@pytest.mark.parametrize("side", ["controller", "switch"])
def test_an_error_is_not_answered_with_an_error(side: Any) -> None:
    connection = ready(V13, side=side)
    for data in (bytes((V13, 1, 0, 9, 0, 0, 0, 7, 0)), bytes((V13, 1, 0, 12, 0, 0, 0, 7, 255, 255, 0, 1))):
        (event,) = connection.receive_data(data, 0.0)
        assert isinstance(event, Garbled)
    assert connection.data_to_send() == b""


@pytest.mark.parametrize("side", ["controller", "switch"])
def test_too_much_of_it_is_the_end(side: Any) -> None:
    connection = ready(V13, side=side)
    frame = encode(EchoRequest(bytes(60_000)), 1, V15)
    for _ in range(LIMITS.errors - 1):
        connection.receive_data(frame, 0.0)
        said(connection, EchoRequest())  # what can be read does not make up for what cannot
    assert connection.unsent < 2 * LIMITS.errors * 300
    with pytest.raises(ProtocolError, match="too many messages"):
        connection.receive_data(frame, 0.0)


def test_what_cannot_be_read_is_forgiven_in_time() -> None:
    connection = ready(V13, limits=Limits(errors=20, errors_time=10.0))
    frame = encode(EchoRequest(), 1, V15)
    for n in range(200):
        connection.receive_data(frame, n * 0.5)
    with pytest.raises(ProtocolError, match="too many messages in 10 seconds"):
        for n in range(40):
            connection.receive_data(frame, 100 + n * 0.25)
    assert n > 20


def test_unknown_types_reach_the_switch_and_can_be_refused() -> None:
    for version in VERSIONS:
        switch = ready(version, side="switch")
        (event,) = said(switch, UnknownMessage(0x70, b"??"), 31)
        assert event == Received(UnknownMessage(0x70, b"??"), 31)
        switch.refuse(31, encode(event.message, 31, version), "OFPBRC_BAD_TYPE")
        switch.refuse(31, event.message, "OFPBRC_BAD_TYPE")
        first, second = sent(switch)
        assert first == second == (Error(1, 1, encode(UnknownMessage(0x70, b"??"), 31, version)), 31)


def test_noise() -> None:
    """Whatever comes, it ends in events or in a ProtocolError, and nothing piles up."""
    dice = random.Random(7)
    seeds = [encode(m, 0, V13) for m in (MOD, PortStatus(0, Port(1)), PortDescReply((Port(1),)), Error(1, 1))]
    for n in range(3000):
        connection = ready(V13, side=dice.choice(("switch", "controller")))
        connection.send(PortDescRequest() if not connection.switch else EchoRequest(), 0)
        data = bytearray(dice.choice(seeds) * 2)
        for _ in range(dice.choice((1, 2, 5))):
            data[dice.randrange(len(data))] = dice.randrange(256)
        try:
            connection.receive_data(bytes(data), 0.0)
        except ProtocolError:
            continue
        assert len(connection._rest) < 65536, n
