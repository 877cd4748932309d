"""Bundles and forwarded requests, against Open vSwitch."""

import pytest

from segue.openflow import codec
from segue.openflow.protocol import bundles as b
from segue.openflow.protocol.actions import Output
from segue.openflow.protocol.basic import EchoRequest
from segue.openflow.protocol.flow_mod import FlowMod
from segue.openflow.protocol.groups import GroupMod
from segue.openflow.protocol.instructions import ApplyActions
from segue.openflow.wire import V10, V11, V12, V13, V14, V15, ProtocolError

from .judged import XID, Row, check, check_mutilated, parameters, refuse

BOTH = b.BundleFlags.ATOMIC | b.BundleFlags.ORDERED
WHEN = b.BundleTime(b.Time(5, 6))
OTHER = b.UnknownBundleProperty(0xFFFF, bytes(8) + b"odd")
FLOW = FlowMod({"in_port": 3}, instructions=(ApplyActions((Output(4),)),), table_id=1)
FLOW_SAID = "ADD table:1 in_port=3 actions=output:4"
GROUP = GroupMod(command=0, group_id=5)
CAPABILITY = b.BundleTimeCapability(b.Time(1, 2), b.Time(3, 4), b.Time(5, 6), b.Time(7, 8))
UNKNOWN = b.UnknownBundleFeaturesProperty(9, b"12345")

ROWS: list[Row] = [
    (b.BundleControl(7, 0, BOTH), (V14, V15), "bundle_id=0x7 type=OPEN_REQUEST flags=atomic ordered"),
    (b.BundleControl(7, 5, 1, (OTHER,)), (V14, V15), None),
    (b.BundleControl(7, 4, 4, (WHEN, OTHER)), (V15,), None),
    (b.OnfBundleControl(7, 7, 2), (V13,), "bundle_id=0x7 type=DISCARD_REPLY flags=ordered"),
    (b.BundleAddMessage(7, FLOW, BOTH), (V14, V15), "bundle_id=0x7 flags=atomic ordered OFPT_FLOW_MOD"),
    (b.BundleAddMessage(7, FLOW, BOTH), (V14, V15), FLOW_SAID),
    (b.BundleAddMessage(7, EchoRequest(b"odd"), 0, (OTHER,)), (V14, V15), None),
    (b.BundleAddMessage(7, EchoRequest(b"odd"), 0, (WHEN, OTHER), 9), (V15,), None),
    (b.OnfBundleAddMessage(7, FLOW), (V13,), FLOW_SAID),
    (b.BundleFeaturesRequest(2, (CAPABILITY, UNKNOWN)), (V15,), None),
    (b.BundleFeaturesReply(7, (CAPABILITY, UNKNOWN)), (V15,), None),
    (b.RequestForward(GROUP), (V14, V15), "reason=group_mod ADD group_id=5,type=all"),
    (b.RequestForward(GROUP, 99), (V14, V15), "reason=group_mod ADD group_id=5,type=all"),
    (b.OnfRequestForward(GROUP, 99), (V13,), "reason=group_mod ADD group_id=5,type=all"),
    (b.NxRequestForward(GROUP, 99), (V11, V12), "reason=group_mod ADD group_id=5,type=all"),
]


@pytest.mark.parametrize(("message", "version", "said"), parameters(ROWS))
def test_there_and_back(message: b.BundleControl, version: int, said: str | None) -> None:
    check(message, version, said)


def test_mutilated() -> None:
    check_mutilated(ROWS)


def test_the_inner_message_has_the_outer_xid() -> None:
    data = codec.encode(b.BundleAddMessage(7, FLOW), XID, V14)
    assert data[20:24] == data[4:8] == bytes((0, 0, 0, XID))
    assert codec.encode(b.BundleAddMessage(7, FLOW, xid=9), XID, V14)[20:24] == b"\0\0\0\x09"


def test_properties_begin_at_a_multiple_of_eight() -> None:
    data = codec.encode(b.BundleAddMessage(7, EchoRequest(b"odd"), 0, (OTHER,)), XID, V14)
    assert data[27:29] == bytes(2)
    assert data[32:34] == b"\xff\xff"
    assert len(data) == 48


def test_bundles_in_bundles_end_somewhere() -> None:
    message: b.BundleAddMessage = b.BundleAddMessage(1, EchoRequest())
    for _ in range(30):
        message = b.BundleAddMessage(1, message)
    with pytest.raises(ProtocolError, match="deep"):
        codec.decode(codec.encode(message, XID, V15))


def test_the_inner_message_is_of_the_same_version() -> None:
    data = bytearray(codec.encode(b.BundleAddMessage(7, EchoRequest()), XID, V14))
    data[16] = V13
    with pytest.raises(ProtocolError, match="version 4 within one of 5"):
        codec.decode(bytes(data))


def test_what_a_version_has_not() -> None:
    refuse(b.BundleControl(1, 0), V13, "has no BundleControl")
    refuse(b.BundleControl(1, 0, properties=(WHEN,)), V14, "has no BundleTime")
    refuse(b.NxRequestForward(EchoRequest()), V13, "has no NxRequestForward")
    refuse(b.OnfBundleControl(1, 0), V10, "has no OnfBundleControl")
