"""`segue openflow decode` and `encode` on bytes that others made, in every form in which they come."""

from __future__ import annotations

import json
import random
import socket
import subprocess
import sys
import threading
import time
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest
from cli_session import Session
from openflow_captures import ACK, FIN, RST, SWITCH, Segment, conversation, frame, pcap, pcapng

from segue.cli.openflow_capture import CaptureError, packets
from segue.cli.openflow_frames import Frames, plausible
from segue.openflow import EchoRequest, FeaturesRequest, FlowMod, Hello, codec
from segue.openflow.wire import V13

FEATURES = "0105000800000000"
HELLO, ASK, MOD, ECHO = (
    codec.encode(message, xid, V13)
    for xid, message in enumerate((Hello(), FeaturesRequest(), FlowMod({"in_port": 3}), EchoRequest(bytes(5000))), 1)
)
SAID = [("switch", HELLO), ("controller", HELLO), ("controller", ASK + MOD), ("switch", ECHO), ("controller", MOD)]
TYPES = ["OFPT_HELLO", "OFPT_HELLO", "OFPT_FEATURES_REQUEST", "OFPT_FLOW_MOD", "OFPT_ECHO_REQUEST", "OFPT_FLOW_MOD"]


@pytest.fixture
def openflow(nowhere: Session) -> Any:
    return lambda *words, stdin="": nowhere("openflow", *words, stdin=stdin)


def objects(out: str) -> list[dict[str, Any]]:
    return [json.loads(line) for line in out.splitlines()]


def types(out: str) -> list[Any]:
    return [obj.get("type") for obj in objects(out)]


# -- words, text, files -----------------------------------------------------------------------------------------------


def test_words(openflow: Any) -> None:
    assert objects(openflow("decode", FEATURES).out) == [{"version": "1.0", "type": "OFPT_FEATURES_REQUEST", "xid": 0}]
    assert types(openflow("decode", "01 05 00 08", "00 00 00 00").out) == ["OFPT_FEATURES_REQUEST"]
    assert types(openflow("decode", "0x" + FEATURES + FEATURES, FEATURES.upper()).out) == ["OFPT_FEATURES_REQUEST"] * 3


def test_what_is_no_message_is_told_and_the_rest_goes_on(openflow: Any) -> None:
    ran = openflow("decode", FEATURES, "0105000c00000000", "0105000300000000", "6305000800000000", FEATURES)
    assert ran.status == 1
    found = objects(ran.out)
    assert [obj.get("offset") for obj in found] == [None, 8, 16, 24, None]
    assert [obj.get("undecoded") for obj in found[1:4]] == ["0105000c00000000", "0105000300000000", "6305000800000000"]
    assert "12 octets, and 8 are there" in found[1]["reason"]
    assert found[3]["error"] == "OFPBRC_BAD_VERSION"
    assert "offset 16: a header says 3 octets" in ran.err


def test_a_message_that_is_wrong_inside_is_passed_over(openflow: Any) -> None:
    wrong = bytearray(MOD)
    wrong[50] = 0xFF  # the match's length
    ran = openflow("decode", "-", stdin=bytes(HELLO + wrong + ASK))
    assert ran.status == 1
    assert types(ran.out) == ["OFPT_HELLO", None, "OFPT_FEATURES_REQUEST"]
    assert objects(ran.out)[1]["offset"] == 8


@pytest.mark.parametrize("words", [("zz",), ("010",), ("decode", "--pcap", "x", FEATURES), (FEATURES, "-")])
def test_mistakes(openflow: Any, words: tuple[str, ...]) -> None:
    ran = openflow("decode", *words)
    assert (ran.status, ran.out) == (2, "")
    assert ran.err.startswith("segue: ")


def test_text_of_other_tools(openflow: Any, tmp_path: Path) -> None:
    ovs = (
        "00000000  04 05 00 08 00 00 00 02-04 05 00 08 00 00 00 03 |................|\n"
        "00000010  04 05 00 08 00 00 00 04\n"
    )
    assert [obj["xid"] for obj in objects(openflow("decode", "-", stdin=ovs).out)] == [2, 3, 4]
    (tmp_path / "b").write_bytes(MOD)
    dumped = subprocess.run(["xxd", "b"], cwd=tmp_path, capture_output=True, text=True).stdout if _has("xxd") else ""
    if dumped:
        assert types(openflow("decode", "-", stdin=dumped).out) == ["OFPT_FLOW_MOD"]
    lines = f"# two\n{FEATURES}\n\n{FEATURES} # and one\n"
    assert len(objects(openflow("decode", stdin=lines).out)) == 2


def _has(program: str) -> bool:
    from shutil import which

    return which(program) is not None


def test_binary_files(openflow: Any, tmp_path: Path) -> None:
    path = tmp_path / "stream"
    path.write_bytes(HELLO + MOD + ECHO[:100])
    ran = openflow("decode", "--file", str(path))
    assert ran.status == 1 and types(ran.out) == ["OFPT_HELLO", "OFPT_FLOW_MOD", None]
    assert objects(ran.out)[2]["undecoded"] == ECHO[:100].hex()
    assert openflow("decode", "--file", str(tmp_path / "none")).status == 2
    assert openflow("decode", "-", stdin=b"").out == ""


def test_forms_of_output(openflow: Any) -> None:
    text = openflow("decode", MOD.hex(), "-o", "text").out
    assert text.startswith("OFPT_FLOW_MOD (1.3, xid 3)\n") and "match: in_port=3" in text
    assert max(map(len, text.splitlines())) <= 120
    import yaml

    assert yaml.safe_load(openflow("decode", MOD.hex(), "-o", "yaml").out)["match"] == {"in_port": 3}


def test_any_octets_are_answered_with_words(openflow: Any) -> None:
    chance = random.Random(7)
    for _ in range(200):
        data = bytearray(HELLO + MOD + ECHO[:60])
        for _ in range(chance.randrange(1, 6)):
            data[chance.randrange(len(data))] = chance.randrange(256)
        data[0] = 4  # or it may look like text
        ran = openflow("decode", "-", stdin=bytes(data))
        assert ran.status in (0, 1)
        assert "Traceback" not in ran.err and objects(ran.out)


# -- there and back ---------------------------------------------------------------------------------------------------


def test_encode_is_the_way_back(openflow: Any) -> None:
    broken = "0105000c00000000"
    decoded = openflow("decode", MOD.hex(), HELLO.hex(), broken, "6300000800000001").out
    ran = openflow("encode", stdin=decoded)
    assert (ran.status, ran.out.split()) == (0, [MOD.hex(), HELLO.hex(), broken, "6300000800000001"])
    listed = json.dumps(objects(decoded), indent=1)
    assert openflow("encode", "-", stdin=listed).out == ran.out
    assert openflow("encode", stdin=json.dumps(objects(decoded)[0], indent=2)).out == MOD.hex() + "\n"


def test_encode_to_binary() -> None:
    source = '{"version": "1.3", "type": "OFPT_BARRIER_REQUEST", "xid": 7}\n'
    command = [sys.executable, "-m", "segue", "openflow", "encode", "-o", "binary"]
    ran = subprocess.run(command, input=source.encode(), capture_output=True)
    assert ran.stdout == bytes.fromhex("0414000800000007")


@pytest.mark.parametrize(
    ("source", "words"),
    [
        ('{"version": "1.3", "type": "OFPT_HELO"}', ["line 1: type", "OFPT_HELLO"]),
        ('\n{"version": "1.3", "type": "OFPT_FLOW_MOD", "priority": -1}', ["line 2: OFPT_FLOW_MOD.priority"]),
        ("[{}, 3]", ["message 1: version"]),
        ("nonsense", ["line 1: this is not JSON"]),
        ("[" * 5000, ["not JSON"]),
        ('{"undecoded": 3}', ["undecoded"]),
        ('{"version": "1.0", "type": "OFPT_PORT_MOD", "port_no": 70000, "hw_addr": 0}', ["line 1", "16 bits"]),
    ],
)
def test_encode_says_what_is_wrong(openflow: Any, source: str, words: list[str]) -> None:
    ran = openflow("encode", stdin=source)
    assert (ran.status, ran.out) == (2, "")
    for word in words:
        assert word in ran.err


# -- captures ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("link", [1, 113, 276, 101, 0, 108])
@pytest.mark.parametrize("make", [pcap, pcapng])
@pytest.mark.parametrize("order", ["<", ">"])
def test_captures(openflow: Any, tmp_path: Path, link: int, make: Any, order: str) -> None:
    path = tmp_path / "c"
    path.write_bytes(make([frame(s, link) for s in conversation(SAID)], link=link, order=order))
    ran = openflow("decode", "--pcap", str(path))
    assert (ran.status, ran.err) == (0, "")
    found = objects(ran.out)
    assert [obj["type"] for obj in found] == TYPES
    assert (found[0]["from"], found[0]["to"]) == ("10.0.0.2:40000", "10.0.0.1:6653")
    assert found[0]["time"] == "2023-11-14T22:13:22.250000Z" and found[0]["connection"] == 1
    assert found[4]["time"] == "2023-11-14T22:13:28.250000Z"  # when its last segment came
    assert openflow("decode", "--file", str(path)).out == ran.out


@pytest.mark.skipif(not _has("tshark"), reason="tshark is not installed")
@pytest.mark.parametrize("link", [1, 113, 276, 101, 0])
@pytest.mark.parametrize("make", [pcap, pcapng])
def test_wireshark_finds_the_same_in_captures(openflow: Any, tmp_path: Path, link: int, make: Any) -> None:
    path = tmp_path / "c"
    path.write_bytes(make([frame(s, link) for s in conversation(SAID, size=1000)], link=link))
    wanted = ["-T", "fields", "-e", "frame.time_epoch", "-e", "ip.src", "-e", "openflow_v4.type"]
    command = ["tshark", "-n", "-r", str(path), "-d", "tcp.port==6653,openflow", "-Y", "openflow_v4", *wanted]
    ran = subprocess.run(command, capture_output=True, text=True, timeout=60)
    theirs = [
        (int(float(time)), source, int(kind))
        for time, source, kinds in (line.split("\t") for line in ran.stdout.splitlines())
        for kind in kinds.split(",")
    ]
    numbers = {"OFPT_HELLO": 0, "OFPT_FEATURES_REQUEST": 5, "OFPT_FLOW_MOD": 14, "OFPT_ECHO_REQUEST": 2}
    ours = [
        (int(datetime.fromisoformat(obj["time"]).timestamp()), obj["from"].partition(":")[0], numbers[obj["type"]])
        for obj in objects(openflow("decode", "--pcap", str(path)).out)
    ]
    assert ours == theirs and len(ours) == len(TYPES)


def test_more_kinds_of_captures(openflow: Any, tmp_path: Path) -> None:
    segments = conversation(SAID)
    made = {
        "nano": pcap([frame(s) for s in segments], nano=True),
        "simple": pcapng([frame(s) for s in segments], simple=True),
        "tagged": pcap([frame(s, tags=(7, 8)) for s in segments]),
        "six": pcap([frame(s) for s in conversation(SAID, six=True)]),
        "small": pcap([frame(s) for s in conversation(SAID, size=3)]),
    }
    for name, data in made.items():
        (tmp_path / name).write_bytes(data)
        ran = openflow("decode", "--pcap", str(tmp_path / name))
        assert (ran.status, types(ran.out)) == (0, TYPES), name
        if name not in ("simple", "small"):  # the one has no times, the other later ones
            assert objects(ran.out)[0]["time"] == "2023-11-14T22:13:22.250000Z"
    six = objects(openflow("decode", "--pcap", str(tmp_path / "six")).out)
    assert six[0]["from"] == "[2001:db8::2]:40000"
    assert types(openflow("decode", "--pcap", "-", stdin=made["nano"]).out) == TYPES


def test_tcp_is_put_in_order(openflow: Any, tmp_path: Path) -> None:
    chance = random.Random(3)
    path = tmp_path / "c"
    for size in (7, 100):
        head, body = conversation(SAID, size=size)[:2], conversation(SAID, size=size)[2:]
        body += chance.choices(body, k=20)  # retransmissions
        body += [Segment(s.source, s.destination, s.sequence, s.data + s.data) for s in ()]
        chance.shuffle(body)
        path.write_bytes(pcap([frame(s) for s in [*head, *body]]))
        ran = openflow("decode", "--pcap", str(path))
        assert (ran.status, ran.err) == (0, "")
        assert sorted(types(ran.out)) == sorted(TYPES)


def test_overlapping_retransmissions(openflow: Any, tmp_path: Path) -> None:
    first, second = conversation([("switch", HELLO + MOD)], size=20)[2:4]
    joined = Segment(first.source, first.destination, first.sequence + 10, first.data[10:] + second.data)
    rest = conversation([("switch", HELLO + MOD)], size=20)[2:]
    path = tmp_path / "c"
    path.write_bytes(pcap([frame(s) for s in [*conversation([])[:2], first, joined, *rest]]))
    assert types(openflow("decode", "--pcap", str(path)).out) == ["OFPT_HELLO", "OFPT_FLOW_MOD"]


def test_what_was_not_captured_is_told(openflow: Any, tmp_path: Path) -> None:
    segments = conversation([("switch", HELLO), ("switch", ECHO), ("switch", MOD), ("switch", MOD)])
    path = tmp_path / "c"
    path.write_bytes(pcap([frame(s) for n, s in enumerate(segments) if n != 4]))  # within the echo
    ran = openflow("decode", "--pcap", str(path))
    assert ran.status == 1 and "1400 octets are not in the capture" in ran.err
    assert types(ran.out) == ["OFPT_HELLO", None, None, None, "OFPT_FLOW_MOD", "OFPT_FLOW_MOD"]


def test_a_capture_that_begins_within_a_connection(openflow: Any, tmp_path: Path) -> None:
    segments = conversation([("switch", ECHO), ("switch", MOD + HELLO), ("controller", ASK)], syn=False)
    path = tmp_path / "c"
    path.write_bytes(pcap([frame(s) for s in segments[1:]]))
    ran = openflow("decode", "--pcap", str(path))
    assert [kind for kind in types(ran.out) if kind] == ["OFPT_FLOW_MOD", "OFPT_HELLO", "OFPT_FEATURES_REQUEST"]
    assert ran.status == 1 and "the beginning of the connection is not in the capture" in ran.err


def test_packets_that_were_cut_are_told(openflow: Any, tmp_path: Path) -> None:
    path = tmp_path / "c"
    path.write_bytes(pcap([frame(s) for s in conversation(SAID)], snaplen=96))
    ran = openflow("decode", "--pcap", str(path))
    assert ran.status == 1
    assert "tcpdump -s 0" in ran.err and ran.err.count("tcpdump") == 1
    assert [kind for kind in types(ran.out) if kind] == ["OFPT_HELLO", "OFPT_HELLO", "OFPT_FEATURES_REQUEST"]


def test_connections_one_after_another(openflow: Any, tmp_path: Path) -> None:
    one = conversation([("switch", HELLO + MOD[:20])])
    reset = Segment(SWITCH, one[0].destination, one[-1].sequence + 28, flags=RST | ACK)
    ended = Segment(SWITCH, one[0].destination, one[-1].sequence + 28, flags=FIN | ACK)
    for end in ([reset], [ended], []):
        path = tmp_path / "c"
        path.write_bytes(pcap([frame(s) for s in [*one, *end, *conversation([("switch", ASK)])]]))
        found = objects(openflow("decode", "--pcap", str(path)).out)
        assert [(obj["connection"], obj.get("type")) for obj in found] == [
            (1, "OFPT_HELLO"),
            (1, None),
            (2, "OFPT_FEATURES_REQUEST"),
        ]


def test_other_ports(openflow: Any, tmp_path: Path) -> None:
    path = tmp_path / "c"
    path.write_bytes(
        pcap([frame(s._replace(destination=("10.0.0.1", 9999))) for s in conversation([("switch", ASK)])[2:]])
    )
    ran = openflow("decode", "--pcap", str(path))
    assert ran.status == 1 and "6633, 6653" in ran.err
    assert "OFPT_FEATURES_REQUEST" in openflow("decode", "--pcap", str(path), "--port", "9999").out
    assert openflow("decode", "--pcap", str(path), "--port", "x").status == 2


def test_damaged_captures_end_with_words(openflow: Any, tmp_path: Path) -> None:
    chance = random.Random(5)
    path = tmp_path / "c"
    for make in (pcap, pcapng):
        whole = make([frame(s) for s in conversation(SAID)])
        for size in (3, 10, 30, 101, len(whole) - 5):
            path.write_bytes(whole[:size])
            ran = openflow("decode", "--pcap", str(path))
            assert ran.status == 1 and ran.err.startswith("segue: ")
        for _ in range(150):
            data = bytearray(whole)
            for _ in range(4):
                data[chance.randrange(4, len(data))] = chance.randrange(256)
            path.write_bytes(data)
            assert "Traceback" not in openflow("decode", "--pcap", str(path)).err
    path.write_bytes(b"hello, world")
    assert "neither a pcap nor a pcapng" in openflow("decode", "--pcap", str(path)).err


def test_a_packet_may_not_claim_what_it_likes() -> None:
    import io

    damaged = pcap([])[:24] + b"\0" * 8 + b"\xff\xff\xff\x7f" * 2
    with pytest.raises(CaptureError, match="claims"):
        list(packets(io.BytesIO(damaged)))


@pytest.mark.skipif(not _has("tcpdump") or not _has("ovs-ofctl"), reason="tcpdump or ovs-ofctl is not installed")
@pytest.mark.root
def test_what_tcpdump_captures_of_ovs_ofctl(openflow: Any, tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
        path = tmp_path / "c.pcap"
        dump = subprocess.Popen(
            ["tcpdump", "-i", "lo", "-U", "-w", str(path), "tcp", "port", str(port)], stderr=subprocess.PIPE, text=True
        )
        try:
            assert dump.stderr is not None
            while "listening on" not in (line := dump.stderr.readline()):
                assert line, "tcpdump ended"
            thread = threading.Thread(target=_switch, args=(listener,), daemon=True)
            thread.start()
            subprocess.run(
                [
                    "ovs-ofctl",
                    "--no-names",
                    "-O",
                    "OpenFlow13",
                    "add-flow",
                    f"tcp:127.0.0.1:{port}",
                    "in_port=7,actions=drop",
                ]
            )
            thread.join(10)
            time.sleep(1)
        finally:
            dump.terminate()
            dump.wait(10)
    ran = openflow("decode", "--pcap", str(path), "--port", str(port))
    assert ran.status == 0
    mods = [obj for obj in objects(ran.out) if obj["type"] == "OFPT_FLOW_MOD"]
    assert [mod["match"] for mod in mods] == [{"in_port": 7}]


def _switch(listener: socket.socket) -> None:
    """Says hello, and answers the barrier."""
    peer, _ = listener.accept()
    with peer:
        peer.sendall(HELLO)
        frames = Frames()
        while data := peer.recv(65536):
            for found in frames.feed(data):
                if found.data[1] == 20:
                    peer.sendall(b"\x04\x15\0\x08" + found.data[4:8])
                elif found.data[1] == 18:
                    size = 12 + len(found.data)
                    peer.sendall(b"\x04\x01" + size.to_bytes(2, "big") + found.data[4:8] + b"\0\1\0\1" + found.data)


# -- live peers -------------------------------------------------------------------------------------------------------


def test_a_live_peer_that_calls() -> None:
    command = [sys.executable, "-m", "segue", "openflow", "decode", "--listen", "ptcp:0:127.0.0.1", "-o", "json"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        assert process.stderr is not None and process.stdout is not None
        port = int(process.stderr.readline().split("ptcp:")[1].split(":")[0])
        with socket.create_connection(("127.0.0.1", port)) as peer:
            peer.sendall(HELLO + MOD[:9])
            assert json.loads(process.stdout.readline())["type"] == "OFPT_HELLO"
            peer.sendall(MOD[9:])
            assert json.loads(process.stdout.readline())["match"] == {"in_port": 3}
        assert process.wait(10) == 0


def test_a_live_peer_that_is_called(openflow: Any, tmp_path: Path) -> None:
    path = tmp_path / "s"
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(path))
        listener.listen()

        def serve() -> None:
            peer, _ = listener.accept()
            with peer:
                peer.sendall(HELLO + ASK)

        thread = threading.Thread(target=serve)
        thread.start()
        ran = openflow("decode", "--connect", f"unix:{path}")
        thread.join(10)
    assert types(ran.out) == ["OFPT_HELLO", "OFPT_FEATURES_REQUEST"]
    assert openflow("decode", "--connect", f"unix:{path}-").status == 1
    assert openflow("decode", "--connect", "nonsense").status == 2
    ran = openflow("decode", "--connect", "ssl:192.0.2.1:1")
    assert ran.status == 2 and "TLS needs --certificate, --key and --ca" in ran.err
    ran = openflow("decode", "0105000800000000", "--certificate", "x", "--key", "x", "--ca", "x")
    assert ran.status == 2 and "--connect ssl:" in ran.err


# -- framing ----------------------------------------------------------------------------------------------------------


def test_frames_do_not_depend_on_how_the_octets_come() -> None:
    whole = HELLO + MOD + ECHO + ASK
    for size in (1, 3, 8, 1000, len(whole)):
        frames = Frames()
        found = [one for at in range(0, len(whole), size) for one in frames.feed(whole[at : at + size])]
        assert [one.data for one in found] == [HELLO, MOD, ECHO, ASK] and frames.finish() == []
        assert [one.offset for one in found] == [0, 8, 8 + len(MOD), 8 + len(MOD) + len(ECHO)]


def test_plausible_beginnings() -> None:
    assert plausible(HELLO) and plausible(HELLO + MOD + b"\4") and plausible(ECHO[:20])
    assert not plausible(b"") and not plausible(bytes(20)) and not plausible(HELLO[:7]) and not plausible(ECHO[9:30])
