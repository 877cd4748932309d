"""A learning switch, for every version of OpenFlow: it learns behind which port each address is, installs a flow
between two addresses that it knows, and floods to those that it does not know. A flow not used for a minute goes."""

import logging
from collections import defaultdict

from segue.openflow import CONTROLLER, NO_BUFFER, App, FlowMod, FlowModCommand, Message, Output, PacketIn, PacketOut
from segue.openflow.controller import Switch

from segue.openflow import SwitchDown, SwitchUp, TopologyChanged, format_mac, is_multicast  # isort: skip

log = logging.getLogger(__name__)
app = App("learning-switch", after=["discovery", "spanning-tree", "arp-proxy"])
learnt: defaultdict[Switch, dict[int, int]] = defaultdict(dict)  # address -> port
MOST = 131_072  # addresses of one switch, or a flood of forged ones would fill the memory


@app.on(SwitchUp)
def up(_switch: Switch, _event: SwitchUp) -> Message:
    return FlowMod(priority=0, actions=[Output(CONTROLLER)])


@app.on(SwitchDown)
def down(switch: Switch, _event: SwitchDown) -> None:
    learnt.pop(switch, None)


@app.on(TopologyChanged)
def forget(switch: Switch, _event: TopologyChanged) -> list[Message]:
    return [FlowMod(command=FlowModCommand.DELETE, match={"eth_dst": mac}) for mac in learnt.pop(switch, ())]


@app.on(PacketIn)
def packet_in(switch: Switch, msg: PacketIn) -> Message | list[Message]:
    ports, source, port = learnt[switch], msg.eth_src, msg.in_port
    if ports.get(source) != port and not is_multicast(source):
        before, ports[source] = ports.get(source), port
        if before is not None:
            log.info("%s moved from port %d to %d of %r", format_mac(source), before, port, switch)
            outdated = FlowMod(command=FlowModCommand.DELETE, match={"eth_dst": source})
            return [outdated, PacketOut.answering(msg, switch.flood(port))]
        if len(ports) > MOST:
            ports.clear()
    out = ports.get(msg.eth_dst)
    if out is None or out == port:
        return PacketOut.answering(msg, switch.flood(port) if out is None else ())
    match = {"in_port": port, "eth_src": source, "eth_dst": msg.eth_dst}
    flow = FlowMod(match=match, actions=[Output(out)], idle_timeout=60, buffer_id=msg.buffer_id)
    return flow if msg.buffer_id != NO_BUFFER else [flow, PacketOut.answering(msg, flow.actions)]
