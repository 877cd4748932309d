"""What `request` of a channel, a switch and a client gives, for type checkers and editors: the class of the reply to
each class of request, which is the same in all versions. A test compares it with `pairing`."""

# ruff: noqa: ASYNC109

from collections.abc import Callable, Coroutine
from typing import Any, Protocol, cast, overload

from segue.openflow.declare import Message
from segue.openflow.protocol.basic import BarrierReply, BarrierRequest, EchoReply, EchoRequest
from segue.openflow.protocol.bundles import BundleControl, BundleFeaturesReply, BundleFeaturesRequest, OnfBundleControl
from segue.openflow.protocol.controller_status import ControllerStatusReply, ControllerStatusRequest
from segue.openflow.protocol.flows import (
    AggregateStatsReply,
    AggregateStatsRequest,
    FlowDescReply,
    FlowDescRequest,
    FlowStatsReply,
    FlowStatsRequest,
)
from segue.openflow.protocol.group_stats import (
    GroupDescReply,
    GroupDescRequest,
    GroupFeaturesReply,
    GroupFeaturesRequest,
    GroupStatsReply,
    GroupStatsRequest,
    NxGroupDescReply,
    NxGroupDescRequest,
    NxGroupFeaturesReply,
    NxGroupFeaturesRequest,
    NxGroupStatsReply,
    NxGroupStatsRequest,
)
from segue.openflow.protocol.meters import (
    MeterDescReply,
    MeterDescRequest,
    MeterFeaturesReply,
    MeterFeaturesRequest,
    MeterStatsReply,
    MeterStatsRequest,
)
from segue.openflow.protocol.monitors import (
    FlowMonitorReply,
    FlowMonitorRequest,
    NxFlowMonitorReply,
    NxFlowMonitorRequest,
    OnfFlowMonitorReply,
    OnfFlowMonitorRequest,
)
from segue.openflow.protocol.nicira_messages import (
    NxAggregateStatsReply,
    NxAggregateStatsRequest,
    NxFlowStatsReply,
    NxFlowStatsRequest,
    NxRoleReply,
    NxRoleRequest,
)
from segue.openflow.protocol.nicira_tables import (
    IpfixBridgeStatsReply,
    IpfixBridgeStatsRequest,
    IpfixFlowStatsReply,
    IpfixFlowStatsRequest,
    TlvTableReply,
    TlvTableRequest,
)
from segue.openflow.protocol.port_stats import PortStatsReply, PortStatsRequest
from segue.openflow.protocol.ports import PortDescReply, PortDescRequest
from segue.openflow.protocol.queues import (
    QueueDescReply,
    QueueDescRequest,
    QueueGetConfigReply,
    QueueGetConfigRequest,
    QueueStatsReply,
    QueueStatsRequest,
)
from segue.openflow.protocol.roles import GetAsyncReply, GetAsyncRequest, RoleReply, RoleRequest
from segue.openflow.protocol.switch import (
    DescReply,
    DescRequest,
    FeaturesReply,
    FeaturesRequest,
    GetConfigReply,
    GetConfigRequest,
)
from segue.openflow.protocol.table_features import TableFeaturesReply, TableFeaturesRequest
from segue.openflow.protocol.tables import TableDescReply, TableDescRequest, TableStatsReply, TableStatsRequest


class Requesting(Protocol):
    """The reply to `msg`, None for a message that has none, once it was carried out. Raises OpenFlowError with the
    switch's error, ConnectionLost, TimeoutError, EncodeError, and ProtocolError for a reply that cannot be read."""

    @overload
    async def __call__(self, msg: BarrierRequest, timeout: float | None = ...) -> BarrierReply: ...
    @overload
    async def __call__(self, msg: EchoRequest, timeout: float | None = ...) -> EchoReply: ...
    @overload
    async def __call__(self, msg: OnfBundleControl, timeout: float | None = ...) -> OnfBundleControl: ...
    @overload
    async def __call__(self, msg: BundleControl, timeout: float | None = ...) -> BundleControl: ...
    @overload
    async def __call__(self, msg: BundleFeaturesRequest, timeout: float | None = ...) -> BundleFeaturesReply: ...
    @overload
    async def __call__(self, msg: ControllerStatusRequest, timeout: float | None = ...) -> ControllerStatusReply: ...
    @overload
    async def __call__(self, msg: AggregateStatsRequest, timeout: float | None = ...) -> AggregateStatsReply: ...
    @overload
    async def __call__(self, msg: FlowDescRequest, timeout: float | None = ...) -> FlowDescReply: ...
    @overload
    async def __call__(self, msg: FlowStatsRequest, timeout: float | None = ...) -> FlowStatsReply: ...
    @overload
    async def __call__(self, msg: GroupDescRequest, timeout: float | None = ...) -> GroupDescReply: ...
    @overload
    async def __call__(self, msg: GroupFeaturesRequest, timeout: float | None = ...) -> GroupFeaturesReply: ...
    @overload
    async def __call__(self, msg: GroupStatsRequest, timeout: float | None = ...) -> GroupStatsReply: ...
    @overload
    async def __call__(self, msg: NxGroupDescRequest, timeout: float | None = ...) -> NxGroupDescReply: ...
    @overload
    async def __call__(self, msg: NxGroupFeaturesRequest, timeout: float | None = ...) -> NxGroupFeaturesReply: ...
    @overload
    async def __call__(self, msg: NxGroupStatsRequest, timeout: float | None = ...) -> NxGroupStatsReply: ...
    @overload
    async def __call__(self, msg: MeterDescRequest, timeout: float | None = ...) -> MeterDescReply: ...
    @overload
    async def __call__(self, msg: MeterFeaturesRequest, timeout: float | None = ...) -> MeterFeaturesReply: ...
    @overload
    async def __call__(self, msg: MeterStatsRequest, timeout: float | None = ...) -> MeterStatsReply: ...
    @overload
    async def __call__(self, msg: FlowMonitorRequest, timeout: float | None = ...) -> FlowMonitorReply: ...
    @overload
    async def __call__(self, msg: OnfFlowMonitorRequest, timeout: float | None = ...) -> OnfFlowMonitorReply: ...
    @overload
    async def __call__(self, msg: NxFlowMonitorRequest, timeout: float | None = ...) -> NxFlowMonitorReply: ...
    @overload
    async def __call__(self, msg: NxAggregateStatsRequest, timeout: float | None = ...) -> NxAggregateStatsReply: ...
    @overload
    async def __call__(self, msg: NxFlowStatsRequest, timeout: float | None = ...) -> NxFlowStatsReply: ...
    @overload
    async def __call__(self, msg: NxRoleRequest, timeout: float | None = ...) -> NxRoleReply: ...
    @overload
    async def __call__(self, msg: IpfixBridgeStatsRequest, timeout: float | None = ...) -> IpfixBridgeStatsReply: ...
    @overload
    async def __call__(self, msg: IpfixFlowStatsRequest, timeout: float | None = ...) -> IpfixFlowStatsReply: ...
    @overload
    async def __call__(self, msg: TlvTableRequest, timeout: float | None = ...) -> TlvTableReply: ...
    @overload
    async def __call__(self, msg: PortStatsRequest, timeout: float | None = ...) -> PortStatsReply: ...
    @overload
    async def __call__(self, msg: PortDescRequest, timeout: float | None = ...) -> PortDescReply: ...
    @overload
    async def __call__(self, msg: QueueDescRequest, timeout: float | None = ...) -> QueueDescReply: ...
    @overload
    async def __call__(self, msg: QueueGetConfigRequest, timeout: float | None = ...) -> QueueGetConfigReply: ...
    @overload
    async def __call__(self, msg: QueueStatsRequest, timeout: float | None = ...) -> QueueStatsReply: ...
    @overload
    async def __call__(self, msg: GetAsyncRequest, timeout: float | None = ...) -> GetAsyncReply: ...
    @overload
    async def __call__(self, msg: RoleRequest, timeout: float | None = ...) -> RoleReply: ...
    @overload
    async def __call__(self, msg: DescRequest, timeout: float | None = ...) -> DescReply: ...
    @overload
    async def __call__(self, msg: FeaturesRequest, timeout: float | None = ...) -> FeaturesReply: ...
    @overload
    async def __call__(self, msg: GetConfigRequest, timeout: float | None = ...) -> GetConfigReply: ...
    @overload
    async def __call__(self, msg: TableFeaturesRequest, timeout: float | None = ...) -> TableFeaturesReply: ...
    @overload
    async def __call__(self, msg: TableDescRequest, timeout: float | None = ...) -> TableDescReply: ...
    @overload
    async def __call__(self, msg: TableStatsRequest, timeout: float | None = ...) -> TableStatsReply: ...
    @overload
    async def __call__(self, msg: Message, timeout: float | None = ...) -> Any: ...


class _Method(Protocol):
    @overload
    def __get__(self, instance: None, owner: type[Any]) -> Callable[..., Coroutine[Any, Any, Any]]: ...
    @overload
    def __get__(self, instance: object, owner: type[Any]) -> Requesting: ...


def typed(method: Callable[..., Coroutine[Any, Any, Any]]) -> _Method:
    """The method itself, `request(self, msg, timeout=...)`; only its type is another."""
    return cast("_Method", method)
