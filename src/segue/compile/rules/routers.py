"""The distributed router: every node routes what starts or ends its path there, so no packet makes a detour."""

from __future__ import annotations

from segue.compile.headers import prefix_match
from segue.compile.rules.ports import answer
from segue.compile.rules.wiring import Wiring, emit_rule
from segue.engine import Context
from segue.model.program import DecTtl, Match, Move, Next, SetField, match
from segue.model.stages import NETWORK, VIA
from segue.model.view import Interface
from segue.packet.addresses import ETH_IPV4, ETH_IPV6, PROTO_ICMP, PROTO_ICMPV6, Prefix

ECHO = {4: (PROTO_ICMP, "icmpv4_type", 8, 0), 6: (PROTO_ICMPV6, "icmpv6_type", 128, 129)}
"""By family: protocol, type field, echo request, echo reply (RFC 792; RFC 4443 section 4)."""
TTL = 64


def router(ctx: Context, wiring: Wiring, key: int) -> None:
    record = ctx.get(wiring.router, key)
    if record is None:
        return
    owner = f"router/{record.name}"
    addresses = [address for leg in record.interfaces for address in leg.addresses]
    macs = {leg.network: leg.mac for leg in record.interfaces}
    for leg in record.interfaces:
        for family, value in leg.addresses:
            answer(ctx, wiring, leg.network, family, value, leg.mac, owner)
            if ctx.get(wiring.readdressed, leg.network):
                there = _to_address({NETWORK: leg.network}, family, value)
                emit_rule(ctx, wiring, "readdress", 90, there, (SetField("eth_dst", leg.mac),), owner)
        for family, value in addresses:
            _echo(ctx, wiring, leg, family, value, owner)
        for other in record.interfaces:
            for prefix in other.prefixes:
                go = (
                    DecTtl(),
                    SetField(NETWORK, other.network),
                    SetField("eth_src", other.mac),
                    SetField("in_port", 0),  # the way on may be the way back
                    Next("forwarding"),
                )
                emit_rule(ctx, wiring, "route", 100 + prefix.length, _to(leg, prefix), go, owner)
        for route in record.routes:
            if route.network in macs:
                go_via = (
                    DecTtl(),
                    SetField(NETWORK, route.network),
                    SetField("eth_src", macs[route.network]),
                    SetField("eth_dst", route.mac),
                    SetField(VIA, 1),
                    SetField("in_port", 0),
                    Next("forwarding"),
                )
                emit_rule(
                    ctx, wiring, "route", 100 + route.destination.length, _to(leg, route.destination), go_via, owner
                )


def _to(leg: Interface, prefix: Prefix) -> Match:
    ethertype = ETH_IPV4 if prefix.family == 4 else ETH_IPV6
    return match({NETWORK: leg.network} | prefix_match("dst", prefix), eth_dst=leg.mac, eth_type=ethertype)


def _to_address(fields: dict[str, int], family: int, value: int) -> Match:
    return match({**fields, f"ipv{family}_dst": value}, eth_type=ETH_IPV4 if family == 4 else ETH_IPV6)


def _echo(ctx: Context, wiring: Wiring, leg: Interface, family: int, value: int, owner: str) -> None:
    """The router answers pings of its addresses: the first thing that people try."""
    protocol, field, request, reply = ECHO[family]
    source, target = f"ipv{family}_src", f"ipv{family}_dst"
    asked = match(
        {NETWORK: leg.network, target: value, field: request},
        eth_dst=leg.mac,
        eth_type=ETH_IPV4 if family == 4 else ETH_IPV6,
        ip_proto=protocol,
    )
    answered = (
        Move("eth_src", "eth_dst", 48),
        SetField("eth_src", leg.mac),
        Move(source, target, 32 if family == 4 else 128),
        SetField(source, value),
        SetField(field, reply),
        SetField("nw_ttl", TTL),
        SetField("in_port", 0),
        Next("post_routing"),
    )
    emit_rule(ctx, wiring, "route", 400, asked, answered, owner)
