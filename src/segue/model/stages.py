"""The forwarding pipeline, declared.

Every packet enters at ``admission``. Each stage says what it is for, which fields its rules may match, what they
may write, and where a packet may go next; a rule outside its stage's contract is refused before it reaches a
switch. Table numbers follow from the order here, and the documentation's page of the pipeline is generated from
this file.

    admission -> unwrap -> unwrap_index -> path_return -> [ingress] -> port_security -> responder -> advertise
               -> classify -> steer -> branch -> pick -> restore -> readdress -> [pre_routing] -> route
               -> [forwarding] -> neighbor -> [post_routing] -> forward -> [egress] -> deliver

    [hook] -> service_gate [-> service_gate] -> service_0 ... service_15 [-> group_copy] -> redirect
    [hook] -> go_on -> the stage behind the hook

A packet skips what does not concern it; it goes back only where ``next`` says so. No rule matches what an earlier
packet left behind: nothing in this pipeline learns.

Stages in brackets are hooks (``model.hooks``). A packet of an element that injected services are attached to is handed
to each of them in turn: the hook names the service and the element in registers and calls ``service_gate``, which
calls the service's first table. All services share sixteen tables: their rules match the register that names the
service, so that no packet meets a rule of a service that it was not handed to. Behind the last service the packet goes
on unless one of them has cleared ``VERDICT``.
"""

from __future__ import annotations

import msgspec

from segue.model.program import (
    FIRST_GROUP,
    FIRST_METER,
    GROUPS,
    METERS,
    AnyAction,
    Clone,
    Decap,
    DecTtl,
    Encap,
    Group,
    Meter,
    Move,
    Multipath,
    Next,
    Output,
    PopMpls,
    PopVlan,
    PushMpls,
    PushVlan,
    Rule,
    SetField,
    SetQueue,
    ToGroup,
    ToService,
    UseMeter,
)

SOURCE_PORT = "reg0"
"""The key of the logical port that the packet came in by; 0 when it came from another node, and behind a path."""
TARGET_PORT = "reg1"
"""The key of the logical port that the packet goes out by."""
PATH = "reg2"
"""The path id (the SPI of RFC 8300); 0 off every path."""
INDEX = "reg3"
"""The service index: which step comes next."""
LINK = "reg4"
"""The slot that the hash chose in the next step's group."""
ROUND = "reg5"
"""How many times the hash has met an empty slot."""
VIA = "reg6"
"""1 when a static route has given the packet the MAC address of its next hop, which need not be found."""
SERVICE = "reg7"
"""The key of the injected service that the packet has been handed to; 0 outside of services."""
ELEMENT = "reg8"
"""The key of the attached element for whose sake that is so; of a router with ``ROUTER_ELEMENT`` set."""
VERDICT = "reg9"
"""The number of the hook (``model.hooks``) that the packet goes on from; 0 once a service has taken it."""
INJECTED = "reg10"
"""The key of the service that has sent the packet itself and is not to get it back; 0 otherwise."""
SERVICE_METADATA = "xreg6"
"""What the service's own rules know as ``metadata``, 64 bits. Made of reg12 and reg13."""
REGARDED = "reg11"
"""Where headers are copied to for the switch to look at all of them; 1 when that is done, and 0 outside of the gate."""
NETWORK = "metadata"
"""The key of the logical network that the packet is in (also its VNI between nodes)."""

REGISTERS = {
    SOURCE_PORT: "source port",
    TARGET_PORT: "target port",
    PATH: "path id",
    INDEX: "service index",
    LINK: "chosen slot",
    ROUND: "hash round",
    VIA: "via a next hop",
    SERVICE: "service",
    ELEMENT: "element",
    VERDICT: "verdict",
    INJECTED: "sent by service",
    SERVICE_METADATA: "metadata of the service",
    REGARDED: "headers looked at",
    NETWORK: "network",
}

ROUTER_ELEMENT = 1 << 31
"""Set in ``ELEMENT`` where the element is a router: ports and routers are numbered apart."""
REDIRECTED = 0x800000
"""Set in the VNI of a packet that a service has sent to a port on another node; the rest is the port's key. Networks'
keys are below it."""
SERVICE_TABLES = 16
"""How many tables each injected service has."""

L2 = frozenset({"eth_src", "eth_dst", "eth_type"})
L3 = frozenset({"ipv4_src", "ipv4_dst", "ipv6_src", "ipv6_dst", "ip_proto"})
L4 = frozenset({"tcp_src", "tcp_dst", "udp_src", "udp_dst", "sctp_src", "sctp_dst", "icmpv4_type", "icmpv6_type"})
FRAGMENT = frozenset({"ip_frag"})
ARP = frozenset({"arp_op", "arp_spa", "arp_tpa", "arp_sha", "arp_tha"})
VLAN = frozenset({"vlan_vid", "vlan_pcp"})
OF_SERVICES = frozenset(
    {"eth_src", "eth_dst", "eth_type", "vlan_vid", "vlan_pcp", "ip_dscp", "ip_ecn", "nw_ttl", "ip_frag"}
    | {"tcp_flags", "icmpv4_code", "icmpv6_code", "ipv6_flabel", "arp_op", "arp_spa", "arp_tpa", "arp_sha", "arp_tha"}
    | {"ipv6_nd_target", "ipv6_nd_sll", "ipv6_nd_tll"}
)
"""What services may match beyond ``L3`` and ``L4``."""
ND = frozenset({"ipv6_nd_target", "ipv6_nd_sll", "ipv6_nd_tll", "nd_options_type", "nd_reserved"})
NSH = frozenset({"packet_type", "nsh_spi", "nsh_si"})
MPLS = frozenset({"mpls_label", "mpls_bos"})
TUNNEL = frozenset({"tunnel_id", "tun_dst", "tun_ipv6_dst"})


class Stage(msgspec.Struct, frozen=True):
    """``matches`` and ``writes`` are field names; ``next`` are stages; ``outputs`` says whether packets may leave."""

    name: str
    purpose: str
    matches: frozenset[str]
    writes: frozenset[str] = frozenset()
    next: tuple[str, ...] = ()
    outputs: bool = False
    requires: frozenset[str] = frozenset()
    """Fields that every rule here matches, whole."""
    injected: bool = False
    """Whether rules here are those of injected services, with the actions that are theirs alone."""


def _hook(name: str, purpose: str, behind: str, matches: frozenset[str]) -> Stage:
    return Stage(
        name,
        purpose,
        matches,
        frozenset({SERVICE, ELEMENT, VERDICT, SERVICE_METADATA}),
        ("service_gate", "go_on", behind),
    )


def _services() -> tuple[Stage, ...]:
    last = SERVICE_TABLES - 1
    return tuple(
        Stage(
            f"service_{number}",
            f"Table {number} of every injected service: its own rules, in its own words.",
            L2 | L3 | L4 | VLAN | OF_SERVICES | {SERVICE, ELEMENT, SERVICE_METADATA},
            L2 | L3 | L4 | VLAN | OF_SERVICES | {TARGET_PORT, VERDICT, SERVICE_METADATA, "in_port"},
            (*(f"service_{later}" for later in range(number + 1, last + 1)), "group_copy", "redirect"),
            requires=frozenset({SERVICE}),
            injected=True,
        )
        for number in range(SERVICE_TABLES)
    )


STAGES: tuple[Stage, ...] = (
    Stage(
        "admission",
        "Where a packet came from: an interface bound to a logical port, or the tunnel from another node. "
        "A frame with a path header goes to be unwrapped, if this interface may send one.",
        frozenset({"in_port", "eth_type", "packet_type", "tunnel_id"}),
        frozenset({SOURCE_PORT, TARGET_PORT, NETWORK}),
        ("unwrap", "path_return", "ingress", "forward", "deliver"),
    ),
    Stage(
        "unwrap",
        "Takes the path header off and remembers it: path id, and the index where it is in the same header.",
        L2 | NSH | MPLS,
        frozenset({PATH, INDEX}),
        ("unwrap_index", "path_return"),
    ),
    Stage(
        "unwrap_index",
        "Takes off the second label, the service index, of encapsulations that write two (RFC 8595).",
        L2 | MPLS | {PATH},
        frozenset({INDEX}),
        ("path_return",),
    ),
    Stage(
        "path_return",
        "A packet on a path: from another node it goes on; from a function it goes on only where that function "
        "stands on that path at that step. The rest of what a function's interface sends is ordinary traffic.",
        L2 | L3 | L4 | FRAGMENT | {SOURCE_PORT, PATH, INDEX, NETWORK},
        frozenset({PATH, INDEX, "eth_src"}),
        ("steer", "ingress"),
    ),
    _hook(
        "ingress",
        "Hook: what a port has sent, as it sent it. Its addresses have yet to be proven, and nothing has been decided.",
        "port_security",
        frozenset({SOURCE_PORT}),
    ),
    Stage(
        "port_security",
        "Only the addresses that the port owns, in Ethernet, IP, ARP and ND, beneath one VLAN tag at the most; never a "
        "path header.",
        L2 | L3 | L4 | ARP | ND | {"vlan_vid", SOURCE_PORT},
        frozenset(),
        ("responder", "classify"),
    ),
    Stage(
        "responder",
        "Answers ARP requests for every known address, and turns neighbor solicitations into advertisements; the "
        "rest of ARP and ND ends here.",
        L2 | L3 | L4 | ARP | ND | {NETWORK},
        L2 | L3 | L4 | ARP | ND,
        ("advertise",),
        True,
    ),
    Stage(
        "advertise",
        "Completes a neighbor advertisement for a known address (a stage of its own, because the option that it "
        "writes exists only once the packet is an advertisement).",
        L2 | L3 | L4 | ND | {NETWORK},
        L2 | L3 | ND,
        (),
        True,
    ),
    Stage(
        "classify",
        "Which packets enter which path. Higher precedence first; what matches nothing is forwarded.",
        L2 | L3 | L4 | FRAGMENT | {SOURCE_PORT, NETWORK},
        frozenset({PATH, INDEX}),
        ("steer", "pre_routing"),
    ),
    Stage(
        "steer",
        "The next step of a path: chooses a slot of its group by hash, or leaves the path behind the last step.",
        frozenset({PATH, INDEX, ROUND}),
        frozenset({LINK, NETWORK, PATH, INDEX, SOURCE_PORT, "in_port"}),
        ("branch", "pick", "restore", "readdress", "pre_routing"),
    ),
    Stage(
        "branch",
        "Behind the last step of a chain that others follow in a graph: the packet goes on along the path of the one "
        "whose classifiers match it, or else leaves.",
        L2 | L3 | L4 | FRAGMENT | {PATH},
        frozenset({PATH, INDEX, SOURCE_PORT, "in_port"}),
        ("steer", "restore", "readdress", "pre_routing"),
    ),
    Stage(
        "pick",
        "The slot's instance: hands the packet to it, proxied or with its path header, or to its node. A tap gets a "
        "copy, and the packet goes on; what comes from another node at a tap's step is such a copy.",
        frozenset({SOURCE_PORT, PATH, INDEX, LINK, ROUND}),
        L2 | NSH | MPLS | TUNNEL | {"mpls_ttl", INDEX, ROUND, NETWORK, "in_port"},
        ("steer", "restore"),
        True,
    ),
    Stage(
        "restore",
        "Puts back the source MAC that a proxied path's mark had replaced, found by the source address. The stage that "
        "asked for it goes on.",
        L2 | L3 | {NETWORK},
        frozenset({"eth_src"}),
    ),
    Stage(
        "readdress",
        "Finds the destination MAC anew for a packet that leaves a path, or goes on along another, behind a function "
        "that routes or maps its destination. The stage that asked for it goes on.",
        L2 | L3 | {NETWORK},
        frozenset({"eth_dst"}),
    ),
    _hook(
        "pre_routing",
        "Hook: a packet of a port that is through with its chains, and has yet to be routed or bridged.",
        "route",
        L2 | {NETWORK, SOURCE_PORT},
    ),
    Stage(
        "route",
        "The distributed router: between subnets, and answers to pings of its own addresses.",
        L2 | L3 | L4 | {NETWORK},
        L2 | L3 | L4 | {NETWORK, VIA, "nw_ttl", "in_port"},
        ("forwarding", "post_routing"),
    ),
    _hook(
        "forwarding",
        "Hook: a packet that has been routed into its new network, and whose next hop has yet to be found.",
        "neighbor",
        L2 | L3 | {NETWORK},
    ),
    Stage(
        "neighbor",
        "The MAC address of a routed packet's next hop.",
        L2 | L3 | {NETWORK, VIA},
        frozenset({"eth_dst", VIA}),
        ("post_routing",),
    ),
    _hook(
        "post_routing",
        "Hook: a packet with its final addresses, routed or bridged, for which the way out has yet to be found.",
        "forward",
        L2 | {NETWORK},
    ),
    Stage(
        "forward",
        "Layer 2: the port, here or on another node, that owns the destination MAC. Unknown unicast is dropped.",
        L2 | {NETWORK},
        TUNNEL | {TARGET_PORT},
        ("egress",),
        True,
    ),
    _hook(
        "egress",
        "Hook: a packet on its port's node, with nothing left but to hand it out.",
        "deliver",
        frozenset({TARGET_PORT, "in_port"}),
    ),
    Stage(
        "deliver",
        "Out of the interface that the logical port is bound to.",
        frozenset({TARGET_PORT}),
        frozenset({"in_port"}),
        (),
        True,
    ),
    Stage(
        "service_gate",
        "Hands the packet to the injected service that the hook has named, unless a service before has taken it, or "
        "this one has sent it itself. Looks at all of each header that the service matches or writes, so that the "
        "switch remembers packets by few sets of bits, and has the packet come again, to be counted by one rule.",
        frozenset({SERVICE, VERDICT, INJECTED, REGARDED, "eth_type", "ip_proto", "icmpv6_type", "icmpv6_code"}),
        frozenset({REGARDED}),
        ("service_gate", "service_0"),
    ),
    *_services(),
    Stage(
        "group_copy",
        "A copy that a service's group makes, behind the first: as many a second as the service may. (What a rule "
        "copies is limited in the rule; Open vSwitch does no meter in buckets.)",
        frozenset({SERVICE}),
        frozenset(),
        ("redirect",),
        requires=frozenset({SERVICE}),
        injected=True,
    ),
    Stage(
        "redirect",
        "Where a service sends a packet: to a port, here or on another node, but no path header, nor mark of one. The "
        "stage that asked for it goes on.",
        frozenset({TARGET_PORT, "eth_type", "eth_src"}),
        TUNNEL,
        ("deliver",),
        True,
    ),
    Stage(
        "go_on",
        "Behind the last service of a hook: what none of them has taken goes on where it would have gone, unless a tag "
        "was taken off and there is another beneath.",
        frozenset({VERDICT, "eth_type", "vlan_vid"}),
        frozenset(),
        ("port_security", "route", "neighbor", "forward", "deliver"),
    ),
)

TABLE = {stage.name: number for number, stage in enumerate(STAGES)}
BY_NAME = {stage.name: stage for stage in STAGES}


class OutOfContract(ValueError):
    """A rule does what its stage does not allow."""


def check(rule: Rule) -> None:
    """Raise OutOfContract unless ``rule`` keeps to its stage's contract."""
    stage = BY_NAME.get(rule.stage)
    if stage is None:
        raise OutOfContract(f"{rule.owner}: there is no stage {rule.stage!r}")
    for field, _ in rule.match:
        if field not in stage.matches:
            raise OutOfContract(f"{rule.owner}: stage {stage.name} may not match {field}")
    if stage.requires:
        whole = {field for field, value in rule.match if isinstance(value, int)}
        if missing := stage.requires - whole:
            raise OutOfContract(f"{rule.owner}: stage {stage.name} must match {', '.join(sorted(missing))}")
    _check_actions(rule.owner, stage, rule.actions)
    if stage.injected:
        _check_injected(rule.owner, rule.actions, lost=_takes(rule.actions))


def check_injected(rule: Rule) -> None:
    """As ``check``, for a rule that is to be an injected service's own."""
    stage = BY_NAME.get(rule.stage)
    if stage is None or not stage.injected:
        raise OutOfContract(f"{rule.owner}: stage {rule.stage!r} is not of injected services")
    check(rule)


def check_group(group: Group) -> None:
    """Raise OutOfContract unless the group does what rules of injected services may do, and has a number of theirs."""
    if not FIRST_GROUP <= group.number < FIRST_GROUP + GROUPS:
        raise OutOfContract(f"{group.owner}: {group.number:#x} is not the number of a group of injected services")
    if group.kind not in ("all", "select", "indirect"):
        raise OutOfContract(f"{group.owner}: there are no groups of kind {group.kind!r}")
    for bucket in group.buckets:
        # What buckets do is done to copies, which go to no table of the service any more.
        _check_actions(group.owner, STAGES[TABLE[f"service_{SERVICE_TABLES - 1}"]], bucket.actions)
        _check_injected(group.owner, bucket.actions, lost=True)
        for action in bucket.actions:
            if isinstance(action, Clone | UseMeter | ToGroup | ToService):
                raise OutOfContract(f"{group.owner}: a bucket has no {type(action).__name__}: no switch does it there")


def check_meter(meter: Meter) -> None:
    """Raise OutOfContract unless the meter has a number of injected services'."""
    if not FIRST_METER <= meter.number < FIRST_METER + METERS:
        raise OutOfContract(f"{meter.owner}: {meter.number} is not the number of a meter of injected services")


def _check_actions(owner: str, stage: Stage, actions: tuple[AnyAction, ...]) -> None:
    for action in actions:
        match action:
            case Clone(actions=on_the_copy):
                _check_actions(owner, stage, on_the_copy)
            case PushVlan() | PopVlan() | SetQueue() | UseMeter() | ToGroup() | ToService() if not stage.injected:
                raise OutOfContract(f"{owner}: stage {stage.name} has no use for {type(action).__name__}")
            case Next(stage=target) if target not in stage.next:
                raise OutOfContract(f"{owner}: stage {stage.name} may not go on to {target}")
            case Output() if not stage.outputs:
                raise OutOfContract(f"{owner}: stage {stage.name} may not send packets out")
            case SetField(field=written) | Move(target=written) | Multipath(register=written):
                if written not in stage.writes:
                    raise OutOfContract(f"{owner}: stage {stage.name} may not write {written}")


def _takes(actions: tuple[AnyAction, ...]) -> bool:
    """Whether the packet goes on no more, even if its TTL expires, which ends the actions."""
    for action in actions:
        if isinstance(action, SetField) and action.field == VERDICT:
            return True
        if isinstance(action, DecTtl):
            return False
    return False


def _check_injected(owner: str, actions: tuple[AnyAction, ...], lost: bool) -> None:
    """What an injected service's rule may do besides. ``lost``: the packet does not go on, or is a copy: only then may
    it lose where it goes and where it came in, which the stages behind the hook need."""
    for action in actions:
        match action:
            case Clone(actions=on_the_copy, apart=apart):
                leads_on = any(isinstance(one, Next | ToGroup) for one in on_the_copy)
                if leads_on and not apart and not any(isinstance(one, UseMeter) for one in on_the_copy):
                    raise OutOfContract(f"{owner}: a copy that leads on is measured, or stands apart from the packet")
                _check_injected(owner, on_the_copy, lost=True)
            case SetField(field=field, value=value, mask=mask):
                if field == VERDICT and (value or mask is not None):
                    raise OutOfContract(f"{owner}: a service takes packets ({VERDICT}=0) and gives no other verdict")
                if field in (TARGET_PORT, "in_port") and not lost:
                    raise OutOfContract(f"{owner}: a packet that goes on keeps {field}: write it on a copy")
            case Move(target=target) if target in (VERDICT, TARGET_PORT):
                raise OutOfContract(f"{owner}: {target} is written with what the rule says, and not copied to")
            case ToGroup(group=group) if not FIRST_GROUP <= group < FIRST_GROUP + GROUPS:
                raise OutOfContract(f"{owner}: group {group:#x} is not of injected services")
            case UseMeter(meter=meter) if not FIRST_METER <= meter < FIRST_METER + METERS:
                raise OutOfContract(f"{owner}: meter {meter} is not of injected services")
            case ToService(meter=meter) if meter and not FIRST_METER <= meter < FIRST_METER + METERS:
                raise OutOfContract(f"{owner}: meter {meter} is not of injected services")
            case Output() | PushMpls() | PopMpls() | Encap() | Decap() | Multipath():
                raise OutOfContract(f"{owner}: injected services have no use for {type(action).__name__}")
