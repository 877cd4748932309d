"""``segue openflow encode``: JSON to bytes."""

from __future__ import annotations

import argparse
import json
import re
import sys
from collections.abc import Iterator
from typing import Any

from segue.cli import files
from segue.cli.errors import Mistake
from segue.openflow.as_json import JsonError, from_json
from segue.openflow.codec import encode
from segue.openflow.wire import V15, VERSION_NAMES, EncodeError

_HEX = re.compile(rb"\s*[0-9a-fA-F]+\s*")
CIRCUMSTANCES = ("time", "connection", "datapath", "from", "to")
"""What `decode` and `watch` say besides the message."""


def run(args: argparse.Namespace) -> int:
    source = files.read(args.file)
    for where, obj in _objects(source):
        data = _octets(obj, where)
        if args.output == "hex":
            print(data.hex())
        else:
            sys.stdout.buffer.write(data)
    return 0


def _objects(source: bytes) -> Iterator[tuple[str, Any]]:
    """Each with the place where it stands. Raises Mistake."""
    stripped = source.lstrip()
    if stripped[:1] != b"[":
        for number, line in enumerate(source.splitlines(), 1):
            if line.strip():
                try:
                    yield f"line {number}", json.loads(line)
                except (ValueError, RecursionError) as error:
                    if number == 1 and (whole := _whole(source)) is not None:
                        yield "the message", whole
                        return
                    hint = "; hexadecimal is read by `segue openflow decode`" if _HEX.fullmatch(line) else ""
                    raise Mistake(f"line {number}: this is not JSON{hint or f': {error}'}") from None
        return
    try:
        listed = json.loads(source)
    except (ValueError, RecursionError) as error:
        raise Mistake(f"this is not JSON: {error}") from None
    yield from ((f"message {number}", obj) for number, obj in enumerate(listed, 1))


def _whole(source: bytes) -> Any:
    """One object on several lines; None if it is not that."""
    try:
        return json.loads(source)
    except (ValueError, RecursionError):
        return None


def _octets(obj: Any, where: str) -> bytes:
    if isinstance(obj, dict):
        obj = {key: value for key, value in obj.items() if key not in CIRCUMSTANCES}
        if "undecoded" in obj:
            try:
                return bytes.fromhex(obj["undecoded"])
            except (ValueError, TypeError):
                raise Mistake(f"{where}: undecoded: hexadecimal octets are wanted") from None
    try:
        message, xid, version = from_json(obj)
        if version not in VERSION_NAMES:  # a hello of a version to come
            return bytes([version]) + encode(message, xid, V15)[1:]
        return encode(message, xid, version)
    except (JsonError, EncodeError) as error:
        raise Mistake(f"{where}: {error}") from None
