from __future__ import annotations

import pytest

from segue.packet.addresses import parse_ip, parse_mac, parse_prefix
from segue.verify.flow_text import Endpoint, Flow, FlowError, flow_packet, parse_flow

RED = (parse_prefix("10.0.0.0/24"), parse_prefix("2001:db8::/64"), parse_prefix("10.0.1.0/24"))
ROUTER = parse_mac("02:00:00:00:00:fe")


def endpoint(name: str, mac: str, *addresses: str, network: str = "red", gateway: int = ROUTER) -> Endpoint:
    found = tuple(parse_ip(address) for address in addresses)
    return Endpoint(name, network, parse_mac(mac), found, RED, gateway, (parse_ip("10.0.0.254"),))


PORTS = [
    endpoint("client", "02:00:00:00:00:01", "10.0.0.1", "2001:db8::1"),
    endpoint("server", "02:00:00:00:00:02", "10.0.0.2", "2001:db8::2"),
    endpoint("far", "02:00:00:00:00:03", "10.0.1.3"),
    endpoint("six", "02:00:00:00:00:04", "2001:db8::4"),
    endpoint("lonely", "02:00:00:00:00:05", "10.0.0.5", gateway=0),
    endpoint("other", "02:00:00:00:00:06", "10.0.0.2", network="blue"),
]


@pytest.mark.parametrize(
    ("text", "flow"),
    [
        ("client > server udp 2345", Flow("client", "server", "udp", 40000, 2345)),
        ("client>server tcp 40000>80", Flow("client", "server", "tcp", 40000, 80)),
        ("10.0.0.1 > 10.0.1.2 icmp", Flow("10.0.0.1", "10.0.1.2", "icmp")),
        ("client > 2001:db8::5 udp 2345 ttl 3", Flow("client", "2001:db8::5", "udp", 40000, 2345, ttl=3)),
        ("a > b sctp 9 from port 7 over ipv6", Flow("a", "b", "sctp", 7, 9, family=6)),
        ("a > b ip 47", Flow("a", "b", "ip", number=47)),
    ],
)
def test_flows(text: str, flow: Flow) -> None:
    assert parse_flow(text) == flow


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "where the packet comes from is missing"),
        ("client server udp 1", "write `>` between source and destination"),
        ("> server udp 1", "where the packet comes from is missing"),
        ("client > udp", "a protocol is missing"),
        ("client > server", "a protocol is missing"),
        ("client > server gre", "'gre' is not a protocol: write tcp, udp, sctp, icmp or ip"),
        ("client > server udp", "a udp port is missing"),
        ("client > server udp http", "'http' is not a udp port (0 to 65535)"),
        ("client > server tcp 80 >", "a tcp port is missing: write `tcp 80 > 80`"),
        ("client > server tcp 70000", "'70000' is not a tcp port"),
        ("client > server icmp 8", "'8' means nothing here"),
        ("client > server icmp from port 8", "icmp has no ports"),
        ("client > server icmp ttl 256", "'256' is not a TTL (0 to 255)"),
        ("client > server icmp over ipx", "'ipx' is not a family"),
        ("client > server udp 5 from 7", "write `port` behind `from`"),
    ],
)
def test_what_to_write_instead(text: str, message: str) -> None:
    with pytest.raises(FlowError) as error:
        parse_flow(text)
    assert message in str(error.value)


def test_the_packet_that_the_sender_would_make() -> None:
    port, packet = flow_packet(parse_flow("client > server udp 2345"), PORTS)
    assert port == "client"
    fields = packet.fields
    assert (fields["eth_src"], fields["eth_dst"]) == (PORTS[0].mac, PORTS[1].mac)
    assert (fields["ipv4_src"], fields["ipv4_dst"]) == (0x0A000001, 0x0A000002)
    assert (fields["udp_src"], fields["udp_dst"], fields["nw_ttl"]) == (40000, 2345, 64)


def test_another_subnet_is_reached_by_the_router() -> None:
    for text in ("client > far icmp", "client > 192.0.2.1 icmp", "10.0.0.1 > 10.0.1.3 icmp"):
        _, packet = flow_packet(parse_flow(text), PORTS)
        assert packet.fields["eth_dst"] == ROUTER
        assert packet.fields["icmpv4_type"] == 8


def test_the_router_itself_can_be_asked() -> None:
    _, packet = flow_packet(parse_flow("client > 10.0.0.254 icmp"), PORTS)
    assert packet.fields["eth_dst"] == ROUTER


def test_the_family_is_the_one_that_both_have() -> None:
    _, packet = flow_packet(parse_flow("client > six icmp"), PORTS)
    assert (packet.fields["eth_type"], packet.fields["icmpv6_type"]) == (0x86DD, 128)
    _, packet = flow_packet(parse_flow("client > server tcp 80 over ipv6"), PORTS)
    assert packet.fields["ipv6_dst"] == parse_ip("2001:db8::2")[1]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("cleint > server icmp", "there is no port 'cleint'"),
        ("10.9.9.9 > server icmp", "no port has address 10.9.9.9"),
        ("10.0.0.2 > client icmp", "several ports have address 10.0.0.2: write one of their names (other, server)"),
        ("far > six icmp", "addresses of one and the same IP version"),
        ("far > client icmp over ipv6", "do not both have addresses of IPv6"),
        ("client > 10.0.0.77 icmp", "no port in red has 10.0.0.77"),
        ("lonely > far icmp", "red has no router"),
    ],
)
def test_why_there_is_no_such_packet(text: str, message: str) -> None:
    with pytest.raises(FlowError) as error:
        flow_packet(parse_flow(text), PORTS)
    assert message in str(error.value)
