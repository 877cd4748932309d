"""Wireshark's dissector (`tshark`) over OpenFlow messages.

All messages go into one capture, each as a TCP connection of its own so that a wrong length cannot swallow its
neighbour, and tshark runs once. PDML is read instead of JSON: it keeps repeated fields, and in order.

Wireshark dissects 1.0, 1.3, 1.4 and 1.5 (`VERSIONS`) and leaves 1.1 and 1.2 as data. It is a judge of what it knows
only. As of 4.0 it leaves the bodies of all experimenters' actions, fields and messages (`undissected`); at properties
of experimenters in 1.4 and 1.5 it stops with the mark of a malformed packet; and its 1.5 is young: it stops at OXM
fields of the basic class, and reads buckets as 1.4 has them. What it reads before the mark counts.
"""

import os
import re
import shutil
import subprocess
import tempfile
import xml.etree.ElementTree as ElementTree
from collections.abc import Sequence
from pathlib import Path
from struct import pack
from typing import NamedTuple

VERSIONS = (1, 4, 5, 6)
_TIMEOUT = 120.0
_SEGMENT = 60_000


class Dissection(NamedTuple):
    """`fields` are the values as the dissector shows them, by its field names (`openflow_v4.type`), in the message's
    order. `notes` are its expert marks but for those of TCP, `malformed` whether it ran out of bytes or met an error,
    `undissected` the names of what it leaves as bytes, `data` for the whole message."""

    fields: dict[str, list[str]]
    malformed: bool
    notes: list[str]
    undissected: list[str]

    def one(self, name: str) -> str:
        """The first value of a field, empty where the message has none."""
        return self.fields.get(name, [""])[0]


def available() -> str | None:
    return None if shutil.which("tshark") else "tshark is not installed"


def dissect(messages: Sequence[bytes], port: int = 6653) -> list[Dissection]:
    if not messages:
        return []
    with tempfile.TemporaryDirectory(prefix="segue-tshark-") as directory:
        path = Path(directory) / "messages.pcap"
        last = _capture(path, messages, port)
        command = ["tshark", "-n", "-r", str(path), "-d", f"tcp.port=={port},openflow", "-T", "pdml"]
        environment = {**os.environ, "WIRESHARK_CONFIG_DIR": directory}  # nobody's preferences
        ran = subprocess.run(command, capture_output=True, timeout=_TIMEOUT, env=environment)
    if ran.returncode != 0:
        raise RuntimeError(f"tshark: {ran.stderr.decode('utf-8', 'replace').strip()}")
    # tshark lets control characters through that XML does not know
    printed = re.sub(rb"[\x00-\x08\x0b\x0c\x0e-\x1f]", b"?", ran.stdout)
    packets = ElementTree.fromstring(printed).findall("packet")
    return [_dissection(packets[at]) for at in last]


def _dissection(packet: ElementTree.Element) -> Dissection:
    fields: dict[str, list[str]] = {}
    notes: list[str] = []
    undissected: list[str] = []
    malformed = False
    layers = [layer for layer in packet.findall("proto") if layer.get("name", "").startswith("openflow")]
    if not layers:
        undissected.append("data")
    for field in (field for layer in layers for field in layer.iter("field")):
        name, shown = field.get("name", ""), field.get("show", "")
        if name == "_ws.expert.message":
            notes.append(shown)
        elif name == "_ws.expert.group":
            malformed |= "Malformed" in field.get("showname", "")
        elif name.endswith(".undecoded"):
            undissected.append(name)
        elif name and not name.startswith("_ws."):
            fields.setdefault(name, []).append(shown)
    # a dissector that ran out of bytes leaves its mark beside or below the layer, as a protocol
    malformed |= any(layer.get("name") == "_ws.malformed" for layer in packet.iter("proto"))
    return Dissection(fields, malformed, notes, undissected)


def _capture(path: Path, messages: Sequence[bytes], port: int) -> list[int]:
    """Writes the capture; gives the number of each message's last packet."""
    records = [pack("<IHHiIII", 0xA1B2C3D4, 2, 4, 0, 0, 0x40000, 1)]
    last: list[int] = []
    frames = 0
    for number, data in enumerate(messages):
        source = b"\x0a" + (number + 1).to_bytes(3, "big")
        for start in range(0, max(1, len(data)), _SEGMENT):
            part = data[start : start + _SEGMENT]
            tcp = pack(">HHIIBBHHH", 40_000, port, 1 + start, 1, 5 << 4, 0x18, 0xFFFF, 0, 0)
            ip = pack(">BBHHHBBH4s4s", 0x45, 0, 40 + len(part), 0, 0, 64, 6, 0, source, b"\x0a\xff\xff\xfe")
            frame = bytes.fromhex("020000000002020000000001 0800") + ip + tcp + part
            records.append(pack("<IIII", number, 0, len(frame), len(frame)) + frame)
            frames += 1
        last.append(frames - 1)
    path.write_bytes(b"".join(records))
    return last
