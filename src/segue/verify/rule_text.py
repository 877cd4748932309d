"""Rules in words, for people who read what a switch holds."""

from __future__ import annotations

from segue.model.program import (
    IN_PORT,
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
from segue.model.spread import DEFAULT
from segue.model.stages import REGISTERS
from segue.verify.fields import format_value


def match_words(rule: Rule) -> str:
    """``path id=16, eth_type=0x0800``; empty for a rule that matches everything."""
    return ", ".join(
        f"{_name(name)}={format_value(name, *value) if isinstance(value, tuple) else format_value(name, value)}"
        for name, value in rule.match
    )


def action_words(rule: Rule) -> str:
    """The actions in order; ``drop`` where there are none."""
    return ", ".join(_action(action) for action in rule.actions) or "drop"


def _action(action: AnyAction) -> str:
    match action:
        case SetField(field=field, value=value, mask=mask):
            return f"{_name(field)}={format_value(field, value, mask)}"
        case Move(source=source, target=target):
            return f"{_name(target)}={_name(source)}"
        case Next(stage=stage):
            return f"to {stage}"
        case Output(port=port):
            return "back where it came from" if port == IN_PORT else f"output {port}"
        case Multipath(links=links, register=register, basis=basis, fields=fields):
            of = "" if fields == DEFAULT else f" by {fields}"
            return f"{_name(register)}=hash {basis} of {links}{of}"
        case Clone(actions=actions):
            return f"copy ({', '.join(map(_action, actions))})"
        case Encap(header=header):
            return f"encap {header}"
        case Decap():
            return "decap"
        case PushMpls():
            return "push label"
        case PopMpls(ethertype=ethertype):
            return f"pop label to {ethertype:#06x}"
        case DecTtl():
            return "ttl-1"
        case PushVlan(ethertype=ethertype):
            return f"push VLAN tag {ethertype:#06x}"
        case PopVlan():
            return "pop VLAN tag"
        case SetQueue(queue=queue):
            return f"queue {queue}"
        case UseMeter(meter=meter):
            return f"meter {meter}"
        case ToGroup(group=group):
            return f"group {group:#x}"
        case ToService(service=service):
            return f"copy to service {service}"


def _name(field: str) -> str:
    return REGISTERS.get(field, field)
