"""What the log says of one injected service and those who program it: who and what, a few lines a second."""

from __future__ import annotations

import logging
import time

from segue.openflow.channel import Channel

log = logging.getLogger(__name__)

LINES = 5.0
"""A second, of one service."""


class Lines:
    def __init__(self, name: str) -> None:
        self._name = name
        self._free, self._since, self._left_out = LINES, 0.0, 0

    def warn(self, channel: Channel | None, what: str) -> None:
        """``channel``: by which it was said; None: nodes said it."""
        now = time.monotonic()
        self._free = min(LINES, self._free + (now - self._since) * LINES)
        self._since = now
        if self._free < 1:
            self._left_out += 1
            return
        self._free -= 1
        more = f" ({self._left_out} like it were not logged)" if self._left_out else ""
        self._left_out = 0
        log.warning("service %s, %s: %s%s", self._name, channel.peer if channel else "nodes", what, more)
