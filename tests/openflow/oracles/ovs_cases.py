"""Open vSwitch's own test cases of OpenFlow bytes and their meaning.

`print_cases`: whole messages and what `ovs-ofctl ofp-print` says of them (ofp-print.at, ofp-errors.at).
`action_cases`: lists of actions or instructions of one version, with their text or the error that refuses them, and the
bytes that Open vSwitch writes when it encodes again what it read (ofp-actions.at). `match_cases`: the same of matches,
in OpenFlow 1.0's and 1.1's fixed layouts as bytes, in NXM and OXM as text (ovs-ofctl.at). `sent_cases`: valid
messages that tests of the switch send in hex. `fuzz_cases`: streams that once broke Open vSwitch's decoder.
"""

import re
import shlex
from functools import cache
from typing import Literal, NamedTuple

from . import autotest

available = autotest.available

_ERROR = re.compile(r"decode error: (\w+)")
BAD = re.compile(r"bad [\w ]+: (\w+)$")
_CHANGE = re.compile(r"^(normal: )? *(\d+): (\(none\)|[0-9a-f]{2}) -> (\(none\)|[0-9a-f]{2})$")
_VERSION = re.compile(r"OpenFlow1([0-5])")
_REFUSED = "nx_pull_match() returned error "


class Case(NamedTuple):
    """`text` is all of ovs-ofctl's output; `error` is the OpenFlow error for which it refuses the message, or empty.
    Where the test looks for no more than the error, `text` is empty."""

    name: str
    data: bytes
    text: str
    error: str
    verbosity: int = 2

    @property
    def whole(self) -> bool:
        return len(self.data) >= 8 and int.from_bytes(self.data[2:4], "big") == len(self.data)


class ActionCase(NamedTuple):
    """`again` is what Open vSwitch encodes from what it read, the same as `data` unless it puts something right or
    leaves something out; it is empty where `error` says that the list is refused. `table` is the flow table that
    instructions stand in. `log` holds the warnings."""

    name: str
    kind: Literal["actions", "instructions"]
    version: int
    table: int
    data: bytes
    text: str
    error: str
    again: bytes
    log: tuple[str, ...]


class MatchCase(NamedTuple):
    """Fixed layouts: `data`, with the bits that a reader must ignore set in `ignored`, `text` as ovs-ofctl prints it
    and `again` as it encodes it. NXM and OXM: `source` is the text put in, `text` what comes back after decoding and
    encoding. `strict` says whether unknown fields are errors or are skipped."""

    name: str
    form: Literal["ofp10", "ofp11", "nxm", "oxm"]
    version: int
    source: str
    data: bytes
    ignored: bytes
    text: str
    error: str
    again: bytes
    strict: bool


@cache
def print_cases() -> list[Case]:
    cases: list[Case] = []
    for script in sorted(name for name in autotest.files() if name.endswith(".at")):
        for call in autotest.calls(script):
            if call.macro == "AT_CHECK" and "ofp-print" in call.arguments[0]:
                case = _print_case(call)
                if case is not None:
                    cases.append(case)
    return cases


def _print_case(call: autotest.Call) -> Case | None:
    words = shlex.split(call.arguments[0].replace("\\\n", " "))
    at = words.index("ofp-print") + 1
    if words[at] == "-":  # made by a shell program: no bytes to read here
        return None
    rest = words[at + 1 :]
    text = call.arguments[2] if len(call.arguments) > 2 else ""
    found = _ERROR.search(text)
    error = found[1] if found else ""
    if "|" in rest:
        error = rest[-1] if "grep" in rest else error
        text = ""
    verbosity = int(rest[0]) if rest and rest[0].isdigit() else 2
    return Case(call.title, bytes.fromhex(words[at]), text, error, verbosity)


@cache
def action_cases() -> list[ActionCase]:
    cases: list[ActionCase] = []
    data = ""
    for call in autotest.calls("ofp-actions.at"):
        if call.macro == "AT_DATA":
            data = call.arguments[1]
        command = re.search(r"parse-(actions|instructions) OpenFlow1([0-5])", call.arguments[0])
        if call.macro != "AT_CHECK" or command is None:
            continue
        kind: Literal["actions", "instructions"] = "actions" if command[1] == "actions" else "instructions"
        for said, log, line in blocks(data):
            table, _, digits = line.rpartition(",")
            raw = bytes.fromhex(digits)
            bad = BAD.match(said[0])
            again = b"" if bad else changed(raw, said[1:])
            error = bad[1] if bad else ""
            number = int(command[2]) + 1
            cases.append(
                ActionCase(call.title, kind, number, int(table or 0), raw, said[0], error, again, tuple(log)),
            )
    return cases


@cache
def match_cases() -> list[MatchCase]:
    cases: list[MatchCase] = []
    data = ""
    for call in autotest.calls("ovs-ofctl.at"):
        if call.macro == "AT_DATA":
            data = call.arguments[1]
        if call.macro != "AT_CHECK":
            continue
        command = call.arguments[0]
        fixed = re.search(r"parse-ofp1([01])-match", command)
        flexible = re.search(r"parse-(nx-match|oxm)\b.*<", command)
        if fixed:
            cases.extend(_fixed(call.title, int(fixed[1]), data))
        elif flexible and " -m " not in command:
            version = _VERSION.search(command)
            form: Literal["nxm", "oxm"] = "oxm" if flexible[1] == "oxm" else "nxm"
            number = int(version[1]) + 1 if version else 1
            sources, answers = _lines(data), _lines(call.arguments[2])
            for source, answer in zip(sources, answers, strict=True):
                error = answer.removeprefix(_REFUSED) if answer.startswith(_REFUSED) else ""
                strict = "--strict" in command
                text = "" if error else answer
                cases.append(MatchCase(call.title, form, number, source, b"", b"", text, error, b"", strict))
    return cases


def _fixed(title: str, minor: int, text: str) -> list[MatchCase]:
    cases = []
    form: Literal["ofp10", "ofp11"] = "ofp10" if minor == 0 else "ofp11"
    for said, _, line in blocks(text):
        digits = line.replace(" ", "")
        raw = bytes.fromhex(digits.replace("x", "0"))
        ignored = bytes.fromhex(re.sub(r"[0-9a-f]", "0", digits).replace("x", "f"))
        bad = BAD.match(said[0])
        again = b"" if bad else changed(raw, said[1:])
        error = bad[1] if bad else ""
        cases.append(MatchCase(title, form, minor + 1, "", raw, ignored, said[0], error, again, True))
    return cases


def blocks(text: str) -> list[tuple[list[str], list[str], str]]:
    """`# output`, `& log` and, last, the input of each case."""
    found = []
    said: list[str] = []
    log: list[str] = []
    for line in text.splitlines():
        if line.startswith("# "):
            said.append(line[2:])
        elif line.startswith("& "):
            log.append(line[2:])
        elif line.strip():
            found.append((said, log, line.strip()))
            said, log = [], []
    return found


def changed(data: bytes, differences: list[str]) -> bytes:
    """`data` with ovs-ofctl's list of differences applied. Those marked `normal:` are
    of a later step."""
    bytes_at: dict[int, int | None] = dict(enumerate(data))
    for difference in differences:
        found = _CHANGE.match(difference)
        assert found is not None, difference
        if not found[1]:
            bytes_at[int(found[2])] = None if found[4] == "(none)" else int(found[4], 16)
    return bytes(value for _, value in sorted(bytes_at.items()) if value is not None)


def _lines(text: str) -> list[str]:
    return [line.strip() for line in text.splitlines() if line.strip() and not line.startswith("#")]


@cache
def sent_cases() -> list[Case]:
    """Messages that tests send to a switch (no text is known; none is refused as malformed by all), each once."""
    found: dict[bytes, Case] = {}
    for script in sorted(name for name in autotest.files() if name.endswith(".at")):
        text = autotest.files()[script].decode("utf-8", "replace").replace("\\\n", " ")
        for sent in re.finditer(r"ofctl/send +(\"[0-9a-f\s]+\"|[0-9a-f]+(?: [0-9a-f]+)*)\s", text):
            for word in [sent[1].strip('"')] if sent[1].startswith('"') else sent[1].split():
                data = bytes.fromhex(word)
                case = Case(script, data, "", "")
                if case.whole:
                    found.setdefault(data, case)
    return list(found.values())


@cache
def fuzz_cases() -> list[tuple[str, bytes]]:
    """Streams (not single messages) on which a decoder of OpenFlow must neither fail nor loop."""
    return [(name, data) for name, data in sorted(autotest.files().items()) if "/ofp_print_fuzzer" in name]
