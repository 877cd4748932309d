"""A thousand switches at one controller, in a process of its own: all become known, each has its share, all leave, and
nothing of them stays. The switches are those of the benchmark's generator, which judges each answer."""

from __future__ import annotations

import json
import shutil
import subprocess
import time
from pathlib import Path
from typing import Any

import pytest

from openflow.hostile.processes import MIB, Controller, controller

SOURCES = sorted((Path(__file__).parents[2] / "bench" / "cbench").glob("*.c"))
SWITCHES = 1000
SECONDS = 1
MOST_EACH = 10_000
"""Octets of memory for each, while it does nothing yet."""
MOST = 60 * MIB
"""More memory than before the first came, with room for how the allocator holds it."""

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(shutil.which("cc") is None, reason="needs a C compiler"),
]


@pytest.fixture(scope="module")
def program(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("cbench") / "cbench"
    subprocess.run(["cc", "-O2", "-o", str(path), *map(str, SOURCES)], check=True)
    return path


def connect(program: Path, made: Controller, *options: str) -> dict[str, Any]:
    where = ["127.0.0.1", str(made.port), "--pid", str(made.process.pid)]
    command = [str(program), *where, "--switches", str(SWITCHES), "--seconds", str(SECONDS)]
    more = ("--macs", "100", "--outstanding", "5", "--warmup", "0.5", "--connect-timeout", "60", "--drain", "2")
    done = subprocess.run([*command, *more, *options], capture_output=True, text=True, timeout=120, check=False)
    assert done.stdout, done.stderr
    result: dict[str, Any] = json.loads(done.stdout)
    assert result["ok"], (done.stderr, result)
    return result


def all_gone(made: Controller, files: int, count: int) -> None:
    """Until the applications have heard that so many have left."""
    end = time.monotonic() + 30
    while made.files > files or made.log.count("has gone") < count:
        assert time.monotonic() < end, f"{made.files} files are open"
        time.sleep(0.1)


def settle(made: Controller, most: int) -> None:
    """Nothing stays, but for what the allocator happens to hold: a third time takes no more than a first."""
    end = time.monotonic() + 10
    while made.memory > most:
        assert time.monotonic() < end, f"{made.memory // MIB} MiB"
        time.sleep(0.1)


@pytest.mark.parametrize("version", ["1.0", "1.3"])
def test_a_thousand_come_and_go(program: Path, tmp_path: Path, version: str) -> None:
    with controller(tmp_path) as made:
        files, empty = made.files, made.memory
        for number in range(1, 4):
            result = connect(program, made, "--version", version)
            assert result["ready"] == SWITCHES and result["closed"] == 0
            assert result["handshake_seconds"] < 30 and result["ready_seconds"] < 60
            assert result["wrong"] == 0
            assert (result["rss_connected"] - result["rss_before"]) * 1024 < SWITCHES * MOST_EACH
            mean = result["answered"] / SWITCHES
            assert mean > 1 and result["least"] > mean / 10 and result["most"] < mean * 10
            all_gone(made, files, number * SWITCHES)
            settle(made, empty + MOST)
        assert made.log.count("connected from") == 3 * SWITCHES == made.log.count("has gone")
