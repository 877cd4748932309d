"""Packets on an interface of a lab, written to a pcap file by tcpdump while they pass."""

from __future__ import annotations

import signal
import subprocess
import time
from collections.abc import Sequence
from pathlib import Path
from types import TracebackType

from segue.lab.errors import LabError


class Capture:
    """Runs from its making until ``stop``; a context manager stops it at the end."""

    def __init__(self, enter: Sequence[str], interface: str, path: Path, expression: str = "") -> None:
        self.path = path
        argv = [*enter, "tcpdump", "-i", interface, "-n", "-U", "--immediate-mode", "-B", "16384"]
        argv += ["-s", "0", "-Z", "root", "-w", str(path), *([expression] if expression else [])]
        self._child = subprocess.Popen(argv, stdin=subprocess.DEVNULL, stderr=subprocess.PIPE)
        said = b""
        assert self._child.stderr is not None
        for line in self._child.stderr:  # "listening on" is printed when the socket is open
            said += line
            if b"listening on" in line:
                return
        self._child.wait()
        raise LabError(f"tcpdump on {interface}: {said.decode(errors='replace').strip()}")

    def stop(self, linger: float = 0.2) -> Path:
        """``linger``: seconds in which packets already captured are still written. Gives the file's path."""
        if self._child.poll() is None:
            time.sleep(linger)
            self._child.send_signal(signal.SIGINT)
            try:
                self._child.communicate(timeout=5)
            except subprocess.TimeoutExpired:
                self._child.kill()
                self._child.communicate()
        return self.path

    def __enter__(self) -> Capture:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()
