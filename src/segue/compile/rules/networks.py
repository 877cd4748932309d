"""A network's own rules: flooding of what is for many, and finding MACs anew behind functions that route."""

from __future__ import annotations

from segue.compile.headers import prefix_match
from segue.compile.rules.tunnels import to_node
from segue.compile.rules.wiring import Wiring, emit_rule
from segue.engine import Context
from segue.model.program import AnyAction, Next, Output, SetField, match
from segue.model.stages import NETWORK, ROUTED
from segue.model.view import TUNNEL_PLAIN, NetworkRecord
from segue.packet.addresses import ETH_IPV4, ETH_IPV6

MULTICAST_BIT = 1 << 40
MOST_OUTLETS = 1000
"""Beyond this many ports of one network on one node, it does not flood there: one rule's actions have a bound."""


def network(ctx: Context, wiring: Wiring, key: int) -> None:
    record = ctx.get(wiring.network, key)
    if record is None:
        return
    _flood(ctx, wiring, record)
    if ctx.get(wiring.unframed, key):
        _reframe(ctx, wiring, record)
    if ctx.get(wiring.readdressed, key):
        _readdress(ctx, wiring, record)


def _flood(ctx: Context, wiring: Wiring, record: NetworkRecord) -> None:
    """Broadcast and multicast: to the network's ports here, and once to each node that has some.

    The switch does not send a packet out of the port that it came in by. So what came through the tunnel is not sent
    into the tunnel again, and no port hears itself.
    """
    outlets = sorted(ctx.values(wiring.outlet, record.key))
    if len(outlets) > MOST_OUTLETS:
        return
    actions: list[AnyAction] = [Output(ofport) for _, ofport in outlets]
    me = ctx.get(wiring.me, "self")
    for node in record.nodes:
        if me is not None and node != me.name:
            actions.extend(to_node(ctx, wiring, node, TUNNEL_PLAIN, record.key) or ())
    if actions:
        many = match({NETWORK: record.key}, eth_dst=(MULTICAST_BIT, MULTICAST_BIT))
        emit_rule(ctx, wiring, "forward", 50, many, tuple(actions), f"network/{record.name}")


def _readdress(ctx: Context, wiring: Wiring, record: NetworkRecord) -> None:
    """As ``_reframe``, for a packet that goes on along another path first. Its ports tell their addresses themselves; a
    packet to an address that nobody has goes to nobody."""
    owner = f"network/{record.name}"
    for prefix in record.prefixes:
        ethertype = ETH_IPV4 if prefix.family == 4 else ETH_IPV6
        near = match({NETWORK: record.key} | prefix_match("dst", prefix), eth_type=ethertype)
        emit_rule(ctx, wiring, "readdress", 50, near, (SetField("eth_dst", 0),), owner)
    beyond = (SetField("eth_dst", record.gateway_mac),)
    emit_rule(ctx, wiring, "readdress", 10, match({NETWORK: record.key}), beyond, owner)


def _reframe(ctx: Context, wiring: Wiring, record: NetworkRecord) -> None:
    """A packet behind a function that routes carries that function's idea of a next hop, which means nothing here:
    within the network its destination's MAC is found by address; beyond, it goes to the router."""
    owner = f"network/{record.name}"
    lost = {NETWORK: record.key, ROUTED: 1}
    for prefix in record.prefixes:
        ethertype = ETH_IPV4 if prefix.family == 4 else ETH_IPV6
        near = match(lost | prefix_match("dst", prefix), eth_type=ethertype)
        emit_rule(ctx, wiring, "route", 300 + prefix.length, near, (SetField(ROUTED, 0), Next("neighbor")), owner)
    if record.gateway_mac:
        far = (SetField(ROUTED, 0), SetField("eth_dst", record.gateway_mac), Next("route"))
        emit_rule(ctx, wiring, "route", 290, match(lost), far, owner)
