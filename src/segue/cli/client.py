"""The command line's end of the HTTP API. The standard library only: it is loaded at every start of the command."""

from __future__ import annotations

import contextlib
import http.client
import json
import os
import socket
from typing import Any
from urllib.parse import quote, urlencode, urlsplit

from segue.cli.errors import Failure, Mistake

CONNECTING = 10.0
"""Seconds."""
ANSWERING = 630.0
"""Seconds that an answer may take: a large intent is compiled meanwhile; the longest wait that the API knows is 600."""

Query = dict[str, str | int | float | bool | None]


class _UnixConnection(http.client.HTTPConnection):
    def __init__(self, path: str) -> None:
        super().__init__("localhost", timeout=CONNECTING)
        self._path = path

    def connect(self) -> None:
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.sock.settimeout(CONNECTING)
        self.sock.connect(self._path)


class Client:
    """``url``: http://HOST:PORT, https://HOST:PORT or unix:/PATH. Raises Mistake where it is none of these.

    Every method raises Mistake when the server refuses what is asked (4xx), and Failure when it cannot be reached or
    cannot do it (5xx).
    """

    def __init__(self, url: str) -> None:
        self.url = url
        self._prefix = ""
        if url.startswith("unix:"):
            if len(url) == len("unix:"):
                raise Mistake(f"{url!r} is no server address; write unix:/PATH")
            return
        try:
            parts = urlsplit(url)
            self._host, self._port = parts.hostname or "", parts.port
        except ValueError:
            self._host = ""
        if not self._host or parts.scheme not in ("http", "https"):
            raise Mistake(f"{url!r} is no server address; write http://HOST:PORT or unix:/PATH")
        self._tls = parts.scheme == "https"
        self._prefix = parts.path.rstrip("/")

    def get(self, path: str, **query: Any) -> Any:
        return self._json(self._ask("GET", path, query))

    def text(self, path: str, **query: Any) -> str:
        return self._ask("GET", path, query).decode()

    def post(self, path: str, body: bytes, content_type: str, **query: Any) -> Any:
        return self._json(self._ask("POST", path, query, body, content_type))

    def _ask(self, method: str, path: str, query: Query, body: bytes | None = None, content_type: str = "") -> bytes:
        connection = self._connection()
        try:
            try:
                connection.connect()
            except OSError as error:
                raise self._unreachable(error) from None
            connection.sock.settimeout(ANSWERING)
            headers = {"Content-Type": content_type} if content_type else {}
            # A server that stops reading may have said why already.
            with contextlib.suppress(BrokenPipeError, ConnectionResetError):
                connection.request(method, self._prefix + path + _query(query), body, headers)
            answer = connection.getresponse()
            data = answer.read()
        except TimeoutError:
            raise Failure(f"the Segue server at {self.url} did not answer within {ANSWERING:g} s") from None
        except (OSError, http.client.HTTPException) as error:
            what = error.strerror if isinstance(error, OSError) and error.strerror else type(error).__name__
            raise Failure(f"the Segue server at {self.url} broke off: {what}") from None
        finally:
            connection.close()
        if answer.status >= 400:
            raise self._refusal(answer.status, data)
        return data

    def _connection(self) -> http.client.HTTPConnection:
        if self.url.startswith("unix:"):
            return _UnixConnection(self.url.removeprefix("unix:"))
        kind = http.client.HTTPSConnection if self._tls else http.client.HTTPConnection
        return kind(self._host, self._port, timeout=CONNECTING)

    def _unreachable(self, error: OSError) -> Failure:
        # Errors of name resolution number themselves in their own way; errno's text reads best for the others.
        known = error.errno is not None and not isinstance(error, socket.gaierror)
        why = os.strerror(error.errno or 0) if known else str(error.strerror or error) or type(error).__name__
        start = "start one with `segue server`, or `segue lab up FILE`"
        return Failure(f"no Segue server at {self.url}: {why.lower()}; {start}")

    def _refusal(self, status: int, data: bytes) -> Failure:
        try:
            text = str(json.loads(data)["error"])
        except (ValueError, KeyError, TypeError):
            return Failure(f"{self.url} answers, but not as a Segue server does (HTTP status {status})")
        return Mistake(text) if status < 500 else Failure(text)

    def _json(self, data: bytes) -> Any:
        try:
            return json.loads(data)
        except ValueError:
            raise Failure(f"{self.url} answers, but not as a Segue server does") from None


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
