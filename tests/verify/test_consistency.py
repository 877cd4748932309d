"""Which rules a switch takes: by our word, and by Open vSwitch's."""

from __future__ import annotations

import subprocess

import pytest
from hypothesis import HealthCheck, given, settings
from verify_programs import TABLES, careless_rules
from verify_switch import Switch

from segue.model.program import (
    Decap,
    DecTtl,
    Encap,
    Move,
    Next,
    Output,
    PopMpls,
    PushMpls,
    Rule,
    SetField,
    match,
)
from segue.verify.consistency import refusal

IP = {"eth_type": 0x0800}
UDP = {**IP, "ip_proto": 17}


def rule(fields: dict[str, int | tuple[int, int]], *actions: object) -> Rule:
    return Rule("t1", 1, match(fields), actions, "test")  # type: ignore[arg-type]


TAKEN = [
    rule({}),
    rule({}, SetField("eth_src", 1), SetField("reg0", 1, 0xFF), Output(1)),
    rule(UDP, SetField("udp_src", 1), Move("udp_dst", "reg0", 16)),
    rule(IP, DecTtl(), PushMpls(), SetField("mpls_label", 16), PopMpls(0x0800), SetField("ipv4_src", 1)),
    rule({}, Encap("nsh"), Move("reg0", "nsh_spi", 24), Encap("ethernet"), SetField("eth_dst", 1)),
    rule({"packet_type": 0x1894F}, Move("nsh_si", "reg0", 8), Decap(), Next("t2")),
    rule({"eth_type": 0x894F}, Decap(), Move("nsh_spi", "reg0", 24), Decap()),
    rule({"eth_type": 0x86DD, "ip_proto": 58, "icmpv6_type": 135, "icmpv6_code": 0}, SetField("ipv6_nd_sll", 1)),
]
REFUSED = [
    (rule({"udp_dst": 53}), "without what it presupposes"),
    (rule(IP, SetField("udp_src", 1)), "does not promise"),
    (rule({}, DecTtl()), "does not say is IP"),
    (rule({"eth_type": 0x0806}, SetField("arp_tpa", 1), SetField("ipv4_src", 1)), "ipv4_src"),
    (rule(UDP, PushMpls(), PopMpls(0x0800), SetField("udp_src", 1)), "udp_src"),
    (rule({}, PopMpls(0x0800)), "popped"),
    (rule({"packet_type": 0x1894F}, PushMpls()), "not Ethernet"),
    (rule({"packet_type": 0x1894F}, Decap(), SetField("eth_src", 1)), "eth_src"),
    (rule(UDP, SetField("ip_proto", 6)), "cannot be written"),
    (rule({"eth_type": 0x8847, "mpls_label": (16, 16)}), "part of mpls_label"),
    (rule({}, Move("reg0", "reg1", 20, 16)), "move of 20 bits"),
    (rule({"eth_type": 0x86DD, "ip_proto": 58, "icmpv6_type": 135}, SetField("ipv6_nd_tll", 1)), "ipv6_nd_tll"),
]


@pytest.mark.parametrize("taken", TAKEN, ids=str)
def test_rules_that_say_what_they_presuppose_are_taken(taken: Rule) -> None:
    assert refusal(taken) is None


@pytest.mark.parametrize(("refused", "why"), REFUSED, ids=str)
def test_the_reason_for_a_refusal(refused: Rule, why: str) -> None:
    assert why in (refusal(refused) or "taken")


def takes(switch: Switch, candidate: Rule) -> bool:
    try:
        switch.install([candidate], TABLES)
    except (AssertionError, subprocess.SubprocessError):
        return False
    return True


@pytest.mark.root
@pytest.mark.parametrize("known", [*TAKEN, *(refused for refused, _ in REFUSED)], ids=str)
def test_open_vswitch_says_the_same(switch: Switch, known: Rule) -> None:
    assert takes(switch, known) == (refusal(known) is None)


@pytest.mark.root
@settings(max_examples=150, deadline=None, database=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(careless=careless_rules())
def test_open_vswitch_says_the_same_of_careless_rules(switch: Switch, careless: Rule) -> None:
    assert takes(switch, careless) == (refusal(careless) is None), refusal(careless)
