"""Packets for injected services on their way from the switch to the agent: as an action, and as a message. Pure.

The action's userdata says what the service knows of its rule (big-endian: service, cookie, length, table, reason); the
element and the service's metadata are in the registers, which the switch sends along.
"""

from __future__ import annotations

from collections.abc import Mapping
from struct import Struct

from segue.model.program import ToService
from segue.model.protocol import Punted
from segue.model.stages import ELEMENT, SERVICE_METADATA
from segue.openflow import protocol as of
from segue.openflow.protocol import NxPacketIn2

CONTROLLER_ID = 0x5E60
"""Of the agent's connection that gets these packets, and no others."""
_USERDATA = Struct(">IQHBB")
_WORD = (1 << 32) - 1


def to_service(action: ToService) -> of.Controller2:
    """Without a meter where ``meter`` is 0."""
    said = _USERDATA.pack(action.service, action.cookie, action.length, action.table, action.reason)
    parts: list[of.ControllerProperty] = [
        of.ControllerPropMaxLen(action.length),
        of.ControllerPropControllerId(CONTROLLER_ID),
        of.ControllerPropUserdata(said),
    ]
    if action.meter:
        parts.append(of.ControllerPropMeterId(action.meter))
    return of.Controller2(parts)


def punted(message: NxPacketIn2) -> Punted | None:
    """What the switch has sent for a service; None for what is no such packet."""
    said, data = b"", b""
    whole: int | None = None
    pipeline: Mapping[str, object] = {}
    for part in message.properties:
        match part:
            case of.PacketInUserdata(data=octets):
                said = octets
            case of.PacketInPacket(data=octets):
                data = octets
            case of.PacketInFullLen(full_len=length):
                whole = length
            case of.PacketInMetadata(match=fields):
                pipeline = fields
    if len(said) != _USERDATA.size:
        return None
    service, cookie, most, table, reason = _USERDATA.unpack(said)
    return Punted(
        service,
        _word(pipeline, ELEMENT),
        table,
        cookie,
        reason,
        len(data) if whole is None else whole,
        data[:most],
        _long(pipeline, SERVICE_METADATA),
    )


def _long(pipeline: Mapping[str, object], register: str) -> int:
    """A register of 64 bits. Open vSwitch tells of registers in pairs, where they are not 0, and with a mask where one
    of the two is."""
    number = int(register.removeprefix("xreg"))
    value = _value(pipeline.get(register))
    if value is None:
        value = _word(pipeline, f"reg{2 * number}") << 32 | _word(pipeline, f"reg{2 * number + 1}")
    return value


def _word(pipeline: Mapping[str, object], register: str) -> int:
    number = int(register.removeprefix("reg"))
    value = _value(pipeline.get(register))
    if value is None:
        pair = _value(pipeline.get(f"xreg{number // 2}")) or 0
        value = pair & _WORD if number % 2 else pair >> 32
    return value


def _value(said: object) -> int | None:
    match said:
        case int():
            return said
        case (int() as value, int()):
            return value
    return None
