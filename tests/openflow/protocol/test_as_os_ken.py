"""What Open vSwitch does not know, or does not print, against os-ken's golden packets."""

import pytest

from segue.openflow import codec
from segue.openflow.declare import Message
from segue.openflow.protocol import bundles as b
from segue.openflow.protocol.actions import Output
from segue.openflow.protocol.controller_status import (
    ControllerEntry,
    ControllerStatus,
    ControllerStatusReply,
    ControllerUri,
)
from segue.openflow.protocol.flows import FlowStats, FlowStatsReply, FlowStatsRequest
from segue.openflow.protocol.instructions import ApplyActions
from segue.openflow.protocol.monitors import (
    BareMatch,
    FlowMonitorReply,
    FlowUpdateAbbrev,
    FlowUpdateInitial,
    FlowUpdatePaused,
)
from segue.openflow.protocol.roles import RoleReply, RoleRequest, RoleStatus
from segue.openflow.wire import ANY_PORT, NORMAL

from ..oracles import osken  # noqa: TID252

CONTROLLER = ControllerEntry(0xFFFF, 1, 1, 1, (ControllerUri("tls:192.168.34.23:6653"),))
TIMES = [b.Time(each * 0x1111111111111111, (each + 1) * 0x11111111) for each in (5, 7, 9, 11)]
INITIAL = FlowUpdateInitial(
    {"eth_type": 0x0806},
    instructions=(ApplyActions((Output(NORMAL, 0),)),),
    priority=3,
    idle_timeout=600,
    hard_timeout=700,
)

GOLDENS: dict[str, Message] = {
    "libofproto-OFP15-role_request": RoleRequest(1, 0x1122334455667788, 0xAAAA),
    "libofproto-OFP15-role_reply": RoleReply(1, 0x1122334455667788, 0xAAAA),
    "libofproto-OFP15-role_status": RoleStatus(3, 0, 0xF0DEBC9A78563412),
    "libofproto-OFP15-controller_status": ControllerStatus(CONTROLLER),
    "libofproto-OFP15-controller_status_reply": ControllerStatusReply((CONTROLLER,)),
    "libofproto-OFP15-bundle_ctrl": b.BundleControl(99999999, 1, 1),
    "libofproto-OFP15-bundle_features_request": b.BundleFeaturesRequest(3, (b.BundleTimeCapability(*TIMES),)),
    "libofproto-OFP15-bundle_features_reply": b.BundleFeaturesReply(7, (b.BundleTimeCapability(*TIMES),)),
    "libofproto-OFP15-flow_stats_request": FlowStatsRequest(table_id=0),
    "libofproto-OFP15-flow_stats_reply": FlowStatsReply(
        (FlowStats({"in_port": 1}, table_id=1, priority=1, stats={"flow_count": 1}),)
    ),
    "5-67-ofp_flow_monitor_reply": FlowMonitorReply((INITIAL, FlowUpdateAbbrev(1234), FlowUpdatePaused())),
}


@pytest.mark.parametrize("name", GOLDENS)
def test_golden(name: str) -> None:
    data = _golden(name)
    read, xid, version = codec.decode(data)
    assert read == GOLDENS[name]
    assert codec.encode(GOLDENS[name], xid, version) == data


def test_a_flow_monitor_of_1_3_with_a_bare_match() -> None:
    data = _golden("4-63-onf_flow_monitor_request")
    read, xid, version = codec.decode(data)
    first, second = read.monitors
    assert (first.id, first.flags, first.out_port, first.table_id, first.match) == (100000000, 15, 22, 33, {})
    assert (second.id, second.flags, second.out_port, second.table_id) == (999, 0x31, ANY_PORT, 0xFF)
    assert isinstance(second.match, BareMatch)
    assert second.match["in_port"] == 0x05060708
    assert codec.encode(read, xid, version) == data


def _golden(name: str) -> bytes:
    if osken.available():
        pytest.skip("os-ken is not installed")
    return next(golden.data for golden in osken.goldens() if golden.name == name)
