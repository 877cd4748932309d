"""The judgements of what none of the usual parties reads as it stands: for `coverage`, in the same cells.

    D  Open vSwitch's switch in dummy mode takes what we wrote, prints it by name, and gives it back
    L  PyLoxi wrote it, oflib-node reads the same in it, and so do we, and write it again octet for octet
    N  an ovs-ofctl newer than the one installed wrote it, and we read its values and write it again octet for octet

`written_metadata` is for `o`: an action that Open vSwitch reads only among the actions of a flow.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from typing import Any

from segue.openflow import codec
from segue.openflow.client import OpenFlowClient
from segue.openflow.codec import CODEC
from segue.openflow.declare import Record
from segue.openflow.protocol.actions import CopyTtlIn, CopyTtlOut, Output
from segue.openflow.protocol.families import ACTION, INSTRUCTION, Action, Instruction
from segue.openflow.protocol.flow_mod import FlowMod
from segue.openflow.protocol.instructions import ApplyActions, WriteActions
from segue.openflow.protocol.nicira_actions import DebugRecirc, DebugSlow, NxWriteMetadata
from segue.openflow.protocol.nicira_forms import Subfield
from segue.openflow.protocol.nicira_sample import Sample4, SampleDirection
from segue.openflow.wire import V10, VERSIONS, EncodeError, ProtocolError

from .oracles import dummy, kept, ofctl

Cell = tuple[type[Record], int]

# -- what a switch takes and gives back ------------------------------------------------------------------------------

DEBUG: tuple[tuple[Action, str], ...] = ((DebugSlow(), "debug_slow"), (DebugRecirc(), "debug_recirc"))


def taken() -> Iterator[Cell]:
    """The switch holds a flow of each action, written in each version and read back in the same."""
    with dummy.running() as switch:
        held = asyncio.run(_told(switch.target))
        lines = switch.flows().splitlines()
    for number, action, said, version in _flows():
        printed = any(line.endswith(f"priority={number},actions={said},output:1") for line in lines)
        if printed and held.get((version, number), ())[:1] == (action,):
            yield type(action), version


def _flows() -> Iterator[tuple[int, Action, str, int]]:
    """A number of its own, its action, the action's name, and its version, of each flow."""
    for version in VERSIONS:
        for at, (action, said) in enumerate(DEBUG):
            yield 100 * version + at, action, said, version


async def _told(target: str) -> dict[tuple[int, int], tuple[Action, ...]]:
    """The actions of the flows that the switch says it holds, by the version it is asked in and their number. What it
    refuses it does not hold."""
    held = {}
    for version in VERSIONS:
        async with OpenFlowClient(target, version=version) as client:
            for number, action, _, its in _flows():
                if its == version:
                    await client.send(FlowMod(priority=number, actions=(action, Output(1))))
            await client.barrier()
            async for flows in client.flow_stats():
                held.update({(version, flow.priority): _applied(flow) for flow in flows})
    return held


def _applied(flow: Any) -> tuple[Action, ...]:
    """The actions of a flow, or of a message that makes one, in whatever version it was."""
    lists = [one.actions for one in flow.instructions if isinstance(one, ApplyActions)]
    return tuple(action for actions in (getattr(flow, "actions", ()), *lists) for action in actions)


# -- what others wrote elsewhere -------------------------------------------------------------------------------------

_BY_FIELDS = "obs_domain_id=NXM_OF_IN_PORT[],obs_point_id=NXM_NX_CT_LABEL[32..63],sampling_port=7,egress"
_BY_ONE_FIELD = "obs_domain_id=305419896,obs_point_id=NXM_NX_REG0[1..16],sampling_port=7,ingress"
# What the kept octets were asked for, in our words.
SAMPLES: dict[str, Action] = {
    f"sample(probability=12345,collector_set_id=23456,{_BY_FIELDS})": Sample4(
        12345, 23456, Subfield("in_port_nxm", 0, 16), Subfield("ct_label", 32, 32), 7, SampleDirection.EGRESS
    ),
    f"sample(probability=12345,collector_set_id=23456,{_BY_ONE_FIELD})": Sample4(
        12345, 23456, 305419896, Subfield("reg0", 1, 16), 7, SampleDirection.INGRESS
    ),
}
COPIES: dict[str, tuple[Instruction, ...]] = {
    "apply_actions(copy_ttl_out, output(port=1)), write_actions(copy_ttl_in, output(port=2))": (
        ApplyActions((CopyTtlOut(), Output(1, 0))),
        WriteActions((CopyTtlIn(), Output(2, 0))),
    )
}


def newer() -> Iterator[Cell]:
    judged = [(case, flow) for case in kept.open_vswitch() if (flow := _exact(case.data)) is not None]
    agreed = [case.version for case, flow in judged if _applied(flow) == (SAMPLES[case.wrote],)]
    yield from ((Sample4, version) for version in VERSIONS if agreed.count(version) == len(SAMPLES))


def of_1_1() -> Iterator[Cell]:
    for case in kept.openflow_1_1():
        flow = _exact(case.data)
        if flow is not None and tuple(flow.instructions) == COPIES[case.wrote]:
            yield from ((type(one.actions[0]), case.version) for one in flow.instructions)


def _exact(data: bytes) -> Any:
    """The message, None where it is refused or comes back as other octets."""
    try:
        message, xid, version = codec.decode(data)
        return message if codec.encode(message, xid, version) == data else None
    except (ProtocolError, EncodeError):
        return None


# -- what is read in its place alone -----------------------------------------------------------------------------------

METADATA = NxWriteMetadata(0xFEDCBA9876543210, 0xFF00FF00FF00FF00)


def written_metadata() -> Iterator[Cell]:
    """Open vSwitch reads it in a flow's actions, which are all there is in 1.0, and an instruction later."""
    for version in VERSIONS:
        home, record = (ACTION, METADATA) if version == V10 else (INSTRUCTION, ApplyActions((METADATA,)))
        data = CODEC.encoders_of(home, version)[type(record)](record)
        (said,) = ofctl.parse_actions(version, [data], "instructions")
        if said.text == f"actions=write_metadata:{METADATA.metadata:#x}/{METADATA.mask:#x}":
            yield NxWriteMetadata, version
