"""The watch protocol between server and agents: what each side says, over one WebSocket, in JSON, which
has integers of any size.

An agent says who it is. The server sends the node's whole view, then changes, each with a revision; the agent answers
with the last revision that its switch holds. A new connection begins anew with the whole view, so nothing depends on
what a broken connection had still to say. Revisions count within one run of the server (``epoch``).
"""

from __future__ import annotations

import msgspec

from segue.model.view import AnyRecord

PROTOCOL = 1


class Message(msgspec.Struct, frozen=True, tag=True, omit_defaults=True):
    """Base of all messages."""


# -- from the agent ----------------------------------------------------------------------------------------------------


class Register(Message, frozen=True, tag="register"):
    """The first message. ``version``: of Segue, for people."""

    node: str
    protocol: int
    version: str


class Applied(Message, frozen=True, tag="applied"):
    """The switch holds everything up to ``revision`` of ``epoch``. ``missing``: by path id, what it lacks on this node.

    ``error``: why the switch is not as it should be, while that is so.
    """

    epoch: str
    revision: int
    missing: dict[int, list[str]] = {}
    error: str = ""


class Seen(Message, frozen=True, tag="seen"):
    """The logical ports whose interfaces are on this node's switch now."""

    ports: list[str]


class Answer(Message, frozen=True, tag="answer"):
    """To the query ``id``: a result, or an error for people."""

    id: int
    result: msgspec.Raw = msgspec.Raw(b"null")
    error: str = ""


class Counters(Message, frozen=True, tag="counters"):
    """(packets, bytes) by counter name, as they stand on the switch. ``retired`` adds those of rules now removed."""

    live: dict[str, tuple[int, int]]
    retired: dict[str, tuple[int, int]] = {}


FromAgent = Register | Applied | Seen | Answer | Counters


# -- from the server ---------------------------------------------------------------------------------------------------


class Sync(Message, frozen=True, tag="sync"):
    """``records`` by key; None removes. ``whole``: what is not among them is removed too."""

    epoch: str
    revision: int
    whole: bool
    records: dict[str, AnyRecord | None]


class Query(Message, frozen=True, tag="query"):
    """Asks the agent: ``flows``, ``trace`` or ``counters``; see ``agent.queries`` for the arguments."""

    id: int
    what: str
    args: dict[str, str]


class Refuse(Message, frozen=True, tag="refuse"):
    """The server will not go on with this agent, and why. The agent ends."""

    reason: str


FromServer = Sync | Query | Refuse
