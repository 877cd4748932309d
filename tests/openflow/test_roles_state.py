"""Roles and asynchronous configuration, as the specification tells them, and as Open vSwitch has them."""

import pytest

from segue.openflow.protocol.basic import EchoRequest
from segue.openflow.protocol.bundles import BundleControl, RequestForward
from segue.openflow.protocol.flow_mod import FlowMod
from segue.openflow.protocol.flows import FlowRemoved, FlowStats, FlowStatsReply, FlowStatsRequest
from segue.openflow.protocol.groups import GroupMod
from segue.openflow.protocol.meters import MeterMod
from segue.openflow.protocol.packets import PacketIn, PacketOut
from segue.openflow.protocol.ports import Port, PortMod, PortStatus
from segue.openflow.protocol.roles import (
    AsyncPacketInMaster,
    AsyncPortStatusSlave,
    AsyncRequestForwardMaster,
    RoleRequest,
    RoleStatus,
    SetAsync,
)
from segue.openflow.protocol.table_features import TableFeatures, TableFeaturesRequest
from segue.openflow.roles_state import (
    EQUAL,
    MASTER,
    NOCHANGE,
    SLAVE,
    UNDEFINED,
    AsyncConfig,
    Granted,
    RoleError,
    Roles,
    changes,
    older,
)
from segue.openflow.wire import V10, V13, V14, V15, VERSIONS


def three() -> Roles:
    roles = Roles()
    for controller in (1, 2, 3):
        roles.add(controller)
    return roles


def test_all_begin_as_equals() -> None:
    roles = three()
    assert [roles.role(n) for n in (1, 2, 3)] == [EQUAL] * 3
    assert roles.request(1, NOCHANGE, 5) == Granted(EQUAL, UNDEFINED)
    assert roles.master() is None


def test_a_new_master_takes_the_place_of_the_old() -> None:
    roles = three()
    assert roles.request(1, MASTER, 10) == Granted(MASTER, 10)
    assert roles.request(1, MASTER, 10) == Granted(MASTER, 10)
    assert roles.request(2, MASTER, 11) == Granted(MASTER, 11, demoted=1)
    assert [roles.role(n) for n in (1, 2, 3)] == [SLAVE, MASTER, EQUAL]
    assert roles.request(2, SLAVE, 11) == Granted(SLAVE, 11)
    assert roles.master() is None


def test_stale_generations_change_nothing() -> None:
    roles = three()
    roles.request(1, MASTER, 10)
    for role in (MASTER, SLAVE):
        with pytest.raises(RoleError) as e:
            roles.request(2, role, 9)
        assert e.value.error == "OFPRRFC_STALE"
    assert [roles.role(n) for n in (1, 2, 3)] == [MASTER, EQUAL, EQUAL]
    assert roles.request(2, EQUAL, 3) == Granted(EQUAL, 10)  # equals have no generation
    with pytest.raises(RoleError) as e:
        roles.request(2, 4, 11)
    assert e.value.error == "OFPRRFC_BAD_ROLE"


def test_generations_go_round() -> None:
    assert older(9, 10)
    assert not older(10, 10)
    assert not older(11, 10)
    assert not older(5, UNDEFINED - 5)
    assert older(UNDEFINED - 5, 5)
    assert not older((1 << 63) - 1, 0)
    assert older(1 << 63, 0)
    roles = three()
    roles.request(1, MASTER, UNDEFINED)
    assert roles.request(2, MASTER, 0) == Granted(MASTER, 0, demoted=1)


def test_a_master_that_goes_leaves_its_place_empty() -> None:
    roles = three()
    roles.request(1, MASTER, 10)
    roles.remove(1)
    assert roles.master() is None
    with pytest.raises(RoleError):
        roles.request(2, MASTER, 9)  # the generation id outlives it
    assert roles.request(2, MASTER, 10) == Granted(MASTER, 10)


def test_the_extension_has_no_generations() -> None:
    roles = three()
    roles.request(1, MASTER, 10)
    assert roles.request(2, MASTER) == Granted(MASTER, 10, demoted=1)


def test_slaves_may_ask_and_not_change() -> None:
    roles = three()
    roles.request(1, SLAVE, 1)
    assert roles.refuses(1, FlowMod(), V13)
    assert not roles.refuses(2, FlowMod(), V13)
    for version in VERSIONS:
        for msg in (FlowMod(), PacketOut(), PortMod(1)):
            assert changes(msg, version)
        for other in (EchoRequest(), FlowStatsRequest(), RoleRequest(MASTER, 1)):
            assert not changes(other, version)
    for msg in (GroupMod(0, 1), MeterMod(0, 1), BundleControl(1, 0), TableFeaturesRequest((TableFeatures(1),))):
        assert changes(msg, V14)
    assert not changes(TableFeaturesRequest(), V13)


# -- asynchronous messages -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("version", VERSIONS)
def test_before_anything_is_said(version: int) -> None:
    config = AsyncConfig(version)
    for role in (MASTER, EQUAL):
        assert [config.wants(PacketIn(reason=n), role) for n in range(3)] == [True, True, False]
        assert all(config.wants(FlowRemoved(reason=n), role) for n in range(3))
        assert all(config.wants(PortStatus(n, Port(1)), role) for n in range(3))
        assert config.wants(EchoRequest(), role)
    assert not any(config.wants(PacketIn(reason=n), SLAVE) for n in range(6))
    assert not any(config.wants(FlowRemoved(reason=n), SLAVE) for n in range(6))
    assert all(config.wants(PortStatus(n, Port(1)), SLAVE) for n in range(3))


def test_later_versions_have_more() -> None:
    config = AsyncConfig(V14)
    assert [config.wants(PacketIn(reason=n), EQUAL) for n in range(3, 6)] == [True] * 3
    assert config.wants(FlowRemoved(reason=5), EQUAL)
    assert not config.wants(RoleStatus(), EQUAL)
    assert not config.wants(RequestForward(GroupMod(0, 1)), EQUAL)
    assert not AsyncConfig(V15).wants(FlowStatsReply((FlowStats(reason=1),)), EQUAL)
    assert AsyncConfig(V14).wants(FlowStatsReply((FlowStats(),)), EQUAL)


def test_masks_as_1_3_sets_them() -> None:
    config = AsyncConfig(V13)
    config.apply(SetAsync(packet_in_master=4, packet_in_slave=1, port_status_master=0, port_status_slave=2))
    assert [config.wants(PacketIn(reason=n), MASTER) for n in range(3)] == [False, False, True]
    assert [config.wants(PacketIn(reason=n), SLAVE) for n in range(3)] == [True, False, False]
    assert not config.wants(PortStatus(0, Port(1)), EQUAL)
    assert [config.wants(PortStatus(n, Port(1)), SLAVE) for n in range(3)] == [False, True, False]
    assert not config.wants(FlowRemoved(reason=0), EQUAL)


def test_properties_leave_the_rest_as_it_is() -> None:
    config = AsyncConfig(V15)
    config.apply(SetAsync(properties=(AsyncPacketInMaster(4), AsyncPortStatusSlave(0), AsyncRequestForwardMaster(2))))
    assert [config.wants(PacketIn(reason=n), MASTER) for n in range(3)] == [False, False, True]
    assert not config.wants(PacketIn(reason=2), SLAVE)
    assert config.wants(PortStatus(0, Port(1)), MASTER)
    assert not config.wants(PortStatus(0, Port(1)), SLAVE)
    assert config.wants(FlowRemoved(reason=0), MASTER)
    assert config.wants(RequestForward(MeterMod(0, 1)), MASTER)
    assert not config.wants(RequestForward(GroupMod(0, 1)), MASTER)
    with pytest.raises(ValueError, match="no kind"):
        config.set({"packets": (1, 1)})


def test_the_extension_for_1_0() -> None:
    config = AsyncConfig(V10)
    config.set({"packet_in": (None, 7)})
    assert config.wants(PacketIn(reason=2), SLAVE)
    assert config.wants(PacketIn(reason=0), MASTER)
