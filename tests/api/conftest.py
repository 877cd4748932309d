from __future__ import annotations

from collections.abc import Iterator

import pytest
from api_server import Running, Tokens, running
from fake_keystone import FakeKeystone


@pytest.fixture(scope="module")
def tokens(tmp_path_factory: pytest.TempPathFactory) -> Tokens:
    return Tokens(tmp_path_factory.mktemp("tokens") / "tokens.yaml")


@pytest.fixture(scope="module")
def admin(tokens: Tokens) -> str:
    return tokens.make("admin", "admin", "--id", "root")


@pytest.fixture(scope="module")
def guarded(tokens: Tokens, admin: str) -> Iterator[Running]:
    with running("--tokens", str(tokens.path)) as server:
        yield server


@pytest.fixture(scope="module")
def opened() -> Iterator[Running]:
    with running() as server:
        yield server


@pytest.fixture
def fake() -> Iterator[FakeKeystone]:
    keystone = FakeKeystone()
    try:
        yield keystone
    finally:
        keystone.stop()
