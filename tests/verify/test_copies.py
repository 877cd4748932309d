"""Copies of packets: what the interpreter says of ``Clone``, what the switch does, and that it outlives both."""

from __future__ import annotations

import pytest
from verify_switch import Switch
from verify_wire import read_pcap

from segue.drivers.ovs.render import action
from segue.model import stages
from segue.model.program import (
    AnyAction,
    Clone,
    Decap,
    Encap,
    Next,
    Output,
    PopMpls,
    PushMpls,
    Rule,
    SetField,
    cookie,
    match,
)
from segue.openflow import protocol as of
from segue.verify.consistency import refusal
from segue.verify.interpreter import Program, Trace, Undefined, run
from segue.verify.packet import Packet
from segue.verify.rule_text import action_words
from segue.verify.wire import encode

TABLES = {"in": 0, "out": 1}
PACKET = Packet.of(
    {"eth_src": 1, "eth_dst": 2, "eth_type": 0x0800, "ip_proto": 17, "nw_ttl": 9, "ipv4_src": 7, "ipv4_dst": 5},
    payload=b"abcd",
)
IP = match(eth_type=0x0800)
NSH = (Encap("nsh"), SetField("nsh_spi", 16), SetField("nsh_si", 254))
FRAMED = (*NSH, Encap("ethernet"), SetField("eth_dst", 9))
LABELS = (PushMpls(), SetField("mpls_label", 254), PushMpls(), SetField("mpls_label", 16))
GONE = 9
"""No port has this number."""


def go(*actions: AnyAction, out: tuple[AnyAction, ...] = ()) -> Trace:
    return run(Program([Rule("in", 1, IP, actions, "t"), Rule("out", 1, IP, out, "t")], TABLES), PACKET, 1)


def test_the_packet_goes_on_as_it_was() -> None:
    trace = go(
        SetField("reg2", 3),
        Clone((SetField("reg2", 4), SetField("in_port", 0), SetField("eth_dst", 8), Output(1))),
        Output(1),
        Output(2),
    )
    copy, packet = trace.outputs
    assert (copy.port, copy.packet.fields["eth_dst"], copy.packet.fields["reg2"]) == (1, 8, 4)
    assert (packet.port, packet.packet.fields["eth_dst"], packet.packet.fields["reg2"]) == (2, 2, 3)


def test_a_stage_called_for_the_copy_acts_on_the_copy() -> None:
    trace = go(Clone((Next("out"), Output(2))), Output(3), out=(SetField("eth_src", 6),))
    assert [(sent.port, sent.packet.fields["eth_src"]) for sent in trace.outputs] == [(2, 6), (3, 1)]
    assert trace.stages == ("in", "out")


@pytest.mark.parametrize("added", [NSH, FRAMED, LABELS])
def test_a_copy_may_have_more_headers(added: tuple[AnyAction, ...]) -> None:
    trace = go(Clone((*added, Output(2))), Output(3))
    copy, packet = trace.outputs
    assert packet.packet.frame == PACKET.frame
    assert copy.packet.frame.view != PACKET.frame.view


@pytest.mark.parametrize("what", [(Decap(),), (*NSH, Decap()), (PushMpls(), PopMpls(0x0800))])
def test_a_copy_that_loses_headers_has_no_meaning(what: tuple[AnyAction, ...]) -> None:
    with pytest.raises(Undefined):
        go(Clone((*what, Output(2))))


@pytest.mark.parametrize("what", [NSH, LABELS])
def test_a_stage_may_not_add_headers_to_a_copy(what: tuple[AnyAction, ...]) -> None:
    with pytest.raises(Undefined):
        go(Clone((Next("out"), Output(2))), out=what)


def test_a_stages_contract_holds_for_copies() -> None:
    good = Rule("pick", 1, (), (Clone((SetField("nsh_si", 3), Output(2))),), "t")
    stages.check(good)
    for outside in (SetField("ipv4_src", 1), Next("classify")):
        with pytest.raises(stages.OutOfContract):
            stages.check(Rule("pick", 1, (), (Clone((Clone((outside,)),)),), "t"))
    with pytest.raises(stages.OutOfContract):
        stages.check(Rule("classify", 1, (), (Clone((Output(2),)),), "t"))


def test_what_a_switch_refuses_it_refuses_of_copies() -> None:
    assert refusal(Rule("in", 1, IP, (Clone((SetField("udp_src", 1),)),), "t")) is not None
    # What is known of the packet is not changed by what happens to its copy.
    assert refusal(Rule("in", 1, IP, (Clone((*LABELS, Output(2))), SetField("ipv4_src", 1)), "t")) is None


def test_what_a_copy_is_for_is_part_of_a_rules_cookie_and_words() -> None:
    rules = [Rule("in", 1, IP, (Clone((Output(number),)), Output(3)), "t") for number in (1, 2)]
    assert cookie(rules[0]) != cookie(rules[1])
    assert action_words(rules[0]) == "copy (output 1), output 3"


def test_no_header_is_left_to_be_written_behind_a_copy() -> None:
    rendered = action(Clone((*NSH, Output(2))))
    assert isinstance(rendered, of.Clone)
    assert rendered.actions[-3:] == [of.Output(2), of.Encap(of.PacketType.ETH), of.Decap()]
    rendered = action(Clone((*FRAMED, Output(2))))
    assert isinstance(rendered, of.Clone)
    assert rendered.actions[-2:] == [of.Output(2), of.Decap()]
    assert action(Clone((*LABELS, Output(2)))) == of.Clone([*map(action, LABELS), of.Output(2)])


@pytest.mark.root
@pytest.mark.parametrize("port", [3, GONE], ids=["a port", "a port that has gone"])
@pytest.mark.parametrize("added", [(), NSH, FRAMED, LABELS], ids=["as it is", "bare NSH", "NSH", "labels"])
@pytest.mark.parametrize("then", [(), FRAMED, LABELS], ids=["as it is", "NSH", "labels"])
def test_the_switch_sends_both(
    switch: Switch, then: tuple[AnyAction, ...], added: tuple[AnyAction, ...], port: int
) -> None:
    """Release 3.1 ends its process for a copy with a header and no port, if it is not told to write it first."""
    actions = (Clone((*added, SetField("in_port", 0), Output(port))), *then, Output(2))
    rules = [Rule("in", 1, IP, actions, "t")]
    expected = [sent for sent in run(Program(rules, TABLES), PACKET, 1).outputs if sent.port != GONE]
    switch.install(rules, TABLES)
    sizes = {number: switch.capture(number).stat().st_size for number in (2, 3)}
    switch.receive(1, encode(PACKET.frame))
    assert list(switch.counts().values()) == [1]
    for number in (2, 3):
        frames = read_pcap(switch.capture(number).read_bytes(), sizes[number])
        wanted = [sent for sent in expected if sent.port == number and sent.packet.frame.packet_type == 0]
        assert frames == [encode(sent.packet.frame) for sent in wanted], number
