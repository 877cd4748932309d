"""A thousand changes while packets flow: none lost, none twice, none that saw a mixture.

``SEGUE_CHANGES`` and ``SEGUE_SECONDS`` say how many changes, and for how long at most; ``bench/soak.py`` does the same
for as long as one likes.
"""

from __future__ import annotations

import os

import pytest

from .churn import Churn, hosts
from .fabric import Fabric

pytestmark = [pytest.mark.root, pytest.mark.slow]

CHANGES = int(os.environ.get("SEGUE_CHANGES", "1000"))
SECONDS = float(os.environ.get("SEGUE_SECONDS", "240"))
"""At most; an idle machine needs less than one."""
RATE = 2000


@pytest.mark.timeout(SECONDS + 200)
def test_changes_under_traffic_lose_nothing(capsys: pytest.CaptureFixture[str]) -> None:
    with Fabric(hosts(), drain=1.0) as fabric:
        figures = Churn(fabric, seed=1, report=lambda _: None).run(CHANGES, SECONDS)
    with capsys.disabled():
        print(f"\n{figures}")
    assert figures.clean, str(figures)
    assert figures.changes >= CHANGES, str(figures)
    assert figures.packets + figures.replies >= RATE * figures.seconds * 0.95, str(figures)
