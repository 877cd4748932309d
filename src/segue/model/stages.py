"""The forwarding pipeline, declared.

Every packet enters at ``admission``. Each stage says what it is for, which fields its rules may match, what they
may write, and where a packet may go next; a rule outside its stage's contract is refused before it reaches a
switch. Table numbers follow from the order here, and the documentation's page of the pipeline is generated from
this file.

    admission -> unwrap -> unwrap_index -> path_return -> port_security -> responder -> advertise
               -> classify -> steer -> branch -> pick -> restore -> readdress -> route -> neighbor -> forward
               -> deliver

A packet skips what does not concern it; it goes back only where ``next`` says so. No rule matches what an earlier
packet left behind: nothing in this pipeline learns.
"""

from __future__ import annotations

import msgspec

from segue.model.program import AnyAction, Clone, Move, Multipath, Next, Output, Rule, SetField

SOURCE_PORT = "reg0"
"""The key of the logical port that the packet came in by; 0 when it came from another node."""
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
ROUTED = "reg6"
"""1 when a function that routes has replaced the packet's MAC addresses, which must be found again."""
NETWORK = "metadata"
"""The key of the logical network that the packet is in (also its VNI between nodes)."""

REGISTERS = {
    SOURCE_PORT: "source port",
    TARGET_PORT: "target port",
    PATH: "path id",
    INDEX: "service index",
    LINK: "chosen slot",
    ROUND: "hash round",
    ROUTED: "routed by a function",
    NETWORK: "network",
}

L2 = frozenset({"eth_src", "eth_dst", "eth_type"})
L3 = frozenset({"ipv4_src", "ipv4_dst", "ipv6_src", "ipv6_dst", "ip_proto"})
L4 = frozenset({"tcp_src", "tcp_dst", "udp_src", "udp_dst", "sctp_src", "sctp_dst", "icmpv4_type", "icmpv6_type"})
FRAGMENT = frozenset({"ip_frag"})
ARP = frozenset({"arp_op", "arp_spa", "arp_tpa", "arp_sha", "arp_tha"})
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


STAGES: tuple[Stage, ...] = (
    Stage(
        "admission",
        "Where a packet came from: an interface bound to a logical port, or the tunnel from another node. "
        "A frame with a path header goes to be unwrapped, if this interface may send one.",
        frozenset({"in_port", "eth_type", "packet_type"}),
        frozenset({SOURCE_PORT, NETWORK}),
        ("unwrap", "path_return", "port_security", "forward"),
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
        ("steer", "port_security"),
    ),
    Stage(
        "port_security",
        "Only the addresses that the port owns, in Ethernet, IP, ARP and ND; never a path header.",
        L2 | L3 | L4 | ARP | ND | {SOURCE_PORT},
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
        ("steer", "route"),
    ),
    Stage(
        "steer",
        "The next step of a path: chooses a slot of its group by hash, or leaves the path behind the last step.",
        frozenset({PATH, INDEX, ROUND}),
        frozenset({LINK, NETWORK, PATH, INDEX, ROUTED, "in_port"}),
        ("branch", "pick", "restore", "route"),
    ),
    Stage(
        "branch",
        "Behind the last step of a chain that others follow in a graph: the packet goes on along the path of the one "
        "whose classifiers match it, or else leaves.",
        L2 | L3 | L4 | FRAGMENT | {PATH},
        frozenset({PATH, INDEX, ROUTED, "in_port"}),
        ("steer", "restore", "readdress", "route"),
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
        "Finds the destination MAC anew for a packet that goes on along another path behind a function that routes. "
        "The stage that asked for it goes on.",
        L2 | L3 | {NETWORK},
        frozenset({"eth_dst"}),
    ),
    Stage(
        "route",
        "The distributed router: between subnets, and answers to pings of its own addresses.",
        L2 | L3 | L4 | {NETWORK, ROUTED},
        L2 | L3 | L4 | {NETWORK, ROUTED, "nw_ttl", "in_port"},
        ("neighbor", "forward", "route"),
    ),
    Stage(
        "neighbor",
        "The MAC address of a routed packet's next hop.",
        L2 | L3 | {NETWORK},
        frozenset({"eth_dst"}),
        ("forward",),
    ),
    Stage(
        "forward",
        "Layer 2: the port, here or on another node, that owns the destination MAC. Unknown unicast is dropped.",
        L2 | {NETWORK},
        TUNNEL | {TARGET_PORT},
        ("deliver",),
        True,
    ),
    Stage(
        "deliver",
        "Out of the interface that the logical port is bound to.",
        frozenset({TARGET_PORT}),
        frozenset({"in_port"}),
        (),
        True,
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
    _check_actions(rule, stage, rule.actions)


def _check_actions(rule: Rule, stage: Stage, actions: tuple[AnyAction, ...]) -> None:
    for action in actions:
        match action:
            case Clone(actions=on_the_copy):
                _check_actions(rule, stage, on_the_copy)
            case Next(stage=target) if target not in stage.next:
                raise OutOfContract(f"{rule.owner}: stage {stage.name} may not go on to {target}")
            case Output() if not stage.outputs:
                raise OutOfContract(f"{rule.owner}: stage {stage.name} may not send packets out")
            case SetField(field=written) | Move(target=written) | Multipath(register=written):
                if written not in stage.writes:
                    raise OutOfContract(f"{rule.owner}: stage {stage.name} may not write {written}")
