"""Which of the parties that we did not write has judged what, by message and version.

    python -m tests.openflow.coverage > docs/openflow/coverage.md

Each cell is a message, an action or an instruction in one version. A letter stands in it when the judgement it stands
for was made, here and now, and was in our favour:

    K  os-ken's golden packets with it are read and written again octet for octet
    O  so are the messages and lists of actions of Open vSwitch's own tests
    s  ovs-ofctl wrote it, and it was read and written again octet for octet
    o  ovs-ofctl reads what we wrote, and prints our values
    k  os-ken reads what we wrote, with our values
    W  Wireshark dissects what we wrote, with our values
    N  a newer ovs-ofctl wrote it (octets kept since), and it was read with its values and written again octet for octet
    L  so was what PyLoxi wrote in OpenFlow 1.1 (octets kept since), in which oflib-node reads the same
    D  Open vSwitch's switch in dummy mode takes what we wrote, prints it by name, and gives it back

"none" is something that no party at hand knows in that version; `-` something that the version has not.
"""

from __future__ import annotations

import importlib
import pkgutil
import re
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import msgspec

from segue.openflow import codec
from segue.openflow.codec import CODEC
from segue.openflow.declare import MESSAGES, REPLIES, REQUESTS, Entry, Family, Message, Record
from segue.openflow.protocol.families import ACTION, INSTRUCTION
from segue.openflow.protocol.flow_mod import FlowMod
from segue.openflow.wire import V10, V11, V12, V13, V14, V15, VERSION_NAMES, VERSIONS, EncodeError, ProtocolError

from . import coverage_rare, protocol, samples
from .agreement import Agreement, with_os_ken, with_wireshark
from .oracles import dummy, ofctl, ofctl_wire, osken, ovs_cases, wireshark
from .protocol import action_samples
from .protocol.judged import XID, squeeze

Cell = tuple[type[Record], int]
Cells = dict[Cell, set[str]]
LETTERS = "KOsokWNLD"
ROOMS: tuple[tuple[str, Family], ...] = (
    ("Messages", MESSAGES),
    ("Multipart requests (statistics requests in 1.0 to 1.2)", REQUESTS),
    ("Multipart replies", REPLIES),
    ("Actions", ACTION),
    ("Instructions", INSTRUCTION),
)


def missing() -> str | None:
    """Why the table cannot be made, or None."""
    reasons = (party.available() for party in (osken, ovs_cases, ofctl, wireshark, dummy))
    return next((reason for reason in reasons if reason), None)


def cells() -> list[Cell]:
    """All that is declared, in each version that has it."""
    return [
        (record, version)
        for _, home in ROOMS
        for record, entry in home.entries.items()
        for version in VERSIONS
        if entry.number(version) is not None
    ]


def collect() -> Cells:
    """Asks everybody. Some ten seconds."""
    found: Cells = {cell: set() for cell in cells()}
    for letter, ask in (
        ("K", _goldens),
        ("O", _open_vswitch_cases),
        ("s", _sent),
        ("o", _printed),
        ("k", _read_by_os_ken),
        ("W", _dissected),
        ("N", coverage_rare.newer),
        ("L", coverage_rare.of_1_1),
        ("D", coverage_rare.taken),
    ):
        for cell in ask():
            if cell in found:
                found[cell].add(letter)
    return found


def records_in(value: Any) -> Iterator[type[Record]]:
    """The classes of a record and of all in it."""
    if isinstance(value, msgspec.Struct):
        yield type(value)  # type: ignore[misc]
        for name in value.__struct_fields__:
            yield from records_in(getattr(value, name))
    elif isinstance(value, (tuple, list)):
        for one in value:
            yield from records_in(one)


# -- what others wrote -----------------------------------------------------------------------------------------------


def _exact(data: bytes) -> Iterator[Cell]:
    try:
        message, xid, version = codec.decode(data)
        exact = codec.encode(message, xid, version) == data
    except (ProtocolError, EncodeError):
        return
    if exact:
        yield from ((record, version) for record in records_in(message))


def _goldens() -> Iterator[Cell]:
    for golden in osken.goldens():
        yield from _exact(golden.data)


def _open_vswitch_cases() -> Iterator[Cell]:
    for case in [*ovs_cases.print_cases(), *ovs_cases.sent_cases()]:
        if not case.error:
            yield from _exact(case.data)
    for actions in ovs_cases.action_cases():
        if actions.error:
            continue
        home = ACTION if actions.kind == "actions" or actions.version == V10 else INSTRUCTION
        read = CODEC.reader_of_many(home, actions.version)(actions.data, 0, len(actions.data))
        encoders = CODEC.encoders_of(home, actions.version)
        if b"".join(encoders[type(one)](one) for one in read) == actions.data:
            yield from ((record, actions.version) for record in records_in(read))


_FLOW = "table=3,priority=7,cookie=0x12,idle_timeout=5,hard_timeout=6,tcp,nw_src=10.0.0.0/8,tp_dst=80"
_GROUP = "group_id=5,type=select,bucket=actions=output:1,bucket=actions=output:2"
_METER = "meter=3,kbps,burst,stats,bands=type=drop,rate=500,burst_size=50"
# What ovs-ofctl is asked to send, and in which versions it can.
COMMANDS: tuple[tuple[tuple[int, ...], tuple[str, ...]], ...] = (
    (VERSIONS, ("add-flow", "SW", f"{_FLOW},actions=set_field:02:00:00:00:00:01->eth_dst,output:1")),
    (
        VERSIONS,
        ("add-flow", "SW", "actions=learn(table=1,NXM_OF_VLAN_TCI[0..11],output:NXM_OF_IN_PORT[]),resubmit(,4)"),
    ),
    (VERSIONS, ("add-flow", "SW", "ip,actions=ct(commit,zone=5,nat(src=10.0.0.1)),mod_nw_ttl:3,push_vlan:0x8100")),
    ((V11, V12, V13, V14, V15), ("add-flow", "SW", "ip,actions=dec_ttl,group:5,write_metadata:5,goto_table:4")),
    ((V11, V12, V13, V14, V15), ("add-flow", "SW", "ip,actions=write_actions(output:3),clear_actions")),
    ((V13, V14, V15), ("add-flow", "SW", "actions=meter:3,set_queue:4,output:1")),
    (VERSIONS, ("del-flows", "SW", "tcp")),
    (VERSIONS, ("dump-flows", "SW", "table=3,tcp")),
    (VERSIONS, ("dump-aggregate", "SW", "table=3,tcp")),
    (VERSIONS, ("dump-desc", "SW")),
    (VERSIONS, ("dump-tables", "SW")),
    (VERSIONS, ("dump-ports", "SW", "1")),
    (VERSIONS, ("dump-ports-desc", "SW")),
    (VERSIONS, ("queue-stats", "SW", "1", "2")),
    (VERSIONS, ("queue-get-config", "SW", "1")),
    (VERSIONS, ("get-frags", "SW")),
    (VERSIONS, ("set-frags", "SW", "drop")),
    (VERSIONS, ("mod-port", "SW", "1", "down")),
    (VERSIONS, ("show", "SW")),
    (VERSIONS, ("probe", "SW")),
    (VERSIONS, ("packet-out", "SW", "in_port=1 packet=0200000000010200000000020800 actions=output:2")),
    (VERSIONS, ("add-group", "SW", _GROUP)),
    (VERSIONS, ("dump-groups", "SW")),
    (VERSIONS, ("dump-group-stats", "SW", "5")),
    ((V12, V13, V14, V15), ("dump-group-features", "SW")),
    ((V13, V14, V15), ("add-meter", "SW", _METER)),
    ((V13, V14, V15), ("dump-meters", "SW")),
    ((V13, V14, V15), ("meter-stats", "SW")),
    ((V13, V14, V15), ("meter-features", "SW")),
    ((V13, V14, V15), ("dump-table-features", "SW")),
    ((V14, V15), ("dump-table-desc", "SW")),
    ((V14, V15), ("mod-table", "SW", "1", "evict")),
    ((V14, V15), ("--bundle", "del-flows", "SW", "tcp")),
)


def _sent() -> Iterator[Cell]:
    asked = [(version, words) for versions, words in COMMANDS for version in versions]

    def ask(one: tuple[int, tuple[str, ...]]) -> list[bytes]:
        try:
            return ofctl_wire.sent(one[0], *one[1])
        except ValueError:  # not in this version
            return []

    with ThreadPoolExecutor(4) as pool:
        for answers in pool.map(ask, asked):
            for data in answers:
                yield from _exact(data)


# -- what we wrote -------------------------------------------------------------------------------------------------


def rows() -> list[tuple[Message, int, str | None]]:
    """The messages that the tests of each room have, with what ovs-ofctl is to print."""
    found = []
    for module in pkgutil.iter_modules(protocol.__path__):
        if module.name.startswith("test_"):
            known = getattr(importlib.import_module(f"{protocol.__name__}.{module.name}"), "ROWS", ())
            for message, versions, said in known:
                for version in versions:
                    # In some rows {} stands for what follows the name in Open vSwitch's print.
                    head = ("" if version == V10 else f" (OF{VERSION_NAMES[version]})") + f" (xid={XID:#x})"
                    found.append((message, version, said and said.replace("{}", head)))
    return found


def actions() -> list[tuple[Record, int, str | None]]:
    """Actions and instructions with what ovs-ofctl is to print."""
    from .protocol.test_actions import INSTRUCTIONS

    found: list[tuple[Record, int, str | None]] = []
    for version in VERSIONS:
        known = [(one, action_samples.text_of(text, version)) for one, text in action_samples.ALL]
        for record, said in [*known, *(INSTRUCTIONS if version != V10 else ())]:
            home = ACTION if type(record) in ACTION.entries else INSTRUCTION
            if said != "" and home.entries[type(record)].number(version) is not None:
                found.append((record, version, said))
    return found


def _printed() -> Iterator[Cell]:
    asked = [(message, version, said) for message, version, said in rows() if said is not None]
    texts = ofctl.ofp_print_many([codec.encode(message, XID, version) for message, version, _ in asked])
    for (message, version, said), text in zip(asked, texts, strict=True):
        if ofctl.understood(text) and squeeze(said) in squeeze(text):
            yield type(message), version
    yield from _printed_samples()
    yield from coverage_rare.written_metadata()
    for version in VERSIONS:
        for home, kind in ((ACTION, "actions"), (INSTRUCTION, "instructions")):
            chosen = [
                (one, said)
                for one, known, said in actions()
                if known == version and said is not None and type(one) in home.entries
            ]
            encoders = CODEC.encoders_of(home, version)
            lists = [encoders[type(one)](one) for one, _ in chosen]
            readings = ofctl.parse_actions(version, lists, kind)  # type: ignore[arg-type]
            for (one, said), reading in zip(chosen, readings, strict=True):
                if said in reading.text:
                    yield type(one), version


def _printed_samples() -> Iterator[Cell]:
    """Samples of messages whose values all stand in what ovs-ofctl prints."""
    asked = [one for one in _all_samples() if any(True for _ in _numbers(one[0]))]
    texts = ofctl.ofp_print_many([data for _, _, data in asked])
    for (message, version, _), text in zip(asked, texts, strict=True):
        if ofctl.understood(text) and all(stands_in(number, text) for number in _numbers(message)):
            yield type(message), version


def stands_in(number: int, text: str) -> bool:
    """Whether a number is printed, as decimal or hexadecimal digits or as an address."""
    spelled = [str(number), f"{number:#x}", f"{number:x}", number.to_bytes(16, "big")[10:].hex(":")]
    if number < 1 << 32:
        spelled.append(".".join(map(str, number.to_bytes(4, "big"))))
    return any(re.search(rf"(?<![0-9a-fA-F]){re.escape(one)}(?![0-9a-fA-F])", text) for one in spelled)


def _numbers(value: Any) -> Iterator[int]:
    """The numbers in a message that are too large to be there by chance, or to be a word in what is printed."""
    if isinstance(value, msgspec.Struct):
        for name in value.__struct_fields__:
            yield from _numbers(getattr(value, name))
    elif isinstance(value, (tuple, list)):
        for one in value:
            yield from _numbers(one)
    elif isinstance(value, dict):
        for one in value.values():
            yield from _numbers(one)
    elif isinstance(value, int) and 16 < value < 0xFF00:
        yield value


def _all_samples() -> list[tuple[Any, int, bytes]]:
    """Messages of the rooms' tests, and samples made from the declarations; actions and instructions in a flow mod."""
    found: list[tuple[Any, int, bytes]] = []
    messages = [(message, version) for message, version, _ in rows()]
    for record, version in cells():
        for start in (0, 7, 15, 30):
            one = samples.sample(record, version, start)
            messages.append((_in_message(one, version), version))
    messages += [(_in_message(one, version), version) for one, version, _ in actions()]
    for message, version in messages:
        found.append((message, version, codec.encode(message, XID, version)))
    return found


def _in_message(one: Any, version: int) -> Message:
    if isinstance(one, Message):
        return one
    if type(one) in INSTRUCTION.entries:
        return FlowMod(instructions=(one,))
    return FlowMod(actions=(one,))


def _agreed(found: Agreement, version: int) -> Iterator[Cell]:
    if not found.wrong:
        for record, names in found.records.items():
            if names or not record.__struct_fields__ or record.__struct_fields__ == ("flags",):
                yield record, version


def _read_by_os_ken() -> Iterator[Cell]:
    for message, version, data in _all_samples():
        if any(record.__name__.startswith("Unknown") for record in records_in(message)):
            continue  # its reader of hello elements does not get past one that it does not know
        try:
            reading = osken.parse(data)
        except osken.OsKenError:
            continue
        if reading is not None:
            yield from _agreed(with_os_ken(codec.decode(data)[0], reading), version)


def _dissected() -> Iterator[Cell]:
    asked = [one for one in _all_samples() if one[1] in wireshark.VERSIONS]
    dissections = wireshark.dissect([data for _, _, data in asked])
    for (_, version, data), dissection in zip(asked, dissections, strict=True):
        if not dissection.malformed and not dissection.undissected:
            yield from _agreed(with_wireshark(codec.decode(data)[0], dissection), version)


# -- the table -----------------------------------------------------------------------------------------------------


def table(found: Cells) -> str:
    """The page of the documentation."""
    lines = [PAGE_HEAD]
    for title, home in ROOMS:
        lines += ["", f"## {title}", "", "| | " + " | ".join(VERSION_NAMES[version] for version in VERSIONS) + " |"]
        lines.append("| --- " * (len(VERSIONS) + 1) + "|")
        for record, entry in sorted(home.entries.items(), key=lambda one: _order(one[1])):
            row = [f"`{entry.name(V15) or entry.name(V10)}`"]
            for version in VERSIONS:
                judged = found.get((record, version))
                letters = "".join(letter for letter in LETTERS if judged and letter in judged)
                row.append("-" if judged is None else letters or "none")
            lines.append("| " + " | ".join(row) + " |")
    counts = [len(letters) for letters in found.values()]
    lines += ["", f"{len(counts)} cells; {sum(number > 0 for number in counts)} have been judged by one party or more,"]
    lines.append(f"{sum(number > 1 for number in counts)} in two ways or more.")
    return "\n".join(lines) + "\n"


def _order(entry: Entry) -> tuple[Any, ...]:
    """By number, in the newest version that has it; experimenters' behind."""
    numbers = [entry.number(version) for version in reversed(VERSIONS)]
    return entry.key or (-1, next(number for number in numbers if number is not None)), entry.name(V15)


PAGE_HEAD = """\
# Who has judged the OpenFlow library

Made by `python -m tests.openflow.coverage > docs/openflow/coverage.md`, which asks each party again; a test compares.

- `K`: os-ken's golden packets with it are read and written again octet for octet.
- `O`: so are the messages and lists of actions of Open vSwitch's own tests.
- `s`: ovs-ofctl wrote it, and it was read and written again octet for octet.
- `o`: ovs-ofctl reads what we wrote, and prints our values.
- `k`: os-ken reads what we wrote, with our values.
- `W`: Wireshark dissects what we wrote, with our values.
- `N`: a newer ovs-ofctl wrote it, and it was read with its values and written again octet for octet.
- `L`: so was what PyLoxi wrote in OpenFlow 1.1, in which oflib-node, another library, reads the same.
- `D`: Open vSwitch's switch in the dummy mode of its own tests takes what we wrote, prints its name, and gives it back.

The octets of `N` and `L` are kept in `tests/openflow/oracles/kept.json`, with the versions that wrote and read them.

`-` is something that the version has not, "none" something that none of them judges in that version: there is no such
cell. Some are judged in one place only:

- Open vSwitch reads `NXAST_WRITE_METADATA` among a flow's actions alone, and in OpenFlow 1.1 and later gives it back as
  the instruction.
- It reads `NXAST_DEBUG_SLOW` and `NXAST_DEBUG_RECIRC` in dummy mode alone; ovs-ofctl never does.
- Neither os-ken nor Wireshark speaks OpenFlow 1.1, and Open vSwitch copies no TTLs.
- `NXAST_SAMPLE4` is newer than the Open vSwitch that is asked."""


if __name__ == "__main__":
    reason = missing()
    if reason:
        sys.exit(reason)
    sys.stdout.write(table(collect()))
