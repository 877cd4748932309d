"""Open vSwitch's switch in its dummy mode: ovsdb-server and ovs-vswitchd in a directory of their own.

With `--enable-dummy` ovs-vswitchd reads the actions that are for its own tests, which neither the switch otherwise nor
ovs-ofctl ever does. There is one bridge, `br0`, of the datapath that forwards nothing, so that nothing of the machine
is touched and no privilege is needed. `flows` is what ovs-vswitchd itself prints of what it holds.
"""

import contextlib
import shutil
import subprocess
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

SCHEMA = Path("/usr/share/openvswitch/vswitch.ovsschema")
_NEEDED = ("ovsdb-tool", "ovsdb-server", "ovs-vswitchd", "ovs-vsctl", "ovs-appctl")
_PATH = "/usr/sbin:/usr/bin:/sbin:/bin"
_TIMEOUT = 30.0
_PROTOCOLS = ",".join(f"OpenFlow1{minor}" for minor in range(6))


class Switch(NamedTuple):
    directory: Path

    @property
    def target(self) -> str:
        """Where br0 speaks OpenFlow, in all versions."""
        return f"unix:{self.directory}/br0.mgmt"

    def flows(self) -> str:
        """The flows of br0 as ovs-vswitchd prints them, a line each."""
        return self._run("ovs-appctl", f"--target={self.directory}/switch.ctl", "bridge/dump-flows", "br0")

    def _run(self, *command: str) -> str:
        done = subprocess.run(
            command, capture_output=True, text=True, timeout=_TIMEOUT, env=_environment(self.directory)
        )
        if done.returncode != 0:
            raise RuntimeError(f"{' '.join(command)}: {done.stderr.strip()}")
        return done.stdout


def available() -> str | None:
    lacking = [name for name in _NEEDED if shutil.which(name, path=_PATH) is None]
    if lacking:
        return f"{lacking[0]} is not installed"
    return None if SCHEMA.exists() else f"{SCHEMA} is missing"


@contextlib.contextmanager
def running() -> Iterator[Switch]:
    """A switch, until the block ends."""
    with contextlib.ExitStack() as stack:
        directory = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="segue-dummy-")))
        switch = Switch(directory)
        switch._run("ovsdb-tool", "create", f"{directory}/conf.db", str(SCHEMA))
        database = f"unix:{directory}/db.sock"
        server = ("ovsdb-server", f"--remote=p{database}", f"--unixctl={directory}/db.ctl", f"{directory}/conf.db")
        _start(stack, directory, server, directory / "db.sock")
        switch._run("ovs-vsctl", "--timeout=20", f"--db={database}", "--no-wait", "init")
        daemon = ("ovs-vswitchd", "--enable-dummy", "--disable-system", f"--unixctl={directory}/switch.ctl", database)
        _start(stack, directory, daemon, directory / "switch.ctl")
        bridge = ("add-br", "br0", "--", "set", "bridge", "br0", "datapath_type=dummy", "fail_mode=secure")
        switch._run("ovs-vsctl", "--timeout=20", f"--db={database}", *bridge, f"protocols={_PROTOCOLS}")
        yield switch


def _environment(directory: Path) -> dict[str, str]:
    return {"PATH": _PATH} | dict.fromkeys(("OVS_RUNDIR", "OVS_LOGDIR", "OVS_DBDIR"), str(directory))


def _start(stack: contextlib.ExitStack, directory: Path, command: tuple[str, ...], ready: Path) -> None:
    quiet = ("-vconsole:off", "-vsyslog:off", "-vfile:off")
    process = subprocess.Popen(
        [command[0], *quiet, *command[1:]],
        env=_environment(directory),
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    stack.callback(_end, process)
    until = time.monotonic() + _TIMEOUT
    while not ready.exists():
        if process.poll() is not None or time.monotonic() > until:
            raise RuntimeError(f"{command[0]} did not start")
        time.sleep(0.02)


def _end(process: "subprocess.Popen[bytes]") -> None:
    process.terminate()
    try:
        process.wait(10)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
