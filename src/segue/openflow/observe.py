"""What passes on a connection, for those who want to see all of it: messages as octets, also those that a connection
answers by itself, and those that cannot be read."""

from collections.abc import Callable
from typing import TypeAlias

from segue.openflow.wire import HEADER_LEN

Observer: TypeAlias = Callable[[str, bytes], None]
"""Is shown "in" or "out", and the octets of one message (`decode` reads them). It must not raise."""


def show_each(observer: Observer, way: str, data: bytes) -> None:
    """Shows each message of octets that begin and end with whole ones."""
    offset = 0
    while offset < len(data):
        after = offset + max(int.from_bytes(data[offset + 2 : offset + 4]), HEADER_LEN)
        observer(way, data[offset:after])
        offset = after
