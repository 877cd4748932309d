"""A bump in the wire: frames from one interface, through a worker, out of another (or back out of the same).

packet(7) sockets, one per interface. The kernel takes a VLAN tag off the frame and tells it beside, as it does
whether the checksum is filled in (``PACKET_AUXDATA``); the tag is put back here, for a function must not lose
what it does not understand. The receive buffer is large, for bursts must not be lost by a slow interpreter.
"""

from __future__ import annotations

import argparse
import contextlib
import select
import signal
import socket
import struct
import sys

from segue.lab.apps.wire import ENCAPSULATIONS, Transform, Worker

_SOL_PACKET, _ADD_MEMBERSHIP, _AUXDATA, _IGNORE_OUTGOING = 263, 1, 8, 23
_SO_RCVBUFFORCE = 33
_ETH_P_ALL, _PROMISCUOUS, _OUTGOING = 3, 1, 4
_CSUM_NOT_READY, _VLAN_VALID, _TPID_VALID = 1 << 3, 1 << 4, 1 << 6
_AUX = struct.Struct("=IIIHHHH")
"""tpacket_auxdata: status, length, captured length, two offsets, VLAN tag, VLAN protocol."""
_HEADROOM = 4
_BUFFER = 1 << 17
_ROUND = 128
"""Frames taken from one interface before the other has its turn."""


def arguments(description: str) -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description=description)
    parser.add_argument("--in", dest="inner", required=True, metavar="INTERFACE")
    parser.add_argument("--out", dest="outer", metavar="INTERFACE", help="the same as --in, or not given: one-armed")
    parser.add_argument("--encap", choices=ENCAPSULATIONS, default="none")
    return parser


def open_port(interface: str) -> socket.socket:
    port = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, 0)  # protocol 0: nothing arrives before bind
    try:
        port.setsockopt(socket.SOL_SOCKET, _SO_RCVBUFFORCE, 16 << 20)
    except PermissionError:
        port.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 16 << 20)
    with contextlib.suppress(OSError):  # before Linux 4.20 the address tells
        port.setsockopt(_SOL_PACKET, _IGNORE_OUTGOING, 1)
    port.setsockopt(_SOL_PACKET, _AUXDATA, 1)
    request = struct.pack("iHH8s", socket.if_nametoindex(interface), _PROMISCUOUS, 0, b"")
    port.setsockopt(_SOL_PACKET, _ADD_MEMBERSHIP, request)
    port.bind((interface, _ETH_P_ALL))
    return port


class Bump:
    def __init__(self, inner: str, outer: str | None, worker: Worker) -> None:
        self._worker = worker
        self._buffer = bytearray(_HEADROOM + _BUFFER)
        self._view = memoryview(self._buffer)
        first = open_port(inner)
        second = first if outer in (None, inner) else open_port(str(outer))
        self._across = {first.fileno(): (first, second), second.fileno(): (second, first)}
        self.received = self.sent = self.dropped = 0

    def run(self) -> None:
        poll = select.poll()
        for fd in self._across:
            poll.register(fd, select.POLLIN)
        while True:
            for fd, _ in poll.poll():
                self._drain(*self._across[fd])

    def _drain(self, source: socket.socket, sink: socket.socket) -> None:
        buf, view, worker = self._buffer, self._view, self._worker
        room = [view[_HEADROOM:]]
        for _ in range(_ROUND):
            try:
                size, beside, _flags, address = source.recvmsg_into(room, 64, socket.MSG_DONTWAIT)
            except BlockingIOError:
                return
            except OSError as error:  # the interface is down, or gone
                socket.if_nametoindex(source.getsockname()[0])
                print(f"{source.getsockname()[0]}: {error}", file=sys.stderr, flush=True)
                return
            if address[2] == _OUTGOING:
                continue
            self.received += 1
            start, end, partial = _HEADROOM, _HEADROOM + size, False
            for _level, _kind, data in beside:
                status, _len, _snap, _mac, _net, tag, protocol = _AUX.unpack_from(data)
                partial = bool(status & _CSUM_NOT_READY)
                if status & _VLAN_VALID:
                    start = 0
                    buf[0:12] = buf[4:16]
                    struct.pack_into("!HH", buf, 12, protocol if status & _TPID_VALID else 0x8100, tag)
            if not worker(buf, start, end, partial):
                self.dropped += 1
                continue
            try:
                sink.send(view[start:end])
                self.sent += 1
            except OSError:
                self.dropped += 1


def serve(options: argparse.Namespace, transform: Transform, *, tcp: bool = False) -> None:
    """Runs until SIGTERM, then prints how many frames there were."""
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    try:
        bump = Bump(options.inner, options.outer, Worker(transform, options.encap, tcp=tcp))
    except OSError as error:
        sys.exit(f"cannot open {options.inner}, {options.outer}: {error}")
    try:
        bump.run()
    except OSError as error:
        sys.exit(f"an interface is gone: {error}")
    except KeyboardInterrupt:
        sys.exit(130)
    finally:
        print(f"received {bump.received} sent {bump.sent} dropped {bump.dropped}", flush=True)


def byte_number(text: str) -> int:
    value = int(text)
    if not 0 <= value <= 255:
        raise argparse.ArgumentTypeError(f"{text} is not in 0 to 255")
    return value
