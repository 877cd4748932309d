"""Bundles at the switch's end: by the specification, and step by step as a real Open vSwitch has them."""

import socket
from typing import Any

import pytest

from segue.openflow.bundle_state import BundleError, Bundles, Committed, Limits
from segue.openflow.codec import decode, decode_many, encode
from segue.openflow.connection import Connection, Received
from segue.openflow.protocol.actions import Output
from segue.openflow.protocol.basic import BarrierReply, BarrierRequest, EchoRequest, Error, Hello, VersionBitmap
from segue.openflow.protocol.bundles import (
    BundleAddMessage,
    BundleControl,
    BundleTime,
    OnfBundleAddMessage,
    OnfBundleControl,
    Time,
)
from segue.openflow.protocol.flow_mod import FlowMod
from segue.openflow.protocol.group_stats import GroupDescRequest
from segue.openflow.wire import V12, V13, V14, V15

from .test_client_switch import Bridge, ovs, switch

__all__ = ["ovs", "switch"]

MOD = FlowMod({"in_port": 1}, (Output(2),), priority=7)
OPEN, CLOSE, COMMIT, DISCARD = 0, 2, 4, 6


def refused(error: str, function: Any, *arguments: Any) -> None:
    with pytest.raises(BundleError) as e:
        function(*arguments)
    assert e.value.error == error


def opened(*ids: int, flags: int = 3, **limits: Any) -> Bundles:
    bundles = Bundles(V15, limits=Limits(**limits))
    for n in ids:
        bundles.open(n, flags, (BundleControl(n, OPEN, flags), 1), 0.0)
    return bundles


def test_what_was_added_comes_out_in_order_and_once() -> None:
    bundles = opened(7, 8)
    for n in range(5):
        bundles.add(BundleAddMessage(7, FlowMod(priority=n), 3), 10 + n, 0.0)
    bundles.add(BundleAddMessage(8, MOD, 3), 20, 0.0)
    bundles.close(7, 3, 0.0)
    assert bundles.commit(7, 3) == Committed(7, 3, tuple((FlowMod(priority=n), 10 + n) for n in range(5)))
    refused("OFPBFC_BAD_ID", bundles.commit, 7, 3)
    assert len(bundles) == 1
    assert 8 in bundles
    bundles.clear()
    assert (len(bundles), bundles._messages, bundles._octets) == (0, 0, 0)


def test_bounds() -> None:
    bundles = opened(1, 2, bundles=2)
    refused("OFPBFC_OUT_OF_BUNDLES", bundles.add, BundleAddMessage(3, MOD, 3), 1, 0.0)
    assert len(bundles) == 2
    for limits in ({"messages": 3}, {"octets": 3 * len(encode(MOD, 1, V15))}):
        bundles = opened(1, 2, **limits)
        for n in (1, 2, 1):
            bundles.add(BundleAddMessage(n, MOD, 3), 1, 0.0)
        refused("OFPBFC_MSG_TOO_MANY", bundles.add, BundleAddMessage(2, MOD, 3), 1, 0.0)
        assert 1 in bundles
        assert 2 not in bundles
        bundles.add(BundleAddMessage(1, MOD, 3), 1, 0.0)
        assert len(bundles.commit(1, 3).messages) == 3
        assert (bundles._messages, bundles._octets) == (0, 0)


def test_what_is_left_alone_expires() -> None:
    bundles = opened(1, 2, idle=10.0)
    assert bundles.next_timer() == 10.0
    bundles.add(BundleAddMessage(2, MOD, 3), 1, 4.0)
    assert list(bundles.expire(9.9)) == []
    assert list(bundles.expire(10.0)) == [(1, BundleControl(1, OPEN, 3), 1)]
    assert bundles.next_timer() == 14.0
    assert [n for n, _, _ in bundles.expire(20.0)] == [2]
    assert bundles.next_timer() is None


def test_what_is_not_done_here() -> None:
    bundles = opened(1)
    refused("OFPBFC_SCHED_NOT_SUPPORTED", bundles.open, 2, 4, (MOD, 1), 0.0)
    refused("OFPBFC_BAD_FLAGS", bundles.open, 2, 8, (MOD, 1), 0.0)
    refused("OFPBFC_BAD_FLAGS", Bundles(V14).open, 2, 4, (MOD, 1), 0.0)
    timed = BundleControl(1, COMMIT, 3, (BundleTime(Time(5)),))
    refused("OFPBFC_SCHED_NOT_SUPPORTED", bundles.handle, timed, 1, 0.0, pytest.fail)
    refused("OFPBFC_BAD_TYPE", bundles.handle, BundleControl(1, 8, 3), 1, 0.0, pytest.fail)
    assert len(bundles) == 0
    with pytest.raises(ValueError, match=r"1\.3"):
        Bundles(V12)


def test_a_commit_that_fails_is_gone_too() -> None:
    bundles = opened(1)

    def fail(_: Committed) -> None:
        raise RuntimeError("no room")

    with pytest.raises(RuntimeError, match="no room"):
        bundles.handle(BundleControl(1, COMMIT, 3), 1, 0.0, fail)
    assert len(bundles) == 0


# -- with Open vSwitch ---------------------------------------------------------------------------------------------

Step = tuple[Any, ...]
CASES: dict[str, list[Step]] = {
    "committed": [(OPEN, 1, 3), ("add", 1, 3), ("add", 1, 3), (CLOSE, 1, 3), (COMMIT, 1, 3), (COMMIT, 1, 3)],
    "not closed": [(OPEN, 1, 2), ("add", 1, 2), (COMMIT, 1, 2)],
    "not opened": [("add", 1, 3), (COMMIT, 1, 3)],
    "discarded": [(OPEN, 1, 3), ("add", 1, 3), (DISCARD, 1, 3), (DISCARD, 1, 3)],
    "discarded with other flags": [(OPEN, 1, 3), (DISCARD, 1, 1), (CLOSE, 1, 3)],
    "open twice": [(OPEN, 1, 3), (OPEN, 1, 3), (COMMIT, 1, 3)],
    "closed twice": [(OPEN, 1, 3), (CLOSE, 1, 3), (CLOSE, 1, 3), (COMMIT, 1, 3)],
    "closed with other flags": [(OPEN, 1, 3), (CLOSE, 1, 1), (COMMIT, 1, 3)],
    "closed twice with other flags": [(OPEN, 1, 3), (CLOSE, 1, 3), (CLOSE, 1, 1)],
    "committed with other flags": [(OPEN, 1, 3), (COMMIT, 1, 1), (COMMIT, 1, 3)],
    "added with other flags": [(OPEN, 1, 3), ("add", 1, 1), (COMMIT, 1, 3)],
    "added when closed": [(OPEN, 1, 3), (CLOSE, 1, 3), ("add", 1, 3), (COMMIT, 1, 3)],
    "added when closed with other flags": [(OPEN, 1, 3), (CLOSE, 1, 3), ("add", 1, 1)],
    "never there": [(CLOSE, 1, 3), (COMMIT, 1, 3), (DISCARD, 1, 3)],
    "not for bundles": [(OPEN, 1, 3), ("echo", 1, 3), ("question", 1, 3), ("add", 1, 3), (COMMIT, 1, 3)],
    "not for bundles, not opened": [("echo", 1, 3), (COMMIT, 1, 3)],
    "another xid inside": [(OPEN, 1, 3), ("xid", 1, 3), (COMMIT, 1, 3)],
    "an answer": [(1, 1, 3), (7, 1, 3)],
    "two at once": [(OPEN, 1, 3), (OPEN, 2, 1), ("add", 2, 1), (COMMIT, 1, 3), (COMMIT, 2, 1)],
}
INSIDE: dict[str, Any] = {"add": MOD, "xid": MOD, "echo": EchoRequest(b"?"), "question": GroupDescRequest()}


def frames(steps: list[Step], version: int) -> list[bytes]:
    control, addition = (OnfBundleControl, OnfBundleAddMessage) if version == V13 else (BundleControl, BundleAddMessage)
    made = []
    for xid, (what, bundle_id, flags) in enumerate(steps, 1000):
        if isinstance(what, int):
            made.append(encode(control(bundle_id, what, flags), xid, version))
        else:
            inner = 77 if what == "xid" else None
            made.append(encode(addition(bundle_id, INSIDE[what], flags, xid=inner), xid, version))
    return made


def said(message: Any) -> tuple[Any, ...]:
    if isinstance(message, Error):
        return ("error", message.type, message.code, message.experimenter)
    return ("reply", type(message), message.bundle_id, message.type, message.flags)


def ours(steps: list[Step], version: int) -> list[tuple[Any, ...]]:
    connection = Connection(0.0, side="switch", versions={version})
    connection.receive_data(encode(Hello(), 1, version), 0.0)
    connection.data_to_send()
    bundles = Bundles(version)
    for frame in frames(steps, version):
        for event in connection.receive_data(frame, 0.0):
            assert isinstance(event, Received)
            try:
                reply = bundles.handle(event.message, event.xid, 0.0, lambda _: None)
            except BundleError as e:
                connection.refuse(event.xid, frame, e.error)
            else:
                if reply is not None:
                    connection.send(reply, event.xid)
    return [(xid, *said(message)) for message, xid, _ in decode_many(connection.data_to_send())]


def theirs(path: str, steps: list[Step], version: int) -> list[tuple[Any, ...]]:
    with socket.socket(socket.AF_UNIX) as peer:
        peer.settimeout(10)
        peer.connect(path)
        peer.sendall(encode(Hello((VersionBitmap.of({version}),)), 1, version))
        peer.sendall(b"".join(frames(steps, version)) + encode(BarrierRequest(), 9999, version))
        stream = b""
        heard: list[tuple[Any, ...]] = []
        while True:
            data = peer.recv(65536)
            assert data
            stream += data
            while len(stream) >= 8 and len(stream) >= (length := int.from_bytes(stream[2:4], "big")):
                message, xid, _ = decode(stream[:length])
                stream = stream[length:]
                if isinstance(message, BarrierReply):
                    return heard
                if not isinstance(message, Hello):
                    heard.append((xid, *said(message)))


@pytest.mark.root
@pytest.mark.parametrize("version", [V13, V14, V15])
def test_as_open_vswitch_has_it(switch: Bridge, version: int) -> None:
    for name, steps in CASES.items():
        expected = theirs(switch.target.removeprefix("unix:"), steps, version)
        assert ours(steps, version) == expected, name
