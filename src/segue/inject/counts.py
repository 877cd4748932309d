"""What nodes have counted for a service, added up over them: given by the caller, told by `statistics`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Protocol

import msgspec

Counted = tuple[int, int]
"""Packets and octets."""


class GroupCount(msgspec.Struct, frozen=True):
    """``buckets``: in the group's order."""

    packets: int = 0
    octets: int = 0
    buckets: tuple[Counted, ...] = ()


class MeterCount(msgspec.Struct, frozen=True):
    """``bands``: what exceeded each, in the meter's order."""

    packets: int = 0
    octets: int = 0
    bands: tuple[Counted, ...] = ()


class PortCount(msgspec.Struct, frozen=True):
    """``rx``: what came from the port, ``tx``: what went to it."""

    rx: Counted = (0, 0)
    tx: Counted = (0, 0)


class Counts(Protocol):
    """By the service's own numbers. What is not there has counted nothing; of ports, it is not known."""

    @property
    def flows(self) -> Mapping[int, Counted]: ...
    @property
    def groups(self) -> Mapping[int, GroupCount]: ...
    @property
    def meters(self) -> Mapping[int, MeterCount]: ...
    @property
    def ports(self) -> Mapping[int, PortCount]: ...


class Known(msgspec.Struct, frozen=True):
    """Counts as they are."""

    flows: Mapping[int, Counted] = {}
    groups: Mapping[int, GroupCount] = {}
    meters: Mapping[int, MeterCount] = {}
    ports: Mapping[int, PortCount] = {}
