from __future__ import annotations

from segue.verify.ovs_text import SwitchTrace, TableVisit, flow_text, match_text, parse_trace
from segue.verify.packet import Label, Packet

# What Open vSwitch 3.1.0 printed.
ANSWER = """\
Flow: udp,in_port=1,vlan_tci=0x0000,dl_src=00:00:00:00:00:01,dl_dst=00:00:00:00:00:02,nw_src=10.0.0.1

bridge("br")
------------
 0. in_port=1, priority 10, cookie 0x5e9119d1fee6f553
    set_field:0x5->reg0
    resubmit(,1)
     1. udp,tp_dst=0x10/0xfff0, priority 11, cookie 0x5e4be72aeb923dbe
            output:9
             >> Nonexistent output port
            output:1
             >> skipping output to input port
            output:2
            resubmit(,2)
             2. No match.
                    drop
    set_field:0->in_port
    output:1
    IN_PORT

Final flow: unchanged
Megaflow: recirc_id=0,eth,udp
Datapath actions: 2,1"""


def test_reading_a_trace() -> None:
    assert parse_trace(ANSWER, 1) == SwitchTrace(
        (
            TableVisit(0, 10, 0x5E9119D1FEE6F553),
            TableVisit(1, 11, 0x5E4BE72AEB923DBE),
            TableVisit(2, None, None),
        ),
        (2, 1, 0),
        "",
        False,
    )


def test_reading_a_trace_that_went_wrong() -> None:
    failed = ANSWER + "\nTranslation failed (Recursion too deep), packet is dropped.\n"
    assert parse_trace(failed, 1).outputs == ()
    assert parse_trace(failed, 1).error == "Recursion too deep"
    assert parse_trace(ANSWER.replace("actions: 2,1", "actions: 2,recirc(0x1)"), 1).recirculated


def test_writing_a_flow() -> None:
    packet = Packet.of(
        {"eth_src": 1, "eth_type": 0x86DD, "ip_proto": 17, "udp_dst": 53, "ipv6_src": 1, "reg2": 7},
        tags=[5],
    )
    words = flow_text(packet, 3).split(",")
    assert {
        "in_port=3",
        "eth_type=0x86dd",
        "eth_src=00:00:00:00:00:01",
        "ipv6_src=::1",
        "udp_dst=53",
        "reg2=7",
        "vlan_tci=0x1005",
    } <= set(words)
    labelled = flow_text(Packet.of({"eth_type": 0x0800, "ipv4_src": 1}, labels=[Label(16)]), 1)
    assert "mpls_label=16" in labelled
    assert "nw_src" not in labelled
    assert flow_text(Packet.of({"eth_type": 0x894F}).decap(), 1).startswith("in_port=1,packet_type=(1,0x894f),nsh_")


def test_writing_a_match() -> None:
    assert match_text("ipv4_src", 0x0A000000, 0xFF000000) == "nw_src=10.0.0.0/255.0.0.0"
    assert match_text("metadata", 7, (1 << 64) - 1) == "metadata=0x7"
