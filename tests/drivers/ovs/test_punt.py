"""A packet's way to a service: what the switch is told to send, and what is read of what it sends."""

from __future__ import annotations

import pytest

from segue.drivers.ovs.punt import CONTROLLER_ID, punted, to_service
from segue.model.program import ToService
from segue.model.protocol import Punted
from segue.openflow import protocol as of
from segue.openflow.match import MatchLike


def userdata(action: ToService) -> bytes:
    (said,) = (one.userdata for one in to_service(action).properties if isinstance(one, of.ControllerPropUserdata))
    return said


def test_the_action_goes_to_the_agents_own_connection_and_through_the_meter() -> None:
    parts = to_service(ToService(7, 1, 2, 0, 99, 0x4001)).properties
    assert of.ControllerPropControllerId(CONTROLLER_ID) in parts
    assert of.ControllerPropMeterId(0x4001) in parts
    assert of.ControllerPropMaxLen(99) in parts
    assert not any(isinstance(one, of.ControllerPropPause) for one in parts)
    without = to_service(ToService(7, 1, 2, 0, 99)).properties
    assert not any(isinstance(one, of.ControllerPropMeterId) for one in without)


@pytest.mark.parametrize(
    "pipeline",
    [
        {"reg8": 5, "xreg6": 6},
        {"xreg4": 5 << 32, "reg12": 0, "reg13": 6},
        {"xreg4": (5 << 32, 0xFFFFFFFF << 32), "xreg6": (6, 0xFFFFFFFF)},
    ],
)
def test_registers_are_read_however_the_switch_writes_them(pipeline: MatchLike) -> None:
    said = userdata(ToService(7, 3, 9, 1, 4))
    message = of.NxPacketIn2((of.PacketInPacket(b"abcdef"), of.PacketInMetadata(pipeline), of.PacketInUserdata(said)))
    assert punted(message) == Punted(7, 5, 3, 9, 1, 6, b"abcd", 6)


def test_the_length_is_that_of_the_packet_where_the_switch_sends_less() -> None:
    said = userdata(ToService(7, 3, 9))
    message = of.NxPacketIn2((of.PacketInPacket(b"ab"), of.PacketInFullLen(1500), of.PacketInUserdata(said)))
    assert punted(message) == Punted(7, 0, 3, 9, 1, 1500, b"ab")


@pytest.mark.parametrize("said", [b"", b"abc", bytes(15), bytes(17)])
def test_what_no_rule_of_a_service_sent_is_nothing(said: bytes) -> None:
    assert punted(of.NxPacketIn2((of.PacketInPacket(b"ab"), of.PacketInUserdata(said)))) is None
