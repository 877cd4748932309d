"""A service's groups: of types all, select and indirect, whose buckets send to the service's own ports.

A bucket is an action set (OpenFlow 1.5.1 section 5.10): it sends to one port. Any packet may meet it, so that nothing
is known of the packet: Open vSwitch writes a field where the packet has it. Open vSwitch carries out neither
CONTROLLER nor meters in a bucket, and NORMAL would let copies go on, each as a packet of its own. So what buckets of
type all send, behind the first, is measured on its way, in a stage of its own (``measure``).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from segue.inject.action_set import in_order
from segue.inject.actions import MAX_ACTIONS, MAX_BUCKETS, Context, SendTo, Steps, delivery
from segue.inject.errors import Refusal
from segue.inject.rewrites import Known
from segue.inject.scope import Scope
from segue.model.program import AnyAction, Bucket, Group, Next, Rule, UseMeter, match
from segue.model.stages import SERVICE
from segue.openflow import protocol as of
from segue.openflow.protocol.groups import BucketId, GroupType
from segue.openflow.wire import ALL, ANY_GROUP, ANY_PORT, CONTROLLER, FLOOD, IN_PORT, NORMAL, V13, V15

_KINDS: Final = {GroupType.ALL: "all", GroupType.SELECT: "select", GroupType.INDIRECT: "indirect"}
_MAX_ID: Final = 0xFFFFFF00
_NOT_HERE: Final = {
    NORMAL: "put output NORMAL into the rule, behind the group",
    CONTROLLER: "put output CONTROLLER into the rule",
    FLOOD: "use a group of type all, with a bucket for each port",
    ALL: "use a group of type all, with a bucket for each port",
    IN_PORT: "a group does not know where packets come from; name the port",
}


def group(
    scope: Scope,
    mod: of.GroupMod,
    number: int,
    groups: Mapping[int, int],
    meters: Mapping[int, int],
    version: int = V13,
) -> Group:
    """The group that ``mod`` asks for, all its buckets in it, as the switches' group ``number``."""
    if not (scope.permissions.redirect or scope.permissions.copy):
        text = f"service {scope.name!r} may not send packets to ports; ask for permission redirect or copy"
        raise Refusal("OFPGMFC_EPERM", text)
    if not 0 <= mod.group_id <= _MAX_ID:
        raise Refusal("OFPGMFC_INVALID_GROUP", f"group {mod.group_id:#x}: groups are 0 to {_MAX_ID:#x}")
    kind = _KINDS.get(mod.type)
    if kind is None:
        raise Refusal("OFPGMFC_BAD_TYPE", f"group of type {mod.type}: use all, select or indirect (0, 1, 2)")
    if mod.properties:
        raise Refusal("OFPBPC_BAD_EXPERIMENTER", "groups have no experimenters' properties here; leave them out")
    if len(mod.buckets) > MAX_BUCKETS:
        raise Refusal("OFPGMFC_OUT_OF_BUCKETS", f"a group has {MAX_BUCKETS} buckets at most")
    if kind == "indirect" and len(mod.buckets) != 1:
        raise Refusal("OFPGMFC_INVALID_GROUP", f"a group of type indirect has one bucket, not {len(mod.buckets)}")
    if version >= V15:
        _identities(mod)
    context = Context(scope, groups, meters, version)
    buckets: list[Bucket] = []
    sends = 0
    for one in mod.buckets:
        made = _bucket(context, kind, one, "group_copy" if kind == "all" and sends else "redirect")
        sends += sending(made)
        buckets.append(made)
    if kind == "all" and sends > 1 and not scope.copy_meter:
        text = f"service {scope.name!r} may make no copies now; have one bucket that sends, or ask for copies"
        raise Refusal("OFPGMFC_EPERM", text)
    return Group(number, kind, tuple(buckets), scope.owner)


def sending(bucket: Bucket) -> bool:
    """Whether packets get anywhere by it."""
    return any(isinstance(action, Next) for action in bucket.actions)


def copies(group: Group) -> int:
    """How many packets may leave it for one that comes."""
    some = sum(map(sending, group.buckets))
    return some if group.kind == "all" else min(1, some)


def measure(scope: Scope) -> Rule | None:
    """The rule that limits what the service's groups copy; None where there are no copies."""
    if not scope.copy_meter:
        return None
    actions = (UseMeter(scope.copy_meter), Next("redirect"))
    return Rule("group_copy", 100, match({SERVICE: scope.key}), actions, scope.owner)


def _identities(mod: of.GroupMod) -> None:
    seen = set()
    for bucket in mod.buckets:
        if not 0 <= bucket.bucket_id <= BucketId.MAX:
            raise Refusal("OFPGMFC_BAD_BUCKET", f"bucket {bucket.bucket_id:#x}: buckets are 0 to {BucketId.MAX:#x}")
        if bucket.bucket_id in seen:
            raise Refusal("OFPGMFC_BUCKET_EXISTS", f"bucket {bucket.bucket_id:#x} is there twice")
        seen.add(bucket.bucket_id)


def _bucket(context: Context, kind: str, bucket: of.Bucket, way: str) -> Bucket:
    weight = bucket.weight
    if context.version >= V15:
        weight = 1
        for given in bucket.properties:
            match given:
                case of.BucketWeight(weight=weight):
                    pass
                case of.BucketWatchPort(watch=watch) | of.BucketWatchGroup(watch=watch):
                    _unwatched(watch == ANY_PORT)
                case _:
                    raise Refusal("OFPBPC_BAD_TYPE", "a bucket has no property but its weight here")
    else:
        _unwatched(bucket.watch_port == ANY_PORT and bucket.watch_group == ANY_GROUP)
    if not 0 <= weight <= 0xFFFF:
        raise Refusal("OFPGMFC_BAD_BUCKET", f"weight {weight} is not within 0..65535")
    if len(bucket.actions) > MAX_ACTIONS:
        raise Refusal("OFPBAC_TOO_MANY", f"a bucket has {MAX_ACTIONS} actions at most")
    for action in bucket.actions:
        match action:
            case of.Group():
                raise Refusal("OFPGMFC_CHAINING_UNSUPPORTED", "a group leads to no other group; write it out")
            case of.MeterAction():
                raise Refusal("OFPBAC_BAD_METER", "Open vSwitch has no meters in buckets; put it into the rule")
            case of.Output(port=port) | of.Enqueue(port=port) if port in _NOT_HERE:
                raise Refusal("OFPBAC_BAD_OUT_PORT", f"in a bucket there is no such port: {_NOT_HERE[port]}")
    steps = Steps(context, Known(certain=False))
    steps.perform(in_order(bucket.actions), reason=0)
    actions: list[AnyAction] = []
    for step in steps.steps:
        actions += delivery(context.scope, step, way) if isinstance(step, SendTo) else (step,)
    return Bucket(tuple(actions), weight if kind == "select" else 1)


def _unwatched(fine: bool) -> None:
    if not fine:
        raise Refusal("OFPGMFC_WATCH_UNSUPPORTED", "groups of these types watch nothing; write ANY")
