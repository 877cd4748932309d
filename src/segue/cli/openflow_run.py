"""``segue openflow run``: a controller with applications."""

from __future__ import annotations

import argparse
from typing import Any

ABOUT = """\
Runs a controller with one application or several, each by its name or as a file of Python.

  learning-switch   learns addresses, installs flows, floods what it does not know
  discovery         finds the links between switches (LLDP)
  spanning-tree     makes floods safe in networks with loops (loads discovery)
  arp-proxy         answers ARP requests for addresses that it knows"""
EXAMPLES = """\
examples:
  segue openflow run learning-switch
  segue openflow run learning-switch spanning-tree --listen ptcp:0.0.0.0:6653
  segue openflow run mine.py --messages            every message as JSON, one a line
  segue openflow run mine.py --connect tcp:192.0.2.7:6653 --versions 1.3

an application is a file with
  from segue.openflow import FLOOD, App, Output, PacketIn, PacketOut
  app = App("hub")

  @app.on(PacketIn)
  def packet_in(switch, msg):
      return PacketOut.answering(msg, [Output(FLOOD)])

A file that changes is loaded again, and switches stay connected. Ctrl-C ends it gracefully."""


def add_run_parser(commands: Any) -> None:
    run = commands.add_parser("run", help="run a controller with applications", description=ABOUT, epilog=EXAMPLES)
    run.add_argument("apps", nargs="+", metavar="APP", help="a name (above), or a file of Python")
    run.add_argument(
        "--listen",
        action="append",
        metavar="TARGET",
        help="ptcp:HOST:PORT, pssl:HOST:PORT or punix:PATH; may be repeated (default ptcp:127.0.0.1:6653)",
    )
    run.add_argument(
        "--connect",
        action="append",
        default=[],
        metavar="TARGET",
        help="tcp:HOST:PORT, ssl:HOST:PORT or unix:PATH of a switch",
    )
    run.add_argument("--versions", metavar="LIST", help="such as 1.0,1.3 (default: 1.0 to 1.5)")
    run.add_argument("--messages", action="store_true", help="print every message as JSON, one a line")
    run.add_argument("--keep-flows", action="store_true", help="do not delete all flows of switches that connect")
    run.add_argument("--no-reload", action="store_true", help="do not load files again when they change")
    run.add_argument(
        "--spin",
        nargs="?",
        type=float,
        const=50.0,
        metavar="US",
        help="look for messages for so many microseconds (50) before sleeping: sooner answers, dearer waiting",
    )
    run.add_argument("--certificate", metavar="FILE", help="TLS: our certificate, with --key and --ca")
    run.add_argument("--key", metavar="FILE", help="TLS: our private key")
    run.add_argument("--ca", metavar="FILE", help="TLS: who signed the switches' certificates")
    run.add_argument("-v", "--verbose", action="store_true", help="log more")
    run.set_defaults(run=_run)


def _run(args: argparse.Namespace) -> int:
    from segue.cli.openflow_running import run_controller

    return run_controller(args)
