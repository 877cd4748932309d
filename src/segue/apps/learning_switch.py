"""A learning switch: it learns where addresses are, has flows between those that it knows, and floods to the others."""

import logging

from segue.openflow import NO_BUFFER, App, FlowMod, Match, Message, Output, PacketIn, PacketOut, PortStatus, SwitchDown
from segue.openflow import FlowModCommand, TopologyChanged, format_mac, is_multicast
from segue.openflow.controller import Switch

app, log = App("learning-switch", after=["discovery", "spanning-tree", "arp-proxy"]), logging.getLogger(__name__)
learnt: dict[Switch, dict[int, int]] = {}  # address -> port
MOST, DELETE = 131_072, FlowModCommand.DELETE  # addresses of one switch: forged ones would fill the memory


@app.on(TopologyChanged, PortStatus, SwitchDown)
def forget(switch: Switch, event: object) -> list[Message]:
    known = learnt.pop(switch, {})
    gone = {event.desc.port_no} if isinstance(event, PortStatus) else set(known.values())
    if kept := {mac: port for mac, port in known.items() if port not in gone}:
        learnt[switch] = kept
    from_there = [FlowMod(command=DELETE, match={"in_port": port}) for port in gone]
    return [*from_there, *(FlowMod(command=DELETE, out_port=port) for port in gone)]


@app.on(PacketIn)
def packet_in(switch: Switch, msg: PacketIn) -> Message | list[Message]:
    source, target, port = msg.eth_src, msg.eth_dst, msg.in_port
    here: int | None
    out: int | None
    try:
        ports = learnt[switch]
        here, out = ports[source], ports[target]
    except KeyError:
        ports = learnt.setdefault(switch, {})
        here, out = ports.get(source), ports.get(target)
    if here != port and source and not is_multicast(source):
        ports[source] = port
        if here is not None:
            log.info("%s moved from port %d to port %d of %r", format_mac(source), here, port, switch)
            old = [FlowMod(command=DELETE, match=ends) for ends in (Match(eth_src=source), Match(eth_dst=source))]
            return [*old, PacketOut.answering(msg, switch.flood(port))]
        if len(ports) > MOST:
            return [*forget(switch, TopologyChanged()), PacketOut.answering(msg, switch.flood(port))]
    if out is None or out == port:
        return PacketOut.answering(msg, switch.flood(port) if out is None else ())
    match = Match(in_port=port, eth_src=source, eth_dst=target)
    flow = FlowMod(match=match, actions=(Output(out),), idle_timeout=60, buffer_id=msg.buffer_id)
    return flow if msg.buffer_id != NO_BUFFER else [flow, PacketOut.answering(msg, flow.actions)]
