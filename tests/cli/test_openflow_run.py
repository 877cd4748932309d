"""`segue openflow run` as a process: what it says, what switches hear from it, and how it ends."""

from __future__ import annotations

import contextlib
import json
import re
import shutil
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from openflow_peers import PATIENCE, Peer, call

from segue.cli.openflow_time import microseconds
from segue.openflow import (
    V10,
    V13,
    V15,
    BarrierReply,
    BarrierRequest,
    EchoReply,
    EchoRequest,
    FeaturesReply,
    FeaturesRequest,
    FlowMod,
    Hello,
    PacketIn,
    PacketOut,
    Port,
    PortDescReply,
    PortDescRequest,
    SetConfig,
    decode,
    encode,
)

MARKING = """
from segue.openflow import App, FlowMod, PacketIn

app = App("marking")


@app.on(PacketIn)
def packet_in(switch, msg):
    return FlowMod(priority={priority})
"""

UNREADABLE = bytes([V13, 10, 0, 9]) + bytes(5)
"""A packet-in that ends too early."""


class Running:
    """The command; `said` are the lines that it wrote for people."""

    def __init__(self, *words: str, **options: Any) -> None:
        self.process = subprocess.Popen(
            [sys.executable, "-m", "segue", "openflow", "run", *words],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            **options,
        )
        self.said: list[str] = []
        self._thread = threading.Thread(target=self._read, daemon=True)
        self._thread.start()

    def _read(self) -> None:
        assert self.process.stderr is not None
        self.said.extend(iter(self.process.stderr.readline, ""))

    def says(self, pattern: str, count: int = 1) -> re.Match[str]:
        """Waits until so many lines have it; the last of them."""
        end = time.monotonic() + PATIENCE
        while time.monotonic() < end:
            found = [match for line in list(self.said) if (match := re.search(pattern, line))]
            if len(found) >= count:
                return found[count - 1]
            time.sleep(0.02)
        raise AssertionError(f"it did not say {pattern!r} {count} times: {''.join(self.said)}")

    @property
    def port(self) -> int:
        return int(self.says(r"listening at (?:tcp|ssl):127\.0\.0\.1:(\d+)")[1])

    def end(self, number: int = signal.SIGTERM) -> int:
        self.process.send_signal(number)
        return self.process.wait(PATIENCE)


@contextlib.contextmanager
def running(*words: str, listen: str = "ptcp:127.0.0.1:0", **options: Any) -> Iterator[Running]:
    command = Running(*words, "--listen", listen, **options)
    try:
        yield command
    finally:
        if command.process.poll() is None:
            command.process.kill()
            command.process.wait(PATIENCE)


def failing(*words: str) -> tuple[int, str]:
    done = subprocess.run(
        [sys.executable, "-m", "segue", "openflow", "run", *words], capture_output=True, text=True, timeout=PATIENCE
    )
    assert not done.stdout
    return done.returncode, done.stderr


class Switch:
    """A switch that says who it is, by hand."""

    def __init__(self, port: int, version: int) -> None:
        self.version = version
        self.peer: Peer = call(port)
        self.peer.send(encode(Hello(), 1, version))

    def send(self, msg: Any, xid: int = 0) -> None:
        self.peer.send(encode(msg, xid, self.version))

    def until(self, cls: type[Any]) -> Any:
        """Answers what it is asked until such a message comes."""
        ports = (Port(1), Port(2))
        while True:
            frame = self.peer.hear()
            assert frame, "the controller closed the connection"
            msg, xid, _ = decode(frame)
            if isinstance(msg, FeaturesRequest):
                self.send(FeaturesReply(7, ports=() if self.version >= V13 else ports), xid)
            elif isinstance(msg, PortDescRequest):
                self.send(PortDescReply(ports), xid)
            elif isinstance(msg, BarrierRequest):
                self.send(BarrierReply(), xid)
            if isinstance(msg, cls):
                return msg

    def __enter__(self) -> Switch:
        return self

    def __exit__(self, *_: object) -> None:
        self.peer.link.close()


@pytest.mark.parametrize("version", [V10, V13, V15])
def test_by_name_until_it_is_told_to_end(version: int) -> None:
    with running("learning-switch", "spanning-tree") as command, Switch(command.port, version) as switch:
        assert "discovery, spanning-tree, learning-switch" in command.said[-1]
        switch.until(SetConfig)
        switch.until(FlowMod)
        switch.send(PacketIn(in_port=1, data=bytes(60)))
        switch.until(PacketOut)
        command.says(r"switch 0000000000000007, OpenFlow .* connected")
        begun = time.monotonic()
        assert command.end() == 0
        assert time.monotonic() - begun < 3
        assert "Traceback" not in "".join(command.said)


def test_ctrl_c_ends_it_too() -> None:
    with running("arp-proxy", "--spin") as command:
        assert command.port
        assert command.end(signal.SIGINT) == 0


@pytest.mark.parametrize("spin", ["20", "10000"])
def test_a_spinning_loop_answers_and_sleeps_when_idle(spin: str) -> None:
    with running("learning-switch", "--spin", spin) as command, Switch(command.port, V13) as switch:
        switch.until(FlowMod)
        for n in range(20):
            switch.send(PacketIn(in_port=1, data=bytes([2, 0, 0, 0, 0, n]) * 10))
            switch.until(PacketOut)
        stat = Path(f"/proc/{command.process.pid}/stat")
        before = [int(word) for word in stat.read_text().rpartition(")")[2].split()[11:13]]
        time.sleep(1)
        after = [int(word) for word in stat.read_text().rpartition(")")[2].split()[11:13]]
        assert sum(after) - sum(before) < 30, "hundredths of a second"
        assert command.end() == 0


def test_a_file_is_loaded_again_when_it_changes_and_a_broken_one_is_not(tmp_path: Path) -> None:
    file = tmp_path / "marking.py"
    file.write_text(MARKING.format(priority=1))
    with running(str(file), "--keep-flows") as command, Switch(command.port, V13) as switch:
        assert switch.until(FlowMod).priority == 0  # for what no flow matches

        def priority() -> int:
            switch.send(PacketIn(in_port=1, data=bytes(60)))
            return int(switch.until(FlowMod).priority)

        assert priority() == 1
        file.write_text(MARKING.format(priority=2))  # of the same length, and in the same second
        command.says("loaded again")
        assert priority() == 2
        for broken, words in (("def", "SyntaxError"), ("1 / 0", "line 1: ZeroDivisionError"), ("app = 3", "no applic")):
            file.write_text(broken)
            assert file.name in command.says(rf"not loaded again: .*{words}").string
            assert priority() == 2
        time.sleep(1.5)
        assert sum("not loaded again" in line for line in command.said) == 3, "each is told of once"
        file.write_text(MARKING.format(priority=3))
        command.says("loaded again", count=5)
        assert priority() == 3
        assert command.end() == 0
        assert list(tmp_path.iterdir()) == [file]


def test_what_did_not_change_goes_on_as_it_is(tmp_path: Path) -> None:
    counting = MARKING.format(priority=9).replace(
        "def packet", "def one(switch, msg): count.append(1); return FlowMod(priority=len(count))\ndef packet"
    )
    (tmp_path / "counting.py").write_text(f"count = []\n{counting}".replace('"marking"', '"counting"'))
    other = tmp_path / "other.py"
    other.write_text(MARKING.format(priority=5).replace('"marking"', '"other"').replace("PacketIn)", "FlowMod)"))
    with (
        running(str(tmp_path / "counting.py"), str(other), "discovery", "--keep-flows") as command,
        Switch(command.port, V13) as switch,
    ):
        assert switch.until(FlowMod).priority == 0  # for what no flow matches
        switch.until(FlowMod)  # discovery's
        for expected in (1, 2):
            switch.send(PacketIn(in_port=1, data=bytes(60)))
            assert switch.until(FlowMod).priority == expected
        other.write_text(other.read_text() + "\n")
        command.says("loaded again")
        switch.send(PacketIn(in_port=1, data=bytes(60)))
        assert switch.until(FlowMod).priority == 3


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_coroutine_that_catches_everything_does_not_keep_it_from_ending(tmp_path: Path, number: int) -> None:
    file = tmp_path / "stubborn.py"
    file.write_text(
        """
import asyncio, sys
from segue.openflow import App, Started
app = App("stubborn")

@app.on(Started)
async def started(controller, event):
    print("begun", file=sys.stderr, flush=True)
    while True:
        try:
            await asyncio.sleep(60)
        except:
            continue
"""
    )
    with running(str(file)) as command:
        command.says("begun")
        assert command.end(number) == 0
        command.says("does not end when it is cancelled")


def test_messages_are_shown_as_json_that_can_be_read_again() -> None:
    with running("learning-switch", "--messages") as command, Switch(command.port, V13) as switch:
        switch.until(FlowMod)
        switch.send(EchoRequest(b"sign"), 4)
        switch.until(EchoReply)
        switch.peer.send(UNREADABLE)
        switch.send(PacketIn(in_port=1, data=bytes(range(60))), 5)
        switch.until(PacketOut)
        assert command.end() == 0
        assert command.process.stdout is not None
        shown = [json.loads(line) for line in command.process.stdout]
    lines = "".join(json.dumps(one) + "\n" for one in shown)
    again = subprocess.run(
        [sys.executable, "-m", "segue", "openflow", "encode", "-"], input=lines, capture_output=True, text=True
    )
    assert again.returncode == 0, again.stderr
    found = []
    for one, octets in zip(shown, again.stdout.split(), strict=True):
        assert microseconds(one["time"]) > 0
        assert {one["from"], one["to"]} == {"switch", "controller"}
        kind = "unreadable" if "undecoded" in one else type(decode(bytes.fromhex(octets))[0]).__name__
        assert kind != "unreadable" or octets == UNREADABLE.hex()
        found.append((one["from"], kind, one.get("datapath")))
    number = "0000000000000007"
    assert found == [
        ("controller", "Hello", None),
        ("switch", "Hello", None),
        ("controller", "FeaturesRequest", None),
        ("switch", "FeaturesReply", number),
        ("controller", "PortDescRequest", number),
        ("switch", "PortDescReply", number),
        ("controller", "SetConfig", number),
        ("controller", "FlowMod", number),  # deletes all
        ("controller", "FlowMod", number),  # for what no flow matches
        ("switch", "EchoRequest", number),
        ("controller", "EchoReply", number),
        ("switch", "unreadable", number),
        ("switch", "PacketIn", number),
        ("controller", "PacketOut", number),
    ]


def test_who_does_not_read_the_messages_holds_nobody_up() -> None:
    with running("learning-switch", "--messages") as command, Switch(command.port, V13) as switch:
        switch.until(FlowMod)
        stuffed = bytes([2, 0, 0, 0, 0, 1]) * 9000
        begun = time.monotonic()
        for n in range(250):  # more than a pipe holds, and than is kept
            switch.send(PacketIn(in_port=1, data=stuffed), n)
            switch.until(PacketOut)
        assert time.monotonic() - begun < PATIENCE
        begun = time.monotonic()
        assert command.end() == 0
        assert time.monotonic() - begun < 1
        assert "messages were not shown" in command.says("messages were not shown").string


def test_who_reads_the_messages_may_go_away() -> None:
    with running("learning-switch", "--messages") as command, Switch(command.port, V13) as switch:
        assert command.process.stdout is not None
        command.process.stdout.close()
        with contextlib.suppress(AssertionError, OSError):
            switch.until(BarrierRequest)
        assert command.process.wait(PATIENCE) == 0
        assert "Traceback" not in "".join(command.said)


def test_it_calls_a_switch(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        target = f"tcp:127.0.0.1:{listener.getsockname()[1]}"
        command = Running("learning-switch", "--connect", target, "--versions", "1.0")
        try:
            link, _ = listener.accept()
            with Peer(link) as peer:
                assert decode(peer.hear())[2] == V10
            assert f"connecting to {target}" in command.says("connecting").string
            assert command.end() == 0
        finally:
            command.process.kill()
            command.process.wait(PATIENCE)


@pytest.mark.parametrize(
    ("words", "status", "said"),
    [
        (["learning-swich"], 2, "there is no application 'learning-swich'; there are learning-switch, discovery"),
        (["absent.py"], 2, "absent.py: No such file"),
        (["learning-switch", "learning-switch"], 2, "an application called learning-switch is there already"),
        (["learning-switch", "--versions", "1.3,2.0"], 2, "'2.0' is not one of 1.0, 1.1"),
        (["learning-switch", "--spin", "0"], 2, "--spin 0"),
        (["learning-switch", "--listen", "tcp:127.0.0.1:1"], 2, "write ptcp:PORT"),
        (["learning-switch", "--listen", "pssl:127.0.0.1:0"], 2, "needs certificates"),
        (["learning-switch", "--key", "x"], 2, "all of --certificate, --key and --ca"),
        ([], 2, "APP"),
    ],
)
def test_what_is_wrong_is_said_in_one_line(words: list[str], status: int, said: str) -> None:
    found, err = failing(*words)
    assert found == status
    assert said in err
    assert len(err.splitlines()) == 1


def test_files_that_hold_no_application_or_need_another(tmp_path: Path) -> None:
    needing = tmp_path / "needing.py"
    needing.write_text('from segue.openflow import App\napp = App("needing", needs=["other", "discovery"])\n')
    other = tmp_path / "other.py"
    other.write_text('from segue.openflow import App\napps = [App("other"), App("third")]\n')
    empty = tmp_path / "empty.py"
    empty.write_text("raise SystemExit(3)\n")
    assert failing(str(needing))[1].endswith("needing needs other, which is not there: give its file too\n")
    assert "empty.py, line 1: SystemExit: 3" in failing(str(empty))[1]
    with running(str(needing), str(other)) as command:
        assert ": other, third, discovery, needing: listening" in command.says("listening").string


def test_a_port_that_is_taken() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        found, err = failing("learning-switch", "--listen", f"ptcp:127.0.0.1:{taken.getsockname()[1]}")
        assert found == 1
        assert "cannot listen" in err
        assert "already in use" in err


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A directory with an authority, and a certificate and key of a controller and a switch."""
    place = tmp_path_factory.mktemp("pki")

    def openssl(*words: str) -> None:
        subprocess.run(["openssl", *words], cwd=place, check=True, capture_output=True)

    new = ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes")
    openssl("req", "-x509", *new, "-keyout", "ca.key", "-out", "ca.pem", "-days", "2", "-subj", "/CN=authority")
    for name in ("controller", "switch"):
        openssl("req", *new, "-keyout", f"{name}.key", "-out", f"{name}.csr", "-subj", f"/CN={name}")
        signed = ("-CA", "ca.pem", "-CAkey", "ca.key", "-CAcreateserial", "-days", "2")
        openssl("x509", "-req", "-in", f"{name}.csr", *signed, "-out", f"{name}.pem")
    return place


def test_tls_with_a_peer_of_open_vswitch(authority: Path) -> None:
    """Both ends agree on TLS and on a version; a peer without a certificate is not let in."""
    files = ("--certificate", f"{authority}/controller.pem", "--key", f"{authority}/controller.key")
    with running("learning-switch", *files, "--ca", f"{authority}/ca.pem", listen="pssl:127.0.0.1:0") as command:
        port = command.port
        own = ("-p", f"{authority}/switch.key", "-c", f"{authority}/switch.pem", "-C", f"{authority}/ca.pem")
        if shutil.which("ovs-ofctl"):
            done = subprocess.run(
                ["ovs-ofctl", *own, "-O", "OpenFlow13", "-t", "2", "probe", f"ssl:127.0.0.1:{port}"],
                capture_output=True,
                text=True,
                timeout=PATIENCE,
            )
            assert done.returncode == 0, done.stderr
        words = ("-connect", f"127.0.0.1:{port}", "-CAfile", f"{authority}/ca.pem", "-quiet", "-verify_return_error")
        for given, let_in in (
            (("-cert", f"{authority}/switch.pem", "-key", f"{authority}/switch.key"), True),
            ((), False),
        ):
            done_tls = subprocess.run(
                ["openssl", "s_client", *words, *given],
                input=encode(Hello(), 1, V13),
                capture_output=True,
                timeout=PATIENCE,
            )
            assert (b"\x06\x00\x00" in done_tls.stdout) is let_in, done_tls.stderr
        assert command.end() == 0
