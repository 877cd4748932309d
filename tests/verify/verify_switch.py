"""A private Open vSwitch with dummy ports: packets go in and come out as bytes, and no interface is touched.

Its own database, sockets and network namespace; the dummy datapath is the userspace datapath of Open vSwitch's own
test suite, recirculation and packet rewriting included. Root is needed for the namespace alone.
"""

from __future__ import annotations

import hashlib
import os
import signal
import subprocess
import time
from collections.abc import Iterable
from pathlib import Path

from segue.drivers.ovs.render import written
from segue.model.program import (
    IN_PORT,
    AnyAction,
    Clone,
    Decap,
    DecTtl,
    Encap,
    Move,
    Multipath,
    Next,
    Output,
    PopMpls,
    PushMpls,
    Rule,
    SetField,
)
from segue.verify.fields import format_value
from segue.verify.ovs_text import match_text, ovs_name

BRIDGE = "br"
SCHEMA = Path("/usr/share/openvswitch/vswitch.ovsschema")
PROTOCOLS = "OpenFlow15"


class Switch:
    """Ports ``p1`` .. ``pN`` with these OpenFlow numbers, their output in pcap files."""

    def __init__(self, home: Path, ports: int) -> None:
        self.home = home
        self.ports = ports
        self._env = {**os.environ, **dict.fromkeys(("OVS_RUNDIR", "OVS_LOGDIR", "OVS_DBDIR"), str(home))}
        self._daemons: list[subprocess.Popen[bytes]] = []

    def __enter__(self) -> Switch:
        database, socket = self.home / "conf.db", self.home / "db.sock"
        self._run("ovsdb-tool", "create", str(database), str(SCHEMA))
        try:
            self._start("ovsdb-server", str(database), f"--remote=punix:{socket}", "--unixctl=ovsdb.ctl")
            self._wait(socket)
            self._vsctl("--no-wait", "init")
            self._start("ovs-vswitchd", f"unix:{socket}", "--unixctl=vs.ctl", "--enable-dummy")
            self._wait(self.home / "vs.ctl")
            args = ["add-br", BRIDGE, "--", "set", "bridge", BRIDGE, "datapath_type=dummy", "fail_mode=secure"]
            args += [f"protocols={PROTOCOLS}"]
            for number in range(1, self.ports + 1):
                name = f"p{number}"
                args += ["--", "add-port", BRIDGE, name, "--", "set", "interface", name, "type=dummy"]
                args += [f"ofport_request={number}", f"options:tx_pcap={self.capture(number)}"]
            self._vsctl(*args)
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        for daemon in reversed(self._daemons):
            os.killpg(daemon.pid, signal.SIGTERM)
            try:
                daemon.wait(10)
            except subprocess.TimeoutExpired:
                os.killpg(daemon.pid, signal.SIGKILL)
                daemon.wait()

    def capture(self, port: int) -> Path:
        return self.home / f"p{port}.pcap"

    def install(self, rules: Iterable[Rule], tables: dict[str, int]) -> None:
        """Replace all that the switch holds. Raises AssertionError with the switch's words where it refuses."""
        file = self.home / "flows"
        file.write_text("delete\n" + "".join(flow(rule, tables) + "\n" for rule in rules))
        self._run("ovs-ofctl", "-O", PROTOCOLS, "--bundle", "add-flows", self._mgmt, str(file))
        self.appctl("revalidator/purge")

    def trace(self, flow: str) -> str:
        return self.appctl("ofproto/trace", BRIDGE, flow)

    def trace_bytes(self, in_port: int, frame: bytes) -> str:
        return self.appctl("ofproto/trace", BRIDGE, f"in_port={in_port}", frame.hex())

    def counts(self) -> dict[int, int]:
        """Packets per cookie."""
        self.appctl("revalidator/purge")
        found: dict[int, int] = {}
        for line in self.ofctl("dump-flows").splitlines():
            words = dict(word.split("=", 1) for word in line.replace(",", " ").split() if "=" in word)
            if "cookie" in words:
                number = int(words["cookie"], 0)
                found[number] = found.get(number, 0) + int(words["n_packets"])
        return found

    def receive(self, port: int, frame: bytes) -> None:
        """Returns when the frame has been through the switch."""
        self.appctl("netdev-dummy/receive", f"p{port}", frame.hex())
        self.appctl("version")  # answered by the round of the switch's loop that deals with the frame, or a later one

    def ofctl(self, command: str, *args: str) -> str:
        return self._run("ovs-ofctl", "-O", PROTOCOLS, command, self._mgmt, *args)

    def appctl(self, *args: str) -> str:
        return self._run("ovs-appctl", "-t", str(self.home / "vs.ctl"), *args)

    @property
    def _mgmt(self) -> str:
        return str(self.home / f"{BRIDGE}.mgmt")

    def _vsctl(self, *args: str) -> str:
        return self._run("ovs-vsctl", f"--db=unix:{self.home / 'db.sock'}", *args)

    def _run(self, *args: str) -> str:
        done = subprocess.run(args, env=self._env, capture_output=True, text=True, timeout=30)
        # ovs-ofctl quietly leaves out of a match what lacks its prerequisites, where a switch would refuse it.
        failed = done.returncode or "normalization changed" in done.stderr
        assert not failed, f"{' '.join(args)}: {done.stderr}{done.stdout}"
        return done.stdout

    def _start(self, *args: str) -> None:
        log = (self.home / f"{args[0]}.log").open("wb")
        command = ["unshare", "--net", *args]
        self._daemons.append(
            subprocess.Popen(command, env=self._env, cwd=self.home, stdout=log, stderr=log, start_new_session=True)
        )

    @staticmethod
    def _wait(path: Path) -> None:
        until = time.monotonic() + 15
        while not path.exists():
            assert time.monotonic() < until, f"{path} did not appear"
            time.sleep(0.02)


def tag(rule: Rule) -> int:
    """A cookie that tells this rule from the others."""
    digest = hashlib.blake2b(repr(rule.identity).encode(), digest_size=8).digest()
    return int.from_bytes(digest, "big")


def flow(rule: Rule, tables: dict[str, int]) -> str:
    """The rule as ovs-ofctl(8) reads it."""
    words = [f"cookie={tag(rule):#x}", f"table={tables[rule.stage]}", f"priority={rule.priority}"]
    for name, wanted in rule.match:
        words.append(match_text(name, *wanted) if isinstance(wanted, tuple) else match_text(name, wanted))
    actions = ",".join(action_text(action, tables) for action in rule.actions) or "drop"
    return ",".join(words) + ",actions=" + actions


def action_text(action: AnyAction, tables: dict[str, int]) -> str:
    match action:
        case SetField("in_port", value):
            return f"load:{value}->NXM_OF_IN_PORT[]"
        case SetField(name, value, mask):
            return f"set_field:{format_value(name, value, mask)}->{ovs_name(name)}"
        case Move(source, target, bits, low, to):
            return f"move:{_part(source, low, bits)}->{_part(target, to, bits)}"
        case Output(port):
            return "IN_PORT" if port == IN_PORT else f"output:{port}"
        case Next(stage):
            return f"resubmit(,{tables[stage]})"
        case PushMpls():
            return "push_mpls:0x8847"
        case PopMpls(ethertype):
            return f"pop_mpls:{ethertype:#06x}"
        case Encap(header):
            return "encap(nsh(md_type=1))" if header == "nsh" else f"encap({header})"
        case Decap():
            return "decap()"
        case DecTtl():
            return "dec_ttl"
        case Clone(actions):
            return f"clone({','.join(action_text(one, tables) for one in written(actions))})"
        case Multipath(basis, links, register, hashed):
            return f"multipath({hashed},{basis},hrw,{links},0,{ovs_name(register)}[])"


def _part(name: str, offset: int, bits: int) -> str:
    return f"{ovs_name(name)}[{offset}..{offset + bits - 1}]"
