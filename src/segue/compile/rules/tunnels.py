"""Actions that send a packet to another node."""

from __future__ import annotations

from segue.compile.rules.wiring import Wiring
from segue.engine import Context
from segue.model.program import AnyAction, Output, SetField
from segue.packet.addresses import parse_ip


def to_node(ctx: Context, wiring: Wiring, node: str, tunnel: str, network: int) -> tuple[AnyAction, ...] | None:
    """Through ``tunnel`` to ``node``, with ``network`` as VNI; None while the node or the tunnel is unknown."""
    peer = ctx.get(wiring.peer, node)
    binding = ctx.get(wiring.binding, tunnel)
    if peer is None or binding is None:
        return None
    family, address = parse_ip(peer.address)
    field = "tun_dst" if family == 4 else "tun_ipv6_dst"
    return (SetField("tunnel_id", network), SetField(field, address), Output(binding.ofport))
