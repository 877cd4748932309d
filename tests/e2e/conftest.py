"""What tests of a whole network share, beside helpers: fixtures over the ``fabric`` of each test's own file."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from .fabric import Fabric
from .probes import Bench


@pytest.fixture(scope="module")
def bench(request: pytest.FixtureRequest, fabric: Fabric) -> Iterator[Bench]:
    """All that is silent there is watched, or, where a test's file names some, those of ``WATCHED``."""
    made = Bench(fabric, getattr(request.module, "WATCHED", None))
    yield made
    made.close()
