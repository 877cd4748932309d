"""OVN on one node, for comparison: its databases, northd, controller, and an Open vSwitch of its own.

All ports are in one logical switch, of which one port has an interface here, so that all of them concern this node, as
all chains of ``bench.chains`` concern its nodes. Each port has an ACL of its own, for UDP from one source port.
"""

from __future__ import annotations

import itertools
import os
import shutil
import subprocess
import time
from pathlib import Path
from types import TracebackType

from segue.lab.lab import Lab
from segue.lab.spec import LabNode, LabSpec

NODE = "hv"
SHARE = Path("/usr/share/ovn")
BATCH = 500
_numbers = itertools.count(1)


class Ovn:
    """With ``count`` ports, each with an ACL, in force once it is entered."""

    def __init__(self, count: int) -> None:
        self.count = count
        self.lab = Lab(LabSpec(f"o{os.getpid()}_{next(_numbers)}", (LabNode(NODE, "192.0.2.1", 1),)))

    def __enter__(self) -> Ovn:
        self.lab.up()
        try:
            self._start()
            self._fill()
        except BaseException:
            self.lab.down()
            raise
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.lab.down()

    @property
    def _directory(self) -> Path:
        return self.lab.node_rundir(NODE)

    def _run(self, *command: str, timeout: float = 600) -> str:
        env = {**self.lab.environment(NODE), "OVN_RUNDIR": str(self._directory), "OVN_NB_DB": self._db("nb")}
        done = subprocess.run(
            self.lab.argv(NODE, command), env=env, text=True, capture_output=True, timeout=timeout, check=False
        )
        if done.returncode:
            raise RuntimeError(f"{' '.join(command)[:300]}: {done.stderr.strip()}")
        return done.stdout

    def _db(self, which: str) -> str:
        return f"unix:{self._directory}/{which}.sock"

    def _daemon(self, program: str, name: str, *arguments: str) -> None:
        d = self._directory
        files = [f"--pidfile={d}/{name}.pid", f"--log-file={d}/{name}.log"]
        self._run(program, *arguments, "--detach", *files, "-vconsole:off", "-vsyslog:off")

    def _start(self) -> None:
        for which in ("nb", "sb"):
            database = str(self._directory / f"{which}.db")
            self._run("ovsdb-tool", "create", database, str(SHARE / f"ovn-{which}.ovsschema"))
            self._daemon("ovsdb-server", which, f"--remote=p{self._db(which)}", database)
        self._daemon("ovn-northd", "northd", f"--ovnnb-db={self._db('nb')}", f"--ovnsb-db={self._db('sb')}")
        settings = [f"ovn-remote={self._db('sb')}", "ovn-encap-type=geneve", "ovn-encap-ip=192.0.2.1"]
        settings += ["ovn-bridge-datapath-type=netdev"]
        self._run("ovs-vsctl", "set", "open", ".", *(f"external_ids:{setting}" for setting in settings))
        self._daemon("ovn-controller", "controller", f"unix:{self._directory}/db.sock")
        self.control = self._run("ovn-nbctl", "--detach", f"--pidfile={self._directory}/nbctl.pid").strip()

    def _fill(self) -> None:
        self._nbctl("ls-add", "web")
        for start in range(0, self.count, BATCH):
            batch = [word for number in range(start, min(start + BATCH, self.count)) for word in _addition(number)]
            self._nbctl(*batch)
        bind = ["add-port", "br-int", "vif0", "--", "set", "interface", "vif0", "type=internal"]
        self._run("ovs-vsctl", *bind, "external_ids:iface-id=port0")
        self._nbctl("--wait=hv", "sync")
        # The first port is bound only now, and with it everything comes to this node.
        end = time.monotonic() + 300
        while self._nbctl("get", "Logical_Switch_Port", "port0", "up").strip() != "true":
            if time.monotonic() > end:
                raise TimeoutError("OVN does not bind its port")
            time.sleep(0.1)
        self._nbctl("--wait=hv", "sync")

    def _nbctl(self, *arguments: str) -> str:
        """By the daemon, which has the database in memory."""
        return self._run("ovn-nbctl", "-u", self.control, *arguments)

    def flow_count(self) -> int:
        said = self._run("ovs-ofctl", "-O", "OpenFlow15", "dump-aggregate", "br-int")
        return int(said.rpartition("flow_count=")[2].split()[0])

    def add(self, number: int, *, daemon: bool) -> float:
        """Adds a port with an ACL, by a command that waits until it is in force; returns seconds.

        ``daemon``: whether the command has a daemon do it, or reads the database itself.
        """
        number += self.count
        words = _addition(number)[1:]
        # Unix sockets are reached from any namespace, so no further process need enter one.
        command = ["ovn-nbctl", *(["-u", self.control] if daemon else [f"--db={self._db('nb')}"])]
        begun = time.monotonic()
        subprocess.run([*command, "--wait=hv", *words], check=True, capture_output=True, timeout=300)
        return time.monotonic() - begun

    def remove(self, number: int) -> None:
        number += self.count
        acl = ["acl-del", "web", "from-lport", "1000", _match(number)]
        self._nbctl("--wait=hv", "lsp-del", f"port{number}", "--", *acl)


def _match(number: int) -> str:
    return f'inport == "port{number}" && udp && udp.src == {1024 + number}'


def _addition(number: int) -> list[str]:
    address = f"10.{number >> 16}.{number >> 8 & 255}.{number & 255}"
    mac = f"02:00:00:{number >> 16:02x}:{number >> 8 & 255:02x}:{number & 255:02x}"
    return [
        *("--", "lsp-add", "web", f"port{number}"),
        *("--", "lsp-set-addresses", f"port{number}", f"{mac} {address}"),
        *("--", "acl-add", "web", "from-lport", "1000", _match(number), "drop"),
    ]


def installed() -> bool:
    return all(shutil.which(program) for program in ("ovn-northd", "ovn-nbctl", "ovn-controller"))
