"""One node's private Open vSwitch: its own database, daemons, sockets and logs in a directory of its own.

The daemons run inside the node's namespace; their unix sockets, being paths, are reached from everywhere.
The machine's own Open vSwitch is never spoken to: every command here is given this directory.
A userspace bridge's own port is a persistent tap device: its address outlives the daemon, its flows do not.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
from collections.abc import Sequence
from pathlib import Path

from segue.lab import namespace, wiring
from segue.lab.errors import LabError
from segue.lab.processes import ProcessRecord, end_records, record_of, run
from segue.lab.spec import LabNode, LabSpec

_SCHEMAS = ("/usr/share/openvswitch/vswitch.ovsschema", "/usr/local/share/openvswitch/vswitch.ovsschema")


def environment(directory: Path) -> dict[str, str]:
    """What makes ``ovs-vsctl``, ``ovs-ofctl`` and ``ovs-appctl`` speak to the switch in ``directory``."""
    return {k: str(directory) for k in ("OVS_RUNDIR", "OVS_LOGDIR", "OVS_DBDIR", "OVS_SYSCONFDIR")}


class Switch:
    def __init__(self, directory: Path, inside: str, owner: str) -> None:
        self.directory = directory
        self.namespace = inside
        self.owner = owner

    def start_database(self) -> ProcessRecord:
        schema = next((s for s in _SCHEMAS if Path(s).exists()), None)
        if schema is None:
            raise LabError("Open vSwitch's schema is not installed")
        database = self.directory / "conf.db"
        if not database.exists():
            self._run("ovsdb-tool", "create", str(database), schema)
        self._daemon("ovsdb-server", f"--remote=punix:{self.directory}/db.sock", "--no-chdir", str(database))
        self.vsctl("--no-wait", "init")
        return self._record("ovsdb-server", "ovsdb")

    def start_forwarding(self) -> ProcessRecord:
        """Comes back when the switch has taken on what its database says."""
        self._daemon("ovs-vswitchd", f"unix:{self.directory}/db.sock", "--no-chdir")
        return self._record("ovs-vswitchd", "vswitchd")

    def make_bridges(self, spec: LabSpec, node: LabNode) -> None:
        ports = [p for h in spec.hosts if h.node == node.name for p in h.ports]
        self.vsctl(*wiring.bridges(spec, node), *(a for p in ports for a in wiring.add_port(p)))
        settings, lines = wiring.tunnel_bridge_settings(node), wiring.tunnel_bridge_setup(spec, node)

        def address() -> None:
            namespace.sysctl(settings)
            namespace.batch(lines)

        namespace.inside(self.namespace, address)

    def vsctl(self, *arguments: str) -> str:
        return self._run("ovs-vsctl", "--timeout=30", f"--db=unix:{self.directory}/db.sock", *arguments)

    def stop(self, record: ProcessRecord, *, kill9: bool = False) -> None:
        end_records([record], first=signal.SIGKILL if kill9 else signal.SIGTERM, grace=5.0)

    def _daemon(self, program: str, *arguments: str) -> None:
        d = self.directory
        options = (
            "--detach",
            f"--pidfile={d}/{program}.pid",
            f"--log-file={d}/{program}.log",
            f"--unixctl={d}/{program}.ctl",
            "-vconsole:off",
            "-vsyslog:off",
        )
        try:
            self._run(program, *arguments, *options)
        except LabError as error:
            raise LabError(f"{error}\n{tail(d / f'{program}.log')}") from error

    def _run(self, *argv: str) -> str:
        env = {**os.environ, **environment(self.directory)}
        return namespace.inside(self.namespace, lambda: run(argv, env=env))

    def _record(self, program: str, role: str) -> ProcessRecord:
        pid = int((self.directory / f"{program}.pid").read_text())
        record = record_of(pid, self.owner, role, program)
        if record is None:
            raise LabError(f"{self.owner}: {program} died\n{tail(self.directory / f'{program}.log')}")
        return record


def tail(log: Path, lines: int = 15) -> str:
    with contextlib.suppress(OSError):
        return "\n".join(log.read_text(errors="replace").splitlines()[-lines:])
    return ""


def missing_tools() -> Sequence[str]:
    tools = ("ip", "ethtool", "ovsdb-tool", "ovsdb-server", "ovs-vswitchd", "ovs-vsctl")
    return [t for t in tools if shutil.which(t) is None]
