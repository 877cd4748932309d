"""Hosts and functions that the tests put into their labs."""

from __future__ import annotations

from typing import Any

from segue.lab.spec import LabHost, LabPort


def host(index: int, node: str, **more: Any) -> LabHost:
    port = LabPort(f"port-{index}", f"02:00:00:00:00:{index:02x}", (f"10.0.0.{index}/24", f"fd00::{index:x}/64"))
    return LabHost(f"h{index}", node, (port,), **more)


def function(name: str, node: str, number: int, *interfaces: str, run: str) -> LabHost:
    ports = tuple(
        LabPort(f"{name}-{i}", f"02:00:00:00:{number:02x}:{k:02x}", interface=i) for k, i in enumerate(interfaces)
    )
    return LabHost(name, node, ports, (run,))
