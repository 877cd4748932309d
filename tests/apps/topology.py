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
import tempfile
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

from openflow.open_vswitch import PROTOCOLS, OpenVSwitch, command

_counter = itertools.count()


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
        self._open_vswitch = OpenVSwitch(self.directory, self.name)

    @property
    def listening(self) -> str:
        return f"punix:{self.directory}/controller.sock"

    def kill_switch(self) -> None:
        """As kill -9."""
        self._open_vswitch.signal("ovs-vswitchd")

    def start_switch(self) -> None:
        self._open_vswitch.start_switch()

    def vsctl(self, *words: str) -> str:
        return self._open_vswitch.vsctl(*words)

    def ofctl(self, bridge: str, what: str, *words: str) -> str:
        return self._open_vswitch.ofctl(self.version, what, self._open_vswitch.management(bridge), *words)

    def host(self, number: int) -> str:
        return f"{self.name}h{number}"

    def exec(self, number: int, *words: str, check: bool = False, timeout: float = 60) -> str:
        return command("ip", "netns", "exec", self.host(number), *words, check=check, timeout=timeout)

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
        self._stack.callback(shutil.rmtree, self.directory, ignore_errors=True)
        self._stack.enter_context(self._open_vswitch)
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
        command("ip", "netns", "add", host)
        self._stack.callback(command, "ip", "netns", "del", host, check=False)
        command("ip", "-n", self.name, "link", "add", inner, "type", "veth", "peer", "name", "eth0", "netns", host)
        command("ip", "-n", self.name, "link", "set", inner, "up")
        command("ip", "-n", host, "link", "set", "eth0", "address", f"02:00:00:00:00:{number:02x}")
        command("ip", "-n", host, "addr", "add", f"10.9.0.{number}/24", "dev", "eth0")
        command("ip", "netns", "exec", host, "sysctl", "-qw", "net.ipv6.conf.all.disable_ipv6=1")
        command("ip", "-n", host, "link", "set", "eth0", "up")
        command("ip", "netns", "exec", host, "ethtool", "-K", "eth0", "tx", "off", check=False)
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
