"""Flow modifications that a service might send, in all versions: half of them likely to be permitted, half hostile.

All of chance comes from the `Random` that is passed in.
"""

from __future__ import annotations

from random import Random
from typing import Any

from inject.scenes import GONE, GROUPS, METERS, PORTS, ROUTER
from segue.inject.flow import Flow, instructions_of
from segue.model.hooks import HOOKS
from segue.model.intent import REWRITES, Permissions
from segue.openflow import VERSIONS, EncodeError, ProtocolError, decode, encode
from segue.openflow import protocol as of
from segue.openflow.fields import FIELDS
from segue.openflow.wire import ALL, CONTROLLER, FLOOD, IN_PORT, LOCAL, NORMAL, TABLE, V10, V11, V12, V13, V15

KINDS: tuple[dict[str, int], ...] = (
    {},
    {"eth_type": 0x0800},
    {"eth_type": 0x86DD},
    {"eth_type": 0x0806},
    {"eth_type": 0x88B5},
    {"eth_type": 0x0800, "ip_proto": 6},
    {"eth_type": 0x0800, "ip_proto": 17},
    {"eth_type": 0x0800, "ip_proto": 132},
    {"eth_type": 0x0800, "ip_proto": 1},
    {"eth_type": 0x86DD, "ip_proto": 6},
    {"eth_type": 0x86DD, "ip_proto": 17},
    {"eth_type": 0x86DD, "ip_proto": 58},
    {"eth_type": 0x86DD, "ip_proto": 58, "icmpv6_type": 135},
    {"eth_type": 0x86DD, "ip_proto": 58, "icmpv6_type": 136, "icmpv6_code": 0},
    {"vlan_vid": 0x1005},
    {"vlan_vid": 0},
    {"vlan_vid": 0x1005, "eth_type": 0x0800, "ip_proto": 17},
)
NAMES = tuple(FIELDS)
PORT_NUMBERS = (*PORTS, *PORTS, ROUTER, GONE, 6, 11, IN_PORT, NORMAL, NORMAL, FLOOD, ALL, CONTROLLER, TABLE, LOCAL, 0)


def permissions(rng: Random) -> Permissions:
    if rng.random() < 0.5:
        return Permissions(True, True, True, True, True, True, True, REWRITES)
    some = tuple(one for one in REWRITES if rng.random() < 0.5)
    return Permissions(*(rng.random() < 0.6 for _ in range(7)), rewrite=some)


def hook(rng: Random) -> str:
    return rng.choice(tuple(HOOKS))


def flow(rng: Random, number: int = 0) -> Flow:
    version = rng.choice(VERSIONS)
    fits = rng.random() < 0.7
    match = _match(rng, fits)
    mod = of.FlowMod(
        match=match,
        actions=_actions(rng, match, version, fits),
        instructions=_instructions(rng, match, version, fits),
        table_id=0 if version == V10 else rng.choice((0, 0, 1, 5, 14, 15, 16 if not fits else 2)),
        priority=rng.choice((0, 1, 7, 0x8000, 0xFFFF)),
        cookie=rng.getrandbits(64),
    )
    try:
        read, _, _ = decode(encode(mod, 1, version))
        assert isinstance(read, of.FlowMod)
        mod = read
    except (EncodeError, ProtocolError):
        pass  # as it may come over HTTP
    return Flow(
        mod.table_id, mod.priority, dict(mod.match), instructions_of(mod), mod.cookie, number=number, version=version
    )


def _match(rng: Random, fits: bool) -> dict[str, Any]:
    match: dict[str, Any] = dict(rng.choice(KINDS))
    names = [name for name in NAMES if _promised(name, match)] if fits else NAMES
    for name in rng.sample(names, min(len(names), rng.choice((0, 1, 1, 2, 3)))):
        match.setdefault(name, _value(rng, name))
    if rng.random() < 0.3:
        match["in_port"] = rng.choice((*PORTS, *PORTS, ROUTER, GONE) if fits else PORT_NUMBERS)
    if rng.random() < 0.2:
        match["metadata"] = _value(rng, "metadata")
    return match


def _promised(name: str, match: dict[str, Any]) -> bool:
    if name.startswith(("reg", "xreg", "xxreg", "ct_", "tun", "mpls", "nsh", "pbb", "nd_")):
        return False
    if name == "vlan_pcp":
        return bool(match.get("vlan_vid"))
    return all(match.get(need) in some for need, some in FIELDS[name].prerequisites)


def _value(rng: Random, name: str) -> Any:
    field = FIELDS[name]
    value = rng.choice((0, 1, 2, field.limit, rng.getrandbits(field.bits), rng.getrandbits(min(8, field.bits))))
    if name == "vlan_vid" and rng.random() < 0.8:
        value |= 0x1000
    if rng.random() < 0.3:
        mask = rng.choice((0, field.limit, rng.getrandbits(field.bits), field.limit ^ 1, 0x1000 & field.limit))
        return (value & mask if rng.random() < 0.9 else value, mask)
    return value


def _instructions(rng: Random, match: dict[str, Any], version: int, fits: bool) -> list[of.Instruction]:
    if version == V10:
        return []
    made: list[of.Instruction] = []
    if rng.random() < 0.2:
        made.append(of.WriteActions(_actions(rng, match, version, fits)))
    if rng.random() < 0.3:
        mask = rng.choice((0, 0xFF, (1 << 64) - 1, rng.getrandbits(64)))
        made.append(of.WriteMetadata(rng.getrandbits(64), mask))
    if rng.random() < 0.1:
        made.append(of.ClearActions())
    if V13 <= version < V15 and rng.random() < 0.2:
        made.append(of.Meter(rng.choice((*METERS, 2, METERS[1]))))
    if rng.random() < 0.3:
        made.append(of.GotoTable(rng.choice((1, 2, 6, 15, 16, 40, 254))))
    if not fits and rng.random() < 0.1:
        made.append(rng.choice((of.StatTrigger(), of.UnknownInstruction(9), of.GotoTable(15), of.ClearActions())))
    return made


def _actions(rng: Random, match: dict[str, Any], version: int, fits: bool) -> list[of.Action]:
    actions = [_action(rng, match, version, fits) for _ in range(rng.choice((0, 1, 1, 2, 3, 5)))]
    if fits and rng.random() < 0.6:
        actions = [one for one in actions if one != of.Output(NORMAL)]
        actions.append(of.Output(NORMAL))
    return actions


def _action(rng: Random, match: dict[str, Any], version: int, fits: bool) -> of.Action:
    draw = rng.random()
    if draw < 0.35:
        ports = (*PORTS, CONTROLLER, FLOOD) if fits else PORT_NUMBERS
        return of.Output(rng.choice(ports), rng.choice((0, 64, 0xFFE5, 0xFFFF)))
    if draw < 0.6 and version >= V12:
        names = [name for name in (*REWRITES, "ip_dscp", "vlan_vid", "metadata") if name in FIELDS]
        name = rng.choice([one for one in names if _promised(one, match)] if fits else NAMES)
        value = _value(rng, name)
        if isinstance(value, tuple):
            return of.SetField(name, value[0], value[1] if version == V15 else None)
        return of.SetField(name, value)
    return rng.choice(_others(rng, version, fits))


def _others(rng: Random, version: int, fits: bool) -> list[of.Action]:
    made: list[of.Action] = [of.PopVlan(), of.PushVlan(), of.SetQueue(rng.choice((0, 3, 0xFFFFFFFE, 0xFFFFFFFF)))]
    made += [of.Group(rng.choice((*GROUPS, *GROUPS, 2, GROUPS[1]))), of.DecNwTtl(), of.SetNwTtl(rng.randrange(256))]
    if version == V15:
        made.append(of.MeterAction(rng.choice((*METERS, *METERS, 2))))
    if version <= V11:
        made += [
            of.SetDlSrc(rng.getrandbits(48)),
            of.SetDlDst(rng.getrandbits(48)),
            of.SetNwTos(rng.choice((0, 184, 1))),
        ]
        made += [of.SetNwSrc(rng.getrandbits(32)), of.SetNwDst(rng.getrandbits(32)), of.SetTpSrc(80), of.SetTpDst(81)]
        made += [of.SetVlanVid(rng.choice((0, 5, 4095))), of.SetVlanPcp(rng.randrange(8)), of.StripVlan()]
        made += [of.Enqueue(rng.choice(PORT_NUMBERS), rng.choice((0, 1, 0xFFFFFFFF)))]
    if not fits:
        made += [of.PushMpls(), of.PopMpls(0x0800), of.CopyTtlIn(), of.CopyField("eth_src", "reg1", 32)]
        made += [of.ResubmitTable(0), of.Clone([of.Output(1)]), of.Exit(), of.UnknownAction(0xFFFF, bytes(12))]
        made += [of.SetField("reg9", 5), of.SetField("reg1", 11), of.SetField("in_port", 1), of.UnknownAction(200)]
    return made


def group_mod(rng: Random, version: int) -> of.GroupMod:
    fits = rng.random() < 0.7
    kind = rng.choice((0, 1, 2) if fits else (0, 1, 2, 3, 9))
    size = 1 if kind == 2 and fits else rng.choice((0, 1, 2, 4))
    buckets = [
        of.Bucket(
            _bucket(rng, version, fits),
            weight=rng.choice((0, 1, 100)),
            bucket_id=number if fits or rng.random() < 0.5 else 0,
            properties=(of.BucketWeight(rng.choice((0, 1, 100))),) if version == V15 and kind == 1 else (),
        )
        for number in range(size)
    ]
    return of.GroupMod(command=0, group_id=rng.choice((0, 1, 0xFFFFFF00)), type=kind, buckets=buckets)


def _bucket(rng: Random, version: int, fits: bool) -> list[of.Action]:
    actions = [_action(rng, rng.choice(KINDS), version, fits) for _ in range(rng.choice((0, 1, 2)))]
    if fits:
        actions = [one for one in actions if not isinstance(one, (of.Output, of.Group, of.MeterAction))]
    return [*actions, of.Output(rng.choice((*PORTS, GONE) if fits else PORT_NUMBERS))]


def meter_mod(rng: Random) -> of.MeterMod:
    rates = (0, 1, 1000, 0xFFFFFFFF, rng.getrandbits(32))
    bands: list[of.MeterBand] = [
        of.MeterDrop(rng.choice(rates), rng.choice(rates)) for _ in range(rng.choice((0, 1, 1, 2, 8, 9)))
    ]
    if rng.random() < 0.1:
        bands.append(of.MeterDscpRemark(5))
    return of.MeterMod(command=0, meter_id=rng.choice((0, 1, 7)), bands=bands, flags=rng.choice((1, 2, 5, 6, 13, 3, 0)))
