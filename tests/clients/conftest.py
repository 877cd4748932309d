from __future__ import annotations

from collections.abc import Iterator

import pytest

from clients import Clients, OpenStack, Sdk, empty, serving


@pytest.fixture(scope="session")
def clients() -> Iterator[Clients]:
    started = Clients()
    yield started
    started.end()


@pytest.fixture(scope="module")
def server() -> Iterator[str]:
    with serving() as url:
        yield url


@pytest.fixture(scope="module")
def openstack(clients: Clients, server: str) -> OpenStack:
    return OpenStack(clients, server)


@pytest.fixture(scope="module")
def sdk(clients: Clients, server: str) -> Sdk:
    return Sdk(clients, server)


@pytest.fixture
def nothing_left(server: str) -> Iterator[None]:
    yield
    empty(server)
