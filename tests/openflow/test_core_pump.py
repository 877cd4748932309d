"""Both pumps: the same calls and the same answers, however the stream is cut."""

from __future__ import annotations

import asyncio
import gc
import os
import random
import subprocess
import sys
import weakref
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from segue.openflow import codec, core
from segue.openflow.protocol import FlowMod, Output, PacketIn, PacketOut
from segue.openflow.pump import FIRST_XID, MOST
from segue.openflow.pump import Pump as PythonPump
from segue.openflow.wire import HEADER, V10, VERSIONS, ProtocolError

from .cores import outcome, pure

pytestmark = pytest.mark.skipif(not core.COMPILED, reason="the core is not compiled")

SEEDS = st.integers(0, 2**48)


class Log:
    """A pump, and what it called."""

    def __init__(self, pump: Any, version: int, hot: dict[int, Callable[[Any, Any], Any]]) -> None:
        self.calls: list[Any] = []
        self.pump = pump(version, self, self.cold, self.odd, self.failed)
        for kind, handler in hot.items():
            self.pump.set_hot(kind, handler)

    def cold(self, frame: bytes) -> bytes | None:
        self.calls.append(("cold", frame))
        if frame[-1:] == b"\xee":
            raise ProtocolError("no", "OFPBRC_BAD_TYPE")
        return frame if frame[1] == 2 else b"" if frame[1] & 1 else None

    def odd(self, msg: Any, result: Any) -> None:
        self.calls.append(("odd", msg, type(result).__name__))
        if hasattr(result, "close"):
            result.close()

    def failed(self, msg: Any, error: BaseException) -> None:
        self.calls.append(("failed", msg, type(error).__name__, str(error)))

    def feed(self, data: bytes) -> None:
        self.calls.append(("fed", outcome(lambda: self.pump.feed(data)), self.pump.pending, self.pump.stopped))


async def _coroutine() -> None:
    await asyncio.sleep(0)


def handler(log: Log, msg: Any) -> Any:
    """What it does is in the message."""
    log.calls.append(("hot", msg))
    flow = FlowMod(match={"in_port": 3}, actions=[Output(1)], buffer_id=msg.buffer_id)
    bad = FlowMod(priority=1 << 16)
    match msg.total_len:
        case 0:
            return flow
        case 1:
            return None
        case 2:
            return [flow, PacketOut(data=b"x"), flow]
        case 3:
            return (flow, bad)
        case 4:
            return bad
        case 5:
            return _coroutine()
        case 6:
            raise ValueError("on purpose")
        case 7:
            return [flow, None]
        case 8:
            return "text"
        case 9:
            log.pump.stopped = True
            return flow
        case 10:
            log.pump.feed(b"")
        case 11:
            log.pump.set_hot(10, None)
            return flow
        case 12:
            log.pump.set_hot(10, lambda s, m: (s.pump.set_hot(10, handler), flow)[1])
            return flow
        case 13:
            return PacketOut(data=bytes(0x10000))
        case 14:
            return FlowMod(match={"no such field": 1})
        case 15:
            return [flow] * 300
    return flow


def run_pump(pump: Any, version: int, chunks: list[bytes]) -> list[Any]:
    log = Log(pump, version, {10: handler})
    for chunk in chunks:
        log.feed(chunk)
    return log.calls


@settings(max_examples=300, deadline=None)
@given(seed=SEEDS)
def test_pumps_do_the_same(seed: int) -> None:
    rng = random.Random(seed)
    version = rng.choice(VERSIONS)
    frames = []
    for n in range(rng.randrange(1, 20)):
        behaviour = rng.choice([0, 0, 1, 2, *range(16)])
        packet = PacketIn(buffer_id=n, total_len=behaviour, in_port=n, data=rng.randbytes(rng.choice([0, 20, 60])))
        frames.append(codec.encode(packet, n, version))
        if rng.randrange(4) == 0:
            body = rng.randbytes(rng.randrange(20)) + (b"\xee" if rng.randrange(16) == 0 else b"\0")
            other = version if rng.randrange(2) else rng.randrange(8)
            frames.append(HEADER.pack(other, rng.choice([2, 3, 4, 10, 10, 70]), 8 + len(body), n) + body)
    if rng.randrange(8) == 0:
        frames.append(HEADER.pack(version, 10, rng.randrange(8), 1))
    stream = b"".join(frames)
    chunks = []
    while stream:
        size = rng.choice([1, 3, 8, 40, 100, 1000, len(stream)])
        chunks.append(stream[:size])
        stream = stream[size:]
    compiled = run_pump(core.Pump, version, chunks)
    with pure():
        generated = run_pump(PythonPump, version, chunks)
    assert compiled == generated


def test_transaction_ids_of_the_upper_half() -> None:
    packet = codec.encode(PacketIn(), 1, V10)
    for pump in (core.Pump, PythonPump):
        log = Log(pump, V10, {10: lambda s, m: FlowMod()})
        out = log.pump.feed(packet * 3)
        assert [xid for _, xid, _ in codec.decode_many(out)] == [FIRST_XID + 1, FIRST_XID + 2, FIRST_XID + 3]


def test_what_is_no_exception_goes_through() -> None:
    def interrupted(*_: Any) -> None:
        raise KeyboardInterrupt

    for pump in (core.Pump, PythonPump):
        log = Log(pump, V10, {10: interrupted})
        with pytest.raises(KeyboardInterrupt):
            log.pump.feed(codec.encode(PacketIn(), 1, V10))
        assert log.pump.stopped
        assert log.pump.feed(b"more") == b""
        assert not log.calls


def test_arguments_are_looked_at() -> None:
    for pump in (core.Pump, PythonPump):
        log = Log(pump, V10, {})
        for kind in (-1, 64, 256):
            with pytest.raises(ValueError, match="no message has type"):
                log.pump.set_hot(kind, handler)
        with pytest.raises(TypeError):
            log.pump.feed("text")


def test_a_pump_in_a_cycle_is_collected() -> None:
    log = Log(core.Pump, V10, {})
    log.pump.set_hot(10, lambda s, m, pump=log.pump: pump)
    gone = weakref.ref(log)
    del log
    gc.collect()
    assert gone() is None


_LEAKS = """
import resource, sys
from segue.openflow import codec, FlowMod, Output, PacketIn, PacketOut, SetField
from segue.openflow.core import Pump
def rss():
    with open("/proc/self/statm") as f:
        return int(f.read().split()[1]) * 4096
def behave(switch, msg):
    n = msg.buffer_id & 7
    whole = 0xffffffffffff
    if n == 0: return FlowMod(match={"in_port": msg.in_port, "eth_src": (msg.eth_src, whole)}, actions=[Output(1)])
    if n == 1: return [FlowMod(priority=-1), None]
    if n == 2: raise ValueError("x" * 100)
    actions = [SetField("eth_dst", 7), Output(msg.buffer_id)]
    if n == 3: return FlowMod(match={"ipv6_src": msg.buffer_id << 90}, actions=actions)
    if n == 4: return [PacketOut.answering(msg, [Output(1)]) for _ in range(3)]
    if n == 5: return "odd" + str(msg)
    if n == 6: return FlowMod(match={"x" + str(msg.buffer_id): 1})
for version in (1, 4, 6):
    pump = Pump(version, None, lambda f: f, lambda *a: None, lambda *a: None)
    pump.set_hot(10, behave)
    packets = [PacketIn(buffer_id=n + 1000, in_port=n + 300, data=bytes(60)) for n in range(64)]
    data = b"".join(codec.encode(packet, 7, version) for packet in packets)
    broken = data[:200] + bytes(6) + data[206:300]
    def work(rounds):
        for n in range(rounds):
            pump.feed(data[:333]); pump.feed(data[333:]); pump.feed(codec.encode(FlowMod(), 1, version))
            for frame in (data[:100], data[:110]):
                try: codec.decode(frame[:2] + len(frame).to_bytes(2, "big") + frame[4:])
                except ValueError: pass
            try: Pump(version, None, lambda f: f, None, None).feed(broken)
            except ValueError: pass
    work(400)
    before = rss()
    work(int(sys.argv[1]))
    grown = rss() - before
    print(version, grown)
    assert grown < 1 << 20, grown
"""


def test_nothing_leaks() -> None:
    """Messages of each kind, right and wrong ones: memory stays what it is."""
    done = subprocess.run(
        [sys.executable, "-X", "dev", "-c", _LEAKS, os.environ.get("SEGUE_LEAK_ROUNDS", "1500")],
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize("pump", [core.Pump, PythonPump])
def test_what_a_handler_keeps_stays(pump: Any, version: int) -> None:
    """A message that nobody keeps may become the next one; one that somebody keeps, or a part of, may not."""
    packets = [PacketIn(n, 60, n % 300, data=bytes([n % 256]) * (60 + n % 2)) for n in range(400)]
    stream = b"".join(codec.encode(packet, 1, version) for packet in packets)
    read = [msg for msg, _, _ in codec.decode_many(stream)]
    kept: list[Any] = []
    wanted: list[Any] = []

    def keep(_switch: Any, msg: PacketIn) -> FlowMod | None:
        n = msg.buffer_id
        whole = read[n]
        assert msg == whole
        assert hash(msg.data) == hash(whole.data)
        mine, right = [
            (msg, whole),
            (msg.data, whole.data),
            (msg.match, whole.match),
            (memoryview(msg.data), whole.data),
            ((msg.eth_src, msg.eth_dst), (whole.eth_src, whole.eth_dst)),
            (None, None),
            (None, None),
        ][n % 7]
        kept.append(mine)
        wanted.append(right)
        if n % 7 == 5:
            msg.match["metadata"] = 7  # type: ignore[index]
        return FlowMod(match={"in_port": msg.in_port}, actions=[Output(1)]) if n % 3 else None

    log = Log(pump, version, {10: keep})
    log.pump.feed(stream)
    assert not log.calls
    assert kept == wanted


def test_answers_of_many_sizes() -> None:
    """What a pump remembers of the beginnings of messages is bounded."""
    log = Log(PythonPump, V10, {10: lambda s, m: None})
    for size in range(1000):
        log.pump.feed(codec.encode(PacketIn(data=bytes(size)), 1, V10))
        log.pump.feed(HEADER.pack(size % 256, 2, 8 + size, 1) + bytes(size))
    assert len(log.pump._heads) <= 256
    assert len(log.calls) == 1000


@pytest.mark.parametrize("made", [list, tuple])
def test_very_many_answers_are_somebody_else_s_to_hand_over(made: type) -> None:
    packet = codec.encode(PacketIn(), 1, V10)
    for pump in (core.Pump, PythonPump):
        for count, odd in ((MOST, False), (MOST + 1, True)):
            log = Log(pump, V10, {10: lambda s, m, count=count: made([FlowMod()] * count)})
            written = list(codec.decode_many(log.pump.feed(packet)))
            assert len(written) == (0 if odd else count)
            assert [call[0] for call in log.calls] == ["odd"] * odd
