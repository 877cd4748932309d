"""A path's rules on one node: choosing the next instance, handing over, and taking back.

At each step the packet meets ``steer`` and ``pick``: steer chooses a slot by hash, pick sends to the slot's
instance, or to its node, where steer and pick choose the same again, because the hash is over the packet's own
addresses and the slots are the path's. A slot whose instance has gone is empty: its flows hash again with another
basis, and no others move. After ``ROUNDS`` empty slots a flow chooses among the filled ones alone.

At a tap's step (see ``_tap``) the packet goes on where it is, and a copy leaves for the tap. What comes to that step
where the tap stands, from another node, is such a copy.

Behind an unaware function the path is known again by the mark (a bump in the wire), or by the interface (a function
that routes); see ``comeback``. Behind an aware one, by its header, where that names a path and step of this function.
"""

from __future__ import annotations

from segue.compile.headers import matches
from segue.compile.overlap import headers_overlap
from segue.compile.rules.ports import key_of
from segue.compile.rules.tunnels import no_way, to_node
from segue.compile.rules.wiring import Comeback, Wiring, emit_rule
from segue.engine import Context
from segue.model.counters import entered, left, visited
from segue.model.encapsulation import Encapsulation
from segue.model.marks import mark
from segue.model.path import EMPTY, FIRST_INDEX, NO_COPIES, Headers, Hop, Onward, Path, Step, index_of
from segue.model.program import AnyAction, Clone, Match, Multipath, Next, Output, SetField, Value, match
from segue.model.spread import hash_of
from segue.model.stages import INDEX, LINK, NETWORK, PATH, ROUND, SOURCE_PORT
from segue.model.view import PathRecord
from segue.packet.addresses import ETH_IPV4, ETH_IPV6, PROTO_ICMPV6

ROUNDS = 3
PHASES = {"active": 0, "prepare": 1, "drain": 2}
ND_TYPES = (133, 134, 135, 136, 137)
"""Neighbor discovery (RFC 4861 section 4), which is between a function and its link, never on a path."""


def path_names(ctx: Context, wiring: Wiring, key: int) -> None:
    record = ctx.get(wiring.path, key)
    me = ctx.get(wiring.me, "self")
    if record is None or me is None:
        return
    for step in record.path.spec.steps:
        for hop in step.hops:
            if hop.node == me.name and not step.tap:
                ctx.emit(wiring.named, hop.ingress_name, hop.ingress)
                ctx.emit(wiring.named, hop.egress_name, hop.egress)


def path(ctx: Context, wiring: Wiring, key: int) -> None:
    record: PathRecord | None = ctx.get(wiring.path, key)
    me = ctx.get(wiring.me, "self")
    if record is None or me is None:
        return
    _OnNode(ctx, wiring, record, me.name).emit()


class _OnNode:
    """One path as one node sees it."""

    def __init__(self, ctx: Context, wiring: Wiring, record: PathRecord, me: str) -> None:
        self.ctx = ctx
        self.wiring = wiring
        self.behind = record.behind
        path = self.path = record.path
        self.spec = path.spec
        self.me = me
        self.owner = f"chain/{path.spec.chain}"
        self.encapsulation: Encapsulation = wiring.encapsulations[path.spec.encapsulation]

    def rule(self, stage: str, priority: int, matched: Match, *actions: AnyAction, counter: str = "") -> None:
        emit_rule(self.ctx, self.wiring, stage, priority, matched, actions, self.owner, counter)

    def at(self, step: int, **more: int) -> Match:
        return match({PATH: self.path.id, INDEX: index_of(step)}, **more)

    def emit(self) -> None:
        steps = self.spec.steps
        here = [any(hop.node == self.me for hop in step.hops) for step in steps]
        # Before which steps a packet can be here without having been sent here: it starts here, or comes from the
        # function before, also past a tap.
        before = [True]
        for number, step in enumerate(steps):
            before.append(before[number] if step.tap else here[number])
        for number, step in enumerate(steps):
            if step.tap:
                self._tap(number, step, here[number], before[number])
                continue
            if before[number] or here[number]:
                self._step(number, step)
            for hop in step.hops:
                if hop.node == self.me:
                    self._attach(number, hop)
        if before[-1]:
            self._leave(len(steps))
        if any(here):
            if self._comes_from_elsewhere() and not self.ctx.get(self.wiring.binding, self.encapsulation.tunnel):
                kept = [hop for step in steps if not step.tap for hop in step.hops if hop.node == self.me]
                self._lacks(f"node {self.me} has no tunnel from other nodes yet", "" if kept else NO_COPIES)
            for rule in self.encapsulation.unwrap_path(self.path):
                self.rule(rule.stage, rule.priority, rule.match, *rule.actions)

    def _comes_from_elsewhere(self) -> bool:
        nodes = {hop.node for step in self.spec.steps if not step.tap for hop in step.hops}
        nodes.update(self.behind)
        for entry in self.spec.entries:
            if entry.behind:
                continue
            network = None if entry.source_port else self.ctx.get(self.wiring.network, entry.network)
            nodes.update(network.nodes if network else [entry.source_node or self.me])
        return bool(nodes - {self.me})

    def _lacks(self, what: str, kind: str = "") -> None:
        self.ctx.emit(self.wiring.missing, self.path.id, kind + what)

    def _step(self, number: int, step: Step) -> None:
        filled = [hop for hop in step.slots if hop != EMPTY]
        links = len(step.slots)
        handing = [self._hand(number, hop) for hop in step.hops]

        def pick(hop: int, priority: int = 100, **matched: int) -> None:
            actions, to = handing[hop], step.hops[hop]
            counter = visited(self.spec.chain, self.spec.direction, step.group, to.instance)
            if actions is not None:
                here = counter if to.node == self.me else ""
                self.rule("pick", priority, self.at(number, **matched), *actions, counter=here)

        if links == 1:
            self.rule("steer", 100, self.at(number), Next("pick"))
            pick(step.slots[0])
            return
        holes = [slot for slot, hop in enumerate(step.slots) if hop == EMPTY]
        for slot, hop in enumerate(step.slots):
            if hop != EMPTY:
                pick(hop, **{LINK: slot})
        if not holes:
            self.rule("steer", 100, self.at(number), *_choose(step, links))
            return
        for turn in range(ROUNDS):
            self.rule("steer", 100, self.at(number, **{ROUND: turn}), *_choose(step, links, turn))
            for slot in holes:
                again = (SetField(ROUND, turn + 1), Next("steer"))
                self.rule("pick", 100, self.at(number, **{LINK: slot, ROUND: turn}), *again)
        # The last choice is among the filled slots alone, numbered without the holes.
        self.rule("steer", 100, self.at(number, **{ROUND: ROUNDS}), *_choose(step, len(filled), ROUNDS))
        for slot, hop in enumerate(filled):
            pick(hop, 110, **{LINK: slot, ROUND: ROUNDS})

    def _hand(self, number: int, hop: Hop) -> tuple[AnyAction, ...] | None:
        """To the instance, or to its node; None while one of them is not there."""
        index = index_of(number)
        again = SetField("in_port", 0)  # else the switch would not send a packet back where it came from
        if hop.node != self.me:
            return self._send(number, hop)
        binding = self.ctx.get(self.wiring.binding, hop.ingress_name)
        if binding is None:
            return None
        out = (again, Output(binding.ofport))
        if hop.aware:
            return (*self.encapsulation.hand_over(self.path.id, index, hop.mac), *out)
        if hop.mode == "route":
            return (SetField("eth_dst", hop.mac), *out)
        return (SetField("eth_src", mark(self.path.id, index)), *out)

    def _send(self, number: int, hop: Hop, kind: str = "") -> tuple[AnyAction, ...] | None:
        """To the instance's node; None while there is no way there, which is lacking, as ``kind``."""
        away = to_node(self.ctx, self.wiring, hop.node, self.encapsulation.tunnel, self.spec.network)
        if not away:
            self._lacks(no_way(self.ctx, self.wiring, hop.node), kind)
            return None
        return (*self.encapsulation.wrap(self.path.id, index_of(number)), SetField("in_port", 0), *away)

    def _tap(self, number: int, step: Step, here: bool, before: bool) -> None:
        """A copy goes to the tap, or to its node, and the packet itself goes on, whatever becomes of the copy. What
        another node has sent to this step is a copy already. ``before``: packets come to the step on this node."""
        tap = step.hops[0]
        copy = self._copy(number, tap) if here else self._send(number, tap, NO_COPIES)
        counter = visited(self.spec.chain, self.spec.direction, step.group, tap.instance) if here and copy else ""
        if here or before:
            self.rule("steer", 100, self.at(number), Next("pick"))
        if here:
            # Also where there is no way to the tap: else its copies would go on as if they were the packets.
            self.rule("pick", 110, self.at(number, **{SOURCE_PORT: 0}), *(copy or ()), counter=counter)
        if before:
            onward = (SetField(INDEX, index_of(number + 1)), Next("steer"))
            self.rule("pick", 100, self.at(number), *((Clone(copy),) if copy else ()), *onward, counter=counter)

    def _copy(self, number: int, tap: Hop) -> tuple[AnyAction, ...] | None:
        """Out to the tap itself, as the packet would be without proxies before it; None while its interface is not
        there."""
        restore: tuple[AnyAction, ...] = ()
        if self.spec.loses_source_before(number):
            self.ctx.emit(self.wiring.marked, self.spec.network, True)
            restore = (SetField(NETWORK, self.spec.network), Next("restore"))
        binding = self.ctx.get(self.wiring.binding, tap.ingress_name)
        if binding is None:
            self._lacks(_no_interface(tap.ingress_name, self.me), NO_COPIES)
            return None
        header = self.encapsulation.hand_over(self.path.id, index_of(number), tap.mac) if tap.aware else ()
        return (*restore, *header, SetField("in_port", 0), Output(binding.ofport))

    def _attach(self, number: int, hop: Hop) -> None:
        """The instance's two ports, and how packets come back from the one that this direction leaves by."""
        ctx, wiring, path = self.ctx, self.wiring, self.path
        egress = key_of(ctx, wiring, hop.egress_name)
        for key, name in ((key_of(ctx, wiring, hop.ingress_name), hop.ingress_name), (egress, hop.egress_name)):
            ctx.emit(wiring.attached, key, name)
            ctx.emit(wiring.function, key, (self.encapsulation.name,) if hop.aware else ())
            if ctx.get(wiring.binding, name) is None:
                self._lacks(_no_interface(name, self.me))
        after = index_of(number + 1)
        from_port = {SOURCE_PORT: egress}
        if hop.aware:
            back = match(from_port | {PATH: path.id, INDEX: after})
            self.rule("path_return", 20, back, Next("steer"))
        elif hop.mode == "route":
            ctx.emit(wiring.comeback, egress, Comeback(path, after, hop.rewrites))
        else:
            marked = match(from_port | {PATH: 0}, eth_src=mark(path.id, index_of(number)))
            self.rule("path_return", 20, marked, *_resume(path.id, after, self.spec.source_mac), Next("steer"))

    def _leave(self, number: int) -> None:
        """Behind the last step the packet goes on as if its source had just sent it, but is not classified again."""
        lost = self.spec.loses_source_before(number)
        if lost:
            self.ctx.emit(self.wiring.marked, self.spec.network, True)
        mend: tuple[AnyAction, ...] = (Next("restore"),) if lost else ()
        if self.spec.readdressed:
            self.ctx.emit(self.wiring.readdressed, self.spec.network, True)
            mend = (*mend, Next("readdress"))
        here = SetField(NETWORK, self.spec.network)
        off = (SetField(PATH, 0), SetField(INDEX, 0))
        # The port that it comes in by here, if any, is a function's, and the packet is not.
        leave = (SetField("in_port", 0), SetField(SOURCE_PORT, 0), *mend, Next("pre_routing"))
        counter = left(self.spec.chain, self.spec.direction)
        if not self.spec.onward:
            self.rule("steer", 100, self.at(number), *off, here, *leave, counter=counter)
            return
        self.rule("steer", 100, self.at(number), here, Next("branch"), counter=counter)
        self.rule("branch", 100, match({PATH: self.path.id}), *off, *leave)
        for onward in self.spec.onward:
            self._branch(onward, mend)

    def _branch(self, onward: Onward, mend: tuple[AnyAction, ...]) -> None:
        """To the first step of another path, as their source sent them. Where there is no such path the packets are
        dropped: none goes round a function."""
        record = self.ctx.get(self.wiring.path, onward.path)
        go: tuple[AnyAction, ...] = ()
        if record is not None:
            self._ways_to(record.path)
            go = (*mend, SetField(PATH, onward.path), SetField(INDEX, FIRST_INDEX), Next("steer"))
        elif onward.path:
            self._lacks(f"node {self.me} does not know path {onward.path} yet")
        counter = entered(onward.chain, self.spec.direction) if go else ""
        for fields in matches(onward.headers):
            matched = match({PATH: self.path.id}, **fields)
            priority = 1000 + 2 * onward.precedence
            owner = f"chain/{onward.chain}"
            emit_rule(self.ctx, self.wiring, "branch", priority, matched, go, owner, counter)

    def _ways_to(self, path: Path) -> None:
        """Packets go on along ``path`` here, so the nodes of its first functions must be within reach."""
        tunnel = self.wiring.encapsulations[path.spec.encapsulation].tunnel
        for step in path.spec.steps:
            for hop in step.hops:
                if hop.node != self.me and not to_node(self.ctx, self.wiring, hop.node, tunnel, path.spec.network):
                    self._lacks(no_way(self.ctx, self.wiring, hop.node), NO_COPIES if step.tap else "")
            if not step.tap:
                return


def _no_interface(port: str, node: str) -> str:
    return f"port {port} has no interface on node {node} (external_ids:iface-id={port})"


def _choose(step: Step, links: int, turn: int = 0) -> tuple[AnyAction, ...]:
    return (Multipath((step.basis + turn) & 0xFFFF, links, LINK, hash_of(step.hash)), Next("pick"))


def _resume(path: int, index: int, source_mac: int) -> tuple[AnyAction, ...]:
    restore = (SetField("eth_src", source_mac),) if source_mac else ()
    return (SetField(PATH, path), SetField(INDEX, index), *restore)


def comeback(ctx: Context, wiring: Wiring, key: int) -> None:
    """Packets from a function that routes: nothing of the frame is left, so the interface must tell, or, where
    several paths leave by it, the classifiers, which the server has shown to be disjoint.

    What the function sends in its own name is ordinary traffic, unless it rewrites: then what it forwards may be in its
    own name too. A path that is new or on its way out shares the interface only with paths whose packets it could not
    be taken for; else the active one counts.
    """
    told: list[Comeback] = []
    for candidate in sorted(ctx.values(wiring.comeback, key), key=lambda c: (PHASES[c.path.phase], -c.path.id)):
        if not any(_alike(candidate, other) for other in told):
            told.append(candidate)
    record = ctx.get(wiring.port, key)
    owner = f"port/{record.name}" if record else "pipeline"
    mine = {SOURCE_PORT: key, PATH: 0}
    for family, value in record.addresses if record and not any(back.rewrites for back in told) else ():
        own = {f"ipv{family}_src": value, "eth_type": ETH_IPV4 if family == 4 else ETH_IPV6}
        emit_rule(ctx, wiring, "path_return", 18, match(mine | own), (Next("ingress"),), owner)
    for kind in ND_TYPES:
        nd = match(mine, eth_type=ETH_IPV6, ip_proto=PROTO_ICMPV6, icmpv6_type=kind)
        emit_rule(ctx, wiring, "path_return", 19, nd, (Next("ingress"),), owner)
    for back in told:
        spec = back.path.spec
        actions = (*_resume(back.path.id, back.index, spec.source_mac), Next("steer"))
        wanted: list[tuple[int, dict[str, Value]]]
        carried = [spec.ethertype] if spec.ethertype else [ETH_IPV4, ETH_IPV6]
        rivals = [other.path.spec.ethertype for other in told if other is not back]
        if all(spec.ethertype and rival and rival != spec.ethertype for rival in rivals):
            wanted = [(10, {"eth_type": ethertype}) for ethertype in carried]
        else:
            wanted = [(12, fields) for headers in _headers(back) for fields in matches(headers)]
        for priority, fields in wanted:
            matched = match(mine | fields)
            emit_rule(ctx, wiring, "path_return", priority, matched, actions, f"chain/{spec.chain}")


def _alike(one: Comeback, other: Comeback) -> bool:
    """Whether packets of both could look the same behind the function."""
    a, b = one.path.spec, other.path.spec
    if any(back.rewrites and not _step(back).behind for back in (one, other)):
        return not (a.ethertype and b.ethertype) or a.ethertype == b.ethertype
    return any(headers_overlap(mine, theirs) for mine in _headers(one) for theirs in _headers(other))


def _step(back: Comeback) -> Step:
    """The one that packets come back from."""
    return back.path.spec.steps[FIRST_INDEX - back.index - 1]


def _headers(back: Comeback) -> tuple[Headers, ...]:
    return back.path.spec.headers_behind(FIRST_INDEX - back.index - 1)


def classify(ctx: Context, wiring: Wiring, key: int) -> None:
    """Stage classify: what enters the path, on the node where it comes in."""
    record = ctx.get(wiring.classify, key)
    me = ctx.get(wiring.me, "self")
    if record is None or me is None:
        return
    actions = (SetField(PATH, record.path), SetField(INDEX, FIRST_INDEX), Next("steer"))
    # Where a chain's two directions both match a packet, it is going forward.
    forward = int(record.direction == "forward")
    counter = entered(record.chain, record.direction)
    for entry in record.entries:
        if entry.source_port and entry.source_node != me.name:
            continue
        origin = {SOURCE_PORT: entry.source_port} if entry.source_port else {NETWORK: entry.network}
        priority = 1000 + 2 * entry.precedence + forward
        for fields in matches(entry.headers):
            matched = match(origin | fields)
            emit_rule(ctx, wiring, "classify", priority, matched, actions, f"chain/{record.chain}", counter)
