"""What packets look like between functions that rewrite them: a classifier, with what groups map, as another one.

A group maps what goes in to what comes out (``Maps``). Read along a chain, what a side says takes the place of what was
said before: first the classifier, then the first group's ingress, its egress, the second one's ingress, and so on.
Answers look, where they come in, like what comes out of the last group, with source and destination swapped.

A side that names a prefix is about packets of that family alone. Where an address is mapped, the logical port that the
classifier names for that end says no more which address it is: answers go to, and come from, what the prefix says.
"""

from __future__ import annotations

from collections.abc import Iterator

import msgspec

from segue.compile.views.entries import ETHERTYPES, PROTOCOLS, Direction
from segue.compile.views.wiring import Wiring
from segue.engine import Context
from segue.model.intent import Chain, Classifier, Maps, NTuple
from segue.packet.addresses import host_prefix, parse_prefix

FIELDS = NTuple.__struct_fields__
PORTED = {*PROTOCOLS, *map(str, PROTOCOLS.values())}

Look = tuple[int, NTuple]
"""(family that it is about, 0 for both; what packets of it look like)."""


def family(maps: Maps) -> int | None:
    """The one family of a mapping's prefixes, 0 where it names none, None where it names both."""
    sides = (maps.ingress, maps.egress)
    prefixes = [prefix for side in sides for prefix in (side.source_prefix, side.destination_prefix) if prefix]
    found = {parse_prefix(prefix).family for prefix in prefixes}
    return next(iter(found), 0) if len(found) < 2 else None


def rewritten(maps: Maps | None) -> set[str]:
    """The fields that have other values behind a function than before it."""
    if maps is None:
        return set()
    after = {name: getattr(maps.egress, name) for name in FIELDS}
    return {name for name, value in after.items() if value is not None and value != getattr(maps.ingress, name)}


def looks(ctx: Context, w: Wiring, chain: Chain) -> list[tuple[Look, ...]]:
    """By step: what packets look like going in and coming out; nothing where its group says nothing."""
    found: list[tuple[Look, ...]] = []
    for name in chain.groups:
        group = ctx.get(w.group, name)
        maps = group.maps if group is not None and not group.tap else None
        about = family(maps) if maps is not None else None
        found.append(() if maps is None or about is None else ((about, maps.ingress), (about, maps.egress)))
    return found


def readings(ctx: Context, w: Wiring, chain: Chain, classifier: Classifier, forward: bool) -> Iterator[Direction]:
    """The packets of a classifier where they come in, or their answers: one for all, or one for each EtherType."""
    steps = looks(ctx, w, chain)
    every = [look for step in steps for look in step]
    yield from between(ctx, w, chain, classifier, forward, [] if forward else every, every)


def between(
    ctx: Context,
    w: Wiring,
    chain: Chain,
    classifier: Classifier,
    forward: bool,
    passed: list[Look],
    every: list[Look],
) -> Iterator[Direction]:
    """The same, on the way along the chain where packets look as ``passed`` says, of ``every`` look in it."""
    if not every or classifier.ethertype not in (None, *ETHERTYPES):
        yield Direction(ctx, w, chain, classifier, forward)
        return
    prefixes = [prefix for prefix in (classifier.source_prefix, classifier.destination_prefix) if prefix]
    for version in {parse_prefix(prefix).family for prefix in prefixes} or (4, 6):
        if classifier.ethertype in (None, f"ipv{version}"):
            mine = [[look for about, look in several if about in (0, version)] for several in (passed, every)]
            yield Direction(ctx, w, chain, _seen(ctx, w, classifier, version, *mine), forward)


def unported(ctx: Context, w: Wiring, chain: Chain, classifier: Classifier) -> bool:
    """Whether somewhere on the way ports are asked for of packets that have none, or of which nothing says."""
    every = [look for step in looks(ctx, w, chain) for look in step]
    return any(
        (way.classifier.source_ports or way.classifier.destination_ports) and way.classifier.protocol not in PORTED
        for count in range(1, len(every) + 1)
        for way in between(ctx, w, chain, classifier, True, every[:count], every)
    )


def _seen(
    ctx: Context, w: Wiring, c: Classifier, version: int, passed: list[NTuple], every: list[NTuple]
) -> Classifier:
    fields = {name: getattr(c, name) for name in FIELDS}
    for look in passed:
        said = {name: value for name in FIELDS if (value := getattr(look, name)) is not None}
        if "protocol" in said and said["protocol"] not in PORTED:
            fields |= {"source_ports": None, "destination_ports": None}
        fields |= said
    source, destination = c.source_port, c.destination_port
    moved = any(look.destination_prefix for look in passed)
    if any(look.destination_prefix for look in every) and moved != _beyond(ctx, w, c, version):
        destination = None
    if any(look.source_prefix for look in passed):
        source = None
    network = c.network
    if (source, destination) != (c.source_port, c.destination_port):
        network = c.network or _network(ctx, w, c.source_port) or _network(ctx, w, c.destination_port)
    ends = {"source_port": source, "destination_port": destination, "network": network}
    return msgspec.structs.replace(c, ethertype=f"ipv{version}", **ends, **fields)


def _beyond(ctx: Context, w: Wiring, c: Classifier, version: int) -> bool:
    """Whether the destination's port is where packets come out behind a function that maps the destination, and not
    where they are sent to: it has no address of the prefix that they are sent to."""
    info = ctx.get(w.port_info, c.destination_port) if c.destination_port else None
    if info is None or c.source_port is None or c.destination_prefix is None:
        return False
    wanted = parse_prefix(c.destination_prefix)
    return not any(wanted.contains(host_prefix(f, value)) for f, value in info.addresses if f == version)


def _network(ctx: Context, w: Wiring, port: str | None) -> str | None:
    info = ctx.get(w.port_info, port) if port else None
    return (info.network_name or None) if info is not None else None
