"""Packet-ins and packet-outs, against Open vSwitch."""

import pytest

from segue.openflow import codec
from segue.openflow.protocol.actions import Output
from segue.openflow.protocol.packets import PacketIn, PacketOut
from segue.openflow.wire import CONTROLLER, FLOOD, NO_BUFFER, V10, V11, V12, V13, V14, V15

from .judged import Row, check, check_mutilated, parameters, refuse

FRAME = bytes.fromhex("5054000000065054000000050806") + bytes(46)
OLD = (V10, V11)
ACTIONS = (Output(FLOOD),)

ROWS: list[Row] = [
    (PacketIn(7, 64, 3, 1, 0, 0, {}, FRAME), OLD, "total_len=64 in_port=3 (via action) data_len=60 buffer=0x00000007"),
    (PacketIn(NO_BUFFER, 60, 0xFFFFFFFE, 0, data=FRAME), (V10,), "in_port=LOCAL (via no_match)"),
    (PacketIn(NO_BUFFER, 60, 3, 2, 4, 0, {}, FRAME, 9), (V11,), "in_port=3 (via invalid_ttl)"),
    (PacketIn(NO_BUFFER, 60, 3, 0, 4, 0, {"in_port": 3, "metadata": 5}, FRAME), (V12,), "metadata=0x5,in_port=3"),
    (
        PacketIn(NO_BUFFER, 60, 3, 0, 4, 0xAB, {"in_port": 3, "tunnel_id": 5}, FRAME),
        (V13, V14, V15),
        "table_id=4 cookie=0xab total_len=60 tun_id=0x5,in_port=3 (via no_match)",
    ),
    (PacketIn(NO_BUFFER, 60, 3, 5, 0, 0, {"in_port": 3}, FRAME), (V14, V15), "(via packet_out)"),
    (PacketIn(), (*OLD, V12, V13, V14, V15), None),
    (PacketOut(9, 4, ACTIONS), (V10, V11, V12, V13, V14), "in_port=4 actions=FLOOD buffer=0x00000009"),
    (PacketOut(9, 4, ACTIONS, b"", {"in_port": 4, "metadata": 6}), (V15,), "metadata=0x6,in_port=4 actions=FLOOD"),
    (PacketOut(data=FRAME), (V10, V11, V12, V13, V14), "in_port=CONTROLLER actions=drop data_len=60"),
]


@pytest.mark.parametrize(("message", "version", "said"), parameters(ROWS))
def test_there_and_back(message: PacketIn, version: int, said: str | None) -> None:
    check(message, version, said)


def test_mutilated() -> None:
    check_mutilated(ROWS)


@pytest.mark.parametrize("version", [V12, V13, V14, V15])
def test_the_input_port_goes_into_the_match(version: int) -> None:
    read, _, _ = codec.decode(codec.encode(PacketIn(in_port=3, data=FRAME), 1, version))
    assert (read.in_port, read.match) == (3, {"in_port": 3})
    read, _, _ = codec.decode(codec.encode(PacketIn(in_port=3, match={"in_port": 5}), 1, version))
    assert (read.in_port, read.match) == (5, {"in_port": 5})
    read, _, _ = codec.decode(codec.encode(PacketIn(match={"metadata": 5}), 1, version))
    assert (read.in_port, read.match) == (0, {"metadata": 5})


def test_packet_out_of_1_5() -> None:
    check(PacketOut(in_port=4, data=FRAME, match={"in_port": 4}), V15, "in_port=4 actions=drop data_len=60")
    read, _, _ = codec.decode(codec.encode(PacketOut(data=FRAME), 1, V15))
    assert read.match == {"in_port": CONTROLLER}
    refuse(PacketOut(match={"in_port": 4}), V14, "no such field")


def test_ethernet_header() -> None:
    packet_in = PacketIn(data=FRAME)
    assert packet_in.eth_dst == 0x505400000006
    assert packet_in.eth_src == 0x505400000005
    assert packet_in.eth_type == 0x0806
    short = PacketIn(data=FRAME[:13])
    assert (short.eth_dst, short.eth_src, short.eth_type) == (0, 0, 0)
    assert PacketIn(data=b"\xff" * 14).eth_dst == PacketIn(data=b"\xff" * 14).eth_src == 0xFFFFFFFFFFFF


def test_answering() -> None:
    assert PacketOut.answering(PacketIn(7, 60, 3, data=FRAME), ACTIONS) == PacketOut(7, 3, ACTIONS)
    whole = PacketIn(in_port=3, data=FRAME)
    assert PacketOut.answering(whole, ACTIONS) == PacketOut(NO_BUFFER, 3, ACTIONS, FRAME)


def test_what_a_version_has_not() -> None:
    refuse(PacketIn(table_id=1), V10, "table_id: OpenFlow 1.0 has no such field")
    refuse(PacketIn(cookie=1), V12, "cookie")
    refuse(PacketIn(match={"metadata": 1}), V11, "match")
    refuse(PacketIn(in_phy_port=1), V13, "in_phy_port")
    refuse(PacketIn(in_port=0x10000), V10, "cannot be said in 16 bits")
