"""The log of what is refused to whoever is no administrator: who tried what, and why not."""

from __future__ import annotations

import logging
import time
from typing import Any

from segue.api.admitted import address_of, caller_of
from segue.api.limits import Buckets

log = logging.getLogger(__name__)

RATE, BURST = 10.0, 100.0
"""Lines of one caller, each second and at once."""


class Refusals:
    def __init__(self) -> None:
        self._lines = Buckets(RATE, BURST)
        self._left_out = 0

    def say(self, scope: Any, status: int, why: str) -> None:
        try:
            caller = caller_of(scope)
        except LookupError:
            return  # there is no gate, and so nobody
        if caller.admin or status >= 500:
            return
        who = f"{caller.user or 'somebody'} of project {caller.project!r}"
        if self._lines.take(who, time.monotonic()):
            self._left_out += 1
            return
        more = f" ({self._left_out} like it were not logged)" if self._left_out else ""
        self._left_out = 0
        first = why.partition("\n")[0][:300]
        log.warning(
            "refused %s, %s: %s %.200r: %d, %s%s",
            *(address_of(scope), who, scope.get("method", ""), scope["path"], status, first, more),
        )
