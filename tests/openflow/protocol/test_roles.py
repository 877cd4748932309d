"""Roles, asynchronous configuration and controllers' status, against Open vSwitch."""

import pytest

from segue.openflow.protocol import roles as r
from segue.openflow.protocol.controller_status import (
    ControllerEntry,
    ControllerStatus,
    ControllerStatusReply,
    ControllerStatusRequest,
    ControllerUri,
    UnknownControllerStatusProperty,
)
from segue.openflow.protocol.nicira_messages import (
    NxRoleReply,
    NxRoleRequest,
    NxSetAsyncConfig,
    NxSetAsyncConfig2,
    SetControllerId,
)
from segue.openflow.wire import V10, V11, V12, V13, V14, V15, VERSIONS

from .judged import Row, check, check_mutilated, parameters, refuse

MASKS = (0b101, 0b1, 0b110, 0b10, 0b1000, 0b100)
MASKS_SAID = "primary: PACKET_IN: no_match invalid_ttl PORT_STATUS: delete modify FLOW_REMOVED: group_delete"
PROPERTIES = (
    r.AsyncPacketInSlave(1),
    r.AsyncPacketInMaster(0b101),
    r.AsyncPortStatusSlave(2),
    r.AsyncPortStatusMaster(0b110),
    r.AsyncFlowRemovedSlave(4),
    r.AsyncFlowRemovedMaster(0b1000),
    r.AsyncRoleStatusSlave(1),
    r.AsyncRoleStatusMaster(2),
    r.AsyncTableStatusSlave(8),
    r.AsyncTableStatusMaster(16),
    r.AsyncRequestForwardSlave(1),
    r.AsyncRequestForwardMaster(2),
)
LATER = (
    r.AsyncFlowStatsSlave(1),
    r.AsyncFlowStatsMaster(2),
    r.AsyncControllerStatusSlave(3),
    r.AsyncControllerStatusMaster(4),
)
UNKNOWN = (r.UnknownAsyncProperty(0xFFFE, b"\0\0\0\1\0\0\0\2odd"), r.UnknownAsyncProperty(0xFFFF, bytes(8)))
ENTRY = ControllerEntry(7, 2, 3, 1, (ControllerUri("tls:192.0.2.1:6653"), UnknownControllerStatusProperty(9, b"12345")))

ROWS: list[Row] = [
    (r.RoleRequest(2, 0x1234), (V12, V13, V14, V15), "role=primary generation_id=4660"),
    (r.RoleRequest(3, 1, 99), (V15,), "role=secondary generation_id=1"),
    (r.RoleReply(1, 5), (V12, V13, V14, V15), "role=equal generation_id=5"),
    (r.RoleStatus(3, 0, 17), (V14, V15), "role=secondary generation_id=17 reason=primary_request"),
    (r.RoleStatus(3, 1, 17, (r.UnknownRoleProperty(0xFFFF, bytes(8) + b"odd"),)), (V14, V15), "configuration_changed"),
    (r.OnfRoleStatus(3, 0, 17), (V13,), "role=secondary generation_id=17 reason=primary_request"),
    (r.GetAsyncRequest(), (V13, V14, V15), "GET_ASYNC_REQUEST"),
    (r.GetAsyncReply(*MASKS), (V13,), MASKS_SAID),
    (r.SetAsync(*MASKS), (V13,), MASKS_SAID),
    (
        r.SetAsync(properties=PROPERTIES),
        (V14, V15),
        f"{MASKS_SAID} ROLE_STATUS: configuration_changed TABLE_STATUS: vacancy_up",
    ),
    (r.GetAsyncReply(properties=PROPERTIES), (V14, V15), None),
    (r.GetAsyncReply(properties=(*PROPERTIES, *LATER, *UNKNOWN)), (V15,), None),
    (r.SetAsync(properties=UNKNOWN), (V14,), None),
    (NxSetAsyncConfig(*MASKS), VERSIONS, MASKS_SAID),
    (NxSetAsyncConfig2(PROPERTIES), (V10, V11, V12, V13), "PACKET_IN: no_match invalid_ttl"),
    (NxRoleRequest(1), VERSIONS, "role=primary"),
    (NxRoleReply(2), VERSIONS, "role=secondary"),
    (SetControllerId(123), VERSIONS, "id=123"),
    (ControllerStatusRequest(), (V15,), None),
    (ControllerStatusReply((ENTRY, ControllerEntry(), ENTRY), 1), (V15,), None),
    (ControllerStatus(ENTRY), (V15,), None),
]


@pytest.mark.parametrize(("message", "version", "said"), parameters(ROWS))
def test_there_and_back(message: r.RoleRequest, version: int, said: str | None) -> None:
    check(message, version, said)


def test_mutilated() -> None:
    check_mutilated(ROWS)


def test_what_a_version_has_not() -> None:
    refuse(r.RoleRequest(1), V11, "OpenFlow 1.1 has no RoleRequest")
    refuse(r.RoleRequest(1, 2, 3), V14, "short_id")
    refuse(r.SetAsync(properties=PROPERTIES), V13, "properties")
    refuse(r.SetAsync(*MASKS), V14, "packet_in_master")
    refuse(r.SetAsync(properties=LATER), V14, "OpenFlow 1.4 has no AsyncFlowStatsSlave")
    refuse(r.OnfRoleStatus(3), V14, "has no OnfRoleStatus")
