"""What the help of `segue openflow` shows can be typed: every example is understood, and those that need no network
run."""

from __future__ import annotations

import argparse
import os
import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest
from cli_docs import commands
from openflow_captures import conversation, frame, pcap

from segue.cli.main import parser

HELLO = bytes.fromhex("0400000800000001")
_LINE = re.compile(r"^  (?=.*\bsegue openflow )(.*)$")


def examples() -> list[str]:
    texts = [str(parser_.epilog) for name, parser_ in commands() if name.startswith("openflow ")]
    found = [match[1] for text in texts for line in text.splitlines() if (match := _LINE.match(line))]
    return [re.split(r"\s{3,}", line)[0] for line in found]


def _words(example: str) -> list[list[str]]:
    """The words of each `segue` in it, without what a shell makes of the rest."""
    found: list[list[str]] = [[]]
    for word in shlex.split(example):
        if word == "|":
            found.append([])
        else:
            found[-1].append(word)
    parts = [words[: next((n for n, word in enumerate(words) if word in "<>"), None)] for words in found]
    return [words[1:] for words in parts if words[0] == "segue"]


@pytest.mark.parametrize("example", examples())
def test_examples_are_understood(example: str) -> None:
    for words in _words(example):
        args: argparse.Namespace = parser().parse_args(words)
        assert callable(args.run)


_OFFLINE = [
    example
    for example in examples()
    if " decode " in example or " encode" in example or " schema" in example
    if not re.search(r"--listen|--connect|tcpdump|jq", example)
]


@pytest.mark.parametrize("example", _OFFLINE)
def test_examples_without_a_network_run(example: str, tmp_path: Path) -> None:
    (tmp_path / "dump.txt").write_text("0000  04 00 00 08 00 00 00 01\n")
    (tmp_path / "stream.bin").write_bytes(HELLO)
    (tmp_path / "messages.jsonl").write_text('{"version": "1.3", "type": "OFPT_HELLO"}\n')
    (tmp_path / "control.pcap").write_bytes(pcap([frame(one) for one in conversation([("switch", HELLO)])]))
    here = tmp_path / "segue"
    here.write_text(f'#!/bin/sh\nexec {shlex.quote(sys.executable)} -m segue "$@"\n')
    here.chmod(0o755)
    done = subprocess.run(
        ["bash", "-o", "pipefail", "-c", example],
        cwd=tmp_path,
        env={**os.environ, "PATH": f"{tmp_path}:{os.environ['PATH']}"},
        capture_output=True,
        text=True,
        stdin=subprocess.DEVNULL,
        timeout=30,
    )
    assert (done.returncode, done.stderr) == (0, "")
    written = [path for path in tmp_path.iterdir() if path.name in example.partition(" > ")[2]]
    assert done.stdout or any(path.stat().st_size for path in written)


def test_there_are_examples() -> None:
    assert len(examples()) > 20 and len(_OFFLINE) >= 6
