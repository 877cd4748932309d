"""OVSDB's wire protocol without the wire: RFC 7047, bytes in, events out.

Section 4 runs JSON-RPC 1.0 over a stream: JSON objects one right after the other, with nothing between them
to say where one ends. So the splitter counts brackets outside of strings; whether the text between them is
JSON is the decoder's business. Both sides may send requests: the server's `echo` (section 4.1.11) is
answered here, so that a session stays alive whatever its owner is doing.

The rest of the driver is written against this and three more parts: `ovsdb_replica` (what the monitored tables
say), `ovsdb_changes` (operations of `transact`), `ovsdb_client` (sockets and waiting).
"""

import re
from collections.abc import Mapping
from typing import Any, TypeAlias

import msgspec

# A reply that is larger than this is not a switch's configuration. 10,000 ports come to about 10 MB.
LARGEST_MESSAGE = 256 << 20

Json: TypeAlias = Any


class OvsdbError(Exception):
    """The root of what this client raises; the text is fit to be shown to a user."""


class ProtocolError(OvsdbError):
    """The peer does not speak OVSDB; the connection is of no further use."""


class OvsdbUnreachable(OvsdbError):
    """No connection could be made to `target`."""

    def __init__(self, target: str, reason: str) -> None:
        super().__init__(f"cannot reach an OVSDB server at {target}: {reason}. Is ovsdb-server running there?")
        self.target, self.reason = target, reason


class OvsdbLost(OvsdbError):
    """The connection is gone. Whether a transaction still under way was carried out is unknown."""

    def __init__(self, target: str, reason: str) -> None:
        super().__init__(f"the connection to the OVSDB server at {target} was lost: {reason}.")
        self.target, self.reason = target, reason


class OvsdbRefused(OvsdbError):
    """The server answered a request with an error: RFC 7047's short `error` string and its `details`. Nothing
    was changed."""

    def __init__(self, error: str, details: str) -> None:
        super().__init__(f"the OVSDB server refused: {error}" + (f" ({details})" if details else ""))
        self.error, self.details = error, details


class OvsdbTimeout(OvsdbError):
    """The configuration was stored, but ovs-vswitchd did not carry it out in time."""


class BridgeMissing(OvsdbError):
    """There is no bridge of that name."""

    def __init__(self, bridge: str) -> None:
        super().__init__(f"Open vSwitch has no bridge {bridge!r}.")
        self.bridge = bridge


class PortRefused(OvsdbError):
    """A port of that name exists and is not ours to change. Nothing was changed."""


class PortFailed(OvsdbError):
    """The port is configured, but ovs-vswitchd cannot make it; `reason` is the Interface's `error`."""

    def __init__(self, name: str, reason: str) -> None:
        super().__init__(f"Open vSwitch cannot bring up port {name!r}: {reason}")
        self.name, self.reason = name, reason


class Response(msgspec.Struct, frozen=True):
    """The answer to request `id`; `error` is None if it succeeded."""

    id: Json
    result: Json
    error: Json


class Notification(msgspec.Struct, frozen=True):
    """A message that wants no answer: `update` (section 4.1.6), and others."""

    method: str
    params: Json


Event: TypeAlias = Response | Notification

# A whole string, the start of one whose end is not here yet, or a bracket.
_TOKEN = re.compile(rb'"[^"\\]*(?:\\.[^"\\]*)*"|"|[{}\[\]]', re.DOTALL)
_BLANK = re.compile(rb"[ \t\r\n]*")


class Splitter:
    """Cuts a stream into the JSON objects it consists of."""

    def __init__(self, largest: int = LARGEST_MESSAGE) -> None:
        self._buffer = bytearray()
        self._scanned = 0
        self._depth = 0
        self._largest = largest

    def feed(self, data: bytes) -> list[bytes]:
        """The objects that `data` completes, as text. Raises ProtocolError."""
        self._buffer += data
        texts = []
        start = 0
        while (end := self._end(start)) is not None:
            texts.append(bytes(self._buffer[start:end]))
            start = end
        del self._buffer[:start]
        self._scanned -= start
        if len(self._buffer) > self._largest:
            raise ProtocolError(f"an OVSDB message is longer than {self._largest} bytes.")
        return texts

    def _end(self, start: int) -> int | None:
        """Where the object ends that begins at or after `start`; None if its end is not here yet."""
        buffer = self._buffer
        if self._depth == 0:
            blank = _BLANK.match(buffer, start)
            first = blank.end() if blank else start
            if first < len(buffer) and buffer[first] != ord("{"):
                raise ProtocolError(f"not an OVSDB message: {bytes(buffer[first : first + 40])!r}.")
            self._scanned = first
        for token in _TOKEN.finditer(buffer, self._scanned):
            what = token.group()
            if what == b'"':
                self._scanned = token.start()
                return None
            if what in b"{[":
                self._depth += 1
            elif what in b"}]":
                self._depth -= 1
                if self._depth == 0:
                    self._scanned = token.end()
                    return token.end()
        self._scanned = len(buffer)
        return None


class Connection:
    """One session: requests are numbered and queued for sending, what arrives comes out as events."""

    def __init__(self) -> None:
        self._splitter = Splitter()
        self._outgoing: list[bytes] = []
        self._last_id = 0

    def request(self, method: str, params: Json) -> int:
        """Queue a request; its id."""
        self._last_id += 1
        self._send({"method": method, "params": params, "id": self._last_id})
        return self._last_id

    def outgoing(self) -> bytes:
        """What is to be written to the peer now; given once."""
        data = b"".join(self._outgoing)
        self._outgoing.clear()
        return data

    def receive(self, data: bytes) -> list[Event]:
        """Raises ProtocolError. There may be something in `outgoing` afterwards."""
        events: list[Event] = []
        for text in self._splitter.feed(data):
            try:
                message: dict[str, Json] = msgspec.json.decode(text)
            except (msgspec.DecodeError, UnicodeDecodeError) as error:
                raise ProtocolError(f"not an OVSDB message: {error}.") from error
            method, asked = message.get("method"), message.get("id")
            if method is None:
                events.append(Response(asked, message.get("result"), message.get("error")))
            elif asked is None:
                events.append(Notification(str(method), message.get("params")))
            elif method == "echo":
                self._send({"id": asked, "result": message.get("params"), "error": None})
            else:
                self._send({"id": asked, "result": None, "error": "unknown method"})
        return events

    def _send(self, message: Mapping[str, Json]) -> None:
        self._outgoing.append(msgspec.json.encode(message))
