"""Actions that send a packet to another node.

A tunnel starts and ends at the addresses that the two nodes declare, so both are of one family. This also keeps a
packet that goes to several nodes in order: ``tun_dst`` and ``tun_ipv6_dst`` are fields of their own, and a switch that
finds both set sends to the first.
"""

from __future__ import annotations

from segue.compile.rules.wiring import Wiring
from segue.engine import Context
from segue.model.program import AnyAction, Output, SetField
from segue.packet.addresses import parse_ip


def to_node(ctx: Context, wiring: Wiring, node: str, tunnel: str, network: int) -> tuple[AnyAction, ...] | None:
    """Through ``tunnel`` to ``node``, with ``network`` as VNI; None while the node or the tunnel is unknown, and where
    there is no way between the two (``apart``)."""
    peer = ctx.get(wiring.peer, node)
    binding = ctx.get(wiring.binding, tunnel)
    if peer is None or binding is None or ctx.get(wiring.apart, node) is not None:
        return None
    family, address = parse_ip(peer.address)
    field = "tun_dst" if family == 4 else "tun_ipv6_dst"
    return (SetField("tunnel_id", network), SetField(field, address), Output(binding.ofport))


def no_way(ctx: Context, wiring: Wiring, node: str) -> str:
    """Why ``to_node`` gives nothing."""
    me = ctx.get(wiring.me, "self")
    here = me.name if me else "?"
    apart = ctx.get(wiring.apart, node)
    return f"node {here} has no tunnel to node {node}" + (f", {apart}" if apart else " yet")


def peer(ctx: Context, wiring: Wiring, name: str) -> None:
    """Runs over ``peer``: whether both ends are of one family."""
    me, other = ctx.get(wiring.me, "self"), ctx.get(wiring.peer, name)
    if me is None or other is None:
        return
    mine, theirs = parse_ip(me.address)[0], parse_ip(other.address)[0]
    if mine != theirs:
        why = f"whose address is IPv{theirs}, not IPv{mine}; give all nodes addresses of one family"
        ctx.emit(wiring.apart, name, why)
