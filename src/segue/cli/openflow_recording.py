"""Recordings: what passed between switches and a controller, a line of JSON for each message, with its octets in
hexadecimal. Each line is written whole and at once, so that whatever ends the recorder loses at most the line it is at.

    {"time": "2026-01-31T12:00:00.000000Z", "connection": 1, "from": "switch", "hex": "0400000800000001"}

Octets that are no message are recorded as they come; joined together, the lines of one side are the stream that it
sent. `openflow_sources.of_recording` reads them.
"""

from __future__ import annotations

import json
import os

from segue.cli.errors import Mistake
from segue.cli.openflow_time import text
from segue.cli.terminal import complain


class Recorder:
    """A new file. Where it cannot be written any more it says so once, and `broken` is set."""

    def __init__(self, path: str) -> None:
        self.path = path
        self.broken = False
        try:
            self._file = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_APPEND | os.O_CLOEXEC, 0o644)
        except FileExistsError:
            raise Mistake(f"{path} is there already; record to a new file") from None
        except OSError as error:
            raise Mistake(f"cannot write {path}: {(error.strerror or str(error)).lower()}") from None

    def write(self, at: int, connection: int, side: str, data: bytes) -> None:
        if self.broken:
            return
        line = (
            json.dumps({"time": text(at), "connection": connection, "from": side, "hex": data.hex()}).encode() + b"\n"
        )
        try:
            while line:
                line = line[os.write(self._file, line) :]
        except OSError as error:
            self.broken = True
            complain(f"the recording ends here, {self.path}: {(error.strerror or str(error)).lower()}")

    def close(self) -> None:
        os.close(self._file)
