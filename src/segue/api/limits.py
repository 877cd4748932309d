"""How much one caller may ask for: how often, how large, how deeply nested. Pure: time is an argument."""

from __future__ import annotations

import ipaddress
import re
from array import array
from itertools import accumulate

LARGEST_NEUTRON = 1 << 20
"""Bytes in the body of a request to the Neutron API. The native API's own limit, 64 MiB, is the intent parser's."""
DEEPEST = 64
"""Objects and lists within one another in such a body; the API's own have six."""
MOST_REMEMBERED = 10_000
"""Callers of whom is known how much they asked for; of more, those that asked longest ago are forgotten."""


class Buckets:
    """A bucket of ``burst`` requests for each key, filled at ``rate`` requests per second. Rate 0: no limit."""

    def __init__(self, rate: float, burst: float, most: int = MOST_REMEMBERED) -> None:
        self._rate = rate
        self._burst = max(burst, 1.0)
        self._most = most
        self._left: dict[str, tuple[float, float]] = {}
        """What is in it, and when that was so; whoever asked last is last."""

    def take(self, key: str, now: float) -> float:
        """Seconds until one more would be let through; 0: this one is."""
        if not self._rate:
            return 0.0
        left, then = self._left.pop(key, (self._burst, now))
        left = min(self._burst, left + (now - then) * self._rate)
        short = 1.0 - left
        self._left[key] = (left - 1.0 if short <= 0 else left, now)
        if len(self._left) > self._most:
            del self._left[next(iter(self._left))]
        return max(0.0, short / self._rate)

    def __len__(self) -> int:
        return len(self._left)


def whence(address: str) -> str:
    """What one machine cannot change at will: of an IPv6 address the first 64 bits."""
    try:
        found = ipaddress.ip_address(address)
    except ValueError:
        return address
    if isinstance(found, ipaddress.IPv4Address):
        return address
    return str(found.ipv4_mapped or ipaddress.ip_network((int(found) >> 64 << 64, 64)))


_STRING = re.compile(rb'"(?:[^"\\]++|\\.)*+"?', re.DOTALL)
"""Possessive, and to the end where none ends it: linear whatever the text is."""
_NOT_BRACKETS = bytes(set(range(256)) - set(b"[]{}"))
_STEPS = bytes(1 if byte in b"[{" else 255 for byte in range(256))


def depth(text: bytes) -> int:
    """How deeply the JSON ``text`` is nested: a list of numbers is 1. Of what is no JSON, some number that a parser
    would not go beyond; linear in its length."""
    brackets = _STRING.sub(b"", text).translate(_STEPS, _NOT_BRACKETS)
    return max(accumulate(array("b", brackets)), default=0)
