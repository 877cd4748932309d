"""What `encode` and `decode` say of what is none of theirs: too long, no xid, not bytes."""

from typing import Any

import pytest

from segue.openflow.codec import UnknownMessage, decode, decode_many, encode
from segue.openflow.declare import Message
from segue.openflow.protocol.actions import Output
from segue.openflow.protocol.basic import BarrierRequest, EchoRequest
from segue.openflow.protocol.bundles import BundleAddMessage
from segue.openflow.protocol.flow_mod import FlowMod
from segue.openflow.protocol.packets import PacketIn, PacketOut
from segue.openflow.wire import V13, V14, EncodeError


@pytest.mark.parametrize("kind", [bytearray, memoryview])
def test_any_buffer_is_read_once_and_kept(kind: Any) -> None:
    frame = encode(PacketIn(data=b"abc", match={"in_port": 1}), 7, V13)
    store = bytearray(frame)
    message, xid, version = decode(kind(store))
    ((again, _, _),) = decode_many(kind(store))
    store[:] = bytes(len(store))
    assert (message, xid, version) == decode(frame)
    assert again == message
    assert type(message.data) is type(again.data) is bytes


def test_no_buffer_at_all() -> None:
    for wrong in ("0105000800000000", 8, None):
        with pytest.raises(TypeError):
            decode(wrong)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "message",
    [
        EchoRequest(bytes(65528)),
        PacketOut(data=bytes(70_000)),
        UnknownMessage(99, bytes(70_000)),
        FlowMod(actions=(Output(1),) * 5000),
        BundleAddMessage(1, EchoRequest(bytes(65_520))),
    ],
)
def test_too_long(message: Message) -> None:
    with pytest.raises(EncodeError, match=f"^{type(message).__name__} .*65535"):
        encode(message, 1, V14)


def test_as_long_as_can_be() -> None:
    assert len(encode(EchoRequest(bytes(65527)), 1, V13)) == 65535


@pytest.mark.parametrize("xid", [-1, 1 << 32, None, "7", 1.0])
@pytest.mark.parametrize("message", [BarrierRequest(), UnknownMessage(99, b"")])
def test_no_xid(message: Message, xid: Any) -> None:
    with pytest.raises(EncodeError, match=f"{type(message).__name__}: the xid .* is no number of 32 bits"):
        encode(message, xid, V13)
