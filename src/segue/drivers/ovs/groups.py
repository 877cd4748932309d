"""Groups and meters of injected services as OpenFlow 1.5 messages, and whether those on a switch are the same. Pure.

They have no cookies, so what a switch says of them is compared with what it was told. Open vSwitch says it again as it
was told, but for properties of `controller` that say the default, and a burst that nobody gave a meter.
"""

from __future__ import annotations

from collections.abc import Iterable

import msgspec

from segue.drivers.ovs.render import action, written
from segue.model.program import FIRST_GROUP, FIRST_METER, GROUPS, METERS, Group, Meter
from segue.openflow import protocol as of
from segue.openflow.codec import encode
from segue.openflow.fields import FIELDS
from segue.openflow.wire import V15

TYPES = {"all": of.GroupType.ALL, "select": of.GroupType.SELECT, "indirect": of.GroupType.INDIRECT}

HASHED = (
    *("eth_src", "eth_dst", "ip_proto", "ipv4_src", "ipv4_dst", "ipv6_src", "ipv6_dst"),
    *("tcp_src", "tcp_dst", "udp_src", "udp_dst", "sctp_src", "sctp_dst"),
)
BY_FLOW = of.GroupSelectionMethod("hash", fields=tuple(of.OxmField(name, FIELDS[name].limit) for name in HASHED))
"""How buckets are selected. Left to itself, Open vSwitch sends a packet through the datapath once more for a hash, and
what was still to do behind the copy that met the group, for others than the service's own, is lost (seen with release
3.1): a service would keep broadcasts from ports that are not its own."""


def own_group(number: int) -> bool:
    return FIRST_GROUP <= number < FIRST_GROUP + GROUPS


def own_meter(number: int) -> bool:
    return FIRST_METER <= number < FIRST_METER + METERS


def group_mod(group: Group) -> of.GroupMod:
    """Makes the group, or changes it in place."""
    weighed = group.kind == "select"
    buckets = [
        of.Bucket(
            [action(one) for one in written(bucket.actions)],
            bucket_id=number,
            properties=(of.BucketWeight(bucket.weight),) if weighed else (),
        )
        for number, bucket in enumerate(group.buckets)
    ]
    how = (BY_FLOW,) if weighed else ()
    return of.GroupMod(of.GroupCommand.ADD_OR_MOD, group.number, TYPES[group.kind], buckets, properties=how)


def group_removal(number: int) -> of.GroupMod:
    """Removes the group and the rules that name it, if it is there."""
    return of.GroupMod(of.GroupCommand.DELETE, number)


def meter_mod(meter: Meter, command: int) -> of.MeterMod:
    flags = of.MeterFlags.PKTPS if meter.packets else of.MeterFlags.KBPS
    if any(band.burst for band in meter.bands):
        flags |= of.MeterFlags.BURST
    bands = [of.MeterDrop(band.rate, band.burst) for band in meter.bands]
    return of.MeterMod(command, meter.number, bands, int(flags))


def meter_removal(number: int) -> of.MeterMod:
    """Removes the meter and the rules that go through it, if it is there."""
    return of.MeterMod(of.MeterCommand.DELETE, number)


def same_group(group: Group, found: of.GroupDesc) -> bool:
    """Whether the switch's group does what this one does."""
    wanted = group_mod(group)
    there = of.GroupMod(wanted.command, found.group_id, found.type, found.buckets, properties=found.properties)
    return _bytes(wanted) == _bytes(there)


def same_meter(meter: Meter, found: of.MeterDesc) -> bool:
    wanted = meter_mod(meter, of.MeterCommand.ADD)
    there = of.MeterMod(wanted.command, found.meter_id, found.bands, found.flags)
    return encode(_unburst(wanted), 0, V15) == encode(_unburst(there), 0, V15)


def _bytes(mod: of.GroupMod) -> bytes:
    buckets = [msgspec.structs.replace(bucket, actions=_plain(bucket.actions)) for bucket in mod.buckets]
    how = [BY_FLOW if _same_way(one) else one for one in mod.properties]
    return encode(msgspec.structs.replace(mod, buckets=buckets, properties=how), 0, V15)


def _same_way(said: of.GroupProperty) -> bool:
    """Open vSwitch tells the fields in an order of its own."""
    if not isinstance(said, of.GroupSelectionMethod):
        return False
    blank = msgspec.structs.replace(said, fields=BY_FLOW.fields)
    return blank == BY_FLOW and {(f.field, f.value) for f in said.fields} == {
        (f.field, f.value) for f in BY_FLOW.fields
    }


_DEFAULTS = (of.ControllerPropMaxLen(0xFFFF), of.ControllerPropControllerId(0), of.ControllerPropReason(1))


def _plain(actions: Iterable[of.Action]) -> list[of.Action]:
    plain: list[of.Action] = []
    for one in actions:
        if isinstance(one, of.Clone):
            plain.append(of.Clone(_plain(one.actions)))
        elif isinstance(one, of.Controller2):
            said = [part for part in one.properties if part not in _DEFAULTS]
            plain.append(of.Controller2(sorted(said, key=lambda part: type(part).__name__)))
        else:
            plain.append(one)
    return plain


def _unburst(mod: of.MeterMod) -> of.MeterMod:
    """Without the flag for statistics, and bursts that mean nothing."""
    meant = mod.flags & of.MeterFlags.BURST
    bands = [
        msgspec.structs.replace(band, burst_size=band.burst_size if meant else 0)
        if isinstance(band, of.MeterDrop)
        else band
        for band in mod.bands
    ]
    return msgspec.structs.replace(mod, bands=bands, flags=mod.flags & ~of.MeterFlags.STATS)
