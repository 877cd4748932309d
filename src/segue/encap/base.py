"""How encapsulations are found: by entry point, so that another package can bring its own."""

from __future__ import annotations

from functools import cache
from importlib.metadata import entry_points

from segue.model.encapsulation import Encapsulations


@cache
def available() -> Encapsulations:
    """All installed encapsulations by name."""
    return {e.name: e.load()() for e in sorted(entry_points(group="segue.encapsulations"), key=lambda e: e.name)}
