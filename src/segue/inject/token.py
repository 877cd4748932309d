"""The token of a service: what one looks like, what is kept of it, and whether one is it.

A token is ``service-KEY-N.SECRET``: the service's number, and how many it has had. The secret is 256 random bits, so
one SHA-256 of it is enough for the store not to tell the token. Time and chance are arguments.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import re

import msgspec

SECRET_BYTES = 32
_ID = re.compile(r"service-([1-9][0-9]{0,9})-([1-9][0-9]{0,9})\Z")


class Kept(msgspec.Struct, frozen=True, omit_defaults=True):
    """What the store has of a token. ``number``: which of the service's it is. ``created`` and ``expires`` are seconds
    since 1970; None: it does not expire. A revoked one is kept so that its number is not given again."""

    number: int
    hash: str
    created: float
    expires: float | None = None
    revoked: bool = False


def service_of(token: str) -> int | None:
    """The number of the service whose token it says to be; None where it does not look like one."""
    found = _ID.match(token.partition(".")[0])
    return int(found[1]) if found else None


def mint(service: int, before: Kept | None, secret: bytes, now: float, lasts: float | None) -> tuple[str, Kept]:
    """A new token and what is kept of it. ``secret``: SECRET_BYTES random octets; ``lasts``: seconds."""
    number = before.number + 1 if before else 1
    text = base64.urlsafe_b64encode(secret).rstrip(b"=").decode()
    expires = None if lasts is None else now + lasts
    return f"service-{service}-{number}.{text}", Kept(number, _hash(text), now, expires)


def wrong(service: int, kept: Kept | None, token: str, now: float) -> str:
    """Why ``token`` is not the service's, for the log of whoever runs the server; empty where it is."""
    id, _, secret = token.partition(".")
    if kept is None or kept.revoked:
        return f"{id}: revoked"
    if not hmac.compare_digest(_hash(secret), kept.hash):
        return f"{id}: not the secret of the service's token, which is its number {kept.number}"
    if id != f"service-{service}-{kept.number}":
        return f"{id}: not the service's token"
    if kept.expires is not None and now >= kept.expires:
        return f"{id}: expired"
    return ""


def _hash(secret: str) -> str:
    return hashlib.sha256(secret.encode()).hexdigest()
