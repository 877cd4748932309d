"""What holds for whatever bytes. Each target takes bytes, and raises where it does not.

- `decode`: a message is read, or refused by ProtocolError; what was read is written, read again and the same; the
  compiled core and Python agree on the message, on the octets and on the words of the refusal.
- `connection`: of either end, in each version, with and without a handshake: events or ProtocolError, the same
  however the bytes are cut, and the same in both.
- `match`: the same of matches, of single fields and of statistics, in every context.
- `json`: what was read becomes JSON and comes back as it was; JSON of whatever form is a message or a JsonError.
- `pump`: both pumps call the same handlers in the same order and send the same octets.
"""

from __future__ import annotations

import json as text
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any, Final

from .both import compiled, pure

HEADER: Final = 8
MOST: Final = 0xFFFF
_LEAST_ERRORS: Final = 8


class Finding(AssertionError):
    """A property that does not hold."""


def same(what: str, one: Any, other: Any) -> None:
    if one != other:
        raise Finding(f"{what}:\n  {one!r:.1500}\n  {other!r:.1500}")


def framed(data: bytes) -> bytes:
    """The bytes as one message whose header tells their true length."""
    if len(data) < HEADER:
        return data
    data = data[:MOST]
    return data[:2] + len(data).to_bytes(2, "big") + data[4:]


def _refusal(e: Any) -> tuple[str, str, str]:
    return type(e).__name__, str(e), getattr(e, "error", "")


# -- messages ------------------------------------------------------------------------------------------------------


def _reading(lib: SimpleNamespace, frame: bytes) -> tuple[Any, ...]:
    try:
        msg, xid, version = lib.codec.decode(frame)
    except lib.wire.ProtocolError as e:
        return _refusal(e)
    if version not in lib.wire.VERSIONS:
        return repr(msg), xid, version
    try:
        again = lib.codec.encode(msg, xid, version)
    except lib.wire.EncodeError as e:
        if "a header can say" not in str(e):
            raise Finding(f"{msg!r:.1000} was read and cannot be written: {e}") from e
        return repr(msg), xid, version, str(e)
    once_more = lib.codec.decode(again)
    same("written and read again", once_more, (msg, xid, version))
    same("written twice", lib.codec.encode(*once_more).hex(), again.hex())
    return repr(msg), xid, version, again.hex()


def decode(data: bytes) -> None:
    for frame in {data, framed(data)}:
        same(f"of {frame[:64].hex()}", _reading(compiled(), frame), _reading(pure(), frame))


# -- connections ---------------------------------------------------------------------------------------------------


def _conversation(lib: SimpleNamespace, control: int, step: int, stream: bytes) -> tuple[list[str], str]:
    """The events, and all that was sent, when the stream comes in pieces of `step` octets."""
    side = "switch" if control & 1 else "controller"
    version = control >> 1 & 7
    versions = (version,) if version in lib.wire.VERSIONS else lib.wire.VERSIONS
    limits = lib.connection.Limits(errors=_LEAST_ERRORS, parts=16, assembled=1 << 16, assemblies=2, remembered=4)
    connection = lib.connection.Connection(0.0, side=side, versions=versions, limits=limits)
    p = lib.protocol
    found: list[str] = []
    if version in lib.wire.VERSIONS:
        connection.receive_data(lib.codec.encode(p.Hello(), 1, version), 0.0)
        if side == "controller" and control & 16:
            for n in range(3):  # of which replies in the stream may be
                connection.send(p.FeaturesRequest(), 0x01020304 + 4 * n)
                connection.send(p.DescRequest(), 0x01020305 + 4 * n)
                connection.send(p.FlowStatsRequest(), 0x01020306 + 4 * n, stream=n == 2)
                connection.send(p.FlowMod({"in_port": n}), 0x01020307 + 4 * n)
    sent = [connection.data_to_send()]
    try:
        for offset in range(0, len(stream), step):
            events: list[Any] = []
            try:
                connection.receive_data(stream[offset : offset + step], 1.0, events)
            finally:
                found += map(repr, events)
                sent.append(connection.data_to_send())
        for now in (7.0, 20.0, 40.0):
            found += map(repr, connection.handle_timer(now))
            sent.append(connection.data_to_send())
    except lib.wire.ProtocolError as e:
        found.append(repr(_refusal(e)))
    sent.append(connection.data_to_send())
    return found, b"".join(sent).hex()


def connection(data: bytes) -> None:
    control, step, stream = (data[0], data[1] or 1, data[2:]) if len(data) > 2 else (0, 1, data)
    whole = _conversation(compiled(), control, max(1, len(stream)), stream)
    same("in both", whole, _conversation(pure(), control, max(1, len(stream)), stream))
    same("in pieces", whole, _conversation(compiled(), control, step, stream))


# -- matches -------------------------------------------------------------------------------------------------------


def _fields(lib: SimpleNamespace, version: int, data: bytes) -> list[Any]:
    m, found = lib.match, []
    readers: list[tuple[Callable[[], Any], Callable[[Any], bytes]]] = [
        (lambda: m.decode_nxm(data, 0, len(data)), m.encode_nxm),
        (lambda: m.decode_oxm(data, 0, len(data), version)[:3], lambda read: m.encode_oxm(*read, version)),
        (
            lambda: m.decode_oxm_id(data, 0, len(data), version)[:2],
            lambda read: m.encode_oxm_id(read[0], version, read[1]),
        ),
        (lambda: lib.stats.decode_stats(data, 0, len(data))[0], lib.stats.encode_stats),
    ]
    if version:
        readers.append(
            (lambda: m.decode_match(data, 0, len(data), version)[0], lambda read: m.encode_match(read, version))
        )
    for read, write in readers:
        try:
            value = read()
        except lib.wire.ProtocolError as e:
            found.append(_refusal(e))
            continue
        try:
            found.append((repr(value), write(value).hex()))
        except lib.wire.EncodeError as e:
            if "65535" not in str(e) and "65,535" not in str(e):
                raise Finding(f"{value!r:.1000} was read and cannot be written: {e}") from e
    return found


def match(data: bytes) -> None:
    version, body = (data[0] % 7, data[1:]) if data else (0, b"")
    same("fields", _fields(compiled(), version, body), _fields(pure(), version, body))
    if version:
        p, wire = compiled().protocol, compiled().wire
        # A message with a match at its end, or, before 1.2, at its beginning: there the compiled core reads it.
        message = compiled().codec.encode(p.FlowRemoved({}), 1, version)
        if version < wire.V12:
            size = 40 if version == wire.V10 else 88
            frame = message[:8] + body[:size].ljust(size, b"\0") + message[8 + size :]
        else:
            frame = message[:-8] + body
        decode(frame)


# -- JSON ----------------------------------------------------------------------------------------------------------


def json(data: bytes) -> None:
    lib = compiled()
    if data[:1] == b"{":
        _json_of_any_form(lib, data)
        return
    frame = framed(data)
    try:
        msg, xid, version = lib.codec.decode(frame)
    except lib.wire.ProtocolError:
        return
    obj = text.loads(text.dumps(lib.as_json.to_json(msg, xid, version), allow_nan=False))
    again = lib.as_json.from_json(obj)
    same("through JSON", again, (msg, xid, version))


def _json_of_any_form(lib: SimpleNamespace, data: bytes) -> None:
    try:
        obj = text.loads(data)
    except (ValueError, RecursionError):
        return
    try:
        msg, xid, version = lib.as_json.from_json(obj)
    except lib.as_json.JsonError:
        return
    try:
        frame = lib.codec.encode(msg, xid, version)
    except lib.wire.EncodeError:
        return
    try:
        read = lib.codec.decode(frame)
    except lib.wire.ProtocolError as e:
        if "Unknown" in repr(msg):  # octets of the writer's own making may be anything
            return
        raise Finding(f"{msg!r:.1000} was written and cannot be read: {e}") from e
    again = lib.as_json.from_json(text.loads(text.dumps(lib.as_json.to_json(*read))))
    same("through JSON", again, read)


# -- pumps ---------------------------------------------------------------------------------------------------------


def _pumping(lib: SimpleNamespace, control: int, step: int, stream: bytes) -> tuple[list[str], str]:
    version = lib.wire.VERSIONS[(control & 7) % 6]
    limits = lib.connection.Limits(errors=_LEAST_ERRORS)
    side = "switch" if control & 8 else "controller"
    connection = lib.connection.Connection(0.0, side=side, versions=(version,), limits=limits)
    p = lib.protocol
    connection.receive_data(lib.codec.encode(p.Hello(), 1, version), 0.0)
    log: list[str] = []
    sent = [connection.data_to_send()]

    def cold(frame: bytes) -> bytes:
        log.append(f"cold {frame[:16].hex()} {len(frame)}")
        log.extend(repr(event) for event in connection.receive_frame(frame, 1.0))
        data: bytes = connection.data_to_send()
        return data

    def packet_in(switch: Any, msg: Any) -> Any:
        log.append(repr(msg))
        log.append(f"{msg.eth_src:x} {msg.eth_dst:x} {msg.eth_type:x}" if hasattr(msg, "eth_type") else "")
        return p.PacketOut.answering(msg, [p.Output(lib.wire.FLOOD)])

    def others(switch: Any, msg: Any) -> Any:
        log.append(repr(msg))
        choice = len(log) % 6
        if choice == 0:
            raise RuntimeError("a handler that fails")
        mod = p.FlowMod({"eth_dst": 1}, (p.Output(2),), priority=len(log))
        wrong = p.FlowMod({"eth_dst": 1 << 60})
        return (None, [mod, mod], (mod, wrong), "odd", wrong)[choice - 1]

    pump = lib.Pump(
        version,
        "switch",
        cold,
        lambda msg, result: log.append(f"odd {result!r}"),
        lambda msg, e: log.append(f"failed {type(e).__name__}: {e}"),
    )
    if control & 16:
        pump.set_hot(10, packet_in)
    for kind in (11, 12, 2) if control & 32 else ():
        pump.set_hot(kind, others)
    try:
        for offset in range(0, len(stream), step):
            sent.append(bytes(pump.feed(memoryview(stream)[offset : offset + step])))
            log.append(f"pending {pump.pending}")
    except lib.wire.ProtocolError as e:
        log.append(repr(_refusal(e)))
        sent.append(connection.data_to_send())
        same("a pump that was stopped", bytes(pump.feed(stream)), b"")
    return log, b"".join(sent).hex()


def pump(data: bytes) -> None:
    control, step, stream = (data[0], data[1] or 1, data[2:]) if len(data) > 2 else (48, 1, data)
    for size in (step, max(1, len(stream))):
        same("in both", _pumping(compiled(), control, size, stream), _pumping(pure(), control, size, stream))


TARGETS: Final[dict[str, Callable[[bytes], None]]] = {
    "decode": decode,
    "connection": connection,
    "match": match,
    "json": json,
    "pump": pump,
}
