"""Topology discovery by LLDP (IEEE 802.1AB): which port of which switch is linked with which.

Every port sends a frame of ours every `INTERVAL` seconds, and at once when it comes up. Where one arrives, at a switch
that is ours too, there is a link. It is told of as `LinkUp`, and as `LinkDown` when a port or a switch at one end goes,
or when no frame came over it for some intervals. Frames carry a code that only this controller can make, so that a host
cannot invent links; frames of others are left to other applications.

A port has one link. When frames of one port arrive at several others, because something between them is not a switch
of ours, the first holds for as long as it is heard.
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
    Handled,
    Message,
    Output,
    PacketIn,
    PacketOut,
    Port,
    PortStatus,
    Started,
    SwitchDown,
    SwitchUp,
)
from segue.openflow.controller import Controller, Switch

INTERVAL = 2.0
MISSED = 3
"""Intervals without a frame after which a link is held for gone."""

log = logging.getLogger(__name__)
app = App("discovery", table_miss=False)

End = tuple[int, int]
"""(datapath id, port number)."""

_GROUP = 0x0180C200000E
_ETH_TYPE = 0x88CC
_OUI = b"\x00\x26\xe1"  # OpenFlow's own organisationally unique identifier
_CODE = 16


class LinkUp(msgspec.Struct, frozen=True):
    """There is a link from one end to the other. Each direction is told of by itself."""

    source: End
    target: End


class LinkDown(msgspec.Struct, frozen=True):
    """The link is no more."""

    source: End
    target: End
    reason: str


class Topology:
    """The links that one controller knows. Times are in seconds of any clock that only goes forward."""

    def __init__(self) -> None:
        self.links: dict[End, End] = {}
        """(switch, port) that sends -> (switch, port) that receives."""
        self._heard: dict[End, float] = {}
        self._key = secrets.token_bytes(16)

    def frame(self, datapath_id: int, port: int, source: int) -> bytes:
        """The LLDP frame that this port sends, from the MAC `source`: chassis, port, time to live, and our code."""
        who = datapath_id.to_bytes(8, "big") + port.to_bytes(4, "big")
        chassis = _tlv(1, b"\x07" + b"dpid:" + datapath_id.to_bytes(8, "big").hex().encode())
        number = _tlv(2, b"\x07" + str(port).encode())
        life = _tlv(3, int(INTERVAL * MISSED + 1).to_bytes(2, "big"))
        ours = _tlv(127, _OUI + b"\x00" + who + self._code(who))
        head = _GROUP.to_bytes(6, "big") + source.to_bytes(6, "big") + _ETH_TYPE.to_bytes(2, "big")
        return (head + chassis + number + life + ours + _tlv(0, b"")).ljust(60, b"\0")

    def sender(self, data: bytes) -> End | None:
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
                if not hmac.compare_digest(code, self._code(who)):
                    return None
                return int.from_bytes(who[:8], "big"), int.from_bytes(who[8:], "big")
            offset += 2 + length
        return None

    def arrived(self, source: End, target: End, now: float) -> list[LinkUp | LinkDown]:
        """A frame that `source` sent has come in at `target`. Returns what changed."""
        before = self.links.get(source)
        if before == target:
            self._heard[source] = now
            return []
        if before is not None and now < self._heard[source] + INTERVAL * MISSED:
            return []
        changed: list[LinkUp | LinkDown] = []
        if before is not None:
            changed += self.without({source}, "its other end moved")
        self.links[source] = target
        self._heard[source] = now
        return [*changed, LinkUp(source, target)]

    def without(self, ends: Iterable[End], reason: str) -> list[LinkDown]:
        """These ports are no ends of links any more."""
        gone = set(ends)
        found = [(source, target) for source, target in self.links.items() if source in gone or target in gone]
        for source, _ in found:
            del self.links[source], self._heard[source]
        return [LinkDown(source, target, reason) for source, target in found]

    def silent(self, now: float) -> list[LinkDown]:
        """Links over which nothing came for too long are no more."""
        late = [source for source, when in self._heard.items() if when + INTERVAL * MISSED <= now]
        gone = [LinkDown(source, self.links[source], "no frame came over it") for source in late]
        for source in late:
            del self.links[source], self._heard[source]
        return gone

    def ends_of(self, datapath_id: int) -> set[End]:
        """The ends of links that are at this switch."""
        return {end for link in self.links.items() for end in link if end[0] == datapath_id}

    def _code(self, who: bytes) -> bytes:
        return hmac.digest(self._key, who, "sha256")[:_CODE]


topology_of = app.state(Topology)


def _tlv(kind: int, body: bytes) -> bytes:
    return (kind << 9 | len(body)).to_bytes(2, "big") + body


def _probes(switch: Switch, ports: Iterable[Port]) -> list[Message]:
    topology = topology_of(switch.controller)
    return [
        PacketOut(
            in_port=CONTROLLER,
            actions=[Output(port.port_no)],
            data=topology.frame(switch.id, port.port_no, port.hw_addr),
        )
        for port in ports
        if port.port_no < MAX_PORT and port.up
    ]


@app.on(Started)
def started(controller: Controller, _event: Started) -> None:
    controller.spawn(app, _probe(controller))


async def _probe(controller: Controller) -> None:
    """Sends the frames, spread over the interval, and forgets links that are silent."""
    loop = asyncio.get_running_loop()
    while True:
        for switch in list(controller.switches.values()):
            try:
                switch.send(*_probes(switch, switch.ports.values()))
            except ValueError as e:
                log.warning("%r cannot be probed: %s", switch, e)
            await asyncio.sleep(INTERVAL / (len(controller.switches) + 1))
        await asyncio.sleep(INTERVAL / (len(controller.switches) + 1))
        _tell(controller, topology_of(controller).silent(loop.time()))


@app.on(SwitchUp)
def up(switch: Switch, _event: SwitchUp) -> list[Message]:
    lldp = FlowMod(priority=0xFFFF, match={"eth_type": _ETH_TYPE}, actions=[Output(CONTROLLER)])
    return [lldp, *_probes(switch, switch.ports.values())]


@app.on(PortStatus)
def port_status(switch: Switch, msg: PortStatus) -> list[Message] | None:
    port = switch.ports.get(msg.desc.port_no)
    if port is not None and port.up:
        return _probes(switch, [port])
    topology = topology_of(switch.controller)
    _tell(switch.controller, topology.without({(switch.id, msg.desc.port_no)}, "its port went down"))
    return None


@app.on(SwitchDown)
def down(switch: Switch, _event: SwitchDown) -> None:
    topology = topology_of(switch.controller)
    _tell(switch.controller, topology.without(topology.ends_of(switch.id), "its switch has gone"))


@app.on(PacketIn)
def packet_in(switch: Switch, msg: PacketIn) -> Handled | None:
    if msg.eth_type != _ETH_TYPE:
        return None
    controller = switch.controller
    topology = topology_of(controller)
    source, target = topology.sender(msg.data), (switch.id, msg.in_port)
    if source is None:
        return None
    if source != target and source[0] in controller.switches:
        _tell(controller, topology.arrived(source, target, asyncio.get_running_loop().time()))
    return HANDLED


def _tell(controller: Controller, changes: Iterable[LinkUp | LinkDown]) -> None:
    for change in changes:
        ends = f"from {_text(change.source)} to {_text(change.target)}"
        if isinstance(change, LinkUp):
            log.info("link %s", ends)
        else:
            log.info("no link %s any more: %s", ends, change.reason)
        controller.emit(controller, change)


def _text(end: End) -> str:
    return f"{end[0]:016x} port {end[1]}"
