from __future__ import annotations

from collections.abc import Iterator

import pytest
from verify_switch import Switch


@pytest.fixture(scope="session")
def switch(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Switch]:
    """Shared: every test installs its own program."""
    with Switch(tmp_path_factory.mktemp("ovs"), ports=4) as running:
        yield running
