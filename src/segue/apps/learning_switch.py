"""A learning switch, for every version of OpenFlow: it learns behind which port each address is, installs a flow
between two addresses that it knows, and floods to those that it does not know. A flow not used for a minute goes."""

import logging
from collections import defaultdict

from segue.openflow import (  # isort: split
    CONTROLLER,
    NO_BUFFER,
    App,
    FlowMod,
    FlowModCommand,
    Output,
    PacketIn,
    PacketOut,
    SwitchDown,
    SwitchUp,
    TopologyChanged,
    format_mac,
    is_multicast,
)

log = logging.getLogger(__name__)
app = App("learning-switch", after=["discovery", "spanning-tree", "arp-proxy"])
learnt: defaultdict[int, dict[int, int]] = defaultdict(dict)  # datapath id -> address -> port
MOST = 131_072  # addresses of one switch, or a flood of forged ones would fill the memory


@app.on(SwitchUp)
def up(switch, event):
    return FlowMod(priority=0, actions=[Output(CONTROLLER)])


@app.on(SwitchDown, TopologyChanged)
def forget(switch, event):
    return [FlowMod(command=FlowModCommand.DELETE, match={"eth_dst": mac}) for mac in learnt.pop(switch.id, {})]


@app.on(PacketIn)
def packet_in(switch, msg):
    ports, source, port = learnt[switch.id], msg.eth_src, msg.in_port
    if ports.get(source) != port and not is_multicast(source):
        if (before := ports.get(source)) is not None:
            log.info("%s moved from port %d to %d of %r", format_mac(source), before, port, switch)
            switch.send(FlowMod(command=FlowModCommand.DELETE, match={"eth_dst": source}))
        elif len(ports) >= MOST:
            ports.clear()
        ports[source] = port
    out = ports.get(msg.eth_dst)
    if out is None or out == port:
        return PacketOut.answering(msg, switch.flood(port) if out is None else ())
    match = {"in_port": port, "eth_src": source, "eth_dst": msg.eth_dst}
    flow = FlowMod(match=match, actions=[Output(out)], idle_timeout=60, buffer_id=msg.buffer_id)
    return flow if msg.buffer_id != NO_BUFFER else [flow, PacketOut.answering(msg, flow.actions)]
