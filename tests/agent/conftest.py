from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from agent_scene import BRIDGE

from openflow.open_vswitch import OpenVSwitch


@pytest.fixture
def ovs(tmp_path: Path) -> Iterator[OpenVSwitch]:
    """With one bridge of the userspace datapath."""
    with OpenVSwitch(tmp_path) as switch:
        switch.run("ip", "link", "set", "lo", "up")
        switch.vsctl("add-br", BRIDGE, "--", "set", "bridge", BRIDGE, "datapath_type=netdev", "fail_mode=secure")
        yield switch
