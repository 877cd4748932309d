"""The watch protocol between server and agents: what each side says, over one WebSocket, in JSON, which
has integers of any size.

An agent says who it is. The server sends the node's whole view, then changes, each with a revision; the agent answers
with the last revision that its switch holds. A new connection begins anew with the whole view, so nothing depends on
what a broken connection had still to say. Revisions count within one run of the server (``epoch``).
"""

from __future__ import annotations

import msgspec

from segue.model.program import AnyAction
from segue.model.view import AnyRecord

PROTOCOL = 3


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

    ``error``: why the switch is not as it should be, while that is so. ``refused``: by record key, rules, groups and
    meters of injected services that the switch will not take, and why; all the rest is in force without them.
    ``behind``: by the owner of its rules, a service of which the switch holds less yet, and up to which revision.
    """

    epoch: str
    revision: int
    missing: dict[int, list[str]] = {}
    error: str = ""
    refused: dict[str, str] = {}
    behind: dict[str, int] = {}


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


class Punted(Message, frozen=True, tag="punted"):
    """A packet for an injected service, as ``model.program.ToService`` has it. ``element``: what the packet was met at
    (the register ``ELEMENT``). ``length``: of the whole packet; ``data`` may be less of it. ``metadata``: the
    service's. ``lost``: how many came too fast for this agent since the last one that was told."""

    service: int
    element: int
    table: int
    cookie: int
    reason: int
    length: int
    data: bytes
    metadata: int = 0
    lost: int = 0


FromAgent = Punted | Register | Applied | Seen | Answer | Counters


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


class Send(Message, frozen=True, tag="send"):
    """Packets for the switch to process with ``actions``, behind all that was told before; what is sent before the
    switch is connected, or is refused by it, is lost, as any packet may be. ``source``: the port that counts as its
    sender, and so does not get it back; the packet goes nowhere where that port has no interface on the node.
    ``service``: whose it is. ``lost``: how many of the service came too fast since the last one."""

    actions: tuple[AnyAction, ...]
    data: bytes
    source: str = ""
    service: int = 0
    lost: int = 0


class Refuse(Message, frozen=True, tag="refuse"):
    """The server will not go on with this agent, and why. The agent ends."""

    reason: str


FromServer = Sync | Query | Send | Refuse
