"""The hooks: where in the pipeline an injected service's tables may be called, and what a packet there has and has not
been through.

As in netfilter, a packet between two ports passes all five in this order: the first four on the node where it is
decided upon, the last on the node of the port that it goes to. A hook meets packets *of* an element: those that come
from a port at the first two, those that go to one at the last three.
"""

from __future__ import annotations

import msgspec


class Hook(msgspec.Struct, frozen=True):
    """``number`` is what the packet's ``VERDICT`` register holds there. ``stage`` is its own, ``behind`` the one where
    packets go on. ``been`` and ``to_come`` say it to people."""

    name: str
    number: int
    stage: str
    behind: str
    elements: tuple[str, ...]
    from_element: bool
    been: str
    to_come: str


HOOKS: dict[str, Hook] = {
    hook.name: hook
    for hook in (
        Hook(
            "ingress",
            1,
            "ingress",
            "port_security",
            ("port", "network"),
            True,
            "nothing: it is as the port sent it, of whatever kind",
            "proof of its addresses, answers to ARP and ND, chains, routing",
        ),
        Hook(
            "pre-routing",
            2,
            "pre_routing",
            "route",
            ("port", "network", "router"),
            True,
            "proof of its addresses, answers to ARP and ND, its chains",
            "routing",
        ),
        Hook(
            "forward",
            3,
            "forwarding",
            "neighbor",
            ("port", "network", "router"),
            False,
            "all of that, and routing: it is in its new network, its TTL is one less",
            "the MAC address of its next hop; what is bridged does not come here",
        ),
        Hook(
            "post-routing",
            4,
            "post_routing",
            "forward",
            ("port", "network", "router"),
            False,
            "all of that: routed or bridged, its addresses are final",
            "the way to its port, here or on another node",
        ),
        Hook(
            "egress",
            5,
            "egress",
            "deliver",
            ("port", "network"),
            False,
            "everything, the way between nodes too",
            "nothing but to be handed to the port",
        ),
    )
}
