"""The receive buffers of a lab's switches, from outside.

Open vSwitch leaves the kernel's default receive buffer on the packet sockets of its interfaces: some 270 small packets.
A machine that lends the switch no processor for a tenth of a second would lose packets there, and a test that counts
every packet would blame the wrong party. So tests take copies of those sockets (pidfd_getfd(2)), give them room, and
ask the kernel how many packets each has dropped (PACKET_STATISTICS, packet(7)): what is lost there, Segue did not lose.
"""

from __future__ import annotations

import contextlib
import ctypes
import os
import socket
import struct
from collections.abc import Iterator
from pathlib import Path

from segue.lab.lab import Lab

_PIDFD_GETFD = 438
_SOL_PACKET, _PACKET_STATISTICS, _SO_RCVBUFFORCE = 263, 6, 33
_ROOM = 64 << 20
_libc = ctypes.CDLL(None, use_errno=True)


def _packet_sockets(pid: int) -> Iterator[socket.socket]:
    """Copies of the process's AF_PACKET sockets."""
    pidfd = os.pidfd_open(pid)
    try:
        for entry in Path(f"/proc/{pid}/fd").iterdir():
            with contextlib.suppress(OSError):
                if not str(entry.readlink()).startswith("socket:"):
                    continue
                copy = _libc.syscall(_PIDFD_GETFD, pidfd, int(entry.name), 0)
                if copy < 0:
                    continue
                with socket.socket(fileno=copy) as sock:
                    if sock.family == socket.AF_PACKET:
                        yield sock
    finally:
        os.close(pidfd)


def _switches(lab: Lab) -> Iterator[int]:
    for node in lab.spec.nodes:
        with contextlib.suppress(OSError, ValueError):
            yield int((lab.node_rundir(node.name) / "ovs-vswitchd.pid").read_text())


def widen(lab: Lab) -> None:
    """Room for half a minute of a test's traffic in every switch. After a switch's restart: again."""
    for pid in _switches(lab):
        for sock in _packet_sockets(pid):
            sock.setsockopt(socket.SOL_SOCKET, _SO_RCVBUFFORCE, _ROOM)


def dropped(lab: Lab) -> int:
    """Packets that the switches' sockets had no room for since the last call."""
    total = 0
    for pid in _switches(lab):
        for sock in _packet_sockets(pid):
            statistics = sock.getsockopt(_SOL_PACKET, _PACKET_STATISTICS, 8)
            total += struct.unpack("II", statistics)[1]
    return total
