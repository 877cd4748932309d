"""An application of os-ken that sends flow-mods when it is told to, and times the answer to the barrier behind them.

Run by ``bench/cbench/ken.py`` in os-ken's own environment, of which it uses nothing else. It is told what to do over a
unix socket, a line each; ``programs`` says which.
"""

from __future__ import annotations

import json
import os
import time
from typing import Any

from eventlet.green import socket  # type: ignore[import-untyped]
from os_ken.base import app_manager  # type: ignore[import-untyped]
from os_ken.controller import dpset, ofp_event  # type: ignore[import-untyped]
from os_ken.controller.handler import MAIN_DISPATCHER, set_ev_cls  # type: ignore[import-untyped]
from os_ken.lib import hub  # type: ignore[import-untyped]
from os_ken.ofproto import ofproto_v1_3  # type: ignore[import-untyped]

WAIT = 300


class Program(app_manager.OSKenApp):  # type: ignore[misc]
    OFP_VERSIONS = [ofproto_v1_3.OFP_VERSION]
    _CONTEXTS = {"dpset": dpset.DPSet}

    def __init__(self, *arguments: Any, **keywords: Any) -> None:
        super().__init__(*arguments, **keywords)
        self.switches = keywords["dpset"]
        self.answered: dict[tuple[int, int], Any] = {}
        self.errors = 0
        hub.spawn(self.listen, os.environ["BENCH_CONTROL"])

    def listen(self, path: str) -> None:
        door = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        door.bind(path)
        door.listen(1)
        while True:
            stream = door.accept()[0].makefile("rw")
            for line in stream:
                stream.write(json.dumps(self.told(*line.split())) + "\n")
                stream.flush()

    def told(self, what: str, *given: str) -> Any:
        if what == "switches":
            return [number for number, _ in self.switches.get_all()]
        numbers = [int(one) for one in given]
        datapath = self.switches.get(numbers[0])
        if what == "clear":
            self.clear(datapath)
            return 0.0
        begun = time.monotonic()
        self.add(datapath, *numbers[1:])
        self.barrier(datapath)
        taken = time.monotonic() - begun
        if self.errors:
            raise SystemExit("a flow was refused")
        return taken

    def add(self, datapath: Any, count: int, first: int) -> None:
        parser, protocol = datapath.ofproto_parser, datapath.ofproto
        for number in range(first, first + count):
            match = parser.OFPMatch(
                in_port=1, eth_type=0x800, ip_proto=6, ipv4_dst=f"10.8.{number >> 8}.{number & 255}", tcp_dst=80
            )
            actions = parser.OFPInstructionActions(protocol.OFPIT_APPLY_ACTIONS, [parser.OFPActionOutput(2)])
            datapath.send_msg(parser.OFPFlowMod(datapath, priority=5, match=match, instructions=[actions]))

    def clear(self, datapath: Any) -> None:
        parser, protocol = datapath.ofproto_parser, datapath.ofproto
        everything = {"table_id": protocol.OFPTT_ALL, "command": protocol.OFPFC_DELETE}
        ports = {"out_port": protocol.OFPP_ANY, "out_group": protocol.OFPG_ANY}
        datapath.send_msg(parser.OFPFlowMod(datapath, match=parser.OFPMatch(), **everything, **ports))
        self.barrier(datapath)

    def barrier(self, datapath: Any) -> None:
        request = datapath.ofproto_parser.OFPBarrierRequest(datapath)
        datapath.set_xid(request)
        event = self.answered[datapath.id, request.xid] = hub.Event()
        datapath.send_msg(request)
        if not event.wait(WAIT):
            raise SystemExit("the barrier was not answered")

    @set_ev_cls(ofp_event.EventOFPBarrierReply, MAIN_DISPATCHER)  # type: ignore[untyped-decorator]
    def barrier_reply(self, event: Any) -> None:
        self.answered.pop((event.msg.datapath.id, event.msg.xid)).set()

    @set_ev_cls(ofp_event.EventOFPErrorMsg, MAIN_DISPATCHER)  # type: ignore[untyped-decorator]
    def error(self, _event: Any) -> None:
        self.errors += 1
