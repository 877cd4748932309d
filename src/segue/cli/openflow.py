"""``segue openflow``: OpenFlow messages on the command line. Each subcommand is in a module of its own, loaded when
it runs."""

from __future__ import annotations

import argparse

from segue.cli.openflow_options import add_options, add_target_options
from segue.cli.openflow_run import add_run_parser

ABOUT = """\
OpenFlow messages, versions 1.0 to 1.5: read them, write them, watch them pass, replay them, and run controllers."""
EXAMPLES = """\
examples:
  segue openflow decode 0105000800000000              what do these bytes say?
  segue openflow decode --pcap control.pcap           what was said in this capture?
  segue openflow watch tcp:192.0.2.1 --listen ptcp:6653
  segue openflow replay recorded.jsonl tcp:192.0.2.1

`segue openflow COMMAND --help` says more of each."""

DECODE = """\
Prints what OpenFlow messages say, as JSON that loses nothing (`segue openflow encode` makes the same bytes of it).

The messages are hexadecimal words, or in a file or on standard input: hexadecimal text (dumps with offsets too, as
ovs-ofctl and xxd print them), the bytes as they are, a capture (pcap, pcapng), or a recording of `segue openflow
watch`; which one it is shows by itself. Or they come from a live peer, by --listen or --connect; nothing is answered.

What does not decode is reported with its offset and the reason, and the rest goes on with the next message. In a
capture, connections to and from --port are put together: repeated and reordered segments are put right, lost ones
reported."""
DECODE_EXAMPLES = """\
examples:
  segue openflow decode 0105000800000000
  segue openflow decode - < dump.txt
  tcpdump -w - -U -i lo tcp port 6653 | segue openflow decode --pcap -
  segue openflow decode --file stream.bin -o text
  segue openflow decode --listen ptcp:127.0.0.1:6653 | jq 'select(.type == "OFPT_HELLO")'

exit status:
  0  all of it was decoded
  1  something is not OpenFlow, or is missing in the capture
  2  something is wrong with what was asked"""

ENCODE = """\
Makes bytes of messages in JSON, as `segue openflow decode` prints them: one object per line, or one array.

Fields that are left out have their defaults. The JSON Schema of all messages is printed by `segue openflow schema`."""
ENCODE_EXAMPLES = """\
examples:
  echo '{"version": "1.3", "type": "OFPT_BARRIER_REQUEST", "xid": 7}' | segue openflow encode
  segue openflow encode messages.jsonl -o binary > messages.bin
  segue openflow decode 0105000800000000 -o json | segue openflow encode -

exit status:
  0  written
  2  some JSON says no message: nothing is written of it and what follows"""

SCHEMA = """\
Prints the JSON Schema (draft 2020-12) of messages as `decode` prints and `encode` takes them: of one version, or of
all."""
SCHEMA_EXAMPLES = """\
examples:
  segue openflow schema --version 1.3 > openflow-1.3.schema.json
  segue openflow schema | jq '."$defs" | keys'"""

WATCH = """\
Stands between switches and their controller, and prints what they say to one another.

Switches are pointed at --listen; for each that calls, TARGET is called, and the bytes of both pass on unchanged, also
where they are no OpenFlow. When one side ends, the other is ended likewise. Who reads the output slowly slows the
switch down: nothing piles up here.

TARGET: tcp:HOST[:PORT], ssl:HOST[:PORT] or unix:PATH. --listen: ptcp:[PORT][:HOST], pssl:[PORT][:HOST] or punix:PATH.

With TLS each side has a connection of its own, which ends here: switches are shown --certificate, and so is TARGET, or
--target-certificate. One side may have TLS and the other not.

Filters say what is printed; all of them must agree. A recording has everything, whatever is printed."""
WATCH_EXAMPLES = """\
examples:
  segue openflow watch tcp:192.0.2.1:6653 --listen ptcp:6654
  ovs-vsctl set-controller br0 tcp:127.0.0.1:6654
  segue openflow watch tcp:192.0.2.1 --listen ptcp:6654 --type OFPT_FLOW_MOD,OFPT_ERROR
  segue openflow watch tcp:192.0.2.1 --listen ptcp:6654 --not-type OFPT_ECHO_REQUEST,OFPT_ECHO_REPLY --from switch
  segue openflow watch tcp:192.0.2.1 --listen ptcp:6654 --where match.eth_dst=00:00:00:00:00:01
  segue openflow watch tcp:192.0.2.1 --listen ptcp:6654 --where instructions.actions.port=OFPP_CONTROLLER
  segue openflow watch tcp:192.0.2.1 --listen ptcp:6654 --record today.jsonl
  segue openflow watch ssl:192.0.2.1 --listen pssl:6654 --certificate my.pem --key my.key --ca ca.pem
  segue openflow watch unix:/var/run/openvswitch/br0.mgmt --listen ptcp:6654 --caller controller

--where: a path through the JSON; lists are searched. PATH=VALUE, PATH!=VALUE, or PATH alone for "has it". a
recording: lines of JSON with time, connection, from and hex; `decode` and `replay` read it. Each line is written at
once.

exit status:
  0  --count messages were printed
  1  it cannot listen there"""

REPLAY = """\
Says again to TARGET what one side of a recording (`watch --record`) or of a capture (pcap, pcapng) said: a switch's
part to a controller, or a controller's part to a switch.

Hello is negotiated anew, echo requests are answered, and neither is replayed; all else is sent as it was, at the
distances in time that it had. Each recorded connection gets one of its own. At the end, what came back is compared
with what was recorded, by the number of messages of each type, and errors are told in full.

With --wait, time gives way to order: what answered something waits until that is asked again, and takes over the
transaction number of the new question; a question waits for its answer before the next message is sent.

TARGET: tcp:HOST[:PORT], ssl:HOST[:PORT] or unix:PATH to call; ptcp:[PORT][:HOST], pssl:[PORT][:HOST] or punix:PATH to
wait for a call. With ssl: and pssl: (TLS) go --certificate, --key and --ca."""
REPLAY_EXAMPLES = """\
examples:
  segue openflow replay today.jsonl tcp:192.0.2.1                   the switch's part, to a controller
  segue openflow replay today.jsonl tcp:192.0.2.1 --speed 10        ten times as fast
  segue openflow replay today.jsonl tcp:192.0.2.1 --fast            without any pauses
  segue openflow replay today.jsonl tcp:192.0.2.1 --wait
  segue openflow replay today.jsonl unix:/var/run/openvswitch/br0.mgmt --from controller --wait
  segue openflow replay control.pcap ptcp:6653 --connection 2

exit status:
  0  all was sent, and no error came back that was not recorded
  1  an error came back, the connection ended early, or the versions do not agree
  2  something is wrong with what was asked"""

RECORDED = "a recording, or a capture"
_PORTS = "6653,6633"


def add_parsers(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    openflow = subparsers.add_parser(
        "openflow", help="read, write, watch and replay OpenFlow", description=ABOUT, epilog=EXAMPLES
    )
    commands = openflow.add_subparsers(metavar="COMMAND", required=True, title="commands")
    add_run_parser(commands)
    _decode(commands)
    _encode(commands)
    _schema(commands)
    _watch(commands)
    _replay(commands)


def _decode(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    parser = commands.add_parser("decode", help="bytes to JSON", description=DECODE, epilog=DECODE_EXAMPLES)
    parser.add_argument(
        "words", nargs="*", metavar="HEX", help="messages in hexadecimal; - (default) is standard input"
    )
    where = parser.add_mutually_exclusive_group()
    where.add_argument("--file", metavar="FILE", help="a file of messages, in any of the forms")
    where.add_argument("--pcap", metavar="FILE", help="a capture: pcap or pcapng; - is standard input")
    where.add_argument("--listen", metavar="WHERE", help="wait for one call: ptcp:[PORT][:HOST], pssl: or punix:PATH")
    where.add_argument("--connect", metavar="TARGET", help="call: tcp:HOST[:PORT], ssl:HOST[:PORT] or unix:PATH")
    parser.add_argument(
        "--port", metavar="PORTS", default=_PORTS, help=f"TCP ports of OpenFlow in a capture (default {_PORTS})"
    )
    add_options(parser)
    _form(parser, "json", "yaml", "text")
    parser.set_defaults(run=_run_decode)


def _form(parser: argparse.ArgumentParser, *forms: str) -> None:
    text = "form of the output (default text on a terminal, else json: an object per line)"
    parser.add_argument("-o", "--output", choices=forms, help=text)


def _encode(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    parser = commands.add_parser("encode", help="JSON to bytes", description=ENCODE, epilog=ENCODE_EXAMPLES)
    parser.add_argument("file", nargs="?", default="-", metavar="FILE", help="JSON; - (default) is standard input")
    text = "hex, a message per line (default), or binary"
    parser.add_argument("-o", "--output", choices=("hex", "binary"), default="hex", help=text)
    parser.set_defaults(run=_run_encode)


def _schema(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    parser = commands.add_parser("schema", help="the JSON Schema", description=SCHEMA, epilog=SCHEMA_EXAMPLES)
    versions = ("1.0", "1.1", "1.2", "1.3", "1.4", "1.5")
    parser.add_argument("--version", choices=versions, help="of this version alone")
    parser.set_defaults(run=_run_schema)


def _watch(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    parser = commands.add_parser("watch", help="see what passes", description=WATCH, epilog=WATCH_EXAMPLES)
    parser.add_argument("target", metavar="TARGET", help="the controller")
    parser.add_argument("--listen", metavar="WHERE", required=True, help="where switches call")
    text = "who calls (default switch); with controller, TARGET is a switch that waits for calls"
    parser.add_argument("--caller", choices=("switch", "controller"), default="switch", help=text)
    parser.add_argument(
        "--type", metavar="TYPES", default="", help="these types only, such as OFPT_FLOW_MOD,OFPMP_DESC"
    )
    parser.add_argument("--not-type", metavar="TYPES", default="", help="all but these types")
    parser.add_argument("--from", dest="side", choices=("switch", "controller"), help="what this side says only")
    parser.add_argument("--where", metavar="TEST", action="append", default=[], help="PATH=VALUE; may be repeated")
    parser.add_argument("--record", metavar="FILE", help="write everything to this new file")
    parser.add_argument("--count", metavar="N", type=int, help="stop when so many were printed")
    add_options(parser)
    add_target_options(parser)
    _form(parser, "json", "text")
    parser.set_defaults(run=_run_watch)


def _replay(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    parser = commands.add_parser("replay", help="say it again", description=REPLAY, epilog=REPLAY_EXAMPLES)
    parser.add_argument("file", metavar="FILE", help=f"{RECORDED}; - is standard input")
    parser.add_argument("target", metavar="TARGET", help="who is to hear it")
    text = "whose part is played (default switch)"
    parser.add_argument("--from", dest="side", choices=("switch", "controller"), default="switch", help=text)
    parser.add_argument("--connection", metavar="N", type=int, help="of the recorded connections this one only")
    pace = parser.add_mutually_exclusive_group()
    pace.add_argument("--speed", metavar="X", type=float, default=1.0, help="so many times as fast")
    pace.add_argument("--fast", action="store_true", help="without pauses")
    parser.add_argument("--wait", action="store_true", help="ask and answer in order, in place of times")
    text = "seconds to wait for a question, an answer, or the last of them (default 3)"
    parser.add_argument("--patience", metavar="S", type=float, default=3.0, help=text)
    parser.add_argument(
        "--port", metavar="PORTS", default=_PORTS, help=f"TCP ports of OpenFlow in a capture (default {_PORTS})"
    )
    add_options(parser)
    text = "form of the report (default text)"
    parser.add_argument("-o", "--output", choices=("text", "json"), default="text", help=text)
    parser.set_defaults(run=_run_replay)


def _run_decode(args: argparse.Namespace) -> int:
    from segue.cli.openflow_decode import run

    return run(args)


def _run_encode(args: argparse.Namespace) -> int:
    from segue.cli.openflow_encode import run

    return run(args)


def _run_schema(args: argparse.Namespace) -> int:
    import json

    from segue.openflow.as_json import VERSION_NUMBERS
    from segue.openflow.json_schema import schema

    print(json.dumps(schema(VERSION_NUMBERS[args.version] if args.version else None), indent=2, ensure_ascii=False))
    return 0


def _run_watch(args: argparse.Namespace) -> int:
    from segue.cli.openflow_watch import run

    return run(args)


def _run_replay(args: argparse.Namespace) -> int:
    from segue.cli.openflow_replay import run

    return run(args)
