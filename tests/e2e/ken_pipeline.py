"""An application of os-ken as one writes it for any switch of OpenFlow 1.3: tables, metadata, groups, meters, a role.

It is run by ``osken-manager`` in the controllers' own environment, and uses nothing of Segue. Ports are 1 to 4. What it
sees it prints as lines of JSON, ``{"what": ...}``; statistics it asks for all the time.

| table | what is in it |
| --- | --- |
| 0 | the port that a packet comes from becomes metadata; for `ASKS` a flow is added for `BRIEF`, until that is idle |
| 1 | what comes from port 1 goes by its UDP port to a group, through a meter, or to table 3; the rest to table 2 |
| 2 | all that is left goes on |
| 3 | nothing goes on |
"""

import json

from os_ken.base import app_manager
from os_ken.controller import ofp_event
from os_ken.controller.handler import CONFIG_DISPATCHER, MAIN_DISPATCHER, set_ev_cls
from os_ken.lib import hub
from os_ken.ofproto import ofproto_v1_3

EVERYWHERE, METERED, SELECTED, DROPPED, INDIRECT, BRIEF, ASKS = range(6001, 6008)
TO_ALL, TO_ONE, TO_FOURTH, SLOW = 1, 2, 3, 1
GENERATION = 5


def say(what, **more):
    print(json.dumps({"what": what, **more}), flush=True)


class Pipeline(app_manager.OSKenApp):
    OFP_VERSIONS = [ofproto_v1_3.OFP_VERSION]

    @set_ev_cls(ofp_event.EventOFPSwitchFeatures, CONFIG_DISPATCHER)
    def connected(self, event):
        datapath = event.msg.datapath
        ofp, parser = datapath.ofproto, datapath.ofproto_parser
        say("features", datapath_id=datapath.id, tables=event.msg.n_tables)
        datapath.send_msg(parser.OFPRoleRequest(datapath, ofp.OFPCR_ROLE_MASTER, GENERATION))
        datapath.send_msg(parser.OFPRoleRequest(datapath, ofp.OFPCR_ROLE_MASTER, GENERATION - 1))  # stale
        self.groups_and_meters(datapath)
        self.tables(datapath)
        self.asking = False
        datapath.send_msg(parser.OFPBarrierRequest(datapath))

    def groups_and_meters(self, datapath):
        ofp, parser = datapath.ofproto, datapath.ofproto_parser

        def group(number, kind, *ports):
            weight = 1 if kind == ofp.OFPGT_SELECT else 0
            buckets = [parser.OFPBucket(weight=weight, actions=[parser.OFPActionOutput(port)]) for port in ports]
            datapath.send_msg(parser.OFPGroupMod(datapath, ofp.OFPGC_ADD, kind, number, buckets))

        group(TO_ALL, ofp.OFPGT_ALL, 2, 3, 4)
        group(TO_ONE, ofp.OFPGT_SELECT, 2, 3)
        group(TO_FOURTH, ofp.OFPGT_INDIRECT, 4)
        band = parser.OFPMeterBandDrop(rate=5, burst_size=5)
        flags = ofp.OFPMF_PKTPS | ofp.OFPMF_BURST | ofp.OFPMF_STATS
        datapath.send_msg(parser.OFPMeterMod(datapath, ofp.OFPMC_ADD, flags, SLOW, [band]))

    def tables(self, datapath):
        ofp, parser = datapath.ofproto, datapath.ofproto_parser
        goto = parser.OFPInstructionGotoTable

        def apply(*actions):
            return parser.OFPInstructionActions(ofp.OFPIT_APPLY_ACTIONS, actions)

        def flow(table, priority, match, *instructions):
            self.flow(datapath, table, priority, match, *instructions)

        def from_first(port):
            return {"metadata": 1, "eth_type": 0x0800, "ip_proto": 17, "udp_dst": port}

        on = apply(parser.OFPActionOutput(ofp.OFPP_NORMAL))
        for port in range(1, 5):
            flow(0, 10, {"in_port": port}, parser.OFPInstructionWriteMetadata(port, 0xFF), goto(1))
        up = apply(parser.OFPActionOutput(ofp.OFPP_CONTROLLER, ofp.OFPCML_NO_BUFFER))
        flow(0, 20, {"eth_type": 0x0800, "ip_proto": 17, "udp_dst": ASKS}, up)
        flow(1, 10, from_first(EVERYWHERE), apply(parser.OFPActionGroup(TO_ALL)))
        flow(1, 10, from_first(SELECTED), apply(parser.OFPActionGroup(TO_ONE)))
        write = parser.OFPInstructionActions(ofp.OFPIT_WRITE_ACTIONS, [parser.OFPActionGroup(TO_FOURTH)])
        flow(1, 10, from_first(INDIRECT), write)
        flow(1, 10, from_first(METERED), parser.OFPInstructionMeter(SLOW), on)
        flow(1, 10, from_first(DROPPED), goto(3))
        flow(1, 0, {}, goto(2))
        flow(2, 0, {}, on)
        flow(3, 0, {})

    def flow(self, datapath, table, priority, match, *instructions, **more):
        parser = datapath.ofproto_parser
        said = parser.OFPMatch(**match)
        mod = parser.OFPFlowMod(
            datapath, table_id=table, priority=priority, match=said, instructions=instructions, **more
        )
        datapath.send_msg(mod)

    @set_ev_cls(ofp_event.EventOFPPacketIn, MAIN_DISPATCHER)
    def asked(self, event):
        msg = event.msg
        datapath = msg.datapath
        ofp, parser = datapath.ofproto, datapath.ofproto_parser
        whole = msg.total_len == len(msg.data)
        say("packet-in", port=msg.match["in_port"], table=msg.table_id, reason=msg.reason, whole=whole)
        on = parser.OFPInstructionActions(ofp.OFPIT_APPLY_ACTIONS, [parser.OFPActionOutput(ofp.OFPP_NORMAL)])
        brief = {"eth_type": 0x0800, "ip_proto": 17, "udp_dst": BRIEF}
        more = {"cookie": BRIEF, "idle_timeout": 2, "flags": ofp.OFPFF_SEND_FLOW_REM}
        self.flow(datapath, 0, 20, brief, on, **more)
        datapath.send_msg(parser.OFPBarrierRequest(datapath))

    @set_ev_cls(ofp_event.EventOFPBarrierReply, [CONFIG_DISPATCHER, MAIN_DISPATCHER])
    def configured(self, event):
        say("barrier")
        if not self.asking:
            self.asking = True
            hub.spawn(self.ask, event.msg.datapath)

    def ask(self, datapath):
        ofp, parser = datapath.ofproto, datapath.ofproto_parser
        while True:
            datapath.send_msg(parser.OFPGroupStatsRequest(datapath, 0, ofp.OFPG_ALL))
            datapath.send_msg(parser.OFPMeterStatsRequest(datapath, 0, ofp.OFPM_ALL))
            anything = (ofp.OFPP_ANY, ofp.OFPG_ANY, 0, 0, parser.OFPMatch())
            datapath.send_msg(parser.OFPAggregateStatsRequest(datapath, 0, 0, *anything))
            datapath.send_msg(parser.OFPTableStatsRequest(datapath, 0))
            hub.sleep(0.3)

    @set_ev_cls(ofp_event.EventOFPRoleReply, [CONFIG_DISPATCHER, MAIN_DISPATCHER])
    def role(self, event):
        say("role", role=event.msg.role, generation=event.msg.generation_id)

    @set_ev_cls(ofp_event.EventOFPErrorMsg, [CONFIG_DISPATCHER, MAIN_DISPATCHER])
    def refused(self, event):
        say("error", type=event.msg.type, code=event.msg.code)

    @set_ev_cls(ofp_event.EventOFPFlowRemoved, MAIN_DISPATCHER)
    def removed(self, event):
        msg = event.msg
        say("removed", cookie=msg.cookie, reason=msg.reason, table=msg.table_id, packets=msg.packet_count)

    @set_ev_cls(ofp_event.EventOFPGroupStatsReply, MAIN_DISPATCHER)
    def groups_counted(self, event):
        counts = {one.group_id: [part.packet_count for part in one.bucket_stats] for one in event.msg.body}
        say("groups", counts=counts, references={one.group_id: one.ref_count for one in event.msg.body})

    @set_ev_cls(ofp_event.EventOFPMeterStatsReply, MAIN_DISPATCHER)
    def meters_counted(self, event):
        for one in event.msg.body:
            say("meter", met=one.packet_in_count, dropped=one.band_stats[0].packet_band_count)

    @set_ev_cls(ofp_event.EventOFPAggregateStatsReply, MAIN_DISPATCHER)
    def first_table_counted(self, event):
        say("first table", packets=event.msg.body.packet_count, flows=event.msg.body.flow_count)

    @set_ev_cls(ofp_event.EventOFPTableStatsReply, MAIN_DISPATCHER)
    def tables_counted(self, event):
        say("tables", active={one.table_id: one.active_count for one in event.msg.body if one.active_count})
