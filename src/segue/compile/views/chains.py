"""What a chain asks for: its paths, without identities yet, and the packets that enter each.

A path starts in one network, so that behind the last step its id alone says where the packet goes on. So a chain
has a path for each direction and each network that its packets start in, and for each EtherType where the
encapsulation does not carry it.
"""

from __future__ import annotations

import zlib
from itertools import pairwise

import msgspec

from segue.compile.views.branches import entries_behind, ports_behind, unaware_before
from segue.compile.views.entries import FAMILY
from segue.compile.views.mapping import Look, between, looks, readings, rewritten, unported
from segue.compile.views.wiring import PortInfo, Use, Wiring, complain
from segue.engine import Context
from segue.model.encapsulation import Encapsulation
from segue.model.intent import Chain, Instance
from segue.model.path import Entry, Headers, Hop, Onward, PathSpec, Step, Target
from segue.model.spread import ordered, refusal, turned


def chain(ctx: Context, w: Wiring, name: str) -> None:
    declared = ctx.get(w.chain, name)
    assert declared is not None
    encapsulation = w.encapsulations.get(declared.encapsulation)
    if encapsulation is None:
        known = ", ".join(w.encapsulations)
        message = f"there is no encapsulation {declared.encapsulation!r}; installed are: {known}"
        complain(ctx, w, ("chain", name), "encapsulation", message)
        return
    _Rendering(ctx, w, declared, encapsulation).emit()


def classifier(ctx: Context, w: Wiring, name: str) -> None:
    """A classifier is checked also while no chain uses it."""
    declared = ctx.get(w.classifier, name)
    assert declared is not None
    for field, port in (("source_port", declared.source_port), ("destination_port", declared.destination_port)):
        if port is not None and ctx.get(w.port_info, port) is None:
            complain(ctx, w, ("classifier", name), field, f"there is no port {port!r}")
    if declared.network is not None and ctx.get(w.network, declared.network) is None:
        complain(ctx, w, ("classifier", name), "network", f"there is no network {declared.network!r}")


class _Rendering:
    def __init__(self, ctx: Context, w: Wiring, chain: Chain, encapsulation: Encapsulation) -> None:
        self.ctx, self.w, self.chain, self.encapsulation = ctx, w, chain, encapsulation
        self.sound = True
        self.looks = looks(ctx, w, chain)
        self.every = [look for step in self.looks for look in step]

    def complain(self, field: str, message: str) -> None:
        self.sound = False
        complain(self.ctx, self.w, ("chain", self.chain.name), field, message)

    def emit(self) -> None:
        steps = tuple(self._step(group) for group in self.chain.groups)
        for one, two in pairwise(steps):
            if one.tap and two.tap:
                message = f"groups {one.group!r} and {two.group!r} are taps, one right behind the other; "
                self.complain("groups", message + "put a group that is none between them, or leave one out")
        self._mapped()
        paths = self._direction("forward", steps)
        if self.chain.symmetric:
            paths += self._direction("reverse", tuple(map(self._turn, reversed(steps))))
        if not self.sound:
            return
        for spec in paths:
            self._uses(spec)
        self.ctx.emit(self.w.target, self.chain.name, Target(self.chain.name, tuple(paths)))

    def _mapped(self) -> None:
        """Whether what groups map can be had of these classifiers' packets."""
        for name in self.chain.classifiers if self.every else ():
            classifier = self.ctx.get(self.w.classifier, name)
            if classifier is not None and unported(self.ctx, self.w, self.chain, classifier):
                self.complain(
                    "groups",
                    f"its groups map ports, but classifier {name!r} does not say of which protocol; write "
                    "protocol: tcp (or udp, sctp) in it",
                )

    def _step(self, name: str) -> Step:
        group = self.ctx.get(self.w.group, name)
        members: tuple[str, ...] = group.instances if group else (name,)
        if group is None and self.ctx.get(self.w.instance, name) is None:
            self.complain("groups", f"there is no group or instance {name!r}")
            members = ()
        tap = group is not None and group.tap
        maps = group.maps if group is not None and not tap else None
        changed = rewritten(maps)
        hops = [hop for hop in (self._hop(member) for member in members) if hop]
        if not any(hop.weight for hop in hops) and self.sound:
            where = "copies" if tap else "packets"
            self.complain("groups", f"group {name!r} has no instance with a weight; {where} would have nowhere to go")
        if maps is None and self.chain.symmetric and len(hops) > 1 and any(h.rewrites and not h.aware for h in hops):
            self.complain(
                "groups",
                f"group {name!r} rewrites headers, so answers could not find the instance that they came by; "
                f"use a group of one instance, or symmetric: false",
            )
        hops = [hop for hop in hops if hop.weight]
        if tap and len(members) != 1:
            self.sound = False  # the group itself complains
        fields = () if group is None or refusal(group.hash) else ordered(group.hash)
        if group is not None and refusal(group.hash):
            self.sound = False  # likewise
        if self.chain.symmetric and len(hops) > 1 and any(field.startswith("eth_") for field in fields):
            self.complain(
                "groups",
                f"group {name!r} has hash: [{', '.join(fields)}], and answers come with other MAC addresses, so they "
                f"could not find the instance that they came by; hash IP addresses, or write symmetric: false",
            )
        hashed = sorted(changed & _hashed(fields))
        if self.chain.symmetric and len(hops) > 1 and hashed:
            self.complain(
                "groups",
                f"group {name!r} maps {' and '.join(hashed)}, by which it chooses, so answers could not find the "
                "instance that they came by; use a group of one instance, a hash over what stays, or symmetric: false",
            )
        if changed:
            hops = [msgspec.structs.replace(hop, rewrites=True) for hop in hops]
        basis = zlib.crc32(name.encode()) & 0x7FFF
        return Step(name, basis, tuple(hops), (), tap, fields, "destination_prefix" in changed)

    def _turn(self, step: Step) -> Step:
        """The step as answers meet it: in by the egress port, out by the ingress port. A tap hears both directions at
        its ingress port."""
        group = self.ctx.get(self.w.group, step.group)
        hops = step.hops if step.tap else tuple(_turned(hop) for hop in step.hops)
        moves = group is not None and not step.tap and "source_prefix" in rewritten(group.maps)
        return msgspec.structs.replace(step, hops=hops, hash=turned(step.hash), moves=moves)

    def _looked(self, forward: bool, ethertype: int, steps: tuple[Step, ...]) -> tuple[Step, ...]:
        """The steps, with what packets look like behind functions that route, where groups map something: by that
        alone such a packet may be known again."""
        made: list[Step] = []
        blind = False
        for number, step in enumerate(steps):
            at = number if forward else len(steps) - 1 - number
            blind = blind or (not self.looks[at] and any(hop.rewrites for hop in step.hops if not step.tap))
            if self.every and not step.tap and any(hop.mode == "route" and not hop.aware for hop in step.hops):
                passed = [look for one in self.looks[:at] for look in one]
                passed += self.looks[at] if forward else self.looks[at][:1]
                step = msgspec.structs.replace(step, behind=self._behind(forward, ethertype, passed, blind))
            made.append(step)
        return tuple(made)

    def _behind(self, forward: bool, ethertype: int, passed: list[Look], blind: bool) -> tuple[Headers, ...]:
        """``blind``: a function that rewrites, nobody says what, has been passed."""
        found: dict[Headers, None] = {}
        for name in self.chain.classifiers:
            classifier = self.ctx.get(self.w.classifier, name)
            if classifier is None:
                continue
            for way in between(self.ctx, self.w, self.chain, classifier, forward, passed, self.every):
                for headers in () if way.unknown else way.headers():
                    if ethertype in (0, headers.ethertype):
                        found[Headers(headers.ethertype) if blind else headers] = None
        return tuple(sorted(found, key=repr))

    def _hop(self, name: str) -> Hop | None:
        instance = self.ctx.get(self.w.instance, name)
        if instance is None:
            return None
        ingress = self.ctx.get(self.w.port_info, instance.ingress)
        egress = self.ctx.get(self.w.port_info, instance.egress)
        if ingress is None or egress is None:
            self.sound = False  # the instance itself complains
            return None
        if instance.aware not in (None, self.chain.encapsulation):
            self.complain(
                "encapsulation",
                f"instance {name!r} is aware of {instance.aware}, but the chain uses {self.chain.encapsulation}; "
                f"write encapsulation: {instance.aware}, or take another instance",
            )
            return None
        if not ingress.node:
            self.complain("groups", f"nobody knows on which node port {ingress.name!r} is; add node: to it")
            return None
        self._capable(ingress.node)
        return _hop(instance, ingress, egress)

    def _capable(self, name: str) -> None:
        node = self.ctx.get(self.w.node, name)
        if node is not None and self.chain.encapsulation not in node.encapsulations:
            can = ", ".join(node.encapsulations) or "none"
            self.complain("encapsulation", f"node {name!r} has no {self.chain.encapsulation} (it has: {can})")

    def _direction(self, direction: str, steps: tuple[Step, ...]) -> list[PathSpec]:
        grouped: dict[tuple[str, int], dict[Entry, None]] = {}
        inner = bool(sorted(self.ctx.values(self.w.inner, self.chain.name)))
        for name in self.chain.classifiers:
            classifier = self.ctx.get(self.w.classifier, name)
            if classifier is None:
                self.complain("classifiers", f"there is no classifier {name!r}")
                continue
            ways = list(readings(self.ctx, self.w, self.chain, classifier, direction == "forward"))
            found = False
            for network, entry in (one for way in ways for one in way.entries()):
                found = True
                if inner:
                    continue
                ethertype = entry.headers.ethertype if self.encapsulation.per_ethertype else 0
                grouped.setdefault((network, ethertype), {})[entry] = None
            if not found:
                self.sound = self.sound and not any(way.unknown for way in ways)
        if direction == "forward":
            for source in sorted(self.ctx.values(self.w.behind, self.chain.name)):
                for network, entry in entries_behind(self.ctx, self.w, self.chain, source):
                    ethertype = entry.headers.ethertype if self.encapsulation.per_ethertype else 0
                    grouped.setdefault((network, ethertype), {})[entry] = None
        return [
            self._path(
                direction,
                network,
                ethertype,
                tuple(sorted(entries, key=_order)),
                self._looked(direction == "forward", ethertype, steps),
            )
            for (network, ethertype), entries in sorted(grouped.items())
        ]

    def _onward(self, network: int, entries: tuple[Entry, ...]) -> tuple[Onward, ...]:
        """What goes on behind the path that these enter, along which chains' paths."""
        carried = {entry.headers.ethertype for entry in entries}
        found: dict[Onward, None] = {}
        for name in sorted(self.ctx.values(self.w.onward, self.chain.name)):
            declared = self.ctx.get(self.w.chain, name)
            for _, entry in entries_behind(self.ctx, self.w, declared, self.chain.name) if declared else ():
                if entry.network == network and entry.headers.ethertype in carried:
                    found[Onward(name, entry.precedence, entry.headers)] = None
        return tuple(sorted(found, key=repr))

    def _path(
        self, direction: str, network: str, ethertype: int, entries: tuple[Entry, ...], steps: tuple[Step, ...]
    ) -> PathSpec:
        reason = self.encapsulation.refuse(ethertype) if self.encapsulation.per_ethertype else None
        if reason:
            self.complain("encapsulation", reason)
        source_mac = self._source_mac(entries)
        self._other_ethertypes(entries, steps, source_mac)
        for node in {entry.source_node for entry in entries if entry.source_node}:
            self._capable(node)
        spec = PathSpec(
            self.chain.name,
            direction,
            self.encapsulation.name,
            entries[0].network,
            network,
            ethertype,
            source_mac,
            steps,
            entries,
            self._onward(entries[0].network, entries) if direction == "forward" else (),
        )
        self._hashed_macs(spec)
        return spec

    def _hashed_macs(self, spec: PathSpec) -> None:
        """MAC addresses choose an instance only where packets still have theirs."""
        for number, step in enumerate(spec.steps):
            if len(step.hops) < 2 or not any(field.startswith("eth_") for field in step.hash):
                continue
            before = spec.unaware_before(number)
            lost = spec.loses_source_before(number) or any(hop.mode == "route" for hop in before)
            blamed = before[0].instance if lost else unaware_before(self.ctx, self.w, self.chain.name)
            if blamed:
                self.complain(
                    "groups",
                    f"group {step.group!r} has hash: [{', '.join(step.hash)}], but instance {blamed!r} "
                    f"before it costs packets their MAC addresses; hash IP addresses and ports, or put the group first",
                )

    def _source_mac(self, entries: tuple[Entry, ...]) -> int:
        """The one MAC that all packets come from, where the classifiers and port security make that certain."""
        sources = {entry.source_port for entry in entries if not entry.behind}
        earlier = {
            port
            for source in {entry.behind for entry in entries if entry.behind}
            for port in ports_behind(self.ctx, self.w, source, entries[0].network)
        }
        sources |= {port.key if port else 0 for port in earlier}
        if len(sources) != 1 or 0 in sources:
            return 0
        for known in earlier:
            if known is not None:
                return known.mac if known.single else 0
        for name in self.chain.classifiers:
            classifier = self.ctx.get(self.w.classifier, name)
            for port in (classifier.source_port, classifier.destination_port) if classifier else ():
                info = self.ctx.get(self.w.port_info, port) if port else None
                if info is not None and info.key in sources and info.single:
                    return info.mac
        return 0

    def _other_ethertypes(self, entries: tuple[Entry, ...], steps: tuple[Step, ...], source_mac: int) -> None:
        """A frame that is not IP has its MAC addresses alone, and must get them back."""
        others = [entry for entry in entries if entry.headers.ethertype not in FAMILY]
        unaware = [hop for step in steps if not step.tap for hop in step.hops if not hop.aware]
        if not others or not (unaware or self.every):
            return
        what = f"frames of EtherType {others[0].headers.ethertype:#06x}"
        if self.every:
            self.complain("groups", f"{what} cannot pass a group that maps headers")
        elif any(hop.mode == "route" for hop in unaware):
            self.complain("groups", f"{what} cannot pass a function that routes")
        elif not source_mac:
            self.complain(
                "classifiers",
                f"{what} would lose their source address in a function that is not aware of the encapsulation; "
                f"name one source port with port security in the classifiers, or make the functions aware",
            )

    def _uses(self, spec: PathSpec) -> None:
        for number, step in enumerate(spec.steps):
            headers = tuple(sorted(set(spec.headers_behind(number)), key=repr))
            for hop in () if step.tap else step.hops:
                if hop.mode == "route" and not hop.aware:
                    use = Use(
                        spec.chain,
                        spec.direction,
                        spec.network,
                        spec.network_name,
                        spec.ethertype,
                        number,
                        hop.egress,
                        headers,
                        bool(step.behind),
                    )
                    self.ctx.emit(self.w.use, hop.instance, use)


def _order(entry: Entry) -> tuple[object, ...]:
    return (entry.classifier, entry.source_port, repr(entry.headers), entry.behind)


def _hop(instance: Instance, ingress: PortInfo, egress: PortInfo) -> Hop:
    return Hop(
        instance.name,
        ingress.node,
        ingress.key,
        ingress.name,
        egress.key,
        egress.name,
        ingress.mac,
        egress.mac,
        instance.aware is not None,
        instance.mode,
        instance.rewrites,
        instance.weight,
    )


_SAID = {"ip_src": "source_prefix", "ip_dst": "destination_prefix", "src": "source_ports", "dst": "destination_ports"}
"""By field of a hash, or the end of its name: what a mapping calls it."""


def _hashed(fields: tuple[str, ...]) -> set[str]:
    """What of a mapping's words chooses an instance."""
    if not fields:
        return {*_SAID.values(), "protocol"}
    found = {_SAID[f if f.startswith("ip_") else f.partition("_")[2]] for f in fields if not f.startswith("eth_")}
    return found | {"protocol"} if "source_ports" in found else found


def _turned(hop: Hop) -> Hop:
    return msgspec.structs.replace(
        hop,
        ingress=hop.egress,
        ingress_name=hop.egress_name,
        egress=hop.ingress,
        egress_name=hop.ingress_name,
        mac=hop.egress_mac,
        egress_mac=hop.mac,
    )
