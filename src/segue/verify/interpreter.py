"""What a program means: one packet through one node's rules, action by action.

This is the definition that compiler, verifier and switch are each held against, so it follows Open vSwitch 3.1 to the
letter where OpenFlow leaves room (ofproto/ofproto-dpif-xlate.c):

- ``Next`` is a call: the stage's rule acts on the same packet, and what it changed stays changed when the actions
  behind ``Next`` go on. A packet that no rule matches is dropped by that stage alone; its callers go on.
- A packet is not sent out of the port in its in_port field, unless the rule names IN_PORT.
- ``DecTtl`` at 1 ends the actions of its own rule; callers go on.
- Taking an NSH header off, or looking beneath the last MPLS label, sends the packet through the datapath once more
  (*recirculation*): all that is still to do, callers included, becomes one list of actions, so that ``DecTtl``
  from there on ends all of it. Where nothing is left to do, the packet starts again at the first stage, with its
  registers. Six times at most (lib/dpif-netdev.c, MAX_RECIRC_DEPTH).
- What goes wrong (a fourth label, too deep a recursion) undoes what was sent since the last recirculation.
- Recursion counts only where a stage calls itself or an earlier one.
- A group's buckets are done to copies, one after the other. Which of several buckets of a ``select`` group it is, the
  switch decides by a hash of its own: such groups have no meaning here (Undefined).
- ``Clone`` does its actions to a copy at once, and then the packet goes on as it was. Headers that a copy loses, or
  that a stage called for it adds, would be missing from the packet too, or not, by accident of how the switch writes
  the copy: such rules have no meaning here (Undefined).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field

from segue.model.program import (
    IN_PORT,
    AnyAction,
    Clone,
    Decap,
    DecTtl,
    Encap,
    Group,
    Move,
    Multipath,
    Next,
    Output,
    PopMpls,
    PopVlan,
    PushMpls,
    PushVlan,
    Rule,
    SetField,
    SetQueue,
    ToGroup,
    ToService,
    UseMeter,
)
from segue.model.stages import TABLE
from segue.packet.addresses import ETH_NSH
from segue.verify.fields import FIELDS, Layer, bare, format_value, is_mpls
from segue.verify.hash import multipath
from segue.verify.packet import Impossible, Packet, Undefined
from segue.verify.table import Ambiguous, Table

__all__ = ["Ambiguous", "Program", "Punt", "Sent", "Trace", "Undefined", "Visit", "run"]

MAX_DEPTH = 64
MAX_CALLS = MAX_DEPTH * MAX_DEPTH
MAX_RECIRCULATIONS = 6


class Program:
    """One node's rules, for looking up. ``tables`` numbers the stages; packets enter at the lowest. ``groups``: those
    that rules name, by number.

    Raises Ambiguous for two rules that differ in their actions alone, ValueError for an unknown stage.
    """

    def __init__(
        self,
        rules: Iterable[Rule] = (),
        tables: Mapping[str, int] = TABLE,
        groups: Mapping[int, Group] | None = None,
    ) -> None:
        self.tables = tables
        self.groups = {} if groups is None else groups
        self.entry = min(tables, key=lambda name: tables[name])
        self._stages = {name: Table() for name in tables}
        self._size = 0
        for rule in rules:
            self.add(rule)

    def add(self, rule: Rule) -> None:
        """Adding a rule that is there changes nothing."""
        self._size += self._stage(rule).add(rule)

    def remove(self, rule: Rule) -> None:
        """Raises KeyError for a rule that is not there."""
        self._stage(rule).remove(rule)
        self._size -= 1

    def lookup(self, stage: str, fields: Mapping[str, int]) -> Rule | None:
        """The rule of ``stage`` for a packet with these fields, or None. Raises Ambiguous."""
        return self._stages[stage].lookup(fields)

    def _stage(self, rule: Rule) -> Table:
        table = self._stages.get(rule.stage)
        if table is None:
            raise ValueError(f"{rule.owner}: there is no stage {rule.stage!r}")
        return table

    def __len__(self) -> int:
        return self._size

    def __iter__(self) -> Iterator[Rule]:
        for table in self._stages.values():
            yield from table


@dataclass(frozen=True)
class Sent:
    """A packet that left by an OpenFlow port; its pipeline fields tell a tunnel where it goes.

    ``lap``: how many recirculations the packet had behind it.
    """

    port: int
    packet: Packet
    lap: int = 0


@dataclass(frozen=True)
class Punt:
    """A packet for an injected service, as it was then. Whether a meter lets it through is not asked."""

    action: ToService
    packet: Packet


@dataclass(frozen=True)
class Visit:
    """A stage that the packet was in. ``rule`` is None where nothing matched.

    ``before``: the packet as it was matched. ``after``: behind the rule's last action, with what further stages
    did. ``events``: what the rule's own actions did, in words. ``depth``: how many callers it had.
    ``lap``: how many recirculations the packet had behind it.
    """

    stage: str
    rule: Rule | None
    before: Packet
    after: Packet
    events: tuple[str, ...]
    depth: int
    lap: int = 0


@dataclass(frozen=True)
class Trace:
    """``error``: why the switch gave up on the packet, or empty. ``recirculations``: passes through the datapath."""

    visits: tuple[Visit, ...]
    outputs: tuple[Sent, ...]
    error: str = ""
    recirculations: int = 0
    punts: tuple[Punt, ...] = ()

    @property
    def stages(self) -> tuple[str, ...]:
        return tuple(visit.stage for visit in self.visits)


def run(program: Program, packet: Packet, in_port: int, recirculations: int = 0) -> Trace:
    """Send ``packet`` in by OpenFlow port ``in_port``.

    Pipeline fields that the packet brings (a tunnel's) are kept. ``recirculations``: how many it has behind it;
    a tunnel's packet has one. Raises Ambiguous, Undefined, ReadOnly, and ValueError for rules that no switch
    would take.
    """
    return _Run(program, packet.set("in_port", in_port), recirculations).finish()


@dataclass
class _Open:
    """A visit under way."""

    stage: str
    rule: Rule | None
    before: Packet
    depth: int
    lap: int
    after: Packet
    events: list[str] = field(default_factory=list)


@dataclass
class _Frame:
    """Actions still to do, each with the visit it belongs to; ``deepens`` is what ending it gives back."""

    actions: list[tuple[AnyAction, _Open]]
    deepens: int
    visits: list[_Open]
    at: int = 0


class _Run:
    def __init__(self, program: Program, packet: Packet, recirculations: int) -> None:
        self.program = program
        self.packet = packet
        self.recirculations = recirculations
        self.visits: list[_Open] = []
        self.outputs: list[Sent] = []
        self.punts: list[Punt] = []
        self.frames: list[_Frame] = []
        self.kept = (0, 0)
        self.depth = 0
        self.calls = 0
        self.unlabelled = False
        self.copies: list[int] = []
        """Of each copy under way, how many frames there are while its own actions are done."""

    def finish(self) -> Trace:
        error = ""
        try:
            self.enter(self.program.entry, deepens=0)
            while self.frames:
                self.step()
        except Impossible as stop:
            error = str(stop)
            del self.outputs[self.kept[0] :], self.punts[self.kept[1] :]
            for frame in self.frames:
                self.close(frame)
        visits = tuple(
            Visit(open.stage, open.rule, open.before, open.after, tuple(open.events), open.depth, open.lap)
            for open in self.visits
        )
        return Trace(visits, tuple(self.outputs), error, self.recirculations, tuple(self.punts))

    def step(self) -> None:
        frame = self.frames[-1]
        if frame.at == len(frame.actions):
            self.leave()
            return
        action, visit = frame.actions[frame.at]
        if self.unlabelled and not _leaves_network_alone(action):
            self.recirculate()
            return
        frame.at += 1
        self.perform(action, visit)

    def enter(self, stage: str, deepens: int) -> None:
        rule = self.program.lookup(stage, self.packet.fields)
        visit = _Open(stage, rule, self.packet, len(self.frames), self.recirculations, self.packet)
        self.visits.append(visit)
        if rule is not None:
            self.calls += 1
            self.depth += deepens
            self.frames.append(_Frame([(action, visit) for action in rule.actions], deepens, [visit]))

    def leave(self) -> None:
        frame = self.frames.pop()
        self.depth -= frame.deepens
        self.close(frame)

    def close(self, frame: _Frame) -> None:
        for visit in frame.visits:
            visit.after = self.packet

    def recirculate(self) -> None:
        if self.copies:
            raise Undefined("a copy that goes through the datapath once more")
        if self.recirculations >= MAX_RECIRCULATIONS:
            self.kept = (len(self.outputs), len(self.punts))
            raise Impossible(f"more than {MAX_RECIRCULATIONS} recirculations")
        if is_mpls(self.packet.frame.eth_type) and not self.packet.frame.labels:
            raise Undefined("what follows the last label is read as a label")
        rest = [entry for frame in reversed(self.frames) for entry in frame.actions[frame.at :]]
        visits = [visit for frame in self.frames for visit in frame.visits]
        self.frames = [_Frame(rest, 0, visits)]
        self.recirculations += 1
        self.kept = (len(self.outputs), len(self.punts))
        self.depth = self.calls = 0
        self.unlabelled = False
        if not rest:
            self.leave()
            self.enter(self.program.entry, deepens=0)

    def perform(self, action: AnyAction, visit: _Open) -> None:
        before = self.packet
        match action:
            case SetField(name, value, mask):
                self.packet = before.set(name, value, mask)
                if name not in before.fields:
                    visit.events.append(f"no {name} to set")
                else:
                    visit.events.append(f"{name}={format_value(name, value, mask)}")
            case Move():
                self.move(action, visit)
            case Output(port):
                self.output(port, visit)
            case Next(stage):
                visit.events.append(f"to {stage}")
                self.call(stage, visit.stage)
            case PushMpls():
                self.only_own_headers()
                self.packet = before.push_label()
                visit.events.append("push label")
            case PopMpls(ethertype):
                if self.copies:
                    raise Undefined("a label taken off a copy")
                self.packet = before.pop_label(ethertype)
                self.unlabelled = self.packet is not before and not is_mpls(ethertype)
                visit.events.append(f"pop label, {ethertype:#06x}")
            case Encap(header):
                self.only_own_headers()
                self.packet = _encap(before, header)
                visit.events.append(f"encap {header}")
            case Decap():
                if self.copies:
                    raise Undefined("a header taken off a copy")
                inner = before.frame.inner
                if before.frame.packet_type == bare(ETH_NSH):
                    self.kept = (len(self.outputs), len(self.punts))
                self.packet = before.decap()
                visit.events.append("decap")
                if inner is not None and self.packet.frame is inner:
                    self.recirculate()
            case DecTtl():
                ttl = before.fields.get("nw_ttl")
                if ttl is not None and ttl <= 1:
                    visit.events.append("TTL expired")
                    self.leave()
                elif ttl is not None:
                    self.packet = before.set("nw_ttl", ttl - 1)
                    visit.events.append(f"nw_ttl={ttl - 1}")
            case Clone(actions):
                visit.events.append("copy")
                self.clone(actions, visit)
            case Multipath(basis, links, register, hashed):
                link = multipath(before.fields, basis, links, hashed)
                self.packet = before.set(register, link)
                visit.events.append(f"{register}={link} of {links} by hash")
            case PushVlan(ethertype):
                self.packet = before.push_tag(ethertype)
                visit.events.append("push VLAN tag")
            case PopVlan():
                self.packet = before.pop_tag()
                visit.events.append("pop VLAN tag")
            case SetQueue(queue):
                visit.events.append(f"queue {queue}")
            case UseMeter(meter):
                visit.events.append(f"meter {meter}")
            case ToService(service):
                self.punts.append(Punt(action, before))
                visit.events.append(f"copy to service {service}")
            case ToGroup(number):
                visit.events.append(f"group {number:#x}")
                self.group(number, visit)

    def only_own_headers(self) -> None:
        if self.copies and len(self.frames) != self.copies[-1]:
            raise Undefined("a header that a stage adds to a copy")

    def clone(self, actions: tuple[AnyAction, ...], visit: _Open) -> None:
        kept, bottom = self.packet, len(self.frames)
        self.frames.append(_Frame([(action, visit) for action in actions], 0, []))
        self.copies.append(len(self.frames))
        while len(self.frames) > bottom:
            self.step()
        self.copies.pop()
        self.packet = kept
        visit.events.append("end of copy")

    def group(self, number: int, visit: _Open) -> None:
        group = self.program.groups.get(number)
        if group is None:
            visit.events.append("no such group")
            self.leave()
            return
        buckets = group.buckets
        if group.kind == "select":
            buckets = tuple(bucket for bucket in buckets if bucket.weight)
            if len(buckets) > 1:
                raise Undefined("a bucket that the switch chooses")
        for bucket in buckets:
            self.clone(bucket.actions, visit)

    def call(self, stage: str, caller: str) -> None:
        if self.depth >= MAX_DEPTH:
            raise Impossible(f"recursion deeper than {MAX_DEPTH}")
        if self.calls >= MAX_CALLS:
            raise Impossible(f"more than {MAX_CALLS} stages")
        tables = self.program.tables
        self.enter(stage, deepens=int(tables[stage] <= tables[caller]))

    def output(self, port: int, visit: _Open) -> None:
        in_port = self.packet.fields["in_port"]
        if port == IN_PORT:
            visit.events.append(f"output back to {in_port}")
            self.outputs.append(Sent(in_port, self.packet, self.recirculations))
        elif port == in_port:
            visit.events.append(f"no output to {port}, where it came in")
        else:
            visit.events.append(f"output {port}")
            self.outputs.append(Sent(port, self.packet, self.recirculations))

    def move(self, action: Move, visit: _Open) -> None:
        fields = self.packet.fields
        if action.source not in fields or action.target not in fields:
            absent = action.source if action.source not in fields else action.target
            visit.events.append(f"no {absent} to move")
            return
        for name, offset in ((action.source, action.source_offset), (action.target, action.target_offset)):
            if not 0 < action.bits <= FIELDS[name].width - offset:
                raise ValueError(f"move: {name} has no {action.bits} bits from bit {offset}")
        bits = (1 << action.bits) - 1
        value = fields[action.source] >> action.source_offset & bits
        mask = bits << action.target_offset
        self.packet = self.packet.set(action.target, value << action.target_offset, mask)
        visit.events.append(f"{action.target}={format_value(action.target, self.packet.fields[action.target])}")


def _encap(packet: Packet, header: str) -> Packet:
    match header:
        case "nsh":
            return packet.encap_nsh()
        case "ethernet":
            return packet.encap_ethernet()
        case _:
            raise ValueError(f"encap knows nsh and ethernet, not {header!r}")


def _leaves_network_alone(action: AnyAction) -> bool:
    """Whether Open vSwitch does this to a packet just out of its last label without parsing it anew first."""
    if isinstance(action, SetField):
        return FIELDS[action.field].layer is not Layer.NETWORK
    return isinstance(action, Output)
