"""Encoding and decoding: the messages that a controller handles most, by Segue and by os-ken, in microseconds.

Both run in this process, by turns; a figure is the best of the rounds, since what disturbs a loop of microseconds only
ever adds to it. What is decoded are octets that neither made. What is made and encoded must come out the same from
both, octet for octet, or there is no figure. Each is used the way that is quickest for it: addresses are integers for
Segue, and for os-ken octets in 1.0 and text later.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from importlib import import_module
from timeit import Timer
from typing import Any

from msgspec.structs import replace

from bench.cbench.build import os_ken
from bench.report import Table, figure, progress
from bench.samples import BUFFER, DESTINATION, FRAME, IN_PORT, OUT_PORT, SOURCE, V10, V13, V15, XID, samples
from segue.openflow import BarrierRequest, EchoReply, FlowMod, Output, PacketOut, decode, encode

NAMES = {V10: "1.0", V13: "1.3", V15: "1.5"}
Case = tuple[str, Callable[[], Any], Callable[[], Any]]


def run(quick: bool) -> list[Table]:
    rounds, seconds = (3, 0.01) if quick else (15, 0.03)
    _reach_os_ken()
    tables = []
    for version, name in NAMES.items():
        rows = []
        for what, ours, theirs in [*_decoding(version), *_encoding(version)]:
            progress(f"codec: {name}: {what}")
            best = _best(ours, theirs, rounds, seconds)
            rows.append([what, figure(best[0] * 1e6), figure(best[1] * 1e6), figure(best[1] / best[0])])
        note = f"Microseconds per message, the best of {rounds} rounds by turns, in one process."
        tables.append(Table(f"codec, OpenFlow {name}", ["", "Segue", "os-ken 4.2.2", "times"], rows, note))
    return tables


def _best(ours: Callable[[], Any], theirs: Callable[[], Any], rounds: int, seconds: float) -> tuple[float, float]:
    timers = [(timer, max(1, int(seconds / _once(timer)))) for timer in (Timer(ours), Timer(theirs))]
    times = [[timer.timeit(count) / count for timer, count in timers] for _ in range(rounds)]
    return min(one[0] for one in times), min(one[1] for one in times)


def _once(timer: Timer) -> float:
    timer.timeit(1)  # what is made at first use
    return timer.timeit(10) / 10


def _reach_os_ken() -> None:
    """Its packages, behind ours: they are of the same interpreter."""
    packages = next((os_ken().parent.parent / "lib").glob("python*/site-packages"))
    if str(packages) not in sys.path:
        sys.path.append(str(packages))


def _datapath(version: int) -> Any:
    return import_module("os_ken.ofproto.ofproto_protocol").ProtocolDesc(version)


def _decoding(version: int) -> list[Case]:
    datapath, parse = _datapath(version), import_module("os_ken.ofproto.ofproto_parser").msg
    cases: list[Case] = []
    for name, data in samples(version).items():
        message, xid, read = decode(data)
        if encode(message, xid, read) != data or type(message).__name__ == "UnknownMessage":
            raise AssertionError(f"{NAMES[version]} {name}: read as {str(message)[:300]}")
        kind, size = data[1], len(data)
        theirs = _parsing(parse, datapath, version, kind, size, data)
        if theirs() is None:
            raise AssertionError(f"{NAMES[version]} {name}: os-ken does not read it")
        cases.append((f"{name}: decode", _reading(data), theirs))
    return cases


def _reading(data: bytes) -> Callable[[], Any]:
    return lambda: decode(data)


def _parsing(parse: Any, datapath: Any, version: int, kind: int, size: int, data: bytes) -> Callable[[], Any]:
    return lambda: parse(datapath, version, kind, size, XID, data)


def _encoding(version: int) -> list[Case]:
    def flow_mod() -> bytes:
        match = {"in_port": IN_PORT, "eth_dst": DESTINATION, "eth_src": SOURCE}
        return encode(FlowMod(match, (Output(OUT_PORT),), priority=1, buffer_id=BUFFER), XID, version)

    def packet_out() -> bytes:
        return encode(PacketOut(in_port=IN_PORT, actions=(Output(OUT_PORT),), data=FRAME), XID, version)

    def echo_reply() -> bytes:
        return encode(EchoReply(b"12345678"), XID, version)

    def barrier() -> bytes:
        return encode(BarrierRequest(), XID, version)

    cases: list[Case] = []
    for name, ours in (
        ("flow-mod", flow_mod),
        ("packet-out", packet_out),
        ("echo reply", echo_reply),
        ("barrier", barrier),
    ):
        theirs = _theirs(name, version)
        # In 1.0 there are many ways to write that an IP address is not matched.
        if ours() != theirs() and _meaning(ours()) != _meaning(theirs()):
            raise AssertionError(f"{NAMES[version]} {name}: {ours().hex()} is not {theirs().hex()}")
        cases.append((f"{name}: make and encode", ours, theirs))
    return cases


def _meaning(octets: bytes) -> Any:
    """The message, without the spelling of a match that matches the same (`wildcards`)."""
    msg, *_ = decode(octets)
    match = getattr(msg, "match", None)
    return msg if match is None else replace(msg, match={k: v for k, v in match.items() if k != "wildcards"})


def _theirs(name: str, version: int) -> Callable[[], bytes]:
    datapath = _datapath(version)
    parser, constants = datapath.ofproto_parser, datapath.ofproto
    source, destination = SOURCE.to_bytes(6, "big"), DESTINATION.to_bytes(6, "big")
    source_text, destination_text = source.hex(":"), destination.hex(":")

    def made(message: Any) -> bytes:
        message.set_xid(XID)
        message.serialize()
        return bytes(message.buf)

    def flow_mod_10() -> bytes:
        match = parser.OFPMatch(in_port=IN_PORT, dl_src=source, dl_dst=destination)
        actions = [parser.OFPActionOutput(OUT_PORT, 0xFFFF)]
        return made(parser.OFPFlowMod(datapath, match, priority=1, buffer_id=BUFFER, actions=actions))

    def flow_mod() -> bytes:
        match = parser.OFPMatch(in_port=IN_PORT, eth_dst=destination_text, eth_src=source_text)
        actions = [parser.OFPActionOutput(OUT_PORT, 0xFFFF)]
        apply = parser.OFPInstructionActions(constants.OFPIT_APPLY_ACTIONS, actions)
        return made(
            parser.OFPFlowMod(
                datapath,
                priority=1,
                buffer_id=BUFFER,
                out_port=constants.OFPP_ANY,
                out_group=constants.OFPG_ANY,
                match=match,
                instructions=[apply],
            )
        )

    def packet_out() -> bytes:
        actions = [parser.OFPActionOutput(OUT_PORT, 0xFFFF)]
        at = parser.OFPMatch(in_port=IN_PORT) if version == V15 else IN_PORT
        return made(parser.OFPPacketOut(datapath, 0xFFFFFFFF, at, actions, FRAME))

    def echo_reply() -> bytes:
        return made(parser.OFPEchoReply(datapath, data=b"12345678") if version > V10 else _echo_10())

    def _echo_10() -> Any:
        message = parser.OFPEchoReply(datapath)
        message.data = b"12345678"
        return message

    def barrier() -> bytes:
        return made(parser.OFPBarrierRequest(datapath))

    of_name = {"packet-out": packet_out, "echo reply": echo_reply, "barrier": barrier}
    return (flow_mod_10 if version == V10 else flow_mod) if name == "flow-mod" else of_name[name]
