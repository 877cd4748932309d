"""Actions of a service's rules: where packets go, and what becomes of them on the way.

A rule lets its packet go on, by NORMAL or to another of the service's tables, or else *takes* it. Which permission that
needs depends on where the packet, or a copy, is sent:

| actions | goes on (NORMAL, goto) | taken |
| --- | --- | --- |
| nothing is sent | none | `drop` |
| to own ports, to a group | `copy` | `redirect` |
| CONTROLLER | `packet_in` | `packet_in`: the application decides what becomes of it |

Whoever may redirect can so keep packets from getting anywhere, and so can who may have packets sent to its controller:
neither needs `drop` for it. A packet that goes to another table and meets no rule there goes on, and one that meets a
rule without NORMAL there is taken by that one, with the permission that it needs.

NORMAL says that the packet goes on where it would have gone, as it then is, once all is done. So nothing that changes
the packet may stand behind it; what sends copies may. Where the time to live runs out (dec_ttl), the rest of the rule
is not done: a packet that would be taken is dropped, and one that would go on does so as it is.

What is sent, but for the last of a packet that is taken, is a copy: a packet of its own, behind the switches' meter of
the service's copies. So nothing that the meter drops is missing from the packet. How many copies one packet may cause
is counted in ``copies``.

Sent to a port, a packet goes straight there, through nobody's hooks. At `ingress` Open vSwitch itself sends none out of
the port that it came from; elsewhere the packet's port in the service's sense, `in_port`, is not the one that Open
vSwitch knows, so that IN_PORT, FLOOD and ALL need a match on it (IN_PORT everywhere).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Final

import msgspec

from segue.inject.errors import Refusal
from segue.inject.matches import no_port
from segue.inject.rewrites import Known, field_of, permit, write
from segue.inject.scope import Element, Scope
from segue.model.program import (
    AnyAction,
    Clone,
    DecTtl,
    Next,
    PopVlan,
    PushVlan,
    SetField,
    SetQueue,
    ToGroup,
    ToService,
    UseMeter,
)
from segue.model.stages import TARGET_PORT
from segue.openflow import protocol as of
from segue.openflow.protocol.families import Action, UnknownAction
from segue.openflow.wire import ALL, ANY_PORT, CONTROLLER, FLOOD, IN_PORT, LOCAL, NORMAL, TABLE, V10

MAX_ACTIONS: Final = 64
MAX_SENDS: Final = 64
"""To how many ports and groups a rule sends."""
MAX_OWN_SENDS: Final = 256
"""Of a packet-out, which meets one list of actions and no more."""
MAX_BUCKETS: Final = 64
"""Of a group: so many copies it may send."""
_EXPERIMENTER: Final = 0xFFFF

PORT_NAMES: Final = {
    IN_PORT: "IN_PORT",
    TABLE: "TABLE",
    NORMAL: "NORMAL",
    FLOOD: "FLOOD",
    ALL: "ALL",
    CONTROLLER: "CONTROLLER",
    LOCAL: "LOCAL",
    ANY_PORT: "ANY",
}
_TRANSPORTS: Final = {6: "tcp", 17: "udp", 132: "sctp"}
_UNSUPPORTED: Final = (
    *(of.CopyField, of.CopyTtlOut, of.CopyTtlIn, of.PushMpls, of.PopMpls, of.PushPbb, of.PopPbb),
    *(of.SetMplsTtl, of.DecMplsTtl, of.SetMplsLabel, of.SetMplsTc),
)


class SendTo(msgspec.Struct, frozen=True):
    """A copy to an own port. ``back``: also where the packet came in by it. ``queue``: of that port, for this copy."""

    element: Element
    back: bool = False
    queue: int | None = None


class Context(msgspec.Struct, frozen=True):
    """What a list of actions stands in. ``in_port``: the virtual port that the match names. ``free``: the packet is the
    service's own, and all of its headers may be written."""

    scope: Scope
    groups: Mapping[int, int]
    meters: Mapping[int, int]
    version: int
    table: int = 0
    cookie: int = 0
    in_port: int | None = None
    free: bool = False


class Steps:
    """What actions come to, in order: actions of the program, and what is sent where. ``sends``: whether something is
    sent to a port or group, ``punts``: to the controller, ``normal``: whether the packet goes on."""

    def __init__(self, context: Context, known: Known) -> None:
        self.context = context
        self.scope = context.scope
        self.known = known
        self.steps: list[AnyAction | SendTo] = []
        self.sends = self.punts = self.normal = False
        self.count = 0

    def perform(self, actions: Iterable[Action], reason: int) -> None:
        for action in actions:
            self._one(action, reason)

    def meter(self, number: int, error: str) -> None:
        self._change("a meter")
        if not self.scope.permissions.meter:
            raise _not_permitted(self.scope, "meter", "use meters")
        physical = self.context.meters.get(number)
        if physical is None:
            raise Refusal(error, f"there is no meter {number}; add it first")
        self.steps.append(UseMeter(physical))

    def _one(self, action: Action, reason: int) -> None:
        match action:
            case of.Output(port=port, max_len=length):
                self._output(port, length, reason)
            case of.SetField(field=field, value=value, mask=mask):
                self._write(field, value, mask)
            case of.Enqueue(port=port, queue_id=queue):
                self._enqueue(port, queue)
            case of.Group(group_id=number):
                self._group(number)
            case of.MeterAction(meter_id=number):
                self.meter(number, "OFPBAC_BAD_METER")
            case of.SetQueue(queue_id=queue):
                self._change("set_queue")
                self._queue(queue)
                self.steps.append(SetQueue(queue))
            case of.PushVlan(ethertype=ethertype):
                self._push(ethertype)
            case of.PopVlan() | of.StripVlan():
                self._pop(isinstance(action, of.StripVlan))
            case of.DecNwTtl():
                self._change("dec_nw_ttl")
                self._permit("nw_ttl")
                if lacking := self.known.lacks("nw_ttl"):
                    raise Refusal("OFPBAC_MATCH_INCONSISTENT", f"dec_nw_ttl: match {lacking} too")
                self.steps.append(DecTtl())
            case _:
                self._old(action)

    def _old(self, action: Action) -> None:
        """The actions that OpenFlow 1.0 and 1.1 have for single fields."""
        match action:
            case of.SetVlanVid(vlan_vid=vid):
                if not 0 <= vid < 0x1000:
                    raise Refusal("OFPBAC_BAD_ARGUMENT", f"set_vlan_vid: {vid:#x} is not within 0..0xfff")
                self._tag()
                self._write("vlan_vid", vid | 0x1000)
            case of.SetVlanPcp(vlan_pcp=pcp):
                if not 0 <= pcp < 8:
                    raise Refusal("OFPBAC_BAD_ARGUMENT", f"set_vlan_pcp: {pcp} is not within 0..7")
                self._tag()
                self._write("vlan_pcp", pcp)
            case of.SetDlSrc(dl_addr=address):
                self._write("eth_src", address)
            case of.SetDlDst(dl_addr=address):
                self._write("eth_dst", address)
            case of.SetNwSrc(nw_addr=address):
                self._write("ipv4_src", address)
            case of.SetNwDst(nw_addr=address):
                self._write("ipv4_dst", address)
            case of.SetNwTos(nw_tos=tos):
                if not 0 <= tos <= 0xFF or tos & 3:
                    raise Refusal("OFPBAC_BAD_ARGUMENT", f"set_nw_tos: {tos:#x} is not a DSCP in the upper six bits")
                self._write("ip_dscp", tos >> 2)
            case of.SetNwEcn(nw_ecn=ecn):
                self._write("ip_ecn", ecn)
            case of.SetNwTtl(nw_ttl=ttl):
                self._write("nw_ttl", ttl)
            case of.SetTpSrc(tp_port=port):
                self._transport("src", port)
            case of.SetTpDst(tp_port=port):
                self._transport("dst", port)
            case _:
                raise _unknown(action)

    # -- where packets go ------------------------------------------------------------------------------------------

    def _output(self, port: int, length: int, reason: int) -> None:
        if port == NORMAL:
            if self.normal:
                raise Refusal("OFPBAC_UNSUPPORTED_ORDER", "output NORMAL: a packet goes on once; say it once")
            self.normal = True
        elif port == CONTROLLER:
            self._punt(length, reason)
        elif port in (FLOOD, ALL):
            self._flood(port)
        elif port == IN_PORT:
            if self.context.in_port is None:
                raise Refusal("OFPBAC_BAD_OUT_PORT", "output IN_PORT: match in_port, too")
            self._send(self._element(self.context.in_port), back=True)
        else:
            self._send(self._element(port))

    def _enqueue(self, port: int, queue: int) -> None:
        self._queue(queue)
        if port == IN_PORT and self.context.in_port is not None:
            self._send(self._element(self.context.in_port), back=True, queue=queue)
        else:
            self._send(self._element(port), queue=queue)

    def _element(self, port: int) -> Element | None:
        """The element behind a virtual port; None for one that has gone: what is sent there comes to nothing."""
        element = self.scope.elements.get(port)
        if element is None:
            if port in self.scope.gone:
                return None
            if port in PORT_NAMES:
                text = "use NORMAL, CONTROLLER, IN_PORT, FLOOD or the number of one of your ports"
                raise Refusal("OFPBAC_BAD_OUT_PORT", f"output {PORT_NAMES[port]} means nothing here; {text}")
            raise Refusal("OFPBAC_BAD_OUT_PORT", f"output: {no_port(self.scope, port)}")
        if element.kind != "port":
            raise Refusal("OFPBAC_BAD_OUT_PORT", f"output: port {port} is router {element.name!r}; send to ports alone")
        return element

    def _send(self, element: Element | None, back: bool = False, queue: int | None = None) -> None:
        self.sends = True
        if element is None or (element.number == self.context.in_port and not back):
            return
        self._count()
        self.steps.append(SendTo(element, back, queue))

    def _flood(self, port: int) -> None:
        if self.context.in_port is None and self.scope.hook.name != "ingress" and not self.context.free:
            text = f"at hook {self.scope.hook.name} match in_port, too: only then is it known which port to leave out"
            raise Refusal("OFPBAC_BAD_OUT_PORT", f"output {PORT_NAMES[port]}: {text}")
        self.sends = True
        for element in self.scope.ports:
            self._send(element)

    def _punt(self, length: int, reason: int) -> None:
        if not self.scope.permissions.packet_in:
            raise _not_permitted(self.scope, "packet_in", "have packets sent to its controller")
        self.punts = True
        meter, context = self.scope.packet_in_meter, self.context
        self.steps.append(ToService(self.scope.key, context.table, context.cookie, reason, length, meter))

    def _group(self, number: int) -> None:
        physical = self.context.groups.get(number)
        if physical is None:
            raise Refusal("OFPBAC_BAD_OUT_GROUP", f"there is no group {number:#x}; add it first")
        self.sends = True
        self._count()
        self.steps.append(ToGroup(physical))

    def _count(self) -> None:
        """Open vSwitch gives up on a packet that is sent thousands of times."""
        self.count += 1
        limit, what = (MAX_OWN_SENDS, "packet-out") if self.context.free else (MAX_SENDS, "rule")
        if self.count > limit:
            text = f"a {what} sends to {limit} ports and groups at most"
            raise Refusal("OFPBAC_TOO_MANY", f"{text}; name fewer")

    def _queue(self, queue: int) -> None:
        if not self.scope.permissions.queue:
            raise _not_permitted(self.scope, "queue", "choose queues")
        if not 0 <= queue < 0xFFFFFFFF:
            raise Refusal("OFPBAC_BAD_QUEUE", f"queue {queue:#x} is no queue of a port")

    # -- what is changed -------------------------------------------------------------------------------------------

    def _change(self, what: str) -> None:
        if self.normal:
            text = "NORMAL lets the packet go on once all is done; put what changes it in front"
            raise Refusal("OFPBAC_UNSUPPORTED_ORDER", f"{what} stands behind output NORMAL: {text}")

    def _permit(self, field: str) -> None:
        if not self.context.free:
            permit(self.scope, field)

    def _write(self, name: str, value: int | str, mask: int | None = None) -> None:
        self._change(f"setting {name}")
        field = field_of(name)
        self._permit("ip_dscp" if field == "nw_tos" else field)
        action = write(self.known, name, value, mask)
        if action is not None:
            self.steps.append(action)

    def _push(self, ethertype: int) -> None:
        self._change("push_vlan")
        self._permit("vlan")
        if ethertype not in (0x8100, 0x88A8):
            raise Refusal("OFPBAC_BAD_ARGUMENT", f"push_vlan: {ethertype:#06x} is neither 0x8100 nor 0x88a8")
        self.known.push()
        self.steps.append(PushVlan(ethertype))

    def _pop(self, if_any: bool) -> None:
        """``if_any``: OpenFlow 1.0 has it that a packet without a tag stays as it is."""
        self._change("pop_vlan")
        self._permit("vlan")
        if if_any and self.known.untagged:
            return
        self.known.pop()
        self.steps.append(PopVlan())

    def _tag(self) -> None:
        """OpenFlow 1.0 tags a packet that has no tag. Open vSwitch wants to know whether it has one."""
        if self.context.version != V10 or self.known.tags or not self.known.certain:
            return
        if not self.known.untagged:
            text = "match vlan_vid (dl_vlan), 0 (0xffff) for packets without a tag"
            raise Refusal("OFPBAC_MATCH_INCONSISTENT", f"setting a VLAN: {text}")
        self._push(0x8100)

    def _transport(self, end: str, port: int) -> None:
        self._change(f"set_tp_{end}")
        if self.known.certain:
            name = _TRANSPORTS.get(self.known.ip_proto or 0)
            if name is None:
                text = "match ip_proto (nw_proto) 6, 17 or 132 too"
                raise Refusal("OFPBAC_MATCH_INCONSISTENT", f"set_tp_{end}: {text}")
            self._write(f"{name}_{end}", port)
            return
        for name in _TRANSPORTS.values():  # whichever the packet has
            self._write(f"{name}_{end}", port)


def laid_out(scope: Scope, steps: Iterable[AnyAction | SendTo], last_as_it_is: bool) -> tuple[AnyAction, ...]:
    """The steps as actions of the program. ``last_as_it_is``: what is sent last need not be a copy, as the packet is
    done with. Of a group that is sent to last, that is its first bucket; the others make copies, which have to stand
    apart. Refusal if copies are made, and there may be none."""
    steps = list(steps)
    actions: list[AnyAction] = []
    last = next((at for at in range(len(steps) - 1, -1, -1) if isinstance(steps[at], _GOING)), -1)
    for at, step in enumerate(steps):
        if not isinstance(step, SendTo | ToGroup):
            actions.append(step)
            continue
        away = (step,) if isinstance(step, ToGroup) else delivery(scope, step)
        if not last_as_it_is or at != last:
            actions.append(copied(scope, away))
        elif isinstance(step, ToGroup):
            actions.append(Clone(away, apart=True))
        else:
            actions += away
    return tuple(actions)


def copied(scope: Scope, away: tuple[AnyAction, ...]) -> Clone:
    """A copy goes this way, if the meter lets it. Refusal if there may be none."""
    if not scope.copy_meter:
        text = f"service {scope.name!r} may make no copies now; send each packet to one port, and end there"
        raise Refusal("OFPBAC_EPERM", f"{text}, or ask for copies")
    return Clone((UseMeter(scope.copy_meter), *away))


_GOING: Final = (SendTo, ToGroup, ToService, UseMeter)
"""What still has to do with where packets go; behind the last of these nothing matters of one that is taken."""


def delivery(scope: Scope, step: SendTo, way: str = "redirect") -> tuple[AnyAction, ...]:
    """What hands a packet to a port. At ``ingress`` it keeps the port that it came in by, so that it does not go back
    out of it."""
    return (
        *(() if step.queue is None else (SetQueue(step.queue),)),
        SetField(TARGET_PORT, step.element.key),
        *((SetField("in_port", 0),) if step.back or scope.hook.name != "ingress" else ()),
        Next(way),
    )


def need(scope: Scope, steps: Steps, goes_on: bool) -> None:
    """Refusal unless the service may do with packets what the table at the head of this file says that this does."""
    permissions = scope.permissions
    if steps.sends and goes_on and not permissions.copy:
        raise _not_permitted(scope, "copy", "send copies of packets that go on")
    if steps.sends and not goes_on and not permissions.redirect:
        raise _not_permitted(scope, "redirect", "keep packets and send them elsewhere", "; or add output NORMAL")
    if not (steps.sends or steps.punts or goes_on or permissions.drop):
        raise _not_permitted(scope, "drop", "drop packets", "; or add output NORMAL")


def _not_permitted(scope: Scope, permission: str, what: str, instead: str = "") -> Refusal:
    text = f"service {scope.name!r} is not permitted to {what}; ask for permission {permission}{instead}"
    return Refusal("OFPBAC_EPERM", text)


def _unknown(action: Action) -> Refusal:
    name = type(action).__name__
    if isinstance(action, UnknownAction):
        if action.type != _EXPERIMENTER:
            return Refusal("OFPBAC_BAD_TYPE", f"action {action.type}: there is no such action here")
        name = "an experimenter's action"
    elif isinstance(action, _UNSUPPORTED):
        return Refusal("OFPBAC_BAD_TYPE", f"{name}: services do not have this action")
    return Refusal("OFPBAC_BAD_EXPERIMENTER", f"{name}: services have OpenFlow's own actions alone")
