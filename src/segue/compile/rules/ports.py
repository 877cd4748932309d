"""A logical port's rules: what may come in by it, how others find it, and the way out to it."""

from __future__ import annotations

from segue.compile.headers import prefix_match
from segue.compile.rules.static import SOLICITATION
from segue.compile.rules.tunnels import to_node
from segue.compile.rules.wiring import Wiring, emit_rule
from segue.engine import Context
from segue.model.program import IN_PORT, Match, Move, Next, Output, SetField, match
from segue.model.stages import NETWORK, SOURCE_PORT, TARGET_PORT
from segue.model.view import TUNNEL_PLAIN, PortRecord
from segue.packet.addresses import ETH_ARP, ETH_IPV4, ETH_IPV6, Prefix, host_prefix

ARP_REQUEST, ARP_REPLY = 1, 2


def port_name(ctx: Context, wiring: Wiring, key: int) -> None:
    record = ctx.get(wiring.port, key)
    me = ctx.get(wiring.me, "self")
    if record is not None and me is not None and record.node == me.name:
        ctx.emit(wiring.named, record.name, key)


def key_of(ctx: Context, wiring: Wiring, name: str) -> int:
    """By which packets from the port's interface are known here: keys grow, so that the newest is the port's own."""
    return max(ctx.values(wiring.named, name))


def port(ctx: Context, wiring: Wiring, key: int) -> None:
    record = ctx.get(wiring.port, key)
    me = ctx.get(wiring.me, "self")
    if record is None or me is None:
        return
    if record.node == me.name:
        ctx.emit(wiring.attached, key, record.name)
        if record.network:
            _sources(ctx, wiring, record)
    if record.network:
        _known(ctx, wiring, record, record.node == me.name)


def _sources(ctx: Context, wiring: Wiring, record: PortRecord) -> None:
    """Stage port_security: the port's own addresses and those that it is allowed besides."""

    def allow(priority: int, fields: Match, stage: str) -> None:
        allowed = match(dict(fields), **{SOURCE_PORT: record.key})
        emit_rule(ctx, wiring, "port_security", priority, allowed, (Next(stage),), f"port/{record.name}")

    if not record.security:
        allow(36, match(eth_type=ETH_ARP), "responder")
        allow(36, SOLICITATION, "responder")
        allow(35, (), "classify")
        return
    own = [(record.mac, host_prefix(family, value)) for family, value in record.addresses]
    for mac, prefix in (*own, *record.allowed):
        source = match(prefix_match("src", prefix), eth_src=mac)
        if prefix.family == 4:
            allow(30, match(dict(source), eth_type=ETH_IPV4), "classify")
            sender = {"arp_spa": prefix.value if prefix.is_host else (prefix.value, prefix.mask)}
            allow(30, match(sender, eth_type=ETH_ARP, eth_src=mac, arp_sha=mac), "responder")
        else:
            allow(30, match(dict(source), eth_type=ETH_IPV6), "classify")
            allow(31, match(dict(source) | dict(SOLICITATION)), "responder")
    # Other EtherTypes have no addresses of their own to check.
    allow(10, match(eth_src=record.mac), "classify")


def _known(ctx: Context, wiring: Wiring, record: PortRecord, here: bool) -> None:
    """How packets find the port: addresses are known, so nothing is flooded and nothing is learned."""
    owner = f"port/{record.name}"
    mine = {NETWORK: record.network}
    network = ctx.get(wiring.network, record.network)
    if here:
        go = (SetField(TARGET_PORT, record.key), Next("egress"))
        emit_rule(ctx, wiring, "forward", 100, match(mine, eth_dst=record.mac), go, owner)
    else:
        away = to_node(ctx, wiring, record.node, TUNNEL_PLAIN, record.network) if record.node else None
        if away:
            emit_rule(ctx, wiring, "forward", 100, match(mine, eth_dst=record.mac), away, owner)
    marked = ctx.get(wiring.marked, record.network)
    readdressed = ctx.get(wiring.readdressed, record.network)
    routed = network is not None and network.gateway_mac
    for family, value in record.addresses:
        answer(ctx, wiring, record.network, family, value, record.mac, owner)
        ethertype = ETH_IPV4 if family == 4 else ETH_IPV6
        host = host_prefix(family, value)
        if routed:
            found = (SetField("eth_dst", record.mac), Next("post_routing"))
            emit_rule(ctx, wiring, "neighbor", 100, match(mine | _destination(host), eth_type=ethertype), found, owner)
        if readdressed:
            host_match = match(mine | _destination(host), eth_type=ethertype)
            emit_rule(ctx, wiring, "readdress", 100, host_match, (SetField("eth_dst", record.mac),), owner)
        if marked:
            source = match(mine | prefix_match("src", host), eth_type=ethertype)
            emit_rule(ctx, wiring, "restore", 100, source, (SetField("eth_src", record.mac),), owner)


def _destination(prefix: Prefix) -> dict[str, int | tuple[int, int]]:
    return prefix_match("dst", prefix)


def answer(ctx: Context, wiring: Wiring, network: int, family: int, value: int, mac: int, owner: str) -> None:
    """Answer ARP (RFC 826) or neighbor solicitation (RFC 4861 section 7.2) for an address of ``network``."""
    if family == 4:
        asked = match({NETWORK: network}, eth_type=ETH_ARP, arp_op=ARP_REQUEST, arp_tpa=value)
        reply = (
            Move("eth_src", "eth_dst", 48),
            SetField("eth_src", mac),
            SetField("arp_op", ARP_REPLY),
            Move("arp_sha", "arp_tha", 48),
            SetField("arp_sha", mac),
            Move("arp_spa", "arp_tpa", 32),
            SetField("arp_spa", value),
            Output(IN_PORT),
        )
        emit_rule(ctx, wiring, "responder", 100, asked, reply, owner)
        return
    advertised = match({NETWORK: network}, eth_type=ETH_IPV6, ip_proto=58, icmpv6_type=136, ipv6_nd_target=value)
    complete = (
        SetField("eth_src", mac),
        SetField("ipv6_src", value),
        SetField("ipv6_nd_tll", mac),
        Output(IN_PORT),
    )
    emit_rule(ctx, wiring, "advertise", 100, advertised, complete, owner)


def interface(ctx: Context, wiring: Wiring, key: int) -> None:
    """The port's interface on this switch. Runs over ``attached``: ports of this node, and ports of functions on
    paths that are not yet gone although the port itself may be."""
    name = ctx.get(wiring.attached, key)
    binding = ctx.get(wiring.binding, name) if name else None
    if name is None or binding is None or key != key_of(ctx, wiring, name):
        return
    record = ctx.get(wiring.port, key)
    owner = f"port/{name}"
    network = record.network if record else 0
    known = (SetField(SOURCE_PORT, key), SetField(NETWORK, network))
    roles = sorted(ctx.values(wiring.function, key))
    stage = "path_return" if roles else "ingress"
    emit_rule(ctx, wiring, "admission", 50, match(in_port=binding.ofport), (*known, Next(stage)), owner)
    for name_of in sorted({name_of for role in roles for name_of in role}):
        encapsulation = wiring.encapsulations[name_of]
        take = (*known, *encapsulation.take_back(), Next("unwrap"))
        framed = match(in_port=binding.ofport, eth_type=encapsulation.ethertype)
        emit_rule(ctx, wiring, "admission", 60, framed, take, owner)
    served = ctx.get(wiring.served, key) is not None
    if served:
        # What came in by the port does not go out by it: nor do services meet such a packet, as when it is for many.
        own = match({TARGET_PORT: key}, in_port=binding.ofport)
        emit_rule(ctx, wiring, "egress", 200, own, (), owner)
    if network:
        ctx.emit(wiring.outlet, network, (key, binding.ofport, served))
    if network or ctx.get(wiring.receives, key) is not None:
        emit_rule(ctx, wiring, "deliver", 100, match({TARGET_PORT: key}), (Output(binding.ofport),), owner)
