"""The multipath hash, against the numbers that Open vSwitch itself chooses."""

from __future__ import annotations

import random
import re

import pytest
from verify_switch import Switch

from segue.model import spread
from segue.model.program import Multipath, Rule, match
from segue.verify.hash import choose_link, multipath, symmetric_hash
from segue.verify.ovs_text import flow_text
from segue.verify.packet import Packet

TABLES = {"only": 0}
PORTS = {6: "tcp", 17: "udp", 132: "sctp"}


def random_packet(rng: random.Random) -> Packet:
    fields = {"eth_src": rng.getrandbits(48), "eth_dst": rng.getrandbits(48)}
    kind = rng.choice(("ipv4", "ipv4", "ipv6", "ipv6", "arp", "other"))
    tags: tuple[int, ...] = ()
    if kind == "arp":
        fields |= {"eth_type": 0x0806, "arp_op": 1, "arp_spa": rng.getrandbits(32)}
    elif kind == "other":
        fields |= {"eth_type": rng.choice((0x88CC, 0x1234))}
        tags = rng.choice(((), (rng.getrandbits(12) | 0x1000,)))
    else:
        bits = 32 if kind == "ipv4" else 128
        fields |= {"eth_type": 0x0800 if kind == "ipv4" else 0x86DD, "nw_ttl": 64}
        fields |= {f"{kind}_src": rng.getrandbits(bits), f"{kind}_dst": rng.getrandbits(bits)}
        protocol = rng.choice((6, 17, 132, 1 if kind == "ipv4" else 58, 47))
        fields["ip_proto"] = protocol
        if protocol in PORTS:
            fields["ip_frag"] = rng.choice((0, 0, 0, 1, 3))
            fields |= {f"{PORTS[protocol]}_{end}": rng.getrandbits(16) for end in ("src", "dst")}
        elif protocol == 1:
            fields |= {"icmpv4_type": 8}
        elif protocol == 58:
            fields |= {"icmpv6_type": 128}
    return Packet.of(fields, tags=tags)


@pytest.mark.root
@pytest.mark.parametrize("hashed", spread.HASHES.values())
def test_open_vswitch_chooses_the_same_links(switch: Switch, hashed: str) -> None:
    rng = random.Random(8300)
    checked = 0
    for round_ in range(4):
        choices = [
            Multipath(rng.getrandbits(16), links, f"reg{n}", hashed)
            for n, links in enumerate((1, 2, 3, 7, 16, 63, 64, 65, 100, 1000, 65536, rng.randint(2, 300)))
        ]
        switch.install([Rule("only", 1, match(), tuple(choices), f"round/{round_}")], TABLES)
        for _ in range(60):
            packet = random_packet(rng)
            if hashed == "symmetric_l4" and packet.fields.get("ip_frag") == 1:
                continue  # of a first fragment it hashes ports, which no flow in words shows
            said = re.findall(r"NXM_NX_REG(\d+)\[\] is now (0x[0-9a-f]+|\d+)", switch.trace(flow_text(packet, 1)))
            assert len(said) == len(choices)
            for choice, (register, value) in zip(choices, said, strict=True):
                assert choice.register == f"reg{register}"
                assert multipath(packet.fields, choice.basis, choice.links, hashed) == int(value, 0), (packet, choice)
            checked += 1
    assert checked >= 150


def test_answers_hash_as_the_flow_does() -> None:
    rng = random.Random(1)
    for _ in range(200):
        there = dict(random_packet(rng).fields)
        back = dict(there)
        for name in there:
            if name.endswith("_src") and name.removesuffix("_src") + "_dst" in there:
                other = name.removesuffix("_src") + "_dst"
                back[name], back[other] = there[other], there[name]
        assert symmetric_hash(back, 77) == symmetric_hash(there, 77)


def test_losing_the_last_link_moves_its_own_flows_alone() -> None:
    for value in range(0, 1 << 32, (1 << 32) // 500):
        with_it = choose_link(value, 9)
        assert choose_link(value, 8) == with_it or with_it == 8


def test_every_link_gets_its_share() -> None:
    rng = random.Random(2)
    for links in (5, 64, 65):
        counts = [0] * links
        for _ in range(links * 60):
            counts[choose_link(rng.getrandbits(32), links)] += 1
        assert min(counts) > 20
        assert max(counts) < 120


def test_a_group_without_links_is_refused() -> None:
    with pytest.raises(ValueError, match="links"):
        choose_link(1, 0)
