"""Hello, echo, barrier and errors, against Open vSwitch."""

import pytest

from segue.openflow import codec
from segue.openflow.codec import UnknownMessage
from segue.openflow.protocol.basic import (
    BarrierReply,
    BarrierRequest,
    EchoReply,
    EchoRequest,
    Error,
    Hello,
    UnknownHelloElement,
    VersionBitmap,
    hello_versions,
)
from segue.openflow.wire import ONF, V10, V11, V12, V13, V14, V15, VERSIONS, EncodeError, ProtocolError

from .judged import XID, Row, check, check_mutilated, parameters, refuse

LATE = (V12, V13, V14, V15)

ROWS: list[Row] = [
    (Hello(), VERSIONS, "HELLO"),
    (Hello((VersionBitmap.of({V10, V13, V15}),)), VERSIONS, "version bitmap: 0x01, 0x04, 0x06"),
    (Hello((UnknownHelloElement(9, b"12345"), VersionBitmap((0x12, 0x80000000)))), VERSIONS, None),
    (EchoRequest(b"are you there"), VERSIONS, "ECHO_REQUEST"),
    (EchoReply(b"I am"), VERSIONS, "4 bytes of payload"),
    (BarrierRequest(), VERSIONS, "BARRIER_REQUEST"),
    (BarrierReply(), VERSIONS, "BARRIER_REPLY"),
    (Error(1, 6, EchoRequest_ := bytes.fromhex("0102000800000001")), VERSIONS, "OFPBRC_BAD_LEN"),
    (Error(0xFFFF, 2303, EchoRequest_, ONF), (V13,), "OFPBFC_BUNDLE_EXIST"),
    (Error(0xFFFF, 4, EchoRequest_, 0x2320), LATE, "NXBRC_MUST_BE_ZERO"),
    (Error(0xFFFF, 7, EchoRequest_), (V10, V11), None),
    (UnknownMessage(4, b"\0\0\0\x99 somebody's own"), VERSIONS, None),
    (UnknownMessage(99, b"later"), VERSIONS, None),
]


@pytest.mark.parametrize(("message", "version", "said"), parameters(ROWS))
def test_there_and_back(message: Hello, version: int, said: str | None) -> None:
    check(message, version, said)


def test_mutilated() -> None:
    check_mutilated([row for row in ROWS if not isinstance(row[0], UnknownMessage)])


@pytest.mark.parametrize("kind", [16, 17, 18, 19])
def test_a_multipart_that_nobody_knows_stays_as_it_is(kind: int) -> None:
    body = b"\0\x63\0\1\0\0\0\0" + b"what is it"
    experimenters = b"\xff\xff\0\0\0\0\0\0\xde\xad\xbe\xef\0\0\0\1" + b"what is it"
    version = V10 if kind < 18 else V13
    for data in (body, experimenters):
        message = UnknownMessage(kind, data)
        whole = codec.encode(message, 5, version)
        assert codec.decode(whole) == (message, 5, version)


def test_versions_of_a_hello() -> None:
    assert hello_versions(Hello((VersionBitmap.of({1, 4}),)), V15) == {1, 4}
    assert hello_versions(Hello((VersionBitmap.of({1, 4, 33}),)), V10) == {1, 4, 33}
    assert hello_versions(Hello((UnknownHelloElement(2),)), V13) == {1, 2, 3, 4}
    assert VersionBitmap.of({33}).bitmaps == (0, 2)
    assert VersionBitmap.of(()).bitmaps == (0,)


def test_a_hello_of_a_later_version_is_read() -> None:
    message, xid, version = codec.decode(bytes.fromhex("ff0000100000000900010008") + b"\0\0\0\x12")
    assert (xid, version) == (9, 0xFF)
    assert hello_versions(message, version) == {1, 4}


@pytest.mark.parametrize("garbage", [b"hello", b"\0\1\0\3", b"\0\1\xff\xff12", b"\0\1\0\7\0\0\0\0", bytes(20)])
def test_a_hello_takes_anything(garbage: bytes) -> None:
    data = bytes((V10, 0, 0, 16 + len(garbage))) + bytes(4) + bytes.fromhex("0001000800000012") + garbage
    message, _, _ = codec.decode(data)
    assert hello_versions(message, V10) == {1, 4}
    assert codec.encode(message, 0, V10) == data


def test_experimenters_errors() -> None:
    refuse(Error(0xFFFF, 1, b"", ONF), V10, "came with OpenFlow 1.2")
    with pytest.raises(EncodeError, match="only errors of type 0xffff"):
        Error(1, 6, b"", ONF)
    with pytest.raises(ProtocolError, match="experimenter's error"):
        codec.decode(bytes((V13, 1, 0, 14, 0, 0, 0, XID)) + b"\xff\xff\0\1\0\0")
