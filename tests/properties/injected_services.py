"""Random injected services on a world, and what they mean: ``Reference`` says it without registers, gates and stages of
services.

A service here is its records as nodes get them; its rules are hostile: whatever keeps to the contract of their stage.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field

from hypothesis import strategies as st
from worlds import PLAIN, World

from segue.model.hooks import HOOKS, Hook
from segue.model.intent import Node
from segue.model.marks import is_mark, marked
from segue.model.program import (
    FIRST_GROUP,
    FIRST_METER,
    AnyAction,
    Band,
    Bucket,
    Clone,
    DecTtl,
    Group,
    Meter,
    Move,
    Next,
    Output,
    PopVlan,
    PushVlan,
    Rule,
    SetField,
    SetQueue,
    ToGroup,
    ToService,
    UseMeter,
    Value,
    match,
)
from segue.model.stages import (
    BY_NAME,
    ELEMENT,
    NETWORK,
    REDIRECTED,
    ROUTER_ELEMENT,
    SERVICE,
    SERVICE_METADATA,
    SOURCE_PORT,
    TARGET_PORT,
    VERDICT,
    OutOfContract,
    check_group,
    check_injected,
)
from segue.model.view import (
    AnyRecord,
    FlowRecord,
    GroupRecord,
    HookRecord,
    MeterRecord,
    PortRecord,
    RouterRecord,
    ServiceRecord,
    Turn,
)
from segue.packet.addresses import ETH_MPLS, ETH_MPLS_MULTICAST, ETH_NSH, parse_ip
from segue.verify.consistency import refusal
from segue.verify.fields import FIELDS
from segue.verify.interpreter import Program
from segue.verify.packet import Packet

MULTICAST = 1 << 40
TABLES = 3
DSCP, VLAN = 46, 0x1007
MATCHED = ("eth_type", "eth_src", "eth_dst", "ip_proto", "ipv4_src", "ipv4_dst", "ipv6_dst", "udp_dst", "tcp_dst")
TAGGED: tuple[Value, ...] = (0, (0x1000, 0x1000))
METADATA: tuple[Value, ...] = (5, 5 << 32 | 1, (5, 0xFF))


@dataclass
class Injected:
    """``own``: the keys of ports that it may send to, with their names."""

    name: str
    key: int
    hook: Hook
    order: int
    elements: list[tuple[str, int]]
    own: dict[int, str]
    rules: list[Rule] = field(default_factory=list)
    groups: list[Group] = field(default_factory=list)

    @property
    def measure(self) -> UseMeter:
        """Of its copies; no packet is too many here."""
        return UseMeter(FIRST_METER + self.key)


def elements(world: World) -> tuple[dict[int, PortRecord], dict[int, RouterRecord]]:
    """By key, as any node knows them."""
    ports: dict[int, PortRecord] = {}
    routers: dict[int, RouterRecord] = {}
    for view in world.conductor.views.values():
        for record in view.values():
            if isinstance(record, PortRecord):
                ports[record.key] = record
            elif isinstance(record, RouterRecord):
                routers[record.key] = record
    return ports, routers


@st.composite
def injected(draw: st.DrawFn, world: World, met: list[Packet], few: bool = False) -> list[Injected]:
    """``few``: most elements have none."""
    ports, routers = elements(world)
    found = []
    common = draw(st.sampled_from(tuple(HOOKS.values())))
    for key in range(1, draw(st.integers(1, 4)) + 1):
        hook = draw(st.sampled_from((*10 * [common], *HOOKS.values())))
        hosts = [("port", one) for one in sorted(ports) if ports[one].name.startswith("p")]
        near = [("port", one) for one in sorted(ports)]
        some = st.lists(st.sampled_from(near), min_size=1, max_size=1 if few else 6, unique=True)
        attached = list(hosts) if not few and draw(st.booleans()) else draw(some)
        if routers and "router" in hook.elements and draw(st.booleans()):
            attached = [*attached[draw(st.integers(0, 1)) :], ("router", min(routers))]
        own = {one: ports[one].name for one in draw(st.lists(st.sampled_from(sorted(ports)), max_size=3, unique=True))}
        order = draw(st.sampled_from((1, 2)))
        service = Injected(draw(st.sampled_from("xyz")) + str(key), key, hook, order, attached, own)
        for number in range(draw(st.integers(0, 2))):
            group = draw(groups(service, FIRST_GROUP + 10 * key + number, sorted(ports)))
            if _taken(check_group, group):
                service.groups.append(group)
        for number in range(draw(st.integers(1, 8))):
            service.rules.append(draw(rules(service, number, met, sorted(ports))))
        found.append(service)
    return found


def _taken(check: object, value: object) -> bool:
    try:
        check(value)  # type: ignore[operator]
    except OutOfContract:
        return False
    return True


@st.composite
def matched(draw: st.DrawFn, met: list[Packet]) -> dict[str, Value]:
    packet = draw(st.sampled_from(met))
    names = [name for name in MATCHED if name in packet.fields]
    fields: dict[str, Value] = {}
    for name in draw(st.lists(st.sampled_from(names), max_size=2, unique=True)):
        fields[name] = packet.fields[name]
        if name.startswith(("ip_", "ipv", "udp", "tcp")):
            fields["eth_type"] = packet.fields["eth_type"]
        if name.startswith(("udp", "tcp")):
            fields["ip_proto"] = packet.fields["ip_proto"]
    if "vlan_vid" in packet.fields and draw(st.integers(0, 9)) == 0:
        fields["vlan_vid"] = draw(st.sampled_from(TAGGED))
    return fields


@st.composite
def rules(draw: st.DrawFn, service: Injected, number: int, met: list[Packet], ports: list[int]) -> Rule:
    table = draw(st.integers(0, TABLES - 1)) if number else 0
    fields: dict[str, Value] = draw(matched(met)) if number else {"eth_type": 0x0800}
    fields[SERVICE] = service.key
    if draw(st.integers(0, 3)) == 0:
        fields[ELEMENT] = _element(*draw(st.sampled_from(service.elements)))
    if table and draw(st.booleans()):
        fields[SERVICE_METADATA] = draw(st.sampled_from(METADATA))
    actions: tuple[AnyAction, ...] = (SetField(VERDICT, 0),) if draw(st.booleans()) else ()
    rule = Rule(f"service_{table}", number + 1, match(fields), actions, f"service/{service.name}")
    for some in draw(st.lists(steps(service, table, ports), min_size=1, max_size=4)):
        longer = Rule(rule.stage, rule.priority, rule.match, (*rule.actions, *some), rule.owner)
        if _taken(check_injected, longer) and refusal(longer) is None:
            rule = longer
    return rule


def steps(service: Injected, table: int, ports: list[int]) -> st.SearchStrategy[list[AnyAction]]:
    """A few actions that belong together, not all of them proper."""
    target = st.sampled_from([*service.own, *service.own, *ports])
    way = target.map(lambda key: (SetField(TARGET_PORT, key), SetField("in_port", 0), Next("redirect")))
    plain = st.sampled_from(
        [
            SetField("ip_dscp", DSCP),
            SetField("eth_dst", 0x020000000001),
            SetField("eth_src", 0x020000000002),
            SetField("ipv4_dst", 0x0A000002),
            SetField("udp_dst", 80),
            SetField(SERVICE_METADATA, 5 << 32 | 1),
            SetField(SERVICE_METADATA, 5, 0xFF),
            Move("eth_src", "eth_dst", 48),
            DecTtl(),
            PopVlan(),
            SetQueue(3),
            Next("redirect"),
            SetField("in_port", 0),
            ToService(service.key, table, 7),
        ]
    ).map(lambda one: [one])
    later = st.integers(table + 1, TABLES).map(lambda to: [Next(f"service_{to}")])
    grouped: list[list[AnyAction]] = [[ToGroup(group.number)] for group in service.groups]
    grouped += [[Clone((service.measure, ToGroup(group.number)))] for group in service.groups]
    grouped += [[Clone((ToGroup(group.number),), apart=True)] for group in service.groups]
    return st.one_of(
        plain,
        plain,
        later,
        later,
        way.map(list),
        way.map(lambda send: [Clone((service.measure, *send))]),
        way.map(lambda send: [Clone(send, apart=True)]),
        way.map(lambda send: [Clone((SetField("ip_dscp", DSCP), service.measure, *send))]),
        st.just([PushVlan(), SetField("vlan_vid", VLAN)]),
        st.sampled_from([*grouped, [Next("redirect")]]),
    )


@st.composite
def groups(draw: st.DrawFn, service: Injected, number: int, ports: list[int]) -> Group:
    def bucket() -> Bucket:
        key = draw(st.sampled_from([*service.own, *ports]))
        write = draw(st.sampled_from(((), (SetField("eth_dst", 0x020000000003),), (SetField("ip_dscp", DSCP),))))
        way = draw(st.sampled_from(("redirect", "group_copy")))
        return Bucket((*write, SetField(TARGET_PORT, key), SetField("in_port", 0), Next(way)))

    kind = draw(st.sampled_from(("all", "all", "indirect", "select")))
    size = draw(st.integers(0, 3)) if kind == "all" else 1
    return Group(number, kind, tuple(bucket() for _ in range(size)), f"service/{service.name}")


def records(services: Iterable[Injected], world: World) -> dict[str, AnyRecord]:
    """As the server would tell them."""
    told: dict[str, AnyRecord] = {}
    met: dict[tuple[str, str, int], list[Turn]] = {}
    for service in services:
        own = tuple((key, name, world.places.get(name, "")) for key, name in service.own.items())
        told[f"service/{service.key}"] = ServiceRecord(service.name, service.key, service.hook.name, own)
        for kind, key in service.elements:
            turn = Turn(service.order, service.name, service.key)
            met.setdefault((service.hook.name, kind, key), []).append(turn)
        for number, rule in enumerate(service.rules):
            told[f"flow/{service.key}/{number}"] = FlowRecord(rule)
        meter, owner = service.measure, f"service/{service.name}"
        told[f"meter/{meter.meter}"] = MeterRecord(Meter(meter.meter, True, (Band(1_000_000, 1_000_000),), owner))
        limit = Rule("group_copy", 100, match({SERVICE: service.key}), (meter, Next("redirect")), owner)
        told[f"flow/{service.key}/{len(service.rules)}"] = FlowRecord(limit)
        for group in service.groups:
            told[f"group/{group.number}"] = GroupRecord(group)
    for (hook, kind, key), turns in met.items():
        told[f"hook/{hook}:{kind}:{key}"] = HookRecord(hook, kind, key, tuple(sorted(turns)))
    return told


def _element(kind: str, key: int) -> int:
    return key | (ROUTER_ELEMENT if kind == "router" else 0)


class Meant:
    """Which services a packet meets at a hook, in which order, for which element."""

    def __init__(self, services: list[Injected], world: World) -> None:
        self.services = services
        self.ports, self.routers = elements(world)

    def at(self, hook: Hook, fields: Mapping[str, int]) -> list[tuple[Injected, int]]:
        turns = []
        for service in self.services:
            here = [ref for ref in service.elements if service.hook == hook and self._is_of(hook.name, ref, fields)]
            if here:
                turns.append((service.order, service.name, service, _element(*min(here))))
        return [(service, element) for _, _, service, element in sorted(turns, key=lambda turn: turn[:2])]

    def _is_of(self, hook: str, ref: tuple[str, int], fields: Mapping[str, int]) -> bool:
        kind, key = ref
        if hook == "ingress":
            return fields[SOURCE_PORT] == key
        if hook == "egress":
            return fields[TARGET_PORT] == key
        if kind == "router":
            legs = [leg for leg in self.routers[key].interfaces if leg.network == fields[NETWORK]]
            mac = {"pre-routing": fields.get("eth_dst"), "post-routing": fields.get("eth_src")}
            return any(hook == "forward" or leg.mac == mac[hook] for leg in legs)
        port = self.ports[key]
        if not port.network or port.network != fields[NETWORK]:
            return False
        if hook == "forward":
            return any(fields.get(f"ipv{family}_dst") == value for family, value in port.addresses)
        if hook == "pre-routing":
            came_by = fields[SOURCE_PORT]
            return came_by == key or (came_by == 0 and fields["eth_src"] == port.mac)
        return fields["eth_dst"] == port.mac


class Reference(Program):
    """A node's program without services, whose rules at hooks are made for each packet: what its services do to it,
    written out."""

    def __init__(self, world: World, node: str, meant: Meant) -> None:
        super().__init__(world.nodes[node].rules.values())
        self.world, self.node, self.meant = world, node, meant
        self.hooks = {hook.stage: hook for hook in HOOKS.values()}
        self.own = {key: name for service in meant.services for key, name in service.own.items()}

    def lookup(self, stage: str, fields: Mapping[str, int]) -> Rule | None:
        rule = super().lookup(stage, fields)
        if stage in self.hooks:
            return Rule(stage, 1, (), tuple(self._met(self.hooks[stage], fields)), "meant")
        if stage == "admission" and fields["in_port"] == PLAIN and fields["tunnel_id"] & REDIRECTED:
            return Rule(stage, 1, (), tuple(self._out(fields["tunnel_id"] & ~REDIRECTED)), "meant")
        if stage == "forward" and rule is not None and fields["eth_dst"] & MULTICAST:
            return Rule(stage, 1, (), tuple(map(self._flooded, rule.actions)), "meant")
        return rule

    def _flooded(self, action: AnyAction) -> AnyAction:
        bound = self.world.nodes[self.node].bound
        for key, port in self.meant.ports.items():
            if isinstance(action, Output) and bound.get(port.name) == action.port:
                return Clone((SetField(TARGET_PORT, key), Next("egress")))
        return action

    def _met(self, hook: Hook, shown: Mapping[str, int]) -> Iterator[AnyAction]:
        fields = dict(shown)
        if hook.name == "egress" and fields["in_port"] and self._ofport(fields[TARGET_PORT]) == fields["in_port"]:
            return
        for service, element in self.meant.at(hook, fields):
            fields |= {SERVICE: service.key, ELEMENT: element, SERVICE_METADATA: 0}
            verdict = Verdict(self, service, fields)
            verdict.table(0)
            yield from verdict.actions
            if verdict.taken:
                return
        yield Next(hook.behind)

    def _ofport(self, key: int) -> int | None:
        port = self.meant.ports.get(key)
        return self.world.nodes[self.node].bound.get(port.name) if port else None

    def _out(self, key: int) -> list[AnyAction]:
        """To a port that is here."""
        ofport = self._ofport(key) if key in self.own else None
        return [Output(ofport)] if ofport is not None else []

    def sent(self, key: int, fields: Mapping[str, int]) -> list[AnyAction]:
        """To a port, wherever it is, but no path header and no mark of a path."""
        if fields["packet_type"] == 0 and (
            fields["eth_type"] in (ETH_MPLS, ETH_MPLS_MULTICAST, ETH_NSH)
            or (is_mark(fields["eth_src"]) and marked(fields["eth_src"])[0] < 1 << 20)
        ):
            return []
        node = self.world.places.get(self.own.get(key, ""))
        if node is None or node == self.node:
            return self._out(key)
        declared = self.world.objects["node", node]
        assert isinstance(declared, Node)
        family, address = parse_ip(declared.address)
        end = SetField("tun_dst" if family == 4 else "tun_ipv6_dst", address)
        return [SetField("tunnel_id", REDIRECTED | key), end, Output(PLAIN)]


class Verdict:
    """What a service's rules do to a packet with these ``fields``, which change with it."""

    def __init__(self, node: Reference, service: Injected, fields: dict[str, int]) -> None:
        self.node, self.service, self.fields = node, service, fields
        self.actions: list[AnyAction] = []
        self.taken = False

    def table(self, number: int) -> None:
        stage = f"service_{number}"
        here = [rule for rule in self.service.rules if rule.stage == stage and self._matches(rule)]
        if here:
            self._do(max(here, key=lambda rule: rule.priority).actions)

    def _matches(self, rule: Rule) -> bool:
        for name, wanted in rule.match:
            value, mask = wanted if isinstance(wanted, tuple) else (wanted, (1 << FIELDS[name].width) - 1)
            if name not in self.fields or self.fields[name] & mask != value:
                return False
        return True

    def _do(self, actions: Iterable[AnyAction]) -> None:
        for action in actions:
            match action:
                case SetField(field=name) if name == VERDICT:
                    self.taken = True
                case Next(stage="redirect" | "group_copy"):
                    self.actions.append(Clone(tuple(self.node.sent(self.fields[TARGET_PORT], self.fields))))
                case Next(stage=stage):
                    assert BY_NAME[stage].injected
                    self.table(int(stage.removeprefix("service_")))
                case Clone(actions=inner):
                    self._copy(inner)
                case ToGroup(group=number):
                    group = next((one for one in self.service.groups if one.number == number), None)
                    if group is None:
                        return
                    for bucket in group.buckets:
                        self._copy(bucket.actions)
                case DecTtl() if self.fields.get("nw_ttl", 64) <= 1:
                    return
                case _:
                    self.actions.append(action)
                    self._show(action)

    def _copy(self, actions: tuple[AnyAction, ...]) -> None:
        one = Verdict(self.node, self.service, dict(self.fields))
        one._do(actions)
        self.actions.append(Clone(tuple(one.actions)))

    def _show(self, action: AnyAction) -> None:
        fields = self.fields
        match action:
            case SetField(field=name, value=value, mask=mask) if name in fields:
                fields[name] = value if mask is None else fields[name] & ~mask | value & mask
            case Move(source=source, target=target):
                fields[target] = fields[source]
            case DecTtl() if "nw_ttl" in fields:
                fields["nw_ttl"] -= 1
            case PushVlan():
                fields |= {"vlan_vid": 0x1000, "vlan_pcp": 0}
            case PopVlan():
                fields["vlan_vid"] = 0
