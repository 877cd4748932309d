"""The small interface that an encapsulation implements.

The compiler decides *that* a packet is wrapped, and where it goes; the encapsulation says *how*. A path header is
written when a packet leaves a node or enters an aware function, and is read and removed when it arrives: inside a
node the path lives in registers, so that stages between do not depend on the encapsulation.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Protocol

from segue.model.path import Path
from segue.model.program import AnyAction, Rule


class Encapsulation(Protocol):
    """All methods are pure. Indexes are service indexes (RFC 8300 section 2.3)."""

    name: str
    """As the intent names it."""
    tunnel: str
    """The binding name of the tunnel that carries it between nodes (``model.view``)."""
    ethertype: int
    """By which an aware function's frames are known."""
    per_ethertype: bool
    """Whether the header loses the payload's EtherType, so that each needs a path of its own."""
    overhead: int
    """Bytes added to a frame on the underlay, tunnel included, for an IPv4 underlay."""

    def refuse(self, ethertype: int) -> str | None:
        """Why frames of ``ethertype`` (0: any) cannot be carried, or None."""

    def arrival(self, ofport: int) -> tuple[Rule, ...]:
        """Rules of stage ``admission`` for packets from the tunnel at ``ofport``."""

    def unwrap(self) -> tuple[Rule, ...]:
        """Rules of stage ``unwrap`` that serve all paths."""

    def unwrap_path(self, path: Path) -> tuple[Rule, ...]:
        """Rules of stage ``unwrap_index`` for one path, where the header does not say enough."""

    def wrap(self, path: int, index: int) -> tuple[AnyAction, ...]:
        """Write the header for another node; tunnel destination and output follow."""

    def hand_over(self, path: int, index: int, mac: int) -> tuple[AnyAction, ...]:
        """Write the header for an aware function whose port has ``mac``; the output follows."""

    def take_back(self) -> tuple[AnyAction, ...]:
        """What makes an aware function's frame look as one from the tunnel, before stage ``unwrap``."""


Encapsulations = Mapping[str, Encapsulation]
"""By name. Who compiles is given them, so that the compiler knows none by itself."""
