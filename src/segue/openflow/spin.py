"""An adaptive spin: before the event loop sleeps in the kernel it looks for a while whether something comes.

Waking up costs more than handling a message. Where a controller has a processor of its own, asking the kernel again
and again for some tens of microseconds finds the next message sooner. It gives up by itself: a spin that found nothing
is not repeated until messages come close together again, so an idle controller costs nothing.

What is asked again and again is the kernel's epoll object itself. To ask `selectors` for it would take longer than the
kernel does, and that is time in which a message waits. For the same reason the sockets of connections that answer by
a pump are read right here, by a second descriptor of each, and not by the transport that asyncio has for them. What is
not plain reading (the end of a connection, errors) is given back to that one.
"""

import asyncio
import math
import os
import select
import selectors
import socket
import time
import weakref
from collections.abc import Callable
from typing import Any, Final

Found = list[tuple[selectors.SelectorKey, int]]

_NOT_READ: Final = ~select.EPOLLIN
_NOT_WRITE: Final = ~select.EPOLLOUT


class SpinSelector(selectors.EpollSelector):
    """Spins up to `spin` seconds before it blocks."""

    def __init__(self, spin: float = 50e-6) -> None:
        super().__init__()
        self._spin = spin
        self._worth = True
        self._keys: dict[int, selectors.SelectorKey] = {}
        self._direct: dict[int, Callable[[], None]] = {}
        self._own = select.epoll.fromfd(os.dup(self.fileno()))

    def register(self, fileobj: Any, events: int, data: Any = None) -> selectors.SelectorKey:
        key = super().register(fileobj, events, data)
        self._keys[key.fd] = key
        return key

    def unregister(self, fileobj: Any) -> selectors.SelectorKey:
        key = super().unregister(fileobj)
        self._keys.pop(key.fd, None)
        return key

    def modify(self, fileobj: Any, events: int, data: Any = None) -> selectors.SelectorKey:
        key = super().modify(fileobj, events, data)
        self._keys[key.fd] = key
        return key

    def add(self, fd: int, read: Callable[[], None]) -> None:
        """`read` is called from within `select` whenever `fd` can be read."""
        self._own.register(fd, select.EPOLLIN)
        self._direct[fd] = read

    def remove(self, fd: int) -> None:
        if self._direct.pop(fd, None) is not None:
            self._own.unregister(fd)

    def close(self) -> None:
        self._own.close()
        super().close()

    def select(self, timeout: float | None = None) -> Found:
        poll = self._own.poll
        if timeout is not None and timeout <= 0:
            return self._found(poll(0))
        clock = time.perf_counter
        begun = clock()
        if self._worth:
            end = begun + (self._spin if timeout is None else min(self._spin, timeout))
            while True:
                if events := poll(0):
                    return self._found(events)
                if clock() >= end:
                    break
            self._worth = False
            if timeout is not None and (timeout := timeout + begun - clock()) <= 0:
                return []
        events = self._blocked(timeout)
        # Something came soon after the spin was over: the next may come within it.
        if events and clock() - begun < 4 * self._spin:
            self._worth = True
        return self._found(events)

    def _blocked(self, timeout: float | None) -> list[tuple[int, int]]:
        try:
            # As `selectors` has it: up to the next millisecond, which is what epoll counts in.
            return self._own.poll(None if timeout is None else math.ceil(timeout * 1e3) * 1e-3)
        except InterruptedError:
            return []

    def _found(self, events: list[tuple[int, int]]) -> Found:
        """As `selectors` tells it: whatever is not the one thing alone is the other too, errors among them."""
        found = []
        for fd, event in events:
            key = self._keys.get(fd)
            if key is None:
                read = self._direct.get(fd)
                if read is not None:
                    read()
            else:
                mask = (event & _NOT_READ and selectors.EVENT_WRITE) | (event & _NOT_WRITE and selectors.EVENT_READ)
                found.append((key, mask & key.events))
        return found


class Direct:
    """Reads a connection's socket in place of its transport, whose reading it pauses.

    `received(octets)` is told how many there are in `buffer()`; what it raises ends the connection, as asyncio would.
    """

    __slots__ = ("_buffer", "_fd", "_received", "_selector", "_socket", "_transport")

    def __init__(
        self, selector: SpinSelector, transport: Any, buffer: Callable[[int], Any], received: Callable[[int], None]
    ) -> None:
        self._selector = selector
        self._transport = transport
        self._buffer = buffer
        self._received = received
        self._socket: socket.socket | None = socket.socket(fileno=os.dup(transport.get_extra_info("socket").fileno()))
        self._socket.setblocking(False)
        self._fd = self._socket.fileno()
        transport.pause_reading()
        selector.add(self._fd, self._read)

    def pause(self) -> None:
        self._selector.remove(self._fd)

    def resume(self) -> None:
        if self._socket is not None:
            self._selector.add(self._fd, self._read)

    def close(self) -> None:
        """The transport is on its own again; it reads no more until it is told to."""
        if self._socket is not None:
            self._selector.remove(self._fd)
            self._socket.close()
            self._socket = None

    def _read(self) -> None:
        if self._socket is None:
            return
        try:
            octets = self._socket.recv_into(self._buffer(-1))
        except (BlockingIOError, InterruptedError):
            return
        except OSError:
            octets = 0
        if octets:
            try:
                self._received(octets)
            except Exception as e:
                self.close()
                asyncio.get_running_loop().call_exception_handler(
                    {"message": "reading failed", "exception": e, "transport": self._transport}
                )
                self._transport.abort()
            return
        self.close()
        if not self._transport.is_closing():
            self._transport.resume_reading()


_SELECTORS: Final["weakref.WeakKeyDictionary[asyncio.AbstractEventLoop, SpinSelector]"] = weakref.WeakKeyDictionary()


def direct(loop: asyncio.AbstractEventLoop, transport: Any, buffer: Any, received: Any) -> Direct | None:
    """The direct reader of a connection; None where the loop does not spin, or the octets are not the socket's own."""
    selector = _SELECTORS.get(loop)
    if selector is None or transport.get_extra_info("sslcontext") is not None:
        return None
    return Direct(selector, transport, buffer, received)


def spinning_loop(spin: float = 50e-6) -> asyncio.AbstractEventLoop:
    """An event loop that spins; for `asyncio.Runner(loop_factory=...)`."""
    selector = SpinSelector(spin)
    loop = asyncio.SelectorEventLoop(selector)
    _SELECTORS[loop] = selector
    return loop
