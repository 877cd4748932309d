"""Switches in a row, a tree or a ring, with hosts: one Open vSwitch of the test's own, in namespaces of the test's own.

Bridges are of the userspace datapath and linked by patch ports; each host is a namespace with one interface. The
controller's end is a Unix socket, or whatever target the test gives.
"""

from __future__ import annotations

import contextlib
import itertools
import os
import secrets
import shutil
import subprocess
import tempfile
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest

SCHEMA = "/usr/share/openvswitch/vswitch.ovsschema"
PROTOCOLS = {1: "OpenFlow10", 2: "OpenFlow11", 3: "OpenFlow12", 4: "OpenFlow13", 5: "OpenFlow14", 6: "OpenFlow15"}
_counter = itertools.count()


def run(*command: str, check: bool = True, timeout: float = 60) -> str:
    done = subprocess.run(command, capture_output=True, text=True, timeout=timeout, check=False)
    if check and done.returncode:
        raise AssertionError(f"{' '.join(command)}: {done.stderr or done.stdout}")
    return done.stdout


class Topology:
    """`switches` bridges s1.. linked as `links` (pairs of numbers) say, and `hosts` hosts on each (or on those of
    `at`). Host n has 10.9.0.n and MAC 02:00:00:00:00:n, and is on port n of its bridge."""

    def __init__(self, switches: int, links: Sequence[tuple[int, int]], version: int, at: Sequence[int]) -> None:
        self.name = f"sof{os.getpid()}{next(_counter)}{secrets.token_hex(1)}"
        self.switches = switches
        self.links = list(links)
        self.version = version
        self.at = list(at)
        self.directory = Path(tempfile.mkdtemp(prefix="segue-apps-"))
        self.controller = f"unix:{self.directory}/controller.sock"
        self._stack = contextlib.ExitStack()
        self._switch: subprocess.Popen[bytes] | None = None

    @property
    def listening(self) -> str:
        return f"punix:{self.directory}/controller.sock"

    def vsctl(self, *words: str) -> str:
        return run("ovs-vsctl", "--timeout=20", f"--db=unix:{self.directory}/db.sock", *words)

    def ofctl(self, bridge: str, command: str, *words: str) -> str:
        target = f"unix:{self.directory}/{bridge}.mgmt"
        return run("ovs-ofctl", "-O", PROTOCOLS[self.version], command, target, *words)

    def host(self, number: int) -> str:
        return f"{self.name}h{number}"

    def exec(self, number: int, *command: str, check: bool = False, timeout: float = 60) -> str:
        return run("ip", "netns", "exec", self.host(number), *command, check=check, timeout=timeout)

    def __enter__(self) -> Topology:
        try:
            self._build()
        except BaseException:
            self._stack.close()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self._stack.close()

    def _build(self) -> None:
        if shutil.which("ovs-vswitchd") is None:
            pytest.skip("Open vSwitch is not installed")
        self._stack.callback(shutil.rmtree, self.directory, ignore_errors=True)
        run("ovsdb-tool", "create", f"{self.directory}/conf.db", SCHEMA)
        self._start(
            "ovsdb-server",
            f"--remote=punix:{self.directory}/db.sock",
            f"--unixctl={self.directory}/db.ctl",
            f"{self.directory}/conf.db",
        )
        self._wait(lambda: (self.directory / "db.sock").exists())
        self.vsctl("--no-wait", "init")
        run("ip", "netns", "add", self.name)
        self._stack.callback(run, "ip", "netns", "del", self.name, check=False)
        self.start_switch()
        for number in range(1, self.switches + 1):
            self.vsctl(
                *("add-br", f"s{number}", "--", "set", "bridge", f"s{number}", "datapath_type=netdev"),
                *(
                    "fail_mode=secure",
                    f"protocols={PROTOCOLS[self.version]}",
                    f"other-config:datapath-id={number:016x}",
                ),
            )
        for a, b in self.links:
            ends = ((a, b), (b, a))
            for here, there in ends:
                name = f"p{here}-{there}"
                self.vsctl(
                    *("add-port", f"s{here}", name, "--", "set", "interface", name, "type=patch"),
                    *(f"options:peer=p{there}-{here}", f"ofport_request={100 + there}"),
                )
        for number, switch in enumerate(self.at, 1):
            self._add_host(number, switch)

    def _add_host(self, number: int, switch: int) -> None:
        host, inner = self.host(number), f"{self.name}x{number}"[-15:]
        run("ip", "netns", "add", host)
        self._stack.callback(run, "ip", "netns", "del", host, check=False)
        run("ip", "-n", self.name, "link", "add", inner, "type", "veth", "peer", "name", "eth0", "netns", host)
        run("ip", "-n", self.name, "link", "set", inner, "up")
        run("ip", "-n", host, "link", "set", "eth0", "address", f"02:00:00:00:00:{number:02x}")
        run("ip", "-n", host, "addr", "add", f"10.9.0.{number}/24", "dev", "eth0")
        run("ip", "netns", "exec", host, "sysctl", "-qw", "net.ipv6.conf.all.disable_ipv6=1")
        run("ip", "-n", host, "link", "set", "eth0", "up")
        run("ip", "netns", "exec", host, "ethtool", "-K", "eth0", "tx", "off", check=False)
        self.attach(number, switch)

    def attach(self, number: int, switch: int) -> None:
        inner = f"{self.name}x{number}"[-15:]
        self.vsctl("--", "--if-exists", "del-port", inner)
        self.vsctl("add-port", f"s{switch}", inner, "--", "set", "interface", inner, f"ofport_request={number}")

    def connect(self, target: str | None = None) -> None:
        """Tells every bridge its controller."""
        for number in range(1, self.switches + 1):
            self.vsctl("set-controller", f"s{number}", target or self.controller)
            self.vsctl("set", "controller", f"s{number}", "max_backoff=1000", "inactivity_probe=5000")

    def start_switch(self) -> None:
        enter = ("ip", "netns", "exec", self.name)
        self._switch = self._start(
            *("ovs-vswitchd", f"--unixctl={self.directory}/sw.ctl", f"unix:{self.directory}/db.sock"), enter=enter
        )
        self._wait(lambda: (self.directory / "sw.ctl").exists())

    def kill_switch(self) -> None:
        """`kill -9`, of the process that this made and no other."""
        assert self._switch is not None
        self._switch.kill()
        self._switch.wait()
        (self.directory / "sw.ctl").unlink(missing_ok=True)

    def _start(self, *command: str, enter: Sequence[str] = ()) -> subprocess.Popen[bytes]:
        quiet = ("-vconsole:off", "-vsyslog:off", "-vfile:off")
        environment = {"PATH": "/usr/sbin:/usr/bin:/sbin:/bin"} | dict.fromkeys(
            ("OVS_RUNDIR", "OVS_LOGDIR", "OVS_DBDIR"), str(self.directory)
        )
        child = subprocess.Popen([*enter, command[0], *quiet, *command[1:]], env=environment)
        self._stack.callback(_end, child)
        return child

    @staticmethod
    def _wait(true: object, seconds: float = 10) -> None:
        assert callable(true)
        end = time.monotonic() + seconds
        while not true():
            assert time.monotonic() < end, "Open vSwitch did not start"
            time.sleep(0.05)

    def ping(self, source: int, target: int, seconds: float = 10) -> bool:
        """Whether one echo is answered before the time is over."""
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            if "1 received" in self.exec(source, "ping", "-c1", "-W1", f"10.9.0.{target}"):
                return True
        return False

    def all_pairs(self) -> list[tuple[int, int]]:
        """The pairs of hosts that cannot reach each other."""
        numbers = range(1, len(self.at) + 1)
        return [(a, b) for a in numbers for b in numbers if a != b and not self.ping(a, b)]


def _end(process: subprocess.Popen[bytes]) -> None:
    if process.poll() is None:
        process.terminate()
        try:
            process.wait(10)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def linear(switches: int) -> list[tuple[int, int]]:
    return [(n, n + 1) for n in range(1, switches)]


def tree(depth: int) -> list[tuple[int, int]]:
    """A binary tree of `depth` levels of switches."""
    return [(n // 2, n) for n in range(2, 2**depth)]


def ring(switches: int) -> list[tuple[int, int]]:
    return [*linear(switches), (switches, 1)]


@contextlib.contextmanager
def topology(switches: int, links: Sequence[tuple[int, int]], version: int, at: Sequence[int]) -> Iterator[Topology]:
    with Topology(switches, links, version, at) as made:
        yield made
