"""The lab itself: made, changed, used and removed.

A lab is either whole, by its record and by what is found alive, or it is taken down and made afresh; nothing
half-made is mended piece by piece. ``down`` trusts no record: it goes by what exists, the lab's namespaces by
their prefix and its processes by living in them. So an accident, a kill -9 in the middle of anything
included, leaves nothing that the next ``up`` or ``down`` does not find.
"""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import time
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import msgspec

from segue.lab import names, namespace, wiring
from segue.lab.capture import Capture
from segue.lab.commands import enter, environment_of, host_named, settle, start_commands
from segue.lab.errors import LabError
from segue.lab.processes import ProcessRecord, alive, boot_id, end_inhabitants, end_records, reap, run
from segue.lab.spec import LabHost, LabNode, LabPort, LabSpec, check, check_lab_name
from segue.lab.state import DEFAULT_ROOT, LabState
from segue.lab.switch import Switch, missing_tools

Progress = Callable[[str], None]
_SOCKET_PATH = 107
"""Longest path of a unix socket, unix(7)."""


def silent(_: str) -> None:
    pass


class Lab:
    """``root``: where state is kept. ``progress`` is told, in a few words, what is being done.
    ``patience``: seconds to wait for another command that is changing the same lab."""

    def __init__(
        self,
        spec: LabSpec,
        *,
        root: Path = DEFAULT_ROOT,
        progress: Progress = silent,
        patience: float = 30.0,
    ) -> None:
        check(spec)
        self.spec = spec
        self.state = LabState(root, spec.name)
        self._progress = progress
        self._patience = patience

    @classmethod
    def load(cls, name: str, *, root: Path = DEFAULT_ROOT, progress: Progress = silent) -> Lab:
        """The lab that was brought up under this name, as it is now; LabError when there is none."""
        check_lab_name(name)
        record = LabState(root, name).read()
        if record is None:
            raise LabError(f"there is no lab {name!r}")
        return cls(record.spec, root=root, progress=progress)

    # -- made and removed

    def up(self) -> None:
        """Does nothing when the lab is whole and just so; otherwise removes what is there and makes it."""
        _may_run()
        self._check_paths()
        with self.state.locked(self._patience, self._progress) as lock:
            if self.is_whole():
                self._progress(f"lab {self.spec.name} is up already")
                return
            _remove(self.state, self._progress)
            try:
                self._make(lock)
            except BaseException:
                _remove(self.state, silent)
                raise

    def down(self) -> None:
        """Removes everything of the lab, whatever is there; a second time does nothing."""
        tear_down(self.spec.name, root=self.state.root, progress=self._progress, patience=self._patience)

    def is_whole(self) -> bool:
        record = self.state.read()
        if record is None or record.phase != "up" or record.boot != boot_id() or record.spec != self.spec:
            return False
        spaces = [names.namespace(self.spec.name, m) for m in wiring.members(self.spec)]
        processes = self.state.processes()
        switches = {(p.owner, p.role) for p in processes}
        expected = {(n.name, role) for n in self.spec.nodes for role in ("ovsdb", "vswitchd")}
        return all(map(namespace.is_live, spaces)) and expected <= switches and all(map(alive, processes))

    def _make(self, lock: int) -> None:
        spec, begun = self.spec, time.monotonic()
        self.state.write(spec, "making")
        self.state.make_directories(spec)
        self._progress(f"namespaces: {len(spec.nodes)} nodes, {len(spec.hosts)} hosts")
        spaces = [names.namespace(spec.name, m) for m in wiring.members(spec)]
        namespace.batch([f"netns add {s}" for s in spaces], pass_fds=[lock])
        for member in (names.UNDERLAY, *(n.name for n in spec.nodes)):
            self._sysctl(member, wiring.quiet_defaults())
        for host in spec.hosts:
            self._sysctl(host.name, wiring.host_defaults(host))
        links = [wiring.host_link(spec, h, p) for h in spec.hosts for p in h.ports]
        namespace.batch(wiring.underlay_links(spec) + links, pass_fds=[lock])
        self._progress("interfaces and switches")
        namespace.parallel(
            [partial(self._start_switch, n) for n in spec.nodes]
            + [self._set_up_underlay]
            + [partial(self._set_up_node, n) for n in spec.nodes]
            + [partial(self._set_up_host, h, h.ports) for h in spec.hosts]
        )
        self._progress("bridges")
        namespace.parallel([partial(self._switch(n.name).make_bridges, spec, n) for n in spec.nodes])
        self._run_commands(spec.hosts)
        self.state.write(spec, "up")
        self._progress(f"lab {spec.name} is up ({time.monotonic() - begun:.1f} s)")

    def _start_switch(self, node: LabNode) -> None:
        switch = self._switch(node.name)
        self.state.remember(switch.start_database())
        self.state.remember(switch.start_forwarding())

    def _set_up_underlay(self) -> None:
        ports = [names.underlay_port(n.name) for n in self.spec.nodes]
        self._set_up(names.UNDERLAY, wiring.underlay_setup(self.spec), ports, wiring.SWITCH_OFFLOADS)

    def _set_up_node(self, node: LabNode) -> None:
        ports = [p for h in self.spec.hosts if h.node == node.name for p in h.ports]
        interfaces = [names.UPLINK, *(names.switch_interface(p.name) for p in ports)]
        self._set_up(node.name, wiring.node_setup(interfaces), interfaces, wiring.SWITCH_OFFLOADS)

    def _set_up_host(self, host: LabHost, ports: Sequence[LabPort]) -> None:
        interfaces = [p.interface for p in ports]
        self._sysctl(host.name, [s for p in ports for s in wiring.port_settings(p)])
        self._set_up(host.name, wiring.host_setup(host, ports), interfaces, wiring.HOST_OFFLOADS)

    def _set_up(self, member: str, lines: list[str], interfaces: Sequence[str], offloads: Sequence[str]) -> None:
        def work() -> None:
            for interface in interfaces:
                run(["ethtool", "-K", interface, *offloads])
            namespace.batch(lines)

        namespace.inside(names.namespace(self.spec.name, member), work)

    def _sysctl(self, member: str, settings: wiring.Settings) -> None:
        namespace.inside(names.namespace(self.spec.name, member), lambda: namespace.sysctl(settings))

    def _run_commands(self, hosts: Sequence[LabHost]) -> None:
        started = []
        for host in hosts:
            if host.run:
                self._progress(f"starting {host.name}")
                started += start_commands(self.state, self.spec, host, self.environment(host.name))
        settle(self.state, self.spec.name, started)

    # -- used

    def exec(
        self, member: str, argv: Sequence[str], *, timeout: float | None = None, stdin: str = "", check: bool = False
    ) -> subprocess.CompletedProcess[str]:
        """Runs a command in a node or host and gives its output. ``timeout`` in seconds;
        with ``check`` a failing command raises subprocess.CalledProcessError."""
        return subprocess.run(
            self.argv(member, argv),
            env=self.environment(member),
            input=stdin,
            text=True,
            capture_output=True,
            timeout=timeout,
            check=check,
        )

    def popen(self, member: str, argv: Sequence[str], **options: Any) -> subprocess.Popen[Any]:
        """As subprocess.Popen; ``env`` in the options is added to the member's. The caller ends it, or
        ``down`` does."""
        env = {**self.environment(member), **options.pop("env", {})}
        return subprocess.Popen(self.argv(member, argv), env=env, **options)

    def argv(self, member: str, argv: Sequence[str]) -> list[str]:
        """The whole command that runs ``argv`` in a member, to be run with ``environment(member)``."""
        if member not in wiring.members(self.spec):
            raise LabError(f"lab {self.spec.name!r} has no node or host {member!r}")
        if not namespace.is_live(self.namespace(member)):
            raise LabError(f"lab {self.spec.name!r} is not up")
        return enter(self.spec.name, member, argv)

    def environment(self, member: str) -> dict[str, str]:
        if member == names.UNDERLAY:
            return dict(os.environ)
        return environment_of(self.state, self.spec, member)

    def namespace(self, member: str) -> str:
        return names.namespace(self.spec.name, member)

    def node_rundir(self, node: str) -> Path:
        """Where the node's switch has its sockets: ``db.sock``, ``br-int.mgmt``, ``br-ul.mgmt``."""
        return self.state.node(self._node(node).name)

    def log(self, host: str) -> Path:
        return self.state.log(host)

    def capture(self, member: str, path: Path, *, interface: str = names.UPLINK, expression: str = "") -> Capture:
        """Captures from now until ``stop()``; the default interface is a node's underlay link.
        ``expression`` is a pcap-filter(7)."""
        return Capture(self.argv(member, []), interface, path, expression)

    # -- changed while it runs

    def add_host(self, host: LabHost) -> None:
        with self._changing() as lock:
            spec = msgspec.structs.replace(self.spec, hosts=(*self.spec.hosts, host))
            self._adopt(spec)
            try:
                space = self.namespace(host.name)
                namespace.batch([f"netns add {space}"], pass_fds=[lock])
                self._sysctl(host.name, wiring.host_defaults(host))
                self._attach(host, host.ports, lock)
                self._run_commands([host])
            except BaseException:
                self._take_away(host)
                raise

    def remove_host(self, name: str) -> None:
        with self._changing():
            self._take_away(host_named(self.spec, name))

    def add_port(self, host: str, port: LabPort) -> None:
        with self._changing() as lock:
            changed = host_named(self.spec, host)
            changed = msgspec.structs.replace(changed, ports=(*changed.ports, port))
            self._adopt(self._with(changed))
            try:
                self._attach(changed, [port], lock)
            except BaseException:
                self._detach(changed, port)
                raise

    def remove_port(self, host: str, port: str) -> None:
        with self._changing():
            changed = host_named(self.spec, host)
            gone = next((p for p in changed.ports if p.name == port), None)
            if gone is None:
                raise LabError(f"host {host!r} has no port {port!r}")
            self._detach(changed, gone)

    def stop_commands(self, host: str, *, kill9: bool = False) -> None:
        """Ends everything that runs in the host's namespace; its ports stay. Listed as dead from then on."""
        with self._changing():
            self._end_commands(host_named(self.spec, host), kill9=kill9)

    def start_commands(self, host: str) -> None:
        """Runs the host's commands (again), after ending what still runs there."""
        with self._changing():
            found = host_named(self.spec, host)
            self._end_commands(found)
            self._forget(found)
            self._run_commands([found])

    def restart_switch(self, node: str, *, kill9: bool = False) -> None:
        """Ends the node's ovs-vswitchd and starts it again. Its flows are gone, its ports come back."""
        with self._changing():
            self._end_switch(node, kill9=kill9)
            self._begin_switch(node)

    def kill_switch(self, node: str) -> None:
        """kill -9 of the node's ovs-vswitchd, which stays dead until ``start_switch``."""
        with self._changing():
            self._end_switch(node, kill9=True)

    def start_switch(self, node: str) -> None:
        with self._changing():
            if not any(alive(r) for r in self._switch_records(node)):
                self._begin_switch(node)

    def _end_switch(self, node: str, *, kill9: bool) -> None:
        for record in self._switch_records(node):
            self._switch(node).stop(record, kill9=kill9)

    def _begin_switch(self, node: str) -> None:
        switch, old = self._switch(node), self._switch_records(node)
        self.state.remember(switch.start_forwarding())
        for record in old:
            self.state.forget(record)

    def _switch_records(self, node: str) -> list[ProcessRecord]:
        self._node(node)
        return [p for p in self.state.processes() if (p.owner, p.role) == (node, "vswitchd")]

    def _attach(self, host: LabHost, ports: Sequence[LabPort], lock: int) -> None:
        namespace.batch([wiring.host_link(self.spec, host, p) for p in ports], pass_fds=[lock])
        outer = [names.switch_interface(p.name) for p in ports]
        self._set_up(host.node, wiring.node_setup(outer), outer, wiring.SWITCH_OFFLOADS)
        self._set_up_host(host, ports)
        if ports:
            self._switch(host.node).vsctl(*(a for p in ports for a in wiring.add_port(p)))

    def _end_commands(self, host: LabHost, *, kill9: bool = False) -> None:
        first = signal.SIGKILL if kill9 else signal.SIGTERM
        end_inhabitants([namespace.path_of(self.namespace(host.name))], first=first)
        end_records([p for p in self.state.processes() if p.owner == host.name], first=first)

    def _forget(self, host: LabHost) -> None:
        for record in self.state.processes():
            if record.owner == host.name:
                self.state.forget(record)

    def _take_away(self, host: LabHost) -> None:
        space = self.namespace(host.name)
        self._end_commands(host)
        self._forget(host)
        for port in host.ports:
            self._unplug(host, port)
        if namespace.path_of(space).exists():
            namespace.remove([space])
        self.state.log(host.name).unlink(missing_ok=True)
        rest = tuple(h for h in self.spec.hosts if h.name != host.name)
        self._adopt(msgspec.structs.replace(self.spec, hosts=rest))

    def _detach(self, host: LabHost, port: LabPort) -> None:
        self._unplug(host, port)
        rest = tuple(p for p in host.ports if p.name != port.name)
        self._adopt(self._with(msgspec.structs.replace(host, ports=rest)))

    def _unplug(self, host: LabHost, port: LabPort) -> None:
        self._switch(host.node).vsctl("--no-wait", *wiring.delete_port(port))
        lines = [f"link del dev {names.switch_interface(port.name)}"]
        namespace.inside(self.namespace(host.node), lambda: namespace.batch(lines, force=True))

    @contextlib.contextmanager
    def _changing(self) -> Iterator[int]:
        """Under the lock, from what is recorded now: another command may have changed the lab meanwhile."""
        _may_run()
        with self.state.locked(self._patience, self._progress) as lock:
            record = self.state.read()
            if record is None or record.phase != "up":
                raise LabError(f"lab {self.spec.name!r} is not up")
            self.spec = record.spec
            yield lock

    def _adopt(self, spec: LabSpec) -> None:
        check(spec)
        self.state.write(spec, "up")
        self.spec = spec

    def _with(self, host: LabHost) -> LabSpec:
        hosts = tuple(host if h.name == host.name else h for h in self.spec.hosts)
        return msgspec.structs.replace(self.spec, hosts=hosts)

    def _switch(self, node: str) -> Switch:
        return Switch(self.state.node(node), self.namespace(node), node)

    def _node(self, name: str) -> LabNode:
        for node in self.spec.nodes:
            if node.name == name:
                return node
        raise LabError(f"lab {self.spec.name!r} has no node {name!r}")

    def _check_paths(self) -> None:
        for node in self.spec.nodes:
            longest = self.state.node(node.name) / "ovsdb-server.ctl"
            if len(os.fsencode(longest)) > _SOCKET_PATH:
                raise LabError(f"the path {longest} is too long for a socket: use shorter names or root")


def tear_down(name: str, *, root: Path = DEFAULT_ROOT, progress: Progress = silent, patience: float = 30.0) -> None:
    """Removes everything of the lab of this name: processes, namespaces, state. Needs no record of it."""
    check_lab_name(name)
    _may_run()
    state = LabState(root, name)
    with state.locked(patience, progress):
        _remove(state, progress)


def _remove(state: LabState, progress: Progress) -> None:
    spaces = namespace.existing(names.namespace_prefix(state.lab))
    if not spaces and not state.path.exists():
        return
    progress(f"removing lab {state.lab}")
    record = state.read()
    if record is not None:
        state.write(record.spec, "removing")
    end_inhabitants([namespace.path_of(s) for s in spaces])
    end_records(state.processes())
    reap()
    namespace.remove(spaces)
    state.remove()


def _may_run() -> None:
    if os.geteuid() != 0:
        raise LabError("a lab needs root: it makes network namespaces")
    missing = missing_tools()
    if missing:
        raise LabError(f"a lab needs {', '.join(missing)}, not installed")
