from __future__ import annotations

from typing import Any

import pytest

from segue.model.program import (
    IN_PORT,
    Decap,
    DecTtl,
    Encap,
    Move,
    Multipath,
    Next,
    Output,
    PopMpls,
    PushMpls,
    Rule,
    SetField,
    match,
)
from segue.verify.explain import explain_trace
from segue.verify.hash import multipath
from segue.verify.interpreter import Ambiguous, Program, Trace, run
from segue.verify.packet import Label, Packet

TABLES = {"in": 0, "mid": 1, "out": 2}
UDP = {"eth_type": 0x0800, "ip_proto": 17, "udp_dst": 53, "nw_ttl": 9, "ipv4_src": 0x0A000001, "ipv4_dst": 5}


def rule(stage: str, priority: int, fields: dict[str, int | tuple[int, int]], *actions: object) -> Rule:
    return Rule(stage, priority, match(fields), actions, f"test/{stage}{priority}")  # type: ignore[arg-type]


def go(*rules: Rule, packet: Packet | None = None, in_port: int = 1) -> Trace:
    return run(Program(rules, TABLES), packet or Packet.of(UDP), in_port)


def ports(trace: Trace) -> list[int]:
    return [sent.port for sent in trace.outputs]


def test_the_highest_priority_wins_whatever_the_shape_of_its_match() -> None:
    rules = [
        rule("in", 1, {}, Output(2)),
        rule("in", 5, {"eth_type": 0x0800}, Output(3)),
        rule("in", 9, {"ipv4_src": (0x0A000000, 0xFF000000), "eth_type": 0x0800}, Output(4)),
        rule("in", 7, {"in_port": 1}, Output(5)),
    ]
    assert ports(go(*rules)) == [4]
    assert ports(go(*rules[:2], rules[3])) == [5]
    assert ports(go(*rules, packet=Packet.of({"eth_type": 0x88B5}), in_port=3)) == [2]


def test_no_rule_drops_the_packet() -> None:
    trace = go(rule("in", 1, {"in_port": 2}, Output(3)))
    assert trace.outputs == ()
    assert [(visit.stage, visit.rule) for visit in trace.visits] == [("in", None)]


def test_next_comes_back_with_what_was_changed() -> None:
    trace = go(
        rule("in", 1, {}, Next("mid"), Output(2), Next("out"), Output(3)),
        rule("mid", 1, {}, SetField("reg0", 5), SetField("eth_dst", 9)),
        rule("out", 1, {"reg0": 5}, Output(4)),
    )
    assert trace.stages == ("in", "mid", "out")
    assert ports(trace) == [2, 4, 3]
    assert trace.outputs[0].packet.fields["eth_dst"] == 9
    first, second, _ = trace.visits
    assert first.after.fields["reg0"] == second.after.fields["reg0"] == 5
    assert first.before.fields["reg0"] == 0
    assert [visit.depth for visit in trace.visits] == [0, 1, 1]


def test_a_miss_comes_back_too() -> None:
    assert ports(go(rule("in", 1, {}, Next("mid"), Output(2)))) == [2]


def test_each_output_is_a_copy_of_the_packet_as_it_then_is() -> None:
    trace = go(rule("in", 1, {}, Output(2), SetField("eth_src", 7), Output(3)))
    assert [sent.packet.fields["eth_src"] for sent in trace.outputs] == [0, 7]


def test_a_packet_does_not_leave_where_it_came_in_unless_told() -> None:
    assert ports(go(rule("in", 1, {}, Output(1), Output(IN_PORT)))) == [1]
    assert ports(go(rule("in", 1, {}, SetField("in_port", 0), Output(1)))) == [1]
    assert ports(go(rule("in", 1, {}, SetField("in_port", 2), Output(2), Output(1)))) == [1]


def test_moves_copy_bits() -> None:
    trace = go(
        rule(
            "in",
            1,
            {"eth_type": 0x0800},
            SetField("reg0", 0xABCD),
            Move("reg0", "reg1", 8, 4, 16),
            Move("ipv4_src", "reg2", 32),
            Move("arp_op", "reg3", 16),
            Output(2),
        )
    )
    fields = trace.outputs[0].packet.fields
    assert (fields["reg1"], fields["reg2"], fields["reg3"]) == (0xBC << 16, 0x0A000001, 0)
    with pytest.raises(ValueError, match="no 8 bits"):
        go(rule("in", 1, {}, Move("reg0", "reg1", 8, 30)))


def test_a_ttl_at_its_end_ends_its_own_rule_alone() -> None:
    rules = (
        rule("in", 1, {}, Next("mid"), Output(2)),
        rule("mid", 1, {"eth_type": 0x0800}, DecTtl(), Output(3)),
    )
    assert ports(go(*rules)) == [3, 2]
    assert go(*rules).outputs[0].packet.fields["nw_ttl"] == 8
    assert ports(go(*rules, packet=Packet.of({**UDP, "nw_ttl": 1}))) == [2]


def test_behind_a_recirculation_a_ttl_at_its_end_ends_everything() -> None:
    inner = Packet.of({**UDP, "nw_ttl": 1})
    trace = go(
        rule("in", 1, {}, Next("mid"), Output(2)),
        rule("mid", 1, {"eth_type": 0x894F}, Decap(), Decap(), DecTtl(), Output(3)),
        packet=Packet.of({"eth_type": 0x894F}, inner=inner),
    )
    assert ports(trace) == []
    assert trace.recirculations == 1


def test_the_hash_is_written_where_it_is_asked_for() -> None:
    packet = Packet.of(UDP)
    trace = go(rule("in", 1, {}, Multipath(7, 5, "reg4"), Output(2)), packet=packet)
    assert trace.outputs[0].packet.fields["reg4"] == multipath(packet.fields, 7, 5)


def test_a_path_through_nsh_and_back() -> None:
    rules = (
        rule("in", 2, {"eth_type": 0x894F}, Decap(), Next("mid")),
        rule("mid", 2, {"packet_type": 0x1894F}, Move("nsh_spi", "reg2", 24), Decap(), Next("out")),
        rule("out", 2, {"eth_type": 0x0800, "ip_proto": 17, "udp_dst": 53}, Output(2)),
        rule(
            "in",
            1,
            {},
            Encap("nsh"),
            SetField("nsh_spi", 300),
            Encap("ethernet"),
            SetField("eth_dst", 9),
            Output(3),
        ),
    )
    wrapped = go(*rules).outputs[0].packet.on_wire
    assert wrapped.fields["nsh_spi"] == 300
    trace = go(*rules, packet=wrapped)
    assert ports(trace) == [2]
    assert trace.outputs[0].packet.on_wire == Packet.of(UDP)
    assert trace.outputs[0].packet.fields["reg2"] == 300
    assert trace.recirculations == 1
    assert [visit.lap for visit in trace.visits] == [0, 0, 1]


def test_without_a_word_about_packet_type_header_matches_mean_ethernet() -> None:
    bare = Packet.of(UDP).decap()
    rules = (rule("in", 2, {"eth_type": 0x0800}, Output(2)), rule("in", 1, {"in_port": 1}, Output(3)))
    assert ports(go(*rules, packet=bare)) == [3]
    assert ports(go(rule("in", 2, {"packet_type": 0x10800, "ipv4_dst": 5}, Output(4)), packet=bare)) == [4]


def test_a_packet_with_nothing_left_to_do_after_decap_starts_again() -> None:
    trace = go(
        rule("in", 2, {"eth_type": 0x894F}, SetField("reg0", 3), Decap(), Decap()),
        rule("in", 1, {"reg0": 3}, Output(2)),
        packet=Packet.of({"eth_type": 0x894F}, inner=Packet.of(UDP)),
    )
    assert trace.stages == ("in", "in")
    assert ports(trace) == [2]


def test_what_goes_wrong_undoes_what_was_sent() -> None:
    full = Packet.of(UDP, labels=[Label(16), Label(17), Label(18)])
    trace = go(rule("in", 1, {}, Output(2), PushMpls(), Output(3)), packet=full)
    assert trace.outputs == ()
    assert "MPLS labels" in trace.error


def test_what_was_sent_before_a_recirculation_stays_sent() -> None:
    trace = go(
        rule("in", 1, {"eth_type": 0x8847}, PopMpls(0x0800), Output(2), Next("mid")),
        rule("mid", 1, {"eth_type": 0x0800}, Output(3), Encap("ethernet")),
        packet=Packet.of(UDP, labels=[Label(16)]),
    )
    assert ports(trace) == [2]
    assert trace.error


def test_recursion_has_an_end() -> None:
    trace = go(rule("in", 1, {}, Output(2), Next("in")))
    assert trace.error == "recursion deeper than 64"
    assert len(trace.visits) == 65
    assert trace.outputs == ()


def test_recirculation_has_an_end() -> None:
    trace = go(
        rule("in", 1, {"eth_type": 0x0800}, PushMpls(), PopMpls(0x0800), Output(2), Next("in")),
    )
    assert trace.error == "more than 6 recirculations"
    assert ports(trace) == [2] * 7


def test_two_rules_for_one_packet_are_ambiguous() -> None:
    one = rule("in", 5, {"in_port": 1}, Output(2))
    with pytest.raises(Ambiguous, match="in5"):
        go(one, rule("in", 5, {"eth_type": 0x0800}, Output(3)))
    with pytest.raises(Ambiguous):
        Program([one, rule("in", 5, {"in_port": 1}, Output(3))], TABLES)
    assert ports(go(one, rule("in", 5, {"eth_type": 0x0800}, Output(2)))) == [2]
    assert ports(go(one, rule("in", 6, {"eth_type": 0x0800}, Output(3)))) == [3]
    assert ports(go(one, one)) == [2]


def test_rules_come_and_go() -> None:
    low, high = rule("in", 1, {"in_port": 1}, Output(2)), rule("in", 2, {"in_port": 1}, Output(3))
    program = Program([low], TABLES)
    program.add(high)
    program.add(high)
    assert (len(program), set(program)) == (2, {low, high})
    assert ports(run(program, Packet.of(UDP), 1)) == [3]
    program.remove(high)
    assert ports(run(program, Packet.of(UDP), 1)) == [2]
    with pytest.raises(KeyError):
        program.remove(high)
    program.remove(low)
    assert run(program, Packet.of(UDP), 1).visits[0].rule is None
    assert len(program) == 0


def test_an_unknown_stage_is_refused() -> None:
    with pytest.raises(ValueError, match="no stage"):
        Program([rule("elsewhere", 1, {})], TABLES)


def test_a_hundred_thousand_rules_are_not_all_looked_at(counting: Any) -> None:
    program = Program(
        (
            Rule("in", 100 + n % 500, match(eth_type=0x0800, ipv4_src=n, ipv4_dst=5), (Output(n),), "n")
            for n in range(100_000)
        ),
        TABLES,
    )
    packets = [Packet.of({**UDP, "ipv4_src": n}) for n in range(3, 100_000, 250)]
    with counting(300 * len(packets)):
        traces = [run(program, packet, 1) for packet in packets]
    assert [trace.outputs[0].port for trace in traces] == list(range(3, 100_000, 250))


def test_a_trace_in_words() -> None:
    lines = explain_trace(
        go(
            rule("in", 1, {}, SetField("reg2", 16), Next("mid"), Output(1)),
            rule("mid", 1, {"eth_type": 0x0800}, SetField("ipv4_dst", 0x0A000001), DecTtl(), Output(2)),
        )
    )
    assert lines == [
        "in             test/in1                     path id=16, to mid, no output to 1, where it came in",
        "mid            test/mid1                    ipv4_dst=10.0.0.1, nw_ttl=8, output 2",
    ]
