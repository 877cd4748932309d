"""Messages as lines of JSON on a descriptor, for `segue openflow run --messages`.

Whoever reads them may be slow, or not read at all: a thread writes, and what does not fit the queue before it is left
out, counted, and told of on standard error. The thread writes to the descriptor itself, so that no lock of
Python's is held when the process ends while it still waits for a reader.
"""

from __future__ import annotations

import json
import os
import sys
import threading
import time
import weakref
from collections import deque
from collections.abc import Callable
from typing import Any, Final

from segue.cli.openflow_conversation import datapath_of
from segue.cli.openflow_decode import to_object
from segue.cli.openflow_frames import Frame
from segue.cli.openflow_sources import Said
from segue.cli.openflow_time import now

MOST_OCTETS: Final = 16 << 20
"""Octets that may wait to be written."""
_PIECE: Final = 0x10000
_REPORTS: Final = 5.0
"""Seconds between two reports of what was left out."""


class Lines:
    """`gone` is called, in the thread, when nobody reads any more."""

    def __init__(self, descriptor: int, gone: Callable[[], None], most: int = MOST_OCTETS) -> None:
        self.dropped = 0
        """Lines that were left out."""
        self._descriptor = descriptor
        self._gone = gone
        self._most = most
        self._lines: deque[bytes] = deque()
        self._octets = 0
        self._told = 0
        self._told_at = time.monotonic()
        self._ends = False
        self._changed = threading.Condition()
        self._thread = threading.Thread(target=self._write, daemon=True, name="segue messages")
        self._thread.start()

    @property
    def full(self) -> bool:
        """Whether another line is left out."""
        return self._octets >= self._most

    def put(self, line: str) -> None:
        data = line.encode(errors="surrogateescape") + b"\n"
        with self._changed:
            self._octets += len(data)
            self._lines.append(data)
            self._changed.notify()

    def drop(self) -> None:
        """One more is left out."""
        self.dropped += 1
        if time.monotonic() - self._told_at >= _REPORTS:
            self._tell()

    def close(self, seconds: float) -> None:
        """Waits so long at the most for what is still to be written."""
        with self._changed:
            self._ends = True
            self._changed.notify()
        self._thread.join(seconds)
        if self._thread.is_alive():
            self.dropped += len(self._lines)
        self._tell()

    def _tell(self) -> None:
        if self.dropped > self._told:
            text = f"segue: {self.dropped - self._told} messages were not shown: they are not read as fast as they come"
            print(text, file=sys.stderr, flush=True)
        self._told, self._told_at = self.dropped, time.monotonic()

    def _write(self) -> None:
        while True:
            with self._changed:
                self._changed.wait_for(lambda: self._lines or self._ends)
                if not self._lines:
                    return
                data = b""
                while self._lines and len(data) < _PIECE:
                    data += self._lines.popleft()
            rest = memoryview(data)
            try:
                while rest:
                    written = os.write(self._descriptor, rest)
                    rest = rest[written:]
                    self._octets_written(written)
            except OSError:  # whoever read has seen enough
                self._gone()
                return

    def _octets_written(self, count: int) -> None:
        with self._changed:
            self._octets -= count


class Show:
    """What a controller's `observe` is: every message, hello and echo too, as `segue openflow watch` prints it, so
    that `segue openflow encode` reads it."""

    def __init__(self, lines: Lines) -> None:
        self._lines = lines
        self._datapaths: weakref.WeakKeyDictionary[Any, str] = weakref.WeakKeyDictionary()

    def __call__(self, _switch: Any, channel: Any, way: str, octets: bytes) -> None:
        if way == "in" and (datapath := datapath_of(octets)):
            self._datapaths[channel] = datapath
        if self._lines.full:
            self._lines.drop()
            return
        source, target = ("switch", "controller") if way == "in" else ("controller", "switch")
        said = Said(Frame(0, octets), now(), source, target)
        self._lines.put(json.dumps(to_object(said, self._datapaths.get(channel, "")), ensure_ascii=False))
