"""The lines of `segue openflow run --messages`: written in a thread, so many and no more when nobody reads."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Iterator

import pytest
from openflow_peers import PATIENCE

from segue.cli.openflow_show import Lines, Show
from segue.openflow import V13, EchoRequest, FeaturesReply, PacketIn, encode

PACKET_IN = encode(PacketIn(in_port=1, data=bytes(1000)), 1, V13)
MOST = 1 << 18
PIPE = 1 << 16


class Channel:
    pass


@pytest.fixture
def pipe() -> Iterator[list[int]]:
    """Both ends; those that are left are closed, so that no thread waits for ever."""
    ends = list(os.pipe())
    yield ends
    for end in ends:
        os.close(end)


def read_all(end: int) -> list[str]:
    data = b""
    while piece := os.read(end, 1 << 16):
        data += piece
    return data.decode().splitlines()


def test_what_nobody_reads_is_left_out_beyond_a_bound(pipe: list[int], capsys: pytest.CaptureFixture[str]) -> None:
    lines = Lines(pipe[1], lambda: None, MOST)
    show, channel = Show(lines), Channel()
    count = 2000  # ten times the bound
    begun = time.monotonic()
    for _ in range(count):
        show(None, channel, "in", PACKET_IN)
    assert time.monotonic() - begun < PATIENCE / 3, "it does not wait for who reads"
    dropped = lines.dropped
    assert lines.full
    assert dropped > count / 2

    found: list[str] = []
    reading = threading.Thread(target=lambda: found.extend(read_all(pipe[0])))
    reading.start()
    end = time.monotonic() + PATIENCE
    while lines.full and time.monotonic() < end:
        time.sleep(0.005)
    show(None, channel, "in", PACKET_IN)  # there is place again
    lines.close(PATIENCE)
    os.close(pipe.pop())
    reading.join(PATIENCE)
    assert lines.dropped == dropped
    assert len(found) == count + 1 - dropped
    octets = sum(len(line) + 1 for line in found)
    assert MOST < octets < MOST + PIPE + 3 * len(found[0]), "what may wait, what the pipe holds, and a line or two"
    assert f"{dropped} messages were not shown" in capsys.readouterr().err


def test_the_end_does_not_wait_for_who_does_not_read(pipe: list[int], capsys: pytest.CaptureFixture[str]) -> None:
    lines = Lines(pipe[1], lambda: None)
    for _ in range(100):
        lines.put("x" * 10_000)
    begun = time.monotonic()
    lines.close(0.2)
    assert 0.1 < time.monotonic() - begun < PATIENCE
    assert lines.dropped > 50
    assert f"{lines.dropped} messages were not shown" in capsys.readouterr().err
    os.close(pipe.pop(0))  # the thread ends


def test_who_goes_away_is_told_of(pipe: list[int]) -> None:
    gone = threading.Event()
    lines = Lines(pipe[1], gone.set)
    os.close(pipe.pop(0))
    lines.put("x")
    assert gone.wait(PATIENCE)
    lines.close(1)


def test_a_datapath_is_known_by_its_features_reply_on_its_channel_alone(pipe: list[int]) -> None:
    lines = Lines(pipe[1], lambda: None)
    show, one, other = Show(lines), Channel(), Channel()
    show(None, one, "out", encode(FeaturesReply(8), 1, V13))
    show(None, one, "in", encode(FeaturesReply(7), 1, V13))
    for channel in (one, other):
        show(None, channel, "out", encode(EchoRequest(), 2, V13))
    lines.close(PATIENCE)
    os.close(pipe.pop())
    told = ['"datapath"' in line and line.split('"datapath": "')[1][:16] for line in read_all(pipe[0])]
    assert told == [False, "0000000000000007", "0000000000000007", False]
