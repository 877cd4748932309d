from __future__ import annotations

import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from cli_session import Session, a_server


@pytest.fixture(scope="module")
def module_server() -> Iterator[tuple[str, Path]]:
    """Short paths, for the socket's sake."""
    with tempfile.TemporaryDirectory(prefix="segue-") as directory, a_server(Path(directory)) as url:
        yield url, Path(directory)


@pytest.fixture
def segue(module_server: tuple[str, Path], monkeypatch: pytest.MonkeyPatch) -> Iterator[Session]:
    """The command; nothing is declared, before and after."""
    session = Session(module_server[0], monkeypatch)
    yield session
    names = session("get", "all", "-o", "name").out.split()
    if names:
        gone = session("delete", "--no-wait", *names)
        assert gone.status == 0, gone.err


@pytest.fixture
def nowhere(monkeypatch: pytest.MonkeyPatch) -> Session:
    """The command, with no server."""
    return Session("http://127.0.0.1:1", monkeypatch)
