"""A flow entry of a virtual switch, as its service knows it."""

from __future__ import annotations

import msgspec

from segue.openflow.match import MatchLike
from segue.openflow.protocol.families import Action, Instruction
from segue.openflow.protocol.flow_mod import FlowMod
from segue.openflow.protocol.instructions import ApplyActions
from segue.openflow.wire import V13


class Flow(msgspec.Struct, frozen=True):
    """``match`` and ``instructions`` are as the service wrote them; timeouts in seconds, 0 for none.

    ``created``: when it was added. ``number``: unique among all the flows that the service ever had. ``version``: the
    OpenFlow version (as on the wire) that it was said in, since a few words mean other things in others. ``begun``: how
    often it has begun to count anew (OFPFF_RESET_COUNTS).
    """

    table: int
    priority: int
    match: MatchLike
    instructions: tuple[Instruction, ...] = ()
    cookie: int = 0
    idle_timeout: int = 0
    hard_timeout: int = 0
    flags: int = 0
    importance: int = 0
    created: float = 0.0
    number: int = 0
    version: int = V13
    begun: int = 0


def instructions_of(mod: FlowMod) -> tuple[Instruction, ...]:
    """The instructions of a modification in any version: its actions, if it has any, stand for apply-actions."""
    actions: tuple[Action, ...] = tuple(mod.actions)
    return (*((ApplyActions(actions),) if actions else ()), *mod.instructions)
