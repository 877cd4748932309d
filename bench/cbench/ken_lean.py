"""A learning switch for os-ken and Ryu, as lean as their interface lets it be.

It reads the addresses out of the frame where they are, keeps them as bytes, and lets one flow-mod with the buffer id do
the work of a flow-mod and a packet-out. What it matches on (in_port, eth_src, eth_dst) is what their own applications
match on.
"""

from __future__ import annotations

import os
from importlib import import_module
from typing import Any

package = os.environ["BENCH_KEN"]
handler = import_module(f"{package}.controller.handler")
ofp_event = import_module(f"{package}.controller.ofp_event")
app_manager = import_module(f"{package}.base.app_manager")
Base: Any = getattr(app_manager, "OSKenApp" if package == "os_ken" else "RyuApp")


class Lean(Base):  # type: ignore[misc]
    OFP_VERSIONS = [1 if os.environ["BENCH_VERSION"] == "1.0" else 4]

    def __init__(self, *arguments: Any, **keywords: Any) -> None:
        super().__init__(*arguments, **keywords)
        self.tables: dict[int, dict[bytes, int]] = {}

    @handler.set_ev_cls(ofp_event.EventOFPPacketIn, handler.MAIN_DISPATCHER)  # type: ignore[untyped-decorator]
    def packet_in(self, event: Any) -> None:
        message = event.msg
        datapath = message.datapath
        parser = datapath.ofproto_parser
        data = message.data
        to, source = bytes(data[0:6]), bytes(data[6:12])
        old = message.version == 1
        in_port = message.in_port if old else message.match["in_port"]
        table = self.tables.get(datapath.id)
        if table is None:
            table = self.tables[datapath.id] = {}
        table[source] = in_port
        port = table.get(to)
        if port is None:
            flood = parser.OFPActionOutput(datapath.ofproto.OFPP_FLOOD)
            datapath.send_msg(parser.OFPPacketOut(datapath, message.buffer_id, in_port, [flood]))
            return
        actions = [parser.OFPActionOutput(port)]
        if old:
            match = parser.OFPMatch(in_port=in_port, dl_src=source, dl_dst=to)
            answer = parser.OFPFlowMod(datapath, match, priority=1, buffer_id=message.buffer_id, actions=actions)
        else:
            match = parser.OFPMatch(in_port=in_port, eth_src=source.hex(":"), eth_dst=to.hex(":"))
            apply = parser.OFPInstructionActions(datapath.ofproto.OFPIT_APPLY_ACTIONS, actions)
            answer = parser.OFPFlowMod(
                datapath, priority=1, buffer_id=message.buffer_id, match=match, instructions=[apply]
            )
        datapath.send_msg(answer)
