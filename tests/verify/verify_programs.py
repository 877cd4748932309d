"""Random programs and packets that are likely to meet: few values, every kind of header, every action.

Rules are such as a switch takes (an action that it would refuse is left out) and have priorities of their own.
"""

from __future__ import annotations

import functools

from hypothesis import strategies as st

from segue.model.program import (
    IN_PORT,
    AnyAction,
    Clone,
    Decap,
    DecTtl,
    Encap,
    Move,
    Multipath,
    Next,
    Output,
    PopMpls,
    PushMpls,
    Rule,
    SetField,
    Value,
    match,
)
from segue.model.spread import HASHES
from segue.verify.consistency import refusal
from segue.verify.fields import FIELDS
from segue.verify.packet import Label, Packet

TABLES = {f"t{number}": number for number in range(5)}
PORTS = (1, 2, 3, 4)
NSH = 1 << 16 | 0x894F

V4 = (0x0A000001, 0x0A000002, 0x0A000103)
V6 = tuple(0x20010DB8 << 96 | n for n in (1, 2, 0x10003))
MACS = (0x020000000001, 0x020000000002)
NUMBERS = (0, 1, 2, 3)
VALUES: dict[str, tuple[int, ...]] = {
    "eth_src": MACS,
    "eth_dst": MACS,
    "ipv4_src": V4,
    "ipv4_dst": V4,
    "ipv6_src": V6,
    "ipv6_dst": V6,
    "ip_proto": (6, 17),
    "nw_ttl": (1, 2, 64),
    "arp_op": (1, 2),
    "arp_spa": V4,
    "arp_tpa": V4,
    "arp_sha": MACS,
    "arp_tha": MACS,
    "icmpv4_type": (0, 8),
    "icmpv6_type": (128, 129),
    "ipv6_nd_target": V6,
    "ipv6_nd_sll": MACS,
    "ipv6_nd_tll": MACS,
    "nd_options_type": (1, 2),
    "nd_reserved": (0, 0x40000000, 0xE0000000),
    "mpls_label": (16, 17, 255),
    "mpls_tc": (0, 1),
    "mpls_bos": (0, 1),
    "mpls_ttl": (3, 64),
    "nsh_spi": (1, 2, 16),
    "nsh_si": (253, 254, 255),
    "nsh_ttl": (5, 63),
    "nsh_c1": (0, 7),
    "nsh_np": (3,),
    "tun_dst": V4,
    "tunnel_id": NUMBERS,
    "metadata": NUMBERS,
    "in_port": PORTS,
    **{f"reg{n}": NUMBERS for n in range(8)},
    **{f"{p}_{end}": (1, 80, 0x1234) for p in ("tcp", "udp", "sctp") for end in ("src", "dst")},
}
PIPELINE = ("in_port", "metadata", "reg0", "reg1", "reg2", "tunnel_id", "tun_dst")
ETHER = ("eth_src", "eth_dst")
IP4, IP6 = ("ipv4_src", "ipv4_dst"), ("ipv6_src", "ipv6_dst")
ARP = ("arp_op", "arp_spa", "arp_tpa", "arp_sha", "arp_tha")


class Kind:
    """What a match must state, and what it may add; the latter is what its actions then write."""

    def __init__(self, base: dict[str, int], further: tuple[str, ...]) -> None:
        self.base = base
        self.further = further


EVERY: tuple[Kind, ...] = (Kind({}, ()), Kind({}, ETHER))
IP_KINDS: tuple[Kind, ...] = (
    Kind({"eth_type": 0x0800}, (*ETHER, *IP4, "nw_ttl")),
    Kind({"eth_type": 0x86DD}, (*ETHER, *IP6, "nw_ttl")),
    Kind({"eth_type": 0x0800, "ip_proto": 17}, (*ETHER, *IP4, "udp_src", "udp_dst")),
    Kind({"eth_type": 0x0800, "ip_proto": 6}, (*IP4, "tcp_src", "tcp_dst")),
    Kind({"eth_type": 0x0800, "ip_proto": 132}, (*IP4, "sctp_src", "sctp_dst")),
    Kind({"eth_type": 0x0800, "ip_proto": 1}, (*IP4, "icmpv4_type")),
    Kind({"eth_type": 0x86DD, "ip_proto": 17}, (*ETHER, *IP6, "udp_src", "udp_dst")),
    Kind({"eth_type": 0x86DD, "ip_proto": 6}, (*IP6, "tcp_src", "tcp_dst")),
    Kind({"eth_type": 0x86DD, "ip_proto": 58}, (*IP6, "icmpv6_type")),
)
ND = ("ipv6_nd_target", "ipv6_nd_sll", "nd_options_type", "nd_reserved")
READS_THE_REST = ("arp_op", "icmpv6_type", "nd_options_type", "ipv6_nd_sll")
TO_ADVERT = (SetField("icmpv6_type", 136), SetField("nd_options_type", 2), SetField("nd_reserved", 0xE0000000))
NEIGHBOUR_KINDS: tuple[Kind, ...] = (
    Kind({"eth_type": 0x86DD, "ip_proto": 58, "icmpv6_type": 135, "icmpv6_code": 0}, (*ETHER, *IP6, *ND)),
    Kind(
        {"eth_type": 0x86DD, "ip_proto": 58, "icmpv6_type": 136, "icmpv6_code": 0},
        (*ETHER, "ipv6_nd_target", "ipv6_nd_tll", "nd_options_type"),
    ),
    Kind({"eth_type": 0x0806}, (*ETHER, *ARP)),
)
MPLS = ("mpls_label", "mpls_tc", "mpls_ttl")
MPLS_KINDS: tuple[Kind, ...] = (
    Kind({"eth_type": 0x8847}, (*ETHER, *MPLS)),
    Kind({"eth_type": 0x8847, "mpls_bos": 1}, MPLS),
    Kind({"eth_type": 0x8847, "mpls_bos": 0}, MPLS),
)
NSH_FIELDS = ("nsh_spi", "nsh_si", "nsh_ttl", "nsh_c1")
NSH_KINDS: tuple[Kind, ...] = (
    Kind({"packet_type": NSH}, NSH_FIELDS),
    Kind({"eth_type": 0x894F}, (*ETHER, *NSH_FIELDS)),
    Kind({"packet_type": 1 << 16 | 0x0800}, IP4),
)
THEMES: dict[str, tuple[Kind, ...]] = {
    "ip": (*EVERY, *IP_KINDS),
    "neighbour": (*EVERY, *NEIGHBOUR_KINDS),
    "mpls": (*EVERY, *MPLS_KINDS, *MPLS_KINDS, *IP_KINDS),
    "nsh": (*EVERY, *NSH_KINDS, *NSH_KINDS, *IP_KINDS),
}


def value_of(name: str) -> st.SearchStrategy[int]:
    return st.sampled_from(VALUES[name])


@st.composite
def matches(draw: st.DrawFn, kind: Kind, packet: Packet) -> dict[str, Value]:
    fields: dict[str, Value] = dict(kind.base)
    size = draw(st.sampled_from((0, 0, 1, 1, 2)))
    for name in draw(st.lists(st.sampled_from((*kind.further, *PIPELINE)), max_size=size, unique=True)):
        if name in ("nsh_ttl", "nsh_c1", "nw_ttl", "mpls_ttl") and not draw(st.booleans()):
            continue
        value = draw(value_of(name))
        if draw(st.booleans()):
            value = packet.fields.get(name, value)
        if not FIELDS[name].maskable or draw(st.booleans()):
            fields.setdefault(name, value)
        else:
            mask = (1 << FIELDS[name].width) - 1 ^ draw(st.sampled_from((1, 2, 0xFF)))
            fields.setdefault(name, (value & mask, mask))
    return fields


@st.composite
def set_fields(draw: st.DrawFn, names: tuple[str, ...]) -> SetField:
    name = draw(st.sampled_from(names))
    value = 0 if name == "in_port" else draw(value_of(name))
    if FIELDS[name].maskable and FIELDS[name].width >= 32 and draw(st.integers(0, 3)) == 0:
        return SetField(name, value & 0xFF, 0xFF)
    return SetField(name, value)


@st.composite
def moves(draw: st.DrawFn, names: tuple[str, ...]) -> Move:
    """Never of the input port, which has 16 bits in Open vSwitch's text and 32 in OpenFlow.

    Nor into what says how the rest is read: the switch rewrites headers only when it sends the packet, and what the
    packet then no longer shows stays as it came. Nor from the type of an ND option, which Open vSwitch 3.1 reads as 0.
    """
    usable = tuple(name for name in names if name != "in_port")
    source = draw(st.sampled_from(tuple(name for name in usable if name != "nd_options_type")))
    target = draw(st.sampled_from(tuple(name for name in usable if name not in READS_THE_REST)))
    bits = min(draw(st.sampled_from((1, 4, 8, 16, 20, 24, 32))), FIELDS[source].width, FIELDS[target].width)
    low = draw(st.integers(0, min(3, FIELDS[source].width - bits)))
    to = draw(st.integers(0, min(3, FIELDS[target].width - bits)))
    return Move(source, target, bits, low, to)


LABEL = (PushMpls(), SetField("mpls_label", 17), SetField("mpls_ttl", 40))
INTO_NSH = (Encap("nsh"), Move("reg0", "nsh_spi", 24), SetField("nsh_si", 254))
IN_FRAME = (Encap("ethernet"), SetField("eth_dst", MACS[0]), Output(2))
FROM_NSH = (Move("nsh_spi", "reg0", 24), Move("nsh_si", "reg1", 8), Decap())
REGISTERS = ("reg0", "reg1", "reg2", "metadata", "in_port", "tunnel_id", "tun_dst")


def one(action: AnyAction) -> tuple[AnyAction, ...]:
    return (action,)


def copied(changes: list[AnyAction], headers: tuple[AnyAction, ...], end: AnyAction) -> AnyAction:
    return Clone((*changes, *headers, end))


@functools.cache
def chunks(wild: bool, stage: str, kind: Kind) -> st.SearchStrategy[tuple[AnyAction, ...]]:
    """A few actions that belong together."""
    later = tuple(name for name in TABLES if TABLES[name] > TABLES[stage])
    further = tuple(name for name in kind.further if name != "ipv6_nd_sll")
    names = (*further, *further, *REGISTERS)
    outputs = st.builds(Output, st.sampled_from((*PORTS, *PORTS, IN_PORT, 9)))
    onward = st.builds(Next, st.sampled_from(later)) if later else outputs
    choice = [outputs, outputs, onward, onward, set_fields(names), set_fields(names), moves(names)]
    choice.append(st.builds(SetField, st.sampled_from(("reg0", "reg1", "reg2")), st.sampled_from(NUMBERS)))
    links = st.sampled_from((1, 2, 5, 70))
    hashes = st.sampled_from(tuple(HASHES.values()))
    choice.append(st.builds(Multipath, st.sampled_from((0, 7, 65535)), links, st.just("reg1"), hashes))
    headers = st.sampled_from(((), (), LABEL, INTO_NSH, (*INTO_NSH, *IN_FRAME)))
    changes = st.one_of(set_fields((*further, *further, "reg0", "tun_dst", "metadata")), onward)
    ends = st.one_of(outputs, onward)
    choice.append(st.builds(copied, st.lists(changes, max_size=2), headers, ends))
    choice.append(st.builds(PopMpls, st.sampled_from((0x8847, 0x0800, 0x86DD))))
    choice.append(st.sampled_from((DecTtl(), DecTtl(), PushMpls(), Encap("nsh"), Decap())))
    if wild:
        choice.append(st.sampled_from((*(Next(name) for name in TABLES), Encap("ethernet"))))
    single: list[st.SearchStrategy[tuple[AnyAction, ...]]] = [strategy.map(one) for strategy in choice]
    groups = st.sampled_from((LABEL, INTO_NSH, IN_FRAME, (*INTO_NSH, *IN_FRAME), FROM_NSH))
    if kind in MPLS_KINDS:
        single += [groups, st.builds(PopMpls, st.sampled_from((0x8847, 0x0800, 0x0800))).map(one)]
    if kind in NEIGHBOUR_KINDS:
        single.append(st.just((*TO_ADVERT, *(Next(name) for name in later[:1]))))
    if kind in NSH_KINDS:
        single += [groups, st.just((Decap(),))]
    return st.one_of(*single, groups)


@st.composite
def rules(draw: st.DrawFn, number: int, theme: tuple[Kind, ...], packet: Packet) -> Rule:
    fitting = tuple(kind for kind in theme if kind.base and kind.base.items() <= packet.fields.items())
    kind = draw(st.sampled_from(fitting if fitting and number % 3 else theme))
    stage = draw(st.sampled_from(tuple(TABLES)[1:]))
    rule = Rule(stage, number, match(draw(matches(kind, packet))), (), f"rule/{number}")
    for chunk in draw(st.lists(chunks(number % 5 == 0, stage, kind), min_size=2, max_size=5)):
        for action in chunk:
            longer = Rule(rule.stage, rule.priority, rule.match, (*rule.actions, action), rule.owner)
            if refusal(longer) is None:
                rule = longer
    return rule


@st.composite
def careless_rules(draw: st.DrawFn) -> Rule:
    """Rules whose actions may presuppose what the match does not say; ovs-ofctl mends the match itself."""
    kind = draw(st.sampled_from(THEMES[draw(st.sampled_from(tuple(THEMES)))]))
    anything = Kind({}, tuple(VALUES))
    fields: dict[str, Value] = dict(kind.base)
    for name in draw(st.lists(st.sampled_from(tuple(VALUES)), max_size=2)):
        longer = {name: draw(value_of(name)), **fields}
        if refusal(Rule("t1", 1, match(longer), (), "careless")) is None:
            fields = longer
    some = st.lists(chunks(True, "t1", draw(st.sampled_from((kind, anything)))), max_size=4)
    actions = tuple(action for chunk in draw(some) for action in chunk)
    return Rule("t1", 1, match(fields), actions, "careless")


@st.composite
def programs(draw: st.DrawFn, theme: str, met: list[Packet]) -> list[Rule]:
    """Rules that packets like ``met`` are likely to meet.

    The first takes everything, and all the others are in the stages that it calls.
    """
    way = draw(st.permutations(tuple(TABLES)[1:]))
    first = Rule("t0", 0, (), tuple(Next(stage) for stage in way), "rule/first")
    numbers = range(1, draw(st.integers(8, 24)))
    return [first, *(draw(rules(number, THEMES[theme], draw(st.sampled_from(met)))) for number in numbers)]


PACKETS = {
    "ip": ("v4", "v4", "v6", "v6", "other"),
    "neighbour": ("nd", "arp"),
    "mpls": ("v4", "v4", "v6"),
    "nsh": ("nsh", "nsh", "v4", "v6"),
}


@st.composite
def packets(draw: st.DrawFn, theme: str, deep: bool = True) -> Packet:
    """``deep``: also those with several labels or something inside NSH, which no flow string can say."""

    def some(name: str) -> int:
        return draw(st.sampled_from(VALUES[name]))

    fields = {"eth_src": some("eth_src"), "eth_dst": some("eth_dst")}
    kind = draw(st.sampled_from(PACKETS[theme]))
    if kind == "nsh":
        inner = draw(packets(draw(st.sampled_from(("ip", "mpls", "neighbour"))))) if deep else None
        fields |= {"eth_type": 0x894F, "nsh_np": 3}
        fields |= {name: some(name) for name in ("nsh_spi", "nsh_si", "nsh_ttl", "nsh_c1")}
        return Packet.of(fields, inner=inner)
    if kind == "arp":
        return Packet.of({**fields, "eth_type": 0x0806, **{name: some(name) for name in ARP}})
    if kind == "other":
        return Packet.of({**fields, "eth_type": 0x88B5}, payload=bytes(46))
    if kind == "nd":
        fields |= {"eth_type": 0x86DD, "ip_proto": 58, "nw_ttl": 255, "icmpv6_type": 135, "nd_options_type": 1}
        fields |= {name: some(name) for name in (*IP6, "ipv6_nd_target", "ipv6_nd_sll")}
        return Packet.of(fields)
    ends = IP4 if kind == "v4" else IP6
    fields |= {"eth_type": 0x0800 if kind == "v4" else 0x86DD, "nw_ttl": some("nw_ttl")}
    fields |= {name: some(name) for name in ends}
    fields["ip_dscp"] = draw(st.sampled_from((0, 9)))
    protocol = draw(st.sampled_from((6, 17, 17, 132, 1 if kind == "v4" else 58)))
    fields["ip_proto"] = protocol
    names = {6: ("tcp_src", "tcp_dst"), 17: ("udp_src", "udp_dst"), 132: ("sctp_src", "sctp_dst")}
    for name in names.get(protocol, ("icmpv4_type",) if kind == "v4" else ("icmpv6_type",)):
        fields[name] = some(name)
    most = 4 if deep else 1
    size = draw(st.integers(0, most)) if theme == "mpls" else 0
    labels = [Label(some("mpls_label"), some("mpls_tc"), some("mpls_ttl")) for _ in range(size)]
    tags = draw(st.sampled_from(((), (), (), (0x1005,))))
    return Packet.of(fields, labels=labels, tags=tags, payload=b"abcd")
