"""Sockets to listen on, bound before anything else starts, so that a mistake is told at once."""

from __future__ import annotations

import socket
from pathlib import Path


class ListenError(Exception):
    """Cannot listen; says where, why, and what to write instead."""


def listen_tcp(address: str) -> socket.socket:
    host, separator, port = address.rpartition(":")
    if not separator or not port.isdigit() or int(port) > 65535:
        raise ListenError(f"cannot listen on {address!r}; write HOST:PORT, as 127.0.0.1:7468")
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    # Without the protocol by name asyncio leaves Nagle's algorithm on, and each answer of a connection waits 40 ms.
    bound = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        bound.bind((host.strip("[]"), int(port)))
        bound.listen(128)
    except OSError as error:
        bound.close()
        raise ListenError(
            f"cannot listen on {address}: {error.strerror or error}; choose another with --listen HOST:PORT"
        ) from None
    return bound


def listen_unix(path: str) -> socket.socket:
    """Takes the place of a socket that nobody listens on any more; refuses where somebody does."""
    bound = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    if Path(path).is_socket():
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as probe:
            try:
                probe.connect(path)
            except OSError:
                Path(path).unlink(missing_ok=True)
            else:
                raise ListenError(f"somebody else is listening on {path}; stop that server first")
    try:
        bound.bind(path)
        Path(path).chmod(0o600)
        bound.listen(128)
    except OSError as error:
        bound.close()
        raise ListenError(f"cannot listen on {path}: {error.strerror or error}") from None
    return bound
