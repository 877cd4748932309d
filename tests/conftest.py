"""What all tests share: which inputs are made up, and work that is counted.

Made-up inputs are the same in every run, so that a test that failed here fails there, and what passed was not luck:
``make explore`` looks for others. How long something takes depends on the machine and on what else goes on there; how
many calls of functions it makes does not, and what is quadratic, or worse, shows in their number as well.
"""

from __future__ import annotations

import math
import sys
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from typing import Any

import pytest
from hypothesis import Phase, settings

settings.register_profile("fixed", derandomize=True, phases=(Phase.explicit, Phase.generate))
settings.register_profile(
    "explore", print_blob=True, phases=(Phase.explicit, Phase.reuse, Phase.generate, Phase.shrink)
)
settings.load_profile("fixed")


class Calls:
    """Of functions, Python's own included; not what these do without calling any."""

    def __init__(self) -> None:
        self.made = 0


@contextmanager
def _counting(most: float = math.inf) -> Iterator[Calls]:
    """The calls that this thread makes meanwhile. What goes beyond ``most`` is broken off: it may have no end."""
    calls = Calls()

    def count(_frame: Any, event: str, _arg: Any) -> None:
        if event.endswith("call"):
            calls.made += 1
            if calls.made > most:
                raise AssertionError(f"more than {most:.0f} calls")

    before = sys.getprofile()
    sys.setprofile(count)
    try:
        yield calls
    finally:
        sys.setprofile(before)


@pytest.fixture
def counting() -> Callable[..., AbstractContextManager[Calls]]:
    return _counting
