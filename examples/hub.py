"""A hub: whatever comes in at one port goes out at all others. `segue openflow run examples/hub.py --messages`."""

from segue.openflow import CONTROLLER, FLOOD, App, FlowMod, Output, PacketIn, PacketOut, SwitchUp

app = App("hub")


@app.on(SwitchUp)
def up(switch, event):
    return FlowMod(priority=0, actions=[Output(CONTROLLER)])


@app.on(PacketIn)
def packet_in(switch, msg):
    return PacketOut.answering(msg, [Output(FLOOD)])
