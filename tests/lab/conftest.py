"""Labs for tests: names and state directories of their own, removed whatever happens."""

from __future__ import annotations

import os
import secrets
import shutil
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from lab_members import host

from segue.lab.lab import tear_down
from segue.lab.spec import LabNode, LabSpec


@pytest.fixture(scope="module")
def root() -> Iterator[Path]:
    """Short, for the sockets' sake."""
    path = Path(tempfile.mkdtemp(prefix="segue-", dir="/tmp"))
    yield path
    shutil.rmtree(path, ignore_errors=True)


@pytest.fixture(scope="module")
def lab_name(root: Path) -> Iterator[Callable[[], str]]:
    """Makes names; every lab so named is torn down at the end."""
    made: list[str] = []

    def make() -> str:
        made.append(f"t{os.getpid()}_{secrets.token_hex(2)}")
        return made[-1]

    yield make
    for name in made:
        tear_down(name, root=root)


@pytest.fixture
def spec(lab_name: Callable[[], str]) -> LabSpec:
    """Two nodes, two hosts on the first."""
    nodes = (LabNode("n1", "172.31.0.1", 1), LabNode("n2", "172.31.0.2", 2))
    return LabSpec(lab_name(), nodes, (host(1, "n1"), host(2, "n1")))
