"""The worker against checksums computed the long way, and against tshark, which reads the frames it made."""

from __future__ import annotations

import shutil
import struct
import subprocess
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from segue.lab.apps.add1 import add1
from segue.lab.apps.replace import replacing
from segue.lab.apps.wire import Worker

MACS = bytes.fromhex("0200000000020200000000 01".replace(" ", ""))
V4 = bytes([10, 0, 0, 1, 10, 0, 0, 2])
V6 = bytes.fromhex("fd00" + "00" * 13 + "01" + "fd00" + "00" * 13 + "02")
NSH = bytes.fromhex("0fc60103 000005ff".replace(" ", "")) + bytes(16)
MPLS = struct.pack("!II", 5 << 12 | 64, 255 << 12 | 1 << 8 | 64)


def ones_complement(data: bytes) -> int:
    """RFC 1071, word by word."""
    total = 0
    for i in range(0, len(data), 2):
        total += int.from_bytes(data[i : i + 2].ljust(2, b"\0"), "big")
        total = (total & 0xFFFF) + (total >> 16)
    return ~total & 0xFFFF


def segment(protocol: int, version: int, payload: bytes) -> bytes:
    addresses = V4 if version == 4 else V6
    if protocol == 17:
        head, check = struct.pack("!HHHH", 1000, 2000, 8 + len(payload), 0), 6
    else:
        head, check = struct.pack("!HHIIBBHHHI", 1000, 2000, 7, 9, 6 << 4, 16, 500, 0, 0, 0x01010100), 16
    whole = head + payload
    checksum = ones_complement(addresses + struct.pack("!HH", protocol, len(whole)) + whole)
    if protocol == 17 and checksum == 0:
        checksum = 0xFFFF
    return whole[:check] + checksum.to_bytes(2, "big") + whole[check + 2 :]


def packet(protocol: int, version: int, payload: bytes, fragment: int = 0) -> bytes:
    data = segment(protocol, version, payload)
    if version == 6:
        return struct.pack("!IHBB", 6 << 28, len(data), protocol, 64) + V6 + data
    head = struct.pack("!BBHHHBBH", 0x45, 0, 20 + len(data), 1, fragment, 64, protocol, 0) + V4
    return head[:10] + ones_complement(head).to_bytes(2, "big") + head[12:] + data


def ethernet(inner: bytes, kind: int | None = None) -> bytes:
    kind = kind or (0x0800 if inner[0] >> 4 == 4 else 0x86DD)
    return MACS + kind.to_bytes(2, "big") + inner


def passed(worker: Worker, frame: bytes, headroom: int = 4, partial: bool = False) -> bytes | None:
    buf = bytearray(headroom) + bytearray(frame) + bytearray(64)
    end = headroom + len(frame)
    return bytes(buf[headroom:end]) if worker(buf, headroom, end, partial) else None


@given(st.sampled_from([4, 6]), st.sampled_from([17, 6]), st.binary(min_size=1, max_size=200), st.integers(0, 30))
def test_a_changed_payload_has_the_checksum_of_one_so_sent(
    version: int, protocol: int, payload: bytes, padding: int
) -> None:
    worker = Worker(add1, tcp=True)
    frame = ethernet(packet(protocol, version, payload)) + bytes(padding)
    assert passed(worker, frame) == ethernet(packet(protocol, version, add1(payload))) + bytes(padding)


@given(st.sampled_from([4, 6]), st.sampled_from([17, 6]), st.binary(min_size=1, max_size=60))
def test_a_checksum_not_filled_in_is_filled_in(version: int, protocol: int, payload: bytes) -> None:
    good = ethernet(packet(protocol, version, payload))
    at = 14 + (20 if version == 4 else 40) + (6 if protocol == 17 else 16)
    raw = good[:at] + b"\xab\xcd" + good[at + 2 :]
    assert passed(Worker(lambda p: None), raw, partial=True) == good
    assert passed(Worker(add1, tcp=True), raw, partial=True) == ethernet(packet(protocol, version, add1(payload)))


def test_every_checksum_value_is_met() -> None:
    """All 65536 two-byte payloads, the ones whose sum comes out as 0 among them."""
    worker = Worker(add1)
    for value in range(0, 65536, 7):
        payload = value.to_bytes(2, "big")
        assert passed(worker, ethernet(packet(17, 4, payload))) == ethernet(packet(17, 4, add1(payload)))
    zero = next(p for p in (v.to_bytes(2, "big") for v in range(65536)) if segment(17, 4, add1(p))[6:8] == b"\xff\xff")
    assert passed(worker, ethernet(packet(17, 4, zero))) == ethernet(packet(17, 4, add1(zero)))


def test_no_checksum_stays_none_and_a_wrong_one_stays_wrong() -> None:
    frame = ethernet(packet(17, 4, b"abcd"))
    check = slice(14 + 20 + 6, 14 + 20 + 8)
    out = passed(Worker(add1), frame[: check.start] + b"\0\0" + frame[check.stop :])
    assert out is not None
    assert out[check] == b"\0\0"
    off = (int.from_bytes(frame[check], "big") ^ 0x0100).to_bytes(2, "big")
    out = passed(Worker(add1), frame[: check.start] + off + frame[check.stop :])
    assert out is not None
    assert out[check] != ethernet(packet(17, 4, b"bcde"))[check]


@pytest.mark.parametrize("version", [4, 6])
def test_nsh(version: int) -> None:
    inner = packet(17, version, b"abc")
    base = NSH[:3] + bytes([1 if version == 4 else 2]) + NSH[4:]
    out = passed(Worker(add1, "nsh"), ethernet(base + inner, 0x894F))
    assert out == MACS[6:] + MACS[:6] + b"\x89\x4f" + base[:7] + b"\xfe" + base[8:] + packet(17, version, b"bcd")
    out = passed(Worker(add1, "nsh"), ethernet(NSH + ethernet(inner), 0x894F))
    assert out is not None
    assert out.endswith(ethernet(packet(17, version, b"bcd")))


def test_nsh_drops_what_it_must() -> None:
    inner = ethernet(packet(17, 4, b"abc"))
    worker = Worker(add1, "nsh")
    assert passed(worker, inner) is None
    assert passed(worker, ethernet(NSH[:7] + b"\0" + NSH[8:] + inner, 0x894F)) is None
    assert passed(worker, ethernet(b"\x2f" + NSH[1:] + inner, 0x894F)) is None


def test_mpls() -> None:
    worker = Worker(add1, "mpls")
    out = passed(worker, ethernet(MPLS + packet(17, 4, b"abc"), 0x8847))
    lowered = struct.pack("!II", 5 << 12 | 64, 254 << 12 | 1 << 8 | 64)
    assert out == ethernet(lowered + packet(17, 4, b"bcd"), 0x8847)
    arp_like = ethernet(MPLS + b"\x00" * 30, 0x8847)
    assert passed(worker, arp_like) == arp_like.replace(MPLS, lowered)
    zero = struct.pack("!II", 5 << 12 | 64, 0 << 12 | 1 << 8 | 64)
    assert passed(worker, ethernet(zero + packet(17, 4, b"abc"), 0x8847)) is None
    alone = struct.pack("!I", 5 << 12 | 1 << 8 | 64)
    assert passed(worker, ethernet(alone + packet(17, 4, b"abc"), 0x8847)) is None


@pytest.mark.parametrize("fragment", [0x2000, 0x00B9])
def test_fragments_and_other_protocols_pass_unchanged(fragment: int) -> None:
    worker = Worker(add1)
    for frame in (
        ethernet(packet(17, 4, b"abcd", fragment)),
        ethernet(packet(6, 4, b"abcd")),
        ethernet(b"\x00" * 28, 0x0806),
    ):
        assert passed(worker, frame) == frame


@given(st.binary(max_size=80))
def test_nonsense_raises_nothing(data: bytes) -> None:
    for encapsulation, kind in (("none", 0x0800), ("nsh", 0x894F), ("mpls", 0x8847)):
        passed(Worker(add1, encapsulation), ethernet(data or b"\0", kind))
        passed(Worker(add1, encapsulation, tcp=True), data)


def test_vlan_and_extension_headers_are_stepped_over() -> None:
    inner = packet(17, 4, b"abc")
    frame = MACS + bytes.fromhex("81000064 0800".replace(" ", "")) + inner
    assert passed(Worker(add1), frame) == frame.replace(inner, packet(17, 4, b"bcd"))
    assert passed(Worker(add1), with_option(b"abc")) == with_option(b"bcd")


def with_option(payload: bytes) -> bytes:
    plain = packet(17, 6, payload)
    padding = bytes([17, 0, 1, 4, 0, 0, 0, 0])
    head = plain[:4] + (len(plain) - 40 + 8).to_bytes(2, "big") + b"\0" + plain[7:40]
    return ethernet(head + padding + plain[40:])


@pytest.mark.skipif(shutil.which("tshark") is None, reason="tshark is not installed")
def test_tshark_finds_the_checksums_good(tmp_path: Path) -> None:
    """A capture of plain, NSH and MPLS frames, changed by the workers, read by a party that knows them all."""
    text = b"the dragonflow of dragonflow!"
    swap = replacing([(b"dragonflow", b"DRAGONFLOW")])
    frames = []
    for version in (4, 6):
        for protocol in (17, 6):
            inner = packet(protocol, version, text)
            for encapsulation, frame in (
                ("none", ethernet(inner)),
                ("nsh", ethernet(NSH + ethernet(inner), 0x894F)),
                ("mpls", ethernet(MPLS + inner, 0x8847)),
            ):
                out = passed(Worker(swap, encapsulation, tcp=True), frame)
                assert out is not None
                frames.append(out)
    capture = tmp_path / "frames.pcap"
    capture.write_bytes(
        struct.pack("<IHHiIII", 0xA1B2C3D4, 2, 4, 0, 0, 65535, 1)
        + b"".join(struct.pack("<IIII", 0, i, len(f), len(f)) + f for i, f in enumerate(frames))
    )
    options = ["-o", "udp.check_checksum:TRUE", "-o", "tcp.check_checksum:TRUE", "-T", "fields", "-E", "separator=/s"]
    fields = ["udp.checksum.status", "tcp.checksum.status", "nsh.si", "mpls.label", "udp.payload", "tcp.payload"]
    argv = ["tshark", "-r", str(capture), *options, *(a for f in fields for a in ("-e", f))]
    lines = subprocess.run(argv, capture_output=True, text=True, check=True).stdout.splitlines()
    assert len(lines) == 12
    wanted = text.replace(b"dragonflow", b"DRAGONFLOW").hex()
    for number, line in enumerate(lines):
        kind = ("none", "nsh", "mpls")[number % 3]
        index = {"none": [], "nsh": ["254"], "mpls": ["5,254"]}[kind]
        assert line.split() == ["1", *index, wanted]
