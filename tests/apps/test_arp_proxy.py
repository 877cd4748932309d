"""What the ARP proxy answers, and what it lets through. Frames are built by hand; tshark reads the answers."""

import subprocess
from pathlib import Path

import pytest

from openflow.channels import run, until
from openflow.controllers import Peer, running, up
from segue.apps import arp_proxy
from segue.apps.arp_proxy import LIFE, Hosts
from segue.openflow import CONTROLLER, V10, V13, V15, Output, PacketIn, PacketOut

ALL = "ff:ff:ff:ff:ff:ff"
ONE, TWO = ("02:00:00:00:00:01", "10.0.0.1"), ("02:00:00:00:00:02", "10.0.0.2")
NOBODY = "00:00:00:00:00:00"


def mac(text: str) -> bytes:
    return bytes.fromhex(text.replace(":", ""))


def ip(text: str) -> bytes:
    return bytes(map(int, text.split(".")))


def arp(operation: int, sender: tuple[str, str], target: tuple[str, str], to: str = ALL) -> bytes:
    head = mac(to) + mac(sender[0] if sender[0] != NOBODY else ONE[0]) + bytes.fromhex("0806 0001 0800 06 04 00")
    body = bytes([operation]) + mac(sender[0]) + ip(sender[1]) + mac(target[0]) + ip(target[1])
    return (head + body).ljust(60, b"\0")


def request(sender: tuple[str, str], address: str, to: str = ALL) -> bytes:
    return arp(1, sender, (NOBODY, address), to)


def knowing() -> Hosts:
    """Hosts of which the second was heard at 0."""
    hosts = Hosts()
    assert hosts.heard(arp(2, TWO, ONE, ONE[0]), 0.0) is None
    return hosts


def test_the_answer_is_what_the_owner_would_say(tmp_path: Path) -> None:
    answer = knowing().heard(request(ONE, TWO[1]), 1.0)
    assert answer == arp(2, TWO, ONE, ONE[0])
    text = tmp_path / "frame.txt"
    text.write_text("0000 " + answer.hex(" ") + "\n")
    subprocess.run(["text2pcap", "-q", text, tmp_path / "frame.pcap"], check=True, capture_output=True)
    fields = ("eth.dst", "eth.src", "arp.opcode", "arp.src.hw_mac", "arp.src.proto_ipv4", "arp.dst.hw_mac")
    shown = subprocess.run(
        ["tshark", "-r", tmp_path / "frame.pcap", "-Tfields", *(word for name in fields for word in ("-e", name))],
        check=True,
        capture_output=True,
        text=True,
    ).stdout.strip()
    assert shown.split("\t") == [ONE[0], TWO[0], "2", TWO[0], TWO[1], ONE[0]]


@pytest.mark.parametrize(
    ("frame", "why"),
    [
        (request(ONE, "10.0.0.3"), "nobody knows"),
        (request((ONE[0], "0.0.0.0"), TWO[1]), "a probe"),
        (request((ONE[0], TWO[1]), TWO[1]), "an announcement"),
        (request(ONE, TWO[1], TWO[0]), "it asks whether that one is still there"),
        (request((TWO[0], ONE[1]), TWO[1]), "it would be told of itself"),
        (arp(2, ONE, TWO, TWO[0]), "a reply"),
        (arp(3, ONE, TWO), "an operation that is none"),
        (request(ONE, TWO[1])[:41], "too short"),
        (request(ONE, TWO[1]).replace(b"\x08\x06\0\1", b"\x08\x06\0\6"), "not Ethernet"),
        (request(ONE, TWO[1]).replace(b"\x08\x06", b"\x08\x00"), "not ARP"),
        (b"", "nothing"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_what_is_not_answered(frame: bytes, why: str) -> None:
    assert knowing().heard(frame, 1.0) is None, why


def test_what_was_heard_is_believed_for_a_while() -> None:
    hosts = knowing()
    assert hosts.heard(request(ONE, TWO[1]), LIFE) is not None
    assert hosts.heard(request(ONE, TWO[1]), LIFE + 0.1) is None
    assert hosts.heard(request(ONE, TWO[1]), 1.0) is None, "it is forgotten then"


def test_an_address_that_moved_is_answered_with_the_new_owner() -> None:
    hosts = knowing()
    hosts.heard(arp(1, ("02:00:00:00:00:07", TWO[1]), (NOBODY, TWO[1])), 1.0)
    answer = hosts.heard(request(ONE, TWO[1]), 2.0)
    assert answer is not None
    assert answer[6:12] == mac("02:00:00:00:00:07")


@pytest.mark.parametrize("sender", ["03:00:00:00:00:01", ALL, NOBODY])
def test_senders_that_cannot_be_are_not_believed(sender: str) -> None:
    hosts = Hosts()
    hosts.heard(arp(2, (sender, TWO[1]), ONE), 0.0)
    assert hosts.known == {}


def test_memory_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(arp_proxy, "MOST", 10)
    hosts = Hosts()
    for n in range(100):
        hosts.heard(arp(2, (TWO[0], f"10.0.1.{n}"), ONE), 0.0)
        assert len(hosts.known) <= 10


@pytest.mark.parametrize("version", [V10, V13, V15])
def test_requests_are_answered_on_the_port_where_they_came_in(version: int) -> None:
    async def main() -> None:
        async with running([arp_proxy.app]) as (controller, target):
            peer = await up(controller, Peer(), target, version)
            peer.channel.send(PacketIn(in_port=2, data=arp(2, TWO, ONE)))
            peer.channel.send(PacketIn(in_port=1, data=request(ONE, TWO[1])))
            await until(lambda: bool(peer.got(PacketOut)))
            (out,) = peer.got(PacketOut)
            assert (out.in_port, out.actions, out.data) == (CONTROLLER, (Output(1),), arp(2, TWO, ONE, ONE[0]))

    run(main)
