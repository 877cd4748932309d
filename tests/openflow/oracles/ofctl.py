"""ovs-ofctl as a decoder (`ofp-print`, `parse-actions`) and an encoder of parts (`parse-oxm -m`, `encode-hello` ...).

Most of these are Open vSwitch's undocumented testing commands, steady since 2.5. A process for each message would
cost some 10 ms: `ofp_print_many` gives one process a stream of messages with an echo request between two, whose
transaction number nobody else uses, and cuts the output there. What cannot stand in a stream, since its length field is
not that of the bytes, gets a process of its own.

Whole messages by ovs-ofctl as a controller are in `ofctl_wire`.
"""

import re
import shutil
import subprocess
from collections.abc import Sequence
from functools import cache
from struct import pack
from typing import Literal, NamedTuple

from .ovs_cases import BAD, changed

_TIMEOUT = 60.0
_ARGUMENT = 128 * 1024  # Linux: MAX_ARG_STRLEN
_MARK = 0xB1A5_0000
_MARK_TEXT = re.compile(r"^OFPT_ECHO_REQUEST \(xid=0xb1a5([0-9a-f]{4})\): 0 bytes of payload\n", re.MULTILINE)
_NOT_UNDERSTOOD = re.compile(
    r"\*\*\*|OpenFlow message is empty|OpenFlow packet too short|unknown data in hello|\(bad "
    r"|\bunknown (?:type|command|role|reason|action|property|message)\b"
)
_DUMP = re.compile(r"^[0-9a-f]{8}  ((?:[0-9a-f]{2}[ -]?){1,16})", re.MULTILINE)
_CODE = re.compile(r"^OpenFlow 1\.([0-5]): vendor (\w+), type (-?\d+), code (-?\d+)$", re.MULTILINE)


class Reading(NamedTuple):
    """A list of actions or a match as Open vSwitch reads it: its text, or the error that refuses it, and the bytes that
    it writes when it encodes again what it read."""

    text: str
    error: str
    again: bytes


def available() -> str | None:
    return None if shutil.which("ovs-ofctl") else "ovs-ofctl is not installed"


def run(*words: str, stdin: bytes = b"", check: bool = True) -> str:
    """ovs-ofctl's output. Its log stays on its own stream, which the error carries."""
    done = subprocess.run(["ovs-ofctl", *words], input=stdin, capture_output=True, timeout=_TIMEOUT)
    if check and done.returncode != 0:
        raise ValueError(f"ovs-ofctl {' '.join(words)[:200]}: {done.stderr.decode('utf-8', 'replace').strip()}")
    return done.stdout.decode("utf-8", "replace")


@cache
def version() -> tuple[int, ...]:
    found = re.search(r"\(Open vSwitch\) ([\d.]+)", run("--version"))
    return tuple(int(part) for part in found[1].split(".")) if found else ()


def ofp_print(data: bytes, verbosity: int = 2) -> str:
    if 2 * len(data) >= _ARGUMENT:
        raise ValueError(f"{len(data)} bytes do not fit an argument of the command line")
    return run("ofp-print", data.hex(), str(verbosity))


def ofp_print_many(messages: Sequence[bytes], verbosity: int = 2) -> list[str]:
    """As `ofp_print` for each, in few processes. `verbosity` is 2 or more."""
    if verbosity < 2:
        return [ofp_print(data, verbosity) for data in messages]
    texts: list[str | None] = [None] * len(messages)
    whole = [
        at
        for at, data in enumerate(messages)
        if len(data) >= 8 and int.from_bytes(data[2:4], "big") == len(data) and data[4:6] != b"\xb1\xa5"
    ]
    for start in range(0, len(whole), 0x8000):
        part = whole[start : start + 0x8000]
        stream = b"".join(messages[at] + pack(">BBHI", 1, 2, 8, _MARK | number) for number, at in enumerate(part))
        printed = run(*["-m"] * (verbosity - 2), "ofp-parse", "-", stdin=stream, check=False)
        pieces = _MARK_TEXT.split(printed)
        for number, (text, mark) in enumerate(zip(pieces[::2], pieces[1::2], strict=False)):
            if int(mark, 16) != number:
                break
            texts[part[number]] = text
    return [ofp_print(data, verbosity) if text is None else text for data, text in zip(messages, texts, strict=True)]


def understood(text: str) -> bool:
    """Whether Open vSwitch decoded all of a message: no decode error, nothing truncated, no part that it could not
    name. What an error message carries may be cut and of any version, so only the error itself is asked for."""
    if text.startswith("OFPT_ERROR"):
        text = text.partition("\n")[0]
    return bool(text) and _NOT_UNDERSTOOD.search(text) is None


def refusal(text: str) -> str:
    """The OpenFlow error (`OFPBRCBAD_LEN`) for which Open vSwitch refuses a message, empty where it does not."""
    if text.startswith("OFPT_ERROR"):
        text = text.partition("\n")[0]
    found = re.search(r"\*\*\*decode error: (\w+)\*\*\*", text)
    return found[1] if found else ""


def same(left: str, right: str) -> bool:
    """Whether two prints say the same but for spaces at the ends of lines."""
    return [line.rstrip() for line in left.rstrip().splitlines()] == [
        line.rstrip() for line in right.rstrip().splitlines()
    ]


def protocol(number: int) -> str:
    return f"OpenFlow1{number - 1}"


def parse_actions(
    number: int, lists: Sequence[bytes], kind: Literal["actions", "instructions"] = "actions", table: int = 0
) -> list[Reading]:
    """Each list of actions or instructions of one version as Open vSwitch reads and writes it, instructions as of a
    flow in `table`. An empty list reads as drop."""
    stdin = "".join(f"{table},{data.hex()}\n" for data in lists if data).encode()
    answers = iter(_answers(run(f"parse-{kind}", protocol(number), stdin=stdin)))
    readings = []
    for data in lists:
        if not data:
            readings.append(Reading("actions=drop", "", b""))
            continue
        said = next(answers)
        bad = BAD.match(said[0])
        readings.append(Reading(said[0], bad[1], b"") if bad else Reading(said[0], "", changed(data, said[1:])))
    return readings


def parse_fixed_match(number: int, matches: Sequence[bytes]) -> list[Reading]:
    """`ofp_match` of OpenFlow 1.0 (40 bytes) or 1.1 (88 bytes) as Open vSwitch reads and writes it."""
    stdin = "".join(f"{data.hex()}\n" for data in matches).encode()
    readings = []
    answers = _answers(run(f"parse-ofp1{number - 1}-match", stdin=stdin))
    for data, said in zip(matches, answers, strict=True):
        bad = BAD.match(said[0])
        readings.append(Reading(said[0], bad[1], b"") if bad else Reading(said[0], "", changed(data, said[1:])))
    return readings


def encode_match(number: int, texts: Sequence[str], strict: bool = True) -> list[Reading]:
    """Matches such as `OXM_OF_ETH_TYPE(0800), OXM_OF_IP_PROTO(06)`, encoded by Open vSwitch: from OpenFlow 1.2 on
    `ofp_match` with its header and padding, before that NXM's bare fields, padded. It goes over its own structure, so
    that `text` may differ from what came in (an unmasked field for one with a full mask; extension fields that a
    version has made its own)."""
    command = ["parse-nxm"] if number < 3 else ["parse-oxm", protocol(number)]
    words = ["-m", *(["--strict"] if strict else []), *command]
    # one empty line after each: it is echoed, and so ends the answer before it
    printed = run(*words, stdin="".join(f"{text}\n\n" for text in texts).encode())
    readings = []
    for text, answer in zip(texts, printed.split("\n\n"), strict=False):
        head, _, dump = answer.lstrip("\n").partition("\n")
        error = head.removeprefix("nx_pull_match() returned error ")
        if error != head:
            readings.append(Reading("", error, b""))
        else:
            readings.append(Reading(head, "", undump(dump)))
        assert head, text
    return readings


def encode_hello(versions: Sequence[int]) -> bytes:
    """A hello with a bitmap of these wire versions; the header has the highest."""
    bitmap = sum(1 << number for number in versions)
    return undump(run("encode-hello", hex(bitmap)))


def encode_error(name: str, request: bytes) -> bytes:
    """The error message `name` (`OFPBRCBAD_LEN`) as an answer to `request`, in the version of its header."""
    return undump(run("encode-error-reply", name, request.hex()))


def error_codes(name: str) -> dict[int, tuple[int, int, int]]:
    """Experimenter (0 where standard), type and code of an error, by wire version."""
    found = _CODE.findall(run("print-error", name))
    return {int(minor) + 1: (int(vendor, 0), int(kind), int(code)) for minor, vendor, kind, code in found}


def undump(text: str) -> bytes:
    """The bytes of a hexadecimal dump."""
    return b"".join(bytes.fromhex(found[1].replace("-", " ")) for found in _DUMP.finditer(text))


def _answers(printed: str) -> list[list[str]]:
    return [block.splitlines() for block in printed.strip("\n").split("\n\n")] if printed.strip() else []
