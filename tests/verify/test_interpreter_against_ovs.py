"""The interpreter against Open vSwitch: the same random programs, the same packets, everything compared."""

from __future__ import annotations

import pytest
from hypothesis import HealthCheck, Phase, assume, given, reject, settings
from hypothesis import strategies as st
from verify_programs import PORTS, TABLES, THEMES, packets, programs
from verify_switch import Switch, tag
from verify_wire import read_pcap

from segue.verify.explain import explain_trace
from segue.verify.interpreter import Program, Trace, Undefined, run
from segue.verify.ovs_text import TableVisit, flow_text, parse_trace
from segue.verify.packet import NOTHING_INSIDE, Packet
from segue.verify.wire import encode

pytestmark = pytest.mark.root

CHECKED = settings(
    max_examples=60,
    deadline=None,
    database=None,
    phases=(Phase.explicit, Phase.generate),
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow, HealthCheck.data_too_large],
)
"""Without shrinking, which takes minutes where every try asks a switch: a failure says all that happened."""
ENOUGH = 200
"""Programs that go round and round meet the switch's limits on sizes, which are not what is tested here."""


def bounded(program: Program, packet: Packet, in_port: int) -> Trace:
    try:
        trace = run(program, packet, in_port)
    except Undefined:
        reject()
    assume(len(trace.visits) < ENOUGH)
    return trace


def said(packet: Packet, in_port: int, trace: Trace, counted: dict[int, int]) -> str:
    """What the interpreter thinks, with how often the switch went by each rule."""
    lines = [f"{packet.frame} by port {in_port}"]
    for line, visit in zip(explain_trace(trace), trace.visits, strict=False):
        seen = (
            "" if visit.rule is None else f"[{counted.get(tag(visit.rule), 0)}] {visit.rule.match} {visit.rule.actions}"
        )
        lines.append(f"{visit.lap} {line} {seen}")
    return "\n".join([*lines, trace.error])


@CHECKED
@given(data=st.data(), theme=st.sampled_from(tuple(THEMES)))
def test_packets_through_the_datapath(switch: Switch, data: st.DataObject, theme: str) -> None:
    """Which rules count the packet and how often; every byte that leaves by every port, in order."""
    met = [data.draw(packets(theme)) for _ in range(4)]
    rules = data.draw(programs(theme, met))
    program = Program(rules, TABLES)
    cases = []
    for packet in met:
        in_port = data.draw(st.sampled_from(PORTS))
        cases.append((packet, in_port, bounded(program, packet, in_port)))
    switch.install(rules, TABLES)
    for packet, in_port, trace in cases:
        before = switch.counts()
        sizes = {port: switch.capture(port).stat().st_size for port in PORTS}
        switch.receive(in_port, encode(packet.frame))
        after = switch.counts()
        counted = {key: after[key] - before[key] for key in after if after[key] != before[key]}
        expected: dict[int, int] = {}
        for visit in trace.visits:
            if visit.rule is not None:
                expected[tag(visit.rule)] = expected.get(tag(visit.rule), 0) + 1
        assert counted == expected, said(packet, in_port, trace, counted)
        for port in PORTS:
            sent = read_pcap(switch.capture(port).read_bytes(), sizes[port])
            assert [frame.hex() for frame in sent] == [
                encode(out.packet.frame).hex()
                for out in trace.outputs
                if out.port == port and out.packet.frame.packet_type == 0
            ], f"port {port}\n{said(packet, in_port, trace, counted)}"


@CHECKED
@given(data=st.data(), theme=st.sampled_from(tuple(THEMES)))
def test_ofproto_trace(switch: Switch, data: st.DataObject, theme: str) -> None:
    """Visited tables with their rules in order, and the outputs, as far as a trace without bytes sees."""
    met = [data.draw(packets(theme, deep=False)) for _ in range(4)]
    rules = data.draw(programs(theme, met))
    program = Program(rules, TABLES)
    cases = []
    for packet in met:
        in_port = data.draw(st.sampled_from(PORTS))
        cases.append((packet, in_port, bounded(program, packet, in_port)))
    switch.install(rules, TABLES)
    for packet, in_port, trace in cases:
        answer = switch.trace(flow_text(packet, in_port))
        told = parse_trace(answer, in_port)
        visits = tuple(
            TableVisit(TABLES[visit.stage], None, None)
            if visit.rule is None
            else TableVisit(TABLES[visit.stage], visit.rule.priority, tag(visit.rule))
            for visit in trace.visits
            if visit.lap == 0
        )
        assert told.visits == visits, answer
        opened = trace.recirculations > 0 or trace.error == NOTHING_INSIDE
        assert told.recirculated == opened, answer
        outputs = [
            out.port
            for out in trace.outputs
            if out.lap == 0 and out.port in PORTS and out.packet.frame.packet_type == 0
        ]
        assert [port for port in told.outputs if port in PORTS] == outputs, answer
        assert bool(told.error) == (bool(trace.error) and not opened)
