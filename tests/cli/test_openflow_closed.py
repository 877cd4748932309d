"""Standard input and output that are closed, or full: a word about it at the most, and no traceback."""

from __future__ import annotations

import subprocess
import sys

import pytest


@pytest.mark.parametrize(
    ("words", "how", "status", "says"),
    [
        ("decode 0400000800000007", ">/dev/full", 1, "segue: cannot write: no space left on device\n"),
        ("schema --version 1.0", ">/dev/full", 1, "segue: cannot write: no space left on device\n"),
        ("decode 0400000800000007", ">&-", 0, ""),
        ("encode", "<&-", 0, ""),
        ("decode", "<&- >&- 2>&-", 0, ""),
    ],
)
def test_ends_with_a_word(words: str, how: str, status: int, says: str) -> None:
    command = f"{sys.executable} -m segue openflow {words} {how}"
    done = subprocess.run(["sh", "-c", command], capture_output=True, text=True, timeout=30, check=False)
    assert (done.returncode, done.stderr, done.stdout) == (status, says, "")
