"""`segue openflow watch` between peers: nothing is altered, everything is told, a recording survives anything."""

from __future__ import annotations

import json
import random
import shutil
import signal
import socket
import subprocess
import threading
import time
from pathlib import Path
from typing import Any

import pytest
from cli_session import Session
from openflow_peers import Command, Listener, Peer, answering, call

from segue.cli.errors import Mistake
from segue.cli.openflow_filter import by_type, types, where
from segue.openflow import (
    EchoRequest,
    FeaturesReply,
    FeaturesRequest,
    FlowMod,
    Hello,
    Output,
    PacketIn,
    codec,
)
from segue.openflow.wire import V13

HELLO = codec.encode(Hello(), 1, V13)
ASK = codec.encode(FeaturesRequest(), 2, V13)
REPLY = codec.encode(FeaturesReply(datapath_id=0x2A), 2, V13)
MOD = codec.encode(FlowMod({"in_port": 3, "eth_dst": 0x1}, (Output(7),)), 3, V13)
IN = codec.encode(PacketIn(in_port=3, data=b"abc"), 0, V13)


@pytest.fixture
def listener() -> Any:
    with Listener() as made:
        yield made


def watch(listener: Listener, *words: str) -> Command:
    return Command("watch", f"tcp:127.0.0.1:{listener.port}", "--listen", "ptcp:0:127.0.0.1", "-o", "json", *words)


def test_both_ways(listener: Listener) -> None:
    with watch(listener, "--count", "5") as command, call(command.port) as switch, listener.accept() as controller:
        switch.send(HELLO)
        assert controller.hear() == HELLO
        controller.send(HELLO, ASK)
        assert (switch.hear(), switch.hear()) == (HELLO, ASK)
        switch.send(REPLY)
        assert controller.hear() == REPLY
        controller.send(MOD[:30])
        time.sleep(0.05)
        controller.send(MOD[30:])
        assert switch.hear() == MOD
        found = [json.loads(command.line()) for _ in range(5)]
        assert command.end()[0] == 0
    told = [(obj["connection"], obj.get("datapath"), obj["from"], obj["to"], obj["type"]) for obj in found]
    assert told == [
        (1, None, "switch", "controller", "OFPT_HELLO"),
        (1, None, "controller", "switch", "OFPT_HELLO"),
        (1, None, "controller", "switch", "OFPT_FEATURES_REQUEST"),
        (1, "000000000000002a", "switch", "controller", "OFPT_FEATURES_REPLY"),
        (1, "000000000000002a", "controller", "switch", "OFPT_FLOW_MOD"),
    ]
    assert all(obj["time"].endswith("Z") for obj in found)


def test_what_is_no_openflow_passes_too(listener: Listener) -> None:
    junk = random.Random(1).randbytes(20_000)
    with watch(listener) as command, call(command.port) as switch, listener.accept() as controller:
        switch.send(HELLO, b"\4\0\0\1", junk)
        got = b""
        while len(got) < 12 + len(junk):
            got += controller.link.recv(65536)
        assert got == HELLO + b"\4\0\0\1" + junk
        assert json.loads(command.line())["type"] == "OFPT_HELLO"
        assert "a header says 1 octets" in json.loads(command.line())["reason"]


def test_ends_are_passed_on(listener: Listener) -> None:
    with watch(listener) as command:
        with call(command.port) as switch, listener.accept() as controller:
            switch.send(HELLO)
            switch.link.shutdown(socket.SHUT_WR)
            assert (controller.hear(), controller.hear()) == (HELLO, b"")
            controller.send(HELLO)  # the other way is open
            assert switch.hear() == HELLO
            controller.link.close()
            assert switch.hear() == b""
        with call(command.port) as switch, listener.accept() as controller:
            controller.link.close()
            assert switch.hear() == b""


def test_no_controller() -> None:
    with Listener() as gone:
        pass
    with watch(gone) as command:
        for _ in range(2):  # and it goes on
            with call(command.port) as switch:
                assert switch.hear() == b""
        command.process.terminate()
        assert "cannot connect to tcp:127.0.0.1" in command.end()[2]


def test_a_slow_side_slows_the_other_and_fills_no_memory(listener: Listener) -> None:
    """The controller does not read: the switch can send what sockets hold. Then it does, and nothing is lost."""
    message = codec.encode(EchoRequest(bytes(60_000)), 9, V13)
    with (
        watch(listener, "--type", "OFPT_HELLO") as command,
        call(command.port) as switch,
        listener.accept() as controller,
    ):
        switch.link.settimeout(1.0)
        sent = 0
        with pytest.raises(TimeoutError):
            while sent < 400_000_000:
                sent += switch.link.send(message[sent % len(message) :])
        assert sent < 100_000_000
        memory = Path(f"/proc/{command.process.pid}/status").read_text().split("VmRSS:")[1].split()[0]
        assert int(memory) < 150_000  # KiB
        controller.send(HELLO)  # the other direction is not held up
        assert switch.hear() == HELLO
        switch.link.settimeout(15)
        rest = message[sent % len(message) :] if sent % len(message) else b""
        threading.Thread(target=switch.send, args=(rest, HELLO), daemon=True).start()
        messages = 0
        while (heard := controller.hear()) != HELLO:
            assert heard == message
            messages += 1
        assert messages == (sent + len(rest)) // len(message)


def test_several_switches(listener: Listener) -> None:
    with watch(listener, "--type", "OFPT_FEATURES_REPLY", "--count", "3") as command:
        peers = []
        for number in range(1, 4):
            switch, controller = call(command.port), listener.accept()
            switch.send(codec.encode(FeaturesReply(datapath_id=number), 0, V13))
            controller.hear()
            peers += [switch, controller]
        found = [json.loads(command.line()) for _ in range(3)]
        assert [(obj["connection"], int(obj["datapath"], 16)) for obj in found] == [(1, 1), (2, 2), (3, 3)]
        for peer in peers:
            peer.link.close()


# -- filters ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("words", "shown"),
    [
        ([], ["OFPT_HELLO", "OFPT_PACKET_IN", "OFPT_FLOW_MOD"]),
        (["--type", "OFPT_FLOW_MOD,OFPT_PACKET_IN"], ["OFPT_PACKET_IN", "OFPT_FLOW_MOD"]),
        (["--not-type", "OFPT_HELLO"], ["OFPT_PACKET_IN", "OFPT_FLOW_MOD"]),
        (["--from", "controller"], ["OFPT_FLOW_MOD"]),
        (["--where", "match.eth_dst=00:00:00:00:00:01"], ["OFPT_FLOW_MOD"]),
        (["--where", "match.in_port=0x3", "--type", "OFPT_PACKET_IN"], ["OFPT_PACKET_IN"]),
    ],
)
def test_filters(listener: Listener, words: list[str], shown: list[str]) -> None:
    with watch(listener, *words, "--count", str(len(shown))) as command:
        with call(command.port) as switch, listener.accept() as controller:
            switch.send(HELLO, IN)
            controller.hear()
            controller.hear()
            controller.send(MOD)
            assert switch.hear() in (MOD, b"")  # the watcher may be content, and gone
        _, out, _ = command.end()
        assert [json.loads(line)["type"] for line in out.splitlines()] == shown


def test_paths() -> None:
    obj = {"a": [{"b": 1}, {"b": [2, {"c": "X"}]}], "flags": ["ONE", "TWO"], "m": {"value": 1, "mask": 3}, "n": None}
    for test in (
        "a.b=1",
        "a.b=0x2",
        "a.b.c=x",
        "flags=TWO",
        "m.mask=3",
        "n",
        "a.b.c",
        "a.b!=9",
        "flags!=THREE",
        "n=None",
    ):
        assert where(test)(obj), test
    for test in ("a.b=3", "a.c=1", "z", "flags!=ONE", "m=1", "a.b.c.d", "z="):
        assert not where(test)(obj), test
    for test in ("", "a..b=1", "=1"):
        with pytest.raises(Mistake):
            where(test)
    described = by_type(types("OFPMP_DESC,99", "--type"))
    assert described({"type": "OFPT_MULTIPART_REPLY", "multipart_type": "OFPMP_DESC"}) and described({"type": 99})
    assert not described({"type": "OFPT_MULTIPART_REPLY", "multipart_type": "OFPMP_FLOW"})
    assert types("OFPT_FLOW_MOD, OFPMP_DESC,OFPST_DESC,99", "--type")
    with pytest.raises(Mistake, match="did you mean OFPT_FLOW_MOD"):
        types("OFPT_FLOWMOD", "--type")


# -- recordings -------------------------------------------------------------------------------------------------------


def test_a_recording_survives_a_kill(listener: Listener, tmp_path: Path, nowhere: Session) -> None:
    path = tmp_path / "r"
    with watch(listener, "--record", str(path), "--type", "OFPT_ERROR") as command:
        with call(command.port) as switch, listener.accept() as controller:
            switch.send(HELLO)
            controller.hear()
            controller.send(*[MOD] * 100, MOD[:5])
            for _ in range(100):
                assert switch.hear() == MOD
            command.process.send_signal(signal.SIGKILL)
            command.process.wait(10)
    lines = [json.loads(line) for line in path.read_text().splitlines()]
    assert [bytes.fromhex(line["hex"]) for line in lines] == [HELLO, *[MOD] * 100]
    assert {line["from"] for line in lines[1:]} == {"controller"} and lines[0]["from"] == "switch"
    ran = nowhere("openflow", "decode", "--file", str(path))
    assert ran.status == 0 and len(ran.out.splitlines()) == 101
    with path.open("a") as file:
        file.write('{"time": "2026-01-01T00:00')
    ran = nowhere("openflow", "decode", "--file", str(path))
    assert ran.status == 1 and "line 102 is not whole" in ran.err and len(ran.out.splitlines()) == 101
    with path.open("a") as file:
        file.write("\n{}\n")
    assert nowhere("openflow", "decode", "--file", str(path)).status == 2


def test_a_recording_has_every_octet(listener: Listener, tmp_path: Path) -> None:
    path = tmp_path / "r"
    with watch(listener, "--record", str(path)) as command:
        with call(command.port) as switch, listener.accept() as controller:
            switch.send(HELLO, MOD[:20])
            controller.hear()
            switch.link.shutdown(socket.SHUT_WR)
            controller.link.recv(100)
            controller.send(b"\4\0\0\0garbage", b"more")
            controller.link.close()
            while switch.link.recv(100):
                pass
    lines = [json.loads(line) for line in path.read_text().splitlines()]
    sides = {
        side: b"".join(bytes.fromhex(line["hex"]) for line in lines if line["from"] == side)
        for side in ("switch", "controller")
    }
    assert sides == {"switch": HELLO + MOD[:20], "controller": b"\4\0\0\0garbagemore"}


def test_mistakes(nowhere: Session, tmp_path: Path) -> None:
    there = tmp_path / "there"
    there.write_text("")
    base = ("openflow", "watch", "tcp:127.0.0.1:1", "--listen", "ptcp:0:127.0.0.1")
    for words in (
        [*base, "--record", str(there)],
        [*base, "--record", str(tmp_path / "no" / "such")],
        [*base, "--type", "OFPT_NOTHING"],
        [*base, "--where", "=3"],
        [*base, "--count", "0"],
        ["openflow", "watch", "ptcp:1", "--listen", "ptcp:0"],
        ["openflow", "watch", "tcp:127.0.0.1:1", "--listen", "tcp:127.0.0.1:1"],
        ["openflow", "watch", "ssl:127.0.0.1:1", "--listen", "ptcp:0"],
    ):
        ran = nowhere(*words)
        assert (ran.status, ran.out) == (2, ""), words
    with socket.create_server(("127.0.0.1", 0)) as taken:
        ran = nowhere("openflow", "watch", "tcp:127.0.0.1:1", "--listen", f"ptcp:{taken.getsockname()[1]}:127.0.0.1")
        assert ran.status == 1 and "in use" in ran.err


# -- with programs of Open vSwitch ------------------------------------------------------------------------------------


def _switch(message: bytes) -> bytes:
    """Answers as a switch with nothing in it does."""
    kind, xid = message[1], message[4:8]
    if kind == 20:
        return b"\4\x15\0\x08" + xid
    if kind == 18 and message[8:10] == b"\0\0":
        return b"\4\x13\x04\x30" + xid + bytes(8) + b"Somebody".ljust(1056, b"\0")
    if kind in (5, 18):
        return (
            REPLY[:4] + xid + REPLY[8:] if kind == 5 else b"\4\x01\0\x4c" + xid + b"\0\1\0\1" + message.ljust(64, b"\0")
        )
    return b""


@pytest.mark.skipif(shutil.which("ovs-ofctl") is None, reason="ovs-ofctl is not installed")
def test_ovs_ofctl_does_not_notice() -> None:
    with answering(_switch, HELLO) as (port, _):
        words = [
            "watch",
            f"tcp:127.0.0.1:{port}",
            "--listen",
            "ptcp:0:127.0.0.1",
            "--caller",
            "controller",
            "-o",
            "json",
        ]
        with Command(*words, "--where", "multipart_type=OFPMP_DESC", "--count", "2") as command:
            target = f"tcp:127.0.0.1:{command.port}"
            ran = subprocess.run(
                ["ovs-ofctl", "-O", "OpenFlow13", "dump-desc", target], capture_output=True, text=True, timeout=15
            )
            found = [json.loads(command.line()) for _ in range(2)]
    assert "Manufacturer: Somebody" in ran.stdout
    assert [obj["from"] for obj in found] == ["controller", "switch"]
    assert found[1]["mfr_desc"] == "Somebody"


@pytest.mark.skipif(shutil.which("ovs-testcontroller") is None, reason="ovs-testcontroller is not installed")
def test_ovs_testcontroller_does_not_notice() -> None:
    with Listener() as probe:
        port = probe.port
    controller = subprocess.Popen(
        ["ovs-testcontroller", f"ptcp:{port}:127.0.0.1", "--no-chdir", "--unixctl=none"], stderr=subprocess.DEVNULL
    )
    try:
        time.sleep(0.5)
        words = ["watch", f"tcp:127.0.0.1:{port}", "--listen", "ptcp:0:127.0.0.1", "-o", "json"]
        with (
            Command(*words, "--type", "OFPT_FEATURES_REQUEST", "--count", "1") as command,
            call(command.port) as switch,
        ):
            assert _until(switch, 0)
            switch.send(HELLO)
            assert _until(switch, 5)
            assert json.loads(command.line())["from"] == "controller"
    finally:
        controller.terminate()
        controller.wait(10)


def _until(peer: Peer, kind: int) -> bytes:
    while (message := peer.hear()) and message[1] != kind:
        pass
    return message
