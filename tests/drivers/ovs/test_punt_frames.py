"""Packets for services, cut out of a stream of OpenFlow without being read."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from segue.drivers.ovs.punt import to_service
from segue.drivers.ovs.punt_frames import Frames, Raw, service_of
from segue.model.program import ToService
from segue.model.protocol import Punted
from segue.openflow import protocol as of
from segue.openflow.codec import encode
from segue.openflow.wire import V15, ProtocolError

FRAME = bytes(range(60))


def message(service: int, length: int = 0xFFFF, registers: dict[str, int] | None = None) -> bytes:
    """As Open vSwitch sends it for a rule of the service."""
    said = next(
        part.userdata
        for part in to_service(ToService(service, 3, 0xFEDC, length=length)).properties
        if isinstance(part, of.ControllerPropUserdata)
    )
    parts = (
        of.PacketInPacket(FRAME),
        of.PacketInFullLen(len(FRAME)),
        of.PacketInTableId(30),
        of.PacketInMetadata(registers or {"reg8": 5}),
        of.PacketInUserdata(said),
    )
    return encode(of.NxPacketIn2(parts), 0, V15)


OTHERS = [encode(one, 9, V15) for one in (of.EchoRequest(b"x"), of.BarrierReply(), of.NxPacketIn2())]
STREAM = [message(1), OTHERS[0], message(2, 20), OTHERS[1], OTHERS[2], message(1 << 24)]


def test_a_packet_is_what_its_message_says() -> None:
    raw = Raw(7, message(7, 20, {"reg8": 5, "reg12": 1, "reg13": 2}))
    assert raw.read() == Punted(7, 5, 3, 0xFEDC, 1, len(FRAME), FRAME[:20], 1 << 32 | 2)
    assert Raw(7, message(7), 4).read() == Punted(7, 5, 3, 0xFEDC, 1, len(FRAME), FRAME, 0, 4)


@given(st.lists(st.integers(1, 400)))
def test_however_the_stream_is_cut_each_message_comes_whole_and_in_order(cuts: list[int]) -> None:
    found: list[bytes] = []
    others: list[bytes] = []

    def other(frame: bytes) -> bytes:
        others.append(frame)
        return frame[:2]

    frames = Frames(lambda raw: found.append(raw.data), other)
    data, answers = b"".join(STREAM), b""
    for cut in [*cuts, len(data)]:
        answers += frames.feed(memoryview(data[:cut])) or b""
        data = data[cut:]
    assert found == [one for one in STREAM if one not in OTHERS]
    assert others == OTHERS
    assert answers == b"".join(one[:2] for one in OTHERS)
    assert frames.pending == 0


def test_whose_it_is_is_known_without_reading_it() -> None:
    assert [service_of(one) for one in STREAM] == [1, None, 2, None, None, 1 << 24]


def test_a_part_without_a_length_is_the_end_of_looking() -> None:
    whole = message(7)
    assert service_of(whole[:16] + b"\0\0\0\0" + whole[20:]) is None


@given(st.binary(max_size=80), st.integers(8, 200))
def test_what_looks_like_one_and_is_none_harms_nothing(tail: bytes, keep: int) -> None:
    whole = message(7)
    garbled = whole[:keep] + tail
    frame = garbled[:2] + len(garbled).to_bytes(2, "big") + garbled[4:]
    found: list[Raw] = []
    others: list[bytes] = []
    frames = Frames(found.append, lambda one: others.append(one) or b"")  # type: ignore[func-returns-value]
    frames.feed(memoryview(frame + STREAM[0]))
    assert [raw.data for raw in found] + others in ([frame, STREAM[0]], [STREAM[0], frame])
    for raw in found:
        packet = raw.read()
        assert packet is None or isinstance(packet, Punted)


def test_a_message_shorter_than_its_header_ends_the_connection() -> None:
    frames = Frames(lambda _: None, lambda _: b"")
    with pytest.raises(ProtocolError, match="says 7 bytes"):
        frames.feed(memoryview(b"\x06\x02\x00\x07\x00\x00\x00\x00"))


def test_what_is_not_whole_yet_waits() -> None:
    frames = Frames(lambda _: None, lambda _: b"")
    frames.feed(memoryview(STREAM[0][:50]))
    assert frames.pending == 50
