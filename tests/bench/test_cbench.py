"""The generator of packet-ins, against a controller that others wrote and one that lies in each way it judges."""

from __future__ import annotations

import json
import shutil
import socket
import struct
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import pytest

SOURCES = sorted((Path(__file__).parents[2] / "bench" / "cbench").glob("*.c"))
NO_BUFFER, FLOOD = 0xFFFFFFFF, 0xFFFFFFFB

pytestmark = pytest.mark.skipif(shutil.which("cc") is None, reason="needs a C compiler")


@pytest.fixture(scope="module")
def program(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("cbench") / "cbench"
    command = ["cc", "-O2", "-Wall", "-Wextra", "-Werror", "-o", str(path), *map(str, SOURCES)]
    subprocess.run(command, check=True)
    return path


def generate(program: Path, port: int, *options: str) -> dict[str, Any]:
    given = ("--warmup", "0.1", "--connect-timeout", "10", "--drain", "0.3", *options)
    done = subprocess.run([str(program), "127.0.0.1", str(port), *given], capture_output=True, text=True, timeout=60)
    assert done.stdout, done.stderr
    result: dict[str, Any] = json.loads(done.stdout)
    assert result["ok"] == (done.returncode == 0), done.stderr
    return result


@contextmanager
def ovs_controller() -> Iterator[tuple[int, int]]:
    """Its port and process id."""
    with closing(socket.socket()) as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    command = ["ovs-testcontroller", "--unixctl=none", "--verbose=off", f"ptcp:{port}:127.0.0.1"]
    process = subprocess.Popen(command, stdin=subprocess.DEVNULL)
    try:
        row = f":{port:04X} 00000000:0000 0A"
        limit = time.monotonic() + 10
        while row not in Path("/proc/net/tcp").read_text():
            assert time.monotonic() < limit and process.poll() is None
            time.sleep(0.02)
        yield port, process.pid
    finally:
        process.terminate()
        process.wait(10)


@pytest.mark.skipif(shutil.which("ovs-testcontroller") is None, reason="needs ovs-testcontroller")
@pytest.mark.parametrize("version", ["1.0", "1.3"])
@pytest.mark.parametrize(
    "options",
    [
        ("--switches", "1"),
        ("--switches", "16", "--macs", "1000"),
        ("--switches", "4", "--mode", "latency"),
        ("--switches", "2", "--no-buffers"),
    ],
    ids=" ".join,
)
def test_open_vswitchs_controller_answers_rightly(program: Path, version: str, options: tuple[str, ...]) -> None:
    with ovs_controller() as (port, pid):
        result = generate(
            program, port, "--version", version, "--seconds", "1", "--pid", str(pid), "--drain", "10", *options
        )
    assert result["ok"] and result["wrong"] == 0 and result["unanswered"] == 0
    assert result["answered"] > 1000
    assert 0 < result["least"] <= result["most"]
    # Without a buffer it takes a flow-mod and a packet-out, and the interval may begin or end between the two.
    assert result["flow_mods"] >= result["answered"] - 16
    assert ("--no-buffers" in options) == (result["packet_outs"] >= result["answered"] - 16)
    assert 0 < result["cpu_seconds"] < 1.2 and result["rss_before"] > 0
    if "latency" in options:
        assert 0 < result["p50_us"] <= result["p99_us"] <= result["max_us"] * 1.02


@pytest.mark.skipif(shutil.which("ovs-testcontroller") is None, reason="needs ovs-testcontroller")
def test_a_flood_is_sent_and_not_read(program: Path) -> None:
    with ovs_controller() as (port, _):
        result = generate(program, port, "--switches", "4", "--mode", "flood", "--seconds", "0.5")
    assert result["ok"] and result["sent"] > 1000 and result["answered"] == 0


class Controller:
    """A learning switch of 1.0 or 1.3 for one connection. ``lie`` changes what it is about to answer, or drops it."""

    def __init__(self, lie: Callable[[dict[str, Any]], list[dict[str, Any]]], miss_first: bool = False) -> None:
        self.lie = lie
        self.missing = miss_first
        self.table: dict[bytes, int] = {}
        self.version = 0
        self.server = socket.create_server(("127.0.0.1", 0))
        self.port = self.server.getsockname()[1]
        self.thread = threading.Thread(target=self.serve, daemon=True)
        self.thread.start()

    def close(self) -> None:
        self.thread.join(10)
        self.server.close()
        assert not self.thread.is_alive()

    def serve(self) -> None:
        peer, _ = self.server.accept()
        with closing(peer):
            data = b""
            while got := peer.recv(1 << 16):
                data += got
                answers = b""
                while len(data) >= 8 and len(data) >= (size := struct.unpack_from(">H", data, 2)[0]):
                    answers += self.handle(data[:size])
                    data = data[size:]
                try:
                    peer.sendall(answers)
                except OSError:
                    return

    def handle(self, message: bytes) -> bytes:
        if message[1] == 0:
            self.version = message[0]
            return self.message(0) + self.message(5, xid=7)
        if message[1] == 6:
            assert message[4:8] == bytes([0, 0, 0, 7])
            return self.message(
                18 if self.version == 4 else 16, struct.pack(">HHI", 13 if self.version == 4 else 0, 0, 0)
            )
        if message[1] != 10:
            assert message[1] in (17, 19)
            return b""
        if self.missing:
            self.missing = False
            return b""
        old = self.version == 1
        (buffer,) = struct.unpack_from(">I", message, 8)
        in_port = struct.unpack_from(">H", message, 14)[0] if old else struct.unpack_from(">I", message, 32)[0]
        frame = message[18 if old else 42 :]
        assert len(frame) == struct.unpack_from(">H", message, 12)[0] == 60
        to, source = frame[:6], frame[6:12]
        self.table[source] = in_port
        answer = {"buffer": buffer, "in_port": in_port, "to": to, "from": source, "port": self.table.get(to, FLOOD)}
        learning = to == b"\xff" * 6
        return b"".join(self.encode(one) for one in ([answer] if learning else self.lie(answer)))

    def message(self, kind: int, body: bytes = b"", xid: int = 0) -> bytes:
        return struct.pack(">BBHI", self.version, kind, 8 + len(body), xid) + body

    def encode(self, answer: dict[str, Any]) -> bytes:
        buffer, in_port, port = answer["buffer"], answer["in_port"], answer["port"]
        if self.version == 1:
            action = struct.pack(">HHHH", 0, 8, port & 0xFFFF, 0)
            if port == FLOOD:
                return self.message(13, struct.pack(">IHH", buffer, in_port, 8) + action)
            match = struct.pack(">IH6s6s22x", 0x3FFFFF & ~0xD, in_port, answer["from"], answer["to"])
            return self.message(14, match + struct.pack(">QHHHHIHH", 0, 0, 0, 0, 1, buffer, 0xFFFF, 0) + action)
        action = struct.pack(">HHIH6x", 0, 16, port, 0)
        if port == FLOOD:
            return self.message(13, struct.pack(">IIH6x", buffer, in_port, 16) + action)
        oxm = struct.pack(">II", 0x80000004, in_port) + b"\x80\x00\x06\x06" + answer["to"]
        oxm += b"\x80\x00\x08\x06" + answer["from"]
        match = struct.pack(">HH", 1, 4 + len(oxm)) + oxm
        match += bytes(-len(match) % 8)
        fixed = struct.pack(">QQBBHHHIIIHH", 0, 0, 0, 0, 0, 0, 1, buffer, 0xFFFFFFFF, 0xFFFFFFFF, 0, 0)
        return self.message(14, fixed + match + struct.pack(">HH4x", 4, 24) + action)


def changed(**change: Any) -> Callable[[dict[str, Any]], list[dict[str, Any]]]:
    return lambda answer: [{**answer, **{name: new(answer) for name, new in change.items()}}]


HONEST = changed()
LIES = {
    "port": (changed(port=lambda answer: answer["port"] % 4 + 1), "was sent to port"),
    "flood": (changed(port=lambda _: FLOOD), "was flooded"),
    "eth_dst": (changed(to=lambda answer: answer["to"][:5] + bytes([answer["to"][5] ^ 1])), "eth_dst is another's"),
    "eth_src": (changed(**{"from": lambda answer: answer["to"]}), "eth_src is another's"),
    "in_port": (changed(in_port=lambda answer: answer["in_port"] % 4 + 1), "in_port is"),
    "buffer": (changed(buffer=lambda answer: answer["buffer"] + 5000), "no packet-in had"),
    "unbuffered": (
        changed(buffer=lambda _: NO_BUFFER, port=lambda answer: answer["port"] % 4 + 1),
        "a flow to host",
    ),
    "twice": (lambda answer: [answer, answer], "answered twice"),
}


def against(program: Path, controller: Controller, *options: str) -> dict[str, Any]:
    try:
        return generate(program, controller.port, "--seconds", "0.3", "--outstanding", "50", *options)
    finally:
        controller.close()


@pytest.mark.parametrize("version", ["1.0", "1.3"])
def test_an_honest_controller_is_believed(program: Path, version: str) -> None:
    result = against(program, Controller(HONEST), "--version", version)
    assert result["ok"] and result["wrong"] == 0 and result["unanswered"] == 0 and result["answered"] > 50


@pytest.mark.parametrize("version", ["1.0", "1.3"])
@pytest.mark.parametrize("lie", LIES)
def test_a_lie_is_counted(program: Path, version: str, lie: str) -> None:
    change, said = LIES[lie]
    result = against(program, Controller(change), "--version", version)
    assert not result["ok"] and result["wrong"] > 0
    assert said in result["first_wrong"]


def test_what_is_never_answered_is_counted(program: Path) -> None:
    numbers = iter(range(1 << 30))
    result = against(program, Controller(lambda answer: [answer] if next(numbers) % 5 else []))
    assert result["ok"] and result["wrong"] == 0
    assert result["unanswered"] > result["answered"] / 8


def test_what_is_under_way_at_the_end_is_unanswered(program: Path) -> None:
    numbers = iter(range(1 << 30))
    result = against(program, Controller(lambda answer: [answer] if next(numbers) < 100 else []))
    assert result["unanswered"] == 50


def test_the_learning_packet_is_repeated(program: Path) -> None:
    result = against(program, Controller(HONEST, miss_first=True))
    assert result["ok"] and result["ready"] == 1 and result["ready_seconds"] > 0.05


def test_an_old_hello_without_bitmap_will_do(program: Path) -> None:
    assert against(program, Controller(HONEST), "--version", "1.3", "--no-bitmap")["ok"]
