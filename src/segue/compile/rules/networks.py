"""A network's own rules: flooding of what is for many, and finding MACs anew behind functions that route."""

from __future__ import annotations

from segue.compile.headers import prefix_match
from segue.compile.rules.tunnels import to_node
from segue.compile.rules.wiring import Wiring, emit_rule
from segue.engine import Context
from segue.model.program import AnyAction, Clone, Next, Output, SetField, match
from segue.model.stages import NETWORK, TARGET_PORT
from segue.model.view import TUNNEL_PLAIN, NetworkRecord
from segue.packet.addresses import ETH_IPV4, ETH_IPV6, Prefix

MULTICAST_BIT = 1 << 40
LINK_LOCAL = Prefix(6, 0xFE80 << 112, 10)
"""RFC 4291 section 2.5.6: in every network, and never beyond it."""
MOST_OUTLETS = 1000
"""Beyond this many ports of one network on one node, it does not flood there: one rule's actions have a bound. Those
with services at egress count twice."""


def network(ctx: Context, wiring: Wiring, key: int) -> None:
    record = ctx.get(wiring.network, key)
    if record is None:
        return
    _flood(ctx, wiring, record)
    if ctx.get(wiring.readdressed, key):
        _readdress(ctx, wiring, record)


def _flood(ctx: Context, wiring: Wiring, record: NetworkRecord) -> None:
    """Broadcast and multicast: to the network's ports here, and once to each node that has some.

    The switch does not send a packet out of the port that it came in by. So what came through the tunnel is not sent
    into the tunnel again, and no port hears itself. A port with services of its own at egress gets a copy by way of
    them, so that what they write on it is on no other, and what their meters drop is it alone.
    """
    outlets = sorted(ctx.values(wiring.outlet, record.key))
    if len(outlets) + sum(served for _, _, served in outlets) > MOST_OUTLETS:
        return
    actions: list[AnyAction] = [
        Clone((SetField(TARGET_PORT, key), Next("egress")), apart=True) if served else Output(ofport)
        for key, ofport, served in outlets
    ]
    me = ctx.get(wiring.me, "self")
    for node in record.nodes:
        if me is not None and node != me.name:
            actions.extend(to_node(ctx, wiring, node, TUNNEL_PLAIN, record.key) or ())
    if actions:
        many = match({NETWORK: record.key}, eth_dst=(MULTICAST_BIT, MULTICAST_BIT))
        emit_rule(ctx, wiring, "forward", 50, many, tuple(actions), f"network/{record.name}")


def _readdress(ctx: Context, wiring: Wiring, record: NetworkRecord) -> None:
    """A packet behind a function that routes carries that function's idea of a next hop, which means nothing here, and
    behind one that maps its destination the MAC of another. It gets the one that its source would write: its
    destination's within the network, which ports and the router tell themselves; beyond, the router's, or nobody's."""
    owner = f"network/{record.name}"
    for prefix in (*record.prefixes, LINK_LOCAL):
        ethertype = ETH_IPV4 if prefix.family == 4 else ETH_IPV6
        near = match({NETWORK: record.key} | prefix_match("dst", prefix), eth_type=ethertype)
        emit_rule(ctx, wiring, "readdress", 50, near, (SetField("eth_dst", 0),), owner)
    beyond = (SetField("eth_dst", record.gateway_mac),)
    emit_rule(ctx, wiring, "readdress", 10, match({NETWORK: record.key}), beyond, owner)
