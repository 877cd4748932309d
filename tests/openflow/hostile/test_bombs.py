"""What is as large, as deep or as long as can be, never ends, or is about nothing: answered or refused, soon, and
without keeping more than `Limits` allow."""

from __future__ import annotations

import contextlib
import sys
import threading
import time
import tracemalloc
from collections.abc import Iterator
from contextlib import contextmanager
from types import SimpleNamespace
from typing import Any

import pytest

from segue.openflow.wire import V10, V13, V14, V15, VERSIONS

from . import bombs
from .bombs import message
from .ends import LIBRARIES, SIDES, begin, errors_in, feed

CALLS = 12
"""Calls of functions, Python's own included, for each octet of a message. It takes 5.5 at most (a match of fields that
nobody knows); what is read anew for each that stands around it, or compared with each that came before, takes
thousands."""
HANGS = 5.0
"""Seconds of the processor for one message: what goes on in C makes no calls. It takes less than 0.05 where the
processor is ours, and hours where each of sixteen levels is read twice over."""
FIRST_XID = 2


@pytest.fixture(params=LIBRARIES)
def lib(request: pytest.FixtureRequest) -> SimpleNamespace:
    made: SimpleNamespace = LIBRARIES[request.param]()
    return made


@contextmanager
def within_octets(most: int) -> Iterator[None]:
    tracemalloc.start()
    try:
        before = tracemalloc.get_traced_memory()[0]
        yield
        kept = tracemalloc.get_traced_memory()[0] - before
    finally:
        tracemalloc.stop()
    assert kept < most, f"{kept} octets are kept"


@pytest.mark.parametrize("version", VERSIONS)
def test_bombs(lib: SimpleNamespace, version: int, counting: Any) -> None:
    items = [*bombs.nests(version), *bombs.longest(version)]
    if version >= V13:
        items += bombs.unknown_fields(version)
    assert len(items) > 60 and max(len(data) for _, data in items) > 65_500
    for name, data in items:
        for side in SIDES:
            connection = begin(lib, side, version)
            begun = time.process_time()
            with counting(CALLS * len(data)):
                events, _, why = feed(lib, connection, data)
            assert time.process_time() - begun < HANGS, name
            assert why == "" and len(events) <= 1, name
            if "wrong" in name and not name.startswith(("write", "apply")):
                assert isinstance(events[0], lib.connection.Garbled), name
            if name.endswith("all the way") and name.startswith(("clone", "ct")):
                assert "nested more than 16 deep" in events[0].reason
            assert lib.codec.NESTED.depth == 0, name
            # and the connection goes on
            assert errors_in_echo(lib, connection, version)


def errors_in_echo(lib: SimpleNamespace, connection: Any, version: int) -> bool:
    events, sent, why = feed(lib, connection, message(version, 2, b"still there?", 9))
    return not events and not why and sent == message(version, 3, b"still there?", 9)


@pytest.mark.parametrize("version", VERSIONS)
def test_one_of_the_greatest_length_in_pieces(lib: SimpleNamespace, version: int) -> None:
    for kind in (2, 77, 10):
        data = message(version, kind, bytes(65_527))
        assert len(data) == 65_535
        whole = feed(lib, begin(lib, "switch", version), data * 2)
        assert feed(lib, begin(lib, "switch", version), data * 2, 997) == whole


def test_threads_do_not_count_for_each_other(lib: SimpleNamespace) -> None:
    """How deep one thread has got is not how deep another one is."""
    data = bombs.with_actions(V13, bombs.nested(bombs.clone, 12, 60_000))
    unreadable = bombs.with_actions(V13, bombs.nested(bombs.clone, 12, 60_000, bytes(8)))
    wrong: list[str] = []

    def read() -> None:
        for _ in range(500):
            try:
                lib.codec.decode(data)
            except lib.wire.ProtocolError as e:
                wrong.append(str(e))
            with contextlib.suppress(lib.wire.ProtocolError):
                lib.codec.decode(unreadable)

    before = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    try:
        threads = [threading.Thread(target=read) for _ in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    finally:
        sys.setswitchinterval(before)
    assert wrong == [] and lib.codec.NESTED.depth == 0


# -- replies to nothing --------------------------------------------------------------------------------------------


def parts(version: int, kind: int, xid: int, more: bool, body: bytes = b"") -> bytes:
    head = kind.to_bytes(2, "big") + more.to_bytes(2, "big") + (b"" if version == V10 else bytes(4))
    return message(version, 17 if version == V10 else 19, head + body, xid)


@pytest.mark.parametrize("version", VERSIONS)
def test_replies_that_nobody_waits_for(lib: SimpleNamespace, version: int) -> None:
    connection = begin(lib, "controller", version)
    stream = b"".join(
        parts(version, kind, xid, more) for xid in range(3000) for kind, more in ((1, True), (3, False), (1, False))
    )
    with within_octets(200_000):
        assert feed(lib, connection, stream) == ([], b"", "")
    barrier = message(version, 19 if version == V10 else 21, b"", 5)
    assert feed(lib, connection, barrier * 1000) == ([], b"", "")


@pytest.mark.parametrize("version", VERSIONS)
def test_a_reply_twice_and_after_it_was_forgotten(lib: SimpleNamespace, version: int) -> None:
    p = lib.protocol
    connection = begin(lib, "controller", version)
    xid = connection.send(p.DescRequest())
    reply = lib.codec.encode(p.DescReply("a"), xid, version)
    events, sent, why = feed(lib, connection, reply * 3)
    assert [type(event) for event in events] == [lib.connection.Replied] and sent and not why
    xid = connection.send(p.DescRequest())
    connection.forget(xid)
    connection.data_to_send()
    assert feed(lib, connection, lib.codec.encode(p.DescReply("a"), xid, version)) == ([], b"", "")


@pytest.mark.parametrize("version", VERSIONS)
def test_a_reply_of_another_type(lib: SimpleNamespace, version: int) -> None:
    """Nobody is told that it was the answer, and the true one still is."""
    p = lib.protocol
    connection = begin(lib, "controller", version)
    xid = connection.send(p.FeaturesRequest())
    connection.data_to_send()
    others = [p.DescReply("x"), p.BarrierReply(), p.GetConfigReply(), p.EchoReply(b"x"), p.PortStatsReply()]
    stream = b"".join(lib.codec.encode(other, xid, version) for other in others)
    assert feed(lib, connection, stream) == ([], b"", "")
    events, _, _ = feed(lib, connection, lib.codec.encode(p.FeaturesReply(2**64 - 1), xid, version))
    assert events[0].reply.datapath_id == 2**64 - 1


@pytest.mark.parametrize("side", SIDES)
@pytest.mark.parametrize("version", VERSIONS)
def test_errors_about_nothing(lib: SimpleNamespace, version: int, side: str) -> None:
    """They are told of, and never answered."""
    for quoted in (
        b"",
        b"\x01",
        bytes(8),
        message(version, 14, bytes(80), 1),
        message(version, 1, bytes(4)),
        b"\xff" * 300,
    ):
        for kind, code in ((1, 1), (0xFFFF, 0xFFFF), (3, 77)):
            data = message(version, 1, kind.to_bytes(2, "big") + code.to_bytes(2, "big") + quoted, 0xDEAD)
            events, sent, why = feed(lib, begin(lib, side, version), data)
            assert sent == b"" and why == "" and len(events) == 1
    for cut in range(4):
        events, sent, why = feed(lib, begin(lib, side, version), message(version, 1, bytes(cut)))
        assert sent == b"" and why == "" and isinstance(events[0], lib.connection.Garbled)


# -- what never ends -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("version", VERSIONS)
def test_a_reply_that_never_ends(lib: SimpleNamespace, version: int) -> None:
    p = lib.protocol
    connection = begin(lib, "controller", version, limits=lib.connection.Limits(parts=500, assembled=1 << 20))
    xid = connection.send(p.FlowStatsRequest())
    connection.data_to_send()
    one = lib.codec.encode(p.FlowStatsReply((p.FlowStats(),), 1), xid, version)
    lib.codec.decode(one)  # its reader is made once, and stays
    failed = 0
    with within_octets(100_000):
        for _ in range(20):
            events, sent, why = feed(lib, connection, one * 100)
            failed += sum(isinstance(event, lib.connection.Failed) for event in events)
            assert sent == b"" and why == ""
    assert failed == 1
    large = lib.codec.encode(p.DescReply("x"), xid, version)
    assert feed(lib, connection, large) == ([], b"", "")


@pytest.mark.parametrize("version", [V13, V14, V15])
def test_thousands_of_requests_that_never_end(lib: SimpleNamespace, version: int) -> None:
    """A switch keeps the last few and refuses the others."""
    connection = begin(lib, "switch", version)
    table = bombs.message(version, 18, (12).to_bytes(2, "big") + b"\0\1" + bytes(4))
    refused = 0
    with within_octets(3_000_000):
        for xid in range(5000):
            events, sent, why = feed(lib, connection, table[:4] + xid.to_bytes(4, "big") + table[8:])
            assert events == [] and why == ""
            refused += len(errors_in(sent))
    assert refused == 5000 - 8
    connection.handle_timer(7.0)
    assert len(errors_in(connection.data_to_send())) == 8
    assert connection.next_timer() is not None


def test_a_thousand_requests_open_and_none_answered(lib: SimpleNamespace) -> None:
    """What a caller asks and forgets does not stay."""
    connection = begin(lib, "controller", V13)
    with within_octets(200_000):
        for _ in range(5000):
            connection.forget(connection.send(lib.protocol.FlowStatsRequest()))
            connection.data_to_send()


@pytest.mark.parametrize("side", SIDES)
def test_what_is_remembered_of_what_was_sent(lib: SimpleNamespace, side: str) -> None:
    connection = begin(lib, side, V13)
    with within_octets(3_000_000):
        for n in range(20_000):
            connection.send(lib.protocol.FlowMod({"in_port": n + 1}, (lib.protocol.Output(1),)))
            connection.data_to_send()


# -- hellos --------------------------------------------------------------------------------------------------------


def hello(version: int, *elements: bytes) -> bytes:
    return message(version, 0, b"".join(elements), 3)


LIES = {
    "a length of 0": bytes.fromhex("0001000000000002"),
    "a length of 3": bytes.fromhex("0001000300000002"),
    "more than there is": bytes.fromhex("0001ffff00000002"),
    "no bitmap in it": bytes.fromhex("00010004"),
    "not a whole bitmap": bytes.fromhex("0001000600000000"),
    "half of a header": bytes.fromhex("0001"),
    "an element that nobody knows": bytes.fromhex("7777000800000002"),
    "many elements": bytes.fromhex("7777000800000002") * 8000,
    "a long bitmap": bytes.fromhex("0001fff0") + bytes(0xFFEC),
}


@pytest.mark.parametrize("lie", LIES)
@pytest.mark.parametrize("side", SIDES)
def test_hello_elements_that_lie(lib: SimpleNamespace, side: str, lie: str) -> None:
    """What cannot be read of them counts as if it were not there: the header alone says the version."""
    for version in (V13, V15, 9, 255):
        connection = lib.connection.Connection(0.0, side=side)
        connection.data_to_send()
        events, sent, why = feed(lib, connection, hello(version, LIES[lie]))
        if events:
            assert events == [lib.connection.Ready(min(version, V15))] and not why and not sent
        else:
            ((kind, code, xid, quoted),) = errors_in(sent)
            assert (kind, code, xid) == (0, 0, 3) and quoted.isascii() and why


def test_hellos_of_no_version(lib: SimpleNamespace) -> None:
    connection = lib.connection.Connection(0.0)
    connection.data_to_send()
    _, sent, why = feed(lib, connection, hello(0))
    ((kind, code, xid, _),) = errors_in(sent)
    assert (kind, code, xid) == (0, 0, 3) and "does not speak" in why
    for version in (7, 0x41, 255):
        connection = lib.connection.Connection(0.0)
        assert feed(lib, connection, hello(version))[0] == [lib.connection.Ready(V15)]


@pytest.mark.parametrize("side", SIDES)
def test_hello_again_and_again(lib: SimpleNamespace, side: str) -> None:
    connection = begin(lib, side, V13)
    stream = b"".join(hello(version) for version in (0, 1, 4, 6, 255)) * 500
    assert feed(lib, connection, stream) == ([], b"", "")
    assert connection.version == V13


@pytest.mark.parametrize("side", SIDES)
@pytest.mark.parametrize("version", VERSIONS)
def test_another_version_in_the_stream(lib: SimpleNamespace, version: int, side: str) -> None:
    others = [other for other in (0, 1, 2, 3, 4, 5, 6, 7, 255) if other != version]
    stream = b"".join(message(other, 2, b"?", other) + message(other, 1, bytes(8), other) for other in others)
    events, sent, why = feed(lib, begin(lib, side, version), stream)
    assert not why and len(events) == 2 * len(others)
    answered = errors_in(sent)
    assert [(kind, code, xid) for kind, code, xid, _ in answered] == [(1, 0, other) for other in others]
    assert {data[0] for data in [sent]} == {version}


# -- a switch that says too much -----------------------------------------------------------------------------------


def test_sixty_five_thousand_ports(lib: SimpleNamespace) -> None:
    p = lib.protocol
    connection = begin(lib, "controller", V13)
    xid = connection.send(p.PortDescRequest())
    ports = tuple(p.Port(n + 1, name=f"p{n}") for n in range(0xFF00))
    stream = b"".join(
        lib.codec.encode(p.PortDescReply(ports[n : n + 1000], int(n + 1000 < len(ports))), xid, V13)
        for n in range(0, len(ports), 1000)
    )
    events, _, why = feed(lib, connection, stream, 65_536)
    assert not why and len(events) == 1 and events[0].reply.ports == ports
