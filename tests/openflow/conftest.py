"""A switch that nobody else uses: userspace Open vSwitch with a network namespace and a directory of its own."""

import contextlib
import shutil
import subprocess
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

SCHEMA = "/usr/share/openvswitch/vswitch.ovsschema"


@dataclass
class Switch:
    directory: Path
    bridge: str = "br0"

    @property
    def target(self) -> str:
        return f"unix:{self.directory}/{self.bridge}.mgmt"

    def vsctl(self, *words: str) -> str:
        command = ["ovs-vsctl", "--timeout=20", f"--db=unix:{self.directory}/db.sock", *words]
        return subprocess.run(command, check=True, capture_output=True, text=True).stdout

    def ofctl(self, *words: str) -> str:
        """ovs-ofctl with `BR` standing for the bridge."""
        socket = f"unix:{self.directory}/{self.bridge}.mgmt"
        command = ["ovs-ofctl", "-O", "OpenFlow15", *(socket if word == "BR" else word for word in words)]
        return subprocess.run(command, check=True, capture_output=True, text=True, timeout=60).stdout

    def wipe(self) -> None:
        self.ofctl("del-flows", "BR")


def _end(process: subprocess.Popen[bytes]) -> None:
    process.terminate()
    try:
        process.wait(10)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


@pytest.fixture(scope="session")
def ovs() -> Iterator[Switch]:
    if shutil.which("ovs-vswitchd") is None:
        pytest.skip("Open vSwitch is not installed")
    with contextlib.ExitStack() as stack:
        directory = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="segue-of-")))
        switch = Switch(directory)
        database = directory / "conf.db"
        subprocess.run(["ovsdb-tool", "create", str(database), SCHEMA], check=True, capture_output=True)
        quiet = ["-vconsole:off", "-vsyslog:off", "-vfile:off"]
        remote = f"--remote=punix:{directory}/db.sock"
        environment = {
            "PATH": "/usr/sbin:/usr/bin:/sbin:/bin",
            "OVS_RUNDIR": str(directory),
            "OVS_LOGDIR": str(directory),
            "OVS_DBDIR": str(directory),
        }
        for command in (
            ["ovsdb-server", *quiet, remote, f"--unixctl={directory}/db.ctl", str(database)],
            ["unshare", "--net", "ovs-vswitchd", *quiet, f"--unixctl={directory}/sw.ctl", f"unix:{directory}/db.sock"],
        ):
            stack.callback(_end, subprocess.Popen(command, env=environment))
            time.sleep(0.3)
        switch.vsctl("--no-wait", "init")
        switch.vsctl(
            *("add-br", "br0", "--"),
            *("set", "bridge", "br0", "datapath_type=netdev", "fail_mode=secure"),
            *("protocols=OpenFlow10,OpenFlow13,OpenFlow14,OpenFlow15", "other-config:datapath-id=00000000005e90e5"),
        )
        for number in (1, 2):
            add = ("add-port", "br0", f"p{number}", "--", "set", "interface", f"p{number}", "type=internal")
            switch.vsctl(*add, f"ofport_request={number}")
        yield switch


@pytest.fixture
def switch(ovs: Switch) -> Iterator[Switch]:
    """The same switch, with no flows."""
    ovs.wipe()
    yield ovs
    ovs.wipe()
