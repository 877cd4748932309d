"""A learning switch: it learns where addresses are, has flows between those that it knows, and floods to the others."""

from collections import defaultdict

from segue.openflow import NO_BUFFER, App, FlowMod, Message, Output, PacketIn, PacketOut, PortStatus, SwitchDown

from segue.openflow import FlowModCommand, TopologyChanged, is_multicast  # isort: skip
from segue.openflow.controller import Switch

app = App("learning-switch", after=["discovery", "spanning-tree", "arp-proxy"])
learnt: defaultdict[Switch, dict[int, int]] = defaultdict(dict)  # address -> port
MOST, DELETE = 131_072, FlowModCommand.DELETE  # addresses of one switch: forged ones would fill the memory


@app.on(TopologyChanged, PortStatus, SwitchDown)
def forget(switch: Switch, event: object) -> list[Message]:
    known = learnt.pop(switch, {})
    gone = set(known.values())
    if isinstance(event, PortStatus):
        gone = set() if event.desc.port_no in switch.ports and event.desc.up else {event.desc.port_no}
        learnt[switch] = {mac: port for mac, port in known.items() if port not in gone}
    from_there = [FlowMod(command=DELETE, match={"in_port": port}) for port in gone]
    return [*from_there, *(FlowMod(command=DELETE, out_port=port) for port in gone)]


@app.on(PacketIn)
def packet_in(switch: Switch, msg: PacketIn) -> Message | list[Message]:
    ports, source, port = learnt[switch], msg.eth_src, msg.in_port
    if ports.get(source) != port and source and not is_multicast(source):
        before, ports[source] = ports.get(source), port
        if before is not None or len(ports) > MOST:
            moved = [FlowMod(command=DELETE, match={end: source}) for end in ("eth_src", "eth_dst")]
            outdated = moved if before is not None else forget(switch, TopologyChanged())
            return [*outdated, PacketOut.answering(msg, switch.flood(port))]
    out = ports.get(msg.eth_dst)
    if out is None or out == port:
        return PacketOut.answering(msg, switch.flood(port) if out is None else ())
    match = {"in_port": port, "eth_src": source, "eth_dst": msg.eth_dst}
    flow = FlowMod(match=match, actions=[Output(out)], idle_timeout=60, buffer_id=msg.buffer_id)
    return flow if msg.buffer_id != NO_BUFFER else [flow, PacketOut.answering(msg, flow.actions)]
