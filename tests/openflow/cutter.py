"""A proxy between a switch and its controller, over Unix sockets, that cuts connections off where a test wants it."""

from __future__ import annotations

import contextlib
import socket
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

TO_CONTROLLER, TO_SWITCH = "to controller", "to switch"


class Cut(NamedTuple):
    """After so many whole messages in one direction, and so many octets of the next. One who calls is to the
    one that is called as a switch to its controller."""

    direction: str
    messages: int
    octets: int = 0


class Cutter:
    """Passes what comes at `path` on to `target`. `cut` is when to cut the next connection, once; None is never.

    `cuts` counts those that were carried out, `calls` the connections."""

    def __init__(self, path: Path, target: Path) -> None:
        self.cut: Cut | None = None
        self.cuts = 0
        self.calls = 0
        self._target = target
        self._open: set[socket.socket] = set()
        self._lock = threading.Lock()
        self._listener = socket.socket(socket.AF_UNIX)
        self._listener.bind(str(path))
        self._listener.listen(16)
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                caller = self._listener.accept()[0]
                self.calls += 1
                called = socket.socket(socket.AF_UNIX)
                try:
                    called.connect(str(self._target))
                except OSError:
                    caller.close()
                    called.close()
                    continue
                cut, self.cut = self.cut, None
                with self._lock:
                    self._open |= {caller, called}
                for one, other, way in ((caller, called, TO_CONTROLLER), (called, caller, TO_SWITCH)):
                    own = cut if cut is not None and cut.direction == way else None
                    threading.Thread(target=self._pass, args=(one, other, own), daemon=True).start()

    def _pass(self, source: socket.socket, sink: socket.socket, cut: Cut | None) -> None:
        kept, passed = b"", 0
        with contextlib.suppress(OSError):
            if cut is not None and cut[1:] == (0, 0):
                self.cuts += 1
                return self._close(source, sink)
            while data := source.recv(1 << 16):
                if cut is None:
                    sink.sendall(data)
                    continue
                kept += data
                while len(kept) >= 8 and len(kept) >= (size := int.from_bytes(kept[2:4], "big")):
                    if passed == cut.messages:
                        break
                    sink.sendall(kept[:size])
                    kept, passed = kept[size:], passed + 1
                if passed == cut.messages and len(kept) >= cut.octets:
                    sink.sendall(kept[: cut.octets])
                    self.cuts += 1
                    break
        self._close(source, sink)
        return None

    def _close(self, *sockets: socket.socket) -> None:
        with self._lock:
            for one in sockets:
                self._open.discard(one)
                with contextlib.suppress(OSError):
                    one.shutdown(socket.SHUT_RDWR)
                one.close()

    def drop(self) -> None:
        """Cuts all connections now."""
        self._close(*self._open)

    def close(self) -> None:
        with contextlib.suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        self.drop()


@contextlib.contextmanager
def cutter(path: Path, target: Path) -> Iterator[Cutter]:
    made = Cutter(path, target)
    try:
        yield made
    finally:
        made.close()
        path.unlink(missing_ok=True)
