"""Defaults and limits of what people declare, and of what injected services may do.

Numbers and words alone: the command knows them without the vocabulary, whose imports would make each run of it slower.
"""

from __future__ import annotations

from typing import Final

MAX_TEXT: Final = 255
"""Characters in a label, a project or a description, as in Neutron."""

DEFAULT_PRECEDENCE: Final = 100
MAX_PRECEDENCE: Final = 30_000
DEFAULT_ENCAPSULATION: Final = "nsh"
NODE_ENCAPSULATIONS: Final = ("nsh", "mpls")

DEFAULT_ORDER: Final = 100
MAX_ORDER: Final = 30_000
DEFAULT_FLOWS: Final = 1_000
MAX_FLOWS: Final = 1_000_000
DEFAULT_PACKET_INS: Final = 100
MAX_PACKET_INS: Final = 2_000
"""A second. More of them from one node would slow the flow-mods of other services there."""
DEFAULT_COPIES: Final = 10_000
MAX_COPIES: Final = 1_000_000
"""A second and node."""
MAX_COPIES_OF_PACKET: Final = 64
"""Of one packet, in all of a service's tables together."""
