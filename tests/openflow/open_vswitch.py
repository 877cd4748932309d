"""One Open vSwitch of a test's own: its files in a directory, its daemons in a network namespace that goes with it."""

from __future__ import annotations

import shutil
import signal
import subprocess
import time
import uuid
from pathlib import Path

import pytest

SCHEMA = "/usr/share/openvswitch/vswitch.ovsschema"
PROTOCOLS = {1: "OpenFlow10", 2: "OpenFlow11", 3: "OpenFlow12", 4: "OpenFlow13", 5: "OpenFlow14", 6: "OpenFlow15"}


def command(*words: object, check: bool = True, timeout: float = 60, env: dict[str, str] | None = None) -> str:
    """Its standard output."""
    done = subprocess.run(
        [str(word) for word in words], capture_output=True, text=True, timeout=timeout, check=False, env=env
    )
    if check and done.returncode:
        raise AssertionError(f"{' '.join(map(str, words))}: {done.stderr or done.stdout}")
    return done.stdout.strip()


class OpenVSwitch:
    """`database` is the target of its OVSDB, `socket` where that is. Bridges should be of the datapath type netdev: the
    kernel's datapath is in no namespace. Skips the test where Open vSwitch is not installed."""

    def __init__(self, directory: Path, namespace: str = "") -> None:
        self.directory = directory
        self.namespace = namespace or f"sovs{uuid.uuid4().hex[:8]}"
        self.socket = directory / "db.sock"
        self.database = f"unix:{self.socket}"
        self._environment = {"PATH": "/usr/sbin:/usr/bin:/sbin:/bin"} | dict.fromkeys(
            ("OVS_RUNDIR", "OVS_LOGDIR", "OVS_DBDIR"), str(directory)
        )
        self._processes: dict[str, subprocess.Popen[bytes]] = {}

    def run(self, *words: object) -> str:
        """A command inside the namespace; its standard output."""
        return command("ip", "netns", "exec", self.namespace, *words, env=self._environment)

    def vsctl(self, *words: str) -> str:
        return command("ovs-vsctl", "--timeout=20", f"--db={self.database}", *words, env=self._environment)

    def management(self, bridge: str) -> str:
        """The target at which a bridge is managed by OpenFlow."""
        return f"unix:{self.directory}/{bridge}.mgmt"

    def ofctl(self, version: int, *words: str) -> str:
        return command("ovs-ofctl", "-O", PROTOCOLS[version], *words, env=self._environment)

    def start_database(self) -> None:
        file = self.directory / "conf.db"
        if not file.exists():
            command("ovsdb-tool", "create", file, SCHEMA)
        self._start("ovsdb-server", file, f"--remote=p{self.database}", f"--unixctl={self.directory}/db.ctl")
        self.vsctl("--retry", "--no-wait", "init")

    def start_switch(self) -> None:
        control = self.directory / "sw.ctl"
        control.unlink(missing_ok=True)
        self._start("ovs-vswitchd", self.database, f"--unixctl={control}")
        end = time.monotonic() + 10
        while not control.exists():
            assert time.monotonic() < end, "Open vSwitch did not start"
            time.sleep(0.05)

    def signal(self, name: str, number: int = signal.SIGKILL) -> None:
        """To `ovsdb-server` or `ovs-vswitchd`: the process that this made, and no other."""
        self._processes[name].send_signal(number)
        if number == signal.SIGKILL:
            self._processes[name].wait()

    def __enter__(self) -> OpenVSwitch:
        if shutil.which("ovs-vswitchd") is None:
            pytest.skip("Open vSwitch is not installed")
        command("ip", "netns", "add", self.namespace)
        try:
            self.start_database()
            self.start_switch()
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        for process in reversed(self._processes.values()):
            _end(process)
        command("ip", "netns", "del", self.namespace, check=False)

    def _start(self, name: str, *words: object) -> None:
        quiet = ("-vconsole:off", "-vsyslog:off", "-vfile:off")
        self._processes[name] = subprocess.Popen(
            ["ip", "netns", "exec", self.namespace, name, *quiet, *map(str, words)], env=self._environment
        )


def _end(process: subprocess.Popen[bytes]) -> None:
    process.terminate()
    try:
        process.wait(10)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
