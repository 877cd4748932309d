"""The functions at work between two kernels' UDP and TCP, in chains that Open vSwitch wrapped and unwraps.

The hosts take no checksum on trust, so a datagram that arrives was right; tshark is asked as well.
"""

from __future__ import annotations

import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from lab_members import function, host

from segue.lab.apps.trail import Summary, summary
from segue.lab.lab import Lab
from segue.lab.spec import LabHost, LabNode, LabSpec

pytestmark = pytest.mark.root
APP = "python -m segue.lab.apps."


@pytest.fixture(scope="module")
def lab(root: Path, lab_name: Callable[[], str]) -> Iterator[Lab]:
    def both(name: str, number: int, run: str) -> LabHost:
        return function(name, "n1", number, "in", "out", run=f"{APP}{run} --in in --out out")

    def one(name: str, number: int, run: str) -> LabHost:
        return function(name, "n1", number, "eth0", run=f"{APP}{run} --in eth0")

    hosts = (
        host(1, "n1"),
        host(2, "n1", run=(f"{APP}echo --port 7000",)),
        both("swap", 1, "replace --replace dragonflow=DRAGONFLOW"),
        both("add", 2, "add1"),
        one("nsh", 3, "add1 --encap nsh"),
        one("mpls", 4, "add1 --encap mpls"),
        both("s7", 5, "stamp --id 7"),
        one("s9", 6, "stamp --id 9 --encap nsh"),
    )
    made = Lab(LabSpec(lab_name(), (LabNode("n1", "172.31.0.1"),), hosts), root=root)
    made.up()
    yield made
    made.down()


def program(lab: Lab, *flows: str) -> None:
    argv = ["ovs-ofctl", "-O", "OpenFlow15", "--names", "--bundle", "replace-flows", "br-int", "-"]
    lab.exec("n1", argv, stdin="\n".join(flows) + "\n", check=True)


def bumped(lab: Lab, *names: str) -> None:
    """Everything between the two hosts goes through these two-armed functions, both ways."""
    ends = ["port-1", *(f"{n}-{arm}" for n in names for arm in ("in", "out")), "port-2"]
    flows = []
    for left, right in zip(ends[::2], ends[1::2], strict=True):
        flows += [f"in_port={left},actions=output:{right}", f"in_port={right},actions=output:{left}"]
    program(lab, *flows)


def through_nsh(port: str, *, whole_frame: bool) -> list[str]:
    """IP from port-1 goes to the function in NSH, with the Ethernet header inside or not; the rest, straight."""
    wrap = "encap(nsh(md_type=1)),set_field:5->nsh_spi,set_field:255->nsh_si,encap(ethernet)"
    wrap += f",set_field:02:00:00:00:ee:01->eth_src,set_field:02:00:00:00:ee:02->eth_dst,output:{port}"
    unwrap = "decap(),decap()"
    if not whole_frame:
        wrap = f"decap(),{wrap}"
        unwrap += ",encap(ethernet),set_field:02:00:00:00:00:01->eth_src,set_field:02:00:00:00:00:02->eth_dst"
    return [
        *(f"priority=9,in_port=port-1,{ip},actions={wrap}" for ip in ("ip", "ipv6,ipv6_dst=fd00::2,nw_proto=17")),
        f"in_port={port},eth_type=0x894f,eth_dst=02:00:00:00:ee:01,nsh_spi=5,nsh_si=254,actions={unwrap},output:port-2",
        "priority=1,in_port=port-1,actions=output:port-2",
        "priority=1,in_port=port-2,actions=output:port-1",
    ]


def ask(lab: Lab, address: str, payload: bytes) -> bytes:
    """What the echo server answers."""
    family = 10 if ":" in address else 2
    script = (
        f"import socket,sys;s=socket.socket({family},2);s.settimeout(3);s.connect(({address!r},7000));"
        f"s.send({payload!r});sys.stdout.write(s.recv(65535).hex())"
    )
    done = lab.exec("h1", ["python3", "-c", script])
    assert not done.returncode, done.stderr
    return bytes.fromhex(done.stdout)


def plus(payload: bytes, visits: int) -> bytes:
    return bytes((b + visits) % 256 for b in payload)


ADDRESSES = pytest.mark.parametrize("address", ["10.0.0.2", "fd00::2"])
ALL_BYTES = bytes(range(256)) + b"\xff" * 1001
LARGEST = ALL_BYTES + b"a" * 195
"""1452 bytes: a UDP payload that fills an IPv6 packet of 1500."""


@ADDRESSES
def test_add1_counts_visits_both_ways(lab: Lab, address: str) -> None:
    bumped(lab, "add")
    for payload in (b"\xff", ALL_BYTES, b"\0" * 1000):
        assert ask(lab, address, payload) == plus(payload, 2)


def test_echo_answers_from_the_address_it_was_asked_at(lab: Lab) -> None:
    bumped(lab)
    for address in ("10.0.0.22/24", "fd00::22/64"):
        lab.exec("h2", ["ip", "addr", "add", address, "dev", "eth0"], check=True)
    for address in ("10.0.0.2", "10.0.0.22", "fd00::2", "fd00::22"):
        assert ask(lab, address, b"abc") == b"abc"
    for address in ("10.0.0.22/24", "fd00::22/64"):
        lab.exec("h2", ["ip", "addr", "del", address, "dev", "eth0"], check=True)


@ADDRESSES
def test_replace_in_udp(lab: Lab, address: str) -> None:
    bumped(lab, "swap")
    assert ask(lab, address, b"xdragonflow-dragonflow.") == b"xDRAGONFLOW-DRAGONFLOW."


@ADDRESSES
def test_replace_in_tcp(lab: Lab, address: str) -> None:
    bumped(lab, "swap")
    serve = (
        "import socket;s=socket.create_server(('::',7001),family=10,dualstack_ipv6=True);"
        "print('on',flush=True);c=s.accept()[0];d=b''.join(iter(lambda:c.recv(65536),b''));print(d)"
    )
    with lab.popen("h2", ["timeout", "15", "python3", "-c", serve], stdout=subprocess.PIPE, text=True) as server:
        assert server.stdout is not None
        server.stdout.readline()
        send = f"import socket;s=socket.create_connection(({address!r},7001));s.sendall(b'a dragonflow')"
        lab.exec("h1", ["python3", "-c", send], check=True, timeout=10)
        assert server.stdout.read() == "b'a DRAGONFLOW'\n"


@ADDRESSES
@pytest.mark.parametrize("whole_frame", [True, False])
def test_nsh_is_worked_on_and_its_index_lowered(lab: Lab, address: str, whole_frame: bool) -> None:
    program(lab, *through_nsh("nsh-eth0", whole_frame=whole_frame))
    for payload in (b"abc", ALL_BYTES, LARGEST):
        assert ask(lab, address, payload) == plus(payload, 1)


@ADDRESSES
def test_mpls_is_worked_on_and_its_index_lowered(lab: Lab, address: str) -> None:
    push = "push_mpls:0x8847,set_field:255->mpls_label,push_mpls:0x8847,set_field:77->mpls_label"
    kinds = {"ip": "0x0800", "ipv6,ipv6_dst=fd00::2,nw_proto=17": "0x86dd"}
    popped = kinds["ip"] if "." in address else kinds["ipv6,ipv6_dst=fd00::2,nw_proto=17"]
    program(
        lab,
        *(f"priority=9,in_port=port-1,{kind},actions={push},output:mpls-eth0" for kind in kinds),
        "in_port=mpls-eth0,mpls,mpls_label=77,mpls_bos=0,actions=pop_mpls:0x8847,resubmit(,1)",
        f"table=1,mpls,mpls_label=254,mpls_bos=1,actions=pop_mpls:{popped},output:port-2",
        "priority=1,in_port=port-1,actions=output:port-2",
        "priority=1,in_port=port-2,actions=output:port-1",
    )
    for payload in (b"abc", ALL_BYTES, LARGEST):
        assert ask(lab, address, payload) == plus(payload, 1)


def test_a_vlan_tag_survives_the_visit(lab: Lab) -> None:
    program(
        lab,
        "in_port=port-1,actions=push_vlan:0x8100,set_field:4196->vlan_vid,output:add-in",
        "in_port=add-out,dl_vlan=100,actions=pop_vlan,output:port-2",
        "in_port=port-2,actions=output:port-1",
    )
    assert ask(lab, "10.0.0.2", b"abc") == b"bcd"


def test_tshark_finds_what_arrives_sound(lab: Lab, tmp_path: Path) -> None:
    bumped(lab, "swap", "add")
    with lab.capture("h2", tmp_path / "h2.pcap", interface="eth0", expression="udp") as capture:
        for address in ("10.0.0.2", "fd00::2"):
            ask(lab, address, ALL_BYTES)
    fields = ("udp.checksum.status", "udp.dstport", "udp.payload")
    argv = ["tshark", "-o", "udp.check_checksum:TRUE", "-r", str(capture.path)]
    argv += ["-T", "fields", "-E", "separator=/s"]
    argv += [a for f in fields for a in ("-e", f)]
    lines = subprocess.run(argv, capture_output=True, text=True, check=True).stdout.splitlines()
    asked = [line.split() for line in lines if line.split()[1] == "7000"]
    assert asked == [["1", "7000", plus(ALL_BYTES, 1).hex()]] * 2


def run_traffic(lab: Lab, tmp_path: Path, address: str, *options: str) -> tuple[Summary, Summary]:
    """What the receiver says, and what came back."""
    sent, received, replies = (tmp_path / n for n in ("sent", "received", "replies"))
    app = ["python", "-m", "segue.lab.apps.traffic"]
    server = lab.popen("h2", [*app, "recv", "--port", "7003", "--log", str(received), "--echo"])
    try:
        for _ in range(100):
            if received.exists():
                break
            time.sleep(0.05)
        time.sleep(0.1)
        sender = [*app, "send", "--to", address, "--port", "7003", "--log", str(sent), "--replies", str(replies)]
        lab.exec("h1", [*sender, *options], check=True, timeout=60)
    finally:
        server.terminate()
        server.wait()
    return summary(sent, received), summary(sent, replies)


@ADDRESSES
def test_stamps_tell_the_way_there_and_back(lab: Lab, tmp_path: Path, address: str) -> None:
    ends = through_nsh("s9-eth0", whole_frame=True)
    flows = [f.replace("output:port-2", "output:s7-in") for f in ends]
    flows = [f.replace("in_port=port-2,", "in_port=s7-in,") for f in flows]
    program(lab, *flows, "in_port=s7-out,actions=output:port-2", "in_port=port-2,actions=output:s7-out")
    options = ("--rate", "500", "--duration", "0.4", "--ports", "40000-40003", "--size", "200")
    there, back = run_traffic(lab, tmp_path, address, *options)
    assert (there.sent, there.received, there.duplicates, there.late) == (200, 200, 0, 0)
    assert there.trails == {(9, 7): 200}
    assert back.trails == {(9, 7, 7): 200}
    assert {a.port for a in there.arrivals} == {40000, 40001, 40002, 40003}


def test_an_outage_is_seen(lab: Lab, tmp_path: Path) -> None:
    bumped(lab, "s7")
    cut = "priority=40000,in_port=port-1,actions=drop"
    past = "priority=40000,in_port=port-1,actions=output:port-2"
    script = f"add='ovs-ofctl --names add-flow br-int'; sleep 1; $add '{cut}'; sleep 0.3; $add '{past}'"
    with lab.popen("n1", ["sh", "-c", script]):
        there, _ = run_traffic(lab, tmp_path, "10.0.0.2", "--rate", "200", "--duration", "2.5")
    assert there.sent == 500
    assert 0.2 < there.outage < 1.0
    assert len(there.lost) == there.sent - there.received > 30
    assert set(there.trails) == {(7,), ()}


def test_a_function_ends_with_its_count_and_starts_again(lab: Lab) -> None:
    bumped(lab, "add")
    ask(lab, "10.0.0.2", b"x")
    lab.stop_commands("add")
    assert lab.log("add").read_text().startswith("received ")
    assert not lab.is_whole()
    lab.start_commands("add")
    assert ask(lab, "10.0.0.2", b"x") == b"z"
    assert lab.is_whole()
    lab.stop_commands("add", kill9=True)
    lab.start_commands("add")
    assert ask(lab, "10.0.0.2", b"x") == b"z"


@pytest.mark.parametrize(
    ("app", "complaint"),
    [
        ("replace --in lo --replace a=bb", "equally long"),
        ("stamp --in lo --id 256", "not in 0 to 255"),
        ("add1 --in nosuch", "cannot open nosuch"),
    ],
)
def test_wrong_arguments_are_said(app: str, complaint: str, lab: Lab) -> None:
    done = lab.exec("h1", ["sh", "-c", APP + app])
    assert done.returncode
    assert complaint in done.stderr
