"""docs/api.md shows what a new server answers: every command of it is run, in order."""

from __future__ import annotations

import re
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from api_server import Running, running

PAGE = Path(__file__).parents[2] / "docs" / "api.md"
SERVER = "http://127.0.0.1:7468"


def _shown() -> Iterator[tuple[str, str]]:
    """Commands, with what they print."""
    for block in re.findall(r"^```console\n(.*?)^```$", PAGE.read_text(), re.MULTILINE | re.DOTALL):
        for part in block.removeprefix("$ ").split("\n$ "):
            command, _, printed = part.partition("\n")
            yield command, printed.rstrip("\n")


@pytest.fixture(scope="module")
def fresh() -> Iterator[Running]:
    with running() as server:
        yield server


@pytest.mark.slow
def test_every_command_prints_what_is_shown(fresh: Running) -> None:
    commands = list(_shown())
    assert len(commands) > 10
    for command, printed in commands:
        assert SERVER in command
        own = command.replace(SERVER, fresh.url)
        ran = subprocess.run(own, shell=True, capture_output=True, text=True, timeout=20, check=False)
        assert ran.stderr == ""
        assert ran.stdout.replace("\r", "").rstrip("\n") == printed, command


def test_every_error_of_the_description_is_explained() -> None:
    from segue.api.description import description

    page = PAGE.read_text()
    for name in description()["components"]["responses"]:
        assert re.search(rf"^\|[ \d,]*{name.removeprefix('Error')}", page, re.MULTILINE), name
