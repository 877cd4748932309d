"""The compiled core against generated Python: the same bytes, objects and errors, whatever it is given."""

from __future__ import annotations

import random
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from segue.openflow import codec, core, generate
from segue.openflow.declare import FAMILIES, HOMES
from segue.openflow.fields import FIELDS
from segue.openflow.protocol import FlowMod, GotoTable, Output, PacketIn, PacketOut
from segue.openflow.protocol.families import ACTION
from segue.openflow.wire import HEADER, V11, V13, V15, VERSIONS, EncodeError

from .cores import both, make

pytestmark = pytest.mark.skipif(not core.COMPILED, reason="the core is not compiled")

SEEDS = st.integers(0, 2**48)


@pytest.mark.parametrize("odd", [0, 4])
@settings(max_examples=1000, deadline=None)
@given(seed=SEEDS)
def test_written_alike(odd: int, seed: int) -> None:
    msg, version = make(seed, odd)
    both(lambda: codec.encode(msg, seed & 0xFFFFFFFF, version))


@settings(max_examples=1000, deadline=None)
@given(seed=SEEDS)
def test_read_alike(seed: int) -> None:
    """Octets that are right, and then such that somebody tampered with."""
    msg, version = make(seed, 0)
    try:
        data = codec.encode(msg, 7, version)
    except EncodeError:
        return
    both(lambda: codec.decode(data))
    rng = random.Random(seed)
    for _ in range(8):
        hostile = bytearray(data)
        for _ in range(rng.choice([1, 1, 2, 5])):
            if len(hostile) > 8:
                at = rng.randrange(8, len(hostile))
                hostile[at] = rng.choice(
                    [0, 1, 4, 7, 8, 16, 255, rng.randrange(256), hostile[at] ^ 1 << rng.randrange(8)]
                )
        if rng.randrange(2):
            hostile = hostile[: rng.randrange(8, len(hostile) + 1)] + rng.randbytes(rng.choice([0, 0, 1, 8]))
        hostile[2:4] = len(hostile).to_bytes(2, "big")
        both(lambda hostile=bytes(hostile): codec.decode(hostile))


# What a match needs before it may have the others (OpenFlow 1.5.1 section 7.2.3.6).
_KINDS = (
    {"eth_type": 0x0800, "ip_proto": 6, "ip_dscp": 9, "ipv4_src": 7, "ipv4_dst": 8, "tcp_src": 80, "tcp_dst": 81},
    {"eth_type": 0x0806, "arp_op": 1, "arp_spa": 7, "arp_tpa": 9},
    {"eth_type": 0x86DD, "ip_proto": 58, "icmpv6_type": 135, "icmpv6_code": 0, "ipv6_src": 1 << 100},
    {"vlan_vid": 0x1007, "vlan_pcp": 3, "metadata": 1 << 60, "in_port": 7, "eth_src": 1 << 40, "mpls_bos": 1},
)


@settings(max_examples=600, deadline=None)
@given(seed=SEEDS)
def test_matches_alike(seed: int) -> None:
    """Those that can be: written, read, and read again with other values under the same headers."""
    rng = random.Random(seed)
    version = rng.choice(VERSIONS)
    match: dict[str, Any] = {}
    for name, usual in rng.choice(_KINDS).items():
        limit = FIELDS[name].limit
        if name not in ("eth_type", "ip_proto") and rng.randrange(5) == 0:
            continue
        value = usual if rng.randrange(2) else rng.choice([0, limit, limit + 1, rng.randrange(limit + 1)])
        if version >= 3 and FIELDS[name].maskable and rng.randrange(3) == 0:
            mask = rng.choice([limit, rng.randrange(limit + 1)])
            match[name] = (value & (mask if rng.randrange(8) else limit), mask)
        else:
            match[name] = usual if name in ("eth_type", "ip_proto") else value
    _, found = both(lambda: codec.encode(FlowMod(match=match), 1, version))
    if not isinstance(found[0], bytes):
        return
    data = bytearray(found[0])
    both(lambda: codec.decode(bytes(data)))
    for _ in range(4):
        at = rng.randrange(48 if version >= 3 else 8, len(data))
        data[at] = rng.choice([0, 255, rng.randrange(256)])
        both(lambda: codec.decode(bytes(data)))


def test_shapes_of_a_match() -> None:
    """One plan serves every match of a shape; these differ in what it must look at."""
    for version in VERSIONS:
        for port in (0, 1, 0xFEFF, 0xFF00, 0xFFFFFEFF, 0xFFFFFFFD, 1 << 32):
            both(lambda port=port, v=version: codec.encode(FlowMod(match={"in_port": port}), 1, v))
        for vid in (0, 1, 0xFFF, 0x1000, 0x1FFF, 0x2000):
            both(lambda vid=vid, v=version: codec.encode(FlowMod(match={"vlan_vid": vid}), 1, v))
        for kind in (0x0800, 0x86DD, 0x0806, 7):
            for dscp in (0, 1, 63, 64):
                match = {"eth_type": kind, "ip_dscp": dscp}
                both(lambda match=match, v=version: codec.encode(FlowMod(match=match), 1, v))
        for value, mask in ((5, 5), (5, 4), (0, 0), (1 << 48, 1 << 48), (1, (1 << 48) - 1)):
            match = {"eth_src": (value, mask)}
            both(lambda match=match, v=version: codec.encode(FlowMod(match=match), 1, v))
    for field, value in (("vlan_vid", 0x2001), ("vlan_pcp", 8), ("mpls_bos", 2), ("ip_ecn", 4)):
        data = codec.encode(FlowMod(match={field: 0}), 1, V13)
        size = FIELDS[field].size
        hostile = data[:56] + value.to_bytes(size, "big") + data[56 + size :]
        assert both(lambda hostile=hostile: codec.decode(hostile))[0] == "ProtocolError"


@pytest.mark.parametrize("match", [{"in_port": 3}, {f"xxreg{n}": n for n in range(4)} | {"ipv6_src": 1, "ipv6_dst": 2}])
def test_oxm_matches_in_1_1(match: dict[str, int]) -> None:
    """They are shorter and longer than the 88 octets of the version's own."""
    mod = FlowMod(match={"match_type": 1, **match}, instructions=[GotoTable(1)])
    _, (octets, _) = both(lambda: codec.encode(mod, 1, V11))
    _, ((read, *_), _) = both(lambda: codec.decode(octets))
    assert (read.match, read.instructions) == (mod.match, (GotoTable(1),))


@pytest.mark.parametrize("behind", range(17))
def test_padding_at_the_end_of_a_list(behind: int) -> None:
    """Properties are followed by up to seven octets of padding, of which the last ones may be missing."""
    for kind in (2, 3, 11):
        data = HEADER.pack(V15, 0, 8 + 8 + behind, 1) + bytes([0, kind, 0, 5 + behind % 8]) + bytes(4 + behind)
        both(lambda data=data: codec.decode(data))
        short = data[: len(data) - behind]
        short = short[:2] + len(short).to_bytes(2, "big") + short[4:]
        both(lambda short=short: codec.decode(short))


@settings(max_examples=300, deadline=None)
@given(body=st.binary(max_size=120), kind=st.integers(0, 40), version=st.sampled_from(VERSIONS))
def test_noise_read_alike(body: bytes, kind: int, version: int) -> None:
    both(lambda: codec.decode(HEADER.pack(version, kind, 8 + len(body), 1) + body))


def test_every_record_is_compiled_or_known_not_to_be() -> None:
    """Those that are not say so here, lest one falls back unseen."""
    left: set[str] = set()
    for home in FAMILIES:
        for record, entry in home.entries.items():
            for version in VERSIONS:
                if entry.number(version) is not None:
                    made = codec._make_writer(record, version), codec._make_reader(record, version)
                    left |= {record.__name__ for one in made if "_core" not in type(one).__module__}
    nested = {r.__name__ for r in HOMES if any(item.kind == "nested" for item in r.WIRE)}
    assert left - nested == {"Error", "Learn2"}


def test_usual_messages_need_no_fallback() -> None:
    """What a busy controller writes and reads, the generated functions refusing to be made."""

    def refuse(*_: Any) -> Any:
        raise AssertionError("generated code was asked for")

    made = generate.make
    generate.make = refuse  # type: ignore[assignment]
    try:
        for version in VERSIONS:
            flow = FlowMod(
                match={"in_port": 1, "eth_src": 2 << 40, "eth_dst": 3}, actions=[Output(0xFFFFFFFB)], cookie=9
            )
            packet = PacketIn(buffer_id=5, in_port=48, total_len=60, data=bytes(60))
            for msg in (flow, packet, PacketOut.answering(packet, [Output(3)])):
                writer = codec._make_writer(type(msg), version)
                data = writer(msg, 1)
                codec._make_reader(type(msg), version)(data, 0, len(data))
    finally:
        generate.make = made  # type: ignore[assignment]


def test_deep_nesting() -> None:
    clone = next(r for r in ACTION.entries if r.__name__ == "Clone")
    for depth in (2, 15, 16, 17, 40):
        action: Any = Output(1)
        for _ in range(depth):
            action = clone(actions=[action])
        kind, found = both(lambda action=action: codec.encode(FlowMod(actions=[action]), 1, V13))
        assert kind == ""
        kind, _ = both(lambda found=found: codec.decode(found[0]))
        assert kind == ("ProtocolError" if depth > 14 else "")


@pytest.mark.parametrize("size", [0, 13, 14, 60])
def test_frame_fields(size: int) -> None:
    data = bytes(range(1, size + 1))
    for given_data in (data, bytearray(data), memoryview(data)):
        msg = PacketIn(data=given_data)  # type: ignore[arg-type]
        whole = size >= 14
        assert msg.eth_dst == (0x010203040506 if whole else 0)
        assert msg.eth_src == (0x0708090A0B0C if whole else 0)
        assert msg.eth_type == (0x0D0E if whole else 0)
    assert "destination" in str(PacketIn.eth_dst.__doc__)
