"""Flow modifications: what a message adds, changes and removes (OpenFlow 1.5.1 section 6.4; 1.0.0 section 4.6).

Where the versions differ, this is Open vSwitch's reading of them (`version` is that of the message):

- 1.0 adds to table 0, and its other commands are about all tables. 1.0 and 1.1 add where a modification finds nothing,
  1.1 only if it does not ask for a cookie. 1.0 writes the cookie of what it modifies. Both begin to count anew where an
  add replaces a flow, later versions by OFPFF_RESET_COUNTS, which flows of the former are said to have.
- Table 255 (OFPTT_ALL) is for removals.
- A modification leaves cookie, timeouts, flags and counters as they are.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

import msgspec

from segue.inject import matches, said
from segue.inject.changes import Changes
from segue.inject.errors import Refusal
from segue.inject.flow import Flow, instructions_of
from segue.inject.state import State
from segue.inject.table import Place, Selection, place
from segue.model.program import Rule
from segue.model.stages import SERVICE_TABLES
from segue.openflow import (
    ALL_TABLES,
    ANY_GROUP,
    ANY_PORT,
    NO_BUFFER,
    V10,
    V11,
    V12,
    V13,
    FlowMod,
    FlowModCommand,
    FlowModFlags,
    FlowModFlags10,
    FlowRemovedReason,
)
from segue.openflow.match import MatchLike
from segue.openflow.protocol.families import Instruction

MOST_MASKS: Final = 256
"""Of one service, over its tables. A packet of anybody's that a switch has not seen before is looked up once for each
mask of a table: 256 more make it two fifths dearer, 9,000 eighteen times as dear."""
LAID_OUT: Final = 8
"""To have a rule made anew takes as long as so many comparisons, and each of its actions as long again."""
_TOO_MANY_MASKS: Final = (
    f"a service's flows may look at {MOST_MASKS} different sets of bits, counted by table, and do so: give flows the "
    "same fields and masks, or remove some"
)
_FLAGS: Final = {V10: 7, V11: 3, V12: 7}
"""The flags that a version has (OFPFF_); 31 from 1.3 on."""
_ADD: Final = int(FlowModCommand.ADD)
_PLAIN_NAMES: Final = matches.HEADERS | {"in_port", "metadata"}
_PLAIN: Final[dict[tuple[tuple[str, ...], int], bool]] = {}
"""Whether a match of these names, in this version, is normal already if all its values are whole."""
_REMEMBERED: Final = 4096
_WHOLE: Final = frozenset({int})
_DELETES: Final = (FlowModCommand.DELETE, FlowModCommand.DELETE_STRICT)
_MODIFIES: Final = (FlowModCommand.MODIFY, FlowModCommand.MODIFY_STRICT)
_CHECK_OVERLAP: Final = int(FlowModFlags.CHECK_OVERLAP)
_RESET_COUNTS: Final = int(FlowModFlags.RESET_COUNTS)


def flow_mod(state: State, msg: FlowMod, version: int, now: float) -> Changes:
    """Carries out any of them. Refusal, and then nothing has changed."""
    if msg.flags:
        _check_flags(msg, version)
    command = msg.command
    if command == _ADD:
        return _add(state, msg, version, now)
    if command in _DELETES:
        return delete(state, _meant(state, msg, version), FlowRemovedReason.DELETE)
    if command in _MODIFIES:
        return _modify(state, msg, version, now)
    raise Refusal("OFPFMFC_BAD_COMMAND", f"no command of a flow mod has the number {command}")


def delete(state: State, flows: Iterable[Flow], reason: int) -> Changes:
    """Removes these flows."""
    changes = Changes()
    for flow in flows:
        state.drop_flow(flow, reason, changes)
    return state.done(changes)


def same(state: State, flow: Flow, msg: FlowMod, version: int) -> bool:
    """Whether an add would leave a flow of this table, priority and match as it is, but for its age. One that was said
    in another version is the same if the add says what is told of it in this one, and does not mean another rule."""
    wanted = instructions_of(msg)
    if (
        flow.cookie != msg.cookie
        or flow.idle_timeout != msg.idle_timeout
        or flow.hard_timeout != msg.hard_timeout
        or flow.flags != _flags(msg, version)
        or flow.importance != msg.importance
    ):
        return False
    if flow.version == version:
        return flow.instructions == wanted
    if said.instructions_in(flow.instructions, flow.match, version) != wanted:
        return False
    again = msgspec.structs.replace(flow, instructions=wanted, version=version)
    try:
        return state.rule(again) == state.rules.get(flow.number)
    except Refusal:  # this version has no words for it
        return True


def _add(state: State, msg: FlowMod, version: int, now: float) -> Changes:
    table = 0 if version == V10 else msg.table_id
    if table >= SERVICE_TABLES:
        raise _no_table(table)
    if msg.buffer_id != NO_BUFFER:
        raise _no_buffer()
    match, at = own_match(msg.match, version)
    priority, flags = msg.priority, _flags(msg, version)
    old = state.flows.find(table, priority, at)
    flow = Flow(
        table,
        priority,
        match,
        instructions_of(msg),
        msg.cookie,
        msg.idle_timeout,
        msg.hard_timeout,
        flags,
        msg.importance,
        now,
        state.following if old is None else old.number,
        version,
        0 if old is None else old.begun + bool(flags & _RESET_COUNTS),
    )
    rule = state.rule(flow)
    changes = Changes()
    if old is None:
        if flags & _CHECK_OVERLAP:
            if state.flows.overlaps(table, priority, match, at):
                raise Refusal("OFPFMFC_OVERLAP", "a flow of the same priority overlaps; change one, or clear the flag")
            state.selected()
        if len(state.flows) >= state.scope.flows:
            raise Refusal("OFPFMFC_TABLE_FULL", f"the service may have {state.scope.flows} flows, and has as many")
        if state.flows.masks >= MOST_MASKS and not state.flows.has_mask(table, at):
            raise Refusal("OFPFMFC_TABLE_FULL", _TOO_MANY_MASKS)
    state.check_copies([(flow, rule)])
    if old is None:
        state.following += 1
    state.put_flow(flow, at, rule, changes)
    return state.done(changes)


def _modify(state: State, msg: FlowMod, version: int, now: float) -> Changes:
    if version > V10 and msg.table_id >= SERVICE_TABLES:
        raise _no_table(msg.table_id)
    meant = _meant(state, msg, version)
    if not meant and (version == V10 or (version == V11 and not msg.cookie_mask)):
        return _add(state, msg, version, now)
    if msg.buffer_id != NO_BUFFER:
        raise _no_buffer()
    instructions = instructions_of(msg)
    if not meant:  # what is wrong is said all the same, but for groups and meters, as in Open vSwitch
        state.check(Flow(msg.table_id, msg.priority, own_match(msg.match, version)[0], instructions, version=version))
    state.flows.compared += len(meant) * _laid_out(instructions)
    state.selected()
    anew = version >= V12 and bool(msg.flags & _RESET_COUNTS)
    new: list[tuple[Flow, Rule | None]] = []
    for old in meant:
        cookie = msg.cookie if version == V10 else old.cookie
        begun = old.begun + anew
        flow = msgspec.structs.replace(old, instructions=instructions, cookie=cookie, version=version, begun=begun)
        new.append((flow, state.rule(flow)))
    state.check_copies(new)
    changes = Changes()
    for flow, rule in new:
        state.put_flow(flow, place(flow.match), rule, changes)
    return state.done(changes)


def _laid_out(instructions: tuple[Instruction, ...]) -> int:
    """What it costs to have a rule of these made anew, in compared flows."""
    actions = sum(len(getattr(one, "actions", ())) for one in instructions)
    return LAID_OUT * (1 + actions)


def _meant(state: State, msg: FlowMod, version: int) -> list[Flow]:
    """The flows that a modification or removal is about."""
    removal = msg.command in _DELETES
    table = ALL_TABLES if version == V10 else msg.table_id
    if SERVICE_TABLES <= table < ALL_TABLES:
        raise _no_table(table)
    match, at = own_match(msg.match, version)
    selection = Selection(
        match,
        table,
        msg.out_port if removal else ANY_PORT,
        msg.out_group if removal and version > V10 else ANY_GROUP,
        msg.cookie,
        msg.cookie_mask if version > V10 else 0,
    )
    if msg.command in (FlowModCommand.MODIFY, FlowModCommand.DELETE):
        found = state.flows.select(selection)
        state.selected()
        return found
    tables = sorted(state.flows.counts) if table == ALL_TABLES else (table,)
    exact = [state.flows.find(one, msg.priority, at) for one in tables]
    return [flow for flow in exact if flow is not None and selection.admits(flow)]


def own_match(match: MatchLike, version: int) -> tuple[MatchLike, Place]:
    """The match as it is kept, and its place: by plain names, without what restricts nothing, so that equal ones are
    equal. Refusal if services cannot have it."""
    names = tuple(match)
    plain = _PLAIN.get((names, version))
    if plain is None:
        plain = _PLAIN_NAMES.issuperset(names) and not (version < V12 and "vlan_pcp" in match)
        if len(_PLAIN) >= _REMEMBERED:
            _PLAIN.clear()
        _PLAIN[names, version] = plain
    if not plain or not _WHOLE.issuperset(map(type, match.values())):
        match = matches.normal(match, version)
    return match, place(match)


def _flags(msg: FlowMod, version: int) -> int:
    """What an add says by its flags and its version."""
    return msg.flags if version >= V12 or msg.command != _ADD else msg.flags | _RESET_COUNTS


def _check_flags(msg: FlowMod, version: int) -> None:
    if version == V10 and msg.flags & FlowModFlags10.EMERG:
        if msg.idle_timeout or msg.hard_timeout:
            raise Refusal("OFPFMFC_BAD_EMERG_TIMEOUT", "emergency flows have no timeouts; and there are none here")
        raise Refusal("OFPFMFC_ALL_TABLES_FULL", "there is no table of emergency flows; clear OFPFF_EMERG")
    if msg.flags & ~(_FLAGS[version] if version < V13 else 31):
        raise Refusal("OFPFMFC_BAD_FLAGS", f"not all of the flags {msg.flags:#x} are known")


def _no_table(table: int) -> Refusal:
    return Refusal("OFPFMFC_BAD_TABLE_ID", f"a service has the tables 0 to {SERVICE_TABLES - 1}, not {table}")


def _no_buffer() -> Refusal:
    return Refusal("OFPBRC_BUFFER_UNKNOWN", "no packets are kept; send OFP_NO_BUFFER, and the packet in a packet-out")
