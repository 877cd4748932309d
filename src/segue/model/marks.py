"""The path as a source MAC address, while a packet is inside a function that does not know of paths.

A bump in the wire gives frames back with the addresses that they came with, so the source MAC can carry path and
index through the visit, and the network keeps nothing: ``0a:5e`` (locally administered), path id (24 bits), service
index (8 bits).
"""

MARK = 0x0A5E << 32
MARK_MASK = 0xFFFF << 32
OF_PATHS = MARK_MASK | 0xF << 28
"""The mask that tells a mark which may name a path: path ids have 20 bits at most (``model.path``)."""
NOBODY = MARK | 0xFF000002
"""The source MAC of what leaves a path when nobody can say whose it was. It names no path, for path ids end below it,
so that a function that gets the frame later, as one of many, does not put it on the path again."""


def is_mark(mac: int) -> bool:
    return mac & MARK_MASK == MARK


def mark(path: int, index: int) -> int:
    return MARK | (path << 8) | index


def marked(mac: int) -> tuple[int, int]:
    """The path and the index that a mark says."""
    return mac >> 8 & 0xFFFFFF, mac & 0xFF
