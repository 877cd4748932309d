"""The command line's end of the HTTP API.

It is loaded at every start of a command, so it uses what loads fast: not ``http.client``, which with all that it brings
takes as long as a whole request. One request over one connection needs little of HTTP. It is asked for in version 1.0,
where an answer is never chunked, and ends with the connection (RFC 1945 section 7.2.2).
"""

from __future__ import annotations

import contextlib
import json
import os
import re
import socket
from collections.abc import Iterator, Mapping
from typing import Any
from urllib.parse import quote, urlencode, urlsplit

from segue.cli.errors import Failure, Mistake
from segue.cli.identity import Identity

CONNECTING = 10.0
"""Seconds."""
ANSWERING = 630.0
"""Seconds that an answer may take: a large intent is compiled meanwhile; the longest wait that the API knows is 600."""

TOO_MANY = 429
"""HTTP's status for what is right, but asked too often (RFC 6585 section 4)."""

Query = dict[str, str | int | float | bool | None]


class Client:
    """``url``: http://HOST:PORT, https://HOST:PORT or unix:/PATH. Raises Mistake where it is none of these.
    ``who``: what is shown to the server, and wanted of it.

    Every method raises Mistake when the server refuses what is asked (4xx), and Failure when it cannot be reached or
    cannot do it (5xx).
    """

    def __init__(self, url: str, who: Identity = Identity()) -> None:  # noqa: B008  it is frozen
        self._who = who
        self._token = who.secret()
        self.url = url
        self._path = url.removeprefix("unix:") if url.startswith("unix:") else ""
        self._prefix, self._host = "", "localhost"
        if url.startswith("unix:"):
            if not self._path:
                raise Mistake(f"{url!r} is no server address; write unix:/PATH")
            return
        try:
            parts = urlsplit(url)
            host, port = parts.hostname or "", parts.port
        except ValueError:
            host, port = "", None
        if not host or parts.scheme not in ("http", "https"):
            raise Mistake(f"{url!r} is no server address; write http://HOST:PORT or unix:/PATH")
        self._tls = parts.scheme == "https"
        self._address = (host, port or (443 if self._tls else 80))
        self._host = parts.netloc.rpartition("@")[2]
        self._prefix = parts.path.rstrip("/")

    def get(self, path: str, **query: Any) -> Any:
        return self._json(self._ask("GET", path, query))

    def text(self, path: str, **query: Any) -> str:
        return self._ask("GET", path, query).decode()

    def post(self, path: str, body: bytes, content_type: str, **query: Any) -> Any:
        return self._json(self._ask("POST", path, query, body, content_type))

    def put(self, path: str, body: bytes, **query: Any) -> Any:
        """``body``: JSON."""
        return self._json(self._ask("PUT", path, query, body, "application/json"))

    def delete(self, path: str, **query: Any) -> Any:
        """None where there is nothing to be said."""
        answer = self._ask("DELETE", path, query)
        return self._json(answer) if answer else None

    def _ask(self, method: str, path: str, query: Query, body: bytes = b"", content_type: str = "") -> bytes:
        more = [f"Content-Length: {len(body)}"] if method in ("POST", "PUT") else []
        more += [f"Content-Type: {content_type}"] if content_type else []
        request = self._head(method, path, query, more) + body
        try:
            connection = self._connected()
        except OSError as error:
            raise self._unreachable(error) from None
        try:
            with connection:
                connection.settimeout(ANSWERING)
                # A server that stops reading may have said why already.
                with contextlib.suppress(BrokenPipeError, ConnectionResetError):
                    connection.sendall(request)
                answer = _read(connection)
        except TimeoutError:
            raise Failure(f"the Segue server at {self.url} did not answer within {ANSWERING:g} s") from None
        except OSError as error:
            raise Failure(
                f"the Segue server at {self.url} broke off: {_tls(error) or error.strerror or error}"
            ) from None
        status, data = self._taken_apart(answer)
        if status >= 400:
            raise self._refusal(status, data)
        return data

    def _head(self, method: str, path: str, query: Query, more: list[str]) -> bytes:
        lines = [f"{method} {self._prefix}{path}{_query(query)} HTTP/1.0", f"Host: {self._host}"]
        lines += [f"Authorization: Bearer {self._token}"] if self._token else []
        return "\r\n".join([*lines, *more, "", ""]).encode("ascii")

    def lines(self, path: str, silence: float, headers: Mapping[str, str], **query: Any) -> Iterator[bytes]:
        """Of an answer without end, as they come. Raises Failure where it breaks off, or says nothing for ``silence``
        seconds."""
        try:
            connection = self._connected()
        except OSError as error:
            raise self._unreachable(error) from None
        with connection:
            try:
                connection.settimeout(silence)
                connection.sendall(self._head("GET", path, query, [f"{k}: {v}" for k, v in headers.items()]))
                yield from self._stream(connection)
            except TimeoutError:
                raise Failure(f"the Segue server at {self.url} said nothing for {silence:g} s") from None
            except OSError as error:
                why = _tls(error) or error.strerror or error
                raise Failure(f"the Segue server at {self.url} broke off: {why}") from None
        raise Failure(f"the Segue server at {self.url} broke off")

    def _stream(self, connection: socket.socket) -> Iterator[bytes]:
        answer = b""
        while b"\r\n\r\n" not in answer and (part := connection.recv(1 << 16)):
            answer += part
        if not answer.startswith((b"HTTP/1.1 200 ", b"HTTP/1.0 200 ")):
            status, data = self._taken_apart(answer + _read(connection))
            raise self._refusal(status, data)
        rest = answer.partition(b"\r\n\r\n")[2]
        while True:
            *whole, rest = rest.split(b"\n")
            yield from (line.removesuffix(b"\r") for line in whole)
            if not (part := connection.recv(1 << 16)):
                return
            rest += part

    def _connected(self) -> socket.socket:
        if self._path:
            connection = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
            try:
                connection.settimeout(CONNECTING)
                connection.connect(self._path)
            except OSError:
                connection.close()
                raise
            return connection
        connection = socket.create_connection(self._address, timeout=CONNECTING)
        if not self._tls:
            return connection
        try:
            return self._who.context().wrap_socket(connection, server_hostname=self._address[0])
        except OSError:
            connection.close()
            raise

    def _taken_apart(self, answer: bytes) -> tuple[int, bytes]:
        """Status and body."""
        head, _, body = answer.partition(b"\r\n\r\n")
        status = re.match(rb"HTTP/1\.\d (\d{3})", head)
        if not answer:
            perhaps = "; does it ask for a certificate? see --cert" if self.url.startswith("https:") else ""
            raise Failure(f"the Segue server at {self.url} broke off: it said nothing{perhaps}")
        if status is None:
            raise Failure(f"{self.url} answers, but not as a Segue server does")
        length = re.search(rb"(?i)\ncontent-length: *(\d+)", head)
        if length and len(body) < int(length[1]):
            raise Failure(f"the Segue server at {self.url} broke off: {len(body)} of {int(length[1])} bytes came")
        return int(status[1]), body

    def _unreachable(self, error: OSError) -> Failure:
        # Errors of name resolution number themselves in their own way; errno's text reads best for the others.
        known = error.errno is not None and not isinstance(error, socket.gaierror)
        why = os.strerror(error.errno or 0) if known else str(error.strerror or error) or type(error).__name__
        if said := _tls(error):
            return Failure(f"no secure connection with {self.url}: {said}; see --ca and --cert")
        start = "start one with `segue server`, or `segue lab up FILE`"
        return Failure(f"no Segue server at {self.url}: {why.lower()}; {start}")

    def _refusal(self, status: int, data: bytes) -> Failure:
        try:
            text = str(json.loads(data)["error"])
        except (ValueError, KeyError, TypeError):
            return Failure(f"{self.url} answers, but not as a Segue server does (HTTP status {status})")
        return Mistake(text) if status < 500 and status != TOO_MANY else Failure(text)

    def _json(self, data: bytes) -> Any:
        try:
            return json.loads(data)
        except ValueError:
            raise Failure(f"{self.url} answers, but not as a Segue server does") from None


def _tls(error: OSError) -> str:
    """What TLS has to say of it, if it is of TLS; ``ssl`` is loaded only where it is used."""
    if not type(error).__name__.startswith("SSL"):
        return ""
    why = getattr(error, "verify_message", "") or getattr(error, "reason", "") or str(error)
    return f"TLS: {why.lower().replace('_', ' ')}"


def _read(connection: socket.socket) -> bytes:
    """All that comes until the other side ends it."""
    parts = []
    while part := connection.recv(1 << 16):
        parts.append(part)
    return b"".join(parts)


def _query(query: Query) -> str:
    given = {
        name: str(value).lower() if isinstance(value, bool) else value
        for name, value in query.items()
        if value is not None
    }
    return f"?{urlencode(given)}" if given else ""


def part(name: str) -> str:
    """A name as one part of a path, whatever is in it."""
    return quote(name, safe="")
