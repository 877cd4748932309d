"""What a connection tells of: the events that `connection.Connection` returns, and the errors that end it or a
request."""

from typing import Any

import msgspec

from segue.openflow.declare import Message
from segue.openflow.wire import VERSION_NAMES, ProtocolError


class Ready(msgspec.Struct, frozen=True):
    """Both sides said hello and agree on `version`, a wire number (4 is OpenFlow 1.3)."""

    version: int


class Received(msgspec.Struct, frozen=True):
    """A message that answers nothing: what a switch sends unasked, what a controller asks, or one of an unknown
    type."""

    message: Any
    xid: int


class Replied(msgspec.Struct, frozen=True):
    """The reply to `request`, whole, or one part of it (`more` says that others follow)."""

    request: Message
    reply: Any
    xid: int
    more: bool = False


class Refused(msgspec.Struct, frozen=True):
    """The peer's error, a message `Error`. `request` is what it is about, None if that is not known any more."""

    error: Any
    xid: int
    request: Message | None


class Failed(msgspec.Struct, frozen=True):
    """There will be no reply to `request`, because what came was not one: too long, or not readable."""

    request: Message
    xid: int
    reason: str


class Garbled(msgspec.Struct, frozen=True):
    """A message that cannot be read. `error` is the OpenFlow error code's name, `data` the start of it; `answered`
    says whether the peer was told."""

    error: str
    data: bytes
    reason: str
    answered: bool = False


class Dead(msgspec.Struct, frozen=True):
    """The peer has been silent for too long, or has not said hello in time, or has not finished (`unfinished`) a
    message that it began; `silence` is in seconds."""

    silence: float
    unfinished: bool = False


Event = Ready | Received | Replied | Refused | Failed | Garbled | Dead


class VersionError(ProtocolError):
    """No version is spoken at both ends. `versions` are the peer's (wire numbers), as far as it told."""

    def __init__(self, offered: frozenset[int], versions: tuple[int, ...]) -> None:
        super().__init__(
            f"the peer does not speak OpenFlow {names(offered)} (it speaks {names(versions)})", "OFPHFC_INCOMPATIBLE"
        )
        self.versions = versions


def names(versions: frozenset[int] | tuple[int, ...]) -> str:
    """Versions as people name them."""
    return ", ".join(VERSION_NAMES.get(version, f"{version:#x}") for version in sorted(versions)) or "none"
