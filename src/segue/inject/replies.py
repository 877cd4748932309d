"""What a virtual switch answers to requests that change nothing.

    if needs_counts(msg): ...             # the caller adds up what nodes have counted
    for reply in answer(datapath, msg, version, miss_send_len, counts, now): channel.send(reply, xid)

Roles, the asynchronous configuration and bundles are answered by `openflow.switch_side`, echo by the channel, barriers
by whoever knows what nodes have done. Long replies go in parts, which is the channel's work.
"""

from __future__ import annotations

from typing import Final

import segue
from segue.inject import features, statistics
from segue.inject.counts import Counts, Known
from segue.inject.datapath import Datapath
from segue.inject.errors import Refusal
from segue.inject.scope import Scope
from segue.inject.statistics import flow_removed
from segue.model.stages import SERVICE_TABLES
from segue.openflow import (
    ANY_PORT,
    AggregateStatsRequest,
    BundleFeaturesReply,
    BundleFeaturesRequest,
    BundleFlags,
    DescReply,
    DescRequest,
    FeaturesRequest,
    FlowDescRequest,
    FlowMonitorRequest,
    FlowStatsRequest,
    GetConfigReply,
    GetConfigRequest,
    GroupDescRequest,
    GroupFeaturesRequest,
    GroupStatsRequest,
    Message,
    MeterDescRequest,
    MeterFeaturesRequest,
    MeterStatsRequest,
    PortDescRequest,
    PortStatsRequest,
    QueueDescReply,
    QueueDescRequest,
    QueueGetConfigReply,
    QueueGetConfigRequest,
    QueueStatsReply,
    QueueStatsRequest,
    TableDesc,
    TableDescReply,
    TableDescRequest,
    TableFeaturesRequest,
    TableStatsRequest,
)
from segue.openflow.declare import HOMES, MESSAGES
from segue.openflow.wire import ALL, ALL_QUEUES, V10

__all__ = ["answer", "flow_removed", "needs_counts"]

_COUNTED: Final = (
    FlowStatsRequest,
    FlowDescRequest,
    AggregateStatsRequest,
    TableStatsRequest,
    PortStatsRequest,
    GroupStatsRequest,
    MeterStatsRequest,
)
_NOTHING: Final = Known()


def needs_counts(msg: Message) -> bool:
    """Whether the answer tells of what nodes have counted."""
    return isinstance(msg, _COUNTED)


def answer(
    datapath: Datapath,
    msg: Message,
    version: int,
    miss_send_len: int = 128,
    counts: Counts = _NOTHING,
    now: float = 0.0,
) -> list[Message]:
    """The replies to a request, usually one. Refusal: it asks for what there is not."""
    scope = datapath.scope
    match msg:
        case FeaturesRequest():
            return [features.features(scope, version)]
        case GetConfigRequest():
            return [GetConfigReply(miss_send_len=miss_send_len)]
        case DescRequest():
            return [_description(scope)]
        case FlowStatsRequest() | FlowDescRequest():
            return [statistics.flows(datapath, msg, version, counts, now)]
        case AggregateStatsRequest():
            return [statistics.aggregate(datapath, msg, version, counts)]
        case TableStatsRequest():
            return [statistics.tables(datapath, version, counts)]
        case TableFeaturesRequest():
            return [features.table_features(scope, msg, version)]
        case TableDescRequest():
            return [TableDescReply(tables=[TableDesc(number) for number in range(SERVICE_TABLES)])]
        case PortDescRequest():
            return [statistics.port_descriptions(datapath, msg, version)]
        case PortStatsRequest():
            return [statistics.ports(datapath, msg, version, counts)]
        case GroupStatsRequest():
            return [statistics.groups(datapath, msg, version, counts, now)]
        case GroupDescRequest():
            return [statistics.group_descriptions(datapath, msg, version)]
        case GroupFeaturesRequest():
            return [features.groups(scope, version)]
        case MeterStatsRequest():
            return [statistics.meters(datapath, msg, version, counts, now)]
        case MeterDescRequest():
            return [statistics.meter_descriptions(datapath, msg)]
        case MeterFeaturesRequest():
            return [features.meters(scope, version)]
        case BundleFeaturesRequest():
            return [BundleFeaturesReply(capabilities=BundleFlags.ATOMIC | BundleFlags.ORDERED)]
    return _queues(scope, msg, version)


def _queues(scope: Scope, msg: Message, version: int) -> list[Message]:
    """Queues are the ports' own affair: none are told of."""
    match msg:
        case QueueGetConfigRequest(port=port):
            if port != ANY_PORT:
                _check_port(scope, port)
            return [QueueGetConfigReply(port)]
        case QueueStatsRequest(port_no=port, queue_id=queue):
            if port != (ALL if version == V10 else ANY_PORT):
                _check_port(scope, port)
            _check_queue(queue)
            return [QueueStatsReply()]
        case QueueDescRequest(port_no=port, queue_id=queue):
            if port != ANY_PORT:
                _check_port(scope, port)
            _check_queue(queue)
            return [QueueDescReply()]
    raise _refused(msg)


def _check_port(scope: Scope, port: int) -> None:
    if port not in scope.elements:
        raise Refusal("OFPQOFC_BAD_PORT", f"the service has no port {port:#x}")


def _check_queue(queue: int) -> None:
    if queue != ALL_QUEUES:
        raise Refusal("OFPQOFC_BAD_QUEUE", f"a service's switch tells of no queue, nor of {queue:#x}; ask for all")


def _refused(msg: Message) -> Refusal:
    name = type(msg).__name__
    home = HOMES.get(type(msg))
    entry = None if home is None else home.entries.get(type(msg))  # what nobody declared has none
    if entry is not None and entry.key is not None:
        return Refusal("OFPBRC_BAD_EXPERIMENTER", f"{name}: a service's switch knows OpenFlow's own messages alone")
    if isinstance(msg, FlowMonitorRequest) or (home is not None and home is not MESSAGES):
        return Refusal("OFPBRC_BAD_MULTIPART", f"{name}: a service's switch does not tell this")
    return Refusal("OFPBRC_BAD_TYPE", f"{name} is not for a service's switch")


def _description(scope: Scope) -> DescReply:
    return DescReply(
        mfr_desc="Segue",
        hw_desc=f"the switch of an injected service at hook {scope.hook.name}",
        sw_desc=segue.__version__,
        serial_num=str(scope.key),
        dp_desc=scope.name.encode()[:255].decode(errors="ignore"),
    )
