"""Who asks: what authentication found out, and all that the rules know of it."""

from __future__ import annotations

import msgspec


class Caller(msgspec.Struct, frozen=True):
    """``project`` owns what the caller creates. An ``admin`` sees and changes the objects of every project."""

    project: str
    admin: bool = False
    roles: tuple[str, ...] = ()
    user: str = ""
