"""Topology discovery by LLDP (IEEE 802.1AB): which port of which switch is linked with which.

Every port sends a frame of ours every `INTERVAL` seconds, and at once when it comes up. Where one arrives, at a switch
that is ours too, there is a link. It is told of as `LinkUp`, and as `LinkDown` when a port or a switch at one end goes,
or when no frame came over it for three intervals. Frames carry a code that only this process can make, so that a host
cannot invent links.

`links` is what is known: (switch, port) that sends -> (switch, port) that receives.
"""

import asyncio
import hmac
import logging
import secrets
from collections.abc import Iterable

import msgspec

from segue.openflow import (
    CONTROLLER,
    HANDLED,
    MAX_PORT,
    App,
    FlowMod,
    Output,
    PacketIn,
    PacketOut,
    PortStatus,
    Started,
    SwitchDown,
    SwitchUp,
)

INTERVAL = 2.0
MISSED = 3
"""Intervals without a frame after which a link is held for gone."""

log = logging.getLogger(__name__)
app = App("discovery")

End = tuple[int, int]
"""(datapath id, port number)."""


class LinkUp(msgspec.Struct, frozen=True):
    """There is a link from one end to the other. Each direction is told of by itself."""

    source: End
    target: End


class LinkDown(msgspec.Struct, frozen=True):
    """The link is no more."""

    source: End
    target: End


links: dict[End, End] = {}
_seen: dict[End, float] = {}
_key = secrets.token_bytes(16)
_state: dict[str, object] = {}

_GROUP = 0x0180C200000E
_ETH_TYPE = 0x88CC
_OUI = b"\x00\x26\xe1"  # OpenFlow's own organisationally unique identifier
_CODE = 16


def frame(datapath_id: int, port: int, source: int) -> bytes:
    """The LLDP frame that this port sends: chassis, port, time to live, and our code."""
    who = datapath_id.to_bytes(8, "big") + port.to_bytes(4, "big")
    chassis = _tlv(1, b"\x07" + b"dpid:" + datapath_id.to_bytes(8, "big").hex().encode())
    number = _tlv(2, b"\x07" + str(port).encode())
    life = _tlv(3, int(INTERVAL * MISSED + 1).to_bytes(2, "big"))
    ours = _tlv(127, _OUI + b"\x00" + who + hmac.digest(_key, who, "sha256")[:_CODE])
    head = _GROUP.to_bytes(6, "big") + source.to_bytes(6, "big") + _ETH_TYPE.to_bytes(2, "big")
    return (head + chassis + number + life + ours + _tlv(0, b"")).ljust(60, b"\0")


def sender(data: bytes) -> End | None:
    """Which port sent this frame, None if it is not one of ours."""
    offset = 14
    while offset + 2 <= len(data):
        head = int.from_bytes(data[offset : offset + 2], "big")
        kind, length = head >> 9, head & 0x1FF
        body = data[offset + 2 : offset + 2 + length]
        if kind == 0 or len(body) < length:
            return None
        if kind == 127 and length == 4 + 12 + _CODE and body[:4] == _OUI + b"\x00":
            who, code = body[4:16], body[16:]
            if not hmac.compare_digest(code, hmac.digest(_key, who, "sha256")[:_CODE]):
                return None
            return int.from_bytes(who[:8], "big"), int.from_bytes(who[8:], "big")
        offset += 2 + length
    return None


def _tlv(kind: int, body: bytes) -> bytes:
    return (kind << 9 | len(body)).to_bytes(2, "big") + body


def _probes(switch, ports: Iterable) -> list[PacketOut]:
    return [
        PacketOut(
            in_port=CONTROLLER,
            actions=[Output(port.port_no)],
            data=frame(switch.id, port.port_no, port.hw_addr),
        )
        for port in ports
        if port.port_no < MAX_PORT and port.up
    ]


@app.on(Started)
def started(controller, event):
    _state["controller"] = controller
    old = _state.get("task")
    if isinstance(old, asyncio.Task):
        old.cancel()
    _state["task"] = controller.spawn(_probe(controller))


async def _probe(controller) -> None:
    """Sends the frames, spread over the interval, and forgets links that are silent."""
    loop = asyncio.get_running_loop()
    while True:
        for switch in list(controller.switches.values()):
            switch.send(*_probes(switch, switch.ports.values()))
            await asyncio.sleep(INTERVAL / (len(controller.switches) + 1))
        await asyncio.sleep(INTERVAL / (len(controller.switches) + 1))
        late = loop.time() - INTERVAL * MISSED
        for end in [end for end, when in _seen.items() if when < late]:
            _down(controller, end, "no frame came over it")


@app.on(SwitchUp)
def up(switch, event):
    lldp = FlowMod(priority=0xFFFF, match={"eth_type": _ETH_TYPE}, actions=[Output(CONTROLLER)])
    return [lldp, *_probes(switch, switch.ports.values())]


@app.on(PortStatus)
def port_status(switch, msg):
    port = switch.ports.get(msg.desc.port_no)
    if port is not None and port.up:
        return _probes(switch, [port])
    _forget(switch.controller, lambda end: end == (switch.id, msg.desc.port_no), "its port went down")
    return None


@app.on(SwitchDown)
def down(switch, event):
    _forget(switch.controller, lambda end: end[0] == switch.id, "its switch has gone")


@app.on(PacketIn)
def packet_in(switch, msg):
    if msg.eth_type != _ETH_TYPE:
        return None
    source = sender(msg.data)
    if source is None or source[0] not in switch.controller.switches:
        return None
    target = (switch.id, msg.in_port)
    if source == target:
        return HANDLED
    _seen[source] = asyncio.get_running_loop().time()
    before = links.get(source)
    if before != target:
        if before is not None:
            _down(switch.controller, source, "its other end moved")
            _seen[source] = asyncio.get_running_loop().time()
        links[source] = target
        log.info("link from %s to %s", _text(source), _text(target))
        switch.controller.emit(switch.controller, LinkUp(source, target))
    return HANDLED


def _forget(controller, gone, reason: str) -> None:
    for source, target in list(links.items()):
        if gone(source) or gone(target):
            _down(controller, source, reason)


def _down(controller, source: End, reason: str) -> None:
    _seen.pop(source, None)
    target = links.pop(source, None)
    if target is not None:
        log.info("no link from %s to %s any more: %s", _text(source), _text(target), reason)
        controller.emit(controller, LinkDown(source, target))


def _text(end: End) -> str:
    return f"{end[0]:016x} port {end[1]}"
