"""Asking the switch itself: the same packet through ``ofproto/trace``, compared with what was computed.

The switch's trace ends where a packet is looked at anew, behind a decap or the last pop of a label. So each lap of a
hop is a question of its own: the first with the packet as it came in, the others with ``ofproto/trace-packet-out``,
which starts in the middle, with registers given by actions.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from segue.model.program import cookie
from segue.model.stages import STAGES, TABLE
from segue.verify.fields import PIPELINE_ZEROS, format_value, is_mpls
from segue.verify.interpreter import Visit
from segue.verify.network import Hop
from segue.verify.ovs_text import SwitchTrace, flow_text, ovs_name, parse_trace
from segue.verify.packet import Packet
from segue.verify.wire import encode

TUNNEL_FIELDS = ("tunnel_id", "tun_src", "tun_dst", "tun_ipv6_src", "tun_ipv6_dst")


@dataclass(frozen=True)
class Question:
    """``args`` for the agent. ``visits``: (table, cookie or None) expected; ``outputs``: OpenFlow ports."""

    args: dict[str, str]
    in_port: int
    visits: tuple[tuple[int, int | None], ...]
    outputs: tuple[int, ...]


def questions(hop: Hop) -> list[Question]:
    """One for each lap of the packet through the node's pipeline."""
    laps = sorted({visit.lap for visit in hop.trace.visits})
    return [_question(hop, lap, lap == laps[0]) for lap in laps]


def _question(hop: Hop, lap: int, first: bool) -> Question:
    visits = [visit for visit in hop.trace.visits if visit.lap == lap]
    before = visits[0].before
    in_port = before.fields["in_port"]
    return Question(
        _whole(before, in_port) if first else _middle(before, in_port, visits[0].stage),
        in_port,
        tuple(_place(visit) for visit in visits),
        tuple(sent.port for sent in hop.trace.outputs if sent.lap == lap),
    )


def _place(visit: Visit) -> tuple[int, int | None]:
    return (TABLE[visit.stage], cookie(visit.rule) if visit.rule else None)


def _whole(packet: Packet, in_port: int) -> dict[str, str]:
    if is_mpls(packet.frame.eth_type):
        # A flow in words shows the outermost label only; the bytes show all of them.
        words = [f"in_port={in_port}"]
        words += [
            f"{ovs_name(name)}={format_value(name, packet.pipeline[name])}"
            for name in TUNNEL_FIELDS
            if packet.pipeline.get(name)
        ]
        return {"flow": ",".join(words), "packet": encode(packet.frame).hex()}
    return {"flow": flow_text(packet, in_port)}


def _middle(packet: Packet, in_port: int, stage: str) -> dict[str, str]:
    registers = {name: value for name, value in packet.pipeline.items() if name in PIPELINE_ZEROS and value}
    registers.pop("in_port", None)
    sets = [
        f"set_field:{format_value(name, value)}->{ovs_name(name)}"
        for name, value in registers.items()
        if not name.endswith("src")
    ]
    actions = ",".join([*sets, f"resubmit(,{TABLE[stage]})"])
    return {"flow": flow_text(packet.on_wire, in_port), "actions": actions}


def compare(question: Question, text: str) -> tuple[bool, str]:
    """Whether the switch's trace is as computed, and a line that says so or what is different."""
    said = parse_trace(_own_part(text), question.in_port)
    visits = tuple((visit.table, visit.cookie) for visit in said.visits)
    if visits == question.visits and said.outputs == question.outputs:
        names = " ".join(STAGES[table].name for table, _ in visits)
        return True, f"the switch agrees: {names}{_out(said.outputs)}"
    return False, _difference(question, said, visits)


_TABLE = re.compile(r" *\d+\. ")


def _own_part(text: str) -> str:
    """Without what the trace says of further bridges: where a tunnel's packets go in the underlay is not asked.

    Such a part is as deep as the action that led there, or stands at the end; what belongs to it is deeper, but for
    the numbers of its tables, which are written to the left.
    """
    kept = []
    own, header, depth = True, 0, -1
    for line in text.splitlines():
        indent = len(line) - len(line.lstrip())
        if line.lstrip().startswith("bridge("):
            if own:
                own = False
            else:
                header, depth = 2, indent
        if header:
            header -= 1
            continue
        if depth >= 0 and (indent > depth or _TABLE.match(line)):
            continue
        depth = -1
        kept.append(line)
    return "\n".join(kept)


def _difference(question: Question, said: SwitchTrace, visits: tuple[tuple[int, int | None], ...]) -> str:
    for computed, found in zip(question.visits, visits, strict=False):
        if computed != found:
            return f"THE SWITCH DIFFERS: computed {_words(computed)}, the switch {_words(found)}"
    if len(visits) != len(question.visits):
        longer, which = (visits, "the switch") if len(visits) > len(question.visits) else (question.visits, "computed")
        at = min(len(visits), len(question.visits))
        return f"THE SWITCH DIFFERS: only {which} goes on to {_words(longer[at])}"
    error = f" ({said.error})" if said.error else ""
    return f"THE SWITCH DIFFERS: computed{_out(question.outputs)}, the switch{_out(said.outputs)}{error}"


def _words(place: tuple[int, int | None]) -> str:
    table, key = place
    name = STAGES[table].name if table < len(STAGES) else f"table {table}"
    return f"{name} (no match)" if key is None else f"{name} (cookie {key:#x})"


def _out(outputs: tuple[int, ...]) -> str:
    return f", output {', '.join(map(str, outputs))}" if outputs else ", no output"
