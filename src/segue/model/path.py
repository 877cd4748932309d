"""A chain as rendered: paths, their steps, and the slots that spread flows over instances.

The service index starts at 255 and falls by one with each step (RFC 8300 section 2.3): step k of a path of n has
index 255 - k, and index 255 - n means that the path is done. Both labels of RFC 8595 must stay clear of the
reserved values 0 to 15, which bounds the number of steps.
"""

from __future__ import annotations

import msgspec

from segue.packet.addresses import Prefix

FIRST_INDEX = 255
MAX_STEPS = 200
FIRST_PATH_ID = 16
"""Labels 0 to 15 have meanings of their own (RFC 3032 section 2.1)."""
LAST_PATH_ID = (1 << 20) - 1
"""What fits both an NSH service path identifier (24 bits) and an MPLS label (20 bits)."""
EMPTY = -1
"""A slot whose instance has gone: its flows, and no others, choose again."""


class Hop(msgspec.Struct, frozen=True, array_like=True):
    """One candidate instance of a step, with ports in this path's direction (reversed paths swap them).

    ``ingress`` and ``egress`` are port keys; the names are the interfaces' iface-ids. ``mac`` is that of the
    ingress port, ``egress_mac`` of the other. ``aware``: it reads and writes the path's encapsulation itself.
    """

    instance: str
    node: str
    ingress: int
    ingress_name: str
    egress: int
    egress_name: str
    mac: int
    egress_mac: int
    aware: bool
    mode: str
    rewrites: bool
    weight: int


class Headers(msgspec.Struct, frozen=True, array_like=True, order=True):
    """Which headers a classifier asks for, in integers, for one ethertype.

    ``ethertype`` is always given. ``protocol`` 0 with no ports means any protocol for IP (a protocol number of 0 is
    written -1 when none is asked for). Port ranges are inclusive. ``destination_mac`` serves ethertypes without IP.
    """

    ethertype: int
    protocol: int = -1
    source: Prefix | None = None
    destination: Prefix | None = None
    source_ports: tuple[int, int] | None = None
    destination_ports: tuple[int, int] | None = None
    destination_mac: int | None = None

    @property
    def reversed(self) -> Headers:
        return Headers(
            self.ethertype,
            self.protocol,
            self.destination,
            self.source,
            self.destination_ports,
            self.source_ports,
        )


class Step(msgspec.Struct, frozen=True, array_like=True):
    """``slots`` index ``hops``; EMPTY marks a hole. ``basis`` seeds the hash, so that groups choose independently.

    ``tap``: the one hop gets copies, in at its ingress port in both directions. ``hash``: the fields that choose the
    hop, in this path's direction (``model.spread``). ``moves``: packets have another destination address behind the
    functions here. ``behind``: the headers that they have there, where those that entered the path say it no more.
    """

    group: str
    basis: int
    hops: tuple[Hop, ...]
    slots: tuple[int, ...] = ()
    tap: bool = False
    hash: tuple[str, ...] = ()
    moves: bool = False
    behind: tuple[Headers, ...] = ()


NO_COPIES = "no copies: "
"""So begins what a path lacks only for a tap: it is told, and nothing waits for it."""


class Entry(msgspec.Struct, frozen=True, array_like=True, order=True):
    """Packets that come in by ``source_port`` (0: by any port of ``network``) with these headers enter a path.

    ``behind``: only packets of ``network`` that come to the end of the chain of that name, wherever that is.
    """

    classifier: str
    network: int
    source_port: int
    source_node: str
    precedence: int
    headers: Headers
    behind: str = ""


class Onward(msgspec.Struct, frozen=True, array_like=True, order=True):
    """Packets with these headers go on along a path of ``chain`` behind the last step: ``path`` is its id, 0 before
    it has one. A path keeps its branches for life, so that the id with which a packet enters the first path says all
    that it goes through."""

    chain: str
    precedence: int
    headers: Headers
    path: int = 0


class PathSpec(msgspec.Struct, frozen=True, array_like=True):
    """What a path must be, before it has an id.

    ``ethertype`` 0 means any. ``source_mac`` is the one MAC that all its packets come from, or 0 when there are
    several. ``network`` is where the path starts, and where its packets go on behind the last step. ``onward``: which
    of them go on along other paths there.
    """

    chain: str
    direction: str
    encapsulation: str
    network: int
    network_name: str
    ethertype: int
    source_mac: int
    steps: tuple[Step, ...]
    entries: tuple[Entry, ...]
    onward: tuple[Onward, ...] = ()

    def unaware_before(self, number: int) -> list[Hop]:
        """The functions on the path before step ``number`` that know nothing of it."""
        return [hop for step in self.steps[:number] if not step.tap for hop in step.hops if not hop.aware]

    @property
    def readdressed(self) -> bool:
        """Whether behind the last step the destination's MAC address must be found again."""
        routed = any(hop.mode == "route" for hop in self.unaware_before(len(self.steps)))
        return routed or any(step.moves for step in self.steps)

    def headers_behind(self, number: int) -> tuple[Headers, ...]:
        """What packets may look like behind step ``number``."""
        return self.steps[number].behind or tuple(entry.headers for entry in self.entries)

    def loses_source_before(self, number: int) -> bool:
        """Whether a packet may have another source MAC before step ``number`` than it was sent with."""
        return bool(self.unaware_before(number)) and not self.source_mac


class Path(msgspec.Struct, frozen=True, array_like=True):
    """A path with its identity. ``phase``: ``prepare`` (nodes are learning it), ``active``, ``drain``."""

    id: int
    spec: PathSpec
    phase: str


def index_of(step: int) -> int:
    return FIRST_INDEX - step


class Target(msgspec.Struct, frozen=True, array_like=True):
    """All that a chain asks for now: its paths, each with the packets that enter it."""

    chain: str
    paths: tuple[PathSpec, ...]
