"""Tokens: what one looks like, what the server keeps of it, and whom it admits. Pure: time and chance are arguments.

A token is ``ID.SECRET``. The secret is 256 random bits, so nobody guesses it or finds it by trying, whatever the hash
costs to compute: a slow one (scrypt, argon2) is for passwords, which people choose, and here it would only make each
request dear and strangers able to keep the server busy. One SHA-256 is therefore enough for the file not to tell the
token (NIST SP 800-63B section 5.1.2.2 asks the same of look-up secrets with 112 bits or more).
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import re
from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Annotated, Any, Literal

import msgspec
import yaml

from segue.inject.token import service_of

Role = Literal["admin", "member", "reader", "agent"]
ROLES: tuple[Role, ...] = ("admin", "member", "reader", "agent")
SECRET_BYTES = 32
_KEEPS = "sha256:"

Id = Annotated[str, msgspec.Meta(pattern=r"^[A-Za-z0-9_-]{1,64}\Z")]
Hash = Annotated[str, msgspec.Meta(pattern=r"^sha256:[0-9a-f]{64}\Z")]
Project = Annotated[str, msgspec.Meta(pattern=r"^[!-~]([ -~]{0,253}[!-~])?\Z")]
Roles = Annotated[tuple[Role, ...], msgspec.Meta(min_length=1)]
Time = Annotated[datetime, msgspec.Meta(tz=True)]


class Token(msgspec.Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True, rename={"purpose": "for"}):
    """What the file says of one token. ``purpose``, for people, is ``for`` in the file."""

    id: Id
    hash: Hash
    project: Project
    roles: Roles
    expires: Time | None = None
    purpose: str = ""

    def ended(self, now: datetime) -> bool:
        return self.expires is not None and now >= self.expires


Tokens = Mapping[str, Token]
"""By id."""


class _File(msgspec.Struct, forbid_unknown_fields=True):
    tokens: list[Token]


class TokensError(Exception):
    """A file of tokens that cannot be used; says what is wrong with it."""


_LOADER = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
_DEEPEST = 8


def _check_shape(text: str) -> None:
    """The loader in C calls itself for each level, and ends the process where there are too many."""
    deep = 0
    for event in yaml.parse(text, Loader=_LOADER):
        if isinstance(event, yaml.AliasEvent):
            raise TokensError("it has an alias; write out what it stands for")
        deep += isinstance(event, yaml.CollectionStartEvent) - isinstance(event, yaml.CollectionEndEvent)
        if deep > _DEEPEST:
            raise TokensError("it is nested too deeply; it is written by `segue token create`")


def parse(text: str) -> dict[str, Token]:
    """Of YAML or JSON text. Raises TokensError."""
    try:
        _check_shape(text)
        loaded = yaml.load(text, Loader=_LOADER)
    except (yaml.YAMLError, ValueError, RecursionError) as error:
        raise TokensError(f"it is no YAML: {' '.join(str(error).split())[:200]}") from None
    if loaded is None:
        return {}
    try:
        listed = msgspec.convert(loaded, _File).tokens
    except msgspec.ValidationError as error:
        raise TokensError(f"{error}; it is written by `segue token create`") from None
    found = {token.id: token for token in listed}
    if len(found) < len(listed):
        seen: set[str] = set()
        twice = next(token.id for token in listed if token.id in seen or seen.add(token.id))  # type: ignore[func-returns-value]
        raise TokensError(f"two tokens have the id {twice}; rename or remove one")
    return found


def render(tokens: Iterable[Token], form: Literal["yaml", "json"]) -> str:
    """What ``parse`` reads back as the same tokens."""
    whole: dict[str, Any] = {"tokens": [shown(token) | {"hash": token.hash} for token in tokens]}
    if form == "json":
        return json.dumps(whole, indent=2) + "\n"
    return yaml.safe_dump(whole, sort_keys=False, allow_unicode=True, width=120)


def shown(token: Token) -> dict[str, Any]:
    """All but the hash, as JSON has it."""
    found: dict[str, Any] = msgspec.to_builtins(token)
    del found["hash"]
    return found


def new_token(
    id: str, secret: bytes, project: str, roles: Iterable[Role], expires: datetime | None = None, purpose: str = ""
) -> tuple[str, Token]:
    """The token itself, and what is kept of it. ``secret``: SECRET_BYTES random bytes. Raises TokensError."""
    if len(secret) != SECRET_BYTES:
        raise ValueError(f"a secret has {SECRET_BYTES} bytes")
    if service_of(id) is not None:
        raise TokensError(f"ids such as {id} are those of injected services' own tokens; choose another")
    text = f"{id}.{base64.urlsafe_b64encode(secret).rstrip(b'=').decode()}"
    said = {"id": id, "hash": digest(text), "project": project, "roles": list(roles), "for": purpose}
    try:
        return text, msgspec.convert({**said, "expires": expires}, Token)
    except msgspec.ValidationError as error:
        raise TokensError(str(error)) from None


def digest(presented: str) -> str:
    return _KEEPS + hashlib.sha256(presented.encode("utf-8", "surrogateescape")).hexdigest()


def admit(tokens: Tokens, presented: str, now: datetime) -> Token | str:
    """The token that ``presented`` is, or why it is none: for the log, never for whoever presented it.

    A text that names nobody is compared as one that does; hashes are compared in constant time. So how long it takes
    tells nothing of secrets.
    """
    token = tokens.get(presented.partition(".")[0])
    right = hmac.compare_digest(digest(presented), token.hash if token is not None else _KEEPS + "0" * 64)
    if token is None:
        return "a token that is not in the file"
    if not right:
        return f"a wrong secret for token {token.id}"
    if token.ended(now):
        return f"token {token.id} has expired"
    return token


_SPAN = re.compile(r"([1-9][0-9]{0,5})([smhdw])\Z")
_SECONDS = {"s": 1, "m": 60, "h": 3600, "d": 86400, "w": 604800}


def seconds(text: str) -> int | None:
    """Of ``30d``, ``12h``; None of anything else."""
    found = _SPAN.match(text)
    return int(found[1]) * _SECONDS[found[2]] if found else None
