"""`segue openflow replay`: recordings said again to peers that answer as before, otherwise, or not at all."""

from __future__ import annotations

import json
import random
import shutil
import socket
import subprocess
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from cli_session import Session
from openflow_captures import conversation, frame, pcap
from openflow_peers import Command, Listener, answering, call, temporary

from segue.cli.openflow_conversation import answers, conversations, last_part
from segue.cli.openflow_frames import Frame
from segue.cli.openflow_sources import Said
from segue.openflow import (
    BarrierReply,
    BarrierRequest,
    EchoReply,
    EchoRequest,
    Error,
    FeaturesReply,
    FeaturesRequest,
    FlowMod,
    Hello,
    PacketIn,
    codec,
)
from segue.openflow.wire import V10, V13


def encode(message: Any, xid: int = 0, version: int = V13) -> bytes:
    return codec.encode(message, xid, version)


HELLO, ASK, REPLY = encode(Hello(), 1), encode(FeaturesRequest(), 2), encode(FeaturesReply(datapath_id=7), 2)
BARRIER, DONE = encode(BarrierRequest(), 4), encode(BarrierReply(), 4)
MOD, IN = encode(FlowMod({"in_port": 3}), 3), encode(PacketIn(in_port=3, data=b"abc"))
SAID = [
    *(("switch", HELLO), ("controller", HELLO), ("controller", ASK), ("switch", REPLY)),
    *(("switch", encode(EchoRequest(), 9)), ("controller", encode(EchoReply(), 9))),
    *(("switch", IN), ("controller", MOD), ("controller", BARRIER), ("switch", DONE)),
]


def recording(said: list[tuple[str, bytes]], *, pause: float = 0.0, connection: int = 1) -> str:
    lines = []
    for number, (side, data) in enumerate(said):
        at = 1_000_000 + round(number * pause * 1e6)
        time_text = f"2026-01-01T00:00:{at // 1_000_000:02}.{at % 1_000_000:06}Z"
        lines.append(json.dumps({"time": time_text, "connection": connection, "from": side, "hex": data.hex()}))
    return "\n".join(lines) + "\n"


@pytest.fixture
def replay(nowhere: Session, tmp_path: Path) -> Callable[..., tuple[int, dict[str, Any], str]]:
    def run(text: str, target: str, *words: str) -> tuple[int, dict[str, Any], str]:
        path = temporary(tmp_path / "recorded", text)
        ran = nowhere("openflow", "replay", path, target, "--patience", "0.5", "-o", "json", *words)
        return ran.status, json.loads(ran.out) if ran.out else {}, ran.err

    return run


def _controller(message: bytes) -> bytes:
    """As the recorded controller, but with transaction numbers of its own, and an echo request first."""
    kind = message[1]
    if kind == 0:
        return HELLO + encode(EchoRequest(b"?"), 100) + encode(FeaturesRequest(), 101)
    return MOD + encode(BarrierRequest(), 102) if kind == 10 else b""


def _switch(message: bytes) -> bytes:
    kind, xid = message[1], int.from_bytes(message[4:8], "big")
    answers = {0: HELLO, 5: encode(FeaturesReply(datapath_id=8), xid), 20: encode(BarrierReply(), xid)}
    return answers.get(kind, b"")


def test_a_switch_again(replay: Any) -> None:
    with answering(_controller) as (port, heard):
        status, report, err = replay(recording(SAID), f"tcp:127.0.0.1:{port}", "--fast")
    assert (status, err) == (0, "")
    assert report == {"sent": 3, "received": 3, "differences": {}, "errors": [], "problems": []}
    others = [message for message in heard[1:] if message[1] != 3]
    assert others == [REPLY, IN, DONE]  # as they were, and neither hello nor echo
    assert encode(EchoReply(b"?"), 100) in heard
    assert heard[0][:2] == b"\4\0" and codec.decode(heard[0])[0].elements[0].versions == {V13}


def test_in_order(replay: Any) -> None:
    with answering(_controller) as (port, heard):
        status, report, _ = replay(recording(SAID), f"tcp:127.0.0.1:{port}", "--wait")
    assert (status, report["sent"], report["problems"]) == (0, 3, [])
    others = [message for message in heard[1:] if message[1] != 3]
    assert [(message[1], int.from_bytes(message[4:8], "big")) for message in others] == [(6, 101), (10, 0), (21, 102)]
    assert others[0][8:] == REPLY[8:]


def test_what_nobody_asks_is_not_answered(replay: Any) -> None:
    with answering(lambda message: HELLO if message[1] == 0 else b"") as (port, heard):
        status, report, _ = replay(recording(SAID), f"tcp:127.0.0.1:{port}", "--wait")
    assert status == 0  # other than recorded, but no error
    assert report["differences"] == {
        "OFPT_BARRIER_REQUEST": {"recorded": 1, "now": 0},
        "OFPT_FEATURES_REQUEST": {"recorded": 1, "now": 0},
        "OFPT_FLOW_MOD": {"recorded": 1, "now": 0},
    }
    assert len(report["problems"]) == 2 and "nobody asked OFPT_FEATURES_REQUEST again" in report["problems"][0]
    assert [message[1] for message in heard] == [0, 10]


def test_a_controller_again(replay: Any) -> None:
    with answering(_switch) as (port, heard):
        for words in (["--wait"], ["--fast"]):
            heard.clear()
            status, report, _ = replay(recording(SAID), f"tcp:127.0.0.1:{port}", "--from", "controller", *words)
            assert [message[1] for message in heard] == [0, 5, 14, 20] and heard[2] == MOD
            assert status == 0 and report["differences"] == {"OFPT_PACKET_IN": {"recorded": 1, "now": 0}}


def test_new_errors_fail(replay: Any, nowhere: Session, tmp_path: Path) -> None:
    def refuse(message: bytes) -> bytes:
        xid = int.from_bytes(message[4:8], "big")
        return encode(Error(5, 1, message), xid) if message[1] == 14 else _switch(message)

    with answering(refuse) as (port, _):
        target = f"tcp:127.0.0.1:{port}"
        status, report, _ = replay(recording(SAID), target, "--from", "controller", "--fast")
        assert status == 1
        (error,) = report["errors"]
        assert (error["error_type"], error["code"], error["xid"]) == ("OFPET_FLOW_MOD_FAILED", "OFPFMFC_TABLE_FULL", 3)
        known = [*SAID[:8], ("switch", encode(Error(5, 1, MOD), 3)), *SAID[8:]]
        status, report, _ = replay(recording(known), target, "--from", "controller", "--fast")
        assert (status, report["errors"]) == (0, [])  # it was refused then too
        path = temporary(tmp_path / "text", recording(SAID))
        ran = nowhere("openflow", "replay", path, target, "--from", "controller", "--fast", "--patience", "0.3")
        assert ran.status == 1
        assert "error: OFPET_FLOW_MOD_FAILED OFPFMFC_TABLE_FULL (xid 3) about OFPT_FLOW_MOD" in ran.out
        assert "OFPT_ERROR" in ran.out and "RECORDED" in ran.out


@pytest.mark.parametrize(
    ("words", "pause", "least", "most"),
    [([], 0.1, 0.8, 15), (["--speed", "4"], 0.5, 1, 4), (["--fast"], 0.5, 0, 4)],
)
def test_pace(replay: Any, words: list[str], pause: float, least: float, most: float) -> None:
    """Without these words the recording with the longer pauses would take 4.5 s and more."""
    times: list[float] = []

    def hear(message: bytes) -> bytes:
        times.append(time.monotonic())
        return _controller(message)

    with answering(hear) as (port, _):
        replay(recording(SAID, pause=pause), f"tcp:127.0.0.1:{port}", *words)
    assert least <= times[-1] - times[0] <= most


def test_versions_that_do_not_agree(replay: Any) -> None:
    with answering(lambda _: encode(Hello(), 1, V10)) as (port, _):
        status, report, _ = replay(recording(SAID), f"tcp:127.0.0.1:{port}")
    assert status == 1 and report["sent"] == 0
    assert report["problems"] == ["the recording is of OpenFlow 1.3, and the other end speaks 1.0"]


def test_an_end_too_early(replay: Any) -> None:
    with Listener() as listener:
        listener.socket.close()
        status, report, err = replay(recording(SAID), f"tcp:127.0.0.1:{listener.port}")
        assert status == 1 and "cannot connect" in err
    with Listener() as listener:
        path = recording([*SAID[:2], *[("switch", IN)] * 50], pause=0.05)

        def once() -> None:
            with listener.accept() as peer:
                peer.send(HELLO)
                peer.hear()

        thread = threading.Thread(target=once)
        thread.start()
        status, report, _ = replay(path, f"tcp:127.0.0.1:{listener.port}")
        thread.join(10)
    assert status == 1 and "the other end ended it" in report["problems"][0]


def test_waiting_to_be_called(tmp_path: Path) -> None:
    path = temporary(tmp_path / "r", recording(SAID))
    words = ["replay", path, "ptcp:0:127.0.0.1", "--from", "controller", "--fast", "--patience", "1", "-o", "json"]
    with Command(*words) as command, call(command.port) as switch:
        switch.send(HELLO)
        assert [switch.hear()[1] for _ in range(4)] == [0, 5, 14, 20]
        switch.send(REPLY, IN, DONE)
        status, out, _ = command.end()
    assert (status, json.loads(out)["differences"]) == (0, {})


def test_several_connections_and_captures(replay: Any, nowhere: Session, tmp_path: Path) -> None:
    both = recording(SAID) + recording(SAID, connection=2)
    with answering(_controller) as (port, heard):
        target = f"tcp:127.0.0.1:{port}"
        assert replay(both, target, "--fast")[1]["sent"] == 6
        assert replay(both, target, "--fast", "--connection", "2")[1]["sent"] == 3
        assert replay(both, target, "--fast", "--connection", "3")[0] == 2
        heard.clear()
        path = tmp_path / "c.pcap"
        path.write_bytes(pcap([frame(segment) for segment in conversation(SAID)]))
        ran = nowhere("openflow", "replay", str(path), target, "--fast", "--patience", "0.5", "-o", "json")
        assert ran.status == 0 and json.loads(ran.out)["sent"] == 3
        assert [message for message in heard if message[1] in (6, 10, 21)] == [REPLY, IN, DONE]


def test_mistakes(replay: Any, nowhere: Session, tmp_path: Path) -> None:
    target = "tcp:127.0.0.1:1"
    assert replay("", target)[0] == 2
    assert replay("{}\n", target)[0] == 2
    assert replay(recording(SAID[:1]), target)[0] == 2
    assert replay(recording(SAID), "nonsense")[0] == 2
    for words in (["--speed", "0"], ["--speed", "nan"], ["--speed", "-1"], ["--speed", "2", "--fast"]):
        assert nowhere("openflow", "replay", "x", target, *words).status == 2
    assert nowhere("openflow", "replay", str(tmp_path / "none"), target).status == 2


def test_answers() -> None:
    assert answers(REPLY, ASK) and answers(encode(Error(1, 1), 2), ASK) and answers(DONE, BARRIER)
    assert not answers(DONE, ASK) and not answers(REPLY, encode(FeaturesRequest(), 3)) and not answers(IN, MOD)
    part = bytes.fromhex("04130010000000020000000100000000")
    assert not last_part(part) and last_part(part[:11] + b"\0" + part[12:])


def test_the_sides_of_a_capture_are_known_by_what_they_say() -> None:
    def said(pairs: list[tuple[str, str, bytes]]) -> list[Said]:
        return [Said(Frame(0, data), 1, source, destination, 1) for source, destination, data in pairs]

    a, b = "192.0.2.1:6653", "192.0.2.2:40000"
    (called,) = conversations(said([(a, b, HELLO), (b, a, HELLO), (a, b, REPLY), (b, a, ASK)]))
    assert [line.side for line in called.lines] == ["switch", "controller"]
    (one,) = conversations(said([(a, b, REPLY)]))
    assert [line.side for line in one.lines] == ["switch"]
    (silent,) = conversations(said([(b, a, HELLO), (a, b, HELLO), (b, a, encode(BarrierRequest(), 3))]))
    assert [line.side for line in silent.lines] == ["switch"]  # it called


@pytest.mark.skipif(shutil.which("ovs-testcontroller") is None, reason="ovs-testcontroller is not installed")
def test_ovs_testcontroller_learns_from_a_recorded_switch(replay: Any) -> None:
    """Packets from two hosts in turn: Open vSwitch's controller adds flows for the second and later ones."""
    with Listener() as probe:
        port = probe.port
    first, second = bytes.fromhex("020000000001 020000000002 0800"), bytes.fromhex("020000000002 020000000001 0800")
    packets = [(1, first), (2, second), (1, first), (2, second)]
    said = [
        *SAID[:4],
        *(
            ("switch", encode(PacketIn(total_len=60, in_port=at, match={"in_port": at}, data=data.ljust(60, b"\0"))))
            for at, data in packets
        ),
    ]
    controller = subprocess.Popen(
        ["ovs-testcontroller", f"ptcp:{port}:127.0.0.1", "--no-chdir", "--unixctl=none"], stderr=subprocess.DEVNULL
    )
    try:
        for _ in range(50):
            with socket.socket() as trial:
                if trial.connect_ex(("127.0.0.1", port)) == 0:
                    break
            time.sleep(0.1)
        status, report, _ = replay(recording(said), f"tcp:127.0.0.1:{port}", "--wait", "--patience", "2")
    finally:
        controller.terminate()
        controller.wait(10)
    assert status == 0 and report["sent"] == 5
    assert report["differences"]["OFPT_FLOW_MOD"]["now"] >= 2


def test_any_recording_ends(replay: Any) -> None:
    chance = random.Random(11)
    junk = [(chance.choice(("switch", "controller")), chance.randbytes(chance.randrange(1, 40))) for _ in range(40)]
    with answering(lambda _: HELLO) as (port, _):
        status, report, _ = replay(recording([*SAID[:2], *junk]), f"tcp:127.0.0.1:{port}", "--fast")
    assert status in (0, 1) and report["sent"] >= 0
