"""Labs made, used, broken and removed on the real kernel with the real Open vSwitch."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import msgspec
import pytest
from lab_members import host

from segue.lab import namespace
from segue.lab.errors import LabError
from segue.lab.lab import Lab, tear_down
from segue.lab.listing import list_labs
from segue.lab.names import namespace_prefix
from segue.lab.processes import ProcessRecord, boot_id, end_records, start_time
from segue.lab.spec import LabHost, LabNode, LabPort, LabSpec

pytestmark = pytest.mark.root
NORMAL = ["ovs-ofctl", "add-flow", "br-int", "actions=NORMAL"]


def pings(lab: Lab, member: str, address: str, *options: str) -> bool:
    return not lab.exec(member, ["ping", "-c1", *(options or ["-W2"]), address]).returncode


def is_cut_off(lab: Lab, member: str, address: str) -> bool:
    return not pings(lab, member, address, "-W0.4")


def talks(lab: Lab) -> bool:
    """Whether the lab's two hosts reach one another through their switch."""
    lab.exec("n1", NORMAL, check=True)
    return pings(lab, "h1", "10.0.0.2") and pings(lab, "h2", "fd00::1")


def traces(root: Path, name: str) -> list[str]:
    """Everything on the machine that still bears the lab's name."""
    needle = str(root / name).encode()
    found = namespace.existing(namespace_prefix(name))
    found += [str(p) for p in root.iterdir() if name in p.name]
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                line = (entry / "cmdline").read_bytes()
            except OSError:
                continue
            if needle in line or f"lab-{name}".encode() in line:
                found.append(line.decode())
    return found


@pytest.fixture(scope="module")
def lab(root: Path, lab_name: Callable[[], str]) -> Iterator[Lab]:
    nodes = (LabNode("n1", "172.31.0.1", 1), LabNode("n2", "172.31.0.2", 2))
    made = Lab(LabSpec(lab_name(), nodes, (host(1, "n1"), host(2, "n1"))), root=root)
    made.up()
    yield made
    made.down()
    assert traces(root, made.spec.name) == []


def test_hosts_talk_and_the_underlay_carries_large_packets(lab: Lab) -> None:
    assert is_cut_off(lab, "h1", "10.0.0.2")  # br-int is secure: nothing passes without flows
    assert talks(lab)
    assert pings(lab, "n1", "172.31.0.2", "-s", "8972", "-M", "do")


def test_tcp_passes_whole(lab: Lab) -> None:
    assert talks(lab)
    serve = "import socket;s=socket.create_server(('',7001));print('on',flush=True);c=s.accept()[0];n=0\n"
    serve += "while d:=c.recv(65536): n+=len(d)\nprint(n)"
    with lab.popen("h2", ["timeout", "15", "python3", "-c", serve], stdout=subprocess.PIPE, text=True) as server:
        assert server.stdout is not None
        server.stdout.readline()
        send = "import socket;s=socket.create_connection(('10.0.0.2',7001));s.sendall(bytes(10_000_000))"
        lab.exec("h1", ["python3", "-c", send], check=True, timeout=30)
        assert server.stdout.read() == "10000000\n"


def test_a_host_believes_no_wrong_checksum(lab: Lab) -> None:
    """Otherwise a function that spoils checksums would look sound."""
    assert talks(lab)
    serve = (
        "import socket;s=socket.socket(2,2);s.bind(('',7002));s.settimeout(3);print('on',flush=True);print(s.recv(99))"
    )
    with lab.popen("h2", ["timeout", "15", "python3", "-c", serve], stdout=subprocess.PIPE, text=True) as server:
        assert server.stdout is not None
        server.stdout.readline()
        for payload, check in ((b"bad!", 0x1234), (b"good", 0)):  # 0: no checksum, which is allowed
            segment = bytes.fromhex("1b5a1b5a000c") + check.to_bytes(2, "big") + payload
            send = f"import socket;s=socket.socket(2,3,17);s.sendto({segment!r},('10.0.0.2',0))"
            lab.exec("h1", ["python3", "-c", send], check=True)
        assert server.stdout.read() == "b'good'\n"


def test_ports_carry_their_names_and_the_node_its_key(lab: Lab) -> None:
    show = ["ovs-vsctl", "--bare", "--columns=name", "find", "interface", "external_ids:iface-id=port-1"]
    assert lab.exec("n1", show, check=True).stdout.strip() == "port-1"
    features = lab.exec("n2", ["ovs-ofctl", "-O", "OpenFlow15", "show", "br-int"], check=True).stdout
    assert "dpid:0000000000000002" in features
    assert (lab.node_rundir("n1") / "br-int.mgmt").is_socket()


def test_no_stray_frames(lab: Lab) -> None:
    """A raw port is silent from its making on, and stays so."""
    port = LabPort("raw-1", "02:00:00:00:09:01", interface="in")
    lab.exec("n1", ["ovs-ofctl", "del-flows", "br-int"], check=True)
    lab.add_host(LabHost("raw", "n1", (port,)))
    time.sleep(1.2)
    try:
        counters = lab.exec("raw", ["cat", "/sys/class/net/in/statistics/tx_packets"], check=True).stdout
        assert counters == "0\n"
        state = lab.exec("raw", ["cat", "/proc/sys/net/ipv6/conf/in/disable_ipv6"], check=True).stdout
        assert state == "1\n"
    finally:
        lab.remove_host("raw")


def test_ipv6_makes_no_solicitation_of_its_own(lab: Lab) -> None:
    lab.exec("n1", ["ovs-ofctl", "del-flows", "br-int"], check=True)
    lab.add_host(host(6, "n1"))
    time.sleep(1.2)
    try:
        counters = lab.exec("h6", ["cat", "/proc/net/snmp6"], check=True).stdout.split()
        assert counters[counters.index("Icmp6OutNeighborSolicits") + 1] == "0"
        assert counters[counters.index("Icmp6OutRouterSolicits") + 1] == "0"
    finally:
        lab.remove_host("h6")


def test_a_host_and_a_port_come_and_go(lab: Lab, root: Path) -> None:
    assert talks(lab)
    before = lab.spec
    lab.add_host(host(3, "n1", run=("sleep 1000",)))
    assert pings(lab, "h3", "10.0.0.1")
    status = next(s for s in list_labs(root) if s.name == lab.spec.name)
    assert [(p.command, p.alive) for p in status.hosts[2].processes] == [("sleep 1000", True)]
    lab.add_port("h3", LabPort("extra", "02:00:00:00:08:01", ("10.9.0.1/24",), interface="eth1"))
    assert "10.9.0.1" in lab.exec("h3", ["ip", "addr", "show", "eth1"], check=True).stdout
    lab.remove_port("h3", "extra")
    assert lab.exec("h3", ["ip", "addr", "show", "eth1"]).returncode
    lab.remove_host("h3")
    assert lab.spec == before == Lab.load(lab.spec.name, root=root).spec
    ports = lab.exec("n1", ["ovs-vsctl", "list-ports", "br-int"], check=True).stdout.split()
    assert sorted(ports) == ["port-1", "port-2"]
    lab.add_host(host(3, "n1"))
    assert pings(lab, "h3", "10.0.0.1")
    lab.remove_host("h3")


def test_a_host_that_cannot_be_added_leaves_the_lab_as_it_was(lab: Lab) -> None:
    before = lab.spec
    with pytest.raises(LabError, match=r"(?s)'echo oh dear; exit 3'.*status 3.*oh dear"):
        lab.add_host(host(4, "n1", run=("echo oh dear; exit 3",)))
    with pytest.raises(LabError, match="used twice"):
        lab.add_host(host(1, "n1"))
    assert lab.spec == before
    assert lab.is_whole()
    assert talks(lab)


@pytest.mark.parametrize("kill9", [False, True])
def test_a_switch_comes_back_with_its_ports(lab: Lab, kill9: bool) -> None:
    assert talks(lab)
    lab.restart_switch("n1", kill9=kill9)
    assert is_cut_off(lab, "h1", "10.0.0.2")  # its flows are gone
    assert talks(lab)
    assert pings(lab, "n2", "172.31.0.1")


def test_a_killed_switch_stays_dead_until_started(lab: Lab, root: Path) -> None:
    lab.kill_switch("n2")
    status = next(s for s in list_labs(root) if s.name == lab.spec.name)
    assert [p.alive for p in status.nodes[1].processes] == [True, False]
    assert not lab.is_whole()
    lab.start_switch("n2")
    assert lab.is_whole()
    assert pings(lab, "n2", "172.31.0.1")


def test_the_underlay_can_be_captured(lab: Lab, tmp_path: Path) -> None:
    with lab.capture("n1", tmp_path / "ul.pcap", expression="icmp") as capture:
        assert pings(lab, "n2", "172.31.0.1")
    shown = subprocess.run(["tcpdump", "-nr", capture.path], capture_output=True, text=True, check=True).stdout
    assert "172.31.0.2 > 172.31.0.1: ICMP echo request" in shown
    assert len(shown.splitlines()) == 2
    with pytest.raises(LabError, match="nosuch"):
        lab.capture("n1", tmp_path / "x.pcap", interface="nosuch")


def test_a_lab_that_is_up_is_left_alone(lab: Lab, root: Path) -> None:
    pids = [p.pid for p in lab.state.processes()]
    said: list[str] = []
    Lab(lab.spec, root=root, progress=said.append).up()
    assert [p.pid for p in lab.state.processes()] == pids
    assert said == [f"lab {lab.spec.name} is up already"]


def test_unknown_members_are_refused(lab: Lab) -> None:
    with pytest.raises(LabError, match="no node or host 'h9'"):
        lab.exec("h9", ["true"])


def test_two_labs_do_not_meet(spec: LabSpec, lab: Lab, root: Path) -> None:
    """Even with the same addresses and member names; each goes without the other noticing."""
    other = Lab(spec, root=root)
    other.up()
    assert talks(lab)
    assert is_cut_off(other, "h1", "10.0.0.2")
    assert talks(other)
    other.down()
    assert traces(root, spec.name) == []
    other.down()
    assert talks(lab)
    with pytest.raises(LabError, match="not up"):
        other.exec("h1", ["true"])


def test_running_commands_end_with_the_lab(spec: LabSpec, root: Path) -> None:
    stubborn = "trap '' TERM; sleep 1000 & setsid sleep 1000; wait"
    lab = Lab(msgspec.structs.replace(spec, hosts=(host(1, "n1", run=(stubborn, "true")),)), root=root)
    lab.up()
    inside = lab.exec("h1", ["sh", "-c", f"ip netns pids {lab.namespace('h1')}"]).stdout.split()
    started = {int(p): start_time(int(p)) for p in inside if start_time(int(p)) is not None}
    assert len(started) >= 3
    lab.down()
    assert not [p for p, start in started.items() if start_time(p) == start]


def test_a_command_that_fails_at_once_fails_the_lab(spec: LabSpec, root: Path) -> None:
    broken = msgspec.structs.replace(spec, hosts=(host(1, "n1", run=("echo no such luck >&2; false",)),))
    with pytest.raises(LabError, match=r"(?s)h1.*status 1.*no such luck"):
        Lab(broken, root=root).up()
    assert traces(root, spec.name) == []


MAKE = """
import os, signal, sys, msgspec
from pathlib import Path
from segue.lab.lab import Lab
from segue.lab.spec import LabSpec
left = int(sys.argv[3])
def progress(said):
    global left
    left -= 1
    if not left:
        os.kill(os.getpid(), signal.SIGKILL)
print("begun", flush=True)
Lab(msgspec.json.decode(sys.argv[1], type=LabSpec), root=Path(sys.argv[2]), progress=progress).up()
"""


def making(spec: LabSpec, root: Path, die_at: int = 0, **env: str) -> subprocess.Popen[str]:
    argv = [sys.executable, "-c", MAKE, msgspec.json.encode(spec).decode(), str(root), str(die_at)]
    return subprocess.Popen(argv, stdout=subprocess.PIPE, text=True, env={**os.environ, **env})


@pytest.mark.parametrize("step", [1, 2, 3, 4, 5])
def test_killed_at_a_step_then_up(spec: LabSpec, root: Path, step: int) -> None:
    spec = msgspec.structs.replace(spec, hosts=(host(1, "n1", run=("sleep 1000",)), host(2, "n1")))
    with making(spec, root, step) as process:
        assert process.wait() == -signal.SIGKILL
    phases = {s.name: s.phase for s in list_labs(root)}
    assert phases[spec.name] == ("making" if step < 5 else "up")
    lab = Lab(spec, root=root)
    lab.up()
    assert talks(lab)
    lab.down()
    assert traces(root, spec.name) == []


def test_killed_at_any_moment_then_down(spec: LabSpec, root: Path) -> None:
    for delay in range(5, 250, 35):
        with making(spec, root) as process:
            assert process.stdout is not None
            process.stdout.readline()
            time.sleep(delay / 1000)
            process.kill()
        tear_down(spec.name, root=root)
        assert traces(root, spec.name) == [], f"killed after {delay} ms"


def test_what_a_killed_maker_began_is_awaited(spec: LabSpec, root: Path, tmp_path: Path) -> None:
    """The maker is killed while its ``ip`` has yet to make the namespaces; they must not appear after down."""
    slow = tmp_path / "ip"
    slow.write_text(f'#!/bin/sh\ntouch {tmp_path}/begun\nsleep 0.7\nexec {shutil.which("ip")} "$@"\n')
    slow.chmod(0o755)
    with making(spec, root, PATH=f"{tmp_path}:{os.environ['PATH']}") as process:
        while not (tmp_path / "begun").exists():
            time.sleep(0.01)
        process.kill()
    tear_down(spec.name, root=root)
    time.sleep(1)
    assert traces(root, spec.name) == []


def test_up_of_a_changed_spec_rebuilds(spec: LabSpec, root: Path) -> None:
    Lab(spec, root=root).up()
    changed = msgspec.structs.replace(spec, hosts=(*spec.hosts, host(5, "n1")))
    lab = Lab(changed, root=root)
    lab.up()
    lab.exec("n1", NORMAL, check=True)
    assert pings(lab, "h5", "10.0.0.1")
    lab.down()


def test_two_commands_on_one_lab_take_turns(spec: LabSpec, root: Path) -> None:
    lab = Lab(spec, root=root)
    errors: list[BaseException] = []

    def up() -> None:
        try:
            Lab(spec, root=root).up()
        except BaseException as error:
            errors.append(error)

    threads = [threading.Thread(target=up) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert errors == []
    assert talks(lab)
    with lab.state.locked(1, print), pytest.raises(LabError, match="another command"):
        Lab(spec, root=root, patience=0.1).down()
    lab.down()


def test_a_recycled_pid_is_spared() -> None:
    with subprocess.Popen(["sleep", "1000"]) as innocent:
        start = start_time(innocent.pid)
        assert start is not None
        stale = ProcessRecord(innocent.pid, start - 1, boot_id(), "h1", "run", "sleep 1000")
        end_records([stale, msgspec.structs.replace(stale, start=start, boot="another")])
        assert innocent.poll() is None
        end_records([msgspec.structs.replace(stale, start=start)])
        assert innocent.wait(5) == -signal.SIGTERM


def test_too_long_a_root_is_refused(spec: LabSpec, root: Path) -> None:
    deep = root / ("d" * 60)
    with pytest.raises(LabError, match="too long for a socket"):
        Lab(spec, root=deep).up()
    assert not deep.exists()


def test_a_router_forwards(root: Path, lab_name: Callable[[], str]) -> None:
    def end(index: int) -> LabHost:
        port = LabPort(
            f"e{index}",
            f"02:00:00:00:01:{index:02x}",
            (f"10.{index}.0.2/24", f"fd0{index}::2/64"),
            (f"10.{index}.0.1", f"fd0{index}::1"),
        )
        return LabHost(f"end{index}", "n1", (port,))

    legs = tuple(
        LabPort(f"r{i}", f"02:00:00:00:02:{i:02x}", (f"10.{i}.0.1/24", f"fd0{i}::1/64"), interface=f"eth{i}")
        for i in (1, 2)
    )
    router = LabHost("router", "n1", legs, forward=True)
    lab = Lab(LabSpec(lab_name(), (LabNode("n1", "172.31.0.1"),), (end(1), end(2), router)), root=root)
    lab.up()
    lab.exec("n1", NORMAL, check=True)
    assert pings(lab, "end1", "10.2.0.2")
    assert pings(lab, "end2", "fd01::2")
    lab.down()
