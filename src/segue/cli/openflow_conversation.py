"""What was said on one connection, by whom, and which message answered which."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from typing import NamedTuple

from segue.cli.openflow_sources import Said
from segue.openflow.wire import V10, V13, VERSION_NAMES

HELLO, ERROR, ECHO_REQUEST, ECHO_REPLY, EXPERIMENTER, FEATURES_REPLY = 0, 1, 2, 3, 4, 6
SIDES = ("switch", "controller")
# Request and reply, OpenFlow 1.0.0 section 5.1 and 1.5.1 section 7.1.1. Bundle controls are answered by their own kind.
_REPLIES_10 = {2: 3, 4: 4, 5: 6, 7: 8, 16: 17, 18: 19, 20: 21}
_REPLIES = {2: 3, 4: 4, 5: 6, 7: 8, 18: 19, 20: 21, 22: 23, 24: 25, 26: 27, 33: 33}
_OF_A_SWITCH = {6, 8, 10, 11, 12}
_OF_A_CONTROLLER = {5, 7, 9, 13, 14, 15}
_HEADER = 8


def xid(data: bytes) -> bytes:
    return data[4:8]


def kind(data: bytes) -> tuple[int, bytes]:
    """Type, and what tells multipart messages apart."""
    multipart = (16, 17) if data[0] == V10 else (18, 19)
    return data[1], data[8:10] if data[1] in multipart else b""


def reply_type(data: bytes) -> int | None:
    """The type of message that answers this one, if one does."""
    return (_REPLIES_10 if data[0] == V10 else _REPLIES).get(data[1])


def answers(answer: bytes, question: bytes) -> bool:
    """Whether the one answers the other, as a reply or as an error."""
    return xid(answer) == xid(question) and answer[1] in (ERROR, reply_type(question))


def last_part(answer: bytes) -> bool:
    """Whether no more parts of an answer follow."""
    multipart = 17 if answer[0] == V10 else 19
    return answer[1] != multipart or not answer[11] & 1


def datapath_of(data: bytes) -> str:
    """The datapath id in a features reply, "" in other messages."""
    return data[8:16].hex() if data[1:2] == bytes([FEATURES_REPLY]) and len(data) >= 16 else ""


class Line(NamedTuple):
    """One message. `answer_to` is the place of what it answers in the conversation, `answered` whether something
    answers it."""

    time: int
    side: str
    data: bytes
    answer_to: int | None = None
    answered: bool = False


class Conversation:
    """A connection's messages in order, without hello and echo."""

    def __init__(self, number: int, said: list[Line]) -> None:
        self.number = number
        self.begin = said[0].time
        hello = next((line.data for line in said if len(line.data) >= _HEADER and line.data[1] == HELLO), b"")
        left = [
            line for line in said if len(line.data) < _HEADER or line.data[1] not in (HELLO, ECHO_REQUEST, ECHO_REPLY)
        ]
        spoken = [line.data[0] for line in left if line.data and line.data[0] in VERSION_NAMES]
        self.version: int = spoken[0] if spoken else hello[0] if hello and hello[0] in VERSION_NAMES else V13
        self.lines = _paired(left)

    def said_by(self, side: str) -> list[Line]:
        return [line for line in self.lines if line.side == side]


def _paired(lines: list[Line]) -> list[Line]:
    paired = list(lines)
    asked: dict[tuple[str, bytes], int] = {}
    for place, line in enumerate(lines):
        if len(line.data) < _HEADER:
            continue
        other = SIDES[line.side == SIDES[0]]
        question = asked.get((other, xid(line.data)))
        if question is not None and answers(line.data, lines[question].data):
            paired[place] = paired[place]._replace(answer_to=question)
            paired[question] = paired[question]._replace(answered=True)
        elif xid(line.data) != bytes(4) or reply_type(line.data) is not None:
            asked[line.side, xid(line.data)] = place
    return paired


def conversations(found: Iterable[Said]) -> list[Conversation]:
    """By connection, in the order in which they began. In a capture the sides are known by what they say, or else by
    who listens at OpenFlow's port."""
    grouped: dict[int, list[Said]] = defaultdict(list)
    for said in found:
        if said.frame.data and (not said.frame.reason or said.source in SIDES):
            grouped[said.connection].append(said)
    made = []
    for number, listed in grouped.items():
        switch = "switch" if listed[0].source in SIDES else _switch(listed)
        lines = [Line(said.time or 0, SIDES[said.source != switch], said.frame.data) for said in listed]
        made.append(Conversation(number, lines))
    return made


def _switch(listed: list[Said]) -> str:
    votes: dict[str, int] = defaultdict(int)
    for said in listed:
        votes[said.source] += said.frame.data[1] in _OF_A_SWITCH
        votes[said.source] -= said.frame.data[1] in _OF_A_CONTROLLER
        votes[said.destination] += 0
    best = max(votes.values())
    if min(votes.values()) < best:
        return max(votes, key=lambda one: votes[one])
    return max(votes, key=lambda one: int(one.rpartition(":")[2] or 0))  # who calls has the higher port
