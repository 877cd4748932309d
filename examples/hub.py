"""A hub: whatever comes in at one port goes out at all others. `segue openflow run examples/hub.py --messages`."""

from segue.openflow import FLOOD, App, Output, PacketIn, PacketOut

app = App("hub")


@app.on(PacketIn)
def packet_in(switch, msg):
    return PacketOut.answering(msg, [Output(FLOOD)])
