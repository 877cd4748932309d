"""Which flows time removes: hard timeouts by the clock, idle timeouts by what nodes say of when they used them last.

    expiry = Expiry(datapath)
    expiry.take(changes)                     # after every change of the datapath, its own ones too
    due = expiry.due(now)                    # at `expiry.next`: changes, and the flows that nodes are to be asked about
    changes = expiry.heard(now, {number: seconds since a node used it})

A flow with an idle timeout cannot have been idle for long enough before the timeout has passed since it was last known
to be used. Until then nobody is asked about it; then it is handed out by `due`, once, until `heard` says something of
it or `ASK_AGAIN` has passed. So of many flows that are in use each is asked about once in its idle timeout.

A flow that several nodes hold is idle only if it is on all: the caller gives the least of what they say, infinity for a
flow that no node holds, and leaves out what not all nodes have answered. Time is given, in seconds.
"""

from __future__ import annotations

import heapq
from collections.abc import Mapping
from typing import Final

import msgspec

from segue.inject.changes import Changes
from segue.inject.datapath import Datapath
from segue.inject.flow import Flow
from segue.openflow import FlowRemovedReason

ASK_AGAIN: Final = 5.0
"""Seconds until nodes are asked again about a flow of which nothing has been heard."""


class Due(msgspec.Struct, frozen=True):
    """``changes``: flows whose hard timeouts are over. ``ask``: flows that may have been idle for long enough."""

    changes: Changes
    ask: tuple[int, ...]


class Expiry:
    """Of one datapath. What it has at the beginning is known to be used when it was added, and not since."""

    def __init__(self, datapath: Datapath) -> None:
        self._datapath = datapath
        self._heap: list[tuple[float, int]] = []
        self._when: dict[int, float] = {}
        """Of each flow with a timeout, when to look at it; entries of the heap that say otherwise are stale."""
        self._used: dict[int, float] = {}
        """Of each flow with an idle timeout, when it was used last, as far as is known."""
        for flow in datapath.flows:
            self._watch(flow)

    @property
    def next(self) -> float | None:
        """When to call `due`; None while there is nothing to wait for."""
        while self._heap and self._when.get(self._heap[0][1]) != self._heap[0][0]:
            heapq.heappop(self._heap)
        return self._heap[0][0] if self._heap else None

    def take(self, changes: Changes) -> None:
        """Flows have come, gone, or been changed."""
        for number, flow in changes.flows.items():
            if flow is None:
                self._when.pop(number, None)
                self._used.pop(number, None)
            elif flow.idle_timeout or flow.hard_timeout or number in self._when:
                self._watch(flow)

    def due(self, now: float) -> Due:
        """To be called at `next`, or at any other time."""
        over: list[int] = []
        ask: list[int] = []
        while (when := self.next) is not None and when <= now:
            _, number = heapq.heappop(self._heap)
            flow = self._datapath.flows.by_number[number]
            if flow.hard_timeout and flow.created + flow.hard_timeout <= now:
                over.append(number)
                del self._when[number]
            elif flow.idle_timeout and self._used[number] + flow.idle_timeout <= now:
                ask.append(number)
                self._look(flow, now + ASK_AGAIN)
            else:
                self._look(flow, 0.0)
        changes = self._datapath.remove(over, FlowRemovedReason.HARD_TIMEOUT)
        self.take(changes)
        return Due(changes, tuple(ask))

    def heard(self, now: float, idle: Mapping[int, float]) -> Changes:
        """Seconds since packets used flows, as of ``now``; of any flows, whether they were asked about or not."""
        over: list[int] = []
        for number, seconds in idle.items():
            flow = self._datapath.flows.by_number.get(number)
            if flow is None or not flow.idle_timeout:
                continue
            used = max(self._used[number], now - seconds)
            self._used[number] = used
            if used + flow.idle_timeout <= now:
                over.append(number)
            else:
                self._look(flow, 0.0)
        changes = self._datapath.remove(over, FlowRemovedReason.IDLE_TIMEOUT)
        self.take(changes)
        return changes

    def _watch(self, flow: Flow) -> None:
        number = flow.number
        if not flow.idle_timeout:
            self._used.pop(number, None)
        else:
            self._used[number] = max(self._used.get(number, flow.created), flow.created)
        if flow.idle_timeout or flow.hard_timeout:
            self._look(flow, 0.0)
        else:
            self._when.pop(number, None)

    def _look(self, flow: Flow, earliest: float) -> None:
        """Has a flow looked at when its idle time may be over, but not before ``earliest``, or its hard time is."""
        when = float("inf")
        if flow.idle_timeout:
            when = max(self._used[flow.number] + flow.idle_timeout, earliest)
        if flow.hard_timeout:
            when = min(when, flow.created + flow.hard_timeout)
        if self._when.get(flow.number) != when:
            self._when[flow.number] = when
            heapq.heappush(self._heap, (when, flow.number))
