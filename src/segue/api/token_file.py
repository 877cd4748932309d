"""The file of tokens on the disk: read again whenever it changes, and changed whole or not at all."""

from __future__ import annotations

import contextlib
import fcntl
import logging
import os
import stat
import tempfile
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path

from segue.api.tokens import Token, Tokens, TokensError, admit, parse, render

log = logging.getLogger(__name__)

LARGEST = 16 << 20
"""Bytes."""
_Signature = tuple[int, int, int, int]


def _signature(found: os.stat_result) -> _Signature:
    return found.st_mtime_ns, found.st_ino, found.st_size, found.st_ctime_ns


def read(path: Path) -> tuple[dict[str, Token], _Signature]:
    """Raises TokensError, with the path."""
    try:
        with path.open("rb") as file:
            found = os.fstat(file.fileno())
            if not stat.S_ISREG(found.st_mode):
                raise TokensError(f"{path}: it is no file")
            if found.st_mode & (stat.S_IWGRP | stat.S_IWOTH):
                raise TokensError(f"{path}: others than its owner may write to it; say: chmod 600 {path}")
            data = file.read(LARGEST + 1)
    except OSError as error:
        raise TokensError(f"{path}: {(error.strerror or str(error)).lower()}") from None
    if len(data) > LARGEST:
        raise TokensError(f"{path}: it is larger than {LARGEST >> 20} MiB")
    try:
        return parse(data.decode()), _signature(found)
    except UnicodeDecodeError:
        raise TokensError(f"{path}: it is no UTF-8 text") from None
    except TokensError as error:
        raise TokensError(f"{path}: {error}") from None


class TokenFile:
    """The server's view of the file: as it is now, or as it was when it could last be read.

    Asking costs one ``stat``. Raises TokensError when it cannot be read at the beginning.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._tokens: Tokens
        self._seen: _Signature | None
        self._tokens, self._seen = read(path)
        self._said = ""

    def admit(self, presented: str) -> Token | str:
        return admit(self._now(), presented, datetime.now(UTC))

    def names(self, presented: str) -> bool:
        """Whether the file has a token of this id, whatever its secret is."""
        return presented.partition(".")[0] in self._now()

    def holds(self, token: Token) -> bool:
        """Whether the token, admitted before, still is as it was."""
        return self._now().get(token.id) == token and not token.ended(datetime.now(UTC))

    def _now(self) -> Tokens:
        try:
            found = _signature(self._path.stat())
        except OSError as error:
            self._keep(f"{self._path}: {(error.strerror or str(error)).lower()}")
            return self._tokens
        if found == self._seen:
            return self._tokens
        try:
            self._tokens, self._seen = read(self._path)
        except TokensError as error:
            self._seen = found
            self._keep(str(error))
        else:
            self._said = ""
            log.info("%s has changed; it has %d tokens now", self._path, len(self._tokens))
        return self._tokens

    def _keep(self, why: str) -> None:
        if why != self._said:
            log.error("%s. The tokens of before stay in force; none of them can be revoked until it is repaired", why)
        self._said = why


@contextlib.contextmanager
def _alone(directory: Path) -> Iterator[None]:
    """One writer at a time. The directory is locked, not the file, which is replaced."""
    descriptor = os.open(directory, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def change(path: Path, make: Callable[[dict[str, Token]], dict[str, Token]]) -> None:
    """Put ``make(tokens)`` in place of the file's tokens; a file that is not there has none.

    Readers see the old file or the new one; a crash leaves one of them. It stays its owner's, who alone may read it.
    Raises TokensError, and what ``make`` raises; then nothing is changed.
    """
    path = path.resolve()
    try:
        with _alone(path.parent):
            there = path.exists()
            new = make(read(path)[0] if there else {})
            text = render(new.values(), "json" if path.suffix == ".json" else "yaml")
            _replace(path, text.encode(), path.stat() if there else None)
    except OSError as error:
        raise TokensError(f"{path}: {(error.strerror or str(error)).lower()}") from None


def _replace(path: Path, data: bytes, owner: os.stat_result | None) -> None:
    """``mkstemp`` makes a file of mode 0600."""
    descriptor, name = tempfile.mkstemp(prefix=f".{path.name}.", dir=path.parent)
    try:
        with os.fdopen(descriptor, "wb") as file:
            if owner is not None and (owner.st_uid, owner.st_gid) != (os.geteuid(), os.getegid()):
                os.fchown(file.fileno(), owner.st_uid, owner.st_gid)
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        Path(name).replace(path)
    except BaseException:
        Path(name).unlink(missing_ok=True)
        raise
