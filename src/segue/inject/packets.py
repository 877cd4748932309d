"""Packets between a service and its controller: packet-ins from what agents saw, packet-outs for agents to send.

A packet-out to ports is delivered to them, each on its own node, through nobody's hooks. NORMAL and TABLE have the
packet go the way of one that the port `in_port` has sent: it enters at hook `ingress`, its addresses are to be proven,
and every service meets it. The service itself does so for TABLE alone.

To ports may send who may `redirect` or `copy`, since whoever may do neither with what there is may not make it up
either. NORMAL and TABLE are also for who gets packets to look at (`packet_in`), to let them go on.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Final

from segue.inject.actions import MAX_ACTIONS, PORT_NAMES, Context, SendTo, Steps, laid_out
from segue.inject.errors import Refusal
from segue.inject.matches import no_port
from segue.inject.rewrites import Known
from segue.inject.scope import Element, Scope
from segue.model.marks import NOBODY, is_mark
from segue.model.program import AnyAction, Clone, Next, SetField
from segue.model.protocol import Punted
from segue.model.stages import INJECTED, NETWORK, SOURCE_PORT
from segue.openflow import protocol as of
from segue.openflow.fields import FIELDS
from segue.openflow.protocol.families import Action
from segue.openflow.wire import (
    ANY_PORT,
    CONTROLLER,
    MAX_LEN,
    NO_BUFFER,
    NORMAL,
    TABLE,
    V10,
    V11,
    V12,
    V13,
    V14,
)

Sending = tuple[str, tuple[AnyAction, ...], bytes]
"""Node, actions for it, the packet."""

MOST_OCTETS: Final = MAX_LEN - 64
"""Of a packet and the actions with which a node's switch gets it, in one message."""
_SHORTEST: Final = 14
_NEWER_REASONS: Final = 3
_ACTION: Final = 1
_TAGS: Final = (0x8100, 0x88A8)


def packet_in(scope: Scope, punted: Punted, version: int) -> of.PacketIn | None:
    """The message that tells the controller of a packet. None: of an element that is not attached any more."""
    element = scope.by_register.get(punted.element)
    if element is None:
        return None
    reason = punted.reason if version >= V14 or punted.reason < _NEWER_REASONS else _ACTION
    return of.PacketIn(
        total_len=min(max(punted.length, len(punted.data)), 0xFFFF),
        in_port=element.number,
        in_phy_port=element.number if version == V11 else 0,
        reason=reason,
        table_id=punted.table if version > V10 else 0,
        cookie=punted.cookie if version >= V13 else 0,
        match={"metadata": punted.metadata} if punted.metadata and version >= V12 else {},
        data=punted.data,
    )


def packet_out(scope: Scope, msg: of.PacketOut, version: int = V13) -> list[Sending]:
    """What nodes are to send. Nothing goes to a port while nobody knows where it is."""
    if msg.buffer_id != NO_BUFFER:
        raise Refusal("OFPBRC_BUFFER_UNKNOWN", f"buffer {msg.buffer_id:#x}: no packets are kept here; send the data")
    if len(msg.data) < _SHORTEST:
        raise Refusal("OFPBRC_BAD_PACKET", f"{len(msg.data)} octets are no Ethernet frame; send the data")
    _check_size(len(msg.data), 0)
    told = int.from_bytes(msg.data[6:12], "big")
    if is_mark(told) and told != NOBODY:
        raise Refusal("OFPBRC_BAD_PACKET", "the source address 0a:5e:* is a mark of the network's own; write another")
    if len(msg.actions) > MAX_ACTIONS:
        raise Refusal("OFPBAC_TOO_MANY", f"a packet-out has {MAX_ACTIONS} actions at most")
    for name, value in msg.match.items():
        if name == "in_port" or (name, value) in (("packet_type", 0), ("metadata", 0)):
            continue
        raise Refusal("OFPBRC_PIPELINE_FIELDS_ONLY", f"{name}: of a packet-out say in_port alone")
    source = _source(scope, msg.in_port)
    plain, onward = _split(msg.actions)
    in_port = source.number if source else None
    steps = Steps(Context(scope, {}, {}, version, in_port=in_port, free=True), _read(msg.data))
    for action in plain:
        _sendable(action)
    steps.perform(plain, reason=_ACTION)
    _permit(scope, to_ports=steps.sends, onward=onward is not None)
    sendings = [(node, actions, msg.data) for node, actions in _by_node(scope, steps.steps)]
    if onward is not None:
        through = _onward(scope, onward, source)
        if source is not None and source.node:
            changes = tuple(step for step in steps.steps if not isinstance(step, SendTo))
            sendings.append((source.node, (*changes, *through), msg.data))
    for _, actions, _ in sendings:
        _check_size(len(msg.data), _octets(actions))
    return sendings


def sender(scope: Scope, actions: Sequence[AnyAction]) -> str:
    """The name of the port that counts as having sent a packet with these actions; empty where none does."""
    for action in actions:
        if isinstance(action, SetField) and action.field == SOURCE_PORT:
            element = scope.by_register.get(action.value)
            return element.name if element else ""
    return ""


def _check_size(data: int, actions: int) -> None:
    if data + actions > MOST_OCTETS:
        room = f"{max(0, MOST_OCTETS - actions)}{' beside these actions' if actions else ''}"
        raise Refusal("OFPBRC_BAD_PACKET", f"{data} octets are no packet that can be sent; there is room for {room}")


def _octets(actions: Iterable[AnyAction]) -> int:
    """How long they are on the wire, at the most."""
    total = 0
    for action in actions:
        match action:
            case Clone(actions=on_the_copy):
                total += 32 + _octets(on_the_copy)
            case SetField(field=field, mask=mask):
                total += 16 + FIELDS[field].size * (1 if mask is None else 2)
            case _:
                total += 24
    return total


def _source(scope: Scope, in_port: int) -> Element | None:
    if in_port in (CONTROLLER, ANY_PORT):
        return None
    element = scope.elements.get(in_port)
    if element is None:
        raise Refusal("OFPBRC_BAD_PORT", f"in_port: {no_port(scope, in_port)}; CONTROLLER says that it is from none")
    return element


def _split(actions: Sequence[Action]) -> tuple[list[Action], int | None]:
    """The actions, and NORMAL or TABLE if one of them stands at their end."""
    plain = list(actions)
    last = plain[-1] if plain else None
    if isinstance(last, of.Output) and last.port in (NORMAL, TABLE):
        return plain[:-1], last.port
    return plain, None


def _sendable(action: Action) -> None:
    match action:
        case of.Output(port=port) if port in (NORMAL, TABLE):
            text = "put it at the end: it takes the packet as it then is"
            raise Refusal("OFPBAC_UNSUPPORTED_ORDER", f"output {PORT_NAMES[port]}: {text}")
        case of.Output(port=port) if port == CONTROLLER:
            raise Refusal("OFPBAC_BAD_OUT_PORT", "output CONTROLLER: the packet comes from there")
        case of.Group():
            raise Refusal("OFPBAC_BAD_OUT_GROUP", "a packet-out goes to ports alone; name them, or say TABLE")
        case of.MeterAction():
            raise Refusal("OFPBAC_BAD_METER", "a packet-out has no meter; leave it out")


def _permit(scope: Scope, *, to_ports: bool, onward: bool) -> None:
    permissions = scope.permissions
    if permissions.redirect or permissions.copy:
        return
    if to_ports or (onward and not permissions.packet_in):
        text = "ask for permission redirect or copy" + ("" if to_ports else ", or packet_in")
        raise Refusal("OFPBAC_EPERM", f"service {scope.name!r} is not permitted to send packets of its own; {text}")


def _by_node(scope: Scope, steps: list[AnyAction | SendTo]) -> Iterator[tuple[str, tuple[AnyAction, ...]]]:
    """Each node's share: all that changes the packet until it is sent there for the last time."""
    for node in sorted({step.element.node for step in steps if isinstance(step, SendTo)} - {""}):
        ours = [step for step in steps if not isinstance(step, SendTo) or step.element.node == node]
        while not isinstance(ours[-1], SendTo):
            ours.pop()
        yield node, laid_out(scope, ours, last_as_it_is=True)


def _onward(scope: Scope, port: int, source: Element | None) -> tuple[AnyAction, ...]:
    """The packet as if a port had sent it (section 7.3.6: TABLE; section 4.5: NORMAL)."""
    name = PORT_NAMES[port]
    if not scope.hook.from_element:
        text = f"at hook {scope.hook.name} packets are met as they come to a port, not from one; name ports"
        raise Refusal("OFPBAC_BAD_OUT_PORT", f"output {name}: {text}")
    if source is None or source.kind != "port":
        raise Refusal("OFPBAC_BAD_OUT_PORT", f"output {name}: say by in_port which of your ports has sent the packet")
    return (
        SetField(SOURCE_PORT, source.key),
        SetField(NETWORK, source.network),
        SetField(INJECTED, scope.key if port == NORMAL else 0),
        Next("ingress"),
    )


def _read(data: bytes) -> Known:
    """What a frame's own headers say, as far as actions ask for it."""
    known = Known(eth_type=int.from_bytes(data[12:14], "big"), untagged=True)
    at = 14
    if known.eth_type in _TAGS and len(data) >= 18:
        known = Known(eth_type=int.from_bytes(data[16:18], "big"), tags=1)
        at = 18
    if known.eth_type == 0x0800 and len(data) >= at + 20:
        known.ip_proto = data[at + 9]
        known.later = bool(int.from_bytes(data[at + 6 : at + 8], "big") & 0x1FFF)
    elif known.eth_type == 0x86DD and len(data) >= at + 40:
        known.ip_proto = data[at + 6]
        if known.ip_proto == 58 and len(data) > at + 40:
            known.icmpv6_type = data[at + 40]
    return known
