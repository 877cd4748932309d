"""Plain sockets to the ends that people name: tcp:, unix:, ptcp:, punix:."""

from __future__ import annotations

import contextlib
import socket
from collections.abc import Callable
from pathlib import Path

from segue.cli.errors import Failure, Mistake
from segue.openflow.endpoint import Endpoint, active, parse, passive

_PATIENCE = 10.0


def end(target: str, *, listen: bool | None = None) -> Endpoint:
    """What `target` says, to be called or (`listen`) to wait at. Raises Mistake."""
    try:
        found = parse(target) if listen is None else passive(target) if listen else active(target)
    except ValueError as error:
        raise Mistake(str(error)) from None
    if found.secure:
        raise Mistake(f"{target!r}: TLS cannot be looked into here; use tcp or unix")
    return found


def call(target: str) -> socket.socket:
    """Raises Mistake, Failure."""
    where = end(target, listen=False)
    try:
        if where.kind == "unix":
            peer = socket.socket(socket.AF_UNIX)
            peer.settimeout(_PATIENCE)
            peer.connect(where.path)
        else:
            peer = socket.create_connection((where.host, where.port), _PATIENCE)
    except OSError as error:
        raise Failure(f"cannot connect to {target}: {(error.strerror or str(error)).lower()}") from None
    peer.settimeout(None)
    return peer


def listening(target: str) -> socket.socket:
    """A bound socket. Raises Mistake, Failure."""
    where = end(target, listen=True)
    try:
        if where.kind == "unix":
            _remove_stale(where.path)
            bound = socket.socket(socket.AF_UNIX)
            bound.bind(where.path)
            bound.listen(64)
            return bound
        return socket.create_server(
            (where.host, where.port),
            family=socket.AF_INET6 if ":" in where.host else socket.AF_INET,
            backlog=64,
        )
    except OSError as error:
        raise Failure(f"cannot listen at {target}: {(error.strerror or str(error)).lower()}") from None


def _remove_stale(path: str) -> None:
    """A socket that nobody listens at any more would be in the way."""
    if not Path(path).is_socket():
        return
    with socket.socket(socket.AF_UNIX) as probe:
        try:
            probe.connect(path)
        except OSError:
            with contextlib.suppress(OSError):
                Path(path).unlink()


def place(bound: socket.socket) -> str:
    """Where it listens, as one writes it."""
    if bound.family == socket.AF_UNIX:
        return f"punix:{bound.getsockname()}"
    host, port = bound.getsockname()[:2]
    return f"ptcp:{port}:{f'[{host}]' if ':' in host else host}"


def accept_one(target: str, note: Callable[[str], None]) -> socket.socket:
    """Waits for one call. Raises Mistake, Failure."""
    with listening(target) as bound:
        note(f"listening at {place(bound)}")
        peer, _ = bound.accept()
        unlist(bound)
    return peer


def unlist(bound: socket.socket) -> None:
    """Removes the name of a unix socket."""
    if bound.family == socket.AF_UNIX:
        with contextlib.suppress(OSError):
            Path(bound.getsockname()).unlink()
