"""Ranges and headers as matches: complete, exact, and no more of them than needed."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from segue.compile.headers import matches, range_masks
from segue.model.path import Headers
from segue.packet.addresses import ETH_IPV4, ETH_IPV6, parse_prefix

ports = st.integers(0, 0xFFFF)


@given(ports, ports, ports)
def test_a_range_matches_its_numbers_and_no_others(a: int, b: int, probe: int) -> None:
    low, high = sorted((a, b))
    masks = range_masks(low, high)
    assert any(probe & mask == value for value, mask in masks) == (low <= probe <= high)
    assert all(any(edge & mask == value for value, mask in masks) for edge in (low, high))
    assert len(masks) <= 30
    assert all(value & ~mask == 0 for value, mask in masks)


def test_every_number_of_small_ranges() -> None:
    for low in range(20):
        for high in range(low, 20):
            masks = range_masks(low, high, 5)
            found = [n for n in range(32) if any(n & mask == value for value, mask in masks)]
            assert found == list(range(low, high + 1))
            assert sum(bin(~mask & 31).count("1") == 0 or 1 for _, mask in masks) == len(masks)


def test_a_protocol_is_matched_as_its_number() -> None:
    assert [m["ip_proto"] for m in matches(Headers(ETH_IPV4, 1))] == [1]
    assert [m["ip_proto"] for m in matches(Headers(ETH_IPV6, 1))] == [1]
    assert [m["ip_proto"] for m in matches(Headers(ETH_IPV6, 58))] == [58]


def test_two_ranges_multiply() -> None:
    headers = Headers(ETH_IPV4, 17, source_ports=(1, 2), destination_ports=(3, 4))
    found = [(m["udp_src"], m["udp_dst"]) for m in matches(headers)]
    assert len(found) == 4


def test_all_ports_and_prefixes_of_length_zero_ask_for_nothing() -> None:
    headers = Headers(ETH_IPV4, 6, source=parse_prefix("0.0.0.0/0"), source_ports=(0, 65535))
    assert list(matches(headers)) == [{"eth_type": ETH_IPV4, "ip_proto": 6}]


def test_other_ethertypes_have_no_ip_fields() -> None:
    assert list(matches(Headers(0x88B5, destination_mac=7))) == [{"eth_type": 0x88B5, "eth_dst": 7}]
