"""Rules that depend on nothing but the node's tunnels, and what a stage does with a packet that nothing matches."""

from __future__ import annotations

from segue.compile.rules.wiring import Wiring, emit_rule
from segue.engine import Context
from segue.model.hooks import HOOKS
from segue.model.marks import MARK, MARK_MASK, NOBODY, OF_PATHS
from segue.model.program import AnyAction, Match, Move, Next, SetField, match
from segue.model.stages import NETWORK, PATH, REDIRECTED, SOURCE_PORT, VERDICT, VIA
from segue.model.view import TUNNEL_PLAIN
from segue.packet.addresses import (
    ETH_ARP,
    ETH_IPV4,
    ETH_IPV6,
    ETH_MPLS,
    ETH_MPLS_MULTICAST,
    ETH_NSH,
    ETH_QINQ,
    ETH_VLAN,
    PROTO_ICMPV6,
)

ND_ROUTER = 134
ND_SOLICITATION = 135
ND_ADVERTISEMENT = 136
ND_REDIRECT = 137
ND_OPTION_TARGET = 2
ND_SOLICITED_OVERRIDE = 0x60000000
"""The flags of an answer (RFC 4861 section 4.4), with the reserved bits behind them."""

Static = tuple[str, int, Match, tuple[AnyAction, ...]]

SOLICITATION = match(eth_type=ETH_IPV6, ip_proto=PROTO_ICMPV6, icmpv6_type=ND_SOLICITATION)
ADVERTISE: tuple[AnyAction, ...] = (
    Move("eth_src", "eth_dst", 48),
    Move("ipv6_src", "ipv6_dst", 128),
    SetField("icmpv6_type", ND_ADVERTISEMENT),
    SetField("nd_options_type", ND_OPTION_TARGET),
    SetField("nd_reserved", ND_SOLICITED_OVERRIDE),
    Next("advertise"),
)

PATH_HEADERS = (ETH_NSH, ETH_MPLS, ETH_MPLS_MULTICAST)
"""EtherTypes of what only the network writes."""
TAGS = (ETH_VLAN, ETH_QINQ)
"""EtherTypes of VLAN tags. Open vSwitch reads one tag; the EtherType of a packet with more is the second's."""
PRIORITY_TAG = 0x1000, 0x1FFF
"""``vlan_vid`` of a packet whose outer tag names no VLAN."""

STATIC: tuple[Static, ...] = (
    # A packet from another node is where that node sent it; one from a function must show that it belongs.
    # None carries a header of another within it.
    *(("path_return", 40, match(eth_type=ethertype), ()) for ethertype in PATH_HEADERS),
    ("path_return", 30, match({SOURCE_PORT: 0}), (Next("steer"),)),
    ("path_return", 0, match({PATH: 0}), (Next("ingress"),)),
    *(("port_security", 40, match(eth_type=ethertype), ()) for ethertype in PATH_HEADERS),
    # A path is written by the network alone, whatever else a port may send.
    ("port_security", 40, match(eth_src=(MARK, MARK_MASK)), ()),
    # Where an address is, the switch tells; a port that may use its own addresses only tells nobody.
    *(
        ("port_security", 32, match(eth_type=ETH_IPV6, ip_proto=PROTO_ICMPV6, icmpv6_type=kind), ())
        for kind in (ND_ROUTER, ND_ADVERTISEMENT, ND_REDIRECT)
    ),
    *(("port_security", 20, match(eth_type=ethertype), ()) for ethertype in (ETH_IPV4, ETH_IPV6, ETH_ARP, *TAGS)),
    # Hosts take off any number of tags of VLAN 0 and believe what is beneath (IEEE 802.1Q: it has a priority, and is in
    # no VLAN). Beneath the second nobody has seen it: not who it says it is, nor which chain it should take.
    *(("port_security", 40, match(eth_type=ethertype, vlan_vid=PRIORITY_TAG), ()) for ethertype in TAGS),
    ("responder", 50, SOLICITATION, ADVERTISE),
    ("classify", 0, (), (Next("pre_routing"),)),
    ("restore", 50, match(eth_src=(MARK, MARK_MASK)), (SetField("eth_src", NOBODY),)),
    ("route", 0, (), (Next("post_routing"),)),
    ("neighbor", 200, match({VIA: 1}), (SetField(VIA, 0), Next("post_routing"))),
    # What is of no service passes by; what none of them has taken goes on.
    *((hook.stage, 0, (), (Next(hook.behind),)) for hook in HOOKS.values()),
    *(("go_on", 100, match({VERDICT: hook.number}), (Next(hook.behind),)) for hook in HOOKS.values()),
    # Services send no path headers, nor bring one to light: Open vSwitch reads one tag, and what is beneath the next
    # nobody has seen where a service has taken the first off.
    *(("redirect", 200, match(eth_type=ethertype), ()) for ethertype in PATH_HEADERS),
    ("redirect", 200, match(eth_src=(MARK, OF_PATHS)), ()),
    *(("go_on", 200, match(eth_type=ethertype, vlan_vid=0), ()) for ethertype in TAGS),
)


def static(ctx: Context, wiring: Wiring, _: str) -> None:
    """Runs over the node's own record."""
    for stage, priority, matched, actions in STATIC:
        emit_rule(ctx, wiring, stage, priority, matched, actions, "pipeline")
    for encapsulation in wiring.encapsulations.values():
        binding = ctx.get(wiring.binding, encapsulation.tunnel)
        rules = encapsulation.unwrap() + (encapsulation.arrival(binding.ofport) if binding else ())
        for rule in rules:
            emit_rule(ctx, wiring, rule.stage, rule.priority, rule.match, rule.actions, rule.owner)
    plain = ctx.get(wiring.binding, TUNNEL_PLAIN)
    if plain:
        # Whatever the other node had to decide is decided; what is left is to deliver.
        arrive = (Move("tunnel_id", NETWORK, 24), Next("forward"))
        emit_rule(ctx, wiring, "admission", 50, match(in_port=plain.ofport), arrive, "pipeline")
        # Redirected to a port that is not here, or not any more: its VNI is no network.
        stray = match(in_port=plain.ofport, tunnel_id=(REDIRECTED, REDIRECTED))
        emit_rule(ctx, wiring, "admission", 55, stray, (), "pipeline")
