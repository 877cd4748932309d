"""MPLS as a service chaining data plane (RFC 8595), over VXLAN between nodes.

A path is written as that document's basic unit of two labels: the SFC context label carries the path id, and the SF
label below it the service index (section 6). The Ethernet header stays in front. Labels do not name what they
carry, so a path carries one EtherType, IPv4 or IPv6, and a node knows which by the path.
"""

from __future__ import annotations

from segue.model.path import Path
from segue.model.program import AnyAction, Move, Next, PopMpls, PushMpls, Rule, SetField, match
from segue.model.stages import INDEX, PATH, REDIRECTED
from segue.model.view import TUNNEL_PLAIN
from segue.packet.addresses import ETH_IPV4, ETH_IPV6, ETH_MPLS

LABEL_BITS = 20
TTL = 63


class MPLS:
    name = "mpls"
    tunnel = TUNNEL_PLAIN
    ethertype = ETH_MPLS
    per_ethertype = True
    overhead = 58

    def refuse(self, ethertype: int) -> str | None:
        if ethertype in (ETH_IPV4, ETH_IPV6):
            return None
        return "MPLS labels do not say what they carry: IPv4 and IPv6 only; use encapsulation: nsh"

    def arrival(self, ofport: int) -> tuple[Rule, ...]:
        # What a service has redirected comes by the same tunnel, and its labels are a tenant's own.
        labelled = match(in_port=ofport, eth_type=ETH_MPLS, tunnel_id=(0, REDIRECTED))
        return (Rule("admission", 100, labelled, (Next("unwrap"),), "encap/mpls"),)

    def unwrap(self) -> tuple[Rule, ...]:
        # A context label is never the last one; a single label is not ours.
        take = (Move("mpls_label", PATH, LABEL_BITS), PopMpls(ETH_MPLS), Next("unwrap_index"))
        return (Rule("unwrap", 100, match(eth_type=ETH_MPLS, mpls_bos=0), take, "encap/mpls"),)

    def unwrap_path(self, path: Path) -> tuple[Rule, ...]:
        take = (Move("mpls_label", INDEX, LABEL_BITS), PopMpls(path.spec.ethertype), Next("path_return"))
        known = match({PATH: path.id}, eth_type=ETH_MPLS, mpls_bos=1)
        return (Rule("unwrap_index", 100, known, take, f"chain/{path.spec.chain}"),)

    def wrap(self, path: int, index: int) -> tuple[AnyAction, ...]:
        return (
            PushMpls(),
            SetField("mpls_label", index),
            SetField("mpls_ttl", TTL),
            PushMpls(),
            SetField("mpls_label", path),
        )

    def hand_over(self, path: int, index: int, mac: int) -> tuple[AnyAction, ...]:  # noqa: ARG002
        # The frame's own addresses stay in front of the labels, so the function must take frames for any address.
        return self.wrap(path, index)

    def take_back(self) -> tuple[AnyAction, ...]:
        return ()
