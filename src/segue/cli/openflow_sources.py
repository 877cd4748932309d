"""Where OpenFlow messages come from: words, files of several kinds, and live peers. All give `Said`."""

from __future__ import annotations

import argparse
import json
import re
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, BinaryIO, NamedTuple

from segue.cli import files
from segue.cli.errors import Failure, Mistake
from segue.cli.openflow_capture import CaptureError, is_capture, packets
from segue.cli.openflow_frames import Frame, Frames
from segue.cli.openflow_time import microseconds, now

_CHUNK = 1 << 16
_OFFSET = re.compile(r"^\s*[0-9a-fA-F]{4,8}(:\s+|  +)(?=[0-9a-fA-F])")
_TEXT = frozenset(b"\t\r\n" + bytes(range(0x20, 0x7F)))
LONGEST_LINE = 1 << 20
_LONGEST_NAME = 256


class Said(NamedTuple):
    """One message's octets, or, with a `reason`, octets that are none. `time` is in microseconds since 1970; `source`
    and `destination` are addresses, or "switch" and "controller"."""

    frame: Frame
    time: int | None = None
    source: str = ""
    destination: str = ""
    connection: int = 0


Note = Callable[[str], None]


def ports(text: str) -> frozenset[int]:
    """Raises Mistake."""
    words = text.split(",")
    if not all(word.isascii() and word.isdecimal() and int(word) < 65536 for word in words):
        raise Mistake(f"--port {text}: port numbers are wanted, with commas between them, such as 6653,6633")
    return frozenset(map(int, words))


def hexadecimal(chunks: list[str]) -> Iterator[Said]:
    """Messages of words or lines of hexadecimal digits. Where any of them is whole in itself each is read by itself,
    so that a wrong one does not spoil the others; else they are parts of one stream."""
    streams = [_octets(chunk) for chunk in chunks if chunk.strip()]
    if not any(_whole(data) for data in streams):
        streams = [b"".join(streams)]
    base = 0
    for data in streams:
        frames = Frames()
        for frame in [*frames.feed(data), *frames.finish()]:
            yield Said(frame._replace(offset=base + frame.offset))
        base += len(data)


def _octets(chunk: str) -> bytes:
    digits = re.sub(r"[\s:-]|0[xX]", "", chunk)
    try:
        return bytes.fromhex(digits)
    except ValueError:
        wrong = re.search(r"[^0-9a-fA-F]", digits)
        why = f"{wrong[0]!r} is no hexadecimal digit" if wrong else "it has an odd number of digits"
        if wrong and len(chunk) < _LONGEST_NAME and Path(chunk).is_file():
            why += f"; for the file write --file {chunk}"
        raise Mistake(f"{chunk.strip()[:40]!r}: {why}") from None


def _whole(data: bytes) -> bool:
    frames = Frames()
    found = frames.feed(data)
    return bool(found) and not frames.finish() and not any(frame.reason for frame in found)


def dump(text: str) -> Iterator[Said]:
    """Hexadecimal text: messages by line, or dumps with offsets at the left and characters at the right. Blank lines
    and comments (`#`) divide."""
    paragraph: list[str] = []
    for line in [*text.splitlines(), ""]:
        bare = line.partition("#")[0].partition("|")[0].rstrip()
        offset = _OFFSET.match(bare)
        if offset:
            bare = re.split(r"\s{2,}", bare[offset.end() :].strip(), maxsplit=0 if "-" in bare else 1)[0]
        if bare.strip():
            paragraph.append(bare)
        elif paragraph:
            yield from hexadecimal(paragraph)
            paragraph = []


class _Peeked:
    """A file of which some octets were read already."""

    def __init__(self, file: BinaryIO, size: int) -> None:
        self._file = file
        self.head = self._read(size)
        self._held = self.head

    def _read(self, size: int) -> bytes:
        parts = []
        while size > 0 and (data := self._file.read(size)):
            parts.append(data)
            size -= len(data)
        return b"".join(parts)

    def read(self, size: int = -1) -> bytes:
        held, self._held = self._held[:size] if size >= 0 else self._held, b"" if size < 0 else self._held[size:]
        return held + (self._file.read() if size < 0 else self._read(size - len(held)))

    def some(self) -> bytes:
        """What there is, and not nothing before the end."""
        held, self._held = self._held, b""
        reader: Any = getattr(self._file, "read1", self._file.read)
        return held or reader(_CHUNK)


def opened(path: str) -> BinaryIO:
    """Raises Mistake."""
    if path == files.STDIN:
        return sys.stdin.buffer
    try:
        return Path(path).open("rb")
    except OSError as error:
        raise Mistake(f"cannot read {path}: {(error.strerror or str(error)).lower()}") from None


def of_file(path: str, wanted: frozenset[int], note: Note, *, capture: bool = False) -> Iterator[Said]:
    """All that is in a file, whatever kind of file it is. Raises Mistake, CaptureError."""
    with opened(path) as file:
        peeked = _Peeked(file, 4)
        head = peeked.head
        if capture or is_capture(head):
            yield from of_capture(peeked, wanted, note)
        elif head[:1] == b"{":
            yield from of_recording(peeked, note)
        elif head and all(octet in _TEXT for octet in head):
            try:
                yield from dump(_decoded(peeked.read(files.LARGEST + 1), path))
            except Mistake as error:
                raise Mistake(f"{'standard input' if path == files.STDIN else path}: {error}") from None
        else:
            yield from _binary(peeked)


def _decoded(data: bytes, path: str) -> str:
    if len(data) > files.LARGEST:
        raise Mistake(f"{path} has more than 64 MiB of hexadecimal text; make it binary, or divide it")
    return data.decode("ascii", "replace")


def _binary(file: _Peeked) -> Iterator[Said]:
    frames = Frames()
    while data := file.some():
        for frame in frames.feed(data):
            yield Said(frame)
    for frame in frames.finish():
        yield Said(frame)


def of_capture(file: Any, wanted: frozenset[int], note: Note) -> Iterator[Said]:
    """Messages of the connections in a capture, in the order in which they became whole."""
    from segue.cli.openflow_tcp import Chunk, Streams

    streams = Streams(wanted, note)
    framed: dict[tuple[str, str, int], Frames] = {}
    seen = 0

    def said(chunk: Chunk) -> Iterator[Said]:
        key = (chunk.source, chunk.destination, chunk.connection)
        frames = framed.get(key)
        if frames is None or chunk.begin:
            frames = framed[key] = Frames()
        found: list[Frame] = []
        if chunk.gap:
            found += frames.gap(chunk.gap)
            many = f"{chunk.gap} octets are" if chunk.gap > 0 else "the beginning of the connection is"
            note(f"{chunk.source} > {chunk.destination}: {many} not in the capture before octet {frames.offset}")
        if chunk.data:
            found += frames.resume(chunk.data)
        if chunk.end:
            found += frames.finish()
            framed.pop(key, None)
        for frame in found:
            yield Said(frame, chunk.time, chunk.source, chunk.destination, chunk.connection)

    try:
        for packet in packets(file):
            for chunk in streams.packet(packet):
                seen += 1
                yield from said(chunk)
    except CaptureError as error:
        for chunk in streams.finish():
            yield from said(chunk)
        raise Failure(str(error)) from None
    for chunk in streams.finish():
        yield from said(chunk)
    if not seen:
        listed = ", ".join(map(str, sorted(wanted)))
        raise Failure(f"no connection in the capture has TCP port {listed}; name others with --port")


def of_recording(file: Any, note: Note) -> Iterator[Said]:
    """Messages of a recording. A last line that is not whole was being written when the recorder was stopped."""
    framed: dict[tuple[int, str], Frames] = {}
    held, number = b"", 0
    while True:
        data = file.some()
        *lines, held = (held + data).split(b"\n")
        if len(held) > LONGEST_LINE:
            raise Mistake(f"line {number + len(lines) + 1} is longer than any line of a recording")
        for line in lines:
            number += 1
            if line.strip():
                yield from _line(line, number, framed)
        if not data:
            break
    if held.strip():
        try:
            yield from _line(held, number + 1, framed)
        except Mistake:
            note(f"line {number + 1} is not whole: the recording was stopped there")
    for (connection, side), frames in framed.items():
        for frame in frames.finish():
            yield Said(frame, None, side, "", connection)


def _line(line: bytes, number: int, framed: dict[tuple[int, str], Frames]) -> Iterator[Said]:
    try:
        obj = json.loads(line)
        time, connection, side, octets = obj["time"], obj["connection"], obj["from"], bytes.fromhex(obj["hex"])
        if side not in ("switch", "controller") or not isinstance(connection, int):
            raise ValueError(side)
        at = microseconds(time)
    except (ValueError, KeyError, TypeError, RecursionError):
        hint = ""
        if b'"type"' in line and b'"hex"' not in line:
            hint = "; messages in JSON are read by `segue openflow encode`"
        raise Mistake(f"line {number} is no line of a recording{hint}") from None
    other = "controller" if side == "switch" else "switch"
    for frame in framed.setdefault((connection, side), Frames()).feed(octets):
        yield Said(frame, at, side, other, connection)


def of_peer(args: argparse.Namespace, note: Note) -> Iterator[Said]:
    """What one live peer says, until it ends. Raises Mistake, Failure."""
    import socket

    from segue.cli.openflow_sockets import accept_one, call, end, name_of_peer
    from segue.cli.openflow_tls import certificates, why

    tls = certificates(args, end(args.connect or args.listen, listen=not args.connect))
    peer = call(args.connect, tls) if args.connect else accept_one(args.listen, note, tls)
    frames = Frames()
    name = args.connect or "peer"
    with peer:
        if peer.family != socket.AF_UNIX:
            name = name_of_peer(peer)
        while True:
            try:
                data = peer.recv(_CHUNK)
            except OSError as error:
                note(f"{name}: {why(error)}")
                data = b""
            for frame in frames.feed(data) if data else frames.finish():
                yield Said(frame, now(), name)
            if not data:
                return
