"""Rules as OpenFlow 1.5 messages; ``applying`` makes a bundle of a plan, groups and meters are in ``groups``. Pure."""

from __future__ import annotations

from segue.drivers.ovs.punt import to_service
from segue.model.program import (
    COOKIE_COUNTED,
    COOKIE_MARK,
    COOKIE_MARK_MASK,
    AnyAction,
    Clone,
    Decap,
    DecTtl,
    Encap,
    Move,
    Multipath,
    Next,
    Output,
    PopMpls,
    PopVlan,
    PushMpls,
    PushVlan,
    Rule,
    SetField,
    SetQueue,
    ToGroup,
    ToService,
    UseMeter,
)
from segue.model.stages import TABLE
from segue.openflow import protocol as of
from segue.openflow.protocol import FlowMod, FlowModCommand, FlowModFlags
from segue.openflow.wire import TABLE as TABLE_PORT

OWN = (COOKIE_MARK, COOKIE_MARK_MASK)
"""Cookie and mask of every flow that is Segue's."""
COUNTED = (COOKIE_MARK | COOKIE_COUNTED, COOKIE_MARK_MASK | COOKIE_COUNTED)
"""Of those that count for something."""
APART = of.OutputTrunc(TABLE_PORT, 14)
"""Sends nothing anywhere (Open vSwitch cuts no packet short for this port), and is none of the actions that it takes
back: so it makes a packet of its own for the copy that has this among its actions (reversible_actions in
ofproto/ofproto-dpif-xlate.c)."""


HASHES = {
    "eth_src": of.HashFields.ETH_SRC,
    "nw_src": of.HashFields.NW_SRC,
    "nw_dst": of.HashFields.NW_DST,
    "symmetric_l3": of.HashFields.SYMMETRIC_L3,
    "symmetric_l3l4": of.HashFields.SYMMETRIC_L3L4,
    "symmetric_l3l4+udp": of.HashFields.SYMMETRIC_L3L4_UDP,
    "symmetric_l4": of.HashFields.SYMMETRIC_L4,
}


def action(a: AnyAction) -> of.Action:
    match a:
        case SetField(field=field, value=value, mask=mask):
            # Open vSwitch lets actions write the input port in its old 16-bit form alone.
            return of.SetField("in_port_nxm" if field == "in_port" else field, value, mask)
        case Next(stage=stage):
            return of.ResubmitTable(TABLE[stage])
        case Output(port=port):
            return of.Output(port)
        case Move(source=source, target=target, bits=bits, source_offset=low, target_offset=to):
            return of.CopyField(source, target, bits, low, to)
        case Clone(actions=on_the_copy, apart=apart):
            return of.Clone([*((APART,) if apart else ()), *(action(one) for one in written(on_the_copy))])
        case Multipath(basis=basis, links=links, register=register, fields=fields):
            return of.Multipath(
                register,
                n_bits=32,
                max_link=links - 1,
                fields=HASHES[fields],
                basis=basis,
                algorithm=of.MultipathAlgorithm.HRW,
            )
        case Encap(header="nsh"):
            return of.Encap(of.PacketType.NSH, [of.EdPropNshMdType(1)])
        case Encap(header="ethernet"):
            return of.Encap(of.PacketType.ETH)
        case Decap():
            return of.Decap()
        case PushMpls():
            return of.PushMpls()
        case PopMpls(ethertype=ethertype):
            return of.PopMpls(ethertype)
        case DecTtl():
            return of.DecNwTtl()
        case PushVlan(ethertype=ethertype):
            return of.PushVlan(ethertype)
        case PopVlan():
            return of.PopVlan()
        case SetQueue(queue=queue):
            return of.SetQueue(queue)
        case UseMeter(meter=meter):
            return of.MeterAction(meter)
        case ToGroup(group=group):
            return of.Group(group)
        case ToService():
            return to_service(a)
    raise ValueError(f"Open vSwitch has no action for {a!r}")


def written(on_the_copy: tuple[AnyAction, ...]) -> tuple[AnyAction, ...]:
    """A copy's actions, with such an end that no header is left to be written.

    Open vSwitch writes a header that was added when it sends the packet. Where it sends nothing, because the port has
    just gone or the tunnel has no way yet, that it has one to write outlives the copy, and it tries to write it on the
    packet itself: release 3.1 ends its own process then. Taking a header off writes first.
    """
    added = [one.header for one in on_the_copy if isinstance(one, Encap)]
    if not added:
        return on_the_copy
    return (*on_the_copy, *(() if added[-1] == "ethernet" else (Encap("ethernet"),)), Decap())


def addition(cookie: int, rule: Rule, reset: bool = False) -> FlowMod:
    """Adds the rule, or puts it in the place of one with the same table, priority and match, going on from what that
    one has counted unless ``reset``."""
    return FlowMod(
        command=FlowModCommand.ADD,
        table_id=TABLE[rule.stage],
        priority=rule.priority,
        match=dict(rule.match),
        actions=[action(a) for a in rule.actions],
        cookie=cookie,
        flags=FlowModFlags.RESET_COUNTS if reset else 0,
    )


def removal(cookie: int, rule: Rule) -> FlowMod:
    """Removes the rule, unless somebody has put another in its place."""
    return FlowMod(
        command=FlowModCommand.DELETE_STRICT,
        table_id=TABLE[rule.stage],
        priority=rule.priority,
        match=dict(rule.match),
        cookie=cookie,
        cookie_mask=(1 << 64) - 1,
    )


def vacation(rule: Rule) -> FlowMod:
    """Removes whatever of Segue's stands in the rule's place."""
    return FlowMod(
        command=FlowModCommand.DELETE_STRICT,
        table_id=TABLE[rule.stage],
        priority=rule.priority,
        match=dict(rule.match),
        cookie=OWN[0],
        cookie_mask=OWN[1],
    )


def stray(table: int, cookie: int) -> FlowMod:
    """Removes a flow of which only table and cookie are known."""
    return FlowMod(command=FlowModCommand.DELETE, table_id=table, cookie=cookie, cookie_mask=(1 << 64) - 1)
