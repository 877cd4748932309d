"""One or more of every message, and what Open vSwitch's decoder says of it (None: it has no word for it)."""

from segue.openflow import monitor
from segue.openflow.actions import Encap, Group, Output, Raw, SetField
from segue.openflow.flow import CHECK_OVERLAP, SEND_FLOW_REM
from segue.openflow.messages import (
    AggregateReply,
    AggregateRequest,
    BarrierReply,
    BarrierRequest,
    BundleAdd,
    BundleControl,
    BundleType,
    Command,
    Counters,
    EchoReply,
    EchoRequest,
    Error,
    FeaturesReply,
    FeaturesRequest,
    FlowEntry,
    FlowMod,
    FlowMonitorPaused,
    FlowMonitorReply,
    FlowMonitorRequest,
    FlowMonitorResumed,
    FlowRemoved,
    FlowStatsReply,
    FlowStatsRequest,
    FlowUpdate,
    FlowUpdateAbbrev,
    GetConfigReply,
    GetConfigRequest,
    Hello,
    Message,
    MonitorCommand,
    PacketIn,
    PacketOut,
    Port,
    PortDescReply,
    PortDescRequest,
    PortReason,
    PortStatus,
    RemovedReason,
    SetConfig,
    Unknown,
    UpdateEvent,
)
from segue.openflow.wire import CONTROLLER, LOCAL

FRAME = bytes.fromhex("020000000001 020000000002 88b5".replace(" ", "")) + b"segue".ljust(46, b"\0")
NSH_MATCH = {"in_port": 1, "eth_type": 0x894F, "nsh_spi": 5, "nsh_si": 255}
NSH_TEXT = "in_port=1,dl_type=0x894f,nsh_spi=0x5,nsh_si=255"
WRITE_METADATA = bytes.fromhex("0002 0018 00000000 0000000000000005 000000000000000f".replace(" ", ""))
PORT = Port(3, "veth-a", 0x020000000003, 0, 4, 0x840, 0x20, 0x40, 0x80, 10_000_000, 25_000_000)
PORT_TEXT = """3(veth-a): addr:02:00:00:00:00:03
     config:     0
     state:      LIVE
     current:    10GB-FD COPPER
     advertised: 1GB-FD
     supported:  10GB-FD
     peer:       40GB-FD
     speed: 10000 Mbps now, 25000 Mbps max"""
ENTRY = FlowEntry(
    20,
    100,
    NSH_MATCH,
    (SetField("nsh_si", 254), Output(2, 0)),
    30,
    0xABC,
    60,
    3600,
    SEND_FLOW_REM,
    7,
    WRITE_METADATA,
    Counters(12.5, 3.25, None, 42, 4200),
)
ENTRY_TEXT = (
    "cookie=0xabc, duration=12.500s, table=20, n_packets=42, n_bytes=4200, idle_timeout=60, hard_timeout=3600,"
    " send_flow_rem importance=7, idle_age=3, priority=100,in_port=1,dl_type=0x894f,nsh_spi=0x5,nsh_si=255"
    " actions=set_field:254->nsh_si,output:2,write_metadata:0x5/0xf,goto_table:30"
)
PLAIN_MOD = FlowMod(table_id=1, match={"in_port": 1}, actions=(Output(2),), cookie=9)

# message, what the decoder says
SAMPLES: list[tuple[Message, str | None]] = [
    (Hello(), "OFPT_HELLO\n version bitmap: 0x06"),
    (Hello((1, 4, 6)), "OFPT_HELLO\n version bitmap: 0x01, 0x04, 0x06"),
    (Error(1, 1, b"\6\x63\0\x08\0\0\0\7"), None),
    (Error(0, 0, b"no"), "OFPT_ERROR OFPHFC_INCOMPATIBLE\nno"),
    (EchoRequest(), "OFPT_ECHO_REQUEST 0 bytes of payload"),
    (EchoReply(b"12345678"), None),
    (FeaturesRequest(), "OFPT_FEATURES_REQUEST"),
    (
        FeaturesReply(0x1234, 0, 254, 0, 0x4F),
        "OFPT_FEATURES_REPLY dpid:0000000000001234\nn_tables:254, n_buffers:0\n"
        "capabilities: FLOW_STATS TABLE_STATS PORT_STATS GROUP_STATS QUEUE_STATS",
    ),
    (GetConfigRequest(), "OFPT_GET_CONFIG_REQUEST"),
    (GetConfigReply(0, 128), "OFPT_GET_CONFIG_REPLY frags=normal miss_send_len=128"),
    (SetConfig(1, 0xFFFF), "OFPT_SET_CONFIG frags=drop miss_send_len=65535"),
    (
        PacketIn(FRAME, {"in_port": 3, "metadata": 5}, 1, 7, 0x99, len(FRAME)),
        "OFPT_PACKET_IN table_id=7 cookie=0x99 total_len=60 metadata=0x5,in_port=3 (via action) data_len=60"
        " (unbuffered)\nvlan_tci=0x0000,dl_src=02:00:00:00:00:02,dl_dst=02:00:00:00:00:01,dl_type=0x88b5",
    ),
    (
        FlowRemoved(20, 100, RemovedReason.IDLE_TIMEOUT, NSH_MATCH, 0xABC, 60, 3600, Counters(1.5, None, None, 4, 5)),
        f"OFPT_FLOW_REMOVED priority=100,{NSH_TEXT} reason=idle table_id=20 cookie:0xabc"
        " duration1.500s idle60 hard3600 pkts4 bytes5",
    ),
    (PortStatus(PortReason.ADD, PORT), f"OFPT_PORT_STATUS ADD: {PORT_TEXT}"),
    (PortStatus(PortReason.DELETE, PORT), f"OFPT_PORT_STATUS DEL: {PORT_TEXT}"),
    (PortStatus(PortReason.MODIFY, PORT), f"OFPT_PORT_STATUS MOD: {PORT_TEXT}"),
    (
        PacketOut(FRAME, (Output(2),), {"in_port": CONTROLLER}),
        "OFPT_PACKET_OUT in_port=CONTROLLER actions=output:2 data_len=60\n"
        "vlan_tci=0x0000,dl_src=02:00:00:00:00:02,dl_dst=02:00:00:00:00:01,dl_type=0x88b5",
    ),
    (FlowMod(), "OFPT_FLOW_MOD ADD actions=drop"),
    (
        FlowMod(
            table_id=20,
            priority=100,
            match=NSH_MATCH,
            actions=(SetField("nsh_si", 254), Encap("ethernet"), Output(2)),
            cookie=0xABC,
            idle_timeout=60,
            hard_timeout=3600,
            flags=SEND_FLOW_REM | CHECK_OVERLAP,
            importance=7,
        ),
        f"OFPT_FLOW_MOD ADD table:20 priority=100,{NSH_TEXT} cookie:0xabc idle:60 hard:3600 importance:7"
        " send_flow_rem check_overlap actions=set_field:254->nsh_si,encap(ethernet),output:2",
    ),
    (
        FlowMod(table_id=2, priority=0, goto_table=3, other_instructions=WRITE_METADATA),
        "OFPT_FLOW_MOD ADD table:2 priority=0 actions=write_metadata:0x5/0xf,goto_table:3",
    ),
    (
        FlowMod(command=Command.MODIFY, cookie=0x10, cookie_mask=0xF0, actions=(Group(3),), buffer_id=5),
        "OFPT_FLOW_MOD MOD cookie:0x10/0xf0 buf:0x5 actions=group:3",
    ),
    (
        FlowMod(command=Command.MODIFY_STRICT, priority=7, match={"in_port": LOCAL}),
        "OFPT_FLOW_MOD MOD_STRICT priority=7,in_port=LOCAL actions=drop",
    ),
    (
        FlowMod(command=Command.DELETE, table_id=255, cookie=0x10, cookie_mask=0xF0),
        "OFPT_FLOW_MOD DEL table:255 cookie:0x10/0xf0 actions=drop",
    ),
    (
        FlowMod(command=Command.DELETE_STRICT, table_id=3, out_port=4, out_group=5, match={"reg0": 1}),
        "OFPT_FLOW_MOD DEL_STRICT table:3 reg0=0x1 out_port:4 actions=drop",
    ),
    (FlowStatsRequest(), "OFPST_FLOW request"),
    (
        FlowStatsRequest(table_id=3, match={"in_port": 1}, cookie=0x10, cookie_mask=0xF0, out_port=2),
        "OFPST_FLOW request table=3 out_port=2 in_port=1",
    ),
    (AggregateRequest(), "OFPST_AGGREGATE request"),
    (
        AggregateRequest(table_id=3, match={"eth_type": 0x0800}, cookie=0x10, cookie_mask=0xF0),
        "OFPST_AGGREGATE request table=3 ip",
    ),
    (PortDescRequest(), "OFPST_PORT_DESC request port=ANY"),
    (PortDescRequest(3), "OFPST_PORT_DESC request port=3"),
    (
        FlowMonitorRequest(monitor_id=5),
        "OFPST_FLOW_MONITOR request\n id=5 flags=initial,add,delete,modify,actions",
    ),
    (
        FlowMonitorRequest(
            monitor_id=6, flags=monitor.ADD | monitor.ONLY_OWN, table_id=3, out_port=2, match={"in_port": 1}
        ),
        "OFPST_FLOW_MONITOR request\n id=6 flags=add,own out_port=2 table=3 in_port=1",
    ),
    (
        FlowMonitorRequest(monitor_id=6, command=MonitorCommand.DELETE),
        "OFPST_FLOW_MONITOR request\n id=6 command=delete",
    ),
    (FlowStatsReply(()), "OFPST_FLOW reply"),
    (FlowStatsReply((ENTRY,)), f"OFPST_FLOW reply\n {ENTRY_TEXT}"),
    (FlowStatsReply((ENTRY, FlowEntry(0, 1, {})), True), None),
    (AggregateReply(3, 4, 5), "OFPST_AGGREGATE reply packet_count=4 byte_count=5 flow_count=3"),
    (PortDescReply((PORT,)), f"OFPST_PORT_DESC reply\n {PORT_TEXT}"),
    (PortDescReply((PORT, Port(LOCAL, "br0")), True), None),
    (
        FlowMonitorReply(
            (
                FlowUpdate(UpdateEvent.ADDED, 20, 100, NSH_MATCH, (Output(2, 0),), 30, 0xABC, 0, 60, 3600),
                FlowUpdate(UpdateEvent.REMOVED, 20, 100, {"in_port": 1}, reason=RemovedReason.DELETE),
                FlowUpdate(UpdateEvent.MODIFIED, 20, 100, {}, (), None, 1, 0, 0, 0, WRITE_METADATA),
                FlowUpdateAbbrev(0x1234),
            )
        ),
        "OFPST_FLOW_MONITOR reply\n"
        f" event=ADDED table=20 idle_timeout=60 hard_timeout=3600 cookie=0xabc {NSH_TEXT}"
        " actions=output:2,goto_table:30\n"
        " event=DELETED reason=delete table=20 cookie=0 in_port=1\n"
        " event=MODIFIED table=20 cookie=0x1 actions=write_metadata:0x5/0xf\n"
        " event=ABBREV xid=0x1234",
    ),
    (FlowMonitorReply((FlowUpdate(UpdateEvent.INITIAL, 1, 2, {}),), True), None),
    (FlowMonitorReply((FlowMonitorPaused(),)), "OFPST_FLOW_MONITOR reply\n event=PAUSED"),
    (FlowMonitorReply((FlowMonitorResumed(),)), "OFPST_FLOW_MONITOR reply\n event=RESUMED"),
    (BarrierRequest(), "OFPT_BARRIER_REQUEST"),
    (BarrierReply(), "OFPT_BARRIER_REPLY"),
    *(
        (BundleControl(7, kind), f"OFPT_BUNDLE_CONTROL\n bundle_id=0x7 type={kind.name} flags=atomic ordered")
        for kind in BundleType
    ),
    (BundleControl(7, BundleType.OPEN_REQUEST, 0), "OFPT_BUNDLE_CONTROL\n bundle_id=0x7 type=OPEN_REQUEST flags=0"),
    (BundleAdd(7, bytes.fromhex("0614003000000000") + bytes(40)), None),
    (Unknown(99, b"12345678"), None),
    (FlowMod(actions=(Raw(bytes.fromhex("ffff0010000023200005000000000000")),)), "OFPT_FLOW_MOD ADD actions=pop_queue"),
]
