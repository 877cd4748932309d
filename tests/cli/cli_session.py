"""The command as people use it, run in this process; and servers for it, which are the command too."""

from __future__ import annotations

import contextlib
import io
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import pytest

from segue.cli.main import main

EXAMPLE = Path(__file__).parents[2] / "examples" / "dragonflow.yaml"
DOCS = Path(__file__).parents[2] / "docs"


class Ran(NamedTuple):
    status: int
    out: str
    err: str


class Session:
    """A command line that talks to the server at ``url``."""

    def __init__(self, url: str, monkeypatch: pytest.MonkeyPatch) -> None:
        self.url = url
        self._patch = monkeypatch
        monkeypatch.setenv("SEGUE_SERVER", url)

    def __call__(self, *words: str, stdin: str | bytes = "") -> Ran:
        data = stdin if isinstance(stdin, bytes) else stdin.encode()
        self._patch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(data)))
        out, err = io.StringIO(), io.StringIO()
        with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
            try:
                status = main(list(words))
            except SystemExit as exit_:
                status = int(exit_.code or 0)
        return Ran(status, out.getvalue(), err.getvalue())


@contextlib.contextmanager
def a_server(directory: Path, *options: str) -> Iterator[str]:
    """A server of its own, without agents; its URL. Also at ``directory``/sock."""
    command = [sys.executable, "-m", "segue", "server", "--listen", "127.0.0.1:0", "--data", str(directory)]
    log = (directory / "log").open("w")
    process = subprocess.Popen(
        [*command, "--socket", str(directory / "sock"), *options], stdout=subprocess.PIPE, stderr=log, text=True
    )
    try:
        assert process.stdout is not None
        said = re.search(r"serving on (\S+)", process.stdout.readline())
        assert said, (directory / "log").read_text()
        yield said[1]
    finally:
        process.terminate()
        process.wait(10)
        log.close()
