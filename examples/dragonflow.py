"""The main job, start to end: a chain over three switches, shown on the wire.

A server answers what it was sent. A function on another node makes `dragonflow` in its answers `DRAGONFLOW`. First the
network without the chain, then with it. `make run` runs this; the commands that it shows are what you would type.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path

from segue import intent
from segue.lab.lab import Lab

FILE = Path(__file__).with_name("dragonflow.yaml")
SEGUE = [sys.executable, "-m", "segue"]
PORT = 2345
ASK = f"""
import socket
s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
s.settimeout(2)
s.sendto(b"here is dragonflow", ("10.0.0.20", {PORT}))
print(s.recv(2000).decode())
"""


def main() -> int:
    if os.geteuid() != 0:
        print("this makes network namespaces and switches: run it as root", file=sys.stderr)
        return 1
    name = FILE.relative_to(Path.cwd()) if FILE.is_relative_to(Path.cwd()) else FILE
    title("A network of three nodes, each with a switch of its own")
    segue("lab", "up", str(name))
    lab = Lab.load("dragonflow")

    title("Without the chain")
    document = intent.parse(FILE.read_bytes(), str(FILE))
    bare = {ref: value for ref, value in document.objects.items() if ref[0] not in ("chain", "classifier")}
    segue("delete", "chain", "loud", shown=False, fails=True)
    segue("apply", "-", stdin=intent.dump(bare, "yaml"), shown=f"segue apply -      # {name} but for its chain")
    before = ask(lab)

    title("With the chain")
    segue("apply", str(name))
    after, packets = watch(lab)

    title("The answer's way, as seen on the wire")
    print("\n".join(packets))

    title("What was counted")
    segue("status", "loud")

    title("So")
    print(f"  before   {before}\n  after    {after}")
    print(f"""
The network is still up. Try:
  segue trace 'server > client udp {PORT} > 40000'      which stages, hops and functions a packet meets
  segue status                                       how everything is
  segue flows n2                                     what node n2's switch holds
  segue lab exec --lab dragonflow client ping 10.0.0.20    a command in the client's place
  segue get chains -o yaml                           what is declared; change it, and segue apply it again
  make clean                                         remove all of it
(`segue` is .venv/bin/segue)""")
    return 0 if "DRAGONFLOW" in after and "DRAGONFLOW" not in before else 1


def title(text: str) -> None:
    print(f"\n== {text}", flush=True)


def segue(*arguments: str, stdin: str = "", shown: str | bool = True, fails: bool = False) -> None:
    """Run a command as a user would, and show it."""
    if shown:
        print(f"$ {shown if isinstance(shown, str) else 'segue ' + ' '.join(arguments)}", flush=True)
    quiet = subprocess.DEVNULL if fails else None
    done = subprocess.run([*SEGUE, *arguments], input=stdin, text=True, stdout=quiet, stderr=quiet)
    if done.returncode and not fails:
        raise SystemExit(done.returncode)


def ask(lab: Lab) -> str:
    print(f"$ segue lab exec client ...      # sends 'here is dragonflow' to 10.0.0.20, UDP port {PORT}", flush=True)
    done = lab.exec("client", [sys.executable, "-c", ASK])
    answer = done.stdout.strip() or f"no answer: {done.stderr.strip().splitlines()[-1]}"
    print(f"the server's answer: {answer}", flush=True)
    return answer


def watch(lab: Lab) -> tuple[str, list[str]]:
    """Ask again, with every link watched; returns the answer, and its packets in the order of time."""
    places = [(node.name, "ul0", f"{node.name} underlay, out") for node in lab.spec.nodes]
    places += [("upper", "upper-in", "function, in"), ("upper", "upper-out", "function, out")]
    places += [("server", "eth0", "server, out"), ("client", "eth0", "client, in")]
    with tempfile.TemporaryDirectory() as directory:
        running = [
            (label, lab.capture(member, Path(directory) / f"{number}.pcap", interface=interface, expression="udp"))
            for number, (member, interface, label) in enumerate(places)
        ]
        answer = ask(lab)
        seen = []
        for label, capture in running:
            seen += decode(capture.stop(), label, lab)
    return answer, [f"  {text}" for _, text in sorted(seen)]


def decode(path: Path, label: str, lab: Lab) -> list[tuple[float, str]]:
    """Each packet of the answer, by tshark: its time, and what it is, outermost header first."""
    # Port 2345 is also that of a protocol which tshark would see in it.
    command = ["tshark", "-r", str(path), "--disable-protocol", "knet", "-T", "json", "--no-duplicate-keys"]
    packets = json.loads(subprocess.run(command, capture_output=True, text=True).stdout or "[]")
    names = {node.address.split("/")[0]: node.name for node in lab.spec.nodes}
    found = []
    for packet in packets:
        layers = packet["_source"]["layers"]
        ips, udps = every(layers, "ip"), every(layers, "udp")
        if not ips or udps[-1]["udp.srcport"] != str(PORT):
            continue
        if label.endswith("underlay, out") and names.get(ips[0]["ip.src"]) != label.split()[0]:
            continue  # seen where it was sent; once is enough
        text = ""
        if "vxlan" in layers:
            text = f"to {names[ips[0]['ip.dst']]}, VNI {layers['vxlan']['vxlan.vni']} | "
        if "nsh" in layers:
            text += f"NSH path {layers['nsh']['nsh.spi']} index {layers['nsh']['nsh.si']} | "
        payload = bytes.fromhex(udps[-1]["udp.payload"].replace(":", "")).decode(errors="replace")
        ends = f"{ips[-1]['ip.src']}:{udps[-1]['udp.srcport']} > {ips[-1]['ip.dst']}:{udps[-1]['udp.dstport']}"
        found.append((float(layers["frame"]["frame.time_epoch"]), f"{label:<17} {text}{ends} '{payload}'"))
    return found


def every(layers: dict[str, object], name: str) -> list[dict[str, str]]:
    """A protocol's layers, outermost first: tshark gives one, or a list where it occurs again."""
    value = layers.get(name, [])
    return value if isinstance(value, list) else [value]  # type: ignore[list-item]


if __name__ == "__main__":
    sys.exit(main())
