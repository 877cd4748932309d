"""Reading what people name on the command line: files, and standard input."""

from __future__ import annotations

import argparse
import json
import os
import stat
import sys
from pathlib import Path
from typing import BinaryIO

from segue.cli.errors import Mistake

LARGEST = 64 << 20
"""Bytes; the intent parser's own limit. Larger ones are refused unread."""
LARGEST_BODY = 65 << 20
"""Bytes that the server takes in one request."""
FILES = "application/vnd.segue.files+json"
STDIN = "-"


def read(path: str) -> bytes:
    """Raises Mistake."""
    if path == STDIN:
        return _bounded(sys.stdin.buffer, "standard input")
    try:
        with Path(path).open("rb") as file:
            found = os.fstat(file.fileno())
            if stat.S_ISREG(found.st_mode) and found.st_size > LARGEST:
                raise _too_large(path, f"{found.st_size / 1e6:.3g} MB")
            return _bounded(file, path)
    except IsADirectoryError:
        raise Mistake(f"{path} is a directory; name the files in it: {path.rstrip('/')}/*.yaml") from None
    except FileNotFoundError:
        raise Mistake(f"there is no file {path}") from None
    except OSError as error:
        raise Mistake(f"cannot read {path}: {(error.strerror or str(error)).lower()}") from None


def options(parser: argparse.ArgumentParser) -> None:
    """What Heat templates among the files are given."""
    parser.add_argument(
        "--param",
        action="append",
        default=[],
        metavar="NAME=VALUE",
        help="a parameter of a Heat template; may be repeated",
    )
    parser.add_argument(
        "--params",
        action="append",
        default=[],
        metavar="FILE",
        help="a file of parameters, or a Heat environment; may be repeated",
    )


def body(paths: list[str], param: list[str], params: list[str]) -> tuple[bytes, str, str | None]:
    """(body, content type, source): one file as it is, several as the API's list of files. Raises Mistake.

    ``param`` and ``params`` are what the options were given.
    """
    named = [*paths, *params]
    for path in named:
        if named.count(path) > 1:
            raise Mistake(f"{'standard input' if path == STDIN else path} is named twice")
    if len(paths) == 1 and not param and not params:
        return read(paths[0]), "application/yaml", _source(paths[0])
    sent: dict[str, object] = {"files": [_file(path) for path in paths]}
    if param or params:
        sent |= {"parameters": _parameters(param), "environments": [_file(path) for path in params]}
    made = json.dumps(sent, ensure_ascii=False).encode()
    if len(made) > LARGEST_BODY:
        raise Mistake(
            f"the files together make {len(made) / 1e6:.3g} MB; the limit is 64 MiB; apply some of them first"
        )
    return made, FILES, None


def _file(path: str) -> dict[str, str]:
    return {"source": _source(path), "text": _decoded(read(path), path)}


def _parameters(param: list[str]) -> dict[str, str]:
    values: dict[str, str] = {}
    for word in param:
        name, equals, value = word.partition("=")
        if not equals or not name:
            raise Mistake(f"--param {word} gives no value; write --param NAME=VALUE")
        if name in values:
            raise Mistake(f"--param {name} is given twice")
        values[name] = value
    return values


def _source(path: str) -> str:
    return "stdin" if path == STDIN else path


def _bounded(file: BinaryIO, name: str) -> bytes:
    data = file.read(LARGEST + 1)
    if len(data) > LARGEST:
        raise _too_large(name, "more than 67.1 MB")
    return data


def _too_large(name: str, size: str) -> Mistake:
    return Mistake(f"{name} has {size}; the limit is 64 MiB; split it")


def _decoded(data: bytes, path: str) -> str:
    try:
        return data.decode()
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        byte = data[error.start]
        raise Mistake(f"{_source(path)}:{line}: byte 0x{byte:02x} is not UTF-8; save the file as UTF-8") from None
