"""Sockets to the ends that people name: tcp:, ssl:, unix:, ptcp:, pssl:, punix:. TLS is put upon them elsewhere, except
by `call` and `accept_one`."""

from __future__ import annotations

import contextlib
import socket
from collections.abc import Callable
from pathlib import Path

from segue.cli.errors import Failure, Mistake
from segue.cli.openflow_tls import context, why
from segue.openflow.endpoint import Certificates, Endpoint, active, parse, passive

_PATIENCE = 10.0


def end(target: str, *, listen: bool | None = None) -> Endpoint:
    """What `target` says, to be called or (`listen`) to wait at. Raises Mistake."""
    try:
        return parse(target) if listen is None else passive(target) if listen else active(target)
    except ValueError as error:
        raise Mistake(str(error)) from None


def call(target: str, given: Certificates | None = None) -> socket.socket:
    """Raises Mistake, Failure."""
    where = end(target, listen=False)
    tls = context(where, given)
    try:
        if where.kind == "unix":
            peer = socket.socket(socket.AF_UNIX)
            peer.settimeout(_PATIENCE)
            peer.connect(where.path)
        else:
            peer = socket.create_connection((where.host, where.port), _PATIENCE)
            if tls is not None:
                peer = tls.wrap_socket(peer)
    except OSError as error:
        raise Failure(f"cannot connect to {target}: {why(error)}") from None
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


def place(bound: socket.socket, *, secure: bool = False) -> str:
    """Where it listens, as one writes it."""
    if bound.family == socket.AF_UNIX:
        return f"punix:{bound.getsockname()}"
    host, port = bound.getsockname()[:2]
    return f"p{'ssl' if secure else 'tcp'}:{port}:{f'[{host}]' if ':' in host else host}"


def accept_one(target: str, note: Callable[[str], None], given: Certificates | None = None) -> socket.socket:
    """Waits for one call. Raises Mistake, Failure."""
    tls = context(end(target, listen=True), given)
    with listening(target) as bound:
        note(f"listening at {place(bound, secure=tls is not None)}")
        peer, _ = bound.accept()
        unlist(bound)
    if tls is None:
        return peer
    name = name_of_peer(peer)
    peer.settimeout(_PATIENCE)
    try:
        peer = tls.wrap_socket(peer, server_side=True)
    except OSError as error:
        raise Failure(f"{name}: {why(error)}") from None
    peer.settimeout(None)
    return peer


def name_of_peer(link: socket.socket) -> str:
    """Who is at the other end."""
    if link.family == socket.AF_UNIX:
        return "peer"
    try:
        host, port = link.getpeername()[:2]
    except OSError:
        return "peer"
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


def unlist(bound: socket.socket) -> None:
    """Removes the name of a unix socket."""
    if bound.family == socket.AF_UNIX:
        with contextlib.suppress(OSError):
            Path(bound.getsockname()).unlink()
