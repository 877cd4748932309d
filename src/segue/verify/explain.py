"""A packet's way in lines for people: node, stage, which rule and what it did."""

from __future__ import annotations

from collections.abc import Iterator

from segue.model.stages import BY_NAME, REGISTERS
from segue.verify.fields import format_value
from segue.verify.interpreter import Trace, Visit
from segue.verify.network import FunctionHop, Hop, Journey
from segue.verify.packet import Frame, Packet

_SHOWN = (
    ("eth_src", "eth_dst"),
    ("ipv4_src", "ipv4_dst"),
    ("ipv6_src", "ipv6_dst"),
    ("arp_spa", "arp_tpa"),
    ("tcp_src", "tcp_dst"),
    ("udp_src", "udp_dst"),
    ("sctp_src", "sctp_dst"),
)
_KINDS = {"tcp_src": "tcp", "udp_src": "udp", "sctp_src": "sctp", "arp_spa": "arp"}
_STAGE_WIDTH = 14
_OWNER_WIDTH = 28


def explain(journey: Journey) -> list[str]:
    """Every hop with its stages, in order, and what became of the packet."""
    lines: list[str] = []
    for hop in journey.hops:
        if isinstance(hop, FunctionHop):
            sent = ", ".join(delivery.port for delivery in hop.sent) or "nothing"
            lines.append(f"function at {hop.port}: {summary(hop.packet)}; sends by {sent}")
        else:
            lines += _hop(hop)
    lines += [f"delivered to {sent.port}: {summary(sent.packet)}" for sent in journey.deliveries]
    if journey.looped:
        lines.append(f"goes in a circle: given up after {len(journey.hops)} hops")
    elif not journey.deliveries:
        lines.append("delivered to nobody")
    return lines


def explain_trace(trace: Trace) -> list[str]:
    """One line per stage: its name, the rule's owner, what the rule did."""
    lines = [_visit(visit) for visit in trace.visits]
    if trace.error:
        lines.append(f"the switch drops it: {trace.error}")
    return lines


def summary(packet: Packet) -> str:
    """The packet in a few words, outermost header first: ``nsh 16/255 (02:.. > 02:.. 10.0.0.1 > 10.0.0.2 udp)``."""
    return _frame(packet.frame)


def _hop(hop: Hop) -> Iterator[str]:
    first = hop.trace.visits[0].before
    yield f"{hop.node}: {summary(first)} by {hop.came_by} (port {first.fields['in_port']})"
    for line in explain_trace(hop.trace):
        yield "  " + line
    for line in hop.lost:
        yield "  lost: " + line


def _visit(visit: Visit) -> str:
    owner = "-" if visit.rule is None else visit.rule.owner
    if visit.rule is None:
        stage = BY_NAME.get(visit.stage)
        returns = stage is not None and not stage.next and not stage.outputs
        events = "no rule matches: left as it is" if returns else "no rule matches: dropped here"
    else:
        events = ", ".join(map(_named, visit.events)) or "dropped"
    return f"{visit.stage:<{_STAGE_WIDTH}} {owner:<{_OWNER_WIDTH}} {events}"


def _named(event: str) -> str:
    """``reg2=16`` with the register's meaning in its place."""
    name, sign, rest = event.partition("=")
    return f"{REGISTERS[name]}={rest}" if sign and name in REGISTERS else event


def _frame(frame: Frame) -> str:
    view = frame.view
    words: list[str] = []
    for source, destination in _SHOWN:
        if source in view:
            words.append(_KINDS.get(source, ""))
            words.append(f"{format_value(source, view[source])} > {format_value(destination, view[destination])}")
    if "nsh_spi" in view:
        words.append(f"nsh {view['nsh_spi']}/{view['nsh_si']}")
    words += [f"mpls {label.label}" for label in frame.labels]
    for name in ("icmpv4_type", "icmpv6_type"):
        if name in view:
            words.append(f"{name.partition('_')[0].replace('v4', '')} type {view[name]}")
    if "nw_ttl" in view:
        words.append(f"ttl {view['nw_ttl']}")
    if len(words) <= 2 and view["eth_type"] not in (0x894F, 0x8847):
        words.append(f"type {view['eth_type']:#06x}")
    if frame.inner is not None:
        words.append(f"({_frame(frame.inner)})")
    return " ".join(word for word in words if word)
