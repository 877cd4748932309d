"""What the gate knows of a request once it has let it in."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, cast

import msgspec

from segue.api.limits import whence
from segue.neutron.caller import Caller


class Ended(Exception):
    """The token of a request that is under way holds no more."""


class Admitted(msgspec.Struct, frozen=True):
    """``key``: what the log and the limits call the caller. ``holds``: whether it would still be let in."""

    caller: Caller
    key: str
    holds: Callable[[], bool]


def caller_of(scope: Any) -> Caller:
    """Who asks, of a request that the gate let through; raises LookupError for one that has not come through it."""
    try:
        return cast("Caller", scope["user"])
    except KeyError:
        raise LookupError("this request did not come through the gate") from None


def check(scope: Any) -> None:
    """In the same turn of the loop as a change that something was waited for before. Raises Ended."""
    if not scope["holds"]():
        raise Ended("the token that this request came with has ended meanwhile; nothing was changed")


def address_of(scope: Any) -> str:
    return whence(scope["client"][0]) if scope["client"] else "the unix socket"


def who(scope: Any) -> str:
    """For the log."""
    caller = caller_of(scope)
    return f"{caller.user or 'somebody'} of project {caller.project!r} at {address_of(scope)}"
